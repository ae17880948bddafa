"""Numbers in flash, in the journal and on the link are permanent.

numbers.json is the register. Its pairs never change and are never removed; each new row of a table
is added to it. With a git history, every earlier version of the register is compared too, so that
it cannot be rewritten.
"""

from __future__ import annotations

import ast
import json
import subprocess
from typing import Any

import pytest

from tests.rules.source import CRYO, ROOT, table, tree_of
from tests.scenarios.fault_numbers import Fault

FILE = "tests/rules/numbers.json"
REGISTER: dict[str, dict[str, str]] = json.loads((ROOT / FILE).read_text(encoding="utf-8"))


def by_number(rows: Any) -> dict[str, str]:
    return {str(row[0]): row[1] for row in rows}


def by_position(names: Any) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names) if name}


def by_constant(module: str, name: str) -> dict[str, str]:
    """Number -> the constant that is first in its row; the displayed text may change."""
    numbers = [row[0] for row in table(module, name)]
    for node in tree_of(CRYO / f"{module}.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(node.value, ast.Tuple)
            constants = [
                ast.unparse(row.elts[0]) for row in node.value.elts if isinstance(row, ast.Tuple)
            ]
            return {str(n): constant for n, constant in zip(numbers, constants, strict=True)}
    raise AssertionError(f"{module}.py has no {name}")


def state_names() -> dict[str, str]:
    """Number -> name, from the rows of states.py (whose other columns are functions)."""
    for node in tree_of(CRYO / "states.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STATES":
            assert isinstance(node.value, ast.Tuple)
            rows = [row.elts for row in node.value.elts if isinstance(row, ast.Tuple)]
            names = {ast.unparse(row[0]).split(".")[1]: ast.literal_eval(row[1]) for row in rows}
            return {str(table("transitions", key)): name for key, name in names.items()}
    raise AssertionError("states.py has no STATES")


def tables() -> dict[str, dict[str, str]]:
    """The firmware's numbers, by the register's headings."""
    return {
        "faults": by_constant("faults", "FAULTS"),
        "settings": by_number(table("schema", "SETTINGS")),
        "record kinds": by_number(table("metadata", "KINDS")),
        "states": state_names(),
        "freeze end causes": by_position(table("metadata", "CAUSES")),
        "screening items": by_number(table("metadata", "ITEMS")),
        "profiles": {str(row[0]): row[1] for row in table("metadata", "PROFILES")},
        "applicators": by_number(table("applicators", "APPLICATORS")),
    }


@pytest.mark.parametrize("kind", sorted(REGISTER))
def test_the_firmware_keeps_every_number(kind: str) -> None:
    now = tables()[kind]
    assert {n: now.get(n) for n in REGISTER[kind]} == REGISTER[kind], "a past number changed"
    assert set(now) <= set(REGISTER[kind]), f"add the new {kind} to {FILE}"


def test_every_table_is_registered() -> None:
    assert set(tables()) == set(REGISTER)


@pytest.mark.parametrize(
    ("module", "name"), [("faults", "FAULTS"), ("schema", "SETTINGS"), ("metadata", "KINDS")]
)
def test_numbers_and_names_are_unique(module: str, name: str) -> None:
    rows = table(module, name)
    assert len({row[0] for row in rows}) == len(rows)
    assert len({row[1] for row in rows}) == len(rows)


def test_record_kinds_have_at_most_eight_arguments() -> None:
    """The record has room for eight (docs/protocol.md)."""
    assert all(len(row[2]) <= 8 for row in table("metadata", "KINDS"))


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""


def test_the_register_itself_only_grows() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git history here: the register cannot be compared with its past")
    for commit in git("log", "--format=%H", "--", FILE).split():
        past = json.loads(git("show", f"{commit}:{FILE}") or "{}")
        for kind, pairs in past.items():
            for number, name in pairs.items():
                assert REGISTER[kind].get(number) == name, f"{kind} {number} was {name} in {commit}"


def test_the_tables_can_be_read() -> None:
    """The rules above would check nothing if a table were built in another way."""
    assert (CRYO / "faults.py").exists()
    assert all(len(pairs) >= 4 for pairs in tables().values())


def test_the_scenarios_restate_the_faults_as_the_firmware_numbers_them() -> None:
    assert {fault.value for fault in Fault} == {row[0] for row in table("faults", "FAULTS")}
    for fault in Fault:
        assert table("faults", fault.name) == fault
