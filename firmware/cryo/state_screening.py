"""SCREENING: the checklist before a treatment, page by page, and what its answers lead to.

Works on an App. May import micropython.const and cryo's arming, buttons, checklist, journal,
refusal, schema, sounder, transitions. Controls: H-19 ('avoid' stops; 'caution' needs the
physician's own long hold, one for each; all of it is recorded), H-23 (an override is no slip), H-18
(answers belong to one patient, for an hour at most).

A page is answered with SELECT: none of these. UP and DOWN go to a line; SELECT then says that it
applies.
"""

from micropython import const

from cryo import arming, buttons, checklist, journal, refusal, schema, sounder, transitions

_IDLE_MS = const(180000)  # nobody answers: back to READY

# Outcomes, as the record says
_NOTHING = const(1)
_OVERRIDDEN = const(2)
_STOPPED = const(3)
_LEFT = const(4)
_TIMED_OUT = const(5)


# This state's own, reset by `enter`; the presenter reads it
page = 0
item = -1  # the chosen line of the page, or -1
doubt = 0  # number of the item that stands on the screen alone, or 0
present = 0  # bit n-1 = item n applies
overridden = 0
answered = False  # to the end, and recorded


def enter(app, event):
    """A new checklist: the first page."""
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
        return _doubting(app, now_ms, keys)
    if keys.repeat & (buttons.UP | buttons.DOWN):
        _move(app, now_ms, -1 if keys.repeat & buttons.UP else 1)
    elif keys.clicked & buttons.SELECT:
        return _answer(app, now_ms)
    return 0


def leave(app, event):
    """Unless it was answered to the end: record how it was left, and nobody is cleared. H-19"""
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
        return _answered(app)
    _show_anew(app, now_ms)
    return 0


def _move(app, now_ms, by):
    global item
    item = item + by
    if item < -1 or item >= checklist.on_page(page):
        app.sounder.play(sounder.REFUSED, now_ms)
        return
    item = item
    app.sounder.play(sounder.CLICK, now_ms)
    _show_anew(app, now_ms)


def _show_anew(app, now_ms):
    app.machine.begin_anew(now_ms)
    app.buttons.spend()  # H-23: one press answers one screen
    app.display.redraw()


def _doubting(app, now_ms, keys):
    """An item applies: 'avoid' has stopped; 'caution' waits for the physician."""
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
    _show_anew(app, now_ms)


def _answered(app):
    """The last page: on towards ARMED, if everything still permits it."""
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
