"""The store's tables of treatments, kept in step with its records.

May import `database`, `treatments`, `records`, `description` and the standard library.

A projection only: all of it follows from the raw records, and `reset` with `catch_up` makes the
same rows again. `state` is what the pass over a device's records has to remember; where it is
missing, or was made with other kinds of records, the device's rows are made again. The caller owns
the transactions.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from host_tools.database import Database
from host_tools.description import Description
from host_tools.records import Record
from host_tools.treatments import Cycle, Projector, State, Treatment

_AS_JSON = ("faults", "notes", "records")
_COLUMNS = tuple(item.name for item in fields(Treatment))
_CYCLE_COLUMNS = tuple(item.name for item in fields(Cycle))
_MADE_BY = 2
"""Counts up when `treatments` reads the same records in another way: everything is made again."""


def _typed(made: type[Treatment] | type[Cycle]) -> str:
    """Its fields as columns. A list is kept as JSON."""
    return ", ".join(
        f"{item.name} {'INTEGER' if 'int' in str(item.type).split('[')[0] else 'TEXT'}"
        for item in fields(made)
    )


SCHEMA = f"""
CREATE TABLE projections (
    serial TEXT PRIMARY KEY,
    through INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE treatments (
    serial TEXT NOT NULL, {_typed(Treatment)}, PRIMARY KEY (serial, seq)
) WITHOUT ROWID;
CREATE TABLE cycles (
    serial TEXT NOT NULL, {_typed(Cycle)}, PRIMARY KEY (serial, treatment, begin_seq)
) WITHOUT ROWID;
CREATE INDEX treatments_by_time ON treatments (when_s, serial, seq);
CREATE INDEX treatments_by_reference ON treatments (reference, when_s);
"""
"""The tables as they are now. They hold nothing of their own: what changes them drops them."""

TABLES = ("projections", "treatments", "cycles")


@dataclass(frozen=True)
class Wanted:
    """Which treatments; None: all of them. Times in seconds since 1970 UTC."""

    serial: str | None = None
    since_s: int | None = None
    until_s: int | None = None
    """Before this time."""
    reference: int | None = None
    operator: int | None = None
    result: str | None = None


class Projection:
    """Treatments and freezes of all devices, in the database `db`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    # -- keeping in step ------------------------------------------------------------------------

    def through(self, serial: str, description: Description) -> int | None:
        """Newest record that is in the tables; None: they have to be made again."""
        row = self._db.one(
            "SELECT through FROM projections WHERE serial = :serial AND made_by = :made_by",
            {"serial": serial, "made_by": _maker(description)},
        )
        return None if row is None else int(row[0])

    def reset(self, serial: str) -> None:
        """Remove what was made of this device's records."""
        for table in TABLES:
            self._db.run(f"DELETE FROM {table} WHERE serial = :serial", {"serial": serial})

    def take(self, serial: str, records: Iterable[Record], description: Description) -> None:
        """Go on with records that follow those in the tables."""
        row = self._db.one(
            "SELECT state FROM projections WHERE serial = :serial", {"serial": serial}
        )
        state = State(**json.loads(row[0])) if row else State()
        projector = Projector(
            description,
            state,
            lambda seq: self.treatment(serial, seq),
            lambda seq: self.cycles(serial, seq),
            lambda since: [
                int(seq)
                for (seq,) in self._db.all(
                    "SELECT seq FROM treatments WHERE serial = :serial AND seq > :since",
                    {"serial": serial, "since": since},
                )
            ],
        )
        for record in records:
            projector.feed(record)
        self._save(serial, projector)
        self._db.run(
            _put("projections", ("serial",), ("through", "made_by", "state")),
            {
                "serial": serial,
                "through": state.through,
                "made_by": _maker(description),
                "state": json.dumps(asdict(state)),
            },
        )

    def _save(self, serial: str, projector: Projector) -> None:
        self._db.run_many(
            _PUT_TREATMENT,
            [{"serial": serial, **_values(item)} for item in projector.treatments.values()],
        )
        self._db.run_many(
            _PUT_CYCLE,
            [
                {"serial": serial, **{name: getattr(cycle, name) for name in _CYCLE_COLUMNS}}
                for cycles in projector.cycles.values()
                for cycle in cycles
            ],
        )

    # -- reading --------------------------------------------------------------------------------

    def treatment(self, serial: str, seq: int) -> Treatment | None:
        """One treatment by its number, or None."""
        row = self._db.one(
            f"SELECT {', '.join(_COLUMNS)} FROM treatments WHERE serial = :serial AND seq = :seq",
            {"serial": serial, "seq": seq},
        )
        return None if row is None else _treatment(row)

    def cycles(self, serial: str, treatment: int) -> list[Cycle]:
        """The freezes of a treatment, in order."""
        rows = self._db.all(
            f"SELECT {', '.join(_CYCLE_COLUMNS)} FROM cycles "
            "WHERE serial = :serial AND treatment = :treatment ORDER BY begin_seq",
            {"serial": serial, "treatment": treatment},
        )
        return [Cycle(*row) for row in rows]

    def treatments(
        self, wanted: Wanted, newest: int | None = None
    ) -> Iterator[tuple[str, Treatment]]:
        """Serial and treatment, oldest first; with `newest`, only that many."""
        clauses: list[str] = []
        values: dict[str, Any] = {}
        for clause, name in (
            ("serial = :serial", "serial"),
            ("when_s >= :since_s", "since_s"),
            ("when_s < :until_s", "until_s"),
            ("reference = :reference", "reference"),
            ("operator = :operator", "operator"),
            ("result = :result", "result"),
        ):
            value = getattr(wanted, name)
            if value is not None:
                clauses.append(clause)
                values[name] = value
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        columns = ", ".join(_COLUMNS)
        order = "when_s {0}, serial {0}, seq {0}"
        query = f"SELECT serial, {columns} FROM treatments{where} ORDER BY {order.format('')}"
        if newest is not None:
            query = (
                f"SELECT serial, {columns} FROM (SELECT * FROM treatments{where} "
                f"ORDER BY {order.format('DESC')} LIMIT :newest) AS newest "
                f"ORDER BY {order.format('')}"
            )
            values["newest"] = newest
        for serial, *row in self._db.stream(query, values):
            yield serial, _treatment(row)

    def count(self, serial: str | None = None) -> int:
        """Number of treatments, of one device or of all."""
        where = "" if serial is None else " WHERE serial = :serial"
        row = self._db.one(
            f"SELECT count(*) FROM treatments{where}", {} if serial is None else {"serial": serial}
        )
        return int(row[0]) if row else 0

    def devices_with(self, seq: int) -> list[str]:
        """Serials of the devices that have a treatment with this number."""
        rows = self._db.all(
            "SELECT serial FROM treatments WHERE seq = :seq ORDER BY 1", {"seq": seq}
        )
        return [str(serial) for (serial,) in rows]


def _maker(description: Description) -> str:
    """Identifies how rows are made: the kinds of records as described, and `treatments` itself."""
    table = description.tables.get("records")
    text = json.dumps([_MADE_BY, table.rows if table else []])
    return hashlib.sha256(text.encode()).hexdigest()


def _put(table: str, keys: Sequence[str], others: Sequence[str]) -> str:
    """Add a row, or replace the one with the same key."""
    columns = (*keys, *others)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"VALUES ({', '.join(f':{name}' for name in columns)}) ON CONFLICT ({', '.join(keys)}) "
        f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}"
    )


def _beside(columns: Sequence[str], keys: Sequence[str]) -> list[str]:
    return [name for name in columns if name not in keys]


_TREATMENT_KEYS, _CYCLE_KEYS = ("serial", "seq"), ("serial", "treatment", "begin_seq")
_PUT_TREATMENT = _put("treatments", _TREATMENT_KEYS, _beside(_COLUMNS, _TREATMENT_KEYS))
_PUT_CYCLE = _put("cycles", _CYCLE_KEYS, _beside(_CYCLE_COLUMNS, _CYCLE_KEYS))


def _values(item: Treatment) -> dict[str, Any]:
    return {
        name: json.dumps(getattr(item, name)) if name in _AS_JSON else getattr(item, name)
        for name in _COLUMNS
    }


def _treatment(row: Sequence[Any]) -> Treatment:
    return Treatment(
        **{
            name: json.loads(value) if name in _AS_JSON else value
            for name, value in zip(_COLUMNS, row, strict=True)
        }
    )
