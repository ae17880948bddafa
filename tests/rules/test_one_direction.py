"""One direction a tick (docs/architecture.md, "One tick"): who decides, who writes, who reads.

Each rule reads the firmware's syntax trees, so that a decision that is taken in the wrong place
fails here before it fails on a bench.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.source import CRYO, tree_of

MODULES = {path.stem: path for path in sorted(CRYO.glob("*.py"))}
STATES = [path for name, path in MODULES.items() if name.startswith("state_")]
STATE_FUNCTIONS = {"enter", "step", "leave", "follow"}
APP_ATTRIBUTES_MOST = 25

# Who may touch the view: the presenter fills it; menu, sign-in and checklist their own lines; the
# screens draw it.
ASKERS = {"menu", "operators_sign_in", "questions", "cautions", "doctor"}
VIEW_WRITERS = {"presenter"} | ASKERS
VIEW_READERS = {"presenter", "screens", "display"} | ASKERS

# An attribute is written by the module of its class. These are set by one other module, as an
# input of the object: (module of the class, attribute) -> the module that sets it.
INPUTS = {
    ("canvas", "dirty"): "display",
    ("display", "request"): "presenter",  # served
    ("frame", "dropped"): "link",
    ("journal", "utc_s"): "app",
    ("redundant_file", "outcome"): "startup",
    ("sensors", "valid"): "monitors",  # of the skin sensor, when it is not fitted
    ("shot", "enough"): "state_freezing",  # the estimate ends a freeze early, never late
}


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))


def called_by(*ends: str) -> set[str]:
    """Modules with a call of an attribute whose dotted name ends so."""
    return {
        name
        for name, path in MODULES.items()
        for call in calls(path)
        if ("." + ast.unparse(call.func)).endswith(tuple("." + end for end in ends))
    }


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_a_state_is_its_functions_and_its_scratch(path: Path) -> None:
    """Public names of a state: enter, step, leave, follow, and what `enter` resets."""
    tree = tree_of(path)
    public = {node.name for node in functions(tree) if not node.name.startswith("_")}
    assert public <= STATE_FUNCTIONS
    assert "step" in public
    assert not [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def test_there_is_a_row_for_each_state_and_no_module_without_one() -> None:
    table = ast.unparse(tree_of(MODULES["states"]))
    for path in STATES:
        for function in functions(tree_of(path)):
            if function.name in STATE_FUNCTIONS:
                assert f"{path.stem}.{function.name}" in table


def test_only_the_app_makes_a_transition() -> None:
    """A step returns an event; `App._go` alone takes the way that it leads."""
    assert called_by("transitions.way", "machine.enter", "states.enter", "states.leave") == {"app"}
    assert called_by("self._go") == {"app"}
    assert called_by("app._go") == set()


def test_only_the_demand_drives_the_shot() -> None:
    names = {
        node.name
        for node in ast.walk(tree_of(MODULES["shot"]))
        if isinstance(node, ast.FunctionDef)
    }
    drive = ("begin", "purge", "step", "cancel")
    assert names.issuperset(drive)
    ends = [f"shot.{name}" for name in drive] + [f"one_shot.{name}" for name in drive]
    assert called_by(*ends) == {"demand"}


def test_only_the_shot_opens_the_valve() -> None:
    """The board check raises one switch alone (H-29): tests/scenarios/test_doctor.py."""
    assert called_by("open_for", "raise_supply") == {"shot", "doctor"}
    # app: when it crashes
    assert called_by("valve.close", "_valve.close") == {"app", "shot", "doctor"}


def test_the_view_is_filled_by_the_presenter_and_read_by_the_screens() -> None:
    """No decision reads what is only shown."""
    strangers: list[str] = []
    for name, path in MODULES.items():
        by_name = not imports_view(path)
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Attribute):
                continue
            of = node.value
            of_view = (isinstance(of, ast.Attribute) and of.attr == "view") or (
                by_name and isinstance(of, ast.Name) and of.id == "view"
            )
            allowed = VIEW_WRITERS if isinstance(node.ctx, ast.Store) else VIEW_READERS
            if of_view and name not in allowed:
                strangers.append(f"{name}.py:{node.lineno}: {ast.unparse(node)}")
    assert not strangers


def imports_view(path: Path) -> bool:
    """`view` is the module there, with its constants, not the view itself."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "cryo"
        and any(alias.name == "view" and alias.asname is None for alias in node.names)
        for node in ast.walk(tree_of(path))
    )


def own_attributes() -> dict[str, set[str]]:
    """Attribute -> modules whose classes write it by `self`."""
    owners: dict[str, set[str]] = defaultdict(set)
    for name, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            if stored(node) and ast.unparse(node.value) == "self":
                owners[node.attr].add(name)
    return owners


def stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del))


def test_every_attribute_has_one_writing_module() -> None:
    owners = own_attributes()
    used: set[tuple[str, str]] = set()
    strangers: list[str] = []
    for name, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            if not stored(node) or ast.unparse(node.value) == "self":
                continue
            of_view = ast.unparse(node.value).split(".")[-1] == "view"
            if name in owners[node.attr] or (of_view and name in VIEW_WRITERS):
                continue
            keys = {(owner, node.attr) for owner in owners[node.attr]} & INPUTS.keys()
            if any(INPUTS[key] == name for key in keys):
                used |= keys
                continue
            strangers.append(f"{name}.py:{node.lineno}: {ast.unparse(node)}")
    assert not strangers
    assert used == INPUTS.keys(), "an input that nobody sets"


def test_a_modules_globals_are_its_own() -> None:
    """What is `global` in a module is rebound by that module only."""
    strangers = [
        f"{name}.py:{node.lineno}: {ast.unparse(node)}"
        for name, path in MODULES.items()
        for node in ast.walk(tree_of(path))
        if stored(node)
        and ast.unparse(node.value) in MODULES
        and ast.unparse(node.value) != "view"
        and ast.unparse(node.value) not in parameters(path)
    ]
    assert not strangers


def parameters(path: Path) -> set[str]:
    """Names of parameters and locals: `summary` may be an object, not the module."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_the_app_is_no_box_for_everything() -> None:
    app = next(
        node
        for node in tree_of(MODULES["app"]).body
        if isinstance(node, ast.ClassDef) and node.name == "App"
    )
    attributes = {
        node.attr
        for node in ast.walk(app)
        if isinstance(node, ast.Attribute) and stored(node) and ast.unparse(node.value) == "self"
    }
    assert len(attributes) <= APP_ATTRIBUTES_MOST, sorted(attributes)
