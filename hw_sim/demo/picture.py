"""A simulated treatment on one time axis: valve, nozzle, dewar, tissue and screens, as a PNG.

May import the standard library, `hw_sim.plotting`, matplotlib and NumPy (lazily), and `treatment`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hw_sim.demo.treatment import CELL_MM, NS_PER_S, Outcome, Session
from hw_sim.plotting import (
    BEZEL_PX,
    FAINT,
    GRID,
    INK,
    SOFT,
    STYLE,
    figure as figure_of,
    load,
    save,
    screen,
)
from hw_sim.world.trace import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hw_sim.world.plant.tissue import Floats

_GATE, _SUPPLY, _HAND, _COIL = "#0f6aa8", "#6fa8cf", "#8793a0", "#d9822b"
_GAS, _LIQUID = "#c3d3df", "#12a5bd"
_NOZZLE, _DEWAR = "#0b4f7d", "#8a5a9e"
_ICE, _COLD, _TARGET = "#cfe8f5", "#2b7fb8", "#c8382f"


def _seconds(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".replace("-", "\u2212")


# -- a treatment ----------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 1600, 1120
_EDGE, _LEFT, _RIGHT = 40, 212, 1560
_LABEL_S = 5.0  # a label fits into bars of at least this length
_DOT = 2
_SCREEN_W, _SCREEN_H = 128 * _DOT, 64 * _DOT


def treatment(path: Path, session: Session, outcome: Outcome, *, planned_us: int) -> None:
    """Draw a finished session to the PNG file `path`: valve, nozzle, dewar, tissue over time.

    Time counts from the rising edge of GATE. `planned_us` is the plan that the device recorded.
    RuntimeError if there was no freeze. 1600 × 1120 pixels.
    """
    with load().rc_context(STYLE):
        figure = figure_of(_WIDTH, _HEIGHT)
        plots = _Plots(figure, session, outcome, planned_us)
        plots.title()
        plots.valve()
        plots.nozzle()
        plots.dewar()
        plots.tissue()
        plots.screens()
        save(figure, path)


def _through_cells(time_s: Floats, depth_mm: Floats) -> tuple[Floats, Floats]:
    """A smooth curve of a depth over time through the points at which the grid is accurate.

    A front within a cell advances in steps, because the cell's latent heat is removed first; it is
    accurate when it passes the middle of a cell (Voller and Cross, 1981). The curve therefore goes
    through those points, the beginning, the greatest depth and the end.
    """
    import numpy as np

    middles = np.arange(0.5, 100.0) * CELL_MM
    deepest = int(depth_mm.argmax())
    points: list[tuple[float, float]] = [(float(time_s[0]), float(depth_mm[0]))]
    for i in range(len(depth_mm) - 1):
        a, b = float(depth_mm[i]), float(depth_mm[i + 1])
        if i == deepest:
            points.append((float(time_s[i]), a))
        low, high = min(a, b), max(a, b)
        passed = middles[(middles > low) & (middles <= high)]
        for level in passed if a < b else passed[::-1]:
            part = (float(level) - a) / (b - a)
            points.append((float(time_s[i] + part * (time_s[i + 1] - time_s[i])), float(level)))
        if (a == 0.0) != (b == 0.0):
            points.append((float(time_s[i + (a != 0.0)]), 0.0))
    points.append((float(time_s[-1]), float(depth_mm[-1])))
    t, d = (np.array(column) for column in zip(*sorted(set(points)), strict=True))
    fine = np.arange(t[0], t[-1], 0.02)
    # Cubic Hermite pieces with harmonic slopes (Fritsch and Butland): no overshoot.
    slope = np.diff(d) / np.diff(t)
    product = slope[1:] * slope[:-1]
    inner = np.where(product > 0, 2 * product / np.where(product > 0, slope[1:] + slope[:-1], 1), 0)
    tangent = np.concatenate([slope[:1], inner, slope[-1:]])
    i = np.clip(np.searchsorted(t, fine, side="right") - 1, 0, len(slope) - 1)
    width = t[i + 1] - t[i]
    x = (fine - t[i]) / width
    curve = (
        d[i] * (1 + 2 * x) * (1 - x) ** 2
        + width * tangent[i] * x * (1 - x) ** 2
        + d[i + 1] * x**2 * (3 - 2 * x)
        + width * tangent[i + 1] * x**2 * (x - 1)
    )
    return fine, np.maximum(curve, 0.0)


class _Plots:
    def __init__(self, figure: Figure, session: Session, outcome: Outcome, planned_us: int) -> None:
        self.figure = figure
        self.session = session
        self.trace: Trace = session.trace
        self.outcome = outcome
        self.planned_us = planned_us
        self.zero_ns, closed_ns = session.valve_ns
        self.closed_s = (closed_ns - self.zero_ns) / NS_PER_S
        self.begin_s = -self.zero_ns / NS_PER_S
        self.end_s = (session.ended_ns - self.zero_ns) / NS_PER_S
        self.t_s = [self.at(sample[0]) for sample in self.trace.samples]
        self.axes: list[Axes] = []
        (self.wet_ns, _dry_ns), *_ = session.wet_ns

    def at(self, t_ns: int) -> float:
        """Seconds since GATE rose."""
        return (t_ns - self.zero_ns) / NS_PER_S

    def panel(self, top_px: int, height_px: int, words: str) -> Axes:
        """Add axes over the full width, `top_px` below the upper edge."""
        axes = self.figure.add_axes(
            (
                _LEFT / _WIDTH,
                1 - (top_px + height_px) / _HEIGHT,
                (_RIGHT - _LEFT) / _WIDTH,
                height_px / _HEIGHT,
            )
        )
        axes.set_xlim(self.begin_s, self.end_s)
        axes.set_xticks(range(int(self.begin_s), int(self.end_s) + 1, 2))
        axes.tick_params(labelbottom=False)
        axes.axvspan(0, self.closed_s, color="#f2f7fb", lw=0, zorder=0)
        self.figure.text(
            _EDGE / _WIDTH, 1 - top_px / _HEIGHT, words, fontsize=14, fontweight="bold",
            color=INK, va="top", linespacing=1.35,
        )  # fmt: skip
        self.axes.append(axes)
        return axes

    # -- title --------------------------------------------------------------------------------

    def title(self) -> None:
        """Write the delivered dose in two lines."""
        outcome = self.outcome
        off_us = self.session.measured_us - self.planned_us
        off = f"{off_us:+.0f} µs" if abs(off_us) >= 0.5 else "0 µs"
        self.figure.text(
            _EDGE / _WIDTH, 1 - 30 / _HEIGHT,
            f"Valve open for {self.session.measured_us / 1e6:.6f} s, "
            f"{off.replace('-', chr(0x2212))} off the plan",
            fontsize=26, fontweight="bold", color=INK, va="top",
        )  # fmt: skip
        if outcome.short_mm > 0.05:
            words = (
                f"In the tissue model −25 °C reached {outcome.tissue.deepest_m25_mm:.2f} mm of the "
                f"{outcome.asked_mm} mm requested: the line was warm and delivered gas for "
                f"{outcome.gas_s:.1f} s before liquid."
            )
        else:
            words = (
                f"In the tissue model −25 °C reached {outcome.tissue.deepest_m25_mm:.2f} mm; "
                f"{outcome.asked_mm} mm were requested."
            )
        self.figure.text(_EDGE / _WIDTH, 1 - 76 / _HEIGHT, words, fontsize=15, color=SOFT, va="top")

    # -- panels -------------------------------------------------------------------------------

    def valve(self) -> None:
        """Plot trigger, both switches, coil current, and gas or liquid at the nozzle."""
        axes = self.panel(342, 192, "Valve")
        rows = ("trigger", "gate", "supply", "coil", "output")
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_yticks(range(len(rows)), list(reversed(rows)))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        y = len(rows) - 1
        self._bars(axes, y, self._pressed("TRIGGER"), _HAND)
        self._bars(axes, y - 1, self.trace.intervals("VALVE_GATE"), _GATE)
        self._bars(axes, y - 2, self.trace.intervals("VALVE_SUPPLY"), _SUPPLY)
        axes.text(
            self.closed_s / 2, y - 1, f"{self.session.measured_us / 1e6:.6f} s", color="white",
            ha="center", va="center_baseline", fontsize=13, fontweight="bold",
        )  # fmt: skip
        full = 1250.0
        coil = [y - 3 - 0.36 + 0.8 * sample[4] / full for sample in self.trace.samples]
        axes.fill_between(self.t_s, coil, y - 3 - 0.36, color=_COIL, alpha=0.25, lw=0)
        axes.plot(self.t_s, coil, color=_COIL, lw=1.6, solid_joinstyle="miter")
        axes.text(
            self.closed_s / 2, y - 2.84, "1.2 A for 20 ms, then 0.35 A", color=SOFT, ha="center",
            va="center_baseline", fontsize=11.5,
        )  # fmt: skip
        plant = self.session.bench.plant
        self._bars(axes, 0, plant.open_intervals_ns, _GAS)
        self._bars(axes, 0, plant.liquid_intervals_ns, _LIQUID)
        wet_s = self.at(self.wet_ns)
        gas_s = self.at(plant.open_intervals_ns[0][0])  # the first gas is in the purge
        gas_end_s = self.at(plant.liquid_intervals_ns[0][0]) if plant.liquid_intervals_ns else wet_s
        for begin_s, end_s, words, colour in (
            (gas_s, gas_end_s, "gas: the line is warm", INK),
            (wet_s, self.closed_s, "liquid nitrogen", "white"),
        ):
            if end_s - begin_s > _LABEL_S:
                axes.text(
                    (begin_s + end_s) / 2, 0, words, color=colour, ha="center",
                    va="center_baseline", fontsize=12.5,
                )  # fmt: skip

    def _bars(self, axes: Axes, y: float, spans_ns: Sequence[tuple[int, int]], colour: str) -> None:
        axes.axhline(y, color=GRID, lw=1.0, zorder=1)
        bars = [(self.at(a), (b - a) / NS_PER_S) for a, b in spans_ns]
        axes.broken_barh(bars, (y - 0.36, 0.72), color=colour, lw=0, zorder=2)

    def _pressed(self, signal: str) -> list[tuple[int, int]]:
        """Intervals in which an active-low input was 0, including bounce."""
        spans: list[tuple[int, int]] = []
        since: int | None = None
        for t_ns, name, value in self.trace.changes:
            if name != signal:
                continue
            if not value and since is None:
                since = t_ns
            elif value and since is not None:
                spans.append((since, t_ns))
                since = None
        return spans

    def nozzle(self) -> None:
        """Plot the temperature of the nozzle's tip."""
        axes = self.panel(556, 150, "Nozzle")
        axes.plot(self.t_s, [sample[1] for sample in self.trace.samples], color=_NOZZLE, lw=2.6)
        axes.axhline(-195.8, color=_LIQUID, lw=1.4, ls=(0, (5, 3)))
        axes.annotate(
            "liquid nitrogen, −196 °C", (self.begin_s, -195.8), xytext=(8, 6),
            textcoords="offset points", color=_LIQUID, fontsize=12,
        )  # fmt: skip
        axes.set_ylim(-210, 40)
        axes.set_yticks((-150, -100, -50, 0), ("−150", "−100", "−50", "0 °C"))

    def dewar(self) -> None:
        """Plot the dewar's gauge pressure."""
        axes = self.panel(728, 84, "Dewar")
        mbar = [sample[2] for sample in self.trace.samples]
        axes.plot(self.t_s, mbar, color=_DEWAR, lw=2.4)
        axes.set_ylim(min(min(mbar) - 25, 540), max(max(mbar) + 25, 620))
        axes.yaxis.set_major_locator(load().ticker.MultipleLocator(50))
        axes.yaxis.set_major_formatter("{x:.0f} mbar")

    def tissue(self) -> None:
        """Plot the depths of ice and of −25 °C, downwards."""
        axes = self.panel(834, 226, "Tissue\n(model)")
        tissue, ideal, target = self.outcome.tissue, self.outcome.ideal, self.outcome.asked_mm
        lifted_ns = self.session.lifted_ns[0][0]
        ice_s, ice_mm = _through_cells(tissue.time_s, tissue.ice_depth_mm)
        cold_s, cold_mm = _through_cells(tissue.time_s, tissue.depth_m25_mm)
        ideal_s, ideal_mm = _through_cells(ideal.time_s, ideal.depth_m25_mm)
        warm = (ideal_mm == 0.0) & (ideal_s > 1.0)  # the line ends when −25 °C has left the skin
        ideal_mm[warm] = math.nan
        wet_s = self.at(self.wet_ns)
        axes.fill_between(ice_s + wet_s, ice_mm, 0, color=_ICE, lw=0, zorder=1)
        axes.fill_between(cold_s + wet_s, cold_mm, 0, color=_COLD, lw=0, zorder=2)
        axes.plot(
            ideal_s + self.at(lifted_ns), ideal_mm, color=_COLD, lw=1.8, ls=(0, (4, 2.5)), zorder=3
        )
        axes.axhline(target, color=_TARGET, lw=2.0, zorder=4)
        deepest = max(tissue.deepest_ice_mm, target, ideal.deepest_m25_mm) + 0.45
        axes.set_ylim(deepest, 0)
        marks = range(int(deepest) + 1)
        axes.set_yticks(marks, ["skin", *(f"{mm} mm" for mm in marks[1:])])
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("seconds since GATE's rising edge", fontsize=13, labelpad=4)
        self._name_depths(axes)

    def _name_depths(self, axes: Axes) -> None:
        tissue, target = self.outcome.tissue, self.outcome.asked_mm
        wet_s = self.at(self.wet_ns)
        axes.annotate(
            f"requested: {target} mm", (self.begin_s, target), xytext=(8, -17),
            textcoords="offset points", color=_TARGET, fontsize=13, fontweight="bold",
        )  # fmt: skip
        if wet_s > 1.0:
            axes.annotate(
                "−25 °C with liquid from the start", (wet_s * 0.44, 1.5), xytext=(-6, -13),
                textcoords="offset points", color=_COLD, fontsize=12.5, ha="right",
            )  # fmt: skip
        axes.text(
            self.closed_s - 2.0, 0.62, "−25 °C and colder", color="white", fontsize=13,
            fontweight="bold", ha="center", va="center",
        )  # fmt: skip
        axes.text(
            self.end_s - 0.25, 0.62, "frozen", color=_COLD, fontsize=13, fontweight="bold",
            ha="right", va="center",
        )  # fmt: skip
        if self.outcome.short_mm > 0.05:
            at_s = wet_s + float(tissue.time_s[int(tissue.depth_m25_mm.argmax())])
            axes.annotate(
                "", (at_s, tissue.deepest_m25_mm), (at_s, target), zorder=5,
                arrowprops={"arrowstyle": "<->", "color": _TARGET, "lw": 1.8, "shrinkA": 0,
                            "shrinkB": 0},
            )  # fmt: skip
            axes.text(
                at_s + 0.15, (tissue.deepest_m25_mm + target) / 2,
                f"{self.outcome.short_mm:.2f} mm short", color=_TARGET, fontsize=13,
                fontweight="bold", va="center", zorder=5,
                bbox={"facecolor": _ICE, "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip

    # -- screens ------------------------------------------------------------------------------

    def screens(self) -> None:
        """Draw the device's screens at the top, each linked to its moment."""
        from matplotlib.lines import Line2D

        shown = self.session.seen[-5:]
        first, last = _EDGE + BEZEL_PX, _RIGHT - BEZEL_PX - _SCREEN_W
        bottom = _HEIGHT - 156 - _SCREEN_H
        top = self.axes[0].get_position().y1
        for i, moment in enumerate(shown):
            x = round(first + (last - first) * i / max(1, len(shown) - 1))
            screen(self.figure, moment.pixels, x, bottom, _DOT)
            t_s = self.at(moment.t_ns)
            self.figure.text(
                x / _WIDTH, (bottom + _SCREEN_H + 16) / _HEIGHT, moment.title, fontsize=11.5,
                fontweight="bold", color=INK,
            )  # fmt: skip
            self.figure.text(
                (x + _SCREEN_W) / _WIDTH, (bottom + _SCREEN_H + 16) / _HEIGHT,
                f"{_seconds(t_s)} s", fontsize=11.5, color=SOFT, ha="right",
            )  # fmt: skip
            part = (t_s - self.begin_s) / (self.end_s - self.begin_s)
            at = (_LEFT + part * (_RIGHT - _LEFT)) / _WIDTH
            middle = (x + _SCREEN_W / 2) / _WIDTH
            down_px = (bottom - BEZEL_PX, bottom - 17, top * _HEIGHT + 14, top * _HEIGHT)
            self.figure.add_artist(
                Line2D(
                    (middle, middle, at, at),
                    [y_px / _HEIGHT for y_px in down_px],
                    color=FAINT,
                    lw=1.2,
                    transform=self.figure.transFigure,
                )
            )
            for axes in self.axes:
                axes.axvline(t_s, color=FAINT, lw=1.0, ls=(0, (2, 3)), zorder=0.5)
