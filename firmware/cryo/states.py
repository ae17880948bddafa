"""The state table: one row for each state with its lights, screen and functions.

May import micropython.const and cryo's buttons, screens, sounder, transitions and every state_*:
state_armed, state_fault, state_freezing, state_prechill, state_ready, state_screening,
state_selftest, state_thawing. Controls: H-04 (the one table by which `App` runs a state).

`enter(app, event)` and `leave(app, event)` run once, on entry and exit; None: nothing to do.
`step(app, now_ms)` runs once a tick and returns an event, or 0. The two states that demand flow
have `follow(app, now_ms, ended)`: it runs after the shot's step, and returns the event at its end.
Only `App` performs the transition of an event.
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
    """DONE: show the result until the operator has acknowledged it."""
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
        transitions.PRECHILL, "PRECHILL", sounder.PRECHILL_LIGHTS, screens.PRECHILL,
        state_prechill.enter, state_prechill.step, None, state_prechill.follow,
    ),
    (
        transitions.ARMED, "ARMED", sounder.ARMED_LIGHTS, screens.ARMED,
        state_armed.enter, state_armed.step, None, None,
    ),
    (
        transitions.FREEZING, "FREEZING", sounder.READY_LIGHTS, screens.FREEZING,
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
    """Name of a state on the link."""
    return STATES[state][_NAME]


def screen(state):
    """The screen of a state without overlay."""
    return STATES[state][_SCREEN]


def enter(app, event):
    """Set the lights and run `enter` of the state just entered (FAULT: also once more)."""
    row = STATES[app.machine.state]
    if row[_LIGHTS]:
        app.lights.show(row[_LIGHTS])
    if row[_ENTER]:
        row[_ENTER](app, event)


def step(app, now_ms):
    """One tick of the present state. Returns an event, or 0."""
    return STATES[app.machine.state][_STEP](app, now_ms)


def follow(app, now_ms, ended):
    """After the shot's step, in a state that demands flow. Returns an event, or 0."""
    return STATES[app.machine.state][_FOLLOW](app, now_ms, ended)


def leave(app, event):
    """Run `leave` of the present state."""
    action = STATES[app.machine.state][_LEAVE]
    if action:
        action(app, event)
