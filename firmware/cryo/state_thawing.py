"""THAWING: between two cycles. A person says that the thaw is over; ARM held leads to the next.

Works on an App. May import micropython.const and cryo's arming, buttons, journal, refusal, schema,
sounder, transitions. Controls: H-15 (after a thaw nothing goes on by itself: a person says that it
is over, and holds ARM), H-01 (no second freeze on tissue that is still frozen: a shortest thaw).
"""

from micropython import const

from cryo import arming, buttons, journal, refusal, schema, sounder, transitions

_BY_OPERATOR = const(1)
_BY_SKIN = const(2)
_BY_STOP = const(3)

_NO_SKIN = const(100000)
_SKIN_THAWED_C_X100 = const(100)  # its surface is above freezing, by more than the sensor's step
_SKIN_SAMPLES = const(30)  # in a row, ten a second


# This state's own, reset by `enter`; the presenter reads it
thawed = False  # a person, or the skin sensor, has said so
warm_samples = 0  # of the skin, in a row


def enter(app, event):
    """A freeze has just ended."""
    global thawed, warm_samples
    thawed = False
    warm_samples = 0


def step(app, now_ms):
    """One tick: SELECT says that the thaw is over; then ARM held leads to the next freeze."""
    keys = app.buttons
    if refusal.shown(app, keys):
        return 0
    event = 0
    if keys.clicked & buttons.ARM:
        _record(app, _BY_STOP)
        event = transitions.STOPPED
    elif thawed:
        if keys.held & buttons.ARM:
            event = _next(app)
    elif app.state_ms() < app.settings.values[schema.THAW_MIN_S] * 1000:
        if keys.clicked & buttons.SELECT or keys.held & buttons.ARM:
            app.sounder.play(sounder.REFUSED, now_ms)
    elif keys.clicked & buttons.SELECT:
        _is_thawed(app, now_ms, _BY_OPERATOR)
    elif app.clock.slot == 3 and _skin_warm(app):
        _is_thawed(app, now_ms, _BY_SKIN)
    elif keys.held & buttons.ARM:
        app.sounder.play(sounder.REFUSED, now_ms)
    if app.clock.slot == 3:
        app.display.refresh()
    return event


def _is_thawed(app, now_ms, by):
    """The thaw is over; ARM held, and nothing else, leads on. H-15"""
    global thawed
    _record(app, by)
    thawed = True
    app.sounder.play(sounder.CLICK if by == _BY_OPERATOR else sounder.COLD, now_ms)
    app.display.redraw()


def _skin_warm(app):
    """Whether the skin sensor, where fitted, has seen thawed skin for three seconds."""
    global warm_samples
    skin = app.sensors.skin
    fitted = app.settings.values[schema.SKIN_SENSOR] and skin.valid
    if not fitted or skin.c_x100 < _SKIN_THAWED_C_X100:
        warm_samples = 0
        return False
    warm_samples += 1
    return warm_samples >= _SKIN_SAMPLES


def _record(app, by):
    if thawed:
        return
    skin = app.sensors.skin
    fitted = app.settings.values[schema.SKIN_SENSOR] and skin.valid
    app.record(
        journal.THAW, app.summary.seq, app.summary.cycle, app.state_ms(), by,
        skin.c_x100 if fitted else _NO_SKIN,
    )  # fmt: skip


def _next(app):
    """ARM was held: the next cycle, if everything still permits it."""
    app.summary.turn(1)
    if arming.permitted(app):
        return arming.go_on(app, transitions.ARM_HELD)
    app.summary.turn(-1)
    return 0
