"""Monitors while the valve is closed, in every state: E-stop, sensors, display, closed valve.

Works on an App. May import micropython.const and cryo's closing, faults, interlocks, journal,
schema, transitions. Controls: H-03 (the E-stop, from any state), H-05 (coil current, or a nozzle
that does not warm, with the valve commanded closed), H-10, H-14, H-11 (overruns are recorded).
"""

from micropython import const

from cryo import closing as closing_module, faults, interlocks, journal, schema, transitions

_SKIN_SILENT_MS = const(2000)
_CURRENTS = const(3)  # readings: noise on an offset must not lock the device


closing = closing_module.Closing()
closed_ms = 0  # ticks_ms of the last closing
settled = False  # the coil current of that opening has decayed
currents = 0  # consecutive readings with current in the coil
skin_seen_ms = 0  # uptime of the last valid skin reading
logged_overruns = 0


def closed(now_ms):
    """The valve has just been proved closed."""
    global closed_ms, settled, currents
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
    global logged_overruns
    clock = app.clock
    latched = app.faults
    sensors = app.sensors
    if sensors.nozzle.valid:
        closing.step(sensors.nozzle.c_x100)
    state = app.machine.state
    if state == transitions.SELF_TEST or state == transitions.BOOT:
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
    _watch_skin(app)
    if clock.overruns != logged_overruns and clock.uptime_ms % 60000 < 100:
        logged_overruns = clock.overruns
        app.record(journal.OVERRUN, clock.overruns, clock.worst_tick_us)


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
        if skin.valid:
            skin_seen_ms = uptime_ms
        elif not app.board.skin.answers() and uptime_ms % 1000 < 100:
            app.board.skin.start()
        answered = uptime_ms - skin_seen_ms < _SKIN_SILENT_MS
    if not answered:
        app.faults.latch(faults.SKIN_SENSOR, True)
    elif app.faults.present:
        app.faults.set_present(faults.SKIN_SENSOR, False)
