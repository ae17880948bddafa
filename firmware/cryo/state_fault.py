"""FAULT: what is wrong stays until its cause is gone and a person has acknowledged it.

Works on an App. May import cryo's buttons, faults, journal, setting_changes, sounder, transitions.
Controls: H-15 (a fault is cleared by a person, each by its own rule), H-09 (an alarm of the fault's
priority, repeated), H-07 (defaults are saved when their loss has been acknowledged, not before).
"""

from cryo import buttons, faults, journal, setting_changes, sounder, transitions


def enter(app, event):
    """Also when another fault has been latched meanwhile."""
    _alarm(app)


def step(app, now_ms):
    """One tick: each fault by its own rule, and only when its cause is gone."""
    keys = app.buttons
    latched = app.faults
    gone = 0
    if keys.held_long & buttons.SELECT:
        gone = latched.clear(faults.ESTOP_RULE)
    elif keys.clicked & buttons.SELECT:
        if latched.present & (1 << (faults.JOURNAL_FULL - 1)):
            latched.set_present(faults.JOURNAL_FULL, app.free_records() < journal.ROOM_TO_ARM)
        gone = latched.clear(faults.ACK)
        if not gone:
            app.sounder.play(sounder.REFUSED, now_ms)
    if not gone:
        app.display.refresh()
        return 0
    if gone & (1 << (faults.SETTINGS_LOST - 1)):
        setting_changes.save_settings(app)  # H-07
    _report_cleared(app, gone)
    if not latched.latched:
        app.summary.shown()
        return transitions.CLEARED
    _alarm(app)
    app.display.redraw()
    return 0


def leave(app, event):
    """The alarm ends."""
    app.sounder.stop()


def _report_cleared(app, mask):
    for number, name, _, _ in faults.FAULTS:
        if mask & (1 << (number - 1)):
            app.record(journal.FAULT_CLEARED, number)
            app.link.event({"ev": "fault", "fault": number, "name": name, "active": False})


def _alarm(app):
    """The alarm of the fault that is shown, repeated until it is cleared."""
    priority = faults.priority(app.faults.first)
    tune, every_ms = sounder.ALARMS[priority]
    app.sounder.play(tune, app.clock.now_ms, every_ms)
    app.lights.show(sounder.ALARM_LIGHTS[priority])
