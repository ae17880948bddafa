"""The campaign's outcomes as a table, a page (docs/campaign.md) and a picture (docs/campaign.png).

May import Pillow and matplotlib (for the picture), `hw_sim.figure_table` and its sibling modules.
`trials` makes the outcomes; this module only evaluates and presents them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hw_sim.dose import tables
from hw_sim.dose.applicators import APPLICATORS, PROBE, SPRAY, by_number
from hw_sim.dose.trials import (
    AIM_AGAIN_S,
    AIM_S,
    H_SIGMA,
    LINE_C,
    MARGIN_UM,
    MBAR,
    PERFUSION,
    SKIN_C,
    STOPWATCH_S,
    STOPWATCHES,
    Outcome,
)
from hw_sim.figure_table import Figure, below, failed, markdown

SHORT_BAR_MM = 0.3


# -- the table ------------------------------------------------------------------------------------


def quantile(values: Sequence[float], part: float) -> float:
    """The `part` quantile of at least one value, linearly interpolated."""
    ordered = sorted(values)
    at = part * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def within(what: str, errors: Sequence[float], bar: float, note: str = "") -> Figure:
    """Figure: the part of `errors` within ±`bar`; the acceptance limit is 95 %."""
    asked = f"95 % within ±{100 * bar:g} %"
    if not errors:
        return failed(what, asked, note or "the device gave none")
    part = sum(abs(error) <= bar for error in errors) / len(errors)
    widest = quantile([abs(error) for error in errors], 0.95)
    measured = f"{100 * part:.0f} % (95 % within ±{100 * widest:.1f} %)"
    return Figure(what, asked, measured, f"{len(errors)} treatments", part >= 0.95, note, part)


def shown(what: str, errors: Sequence[float], note: str = "") -> Figure:
    """Figure for comparison, without a limit: median, and where 95 % lie."""
    if not errors:
        return Figure(what, "–", "not measured", "", None, note)
    size = [abs(error) for error in errors]
    measured = (
        f"median {100 * quantile(size, 0.5):.1f} %, 95 % within ±{100 * quantile(size, 0.95):.0f} %"
    )
    return Figure(what, "–", measured, f"{len(errors)} treatments", None, note)


_ESTIMATE = "What the device had recorded at the end of the freeze, against the tissue model then."
_DRAWN = (
    "Spot (5 %), conductivities and latent heat also random. No limit: the device cannot know them."
)
_WARNED = (
    "Of the lesion, without the margin. A warning is a fault, or the message after a freeze whose "
    "estimate ended above the lesion's base."
)
_PROBES = "No infrared sensor sees the skin under a probe."
_INFRARED = "At the end of the depth-controlled freezes, which have the sensor. Sprays: " + (
    "no infrared sensor sees the skin under a probe."
)


_FLOOR = (
    "The floor: the same freezes by an ideal device that knows everything except the deviation of "
    "this probe's coefficient from its calibration."
)


def with_floor(
    outcomes: Sequence[Outcome],
    error: Callable[[Outcome], float | None],
    floor: Callable[[Outcome], float | None],
) -> list[Figure]:
    """Figures of all seven applicators and of the probes, each with the best possible value.

    Sprays could be exact, since the infrared sensor measures their coefficient. Nothing measures a
    probe's.
    """
    probes = [one for one in outcomes if by_number(one.applicator).kind == PROBE]
    best = [
        (one, part) for one in outcomes if (part := floor(one)) is not None and one.at_end_mm > 0.0
    ]
    rows = [
        within("  all seven applicators", [e for one in outcomes if (e := error(one)) is not None],
               0.08),
        within("    at best: sprays exact, probes as below",
               [part if by_number(one.applicator).kind == PROBE else 0.0 for one, part in best],
               0.08, _FLOOR),
        within("  probes", [e for one in probes if (e := error(one)) is not None], 0.08, _PROBES),
        within("    at best: all known but the coefficient",
               [part for one, part in best if by_number(one.applicator).kind == PROBE],
               0.08, _FLOOR),
    ]  # fmt: skip
    return [replace(row, asked="–", met=None) for row in rows]


def figures(outcomes: Sequence[Outcome], count: int | None = None) -> list[Figure]:
    """The figures of the page's table. `count`: number of treatments drawn."""

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
    if count is not None:
        missing = count - len(device)
        rows.append(Figure("  without a freeze", "–", str(missing), f"{count} treatments", None))
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
        group = of(name)
        silent = sum(one.short_mm > SHORT_BAR_MM and not one.warned for one in group)
        rows.append(Figure(f"  {name}", "–", str(silent), f"{len(group)} treatments", None))

    def estimates(group: Sequence[Outcome]) -> list[float]:
        return [error for one in group if (error := one.estimate_error) is not None]

    rows += [
        within("live estimate at the end of the freeze", estimates(device), 0.12, _ESTIMATE),
        within("live estimate, infrared sensor fitted", estimates(of("depth mode", SPRAY)), 0.08,
               _INFRARED),
        *with_floor(of("depth mode"), lambda one: one.estimate_error,
                    lambda one: one.floor),
        within("depth-controlled, against its target", [o.error for o in of("depth mode", SPRAY)],
               0.08, _PROBES),
        *with_floor(of("depth mode"), lambda one: one.error,
                    lambda one: one.floor_control),
    ]  # fmt: skip
    return rows


LINE_BINS_C = ((-120.0, -80.0), (-80.0, -40.0), (-40.0, 0.0), (0.0, 35.0))


def purge_table(outcomes: Sequence[Outcome]) -> str:
    """Table of the purge's benefit: medians of reached over planned, by the line's temperature."""
    lines = [
        "| line before | treatments | reached / planned, purged | not purged "
        "| purges: median, most |\n",
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
    """Table of the device's error by applicator."""
    lines = [
        "| applicator | treatments | median error | 95 % within | bias | purges: median, most |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for applicator in APPLICATORS:
        rows = [o for o in outcomes if o.strategy == "device" and o.applicator == applicator.number]
        if not rows:
            continue
        size = [abs(o.error) for o in rows]
        bias = quantile([o.error for o in rows], 0.5)
        purges = [float(o.purges) for o in rows]
        lines.append(
            f"| {' '.join(applicator.name.split())} | {len(rows)} "
            f"| {100 * quantile(size, 0.5):.1f} % | ±{100 * quantile(size, 0.95):.1f} % "
            f"| {100 * bias:+.1f} % | {quantile(purges, 0.5):.0f}, {max(purges):.0f} |\n".replace(
                "-", "−"
            )
        )
    return "".join(lines)


def budget_table(outcomes: Sequence[Outcome]) -> str:
    """Table of the estimate's error budget by applicator: bias, and where 95 % lie."""
    lines = [
        "| applicator | treatments | estimate | coefficient | skin and perfusion "
        "| estimate itself |\n",
        "|---|---|---|---|---|---|\n",
    ]

    def cell(errors: Sequence[float]) -> str:
        size = quantile([abs(error) for error in errors], 0.95)
        bias = quantile(errors, 0.5)
        return f"{100 * bias:+.1f} %, ±{100 * size:.1f} %".replace("-", "−")

    for applicator in APPLICATORS:
        rows = [
            (o.estimate_mm, o.at_end_mm, o.known_mm, o.plain_mm)
            for o in outcomes
            if o.strategy == "depth mode" and o.applicator == applicator.number
        ]
        parts = [
            (estimate / end - 1.0, known / end - 1.0, plain / known - 1.0, estimate / plain - 1.0)
            for estimate, end, known, plain in rows
            if estimate and end > 0.0 and known and plain
        ]
        if parts:
            cells = " | ".join(cell(column) for column in zip(*parts, strict=True))
            lines.append(f"| {' '.join(applicator.name.split())} | {len(parts)} | {cells} |\n")
    return "".join(lines)


_PAGE = """\
# What the device reaches

Written by `make campaign`; do not edit. Computed on {date}, seed {seed}, dose tables version
{version}. **Everything is simulated: firmware on the fast bench, plant, skin. Nothing was
measured.**

{count} random treatments, each by the whole firmware from power-on: settings confirmed on the
device, ARM, as many purges as the device requires, aim, TRIGGER until the valve closes. Drawn:
applicator (seven), planned depth over its table's range, dewar pressure {mbar} mbar, line
{line} °C at arming, skin {skin} °C, perfusion {perfusion} /s, {aim} s of aiming, and the
coefficient. Its scatter after calibration is {sigma:.0f} % (one standard deviation, assumed: a
distance of 15 mm held to 1.5 mm changes the flux on the spot by 20 %, and the coefficient with its
square root). The margin is {margin} mm, as in most profiles. Error = depth of −25 °C reached /
(lesion + margin) − 1. A probe touches the skin from the moment the valve opens, at the temperature
of the nozzle's tip. After a repeated purge the operator aims for {again} s.

{table}
![Errors of each way to freeze](campaign.png)

## By applicator

{applicators}
## What the estimate's error is made of

At the end of the depth-controlled freezes: bias, and the interval that holds 95 %. *Coefficient*:
the error of a device that knows this freeze, this skin and its perfusion, and uses the calibrated
coefficient. *Skin and perfusion*: the effect of assuming 33 °C and 0.002 /s. *Estimate itself*: its
difference from the model with the calibrated coefficient on that skin; for sprays with the sensor
this includes the sensor's correction, which reduces the first term.

{budget}
**Why probes are less exact.** Depth under a probe varies with the 0.5th to 0.7th power of the
contact coefficient; under a spray with the 0.2nd to 0.3rd (docs/validation.md). No infrared sensor
sees the skin under a probe, and the dewar's pressure carries no information about the contact. The
thermocouple sits in the tip, whose temperature the nitrogen sets. A real tip is also heated by the
contact (0.5 to 2 W); the simulated plant leaves this out, so the firmware does not use it. A
scatter of {sigma:.0f} % in the coefficient (assumed) therefore leaves the rows "at best" above;
no device without another sensor can do better. A constant contact force narrows them.

## Effect of the purge

{purges}
Without a purge the device stops a freeze whose nozzle stays warm (fault NO COLD); the depth reached
by then is counted.
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
    """Plot one dot per treatment by strategy, with the median and 95 % range of each strategy."""
    from importlib import import_module

    import matplotlib as mpl

    validate: Any = import_module("hw_sim.dose.validate")  # its style
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


def page(outcomes: Sequence[Outcome], seed: int, count: int) -> tuple[str, list[Figure]]:
    """Text of docs/campaign.md, and its figures. `count`: number of treatments drawn."""
    table = figures(outcomes, count)

    def span(pair: tuple[float, float], digits: int = 0) -> str:
        return "…".join(f"{x:.{digits}f}" for x in pair).replace("-", "−")

    text = _PAGE.format(
        date=datetime.now(UTC).date(),
        seed=seed,
        version=tables.VERSION,
        count=count,
        mbar=span(MBAR),
        line=span(LINE_C),
        skin=span(SKIN_C),
        perfusion=span(PERFUSION, 3),
        aim=span(AIM_S, 1),
        again=AIM_AGAIN_S,
        sigma=100 * H_SIGMA,
        margin=MARGIN_UM / 1000,
        table=markdown(table),
        applicators=applicator_table(outcomes),
        purges=purge_table(outcomes),
        budget=budget_table(outcomes),
    )
    return text, table
