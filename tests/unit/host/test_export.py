"""Records as CSV (RFC 4180) and JSON Lines."""

import csv
import io
import json
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

import pytest

from host_tools.description import Description, Table
from host_tools.errors import LocalError
from host_tools.export import (
    TREATMENT_COLUMNS,
    write_csv,
    write_jsonl,
    write_parquet,
    write_treatments_csv,
    write_treatments_jsonl,
)
from host_tools.records import decode, named_fields
from host_tools.treatments import UNKNOWN, Treatment
from tests.unit.host.fake_device import journal
from tests.unit.host.test_records import description

RECORDS = list(enumerate(journal("E6614C31", 6), 1))


def as_csv() -> bytes:
    out = io.BytesIO()
    assert write_csv(out, "E6614C31", RECORDS, description()) == 6
    return out.getvalue()


def test_csv_is_rfc_4180_in_utf_8() -> None:
    data = as_csv()
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(b"\n" in line for line in lines)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == 7


def test_csv_says_units_and_times() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv().decode(), newline="")))
    shot = rows[3]
    assert shot["planned [ms]"] == "17300"
    assert shot["min [0.01 °C]"] == "-19012"
    assert (shot["applicator"], shot["applicator (name)"]) == ("2", "spray C")
    assert shot["uptime [ms]"] == "4000"
    assert shot["time"] == "2024-06-02T09:00:04+00:00"
    assert rows[0]["time"] == ""  # the clock was not set yet
    assert shot["fault"] == ""
    assert rows[1]["fault (name)"] == "DEWAR PRESSURE"
    assert shot["state"] == "READY"


def test_csv_of_nothing_has_a_heading() -> None:
    out = io.BytesIO()
    assert write_csv(out, "A", [], description()) == 0
    assert out.getvalue().startswith(b"device,seq,time,")
    assert out.getvalue().count(b"\r\n") == 1


def test_json_lines() -> None:
    out = io.BytesIO()
    assert write_jsonl(out, "E6614C31", RECORDS, description()) == 6
    lines = [json.loads(line) for line in out.getvalue().decode("utf-8").splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[3]["device"] == "E6614C31"
    assert lines[3]["fields"]["planned_ms"] == {"value": 17300, "unit": "ms"}
    assert lines[3]["fields"]["applicator"]["name"] == "spray C"
    assert lines[0]["time"] is None


def test_the_same_records_give_the_same_bytes() -> None:
    assert as_csv() == as_csv()


def test_headings_are_unique_whatever_the_kinds_are_called() -> None:
    """Kinds may share names, have settings' units, or use the names of the fixed columns."""
    kinds = (
        (1, "a", [["state", "number"], ["cause", "0=x 1=y"], ["old", "setting's unit"]]),
        (2, "b", [["cause", "2=p 3=q"], ["boot", ""], ["seq", "count"]]),
        (3, "c", [["setting", "number"], ["old", "setting's unit"], ["cause", "ms"]]),
    )
    tables = [table for table in description().tables.values() if table.part != "records"]
    known = Description([*tables, Table("records", ("number", "name", "fields"), kinds)])
    out = io.BytesIO()
    write_csv(out, "A", RECORDS, known)
    heading = next(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))
    assert len(set(heading)) == len(heading)
    assert {"cause", "cause (name)", "cause [ms]", "old [setting's unit]"} <= set(heading)
    assert "boot (argument)" in heading


# -- columns, formulas, memory --------------------------------------------------------------------


def heading(records: list[tuple[int, bytes]]) -> list[str]:
    out = io.BytesIO()
    write_csv(out, "A", records, description())
    return next(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))


def test_the_columns_do_not_depend_on_the_records() -> None:
    assert heading(RECORDS) == heading(RECORDS[:1]) == heading([])


def test_every_field_of_every_kind_has_its_column() -> None:
    """Also a record of a kind that the device has not described."""
    raw = RECORDS[1][1]
    unknown = raw[:6] + b"\xc8" + raw[7:]
    out = io.BytesIO()
    write_csv(out, "A", [*RECORDS, (7, unknown)], description())
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    assert rows[6]["kind"] == "kind_200"
    assert rows[6]["seq"] == "7"  # by its place
    arguments = struct.unpack("<8i", raw[16:48])
    assert [rows[6][f"argument_{index}"] for index in range(8)] == list(map(str, arguments))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_taken_for_a_formula(start: str) -> None:
    """CWE-1236: a name that the device gives could be one."""
    evil = f'{start}HYPERLINK("http://a","b")'
    tables = [
        replace(table, rows=tuple((row[0], evil, *row[2:]) for row in table.rows))
        if table.part in ("states", "faults", "applicators", "records")
        else table
        for table in description().tables.values()
    ]
    out = io.BytesIO()
    write_csv(out, evil, RECORDS, Description(tables))
    rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline=""), strict=True))
    texts = [cell for row in rows for cell in row if "HYPERLINK" in cell]
    assert len(texts) > len(RECORDS) * 3
    assert all(text.startswith("'" + start) for text in texts)
    numbers = [cell for row in rows[1:] for cell in row if cell.startswith("-")]
    assert "-19012" in numbers  # numbers stay numbers

    treatment = Treatment(3, 1, 0, 0, 0, UNKNOWN, role=evil, result=evil, notes=[evil])
    out = io.BytesIO()
    write_treatments_csv(out, [(evil, treatment, description())])
    rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline=""), strict=True))
    assert sum("'" + evil == cell for cell in rows[1]) == 4
    assert evil not in rows[1]


def test_values_are_those_of_the_records() -> None:
    """The quick way (templates) against the slow one, record by record."""
    rows = list(csv.DictReader(io.StringIO(as_csv().decode(), newline="")))
    for (seq, raw), row in zip(RECORDS, rows, strict=True):
        record = decode(raw)
        assert (int(row["seq"]), row["time"]) == (seq, record.time)
        told = {cell for name, cell in row.items() if cell and name not in ("seq", "time")}
        for item in named_fields(record, description()):
            assert str(item.value) in told
            assert item.meaning is None or item.meaning in told


@pytest.mark.parametrize("utc_s", [1, 86_399, 86_400, 951_782_400, 1_767_600_000, 2**32 - 1])
def test_times_are_iso_8601(utc_s: int) -> None:
    raw = RECORDS[0][1]
    raw = raw[:12] + struct.pack("<I", utc_s) + raw[16:]
    out = io.BytesIO()
    write_csv(out, "A", [(1, raw)], description())
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    assert rows[0]["time"] == datetime.fromtimestamp(utc_s, UTC).isoformat()


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_memory_does_not_depend_on_the_number(
    write: Callable[[BinaryIO, str, Iterable[tuple[int, bytes]], Description], int],
) -> None:
    class Sink(io.RawIOBase):
        def write(self, data: object) -> int:
            return len(data)  # pyright: ignore[reportArgumentType]

    def peak(count: int) -> int:
        tracemalloc.start()
        raws = (RECORDS[index % len(RECORDS)] for index in range(count))
        assert write(Sink(), "A", raws, known) == count  # pyright: ignore[reportArgumentType]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    known = description()
    few = peak(2_500)
    assert peak(7_500) < few * 1.3


def test_treatments_have_fixed_columns() -> None:
    for count in (0, 1):
        out = io.BytesIO()
        treatment = Treatment(3, 1, 0, 0, 0, UNKNOWN, dose_ms=15_000, cycles=2)
        assert write_treatments_csv(out, [("A", treatment, description())] * count) == count
        rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))
        assert rows[0] == [name for _, name in TREATMENT_COLUMNS]
        assert len(rows) == 1 + count
    told = dict(zip(rows[0], rows[1], strict=True))
    assert (told["planned [ms]"], told["operator"], told["time"]) == ("30000", "", "")
    out = io.BytesIO()
    assert write_treatments_jsonl(out, [("A", treatment, description())]) == 1
    assert json.loads(out.getvalue())["planned_ms"] == 30_000


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LocalError, match="pyarrow") as caught:
        write_parquet(io.BytesIO(), "A", RECORDS, description())
    assert "parquet" in caught.value.text
    assert caught.value.hint


def test_parquet_has_the_columns_of_the_csv() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    assert write_parquet(out, "A", RECORDS, description()) == len(RECORDS)
    table = parquet.read_table(io.BytesIO(out.getvalue()))
    assert table.column_names == heading(RECORDS)
    rows = list(csv.DictReader(io.StringIO(as_csv().decode(), newline="")))
    for name in ("seq", "planned [ms]", "applicator (name)"):
        found = ["" if item is None else str(item) for item in table.column(name).to_pylist()]
        assert found == [row[name] for row in rows]
