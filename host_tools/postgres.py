"""A store on a PostgreSQL server, for several computers: the same schema, the same statements.

May import `database`'s words, `extras`, `errors` and the standard library; SQLAlchemy (Core only)
and psycopg, of the extra `fleet`, when a server is named. A writer takes a lock that belongs to its
transaction, so that writers take turns as they do in a file. A connection that broke is made again
at the next statement outside a transaction.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from host_tools.database import BUSY_S, OURS, Row, Values, statements
from host_tools.errors import LocalError
from host_tools.extras import needs, require

_DRIVER = "postgresql+psycopg"
_AT_A_TIME = 2000
"""Rows that are fetched at a time where there may be a million."""

_OPTIONS = f"-c synchronous_commit=on -c lock_timeout={int(BUSY_S * 1000)}"
"""A record counts as stored only when it is on the server's disk: the device may then delete it."""

_CONNECT_S = 5

_WORDS = (
    (r"\s*WITHOUT ROWID", ""),
    (r"\bINTEGER PRIMARY KEY\b", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bBLOB\b", "BYTEA"),
    (r"\bTEXT\b", 'TEXT COLLATE "C"'),  # in the order of a file
)
_TRIGGER = re.compile(
    r"CREATE TRIGGER (\w+) BEFORE (UPDATE|DELETE) ON (\w+)\s+"
    r"BEGIN SELECT RAISE \(ABORT, '([^']*)'\); END;"
)


def translated(statement: str) -> list[str]:
    """A statement of the schema, in PostgreSQL's words."""
    trigger = _TRIGGER.search(statement)
    if trigger:
        name, event, table, why = trigger.groups()
        made = [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{why}'; END $$",
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
        if event == "DELETE":  # TRUNCATE asks no row
            made.append(
                f"CREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )
        return made
    for word, other in _WORDS:
        statement = re.sub(word, other, statement)
    return [statement]


class PostgresDatabase:
    """A `Database` on a server. Raises LocalError: a URL that is none, or the extra is missing."""

    def __init__(self, url: str) -> None:
        with needs("fleet", "a store on PostgreSQL"):
            import sqlalchemy
            from sqlalchemy import exc
        require("fleet", "a store on PostgreSQL", "psycopg")
        self._sql = sqlalchemy.text
        self._error = exc.SQLAlchemyError
        try:
            address = sqlalchemy.make_url(url)
        except exc.ArgumentError:
            raise LocalError("the store's URL cannot be read", _HOW) from None
        if address.drivername not in ("postgres", "postgresql", _DRIVER):
            raise LocalError(f"a store cannot be kept in {address.drivername}", _HOW)
        own = address.query.get("options", "")  # such as the schema to use
        own = own if isinstance(own, str) else " ".join(own)
        address = address.set(drivername=_DRIVER)
        self.name = address.render_as_string(hide_password=True)
        self._engine = sqlalchemy.create_engine(
            address,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": _CONNECT_S,
                "options": f"{own} {_OPTIONS}",
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )
        self._writing: Any = None

    def stream(self, sql: str, values: Values | None = None) -> Iterator[Row]:
        """See `Database`."""
        if self._writing is not None:
            yield from self._writing.execute(self._sql(sql), values)
            return
        options = {"yield_per": _AT_A_TIME}
        with self._engine.connect() as connection:
            yield from connection.execute(self._sql(sql), values, execution_options=options)

    def all(self, sql: str, values: Values | None = None) -> list[Row]:
        """See `Database`."""
        with self._connection() as connection:
            return [tuple(row) for row in connection.execute(self._sql(sql), values)]

    def one(self, sql: str, values: Values | None = None) -> Row | None:
        """See `Database`."""
        with self._connection() as connection:
            row = connection.execute(self._sql(sql), values).first()
        return None if row is None else tuple(row)

    def run(self, sql: str, values: Values | None = None) -> int:
        """See `Database`."""
        with self._connection() as connection:
            return int(connection.execute(self._sql(sql), values).rowcount)

    def run_many(self, sql: str, many: Sequence[Values]) -> int:
        """See `Database`."""
        if not many:
            return 0
        with self._connection() as connection:
            return int(connection.execute(self._sql(sql), list(many)).rowcount)

    @contextlib.contextmanager
    def _connection(self) -> Generator[Any]:
        """The one of the transaction, or one of its own, committed at the end."""
        if self._writing is not None:
            yield self._writing
            return
        with self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """See `Database`."""
        with self.guard(), self._engine.begin() as connection:
            connection.execute(self._sql("SELECT pg_advisory_xact_lock(:key)"), {"key": OURS})
            self._writing = connection
            try:
                yield
            finally:
                self._writing = None

    @contextlib.contextmanager
    def guard(self) -> Generator[None]:
        """See `Database`."""
        try:
            yield
        except self._error as error:
            words = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise LocalError(
                f"the record store {self.name} cannot be used: {words[0] if words else error}",
                "is the server there, and may this user create tables in that database?",
            ) from None

    def version(self) -> int:
        """See `Database`."""
        # Not by to_regclass: it may still say what was true before another one made the table.
        there = self.one(
            "SELECT 1 FROM pg_tables WHERE tablename = 'cryodose_store' "
            "AND schemaname = ANY (current_schemas(false))"
        )
        if there is None:
            return 0
        row = self.one("SELECT version FROM cryodose_store")
        return int(row[0]) if row else 0

    def migrate(self, steps: Sequence[str], version: int, upto: int) -> None:
        """See `Database`."""
        if not version:
            self.run("CREATE TABLE cryodose_store (version BIGINT NOT NULL)")
            self.run("INSERT INTO cryodose_store VALUES (0)")
        for step in steps[version:upto]:
            for statement in statements(step):
                for made in translated(statement):
                    self.run(made)
        self.run("UPDATE cryodose_store SET version = :version", {"version": upto})

    def ready(self) -> None:
        """See `Database`: a server always is."""

    def check(self) -> None:
        """See `Database`: a server looks after its own files."""

    def size_bytes(self) -> int:
        """Size of the whole database, other tables included."""
        row = self.one("SELECT pg_database_size(current_database())")
        return int(row[0]) if row else 0

    def close(self) -> None:
        """See `Database`."""
        self._engine.dispose()


_HOW = "like this: postgresql://USER@HOST/DATABASE (the password in ~/.pgpass), or a file's name"
