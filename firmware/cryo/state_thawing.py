"""THAWING: the thaw between two cycles. The operator confirms its end; ARM held arms the next.

Works on an App. May import micropython.const and cryo's arming, buttons, journal, refusal, schema,
sounder, transitions. Controls: H-15 (nothing continues automatically after a thaw: its end is
confirmed, and the operator holds ARM), H-01 (a minimum thaw time: no second freeze on tissue that
is still frozen).
"""

from micropython import const

from cryo import arming, buttons, journal, refusal, schema, sounder, transitions

_BY_OPERATOR = const(1)
_BY_SKIN = const(2)
_BY_STOP = const(3)

_NO_SKIN = const(100000)
_SKIN_THAWED_C_X100 = const(100)  # above freezing by more than the sensor's resolution
_ANSWER_MS = const(20000)
_SKIN_SAMPLES = const(30)  # consecutive samples, ten a second


# Variables of this state, reset by `enter`; the presenter reads them
thawed = False  # confirmed by the operator or the skin sensor
warm_samples = 0  # consecutive warm samples of the skin
asking = False  # whether to end the treatment with cycles left
asked_ms = 0


def enter(app, event):
    """Start a thaw: a freeze has just ended."""
    global thawed, warm_samples, asking
    thawed = False
    warm_samples = 0
    asking = False


def step(app, now_ms):
    """One tick: SELECT confirms the end of the thaw; then ARM held arms the next freeze."""
    keys = app.buttons
    if refusal.shown(app, keys):
        return 0
    if asking:
        return _answer(app, keys, now_ms)
    event = 0
    if keys.clicked & buttons.ARM:
        _ask(app, now_ms)
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


def _ask(app, now_ms):
    """ARM, pressed or not held long enough: ask before the treatment ends with cycles left."""
    global asking, asked_ms
    asking = True
    asked_ms = now_ms
    app.sounder.play(sounder.REFUSED, now_ms)
    app.display.redraw()


def _answer(app, keys, now_ms):
    """SELECT held ends the treatment; any other button, or 20 s, goes back to the thaw. H-02"""
    global asking
    if keys.held & buttons.SELECT:
        _record(app, _BY_STOP)
        return transitions.STOPPED
    if keys.clicked or keys.pressed & ~buttons.SELECT or app.clock.since(asked_ms) > _ANSWER_MS:
        asking = False
        keys.spend()
        app.display.redraw()
    return 0


def _is_thawed(app, now_ms, by):
    """The thaw is over; only ARM held leads on. H-15"""
    global thawed
    _record(app, by)
    thawed = True
    app.sounder.play(sounder.CLICK if by == _BY_OPERATOR else sounder.COLD, now_ms)
    app.display.redraw()


def _skin_warm(app):
    """Whether the skin sensor, if fitted, has measured thawed skin for three seconds."""
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
    """ARM was held: go on to the next cycle if arming is still permitted."""
    app.summary.turn(1)
    if arming.permitted(app):
        return arming.go_on(app, transitions.ARM_HELD)
    app.summary.turn(-1)
    return 0
