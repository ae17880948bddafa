"""The gate is open until the E-stop or the trigger closes it, while the processor is busy.

The gate is closed by a soft `Pin.irq`, a hard one, or this project's valve.py (whose state machine
reads the E-stop in hardware). The processor is idle, runs the load, collects garbage, or has its
interrupts off. Runs on MicroPython: may import gc, machine, time.
"""

import gc
from time import sleep_ms, ticks_diff, ticks_us

import machine

TICK_MS = 10
CEILING_MS = 30_000
OFF_US = 40_000


class Irq:
    """A pin interrupt closes the gate: a hard one immediately, a soft one when it is scheduled."""

    def __init__(self, gate, pin, edge, hard):
        self._off = gate.off
        pin.irq(self._close, edge, hard=hard)

    def _close(self, _pin):
        self._off()


def rest(load):
    """Sleep only."""
    while True:
        sleep_ms(TICK_MS)


def work(load):
    """Run the load."""
    while True:
        load.step()
        sleep_ms(TICK_MS)


def collect(load):
    """Collect garbage continuously."""
    while True:
        gc.collect()


def deaf(load):
    """Interrupts off for 40 ms, then on for 1 ms: long critical sections."""
    while True:
        state = machine.disable_irq()
        begin_us = ticks_us()
        while ticks_diff(ticks_us(), begin_us) < OFF_US:
            pass
        machine.enable_irq(state)
        sleep_ms(1)


def hang(load):
    """Interrupts off permanently."""
    machine.disable_irq()
    while True:
        pass


DOINGS = {"rest": rest, "work": work, "collect": collect, "deaf": deaf, "hang": hang}
