"""The stored operators: number, role and PIN, in an A/B pair of files; the check of a PIN.

Loaded on demand, then unloaded. Works on an App. May import hashlib, os, struct, micropython.const
and cryo's faults, journal, operators, redundant_file, refusal, schema, sounder, texts, transitions.
Controls: H-25 (a PIN is kept salted and stretched; each wrong one doubles the wait; a lost file is
a fault), H-07.

A PIN has 4 to 6 presses of two keys: 112 are possible. So what keeps a stranger out is the wait
after a wrong PIN, which is counted for each operator in the file and outlasts a loss of power.
Salt and stretching keep a PIN from being read off a copy of the flash, not from being tried there.
"""

import hashlib
import os
import struct

from micropython import const

from cryo import (
    faults,
    journal,
    operators,
    redundant_file,
    refusal,
    schema,
    sounder,
    texts,
    transitions,
)

# What has happened, as in the record
IN = const(1)
OUT = const(2)
_IDLE = const(3)
WRONG = const(4)
_REFUSED = const(5)
CONFIRMED = const(7)  # a table; 6 is in journal.py, 8 to 10 in operators_commands.py

MOST = const(20)  # operators, and their highest number
_ENTRY = "<BBHH8s32s"  # number, role, rounds, wrong PINs since the last right one, salt, digest
_SIZE = const(46)
_SALT = const(8)
# Rounds of SHA-256: 0.27 s with all that belongs to it, on the RP2040 with MicroPython 1.23
ROUNDS = const(650)
_BASE_S = const(5)  # wait after the first wrong PIN; it doubles with each further one
_DOUBLINGS = const(7)  # up to 640 s

# Columns of an entry
NUMBER = const(0)
ROLE = const(1)
_ROUNDS = const(2)
_WRONG = const(3)
_OF_SALT = const(4)
_DIGEST = const(5)

_PHYSICIAN_ONLY = const(12)  # texts.operator


def _decode(entries, count):
    """The entries of a slot, or None if one is invalid."""
    rows = []
    last = 0
    for k in range(count):
        row = struct.unpack(_ENTRY, entries[k * _SIZE : (k + 1) * _SIZE])
        if not last < row[NUMBER] <= MOST or not operators.ANYONE & 1 << row[ROLE]:
            return None
        last = row[NUMBER]
        rows.append(row)
    return rows


def stretched(pin, salt, rounds):
    """The digest of a PIN: 32 bytes."""
    sha256 = hashlib.sha256
    digest = salt + pin
    for _ in range(rounds):
        digest = sha256(digest + salt).digest()
    return digest


def wait_s(app, row):
    """Seconds until the next PIN of this operator is taken."""
    left_ms = delay_s(row) * 1000 - (app.clock.uptime_ms - operators.session[operators.WRONG_MS])
    return (left_ms + 999) // 1000 if left_ms > 0 else 0


def delay_s(row):
    """Wait after this operator's last wrong PIN, s; 0 = the last one was right. H-25"""
    wrong = row[_WRONG]
    return _BASE_S << min(wrong - 1, _DOUBLINGS) if wrong else 0


class Store(redundant_file.Slots):
    """`rows`: the operators in flash, by ascending number."""

    def __init__(self):
        super().__init__("operators", b"CRYP", _SIZE)
        self.rows = self.load_newest(_decode) or []

    def of(self, number):
        """The row of an operator, or None."""
        for row in self.rows:
            if row[NUMBER] == number:
                return row
        return None

    def physicians(self):
        """Number of physicians."""
        count = 0
        for row in self.rows:
            if row[ROLE] == operators.PHYSICIAN:
                count += 1
        return count

    def put(self, number, role, pin):
        """Store an operator with a new PIN. False: the write failed; nothing changed."""
        salt = os.urandom(_SALT)
        return self._replace(number, (number, role, ROUNDS, 0, salt, stretched(pin, salt, ROUNDS)))

    def remove(self, number):
        """Remove an operator. False: the write failed; nothing changed."""
        return self._replace(number, None)

    def is_right(self, app, number, pin):
        """Check a PIN: 0.3 s at most. A wrong one is counted in flash before it is refused. H-25

        Sets the entry's count; a failed write is a fault that ends only with the power.
        """
        row = self.of(number)
        right = stretched(pin, row[_OF_SALT], row[_ROUNDS]) == row[_DIGEST]
        wrong = 0 if right else min(row[_WRONG] + 1, 0xFFFF)
        if wrong != row[_WRONG]:
            if not self._replace(number, row[:_WRONG] + (wrong,) + row[_OF_SALT:]):
                app.faults.latch(faults.JOURNAL_FAILED, False)
                return False
        return right

    def _replace(self, number, new):
        rows = [row for row in self.rows if row[NUMBER] != number]
        if new:
            rows.append(new)
        rows.sort()
        entries = b""
        for row in rows:
            entries += struct.pack(_ENTRY, *row)
        if not self.save_entries(entries, len(rows)):
            return False
        self.rows = rows
        return True


def note(app, how, of=0, who=0, which=0):
    """Record what operator `who` of role `which`, or the present one, has done; sign in or out."""
    session = operators.session
    number = who or session[operators.NUMBER]
    if number:
        role = which or session[operators.ROLE]
        app.record(journal.OPERATOR, number, role, how, of)
    if how <= _IDLE:
        session[operators.NUMBER] = who
        session[operators.ROLE] = which
        app.display.redraw()
    elif how == WRONG:
        session[operators.WRONG_MS] = app.clock.uptime_ms


def refuse(app, wanted):
    """Nobody is signed in who may: READY asks for a sign-in, SCREENING refuses. H-25"""
    if wanted == operators.NOBODY:
        note(app, _IDLE)
        return
    number = operators.session[operators.NUMBER]
    now_ms = app.clock.now_ms
    app.sounder.play(sounder.REFUSED if number else sounder.CLICK, now_ms)
    note(app, _REFUSED)
    if app.machine.state == transitions.READY:
        operators.session[operators.ASKED] = wanted
    else:
        refusal.begin(now_ms, [texts.operator(_PHYSICIAN_ONLY), "Op %d" % number, ""])
    app.buttons.spend()
    app.display.redraw()


def start(app):
    """At start-up, if operators are required or the settings are lost. H-25

    Required operators that are gone are a fault. Lost settings do not switch off what the practice
    has switched on: where operators are stored, they stay required.
    """
    store = Store()
    values = app.settings.values
    if store.rows and app.settings.outcome == redundant_file.LOST:
        values[schema.OPERATORS_REQUIRED] = 1
    if values[schema.OPERATORS_REQUIRED] and not store.physicians():
        app.faults.latch(faults.OPERATORS_LOST, False)
