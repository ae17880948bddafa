"""A file of all settings (TOML): written, read, and checked against what a device describes.

Pure but for reading the file; imports `description`, `device`'s types, `errors`, `units` and the
standard library. Everything that is wrong in a file is found before anything is sent. H-13
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from host_tools import units
from host_tools.errors import LocalError, Refused, UsageError

if TYPE_CHECKING:
    from host_tools.description import Description, Setting
    from host_tools.device import Hello

OF_PATIENT = ("patient_ref", "patient_last")
"""Settings that say who is treated, not how the device is set up: never in a file."""

MEASURED = ("valve_open_lag_us", "valve_close_lag_us", "crystal_trim_ppm")
"""Settings that `cryo calibrate` measures on one device, and that are wrong on every other."""

_MOST_CODES = 64

_EXAMPLE = 'like this: [settings], then margin_um = 500 or margin_um = "0.5mm"'


@dataclass(frozen=True)
class File:
    """A file of settings as it was read: nothing in it is checked against a device yet."""

    name: str
    serial: str | None
    """Of the device that it was exported from."""
    settings: dict[str, object]


@dataclass(frozen=True)
class Problem:
    """One thing in a file that the device would not take."""

    key: str
    value: object
    why: str
    row: Setting | None = None
    near: str = ""
    """The setting that was perhaps meant."""

    def as_dict(self) -> dict[str, object]:
        """As `--json` shows it."""
        row = self.row
        limits = {"min": row.min, "max": row.max, "unit": row.unit} if row else {}
        near = {"near": self.near} if self.near else {}
        return {"key": self.key, "value": self.value, "why": self.why} | limits | near


class FileRefused(Refused):
    """A file has values that the device does not take; nothing was sent (exit code 1)."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        count = len(problems)
        super().__init__(
            "file",
            f"{count} {'thing is' if count == 1 else 'things are'} wrong in {name}; "
            "nothing was sent to the device",
        )
        self.problems = problems
        self.candidates = [(problem.key, problem.why) for problem in problems]
        self.hint = "`cryo config export` writes a file with every setting, its range and unit"

    def as_dict(self) -> dict[str, object]:
        """The error with each problem."""
        return super().as_dict() | {"problems": [problem.as_dict() for problem in self.problems]}


def read_file(path: Path) -> File:
    """The settings of a TOML file. Raises LocalError (no such file), UsageError (another form)."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", _EXAMPLE) from None
    settings, serial = data.get("settings"), data.get("serial")
    others = sorted(data.keys() - {"settings", "serial"})
    if others:
        raise UsageError(f"{path} has '{others[0]}' outside of [settings]", _EXAMPLE)
    if not isinstance(settings, dict) or not settings:
        raise UsageError(f"{path} has no settings", _EXAMPLE)
    if serial is not None and not isinstance(serial, str):
        raise UsageError(f"{path}: serial is a text, before [settings]", _EXAMPLE)
    return File(str(path), serial, cast("dict[str, object]", settings))


def check(
    file: File, description: Description, serial: str
) -> tuple[dict[str, int], list[Problem]]:
    """What a file sets, in the device's integers, and everything that is wrong in it.

    `serial`: of the device that the file is for.
    """
    wanted: dict[str, int] = {}
    problems: list[Problem] = []
    keys = [row.key for row in description.settings]
    for key, value in file.settings.items():
        row = description.setting(key)
        if row is None:
            near = next(iter(difflib.get_close_matches(key, keys, 1, 0.4)), "")
            why = "the device has no such setting" + (f"; is {near} meant?" if near else "")
            problems.append(Problem(key, value, why, near=near))
        elif key in OF_PATIENT:
            why = "says who is treated, and is no setting for a file; remove the line"
            problems.append(Problem(key, value, why))
        else:
            number, why = _number(value, row, description)
            if number is None:
                problems.append(Problem(key, value, why, row))
            else:
                wanted[key] = number
    if file.serial is not None and file.serial != serial:
        for key in [key for key in MEASURED if key in wanted]:
            why = (
                f"was measured on {file.serial} and is not true of {serial}; remove the line, "
                "and measure it here: `cryo calibrate`"
            )
            problems.append(Problem(key, wanted.pop(key), why, description.setting(key)))
    return wanted, problems


def _number(value: object, row: Setting, description: Description) -> tuple[int | None, str]:
    """The device's integer for a value of a file; or None, and what is wrong with it."""
    allowed = _allowed(row)
    part = description.part_of(row.key, row.unit)
    names = _names(row, description)
    number: int | None = None
    if isinstance(value, bool) and (row.min, row.max) == (0, 1):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        number = description.find(part, value) if part else None
        if number is None:
            try:
                number = units.parse(value, row.unit)
            except UsageError as error:
                known = ", ".join(names.values())
                return None, f"{error.text}; allowed: {allowed}{f': {known}' if known else ''}"
    if number is None:
        shown = str(value).lower() if isinstance(value, bool) else value
        return None, f"{shown} is neither an integer nor a text with a unit; allowed: {allowed}"
    if not row.min <= number <= row.max:
        return None, f"{_plain(number, row)} is outside of the range; allowed: {allowed}"
    return number, ""


def _allowed(row: Setting) -> str:
    shown = units.show_range(row.min, row.max, row.unit)
    sign = units.symbol(row.unit)
    plain = f"{row.min}…{row.max}{f' {sign}' if sign else ''}"
    return shown if shown == plain else f"{shown} ({plain})"


def written(hello: Hello, description: Description, values: Mapping[str, int]) -> str:
    """The text of a file with all settings of a device, each with what it is, range and default."""
    lines = [
        f"# Settings of Cryodose {hello.serial}, firmware {hello.fw}: `cryo config export`.",
        "#",
        "# A value is an integer in the unit beside it, or a text with a unit: \"2.5mm\", \"12s\".",
        "# What is not in the file stays as it is on the device. `cryo config diff FILE` compares,",
        "# `cryo config import FILE` applies all of it or nothing; the settings marked (*) are",
        "# confirmed at the device, one by one. Who is treated is not in the file.",
        "",
        f'serial = "{_text(hello.serial)}"',
        "",
        "[settings]",
    ]  # fmt: skip
    for row in description.settings:
        if row.key not in OF_PATIENT and row.key in values:
            lines += ["", *_entry(row, values[row.key], description)]
    return "\n".join(lines) + "\n"


def _entry(row: Setting, value: int, description: Description) -> list[str]:
    names = _names(row, description)
    if names:
        allowed = ", ".join(f"{number} {name}" for number, name in names.items())
        default, shown = f"{row.default} {names.get(row.default, '')}", names.get(value, "")
    else:
        allowed, default = _allowed(row), _plain(row.default, row)
        shown = _plain(value, row)
    plain = units.show(value, row.unit, plain=True)
    mark = " (*)" if row.who != "host" else ""
    sign = "" if names else units.symbol(row.unit)
    beside = ", ".join(part for part in (sign, _text(shown)) if part)
    note = "" if beside in ("", str(value)) else f"  # {beside if shown != plain else sign}"
    about = [f"# {_text(row.help)}", f"# {_text(allowed)}; default {_text(default)}{mark}"]
    if row.key in MEASURED:
        about.append("# measured on this device: not for another one")
    return [*about, f"{row.key} = {value}{note}"]


def _names(row: Setting, description: Description) -> dict[int, str]:
    """The names behind a setting's numbers where these are codes, else nothing."""
    if row.max - row.min > _MOST_CODES:
        return {}
    found = {
        number: description.meaning(row.key, row.unit, number)
        for number in range(row.min, row.max + 1)
    }
    return {number: name for number, name in found.items() if name}


def _text(text: str) -> str:
    """A device's text in one line, without what could end a comment or a string."""
    clean = "".join(sign if sign.isprintable() and sign not in '"\\' else " " for sign in text)
    return " ".join(clean.split())


def _plain(value: int, row: Setting) -> str:
    return units.show(value, row.unit)
