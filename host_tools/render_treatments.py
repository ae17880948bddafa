"""Treatments for a person at a terminal. May import rich, `render`, `units`, `story`'s rows.

Made for 80 columns; a wide terminal shows more of it. What is not known is `–`. The list is laid
out here: rich's tables would take half of its time.
"""

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.text import Text

from host_tools import units
from host_tools.story import clock_error, to_the_minute, when
from host_tools.treatments import NOT_FROZEN, Treatment
from host_tools.wall_clock import BY_DEVICE, DISPUTED, NOTES

_out = Console(highlight=False, emoji=False, markup=False)
_NONE = "–"
_GOOD, _WARN, _BAD, _QUIET, _NAME = "green", "yellow", "bold red", "dim", "cyan"
_WIDE = 120
_RESULT_LEAST, _ALERTS_LEAST = 10, 12
_TO_THE_RIGHT = {"no.", "ref.", "op.", "plan/given s", "cyc."}

Row = tuple[str, Treatment, dict[str, Any]]
"""Serial, treatment, and `story.row` of it."""


def _style(result: str) -> str:
    if result == "complete":
        return _GOOD
    return _QUIET if result == NOT_FROZEN else _WARN


def _text(value: object) -> str:
    return _NONE if value is None or value == "" else str(value)


def seconds(ms: int | None) -> str:
    """`13.5`: seconds to a tenth, without the unit."""
    return _NONE if ms is None else f"{ms / 1000:.1f}"


def delivered(told: dict[str, Any]) -> str:
    """`13.5`, or `0.0…13.5` when only bounds are known."""
    least, most = seconds(told["delivered_ms"]), seconds(told["delivered_at_most_ms"])
    return least if most == least else f"{least}…{most}"


def _cells(row: Row, *, several: bool, wide: bool) -> list[str]:
    """The cells of a row, but for its result and alerts."""
    serial, item, told = row
    device = serial if wide else f"…{serial[-4:]}"
    return [
        str(item.seq),
        when(item) if wide else to_the_minute(item),
        *([device] if several else []),
        _text(told["reference"]),
        _text(told["operator"]),
        *([_text(told["profile"]), _text(told["applicator"])] if wide else []),
        f"{seconds(told['planned_ms'])}/{delivered(told)}",
        f"{item.complete}/{_text(item.cycles)}",
    ]


def _print_list(head: list[str], cells: list[list[str]], rows: Sequence[Row]) -> None:
    """Columns side by side. Result and alerts are wrapped into what is left; nothing is cut off."""
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    left = _out.width - sum(widths) - 2 * len(widths) - 2
    results = max(6, *(len(item.result) for _, item, _ in rows))
    results = min(results, max(_RESULT_LEAST, left - _ALERTS_LEAST))
    alerts = max(_ALERTS_LEAST, left - results)
    text = Text("  ".join(name.ljust(width) for name, width in zip(head, widths, strict=True)))
    text.append(f"  {'result'.ljust(results)}  alerts")
    text.stylize("bold")
    text.append("\n" + "─" * min(_out.width, len(text.plain) + alerts - 6) + "\n", _QUIET)
    for (_, item, told), row in zip(rows, cells, strict=True):
        plain = "  ".join(
            cell.rjust(width) if name in _TO_THE_RIGHT else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        )
        ends, says = wrap(item.result, results), wrap(", ".join(told["alerts"]), alerts)
        for end, say in zip_longest(ends, says, fillvalue=""):
            text.append(plain + "  ")
            text.append(end.ljust(results if say else 0), _style(item.result))
            text.append(f"  {say}\n" if say else "\n", _WARN)
            plain = " " * len(plain)
    _out.print(text, end="", soft_wrap=True)


def listed(rows: Sequence[Row], *, several: bool, total: int) -> None:
    """`cryo treatments`."""
    if not rows:
        _out.print(
            f"No such treatment; {total} are stored." if total else "No treatment is stored yet."
        )
        return
    wide = _out.width >= _WIDE
    head = ["no.", "date (UTC)", *(["device"] if several else []), "ref.", "op."]
    head += [*(["profile", "applicator"] if wide else []), "plan/given s", "cyc."]
    cells = [_cells(row, several=several, wide=wide) for row in rows]
    _print_list(head, cells, rows)
    notes = [f"{len(rows)} of {total} treatments"]
    if any(item.when_how == BY_DEVICE for _, item, _ in rows):
        notes.append("times by a device's clock that was never compared (cryo time --set)")
    if any(item.when_how == DISPUTED for _, item, _ in rows):
        notes.append("a wide ± where the computers that set the clock disagree")
    if not wide:
        notes.append(f"± of times, profile, applicator from {_WIDE} columns on")
    _out.print(Text("; ".join(notes), _QUIET))


def _line(name: str, value: object, style: str = "") -> None:
    text = Text(f"  {name:<14}", _QUIET)
    text.append(_text(value), style or "default")
    _out.print(text)


def _head(title: str) -> None:
    _out.print(Text(title, "bold"))


def _when(entry: dict[str, Any]) -> str:
    if entry["time"]:
        return str(entry["time"])[:19].replace("T", " ")
    return f"start {entry['boot']} +{entry['uptime_ms'] / 1000:.1f} s"


def _who(operator: int | None) -> str:
    return f"operator {operator}" if operator else "nobody signed in"


def told(treatment: Treatment, data: dict[str, Any]) -> None:
    """`cryo treatment N`."""
    _out.print(
        Text.assemble(
            (f"Treatment {treatment.seq}", "bold"), " of ", (data["device"], _NAME), "  ",
            (treatment.result, _style(treatment.result)),
        )
    )  # fmt: skip
    _line("Time (UTC)", when(treatment) + NOTES.get(treatment.when_how, ""))
    if error := clock_error(treatment):
        _line("Its own clock", error, _WARN)
    _line("Reference", data["reference"] or "none")
    operator = _who(data["operator"]) + (f", {data['role']}" if data["role"] else "")
    _line("Operator", operator)
    _line("Profile", data["profile"])
    _line("Applicator", f"{_text(data['applicator'])} (table {_text(data['table_version'])})")
    plan = units.show(data["plan_um"], "um")
    if data["spread_um"] is not None:
        plan += f" ± {units.show(data['spread_um'], 'um')}"
    margin = units.show(data["margin_um"], "um")
    _line(
        "Plan",
        f"{plan} at {_text(data['target'])} (lesion {units.show(data['depth_um'], 'um')}, margin "
        f"{margin}); {_text(data['cycles'])} × {seconds(data['dose_ms'])} s",
    )
    estimate = units.show(data["estimate_um"], "um")
    _line(
        "Delivered",
        f"{delivered(data)} s of {seconds(data['planned_ms'])} s; {treatment.complete} of "
        f"{_text(data['cycles'])} cycles complete; estimate {estimate}",
    )
    _line("Alerts", ", ".join(data["alerts"]) or "none", _WARN if data["alerts"] else "")
    if treatment.reason:
        _line("Disarmed by", treatment.reason)
    if treatment.partial:
        _line("Note", "records of this treatment are not stored", _WARN)
    _story(data)
    _verification(data["verification"])


def _story(data: dict[str, Any]) -> None:
    _head("Checklist")
    if not data["screenings"]:
        _out.print("  none was recorded")
    for entry in data["screenings"]:
        _out.print(f"  {_when(entry)}  {entry['outcome']}, {_who(entry['operator'])}")
        for name in entry["present"]:
            over = " – overridden by a physician" if name in entry["overridden"] else ""
            _out.print(Text(f"    applies: {name}{over}", _WARN))
    if data["purges"]:
        _head("Purges")
    for purge in data["purges"]:
        _out.print("  " + _purge(purge))
    _head("Freezes")
    if not data["freezes"]:
        _out.print("  none")
    for freeze in data["freezes"]:
        _freeze(freeze)
    if data["faults"]:
        _head("Faults")
    for entry in data["faults"]:
        _out.print(
            Text.assemble(
                f"  {_when(entry)}  ", (str(entry["fault"]), _BAD),
                f": {entry['text']}. {entry['action']}" if entry["text"] else "",
            )
        )  # fmt: skip
    _head("Observation")
    if not data["observations"]:
        _out.print("  none was recorded")
    for entry in data["observations"]:
        answers = f": {', '.join(entry['answers'])}" if entry["answers"] else ""
        after = units.show(entry.get("after"), "s")
        _out.print(f"  {_when(entry)}  {entry['outcome']} after {after}{answers}")


def _purge(purge: dict[str, Any]) -> str:
    begin, end, lost = purge["begin"], purge["end"], purge["lost"]
    text = _when(begin or end or lost)
    if end:
        return (
            f"{text}  {end['cause']} after {units.show(end['delivered_gate'], 'us')}; nozzle "
            f"{units.show(end['nozzle'], 'c_x100')}"
        )
    if lost:
        return (
            f"{text}  lost ({lost['reset_cause']}): open "
            f"{units.show(lost['delivered_at_least'], 'us')} to "
            f"{units.show(lost['delivered_at_most'], 'us')}"
        )
    return f"{text}  no end recorded"


def _freeze(freeze: dict[str, Any]) -> None:
    planned = seconds(freeze["dose_ms"])
    if freeze["delivered_us"] is not None:
        given = f"{seconds(freeze['delivered_ms'])} of {planned} s"
    elif freeze["most_us"] is not None:
        given = (
            f"{seconds(freeze['least_us'] // 1000)} to {seconds(freeze['most_us'] // 1000)} "
            f"of {planned} s"
        )
    else:
        given = f"planned {planned} s; no end recorded"
    cause = freeze["cause"] or "under way"
    _out.print(f"  cycle {freeze['cycle']}  {cause}: {given}")
    details = [
        f"nozzle {units.show(freeze['nozzle_c_x100'], 'c_x100')}, lowest "
        f"{units.show(freeze['nozzle_min_c_x100'], 'c_x100')}",
        f"pressure {units.show(freeze['pressure_mbar'], 'mbar')}, lowest "
        f"{units.show(freeze['pressure_min_mbar'], 'mbar')}",
    ]
    if freeze["estimate_um"] is not None:
        details.append(
            f"estimate {units.show(freeze['estimate_um'], 'um')} ± "
            f"{units.show(freeze['estimate_spread_um'], 'um')} of "
            f"{units.show(freeze['aim_um'], 'um')}"
            + (f" ({freeze['note']})" if freeze["note"] else "")
        )
    elif freeze["note"]:
        details.append(f"estimate -- ({freeze['note']})")
    if freeze["ice_field_ms"] is not None:
        details.append(f"ice field marked at {seconds(freeze['ice_field_ms'])} s")
    if freeze["thaw_ms"] is not None:
        details.append(f"thaw {seconds(freeze['thaw_ms'])} s, {freeze['thaw_by']}")
    for line in details:
        _out.print(Text(f"           {line}", _QUIET))


def _verification(found: dict[str, Any]) -> None:
    _head("Verification")
    span = f"#{found['first']}…{found['last']}"
    if found["chain_good"]:
        _out.print(
            Text.assemble(
                ("  ✓ ", _GOOD),
                f"chain of {found['records_checked']} records ({span}) verified; this treatment: "
                f"#{found['treatment_first']}…{found['treatment_last']}",
            )
        )
    else:
        count = len(found["problems"])
        _out.print(Text(f"  ✗ {count} problems in the chain of {span}:", _BAD))
        for problem in found["problems"][:5]:
            _out.print(Text(f"    {problem}", _BAD))
    if found["signed"]:
        _out.print(
            Text.assemble(
                ("  ✓ ", _GOOD), f"not rewritten since signed: head {found['signed_about']}"
            )
        )
    else:
        _out.print(Text("  ! no signed head covers this treatment", _WARN))
    if not found["treatment_complete"]:
        _out.print(Text("  ! records of this treatment are not stored", _WARN))
    for seq in found["anchored"]:
        _out.print(Text(f"    #{seq} continues the chain value that the device stated", _QUIET))
