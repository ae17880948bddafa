"""ARMED: TRIGGER starts the freeze; ARM or a time-out goes back; a rewarmed line is purged again.

Works on an App. May import micropython.const and cryo's arming, buttons, monitors, schema, sounder,
transitions. Controls: H-04 (only TRIGGER, pressed in ARMED, freezes), H-02 (the line has warmed
while armed), H-05, H-21 (no freeze before the valve of the purge is proved closed), H-22 (a press
just as the purge ended automatically was meant to end the purge).
"""

from micropython import const

from cryo import arming, buttons, monitors, schema, sounder, transitions

_AFTER_PURGE_MS = const(1500)

# Variable of this state, reset by `enter`
waits = False  # TRIGGER was pressed too soon, and has been held since


def enter(app, event):
    """The line is cold, or need not be."""
    global waits
    waits = False


def step(app, now_ms):
    """One tick."""
    global waits
    keys = app.buttons
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if arming.must_purge(app):
        return transitions.MUST_CHILL  # a freeze now would begin with gas. H-02
    if not keys.down & buttons.TRIGGER:
        waits = False
    if keys.pressed & buttons.TRIGGER:
        if not _too_soon(app):
            return transitions.TRIGGER_PRESSED
        # A trigger that is held on is meant; a pedal must be pressed again.
        waits = app.settings.values[schema.TRIGGER_MODE] == schema.HOLD
        app.sounder.play(sounder.REFUSED, now_ms)
    elif waits:
        if not _too_soon(app):
            return transitions.TRIGGER_PRESSED
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        return transitions.TIMED_OUT
    else:
        app.display.refresh()
    return 0


def _too_soon(app):
    """Whether a purge ended less than 1.5 s ago, or its valve is not proved closed. H-22, H-05"""
    return monitors.doubt or app.clock.since(monitors.closed_ms) < _AFTER_PURGE_MS
