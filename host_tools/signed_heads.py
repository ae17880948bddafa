"""Signed heads: a journal's newest record and its chain value, signed by the practice's key (H-08).

May import `keys`, `database`, `errors` and the standard library.

A chain value depends on every record before it. So whoever writes an older record again, with all
chain values behind it, gets another value at a signed head, and has not the key to sign that one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from host_tools.database import Database
from host_tools.errors import LocalError
from host_tools.keys import Key, good_signature, key_id

SCHEMA = """
CREATE TABLE heads (
    serial TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    key BLOB NOT NULL CHECK (length(key) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    chain BLOB NOT NULL CHECK (length(chain) = 16),
    signed_s INTEGER NOT NULL,
    PRIMARY KEY (serial, seq, key, signature)
) WITHOUT ROWID;
CREATE TRIGGER heads_stay BEFORE UPDATE ON heads
    BEGIN SELECT RAISE (ABORT, 'signed heads are never changed'); END;
CREATE TRIGGER heads_remain BEFORE DELETE ON heads
    BEGIN SELECT RAISE (ABORT, 'signed heads are never deleted'); END;
"""
_COLUMNS = "serial, seq, chain, signed_s, key, signature"
_PURPOSE = b"cryodose signed head 1\n"
"""Before each statement, so that a signature for this is one for nothing else."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What was signed: record `seq` of device `serial` had this chain value at `signed_s`."""

    serial: str
    seq: int
    chain: bytes
    """16 bytes."""
    signed_s: int
    """Seconds since 1970 UTC, by the host's clock."""
    key: bytes
    """The public key, 32 bytes."""
    signature: bytes
    """64 bytes; empty before it is signed."""

    @property
    def statement(self) -> bytes:
        """The bytes that are signed (docs/cryo.md)."""
        said = {"chain": self.chain.hex(), "seq": self.seq, "serial": self.serial,
                "signed_s": self.signed_s}  # fmt: skip
        return _PURPOSE + json.dumps(said, separators=(",", ":")).encode("ascii")

    @property
    def about(self) -> str:
        """`#120 of 2026-01-31 15:04, key 0123456789abcdef`."""
        when = f"{datetime.fromtimestamp(self.signed_s, UTC):%Y-%m-%d %H:%M}"
        return f"#{self.seq} of {when}, key {key_id(self.key)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: bytes in hexadecimal."""
        return {
            "serial": self.serial, "seq": self.seq, "chain": self.chain.hex(),
            "signed_s": self.signed_s, "key_id": key_id(self.key), "key": self.key.hex(),
            "signature": self.signature.hex(),
        }  # fmt: skip


def from_lines(text: str, what: str) -> list[SignedHead]:
    """Heads from JSON Lines of `as_dict`. Raises LocalError naming the line that is none."""
    heads: list[SignedHead] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = cast(dict[str, Any], json.loads(line))
            head = SignedHead(
                str(told["serial"]), int(told["seq"]), bytes.fromhex(told["chain"]),
                int(told["signed_s"]), bytes.fromhex(told["key"]),
                bytes.fromhex(told["signature"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            raise LocalError(f"line {number} of {what} is no signed head") from None
        if (len(head.chain), len(head.key), len(head.signature)) != (16, 32, 64) or head.seq < 1:
            raise LocalError(f"line {number} of {what} is no signed head")
        heads.append(head)
    return heads


def to_lines(heads: Iterable[SignedHead]) -> str:
    """Heads as JSON Lines."""
    return "".join(json.dumps(head.as_dict(), ensure_ascii=True) + "\n" for head in heads)


class Heads:
    """The signed heads in the store's database; the caller owns the transactions."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, head: SignedHead) -> bool:
        """Keep a head; False when it is there already."""
        columns = _COLUMNS.split(", ")
        added = self._db.run(
            f"INSERT INTO heads ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in columns)}) "
            "ON CONFLICT DO NOTHING",
            {name: getattr(head, name) for name in columns},
        )
        return added > 0

    def of(self, serial: str) -> Iterator[SignedHead]:
        """The heads of a device, oldest record first."""
        for row in self._db.all(
            f"SELECT {_COLUMNS} FROM heads WHERE serial = :serial ORDER BY seq, signed_s",
            {"serial": serial},
        ):
            yield SignedHead(*row)


Span = tuple[int, int]
"""Records, first and last."""


@dataclass
class Coverage:
    """What signed heads prove of a device's stored records."""

    covered: list[Span] = field(default_factory=list[Span])
    """Not written again since a trusted key signed a head behind them."""
    uncovered: list[Span] = field(default_factory=list[Span])
    """Nothing signed speaks for these."""
    heads: int = 0
    """Heads of trusted keys that agree."""
    newest: SignedHead | None = None
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    """What limits the proof: unknown keys, signatures that could not be checked."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "covered": self.covered, "uncovered": self.uncovered, "heads": self.heads,
            "newest": None if self.newest is None else self.newest.as_dict(),
            "problems": self.problems, "notes": self.notes,
        }  # fmt: skip


def coverage(
    stored: Sequence[Span], proved: Sequence[tuple[int, SignedHead]], keys: Sequence[Key],
    others: Sequence[SignedHead] = (),
) -> Coverage:  # fmt: skip
    """Judge heads by the trusted keys.

    `stored`: runs of stored records. `proved`: (first record of the unbroken run behind which the
    head stands, the head), of heads whose chain value is that of the record. `others`: heads that
    do not agree, which are problems already; their signatures are looked at as well.
    """
    found = Coverage()
    trusted = {key.public for key in keys}
    unknown = sorted({key_id(head.key) for _, head in proved if head.key not in trusted})
    if unknown:
        found.notes.append(
            f"signed by a key that is not trusted here, and so no proof: {', '.join(unknown)} "
            "(`cryo keys trust FILE.pub`, if you know whose it is)"
        )
    spans: list[Span] = []
    try:
        for first, head in [*proved, *((0, head) for head in others)]:
            if head.key not in trusted:
                continue
            if not good_signature(head.key, head.signature, head.statement):
                found.problems.append(f"signed head {head.about}: the signature is not that key's")
            elif first:
                spans.append((first, head.seq))
                found.heads += 1
                if found.newest is None or head.seq >= found.newest.seq:
                    found.newest = head
    except LocalError as error:
        found.notes.append(f"signatures were not checked: {error.text}")
        spans.clear()
        found.heads, found.newest = 0, None
    found.covered = joined(spans)
    found.uncovered = _without(stored, found.covered)
    return found


def joined(spans: Iterable[Span], near: int = 1) -> list[Span]:
    """These records in as few spans as possible; with `near`, also those less than so far apart."""
    fewer: list[Span] = []
    for first, last in sorted(spans):
        if fewer and first <= fewer[-1][1] + near:
            fewer[-1] = (fewer[-1][0], max(fewer[-1][1], last))
        else:
            fewer.append((first, last))
    return fewer


def _without(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    """What of `spans` is in none of `holes` (both in order, each without overlaps)."""
    left: list[Span] = []
    for first, last in spans:
        for low, high in holes:
            if high < first or low > last:
                continue
            if low > first:
                left.append((first, low - 1))
            first = high + 1
        if first <= last:
            left.append((first, last))
    return left
