"""The device's screen in a terminal: 8 pixels per character, so 128 × 64 take 64 × 16 characters.

May import the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 128, 64
COLUMNS, LINES = WIDTH // 2, HEIGHT // 4

# Unicode's braille patterns: dots 1, 2, 3, 7 go down on the left, 4, 5, 6, 8 on the right.
_BRAILLE = 0x2800
_DOTS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
_SHADES = " .:-=+*#@"  # by the number of lit dots, for terminals without braille


def screen_lines(pixels: bytes, *, braille: bool = True) -> list[str]:
    """`pixels` (128 × 64, one byte each) as 16 lines of 64 characters; ASCII if not `braille`.

    ValueError unless there are 8192.
    """
    if len(pixels) != WIDTH * HEIGHT:
        raise ValueError(f"{len(pixels)} dots; a screen has {WIDTH * HEIGHT}")
    lines: list[str] = []
    for y in range(0, HEIGHT, 4):
        cells: list[str] = []
        for x in range(0, WIDTH, 2):
            code = 0
            for row in range(4):
                at = (y + row) * WIDTH + x
                code |= _DOTS[2 * row] * pixels[at] | _DOTS[2 * row + 1] * pixels[at + 1]
            cells.append(chr(_BRAILLE + code) if braille else _SHADES[code.bit_count()])
        lines.append("".join(cells))
    return lines


def abreast(columns: int, most: int, block: int, gap: int = 2) -> int:
    """Number of blocks of `block` characters that fit side by side in `columns`, 1…`most`."""
    return max(1, min(most, (columns + gap) // (block + gap)))


def can_show(encoding: str | None, characters: Sequence[str]) -> bool:
    """Whether a stream of this encoding can write all of these characters."""
    try:
        "".join(characters).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
