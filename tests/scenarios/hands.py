"""SimulatedBench on the engine of the page, in time that costs nothing."""

from __future__ import annotations

from collections.abc import Callable

from hw_sim.bench import FastBench, SimulatedBench
from hw_sim.web.engine import Engine
from hw_sim.web.training import Trainer

TURN_S = 0.01


class Operator:
    """Works an engine in virtual time, and sees only what the page shows."""

    def __init__(
        self,
        trainer: Trainer | None = None,
        make: Callable[[int, bool], SimulatedBench] = lambda seed, _sensor: FastBench(seed=seed),
    ) -> None:
        self.s = 0.0
        self.engine = Engine(make, clock=lambda: self.s)
        if trainer is None:
            self.engine.act("power_on")
        else:
            trainer.begin(self.engine)
        self.until(lambda: self.state == "READY", 5.0)

    @property
    def state(self) -> str:
        return self.engine.view.state

    def wait(self, s: float) -> None:
        end_s = self.s + s
        while self.s < end_s - 1e-9:
            self.s += TURN_S
            self.engine.turn()

    def until(self, condition: Callable[[], bool], most_s: float) -> None:
        end_s = self.s + most_s
        while not condition():
            assert self.s < end_s, f"still {self.engine.view}"
            self.wait(TURN_S)

    def press(self, name: str) -> None:
        self.engine.act("hold", name)
        self.wait(0.08)
        self.engine.act("release", name)
        self.wait(0.3)

    def hold(self, name: str, done: Callable[[], bool], most_s: float) -> None:
        self.engine.act("hold", name)
        self.until(done, most_s)
        self.engine.act("release", name)
        self.wait(0.3)

    def to_armed(self, *, aim: bool = True) -> None:
        """By whatever the device asks for on the way; `aim`: away from the skin for the purge."""
        for _ in range(30):
            if self.state == "READY":
                self.hold("arm", lambda: self.state != "READY", 3.0)
            elif self.state == "SCREENING":
                self.press("select")
            elif self.state == "PRECHILL":
                if aim:
                    self.engine.act("aim_away")
                view = self.engine.view
                self.hold(
                    "trigger",
                    lambda before=view.openings: (
                        self.engine.view.openings > before
                        and not self.engine.bench.wiring.driven(2)
                    ),
                    15.0,
                )
                if aim:
                    self.engine.act("aim_at_skin")
                self.wait(0.3)
            elif self.state == "ARMED":
                return
        raise AssertionError(f"not armed: {self.engine.view}")

    def treat(self) -> None:
        """Arm, and freeze to the end."""
        self.to_armed()
        self.engine.act("hold", "trigger")
        self.until(lambda: self.state == "FREEZING", 2.0)
        self.until(lambda: self.state != "FREEZING", 35.0)
        self.engine.act("release", "trigger")
        self.wait(0.5)

    def done(self) -> None:
        """From the end of a treatment back to READY."""
        for _ in range(4):
            if self.state != "READY":
                self.press("select")
        if self.state != "READY":
            self.press("arm")
        assert self.state == "READY", self.engine.view
