"""Dose: H-06, refused outside the curve, never clamped; H-02, never shorter than the curve."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryo import dose
from hypothesis import given, strategies as st

ROWS = [row[dose.NUMBER] for row in dose.rows()]
TARGETS = [row[0] for row in dose.TARGETS]
TIMES = dose.TIMES_MS
applicators = st.sampled_from(ROWS)
targets = st.sampled_from(TARGETS)
TEN_S = TIMES.index(dose.MIN_MS)
CHORD = 0.05
"""Largest excess of a freeze time between two points over the curve, as part of the time."""


def depths_of(number: int, target: int) -> tuple[int, ...]:
    return dose.curve(dose.row_of(number), target)


@pytest.fixture
def calibrated() -> Iterator[tuple[object, ...]]:
    """A calibrated row for applicator 1, a tenth deeper than the shipped one."""
    shipped = dose.row_of(1)
    row = list(shipped)
    for column in (dose.CURVE, dose.CURVE + 1):
        row[column] = tuple(um * 11 // 10 for um in row[column])
    row[dose.PROVENANCE] = "measured here"
    yield tuple(row)
    dose.use(shipped, dose.TABLE_VERSION)


@pytest.mark.hazard("H-06")
def test_rows_are_whole_and_their_curves_rise() -> None:
    assert len(set(ROWS)) == len(ROWS)
    assert TIMES[0] == 0
    assert TIMES[-1] == dose.MAX_MS
    for row in dose.rows():
        assert len(row[dose.NAME]) <= 15
        assert row[dose.PROVENANCE]
        assert row[dose.KIND] in (1, 2)
        assert 0 < row[dose.SPREAD] < 300
        for target in TARGETS:
            depths = dose.curve(row, target)
            assert len(depths) == len(TIMES)
            assert depths[0] == 0
            assert all(a <= b for a, b in zip(depths, depths[1:], strict=False))
            assert all(a < b for a, b in zip(depths[TEN_S:], depths[TEN_S + 1 :], strict=False))


def test_a_colder_isotherm_is_less_deep() -> None:
    for row in dose.rows():
        benign, cold = (dose.curve(row, target) for target in TARGETS)
        assert all(b <= a for a, b in zip(benign, cold, strict=True))
        assert cold[-1] < benign[-1]


@pytest.mark.hazard("H-06")
@given(applicators, st.integers(-10000, 100000), targets)
def test_a_dose_is_in_range_or_refused(applicator: int, depth_um: int, target: int) -> None:
    """H-06."""
    ms = dose.dose_ms(applicator, depth_um, target)
    if dose.min_um(applicator, target) <= depth_um <= dose.max_um(applicator, target):
        assert dose.MIN_MS <= ms <= dose.MAX_MS
    else:
        assert ms == dose.NONE


@pytest.mark.hazard("H-02")
@given(applicators, st.integers(0, 6000), st.integers(0, 6000), targets)
def test_deeper_is_never_shorter(applicator: int, one: int, other: int, target: int) -> None:
    """H-02."""
    shallow, deep = sorted((one, other))
    short = dose.dose_ms(applicator, shallow, target)
    long = dose.dose_ms(applicator, deep, target)
    if short > 0 and long > 0:
        assert short <= long


def test_the_points_themselves_come_out() -> None:
    for number in ROWS:
        for target in TARGETS:
            depths = depths_of(number, target)
            for depth_um, ms in list(zip(depths, TIMES, strict=True))[TEN_S:]:
                assert dose.dose_ms(number, depth_um, target) == ms
                assert dose.depth_at(depths, ms) == depth_um


@pytest.mark.hazard("H-02")
@given(applicators, st.integers(0, 6000), targets)
def test_between_points_the_time_is_linear_and_rounded_up(
    applicator: int, depth_um: int, target: int
) -> None:
    """Never shorter than the curve's chord, and longer by less than one millisecond."""
    ms = dose.dose_ms(applicator, depth_um, target)
    if ms < 0:
        return
    points = list(zip(depths_of(applicator, target), TIMES, strict=True))[TEN_S:]
    for (a_um, a_ms), (b_um, b_ms) in zip(points, points[1:], strict=False):
        if a_um <= depth_um <= b_um:
            exact = a_ms + (depth_um - a_um) * (b_ms - a_ms) / (b_um - a_um)
            assert exact <= ms + 1e-6
            assert ms < exact + 1
            # Inverse: this time gives the requested depth, within 1 um.
            assert dose.depth_at(depths_of(applicator, target), ms) in (depth_um, depth_um + 1)


def test_the_chord_errs_to_the_longer_side_and_by_five_per_cent_of_the_time_at_most() -> None:
    """The claim of the module about its interpolation.

    Time over depth is convex, so the true curve is below the chord, and above the extended
    neighbouring chords: the points alone give the largest distance.
    """
    worst = 0.0
    for number in ROWS:
        for target in TARGETS:
            um = depths_of(number, target)
            slopes = [(TIMES[i + 1] - TIMES[i]) / (um[i + 1] - um[i]) for i in range(TEN_S - 1, 13)]
            for one, following in zip(slopes, slopes[1:], strict=False):
                assert one <= following * 1.01, f"applicator {number}: not convex"
            for k in range(1, len(slopes)):
                i = TEN_S - 1 + k
                width = um[i + 1] - um[i]
                before, own = slopes[k - 1], slopes[k]
                # Beyond the last point, assume that the slope grows three times as fast.
                after = slopes[k + 1] if k + 1 < len(slopes) else 3 * own - 2 * before
                if after <= before:
                    gap = 0.0
                else:
                    gap = (own - before) * (after - own) / (after - before) * width
                worst = max(worst, gap / TIMES[i])
    assert worst <= CHORD


@given(applicators, targets, st.integers(0, 40000), st.integers(0, 40000))
def test_longer_is_never_less_deep(applicator: int, target: int, one: int, other: int) -> None:
    depths = depths_of(applicator, target)
    short, long = sorted((one, other))
    assert dose.depth_at(depths, short) <= dose.depth_at(depths, long) <= depths[-1]


@pytest.mark.hazard("H-06")
def test_an_unknown_applicator_or_target_has_no_dose() -> None:
    assert dose.dose_ms(0, 2500) == dose.NO_APPLICATOR
    assert dose.min_um(99) == dose.NO_APPLICATOR
    assert dose.max_um(99) == dose.NO_APPLICATOR
    assert dose.spread_um(99, 2500) == dose.NO_APPLICATOR
    assert dose.likely_um(99, 2500) == dose.NO_APPLICATOR
    assert dose.version_of(99) == dose.NO_APPLICATOR
    assert dose.dose_ms(1, 2500, 3) == dose.NONE
    assert dose.min_um(1, 0) == dose.NONE


@pytest.mark.hazard("H-06")
@given(st.integers(0, 12000), targets)
def test_a_depth_out_of_reach_names_who_reaches_it(depth_um: int, target: int) -> None:
    number = dose.reaching(depth_um, target)
    candidates = [
        number
        for number in ROWS
        if dose.min_um(number, target) <= depth_um <= dose.max_um(number, target)
    ]
    assert number == (candidates[0] if candidates else dose.NO_APPLICATOR)


@pytest.mark.hazard("H-30")
@given(applicators, st.integers(0, 10000))
def test_the_spread_is_the_rows_share_of_the_depth(applicator: int, depth_um: int) -> None:
    exact = depth_um * dose.row_of(applicator)[dose.WIDE] / 1000
    spread_um = dose.spread_um(applicator, depth_um)
    assert exact <= spread_um < exact + 1
    likely_um = dose.likely_um(applicator, depth_um)
    assert likely_um == depth_um * dose.row_of(applicator)[dose.LIKELY] // 1000
    low_um, high_um = dose.low_um(likely_um, spread_um), dose.high_um(likely_um, spread_um)
    assert low_um == pytest.approx(max(0, likely_um - 1.96 * spread_um), abs=1)
    assert high_um == pytest.approx(likely_um + 1.96 * spread_um, abs=1)


def test_a_calibrated_row_replaces_the_shipped_one(calibrated: tuple[object, ...]) -> None:
    before = dose.dose_ms(1, 2500)
    elsewhere = dose.dose_ms(2, 3500)
    shipped = dose.row_of(1)
    dose.use(calibrated, dose.CALIBRATED_VERSION + 17)
    assert dose.dose_ms(1, 2500) < before
    assert dose.row_of(1)[dose.PROVENANCE] == "measured here"
    assert dose.version_of(1) == 1017
    assert dose.version_of(2) == dose.TABLE_VERSION
    assert dose.dose_ms(2, 3500) == elsewhere
    dose.use(shipped, dose.TABLE_VERSION)
    assert dose.dose_ms(1, 2500) == before
    assert dose.version_of(1) == dose.TABLE_VERSION


@pytest.mark.hazard("H-01", "H-02")
@given(
    st.integers(dose.MIN_MS, dose.MAX_MS),
    st.integers(0, 100000),
    st.integers(0, 200000),
    st.integers(-500, 500),
)
def test_the_count_carries_lag_and_trim(ms: int, opens: int, closes: int, ppm: int) -> None:
    exact = (ms * 1000 + opens - closes) * (1 + ppm / 1e6)
    assert abs(dose.gate_us(ms, opens, closes, ppm) - exact) <= 2
