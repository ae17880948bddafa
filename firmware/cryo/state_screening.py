"""SCREENING: the checklist before a treatment, page by page, and what its answers lead to.

Works on an App. May import micropython.const and cryo's buttons, journal, state_prechill, schema,
checklist, sounder, transitions, presenter. Controls: H-19 ('avoid' stops; 'caution' needs
the physician's own long hold, one for each; all of it is recorded), H-23 (an override is no slip),
H-18 (answers belong to one patient, for an hour at most).

A page is answered with SELECT: none of these. UP and DOWN go to a line; SELECT then says that it
applies.
"""

from micropython import const

from cryo import (
    buttons,
    checklist,
    journal,
    presenter,
    schema,
    sounder,
    state_prechill,
    transitions,
)

_VALID_MS = const(3600000)  # for the same patient, since this power-on
_IDLE_MS = const(180000)  # nobody answers: back to READY

# Outcomes, as the record says
NOTHING = const(1)
_OVERRIDDEN = const(2)
STOPPED = const(3)
_LEFT = const(4)
TIMED_OUT = const(5)


class Answers:
    """The checklist that is being answered, and whom the last one cleared. Made once."""

    def __init__(self):
        self.page = 0
        self.item = -1  # the chosen line of the page, or -1
        self.doubt = 0  # number of the item that stands on the screen alone, or 0
        self.present = 0  # bit n-1 = item n applies
        self.overridden = 0
        self.patient_ref = 0  # whom the last complete checklist cleared, or 0
        self.at_ms = 0  # uptime

    def reset(self):
        """A new checklist."""
        self.page = 0
        self.item = -1
        self.doubt = 0
        self.present = 0
        self.overridden = 0


def due(app):
    """Whether the checklist has to be answered before this patient is treated. H-19"""
    values = app.settings.values
    if not values[schema.SCREENING]:
        return False
    answers = app.answers
    patient = values[schema.PATIENT_REF]
    if not patient or patient != answers.patient_ref:
        return True
    return app.uptime_ms - answers.at_ms > _VALID_MS


def begin(app):
    """From READY: the first page."""
    app.answers.reset()
    app.event(transitions.MUST_ASK)


def step(app, now_ms, keys):
    """SCREENING: one tick."""
    if state_prechill.refusal(app, now_ms, keys):
        return
    answers = app.answers
    if keys.pressed & buttons.ARM:
        _leave(app, _LEFT, transitions.ARM_PRESSED)
    elif app.state_ms() > _IDLE_MS:
        _leave(app, TIMED_OUT, transitions.TIMED_OUT)
    elif answers.doubt:
        _doubting(app, now_ms, keys)
    elif keys.repeat & (buttons.UP | buttons.DOWN):
        _move(app, now_ms, -1 if keys.repeat & buttons.UP else 1)
    elif keys.clicked & buttons.SELECT:
        app.sounder.play(sounder.CLICK, now_ms)
        if answers.item >= 0:
            answers.doubt = checklist.ITEMS[answers.page * checklist.A_PAGE + answers.item][0]
            answers.present |= 1 << (answers.doubt - 1)
            _show_anew(app, now_ms)
        elif answers.page + 1 < checklist.PAGES:
            answers.page += 1
            _show_anew(app, now_ms)
        else:
            _answered(app, now_ms)


def _move(app, now_ms, by):
    answers = app.answers
    item = answers.item + by
    if item < -1 or item >= checklist.on_page(answers.page):
        app.sounder.play(sounder.REFUSED, now_ms)
        return
    answers.item = item
    app.sounder.play(sounder.CLICK, now_ms)
    _show_anew(app, now_ms)


def _show_anew(app, now_ms):
    app.treatment.begin_anew(now_ms)
    app.buttons.spend()  # H-23: one press answers one screen
    presenter.show_state(app)


def _doubting(app, now_ms, keys):
    """An item applies: 'avoid' has stopped; 'caution' waits for the physician."""
    answers = app.answers
    bit = 1 << (answers.doubt - 1)
    if checklist.ITEMS[answers.doubt - 1][1] == checklist.AVOID:
        if keys.clicked & buttons.SELECT:
            _leave(app, STOPPED, transitions.STOPPED)
    elif keys.held_long & buttons.SELECT:
        answers.overridden |= bit
        app.sounder.play(sounder.ARMED, now_ms)
        _back(app, now_ms)
    elif keys.pressed & (buttons.UP | buttons.DOWN):
        answers.present &= ~bit  # chosen by mistake
        answers.overridden &= ~bit
        app.sounder.play(sounder.CLICK, now_ms)
        _back(app, now_ms)
    elif keys.clicked & buttons.SELECT:
        app.sounder.play(sounder.REFUSED, now_ms)


def _back(app, now_ms):
    app.answers.doubt = 0
    app.answers.item = -1
    _show_anew(app, now_ms)


def _answered(app, now_ms):
    """The last page: on towards ARMED, if everything still permits it."""
    if not state_prechill.permitted(app, now_ms):
        return
    answers = app.answers
    _record(app, _OVERRIDDEN if answers.overridden else NOTHING)
    answers.patient_ref = app.settings.values[schema.PATIENT_REF]
    answers.at_ms = app.uptime_ms
    state_prechill.go_on(app, now_ms, transitions.ANSWERED)


def _leave(app, outcome, event):
    _record(app, outcome)
    app.answers.patient_ref = 0
    app.event(event)


def _record(app, outcome):
    answers = app.answers
    app.record(
        journal.SCREENING,
        answers.present,
        answers.overridden,
        outcome,
        app.settings.values[schema.PATIENT_REF],
        checklist.LIST_VERSION,
    )


def abandon(app):
    """A fault ends the checklist: recorded as left, and nobody is cleared. H-19"""
    _record(app, _LEFT)
    app.answers.patient_ref = 0
