"""Journal records: 64 bytes to fields, and the hash chain, by docs/protocol.md.

Pure; imports the standard library, `errors`, `description` and `wall_clock`.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from host_tools.description import Description
from host_tools.errors import IntegrityError
from host_tools.wall_clock import iso

RECORD_BYTES = 64
CHAIN_BYTES = 16
_HASHED_BYTES = RECORD_BYTES - CHAIN_BYTES
LAYOUT = struct.Struct("<IHBBII8i16s")
"""A record's bytes: seq, boot, kind, state, uptime_ms, utc_s, eight arguments, chain."""

_UNIT_OF_SETTING = "setting's unit"
_SEED = b"cryodose-journal-1"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal, with the bytes that it was read from."""

    seq: int
    boot: int
    kind: int
    state: int
    uptime_ms: int
    utc_s: int
    """Seconds since 1970-01-01 UTC; 0 when the device's clock was not set."""
    arguments: tuple[int, ...]
    """Eight integers, whose meaning the kind decides."""
    chain: bytes
    raw: bytes

    @property
    def time(self) -> str:
        """ISO 8601 with offset, to the second; empty when the clock was not set."""
        return iso(self.utc_s)


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One named argument of a record."""

    name: str
    unit: str
    value: int
    meaning: str | None
    """The name behind the number where the unit names a list of things (a fault, a state…)."""


def decode(raw: bytes) -> Record:
    """The record in 64 bytes. Raises IntegrityError when there are not 64."""
    if len(raw) != RECORD_BYTES:
        raise IntegrityError(f"a record of {len(raw)} bytes; a record has {RECORD_BYTES}")
    seq, boot, kind, state, uptime_ms, utc_s, *rest = LAYOUT.unpack(raw)
    return Record(seq, boot, kind, state, uptime_ms, utc_s, tuple(rest[:8]), rest[8], raw)


def decode_at(place: int, raw: bytes) -> Record:
    """As `decode`; a record whose very number is damaged goes by its place."""
    record = decode(raw)
    return record if record.seq == place else replace(record, seq=place)


def genesis(serial: str) -> bytes:
    """The chain value before record 1 of the device with this serial number."""
    return hashlib.sha256(_SEED + serial.encode("ascii")).digest()[:CHAIN_BYTES]


def next_chain(before: bytes, raw: bytes) -> bytes:
    """The chain value that belongs into the record `raw`, given that of the record before."""
    return hashlib.sha256(before + raw[:_HASHED_BYTES]).digest()[:CHAIN_BYTES]


def verify_chain(
    records: Iterable[Record], before: bytes, first: int, *, broken: list[int] | None = None
) -> bytes:
    """Check that records follow each other from `first` on, and that the chain holds.

    `before` is the chain value before `first`. Returns the chain value of the last record.
    Raises IntegrityError, naming the record that does not fit; with a list for `broken`, puts the
    numbers of such records there instead, and goes on behind each with the chain that it states.
    """
    expected = first
    for record in records:
        problem = ""
        written = int.from_bytes(record.raw[:4], "little")
        if written != expected:
            problem = f"record {written} stands where {expected} should"
        elif next_chain(before, record.raw) != record.chain:
            problem = (
                f"record {expected} does not continue the chain: it, or a record before it, "
                "is not what the device wrote"
            )
        if problem:
            if broken is None:
                raise IntegrityError(problem)
            broken.append(expected)
        before = record.chain
        expected += 1
    return before


def named_fields(record: Record, description: Description) -> Iterator[FieldValue]:
    """The record's arguments with name, unit and meaning; all eight when the kind is unknown."""
    kind = description.kinds.get(record.kind)
    if kind is None:
        for index, value in enumerate(record.arguments):
            yield FieldValue(f"argument_{index}", "", value, None)
        return
    setting: int | None = None
    for (name, unit), value in zip(kind.fields, record.arguments, strict=False):
        if name == "setting":
            setting = value
        elif unit == _UNIT_OF_SETTING and setting is not None:
            unit = description.unit_of_setting(setting)
        yield FieldValue(name, unit, value, description.meaning(name, unit, value))


def as_dict(record: Record, description: Description) -> dict[str, object]:
    """The record for JSON: integers with their units, and the names behind numbers."""
    fields: dict[str, object] = {}
    for item in named_fields(record, description):
        entry: dict[str, object] = {"value": item.value}
        if item.unit:
            entry["unit"] = item.unit
        if item.meaning is not None:
            entry["name"] = item.meaning
        fields[item.name] = entry
    kind = description.kinds.get(record.kind)
    return {
        "seq": record.seq,
        "time": record.time or None,
        "boot": record.boot,
        "uptime_ms": record.uptime_ms,
        "kind": kind.name if kind else f"kind_{record.kind}",
        "state": description.name("states", record.state) or record.state,
        "fields": fields,
        "chain": record.chain.hex(),
    }
