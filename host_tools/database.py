"""Where a store's tables are: a SQLite file here, or (`postgres`) a PostgreSQL server.

May import sqlite3, `errors` and the standard library. One schema and one set of statements serve
both: SQL that both understand, with values by name (`:seq`). The schema is written for SQLite;
`postgres` translates the few words that PostgreSQL calls otherwise. Each of the two knows for
itself how a writer waits for its turn, and that what is committed is on the disk.
"""

import contextlib
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from host_tools.errors import IntegrityError, LocalError

BUSY_S = 60.0
"""How long a writer waits for its turn. A turn takes some milliseconds."""

OURS = 0x43525944
"""CRYD: identifies the file for `file` and sqlite3, and a server's lock for whoever writes."""

Row = tuple[Any, ...]
Values = Mapping[str, Any]


class Database(Protocol):
    """What a store needs of it. Every method may raise what `guard` turns into a LocalError."""

    name: str
    """For messages; never with a password."""

    def stream(self, sql: str, values: Values | None = None) -> Iterator[Row]:
        """Rows one by one, whatever their number."""
        ...

    def all(self, sql: str, values: Values | None = None) -> list[Row]:
        """All rows."""
        ...

    def one(self, sql: str, values: Values | None = None) -> Row | None:
        """The first row, or None."""
        ...

    def run(self, sql: str, values: Values | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def run_many(self, sql: str, many: Sequence[Values]) -> int:
        """Run a statement for each of these values; returns how many rows were changed."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and alone as a writer from its beginning on."""
        ...

    def guard(self) -> AbstractContextManager[None]:
        """LocalError in the place of the database's own errors."""
        ...

    def version(self) -> int:
        """Version of the schema, 0: none yet. Raises LocalError: it is no store of ours."""
        ...

    def migrate(self, steps: Sequence[str], version: int, upto: int) -> None:
        """In a transaction: run the steps from `version` to `upto`."""
        ...

    def ready(self) -> None:
        """Before anything is written: once more ready to be shared with others."""
        ...

    def check(self) -> None:
        """Raise IntegrityError when the database itself is damaged, as far as it can tell."""
        ...

    def size_bytes(self) -> int:
        """What it takes up."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def is_url(place: "Path | str") -> bool:
    """Whether a store's place is a server, not a file."""
    return isinstance(place, str) and "://" in place


class SqliteFile:
    """A `Database` in one file, which is created.

    A write-ahead log, so that readers and a writer do not wait for each other; transactions begin
    as writers, and a writer waits its turn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        with self.guard():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA foreign_keys = ON")
            # A record counts as stored only when it is on the disk: the device may then delete it.
            self._db.execute("PRAGMA synchronous = FULL")

    def stream(self, sql: str, values: Values | None = None) -> Iterator[Row]:
        """See `Database`."""
        return self._db.execute(sql, values or {})

    def all(self, sql: str, values: Values | None = None) -> list[Row]:
        """See `Database`."""
        return self._db.execute(sql, values or {}).fetchall()

    def one(self, sql: str, values: Values | None = None) -> Row | None:
        """See `Database`."""
        return self._db.execute(sql, values or {}).fetchone()

    def run(self, sql: str, values: Values | None = None) -> int:
        """See `Database`."""
        return self._db.execute(sql, values or {}).rowcount

    def run_many(self, sql: str, many: Sequence[Values]) -> int:
        """See `Database`."""
        return self._db.executemany(sql, many).rowcount

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """See `Database`."""
        with self.guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def guard(self) -> Generator[None]:
        """See `Database`."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LocalError(f"the record store {self.path} cannot be used: {error}") from None

    def version(self) -> int:
        """See `Database`."""
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        tables = int(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        if version == 0 and tables == 0:
            return 0
        owner = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        if owner != OURS:
            raise LocalError(f"{self.path} is a database, but not a record store")
        return version

    def migrate(self, steps: Sequence[str], version: int, upto: int) -> None:
        """See `Database`."""
        for step in steps[version:upto]:
            for statement in statements(step):
                self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {OURS}")
        self._db.execute(f"PRAGMA user_version = {upto}")

    def ready(self) -> None:
        """Switch the file to a write-ahead log: a backup that became the store has none yet.

        SQLite does not wait for others here: we do.
        """
        until_s = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until_s:
                    raise
            time.sleep(0.05)

    def check(self) -> None:
        """See `Database`."""
        with self.guard():
            words = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if words != "ok":
            raise IntegrityError(f"{self.path} is damaged: {words}")

    def settle(self) -> None:
        """Make it one file, without a log beside it: for a copy that is put away."""
        with self.guard():
            self._db.execute("PRAGMA journal_mode = DELETE")

    def size_bytes(self) -> int:
        """Size of the file and of its write-ahead log."""
        return sum(
            part.stat().st_size for part in (self.path, Path(f"{self.path}-wal")) if part.exists()
        )

    def close(self) -> None:
        """See `Database`."""
        self._db.close()


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
