"""The request `doctor`: what a technician's check of the board reads and asks for.

Loaded on demand, then unloaded. Works on an App. May import micropython.const and cryo's
confirm, monitors, on_demand, replies, sensors, state_ready, texts, transitions; loads clock_chip on
demand. Controls: H-29 (a switch is tested only in a check that somebody has begun at the device by
holding SELECT, and there by holding SELECT again; a host alone switches nothing), H-25 (where
operators are required, a physician or a technician).
"""

from micropython import const

from cryo import confirm, monitors, on_demand, replies, state_ready, texts, transitions
from cryo.sensors import Skin

_MODULE = "doctor_command"
OVERLAY = "doctor"  # opened by state_ready.py once the request is confirmed
_QUESTION = const(28)  # in the languages' prompts
_SAMPLES = const(8)
_FULL_MV = const(3300)
_FULL_COUNT = const(65535)
_NO_OPERATION = b"\x00\xe3"

# Outcomes of a test by their numbers in doctor.py
_OUTCOMES = (
    "",
    "waiting",
    "on",
    "released",
    "full time",
    "expired",
    "other key",
    "current",
    "dewar not empty",
    "not on",
    "not at rest",
    "closed",
)

SETTLES = 5  # what is settled here, as a REFUSED record has it


def answer(app, request):
    """Answer `doctor`, by its `do`."""
    what = request.get("do")
    if what == "read":
        return _read(app)
    if what not in ("begin", "show", "switch", "end"):
        return replies.refusal("bad_request", "do is read, begin, show, switch or end")
    if app.machine.state != transitions.READY:
        return replies.refusal(
            "state", "the check is begun in READY only: clear the fault first; read works"
        )
    check = _check()
    if what == "begin":
        return _begin(app, check)
    if check is None:
        return replies.refusal(
            "state", "no check is open: send begin, then hold SELECT at the device for 1 s"
        )
    now_ms = app.clock.now_ms
    check.asked(now_ms)
    if what == "end":
        check.end()
        return replies.ok(open=False)
    if check.busy():
        return replies.refusal("busy", "a test of a switch waits for SELECT, or SELECT is held")
    if what == "show":
        if not check.show_part(app, now_ms, request.get("part")):
            return replies.refusal("bad_request", "part is green, yellow, red, sound or screen")
        return replies.ok(shows_s=3)
    return _switch(app, check, now_ms, request.get("which"))


def _check():
    """The open check, or None."""
    return state_ready.menu if state_ready.menu_loaded == OVERLAY else None


def _begin(app, check):
    if check is not None:
        check.asked(app.clock.now_ms)
        return replies.ok(open=True, applied=True)
    if monitors.doubt:
        return replies.refusal("state", "the valve is not yet proved closed: wait")
    if confirm.waiting() and not confirm.pending_of(_MODULE):
        return replies.refusal("busy", "another change waits for confirmation on the device")
    confirm.ask(app, _MODULE, [(texts.prompt(_QUESTION, 0), texts.prompt(_QUESTION, 1))], True)
    return replies.ok(open=False, applied=False, confirm=confirm.HOW, expires_s=confirm.TIMEOUT_S)


def settle(app, content, why):
    """The operator has decided; confirm.py has the overlay opened. Returns the outcome."""
    app.link.event({"ev": "doctor", "open": why == "confirmed", "why": why})
    return why


def _switch(app, check, now_ms, which):
    """Begin the test of one switch; it waits for SELECT. H-29"""
    if which not in ("gate", "supply"):
        return replies.refusal("bad_request", "which is gate or supply")
    if not check.dewar_empty(app.sensors):
        level = app.sensors.level_permille.value
        pressure = app.sensors.pressure_mbar.value
        return replies.refusal(
            "state",
            "a switch is tested with the dewar empty and vented only: level %d permille (below "
            "50), pressure %d mbar (-50...50)" % (level, pressure),
        )
    check.test(app, now_ms, 1 if which == "gate" else 2)
    return replies.ok(
        which=which, hold="SELECT at the device: the switch is on while it is held", expires_s=30
    )


def _mv(read):
    total = 0
    for _ in range(_SAMPLES):
        total += read()
    return total * _FULL_MV // (_FULL_COUNT * _SAMPLES)


def _read(app):
    """Everything that can be read, raw; drives nothing."""
    board = app.board
    sensors = app.sensors
    check = _check()
    chip = board.thermocouple.registers
    skin = Skin()
    board.fit_skin()
    skin_word = board.skin.read_word()
    with on_demand.loaded("clock_chip") as clock_chip:
        chip_of_time = clock_chip.Ds3231(board.i2c)
        utc_s = chip_of_time.read()
    raw = chip[11] << 8 | chip[12]
    reply = {
        "state": app.name(app.machine.state),
        "buttons": board.read_buttons(),
        "estop": 1 if board.estop_closed() else 0,
        "gate": app.valve.is_open(),
        "supply": app.valve.supply_on(),
        "coil_mv": _mv(board.coil),
        "pressure_mv": _mv(board.pressure),
        "level_mv": _mv(board.level),
        "vsys_mv": _mv(board.vsys) * 3,
        "nozzle_registers": [chip[1], chip[2], chip[16]],
        "nozzle_c_x100": sensors.nozzle.c_x100 if sensors.nozzle.valid else None,
        "cold_junction_c_x100": ((raw - 0x10000 if raw & 0x8000 else raw) >> 2) * 100 >> 6,
        "screen": board.screen.write(_NO_OPERATION),
        "clock": chip_of_time.state,
        "utc_s": utc_s,
        "skin_word": None if skin_word & skin.SILENT else skin_word,
        "open": check is not None,
    }
    if check:
        check.asked(app.clock.now_ms)
        reply["presses"] = list(check.presses)
        reply["switch"] = ("", "gate", "supply")[check.which]
        reply["outcome"] = _OUTCOMES[check.outcome]
        reply["on_ms"] = check.on_ms
        reply["coil_ma"] = check.coil_ma
    return replies.ok(**reply)
