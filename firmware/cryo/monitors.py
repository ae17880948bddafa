"""Monitors while the valve is closed, in every state: E-stop, sensors, display, closed valve.

Works on an App. May import micropython.const and cryo's buttons, closing, faults, interlocks,
journal, schema, sounder, transitions. Controls: H-03 (the E-stop, from any state), H-04 (a stuck
key), H-05 (coil current, or a nozzle that does not warm, with the valve commanded closed), H-10,
H-14, H-11 (overruns are recorded).
"""

from micropython import const

from cryo import (
    buttons,
    closing as closing_module,
    faults,
    interlocks,
    journal,
    schema,
    sounder,
    transitions,
)

_SKIN_SILENT_MS = const(2000)
_TRIGGER_MS = const(10000)
_FREEZE_MS = const(40000)  # longer than any freeze
_TICKS_MASK = const(0x3FFFFFFF)
_LONG_AGO_MS = const(10000)
_REST_MS = const(120000)  # without flow a nozzle has warmed by then
_CURRENTS = const(5)  # readings: two spikes within three must not lock the device


closing = closing_module.Closing()
closed_ms = 0  # ticks_ms of the last closing
settled = False  # the coil current of that opening has decayed
doubt = 0  # a shot has ended, and the valve is not yet proved closed
resting = 0  # a shot has ended; the nozzle is not yet checked for a leak
currents = 0  # consecutive readings with current in the coil
skin_seen_ms = 0  # uptime of the last valid skin reading
logged_overruns = 0


def reset(now_ms):
    """Before the first shot: nothing was opened."""
    closed((now_ms - _LONG_AGO_MS) & _TICKS_MASK, 0)


def closed(now_ms, flowed=1):
    """The gate is low and the coil has no current; if nitrogen has flowed, the proof is to come."""
    global closed_ms, settled, currents, doubt, resting
    doubt = flowed
    resting = flowed
    closed_ms = now_ms
    settled = False
    currents = 0
    closing.begin()


def estop(app, estop_closed):
    """H-03: an open loop latches its fault immediately, in every state."""
    if not estop_closed:
        app.faults.latch(faults.ESTOP, True)
    elif app.faults.present:
        app.faults.set_present(faults.ESTOP, False)


def watch(app):
    """Check ten times a second, with the valve closed."""
    global logged_overruns, skin_seen_ms
    clock = app.clock
    latched = app.faults
    sensors = app.sensors
    state = app.machine.state
    _watch_closing(app, state)
    if state == transitions.SELF_TEST or state == transitions.BOOT:
        skin_seen_ms = clock.uptime_ms  # a slow start is no silence of the skin sensor
        return
    if _coil_current(app):
        latched.latch(faults.COIL_SHORTED, True)
    if closing.state == closing_module.STUCK:
        latched.latch(faults.VALVE_STUCK_OPEN, True)
    fault = interlocks.broken(sensors)
    if fault:
        latched.latch(fault, True)
    elif latched.present:
        latched.set_present(faults.NOZZLE_SENSOR, False)
        latched.set_present(faults.PRESSURE_SENSOR, False)
        latched.set_present(faults.LEVEL_SENSOR, False)
    if app.display.failed:
        latched.latch(faults.SCREEN, True)  # H-14
    _watch_keys(app, state)
    _watch_skin(app)
    if clock.overruns != logged_overruns and clock.uptime_ms % 60000 < 100:
        logged_overruns = clock.overruns
        app.record(journal.OVERRUN, clock.overruns, clock.worst_tick_us)


def _watch_keys(app, state):
    """A key that stays closed, or chatters, is a fault, and acts no more. H-04"""
    stuck = app.buttons.stuck
    latched = app.faults.latched & (1 << (faults.BUTTON_STUCK - 1))
    if stuck & buttons.TRIGGER and not latched:
        # TRIGGER has no use in READY; elsewhere it may be held for as long as the longest freeze.
        unused = state == transitions.READY or state == transitions.SCREENING
        if app.state_ms() < (_TRIGGER_MS if unused else _FREEZE_MS):
            stuck &= ~buttons.TRIGGER
    if stuck:
        app.faults.latch(faults.BUTTON_STUCK, True)
    elif app.faults.present:
        app.faults.set_present(faults.BUTTON_STUCK, False)


def _watch_closing(app, state):
    """Whether the nozzle warms: warn within 3 s, and end all doubt, or latch, within 4.5 s. H-05"""
    global doubt, resting
    if not app.sensors.nozzle.valid:
        return
    if resting and app.clock.since(closed_ms) >= _REST_MS:
        resting = 0
        if interlocks.leaking(app.sensors.nozzle.c_x100):
            app.faults.latch(faults.VALVE_STUCK_OPEN, True)
    before = closing.state
    closing.step(app.sensors.nozzle.c_x100)
    now = closing.state
    if now == before:
        return
    if now == closing_module.PROVED:
        doubt = 0
    else:
        doubt = 1
        if now == closing_module.LATE and state != transitions.FAULT:
            app.sounder.play(sounder.ALARM_HIGH, app.clock.now_ms)
    app.display.redraw()


def _coil_current(app):
    """Whether current has flowed for so many readings, with both switches off. H-05"""
    global settled, currents
    if not settled:
        settled = app.clock.since(closed_ms) >= interlocks.COIL_SETTLED_MS
    currents = currents + 1 if settled and interlocks.coil_current(app.sensors) else 0
    return currents >= _CURRENTS


def _watch_skin(app):
    """H-10: a skin sensor that is set as fitted must answer, otherwise latch a fault."""
    global skin_seen_ms
    skin = app.sensors.skin
    uptime_ms = app.clock.uptime_ms
    if not app.settings.values[schema.SKIN_SENSOR]:
        skin_seen_ms = uptime_ms
        skin.valid = False
        answered = True
    else:
        app.board.fit_skin()
        if skin.valid:
            skin_seen_ms = uptime_ms
        elif not app.board.skin.answers() and uptime_ms % 1000 < 100:
            app.board.skin.start()
        answered = uptime_ms - skin_seen_ms < _SKIN_SILENT_MS
    if not answered:
        app.faults.latch(faults.SKIN_SENSOR, True)
    elif app.faults.present:
        app.faults.set_present(faults.SKIN_SENSOR, False)
