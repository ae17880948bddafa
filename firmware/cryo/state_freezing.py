"""FREEZING: the record first, then the shot, the countdown, and the record of its end.

Works on an App. May import micropython.const and cryo's board, buttons, dose, faults, journal,
observation, state_prechill, schema, shot, sounder, state_thawing, transitions.
Controls: H-08 (no freeze without the record of its beginning in flash), H-01 (the raw trigger
contact ends it; the estimate ends it early, never late), H-02 (a freeze that fell short is told),
H-15.

Nothing here allocates once the shot has begun and until the valve is proved closed.
"""

from micropython import const

from cryo import (
    board as board_room,
    buttons,
    dose,
    faults,
    journal,
    observation,
    schema,
    shot,
    sounder,
    state_prechill,
    state_thawing,
    transitions,
)

# The estimate may stay so far above the lesion's base before it is told: half of what no freeze may
# fall short without a warning, since the estimate itself is not exact.
_SHORT_UM = const(150)

# Notes in the record of an estimate
_NOTE_NONE = const(0)
_NOTE_SHORT = const(1)
_NOTE_BY_DEPTH = const(2)


def begin(app, now_ms):
    """TRIGGER: first the record that a freeze begins, then (next tick) the freeze."""
    sensors = app.sensors
    app.begun = False
    app.let_go = False
    app.summary = False
    app.record(
        journal.FREEZE_BEGIN,
        app.treatment_seq,
        app.cycle,
        app.dose_ms,
        app.planned_us,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        sensors.level_permille.value,
        sensors.vsys_mv(),
    )
    values = app.settings.values
    app.estimate.begin(dose.row_of(values[schema.APPLICATOR]), values[schema.TARGET])
    app.estimated_ms = 0
    app.short = False
    app.panel.view.estimate_um = 0
    app.panel.view.target_um = app.target_um
    app.panel.view.short = False
    app.ice_at_ms = -1
    app.panel.view.ice_ms = -1
    app.panel.view.remaining_ms = app.dose_ms
    app.event(transitions.TRIGGER_PRESSED)


def step(app, now_ms, raw, estop_closed):
    """One tick of FREEZING; `raw` is this tick's undebounced button mask."""
    one_shot = app.shot
    trigger = state_prechill.wanted(app, raw)  # H-01, H-22
    if not app.begun:
        _start_shot(app, now_ms, trigger, estop_closed)
        return
    if app.buttons.pressed & buttons.SELECT and one_shot.phase == shot.OPEN:
        app.journal.add(
            journal.ICE_FIELD, transitions.FREEZING, app.uptime_ms,
            app.treatment_seq, app.cycle, one_shot.elapsed_ms,
        )  # fmt: skip
        app.ice_at_ms = one_shot.elapsed_ms
        app.panel.view.ice_ms = 0
        app.panel.hurry()
        app.sounder.play(sounder.CLICK, now_ms)
    if one_shot.step(now_ms, trigger, estop_closed, app.sensors, app.settings.values):
        _end(app, now_ms)
        return
    if one_shot.phase == shot.OPEN:
        _estimate(app, one_shot)
    app.board.leave_behind(board_room.FREEZING, one_shot.elapsed_ms)
    if app.slot % 5 == 0 and one_shot.phase == shot.OPEN and not app.panel.urgent:
        _count_down(app, now_ms)


def _estimate(app, one_shot):
    """How deep it is by now; in the depth-controlled mode, whether that is enough."""
    sensors = app.sensors
    skin = sensors.skin
    told = app.estimate
    elapsed_ms = one_shot.elapsed_ms
    told.step(
        elapsed_ms - app.estimated_ms,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        skin.c_x100,
        skin.valid,
    )
    app.estimated_ms = elapsed_ms
    # Only ever earlier than the hardware timer, and not before the lower bound. H-01, H-02
    if app.target_um and elapsed_ms >= app.least_ms and told.reached(app.target_um):
        one_shot.enough = True


def _start_shot(app, now_ms, trigger, estop_closed):
    """The record is in flash, or there is no freeze. H-08"""
    if app.journal.waiting():
        app.faults.latch(faults.JOURNAL_FAILED, False)
    if app.faults.latched or not trigger or not estop_closed:
        app.shot.cancel(app.planned_us, shot.CANCELLED)
        _end(app, now_ms)
        return
    app.begun = True
    app.shot.begin(app.planned_us, now_ms, not state_prechill.rewarmed(app))
    app.sounder.play(sounder.START, now_ms)


def _count_down(app, now_ms):
    view = app.panel.view
    # The screen counts the dose, the gate the dose corrected for the valve's lags: both
    # begin and end together to within some ms.
    left_ms = app.dose_ms - app.shot.elapsed_ms
    view.remaining_ms = left_ms if left_ms > 0 else 0
    view.estimate_um = app.estimate.depth_um
    if app.ice_at_ms >= 0:
        view.ice_ms = app.shot.elapsed_ms - app.ice_at_ms
    app.panel.update()
    second = view.remaining_ms // 1000
    if second != app.second:
        if second < 5 and app.second >= 0:
            app.sounder.play(sounder.COUNT, now_ms)
        app.second = second


def _end(app, now_ms):
    """The shot is over and the valve proved closed: record it, tell it, go on."""
    one_shot = app.shot
    app.closed_ms = now_ms
    app.closed_for_ms = 0
    cause = one_shot.cause
    delivered_us = one_shot.delivered_us
    app.record(
        journal.FREEZE_END,
        app.treatment_seq,
        app.cycle,
        cause,
        app.dose_ms,
        app.planned_us,
        delivered_us,
        one_shot.nozzle_min_c_x100,
        one_shot.pressure_min_mbar,
    )
    app.board.leave_behind(board_room.RUNNING, 0)
    view = app.panel.view
    view.complete = one_shot.complete()
    view.planned_ms = app.dose_ms
    # In the operator's terms: time of flow, that is, with the lags taken out again.
    lag_us = app.most_ms * 1000 - app.planned_us
    view.delivered_ms = max(0, delivered_us + lag_us) // 1000 if delivered_us else 0
    app.tally.add(one_shot, view.delivered_ms)
    if delivered_us:
        observation.begin(app)
    view.nozzle_min_c_x100 = app.tally.nozzle_min_c_x100
    view.interruptions = app.tally.interruptions
    if cause == shot.ESTOP:
        app.faults.latch(faults.ESTOP, not app.board.estop_closed())
    if one_shot.fault:
        app.faults.latch(one_shot.fault, False)
    app.summary = True
    if delivered_us:
        _judge(app, one_shot)
    if app.faults.fresh:
        app.report_faults(now_ms)
        return
    state_thawing.freeze_ended(app, now_ms)
    if app.short:
        app.sounder.play(sounder.ALARM_LOW, now_ms)


def _judge(app, one_shot):
    """Record the estimate; a complete freeze that leaves the lesion's base warm is told. H-02"""
    told = app.estimate
    values = app.settings.values
    short_um = values[schema.DEPTH_UM] - told.depth_um
    app.short = one_shot.complete() and short_um > _SHORT_UM
    note = _NOTE_NONE
    if app.short:
        note = _NOTE_SHORT
    elif one_shot.cause == shot.BY_DEPTH:
        note = _NOTE_BY_DEPTH
    app.record(
        journal.ESTIMATE,
        app.treatment_seq,
        app.cycle,
        told.depth_um,
        told.spread_um,
        told.effective_ms,
        told.skin_ms,
        values[schema.DEPTH_UM] + values[schema.MARGIN_UM],
        note,
    )
    view = app.panel.view
    view.estimate_um = told.depth_um
    view.short = app.short
    if app.short:
        app.link.event({"ev": "short", "estimate_um": told.depth_um, "short_um": short_um})
