"""Mechanical contacts: push buttons that bounce, and the E-stop loop.

A contact to ground or to supply: `level` is what it puts on its pin, None when it is open and the
microcontroller's pull decides. Bounce comes from a seeded generator, so it is the same in every
run. Imports the standard library and `hw_sim.world.clock`.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

from hw_sim.world.clock import NS_PER_US, ClockLike, TimerLike

LevelListener = Callable[[int | None], None]

_BOUNCE_LEAST_NS = 100 * NS_PER_US
_BOUNCE_MOST_NS = 5_000 * NS_PER_US
_ESTOP_FALL_NS = 1_450  # docs/electrical.md, "the pin reads the open loop": nominal


class Button:
    """A push button to ground: pressed = 0, open = None (the pull-up makes it 1).

    Each press and each release bounces for 0.1…5 ms, on its first contact at once. `stuck`: the
    contact stays as the injected fault has it, whatever the finger does. `chatter`: it opens and
    closes by itself, every 2…40 ms.
    """

    def __init__(
        self,
        clock: ClockLike,
        name: str,
        *,
        seed: int = 1,
        bounce_ns: int = _BOUNCE_MOST_NS,
    ) -> None:
        self._clock = clock
        self.name = name
        self.level: int | None = None
        self.on_level: LevelListener | None = None
        self.pressed = False  # the finger
        self._bounce_ns = bounce_ns
        self._random = random.Random(zlib.crc32(f"{name}/{seed}".encode()))
        self._timers: list[TimerLike] = []
        self._stuck: int | None | str = "free"

    def press(self) -> None:
        """The finger comes down. Idempotent."""
        if not self.pressed:
            self.pressed = True
            self._settle(0)

    def release(self) -> None:
        """The finger goes up. Idempotent."""
        if self.pressed:
            self.pressed = False
            self._settle(None)

    def stick(self, closed: bool) -> None:
        """The contact welds (`closed`) or no longer makes."""
        self._cancel()
        self._stuck = 0 if closed else None
        self._put(self._stuck)

    def chatter(self) -> None:
        """A worn contact: it opens and closes, whatever the finger does. Idempotent."""
        if self._stuck != "chatters":
            self._cancel()
            self._stuck = "chatters"
            self._flip()

    def _flip(self) -> None:
        self._put(None if self.level == 0 else 0)
        after_ns = self._random.randint(2_000 * NS_PER_US, 40_000 * NS_PER_US)
        self._timers = [self._clock.call_after(after_ns, self._flip)]

    def unstick(self) -> None:
        """It follows the finger again."""
        self._cancel()
        self._stuck = "free"
        self._put(0 if self.pressed else None)

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _settle(self, final: int | None) -> None:
        self._cancel()
        if self._stuck != "free":
            return
        other = None if final == 0 else 0
        self._put(final)
        if self._bounce_ns < _BOUNCE_LEAST_NS:
            return
        edges = 2 * self._random.randint(0, 4)
        span_ns = self._random.randint(_BOUNCE_LEAST_NS, self._bounce_ns)
        times = sorted(self._random.randint(1, span_ns) for _ in range(edges))
        for i, after_ns in enumerate(times):
            level = other if i % 2 == 0 else final
            self._timers.append(self._clock.call_after(after_ns, self._edge(level)))

    def _edge(self, level: int | None) -> Callable[[], None]:
        return lambda: self._put(level)

    def _put(self, level: int | None) -> None:
        if level != self.level:
            self.level = level
            if self.on_level is not None:
                self.on_level(level)


class EStop:
    """The emergency stop: a latching normally-closed contact in the coil supply, sensed on a pin.

    Closed puts 1 on the pin; open leaves it to the external pull-down (None), 1.45 µs after the
    contact's opening: SPICE, the nominal board (the worst 2.12 µs; docs/electrical.md). Opening
    does not bounce (a positively driven contact); closing does. The coil supply (`closed`) is cut
    at the very instant of opening.
    """

    def __init__(self, clock: ClockLike, *, seed: int = 1) -> None:
        self._clock = clock
        self.closed = True
        self.wire_broken = False
        self.loose = False
        self._loose_timer: TimerLike | None = None
        self.level: int | None = 1
        self.on_contact: Callable[[], None] | None = None
        self.on_level: LevelListener | None = None
        self._finger_closed = True
        self._random = random.Random(zlib.crc32(f"estop/{seed}".encode()))
        self._timers: list[TimerLike] = []

    def open(self) -> None:
        """Struck: the loop opens, and stays open. Idempotent."""
        if not self._finger_closed:
            return
        self._finger_closed = False
        self._cancel()
        self._contact(False)

    def close(self) -> None:
        """Turned back: the loop closes, bouncing for 0.1…5 ms."""
        if self._finger_closed:
            return
        self._finger_closed = True
        self._cancel()
        self._contact(True)
        span_ns = self._random.randint(_BOUNCE_LEAST_NS, _BOUNCE_MOST_NS)
        edges = 2 * self._random.randint(0, 4)
        times = sorted(self._random.randint(1, span_ns) for _ in range(edges))
        for i, after_ns in enumerate(times):
            self._timers.append(self._clock.call_after(after_ns, self._edge(i % 2 == 1)))

    def loosen(self, loose: bool) -> None:
        """Its plug is half in: the loop opens for 0.05…3 ms, twice a second or so. Idempotent."""
        if loose == self.loose:
            return
        self.loose = loose
        if self._loose_timer is not None:
            self._loose_timer.cancel()
            self._loose_timer = None
        if loose:
            self._wiggle()
        else:
            self._contact(self._finger_closed)

    def _wiggle(self) -> None:
        """Open for an instant, then closed for a while."""
        opens = self.closed
        self._contact(not opens and self._finger_closed)
        least_us, most_us = (50, 3_000) if opens else (100_000, 900_000)
        after_ns = self._random.randint(least_us, most_us) * NS_PER_US
        self._loose_timer = self._clock.call_after(after_ns, self._wiggle)

    def break_wire(self, broken: bool) -> None:
        """The loop's wire breaks, or is mended."""
        self.wire_broken = broken
        self._cancel()
        self._contact(self._finger_closed)

    def _edge(self, closed: bool) -> Callable[[], None]:
        return lambda: self._contact(closed)

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _contact(self, closed: bool) -> None:
        closed = closed and not self.wire_broken
        if closed == self.closed:
            return
        self.closed = closed
        if self.on_contact is not None:
            self.on_contact()
        if closed:
            self._put(1)
        else:
            self._clock.call_after(_ESTOP_FALL_NS, self._fallen)  # nothing calls this off

    def _fallen(self) -> None:
        if not self.closed:
            self._put(None)

    def _put(self, level: int | None) -> None:
        if level != self.level:
            self.level = level
            if self.on_level is not None:
                self.on_level(level)
