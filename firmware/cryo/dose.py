"""Lesion depth, margin and applicator -> freeze plan.

Pure; may import micropython.const, cryo.applicators. Controls: H-06 (a depth outside an
applicator's range is refused with the range and the applicator that reaches it, never clamped),
H-02 (never shorter than the curve), H-01 (never outside 10...30 s), H-30 (what is stated of a depth
is what other skins and jets than the tables' leave of it, with its spread).

An applicator's curve gives the depth of an isotherm at fixed times of liquid. It is inverted only
for times of 10...30 s; between its points the time is linear in depth and rounded up. The true
curve bends upwards there, so that the chord gives a longer freeze, never a shorter one.
docs/dose.md gives the largest error, and a test checks it.

The shipped curves are data (applicators.py). `use`, called by calibration.py and what it loads
only, replaces a shipped curve by a calibrated one. Of each applicator only the row in force stays
in memory: a shipped one that was replaced is in flash.
"""

from micropython import const

from cryo import applicators

MIN_MS = const(10000)  # freeze times outside 10...30 s are never planned
MAX_MS = const(30000)
NONE = const(-1)  # no valid dose: the depth is outside the range, or there is no such target
NO_APPLICATOR = const(-2)

BENIGN = const(1)  # -25 C at the planned depth: benign lesions
ALL_CELLS = const(2)  # -50 C: no cell survives
C_X100 = const(1)  # column of TARGETS
TARGETS = ((BENIGN, -2500, "benign"), (ALL_CELLS, -5000, "all cells"))

# Columns of an applicator's row
NUMBER = const(0)
NAME = const(1)
KIND = const(2)
SPOT_UM = const(3)
_DISTANCE_MM = const(4)
H = const(5)  # W/m2K
SPREAD = const(6)  # permille of the depth, one standard deviation, by the table's own model
SKIN_MS = const(7)
CURVE = const(8)  # of target 1; that of target 2 follows
PROVENANCE = const(10)  # empty in a calibrated row: calibration_store.py makes it
REWARMED = const(11)  # 0.01 C: a warmer nozzle must be purged again
BY_PRESSURE = const(12)  # permille: the coefficient scales with this power of the pressure
# What other skins and jets make of the curve (docs/dose.md), permille of its depth
LIKELY = const(13)  # the depth to be expected; 1000 in a calibrated row
WIDE = const(14)  # one standard deviation of it: the spread that the device states
CALIBRATED_WIDE = const(15)  # the least that a calibrated row states
FALL = const(16)  # expected when the surface reads -20 C after 1 s; 0: it does not tell
FALL_WIDE = const(17)  # and its standard deviation

TABLE_VERSION = applicators.VERSION
CALIBRATED_VERSION = const(1000)  # plus the calibration run's number: a table from this device
TIMES_MS = applicators.TIMES_MS

_in_force = list(applicators.APPLICATORS)  # type: list
_versions = [TABLE_VERSION] * len(_in_force)

del applicators  # calibration.py unloads it


def use(row, version):
    """Make `row` the active one of its applicator."""
    for i in range(len(_in_force)):
        if _in_force[i][NUMBER] == row[NUMBER]:
            _in_force[i] = row
            _versions[i] = version


def rows():
    """The active rows, in the order of the shipped ones."""
    return _in_force


def row_of(applicator):
    """The active row of an applicator number, or None."""
    for row in _in_force:
        if row[NUMBER] == applicator:
            return row
    return None


def version_of(applicator):
    """Version of the active table: TABLE_VERSION as shipped, 1000 + run if calibrated here."""
    for i in range(len(_in_force)):
        if _in_force[i][NUMBER] == applicator:
            return _versions[i]
    return NO_APPLICATOR


def calibrated(applicator):
    """Whether the active table of an applicator was calibrated on this device. H-26"""
    return version_of(applicator) >= CALIBRATED_VERSION


def curve(row, target):
    """Depths in um of a target's isotherm at TIMES_MS, or None when there is no such target."""
    if target != BENIGN and target != ALL_CELLS:
        return None
    return row[CURVE + target - 1]


def dose_ms(applicator, depth_um, target=BENIGN):
    """Freeze time in ms (10000...30000); NONE or NO_APPLICATOR when there is no valid one."""
    row = row_of(applicator)
    if row is None:
        return NO_APPLICATOR
    depths = curve(row, target)
    if depths is None:
        return NONE
    last = len(TIMES_MS) - 1
    i = last
    while i > 0 and TIMES_MS[i - 1] >= MIN_MS:
        i -= 1
    if depth_um < depths[i] or depth_um > depths[last]:
        return NONE
    while depths[i] < depth_um:
        i += 1
    if depths[i] == depth_um:
        return TIMES_MS[i]
    low_um = depths[i - 1]
    low_ms = TIMES_MS[i - 1]
    span_um = depths[i] - low_um
    # Rounded up: never shorter than on the curve. H-02
    return low_ms + ((depth_um - low_um) * (TIMES_MS[i] - low_ms) + span_um - 1) // span_um


def least_ms(time_ms):
    """Shortest freeze that the depth-controlled mode may give for a planned time."""
    least = time_ms * 3 // 4
    return least if least > MIN_MS else MIN_MS


def most_ms(time_ms):
    """Longest freeze of that mode: the hardware timer is set to it from the start. H-01"""
    most = time_ms * 5 // 4
    return most if most < MAX_MS else MAX_MS


def depth_at(depths, time_ms):
    """Depth in um on a curve after a time, rounded down; limited to the curve's ends."""
    if time_ms <= 0:
        return depths[0]
    i = 1
    while i < len(TIMES_MS) - 1 and TIMES_MS[i] < time_ms:
        i += 1
    if time_ms >= TIMES_MS[i]:
        return depths[i]
    low_ms = TIMES_MS[i - 1]
    low_um = depths[i - 1]
    return low_um + (depths[i] - low_um) * (time_ms - low_ms) // (TIMES_MS[i] - low_ms)


def _end_um(applicator, target, time_ms):
    row = row_of(applicator)
    if row is None:
        return NO_APPLICATOR
    depths = curve(row, target)
    return NONE if depths is None else depth_at(depths, time_ms)


def min_um(applicator, target=BENIGN):
    """Shallowest depth of an applicator in um (its 10 s), NONE or NO_APPLICATOR."""
    return _end_um(applicator, target, MIN_MS)


def max_um(applicator, target=BENIGN):
    """Deepest depth of an applicator in um (its 30 s), NONE or NO_APPLICATOR."""
    return _end_um(applicator, target, MAX_MS)


def reaching(depth_um, target=BENIGN):
    """Number of the first applicator that reaches this depth in 10...30 s, or NO_APPLICATOR."""
    for row in _in_force:
        if dose_ms(row[NUMBER], depth_um, target) > 0:
            return row[NUMBER]
    return NO_APPLICATOR


def likely_um(applicator, depth_um):
    """The depth to be expected of a freeze whose curve says `depth_um`. H-30

    The shipped curves are those of a jet that wets; over other skins and jets the depth is less
    (docs/dose.md). NO_APPLICATOR for an unknown one.
    """
    row = row_of(applicator)
    return NO_APPLICATOR if row is None else depth_um * row[LIKELY] // 1000


def spread_um(applicator, depth_um):
    """One standard deviation of the actual depth of a freeze whose curve says `depth_um`. H-30

    Computed over other skins and jets than those of the tables (docs/dose.md). NO_APPLICATOR
    for an unknown one.
    """
    row = row_of(applicator)
    return NO_APPLICATOR if row is None else (depth_um * row[WIDE] + 999) // 1000


def low_um(depth_um, spread_um):
    """The depth that 97.5 % of normally scattered freezes reach: 1.96 spreads less. Not below 0."""
    least = depth_um - spread_um * 49 // 25
    return least if least > 0 else 0


def high_um(depth_um, spread_um):
    """The depth that 2.5 % of them go beyond: 1.96 spreads more."""
    return depth_um + (spread_um * 49 + 24) // 25


def gate_us(time_ms, open_lag_us, close_lag_us, trim_ppm):
    """Gate high time, in us of this board's clock, for liquid to flow `time_ms`.

    The valve opens `open_lag_us` late and closes `close_lag_us` late; the clock runs `trim_ppm`
    fast.
    """
    us = time_ms * 1000 + open_lag_us - close_lag_us
    return us + us // 1000 * trim_ppm // 1000
