"""What an operator does at the device: from READY to a freeze, and back.

`Operator` is the course, by primitives that may press anything: `BenchOperator` presses the
buttons of a bench; tests press those of the web bench by the same course. May import the standard
library, `protocol` and `link_client`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hw_sim.bench.link_client import NotAsExpected
from hw_sim.bench.protocol import SimulatedBench

ASKED = ("SCREENING", "PRECHILL", "ARMED", "FAULT")
"""Where ARM leads to."""
ENDED = ("DONE", "THAWING", "FAULT")
"""Where a freeze leads to."""
ARMING_FROM = ("READY", "DONE", "THAWING")
DEWAR_G = 850.0

_LOOK_MS = 5.0
_WHOLE_AFTER_MS = 50.0
_WHOLE_MOST_MS = 3000.0
_MOST_PAGES = 12  # of the checklist
_MOST_PURGES = 8
_HOLD_MS = 1_200
"""Longer than ARM must be held."""
_CONFIRM_MS = 2_200
"""Longer than SELECT must be held for a caution of the plan."""
PROOF_MS = 4_000
"""A purge's valve is proved closed within this time (1.5 s, rarely 4 s)."""
_MOST_STEPS = _MOST_PAGES + _MOST_PURGES
_SHOWN_STATES = 8


class NotReached(NotAsExpected):
    """The device did not come to a state; which ones it reported instead."""

    def __init__(self, target: str, states: Sequence[str]) -> None:
        seen = ", ".join(states[-_SHOWN_STATES:]) or "none"
        super().__init__(f"{target} was not reached; states seen: {seen}")
        self.target = target
        self.states = tuple(states)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an operator takes for everything, in ms of the device's time."""

    arm_ms: float | None = None
    """How long ARM is held, ms; None: until the device has left its state."""
    press_ms: float = 80.0
    rest_ms: float = 60.0
    """After a button was released, or pressed."""
    confirm_ms: float = 1200.0
    """How long SELECT is held to confirm a change, ms."""
    let_go_ms: float = 300.0
    """From the end of a purge until TRIGGER is released."""
    purged_ms: float | None = 400.0
    """And from there on; None: until the device is ARMED, and `rest_ms` longer."""
    look_ms: float = 1.0
    """How often the operator looks at the device's state."""
    valve_look_ms: float = 1.0
    """And at its valve."""


class Operator(ABC):
    """The course of a treatment. `timing`: how long each step takes."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.purges = 0
        self._confirmed = False

    # -- to be given

    @property
    @abstractmethod
    def state(self) -> str:
        """The device's state."""

    @property
    @abstractmethod
    def states(self) -> Sequence[str]:
        """The states that were reported so far, for an error message."""

    @property
    @abstractmethod
    def closings(self) -> int:
        """How often the valve has been opened and closed again."""

    @abstractmethod
    def press_down(self, button: str) -> None:
        """Put a finger on a button."""

    @abstractmethod
    def let_go(self, button: str) -> None:
        """Take it off."""

    @abstractmethod
    def wait(self, ms: float) -> None:
        """Let time pass."""

    @abstractmethod
    def wait_until(self, condition: Callable[[], bool], timeout_ms: float, look_ms: float) -> bool:
        """Let time pass until `condition()`. False when it does not come true."""

    def aim(self, *, at_skin: bool) -> None:
        """Point the nozzle at the skin, or away from it (for a purge). Unless given: it stays."""
        del at_skin

    # -- buttons

    def hold(self, button: str, ms: float) -> None:
        """Hold a button for a time, release it, and wait for it to come to rest."""
        self.press_down(button)
        self.wait(ms)
        self.let_go(button)
        self.wait(self.timing.rest_ms)

    def press(self, button: str, times: int = 1) -> None:
        """Press a button."""
        for _ in range(times):
            self.hold(button, self.timing.press_ms)

    # -- the course

    def until(self, *states: str, timeout_ms: float = 5_000) -> None:
        """Wait for one of these states. NotReached when none comes."""
        if not self.wait_until(lambda: self.state in states, timeout_ms, self.timing.look_ms):
            raise NotReached(" or ".join(states), self.states)

    def request_arming(self) -> None:
        """Hold ARM."""
        timing = self.timing
        if timing.arm_ms is not None:
            self.hold("arm", timing.arm_ms)
            return
        self.press_down("arm")
        if not self.wait_until(lambda: self.state in ASKED, 5_000, timing.look_ms):
            raise NotReached(" or ".join(ASKED), self.states)
        self.let_go("arm")
        self.wait(timing.rest_ms)

    def arm(self) -> None:
        """From READY, DONE or THAWING to ARMED, with every step that the device requests.

        A fault that a purge has led to (no liquid came) is acknowledged, and the purge repeated.
        """
        purges = 0
        for _ in range(_MOST_STEPS):
            if self.state in ARMING_FROM:
                self.request_arming()
            state = self.state
            if state == "SCREENING":
                self.answer()
                continue
            if state == "PRECHILL" and list(self.states[-2:-1]) == ["ARMED"]:
                self.hold("arm", _HOLD_MS)  # the line has warmed: a purge needs its own intent
            if state == "PRECHILL" and purges < _MOST_PURGES:
                self.purge()
                purges += 1
                state = self.state
            if state == "ARMED":
                return
            if state == "FAULT" and purges:
                self.press("select")
                self.wait(300)
            elif state == "FAULT":
                break
        raise NotReached("ARMED", self.states)

    @property
    def cautioned(self) -> bool:
        """The device asks for a caution of the plan: SELECT must be held. Unless it is known: so it
        is taken to be the first time (on a page of the checklist a long hold answers nothing)."""
        return not self._confirmed

    def answer(self) -> None:
        """In SCREENING: confirm the caution that is shown, or answer that nothing applies."""
        if self.cautioned:
            self.hold("select", _CONFIRM_MS)
            self._confirmed = True
        else:
            self.press("select")

    def purge(self) -> None:
        """Hold TRIGGER in PRECHILL until the purge has ended, and release it."""
        timing = self.timing
        self.purges += 1
        self.aim(at_skin=False)
        before = self.closings
        self.press_down("trigger")
        self.wait_until(lambda: self.closings > before, 13_000, timing.valve_look_ms)
        self.wait(timing.let_go_ms)
        self.let_go("trigger")
        if timing.purged_ms is None:
            self.until("ARMED")
            self.wait(timing.rest_ms)
        else:
            # ARMED follows when the valve is proved closed; nothing, if the purge was too short.
            self.wait_until(lambda: self.state in ("ARMED", "FAULT"), PROOF_MS, 50)
            self.wait(timing.purged_ms)
        self.aim(at_skin=True)

    @abstractmethod
    def open_valve(self) -> int:
        """Hold TRIGGER in ARMED until the valve is open; when it opened, ns."""

    def freeze(self, *leads_to: str) -> None:
        """From ARMED, to the end of the freeze, and release TRIGGER."""
        self.open_valve()
        self.until(*(leads_to or ENDED), timeout_ms=40_000)
        self.let_go("trigger")
        self.wait(self.timing.rest_ms)

    def treat(self, *leads_to: str) -> None:
        """From READY (or from a thaw that has ended) to the end of a freeze."""
        self.arm()
        self.freeze(*leads_to)

    def finish(self) -> None:
        """Acknowledge the end of a treatment: from DONE to READY."""
        self.press("select")
        self.until("READY")

    def back_to_ready(self) -> None:
        """To READY from DONE, or from THAWING: the thaw acknowledged, the next cycle left out."""
        for _ in range(4):
            if self.state == "READY":
                return
            self.press("select")
        if self.state != "READY":
            self.press("arm")
        if self.state != "READY":
            raise NotReached("READY", self.states)


B = TypeVar("B", bound=SimulatedBench)


class BenchOperator(Operator, Generic[B]):
    """At the buttons of a simulated bench.

    `polls`: the state is requested (`status`), not taken from what the device has reported by
    itself; a request takes some of the device's time. `aims`: the nozzle is pointed away from the
    skin for a purge. `answer_ms`: how long a reply may take.
    """

    def __init__(
        self,
        bench: B,
        timing: Timing | None = None,
        *,
        polls: bool = False,
        aims: bool = False,
        answer_ms: float = 2_000,
    ) -> None:
        super().__init__(Timing() if timing is None else timing)
        self.bench: B = bench
        self.polls = polls
        self.aims = aims
        self.answer_ms = answer_ms

    @property
    def state(self) -> str:
        """The device's state."""
        if self.polls:
            return self.ok("status")["state"]
        states = self.bench.states()
        return states[-1] if states else ""

    @property
    def states(self) -> Sequence[str]:
        """The states that the device has reported so far."""
        return self.bench.states()

    @property
    def closings(self) -> int:
        """How often the gate has been high and low again."""
        return self.bench.closings

    @property
    def cautioned(self) -> bool:
        """The device asks for a caution of the plan, as it has reported."""
        for event in reversed(self.bench.events()):
            if event["ev"] == "caution":
                return not event["answer"]
            if event["ev"] == "state" and event["state"] != "SCREENING":
                break
        return False

    def press_down(self, button: str) -> None:
        """Put a finger on a button."""
        self.bench.hold(button)

    def let_go(self, button: str) -> None:
        """Take it off."""
        self.bench.release(button)

    def wait(self, ms: float) -> None:
        """Let time pass."""
        self.bench.run_for(ms)

    def wait_until(self, condition: Callable[[], bool], timeout_ms: float, look_ms: float) -> bool:
        """Let time pass until `condition()`. False when it does not come true."""
        return self.bench.run_until(condition, timeout_ms, look_ms)

    def aim(self, *, at_skin: bool) -> None:
        """Point the nozzle at the skin, or away from it."""
        if self.aims:
            self.bench.wiring.plant.point(self.bench.clock.now_ns, at_skin=at_skin)

    # -- the link

    def ok(self, op: str, **arguments: Any) -> dict[str, Any]:
        """A request's reply. Refused when the device answers with an error."""
        return self.bench.ok(op, timeout_ms=self.answer_ms, **arguments)

    def change(self, key: str, value: int) -> None:
        """Change a setting over the link, and confirm it on the device if it requires that."""
        if not self.ok("set", key=key, value=value)["applied"]:
            self.wait(50)
            self.hold("select", self.timing.confirm_ms)
        if (now := self.ok("get", key=key)["value"]) != value:
            raise NotAsExpected(f"{key} is {now} after setting it to {value}")

    # -- the valve

    def fill(self) -> None:
        """Fill the dewar."""
        self.bench.wiring.plant.fill(self.bench.clock.now_ns, DEWAR_G)

    def pull_trigger(self, timeout_ms: float = 3_000) -> int | None:
        """Hold TRIGGER until the gate is high; when it rose, ns. None: the device left ARMED."""
        bench = self.bench
        before_ns = bench.clock.now_ns

        def opened() -> bool:
            return bench.opened_ns is not None and bench.opened_ns >= before_ns

        bench.hold("trigger")
        if not bench.run_until(
            lambda: opened() or (not self.polls and self.state not in ("ARMED", "FREEZING")),
            timeout_ms,
        ):
            raise NotReached("an open valve", self.states)
        return bench.opened_ns if opened() else None

    def open_valve(self) -> int:
        """Hold TRIGGER until the gate is high; when it rose, ns. Purges again if it must."""
        for _ in range(_MOST_PURGES):
            opened_ns = self.pull_trigger()
            if opened_ns is not None:
                return opened_ns
            self.bench.release("trigger")
            self.wait(200)
            self.arm()
        raise NotReached("an open valve", self.states)


def until_drawn(bench: SimulatedBench) -> None:
    """Wait until the display shows all that was drawn. RuntimeError if it never does.

    The device sends a screen page by page, the next page within 40 ms: when nothing has changed
    for longer than that, nothing is left to send.
    """
    screen = bench.screen()
    quiet_ms, before = 0.0, screen.ram()
    for _ in range(round(_WHOLE_MOST_MS / _LOOK_MS)):
        if quiet_ms > _WHOLE_AFTER_MS:
            return
        bench.run_for(_LOOK_MS)
        now = screen.ram()
        quiet_ms = quiet_ms + _LOOK_MS if now == before else 0.0
        before = now
    raise RuntimeError("the display is never complete")
