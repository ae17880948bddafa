"""The record store: idempotent, append-only, loud about contradictions (H-08)."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from host_tools.errors import IntegrityError, LocalError
from host_tools.records import Record, decode, genesis
from host_tools.store import Store, default_path
from tests.unit.host.fake_device import journal
from tests.unit.host.test_records import description

SERIAL = "E6614C31"


def some(count: int, *, start: int = 1, salt: int = 0) -> list[Record]:
    return [decode(raw) for raw in journal(SERIAL, count, start=start, salt=salt)]


def put(store: Store, serial: str = SERIAL) -> None:
    store.put_device(
        serial, fw="0.1.0", micropython="1.23.0", boot=7, head=0, description=description()
    )


@pytest.fixture(autouse=True)
def _known_device(store: Store) -> None:
    put(store)


def test_records_come_back_as_they_went_in(store: Store) -> None:
    assert store.append(SERIAL, some(50), genesis(SERIAL)) == 50
    assert list(store.records(SERIAL)) == some(50)
    assert [record.seq for record in store.records(SERIAL, newest=3)] == [48, 49, 50]
    assert [record.seq for record in store.records(SERIAL, 10, 12)] == [10, 11, 12]
    assert store.last_seq(SERIAL) == 50
    assert store.description(SERIAL).digest == description().digest


def test_the_same_again_changes_nothing(store: Store) -> None:
    store.append(SERIAL, some(50), genesis(SERIAL))
    before = store.path.read_bytes()
    assert store.append(SERIAL, some(50), genesis(SERIAL)) == 0
    put(store)
    assert list(store.records(SERIAL)) == some(50)
    assert len(store.path.read_bytes()) == len(before)


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


def test_the_file_itself_refuses_changes(store: Store) -> None:
    store.append(SERIAL, some(3), genesis(SERIAL))
    with closing(sqlite3.connect(store.path)) as db:
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            db.execute("UPDATE records SET raw = zeroblob(64)")
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            db.execute("DELETE FROM records")


@pytest.mark.parametrize("offset", [0, 6, 12, 16, 40, 47, 48, 63])
def test_tampering_behind_its_back_is_found(store: Store, offset: int) -> None:
    store.append(SERIAL, some(20), genesis(SERIAL))
    raw = bytearray(some(20)[9].raw)
    raw[offset] ^= 0x10
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_stay")
        db.execute(
            "UPDATE records SET raw = ?, chain = ? WHERE seq = 10", (bytes(raw), bytes(raw[48:]))
        )
    assert not store.verify(SERIAL).good


def test_a_removed_record_shows(store: Store) -> None:
    store.append(SERIAL, some(20), genesis(SERIAL))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_remain")
        db.execute("DELETE FROM records WHERE seq = 10")
    verdict = store.verify(SERIAL)
    assert not verdict.good  # no anchor speaks for record 11
    assert verdict.gaps == ((10, 10),)


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


def test_a_file_that_is_no_store_is_left_unchanged(tmp_path: Path) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(LocalError, match="cannot be used"):
        Store(text)
    assert text.read_text().startswith("Dear")
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(LocalError, match="not a record store"):
        Store(other)
    with pytest.raises(LocalError, match="nothing stored yet"):
        Store(tmp_path / "none.sqlite", create=False)


def test_a_newer_file_is_not_touched(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LocalError, match="newer"):
        Store(store.path)


def test_its_position(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRYO_STORE", str(tmp_path / "x.sqlite"))
    assert default_path() == tmp_path / "x.sqlite"
    monkeypatch.delenv("CRYO_STORE")
    assert default_path().name == "records.sqlite"
    assert default_path(simulated=True).name == "simulated.sqlite"
    assert default_path().parent == default_path(simulated=True).parent
