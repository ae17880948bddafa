"""The same store in a SQLite file and on a PostgreSQL server: one schema, one set of statements.

Every test runs on both. The server is a real one, of Debian's package.
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools import database, postgres
from host_tools.cli import main
from host_tools.course import Outcome
from host_tools.description import Description
from host_tools.device import Device
from host_tools.errors import IntegrityError, LocalError
from host_tools.link import Link
from host_tools.projection import Wanted
from host_tools.pull import pull
from host_tools.records import decode, genesis
from host_tools.signed_heads import SignedHead
from host_tools.store import Store
from host_tools.treatments import project
from hw_sim.bench.journal_maker import Practice
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, journal
from tests.unit.host.servers import Postgres
from tests.unit.host.test_records import description
from tests.unit.host.test_store import SERIAL, put, some
from tests.unit.host.test_treatments import known as known, put as put_known, tables

Place = Path | str


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return tmp_path / "records.sqlite"
    server: Postgres = request.getfixturevalue("server")
    return server.url()


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with Store(place) as store:
        put(store)
        yield store


# -- records ------------------------------------------------------------------------------------


def test_the_same_again_is_nothing_new(store: Store) -> None:
    store.append(SERIAL, some(50), genesis(SERIAL))
    assert store.append(SERIAL, some(50), genesis(SERIAL)) == 0
    put(store)
    assert list(store.records(SERIAL)) == some(50)
    kind = some(5)[4].kind
    chosen = [seq for seq, _ in store.raws(SERIAL, 3, 40, {kind})]
    assert chosen == [record.seq for record in some(40)[2:] if record.kind == kind]
    assert [item.seq for item in store.some_records(SERIAL, [40, 2, 99])] == [2, 40]


def test_records_come_back_as_they_went_in(store: Store) -> None:
    assert store.append(SERIAL, some(50), genesis(SERIAL)) == 50
    assert list(store.records(SERIAL)) == some(50)
    assert [record.seq for record in store.records(SERIAL, newest=3)] == [48, 49, 50]
    assert [record.seq for record in store.records(SERIAL, 10, 12)] == [10, 11, 12]
    assert store.last_seq(SERIAL) == 50
    assert store.description(SERIAL).digest == description().digest


def test_overlapping_batches_are_joined(store: Store) -> None:
    store.append(SERIAL, some(30), genesis(SERIAL))
    later = some(30, start=21)
    assert store.append(SERIAL, later, some(20)[-1].chain) == 20
    assert store.verify(SERIAL).good
    assert store.verify(SERIAL).count == 50


def test_other_content_is_refused_whole(store: Store) -> None:
    store.append(SERIAL, some(10), genesis(SERIAL))
    with pytest.raises(IntegrityError, match="stored already, with other content"):
        store.append(SERIAL, some(20, salt=1), genesis(SERIAL))
    assert list(store.records(SERIAL)) == some(10)


def test_a_continuation_of_another_past_is_refused(store: Store) -> None:
    store.append(SERIAL, some(10), genesis(SERIAL))
    other = some(20, salt=1)
    with pytest.raises(IntegrityError, match="does not continue what is stored"):
        store.append(SERIAL, other[10:], other[9].chain)
    assert store.last_seq(SERIAL) == 10


def test_what_does_not_lead_to_its_successor_is_refused(store: Store) -> None:
    good, other = some(20), some(20, salt=1)
    store.append(SERIAL, good[10:], good[9].chain)  # the older ones were gone
    with pytest.raises(IntegrityError, match="record 11 does not continue"):
        store.append(SERIAL, other[:10], genesis(SERIAL))
    assert store.append(SERIAL, good[:10], genesis(SERIAL)) == 10
    assert store.verify(SERIAL).gaps == ()


def test_a_broken_batch_leaves_nothing(store: Store) -> None:
    batch = some(10)
    with pytest.raises(IntegrityError):
        store.append(SERIAL, batch[:4] + batch[5:], genesis(SERIAL))
    assert store.last_seq(SERIAL) == 0


def test_a_gap_is_known_and_does_not_break_the_check(store: Store) -> None:
    records = some(30)
    store.append(SERIAL, records[:10], genesis(SERIAL))
    store.append(SERIAL, records[20:], records[19].chain)
    verdict = store.verify(SERIAL)
    assert verdict.good
    assert verdict.gaps == ((11, 20),)
    assert (verdict.first, verdict.last, verdict.count) == (1, 30, 20)


def test_devices_are_kept_apart(store: Store) -> None:
    other = "OTHER"
    put(store, other)
    store.append(SERIAL, some(3), genesis(SERIAL))
    store.append(other, [decode(raw) for raw in journal(other, 5)], genesis(other))
    assert [(device.serial, device.count) for device in store.devices()] == [
        (SERIAL, 3),
        (other, 5),
    ]


def test_a_crash_in_between_leaves_the_batch_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = some(20)
    store.append(SERIAL, records[:10], genesis(SERIAL))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_one", crash)
    with pytest.raises(KeyboardInterrupt):
        store.append(SERIAL, records[10:], records[9].chain)
    monkeypatch.undo()
    assert store.last_seq(SERIAL) == 10
    assert store.append(SERIAL, records[10:], records[9].chain) == 10


def test_what_is_stored_cannot_be_changed_or_deleted(store: Store) -> None:
    """Not by a slip, at least: whoever owns the database can remove the triggers."""
    store.append(SERIAL, some(3), genesis(SERIAL))
    store.add_outcome(Outcome(42, "left", "2026-01-05", "same", False, False, False, "", "me", 1))
    db = store._db  # pyright: ignore[reportPrivateUsage]
    for sql, why in (
        ("UPDATE records SET chain = raw", "never changed"),
        ("DELETE FROM records", "never deleted"),
        ("UPDATE outcomes SET note = 'x'", "never changed"),
        ("DELETE FROM outcomes", "never deleted"),
    ):
        with pytest.raises(LocalError, match=why), db.guard():
            db.run(sql)
    assert list(store.records(SERIAL)) == some(3)


def test_a_place_without_a_store_is_said(place: Place) -> None:
    with pytest.raises(LocalError, match="nothing stored yet"):
        Store(place, create=False)


def test_a_newer_store_is_not_touched(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(place):
        monkeypatch.setattr("host_tools.store.SCHEMA_VERSION", 1)
    with pytest.raises(LocalError, match="newer"):
        Store(place)


def test_many_that_open_it_first_make_it_once(place: Place) -> None:
    wrong: list[Exception] = []

    def open_it() -> None:
        try:
            with Store(place) as store:
                put(store)
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with Store(place) as store:
        assert store.serials() == [SERIAL]


def test_several_pull_at_once_and_nothing_is_lost_or_doubled(place: Place) -> None:
    """Two devices, each pulled by two at the same time."""
    journals = {serial: journal(serial, 300) for serial in ("AAAA", "BBBB")}
    wrong: list[Exception] = []

    def puller(serial: str) -> None:
        fake = FakeDevice(serial)
        try:
            for head in (120, 300):
                fake.journal = journals[serial][:head]
                with Store(place) as store:
                    pull(Device(Link(MemoryTransport(fake), first_id=1)), store, batch_records=20)
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=puller, args=(serial,)) for serial in [*journals] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(error) for error in wrong if "journal ends at" not in str(error)] == []
    with Store(place) as store:
        for serial, raws in journals.items():
            assert [record.raw for record in store.records(serial)] == raws
            assert store.verify(serial).good


# -- what is made of them -----------------------------------------------------------------------


def test_treatments_are_those_of_the_records(place: Place, known: Description) -> None:
    """In step with each batch, the same when made again, and found by every filter."""
    practice = Practice(SERIAL, 5, clock=False)
    practice.treat(30)
    records = [decode(raw) for raw in practice.journal.raws]
    expected = project(records, known).treatments
    with Store(place) as store:
        put_known(store, known, SERIAL)
        anchor = genesis(SERIAL)
        for start in range(0, len(records), 37):
            batch = records[start : start + 37]
            store.append(SERIAL, batch, anchor)
            anchor = batch[-1].chain
        grown = tables(store)
        assert {item.seq: item for _, item in store.treatments(Wanted())} == expected
        assert store.treatment_count() == len(expected) == 30
        one = next(item for item in expected.values() if item.reference)
        assert store.devices_with_treatment(one.seq) == [SERIAL]
        for wanted in (
            Wanted(reference=one.reference), Wanted(result=one.result), Wanted(operator=0),
            Wanted(serial=SERIAL, since_s=1, until_s=2_000_000_000),
        ):  # fmt: skip
            every = [seq for _, seq in ((s, i.seq) for s, i in store.treatments(wanted))]
            assert every
            last = store.treatments(wanted, newest=1)
            assert [item.seq for _, item in last] == every[-1:]
        store.catch_up(again=True)
        assert tables(store) == grown


@pytest.mark.slow
def test_both_hold_the_same_tables(tmp_path: Path, server: Postgres, known: Description) -> None:
    practice = Practice(SERIAL, 8)
    practice.treat(20)
    records = [decode(raw) for raw in practice.journal.raws]
    held: list[object] = []
    for place in (tmp_path / "records.sqlite", server.url()):
        with Store(place) as store:
            put_known(store, known, SERIAL)
            store.append(SERIAL, records, genesis(SERIAL))
            held.append(tables(store))
    assert held[0] == held[1]


def test_lesions_and_outcomes(store: Store) -> None:
    assert store.assign(42, "left", [(SERIAL, 3), (SERIAL, 9)], 100) == 2
    assert store.assign(42, "left", [(SERIAL, 9), (SERIAL, 12)], 200) == 1
    assert store.lesions() == {(42, "left"): [(SERIAL, 3), (SERIAL, 9), (SERIAL, 12)]}
    first = Outcome(42, "left", "2026-01-05", "same", True, False, False, "it's", "me", 1)
    other = Outcome(43, "a", "2026-01-05", "clear", False, False, True, "", "me", 1)
    assert [store.add_outcome(one) for one in (first, other, first)] == [True, True, False]
    assert store.outcomes() == [first, other]
    assert store.outcomes(43) == [other]


def test_signed_heads_are_kept_once(store: Store) -> None:
    head = SignedHead(SERIAL, 9, bytes(16), 1_800_000_000, b"k" * 32, b"s" * 64)
    assert [store.add_head(head) for _ in range(2)] == [True, False]
    assert store.heads(SERIAL) == [head]
    store.append(SERIAL, some(20), genesis(SERIAL))
    assert store.verify(SERIAL).denied == (head,)


# -- commands -----------------------------------------------------------------------------------


def cryo(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, object]:
    code = main(["--json", *map(str, argv)])
    out = capsys.readouterr().out
    assert code == 0, out
    told: dict[str, object] = json.loads(out)
    return told


def test_the_commands_do_the_same(
    place: Place, tmp_path: Path, known: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    practice = Practice(SERIAL, 2)
    practice.treat(12)
    records = [decode(raw) for raw in practice.journal.raws]
    with Store(place) as store:
        put_known(store, known, SERIAL)
        store.append(SERIAL, records, genesis(SERIAL))
    there = ("--store", place)
    numbers = [truth.seq for truth in practice.truths]
    listed = cryo(capsys, "treatments", *there)["treatments"]
    assert isinstance(listed, list)
    assert sorted(row["number"] for row in listed) == numbers
    assert cryo(capsys, "treatment", numbers[3], *there)["number"] == numbers[3]
    assert cryo(capsys, "log", "verify", *there)["good"] is True
    exported = cryo(capsys, "log", "export", "-o", tmp_path / "x.csv", *there)
    assert exported["records"] == len(records)
    info = cryo(capsys, "store", "info", *there)
    assert info["treatments"] == 12
    assert "secret" not in str(info)
    cryo(capsys, "store", "rebuild", *there)
    cryo(capsys, "report", numbers[3], "-o", tmp_path / "x.html", *there)


@pytest.mark.slow
def test_a_backup_is_a_file_and_can_be_restored_anywhere(
    store: Store, place: Place, tmp_path: Path, server: Postgres,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    records = some(30)
    store.append(SERIAL, records[:10], genesis(SERIAL))
    store.append(SERIAL, records[20:], records[19].chain)  # with a gap, and an anchor behind it
    store.add_outcome(Outcome(42, "left", "2026-01-05", "same", False, False, False, "", "me", 1))
    head = SignedHead(SERIAL, 30, records[29].chain, 1_800_000_000, b"k" * 32, b"s" * 64)
    store.add_head(head)
    backup = tmp_path / "backup.sqlite"
    assert cryo(capsys, "store", "backup", backup, "--store", place)["verified"] is True
    for target in (tmp_path / "new.sqlite", server.url()):
        restored = cryo(capsys, "store", "restore", backup, "--store", target)
        assert (restored["added"], restored["outcomes"]) == (20, 1)
        with Store(target) as other:
            assert list(other.records(SERIAL)) == list(store.records(SERIAL))
            assert other.verify(SERIAL) == store.verify(SERIAL)
            assert other.outcomes() == store.outcomes()
            assert other.heads(SERIAL) == [head]
        assert cryo(capsys, "store", "restore", backup, "--store", target)["added"] == 0


# -- the server alone ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_that_was_away_is_used_again(server: Postgres) -> None:
    """A batch that was under way is not there, in part or whole; then it is stored once."""
    url, records = server.url(), some(30)
    with Store(url) as store:
        put(store)
        store.append(SERIAL, records[:10], genesis(SERIAL))
        server.stop()
        try:
            with pytest.raises(LocalError, match="cannot be used") as caught:
                store.append(SERIAL, records[10:], records[9].chain)
        finally:
            server.start()
        assert "secret" not in str(caught.value.as_dict())
        assert store.last_seq(SERIAL) == 10
        assert store.append(SERIAL, records[10:], records[9].chain) == 20
        assert store.verify(SERIAL).good


@pytest.mark.slow
def test_tampering_on_the_server_is_found(server: Postgres) -> None:
    url = server.url()
    schema = url.rpartition("%3D")[2]
    with Store(url) as store:
        put(store)
        store.append(SERIAL, some(20), genesis(SERIAL))
        with pytest.raises(Exception, match="never deleted"):
            server.run("TRUNCATE records CASCADE", schema)
        server.run("DROP TRIGGER records_stay ON records", schema)
        server.run("UPDATE records SET raw = set_byte(raw, 12, 7) WHERE seq = 10", schema)
        assert not store.verify(SERIAL).good


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:secret@host/x", "cannot be kept in mysql"),
        ("postgresql://me:secret@/x?host=/nowhere", "cannot be used"),
        ("://", "cannot be read"),
    ],
)
def test_a_url_that_is_no_store(url: str, words: str) -> None:
    with pytest.raises(LocalError, match=words) as caught:
        Store(url)
    assert "secret" not in str(caught.value.as_dict())


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(LocalError, match="needs the extra 'fleet'"):
        Store("postgresql://localhost/x")


def test_every_statement_of_the_schema_is_translated() -> None:
    """No word of SQLite alone is left over; what PostgreSQL makes of it, the tests above see."""
    from host_tools.store import _MIGRATIONS  # pyright: ignore[reportPrivateUsage]

    made = [
        text
        for step in _MIGRATIONS
        for statement in database.statements(step)
        for text in postgres.translated(statement)
    ]
    assert made
    assert not [text for text in made if re.search(r"ROWID|BLOB|PRAGMA|RAISE \(|\bINTEGER\b", text)]
