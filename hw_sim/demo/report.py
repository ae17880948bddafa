"""Terminal report of `cryo demo` (`make run`): one treatment on the simulated applicator.

A simulated operator performs the treatment (`treatment`) and the screens are printed as they
appear; then follow the valve's timing, the tissue model's result, the record as the host library
pulled it, and the files written. The host tools pass in the pull function, since hw_sim does not
import them.

May import the standard library, rich, and `bench` and `demo` of hw_sim.
"""

from __future__ import annotations

import json as json_text
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from hw_sim.bench import FastBench
from hw_sim.demo.braille import COLUMNS, LINES, abreast, can_show, screen_lines
from hw_sim.demo.treatment import DEPTH_MM, NS_PER_S, Moment, Outcome, Session

TOLERANCE_US = 5.0
"""Acceptance limit of the valve's open time, measured against planned."""

_FAILED = 4  # `cryo`'s exit code for a failure that the caller did not cause
_BLOCK = COLUMNS + 2
_FRAME_S = 0.025  # ten times real time: a freeze of 13 s plays in 1.3 s
_DISPLAY = Style(color="#aadeff", bgcolor="#080c12")
_LAMPS = {"green": "green", "yellow": "yellow", "red": "red"}
_QUIET = "dim"


class Fetched(Protocol):
    """The journal as pulled by the host library."""

    @property
    def serial(self) -> str: ...
    @property
    def verified(self) -> bool:
        """Whether the hash chain, recomputed from the stored bytes, is intact."""
        ...

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """The records in the format of `cryo log show --json`."""
        ...

    def show(self) -> None:
        """Print the records as `cryo log show` does."""
        ...


class BenchPort:
    """The bench's serial port as a transport of the host library, in virtual time."""

    def __init__(self, bench: FastBench) -> None:
        self.url = "sim://"
        self.slice_s = 0.05
        self._bench = bench

    def read_some(self) -> bytes:
        """Bytes that the device sends within `slice_s` of its own time; b"" if none."""
        arrived = bytearray()

        def any_bytes() -> bool:
            arrived.extend(self._bench.host_read())
            return bool(arrived)

        self._bench.run_until(any_bytes, self.slice_s * 1000)
        return bytes(arrived)

    def write(self, data: bytes) -> None:
        """Send `data`; the bench buffers what the device has not read yet."""
        self._bench.host_write(data)

    def close(self) -> None:
        """No-op: there is nothing to close."""


Fetch = Callable[[BenchPort, Path], Fetched]


def main(out_dir: Path, json: bool, fetch: Fetch) -> int:
    """Run the treatment, report it, and write picture, trace and records to `out_dir`.

    Returns the exit code: 0 if the freeze was complete, within 5 µs of the plan, and its record
    verified. OSError if `out_dir` cannot be written.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    if not can_show(sys.stdout.encoding, "−°µ") and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a question mark instead of a traceback
    session = Session()
    console = Console(highlight=False, emoji=False, soft_wrap=False)
    report = None if json else _Report(console, session)
    if report is None:
        for _ in session.moments():
            pass
    else:
        report.treatment()
    store = out_dir / "records.sqlite"
    store.unlink(missing_ok=True)  # each demonstration is a first start with the same serial number
    fetched = fetch(BenchPort(session.bench), store)
    figures = _Figures(session, fetched)
    outcome = session.outcome()
    if report is not None:
        report.results(figures, outcome, fetched)
    files = _write_files(out_dir, session, figures, outcome)
    files["records"] = store
    if report is None:
        print(json_text.dumps(_as_dict(session, figures, outcome, fetched, files), indent=2))
    else:
        report.files(files)
    good = abs(figures.off_us) <= TOLERANCE_US and figures.complete and fetched.verified
    return 0 if good else _FAILED


class _Figures:
    """The valve's open time: planned and recorded by the device, measured at its pin."""

    def __init__(self, session: Session, fetched: Fetched) -> None:
        ends = [record for record in fetched.records if record["kind"] == "freeze_end"]
        if len(ends) != 1:
            raise RuntimeError(f"{len(ends)} freezes in the record of a treatment of one")
        fields = ends[0]["fields"]
        self.dose_ms: int = fields["dose"]["value"]
        self.planned_us: int = fields["planned_gate"]["value"]
        self.recorded_us: int = fields["delivered_gate"]["value"]
        self.complete: bool = fields["cause"].get("name") == "complete"
        self.measured_us = session.measured_us
        self.off_us = self.measured_us - self.planned_us


def _write_files(
    out_dir: Path, session: Session, figures: _Figures, outcome: Outcome
) -> dict[str, Path]:
    from hw_sim.demo import picture

    files = {"picture": out_dir / "treatment.png", "trace": out_dir / "treatment.vcd"}
    picture.treatment(files["picture"], session, outcome, planned_us=figures.planned_us)
    session.trace.write_vcd(files["trace"])
    return files


def _as_dict(
    session: Session,
    figures: _Figures,
    outcome: Outcome,
    fetched: Fetched,
    files: Mapping[str, Path],
) -> dict[str, Any]:
    tissue, ideal = outcome.tissue, outcome.ideal
    return {
        "screens": [
            {
                "t_ms": moment.t_ns / 1e6,
                "title": moment.title,
                "lights": list(moment.lights),
                "braille": screen_lines(moment.pixels),
            }
            for moment in session.seen
        ],
        "valve": {
            "dose_ms": figures.dose_ms,
            "planned_us": figures.planned_us,
            "measured_us": figures.measured_us,
            "off_us": figures.off_us,
            "recorded_us": figures.recorded_us,
            "complete": figures.complete,
        },
        "tissue": {
            "model": "axisymmetric Pennes, enthalpy; computed, not measured",
            "asked_mm": outcome.asked_mm,
            "minus_25_c_mm": round(tissue.deepest_m25_mm, 3),
            "short_mm": round(outcome.short_mm, 3),
            "minus_25_c_mm_had_the_line_been_cold": round(ideal.deepest_m25_mm, 3),
            "gas_before_liquid_s": round(outcome.gas_s, 3),
            "ice_mm": round(tissue.deepest_ice_mm, 3),
            "ice_radius_mm": round(tissue.widest_ice_mm, 3),
            "coldest_surface_c": round(tissue.coldest_surface_c, 1),
        },
        "record": {
            "serial": fetched.serial,
            "verified": fetched.verified,
            "records": list(fetched.records),
        },
        "files": {name: str(path) for name, path in files.items()},
    }


class _Report:
    """Prints the treatment to a terminal of at least 80 columns, or to a pipe."""

    def __init__(self, console: Console, session: Session) -> None:
        self._console = console
        self._session = session
        self._braille = can_show(console.encoding, "⣿─│╭●")
        # Colour needs a terminal that supports it and NO_COLOR unset.
        self._coloured = console.color_system is not None and not console.no_color
        wide = console.width if console.is_terminal else 80
        self._abreast = abreast(wide, 3, _BLOCK)
        self._width = min(wide, max(80, self._abreast * _BLOCK + 2 * (self._abreast - 1)))
        self._number = 0

    # -- treatment ----------------------------------------------------------------------------

    def treatment(self) -> None:
        """Run the treatment, and print the screens row by row."""
        self._heading("A treatment on the simulated applicator")
        # Matplotlib takes a second to load: load it in the background during the purge.
        loader = threading.Thread(target=_load_picture, daemon=True)
        waiting: list[Moment] = []
        moments = self._session.moments()
        with self._live() as frame:
            for moment in moments:
                waiting.append(moment)
                if len(waiting) == self._abreast:
                    self._row(waiting)
                    waiting = []
                if moment.title.startswith("ARM"):
                    loader.start()
                    self._session.on_frame = frame
        if waiting:
            self._row(waiting)
        loader.join()

    @contextmanager
    def _live(self) -> Generator[Callable[[], None] | None]:
        """Animate purge and freeze at ten times real time if the terminal is high enough."""
        console = self._console
        if not console.is_terminal or not self._coloured or console.height < LINES + 7:
            yield None
            return
        live = Live(console=console, auto_refresh=False, transient=True)
        closings = 0

        def frame() -> None:
            nonlocal closings
            if not live.is_started:
                live.start()
            start_s = time.monotonic()
            live.update(self._frame(), refresh=True)
            time.sleep(max(0.0, _FRAME_S - (time.monotonic() - start_s)))
            if len(self._session.bench.valve_intervals()) > closings:
                closings += 1
                live.stop()

        try:
            yield frame
        finally:
            live.stop()

    def _frame(self) -> RenderableType:
        session = self._session
        plant = session.bench.plant
        valve = Text("valve open", "bold yellow") if plant.valve_open else Text("valve closed")
        jet = Text("liquid", "bold cyan") if plant.jet_is_liquid else Text("gas")
        line = Text.assemble(
            "   ", valve, "   jet: ", jet,
            f"   nozzle {plant.nozzle_c:6.1f} °C".replace("-", "−"),
            f"   dewar {plant.dewar_mbar:3.0f} mbar",
        )  # fmt: skip
        return Group(self._display(session.pixels(), session.lights()), line)

    def _row(self, moments: Sequence[Moment]) -> None:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in moments:
            grid.add_column(width=_BLOCK, no_wrap=True)
        heads: list[Text] = []
        for moment in moments:
            self._number += 1
            seconds = f"{moment.t_ns / NS_PER_S:.1f} s"
            head = Text.assemble((f"{self._number}  ", _QUIET), (moment.title, "bold"))
            head.append(seconds.rjust(_BLOCK - len(head) - 1), _QUIET)
            heads.append(head)
        grid.add_row(*heads)
        grid.add_row(*(Text("   " + moment.words, _QUIET) for moment in moments))
        grid.add_row(*(self._display(moment.pixels, moment.lights) for moment in moments))
        self._console.print(grid)

    def _display(self, pixels: bytes, lights: Sequence[str]) -> RenderableType:
        lines = screen_lines(pixels, braille=self._braille)
        lamps = Text(" ")
        for name, colour in _LAMPS.items():
            on = name in lights
            mark = ("●" if on else "○") if self._braille else ("*" if on else "-")
            lamps.append(f"{mark} {name} ", f"bold {colour}" if on else _QUIET)
        return Panel(
            Text("\n".join(lines), _DISPLAY, no_wrap=True),
            box=box.ROUNDED if self._braille else box.ASCII,
            padding=0,
            width=_BLOCK,
            subtitle=lamps,
            subtitle_align="right",
            border_style=_QUIET,
        )

    # -- results ------------------------------------------------------------------------------

    def results(self, figures: _Figures, outcome: Outcome, fetched: Fetched) -> None:
        """Print the valve's timing, the tissue model's result and the record."""
        self._valve(figures)
        self._tissue(outcome)
        self._record(fetched)

    def _valve(self, figures: _Figures) -> None:
        self._heading("The valve, at the GATE pin")
        good = abs(figures.off_us) <= TOLERANCE_US
        grid = self._grid()
        grid.add_row("planned", f"{_thousands(figures.planned_us)} µs", self._quiet(
            f"{_thousands(figures.dose_ms)} ms of flow, corrected for the valve's lags"
        ))  # fmt: skip
        grid.add_row("measured", f"{_thousands(figures.measured_us)} µs", Text(
            _off(figures.off_us),
            "bold green" if good else "bold red",
        ))  # fmt: skip
        grid.add_row("recorded", f"{_thousands(figures.recorded_us)} µs", self._quiet(
            "from the device's own record"
        ))  # fmt: skip
        self._console.print(grid)

    def _tissue(self, outcome: Outcome) -> None:
        self._heading("Effect on the tissue (a model, not a measurement)")
        tissue = outcome.tissue
        grid = self._grid()
        short = outcome.short_mm > 0.05
        verdict = (
            Text(f"{outcome.short_mm:.2f} mm SHORT of the requested {DEPTH_MM} mm", "bold yellow")
            if short
            else Text(f"{DEPTH_MM} mm requested", "bold green")
        )
        grid.add_row("−25 °C down to", f"{tissue.deepest_m25_mm:.2f} mm", verdict)
        grid.add_row("ice down to", f"{tissue.deepest_ice_mm:.2f} mm", self._quiet(
            f"and {tissue.widest_ice_mm:.1f} mm from the centre"
        ))  # fmt: skip
        coldest = f"{tissue.coldest_surface_c:.0f} °C".replace("-", "−")
        grid.add_row("coldest surface", coldest, "")
        self._console.print(grid)
        opened_ns, closed_ns = self._session.purge_ns
        self._console.print(Text(
            "   Before the freeze the line was purged, away from the patient, for "
            f"{(closed_ns - opened_ns) / NS_PER_S:.1f} s;\n"
            f"   liquid came {outcome.gas_s:.1f} s after the freeze began."
        ))  # fmt: skip

    def _record(self, fetched: Fetched) -> None:
        self._heading("The record, pulled over the link")
        fetched.show()
        if fetched.verified:
            self._console.print(Text("Hash chain verified from the first record.", "green"))
        else:
            self._console.print(Text("HASH CHAIN BROKEN.", "bold red"))

    def files(self, files: Mapping[str, Path]) -> None:
        """Print the paths of the files written, with their uses."""
        self._heading("Files written")
        uses = {
            "picture": "the treatment at a glance",
            "trace": "all signals, for GTKWave or PulseView",
            "records": "the record: cryo log show --store FILE",
        }
        grid = Table.grid(padding=(0, 2))
        for name, path in files.items():
            grid.add_row("  ", Text(str(path), "cyan", overflow="fold"), self._quiet(uses[name]))
        self._console.print(grid)
        self._console.print()

    # -- pieces -------------------------------------------------------------------------------

    def _heading(self, words: str) -> None:
        self._console.print()
        rule = Rule(
            Text(escape(words), "bold"),
            align="left",
            characters="─" if self._braille else "-",
            style=_QUIET,
        )
        self._console.print(rule, width=self._width)

    def _grid(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style=_QUIET, no_wrap=True)
        grid.add_column(justify="right", no_wrap=True, style="bold", min_width=13)
        grid.add_column()
        grid.columns[0].min_width = 18
        return grid

    def _quiet(self, words: str) -> Text:
        return Text(words, _QUIET)


def _off(off_us: float) -> str:
    """`0 µs off the plan`, `+1.125 µs off the plan`."""
    if not off_us:
        return "0 µs off the plan"
    return f"{off_us:+.3f} µs off the plan".replace("-", "−")


def _thousands(value: float) -> str:
    """`12 845 000` or, if there is a fraction, `12 845 000.125`."""
    whole = f"{value:,.3f}".rstrip("0").rstrip(".")
    return whole.replace(",", " ")


def _load_picture() -> None:
    from hw_sim.demo import picture

    picture.load()


if __name__ == "__main__":
    sys.exit("run it as: cryo demo")
