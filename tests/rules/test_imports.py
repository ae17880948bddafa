"""Permitted imports between modules (docs/architecture.md, "The house")."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.source import (
    CRYO,
    FIRMWARE,
    firmware_files,
    imports_of,
    name_of,
    python_files,
    text_of,
    tree_of,
)

# The modules of firmware/cryo in order: a module may import the modules before it, and the
# MicroPython modules in its row. A new module gets a row here.
PURE = frozenset({"micropython", "array", "struct"})
MODULES: dict[str, frozenset[str]] = {
    "frame": frozenset(),  # the host imports it too
    "fonts": frozenset(),
    "languages": frozenset(),
    "lang_en": frozenset(),
    "lang_zh": frozenset(),
    "texts": PURE | {"gc", "sys"},  # it also loads a lang_* by its name
    "faults": PURE,
    "schema": PURE,
    "buttons": PURE,
    "sensors": PURE,
    "clock": PURE,
    "transitions": PURE,
    "applicators": PURE,
    "dose": PURE,
    "estimate": PURE,  # loaded on demand
    "witness": PURE,  # loaded on demand
    "profiles": PURE,
    "checklist": PURE,
    "screening_items": PURE,  # loaded on demand
    "interlocks": PURE,
    "closing": PURE,
    "valve": frozenset({"rp2", "micropython"}),
    "shot": PURE,
    "plan": PURE,
    "on_demand": frozenset({"gc", "sys"}),
    "redundant_file": PURE | {"binascii", "os"},
    "settings": PURE,
    "practice_items": PURE | {"binascii"},  # loaded on demand
    "calibration_table": PURE | {"binascii"},  # loaded on demand
    "calibration_store": PURE,  # loaded on demand
    "calibration": PURE,
    "journal": PURE | {"hashlib", "os"},
    "journal_recovery": PURE | {"os"},  # loaded on demand
    "link": PURE | {"binascii", "json"},
    "view": PURE,
    "canvas": PURE | {"binascii", "framebuf"},
    "screens": PURE,
    "display": PURE,
    "sounder": PURE,
    "drivers": PURE,
    "infrared": PURE,  # loaded on demand
    "clock_chip": PURE,  # loaded on demand
    "board": PURE | {"machine", "time", "sys", "select", "binascii"},
    "value_format": PURE,  # loaded on demand
    "summary": PURE,
    "refusal": PURE,
    "operators": PURE,
    "operators_store": PURE | {"hashlib", "os"},  # loaded on demand
    "setting_ranges": PURE,  # loaded on demand
    "setting_changes": PURE,
    "observation": PURE,
    "monitors": PURE,
    "demand": PURE,
    "replies": frozenset(),
    "confirm": PURE,  # loads calibration_commands on demand
    "calibration_commands": PURE,  # loaded on demand
    "checklist_commands": PURE,  # loaded on demand
    "operators_commands": PURE,  # loaded on demand
    "journal_release": PURE | {"binascii", "os"},  # loaded on demand
    "maintenance_command": PURE,  # loaded on demand
    "time_command": PURE,  # loaded on demand
    "commands": PURE | {"binascii", "gc"},  # loads metadata and the handlers around it on demand
    "journal_stream": PURE | {"binascii"},  # loaded on demand
    "verdict": PURE,  # loaded on demand
    "arming": PURE | {"gc"},
    "arming_refusal": PURE,  # loaded on demand
    "cautions": PURE,  # loaded on demand
    "menu": PURE,  # loaded on demand
    "operators_sign_in": PURE,  # loaded on demand
    "doctor": PURE,  # loaded on demand
    "state_selftest": PURE,
    "state_ready": PURE | {"gc"},
    "doctor_command": PURE,  # loaded on demand
    "questions": PURE,  # loaded on demand
    "state_screening": PURE,
    "state_prechill": PURE | {"gc"},
    "state_armed": PURE,
    "state_freezing": PURE,
    "state_thawing": PURE,
    "state_fault": PURE,
    "actions": PURE,
    "states": PURE,
    "fault_texts": frozenset(),  # loaded on demand
    "metadata": PURE,  # loaded on demand
    "presenter": PURE,
    "startup": PURE,  # loaded on demand
    "app": PURE | {"gc", "sys"},
}
# The control path: the modules that decide whether the valve may be open.
CONTROL_PATH = (
    "buttons", "sensors", "interlocks", "dose", "estimate", "transitions", "shot", "valve",
)  # fmt: skip

OUR_PACKAGES = ("hw_sim", "host_tools", "tests")
# Words that must not occur in firmware/: it must not depend on the simulator.
SIMULATOR_WORDS = re.compile(
    r"hw_sim|host_tools|simulat|emulat|rp2040py|cpython|pytest|\bbench\b|\bfakes?\b|\bmock|\bsim\b",
    re.IGNORECASE,
)
# str, bytes and int methods of CPython that MicroPython 1.23 lacks.
LACKING = frozenset(
    {
        "bit_count", "bit_length", "capitalize", "casefold", "expandtabs", "format_map",
        "fromhex", "isalnum", "isascii", "isdecimal", "isidentifier", "isnumeric", "isprintable",
        "ljust", "maketrans", "removeprefix", "removesuffix", "rjust", "swapcase", "translate",
        "zfill",
    }
)  # fmt: skip

each_firmware_file = pytest.mark.parametrize("path", firmware_files(), ids=name_of)


@each_firmware_file
def test_modules_import_only_downward(path: Path) -> None:
    order = list(MODULES)
    if path == FIRMWARE / "main.py":
        own = {"cryo.app", "cryo.board"}
        assert imports_of(path) <= own | {
            "binascii", "gc", "micropython", "machine", "json", "os", "sys", "time",
        }  # fmt: skip
        return
    if path.name == "__init__.py":
        assert not imports_of(path)
        return
    name = path.stem
    assert name in MODULES, f"{name}.py has no row in MODULES: add one at its place in the order"
    below = {f"cryo.{other}" for other in order[: order.index(name)]}
    own = {module for module in imports_of(path) if module.startswith("cryo")}
    # `from cryo import VERSION`: the package itself defines the version.
    own -= {"cryo.VERSION", "cryo.VERSION_NUMBER"}
    assert own <= below, f"{name}.py imports upward: {sorted(own - below)}"
    others = imports_of(path) - own - {"cryo.VERSION", "cryo.VERSION_NUMBER"}
    assert others <= MODULES[name], f"{name}.py may not import {sorted(others - MODULES[name])}"


@each_firmware_file
def test_one_module_uses_the_pins_and_one_the_pio(path: Path) -> None:
    # main.py reads pins and registers before it imports cryo (its docstring says why).
    allowed = {
        "machine": {"board.py", "main.py"},
        "time": {"board.py", "main.py"},  # time is passed in; only board reads it
        "rp2": {"valve.py"},
    }
    for module, files in allowed.items():
        if module in imports_of(path):
            assert path.name in files, f"{name_of(path)} imports {module}"


def constants_of(path: Path) -> dict[str, int]:
    """The numbers that a file defines with `const`."""
    return {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in tree_of(path).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "const"
    }


def test_main_and_board_use_the_same_constants() -> None:
    """main.py reads two pins and two scratch registers itself; they must be those of board.py."""
    board, main = constants_of(CRYO / "board.py"), constants_of(FIRMWARE / "main.py")
    for name, board_name in (
        ("_UP", "_UP"),
        ("_DOWN", "_DOWN"),
        ("_MARK", "_MARK"),
        ("_STARTS", "_STARTS"),
        ("_DOING", "_DOING"),
        ("_MAINTENANCE", "MAINTENANCE"),
        ("_WATCHDOG_RESET", "WATCHDOG_RESET"),
    ):
        assert main[name] == board[board_name], name


@pytest.mark.hazard("H-11")
def test_main_imports_nothing_of_cryo_before_it_has_asked() -> None:
    """H-11: a truncated .mpy can hang on import, so no import of cryo may come first."""
    body = tree_of(FIRMWARE / "main.py").body
    top = {ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))}
    assert not any("cryo" in line for line in top)
    ask = "why = why or start_blocked_by()"
    asked = next(i for i, node in enumerate(body) if ast.unparse(node) == ask)
    (choice,) = body[asked + 1 :]
    assert isinstance(choice, ast.If)
    assert ast.unparse(choice.test) == "why"
    assert "cryo." not in ast.unparse(ast.Module(choice.body, []))
    assert "cryo.app" in ast.unparse(ast.Module(choice.orelse, []))


@each_firmware_file
def test_firmware_does_not_know_that_it_is_simulated(path: Path) -> None:
    words = SIMULATOR_WORDS.findall(text_of(path))
    assert not words, f"{name_of(path)} mentions {words}"
    for module in imports_of(path):
        assert module.split(".")[0] not in OUR_PACKAGES


@each_firmware_file
def test_firmware_uses_no_method_that_micropython_lacks(path: Path) -> None:
    used = {
        node.func.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not used & LACKING


@pytest.mark.parametrize("name", CONTROL_PATH)
def test_control_path_is_integer_and_cannot_raise(name: str) -> None:
    """No float (allocates, rounds), no f-string (allocates), no try and raise (hidden paths)."""
    for node in ast.walk(tree_of(CRYO / f"{name}.py")):
        where = f"{name}.py:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), (
            f"{where}: float literal"
        )
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), f"{where}: /"
        assert not (isinstance(node, ast.Name) and node.id == "float"), f"{where}: float"
        assert not isinstance(node, ast.JoinedStr), f"{where}: f-string"
        assert not isinstance(node, (ast.Try, ast.Raise, ast.Assert)), (
            f"{where}: {type(node).__name__.lower()}"
        )
        assert not isinstance(
            node, (ast.Lambda, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
        ), f"{where}: {type(node).__name__} allocates"
        assert not isinstance(node, (ast.Yield, ast.Await, ast.AsyncFunctionDef)), f"{where}: async"


def callers_of(method: str) -> set[str]:
    """Modules in which `….method(` is called."""
    return {
        path.stem
        for path in firmware_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


@pytest.mark.hazard("H-04", "H-12")
def test_one_module_opens_the_valve_and_it_is_not_the_link() -> None:
    """H-12: no request on the link can open the valve. H-04

    The board check has one switch on at a time, never both (H-29, tests/scenarios/test_doctor.py).
    """
    for name in ("open_for", "hold_supply", "raise_supply"):
        assert callers_of(name) == {"shot", "doctor"}


def feeds(node: ast.AST) -> list[ast.Call]:
    """Calls of the board's `feed` under a node."""
    return [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("board.feed")
    ]


@pytest.mark.hazard("H-11")
def test_the_watchdog_is_fed_after_a_whole_tick_only() -> None:
    """H-11: a loop inside a tick cannot keep a hung device alive.

    It is also fed once after each step of the start-up; no other loop feeds it.
    """
    calls = {
        function.name: feeds(function)
        for path in firmware_files()
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef) and feeds(function)
    }
    assert set(calls) == {"start", "_loop"}
    app = CRYO / "app.py"
    loops = [n for n in ast.walk(tree_of(app)) if isinstance(n, (ast.While, ast.For)) and feeds(n)]
    assert len(loops) == 1, "one loop feeds the watchdog"
    lines = [ast.unparse(statement) for statement in loops[0].body]
    assert lines.index("board.feed()") == 1 + lines.index("self.tick(ticks_ms())")
    assert len(calls["_loop"]) == 1


@pytest.mark.parametrize("path", python_files("host_tools"), ids=name_of)
def test_host_takes_from_the_firmware_only_the_frame_code(path: Path) -> None:
    from_firmware = {m for m in imports_of(path) if m.split(".")[0] in {"cryo", "main", "firmware"}}
    assert from_firmware <= {"cryo.frame"}


@pytest.mark.parametrize("path", python_files("hw_sim"), ids=name_of)
def test_simulator_takes_nothing_from_firmware_or_host(path: Path) -> None:
    """It launches the firmware's files; comparing a constant with itself would prove nothing.

    The alternative designs run on the emulated board, beside valve.py: they may import it.
    """
    allowed = {"cryo.valve"} if "designs" in path.parts else set[str]()
    imports = {
        m
        for m in imports_of(path)
        if m.split(".")[0] in {"cryo", "main", "firmware", "host_tools", "tests"}
    }
    assert imports <= allowed


# The folders of the simulator (and its top modules) in order: each imports only those before it;
# the modules of `world` have their own order. A new folder gets a row here.
FLOORS = (
    "world.clock", "world.bus_traffic", "world.plant", "world.parts", "world.wiring",
    "world.fault_injection", "world.trace", "plotting", "electrical", "figure_table", "pio_loops",
    "image", "fakes", "bench", "emulator", "dose", "demo", "web", "benchmarks", "evidence",
    "artwork", "protocol_sim",
)  # fmt: skip


def floor_of(module: str) -> int:
    """Position of a module of the simulator in FLOORS."""
    parts = module.split(".")[1:]
    name = ".".join(parts[:2]) if parts[0] == "world" else parts[0]
    return FLOORS.index(name)


def module_of(path: Path) -> str:
    """A file's dotted name; a package is named by its folder."""
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules_imported(path: Path, known: frozenset[str]) -> set[str]:
    """The modules of `known` that a file imports; a package only if a name of it is imported."""
    modules: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= (names & known) | ({node.module} if names - known else set())
    return (modules & known) - {module_of(path)}


SIMULATOR = python_files("hw_sim")
SIMULATOR_MODULES = frozenset(module_of(path) for path in SIMULATOR)


@pytest.mark.parametrize("path", SIMULATOR, ids=name_of)
def test_simulator_imports_only_downward(path: Path) -> None:
    """Physics imports no electronics, electronics no processor, and neither imports drawing."""
    own = module_of(path)
    if own in ("hw_sim", "hw_sim.world"):
        assert not modules_imported(path, SIMULATOR_MODULES)
        return
    above = {
        module
        for module in modules_imported(path, SIMULATOR_MODULES)
        if module not in ("hw_sim", "hw_sim.world") and floor_of(module) > floor_of(own)
    }
    assert not above, f"{own} imports upward: {sorted(above)}"


@pytest.mark.parametrize("folder", ["hw_sim", "host_tools"])
def test_there_are_no_circular_imports(folder: str) -> None:
    """Includes imports inside functions."""
    files = python_files(folder)
    known = frozenset(module_of(path) for path in files)
    arrows = {module_of(path): modules_imported(path, known) for path in files}
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(arrows[module]):
                walk(other, [*path, module])
            done.add(module)

    for module in sorted(arrows):
        walk(module, [])


@pytest.mark.parametrize("path", SIMULATOR, ids=name_of)
def test_only_the_page_imports_its_server(path: Path) -> None:
    servers = {m.split(".")[0] for m in imports_of(path)}
    servers &= {"nicegui", "starlette", "fastapi", "uvicorn"}
    allowed = {"hw_sim/web/page.py": {"nicegui"}, "hw_sim/web/live.py": {"starlette"}}
    assert servers <= allowed.get(name_of(path), set())


def test_the_command_line_loads_nothing_heavy() -> None:
    """`cryo --help` is fast because libraries are imported where they are used."""
    heavy = {
        "numpy", "matplotlib", "scipy", "PIL", "rich", "serial", "sqlite3", "rp2040py", "nicegui",
    }  # fmt: skip
    code = "import sys, host_tools.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "host_tools.cli" in loaded
    assert not loaded & (heavy | {"hw_sim", "cryo"})
