"""The page's exercises, performed well and badly, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.web.training import EXERCISES, ExerciseError, Result, Trainer, load
from tests.scenarios.hands import Operator

ALL = {exercise.key: exercise for exercise in load()}


def begin(key: str) -> tuple[Trainer, Operator]:
    trainer = Trainer(ALL[key])
    return trainer, Operator(trainer)


def over(trainer: Trainer, operator: Operator) -> Result:
    operator.look_until(lambda: trainer.result is not None, 400000)
    assert trainer.result is not None
    return trainer.result


def points(result: Result) -> list[int]:
    return [mark.points for mark in result.marks]


def test_choose_the_depth_and_arm() -> None:
    trainer, operator = begin("choose")
    for _ in range(7):
        operator.press("up")
    operator.to_armed()
    result = over(trainer, operator)
    assert points(result) == [50, 20, 20, 10], result
    assert result.verdict == "excellent"


def test_the_wrong_depth_armed_while_spraying_the_skin() -> None:
    trainer, operator = begin("choose")
    operator.press("up")
    operator.to_armed(aim=False)
    result = over(trainer, operator)
    assert points(result) == [0, 20, 0, 10], result
    assert result.marks[0].said == "it was 2.4 mm"
    assert result.verdict == "try again"


def test_arm_and_disarm() -> None:
    trainer, operator = begin("disarm")
    operator.to_armed()
    operator.look_until(lambda: bool(trainer.said), 10000)
    operator.wait(1000)
    operator.press("arm")
    assert points(over(trainer, operator)) == [30, 40, 30]


def test_hold_steady() -> None:
    trainer, operator = begin("steady")
    operator.treat()
    assert points(over(trainer, operator)) == [60, 25, 15]


def test_letting_go_half_way_is_half_of_the_points() -> None:
    trainer, operator = begin("steady")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FREEZING", timeout_ms=2000)
    operator.wait(5500)
    operator.engine.act("release", "trigger")
    result = over(trainer, operator)
    assert 27 <= result.marks[0].points <= 33, result
    assert points(result)[1:] == [25, 15]


REACHED_S = 7.3
"""Time until the ice is 7.5 mm across with liquid from the start, 5 mm spot and 3000 W/m²K."""


@pytest.mark.parametrize(("early_s", "least", "most"), [(0.0, 70, 70), (1.5, 30, 65), (6.0, 0, 0)])
def test_mark_the_ice_field(early_s: float, least: int, most: int) -> None:
    trainer, operator = begin("mark")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FREEZING", timeout_ms=2000)
    operator.wait(1000 * max(0.0, REACHED_S - early_s))
    operator.press("select")
    operator.look_until(lambda: operator.state != "FREEZING", 35000)
    operator.engine.act("release", "trigger")
    result = over(trainer, operator)
    assert least <= result.marks[0].points <= most, result
    assert result.marks[1].points == 30


@pytest.mark.parametrize(("late_s", "expected"), [(0.5, 80), (1.9, 40), (4.0, 0)])
def test_let_go_when_the_patient_moves(late_s: float, expected: int) -> None:
    trainer, operator = begin("release")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.look_until(lambda: bool(trainer.said), 30000)
    operator.wait(1000 * late_s)
    operator.engine.act("release", "trigger")
    result = over(trainer, operator)
    assert abs(result.marks[0].points - expected) <= 2, result


def test_a_valve_that_does_not_close() -> None:
    trainer, operator = begin("stuck")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FREEZING", timeout_ms=2000)
    closings = operator.closings
    operator.look_until(lambda: operator.closings > closings, 35000)
    operator.wait(1000)
    operator.engine.act("aim_away")
    operator.wait(1000)
    operator.engine.act("estop_open")
    operator.engine.act("release", "trigger")
    assert points(over(trainer, operator)) == [70, 30]


def test_an_alarm_shows_the_act_it_needs() -> None:
    trainer, operator = begin("fault")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FAULT", timeout_ms=30000)
    operator.wait(1000)
    operator.engine.act("release", "trigger")
    operator.wait(5000)
    operator.engine.act("mend", "thermocouple_open")
    operator.wait(2000)
    operator.press("select")
    assert points(over(trainer, operator)) == [30, 30, 40]


def test_nobody_does_anything_and_it_ends_with_nothing() -> None:
    trainer, operator = begin("steady")
    result = over(trainer, operator)
    assert result.points == 0
    assert operator.engine.watcher is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points = 50", "points = 51", "add up to 100"),
        ('is = "setting"', 'is = "wish"', "unknown rule"),
        ('what = "thermocouple_open" }]', 'what = "rain" }]', "unknown 'rain'"),
        ('key = "disarm"', 'key = "choose"', "the same key"),
        ("full_s = 0.8", "full_s = 8.0", "full_s must be below"),
        ("version = 1", "version = 2", "version"),
    ],
)
def test_an_exercise_that_is_written_wrongly_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = EXERCISES.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "exercises.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ExerciseError, match=message):
        load(path)
