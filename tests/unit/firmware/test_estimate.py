"""The live estimate of the depth: in integers, from nozzle, pressure and skin. H-02

Against the tissue model it is judged by the campaign of random treatments; here are its rules.
"""

from __future__ import annotations

import math

import pytest
from cryo import dose, estimate
from hypothesis import given, strategies as st

LIQUID, ROOM = -19200, 2200
NOMINAL_MBAR = 550
SPRAYS = [row[dose.NUMBER] for row in dose.APPLICATORS if row[dose.SKIN_MS]]
SEEN = [n for n in SPRAYS if dose.row_of(n)[dose.SPOT_UM] >= 2500]
"""Those whose spot fills the infrared sensor's field."""
SMALL = 0x3FFFFFFF
"""The largest integer that MicroPython keeps without memory."""


def began(number: int = 2, target: int = dose.BENIGN) -> estimate.Estimate:
    made = estimate.Estimate()
    made.begin(dose.row_of(number), target)
    return made


def run(
    made: estimate.Estimate, ms: int, nozzle: int = LIQUID, mbar: int = NOMINAL_MBAR
) -> estimate.Estimate:
    for _ in range(ms // 10):
        made.step(10, nozzle, mbar, 0, False)
    return made


def see_fall(made: estimate.Estimate, to_m65_ms: float, ms: int = 2000) -> estimate.Estimate:
    """Nominal liquid, and a skin that falls by the one law, seen 220 ms late, ten times a second.

    The law between its points: the square root of time, near enough.
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
        made.step(10, LIQUID, NOMINAL_MBAR, skin, True)
    return made


@pytest.mark.parametrize("target", [row[0] for row in dose.TARGETS])
@pytest.mark.parametrize("number", [row[dose.NUMBER] for row in dose.APPLICATORS])
def test_steady_liquid_at_nominal_pressure_gives_the_curve(number: int, target: int) -> None:
    made = began(number, target)
    for ms in range(100, 30001, 100):
        run(made, 100)
        curve = dose.curve(dose.row_of(number), target)
        assert made.effective_ms == ms
        assert made.depth_um == dose.depth_at(curve, ms)


@pytest.mark.hazard("H-02")
@given(st.lists(st.integers(-20000, 4000), min_size=1, max_size=300))
def test_depth_and_effective_time_never_go_back_nor_ahead_of_the_clock(nozzle: list[int]) -> None:
    made = began()
    before = 0, 0
    for n, c in enumerate(nozzle, 1):
        run(made, 100, c)
        assert before[0] <= made.depth_um
        assert before[1] < made.effective_ms <= 100 * n
        before = made.depth_um, made.effective_ms


def test_a_colder_nozzle_counts_more_and_warm_gas_a_twentieth() -> None:
    times = [run(began(), 5000, c).effective_ms for c in range(2000, -19500, -100)]
    assert times == sorted(times)
    assert times[0] == 250
    assert times[-1] == 5000


@pytest.mark.parametrize(("number", "exponent"), [(1, 0.125), (2, 0.11), (3, 0.095), (5, 0.165)])
def test_pressure_moves_a_spray_by_a_power_of_its_own_and_a_probe_not_at_all(
    number: int, exponent: float
) -> None:
    """Depth goes with h to twice the exponent, h with the pressure to the table's power."""
    row = dose.row_of(number)
    power = row[dose.BY_PRESSURE] / 1000
    assert power > 0.2
    expected = dose.depth_at(row[dose.CURVE], 10000)
    for mbar in (300, 550, 900):
        depth = run(began(number), 10000, mbar=mbar).depth_um
        assert depth == pytest.approx(expected * (mbar / 550) ** (2 * exponent * power), rel=0.006)
        assert run(began(7), 10000, mbar=mbar).depth_um == run(began(7), 10000).depth_um


@pytest.mark.parametrize("number", SEEN)
def test_the_skin_s_fall_tells_the_coefficient(number: int) -> None:
    """A fall at the nominal rate changes nothing; a quicker one says deeper, a slower one less."""
    row = dose.row_of(number)
    nominal_ms = row[dose.SKIN_MS]
    plain = run(began(number), 10000)
    depths = []
    for factor in (0.6, 1.0, 1.6):
        made = run(see_fall(began(number), nominal_ms * factor), 8000)
        assert made.skin_ms == pytest.approx(nominal_ms * factor, rel=0.12)
        assert made.spread_um < plain.spread_um
        depths.append(made.depth_um)
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
def test_whatever_is_read_every_number_stays_small_and_bounded(
    readings: list[tuple[int, int, int, bool]], number: int
) -> None:
    made = began(number)
    for reading in readings:
        for _ in range(10):
            made.step(10, *reading)
        plain = dose.depth_at(made._curve, made.effective_ms)  # pyright: ignore[reportPrivateUsage]
        assert 0.75 * plain - 1 <= made.depth_um <= 1.35 * plain + 1
        assert all(abs(v) <= SMALL for v in vars(made).values() if isinstance(v, int))


def test_a_reading_below_the_sensor_s_end_says_nothing_more() -> None:
    made = began()
    made.step(10, LIQUID, NOMINAL_MBAR, 3300, True)
    run(made, 300)
    made.step(10, LIQUID, NOMINAL_MBAR, -7001, True)
    made.step(10, LIQUID, NOMINAL_MBAR, -3000, True)
    assert made.skin_ms == 0


def test_skin_that_was_cold_at_the_beginning_tells_nothing() -> None:
    """A second freeze on tissue that has not come to its temperature."""
    made = began()
    for c in range(1000, -6000, -100):
        made.step(20, LIQUID, NOMINAL_MBAR, c, True)
    assert made.skin_ms == 0


@pytest.mark.parametrize("number", sorted(set(SPRAYS) - set(SEEN)))
def test_a_spot_smaller_than_the_sensor_s_field_tells_nothing(number: int) -> None:
    """It would see uncooled skin around the spot, and take the spray for a weak one."""
    assert see_fall(began(number), 500).skin_ms == 0


def test_a_probe_hides_the_skin() -> None:
    made = began(7)
    for c in range(3000, -6000, -100):
        made.step(100, LIQUID, NOMINAL_MBAR, c, True)
    assert made.skin_ms == 0


def test_it_is_reached_when_the_depth_is_and_begin_forgets_all() -> None:
    made = see_fall(began(1), 500)
    run(made, 12000, mbar=700)
    depth = made.depth_um
    assert depth > 2000
    assert made.reached(depth)
    assert not made.reached(depth + 1)
    made.begin(dose.row_of(2), dose.BENIGN)
    assert (made.depth_um, made.spread_um, made.effective_ms, made.skin_ms) == (0, 0, 0, 0)
    fresh, again = run(began(2), 10000), run(made, 10000)
    assert vars(fresh) == vars(again)


@given(st.integers(250, 4000))
def test_the_logarithm_is_near_enough(ratio: int) -> None:
    assert estimate.ln_permille(ratio) == pytest.approx(1000 * math.log(ratio / 1000), abs=18)
