"""A change that the host asks for waits here until the operator has decided on the device.

Works on an App. May import micropython.const and cryo's buttons, journal, on_demand, schema,
setting_changes, sounder; loads calibration_commands on demand. Controls: H-13 (a change that
matters takes effect only when somebody at the device has held SELECT; it is refused by any other
button, by a fault, and by silence).
"""

from micropython import const

from cryo import buttons, journal, on_demand, schema, setting_changes, sounder

TIMEOUT_S = const(60)
HOW = "hold SELECT on the device for 1 s"


class Confirm:
    """The setting that waits. A table that waits is `tables.pending`. Made once."""

    def __init__(self):
        self.index = -1  # of the setting that waits, or -1
        self.value = 0
        self._since_ms = 0

    def begin(self, now_ms, index, value):
        """Somebody is asked now (index -1: about a table)."""
        self.index = index
        self.value = value
        self._since_ms = now_ms

    def end(self):
        """It has been decided."""
        self.index = -1

    def decision(self, app, keys):
        """What the operator says to it in this tick, or an empty text."""
        if keys.held & buttons.SELECT:
            return "confirmed"
        if keys.pressed & ~buttons.SELECT:
            return "rejected"
        if app.clock.since(self._since_ms) > TIMEOUT_S * 1000:
            return "timed_out"
        return ""


def waiting(app):
    """Whether a change waits for the operator."""
    return app.confirm.index >= 0 or app.tables.pending is not None


def ask(app, index, value):
    """Show the operator a change that the host asks for (index -1: of a table). H-13"""
    app.confirm.begin(app.clock.now_ms, index, value)
    app.refusal.clear()
    app.sounder.play(sounder.ARMED, app.clock.now_ms)
    app.buttons.spend()
    app.display.redraw()


def step(app, now_ms, keys):
    """READY, one tick. Whether a change waits or was just decided: nothing else is handled then."""
    if not waiting(app):
        return False
    why = app.confirm.decision(app, keys)
    if why:
        settle(app, now_ms, why)
    return True


def settle(app, now_ms, why):
    """Apply, reject or time out the change that waits. H-13"""
    if app.confirm.index >= 0:
        confirmed = _settle_setting(app, why) == "confirmed"
    else:
        with on_demand.loaded("calibration_commands") as calibration_commands:
            confirmed = calibration_commands.settle(app, why) == "confirmed"
    app.sounder.play(sounder.CLICK if confirmed else sounder.REFUSED, now_ms)
    app.buttons.spend()
    app.display.redraw()


def reject(app, now_ms):
    """A fault ends what waits, if anything does."""
    if waiting(app):
        settle(app, now_ms, "rejected")


def _settle_setting(app, why):
    """What it came to in the end."""
    confirm = app.confirm
    index = confirm.index
    value = confirm.value
    confirm.end()
    row = schema.SETTINGS[index]
    # Checked again: the applicator may be another one by now.
    if why == "confirmed" and setting_changes.out_of_range(app.settings.values, index, value):
        why = "range"
    if why == "confirmed":
        if not setting_changes.apply(app, index, value, setting_changes.BY_CONFIRMED):
            why = "storage"
    confirmed = why == "confirmed"
    if not confirmed:
        app.record(
            journal.SETTING, row[schema.NUMBER], app.settings.values[index], value,
            setting_changes.BY_REJECTED,
        )  # fmt: skip
    app.link.event(
        {"ev": "setting", "key": row[schema.KEY], "value": value,
         "applied": confirmed, "why": why}
    )  # fmt: skip
    return why
