"""Device time: ticks, uptime, UTC, the slot of the tick, and tick timing statistics.

Pure; may import micropython.const. Controls: H-11 (overruns are counted and recorded), H-20 (UTC is
unknown until it has been set, never guessed).
"""

from micropython import const

_TICKS_MASK = const(0x3FFFFFFF)  # ticks_ms wraps at 2**30
_SLOTS = const(10)  # slow work is spread over ten ticks

# Where UTC comes from
_NONE = const(0)
HOST = const(1)
RTC = const(2)
LOST = const(3)  # not set: the clock chip has lost its power since it was
SOURCES = ("none", "host", "rtc", "lost")

FIRST_S = const(1704067200)  # 2024-01-01
LAST_S = const(4102444799)  # 2099-12-31


class Clock:
    """`now_ms` and `slot` are those of the present tick."""

    def __init__(self, now_ms):
        self.now_ms = now_ms
        self.uptime_ms = 0
        self.slot = 0
        self.source = _NONE
        self.flash_used = False  # this tick wrote to flash: excluded from the timing statistics
        self.overruns = 0
        self.worst_tick_us = 0
        self._base_s = 0  # UTC at uptime 0, or 0

    def tick(self, now_ms):
        """A new tick begins."""
        self.uptime_ms += (now_ms - self.now_ms) & _TICKS_MASK
        self.now_ms = now_ms
        self.flash_used = False
        slot = self.slot + 1
        self.slot = 0 if slot == _SLOTS else slot

    def since(self, since_ms):
        """Milliseconds of ticks_ms since `since_ms`."""
        return (self.now_ms - since_ms) & _TICKS_MASK

    def exclude(self):
        """Exclude this tick from the timing statistics: it loads code or writes to flash."""
        self.flash_used = True

    def spent(self, us, over):
        """Count a tick that took `us`; `over`: it was an overrun."""
        if self.flash_used:
            return
        if over:
            self.overruns += 1
        if us > self.worst_tick_us:
            self.worst_tick_us = us

    def utc_s(self):
        """Seconds since 1970 UTC, or 0 if unknown: no clock chip, and not set. H-20"""
        return self._base_s + self.uptime_ms // 1000 if self._base_s else 0

    def lost(self):
        """The clock chip says that it has lost its power: UTC is unknown until it is set. H-20"""
        self.source = LOST

    def set_utc(self, utc_s, source):
        """UTC is now known from `source`."""
        self._base_s = utc_s - self.uptime_ms // 1000
        self.source = source
