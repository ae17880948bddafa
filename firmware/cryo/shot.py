"""The shot: one bounded opening of the valve, until the valve is proved closed again.

Pure in the sense that time and readings are passed in; works on a `Valve`. May import
array, micropython.const and cryo's faults, interlocks, valve. Controls: H-05 (both switches are
tested in each shot), H-01 (checks the dose timer), H-02, H-03, H-11, H-15 (a shot never resumes),
H-21 (a purge is bounded, and ends automatically).

    _SUPPLY   supply on, gate low: 20 ms without coil current (otherwise the gate is shorted)
    OPEN      the dose timer counts
    _CLOSING  gate low, supply still on: the current must fall (otherwise the gate is shorted)

A freeze ends with its count or, in the depth-controlled mode, when `enough` is set. A purge
(PRECHILL: chill-down of the line, away from the patient) ends when the nozzle is at liquid
temperature and steady; it is a fault if its count ends first.
"""

from array import array

from micropython import const

from cryo import faults, interlocks
from cryo.valve import DEAD_MAN_MS

IDLE = const(0)
_SUPPLY = const(1)
OPEN = const(2)
_CLOSING = const(3)

# Causes of an end, as the journal records them; never reused
COMPLETE = const(1)
RELEASED = const(2)
ESTOP = const(3)
FAULT = const(4)
CANCELLED = const(5)  # ended before the gate opened
COLD = const(6)  # a purge: the nozzle is at liquid temperature
# 7, reset: only in the records of older firmware
BY_DEPTH = const(8)  # complete: the estimated depth has reached the planned one
BY_TIME = const(9)  # complete: the planned time, where the depth was to end it and is in doubt

PURGE_US = const(10000000)  # longest purge: a line that is still warm by then has no liquid

_TICKS_MASK = const(0x3FFFFFFF)
_SUPPLY_MS = const(20)
_COIL_RISE_MS = const(60)
_COIL_FALL_MS = const(60)
_READ_EVERY_MS = const(100)
_READINGS = const(5)
_COLD_READINGS = const(3)
_PERSISTS = const(50)  # ticks, five readings of each sensor: two disturbed ones within three pass
_LATE_MS = const(50)  # the gate must be low within this time after its planned end


class Shot:
    """Runs one shot; `step` once a tick while `phase` is not IDLE."""

    def __init__(self, valve):
        self.phase = IDLE
        self.cause = 0
        self.fault = 0
        self.planned_us = 0
        self.delivered_us = 0
        self.elapsed_ms = 0  # since the gate opened
        self.nozzle_min_c_x100 = 0
        self.pressure_min_mbar = 0
        self._chilled_before = False  # this freeze began with a cold nozzle
        self.purging = False  # this shot, or the last one, is a purge
        self._against = 0  # consecutive ticks with a reading against the freeze
        self.enough = 0  # the cause by which the next step ends the freeze: BY_DEPTH, BY_TIME
        self._readings = array("i", [0] * _READINGS)  # of a purge: nozzle, every 100 ms
        self._read = 0  # number of readings taken
        self._cold = 0  # consecutive readings that were cold and steady
        self._valve = valve
        self._since_ms = 0
        self._last_ms = 0

    def purge(self, now_ms):
        """Start a purge. The trigger is held; the nozzle must point away from the patient."""
        self.begin(PURGE_US, now_ms)
        self.purging = True

    def begin(self, planned_us, now_ms, chilled=False):
        """Start a freeze of `planned_us` (gate high time, us). The trigger is held.

        `chilled`: the nozzle is cold, so it must stay cold.
        """
        self._chilled_before = chilled
        self.purging = False
        self._against = 0
        self.enough = 0
        self._read = 0
        self._cold = 0
        self.planned_us = planned_us
        self.delivered_us = 0
        self.elapsed_ms = 0
        self.cause = 0
        self.fault = 0
        self.nozzle_min_c_x100 = 100000
        self.pressure_min_mbar = 100000
        self._since_ms = now_ms
        self._last_ms = now_ms
        self.phase = _SUPPLY
        self._valve.raise_supply()

    def remaining_ms(self):
        """Freeze time left in ms, rounded up; 0 when the gate is low."""
        if self.phase == _SUPPLY:
            return (self.planned_us + 999) // 1000
        if self.phase != OPEN:
            return 0
        left = (self.planned_us + 999) // 1000 - self.elapsed_ms
        return left if left > 0 else 0

    def step(self, now_ms, trigger, estop_closed, sensors, values):
        """One tick. Returns True when the shot has ended: `cause`, `fault`, `delivered_us`."""
        if self.phase == OPEN:
            return self._step_open(now_ms, trigger, estop_closed, sensors, values)
        in_phase_ms = (now_ms - self._since_ms) & _TICKS_MASK
        if self.phase == _SUPPLY:
            return self._step_supply(now_ms, in_phase_ms, trigger, estop_closed, sensors)
        return self._step_closing(in_phase_ms, sensors)

    def _step_supply(self, now_ms, in_phase_ms, trigger, estop_closed, sensors):
        if not estop_closed:
            return self._cancel(ESTOP, 0)
        if not trigger:
            return self._cancel(CANCELLED, 0)
        if sensors.coil_ma.value >= interlocks.COIL_OFF_MA:
            return self._cancel(FAULT, faults.COIL_SHORTED)
        self._valve.hold_supply()
        if in_phase_ms < _SUPPLY_MS:
            return False
        if not self._valve.supply_on():
            # H-11: a loop that was late has lost the supply; otherwise it has not come on.
            late = in_phase_ms >= DEAD_MAN_MS
            return self._cancel(FAULT, faults.DEAD_MAN if late else faults.DOSE_TIMER)
        if not self._valve.open_for(self.planned_us):
            return self._cancel(FAULT, faults.DOSE_TIMER)
        self.phase = OPEN
        self._since_ms = now_ms
        self._last_ms = now_ms
        return False

    def _step_open(self, now_ms, trigger, estop_closed, sensors, values):
        valve = self._valve
        elapsed_ms = (now_ms - self._since_ms) & _TICKS_MASK
        self.elapsed_ms = elapsed_ms
        if valve.ended():
            return self._counted(now_ms, sensors)
        if not estop_closed:
            return self._close(ESTOP, 0, now_ms)
        if not valve.supply_on():
            # H-11: the dead-man has dropped the supply, because this loop was late.
            return self._close(FAULT, faults.DEAD_MAN, now_ms)
        if not trigger:
            return self._close(RELEASED, 0, now_ms)
        if elapsed_ms > self.planned_us // 1000 + _LATE_MS:
            return self._close(FAULT, faults.DOSE_TIMER, now_ms)  # H-01
        nozzle = sensors.nozzle.c_x100
        if nozzle < self.nozzle_min_c_x100:
            self.nozzle_min_c_x100 = nozzle
        pressure = sensors.pressure_mbar.value
        if pressure < self.pressure_min_mbar:
            self.pressure_min_mbar = pressure
        fault = interlocks.against_freezing(sensors, values)
        if not fault:
            fault = self._no_effect(elapsed_ms, sensors.coil_ma.value, nozzle)
        self._against = self._against + 1 if fault else 0  # H-10: more than one reading
        if self._against >= _PERSISTS:
            return self._close(FAULT, fault, now_ms)
        if self.enough:
            return self._close(self.enough, 0, now_ms)
        if self.purging and elapsed_ms >= (self._read + 1) * _READ_EVERY_MS:
            if self._chilled(nozzle):
                return self._close(COLD, 0, now_ms)
        self._last_ms = now_ms
        valve.hold_supply()
        return False

    def _counted(self, now_ms, sensors):
        """The dose timer's count has ended, or the E-stop loop has aborted it."""
        if not self._valve.complete():
            return self._close(ESTOP, 0, now_ms)  # only the abort pin ends a count early
        if self.purging:
            if interlocks.liquid(sensors.nozzle.c_x100):
                return self._close(COLD, 0, now_ms)
            return self._close(COMPLETE, faults.NO_LIQUID, now_ms)  # H-02
        # The time is complete, but with a warm nozzle it must not count as a treatment. H-02
        cold = not interlocks.warm(self.nozzle_min_c_x100)
        return self._close(COMPLETE, 0 if cold else faults.NO_COLD, now_ms)

    def _no_effect(self, elapsed_ms, coil_ma, nozzle_c_x100):
        """H-02: the valve is driven without effect (no coil current, no cold). The fault, or 0."""
        if elapsed_ms >= _COIL_RISE_MS and coil_ma < interlocks.COIL_ON_MA:
            return faults.COIL_OPEN
        if elapsed_ms >= interlocks.DRY_AFTER_MS:
            if self._chilled_before and interlocks.dry(nozzle_c_x100):
                return faults.NO_COLD  # blocked since the purge
        if elapsed_ms >= interlocks.COLD_AFTER_MS and interlocks.warm(nozzle_c_x100):
            return faults.NO_COLD
        return 0

    def _chilled(self, nozzle_c_x100):
        """Take a reading of a purge. True: three consecutive ones were cold and steady."""
        readings = self._readings
        at = self._read % _READINGS
        before = readings[at]  # the oldest reading, half a second old
        readings[at] = nozzle_c_x100
        self._read += 1
        if self._read <= _READINGS:
            return False
        if interlocks.liquid(nozzle_c_x100) and interlocks.steady(nozzle_c_x100, before):
            self._cold += 1
        else:
            self._cold = 0
        return self._cold >= _COLD_READINGS

    def _step_closing(self, in_phase_ms, sensors):
        valve = self._valve
        if in_phase_ms < _COIL_FALL_MS:
            if self.cause == COMPLETE:
                valve.hold_supply()
            return False
        # H-05: with the supply still on, current now means that the gate switch is shorted.
        # After a released trigger the supply is off too and the test proves less; the first phase
        # of the next shot repeats it.
        valve.drop_supply()
        self.phase = IDLE
        if valve.is_open():
            self.fault = faults.DOSE_TIMER
        elif sensors.coil_ma.value >= interlocks.COIL_OFF_MA:
            self.fault = faults.COIL_SHORTED
        return True

    def _cancel(self, cause, fault):
        self._valve.close()
        self.phase = IDLE
        self.cause = cause
        self.fault = fault
        return True

    def _close(self, cause, fault, now_ms):
        valve = self._valve
        if cause != COMPLETE:
            valve.close()
        self.cause = cause
        self.fault = fault
        self.phase = _CLOSING
        if not valve.ended():
            self.fault = faults.DOSE_TIMER
        self.delivered_us = valve.delivered_us()
        if cause == ESTOP or cause == FAULT:
            # The supply is already off, so the gate cannot be tested: end immediately.
            self.phase = IDLE
            if valve.is_open():
                self.fault = faults.DOSE_TIMER
        if fault == faults.DEAD_MAN:
            # The coil lost its supply within 60 ms of the last top-up, which bounds the delivery.
            most_us = ((self._last_ms - self._since_ms) & _TICKS_MASK) * 1000 + 60000
            if most_us < self.delivered_us:
                self.delivered_us = most_us
        self._since_ms = now_ms
        return self.phase == IDLE

    def complete(self):
        """Whether the last shot was a complete freeze."""
        return self.cause == COMPLETE or self.cause >= BY_DEPTH

    def cancel(self, planned_us, cause):
        """Cancel before the start, with the values for the record."""
        self.purging = False
        self.planned_us = planned_us
        self.delivered_us = 0
        self.elapsed_ms = 0
        self.fault = 0
        self.nozzle_min_c_x100 = 0
        self.pressure_min_mbar = 0
        self._cancel(cause, 0)
