"""A freeze timed by this project's own valve.py, as the application uses it.

Runs on MicroPython: may import time, and the firmware's cryo.valve.
"""

from time import sleep_ms

TICK_MS = 10


def freeze(valve, dose_ms, load):
    """Gate high for `dose_ms`; the dead-man is topped up each pass, as app.py does."""
    valve.raise_supply()
    valve.open_for(dose_ms * 1000)
    while not valve.ended():
        valve.hold_supply()
        load.step()
        sleep_ms(TICK_MS)
    valve.drop_supply()
