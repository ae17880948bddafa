"""The check of a newly built board, as a technician does it, on every bench. H-29"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools.doctor import FAILED, NOT_DONE, NOT_FITTED, PASSED, Check, Doctor, Report, html
from hw_sim.bench import Bench, FastBench
from hw_sim.bench.journal_records import BOARD_CHECK
from tests.scenarios.conftest import faults, operator, ready, records, state, switch_on, until
from tests.scenarios.fault_numbers import Fault
from tests.scenarios.test_host import attach

WARM_C = 30.0


class Levels:
    """What the two switches and the coil did, from here on."""

    def __init__(self, bench: Bench) -> None:
        self.on: set[str] = set()
        self.seen: set[str] = set()
        self.both = False
        bench.wiring.watch(self._look)

    def _look(self, t_ns: int, signal: str, value: float) -> None:
        del t_ns
        if signal in ("VALVE_GATE", "VALVE_SUPPLY", "COIL", "VALVE"):
            (self.on.add if value else self.on.discard)(signal)
            if value:
                self.seen.add(signal)
            self.both |= {"VALVE_GATE", "VALVE_SUPPLY"} <= self.on


def empty(bench: Bench) -> None:
    """An empty and vented dewar."""
    plant = bench.plant
    plant.fill(bench.clock.now_ns, 0.0)
    plant.set_dewar(bench.clock.now_ns, vent_leak_per_s=2.0)


def new_board(bench: Bench) -> Bench:
    empty(bench)
    ready(bench)
    bench.run_for(5_000)
    return bench


class Hands:
    """A technician at a bench, who sees what it shows."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.levels = Levels(bench)
        self.held: set[str] = set()
        self.told: list[str] = []
        self.said: list[str] = []
        bench.wiring.watch(self._hear)
        self.heard: list[float] = []

    def _hear(self, t_ns: int, signal: str, value: float) -> None:
        if signal == "BUZZER" and value:
            self.heard.append(value)

    def tell(self, text: str) -> None:
        bench = self.bench
        self.told.append(text)
        self.heard.clear()
        if text.startswith("Strike"):
            bench.estop_open()
        elif text.startswith("Turn"):
            bench.estop_close()
        elif text.startswith("Press"):
            bench.press(text.split()[1].lower())
        elif "SELECT for 1 s" in text:
            bench.press("select", 1200)
        elif "alone" in text:
            bench.hold("select")
            bench.run_for(300)
            self.held = set(self.levels.on)
            bench.release("select")
            bench.run_for(100)
        elif "SELECT for 2 s" in text:
            bench.press("select", 2300)
        elif "warm fingers" in text:
            bench.plant.set_line(bench.clock.now_ns, tip_c=WARM_C)
        else:
            raise AssertionError(text)

    def ask(self, text: str) -> bool | None:
        bench = self.bench
        if "lamp lit" in text:
            bench.run_for(50)
            lit = {name for name, led in bench.wiring.leds.items() if led.on}
            return lit == {text.split()[2]}
        if "tones" in text:
            bench.run_for(1_200)
            return len(self.heard) >= 3 and self.heard[-3:] == sorted(self.heard[-3:])
        if "dots" in text:
            return all(bench.wiring.screen.pixels())
        if "the valve's plug out" in text:
            bench.mishap("coil_open")
            return True
        if "the valve's plug in" in text:
            bench.mend("coil_open")
            return True
        if "fixture's lamp" in text:
            return self.held == {"VALVE_" + text.split()[4]}
        if "without a click" in text:
            return "VALVE" not in self.levels.seen
        raise AssertionError(text)

    def done(self, check: Check) -> None:
        self.said.append(check.name)


def check(bench: Bench, hands: Hands | None = None) -> tuple[Report, Hands]:
    hands = hands or Hands(bench)
    return Doctor(attach(bench), hands, "Tester").run(), hands


def found(report: Report, name: str) -> Check:
    return next(one for one in report.checks if one.name == name)


def verdicts(report: Report) -> dict[str, str]:
    return {f"{one.group}: {one.name}": one.verdict for one in report.checks}


@pytest.mark.hazard("H-29")
def test_a_sound_board_passes_and_no_switch_is_on_with_the_other(bench: Bench) -> None:
    """H-29: the whole check, on each bench; the page for the file."""
    new_board(bench)
    bench.ask("time", utc_s=1_790_000_000)
    bench.wiring.rtc.set_utc(int(time.time()))
    report, hands = check(bench)
    bad = [one for one in report.checks if one.verdict not in (PASSED, NOT_FITTED)]
    assert not bad
    assert report.verdict == PASSED
    assert found(report, "Skin sensor").verdict == NOT_FITTED
    assert hands.levels.seen == {"VALVE_GATE", "VALVE_SUPPLY"}, "each was on, the coil never"
    assert not hands.levels.both
    assert state(bench) == "READY"
    kinds = [one.args[:2] for one in records(bench) if one.kind == BOARD_CHECK]
    assert [what for what, _ in kinds] == [3, 2, 1, 2, 1, 4]
    page = html(report)
    assert "Board check" in page
    assert "http" not in page.replace("http-equiv", ""), "nothing is loaded from outside"
    assert page.count("<tr><td>") == len(report.checks)


@pytest.mark.hazard("H-29")
@pytest.mark.emulated
def test_the_same_on_real_micropython(micropython_image: Path) -> None:
    """H-29: the whole check on the emulated board."""
    from hw_sim.emulator import EmulatedBench

    bench = EmulatedBench(image=micropython_image)
    new_board(bench)
    report, hands = check(bench)
    assert not [one for one in report.checks if one.verdict == FAILED and one.name != "Clock chip"]
    assert hands.levels.seen == {"VALVE_GATE", "VALVE_SUPPLY"}
    assert not hands.levels.both


@pytest.mark.hazard("H-29")
def test_with_nobody_at_the_device_nothing_is_begun_or_switched(bench: Bench) -> None:
    """H-29: refused with words, and by silence."""
    new_board(bench)
    levels = Levels(bench)
    for request in ({"do": "switch", "which": "gate"}, {"do": "show", "part": "red"}):
        error = bench.ask("doctor", **request)["err"]
        assert error["code"] == "state"
        assert "hold SELECT at the device" in error["text"]
    assert bench.ask("doctor", do="begin")["ok"]["open"] is False
    bench.run_for(61_000)
    assert bench.ask("doctor", do="read")["ok"]["open"] is False
    assert bench.ask("doctor", do="switch", which="supply")["err"]["code"] == "state"
    assert not levels.seen


def opened(bench: Bench) -> Bench:
    """A board whose check is open."""
    bench.ask("doctor", do="begin")
    bench.run_for(100)
    bench.press("select", 1200)
    bench.run_for(300)
    assert bench.ask("doctor", do="read")["ok"]["open"] is True
    return bench


@pytest.mark.hazard("H-29")
def test_a_switch_needs_a_hand_that_came_after_the_request(bench: Bench) -> None:
    """H-29: SELECT held from before switches nothing; a new press does; the host may look then."""
    opened(new_board(bench))
    levels = Levels(bench)
    bench.hold("select")
    bench.run_for(100)
    bench.ask("doctor", do="switch", which="gate")
    bench.run_for(1_000)
    bench.release("select")
    bench.run_for(100)
    assert not levels.seen
    bench.hold("select")
    bench.run_for(200)
    assert bench.ask("doctor", do="read")["ok"]["outcome"] == "on"
    error = bench.ask("doctor", do="switch", which="supply")["err"]
    assert error["code"] == "busy"
    bench.run_for(5_000)
    seen = bench.ask("doctor", do="read")["ok"]
    assert (seen["outcome"], seen["gate"]) == ("full time", 0)
    assert 3_900 <= seen["on_ms"] <= 4_100
    bench.release("select")
    bench.run_for(100)
    assert levels.seen == {"VALVE_GATE"}
    bench.ask("doctor", do="switch", which="supply")
    bench.run_for(31_000)
    assert bench.ask("doctor", do="read")["ok"]["outcome"] == "expired"
    assert levels.seen == {"VALVE_GATE"}


@pytest.mark.hazard("H-29")
def test_a_dewar_that_is_not_empty_is_refused_and_ends_a_test() -> None:
    """H-29: with the reason and the limits."""
    bench = opened(ready(FastBench()))
    levels = Levels(bench)
    error = bench.ask("doctor", do="switch", which="supply")["err"]
    assert "empty and vented" in error["text"]
    assert "below 50" in error["text"]
    empty(bench)
    bench.run_for(6_000)
    assert "ok" in bench.ask("doctor", do="switch", which="supply")
    bench.hold("select")
    bench.run_for(300)
    assert levels.on == {"VALVE_SUPPLY"}
    bench.plant.fill(bench.clock.now_ns, 800.0)
    bench.run_for(2_000)
    assert not levels.on
    bench.release("select")
    assert bench.ask("doctor", do="read")["ok"]["outcome"] == "dewar not empty"


@pytest.mark.hazard("H-29", "H-05")
@pytest.mark.parametrize("which", ["gate", "supply"])
def test_a_shorted_switch_ends_the_test_within_three_ticks(which: str) -> None:
    """H-29: the other switch is shorted, so the coil gets current: off, a fault, the check ends."""
    bench = opened(new_board(FastBench()))
    bench.mishap("supply_switch_shorted" if which == "gate" else "gate_switch_shorted")
    levels = Levels(bench)
    bench.ask("doctor", do="switch", which=which)
    began_ns = bench.clock.now_ns
    bench.hold("select")
    bench.run_until(lambda: "COIL" in levels.on, 500)
    on_ns = bench.clock.now_ns
    assert on_ns > began_ns
    assert bench.run_until(lambda: "COIL" not in levels.on, 500)
    assert bench.clock.now_ns - on_ns <= 60_000_000
    until(bench, "FAULT")
    bench.release("select")
    assert Fault.COIL_SHORTED in faults(bench)
    assert not levels.both
    assert levels.on <= {"VALVE"}


@pytest.mark.hazard("H-29")
@pytest.mark.parametrize("end", ["estop", "other key", "end", "hang", "power"])
def test_whatever_ends_a_test_leaves_both_switches_low(end: str) -> None:
    """H-29, and a treatment is possible afterwards."""
    bench = opened(new_board(FastBench()))
    levels = Levels(bench)
    for which in ("supply", "gate") if end == "other key" else ("supply",):
        bench.ask("doctor", do="switch", which=which)
        bench.hold("select")
        bench.run_for(200)
        assert levels.on == {"VALVE_" + which.upper()}
        if end == "estop":
            bench.estop_open()
        elif end == "other key":
            bench.hold("up")
        elif end == "end":
            bench.ask("doctor", do="end")
        elif end == "hang":
            bench.hang(150)
        else:
            bench.cut_power()
        bench.run_for(150)
        assert not levels.on, which
        bench.release("select")
        bench.release("up")
        bench.estop_close()
        bench.run_for(300)
    assert not levels.both
    if end == "power":
        switch_on(bench, "READY")
    elif end == "hang":
        bench.run_for(5_000)
    bench.run_for(500)
    if state(bench) == "FAULT":
        bench.press("select", 2300)
        bench.press("select")
        bench.run_for(300)
    assert state(bench) == "READY"
    bench.ask("doctor", do="end")
    bench.plant.fill(bench.clock.now_ns, 850.0)
    bench.plant.set_dewar(bench.clock.now_ns, vent_leak_per_s=0.0)
    bench.run_for(40_000)
    operator(bench).treat("DONE")


@pytest.mark.slow
@pytest.mark.hazard("H-29")
def test_no_sequence_of_requests_and_keys_has_both_on() -> None:
    """H-29: 400 random steps of a hasty host and a hasty hand."""
    bench = opened(new_board(FastBench()))
    levels = Levels(bench)
    rng = random.Random(29)
    keys = ("trigger", "up", "down", "select", "select", "select", "arm")
    steps: tuple[Callable[[], object], ...] = (
        lambda: bench.ask("doctor", do="switch", which=rng.choice(("gate", "supply"))),
        lambda: bench.ask("doctor", do="switch", which=rng.choice(("gate", "supply"))),
        lambda: bench.ask("doctor", do="begin"),
        lambda: bench.ask("doctor", do="read"),
        lambda: bench.ask("doctor", do="show", part="green"),
        lambda: bench.hold(rng.choice(keys)),
        lambda: bench.hold("select"),
        lambda: bench.release(rng.choice(keys)),
        lambda: bench.release("select"),
        lambda: bench.ask("doctor", do="end") if rng.random() < 0.1 else None,
    )
    switched = 0
    for _ in range(400):
        rng.choice(steps)()
        bench.run_for(rng.choice((20, 60, 150, 400)))
        if "VALVE_GATE" in levels.on or "VALVE_SUPPLY" in levels.on:
            switched += 1
        if not bench.ask("doctor", do="read")["ok"]["open"]:
            for key in keys:
                bench.release(key)
            bench.run_for(300)
            bench.press("select", 2300)
            bench.press("select")
            bench.ask("doctor", do="begin")
            bench.press("select", 1200)
            bench.run_for(100)
    assert switched > 20
    assert levels.seen >= {"VALVE_GATE", "VALVE_SUPPLY"}
    assert "COIL" not in levels.seen
    assert not levels.both


BROKEN = {
    "thermocouple_open": "Thermocouple",
    "thermocouple_chip_missing": "Thermocouple chip",
    "rtc_missing": "Clock chip",
    "level_probe_broken": "Level sensor",
    "pressure_probe_shorted": "Pressure sensor",
    "screen_missing": "Display acknowledges",
    "up_stuck": "Buttons released",
    "estop_wire_broken": "E-stop loop",
    "coil_sensor_high": "Coil current at rest",
}


@pytest.mark.parametrize("mishap", BROKEN)
def test_what_is_broken_is_named_although_the_device_is_in_fault(mishap: str) -> None:
    bench = FastBench()
    bench.mishap(mishap)
    switch_on(bench, "READY" if mishap == "rtc_missing" else "FAULT")
    bench.run_for(1_000)
    report = Doctor(attach(bench), Hands(bench), "Tester").run(read_only=True)
    one = found(report, BROKEN[mishap])
    assert one.verdict == (NOT_FITTED if mishap == "rtc_missing" else FAILED)
    assert one.hint or mishap == "rtc_missing"
    assert bool(report.faults) == (mishap != "rtc_missing")


class Clumsy(Hands):
    """Says no to a lamp, leaves the screen out, and presses nothing that is asked for."""

    def tell(self, text: str) -> None:
        if not text.startswith("Press"):
            super().tell(text)

    def ask(self, text: str) -> bool | None:
        if "dots" in text:
            return None
        if "yellow" in text:
            return False
        return super().ask(text)


@pytest.mark.slow
def test_what_a_technician_denies_or_leaves_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_tools.doctor.PATIENCE_S", 2.0)
    bench = new_board(FastBench())
    report, _ = check(bench, Clumsy(bench))
    named = {one.name: one.verdict for one in report.checks}
    assert named["Yellow lamp"] == FAILED
    assert named["Screen"] == NOT_DONE
    assert named["TRIGGER"] == FAILED
    assert report.verdict == FAILED
