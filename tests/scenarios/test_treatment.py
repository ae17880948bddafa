"""The treatment, end to end: valve timing, records, and that no mistake opens the valve."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hw_sim.bench import FIRMWARE, Bench, FastBench, subclass
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    ARMED,
    BOOT,
    CANCELLED,
    COMPLETE,
    DISARMED,
    ESTIMATE,
    ESTOP,
    FAULT,
    FREEZE_BEGIN,
    FREEZE_END,
    ICE_FIELD,
    MS,
    PLAN,
    RELEASED,
    SETTING,
    TREATMENT_END,
    US,
    arm,
    faults,
    freezing,
    last,
    planned_us,
    ready,
    records,
    state,
    switch_on,
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault


@pytest.mark.hazard("H-01", "H-02", "H-08")
def test_a_treatment_from_power_on_to_the_record(bench: Bench) -> None:
    """H-01, H-02, H-08: 2.5 mm by the buttons, armed, frozen; planned is delivered is recorded."""
    ready(bench)
    bench.press("up")
    bench.press("up")
    dose_ms = bench.ask("status")["ok"]["dose_ms"]
    treat(bench)
    ((opened, closed),) = bench.valve_intervals()
    journal = records(bench)
    assert [r.kind for r in journal] == [
        BOOT, SETTING, ARMED, PLAN, FREEZE_BEGIN, FREEZE_END, ESTIMATE, TREATMENT_END,
    ]  # fmt: skip
    armed, plan, begin, end, estimated, closing = journal[2:]
    assert plan.values("treatment", "profile", "target", "margin_um", "plan_depth_um") == (
        armed.seq,
        1,
        1,
        0,
        2500,
    )
    assert plan.spread_um == 750  # of the second truth, uncalibrated: docs/dose.md
    assert plan.values("cycles", "purge") == (1, 0)
    assert closing.fields == {
        "treatment": armed.seq,
        "why": 1,
        "cycles": 1,
        "complete": 1,
        "delivered_ms": dose_ms,
        "nozzle_min_c_x100": end.nozzle_min_c_x100,
        "interruptions": 0,
        "patient_ref": 0,
    }
    assert armed.values("applicator", "depth_um", "dose_ms", "planned_us") == (
        1,
        2500,
        dose_ms,
        dose_ms * 1000 + 12000 - 25000,
    )
    assert begin.values("treatment", "cycle", "dose_ms", "planned_us") == (
        armed.seq,
        1,
        dose_ms,
        armed.planned_us,
    )
    assert end.values("treatment", "cycle", "cause", "dose_ms", "planned_us") == (
        armed.seq,
        1,
        COMPLETE,
        dose_ms,
        armed.planned_us,
    )
    assert abs(closed - opened - armed.planned_us * US) <= 5 * US
    assert abs(closed - opened - end.delivered_us * US) <= 1 * US
    assert end.nozzle_min_c_x100 < -15000  # the nozzle got cold
    # The line was warm: less liquid than seconds, which the estimate shows.
    assert estimated.values("treatment", "cycle") == (armed.seq, 1)
    assert 1000 < estimated.depth_um < 2350
    assert 0 < estimated.liquid_ms < dose_ms - 2000
    assert estimated.values("planned_um", "note") == (2500, 1)
    assert 400 < end.pressure_min_mbar < 600  # the pressure sagged while liquid flowed
    assert journal[1].fields == {"setting": 1, "old": 2300, "new": 2500, "by": 1, "operator": 0}
    bench.press("select")
    until(bench, "READY")


@pytest.mark.hazard("H-04")
def test_no_switch_of_the_valve_rises_before_the_trigger(bench: Bench) -> None:
    """H-04: not at power-on, not in the self-test, not by arming."""
    rises: list[str] = []
    bench.wiring.watch(
        lambda _t, signal, value: (
            rises.append(signal) if value and signal in ("VALVE_GATE", "VALVE_SUPPLY") else None
        )
    )
    ready(bench)
    arm(bench)
    bench.run_for(500)
    assert rises == []
    freezing(bench, 100)
    assert rises == ["VALVE_SUPPLY", "VALVE_GATE"]


@pytest.mark.hazard("H-04")
def test_without_trigger_nothing_opens(bench: Bench) -> None:
    """H-04: armed, left alone, timed out."""
    ready(bench)
    arm(bench)
    bench.run_for(59000)
    assert state(bench) == "ARMED"
    bench.run_for(2000)
    assert state(bench) == "READY"
    assert bench.valve_intervals() == []
    assert records(bench)[-1].kind == DISARMED


@pytest.mark.hazard("H-04")
@pytest.mark.parametrize("name", ["trigger", "up", "down", "select"])
def test_no_other_button_opens_the_valve_in_ready(bench: Bench, name: str) -> None:
    """H-04."""
    ready(bench)
    bench.press(name, 3000)
    assert bench.valve_intervals() == []
    assert state(bench) == "READY"


@pytest.mark.hazard("H-04")
def test_a_trigger_held_before_arming_does_nothing_until_it_is_released(bench: Bench) -> None:
    """H-04: a stuck trigger does not start a freeze upon arming."""
    ready(bench)
    bench.hold("trigger")
    bench.run_for(100)
    arm(bench)
    bench.run_for(3000)
    assert state(bench) == "ARMED"
    assert bench.valve_intervals() == []
    bench.release("trigger")
    bench.run_for(100)
    freezing(bench, 100)
    assert state(bench) == "FREEZING"


@pytest.mark.hazard("H-04")
def test_arm_short_does_not_arm_and_a_press_disarms(bench: Bench) -> None:
    """H-04."""
    ready(bench)
    bench.press("arm", 900)
    assert state(bench) == "READY"
    arm(bench)
    bench.press("arm")
    assert state(bench) == "READY"
    bench.press("trigger", 500)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-04")
def test_one_long_hold_does_not_run_from_done_into_armed(bench: Bench) -> None:
    """H-04."""
    ready(bench)
    treat(bench)
    bench.press("arm", 4000)
    assert state(bench) == "READY"


@pytest.mark.hazard("H-01", "H-15")
@pytest.mark.parametrize("after_ms", [0, 37, 1503, 9900])
def test_letting_go_ends_the_freeze_and_it_does_not_resume(bench: Bench, after_ms: int) -> None:
    """H-01, H-15."""
    ready(bench)
    arm(bench)
    freezing(bench, after_ms)
    bench.release("trigger")
    released_ns = bench.clock.now_ns
    until(bench, "DONE")
    bench.hold("trigger")
    bench.run_for(3000)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - released_ns <= 20 * MS
    end = last(bench, FREEZE_END)
    assert end.cause == RELEASED
    # X counts pairs of us, and is read up to 50 us before the gate falls (valve.py).
    assert -3 * US <= closed - opened - end.delivered_us * US <= 50 * US


@pytest.mark.hazard("H-03", "H-15")
@pytest.mark.parametrize("after_us", [0, 1, 777, 123_456, 5_000_001])
def test_the_estop_closes_within_5_us_and_latches(bench: Bench, after_us: int) -> None:
    """H-03, H-15."""
    ready(bench)
    arm(bench)
    freezing(bench, after_us / 1000)
    bench.estop_open()
    struck_ns = bench.clock.now_ns
    bench.run_for(200)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - struck_ns <= 5 * US
    assert state(bench) == "FAULT"
    assert faults(bench) == [Fault.ESTOP]
    end = next(r for r in records(bench) if r.kind == FREEZE_END)
    assert end.cause == ESTOP
    assert abs(closed - opened - end.delivered_us * US) <= 3 * US
    # Neither SELECT alone nor closing the loop clears it.
    bench.press("select", 3000)
    assert state(bench) == "FAULT"
    bench.estop_close()
    bench.run_for(1000)
    bench.press("select")
    assert state(bench) == "FAULT"
    bench.press("select", 2200)
    until(bench, "READY")
    bench.run_for(2000)
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-03")
def test_an_estop_of_a_microsecond_ends_the_freeze_for_good(bench: Bench) -> None:
    """H-03: the loop opens for less than a tick, and is still detected."""
    ready(bench)
    arm(bench)
    freezing(bench, 1003)
    bench.estop_open()
    bench.run_for(0.1)
    bench.estop_close()
    bench.run_for(300)
    assert state(bench) == "FAULT"
    assert faults(bench) == [Fault.ESTOP]
    assert len(bench.valve_intervals()) == 1


@pytest.mark.slow
@pytest.mark.hazard("H-03")
def test_the_estop_leaves_no_other_fault_at_any_moment_of_the_tick() -> None:
    """H-03: the coil's decaying current used to be mistaken for a shorted switch."""
    for half_ms in range(0, 200, 7):
        bench = FastBench()
        ready(bench)
        arm(bench)
        freezing(bench, 300 + half_ms / 2)
        bench.estop_open()
        bench.run_for(400)
        assert faults(bench) == [Fault.ESTOP], f"after {half_ms / 2} ms"


@pytest.mark.hazard("H-03")
@pytest.mark.parametrize("where", ["ready", "armed", "done"])
def test_the_estop_is_seen_in_every_state(bench: Bench, where: str) -> None:
    """H-03."""
    ready(bench)
    if where != "ready":
        arm(bench)
    if where == "done":
        freezing(bench)
        until(bench, "DONE", 40000)
    bench.estop_open()
    bench.run_for(100)
    assert state(bench) == "FAULT"
    bench.press("trigger", 500)
    assert len(bench.valve_intervals()) == (1 if where == "done" else 0)


@pytest.mark.hazard("H-03", "H-17")
def test_the_estop_open_at_power_on_is_a_fault_after_the_self_test(bench: Bench) -> None:
    """H-03, H-17."""
    bench.estop_open()
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.ESTOP]


def test_a_trigger_let_go_before_the_gate_opens_is_a_cancelled_freeze(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    bench.hold("trigger")
    until(bench, "FREEZING")
    bench.release("trigger")
    until(bench, "DONE")
    assert bench.valve_intervals() == []
    end = last(bench, FREEZE_END)
    assert end.cause == CANCELLED
    assert end.delivered_us == 0


def test_the_ice_field_is_marked(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 4000)
    bench.press("select")
    until(bench, "DONE", 40000)
    (mark,) = [r for r in records(bench) if r.kind == ICE_FIELD]
    assert 3900 < mark.elapsed_ms < 4200


@pytest.mark.hazard("H-08")
def test_marks_of_the_ice_field_leave_room_for_the_end_of_the_freeze(bench: Bench) -> None:
    """H-08: SELECT pressed 20 times in a freeze filled the queue, and its end was lost."""
    ready(bench)
    arm(bench)
    freezing(bench, 500)
    for _ in range(20):
        bench.press("select", 60)
    until(bench, "DONE", 40000)
    journal = records(bench)
    assert [r.kind for r in journal].count(ICE_FIELD) == 8
    assert last(bench, FREEZE_END).cause == COMPLETE
    assert [r.kind for r in journal].count(ESTIMATE) == 1
    assert not faults(bench)


@pytest.mark.hazard("H-18")
def test_two_treatments_have_two_numbers(bench: Bench) -> None:
    """H-18: a freeze belongs to its own arming."""
    ready(bench)
    treat(bench)
    bench.press("select")
    treat(bench)
    ends = [r for r in records(bench) if r.kind == FREEZE_END]
    arms = [r for r in records(bench) if r.kind == ARMED]
    assert [e.treatment for e in ends] == [a.seq for a in arms]
    assert len({a.seq for a in arms}) == 2


# -- interlocks ---------------------------------------------------------------------------------

FAULTS_IN_READY = [
    ("thermocouple_open", Fault.NOZZLE_SENSOR),
    ("thermocouple_chip_missing", Fault.NOZZLE_SENSOR),
    ("pressure_probe_broken", Fault.PRESSURE_SENSOR),
    ("level_probe_broken", Fault.LEVEL_SENSOR),
    ("coil_sensor_high", Fault.COIL_SHORTED),
]


@pytest.mark.hazard("H-05", "H-10", "H-17")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize(("mishap", "number"), FAULTS_IN_READY)
def test_a_broken_part_is_a_fault_and_says_so(bench: Bench, mishap: str, number: int) -> None:
    """H-10, H-05, H-17."""
    ready(bench)
    bench.mishap(mishap)
    bench.run_for(3000)
    assert number in faults(bench)
    assert state(bench) == "FAULT"
    assert any(r.kind == FAULT and r.fault == number for r in records(bench))
    bench.press("select")
    assert state(bench) == "FAULT"  # still broken
    bench.mend(mishap)
    bench.run_for(3000)
    bench.press("select")
    assert state(bench) == ("FAULT" if number == 12 else "READY")


@pytest.mark.hazard("H-10")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize("mishap", ["pressure_low", "pressure_high", "dewar_low", "supply_sag"])
def test_out_of_limits_refuses_to_arm(bench: Bench, mishap: str) -> None:
    """H-10: refused with the reason on the screen, and nothing opens."""
    ready(bench)
    bench.mishap(mishap)
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert state(bench) == "READY"
    bench.press("trigger", 500)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-02", "H-05", "H-10")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize(
    ("mishap", "number"),
    [
        ("thermocouple_short", Fault.NOZZLE_SENSOR),
        ("pressure_low", Fault.PRESSURE),
        ("pressure_high", Fault.PRESSURE),
        ("dewar_empty", Fault.LEVEL_LOW),
        ("coil_open", Fault.COIL_OPEN),
        ("supply_sag", Fault.SUPPLY_LOW),
    ],
)
def test_what_breaks_during_a_freeze_ends_it(bench: Bench, mishap: str, number: int) -> None:
    """H-10, H-02, H-05."""
    ready(bench)
    arm(bench)
    freezing(bench, 1000)
    bench.mishap(mishap)
    until(bench, "FAULT", 10_000)
    assert number in faults(bench)
    assert len(bench.valve_intervals()) == 1
    assert bench.wiring.driven(GATE) == 0
    assert bench.wiring.driven(3) == 0
    end = next(r for r in records(bench) if r.kind == FREEZE_END)
    assert end.delivered_us < end.planned_us


@pytest.mark.hazard("H-02", "H-10")
@pytest.mark.needs("mishaps")
@pytest.mark.parametrize("mishap", ["valve_stuck_closed", "nozzle_blocked"])
@pytest.mark.parametrize("presses", [0, 12])
def test_a_freeze_without_cold_is_not_reported_as_a_treatment(
    bench: Bench, mishap: str, presses: int
) -> None:
    """H-02, H-10: the coil has its current, the time runs, but the nozzle does not get cold."""
    ready(bench)
    for _ in range(presses):
        bench.press("up")
    bench.mishap(mishap)
    arm(bench)
    freezing(bench)
    until(bench, "FAULT", 20000)
    assert faults(bench) == [Fault.NO_COLD]
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened <= 12_600 * MS  # 12 s, and 0.5 s for more than one reading
    assert [r.kind for r in records(bench)][-4:] == [FREEZE_END, ESTIMATE, FAULT, TREATMENT_END]
    assert last(bench, TREATMENT_END).values("why", "cycles", "complete") == (
        4,
        1,
        0,
    )  # a fault; no cycle was complete


@pytest.mark.hazard("H-05")
@pytest.mark.needs("mishaps")
def test_a_shorted_gate_switch_is_found_before_the_gate_opens(bench: Bench) -> None:
    """H-05: the supply is switched first, and any coil current then inhibits the freeze."""
    ready(bench)
    arm(bench)
    bench.mishap("gate_switch_shorted")
    bench.hold("trigger")
    until(bench, "FAULT")
    assert Fault.COIL_SHORTED in faults(bench)
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-05")
@pytest.mark.needs("mishaps")
def test_a_valve_stuck_open_is_noticed(bench: Bench) -> None:
    """H-05: software cannot close it, but raises a loud alarm."""
    ready(bench)
    arm(bench)
    freezing(bench, 5000)
    bench.mishap("valve_stuck_open")
    assert bench.run_until(lambda: bench.wiring.driven(GATE) == 0, 10000)
    closed_ms = bench.now_ms
    bench.release("trigger")
    until(bench, "FAULT", 10000)
    assert bench.now_ms - closed_ms <= 5000
    reported = [event["state"] for event in bench.events() if event["ev"] == "state"]
    assert "DONE" not in reported, "never shown as complete"
    assert Fault.VALVE_STUCK_OPEN in faults(bench)
    assert bench.wiring.driven(3) == 0


@pytest.mark.hazard("H-05")
def test_a_closed_valve_is_not_taken_for_a_stuck_one(bench: Bench) -> None:
    """H-05: after the longest freeze the nozzle has rewarmed in time."""
    ready(bench)
    bench.hold("up")
    bench.run_for(4000)  # to the end of the table
    bench.release("up")
    bench.run_for(60)
    treat(bench)
    assert bench.valve_intervals()[0][1] - bench.valve_intervals()[0][0] > 27_000 * MS
    bench.run_for(120000)
    assert faults(bench) == []


@pytest.mark.hazard("H-14")
@pytest.mark.needs("mishaps")
def test_a_dead_screen_forbids_the_next_treatment_but_not_the_end_of_this(bench: Bench) -> None:
    """H-14."""
    ready(bench)
    arm(bench)
    freezing(bench, 1000)
    bench.mishap("screen_missing")
    bench.run_until(lambda: bool(bench.valve_intervals()), 20000)
    bench.run_for(500)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened == planned_us(bench) * US
    assert Fault.SCREEN in faults(bench)
    assert state(bench) == "FAULT"


@pytest.mark.hazard("H-04", "H-17")
@pytest.mark.needs("mishaps")
def test_a_button_stuck_at_power_on_is_a_fault(bench: Bench) -> None:
    """H-04, H-17."""
    bench.mishap("trigger_stuck")
    switch_on(bench, "FAULT")
    assert Fault.BUTTON_STUCK in faults(bench)


# -- the processor ------------------------------------------------------------------------------


@pytest.mark.hazard("H-01", "H-11")
@pytest.mark.needs("hang")
@pytest.mark.parametrize("after_ms", [1003.0, 4444.4])
def test_a_stopped_loop_closes_and_restarts(bench: Bench, after_ms: float) -> None:
    """H-11, H-01: the dead-man within 100 ms, then the watchdog; the cause is on the screen."""
    ready(bench)
    arm(bench)
    freezing(bench, after_ms)
    supply: list[int] = []
    bench.wiring.watch(
        lambda t, signal, value: supply.append(t) if signal == "COIL" and not value else None
    )
    bench.hang(60000)
    stopped_ns = bench.clock.now_ns
    bench.run_for(6000)
    assert supply[0] - stopped_ns <= 100 * MS
    bench.release("trigger")
    until(bench, "FAULT", 10000)
    assert {15, 16} <= set(faults(bench))  # and 19: the trigger was still held
    lost = next(r for r in records(bench) if r.kind == 8)
    opened = bench.valve_intervals()[0][0]
    delivered_us = (supply[0] - opened) / US
    assert lost.delivered_least_us <= delivered_us <= lost.delivered_most_us
    assert lost.delivered_most_us - lost.delivered_least_us <= 80_000
    bench.run_for(500)
    bench.press("select")
    until(bench, "READY")


@pytest.mark.hazard("H-11")
@pytest.mark.needs("hang")
def test_a_loop_that_was_late_ends_the_freeze_as_a_fault(bench: Bench) -> None:
    """H-11: 200 ms late: the dead-man fell, the gate count continues, and nothing resumes."""
    ready(bench)
    arm(bench)
    freezing(bench, 2000)
    bench.hang(200)
    bench.run_for(1000)
    assert faults(bench) == [Fault.DEAD_MAN]
    end = next(r for r in records(bench) if r.kind == FREEZE_END)
    assert end.delivered_us <= 2_100_000


@pytest.mark.hazard("H-08", "H-11", "H-15")
@pytest.mark.needs("power")
@pytest.mark.parametrize("after_ms", [5, 2000, 9000])
def test_power_lost_while_freezing_is_recorded_at_the_next_start(
    bench: Bench, after_ms: int
) -> None:
    """H-11, H-08, H-15."""
    ready(bench)
    arm(bench)
    freezing(bench, after_ms)
    bench.cut_power()
    bench.run_for(500)
    bench.release("trigger")
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.FREEZE_LOST]
    lost = next(r for r in records(bench) if r.kind == 8)
    assert lost.delivered_least_us == 0
    assert lost.delivered_most_us == planned_us(bench)
    bench.press("select")
    until(bench, "READY")
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    assert faults(bench) == []


CRASHING = b"""
def measured(App):
    class Crashing(App):
        def tick(self, now_ms):
            App.tick(self, now_ms)
            if self.shot.elapsed_ms > 2000 and self.shot.phase:
                {}[self.shot.elapsed_ms]

    return Crashing
"""


@pytest.mark.hazard("H-11")
def test_an_error_in_the_program_closes_and_restarts(tmp_path: Path) -> None:
    """H-11: an unexpected exception during a freeze."""
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware)
    for name, data in subclass.files(FIRMWARE, CRASHING, mpy=False).items():
        (firmware / name).write_bytes(data)
    bench = FastBench(firmware)
    ready(bench)
    arm(bench)
    freezing(bench, 2000)
    since = len(bench.events())
    until(bench, "FAULT", since=since)
    ((opened, closed),) = bench.valve_intervals()
    assert 2000 * MS < closed - opened < 2020 * MS
    assert {16, 21} <= set(faults(bench))
    assert b"KeyError" in bench.files()["crash.txt"]
    lost = next(r for r in records(bench) if r.kind == 8)
    assert lost.delivered_least_us - 1000 <= (closed - opened) / US <= lost.delivered_most_us
