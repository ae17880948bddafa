"""Makes `firmware/cryo/fonts.py` from the Spleen console fonts (BSD 2-clause).

    apt install fonts-spleen
    python -m hw_sim.make_fonts /usr/share/consolefonts > firmware/cryo/fonts.py

May import the standard library only. Run by a developer, never by the build: the result is
committed, and a test holds it to its form. Only glyphs that the screens use are taken.
"""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

PRINTABLE = "".join(chr(c) for c in range(32, 127))
NUMBER = "0123456789.-"
DIGITS = "0123456789"
FONTS = (
    ("SMALL", "spleen-5x8", PRINTABLE),
    ("TEXT", "spleen-8x16", PRINTABLE),
    ("NUMBER", "spleen-16x32", NUMBER),
    ("HUGE", "spleen-32x64", DIGITS),
)


def read_psf(path: Path) -> tuple[int, int, dict[str, bytes]]:
    """(width, height, bitmap of each character, rows padded to bytes) of a PSF console font.

    Versions 1 and 2. Raises ValueError when the file is neither, or has no Unicode table.
    """
    data = gzip.decompress(path.read_bytes())
    if data[:2] == b"\x36\x04":
        mode, size = data[2], data[3]
        header, count, height, width = 4, 512 if mode & 1 else 256, size, 8
        names = data[header + count * size :].decode("utf-16-le").split("\uffff")
        names = [name.split("\ufffe")[0] for name in names]
    elif data[:4] == b"\x72\xb5\x4a\x86":
        _, _, header, flags, count, size, height, width = struct.unpack_from("<8I", data)
        if not flags & 1:
            raise ValueError(f"{path}: no Unicode table")
        table = data[header + count * size :].split(b"\xff")
        names = [name.split(b"\xfe")[0].decode("utf-8") for name in table]
    else:
        raise ValueError(f"{path}: not a PSF font")
    bitmaps: dict[str, bytes] = {}
    for i in range(count):
        for character in names[i]:
            bitmaps.setdefault(character, data[header + i * size : header + (i + 1) * size])
    return width, height, bitmaps


def columns(bitmap: bytes, width: int, height: int) -> bytes:
    """The bitmap as the screen stores it: pages of eight rows, a byte a column, bit 0 on top."""
    stride = (width + 7) // 8
    out = bytearray()
    for page in range(height // 8):
        for x in range(width):
            byte = 0
            for bit in range(8):
                row = bitmap[(page * 8 + bit) * stride + x // 8]
                byte |= (row >> (7 - x % 8) & 1) << bit
            out.append(byte)
    return bytes(out)


def main() -> None:
    """Write the module to standard output."""
    folder = Path(sys.argv[1])
    print('"""Glyphs of the screen\'s four fonts. Generated; do not edit.\n')
    print("Pure; imports nothing. Controls: H-09 (numbers that can be read at arm's length).\n")
    print("From Spleen (c) 2018-2020 Frederic Cambus, BSD 2-clause, docs/licences.md.")
    print("A font: (width, pages, characters in order, glyphs). A glyph: pages of `width` bytes,")
    print('a byte a column, bit 0 on top.\n"""\n')
    for name, file, characters in FONTS:
        width, height, bitmaps = read_psf(folder / f"{file}.psfu.gz")
        glyphs = b"".join(columns(bitmaps[c], width, height) for c in characters)
        quoted = '"' + characters.replace("\\", "\\\\").replace('"', '\\"') + '"'
        print(f"{name} = (\n    {width},\n    {height // 8},\n    {quoted},  # noqa: E501")
        for at in range(0, len(glyphs), 20):
            text = "".join(f"\\x{b:02x}" for b in glyphs[at : at + 20])
            print(f'    b"{text}"')
        print(")\n" if name != FONTS[-1][0] else ")")


if __name__ == "__main__":
    main()
