"""Emulated time in whole nanoseconds, on top of the emulator's own alarms.

May import the standard library, `rp2040py` and `hw_sim.world.clock`. The processor's clock is
fixed at 125 MHz in rp2040py, whatever the firmware asks of its PLLs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rp2040py.clock.clock import IAlarm, IClock
from rp2040py.clock.simulation_clock import SimulationClock

CYCLE_NS = 8  # 125 MHz
# `nanos` is a float that is kept exact by adding whole cycles; an alarm's absolute time may be one
# ulp (1.5e-5 ns after 100 s) off.
_SLACK = 1e-3


class EmulatedTimer:
    """A call scheduled once; `cancel()` is idempotent, also after the call."""

    __slots__ = ("_alarm", "_fn")

    def __init__(self, clock: IClock, delay_ns: float, fn: Callable[[], None]) -> None:
        self._fn: Callable[[], None] | None = fn
        self._alarm: IAlarm = clock.create_alarm(self._run)
        self._alarm.schedule(delay_ns)

    @property
    def pending(self) -> bool:
        """Still to be done."""
        return self._fn is not None

    def cancel(self) -> None:
        """Do not do it."""
        if self._fn is not None:
            self._fn = None
            self._alarm.cancel()

    def _run(self) -> None:
        fn = self._fn
        self._fn = None
        if fn is not None:
            fn()


class EmulatedClock:
    """`hw_sim.world.clock.ClockLike` for the parts; ns since the bench was made."""

    def __init__(self, core: SimulationClock) -> None:
        self.core: IClock = core
        self.in_alarm = False  # a DMA transfer or a bus is being served by an alarm

    @property
    def now_ns(self) -> int:
        """Emulated time, ns."""
        return int(self.core.nanos + 0.5)

    @property
    def now_cycle(self) -> int:
        """Whole system clock cycles since the beginning."""
        return int(self.core.nanos / CYCLE_NS + _SLACK)

    def call_at(self, t_ns: int, fn: Callable[[], None], /) -> EmulatedTimer:
        """Run `fn` when it is `t_ns`. ValueError if that is past."""
        if t_ns < self.now_ns:
            raise ValueError(f"call_at({t_ns}): the clock is already at {self.now_ns}")
        return EmulatedTimer(self.core, max(0.0, t_ns - self.core.nanos), fn)

    def call_after(self, d_ns: int, fn: Callable[[], None], /) -> EmulatedTimer:
        """Run `fn` in `d_ns` nanoseconds (>= 0)."""
        if d_ns < 0:
            raise ValueError(f"call_after({d_ns}): that is past")
        return EmulatedTimer(self.core, d_ns, fn)

    def within_alarm(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, with `in_alarm` set while it runs: nothing in it may let time pass."""

        def run(*arguments: Any) -> Any:
            before, self.in_alarm = self.in_alarm, True
            try:
                return fn(*arguments)
            finally:
                self.in_alarm = before

        return run

    def stall(self, d_ns: int) -> None:
        """Let `d_ns` pass while the processor waits for a bus or for the flash.

        Called from inside a register access: what is due meanwhile happens at its own time, and
        interrupts stay pending until the access is over. It costs the processor's time without
        the cost of emulating its polling loop. Rounded up to whole cycles. RuntimeError from
        within an alarm, where the clock cannot be moved.
        """
        if self.in_alarm:
            raise RuntimeError("a stall within an alarm would turn the clock back")
        self.core.tick(float(-(-d_ns // CYCLE_NS) * CYCLE_NS))

    def pass_to(self, t_ns: int) -> None:
        """Let time pass until `t_ns` with the processor not running at all."""
        self.core.tick(t_ns - self.core.nanos)
