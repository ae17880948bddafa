"""The device's self-description for `describe` requests: its tables, with texts for the host.

Loaded by commands.py for one `describe` request at a time, then unloaded, since it is large.
May import micropython.const and cryo's commands, dose, faults, journal, on_demand, profiles,
replies, schema, transitions; loads fault_texts and screening_items on demand. Controls: H-09 (units and
names go with every number).
"""

from micropython import const

from cryo import (
    commands,
    dose,
    faults,
    journal,
    on_demand,
    profiles,
    replies,
    schema,
    transitions,
)

_ROWS_BYTES = const(1500)  # of JSON in one `describe` reply
# Texts for the numbers of other modules, in their order
EVENTS = (
    "",
    "started",
    "self-test passed",
    "ARM held 1 s",
    "ARM pressed",
    "TRIGGER held",
    "shot ended",
    "timed out",
    "SELECT",
    "fault",
    "faults cleared",
    "nozzle not cold",
    "nozzle cold",
    "freeze complete, cycles left",
    "stopped",
    "ARM held 1 s, screening due",
    "screening answered",
)

CAUSES = (
    "",
    "complete",
    "trigger released",
    "emergency stop",
    "fault",
    "cancelled",
    "cold",
    "reset",
    "complete, depth reached",
    "complete, planned time (depth in doubt)",
)

PRIORITIES = ("low", "medium", "high")
CLEARS = ("select", "estop", "power")
WHO = ("host", "device")

_ALLOWED = ("valve closed (status: always)", "READY", "READY, FAULT")

ERRORS = (
    ("bad_request", "a key is missing or has the wrong form"),
    ("unknown_op", "no such request"),
    ("unknown_key", "no such setting"),
    ("type", "not an integer"),
    ("range", "outside min...max"),
    ("state", "not allowed in this state"),
    ("busy", "the valve is open, or a change waits for confirmation on the device"),
    ("storage", "the device could not use its flash"),
    ("chain", "the record has another chain value on the device"),
)

# request, what it does
REQUESTS = (
    ("hello", "identify the device"),
    ("describe", "tables of part: settings, commands, faults, records ..."),
    ("get", "a setting's value"),
    ("set", "change a setting; the operator may have to confirm it"),
    ("status", "state and readings"),
    ("plan", "dose, spread and reach for a depth; changes nothing"),
    ("table_read", "an applicator's depths over time, and their origin"),
    ("table_curve", "stage one curve of a calibrated table"),
    ("table_write", "write the staged table; the operator must confirm it"),
    ("table_remove", "return to the shipped table; the operator must confirm it"),
    ("checklist_read", "the practice's own items of the checklist"),
    ("checklist_write", "replace them; the operator must confirm it"),
    ("operators", "the stored operators, and who is signed in"),
    ("operator", "add or remove one, or a new PIN; a physician confirms it on the device"),
    ("log", "journal records from a sequence number on"),
    ("log_block", "the same in binary chunks, many of them for one request"),
    ("log_release", "records up to seq are stored: the device may delete them when room is short"),
    ("time", "read the clock; set it (READY)"),
    ("maintenance", "end the application, for flashing; the operator must confirm it"),
    ("doctor", "a technician's check of the board; begun, and switches held, at the device"),
)

_STATED = "as in the brief"
_SORTED = "in the brief's list; severity assumed"
_ADJUSTED = "in the brief's list; severity and what to adjust assumed"
_KIND = const(0)  # column of screening_items.ITEMS
_ITEM_KINDS = ("", "avoid", "caution")
_AAFP_2020 = "AAFP 2020;101:399: not when pathology is desired"
_AAFP_2012 = "AAFP 2012;86:1118: contraindication"
_SKIN = "AAFP 2004;69:2365: best for light skin; prompt assumed"
_SITE = "caution by common practice; kind and prompt assumed"
_NERVE = "NHS leaflet: numbness over a superficial nerve; prompt assumed"
_LEG = "NHS leaflet: heals slowly on the lower leg; prompt assumed"

# item of the checklist, its name, source
ITEMS = (
    (1, "diabetic neuropathy", _STATED),
    (2, "severe circulatory or peripheral vascular disease", _SORTED),
    (3, "uncontrolled diabetes", _ADJUSTED),
    (4, "cold allergy", _SORTED),
    (5, "arrhythmia", _ADJUSTED),
    (6, "pacemaker", _ADJUSTED),
    (7, "pregnancy", _SORTED),
    (8, "severe anaemia", _ADJUSTED),
    (9, "immunocompromise", _ADJUSTED),
    (10, "anticoagulants within two weeks", _ADJUSTED),
    (11, "drugs that act on coagulation or the nervous system", _ADJUSTED),
    (12, "vasoconstrictors or antihypertensives", _ADJUSTED),
    (13, "open wound or infection at the site", _SORTED),
    (14, "chemotherapy", "as in the brief; what to adjust assumed"),
    (15, "diagnosis not certain, or a pigmented lesion that may need a biopsy", _AAFP_2020),
    (16, "Raynaud's disease", _AAFP_2012),
    (17, "cryoglobulinaemia", _AAFP_2012),
    (18, "dark skin (pigment loss)", _SKIN),
    (19, "site over a superficial nerve", _NERVE),
    (20, "finger or toe", _SITE),
    (21, "eyelid", _SITE),
    (22, "lower leg", _LEG),
)

_OF_PROFILE = "depth, margin and cycles assumed"
_ONE = "depth, margin assumed; one cycle: a second did not help hand warts in a trial"
_TWO = "depth, margin assumed; two cycles: 41 -> 65 % of plantar warts cleared in a trial"

# number (never reused), name, source. Its figures: from schema.PROFILES on, three settings each
PROFILES = (
    (1, "custom", "as set by the operator"),
    (2, "common wart", _ONE),
    (3, "plantar wart", _TWO),
    (4, "actinic keratosis, thin", _OF_PROFILE),
    (5, "actinic keratosis, thick", _OF_PROFILE),
    (6, "seborrhoeic keratosis", _OF_PROFILE),
    (7, "skin tag", _OF_PROFILE),
)

# setting, its purpose
HELPS = (
    (1, "lesion depth; limited by the applicator's table"),
    (2, "fitted applicator, see describe applicators"),
    (3, "time-out in ARMED without a freeze: back to READY"),
    (4, "loudness of the sounder"),
    (5, "brightness of the screen"),
    (6, "from gate high to flow, measured on this valve"),
    (7, "from gate low to no flow, measured on this valve"),
    (8, "frequency error of this board's clock; positive: fast"),
    (9, "lowest dewar gauge pressure to arm"),
    (10, "highest dewar gauge pressure to arm"),
    (11, "a freeze ends below this dewar gauge pressure"),
    (12, "a freeze ends above this dewar gauge pressure"),
    (13, "lowest LN2 level to arm"),
    (14, "a freeze ends below this LN2 level"),
    (15, "lowest board supply to arm"),
    (16, "a freeze ends below this board supply"),
    (17, "a warm line is purged before arming"),
    (18, "the checklist must be answered before a treatment"),
    (19, "press: a foot pedal starts, and ends with a second press"),
    (20, "treatment profile: sets depth, margin and cycles"),
    (21, "distance below the lesion that the target isotherm must reach"),
    (22, "freezes of a treatment, with a thaw between them"),
    (23, "isotherm that must reach the planned depth"),
    (24, "shortest thaw between cycles"),
    (25, "patient number for the next treatment; cleared after one hour"),
    (26, "highest patient number used; the next free one follows"),
    (27, "panel language: 1 English, 2 Traditional Chinese"),
    (28, "the estimate ends the freeze, within a quarter of the plan and 10 to 30 s"),
    (29, "an infrared thermometer is fitted; a fault if it does not answer"),
    (37, "operators sign in with a PIN: to arm, to override, to confirm"),
    (38, "a sign-in is forgotten after this time without a press"),
    (
        39,
        "what lies deeper at this site must not be reached; a caution when the plan might; 0: off",
    ),
    (40, "mains whose hum the thermocouple's filter rejects: Taiwan, Americas 60 Hz, Europe 50 Hz"),
    (30, "LN2 consumption of the open valve"),
    (31, "observation time after a treatment; 0: none"),
    (41, "profile common_wart: lesion depth; assumed"),
    (42, "profile common_wart: margin below it; assumed"),
    (43, "profile common_wart: cycles"),
    (44, "profile plantar_wart: lesion depth; assumed"),
    (45, "profile plantar_wart: margin below it; assumed"),
    (46, "profile plantar_wart: cycles"),
    (47, "profile ak_thin: lesion depth; assumed"),
    (48, "profile ak_thin: margin below it; assumed"),
    (49, "profile ak_thin: cycles"),
    (50, "profile ak_thick: lesion depth; assumed"),
    (51, "profile ak_thick: margin below it; assumed"),
    (52, "profile ak_thick: cycles"),
    (53, "profile seborrhoeic: lesion depth; assumed"),
    (54, "profile seborrhoeic: margin below it; assumed"),
    (55, "profile seborrhoeic: cycles"),
    (56, "profile skin_tag: lesion depth; assumed"),
    (57, "profile skin_tag: margin below it; assumed"),
    (58, "profile skin_tag: cycles"),
)

_END_CAUSE = (
    "1=complete 2=trigger released 3=emergency stop 4=fault 5=cancelled before opening "
    "8=complete, depth reached 9=complete, planned time: the depth was in doubt"
)
_PURGE_CAUSE = (
    "1=not cold in time 2=trigger released 3=emergency stop 4=fault 5=cancelled before opening "
    "6=cold 7=reset, upper bound (older firmware)"
)
_RESET_CAUSE = "1=power-on 3=watchdog"
_OPERATOR = "number, 0=nobody"
_ROLE = "1=physician 2=nurse 3=technician"
_OPERATOR_HOW = (
    "1=signed in 2=signed out 3=idle 4=wrong PIN 5=refused: role 6=armed 7=confirmed a table "
    "8=added 9=new PIN 10=removed"
)

# number (never reused), name, ((field, unit), ...) in the order of the eight arguments
KINDS = (
    (
        journal.BOOT,
        "boot",
        (
            ("reset_cause", _RESET_CAUSE),
            ("firmware", "version"),
            ("settings_generation", "count"),
            ("settings_outcome", "0=loaded 1=first start 2=one slot bad 3=lost"),
            ("free", "records"),
            ("clock", "0=not set 1=host 2=rtc 3=not set: the clock chip has lost its power"),
            ("image", "7 hex digits"),
            ("image_more", "7 hex digits"),
        ),
    ),
    (
        journal.SETTING,
        "setting",
        (
            ("setting", "number"),
            ("old", "setting's unit"),
            ("new", "setting's unit"),
            ("by", "1=panel 2=host 3=host, confirmed on the device 4=host, rejected on the device"),
            ("operator", _OPERATOR),
        ),
    ),
    (journal.TIME_SET, "time_set", (("old", "s since 1970 UTC"), ("new", "s since 1970 UTC"))),
    (
        journal.ARMED,
        "armed",
        (
            ("applicator", "number"),
            ("depth", "um"),
            ("dose", "ms"),
            ("planned_gate", "us"),
            ("table_version", "number"),
            ("nozzle", "0.01 degC"),
            ("settings_generation", "count"),
            ("patient_ref", "number, 0=none"),
        ),
    ),
    (
        journal.DISARMED,
        "disarmed",
        (("treatment", "seq"), ("reason", "1=button 2=timed out 3=fault")),
    ),
    (
        journal.FREEZE_BEGIN,
        "freeze_begin",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("dose", "ms"),
            ("planned_gate", "us"),
            ("nozzle", "0.01 degC"),
            ("pressure", "mbar"),
            ("level", "permille"),
            ("supply", "mV"),
        ),
    ),
    (
        journal.FREEZE_END,
        "freeze_end",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("cause", _END_CAUSE),
            ("dose", "ms"),
            ("planned_gate", "us"),
            ("delivered_gate", "us"),
            ("nozzle_min", "0.01 degC"),
            ("pressure_min", "mbar"),
        ),
    ),
    (
        journal.FREEZE_LOST,
        "freeze_lost",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("dose", "ms"),
            ("planned_gate", "us"),
            ("delivered_at_least", "us"),
            ("delivered_at_most", "us"),
            ("reset_cause", _RESET_CAUSE),
        ),
    ),
    (
        journal.FAULT,
        "fault",
        (("fault", "number"), ("detail", "by fault"), ("state_before", "number")),
    ),
    (journal.FAULT_CLEARED, "fault_cleared", (("fault", "number"),)),
    (
        journal.CAUTION,
        "caution",
        (
            ("caution", "1=applicator not calibrated here 2=too deep for the site"),
            ("answer", "1=confirmed by the operator 2=left 3=timed out"),
            ("applicator", "number"),
            ("value", "by caution: table version; um, planned depth + 2 spreads"),
            ("limit", "by caution: 0; um, safe depth of the site"),
            ("patient_ref", "number, 0=none"),
            ("operator", _OPERATOR),
        ),
    ),
    (
        journal.WITNESS,
        "witness",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("doubt", "1=no fall 2=too quick 3=too slow 4=came back 5=no reading"),
            ("elapsed", "ms"),
            ("skin", "0.01 degC"),
            ("skin_min", "0.01 degC"),
            ("fall", "permille of the nominal time to -65 degC, 0=not seen"),
            ("liquid", "ms"),
        ),
    ),
    (journal.MAINTENANCE, "maintenance", ()),
    (
        journal.BOARD_CHECK,
        "board_check",
        (
            ("what", "1=GATE alone 2=SUPPLY alone 3=begun 4=ended"),
            (
                "outcome",
                "of a switch: 3=released 4=full time 6=other key 7=current 8=dewar not empty "
                "9=not on 10=both 11=closed",
            ),
            ("on", "ms"),
            ("coil_most", "mA"),
        ),
    ),
    (
        journal.REFUSED,
        "refused",
        (
            ("what", "1=table 2=checklist 3=operators 4=maintenance 5=board check"),
            ("why", "1=rejected 2=timed out 3=not stored"),
            ("timed_out", "since the start"),
            ("operator", _OPERATOR),
        ),
    ),
    (journal.OVERRUN, "overrun", (("count", "ticks"), ("worst", "us"))),
    (
        journal.ICE_FIELD,
        "ice_field",
        (("treatment", "seq"), ("cycle", "number"), ("elapsed", "ms")),
    ),
    (
        journal.PRECHILL_BEGIN,
        "prechill_begin",
        (
            ("treatment", "seq, 0=not armed yet"),
            ("cycle", "number"),
            ("planned_gate", "us"),
            ("nozzle", "0.01 degC"),
            ("pressure", "mbar"),
            ("level", "permille"),
            ("supply", "mV"),
        ),
    ),
    (
        journal.PRECHILL_END,
        "prechill_end",
        (
            ("treatment", "seq, 0=not armed yet"),
            ("cycle", "number"),
            ("cause", _PURGE_CAUSE),
            ("planned_gate", "us"),
            ("delivered_gate", "us"),
            ("nozzle", "0.01 degC"),
            ("nozzle_min", "0.01 degC"),
            ("pressure_min", "mbar"),
        ),
    ),
    (
        journal.PLAN,
        "plan",
        (
            ("treatment", "seq"),
            ("profile", "number"),
            ("target", "1=-25 degC 2=-50 degC"),
            ("margin", "um"),
            ("plan_depth", "um"),
            ("spread", "um"),
            ("cycles", "count"),
            ("purge", "0=off 1=when warm"),
        ),
    ),
    (
        journal.SCREENING,
        "screening",
        (
            ("present", "items, one bit each; bits 24 to 27: the practice's own"),
            ("overridden", "items, one bit each"),
            (
                "outcome",
                "1=nothing applies 2=overridden by a physician 3=stopped 4=left 5=timed out "
                "6=stop lifted by a physician",
            ),
            ("patient_ref", "number, 0=none"),
            ("list", "version"),
            ("own", "CRC-32 of the practice's own items, signed, 0=none"),
            ("operator", _OPERATOR),
        ),
    ),
    (
        journal.THAW,
        "thaw",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("thawed", "ms"),
            ("by", "1=operator 2=skin sensor 3=treatment stopped"),
            ("skin", "0.01 degC, 100000=not fitted"),
        ),
    ),
    (
        journal.TREATMENT_END,
        "treatment_end",
        (
            ("treatment", "seq"),
            ("why", "1=complete 2=freeze ended early 3=stopped 4=fault 5=timed out"),
            ("cycles", "count"),
            ("complete", "count"),
            ("delivered", "ms"),
            ("nozzle_min", "0.01 degC"),
            ("interruptions", "count"),
            ("patient_ref", "number, 0=none"),
        ),
    ),
    (
        journal.OBSERVATION,
        "observation",
        (
            ("treatment", "seq"),
            ("outcome", "1=stable 2=next treatment 3=not stable, asked again"),
            ("after", "s"),
            (
                "answers",
                "stable: 1=blood pressure 2=pulse 4=skin; not stable: 16, 32, 64; sum of these",
            ),
        ),
    ),
    (
        journal.ESTIMATE,
        "estimate",
        (
            ("treatment", "seq"),
            ("cycle", "number"),
            ("depth", "um, -1=unknown"),
            ("spread", "um, -1=unknown"),
            ("liquid", "ms"),
            ("skin_fall", "ms to -65 degC, 0=not seen"),
            ("planned", "um"),
            (
                "note",
                "0=none 1=short of the lesion 2=ended by depth 3=depth unknown: no fall of the skin "
                "4=depth unknown: too quick a fall 5=depth unknown: too slow a fall "
                "6=depth unknown: the skin came back up 7=depth unknown: no reading of the skin "
                "8=deeper than the safe depth of the site "
                "9=may be short of the lesion: its spread reaches above the base",
            ),
        ),
    ),
    (
        journal.TABLE,
        "table",
        (
            ("applicator", "number"),
            ("by", "3=host, confirmed on the device 4=host, rejected on the device"),
            ("h", "W/m2K, 0=shipped table"),
            ("run", "number"),
            ("date", "s since 1970 UTC"),
            ("depth_10s", "um"),
            ("depth_30s", "um"),
            ("crc", "CRC-32 of the table, signed"),
        ),
    ),
    (
        journal.PRECHILL_LOST,
        "prechill_lost",
        (
            ("treatment", "seq, 0=not armed yet"),
            ("cycle", "number"),
            ("planned_gate", "us"),
            ("delivered_at_least", "us"),
            ("delivered_at_most", "us"),
            ("reset_cause", _RESET_CAUSE),
            ("begin", "seq"),
        ),
    ),
    (
        journal.RELEASED,
        "released",
        (
            ("through", "seq"),
            ("chain", "first 4 bytes of its chain value, signed"),
            ("oldest", "seq"),
            ("free", "records"),
        ),
    ),
    (
        journal.CHECKLIST,
        "checklist",
        (
            (
                "by",
                "3=host, confirmed on the device 4=host, rejected on the device 5=both copies lost",
            ),
            ("count", "own items"),
            ("avoid", "items that stop, one bit each"),
            ("crc", "CRC-32 of the items, signed, 0=none"),
            ("old_crc", "CRC-32 of the items before, signed, 0=none"),
        ),
    ),
    (
        journal.OPERATOR,
        "operator",
        (
            ("operator", _OPERATOR),
            ("role", _ROLE),
            ("how", _OPERATOR_HOW),
            ("of", "4: s until the next PIN, 6 and 7: seq, 8 to 10: operator"),
            ("of_role", _ROLE),
        ),
    ),
)


def _text(texts, key):
    for name, text in texts:
        if name == key:
            return text
    return ""


def _setting_rows(app):
    return [
        (number, key, unit, low, high, default, WHO[by], _text(HELPS, number))
        for number, key, unit, low, high, default, by in schema.SETTINGS
    ]


def _command_rows(app):
    return [(name, _ALLOWED[when], _text(REQUESTS, name)) for name, when, _, _ in commands.COMMANDS]


def _fault_rows(app):
    with on_demand.loaded("fault_texts") as fault_texts:
        texts = fault_texts.FAULT_TEXTS
    return [
        (number, name, PRIORITIES[priority], CLEARS[clears]) + texts[number - 1][1:]
        for number, name, priority, clears in faults.FAULTS
    ]


def _state_rows(app):
    return [(state, app.name(state)) for state in range(transitions.FAULT + 1)]


def _applicator_rows(app):
    with on_demand.loaded("calibration_store") as calibration_store:
        provenances = calibration_store.provenances(app.tables.stored)
    return [
        (
            row[dose.NUMBER],
            row[dose.NAME],
            dose.min_um(row[dose.NUMBER]),
            dose.max_um(row[dose.NUMBER]),
            provenance,
        )
        for row, provenance in zip(dose.rows(), provenances)
    ]


def _profile_rows(app):
    values = app.settings.values
    return [
        (number, name) + tuple(profiles.figure(values, number, k)[1] for k in range(3)) + (source,)
        for number, name, source in PROFILES
    ]


def _item_rows(app):
    with on_demand.loaded("screening_items") as screening_items:
        kinds = screening_items.ITEMS
    return [
        (number, name, _ITEM_KINDS[kinds[number - 1][_KIND]], source)
        for number, name, source in ITEMS
    ]


def _record_rows(app):
    return KINDS


def _error_rows(app):
    return ERRORS


PARTS = (
    ("settings", _setting_rows, ("number", "key", "unit", "min", "max", "default", "who", "help")),
    ("commands", _command_rows, ("op", "allowed", "help")),
    ("faults", _fault_rows, ("number", "name", "priority", "clears", "text", "action")),
    ("records", _record_rows, ("number", "name", "fields")),
    ("states", _state_rows, ("number", "name")),
    ("errors", _error_rows, ("code", "help")),
    ("items", _item_rows, ("number", "name", "kind", "source")),
    ("profiles", _profile_rows, ("number", "name", "depth_um", "margin_um", "cycles", "source")),
    ("applicators", _applicator_rows, ("number", "name", "min_um", "max_um", "provenance")),
)


def describe(app, request):
    """A page of one part's rows."""
    start = request.get("from", 0)
    if not replies.is_integer(start) or start < 0:
        return replies.refusal("bad_request", "from must be an integer, 0 or more")
    part = request.get("part")
    rows = columns = None
    for name, rows_of, names in PARTS:
        if name == part:
            rows = rows_of(app)
            columns = names
    if rows is None:
        names = ", ".join([name for name, _, _ in PARTS])
        return replies.refusal("bad_request", "part must be one of " + names)
    page = []
    size = 0
    following = None
    for i in range(start, len(rows)):
        size += len(repr(rows[i]))
        if page and size > _ROWS_BYTES:
            following = i
            break
        page.append(rows[i])
    return replies.ok(part=part, columns=columns, rows=page, next=following)
