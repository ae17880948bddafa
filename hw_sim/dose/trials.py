"""Random treatments of `make campaign`: the depth that the complete device reaches in each.

Each treatment runs on the fast bench: the unchanged firmware from power-on with its buttons, its
purge and its dose, against the simulated dewar, valve, line and nozzle. The resulting jet is the
input of the tissue model (`hw_sim.world.plant.spray`), with a coefficient, a spot and a skin that
the device does not know. For comparison: the same without purge, a plain stopwatch, and the
depth-controlled mode. `campaign` writes docs/campaign.md and docs/campaign.png from the outcomes;
the same `--seed` gives the same treatments. Exit code: 0 all limits met, 1 a limit missed. 300
treatments take some twenty minutes on one processor; `--jobs 2` uses two, with the same results in
the same order.

Each outcome is stored as a line in build/, under a key over every file that it depends on.
`--resume` continues from there, and starts again if any of those files has changed.

May import NumPy and the rest of `hw_sim`. No constant of the firmware is repeated here: the values
are read from the device.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hw_sim.bench import FastBench, NotAsExpected
from hw_sim.bench.journal_records import ESTIMATE, newest
from hw_sim.bench.operator import PROOF_MS, BenchOperator, NotReached, Timing
from hw_sim.dose import outcome_file
from hw_sim.dose.applicators import APPLICATORS, PROBE, by_number
from hw_sim.world.plant import Plant, PlantParams, SkinParams
from hw_sim.world.plant.dewar import DewarParams
from hw_sim.world.plant.jet import JetSpan
from hw_sim.world.plant.line import LineParams
from hw_sim.world.plant.spray import exposure
from hw_sim.world.plant.tissue import SKIN, Exposure, Tissue, TissueResult, expose

ROOT = Path(__file__).resolve().parents[2]
LINES = ROOT / "build" / "campaign.jsonl"
COUNT = 300
SEED = 20261122
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

# Uncertainty of a treatment after its applicator has been calibrated. Assumed: a phantom gives the
# mean coefficient; the operator's hand remains. A distance of 15 mm held to 1.5 mm (one standard
# deviation, with a spacer) changes the mass that arrives on a spot by 20 %, and h with its root.
H_SIGMA = 0.10
# Used for a second row of the table only; no acceptance limit depends on it.
SPOT_SIGMA = 0.05
MBAR = (350.0, 850.0)
LINE_C = (-120.0, 35.0)
SKIN_C = (30.0, 36.0)
PERFUSION = (0.001, 0.003)
AIM_S = (0.5, 6.0)
AIM_AGAIN_S = 0.5
STOPWATCH_S = 15.0
FINENESS = 0.7
"""The tissue's cells are 1.4 times the production grid's: 1.1 % error against half-size cells."""
COLD_LINE_C = -185.0
TABLE_SKIN_C, PLAIN = 33.0, SKIN.perfusion_per_s
"""The skin that the tables assume."""
MARGIN_UM = 500
"""As in most of the device's profiles."""
MOST_PURGES = 8
_SAME_TIP_K = 0.5


# -- random draws ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """One random treatment. The device knows only the applicator and the depth."""

    number: int
    applicator: int
    range_part: float
    """Position of the plan in the applicator's range of depths, 0…1."""
    mbar: float
    line_c: float
    skin_c: float
    perfusion_per_s: float
    h_factor: float
    spot_factor: float
    warm_k_factor: float
    frozen_k_factor: float
    latent_factor: float
    aim_s: float
    """From the end of the purge to the freeze."""

    @property
    def tissue(self) -> Tissue:
        """The properties of this skin."""
        low, high = SKIN.frozen_k_w_mk
        return replace(
            SKIN,
            perfusion_per_s=self.perfusion_per_s,
            warm_k_w_mk=SKIN.warm_k_w_mk * self.warm_k_factor,
            frozen_k_w_mk=(low * self.frozen_k_factor, high * self.frozen_k_factor),
            latent_j_kg=SKIN.latent_j_kg * self.latent_factor,
        )


def draw(seed: int, number: int) -> Draw:
    """The `number`th treatment of this seed, independent of the others."""
    rng = random.Random(f"{seed}/{number}")
    return Draw(
        number=number,
        applicator=rng.choice(APPLICATORS).number,
        range_part=rng.random(),
        mbar=rng.uniform(*MBAR),
        line_c=rng.uniform(*LINE_C),
        skin_c=rng.uniform(*SKIN_C),
        perfusion_per_s=rng.uniform(*PERFUSION),
        h_factor=math.exp(rng.gauss(0.0, H_SIGMA)),
        spot_factor=math.exp(rng.gauss(0.0, SPOT_SIGMA)),
        warm_k_factor=rng.uniform(1.0 - 0.149, 1.0 + 0.149),
        frozen_k_factor=rng.uniform(0.8, 1.2),
        latent_factor=rng.uniform(1.0 - 0.136, 1.0 + 0.136),
        aim_s=rng.uniform(*AIM_S),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one treatment under one strategy. Depths in mm; an estimate of None: not recorded.

    `reached_all_mm`: the depth with spot and skin as drawn. `known_mm`: the depth at the end of the
    freeze if the coefficient had been as calibrated, i.e. the estimate of a device that knows
    everything else. `plain_mm`: the same on the tables' skin. `purges`: number of purges.
    `warned`: the device reported a fault, or that the freeze did not reach the lesion's base.
    """

    number: int
    strategy: str
    applicator: int
    lesion_mm: float
    plan_mm: float
    seconds: float
    reached_mm: float
    at_end_mm: float
    line_c: float
    reached_all_mm: float | None = None
    known_mm: float | None = None
    plain_mm: float | None = None
    estimate_mm: float | None = None
    estimate_spread_mm: float | None = None
    purges: int = 0
    warned: bool = False
    ended: str = ""

    @property
    def error(self) -> float:
        """Relative error of the depth reached against the plan."""
        return self.reached_mm / self.plan_mm - 1.0

    @property
    def error_all(self) -> float | None:
        """The same, with spot and skin as drawn."""
        if self.reached_all_mm is None:
            return None
        return self.reached_all_mm / self.plan_mm - 1.0

    @property
    def estimate_error(self) -> float | None:
        """Relative error of the estimate at the end of the freeze; None: no estimate."""
        if self.estimate_mm is None or self.at_end_mm <= 0.0:
            return None
        return self.estimate_mm / self.at_end_mm - 1.0

    @property
    def floor(self) -> float | None:
        """The part of the estimate's error that is due to the coefficient alone."""
        if self.known_mm is None or self.at_end_mm <= 0.0:
            return None
        return self.known_mm / self.at_end_mm - 1.0

    @property
    def floor_control(self) -> float | None:
        """The same for a freeze that is ended by an estimate exact but for the coefficient."""
        return None if not self.known_mm else self.at_end_mm / self.known_mm - 1.0

    @property
    def short_mm(self) -> float:
        """Distance from the −25 °C depth to the lesion's base; 0 if the base was reached."""
        return max(0.0, self.lesion_mm - self.reached_mm)


# -- the skin -------------------------------------------------------------------------------------


def tissue_of(
    one: Draw, exposed: Exposure, until_s: float, *, as_drawn: bool = False
) -> TissueResult:
    """The skin under this exposure: as in the acceptance limits, or with spot and skin as drawn."""
    spot_mm = by_number(one.applicator).spot_radius_mm
    plain = replace(SKIN, perfusion_per_s=one.perfusion_per_s)
    return expose(
        exposed,
        until_s=until_s,
        spot_radius_mm=spot_mm * (one.spot_factor if as_drawn else 1.0),
        skin_c=one.skin_c,
        tissue=one.tissue if as_drawn else plain,
        fineness=FINENESS,
        sample_s=0.2,
    )


def touched(
    one: Draw, spans: Sequence[JetSpan], tip: Sequence[tuple[int, float]], begin_ns: int,
    end_ns: int,
) -> Exposure:  # fmt: skip
    """The spray's history, or the probe's contact from begin to end at the tip's temperature."""
    applicator = by_number(one.applicator)
    h = applicator.h_w_m2k * one.h_factor
    if applicator.kind != PROBE:
        return exposure(spans, h, zero_ns=begin_ns)
    rows: list[tuple[float, float, float]] = []
    for t_ns, c in tip:
        if begin_ns <= t_ns < end_ns and (not rows or abs(c - rows[-1][2]) >= _SAME_TIP_K):
            rows.append(((t_ns - begin_ns) * 1e-9 if rows else 0.0, h, c))
    rows.append(((end_ns - begin_ns) * 1e-9, 0.0, 22.0))
    time_s, hs, cs = zip(*rows, strict=True)
    return Exposure(time_s, hs, cs)


def plant_of(one: Draw) -> PlantParams:
    """The flask and the line of this treatment."""
    applicator = by_number(one.applicator)
    return PlantParams(
        dewar=DewarParams(regulated_mbar=one.mbar),
        line=LineParams(orifice_mm=applicator.line_bore_mm),
    )


def skin_of(one: Draw) -> SkinParams:
    """The skin that the infrared sensor measures."""
    applicator = by_number(one.applicator)
    return SkinParams(
        h_w_m2k=applicator.h_w_m2k * one.h_factor,
        spot_radius_mm=applicator.spot_radius_mm,
        start_c=one.skin_c,
        perfusion_per_s=one.perfusion_per_s,
    )


# -- the device -----------------------------------------------------------------------------------


_TIMING = Timing(arm_ms=1200.0, look_ms=50.0, valve_look_ms=20.0)


class TrialOperator(BenchOperator[FastBench]):
    """An operator with one device who follows the display."""

    def __init__(self, one: Draw, *, infrared: bool) -> None:
        options: dict[str, Any] = {"skin_sensor": infrared, "calibrated": False, **BENCH}
        bench = FastBench(seed=one.number + 1, plant=plant_of(one), **options)
        super().__init__(bench, _TIMING, polls=True, aims=True)
        self.one = one
        self.tip: list[tuple[int, float]] = []

    def has(self, key: str) -> bool:
        """Whether the device has this setting."""
        return "ok" in self.bench.ask("get", key=key)

    def get(self, key: str) -> int:
        """A setting's value."""
        return int(self.ok("get", key=key)["value"])

    def change(self, key: str, value: int) -> None:
        """Set over the link, confirming on the device if needed; no-op if already set."""
        if self.get(key) != value:
            super().change(key, value)

    def start(self, settings: dict[str, int]) -> tuple[float, float]:
        """Power on and configure. Returns the lesion's depth and the planned depth in mm."""
        bench = self.bench
        bench.power_on()
        bench.run_for(250)
        self.until("READY")
        number = self.one.applicator
        rows = self.ok("describe", part="applicators")["rows"]
        row = next(row for row in rows if row[0] == number)
        low_um, high_um = int(row[2]), int(row[3])
        for key, value in settings.items():
            if self.has(key):
                self.change(key, value)
            elif value and key in NEEDED:
                raise NotAsExpected(f"this device has no {key}")
        margin_um = self.get("margin_um") if self.has("margin_um") else 0
        # The panel sets the lesion's depth in tenths of a millimetre, within the table's range.
        low, high = -(-(low_um - margin_um) // 100), (high_um - margin_um) // 100
        depth_um = round(low + self.one.range_part * (high - low)) * 100
        self.change("applicator", number)
        self.change("depth_um", depth_um)
        return depth_um / 1000.0, (depth_um + margin_um) / 1000.0

    def warm_line(self) -> None:
        """Set the line to the initial temperature of this treatment."""
        line_c = self.one.line_c
        self.bench.plant.set_line(self.bench.clock.now_ns, wall_c=line_c, tip_c=line_c)

    def aimed_freeze(self) -> tuple[int, int]:
        """Aim, and hold TRIGGER until the valve closes. Returns (gate high, gate low) in ns.

        After a repeated purge the operator needs only `AIM_AGAIN_S` to aim. A line that is found
        warm in the moment of TRIGGER is purged again: what the valve did then was no freeze.
        """
        bench = self.bench
        bench.run_for(self.one.aim_s * 1000.0)
        for _ in range(MOST_PURGES):
            if self.state == "ARMED" and (interval := self._trigger()) is not None:
                return interval
            self.arm()
            bench.run_for(AIM_AGAIN_S * 1000.0)
        raise NotReached("the freeze", self.states)

    def _trigger(self) -> tuple[int, int] | None:
        """Hold TRIGGER until a freeze has ended: its (gate high, gate low). None: there was none.

        NotReached, if it began and did not end.
        """
        bench = self.bench
        plant = bench.plant
        plant.new_skin(bench.clock.now_ns, skin_of(self.one))
        closed = len(bench.valve_intervals())
        before = len(self.states)
        self.tip.clear()
        bench.hold("trigger")

        def over() -> bool:
            plant.advance(bench.clock.now_ns)
            self.tip.append((bench.clock.now_ns, plant.nozzle_c))
            return len(bench.valve_intervals()) > closed or self.state == "PRECHILL"

        done = bench.run_until(over, 31_000, 50)
        bench.run_for(600)
        bench.release("trigger")
        # FREEZING ends when the valve is proved closed.
        bench.run_until(lambda: self.state != "FREEZING", PROOF_MS + 1_000, 50)
        bench.run_for(600)
        if "FREEZING" not in self.states[before:]:
            return None
        if not done:
            raise NotReached("the freeze's end", self.states)
        return bench.valve_intervals()[closed]


def with_device(one: Draw, strategy: str, settings: dict[str, int]) -> Outcome:
    """One treatment by the firmware."""
    operator = TrialOperator(one, infrared=strategy in INFRARED)
    lesion_mm, plan_mm = operator.start(settings)
    operator.warm_line()
    operator.arm()
    begin_ns, end_ns = operator.aimed_freeze()
    bench = operator.bench
    spans = bench.plant.jet_between(begin_ns, end_ns + 400 * NS_PER_MS)
    seconds = (end_ns - begin_ns) * 1e-9
    exposed = touched(one, spans, operator.tip, begin_ns, end_ns)
    result = tissue_of(one, exposed, seconds + 0.4)
    reached_all_mm = None
    if strategy == "device":
        reached_all_mm = tissue_of(one, exposed, seconds + 0.4, as_drawn=True).deepest_m25_mm
    known_mm = plain_mm = None
    if strategy == "depth mode":
        known = replace(one, h_factor=1.0)
        exposed = touched(known, spans, operator.tip, begin_ns, end_ns)
        known_mm, plain_mm = (
            depths.at(depths.depth_m25_mm, seconds)
            for depths in (
                tissue_of(skin, exposed, seconds)
                for skin in (known, replace(known, skin_c=TABLE_SKIN_C, perfusion_per_s=PLAIN))
            )
        )
    estimate = newest(bench.log(), ESTIMATE)
    estimate_mm = spread_mm = None
    fell_short = False
    if estimate is not None:
        estimate_mm = estimate.depth_um / 1000.0
        spread_mm = estimate.spread_um / 1000.0
        fell_short = estimate.note == 1
    state = operator.state
    warned = state == "FAULT" or fell_short
    return Outcome(
        number=one.number,
        strategy=strategy,
        applicator=one.applicator,
        lesion_mm=lesion_mm,
        plan_mm=plan_mm,
        seconds=seconds,
        reached_mm=result.deepest_m25_mm,
        at_end_mm=result.at(result.depth_m25_mm, seconds),
        line_c=one.line_c,
        reached_all_mm=reached_all_mm,
        known_mm=known_mm,
        plain_mm=plain_mm,
        estimate_mm=estimate_mm,
        estimate_spread_mm=spread_mm,
        purges=operator.purges,
        warned=warned,
        ended=state,
    )


def with_stopwatch(one: Draw, strategy: str, lesion_mm: float, plan_mm: float) -> Outcome:
    """A hand-held flask: the same line, opened by a lever for `STOPWATCH_S` at any planned depth.

    Its line starts at this treatment's temperature, or at `COLD_LINE_C` ("stopwatch, cold line").
    """
    plant = Plant(plant_of(one))
    begin_ns = NS_PER_S
    plant.advance(begin_ns)
    line_c = one.line_c if strategy == "stopwatch" else COLD_LINE_C
    plant.set_line(begin_ns, wall_c=line_c, tip_c=line_c)
    plant.energise(begin_ns, True)
    end_ns = begin_ns + round(STOPWATCH_S * NS_PER_S)
    tip: list[tuple[int, float]] = []
    for t_ns in range(begin_ns, end_ns, 50 * NS_PER_MS):
        plant.advance(t_ns)
        tip.append((t_ns, plant.nozzle_c))
    plant.advance(end_ns)
    plant.energise(end_ns, False)
    plant.advance(end_ns + 400 * NS_PER_MS)
    spans = plant.jet_between(begin_ns, end_ns + 400 * NS_PER_MS)
    exposed = touched(one, spans, tip, begin_ns, end_ns)
    result = tissue_of(one, exposed, STOPWATCH_S + 0.4)
    return Outcome(
        number=one.number,
        strategy=strategy,
        applicator=one.applicator,
        lesion_mm=lesion_mm,
        plan_mm=plan_mm,
        seconds=STOPWATCH_S,
        reached_mm=result.deepest_m25_mm,
        at_end_mm=result.at(result.depth_m25_mm, STOPWATCH_S),
        line_c=one.line_c,
    )


BENCH: dict[str, Any] = {}
"""Further arguments of every bench of the campaign."""
INFRARED = ("depth mode",)
"""Strategies with the infrared sensor fitted."""
NEEDED = ("skin_sensor", "depth_mode")
# Other settings that the device lacks are skipped.
QUICK = {"screening": 0, "profile": 1, "cycles": 1, "target": 1, "margin_um": MARGIN_UM}
STRATEGIES: dict[str, dict[str, int]] = {
    "device": {**QUICK, "prechill": 1, "skin_sensor": 0, "depth_mode": 0},
    "depth mode": {**QUICK, "prechill": 1, "skin_sensor": 1, "depth_mode": 1},
    "no purge": {**QUICK, "prechill": 0, "skin_sensor": 0, "depth_mode": 0},
}


STOPWATCHES = ("stopwatch", "stopwatch, cold line")


def treat_one(
    one: Draw, strategies: Iterable[str], done: dict[tuple[int, str], Outcome]
) -> Iterable[Outcome]:
    """The outcomes of the requested strategies for one treatment, except those in `done`."""
    for name in strategies:
        if (one.number, name) in done:
            continue
        if name in STOPWATCHES:
            device = done.get((one.number, "device"))
            if device is None:
                continue
            outcome = with_stopwatch(one, name, device.lesion_mm, device.plan_mm)
        else:
            try:
                outcome = with_device(one, name, STRATEGIES[name])
            except NotAsExpected as error:
                print(f"{one.number} {name}: {error}", file=sys.stderr)
                continue
        done[one.number, name] = outcome
        yield outcome


# -- running the campaign -------------------------------------------------------------------------

_DEPENDENCIES = (
    "firmware/**/*.py",
    "hw_sim/bench/*.py",
    "hw_sim/fakes/*.py",
    "hw_sim/image/flash.py",
    "hw_sim/world/**/*.py",
    "hw_sim/dose/applicators.py",
    "hw_sim/dose/trials.py",
)


def key(seed: int) -> str:
    """Hash over the seed and every file of firmware, bench, plant and campaign."""
    return outcome_file.key_of(seed, ROOT, _DEPENDENCIES)


def kept(path: Path, seed: int) -> list[Outcome]:
    """The outcomes stored in a file, if they are of this firmware, plant and seed; else none."""
    return outcome_file.kept(path, key(seed), lambda text: Outcome(**json.loads(text)))


def _treat(work: tuple[int, int, Sequence[str], list[Outcome]]) -> list[Outcome]:
    seed, number, strategies, before = work
    done = {(one.number, one.strategy): one for one in before}
    return list(treat_one(draw(seed, number), strategies, done))


def run(
    seed: int, count: int, strategies: Sequence[str], before: Sequence[Outcome], jobs: int
) -> Iterator[list[Outcome]]:
    """Yield the outcomes missing in `before`, treatment by treatment, in the same order for any
    number of `jobs`."""
    by: dict[int, list[Outcome]] = {}
    for one in before:
        by.setdefault(one.number, []).append(one)
    work = [(seed, number, strategies, by.get(number, [])) for number in range(count)]
    if jobs == 1:
        yield from map(_treat, work)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap(_treat, work)
