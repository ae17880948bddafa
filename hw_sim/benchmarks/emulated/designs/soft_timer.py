"""A freeze timed by `machine.Timer`, whose callback closes the gate.

The timer itself is exact; its callback waits until the interpreter may run it. MicroPython 1.23
on the RP2040 has no other kind of callback for a timer. Runs on MicroPython: may import machine,
time.
"""

from time import sleep_ms

from machine import Timer

TICK_MS = 10


class Freeze:
    """One gate. The bound callback is created once, so that starting it allocates nothing."""

    def __init__(self, gate):
        self._gate = gate
        self._open = False
        self._timer = Timer(-1)
        self._callback = self._close

    def _close(self, _timer):
        self._gate.off()
        self._open = False

    def run(self, dose_ms, load):
        """Gate high for `dose_ms`."""
        self._open = True
        self._gate.on()
        self._timer.init(mode=Timer.ONE_SHOT, period=dose_ms, callback=self._callback)
        while self._open:
            load.step()
            if self._open:
                sleep_ms(TICK_MS)


def freeze(gate, dose_ms, load):
    """Gate high for `dose_ms`."""
    Freeze(gate).run(dose_ms, load)
