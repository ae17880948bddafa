"""The operator's guide: as its source has it, alike in both languages, each figure with a source.

Source: hw_sim/artwork/guide/guide.toml; written by `make guide`.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from hw_sim.artwork.guide import facts, pages
from hw_sim.artwork.guide.source import FIGURE, NAME, Chapter, Pair, guide, resolved
from tests.rules.hazard_matrix import ROW
from tests.rules.source import ROOT, table, text_of
from tests.rules.test_hazards import SECTIONS

DOCS = ROOT / "docs"
HAN = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"`[^`]*`|\[[^\]]*\]\([^)]*\)")
DIGITS = re.compile(r"\d+(?:\.\d+)?")
LINK = re.compile(r"\(guide\.md#([\w-]+)\)")

# What issue 16 asks the guide to have: subject -> its chapter.
SUBJECTS = {
    "intended use and users": "use",
    "protective equipment": "ppe",
    "ventilation and oxygen alarm": "room",
    "filling, storing, transporting": "nitrogen",
    "venting the dewar": "vent",
    "nitrogen does not stop": "stop",
    "daily check, E-stop": "daily",
    "cleaning and disinfection": "cleaning",
    "applicator change, calibration due": "applicators",
    "contraindications with grade and source": "contra",
    "sites and skins": "sites",
    "consent": "consent",
    "first aid for cold burns": "firstaid",
    "adverse events and reporting": "events",
    "maintenance": "maintenance",
    "disposal": "disposal",
    "symbols": "symbols",
    "specifications": "specifications",
    "faults": "faults",
    "a treatment": "treatment",
}

ITEMS = [(chapter, item) for chapter in guide().chapters for item in chapter.items]
WITH_TEXT = [(chapter, item) for chapter, item in ITEMS if item.cells]


def pairs() -> list[tuple[str, Pair]]:
    """Every text in both languages, with where it stands."""
    texts = [(chapter.name, chapter.title) for chapter in guide().chapters]
    texts += [(chapter.name, cell) for chapter, item in WITH_TEXT for cell in item.cells]
    card = guide().card
    texts += [("card", tuple(card[key])) for key in ("title", "before", "after")]
    texts += [("card", tuple(row)) for key in ("alarm", "checks", "ends") for row in card[key]]
    for step in guide().steps:
        texts += [("card", step.head), *(("card", line) for line in step.lines)]
    return texts


def plain(text: str) -> str:
    """A text without figures and names of the firmware's data, code and links."""
    return CODE.sub("", NAME.sub("", FIGURE.sub("", text)))


def chapter(name: str) -> Chapter:
    return next(one for one in guide().chapters if one.name == name)


@cache
def written() -> dict[str, str]:
    return pages.pages()


def test_the_committed_pages_are_those_of_the_source() -> None:
    assert len(written()) == 6
    for name, text in written().items():
        assert (DOCS / name).read_text("utf-8") == text, f"{name}: to write it: make guide"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_has_its_chapter(subject: str) -> None:
    assert len(chapter(SUBJECTS[subject]).items) >= 4


def test_warnings_stand_before_what_they_warn_of() -> None:
    """Before each step, point and row of their chapter, or part of it."""
    for one in guide().chapters:
        begun = False
        for item in one.items:
            if item.kind == "head":
                begun = False
            assert not (item.kind == "warning" and begun), f"{one.name}: {item.cells[0][0]}"
            begun = begun or item.kind in ("step", "point", "row")


def test_both_languages_have_the_same_numbers_and_names() -> None:
    for where, (english, chinese) in pairs():
        for pattern in (FIGURE, NAME):
            assert Counter(pattern.findall(english)) == Counter(pattern.findall(chinese)), where
        numbers = [Counter(DIGITS.findall(plain(text))) for text in (english, chinese)]
        assert numbers[0] == numbers[1], f"{where}: {english} / {chinese}"
        commands = [Counter(re.findall(r"`[^`]*`", text)) for text in (english, chinese)]
        assert commands[0] == commands[1], f"{where}: {english} / {chinese}"


def test_no_text_is_in_the_wrong_language() -> None:
    for where, (english, chinese) in pairs():
        assert not HAN.search(english), f"{where}: {english}"
        assert HAN.search(chinese) or not re.search("[a-z]{3}", plain(chinese)), chinese
        if english:
            assert chinese, f"{where}: {english}"


def test_both_pages_have_the_same_parts() -> None:
    """Headings, steps, points, rows, warnings and pictures, in the same order."""
    mark = re.compile(r"^(##+|\d+\.|-|\||>|\*(?:Open|待定):|!\[|<a id=\"[\w-]+\">)", re.MULTILINE)
    shapes = [
        [found.replace("待定", "Open") for found in mark.findall(pages.markdown(language))]
        for language in (0, 1)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 300


def test_every_figure_has_a_source() -> None:
    for one, item in ITEMS:
        if item.kind != "head" and any(DIGITS.search(plain(cell[0])) for cell in item.cells):
            assert item.sources, f"{one.name}: {item.cells[0][0]}"


def test_sources_exist_and_are_used() -> None:
    cited = {name for _, item in ITEMS for name in item.sources}
    assert cited == set(guide().sources)
    for one, item in ITEMS:
        if item.kind in ("warning", "step", "point", "text"):
            assert item.sources or one.name in ("front", "treatment"), item.cells[0][0]


def test_what_is_open_is_said() -> None:
    """Nothing is made up: neither an address nor a telephone number."""
    assert any(item.kind == "open" for item in chapter("events").items)
    for language in (0, 1):
        assert not re.search(r"\b\d{2,4}-\d{3,4}-\d{3,4}\b|@\w+\.", pages.markdown(language))


@pytest.mark.hazard("H-19")
def test_the_contraindications_are_the_devices() -> None:
    """H-19: each item of the checklist, with its grade, in both languages."""
    kinds = table("screening_items", "ITEMS")
    avoid = table("screening_items", "_AVOID")
    for language in (0, 1):
        page = pages.markdown(language)
        for number, name, source in table("metadata", "ITEMS"):
            shown = name if language == 0 else guide().items[name]
            (line,) = [row for row in page.splitlines() if row.startswith(f"| {shown} |")]
            grade = ("avoid", "禁止") if kinds[number - 1][0] == avoid else ("caution", "注意")
            assert f"**{grade[language]}**" in line
            assert (source if language == 0 else guide().evidence[source]) in line
    assert set(guide().evidence) == {row[2] for row in table("metadata", "ITEMS")}
    assert set(guide().items) == {row[1] for row in table("metadata", "ITEMS")}


@pytest.mark.hazard("H-05")
def test_each_fault_that_asks_to_vent_the_dewar_is_where_venting_is_explained() -> None:
    """H-05: and where the guide says what to do when nitrogen does not stop."""
    asking = {
        int(number)
        for number, words in facts.panel("en")["faults"].items()
        if re.search(r"\bvent\b", " ".join(words))
    }
    assert {12, 13} <= asking
    for name in ("vent", "stop"):
        text = " ".join(cell[0] for item in chapter(name).items for cell in item.cells)
        for number in asking:
            assert f"{{fault:{number}}}" in text


def test_figures_are_the_firmwares() -> None:
    """Spot checks by hand, so that a wrong reader of the tables does not pass."""
    assert resolved("{arm_pressure_min_mbar} {arm_level_min_permille/10}", 0) == "300 10"
    assert resolved("{arm_supply_min_mv/1000} {observe_s/60} {freeze_max_s}", 1) == "4.3 30 30"
    assert resolved("{fault:13} {word:ARMED}", 1) == "**閥門卡住未關** **待噴**"
    assert "| Spray D 3mm | 0.41 | 3 | 10 | 1.6…2.2 |" in pages.markdown(0)
    with pytest.raises(KeyError):
        resolved("{no_such_figure}", 0)
    with pytest.raises(KeyError):
        resolved("{chapter:none}", 0)


def test_every_picture_exists() -> None:
    for name, text in written().items():
        pictures = re.findall(r'!\[[^\]]*\]\(([^)]+)\)|<img src="([^"]+)"', text)
        assert pictures
        for found in pictures:
            path = DOCS / (found[0] or found[1])
            assert path.is_file(), f"{name}: {path}; to draw them: make screens"


def test_every_link_leads_somewhere() -> None:
    for language, suffix in enumerate(pages.SUFFIX):
        text = pages.markdown(language)
        anchors = set(re.findall(r'<a id="([\w-]+)">', text))
        for target in re.findall(r"\]\(([^)#]*(?:#[\w-]+)?)\)", text):
            file, _, anchor = target.partition("#")
            assert (DOCS / (file or f"guide{suffix}.md")).exists(), target
            assert file or anchor in anchors, target


# -- docs/hazards.md: what it leaves to the instructions is there ---------------------------------


@pytest.mark.parametrize("number", sorted(SECTIONS))
def test_a_hazard_that_names_the_guide_finds_it_there(number: str) -> None:
    """The chapter has an item that answers this hazard."""
    names = {one.name for one in guide().chapters}
    for name in LINK.findall(SECTIONS[number]):
        assert name in names, f"{number}: the guide has no chapter {name}"
        answered = {hazard for item in chapter(name).items for hazard in item.hazards}
        assert number in answered, f"no item of the chapter {name} answers {number}"


@pytest.mark.parametrize("number", sorted(SECTIONS))
def test_what_a_hazard_leaves_to_the_operator_names_the_chapter(number: str) -> None:
    """No 'as the instructions say' without the place; its percentages are written there too."""
    for sentence in re.split(r"\.\s", " ".join(SECTIONS[number].split())):
        if re.search(r"instruct|Information:|once a day|operator's guide", sentence):
            assert LINK.search(sentence), f"{number}: where? {sentence}"
        for figure in re.findall(r"\d+\.\d+ %", sentence) if LINK.search(sentence) else ():
            texts = [
                cell[0]
                for name in LINK.findall(sentence)
                for item in chapter(name).items
                for cell in item.cells
            ]
            assert any(figure in text for text in texts), f"{number}: {figure} is not in the guide"


def test_items_answer_hazards_that_exist() -> None:
    known = {row[0] for row in ROW.findall(text_of(DOCS / "hazards.md"))}
    answered = {hazard for _, item in ITEMS for hazard in item.hazards}
    assert answered <= known
    assert {"H-03", "H-05", "H-16", "H-17"} <= answered
