"""The page's exercises, performed well and badly, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.web.scenario import Step
from hw_sim.web.training import (
    CAP_POINTS,
    EXERCISES,
    ExerciseError,
    Result,
    Seen,
    Trainer,
    judge,
    load,
)
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
    assert points(result) == [55, 20, 25], result
    assert result.verdict == "excellent"


def test_the_wrong_depth_armed_while_spraying_the_skin() -> None:
    trainer, operator = begin("choose")
    operator.press("up")
    operator.to_armed(aim=False)
    result = over(trainer, operator)
    assert points(result) == [0, 20, 0], result
    assert result.marks[0].said == "it was 2.4 mm"
    assert result.verdict == "not safe"


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
@pytest.mark.parametrize("act", [("release", "trigger"), ("estop_open", "")])
def test_let_go_or_stop_when_the_patient_moves(
    late_s: float, expected: int, act: tuple[str, str]
) -> None:
    """An immediate E-stop scored 20 of 100; the card says: if in doubt, press E-STOP."""
    trainer, operator = begin("release")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.look_until(lambda: bool(trainer.said), 30000)
    operator.wait(1000 * late_s)
    operator.engine.act(*act)
    result = over(trainer, operator)
    assert abs(result.marks[0].points - expected) <= 2, result
    assert bool(result.errors) == (expected == 0), "too late for the patient"
    assert abs(result.points - expected - 20) <= 2


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


def test_spraying_the_patient_in_the_purge_caps_an_otherwise_perfect_treatment() -> None:
    """It scored 85, "good"."""
    trainer, operator = begin("steady")
    operator.to_armed(aim=False)
    operator.freeze()
    result = over(trainer, operator)
    assert points(result) == [60, 25, 0], result
    assert result.errors == ("The patient's skin was sprayed during a purge.",)
    assert result.points == CAP_POINTS
    assert result.verdict == "not safe"


def test_turning_to_the_skin_during_the_purge_is_seen() -> None:
    """The nozzle pointed away at both ends of the purge, and at the skin in between."""
    seen = Seen(
        ended_ns=9_000,
        gate=[(1_000, 5_000, "PRECHILL")],
        steps=[Step(0, "aim_away"), Step(2_000, "aim_at_skin"), Step(3_000, "aim_away")],
    )
    assert judge(ALL["steady"], seen).errors


def test_a_patient_who_is_sprayed_on_is_a_safety_error() -> None:
    trainer, operator = begin("stuck")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FREEZING", timeout_ms=2000)
    closings = operator.closings
    operator.look_until(lambda: operator.closings > closings, 35000)
    operator.engine.act("estop_open")
    result = over(trainer, operator)
    assert points(result) == [0, 30]
    assert "pointed away" in result.errors[0]


def test_an_estop_at_once_is_in_time_when_the_valve_does_not_close() -> None:
    """Struck in the freeze, it closes the gate itself, some ms before that is seen."""
    trainer, operator = begin("stuck")
    operator.to_armed()
    operator.engine.act("hold", "trigger")
    operator.until("FREEZING", timeout_ms=2000)
    operator.wait(4000)
    operator.engine.act("aim_away")
    operator.engine.act("estop_open")
    operator.engine.act("aim_away")
    operator.wait(500)
    operator.engine.act("aim_away")
    assert points(over(trainer, operator)) == [70, 30]


def test_an_exercise_runs_at_real_time_and_keeps_to_it() -> None:
    """At 10 × a freeze of 10 s was over before it was seen."""
    trainer = Trainer(ALL["steady"])
    operator = Operator()
    operator.engine.set_speed(10.0)
    trainer.begin(operator.engine)
    assert operator.engine.view.speed == 1.0
    with pytest.raises(ValueError, match="runs at 1 ×"):
        operator.engine.set_speed(10.0)
    trainer.stop(operator.engine)
    operator.engine.set_speed(10.0)
    assert operator.engine.view.speed == 10.0


def test_a_contraindication_is_found_in_the_checklist() -> None:
    trainer, operator = begin("contraindication")
    operator.request_arming()
    operator.hold("select", 2200)  # the plan's caution: not calibrated
    urticaria_page, line = 1, 0
    for _ in range(urticaria_page):
        operator.press("select")
    for _ in range(line + 1):
        operator.press("down")
    operator.press("select")
    operator.press("select")
    assert points(over(trainer, operator)) == [60, 20, 20]


def test_a_contraindication_that_is_answered_as_clear_is_a_safety_error() -> None:
    trainer, operator = begin("contraindication")
    operator.to_armed()
    result = over(trainer, operator)
    assert result.errors
    assert result.points <= CAP_POINTS


@pytest.mark.parametrize(("presses", "expected"), [(1, [80, 20]), (0, [0, 20])])
def test_the_wrong_applicator(presses: int, expected: list[int]) -> None:
    trainer, operator = begin("applicator")
    operator.press("select")
    operator.press("up", presses)
    if presses:
        operator.press("select", 4)  # back to the depth, which the other nozzle does not reach
        operator.press("up")
    operator.to_armed()
    result = over(trainer, operator)
    assert points(result) == expected
    assert bool(result.errors) == (not presses)


def test_two_cycles() -> None:
    trainer, operator = begin("cycles")
    operator.press("select", 3)
    operator.press("up")
    operator.treat()
    operator.wait(65_000)
    operator.press("select")
    operator.treat()
    assert points(over(trainer, operator)) == [70, 15, 15]


def test_a_nozzle_that_has_warmed_is_purged_again() -> None:
    trainer, operator = begin("rewarmed")
    operator.to_armed()
    operator.until("PRECHILL", timeout_ms=60_000)
    operator.to_armed()
    operator.freeze()
    assert points(over(trainer, operator)) == [30, 40, 30]


def test_low_nitrogen_is_found_and_remedied() -> None:
    trainer, operator = begin("nitrogen")
    operator.wait(2000)
    operator.request_arming()
    for _ in range(12):
        if operator.state == "SCREENING":
            operator.answer()
    assert operator.state == "SCREENING", "the device refuses, and stays on the last page"
    operator.engine.act("mend", "dewar_low")
    operator.wait(3000)
    operator.treat()
    assert points(over(trainer, operator)) == [50, 50]


@pytest.mark.slow
def test_nobody_does_anything_and_it_ends_with_nothing() -> None:
    trainer, operator = begin("steady")
    result = over(trainer, operator)
    assert result.points == 0
    assert operator.engine.watcher is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points = 55", "points = 51", "add up to 100"),
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
