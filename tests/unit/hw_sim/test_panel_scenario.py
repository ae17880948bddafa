"""Sessions as files: validation, and that writing and reading agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.web.scenario import (
    LONGEST_NS,
    Recorder,
    Scenario,
    ScenarioError,
    Step,
    load,
    parse,
    sending,
)

MS = 1_000_000

HEAD = "version = 1\n"


def test_what_is_written_is_what_is_read() -> None:
    steps = (
        Step(0, "power_on"),
        Step(1_500_250_001, "hold", "up"),
        Step(1_580 * MS, "release", "up"),
        Step(1_600 * MS, "mishap", "dewar_empty"),
        Step(1_600 * MS, "send", '{"id":1,"op":"hello"}*00112233'),
        sending(1_601 * MS, b"\x03\r\n"),
        Step(1_700 * MS, "mend", "dewar_empty"),
        Step(1_800 * MS, "aim_away"),
        Step(1_900 * MS, "estop_open"),
    )
    scenario = Scenario(steps, 2_000_000_003, 7, 'the "lid" leaks, it\'s −25 °C\n', "0.1.0", True)
    assert parse(scenario.text()) == scenario


def test_a_line_reads_as_a_person_would_write_it() -> None:
    assert Step(1_500 * MS, "hold", "up").line() == '{ at_ms = 1500, do = "hold", what = "up" }'
    assert Step(1_500_250_000, "power_on").line() == '{ at_ms = 1500.25, do = "power_on" }'
    line = """{ at_ms = 0, do = "send", what = '{"id":1}*0' }"""
    assert sending(0, b'{"id":1}*0\n').line() == line


def test_a_press_is_two_steps_and_may_overlap_with_the_next() -> None:
    text = (
        HEAD
        + """
        steps = [
          { at_ms = 100, do = "press", what = "up" },
          { at_ms = 150, do = "press", what = "down", ms = 5.5 },
        ]
    """
    )
    assert parse(text).steps == (
        Step(100 * MS, "hold", "up"),
        Step(150 * MS, "hold", "down"),
        Step(155_500_000, "release", "down"),
        Step(180 * MS, "release", "up"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "not TOML"),
        ("steps = []", "version"),
        (HEAD, "steps"),
        (HEAD + "steps = [1]", "step 1"),
        (HEAD + 'steps = [{ at_ms = -1, do = "power_on" }]', "-1 ms"),
        (HEAD + 'steps = [{ at_ms = "1", do = "power_on" }]', "not a number"),
        (HEAD + 'steps = [{ at_ms = 1, do = "explode" }]', "unknown action 'explode'"),
        (HEAD + 'steps = [{ at_ms = 1, do = "hold", what = "nose" }]', "unknown 'nose'"),
        (HEAD + 'steps = [{ at_ms = 1, do = "mishap", what = "rain" }]', "unknown 'rain'"),
        (HEAD + 'steps = [{ at_ms = 1, do = "power_on", what = "up" }]', "takes no 'what'"),
        (HEAD + 'steps = [{ at_ms = 1, do = "power_on", who = "me" }]', "unknown: who"),
        (HEAD + 'steps = [{ at_ms = 1, do = "send_hex", what = "0g" }]', "not hexadecimal"),
        (HEAD + 'end_ms = 1\nsteps = [{ at_ms = 2, do = "power_on" }]', "end_ms"),
        (HEAD + 'steps = []\nseed = "x"', "seed"),
    ],
)
def test_what_is_no_scenario_is_said_to_be_none_and_why(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message.replace("[", r"\[")):
        parse(text)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "session.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not text"):
        load(path)


def test_a_recorder_that_is_full_ends_with_its_last_step() -> None:
    recorder = Recorder(most=2)
    for ms in (1, 2, 3):
        recorder.add(Step(ms * MS, "power_on"))
    assert recorder.full
    assert recorder.scenario(9 * MS).end_ns == 2 * MS


def test_a_recorder_keeps_the_steps_as_they_were() -> None:
    recorder = Recorder()
    steps = [Step(0, "power_on"), Step(5, "hold", "up"), Step(6, "hold", "up")]
    for step in steps:
        recorder.add(step)
    assert len(recorder) == 3
    assert recorder.steps == steps
    assert recorder.scenario(9 * MS).steps == tuple(steps)


def test_a_recording_ends_before_it_is_longer_than_a_file_may_be() -> None:
    recorder = Recorder(most_text=5)
    recorder.add(Step(0, "send", "abcde"))
    recorder.add(Step(1, "send", "f"))
    recorder.add(Step(2, "power_on"))  # not recorded: a gap would give another session
    assert recorder.full
    assert [step.what for step in recorder.steps] == ["abcde"]


def test_a_session_may_last_longer_than_a_day_but_its_recording_does_not() -> None:
    recorder = Recorder()
    recorder.add(Step(3 * MS, "power_on"))
    assert recorder.scenario(LONGEST_NS + MS).end_ns == LONGEST_NS
    recorder.add(Step(LONGEST_NS + MS, "hold", "up"))
    assert recorder.full
    assert recorder.scenario(LONGEST_NS + 2 * MS).end_ns == 3 * MS
    parse(recorder.scenario(LONGEST_NS + 2 * MS).text())
    late = Recorder()
    late.add(Step(LONGEST_NS + MS, "hold", "up"))
    assert late.scenario(LONGEST_NS + 2 * MS).steps == ()
