"""The panel's texts: complete, within the display, with glyphs, in every language. H-09"""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from cryo import (
    faults,
    languages,
    metadata,
    practice_items,
    schema,
    screening_items,
    texts,
)

from hw_sim.artwork import make_fonts
from hw_sim.bench import FIRMWARE, FastBench

CRYO = FIRMWARE / "cryo"
NUMBERS = json.loads((Path(__file__).parents[2] / "rules" / "numbers.json").read_text("utf-8"))
ALL = make_fonts.languages(make_fonts.LANGUAGES, CRYO)
WORDS = make_fonts.word_numbers(CRYO)

each_language = pytest.mark.parametrize("language", ALL, ids=lambda language: language.code)

# Columns of a text that shares its line with something else; otherwise a line has 16.
NARROWER = {
    "HOLD_ARM": 8,  # beside the number of freezes in the dewar: 9x30s
    "ARMED": 7,  # beside 2/2 and the seconds
    "SELECT_OK": 13,  # beside 2/2
    "NONE_APPLIES": 13,  # beside 1/5
    "THIS_APPLIES": 13,
    "COMPLETE": 13,  # with !1
    "ENDED_EARLY": 13,
    "TOO_SHALLOW": 13,
    "MAYBE_SHALLOW": 13,
    "CYCLES": 13,
    "PATIENT": 10,
    "WAIT": 6,
    "TO": 2,  # 10.0 to 12.3 mm
    "OF": 2,  # 10.0 of 12.3 s
    "NEEDS": 7,  # needs 300-900
    "PRESS": 13,  # -> press
    "HOLD": 13,
    "ARM_BACK": 12,  # with 1/5
    "INFORMATION": 14,
    "TABLE": 8,  # with a table's number: 1000, and that of a calibration run
    "LOG_FREE": 10,
}


def columns(text: str) -> int:
    """Columns of eight pixels that a text takes."""
    return sum(1 if ord(c) < 127 else 2 for c in text)


def lines(text: str, most: int = 16) -> list[str]:
    """A text split as on the confirmation screen: at spaces, or within a word that is too long."""
    parts: list[str] = []
    while text:
        cut = len(text)
        while columns(text[:cut]) > most:
            space = text.rfind(" ", 0, cut)
            cut = space if space > 0 else cut - 1
        parts.append(text[:cut])
        text = text[cut:].strip()
    return parts


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    """Closes a language's glyph file."""
    yield
    texts.use(1)


@each_language
def test_the_generated_files_are_up_to_date(language: make_fonts.Language) -> None:
    path = CRYO / f"lang_{language.code}.py"
    assert path.read_text("utf-8") == make_fonts.font_module(language), (
        "run: python -m hw_sim.artwork.make_fonts firmware/cryo"
    )
    glyphs = make_fonts.kept_glyphs(path, language.characters())
    assert path.with_suffix(".bin").read_bytes() == make_fonts.in_flash(language, glyphs)
    assert (CRYO / "languages.py").read_text("utf-8") == make_fonts.list_of(ALL)
    assert (CRYO / "fault_texts.py").read_text("utf-8") == make_fonts.link_texts(ALL[0])


@each_language
def test_a_language_lacks_nothing(language: make_fonts.Language) -> None:
    assert texts.use(language.number)
    for name, number in WORDS.items():
        assert texts.say(number).strip(), name
    for number in NUMBERS["faults"]:
        assert all(texts.fault(int(number), part) for part in (0, 1, 2)), number
    for row in schema.SETTINGS:
        assert texts.setting(row[0]), row[1]
    for number in NUMBERS["applicators"]:
        assert texts.applicator(int(number)), number
    for row in metadata.PROFILES:
        assert texts.profile(row[0]), row[1]
    for row in metadata.ITEMS:
        assert texts.item(row[0]), row[1]
    for text, items in screening_items.LINES:
        assert texts.item(text), items
    for row in screening_items.ITEMS:
        assert not row[1] or texts.prompt(row[1], 0) and texts.prompt(row[1], 1), row
    assert len(language.tables[5]) == len(ALL[0].tables[5])
    for english, text in zip(ALL[0].tables[5], language.tables[5], strict=True):
        assert bool(english) == bool(text), english


def test_every_item_is_on_one_line_of_the_screening() -> None:
    """And an item that adjusts the treatment is a caution: what stops it needs no prompt."""
    shown = [number for _, numbers in screening_items.LINES for number in numbers]
    assert sorted(shown) == list(range(1, len(screening_items.ITEMS) + 1))
    assert len(screening_items.ITEMS) == len(metadata.ITEMS) < practice_items.FIRST
    assert all(len(numbers) <= 3 for _, numbers in screening_items.LINES), "one page"
    assert all(kind == 2 or not prompt for kind, prompt in screening_items.ITEMS)


@pytest.mark.hazard("H-09")
@each_language
def test_no_text_is_wider_than_its_place(language: make_fonts.Language) -> None:
    assert texts.use(language.number)
    for name, number in WORDS.items():
        text = texts.say(number)
        assert columns(text) <= NARROWER.get(name, 16), f"{name}: {text}"
    _, of_faults, profiles, items, applicators, prompts, of_operators, settings = language.tables
    for text in (*of_faults, *profiles, *items, *prompts, *of_operators):
        assert columns(text) <= 16, text
    assert all(columns(text) <= 14 for text in profiles), "behind an arrow, in a confirmation"
    for text in applicators:
        assert columns(text) <= 12, text  # beside the cycles and the clock
    for text in settings:
        assert len(lines(text)) <= 2, text
    for setting in (4, 5):  # in the menu, with 2/3
        assert columns(texts.setting(setting)) <= 12, setting
    assert columns(texts.say(texts.LANGUAGE) + texts.say(texts.LANGUAGE_NAME)) <= 15


@each_language
def test_every_character_has_its_glyph(language: make_fonts.Language) -> None:
    assert texts.use(language.number)
    used = language.characters()
    drawn = set()
    for position, character in enumerate(used):
        assert texts.position_of(ord(character)) == position
        width, pages, _, picture = texts.font_of(ord(character))
        assert (width, pages, len(picture)) == (16, 2, 32)
        assert any(picture), f"{character} is blank"
        drawn.add(bytes(picture))
    assert len(drawn) == len(used), "two characters look the same"
    for code in (0x2603, 0xFFFF, 127):
        assert texts.position_of(code) == -1
        assert texts.font_of(code) is None


def test_the_english_texts_are_those_of_the_link() -> None:
    assert texts.use(1)
    for number, name, _, _ in faults.FAULTS:
        assert texts.fault(number, 0) == name


# The words that the action text of each fault must contain, in each language.
TO_DO = {
    faults.ESTOP: ("Turn it back", "復原"),
    faults.SETTINGS_LOST: ("Check settings", "檢查設定"),
    faults.JOURNAL_FULL: ("Pull the log", "匯出紀錄"),
    faults.JOURNAL_FAILED: ("Switch off, on", "關機再開機"),
    faults.JOURNAL_DAMAGED: ("Pull the log", "匯出紀錄"),
    faults.NOZZLE_SENSOR: ("Check its plug", "檢查插頭"),
    faults.PRESSURE_SENSOR: ("Check its plug", "檢查插頭"),
    faults.LEVEL_SENSOR: ("Check its plug", "檢查插頭"),
    faults.PRESSURE: ("Check the dewar", "檢查杜瓦瓶"),
    faults.LEVEL_LOW: ("Refill", "補充液態氮"),
    faults.COIL_OPEN: ("Check the valve", "檢查閥門"),
    faults.COIL_SHORTED: ("Turn away, vent", "杜瓦瓶洩壓"),
    faults.VALVE_STUCK_OPEN: ("Turn away, close hand valve", "關手動閥"),
    faults.SUPPLY_LOW: ("Check supply", "檢查電源"),
    faults.WATCHDOG: ("Check patient", "檢查病人"),
    faults.FREEZE_LOST: ("Check patient", "檢查病人"),
    faults.DOSE_TIMER: ("Check patient", "檢查病人"),
    faults.DEAD_MAN: ("Check patient", "檢查病人"),
    faults.BUTTON_STUCK: ("Free the button", "鬆開按鈕"),
    faults.SCREEN: ("Call service", "聯絡維修"),
    faults.INTERNAL: ("Check patient", "檢查病人"),
    faults.NO_COLD: ("Check LN2", "檢查液氮與流量"),
    faults.NO_LIQUID: ("Check LN2", "檢查液氮與流量"),
    faults.SKIN_SENSOR: ("Check its plug", "檢查插頭"),
    faults.TABLES_LOST: ("Calibrate again", "重新校正"),
    faults.OPERATORS_LOST: ("Add operators", "新增操作者"),
}
ENDS_IT = {faults.ACK: "SELECT", faults.ESTOP_RULE: "SELECT 2"}


def test_the_list_of_what_to_do_names_every_fault() -> None:
    assert set(TO_DO) == {row[0] for row in faults.FAULTS}
    assert all(len(words) == len(languages.CODES) for words in TO_DO.values())


@pytest.mark.hazard("H-09")
@pytest.mark.parametrize("row", faults.FAULTS, ids=lambda row: row[1])
@each_language
def test_every_fault_says_what_to_do(language: make_fonts.Language, row: tuple) -> None:
    """H-09: first the action, then how the fault is cleared: SELECT, or service."""
    assert texts.use(language.number)
    do = " ".join(texts.fault(row[0], part) for part in (2, 3))
    assert TO_DO[row[0]][language.number - 1] in do
    calls_service = "service" in do or "維修" in do
    vents = "vent" in do.lower() or "洩壓" in do
    assert calls_service or vents or ENDS_IT.get(row[3], "?") in do


@pytest.mark.hazard("H-09")
@pytest.mark.parametrize("row", faults.FAULTS, ids=lambda row: row[1])
def test_the_operators_guide_lists_every_fault(row: tuple) -> None:
    """H-09: with its name in both languages, its action, its priority."""
    names = []
    for number in (1, 2):
        assert texts.use(number)
        names.append(texts.fault(row[0], 0))
    for number, page in ((1, "guide.md"), (2, "guide-zh.md")):
        own, other = names[number - 1], names[2 - number]
        guide = (FIRMWARE.parent / "docs" / page).read_text("utf-8")
        (line,) = [line for line in guide.splitlines() if line.startswith(f"| **{own}** {other} |")]
        assert texts.use(number)
        for part in (1, 2, 3):
            assert texts.fault(row[0], part) in line
        priority = {"low": "低", "medium": "中", "high": "高"}[metadata.PRIORITIES[row[2]]]
        assert f"| {metadata.PRIORITIES[row[2]] if number == 1 else priority} |" in line


def test_using_a_language_frees_the_other_one() -> None:
    assert texts.use(2)
    assert texts.say(texts.ARMED) == "待噴"
    assert texts.use(1)
    assert texts.font_of(ord("已")) is None
    assert texts.say(texts.ARMED) == "ARMED"
    with pytest.raises(AttributeError):
        import_module("cryo").lang_zh  # noqa: B018
    assert not texts.use(0)
    assert not texts.use(len(languages.CODES) + 1)
    assert texts.say(texts.ARMED) == "ARMED", "an unknown language changes nothing"


@pytest.mark.hazard("H-09")
def test_what_flash_does_not_give_is_empty() -> None:
    """H-09: the name of a fault then comes from the firmware itself (presenter.py)."""
    assert texts.use(1)
    assert texts.fault(1, 0) == "EMERGENCY STOP"
    texts._now.file.close()
    texts._now.file = io.BytesIO(b"")
    assert texts.fault(1, 0) == texts.setting(1) == ""
    assert texts.use(2)  # then `english_afterwards` opens the file again


def test_what_has_no_text_is_empty() -> None:
    assert texts.use(1)
    assert texts.say(-1) == texts.say(1000) == texts.fault(200, 0) == texts.profile(99) == ""


def test_packed_offsets_are_two_bytes() -> None:
    first, *texts = make_fonts.packed(("a", "", "ü"))
    assert struct.unpack("<4H", first) == (8, 9, 9, 11)
    assert texts == [b"a", b"", "ü".encode()]


def third(text: str) -> str:
    """A made-up language: the English texts with one Chinese character."""
    source = re.sub(r'^(\w+ = )"(.)(.*)"$', r'\1"\2\3"', text, flags=re.MULTILINE)
    return (
        source.replace("number = 1", "number = 3")
        .replace('code = "en"', 'code = "xx"')
        .replace('name = "English"', 'name = "Pseudo"')
        .replace('"hold ARM"', '"氮 ARM"')
    )


MAIN = b"""
import time
time.sleep_ms(20)
from cryo import canvas, fonts, texts
c = canvas.Canvas()
c.clear()
print(texts.use(3), texts.say(texts.ARMED), texts.fault(10, 0), texts.setting(27))
text = texts.say(texts.HOLD_ARM)
c.text(fonts.TEXT, 0, 0, text)
print(text.encode(), bytes(c.page[0][1:17]) == texts.font_of(ord(text[0]))[3][:16])
"""


def test_a_third_language_needs_only_data(tmp_path: Path) -> None:
    """An additional text file is enough; no code changes."""
    texts = tmp_path / "languages"
    texts.mkdir()
    for path in make_fonts.LANGUAGES.glob("*.toml"):
        (texts / path.name).write_bytes(path.read_bytes())
    (texts / "xx.toml").write_text(third((texts / "en.toml").read_text("utf-8")), "utf-8")
    every = make_fonts.languages(texts, CRYO)
    glyph = make_fonts.kept_glyphs(CRYO / "lang_zh.py", "氮")
    bench = FastBench()
    bench.write_files(
        {
            "cryo/lang_xx.py": make_fonts.font_module(every[2]).encode(),
            "cryo/lang_xx.bin": make_fonts.in_flash(every[2], glyph),
            "cryo/languages.py": make_fonts.list_of(every).encode(),
            "main.py": MAIN,
        }
    )
    bench.power_on()
    bench.run_for(500)
    output = bench.host_read().decode().splitlines()
    assert output[:2] == ["True ARMED DEWAR EMPTY language", repr("氮 ARM".encode()) + " True"]
