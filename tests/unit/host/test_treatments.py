"""Treatments made of records: what they say, and that the store's tables always equal it (H-08)."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from host_tools.description import Description
from host_tools.device import Device
from host_tools.link import Link
from host_tools.projection import TABLES, Wanted
from host_tools.records import Record, decode, genesis
from host_tools.store import Store
from host_tools.transport import open_transport
from host_tools.treatments import (
    NO_END,
    NOT_FROZEN,
    OVERRIDDEN,
    UNDER_WAY,
    Treatment,
    project,
)
from host_tools.wall_clock import NOT_BEFORE, SYNCHRONISED, UNKNOWN
from hw_sim.bench.journal_maker import FIRST_DAY_S, JournalMaker, Practice

SERIAL = "e661640843275b2c"


@pytest.fixture(scope="module")
def known() -> Iterator[Description]:
    """What the firmware says about its records."""
    link = Link(open_transport("sim://"), first_id=1)
    device = Device(link)
    parts = ("records", "faults", "states", "profiles", "applicators", "settings")
    yield Description([device.describe(part) for part in parts])
    link.close()


def put(store: Store, known: Description, serial: str = SERIAL) -> None:
    store.put_device(serial, fw="0.2.0", micropython="1.23.0", boot=1, head=0, description=known)


def decoded(raws: list[bytes]) -> list[Record]:
    return [decode(raw) for raw in raws]


def append(store: Store, records: list[Record], first: int, last: int) -> None:
    """Store records `first` to `last` as a pull brings them."""
    anchor = genesis(SERIAL) if first == 1 else records[first - 2].chain
    store.append(SERIAL, records[first - 1 : last], anchor)


def tables(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows that are made of records."""
    return {
        name: store._db.all(f"SELECT * FROM {name} ORDER BY 1, 2")  # pyright: ignore[reportPrivateUsage]
        for name in TABLES
    }


def one(records: list[Record], known: Description, seq: int) -> Treatment:
    return project(records, known).treatments[seq]


@pytest.fixture
def maker() -> JournalMaker:
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    return journal


Begin = Callable[..., int]


@pytest.fixture
def begin(maker: JournalMaker) -> Begin:
    """Begins a treatment of one freeze and returns its number."""

    def begin(*, reference: int = 0, freeze: bool = True) -> int:
        maker.pass_s(30)
        seq = maker.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, reference)
        maker.add("plan", seq, 1, 1, 0, 2500, 225, 1, 1)
        if freeze:
            maker.pass_s(2)
            maker.add("freeze_begin", seq, 1, 15_000, 14_987_000, -18_600, 590, 840, 4850)
        return seq

    return begin


# -- what they say --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("clock", [True, False])
def test_a_practice_is_read_as_it_was(known: Description, seed: int, clock: bool) -> None:
    practice = Practice(SERIAL, seed, clock=clock)
    practice.treat(60)
    found = project(decoded(practice.journal.raws), known)
    assert len(found.treatments) == len(practice.truths) == 60
    for truth in practice.truths:
        seen = found.treatments[truth.seq]
        assert (seen.reference, seen.operator, seen.result) == (
            truth.reference, truth.operator, truth.result,
        )  # fmt: skip
        assert (seen.delivered_ms, seen.most_ms) == (truth.delivered_ms, truth.most_ms)
        assert (seen.complete, seen.cycles) == (truth.complete, truth.cycles)
        assert seen.faults == list(dict.fromkeys(truth.faults))
        assert seen.overridden == truth.overridden
        assert (OVERRIDDEN in seen.notes) == bool(truth.overridden)
        assert seen.records == truth.records
        assert not seen.partial


def test_one_that_still_runs(maker: JournalMaker, begin: Begin, known: Description) -> None:
    seq = begin()
    assert one(decoded(maker.raws), known, seq).result == UNDER_WAY


def test_one_without_an_end(maker: JournalMaker, begin: Begin, known: Description) -> None:
    first = begin()
    begin()  # the next one begins all the same
    assert one(decoded(maker.raws), known, first).result == NO_END


def test_a_power_cut_before_the_freeze(
    maker: JournalMaker, begin: Begin, known: Description
) -> None:
    seq = begin(freeze=False)
    maker.start()
    maker.add("boot", 1, 200, 1, 0, 11_000, 0)
    seen = one(decoded(maker.raws), known, seq)
    assert (seen.result, seen.delivered_ms) == (NOT_FROZEN, 0)


def test_a_power_cut_before_the_start_could_say_so(
    maker: JournalMaker, begin: Begin, known: Description
) -> None:
    """The device starts, and is switched off again before it has written `freeze_lost`."""
    seq = begin()
    maker.start()
    maker.add("boot", 1, 200, 1, 0, 11_000, 0)
    maker.start()
    maker.add("boot", 1, 200, 1, 0, 11_000, 0)
    assert one(decoded(maker.raws), known, seq).result == "power lost"
    maker.add("freeze_lost", seq, 1, 15_000, 14_987_000, 0, 14_987_000, 1)
    seen = one(decoded(maker.raws), known, seq)
    assert (seen.delivered_ms, seen.most_ms) == (0, 14_987)


def test_records_that_are_not_stored(maker: JournalMaker, begin: Begin, known: Description) -> None:
    """Behind a gap nothing is taken for a part of what was under way before it."""
    first = begin()
    last = maker.head
    maker.add("fault", 9, 0, 6)
    maker.add("fault", 5, 0, 2)
    second = begin()
    records = decoded(maker.raws)
    found = project([*records[:last], *records[last + 1 :]], known).treatments
    assert (found[first].result, found[first].partial, found[first].faults) == (NO_END, 1, [])
    assert (found[second].result, found[second].partial) == (UNDER_WAY, 0)


def test_no_fault_of_another_hour(maker: JournalMaker, begin: Begin, known: Description) -> None:
    seq = begin()
    maker.add("freeze_end", seq, 1, 1, 15_000, 14_987_000, 14_987_000, -19_000, 550)
    maker.add("treatment_end", seq, 1, 1, 1, 15_000, -19_000, 0, 0)
    maker.pass_s(2)
    maker.add("fault", 5, 0, 2)  # the valve does not close, say
    maker.pass_s(3600)
    maker.add("fault", 6, 0, 2)
    assert one(decoded(maker.raws), known, seq).faults == [5]


def test_the_checklist_of_somebody_else_is_not_shown(
    maker: JournalMaker, begin: Begin, known: Description
) -> None:
    stopped = maker.add("screening", 1, 0, 3, 77, 2, 0, 4)
    cleared = maker.add("screening", 0, 0, 1, 78, 2, 0, 4)
    seq = begin(reference=78)
    seen = one(decoded(maker.raws), known, seq)
    assert cleared in seen.records
    assert stopped not in seen.records


def test_one_checklist_for_several_lesions(
    maker: JournalMaker, begin: Begin, known: Description
) -> None:
    cleared = maker.add("screening", 8, 8, 2, 78, 2, 0, 4)
    first, second, other = begin(reference=78), begin(reference=78), begin(reference=79)
    found = project(decoded(maker.raws), known).treatments
    assert found[first].override_by == found[second].override_by == 4
    assert cleared in found[second].records
    assert found[other].checklist == ""


# -- clocks that are not set ----------------------------------------------------------------------


def test_times_that_the_device_did_not_know(known: Description) -> None:
    journal = JournalMaker(SERIAL)
    journal.add("boot", 1, 200, 1, 0, 11_000, 0)
    journal.pass_s(100)
    first = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 0)
    found = project(decoded(journal.raws), known).treatments[first]
    assert (found.when_s, found.when_how) == (0, UNKNOWN)
    journal.pass_s(50)
    journal.set_clock(FIRST_DAY_S)
    found = project(decoded(journal.raws), known).treatments[first]
    assert (found.when_s, found.when_how, found.utc_s) == (FIRST_DAY_S - 50, SYNCHRONISED, 0)
    journal.pass_s(10)
    second = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 0)
    journal.start()
    journal.add("boot", 1, 200, 1, 0, 11_000, 0)
    third = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 0)
    treatments = project(decoded(journal.raws), known).treatments
    assert (treatments[second].when_s, treatments[second].when_how) == (
        FIRST_DAY_S + 10,
        SYNCHRONISED,
    )
    assert (treatments[third].when_s, treatments[third].when_how) == (FIRST_DAY_S + 10, NOT_BEFORE)


# -- the tables in the store ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_incremental_equals_rebuilt(tmp_path: Path, known: Description, seed: int) -> None:
    """Records come in any chunks; the rows are those of one pass over all of them."""
    practice = Practice(SERIAL, seed, clock=seed % 2 == 0)
    practice.treat(40)
    records = decoded(practice.journal.raws)
    dice = random.Random(seed)
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        first = 1
        while first <= len(records):
            last = min(len(records), first + dice.choice((0, 0, 1, 3, 20, 200)))
            append(store, records, first, last)
            if dice.random() < 0.2:
                append(store, records, max(1, first - 5), last)  # the same again changes nothing
            first = last + 1
        grown = tables(store)
        assert store._projection.through(SERIAL, known) == len(records)  # pyright: ignore[reportPrivateUsage]
        store.catch_up(again=True)
        assert tables(store) == grown
        expected = project(records, known)
        stored = {item.seq: item for _, item in store.treatments(Wanted(serial=SERIAL))}
        assert stored == expected.treatments
        for seq, cycles in expected.cycles.items():
            assert store.cycles(SERIAL, seq) == cycles


@pytest.mark.parametrize("seed", range(6))
def test_parts_that_come_in_another_order(tmp_path: Path, known: Description, seed: int) -> None:
    """Released segments that another computer had, gaps, and older records that come later."""
    practice = Practice(SERIAL, seed)
    practice.treat(30)
    records = decoded(practice.journal.raws)
    dice = random.Random(seed)
    cuts = sorted({1, len(records) + 1, *dice.sample(range(2, len(records)), 6)})
    spans = [(first, following - 1) for first, following in zip(cuts, cuts[1:], strict=False)]
    dice.shuffle(spans)
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        for first, last in spans:
            append(store, records, first, last)
            if dice.random() < 0.5:
                store.catch_up()
        store.catch_up()
        grown = tables(store)
        store.catch_up(again=True)
        assert tables(store) == grown
        stored = {item.seq: item for _, item in store.treatments(Wanted())}
        assert stored == project(records, known).treatments


def test_what_is_left_of_released_segments(tmp_path: Path, known: Description) -> None:
    practice = Practice(SERIAL, 3)
    practice.treat(20, troubles=False)
    records = decoded(practice.journal.raws)
    cut = practice.truths[10].records[-3]  # in the middle of a treatment
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        append(store, records, cut, len(records))
        stored = [item for _, item in store.treatments(Wanted())]
    assert [item.seq for item in stored] == [truth.seq for truth in practice.truths[10:]]
    assert [item.partial for item in stored] == [1] + [0] * 9
    assert stored[0].result == "complete"
    assert stored[0].delivered_ms == practice.truths[10].delivered_ms


def test_any_bytes_are_read(known: Description) -> None:
    """Damaged records (`--keep-broken`) stop nobody from seeing the rest."""
    dice = random.Random(5)
    practice = Practice(SERIAL, 5)
    practice.treat(40)
    records = decoded(practice.journal.raws)
    for index in dice.sample(range(len(records)), 60):
        record = records[index]
        damaged = replace(
            record,
            kind=dice.randrange(256),
            boot=dice.choice((record.boot, dice.randrange(65536))),
            arguments=tuple(dice.randrange(-(2**31), 2**31) for _ in range(8)),
        )
        records[index] = damaged
    assert project(records, known).treatments


def test_a_device_that_describes_its_records_otherwise_is_read_again(
    tmp_path: Path, known: Description
) -> None:
    practice = Practice(SERIAL, 1)
    practice.treat(5, troubles=False)
    records = decoded(practice.journal.raws)
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        append(store, records, 1, len(records))
        table = known.tables["records"]
        renamed = tuple(
            (row[0], "other", row[2]) if row[1] == "treatment_end" else row for row in table.rows
        )
        other = Description(
            [*(t for t in known.tables.values() if t is not table), replace(table, rows=renamed)]
        )
        put(store, other)
        assert {item.result for _, item in store.treatments(Wanted())} == {UNDER_WAY, NO_END}
        put(store, known)
        assert {item.result for _, item in store.treatments(Wanted())} == {"complete"}


def test_filters(tmp_path: Path, known: Description) -> None:
    practice = Practice(SERIAL, 4)
    practice.treat(80)
    records = decoded(practice.journal.raws)
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        append(store, records, 1, len(records))
        everything = store.treatments(Wanted())
        assert everything == sorted(everything, key=lambda row: (row[1].when_s, row[1].seq))
        reference = next(item.reference for _, item in everything if item.reference)
        middle_s = everything[40][1].when_s
        for wanted, test in (
            (Wanted(reference=reference), lambda item: item.reference == reference),
            (Wanted(result="complete"), lambda item: item.result == "complete"),
            (Wanted(operator=0), lambda item: item.operator == 0),
            (Wanted(since_s=middle_s), lambda item: item.when_s >= middle_s),
            (Wanted(until_s=middle_s), lambda item: item.when_s < middle_s),
            (Wanted(serial="other"), lambda item: False),
        ):
            assert store.treatments(wanted) == [row for row in everything if test(row[1])]
        assert store.treatments(Wanted(), newest=7) == everything[-7:]
