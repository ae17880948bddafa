"""Limits the number of interned names, whose memory is never freed (`compiled` in
hw_sim/image/micropython.py): H-12."""

from __future__ import annotations

import ast

import pytest

from hw_sim.bench import FIRMWARE
from hw_sim.image import constants, micropython
from tests.rules.source import table

# Limit of the names in the compiled firmware, about 120 of MicroPython's own included. At about
# 1330 names (1260 that are not its own, 50 of them created at run time) the interpreter's table
# doubles, which costs 9 kB of heap.
MOST = 1310


def number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of a .mpy at `at`, seven bits a byte, and the offset behind it."""
    value = 0
    while True:
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at


def names_of(mpy: bytes) -> set[str]:
    """The names in a .mpy (version 6)."""
    assert mpy[:2] == b"M\x06"
    count, at = number(mpy, 4)
    _, at = number(mpy, at)
    names: set[str] = set()
    for _ in range(count):
        size, at = number(mpy, at)
        if size & 1:  # the number of a name built into MicroPython
            continue
        names.add(mpy[at : at + size // 2].decode())
        at += size // 2 + 1
    return names


@pytest.mark.slow
def test_the_firmware_has_not_too_many_names() -> None:
    files = micropython.firmware_files(FIRMWARE, mpy=True)
    names = {path: names_of(data) for path, data in files.items() if path.endswith(".mpy")}
    every = set().union(*names.values())
    assert {"App", "heap_free", "lang_zh"} <= every
    assert len(every) <= MOST, len(every)


SOURCE = b"""\
_SIZE = const(3)
_table = [1]
TABLE = _table  # _table

def _first(_SIZE, x=_table):
    _local = x._first
    return _second(_local)

@native
def _second(_first_of):
    return "_first", _table

class Thing:
    def __init__(self, other):
        self._field = other
        self._table = (self
            ._field)

    def _first(self):
        return self._first(_first), self._field
"""


def test_private_names_are_shared_and_nothing_else_changes() -> None:
    source = micropython.with_few_names(SOURCE).decode()
    assert (
        source
        == """\
_SIZE = const(3)
_2 = [1]
TABLE = _2  # _table

def _0(_SIZE, x=_2):
    _local = x._first
    return _1(_local)

@native
def _1(_first_of):
    return "_first", _2

class Thing:
    def __init__(self, other):
        self._0 = other
        self._1 = (self
            ._0)

    def _first(self):
        return self._first(_0), self._0
"""
    )


def test_a_field_of_a_class_with_a_foreign_base_keeps_its_name() -> None:
    source = b"class Own(other.Base):\n    def __init__(self):\n        self._field = 1\n"
    assert micropython.with_few_names(source) == source


def test_global_takes_no_private_name() -> None:
    source = b"_count = 0\n\ndef f():\n    global _count\n    _count = 1\n"
    with pytest.raises(ValueError, match="line 4"):
        micropython.with_few_names(source)


@pytest.mark.parametrize("path", sorted(FIRMWARE.rglob("*.py")), ids=lambda path: path.name)
def test_a_private_field_is_known_to_its_own_module_only(path) -> None:
    """Otherwise it would be renamed in one module and not in the other."""
    tree = ast.parse(path.read_bytes())
    own = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    } | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1] != "_":
            assert node.attr in own, ast.unparse(node)


@pytest.mark.parametrize("path", sorted(FIRMWARE.rglob("*.py")), ids=lambda path: path.name)
def test_no_function_has_a_name_of_its_own_that_the_module_has_too(path) -> None:
    """Otherwise one would be renamed with the other. No other module uses a private name."""
    source = path.read_bytes()
    tree = ast.parse(source)
    top = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    top |= {
        node.id for row in tree.body if isinstance(row, ast.Assign)
        for node in row.targets if isinstance(node, ast.Name)
    }  # fmt: skip
    inside = {
        node.id
        for row in tree.body if isinstance(row, (ast.FunctionDef, ast.ClassDef))
        for node in ast.walk(row)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }  # fmt: skip
    inside |= {node.arg for row in tree.body for node in ast.walk(row) if isinstance(node, ast.arg)}
    private = {name for name in top if name.startswith("_")}
    assert not private & inside
    modules = {alias.asname or alias.name for row in tree.body
               if isinstance(row, ast.ImportFrom) for alias in row.names}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in modules:
                assert not node.attr.startswith("_"), ast.unparse(node)


TABLE = b"""\
FIRST = const(1)
SECOND = const(FIRST << 2)
TEXT = const("three")
DOWN = const(-4)
BY_NAME = const(5)
LATER = const(6)
_OWN = const(7)
OWN = const(8)

def both(first):
    return FIRST, DOWN, first
"""

USER = b"""\
from cryo import other, table, table as rows
from cryo.table import BY_NAME

def used(app, other):
    # table.FIRST in words stays
    return table.FIRST + rows.DOWN, table.TEXT, table.SECOND if app else BY_NAME, table.OWN

def shadowed(table):
    return table.FIRST, [other.LATER for other in app]
"""


def test_a_constant_is_folded_where_another_module_names_it() -> None:
    out = constants.folded({"main.py": b"", "cryo/table.py": TABLE, "cryo/user.py": USER})
    assert (
        out["cryo/user.py"].decode()
        == """\
from cryo import other, table, table as rows
from cryo.table import BY_NAME

def used(app, other):
    # table.FIRST in words stays
    return 1 + (-4), table.TEXT, 4 if app else BY_NAME, 8

def shadowed(table):
    return table.FIRST, [other.LATER for other in app]
"""
    )
    # Private, so not on the board: what nothing can look up any more.
    assert (
        out["cryo/table.py"].decode()
        == """\
FIRST = const(1)
_SECOND = const(FIRST << 2)
TEXT = const("three")
_DOWN = const(-4)
BY_NAME = const(5)
LATER = const(6)
_OWN = const(7)
OWN = const(8)

def both(first):
    return FIRST, _DOWN, first
"""
    )


class Valued(ast.NodeTransformer):
    """Puts its value in place of each constant of another module, by the rules' own reader."""

    def __init__(self, tree: ast.Module) -> None:
        self.modules = {
            alias.asname or alias.name: alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module == "cryo"
            for alias in node.names
        }
        self.values = 0

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        module = self.modules.get(ast.unparse(node.value))
        if module is not None and node.attr.isupper():
            try:
                value = table(module, node.attr)
            except (KeyError, ValueError):
                value = None
            if type(value) is int:
                self.values += 1
                return ast.parse(f"({value})", mode="eval").body
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(node.id.lstrip("_"), node.ctx)


@pytest.mark.slow
def test_the_firmware_means_the_same_with_its_constants_folded() -> None:
    sources = {
        path.relative_to(FIRMWARE).as_posix(): path.read_bytes()
        for path in sorted(FIRMWARE.rglob("*.py"))
    }
    values = 0
    for name, source in constants.folded(sources).items():
        assert len(source.splitlines()) == len(sources[name].splitlines())
        trees = [ast.parse(sources[name]), ast.parse(source)]
        visitors = [Valued(tree) for tree in trees]
        before, after = (v.visit(tree) for v, tree in zip(visitors, trees, strict=True))
        assert ast.dump(before) == ast.dump(after), name
        values += visitors[0].values - visitors[1].values
    assert values > 500
