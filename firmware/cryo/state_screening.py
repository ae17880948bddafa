"""SCREENING: the checklist before a treatment, page by page, and its outcome.

Works on an App. May import micropython.const and cryo's arming, buttons, checklist, journal,
refusal, schema, sounder, transitions. Controls: H-19 ('avoid' stops; 'caution' needs a long hold by
the physician for each item; all of it is recorded), H-23 (no override by accident), H-18 (answers
belong to one patient, for an hour at most).

SELECT on a page answers that none of its items applies. UP and DOWN choose an item; SELECT then
answers that it applies.
"""

from micropython import const

from cryo import arming, buttons, checklist, journal, refusal, schema, sounder, transitions

_IDLE_MS = const(180000)  # no answer: back to READY

# Outcomes, as in the record
_NOTHING = const(1)
_OVERRIDDEN = const(2)
_STOPPED = const(3)
_LEFT = const(4)
_TIMED_OUT = const(5)


# Variables of this state, reset by `enter`; the presenter reads them
page = 0
item = -1  # the chosen line of the page, or -1
doubt = 0  # number of the item that applies and is shown alone, or 0
present = 0  # bit n-1 = item n applies
overridden = 0
answered = False  # the checklist is complete and recorded


def enter(app, event):
    """Start a new checklist on its first page."""
    global answered, doubt, item, overridden, page, present
    page = 0
    item = -1
    doubt = 0
    present = 0
    overridden = 0
    answered = False


def step(app, now_ms):
    """One tick."""
    keys = app.buttons
    if refusal.shown(app, keys):
        return 0
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if app.state_ms() > _IDLE_MS:
        return transitions.TIMED_OUT
    if doubt:
        return _decide(app, now_ms, keys)
    if keys.repeat & (buttons.UP | buttons.DOWN):
        _move(app, now_ms, -1 if keys.repeat & buttons.UP else 1)
    elif keys.clicked & buttons.SELECT:
        return _answer(app, now_ms)
    return 0


def leave(app, event):
    """If the checklist is incomplete: record how it was left, and clear no patient. H-19"""
    if answered:
        return
    _record(
        app,
        _STOPPED if event == transitions.STOPPED
        else _TIMED_OUT if event == transitions.TIMED_OUT
        else _LEFT,
    )  # fmt: skip
    checklist.clear(0, app.clock.uptime_ms)


def _answer(app, now_ms):
    """SELECT: the chosen item applies, or none of the page does."""
    global doubt, page, present
    app.sounder.play(sounder.CLICK, now_ms)
    if item >= 0:
        row = checklist.ITEMS[page * checklist.A_PAGE + item]
        doubt = row[checklist.NUMBER]
        present |= 1 << (doubt - 1)
    elif page + 1 < checklist.PAGES:
        page += 1
    else:
        return _complete(app)
    _redraw(app, now_ms)
    return 0


def _move(app, now_ms, by):
    global item
    chosen = item + by
    if chosen < -1 or chosen >= checklist.on_page(page):
        app.sounder.play(sounder.REFUSED, now_ms)
        return
    item = chosen
    app.sounder.play(sounder.CLICK, now_ms)
    _redraw(app, now_ms)


def _redraw(app, now_ms):
    """Redraw the screen and restart the time-out."""
    app.machine.restart_timer(now_ms)
    app.buttons.spend()  # H-23: one press answers one screen
    app.display.redraw()


def _decide(app, now_ms, keys):
    """An item applies: 'avoid' stops the treatment; 'caution' needs the physician's decision."""
    global overridden, present
    bit = 1 << (doubt - 1)
    if checklist.ITEMS[doubt - 1][checklist.KIND] == checklist.AVOID:
        return transitions.STOPPED if keys.clicked & buttons.SELECT else 0
    if keys.held_long & buttons.SELECT:
        overridden |= bit
        app.sounder.play(sounder.ARMED, now_ms)
        _back(app, now_ms)
    elif keys.pressed & (buttons.UP | buttons.DOWN):
        present &= ~bit  # chosen by mistake
        overridden &= ~bit
        app.sounder.play(sounder.CLICK, now_ms)
        _back(app, now_ms)
    elif keys.clicked & buttons.SELECT:
        app.sounder.play(sounder.REFUSED, now_ms)
    return 0


def _back(app, now_ms):
    global doubt, item
    doubt = 0
    item = -1
    _redraw(app, now_ms)


def _complete(app):
    """The last page is answered: go on towards ARMED if arming is still permitted."""
    global answered
    if not arming.permitted(app):
        return 0
    _record(app, _OVERRIDDEN if overridden else _NOTHING)
    answered = True
    checklist.clear(app.settings.values[schema.PATIENT_REF], app.clock.uptime_ms)
    return arming.go_on(app, transitions.ANSWERED)


def _record(app, outcome):
    app.record(
        journal.SCREENING,
        present,
        overridden,
        outcome,
        app.settings.values[schema.PATIENT_REF],
        checklist.LIST_VERSION,
    )
