"""What a person sees: tables and panels. May import rich, `units`, and the library's types.

Made for 80 columns, and for paper-white as well as black terminals: colour only ever supports
what the words say.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from host_tools import units
from host_tools.description import Description, Setting, Table as DescriptionTable
from host_tools.device import DeviceTime, Hello, SetReply, Value
from host_tools.journal_signing import Checked, Signed, spans_text
from host_tools.keys import key_id
from host_tools.ports import PortInfo
from host_tools.pull import PullResult
from host_tools.records import Record, named_fields
from host_tools.signed_heads import Coverage
from host_tools.wall_clock import plain

_out = Console(highlight=False, emoji=False, markup=False)
_err = Console(stderr=True, highlight=False, emoji=False, markup=False)

_STATE_STYLE = {"READY": "bold green", "FAULT": "bold red"}
_OTHER_STATE = "bold cyan"
_GOOD, _BAD, _QUIET, _NAME = "green", "bold red", "dim", "cyan"


def _table(*columns: str | tuple[str, dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        if isinstance(column, str):
            table.add_column(column)
        else:
            table.add_column(column[0], **column[1])
    return table


def _grid(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=_QUIET, no_wrap=True)
    grid.add_column()
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _state(state: str) -> Text:
    return Text(state, _STATE_STYLE.get(state, _OTHER_STATE))


def _panel(title: Text, body: RenderableType) -> Panel:
    return Panel(
        body, title=title, title_align="left", box=box.ROUNDED, padding=(0, 1), width=_width()
    )


def _width() -> int:
    return min(80, _out.width)


# -- device ---------------------------------------------------------------------------------


def ports(found: Sequence[PortInfo]) -> None:
    """`cryo ports`."""
    if not found:
        _out.print("No serial ports on this computer.")
        _out.print("Plug the device in and switch it on, or use the simulated one: --port sim://")
        return
    table = _table("", "port", "USB", "what it is", "USB serial")
    for info in found:
        mark = Text("●", _GOOD) if info.candidate else Text("")
        table.add_row(mark, Text(info.device, _NAME), info.usb_id, info.about, info.usb_serial)
    _out.print(table)
    count = sum(info.candidate for info in found)
    if count == 1:
        _out.print(Text.assemble(("●", _GOOD), " has the device's USB identity; cryo uses it."))
    elif count:
        _out.print(
            Text.assemble(("●", _GOOD), f" {count} ports have the device's USB identity; ")
            + Text("say which with --port.")
        )
    else:
        _out.print("None of them has the device's USB identity (2e8a:0005).")


def info(hello: Hello, url: str, clock: DeviceTime | None) -> None:
    """`cryo info`."""
    if clock is None:
        time: Text = Text("cannot be asked during a freeze", _QUIET)
    elif clock.utc_s:
        time = Text(f"{plain(clock.utc_s)} UTC, set by {clock.source}")
    else:
        lost = ": the clock chip has lost its power" if clock.source == "lost" else ""
        time = Text(f"not set{lost} (`cryo time --set`)", "yellow")
    rows: list[tuple[str, RenderableType]] = [
        ("Port", url),
        ("Firmware", f"{hello.fw}, on MicroPython {hello.micropython}"),
        ("Starts", f"{hello.boot}"),
        ("Journal", _count(hello.log_head, "record")),
        ("Clock", time),
    ]
    title = Text.assemble(("Cryodose ", "bold"), (hello.serial, _NAME), "  ", _state(hello.state))
    _out.print(_panel(title, _grid(rows)))


def table(description: DescriptionTable) -> None:
    """`cryo info PART`: any part of the description, as the device gives it."""
    rows = [[_cell(value) for value in row] for row in description.rows]
    names = description.columns
    widths = [max(len(cells) for cells in column) for column in zip(names, *rows, strict=False)]
    if len(names) > 6 and sum(widths) + 3 * len(widths) > _width():
        _wide_table(names, rows, widths)
        return
    shown = _table()
    for name, width in zip(names, widths, strict=False):
        shown.add_column(
            name, style=_NAME if name in ("name", "key") else None, no_wrap=width <= 20
        )
    for row in rows:
        shown.add_row(*row)
    _out.print(shown)


def _wide_table(names: Sequence[str], rows: list[list[str]], widths: list[int]) -> None:
    """A table with the last column of each row on its own line."""
    for number, row in enumerate([list(names), *rows]):
        line = Text("  ").join(
            Text(cell.ljust(width), _NAME if number and name in ("name", "key") else "")
            for cell, width, name in zip(row[:-1], widths, names, strict=False)
        )
        if not number:
            line.stylize("bold")
        _out.print(line)
        _out.print(Padding(Text(row[-1], _QUIET), (0, 0, 0, 2 + widths[0]), expand=False))


def _cell(value: object) -> str:
    if isinstance(value, list):  # the fields of a record: [["name", "unit"], …]
        return ", ".join(
            f"{units.bare(name, unit)} {units.symbol(unit)}".strip()
            for name, unit in cast(list[list[str]], value)
        )
    return "" if value is None else str(value).replace("|", " ")


def _words(value: int | None, row: Setting, description: Description) -> str:
    if value is not None:
        name = description.meaning(row.key, row.unit, value)
        if name is not None:
            return f"{name} ({value})"
    return units.show(value, row.unit)


def _range(row: Setting, description: Description) -> str:
    part = description.part_of(row.key, row.unit)
    return f"{row.min}…{row.max}" if part else units.show_range(row.min, row.max, row.unit)


def settings(rows: Sequence[Setting], values: Sequence[Value], description: Description) -> None:
    """`cryo get`: two lines a setting, what it is worth and what it is."""
    words = [_words(value.value, row, description) for row, value in zip(rows, values, strict=True)]
    name_width = max((len(row.key) for row in rows), default=0) + 4
    value_width = max(map(len, words), default=0)
    for row, value, shown in zip(rows, values, words, strict=True):
        line = Text(row.key, _NAME)
        line.append(" ●" if row.who != "host" else "", "yellow")
        line.pad_right(name_width - line.cell_len)
        line.append(" " * (value_width - len(shown)))
        line.append(shown, "bold" if value.value != row.default else "")
        line.append(f"   {_range(row, description)}", _QUIET)
        _out.print(line)
        if value.pending is not None:
            waits = f"{_words(value.pending, row, description)} waits for confirmation"
            _out.print(Padding(Text("→ " + waits, "yellow"), (0, 0, 0, 2), expand=False))
        _out.print(Padding(Text(row.help, _QUIET), (0, 0, 0, 2), expand=False))
    _out.print()
    _out.print(
        Text.assemble(
            ("●", "yellow"), " takes effect after confirmation on the device.  ",
            ("Bold", "bold"), ": not the default.",
        )
    )  # fmt: skip


def setting(row: Setting, value: Value, description: Description) -> None:
    """`cryo get KEY`."""
    now = Text(_words(value.value, row, description), "bold")
    plain = units.show(value.value, row.unit, plain=True)
    if plain != now.plain and not description.part_of(row.key, row.unit):
        now.append(f"   {plain}", _QUIET)
    who = (
        "the host, immediately"
        if row.who == "host"
        else "the host, with confirmation on the device"
    )
    rows: list[tuple[str, RenderableType]] = [("Value", now)]
    if value.pending is not None:
        waits = f"{_words(value.pending, row, description)} waits for confirmation on the device"
        rows.append(("", Text(waits, "yellow")))
    rows += [
        ("Range", _range(row, description)),
        ("Default", _words(row.default, row, description)),
        ("Changed by", who),
        ("What it is", row.help),
    ]
    _out.print(_panel(Text(row.key, f"bold {_NAME}"), _grid(rows)))


def change(row: Setting, old: int, new: int, description: Description) -> None:
    """What `cryo set` is about to do."""
    _out.print(
        Text.assemble(
            (row.key, f"bold {_NAME}"),
            f"  {_words(old, row, description)} → ",
            (_words(new, row, description), "bold"),
            (f"   ({_range(row, description)})", _QUIET),
        )
    )


@contextmanager
def waiting(reply: SetReply) -> Generator[Callable[[float], None]]:
    """Shows that the device waits for its operator; yields what takes the seconds left."""
    _out.print(Text.assemble(("To confirm: ", "bold yellow"), reply.confirm))
    if not _out.is_terminal:
        yield lambda _: None
        return
    with _out.status(f"waiting, {reply.expires_s:.0f} s left") as spinner:
        yield lambda left_s: spinner.update(f"waiting, {left_s:.0f} s left")


def changed(row: Setting, value: int, outcome: str, description: Description) -> None:
    """How `cryo set` went well."""
    how = "confirmed on the device" if outcome == "confirmed" else "applied"
    _out.print(
        Text.assemble(("✓ ", _GOOD), f"{row.key} is {_words(value, row, description)}, {how}")
    )


_READINGS = (
    ("depth_um", "Lesion depth", "um"),
    ("applicator", "Applicator", ""),
    ("dose_ms", "Dose", "ms"),
    ("remaining_ms", "Remaining", "ms"),
    ("elapsed_ms", "Elapsed", "ms"),
    ("valve", "Valve", ""),
    ("estop", "Emergency stop", ""),
    ("nozzle_c_x100", "Nozzle", "c_x100"),
    ("pressure_mbar", "Dewar pressure", "mbar"),
    ("level_permille", "Dewar level", "permille"),
    ("coil_ma", "Valve coil", "mA"),
    ("supply_mv", "Supply", "mV"),
    ("log_head", "Journal", ""),
    ("log_left", "Journal has room for", ""),
    ("uptime_ms", "Up for", ""),
    ("heap_free", "Free memory", "B"),
    ("worst_tick_us", "Longest tick", "us"),
    ("overruns", "Overruns", ""),
    ("dropped_lines", "Dropped lines", ""),
)
"""Keys of `status` (docs/protocol.md) in the order of showing, their words and units."""

_LOG_LOW = 100
"""Treatments: below this the device shows a notice, too (docs/protocol.md)."""


def status(reply: dict[str, Any], faults: Sequence[Sequence[Any]]) -> None:
    """`cryo status`."""
    _out.print(status_panel(reply, faults))


def status_panel(reply: dict[str, Any], faults: Sequence[Sequence[Any]]) -> RenderableType:
    """The state and the readings as one block; `faults` are rows of `describe`."""
    cells: list[tuple[Text, Text]] = []
    for key, words, unit in _READINGS:
        if key in reply:
            cells.append((Text(words, _QUIET), _reading(key, reply[key], unit)))
    half = (len(cells) + 1) // 2
    grid = Table.grid(padding=(0, 2), expand=True)
    for ratio in (3, 4, 3, 4):
        grid.add_column(ratio=ratio)
    for index in range(half):
        right = cells[half + index] if half + index < len(cells) else (Text(), Text())
        grid.add_row(*cells[index], *right)
    body: list[RenderableType] = [grid]
    elapsed, remaining = reply.get("elapsed_ms"), reply.get("remaining_ms")
    if isinstance(elapsed, int) and isinstance(remaining, int) and elapsed + remaining:
        bar = ProgressBar(total=elapsed + remaining, completed=elapsed, width=_width() - 4)
        body.append(Padding(bar, (1, 0, 0, 0)))
    numbers: list[int] = list(reply.get("faults") or [])
    known = {row[0]: row for row in faults}
    if numbers:
        body.append(Text())
    for number in numbers:
        row = known.get(number)
        if row is None:
            body.append(Text(f"Fault {number}", _BAD))
        else:
            about, action = _cell(row[4]), _cell(row[5])
            body.append(Text.assemble((f"{row[1]}", _BAD), f": {about}. {action}"))
    since_ms = reply.get("state_ms")
    since = f" for {_duration(since_ms)}" if isinstance(since_ms, int) else ""
    title = Text.assemble(_state(str(reply["state"])), since)
    return _panel(title, Group(*body))


def _reading(key: str, value: object, unit: str) -> Text:
    if key == "valve":
        return Text(str(value), "bold yellow" if value == "open" else "")
    if key == "estop":
        return Text(str(value), _BAD if value == "open" else "")
    if key == "log_left" and isinstance(value, int):
        low = value < _LOG_LOW
        words = _count(value, "treatment") + (": pull the log" if low else "")
        return Text(words, "bold yellow" if low else "")
    if key == "log_head" and isinstance(value, int):
        return Text(_count(value, "record"))
    if key == "uptime_ms" and isinstance(value, int):
        return Text(_duration(value))
    if value is None:
        return Text("no valid reading", "yellow")
    if isinstance(value, int) and not isinstance(value, bool):
        if key in ("overruns", "dropped_lines") and value:
            return Text(str(value), "yellow")
        if key in ("remaining_ms", "elapsed_ms", "dose_ms"):
            return Text(f"{value / 1000:.1f} s")
        if key == "nozzle_c_x100":
            return Text(f"{value / 100:.1f} °C")
        return Text(units.show(value, unit))
    return Text(str(value))


@contextmanager
def live() -> Generator[Callable[[RenderableType], None]]:
    """A block that is drawn over and over; on a pipe, one after the other."""
    if not _out.is_terminal:
        yield _out.print
        return
    with Live(console=_out, auto_refresh=False) as display:
        yield lambda block: display.update(block, refresh=True)


def clock(device_time: DeviceTime, ahead_s: int | None, *, was_set: bool) -> None:
    """`cryo time`."""
    if ahead_s is None:
        _out.print("The device's clock is not set. Set it: cryo time --set")
        return
    if abs(ahead_s) <= 1:
        beside = "same as this computer's"
    else:
        side = "ahead of" if ahead_s > 0 else "behind"
        beside = f"{_duration(abs(ahead_s) * 1000)} {side} this computer's"
    mark = Text("✓ set: " if was_set else "", _GOOD)
    mark.append(f"{plain(device_time.utc_s)} UTC", "default")
    mark.append(f"  ({beside}; source: {device_time.source})", _QUIET)
    _out.print(mark)


# -- journal --------------------------------------------------------------------------------


@contextmanager
def pulling() -> Generator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, when that is a terminal."""
    if not _err.is_terminal:
        yield None
        return
    bar = Progress(
        TextColumn("pulling"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def pulled(result: PullResult, path: str) -> None:
    """`cryo log pull`."""
    if result.gap:
        first, last = result.gap
        _out.print(
            Text(
                f"! records {first}…{last} are gone from the device and were never pulled",
                "bold yellow",
            )
        )
    if result.new:
        first = result.head - result.new + 1
        which = f"#{first}" if result.new == 1 else f"#{first}…{result.head}"
        what = f"{_count(result.new, 'new record')} ({which}), " + (
            "chain verified" if not result.broken else "chain broken"
        )
    elif result.known:
        what = f"{_count(result.known, 'record')} compared, equal to those stored"
    elif result.head:
        what = f"nothing new: all {result.head} records are stored already"
    else:
        what = "the journal is empty"
    mark = ("✗ ", _BAD) if result.broken else ("✓ ", _GOOD)
    _out.print(Text.assemble(mark, (result.serial, _NAME), f"  {what}"))
    if result.broken:
        shown = ", ".join(f"#{seq}" for seq in result.broken[:8])
        more = f" and {len(result.broken) - 8} more" if len(result.broken) > 8 else ""
        _out.print(Text(f"  do not continue the chain, stored all the same: {shown}{more}", _BAD))
    if result.new and result.known:
        _out.print(Text(f"  {result.known} equal those stored already", _QUIET))
    extra = f", {result.repeated} of them twice" if result.repeated else ""
    if result.received:
        rate = result.received / result.seconds if result.seconds else 0.0
        _out.print(
            Text(
                f"  {result.received} received{extra} in {result.seconds:.1f} s ({rate:.0f}/s)",
                _QUIET,
            )
        )
    if result.released is not None:
        left = "" if result.left is None else f", room for {_count(result.left, 'treatment')}"
        _out.print(Text(f"  released on the device up to #{result.released}{left}", _QUIET))
    elif result.not_released:
        _out.print(Text(f"  not released on the device: {result.not_released}", "yellow"))
    _out.print(Text(f"  {path}", _QUIET))


def records(serial: str, shown: Sequence[Record], description: Description, last: int) -> None:
    """`cryo log show`."""
    if not shown:
        _out.print(f"No such records of {serial}; the newest stored is #{last}.")
        return
    grid = _table(
        ("#", {"justify": "right", "style": _QUIET}),
        ("time (UTC)", {"no_wrap": True}),
        ("kind", {"style": _NAME, "no_wrap": True}),
        "what happened",
    )
    boot = None
    for record in shown:
        if boot is not None and record.boot != boot:
            grid.add_section()
        boot = record.boot
        kind = description.kinds.get(record.kind)
        when = (
            Text(plain(record.utc_s))
            if record.utc_s
            else Text(f"start {record.boot} +{_duration(record.uptime_ms)}", _QUIET)
        )
        grid.add_row(
            str(record.seq),
            when,
            kind.name if kind else f"kind {record.kind}",
            _happened(record, description),
        )
    _out.print(grid)
    _out.print(Text(f"{serial}: {len(shown)} of {_count(last, 'record')}", _QUIET))


def record(one: Record, description: Description) -> None:
    """`cryo log follow`: one record, on one line where the terminal is wide enough."""
    _out.print(record_line(one, description))


def record_line(one: Record, description: Description) -> Text:
    """A record's number, time, kind and fields."""
    when = plain(one.utc_s) if one.utc_s else f"start {one.boot} +{_duration(one.uptime_ms)}"
    kind = description.kinds.get(one.kind)
    name = kind.name if kind else f"kind {one.kind}"
    line = Text.assemble((f"{one.seq:>6}  ", _QUIET), f"{when}  ", (f"{name}  ", _NAME))
    return line + _happened(one, description)


def _happened(record: Record, description: Description) -> Text:
    text = Text()
    for item in named_fields(record, description):
        if text:
            text.append(" · ", _QUIET)
        text.append(units.bare(item.name, item.unit).replace("_", " ") + " ", _QUIET)
        text.append(item.meaning or units.show(item.value, item.unit))
    return text


def signed(found: Signed) -> None:
    """What `cryo log pull` says of signing."""
    if found.head is None:
        _out.print(Text(f"  not signed: {found.why_not}", "yellow"))
    else:
        key = key_id(found.head.key)
        was = "" if found.new else " already"
        _out.print(Text(f"  signed{was} up to #{found.head.seq} by key {key}", _QUIET))


def verdicts(found: Sequence[Checked], strange: Sequence[str]) -> None:
    """`cryo log verify`."""
    if not found:
        _out.print("Nothing stored yet.")
    for checked in found:
        verdict = checked.verdict
        span = f"#{verdict.first}…{verdict.last}" if verdict.count else "none"
        if checked.good:
            line = Text.assemble(("✓ ", _GOOD), (verdict.serial, _NAME))
            line.append(f"  {_count(verdict.count, 'record')} ({span}), chain unbroken")
        else:
            line = Text.assemble(("✗ ", _BAD), (verdict.serial, _NAME))
            count = len(checked.problems)
            line.append(f"  {_count(verdict.count, 'record')} ({span}), ")
            line.append(_count(count, "problem"), _BAD)
        _out.print(line)
        for first, last in verdict.gaps:
            _out.print(Text(f"  not stored: #{first}…{last}", "yellow"))
        for seq in verdict.anchored:
            _out.print(Text(f"  #{seq} continues the chain value that the device stated", _QUIET))
        for problem in checked.problems[:10]:
            _out.print(Text(f"  {problem}", _BAD))
        if len(checked.problems) > 10:
            _out.print(Text(f"  and {len(checked.problems) - 10} more", _BAD))
        _coverage(checked.coverage)
    for serial in strange:
        _out.print(Text(f"✗ {serial}  signed heads were given, and nothing is stored of it", _BAD))


def _coverage(found: Coverage) -> None:
    if found.covered:
        newest = f", newest {found.newest.about}" if found.newest else ""
        heads = f"({_count(found.heads, 'signed head')}{newest})"
        _out.print(
            Text(f"  not rewritten since signed: {spans_text(found.covered)} {heads}", _GOOD)
        )
    if found.uncovered:
        words = (
            f"  no signed head covers {spans_text(found.uncovered)}: "
            "who holds the file, or the device, could have written these again"
        )
        _out.print(Text(words, "yellow"))
    for note in found.notes:
        _out.print(Text(f"  {note}", "yellow"))


# -- words ----------------------------------------------------------------------------------


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(ms: int) -> str:
    """`4.2 s`, `12 min 5 s`, `3 h 20 min`, `5 d 3 h`."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{ms / 1000:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"
