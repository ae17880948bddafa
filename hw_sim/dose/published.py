"""Published measurements beside the second truth, and the coefficient that they suggest.

`python -m hw_sim.dose.published` computes the set-ups over a grid of coefficients, fits h with its
prior, writes `coefficient.json` beside this file, and prints the table that docs/validation.md
holds. Some minutes. May import NumPy and its sibling modules.

The fit. One effective coefficient h for the spray of each publication, as the tables have it (one h
at any temperature of the surface). Prior of ln h: normal about 1500 W/m2K, 0.7 (from film boiling,
some 300, to wetting sprays, some 6000, within two standard deviations). Unknown radius and, for the
depth of necrosis, the isotherm at which tissue dies (-20, -25 or -35 C, hw_sim/dose/published.py:
`DEATH_C`): averaged over. Between devices ln h differs by `DEVICES` (assumed; a bench test of four
devices found the device itself the largest factor). For another nozzle h goes with its flux to the
power 0.5 (0.26-0.73: hw_sim/world/plant/line.py). No set states its flux: it is taken to be the
geometric mean of ours, to 0.5 in its logarithm.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hw_sim.dose import tables
from hw_sim.dose.applicators import APPLICATORS, SPRAY
from hw_sim.dose.jet import Jet, Touch, steady
from hw_sim.dose.layered import Run, stack
from hw_sim.dose.properties import Floats, Layer, dermis, epidermis, fat

TABLE = Path(__file__).with_name("coefficient.json")
GRID_H = (350.0, 700.0, 1400.0, 2800.0)
PRIOR = (math.log(1500.0), 0.7)
DEVICES = 0.4
EXPONENT = (0.5, 0.12)
FLUX_LN = 0.5
DEATH_C = (-20.0, -25.0, -35.0)
SHIPPED = 3000.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One published value: what, its value, and one standard deviation as taken for the fit."""

    key: str
    what: str
    value: float
    sigma: float
    unit: str


MEASURED = (
    Measured("ribeiro 4x10", "human oesophagus, 4 × 10 s: depth of necrosis", 4.0, 0.8, "mm"),
    Measured("ribeiro 2x20", "human oesophagus, 2 × 20 s: depth of necrosis", 5.4, 1.1, "mm"),
    Measured("erdmann cold", "porcine skin, 5 s: surface", -60.0, 10.0, "°C"),
    Measured("erdmann thaw", "porcine skin, 5 s: back at 0 °C after", 70.0, 15.0, "s"),
)
"""Ribeiro et al., Dig. Dis. Sci. 58 (2013) 1296 (abstract: means; sigma 20 %, assumed). Erdmann and
Wokes, Clin. Exp. Dermatol. 48 (2023) 1255 (abstract; camera of a telephone, sigma assumed)."""

MUCOSA = (Layer("mucosa", math.inf, 1050.0, 0.75, 0.08, 1500.0, 0.50, 1.5, 0.002),)
PIG = (epidermis(), dermis(2.0, blood_part=0.0), fat())
RIBEIRO_RADII = (10.0,)
ERDMANN_RADII = (5.0, 8.0, 11.0)
_PAUSE_S = 45.0


def _cycles(layers: Sequence[Layer], h: float, radius_mm: float, times: int, open_s: float) -> Run:
    """Freezes of `open_s`, thawing for 45 s (at least the clinic's) between them."""
    run = Run(stack(layers), Jet(steady(h), radius_mm), start_c=37.0, ambient_c=30.0)
    for _ in range(times):
        run.touch(1.0)
        run.go(run.now_s + open_s)
        run.touch(0.0)
        run.go(run.now_s + _PAUSE_S)
    return run


def _deepest(run: Run, celsius: float) -> float:
    """Greatest depth of an isotherm between those that are noted: linear in temperature."""
    history = run.history()
    at_c = (-0.6, -25.0, -50.0)
    depths = [
        float(series.max())
        for series in (history.ice_depth_mm, history.depth_m25_mm, history.depth_m50_mm)
    ]
    return float(np.interp(-celsius, [-c for c in at_c], depths))


@lru_cache(maxsize=64)
def ribeiro(h: float, radius_mm: float) -> dict[float, tuple[float, float]]:
    """(4 × 10 s, 2 × 20 s) in mm for each of `DEATH_C`."""
    runs = [_cycles(MUCOSA, h, radius_mm, times, s) for times, s in ((4, 10.0), (2, 20.0))]
    return {c: (_deepest(runs[0], c), _deepest(runs[1], c)) for c in DEATH_C}


@lru_cache(maxsize=64)
def erdmann(h: float, radius_mm: float) -> tuple[float, float]:
    """(surface after 5 s in C, seconds from closing to 0 C): dead skin, kept at 33 C."""
    run = Run(stack(PIG), Jet(steady(h), radius_mm), skin_c=33.0)
    for row in (Touch(0.0, 1.0), Touch(5.0, 0.0)):
        run.go(row.time_s)
        run.touch(row.strength)
    run.go(155.0)
    history = run.history()
    thawed_s = history.rose_s(history.surface_c, 0.0) - 5.0
    return history.at(history.surface_c, 5.0), min(thawed_s, 150.0)


def _log_of(value: Floats, measured: Measured) -> Floats:
    return -0.5 * ((value - measured.value) / measured.sigma) ** 2


def _on(ln_h: Floats, values: Sequence[float]) -> Floats:
    return np.interp(ln_h, np.log(GRID_H), values)


def likelihoods(ln_h: Floats) -> dict[str, Floats]:
    """Of each set over ln h, averaged over what is not known; greatest 1."""
    by = {one.key: one for one in MEASURED}
    total_r = np.zeros_like(ln_h)
    for radius in RIBEIRO_RADII:
        for c in DEATH_C:
            columns = [[ribeiro(h, radius)[c][i] for h in GRID_H] for i in (0, 1)]
            total_r += np.exp(
                _log_of(_on(ln_h, columns[0]), by["ribeiro 4x10"])
                + _log_of(_on(ln_h, columns[1]), by["ribeiro 2x20"])
            )
    total_e = np.zeros_like(ln_h)
    for radius in ERDMANN_RADII:
        columns = [[erdmann(h, radius)[i] for h in GRID_H] for i in (0, 1)]
        total_e += np.exp(
            _log_of(_on(ln_h, columns[0]), by["erdmann cold"])
            + _log_of(_on(ln_h, columns[1]), by["erdmann thaw"])
        )
    return {"ribeiro": total_r / total_r.max(), "erdmann": total_e / total_e.max()}


def _moments(ln: Floats, weight: Floats) -> tuple[float, float]:
    part = weight / weight.sum()
    mean = float((ln * part).sum())
    return mean, math.sqrt(float(((ln - mean) ** 2 * part).sum()))


def fit() -> dict[str, Any]:
    """The content of coefficient.json."""
    ln = np.linspace(math.log(150.0), math.log(6500.0), 400)
    prior = np.exp(-0.5 * ((ln - PRIOR[0]) / PRIOR[1]) ** 2)
    likely = likelihoods(ln)
    # Devices differ: each set's own ln h scatters by DEVICES about the common mean.
    kernel = np.exp(-0.5 * ((ln[:, None] - ln[None, :]) / DEVICES) ** 2)
    posterior = prior.copy()
    for one in likely.values():
        posterior = posterior * (kernel @ one)
    mean, sigma = _moments(ln, posterior)
    sets = {
        name: {"h_w_m2k": round(math.exp(m), -1), "sigma_ln": round(s, 2)}
        for name, one in likely.items()
        for m, s in [_moments(ln, prior * one)]
    }
    sprays = [a for a in APPLICATORS if a.kind == SPRAY]
    flux = {a.number: (a.bore_mm / a.spot_radius_mm) ** 2 for a in sprays}
    middle = float(np.mean(np.log(list(flux.values()))))
    nozzles: dict[str, Any] = {}
    for a in sprays:
        away = math.log(flux[a.number]) - middle
        spread = math.sqrt(
            sigma**2 + DEVICES**2 + (EXPONENT[0] * FLUX_LN) ** 2 + (EXPONENT[1] * away) ** 2
        )
        h = math.exp(mean + EXPONENT[0] * away)
        depths = [
            tables.freeze(a, 20.0, h_factor=factor).deepest_m25_mm for factor in (1.0, h / SHIPPED)
        ]
        nozzles[str(a.number)] = {
            "name": a.name,
            "h_w_m2k": round(h, -1),
            "sigma_ln": round(spread, 2),
            "shipped_h_w_m2k": SHIPPED,
            "shipped_above_by_sigmas": round(math.log(SHIPPED / h) / spread, 1),
            "depth_20s_mm": [round(d, 2) for d in depths],
        }
    return {
        "what": "Effective coefficient of an LN2 spray from published measurements: fitted by "
        "python -m hw_sim.dose.published (prior, sets and assumptions stand there). Other "
        "devices than ours: no calibration, and no proof. sigma_ln: one standard deviation of "
        "ln h. depth_20s_mm: -25 C after 20 s by the first model with the shipped h, and with "
        "this one.",
        "prior": {"h_w_m2k": round(math.exp(PRIOR[0])), "sigma_ln": PRIOR[1]},
        "sets": sets,
        "common": {"h_w_m2k": round(math.exp(mean), -1), "sigma_ln": round(sigma, 2)},
        "between devices, ln": DEVICES,
        "nozzles": nozzles,
        "computed": {
            f"{h:g}": {
                "ribeiro_mm_at_-25": [round(v, 2) for v in ribeiro(h, RIBEIRO_RADII[0])[-25.0]],
                "erdmann": {
                    f"{r:g} mm": [round(v, 1) for v in erdmann(h, r)] for r in ERDMANN_RADII
                },
            }
            for h in GRID_H
        },
    }


_OTHERS = (
    "| depth of ice over its radius: open spray 0.5, probe 1.3 (textbook table, plasticsurgerykey) "
    "| | first model, 15 s: B 0.58, A 0.35, C 0.78; probe 0.69 | sprays about right; a probe's 1.3 "
    "is pressed in, which no model here has |\n"
    "| actinic keratosis cleared at −5 °C of the surface (Goldberg 2010, 180 lesions, infrared) | "
    "| −5 °C read within 0.4 s in the median (dose-second-truth.md) | no time or depth "
    "published; a field wider than the spot reads warmer |\n"
    "| gel, nozzles 0.4–0.8 mm, 9–27 mm away, thermocouples at 2 and 5 mm (Kumari et al., "
    "Australas. Phys. Eng. Sci. Med. 2019) | | cannot be had: only the abstract could be read | "
    "the best match to this device; its figures would settle h for three nozzles |\n"
    "| cure by seconds (Thai 2004; Connolly 2001: halo 39 %, 10 s more 64 %) | | cannot be had: "
    "no depth | – |\n"
    "| death of cells: dog's skin viable to −35 °C, dead below −50 °C (Gage 1982); necrosis at "
    "−30 °C (Gage 1985), at −20 °C in rabbit's epidermis (Lenz 1975) | | not a matter of heat | "
    "'−25 °C' has no single source: it lies within −20…−50 °C |\n"
)


def shipped() -> dict[str, Any]:
    """The fit as it lies beside this file."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def section(data: dict[str, Any]) -> str:
    """The section of docs/validation.md."""
    lines = [
        "## Published measurements and the coefficient\n\n",
        "Set-ups computed with the second truth (`hw_sim/dose/published.py`): h from 350 to 2800 "
        "W/m²K, one\ncoefficient at any temperature. Oesophagus: mucosa of 37 °C, spot radius "
        "10 mm, 45 s of thaw between cycles,\ndeath at −25 °C. Porcine skin: no blood, 33 °C, "
        "radius 8 mm.\n\n",
        "| published | value | computed | deviation |\n|---|---|---|---|\n",
    ]
    computed = data["computed"]

    at = (
        (MEASURED[0], "ribeiro", "ribeiro_mm_at_-25", 0),
        (MEASURED[1], "ribeiro", "ribeiro_mm_at_-25", 1),
        (MEASURED[2], "erdmann", "erdmann", 0),
        (MEASURED[3], "erdmann", "erdmann", 1),
    )
    for measured, name, key, place in at:
        cells: list[str] = []
        for h, one in computed.items():
            value = one[key] if name == "ribeiro" else one[key]["8 mm"]
            cells.append(f"h {h}: {value[place]}")
        lines.append(
            f"| {measured.what} | {measured.value:g} ± {measured.sigma:g} {measured.unit} "
            f"| {'; '.join(cells)} | fits h {data['sets'][name]['h_w_m2k']:.0f} |\n"
        )
    lines += [
        _OTHERS,
        "\nThe fit, with a prior of 1500 W/m²K (one σ of ln h: 0.7): ",
        "; ".join(
            f"{name.title()} {one['h_w_m2k']:.0f} W/m²K (σ {one['sigma_ln']})"
            for name, one in data["sets"].items()
        ),
        f"; together **{data['common']['h_w_m2k']:.0f} W/m²K** (σ {data['common']['sigma_ln']}; "
        f"between devices {DEVICES}, assumed).\nThe shipped tables have 3000 for every nozzle. "
        "By flux on the spot:\n\n",
        "| spray | h by the fit, W/m²K | one σ of ln h | shipped 3000 is above by "
        "| −25 °C after 20 s: shipped, by the fit |\n|---|---|---|---|---|\n",
    ]
    for one in data["nozzles"].values():
        lines.append(
            f"| {' '.join(one['name'].split())} | {one['h_w_m2k']:.0f} | {one['sigma_ln']} "
            f"| {one['shipped_above_by_sigmas']} σ | {one['depth_20s_mm'][0]}, "
            f"{one['depth_20s_mm'][1]} mm |\n"
        )
    lines.append(
        "\nTwo sets, of other devices, with what they do not state assumed: this is a reason to "
        "distrust 3000,\nnot a calibration. As data: `hw_sim/dose/coefficient.json`.\n\n"
    )
    return "".join(lines).replace(": -", ": −").replace("| -", "| −")


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.published", description=__doc__)
    parser.add_argument("--write", type=Path, default=TABLE)
    args = parser.parse_args(argv)
    data = fit()
    args.write.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(section(data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
