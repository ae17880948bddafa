"""Treatments of the second truth, each ended as the device, a stopwatch or a clinician would.

For each random treatment (`population`) the open valve is followed once, to 30 s, and from it each
strategy's own end: the device's seconds (its tables), its depth mode (its live estimate), a
stopwatch of 15 s, the clinicians' rule (the ice field reaches the lesion's rim and 2 mm, then 10 s
more), and an all-knowing plan. Then the valve closes, and the depth goes on to its greatest.

The device's share is its own firmware, unchanged: `cryo.dose` and `cryo.estimate`, loaded as the
fast bench loads them and fed every 0.1 s with a cold nozzle, the dewar's pressure and the infrared
sensor's reading of this skin. Not in it, unlike in `trials`: states, purge, line, buttons.

May import NumPy and the rest of `hw_sim`. Outcomes are lines of JSON; the same seed gives the same.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hw_sim.bench import FastBench
from hw_sim.dose.applicators import by_number
from hw_sim.dose.layered import History, Run, play
from hw_sim.dose.population import ONSET_S, Draw, draw
from hw_sim.dose.properties import Floats

ROOT = Path(__file__).resolve().parents[2]
LINES = ROOT / "build" / "layered.jsonl"
SEED = 20261127
MOST_S = 30.0
STOPWATCH_S = 15.0
MARGIN_UM = 500
HALO_MM = 2.0
HALO_MORE_S = 10.0
FOLLOW_S = 150.0
"""Of thaw after the device's own end."""
FINENESS = 0.8
SHORT_UM = 150
"""Above this the firmware reports TOO SHALLOW (firmware/cryo/verdict.py)."""
UNSURE_UM = 300
"""And above this by the lower bound of its spread: TOO SHALLOW?"""
NOZZLE_C_X100 = -19500
SENSOR_KEEP = math.exp(-0.1 * math.log(100.0) / 0.65)
"""Of the last value in each new one, 0.1 s later (hw_sim/world/parts/mlx90614.py)."""
SENSOR_LOW_C = -70.0
THAW_C = (-20.0, -5.0, 0.0)
FALL_C = (15.0, 10.0, 5.0, 0.0, -5.0, -10.0, -20.0, -40.0)
FALL_WITHIN_S = 10.0
STRATEGIES = ("seconds", "depth mode", "stopwatch", "halo", "all-knowing")


@dataclass(slots=True)
class End:
    """How one strategy ended: seconds of open valve, deepest -25 C in mm, warned or not."""

    seconds: float
    reached_mm: float
    warned: bool = False
    """TOO SHALLOW: by the estimate itself; or TOO SHALLOW?"""
    unsure: bool = False
    """TOO SHALLOW? only: by the lower bound of the estimate's spread."""


@dataclass(slots=True)
class Outcome:
    """One treatment. Depths in mm from the surface; None: not there, or not reached."""

    number: int
    applicator: int
    keratin: str
    keratin_mm: float
    film_w_m2k: float
    rim_mm: float
    fat_from_mm: float
    lesion_mm: float
    plan_mm: float
    ends: dict[str, End]
    at_end_mm: dict[str, float]
    """Depth of -25 C at the end of `seconds` and of `depth mode`."""
    estimate_mm: dict[str, tuple[float, float]]
    """(estimate, stated spread) then: `seconds` without the sensor, `depth mode` with it."""
    fall_s: list[float | None]
    """From the jet's start to `FALL_C` on the skin (mean of the sensor's field)."""
    read_s: list[float | None]
    """From the gate to `FALL_C` as the sensor reads it, every 0.1 s."""
    thaw_s: list[float | None]
    """From the end of `seconds` until the surface is at `THAW_C` again."""
    thaw_read_s: list[float | None]
    """The same as the infrared sensor reads it, held on the spot."""
    ice_mm: float
    """Radius of the ice field on the surface at the end of `seconds`."""
    lesion_radius_mm: float
    base_radius_mm: float
    """Radius within which the lesion's base is at -25 C then."""


@lru_cache(maxsize=1)
def device() -> tuple[Any, Any]:
    """The firmware's `dose` and `estimate`, as this source has them."""
    bench = FastBench(seed=1, calibrated=False)
    bench.power_on()
    bench.run_for(50)
    boot = bench.chip.boot
    assert boot is not None
    loader: Any = boot.loader
    modules = loader.modules
    if "cryo.estimate" not in modules:  # the firmware loads it when a freeze comes
        loader.builtins["__import__"]("cryo.estimate", {}, {}, (), 0)
    return modules["cryo.dose"], modules["cryo.estimate"]


def pressure_power(applicator: int) -> float:
    """Power of the dewar's pressure with which this applicator's h goes; 0: a probe's."""
    dose, _ = device()
    return dose.row_of(applicator)[dose.BY_PRESSURE] / 1000.0


def _readings(seen_t: Floats, seen_c: Floats, until_s: float) -> list[tuple[float, float]]:
    """(time, reading): the sensor's filter of the first order, every 0.1 s; its range ends."""
    out: list[tuple[float, float]] = []
    value = float(seen_c[0])
    for k in range(1, round(until_s * 10) + 1):
        t = k * 0.1
        now = float(np.interp(t, seen_t, seen_c))
        value = now + (value - now) * SENSOR_KEEP
        out.append((t, max(SENSOR_LOW_C, value)))
    return out


def _estimate(
    one: Draw, plan_um: int, readings: Sequence[tuple[float, float]] | None,
    end_s: float | None, time_ms: int,
) -> tuple[float, float, float]:  # fmt: skip
    """(seconds, estimate mm, spread mm): the firmware's estimate up to `end_s`, or until depth mode
    ends."""
    dose, estimate = device()
    row = dose.row_of(one.applicator)
    est = estimate.Estimate()
    est.begin(row, dose.BENIGN)
    least, most = dose.least_ms(time_ms), dose.most_ms(time_ms)
    mbar = round(one.mbar)
    ms = 0
    skin = 3300
    while True:
        for _ in range(10):  # ticks of 10 ms; a new reading every 0.1 s
            est.step(10, NOZZLE_C_X100, mbar, skin, readings is not None)
            ms += 10
        if readings is not None and ms // 100 <= len(readings):
            skin = round(readings[ms // 100 - 1][1] * 100)
        if end_s is not None:
            if ms >= end_s * 1000 - 50:
                break
        elif (est.reached(plan_um) and ms >= least) or ms >= most:
            break
    return ms / 1000.0, est.depth_um / 1000.0, est.spread_um / 1000.0


def _deepest(start: Run, end_s: float, rows: Sequence[Any], follow_s: float) -> Run:
    """From the run's own time on under the jet to `end_s`, then closed for `follow_s`."""
    run = start.copy()
    play(run, rows, end_s)
    run.touch(0.0)
    run.go(end_s + follow_s)
    return run


def treat_one(one: Draw) -> Outcome:
    """All strategies of one treatment; some 4 s of processor time."""
    dose, _ = device()
    low_um, high_um = dose.min_um(one.applicator), dose.max_um(one.applicator)
    low, high = -(-(low_um - MARGIN_UM) // 100), (high_um - MARGIN_UM) // 100
    lesion_um = round(low + one.range_part * (high - low)) * 100
    plan_um = lesion_um + MARGIN_UM
    time_ms = dose.dose_ms(one.applicator, plan_um)
    rows = one.touches(MOST_S + 1.0, pressure_power(one.applicator))[:-1]  # open all the time
    run = Run(one.stack, one.jet, skin_c=one.skin_c, ice_at_c=one.ice_at_c, fineness=FINENESS)
    starts: list[Run] = []
    for second in range(int(MOST_S) + 1):
        if second:
            play(run, rows, float(second))
        if second >= 5:
            starts.append(run.copy())
    history = run.history()

    def from_before(end_s: float) -> Run:
        return max((s for s in starts if s.now_s <= end_s + 1e-9), key=lambda s: s.now_s)

    readings = _readings(history.time_s, history.seen_c, MOST_S) if one.spray else None
    seconds = time_ms / 1000.0
    _, plain_mm, plain_spread = _estimate(one, plan_um, None, seconds, time_ms)
    by_depth_s, depth_mm, depth_spread = _estimate(one, plan_um, readings, None, time_ms)
    halo_s = _halo_s(history, lesion_radius_mm(one) + HALO_MM)
    lesion_mm, plan_mm = lesion_um / 1000.0, plan_um / 1000.0
    known_s = _known_s(history, plan_mm)
    ends: dict[str, End] = {}
    outcome_run: Run | None = None
    for name, end_s in (
        ("seconds", seconds),
        ("depth mode", by_depth_s),
        ("stopwatch", STOPWATCH_S),
        ("halo", halo_s),
        ("all-knowing", known_s),
    ):
        after = _deepest(from_before(end_s), end_s, rows, FOLLOW_S if name == "seconds" else 2.0)
        if name == "seconds":
            outcome_run = after
        ends[name] = End(end_s, after.history().deepest_m25_mm)
    _warn(ends["seconds"], lesion_um, plain_mm, plain_spread)
    _warn(ends["depth mode"], lesion_um, depth_mm, depth_spread)
    # It knows when it cannot.
    ends["all-knowing"].warned = ends["all-knowing"].reached_mm < lesion_mm
    assert outcome_run is not None
    after = outcome_run.history()
    closed = from_before(seconds).copy()
    play(closed, rows, seconds)
    return Outcome(
        number=one.number,
        applicator=one.applicator,
        keratin=one.keratin,
        keratin_mm=one.keratin_mm,
        film_w_m2k=one.film_w_m2k,
        rim_mm=one.rim_mm,
        fat_from_mm=one.fat_from_mm,
        lesion_mm=lesion_mm,
        plan_mm=plan_mm,
        ends=ends,
        at_end_mm={
            "seconds": after.at(after.depth_m25_mm, seconds),
            "depth mode": history.at(history.depth_m25_mm, by_depth_s),
        },
        estimate_mm={
            "seconds": (plain_mm, plain_spread),
            "depth mode": (depth_mm, depth_spread),
        },
        fall_s=falls(history, one),
        read_s=read_falls(history, one),
        thaw_s=[_finite(after.rose_s(after.surface_c, c) - seconds) for c in THAW_C],
        thaw_read_s=read_thaw(after, seconds, one.spray),
        ice_mm=after.at(after.ice_radius_mm, seconds),
        lesion_radius_mm=lesion_radius_mm(one),
        base_radius_mm=closed.radius_at(lesion_mm),
    )


def _warn(end: End, lesion_um: int, estimate_mm: float, spread_mm: float) -> None:
    """As the firmware does after a complete freeze (firmware/cryo/verdict.py)."""
    dose, _ = device()
    low_um = dose.low_um(round(estimate_mm * 1000), round(spread_mm * 1000))
    short = lesion_um - estimate_mm * 1000 > SHORT_UM
    end.unsure = not short and lesion_um - low_um > UNSURE_UM
    end.warned = short or end.unsure


def lesion_radius_mm(one: Draw) -> float:
    """Radius of the lesion in mm: a part of the spot's."""
    return by_number(one.applicator).spot_radius_mm * one.diameter_part


def falls(history: History, one: Draw) -> list[float | None]:
    """Seconds from the jet's start until the sensor's field is at `FALL_C`; None: not in time."""
    out: list[float | None] = []
    for c in FALL_C:
        t = history.fell_s(history.seen_c, c) - ONSET_S
        out.append(round(t, 4) if t <= FALL_WITHIN_S and one.spray else None)
    return out


def read_falls(history: History, one: Draw) -> list[float | None]:
    """Seconds from the gate until the sensor reads `FALL_C`; None: not in time."""
    if not one.spray:
        return [None] * len(FALL_C)
    until_s = min(FALL_WITHIN_S, float(history.time_s[-1]))
    readings = _readings(history.time_s, history.seen_c, until_s)
    return [next((round(t, 1) for t, c in readings if c <= at), None) for at in FALL_C]


def read_thaw(history: History, closed_s: float, spray: bool) -> list[float | None]:
    """Seconds from closing until the sensor, held on the spot, reads `THAW_C`; None: not in time,
    or a probe's spot, which it does not see."""
    if not spray:
        return [None] * len(THAW_C)
    after = history.time_s >= closed_s - 1.0
    until_s = float(history.time_s[-1]) - closed_s
    readings = [
        (t - 1.0, c)
        for t, c in _readings(
            history.time_s[after] - closed_s + 1.0, history.seen_c[after], until_s + 1.0
        )
    ]
    return [next((round(t, 1) for t, c in readings if t > 0.0 and c >= at), None) for at in THAW_C]


def _halo_s(history: History, radius_mm: float) -> float:
    """The ice field reaches `radius_mm`, then `HALO_MORE_S`; at most `MOST_S`."""
    reached = np.flatnonzero(history.ice_radius_mm >= radius_mm)
    if len(reached) == 0:
        return MOST_S
    at_s = float(history.time_s[int(reached[0])])
    return round(min(MOST_S, max(5.0, at_s + HALO_MORE_S)), 1)


def _known_s(history: History, plan_mm: float) -> float:
    """When the depth is the plan's; within the device's 10…30 s."""
    reached = np.flatnonzero(history.depth_m25_mm >= plan_mm)
    if len(reached) == 0:
        return MOST_S
    return min(MOST_S, max(10.0, round(float(history.time_s[int(reached[0])]), 2)))


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def _work(what: tuple[int, int]) -> Outcome:
    return treat_one(draw(*what))


def run(seed: int, numbers: Sequence[int], jobs: int, niceness: int = 10) -> Iterator[Outcome]:
    """The outcomes in order, in `jobs` processes (niced)."""
    work = [(seed, number) for number in numbers]
    if jobs == 1:
        yield from map(_work, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, os.nice, (niceness,)) as pool:
        yield from pool.imap(_work, work)


def line_of(outcome: Outcome) -> str:
    """For the file of outcomes."""
    return json.dumps(asdict(outcome))


def of_line(text: str) -> Outcome:
    """The outcome of a line; ValueError, KeyError or TypeError for what is none."""
    data = json.loads(text)
    data["ends"] = {name: End(**end) for name, end in data["ends"].items()}
    data["estimate_mm"] = {name: tuple(both) for name, both in data["estimate_mm"].items()}
    return Outcome(**data)


def lesion_part_reached(one: Outcome) -> float:
    """Radius within which the lesion's base is at -25 C, over the lesion's radius."""
    return one.base_radius_mm / one.lesion_radius_mm
