"""On the way to ARMED: what forbids it, and PRECHILL, which purges the line until liquid comes.

Works on an App. May import gc, micropython.const and cryo's board, buttons, dose, faults,
interlocks, journal, profiles, schema, screens, shot, sounder, summary, transitions, presenter,
texts. Controls: H-06, H-10 (arming is
refused with the reading and what it must be), H-02 (a freeze is timed with
liquid from its first millisecond), H-21 (the purge points away: said before, held, bounded),
H-08 (its beginning is in flash before the valve opens), H-04, H-15 (a purge is never a freeze: it
ends in ARMED or in a fault, and the trigger must be let go in between).

Nothing here allocates from the beginning of the shot until the valve is proved closed.
"""

import gc

from micropython import const

from cryo import (
    board as board_room,
    buttons,
    dose,
    faults,
    interlocks,
    journal,
    presenter,
    profiles,
    schema,
    screens,
    shot,
    sounder,
    summary,
    texts,
    transitions,
)

_TICKS_MASK = const(0x3FFFFFFF)
_REFUSED_MS = const(3000)

# App.purge
NO_PURGE = const(0)
RECORDED = const(1)  # its beginning is on the way to flash
RUNNING = const(2)


def rewarmed(app):
    """Whether a freeze that began now would lose too much to gas. H-02"""
    row = dose.row_of(app.settings.values[schema.APPLICATOR])
    return interlocks.rewarmed(app.sensors, row[dose.REWARMED])


def must_purge(app):
    """Whether the line is to be purged before a freeze. H-02"""
    return app.settings.values[schema.PRECHILL] and rewarmed(app)


def permitted(app, now_ms):
    """Whether readings and journal permit a freeze; if not, it is said on the screen. H-10"""
    values = app.settings.values
    cause = interlocks.against_arming(app.sensors, values)
    if cause:
        _refuse_for(app, now_ms, cause, values)
        return False
    level = app.sensors.level_permille.value
    if profiles.shots_left(values, level, app.dose_ms) < app.cycles - app.cycle + 1:
        # A freeze that is sure to end for want of nitrogen is not begun. H-10, H-02
        refuse(
            app, now_ms, texts.fault(faults.LEVEL_LOW, 0), "%d %%" % (level // 10),
            texts.say(texts.NEEDS) + " %d x %d s" % (app.cycles, (app.dose_ms + 999) // 1000),
        )  # fmt: skip
        return False
    if app.free_records() < journal.ROOM_TO_ARM:
        app.faults.latch(faults.JOURNAL_FULL, True)
        return False
    return True


def _refuse_for(app, now_ms, cause, values):
    """Say which reading forbids arming, what it is, and what it must be."""
    sensors = app.sensors
    if cause == faults.PRESSURE:
        reading = "%d mbar" % sensors.pressure_mbar.value
        needs = "%d-%d" % (values[schema.ARM_PRESSURE_MIN], values[schema.ARM_PRESSURE_MAX])
    elif cause == faults.LEVEL_LOW:
        reading = "%d %%" % (sensors.level_permille.value // 10)
        needs = "%d %%" % (values[schema.ARM_LEVEL_MIN] // 10)
    elif cause == faults.SUPPLY_LOW:
        reading = "%d mV" % sensors.vsys_mv()
        needs = "%d mV" % values[schema.ARM_SUPPLY_MIN]
    else:
        refuse(app, now_ms, texts.fault(cause, 0), texts.fault(cause, 1))
        return
    refuse(app, now_ms, texts.fault(cause, 0), reading, texts.say(texts.NEEDS) + " " + needs)


def refuse(app, now_ms, what, why, needs=""):
    """Say why not, in up to three lines."""
    view = app.panel.view
    view.title = texts.say(texts.CANNOT_ARM)
    view.lines = [what, why, needs]
    app.refused_ms = now_ms
    app.sounder.play(sounder.REFUSED, now_ms)
    app.buttons.spend()
    app.show(screens.REFUSED)


def refusal(app, now_ms, keys):
    """Whether a refusal is on the screen; any press, or time, takes it away."""
    if app.refused_ms < 0:
        return False
    if keys.pressed or (now_ms - app.refused_ms) & _TICKS_MASK > _REFUSED_MS:
        app.refused_ms = -1
        keys.spend()
        presenter.show_state(app)
    return True


def go_on(app, now_ms, event):
    """Everything else is answered: to ARMED by `event`, or to PRECHILL if the nozzle is warm."""
    gc.collect()
    if must_purge(app):
        app.event(transitions.MUST_CHILL)
    else:
        enter_armed(app, now_ms, event)


def wanted(app, raw):
    """Whether the operator wants the valve open; `raw` is this tick's undebounced mask.

    The raw contact, so that one open sample ends it (H-01); with a pedal pressed and let go,
    the first closed sample after it was let go (H-22).
    """
    pulled = raw & buttons.TRIGGER
    if app.settings.values[schema.TRIGGER_MODE] == schema.HOLD:
        return pulled
    if app.let_go:
        return not pulled
    app.let_go = not app.buttons.down & buttons.TRIGGER
    return True


def enter_armed(app, now_ms, event):
    """ARMED; the treatment's own record is written the first time."""
    values = app.settings.values
    if not app.treatment_seq:
        app.treatment_seq = app.record(
            journal.ARMED,
            values[schema.APPLICATOR],
            values[schema.DEPTH_UM],
            app.dose_ms,
            app.planned_us,
            app.table_version,
            app.sensors.nozzle.c_x100,
            app.settings.generation,
            values[schema.PATIENT_REF],
        )
        app.observation.patient_ms = app.uptime_ms
        _use_number(app, values)
        plan_um = profiles.plan_um(values)
        app.record(
            journal.PLAN,
            app.treatment_seq,
            values[schema.PROFILE],
            values[schema.TARGET],
            values[schema.MARGIN_UM],
            plan_um,
            dose.spread_um(values[schema.APPLICATOR], plan_um),
            app.cycles,
            values[schema.PRECHILL],
        )
    app.second = -1
    app.panel.view.timeout_s = values[schema.ARM_TIMEOUT_S]
    app.event(event)
    app.sounder.play(sounder.ARMED, now_ms)


def _use_number(app, values):
    """A patient's number has been used: the next free one follows the highest. H-18"""
    if values[schema.PATIENT_REF] > values[schema.PATIENT_LAST]:
        values[schema.PATIENT_LAST] = values[schema.PATIENT_REF]
        app.flash_used = True
        if not app.settings.save():
            app.faults.latch(faults.JOURNAL_FAILED, False)


def disarm(app, event, reason):
    """Back to READY before a freeze, by the operator or by time."""
    summary.close(app, summary.STOPPED if event == transitions.ARM_PRESSED else summary.TIMED_OUT)
    app.record(journal.DISARMED, app.treatment_seq, reason)
    app.event(event)


def prechill(app, now_ms, keys):
    """PRECHILL with the valve closed: TRIGGER purges; ARM, or waiting too long, goes back."""
    view = app.panel.view
    if keys.pressed & buttons.ARM:
        disarm(app, transitions.ARM_PRESSED, journal.DISARM_BUTTON)
    elif view.cold:
        # The trigger that purged must be let go before one can freeze. H-21
        if rewarmed(app):
            app.treatment.begin_anew(now_ms)
            presenter.show_state(app)
        elif not keys.down & buttons.TRIGGER:
            enter_armed(app, now_ms, transitions.COLD)
    elif keys.pressed & buttons.TRIGGER:
        _begin(app)
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        disarm(app, transitions.TIMED_OUT, journal.DISARM_TIME)
    else:
        presenter.tell_purge(app)


def _begin(app):
    """TRIGGER: first the record that a purge begins, then (next tick) the purge. H-08"""
    sensors = app.sensors
    app.record(
        journal.PRECHILL_BEGIN,
        app.treatment_seq,
        app.cycle,
        shot.PURGE_US,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        sensors.level_permille.value,
        sensors.vsys_mv(),
    )
    app.let_go = False
    app.purge = RECORDED
    presenter.show_state(app)


def step(app, now_ms, raw, estop_closed):
    """One tick of a purge; `raw` is this tick's undebounced button mask."""
    one_shot = app.shot
    trigger = wanted(app, raw)
    if app.purge == RECORDED:
        if app.journal.waiting():
            app.faults.latch(faults.JOURNAL_FAILED, False)
        if app.faults.latched or not trigger or not estop_closed:
            one_shot.cancel(shot.PURGE_US, shot.CANCELLED)
            _end(app, now_ms)
            return
        app.purge = RUNNING
        one_shot.purge(now_ms)
        app.sounder.play(sounder.START, now_ms)
        return
    if one_shot.step(now_ms, trigger, estop_closed, app.sensors, app.settings.values):
        _end(app, now_ms)
        return
    app.board.leave_behind(board_room.PURGING, one_shot.elapsed_ms)
    if app.slot % 5 == 0 and one_shot.phase == shot.OPEN:
        presenter.tell_purge(app)


def _end(app, now_ms):
    """The purge is over and the valve proved closed: record it; cold leads on to ARMED."""
    one_shot = app.shot
    app.purge = NO_PURGE
    app.closed_ms = now_ms
    app.closed_for_ms = 0
    app.record(
        journal.PRECHILL_END,
        app.treatment_seq,
        app.cycle,
        one_shot.cause,
        one_shot.planned_us,
        one_shot.delivered_us,
        app.sensors.nozzle.c_x100,
        one_shot.nozzle_min_c_x100,
        one_shot.pressure_min_mbar,
    )
    app.board.leave_behind(board_room.RUNNING, 0)
    if one_shot.cause == shot.ESTOP:
        app.faults.latch(faults.ESTOP, not app.board.estop_closed())
    if one_shot.fault:
        app.faults.latch(one_shot.fault, False)
    if app.faults.fresh:
        app.report_faults(now_ms)
    elif one_shot.cause == shot.COLD:
        gc.collect()
        app.treatment.begin_anew(now_ms)
        app.sounder.play(sounder.COLD, now_ms)
        presenter.show_state(app, True)
    else:
        # Let go too early: the operator may go on, or go back.
        app.treatment.begin_anew(now_ms)
        app.sounder.play(sounder.ENDED_EARLY, now_ms)
        presenter.show_state(app)
