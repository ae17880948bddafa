"""The guide's source, guide.toml, as checked objects; texts resolved for a language.

A text is a pair, English and Chinese. May import the standard library and `facts` of its package.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hw_sim.artwork.guide import facts

FILE = Path(__file__).with_name("guide.toml")
KINDS = ("warning", "step", "point", "text", "open", "head", "columns", "row", "table", "pictures")
TABLES = ("contraindications", "applicators", "faults")
OWN = ("device", "brief", "simulated", "assumed")
"""Sources that are marked with a letter, or (the device itself) not at all."""

FIGURE = re.compile(r"\{([a-z_0-9]+)(?:/(\d+))?\}")
NAME = re.compile(r"\{(fault|word|chapter):(\w+)\}")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a chapter: its kind, its cells (several in a row), where it comes from."""

    kind: str
    cells: tuple[Pair, ...]
    sources: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
    name: str = ""
    """Of a table."""
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter; `name` is its anchor in both languages."""

    name: str
    title: Pair
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the card, with the screen that belongs to it."""

    screen: str
    head: Pair
    lines: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """All of guide.toml."""

    title: Pair
    subtitle: Pair
    sources: dict[str, Pair]
    evidence: dict[str, str]
    """A source of metadata.py -> the same in Chinese."""
    items: dict[str, str]
    """An item of the checklist, as metadata.py names it -> the same in Chinese."""
    chapters: tuple[Chapter, ...]
    card: dict[str, Any] = field(default_factory=dict[str, Any])
    steps: tuple[Step, ...] = ()


def _pair(value: Any, where: str) -> Pair:
    if not isinstance(value, list) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise ValueError(f"{where}: English and Chinese are needed")
    english, chinese = value  # pyright: ignore[reportUnknownVariableType]
    return str(english), str(chinese)  # pyright: ignore[reportUnknownArgumentType]


def _item(row: dict[str, Any], where: str) -> Item:
    kind = next(iter(row))
    unknown = set(row) - {kind, "zh", "from", "hazard", "caption"}
    if kind not in KINDS or unknown:
        raise ValueError(f"{where}: {kind} {sorted(unknown)}; known: {', '.join(KINDS)}")
    sources, hazards = tuple(row.get("from", ())), tuple(row.get("hazard", ()))
    if kind == "table":
        if row[kind] not in TABLES:
            raise ValueError(f"{where}: no table {row[kind]}")
        return Item(kind, (), name=row[kind])
    if kind == "pictures":
        cells = (_pair(row["caption"], where),) if "caption" in row else ()
        return Item(kind, cells, pictures=tuple(row[kind]))
    if "zh" not in row:
        raise ValueError(f"{where}: not in Chinese: {row[kind]}")
    english, chinese = row[kind], row["zh"]
    if isinstance(english, str):
        english, chinese = [english], [chinese]
    if len(english) != len(chinese):
        raise ValueError(f"{where}: {len(english)} cells, in Chinese {len(chinese)}")
    return Item(kind, tuple(zip(english, chinese, strict=True)), sources, hazards)


@cache
def guide() -> Guide:
    """The guide. ValueError for an item of unknown kind, or one that is not in both languages."""
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    chapters = tuple(
        Chapter(
            chapter["id"],
            _pair(chapter["title"], chapter["id"]),
            tuple(_item(row, f"chapter {chapter['id']}") for row in chapter["item"]),
        )
        for chapter in data["chapter"]
    )
    card = data["card"]
    steps = tuple(
        Step(
            step["screen"],
            _pair(step["head"], "card"),
            tuple(_pair(line, "card") for line in step["lines"]),
        )
        for step in card["step"]
    )
    return Guide(
        _pair(data["title"], "title"),
        _pair(data["subtitle"], "subtitle"),
        {name: _pair(value, name) for name, value in data["sources"].items()},
        data["evidence"],
        data["items"],
        chapters,
        card,
        steps,
    )


def number(value: float) -> str:
    """A figure without a needless fraction: 30, 4.3, 0.0093."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def resolved(text: str, language: int) -> str:
    """A text with its figures and names filled in. KeyError for an unknown one."""
    words = facts.panel(facts.CODES[language])

    def figure(match: re.Match[str]) -> str:
        return number(facts.figures()[match[1]] / int(match[2] or 1))

    def name(match: re.Match[str]) -> str:
        kind, key = match[1], match[2]
        if kind == "fault":
            return f"**{words['faults'][key][0]}**"
        if kind == "word":
            return f"**{words['words'][key].replace('%d', '…')}**"
        at, title = next(
            (i, c.title[language]) for i, c in enumerate(guide().chapters, 1) if c.name == key
        )
        return f"[§ {at} {title}](#{key})"

    try:
        return FIGURE.sub(figure, NAME.sub(name, text))
    except StopIteration:
        raise KeyError(f"no such chapter: {text}") from None
