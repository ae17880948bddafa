"""Flow demand: a state's request to open the valve, and the only driver of the shot.

Works on an App. May import micropython.const and cryo's buttons, faults, monitors, schema, shot,
sounder. Controls: H-01 (the raw trigger contact ends it at the first open sample), H-08 (no opening
without the record of its beginning in flash), H-22 (a pedal that is pressed, released, and pressed
again).

A state first records that an opening begins (`awaited`), and one tick later, with the record in
flash, demands it. From then on the shot is stepped here once a tick until the valve is proved
closed. Nothing here allocates.
"""

from micropython import const

from cryo import buttons, faults, monitors, schema, shot, sounder

# kind
_NONE = const(0)
_AWAITED = const(1)  # the record of its beginning is being written to flash
_FREEZE = const(2)
_PURGE = const(3)


kind = _NONE
running = False  # the shot has been started
gate_us = 0  # longest gate time
cold = False  # the nozzle is cold at the opening, so it must stay cold
let_go = False  # PRESS mode: the pedal has been released since the start


def awaited():
    """An opening has been recorded, and will be demanded in the next tick."""
    global kind, running, let_go
    kind = _AWAITED
    running = False
    let_go = False


def freeze(planned_us, chilled):
    """Open for `planned_us`; `chilled`: the nozzle is cold, so it must stay cold."""
    global kind, gate_us, cold
    kind = _FREEZE
    gate_us = planned_us
    cold = chilled


def purge():
    """Open until the nozzle is cold, for shot.PURGE_US at most."""
    global kind, gate_us
    kind = _PURGE
    gate_us = shot.PURGE_US


def drive(app, now_ms, raw, estop_closed):
    """One tick of the demand. True when the shot has ended and the valve is proved closed.

    `raw`: this tick's undebounced button mask.
    """
    global kind, running
    if kind < _FREEZE:
        return False
    trigger = _trigger(app, raw)
    one_shot = app.shot
    if running:
        ended = one_shot.step(now_ms, trigger, estop_closed, app.sensors, app.settings.values)
    else:
        ended = _start(app, now_ms, trigger and estop_closed)
    if ended:
        kind = _NONE
        running = False
        monitors.closed(now_ms, 1 if one_shot.delivered_us else 0)
    return ended


def _start(app, now_ms, permitted):
    """Start the shot if its record is in flash. True if it was cancelled. H-08"""
    global running
    one_shot = app.shot
    if app.journal.waiting():
        app.faults.latch(faults.JOURNAL_FAILED, False)
    if app.faults.latched or not permitted:
        one_shot.cancel(gate_us, shot.CANCELLED)
        return True
    running = True
    if kind == _PURGE:
        one_shot.purge(now_ms)
        app.sounder.play(sounder.PURGE, now_ms)
    else:
        one_shot.begin(gate_us, now_ms, cold)
        app.sounder.play(sounder.START, now_ms)
    return False


def _trigger(app, raw):
    """Trigger demand: whether the trigger or pedal demands flow.

    Uses the raw contact. HOLD mode: one open sample ends it (H-01). PRESS mode: the first closed
    sample after the pedal was released ends it (H-22).
    """
    global let_go
    pulled = raw & buttons.TRIGGER
    if app.settings.values[schema.TRIGGER_MODE] == schema.HOLD:
        return pulled
    if let_go:
        return not pulled
    let_go = not app.buttons.down & buttons.TRIGGER
    return True
