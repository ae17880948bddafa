"""A freeze timed by `time.ticks_us`, polled between the steps of the work.

The gate is closed first when the time is up. With more than 20 ms left the loop sleeps between two
steps instead of polling, which does not affect the end. Runs on MicroPython: may import time.
"""

from time import sleep_ms, ticks_diff, ticks_us

TICK_MS = 10
TICK_US = 10_000


def freeze(gate, dose_ms, load):
    """Gate high for `dose_ms`."""
    dose_us = dose_ms * 1000
    gate.on()
    begin_us = ticks_us()
    while dose_us - ticks_diff(ticks_us(), begin_us) > 0:
        load.step()
        if dose_us - ticks_diff(ticks_us(), begin_us) > 2 * TICK_US:
            sleep_ms(TICK_MS)
            continue
        step_us = ticks_us()
        while ticks_diff(ticks_us(), step_us) < TICK_US:
            if ticks_diff(ticks_us(), begin_us) >= dose_us:
                break
    gate.off()
