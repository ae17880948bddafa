"""Release of journal records that the host has stored, and deletion of released segments.
Loaded on demand by commands.py and app.py, then unloaded.

Works on an App. May import binascii, os, struct and cryo's faults, journal, on_demand, replies;
loads journal_recovery on demand. Controls: H-08 (only what the host has proved to have is deleted,
and the chain goes on behind it: a power cut at any step leaves a journal that recovers), H-12.

Order of a release: its record in flash, then the anchor. Order of a deletion: the anchor, then the
file; journal_recovery finishes a deletion that was cut short between the two.
"""

import binascii
import os
import struct

from cryo import faults, journal, on_demand, replies

_CHAIN = 16


def _chain_of(request):
    """The request's chain value; None if it is not base64 of 16 bytes."""
    chain = request.get("chain")
    if not isinstance(chain, str):
        return None
    try:
        value = binascii.a2b_base64(chain)
    except ValueError:
        return None
    return value if len(value) == _CHAIN else None


def release(app, request):
    """`log_release`: the host has stored all records up to `seq`, whose chain value is `chain`."""
    seq = request.get("seq")
    if not replies.is_integer(seq):
        return replies.refusal("type", "seq must be an integer")
    value = _chain_of(request)
    if value is None:
        return replies.refusal("bad_request", "chain must be 16 bytes in base64")
    log = app.journal
    low = max(log.first() - 1, 1)
    if not low <= seq <= log.head:
        return replies.out_of(
            low, log.head, "sequence number", "seq takes %d...%d" % (low, log.head)
        )
    app.clock.exclude()
    try:
        if log.chain_before(seq + 1) != value:
            return replies.refusal(
                "chain", "record %d has another chain value here; nothing is released" % seq
            )
        kept = seq <= log.released or _says_only(log, seq) or _keep(app, seq, value)
    except OSError:
        kept = False
    if not kept:
        return replies.refusal("storage", "the device could not use its flash; not released")
    app.free_records()
    if log.expendable():
        delete_oldest(app)
    return replies.ok(released=log.released, first=log.first(), head=log.head, left=log.left)


def _says_only(log, seq):
    """Whether `seq` is the record of the last release itself, which needs no other release."""
    return seq == log.released + 1 and log.read(seq)[6] == journal.RELEASED


def _keep(app, seq, value):
    """Record the release, then keep it. False: a write failed."""
    log = app.journal
    word = struct.unpack("<i", value[:4])[0]
    app.record(journal.RELEASED, seq, word, log.first(), app.free_records())
    app.flush()
    if log.waiting():
        return False
    with on_demand.loaded("journal_recovery") as journal_recovery:
        if not journal_recovery.Anchor().keep(log.first(), log.anchor, seq, value):
            return False
    log.settle(log.anchor, seq)
    return True


def delete_oldest(app):
    """Delete the oldest segment if all of it is released. The valve is closed."""
    app.clock.exclude()
    try:
        deleted = _delete(app.journal)
    except OSError:
        deleted = False
    if not deleted:
        app.faults.latch(faults.JOURNAL_FAILED, False)
    app.free_records()


def _delete(log):
    """False: a write failed."""
    second = log.expendable()
    if not second:
        return True
    with on_demand.loaded("journal_recovery") as journal_recovery:
        anchor = journal_recovery.Anchor()
        # On the word of the flash, not of the memory alone
        if anchor.released < second - 1 or log.chain_before(anchor.released + 1) != anchor.chain:
            log.settle(log.anchor, log.first() - 1)  # nothing is released any more
            return True
        before = log.chain_before(second)
        if not anchor.keep(second, before, anchor.released, anchor.chain):
            return False
    path = journal.path_of(log.first())
    log.settle(before, log.released, True)
    os.remove(path)
    return True
