"""Records and treatments as files for other programs: CSV by RFC 4180, JSON Lines, Parquet.

May import `records`, `description`, `story`, `treatments`, `units`, `extras` and the standard
library; pyarrow only when a Parquet file is written. All text is UTF-8. Numbers are the device's
own integers, with their unit in the column's heading (CSV, Parquet) or beside them (JSON Lines);
times are ISO 8601 with offset, empty (null) when the device's clock was not set.

The columns are fixed: by `LAYOUT`, and for records by what the device describes, never by which
records are chosen. Rows are written as they come, so that memory does not depend on their number.
A text that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236).
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from host_tools.description import Description
from host_tools.extras import needs
from host_tools.records import LAYOUT as RECORD_LAYOUT, as_dict, decode_at
from host_tools.story import row
from host_tools.treatments import Treatment
from host_tools.units import bare, symbol
from host_tools.wall_clock import iso

LAYOUT = 3
"""Version of the columns; counts up with each change of them."""

FORMATS = ("csv", "jsonl", "parquet")

_FIXED = ("device", "seq", "time", "boot", "uptime [ms]", "kind", "state")
_ARGUMENTS = 8
_BLOCK_ROWS = 2000
"""Rows that are written at a time."""

_PARQUET_ROWS = 20_000

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = (",", '"', "\r", "\n")
_DAY_S = 86_400

Raws = Iterable[tuple[int, bytes]]
"""Number and 64 bytes of each record. A damaged record's number is that of its place."""


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula (CWE-1236)."""
    return "'" + text if text.startswith(_FORMULA) else text


def _cell(text: str) -> str:
    """A text as it goes into a CSV file."""
    text = guarded(text)
    if any(sign in text for sign in _QUOTED):
        return '"' + text.replace('"', '""') + '"'
    return text


# -- records --------------------------------------------------------------------------------------


class RecordColumns:
    """The columns of all kinds of records that a device describes.

    Kinds that use the same name and unit share a column. A column of codes (faults, applicators,
    …) is followed by one with their names.
    """

    def __init__(self, description: Description) -> None:
        self._description = description
        self.headings: list[str] = list(_FIXED)
        self.is_text: set[str] = {"device", "time", "kind", "state"}
        self.fields: dict[int, list[tuple[str, str, str, bool]]] = {}
        """For each kind: heading, name, unit and whether a column of names follows."""
        for kind in description.kinds.values():
            self.fields[kind.number] = [
                (self._heading(name, unit), name, unit, self._is_code(name, unit))
                for name, unit in kind.fields
            ]
        coded = {heading for rows in self.fields.values() for heading, *_, code in rows if code}
        for rows in self.fields.values():
            for heading, *_ in rows:
                if heading not in self.headings:
                    self.headings.append(heading)
                    if heading in coded:
                        self.headings.append(f"{heading} (name)")
                        self.is_text.add(f"{heading} (name)")
        self.unknown = [f"argument_{index}" for index in range(_ARGUMENTS)]
        """Columns of a record whose kind the device has not described."""
        self.headings += self.unknown

    def _is_code(self, name: str, unit: str) -> bool:
        return "=" in unit or self._description.part_of(name, unit) is not None

    def _heading(self, name: str, unit: str) -> str:
        sign = "" if self._is_code(name, unit) else symbol(unit)
        heading = f"{bare(name, unit)} [{sign}]" if sign else name
        return f"{heading} (argument)" if heading in _FIXED else heading

    def kind(self, number: int) -> str:
        """Name of a kind of record."""
        kind = self._description.kinds.get(number)
        return kind.name if kind else f"kind_{number}"

    def state(self, number: int) -> str:
        """Name of a state of the device."""
        return self._description.name("states", number) or str(number)

    def meanings(self, name: str, unit: str) -> "Meanings":
        """The names behind the numbers of a field."""
        return Meanings(lambda value: self._description.meaning(name, unit, value) or "")


class Meanings(dict[int, str]):
    """Texts by number, each made once, when it is first needed."""

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: int) -> str:
        text = self[value] = self._make(value)
        return text


class _Times:
    """ISO 8601 of many times: the date is made once a day."""

    def __init__(self) -> None:
        self._dates: dict[int, str] = {}

    def __call__(self, utc_s: int) -> str:
        if not utc_s:
            return ""
        day, rest = divmod(utc_s, _DAY_S)
        date = self._dates.get(day)
        if date is None:
            date = self._dates[day] = iso(day * _DAY_S or 1)[:10]
        return f"{date}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}+00:00"


def write_csv(out: BinaryIO, serial: str, raws: Raws, description: Description) -> int:
    """Write one row a record and return how many."""
    columns = RecordColumns(description)
    out.write((",".join(_cell(heading) for heading in columns.headings) + "\r\n").encode())
    lines = _csv_lines(_cell(serial), raws, columns)
    return _write_blocks(out, lines)


def _write_blocks(out: BinaryIO, lines: Iterator[str]) -> int:
    count = 0
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) >= _BLOCK_ROWS:
            out.write("".join(block).encode())
            count += len(block)
            block.clear()
    out.write("".join(block).encode())
    return count + len(block)


def _csv_lines(serial: str, raws: Raws, columns: RecordColumns) -> Iterator[str]:
    """Each row from a template of its kind: this, not the csv module, has to be quick."""
    templates: dict[tuple[int, int], tuple[str, Callable[[list[int]], tuple[Any, ...]]]] = {}
    times = _Times()
    unpack = RECORD_LAYOUT.unpack
    for seq, raw in raws:
        _, boot, kind, state, uptime_ms, utc_s, *arguments = unpack(raw)
        made = templates.get((kind, state))
        if made is None:
            made = templates[kind, state] = _template(serial, kind, state, columns)
        line, values = made
        yield line % (seq, times(utc_s), boot, uptime_ms, *values(arguments))


def _template(
    serial: str, kind: int, state: int, columns: RecordColumns
) -> tuple[str, Callable[[list[int]], tuple[Any, ...]]]:
    """A row's text with places for its numbers, and what takes those from the arguments."""
    places: dict[str, tuple[int, Meanings | None]] = {}
    if kind in columns.fields:
        for index, (heading, name, unit, is_code) in enumerate(columns.fields[kind][:_ARGUMENTS]):
            places[heading] = (index, None)
            if is_code:
                plain = columns.meanings(name, unit)
                cells = Meanings(lambda value, plain=plain: _cell(plain[value]))
                places[f"{heading} (name)"] = (index, cells)
    else:
        places = {heading: (index, None) for index, heading in enumerate(columns.unknown)}
    order = [places[heading] for heading in columns.headings if heading in places]
    texts = [
        serial.replace("%", "%%"),
        "%d", "%s", "%d", "%d",
        _cell(columns.kind(kind)).replace("%", "%%"),
        _cell(columns.state(state)).replace("%", "%%"),
    ]  # fmt: skip
    texts += ["%s" if heading in places else "" for heading in columns.headings[len(_FIXED) :]]

    def values(arguments: list[int]) -> tuple[Any, ...]:
        return tuple([arguments[i] if names is None else names[arguments[i]] for i, names in order])

    return ",".join(texts) + "\r\n", values


def write_jsonl(out: BinaryIO, serial: str, raws: Raws, description: Description) -> int:
    """Write one JSON object a line and return how many."""
    return _write_blocks(
        out,
        (
            _json_line({"device": serial} | as_dict(decode_at(seq, raw), description))
            for seq, raw in raws
        ),
    )


def _json_line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"


def write_parquet(out: BinaryIO, serial: str, raws: Raws, description: Description) -> int:
    """Write the columns of `write_csv`, typed. Raises LocalError without pyarrow."""
    pa, parquet = _pyarrow()
    columns = RecordColumns(description)
    names = {"seq": pa.uint32(), "boot": pa.uint16(), "uptime [ms]": pa.uint32()}
    types = {
        heading: names.get(heading) or (pa.string() if heading in columns.is_text else pa.int32())
        for heading in columns.headings
    }
    types["time"] = pa.timestamp("s", tz="UTC")
    schema = pa.schema(list(types.items()), metadata={"cryodose_layout": str(LAYOUT)})
    count = 0
    with parquet.ParquetWriter(out, schema) as writer:
        for block in _blocks(raws, _PARQUET_ROWS):
            values: dict[str, list[Any]] = {heading: [None] * len(block) for heading in types}
            for place, (seq, raw) in enumerate(block):
                _fill(values, place, serial, seq, raw, columns)
            writer.write_table(pa.table(values, schema=schema))
            count += len(block)
    return count


def _fill(
    values: dict[str, list[Any]],
    place: int,
    serial: str,
    seq: int,
    raw: bytes,
    columns: RecordColumns,
) -> None:
    _, boot, kind, state, uptime_ms, utc_s, *arguments = RECORD_LAYOUT.unpack(raw)
    fixed = (serial, seq, utc_s or None, boot, uptime_ms, columns.kind(kind), columns.state(state))
    for heading, value in zip(_FIXED, fixed, strict=True):
        values[heading][place] = value
    if kind not in columns.fields:
        for heading, value in zip(columns.unknown, arguments, strict=False):
            values[heading][place] = value
        return
    for (heading, name, unit, is_code), value in zip(columns.fields[kind], arguments, strict=False):
        values[heading][place] = value
        if is_code:
            values[f"{heading} (name)"][place] = columns.meanings(name, unit)[value] or None


def _blocks(raws: Raws, size: int) -> Iterator[list[tuple[int, bytes]]]:
    block: list[tuple[int, bytes]] = []
    for item in raws:
        block.append(item)
        if len(block) >= size:
            yield block
            block = []
    if block:
        yield block


def _pyarrow() -> tuple[Any, Any]:
    with needs("parquet", "a Parquet file"):
        import pyarrow  # pyright: ignore[reportMissingImports]
        import pyarrow.parquet  # pyright: ignore[reportMissingImports]
    return pyarrow, pyarrow.parquet  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


RECORDS: dict[str, Callable[[BinaryIO, str, Raws, Description], int]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


# -- treatments -----------------------------------------------------------------------------------

TREATMENT_COLUMNS = (
    ("device", "device"),
    ("number", "treatment"),
    ("time", "time"),
    ("time_known_by", "time known by"),
    ("time_uncertainty_s", "time ± [s]"),
    ("time_earliest", "time at the earliest"),
    ("time_latest", "time at the latest"),
    ("recorded_utc_s", "device's clock [s since 1970 UTC]"),
    ("boot", "boot"),
    ("uptime_ms", "uptime [ms]"),
    ("reference", "reference"),
    ("operator", "operator"),
    ("role", "role"),
    ("profile", "profile"),
    ("applicator", "applicator"),
    ("table_version", "table version"),
    ("depth_um", "depth [µm]"),
    ("margin_um", "margin [µm]"),
    ("target", "target"),
    ("plan_um", "plan [µm]"),
    ("spread_um", "spread [µm]"),
    ("cycles", "cycles planned"),
    ("complete", "cycles complete"),
    ("dose_ms", "planned a cycle [ms]"),
    ("planned_ms", "planned [ms]"),
    ("delivered_ms", "delivered at least [ms]"),
    ("delivered_at_most_ms", "delivered at most [ms]"),
    ("estimate_um", "estimate [µm]"),
    ("nozzle_min_c_x100", "nozzle_min [0.01 °C]"),
    ("interruptions", "interruptions"),
    ("result", "result"),
    ("disarmed", "disarmed by"),
    ("checklist", "checklist"),
    ("present", "checklist applies"),
    ("overridden", "checklist overridden"),
    ("overridden_by", "overridden by"),
    ("observation", "observation"),
    ("alerts", "alerts"),
    ("complete_record", "all records stored"),
)
"""Key of `story.row`, and heading. A list is one cell, its parts divided by `; `."""

Treatments = Iterable[tuple[str, Treatment, Description]]


def write_treatments_csv(out: BinaryIO, treatments: Treatments) -> int:
    """Write one row a treatment and return how many."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    count = 0
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([heading for _, heading in TREATMENT_COLUMNS])
        for serial, treatment, description in treatments:
            told = row(serial, treatment, description)
            writer.writerow([_value(told[key]) for key, _ in TREATMENT_COLUMNS])
            count += 1
    finally:
        text.detach()
    return count


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list):
        value = "; ".join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return guarded(value) if isinstance(value, str) else value


def write_treatments_jsonl(out: BinaryIO, treatments: Treatments) -> int:
    """Write one JSON object a treatment and return how many."""
    return _write_blocks(out, (_json_line(row(*item)) for item in treatments))


def write_treatments_parquet(out: BinaryIO, treatments: Treatments) -> int:
    """Write the columns of `write_treatments_csv`, typed. Raises LocalError without pyarrow."""
    pa, parquet = _pyarrow()
    told = [row(*item) for item in treatments]
    kinds: dict[str, Any] = {}
    for key, heading in TREATMENT_COLUMNS:
        number = key.endswith(("_um", "_ms", "_x100")) or key in _WHOLE
        kinds[heading] = pa.int64() if number else pa.string()
    kinds["all records stored"] = pa.bool_()
    columns = {
        heading: ["; ".join(one[key]) if isinstance(one[key], list) else one[key] for one in told]
        for key, heading in TREATMENT_COLUMNS
    }
    for heading in ("profile", "applicator"):  # a number where the device has no name for it
        columns[heading] = [None if text is None else str(text) for text in columns[heading]]
    schema = pa.schema(list(kinds.items()), metadata={"cryodose_layout": str(LAYOUT)})
    parquet.write_table(pa.table(columns, schema=schema), out)
    return len(told)


_WHOLE = (
    "number", "boot", "reference", "operator", "table_version", "cycles", "complete",
    "interruptions", "overridden_by", "time_uncertainty_s", "recorded_utc_s",
)  # fmt: skip

TREATMENTS: dict[str, Callable[[BinaryIO, Treatments], int]] = {
    "csv": write_treatments_csv,
    "jsonl": write_treatments_jsonl,
    "parquet": write_treatments_parquet,
}
