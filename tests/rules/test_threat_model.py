"""docs/threat-model.md: each place has each letter's rows, and each file that it names exists."""

from __future__ import annotations

import re

import pytest

from tests.rules.source import ROOT, text_of

PAGE = ROOT / "docs" / "threat-model.md"
PLACES = ("Cable", "Device", "Host", "Store", "Update")
_NAMED = re.compile(r"`((?:firmware|host_tools|hw_sim|tests)/[\w/.*]+)`")


def rows(place: str) -> list[list[str]]:
    section = text_of(PAGE).split(f"\n## {place}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_looked_at_from_each_side(place: str) -> None:
    letters = {letter for row in rows(place) for letter in row[0].split(", ")}
    missing = set("STRIDE") - letters
    # No row where nothing is to be had: an image is public; host and store have no rights to gain.
    assert missing <= {"Host": {"E"}, "Store": {"E"}, "Update": {"I"}}.get(place, set())


@pytest.mark.parametrize("place", PLACES)
def test_each_threat_has_its_answer_its_test_and_what_is_open(place: str) -> None:
    for row in rows(place):
        assert len(row) == 5, row
        assert all(row), row
        assert row[3] != "-" or row[4] != "-", row


def test_each_file_that_it_names_is_there() -> None:
    names = _NAMED.findall(text_of(PAGE))
    assert len(names) > 40
    for name in names:
        assert list(ROOT.glob(name)), name
