"""A treatment, or a session, as one self-contained HTML page for a file and for paper.

Imported only when `cryo report` is run; imports `story`, `report_plots`, `course`, `units`, `store`
and the standard library. The page takes nothing from outside, which its own policy forbids as well;
every text of the journal is escaped. It fits A4 and Letter.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools import report_plots, units
from host_tools.course import SESSION_GAP_S
from host_tools.errors import LocalError, UsageError
from host_tools.projection import Wanted
from host_tools.story import clock_error, story, when
from host_tools.treatments import Treatment
from host_tools.wall_clock import NOTES

if TYPE_CHECKING:
    from host_tools.store import Store

_NONE = "–"
_UNIT_MOST = 16
_STYLE = """
@page { margin: 14mm; }
* { box-sizing: border-box; }
body { font: 10.5pt/1.4 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; color: #1b2733;
  max-width: 186mm; margin: 8mm auto; padding: 0 4mm; }
h1 { font-size: 17pt; margin: 0; } h2 { font-size: 11.5pt; margin: 5mm 0 1.5mm; color: #1f5fa8;
  border-bottom: 1px solid #d5dde4; break-after: avoid; }
header { display: flex; justify-content: space-between; align-items: flex-start;
  border-bottom: 2px solid #1b2733; padding-bottom: 2mm; margin-bottom: 3mm; }
header p { margin: 0; color: #5b6b7a; }
.badge { border: 1.5px solid; border-radius: 3px; padding: 1mm 3mm; font-weight: 600;
  white-space: nowrap; }
.good { color: #1c6b36; } .warn { color: #8a5300; } .bad { color: #b3261e; }
.quiet { color: #5b6b7a; } .small { font-size: 9pt; }
dl { display: grid; grid-template-columns: auto 1fr auto 1fr; gap: 0.6mm 3mm; margin: 0; }
dt { color: #5b6b7a; white-space: nowrap; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.7mm 2mm 0.7mm 0; border-bottom: 1px solid #e6ebef;
  vertical-align: top; } th { color: #5b6b7a; font-weight: 600; } td.n, th.n { text-align: right; }
  td.n { white-space: nowrap; }
tr, svg, figure, .sign { break-inside: avoid; } thead { display: table-header-group; }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
ul { margin: 0; padding-left: 5mm; }
article + article { margin-top: 10mm; }
h2.new, article + article { break-before: page; }
.sign { display: grid; grid-template-columns: 1fr 1fr 40mm; gap: 8mm; margin-top: 14mm; }
.sign div { border-top: 1px solid #1b2733; padding-top: 1mm; color: #5b6b7a; font-size: 9pt; }
code { font: 8.5pt ui-monospace, "Liberation Mono", monospace; overflow-wrap: anywhere; }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 9.5pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, body: str, *, language: str = "en", style: str = _STYLE) -> str:
    """A whole page around `body`, which must be escaped already; nothing is loaded into it."""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def write(path: Path, text: str) -> None:
    """Write a page. Raises LocalError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from None


# -- parts ----------------------------------------------------------------------------------------


def _t(value: object) -> str:
    return escape(_NONE if value is None or value == "" else str(value))


def _u(value: int | None, unit: str) -> str:
    return escape(units.show(value, unit))


def _s(ms: int | None) -> str:
    return _NONE if ms is None else f"{ms / 1000:.1f} s"


def _list(entries: Iterable[str]) -> str:
    found = [f"<li>{entry}</li>" for entry in entries]
    return f"<ul>{''.join(found)}</ul>" if found else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: str = "") -> str:
    """A table of escaped cells; `numbers`: `1` where a column is set to the right."""
    sides = [' class="n"' if flag == "1" else "" for flag in numbers.ljust(len(headings), "0")]
    head = "".join(f"<th{side}>{name}</th>" for side, name in zip(sides, headings, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{side}>{cell}</td>" for side, cell in zip(sides, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _when(entry: dict[str, Any]) -> str:
    if entry["time"]:
        return escape(str(entry["time"])[:19].replace("T", " "))
    return f"start {entry['boot']} +{entry['uptime_ms'] / 1000:.1f} s"


def _who(operator: int | None) -> str:
    return f"operator {operator}" if operator else "nobody signed in"


def _given(data: dict[str, Any]) -> str:
    least, most = data["delivered_ms"], data["delivered_at_most_ms"]
    return _s(least) if most <= least else f"{least / 1000:.1f} to {most / 1000:.1f} s"


def _facts(treatment: Treatment, data: dict[str, Any]) -> str:
    known = NOTES.get(treatment.when_how, "")
    error = clock_error(treatment)
    role = f", {data['role']}" if data["role"] else ""
    spread = f" ± {_u(data['spread_um'], 'um')}" if data["spread_um"] is not None else ""
    target = str(data["target"] or "").replace("degC", "°C")
    pairs = (
        ("Time (UTC)", _t(when(treatment) + known)),
        *((("Its own clock", _t(error)),) if error else ()),
        ("Device", _t(data["device"])),
        ("Patient reference", _t(data["reference"] or "none")),
        ("Operator", _t(_who(data["operator"]) + role)),
        ("Profile", _t(data["profile"])),
        ("Applicator", f"{_t(data['applicator'])} (table {_t(data['table_version'])})"),
        ("Lesion, margin", f"{_u(data['depth_um'], 'um')}, {_u(data['margin_um'], 'um')}"),
        (
            "Planned depth",
            f"{_u(data['plan_um'], 'um')}{spread} at {_t(target)}",
        ),
        ("Planned", f"{_t(data['cycles'])} × {_s(data['dose_ms'])}"),
        ("Delivered", f"{_given(data)}; {treatment.complete} of {_t(data['cycles'])} complete"),
        ("Deepest estimate", _u(data["estimate_um"], "um")),
        ("Lowest nozzle", _u(data["nozzle_min_c_x100"], "c_x100")),
    )
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs) + "</dl>"


def _checklist(data: dict[str, Any]) -> str:
    entries: list[str] = []
    for one in data["screenings"]:
        applies = ", ".join(
            escape(name)
            + (' <b class="warn">(overridden)</b>' if name in one["overridden"] else "")
            for name in one["present"]
        )
        entries.append(
            f"{_when(one)}: <b>{_t(one['outcome'])}</b>, {_t(_who(one['operator']))}"
            + (f"<br>applies: {applies}" if applies else "")
        )
    return _list(entries) or '<p class="warn">No checklist was recorded for this treatment.</p>'


def _alerts(data: dict[str, Any]) -> str:
    told = {str(one["fault"]): one for one in data["faults"]}
    entries: list[str] = []
    for name in data["alerts"]:
        fault = told.get(name)
        text = f": {escape(fault['text'])}. {escape(fault['action'])}" if fault else ""
        entries.append(f'<b class="warn">{escape(name)}</b>{text}')
    return _list(entries) or "<p>None.</p>"


def _freezes(data: dict[str, Any]) -> str:
    rows = [
        (
            _t(one["cycle"]),
            _t(one["cause"] or "no end recorded"),
            _s(one["dose_ms"]),
            _s(one["delivered_ms"])
            if one["delivered_us"] is not None
            else f"{(one['least_us'] or 0) / 1e6:.1f} to {(one['most_us'] or 0) / 1e6:.1f} s",
            _u(one["nozzle_min_c_x100"], "c_x100"),
            _u(one["pressure_min_mbar"], "mbar"),
            _u(one["estimate_um"], "um")
            + (
                f" ± {_u(one['estimate_spread_um'], 'um')}"
                if one["estimate_um"] is not None
                else ""
            ),
            _s(one["ice_field_ms"]),
            _s(one["thaw_ms"]),
        )
        for one in data["freezes"]
    ]
    if not rows:
        return "<p>None.</p>"
    headings = (
        "cycle", "ended by", "planned", "delivered", "lowest nozzle", "lowest pressure",
        "estimated depth", "ice field", "thaw",
    )  # fmt: skip
    return _table(headings, rows, "001111111")


def _observations(data: dict[str, Any]) -> str:
    entries = [
        f"{_when(one)}: <b>{_t(one['outcome'])}</b> after {_u(one.get('after'), 's')}"
        + (f" ({escape(', '.join(one['answers']))})" if one["answers"] else "")
        for one in data["observations"]
    ]
    return _list(entries) or "<p>None was recorded.</p>"


def _verification(data: dict[str, Any]) -> str:
    found = data["verification"]
    span = f"#{found['first']} to #{found['last']}"
    if found["chain_good"]:
        words = (
            f'<b class="good">Verified.</b> The hash chain of all {found["records_checked"]} '
            f"stored records of this device ({span}) holds"
        )
    else:
        problems = _list(escape(problem) for problem in found["problems"][:5])
        words = (
            f'<b class="bad">NOT VERIFIED.</b> The records {span} are not as they were{problems}'
        )
    if not found["treatment_complete"]:
        words += '; <b class="bad">records of this treatment are not stored</b>'
    chain = data["records"][-1]["chain"] if data["records"] else _NONE
    if found["anchored"]:
        words += (
            "; older records are not stored, and the chain begins at a value that the device stated"
        )
    return (
        f"<p>{words}. This treatment: records #{found['treatment_first']} to "
        f"#{found['treatment_last']}; chain value of the last: <code>{escape(chain)}</code>. "
        f"{_signed(found)}</p>"
    )


def _signed(found: dict[str, Any]) -> str:
    if not found["signed"]:
        return (
            '<b class="warn">No signed head covers this treatment</b>: the chain shows that a '
            "record was altered; who holds the device or the file can write all of it again."
        )
    return (
        f"Not rewritten since head {escape(found['signed_about'])} was signed: <code>"
        f"{escape(found['signed_head']['signature'])}</code>."
    )


def _records(data: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    for one in data["records"]:
        told = " · ".join(
            f'<span class="quiet">{escape(name.replace("_", " "))}</span> '
            + escape(str(value.get("name") or units.show(value["value"], _short(value))))
            for name, value in one["fields"].items()
        )
        rows.append((str(one["seq"]), _when(one), escape(one["kind"]), told))
    return f'<div class="small">{_table(("no.", "time (UTC)", "record", "fields"), rows)}</div>'


def _short(value: dict[str, Any]) -> str:
    """A field's unit, unless it is a sentence that explains a list of bits."""
    unit = str(value.get("unit", ""))
    return unit if unit in units.UNITS or len(unit) <= _UNIT_MOST else ""


def _figure(title: str, svg: str) -> str:
    return f"<h2>{title}</h2><figure>{svg}</figure>" if svg else ""


def article(treatment: Treatment, data: dict[str, Any], *, records: bool = True) -> str:
    """One treatment as a part of a page."""
    good = treatment.result == "complete" and not data["alerts"]
    freezes = data["freezes"]
    parts = [
        "<article><header><div>"
        f"<h1>Treatment {treatment.seq}</h1><p>Cryodose, liquid nitrogen applicator</p></div>"
        f'<div class="badge {"good" if good else "warn"}">{escape(treatment.result)}</div>',
        "</header>",
        _facts(treatment, data),
        f"<h2>Alerts</h2>{_alerts(data)}",
        _figure("Valve and nozzle", report_plots.course(data["records"], freezes)),
        _figure("Plan against delivered", report_plots.times(freezes)),
        _figure("Estimated depth", report_plots.depths(freezes, data["depth_um"], data["plan_um"])),
        f"<h2>Freezes</h2>{_freezes(data)}",
        f"<h2>Checklist and overrides</h2>{_checklist(data)}",
        f"<h2>Observation</h2>{_observations(data)}",
        f"<h2>Verification</h2>{_verification(data)}",
        '<p class="small quiet">Depths are the device\'s estimates from time, nozzle and pressure; '
        "they were not measured in tissue.</p>",
        '<div class="sign"><div>Name</div><div>Signature</div><div>Date</div></div>',
    ]
    if records:
        parts.append(f'<h2 class="new">Records</h2>{_records(data)}')
    parts.append("</article>")
    return "\n".join(part for part in parts if part)


def session_of(store: Store, serial: str, treatment: Treatment) -> list[tuple[str, Treatment]]:
    """The treatments of the same reference around this one, on any device.

    Raises UsageError when it has no reference or no time: nothing then says what belongs together.
    """
    if not treatment.reference or not treatment.when_s:
        raise UsageError(
            f"treatment {treatment.seq} has no {'time' if treatment.reference else 'reference'}, "
            "so that nothing says which others belong to its session",
            "leave --session out",
        )
    found = store.treatments(Wanted(reference=treatment.reference))
    place = found.index((serial, treatment))
    first = last = place
    while first and found[first][1].when_s - found[first - 1][1].when_s <= SESSION_GAP_S:
        first -= 1
    while (
        last + 1 < len(found) and found[last + 1][1].when_s - found[last][1].when_s <= SESSION_GAP_S
    ):
        last += 1
    return found[first : last + 1]


def _overview(told: Sequence[tuple[Treatment, dict[str, Any]]]) -> str:
    first = told[0][1]
    rows = [
        (
            str(item.seq), _t(when(item)), _t(data["profile"]), _t(data["applicator"]),
            _s(data["planned_ms"]), _given(data), f"{item.complete}/{_t(item.cycles)}",
            _u(data["estimate_um"], "um"), _t(item.result), _t(", ".join(data["alerts"])),
        )
        for item, data in told
    ]  # fmt: skip
    headings = (
        "no.", "time (UTC)", "profile", "applicator", "planned", "delivered", "cycles",
        "estimate", "result", "alerts",
    )  # fmt: skip
    count = f"{len(told)} treatment{'' if len(told) == 1 else 's'}"
    return (
        "<article><header><div><h1>Session</h1><p>Patient reference "
        f"{_t(first['reference'])}, {count}</p></div></header>"
        f"{_table(headings, rows, '1000111100')}</article>"
    )


def make(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo report N [--session]`: write the page."""
    from host_tools.practice import find

    serial, treatment = find(args, store)
    chosen = [(serial, treatment)]
    if args.session:
        chosen = session_of(store, serial, treatment)
    told = [
        (item, story(store, device, item, store.description(device))) for device, item in chosen
    ]
    body = "\n".join(article(item, data, records=not args.no_records) for item, data in told)
    title = f"Treatment {treatment.seq} of {serial}"
    if args.session:
        title = f"Session of reference {treatment.reference}"
        body = f"{_overview(told)}\n{body}"
    made = f'<p class="small quiet">Made by cryo on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>'
    name = f"session-{treatment.reference}" if args.session else f"treatment-{treatment.seq}"
    path = Path(args.output or f"{name}.html")
    write(path, page(title, f"{body}\n{made}"))
    good = all(data["verification"]["chain_good"] for _, data in told)
    if not args.json:
        print(f"{title}: written to {path}")
        if not good:
            print("the records do not verify; the report says so")
    return {
        "file": str(path),
        "treatments": [{"device": device, "number": item.seq} for device, item in chosen],
        "verified": good,
    }
