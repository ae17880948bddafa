"""The states: one row each, with what is lit, what is shown, and what happens in it.

May import micropython.const and cryo's buttons, screens, sounder, transitions and every state_*:
state_armed, state_fault, state_freezing, state_prechill, state_ready, state_screening,
state_selftest, state_thawing. Controls: H-04 (the one table by which `App` runs a state).

`enter(app, event)` and `leave(app, event)` run once, on the way in and out; None: nothing to do.
`step(app, now_ms)` runs once a tick and returns an event, or 0. `follow(app, now_ms, ended)` is of
the two states that demand the valve: it runs after the shot's own step, and gives the event of its
end. Only `App` takes the way that an event leads.
"""

from micropython import const

from cryo import (
    buttons,
    screens,
    sounder,
    state_armed,
    state_fault,
    state_freezing,
    state_prechill,
    state_ready,
    state_screening,
    state_selftest,
    state_thawing,
    transitions,
)


def _done_step(app, now_ms):
    """DONE: the result is on the screen until somebody has seen it."""
    if app.buttons.clicked & buttons.SELECT:
        return transitions.ACKNOWLEDGED
    if app.buttons.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    return 0


# Columns
_NAME = const(1)
_LIGHTS = const(2)  # None: the state's `enter` sets them
_SCREEN = const(3)
_ENTER = const(4)
_STEP = const(5)
_LEAVE = const(6)
_FOLLOW = const(7)

# In the order of their numbers
STATES = (
    (
        transitions.BOOT, "BOOT", sounder.DARK, screens.BOOT,
        None, None, None, None,
    ),
    (
        transitions.SELF_TEST, "SELF_TEST", sounder.DARK, screens.BOOT,
        None, state_selftest.step, None, None,
    ),
    (
        transitions.READY, "READY", sounder.READY_LIGHTS, screens.READY,
        state_ready.enter, state_ready.step, state_ready.leave, None,
    ),
    (
        transitions.SCREENING, "SCREENING", sounder.READY_LIGHTS, screens.SCREENING,
        state_screening.enter, state_screening.step, state_screening.leave, None,
    ),
    (
        transitions.PRECHILL, "PRECHILL", sounder.ARMED_LIGHTS, screens.PRECHILL,
        state_prechill.enter, state_prechill.step, None, state_prechill.follow,
    ),
    (
        transitions.ARMED, "ARMED", sounder.ARMED_LIGHTS, screens.ARMED,
        None, state_armed.step, None, None,
    ),
    (
        transitions.FREEZING, "FREEZING", sounder.FREEZING_LIGHTS, screens.FREEZING,
        state_freezing.enter, state_freezing.step, None, state_freezing.follow,
    ),
    (
        transitions.THAWING, "THAWING", sounder.READY_LIGHTS, screens.THAWING,
        state_thawing.enter, state_thawing.step, None, None,
    ),
    (
        transitions.DONE, "DONE", sounder.READY_LIGHTS, screens.DONE,
        None, _done_step, None, None,
    ),
    (
        transitions.FAULT, "FAULT", None, screens.FAULT,
        state_fault.enter, state_fault.step, state_fault.leave, None,
    ),
)  # fmt: skip


def name(state):
    """A state as the link names it."""
    return STATES[state][_NAME]


def screen(state):
    """The screen of a state, where nothing lies over it."""
    return STATES[state][_SCREEN]


def enter(app, event):
    """The present state has just been entered (or, FAULT, once more): its lamps, and its own."""
    row = STATES[app.machine.state]
    if row[_LIGHTS]:
        app.lights.show(row[_LIGHTS])
    if row[_ENTER]:
        row[_ENTER](app, event)


def step(app, now_ms):
    """One tick of the present state. An event, or 0."""
    return STATES[app.machine.state][_STEP](app, now_ms)


def follow(app, now_ms, ended):
    """After the shot's step, in a state that demands the valve. An event, or 0."""
    return STATES[app.machine.state][_FOLLOW](app, now_ms, ended)


def leave(app, event):
    """The present state is about to be left."""
    own = STATES[app.machine.state][_LEAVE]
    if own:
        own(app, event)
