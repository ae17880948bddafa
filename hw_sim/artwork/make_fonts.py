"""Generator of the panel's fonts and languages: `fonts.py`, `languages.py` and `lang_*`.

    apt install fonts-spleen unifont
    python -m hw_sim.artwork.make_fonts firmware/cryo

Fonts are from Spleen (BSD 2-clause), non-ASCII characters from GNU Unifont (SIL OFL 1.1), the texts
from hw_sim/artwork/languages/*.toml, and the numbers of the words from firmware/cryo/texts.py. Only
glyphs used by the texts are included. The output is committed; tests compare it with the texts.

May import the standard library only. Run by a developer, never by the build. `--texts` reuses the
existing glyphs of the languages, which must be complete; no font is needed then.
"""

from __future__ import annotations

import ast
import gzip
import importlib.util
import struct
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PRINTABLE = "".join(chr(c) for c in range(32, 127))
NUMBER = "0123456789.-"
DIGITS = "0123456789"
SPLEEN = Path("/usr/share/consolefonts")
UNIFONT = Path("/usr/share/unifont/unifont.hex")
LANGUAGES = Path(__file__).parent / "languages"
_LINE = 20  # bytes per line of a literal
FONTS = (
    ("SMALL", "spleen-5x8", PRINTABLE),
    ("TEXT", "spleen-8x16", PRINTABLE),
    ("NUMBER", "spleen-16x32", NUMBER),
    ("HUGE", "spleen-32x64", DIGITS),
)


def read_psf(path: Path) -> tuple[int, int, dict[str, bytes]]:
    """(width, height, bitmap of each character, rows padded to bytes) of a PSF console font.

    Versions 1 and 2. ValueError if the file is neither, or has no Unicode table.
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
    """Convert a bitmap to the screen's format: pages of 8 rows, a byte per column, bit 0 on top."""
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


# Our own icons, 8 x 16, in the order used by screens.py.
ICONS = {
    "dewar": """
        ........ ..###... ...#.... ...#.... ..###... .#...#.. #.....#. #.....#.
        #######. #######. #######. #######. #######. .#####.. ........ ........""",
    "snow": """
        ........ ........ ........ ...#.... .#.#.#.. ..###... ##.#.##. ...#....
        ##.#.##. ..###... .#.#.#.. ...#.... ........ ........ ........ ........""",
    "down": """
        ........ ........ #######. ........ ...#.... ...#.... ...#.... ...#....
        ...#.... .#.#.#.. ..###... ...#.... ........ ........ ........ ........""",
    "clock": """
        ........ ........ ..###... .#...#.. #..#..#. #..#..#. #..##.#. #.....#.
        #.....#. .#...#.. ..###... ........ ........ ........ ........ ........""",
    "degree": """
        ........ ........ .##..... #..#.... #..#.... .##..... ........ ........
        ........ ........ ........ ........ ........ ........ ........ ........""",
    "times": """
        ........ ........ ........ ........ ........ #...#... .#.#.... ..#.....
        .#.#.... #...#... ........ ........ ........ ........ ........ ........""",
    "spread": """
        ........ ........ ..#..... ..#..... #####... ..#..... ..#..... ........
        #####... ........ ........ ........ ........ ........ ........ ........""",
    "low m": """
        ........ ........ ........ ........ ........ ........ ........ ........
        ........ ........ ######.. #..#..#. #..#..#. #..#..#. #..#..#. ........""",
    "tick": """
        ........ ........ ........ ........ .......# ......## ......## .....##.
        .....##. #...##.. ##..##.. .####... .####... ..##.... ........ ........""",
}


def icon(picture: str) -> bytes:
    """An icon in the screen's format."""
    rows = [sum(1 << (7 - x) for x in range(8) if row[x] == "#") for row in picture.split()]
    return columns(bytes(rows), 8, 16)


def quoted(glyphs: bytes) -> Iterator[str]:
    """The lines of a bytes literal."""
    for at in range(0, len(glyphs), _LINE):
        yield '    b"' + "".join(f"\\x{b:02x}" for b in glyphs[at : at + _LINE]) + '"'


def fonts() -> str:
    """The text of fonts.py. Needs Debian's fonts-spleen."""
    lines = [
        '"""Glyphs of the screen\'s five fonts. Generated; do not edit.\n',
        "Pure; imports nothing. Controls: H-09 (numbers that can be read at arm's length).\n",
        "From Spleen (c) 2018-2020 Frederic Cambus, BSD 2-clause, docs/licences.md; ICON is ours.",
        "A font: (width, pages, characters in order, glyphs). A glyph: pages of `width` bytes,",
        'a byte a column, bit 0 on top.\n"""\n',
    ]
    for name, file, characters in FONTS:
        width, height, bitmaps = read_psf(SPLEEN / f"{file}.psfu.gz")
        glyphs = b"".join(columns(bitmaps[c], width, height) for c in characters)
        text = '"' + characters.replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines.append(f"{name} = (\n    {width},\n    {height // 8},\n    {text},  # noqa: E501")
        lines += [*quoted(glyphs), ")\n"]
    lines.append(f'ICON = (\n    8,\n    2,\n    "",  # {", ".join(ICONS)}')
    lines += [*quoted(b"".join(icon(picture) for picture in ICONS.values())), ")"]
    return "\n".join(lines) + "\n"


# -- languages ------------------------------------------------------------------------------------

SECTIONS = ("faults", "profiles", "items", "applicators", "prompts", "operators", "settings")
FAULT_PARTS = 4
PROMPT_PARTS = 2
# Faults, items, prompts, operators and settings: kept in flash, since they would take 5 kB of heap
IN_FLASH = (1, 3, 5, 6, 7)
_GLYPH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Language:
    """One file of hw_sim/artwork/languages: its tables of texts, by position."""

    number: int
    code: str
    name: str
    tables: tuple[tuple[str, ...], ...]

    def characters(self) -> str:
        """All non-ASCII characters, in order."""
        used = {c for table in self.tables for text in table for c in text}
        return "".join(sorted(c for c in used if ord(c) > 126))


def word_numbers(firmware: Path) -> dict[str, int]:
    """The public numbers of firmware/cryo/texts.py."""
    tree = ast.parse((firmware / "texts.py").read_text(encoding="utf-8"))
    return {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and not node.targets[0].id.startswith("_")
    }


def _by_number(texts: dict[str, str]) -> tuple[str, ...]:
    numbered = {int(number): text for number, text in texts.items()}
    return tuple(numbered.get(n, "") for n in range(max(numbered, default=-1) + 1))


def setting_numbers(firmware: Path) -> dict[str, int]:
    """Key and permanent number of each setting of firmware/cryo/schema.py."""
    tree = ast.parse((firmware / "schema.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SETTINGS":
            assert isinstance(node.value, ast.Tuple)
            rows = [row for row in node.value.elts if isinstance(row, ast.Tuple)]
            return {
                ast.literal_eval(row.elts[1]): int(ast.literal_eval(row.elts[0])) for row in rows
            }
    raise ValueError("schema.py has no SETTINGS")


def read_language(path: Path, numbers: dict[str, int], settings: dict[str, int]) -> Language:
    """Read a language; `numbers` of the words and `settings` are the firmware's.

    ValueError for a missing or unknown word, and for a setting without a name.
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    words: dict[str, str] = data["words"]
    if words.keys() != numbers.keys():
        raise ValueError(f"{path.name}: {sorted(words.keys() ^ numbers.keys())}")
    tables = [tuple(sorted(words, key=lambda word: numbers[word]))]
    tables[0] = tuple(words[word] for word in tables[0])
    faults = {
        str((int(number) - 1) * FAULT_PARTS + part): text
        for number, texts in data["faults"].items()
        for part, text in enumerate(texts)
    }
    tables.append(_by_number(faults))
    tables += [_by_number(data[section]) for section in SECTIONS[1:-3]]
    prompts: dict[str, list[str]] = data["prompts"]
    tables.append(
        _by_number(
            {
                str(int(number) * PROMPT_PARTS + part): text
                for number, texts in prompts.items()
                for part, text in enumerate(texts)
            }
        )
    )
    tables.append(_by_number(data["operators"]))
    # The file names settings by key, the device by number.
    names: dict[str, str] = data["settings"]
    missing = settings.keys() - names.keys()
    if missing:
        raise ValueError(f"{path.name}: no name for {sorted(missing)}")
    tables.append(_by_number({str(settings[key]): names[key] for key in settings}))
    return Language(data["number"], data["code"], data["name"], tuple(tables))


def languages(folder: Path, firmware: Path) -> list[Language]:
    """The languages of a folder, ordered by number from 1. ValueError if a number is missing."""
    numbers, settings = word_numbers(firmware), setting_numbers(firmware)
    result = [read_language(path, numbers, settings) for path in folder.glob("*.toml")]
    result.sort(key=lambda language: language.number)
    if [language.number for language in result] != list(range(1, len(result) + 1)):
        raise ValueError("languages must be numbered 1, 2, 3 ... without a gap")
    return result


def packed(texts: tuple[str, ...]) -> list[bytes]:
    """A table in the format of texts.py: offset of each text and of the end, then the texts."""
    encoded = [text.encode() for text in texts]
    at = 2 * (len(texts) + 1)
    offsets = [at]
    for text in encoded:
        at += len(text)
        offsets.append(at)
    return [struct.pack(f"<{len(offsets)}H", *offsets), *encoded]


def unifont(characters: str) -> bytes:
    """The glyphs of these characters, 16 x 16. KeyError if one is missing or not 16 wide."""
    codes = {f"{ord(c):04X}" for c in characters}
    glyphs: dict[str, bytes] = {}
    for line in UNIFONT.read_text(encoding="ascii").splitlines():
        code, _, bits = line.partition(":")
        if code in codes and len(bits) == 64:
            glyphs[code] = columns(bytes.fromhex(bits), 16, 16)
    return b"".join(glyphs[f"{ord(c):04X}"] for c in characters)


def places_in_flash(language: Language) -> dict[int, int]:
    """Offset of each table of `IN_FLASH` in the language's .bin."""
    at = _GLYPH_BYTES * len(language.characters())
    places: dict[int, int] = {}
    for number in IN_FLASH:
        places[number] = at
        at += len(b"".join(packed(language.tables[number])))
    return places


def in_flash(language: Language, glyphs: bytes) -> bytes:
    """The .bin of a language: its glyphs, and the rarely used tables."""
    return glyphs + b"".join(
        part for number in IN_FLASH for part in packed(language.tables[number])
    )


def font_module(language: Language) -> str:
    """The text of a lang_*.py."""
    lines = [
        f'"""The panel\'s texts in {language.name}. Generated; do not edit.\n',
        "Pure; imports nothing. Controls: H-09 (what to do, in the operator's language).\n",
    ]
    if language.characters():
        lines.append("Glyphs, in the order of CODES, in the .bin beside it: from GNU Unifont 15.0,")
        lines.append("SIL OFL 1.1, docs/licences.md.")
    lines.append("A number in place of a table: where it begins in the .bin.")
    lines.append("How it is read is said in texts.py.")
    lines.append('"""\n\nTABLES = (')
    places = places_in_flash(language)
    for number, table in enumerate(language.tables):
        if number in places:
            lines.append(f"    {places[number]},")
            continue
        offsets, *texts = packed(table)
        lines.append("    (")
        lines += ["    " + line for line in quoted(offsets)]
        for text, words in zip(texts, table, strict=True):
            if not text:
                continue
            if words.isascii():
                plain = words.replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'        b"{plain}"')
            else:
                escaped = "".join(
                    chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in text
                )
                lines.append(f'        b"{escaped}"  # {words}')
        lines.append("    ),")
    lines.append(")\n")
    codes = b"".join(struct.pack("<H", ord(c)) for c in language.characters())
    lines += ["CODES = (", *quoted(codes), ")"] if codes else ['CODES = b""']
    return "\n".join(lines) + "\n"


def kept_glyphs(path: Path, characters: str) -> bytes:
    """The existing glyphs of a lang_*.py. KeyError if one is missing."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    codes = struct.unpack(f"<{len(module.CODES) // 2}H", module.CODES)
    glyphs = path.with_suffix(".bin").read_bytes()
    known = {code: glyphs[32 * i : 32 * i + 32] for i, code in enumerate(codes)}
    return b"".join(known[ord(c)] for c in characters)


def list_of(installed: list[Language]) -> str:
    """The text of languages.py."""
    codes = ", ".join(f'"{language.code}"' for language in installed)
    comma = "," if len(installed) == 1 else ""
    names = "\n".join(f"{language.number} {language.name}" for language in installed)
    return (
        '"""Which languages are on this device. Generated; do not edit.\n\n'
        "Pure; imports nothing. Controls: H-09.\n\n"
        f'{names}\n"""\n\n'
        f"# lang_*.py of language 1, 2, ...\nCODES = ({codes}{comma})\n"
    )


def link_texts(english: Language) -> str:
    """The text of fault_texts.py: what the panel says of a fault in English, for the link."""
    faults = english.tables[SECTIONS.index("faults") + 1]
    rows: list[str] = []
    for at in range(0, len(faults), FAULT_PARTS):
        _name, wrong, *action = faults[at : at + FAULT_PARTS]
        rows.append(f'    ({at // FAULT_PARTS + 1}, "{wrong}", "{" ".join(action).strip()}"),')
    return "\n".join(
        [
            '"""Each fault as the link describes it, in English. Generated; do not edit.\n',
            "Pure; imports nothing. Controls: none. Loaded by metadata.py for a `describe`.",
            '"""\n\n# number, what is wrong, what to do\nFAULT_TEXTS = (',
            *rows,
            ")\n",
        ]
    )


def main(arguments: list[str]) -> int:
    """Write the modules into a folder (firmware/cryo)."""
    only_texts = "--texts" in arguments
    folders = [a for a in arguments if a != "--texts"]
    if len(folders) != 1 or not (Path(folders[0]) / "texts.py").is_file():
        print("usage: python -m hw_sim.artwork.make_fonts [--texts] firmware/cryo", file=sys.stderr)
        return 2
    folder = Path(folders[0])
    all_languages = languages(LANGUAGES, folder)
    if not only_texts:
        (folder / "fonts.py").write_text(fonts(), encoding="utf-8")
    for language in all_languages:
        path = folder / f"lang_{language.code}.py"
        characters = language.characters()
        glyphs = kept_glyphs(path, characters) if only_texts else unifont(characters)
        path.with_suffix(".bin").write_bytes(in_flash(language, glyphs))
        path.write_text(font_module(language), encoding="utf-8")
    (folder / "languages.py").write_text(list_of(all_languages), encoding="utf-8")
    (folder / "fault_texts.py").write_text(link_texts(all_languages[0]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
