"""What the device may say of a depth, fitted on the second truth: the centre, its spread, the laws
of the surface's fall and of its thaw.

`python -m hw_sim.dose.depth_laws --jobs 2` follows random freezes (`population`, a seed of its own:
the campaign's treatments are others), each with its gel: the same jet on a phantom, to which one
coefficient is fitted as `cryo calibrate` does. It keeps them in build/depth_laws.jsonl and writes
`depth_laws.json` beside this file; `tables` writes the firmware's columns from it. What each key
means stands in the file (`what`); then `make tables`. Some 25 minutes on two processors.

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
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hw_sim.dose import outcome_file, properties
from hw_sim.dose.applicators import APPLICATORS, SPRAY, by_number
from hw_sim.dose.jet import Touch, touches
from hw_sim.dose.layered import History, Run, play, stack
from hw_sim.dose.layered_trials import (
    FALL_C,
    FINENESS,
    LINES,
    MOST_S,
    NOZZLE_C_X100,
    ROOT,
    THAW_C,
    device,
    pressure_power,
    read_falls,
    read_thaw,
)
from hw_sim.dose.population import Draw, draw
from hw_sim.dose.properties import Floats

TABLE = Path(__file__).with_name("depth_laws.json")
SAMPLES = LINES.with_name("depth_laws.jsonl")
SEED = 20261130
COUNT = 252
SOURCES = (
    "firmware/cryo/applicators.py", "firmware/cryo/estimate.py", "host_tools/phantom.json",
    "hw_sim/dose/applicators.py", "hw_sim/dose/depth_laws.py", "hw_sim/dose/jet.py",
    "hw_sim/dose/layered.py", "hw_sim/dose/layered_trials.py", "hw_sim/dose/population.py",
    "hw_sim/dose/properties.py",
)  # fmt: skip
"""On which a sample depends."""
FOLLOW_S = 150.0
PAUSE_S = 60.0
"""Thaw before a second freeze: the device's default minimum."""
GEL_C = 20.0
GEL_AT_S = (10.0, 15.0, 20.0, 25.0)
FALLEN_C = -20.0
FALL_MOST_S = 10.0
THAWED_C = -5.0
THAW_LEAST_S = 0.3
THAW_AT_S = FREEZE_AT_S = 20.0
"""Where the law of the thaw has its depths."""
NONE_MM = 0.2
"""Less than this is no depth whose logarithm tells anything."""

WHAT = {
    "what": "What the device may say of a depth, over random skins and jets "
    "(hw_sim/dose/population.py): fitted by python -m hw_sim.dose.depth_laws. Nothing here was "
    "measured.",
    "likely_permille": "Depth of -25 C when the valve closes, over the shipped curve's (with the "
    "dewar's pressure as the firmware counts it): mean; wide_permille: its standard deviation.",
    "calibrated_wide_permille": "The same by a table whose one coefficient was fitted to the depth "
    "of ice in gel under the same jet (10 to 25 s): root of the mean square about 1; "
    "calibrated_likely_permille: its mean; gel_h_w_m2k: the coefficients fitted, 5, 50, 95 %.",
    "fall_permille": "Part of the curve's depth = fall_permille/1000 - loss ln(seconds until the "
    "infrared sensor reads -20 C, 10 at most); fall_wide_permille: standard deviation.",
    "thaw_um": "Deepest -25 C of a freeze of 20 s whose surface the sensor reads -5 C again 20 s "
    "after closing, and had read -20 C after 1 s of freezing. ln of the depth goes with b[0] L + "
    "b[1] L^2 + c ln(freeze/20 s) + d ln(fall/1 s), L = ln(thaw/20 s). sigma, p95: of each "
    "freeze by the fit to all others, ln. longer: not at -5 C within 150 s. second cycle: the same "
    "law for a second freeze after 60 s of thaw.",
}


@lru_cache(maxsize=1)
def phantom() -> dict[str, Any]:
    """The reference data of `cryo calibrate`."""
    return json.loads((ROOT / "host_tools" / "phantom.json").read_text(encoding="utf-8"))


def gel_h(one: Draw) -> float:
    """The coefficient that a fit to the depth of ice in gel gives for this draw's jet, W/m2K."""
    applicator = by_number(one.applicator)
    run = Run(stack([properties.gel()]), one.jet, start_c=GEL_C, ambient_c=GEL_C, fineness=FINENESS)
    rows: Sequence[Touch] = [Touch(0.0, 1.0)]
    if one.spray:
        rows = touches(
            GEL_AT_S[-1], distance_mm=float(applicator.distance_mm), offset_mm=0.0, wander_mm=0.3,
            duty=one.duty, strength=1.0, seed=one.seed * 7 + one.number, every_s=0.5,
        )  # fmt: skip
    play(run, rows, GEL_AT_S[-1])
    history = run.history()
    ice = np.array([history.at(history.ice_depth_mm, t) for t in GEL_AT_S])
    data = phantom()
    ln_h: Floats = np.log(np.array(data["h_w_m2k"], dtype=float))
    times_s: Floats = np.array(data["times_ms"], dtype=float) / 1000.0
    rows_of_gel = data["spots"][f"{applicator.spot_radius_mm:g}"]["gel"][f"{GEL_C:g}"]
    depths: Floats = np.array(
        [
            [
                float(np.interp(t, times_s, np.array(r["ice_um"], dtype=float))) / 1000.0
                for t in GEL_AT_S
            ]
            for r in rows_of_gel
        ]
    )
    grid: Floats = np.linspace(float(ln_h[0]), float(ln_h[-1]), 600)
    at: Floats = np.column_stack([np.interp(grid, ln_h, depths[:, i]) for i in range(len(ice))])
    return float(np.exp(grid[int(np.argmin(((at - ice) ** 2).sum(axis=1)))]))


def table_mm(number: int, h: float, seconds: float) -> float:
    """Depth of -25 C in skin by the first model, as `cryo calibrate` writes it for `h`."""
    data = phantom()
    ln_h: Floats = np.log(np.array(data["h_w_m2k"], dtype=float))
    times_s: Floats = np.array(data["times_ms"], dtype=float) / 1000.0
    rows = data["spots"][f"{by_number(number).spot_radius_mm:g}"]["skin"]
    depths = [
        float(np.interp(seconds, times_s, np.array(row["um"], dtype=float))) / 1000.0
        for row in rows
    ]
    return float(np.interp(math.log(h), ln_h, depths))


def _cycle(run: Run, one: Draw, seconds: float) -> tuple[History, float]:
    """Freeze for `seconds` from the run's own time on; returns the history and when it closed."""
    begin_s = run.now_s
    rows = one.touches(seconds + 1.0, pressure_power(one.applicator))[:-1]
    for row in rows:
        if row.time_s >= seconds:
            break
        run.go(begin_s + row.time_s)
        run.touch(row.strength, row.spread, row.fluid_c)
    run.go(begin_s + seconds)
    run.touch(0.0)
    return run.history(), begin_s + seconds


def sample(number: int) -> dict[str, Any]:
    """One random freeze: what the device reads, and how deep it went."""
    one = draw(SEED, number)
    seconds = round(10.0 + (MOST_S - 10.0) * one.range_part, 1)
    run = Run(one.stack, one.jet, skin_c=one.skin_c, ice_at_c=one.ice_at_c, fineness=FINENESS)
    history, closed_s = _cycle(run, one, seconds)
    at_end_mm = history.at(history.depth_m25_mm, closed_s)
    read = read_falls(history, one)
    again = run.copy() if number % 3 == 0 or one.spray else None
    run.go(closed_s + FOLLOW_S)
    after = run.history()
    result: dict[str, Any] = {
        "number": number,
        "applicator": one.applicator,
        "keratin": one.keratin,
        "seconds": seconds,
        "mbar": round(one.mbar, 1),
        "at_end_mm": at_end_mm,
        "reached_mm": after.deepest_m25_mm,
        "read_s": read,
        "thaw_s": read_thaw(after, closed_s, one.spray),
        "gel_h_w_m2k": gel_h(one),
    }
    if again is not None:
        again.go(closed_s + PAUSE_S)
        first = again.history()
        noted = len(first.time_s)
        _, closed_again_s = _cycle(again, one, seconds)
        again.go(closed_again_s + FOLLOW_S)
        second = again.history()
        result["second"] = {
            "reached_mm": float(second.depth_m25_mm[noted:].max()),
            "thaw_s": read_thaw(second, closed_again_s, one.spray),
        }
    return result


def samples(count: int, jobs: int, path: Path) -> list[dict[str, Any]]:
    """The samples of `count` draws; those that `path` has of these sources are taken from it."""
    key = outcome_file.key_of(SEED, ROOT, SOURCES)
    kept: list[dict[str, Any]] = outcome_file.kept(path, key, json.loads)
    done = {row["number"] for row in kept}
    left = [number for number in range(count) if number not in done]
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("w", encoding="utf-8") as lines,
        multiprocessing.get_context("spawn").Pool(jobs, os.nice, (10,)) as pool,
    ):
        outcome_file.begin(lines, key, SEED, map(json.dumps, kept))
        for row in pool.imap_unordered(sample, left):
            kept.append(row)
            lines.write(json.dumps(row) + "\n")
            lines.flush()
    return sorted((row for row in kept if row["number"] < count), key=lambda row: row["number"])


# -- the laws -------------------------------------------------------------------------------------


def curve_mm(number: int, seconds: float, mbar: float) -> float:
    """What the shipped curve and the firmware's pressure say of a freeze, without any law."""
    dose, estimate = device()
    row = dose.row_of(number)
    est = estimate.Estimate()
    est.begin((*row[: dose.LIKELY], 1000, 0, 0, 0, 0), dose.BENIGN)
    for _ in range(round(seconds * 10)):
        est.step(100, NOZZLE_C_X100, round(mbar), 0, False)
    return est.depth_um / 1000.0


def _least_squares(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(coefficients, residues of each point by the fit to all others)."""
    fit: Floats = np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float64)
    leverage = np.diag(x @ np.linalg.pinv(x))
    return fit, (y - x @ fit) / (1.0 - leverage)


def _kinds(rows: Sequence[dict[str, Any]], numbers: Sequence[int]) -> Floats:
    return np.array([[float(row["applicator"] == n) for n in numbers] for row in rows])


def _ln_fall(rows: Sequence[dict[str, Any]]) -> Floats:
    """ln of the seconds until the sensor reads -20 C; 10 s where it does not."""
    at = FALL_C.index(FALLEN_C)
    return np.log([FALL_MOST_S if r["read_s"][at] is None else r["read_s"][at] for r in rows])


def fall_law(rows: Sequence[dict[str, Any]], parts: Floats) -> dict[str, Any]:
    """Part of the curve = a[number] - loss ln(seconds to -20 C)."""
    numbers = sorted({row["applicator"] for row in rows})
    x = np.column_stack((_kinds(rows, numbers), _ln_fall(rows)))
    fit, off = _least_squares(x, parts)
    return {
        "a": {str(n): float(fit[i]) for i, n in enumerate(numbers)},
        "loss": -float(fit[-1]),
        "sigma": {str(n): float(off[[r["applicator"] == n for r in rows]].std()) for n in numbers},
    }


def _thaw_columns(rows: Sequence[dict[str, Any]], numbers: Sequence[int], thaw_s: Floats) -> Floats:
    ln_thaw = np.log(np.maximum(thaw_s, THAW_LEAST_S) / THAW_AT_S)
    seconds = np.array([row["seconds"] for row in rows])
    return np.column_stack(
        (
            _kinds(rows, numbers), ln_thaw, ln_thaw**2, np.log(seconds / FREEZE_AT_S),
            _ln_fall(rows),
        )
    )  # fmt: skip


def thaw_law(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """ln(depth/mm) by the thaw to -5 C, the seconds of the freeze and the fall."""
    at = THAW_C.index(THAWED_C)
    told = [r for r in rows if r["thaw_s"][at] is not None and r["reached_mm"] > NONE_MM]
    numbers = sorted({row["applicator"] for row in rows})
    thaw_s = np.array([row["thaw_s"][at] for row in told])
    x = _thaw_columns(told, numbers, thaw_s)
    fit, off = _least_squares(x, np.log([row["reached_mm"] for row in told]))
    again = [
        r for r in rows
        if r["second"]["thaw_s"][at] is not None and r["second"]["reached_mm"] > NONE_MM
    ]  # fmt: skip
    x2 = _thaw_columns(again, numbers, np.array([r["second"]["thaw_s"][at] for r in again]))
    off2 = np.log([r["second"]["reached_mm"] for r in again]) - x2 @ fit
    growth = [
        r["second"]["reached_mm"] / r["reached_mm"] for r in rows if r["reached_mm"] > NONE_MM
    ]
    between = [r["thaw_s"][at] - r["thaw_s"][0] for r in told if r["thaw_s"][0] is not None]
    n = len(numbers)
    return {
        "a": {str(number): float(fit[i]) for i, number in enumerate(numbers)},
        "b": [float(fit[n]), float(fit[n + 1])],
        "c": float(fit[n + 2]),
        "d": float(fit[n + 3]),
        "sigma": float(off.std()),
        "p95": float(np.quantile(np.abs(off), 0.95)),
        "count": len(told),
        "longer": sum(r["thaw_s"][at] is None for r in rows),
        "second cycle": {
            "bias": float(off2.mean()),
            "sigma": float(off2.std()),
            "count": len(again),
            "depth over the first's": [float(q) for q in np.quantile(growth, (0.05, 0.5, 0.95))],
        },
        "from -20 to -5 C, least s": float(min(between)),
    }


def laws(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of depth_laws.json."""
    curves = np.array([curve_mm(r["applicator"], r["seconds"], r["mbar"]) for r in rows])
    at_end = np.array([r["at_end_mm"] for r in rows])
    parts = at_end / curves
    by_pressure = curves / [table_shipped_mm(r["applicator"], r["seconds"]) for r in rows]
    gel = np.array([table_mm(r["applicator"], r["gel_h_w_m2k"], r["seconds"]) for r in rows])
    calibrated = at_end / (gel * by_pressure)
    spray = [by_number(r["applicator"]).kind == SPRAY for r in rows]
    fall = fall_law([r for r, s in zip(rows, spray, strict=True) if s], parts[spray])
    thaw = thaw_law([r for r, s in zip(rows, spray, strict=True) if s])
    applicators: dict[str, Any] = {}
    for a in APPLICATORS:
        mine = np.array([r["applicator"] == a.number for r in rows])
        key = str(a.number)
        h = [r["gel_h_w_m2k"] for r in rows if r["applicator"] == a.number]
        sees = key in fall["a"]
        applicators[key] = {
            "name": a.name,
            "count": int(mine.sum()),
            "likely_permille": round(1000 * float(parts[mine].mean())),
            "wide_permille": round(1000 * float(parts[mine].std(ddof=1))),
            "calibrated_wide_permille": round(
                1000 * math.sqrt(float(((calibrated[mine] - 1.0) ** 2).mean()))
            ),
            "calibrated_likely_permille": round(1000 * float(calibrated[mine].mean())),
            "fall_permille": round(1000 * fall["a"][key]) if sees else 0,
            "fall_wide_permille": round(1000 * fall["sigma"][key]) if sees else 0,
            "thaw_um": round(1000 * math.exp(thaw["a"][key])) if sees else 0,
            "gel_h_w_m2k": [round(float(q)) for q in np.quantile(h, (0.05, 0.5, 0.95))],
        }
    return {
        "what": WHAT,
        "seed": SEED,
        "treatments": len(rows),
        "applicators": applicators,
        "fall": {"loss": round(fall["loss"], 4)},
        "thaw": _rounded({key: value for key, value in thaw.items() if key != "a"}),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [_rounded(one) for one in value]  # pyright: ignore
    return round(value, 4) if isinstance(value, float) else value


def table_shipped_mm(number: int, seconds: float) -> float:
    """Depth of the shipped curve."""
    dose, _ = device()
    return dose.depth_at(dose.row_of(number)[dose.CURVE], round(seconds * 1000)) / 1000.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.depth_laws", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lines", type=Path, default=SAMPLES, help="kept samples, continued")
    parser.add_argument("--write", type=Path, default=TABLE)
    args = parser.parse_args(argv)
    rows = samples(args.count, args.jobs, args.lines)
    args.write.write_text(json.dumps(laws(rows), indent=1) + "\n", encoding="utf-8")
    print(f"written: {args.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
