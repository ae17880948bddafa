"""The store's file: migration, several processes, backup and restore (H-08)."""

import json
import multiprocessing
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from host_tools import projection
from host_tools.cli import main
from host_tools.device import Device
from host_tools.errors import CryoError
from host_tools.link import Link
from host_tools.projection import Wanted
from host_tools.pull import pull
from host_tools.records import decode, genesis
from host_tools.store import _RECORDS, Store  # pyright: ignore[reportPrivateUsage]
from hw_sim.bench.journal_maker import Practice
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, journal
from tests.unit.host.test_records import description

SERIALS = ("E6614C31", "E6614C32")


def filled(path: Path, serial: str = SERIALS[0], count: int = 200, *, start: int = 1) -> Path:
    records = [decode(raw) for raw in journal(serial, count, start=start)]
    anchor = genesis(serial) if start == 1 else decode(journal(serial, start - 1)[-1]).chain
    with Store(path) as store:
        store.put_device(
            serial, fw="0.2.0", micropython="1.23.0", boot=7, head=0, description=description()
        )
        store.append(serial, records, anchor)
    return path


def rows(path: Path) -> list[tuple[str, int, bytes]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT serial, seq, raw FROM records ORDER BY 1, 2").fetchall()


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, dict[str, object]]:
    code = main(["--json", *map(str, argv)])
    return code, json.loads(capsys.readouterr().out)


# -- the file's version ---------------------------------------------------------------------------


def test_a_file_of_version_1_is_brought_to_this_version(tmp_path: Path) -> None:
    old, new = tmp_path / "old.sqlite", filled(tmp_path / "new.sqlite")
    with closing(sqlite3.connect(old)) as db:
        db.executescript(_RECORDS + "PRAGMA user_version = 1; PRAGMA application_id = 1129470276;")
        db.execute("ATTACH ? AS new", (str(new),))
        for table in ("descriptions", "devices", "records", "anchors"):
            db.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
        db.commit()
    with Store(old) as store:
        assert store.verify(SERIALS[0]).count == 200
        assert store.treatment_count() == 0
    with closing(sqlite3.connect(old)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert set(projection.TABLES) <= tables
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert rows(old) == rows(new)


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(_RECORDS + "PRAGMA user_version = 1; PRAGMA application_id = 1129470276;")
    broken = (_RECORDS, "CREATE TABLE half (a);\nCREATE TABLE half (a);\n")
    monkeypatch.setattr("host_tools.store._MIGRATIONS", broken)
    with pytest.raises(Exception, match="half"):
        Store(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert not db.execute("SELECT * FROM sqlite_master WHERE name = 'half'").fetchall()


# -- several processes ----------------------------------------------------------------------------


def _puller(path: str, serial: str, seed: int, done: "multiprocessing.Queue[object]") -> None:
    """Pulls a growing journal, again and again, in small batches."""
    practice = Practice(serial, seed)
    fake = FakeDevice(serial)
    try:
        for _ in range(4):
            practice.treat(6)
            fake.journal = practice.journal.raws
            with Store(Path(path)) as store:
                pull(Device(Link(MemoryTransport(fake), first_id=1)), store, batch_records=20)
        done.put([raw.hex() for raw in practice.journal.raws])
    except BaseException as error:
        done.put(repr(error))
        raise


def test_two_processes_pull_into_one_file(tmp_path: Path) -> None:
    """No row is lost or doubled, nobody is turned away; a third one reads meanwhile."""
    path = tmp_path / "records.sqlite"
    context = multiprocessing.get_context("spawn")
    queues = {serial: context.Queue() for serial in SERIALS}
    workers = [
        context.Process(target=_puller, args=(str(path), serial, seed, queues[serial]))
        for seed, serial in enumerate(SERIALS)
    ]
    for worker in workers:
        worker.start()
    reads = 0
    while any(worker.is_alive() for worker in workers):
        if path.exists():
            with Store(path) as store:
                store.treatments(Wanted(), newest=50)
                reads += 1
        for worker in workers:
            worker.join(0.05)
        if all(not queue.empty() for queue in queues.values()):
            break
    written = {serial: queue.get(timeout=30) for serial, queue in queues.items()}
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0], written
    assert reads
    with Store(path) as store:
        for serial in SERIALS:
            assert [record.raw.hex() for record in store.records(serial)] == written[serial]
            assert store.verify(serial).good


def test_two_that_create_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    start = threading.Barrier(6)
    errors: list[CryoError] = []

    def create() -> None:
        start.wait()
        try:
            Store(path).close()
        except CryoError as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


# -- backup and restore ---------------------------------------------------------------------------


def test_a_backup_is_the_store_in_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, copy = filled(tmp_path / "records.sqlite"), tmp_path / "copy.sqlite"
    with Store(store):  # in use: its log is not yet in the file
        code, data = run(capsys, "store", "backup", copy, "--store", store)
    assert (code, data["verified"]) == (0, True)
    assert rows(copy) == rows(store)
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite"]
    assert main(["store", "backup", str(copy), "--store", str(store)]) == 7  # never replaced
    assert "exists already" in capsys.readouterr().err


def test_a_restore_makes_the_same_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, copy = filled(tmp_path / "records.sqlite"), tmp_path / "copy.sqlite"
    filled(store, SERIALS[1], 30, start=11)  # with an anchor
    run(capsys, "store", "backup", copy, "--store", store)
    before = copy.read_bytes()
    new = tmp_path / "new.sqlite"
    code, data = run(capsys, "store", "restore", copy, "--store", new)
    assert (code, data["added"]) == (0, 230)
    assert rows(new) == rows(store)
    assert copy.read_bytes() == before
    code, data = run(capsys, "store", "restore", copy, "--store", new)
    assert (code, data["added"]) == (0, 0)


def test_a_restore_adds_and_never_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer, shorter = filled(tmp_path / "a.sqlite"), filled(tmp_path / "b.sqlite", count=50)
    assert run(capsys, "store", "restore", shorter, "--store", longer)[1]["added"] == 0
    assert run(capsys, "store", "restore", longer, "--store", shorter)[1]["added"] == 150
    assert rows(shorter) == rows(longer)


def test_a_restore_of_a_contradiction_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = filled(tmp_path / "records.sqlite")
    other = tmp_path / "other.sqlite"
    with Store(other) as made:
        made.put_device(
            SERIALS[0], fw="0.2.0", micropython="1", boot=7, head=0, description=description()
        )
        records = [decode(raw) for raw in journal(SERIALS[0], 20, salt=1)]
        made.append(SERIALS[0], records, genesis(SERIALS[0]))
    before = rows(store)
    assert main(["store", "restore", str(other), "--store", str(store)]) == 5
    assert "with other content" in capsys.readouterr().err
    assert rows(store) == before


def test_a_backup_that_was_altered_is_not_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup, new = filled(tmp_path / "records.sqlite"), tmp_path / "new.sqlite"
    with closing(sqlite3.connect(backup, isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_stay")
        raw = bytearray(journal(SERIALS[0], 10)[-1])
        raw[20] ^= 1
        db.execute("UPDATE records SET raw = ? WHERE seq = 10", (bytes(raw),))
    assert main(["store", "restore", str(backup), "--store", str(new)]) == 5
    assert "nothing was restored" in capsys.readouterr().err
    assert rows(new) == []
