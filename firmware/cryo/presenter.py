"""Fills the view for the present state: what the screens are to say, in words and numbers.

Works on an App. May import cryo's buttons, commands, dose, faults, interlocks, profiles,
schema, checklist, screens, transitions, texts; loads value_format by its name.
Controls: H-09, H-06 (a depth without a dose shows the range, not a number), H-13 (a change shows
old and new).
"""

from cryo import (
    buttons,
    checklist,
    commands,
    dose,
    faults,
    interlocks,
    profiles,
    schema,
    screens,
    texts,
    transitions,
)


def show_state(app, cold=False):
    """Fill the view for the present state and show its screen; `cold`: the purge has done."""
    state = app.treatment.state
    app.second = -1
    if state == transitions.READY:
        _fill_ready(app)
        if app.settings.pending >= 0 or app.tables.pending is not None:
            app.show(screens.CONFIRM)
        elif app.observation.over:
            app.show(screens.OBSERVE)
        elif app.menu:
            app.menu.show(app)
        else:
            app.show(screens.READY)
    elif state == transitions.SCREENING:
        _show_question(app)
    elif state == transitions.PRECHILL:
        _show_purge(app, cold)
    elif state == transitions.ARMED:
        app.show(screens.ARMED)
    elif state == transitions.FREEZING:
        app.show(screens.FREEZING)
    elif state == transitions.THAWING:
        _show_thaw(app)
    elif state == transitions.DONE:
        view = app.panel.view
        view.cycle = app.tally.complete
        view.cycles = app.cycles
        app.show(screens.DONE)
    elif state == transitions.FAULT:
        _fill_fault(app)
        app.show(screens.FAULT)
    else:
        app.show(screens.BOOT)


def _show_question(app):
    """A page of the checklist, or the item of it that applies."""
    answers = app.answers
    view = app.panel.view
    if answers.doubt:
        view.item_words[0] = texts.item(answers.doubt)
        stops = checklist.ITEMS[answers.doubt - 1][1] == checklist.AVOID
        app.show(screens.STOPPED if stops else screens.OVERRIDE)
        return
    view.page = answers.page + 1
    view.pages = checklist.PAGES
    view.item = answers.item
    view.items = checklist.on_page(answers.page)
    for i in range(view.items):
        view.item_words[i] = texts.item(checklist.ITEMS[answers.page * checklist.A_PAGE + i][0])
    app.show(screens.SCREENING)


def _fill_ready(app):
    values = app.settings.values
    view = app.panel.view
    view.depth_um = values[schema.DEPTH_UM]
    view.margin_um = values[schema.MARGIN_UM]
    view.plan_um = profiles.plan_um(values)
    view.spread_um = dose.spread_um(values[schema.APPLICATOR], view.plan_um)
    view.dose_ms = profiles.dose_ms(values)
    view.cycles = values[schema.CYCLES]
    view.cycle = 1
    view.applicator = texts.applicator(values[schema.APPLICATOR])
    view.profile_name = texts.profile(values[schema.PROFILE])
    low = profiles.low_step_um(values) // 100
    high = profiles.high_step_um(values) // 100
    view.range_text = "%d.%d %s %d.%d mm" % (
        low // 10, low % 10, texts.say(texts.TO), high // 10, high % 10,
    )  # fmt: skip
    view.patient_ref = values[schema.PATIENT_REF]
    view.pedal = values[schema.TRIGGER_MODE] == schema.PRESS
    view.shots_left = _shots_left(app)
    view.observe_ms = app.observe_left_ms()
    view.hint = _hint(app)
    if app.tables.pending is not None:
        view.confirm_key = app.tables.confirm_key
        view.confirm_old = view.confirm_unit = ""
        view.confirm_new = app.tables.confirm_text
    elif app.settings.pending >= 0:
        index = app.settings.pending
        app.flash_used = True  # the length of this tick says nothing
        said = commands.borrow("value_format").said
        view.confirm_key = texts.setting(schema.SETTINGS[index][0])
        view.confirm_old, view.confirm_unit = said(index, values[index])
        view.confirm_new = said(index, app.settings.pending_value)[0]
        commands.give_back("value_format")


def _hint(app):
    """What stands against arming, in words; nothing when nothing does."""
    cause = interlocks.against_arming(app.sensors, app.settings.values)
    if cause:
        return texts.fault(cause, 0)
    return "" if app.panel.view.dose_ms >= 0 else texts.say(texts.CHANGE_DEPTH)


def refresh_ready(app):
    """Readings and minutes change while nobody presses: the screen must follow."""
    view = app.panel.view
    if view.hint != _hint(app) or view.shots_left != _shots_left(app):
        show_state(app)
    elif view.observe_ms // 60000 != app.observe_left_ms() // 60000:
        show_state(app)


def _shots_left(app):
    """How many freezes of this dose the dewar holds; -1 when it cannot be told."""
    level = app.sensors.level_permille
    dose_ms = app.panel.view.dose_ms
    if not level.valid or dose_ms < 0:
        return -1
    return profiles.shots_left(app.settings.values, level.value, dose_ms)


def _show_purge(app, cold):
    view = app.panel.view
    view.purge_ms = 0
    view.cold = cold
    view.pressed = app.buttons.down & buttons.TRIGGER
    view.nozzle_c_x100 = app.sensors.nozzle.c_x100
    app.show(screens.PURGING if app.purge else screens.PRECHILL)


def tell_purge(app):
    """What changes while the line is purged, or waits to be. Allocates nothing."""
    view = app.panel.view
    view.purge_ms = app.shot.elapsed_ms if app.purge else 0
    view.nozzle_c_x100 = app.sensors.nozzle.c_x100
    app.panel.update()


def _show_thaw(app):
    view = app.panel.view
    view.cycle = app.cycle
    view.cycles = app.cycles
    view.thawed = app.thawed
    view.thaw_min_ms = app.settings.values[schema.THAW_MIN_S] * 1000
    view.thaw_ms = app.state_ms()
    app.show(screens.THAWING)


def tell_thaw(app):
    """The thaw goes on."""
    app.panel.view.thaw_ms = app.state_ms()
    app.panel.update()


def _fill_fault(app):
    view = app.panel.view
    number = app.faults.first
    what = texts.fault(number, 1)
    if app.summary and app.state_ms() // 2000 % 2:
        delivered = view.delivered_ms // 100
        planned = (view.planned_ms + 50) // 100
        what = "%d.%d %s %d.%d s" % (
            delivered // 10, delivered % 10, texts.say(texts.OF), planned // 10, planned % 10,
        )  # fmt: skip
    # Its name at least, if flash should not give the words. H-09
    view.title = texts.fault(number, 0) or faults.row_of(number)[1]
    view.lines = [what, texts.fault(number, 2), texts.fault(number, 3)]
