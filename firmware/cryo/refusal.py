"""Why arming was refused, for as long as it is shown.

Works on an App. May import micropython.const. Controls: H-10, H-06 (what is refused is shown with
its reason until somebody has pressed a button, or for 3 s).
"""

from micropython import const

_SHOWN_MS = const(3000)

lines = None  # what, why and what it must be; None = nothing is shown
since_ms = 0


def begin(now_ms, texts):
    """Show these lines from now on."""
    global lines, since_ms
    lines = texts
    since_ms = now_ms


def clear():
    """Nothing is shown any more."""
    global lines
    lines = None


def shown(app, keys):
    """Whether it is on the screen; any press, or time, takes it away."""
    if lines is None:
        return False
    if keys.pressed or app.clock.since(since_ms) > _SHOWN_MS:
        clear()
        keys.spend()
        app.display.redraw()
    return True
