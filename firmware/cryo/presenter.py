"""Presenter: fills the view with the texts and numbers of the present state's screen.

Works on an App. May import micropython.const and cryo's arming, buttons, closing, confirm, demand,
display, dose, faults, interlocks, journal, monitors, observation, on_demand, operators, plan,
profiles, refusal, schema, screens, sounder, state_freezing, state_prechill, state_ready,
state_screening, state_thawing, states, texts, transitions, view; loads value_format on demand.
Controls: H-09, H-26 (READY says that an applicator is not calibrated), H-30 (and which depths its
plan may reach; the result says that a lesion may not be reached), H-06 (a depth without a dose
shows the range, not a number), H-13 (a change shows old and new), H-05 (no result is shown before
the valve is proved closed).

The only writer of the view, once a tick, after all decisions (except that the open menu and the
checklist fill in their own lines). Nothing here allocates while the valve is open.
"""

from micropython import const

from cryo import (
    VERSION,
    arming,
    buttons,
    closing,
    confirm,
    demand,
    display,
    dose,
    faults,
    interlocks,
    journal,
    monitors,
    observation,
    on_demand,
    operators,
    plan,
    profiles,
    refusal,
    schema,
    screens,
    sounder,
    state_freezing,
    state_prechill,
    state_ready,
    state_screening,
    state_thawing,
    states,
    texts,
    transitions,
    view as view_module,
)

_COUNTED_S = const(5)  # the last seconds of a freeze have a sound
_NOTICE_MS = const(6000)  # a notice in READY, then nitrogen and what to do next again
_FAULT_MS = const(2000)  # the text of a fault and the delivered time alternate
_TURN_MS = const(2000)  # so do READY's top line, and what is said of a table not calibrated here
_TURNS = const(3)

# Doubts of witness.py that say that the jet is not on the skin
_NO_FALL = const(1)
_CAME_BACK = const(4)

# Prompts of the observation, as in the languages
_QUESTIONS = const(11)
_TITLES = const(19)
_YES_NO = const(20)
_DOUBTS = const(22)  # and the next: beside the seconds of a freeze


second = -1  # last shown: the second of a countdown, or the turn of a fault's texts


def step(app):
    """One tick: update the screen as requested in this tick."""
    request = app.display.request
    if not request:
        return
    app.display.request = display.NOTHING
    if request == display.REDRAW:
        show(app)
    elif request == display.MARK:
        app.display.view.ice_ms = 0
        app.display.hurry()
    else:
        _refresh(app)


def show(app):
    """Fill the view for the present state and draw its screen in full."""
    global second
    state = app.machine.state
    view = app.display.view
    screen = states.screen(state)
    second = -1
    if refusal.lines:
        view.title = texts.say(texts.CANNOT_ARM)
        view.lines = refusal.lines
        screen = screens.REFUSED
    elif state == transitions.READY:
        screen = _fill_ready(app, view)
        if screen == screens.MENU:
            return  # the menu has filled in its own lines
    elif state == transitions.SCREENING:
        questions = state_screening.questions
        if questions:
            questions.show(app)
        return  # they have filled in their own lines
    elif state == transitions.PRECHILL:
        screen = _fill_purge(app, view)
    elif state == transitions.ARMED:
        view.timeout_s = app.settings.values[schema.ARM_TIMEOUT_S]
        view.timeout_s = _armed_left_s(app, view.timeout_s)
        view.closing_text = _closing_text()
    elif state == transitions.FREEZING:
        if state_freezing.leads_to:
            screen = _fill_closing(app, view)
        else:
            _fill_freezing(app, view)
    elif state == transitions.THAWING:
        if state_thawing.asking:
            screen = _fill_end_question(app, view)
        else:
            _fill_thaw(app, view)
    elif state == transitions.DONE:
        _fill_done(app, view)
    elif state == transitions.FAULT:
        _fill_fault(app, view)
    else:
        view.version = VERSION
    app.display.show(screen)


def _refresh(app):
    """Update the values that have changed on the present screen."""
    state = app.machine.state
    view = app.display.view
    if state == transitions.FREEZING:
        _count_down(app, view)
    elif state == transitions.PRECHILL:
        view.purge_ms = app.shot.elapsed_ms if demand.kind else 0
        view.nozzle_c_x100 = app.sensors.nozzle.c_x100
        app.display.update()
    elif state == transitions.READY:
        _refresh_ready(app, view)
    elif state == transitions.ARMED:
        view.timeout_s = _armed_left_s(app, view.timeout_s)
        app.display.update()
    elif state == transitions.THAWING:
        view.thaw_ms = app.state_ms()
        _fill_skin(app, view)
        app.display.update()
    elif state == transitions.FAULT:
        _refresh_fault(app)


# -- READY ----------------------------------------------------------------------------------------


def _fill_ready(app, view):
    """Fill in the plan; returns the screen, which may be an overlay."""
    values = app.settings.values
    view.field = state_ready.field
    view.depth_um = values[schema.DEPTH_UM]
    view.margin_um = values[schema.MARGIN_UM]
    view.plan_um = profiles.plan_um(values)
    view.dose_ms = profiles.dose_ms(values)
    view.calibrated = dose.calibrated(values[schema.APPLICATOR])
    spread_um = dose.spread_um(values[schema.APPLICATOR], view.plan_um)
    # Beside the plan only where the plan is what is to be expected. H-30
    view.spread_um = spread_um if view.calibrated else 0
    view.planned_ms = view.dose_ms
    view.cycles = values[schema.CYCLES]
    view.cycle = 1
    view.applicator = texts.applicator(values[schema.APPLICATOR])
    view.profile_name = texts.profile(values[schema.PROFILE])
    view.range_text = arming.range_text(values)
    if view.dose_ms >= 0:
        # The depths between which 19 of 20 freezes of this plan bring the isotherm, rounded down
        # and up. H-30
        likely_um = dose.likely_um(values[schema.APPLICATOR], view.plan_um)
        low = dose.low_um(likely_um, spread_um) // 100
        high = (dose.high_um(likely_um, spread_um) + 99) // 100
        c = dose.TARGETS[values[schema.TARGET] - 1][dose.C_X100] // 100
        view.range_text = "%dC %d.%d-%d.%dmm" % (c, low // 10, low % 10, high // 10, high % 10)
    view.patient_ref = values[schema.PATIENT_REF]
    view.pedal = values[schema.TRIGGER_MODE] == schema.PRESS
    view.shots_left = _shots_left(app, view)
    view.observe_ms = app.observation.left_ms(app)
    view.hint = _hint(app, view)
    view.operator = operators.session[operators.NUMBER]
    view.notice = _notice(app, view.calibrated)
    menu = state_ready.menu
    if menu:
        menu.show(app)
        return screens.MENU
    if confirm.waiting():
        _fill_confirm(app, view)
        return screens.CONFIRM
    if app.observation.over:
        _fill_observation(view, app.observation.question)
        return screens.REFUSED
    return screens.READY


def _fill_observation(view, question):
    """The question that is asked at the end of the observation, or the advice. H-09"""
    asks = question < observation.ASKED
    view.title = texts.say(texts.OBSERVED) if asks else texts.prompt(_TITLES, 1)
    prompt = _QUESTIONS + question
    answers = texts.prompt(_YES_NO, 0) if asks else texts.say(texts.SELECT_OK)
    view.lines = [texts.prompt(prompt, 0), texts.prompt(prompt, 1), answers]


def _fill_confirm(app, view):
    """The change that the operator must confirm: its name, the old and the new value. H-13"""
    index = confirm.index
    if confirm.other:
        view.confirm_key, view.confirm_new = confirm.page()
        view.confirm_old = view.confirm_unit = ""
        return
    app.clock.exclude()
    with on_demand.loaded("value_format") as value_format:
        value = app.settings.values[index]
        view.confirm_key = texts.setting(schema.SETTINGS[index][schema.NUMBER])
        view.confirm_old, view.confirm_unit = value_format.said(index, value)
        view.confirm_new = value_format.said(index, confirm.value)[0]


def _hint(app, view):
    """Why arming is inhibited, as display text; empty if it is permitted."""
    cause = interlocks.against_arming(app.sensors, app.settings.values)
    if cause:
        return texts.fault(cause, 0)
    return "" if view.dose_ms >= 0 else texts.say(texts.CHANGE_DEPTH)


def _notice(app, calibrated):
    """What the top line says in place of nitrogen and what to do next, as in the view.

    For some seconds after READY is entered, how many treatments the journal has room for. Of an
    applicator that is not calibrated, in turn, 2 s each: that it is not, H-26; nothing; and the
    depths that its plan may reach, H-30.
    """
    left = app.journal.left
    in_state_ms = app.state_ms()
    if left < journal.LOW and in_state_ms < _NOTICE_MS:
        return left
    turn = in_state_ms // _TURN_MS % _TURNS
    if calibrated or turn == 1:
        return view_module.NO_NOTICE
    if turn == 2 and app.display.view.dose_ms >= 0:
        return view_module.REACH
    return view_module.NOT_CALIBRATED


def _shots_left(app, view):
    """Number of freezes of this dose that the dewar holds; -1 if unknown."""
    level = app.sensors.level_permille
    if not level.valid or view.dose_ms < 0:
        return -1
    return profiles.shots_left(app.settings.values, level.value, view.dose_ms)


def _refresh_ready(app, view):
    """Update the readings and minutes that change without a button press."""
    menu = state_ready.menu
    if menu:
        menu.update(app)
    elif view.hint != _hint(app, view) or view.shots_left != _shots_left(app, view):
        show(app)
    elif view.notice != _notice(app, view.calibrated):
        view.notice = _notice(app, view.calibrated)
        app.display.update()
    elif view.observe_ms // 60000 != app.observation.left_ms(app) // 60000:
        show(app)


# -- before a freeze ------------------------------------------------------------------------------


def _armed_left_s(app, shown_s):
    """Seconds until ARMED ends: its time-out, or the line's rewarming, whichever is sooner.

    The rewarming by the present rise of the nozzle, which only slows down. Never more than shown
    before, so that the countdown does not go back.
    """
    left_s = app.settings.values[schema.ARM_TIMEOUT_S] - app.state_ms() // 1000
    rise_x100 = monitors.closing.rise_x100
    if app.settings.values[schema.PRECHILL] and rise_x100 > 0:
        warm_s = arming.below_rewarmed_x100(app) // rise_x100
        if warm_s < left_s:
            left_s = warm_s
    if left_s > shown_s:
        left_s = shown_s
    return left_s if left_s > 0 else 0


def _fill_purge(app, view):
    view.rewarmed = state_prechill.rewarmed
    view.purge_ms = 0
    view.cold = state_prechill.cold
    view.pressed = app.buttons.down & buttons.TRIGGER
    view.nozzle_c_x100 = app.sensors.nozzle.c_x100
    return screens.PURGING if demand.kind else screens.PRECHILL


# -- the freeze and after it ----------------------------------------------------------------------


def _fill_freezing(app, view):
    view.planned_ms = plan.dose_ms
    view.remaining_ms = plan.dose_ms
    view.target_um = plan.target_um
    view.estimate_um = 0
    view.doubt = 0
    view.witnessed = arming.witness.watches
    if view.witnessed:
        view.lines = [texts.prompt(_DOUBTS + k // 2, k % 2) for k in range(4)]
    view.short = 0
    view.ice_ms = -1


def _fill_closing(app, view):
    """The freeze has ended, and no result is shown before the valve is proved closed. H-05"""
    view.title = _closing_text()
    late = monitors.closing.state >= closing.LATE
    away = texts.say(texts.POINT_AWAY) if late else ""
    view.lines = [_delivered_text(app), away, ""]
    return screens.REFUSED


def _count_down(app, view):
    global second
    # The screen counts the dose; the gate counts the dose corrected for the valve's lags. Both
    # begin and end within a few ms of each other.
    elapsed_ms = app.shot.elapsed_ms
    left_ms = plan.dose_ms - elapsed_ms
    view.remaining_ms = left_ms if left_ms > 0 else 0
    view.estimate_um = arming.estimate.depth_um
    view.doubt = _doubt()
    if state_freezing.ice_at_ms >= 0:
        view.ice_ms = elapsed_ms - state_freezing.ice_at_ms
    app.display.update()
    left_s = view.remaining_ms // 1000
    if left_s != second:
        if left_s < _COUNTED_S and second >= 0:
            app.sounder.play(sounder.COUNT, app.clock.now_ms)
        second = left_s


def _doubt():
    """What the screens say of a doubt: 0 = nothing, 1 = not on the skin? 2 = unknown. H-27"""
    doubt = state_freezing.doubt
    if not doubt:
        return 0
    return 1 if doubt == _NO_FALL or doubt == _CAME_BACK else 2


def _fill_end_question(app, view):
    """A course of cycles ends early only by its own answer. H-02"""
    view.title = texts.say(texts.END_QUESTION)
    done = texts.say(texts.CYCLES_DONE) % (app.summary.complete, plan.cycles)
    view.lines = [done, texts.say(texts.HOLD_TO_END), texts.say(texts.ARM_BACK)]
    return screens.REFUSED


def _fill_thaw(app, view):
    view.cycle = app.summary.cycle
    view.cycles = plan.cycles
    view.thawed = state_thawing.thawed
    view.thaw_min_ms = app.settings.values[schema.THAW_MIN_S] * 1000
    view.thaw_ms = app.state_ms()
    _fill_verdict(view)
    _fill_skin(app, view)


def _fill_verdict(view):
    """What the estimate of the last freeze says of its depth. H-02, H-27, H-28, H-30"""
    verdict = arming.verdict
    view.short = verdict.short
    view.deep = verdict.deep
    view.doubt = _doubt()


def _fill_skin(app, view):
    view.skin_c_x100 = app.sensors.skin.c_x100
    view.skin_valid = app.sensors.skin.valid


def _fill_done(app, view):
    summary = app.summary
    view.complete = summary.last_complete
    _fill_verdict(view)
    view.planned_ms = plan.dose_ms
    view.delivered_ms = summary.last_ms
    view.nozzle_min_c_x100 = summary.nozzle_min_c_x100
    view.interruptions = summary.interruptions
    view.cycle = summary.complete
    view.cycles = plan.cycles


# -- FAULT ----------------------------------------------------------------------------------------


def _fill_fault(app, view):
    number = app.faults.shown()
    what = _closing_text() or texts.fault(number, 1)
    if app.summary.to_show and app.state_ms() // _FAULT_MS % 2:
        what = _delivered_text(app)
    # If the texts cannot be read from flash, show at least the fault's name. H-09
    view.title = texts.fault(number, 0) or faults.row_of(number)[faults.NAME]
    view.lines = [what, texts.fault(number, 2), texts.fault(number, 3)]


def _delivered_text(app):
    """The delivered time of the last freeze, and the planned one."""
    delivered = app.summary.last_ms // 100
    planned = (plan.dose_ms + 50) // 100
    return "%d.%d %s %d.%d s" % (
        delivered // 10, delivered % 10, texts.say(texts.OF), planned // 10, planned % 10,
    )  # fmt: skip


def _closing_text():
    """What is known of the valve, as long as it is not proved closed. H-05"""
    if not monitors.doubt:
        return ""
    late = monitors.closing.state >= closing.LATE
    return texts.say(texts.NOT_CLOSED if late else texts.CLOSING)


def _refresh_fault(app):
    """Alternate between the text of the fault and the delivered time of the freeze."""
    global second
    turn = app.state_ms() // _FAULT_MS
    if turn != second:
        if app.summary.to_show:
            show(app)
        second = turn
