"""The command `make campaign-layered`: the device against the second truth.

`python -m hw_sim.dose.layered_campaign` runs the treatments of `layered_trials`, keeps them in
build/layered.jsonl, and writes docs/dose-second-truth.md. `--resume` goes on with what is kept, if
it is of this seed and these sources. Exit code: 0 all limits met, 1 a limit missed.

May import NumPy, `hw_sim.figure_table` and its sibling modules.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hw_sim.dose import outcome_file, population, properties, tables
from hw_sim.dose.applicators import APPLICATORS, SPRAY, by_number
from hw_sim.dose.campaign_page import SHORT_BAR_MM, quantile
from hw_sim.dose.layered_trials import (
    FALL_C,
    HALO_MM,
    HALO_MORE_S,
    LINES,
    ROOT,
    SEED,
    STOPWATCH_S,
    THAW_C,
    Outcome,
    lesion_part_reached,
    line_of,
    of_line,
    run,
)
from hw_sim.dose.witness import TABLE, fall_table, thaw_table
from hw_sim.figure_table import Figure, markdown, missed

COUNT = 336
SOURCES = (
    "firmware/cryo/applicators.py", "firmware/cryo/dose.py", "firmware/cryo/estimate.py",
    "hw_sim/dose/applicators.py", "hw_sim/dose/jet.py", "hw_sim/dose/layered.py",
    "hw_sim/dose/layered_trials.py", "hw_sim/dose/population.py", "hw_sim/dose/properties.py",
)  # fmt: skip
SECONDS_BAR, DEPTH_BAR = 0.20, 0.12
COVERAGE = ((1.0, 0.68, 0.04), (1.96, 0.95, 0.02))
NAMES = {
    "seconds": "device, seconds",
    "depth mode": "device, depth mode (sprays: infrared)",
    "stopwatch": f"stopwatch, {STOPWATCH_S:g} s",
    "halo": f"ice field {HALO_MM:g} mm beyond the lesion, then {HALO_MORE_S:g} s",
    "all-knowing": "all-knowing, within 10…30 s",
}


def key(seed: int) -> str:
    """Hash over the seed and every source of an outcome."""
    return outcome_file.key_of(seed, ROOT, SOURCES)


def kept(path: Path, seed: int) -> list[Outcome]:
    """The outcomes of a file, if they are of this seed and these sources; else none."""
    return outcome_file.kept(path, key(seed), of_line)


# -- the figures ----------------------------------------------------------------------------------


def error(one: Outcome, strategy: str) -> float:
    """Depth reached against the plan."""
    return one.ends[strategy].reached_mm / one.plan_mm - 1.0


def short(one: Outcome, strategy: str) -> bool:
    """More than 0.3 mm short of the lesion's base."""
    return one.lesion_mm - one.ends[strategy].reached_mm > SHORT_BAR_MM


def silent(one: Outcome, strategy: str) -> bool:
    """The same, and nothing was said."""
    return short(one, strategy) and not one.ends[strategy].warned


def told_errors(outcomes: Sequence[Outcome]) -> list[float]:
    """Errors of seconds mode by tables that are right on average for each applicator and keratin
    class: each treatment against the mean of the others of its kind."""
    groups: dict[tuple[int, str], list[float]] = {}
    for one in outcomes:
        ratio = one.ends["seconds"].reached_mm / one.plan_mm
        groups.setdefault((one.applicator, one.keratin), []).append(ratio)
    errors: list[float] = []
    for ratios in groups.values():
        total, n = sum(ratios), len(ratios)
        if n > 2:
            errors += [ratio / ((total - ratio) / (n - 1)) - 1.0 for ratio in ratios]
    return errors


def coverage(outcomes: Sequence[Outcome], strategy: str, sigmas: float) -> float:
    """The part of estimates whose truth lies within so many stated spreads."""
    inside = [
        abs(one.estimate_mm[strategy][0] - one.at_end_mm[strategy])
        <= sigmas * one.estimate_mm[strategy][1]
        for one in outcomes
    ]
    return sum(inside) / len(inside)


def _spread_of(errors: Sequence[float]) -> str:
    if not errors:
        return "not measured"
    return (
        f"median {100 * quantile(errors, 0.5):+.0f} %, 95 % within "
        f"±{100 * quantile([abs(e) for e in errors], 0.95):.0f} %"
    ).replace("-", "−")


def _asked(errors: Sequence[float], bar: float) -> bool:
    return quantile([abs(e) for e in errors], 0.95) <= bar


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """The figures that issue and page ask for."""
    sprays = [one for one in outcomes if by_number(one.applicator).kind == SPRAY]
    over = f"{len(outcomes)} treatments"
    over_sprays = f"{len(sprays)} sprays"
    rows: list[Figure] = []
    for strategy in ("seconds", "depth mode"):
        n = sum(silent(one, strategy) for one in outcomes)
        rows.append(
            Figure(f"silent shortfalls: {NAMES[strategy]}", "0", str(n), over, n == 0,
                   "More than 0.3 mm short of the lesion's base, and neither TOO SHALLOW nor "
                   "TOO SHALLOW?.", float(n))
        )  # fmt: skip
    probes = [one for one in outcomes if one not in sprays]
    for kind, group in (("sprays", sprays), ("probes", probes)):
        ends = [one.ends["seconds"] for one in group]
        unsure = sum(end.unsure for end in ends)
        loud = sum(end.warned for end in ends) - unsure
        needed = sum(short(one, "seconds") for one in group)
        rows.append(
            Figure(f"  warned, seconds: {kind}", "–",
                   f"{loud} TOO SHALLOW, {unsure} TOO SHALLOW?; {needed} are short",
                   f"{len(group)} {kind}", None)
        )  # fmt: skip
    for strategy, group, where, bar in (
        ("seconds", outcomes, over, SECONDS_BAR),
        ("depth mode", sprays, over_sprays, DEPTH_BAR),
    ):
        errors = [error(one, strategy) for one in group]
        rows.append(
            Figure(f"reached against plan: {NAMES[strategy]}", f"95 % within ±{100 * bar:g} %",
                   _spread_of(errors), where, _asked(errors, bar))
        )  # fmt: skip
    told = told_errors(outcomes)
    rows.append(
        Figure("  the same seconds by tables right on average [1]", "–", _spread_of(told),
               f"{len(told)} treatments", None)
    )  # fmt: skip
    known = [error(one, "all-knowing") for one in outcomes]
    rows.append(Figure("  all-knowing [2]", "–", _spread_of(known), over, None))
    for strategy, group, where in (
        ("seconds", outcomes, over),
        ("depth mode", sprays, over_sprays),
    ):
        for sigmas, asked, band in COVERAGE:
            part = coverage(group, strategy, sigmas)
            rows.append(
                Figure(f"truth within {sigmas:g} stated spreads: {NAMES[strategy]}",
                       f"{100 * asked:.0f} ± {100 * band:.0f} %", f"{100 * part:.0f} %", where,
                       abs(part - asked) <= band, "", part)
            )  # fmt: skip
    return rows


def strategy_table(outcomes: Sequence[Outcome]) -> str:
    """Each way to end a freeze, beside each other."""
    lines = [
        "| ended by | seconds, median | reached / plan, median | 95 % within | short > 0.3 mm "
        "| of these silent | deeper than plan by > 25 % |\n|---|---|---|---|---|---|---|\n"
    ]
    n = len(outcomes)
    for strategy, name in NAMES.items():
        errors = [error(one, strategy) for one in outcomes]
        seconds = quantile([one.ends[strategy].seconds for one in outcomes], 0.5)
        counts = [
            sum(short(one, strategy) for one in outcomes),
            sum(silent(one, strategy) for one in outcomes),
            sum(e > 0.25 for e in errors),
        ]
        lines.append(
            f"| {name} | {seconds:.0f} | {100 * (1.0 + quantile(errors, 0.5)):.0f} % "
            f"| ±{100 * quantile([abs(e) for e in errors], 0.95):.0f} % "
            f"| {counts[0]} of {n} | {counts[1]} | {counts[2]} |\n"
        )
    return "".join(lines)


def _groups(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    sprays = [one for one in outcomes if by_number(one.applicator).kind == SPRAY]
    groups: list[tuple[str, list[Outcome]]] = [
        (
            f"keratin {name}, {low:g}…{high:g} mm" if high else f"keratin {name}",
            [one for one in outcomes if one.keratin == name],
        )
        for name, low, high in population.KERATIN
    ]
    for text, group, feature, edge in (
        ("sprays, film below 600 W/m²K; sprays, film from 600 W/m²K", sprays, "film_w_m2k", 600.0),
        ("sprays, rim to 1 mm; sprays, rim from 1 mm", sprays, "rim_mm", 1.0),
        ("fat from 1…2.5 mm; fat from 2.5…5 mm", list(outcomes), "fat_from_mm", 2.5),
    ):
        below, _, above = text.partition("; ")
        low = [one for one in group if getattr(one, feature) < edge]
        groups += [(below, low), (above, [one for one in group if one not in low])]
    for a in APPLICATORS:
        mine = [one for one in outcomes if one.applicator == a.number]
        groups.append((" ".join(a.name.split()), mine))
    return groups


def group_table(outcomes: Sequence[Outcome]) -> str:
    """Seconds mode by what the device is not told."""
    lines = [
        "| | treatments | reached / plan, median | middle 90 % | short > 0.3 mm "
        "| base reached over the whole lesion |\n|---|---|---|---|---|---|\n"
    ]
    for name, mine in _groups(outcomes):
        if not mine:
            continue
        ratios = [1.0 + error(one, "seconds") for one in mine]
        whole = sum(lesion_part_reached(one) >= 1.0 for one in mine)
        lines.append(
            f"| {name} | {len(mine)} | {100 * quantile(ratios, 0.5):.0f} % "
            f"| {100 * quantile(ratios, 0.05):.0f}…{100 * quantile(ratios, 0.95):.0f} % "
            f"| {sum(short(one, 'seconds') for one in mine)} | {whole} |\n"
        )
    return "".join(lines)


def fall_rows(data: dict[str, Any]) -> str:
    """When the sensor reads -5 and -20 C, by applicator; from witness.json or these outcomes."""
    lines = [
        "| spray | falls | reads −5 °C: least, median, 99 %, most, s | reads −20 °C "
        "| never −5 °C in 10 s |\n|---|---|---|---|---|\n"
    ]
    columns = data["celsius"]
    for row in data["fall"].values():
        cells: list[str] = []
        for c in (-5.0, -20.0):
            i = columns.index(c)
            values = [row["read_s"][q][i] for q in ("0", "0.5", "0.99", "1")]
            cells.append(", ".join("> 10" if v is None else f"{v:g}" for v in values))
        never = 100 * row["never"][columns.index(-5.0)]
        lines.append(
            f"| {' '.join(row['name'].split())} | {row['count']} | {cells[0]} | {cells[1]} "
            f"| {never:.1f} % |\n"
        )
    return "".join(lines)


def thaw_rows(data: dict[str, Any]) -> str:
    """How well the thaw tells the depth."""
    lines = [
        "| thaw to | treatments | depth goes with thaw to the power | one σ: seconds alone "
        "| with the thaw | 95 % within | still colder after 150 s |\n"
        "|---|---|---|---|---|---|---|\n"
    ]
    for c in THAW_C:
        row = data["thaw"].get(f"{c:g}")
        if row is None:
            continue
        text = (
            f"| {c:g} °C | {row['count']} | {row['b']:.2f} "
            f"| {100 * row['sigma_without']:.0f} % | {100 * row['sigma']:.0f} % "
            f"| ±{100 * math.expm1(row['p95']):.0f} % | {row['longer']} |\n"
        )
        lines.append(text.replace("| -", "| −"))
    return "".join(lines)


def property_rows() -> str:
    """Every range with its source."""
    lines = ["| property | from | to | | source |\n|---|---|---|---|---|\n"]
    for one in properties.RANGES:
        low, high = (f"{v:g}".replace("-", "−") for v in (one.low, one.high))
        lines.append(f"| {one.what} | {low} | {high} | {one.unit} | {one.source} |\n")
    return "".join(lines)


_PAGE = """\
# The device against a second truth

Written by `make campaign-layered`; do not edit. Computed on {date}, seed {seed}, tables
version {version}. **Everything is simulated. Nothing was measured on skin, nor with a jet.**

The campaign of [campaign.md](campaign.md) draws its skin from the model that made the device's
tables: it shows what the device adds in errors, not whether the model is right. Here the skin is
another one: layers, keratin, fat, scar, boiling, a rim, a wandering hand, sputter, supercooling,
closed vessels (`hw_sim/dose/layered.py`, `properties.py`, `jet.py`, `population.py`), solved by
another method. On even tissue with one coefficient both solvers agree within 0.3 % from 10 s on
([validation.md](validation.md)), so what differs below is the world, not the arithmetic.

{count} random treatments ({cells} for each applicator and keratin class), with the shipped tables,
uncalibrated, as the device uses them; its estimate is the firmware's own, fed with a cold nozzle,
the dewar's pressure and the reading of the infrared sensor (sprays, depth mode). Drawn: keratin
none, thin (0.1…0.5 mm) or thick (0.5…1.5 mm), dry to moist; fat from 1…5 mm; film boiling from
{film} W/m²K, wetted {h} W/m²K ± 25 % (a probe's contact likewise about its own); rim 0…2 mm;
distance ± 3 mm and a wandering hand; liquid 60…100 % of the time; skin 30…36 °C; 350…850 mbar.
Depth counts from the surface, through the keratin. Not in it: purge and line (the nozzle is cold).

{table}
No shortfall is silent because hardly any spray is without a warning: of a spray that nobody has
calibrated nobody knows whether it reaches. What tells more is a calibration, the surface's fall,
and the thaw (below), which the device does not measure yet.

[1] Each treatment against the mean of the others with the same applicator and keratin class: what
is left when only the bias of the tables is mended, by class.

[2] Ends when the depth is the plan's, but within the device's 10…30 s: what remains of its error
lies outside what these seconds can reach.

## Ways to end a freeze

{strategies}
The ice field counts from what is seen on the surface; a freeze that has not reached it by 30 s ends
there. Neither stopwatch nor ice field knows of a depth, nor warns.

## By what the device is not told

Seconds mode. The last column: treatments in which the lesion's base is at −25 °C over the lesion's
whole diameter (half to nine tenths of the spot's) when the valve closes.

{groups}
## The fall of the surface as a witness

When the infrared sensor reads −5 and −20 °C, in seconds from the valve's opening. None of the skins
and jets drawn lies outside least and most; a jet that misses the skin never falls. All quantiles,
and those of the skin itself: `hw_sim/dose/witness.json`.

{falls}
## The thaw tells the depth

Deepest −25 °C from the time between closing and the surface's return to a temperature, by one law
for each applicator (`witness.json`), beside what applicator and seconds alone tell.

{thaw}
## Properties

{properties}
"""


def page(outcomes: Sequence[Outcome], seed: int, data: dict[str, Any]) -> str:
    """The text of docs/dose-second-truth.md."""
    cells = len(APPLICATORS) * len(population.KERATIN)
    return _PAGE.format(
        date=datetime.now(UTC).date(),
        seed=seed,
        version=tables.VERSION,
        count=len(outcomes),
        cells=f"{len(outcomes) // cells}",
        film="…".join(f"{v:.0f}" for v in population.FILM),
        h="3000",
        table=markdown(figures(outcomes)),
        strategies=strategy_table(outcomes),
        groups=group_table(outcomes),
        falls=fall_rows(data),
        thaw=thaw_rows(data),
        properties=property_rows().rstrip("\n"),
    )


def witness_data(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The shipped witness.json, or the same from these outcomes alone."""
    if TABLE.exists():
        return json.loads(TABLE.read_text(encoding="utf-8"))
    rows = [{"applicator": o.applicator, "fall_s": o.fall_s, "read_s": o.read_s} for o in outcomes]
    return {
        "celsius": list(FALL_C),
        "fall": fall_table(rows),
        "thaw": thaw_table(outcomes),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m hw_sim.dose.layered_campaign", description=__doc__
    )
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--resume", action="store_true", help="continue with what is kept")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel processes")
    parser.add_argument("--lines", type=Path, default=LINES, help="file of outcomes")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="folder of the page")
    args = parser.parse_args(argv)
    if args.count < 1 or args.jobs < 1:
        parser.error("--count and --jobs must be at least 1")
    args.lines.parent.mkdir(parents=True, exist_ok=True)
    outcomes = kept(args.lines, args.seed) if args.resume else []
    done = {one.number for one in outcomes}
    began_s = time.perf_counter()
    with args.lines.open("w", encoding="utf-8") as lines:
        outcome_file.begin(lines, key(args.seed), args.seed, map(line_of, outcomes))
        numbers = [n for n in range(args.count) if n not in done]
        for at, one in enumerate(run(args.seed, numbers, args.jobs)):
            outcomes.append(one)
            lines.write(line_of(one) + "\n")
            lines.flush()
            if at % 20 == 19:
                elapsed_s = time.perf_counter() - began_s
                print(f"{at + 1} treatments: {elapsed_s:.0f} s", file=sys.stderr)
    outcomes = sorted((o for o in outcomes if o.number < args.count), key=lambda o: o.number)
    args.folder.mkdir(parents=True, exist_ok=True)
    text = page(outcomes, args.seed, witness_data(outcomes))
    (args.folder / "dose-second-truth.md").write_text(text, encoding="utf-8")
    table = figures(outcomes)
    for row in table:
        print(f"{row.what}: {row.measured}" + ("" if row.met is not False else "  MISSED"))
    return 1 if missed(table) else 0


if __name__ == "__main__":
    sys.exit(main())
