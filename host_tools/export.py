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

    Each argument has a column of its own; kinds that use the same name and unit share it. A
    column of numbers that stand for names (faults, applicators, …) is followed by one with them.
    """
    chosen = list(records)
    kinds = {record.kind for record in chosen}
    columns: dict[tuple[str, str], bool] = {}
    for record in chosen:
        if record.kind in kinds:
            kinds.discard(record.kind)  # one record of each kind tells its columns
            for item in named_fields(record, description):
                columns.setdefault((item.name, item.unit), False)
    for record in chosen:
        for item in named_fields(record, description):
            if item.meaning is not None:
                columns[item.name, item.unit] = True
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        heading: list[str] = list(_FIXED)
        for (name, unit), named in columns.items():
            sign = symbol(unit)
            heading.append(f"{bare(name, unit)} [{sign}]" if sign and not named else name)
            if named:
                heading.append(f"{name} (name)")
        writer.writerow(heading)
        for record in chosen:
            writer.writerow(_row(serial, record, columns, description))
    finally:
        text.detach()
    return len(chosen)


def _row(
    serial: str,
    record: Record,
    columns: dict[tuple[str, str], bool],
    description: Description,
) -> list[object]:
    kind = description.kinds.get(record.kind)
    row: list[object] = [
        serial,
        record.seq,
        record.time,
        record.boot,
        record.uptime_ms,
        kind.name if kind else f"kind_{record.kind}",
        description.name("states", record.state) or record.state,
    ]
    values = {(item.name, item.unit): item for item in named_fields(record, description)}
    for key, named in columns.items():
        item = values.get(key)
        row.append("" if item is None else item.value)
        if named:
            row.append("" if item is None or item.meaning is None else item.meaning)
    return row


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
