"""Operators: sign-in with a PIN, roles, what the record says, and the stored operators. H-25"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.bench.protocol import SimulatedBench
from tests.scenarios.conftest import (
    ARMED,
    OPERATOR,
    SCREENING,
    SETTING,
    TABLE,
    arm,
    faults,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    treat,
)
from tests.scenarios.fault_numbers import Fault

PHYSICIAN, NURSE, TECHNICIAN = 1, 2, 3
IN, OUT, IDLE, WRONG, REFUSED, DID_ARM, CONFIRMED, ADDED, CHANGED, REMOVED = range(1, 11)
REQUIRED, IDLE_MIN, SCREENED, PURGED, OBSERVE_S = 37, 38, 18, 17, 31

# number: (role, PIN); as docs/protocol.md has the file
PEOPLE = {2: (NURSE, "uudd"), 3: (PHYSICIAN, "duudu"), 7: (TECHNICIAN, "dddddu")}
ROUNDS = 20  # few: the time of a check is measured with a PIN that the device has stored
BASE_S = 5


def file_of(people: dict[int, tuple[int, str]], rounds: int = ROUNDS) -> bytes:
    """`operators_a.bin` with these people."""
    body = struct.pack("<4sHHI", b"CRYP", 1, len(people), 1)
    for number, (role, pin) in sorted(people.items()):
        salt = b"salt%04d" % number
        digest = salt + pin.replace("u", "+").replace("d", "-").encode()
        for _ in range(rounds):
            digest = hashlib.sha256(digest + salt).digest()
        body += struct.pack("<BBHH8s32s", number, role, rounds, 0, salt, digest)
    return body + struct.pack("<I", zlib.crc32(body))


def practice(bench: Bench, screening: int = 0, **settings: int) -> Bench:
    """READY, with operators required and `PEOPLE` stored."""
    values = {PURGED: 0, SCREENED: screening, REQUIRED: 1, OBSERVE_S: 0}
    values |= {int(key[1:]): value for key, value in settings.items()}
    preset(bench, values, {"operators_a.bin": file_of(PEOPLE)})
    switch_on(bench, "READY")
    bench.run_for(300)
    return bench


def enter(bench: Bench, pin: str, done: str = "select") -> None:
    for key in pin:
        bench.press("up" if key == "u" else "down")
    bench.press(done)
    bench.run_for(400)


def choose(bench: Bench, number: int, among: list[int] | None = None) -> None:
    """In the sign-in: go to an operator, and take it."""
    bench.run_for(200)
    for _ in range((among or sorted(PEOPLE)).index(number)):
        bench.press("up")
    bench.press("select")


def sign_in(bench: Bench, number: int, pin: str | None = None) -> None:
    """Hold ARM, choose the operator, enter the PIN."""
    bench.press("arm", 1200)
    choose(bench, number)
    enter(bench, PEOPLE[number][1] if pin is None else pin)


def sign_out(bench: Bench) -> None:
    bench.press("select", 1200)
    for _ in range(5):
        bench.press("down")
    bench.press("select")
    bench.press("arm")
    bench.run_for(200)


def operators(bench: Bench) -> list[tuple[int, ...]]:
    """(operator, role, how) of the OPERATOR records."""
    return [r.values("operator", "role", "how") for r in records(bench) if r.kind == OPERATOR]


def signed_in(bench: Bench) -> int:
    return bench.ask("operators")["ok"]["signed_in"]


def waiting(bench: Bench) -> tuple[Any, ...]:
    reply = bench.ask("operators")["ok"]
    return reply["waiting"], reply["generation"], reply["operators"]


def text(bench: Bench) -> str:
    bench.run_for(150)
    return bench.screen().text()


def ask(bench: Bench, do: str, number: int, **more: Any) -> dict[str, Any]:
    return bench.ask("operators", do=do, number=number, **more)


# -- off as shipped -------------------------------------------------------------------------------


def test_as_shipped_nobody_signs_in(bench: Bench) -> None:
    ready(bench)
    reply = bench.ask("operators")["ok"]
    assert (reply["required"], reply["signed_in"], reply["operators"]) == (0, 0, [])
    treat(bench)
    bench.press("select")
    bench.ask("set", key="volume", value=3)
    assert not operators(bench)
    assert records(bench)[-1].values("setting", "operator") == (4, 0)


# -- signing in -----------------------------------------------------------------------------------


@pytest.mark.hazard("H-25")
def test_nobody_arms_without_a_sign_in(bench: Bench) -> None:
    """H-25: ARM held asks for it; it arms nothing, and leads back."""
    practice(bench)
    before = text(bench)
    bench.press("arm", 1500)
    assert told(bench) == "READY"
    asked = text(bench)
    assert asked != before
    bench.press("trigger", 500)
    assert bench.valve_intervals() == []
    bench.press("arm", 3000)  # back, however long it is held
    assert told(bench) == "READY"
    assert text(bench) == before
    assert not [r for r in records(bench) if r.kind in (ARMED, OPERATOR)]


@pytest.mark.hazard("H-25")
def test_the_record_names_who_armed(bench: Bench) -> None:
    """H-25: a sign-in counts for the session, and READY shows it."""
    practice(bench)
    before = text(bench)
    sign_in(bench, 2)
    assert told(bench) == "READY"
    assert signed_in(bench) == 2
    assert text(bench) != before
    for _ in range(2):
        treat(bench)
        bench.press("select")
        bench.run_for(100)
    armed = [r.seq for r in records(bench) if r.kind == ARMED]
    assert operators(bench) == [(2, NURSE, IN), (2, NURSE, DID_ARM), (2, NURSE, DID_ARM)]
    assert [r.of for r in records(bench) if r.kind == OPERATOR][1:] == armed


@pytest.mark.hazard("H-25")
def test_no_screen_shows_what_was_pressed(bench: Bench) -> None:
    """H-25: the screens of two PINs of one length are the same, press for press."""
    practice(bench)
    seen: list[list[str]] = []
    for pin in ("uuuuuu", "dudddd"):
        bench.press("arm", 1200)
        choose(bench, 3)
        screens = []
        for key in pin:
            bench.press("up" if key == "u" else "down")
            screens.append(text(bench))
        seen.append(screens)
        bench.press("arm")
        bench.run_for(200)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 6, "each press is seen"


@pytest.mark.hazard("H-25")
def test_a_wrong_pin_doubles_the_wait(bench: Bench) -> None:
    """H-25: also the right one is not taken before it is over."""
    practice(bench)
    bench.press("arm", 1200)
    choose(bench, 3)
    for n in range(3):
        enter(bench, "uuuu")
        assert signed_in(bench) == 0
        bench.run_for((BASE_S << n) * 1000 - 2500)
        enter(bench, PEOPLE[3][1])  # takes 1.2 s
        assert signed_in(bench) == 0, "too early"
        bench.run_for(2500)
    enter(bench, PEOPLE[3][1])
    assert signed_in(bench) == 3
    log = [r for r in records(bench) if r.kind == OPERATOR]
    assert [(r.operator, r.how, r.of) for r in log] == [
        (3, WRONG, 5), (3, WRONG, 10), (3, WRONG, 20), (3, IN, 0),
    ]  # fmt: skip


@pytest.mark.needs("power")
@pytest.mark.hazard("H-25")
def test_the_wait_outlasts_a_loss_of_power(bench: Bench) -> None:
    """H-25: it begins again at power-on; another operator's right PIN does not end it."""
    practice(bench)
    for n in range(3):
        sign_in(bench, 3, "uuuu")
        bench.press("arm")
        bench.run_for((BASE_S << n) * 1000)
    bench.cut_power()
    bench.run_for(500)
    switch_on(bench, "READY")
    bench.run_for(2000)
    sign_in(bench, 2)
    assert signed_in(bench) == 2
    sign_out(bench)
    sign_in(bench, 3)
    assert signed_in(bench) == 0, "still within 20 s of power-on"
    bench.run_for(15_000)
    enter(bench, PEOPLE[3][1])
    assert signed_in(bench) == 3


@pytest.mark.parametrize("pin", ["uud", "uuddu", "uudduud", "dduu"])
def test_only_the_whole_pin_is_right(bench: Bench, pin: str) -> None:
    practice(bench)
    sign_in(bench, 2, pin)
    assert signed_in(bench) == 0


@pytest.mark.hazard("H-25")
def test_a_sign_in_is_forgotten_when_nobody_presses(bench: Bench) -> None:
    """H-25: after the time that is set; a press begins it again."""
    practice(bench, s38=60)
    sign_in(bench, 2)
    bench.run_for(50_000)
    bench.press("up")
    bench.press("down")
    bench.run_for(55_000)
    assert signed_in(bench) == 2
    bench.run_for(6_000)
    assert signed_in(bench) == 0
    assert operators(bench)[-1] == (2, NURSE, IDLE)
    bench.press("arm", 1200)
    assert told(bench) == "READY"


def test_it_is_not_forgotten_within_a_treatment(bench: Bench) -> None:
    practice(bench, s38=60, s3=120)
    sign_in(bench, 2)
    arm(bench)
    bench.run_for(100_000)
    assert told(bench) == "ARMED"
    assert signed_in(bench) == 2


def test_the_menu_signs_out_and_in(bench: Bench) -> None:
    practice(bench)
    sign_in(bench, 2)
    sign_out(bench)
    assert signed_in(bench) == 0
    assert operators(bench)[-1] == (2, NURSE, OUT)
    bench.press("select", 1200)
    for _ in range(5):
        bench.press("down")
    bench.press("select")
    choose(bench, 7)
    enter(bench, PEOPLE[7][1])
    assert signed_in(bench) == 7


@pytest.mark.needs("power")
def test_power_off_signs_out(bench: Bench) -> None:
    practice(bench)
    sign_in(bench, 2)
    bench.cut_power()
    bench.run_for(500)
    switch_on(bench, "READY")
    assert signed_in(bench) == 0


@pytest.mark.hazard("H-03")
def test_the_estop_ends_a_sign_in(bench: Bench) -> None:
    """H-03: a fault comes first, and READY is as before afterwards."""
    practice(bench)
    before = text(bench)
    bench.press("arm", 1200)
    choose(bench, 2)
    bench.estop_open()
    bench.run_for(300)
    assert faults(bench) == [Fault.ESTOP]
    bench.estop_close()
    bench.run_for(100)
    bench.press("select", 2300)
    assert told(bench) == "READY"
    assert text(bench) == before


# -- roles ----------------------------------------------------------------------------------------


def to_a_caution(bench: Bench) -> None:
    """In SCREENING: say on the third page that item 5, arrhythmia, applies."""
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"
    for _ in range(2):
        bench.press("select")
    bench.press("down")
    bench.press("select")


@pytest.mark.hazard("H-25", "H-23")
@pytest.mark.parametrize("who", [2, 3, 7])
def test_only_a_physician_overrides_a_caution(bench: Bench, who: int) -> None:
    """H-25: SELECT held by another is refused, and recorded as that."""
    practice(bench, screening=1)
    sign_in(bench, who)
    to_a_caution(bench)
    bench.press("select", 2500)
    bench.run_for(3500)  # a refusal is shown for 3 s
    if who != 3:
        assert operators(bench)[-1] == (who, PEOPLE[who][0], REFUSED)
        bench.press("up")  # taken back
    for _ in range(5 if who == 3 else 4):  # what to adjust, and the pages that are left
        bench.press("select")
    assert told(bench) == "ARMED"
    (record,) = [r for r in records(bench) if r.kind == SCREENING]
    assert record.values("overridden", "outcome", "operator") == (
        (16, 2, who) if who == 3 else (0, 1, who)
    )


@pytest.mark.hazard("H-25", "H-13")
@pytest.mark.parametrize("who", [2, 3, 7])
def test_a_nurse_does_not_confirm_a_limit(bench: Bench, who: int) -> None:
    """H-25: SELECT held asks for somebody who may; the change goes on waiting."""
    practice(bench)
    sign_in(bench, who)
    bench.ask("set", key="arm_pressure_min_mbar", value=310)
    bench.press("select", 1200)
    value = bench.ask("get", key="arm_pressure_min_mbar")["ok"]
    if who == 2:
        assert value == {"key": "arm_pressure_min_mbar", "value": 300, "pending": 310}
        assert operators(bench)[-1] == (2, NURSE, REFUSED)
        choose(bench, 7, [3, 7])  # only those who may are offered
        enter(bench, PEOPLE[7][1])
        bench.press("select", 1200)
    assert bench.ask("get", key="arm_pressure_min_mbar")["ok"]["value"] == 310
    (record,) = [r for r in records(bench) if r.kind == SETTING]
    assert record.values("setting", "new", "by", "operator") == (9, 310, 3, 7 if who == 2 else who)


@pytest.mark.hazard("H-25")
def test_who_switches_it_off_may_do_so(bench: Bench) -> None:
    """H-25: operators_required 0 is a limit like others."""
    practice(bench)
    bench.ask("set", key="operators_required", value=0)
    bench.press("select", 1200)
    assert bench.ask("get", key="operators_required")["ok"]["value"] == 1
    choose(bench, 3, [3, 7])
    enter(bench, PEOPLE[3][1])
    bench.press("select", 1200)
    assert bench.ask("get", key="operators_required")["ok"]["value"] == 0
    arm(bench)


@pytest.mark.hazard("H-25")
def test_a_table_is_recorded_with_who_confirmed_it(bench: Bench) -> None:
    practice(bench)
    sign_in(bench, 7)
    now = bench.ask("table_read", applicator=1)["ok"]
    for target, key in ((1, "um"), (2, "um_cold")):
        um = [round(depth * 1.1) for depth in now[key]]
        bench.ask("table_curve", applicator=1, target=target, um=um)
    bench.ask(
        "table_write", applicator=1, h_w_m2k=3300, spread_permille=60, skin_ms=260, model=2,
        run=17, utc_s=1_795_000_000, author="A. Technician",
    )  # fmt: skip
    bench.press("select", 1200)
    (table,) = [r for r in records(bench) if r.kind == TABLE]
    record = [r for r in records(bench) if r.kind == OPERATOR][-1]
    assert record.values("operator", "role", "how", "of") == (7, TECHNICIAN, CONFIRMED, table.seq)


# -- the stored operators -------------------------------------------------------------------------


@pytest.mark.hazard("H-25")
def test_the_first_is_a_matter_of_presence_the_next_of_a_physician(bench: Bench) -> None:
    """H-25: the PIN is entered twice on the device, and never crosses the link."""
    ready(bench)
    reply = ask(bench, "add", 3, role=PHYSICIAN)["ok"]
    assert not reply["applied"]
    assert ask(bench, "add", 3, role=PHYSICIAN)["ok"] == reply, "idempotent"
    assert waiting(bench) == (3, 0, [])
    bench.press("select", 1200)
    assert waiting(bench) == (3, 0, [])
    assert ask(bench, "add", 3, role=PHYSICIAN)["ok"]["applied"] is False, "idempotent"
    assert ask(bench, "add", 4, role=PHYSICIAN)["err"]["code"] == "busy"
    enter(bench, "uudd")
    enter(bench, "uudu")  # not the same: once more
    enter(bench, "uudd")
    assert waiting(bench) == (3, 0, [])
    enter(bench, "uudd")
    assert waiting(bench) == (0, 1, [[3, PHYSICIAN]])
    assert ask(bench, "add", 3, role=PHYSICIAN)["ok"]["applied"] is True
    event = [e for e in bench.events() if e["ev"] == "operator"][-1]
    assert (event["do"], event["number"], event["applied"]) == ("add", 3, True)

    ask(bench, "add", 2, role=NURSE)
    bench.press("select", 1200)  # a physician must sign in first
    choose(bench, 3, [3])
    enter(bench, "uudd")
    assert signed_in(bench) == 3
    bench.press("select", 1200)
    enter(bench, "dddd")
    enter(bench, "dddd")
    assert bench.ask("operators")["ok"]["operators"] == [[2, NURSE], [3, PHYSICIAN]]
    log = [r for r in records(bench) if r.kind == OPERATOR]
    assert [r.values("operator", "role", "how", "of", "of_role") for r in log] == [
        (0, 0, ADDED, 3, PHYSICIAN), (3, PHYSICIAN, IN, 0, 0), (3, PHYSICIAN, ADDED, 2, NURSE),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["rejected", "timed_out", "cancelled", "idle", "fault"])
def test_an_operator_who_is_not_confirmed_is_not_added(bench: Bench, how: str) -> None:
    ready(bench)
    ask(bench, "add", 3, role=PHYSICIAN)
    if how == "rejected":
        bench.press("down")
    elif how == "timed_out":
        bench.run_for(61_000)
    else:
        bench.press("select", 1200)
        enter(bench, "uudd")
        if how == "cancelled":
            bench.press("arm")
        elif how == "idle":
            bench.run_for(31_000)
        else:
            bench.estop_open()
            bench.run_for(300)
            bench.estop_close()
            bench.press("select", 2300)
    bench.run_for(300)
    assert state(bench) == "READY"
    assert bench.ask("operators")["ok"]["operators"] == []
    arm(bench)
    assert not operators(bench)


def test_a_new_pin_replaces_the_old_one(bench: Bench) -> None:
    practice(bench)
    sign_in(bench, 3)
    ask(bench, "pin", 2)
    bench.press("select", 1200)
    enter(bench, "dudud")
    enter(bench, "dudud")
    assert operators(bench)[-1] == (3, PHYSICIAN, CHANGED)
    sign_out(bench)
    sign_in(bench, 2)
    assert signed_in(bench) == 0
    bench.run_for(6000)
    enter(bench, "dudud")
    assert signed_in(bench) == 2


def test_who_is_removed_is_signed_out(bench: Bench) -> None:
    practice(bench)
    sign_in(bench, 3)
    assert ask(bench, "remove", 3)["err"]["code"] == "range", "the last physician"
    ask(bench, "remove", 2)
    bench.press("select", 1200)
    assert bench.ask("operators")["ok"]["operators"] == [[3, PHYSICIAN], [7, TECHNICIAN]]
    assert operators(bench)[-1] == (3, PHYSICIAN, REMOVED)
    assert ask(bench, "remove", 2)["ok"]["applied"] is True


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"do": "fly", "number": 1}, "bad_request"),
        ({"do": "add", "number": "1", "role": 1}, "type"),
        ({"do": "add", "number": 0, "role": 1}, "range"),
        ({"do": "add", "number": 21, "role": 1}, "range"),
        ({"do": "add", "number": 1, "role": 4}, "range"),
        ({"do": "add", "number": 2, "role": 1}, "range"),
        ({"do": "pin", "number": 4}, "range"),
    ],
)
def test_bad_requests_are_refused(bench: Bench, request_: dict[str, Any], code: str) -> None:
    practice(bench)
    assert bench.ask("operators", **request_)["err"]["code"] == code
    assert bench.ask("operators")["ok"]["operators"] == [[n, PEOPLE[n][0]] for n in PEOPLE]


@pytest.mark.hazard("H-25")
def test_without_a_physician_they_are_not_required(bench: Bench) -> None:
    """H-25: refused with the reason, or nobody could switch it off again."""
    ready(bench)
    reply = bench.ask("set", key="operators_required", value=1)
    assert reply["err"]["code"] == "range"
    assert "physician" in reply["err"]["text"]


@pytest.mark.hazard("H-25", "H-07")
@pytest.mark.parametrize("lost", ["removed", "damaged"])
def test_lost_operators_are_a_fault(bench: Bench, lost: str) -> None:
    """H-25: not a device without operators. The first one is then added by presence."""
    files = {} if lost == "removed" else {"operators_a.bin": file_of(PEOPLE)[:-1] + b"?"}
    preset(bench, {PURGED: 0, SCREENED: 0, REQUIRED: 1}, files)
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.OPERATORS_LOST]
    bench.press("select")
    assert told(bench) == "READY"
    bench.press("arm", 1200)
    bench.run_for(200)
    bench.press("select")
    assert told(bench) == "READY"
    ask(bench, "add", 3, role=PHYSICIAN)
    bench.press("select", 1200)
    enter(bench, "uudd")
    enter(bench, "uudd")
    bench.press("arm", 1200)
    choose(bench, 3, [3])
    enter(bench, "uudd")
    arm(bench)


@pytest.mark.hazard("H-25", "H-07")
def test_lost_settings_do_not_end_the_requirement(bench: Bench) -> None:
    """H-25: where operators are stored, the defaults are not `off`."""
    preset(bench, {}, {"settings_a.bin": b"damaged", "operators_a.bin": file_of(PEOPLE)})
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.SETTINGS_LOST]
    bench.press("select")
    assert bench.ask("get", key="operators_required")["ok"]["value"] == 1
    bench.press("arm", 1200)
    assert told(bench) == "READY"
    if "power" in bench.capabilities:
        bench.cut_power()
        bench.run_for(300)
        switch_on(bench, "READY")
        assert bench.ask("get", key="operators_required")["ok"]["value"] == 1


def _new_pin(bench: FastBench) -> None:
    """A new PIN for operator 2, by the physician. Stops at the power cut."""
    bench.press("select", 1200)
    for _ in range(2):
        enter(bench, "dudud")


def _confirmable(flash_cut: int | None, torn_bytes: int | None) -> FastBench:
    """A device that asks for the new PIN of operator 2, and loses power at an operation."""
    bench = FastBench(noise_lsb=0)
    practice(bench)
    sign_in(bench, 3)
    ask(bench, "pin", 2)
    if flash_cut is not None:
        bench.flash.cut_after(flash_cut, torn_bytes=torn_bytes)
    return bench


@pytest.mark.hazard("H-25", "H-07")
@pytest.mark.parametrize("torn_bytes", [None, 0, 100])
def test_a_power_cut_while_a_pin_is_stored(torn_bytes: int | None) -> None:
    """H-25, H-07: at every operation of the flash: the old PIN or the new one; nobody is lost."""
    bench = _confirmable(None, None)
    before = bench.flash.programs + bench.flash.erases
    _new_pin(bench)
    operations = bench.flash.programs + bench.flash.erases - before
    assert operations >= 4
    outcomes: set[str] = set()
    for cut in range(operations):
        bench = _confirmable(cut, torn_bytes)
        _new_pin(bench)
        bench.cut_power()
        bench.flash.power_on()
        bench.run_for(300)
        switch_on(bench, "READY")
        assert bench.ask("operators")["ok"]["operators"] == [[n, PEOPLE[n][0]] for n in PEOPLE]
        sign_in(bench, 2, "dudud")
        new = signed_in(bench) == 2
        if not new:
            bench.run_for(BASE_S * 1000)
            enter(bench, PEOPLE[2][1])
        assert signed_in(bench) == 2, f"neither PIN after cut {cut}"
        outcomes.add("new" if new else "old")
    assert outcomes == {"old", "new"}


@pytest.mark.emulated
def test_a_pin_is_checked_within_300_ms(micropython_image: object) -> None:
    """On real MicroPython: from SELECT's release until it is heard, with as many rounds as the
    device itself stores."""
    from hw_sim.emulator import EmulatedBench

    bench: SimulatedBench = EmulatedBench(image=micropython_image)  # type: ignore[arg-type]
    ready(bench)
    ask(bench, "add", 1, role=PHYSICIAN)
    bench.press("select", 1200)
    for _ in range(2):
        enter(bench, "dduudu")
    ask(bench, "add", 2, role=NURSE)
    bench.press("select", 1200)
    bench.press("select")
    for key in "dduudu":
        bench.press("up" if key == "u" else "down")
    bench.run_for(300)
    heard: list[int] = []
    bench.wiring.watch(
        lambda t, signal, level: heard.append(t) if signal == "BUZZER" and level else None
    )
    bench.hold("select")
    bench.run_for(80)
    heard.clear()
    released_ns = bench.clock.now_ns
    bench.release("select")
    bench.run_for(600)
    spent_ms = (heard[0] - released_ns) / 1e6
    print(f"\na PIN is checked in {spent_ms:.0f} ms")
    assert signed_in(bench) == 1
    assert 100 <= spent_ms <= 300


@pytest.mark.hazard("H-25", "H-19")
@pytest.mark.parametrize("who", [2, 3])
def test_only_a_physician_lifts_a_stop(bench: Bench, who: int) -> None:
    """H-25: DO NOT TREAT is lifted by SELECT held 3 s, by a physician."""
    practice(bench, screening=1)
    sign_in(bench, who)
    bench.press("arm", 1200)
    bench.press("down")
    bench.press("select")  # the first item: the diagnosis is not certain
    bench.press("select")
    assert told(bench) == "READY"
    bench.press("arm", 1200)
    bench.press("select", 3500)
    bench.run_for(3500)
    outcomes = [r.values("outcome", "operator") for r in records(bench) if r.kind == SCREENING]
    assert ((6, who) in outcomes) == (who == 3)
    if who == 2:
        assert operators(bench)[-1] == (2, NURSE, REFUSED)
