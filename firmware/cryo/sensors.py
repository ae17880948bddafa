"""Sensor readings: ADC counts and chip words -> scaled integers with validity.

Pure; may import micropython.const. Controls: H-10 (a broken sensor is detected, never read as a
number).

Curves: docs/hardware.md. An analog value is invalid after three consecutive samples outside its
electrical range, and valid again after three good ones: one disturbed sample changes nothing.
"""

from micropython import const

_FULL_MV = const(3300)
_FULL_COUNT = const(65535)
_STREAK = const(3)


class _Streak:
    """Validity: changes after three consecutive samples that contradict it."""

    def __init__(self):
        self.valid = False
        self._streak = 0  # consecutive samples that contradict `valid`

    def _judge(self, good):
        """Update the validity with one sample. Returns whether the sample is used."""
        if good == self.valid:
            self._streak = 0
        elif self._streak < _STREAK:
            self._streak += 1
            if self._streak == _STREAK:
                self.valid = good
                self._streak = 0
        return good


def _median(a, b, c):
    if a < b:
        return b if b < c else c if a < c else a
    return a if a < c else c if b < c else b


class Channel(_Streak):
    """An analog channel: `value = (mV - zero_mv) * 100 // mv_per_100`, smoothed."""

    def __init__(self, zero_mv, mv_per_100, low_mv, high_mv, smooth_bits):
        super().__init__()
        self.value = 0
        self._zero_mv = zero_mv
        self._mv_per_100 = mv_per_100
        self._low_mv = low_mv
        self._high_mv = high_mv
        self._bits = smooth_bits
        self._sum_mv = -1  # smoothed mV << bits; -1 before the first good sample
        self._before_mv = -1  # the last sample, and the one before it
        self._oldest_mv = -1

    def step(self, count):
        """Take one sample (16-bit count). One disturbed sample has no effect: the median of three
        counts, so a change is seen one sample later."""
        sample_mv = count * _FULL_MV // _FULL_COUNT
        if not self._judge(self._low_mv <= sample_mv <= self._high_mv):
            if not self.valid:
                self._sum_mv = self._before_mv = -1
            return
        if self._before_mv < 0:
            self._before_mv = self._oldest_mv = sample_mv
        mv = _median(sample_mv, self._before_mv, self._oldest_mv)
        self._oldest_mv = self._before_mv
        self._before_mv = sample_mv
        bits = self._bits
        if self._sum_mv < 0:
            self._sum_mv = mv << bits
        else:
            self._sum_mv += mv - (self._sum_mv >> bits)
        self.value = ((self._sum_mv >> bits) - self._zero_mv) * 100 // self._mv_per_100


class Nozzle(_Streak):
    """Nozzle thermocouple: the MAX31856's linearised word and fault byte.

    `c_x100` is the temperature in 0.01 degrees Celsius; `fault` the chip's fault byte, or
    SILENT when the chip did not return its configuration.
    """

    SILENT = 256

    def __init__(self):
        super().__init__()
        self.c_x100 = 0
        self.fault = 0

    def step(self, word, fault):
        """Take one reading: 19-bit two's complement word (2**-7 C), fault byte or SILENT."""
        was_valid = self.valid
        if not self._judge(not fault):
            self.fault = fault
            return
        if word & 0x40000:
            word -= 0x80000
        self.c_x100 = word * 100 >> 7
        if self.valid and not was_valid:
            self.fault = 0


class Skin(_Streak):
    """Infrared thermometer: the MLX90614's word for the object's temperature.

    `c_x100` in 0.01 degrees Celsius. The sensor's range ends at -70.01 C.
    """

    SILENT = 0x10000  # no answer, or a wrong checksum
    END_C_X100 = -7001

    def __init__(self):
        super().__init__()
        self.c_x100 = 0

    def step(self, word):
        """Take one reading: 16-bit word in 0.02 K, its top bit an error flag; or SILENT."""
        if self._judge(not word & 0x18000):
            c_x100 = word * 2 - 27315
            self.c_x100 = c_x100 if c_x100 > self.END_C_X100 else self.END_C_X100


class Sensors:
    """All readings of the device, in the units of their names."""

    def __init__(self):
        # No smoothing, since the interlock is fast; no upper limit: a sensor that is stuck high
        # reads as coil current with the valve closed, which is a fault.
        self.coil_ma = Channel(0, 100, -1, 3301, 0)
        self.pressure_mbar = Channel(330, 132, 150, 3150, 2)
        self.level_permille = Channel(500, 200, 300, 2700, 3)
        self.supply_mv = Channel(0, 100, -1, 3301, 1)  # mV at VSYS / 3; see `vsys_mv`
        self.nozzle = Nozzle()
        self.skin = Skin()  # valid only where the sensor is fitted

    def vsys_mv(self):
        """Board supply in mV (the Pico divides it by 3)."""
        return self.supply_mv.value * 3
