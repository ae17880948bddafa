"""SCREENING: the cautions of the plan, then the checklist, before a treatment.

Works on an App. May import micropython.const and cryo's arming, buttons, on_demand, refusal,
schema, transitions; loads cautions and questions on demand. Controls: H-26, by cautions.py; H-19,
H-23, H-18, by questions.py. Each is in memory only while it asks.
"""

from micropython import const

from cryo import arming, buttons, on_demand, refusal, schema, transitions

_IDLE_MS = const(180000)  # no answer: back to READY

# Variables of this state; the presenter shows what asks
questions = None  # the open questions
asks = ""  # their module


def enter(app, event):
    """Ask for the plan's cautions, or start a new checklist."""
    to_confirm = arming.to_confirm(app.settings.values[schema.APPLICATOR])
    _ask(app, "cautions" if to_confirm else "questions")


def _ask(app, module):
    global questions, asks
    app.clock.exclude()
    asks = module
    questions = on_demand.load(module).Questions(app)


def step(app, now_ms):
    """One tick."""
    keys = app.buttons
    if refusal.shown(app, keys):
        return 0
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if app.state_ms() > _IDLE_MS:
        return transitions.TIMED_OUT
    event = questions.step(app, now_ms, keys)
    if event == transitions.MUST_ASK:
        _unload(app)
        _ask(app, "questions")
        return 0
    return event


def leave(app, event):
    """Record how the questions were left, and unload them."""
    questions.leave(app, event)
    _unload(app)


def _unload(app):
    global questions
    questions = None
    app.clock.exclude()
    on_demand.unload(asks)
