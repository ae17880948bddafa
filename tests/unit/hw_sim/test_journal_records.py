"""The decoder of journal records: names for numbers, and the chain."""

from __future__ import annotations

import struct

import pytest

from hw_sim.bench import FastBench
from hw_sim.bench.journal_records import (
    ARMED,
    KINDS,
    BrokenChain,
    Record,
    chain_after,
    chain_start,
    decode_chain,
)

SERIAL = "e661640843275b2c"


def written(count: int) -> list[bytes]:
    chain, raws = chain_start(SERIAL), list[bytes]()
    for seq in range(1, count + 1):
        body = struct.pack("<IHBBII8i", seq, 1, ARMED, 2, 0, 0, 1, 2300, 2500, seq, 0, 0, 0, 0)
        chain = chain_after(chain, body + bytes(16))
        raws.append(body + chain)
    return raws


def test_it_names_every_kind_and_argument_that_the_device_describes() -> None:
    """In the same order; the names here carry their unit, so only their number is compared."""
    bench = FastBench()
    bench.power_on()
    bench.run_for(1500)
    described = {row[0]: (row[1], len(row[2])) for row in bench.describe("records")}
    assert {number: (name, len(names)) for number, (name, names) in KINDS.items()} == described


def test_an_argument_is_an_attribute_by_its_name() -> None:
    (record,) = decode_chain(written(1), SERIAL)
    assert (record.depth_um, record.dose_ms, record.planned_us) == (2300, 2500, 1)
    assert record.fields["applicator"] == record.field("applicator") == 1
    assert record.name == "armed"


def test_a_name_that_the_kind_lacks_is_refused_with_those_that_it_has() -> None:
    (record,) = decode_chain(written(1), SERIAL)
    with pytest.raises(AttributeError, match="armed has no cause, but applicator, depth_um"):
        _ = record.cause
    with pytest.raises(AttributeError):
        _ = Record(1, 1, 99, 2, 0, 0, (0,) * 8).planned_us


@pytest.mark.parametrize("at", [0, 20, 40, 60])
def test_a_changed_byte_breaks_the_chain(at: int) -> None:
    raws = written(3)
    raws[1] = raws[1][:at] + bytes((raws[1][at] ^ 1,)) + raws[1][at + 1 :]
    with pytest.raises(BrokenChain):
        decode_chain(raws, SERIAL)


def test_a_missing_record_breaks_it() -> None:
    raws = written(3)
    with pytest.raises(BrokenChain):
        decode_chain([raws[0], raws[2]], SERIAL)
