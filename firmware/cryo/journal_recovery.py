"""Find the end of the journal at power-on, and check the chain of its last segment.

Works on a Journal. May import os, struct and cryo's journal. Controls: H-08 (a torn or
altered record is found, and left as it is: a new segment begins behind it).

Loaded for the start and unloaded after it.
"""

import os
import struct

from cryo import journal


def recover(book):
    """Let `book` continue behind its last whole record. Return (torn_bytes, broken_seq).

    `torn_bytes`: bytes at the end that are no whole record. `broken_seq`: the first record of the
    last segment that is not chained to the one before it; 0: none. Raises OSError when the flash
    cannot be read; nothing is appended then.
    """
    firsts = journal.segments()
    if not firsts:
        book.resume(firsts, 0, book.genesis(), b"", 1, False)
        return 0, 0
    last = firsts[-1]
    size = os.stat(journal.path_of(last))[6]
    torn_bytes = size % journal.RECORD
    records = size // journal.RECORD
    tail = _record_before(firsts)
    chain = book.genesis() if last == 1 else tail[journal.BODY :]
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
    return torn_bytes, broken_seq


def _record_before(firsts):
    """The record before the last segment; empty when there is none."""
    seq = firsts[-1] - 1
    if not seq or len(firsts) < 2:
        return b""
    with open(journal.path_of(firsts[-2]), "rb") as file:
        file.seek((seq - firsts[-2]) * journal.RECORD)
        record = file.read(journal.RECORD)
    return record if len(record) == journal.RECORD else b""
