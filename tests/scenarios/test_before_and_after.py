"""Before a treatment: checklist, patient, nitrogen, pedal. After it: the observation."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from hw_sim.bench import Bench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    ARMED,
    CHECKLIST,
    COLD,
    FREEZE_END,
    MS,
    OBSERVATION,
    PRECHILL_END,
    RELEASED,
    SCREENING,
    SHORT,
    TREATMENT_END,
    arm,
    cold_line,
    faults,
    last,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault

PRECHILL, ASK, TRIGGER_MODE, USE, OBSERVE_S = 17, 18, 19, 30, 31  # permanent numbers of settings
PAGES, A_PAGE = 6, 3
STATED = {1: "avoid", 14: "caution"}  # as in the clinical brief
# The lines of the pages, as in the operator's guide: the items of each
LINES = (
    (15,), (1, 3), (2,), (4,), (16, 17), (13,), (5,), (6,), (7,), (8,), (9,), (14,), (10,), (11,),
    (12,), (18,), (19, 20), (21, 22),
)  # fmt: skip
ADJUSTED = {3, 5, 6, 8, 9, 10, 11, 12, 14, 18, 19, 20, 21, 22}
MINUTE_MS = 60_000


def page_of(number: int) -> int:
    """The page of an item, from 0."""
    return next(i for i, line in enumerate(LINES) if number in line) // A_PAGE


def bit(number: int) -> int:
    return 1 << (number - 1)


def asked(bench: Bench) -> None:
    """Go to SCREENING on a device that does not purge."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"


def applies(bench: Bench, number: int) -> None:
    """Answer the preceding pages, go to the line of an item, and mark it as applicable."""
    at = next(i for i, line in enumerate(LINES) if number in line)
    for _ in range(at // A_PAGE):
        bench.press("select")
    choose(bench, at % A_PAGE)
    if len(LINES[at]) > 1:
        choose(bench, LINES[at].index(number))


def choose(bench: Bench, line: int) -> None:
    """Go to a line of the list that is shown, and answer that it applies."""
    for _ in range(line + 1):
        bench.press("down")
    bench.press("select")


def override(bench: Bench, number: int) -> None:
    """The physician's hold, what is to be adjusted read, and out of the line's own page."""
    bench.press("select", 2300)
    if number in ADJUSTED:
        bench.press("select")
    if any(number in line and len(line) > 1 for line in LINES):
        bench.press("select")


def lift(bench: Bench) -> None:
    """The physician's hold on the screen of a stop."""
    bench.press("select", 3200)


def items(bench: Bench) -> dict[int, str]:
    """Avoid or caution, by number."""
    rows: list[Any] = []
    start: int | None = 0
    while start is not None:
        page = bench.ask("describe", part="items", **{"from": start})["ok"]
        rows += page["rows"]
        start = page["next"]
    return {row[0]: row[2] for row in rows}


# -- the checklist --------------------------------------------------------------------------------


def test_from_ready_to_armed_in_at_most_eight_presses(bench: Bench) -> None:
    """Calibrated, with defaults, including holds and the purge."""
    preset(bench, {})
    switch_on(bench, "READY")
    presses = 0

    def press(name: str, ms: float) -> None:
        nonlocal presses
        presses += 1
        bench.press(name, ms)

    press("arm", 1200)
    while told(bench) == "SCREENING":
        press("select", 80)
    press("trigger", 10_000)
    assert told(bench) == "ARMED"
    assert presses <= 8
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (0, 0, 1)


@pytest.mark.hazard("H-19")
def test_every_item_of_the_brief_is_asked_for(bench: Bench) -> None:
    """H-19."""
    asked(bench)
    kinds = items(bench)
    assert set(kinds) == set(range(1, 23)) == {n for line in LINES for n in line}
    assert {n: kinds[n] for n in STATED} == STATED
    screens = set()
    for _ in range(PAGES):
        screens.add(bench.screen().text())
        assert told(bench) == "SCREENING"
        bench.press("select")
    assert len(screens) == PAGES
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-19", "H-23")
@pytest.mark.parametrize("number", range(1, 23))
def test_what_applies_stops_or_waits_for_the_physician(bench: Bench, number: int) -> None:
    """H-19, H-23: 'avoid' ends it; 'caution' needs a hold of 2 s to continue; both are recorded."""
    asked(bench)
    kind = items(bench)[number]
    applies(bench, number)
    assert told(bench) == "SCREENING"
    bench.press("select", 1800)  # too short to override
    if kind == "avoid":
        bench.press("select", 2300)
        bench.press("select")
        assert told(bench) == "READY"
        assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
            1 << (number - 1),
            0,
            3,
        )
        bench.press("trigger", 500)
        assert all(r.kind != ARMED for r in records(bench))
        return
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "SCREENING"
    override(bench, number)
    assert told(bench) == "SCREENING"
    for _ in range(PAGES - page_of(number)):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
        1 << (number - 1),
        1 << (number - 1),
        2,
    )


@pytest.mark.hazard("H-23")
def test_each_caution_needs_its_own_override(bench: Bench) -> None:
    """H-23: one long hold does not answer two screens."""
    asked(bench)
    applies(bench, 5)
    bench.hold("select")
    bench.run_for(5000)
    bench.release("select")
    bench.run_for(60)
    bench.press("select")  # what is to be adjusted
    choose(bench, 1)  # item 6
    bench.press("select")
    assert told(bench) == "SCREENING"
    override(bench, 6)
    for _ in range(PAGES - 2):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
        0b110000,
        0b110000,
        2,
    )


def test_a_line_chosen_by_mistake_can_be_left(bench: Bench) -> None:
    asked(bench)
    applies(bench, 3)
    bench.press("up")
    bench.press("select")  # out of the line's own page
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (0, 0, 1)


@pytest.mark.hazard("H-03", "H-04", "H-19")
@pytest.mark.parametrize(
    ("how", "outcome"), [("arm", 4), ("time", 5), ("estop", 4), ("trigger", 0)]
)
def test_leaving_the_checklist_is_recorded_and_clears_nobody(
    bench: Bench, how: str, outcome: int
) -> None:
    """H-19, H-04, H-03."""
    asked(bench)
    bench.press("select")
    if how == "arm":
        bench.press("arm")
    elif how == "time":
        bench.run_for(181_000)
    elif how == "estop":
        bench.estop_open()
        bench.run_for(100)
        assert faults(bench) == [Fault.ESTOP]
    else:
        bench.press("trigger", 1000)
        assert told(bench) == "SCREENING"
        assert bench.valve_intervals() == []
        return
    assert told(bench) == ("FAULT" if how == "estop" else "READY")
    assert last(bench, SCREENING).outcome == outcome
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-10")
@pytest.mark.needs("mishaps")
def test_what_changed_meanwhile_still_forbids(bench: Bench) -> None:
    """H-10: the dewar has lost its pressure while the pages were answered."""
    asked(bench)
    bench.mishap("pressure_low")
    bench.run_for(4000)
    for _ in range(PAGES):
        bench.press("select")
    bench.run_for(100)
    assert told(bench) == "SCREENING"
    assert all(r.kind != ARMED for r in records(bench))


def choose_patient(bench: Bench) -> int:
    """Select the next free patient number on the panel."""
    for _ in range(4):
        bench.press("select")
    bench.press("up")
    for _ in range(1):
        bench.press("select")
    return bench.ask("get", key="patient_ref")["ok"]["value"]


@pytest.mark.hazard("H-18", "H-19")
def test_the_same_patient_is_asked_once_in_an_hour(bench: Bench) -> None:
    """H-19, H-18: another patient, no number, or a new power-on requires the checklist again."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    assert choose_patient(bench) == 1
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"
    for _ in range(PAGES):
        bench.press("select")
    bench.press("arm")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    bench.press("arm")
    bench.run_for(200)
    bench.ask("set", key="patient_ref", value=2)
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"
    bench.press("arm")
    bench.run_for(200)
    bench.ask("set", key="patient_ref", value=1)
    bench.run_for(200)
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"  # an abandoned checklist clears no patient


@pytest.mark.hazard("H-19")
def test_nobodys_number_is_asked_every_time(bench: Bench) -> None:
    """H-19."""
    asked(bench)
    for _ in range(PAGES):
        bench.press("select")
    bench.press("arm")
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"


# -- a stop holds ---------------------------------------------------------------------------------


def stopped(bench: Bench, number: int = 2) -> None:
    """A checklist that an item has stopped; READY again."""
    applies(bench, number)
    bench.press("select")
    assert told(bench) == "READY"


def barred(bench: Bench) -> bool:
    """Whether ARM leads to the screen of a stop, which no short press leaves; back to READY."""
    bench.press("arm", 1200)
    bench.run_for(200)
    before = bench.screen().text()
    for _ in range(PAGES + 2):
        bench.press("select")
    holds = told(bench) == "SCREENING" and bench.screen().text() == before
    bench.press("arm")
    bench.run_for(200)
    assert told(bench) == "READY"
    return holds


@pytest.mark.hazard("H-19", "H-23")
def test_a_stop_holds_until_it_is_lifted(bench: Bench) -> None:
    """H-19, H-23: 'none' and a hold of 2 s do not lead on; 3 s do, to a whole new checklist."""
    asked(bench)
    stopped(bench)
    bench.press("arm", 1200)
    bench.press("select", 2800)
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "SCREENING"
    assert all(r.outcome != 6 for r in records(bench) if r.kind == SCREENING)
    lift(bench)
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (2, 2, 6)
    for _ in range(PAGES - 1):
        bench.press("select")
    assert told(bench) == "SCREENING", "the whole checklist"
    bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (2, 2, 2)


@pytest.mark.hazard("H-19")
@pytest.mark.parametrize("how", ["select", "arm", "time", "estop"])
def test_a_stop_holds_however_its_screen_is_left(bench: Bench, how: str) -> None:
    """H-19: it is recorded before it is shown."""
    asked(bench)
    applies(bench, 13)
    bench.run_for(100)
    assert last(bench, SCREENING).values("present", "outcome") == (bit(13), 3)
    if how == "time":
        bench.run_for(181_000)
    elif how == "estop":
        bench.estop_open()
        bench.run_for(100)
        bench.estop_close()
        bench.run_for(100)
        bench.press("select", 2300)
        bench.run_for(500)
    else:
        bench.press(how)
    assert [r.outcome for r in records(bench) if r.kind == SCREENING] == [3]
    assert barred(bench)
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (bit(13), 0, 4)


@pytest.mark.slow
@pytest.mark.hazard("H-18", "H-19")
def test_a_stop_belongs_to_its_patient_for_an_hour(bench: Bench) -> None:
    """H-18, H-19: without a number the patient may be any; another number is another patient."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")

    def patient(number: int) -> None:
        bench.ask("set", key="patient_ref", value=number)
        bench.run_for(100)

    patient(7)
    bench.press("arm", 1200)
    stopped(bench)
    for number, holds in ((7, True), (8, False), (0, True), (7, True)):
        patient(number)
        assert barred(bench) == holds, number
    bench.run_for(50 * MINUTE_MS)
    assert barred(bench)
    bench.run_for(10 * MINUTE_MS)
    assert not barred(bench)


@pytest.mark.hazard("H-19")
def test_a_stop_without_a_number_holds_until_a_number_is_chosen(bench: Bench) -> None:
    """H-19."""
    asked(bench)
    stopped(bench)
    assert barred(bench)
    bench.ask("set", key="patient_ref", value=3)
    bench.run_for(100)
    assert not barred(bench)
    bench.ask("set", key="patient_ref", value=0)
    bench.run_for(100)
    assert barred(bench)


@pytest.mark.hazard("H-19")
def test_two_stops_need_two_lifts(bench: Bench) -> None:
    """H-19: each is the physician's own decision."""
    asked(bench)
    stopped(bench, 2)
    bench.press("arm", 1200)
    lift(bench)
    stopped(bench, 4)
    bench.press("arm", 1200)
    lift(bench)
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert [r.outcome for r in records(bench) if r.kind == SCREENING] == [3, 6, 3, 6, 2]


@pytest.mark.hazard("H-19")
def test_a_stop_holds_although_the_checklist_is_switched_off(bench: Bench) -> None:
    """H-19: a host and a hold of 1 s do not go round the physician."""
    asked(bench)
    stopped(bench)
    bench.ask("set", key="screening", value=0)
    bench.press("select", 1200)
    bench.run_for(200)
    assert bench.ask("get", key="screening")["ok"]["value"] == 0
    assert barred(bench)


def test_the_screen_of_a_stop_tells_how_long_ago(bench: Bench) -> None:
    asked(bench)
    stopped(bench)
    bench.press("arm", 1200)

    def pictures() -> set[str]:
        shown: set[str] = set()
        for _ in range(8):
            bench.run_for(1000)
            shown.add(bench.screen().text())
        return shown

    before = pictures()
    bench.run_for(2 * MINUTE_MS)
    assert len(before) == 2, "the item and the minutes in turn"
    assert len(pictures() & before) == 1, "the minutes have changed"


@pytest.mark.hazard("H-19", "H-23")
@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_presses_goes_round_a_stop(bench: Bench, seed: int) -> None:
    """H-19, H-23: between a stop and a complete checklist there is always a physician's lift, and
    what applies is overridden."""
    hand = random.Random(seed)
    asked(bench)
    for _ in range(150):
        key = hand.choices(("select", "down", "up", "arm"), (6, 3, 1, 1))[0]
        bench.press(key, hand.choice((80, 80, 80, 1200, 2300, 3200)))
        if told(bench) == "ARMED":
            bench.press("arm")
        if told(bench) == "READY":
            bench.run_for(100)
            bench.press("arm", 1200)
    rows = [r for r in records(bench) if r.kind == SCREENING]
    barred_by = 0
    for row in rows:
        assert row.overridden & ~row.present == 0
        if row.outcome == 3:
            barred_by += 1
        elif row.outcome == 6:
            barred_by -= 1
        elif row.outcome in (1, 2):
            assert barred_by == 0
            assert row.present == row.overridden
    assert {3, 6} <= {row.outcome for row in rows}


# -- the practice's own items ---------------------------------------------------------------------

OWN: list[dict[str, str]] = [
    {"kind": "avoid", "text": "Keloid before"},
    {"kind": "caution", "text": "Under 12 years"},
    {"kind": "caution", "text": "Over a tattoo"},
    {"kind": "caution", "text": "Sixteen columns!"},
]


def own_items(bench: Bench, items: list[dict[str, str]]) -> None:
    """Write the practice's items and confirm them, after all have been shown."""
    assert bench.ask("checklist_write", items=items)["ok"]["applied"] is False
    bench.run_for(2000 * len(items))
    bench.press("select", 1200)
    bench.run_for(300)
    reply = bench.ask("checklist_read")["ok"]
    assert (reply["items"], reply["outcome"]) == (items, "loaded")


@pytest.mark.hazard("H-13", "H-19")
def test_the_practices_items_are_confirmed_stored_and_recorded(bench: Bench) -> None:
    """H-13, H-19."""
    ready(bench)
    own_items(bench, OWN)
    record = last(bench, CHECKLIST)
    assert record.values("by", "count", "avoid", "old_crc") == (3, 4, 1, 0)
    raw = b"".join(
        bytes([1 if item["kind"] == "avoid" else 2]) + item["text"].encode().ljust(16, b"\0")
        for item in OWN
    )
    assert record.crc & 0xFFFFFFFF == zlib.crc32(raw)
    assert bench.ask("checklist_read")["ok"]["crc"] == zlib.crc32(raw)
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert bench.ask("checklist_read")["ok"]["items"] == OWN
    assert bench.ask("checklist_write", items=OWN)["ok"] == {"applied": True}
    own_items(bench, [])
    assert last(bench, CHECKLIST).values("count", "crc", "old_crc") == (0, 0, record.crc)


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("how", ["down", "time", "early"])
def test_what_is_not_read_and_confirmed_changes_nothing(bench: Bench, how: str) -> None:
    """H-13: rejected, timed out, or held before every item has been shown."""
    ready(bench)
    bench.ask("checklist_write", items=OWN)
    bench.run_for(300)
    if how == "down":
        bench.press("down")
    elif how == "time":
        bench.run_for(61_000)
    else:
        bench.press("select", 1200)
        assert bench.ask("checklist_read")["ok"]["pending"] == OWN, "still asked"
        bench.press("arm")
    bench.run_for(300)
    reply = bench.ask("checklist_read")["ok"]
    assert (reply["items"], reply["pending"], reply["outcome"]) == ([], None, "none")
    assert last(bench, CHECKLIST).values("by", "count") == (4, 4)


@pytest.mark.as_shipped
@pytest.mark.hazard("H-13")
def test_one_change_at_a_time_waits_for_the_operator(bench: Bench) -> None:
    """H-13: whichever comes second is refused; the same one again is asked again."""
    ready(bench)
    bench.ask("checklist_write", items=OWN)
    assert bench.ask("checklist_write", items=OWN)["ok"]["applied"] is False
    assert bench.ask("checklist_write", items=OWN[:1])["err"]["code"] == "busy"
    assert bench.ask("set", key="prechill", value=1)["err"]["code"] == "busy"
    assert bench.ask("table_remove", applicator=1).keys() >= {"ok"}, "nothing to remove"
    bench.press("down")
    bench.run_for(200)
    assert bench.ask("set", key="prechill", value=1)["ok"]["applied"] is False
    assert bench.ask("checklist_write", items=OWN)["err"]["code"] == "busy"
    bench.press("select", 1200)
    bench.run_for(200)
    assert bench.ask("get", key="prechill")["ok"]["value"] == 1
    assert bench.ask("checklist_read")["ok"]["items"] == []


@pytest.mark.hazard("H-19")
@pytest.mark.parametrize(
    ("items", "code"),
    [
        (None, "bad_request"),
        (["Keloid"], "bad_request"),
        ([{"kind": "avoid"}], "bad_request"),
        ([{"kind": 1, "text": "Keloid"}], "bad_request"),
        ([{"kind": "never", "text": "Keloid"}], "range"),
        ([{"kind": "avoid", "text": ""}], "range"),
        ([{"kind": "avoid", "text": "Seventeen letters"}], "range"),
        ([{"kind": "avoid", "text": "Kéloïde"}], "range"),
        ([{"kind": "avoid", "text": " Keloid"}], "range"),
        ([{"kind": "avoid", "text": "Keloid"}, {"kind": "caution", "text": "Keloid"}], "range"),
        ([{"kind": "avoid", "text": f"Item {i}"} for i in range(5)], "range"),
    ],
)
def test_an_invalid_item_is_refused_with_the_reason(bench: Bench, items: Any, code: str) -> None:
    """H-19."""
    ready(bench)
    error = bench.ask("checklist_write", items=items)["err"]
    assert error["code"] == code
    assert error["text"]
    assert bench.ask("checklist_read")["ok"]["pending"] is None


@pytest.mark.hazard("H-19")
def test_the_practices_items_are_asked_for(bench: Bench) -> None:
    """H-19: on pages of their own, behind the shipped ones; bits 24 to 27 of the record."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    own_items(bench, OWN)
    crc = last(bench, CHECKLIST).crc
    bench.press("arm", 1200)
    for _ in range(PAGES):
        bench.press("select")
    choose(bench, 1)
    bench.press("select", 2300)
    for _ in range(2):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome", "own") == (
        1 << 25, 1 << 25, 2, crc,
    )  # fmt: skip
    bench.press("arm")
    bench.press("arm", 1200)
    for _ in range(PAGES):
        bench.press("select")
    choose(bench, 0)
    bench.press("select")
    assert told(bench) == "READY"
    assert last(bench, SCREENING).values("present", "outcome") == (1 << 24, 3)
    assert barred(bench)
    own_items(bench, OWN[1:])
    bench.press("arm", 1200)
    lift(bench)
    for _ in range(PAGES + 1):
        bench.press("select")
    assert told(bench) == "ARMED"
    # the item of the stop is gone from the list: its bit is not given to the one in its place
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (0, 0, 1)


@pytest.mark.hazard("H-07", "H-19")
def test_one_damaged_copy_is_reported_and_the_other_is_used(bench: Bench) -> None:
    """H-07, H-19."""
    ready(bench)
    own_items(bench, OWN[:1])
    own_items(bench, OWN)
    bench.cut_power()
    bench.run_for(100)
    name = max(n for n in bench.files() if n.startswith("checklist_"))
    good = {n for n in bench.files() if n.startswith("checklist_")}
    assert good == {"checklist_a.bin", "checklist_b.bin"}
    damage(bench, name)
    switch_on(bench, "READY")
    reply = bench.ask("checklist_read")["ok"]
    assert reply["outcome"] == "one copy bad"
    assert reply["items"] in (OWN, OWN[:1])


def damage(bench: Bench, *names: str) -> None:
    """Change one bit of each of these files."""
    for name in names:
        data = bytearray(bench.files()[name])
        data[14] ^= 1
        bench.write_files({name: bytes(data)})


@pytest.mark.hazard("H-19")
def test_a_lost_list_is_reported_and_recorded(bench: Bench) -> None:
    """H-19: at each checklist, until the host has written it again or cleared it."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    own_items(bench, OWN)
    own_items(bench, OWN[:2])
    bench.cut_power()
    bench.run_for(100)
    damage(bench, "checklist_a.bin", "checklist_b.bin")
    switch_on(bench, "READY")
    assert bench.ask("checklist_read")["ok"]["outcome"] == "lost"
    bench.press("arm", 1200)
    assert last(bench, CHECKLIST).by == 5
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "SCREENING"
    bench.press("select")
    assert told(bench) == "ARMED"
    bench.press("arm")
    bench.run_for(200)
    own_items(bench, [])
    bench.press("arm", 1200)
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "ARMED"


# -- the patient ----------------------------------------------------------------------------------


@pytest.mark.hazard("H-18")
def test_a_treatment_carries_its_patient(bench: Bench) -> None:
    """H-18: selected on the device and recorded; the next free number follows the highest used."""
    ready(bench)
    assert choose_patient(bench) == 1
    treat(bench)
    assert last(bench, ARMED).patient_ref == last(bench, TREATMENT_END).patient_ref == 1
    bench.press("select")
    bench.ask("set", key="patient_ref", value=4711)
    arm(bench)
    bench.press("arm")
    bench.ask("set", key="patient_ref", value=0)
    bench.run_for(100)
    assert choose_patient(bench) == 4712


@pytest.mark.slow
@pytest.mark.hazard("H-18")
def test_a_patient_is_forgotten(bench: Bench) -> None:
    """H-18: by power-off, and after an hour without a treatment."""
    ready(bench)
    bench.ask("set", key="patient_ref", value=12)
    bench.run_for(59 * 60_000)
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 12
    bench.run_for(2 * 60_000)
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 0
    bench.ask("set", key="patient_ref", value=13)
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 0


@pytest.mark.hazard("H-18")
def test_the_host_names_the_patient_in_ready_only(bench: Bench) -> None:
    """H-18."""
    ready(bench)
    arm(bench)
    assert bench.ask("set", key="patient_ref", value=5)["err"]["code"] == "state"


# -- nitrogen -------------------------------------------------------------------------------------


@pytest.mark.hazard("H-02", "H-10")
@pytest.mark.needs("plant")
def test_what_the_dewar_cannot_hold_is_not_begun(bench: Bench) -> None:
    """H-10, H-02: by level and use it would not last; refused, showing level and need."""
    preset(bench, {**SHORT, USE: 400})  # 10.5 s use 70 permille
    switch_on(bench, "READY")
    bench.plant.fill(bench.clock.now_ns, 115.0)  # enough to arm by the limit of 100
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "READY"
    assert all(r.kind != ARMED for r in records(bench))
    bench.plant.fill(bench.clock.now_ns, 140.0)
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-10")
@pytest.mark.needs("plant")
def test_the_use_that_is_shipped_is_not_below_the_use_of_the_plant(bench: Bench) -> None:
    """H-10: otherwise 'enough for three' would be wrong."""
    ready(bench)
    cold_line(bench)
    before = bench.plant.dewar_permille
    treat(bench)
    opened, closed = bench.valve_intervals()[-1]
    used = (before - bench.plant.dewar_permille) / ((closed - opened) / 60e9)
    assert used < bench.ask("get", key="use_permille_per_min")["ok"]["value"] < 2 * used


# -- the pedal ------------------------------------------------------------------------------------


def pedal(bench: Bench, **more: int) -> None:
    """READY, with a pedal that is pressed and released."""
    preset(bench, {**SHORT, TRIGGER_MODE: 2, **{int(k[1:]): v for k, v in more.items()}})
    switch_on(bench, "READY")


@pytest.mark.hazard("H-01", "H-22")
def test_a_pedal_starts_and_the_countdown_ends(bench: Bench) -> None:
    """H-22, H-01: to the planned end without holding the pedal."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    until(bench, "DONE", 40000)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened == last(bench, ARMED).planned_us * 1000
    bench.run_for(3000)
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-01", "H-15", "H-22")
@pytest.mark.parametrize("after_ms", [0, 41, 3007])
def test_a_second_press_ends_the_freeze_at_once(bench: Bench, after_ms: int) -> None:
    """H-22, H-01, H-15."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(500 + after_ms)
    bench.hold("trigger")
    pressed_ns = bench.clock.now_ns
    until(bench, "DONE")
    ((_opened, closed),) = bench.valve_intervals()
    assert closed - pressed_ns <= 20 * MS
    assert last(bench, FREEZE_END).cause == RELEASED
    bench.release("trigger")
    bench.run_for(3000)
    bench.press("trigger")
    bench.run_for(1000)
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-22")
def test_a_pedal_kept_down_ends_only_when_pressed_again(bench: Bench) -> None:
    """H-22: releasing it does not end a freeze in this mode; the next press does."""
    pedal(bench)
    arm(bench)
    bench.hold("trigger")
    bench.run_for(3000)
    bench.release("trigger")
    bench.run_for(1000)
    assert told(bench) == "FREEZING"
    bench.press("trigger")
    assert bench.wiring.driven(GATE) == 0
    until(bench, "DONE")


@pytest.mark.hazard("H-03", "H-22")
def test_the_estop_ends_a_pedals_freeze(bench: Bench) -> None:
    """H-03, H-22: within 5 us, as always."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(1503)
    bench.estop_open()
    struck_ns = bench.clock.now_ns
    bench.run_for(300)
    ((_opened, closed),) = bench.valve_intervals()
    assert closed - struck_ns <= 5_000
    assert faults(bench) == [Fault.ESTOP]


@pytest.mark.hazard("H-11", "H-22")
@pytest.mark.needs("hang")
def test_a_stopped_loop_ends_a_pedals_freeze(bench: Bench) -> None:
    """H-11, H-22."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(1500)
    bench.hang(200)
    bench.run_for(1000)
    assert faults(bench) == [Fault.DEAD_MAN]


@pytest.mark.hazard("H-21", "H-22")
@pytest.mark.needs("plant")
def test_a_pedal_purges_and_a_press_as_it_ends_does_not_freeze(bench: Bench) -> None:
    """H-22, H-21: the press was meant to end the purge."""
    pedal(bench, _17=1)
    bench.press("arm", 1200)
    assert told(bench) == "PRECHILL"
    cold_line(bench)
    bench.press("trigger", 200)
    assert bench.run_until(lambda: len(bench.valve_intervals()) == 1, 12000)
    bench.run_for(100)
    bench.press("trigger", 200)
    until(bench, "ARMED")
    assert last(bench, PRECHILL_END).cause == COLD
    assert len(bench.valve_intervals()) == 1
    bench.run_for(2000)
    bench.press("trigger", 200)
    bench.run_for(500)
    assert told(bench) == "FREEZING"


@pytest.mark.hazard("H-13", "H-22")
def test_the_pedals_mode_needs_a_hand_at_the_device(bench: Bench) -> None:
    """H-13, H-22."""
    ready(bench)
    assert not bench.ask("set", key="trigger_mode", value=2)["ok"]["applied"]
    assert bench.ask("get", key="trigger_mode")["ok"]["value"] == 1


# -- the observation ------------------------------------------------------------------------------


def observed(bench: Bench, minutes: int = 30) -> None:
    """A treatment, at the start of its observation."""
    preset(bench, {**SHORT, OBSERVE_S: 60 * minutes})
    switch_on(bench, "READY")
    treat(bench)
    bench.press("select")


def sounds(bench: Bench) -> list[int]:
    """Times at which the sounder starts from now on, ns."""
    starts: list[int] = []
    bench.wiring.watch(
        lambda t, signal, value: starts.append(t) if signal == "BUZZER" and value else None
    )
    return starts


@pytest.mark.slow
@pytest.mark.hazard("H-09")
def test_the_end_of_the_observation_sounds_until_it_is_acknowledged(bench: Bench) -> None:
    """H-09: and it is recorded."""
    observed(bench)
    bench.run_for(2000)  # the melody of the end
    starts = sounds(bench)
    before = bench.screen().text()
    bench.run_for(29 * 60_000)
    assert starts == []
    bench.run_for(2 * 60_000)
    assert starts
    assert bench.screen().text() != before
    count = len(starts)
    bench.run_for(61_000)
    assert len(starts) > count  # again, every minute
    for _ in range(3):
        bench.press("select")
    bench.run_for(200)
    count = len(starts)
    bench.run_for(120_000)
    assert len(starts) == count
    observation = last(bench, OBSERVATION)
    assert observation.values("treatment", "outcome", "answers") == (last(bench, ARMED).seq, 1, 7)
    assert 30 * 60 <= observation.after_s <= 33 * 60
    assert state(bench) == "READY"


@pytest.mark.slow
def test_the_next_treatment_begins_its_own_observation(bench: Bench) -> None:
    observed(bench)
    first = last(bench, ARMED).seq
    bench.run_for(10 * 60_000)
    treat(bench)
    assert last(bench, OBSERVATION).values("treatment", "outcome") == (first, 2)
    assert 600 <= last(bench, OBSERVATION).after_s <= 630
    bench.press("select")
    bench.run_for(29 * 60_000)
    assert [r.kind for r in records(bench)].count(OBSERVATION) == 1
    bench.run_for(2 * 60_000)
    for _ in range(3):
        bench.press("select")
    assert last(bench, OBSERVATION).values("treatment", "outcome") == (last(bench, ARMED).seq, 1)


@pytest.mark.slow
@pytest.mark.hazard("H-09")
@pytest.mark.parametrize(
    ("keys", "answers"),
    [
        (("up", "select", "select"), 16 + 2 + 4),
        (("select", "down", "select"), 1 + 32 + 4),
        (("select", "select", "up"), 1 + 2 + 64),
        (("down", "up", "down"), 16 + 32 + 64),
    ],
)
def test_what_is_not_stable_keeps_the_observation_open(
    bench: Bench, keys: tuple[str, ...], answers: int
) -> None:
    """H-09: recorded at once, the advice shown until it is read, asked again after 5 min."""
    observed(bench, minutes=2)
    bench.run_for(3 * MINUTE_MS)
    screens = [bench.screen().text()]
    for key in keys:
        bench.press(key)
        bench.run_for(200)
        screens.append(bench.screen().text())
    assert len(set(screens)) == 4, "three questions and the advice"
    assert last(bench, OBSERVATION).values("treatment", "outcome", "answers") == (
        last(bench, ARMED).seq, 3, answers,
    )  # fmt: skip
    bench.press("up")
    bench.run_for(200)
    assert bench.screen().text() == screens[3], "the advice is answered by SELECT"
    bench.press("select")
    bench.run_for(200)
    starts = sounds(bench)
    quiet = bench.screen().text()
    assert quiet not in screens
    bench.run_for(4 * MINUTE_MS)
    assert starts == []
    bench.run_for(MINUTE_MS)
    assert starts
    assert bench.screen().text() == screens[0], "from the first question on"
    for _ in range(3):
        bench.press("select")
    bench.run_for(200)
    assert [r.outcome for r in records(bench) if r.kind == OBSERVATION] == [3, 1]
    assert last(bench, OBSERVATION).answers == 7
    bench.run_for(10 * MINUTE_MS)
    assert [r.kind for r in records(bench)].count(OBSERVATION) == 2


@pytest.mark.slow
@pytest.mark.hazard("H-09")
def test_an_unread_advice_is_heard_after_five_minutes(bench: Bench) -> None:
    """H-09: somebody pressed and went away."""
    observed(bench, minutes=2)
    bench.run_for(3 * MINUTE_MS)
    for key in ("up", "select", "select"):
        bench.press(key)
    bench.run_for(1000)
    starts = sounds(bench)
    bench.run_for(6 * MINUTE_MS)
    assert starts
    bench.press("select")
    bench.run_for(1000)
    for _ in range(3):
        bench.press("select")
    bench.run_for(200)
    assert last(bench, OBSERVATION).values("outcome", "answers") == (1, 7)


@pytest.mark.hazard("H-09")
def test_one_press_answers_one_question(bench: Bench) -> None:
    """H-09: SELECT kept down is no answer to the next ones."""
    observed(bench, minutes=2)
    bench.run_for(3 * MINUTE_MS)
    bench.press("select", 5000)
    bench.press("up", 3000)
    bench.run_for(200)
    assert all(r.kind != OBSERVATION for r in records(bench))


@pytest.mark.slow
@pytest.mark.hazard("H-18")
def test_a_number_expires_although_nobody_answers(bench: Bench) -> None:
    """H-18: the reminder does not keep the patient's number."""
    preset(bench, SHORT)
    switch_on(bench, "READY")
    bench.ask("set", key="patient_ref", value=9)
    treat(bench)
    bench.press("select")
    bench.run_for(62 * MINUTE_MS)
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 0


def test_a_reminder_does_not_block_the_next_treatment(bench: Bench) -> None:
    """ARM held goes on; the next freeze ends it, with what had been answered; else it is back."""
    observed(bench, minutes=2)
    first = last(bench, ARMED).seq
    bench.run_for(3 * MINUTE_MS)
    bench.press("select")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    assert all(r.kind != OBSERVATION for r in records(bench))
    bench.press("arm")
    bench.run_for(500)
    bench.press("select")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    treat(bench)
    assert last(bench, OBSERVATION).values("treatment", "outcome", "answers") == (first, 2, 3)


@pytest.mark.slow
def test_nothing_delivered_is_not_observed(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    bench.hold("trigger")
    until(bench, "FREEZING")
    bench.release("trigger")
    until(bench, "DONE")
    bench.press("select")
    bench.run_for(31 * 60_000)
    assert all(r.kind != OBSERVATION for r in records(bench))
