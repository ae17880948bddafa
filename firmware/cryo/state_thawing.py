"""What follows a freeze: the next cycle's THAWING, or the end of the treatment.

Works on an App. May import micropython.const and cryo's buttons, journal, state_prechill, schema,
sounder, summary, transitions, presenter. Controls: H-15 (after a thaw nothing goes on by itself: a
person says that it is over, and holds ARM), H-01 (no second freeze on tissue that is still frozen:
a shortest thaw).
"""

from micropython import const

from cryo import (
    buttons,
    journal,
    presenter,
    schema,
    sounder,
    state_prechill,
    summary,
    transitions,
)

_BY_OPERATOR = const(1)
_BY_SKIN = const(2)
_BY_STOP = const(3)

_NO_SKIN = const(100000)
_SKIN_THAWED_C_X100 = const(100)  # its surface is above freezing, by more than the sensor's step
_SKIN_LOOKS = const(30)  # so many looks in a row, ten a second


def freeze_ended(app, now_ms):
    """After a freeze without a fault: the thaw before the next cycle, or the end."""
    if app.panel.view.complete and app.cycle < app.cycles:
        app.thawed = False
        app.warm_looks = 0
        app.event(transitions.CYCLE_ENDED)
        app.sounder.play(sounder.COMPLETE, now_ms)
        return
    complete = app.panel.view.complete
    summary.close(app, summary.COMPLETE if complete else summary.ENDED_EARLY)
    app.event(transitions.SHOT_ENDED)
    app.sounder.play(sounder.COMPLETE if complete else sounder.ENDED_EARLY, now_ms)


def thawing(app, now_ms, keys):
    """THAWING: SELECT says that it is over; then ARM held leads to the next freeze."""
    if state_prechill.refusal(app, now_ms, keys):
        return
    if keys.clicked & buttons.ARM:
        _record(app, _BY_STOP)
        summary.close(app, summary.STOPPED)
        app.event(transitions.STOPPED)
        app.sounder.play(sounder.ENDED_EARLY, now_ms)
    elif app.thawed:
        if keys.held & buttons.ARM:
            _next(app, now_ms)
    elif app.state_ms() < app.settings.values[schema.THAW_MIN_S] * 1000:
        if keys.clicked & buttons.SELECT or keys.held & buttons.ARM:
            app.sounder.play(sounder.REFUSED, now_ms)
    elif keys.clicked & buttons.SELECT:
        _is_thawed(app, now_ms, _BY_OPERATOR)
    elif app.slot == 3 and _skin_warm(app):
        _is_thawed(app, now_ms, _BY_SKIN)
    elif keys.held & buttons.ARM:
        app.sounder.play(sounder.REFUSED, now_ms)
    if app.treatment.state == transitions.THAWING and app.slot == 3:
        presenter.tell_thaw(app)


def _is_thawed(app, now_ms, by):
    """The thaw is over; ARM held, and nothing else, leads on. H-15"""
    _record(app, by)
    app.thawed = True
    app.sounder.play(sounder.CLICK if by == _BY_OPERATOR else sounder.COLD, now_ms)
    presenter.show_state(app)


def _skin_warm(app):
    """Whether the skin sensor, where fitted, has seen thawed skin for three seconds."""
    skin = app.sensors.skin
    fitted = app.settings.values[schema.SKIN_SENSOR] and skin.valid
    if not fitted or skin.c_x100 < _SKIN_THAWED_C_X100:
        app.warm_looks = 0
        return False
    app.warm_looks += 1
    return app.warm_looks >= _SKIN_LOOKS


def _record(app, by):
    if app.thawed:
        return
    skin = app.sensors.skin
    seen = skin.c_x100 if app.settings.values[schema.SKIN_SENSOR] and skin.valid else _NO_SKIN
    app.record(journal.THAW, app.treatment_seq, app.cycle, app.state_ms(), by, seen)


def _next(app, now_ms):
    """ARM was held: the next cycle, if everything still permits it."""
    app.cycle += 1
    if state_prechill.permitted(app, now_ms):
        state_prechill.go_on(app, now_ms, transitions.ARM_HELD)
    else:
        app.cycle -= 1
