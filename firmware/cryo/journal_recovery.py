"""Find the end of the journal at power-on, and check the chain of its last segment; the anchor that
tells where the journal begins, and how far the host has stored it.

Works on a Journal. May import os, struct and cryo's journal, redundant_file. Controls: H-08 (a torn
or altered record is found, and left as it is: a new segment begins behind it; the oldest record is
proved by the anchor once older ones were deleted, and the anchor is in two files: a power cut at
any byte leaves a valid one).

Loaded for the start and for a release (journal_release.py), and unloaded after it.
"""

import os
import struct

from cryo import journal, redundant_file

_UNKNOWN = bytes(16)  # the chain value before the oldest record when it is not known
_ENTRY = "<I16sI16s"
_ENTRY_SIZE = 40


def _decode(entries, count):
    return struct.unpack(_ENTRY, entries) if count == 1 else None


class Anchor(redundant_file.Slots):
    """`first`: the oldest record in flash; `before`: the chain value before it (16 bytes).

    `released`: the newest record that the host has stored, 0 = none; `chain`: its chain value.
    """

    def __init__(self):
        super().__init__("released", b"CRYJ", _ENTRY_SIZE)
        values = self.load_newest(_decode)
        self.first, self.before, self.released, self.chain = values or (1, b"", 0, b"")

    def keep(self, first, before, released, chain):
        """Write both slots, one after the other. False: a write failed."""
        self.first = first
        self.before = before
        self.released = released
        self.chain = chain
        entry = struct.pack(_ENTRY, first, before, released, chain)
        return self.save_entries(entry, 1) and self.save_entries(entry, 1)


def recover(book):
    """Let `book` continue behind its last whole record. Return (torn_bytes, broken_seq).

    `torn_bytes`: bytes at the end that are no whole record. `broken_seq`: the first record of the
    last segment that is not chained to the one before it, or the oldest record when nothing proves
    it; 0: none. Raises OSError when the flash cannot be read; nothing is appended then.
    """
    firsts = journal.segments()
    if not firsts:
        book.resume(firsts, 0, book.genesis(), b"", 1, False)
        return 0, 0
    anchor = _settle(book, firsts)
    last = firsts[-1]
    size = os.stat(journal.path_of(last))[6]
    torn_bytes = size % journal.RECORD
    records = size // journal.RECORD
    tail = _record(firsts, last - 1)
    chain = anchor if last == firsts[0] else tail[journal.BODY :]
    broken_seq = 0
    with open(journal.path_of(last), "rb") as file:
        for seq in range(last, last + records):
            tail = file.read(journal.RECORD)
            body = tail[: journal.BODY]
            if journal.chained(chain, body) != tail[journal.BODY :] and not broken_seq:
                broken_seq = seq
            # What follows is chained to what is there, good or bad: a break stays visible at its
            # place, and does not damage the records after it.
            chain = tail[journal.BODY :]
    boot = struct.unpack_from(journal.FORMAT, tail)[1] if tail else 0
    book.resume(firsts, records, chain, tail, boot + 1, torn_bytes or broken_seq)
    if not broken_seq and anchor == _UNKNOWN:
        broken_seq = firsts[0]
    return torn_bytes, broken_seq


def _settle(book, firsts):
    """Finish a deletion that was cut short. Return the chain value before the oldest record."""
    kept = Anchor()
    if len(firsts) > 1 and firsts[1] == kept.first and kept.released >= kept.first - 1:
        # The chain value proves that the anchor is of this journal, and not of an erased one.
        if _record(firsts, kept.first - 1)[journal.BODY :] == kept.before:
            os.remove(journal.path_of(firsts.pop(0)))
    first = firsts[0]
    anchor = (
        book.genesis() if first == 1
        else kept.before if first == kept.first
        else _UNKNOWN
    )  # fmt: skip
    released = first - 1
    if kept.released >= first and _record(firsts, kept.released)[journal.BODY :] == kept.chain:
        released = kept.released
    book.settle(anchor, released)
    return anchor


def _record(firsts, seq):
    """The record `seq` in flash; empty when it is not there."""
    first = 0
    for candidate in firsts:
        if candidate <= seq:
            first = candidate
    if not first:
        return b""
    with open(journal.path_of(first), "rb") as file:
        file.seek((seq - first) * journal.RECORD)
        record = file.read(journal.RECORD)
    return record if len(record) == journal.RECORD else b""
