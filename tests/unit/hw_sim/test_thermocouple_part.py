"""MAX31856 against its data sheet, and the thermocouple's voltages against NIST's tables."""

import pytest

from hw_sim.world.clock import Clock
from hw_sim.world.parts.max31856 import Max31856
from hw_sim.world.parts.thermocouple import type_k_c, type_k_mv, type_t_mv
from hw_sim.world.plant import Plant

MS = 1_000_000
S = 1_000_000_000
AUTO_T_50HZ = b"\x80\x91\x07"  # automatic, open-circuit test on, 50 Hz; type T


class Bus:
    def __init__(self) -> None:
        self.clock = Clock()
        self.plant = Plant()
        self.chip = Max31856(self.clock, self.plant)

    def message(self, data: bytes) -> bytes:
        self.chip.select()
        answer = self.chip.transfer_bulk(data)
        self.chip.deselect()
        return answer

    def by_byte(self, data: bytes) -> bytes:
        self.chip.select()
        answer = bytes(self.chip.transfer(byte) for byte in data)
        self.chip.deselect()
        return answer

    def after(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ns + round(ms * MS))

    def hot_c(self) -> float:
        raw = int.from_bytes(self.message(b"\x0c\0\0\0")[1:], "big", signed=True)
        return (raw >> 5) / 128.0

    def cold_c(self) -> float:
        raw = int.from_bytes(self.message(b"\x0a\0\0")[1:], "big", signed=True)
        return (raw >> 2) / 64.0

    def faults(self) -> int:
        return self.message(b"\x0f\0")[1]


def running(cold_s: int = 0) -> Bus:
    bus = Bus()
    if cold_s:
        bus.plant.energise(0, True)
        bus.clock.advance_to(cold_s * S)
        bus.plant.advance(cold_s * S)
    bus.message(AUTO_T_50HZ)
    return bus


# NIST ITS-90 tables, reference at 0 °C.
@pytest.mark.parametrize(
    ("c", "mv"),
    [(-200, -5.603), (-190, -5.439), (-100, -3.379), (0, 0.0), (25, 0.992), (100, 4.279)],
)
def test_type_t_voltages(c: float, mv: float) -> None:
    assert type_t_mv(c) == pytest.approx(mv, abs=0.0006)


@pytest.mark.parametrize(("c", "mv"), [(-200, -5.891), (-100, -3.554), (25, 1.000), (100, 4.096)])
def test_type_k_voltages_and_back(c: float, mv: float) -> None:
    assert type_k_mv(c) == pytest.approx(mv, abs=0.0006)
    assert type_k_c(type_k_mv(c)) == pytest.approx(c, abs=1e-3)


def test_registers_after_power_on() -> None:
    bus = Bus()
    assert bus.message(bytes(17))[1:] == bytes.fromhex("0003ff7fc07fff800000000000000000")
    bus.after(1000)
    assert bus.hot_c() == 0.0  # nobody asked for a conversion


def test_bulk_and_byte_by_byte_answer_alike() -> None:
    bus = running()
    bus.after(300)
    for first in range(16):
        for n in (1, 2, 4, 17, 20):
            data = bytes([first]) + bytes(n)
            assert bus.message(data) == bus.by_byte(data)


def test_it_reads_the_nozzle_in_steps_of_a_128th() -> None:
    bus = running(cold_s=15)
    bus.after(250)
    bus.plant.advance(bus.clock.now_ns)
    assert bus.hot_c() == pytest.approx(bus.plant.nozzle_c, abs=0.1)
    assert bus.hot_c() * 128 == int(bus.hot_c() * 128)
    assert bus.cold_c() == pytest.approx(22.0, abs=1 / 64)
    assert bus.faults() == 0


def test_conversions_come_every_98_ms_and_cover_the_time_of_the_open_circuit_test() -> None:
    bus = running()
    bus.after(112)
    assert bus.chip.conversions == 0
    bus.after(2)
    assert bus.chip.conversions == 1
    bus.after(98)
    assert bus.chip.conversions == 2
    bus.message(b"\x80\x11")  # automatic off
    bus.after(1000)
    assert bus.chip.conversions == 2


def test_a_single_shot_converts_once() -> None:
    bus = Bus()
    bus.message(b"\x80\x40\x07")
    assert bus.message(b"\x00\0")[1] == 0x40
    bus.after(142)
    assert bus.chip.conversions == 0
    bus.after(2)
    assert bus.chip.conversions == 1
    assert bus.message(b"\x00\0")[1] == 0x00  # the bit clears itself when it has converted
    bus.after(1000)
    assert bus.chip.conversions == 1
    assert bus.hot_c() == pytest.approx(22.0, abs=0.01)


def test_averaging_takes_longer() -> None:
    bus = Bus()
    bus.message(b"\x81\x27")  # four samples, type T
    bus.message(b"\x80\x81")
    bus.after(98 + 60 - 1)
    assert bus.chip.conversions == 0
    bus.after(2)
    assert bus.chip.conversions == 1


def test_an_open_circuit_is_seen_within_17_conversions_only_if_asked_for() -> None:
    bus = running()
    bus.after(300)
    bus.chip.open_circuit = True
    bus.after(200)
    assert bus.faults() == 0  # not tested yet
    bus.after(17 * 98 + 15)
    assert bus.faults() == 0x01
    bus.chip.open_circuit = False
    bus.after(17 * 98 + 15)
    assert bus.faults() == 0x00
    silent = Bus()
    silent.message(b"\x80\x81\x07")
    silent.chip.open_circuit = True
    silent.after(5000)
    assert silent.faults() == 0
    assert silent.hot_c() == pytest.approx(22.0, abs=0.1)


def test_a_voltage_out_of_range_is_flagged_and_the_value_stays() -> None:
    bus = running(cold_s=15)
    bus.after(300)
    before_c = bus.hot_c()
    bus.chip.out_of_range = True
    bus.plant.energise(bus.clock.now_ns, False)
    bus.after(5000)
    assert bus.faults() & 0x02
    assert bus.hot_c() == before_c


def test_touching_wires_read_room_temperature_without_any_fault() -> None:
    bus = running(cold_s=15)
    bus.chip.wires_touching = True
    bus.after(300)
    assert bus.hot_c() == pytest.approx(22.0, abs=0.02)
    assert bus.faults() == 0


def test_set_to_type_k_it_reads_wrongly() -> None:
    bus = running(cold_s=15)
    bus.message(b"\x81\x03")
    bus.after(300)
    assert bus.plant.nozzle_c < -185.0
    # NIST: T(−190.3) − T(22) + K(22) = −5.444 − 0.870 + 0.879 = −5.435 mV, K there: −174.1 °C.
    assert bus.hot_c() == pytest.approx(-174.1, abs=0.2)


def test_limits_set_their_bits_and_interrupt_mode_keeps_them() -> None:
    bus = running(cold_s=15)
    bus.message(b"\x87\xf6\x00")  # low limit -160 °C
    bus.after(300)
    assert bus.faults() == 0x04
    bus.message(b"\x80\x95")  # interrupt mode
    bus.after(300)
    bus.plant.energise(bus.clock.now_ns, False)
    bus.after(60_000)
    assert bus.hot_c() > -100.0
    assert bus.faults() == 0x04
    bus.message(b"\x80\x97")  # FAULTCLR
    assert bus.faults() == 0
    bus.after(1000)
    assert bus.faults() == 0


def test_the_cold_junction_can_be_shifted_or_given() -> None:
    bus = running()
    bus.message(b"\x89\x10")  # +1 °C
    bus.after(300)
    assert bus.cold_c() == pytest.approx(23.0, abs=1 / 64)
    assert bus.hot_c() == pytest.approx(23.0, abs=0.05)
    bus.message(b"\x8a\x20")  # ignored while the internal sensor is on
    assert bus.cold_c() == pytest.approx(23.0, abs=1 / 64)
    bus.message(b"\x80\x99")
    bus.message(b"\x8a\x20\x00")
    assert bus.cold_c() == 32.0


def test_read_only_registers_and_unselected_or_missing_chips() -> None:
    bus = running()
    bus.after(300)
    before = bus.chip.registers
    bus.message(b"\x8c\xff\xff\xff\xff")
    assert bus.chip.registers == before
    assert bus.chip.transfer(0x00) == 0
    bus.chip.present = False
    assert bus.message(bytes(17)) == bytes(17)


def test_types_that_are_not_modelled_say_so() -> None:
    with pytest.raises(NotImplementedError):
        Bus().message(b"\x81\x08")


def test_a_lost_supply_forgets_the_configuration() -> None:
    bus = running()
    bus.after(300)
    bus.chip.power(False)
    bus.chip.power(True)
    count = bus.chip.conversions
    bus.after(1000)
    assert bus.chip.conversions == count
    assert bus.message(b"\x01\0")[1] == 0x03
