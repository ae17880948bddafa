"""The menu over READY: volume, brightness, language, patient number, information."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from hw_sim.bench import Bench, FastBench
from tests.scenarios.conftest import (
    ARMED,
    OBSERVATION,
    SCREENING,
    SETTING,
    SHORT,
    arm,
    cold_line,
    faults,
    freezing,
    last,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    treat,
)
from tests.scenarios.fault_numbers import Fault

VOLUME, CONTRAST, LANGUAGE, PATIENT_REF, THAW_MIN_S, CYCLES = 4, 5, 27, 25, 24, 22
BY_PANEL = 1
LINES = ("volume", "contrast", "language", "patient_ref", "information")


def text(bench: Bench) -> str:
    """The screen, once it is updated."""
    bench.run_for(150)
    return bench.screen().text()


def value(bench: Bench, key: str) -> int:
    return bench.ask("get", key=key)["ok"]["value"]


def opened(bench: Bench, line: str = "volume") -> str:
    """READY with the menu open and a line selected; returns READY's screen."""
    ready(bench)
    bench.run_for(500)
    before = text(bench)
    reopened(bench, line)
    assert text(bench) != before
    return before


@cache
def title() -> str:
    """The title at the top left of the menu, unique to it."""
    bench = FastBench()
    opened(bench)
    return top_left(bench)


def top_left(bench: Bench) -> str:
    return "\n".join(line[:80] for line in text(bench).splitlines()[:8])


def reopened(bench: Bench, line: str = "volume") -> None:
    bench.press("select", 1200)
    for _ in range(LINES.index(line)):
        bench.press("down")


def test_the_menu_opens_and_arm_leads_back(bench: Bench) -> None:
    before = opened(bench)
    assert state(bench) == "READY"
    assert top_left(bench) == title()
    bench.press("arm")
    assert text(bench) == before


def test_select_held_leads_back_but_not_the_hold_that_opened(bench: Bench) -> None:
    ready(bench)
    bench.run_for(500)
    before = text(bench)
    bench.press("select", 5000)
    assert text(bench) != before
    bench.press("select", 1200)
    assert text(bench) == before
    bench.press("select")  # SELECT moves between fields again
    assert text(bench) != before


def test_a_short_press_of_select_opens_nothing(bench: Bench) -> None:
    ready(bench)
    bench.run_for(500)
    before = text(bench)
    for _ in range(5):
        bench.press("select", 900)
    assert text(bench) == before


@pytest.mark.parametrize(
    ("line", "number", "values"),
    [
        ("volume", VOLUME, [2, 3, 1, 2]),
        ("contrast", CONTRAST, [207, 255, 16, 64, 128, 207]),
        ("language", LANGUAGE, [1, 2, 1]),
    ],
)
def test_select_goes_round_the_values(
    bench: Bench, line: str, number: int, values: list[int]
) -> None:
    """Each applied immediately; saved and recorded once a little later, with its source."""
    opened(bench, line)
    observed = [value(bench, line)]
    for _ in values[1:]:
        before = text(bench)
        bench.press("select")
        observed.append(value(bench, line))
        assert text(bench) != before
    assert observed == values
    bench.press("select")
    bench.run_for(2500)
    record = last(bench, SETTING)
    assert record.values("setting", "old", "new", "by") == (number, values[0], values[1], BY_PANEL)
    bench.cut_power()
    bench.run_for(300)
    switch_on(bench, "READY")
    assert value(bench, line) == values[1]


@pytest.mark.needs("screen")
def test_brightness_and_volume_take_effect_at_once(bench: Bench) -> None:
    opened(bench, "contrast")
    assert bench.wiring.screen.contrast == 207
    bench.press("select")
    assert bench.wiring.screen.contrast == 255
    duties: list[int] = []
    bench.wiring.watch(
        lambda t, signal, level: (
            duties.append(bench.wiring.buzzer.duty_u16) if signal == "BUZZER" and level else None
        )
    )
    bench.press("up")
    soft = max(duties)  # a click
    duties.clear()
    bench.press("select")
    bench.run_for(50)
    assert max(duties) > soft


def test_the_language_changes_at_once(bench: Bench) -> None:
    """In the menu itself, and in READY behind it."""
    before = opened(bench, "language")
    english = text(bench)
    bench.press("select")
    assert text(bench) != english
    bench.press("arm")
    chinese = text(bench)
    assert chinese != before
    reopened(bench, "language")
    bench.press("select")
    assert text(bench) == english
    bench.press("arm")
    assert text(bench) == before


@pytest.mark.hazard("H-18")
def test_the_patients_number_can_be_taken_away(bench: Bench) -> None:
    """H-18: with one press, where DOWN would need thousands."""
    ready(bench)
    bench.ask("set", key="patient_ref", value=4711)
    reopened(bench, "patient_ref")
    bench.press("select")
    assert value(bench, "patient_ref") == 0
    bench.run_for(2500)
    assert last(bench, SETTING).values("setting", "old", "new", "by") == (
        PATIENT_REF,
        4711,
        0,
        BY_PANEL,
    )
    before = text(bench)
    bench.press("select")  # refused: there is no number
    assert text(bench) == before


@pytest.mark.parametrize("name", ["arm", "select", "up", "down", "trigger"])
def test_any_button_leads_from_the_information_to_the_menu(bench: Bench, name: str) -> None:
    ready_screen = opened(bench, "information")
    menu = text(bench)
    bench.press("select")
    information = text(bench)
    assert information not in (menu, ready_screen)
    bench.press(name, 3000)
    assert text(bench) == menu
    assert told(bench) == "READY"
    assert bench.valve_intervals() == []


def test_nobody_presses_and_it_is_left(bench: Bench) -> None:
    before = opened(bench)
    menu = text(bench)
    bench.run_for(20_000)
    bench.press("down")
    bench.press("up")
    bench.run_for(29_000)
    assert text(bench) == menu
    bench.run_for(2_000)
    assert text(bench) == before


@pytest.mark.hazard("H-13")
def test_nothing_in_it_changes_a_dose_or_a_limit(bench: Bench) -> None:
    """H-13: every line, selected and pressed; also UP and DOWN."""
    ready(bench)
    rows = []
    following = 0
    while following is not None:
        page = bench.ask("describe", part="settings", **{"from": following})["ok"]
        rows += page["rows"]
        following = page["next"]
    keys = [row[1] for row in rows if row[6] == "device"]
    assert len(keys) > 30
    before = {key: value(bench, key) for key in keys}
    reopened(bench)
    for _ in LINES:
        bench.press("select")
        bench.press("up")  # leaves the information
        bench.press("down")
        bench.press("down")
    bench.run_for(3000)
    assert {key: value(bench, key) for key in keys} == before


@pytest.mark.hazard("H-04")
def test_it_cannot_arm(bench: Bench) -> None:
    """H-04: ARM leads back, however long it is held; to arm it must be pressed again."""
    before = opened(bench)
    bench.press("arm", 5000)
    assert text(bench) == before
    assert told(bench) == "READY"
    assert all(record.kind not in (ARMED, SCREENING) for record in records(bench))
    reopened(bench)
    bench.press("trigger", 2000)
    assert bench.valve_intervals() == []
    bench.press("arm")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-03")
def test_the_estop_ends_it(bench: Bench) -> None:
    """H-03: an open menu is closed once the fault is cleared."""
    before = opened(bench)
    bench.estop_open()
    bench.run_for(300)
    assert told(bench) == "FAULT"
    assert faults(bench) == [Fault.ESTOP]
    bench.estop_close()
    bench.run_for(100)
    bench.press("select", 2300)
    assert told(bench) == "READY"
    assert text(bench) == before


@pytest.mark.needs("mishaps")
def test_a_fault_ends_it(bench: Bench) -> None:
    """H-10."""
    before = opened(bench)
    bench.mishap("thermocouple_open")
    bench.run_for(3000)
    assert faults(bench) == [Fault.NOZZLE_SENSOR]
    bench.mend("thermocouple_open")
    bench.run_for(3000)
    bench.press("select")
    assert told(bench) == "READY"
    assert text(bench) == before


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("answer", ["select", "up", "time"])
def test_what_a_host_asks_comes_before_it(bench: Bench, answer: str) -> None:
    """H-13: shown immediately, answered as usual, and the menu is closed."""
    opened(bench)
    menu = text(bench)
    reply = bench.ask("set", key="depth_um", value=2500)
    assert not reply["ok"]["applied"]
    asked = text(bench)
    assert asked != menu
    if answer == "time":
        bench.run_for(61_000)
    else:
        bench.press(answer, 1200)
    assert value(bench, "depth_um") == (2500 if answer == "select" else 2300)
    assert text(bench) not in (menu, asked)
    reopened(bench)
    assert text(bench) == menu


def test_a_host_that_sets_the_volume_leaves_it_open(bench: Bench) -> None:
    opened(bench)
    before = text(bench)
    bench.ask("set", key="volume", value=3)
    after = text(bench)
    bench.ask("set", key="volume", value=2)
    assert before == text(bench) != after


@pytest.mark.hazard("H-09")
def test_the_end_of_an_observation_comes_before_it(bench: Bench) -> None:
    """H-09: the questions are shown; SELECT answers them, and ARM arms."""
    preset(bench, {**SHORT, 31: 60})
    switch_on(bench, "READY")
    treat(bench)
    bench.press("select")
    bench.run_for(55_000)
    bench.press("select", 1200)
    menu = text(bench)
    bench.run_for(8_000)
    assert text(bench) != menu
    for _ in range(3):
        bench.press("select")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    assert last(bench, OBSERVATION).outcome == 1


def _screening(bench: Bench) -> None:
    preset(bench, {17: 0})
    switch_on(bench, "READY")
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"


def _prechill(bench: Bench) -> None:
    preset(bench, {18: 0})
    switch_on(bench, "READY")
    bench.press("arm", 1200)
    assert told(bench) == "PRECHILL"


def _armed(bench: Bench) -> None:
    ready(bench)
    arm(bench)


def _freezing(bench: Bench) -> None:
    _armed(bench)
    freezing(bench, 500)


def _thawing(bench: Bench) -> None:
    preset(bench, {**SHORT, CYCLES: 2, THAW_MIN_S: 60})
    switch_on(bench, "READY")
    cold_line(bench)
    treat(bench, "THAWING")


def _done(bench: Bench) -> None:
    ready(bench)
    treat(bench)


def _fault(bench: Bench) -> None:
    ready(bench)
    bench.estop_open()
    bench.run_for(300)


@pytest.mark.parametrize(
    "go", [_screening, _prechill, _armed, _freezing, _thawing, _done, _fault],
    ids=lambda go: go.__name__,
)  # fmt: skip
def test_it_is_over_ready_and_nowhere_else(bench: Bench, go: Callable[[Bench], None]) -> None:
    go(bench)
    before = told(bench)
    assert before == go.__name__[1:].upper()
    bench.press("select", 1500)
    assert told(bench) == before
    assert top_left(bench) != title()
    bench.release("trigger")
