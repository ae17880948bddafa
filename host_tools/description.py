"""What a device says about itself (`describe`). Pure; imports the standard library and `errors`.

Setting names, record kinds, fault numbers and the like are never written down on the host side:
they are learnt from the device, and kept in the store next to its records.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

from host_tools.errors import ProtocolError

PARTS = (
    "settings", "commands", "faults", "records", "states", "errors", "items", "profiles",
    "applicators",
)  # fmt: skip
"""The parts that `describe` knows, by docs/protocol.md."""

_CHOICE = re.compile(r"\b(\d+)=(.*?)(?=\s\d+=|$)")


@dataclass(frozen=True)
class Setting:
    """One setting; `who` may change it: `host` (immediately) or `device` (confirmed there)."""

    number: int
    key: str
    unit: str
    min: int
    max: int
    default: int
    who: str
    help: str


@dataclass(frozen=True)
class RecordKind:
    """One kind of journal record: its name, and name and unit of each argument in use."""

    number: int
    name: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """One part of the description as the device gives it."""

    part: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@lru_cache(maxsize=64)
def _choices(unit: str) -> dict[int, str]:
    """`1=panel 2=host, confirmed` -> {1: "panel", 2: "host, confirmed"}."""
    return {int(number): words.strip() for number, words in _CHOICE.findall(unit)}


class Description:
    """All parts together, with the look-ups that the tools need.

    Raises ProtocolError when a row has not the form that docs/protocol.md gives it.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables = {table.part: table for table in tables}
        try:
            self.settings = tuple(Setting(*row[:8]) for row in self._rows("settings"))
            self.kinds = {
                int(row[0]): RecordKind(
                    int(row[0]),
                    str(row[1]),
                    tuple((str(name), str(unit)) for name, unit in row[2]),
                )
                for row in self._rows("records")
            }
        except (TypeError, ValueError, IndexError) as error:
            raise ProtocolError(
                f"the device describes itself in an unknown form: {error}"
            ) from None

    def _rows(self, part: str) -> tuple[tuple[Any, ...], ...]:
        table = self.tables.get(part)
        return table.rows if table else ()

    def setting(self, key: str) -> Setting | None:
        """The setting with this key, or None."""
        return next((row for row in self.settings if row.key == key), None)

    @cached_property
    def _names(self) -> dict[str, dict[int, str]]:
        parts = ("settings", "faults", "records", "states", "profiles", "applicators")
        return {part: {int(row[0]): str(row[1]) for row in self._rows(part)} for part in parts}

    def name(self, part: str, number: int) -> str | None:
        """The name of a numbered thing of `part`, e.g. of a fault; None when not known."""
        return self._names.get(part, {}).get(number)

    def meaning(self, name: str, unit: str, value: int) -> str | None:
        """The name of a number that is a code, or None.

        Either the unit lists the names (`1=panel 2=host`), or the field numbers the things of some
        part, which shows in its unit or name: `state`, `fault`, `applicator`, ….
        """
        if "=" in unit:
            return _choices(unit).get(value)
        part = self.part_of(name, unit)
        return self._names[part].get(value) if part else None

    def part_of(self, name: str, unit: str) -> str | None:
        """The part whose things a field numbers, or None when its value is just a number."""
        words = [unit, name]
        if unit == "number":
            words.append(name.split("_")[0])  # state_before is a state
        return next((f"{word}s" for word in words if f"{word}s" in self._names), None)

    def unit_of_setting(self, number: int) -> str:
        """The unit of the setting with this number, empty when there is none."""
        return next((row.unit for row in self.settings if row.number == number), "")

    def find(self, part: str, name: str) -> int | None:
        """The number of the thing of `part` with this name (upper or lower case), or None."""
        lowered = name.strip().lower()
        names = self._names.get(part, {})
        return next((number for number, known in names.items() if known.lower() == lowered), None)

    def to_json(self) -> str:
        """Compact JSON, the same for the same description."""
        return json.dumps(
            [[t.part, t.columns, t.rows] for t in self.tables.values()],
            separators=(",", ":"),
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "Description":
        """The description that `to_json` gave. Raises ProtocolError when it is another thing."""
        try:
            loaded = cast(list[tuple[str, list[str], list[list[Any]]]], json.loads(text))
            return cls(
                Table(part, tuple(columns), tuple(tuple(row) for row in rows))
                for part, columns, rows in loaded
            )
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"a stored description cannot be read: {error}") from None

    @property
    def digest(self) -> str:
        """SHA-256 of `to_json`, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
