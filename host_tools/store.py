"""Pulled records, kept in one SQLite file, or on a PostgreSQL server (H-08).

May import `database`, `postgres` (for a URL), sqlite3 (to copy a file), `records`, `description`,
`projection`, `treatments`, `course`, `signed_heads`, `errors`.

Records are only ever added: what is stored already is compared, never overwritten, and triggers
in the file itself refuse changes. A batch is checked against the chain and against its
neighbours, and is committed as a unit.

Several processes, on a server several computers, may use it at once: transactions are short, and a
writer waits its turn (`database`).

Tables (of a version that `_MIGRATIONS` raises step by step):
    devices       serial, fw, micropython, boot, head (as of the last pull), description
    descriptions  digest, json: what `describe` said
    records       serial, seq, raw (64 bytes), chain (16 bytes, the end of raw)
    anchors       serial, seq, chain before seq, where older records are gone from the device
    lesions       which treatments were of which lesion of a patient's number, as entered here
    outcomes      what was seen at a lesion on a day, as entered here; never changed either
    heads         chain values that a key of the practice has signed (`signed_heads`)
    treatments, cycles, projections: made from the records (`projection`), at any time again
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from host_tools import projection
from host_tools.course import Outcome
from host_tools.database import BUSY_S, Database, SqliteFile, is_url
from host_tools.description import Description
from host_tools.errors import IntegrityError, LocalError
from host_tools.projection import Projection, Wanted
from host_tools.records import Record, decode, decode_at, genesis, verify_chain
from host_tools.signed_heads import SCHEMA as _HEADS, Heads, SignedHead
from host_tools.treatments import Cycle, Treatment

_LAST = (1 << 63) - 1
_KIND_OFFSET = 6

_SLICE_RECORDS = 20_000
"""Records that one transaction brings into the tables of treatments: some 0.2 s."""

_RECORDS = """
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
"""

_COURSE = """
CREATE TABLE lesions (
    reference INTEGER NOT NULL CHECK (reference > 0),
    lesion TEXT NOT NULL,
    serial TEXT NOT NULL,
    treatment INTEGER NOT NULL,
    entered_s INTEGER NOT NULL,
    PRIMARY KEY (reference, lesion, serial, treatment)
) WITHOUT ROWID;
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY,
    reference INTEGER NOT NULL CHECK (reference > 0),
    lesion TEXT NOT NULL,
    day TEXT NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('clear', 'smaller', 'same', 'recurred')),
    pigment INTEGER NOT NULL,
    scar INTEGER NOT NULL,
    blister INTEGER NOT NULL,
    note TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    entered_s INTEGER NOT NULL
);
CREATE INDEX outcomes_of ON outcomes (reference, lesion);
CREATE TRIGGER outcomes_stay BEFORE UPDATE ON outcomes
    BEGIN SELECT RAISE (ABORT, 'outcomes are never changed'); END;
CREATE TRIGGER outcomes_remain BEFORE DELETE ON outcomes
    BEGIN SELECT RAISE (ABORT, 'outcomes are never deleted'); END;
CREATE TRIGGER lesions_stay BEFORE UPDATE ON lesions
    BEGIN SELECT RAISE (ABORT, 'lesions are never changed'); END;
CREATE TRIGGER lesions_remain BEFORE DELETE ON lesions
    BEGIN SELECT RAISE (ABORT, 'lesions are never deleted'); END;
"""

_MADE_AGAIN = "".join(f"DROP TABLE {table};\n" for table in projection.TABLES) + projection.SCHEMA
"""Treatments with the bounds of their time."""

_MIGRATIONS = (_RECORDS, projection.SCHEMA, _COURSE, _MADE_AGAIN, _HEADS)
"""Step n leads from version n to n + 1. A step that was released is never changed."""

SCHEMA_VERSION = len(_MIGRATIONS)


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
    runs: tuple[tuple[int, int], ...] = ()
    """Runs of stored records, first and last."""
    agreed: tuple[tuple[int, SignedHead], ...] = ()
    """Signed heads with the chain value of their record, each with the first record of the unbroken
    run that ends there. Who signed, and whether, is `signed_heads.coverage`'s to say."""
    denied: tuple[SignedHead, ...] = ()
    """Signed heads whose record has another chain value, or is gone."""

    @property
    def good(self) -> bool:
        """True when every stored record verifies. Gaps are not a fault of what is stored."""
        return not self.problems


def default_place(simulated: bool = False) -> Path | str:
    """Default place of the records: $CRYO_STORE (a file or URL), or the user's data folder.

    Records of the simulated device have a file of their own there: they must never be taken for
    those of a treatment.
    """
    named = os.environ.get("CRYO_STORE")
    if named:
        return named if is_url(named) else Path(named)
    from platformdirs import user_data_path

    return user_data_path("cryodose", appauthor=False) / (
        "simulated.sqlite" if simulated else "records.sqlite"
    )


class Store:
    """The record store in a file (created when `create` is set), or on the server of a URL.

    Raises LocalError: no such file, not a store, a store of a newer version, a full disk, a server
    that is not there.
    """

    def __init__(self, place: Path | str, *, create: bool = True) -> None:
        self.place: Path | str = place if is_url(place) else Path(place)
        if not create and isinstance(self.place, Path) and not self.place.exists():
            raise _nothing_in(str(place))
        self._db = _opened(self.place)
        self.name = self._db.name
        """Where it is, for messages."""
        self._projection = Projection(self._db)
        self._heads = Heads(self._db)
        self._descriptions: dict[str, Description] = {}
        try:
            self._prepare(create)
        except BaseException:
            self._db.close()
            raise

    @property
    def path(self) -> Path:
        """The file. Raises LocalError when it is on a server."""
        if isinstance(self.place, Path):
            return self.place
        raise LocalError(f"{self.name} is no file")

    @property
    def in_file(self) -> bool:
        """Whether it is a file, and not on a server."""
        return isinstance(self.place, Path)

    def _prepare(self, create: bool) -> None:
        with self._guard():
            version = self._version()
            if not version and not create and not self.in_file:
                raise _nothing_in(self.name)
            if version < SCHEMA_VERSION:
                self._migrate()

    def _version(self) -> int:
        """Version of the schema, 0 for none. Raises LocalError: it is no store of ours, or newer"""
        version = self._db.version()
        if version > SCHEMA_VERSION:
            raise LocalError(
                f"{self.name} was written by a newer cryo (version {version} of the file)",
                "update cryo",
            )
        return version

    def _migrate(self) -> None:
        """Bring it to the present version, each step complete or not at all."""
        self._db.ready()
        while True:
            with self._transaction():
                version = self._version()  # another process may have been faster
                if version < SCHEMA_VERSION:
                    self._db.migrate(_MIGRATIONS, version, version + 1)
            if version >= SCHEMA_VERSION:
                return

    def close(self) -> None:
        """Close it."""
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
        with self._guard():
            self._db.ready()
        with self._transaction():
            self._db.run(
                "INSERT INTO descriptions VALUES (:digest, :json) ON CONFLICT DO NOTHING",
                {"digest": description.digest, "json": description.to_json()},
            )
            self._db.run(
                "INSERT INTO devices VALUES (:serial, :fw, :micropython, :boot, :head, :digest) "
                "ON CONFLICT (serial) DO UPDATE SET "
                "fw = excluded.fw, micropython = excluded.micropython, boot = excluded.boot, "
                "head = excluded.head, description = excluded.description",
                {
                    "serial": serial,
                    "fw": fw,
                    "micropython": micropython,
                    "boot": boot,
                    "head": head,
                    "digest": description.digest,
                },
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
                self._db.run(
                    "INSERT INTO anchors VALUES (:serial, :seq, :chain)",
                    {"serial": serial, "seq": first, "chain": anchor},
                )
            elif before != anchor:
                raise IntegrityError(
                    f"record {first} of {serial} does not continue what is stored before it",
                    _CONFLICT_HINT,
                )
            rows: list[Any] = self._db.all(
                "SELECT seq, raw FROM records "
                "WHERE serial = :serial AND seq BETWEEN :first AND :last",
                {"serial": serial, "first": first, "last": last},
            )
            stored: dict[int, bytes] = dict(rows)
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
            if new:
                newest = self.last_seq(serial)
                self._db.run_many(
                    "INSERT INTO records VALUES (:serial, :seq, :raw, :chain)",
                    [
                        {
                            "serial": serial,
                            "seq": record.seq,
                            "raw": record.raw,
                            "chain": record.chain,
                        }
                        for record in new
                    ],
                )
                self._project(serial, new, newest)
        return len(new)

    def _project(self, serial: str, new: Sequence[Record], newest: int) -> None:
        """Bring new records into the tables of treatments, if they simply follow those there.

        `newest`: the newest record stored before. Older records that arrive late change what was
        made of those behind them: then all is made again, when it is next read.
        """
        description = self.description(serial)
        through = self._projection.through(serial, description)
        if new[0].seq <= newest:
            if through is not None and new[0].seq <= through:
                self._projection.reset(serial)
        elif (through or 0) == newest:
            if through is None:
                self._projection.reset(serial)
            self._projection.take(serial, new, description)

    def merge(
        self, source: "Store", serial: str, batch_records: int, *, keep_broken: bool = False
    ) -> int:
        """Add another store's records of a device, and return how many were new.

        What is stored already is compared. Raises IntegrityError where the two contradict.
        """
        if serial not in self.serials():
            device = next(item for item in source.devices() if item.serial == serial)
            self.put_device(
                serial,
                fw=device.fw,
                micropython=device.micropython,
                boot=device.boot,
                head=device.head,
                description=source.description(serial),
            )
        added = 0
        batch: list[Record] = []
        anchor = b""

        def store_batch() -> int:
            return self.append(serial, batch, anchor, keep_broken=keep_broken) if batch else 0

        for record in source.records(serial):
            if not batch or record.seq != batch[-1].seq + 1 or len(batch) >= batch_records:
                added += store_batch()
                follows = bool(batch) and record.seq == batch[-1].seq + 1
                anchor = batch[-1].chain if follows else self._anchor_of(source, serial, record)
                batch = []
            batch.append(record)
        return added + store_batch()

    def _anchor_of(self, source: "Store", serial: str, record: Record) -> bytes:
        """The chain value before a record of `source`, or, unknown, of this store."""
        anchor = source.chain_before(serial, record.seq) or self.chain_before(serial, record.seq)
        if anchor is None:
            raise IntegrityError(
                f"the chain value before record {record.seq} of {serial} is not known",
                "the backup was altered: a record is missing there",
            )
        return anchor

    # -- lesions and outcomes, which are entered here -------------------------------------------

    def assign(
        self, reference: int, lesion: str, treatments: Sequence[tuple[str, int]], now_s: int
    ) -> int:
        """Note that these treatments were of this lesion; returns how many are new."""
        with self._transaction():
            return sum(
                self._db.run(
                    "INSERT INTO lesions VALUES (:reference, :lesion, :serial, :seq, :now_s) "
                    "ON CONFLICT DO NOTHING",
                    {
                        "reference": reference,
                        "lesion": lesion,
                        "serial": serial,
                        "seq": seq,
                        "now_s": now_s,
                    },
                )
                for serial, seq in treatments
            )

    def lesions(self) -> dict[tuple[int, str], list[tuple[str, int]]]:
        """Device and number of the treatments of each lesion, by reference and name."""
        found: dict[tuple[int, str], list[tuple[str, int]]] = {}
        with self._guard():
            for reference, lesion, serial, seq in self._db.all(
                "SELECT reference, lesion, serial, treatment FROM lesions "
                "ORDER BY reference, lesion, serial, treatment"
            ):
                found.setdefault((reference, lesion), []).append((serial, seq))
        return found

    def add_outcome(self, outcome: Outcome) -> bool:
        """Note an outcome; False when the very same is there already."""
        row = {name: getattr(outcome, field) for name, field in _OUTCOME.items()}
        row |= {name: int(row[name]) for name in ("pigment", "scar", "blister")}
        same = " AND ".join(f"{name} = :{name}" for name in row)
        columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._transaction():
            known = self._db.one(f"SELECT 1 FROM outcomes WHERE {same}", row)
            if known is None:
                self._db.run(f"INSERT INTO outcomes ({columns}) VALUES ({values})", row)
        return known is None

    def outcomes(self, reference: int | None = None) -> list[Outcome]:
        """Outcomes in the order of their entry, of one reference or of all."""
        with self._guard():
            rows = self._db.all(
                f"SELECT {', '.join(_OUTCOME)} FROM outcomes "
                f"{'' if reference is None else 'WHERE reference = :reference '}"
                "ORDER BY entered_s, id",
                {} if reference is None else {"reference": reference},
            )
        return [Outcome(*row[:4], *(bool(flag) for flag in row[4:7]), *row[7:]) for row in rows]

    def merge_course(self, source: "Store") -> int:
        """Add another store's lesions and outcomes; returns how many outcomes were new."""
        now_s = int(time.time())
        for (reference, lesion), treatments in source.lesions().items():
            self.assign(reference, lesion, treatments, now_s)
        return sum(self.add_outcome(outcome) for outcome in source.outcomes())

    def check_database(self) -> None:
        """Raise IntegrityError when the database itself finds that it is damaged."""
        self._db.check()

    def settle(self) -> None:
        """Make it one file, without a log beside it: for a copy that is put away."""
        if isinstance(self._db, SqliteFile):
            self._db.settle()

    def size_bytes(self) -> int:
        """Size of the file and of its write-ahead log, or of the server's whole database."""
        with self._guard():
            return self._db.size_bytes()

    def catch_up(self, *, again: bool = False) -> None:
        """Bring the tables of treatments in step with the records; `again`: make them again.

        In slices, so that another process that pulls does not wait long.
        """
        for serial in self.serials():
            description = self.description(serial)
            if again:
                with self._transaction():
                    self._projection.reset(serial)
            while not self._in_step(serial, description):
                with self._transaction():
                    through = self._projection.through(serial, description)
                    if through is None:
                        self._projection.reset(serial)
                    rows = self._db.all(
                        "SELECT seq, raw FROM records WHERE serial = :serial AND seq > :through "
                        "ORDER BY seq LIMIT :most",
                        {"serial": serial, "through": through or 0, "most": _SLICE_RECORDS},
                    )
                    records = [decode_at(seq, raw) for seq, raw in rows]
                    self._projection.take(serial, records, description)

    def _in_step(self, serial: str, description: Description) -> bool:
        with self._guard():
            through = self._projection.through(serial, description)
        return (through or 0) >= self.last_seq(serial)

    # -- reading ----------------------------------------------------------------------------

    def serials(self) -> list[str]:
        """Serial numbers of all devices that were pulled."""
        with self._guard():
            return [str(row[0]) for row in self._db.all("SELECT serial FROM devices ORDER BY 1")]

    def treatments(
        self, wanted: Wanted, *, newest: int | None = None
    ) -> list[tuple[str, Treatment]]:
        """Serial and treatment, oldest first; with `newest`, only that many of them."""
        self.catch_up()
        with self._guard():
            return list(self._projection.treatments(wanted, newest))

    def each_treatment(self, wanted: Wanted) -> Iterator[tuple[str, Treatment]]:
        """As `treatments`, one at a time."""
        self.catch_up()
        with self._guard():
            yield from self._projection.treatments(wanted)

    def treatment(self, serial: str, seq: int) -> Treatment | None:
        """The treatment with this number, or None."""
        self.catch_up()
        with self._guard():
            return self._projection.treatment(serial, seq)

    def cycles(self, serial: str, treatment: int) -> list[Cycle]:
        """The freezes of a treatment, in order."""
        self.catch_up()
        with self._guard():
            return self._projection.cycles(serial, treatment)

    def treatment_count(self) -> int:
        """Number of treatments of all devices."""
        self.catch_up()
        with self._guard():
            return self._projection.count()

    def devices_with_treatment(self, seq: int) -> list[str]:
        """Serials of the devices that have a treatment with this number."""
        self.catch_up()
        with self._guard():
            return self._projection.devices_with(seq)

    def devices(self) -> list[StoredDevice]:
        """All devices with stored records."""
        with self._guard():
            rows = self._db.all(
                "SELECT d.serial, fw, micropython, boot, head, count(seq), coalesce(max(seq), 0) "
                "FROM devices d LEFT JOIN records r ON r.serial = d.serial "
                "GROUP BY d.serial ORDER BY d.serial"
            )
        return [StoredDevice(*row) for row in rows]

    def description(self, serial: str) -> Description:
        """What the device last said about itself. Raises LocalError when it is not stored."""
        with self._guard():
            row = self._db.one(
                "SELECT description FROM devices WHERE serial = :serial", {"serial": serial}
            )
            if row is None:
                raise LocalError(f"no device {serial} in {self.name}")
            digest = str(row[0])
            if digest not in self._descriptions:
                text = self._db.one(
                    "SELECT json FROM descriptions WHERE digest = :digest", {"digest": digest}
                )
                assert text is not None
                self._descriptions[digest] = Description.from_json(text[0])
        return self._descriptions[digest]

    def last_seq(self, serial: str) -> int:
        """Newest record stored, 0 when there is none."""
        with self._guard():
            row = self._db.one(
                "SELECT max(seq) FROM records WHERE serial = :serial", {"serial": serial}
            )
        return int(row[0] or 0) if row else 0

    def chain_before(self, serial: str, seq: int) -> bytes | None:
        """The chain value before `seq` as far as it is known here, else None."""
        if seq == 1:
            return genesis(serial)
        with self._guard():
            row = self._db.one(
                "SELECT chain FROM records WHERE serial = :serial AND seq = :before UNION ALL "
                "SELECT chain FROM anchors WHERE serial = :serial AND seq = :seq",
                {"serial": serial, "before": seq - 1, "seq": seq},
            )
        return None if row is None else bytes(row[0])

    def records(
        self, serial: str, first: int = 1, last: int | None = None, *, newest: int | None = None
    ) -> Iterator[Record]:
        """Stored records from `first` to `last`, in order; with `newest`, only that many."""
        where, values = "serial = :serial AND seq >= :first", {"serial": serial, "first": first}
        if last is not None:
            where += " AND seq <= :last"
            values["last"] = last
        query = f"SELECT seq, raw FROM records WHERE {where} ORDER BY seq"
        if newest is not None:
            query = (
                f"SELECT seq, raw FROM (SELECT seq, raw FROM records WHERE {where} "
                "ORDER BY seq DESC LIMIT :newest) AS newest ORDER BY seq"
            )
            values["newest"] = newest
        with self._guard():
            for seq, raw in self._db.stream(query, values):
                yield decode_at(seq, raw)

    def raws(
        self, serial: str, first: int = 1, last: int | None = None, kinds: Set[int] | None = None
    ) -> Generator[tuple[int, bytes]]:
        """Number and bytes of stored records, in order; `kinds`: only of these."""
        with self._guard():
            rows = self._db.stream(
                "SELECT seq, raw FROM records "
                "WHERE serial = :serial AND seq >= :first AND seq <= :last ORDER BY seq",
                {"serial": serial, "first": first, "last": _LAST if last is None else last},
            )
            if kinds is None:
                yield from rows
            else:
                yield from (row for row in rows if row[1][_KIND_OFFSET] in kinds)

    def some_records(self, serial: str, numbers: Sequence[int]) -> list[Record]:
        """The stored ones of these records, in order."""
        found: list[Record] = []
        with self._guard():
            for start in range(0, len(numbers), 500):
                part = numbers[start : start + 500]
                names = {f"n{index}": seq for index, seq in enumerate(part)}
                marks = ", ".join(f":{name}" for name in names)
                found += [
                    decode_at(seq, raw)
                    for seq, raw in self._db.all(
                        f"SELECT seq, raw FROM records WHERE serial = :serial AND seq IN ({marks})",
                        {"serial": serial, **names},
                    )
                ]
        return sorted(found, key=lambda record: record.seq)

    def verify(
        self, serial: str, first: int = 1, last: int = _LAST, *, heads: Iterable[SignedHead] = ()
    ) -> Verdict:
        """Verify stored records of a device from their bytes, and by signed heads.

        `first` and `last`: only these, on to the next signed head. `heads`: further ones, from
        elsewhere. Only chain values are compared here, no signatures.
        """
        signed = sorted(
            {*self.heads(serial), *(head for head in heads if head.serial == serial)},
            key=lambda head: (head.seq, head.signed_s),
        )
        last = next((head.seq for head in signed if head.seq >= last), last)
        check = _Check(self, serial, first, [head for head in signed if first <= head.seq <= last])
        with self._guard():
            rows = self._db.stream(
                "SELECT seq, raw FROM records "
                "WHERE serial = :serial AND seq BETWEEN :first AND :last ORDER BY seq",
                {"serial": serial, "first": first, "last": last},
            )
            return check.run(rows)

    def heads(self, serial: str) -> list[SignedHead]:
        """The signed heads of a device, oldest record first."""
        with self._guard():
            return list(self._heads.of(serial))

    def add_head(self, head: SignedHead) -> bool:
        """Keep a signed head; False when it is there already."""
        with self._transaction():
            return self._heads.add(head)

    def _one(self, serial: str, seq: int) -> Record | None:
        row = self._db.one(
            "SELECT raw FROM records WHERE serial = :serial AND seq = :seq",
            {"serial": serial, "seq": seq},
        )
        return None if row is None else decode(row[0])

    def _transaction(self) -> AbstractContextManager[None]:
        return self._db.transaction()

    def _guard(self) -> AbstractContextManager[None]:
        return self._db.guard()


class _Check:
    """One pass over stored records, in order."""

    def __init__(self, store: Store, serial: str, first: int, signed: Sequence[SignedHead]) -> None:
        self._store, self._serial = store, serial
        self._expected = first
        self._signed = signed
        self._before: bytes | None = None
        self._runs: list[tuple[int, int]] = []
        self._run_first = self._unbroken_from = 0
        self._gaps: list[tuple[int, int]] = []
        self._anchored: list[int] = []
        self._problems: list[str] = []
        self._agreed: list[tuple[int, SignedHead]] = []
        self._denied: list[SignedHead] = []

    def run(self, rows: Iterable[tuple[int, bytes]]) -> Verdict:
        """The verdict on these records."""
        waiting = iter(self._signed)
        head = next(waiting, None)
        count = first = 0
        for seq, raw in rows:
            count += 1
            first = first or seq
            chain = raw[48:]
            if not (
                seq == self._expected
                and self._before is not None
                and chain == sha256(self._before + raw[:48]).digest()[:16]
                and seq == int.from_bytes(raw[:4], "little")
            ):  # else the quick way, for a million records
                self._look_at(seq, raw)
            self._before = chain
            self._expected = seq + 1
            while head is not None and head.seq <= seq:
                self._judge(head, chain if head.seq == seq else None)
                head = next(waiting, None)
        while head is not None:
            self._judge(head, None)
            head = next(waiting, None)
        last = self._expected - 1
        if count:
            self._runs.append((self._run_first, last))
        return Verdict(
            self._serial, count, first, last, tuple(self._gaps), tuple(self._anchored),
            tuple(self._problems), tuple(self._runs), tuple(self._agreed), tuple(self._denied),
        )  # fmt: skip

    def _look_at(self, seq: int, raw: bytes) -> None:
        """A record that does not simply follow: the first one, one behind a gap, or a bad one."""
        if seq != self._expected:
            self._gaps.append((self._expected, seq - 1))
            self._before = None
        if self._before is None:
            if self._run_first:
                self._runs.append((self._run_first, self._gaps[-1][0] - 1))
            self._run_first = self._unbroken_from = seq
            self._before = self._store.chain_before(self._serial, seq)
            if self._before is not None and seq > 1 and self._gaps:
                self._anchored.append(seq)
        if self._before is None:
            self._problems.append(f"record {seq}: the chain value before it is not known")
            return
        try:
            verify_chain([decode(raw)], self._before, seq)
        except IntegrityError as error:
            self._problems.append(error.text)
            self._unbroken_from = seq + 1

    def _judge(self, head: SignedHead, chain: bytes | None) -> None:
        if chain == head.chain:
            if self._unbroken_from <= head.seq:  # else the record itself is broken
                self._agreed.append((self._unbroken_from, head))
            return
        self._denied.append(head)
        if chain is None:
            self._problems.append(f"record {head.seq} is signed (head {head.about}), and is gone")
            return
        since = self._agreed[-1][1].seq + 1 if self._agreed else self._unbroken_from or head.seq
        self._problems.append(
            f"records {since}…{head.seq} were written again, or one of them: record {head.seq} has "
            f"not the chain value that was signed (head {head.about})"
        )


def _opened(place: Path | str) -> Database:
    if isinstance(place, Path):
        return SqliteFile(place)
    from host_tools.postgres import PostgresDatabase

    return PostgresDatabase(place)


def _nothing_in(name: str) -> LocalError:
    return LocalError(f"nothing stored yet in {name}", "`cryo log pull` fetches the records")


_OUTCOME = {
    "reference": "reference", "lesion": "lesion", "day": "day", "result": "result",
    "pigment": "pigment", "scar": "scar", "blister": "blister", "note": "note",
    "entered_by": "by", "entered_s": "entered_s",
}  # fmt: skip
"""Columns of an outcome, and what they are called in `course.Outcome`."""

_CONFLICT_HINT = (
    "nothing of it was written. Either the device's journal or the store was altered, or another "
    "device uses this serial number: keep both, and pull into another file with --store to compare"
)


def copy_file(path: Path, to: Path) -> None:
    """Copy a whole store as it is at one moment, though others write meanwhile.

    Raises LocalError: `path` is no database, or `to` cannot be written.
    """
    try:
        address = f"{path.resolve().as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as source,
            contextlib.closing(sqlite3.connect(to)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise LocalError(f"{path} cannot be copied: {error}") from None
