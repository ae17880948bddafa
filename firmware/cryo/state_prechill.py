"""PRECHILL: chill-down purge of the line, away from the patient, until liquid reaches the nozzle.

Works on an App. May import gc and cryo's arming, board, buttons, demand, faults, journal, schema,
shot, sounder, transitions. Controls: H-02 (chill-down: a freeze is timed with liquid from its first
millisecond), H-21 (the purge points away: the screen says so first, the trigger is held, the time
is bounded; after ARMED it needs ARM again), H-08 (its beginning is in flash before the valve
opens), H-04, H-15 (a purge never becomes a freeze: it ends in ARMED or in a fault, and the trigger
must be released in between).

Nothing here allocates from the beginning of the shot until the valve is proved closed.
"""

import gc

from cryo import (
    arming,
    board as board_module,
    buttons,
    demand,
    faults,
    journal,
    schema,
    shot,
    sounder,
    transitions,
)

# Variables of this state, reset by `enter`; the presenter reads them
cold = False  # the purge has completed; TRIGGER must be released
rewarmed = False  # the line has warmed in ARMED: ARM must be held before it is purged again


def enter(app, event):
    """The line is warm. A purge needs its own intent: TRIGGER may be held at the skin. H-21"""
    global cold, rewarmed
    cold = False
    rewarmed = app.machine.was == transitions.ARMED


def step(app, now_ms):
    """One tick: TRIGGER purges; ARM or a time-out goes back."""
    global cold
    if demand.kind:
        if not demand.running:
            demand.purge()
        return 0
    keys = app.buttons
    if rewarmed:
        return _ask_for_arm(app, keys, now_ms)
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if cold:
        # The trigger must be released after the purge, before a freeze. H-21
        if arming.rewarmed(app):
            cold = False
            app.machine.restart_timer(now_ms)
            app.display.redraw()
        elif not keys.down & buttons.TRIGGER:
            return transitions.COLD
    elif keys.pressed & buttons.TRIGGER:
        _begin(app)
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        return transitions.TIMED_OUT
    else:
        app.display.refresh()
    return 0


def _ask_for_arm(app, keys, now_ms):
    """ARM held permits the purge; ARM pressed goes back; TRIGGER does nothing. H-21"""
    global rewarmed
    if keys.held & buttons.ARM:
        rewarmed = False
        app.machine.restart_timer(now_ms)
        app.sounder.play(sounder.CLICK, now_ms)
        app.display.redraw()
    elif keys.clicked & buttons.ARM:
        return transitions.ARM_PRESSED
    elif keys.pressed & buttons.TRIGGER:
        app.sounder.play(sounder.REFUSED, now_ms)
    elif app.state_ms() >= app.settings.values[schema.ARM_TIMEOUT_S] * 1000:
        return transitions.TIMED_OUT
    else:
        app.display.refresh()
    return 0


def follow(app, now_ms, ended):
    """After the shot's step: update the screen, or handle the end. Returns an event, or 0."""
    if ended:
        return _end(app, now_ms)
    one_shot = app.shot
    if demand.running:
        app.board.leave_behind(board_module.PURGING, one_shot.elapsed_ms)
        if app.clock.slot % 5 == 0 and one_shot.phase == shot.OPEN:
            app.display.refresh()
    return 0


def _begin(app):
    """TRIGGER: record the beginning of a purge; the purge follows in the next tick. H-08"""
    sensors = app.sensors
    app.record(
        journal.PRECHILL_BEGIN,
        app.summary.seq,
        app.summary.cycle,
        shot.PURGE_US,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        sensors.level_permille.value,
        sensors.vsys_mv(),
    )
    demand.awaited()
    app.display.redraw()


def _end(app, now_ms):
    """The purge has ended and the valve is proved closed: record it; if cold, ARMED is next."""
    global cold
    one_shot = app.shot
    app.record(
        journal.PRECHILL_END,
        app.summary.seq,
        app.summary.cycle,
        one_shot.cause,
        one_shot.planned_us,
        one_shot.delivered_us,
        app.sensors.nozzle.c_x100,
        one_shot.nozzle_min_c_x100,
        one_shot.pressure_min_mbar,
    )
    app.board.leave_behind(board_module.RUNNING, 0)
    if one_shot.cause == shot.ESTOP:
        app.faults.latch(faults.ESTOP, not app.board.estop_closed())
    if one_shot.fault:
        app.faults.latch(one_shot.fault, False)
    if app.faults.fresh:
        return transitions.FAULTED
    # If not cold, the trigger was released too early: the operator may purge again or go back.
    cold = one_shot.cause == shot.COLD
    if cold:
        gc.collect()
    app.machine.restart_timer(now_ms)
    app.sounder.play(sounder.COLD if cold else sounder.ENDED_EARLY, now_ms)
    app.display.redraw()
    return 0
