"""What the guide takes from the firmware, the parts and the plant, so that nothing is typed twice.

The firmware's tables are read from its source, not imported. May import the standard library and
`dose.applicators`, `electrical.parts`, `image.firmware_tables` and `world.plant.dewar` of hw_sim.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from hw_sim.dose.applicators import APPLICATORS
from hw_sim.electrical.parts import PARTS
from hw_sim.image import firmware_tables
from hw_sim.world.plant.dewar import DewarParams

ROOT = Path(__file__).resolve().parents[3]
CRYO = ROOT / "firmware" / "cryo"
LANGUAGES = Path(__file__).resolve().parents[1] / "languages"
CODES = ("en", "zh")
table = partial(firmware_tables.table, CRYO)
"""A table of the firmware, by module and name."""

# Figure of the guide: module and constant of the firmware that has it. Settings go by their key.
_CONSTANTS = {
    "freeze_min_ms": ("dose", "MIN_MS"),
    "freeze_max_ms": ("dose", "MAX_MS"),
    "hold_ms": ("buttons", "_HOLD_MS"),
    "long_hold_ms": ("buttons", "_LONG_HOLD_MS"),
    "lift_ms": ("checklist", "_LIFT_MS"),
    "stop_ms": ("checklist", "_VALID_MS"),
    "again_ms": ("observation", "_AGAIN_MS"),
    "after_purge_ms": ("state_armed", "_AFTER_PURGE_MS"),
    "menu_idle_ms": ("menu", "_IDLE_MS"),
    "confirm_s": ("confirm", "TIMEOUT_S"),
    "purge_us": ("shot", "PURGE_US"),
    "ceiling_us": ("valve", "_CEILING_US"),
    "vented_mbar": ("doctor", "_PRESSURE_MOST"),
}


@cache
def figures() -> dict[str, float]:
    """Name -> figure: each setting's default by its key, constants, the adapter, the dewar."""
    dewar = DewarParams()
    settings = {row[1]: float(row[5]) for row in table("schema", "SETTINGS")}
    constants = {key: float(table(m, name)) for key, (m, name) in _CONSTANTS.items()}
    return {
        **settings,
        **constants,
        "freeze_min_s": constants["freeze_min_ms"] / 1000,
        "freeze_max_s": constants["freeze_max_ms"] / 1000,
        "adapter_v": PARTS["J1"].value,
        "capacity_ml": dewar.capacity_ml,
        "regulated_mbar": dewar.regulated_mbar,
        "relief_mbar": dewar.relief_mbar,
        "boil_off_g_s": dewar.boil_off_g_s,
    }


@cache
def panel(code: str) -> dict[str, Any]:
    """The panel's texts in a language, as in languages/CODE.toml."""
    return tomllib.loads((LANGUAGES / f"{code}.toml").read_text(encoding="utf-8"))


def pair(words: list[str]) -> str:
    """Two lines of the panel as one text: with a space between Latin words, a comma in Chinese."""
    if all(map(str.isascii, words)):
        return " ".join(words).strip()
    return "，".join(word.rstrip("，") for word in words if word).replace("：，", "：")


@dataclass(frozen=True, slots=True)
class Item:
    """A contraindication or caution of the checklist. `source`: as in metadata.py, English."""

    number: int
    name: str
    avoid: bool
    prompt: int
    """Number of the panel's text that says what to adjust; 0: none."""
    source: str


@cache
def items() -> list[Item]:
    """The items of the checklist: what stops first, then what needs a physician."""
    kinds = table("screening_items", "ITEMS")
    avoid = table("screening_items", "_AVOID")
    rows = [
        Item(number, name, kinds[number - 1][0] == avoid, kinds[number - 1][1], source)
        for number, name, source in metadata_items()
    ]
    return sorted(rows, key=lambda item: not item.avoid)


def metadata_items() -> list[tuple[int, str, str]]:
    """Number, name, source of each item, from metadata.py."""
    return list(table("metadata", "ITEMS"))


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: priority 0 low to 2 high, clearing rule 0 SELECT, 1 E-STOP, 2 power."""

    number: int
    priority: int
    clears: int


@cache
def faults() -> list[Fault]:
    """The faults by number."""
    return [Fault(row[0], row[2], row[3]) for row in table("faults", "FAULTS")]


@dataclass(frozen=True, slots=True)
class Applicator:
    """An applicator: bore (0: a probe), spot and distance in mm, depths after 10 and 30 s in mm."""

    number: int
    bore_mm: float
    spot_mm: float
    distance_mm: int
    low_mm: float
    high_mm: float


@cache
def applicators() -> list[Applicator]:
    """The applicators by number, with the depths of the firmware's shipped tables (-25 C)."""
    times = table("applicators", "TIMES_MS")
    bores = {a.number: a.bore_mm for a in APPLICATORS}
    low = times.index(int(figures()["freeze_min_ms"]))
    high = times.index(int(figures()["freeze_max_ms"]))
    return [
        Applicator(
            row[0],
            bores[row[0]],
            2 * row[3] / 1000,
            row[4],
            row[8][low] / 1000,
            row[8][high] / 1000,
        )
        for row in table("applicators", "APPLICATORS")
    ]
