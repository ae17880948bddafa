"""The live depth estimate: integer arithmetic, from nozzle, pressure and skin. H-02

These tests check its rules; the campaign of random treatments checks it against the tissue model.
"""

from __future__ import annotations

import math

import pytest
from cryo import dose, estimate
from hypothesis import given, strategies as st

LIQUID, ROOM = -19200, 2200
NOMINAL_MBAR = 550
SPRAYS = [row[dose.NUMBER] for row in dose.rows() if row[dose.SKIN_MS]]
WIDE = [n for n in SPRAYS if dose.row_of(n)[dose.SPOT_UM] >= 2500]
"""Sprays whose spot fills the infrared sensor's field."""
SMALL = 0x3FFFFFFF
"""The largest integer that MicroPython stores without allocating."""


def calibrated(number: int) -> tuple[object, ...]:
    """The applicator's row as if its curve had been calibrated on this device."""
    row = dose.row_of(number)
    wide = row[dose.CALIBRATED_WIDE]
    return (*row[: dose.LIKELY], 1000, wide, wide, 0, 0, *row[dose.FALL_WIDE + 1 :])


def began(number: int = 2, target: int = dose.BENIGN, shipped: bool = False) -> estimate.Estimate:
    """An estimate at the beginning of a freeze, with a calibrated curve or the shipped one."""
    depth = estimate.Estimate()
    depth.begin(dose.row_of(number) if shipped else calibrated(number), target)
    return depth


def run(
    depth: estimate.Estimate, ms: int, nozzle: int = LIQUID, mbar: int = NOMINAL_MBAR
) -> estimate.Estimate:
    """Step an estimate for `ms` without skin readings."""
    for _ in range(ms // 10):
        depth.step(10, nozzle, mbar, 0, False)
    return depth


def cool_skin(depth: estimate.Estimate, to_m65_ms: float, ms: int = 2000) -> estimate.Estimate:
    """Nominal liquid, and skin on the cooling curve, read 220 ms late, ten times a second.

    Linear between the points of the curve, which is close to the square root of time.
    """
    shape_c = (33.0, -10.0, -20.0, -30.0, -40.0, -50.0, -60.0, -65.0, -70.0)
    shape = (0.0, 0.067, 0.157, 0.26, 0.409, 0.593, 0.844, 1.0, 1.178)
    skin = 3300
    for k in range(ms // 10):
        if k % 10 == 0:
            part = (k * 10 - 220) / to_m65_ms
            c = -70.01
            for i in range(1, len(shape)):
                if part <= shape[i]:
                    share = max(0.0, part - shape[i - 1]) / (shape[i] - shape[i - 1])
                    c = shape_c[i - 1] + share * (shape_c[i] - shape_c[i - 1])
                    break
            skin = round(c * 100)
        depth.step(10, LIQUID, NOMINAL_MBAR, skin, True)
    return depth


@pytest.mark.parametrize("target", [row[0] for row in dose.TARGETS])
@pytest.mark.parametrize("number", [row[dose.NUMBER] for row in dose.rows()])
def test_steady_liquid_at_nominal_pressure_gives_the_curve(number: int, target: int) -> None:
    depth = began(number, target)
    for ms in range(100, 30001, 100):
        run(depth, 100)
        curve = dose.curve(dose.row_of(number), target)
        assert depth.effective_ms == ms
        assert depth.depth_um == dose.depth_at(curve, ms)


@pytest.mark.hazard("H-02")
@given(st.lists(st.integers(-20000, 4000), min_size=1, max_size=300))
def test_depth_and_effective_time_never_go_back_nor_ahead_of_the_clock(nozzle: list[int]) -> None:
    depth = began()
    before = 0, 0
    for n, c in enumerate(nozzle, 1):
        run(depth, 100, c)
        assert before[0] <= depth.depth_um
        assert before[1] < depth.effective_ms <= 100 * n
        before = depth.depth_um, depth.effective_ms


def test_a_colder_nozzle_counts_more_and_warm_gas_a_twentieth() -> None:
    times = [run(began(), 5000, c).effective_ms for c in range(2000, -19500, -100)]
    assert times == sorted(times)
    assert times[0] == 250
    assert times[-1] == 5000


@pytest.mark.parametrize(("number", "exponent"), [(1, 0.125), (2, 0.11), (3, 0.095), (5, 0.165)])
def test_pressure_moves_a_spray_by_a_power_of_its_own_and_a_probe_not_at_all(
    number: int, exponent: float
) -> None:
    """Depth scales with h to twice the exponent, h with the pressure to the table's power."""
    row = dose.row_of(number)
    power = row[dose.BY_PRESSURE] / 1000
    assert power > 0.2
    expected = dose.depth_at(row[dose.CURVE], 10000)
    for mbar in (300, 550, 900):
        depth = run(began(number), 10000, mbar=mbar).depth_um
        assert depth == pytest.approx(expected * (mbar / 550) ** (2 * exponent * power), rel=0.006)
        assert run(began(7), 10000, mbar=mbar).depth_um == run(began(7), 10000).depth_um


@pytest.mark.parametrize("number", WIDE)
def test_the_skin_s_cooling_gives_the_coefficient(number: int) -> None:
    """Cooling at the nominal rate changes nothing; faster cooling gives more depth, slower less."""
    row = dose.row_of(number)
    nominal_ms = row[dose.SKIN_MS]
    plain = run(began(number), 10000)
    depths = []
    for factor in (0.6, 1.0, 1.6):
        depth = run(cool_skin(began(number), nominal_ms * factor), 8000)
        assert depth.skin_ms == pytest.approx(nominal_ms * factor, rel=0.12)
        wide = depth.depth_um * dose.row_of(number)[dose.CALIBRATED_WIDE] // 1000
        assert depth.spread_um == pytest.approx(wide, abs=2), "how deep the skin freezes: not told"
        depths.append(depth.depth_um)
    assert depths[0] > depths[1] > depths[2]
    assert depths[1] == pytest.approx(plain.depth_um, rel=0.01)
    assert 0.02 < depths[0] / depths[2] - 1 < 0.25


@given(
    st.lists(
        st.tuples(
            st.integers(-25000, 10000),
            st.integers(-100, 4000),
            st.integers(-7001, 20000),
            st.booleans(),
        ),
        min_size=1,
        max_size=400,
    ),
    st.sampled_from(SPRAYS),
)
def test_any_readings_keep_every_number_small_and_bounded(
    readings: list[tuple[int, int, int, bool]], number: int
) -> None:
    depth = began(number)
    for reading in readings:
        for _ in range(10):
            depth.step(10, *reading)
        curve = depth._curve  # pyright: ignore[reportPrivateUsage]
        plain = dose.depth_at(curve, depth.effective_ms)
        assert 0.75 * plain - 1 <= depth.depth_um <= 1.35 * plain + 1
        assert all(abs(v) <= SMALL for v in vars(depth).values() if isinstance(v, int))


def test_readings_after_the_end_of_the_sensor_s_range_are_ignored() -> None:
    depth = began()
    depth.step(10, LIQUID, NOMINAL_MBAR, 3300, True)
    run(depth, 300)
    depth.step(10, LIQUID, NOMINAL_MBAR, -7001, True)
    depth.step(10, LIQUID, NOMINAL_MBAR, -3000, True)
    assert depth.skin_ms == 0


def test_skin_that_was_cold_at_the_beginning_is_ignored() -> None:
    """A second freeze on tissue that has not rewarmed."""
    depth = began()
    for c in range(1000, -6000, -100):
        depth.step(20, LIQUID, NOMINAL_MBAR, c, True)
    assert depth.skin_ms == 0


@pytest.mark.parametrize("number", sorted(set(SPRAYS) - set(WIDE)))
def test_a_spot_smaller_than_the_sensor_s_field_is_ignored(number: int) -> None:
    """The sensor would see uncooled skin around the spot, so that the spray would appear weak."""
    assert cool_skin(began(number), 500).skin_ms == 0


def test_a_probe_hides_the_skin() -> None:
    depth = began(7)
    for c in range(3000, -6000, -100):
        depth.step(100, LIQUID, NOMINAL_MBAR, c, True)
    assert depth.skin_ms == 0


def test_reached_compares_the_depth_and_begin_resets_everything() -> None:
    depth = cool_skin(began(1), 500)
    run(depth, 12000, mbar=700)
    um = depth.depth_um
    assert um > 2000
    assert depth.reached(um)
    assert not depth.reached(um + 1)
    depth.begin(calibrated(2), dose.BENIGN)
    assert (depth.depth_um, depth.spread_um, depth.effective_ms, depth.skin_ms) == (0, 0, 0, 0)
    fresh, again = run(began(2), 10000), run(depth, 10000)
    assert vars(fresh) == vars(again)


@pytest.mark.hazard("H-30")
@pytest.mark.parametrize("number", [row[dose.NUMBER] for row in dose.rows()])
def test_a_shipped_curve_states_what_other_skins_and_jets_leave_of_it(number: int) -> None:
    row = dose.row_of(number)
    depth = run(began(number, shipped=True), 20000)
    curve = dose.depth_at(row[dose.CURVE], 20000)
    assert depth.depth_um == curve * row[dose.LIKELY] // 1000
    assert depth.spread_um == curve * row[dose.WIDE] // 1000
    assert row[dose.WIDE] > 150
    assert (row[dose.LIKELY] < 750) == (row[dose.KIND] == 1), "a spray of which nothing is known"


@pytest.mark.hazard("H-30")
@pytest.mark.parametrize("number", SPRAYS)
def test_a_slower_fall_of_the_surface_lets_a_shipped_spray_expect_less(number: int) -> None:
    row = dose.row_of(number)
    plain = run(began(number, shipped=True), 10000)
    depths = []
    for fall_ms in (200, 600, 1800, 5600, None):
        depth = began(number, shipped=True)
        depth.step(10, LIQUID, NOMINAL_MBAR, 3300, True)
        for ms in range(20, 10001, 10):
            fell = fall_ms is not None and ms >= fall_ms
            depth.step(10, LIQUID, NOMINAL_MBAR, -2500 if fell else 1000, True)
        assert depth.fall_ms == (fall_ms or 0)
        curve = dose.depth_at(row[dose.CURVE], depth.effective_ms)
        part = row[dose.FALL] / 1000 - 0.2 * math.log((fall_ms or 10000) / 1000)
        assert depth.depth_um == pytest.approx(curve * part, abs=0.02 * curve)
        assert depth.spread_um < plain.spread_um
        depths.append(depth.depth_um)
    assert depths == sorted(depths, reverse=True)
    assert depths[0] > plain.depth_um > depths[-1]


@pytest.mark.hazard("H-30")
def test_skin_that_was_cold_before_tells_a_shipped_spray_nothing() -> None:
    depth = began(2, shipped=True)
    for _ in range(1000):
        depth.step(10, LIQUID, NOMINAL_MBAR, -3000, True)
    assert (depth.depth_um, depth.fall_ms) == (run(began(2, shipped=True), 10000).depth_um, 0)


@given(st.integers(250, 4000))
def test_the_logarithm_is_near_enough(ratio: int) -> None:
    assert estimate.ln_permille(ratio) == pytest.approx(1000 * math.log(ratio / 1000), abs=18)
