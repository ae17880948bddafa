"""The record store: idempotent, append-only, loud about contradictions (H-08)."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from host_tools.errors import LocalError
from host_tools.records import Record, decode, genesis
from host_tools.store import Store, default_place
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


def test_the_same_again_changes_nothing(store: Store) -> None:
    store.append(SERIAL, some(50), genesis(SERIAL))
    before = store.path.read_bytes()
    assert store.append(SERIAL, some(50), genesis(SERIAL)) == 0
    put(store)
    assert list(store.records(SERIAL)) == some(50)
    assert len(store.path.read_bytes()) == len(before)


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
    assert default_place() == tmp_path / "x.sqlite"
    monkeypatch.delenv("CRYO_STORE")
    assert default_place().name == "records.sqlite"
    assert default_place(simulated=True).name == "simulated.sqlite"
    assert default_place().parent == default_place(simulated=True).parent
