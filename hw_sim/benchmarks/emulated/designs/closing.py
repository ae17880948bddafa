"""The gate held open until the E-stop or the trigger closes it; the processor is kept busy.

Who closes: a soft `Pin.irq`, a hard one, or this project's valve.py (whose state machine looks at
the E-stop by itself). What the processor does meanwhile: nothing, the load, nothing but
collecting, or it has its interrupts off. Runs on MicroPython: may import gc, machine, time.
"""

import gc
from time import sleep_ms, ticks_diff, ticks_us

import machine

TICK_MS = 10
CEILING_MS = 30_000
OFF_US = 40_000


class Irq:
    """An interrupt of a pin closes the gate: hard ones at once, soft ones when they may run."""

    def __init__(self, gate, pin, edge, hard):
        self._off = gate.off
        pin.irq(self._close, edge, hard=hard)

    def _close(self, _pin):
        self._off()


def rest(load):
    """Do nothing."""
    while True:
        sleep_ms(TICK_MS)


def work(load):
    """The load."""
    while True:
        load.step()
        sleep_ms(TICK_MS)


def collect(load):
    """Nothing but collecting."""
    while True:
        gc.collect()


def deaf(load):
    """Interrupts off for 40 ms, and on again for a moment: a long critical section."""
    while True:
        state = machine.disable_irq()
        begin_us = ticks_us()
        while ticks_diff(ticks_us(), begin_us) < OFF_US:
            pass
        machine.enable_irq(state)
        sleep_ms(1)


def hang(load):
    """Interrupts off, and never on again."""
    machine.disable_irq()
    while True:
        pass


DOINGS = {"rest": rest, "work": work, "collect": collect, "deaf": deaf, "hang": hang}
