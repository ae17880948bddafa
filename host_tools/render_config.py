"""What a person sees of `cryo config`. May import rich, `config_import` and `render`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from host_tools import render, units
from host_tools.config_import import Change
from host_tools.description import Description, Setting
from host_tools.device import SetReply

_out = Console(highlight=False, emoji=False, markup=False)
_GOOD, _BAD, _QUIET, _NAME, _ASKS = "green", "bold red", "dim", "cyan", "yellow"
_WORDS = {
    "applied": ("✓", _GOOD, "applied"),
    "confirmed": ("✓", _GOOD, "confirmed at the device"),
    "rejected": ("✗", _BAD, "rejected at the device"),
    "timed_out": ("✗", _BAD, "not confirmed in time"),
    "refused": ("✗", _BAD, "refused by the device"),
    "not sent": ("–", _QUIET, "not sent"),
    "set back": ("↩", _ASKS, "set back"),
    "kept": ("!", _BAD, "NOT set back"),
    "waiting": ("?", _ASKS, "not known: the device may still ask"),
}


def words(value: int | None, row: Setting, description: Description) -> str:
    """A value as a person reads it, with its name where it is a code."""
    name = None if value is None else description.meaning(row.key, row.unit, value)
    return units.show(value, row.unit) if name is None else f"{name} ({value})"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _key(row: Setting) -> Text:
    return Text.assemble((row.key, _NAME), (" ●" if row.who != "host" else "", _ASKS))


def differences(
    rows: Sequence[Setting],
    now: Mapping[str, int],
    wanted: Mapping[str, int],
    description: Description,
    left_out: Sequence[str],
    has_file: bool,
) -> None:
    """`cryo config diff`: device, file and default beside each other."""
    table = _table("setting", "device", *(["file"] if has_file else []), "default")
    for row in rows:
        here, there = now[row.key], wanted.get(row.key)
        changes = there is not None and there != here
        cells = [Text(words(here, row, description), "" if here == row.default else "bold")]
        if has_file:
            shown = "" if there is None else words(there, row, description)
            cells.append(Text(shown if changes or there is None else "=", "yellow" * changes))
        cells.append(Text(words(row.default, row, description), _QUIET))
        table.add_row(_key(row), *cells)
    if rows:
        _out.print(table)
        _out.print()
    changed = [row for row in rows if wanted.get(row.key, now[row.key]) != now[row.key]]
    asks = sum(row.who != "host" for row in changed)
    if has_file and not changed:
        _out.print("The device has what the file says.")
    elif has_file:
        tail = f", {asks} of them to be confirmed at the device (●)" if asks else ""
        _out.print(f"An import would change {_count(len(changed))}{tail}.")
    elif not rows:
        _out.print("All settings have their default.")
    if left_out:
        _out.print(Text(f"{_count(len(left_out))} not in the file: left as on the device.", _QUIET))


def _count(number: int) -> str:
    return f"{number} setting{'' if number == 1 else 's'}"


def planned(changes: Sequence[Change], description: Description) -> None:
    """What an import is about to do."""
    if not changes:
        _out.print("Nothing to do: the device has what the file says.")
        return
    for change in changes:
        old, new = (words(value, change.row, description) for value in (change.old, change.new))
        _out.print(Text.assemble(_key(change.row), f"  {old} → ", (new, "bold")))
    asks = sum(change.row.who != "host" for change in changes)
    if asks:
        _out.print(
            Text.assemble(
                ("● ", _ASKS),
                f"{asks} to be confirmed at the device, one by one; it shows each, and takes it "
                "when SELECT is held",
            )
        )


def asking(
    total: int, description: Description
) -> Callable[[Change, SetReply], AbstractContextManager[Callable[[float], None]]]:
    """Shows each question of the device, counted, while it is waited for."""
    asked = 0

    @contextmanager
    def ask(change: Change, reply: SetReply) -> Generator[Callable[[float], None]]:
        nonlocal asked
        asked += 1
        place = f"({asked}/{total}) " if asked <= total else ""
        new = words(change.new, change.row, description)
        _out.print(Text.assemble(place, (change.row.key, _NAME), f" {new}"))
        with render.waiting(reply) as tick:
            yield tick

    return ask


def say(text: str) -> None:
    """A line on the way."""
    _out.print(Text(text, _ASKS))


def results(
    changes: Sequence[Change], description: Description, brought: Sequence[Change] = ()
) -> None:
    """What became of each change; `brought`: what a choice has changed besides."""
    for change in changes:
        mark, style, outcome = _WORDS[change.outcome]
        is_now = change.outcome in ("applied", "confirmed", "kept")
        value = words(change.new if is_now else change.old, change.row, description)
        _out.print(
            Text.assemble((f"{mark} ", style), (change.row.key, _NAME), f" is {value}: {outcome}")
        )
    for change in brought:
        value = words(change.new, change.row, description)
        _out.print(
            Text.assemble(("✓ ", _GOOD), (change.row.key, _NAME), f" is {value}: by a choice")
        )
