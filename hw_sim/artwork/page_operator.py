"""The operator of hw_sim.bench for the page in a browser, with keys and mouse.

Reads only the page, not the bench behind it. May import the standard library and
`hw_sim.bench.operator`; the browser's page (Playwright) is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from hw_sim.bench.operator import ENDED, NotReached, Operator, Timing

KEYS = {"arm": "a", "select": "Enter", "trigger": " ", "up": "ArrowUp", "down": "ArrowDown"}
NOZZLE_KEY = "n"
_TIMEOUT_MS = 120_000.0
_LOOK_MS = 20.0

WATCH_PRESSES = """() => {
  window.took = [];
  const canvas = document.querySelector("cryo-front canvas");
  let at = 0;
  addEventListener("pointerdown", (event) => {
    if (event.target.closest(".key")) at = event.timeStamp;
  }, true);
  new MutationObserver(() => requestAnimationFrame(() => {
    if (at) { window.took.push(performance.now() - at); at = 0; }
  })).observe(canvas, { attributeFilter: ["data-drawn"] });
}"""
"""Records the time from the mouse event to the redrawn canvas, in ms."""


class PageOperator(Operator):
    """Operates the page. `mouse`: buttons pressed with the mouse instead of their keys. `aims`:
    point the nozzle away from the skin for a purge."""

    def __init__(self, page: Any, *, mouse: Collection[str] = (), aims: bool = False) -> None:
        super().__init__(Timing(press_ms=90, rest_ms=300, let_go_ms=0, purged_ms=50))
        self.page = page
        self.mouse = frozenset(mouse)
        self.aims = aims
        self._states: list[str] = []

    @property
    def state(self) -> str:
        """The device's state as shown on the page."""
        state = str(self.page.evaluate("cryoBench.front.state"))
        if self._states[-1:] != [state]:
            self._states.append(state)
        return state

    @property
    def states(self) -> Sequence[str]:
        """The states observed so far."""
        return self._states

    @property
    def closings(self) -> int:
        """Number of complete openings of the valve."""
        return int(self.page.evaluate("cryoBench.plant.closings"))

    def press_down(self, button: str) -> None:
        """Press and hold a button, once the page is live: it sends no press that would be late."""
        self.page.wait_for_function("!cryoBench.stale", timeout=_TIMEOUT_MS)
        if button in self.mouse:
            self.page.locator(f"[data-key={button}]").hover()
            self.page.mouse.down()
        else:
            self.page.keyboard.down(KEYS[button])

    def let_go(self, button: str) -> None:
        """Release a button."""
        if button in self.mouse:
            self.page.mouse.up()
        else:
            self.page.keyboard.up(KEYS[button])

    def wait(self, ms: float) -> None:
        """Wait `ms` of the computer's time."""
        self.page.wait_for_timeout(ms)

    def wait_until(self, condition: Callable[[], bool], timeout_ms: float, look_ms: float) -> bool:
        """Wait for a condition, with a long time-out: the device may be slower than real time."""
        del timeout_ms
        left_ms, look_ms = _TIMEOUT_MS, max(look_ms, _LOOK_MS)
        while not condition():
            if left_ms <= 0:
                return False
            self.wait(look_ms)
            left_ms -= look_ms
        return True

    def aim(self, *, at_skin: bool) -> None:
        """Point the nozzle at the skin or away from it."""
        del at_skin  # the key toggles
        if self.aims:
            self.page.keyboard.press(NOZZLE_KEY)

    def open_valve(self) -> int:
        """Hold TRIGGER until the device is in FREEZING. Returns 0: the page has no time in ns."""
        self.press_down("trigger")
        self.until("FREEZING", *ENDED)
        return 0


__all__ = ["WATCH_PRESSES", "NotReached", "PageOperator"]
