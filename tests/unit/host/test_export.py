"""Records as CSV (RFC 4180) and JSON Lines."""

import csv
import io
import json

from host_tools.description import Description, Table
from host_tools.export import write_csv, write_jsonl
from host_tools.records import decode
from tests.unit.host.fake_device import journal
from tests.unit.host.test_records import description

RECORDS = [decode(raw) for raw in journal("E6614C31", 6)]


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
