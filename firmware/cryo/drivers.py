"""Drivers for the board's bus devices: SSD1306 or SSD1309 OLED (I2C), MAX31856 thermocouple (SPI).
The clock: clock_chip.py. The infrared thermometer: infrared.py.

May import micropython.const, cryo.sensors; the bus is passed in. Controls: H-14 (an OLED that does
not acknowledge is detected, and a bus that a part holds low is freed), H-10 (a thermocouple chip
that has lost its configuration or is missing gives no valid temperature).
"""

from micropython import const

from cryo.sensors import Nozzle

_SCREEN_ADDRESS = const(0x3C)
_PAGES = const(8)
_FREE_AFTER = const(2)  # failed transfers; display.py gives up at three

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
        # Charge pump. An SSD1309 has none, and no such command: it takes the second byte as the
        # start of a column in page addressing, which is not in use. So both stand last.
        0x8D, 0x14,
    )
)  # fmt: skip
_SCREEN_ON = b"\x00\xaf"


class Ssd1306:
    """Sends pages of a canvas to the OLED, one transfer each (3 ms at 400 kHz).

    `free_bus`: called once when two consecutive transfers have failed.
    """

    def __init__(self, i2c, free_bus):
        self._free_bus = free_bus
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
            if self.silent == _FREE_AFTER:
                self._free_bus()
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
_CR0_OPEN_DETECT = const(0x10)
_CR0_AUTO = const(0x90)  # automatic conversion, open-circuit detection; filter for 60 Hz
_CR0_50_HZ = const(0x01)
_CR1_TYPE_T = const(0x07)  # no averaging: one sample each conversion
MAINS_50_HZ = const(1)  # the setting `mains`
_WRITE = const(0x80)
_READ_BYTES = const(17)  # the address, then registers 0x00...0x0F


class Max31856:
    """Nozzle thermocouple: all registers in one transfer of 17 bytes."""

    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._send = bytearray(_READ_BYTES)
        self.registers = bytearray(_READ_BYTES)  # as last read: a byte of no meaning, then 0x00...
        self._setup = bytearray((_WRITE | _CR0, 0, _CR1_TYPE_T))
        self._auto = _CR0_AUTO | _CR0_50_HZ  # CR0 as it must read
        cs.value(1)

    def mains(self, choice):
        """Reject the hum of 50 Hz (1: 98 ms a conversion) or 60 Hz mains (2: 82 ms)."""
        auto = _CR0_AUTO | (_CR0_50_HZ if choice == MAINS_50_HZ else 0)
        if auto != self._auto:
            self._auto = auto
            self.start()

    def start(self):
        """Write the configuration: automatic conversion, open detection, type T.

        Twice: the chip takes another filter only while it does not convert (data sheet, CR0).
        """
        self._configure(self._auto & ~_CR0_AUTO | _CR0_OPEN_DETECT)
        self._configure(self._auto)

    def _configure(self, cr0):
        self._setup[1] = cr0
        self._cs.value(0)
        self._spi.write(self._setup)
        self._cs.value(1)

    def read_into(self, nozzle):
        """Read once and pass the result to a `sensors.Nozzle`."""
        receive = self.registers
        self._cs.value(0)
        self._spi.write_readinto(self._send, receive)
        self._cs.value(1)
        if receive[1] != self._auto or receive[2] & 0x0F != _CR1_TYPE_T:
            # Missing, or it was reset: configure it again, and report no reading until then.
            nozzle.step(0, Nozzle.SILENT)
            self.start()
            return
        word = (receive[13] << 11) | (receive[14] << 3) | (receive[15] >> 5)
        nozzle.step(word, receive[16])
