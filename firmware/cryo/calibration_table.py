"""A calibrated table: its format in flash, its checks, and the applicator row made from it.

Loaded on demand, when tables are read from flash, requested or confirmed. May import binascii,
struct, micropython.const and cryo's dose, on_demand; loads applicators on demand. Controls: H-06 (a
table that is invalid or physically implausible for its applicator is not used), H-07 (such a table
makes its file invalid), H-30 (a calibrated spray is known, the skin under it is not).

A table is a tuple: applicator's number, h in W/m2K, spread in permille, ms until the skin is at -65
C, version of the model, number of the calibration run, date (s since 1970 UTC), author, depths
in um at dose.TIMES_MS of target 1, and of target 2.
"""

import binascii
import struct

from micropython import const

from cryo import dose, on_demand

_TABLE = "<HHHHHII16s28H"
SIZE = const(90)  # bytes of a table in flash
AUTHOR = const(16)  # characters, printable ASCII

_POINTS = len(dose.TIMES_MS)
_DEEPEST_UM = const(12000)
# Allowed range of a depth, permille of the depth in the applicator's shipped table
_LEAST = const(500)
_MOST = const(1800)
# Depth after 30 s over depth after 10 s, permille: the root of three is 1732
_GROWTH_LEAST = const(1050)
_GROWTH_MOST = const(1900)
_BEND_UM = const(25)  # how far a point may be below the line between its neighbours

# Columns of a calibrated table
_OF = const(0)  # the applicator's number
_H = const(1)  # from here on as in NUMBERS
_SPREAD = const(2)
_SKIN_MS = const(3)
_MODEL = const(4)
_RUN = const(5)
_UTC_S = const(6)
_BY = const(7)  # author
_UM = const(8)  # the curve of each target, dose.BENIGN first
_UM_COLD = const(9)

# The shipped rows: in memory as long as this module
with on_demand.loaded("applicators") as applicators:
    _SHIPPED = applicators.APPLICATORS

# key, least, most: the numbers of a table
NUMBERS = (
    ("h_w_m2k", 100, 20000),
    ("spread_permille", 5, 300),
    ("skin_ms", 0, 10000),
    ("model", 1, 65535),
    ("run", 1, 999999),
    ("utc_s", 1704067200, 2147483647),  # 2024 to 2038
)


def _shipped_row(number):
    """The shipped row of an applicator, or None."""
    for row in _SHIPPED:
        if row[dose.NUMBER] == number:
            return row
    return None


def refuse_curve(number, target, depths):
    """Why these depths are refused as an applicator's curve, or an empty text. H-06"""
    row = _shipped_row(number)
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
    """Why a table is refused, or an empty text. H-06"""
    number = table[_OF]
    for i in range(len(NUMBERS)):
        key, low, high = NUMBERS[i]
        if not low <= table[_H + i] <= high:
            return "%s takes %d...%d" % (key, low, high)
    author = table[_BY]
    if not 0 < len(author) <= AUTHOR:
        return "author takes 1...%d characters" % AUTHOR
    for code in author.encode():  # as in canvas.py
        if not 32 <= code < 127:
            return "author takes ASCII only"
    for target in (dose.BENIGN, dose.ALL_CELLS):
        why = refuse_curve(number, target, table[_UM - 1 + target])
        if why:
            return why
    for i in range(_POINTS):
        if table[_UM_COLD][i] > table[_UM][i]:
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


def provenance(table):
    """Where a table comes from, as text."""
    return "calibrated %s, run %d, model %d, %s" % (
        _day(table[_UTC_S]),
        table[_RUN],
        table[_MODEL],
        table[_BY],
    )


def row_of(table):
    """The row for `dose.use`: the shipped row with the calibrated columns from the table. Without
    its provenance, which would stay in memory."""
    row = _shipped_row(table[_OF])
    wide = row[dose.CALIBRATED_WIDE]
    if wide < table[_SPREAD]:
        wide = table[_SPREAD]
    # Gel tells the spray, not the skin: no fit makes the spread smaller than skins do. H-30
    return (
        row[: dose.H]
        + (table[_H], table[_SPREAD], table[_SKIN_MS], table[_UM], table[_UM_COLD], "")
        + row[dose.REWARMED : dose.LIKELY]
        + (1000, wide, wide, 0, 0)
    )


def encode(table):
    """A table as an entry of its file."""
    return struct.pack(
        _TABLE, table[_OF], table[_H], table[_SPREAD], table[_SKIN_MS], table[_MODEL], table[_RUN],
        table[_UTC_S], table[_BY].encode(), *(table[_UM] + table[_UM_COLD])
    )  # fmt: skip


def crc(table):
    """CRC-32 of a table as stored in flash: identifies its content in the journal."""
    return binascii.crc32(encode(table))


def table_of(entry):
    """The table of an entry, or None if its author is no text. It is not checked otherwise."""
    fields = struct.unpack(_TABLE, entry)
    author = fields[7].rstrip(b"\x00")
    try:
        author = author.decode()
    except UnicodeError:
        return None
    return fields[:7] + (author, fields[8 : 8 + _POINTS], fields[8 + _POINTS :])


def decode(entries, count):
    """The tables of a slot's entries, or None if one of them is invalid."""
    tables = []
    for k in range(count):
        table = table_of(entries[k * SIZE : (k + 1) * SIZE])
        if table is None or refuse(table):
            return None
        tables.append(table)
    return tables


def use(table):
    """Activate a table in place of its applicator's shipped one."""
    dose.use(row_of(table), dose.CALIBRATED_VERSION + table[_RUN])


def use_shipped(number):
    """Return an applicator to its shipped table."""
    dose.use(_shipped_row(number), dose.TABLE_VERSION)
