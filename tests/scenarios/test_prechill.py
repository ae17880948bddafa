"""PRECHILL: the line is purged away from the patient, and the purge ends safely in all cases."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    ARMED,
    BOOT,
    CANCELLED,
    CAUTION,
    COLD,
    COMPLETE,
    DISARMED,
    ESTIMATE,
    ESTOP,
    FAULT,
    FAULTED,
    FREEZE_BEGIN,
    FREEZE_END,
    MS,
    PLAN,
    PRECHILL_BEGIN,
    PRECHILL_END,
    PRECHILL_LOST,
    RELEASED,
    SCREENING,
    TREATMENT_END,
    US,
    Record,
    arm,
    cold_line,
    faults,
    freezing,
    last,
    preset,
    purge,
    ready,
    records,
    state,
    switch_on,
    told,
    until,
)
from tests.scenarios.fault_numbers import Fault


def asked(bench: Bench) -> None:
    """Switch on without checklist, and hold ARM until the device requests the purge."""
    preset(bench, {18: 0})
    switch_on(bench, "READY")
    bench.hold("arm")
    until(bench, "PRECHILL")
    bench.release("arm")
    bench.run_for(60)


def purging(bench: Bench, ms: float) -> None:
    """Hold TRIGGER in PRECHILL until the gate opens, and for `ms` longer."""
    asked(bench)
    bench.hold("trigger")
    assert bench.run_until(lambda: bench.wiring.driven(GATE) == 1, 3000), "the gate did not open"
    bench.run_for(ms)


def the_end(bench: Bench) -> Record:
    """The single record of a purge's end."""
    (end,) = (r for r in records(bench) if r.kind == PRECHILL_END)
    return end


def ends(bench: Bench) -> list[Record]:
    """The records of the ends of purges."""
    return [r for r in records(bench) if r.kind == PRECHILL_END]


@pytest.mark.as_shipped
@pytest.mark.hazard("H-02", "H-08")
@pytest.mark.needs("plant")
def test_a_warm_line_is_purged_and_the_freeze_begins_with_liquid(bench: Bench) -> None:
    """H-02, H-08: as shipped, from power-on to the record."""
    ready(bench, whole=True)
    arm(bench)
    freezing(bench)
    until(bench, "DONE", 40000)
    purged, frozen = bench.valve_intervals()
    assert 2_000 * MS < purged[1] - purged[0] < 10_000 * MS
    journal = records(bench)
    assert [r.kind for r in journal] == [
        BOOT, CAUTION, SCREENING, PRECHILL_BEGIN, PRECHILL_END, ARMED, PLAN, FREEZE_BEGIN,
        FREEZE_END, ESTIMATE, TREATMENT_END,
    ]  # fmt: skip
    begin, end, armed, _plan, freeze = journal[3:8]
    assert begin.values("treatment", "cycle", "planned_us") == (0, 1, 10_000_000)
    assert begin.nozzle_c_x100 > 0  # warm
    assert end.values("treatment", "cycle", "cause", "planned_us") == (0, 1, COLD, 10_000_000)
    assert -3 * US <= purged[1] - purged[0] - end.delivered_us * US <= 50 * US
    assert end.nozzle_c_x100 < -17500
    # Read 1.5 s later, when the valve is proved closed.
    assert abs(end.nozzle_c_x100 - armed.nozzle_c_x100) < 1500
    assert freeze.treatment == armed.seq
    # Liquid leaves the nozzle as soon as the armature has lifted.
    lifted, wet = bench.plant.open_intervals_ns[1], bench.plant.liquid_intervals_ns[-1]
    assert wet[0] - lifted[0] < 500 * MS
    assert bench.plant.liquid_intervals_ns[0][0] - bench.plant.open_intervals_ns[0][0] > 2000 * MS
    assert frozen[1] - frozen[0] == freeze.planned_us * US


@pytest.mark.hazard("H-04", "H-21")
def test_without_trigger_nothing_is_purged(bench: Bench) -> None:
    """H-04, H-21: requested, left alone, timed out."""
    asked(bench)
    bench.run_for(58000)
    assert told(bench) == "PRECHILL"
    bench.run_for(3000)
    assert state(bench) == "READY"
    assert bench.valve_intervals() == []
    assert records(bench)[-1].kind == DISARMED
    assert records(bench)[-1].values("treatment", "reason") == (0, 2)


@pytest.mark.hazard("H-04")
def test_arm_leads_back_from_the_purge(bench: Bench) -> None:
    """H-04: and the trigger then has no effect."""
    asked(bench)
    bench.press("arm")
    assert state(bench) == "READY"
    bench.press("trigger", 500)
    assert bench.valve_intervals() == []
    assert records(bench)[-1].values("treatment", "reason") == (0, 1)


@pytest.mark.hazard("H-04", "H-21")
@pytest.mark.needs("plant")
def test_a_trigger_held_through_the_purge_does_not_freeze(bench: Bench) -> None:
    """H-04, H-21: the nozzle still points away; the freeze needs another pull."""
    asked(bench)
    bench.hold("trigger")
    bench.run_for(12000)
    assert state(bench) == "PRECHILL"
    assert len(bench.valve_intervals()) == 1
    bench.release("trigger")
    bench.run_for(100)
    assert state(bench) == "ARMED"
    bench.run_for(1000)
    assert len(bench.valve_intervals()) == 1
    freezing(bench, 100)
    assert bench.ask("status")["ok"]["state"] == "FREEZING"


@pytest.mark.hazard("H-01", "H-15", "H-21")
@pytest.mark.parametrize("after_ms", [0, 37, 1503])
def test_letting_go_ends_the_purge_and_it_does_not_resume(bench: Bench, after_ms: int) -> None:
    """H-01, H-15, H-21: not cold yet, so the device requests it again."""
    purging(bench, after_ms)
    bench.release("trigger")
    released_ns = bench.clock.now_ns
    bench.run_for(500)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - released_ns <= 20 * MS
    assert state(bench) == "PRECHILL"
    end = the_end(bench)
    assert end.cause == RELEASED
    assert -3 * US <= closed - opened - end.delivered_us * US <= 50 * US
    bench.run_for(59000)  # the time-out restarts here
    assert state(bench) == "PRECHILL"
    cold_line(bench)
    purge(bench)
    assert [r.cause for r in records(bench) if r.kind == PRECHILL_END] == [RELEASED, COLD]


def test_a_trigger_let_go_before_the_gate_opens_is_a_cancelled_purge(bench: Bench) -> None:
    asked(bench)
    bench.hold("trigger")
    bench.run_for(21)
    bench.release("trigger")
    bench.run_for(500)
    assert state(bench) == "PRECHILL"
    ends = [r for r in records(bench) if r.kind == PRECHILL_END]
    assert [r.cause for r in ends] == [CANCELLED]
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-02", "H-21")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize("mishap", ["nozzle_blocked", "valve_stuck_closed"])
def test_a_line_that_does_not_get_cold_is_a_fault_after_10_s(bench: Bench, mishap: str) -> None:
    """H-02, H-21: limited by the dose timer, and no patient has been treated."""
    asked(bench)
    bench.mishap(mishap)
    bench.hold("trigger")
    until(bench, "FAULT", 11000)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened == 10_000 * MS
    assert faults(bench) == [Fault.NO_LIQUID]
    assert the_end(bench).cause == COMPLETE
    assert bench.wiring.driven(3) == 0
    bench.mend(mishap)
    bench.release("trigger")
    bench.run_for(100)
    bench.press("select")
    until(bench, "READY")
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-03", "H-15")
@pytest.mark.parametrize("after_us", [0, 777, 1_200_001])
def test_the_estop_ends_a_purge_within_5_us_and_latches(bench: Bench, after_us: int) -> None:
    """H-03, H-15."""
    purging(bench, after_us / 1000)
    bench.estop_open()
    struck_ns = bench.clock.now_ns
    bench.run_for(200)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - struck_ns <= 5 * US
    assert faults(bench) == [Fault.ESTOP]
    end = the_end(bench)
    assert end.cause == ESTOP
    assert abs(closed - opened - end.delivered_us * US) <= 3 * US
    bench.estop_close()
    bench.run_for(100)
    bench.press("select", 2200)
    until(bench, "READY")
    bench.run_for(2000)  # the trigger is still held
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-03")
def test_the_estop_is_seen_while_the_purge_is_asked_for(bench: Bench) -> None:
    """H-03."""
    asked(bench)
    bench.estop_open()
    bench.run_for(100)
    assert state(bench) == "FAULT"
    assert [r.kind for r in records(bench)][-2:] == [FAULT, DISARMED]
    bench.press("trigger", 500)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-02", "H-05", "H-10")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize(
    ("mishap", "number"),
    [("thermocouple_short", 6), ("pressure_low", 9), ("dewar_empty", 10), ("coil_open", 11)],
)
def test_what_breaks_during_a_purge_ends_it(bench: Bench, mishap: str, number: int) -> None:
    """H-10, H-02, H-05."""
    purging(bench, 1000)
    bench.mishap(mishap)
    until(bench, "FAULT", 8000)
    assert number in faults(bench)
    assert len(bench.valve_intervals()) == 1
    assert bench.wiring.driven(3) == 0
    assert the_end(bench).cause == FAULTED


@pytest.mark.hazard("H-05")
@pytest.mark.needs("mishaps")
def test_a_shorted_gate_switch_is_found_before_a_purge(bench: Bench) -> None:
    """H-05."""
    asked(bench)
    bench.mishap("gate_switch_shorted")
    bench.hold("trigger")
    until(bench, "FAULT")
    assert Fault.COIL_SHORTED in faults(bench)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-11")
@pytest.mark.needs("hang")
def test_a_loop_that_stops_in_a_purge_closes_and_restarts(bench: Bench) -> None:
    """H-11: the dead-man, then the watchdog; the loop's last record bounds the purge."""
    purging(bench, 1003)
    fell: list[int] = []
    bench.wiring.watch(
        lambda t, signal, value: fell.append(t) if signal == "COIL" and not value else None
    )
    bench.hang(60000)
    stopped_ns = bench.clock.now_ns
    bench.run_for(5000)
    assert fell[0] - stopped_ns <= 100 * MS
    bench.release("trigger")
    until(bench, "FAULT", 10000)
    assert Fault.WATCHDOG in faults(bench)
    assert Fault.FREEZE_LOST not in faults(bench)  # no freeze was lost
    assert ends(bench) == []  # no end is invented
    lost = last(bench, PRECHILL_LOST)
    delivered_us = (fell[0] - bench.valve_intervals()[0][0]) / US
    assert lost.delivered_least_us <= delivered_us <= lost.delivered_most_us
    assert lost.delivered_most_us - lost.delivered_least_us <= 80_000
    assert lost.begin == last(bench, PRECHILL_BEGIN).seq
    assert lost.reset_cause == 3  # the watchdog


@pytest.mark.hazard("H-08", "H-15")
@pytest.mark.needs("power")
def test_power_lost_in_a_purge_is_recorded_and_nothing_resumes(bench: Bench) -> None:
    """H-08, H-15."""
    purging(bench, 1500)
    bench.cut_power()
    bench.run_for(500)
    bench.release("trigger")
    switch_on(bench, "READY")
    assert ends(bench) == []  # no end is invented
    lost = last(bench, PRECHILL_LOST)
    # Nothing but the plan survives a loss of power.
    assert (lost.delivered_least_us, lost.delivered_most_us) == (0, 10_000_000)
    ((opened, closed),) = bench.valve_intervals()
    assert lost.delivered_least_us <= (closed - opened) / US <= lost.delivered_most_us
    begin = last(bench, PRECHILL_BEGIN)
    assert lost.begin == begin.seq
    assert lost.values("treatment", "cycle", "planned_us") == begin.values(
        "treatment", "cycle", "planned_us"
    )
    assert lost.reset_cause == 1
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert [r.boot for r in records(bench) if r.kind == PRECHILL_LOST] == [2]  # once
    assert len(bench.valve_intervals()) == 1


@pytest.mark.needs("plant")
def test_a_line_that_is_still_cold_is_not_purged_again(bench: Bench) -> None:
    """The next lesion immediately afterwards: no nitrogen is wasted."""
    ready(bench, whole=True)
    arm(bench)
    freezing(bench)
    until(bench, "DONE", 40000)
    bench.release("trigger")
    bench.run_for(60)
    bench.press("select")
    arm(bench)
    assert [r.kind for r in records(bench)].count(PRECHILL_BEGIN) == 1


@pytest.mark.hazard("H-02")
@pytest.mark.needs("plant")
def test_armed_for_too_long_asks_for_another_purge(bench: Bench) -> None:
    """H-02: the line warms while the operator waits, and the next trigger would deliver gas."""
    asked(bench)
    cold_line(bench)
    purge(bench)
    assert bench.run_until(lambda: told(bench) == "PRECHILL", 40000)
    assert bench.plant.nozzle_c < 0
    bench.run_for(100)
    bench.press("trigger", 1500)
    assert len(bench.valve_intervals()) == 1, "TRIGGER alone purges nothing: it may be at the skin"
    bench.press("arm", 1200)
    purge(bench)
    freezing(bench, 500)
    bench.release("trigger")
    until(bench, "DONE")
    kinds = [r.kind for r in records(bench)]
    assert kinds.count(ARMED) == 1  # one treatment
    assert kinds.count(PRECHILL_END) == 2
    (first, again) = (r for r in records(bench) if r.kind == PRECHILL_BEGIN)
    (armed,) = (r for r in records(bench) if r.kind == ARMED)
    assert (first.treatment, again.treatment) == (0, armed.seq)


@pytest.mark.hazard("H-02")
@pytest.mark.needs("plant")
@pytest.mark.parametrize(
    ("applicator", "depth_um", "led_to"),
    [(2, 3500, "ARMED"), (1, 2500, "ARMED"), (5, 1900, "PRECHILL")],
)
def test_a_fine_nozzle_is_purged_again_sooner(
    bench: Bench, applicator: int, depth_um: int, led_to: str
) -> None:
    """H-02: at -148 C sprays B and C lose 1 to 2 s to gas, spray D four."""
    preset(bench, {18: 0, 2: applicator, 1: depth_um})
    switch_on(bench, "READY")
    bench.plant.set_line(bench.clock.now_ns, wall_c=-165.0, tip_c=-150.0, around_c=-150.0)
    bench.run_for(400)
    bench.hold("arm")
    until(bench, led_to)


@pytest.mark.hazard("H-12")
def test_the_link_distinguishes_a_purge_from_a_freeze_and_changes_nothing(bench: Bench) -> None:
    """H-12."""
    purging(bench, 300)
    short = bench.ask("status")["ok"]
    assert short["state"] == "PRECHILL"
    assert short["valve"] == "open"
    assert 9000 < short["remaining_ms"] < 9800
    assert bench.ask("get", key="volume")["err"]["code"] == "busy"
    bench.release("trigger")
    bench.run_for(300)
    assert bench.ask("set", key="prechill", value=0)["err"]["code"] == "state"


@pytest.mark.hazard("H-08")
def test_a_purge_needs_its_record_in_flash() -> None:
    """H-08: a flash that fails inhibits the purge as it inhibits a freeze."""
    bench = FastBench()
    asked(bench)
    bench.flash.fail_after(0)
    bench.hold("trigger")
    until(bench, "FAULT")
    assert Fault.JOURNAL_FAILED in faults(bench)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-02")
@pytest.mark.needs("mishaps")
def test_a_nozzle_blocked_since_the_purge_is_found_in_5_s(bench: Bench) -> None:
    """H-02: it stays below -50 C for a quarter of a minute, and would look like a treatment."""
    asked(bench)
    cold_line(bench)
    purge(bench)
    bench.mishap("nozzle_blocked")
    freezing(bench)
    until(bench, "FAULT", 20000)
    assert faults(bench) == [Fault.NO_COLD]
    opened, closed = bench.valve_intervals()[-1]
    assert 5_000 * MS <= closed - opened <= 9_000 * MS
