"""The firmware's tables, read from its source; nothing of it is run.

May import the standard library only.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any


def table(cryo: Path, module: str, name: str) -> Any:
    """The value that a module of the firmware in folder `cryo` binds to a name.

    KeyError: it binds no such name. ValueError: the value is not plain (`tables`).
    """
    value = _bound(cryo, module)[name]
    if isinstance(value, ValueError):
        raise value
    return value


def tables(cryo: Path, module: str) -> dict[str, Any]:
    """All plain values that a module of the firmware in folder `cryo` binds, by name.

    Plain: numbers, texts, bytes, `const(...)`, tuples of these, and names bound before, also in
    another module.
    """
    bound = _bound(cryo, module)
    return {name: value for name, value in bound.items() if not isinstance(value, ValueError)}


@cache
def _bound(cryo: Path, module: str) -> dict[str, Any]:
    """Name -> value, or the ValueError that says why there is none."""
    bound: dict[str, Any] = {}

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name) if name in bound and not isinstance(bound[name], ValueError):
                return bound[name]
            case ast.Tuple():
                return tuple(value(item) for item in node.elts)
            case ast.UnaryOp(op=ast.USub()):
                return -value(node.operand)
            case ast.Attribute(value=ast.Name(id=other)) if (cryo / f"{other}.py").exists():
                return table(cryo, other, node.attr)
            case ast.Call(func=ast.Name(id="const")):
                return value(node.args[0])
            case _:
                raise ValueError(f"{module}.py: not a plain table: {ast.unparse(node)}")

    for node in ast.parse((cryo / f"{module}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                bound[node.targets[0].id] = value(node.value)
            except (KeyError, ValueError) as error:
                bound[node.targets[0].id] = ValueError(*error.args)
    return bound
