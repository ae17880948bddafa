"""docs/architecture.md names files, functions and tables that exist.

A reference is `path`: `name`. In the walks a file without a folder is the firmware's.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.rules.source import CRYO, ROOT, tree_of

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|toml|json|md))`")
REFERENCE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.py)`:\s+`(\w+)`((?:(?:,| and)\s+`\w+`(?!:))*)")
FOLDER = re.compile(r"`((?:firmware|hw_sim|host_tools|tests|docs)(?:/[\w-]+)+)`")


def place(name: str) -> Path:
    """A file of the page: from the project's root, or of the firmware, or of docs."""
    for folder in (ROOT, CRYO, ROOT / "firmware", ROOT / "docs"):
        if (folder / name).is_file():
            return folder / name
    raise AssertionError(f"docs/architecture.md names {name}, which does not exist")


def defined(path: Path) -> set[str]:
    """Functions, methods, classes and module-level names."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
    for node in tree_of(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def references() -> list[tuple[str, str]]:
    """(file, name), also of a file with several names: `pull.py`: `a` and `b`."""
    pairs: list[tuple[str, str]] = []
    for match in REFERENCE.finditer(PAGE):
        file, first, more = match.groups()
        pairs += [(file, name) for name in (first, *re.findall(r"`(\w+)`", more))]
    return pairs


@pytest.mark.parametrize("name", sorted(set(FILE.findall(PAGE)) - {"manifest.json"}))
def test_every_file_exists(name: str) -> None:
    place(name)


@pytest.mark.parametrize("name", sorted(set(FOLDER.findall(PAGE))))
def test_every_folder_exists(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


@pytest.mark.parametrize(("file", "name"), sorted(set(references())))
def test_every_name_is_in_its_file(file: str, name: str) -> None:
    assert name in defined(place(file)), f"docs/architecture.md: {file} has no {name}"


def test_the_walks_and_recipes_are_references() -> None:
    """Enough of them are found, so that the rules above cannot pass by finding nothing."""
    pairs = set(references())
    assert len(pairs) >= 60
    for pair in (
        ("firmware/cryo/schema.py", "SETTINGS"),
        ("firmware/cryo/metadata.py", "KINDS"),
        ("host_tools/records.py", "verify_chain"),
        ("demand.py", "drive"),
    ):
        assert pair in pairs


@pytest.mark.parametrize("module", sorted(path.stem for path in CRYO.glob("*.py")))
def test_every_module_of_the_firmware_is_in_the_table(module: str) -> None:
    table = PAGE[PAGE.index("| modules |") : PAGE.index("Only `board` knows pins")]
    if module != "__init__" and not module.startswith(("state_", "lang_", "languages")):
        assert f"`{module}`" in table
