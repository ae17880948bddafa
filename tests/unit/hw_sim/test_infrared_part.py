"""MLX90614 against its data sheet: protocol, words, limits, and what it sees."""

from pathlib import Path
from textwrap import dedent

import pytest

from hw_sim.fakes.errors import ChipMisuse
from hw_sim.world.clock import Clock
from hw_sim.world.parts.mlx90614 import Mlx90614, packet_error_code
from hw_sim.world.plant import Plant, PlantParams, SkinParams
from hw_sim.world.plant.line import LineParams
from tests.unit.hw_sim.chip_programs import printed

MS = 1_000_000
S = 1_000_000_000
COLD_LINE = LineParams(start_c=-190.0)


class Bus:
    def __init__(self, skin: SkinParams | None = None, **options: float) -> None:
        self.clock = Clock()
        self.plant = Plant(PlantParams(line=COLD_LINE, skin=skin or SkinParams(start_c=33.0)))
        self.chip = Mlx90614(self.clock, self.plant, **options)

    def after(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ns + round(ms * MS))
        self.plant.advance(self.clock.now_ns)

    def word(self, command: int) -> int:
        """One read word; the packet error code must be right."""
        assert self.chip.write(bytes([command]), stop=False) == 1
        low, high, pec = self.chip.read(3)
        assert pec == packet_error_code(bytes([0xB4, command, 0xB5, low, high]))
        return high << 8 | low

    def object_c(self) -> float:
        return self.word(0x07) * 0.02 - 273.15


def test_the_packet_error_code_of_the_data_sheet() -> None:
    # Figure 7: SA_W B4, command 07, SA_R B5, data D2 3A, PEC 30.
    assert packet_error_code(b"\xb4\x07\xb5\xd2\x3a") == 0x30
    assert packet_error_code(b"") == 0


def test_it_reads_the_skin_to_two_hundredths() -> None:
    bus = Bus()
    bus.after(3000)
    assert bus.object_c() == pytest.approx(33.0, abs=0.02)
    assert bus.word(0x06) * 0.02 - 273.15 == pytest.approx(22.0, abs=0.02)


def test_the_eeprom_can_be_read_and_not_written() -> None:
    bus = Bus()
    assert bus.word(0x24) == 0xFAE0 == round(0.98 * 65535)
    assert bus.word(0x2E) & 0xFF == 0x5A
    assert bus.chip.write(b"\x24\xff\xff\x00") == 1
    assert bus.word(0x24) == 0xFAE0
    assert bus.chip.write(b"\xff") == 0  # sleep


def test_without_a_repeated_start_there_is_no_answer() -> None:
    bus = Bus()
    bus.after(1000)
    bus.chip.write(b"\x07")
    assert bus.chip.read(3) == b"\xff\xff\xff"
    assert bus.object_c() > 30.0


def test_byte_by_byte_as_the_emulated_chip_does_it() -> None:
    bus = Bus()
    bus.after(1000)
    chip = bus.chip
    chip.start()
    assert chip.write_byte(0x07)
    chip.restart()
    data = [chip.read_byte() for _ in range(4)]
    chip.stop()
    assert data[3] == 0xFF
    assert data[2] == packet_error_code(bytes([0xB4, 0x07, 0xB5, data[0], data[1]]))
    assert data[1] << 8 | data[0] == bus.word(0x07)


def test_nothing_is_valid_for_a_quarter_of_a_second_after_power_on() -> None:
    bus = Bus()
    bus.after(240)
    assert bus.word(0x07) == 0
    bus.after(20)
    assert bus.object_c() == pytest.approx(33.0, abs=0.02)
    bus.chip.power(False)
    bus.chip.power(True)
    assert bus.word(0x07) == 0


def freeze(bus: Bus, s: float) -> None:
    bus.plant.energise(bus.clock.now_ns, True)
    bus.after(s * 1000)
    bus.plant.energise(bus.clock.now_ns, False)


def test_below_minus_70_it_stays_at_its_lowest_word() -> None:
    bus = Bus()
    freeze(bus, 5)
    assert bus.plant.skin_c < -100.0
    assert bus.word(0x07) == 0x27AD
    bus.chip.flags_below = True
    assert bus.word(0x07) & 0x8000
    bus.after(120_000)
    assert 0.0 < bus.object_c() < 33.0  # thawed: no flag


def test_the_error_flag() -> None:
    bus = Bus()
    bus.after(1000)
    bus.chip.flags = True
    assert bus.word(0x07) & 0x8000


def test_it_follows_in_steps_of_a_tenth_of_a_second_and_settles_within_065_s() -> None:
    bus = Bus()
    bus.after(1000)
    warm_c = bus.object_c()
    bus.plant.new_skin(bus.clock.now_ns, SkinParams(start_c=10.0))
    seen: list[float] = []
    for _ in range(100):
        bus.after(10)
        seen.append(bus.object_c())
    assert len(set(seen)) <= 11
    assert seen[5] == warm_c
    # Radiation is not linear in temperature, so a little off 99 %.
    assert seen[64] == pytest.approx(10.0, abs=0.6)
    assert seen[30] > 11.0
    assert seen[99] == pytest.approx(10.0, abs=0.1)


def test_seldom_and_often_read_alike() -> None:
    often, seldom = Bus(), Bus()
    for bus, step_ms in ((often, 20), (seldom, 1000)):
        bus.plant.energise(0, True)
        for _ in range(2000 // step_ms):
            bus.after(step_ms)
            bus.word(0x07)
    assert often.object_c() == pytest.approx(seldom.object_c(), abs=0.3)


def test_a_field_wider_than_the_spot_sees_warm_skin_around_it() -> None:
    small = SkinParams(start_c=33.0, spot_radius_mm=2.5)
    narrow, wide = Bus(small, field_mm=2.0), Bus(small, field_mm=5.0)
    for bus in (narrow, wide):
        freeze(bus, 1)
    assert wide.object_c() > narrow.object_c() + 40.0


def test_an_emissivity_left_at_one_reads_too_warm_in_the_cold() -> None:
    frozen = SkinParams(start_c=-50.0)
    set_up, as_delivered = Bus(frozen), Bus(frozen, emissivity=1.0)
    for bus in (set_up, as_delivered):
        bus.after(1000)
    assert set_up.object_c() == pytest.approx(-50.0, abs=0.02)
    # (0.98 · 223.15⁴ + 0.02 · 295.15⁴) to the ¼ is 225.4 K.
    assert as_delivered.object_c() == pytest.approx(-47.7, abs=0.1)
    with pytest.raises(ValueError, match="emissivity"):
        Bus(emissivity=0.05)


def test_dirt_and_the_nozzle_pointed_away_show_the_room() -> None:
    bus = Bus()
    bus.after(1000)
    bus.chip.dirt = 0.5
    bus.after(2000)
    assert bus.object_c() == pytest.approx(27.5, abs=0.5)
    bus.chip.dirt = 0.0
    bus.plant.point(bus.clock.now_ns, at_skin=False)
    bus.after(2000)
    assert bus.object_c() == pytest.approx(22.0, abs=0.1)


def test_mist_shows_colder_while_liquid_comes_and_not_after() -> None:
    clear, misty = Bus(), Bus()
    misty.chip.mist = 0.5
    for bus in (clear, misty):
        bus.plant.energise(0, True)
        bus.after(600)
    assert misty.object_c() < clear.object_c() - 10.0
    for bus in (clear, misty):
        bus.plant.energise(bus.clock.now_ns, False)
        bus.after(5000)
    assert misty.object_c() == pytest.approx(clear.object_c(), abs=0.1)


# -- on the fast bench ------------------------------------------------------------------------

PROGRAM = """
    from machine import I2C, Pin
    time.sleep_ms(400)
    bus = I2C(0, sda=Pin(4), scl=Pin(5), freq={hz})
    data = bytearray(3)
    for command in (0x07, 0x24):
        try:
            bus.readfrom_mem_into(0x5A, command, data)
            print(data[0] | data[1] << 8, data[2])
        except OSError as error:
            print("none", error.errno)
"""


def test_a_program_reads_it_on_the_fast_bench(tmp_path: Path) -> None:
    text = printed(tmp_path, dedent(PROGRAM).format(hz=100_000), ms=600, skin_sensor=True)
    first, second = (line.split() for line in text.splitlines())
    assert int(first[0]) * 0.02 - 273.15 == pytest.approx(34.86, abs=0.05)
    assert int(second[0]) == 0xFAE0
    assert int(second[1]) == packet_error_code(b"\xb4\x24\xb5\xe0\xfa")


def test_it_does_not_acknowledge_where_it_is_not_fitted(tmp_path: Path) -> None:
    text = printed(tmp_path, dedent(PROGRAM).format(hz=100_000), ms=600)
    assert text.splitlines() == ["none 5", "none 5"]


def test_the_bus_must_not_be_faster_than_100_khz_for_it(tmp_path: Path) -> None:
    with pytest.raises(ChipMisuse, match="100000 Hz at most"):
        printed(tmp_path, dedent(PROGRAM).format(hz=400_000), ms=600, skin_sensor=True)
