"""Link requests: one row each with name, permitted states, module on demand, and handler.

May import binascii, gc, micropython.const and cryo's confirm, faults, journal, on_demand, profiles,
replies, schema, setting_changes, transitions; loads metadata, calibration_commands,
checklist_commands, doctor_command, journal_release, journal_stream, maintenance_command,
operators_commands and time_command on demand. Controls: H-12 (no request can open the valve or end
an interlock), H-13 (a change of a dose or a limit is only a request; the operator confirms it on
the device).

A handler takes the application and the request and returns the reply without its `id`.
"""

import binascii
import gc

from micropython import const

from cryo import (
    VERSION,
    confirm,
    faults,
    journal,
    on_demand,
    profiles,
    replies,
    schema,
    setting_changes,
    transitions,
)

_PROTOCOL = const(1)

_ALWAYS = const(0)
_IN_READY = const(1)
_AT_REST = const(2)  # READY, or FAULT: a full journal is a fault

_LOG_MOST = const(18)  # records a reply: 18 x 91 characters and the rest stay below 2048 bytes


def _hello(app, request):
    return replies.ok(
        device="cryodose",
        serial=app.board.serial.decode(),
        fw=VERSION,
        protocol=_PROTOCOL,
        micropython=app.board.micropython,
        boot=app.journal.boot,
        state=app.name(app.machine.state),
        log_head=app.journal.head,
    )


def _index(request):
    """(index of the request's setting, None), or (-1, the refusal)."""
    key = request.get("key")
    if not isinstance(key, str):
        return -1, replies.refusal("bad_request", "key is missing, or is not a string")
    index = schema.index_of(key)
    if index < 0:
        return -1, replies.refusal(
            "unknown_key", "no setting of that name; describe settings lists them"
        )
    return index, None


def _get(app, request):
    index, refused = _index(request)
    if refused:
        return refused
    settings = app.settings
    return replies.ok(
        key=schema.SETTINGS[index][schema.KEY],
        value=settings.values[index],
        pending=confirm.value if confirm.index == index else None,
    )


def _set(app, request):
    index, refused = _index(request)
    if refused:
        return refused
    value = request.get("value")
    if not replies.is_integer(value):
        return replies.refusal("type", "value must be an integer, in the setting's unit")
    refused = setting_changes.out_of_range(app, index, value)
    if refused:
        return replies.out_of(*refused)
    row = schema.SETTINGS[index]
    key = row[schema.KEY]
    if app.settings.values[index] == value and confirm.index != index:
        return replies.ok(key=key, value=value, applied=True)
    if row[schema.BY] == schema.DEVICE:
        if confirm.waiting() and (confirm.index != index or confirm.value != value):
            return replies.refusal("busy", "another change waits for confirmation on the device")
        confirm.ask_setting(app, index, value)
        return replies.ok(
            key=key, value=value, applied=False, confirm=confirm.HOW, expires_s=confirm.TIMEOUT_S
        )
    if not setting_changes.apply(app, index, value, setting_changes.BY_HOST):
        return replies.refusal("storage", "the device could not save the setting; nothing changed")
    return replies.ok(key=key, value=value, applied=True)


def _status(app, request):
    values = app.settings.values
    sensors = app.sensors
    nozzle = sensors.nozzle
    latched = app.faults.latched
    return replies.ok(
        state=app.name(app.machine.state),
        state_ms=app.state_ms(),
        depth_um=values[schema.DEPTH_UM],
        applicator=values[schema.APPLICATOR],
        dose_ms=profiles.dose_ms(values),
        remaining_ms=app.shot.remaining_ms(),
        nozzle_c_x100=nozzle.c_x100 if nozzle.valid else None,
        pressure_mbar=sensors.pressure_mbar.value if sensors.pressure_mbar.valid else None,
        level_permille=sensors.level_permille.value if sensors.level_permille.valid else None,
        supply_mv=sensors.vsys_mv(),
        coil_ma=sensors.coil_ma.value,
        estop="closed" if app.board.estop_closed() else "open",
        valve="open" if app.valve.is_open() else "closed",
        faults=[number for number, _, _, _ in faults.FAULTS if latched & (1 << (number - 1))],
        log_head=app.journal.head,
        log_released=app.journal.released,
        log_left=app.journal.left,
        uptime_ms=app.clock.uptime_ms,
        overruns=app.clock.overruns,
        worst_tick_us=app.clock.worst_tick_us,
        dropped_lines=app.link.dropped(),
        heap_free=gc.mem_free(),
    )


def base64(data):
    """Bytes as base64 text."""
    return binascii.b2a_base64(data)[:-1].decode()


def log_request(app, request):
    """(`from`, `max`, None) of a request for records, or (0, 0, the refusal)."""
    start = request.get("from")
    most = request.get("max", 8)
    if not replies.is_integer(start) or start < 1:
        return 0, 0, replies.refusal("bad_request", "from must be an integer, 1 or more")
    if not replies.is_integer(most) or most < 1:
        return 0, 0, replies.refusal("bad_request", "max must be an integer, 1 or more")
    low = app.journal.first()
    high = app.journal.head + 1
    if start < low or start > high:
        text = "from takes %d...%d" % (low, high)
        return 0, 0, replies.out_of(low, high, "sequence number", text)
    return start, most, None


def _log(app, request):
    start, most, refused = log_request(app, request)
    if refused:
        return refused
    log = app.journal
    try:
        data = log.read_many(start, min(most, _LOG_MOST))
        anchor = log.chain_before(start)
    except OSError:
        return replies.refusal("storage", "the device could not read its flash")
    records = [base64(data[at : at + journal.RECORD]) for at in range(0, len(data), journal.RECORD)]
    return replies.ok(
        first=log.first(),
        head=log.head,
        next=start + len(records),
        anchor=base64(anchor),
        records=records,
    )


# op, states in which it is allowed, module on demand (None: this one), handler (its name there)
COMMANDS = (
    ("hello", _ALWAYS, None, _hello),
    ("describe", _ALWAYS, "metadata", "describe"),
    ("get", _ALWAYS, None, _get),
    ("set", _IN_READY, None, _set),
    ("status", _ALWAYS, None, _status),
    ("plan", _ALWAYS, "calibration_commands", "plan"),
    ("table_read", _ALWAYS, "calibration_commands", "read"),
    ("table_curve", _IN_READY, "calibration_commands", "curve"),
    ("table_write", _IN_READY, "calibration_commands", "write"),
    ("table_remove", _IN_READY, "calibration_commands", "remove"),
    ("checklist_read", _ALWAYS, "checklist_commands", "read"),
    ("checklist_write", _IN_READY, "checklist_commands", "write"),
    ("operators", _ALWAYS, "operators_commands", "answer"),
    ("log", _ALWAYS, None, _log),
    ("log_block", _AT_REST, "journal_stream", "begin"),
    ("log_release", _AT_REST, "journal_release", "release"),
    ("time", _ALWAYS, "time_command", "answer"),
    ("maintenance", _IN_READY, "maintenance_command", "ask"),
    ("doctor", _AT_REST, "doctor_command", "answer"),
)


def handle(app, request):
    """Answer a request (a dict with a valid `id`)."""
    op = request.get("op")
    for name, allowed, module, handler in COMMANDS:
        if name == op:
            refused = _not_now(app, op, allowed)
            if refused:
                return refused
            if not isinstance(handler, str):
                return handler(app, request)
            app.clock.exclude()
            with on_demand.loaded(module) as loaded:
                return getattr(loaded, handler)(app, request)
    if not isinstance(op, str):
        return replies.refusal("bad_request", "op is missing, or is not a string")
    return replies.refusal("unknown_op", "no such request; describe commands lists them")


def _not_now(app, op, allowed):
    """The refusal of a request that the present state does not allow, or None."""
    state = app.machine.state
    if allowed == _ALWAYS or state == transitions.READY:
        return None
    if allowed == _AT_REST and state == transitions.FAULT:
        return None
    return replies.refusal(
        "state",
        "%s is allowed in READY%s only; the device is in %s"
        % (op, " and FAULT" if allowed == _AT_REST else "", app.name(state)),
    )
