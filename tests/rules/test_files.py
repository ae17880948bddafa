"""Firmware files: each has its docstring and compiles for the board; one place has the version."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.rules.source import (
    CRYO,
    FIRMWARE,
    HAZARD,
    ROOT,
    firmware_files,
    imports_of,
    name_of,
    python_files,
    table,
    text_of,
    tree_of,
)

each_firmware_file = pytest.mark.parametrize("path", firmware_files(), ids=name_of)

# From "may import" or "imports nothing" to the end of that sentence.
IMPORTS_SENTENCE = re.compile(r"(?:may import|imports nothing)(?:.|\n)*?(?=\.\s|\.$|\Z)", re.I)


@each_firmware_file
def test_docstring_says_what_the_file_may_import(path: Path) -> None:
    doc = ast.get_docstring(tree_of(path)) or ""
    assert doc, "no docstring"
    assert len(doc.splitlines()[0]) >= 20, "the first line says what the file is"
    sentence = IMPORTS_SENTENCE.search(doc)
    assert sentence, "the docstring does not say what the file may import"
    words = set(re.findall(r"\w+", sentence.group().lower()))
    if "cryo's tables" in sentence.group():
        words |= {"dose", "faults", "journal", "schema", "transitions"}
    everything = "every module" in sentence.group() or path.name == "main.py"
    for module in imports_of(path):
        if everything and module.startswith("cryo."):
            continue
        last = module.split(".")[-1].lower()
        assert last in words or module in {"cryo.VERSION", "cryo.VERSION_NUMBER"}, (
            f"imports {module}, but its docstring only lists: {sentence.group()!r}"
        )


@each_firmware_file
def test_docstring_names_the_hazards_that_the_file_controls(path: Path) -> None:
    if path.name == "__init__.py":
        return
    doc = ast.get_docstring(tree_of(path)) or ""
    assert re.search(r"Controls?:", doc), "no 'Controls:' in the docstring"
    if not re.search(r"Controls?: none", doc):
        assert HAZARD.search(doc), "'Controls:' names no hazard"


@each_firmware_file
def test_public_functions_say_what_they_do(path: Path) -> None:
    silent = [
        f"{node.name} (line {node.lineno})"
        for parent in [
            tree_of(path),
            *(n for n in tree_of(path).body if isinstance(n, ast.ClassDef)),
        ]
        for node in parent.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_only_python_glyphs_and_the_boards_land_on_the_board() -> None:
    data = {f"lang_{code}.bin" for code in table("languages", "CODES")} | {"boards.json"}
    strangers = [
        name_of(path)
        for path in FIRMWARE.rglob("*")
        if path.is_file()
        and path.suffix != ".py"
        and "__pycache__" not in path.parts
        and path.name not in data
    ]
    assert not strangers


def test_version_is_in_one_place() -> None:
    version = table("__init__", "VERSION")
    major, minor, patch = (int(part) for part in version.split("."))
    assert table("__init__", "VERSION_NUMBER") == major * 10000 + minor * 100 + patch
    for path in [ROOT / "pyproject.toml", *python_files("firmware", "host_tools", "hw_sim")]:
        if path != CRYO / "__init__.py":
            assert f'"{version}"' not in text_of(path), f"{name_of(path)} repeats the version"


def test_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    newest = [heading for heading in headings if heading != "Unreleased"]
    assert headings[0] in ("Unreleased", newest[0])
    assert newest[0] == table("__init__", "VERSION")


def test_the_changelog_has_the_sections_of_keep_a_changelog() -> None:
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    page = text_of(ROOT / "CHANGELOG.md")
    assert set(re.findall(r"^### (.+)", page, re.MULTILINE)) <= kinds
    for version in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        assert "\n### " in version, version.splitlines()[0]
