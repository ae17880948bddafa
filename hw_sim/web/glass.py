"""What the device's screen says: its pixels, read back as text with the firmware's own glyphs.

A canvas says nothing to a screen reader. Reading the pixels disturbs the device less than asking it
over the link would: nothing is sent, and nothing is added to the recording.

May import the standard library, and of hw_sim `bench` (where the firmware is), `dose`,
`image.firmware_tables` and its own package's `view`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from hw_sim.bench.protocol import FIRMWARE
from hw_sim.dose.applicators import APPLICATORS
from hw_sim.image.firmware_tables import tables
from hw_sim.web.view import SCREEN_BYTES

CRYO = FIRMWARE / "cryo"

_WIDE, _PAGES = 128, SCREEN_BYTES // 128
_WIDE_GLYPH = (16, 2)
"""Columns and pages of a glyph of the languages' files."""

_PICTURES = ("LN2 ", "ice ", "", "in ", "°", "×", "±", "m", "✓")
"""What the glyphs of the font ICON say, in their order."""

_OVERLAP = 2
"""Columns by which a decimal point may reach into the digits beside it."""

_JOINED = 1
"""Most blank columns between two runs of one word."""

_NAME = re.compile(r"(?:Spray|Probe|噴頭|探頭) ?([A-D]?) ?(\d+) ?mm")


@dataclass(frozen=True, slots=True)
class Font:
    """Size of its glyphs, and what each says; a glyph column by column, each from the top."""

    width: int
    pages: int
    glyphs: dict[bytes, str]
    seen: int = 0
    """Columns of a glyph that count, from its left; 0: all. Another may be drawn over the rest."""


def _font(width: int, pages: int, says: Sequence[str], stored: bytes) -> Font:
    size = width * pages
    glyphs: dict[bytes, str] = {}
    for i, words in enumerate(says):
        glyph = stored[i * size : (i + 1) * size]
        if any(glyph) and words:
            glyphs[_by_column([glyph[k * width : (k + 1) * width] for k in range(pages)])] = words
    return Font(width, pages, glyphs)


def _by_column(rows: Sequence[bytes]) -> bytes:
    return bytes(byte for column in zip(*rows, strict=True) for byte in column)


@cache
def fonts() -> tuple[Font, ...]:
    """The fonts of the screen, the largest first."""
    shipped = tables(CRYO, "fonts")
    wide: dict[bytes, str] = {}
    for path in sorted(CRYO.glob("lang_*.py")):
        codes: bytes = tables(CRYO, path.stem).get("CODES", b"")
        says = [chr(low | high << 8) for low, high in zip(codes[::2], codes[1::2], strict=True)]
        wide |= _font(*_WIDE_GLYPH, says, path.with_suffix(".bin").read_bytes()).glyphs
    width, pages, _says, stored = shipped["ICON"]
    pictures = _font(width, pages, _PICTURES, stored)
    for glyph, words in list(pictures.glyphs.items()):
        if words == "±":  # the spread of the depth: its decimal point is drawn into the sign
            dotted = bytearray(glyph)
            dotted[6 * pages + 1] |= 0b1100
            dotted[7 * pages + 1] |= 0b1100
            pictures.glyphs[bytes(dotted)] = "±0."
    # The decimal point of the depth: 4 x 4 dots between two digits, not a glyph.
    point = Font(12, 4, {bytes(16) + bytes((0, 0, 0xC0, 0x03)) * 4 + bytes(16): "."})
    width, pages, says, stored = shipped["NUMBER"]
    seen = (width - 1) * pages
    digits = {glyph[:seen]: words for glyph, words in _font(*shipped["NUMBER"]).glyphs.items()}
    # The unit mm stands in the lower page of its glyph; the sign ± may cover the upper one.
    low = {glyph[1::2]: words for glyph, words in pictures.glyphs.items() if words == "m"}
    return (
        _font(*shipped["HUGE"]), Font(width, pages, digits, width - 1), point,
        Font(*_WIDE_GLYPH, wide), _font(*shipped["TEXT"]), pictures, Font(8, 1, low),
        _font(*shipped["SMALL"]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """Characters beside each other, from column `begin` up to `end`."""

    begin: int
    end: int
    page: int
    pages: int
    words: str


@lru_cache(maxsize=64)
def read(pixels: bytes) -> tuple[str, ...]:
    """The lines of text in the screen's pixels, from the top. Bars are left out."""
    rows = [pixels[page * _WIDE : (page + 1) * _WIDE] for page in range(_PAGES)]
    taken = [bytearray(_WIDE) for _ in range(_PAGES)]
    runs: list[_Run] = []
    for font in fonts():
        for page in range(_PAGES - font.pages + 1):
            here = rows[page : page + font.pages]
            if not any(any(row) for row in here):
                continue
            if font.pages == _DIGIT_PAGES:
                here[-1] = here[-1].translate(_NO_LINE)
            dark = _by_column(here)
            for cells in (dark, dark.translate(_INVERTED)):
                runs += _runs(font, cells, page, taken[page : page + font.pages])
    tall = [run.page for run in runs if run.pages == _DIGIT_PAGES]
    lines: dict[int, list[_Run]] = {}
    for run in runs:  # what stands beside large digits is on their line
        beside = [page for page in tall if page <= run.page < page + _DIGIT_PAGES]
        lines.setdefault(beside[0] if beside else run.page, []).append(run)
    return tuple(_joined(sorted(line, key=_begin)) for _page, line in sorted(lines.items()))


_INVERTED = bytes(255 - byte for byte in range(256))
_NO_LINE = bytes(byte & 0x3F for byte in range(256))
"""Without the two lowest rows, where the line under a chosen field is."""


def _begin(run: _Run) -> tuple[int, int]:
    return run.begin, run.page


def _joined(runs: list[_Run]) -> str:
    words: list[tuple[int, int, str]] = []  # page, end
    for run in runs:
        for i, (page, end, before) in enumerate(words):
            if page == run.page and 0 <= run.begin - end <= _JOINED:
                words[i] = page, run.end, before + run.words
                break
        else:
            words.append((run.page, run.end, run.words))
    return " ".join(" ".join(text for _page, _end, text in words).split())


def _runs(font: Font, cells: bytes, page: int, taken: list[bytearray]) -> Iterator[_Run]:
    """The runs of one font's characters; marks what they cover as taken."""
    width, pages, glyphs = font.width, font.pages, font.glyphs
    size = (font.seen or width) * pages
    begin, words, x = 0, "", 0
    while x <= _WIDE - width + _OVERLAP:
        at = x * pages
        says = glyphs.get(cells[at : at + size])
        if not says and words:
            at = (x - _OVERLAP) * pages
            says = glyphs.get(cells[at : at + size]) if pages == _DIGIT_PAGES else None
            x -= _OVERLAP if says else 0
        if not says and words and not any(cells[at : at + size]) and words[-1] != " ":
            says = " " if pages < _DIGIT_PAGES else None
        if says and not any(any(row[x + _OVERLAP : x + width - _OVERLAP]) for row in taken):
            begin = begin if words else x
            words += says
            x += width
            continue
        if words:
            yield from _found(begin, x, page, words, width, taken)
        else:
            x += 1
        words = ""
    if words:
        yield from _found(begin, x, page, words, width, taken)


_DIGIT_PAGES = 4


def _found(
    begin: int, end: int, page: int, words: str, width: int, taken: list[bytearray]
) -> Iterator[_Run]:
    if not any(each.isalnum() or each in ".=/+°×±✓" for each in words):
        return  # a bar that looks like a hyphen
    end -= width * (len(words) - len(words.rstrip())) if words.rstrip() != words else 0
    for row in taken:
        row[begin:end] = b"\1" * (end - begin)
    yield _Run(begin, end, page, len(taken), words)


def applicator(lines: tuple[str, ...]) -> int | None:
    """Number of the applicator that the screen names, or None: it names none at the moment."""
    for line in lines:
        match = _NAME.search(line)
        if match is None:
            continue
        for each in APPLICATORS:
            if _key(each.name) == match.groups():
                return each.number
    return None


def _key(name: str) -> tuple[str, ...] | None:
    match = _NAME.search(" ".join(name.split()))
    return None if match is None else match.groups()
