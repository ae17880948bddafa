"""Records as files for other programs: CSV by RFC 4180, and JSON Lines.

May import `records`, `description` and the standard library. Both are UTF-8. Numbers are the
device's own integers, with their unit in the column's heading (CSV) or beside them (JSON Lines);
times are ISO 8601 with offset, empty (null) when the device's clock was not set.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import BinaryIO

from host_tools.description import Description
from host_tools.records import Record, as_dict, named_fields
from host_tools.units import bare, symbol

FORMATS = ("csv", "jsonl")

_FIXED = ("device", "seq", "time", "boot", "uptime [ms]", "kind", "state")


def write_csv(
    out: BinaryIO, serial: str, records: Iterable[Record], description: Description
) -> int:
    """Write one row a record and return how many.

    Each argument has its own column; kinds that use the same name and unit share it. A
    column of codes (faults, applicators, …) is followed by one with them.
    """
    chosen = list(records)
    rows: list[dict[str, object]] = []
    columns: dict[str, None] = dict.fromkeys(_FIXED)
    named: set[str] = set()
    for record in chosen:
        row = _fixed(serial, record, description)
        kind = description.kinds.get(record.kind)
        for index, item in enumerate(named_fields(record, description)):
            # The unit as described: what is in a setting's unit has one column, not one a unit.
            unit = kind.fields[index][1] if kind else ""
            heading = _heading(item.name, unit, item.meaning is not None)
            columns.setdefault(heading)
            row[heading] = item.value
            if item.meaning is not None:
                named.add(heading)
                row[f"{heading} (name)"] = item.meaning
        rows.append(row)
    headings = [
        text
        for heading in columns
        for text in ((heading, f"{heading} (name)") if heading in named else (heading,))
    ]
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.DictWriter(text, headings, restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    finally:
        text.detach()
    return len(chosen)


def _heading(name: str, unit: str, has_meaning: bool) -> str:
    sign = "" if has_meaning else symbol(unit)
    heading = f"{bare(name, unit)} [{sign}]" if sign else name
    return f"{heading} (argument)" if heading in _FIXED else heading


def _fixed(serial: str, record: Record, description: Description) -> dict[str, object]:
    kind = description.kinds.get(record.kind)
    values = (
        serial,
        record.seq,
        record.time,
        record.boot,
        record.uptime_ms,
        kind.name if kind else f"kind_{record.kind}",
        description.name("states", record.state) or record.state,
    )
    return dict(zip(_FIXED, values, strict=True))


def write_jsonl(
    out: BinaryIO, serial: str, records: Iterable[Record], description: Description
) -> int:
    """Write one JSON object a line and return how many."""
    count = 0
    for record in records:
        line = {"device": serial} | as_dict(record, description)
        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count
