"""All kinds of screens, reached on the fast bench by an operator's actions.

The documentation's pictures and the golden screens of tests/golden are taken from here, so they
show what the firmware draws in the course of a treatment. May import the standard library and
`bench` of hw_sim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hw_sim.bench import GATE, FastBench
from hw_sim.bench.operator import BenchOperator, Timing, until_drawn

_WARM_MS = 1500.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One screen: name, title, description, pixels (128 x 64, a byte each) and text.

    `state`: the device's state that this screen represents in the state diagram, if any.
    """

    name: str
    title: str
    words: str
    pixels: bytes
    text: str
    state: str = ""


_TIMING = Timing(arm_ms=1200.0, rest_ms=300.0, valve_look_ms=5.0)


class Walk(BenchOperator[FastBench]):
    """An operator with a device, who captures its screens. `calibrated`: its applicators."""

    def __init__(
        self, language: int = 1, *, cold: bool = True, calibrated: bool = True, sensor: bool = False
    ) -> None:
        bench = FastBench(noise_lsb=0.0, skin_sensor=sensor, calibrated=calibrated)
        super().__init__(bench, _TIMING)
        self.bench.power_on()
        self.bench.run_for(_WARM_MS)
        if language != 1:
            self.bench.ask("set", key="language", value=language)
            self.bench.run_for(400)
            self.bench.cut_power()
            self.bench.run_for(300)
            self.bench.power_on()
            self.bench.run_for(_WARM_MS)
        if cold:
            self.chill()

    def chill(self) -> None:
        """Set the line to its temperature right after a purge."""
        self.bench.plant.set_line(self.bench.clock.now_ns, wall_c=-190.0, tip_c=-190.0)
        self.bench.run_for(400)

    def until_second(self, second: int) -> None:
        """Run until READY's top line has turned to its first text (0), or to its second one (1)."""
        self.bench.run_until(
            lambda: self.ok("status")["state_ms"] // 2000 % 2 == second, 5_000, 100.0
        )
        self.bench.run_for(300)

    def press(self, button: str, times: int = 1) -> None:
        """Press a button, and wait until the screen is updated."""
        for _ in range(times):
            self.bench.press(button)
            self.bench.run_for(300)

    def until(self, *states: str, timeout_ms: float = 40_000) -> None:
        """Run until the device reports a state and the screen is updated."""
        super().until(*states, timeout_ms=timeout_ms)
        self.bench.run_for(200)

    def see(self, name: str, title: str, words: str, state: str = "") -> Sight:
        """Capture the current screen."""
        until_drawn(self.bench)
        screen = self.bench.screen()
        text = "\n".join(row.rstrip() for row in screen.text().splitlines()) + "\n"
        return Sight(name, title, words, self.bench.wiring.screen.pixels(), text, state)


def start(language: int) -> Iterator[Sight]:
    """The screen after power-on."""
    walk = Walk(language, cold=False)
    walk.bench.cut_power()
    walk.bench.run_for(300)
    walk.bench.power_on()
    walk.bench.run_for(250)
    yield walk.see("boot", "Start", "self-test", "SELF_TEST")


def ready(language: int) -> Iterator[Sight]:
    """Selections in READY, and the menu."""
    walk = Walk(language)
    yield walk.see("ready", "Ready", "LN2 left, depth, time", "READY")
    walk.press("select")
    yield walk.see("ready_applicator", "Applicator", "SELECT goes to the next field")
    walk.press("up")
    yield walk.see("ready_no_dose", "No dose", "outside its range: refused")
    walk.press("down")
    walk.press("select")
    walk.press("up", 2)
    yield walk.see("ready_profile", "Profile", "brings depth, margin, cycles")
    walk.press("select")
    yield walk.see("ready_cycles", "Cycles", "freezes, with a thaw between")
    walk.press("select")
    walk.press("up", 3)
    yield walk.see("ready_patient", "Patient", "a number, never a name")
    walk.press("select")
    walk.hold("select", 1200)
    yield walk.see("menu", "Menu", "hold SELECT: volume ...")
    walk.press("down", 4)
    walk.press("select")
    yield walk.see("information", "Information", "identity of the device")
    walk.press("select")
    walk.press("arm")
    walk.bench.ask("operators", do="add", number=3, role=1)
    walk.bench.run_for(400)
    walk.hold("select", 1200)
    for _ in range(2):
        walk.press("up", 4)
        walk.press("select")
    walk.bench.ask("set", key="operators_required", value=1)
    walk.bench.run_for(400)
    walk.hold("select", 1200)
    walk.hold("arm", 1200)
    yield walk.see("sign_in", "Sign in", "where operators are required")
    walk.press("select")
    walk.press("up", 4)
    yield walk.see("sign_in_pin", "PIN", "UP and DOWN; then SELECT")
    walk.press("select")
    yield walk.see("ready_signed_in", "Signed in", "the record names the operator")


def course(language: int) -> Iterator[Sight]:
    """A treatment of two cycles with a warm line."""
    walk = Walk(language, cold=False)
    bench = walk.bench
    bench.ask("set", key="observe_s", value=60)  # instead of half an hour
    bench.run_for(400)
    walk.hold("select", 1200)
    walk.press("select", 3)
    walk.press("up")
    walk.press("select", 2)
    walk.hold("arm", 1200)
    yield walk.see("screening", "Screening", "none of these: SELECT", "SCREENING")
    walk.press("down")
    yield walk.see("screening_marked", "One applies", "DOWN to it, then SELECT")
    walk.press("select")
    yield walk.see("stopped", "Stopped", "a contraindication")
    walk.press("select")
    walk.hold("arm", 1200)
    yield walk.see("stopped_before", "Still stopped", "a physician lifts it: SELECT 3 s")
    walk.hold("select", 3200)
    walk.press("down", 2)
    walk.press("select")
    yield walk.see("screening_which", "Which one?", "a line of several items")
    walk.press("select", 5)
    walk.press("down", 3)
    walk.press("select")
    yield walk.see("override", "Caution", "the physician decides")
    walk.hold("select", 2300)
    yield walk.see("adjust", "Adjust", "what to change, after an override")
    walk.press("select")
    yield walk.see("screening_overridden", "Overridden", "a mark at the item")
    while walk.state == "SCREENING":
        walk.press("select")
    yield walk.see("prechill", "Purge", "the line is warm: spray it out", "PRECHILL")
    bench.hold("trigger")
    bench.run_for(3000)
    yield walk.see("purging", "Purging", "ends when liquid arrives")
    bench.run_until(lambda: bench.wiring.driven(GATE) == 0, 12_000, 5.0)
    bench.run_for(300)
    yield walk.see("purged", "Cold", "now release TRIGGER")
    bench.release("trigger")
    walk.until("ARMED")
    bench.run_for(2000)
    yield walk.see("armed", "Armed", "for 60 s; ARM goes back", "ARMED")
    bench.hold("trigger")
    walk.until("FREEZING")
    bench.run_for(3300)
    bench.press("select")
    bench.run_for(2700)
    yield walk.see("freezing", "Freezing", "SELECT marks the ice field", "FREEZING")
    walk.until("THAWING")
    bench.release("trigger")
    bench.run_for(21_000)
    yield walk.see("thawing", "Thawing", "wait until it feels soft", "THAWING")
    bench.run_for(45_000)
    yield walk.see("thawing_may_end", "Thawed?", "SELECT confirms it")
    walk.press("select")
    yield walk.see("thawed", "Thawed", "nothing continues automatically")
    walk.arm()
    bench.hold("trigger")
    walk.until("DONE")
    bench.release("trigger")
    bench.run_for(300)
    yield walk.see("done", "Complete", "delivered, coldest, cycles", "DONE")
    walk.press("select")
    yield walk.see("ready_observing", "Observing", "minutes left of 30")
    bench.run_for(62_000)
    yield walk.see("observe", "30 min later", "three questions, until answered")
    walk.press("up")
    walk.press("select", 2)
    yield walk.see("observe_not_stable", "Not stable", "asked again in 5 min")


def others(language: int) -> Iterator[Sight]:
    """Inhibits, confirmations, pedal operation and faults."""
    walk = Walk(language)
    walk.bench.mishap("pressure_low")
    walk.bench.run_for(4000)
    yield walk.see("ready_low_pressure", "Cannot", "why arming is inhibited")
    walk.bench.hold("arm")
    walk.bench.run_for(1200)
    yield walk.see("refused", "Refused", "the value and its limit")

    walk = Walk(language, cold=False)
    walk.bench.ask("set", key="patient_ref", value=7)
    walk.bench.ask("set", key="trigger_mode", value=2)
    walk.bench.run_for(400)
    walk.hold("select", 1200)
    walk.hold("arm", 1200)
    while walk.state == "SCREENING":
        walk.press("select")
    yield walk.see("pedal_prechill", "With a pedal", "press and release")
    walk.bench.press("trigger")
    walk.bench.run_for(1500)
    yield walk.see("pedal_purging", "... purging", "ends automatically")
    walk.until("ARMED")
    yield walk.see("pedal_armed", "... armed", "for patient 7")

    walk = Walk(language, calibrated=False)
    walk.until_second(0)
    yield walk.see("ready_not_calibrated", "Not calibrated", "every other 2 s, by shipped tables")
    walk.hold("arm", 1200)
    yield walk.see("caution_not_calibrated", "... confirm", "once after each start, by a long hold")

    walk = Walk(language)
    walk.change("safe_depth_um", 2500)
    walk.hold("arm", 1200)
    yield walk.see("caution_too_deep", "Too deep?", "beyond the safe depth of the site")

    walk = Walk(language, sensor=True)
    walk.change("skin_sensor", 1)
    walk.arm()
    walk.bench.mishap("jet_misses")
    walk.bench.hold("trigger")
    walk.until("FREEZING")
    walk.bench.run_for(3000)
    yield walk.see("not_on_skin", "Not on the skin?", "the infrared sensor sees no cold")
    walk.until("DONE")
    walk.bench.release("trigger")
    walk.bench.run_for(300)
    yield walk.see("not_on_skin_done", "... unknown", "no depth is recorded")

    walk = Walk(language)
    walk.bench.ask("set", key="freeze_pressure_min_mbar", value=250)
    walk.bench.run_for(400)
    yield walk.see("confirm", "Confirm", "requested by the host")

    walk = Walk(language)
    walk.arm()
    walk.bench.hold("trigger")
    walk.until("FREEZING")
    walk.bench.run_for(4400)
    walk.bench.release("trigger")
    walk.until("DONE")
    yield walk.see("ended_early", "Ended early", "TRIGGER was released")

    walk = Walk(language)
    walk.arm()
    walk.bench.hold("trigger")
    walk.until("FREEZING")
    walk.bench.run_for(3000)
    walk.bench.estop_open()
    walk.bench.run_for(500)
    yield walk.see("estop", "Emergency stop", "closed in hardware", "FAULT")
    walk.bench.run_for(2000)
    yield walk.see("estop_delivered", "... delivered", "every 2 s in turn")

    walk = Walk(language)
    walk.bench.mishap("thermocouple_open")
    walk.bench.run_for(3000)
    yield walk.see("sensor_fault", "A fault", "what is wrong, and what to do")


Part = Callable[[int], Iterator[Sight]]
PARTS: tuple[Part, ...] = (start, ready, course, others)


def sights(language: int = 1) -> list[Sight]:
    """All kinds of screens of the device, in the order of the tour."""
    return [sight for part in PARTS for sight in part(language)]
