"""ARMED: TRIGGER starts the freeze; ARM or a time-out goes back; a rewarmed line is purged again.

Works on an App. May import micropython.const and cryo's arming, buttons, schema, sounder,
transitions. Controls: H-04 (only TRIGGER, pressed in ARMED, freezes), H-02 (the line has warmed
while armed), H-22 (a pedal pressed just as the purge ended automatically).
"""

from micropython import const

from cryo import arming, buttons, schema, sounder, transitions

_PEDAL_MS = const(1500)


def step(app, now_ms):
    """One tick."""
    keys = app.buttons
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if arming.must_purge(app):
        return transitions.MUST_CHILL  # a freeze now would begin with gas. H-02
    if keys.pressed & buttons.TRIGGER:
        if not _too_soon(app):
            return transitions.TRIGGER_PRESSED
        app.sounder.play(sounder.REFUSED, now_ms)
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        return transitions.TIMED_OUT
    else:
        app.display.refresh()
    return 0


def _too_soon(app):
    """Whether a pedal press is within 1.5 s of a purge: it was meant to end the purge. H-22"""
    return (
        app.settings.values[schema.TRIGGER_MODE] == schema.PRESS
        and app.machine.was == transitions.PRECHILL
        and app.state_ms() < _PEDAL_MS
    )
