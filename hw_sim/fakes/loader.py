"""The firmware's Python: loaded from the simulated flash, afresh at every boot.

May import: the standard library and its own package. Each boot has its own modules, its own
`__import__` and its own builtins, which are those that MicroPython 1.23 has on this board; nothing
appears in CPython's `sys.modules`, so several benches run side by side. Compiled code is kept by
content, and bears the name of the file it came from, so tracebacks and coverage point there. What
was read of a flash is kept by the flash's content.

Before it runs, each file is looked through for what CPython would accept and MicroPython would
not: methods that its built-in types lack, and names that `const` keeps inside their module.

Not modelled: `.mpy` files, memory (the heap is endless), 32-bit floats, the recursion limit, the
`boot.py` that does not exist.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from hw_sim.fakes.chip import Boot
from hw_sim.fakes.errors import ChipMisuse, NotModelled
from hw_sim.fakes.modules import Port
from hw_sim.fakes.names import METHODS, MODULES

_TYPES = (int, str, bytes, bytearray, list, dict, tuple, set, frozenset, float, memoryview)
# Methods that a CPython type has and that no type or module of MicroPython on this board has.
_ONLY_CPYTHON = frozenset(
    name for kind in _TYPES for name in dir(kind) if not name.startswith("__")
) - frozenset(METHODS)


_DEFINED = re.compile(r"\bdef (\w+)|\bself\.(?=\w+ = )(\w+)")
_PRIVATE = re.compile(r"\b([A-Za-z]\w*)\._(?!_)(\w+)")


@lru_cache(maxsize=512)
def _compile(
    source: str, filename: str
) -> tuple[CodeType, frozenset[str], tuple[tuple[str, int], ...]]:
    """The code of a file, its `const` names, and the methods (name, line) that MicroPython lacks.

    ChipMisuse for private names of other modules.
    """
    tree = ast.parse(source, filename)
    constants: set[str] = set()
    imported: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            imported |= {a.asname or a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {a.asname or a.name for a in node.names}
            for alias in node.names:
                if alias.name.startswith("_") and not alias.name.startswith("__"):
                    _refuse(filename, node, f"{alias.name} does not exist outside its module")
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
            and node.value.func.id == "const"
        ):
            constants |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    code = compile(tree, filename, "exec")
    private = any(found[1] in imported for found in _PRIVATE.finditer(source))
    lacking: tuple[tuple[str, int], ...] = ()
    if private or not _ONLY_CPYTHON.isdisjoint(_names(code)):
        lacking = _look_closer(tree, filename, imported)
    return code, frozenset(constants), lacking


def _names(code: CodeType) -> Iterator[str]:
    """Every global and attribute name that a program uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _look_closer(
    tree: ast.Module, filename: str, imported: set[str]
) -> tuple[tuple[str, int], ...]:
    """Attributes that only CPython's types have; refuses private names of another module."""
    lacking: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr in _ONLY_CPYTHON:
            lacking.append((node.attr, node.lineno))
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in imported
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ):
            _refuse(filename, node, f"{node.attr} may be a const, which is not in its module")
    return tuple(lacking)


def _refuse(filename: str, node: ast.AST, words: str) -> NoReturn:
    raise ChipMisuse(f"{filename}:{getattr(node, 'lineno', 0)}: {words}")


@lru_cache(maxsize=512)
def _defined(source: str) -> frozenset[str]:
    """The methods and attributes that a file defines."""
    return frozenset(a or b for a, b in _DEFINED.findall(source))


@dataclass(slots=True)
class _Read:
    """What loaders have read from a flash, for the next one to find."""

    files: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    """By path; None: there is no such file."""
    own: frozenset[str] | None = None
    """The methods and attributes that all of its programs define."""


@lru_cache(maxsize=8)
def _read_before(_image: bytes) -> _Read:
    """What was read from a flash of this content, or nothing yet.

    littlefs reads a few bytes at a time, so the modules of one start cost 8 ms; finding the
    image again costs 0.4 ms.
    """
    return _Read()


def _host_text(path: str) -> str:
    """A file of the host, read again when its time or size has changed (as `linecache` does)."""
    status = os.stat(path)
    return _host_text_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=512)
def _host_text_of(path: str, _mtime_ns: int, _size: int) -> str:
    return Path(path).read_text()


class Loader:
    """The import system of one boot."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.modules: dict[str, ModuleType] = {}
        self.constants: dict[str, frozenset[str]] = {}
        self.files: set[str] = set()
        self._own: frozenset[str] | None = None
        flash = boot.chip.flash
        self._read_at = flash.operations
        self._read = _read_before(flash.image())
        port = Port(boot, self)
        self.port = port.modules
        self.builtins = port.builtins()
        self.builtins["__import__"] = self._import
        self.builtins["__build_class__"] = builtins.__build_class__

    # -- files

    def _file(self, path: str) -> bytes | None:
        files = self._known().files
        if path not in files:
            filesystem = self.boot.filesystem
            assert filesystem is not None
            try:
                files[path] = filesystem.read_file(path)
            except OSError:
                files[path] = None
        return files[path]

    def _known(self) -> _Read:
        """What has been read from this flash, as long as it is as this boot has found it."""
        return self._read if self.boot.chip.flash.operations == self._read_at else _Read()

    def _source(self, path: str) -> str | None:
        content = self._file(path)
        return None if content is None else content.decode()

    def _own_attributes(self) -> frozenset[str]:
        """Every method and attribute that the firmware's own files define."""
        if self._own is None:
            known = self._known()
            if known.own is None:
                filesystem = self.boot.filesystem
                assert filesystem is not None
                texts = (self._source(p) for p, _size in filesystem.files() if p.endswith(".py"))
                known.own = frozenset[str]().union(*(_defined(text) for text in texts if text))
            self._own = known.own
        return self._own

    def _execute(self, made: ModuleType, path: str, source: str) -> None:
        host = self.boot.chip.sources.get(path.lstrip("/"))
        filename = path
        if host is not None and _host_text(host) == source:
            filename = host
        self.files.add(filename)
        code, constants, lacking = _compile(source, filename)
        for attribute, line in lacking:
            if attribute not in self._own_attributes():
                raise ChipMisuse(f"{filename}:{line}: MicroPython has no method {attribute}()")
        self.constants[made.__name__] = constants
        namespace = made.__dict__
        namespace["__builtins__"] = self.builtins
        namespace["__file__"] = path
        exec(code, namespace)

    def run_main(self) -> None:
        """Execute /main.py, if there is one."""
        source = self._source("/main.py")
        if source is None:
            return
        main = ModuleType("__main__")
        self.modules["__main__"] = main
        self._execute(main, "/main.py", source)

    # -- import

    def _load(self, name: str) -> ModuleType:
        found = self.modules.get(name)
        if found is not None:
            return found
        port = self.port.get(name)
        if port is not None:
            self.modules[name] = port
            return port
        parent, _, leaf = name.rpartition(".")
        if parent:
            self._load(parent)
        base = "/" + name.replace(".", "/")
        for path, package in ((base + "/__init__.py", True), (base + ".py", False)):
            source = self._source(path)
            if source is None:
                continue
            made = ModuleType(name)
            if package:
                made.__path__ = [base]
            self.modules[name] = made
            try:
                self._execute(made, path, source)
            except BaseException:
                self.modules.pop(name, None)
                raise
            if parent:
                setattr(self.modules[parent], leaf, made)
            return made
        if name in MODULES:
            raise NotModelled(f"module {name}")
        raise ImportError(f"no module named '{name}'")

    def _import(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: dict[str, Any] | None = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level:
            package = (globals or {}).get("__name__", "")
            if "__path__" not in (globals or {}):
                package = package.rpartition(".")[0]
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            name = f"{package}.{name}" if name else package
        found = self._load(name)
        if not fromlist:
            return self._load(name.partition(".")[0])
        for item in fromlist:
            if item != "*" and hasattr(found, "__path__") and not hasattr(found, item):
                self._load(f"{name}.{item}")
        return found

    # -- errors

    def traceback(self, error: BaseException) -> str:
        """The error as MicroPython prints it, with the firmware's frames only."""
        lines = ["Traceback (most recent call last):\n"]
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in self.files:
                lines.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n')
        text = str(error)
        lines.append(type(error).__name__ + (f": {text}" if text else "") + "\n")
        return "".join(lines)
