"""Drivers for the board's bus devices: SSD1306 OLED, DS3231 clock and MLX90614 infrared thermometer
(I2C), MAX31856 thermocouple (SPI).

May import micropython.const, cryo.sensors; the bus is passed in. Controls: H-14 (an OLED that does
not acknowledge is detected), H-10 (a thermocouple chip that has lost its configuration or is
missing gives no valid temperature; nor does a skin reading with a wrong checksum), H-20 (the time
of a clock that has stopped is rejected).
"""

from micropython import const

from cryo.sensors import Nozzle, Skin

_SCREEN_ADDRESS = const(0x3C)
_PAGES = const(8)

# Control byte 0x00: commands follow.
_SCREEN_INIT = bytes(
    (
        0x00,
        0xAE,  # off
        0x20, 0x00,  # horizontal addressing
        0x40,  # start line 0
        0xA1,  # column 127 on the left
        0xA8, 63,  # 64 rows
        0xC8,  # scan from the bottom
        0xD3, 0,  # no offset
        0xDA, 0x12,  # alternative row pins
        0xD5, 0x80,  # clock
        0xD9, 0xF1,  # pre-charge
        0xDB, 0x30,  # deselect level
        0x81, 0xCF,  # contrast
        0xA4,  # show memory
        0xA6,  # not inverted
        0x8D, 0x14,  # charge pump
    )
)  # fmt: skip
_SCREEN_ON = b"\x00\xaf"


class Ssd1306:
    """Sends pages of a canvas to the OLED, one transfer each (3 ms at 400 kHz)."""

    def __init__(self, i2c):
        self.silent = 0  # consecutive transfers without acknowledge
        self._i2c = i2c
        self._window = tuple(
            bytes((0x00, 0x21, 0, 127, 0x22, page, _PAGES - 1)) for page in range(_PAGES)
        )
        self._contrast = bytearray((0x00, 0x81, 0xCF))

    def write(self, data):
        """One transfer, control byte first. False: no acknowledge."""
        try:
            self._i2c.writeto(_SCREEN_ADDRESS, data)
        except OSError:
            self.silent += 1
            return False
        self.silent = 0
        return True

    def start(self):
        """Configure the chip, still dark. False: no acknowledge."""
        return self.write(_SCREEN_INIT)

    def light(self):
        """Switch the display on."""
        return self.write(_SCREEN_ON)

    def contrast(self, value):
        """Brightness, 0...255."""
        self._contrast[2] = value
        return self.write(self._contrast)

    def page(self, number, data):
        """Send one page: `data` is the control byte 0x40 and 128 columns."""
        return self.write(self._window[number]) and self.write(data)


_CR0 = const(0x00)
_CR0_AUTO_OPEN_DETECT = const(0x91)  # automatic conversion, open-circuit detection, 50 Hz filter
_CR1_TYPE_T = const(0x07)
_WRITE = const(0x80)
_READ_BYTES = const(17)  # the address, then registers 0x00...0x0F


class Max31856:
    """Nozzle thermocouple: all registers in one transfer of 17 bytes."""

    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._send = bytearray(_READ_BYTES)
        self.registers = bytearray(_READ_BYTES)  # as last read: a byte of no meaning, then 0x00...
        self._setup = bytes((_WRITE | _CR0, _CR0_AUTO_OPEN_DETECT, _CR1_TYPE_T))
        cs.value(1)

    def start(self):
        """Write the configuration: automatic conversion, open detection, type T."""
        self._cs.value(0)
        self._spi.write(self._setup)
        self._cs.value(1)

    def read_into(self, nozzle):
        """Read once and pass the result to a `sensors.Nozzle`."""
        receive = self.registers
        self._cs.value(0)
        self._spi.write_readinto(self._send, receive)
        self._cs.value(1)
        if receive[1] != _CR0_AUTO_OPEN_DETECT or receive[2] & 0x0F != _CR1_TYPE_T:
            # Missing, or it was reset: configure it again, and report no reading until then.
            nozzle.step(0, Nozzle.SILENT)
            self.start()
            return
        word = (receive[13] << 11) | (receive[14] << 3) | (receive[15] >> 5)
        nozzle.step(word, receive[16])


_SKIN_ADDRESS = const(0x5A)
_OBJECT = const(0x07)  # RAM: the object's temperature
_CRC_POLYNOMIAL = const(0x07)
_GIVE_UP = const(3)  # consecutive failures after which it is no longer read


def crc8(crc, byte):
    """Update an SMBus packet error code (x^8 + x^2 + x + 1) with one byte."""
    crc ^= byte
    for _ in range(8):
        crc = (crc << 1) ^ _CRC_POLYNOMIAL if crc & 0x80 else crc << 1
    return crc & 0xFF


class Mlx90614:
    """Infrared thermometer that measures the skin. Optional.

    After three failures it is no longer read until `start` is called again (valve closed): each
    failure raises an exception, which allocates, and a freeze must not allocate.
    """

    def __init__(self, i2c):
        self._i2c = i2c
        self._data = bytearray(3)  # low byte, high byte, packet error code
        self._failed = _GIVE_UP
        crc = crc8(0, _SKIN_ADDRESS << 1)
        crc = crc8(crc, _OBJECT)
        self._crc = crc8(crc, _SKIN_ADDRESS << 1 | 1)

    def start(self):
        """Enable reading again."""
        self._failed = 0

    def answers(self):
        """Whether it is still read: it has not failed three times in a row."""
        return self._failed < _GIVE_UP

    def read_into(self, skin):
        """Read once (1.5 ms on the bus) and pass the result to a `sensors.Skin`."""
        skin.step(self.read_word() if self._failed < _GIVE_UP else Skin.SILENT)

    def read_word(self):
        """Read the object's temperature: 0.02 K a bit, bit 15 an error; or Skin.SILENT."""
        data = self._data
        try:
            self._i2c.readfrom_mem_into(_SKIN_ADDRESS, _OBJECT, data)
        except OSError:
            if self._failed < _GIVE_UP:
                self._failed += 1
            return Skin.SILENT
        self._failed = 0
        if crc8(crc8(self._crc, data[0]), data[1]) != data[2]:
            return Skin.SILENT
        return data[1] << 8 | data[0]


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
    """Battery-backed clock in UTC. Optional: without it the time comes from the host."""

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
