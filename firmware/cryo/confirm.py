"""Confirmation of host-requested changes by the operator on the device.

Works on an App. May import micropython.const and cryo's buttons, journal, on_demand, operators,
refusal, schema, setting_changes, sounder; loads on demand the module that settles a change, named
in `other`. Controls: H-13 (a change of a dose or a limit takes effect only when the operator has
held SELECT; any other button, a fault or a time-out rejects it), H-25 (where operators are
required, only a physician or a technician confirms it).
"""

from micropython import const

from cryo import (
    buttons,
    journal,
    on_demand,
    operators,
    refusal,
    schema,
    setting_changes,
    sounder,
)

TIMEOUT_S = const(60)
TURN_MS = const(2000)  # of each page of what is to be confirmed
HOW = "hold SELECT on the device for 1 s"


index = -1  # of the pending setting, or -1
value = 0
other = None  # a pending change of another kind: columns below
overlay = ""  # on-demand module that READY opens, after a change that was confirmed
since_ms = 0
turn = 0  # the page of it that is shown, counted from the request
timed_out = 0  # changes of another kind that nobody confirmed, since the start

# Columns of `other`
_MODULE = const(0)  # on-demand module with `settle(app, content, why)`, which returns the outcome
_SHOWN = const(1)  # the texts to be confirmed, in pages of (name, new)
_CONTENT = const(2)
_WHO = const(3)  # may confirm it: operators.py


def pending_of(module):
    """The content that waits to be settled by this module, or None."""
    return other[_CONTENT] if other and other[_MODULE] == module else None


def waiting():
    """Whether a change waits for the operator."""
    return index >= 0 or other is not None


def ask_setting(app, of, new):
    """Ask the operator to confirm a setting's new value. H-13"""
    _ask(app, of, new, None)


def ask(app, module, shown, content, who=operators.SETS):
    """Ask the operator to confirm a change that `module` settles. Columns as in `other`. H-13"""
    _ask(app, -1, 0, (module, shown, content, who))


def take_overlay():
    """The overlay that is to be opened, once; or an empty text."""
    global overlay
    name = overlay
    overlay = ""
    return name


def _ask(app, of, new, what):
    global index, value, other, since_ms, turn
    index = of
    value = new
    other = what
    turn = 0
    since_ms = app.clock.now_ms
    refusal.clear()
    app.sounder.play(sounder.ARMED, app.clock.now_ms)
    app.buttons.spend()
    app.display.redraw()


def step(app, now_ms, keys):
    """READY, one tick. True if a change is pending or was just decided: handle nothing else."""
    if not waiting():
        return False
    why = _decision(app, keys)
    if why:
        settle(app, now_ms, why)
    elif other and len(other[_SHOWN]) > 1:
        _turn_page(app)
    return True


def _turn_page(app):
    global turn
    now = app.clock.since(since_ms) // TURN_MS
    if turn != now:
        turn = now
        app.display.redraw()


def page():
    """(name, new value) of what is shown of `other`: one page after another."""
    pages = other[_SHOWN]
    return pages[turn % len(pages)]


def _decision(app, keys):
    """The outcome decided in this tick, or an empty text."""
    if keys.held & buttons.SELECT:
        if other and turn + 1 < len(other[_SHOWN]):
            app.sounder.play(sounder.REFUSED, app.clock.now_ms)  # not all has been shown. H-13
            return ""
        # Without the role the sign-in follows, and the change goes on waiting. H-25
        return "" if operators.lacks(app, other[_WHO] if other else operators.SETS) else "confirmed"
    if keys.pressed & ~buttons.SELECT:
        return "rejected"
    if app.clock.since(since_ms) > TIMEOUT_S * 1000:
        return "timed_out"
    return ""


def settle(app, now_ms, why):
    """Apply, reject or time out the pending change. H-13

    What is not applied is recorded; of changes that time out only the 1st, 2nd, 4th, 8th ...: a
    host alone must not fill the journal. H-25
    """
    global other, overlay, timed_out
    if index >= 0:
        confirmed = _settle_setting(app, why) == "confirmed"
    else:
        what = other
        other = None
        with on_demand.loaded(what[_MODULE]) as module:
            why = module.settle(app, what[_CONTENT], why)
            confirmed = why == "confirmed"
            if confirmed:
                overlay = getattr(module, "OVERLAY", "")
            settles = module.SETTLES
        timed_out += why == "timed_out"
        if not confirmed and (why != "timed_out" or not timed_out & (timed_out - 1)):
            number = 1 if why == "rejected" else 2 if why == "timed_out" else 3
            operator = operators.session[operators.NUMBER]
            app.record(journal.REFUSED, settles, number, timed_out, operator)
    app.sounder.play(sounder.CLICK if confirmed else sounder.REFUSED, now_ms)
    app.buttons.spend()
    app.display.redraw()


def reject(app, now_ms):
    """Reject the pending change, if there is one (a fault has occurred)."""
    if waiting():
        settle(app, now_ms, "rejected")


def _settle_setting(app, why):
    """Apply or reject the pending setting; returns the outcome."""
    global index
    at = index
    index = -1
    row = schema.SETTINGS[at]
    # Checked again: the applicator may have changed since the request.
    if why == "confirmed" and setting_changes.out_of_range(app, at, value):
        why = "range"
    if why == "confirmed":
        if not setting_changes.apply(app, at, value, setting_changes.BY_CONFIRMED):
            why = "storage"
    confirmed = why == "confirmed"
    if not confirmed:
        app.record(
            journal.SETTING, row[schema.NUMBER], app.settings.values[at], value,
            setting_changes.BY_REJECTED, operators.session[operators.NUMBER],
        )  # fmt: skip
    app.link.event(
        {"ev": "setting", "key": row[schema.KEY], "value": value,
         "applied": confirmed, "why": why}
    )  # fmt: skip
    return why
