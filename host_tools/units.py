"""The device's integers in a person's words, and back.

Pure; imports the standard library, `errors` and `wall_clock`.

The device knows integers in a named unit (`um`, `ms`, `mbar`, …), as `describe` gives them.
A unit that is not in the table below is shown as it is: the device may learn new ones.
"""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from host_tools import wall_clock
from host_tools.errors import UsageError


class Unit(NamedTuple):
    """How one of the device's units is shown and what may be typed for it."""

    symbol: str
    """Shown behind the plain integer."""
    shown: str
    """The unit that a person prefers, with `per_shown` of the device's units to one of it."""
    per_shown: int
    accepted: dict[str, Decimal]
    """Typed unit -> device units in one of it."""


def _accepts(**factors: int | str) -> dict[str, Decimal]:
    return {name: Decimal(factor) for name, factor in factors.items()}


UNITS: dict[str, Unit] = {
    "um": Unit("µm", "mm", 1000, _accepts(um=1, µm=1, mm=1000, cm=10000)),
    "us": Unit("µs", "ms", 1000, _accepts(us=1, µs=1, ms=1000, s=1000000)),
    "ms": Unit("ms", "s", 1000, _accepts(us="0.001", ms=1, s=1000, min=60000)),
    "s": Unit("s", "s", 1, _accepts(ms="0.001", s=1, min=60, h=3600)),
    "mbar": Unit("mbar", "mbar", 1, _accepts(mbar=1, hpa=1, bar=1000, kpa=10)),
    "permille": Unit("‰", "%", 10, {"permille": Decimal(1), "‰": Decimal(1), "%": Decimal(10)}),
    "percent": Unit("%", "%", 1, {"percent": Decimal(1), "%": Decimal(1)}),
    "mv": Unit("mV", "V", 1000, _accepts(mv=1, v=1000)),
    "ma": Unit("mA", "mA", 1, _accepts(ma=1, a=1000)),
    "c_x100": Unit(
        "0.01 °C", "°C", 100, {"c_x100": Decimal(1), "c": Decimal(100), "°c": Decimal(100)}
    ),
    "s since 1970 utc": Unit("s since 1970 UTC", "", 1, {}),
    "seq": Unit("", "", 1, {}),
    "ppm": Unit("ppm", "ppm", 1, _accepts(ppm=1)),
    "ppb": Unit("ppb", "ppm", 1000, _accepts(ppb=1, ppm=1000)),
    "hz": Unit("Hz", "Hz", 1, _accepts(hz=1, khz=1000)),
}

_OTHER_NAMES = {"0.01 degc": "c_x100", "µm": "um", "µs": "us", "‰": "permille"}

_PLAIN = Unit("", "", 1, {})
_WORDS = {"on": 1, "off": 0, "yes": 1, "no": 0, "true": 1, "false": 0}
_YES_NO_UNITS = ("bool", "flag", "yes/no", "on/off")
_NO_UNITS = ("", "-", "1", "number", "step", "count", "version", "by fault", *_YES_NO_UNITS)


def unit_of(name: str) -> Unit:
    """The table's row for a unit as the device names it."""
    found = UNITS.get(_OTHER_NAMES.get(name.lower(), name.lower()))
    if found is not None:
        return found
    return _PLAIN._replace(symbol="" if name.lower() in _NO_UNITS or "=" in name else name)


def symbol(name: str) -> str:
    """The unit's symbol, for a column heading: `um` -> `µm`."""
    return unit_of(name).symbol


def bare(name: str, unit: str) -> str:
    """A field's name without the unit at its end: `dose_ms` in ms -> `dose`."""
    return name.removesuffix("_" + unit.lower()) or name


def show(value: int | None, unit: str, *, plain: bool = False) -> str:
    """`value` as a person reads it: 2300 um -> `2.3 mm`; with `plain`, `2300 µm`."""
    if value is None:
        return "–"
    if unit.lower() in _YES_NO_UNITS and value in (0, 1) and not plain:
        return ("off", "on")[value]
    if unit == "7 hex digits" and not plain:
        return f"{value:07x}"
    if unit == "seq" and not plain:
        return f"#{value}"
    if unit == "s since 1970 UTC" and not plain:
        return f"{wall_clock.plain(value)} UTC" if value else "not set"
    row = unit_of(unit)
    if row.shown == "ms" and not plain and abs(value) >= 1_000_000:
        return f"{(Decimal(value) / 1_000_000).normalize():f} s"
    if plain or row.per_shown == 1:
        return f"{value} {row.symbol}".rstrip()
    shown = (Decimal(value) / row.per_shown).normalize()
    return f"{shown:f} {row.shown}"


def show_range(low: int, high: int, unit: str) -> str:
    """`0.5…6 mm`: a range with its unit named once."""
    if unit.lower() in _YES_NO_UNITS:
        return "off, on"
    first, last = show(low, unit), show(high, unit)
    return f"{first.split(' ')[0]}…{last}"


def parse(text: str, unit: str) -> int:
    """The device's integer for what a person typed: `2.5mm`, `12 s`, or a plain integer.

    A plain integer is in the device's own unit. Raises UsageError when it is no number, the unit
    does not fit, or the value is not a whole number of the device's unit (nothing is rounded).
    """
    cleaned = text.strip()
    word = _WORDS.get(cleaned.lower())
    if word is not None and unit.lower() in _YES_NO_UNITS:
        return word
    digits = len(cleaned)
    while digits and not cleaned[digits - 1].isdigit():
        digits -= 1
    number_text, typed = cleaned[:digits].strip(), cleaned[digits:].strip()
    row = unit_of(unit)
    try:
        number = Decimal(number_text.replace("_", ""))
    except InvalidOperation:
        raise UsageError(f"'{text}' is not a number", _how_to_type(row)) from None
    if not typed:
        if number != number.to_integral_value():
            raise UsageError(f"'{text}' needs a unit, or has to be an integer", _how_to_type(row))
        return int(number)
    factor = row.accepted.get(typed.lower())
    if factor is None:
        raise UsageError(f"'{typed}' is no unit for this setting", _how_to_type(row))
    value = number * factor
    if value != value.to_integral_value():
        raise UsageError(
            f"'{text}' is {value.normalize():f} {row.symbol}, and the device takes only whole "
            f"numbers of {row.symbol}"
        )
    return int(value)


def _how_to_type(row: Unit) -> str:
    if not row.symbol:
        return "type a plain integer"
    others = [name for name in row.accepted if name.isascii()]
    return f"type an integer in {row.symbol}, or a number with one of: {', '.join(others)}"
