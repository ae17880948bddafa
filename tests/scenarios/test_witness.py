"""The infrared sensor as a witness: a jet that misses, a skin that is not the model's (H-27).

Also that nothing is said of what the model knows: other coefficients, pressures, gas, sputter.
"""

from __future__ import annotations

from typing import Any

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.world.plant import PlantParams, SkinParams
from hw_sim.world.plant.dewar import DewarParams
from tests.scenarios.conftest import (
    ARMED,
    ESTIMATE,
    FREEZE_END,
    WITNESS,
    Record,
    arm,
    freezing,
    last,
    preset,
    records,
    switch_on,
    until,
)

DEPTH_UM, APPLICATOR, PRECHILL, SCREENING, DEPTH_MODE, SKIN_SENSOR = 1, 2, 17, 18, 28, 29
COMPLETE, BY_DEPTH, BY_TIME = 1, 8, 9
NO_FALL, TOO_QUICK, TOO_SLOW, CAME_BACK = 1, 2, 3, 4
NOTE = 2
"""Note of an estimate, less the doubt."""
SPRAYS = {1: (2.5, 2600), 2: (5.0, 3500), 3: (10.0, 4000), 5: (1.5, 1800)}
"""Radius of the spot in mm and a depth in µm, by applicator."""
UNKNOWN = -1
LAGS_US = 12_000 - 25_000


def armed(bench: Bench, settings: dict[int, int] | None = None) -> int:
    """A device with the sensor, armed with spray B and a cold line; the planned time in ms."""
    own = {SCREENING: 0, APPLICATOR: 2, DEPTH_UM: 3500, SKIN_SENSOR: 1, **(settings or {})}
    preset(bench, own)
    switch_on(bench, "READY")
    bench.plant.point(bench.clock.now_ns, at_skin=False)
    arm(bench)
    bench.plant.point(bench.clock.now_ns, at_skin=True)
    return last(bench, ARMED).dose_ms


def device(kind: type[Bench] | None = None, **plant: Any) -> Bench:
    """A bench with the sensor fitted."""
    make: Any = kind or FastBench
    return make(skin_sensor=True, **plant)


def top_right(bench: Bench) -> str:
    """Beside the seconds: what the freeze ends by."""
    return "\n".join(row[72:] for row in bench.screen().text().split("\n")[:8])


def ended(bench: Bench) -> tuple[Record, Record, list[Record]]:
    """The end of the freeze that runs: its record, the estimate, and what the witness said."""
    until(bench, "DONE", 40_000)
    bench.release("trigger")
    bench.run_for(100)
    said = [record for record in records(bench) if record.kind == WITNESS]
    return last(bench, FREEZE_END), last(bench, ESTIMATE), said


@pytest.mark.hazard("H-27", "H-02")
@pytest.mark.needs("mishaps", "plant")
def test_a_jet_that_misses_the_skin_is_not_recorded_as_complete_depth_reached(bench: Bench) -> None:
    """15 s beside the spot, the sensor at skin temperature all the while, in the depth mode."""
    bench = device(type(bench))
    planned_ms = armed(bench, {DEPTH_MODE: 1})
    bench.mishap("jet_misses")
    freezing(bench)
    bench.run_for(1400)
    before = top_right(bench)
    bench.run_for(1100)
    assert top_right(bench) != before, "the warning in place of plan and estimate"
    end, estimate, said = ended(bench)
    assert end.cause == BY_TIME
    assert planned_ms - 60 <= (end.delivered_us - LAGS_US) / 1000 <= planned_ms + 0.001
    assert estimate.values("depth_um", "spread_um") == (UNKNOWN, UNKNOWN)
    assert estimate.note == NOTE + NO_FALL
    assert [record.doubt for record in said] == [NO_FALL]
    assert said[0].elapsed_ms < 2_000, "at once"
    assert said[0].skin_c_x100 > 2_500
    doubts = [event for event in bench.events() if event["ev"] == "doubt"]
    assert [event["doubt"] for event in doubts] == [NO_FALL]


@pytest.mark.hazard("H-27")
@pytest.mark.needs("mishaps", "plant")
def test_without_the_depth_mode_it_is_said_as_well_and_the_time_ends_it(bench: Bench) -> None:
    bench = device(type(bench))
    armed(bench)
    bench.mishap("jet_misses")
    freezing(bench)
    end, estimate, said = ended(bench)
    assert (end.cause, estimate.note, len(said)) == (COMPLETE, NOTE + NO_FALL, 1)


@pytest.mark.hazard("H-27")
@pytest.mark.needs("mishaps", "plant")
def test_a_jet_that_leaves_the_skin_in_the_course_of_a_freeze_is_found(bench: Bench) -> None:
    """It was cold and comes back up while the valve is open."""
    bench = device(type(bench))
    armed(bench, {DEPTH_MODE: 1})
    freezing(bench, 5000)
    bench.mishap("jet_misses")
    end, estimate, said = ended(bench)
    assert (end.cause, estimate.note) == (BY_TIME, NOTE + CAME_BACK)
    (record,) = said
    assert 5_000 < record.elapsed_ms < 8_000
    assert record.skin_min_c_x100 < -6_900


@pytest.mark.hazard("H-27")
@pytest.mark.needs("mishaps", "plant")
def test_dry_keratin_falls_too_quickly(bench: Bench) -> None:
    """The model's depth through it is off by -46 %: no estimate, and no correction by the fall."""
    bench = device(type(bench))
    armed(bench, {DEPTH_MODE: 1})
    bench.mishap("skin_insulated")
    freezing(bench)
    end, estimate, said = ended(bench)
    assert [record.doubt for record in said] == [TOO_QUICK]
    assert (end.cause, estimate.note, estimate.depth_um) == (BY_TIME, NOTE + TOO_QUICK, UNKNOWN)


@pytest.mark.hazard("H-27")
def test_a_spray_of_half_the_coefficient_is_no_correction_but_a_doubt() -> None:
    """Where the ratio of the fall was clamped at 4 without a word."""
    bench = device(plant=PlantParams(skin=SkinParams(h_w_m2k=1500.0)))
    armed(bench)
    freezing(bench)
    _end, estimate, said = ended(bench)
    assert [record.doubt for record in said] == [TOO_SLOW]
    assert said[0].fall_permille > 2_500
    assert estimate.depth_um == UNKNOWN


@pytest.mark.hazard("H-27")
@pytest.mark.parametrize("applicator", SPRAYS)
@pytest.mark.parametrize(
    ("h", "mbar", "settings", "start_c", "spits"),
    [
        (3000.0, 600.0, {}, None, False),
        (2400.0, 600.0, {}, None, False),
        (3600.0, 600.0, {}, None, False),
        (3000.0, 350.0, {}, None, False),
        (3000.0, 850.0, {}, None, False),
        (3000.0, 600.0, {PRECHILL: 0}, None, False),
        (3000.0, 600.0, {}, -3.0, False),
        (3000.0, 600.0, {}, None, True),
    ],
    ids=["nominal", "weak", "strong", "350 mbar", "850 mbar", "warm line", "cold skin", "spits"],
)
def test_what_the_model_knows_raises_no_doubt(
    applicator: int, h: float, mbar: float, settings: dict[int, int], start_c: float | None,
    spits: bool,
) -> None:  # fmt: skip
    spot_mm, depth_um = SPRAYS[applicator]
    skin = SkinParams(h_w_m2k=h, spot_radius_mm=spot_mm, start_c=start_c)
    plant = PlantParams(skin=skin, dewar=DewarParams(regulated_mbar=mbar))
    bench = device(plant=plant)
    armed(bench, {APPLICATOR: applicator, DEPTH_UM: depth_um, **settings})
    if spits:
        bench.mishap("nozzle_spits")
    freezing(bench, 4_000)
    bench.release("trigger")
    until(bench, "DONE", 10_000)
    assert not [record for record in records(bench) if record.kind == WITNESS]
    assert last(bench, ESTIMATE).depth_um > 0


@pytest.mark.hazard("H-27")
@pytest.mark.parametrize("applicator", SPRAYS)
def test_each_spray_that_misses_is_found(applicator: int) -> None:
    spot_mm, depth_um = SPRAYS[applicator]
    bench = device(plant=PlantParams(skin=SkinParams(spot_radius_mm=spot_mm)))
    armed(bench, {APPLICATOR: applicator, DEPTH_UM: depth_um})
    bench.mishap("jet_misses")
    freezing(bench, 2_500)
    bench.release("trigger")
    until(bench, "DONE", 10_000)
    assert last(bench, WITNESS).doubt == NO_FALL


@pytest.mark.hazard("H-27")
def test_a_probe_hides_the_skin_and_a_device_without_the_sensor_says_nothing() -> None:
    for settings, fitted in (({APPLICATOR: 4, DEPTH_UM: 1600}, 1), ({}, 0)):
        bench = device()
        armed(bench, {SKIN_SENSOR: fitted, **settings})
        bench.mishap("jet_misses")
        freezing(bench, 3_000)
        bench.release("trigger")
        until(bench, "DONE", 10_000)
        assert not [record for record in records(bench) if record.kind == WITNESS]


@pytest.mark.hazard("H-27")
@pytest.mark.needs("mishaps", "plant")
def test_the_warning_has_a_sound_and_a_light_of_its_own(bench: Bench) -> None:
    """Three falling tones every 3 s; green blinks fast beside the yellow of the flow."""
    bench = device(type(bench))
    armed(bench)
    bench.mishap("jet_misses")
    tones: list[float] = []
    greens: list[float] = []

    def note(_t_ns: int, signal: str, value: float) -> None:
        if signal == "BUZZER":
            tones.append(value)
        elif signal == "LED_GREEN":
            greens.append(value)

    bench.wiring.watch(note)
    freezing(bench, 5_500)
    bench.release("trigger")
    until(bench, "DONE", 10_000)
    assert {1976, 1480, 1109} <= {round(hz) for hz in tones}
    assert len(greens) >= 8
