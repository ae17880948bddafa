"""DS3231 real-time clock on I2C.

Source: Maxim data sheet 19-5170 rev. 10: register map figure 1. Time and date in BCD, 24 h and
12 h form, the oscillator-stop flag, alarm and control registers as plain memory, temperature.
Alarms do not fire and the square wave is not made (neither pin is wired). Imports the standard
library, `hw_sim.world.clock` and `hw_sim.world.parts.i2c`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hw_sim.world.clock import NS_PER_S, ClockLike
from hw_sim.world.parts.i2c import I2cBase

_SIZE = 0x13
_CONTROL, _STATUS = 0x0E, 0x0F
_OSF = 0x80
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Ds3231(I2cBase):
    """The battery keeps it going while the board has no supply; `battery_out()` stops it.

    A new part says so by its oscillator-stop flag (status bit 7) and counts from 2000-01-01.
    The calendar runs to 2199 by the century bit; a date that does not exist raises ValueError.
    """

    def __init__(self, clock: ClockLike, *, ambient_c: float = 22.0) -> None:
        super().__init__()
        self._clock = clock
        self._ambient_c = ambient_c
        self.ones = False  # fault injection: every byte reads 0xFF
        self._pointer = 0
        self._first = True
        self._twelve = False
        self._day_offset = 0  # day of week is a free-running count of the user's own
        self._registers = bytearray(_SIZE)
        self._writes: dict[int, int] = {}
        self._zero_ns = 0
        self._seconds = 0
        self.battery_out()

    def battery_out(self) -> None:
        """Supply and battery both gone: everything is forgotten."""
        self._registers[:] = bytes(_SIZE)
        self._registers[_CONTROL] = 0x1C
        self._registers[_STATUS] = _OSF | 0x08
        self._day_offset = 0
        self._set_seconds(0)

    @property
    def utc_s(self) -> int:
        """Seconds since 1970-01-01, if the calendar is taken as UTC."""
        return int((_EPOCH + timedelta(seconds=self._now_s())).timestamp())

    def set_utc(self, utc_s: int) -> None:
        """Set it as a service person would, and clear the oscillator-stop flag."""
        self._set_seconds(utc_s - int(_EPOCH.timestamp()))
        self._registers[_STATUS] &= ~_OSF & 0xFF

    def _set_seconds(self, seconds: int) -> None:
        self._seconds = seconds
        self._zero_ns = self._clock.now_ns

    def _now_s(self) -> int:
        return self._seconds + (self._clock.now_ns - self._zero_ns) // NS_PER_S

    # -- bus ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start: the time is copied out, so that it cannot change during the read."""
        self._first = True
        self._copy_out()

    def write_byte(self, byte: int) -> bool:
        """First the register pointer, then data."""
        if self._first:
            self._first = False
            self._pointer = byte % _SIZE
            return True
        at = self._pointer
        self._pointer = (at + 1) % _SIZE
        if at <= 0x06:
            self._writes[at] = byte
        elif at == _STATUS:
            kept = self._registers[_STATUS]
            self._registers[_STATUS] = (byte & kept & 0x83) | (byte & 0x08) | (kept & 0x04)
        elif at < 0x11:
            self._registers[at] = byte
        return True

    def read_byte(self) -> int:
        """The register under the pointer, which goes on by one."""
        at = self._pointer
        self._pointer = (at + 1) % _SIZE
        return 0xFF if self.ones else self._registers[at]

    def stop(self) -> None:
        """What was written into the time registers takes effect."""
        if self._writes:
            for at, byte in self._writes.items():
                self._registers[at] = byte
            self._writes.clear()
            self._copy_in()

    # -- calendar -----------------------------------------------------------------------------

    def _copy_out(self) -> None:
        r = self._registers
        now_s = self._now_s()
        t = _EPOCH + timedelta(seconds=now_s)
        r[0], r[1] = _bcd(t.second), _bcd(t.minute)
        if self._twelve:
            r[2] = 0x40 | (0x20 if t.hour >= 12 else 0) | _bcd((t.hour + 11) % 12 + 1)
        else:
            r[2] = _bcd(t.hour)
        r[3] = (now_s // 86_400 + self._day_offset) % 7 + 1
        r[4] = _bcd(t.day)
        r[5] = _bcd(t.month) | (0x80 if t.year >= 2100 else 0)
        r[6] = _bcd(t.year % 100)
        raw = round(self._ambient_c * 4.0) & 0x3FF
        r[0x11], r[0x12] = raw >> 2, (raw & 3) << 6

    def _copy_in(self) -> None:
        r = self._registers
        self._twelve = bool(r[2] & 0x40)
        if self._twelve:
            hour = _plain(r[2] & 0x1F) % 12 + (12 if r[2] & 0x20 else 0)
        else:
            hour = _plain(r[2] & 0x3F)
        year = 2000 + _plain(r[6]) + (100 if r[5] & 0x80 else 0)
        t = datetime(
            year, _plain(r[5] & 0x1F), _plain(r[4] & 0x3F),
            hour, _plain(r[1] & 0x7F), _plain(r[0] & 0x7F), tzinfo=UTC,
        )  # fmt: skip
        seconds = int((t - _EPOCH).total_seconds())
        self._day_offset = ((r[3] & 7) - 1 - seconds // 86_400) % 7
        self._set_seconds(seconds)


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _plain(bcd: int) -> int:
    return (bcd >> 4) * 10 + (bcd & 0x0F)
