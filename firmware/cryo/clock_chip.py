"""Driver of the DS3231, the battery-backed clock in UTC (I2C). Optional.

Loaded on demand, then unloaded: at the start, when the clock is set, in the board check. May import
micropython.const; the bus is passed in. Controls: H-20 (the time of a clock that has lost its
power, or that is no date, is rejected, and distinguished from a clock that is missing).
"""

from micropython import const

_CLOCK_ADDRESS = const(0x68)
_CLOCK_STATUS = const(0x0F)
_STOPPED = const(0x80)  # status: the oscillator has stopped, so the time is invalid
CLOCK_MISSING = const(0)
CLOCK_STOPPED = const(1)  # it has lost its power since it was set, or its time is no date. H-20
CLOCK_RUNS = const(2)
_EPOCH_2000_S = const(946684800)  # 2000-01-01 in seconds since 1970 UTC
_DAY_S = const(86400)
_MONTH_DAYS = bytes((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))


def _bcd(value):
    return value // 10 << 4 | value % 10


def _number(bcd):
    return (bcd >> 4) * 10 + (bcd & 15)


def _days_in(year, month):
    """Days of a month (0...11) in a year of 2000...2099."""
    return 29 if month == 1 and year % 4 == 0 else _MONTH_DAYS[month]


class Ds3231:
    """Without it the time comes from the host."""

    def __init__(self, i2c):
        self._i2c = i2c
        self.state = CLOCK_MISSING  # as last read

    def read(self):
        """Seconds since 1970 UTC; 0 if there is no chip, or its time is invalid: see `state`."""
        self.state = CLOCK_MISSING
        try:
            stopped = self._i2c.readfrom_mem(_CLOCK_ADDRESS, _CLOCK_STATUS, 1)[0] & _STOPPED
            raw = self._i2c.readfrom_mem(_CLOCK_ADDRESS, 0, 7)
        except OSError:
            return 0
        self.state = CLOCK_STOPPED
        if stopped:
            return 0
        year = _number(raw[6])
        month = _number(raw[5] & 0x1F) - 1
        day = _number(raw[4]) - 1
        if not 0 <= month < 12 or not 0 <= day < _days_in(year, month):
            return 0
        days = 365 * year + (year + 3) // 4 + day
        for i in range(month):
            days += _days_in(year, i)
        self.state = CLOCK_RUNS
        of_day_s = _number(raw[2] & 0x3F) * 3600 + _number(raw[1]) * 60 + _number(raw[0])
        return _EPOCH_2000_S + days * _DAY_S + of_day_s

    def write(self, utc_s):
        """Set the clock. False: there is no chip."""
        days, rest_s = divmod(utc_s - _EPOCH_2000_S, _DAY_S)
        year = 0
        while days >= 365 + (year % 4 == 0):
            days -= 365 + (year % 4 == 0)
            year += 1
        month = 0
        while days >= _days_in(year, month):
            days -= _days_in(year, month)
            month += 1
        data = bytes(
            (
                _bcd(rest_s % 60),
                _bcd(rest_s // 60 % 60),
                _bcd(rest_s // 3600),
                1,  # day of the week: not used
                _bcd(days + 1),
                _bcd(month + 1),
                _bcd(year),
            )
        )
        try:
            self._i2c.writeto_mem(_CLOCK_ADDRESS, 0, data)
            self._i2c.writeto_mem(_CLOCK_ADDRESS, _CLOCK_STATUS, b"\x00")
        except OSError:
            return False
        return True
