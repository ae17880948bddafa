"""Cyclomatic complexity of a function is at most 20."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.source import name_of, python_files, tree_of

MOST = 20
# An interpreter of machine code with one branch for each instruction, in one function for numba.
WHOLE_FILES = frozenset({"hw_sim/emulator/processor.py"})

_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def complexity(function: ast.AST) -> int:
    """McCabe complexity of a function.

    1, plus 1 for each: if and elif, conditional expression, for, while, except, operand of `and`
    and `or` after the first, comprehension's `for` and each of its `if`s, case of a match except a
    bare `case _`. Not counted: with, assert, else, finally. A nested function is counted
    separately; a lambda is not counted.
    """
    count, todo = 1, list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        if isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, _BRANCHES):
            count += 1
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        elif isinstance(node, ast.match_case):
            bare = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None
            count += not bare or node.guard is not None
        todo.extend(ast.iter_child_nodes(node))
    return count


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, including nested ones."""
    return (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS))


PATHS = [
    path
    for folder in ("firmware", "host_tools", "hw_sim")
    for path in python_files(folder)
    if name_of(path) not in WHOLE_FILES
]


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_a_function_is_not_too_complicated(path: Path) -> None:
    over = {
        f"{name_of(path)}:{function.name}": number
        for function in functions_of(tree_of(path))
        if (number := complexity(function)) > MOST
    }
    assert not over, f"more than {MOST}: {over}"


def test_complexity_counts_each_branch() -> None:
    text = """
def f(a, b):
    if a and b:
        return [c for c in a if c]
    elif a:
        with a:
            assert b
    for _ in a:
        try:
            g = lambda: 1 if a else 2
        except ValueError:
            pass
    match a:
        case 1:
            return 1 if b else 2
        case _:
            return 3
"""
    (function,) = functions_of(ast.parse(text))
    assert complexity(function) == 1 + 2 + 2 + 1 + 1 + 1 + 1 + 1
