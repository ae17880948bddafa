"""The link's requests: one row each, name -> handler, and the states in which it is allowed.

May import binascii, gc, sys, micropython.const and cryo's dose, faults, journal, languages,
profiles, schema, transitions; loads metadata and calibration_commands by their names. Controls:
H-12 (no request can open the valve or end an interlock), H-13 (what changes a dose or a limit only
asks; the operator confirms at the device).

A handler takes the application and the request and returns a whole reply without its `id`.
"""

import binascii
import gc
import sys

from micropython import const

from cryo import (
    VERSION,
    dose,
    faults,
    journal,
    languages,
    profiles,
    schema,
    transitions,
)

_PROTOCOL = const(1)

_ALWAYS = const(0)
_IN_READY = const(1)

CLOCK_NONE = const(0)
CLOCK_HOST = const(1)
CLOCK_RTC = const(2)
CLOCK_SOURCES = ("none", "host", "rtc")

_LOG_MOST = const(18)  # records a reply: 18 x 91 characters and the rest stay below 2048 bytes


def ok(**fields):
    """An `ok` reply."""
    return {"ok": fields}


def refusal(code, text):
    """An `err` reply."""
    return {"err": {"code": code, "text": text}}


def _out_of(low, high, unit, text):
    """The refusal of a value outside low...high."""
    return {"err": {"code": "range", "text": text, "min": low, "max": high, "unit": unit}}


def is_integer(value):
    """Whether a value of a request is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def _hello(app, request):
    return ok(
        device="cryodose",
        serial=app.board.serial.decode(),
        fw=VERSION,
        protocol=_PROTOCOL,
        micropython=app.board.micropython,
        boot=app.journal.boot,
        state=transitions.STATES[app.treatment.state],
        log_head=app.journal.head,
    )


def borrow(name):
    """The room cryo.`name`, which is loaded when it is needed."""
    __import__("cryo." + name)
    return sys.modules["cryo." + name]


def give_back(name):
    """Drop a borrowed room: kept, such rooms would fill a tenth of the memory."""
    del sys.modules["cryo." + name]
    delattr(sys.modules["cryo"], name)
    gc.collect()


def _describe(app, request):
    app.flash_used = True  # the length of this tick says nothing
    reply = borrow("metadata").describe(app, request)
    give_back("metadata")
    return reply


def _of_tables(app, request, handler):
    app.flash_used = True
    reply = getattr(borrow("calibration_commands"), handler)(app, request)
    if app.tables.pending is None:
        give_back("calibration_commands")
    return reply


def _index(request):
    """(index of the request's setting, None) or (-1, the refusal)."""
    key = request.get("key")
    if not isinstance(key, str):
        return -1, refusal("bad_request", "key is missing, or is not a string")
    index = schema.index_of(key)
    if index < 0:
        return -1, refusal("unknown_key", "no setting of that name; describe settings lists them")
    return index, None


def _get(app, request):
    index, refused = _index(request)
    if refused:
        return refused
    settings = app.settings
    return ok(
        key=schema.SETTINGS[index][1],
        value=settings.values[index],
        pending=settings.pending_value if settings.pending == index else None,
    )


def out_of_range(app, index, value):
    """The refusal of a value that its setting cannot take, or None.

    A depth must also lie in the fitted applicator's table. H-06
    """
    row = schema.SETTINGS[index]
    low = row[3]
    high = row[4]
    of = row[1]
    if index == schema.DEPTH_UM:
        applicator = app.settings.values[schema.APPLICATOR]
        low = profiles.low_um(app.settings.values)
        high = profiles.high_um(app.settings.values)
        of = "depth_um with applicator %d" % applicator
    elif index == schema.LANGUAGE:
        high = len(languages.CODES)
    if low <= value <= high:
        return None
    text = "%s takes %d...%d %s" % (of, low, high, row[2])
    if index == schema.DEPTH_UM:
        values = app.settings.values
        other = dose.reaching(value + values[schema.MARGIN_UM], values[schema.TARGET])
        if other > 0:
            text += "; applicator %d reaches it" % other
    return _out_of(low, high, row[2], text)


def _set(app, request):
    index, refused = _index(request)
    if refused:
        return refused
    value = request.get("value")
    if not is_integer(value):
        return refusal("type", "value must be an integer, in the setting's unit")
    refused = out_of_range(app, index, value)
    if refused:
        return refused
    row = schema.SETTINGS[index]
    settings = app.settings
    if settings.values[index] == value and settings.pending != index:
        return ok(key=row[1], value=value, applied=True)
    if row[6] == schema.DEVICE:
        waits = settings.pending >= 0 and (
            settings.pending != index or settings.pending_value != value
        )
        if waits or app.tables.pending is not None:
            return refusal("busy", "another change waits for confirmation on the device")
        app.ask_confirmation(index, value)
        return ok(
            key=row[1],
            value=value,
            applied=False,
            confirm="hold SELECT on the device for 1 s",
            expires_s=app.CONFIRM_S,
        )
    if not app.apply_setting(index, value, app.BY_HOST):
        return refusal("storage", "the device could not save the setting; nothing changed")
    return ok(key=row[1], value=value, applied=True)


def _status(app, request):
    values = app.settings.values
    sensors = app.sensors
    nozzle = sensors.nozzle
    latched = app.faults.latched
    return ok(
        state=transitions.STATES[app.treatment.state],
        state_ms=app.state_ms(),
        depth_um=values[schema.DEPTH_UM],
        applicator=values[schema.APPLICATOR],
        dose_ms=app.panel.view.dose_ms,
        remaining_ms=app.shot.remaining_ms(),
        nozzle_c_x100=nozzle.c_x100 if nozzle.valid else None,
        pressure_mbar=sensors.pressure_mbar.value if sensors.pressure_mbar.valid else None,
        level_permille=sensors.level_permille.value if sensors.level_permille.valid else None,
        supply_mv=sensors.vsys_mv(),
        coil_ma=sensors.coil_ma.value,
        estop="closed" if app.board.estop_closed() else "open",
        valve="open" if app.valve.is_open() else "closed",
        faults=[row[0] for row in faults.FAULTS if latched & (1 << (row[0] - 1))],
        log_head=app.journal.head,
        uptime_ms=app.uptime_ms,
        overruns=app.overruns,
        worst_tick_us=app.worst_tick_us,
        dropped_lines=app.link.dropped(),
        heap_free=gc.mem_free(),
    )


def _log(app, request):
    start = request.get("from")
    most = request.get("max", 8)
    if not is_integer(start) or start < 1:
        return refusal("bad_request", "from must be an integer, 1 or more")
    if not is_integer(most) or most < 1:
        return refusal("bad_request", "max must be an integer, 1 or more")
    book = app.journal
    if start < book.first() or start > book.head + 1:
        low = book.first()
        high = book.head + 1
        return _out_of(low, high, "sequence number", "from takes %d...%d" % (low, high))
    try:
        data = book.read_many(start, min(most, _LOG_MOST))
        anchor = book.chain_before(start)
    except OSError:
        return refusal("storage", "the device could not read its flash")
    records = []
    for at in range(0, len(data), journal.RECORD):
        text = binascii.b2a_base64(data[at : at + journal.RECORD])
        records.append(text[:-1].decode())
    return ok(
        first=book.first(),
        head=book.head,
        next=start + len(records),
        anchor=binascii.b2a_base64(anchor)[:-1].decode(),
        records=records,
    )


def _time(app, request):
    if "utc_s" in request:
        utc_s = request["utc_s"]
        if not is_integer(utc_s):
            return refusal("type", "utc_s must be an integer")
        if not app.CLOCK_FIRST_S <= utc_s <= app.CLOCK_LAST_S:
            return _out_of(
                app.CLOCK_FIRST_S, app.CLOCK_LAST_S, "s", "utc_s must lie in the years 2024 to 2099"
            )
        if app.treatment.state != transitions.READY:
            return refusal("state", "the clock is set in READY only")
        app.set_clock(utc_s)
    return ok(utc_s=app.utc_s(), source=CLOCK_SOURCES[app.clock_source])


def _maintenance(app, request):
    app.want_maintenance()
    return ok(text="the application ends; this port becomes MicroPython's REPL after a restart")


# op, states in which it is allowed, handler (or the name of one in tables.py)
COMMANDS = (
    ("hello", _ALWAYS, _hello),
    ("describe", _ALWAYS, _describe),
    ("get", _ALWAYS, _get),
    ("set", _IN_READY, _set),
    ("status", _ALWAYS, _status),
    ("plan", _ALWAYS, "plan"),
    ("table_read", _ALWAYS, "read"),
    ("table_curve", _IN_READY, "curve"),
    ("table_write", _IN_READY, "write"),
    ("table_remove", _IN_READY, "remove"),
    ("log", _ALWAYS, _log),
    ("time", _ALWAYS, _time),
    ("maintenance", _IN_READY, _maintenance),
)


def handle(app, request):
    """Answer a request (a dict with a valid `id`)."""
    op = request.get("op")
    for row in COMMANDS:
        if row[0] == op:
            if row[1] == _IN_READY and app.treatment.state != transitions.READY:
                return refusal(
                    "state",
                    "%s is allowed in READY only; the device is in %s"
                    % (op, transitions.STATES[app.treatment.state]),
                )
            if isinstance(row[2], str):
                return _of_tables(app, request, row[2])
            return row[2](app, request)
    if not isinstance(op, str):
        return refusal("bad_request", "op is missing, or is not a string")
    return refusal("unknown_op", "no such request; describe commands lists them")
