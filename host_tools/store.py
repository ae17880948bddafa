"""Pulled records, kept in one SQLite file (H-08).

May import sqlite3, `records`, `description`, `errors`.

Records are only ever added: what is stored already is compared, never overwritten, and triggers
in the file itself refuse changes. A batch is checked against the chain and against its
neighbours, and is committed as a unit.

File (`PRAGMA user_version` 1):
    devices       serial, fw, micropython, boot, head (as of the last pull), description
    descriptions  digest, json: what `describe` said
    records       serial, seq, raw (64 bytes), chain (16 bytes, the end of raw)
    anchors       serial, seq, chain before seq, where older records are gone from the device
"""

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from host_tools.description import Description
from host_tools.errors import IntegrityError, LocalError
from host_tools.records import Record, decode, genesis, verify_chain

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x43525944  # "CRYD": identifies the file for `file` and sqlite3

_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE descriptions (digest TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE devices (
    serial TEXT PRIMARY KEY,
    fw TEXT NOT NULL,
    micropython TEXT NOT NULL,
    boot INTEGER NOT NULL,
    head INTEGER NOT NULL,
    description TEXT NOT NULL REFERENCES descriptions (digest)
) WITHOUT ROWID;
CREATE TABLE records (
    serial TEXT NOT NULL REFERENCES devices (serial),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    raw BLOB NOT NULL CHECK (length(raw) = 64),
    chain BLOB NOT NULL CHECK (chain = substr(raw, 49)),
    PRIMARY KEY (serial, seq)
) WITHOUT ROWID;
CREATE TABLE anchors (
    serial TEXT NOT NULL REFERENCES devices (serial),
    seq INTEGER NOT NULL CHECK (seq > 1),
    chain BLOB NOT NULL CHECK (length(chain) = 16),
    PRIMARY KEY (serial, seq)
) WITHOUT ROWID;
CREATE TRIGGER records_stay BEFORE UPDATE ON records
    BEGIN SELECT RAISE (ABORT, 'records are never changed'); END;
CREATE TRIGGER records_remain BEFORE DELETE ON records
    BEGIN SELECT RAISE (ABORT, 'records are never deleted'); END;
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True)
class StoredDevice:
    """A device whose records are stored; `head` and `boot` as of the last pull."""

    serial: str
    fw: str
    micropython: str
    boot: int
    head: int
    count: int
    """Records stored."""
    last: int
    """Newest record stored, 0 when there is none."""


@dataclass(frozen=True)
class Verdict:
    """What a check of all stored records of a device found."""

    serial: str
    count: int
    first: int
    last: int
    gaps: tuple[tuple[int, int], ...]
    """Runs of records, first and last, that are not stored."""
    anchored: tuple[int, ...]
    """Records behind a gap that are proved by an anchor: the chain value that the device stated."""
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """True when every stored record verifies. Gaps are not a fault of what is stored."""
        return not self.problems


def default_path(simulated: bool = False) -> Path:
    """Default place of the records: $CRYO_STORE, or the user's data folder.

    Records of the simulated device have a file of their own there: they must never be taken for
    those of a treatment.
    """
    named = os.environ.get("CRYO_STORE")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("cryodose", appauthor=False) / (
        "simulated.sqlite" if simulated else "records.sqlite"
    )


class Store:
    """The record store in the file `path`, which is created when `create` is set.

    Raises LocalError: no such file, not a store, a store of a newer version, or a full disk.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        if not create and not path.exists():
            raise LocalError(f"nothing stored yet in {path}", "`cryo log pull` fetches the records")
        with self._guard():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        with self._guard():
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            tables = int(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
            if version == 0 and tables == 0:
                self._db.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            else:
                owner = int(self._db.execute("PRAGMA application_id").fetchone()[0])
                if owner != _APPLICATION_ID:
                    raise LocalError(f"{self.path} is a database, but not a record store")
                if version > SCHEMA_VERSION:
                    raise LocalError(
                        f"{self.path} was written by a newer cryo (version {version} of the file)",
                        "update cryo",
                    )
            self._db.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing ----------------------------------------------------------------------------

    def put_device(
        self,
        serial: str,
        *,
        fw: str,
        micropython: str,
        boot: int,
        head: int,
        description: Description,
    ) -> None:
        """Note the device and what it says about itself; the newest description counts."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO descriptions VALUES (?, ?)",
                (description.digest, description.to_json()),
            )
            self._db.execute(
                "INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO UPDATE SET "
                "fw = excluded.fw, micropython = excluded.micropython, boot = excluded.boot, "
                "head = excluded.head, description = excluded.description",
                (serial, fw, micropython, boot, head, description.digest),
            )

    def append(
        self, serial: str, batch: Sequence[Record], anchor: bytes, *, keep_broken: bool = False
    ) -> int:
        """Store a run of consecutive records and return how many of them were new.

        `anchor` is the chain value before the first. `keep_broken` stores records that do not
        continue the chain as well (`verify` goes on telling them). Raises IntegrityError, with
        nothing of the batch written, when the chain does not hold or what is stored differs.
        """
        if not batch:
            return 0
        first, last = batch[0].seq, batch[-1].seq
        end = verify_chain(batch, anchor, first, broken=[] if keep_broken else None)
        with self._transaction():
            before = self.chain_before(serial, first)
            if before is None:
                self._db.execute("INSERT INTO anchors VALUES (?, ?, ?)", (serial, first, anchor))
            elif before != anchor:
                raise IntegrityError(
                    f"record {first} of {serial} does not continue what is stored before it",
                    _CONFLICT_HINT,
                )
            stored: dict[int, bytes] = dict(
                self._db.execute(
                    "SELECT seq, raw FROM records WHERE serial = ? AND seq BETWEEN ? AND ?",
                    (serial, first, last),
                )
            )
            for record in batch:
                known = stored.get(record.seq)
                if known is not None and known != record.raw:
                    raise IntegrityError(
                        f"record {record.seq} of {serial} is stored already, with other content",
                        _CONFLICT_HINT,
                    )
            after = self._one(serial, last + 1)
            if after is not None:
                verify_chain([after], end, last + 1, broken=[] if keep_broken else None)
            new = [record for record in batch if record.seq not in stored]
            self._db.executemany(
                "INSERT INTO records VALUES (?, ?, ?, ?)",
                [(serial, record.seq, record.raw, record.chain) for record in new],
            )
        return len(new)

    # -- reading ----------------------------------------------------------------------------

    def devices(self) -> list[StoredDevice]:
        """All devices with stored records."""
        with self._guard():
            rows = self._db.execute(
                "SELECT d.serial, fw, micropython, boot, head, count(seq), ifnull(max(seq), 0) "
                "FROM devices d LEFT JOIN records r ON r.serial = d.serial "
                "GROUP BY d.serial ORDER BY d.serial"
            ).fetchall()
        return [StoredDevice(*row) for row in rows]

    def description(self, serial: str) -> Description:
        """What the device last said about itself. Raises LocalError when it is not stored."""
        with self._guard():
            row = self._db.execute(
                "SELECT json FROM devices JOIN descriptions ON description = digest "
                "WHERE serial = ?",
                (serial,),
            ).fetchone()
        if row is None:
            raise LocalError(f"no device {serial} in {self.path}")
        return Description.from_json(row[0])

    def last_seq(self, serial: str) -> int:
        """Newest record stored, 0 when there is none."""
        with self._guard():
            row = self._db.execute(
                "SELECT ifnull(max(seq), 0) FROM records WHERE serial = ?", (serial,)
            ).fetchone()
        return int(row[0])

    def chain_before(self, serial: str, seq: int) -> bytes | None:
        """The chain value before `seq` as far as it is known here, else None."""
        if seq == 1:
            return genesis(serial)
        with self._guard():
            row = self._db.execute(
                "SELECT chain FROM records WHERE serial = ? AND seq = ? UNION ALL "
                "SELECT chain FROM anchors WHERE serial = ? AND seq = ?",
                (serial, seq - 1, serial, seq),
            ).fetchone()
        return None if row is None else bytes(row[0])

    def records(
        self, serial: str, first: int = 1, last: int | None = None, *, newest: int | None = None
    ) -> Iterator[Record]:
        """Stored records from `first` to `last`, in order; with `newest`, only that many."""
        where, arguments = "serial = ? AND seq >= ?", [serial, first]
        if last is not None:
            where += " AND seq <= ?"
            arguments.append(last)
        query = f"SELECT seq, raw FROM records WHERE {where} ORDER BY seq"
        if newest is not None:
            query = (
                f"SELECT seq, raw FROM (SELECT seq, raw FROM records WHERE {where} "
                "ORDER BY seq DESC LIMIT ?) ORDER BY seq"
            )
            arguments.append(newest)
        with self._guard():
            for seq, raw in self._db.execute(query, arguments):
                record = decode(raw)
                # A record whose very number is damaged goes by its place.
                yield record if record.seq == seq else replace(record, seq=seq)

    def verify(self, serial: str) -> Verdict:
        """Verify every stored record of a device from its bytes."""
        problems: list[str] = []
        gaps: list[tuple[int, int]] = []
        anchored: list[int] = []
        count = first = 0
        before: bytes | None = None
        expected = 1
        with self._guard():
            rows = self._db.execute(
                "SELECT seq, raw FROM records WHERE serial = ? ORDER BY seq", (serial,)
            ).fetchall()
        for seq, raw in rows:
            record = decode(raw)
            count += 1
            first = first or seq
            if seq != expected:
                gaps.append((expected, seq - 1))
                before = None
            if before is None:
                before = self.chain_before(serial, seq)
                if before is not None and seq > 1:
                    anchored.append(seq)
            if before is None:
                problems.append(f"record {seq}: the chain value before it is not known")
            else:
                try:
                    verify_chain([record], before, seq)
                except IntegrityError as error:
                    problems.append(error.text)
            before = record.chain
            expected = seq + 1
        return Verdict(
            serial, count, first, expected - 1, tuple(gaps), tuple(anchored), tuple(problems)
        )

    def _one(self, serial: str, seq: int) -> Record | None:
        row = self._db.execute(
            "SELECT raw FROM records WHERE serial = ? AND seq = ?", (serial, seq)
        ).fetchone()
        return None if row is None else decode(row[0])

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _guard(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LocalError(f"the record store {self.path} cannot be used: {error}") from None


_CONFLICT_HINT = (
    "nothing of it was written. Either the device's journal or the store was altered, or another "
    "device uses this serial number: keep both, and pull into another file with --store to compare"
)
