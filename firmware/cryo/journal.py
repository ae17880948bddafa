"""The journal: append-only records of 64 bytes, hash-chained, safe against power loss.

May import hashlib, os, struct, micropython.const. Controls: H-08 (nothing recorded is lost,
torn or altered unnoticed), H-11 (an interrupted freeze is found at the next start).

Layout: docs/protocol.md. Records are stored in segment files `journal/NNNNNNNN`, named by their
first sequence number. littlefs commits an append atomically when the file is closed; if a file has
a torn tail nevertheless, it is left as it is, and a new segment begins.

`add` only packs into a preallocated queue (no allocation, so it may be called during a freeze);
`flush` writes the queue, and is called only with the valve closed, since flash writes stop the
processor for up to 0.4 s.
"""

import hashlib
import os
import struct

from micropython import const

RECORD = const(64)
BODY = const(48)
_CHAIN = const(16)
_SEGMENT = const(255)  # records: 16320 bytes fill four littlefs blocks with their pointers
_QUEUE = const(16)
_DIR = "journal"
_RESERVE_BLOCKS = const(12)  # free flash reserved for settings and for the last records
_SMALL = const(0x3FFFFFFF)  # the largest integer that MicroPython stores without allocating
FORMAT = "<IHBBIIiiiiiiii"

ROOM_TO_ARM = const(64)  # free records required to arm: every treatment must be recorded
_ROOM_SHORT = const(1024)  # fewer free records: released segments are deleted ...
_ROOM_ENOUGH = const(1536)  # ... until this many are free
_A_TREATMENT = const(16)  # records of one treatment, with some changes of settings
LOW = const(100)  # treatments: fewer left are a notice

# Reasons in a DISARMED record
DISARM_BUTTON = const(1)
DISARM_TIME = const(2)
DISARM_FAULT = const(3)

BOOT = const(1)
SETTING = const(2)
TIME_SET = const(3)
ARMED = const(4)
DISARMED = const(5)
FREEZE_BEGIN = const(6)
FREEZE_END = const(7)
FREEZE_LOST = const(8)
FAULT = const(9)
FAULT_CLEARED = const(10)
MAINTENANCE = const(11)
OVERRUN = const(12)
ICE_FIELD = const(13)
PRECHILL_BEGIN = const(14)
PRECHILL_END = const(15)
PLAN = const(16)
SCREENING = const(17)
THAW = const(18)
TREATMENT_END = const(19)
OBSERVATION = const(20)
ESTIMATE = const(21)
TABLE = const(22)
PRECHILL_LOST = const(23)
RELEASED = const(24)
OPERATOR = const(25)
CHECKLIST = const(26)
CAUTION = const(27)
WITNESS = const(28)
BOARD_CHECK = const(29)
REFUSED = const(30)

OPERATOR_ARMED = const(6)  # what has happened, in an OPERATOR record: operators_store.py

# The fields of each kind: metadata.py


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return -1


def path_of(first):
    """The file of the segment that begins with sequence number `first`."""
    return "%s/%08d" % (_DIR, first)


def segments():
    """First sequence number of each segment in flash, ascending."""
    if _size(_DIR) < 0:
        os.mkdir(_DIR)
    return sorted([int(name) for name in os.listdir(_DIR) if name.isdigit()])


def chained(chain, body):
    """The chain value of a record, from the one before it and the record's body."""
    return hashlib.sha256(chain + body).digest()[:_CHAIN]


def signed(word):
    """A 32-bit word as the signed argument that a record holds."""
    return word - 0x100000000 if word >= 0x80000000 else word


class Journal:
    """Appends to and reads from the journal directory."""

    def __init__(self, serial):
        self.head = 0  # sequence number of the newest record in flash
        self.boot = 0  # number of starts of the device, including this one
        self.tail = b""  # the newest record in flash
        self._usable = False  # nothing is appended before the end has been found
        self.utc_s = 0
        self.released = 0  # the newest record that the host has stored
        self.short = False  # room is short: delete what is released
        self.left = 0  # treatments that can be recorded, by the last free_records()
        self._serial = serial
        self.anchor = self.genesis()  # the chain value before the oldest record in flash
        self._firsts = []  # first sequence number of each segment, ascending
        self._segment_records = 0  # records in the last segment; _SEGMENT = begin a new one
        self._chain = b""
        self._queue = bytearray(RECORD * _QUEUE)
        self._queued = 0

    def genesis(self):
        """The chain value before record 1."""
        return hashlib.sha256(b"cryodose-journal-1" + self._serial).digest()[:_CHAIN]

    def resume(self, firsts, records, chain, tail, boot, closed):
        """Continue behind `tail`, the last of `records` in the last segment of `firsts`.

        `closed`: the last segment is left as it is, and a new one begins. Until this was called,
        nothing is appended. Called by journal_recovery, which has read the flash.
        """
        self._firsts = firsts
        self._segment_records = records if firsts and not closed else _SEGMENT
        self._chain = chain
        self.tail = tail
        self.head = firsts[-1] + records - 1 if firsts else 0
        self.boot = boot & 0xFFFF
        self._usable = True

    def settle(self, anchor, released, drop=False):
        """Set `anchor` and `released`. `drop`: the oldest segment is being deleted."""
        if drop:
            self._firsts.pop(0)
        self.anchor = anchor
        self.released = released

    def expendable(self):
        """The first record behind the oldest segment, if room is short and all of that segment is
        released; otherwise 0. The newest segment always remains."""
        firsts = self._firsts
        if self.short and len(firsts) > 1 and firsts[1] <= self.released + 1:
            return firsts[1]
        return 0

    def add(self, kind, state, uptime_ms, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0):
        """Queue a record (eight signed 32-bit arguments); return its sequence number.

        Does not allocate. Returns 0 when the queue is full: the caller must raise a fault.
        """
        queued = self._queued
        if queued >= _QUEUE:
            return 0
        seq = self.head + queued + 1
        if uptime_ms > _SMALL:
            uptime_ms &= 0xFFFFFFFF  # wraps after 49 days; an integer this large allocates
        struct.pack_into(
            FORMAT, self._queue, queued * RECORD,
            seq, self.boot, kind, state, uptime_ms, self.utc_s,
            a, b, c, d, e, f, g, h,
        )  # fmt: skip
        self._queued = queued + 1
        return seq

    def waiting(self):
        """Number of records queued and not yet in flash."""
        return self._queued

    def flush(self):
        """Write the queue to flash. False: the write failed; the queue is retained for a retry."""
        if not self._usable:
            return False
        done = 0
        while done < self._queued:
            if self._segment_records >= _SEGMENT:
                self._firsts.append(self.head + 1)
                self._segment_records = 0
            count = min(self._queued - done, _SEGMENT - self._segment_records)
            if not self._append(done, count):
                if self._segment_records == 0:
                    self._firsts.pop()
                    self._segment_records = _SEGMENT
                break
            done += count
        if done:
            left = self._queued - done
            for i in range(left * RECORD):
                self._queue[i] = self._queue[done * RECORD + i]
            self._queued = left
        return self._queued == 0

    def _append(self, done, count):
        data = bytearray()
        chain = self._chain
        for i in range(done, done + count):
            body = bytes(self._queue[i * RECORD : i * RECORD + BODY])
            chain = chained(chain, body)
            data += body
            data += chain
        path = path_of(self._firsts[-1])
        expected = self._segment_records * RECORD
        try:
            if expected and _size(path) != expected:
                return False
            with open(path, "ab" if expected else "wb") as file:
                file.write(data)
            if _size(path) != expected + count * RECORD:
                return False
        except OSError:
            return False
        self._chain = chain
        self._segment_records += count
        self.head += count
        self.tail = bytes(data[-RECORD:])
        return True

    def first(self):
        """Sequence number of the oldest record in flash (1 when there is none yet)."""
        return self._firsts[0] if self._firsts else 1

    def read(self, seq):
        """The 64 bytes of a record; empty when it is not in flash."""
        return self.read_many(seq, 1)

    def read_many(self, seq, count):
        """Up to `count` records from `seq` on, as one bytes object; may stop at a segment's end."""
        if seq < self.first() or seq > self.head:
            return b""
        first, _ = self.segment_of(seq)
        with open(path_of(first), "rb") as file:
            file.seek((seq - first) * RECORD)
            data = file.read(count * RECORD)
        return data[: len(data) // RECORD * RECORD]

    def segment_of(self, seq):
        """The segment that holds record `seq`: its first record, and the one behind its last."""
        first = self._firsts[0]
        for candidate in self._firsts:
            if candidate > seq:
                return first, candidate
            first = candidate
        return first, self.head + 1

    def chain_before(self, seq):
        """The chain value before a record (16 bytes; empty when it cannot be read)."""
        if seq <= self.first():
            return self.anchor
        return self.read(seq - 1)[BODY:]

    def free_records(self):
        """Number of records that fit beside the reserve. Raises OSError when the flash fails."""
        stat = os.statvfs("/")
        blocks = stat[3] - _RESERVE_BLOCKS
        room = blocks * stat[0] // RECORD if blocks > 0 else 0
        if room < _ROOM_SHORT:
            self.short = True
        elif room >= _ROOM_ENOUGH:
            self.short = False
        self.left = (room + max(self.released + 1 - self.first(), 0)) // _A_TREATMENT
        return room
