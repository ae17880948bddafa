"""The operator of hw_sim.bench for the page's engine, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hw_sim.bench import FastBench, SimulatedBench
from hw_sim.bench.operator import ENDED, Operator as Course, Timing
from hw_sim.web.engine import Engine
from hw_sim.web.training import Trainer

TURN_S = 0.01


class Operator(Course):
    """Operates an engine in virtual time, and reads only what the page shows."""

    def __init__(
        self,
        trainer: Trainer | None = None,
        make: Callable[[int, bool], SimulatedBench] = lambda seed, _sensor: FastBench(seed=seed),
    ) -> None:
        super().__init__(Timing(rest_ms=300, let_go_ms=0, purged_ms=300))
        self.s = 0.0
        self.aims = True
        self.engine = Engine(make, clock=lambda: self.s)
        self._states: list[str] = []
        if trainer is None:
            self.engine.act("power_on")
        else:
            trainer.begin(self.engine)
        self.until("READY")

    @property
    def state(self) -> str:
        state = self.engine.view.state
        if self._states[-1:] != [state]:
            self._states.append(state)
        return state

    @property
    def states(self) -> Sequence[str]:
        return self._states

    @property
    def closings(self) -> int:
        return self.engine.view.closings

    def press_down(self, button: str) -> None:
        self.engine.act("hold", button)

    def let_go(self, button: str) -> None:
        self.engine.act("release", button)

    def wait(self, ms: float) -> None:
        end_s = self.s + ms / 1000
        while self.s < end_s - 1e-9:
            self.s += TURN_S
            self.engine.turn()

    def wait_until(self, condition: Callable[[], bool], timeout_ms: float, look_ms: float) -> bool:
        end_s = self.s + timeout_ms / 1000
        while not condition():
            if self.s >= end_s:
                return False
            self.wait(max(look_ms, TURN_S * 1000))
        return True

    def look_until(self, condition: Callable[[], bool], timeout_ms: float) -> None:
        assert self.wait_until(condition, timeout_ms, 0), f"still {self.engine.view}"

    def aim(self, *, at_skin: bool) -> None:
        if self.aims:
            self.engine.act("aim_at_skin" if at_skin else "aim_away")
        if at_skin:
            self.wait(300)

    def to_armed(self, *, aim: bool = True) -> None:
        """Arm with all steps that the device requests; `aim`: away from the skin for the purge."""
        self.aims = aim
        self.arm()
        self.aims = True

    def open_valve(self) -> int:
        self.press_down("trigger")
        self.until("FREEZING", timeout_ms=2000)
        return self.engine.now_ns

    def freeze(self, *leads_to: str) -> None:
        super().freeze(*(leads_to or ENDED))
        self.wait(200)

    def done(self) -> None:
        """Return from the end of a treatment to READY."""
        self.back_to_ready()
