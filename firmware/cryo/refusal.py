"""The message shown when arming is refused.

Works on an App. May import micropython.const. Controls: H-10, H-06 (a refusal is shown with its
reason for 3 s, or until a button is pressed).
"""

from micropython import const

_SHOWN_MS = const(3000)

# Why arming is refused, beside the numbers of faults: arming_refusal.py
NO_DOSE = const(0)
TOO_LONG = const(-1)  # with the valve's lags, over the ceiling
NOT_ENOUGH = const(-2)  # nitrogen for all the freezes of the plan

lines = None  # cause, reading and limit; None = nothing is shown
since_ms = 0


def begin(now_ms, texts):
    """Show these lines."""
    global lines, since_ms
    lines = texts
    since_ms = now_ms


def clear():
    """Remove the message."""
    global lines
    lines = None


def shown(app, keys):
    """Whether the message is shown; removes it after a button press or the time-out."""
    if lines is None:
        return False
    if keys.pressed or app.clock.since(since_ms) > _SHOWN_MS:
        clear()
        keys.spend()
        app.display.redraw()
    return True
