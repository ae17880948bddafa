"""The buses: one that is stuck is freed, each display, the filter of the thermocouple's chip."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.web.glass import read
from hw_sim.world.parts.max31856 import CR0
from hw_sim.world.parts.ssd1306 import Ssd1306
from tests.scenarios.conftest import (
    BOOT,
    FREEZE_END,
    arm,
    faults,
    freezing,
    ready,
    records,
    state,
    switch_on,
    until,
)
from tests.scenarios.fault_numbers import Fault

SKIN_SENSOR = 29  # number of a setting


@pytest.mark.hazard("H-14")
def test_a_bus_that_a_part_holds_at_power_on_is_freed(bench: Bench) -> None:
    """H-14: a reset in the middle of a read leaves SDA low; nine clocks end that read."""
    bench.mishap("i2c_held")
    ready(bench)
    assert not bench.wiring.i2c_stuck(0)
    assert faults(bench) == []


@pytest.mark.hazard("H-14")
def test_a_bus_that_is_held_in_ready_is_freed_before_the_screen_is_given_up(bench: Bench) -> None:
    """H-14: the screen shows again, and no fault is latched."""
    ready(bench)
    bench.mishap("i2c_held")
    bench.press("up")
    bench.run_for(1_000)
    assert not bench.wiring.i2c_stuck(0)
    assert state(bench) == "READY"
    before = bench.screen().ram()
    bench.press("up")
    bench.run_for(300)
    assert bench.screen().ram() != before


@pytest.mark.hazard("H-14")
@pytest.mark.needs("mishaps")
def test_a_bus_that_is_held_in_a_freeze_is_freed_and_the_freeze_is_complete() -> None:
    """H-14: as each failed transfer costs 8 ms, the dead-man holds."""
    bench = ready(FastBench())
    arm(bench)
    freezing(bench, 1_000)
    bench.mishap("i2c_held")
    bench.run_for(1_000)
    assert not bench.wiring.i2c_stuck(0)
    until(bench, "DONE", 15_000)
    bench.release("trigger")
    end = next(one for one in records(bench) if one.kind == FREEZE_END)
    assert end.cause == 1
    assert faults(bench) == []


@pytest.mark.hazard("H-14")
def test_a_short_circuit_of_the_bus_is_a_fault_of_the_screen() -> None:
    """H-14: nine clocks do not mend it. The device says so by lamp, sound and link."""
    bench = ready(FastBench())
    bench.mishap("bus_stuck_low")
    bench.press("up")
    until(bench, "FAULT", 8_000)
    assert faults(bench) == [Fault.SCREEN]


@pytest.mark.parametrize("controller", ["ssd1306", "ssd1309"])
def test_each_display_shows_the_same(controller: str) -> None:
    """The SSD1309 of 2.42 inch modules has no charge pump, and not its command."""
    bench = FastBench()
    bench.wiring.screen = Ssd1306(controller=controller)
    ready(bench)
    bench.run_for(500)
    other = ready(FastBench())
    other.run_for(500)
    assert bench.screen().text() == other.screen().text()
    assert "█" in bench.screen().text()
    assert bench.wiring.screen.unknown_commands == 0


def conversions_a_second(bench: Bench) -> float:
    part = bench.wiring.thermocouple
    before = part.conversions
    bench.run_for(10_000)
    return (part.conversions - before) / 10


def test_the_mains_are_a_setting_that_the_chip_takes() -> None:
    """50 Hz as shipped (98 ms a conversion), 60 Hz by the setting (82 ms), also after power-on."""
    bench = ready(FastBench())
    assert bench.wiring.thermocouple.registers[CR0] == 0x91
    assert conversions_a_second(bench) == pytest.approx(1 / 0.099, rel=0.02)
    assert bench.ask("set", key="mains", value=2)["ok"]["applied"] is True
    bench.run_for(300)
    assert bench.wiring.thermocouple.registers[CR0] == 0x90
    assert conversions_a_second(bench) == pytest.approx(1 / 0.083, rel=0.02)
    assert bench.ask("status")["ok"]["nozzle_c_x100"] is not None
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert bench.wiring.thermocouple.registers[CR0] == 0x90
    assert "err" in bench.ask("set", key="mains", value=3)


@pytest.mark.hazard("H-10")
def test_the_infrared_sensor_is_heard_behind_the_display_s_traffic() -> None:
    """H-10: it is deaf until the bus has been idle for 45 us; the driver waits for longer."""
    wiring = FastBench(skin_sensor=True).wiring
    wiring.i2c_ended(0, 400_000.0)
    assert wiring.i2c(0, 0x5A) is None
    bench = FastBench(skin_sensor=True)
    ready(bench)
    bench.ask("set", key="skin_sensor", value=1)
    bench.press("select", 1_200)
    bench.run_for(500)
    for _ in range(20):
        bench.press("up")  # draws
        bench.press("down")
    bench.run_for(3_000)
    assert faults(bench) == []


@pytest.mark.hazard("H-20")
@pytest.mark.parametrize("how", ["lost", "missing", "set"])
def test_a_clock_that_has_lost_its_power_is_not_a_missing_one(how: str) -> None:
    """H-20: shown on the information page, on the link and in the record of the start."""
    bench = FastBench()
    if how == "missing":
        bench.mishap("rtc_missing")
    elif how == "set":
        bench.wiring.rtc.set_utc(1_790_000_000)
    ready(bench)
    known = {"lost": ("lost", 3), "missing": ("none", 0), "set": ("rtc", 2)}[how]
    assert bench.ask("time")["ok"]["source"] == known[0]
    assert next(one for one in records(bench) if one.kind == BOOT).clock == known[1]
    bench.press("select", 1_200)
    for _ in range(4):
        bench.press("down")
    bench.press("select")
    bench.run_for(300)
    assert ("Clock not set" in read(bench.screen().ram())) == (how == "lost")
    bench.ask("time", utc_s=1_790_000_100)
    assert bench.ask("time")["ok"]["source"] == "host"
