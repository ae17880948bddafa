"""`make campaign`: what the whole device reaches over random treatments, as a table.

Each treatment runs on the fast bench: the unchanged firmware from power-on, its buttons, its purge,
its dose, against dewar, valve, line and nozzle. What the jet did then goes through the tissue model
(`hw_sim.plant.spray`), with a coefficient, a spot and a skin that the device does not know. Beside
it: the same without purge, a plain stopwatch, and the depth-controlled mode. Writes
docs/campaign.md and docs/campaign.png; the same `--seed` gives the same treatments. Exit code: 0
every bar reached, 1 one was missed. 300 treatments take some twenty minutes.

May import NumPy, Pillow and matplotlib (for the picture), and the rest of `hw_sim`. No constant of
the firmware is known here: the device is asked.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import random
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hw_sim.bench import FastBench
from hw_sim.dose import tables
from hw_sim.dose.applicators import APPLICATORS, PROBE, SPRAY, by_number
from hw_sim.figures.figure import Figure, below, failed, markdown, missed
from hw_sim.plant import Plant, PlantParams, SkinParams
from hw_sim.plant.device import JetSpan
from hw_sim.plant.dewar import DewarParams
from hw_sim.plant.line import LineParams
from hw_sim.plant.spray import exposure
from hw_sim.plant.tissue import SKIN, Exposure, Tissue, TissueResult, expose

ROOT = Path(__file__).resolve().parents[2]
LINES = ROOT / "build" / "campaign.jsonl"
COUNT = 300
SEED = 20261122
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

# What is not known of a treatment once its applicator has been calibrated. Assumed: a phantom tells
# the mean coefficient; what is left is the hand. A distance of 15 mm kept to 1.5 mm (one standard
# deviation, with a spacer) moves the mass that arrives on a spot by 20 %, and h with its root.
H_SIGMA = 0.10
# Drawn for a second row of the table only; the bars do not ask for them.
SPOT_SIGMA = 0.05
MBAR = (350.0, 850.0)
LINE_C = (-120.0, 35.0)
SKIN_C = (30.0, 36.0)
PERFUSION = (0.001, 0.003)
AIM_S = (0.5, 6.0)
STOPWATCH_S = 15.0
FINENESS = 0.7
"""The tissue's cells are 1.4 times the production grid's: 1.1 % off a grid of half its size."""
COLD_LINE_C = -185.0
MARGIN_UM = 500
"""As most of the device's profiles have it."""
PROBE_BORE_MM = 0.56
MOST_PURGES = 8
SHORT_BAR_MM = 0.3
_SAME_TIP_K = 0.5
_RECORD = struct.Struct("<IHBBII8i16s")  # docs/protocol.md, "Journal records"


# -- what is drawn --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """One random treatment. What the device knows: applicator and depth; nothing else."""

    number: int
    applicator: int
    range_part: float
    """Where in the applicator's range of depths the plan lies, 0…1."""
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
    """From the purge's end to the freeze."""

    @property
    def tissue(self) -> Tissue:
        """This skin."""
        low, high = SKIN.frozen_k_w_mk
        return replace(
            SKIN,
            perfusion_per_s=self.perfusion_per_s,
            warm_k_w_mk=SKIN.warm_k_w_mk * self.warm_k_factor,
            frozen_k_w_mk=(low * self.frozen_k_factor, high * self.frozen_k_factor),
            latent_j_kg=SKIN.latent_j_kg * self.latent_factor,
        )


def draw(seed: int, number: int) -> Draw:
    """The `number`th treatment of this seed, whatever the others are."""
    one = random.Random(f"{seed}/{number}")
    return Draw(
        number=number,
        applicator=one.choice(APPLICATORS).number,
        range_part=one.random(),
        mbar=one.uniform(*MBAR),
        line_c=one.uniform(*LINE_C),
        skin_c=one.uniform(*SKIN_C),
        perfusion_per_s=one.uniform(*PERFUSION),
        h_factor=math.exp(one.gauss(0.0, H_SIGMA)),
        spot_factor=math.exp(one.gauss(0.0, SPOT_SIGMA)),
        warm_k_factor=one.uniform(1.0 - 0.149, 1.0 + 0.149),
        frozen_k_factor=one.uniform(0.8, 1.2),
        latent_factor=one.uniform(1.0 - 0.136, 1.0 + 0.136),
        aim_s=one.uniform(*AIM_S),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one treatment under one strategy. Depths in mm; estimates None: there are none.

    `reached_all_mm`: with spot and skin as drawn, too. `purges`: how often the line was purged.
    `warned`: a fault, or the device has said that it fell short of the lesion's base.
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
    estimate_mm: float | None = None
    estimate_spread_mm: float | None = None
    purges: int = 0
    warned: bool = False
    ended: str = ""

    @property
    def error(self) -> float:
        """Reached over planned, less 1."""
        return self.reached_mm / self.plan_mm - 1.0

    @property
    def error_all(self) -> float | None:
        """The same, with spot and skin as drawn."""
        if self.reached_all_mm is None:
            return None
        return self.reached_all_mm / self.plan_mm - 1.0

    @property
    def estimate_error(self) -> float | None:
        """Estimated over reached at the end of the freeze, less 1; None: no estimate."""
        if self.estimate_mm is None or self.at_end_mm <= 0.0:
            return None
        return self.estimate_mm / self.at_end_mm - 1.0

    @property
    def short_mm(self) -> float:
        """By how much −25 °C stayed above the lesion's base; 0 when it did not."""
        return max(0.0, self.lesion_mm - self.reached_mm)


# -- the skin -------------------------------------------------------------------------------------


def tissue_of(
    one: Draw, exposed: Exposure, until_s: float, *, as_drawn: bool = False
) -> TissueResult:
    """The skin under what touched it: as the bars ask, or with spot and properties as drawn."""
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
    """The spray's history, or the probe's contact from begin to end at its tip's temperature."""
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
        line=LineParams(orifice_mm=applicator.bore_mm or PROBE_BORE_MM),
    )


def skin_of(one: Draw) -> SkinParams:
    """What the infrared sensor looks at."""
    applicator = by_number(one.applicator)
    return SkinParams(
        h_w_m2k=applicator.h_w_m2k * one.h_factor,
        spot_radius_mm=applicator.spot_radius_mm,
        start_c=one.skin_c,
        perfusion_per_s=one.perfusion_per_s,
    )


# -- the device -----------------------------------------------------------------------------------


class Stopped(RuntimeError):
    """The device did not come to a freeze; why."""


class Operator:
    """A hand on one device, which does what the panel says."""

    def __init__(self, one: Draw, *, infrared: bool) -> None:
        self.one = one
        self.bench = FastBench(
            seed=one.number + 1, plant=plant_of(one), skin_sensor=infrared, **BENCH
        )
        self.tip: list[tuple[int, float]] = []
        self.purges = 0
        self._kinds: list[list[Any]] = []

    def ok(self, op: str, **arguments: Any) -> dict[str, Any]:
        """A reply; Stopped when the device refuses."""
        reply = self.bench.ask(op, **arguments)
        if "ok" not in reply:
            raise Stopped(f"{op} {arguments}: {reply.get('err')}")
        return reply["ok"]

    @property
    def state(self) -> str:
        """By the device's own word."""
        return self.ok("status")["state"]

    def has(self, key: str) -> bool:
        """Whether there is such a setting."""
        return "ok" in self.bench.ask("get", key=key)

    def get(self, key: str) -> int:
        """A setting's value."""
        return int(self.ok("get", key=key)["value"])

    def change(self, key: str, value: int) -> None:
        """Over the link, confirmed on the device where it asks for that."""
        if self.get(key) == value:
            return
        if not self.ok("set", key=key, value=value)["applied"]:
            self.bench.run_for(50)
            self.hold("select", 1200)
        if self.get(key) != value:
            raise Stopped(f"{key} is not {value}")

    def hold(self, button: str, ms: float) -> None:
        """Press for `ms`, release, and let it come to rest."""
        self.bench.hold(button)
        self.bench.run_for(ms)
        self.bench.release(button)
        self.bench.run_for(60)

    def start(self, settings: dict[str, int]) -> tuple[float, float]:
        """Switch on and set; the lesion's depth and the planned one in mm."""
        bench = self.bench
        bench.power_on()
        bench.run_for(250)
        bench.run_until(lambda: self.state == "READY", 5000, 50)
        number = self.one.applicator
        rows = self.ok("describe", part="applicators")["rows"]
        row = next(row for row in rows if row[0] == number)
        low_um, high_um = int(row[2]), int(row[3])
        for key, value in settings.items():
            if self.has(key):
                self.change(key, value)
            elif value and key in NEEDED:
                raise Stopped(f"this device has no {key}")
        margin_um = self.get("margin_um") if self.has("margin_um") else 0
        # What the panel can set: tenths of a millimetre of lesion, within what the table reaches.
        low, high = -(-(low_um - margin_um) // 100), (high_um - margin_um) // 100
        depth_um = round(low + self.one.range_part * (high - low)) * 100
        self.change("applicator", number)
        self.change("depth_um", depth_um)
        return depth_um / 1000.0, (depth_um + margin_um) / 1000.0

    def arm(self) -> None:
        """READY to ARMED, by way of as many purges as it takes (eight at most)."""
        bench = self.bench
        bench.plant.set_line(bench.clock.now_ns, wall_c=self.one.line_c, tip_c=self.one.line_c)
        for _ in range(MOST_PURGES):
            if self.state == "READY":
                self.hold("arm", 1200)
            state = self.state
            if state == "PRECHILL":
                self._purge()
                state = self.state
            if state == "ARMED":
                return
            if state == "FAULT":  # no liquid in 10 s: read, and purge again
                self.hold("select", 80)
                bench.run_for(300)
        raise Stopped(f"not armed but {self.state} after {self.purges} purges")

    def _purge(self) -> None:
        bench = self.bench
        bench.plant.point(bench.clock.now_ns, at_skin=False)
        self.purges += 1
        closed = len(bench.valve_intervals())
        bench.hold("trigger")
        bench.run_until(lambda: len(bench.valve_intervals()) > closed, 12_000, 20)
        bench.run_for(300)
        bench.release("trigger")
        bench.run_for(400)
        bench.plant.point(bench.clock.now_ns, at_skin=True)

    def freeze(self) -> tuple[int, int]:
        """Aim, and hold TRIGGER until the valve closes; when the gate rose and fell, ns."""
        bench = self.bench
        bench.run_for(self.one.aim_s * 1000.0)
        for _ in range(MOST_PURGES):
            if self.state != "PRECHILL":
                break
            self._purge()
            bench.run_for(500)
        if self.state != "ARMED":
            raise Stopped(f"{self.state} instead of ARMED")
        plant = bench.plant
        plant.new_skin(bench.clock.now_ns, skin_of(self.one))
        closed = len(bench.valve_intervals())
        self.tip.clear()
        bench.hold("trigger")

        def over() -> bool:
            plant.advance(bench.clock.now_ns)
            self.tip.append((bench.clock.now_ns, plant.nozzle_c))
            return len(bench.valve_intervals()) > closed

        done = bench.run_until(over, 31_000, 50)
        bench.run_for(600)
        bench.release("trigger")
        bench.run_for(600)
        if not done:
            raise Stopped(f"the valve did not close; {self.state}")
        return bench.valve_intervals()[closed]

    def records(self) -> list[tuple[str, dict[str, int]]]:
        """The journal: (kind, its values), oldest first."""
        if not self._kinds:
            page: dict[str, Any] = {"next": 0}
            while page["next"] is not None:
                page = self.ok("describe", part="records", **{"from": page["next"]})
                self._kinds += page["rows"]
        names = {
            number: (name, [field[0] for field in fields]) for number, name, fields in self._kinds
        }
        out: list[tuple[str, dict[str, int]]] = []
        head = self.ok("hello")["log_head"]
        at = 1
        while at <= head:
            page = self.ok("log", **{"from": at, "max": 18})
            texts = page["records"]
            if not texts:
                break
            for text in texts:
                fields = _RECORD.unpack(base64.b64decode(text))
                name, keys = names.get(fields[2], ("", []))
                out.append((name, dict(zip(keys, fields[6:14], strict=False))))
            at += len(texts)
        return out


def with_device(one: Draw, strategy: str, settings: dict[str, int]) -> Outcome:
    """A whole treatment by the firmware."""
    operator = Operator(one, infrared=strategy in INFRARED)
    lesion_mm, plan_mm = operator.start(settings)
    operator.arm()
    begin_ns, end_ns = operator.freeze()
    bench = operator.bench
    spans = bench.plant.jet_between(begin_ns, end_ns + 400 * NS_PER_MS)
    seconds = (end_ns - begin_ns) * 1e-9
    exposed = touched(one, spans, operator.tip, begin_ns, end_ns)
    result = tissue_of(one, exposed, seconds + 0.4)
    reached_all_mm = None
    if strategy == "device":
        reached_all_mm = tissue_of(one, exposed, seconds + 0.4, as_drawn=True).deepest_m25_mm
    records = operator.records()
    estimate = next((v for name, v in reversed(records) if name == "estimate"), None)
    estimate_mm = spread_mm = None
    told_short = False
    if estimate is not None:
        estimate_mm = estimate["depth"] / 1000.0
        spread_mm = estimate["spread"] / 1000.0
        told_short = estimate["note"] == 1
    state = operator.state
    warned = state == "FAULT" or told_short
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
        estimate_mm=estimate_mm,
        estimate_spread_mm=spread_mm,
        purges=operator.purges,
        warned=warned,
        ended=state,
    )


def with_stopwatch(one: Draw, strategy: str, lesion_mm: float, plan_mm: float) -> Outcome:
    """A hand-held flask: the same line, opened by a lever for `STOPWATCH_S`, whatever the depth.

    Its line is as warm as this treatment's, or ("stopwatch, cold line") at liquid temperature.
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
"""For every bench of the campaign, besides."""
INFRARED = ("depth mode",)
"""With the infrared sensor fitted."""
NEEDED = ("skin_sensor", "depth_mode")
# Other settings that a device does not have are left out.
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
    """All strategies that are asked for, on one treatment; those in `done` are not repeated."""
    for name in strategies:
        if (one.number, name) in done:
            continue
        if name in STOPWATCHES:
            same = done.get((one.number, "device"))
            if same is None:
                continue
            outcome = with_stopwatch(one, name, same.lesion_mm, same.plan_mm)
        else:
            try:
                outcome = with_device(one, name, STRATEGIES[name])
            except Stopped as why:
                print(f"{one.number} {name}: {why}", file=sys.stderr)
                continue
        done[one.number, name] = outcome
        yield outcome


# -- what it comes to -----------------------------------------------------------------------------


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie. At least one value."""
    ordered = sorted(values)
    at = part * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def within(what: str, errors: Sequence[float], bar: float, note: str = "") -> Figure:
    """The part of `errors` that lies within ±`bar`; 95 % are asked."""
    asked = f"95 % within ±{100 * bar:g} %"
    if not errors:
        return failed(what, asked, note or "the device gave none")
    part = sum(abs(error) <= bar for error in errors) / len(errors)
    widest = quantile([abs(error) for error in errors], 0.95)
    measured = f"{100 * part:.0f} % (95 % within ±{100 * widest:.1f} %)"
    return Figure(what, asked, measured, f"{len(errors)} treatments", part >= 0.95, note, part)


def shown(what: str, errors: Sequence[float], note: str = "") -> Figure:
    """A row for comparison: median, and where 95 % lie."""
    if not errors:
        return Figure(what, "–", "not measured", "", None, note)
    size = [abs(error) for error in errors]
    measured = (
        f"median {100 * quantile(size, 0.5):.1f} %, 95 % within ±{100 * quantile(size, 0.95):.0f} %"
    )
    return Figure(what, "–", measured, f"{len(errors)} treatments", None, note)


_ESTIMATE = "What the device had recorded at the end of the freeze, against the tissue model then."
_DRAWN = (
    "Spot (5 %), conductivities, latent heat as drawn, too. Not asked; the device cannot know them."
)
_WARNED = (
    "Of the lesion, without the margin. A warning: a fault, or what the device says after a freeze "
    "whose estimate ended above the lesion's base."
)
_PROBES = "No infrared sensor sees the skin under a probe."
_INFRARED = "At the end of the depth-controlled freezes, which have the sensor. Sprays: " + (
    "no infrared sensor sees the skin under a probe."
)


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """The table."""

    def of(strategy: str, kind: int | None = None) -> list[Outcome]:
        return [
            one
            for one in outcomes
            if one.strategy == strategy and kind in (None, by_number(one.applicator).kind)
        ]

    device = of("device")
    errors = [one.error for one in device]
    rows: list[Figure] = []
    if errors:
        middle = 100 * quantile([abs(error) for error in errors], 0.5)
        rows.append(
            below(
                "depth reached against plan: median", middle, 5.0, "%", f"{len(errors)} treatments"
            )
        )
    else:
        rows.append(failed("depth reached against plan: median", "≤ 5 %", "no treatment"))
    rows.append(within("depth reached against plan", errors, 0.15))
    short = [one for one in device if one.short_mm > SHORT_BAR_MM and not one.warned]
    rows += [
        shown("  sprays", [one.error for one in of("device", SPRAY)]),
        shown("  probes", [one.error for one in of("device", PROBE)]),
        shown(
            "  with spot and skin as drawn",
            [error for one in device if (error := one.error_all) is not None],
            _DRAWN,
        ),
        shown("the same without purge", [one.error for one in of("no purge")]),
        shown(f"stopwatch, {STOPWATCH_S:g} s", [one.error for one in of("stopwatch")]),
        shown(
            f"stopwatch, {STOPWATCH_S:g} s, line already cold",
            [one.error for one in of("stopwatch, cold line")],
        ),
        Figure(
            f"short of the lesion's base by more than {SHORT_BAR_MM} mm, without a warning",
            "0",
            str(len(short)),
            f"{len(device)} treatments",
            not short and bool(device),
            _WARNED,
            float(len(short)),
        ),
    ]
    for name in ("no purge", *STOPWATCHES):
        some = of(name)
        silent = sum(one.short_mm > SHORT_BAR_MM and not one.warned for one in some)
        rows.append(Figure(f"  {name}", "–", str(silent), f"{len(some)} treatments", None))

    def estimates(some: Sequence[Outcome]) -> list[float]:
        return [error for one in some if (error := one.estimate_error) is not None]

    rows += [
        within("live estimate at the end of the freeze", estimates(device), 0.12, _ESTIMATE),
        within("live estimate, infrared sensor fitted", estimates(of("depth mode", SPRAY)), 0.08,
               _INFRARED),
        replace(
            within("  all seven applicators", estimates(of("depth mode")), 0.08),
            asked="–",
            met=None,
        ),
        within("depth-controlled, against its target", [o.error for o in of("depth mode", SPRAY)],
               0.08, _PROBES),
        replace(
            within("  all seven applicators", [one.error for one in of("depth mode")], 0.08),
            asked="–",
            met=None,
        ),
        shown("  probes", [one.error for one in of("depth mode", PROBE)], _PROBES),
    ]  # fmt: skip
    return rows


LINE_BINS_C = ((-120.0, -80.0), (-80.0, -40.0), (-40.0, 0.0), (0.0, 35.0))


def purge_table(outcomes: Sequence[Outcome]) -> str:
    """What the purge buys: medians of reached over planned, by the line's temperature."""
    lines = [
        "| line before | treatments | of plan, purged | not purged | purges: median, most |\n",
        "|---|---|---|---|---|\n",
    ]
    for low, high in LINE_BINS_C:
        by = {
            name: [o for o in outcomes if o.strategy == name and low <= o.line_c < high]
            for name in ("device", "no purge")
        }
        if not by["device"] or not by["no purge"]:
            continue
        reached = [
            f"{100 * (1 + quantile([o.error for o in by[name]], 0.5)):.0f} % "
            f"(worst {100 * (1 + min(o.error for o in by[name])):.0f} %)"
            for name in ("device", "no purge")
        ]
        purges = [float(o.purges) for o in by["device"]]
        name = f"{low:.0f}…{high:.0f} °C".replace("-", "−")
        lines.append(
            f"| {name} | {len(purges)} | {reached[0]} | {reached[1]} | "
            f"{quantile(purges, 0.5):.0f}, {max(purges):.0f} |\n"
        )
    return "".join(lines)


def applicator_table(outcomes: Sequence[Outcome]) -> str:
    """The device's rows by applicator."""
    lines = [
        "| applicator | treatments | median error | 95 % within | bias | purges: median, most |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for applicator in APPLICATORS:
        some = [o for o in outcomes if o.strategy == "device" and o.applicator == applicator.number]
        if not some:
            continue
        size = [abs(o.error) for o in some]
        bias = quantile([o.error for o in some], 0.5)
        purges = [float(o.purges) for o in some]
        lines.append(
            f"| {' '.join(applicator.name.split())} | {len(some)} "
            f"| {100 * quantile(size, 0.5):.1f} % | ±{100 * quantile(size, 0.95):.1f} % "
            f"| {100 * bias:+.1f} % | {quantile(purges, 0.5):.0f}, {max(purges):.0f} |\n".replace(
                "-", "−"
            )
        )
    return "".join(lines)


_PAGE = """\
# What the device reaches

Written by `make campaign`; do not edit. Computed on {date}, seed {seed}, dose tables version
{version}. **Everything is simulated: firmware on the fast bench, plant, skin. Nothing was
measured.**

{count} random treatments, each by the whole firmware from power-on: settings confirmed on the
device, ARM, purge as often as the device asks for it, aim, TRIGGER until the valve closes. Drawn:
applicator (seven), planned depth over the range that its table reaches, dewar pressure {mbar} mbar,
line {line} °C when arming, skin {skin} °C, perfusion {perfusion} /s, {aim} s of aiming, and the
coefficient: after calibration it scatters by {sigma:.0f} % (one standard deviation; assumed: a
distance of 15 mm kept to 1.5 mm moves what arrives on a spot by 20 %, and the coefficient with its
root). The margin is {margin} mm, as in most profiles; error is depth of −25 °C reached over lesion
plus margin, less 1. A probe touches the skin from the moment the valve opens, at the temperature of
the nozzle's tip.

{table}
![Errors of each way to freeze](campaign.png)

## By applicator

{applicators}
## What the purge buys

{purges}
Without a purge the device itself stops a freeze whose nozzle stays warm (fault NO COLD), which
counts here as what was reached by then.
"""

# -- the picture ----------------------------------------------------------------------------------

_ROWS = (
    ("device", "device, purged", "#0b4f7d"),
    ("depth mode", "depth-controlled", "#1f78b4"),
    ("no purge", "device, no purge", "#12a5bd"),
    ("stopwatch, cold line", "stopwatch 15 s, cold line", "#e8a33d"),
    ("stopwatch", "stopwatch 15 s, line as it is", "#c8382f"),
)


def plot(outcomes: Sequence[Outcome], path: Path) -> None:
    """Every treatment a dot, by strategy; the middle and 95 % of each."""
    from importlib import import_module

    import matplotlib as mpl

    validate: Any = import_module("hw_sim.validate")  # its style
    rows = [
        (label, colour, [100 * o.error for o in outcomes if o.strategy == name])
        for name, label, colour in _ROWS
    ]
    rows = [row for row in rows if row[2]]
    with mpl.rc_context(validate.STYLE):
        sheet = validate.canvas(900, 90 + 62 * len(rows))
        axes = sheet.add_axes((0.225, 0.16, 0.76, 0.72))
        axes.axvspan(-15, 15, color="#eef5f0", zorder=0)
        axes.axvline(0, color="#a9b4bf", lw=1)
        jitter = random.Random(1)
        for i, (_label, colour, errors) in enumerate(rows):
            ys = [i + jitter.uniform(-0.26, 0.26) for _ in errors]
            axes.plot(errors, ys, "o", ms=2.6, color=colour, alpha=0.45, mew=0)
            low, middle, high = (quantile(errors, part) for part in (0.025, 0.5, 0.975))
            axes.plot([low, high], [i, i], color="#16202b", lw=1.4)
            axes.plot([middle], [i], "|", ms=16, mew=2.4, color="#16202b")
        axes.set_yticks(range(len(rows)), [row[0] for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-104, 40)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("depth of −25 °C, per cent off the plan; bar: 95 % of them; green: ±15 %")
        validate.title(axes, "Off the planned depth")
        validate.save(sheet, path)


# -- all of it ------------------------------------------------------------------------------------


def page(outcomes: Sequence[Outcome], seed: int) -> tuple[str, list[Figure]]:
    """docs/campaign.md, and its bars."""
    table = figures(outcomes)

    def span(pair: tuple[float, float], digits: int = 0) -> str:
        return "…".join(f"{x:.{digits}f}" for x in pair).replace("-", "−")

    text = _PAGE.format(
        date=datetime.now(UTC).date(),
        seed=seed,
        version=tables.VERSION,
        count=len({one.number for one in outcomes}),
        mbar=span(MBAR),
        line=span(LINE_C),
        skin=span(SKIN_C),
        perfusion=span(PERFUSION, 3),
        aim=span(AIM_S, 1),
        sigma=100 * H_SIGMA,
        margin=MARGIN_UM / 1000,
        table=markdown(table),
        applicators=applicator_table(outcomes),
        purges=purge_table(outcomes),
    )
    return text, table


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.campaign", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="+", choices=[*STRATEGIES, *STOPWATCHES])
    parser.add_argument("--resume", action="store_true", help="go on where the last run ended")
    parser.add_argument("--lines", type=Path, default=LINES, help="one outcome a line")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="where the page goes")
    args = parser.parse_args(argv)
    done: dict[tuple[int, str], Outcome] = {}
    args.lines.parent.mkdir(parents=True, exist_ok=True)
    if args.resume and args.lines.exists():
        for text in args.lines.read_text(encoding="utf-8").splitlines():
            outcome = Outcome(**json.loads(text))
            done[outcome.number, outcome.strategy] = outcome
    began_s = time.perf_counter()
    with args.lines.open("a" if args.resume else "w", encoding="utf-8") as lines:
        for number in range(args.count):
            one = draw(args.seed, number)
            for outcome in treat_one(one, args.only or [*STRATEGIES, *STOPWATCHES], done):
                lines.write(json.dumps(asdict(outcome)) + "\n")
                lines.flush()
            if number % 20 == 19:
                print(f"{number + 1}: {time.perf_counter() - began_s:.0f} s", file=sys.stderr)
    outcomes = list(done.values())
    text, table = page(outcomes, args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "campaign.md").write_text(text, encoding="utf-8")
    plot(outcomes, args.folder / "campaign.png")
    for row in table:
        print(f"{row.what}: {row.measured}" + ("" if row.met is not False else "  MISSED"))
    return 1 if missed(table) else 0


if __name__ == "__main__":
    sys.exit(main())
