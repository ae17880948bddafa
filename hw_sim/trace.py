"""Every signal of a run with its time: as a VCD file, and as a picture for a person.

May import: the standard library, hw_sim.wiring and parts; lazily pyvcd, matplotlib, NumPy. Both
files are the same to the byte for the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw_sim.parts.ssd1306 import Ssd1306
from hw_sim.wiring import Wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLE_NS = 50_000_000
NS_PER_S = 1e9

# Signals of `Wiring.watch`, with their level before the first change and how a VCD stores them.
_WIRES = {
    "POWER": 0, "VALVE_GATE": 0, "VALVE_SUPPLY": 0, "COIL": 0, "VALVE": 0, "ESTOP": 1,
    "TRIGGER": 1, "UP": 1, "DOWN": 1, "SELECT": 1, "ARM": 1,
    "LED_GREEN": 0, "LED_YELLOW": 0, "LED_RED": 0,
}  # fmt: skip
_ANALOG = ("NOZZLE_C", "DEWAR_MBAR", "LEVEL_PERMILLE", "COIL_MA", "FLOW_G_S")


class Snapshot:
    """The screen at a moment. Its pixels (128 × 64 bytes) are worked out when they are wanted,
    which is seldom, and takes a millisecond."""

    def __init__(self, t_ns: int, screen: Ssd1306) -> None:
        self.t_ns = t_ns
        self._part = copy(screen)
        self._part.ram = bytearray(screen.ram)

    @cached_property
    def pixels(self) -> bytes:
        """One byte a dot, row by row."""
        return self._part.pixels()


@dataclass(frozen=True)
class Mark:
    """A moment with a name, for the picture."""

    t_ns: int
    words: str
    pixels: bytes | None


class Trace:
    """Collects every change of the wiring, the plant's state every 50 ms, and the screen.

    `changes`: (t_ns, signal, value). `samples`: t_ns and the values of NOZZLE_C, DEWAR_MBAR,
    LEVEL_PERMILLE, COIL_MA, FLOW_G_S. `screens`: a snapshot whenever a sample finds it changed.
    `mark` names the present moment and keeps the screen with it.
    """

    def __init__(self, wiring: Wiring, *, sample_ns: int = SAMPLE_NS) -> None:
        self.wiring = wiring
        self.clock = wiring.clock
        self.changes: list[tuple[int, str, float]] = []
        self.samples: list[tuple[int, float, float, float, float, float]] = []
        self.screens: list[Snapshot] = []
        self.marks: list[Mark] = []
        self._sample_ns = sample_ns
        self._updates = -1
        wiring.watch(self._take)
        self._sample()

    def _take(self, t_ns: int, signal: str, value: float) -> None:
        self.changes.append((t_ns, signal, value))

    def _sample(self) -> None:
        now_ns = self.clock.now_ns
        plant = self.wiring.plant
        plant.advance(now_ns)
        self.samples.append(
            (now_ns, plant.nozzle_c, plant.dewar_mbar, plant.dewar_permille, plant.coil_ma,
             plant.flow_g_s)
        )  # fmt: skip
        screen = self.wiring.screen
        if screen.updates != self._updates:
            self._updates = screen.updates
            self.screens.append(Snapshot(now_ns, screen))
        self.clock.call_after(self._sample_ns, self._sample)

    def mark(self, words: str, *, screen: bool = True) -> None:
        """Name this moment."""
        pixels = self.wiring.screen.pixels() if screen else None
        self.marks.append(Mark(self.clock.now_ns, words, pixels))

    # -- looking back

    def intervals(self, signal: str) -> list[tuple[int, int]]:
        """(from, to) in ns of every time a signal was not 0; the last may be cut off by now."""
        out: list[tuple[int, int]] = []
        since: int | None = None
        for t_ns, name, value in self.changes:
            if name != signal:
                continue
            if value and since is None:
                since = t_ns
            elif not value and since is not None:
                out.append((since, t_ns))
                since = None
        if since is not None:
            out.append((since, self.clock.now_ns))
        return out

    # -- VCD

    def write_vcd(self, path: Path) -> None:
        """A VCD file for GTKWave or PulseView. Levels as at the pins; plant values as reals."""
        from vcd import VCDWriter

        with path.open("w", encoding="ascii", newline="\n") as file:
            writer = VCDWriter(
                file, timescale="1 ns", date="", comment="virtual time", version="Cryodose"
            )
            wires = {
                name: writer.register_var("board", name, "wire", size=1, init=level)
                for name, level in _WIRES.items()
            }
            buzzer = writer.register_var("board", "BUZZER_HZ", "integer", size=16, init=0)
            reals: list[Any] = [
                writer.register_var("plant", name, "real", init=float(self.samples[0][i + 1]))
                for i, name in enumerate(_ANALOG)
            ]
            last: list[float] = [float(v) for v in self.samples[0][1:]]
            for t_ns, name, value in self._merged():
                if name == "":
                    for i, number in enumerate(self.samples[int(value)][1:]):
                        rounded = round(number, 3)
                        if rounded != last[i]:
                            last[i] = rounded
                            writer.change(reals[i], t_ns, rounded)
                elif name == "BUZZER":
                    writer.change(buzzer, t_ns, int(value))
                elif name in wires:
                    writer.change(wires[name], t_ns, 1 if value else 0)
            writer.close(self.clock.now_ns)

    def _merged(self) -> Iterable[tuple[int, str, float]]:
        """Changes and samples ("" and the sample's index) in the order of their times."""
        samples = [(sample[0], "", float(i)) for i, sample in enumerate(self.samples)]
        return sorted([*self.changes, *samples], key=lambda change: change[0])

    # -- picture

    def picture(self, path: Path, *, title: str = "One treatment") -> None:
        """A PNG of the run: screens, valve, nozzle, dewar over time. At most 6 marks get a screen;
        without marks the screens are taken where the picture on them changed most."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot as plt

        begin_s, end_s = self._span()
        with plt.rc_context(_STYLE):
            figure = plt.figure(figsize=(13.0, 8.6), dpi=120)
            shown = self._shown(begin_s, end_s)
            grid = figure.add_gridspec(
                4, 1, height_ratios=(1.75, 1.25, 2.2, 1.25), hspace=0.16,
                left=0.085, right=0.915, top=0.9, bottom=0.07,
            )  # fmt: skip
            valve = figure.add_subplot(grid[1])
            nozzle = figure.add_subplot(grid[2], sharex=valve)
            dewar = figure.add_subplot(grid[3], sharex=valve)
            valve.set_xlim(begin_s, end_s)
            self._draw_valve(valve)
            self._draw_nozzle(nozzle)
            self._draw_dewar(dewar)
            for axes in (valve, nozzle, dewar):
                for mark in shown:
                    axes.axvline(mark.t_ns / NS_PER_S, color=_FAINT, lw=0.8, ls=(0, (2, 3)))
            for axes in (valve, nozzle):
                axes.tick_params(labelbottom=False)
            dewar.set_xlabel("time since power-on, s")
            self._draw_screens(figure, valve, shown, (begin_s, end_s))
            figure.text(0.085, 0.958, title, fontsize=19, fontweight="bold", color=_INK)
            figure.text(0.085, 0.928, self._summary(), fontsize=10.5, color=_SOFT)
            figure.savefig(path, metadata={"Software": None})
            plt.close(figure)

    def _span(self) -> tuple[float, float]:
        """The time that the picture shows: from power-on to now."""
        powered = [t for t, name, value in self.changes if name == "POWER" and value]
        begin = (powered[0] if powered else 0) / NS_PER_S
        return begin, max(self.clock.now_ns / NS_PER_S, begin + 0.1)

    def _shown(self, begin_s: float, end_s: float) -> Sequence[Mark]:
        if self.marks:
            return [mark for mark in self.marks if mark.pixels is not None][:6]
        found: list[Mark] = []
        least_ns = (end_s - begin_s) / 6 * NS_PER_S
        for snapshot in self.screens:
            if any(snapshot.pixels) and (not found or snapshot.t_ns - found[-1].t_ns >= least_ns):
                words = f"{snapshot.t_ns / NS_PER_S:.1f} s"
                found.append(Mark(snapshot.t_ns, words, snapshot.pixels))
        return found[:6]

    def _summary(self) -> str:
        opened = self.intervals("VALVE_GATE")
        if not opened:
            return "the valve was not opened"
        parts = [
            f"open at {a / NS_PER_S:.3f} s for {(b - a) // 1000:_} µs".replace("_", "\u2009")
            for a, b in opened
        ]
        coldest = min(sample[1] for sample in self.samples)
        words = f"{coldest:.0f} °C".replace("-", "\u2212")
        return f"valve gate {'; '.join(parts)}   ·   nozzle down to {words}"

    def _draw_valve(self, axes: Axes) -> None:
        rows = (
            ("TRIGGER", "trigger", _SOFT, True),
            ("VALVE_SUPPLY", "supply", "#7aa6c2", False),
            ("VALVE_GATE", "gate", "#1f6f9f", False),
            ("VALVE", "jet", "#00b3c4", False),
        )
        for i, (signal, _words, colour, active_low) in enumerate(rows):
            y = len(rows) - 1 - i
            spans = self.intervals(signal)
            if active_low:
                spans = self._low(signal)
            axes.axhline(y, color=_GRID, lw=0.8, zorder=0)
            axes.broken_barh(
                [(a / NS_PER_S, (b - a) / NS_PER_S) for a, b in spans],
                (y - 0.32, 0.64), color=colour, lw=0, zorder=3,
            )  # fmt: skip
        for a, b in self.intervals("VALVE_GATE"):
            axes.text(
                (a + b) / 2 / NS_PER_S, 1, f"{(b - a) / NS_PER_S:.6f} s", ha="center",
                va="center_baseline", color="white", fontsize=9, fontweight="bold", zorder=4,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [words for _s, words, _c, _l in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)

    def _low(self, signal: str) -> list[tuple[int, int]]:
        """(from, to) of every time an active-low signal was 0."""
        out: list[tuple[int, int]] = []
        since: int | None = None
        for t_ns, name, value in self.changes:
            if name == signal:
                if not value and since is None:
                    since = t_ns
                elif value and since is not None:
                    out.append((since, t_ns))
                    since = None
        return out

    def _draw_nozzle(self, axes: Axes) -> None:
        t = [sample[0] / NS_PER_S for sample in self.samples]
        c = [sample[1] for sample in self.samples]
        for a, b in self.intervals("VALVE"):
            axes.axvspan(a / NS_PER_S, b / NS_PER_S, color="#e3f5f8", lw=0, zorder=0)
        axes.plot(t, c, color="#0b5d7a", lw=2.2, zorder=3)
        for level, words in ((-195.8, "liquid nitrogen"), (-25.0, "−25 °C: benign target")):
            axes.axhline(level, color=_SOFT, lw=0.8, ls=(0, (4, 3)))
            axes.annotate(
                words, (1.0, level), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                textcoords="offset points", ha="right", fontsize=8.5, color=_SOFT,
            )  # fmt: skip
        axes.set_ylim(-208, 40)
        axes.set_ylabel("nozzle, °C")

    def _draw_dewar(self, axes: Axes) -> None:
        t = [sample[0] / NS_PER_S for sample in self.samples]
        pressure = [sample[2] for sample in self.samples]
        level = [sample[3] / 10 for sample in self.samples]
        axes.plot(t, pressure, color="#b4533c", lw=2.0)
        low, high = min(pressure), max(pressure)
        room = max(25.0, (high - low) * 0.25)
        axes.set_ylim(low - room, high + room)
        axes.set_ylabel("dewar, mbar", color="#b4533c")
        right = axes.twinx()
        right.plot(t, level, color="#5b7f3b", lw=2.0)
        low, high = min(level), max(level)
        room = max(1.0, (high - low) * 0.6)
        right.set_ylim(low - room, high + room)
        right.set_ylabel("level, %", color="#5b7f3b")
        right.spines["right"].set_visible(False)
        right.grid(visible=False)

    def _draw_screens(
        self, figure: Any, under: Axes, shown: Sequence[Mark], span_s: tuple[float, float]
    ) -> None:
        """A row of screens above the plots, each tied to its moment."""
        import numpy as np
        from matplotlib.lines import Line2D

        if not shown:
            return
        box = under.get_position()
        places = max(len(shown), 5)
        gap = 0.012
        width = (box.width - gap * (places - 1)) / places
        height = width * figure.get_figwidth() / figure.get_figheight() / 2
        bottom = box.y1 + 0.055
        first = box.x0 + (box.width - len(shown) * width - (len(shown) - 1) * gap) / 2
        for i, mark in enumerate(shown):
            left = first + i * (width + gap)
            axes = figure.add_axes((left, bottom, width, height))
            pixels = np.frombuffer(mark.pixels or bytes(8192), np.uint8).reshape(64, 128)
            dark, lit = np.array([8, 12, 18]), np.array([170, 222, 255])
            axes.imshow(
                np.where(pixels[:, :, None] > 0, lit, dark).astype(np.uint8),
                interpolation="nearest", aspect="auto",
            )  # fmt: skip
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(True)
                spine.set_color("#2b3440")
                spine.set_linewidth(3)
            axes.set_title(mark.words, fontsize=9.5, color=_INK, pad=5)
            begin_s, end_s = span_s
            at = box.x0 + box.width * (mark.t_ns / NS_PER_S - begin_s) / (end_s - begin_s)
            line = Line2D(
                (left + width / 2, at), (bottom - 0.006, box.y1), color=_FAINT, lw=0.8,
                ls=(0, (2, 3)), transform=figure.transFigure,
            )  # fmt: skip
            figure.add_artist(line)


_INK, _SOFT, _FAINT, _GRID = "#1c2733", "#6b7885", "#9aa7b3", "#e6eaee"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "figure.facecolor": "white",
    "axes.axisbelow": True,
}
