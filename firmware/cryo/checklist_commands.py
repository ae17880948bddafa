"""Link requests for the practice's own items of the checklist: read, write, confirm on the device.
Loaded on demand by commands.py and confirm.py, then unloaded.

Works on an App. May import micropython.const and cryo's confirm, journal, on_demand, replies,
texts; loads practice_items on demand. Controls: H-13 (a change is active only after the operator
has seen every item and confirmed it), H-19 (an invalid item is refused with the reason; a lost file
is reported).

A handler takes the application and the request and returns the reply without its `id`.
"""

from micropython import const

from cryo import confirm, journal, on_demand, replies, texts

_MODULE = "checklist_commands"
_OUTCOMES = ("loaded", "none", "one copy bad", "lost")  # of redundant_file.py

_CONFIRMED = const(3)  # as in the record of a setting
_REJECTED = const(4)

# Prompts
_OWN_ITEMS = const(16)
_KINDS = const(17)

SETTLES = 2  # what is settled here, as a REFUSED record has it


def _listed(kinds, items):
    return [{"kind": kinds[kind - 1], "text": text} for kind, text in items]


def read(app, request):
    """`checklist_read`: the practice's own items, and those that wait for confirmation."""
    with on_demand.loaded("practice_items") as practice_items:
        stored = practice_items.PracticeItems()
        pending = confirm.pending_of(_MODULE)
        return replies.ok(
            items=_listed(practice_items.KINDS, stored.items),
            outcome=_OUTCOMES[stored.outcome],
            crc=practice_items.crc(stored.items),
            pending=None if pending is None else _listed(practice_items.KINDS, pending),
            most=practice_items.MOST,
            text_most=practice_items.TEXT_MOST,
        )


def write(app, request):
    """`checklist_write`: request these items in place of all stored ones; the operator confirms."""
    given = request.get("items")
    if not isinstance(given, list):
        return replies.refusal("bad_request", "items must be a list")
    with on_demand.loaded("practice_items") as practice_items:
        if len(given) > practice_items.MOST:
            return replies.out_of(0, practice_items.MOST, "items", practice_items.refuse(given))
        items = []
        for item in given:
            if not isinstance(item, dict):
                return replies.refusal("bad_request", "an item must have kind and text")
            kind = item.get("kind")
            text = item.get("text")
            if not isinstance(text, str) or not isinstance(kind, str):
                return replies.refusal("bad_request", "kind and text must be strings")
            kinds = practice_items.KINDS
            items.append((kinds.index(kind) + 1 if kind in kinds else 0, text))
        why = practice_items.refuse(items)
        if why:
            return replies.refusal("range", why)
        stored = practice_items.PracticeItems()
        if stored.items == items and not stored.lost() and not confirm.waiting():
            return replies.ok(applied=True)
    pending = confirm.pending_of(_MODULE)
    if confirm.waiting() and pending != items:
        return replies.refusal("busy", "another change waits for confirmation on the device")
    confirm.ask(app, _MODULE, _pages(items), items)
    return replies.ok(
        applied=False,
        confirm=confirm.HOW,
        read_s=max(len(items) - 1, 0) * confirm.TURN_MS // 1000,
        expires_s=confirm.TIMEOUT_S,
    )


def _pages(items):
    """What the operator reads before confirming: each item with its kind."""
    name = texts.prompt(_OWN_ITEMS, 0)
    if not items:
        return [(name, texts.prompt(_OWN_ITEMS, 1))]
    pages = []
    for i in range(len(items)):
        kind, text = items[i]
        where = "%s %d/%d\n%s" % (name, i + 1, len(items), texts.prompt(_KINDS, kind - 1))
        pages.append((where, text))
    return pages


def settle(app, items, why):
    """Apply, reject or time out the pending items; returns the outcome. H-13"""
    app.clock.exclude()
    with on_demand.loaded("practice_items") as practice_items:
        stored = practice_items.PracticeItems()
        old = practice_items.crc(stored.items)
        new = practice_items.crc(items)
        if why == "confirmed" and not stored.store(items):
            why = "storage"
    avoid = 0
    for i in range(len(items)):
        if items[i][0] == 1:
            avoid |= 1 << i
    app.record(
        journal.CHECKLIST,
        _CONFIRMED if why == "confirmed" else _REJECTED,
        len(items),
        avoid,
        journal.signed(new),
        journal.signed(old),
    )
    app.link.event({"ev": "checklist", "applied": why == "confirmed", "why": why})
    return why
