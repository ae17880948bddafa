"""The engine of the page: pace, queue, port and view, on a clock that the test controls."""

from __future__ import annotations

import shutil
import struct
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hw_sim.bench import FastBench
from hw_sim.bench.link_client import encode
from hw_sim.bench.protocol import FIRMWARE
from hw_sim.web.engine import Engine, Runner, Seat, in_words
from hw_sim.web.view import COLUMNS, SAMPLES, History, dots

TURN_S = 0.004


class Wall:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Driven:
    """An engine and its clock."""

    def __init__(self, speed: float = 1.0) -> None:
        self.wall = Wall()
        self.engine = Engine(
            lambda seed, _sensor: FastBench(seed=seed), speed=speed, clock=self.wall
        )

    def run(self, s: float) -> None:
        """Let `s` seconds of the computer's time pass."""
        end_s = self.wall.s + s
        while self.wall.s < end_s - 1e-9:
            self.wall.s = min(end_s, self.wall.s + TURN_S)
            self.engine.turn()

    def until(self, condition: Callable[[], bool], most_s: float) -> None:
        end_s = self.wall.s + most_s
        while not condition():
            assert self.wall.s < end_s, self.engine.view
            self.run(0.02)

    @property
    def t_s(self) -> float:
        return self.engine.now_ns * 1e-9


def test_a_new_device_runs_the_firmware_as_its_files_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware)
    monkeypatch.setattr("hw_sim.bench.fast.FIRMWARE", firmware)
    driven = Driven()
    driven.engine.act("power_on")
    driven.until(lambda: driven.engine.view.state == "READY", 3)
    before = driven.engine.firmware
    edited = firmware / "cryo" / "__init__.py"
    edited.write_text(edited.read_text().replace(before, before + "-edited"))
    driven.engine.fresh()
    driven.engine.act("power_on")
    driven.until(lambda: driven.engine.view.state == "READY", 3)
    assert driven.engine.firmware == before + "-edited"
    edited.write_text("VERSION = (\n")
    driven.engine.fresh()
    driven.engine.act("power_on")
    driven.run(1)
    assert any("It cannot be started" in event.words for event in driven.engine.events)
    driven.engine.close()


@pytest.fixture
def ready() -> Driven:
    driven = Driven()
    driven.engine.act("power_on")
    driven.until(lambda: driven.engine.view.state == "READY", 3.0)
    return driven


@pytest.mark.parametrize("speed", [0.1, 1.0, 7.5, 100.0])
def test_time_passes_as_fast_as_it_is_asked_to(speed: float) -> None:
    driven = Driven(speed)
    driven.run(2.0)
    assert driven.t_s == pytest.approx(2.0 * speed, rel=0.01)
    assert driven.engine.view.reached == pytest.approx(speed, rel=0.05)


def test_speed_and_pause_take_effect_at_once(ready: Driven) -> None:
    engine = ready.engine
    engine.set_paused(True)
    before_s = ready.t_s
    ready.run(5.0)
    assert ready.t_s == before_s
    engine.set_paused(False)
    ready.run(2.0)
    before_s = ready.t_s
    engine.set_speed(10.0)
    ready.run(1.0)
    assert ready.t_s - before_s == pytest.approx(10.0, rel=0.01)
    for wrong in (0.0, 0.09, 101.0):
        with pytest.raises(ValueError, match="speed"):
            engine.set_speed(wrong)


def test_while_a_button_is_pressed_time_runs_no_faster_than_life(ready: Driven) -> None:
    ready.run(2.0)  # READY was a change of state
    ready.engine.set_speed(100.0)
    before_s = ready.t_s
    ready.engine.act("hold", "up")
    ready.run(1.0)
    assert ready.t_s - before_s == pytest.approx(1.0, abs=0.02)
    ready.engine.act("release", "up")
    ready.run(3.0)
    assert ready.t_s - before_s > 140.0


def test_a_bench_that_cannot_keep_up_gives_up_the_rest() -> None:
    wall = Wall()

    class Slow(FastBench):
        def run_for(self, ms: float) -> None:
            super().run_for(ms)
            wall.s += ms / 1000 * 4  # a quarter of real time

    engine = Engine(lambda seed, _sensor: Slow(seed=seed), clock=wall)
    began_s = wall.s
    longest_s = 0.0
    while wall.s < began_s + 5.0:
        before_s = wall.s
        wait_s = engine.turn()
        longest_s = max(longest_s, wall.s - before_s)
        wall.s += max(wait_s, 0.0005)
    assert engine.now_ns * 1e-9 == pytest.approx(5.0 / 4, rel=0.15)
    assert engine.view.reached == pytest.approx(0.25, rel=0.2)
    assert longest_s < 0.05  # and it stays responsive


def test_a_press_is_seen_on_the_screen(ready: Driven) -> None:
    before, at_s = ready.engine.view.pixels, ready.wall.s
    ready.engine.act("hold", "up")
    ready.until(lambda: ready.engine.view.pixels != before, 0.2)
    assert ready.wall.s - at_s <= 0.08
    assert ready.engine.view.held == {"up"}


def test_a_click_too_short_for_a_finger_is_made_long_enough(ready: Driven) -> None:
    before = ready.engine.view.pixels
    ready.engine.act("hold", "up")
    ready.engine.act("release", "up")
    ready.engine.act("release", "up")
    assert [step.do for step in ready.engine.recorder.steps[-2:]] == ["power_on", "hold"]
    ready.run(0.3)
    assert ready.engine.view.pixels != before
    hold, release = ready.engine.recorder.steps[-2:]
    assert (hold.do, release.do) == ("hold", "release")
    assert release.at_ns - hold.at_ns == 60_000_000
    assert ready.engine.view.held == frozenset()


def depth_um(driven: Driven) -> int:
    bench = driven.engine.bench
    return int(bench.ask("status")["ok"]["depth_um"])


def test_two_clicks_at_once_are_two_presses(ready: Driven) -> None:
    before_um = depth_um(ready)
    for _ in range(2):
        ready.engine.act("hold", "up")
        ready.engine.act("release", "up")
    ready.run(0.4)
    steps = ready.engine.recorder.steps[1:]
    assert [s.do for s in steps] == ["hold", "release"] * 2
    assert all(b.at_ns - a.at_ns >= 60_000_000 for a, b in pairwise(steps))
    assert depth_um(ready) - before_um == 200  # the device has sampled both


def test_two_buttons_at_once_do_not_wait_for_each_other(ready: Driven) -> None:
    engine = ready.engine
    now_ns = engine.now_ns
    engine.act("hold", "up")
    engine.act("release", "up")
    engine.act("hold", "up")
    ready.run(0.01)
    engine.act("hold", "down")
    engine.act("release", "down")
    ready.run(0.3)
    steps = [(s.do, s.what, (s.at_ns - now_ns) // 1_000_000) for s in engine.recorder.steps[1:]]
    assert steps == [
        ("hold", "up", 0),
        ("hold", "down", 10),
        ("release", "up", 60),
        ("release", "down", 70),
        ("hold", "up", 120),
    ]
    assert engine.view.held == {"up"}


def test_many_clicks_while_the_device_is_slow_do_not_pile_up(ready: Driven) -> None:
    engine = ready.engine
    engine.set_speed(0.1)
    ready.run(0.1)
    for _ in range(50):
        engine.act("hold", "up")
        engine.act("release", "up")
        ready.run(0.02)
    ready.run(4.0)
    assert engine.view.held == frozenset()  # the queue is empty soon after the last click
    steps = engine.recorder.steps
    before = len(steps)
    ready.run(5.0)
    assert len(engine.recorder.steps) == before
    assert [s.do for s in steps[1:]] == ["hold", "release"] * ((len(steps) - 1) // 2)
    assert 4 <= len(steps) <= 14


def test_dots_are_what_the_eye_sees(ready: Driven) -> None:
    screen = ready.engine.bench.wiring.screen
    for inverted in (False, True):
        screen.inverted = inverted
        pixels = screen.pixels()
        packed = dots(ready.engine.bench.wiring)
        assert sum(byte.bit_count() for byte in packed) == sum(pixels)
        for y in range(64):
            row = [packed[(y >> 3) * 128 + x] >> (y & 7) & 1 for x in range(128)]
            assert row == list(pixels[y * 128 : y * 128 + 128])
    screen.on = False
    assert dots(ready.engine.bench.wiring) == bytes(1024)


def test_another_device_is_independent_of_the_first(ready: Driven) -> None:
    engine = ready.engine
    engine.act("mishap", "dewar_empty")
    engine.act("estop_open")
    ready.run(0.5)
    assert engine.view.mishaps == {"dewar_empty"}
    assert engine.view.state == "FAULT"
    session = engine.view.session
    engine.fresh()
    ready.run(0.2)
    view = engine.view
    assert (view.session, view.state, view.powered) == (session + 1, "OFF", False)
    assert not view.mishaps
    assert not view.estop_open
    assert engine.recorder.steps == []
    assert view.plant.level_permille > 800


def test_a_firmware_error_is_reported_and_the_engine_continues(
    ready: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hw_sim.fakes.errors import FirmwareCrashed

    def fail(ms: float) -> None:
        raise FirmwareCrashed("all is lost")

    monkeypatch.setattr(ready.engine.bench, "run_for", fail)
    ready.run(0.1)
    assert "all is lost" in ready.engine.view.error
    ready.engine.act("hold", "up")  # ignored
    monkeypatch.undo()
    ready.engine.fresh()
    ready.engine.act("power_on")
    ready.until(lambda: ready.engine.view.state == "READY", 3.0)
    assert ready.engine.view.error == ""


# -- the port


def test_one_host_at_a_time_and_it_is_notified_when_the_port_closes(ready: Driven) -> None:
    received: list[bytes] = []
    lost: list[bool] = []
    first = Seat("one", received.append, lambda: lost.append(True))
    engine = ready.engine
    assert engine.take_seat(first)
    assert not engine.take_seat(Seat("two", received.append, lambda: None))
    engine.send(encode({"id": 1, "op": "hello"}))
    ready.until(lambda: b"cryodose" in b"".join(received), 0.5)
    ready.run(0.1)
    assert engine.view.host == "one"
    engine.act("cut_power")
    ready.run(0.1)
    assert lost == [True]
    assert engine.view.host == ""
    assert engine.take_seat(Seat("two", received.append, lambda: None))


# -- history


def test_history_keeps_the_newest_and_no_more() -> None:
    history = History()
    width = len(COLUMNS)
    for i in range(SAMPLES + 10):
        history.add((float(i),) * width)
    first, floats = history.since(0)
    assert first == 10
    assert len(floats) == 4 * width * SAMPLES
    assert struct.unpack_from("<f", floats)[0] == 10.0
    assert struct.unpack_from("<f", floats, len(floats) - 4)[0] == SAMPLES + 9
    first, floats = history.since(SAMPLES + 8)
    assert (first, len(floats)) == (SAMPLES + 8, 4 * width * 2)
    assert history.since(SAMPLES + 10) == (SAMPLES + 10, b"")


# -- the thread


def test_the_runner_answers_raises_and_ends() -> None:
    runner = Runner(lambda: Engine(lambda seed, _sensor: FastBench(seed=seed)))
    runner.start()
    try:
        runner.post(lambda engine: engine.act("power_on"))
        until_s = time.monotonic() + 5.0
        while runner.ask(lambda engine: engine.view.state) != "READY":
            assert time.monotonic() < until_s
            time.sleep(0.01)
        with pytest.raises(ZeroDivisionError):
            runner.ask(lambda _engine: 1 / 0)
        runner.post(lambda engine: engine.act("hold", "nose"))  # the error goes to the log
        assert any("nose" in event.words for event in runner.ask(lambda e: list(e.events)))
    finally:
        runner.stop()
    assert "bench" not in {thread.name for thread in threading.enumerate()}


def test_what_the_making_raises_comes_out_of_start() -> None:
    def make() -> Engine:
        raise RuntimeError("no bench today")

    with pytest.raises(RuntimeError, match="no bench today"):
        Runner(make).start()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"ev": "setting", "key": "depth_um", "value": 3000, "applied": True, "why": "confirmed"},
         "Setting depth um: 3000, confirmed"),
        ({"ev": "setting", "key": "cycles", "value": 2, "applied": False, "why": "timeout"},
         "Setting cycles: 2 not taken, timeout"),
        ({"ev": "caution", "caution": 1, "answer": 0}, "Caution 1: shown, to be confirmed"),
        ({"ev": "caution", "caution": 1, "answer": 1}, "Caution 1: confirmed"),
        ({"ev": "caution", "caution": 2, "answer": 3}, "Caution 2: timed out"),
        ({"ev": "short", "estimate_um": 1900, "short_um": 400},
         "Short: estimate um 1900, short um 400"),
    ],
)  # fmt: skip
def test_what_the_device_reports_is_said_in_words(message: dict[str, object], words: str) -> None:
    """The log had "setting: key freeze_pressure_min_mbar, value 250, applied True"."""
    assert in_words(message) == words


def test_a_fault_that_is_cleared_is_not_shown_as_one(ready: Driven) -> None:
    ready.engine.act("estop_open")
    ready.until(lambda: ready.engine.view.state == "FAULT", 2.0)
    ready.engine.act("estop_close")
    ready.run(0.3)
    ready.engine.act("hold", "select")
    ready.until(lambda: ready.engine.view.state == "READY", 5.0)
    kinds = {event.words: event.kind for event in ready.engine.events}
    assert kinds["EMERGENCY STOP"] == "fault"
    assert kinds["EMERGENCY STOP: cleared"] == "device"
