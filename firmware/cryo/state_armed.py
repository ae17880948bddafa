"""ARMED: TRIGGER starts the freeze; ARM or a time-out goes back; a rewarmed line is purged again.

Works on an App. May import micropython.const and cryo's arming, buttons, monitors, schema, sounder,
transitions. Controls: H-04 (only TRIGGER, pressed in ARMED, freezes), H-02 (the line has warmed
while armed), H-22 (a press just as the purge ended automatically was meant to end the purge).
"""

from micropython import const

from cryo import arming, buttons, monitors, schema, sounder, transitions

_AFTER_PURGE_MS = const(1500)


def step(app, now_ms):
    """One tick."""
    keys = app.buttons
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if arming.must_purge(app):
        return transitions.MUST_CHILL  # a freeze now would begin with gas. H-02
    if keys.pressed & buttons.TRIGGER:
        if app.clock.since(monitors.closed_ms) >= _AFTER_PURGE_MS:
            return transitions.TRIGGER_PRESSED
        app.sounder.play(sounder.REFUSED, now_ms)
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        return transitions.TIMED_OUT
    else:
        app.display.refresh()
    return 0
