"""Virtual time.

One integer count of nanoseconds, and a heap of things to be done. Nothing here reads the
computer's own clock, so the same scenario gives the same times on every machine. May import the
standard library only. Simulated parts ask for the narrow `ClockLike`, because the emulated chip
supplies its own clock.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class TimerLike(Protocol):
    """Handle of a scheduled call: it can be cancelled."""

    def cancel(self) -> None: ...


class ClockLike(Protocol):
    """What a simulated part may know about time."""

    @property
    def now_ns(self) -> int: ...

    def call_at(self, t_ns: int, fn: Callable[[], None], /) -> TimerLike: ...

    def call_after(self, d_ns: int, fn: Callable[[], None], /) -> TimerLike: ...


class Timer:
    """A call scheduled for `t_ns`. `cancel()` is idempotent, also after the call."""

    __slots__ = ("fn", "t_ns")

    def __init__(self, t_ns: int, fn: Callable[[], None]) -> None:
        self.t_ns = t_ns
        self.fn: Callable[[], None] | None = fn

    @property
    def pending(self) -> bool:
        """Not called yet."""
        return self.fn is not None

    def cancel(self) -> None:
        """Cancel the callback."""
        self.fn = None


class Clock:
    """Virtual time in ns, beginning at 0.

    `now_ns` is for reading; only `advance_to` moves it. What is due at the same instant runs in
    the order in which it was scheduled. A callback may schedule further calls and may itself
    advance the clock.
    """

    __slots__ = ("_heap", "_seq", "now_ns")

    def __init__(self) -> None:
        self.now_ns: int = 0
        self._heap: list[tuple[int, int, Timer]] = []
        self._seq: int = 0

    def call_at(self, t_ns: int, fn: Callable[[], None], /) -> Timer:
        """Run `fn` when the clock reaches `t_ns`. ValueError if that is past."""
        if t_ns < self.now_ns:
            raise ValueError(f"call_at({t_ns}): the clock is already at {self.now_ns}")
        self._seq += 1
        timer = Timer(t_ns, fn)
        heappush(self._heap, (t_ns, self._seq, timer))
        return timer

    def call_after(self, d_ns: int, fn: Callable[[], None], /) -> Timer:
        """Run `fn` in `d_ns` nanoseconds (≥ 0)."""
        return self.call_at(self.now_ns + d_ns, fn)

    def next_due_ns(self) -> int | None:
        """When the next thing is due, or None if nothing is."""
        heap = self._heap
        while heap and heap[0][2].fn is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def advance_to(self, t_ns: int) -> None:
        """Run everything due up to and at `t_ns`, each at its own time; then it is `t_ns`.

        ValueError if `t_ns` is past. If a callback advanced the clock beyond `t_ns`, time stays
        where the callback left it.
        """
        if t_ns < self.now_ns:
            raise ValueError(f"advance_to({t_ns}): the clock is already at {self.now_ns}")
        heap = self._heap
        while heap and heap[0][0] <= t_ns:
            at_ns, _, timer = heappop(heap)
            fn = timer.fn
            if fn is not None:
                timer.fn = None
                self.now_ns = at_ns
                fn()
        if t_ns > self.now_ns:
            self.now_ns = t_ns
