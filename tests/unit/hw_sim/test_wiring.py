"""The board: pins, curves, the coil's series switches, and every mishap.

Pins and curves are written out here once more from docs/hardware.md.
"""

import pytest

from hw_sim.image.flash import SimFlash
from hw_sim.world.clock import Clock
from hw_sim.world.fault_injection import MISHAPS
from hw_sim.world.parts.i2c import I2cPart
from hw_sim.world.plant import Plant
from hw_sim.world.wiring import Wiring, WiringError

MS = 1_000_000
S = 1_000_000_000


class Board:
    def __init__(self, noise_lsb: float = 0.0, seed: int = 1, *, skin_sensor: bool = False) -> None:
        self.clock = Clock()
        self.plant = Plant()
        self.wiring = Wiring(
            self.clock, self.plant, noise_lsb=noise_lsb, seed=seed, skin_sensor=skin_sensor
        )
        self.supplies: list[bool] = []
        self.wiring.on_supply = self.supplies.append
        self.reported: list[tuple[int, str, float]] = []
        self.heard: list[tuple[int, int | None]] = []
        self.wiring.watch(lambda t, signal, value: self.reported.append((t, signal, value)))
        self.wiring.listen(lambda gp, level: self.heard.append((gp, level)))

    def after(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ns + round(ms * MS))

    def spray(self, on: bool = True) -> None:
        self.wiring.drive(3, int(on))
        self.wiring.drive(2, int(on))

    def mv(self, channel: int) -> float:
        return self.wiring.adc_counts(channel) * 3300 / 4096

    def signal(self, name: str) -> list[tuple[int, float]]:
        return [(t, value) for t, signal, value in self.reported if signal == name]


@pytest.mark.parametrize(
    ("gp", "name"), [(7, "trigger"), (8, "up"), (9, "down"), (10, "select"), (11, "arm")]
)
def test_buttons_pull_their_own_pin_low(gp: int, name: str) -> None:
    board = Board()
    board.wiring.buttons[name].press()
    board.after(20)
    assert [pin for pin in range(30) if board.wiring.level(pin) == 0] == [gp]
    board.wiring.buttons[name].release()
    board.after(20)
    assert board.wiring.level(gp) is None
    assert {pin for pin, _ in board.heard} == {gp}
    assert board.heard[0] == (gp, 0)
    assert board.heard[-1] == (gp, None)
    assert board.signal(name.upper())[0] == (0, 0)
    assert board.signal(name.upper())[-1][1] == 1


def test_the_estop_loop_is_high_on_gp6_while_healthy() -> None:
    board = Board()
    assert board.wiring.level(6) == 1
    board.wiring.estop.open()
    board.after(1)
    assert board.wiring.level(6) == 0  # by the external pull-down
    assert board.heard == [(6, 0)]
    assert board.signal("ESTOP") == [(1450, 0)]


def test_coil_needs_gate_and_supply_and_estop() -> None:
    for gate in (0, 1, None):
        for supply in (0, 1, None):
            for closed in (True, False):
                board = Board()
                if not closed:
                    board.wiring.estop.open()
                board.wiring.drive(2, gate)
                board.wiring.drive(3, supply)
                board.after(500)
                expected = gate == 1 and supply == 1 and closed
                assert board.plant.coil_energised is expected
                assert board.plant.valve_open is expected


def test_the_estop_contact_cuts_the_coil_by_itself() -> None:
    board = Board()
    board.spray()
    board.after(500)
    board.wiring.estop.open()
    board.after(200)
    assert not board.plant.valve_open
    assert board.signal("COIL") == [(0, 1), (500 * MS, 0)]
    assert board.signal("VALVE_GATE") == [(0, 1)]
    times = [t for t, _ in board.signal("VALVE")]
    assert times[0] == 12 * MS
    assert 525 * MS <= times[1] < 526 * MS


def test_trace_is_in_order_of_time() -> None:
    board = Board()
    board.spray()
    board.after(60)
    board.spray(False)
    board.after(100)
    times = [t for t, _, _ in board.reported]
    assert times == sorted(times)
    assert [value for _, value in board.signal("VALVE")] == [1, 0]


def test_analog_curves() -> None:
    board = Board()
    board.after(20)
    one_lsb = 3300 / 4096
    assert board.mv(0) == pytest.approx(0.0, abs=one_lsb)
    assert board.mv(1) == pytest.approx(330 + 1.32 * 600, abs=one_lsb)
    assert board.mv(2) == pytest.approx(500 + 2.0 * 850, abs=one_lsb)
    assert 4300 < board.mv(3) * 3 < 5500
    board.spray()
    board.after(10)
    assert board.mv(0) == pytest.approx(1200.0, abs=3.0)
    board.after(490)
    assert board.mv(0) == pytest.approx(350.0, abs=one_lsb)
    for channel in range(4):
        assert board.wiring.analog_mv(channel) == pytest.approx(
            board.mv(channel), abs=1.5 * one_lsb
        )


def test_counts_stay_within_12_bits() -> None:
    board = Board(noise_lsb=3.0)
    counts: list[int] = []
    for mv in (0.0, 3300.0, 4000.0):
        board.wiring.stuck_mv[1] = mv
        counts += [board.wiring.adc_counts(1) for _ in range(200)]
    assert min(counts) == 0
    assert max(counts) == 4095


def test_noise_is_small_and_the_same_for_a_seed() -> None:
    a, b, c = Board(1.0, seed=5), Board(1.0, seed=5), Board(1.0, seed=6)
    readings = [[board.wiring.adc_counts(1) for _ in range(300)] for board in (a, b, c)]
    assert readings[0] == readings[1] != readings[2]
    mean = sum(readings[0]) / 300
    assert mean == pytest.approx((330 + 1.32 * 600) * 4096 / 3300, abs=0.3)
    assert 2 <= max(readings[0]) - min(readings[0]) <= 9


def test_buses() -> None:
    board = Board()
    w = board.wiring
    assert w.i2c(0, 0x3C) is w.screen
    assert w.i2c(0, 0x68) is w.rtc
    assert [a for a in range(0x08, 0x78) if w.i2c(0, a) is not None] == [0x3C, 0x68]
    fitted = Board(skin_sensor=True).wiring
    assert fitted.i2c(0, 0x5A) is fitted.skin_sensor
    assert w.i2c(1, 0x3C) is None
    assert w.spi(0) is w.thermocouple
    assert w.spi(1) is None
    parts: list[I2cPart] = [w.screen, w.rtc, w.skin_sensor]
    assert all(part.present for part in parts)


def test_gp17_selects_the_thermocouple_chip() -> None:
    board = Board()
    chip = board.wiring.thermocouple
    board.wiring.drive(17, 1)
    assert not chip.selected
    board.wiring.drive(17, 0)
    assert chip.selected
    assert chip.transfer_bulk(b"\x01\0") == b"\0\x03"
    board.wiring.drive(17, None)
    assert not chip.selected


def test_leds_and_sounder() -> None:
    board = Board()
    w = board.wiring
    for gp, name in ((13, "green"), (14, "yellow"), (15, "red")):
        w.drive(gp, 1)
        assert [n for n, led in w.leds.items() if led.on] == [name]
        w.drive(gp, 0)
    w.pwm(14, 1000, 32768)
    assert w.leds["yellow"].brightness == pytest.approx(0.5, abs=0.001)
    w.drive(14, 0)
    assert not w.leds["yellow"].on
    w.pwm(12, 880, 20000)
    assert w.buzzer.sounding_hz == 880
    w.pwm(12, 880, 0)
    assert w.buzzer.sounding_hz == 0
    assert [value for _, value in board.signal("BUZZER")] == [880, 0]


@pytest.mark.parametrize("gp", [6, 7, 8, 9, 10, 11, 26, 27, 28, 29])
def test_inputs_of_the_board_must_not_be_driven(gp: int) -> None:
    board = Board()
    board.wiring.drive(gp, None)
    with pytest.raises(WiringError):
        board.wiring.drive(gp, 1)


def test_pins_that_do_not_exist_and_pwm_on_the_valve_are_refused() -> None:
    board = Board()
    for gp in (-1, 30):
        with pytest.raises(WiringError):
            board.wiring.drive(gp, 1)
        with pytest.raises(WiringError):
            board.wiring.level(gp)
    for gp in (2, 3, 6):
        with pytest.raises(WiringError):
            board.wiring.pwm(gp, 1000, 100)
    with pytest.raises(WiringError):
        board.wiring.pwm(12, 1000, 65536)


def test_a_lost_supply_closes_the_valve_and_darkens_everything() -> None:
    board = Board()
    w = board.wiring
    board.spray()
    w.drive(13, 1)
    w.pwm(15, 1000, 65535)
    w.pwm(12, 500, 30000)
    w.screen.write(b"\x00\x8d\x14\xaf")
    w.rtc.set_utc(1_700_000_000)
    board.after(1000)
    w.power(False)
    board.after(100)
    assert not board.plant.valve_open
    assert not w.screen.lit
    assert not any(led.on for led in w.leds.values())
    assert w.buzzer.sounding_hz == 0
    board.after(900)
    w.power(True)
    board.after(100)
    assert not board.plant.valve_open
    assert w.rtc.utc_s == 1_700_000_002  # the battery kept it going
    assert board.signal("POWER") == [(1000 * MS, 0), (2000 * MS, 1)]


def test_watching_does_not_change_what_happens() -> None:
    def run(watched: bool) -> tuple[float, float, int]:
        board = Board(noise_lsb=1.0)
        if not watched:
            taps = board.wiring
            for tap in list(taps._taps):  # pyright: ignore[reportPrivateUsage]
                taps.unwatch(tap)
        board.spray()
        total = 0
        for _ in range(500):
            board.after(10)
            total += board.wiring.adc_counts(1) + board.wiring.adc_counts(0)
        board.spray(False)
        board.after(3000)
        total += board.wiring.adc_counts(1)
        return board.plant.nozzle_c, board.plant.dewar_mbar, total

    assert run(True) == run(False)


# -- mishaps ----------------------------------------------------------------------------------


def observed(board: Board) -> tuple[object, ...]:
    """Everything that a microcontroller could notice, after some seconds of a short treatment."""
    w = board.wiring
    w.drive(17, 1)
    w.drive(17, 0)
    w.thermocouple.transfer_bulk(b"\x80\x91\x07")
    w.drive(17, 1)
    readings: list[object] = []
    flash = SimFlash(health=w.flash)

    def look() -> None:
        w.drive(17, 0)
        raw = w.thermocouple.transfer_bulk(b"\x0c\0\0\0\0")
        w.drive(17, 1)
        readings.append((int.from_bytes(raw[1:4], "big"), raw[4]))
        readings.extend(w.adc_counts(channel) for channel in range(4))
        readings.extend(w.level(gp) for gp in range(6, 12))
        skin = w.i2c(0, 0x5A)
        if skin is not None:
            skin.write(b"\x07", False)
            readings.append(skin.read(3))
        rtc, screen = w.i2c(0, 0x68), w.i2c(0, 0x3C)
        if rtc is not None:
            rtc.write(b"\x00", False)
            readings.append(rtc.read(3))
        if screen is not None:
            readings.append(screen.write(b"\x00\x8d\x14\xaf"))
        flash.erase(None, 0)
        readings.append((flash.busy_ns, flash.erases))
        readings.append(w.screen.lit)

    board.after(4000)
    look()
    readings.extend(w.adc_counts(channel) for channel in range(4) for _ in range(200))  # spikes
    w.drive(3, 1)
    board.after(60)
    look()
    w.drive(3, 0)
    w.drive(2, 1)
    board.after(60)
    look()
    w.drive(3, 1)
    board.after(12_000)
    for button in w.buttons.values():
        button.press()
    board.after(10)
    look()
    for button in w.buttons.values():
        button.release()
    board.spray(False)
    board.after(10)
    look()
    board.after(5000)
    look()
    readings.extend(w.i2c(0, address) is None for address in (0x3C, 0x5A, 0x68))
    readings.append(w.i2c_stuck(0))
    intervals = tuple(board.plant.open_intervals_ns)
    return (*readings, intervals, tuple(board.supplies))


def test_there_are_all_the_mishaps_that_the_bench_promises() -> None:
    assert {
        "thermocouple_open", "thermocouple_short", "dewar_empty", "pressure_low", "pressure_high",
        "level_probe_broken", "coil_open", "gate_switch_shorted", "valve_stuck_open",
        "valve_stuck_closed", "nozzle_blocked", "screen_missing", "supply_sag",
        "estop_wire_broken", "trigger_stuck", "dewar_runs_out", "dewar_vacuum_lost",
        "relief_leaks", "regulator_stuck", "valve_icing", "line_warm", "nozzle_spits",
        "skin_sensor_missing", "skin_sensor_dirty", "skin_sensor_error", "thermocouple_loose",
        "thermocouple_off", "jet_misses", "skin_insulated", "bus_stuck_low", "screen_dark",
        "screen_refuses", "skin_sensor_wrong_code", "skin_sensor_ones", "rtc_ones",
        "thermocouple_ones", "thermocouple_noise", "valve_weeps", "flash_slow", "flash_worn",
        "brown_out", "esd_reset", "estop_plug_half_in", "trigger_chatters",
        *(
            f"{line}_{what}"
            for line in ("coil_sensor", "pressure_probe", "level_probe", "vsys_divider")
            for what in ("offset", "noise", "spikes")
        ),
    } <= MISHAPS.keys()  # fmt: skip
    for name, mishap in MISHAPS.items():
        assert mishap.name == name
        assert mishap.words


@pytest.mark.parametrize("name", MISHAPS)
def test_each_mishap_shows_and_mended_at_once_leaves_no_trace(name: str) -> None:
    healthy = observed(Board(skin_sensor=True))
    broken = Board(skin_sensor=True)
    MISHAPS[name].apply(broken.wiring)
    MISHAPS[name].apply(broken.wiring)
    assert observed(broken) != healthy
    mended = Board(skin_sensor=True)
    MISHAPS[name].apply(mended.wiring)
    MISHAPS[name].undo(mended.wiring)
    mended.after(0)
    assert observed(mended) == healthy


def counts(mv: float) -> float:
    return mv * 4096 / 3300


def test_mishaps_reach_the_limits_that_should_notice_them() -> None:
    """Each figure is the limit that docs/hardware.md states."""

    def after(name: str, ms: float) -> Board:
        board = Board()
        MISHAPS[name].apply(board.wiring)
        board.after(ms)
        return board

    assert after("pressure_low", 15_000).mv(1) < 330 + 1.32 * 200
    assert after("relief_leaks", 40_000).mv(1) < 330 + 1.32 * 300
    assert after("dewar_vacuum_lost", 15_000).mv(1) > 330 + 1.32 * 1100
    assert after("dewar_runs_out", 10).mv(2) < 500 + 2 * 50
    assert after("pressure_high", 15_000).mv(1) > 330 + 1.32 * 1100
    assert after("regulator_stuck", 15_000).mv(1) > 330 + 1.32 * 900
    assert after("dewar_empty", 10).mv(2) < 500 + 2 * 50
    assert after("dewar_low", 10).mv(2) < 500 + 2 * 100
    assert after("level_probe_broken", 10).mv(2) < 300
    assert after("level_probe_shorted", 10).mv(2) > 2700
    assert after("pressure_probe_broken", 10).mv(1) < 150
    assert after("pressure_probe_shorted", 10).mv(1) > 3150
    assert after("coil_sensor_high", 10).mv(0) > 3150
    assert after("supply_sag", 10).mv(3) * 3 < 4200


def test_a_shorted_switch_energises_the_coil_with_the_other_alone() -> None:
    for name, pin in (("gate_switch_shorted", 3), ("supply_switch_shorted", 2)):
        board = Board()
        MISHAPS[name].apply(board.wiring)
        board.after(100)
        assert board.mv(0) < 30
        board.wiring.drive(pin, 1)
        board.after(100)
        assert board.mv(0) > 150
        assert board.plant.valve_open
        board.wiring.estop.open()
        board.after(100)
        assert not board.plant.valve_open


def test_a_mended_sensor_that_was_never_fitted_is_still_not_there() -> None:
    board = Board()
    MISHAPS["skin_sensor_missing"].apply(board.wiring)
    MISHAPS["skin_sensor_missing"].undo(board.wiring)
    assert board.wiring.i2c(0, 0x5A) is None


def test_the_movement_of_a_valve_freed_of_ice_is_reported() -> None:
    board = Board()
    board.plant.set_valve(0, ice=1.05)
    board.spray()
    for _ in range(3000):
        board.after(10)
        board.wiring.adc_counts(0)
    [(told_ns, is_open)] = board.signal("VALVE")
    [(opened_ns, _)] = board.plant.open_intervals_ns
    assert is_open == 1
    assert 0 <= told_ns - opened_ns < 20 * MS
