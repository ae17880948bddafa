"""FAULT: a fault stays latched until its cause is gone and the operator has acknowledged it.

Works on an App. May import cryo's buttons, faults, journal, monitors, setting_changes,
sounder, transitions.
Controls: H-15 (the operator clears each fault by its own rule), H-09 (an alarm of the fault's
priority, repeated), H-07 (defaults are not saved before their loss has been acknowledged).
"""

from cryo import (
    buttons,
    faults,
    journal,
    monitors,
    setting_changes,
    sounder,
    transitions,
)

# Variables of this state, reset by `enter`
held = False  # SELECT was held for 2 s, or pressed, and it has not taken effect
pressed = False


def enter(app, event):
    """Start the alarm; also called when another fault has been latched."""
    global held, pressed
    held = pressed = False
    _alarm(app)


def step(app, now_ms):
    """One tick: clear each fault by its own rule, and only if its cause is gone."""
    global held, pressed
    keys = app.buttons
    latched = app.faults
    mask = 0
    if keys.held_long & buttons.SELECT:
        held = True
    elif keys.clicked & buttons.SELECT:
        pressed = True
    if monitors.doubt:
        # FAULT is not left while nitrogen may flow: what is acknowledged takes effect when the
        # valve is proved closed. H-05
        app.display.refresh()
        return 0
    if held:
        held = False
        mask = latched.clear(faults.ESTOP_RULE)
    elif pressed:
        pressed = False
        if latched.present & (1 << (faults.JOURNAL_FULL - 1)):
            latched.set_present(faults.JOURNAL_FULL, app.free_records() < journal.ROOM_TO_ARM)
        mask = latched.clear(faults.ACK)
        if not mask:
            app.sounder.play(sounder.REFUSED, now_ms)
    if not mask:
        app.display.refresh()
        return 0
    if mask & (1 << (faults.SETTINGS_LOST - 1)):
        setting_changes.save_settings(app)  # H-07
    _report_cleared(app, mask)
    if not latched.latched:
        app.summary.shown()
        return transitions.CLEARED
    _alarm(app)
    app.display.redraw()
    return 0


def leave(app, event):
    """Stop the alarm."""
    app.sounder.stop()


def _report_cleared(app, mask):
    for number, name, _, _ in faults.FAULTS:
        if mask & (1 << (number - 1)):
            app.record(journal.FAULT_CLEARED, number)
            app.link.event({"ev": "fault", "fault": number, "name": name, "active": False})


def _alarm(app):
    """Start the alarm of the fault that is shown, repeated until it is cleared."""
    priority = faults.priority(app.faults.shown())
    tune, every_ms = sounder.ALARMS[priority]
    app.sounder.play(tune, app.clock.now_ms, every_ms)
    app.lights.show(sounder.ALARM_LIGHTS[priority])
