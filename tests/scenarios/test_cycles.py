"""Plans, profiles, and treatments of two cycles: freeze, thaw, freeze, record."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench, FastBench
from tests.scenarios.conftest import (
    ARMED,
    COLD,
    DISARMED,
    ESTIMATE,
    FREEZE_BEGIN,
    FREEZE_END,
    PLAN,
    PRECHILL_BEGIN,
    PRECHILL_END,
    RELEASED,
    SETTING,
    SHORT,
    THAW,
    TREATMENT_END,
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
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault

CYCLES, THAW_MIN_S, MARGIN_UM, TARGET, SKIN_SENSOR = 22, 24, 21, 23, 29  # numbers of settings


def twice(bench: Bench, **more: int) -> None:
    """Switch on with two cycles and a minimum thaw time of 5 s."""
    preset(bench, {**SHORT, CYCLES: 2, THAW_MIN_S: 5, **{int(k[1:]): v for k, v in more.items()}})
    switch_on(bench, "READY")


def thawing(bench: Bench) -> None:
    """Treat the first of two cycles."""
    twice(bench)
    treat(bench, "THAWING")


def go_on(bench: Bench) -> None:
    """Confirm that it is thawed, and hold ARM."""
    bench.run_for(6000)
    bench.press("select")
    bench.hold("arm")
    until(bench, "ARMED")
    bench.release("arm")
    bench.run_for(60)


# -- cycles ---------------------------------------------------------------------------------------


@pytest.mark.hazard("H-08", "H-15")
def test_two_cycles_end_to_end(bench: Bench) -> None:
    """H-15, H-08: each cycle is armed manually; one treatment in the record."""
    thawing(bench)
    go_on(bench)
    freezing(bench)
    until(bench, "DONE", 40000)
    journal = records(bench)
    assert [r.kind for r in journal[1:]] == [
        ARMED, PLAN, FREEZE_BEGIN, FREEZE_END, ESTIMATE, THAW, FREEZE_BEGIN, FREEZE_END, ESTIMATE,
        TREATMENT_END,
    ]  # fmt: skip
    armed = journal[1]
    assert [r.cycle for r in journal if r.kind in (FREEZE_BEGIN, FREEZE_END)] == [1, 1, 2, 2]
    assert {r.treatment for r in journal[2:]} == {armed.seq}
    thaw, closing = last(bench, THAW), last(bench, TREATMENT_END)
    assert thaw.cycle == 1
    assert 6000 <= thaw.thawed_ms < 6500
    assert thaw.values("by", "skin_c_x100") == (1, 100000)  # by the operator; no sensor
    assert closing.values("why", "cycles", "complete", "delivered_ms") == (
        1,
        2,
        2,
        2 * armed.dose_ms,
    )
    first, second = bench.valve_intervals()
    assert first[1] - first[0] == second[1] - second[0] == armed.planned_us * 1000
    bench.press("select")
    until(bench, "READY")


@pytest.mark.hazard("H-01", "H-15")
@pytest.mark.parametrize("name", ["trigger", "up", "down", "arm", "select"])
def test_nothing_freezes_before_the_shortest_thaw(bench: Bench, name: str) -> None:
    """H-01, H-15."""
    thawing(bench)
    bench.press(name, 1200)
    bench.press("trigger", 500)
    assert told(bench) == "THAWING"
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-01", "H-15")
def test_arm_is_refused_until_the_thaw_is_acknowledged(bench: Bench) -> None:
    """H-15, H-01."""
    thawing(bench)
    bench.run_for(6000)
    bench.press("arm", 1500)
    assert told(bench) == "THAWING"
    bench.press("select")
    assert told(bench) == "THAWING"
    bench.press("trigger", 500)
    assert told(bench) == "THAWING"
    bench.press("arm", 1500)
    assert told(bench) == "ARMED"
    assert len(bench.valve_intervals()) == 1


def test_arm_pressed_shortly_asks_whether_to_end_the_treatment(bench: Bench) -> None:
    """It is asked first, answered by SELECT held, and recorded as one of two cycles."""
    thawing(bench)
    bench.run_for(1000)
    bench.press("arm")
    assert state(bench) == "THAWING"
    bench.press("arm")
    assert state(bench) == "THAWING", "any other button goes on with the thaw"
    bench.press("arm", 850)
    bench.press("select", 500)
    assert state(bench) == "THAWING"
    bench.press("arm", 850)  # not held long enough to go on
    bench.press("select", 1200)
    assert state(bench) == "DONE"
    assert last(bench, THAW).by == 3
    assert last(bench, TREATMENT_END).values("why", "cycles", "complete") == (3, 2, 1)


@pytest.mark.hazard("H-02", "H-15")
def test_a_freeze_that_ends_early_ends_the_treatment(bench: Bench) -> None:
    """H-02, H-15: no second cycle compensates for it."""
    twice(bench)
    arm(bench)
    freezing(bench, 3000)
    bench.release("trigger")
    until(bench, "DONE")
    assert last(bench, FREEZE_END).cause == RELEASED
    closing = last(bench, TREATMENT_END)
    assert closing.values("why", "cycles", "complete") == (2, 2, 0)
    assert closing.interruptions == 1
    assert 2900 < closing.delivered_ms < 3100


@pytest.mark.parametrize("how", ["arm", "time"])
def test_leaving_the_second_cycle_closes_the_treatment(bench: Bench, how: str) -> None:
    thawing(bench)
    go_on(bench)
    if how == "arm":
        bench.press("arm")
    else:
        bench.run_for(61000)
    assert state(bench) == "READY"
    kinds = [r.kind for r in records(bench)]
    assert kinds[-2:] == [TREATMENT_END, DISARMED]
    assert last(bench, TREATMENT_END).values("why", "cycles", "complete") == (
        3 if how == "arm" else 5,
        2,
        1,
    )


@pytest.mark.hazard("H-03", "H-15")
def test_the_estop_is_seen_while_it_thaws(bench: Bench) -> None:
    """H-03, H-15: once cleared, the device is in READY and the treatment has ended."""
    thawing(bench)
    bench.estop_open()
    bench.run_for(100)
    assert faults(bench) == [Fault.ESTOP]
    bench.estop_close()
    bench.run_for(100)
    bench.press("select", 2200)
    until(bench, "READY")
    bench.press("trigger", 500)
    assert len(bench.valve_intervals()) == 1
    assert last(bench, TREATMENT_END).values("why", "cycles", "complete") == (4, 2, 1)


@pytest.mark.hazard("H-05")
@pytest.mark.needs("mishaps")
def test_a_valve_stuck_open_is_noticed_while_it_thaws(bench: Bench) -> None:
    """H-05."""
    twice(bench)
    arm(bench)
    freezing(bench, 5000)
    bench.mishap("valve_stuck_open")
    until(bench, "FAULT", 40000)
    bench.release("trigger")
    assert "THAWING" not in [e["state"] for e in bench.events() if e["ev"] == "state"]
    assert Fault.VALVE_STUCK_OPEN in faults(bench)


@pytest.mark.hazard("H-15")
@pytest.mark.needs("power")
def test_power_lost_while_it_thaws_ends_the_treatment(bench: Bench) -> None:
    """H-15: nothing is armed after a start."""
    thawing(bench)
    bench.cut_power()
    bench.run_for(500)
    switch_on(bench, "READY")
    bench.press("trigger", 500)
    assert len(bench.valve_intervals()) == 1
    assert faults(bench) == []  # the freeze itself was complete, and is recorded


@pytest.mark.hazard("H-10")
@pytest.mark.needs("mishaps")
def test_what_forbids_arming_forbids_the_next_cycle(bench: Bench) -> None:
    """H-10: shown on the screen, and the thaw continues."""
    thawing(bench)
    bench.run_for(6000)
    bench.press("select")
    bench.mishap("dewar_low")
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "THAWING"
    bench.mend("dewar_low")
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-02")
@pytest.mark.needs("plant")
def test_the_next_cycle_is_purged_too(bench: Bench) -> None:
    """H-02: the line has warmed during a minute of thaw."""
    preset(bench, {18: 0, CYCLES: 2, THAW_MIN_S: 5})
    switch_on(bench, "READY")
    arm(bench)
    freezing(bench)
    until(bench, "THAWING", 40000)
    bench.release("trigger")
    bench.run_for(60000)
    bench.press("select")
    bench.press("arm", 1200)
    assert told(bench) == "PRECHILL"
    cold_line(bench)
    purge(bench)
    purges = [r for r in records(bench) if r.kind in (PRECHILL_BEGIN, PRECHILL_END)]
    assert [r.cycle for r in purges] == [1, 1, 2, 2]
    assert purges[-1].cause == COLD
    assert purges[-1].treatment == last(bench, ARMED).seq


# -- plans and profiles ---------------------------------------------------------------------------


def profiles(bench: Bench) -> dict[int, list[object]]:
    """The device's profiles by number."""
    return {row[0]: row for row in bench.ask("describe", part="profiles")["ok"]["rows"]}


@pytest.mark.hazard("H-06")
def test_a_profile_brings_depth_margin_and_cycles(bench: Bench) -> None:
    """H-06: selected on the panel, shown, recorded, and used for the plan."""
    ready(bench)
    rows = profiles(bench)
    for _ in range(2):
        bench.press("select")  # depth, applicator, profile
    bench.press("up")
    bench.press("up")  # plantar wart
    bench.press("up")
    bench.press("down")
    depth_um, margin_um, cycles = rows[3][2:5]
    assert bench.ask("get", key="profile")["ok"]["value"] == 3
    assert bench.ask("get", key="depth_um")["ok"]["value"] == depth_um
    assert bench.ask("get", key="margin_um")["ok"]["value"] == margin_um
    assert bench.ask("get", key="cycles")["ok"]["value"] == cycles == 2
    bench.run_for(2500)
    changed = {r.setting for r in records(bench) if r.kind == SETTING}
    assert changed == {20, 1, 21, 22}
    arm(bench)
    armed, plan = last(bench, ARMED), last(bench, PLAN)
    assert armed.depth_um == depth_um
    assert plan.values("treatment", "profile", "target", "margin_um", "plan_depth_um") == (
        armed.seq,
        3,
        1,
        margin_um,
        depth_um + margin_um,
    )
    assert plan.cycles == 2


@pytest.mark.hazard("H-13")
def test_the_practice_sets_its_own_profile(bench: Bench) -> None:
    """H-13: over the link, confirmed at the device; used when it is selected next."""
    ready(bench)
    reply = bench.ask("set", key="common_wart_depth_um", value=2200)["ok"]
    assert not reply["applied"]
    bench.run_for(50)
    bench.press("select", 1200)
    assert profiles(bench)[2][2] == 2200
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 2300
    assert not bench.ask("set", key="profile", value=2)["ok"]["applied"]
    bench.run_for(50)
    bench.press("select", 1200)
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 2200
    by_host = [r for r in records(bench) if r.kind == SETTING and r.setting == 1]
    assert by_host[-1].values("old", "new", "by") == (2300, 2200, 3)
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert profiles(bench)[2][2] == 2200
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 2200


@pytest.mark.hazard("H-02", "H-06")
def test_the_dose_is_for_lesion_and_margin(bench: Bench) -> None:
    """H-02, H-06: 2.3 mm plus a margin of 0.5 mm are 2.8 mm."""
    preset(bench, {**SHORT, MARGIN_UM: 500})
    switch_on(bench, "READY")
    with_margin = bench.ask("status")["ok"]["dose_ms"]
    other = type(bench)()
    ready(other)
    for _ in range(5):
        other.press("up")
    assert other.ask("status")["ok"]["dose_ms"] == with_margin


@pytest.mark.hazard("H-06")
def test_a_colder_target_takes_longer(bench: Bench) -> None:
    """H-06: 2.3 mm at -50 C are beyond this nozzle's range; less is not."""
    ready(bench)
    benign_ms = bench.ask("status")["ok"]["dose_ms"]
    preset_bench = type(bench)()
    preset(preset_bench, {**SHORT, TARGET: 2, 1: 2200})
    switch_on(preset_bench, "READY")
    assert preset_bench.ask("status")["ok"]["dose_ms"] > 2 * benign_ms
    arm(preset_bench)
    assert last(preset_bench, PLAN).target == 2


@pytest.mark.hazard("H-13")
def test_the_plan_does_not_change_between_its_cycles(bench: Bench) -> None:
    """H-13: nothing can be set while a treatment runs."""
    thawing(bench)
    assert bench.ask("set", key="volume", value=3)["err"]["code"] == "state"
    bench.press("up", 1000)
    go_on(bench)
    assert last(bench, ARMED).depth_um == 2300


@pytest.mark.hazard("H-06")
def test_a_depth_out_of_reach_names_the_applicator_on_the_screen(bench: Bench) -> None:
    """H-06: refused, and nothing is armed."""
    preset(bench, {**SHORT, MARGIN_UM: 2000})
    switch_on(bench, "READY")
    before = bench.screen().text()
    bench.press("arm", 1200)
    assert told(bench) == "READY"
    assert bench.screen().text() != before
    assert all(r.kind != ARMED for r in records(bench))


@pytest.mark.hazard("H-15")
def test_the_skin_sensor_says_when_it_is_thawed(bench: Bench) -> None:
    """H-15: the operator must still hold ARM, and not before the minimum thaw time."""
    if not isinstance(bench, FastBench):
        pytest.skip("the skin's temperature is set on the fast bench only")
    fitted = FastBench(skin_sensor=True)
    preset(fitted, {**SHORT, CYCLES: 2, THAW_MIN_S: 20, SKIN_SENSOR: 1})
    switch_on(fitted, "READY")
    arm(fitted)
    freezing(fitted)
    until(fitted, "THAWING", 40000)
    fitted.release("trigger")
    fitted.run_for(5000)
    assert all(r.kind != THAW for r in records(fitted))
    assert fitted.run_until(lambda: skin_c(fitted) > 5, 600_000, 1000)
    fitted.run_for(24_000)
    thaw = last(fitted, THAW)
    assert thaw.by == 2
    assert 100 <= thaw.skin_c_x100 < 4000
    assert thaw.thawed_ms >= 20_000
    fitted.run_for(5000)
    assert told(fitted) == "THAWING"
    fitted.press("arm", 1200)
    assert told(fitted) == "ARMED"


def skin_c(bench: FastBench) -> float:
    """Skin temperature at the infrared sensor in °C, from the plant."""
    return bench.plant.skin_c
