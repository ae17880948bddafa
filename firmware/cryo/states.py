"""The states: one row each, with what is lit, what is shown, and what happens in it.

May import micropython.const and cryo's buttons, screens, sounder, transitions and every state_*:
state_armed, state_fault, state_freezing, state_prechill, state_ready, state_screening,
state_selftest, state_thawing. Controls: H-04 (the one table by which `App` runs a state).

`enter(app, event)` and `leave(app, event)` run once, on the way in and out. `step(app, now_ms)`
runs once a tick and returns an event, or 0. `follow(app, now_ms, ended)` is of the two states that
demand the valve: it runs after the shot's own step, and gives the event of its end. Only `App`
takes the way that an event leads.
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


def _nothing(app, event):
    pass


def _no_step(app, now_ms):
    return 0


def _done_step(app, now_ms):
    """DONE: the result is on the screen until somebody has seen it."""
    if app.buttons.clicked & buttons.SELECT:
        return transitions.ACKNOWLEDGED
    if app.buttons.pressed & buttons.ARM:
        return transitions.ARM_PRESSED
    return 0


# Columns
NAME = const(1)
LIGHTS = const(2)  # None: the state's `enter` sets them
SCREEN = const(3)
ENTER = const(4)
STEP = const(5)
LEAVE = const(6)
FOLLOW = const(7)

# In the order of their numbers
STATES = (
    (
        transitions.BOOT, "BOOT", sounder.DARK, screens.BOOT,
        _nothing, _no_step, _nothing, None,
    ),
    (
        transitions.SELF_TEST, "SELF_TEST", sounder.DARK, screens.BOOT,
        state_selftest.enter, state_selftest.step, state_selftest.leave, None,
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
        state_prechill.enter, state_prechill.step, state_prechill.leave, state_prechill.follow,
    ),
    (
        transitions.ARMED, "ARMED", sounder.ARMED_LIGHTS, screens.ARMED,
        state_armed.enter, state_armed.step, state_armed.leave, None,
    ),
    (
        transitions.FREEZING, "FREEZING", sounder.FREEZING_LIGHTS, screens.FREEZING,
        state_freezing.enter, state_freezing.step, state_freezing.leave, state_freezing.follow,
    ),
    (
        transitions.THAWING, "THAWING", sounder.READY_LIGHTS, screens.THAWING,
        state_thawing.enter, state_thawing.step, state_thawing.leave, None,
    ),
    (
        transitions.DONE, "DONE", sounder.READY_LIGHTS, screens.DONE,
        _nothing, _done_step, _nothing, None,
    ),
    (
        transitions.FAULT, "FAULT", None, screens.FAULT,
        state_fault.enter, state_fault.step, state_fault.leave, None,
    ),
)  # fmt: skip
