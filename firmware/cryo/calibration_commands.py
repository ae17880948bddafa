"""Link requests for calibrated tables: read, stage each curve, write, confirm on the device.
Loaded on demand by commands.py, then unloaded.

Works on an App. May import micropython.const and cryo's confirm, dose, journal, on_demand, replies,
schema, texts; loads calibration_table and operators_store on demand. Controls: H-13 (a table
changes doses: it is active only after the operator has confirmed it), H-06 (an invalid table is
refused with the reason, before the operator is asked), H-12.

A handler takes the application and the request and returns the reply without its `id`.
"""

from micropython import const

from cryo import confirm, dose, journal, on_demand, replies, schema, texts

_MODULE = "calibration_commands"

# Columns of a table, as in calibration_table.py
_OF = const(0)
_H = const(1)
_MODEL = const(4)
_RUN = const(5)
_UTC_S = const(6)
_BY = const(7)
_UM = const(8)

_NUMBERS = ("h_w_m2k", "spread_permille", "skin_ms", "model", "run", "utc_s")

_CONFIRMED = const(3)  # as in the record of a setting
_REJECTED = const(4)

SETTLES = 1  # what is settled here, as a REFUSED record has it


def _number(request):
    """(number of the request's applicator, None), or (0, the refusal)."""
    number = request.get("applicator")
    if not replies.is_integer(number):
        return 0, replies.refusal("type", "applicator must be an integer")
    if dose.row_of(number):
        return number, None
    return 0, replies.refusal("range", "no such applicator; describe applicators lists them")


def _stored(app, number):
    """(the calibrated table of an applicator or None, where its depths in force come from)."""
    with on_demand.loaded("calibration_store") as calibration_store:
        return calibration_store.read(app.tables.stored, number)


def read(app, request):
    """`table_read`: an applicator's active table and its origin."""
    number, refused = _number(request)
    if refused:
        return refused
    row = dose.row_of(number)
    table, provenance = _stored(app, number)
    return replies.ok(
        applicator=number,
        name=row[dose.NAME],
        source="calibrated" if dose.calibrated(number) else "shipped",
        version=dose.version_of(number),
        provenance=provenance,
        spot_um=row[dose.SPOT_UM],
        h_w_m2k=row[dose.H],
        spread_permille=row[dose.SPREAD],
        skin_ms=row[dose.SKIN_MS],
        model=None if table is None else table[_MODEL],
        run=None if table is None else table[_RUN],
        utc_s=None if table is None else table[_UTC_S],
        author=None if table is None else table[_BY],
        times_ms=dose.TIMES_MS,
        um=row[dose.CURVE],
        um_cold=row[dose.CURVE + 1],
    )


def curve(app, request):
    """`table_curve`: check and stage one curve of a new table."""
    number, refused = _number(request)
    if refused:
        return refused
    target = request.get("target")
    depths = request.get("um")
    if not replies.is_integer(target) or not isinstance(depths, list):
        return replies.refusal(
            "bad_request", "target (integer) and um (list of integers) are needed"
        )
    for depth in depths:
        if not replies.is_integer(depth) or not 0 <= depth <= 65535:
            return replies.refusal("type", "um takes integers from 0 to 65535")
    with on_demand.loaded("calibration_table") as calibration_table:
        why = calibration_table.refuse_curve(number, target, depths)
    if why:
        return replies.refusal("range", why)
    app.tables.stage(number, target, depths)
    return replies.ok(applicator=number, target=target, staged=True)


def write(app, request):
    """`table_write`: request the staged curves as a new table; the operator confirms it."""
    number, refused = _number(request)
    if refused:
        return refused
    curves = app.tables.staged(number)
    if curves is None:
        return replies.refusal("bad_request", "both curves must come first (table_curve)")
    table = [number]
    for key in _NUMBERS:
        value = request.get(key)
        if not replies.is_integer(value):
            return replies.refusal("type", "%s must be an integer" % key)
        table.append(value)
    author = request.get("author")
    if not isinstance(author, str):
        return replies.refusal("bad_request", "author must be a string")
    table = tuple(table) + (author, curves[0], curves[1])
    with on_demand.loaded("calibration_table") as calibration_table:
        why = calibration_table.refuse(table)
    if why:
        return replies.refusal("range", why)
    if _stored(app, number)[0] == table and confirm.pending_of(_MODULE) is None:
        return replies.ok(applicator=number, applied=True)
    return _ask(app, table)


def plan(app, request):
    """`plan`: the dose for a depth. Omitted keys default to the settings. Changes nothing."""
    values = app.settings.values
    fields = {}
    for key, index in (
        ("applicator", schema.APPLICATOR),
        ("depth_um", schema.DEPTH_UM),
        ("margin_um", schema.MARGIN_UM),
        ("target", schema.TARGET),
    ):
        value = request.get(key, values[index])
        if not replies.is_integer(value):
            return replies.refusal("type", "%s must be an integer" % key)
        row = schema.SETTINGS[index]
        low = row[schema.MIN]
        high = row[schema.MAX]
        if not low <= value <= high:
            return replies.out_of(
                low, high, row[schema.UNIT], "%s takes %d...%d" % (key, low, high)
            )
        fields[key] = value
    applicator = fields["applicator"]
    target = fields["target"]
    plan_um = fields["depth_um"] + fields["margin_um"]
    row = dose.row_of(applicator)
    time_ms = dose.dose_ms(applicator, plan_um, target)
    other = dose.reaching(plan_um, target)
    likely_um = dose.likely_um(applicator, plan_um)
    spread_um = dose.spread_um(applicator, plan_um)
    return replies.ok(
        name=row[dose.NAME],
        isotherm_c_x100=dose.TARGETS[target - 1][dose.C_X100],
        plan_um=plan_um,
        dose_ms=time_ms if time_ms > 0 else None,
        likely_um=likely_um,
        spread_um=spread_um,
        low_um=dose.low_um(likely_um, spread_um),
        high_um=dose.high_um(likely_um, spread_um),
        min_um=dose.min_um(applicator, target),
        max_um=dose.max_um(applicator, target),
        reaching=other if other > 0 else None,
        reaching_name=dose.row_of(other)[dose.NAME] if other > 0 else None,
        provenance=_stored(app, applicator)[1],
        **fields,
    )


def remove(app, request):
    """`table_remove`: return to the shipped table; the operator confirms it."""
    number, refused = _number(request)
    if refused:
        return refused
    if not dose.calibrated(number) and confirm.pending_of(_MODULE) is None:
        return replies.ok(applicator=number, applied=True)
    return _ask(app, (number,))


def _ask(app, table):
    """Ask the operator for a table, or, with its number only, for the shipped one."""
    if confirm.waiting() and confirm.pending_of(_MODULE) != table:
        return replies.refusal("busy", "another change waits for confirmation on the device")
    number = table[_OF]
    if len(table) > 1:
        low = (table[_UM][dose.TIMES_MS.index(dose.MIN_MS)] + 50) // 100
        high = (table[_UM][-1] + 50) // 100
        name = texts.say(texts.NEW_TABLE)
        new = "%d.%d-%d.%d mm #%d" % (low // 10, low % 10, high // 10, high % 10, table[_RUN])
    else:
        name = texts.say(texts.SHIPPED_TABLE)
        new = texts.say(texts.NO_CALIBRATION)
    confirm.ask(app, _MODULE, [(name + "\n" + texts.applicator(number), new)], table)
    return replies.ok(
        applicator=number, applied=False, confirm=confirm.HOW, expires_s=confirm.TIMEOUT_S
    )


def settle(app, table, why):
    """Apply, reject or time out the pending table; returns the outcome. H-13"""
    number = table[_OF]
    has_curves = len(table) > 1
    if why == "confirmed":
        app.clock.exclude()
        stored = app.tables.stored
        with on_demand.loaded("calibration_store") as store:
            if not (store.store(stored, table) if has_curves else store.remove(stored, number)):
                why = "storage"
    confirmed = why == "confirmed"
    checksum = 0
    if has_curves:
        with on_demand.loaded("calibration_table") as calibration_table:
            checksum = journal.signed(calibration_table.crc(table))
    seq = app.record(
        journal.TABLE,
        number,
        _CONFIRMED if confirmed else _REJECTED,
        table[_H] if has_curves else 0,
        table[_RUN] if has_curves else 0,
        table[_UTC_S] if has_curves else 0,
        table[_UM][dose.TIMES_MS.index(dose.MIN_MS)] if has_curves else 0,
        table[_UM][-1] if has_curves else 0,
        checksum,
    )
    if confirmed:
        with on_demand.loaded("operators_store") as operators_store:
            operators_store.note(app, operators_store.CONFIRMED, seq)
    app.link.event({"ev": "table", "applicator": number, "applied": confirmed, "why": why})
    return why
