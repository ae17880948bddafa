"""What the witness takes for a sprayed skin, reading by reading. H-27"""

from __future__ import annotations

import pytest
from cryo import dose, witness
from hypothesis import given, strategies as st

SPRAY_B = 2
WARM, FLOOR = 3300, -7001
NOMINAL_MS = dose.row_of(SPRAY_B)[dose.SKIN_MS]
SMALL = 0x3FFFFFFF
"""The largest integer that MicroPython stores without allocating."""


def began(number: int = SPRAY_B, first: int = WARM, *, fitted: int = 1) -> witness.Witness:
    """A witness before the first reading."""
    one = witness.Witness()
    one.begin(dose.row_of(number), fitted, first, True)
    return one


def seen(one: witness.Witness, readings: list[int], skin_ms: int = NOMINAL_MS) -> int:
    """Readings every 100 ms with liquid from 100 ms on; the doubt, 0 = none."""
    for k, c in enumerate(readings, 1):
        one.step(100 * k, max(0, 100 * k - 100), skin_ms if c < -1000 else 0, c, True)
    return one.doubt


FALL = [WARM, 2500, -1500, -4200, -6100, FLOOR]


@pytest.mark.hazard("H-27")
def test_a_fall_as_the_table_has_it_is_believed() -> None:
    one = began()
    assert not one.may_end(), "not before it has been seen"
    assert seen(one, FALL + [FLOOR] * 100) == witness.NONE
    assert one.may_end()
    assert one.fall_permille == 1000


@pytest.mark.hazard("H-27")
@pytest.mark.parametrize(
    ("readings", "skin_ms", "doubt"),
    [
        ([WARM] * 30, 0, witness.NO_FALL),
        ([WARM, 2500, 2000] + [1900] * 30, 0, witness.NO_FALL),
        ([WARM, *[3300 - 250 * k for k in range(40)]], 1500, witness.TOO_SLOW),
        ([WARM, -2000, FLOOR], 0, witness.TOO_QUICK),
        (FALL + [FLOOR] * 40 + [-4000] * 3, NOMINAL_MS, witness.CAME_BACK),
        (FALL, 3 * NOMINAL_MS, witness.TOO_SLOW),
        (FALL, NOMINAL_MS // 10, witness.TOO_QUICK),
    ],
)
def test_what_no_sprayed_skin_does_is_a_doubt(
    readings: list[int], skin_ms: int, doubt: int
) -> None:
    one = began()
    assert seen(one, readings, skin_ms) == doubt
    assert not one.may_end()


@pytest.mark.hazard("H-27")
def test_a_doubt_arises_once_and_stays() -> None:
    one = began()
    said = [one.step(100 * k, 100 * k, 0, WARM, True) for k in range(1, 60)]
    assert said.count(True) == 1
    assert not one.step(7_000, 7_000, NOMINAL_MS, FLOOR, True)
    assert one.doubt == witness.NO_FALL


def test_two_disturbed_readings_are_no_return() -> None:
    one = began()
    assert seen(one, [*FALL, FLOOR, 2000, 2000, FLOOR, FLOOR, 2000, 2000, FLOOR]) == witness.NONE


@pytest.mark.hazard("H-27")
def test_a_sensor_that_falls_silent_before_the_skin_is_cold_witnesses_nothing() -> None:
    one = began()
    for k in range(1, 20):
        one.step(100 * k, 100 * k, 0, 0, False)
    assert one.doubt == witness.SILENT
    below = began()
    seen(below, FALL[:5])
    for k in range(6, 30):
        below.step(100 * k, 100 * k, NOMINAL_MS, 0, False)
    assert below.doubt == witness.NONE, "below its range the sensor may report an error"
    assert below.may_end()


def test_a_cold_skin_is_not_timed_and_a_probe_not_watched() -> None:
    assert seen(began(first=-300), [-400, -6000, FLOOR], 0) == witness.NONE
    assert seen(began(first=-300), [-300] * 30, 0) == witness.NO_FALL
    assert seen(began(4), [WARM] * 30, 0) == witness.NONE
    unfitted = began(fitted=0)
    assert seen(unfitted, [WARM] * 30, 0) == witness.NONE
    assert unfitted.may_end()


@given(
    st.lists(
        st.tuples(st.integers(-7001, 20000), st.booleans(), st.integers(0, 5000)),
        min_size=1, max_size=300,
    ),
    st.sampled_from([row[dose.NUMBER] for row in dose.rows()]),
)  # fmt: skip
def test_its_numbers_stay_small_whatever_the_sensor_says(
    readings: list[tuple[int, bool, int]], number: int
) -> None:
    one = began(number)
    for k, (c, valid, skin_ms) in enumerate(readings, 1):
        one.step(100 * k, 97 * k, skin_ms, c, valid)
        products = (skin_ms + 100 * k) * 1000, abs(one.fall_permille), abs(one.lowest_c_x100)
        assert max(products) <= SMALL
        assert one.doubt in range(6)
