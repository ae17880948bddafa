"""What every bench offers, so that the same scenarios run on each.

`Bench` is the interface; `SimulatedBench` is what the benches with simulated parts share: buttons,
E-stop, fault injection, screen and valve intervals. A bench adds the processor.

May import the standard library, `hw_sim.world` and `link_client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from hw_sim.bench.link_client import LinkClient
from hw_sim.world.clock import ClockLike
from hw_sim.world.fault_injection import MISHAPS
from hw_sim.world.parts.ssd1306 import Ssd1306
from hw_sim.world.plant import Plant
from hw_sim.world.wiring import Wiring

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
NS_PER_MS = 1_000_000


class CapabilityMissing(AttributeError):
    """This bench cannot do what was asked of it; the text says what."""


class Bench(Protocol):
    """What a scenario may ask of any bench. What one cannot do is missing from `capabilities`.

    Capabilities: "edges" (nanosecond stamps of pin changes), "mishaps", "plant", "power" (it can
    be cut), "screen", "time" (virtual: waiting costs nothing), "real_micropython", "trace",
    "hang" (the processor can be stopped). A board alone (`serial_board`) has
    none of these: only its link.
    """

    capabilities: frozenset[str]
    clock: ClockLike
    wiring: Wiring
    plant: Plant
    settle_ms: float

    def power_on(self) -> None: ...
    def cut_power(self) -> None: ...
    def run_for(self, ms: float) -> None: ...
    def run_until(self, condition: Callable[[], bool], timeout_ms: float) -> bool: ...
    def hold(self, name: str) -> None: ...
    def release(self, name: str) -> None: ...
    def press(self, name: str, ms: float = 80) -> None: ...
    def estop_open(self) -> None: ...
    def estop_close(self) -> None: ...
    def mishap(self, name: str) -> None: ...
    def mend(self, name: str) -> None: ...
    def host_write(self, data: bytes) -> None: ...
    def host_read(self) -> bytes: ...
    def ask(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]: ...
    def log_pages(
        self, first: int = 1, *, most: int = 18, timeout_ms: float = 2000
    ) -> Iterator[dict[str, Any]]: ...
    def events(self) -> list[dict[str, Any]]: ...
    def valve_intervals(self) -> list[tuple[int, int]]: ...


class Screen:
    """The screen as it is at this moment."""

    def __init__(self, part: Ssd1306) -> None:
        self._part = part

    def text(self) -> str:
        """The pixels as text, two rows a line."""
        return self._part.to_text()

    def image(self, scale: int = 4) -> Any:
        """A PIL image."""
        return self._part.to_image(scale)

    def ram(self) -> bytes:
        """The screen chip's memory, page by page."""
        return bytes(self._part.ram)


class SimulatedBench(LinkClient):
    """Common part of both simulated benches: the controls of the device and its outputs.

    A bench adds the processor (`run_to`: run it up to a time in ns), and bytes out and in.
    """

    clock: ClockLike
    wiring: Wiring
    settle_ms: float = 60
    """Settling time, ms: from button release until the device has reported the resulting state."""

    def __init__(self, wiring: Wiring, run_to: Callable[[int], None]) -> None:
        super().__init__()
        self._run_to = run_to
        self._intervals: list[tuple[int, int]] = []
        self._closings = 0
        self.opened_ns: int | None = None
        """When VALVE_GATE last rose; None: it never did."""
        self._high = False
        wiring.watch(self._gate)

    # -- time

    @property
    def now_ms(self) -> float:
        """Virtual time since the bench was made."""
        return self.clock.now_ns / NS_PER_MS

    def run_for(self, ms: float) -> None:
        """Let `ms` of virtual time pass. BenchError: the firmware did something impossible."""
        self._run_to(self.clock.now_ns + round(ms * NS_PER_MS))

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Run until `condition()`, looked at every `step_ms`. False when the time ran out."""
        end_ns = self.clock.now_ns + round(timeout_ms * NS_PER_MS)
        step_ns = round(step_ms * NS_PER_MS)
        while not condition():
            now_ns = self.clock.now_ns
            if now_ns >= end_ns:
                return False
            self._run_to(min(now_ns + step_ns, end_ns))
        return True

    # -- controls

    def hold(self, name: str) -> None:
        """Put a finger on button `name` (trigger, up, down, select, arm)."""
        self.wiring.buttons[name].press()

    def release(self, name: str) -> None:
        """Take it off."""
        self.wiring.buttons[name].release()

    def press(self, name: str, ms: float = 80) -> None:
        """Press button `name` for `ms`, release it, and wait for it to come to rest."""
        self.hold(name)
        self.run_for(ms)
        self.release(name)
        self.run_for(self.settle_ms)

    def estop_open(self) -> None:
        """Strike the E-stop."""
        self.wiring.estop.open()

    def estop_close(self) -> None:
        """Pull it out again."""
        self.wiring.estop.close()

    def mishap(self, name: str) -> None:
        """Inject a fault (hw_sim.world.fault_injection). KeyError if there is none of this name."""
        MISHAPS[name].apply(self.wiring)

    def mend(self, name: str) -> None:
        """Mend it."""
        MISHAPS[name].undo(self.wiring)

    # -- the host's cable

    @property
    def host_connected(self) -> bool:
        """The device has been enumerated."""
        raise NotImplementedError

    @property
    def host_unsent(self) -> int:
        """Bytes that were written and that the device has not taken yet."""
        raise NotImplementedError

    # -- what there is to see

    def screen(self) -> Screen:
        """The screen now."""
        return Screen(self.wiring.screen)

    def valve_intervals(self) -> list[tuple[int, int]]:
        """(opened, closed) of VALVE_GATE, ns, closed ones only."""
        return list(self._intervals)

    @property
    def closings(self) -> int:
        """How often VALVE_GATE has been high and low again."""
        return self._closings

    def forget(self, before_ns: int) -> None:
        """Drop the openings before that time, and their effect on the skin (`Plant`).

        For a bench that runs for hours.
        """
        self.wiring.plant.forget(before_ns)
        intervals = self._intervals
        while intervals and intervals[0][1] <= before_ns:
            del intervals[0]

    def _gate(self, t_ns: int, signal: str, value: float) -> None:
        if signal != "VALVE_GATE":
            return
        if value:
            self.opened_ns, self._high = t_ns, True
        elif self._high and self.opened_ns is not None:
            self._intervals.append((self.opened_ns, t_ns))
            self._closings += 1
            self._high = False
