"""Driver of the MLX90614 infrared thermometer, on the display's bus.

Loaded by board.py where the setting says that the sensor is fitted: it would take half a kilobyte
from the others. May import micropython.const, cryo.sensors; bus and pause are passed in. Controls:
H-10 (a reading with a wrong checksum is none).
"""

from micropython import const

from cryo.sensors import Skin

_IDLE_US = const(60)  # of the bus, before a transfer
_SLOW_HZ = const(100000)  # the infrared thermometer's limit
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


class SlowBus:
    """I2C0 slowed down for one transfer of 0.6 ms, for the one part that needs 100 kHz.

    That part (MLX90614) hears the display's 400 kHz too. It forgets what it has heard when the bus
    has been idle for 45 us (Melexis 3901090614, 8.4.7: Timeout H), so there is a pause before.
    """

    def __init__(self, bus, sleep_us):
        self._bus = bus  # bus(hz): the I2C at that speed; bus(): at that of the other parts
        self._sleep_us = sleep_us

    def readfrom_mem_into(self, address, register, data):
        """As I2C.readfrom_mem_into. OSError when the part does not answer."""
        self._sleep_us(_IDLE_US)
        slow = self._bus(_SLOW_HZ)
        try:
            slow.readfrom_mem_into(address, register, data)
        finally:
            self._bus()
