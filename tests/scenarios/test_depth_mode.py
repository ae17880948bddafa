"""The live estimate: the depth-controlled mode (H-01, H-02), and the skin sensor (H-10)."""

from __future__ import annotations

from typing import Any

import pytest

from hw_sim.bench import FastBench
from tests.scenarios.conftest import (
    ARMED,
    ESTIMATE,
    FREEZE_BEGIN,
    FREEZE_END,
    arm,
    faults,
    freezing,
    last,
    preset,
    ready,
    records,
    state,
    switch_on,
    until,
)
from tests.scenarios.fault_numbers import Fault

DEPTH_UM, APPLICATOR, PRECHILL, SCREENING, DEPTH_MODE, SKIN_SENSOR = 1, 2, 17, 18, 28, 29
COMPLETE, RELEASED, BY_DEPTH = 1, 2, 8
UNSURE = 9
"""Note of an estimate: its spread reaches above the lesion's base."""
LAGS_US = 12_000 - 25_000
SPRAY_B = 2


def begin(settings: dict[int, int], **options: Any) -> tuple[FastBench, int]:
    """An armed bench with a cold line, and the planned time in ms."""
    bench = FastBench(**options)
    preset(bench, {SCREENING: 0, APPLICATOR: SPRAY_B, DEPTH_UM: 3500} | settings)
    switch_on(bench, "READY")
    bench.plant.point(bench.clock.now_ns, at_skin=False)  # the purge points away
    arm(bench)
    bench.plant.point(bench.clock.now_ns, at_skin=True)
    return bench, last(bench, ARMED).dose_ms


def freeze(bench: FastBench) -> tuple[int, int]:
    """A complete freeze: (cause, time of flow in ms)."""
    freezing(bench)
    until(bench, "DONE", 40_000)
    bench.release("trigger")
    bench.run_for(100)
    end = last(bench, FREEZE_END)
    return end.cause, (end.delivered_us - LAGS_US) // 1000


def test_off_by_default_and_confirmed_at_the_device() -> None:
    bench = FastBench()
    ready(bench)
    assert bench.ask("get", key="depth_mode")["ok"]["value"] == 0
    reply = bench.ask("set", key="depth_mode", value=1)["ok"]
    assert reply["applied"] is False
    assert bench.ask("get", key="depth_mode")["ok"]["value"] == 0
    bench.press("select", 1200)
    assert bench.ask("get", key="depth_mode")["ok"]["value"] == 1


@pytest.mark.hazard("H-30")
def test_off_the_time_ends_the_freeze_and_the_estimate_is_recorded() -> None:
    bench, planned_ms = begin({DEPTH_MODE: 0})
    cause, flow_ms = freeze(bench)
    assert (cause, flow_ms) == (COMPLETE, planned_ms)
    estimate = last(bench, ESTIMATE)
    assert estimate.depth_um == pytest.approx(3500, rel=0.05)
    assert 0.25 < estimate.spread_um / estimate.depth_um < 0.4, "what skins make of a known spray"
    assert planned_ms - 500 < estimate.liquid_ms <= planned_ms
    assert estimate.values("planned_um", "note") == (3500, UNSURE)


@pytest.mark.hazard("H-01")
def test_on_the_depth_ends_it_and_the_timer_holds_the_upper_bound() -> None:
    """H-01: the gate is planned for the upper bound; the estimate can only end it earlier."""
    bench, planned_ms = begin({DEPTH_MODE: 1})
    gate_us = last(bench, ARMED).planned_us
    assert gate_us == min(30_000, planned_ms * 5 // 4) * 1000 + LAGS_US
    cause, flow_ms = freeze(bench)
    assert cause == BY_DEPTH
    assert planned_ms * 3 // 4 <= flow_ms < gate_us // 1000
    estimate = last(bench, ESTIMATE)
    assert 3500 <= estimate.depth_um < 3530
    assert estimate.note == UNSURE, "the estimate ended it, but its spread reaches above the base"
    (opened, closed) = bench.valve_intervals()[-1]
    assert (closed - opened) / 1e6 == pytest.approx(flow_ms + LAGS_US / 1000, abs=2)


@pytest.mark.hazard("H-01", "H-02")
def test_a_line_that_gives_gas_is_frozen_longer_but_never_beyond_the_bound() -> None:
    """H-01, H-02: from a warm line the depth is not reached in time: reported, the bound holds."""
    bench, planned_ms = begin({DEPTH_MODE: 1, PRECHILL: 0})
    cause, flow_ms = freeze(bench)
    assert cause == COMPLETE
    assert flow_ms == min(30_000, planned_ms * 5 // 4)
    estimate = last(bench, ESTIMATE)
    assert estimate.depth_um < 3350
    assert estimate.note == 1, "short of the lesion"
    events = [event for event in bench.events() if event["ev"] == "short"]
    assert [event["estimate_um"] for event in events] == [estimate.depth_um]


@pytest.mark.hazard("H-02")
def test_it_ends_no_freeze_before_ten_seconds() -> None:
    """H-02: 2.9 mm takes little more than 10 s; a quarter less would be 8 s."""
    bench, planned_ms = begin({DEPTH_MODE: 1, DEPTH_UM: 2900})
    cause, flow_ms = freeze(bench)
    assert flow_ms >= 10_000
    assert cause in (BY_DEPTH, COMPLETE)
    assert flow_ms <= planned_ms * 5 // 4


@pytest.mark.hazard("H-01")
def test_a_trigger_let_go_ends_it_in_the_mode_too() -> None:
    """H-01."""
    bench, _planned_ms = begin({DEPTH_MODE: 1})
    freezing(bench, 4000)
    bench.release("trigger")
    bench.run_for(300)
    assert last(bench, FREEZE_END).cause == RELEASED
    assert last(bench, ESTIMATE).depth_um < 3000


def test_a_skin_sensor_that_is_not_fitted_is_never_a_fault() -> None:
    """H-10."""
    bench = FastBench()
    ready(bench)
    bench.run_for(6000)
    assert (state(bench), faults(bench)) == ("READY", [])


@pytest.mark.hazard("H-10")
def test_a_silent_skin_sensor_is_a_fault_where_it_is_said_to_be_fitted() -> None:
    """H-10: and the fault clears when the sensor answers."""
    bench = FastBench(skin_sensor=True)
    preset(bench, {SCREENING: 0, PRECHILL: 0, SKIN_SENSOR: 1})
    switch_on(bench, "READY")
    bench.run_for(4000)
    assert faults(bench) == []
    bench.wiring.skin_sensor.present = False
    bench.run_for(4000)
    assert (state(bench), faults(bench)) == ("FAULT", [Fault.SKIN_SENSOR])
    bench.press("select")
    assert state(bench) == "FAULT"
    bench.wiring.skin_sensor.present = True
    bench.run_for(2500)
    bench.press("select")
    assert (state(bench), faults(bench)) == ("READY", [])


@pytest.mark.hazard("H-10")
def test_a_slow_start_is_no_silence_of_the_skin_sensor() -> None:
    """H-10: tables and a language are loaded before the sensor is read for the first time."""
    bench = FastBench(skin_sensor=True)
    preset(bench, {SCREENING: 0, PRECHILL: 0, SKIN_SENSOR: 1})
    bench.power_on()
    bench.run_for(250)
    bench.hang(1_850)  # longer than the self-test waits for the others, which are faults then
    bench.run_for(3_000)
    latched = [event["fault"] for event in bench.events() if event["ev"] == "fault"]
    assert Fault.SKIN_SENSOR not in latched


def test_the_skin_s_fall_is_seen_and_recorded() -> None:
    bench, _planned_ms = begin({SKIN_SENSOR: 1}, skin_sensor=True)
    freeze(bench)
    skin_ms, spread_um, depth_um = last(bench, ESTIMATE).values(
        "skin_fall_ms", "spread_um", "depth_um"
    )
    assert 200 < skin_ms < 500  # nominal: 320
    without, _ = begin({SKIN_SENSOR: 0}, skin_sensor=True)
    freeze(without)
    assert last(without, ESTIMATE).skin_fall_ms == 0
    assert last(without, ESTIMATE).spread_um == pytest.approx(spread_um, rel=0.06)
    assert depth_um == pytest.approx(last(without, ESTIMATE).depth_um, rel=0.06)


def test_the_records_of_a_freeze_stand_in_order() -> None:
    bench, _planned_ms = begin({DEPTH_MODE: 1})
    freeze(bench)
    kinds = [record.kind for record in records(bench)]
    at = kinds.index(FREEZE_BEGIN)
    assert kinds[at : at + 3] == [FREEZE_BEGIN, FREEZE_END, ESTIMATE]
