"""The link's `operators` request: list, add, remove, a new PIN; and what the device asks then.
Loaded on demand by commands.py, confirm.py and operators_sign_in.py, then unloaded.

Works on an App. May import micropython.const and cryo's confirm, journal, on_demand, operators,
replies, schema, texts, transitions; loads operators_store on demand. Controls: H-25 (a change waits
for a physician at the device, or for anybody there while no physician is stored; no PIN crosses the
link).

A change is packed into an integer: its kind from bit 16 on, the operator's number from bit 8 on,
the role below.
"""

from micropython import const

from cryo import confirm, journal, on_demand, operators, replies, schema, texts, transitions

_ADD = const(1)
_PIN = const(2)
_REMOVE = const(3)
_MODULE = "operators_commands"
_KINDS = ("", "add", "pin", "remove")

_PIN_S = const(120)  # to enter a new PIN twice, beyond the confirmation

# texts.operator
_TITLES = const(15)  # of a change of kind n: this + n
_ROLES = const(2)  # of a role: this + its number

_DONE = const(7)  # how a change of kind n is recorded: this + n

SETTLES = 3  # what is settled here, as a REFUSED record has it


def answer(app, request):
    """`operators`: list, add or remove one, or give a new PIN, which waits for confirmation."""
    with on_demand.loaded("operators_store") as operators_store:
        store = operators_store.Store()
        most = operators_store.MOST
    required = app.settings.values[schema.OPERATORS_REQUIRED]
    kind = request.get("do", "list")
    if kind == "list":
        return replies.ok(
            required=required,
            signed_in=operators.session[operators.NUMBER],
            waiting=_waiting() >> 8 & 0xFF,
            generation=store.generation,
            operators=[row[:2] for row in store.rows],
        )
    if kind not in _KINDS[1:]:
        return replies.refusal("bad_request", "do takes list, add, pin or remove")
    if app.machine.state != transitions.READY:
        return replies.refusal("state", "operators are changed in READY only")
    kind = _KINDS.index(kind)
    number = request.get("number")
    role = request.get("role", 0)
    if not replies.is_integer(number) or not replies.is_integer(role):
        return replies.refusal("type", "number and role must be integers")
    refused = _refused(store, kind, number, role, most, required)
    if refused:
        return refused
    row = store.of(number)
    if kind == _ADD and row or kind == _REMOVE and not row:
        return replies.ok(do=_KINDS[kind], number=number, applied=True)
    if row:
        role = row[1]
    return _ask(app, kind << 16 | number << 8 | role, store)


def _ask(app, change, store):
    """Ask the operator for a change."""
    kind = change >> 16
    number = change >> 8 & 0xFF
    how = confirm.HOW
    expires_s = confirm.TIMEOUT_S + (0 if kind == _REMOVE else _PIN_S)
    if operators.session[operators.ASKED] == change:  # repeated while the new PIN is entered
        how = "enter the new PIN"
        expires_s = _PIN_S
    elif operators.session[operators.ASKED] >> 16:
        return replies.refusal("busy", "a new PIN is being entered on the device")
    elif confirm.waiting() and confirm.pending_of(_MODULE) != change:
        return replies.refusal("busy", "another change waits for confirmation on the device")
    else:
        who = "%d " % number + texts.operator(_ROLES + (change & 0xFF))
        wanted = operators.MANAGES if store.physicians() else operators.ANYBODY
        confirm.ask(app, _MODULE, [(texts.operator(_TITLES + kind), who)], change, wanted)
    return replies.ok(
        do=_KINDS[kind], number=number, applied=False, confirm=how, expires_s=expires_s
    )


def _waiting():
    """The change that waits to be confirmed, or for a new PIN; 0 = none."""
    asked = operators.session[operators.ASKED]
    return confirm.pending_of(_MODULE) or (asked if asked >> 16 else 0)


def _refused(store, kind, number, role, most, required):
    """The refusal of a change, or None."""
    if not 1 <= number <= most:
        return replies.out_of(1, most, "number", "number takes 1...%d" % most)
    row = store.of(number)
    if kind == _ADD:
        if not operators.PHYSICIAN <= role <= operators.TECHNICIAN:
            return replies.out_of(
                operators.PHYSICIAN, operators.TECHNICIAN, "role",
                "role takes 1 (physician), 2 (nurse) or 3 (technician)",
            )  # fmt: skip
        if row and row[1] != role:
            return replies.refusal("range", "operator %d has another role: remove first" % number)
    elif kind == _PIN and not row:
        return replies.refusal("range", "no operator %d; `operators` lists them" % number)
    elif row and required and row[1] == operators.PHYSICIAN and store.physicians() == 1:
        if kind == _REMOVE:
            return replies.refusal(
                "range", "the last physician stays while operators_required is 1"
            )
    return None


def settle(app, change, why):
    """The operator has decided on a change: make it, or ask for the new PIN. The outcome."""
    if why == "confirmed":
        if change >> 16 != _REMOVE:
            operators.session[operators.ASKED] = change
            return why
        app.clock.exclude()
        with on_demand.loaded("operators_store") as operators_store:
            if not operators_store.Store().remove(change >> 8 & 0xFF):
                why = "storage"
    finish(app, change, why)
    return why


def finish(app, change, why):
    """Record and report the outcome of a change."""
    kind = change >> 16
    number = change >> 8 & 0xFF
    made = why == "confirmed"
    if made:
        session = operators.session
        app.record(
            journal.OPERATOR, session[operators.NUMBER], session[operators.ROLE], _DONE + kind,
            number, change & 0xFF,
        )  # fmt: skip
        if kind == _REMOVE and number == session[operators.NUMBER]:
            with on_demand.loaded("operators_store") as operators_store:
                operators_store.note(app, operators_store.OUT)
    app.link.event(
        {"ev": "operator", "do": _KINDS[kind], "number": number, "applied": made, "why": why}
    )
