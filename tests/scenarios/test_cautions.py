"""The cautions of a plan: an applicator not calibrated here (H-26), too deep a plan (H-28)."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench
from tests.scenarios.conftest import (
    ARMED,
    CAUTION,
    ESTIMATE,
    PLAN,
    arm,
    freezing,
    last,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    until,
)

APPLICATOR, SCREENING = 2, 18
UNCALIBRATED, TOO_DEEP = 1, 2
DEPTH_UM, PRECHILL, SAFE_DEPTH_UM = 1, 17, 39
CONFIRMED, LEFT, TIMED_OUT = 1, 2, 3


def cautions(bench: Bench) -> list[tuple[int, ...]]:
    """Caution, answer and applicator of each record."""
    kind = [record for record in records(bench) if record.kind == CAUTION]
    return [record.values("caution", "answer", "applicator") for record in kind]


def bottom_left(bench: Bench) -> str:
    """What stands beside the countdown of ARMED."""
    return "\n".join(row[:92] for row in bench.screen().text().split("\n")[24:32])


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26")
def test_an_uncalibrated_applicator_is_said_in_ready_and_asked_for_when_armed(
    bench: Bench,
) -> None:
    ready(bench)
    bench.run_for(500)
    first = bench.screen().text()
    bench.run_for(2000)
    assert bench.screen().text().split("\n")[:8] != first.split("\n")[:8], "every other 2 s"
    bench.press("arm", 1200)
    assert state(bench) == "SCREENING", "not armed without an answer"
    asked = bench.screen().text()
    bench.press("select", 2300)
    assert state(bench) == "ARMED"
    assert bench.screen().text() != asked
    shown = {bottom_left(bench)}
    for _ in range(4):
        bench.run_for(2000)
        shown.add(bottom_left(bench))
    assert len(shown) == 4, "armed, applicator, not calibrated, depths that it may reach, in turn"
    assert cautions(bench) == [(UNCALIBRATED, CONFIRMED, 1)]
    assert last(bench, CAUTION).value < 1000, "a shipped table"
    assert last(bench, ARMED).seq == last(bench, CAUTION).seq + 1


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26", "H-23")
def test_no_slip_answers_it(bench: Bench) -> None:
    """A short press, a hold of 1 s, UP, DOWN, TRIGGER: nothing is armed, nothing recorded."""
    ready(bench)
    bench.press("arm", 1200)
    for button, ms in (("select", 80), ("select", 1500), ("up", 80), ("down", 80), ("trigger", 80)):
        bench.press(button, ms)
        assert state(bench) == "SCREENING"
    assert cautions(bench) == []
    bench.press("arm")
    assert state(bench) == "READY"
    assert cautions(bench) == [(UNCALIBRATED, LEFT, 1)]
    assert not [record for record in records(bench) if record.kind == ARMED]


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26")
def test_select_held_from_ready_on_does_not_answer_it(bench: Bench) -> None:
    """H-23: a press that began on another screen counts for nothing."""
    ready(bench)
    bench.hold("arm")
    bench.run_for(900)
    bench.hold("select")
    bench.run_for(4000)
    assert state(bench) == "SCREENING"
    bench.release("arm")
    bench.release("select")


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26")
def test_it_is_asked_once_for_each_applicator_and_again_after_power_on(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    bench.press("arm")
    until(bench, "READY")
    bench.press("arm", 1200)
    assert state(bench) == "ARMED", "confirmed already"
    bench.press("arm")
    bench.ask("set", key="applicator", value=5)
    bench.run_for(100)
    bench.press("select", 1200)
    bench.ask("set", key="depth_um", value=1800)
    bench.run_for(100)
    bench.press("select", 1200)
    bench.press("arm", 1200)
    assert state(bench) == "SCREENING", "another applicator"
    bench.press("select", 2300)
    assert state(bench) == "ARMED"
    assert [row[2] for row in cautions(bench)] == [1, 5]
    if "power" in bench.capabilities:
        bench.cut_power()
        switch_on(bench, "READY")
        bench.press("arm", 1200)
        assert state(bench) == "SCREENING"


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26")
def test_silence_leads_back_and_is_recorded(bench: Bench) -> None:
    ready(bench)
    bench.press("arm", 1200)
    bench.run_for(181_000)
    assert told(bench) == "READY"
    assert cautions(bench) == [(UNCALIBRATED, TIMED_OUT, 1)]


@pytest.mark.as_shipped
@pytest.mark.hazard("H-26")
def test_the_checklist_follows_and_a_calibrated_applicator_is_not_asked_for(bench: Bench) -> None:
    """With the shipped tables: the caution, then six pages. Calibrated: the six pages at once."""
    for tables, holds in ((False, 1), (True, 0)):
        fresh = bench if not tables else type(bench)()
        preset(fresh, {17: 0})
        switch_on(fresh, "READY")
        fresh.press("arm", 1200)
        for _ in range(holds):
            assert state(fresh) == "SCREENING"
            fresh.press("select", 2300)
        for _ in range(6):
            assert state(fresh) == "SCREENING"
            fresh.press("select")
        assert state(fresh) == "ARMED"
        assert len(cautions(fresh)) == holds


def test_the_press_count_of_a_calibrated_device_stays_at_eight_or_less(bench: Bench) -> None:
    """ARM, the six pages, TRIGGER for the purge: with defaults, as before the cautions."""
    preset(bench, {})
    switch_on(bench, "READY")
    presses = 1
    bench.press("arm", 1200)
    while state(bench) == "SCREENING":
        bench.press("select")
        presses += 1
    assert state(bench) == "PRECHILL"
    assert presses + 1 <= 8


@pytest.mark.hazard("H-28")
def test_a_plan_that_may_reach_beyond_the_safe_depth_is_asked_for_at_each_arming(
    bench: Bench,
) -> None:
    """By the plan's stated spread: planned depth + 2 sigma."""
    preset(bench, {SCREENING: 0, PRECHILL: 0, DEPTH_UM: 2500, SAFE_DEPTH_UM: 3950})
    switch_on(bench, "READY")
    for _ in range(2):
        bench.press("arm", 1200)
        assert state(bench) == "SCREENING"
        bench.press("select")
        assert state(bench) == "SCREENING", "a short press is no answer"
        bench.press("select", 2300)
        assert state(bench) == "ARMED"
        plan = last(bench, PLAN)
        record = last(bench, CAUTION)
        assert record.values("caution", "answer", "limit") == (TOO_DEEP, CONFIRMED, 3950)
        assert record.value == plan.plan_depth_um + 2 * plan.spread_um > 3950
        bench.press("arm")
        until(bench, "READY")
    bench.press("down", 80)
    bench.press("arm", 1200)
    assert state(bench) == "ARMED", "2.4 mm stays above it"
    assert len(cautions(bench)) == 2


@pytest.mark.hazard("H-28")
@pytest.mark.needs("plant")
def test_a_freeze_that_went_beyond_the_safe_depth_is_reported(bench: Bench) -> None:
    preset(bench, {SCREENING: 0, DEPTH_UM: 2300, SAFE_DEPTH_UM: 2000})
    switch_on(bench, "READY")
    arm(bench)
    freezing(bench)
    until(bench, "DONE", 40_000)
    bench.release("trigger")
    bench.run_for(100)
    estimate = last(bench, ESTIMATE)
    assert estimate.depth_um > 2000
    assert estimate.note == 8
    deep = [event for event in bench.events() if event["ev"] == "deep"]
    assert [event["safe_depth_um"] for event in deep] == [2000]
