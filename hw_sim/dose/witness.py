"""What any skin and jet of the second truth can show: the surface's fall, and the thaw over depth.

`python -m hw_sim.dose.witness` follows more random falls (`population`), joins them with the
treatments of `layered_campaign` (build/layered.jsonl) and writes `witness.json` beside this file:
data for a check 'is the jet on the skin?', and for a depth told by the thaw. What each key means
stands in the file itself (`what`). `python -m hw_sim.dose.witness --jobs 2` takes some minutes.

May import NumPy and its sibling modules. Computed, not measured.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hw_sim.dose.applicators import APPLICATORS, SPRAY, by_number
from hw_sim.dose.layered import Run
from hw_sim.dose.layered_trials import (
    FALL_C,
    FALL_WITHIN_S,
    FINENESS,
    LINES,
    THAW_C,
    Outcome,
    falls,
    of_line,
    pressure_power,
    read_falls,
)
from hw_sim.dose.population import ONSET_S, Draw, draw
from hw_sim.dose.properties import Floats

TABLE = Path(__file__).with_name("witness.json")
FALL_LINES = LINES.with_name("falls.jsonl")
SEED = 20261128
COUNT = 480
QUANTILES = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)
SPRAYS = tuple(a for a in APPLICATORS if a.kind == SPRAY)

WHAT = {
    "what": "The second truth's surface under a spray, and its thaw: computed by "
    "python -m hw_sim.dose.witness over random skins and jets (hw_sim/dose/population.py). "
    "Nothing here was measured.",
    "celsius": "Temperatures of the columns, C.",
    "fall": "By applicator's number, sprays only; skin of 30-36 C, line cold.",
    "skin_s": "Seconds from the liquid's arrival until the skin in the sensor's field (mean over "
    "2 mm radius) is at each of `celsius`, by quantile over the population. null: not "
    "within 10 s (counted as longer than any).",
    "read_s": "Seconds from the valve's opening until the infrared sensor (filter of 0.65 s, a "
    "value each 0.1 s) reads it; jet on the skin 0.1 s after the gate.",
    "rate_k_s": "Fall of the reading from 15 C to -5 C, K/s, by quantile; at 0.1 s a value it is "
    "never above 200.",
    "never": "Part of the population that is not at each of `celsius` within 10 s.",
    "thaw": "By temperature C of the surface on its way up: ln(depth/mm) = a[number] + b "
    "ln(seconds of thaw) + c ln(seconds of freeze); depth: deepest -25 C of the freeze; "
    "thaw: from closing. sigma: standard deviation of the residue; p95: 95 % of |residue|. "
    "sigma_without: the same without the thaw (applicator and seconds alone). count: "
    "treatments used; those still colder after 150 s are left out, and counted in `longer`; "
    "freezes that never reached -25 C in `none`.",
}


def _fall(number: int) -> dict[str, Any]:
    return fall_of(draw(SEED, number, SPRAYS))


def fall_of(one: Draw) -> dict[str, Any]:
    """One fall: as an outcome's `fall_s` and `read_s`."""
    run = Run(one.stack, one.jet, skin_c=one.skin_c, ice_at_c=one.ice_at_c, fineness=FINENESS)
    for row in one.touches(FALL_WITHIN_S + 2.0, pressure_power(one.applicator)):
        run.go(min(row.time_s, FALL_WITHIN_S + ONSET_S))
        if row.time_s >= FALL_WITHIN_S + ONSET_S or run.history().seen_c[-1] < FALL_C[-1] - 20.0:
            break
        run.touch(row.strength, row.spread, row.fluid_c)
    history = run.history()
    return {
        "applicator": one.applicator,
        "fall_s": falls(history, one),
        "read_s": read_falls(history, one),
    }


def more_falls(count: int, jobs: int) -> list[dict[str, Any]]:
    """Falls of `count` further draws, sprays and keratin classes in turn."""
    if jobs == 1:
        return [_fall(number) for number in range(count)]
    with multiprocessing.get_context("spawn").Pool(jobs, os.nice, (10,)) as pool:
        return pool.map(_fall, range(count), chunksize=8)


def _columns(rows: Sequence[Sequence[float | None]]) -> Floats:
    return np.array([[math.inf if x is None else x for x in row] for row in rows])


def _quantile(values: Floats, part: float) -> float | None:
    """The next value up or down for the ends' sake; None for infinite."""
    ordered = np.sort(values)
    at = part * (len(ordered) - 1)
    value = float(ordered[math.ceil(at) if part > 0.5 else math.floor(at)])
    return round(value, 3) if math.isfinite(value) else None


def fall_table(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Quantiles of the fall by applicator."""
    table: dict[str, Any] = {}
    rate_of = (FALL_C.index(15.0), FALL_C.index(-5.0))
    for applicator in SPRAYS:
        mine = [row for row in rows if row["applicator"] == applicator.number]
        if not mine:
            continue
        skin, read = (_columns([row[key] for row in mine]) for key in ("fall_s", "read_s"))
        took = np.maximum(0.1, read[:, rate_of[1]] - read[:, rate_of[0]])
        took = np.where(np.isfinite(took), took, math.inf)
        table[str(applicator.number)] = {
            "name": applicator.name,
            "count": len(mine),
            "skin_s": {f"{q:g}": [_quantile(c, q) for c in skin.T] for q in QUANTILES},
            "read_s": {f"{q:g}": [_quantile(c, q) for c in read.T] for q in QUANTILES},
            "rate_k_s": {f"{q:g}": _quantile(20.0 / took, q) for q in QUANTILES},
            "never": [round(float(np.isinf(c).mean()), 4) for c in skin.T],
        }
    return table


def thaw_table(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Depth over thaw time, by temperature; see `WHAT`."""
    table: dict[str, Any] = {}
    for column, celsius in enumerate(THAW_C):
        told = [
            (o.applicator, o.ends["seconds"].seconds, thaw, o.ends["seconds"].reached_mm)
            for o in outcomes
            if (thaw := o.thaw_s[column]) is not None and o.ends["seconds"].reached_mm > 0.1
        ]
        none = sum(o.ends["seconds"].reached_mm <= 0.1 for o in outcomes)
        numbers = sorted({one[0] for one in told})
        if len(told) < 4 * len(numbers) + 4:
            continue
        x = np.zeros((len(told), len(numbers) + 2))
        for i, (number, seconds, thaw, _) in enumerate(told):
            x[i, numbers.index(number)] = 1.0
            x[i, -2:] = math.log(max(0.1, thaw)), math.log(seconds)
        y = np.log([one[3] for one in told])
        keep = [i for i in range(x.shape[1]) if i != len(numbers)]
        fit, off = _fit(x, y)
        _, without = _fit(x[:, keep], y)
        table[f"{celsius:g}"] = {
            "a": {str(n): round(float(fit[i]), 4) for i, n in enumerate(numbers)},
            "b": round(float(fit[-2]), 4),
            "c": round(float(fit[-1]), 4),
            "sigma": round(float(off.std(ddof=x.shape[1])), 4),
            "p95": round(float(np.quantile(np.abs(off), 0.95)), 4),
            "sigma_without": round(float(without.std(ddof=len(keep))), 4),
            "thaw_s": [round(float(q), 1) for q in np.quantile([o[2] for o in told], (0, 0.5, 1))],
            "count": len(told),
            "longer": len(outcomes) - none - len(told),
            "none": none,
        }
    return table


def _fit(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Least squares: (coefficients, residues)."""
    fit: Floats = np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float64)
    return fit, y - x @ fit


def table(outcomes: Sequence[Outcome], more: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of witness.json."""
    rows = [
        {"applicator": o.applicator, "fall_s": o.fall_s, "read_s": o.read_s}
        for o in outcomes
        if by_number(o.applicator).kind == SPRAY
    ]
    return {
        "what": WHAT,
        "treatments": len(outcomes),
        "further falls": len(more),
        "celsius": list(FALL_C),
        "fall": fall_table([*rows, *more]),
        "thaw": thaw_table(outcomes),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.witness", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="further falls")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lines", type=Path, default=LINES, help="of layered_campaign")
    parser.add_argument("--falls", type=Path, default=FALL_LINES, help="kept from an earlier run")
    parser.add_argument("--write", type=Path, default=TABLE)
    args = parser.parse_args(argv)
    if not args.lines.exists():
        print(f"No {args.lines}. To make it: make campaign-layered", file=sys.stderr)
        return 1
    outcomes = [of_line(text) for text in args.lines.read_text(encoding="utf-8").splitlines()[1:]]
    if args.falls.exists():
        more = [json.loads(text) for text in args.falls.read_text(encoding="utf-8").splitlines()]
    else:
        more = more_falls(args.count, args.jobs)
        args.falls.write_text("".join(json.dumps(row) + "\n" for row in more), encoding="utf-8")
    args.write.write_text(json.dumps(table(outcomes, more), indent=1) + "\n", encoding="utf-8")
    print(f"written: {args.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
