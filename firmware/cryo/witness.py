"""The infrared sensor as a witness that the jet is on the skin, while the valve is open.

Pure; may import micropython.const, cryo.dose. Controls: H-27 (a jet that misses the skin, or a skin
that is not the model's, must not be recorded as a depth that was reached). Loaded with the
estimate, which it forbids to be believed; it closes no valve.

What a sprayed surface does is known: it falls to -65 C within a time that the applicator's table
gives, and it stays cold as long as the jet is on it. `doubt` says what it did instead. It is found
once in a freeze, and stays until the next.

Integer arithmetic; does not allocate after construction. Times are effective times of liquid, as
the estimate counts them, from which the lag of jet and sensor is taken.
"""

from micropython import const

from cryo import dose

# Why the estimate of this freeze is not to be believed, as in the record
NONE = const(0)
NO_FALL = const(1)  # the surface stays as warm as it was
TOO_QUICK = const(2)  # it falls as no skin under this spray can: insulated, or not skin
TOO_SLOW = const(3)
CAME_BACK = const(4)  # it was cold, and warms with the valve open
SILENT = const(5)  # the sensor gives no reading

# The fall outside which an alarm finds most freezes that are far off: an audit of this project
# over ten kinds of skin and jet, 157 freezes of which were more than 15 % off (no fall, or one
# outside 0.4 to 2.5 x nominal: finds 126 of 157; 13 % of the others are false).
_QUICK_PERMILLE = const(400)
_SLOW_PERMILLE = const(2500)

_LAG_MS = const(220)  # as in estimate.py
_PERIOD_MS = const(100)  # of the sensor's readings
_DOUBT_MS = const(40)
_LATE_MS = const(500)  # of gas and slow beginning: then nothing can be said of a quick fall
_REACHED = const(-6500)  # 0.01 C: the fall is over
_WARM = const(1500)  # unfrozen skin at the beginning
_WIDE_UM = const(2300)  # a smaller spot does not fill the sensor's field: its fall is not timed
# Assumed: less than a sixth of what a wide spot falls, a third of what spray D's falls.
_FALLS_LEAST = const(1500)  # 0.01 K
_BACK = const(2500)  # 0.01 K above the coldest reading: the surface comes back
_BACK_READINGS = const(3)
_SILENT_READINGS = const(8)
_OUT_OF_RANGE = const(-3000)  # after such a reading silence is taken for "below -70 C"


class Witness:
    """One freeze: `begin`, then `step` with each reading of the sensor.

    `watches`: a sensor is fitted and can see what is sprayed. `doubt`: as above. `at_ms`,
    `skin_c_x100`, `fall_permille`: elapsed time, reading, and time to -65 C in parts of the
    nominal one (0: unknown), when the doubt arose.
    """

    def __init__(self):
        self.watches = False
        self.fell = False  # as it should: the estimate may be believed, and may end a freeze
        self.doubt = NONE
        self.at_ms = 0
        self.skin_c_x100 = 0
        self.fall_permille = 0
        self.lowest_c_x100 = 0
        self._nominal_ms = 0
        self._wide = False
        self._first_c_x100 = 0
        self._began = False
        self._back = 0
        self._silent = 0

    def begin(self, row, fitted, skin_c_x100, valid):
        """Start a freeze with the applicator of this row (`dose.row_of`), and the reading of the
        skin before the valve opens."""
        self._nominal_ms = row[dose.SKIN_MS]  # 0: a probe, which hides the skin
        self.watches = bool(fitted) and self._nominal_ms > 0
        self._wide = row[dose.SPOT_UM] >= _WIDE_UM
        self.fell = False
        self.doubt = NONE
        self.at_ms = 0
        self.skin_c_x100 = skin_c_x100
        self.fall_permille = 0
        self.lowest_c_x100 = skin_c_x100
        self._first_c_x100 = skin_c_x100
        self._began = valid
        self._back = 0
        self._silent = 0

    def step(self, elapsed_ms, liquid_ms, skin_ms, skin_c_x100, valid):
        """One reading, with the estimate's effective time and time to -65 C (0: not seen). Returns
        True when a doubt has just arisen."""
        if not self.watches or self.doubt:
            return False
        if not valid:
            return self._no_reading(elapsed_ms)
        self._silent = 0
        if not self._began:
            self._began = True
            self._first_c_x100 = skin_c_x100
            self.lowest_c_x100 = skin_c_x100
        if skin_c_x100 < self.lowest_c_x100:
            self.lowest_c_x100 = skin_c_x100
        self.skin_c_x100 = skin_c_x100
        if self.fell:
            why = self._stays(skin_c_x100)
        else:
            why = self._falls(elapsed_ms, liquid_ms, skin_ms, skin_c_x100)
        self.doubt = why
        self.at_ms = elapsed_ms
        return why != NONE

    def _no_reading(self, elapsed_ms):
        """Nothing is witnessed; but below its range the sensor may report an error."""
        if self.lowest_c_x100 <= _OUT_OF_RANGE:
            self.fell = True
            return False
        self._silent += 1
        if self._silent < _SILENT_READINGS:
            return False
        self.doubt = SILENT
        self.at_ms = elapsed_ms
        return True

    def _falls(self, elapsed_ms, liquid_ms, skin_ms, skin_c_x100):
        """The beginning: the surface must fall, as quickly as the applicator's spray lets it."""
        doubt_ms = _DOUBT_MS + (elapsed_ms - liquid_ms >> 1)  # gas before the liquid cools too
        t_ms = liquid_ms - _LAG_MS
        if self._wide and skin_c_x100 <= _REACHED:
            self.fell = True
            self.fall_permille = skin_ms * 1000 // self._nominal_ms
            if self._first_c_x100 < _WARM:
                return NONE  # cold from before: how quickly it falls says nothing
            if not skin_ms and elapsed_ms - liquid_ms < _LATE_MS:
                return TOO_QUICK  # between two readings, within the lag
            if (skin_ms + doubt_ms) * 1000 < _QUICK_PERMILLE * self._nominal_ms:
                return TOO_QUICK
            if (skin_ms - doubt_ms) * 1000 > _SLOW_PERMILLE * self._nominal_ms:
                return TOO_SLOW
            return NONE
        if (t_ms - doubt_ms - _PERIOD_MS) * 1000 <= _SLOW_PERMILLE * self._nominal_ms:
            return NONE
        if self._first_c_x100 - self.lowest_c_x100 < _FALLS_LEAST:
            return NO_FALL
        if self._wide:
            self.fall_permille = skin_ms * 1000 // self._nominal_ms
            return TOO_SLOW
        self.fell = True
        return NONE

    def _stays(self, skin_c_x100):
        """It was cold: it must stay so."""
        if skin_c_x100 - self.lowest_c_x100 < _BACK:
            self._back = 0
            return NONE
        self._back += 1
        return CAME_BACK if self._back >= _BACK_READINGS else NONE

    def may_end(self):
        """Whether the estimate may end a freeze: nothing watches, or the surface fell."""
        return not self.watches or self.fell and not self.doubt
