"""Generator of the firmware's dose tables: computed, rounded, and written as Python source.

May import NumPy, the tissue model and its sibling modules; knows the format of
firmware/cryo/applicators.py but does not import it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hw_sim.dose import nozzle
from hw_sim.dose.applicators import APPLICATORS, SPRAY, Applicator
from hw_sim.world.plant.tissue import SKIN, Exposure, Tissue, TissueResult, expose

VERSION = 5
"""Version of the tables; incremented whenever a figure in them changes."""
MODEL = "Pennes-enthalpy model 2"
DATE = "2026-11-22"
CALIBRATION = "none: model"
AUTHOR = "The Cryodose authors"

TIMES_MS = (0, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12500, 15000, 17500, 20000, 25000, 30000)
ROUND_UM = 1
"""Rounding of depths: a million times the difference in the last bits of another processor."""
ROUND_MS = 10
FINENESS = 2.0
"""The tables are computed on cells of half the production grid's size in both directions."""
SKIN_SEEN_C = -65.0
"""Lowest skin temperature that is evaluated; the infrared sensor's range ends at -70 C."""
SPREAD_AT_S = 20.0


class Varied(NamedTuple):
    """One parameter that is not known exactly."""

    what: str
    sigma: float
    """One standard deviation, as a part of the value or in `unit`."""
    unit: str
    source: str


LAWS = (
    "likely_permille",
    "wide_permille",
    "calibrated_wide_permille",
    "fall_permille",
    "fall_wide_permille",
)
"""Columns that follow from the second truth: `depth_laws.json` has them."""
_LAWS = Path(__file__).with_name("depth_laws.json")

_THIRD = 1.0 / math.sqrt(3.0)  # standard deviation of a uniform distribution over ±1

VARIED = (
    Varied("coefficient h", 0.25, "", "assumed: no applicator has been calibrated"),
    Varied("spot radius", 0.10, "", "assumed: distance and angle of a hand-held nozzle"),
    Varied("unfrozen conductivity", 0.149 * _THIRD, "", "0.37…0.5 W/mK, evenly"),
    Varied("frozen conductivity", 0.2 * _THIRD, "", "±20 %, evenly (assumed)"),
    Varied("latent heat", 0.136 * _THIRD, "", "190…250 kJ/kg, evenly"),
    Varied("perfusion", 0.001 * _THIRD, "/s", "0.001…0.003 /s, evenly"),
    Varied("skin temperature", 3.0 * _THIRD, "K", "30…36 °C, evenly"),
)
SKIN_C = 33.0


def freeze(
    applicator: Applicator,
    until_s: float,
    *,
    h_factor: float = 1.0,
    spot_factor: float = 1.0,
    skin_c: float = SKIN_C,
    tissue: Tissue = SKIN,
    fineness: float = 1.0,
    sample_s: float = 0.25,
) -> TissueResult:
    """The model's result for liquid (or a cold probe) on the skin from 0 to `until_s`."""
    return expose(
        Exposure((0.0,), (applicator.h_w_m2k * h_factor,), (applicator.fluid_c,)),
        until_s=until_s,
        spot_radius_mm=applicator.spot_radius_mm * spot_factor,
        skin_c=skin_c,
        tissue=tissue,
        fineness=fineness,
        sample_s=sample_s,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """The firmware's data of one applicator."""

    applicator: Applicator
    spread_permille: int
    skin_ms: int
    benign_um: tuple[int, ...]
    all_cells_um: tuple[int, ...]
    rewarmed_c: int
    by_pressure_permille: int
    laws: tuple[int, ...]
    """`LAWS` of this applicator."""


def curves(applicator: Applicator, until_ms: int = TIMES_MS[-1]) -> tuple[list[int], list[int]]:
    """Depths of -25 and -50 C in um at `TIMES_MS` up to `until_ms`, rounded."""
    result = freeze(applicator, until_ms / 1000.0, fineness=FINENESS)
    times_s = [ms / 1000.0 for ms in TIMES_MS if ms <= until_ms]
    return tuple(
        [round(result.at(series, t_s) * 1000.0 / ROUND_UM) * ROUND_UM for t_s in times_s]
        for series in (result.depth_m25_mm, result.depth_m50_mm)
    )  # pyright: ignore[reportReturnType]


def skin_ms(applicator: Applicator) -> int:
    """Time until the sprayed skin is at `SKIN_SEEN_C`; 0 for a probe, which hides the skin."""
    if applicator.kind != SPRAY:
        return 0
    result = freeze(applicator, 2.0, fineness=FINENESS, sample_s=0.01)
    return round(result.surface_reached_s(SKIN_SEEN_C) * 1000.0 / ROUND_MS) * ROUND_MS


def varied(applicator: Applicator, which: int, sigmas: float) -> TissueResult:
    """A freeze of `SPREAD_AT_S` with one of `VARIED` changed by `sigmas` standard deviations."""
    off = VARIED[which].sigma * sigmas
    s = SKIN
    h = spot = 1.0
    skin_c = SKIN_C
    tissue = s
    if which == 0:
        h += off
    elif which == 1:
        spot += off
    elif which == 2:
        tissue = replace(s, warm_k_w_mk=s.warm_k_w_mk * (1.0 + off))
    elif which == 3:
        low, high = s.frozen_k_w_mk
        tissue = replace(s, frozen_k_w_mk=(low * (1.0 + off), high * (1.0 + off)))
    elif which == 4:
        tissue = replace(s, latent_j_kg=s.latent_j_kg * (1.0 + off))
    elif which == 5:
        tissue = replace(s, perfusion_per_s=s.perfusion_per_s + off)
    else:
        skin_c += off
    return freeze(
        applicator, SPREAD_AT_S, h_factor=h, spot_factor=spot, skin_c=skin_c, tissue=tissue
    )


def sensitivity(applicator: Applicator) -> list[float]:
    """For each of `VARIED`: the relative change of the -25 C depth at 20 s for one sigma."""
    depth = freeze(applicator, SPREAD_AT_S).deepest_m25_mm
    return [
        (
            varied(applicator, which, 1.0).deepest_m25_mm
            - varied(applicator, which, -1.0).deepest_m25_mm
        )
        / (2.0 * depth)
        for which in range(len(VARIED))
    ]


def row(applicator: Applicator) -> Row:
    """The data of one applicator; takes about 10 s to compute."""
    benign, all_cells = curves(applicator)
    spread = math.sqrt(sum(part * part for part in sensitivity(applicator)))
    return Row(
        applicator,
        round(spread * 1000.0),
        skin_ms(applicator),
        tuple(benign),
        tuple(all_cells),
        nozzle.rewarmed_c(applicator),
        nozzle.by_pressure_permille(applicator),
        laws(applicator),
    )


def laws(applicator: Applicator) -> tuple[int, ...]:
    """What the second truth makes of the curve: `LAWS`, from `depth_laws.json`."""
    of_all = json.loads(_LAWS.read_text(encoding="utf-8"))["applicators"]
    return tuple(int(of_all[str(applicator.number)][key]) for key in LAWS)


_HEAD = '''"""Applicators and the depths that each reaches: data.

Written by `make tables`; do not edit. Pure; may import micropython.const.
Controls: H-06, by the limits of its curves; H-30, by the columns of the second truth.

Computed for liquid (or the cold probe) from the first millisecond, on skin of 33 C; not measured
on anything. Depths in um of the -25 C isotherm ("benign") and of the -50 C isotherm ("all cells")
at TIMES_MS. Spread: one standard deviation of the depth, for what coefficient, spot and tissue may
differ in that model. The two columns after the provenance come from the model of the line; those
after them from another truth, over which the device's statements are held (H-30). Sources and
figures: docs/validation.md, docs/dose.md, docs/dose-second-truth.md.
"""

from micropython import const

VERSION = const({version})
SPRAY = const(1)
PROBE = const(2)

TIMES_MS = {times}

_FROM = "{provenance}"

# number (never reused), name (15 characters at most), kind, spot radius um, distance mm, h W/m2K,
# spread permille, ms until the skin's surface is at -65 C (0: no infrared sensor can see it),
# um of -25 C and um of -50 C at TIMES_MS, provenance, nozzle above which the line is purged again
# 0.01 C, power of the dewar's pressure with which the coefficient goes permille; of the curve's
# depth, permille: the depth to be expected, its standard deviation, the least standard deviation of
# a calibrated row, the depth to be expected when the surface reads -20 C after 1 s (0: no sensor
# sees it) and its standard deviation
APPLICATORS = (
'''


def source(rows: list[Row]) -> str:
    """The text of firmware/cryo/applicators.py."""
    out = [
        _HEAD.format(
            version=VERSION,
            times=TIMES_MS,
            provenance=f"{MODEL}, {DATE}, calibration {CALIBRATION}, {AUTHOR}",
        )
    ]
    for one in rows:
        a = one.applicator
        kind = a.kind
        out.append(
            f"    (\n"
            f'        {a.number}, "{a.name}", {kind}, {round(a.spot_radius_mm * 1000)}, '
            f"{a.distance_mm}, {round(a.h_w_m2k)}, {one.spread_permille}, {one.skin_ms},\n"
            f"        {one.benign_um},\n"
            f"        {one.all_cells_um},\n"
            f"        _FROM,\n"
            f"        {one.rewarmed_c * 100}, {one.by_pressure_permille},\n"
            f"        {', '.join(str(value) for value in one.laws)},\n"
            f"    ),  # fmt: skip\n"
        )
    return "".join(out) + ")\n"


def all_rows() -> list[Row]:
    """The data of all applicators; takes about a minute to compute."""
    return [row(applicator) for applicator in APPLICATORS]
