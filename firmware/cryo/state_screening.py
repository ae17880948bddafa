"""SCREENING: the checklist before a treatment.

Works on an App. May import micropython.const and cryo's buttons, on_demand, refusal, transitions;
loads questions on demand. Controls: H-19, H-23, H-18, by questions.py, which is in memory only
while this state lasts.
"""

from micropython import const

from cryo import buttons, on_demand, refusal, transitions

_IDLE_MS = const(180000)  # no answer: back to READY

# Variable of this state; the presenter shows it
questions = None  # the open checklist


def enter(app, event):
    """Start a new checklist."""
    global questions
    app.clock.exclude()
    questions = on_demand.load("questions").Questions(app)


def step(app, now_ms):
    """One tick."""
    keys = app.buttons
    if refusal.shown(app, keys):
        return 0
    if keys.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    if app.state_ms() > _IDLE_MS:
        return transitions.TIMED_OUT
    return questions.step(app, now_ms, keys)


def leave(app, event):
    """Record how the checklist was left, and unload it."""
    global questions
    questions.leave(app, event)
    questions = None
    app.clock.exclude()
    on_demand.unload("questions")
