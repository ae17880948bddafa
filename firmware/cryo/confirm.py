"""Confirmation of host-requested changes by the operator on the device.

Works on an App. May import micropython.const and cryo's buttons, journal, on_demand, refusal,
schema, setting_changes, sounder; loads calibration_commands on demand. Controls: H-13 (a change of
a dose or a limit takes effect only when the operator has held SELECT; any other button, a fault
or a time-out rejects it).
"""

from micropython import const

from cryo import buttons, journal, on_demand, refusal, schema, setting_changes, sounder

TIMEOUT_S = const(60)
HOW = "hold SELECT on the device for 1 s"


index = -1  # of the pending setting, or -1; a pending table is `tables.pending`
value = 0
since_ms = 0


def waiting(app):
    """Whether a change waits for the operator."""
    return index >= 0 or app.tables.pending is not None


def ask(app, of, new):
    """Ask the operator to confirm a host-requested change (index -1: of a table). H-13"""
    global index, value, since_ms
    index = of
    value = new
    since_ms = app.clock.now_ms
    refusal.clear()
    app.sounder.play(sounder.ARMED, app.clock.now_ms)
    app.buttons.spend()
    app.display.redraw()


def step(app, now_ms, keys):
    """READY, one tick. True if a change is pending or was just decided: handle nothing else."""
    if not waiting(app):
        return False
    why = _decision(app, keys)
    if why:
        settle(app, now_ms, why)
    return True


def _decision(app, keys):
    """The outcome decided in this tick, or an empty text."""
    if keys.held & buttons.SELECT:
        return "confirmed"
    if keys.pressed & ~buttons.SELECT:
        return "rejected"
    if app.clock.since(since_ms) > TIMEOUT_S * 1000:
        return "timed_out"
    return ""


def settle(app, now_ms, why):
    """Apply, reject or time out the pending change. H-13"""
    if index >= 0:
        confirmed = _settle_setting(app, why) == "confirmed"
    else:
        with on_demand.loaded("calibration_commands") as calibration_commands:
            confirmed = calibration_commands.settle(app, why) == "confirmed"
    app.sounder.play(sounder.CLICK if confirmed else sounder.REFUSED, now_ms)
    app.buttons.spend()
    app.display.redraw()


def reject(app, now_ms):
    """Reject the pending change, if there is one (a fault has occurred)."""
    if waiting(app):
        settle(app, now_ms, "rejected")


def _settle_setting(app, why):
    """Apply or reject the pending setting; returns the outcome."""
    global index
    at = index
    index = -1
    row = schema.SETTINGS[at]
    # Checked again: the applicator may have changed since the request.
    if why == "confirmed" and setting_changes.out_of_range(app.settings.values, at, value):
        why = "range"
    if why == "confirmed":
        if not setting_changes.apply(app, at, value, setting_changes.BY_CONFIRMED):
            why = "storage"
    confirmed = why == "confirmed"
    if not confirmed:
        app.record(
            journal.SETTING, row[schema.NUMBER], app.settings.values[at], value,
            setting_changes.BY_REJECTED,
        )  # fmt: skip
    app.link.event(
        {"ev": "setting", "key": row[schema.KEY], "value": value,
         "applied": confirmed, "why": why}
    )  # fmt: skip
    return why
