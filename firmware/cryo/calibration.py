"""Calibrated tables in flash: each takes a shipped one's place. Two slots; rejects, never clamps.

May import binascii, struct, micropython.const, cryo's dose, redundant_file. Controls: H-06 (a
table that does not check out, or that no such applicator can have, is not used), H-07 (such a
table makes its slot invalid).

A table is a tuple: applicator's number, h in W/m2K, spread in permille, ms until the skin is at -65
C, version of the model, number of the calibration run, date (s since 1970 UTC), author, depths
in um at dose.TIMES_MS of target 1, and of target 2.

They lie in two slots (redundant_file.py), a table an entry.
"""

import binascii
import struct

from micropython import const

from cryo import dose, redundant_file

_TABLE = "<HHHHHII16s28H"
_TABLE_SIZE = const(90)
AUTHOR = const(16)  # characters, printable ASCII

_POINTS = len(dose.TIMES_MS)
_DEEPEST_UM = const(12000)
# What a table may differ from the shipped one of its applicator, permille of the depth
_LEAST = const(500)
_MOST = const(1800)
# Depth after 30 s over depth after 10 s, permille: the root of three is 1732
_GROWTH_LEAST = const(1050)
_GROWTH_MOST = const(1900)
_BEND_UM = const(25)  # how far a point may lie below the line between its neighbours

# Columns of a calibrated table
OF = const(0)  # the applicator's number
H = const(1)  # from here on as in NUMBERS
SPREAD = const(2)
SKIN_MS = const(3)
MODEL = const(4)
RUN = const(5)
UTC_S = const(6)
BY = const(7)  # its author
UM = const(8)  # the curve of each target, dose.BENIGN first
UM_COLD = const(9)

# key, least, most: the numbers that come with a table
NUMBERS = (
    ("h_w_m2k", 100, 20000),
    ("spread_permille", 5, 300),
    ("skin_ms", 0, 10000),
    ("model", 1, 65535),
    ("run", 1, 999999),
    ("utc_s", 1704067200, 2147483647),  # 2024 to 2038
)


def refuse_curve(number, target, depths):
    """Why these depths cannot be an applicator's curve, or an empty text. H-06"""
    row = None
    for shipped in dose.APPLICATORS:
        if shipped[dose.NUMBER] == number:
            row = shipped
    if row is None:
        return "no such applicator"
    if dose.curve(row, target) is None:
        return "target must be 1 or 2"
    if len(depths) != _POINTS:
        return "a curve has %d depths" % _POINTS
    if depths[0] != 0 or depths[_POINTS - 1] > _DEEPEST_UM:
        return "depths go from 0 to at most %d um" % _DEEPEST_UM
    ten = dose.TIMES_MS.index(dose.MIN_MS)
    times = dose.TIMES_MS
    for i in range(1, _POINTS):
        if depths[i] < depths[i - 1] or (i > ten and depths[i] == depths[i - 1]):
            return "not monotone: %d um after %d ms, %d um before" % (
                depths[i], times[i], depths[i - 1],
            )  # fmt: skip
    for i in range(ten, _POINTS - 1):
        chord = depths[i - 1] + (depths[i + 1] - depths[i - 1]) * (times[i] - times[i - 1]) // (
            times[i + 1] - times[i - 1]
        )
        if depths[i] < chord - _BEND_UM:
            return "bends upwards after %d ms: ice grows ever more slowly" % times[i]
    growth = depths[_POINTS - 1] * 1000 // depths[ten] if depths[ten] else 0
    if not _GROWTH_LEAST <= growth <= _GROWTH_MOST:
        return "depth after 30 s is %d permille of that after 10 s" % growth
    shipped = dose.curve(row, target)
    for i in range(ten, _POINTS):
        part = depths[i] * 1000 // shipped[i]
        if not _LEAST <= part <= _MOST:
            return "%d um after %d ms is %d permille of the shipped table" % (
                depths[i], times[i], part,
            )  # fmt: skip
    return ""


def refuse(table):
    """Why a table cannot be used, or an empty text. H-06"""
    number = table[OF]
    for i in range(len(NUMBERS)):
        key, low, high = NUMBERS[i]
        if not low <= table[H + i] <= high:
            return "%s takes %d...%d" % (key, low, high)
    author = table[BY]
    if not 0 < len(author) <= AUTHOR:
        return "author takes 1...%d characters" % AUTHOR
    for code in author.encode():  # as in canvas.py
        if not 32 <= code < 127:
            return "author takes ASCII only"
    for target in (dose.BENIGN, dose.ALL_CELLS):
        why = refuse_curve(number, target, table[UM - 1 + target])
        if why:
            return why
    for i in range(_POINTS):
        if table[UM_COLD][i] > table[UM][i]:
            return "the colder isotherm lies deeper after %d ms" % dose.TIMES_MS[i]
    return ""


def _day(utc_s):
    """A date as text, 2026-11-22 (Hinnant's civil_from_days)."""
    days = utc_s // 86400 + 719468
    era = days // 146097
    of_era = days - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return "%d-%02d-%02d" % (year + era * 400 + (month <= 2), month, day)


def row_of(table):
    """The row for `dose.use`: what of the applicator is fixed as shipped, the rest by the table."""
    row = None
    for shipped in dose.APPLICATORS:
        if shipped[dose.NUMBER] == table[OF]:
            row = shipped
    said = "calibrated %s, run %d, model %d, %s" % (
        _day(table[UTC_S]),
        table[RUN],
        table[MODEL],
        table[BY],
    )
    return (
        row[: dose.H]
        + (table[H], table[SPREAD], table[SKIN_MS], table[UM], table[UM_COLD], said)
        + row[dose.REWARMED :]
    )


def _encode_table(table):
    return struct.pack(
        _TABLE, table[OF], table[H], table[SPREAD], table[SKIN_MS], table[MODEL], table[RUN],
        table[UTC_S], table[BY].encode(), *(table[UM] + table[UM_COLD])
    )  # fmt: skip


def crc(table):
    """CRC-32 of a table as it lies in flash: names its content in the journal."""
    return binascii.crc32(_encode_table(table))


def _encode(tables):
    entries = b""
    for table in tables:
        entries += _encode_table(table)
    return entries


def _decode(entries, count):
    """The tables of a slot's entries, or None when one of them is refused."""
    tables = []
    for k in range(count):
        at = k * _TABLE_SIZE
        fields = struct.unpack(_TABLE, entries[at : at + _TABLE_SIZE])
        author = fields[7].rstrip(b"\x00")
        try:
            author = author.decode()
        except UnicodeError:
            return None
        table = fields[:7] + (author, fields[8 : 8 + _POINTS], fields[8 + _POINTS :])
        if refuse(table):
            return None
        tables.append(table)
    return tables


class Calibration(redundant_file.Slots):
    """`tables`: those in force, at most one for each applicator."""

    def __init__(self):
        super().__init__("tables", b"CRYT", _TABLE_SIZE)
        self.tables = []

    def load(self):
        """Read both slots, take the newer valid one, put its tables in force. The outcome."""
        self.tables = self.load_newest(_decode) or []
        self._use()
        return self.outcome

    def of(self, number):
        """The calibrated table of an applicator, or None."""
        for table in self.tables:
            if table[OF] == number:
                return table
        return None

    def store(self, table):
        """Save a table that `refuse` passes, and put it in force. False: the flash refused."""
        return self._replace(table[OF], table)

    def remove(self, number):
        """Forget an applicator's table: the shipped one is in force. False: the flash refused."""
        return self._replace(number, None)

    def _replace(self, number, table):
        tables = []
        for other in self.tables:
            if other[0] != number:
                tables.append(other)
        if table is not None:
            tables.append(table)
        if not self.save_entries(_encode(tables), len(tables)):
            return False
        self.tables = tables
        self._use()
        return True

    def _use(self):
        for row in dose.APPLICATORS:
            table = self.of(row[dose.NUMBER])
            if table is None:
                dose.use(row[dose.NUMBER], None, 0)
            else:
                dose.use(table[OF], row_of(table), dose.CALIBRATED_VERSION + table[RUN])


class Tables:
    """What is staged, and what waits for confirmation."""

    def __init__(self):
        self.stored = Calibration()
        self.pending = None  # a whole table, or (number,): remove
        self.confirm_key = ""
        self.confirm_text = ""
        self._staged = [0, None, None]  # applicator, curve of target 1, of target 2

    def stage(self, number, target, depths):
        """Keep a curve until the table is offered."""
        staged = self._staged
        if staged[0] != number:
            staged[0] = number
            staged[1] = staged[2] = None
        staged[target] = tuple(depths)

    def staged(self, number):
        """(curve, curve) when both of an applicator have come, else None."""
        staged = self._staged
        if staged[0] != number or staged[1] is None or staged[2] is None:
            return None
        return staged[1], staged[2]
