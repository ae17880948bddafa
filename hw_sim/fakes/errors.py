"""What the fake chip raises when the firmware does what a real board would not survive or show.

May import nothing. Where MicroPython 1.23 itself raises (`ValueError`, `OSError`, `TypeError`),
the fakes raise the same. The errors here are for the rest: what the real chip would do silently
and wrongly. They are not `Exception`s, so that a firmware's own `except Exception` cannot hide
them: they come out of the bench's `run_for`.
"""

from __future__ import annotations


class BenchError(BaseException):
    """Something the bench will not run past."""


class ChipMisuse(BenchError):
    """The firmware used the chip in a way that would do nothing, or the wrong thing, on a board."""


class NotModelled(BenchError):
    """A name or option that exists in MicroPython 1.23 and that this fake does not model."""


class Spinning(BenchError):
    """The firmware reads the time over and over, and never waits: virtual time stands still."""


class FirmwareCrashed(BenchError):
    """The firmware ended by an uncaught exception (its cause) and left the board at the prompt."""


class KilledByReset(BaseException):
    """Thrown into the firmware that a reset or a power cut has ended, to free its stack."""
