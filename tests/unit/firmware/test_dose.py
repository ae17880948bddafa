"""Dose: H-06, refused outside the table and never clamped; H-02, never shorter than the table."""

from __future__ import annotations

from cryo import dose
from hypothesis import given, strategies as st

ROWS = [row[0] for row in dose.APPLICATORS]
applicators = st.sampled_from(ROWS)


def test_tables_are_monotone_and_within_ten_to_thirty_seconds() -> None:
    assert len(set(ROWS)) == len(ROWS)
    for _, name, points, provenance in dose.APPLICATORS:
        assert len(name) <= 16
        assert provenance
        assert points[0][1] >= dose.MIN_MS
        assert points[-1][1] <= dose.MAX_MS
        for (depth, ms), (deeper, longer) in zip(points, points[1:], strict=False):
            assert depth < deeper
            assert ms < longer


@given(applicators, st.integers(-10000, 100000))
def test_a_dose_is_in_range_or_refused(applicator: int, depth_um: int) -> None:
    """H-06."""
    ms = dose.dose_ms(applicator, depth_um)
    if dose.min_um(applicator) <= depth_um <= dose.max_um(applicator):
        assert dose.MIN_MS <= ms <= dose.MAX_MS
    else:
        assert ms == dose.NONE


@given(applicators, st.integers(0, 6000), st.integers(0, 6000))
def test_deeper_is_never_shorter(applicator: int, one: int, other: int) -> None:
    """H-02."""
    shallow, deep = sorted((one, other))
    short, long = dose.dose_ms(applicator, shallow), dose.dose_ms(applicator, deep)
    if short > 0 and long > 0:
        assert short <= long


def test_the_points_themselves_come_out() -> None:
    for number, _, points, _ in dose.APPLICATORS:
        for depth_um, ms in points:
            assert dose.dose_ms(number, depth_um) == ms


@given(applicators, st.integers(0, 6000))
def test_between_points_the_time_is_linear_and_rounded_up(applicator: int, depth_um: int) -> None:
    ms = dose.dose_ms(applicator, depth_um)
    if ms < 0:
        return
    points = dose.row_of(applicator)[2]
    for (a_um, a_ms), (b_um, b_ms) in zip(points, points[1:], strict=False):
        if a_um <= depth_um <= b_um:
            exact = a_ms + (depth_um - a_um) * (b_ms - a_ms) / (b_um - a_um)
            assert exact <= ms + 1e-6
            assert ms < exact + 1


def test_the_chord_errs_to_the_longer_side_by_four_per_cent_at_most() -> None:
    """What the module says of its interpolation, against depth growing with the root of time."""
    worst = 0.0
    for number, _, points, _ in dose.APPLICATORS:
        for (a_um, a_ms), (b_um, b_ms) in zip(points, points[1:], strict=False):
            for depth_um in range(a_um, b_um + 1, 10):
                part = (depth_um**2 - a_um**2) / (b_um**2 - a_um**2)
                curve = a_ms + part * (b_ms - a_ms)
                worst = max(worst, dose.dose_ms(number, depth_um) / curve - 1)
                assert dose.dose_ms(number, depth_um) >= curve - 1
    assert worst <= 0.04


def test_an_unknown_applicator_has_no_dose() -> None:
    assert dose.dose_ms(0, 2500) == dose.NO_APPLICATOR
    assert dose.min_um(99) == dose.NO_APPLICATOR
    assert dose.max_um(99) == dose.NO_APPLICATOR


def test_a_depth_out_of_reach_names_who_reaches_it() -> None:
    assert dose.reaching(1500) == 4
    assert dose.reaching(5500) == 3
    assert dose.reaching(9000) == dose.NO_APPLICATOR


@given(
    st.integers(dose.MIN_MS, dose.MAX_MS),
    st.integers(0, 100000),
    st.integers(0, 200000),
    st.integers(-500, 500),
)
def test_the_count_carries_lag_and_trim(ms: int, opens: int, closes: int, ppm: int) -> None:
    exact = (ms * 1000 + opens - closes) * (1 + ppm / 1e6)
    assert abs(dose.gate_us(ms, opens, closes, ppm) - exact) <= 2
