"""Fold the firmware's constants across its modules when an image is built.

MicroPython folds `const` within a module only. A public constant costs the heap its name, an entry
in its module, and two look-ups in each place that uses it. `folded` puts the number in its place
and makes the constant private, so that mpy-cross leaves it out. Lines stay where they are, so a
traceback names the same line. May import the standard library only.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_PACKAGE = "cryo"


@dataclass
class _Module:
    """A module of the firmware, and the edits that it gets."""

    source: bytes
    tree: ast.Module
    constants: dict[str, int] = field(default_factory=dict[str, int])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    """Local name -> module, of `from cryo import ...` at the top level."""
    edits: list[tuple[int, int, int, bytes]] = field(
        default_factory=list[tuple[int, int, int, bytes]]
    )
    """(line, column, end column, text)."""


def folded(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """The firmware's sources, by path, with `const` integers folded across `cryo/*.py`.

    A constant keeps its public name where something may still look it up: `from cryo.x import
    NAME`, or `.NAME` of an object that is not a module by a top-level import (a module that is
    loaded on demand).
    """
    return dict(_folded(tuple(sorted(sources.items()))))


@functools.lru_cache(maxsize=16)
def _folded(sources: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    modules = {path: _read(source) for path, source in sources if path.endswith(".py")}
    by_name = {
        path.removeprefix(_PACKAGE + "/").removesuffix(".py"): module
        for path, module in modules.items()
        if path.startswith(_PACKAGE + "/")
    }
    looked_up: set[str] = set()
    for module in modules.values():
        visitor = _References(module, by_name)
        visitor.visit(module.tree)
        looked_up |= visitor.looked_up
    for module in by_name.values():
        _hide(module, module.constants.keys() - looked_up)
    return tuple((path, _edited(modules[path]) if path in modules else s) for path, s in sources)


def _read(source: bytes) -> _Module:
    module = _Module(source, ast.parse(source))
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            for alias in node.names:
                module.modules[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _integer(node.value, module.constants)
            if value is not None:
                module.constants[node.targets[0].id] = value
    return module


def _integer(node: ast.expr, constants: Mapping[str, int]) -> int | None:
    """The value of `const(...)` made of integers and of constants before it, else None."""
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "const"):
        return None
    expression = ast.Expression(node.args[0])
    for part in ast.walk(expression):
        known = isinstance(part, ast.Name) and part.id in constants
        integer = isinstance(part, ast.Constant) and type(part.value) is int
        operation = isinstance(
            part, (ast.Expression, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Load)
        )
        if not (known or integer or operation):
            return None
    code = compile(ast.fix_missing_locations(expression), "const", "eval")
    value = eval(code, {"__builtins__": {}}, dict(constants))
    return int(value)


class _References(ast.NodeVisitor):
    """Puts a constant's number where another module names it."""

    def __init__(self, module: _Module, by_name: Mapping[str, _Module]) -> None:
        self.looked_up: set[str] = set()
        """Names that are looked up while the program runs, whatever in."""
        self._module = module
        self._by_name = by_name
        self._shadowed: list[set[str]] = [
            {
                target.id
                for node in module.tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
        ]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A parameter or variable may have a module's name: it is not the module."""
        names = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)} | {
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
        self._shadowed.append(self._shadowed[-1] | names)
        self.generic_visit(node)
        self._shadowed.pop()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module != _PACKAGE:
            self.looked_up.update(alias.name for alias in node.names)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        value = self._value(node)
        if value is None:
            self.looked_up.add(node.attr)
            self.generic_visit(node)
            return
        assert node.end_col_offset is not None
        assert node.lineno == node.end_lineno, "a module and its constant on two lines"
        text = b"%d" % value if value >= 0 else b"(%d)" % value
        self._module.edits.append((node.lineno, node.col_offset, node.end_col_offset, text))

    def _value(self, node: ast.Attribute) -> int | None:
        if not isinstance(node.value, ast.Name) or not isinstance(node.ctx, ast.Load):
            return None
        if node.value.id in self._shadowed[-1]:
            return None
        module = self._by_name.get(self._module.modules.get(node.value.id, ""))
        return None if module is None else module.constants.get(node.attr)


def _hide(module: _Module, names: Iterable[str]) -> None:
    """Make constants private: mpy-cross leaves them out."""
    used: dict[str, list[ast.Name]] = defaultdict(list)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            used[node.id].append(node)
    for name in names:
        if name.startswith("_") or "_" + name in used:
            continue
        for node in used[name]:
            assert node.end_col_offset is not None
            module.edits.append(
                (node.lineno, node.col_offset, node.end_col_offset, b"_" + name.encode())
            )


def _edited(module: _Module) -> bytes:
    lines = module.source.splitlines(keepends=True)
    for line, column, end, text in sorted(module.edits, reverse=True):
        old = lines[line - 1]
        lines[line - 1] = old[:column] + text + old[end:]
    return b"".join(lines)
