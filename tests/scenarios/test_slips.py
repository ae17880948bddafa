"""Slips of an operator and faults behind each other by which a patient could be hurt."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    arm,
    faults,
    freezing,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    until,
)
from tests.scenarios.fault_numbers import Fault

SCREENING, PURGE = 18, 17  # numbers of settings


def purged(bench: Bench) -> None:
    """Armed, the line just purged."""
    preset(bench, {SCREENING: 0})
    switch_on(bench, "READY")
    arm(bench)


@pytest.mark.hazard("H-05", "H-09")
@pytest.mark.needs("mishaps", "plant")
def test_a_stuck_valve_is_shown_before_the_estop_that_was_struck_for_it(bench: Bench) -> None:
    """Who obeys the screen is not led to READY with liquid flowing."""
    purged(bench)
    freezing(bench, 2000)
    bench.mishap("valve_stuck_open")
    bench.run_for(500)
    bench.estop_open()
    bench.run_for(1000)
    bench.release("trigger")
    bench.estop_close()
    bench.run_for(300)
    bench.press("select", 2300)
    assert state(bench) == "FAULT"
    assert bench.plant.flow_g_s > 0.05
    bench.run_for(3000)
    assert set(faults(bench)) == {Fault.ESTOP, Fault.VALVE_STUCK_OPEN}
    title = bench.screen().text().split("\n")[:8]
    bench.press("select", 2300)
    bench.press("select")
    assert state(bench) == "FAULT"

    alone = type(bench)()
    purged(alone)
    freezing(alone, 2000)
    alone.mishap("valve_stuck_open")
    alone.release("trigger")
    until(alone, "FAULT", 10_000)
    alone.run_for(500)
    assert faults(alone) == [Fault.VALVE_STUCK_OPEN]
    assert alone.screen().text().split("\n")[:8] == title, "shown first, though it came second"


@pytest.mark.hazard("H-05")
@pytest.mark.needs("plant")
def test_what_was_acknowledged_takes_effect_when_the_valve_is_proved_closed(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 1000)
    bench.estop_open()
    bench.run_for(20)
    bench.release("trigger")
    bench.estop_close()
    bench.press("select", 2300)
    until(bench, "READY")


@pytest.mark.hazard("H-21", "H-22")
@pytest.mark.needs("plant")
def test_trigger_just_after_a_purge_starts_nothing(bench: Bench) -> None:
    """It was meant to end the purge; 1.5 s in both modes."""
    preset(bench, {SCREENING: 0})
    switch_on(bench, "READY")
    bench.hold("arm")
    until(bench, "PRECHILL")
    bench.release("arm")
    bench.run_for(100)
    bench.hold("trigger")
    assert bench.run_until(lambda: len(bench.valve_intervals()) > 0, 13_000)
    bench.run_for(150)
    bench.release("trigger")
    bench.run_for(150)
    bench.press("trigger", 400)
    assert bench.wiring.driven(GATE) == 0
    until(bench, "ARMED")
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-21")
@pytest.mark.needs("plant")
def test_a_rewarmed_line_is_purged_only_when_arm_asks_for_it(bench: Bench) -> None:
    """TRIGGER may be at the skin by now: alone it lets nothing flow."""
    purged(bench)
    assert bench.run_until(lambda: told(bench) == "PRECHILL", 70_000)
    shown = bench.screen().text()
    bench.press("trigger", 1500)
    assert len(bench.valve_intervals()) == 1
    bench.press("arm", 1200)
    assert told(bench) == "PRECHILL"
    assert bench.screen().text() != shown
    bench.hold("trigger")
    assert bench.run_until(lambda: bench.wiring.driven(GATE) == 1, 1000)
    bench.release("trigger")


@pytest.mark.hazard("H-21")
@pytest.mark.needs("plant")
def test_a_rewarmed_line_can_be_left_by_arm(bench: Bench) -> None:
    purged(bench)
    assert bench.run_until(lambda: told(bench) == "PRECHILL", 70_000)
    bench.press("arm")
    until(bench, "READY")


@pytest.mark.hazard("H-09", "H-14")
@pytest.mark.needs("plant")
def test_yellow_is_lit_while_nitrogen_flows_and_until_the_valve_is_proved_closed(
    bench: Bench,
) -> None:
    """In a purge as in a freeze."""
    preset(bench, {SCREENING: 0})
    switch_on(bench, "READY")
    yellow = 14
    bench.hold("arm")
    until(bench, "PRECHILL")
    bench.release("arm")
    bench.run_for(100)
    assert bench.wiring.driven(yellow) == 0
    bench.hold("trigger")
    assert bench.run_until(lambda: bench.wiring.driven(GATE) == 1, 1000)
    bench.run_for(20)
    assert bench.wiring.driven(yellow) == 1
    assert bench.run_until(lambda: bench.wiring.driven(GATE) == 0, 13_000)
    bench.run_for(500)
    assert bench.wiring.driven(yellow) == 1
    bench.release("trigger")
    until(bench, "ARMED")
    assert bench.run_until(lambda: bench.wiring.driven(yellow) == 0, 4000)
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-04")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize("key", ["up", "down", "select", "arm", "trigger"])
def test_a_key_that_stays_closed_is_a_fault_and_changes_nothing(bench: Bench, key: str) -> None:
    """Infusion pumps were recalled for keys that stick in use."""
    ready(bench)
    bench.run_for(500)
    bench.press("up")
    bench.run_for(3000)
    depth_um = bench.ask("get", key="depth_um")["ok"]["value"]
    bench.mishap(key + "_stuck")
    bench.run_for(15_000)
    assert state(bench) == "FAULT"
    assert faults(bench) == [Fault.BUTTON_STUCK]
    assert bench.valve_intervals() == []
    bench.press("select")
    assert state(bench) == "FAULT", "it is still closed"
    bench.mend(key + "_stuck")
    bench.run_for(500)
    bench.press("select")
    until(bench, "READY")
    assert bench.ask("get", key="depth_um")["ok"]["value"] == depth_um
    changes = [r.values("old", "new") for r in records(bench) if r.name == "setting"]
    assert not changes or changes[-1][1] == depth_um


@pytest.mark.hazard("H-04")
def test_a_key_that_chatters_is_a_fault(bench: Bench) -> None:
    """Faster than a finger."""
    ready(bench)
    bench.run_for(1500)
    for _ in range(14):
        bench.hold("up")
        bench.run_for(30)
        bench.release("up")
        bench.run_for(30)
    bench.run_for(200)
    assert Fault.BUTTON_STUCK in faults(bench)


@pytest.mark.hazard("H-23")
def test_the_marker_stays_within_a_page_of_the_checklist(bench: Bench) -> None:
    """DOWN beyond the last line, UP beyond the first: refused, and nothing of the next page."""
    preset(bench, {PURGE: 0})
    switch_on(bench, "READY")
    bench.press("arm", 1200)
    for _ in range(3):
        bench.press("down")
    last_line = bench.screen().text()
    bench.press("down")
    bench.press("down")
    assert bench.screen().text() == last_line
    bench.press("up")
    assert bench.screen().text() != last_line
    for _ in range(4):
        bench.press("up")
    none = bench.screen().text()
    bench.press("down")
    assert bench.screen().text() != none


@pytest.mark.hazard("H-05", "H-10")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize("ma", [20, 31, 35, 50])
def test_one_reading_of_the_coil_locks_nothing(bench: Bench, ma: int) -> None:
    ready(bench)
    bench.run_for(500)
    bench.wiring.stuck_mv[0] = ma
    bench.run_for(100)
    bench.wiring.stuck_mv[0] = None
    bench.run_for(500)
    assert faults(bench) == []


@pytest.mark.hazard("H-05")
@pytest.mark.needs("mishaps", "plant")
def test_a_valve_that_closes_to_a_tenth_is_found_at_rest(bench: Bench) -> None:
    """H-05: two minutes after the freeze the nozzle is still cold."""
    preset(bench, {SCREENING: 0})
    ready(bench)
    arm(bench)
    freezing(bench, 3000)
    bench.mishap("valve_leaks")
    bench.release("trigger")
    until(bench, "DONE", 10_000)
    bench.run_for(100_000)
    assert faults(bench) == []
    bench.run_for(25_000)
    assert faults(bench) == [Fault.VALVE_STUCK_OPEN]
