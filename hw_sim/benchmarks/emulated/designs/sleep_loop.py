"""A freeze timed by `time.sleep_ms`: the loop works, sleeps, and reads the clock.

It uses a deadline, and the last sleep takes exactly the remaining time; the naive variant counts
passes and is late by the time of its work. Runs on MicroPython: may import time.
"""

from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

TICK_MS = 10


def freeze(gate, dose_ms, load):
    """Gate high for `dose_ms`."""
    gate.on()
    end_ms = ticks_add(ticks_ms(), dose_ms)
    while True:
        load.step()
        left_ms = ticks_diff(end_ms, ticks_ms())
        if left_ms <= TICK_MS:
            break
        sleep_ms(TICK_MS)
    if left_ms > 0:
        sleep_ms(left_ms)
    gate.off()
