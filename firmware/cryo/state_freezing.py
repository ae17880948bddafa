"""FREEZING: demand the shot, follow it with the depth estimate, and record its end.

Works on an App. May import micropython.const and cryo's arming, board, buttons, demand, dose,
faults, journal, monitors, plan, schema, shot, sounder, transitions. Controls: H-08 (no
freeze without the record of its beginning in flash), H-01 (the estimate ends it early, never late),
H-27 (warns at once if the surface says that the jet is not on it, or that it is not the skin of the
model: then no depth is shown or recorded, and none ends the freeze), H-05 (FREEZING is not left
before the valve is proved closed), H-15.

Nothing here allocates from the beginning of the shot until the valve is proved closed.
"""

from micropython import const

from cryo import (
    arming,
    board as board_module,
    buttons,
    demand,
    dose,
    faults,
    journal,
    monitors,
    plan,
    schema,
    shot,
    sounder,
    transitions,
)

_ENDS_MS = const(20)  # two ticks from here to the closed gate: never longer than planned
_WITNESS_SLOT = const(3)  # of a tick: neither the one in which the sensor is read nor a drawn one


# Most marks of the ice field in one freeze. The queue has room for 16 records, and is not written
# while the valve is open: the end of the freeze must fit behind them, however often SELECT is
# pressed. H-08
_MARKS_MOST = const(8)


# Variables of this state, reset by `enter`; the presenter reads them
estimated_ms = 0  # time since the gate opened that the estimate covers
ice_at_ms = -1  # time of the ice field mark, or -1
leads_to = 0  # the event of its end, once the valve is proved closed
doubt = 0  # why the estimate of the last freeze is not to be believed: witness.py


def enter(app, event):
    """Start a freeze: its record is being written to flash."""
    global estimated_ms, ice_at_ms, leads_to, doubt
    leads_to = 0
    values = app.settings.values
    demand.awaited()
    app.summary.shown()
    row = dose.row_of(values[schema.APPLICATOR])
    arming.estimate.begin(row, values[schema.TARGET])
    skin = app.sensors.skin
    arming.witness.begin(row, values[schema.SKIN_SENSOR], skin.c_x100, skin.valid)
    doubt = 0
    estimated_ms = 0
    ice_at_ms = -1
    arming.verdict.begin()


def step(app, now_ms):
    """One tick: demand the freeze, and let the operator mark the ice field."""
    global ice_at_ms
    if leads_to:
        return (
            0 if monitors.doubt else leads_to
        )  # no result before the valve is proved closed. H-05
    if not demand.running:
        demand.freeze(plan.planned_us, not arming.rewarmed(app))
        return 0
    one_shot = app.shot
    if app.buttons.pressed & buttons.SELECT and one_shot.phase == shot.OPEN:
        if app.journal.waiting() >= _MARKS_MOST:
            app.sounder.play(sounder.REFUSED, now_ms)
            return 0
        app.journal.add(
            journal.ICE_FIELD, transitions.FREEZING, app.clock.uptime_ms,
            app.summary.seq, app.summary.cycle, one_shot.elapsed_ms,
        )  # fmt: skip
        ice_at_ms = one_shot.elapsed_ms
        app.display.mark()
        app.sounder.play(sounder.CLICK, now_ms)
    return 0


def follow(app, now_ms, ended):
    """After the shot's step: update the estimate, or handle the end. Returns an event, or 0."""
    if ended:
        return _end(app)
    one_shot = app.shot
    if not demand.running:
        return 0
    if one_shot.phase == shot.OPEN:
        _estimate(app, one_shot)
        if app.clock.slot == _WITNESS_SLOT:
            _witness(app, now_ms, one_shot)
        if app.clock.slot % 5 == 0 and not app.display.urgent:
            app.display.refresh()
    app.board.leave_behind(board_module.FREEZING, one_shot.elapsed_ms)
    return 0


def _estimate(app, one_shot):
    """Update the depth estimate; in the depth-controlled mode, end the freeze when reached."""
    global estimated_ms
    sensors = app.sensors
    skin = sensors.skin
    elapsed_ms = one_shot.elapsed_ms
    estimate = arming.estimate
    estimate.step(
        elapsed_ms - estimated_ms,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        skin.c_x100,
        skin.valid,
    )
    estimated_ms = elapsed_ms
    # Ends a freeze only before the hardware timer, and not before the lower bound. H-01, H-02
    target_um = plan.target_um
    if not target_um or elapsed_ms < plan.least_ms:
        return
    if not arming.witness.may_end():
        # Nobody knows the depth: the planned time ends it, as without the mode. H-27
        if elapsed_ms + _ENDS_MS >= plan.dose_gate_ms:
            one_shot.enough = shot.BY_TIME
    elif estimate.reached(target_um):
        one_shot.enough = shot.BY_DEPTH


def _witness(app, now_ms, one_shot):
    """Ten times a second: does the surface do what a sprayed skin does? If not, warn. H-27"""
    global doubt
    estimate = arming.estimate
    witness = arming.witness
    skin = app.sensors.skin
    if not witness.step(
        one_shot.elapsed_ms, estimate.effective_ms, estimate.skin_ms, skin.c_x100, skin.valid
    ):
        return
    doubt = witness.doubt
    arming.verdict.doubt(app, now_ms, witness, estimate.effective_ms)


def _end(app):
    """The shot has ended and the valve is proved closed: record it, and return the next event."""
    global leads_to
    one_shot = app.shot
    summary = app.summary
    delivered_us = one_shot.delivered_us
    app.record(
        journal.FREEZE_END,
        summary.seq,
        summary.cycle,
        one_shot.cause,
        plan.dose_ms,
        plan.planned_us,
        delivered_us,
        one_shot.nozzle_min_c_x100,
        one_shot.pressure_min_mbar,
    )
    app.board.leave_behind(board_module.RUNNING, 0)
    summary.add(one_shot, plan.flow_ms(delivered_us))
    if delivered_us:
        app.observation.begin(app)
    if one_shot.cause == shot.ESTOP:
        app.faults.latch(faults.ESTOP, not app.board.estop_closed())
    if one_shot.fault:
        app.faults.latch(one_shot.fault, False)
    if delivered_us:
        arming.verdict.record(app, arming.estimate, doubt)
    if app.faults.fresh:
        return transitions.FAULTED
    leads_to = transitions.SHOT_ENDED
    if summary.last_complete and summary.cycle < plan.cycles:
        leads_to = transitions.CYCLE_ENDED
    if not delivered_us:
        return leads_to
    app.display.redraw()
    return 0
