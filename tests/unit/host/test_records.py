"""Records and their chain."""

import hashlib
import json
import struct

import pytest

from host_tools.description import Description, Table
from host_tools.errors import IntegrityError, ProtocolError
from host_tools.records import as_dict, decode, genesis, named_fields, verify_chain
from tests.unit.host.fake_device import TABLES, journal


def description() -> Description:
    return Description(
        Table(part, tuple(columns), tuple(tuple(row) for row in rows))
        for part, (columns, rows) in TABLES.items()
    )


def test_a_record_is_decoded_as_the_protocol_lays_it_out() -> None:
    body = struct.pack("<IHBBII", 7, 3, 2, 6, 123456, 1717318800)
    body += struct.pack("<8i", 17300, -19012, 2, 0, 0, 0, 0, -1)
    chain = bytes(range(16))
    record = decode(body + chain)
    assert (record.seq, record.boot, record.kind, record.state) == (7, 3, 2, 6)
    assert (record.uptime_ms, record.utc_s) == (123456, 1717318800)
    assert record.arguments == (17300, -19012, 2, 0, 0, 0, 0, -1)
    assert record.chain == chain
    assert record.time == "2024-06-02T09:00:00+00:00"


def test_an_unset_clock_gives_no_time() -> None:
    assert decode(journal("A", 1)[0]).time == ""


@pytest.mark.parametrize("length", [0, 63, 65])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(IntegrityError):
        decode(bytes(length))


def test_the_chain_begins_with_the_serial_number() -> None:
    expected = hashlib.sha256(b"cryodose-journal-1E6614C31").digest()[:16]
    assert genesis("E6614C31") == expected


def test_a_good_chain_verifies_and_continues() -> None:
    records = [decode(raw) for raw in journal("A", 30)]
    end = verify_chain(records[:20], genesis("A"), 1)
    assert verify_chain(records[20:], end, 21) == records[-1].chain


@pytest.mark.parametrize("offset", range(64))
def test_any_changed_byte_breaks_it(offset: int) -> None:
    raws = journal("A", 3)
    broken = bytearray(raws[1])
    broken[offset] ^= 1
    records = [decode(raws[0]), decode(bytes(broken)), decode(raws[2])]
    with pytest.raises(IntegrityError):
        verify_chain(records, genesis("A"), 1)


def test_a_left_out_or_foreign_record_breaks_it() -> None:
    records = [decode(raw) for raw in journal("A", 5)]
    with pytest.raises(IntegrityError, match="record 3 stands where 2 should"):
        verify_chain([records[0], records[2]], genesis("A"), 1)
    with pytest.raises(IntegrityError, match="does not continue"):
        verify_chain(records, genesis("B"), 1)


def test_fields_have_the_names_that_the_device_gave() -> None:
    record = decode(journal("A", 4)[3])  # a `shot`
    fields = {item.name: item for item in named_fields(record, description())}
    assert fields["planned_ms"].value == 17300
    assert fields["planned_ms"].unit == "ms"
    assert fields["applicator"].meaning == "spray C"
    assert json.loads(json.dumps(as_dict(record, description())))["fields"]["min_c_x100"] == {
        "value": -19012,
        "unit": "c_x100",
    }


def test_numbers_get_the_names_that_their_unit_or_field_gives() -> None:
    known = description()
    by = "1=panel 2=host, at once 3=host, confirmed on the device"
    assert known.meaning("by", by, 2) == "host, at once"
    assert known.meaning("by", by, 3) == "host, confirmed on the device"
    assert known.meaning("by", by, 9) is None
    assert known.meaning("patient_ref", "number, 0=none", 0) == "none"
    assert known.meaning("patient_ref", "number, 0=none", 7) is None
    assert known.meaning("state_before", "number", 2) == "READY"
    assert known.meaning("fault", "number", 9) == "DEWAR PRESSURE"
    assert known.meaning("setting", "number", 1) == "depth_um"
    assert known.meaning("setting_count", "count", 1) is None
    assert known.meaning("dose", "ms", 9) is None


def test_a_changed_setting_is_shown_in_its_own_unit() -> None:
    known = description()
    body = struct.pack("<IHBBII8i", 1, 1, 4, 2, 0, 0, 1, 2300, 2500, 0, 0, 0, 0, 0)
    fields = list(named_fields(decode(body + bytes(16)), known))
    assert [(item.value, item.unit) for item in fields] == [
        (1, "number"),
        (2300, "um"),
        (2500, "um"),
    ]
    assert fields[0].meaning == "depth_um"


def test_an_unknown_kind_shows_all_that_there_is() -> None:
    record = decode(journal("A", 1)[0][:6] + b"\xc8" + journal("A", 1)[0][7:])
    assert len(list(named_fields(record, description()))) == 8
    assert as_dict(record, description())["kind"] == "kind_200"


def test_a_description_survives_being_stored() -> None:
    first = description()
    again = Description.from_json(first.to_json())
    assert again.digest == first.digest
    assert again.settings == first.settings
    assert again.kinds == first.kinds


@pytest.mark.parametrize("text", ["", "[]x", "{}1", "[1]", '[["settings",["a"],[[1,2]]]]'])
def test_a_damaged_description_is_an_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        Description.from_json(text)
