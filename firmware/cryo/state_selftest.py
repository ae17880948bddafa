"""SELF_TEST: every sensor must answer, no button may be pressed, no coil current may flow.

Works on an App. May import micropython.const and cryo's faults, interlocks, transitions.
Controls: H-17 (self-test), H-04 (a stuck button), H-05 (coil current before any opening).

Faults of the start-up are held back until the test has ended, so that none skips it.
"""

from micropython import const

from cryo import faults, interlocks, transitions

_SELF_TEST_MS = const(1500)  # a sensor that has not answered by then is broken
_SETTLED_MS = const(300)  # three samples of each sensor


def step(app, now_ms):
    """One tick. PASSED, FAULTED, or 0 while waiting for a sensor."""
    sensors = app.sensors
    waited_ms = app.state_ms()
    fault = interlocks.broken(sensors)
    if fault and waited_ms < _SELF_TEST_MS:
        return 0
    if not fault and waited_ms < _SETTLED_MS:
        return 0
    if not fault and interlocks.coil_current(sensors):
        fault = faults.COIL_SHORTED
    if fault:
        app.faults.latch(fault, True)
    if app.buttons.down:
        app.faults.latch(faults.BUTTON_STUCK, False)  # H-04
    if app.display.failed:
        app.faults.latch(faults.SCREEN, True)
    if app.valve.is_open() or app.valve.supply_on():
        app.faults.latch(faults.DOSE_TIMER, True)
    return transitions.FAULTED if app.faults.latched else transitions.PASSED
