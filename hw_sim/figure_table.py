"""One measured figure, and the table of them.

May import the standard library and rich (when a table is shown).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MET = {True: "met", False: "MISSED", None: "–"}


@dataclass(frozen=True)
class Figure:
    """One row. `met` is None for a figure that is only shown, or not measured here."""

    what: str
    asked: str
    measured: str
    over: str
    """Over how many samples, and which of them is shown (the worst, the median)."""
    met: bool | None
    note: str = ""
    value: float | None = None
    """The measured figure as a number, in `unit`."""
    unit: str = ""


def below(
    what: str, worst: float, limit: float, unit: str, over: str, note: str = "", digits: int = 1
) -> Figure:
    """A figure that must not be above `limit`."""
    return Figure(
        what,
        f"≤ {limit:g} {unit}",
        f"{worst:.{digits}f} {unit}",
        over,
        worst <= limit,
        note,
        worst,
        unit,
    )


def failed(what: str, asked: str, why: str) -> Figure:
    """A figure that could not be measured: that counts as missed."""
    return Figure(what, asked, "not measured", "", False, why)


def missed(figures: Sequence[Figure]) -> list[Figure]:
    """Those whose bar was not reached."""
    return [figure for figure in figures if figure.met is False]


def as_dicts(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(figure) for figure in figures]


def show(figures: Sequence[Figure], title: str) -> None:
    """Print the table for a person."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("what", min_width=44)
    table.add_column("asked", no_wrap=True)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("over", no_wrap=True)
    table.add_column("")
    colours = {True: "green", False: "bold red", None: "dim"}
    notes: list[str] = []
    for figure in figures:
        what = figure.what
        if figure.note:
            if figure.note not in notes:
                notes.append(figure.note)
            what += f" [dim]({notes.index(figure.note) + 1})[/dim]"
        colour = colours[figure.met]
        table.add_row(
            what,
            figure.asked,
            figure.measured,
            figure.over,
            f"[{colour}]{MET[figure.met]}[/{colour}]",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 110  # a pipe has no width
    console.print(table)
    for number, note in enumerate(notes, 1):
        console.print(f"[dim]({number}) {note}[/dim]")


def markdown(figures: Sequence[Figure]) -> str:
    """The table and its notes as Markdown."""
    lines = ["| what | asked | measured | over | |", "|---|---|---|---|---|"]
    notes: list[str] = []
    for figure in figures:
        what = figure.what
        if figure.note:
            if figure.note not in notes:
                notes.append(figure.note)
            what += f" ({notes.index(figure.note) + 1})"
        cells = (what, figure.asked, figure.measured, figure.over, MET[figure.met])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines.append("")
    lines += [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(lines) + "\n"
