"""Fills the view for the present state: what the screens are to say, in words and numbers.

Works on an App. May import cryo's dose, faults, interlocks, schema, screens, treatment.
Controls: H-09, H-06 (a depth without a dose shows the range, not a number), H-13 (a change shows
old and new).
"""

from cryo import dose, faults, interlocks, schema, screens, treatment


def show_state(app, cold=False):
    """Fill the view for the present state and show its screen; `cold`: the purge has done."""
    state = app.treatment.state
    app.second = -1
    if state == treatment.READY:
        _fill_ready(app)
        app.show(screens.CONFIRM if app.settings.pending >= 0 else screens.READY)
    elif state == treatment.PRECHILL:
        _show_purge(app, cold)
    elif state == treatment.ARMED:
        app.show(screens.ARMED)
    elif state == treatment.FREEZING:
        app.show(screens.FREEZING)
    elif state == treatment.DONE:
        app.show(screens.DONE)
    elif state == treatment.FAULT:
        _fill_fault(app)
        app.show(screens.FAULT)
    else:
        app.show(screens.BOOT)


def _fill_ready(app):
    values = app.settings.values
    view = app.panel.view
    applicator = values[schema.APPLICATOR]
    row = dose.row_of(applicator)
    view.depth_um = values[schema.DEPTH_UM]
    view.dose_ms = dose.dose_ms(applicator, view.depth_um)
    view.applicator = row[1]
    # Rounded inwards: both ends can be set.
    low = (dose.min_um(applicator) + 99) // 100
    high = dose.max_um(applicator) // 100
    view.range_text = "%d.%d to %d.%d mm" % (low // 10, low % 10, high // 10, high % 10)
    cause = interlocks.against_arming(app.sensors, values)
    if cause:
        view.hint = faults.row_of(cause)[1]
    else:
        view.hint = "READY  hold ARM" if view.dose_ms >= 0 else "CHANGE DEPTH"
    if app.settings.pending >= 0:
        setting = schema.SETTINGS[app.settings.pending]
        unit = "_" + setting[2]
        key = setting[1]
        view.confirm_key = key[: -len(unit)] if key.endswith(unit) else key
        view.confirm_text = "%d > %d %s" % (
            values[app.settings.pending],
            app.settings.pending_value,
            setting[2],
        )


def refresh_ready(app):
    """Readings change while nobody presses: the hint must follow."""
    view = app.panel.view
    cause = interlocks.against_arming(app.sensors, app.settings.values)
    hint = faults.row_of(cause)[1] if cause else ""
    if (cause and view.hint != hint) or (not cause and view.hint[:5] not in ("READY", "CHANG")):
        show_state(app)


def _show_purge(app, cold):
    view = app.panel.view
    view.purge_ms = 0
    view.cold = cold
    view.nozzle_c_x100 = app.sensors.nozzle.c_x100
    app.show(screens.PURGING if app.purge else screens.PRECHILL)


def tell_purge(app):
    """What changes while the line is purged, or waits to be. Allocates nothing."""
    view = app.panel.view
    view.purge_ms = app.shot.elapsed_ms if app.purge else 0
    view.nozzle_c_x100 = app.sensors.nozzle.c_x100
    app.panel.update()


def _fill_fault(app):
    view = app.panel.view
    row = faults.row_of(app.faults.first)
    lines = row[5].split("|")
    what = row[4]
    if app.summary and app.state_ms() // 2000 % 2:
        delivered = view.delivered_ms // 100
        planned = (view.planned_ms + 50) // 100
        what = "%d.%d of %d.%d s" % (
            delivered // 10, delivered % 10, planned // 10, planned % 10,
        )  # fmt: skip
    view.title = row[1]
    view.lines = [what, lines[0], lines[1] if len(lines) > 1 else ""]
