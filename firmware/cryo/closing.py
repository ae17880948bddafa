"""Proof of closing: a nozzle with nothing flowing through it begins to warm.

Pure; may import array, micropython.const. Controls: H-05 (a valve that sticks open is found within
4.5 s of its closing, by the slope of the nozzle's temperature and not by how cold it is).

A closed nozzle warms toward the room with a time constant of 25 s in the model of the line, which
is 8 K/s at -190 C. One that still sprays cools, or stays at -190 C. The rates of false alarms and
of misses over applicators, pressures, lines and thermocouples: tests/model/test_closing.py.
"""

from array import array

from micropython import const

_SPAN = const(10)  # readings between the two that are compared; ten readings a second
_AGREE = const(5)  # consecutive comparisons for a proof
# Consecutive comparisons that warn of flow and prove it. One step of the temperature, as when a
# nozzle is exchanged, is in ten of them.
_COOLS = const(11)
_FLOWING = const(16)
_WARN = const(30)  # readings without a proof: 3 s
_STUCK = const(45)
# Least rise in 1 s of a closed nozzle, 0.01 K: -c/48 - 100, half of what a line of 25 s does. Near
# the room it may cool by 1 K/s, since a line may be warmer than the room.
_DIVISOR = const(48)
_DRIFT_X100 = const(100)
_COOLS_X100 = const(150)  # a closed nozzle does not cool by so much in 1 s
_SETTLED = const(20)  # readings until a slow thermocouple follows

# state
PROVED = const(0)
CLOSING = const(1)  # the valve has been commanded to close
LATE = const(2)  # not proved within 3 s
STUCK = const(3)  # not proved within 4.5 s, or nitrogen flows again


class Closing:
    """Watches the nozzle while the valve is closed."""

    def __init__(self):
        self.rise_x100 = 0  # over the last second, 0.01 K
        self._readings = array("i", [0] * _SPAN)
        self.begin()

    def begin(self):
        """The valve has been commanded to close."""
        self.state = CLOSING
        self._proved = False
        self._count = 0
        self._warming = 0  # consecutive comparisons that show a closed valve
        self._cooling = 0  # and that show flow

    def step(self, c_x100):
        """Take one valid reading of the nozzle, in 0.01 degrees Celsius, ten times a second."""
        readings = self._readings
        at = self._count % _SPAN
        rise_x100 = c_x100 - readings[at]
        readings[at] = c_x100
        self._count += 1
        if self._count <= _SPAN or self.state == STUCK:
            return
        self.rise_x100 = rise_x100
        self._warming = self._warming + 1 if rise_x100 >= -c_x100 // _DIVISOR - _DRIFT_X100 else 0
        cools = rise_x100 < -_COOLS_X100 and self._count > _SETTLED
        self._cooling = self._cooling + 1 if cools else 0
        if self._cooling >= _FLOWING or not self._proved and self._count >= _STUCK:
            self.state = STUCK
        elif self._warming >= _AGREE:
            self.state = PROVED
            self._proved = True
        elif self._cooling >= _COOLS or not self._proved and self._count >= _WARN:
            self.state = LATE
