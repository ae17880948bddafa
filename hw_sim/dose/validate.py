"""`make validate`: validates the tissue model against reference solutions and published figures.

Writes docs/validation.md and its pictures. Exit code: 0 all limits met, 1 a limit missed. Takes
about a minute. May import NumPy, Pillow and matplotlib (for the pictures), and the rest of
`hw_sim`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_sim.dose import published as fitted, tables
from hw_sim.dose.applicators import APPLICATORS, by_number
from hw_sim.figure_table import Figure, below, markdown, missed
from hw_sim.world.plant.tissue import Floats, Tissue, TissueResult, treat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

S = 1_000_000_000
DOCS = Path(__file__).resolve().parents[2] / "docs"

# -- Neumann --------------------------------------------------------------------------------------

SHARP = Tissue(
    frozen_k_w_mk=(2.0, 2.0),
    frozen_c_j_kgk=(1600.0, 1600.0),
    freezing_begins_c=-0.59,
    freezing_ends_c=-0.61,
    perfusion_per_s=0.0,
)
"""Tissue for Neumann's solution: constant properties, freezing at one temperature, no blood."""
START_C = 35.0
FRONT_C = -0.6
SURFACES_C = (-196.0, -160.0, -120.0, -80.0)
NEUMANN_BAR = 0.02


def neumann_mm_per_root_s(
    surface_c: float, t: Tissue = SHARP, start_c: float = START_C, front_c: float = FRONT_C
) -> float:
    """Exact X/√t of a freezing front in a half-space whose surface is held at `surface_c`.

    e^(−λ²)/erf λ − (ku/kf)·√(αf/αu)·(Ti−Tf)/(Tf−Ts)·e^(−ν²λ²)/erfc(νλ) = λ√π·L/(cf·(Tf−Ts)),
    ν = √(αf/αu), X = 2λ√(αf·t) (Carslaw and Jaeger, Conduction of Heat in Solids, 11.2).
    """
    kf, cf = t.frozen_k_w_mk[0], t.frozen_c_j_kgk[0]
    alpha_f = kf / (t.density_kg_m3 * cf)
    alpha_u = t.warm_k_w_mk / (t.density_kg_m3 * t.warm_c_j_kgk)
    nu = math.sqrt(alpha_f / alpha_u)
    span = front_c - surface_c

    def residue(x: float) -> float:
        frozen = math.exp(-x * x) / math.erf(x)
        warm = t.warm_k_w_mk / kf * nu * (start_c - front_c) / span
        warm *= math.exp(-((nu * x) ** 2)) / math.erfc(nu * x)
        return frozen - warm - x * math.sqrt(math.pi) * t.latent_j_kg / (cf * span)

    low, high = 1e-3, 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if residue(middle) > 0.0:
            low = middle
        else:
            high = middle
    return 2.0 * low * math.sqrt(alpha_f) * 1e3


@dataclass(frozen=True, slots=True)
class Front:
    """The freezing front under one surface temperature, at every second from 1 s on."""

    surface_c: float
    exact_mm_per_root_s: float
    time_s: Floats
    model_mm: Floats

    @property
    def exact_mm(self) -> Floats:
        return self.exact_mm_per_root_s * np.sqrt(self.time_s)

    @property
    def error(self) -> Floats:
        """Relative error of the model."""
        return self.model_mm / self.exact_mm - 1.0


def front(surface_c: float, seconds: int = 30) -> Front:
    """The model's front on the production grid."""
    result = treat(
        [(0, seconds * S)],
        spot_radius_mm=math.inf,
        h_w_m2k=1e7,  # holds the surface at `surface_c`
        fluid_c=surface_c,
        start_c=START_C,
        follow_s=0.0,
        sample_s=1.0,
        deep_mm=30.0,
        tissue=SHARP,
    )
    return Front(
        surface_c, neumann_mm_per_root_s(surface_c), result.time_s[1:], result.solid_mm[1:]
    )


# -- grid, heat, speed ----------------------------------------------------------------------------

GRID_BAR = 0.02
HEAT_BAR = 0.005
SPEED_BAR_S = 1.0


def grid_change(coarse: TissueResult, fine: TissueResult, from_s: float = 1.0) -> float:
    """The largest relative change of the −25 °C depth at any second from `from_s` on."""
    seconds = np.arange(from_s, float(fine.time_s[-1]) + 0.5)
    ours, finer = (np.interp(seconds, one.time_s, one.depth_m25_mm) for one in (coarse, fine))
    positive = finer > 0.0
    return float(np.max(np.abs(ours[positive] / finer[positive] - 1.0)))


def speed() -> tuple[float, float, TissueResult]:
    """(elapsed seconds, processor seconds, result) of 30 s of freeze and 120 s of thaw.

    Uses the largest spot, which takes longest. The best of five runs, to exclude other load.
    """
    clock: list[float] = []
    processor: list[float] = []
    result = None
    for _ in range(5):
        began, began_cpu = time.perf_counter(), time.process_time()
        result = treat([(0, 30 * S)], spot_radius_mm=10.0, follow_s=120.0)
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_cpu)
    assert result is not None
    return min(clock), min(processor), result


# -- published figures ----------------------------------------------------------------------------

EARLIER = {
    (2.5, 1000.0): ((1.5, 2.0, 2.4), (2.1, 2.9, 3.5)),
    (2.5, 3000.0): ((2.3, 3.0, 3.5), (2.8, 3.8, 4.5)),
    (5.0, 1000.0): ((1.9, 2.9, 3.6), (2.4, 3.6, 4.5)),
    (5.0, 3000.0): ((2.8, 3.9, 4.7), (3.2, 4.6, 5.6)),
    (10.0, 3000.0): ((2.9, 4.4, 5.5), (3.3, 4.9, 6.2)),
}
"""Spot radius (mm), h (W/m²K): −25 °C depth and ice depth in mm after 10, 20 and 30 s, from the
project's first model, which was of the same kind but with unstated properties."""

PUBLISHED = """\
## Against what has been published

Numbers that a model of this kind can be held against are few: most papers give seconds, not
depths, and none that we could read states the coefficient of its spray. No comparison below proves
the depths; a calibration of a real applicator in a phantom must (docs/calibration.md).

| published | source | this model | deviation |
|---|---|---|---|
| −25…−30 °C at 3–4 mm 'readily achieved' with LN2 spray | British Society for Dermatological \
Surgery, workshop page on cryosurgery (bsds.org.uk) | {bsds} | agrees; the source gives no time |
| ice spreads sideways about as far as down | D. Torre, depth dose in cryosurgery (potato models \
and patients) | sharp rim: {torre_sharp} of the depth. Jet that falls off over 2 mm beyond the \
spot: {torre_soft} | the shipped tables have the sharp rim, and so {torre_short} % too little \
lateral spread. Under a jet with the soft rim −25 °C gets {torre_deeper} deeper in 20 s than \
the tables say (most under small spots): a soft jet must be calibrated as such |
| porcine skin, 5 s of LN2: −60 °C | S. Erdmann, J. Wokes, Clin. Exp. Dermatol. 48 (2023) 1255, \
thermal camera on a telephone | {erdmann_surface} | with the tables' 3000 W/m²K the model's \
surface is {erdmann_colder} K colder. Either their spray was weaker, or the camera did not see \
the spot alone: h = {erdmann_h} W/m²K would give −60 °C |
| the same, 0 °C again after 70 s | | {erdmann_thaw} | the camera's −60 °C and its 70 s do not fit \
one coefficient and one spot: the thaw is that of a larger or stronger freeze |
| the same, normal skin temperature at 5 min | | {erdmann_normal} | agrees |
| ice no deeper than 10 mm from open spray | E. Zimmerman, P. Crawford, Am. Fam. Physician 86 \
(2012) 1118 | {aafp} | agrees |

"""


def erdmann(h: float, radius_mm: float) -> tuple[float, float, float, float]:
    """5 s of spray: surface at its end, seconds to 0 °C, surface 5 min later, initial surface."""
    result = treat([(0, 5 * S)], spot_radius_mm=radius_mm, h_w_m2k=h, follow_s=300.0, sample_s=0.1)
    frozen = np.flatnonzero(result.surface_c < 0.0)
    thawed_s = float(result.time_s[frozen[-1]]) - 5.0
    surface_c = result.surface_c
    return result.at(surface_c, 5.0), thawed_s, float(surface_c[-1]), float(surface_c[0])


def spread(radius_mm: float, rim_mm: float) -> TissueResult:
    """The result of 30 s of spray with a rim of `rim_mm` (0: sharp)."""
    return treat([(0, 30 * S)], spot_radius_mm=radius_mm, rim_mm=rim_mm, follow_s=0.0)


def sideways(result: TissueResult) -> float:
    """Lateral spread of the ice beyond the spot's rim, as a part of its depth."""
    return (result.widest_ice_mm - result.spot_radius_mm) / result.deepest_ice_mm


def weak_h(radius_mm: float, surface_c: float) -> float:
    """The coefficient that cools the surface to `surface_c` in 5 s, to 10 W/m²K."""
    low, high = 100.0, 5000.0
    while high - low > 10.0:
        h = 0.5 * (low + high)
        result = treat([(0, 5 * S)], spot_radius_mm=radius_mm, h_w_m2k=h, follow_s=0.0)
        low, high = (h, high) if result.coldest_surface_c > surface_c else (low, h)
    return round(0.5 * (low + high), -1)


def published() -> str:
    """The section of published figures, with the model's values for comparison."""
    bsds = [treat([(0, 30 * S)], spot_radius_mm=r, follow_s=0.0) for r in (2.5, 5.0, 10.0)]
    radii = (2.5, 5.0, 10.0)
    sharp = [spread(r, 0.0) for r in radii]
    soft = [spread(r, 2.0) for r in radii]
    mean_sharp = sum(map(sideways, sharp)) / len(sharp)
    deeper = [
        b.at(b.depth_m25_mm, 20.0) - a.at(a.depth_m25_mm, 20.0)
        for a, b in zip(sharp, soft, strict=True)
    ]
    cases = [(h, r, *erdmann(h, r)) for h, r in ((3000.0, 2.5), (3000.0, 5.0), (1000.0, 5.0))]

    def joined(values: Iterable[str]) -> str:
        return "; ".join(values)

    def span(values: Sequence[float], digits: int = 2) -> str:
        return f"{min(values):.{digits}f}…{max(values):.{digits}f}"

    surface = [case[2] for case in cases[:2]]
    return PUBLISHED.format(
        bsds=joined(
            f"{r:g} mm spot radius: {b.at(b.depth_m25_mm, 20.0):.1f} mm after 20 s, "
            f"{b.deepest_m25_mm:.1f} mm after 30 s"
            for r, b in zip(radii, bsds, strict=True)
        ),
        torre_sharp=span([sideways(one) for one in sharp]),
        torre_soft=span([sideways(one) for one in soft]),
        torre_short=f"{100.0 * (1.0 - mean_sharp):.0f}",
        torre_deeper=f"{span(deeper, 1)} mm",
        erdmann_surface=joined(
            f"{h:g} W/m²K, {r:g} mm radius: {c:.0f} °C".replace("-", "−") for h, r, c, *_ in cases
        ),
        erdmann_colder=f"{-60.0 - max(surface):.0f} to {-60.0 - min(surface):.0f}",
        erdmann_h=f"{weak_h(5.0, -60.0):.0f}",
        erdmann_thaw=joined(
            f"{h:g} W/m²K, {r:g} mm radius: {thaw:.0f} s" for h, r, _, thaw, *_ in cases
        ),
        erdmann_normal=joined(f"{end:.1f} °C (from {start:.1f})" for *_, end, start in cases),
        aafp=f"{max(one.deepest_ice_mm for one in bsds):.1f} mm after 30 s, 10 mm spot radius",
    )


# -- the page -------------------------------------------------------------------------------------

_HEAD = """\
# How far the tissue model can be trusted

Written by `make validate`; do not edit. Computed on {date} with `hw_sim/world/plant/tissue.py`
({model}); dose tables version {version}.

**All of it is computed. Nothing here was measured on tissue, nor on a real applicator.** What is
shown: that the equations are solved correctly (the exact solution, the grid, the heat), how the
result lies among what others have published, and how much it moves with what is not known.

## Bars

"""

_MODEL = """\

Production grid: cells of 0.05 mm at the surface, growing to 0.2 mm; 0.35 mm at the spot's rim.
Halved: every cell half as wide, both ways, over all seven applicators and every second from 2 s on.
Heat: what crosses the surface is added up from the coefficient and the surface's temperature, apart
from the solver's own flows, over 30 s of freeze and 120 s of thaw.

## Neumann's exact solution

A half-space of 35 °C, its surface held; constant properties (frozen 2.0 W/mK, 1600 J/kgK), freezing
at −0.6 °C, no blood. The front is where `solid_mm` says, on the production grid.

![Front against Neumann's solution](validation-neumann.png)

| surface | exact X/√t, mm/√s | error at 1 s | at 5 s | at 10 s | at 30 s | largest of 30 |
|---|---|---|---|---|---|---|
"""

_DEPTHS = """
## Depths

![Depth of −25 °C over time for each applicator](validation-depths.png)

Skin of 33 °C, liquid from the first millisecond. The band is one standard deviation, for what the
table below lets differ.

![Section through the skin](validation-section.png)

"""

_SENSITIVITY = """\
## What is not known, and what it moves

Change of the −25 °C depth at 20 s in per cent, for one standard deviation upwards of each (half the
difference between one up and one down). Their root of squares is the spread that the device shows
with a plan, rounded to a thousandth.

"""

_EARLIER_HEAD = """\

## Against the project's first table

The first figures of the project, computed with another model of the same kind. Depth in mm of
−25 °C after 10, 20 and 30 s, and of ice.

| spot radius, h | first: −25 °C | this model | first: ice | this model |
|---|---|---|---|---|
"""

_END = """\
## What this does not show

- Coefficient and spot. They decide more than all of the skin's properties together, they differ
  between nozzles, distances and hands, and nobody has measured ours. A factor of two in the
  coefficient, either way, is possible.
- The rim of a real jet, which is not sharp (see Torre above), and liquid that runs off.
- Layers of skin: epidermis, keratin (a wart's keratin insulates), dermis and fat have one set of
  properties here. Fat conducts half as well, and lies below the depths treated.
- Cells: which of them die at −25 °C is taken from the literature (docs/dose.md), not computed.
- Vessels that stay closed after thawing: here blood flows again as soon as tissue has thawed.
"""


def _signed(part: float) -> str:
    return f"{100.0 * part:+.2f} %".replace("-", "−")


def neumann_rows(fronts: Sequence[Front]) -> str:
    """Rows of the table of Neumann's solution."""
    lines: list[str] = []
    for one in fronts:
        error = one.error
        cells = [f"{one.surface_c:.0f} °C".replace("-", "−"), f"{one.exact_mm_per_root_s:.3f}"]
        cells += [_signed(float(error[s - 1])) for s in (1, 5, 10, 30)]
        cells.append(f"{100.0 * float(np.abs(error).max()):.2f} %")
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def earlier_rows() -> str:
    """Rows that compare this model with the project's first table."""
    lines: list[str] = []
    for (radius_mm, h), (cold, ice) in EARLIER.items():
        result = treat([(0, 30 * S)], spot_radius_mm=radius_mm, h_w_m2k=h, follow_s=0.0)
        ours = [
            " / ".join(f"{result.at(series, t_s):.1f}" for t_s in (10.0, 20.0, 30.0))
            for series in (result.depth_m25_mm, result.ice_depth_mm)
        ]
        first = [" / ".join(f"{mm:.1f}" for mm in row) for row in (cold, ice)]
        lines.append(
            f"| {radius_mm:g} mm, {h:g} W/m²K | {first[0]} | {ours[0]} | {first[1]} | {ours[1]} |\n"
        )
    return "".join(lines)


def sensitivity_table(parts: dict[int, list[float]]) -> str:
    """Table of the sensitivity to each varied parameter (rows) by applicator (columns)."""
    names = [" ".join(one.name.split()) for one in APPLICATORS]
    lines = [
        "| | one σ | " + " | ".join(names) + " |\n",
        "|---|---|" + "---|" * len(names) + "\n",
    ]
    for which, one in enumerate(tables.VARIED):
        sigma = f"{one.sigma:.2g} {one.unit}" if one.unit else f"{100.0 * one.sigma:.1f} %"
        cells = [f"{100.0 * parts[a.number][which]:+.1f}".replace("-", "−") for a in APPLICATORS]
        lines.append(f"| {one.what} ({one.source}) | {sigma} | " + " | ".join(cells) + " |\n")
    total = [
        f"**{100.0 * math.sqrt(sum(p * p for p in parts[a.number])):.1f}**" for a in APPLICATORS
    ]
    lines.append("| **together** | | " + " | ".join(total) + " |\n\n")
    return "".join(lines)


# -- pictures -------------------------------------------------------------------------------------

_INK, _SOFT, _FAINT, _LINE = "#16202b", "#5d6b79", "#a9b4bf", "#e4e9ee"
_FOUR = ("#0b3c5d", "#1f78b4", "#12a5bd", "#8fb8c9")
_SEVEN = ("#1f78b4", "#0b3c5d", "#12a5bd", "#c8382f", "#6fa8cf", "#e8a33d", "#8a5a9e")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
}


def canvas(width_px: int, height_px: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet(figsize=(width_px / 100, height_px / 100), dpi=100)
    FigureCanvasAgg(sheet)
    return sheet


def save(sheet: Any, path: Path) -> None:
    """Write a PNG of 256 colours without version or date, so that its bytes are reproducible."""
    from PIL import Image

    sheet.canvas.draw()
    size = sheet.canvas.get_width_height()
    image = Image.frombuffer("RGBA", size, bytes(sheet.canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)


def title(axes: Axes, words: str) -> None:
    axes.set_title(words, loc="left", fontsize=11, fontweight="bold", color=_INK, pad=8)


def draw_neumann(fronts: Sequence[Front], path: Path) -> None:
    """Plot the fronts and their errors side by side."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        sheet = canvas(900, 380)
        left = sheet.add_axes((0.065, 0.14, 0.47, 0.74))
        right = sheet.add_axes((0.62, 0.14, 0.36, 0.74))
        fine_s = np.linspace(0.0, 30.0, 200)
        for one, colour in zip(fronts, _FOUR, strict=True):
            exact = one.exact_mm_per_root_s * np.sqrt(fine_s)
            left.plot(fine_s, exact, color=colour, lw=1.6)
            left.plot(one.time_s, one.model_mm, "o", ms=3.6, color=colour, mec="white", mew=0.4)
            label = f"{one.surface_c:.0f} °C".replace("-", "−")
            left.annotate(
                label, (30.0, float(exact[-1])), xytext=(5, 0), textcoords="offset points",
                color=colour, va="center", fontsize=9.5,
            )  # fmt: skip
            right.plot(one.time_s, 100.0 * one.error, color=colour, lw=1.4)
        left.set_xlim(0, 33.5)
        left.set_ylim(0, 7.2)
        left.set_xlabel("seconds")
        title(left, "Depth of the front, mm: exact (line), model (dots)")
        right.axhspan(-2.0, 2.0, color="#eef5f0", zorder=0)
        right.axhline(0.0, color=_FAINT, lw=1.0)
        right.set_xlim(0, 30.5)
        right.set_ylim(-2.6, 2.6)
        right.set_xlabel("seconds")
        right.text(30.0, 2.08, "bar: ±2 %", color=_SOFT, ha="right", fontsize=9)
        title(right, "Error, %")
        save(sheet, path)


def draw_depths(parts: dict[int, list[float]], path: Path) -> None:
    """Plot the −25 °C depth of each applicator over time, with its spread."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        sheet = canvas(900, 440)
        axes = sheet.add_axes((0.055, 0.12, 0.77, 0.79))
        axes.axvspan(10.0, 30.0, color="#f2f7fb", zorder=0)
        for applicator, colour in zip(APPLICATORS, _SEVEN, strict=True):
            result = tables.freeze(applicator, 30.0)
            mm = result.depth_m25_mm
            part = math.sqrt(sum(p * p for p in parts[applicator.number]))
            axes.fill_between(
                result.time_s, mm * (1 - part), mm * (1 + part), color=colour, alpha=0.13, lw=0
            )
            dashed = (0, (4, 2)) if applicator.kind != 1 else "-"
            axes.plot(result.time_s, mm, color=colour, lw=1.9, ls=dashed)
            name = " ".join(applicator.name.split())
            nudge = {4: -5.0, 5: 5.0}.get(applicator.number, 0.0)
            axes.annotate(
                name, (30.0, float(mm[-1])), xytext=(6, nudge), textcoords="offset points",
                color=colour, va="center", fontsize=9.5, annotation_clip=False,
            )  # fmt: skip
        axes.set_xlim(0, 30)
        axes.set_ylim(6.3, 0)
        axes.set_xlabel(
            "seconds of liquid (or of a cold probe); shaded: the times that are planned"
        )
        title(axes, "How deep −25 °C has come, mm")
        save(sheet, path)


def draw_section(path: Path) -> None:
    """Plot sections of the skin after 10, 20 and 30 s with the default applicator."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list(
        "cold", ["#08263f", "#0b4f7d", "#2b7fb8", "#8cc4e6", "#e3f1f9", "#fbf3ee", "#f6e3d8"]
    )
    isotherms = ((-50.0, "white", 1.2, "−50"), (-25.0, "#c8382f", 1.9, "−25 °C"),
                 (-0.6, _SOFT, 1.2, "ice"))  # fmt: skip
    applicator = by_number(1)
    spot = applicator.spot_radius_mm
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        sheet = canvas(900, 190)
        for i, seconds in enumerate((10.0, 20.0, 30.0)):
            axes = sheet.add_axes((0.055 + 0.32 * i, 0.04, 0.3, 0.78))
            section = tables.freeze(applicator, seconds).section
            # Mirror the section at the axis.
            r = np.concatenate([-section.r_mm[::-1], section.r_mm])
            z = np.concatenate([[0.0], section.z_mm])
            half = np.concatenate([section.celsius[:, :1], section.celsius], axis=1)
            c = np.concatenate([half[::-1], half]).T
            axes.contourf(r, z, c, levels=np.linspace(-180, 40, 56), cmap=colours, extend="both")
            for level, colour, width, words in isotherms:
                axes.contour(r, z, c, levels=[level], colors=[colour], linewidths=[width],
                             linestyles=["solid"])  # fmt: skip
                deepest = float(np.interp(level, half[0], z))
                axes.annotate(
                    words, (0.0, deepest), xytext=(0, -2), textcoords="offset points",
                    color=colour, ha="center", va="top" if level > -50.0 else "bottom",
                    fontsize=8.5,
                )  # fmt: skip
            axes.plot([-spot, spot], [-0.11, -0.11], color=_INK, lw=4, clip_on=False,
                      solid_capstyle="butt")  # fmt: skip
            axes.set_xlim(-7.5, 7.5)
            axes.set_ylim(6.0, 0.0)
            axes.set_aspect("equal", adjustable="box", anchor="NW")
            for side in ("left", "bottom"):
                axes.spines[side].set_visible(False)
            axes.set_xticks([])
            axes.set_yticks([0, 2, 4, 6], ["0", "2", "4 mm", ""] if i == 0 else [])
            title(axes, f"{seconds:.0f} s" + (", spray C, 5 mm spot" if i == 0 else ""))
        save(sheet, path)


# -- command --------------------------------------------------------------------------------------


def bars(fronts: Sequence[Front]) -> list[Figure]:
    """All figures of the model with their acceptance limits."""
    worst = max(float(np.abs(one.error).max()) for one in fronts)
    changes = [
        grid_change(tables.freeze(a, 30.0), tables.freeze(a, 30.0, fineness=2.0), 2.0)
        for a in APPLICATORS
    ]
    clock_s, processor_s, large = speed()
    small = treat([(0, 30 * S)], spot_radius_mm=1.5, follow_s=120.0)
    gas = treat([(0, 10 * S), (60 * S, 75 * S)], spot_radius_mm=2.5, follow_s=60.0)
    open_part = max(one.balance.open_part for one in (large, small, gas))
    of = f"{len(fronts)} × 30 s"
    return [
        below("front against Neumann", 100 * worst, 100 * NEUMANN_BAR, "%",
              f"worst of {of}", "", 2),
        below("−25 °C depth, grid halved", 100 * max(changes), 100 * GRID_BAR, "%",
              "worst of 7 × 29 s", "", 2),
        below("heat that does not add up", 100 * open_part, 100 * HEAT_BAR, "%",
              "worst of 3 treatments", "", 3),
        below("30 s of freeze, 120 s of thaw: time to compute", processor_s, SPEED_BAR_S, "s",
              "best of 5", f"Processor time of one core, 10 mm spot radius; {clock_s:.2f} s on the "
              "clock of a computer that was shared.", 2),
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.validate", description=__doc__)
    parser.add_argument("--folder", type=Path, default=DOCS, help="where to write (default: docs)")
    folder: Path = parser.parse_args(argv).folder
    fronts = [front(c) for c in SURFACES_C]
    figures = bars(fronts)
    parts = {a.number: tables.sensitivity(a) for a in APPLICATORS}
    page = [
        _HEAD.format(date=datetime.now(UTC).date(), model=tables.MODEL, version=tables.VERSION),
        markdown(figures),
        _MODEL,
        neumann_rows(fronts),
        _DEPTHS,
        _SENSITIVITY,
        sensitivity_table(parts),
        published(),
        fitted.section(fitted.shipped()),
        _EARLIER_HEAD.lstrip("\n"),
        earlier_rows(),
        "\n",
        _END,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "validation.md").write_text("".join(page), encoding="utf-8")
    draw_neumann(fronts, folder / "validation-neumann.png")
    draw_depths(parts, folder / "validation-depths.png")
    draw_section(folder / "validation-section.png")
    for one in figures:
        print(f"{one.what}: {one.measured} (limit {one.asked}): {'met' if one.met else 'MISSED'}")
    print(f"written: {folder / 'validation.md'}")
    return 1 if missed(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
