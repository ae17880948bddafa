"""docs/hazards.md against the code: every control and every proof is cited, every id exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rules import hazard_matrix
from tests.rules.source import HAZARD, ROOT, firmware_files, name_of, python_files, text_of

SECTION = re.compile(r"^## (H-\d\d) .+\n((?:(?!^## )(?:.*\n?))*)", re.MULTILINE)

STATUS = {
    number: status
    for number, _what, _severity, status in hazard_matrix.ROW.findall(text_of(hazard_matrix.PAGE))
}
SECTIONS = dict(SECTION.findall(text_of(hazard_matrix.PAGE)))


def cited_in(paths: list[Path]) -> dict[str, set[str]]:
    """Hazard id -> files that name it."""
    files: dict[str, set[str]] = {}
    for path in paths:
        for number in HAZARD.findall(text_of(path)):
            files.setdefault(number, set()).add(name_of(path))
    return files


IN_FIRMWARE = cited_in(firmware_files())
IN_TESTS = cited_in([p for p in python_files("tests") if "rules" not in p.parts])
PROOFS = hazard_matrix.proofs()
EVERYWHERE = cited_in(python_files("firmware", "tests", "hw_sim", "host_tools"))

controlled = pytest.mark.parametrize(
    "number", sorted(number for number, status in STATUS.items() if status == "controlled")
)


def test_the_table_and_the_sections_agree() -> None:
    assert list(STATUS) == list(SECTIONS) == [f"H-{n:02}" for n in range(1, len(STATUS) + 1)]
    assert set(STATUS.values()) <= {"controlled", "information", "later"}


@pytest.mark.parametrize("number", sorted(SECTIONS))
def test_a_section_is_complete(number: str) -> None:
    for heading in ("Cause", "Harm", "Control", "Proof", "Residual risk"):
        assert f"- **{heading}**: " in SECTIONS[number]


def test_no_id_is_cited_that_is_not_on_the_page() -> None:
    unknown = {number: files for number, files in EVERYWHERE.items() if number not in STATUS}
    assert not unknown


@controlled
def test_a_controlled_hazard_is_cited_where_it_is_controlled(number: str) -> None:
    assert number in IN_FIRMWARE, f"{number}: no file of the firmware cites it"
    named = set(re.findall(r"`(firmware/[\w/.]+\.py)`", SECTIONS[number]))
    silent = named - IN_FIRMWARE[number]
    assert not silent, f"docs/hazards.md names {sorted(silent)} for {number}; they do not cite it"


@controlled
def test_a_controlled_hazard_is_proved(number: str) -> None:
    assert number in IN_TESTS, f"{number}: no test cites it"
    named = set(re.findall(r"`(tests/[\w/.]+\.py)`", SECTIONS[number]))
    silent = named - EVERYWHERE[number]
    assert not silent, f"docs/hazards.md names {sorted(silent)} for {number}; they do not cite it"


@controlled
def test_a_controlled_hazard_has_a_test_that_can_be_run_by_its_id(number: str) -> None:
    assert PROOFS.get(number), f'{number}: no test is marked @pytest.mark.hazard("{number}")'


def test_no_mark_names_an_unknown_hazard() -> None:
    assert not set(PROOFS) - set(STATUS)


def test_the_matrix_contains_every_mark() -> None:
    """It would miss a mark in a class, in a module's pytestmark or under another name."""
    proofs = sum(len(names) for files in PROOFS.values() for names in files.values())
    marks = sum(
        len(HAZARD.findall(line))
        for path in python_files("tests")
        if "rules" not in path.parts or path.name in ("test_imports.py", "test_guide.py")
        for line in re.findall(r"mark\.hazard\(([^)]*)\)", text_of(path))
    )
    assert proofs == marks


def test_the_trace_matrix_is_up_to_date() -> None:
    page = text_of(hazard_matrix.PAGE)
    assert page == hazard_matrix.page_with(hazard_matrix.matrix()), "to write it: make hazards"


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(
        r"`((?:firmware|tests|hw_sim|host_tools)/[\w/.]+)`|`(README\.md)`",
        text_of(hazard_matrix.PAGE),
    )
    missing = [name for pair in named for name in pair if name and not (ROOT / name).exists()]
    assert not missing
