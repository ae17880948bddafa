"""Lesion depth and applicator -> freeze plan.

Pure; may import micropython.const. Controls: H-06 (a depth outside the calibrated range is
refused with the range, never clamped), H-02, H-01.

A calibration table holds points (depth of the -25 C isotherm in um, freeze time in ms),
monotone in both, and is valid between its first and its last point only. Between points the
time is linear in depth: the true curve bends upwards (depth grows with the root of time), so
the chord freezes at most 4 % longer than the curve, never shorter.

Provenance of the tables below: axisymmetric Pennes-enthalpy model, depth of -25 C after
10, 20 and 30 s, computed for this project (docs/dose.md). They are model figures, not
measurements on tissue; calibration of a real applicator comes before any use.
"""

from micropython import const

MIN_MS = const(10000)  # freeze times outside 10...30 s are never planned
MAX_MS = const(30000)
NONE = const(-1)  # dose_ms: the depth is outside the table
NO_APPLICATOR = const(-2)

TABLE_VERSION = const(1)

_MODEL = "Pennes-enthalpy model 1, computed; not measured"

# number (never reused), name (15 characters at most), ((depth um, time ms), ...), provenance
APPLICATORS = (
    (1, "Spray C  5 mm", ((2300, 10000), (3000, 20000), (3500, 30000)), _MODEL),
    (2, "Spray B 10 mm", ((2800, 10000), (3900, 20000), (4700, 30000)), _MODEL),
    (3, "Spray A 20 mm", ((2900, 10000), (4400, 20000), (5500, 30000)), _MODEL),
    (4, "Probe   5 mm", ((1500, 10000), (2000, 20000), (2400, 30000)), _MODEL),
)


def row_of(applicator):
    """The table row of an applicator number, or None."""
    for row in APPLICATORS:
        if row[0] == applicator:
            return row
    return None


def dose_ms(applicator, depth_um):
    """Freeze time in ms (10000...30000); NONE or NO_APPLICATOR when there is no valid one."""
    row = row_of(applicator)
    if row is None:
        return NO_APPLICATOR
    points = row[2]
    if depth_um < points[0][0] or depth_um > points[-1][0]:
        return NONE
    lower = points[0]
    upper = lower
    for point in points:
        upper = point
        if depth_um <= point[0]:
            break
        lower = point
    span_um = upper[0] - lower[0]
    if span_um == 0:
        return upper[1]
    # Rounded up: never shorter than the table says. H-02
    return lower[1] + ((depth_um - lower[0]) * (upper[1] - lower[1]) + span_um - 1) // span_um


def min_um(applicator):
    """Shallowest depth of an applicator's table in um, or NO_APPLICATOR."""
    row = row_of(applicator)
    return NO_APPLICATOR if row is None else row[2][0][0]


def max_um(applicator):
    """Deepest depth of an applicator's table in um, or NO_APPLICATOR."""
    row = row_of(applicator)
    return NO_APPLICATOR if row is None else row[2][-1][0]


def reaching(depth_um):
    """Number of the first applicator whose table holds this depth, or NO_APPLICATOR."""
    for row in APPLICATORS:
        if row[2][0][0] <= depth_um <= row[2][-1][0]:
            return row[0]
    return NO_APPLICATOR


def gate_us(time_ms, open_lag_us, close_lag_us, trim_ppm):
    """How long the gate is high, in us of this board's clock, so that liquid flows `time_ms`.

    The valve opens `open_lag_us` late and closes `close_lag_us` late; a clock that runs
    `trim_ppm` fast counts that much more.
    """
    us = time_ms * 1000 + open_lag_us - close_lag_us
    return us + us // 1000 * trim_ppm // 1000
