"""How the flash chip is: what a mishap makes of it. Imports nothing.

The chip itself is `hw_sim.image.flash`: the fast bench gives it the one of its `Wiring`. The
emulated board's flash does not follow it.
"""

from __future__ import annotations


class FlashHealth:
    """`slow`: the longest erase and program times of the data sheet. `worn`: every one fails."""

    def __init__(self) -> None:
        self.slow = False
        self.worn = False
