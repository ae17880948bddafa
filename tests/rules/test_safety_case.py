"""docs/safety-case.md: up to date, each leaf a command that exists, each file exists."""

from __future__ import annotations

import re

from tests.rules import hazard_matrix, safety_case
from tests.rules.source import ROOT, text_of


def test_the_page_is_up_to_date() -> None:
    assert text_of(safety_case.PAGE) == safety_case.page(), "to write it: make evidence"


def test_each_leaf_is_a_command_that_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    commands = re.findall(r"`make ([\w-]+)", safety_case.page())
    commands += [command.split()[1] for _n, _c, command, _w, _k in safety_case.EVIDENCE]
    assert set(commands) <= targets
    assert len(commands) > 30


def test_each_file_that_it_names_exists() -> None:
    named = {where for _n, _c, _command, where, _k in safety_case.EVIDENCE}
    for row in safety_case.CLAUSES:
        named |= set(re.findall(r"(?:docs|tests|firmware)/[\w/.-]+\w|[A-Z]+\.md", " ".join(row)))
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert not missing


def test_each_hazard_has_its_goal_and_nothing_is_claimed_without_what_is_open() -> None:
    page = safety_case.page()
    assert all(f"| {number} " in page for number in hazard_matrix.hazards())
    assert all(len(row) == 5 and all(row) for row in safety_case.CLAUSES)
    assert sum(row[4] != "-" for row in safety_case.CLAUSES) > len(safety_case.CLAUSES) / 2
