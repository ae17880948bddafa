"""Access to the project's source as text and syntax trees, for the rules. Does not run it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from hw_sim.image import firmware_tables

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
CRYO = FIRMWARE / "cryo"

HAZARD = re.compile(r"\bH-\d\d\b")


def firmware_files() -> list[Path]:
    """Every Python file that is installed on the board, `main.py` first."""
    return [FIRMWARE / "main.py", *sorted(CRYO.rglob("*.py"))]


def python_files(*folders: str) -> list[Path]:
    """Every Python file under these top-level folders (those that exist)."""
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def name_of(path: Path) -> str:
    """A file's path inside the project, for messages and test ids."""
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path), filename=str(path))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Full dotted names of all imports in a file: `os`, `cryo.frame`, …

    `from cryo import faults` gives `cryo.faults`; `from micropython import const` gives
    `micropython` (for packages other than our own, the package itself).
    """
    names: set[str] = set()
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # relative: only host_tools and hw_sim may use it
                base = package[: len(package) - node.level + 1]
                module = ".".join([*base, *([module] if module else [])])
            if module in {"cryo", "hw_sim", "host_tools"}:
                names.update(f"{module}.{alias.name}" for alias in node.names)
            else:
                names.add(module)
    return frozenset(names)


def table(module: str, name: str) -> Any:
    """The value of a module-level table of the firmware, evaluated from its source.

    Supports numbers, strings, `const(...)`, tuples, and previously defined names.
    """
    return firmware_tables.table(CRYO, module, name)
