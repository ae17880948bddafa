"""Proof of closing, by series of nozzle readings. The rates over many lines: tests/model."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from cryo import closing


def after(seconds: float, nozzle_c: Callable[[float], float]) -> closing.Closing:
    """A valve commanded to close, and `nozzle_c` of the time in s since then."""
    watch = closing.Closing()
    for reading in range(1, round(seconds * 10) + 1):
        watch.step(round(nozzle_c(reading / 10) * 100))
    return watch


def warming(from_c: float, room_c: float = 22.0, constant_s: float = 25.0):
    return lambda t_s: room_c + (from_c - room_c) * math.exp(-t_s / constant_s)


@pytest.mark.hazard("H-05")
@pytest.mark.parametrize("from_c", [-190.0, -120.0, -60.0, -20.0, 10.0, 21.0])
@pytest.mark.parametrize("constant_s", [20.0, 25.0, 35.0])
def test_a_nozzle_that_warms_proves_that_the_valve_is_closed(
    from_c: float, constant_s: float
) -> None:
    line = warming(from_c, constant_s=constant_s)
    assert after(1.4, line).state == closing.CLOSING
    assert after(1.6, line).state == closing.PROVED
    assert after(60.0, line).state == closing.PROVED


@pytest.mark.hazard("H-05")
@pytest.mark.parametrize(
    "nozzle_c",
    [lambda t: -190.0, lambda t: max(-190.0, -60.0 - 15 * t), lambda t: max(-190, 20 - 4 * t)],
    ids=["cold", "falling", "still warm"],
)
def test_a_nozzle_that_does_not_warm_is_a_warning_and_a_fault(
    nozzle_c: Callable[[float], float],
) -> None:
    assert after(2.9, nozzle_c).state in (closing.CLOSING, closing.LATE)
    assert after(3.5, nozzle_c).state in (closing.LATE, closing.STUCK)
    assert after(4.5, nozzle_c).state == closing.STUCK
    assert after(60.0, nozzle_c).state == closing.STUCK


@pytest.mark.hazard("H-05")
def test_nitrogen_that_flows_again_is_found() -> None:
    """From a valve that was proved closed, in READY."""
    watch = after(30.0, lambda t: 22.0)
    assert watch.state == closing.PROVED
    states = []
    for reading in range(30):
        watch.step(round((22.0 - 0.4 * reading) * 100))
        states.append(watch.state)
    assert closing.LATE in states
    assert states[-1] == closing.STUCK


@pytest.mark.hazard("H-05")
def test_a_hand_warm_line_in_a_cold_room_is_no_fault() -> None:
    """It cools by 1 K/s at the most."""
    assert after(20.0, warming(33.0, 10.0)).state == closing.PROVED


@pytest.mark.hazard("H-05")
def test_one_disturbed_reading_changes_nothing() -> None:
    def disturbed(t_s: float) -> float:
        return -120.0 if t_s == 1.0 else warming(-190.0)(t_s)

    assert after(3.0, disturbed).state == closing.PROVED
    flowing = after(4.5, lambda t: -100.0 if t == 2.0 else -190.0)
    assert flowing.state == closing.STUCK


@pytest.mark.hazard("H-05")
def test_another_nozzle_is_no_flow() -> None:
    """One step of the temperature, in READY: a nozzle from the cold store."""
    watch = after(30.0, lambda t: 22.0)
    states = []
    for reading in range(100):
        watch.step(round(warming(-48.0)(reading / 10) * 100))
        states.append(watch.state)
    assert set(states) == {closing.PROVED}
