"""A module of MicroPython's port, and what the modules may ask of the import system.

May import the standard library, `errors` and `names`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol

from hw_sim.fakes.errors import NotModelled
from hw_sim.fakes.names import MODULES


class Imports(Protocol):
    """The import system of one boot, as its modules see it (`loader.Loader`)."""

    modules: dict[str, ModuleType]
    constants: dict[str, frozenset[str]]

    def run_main(self) -> None: ...
    def traceback(self, error: BaseException) -> str: ...


class BuiltinModule(ModuleType):
    """A module of the port. A name it lacks is an AttributeError; one that MicroPython has and
    the fake does not is NotModelled."""

    def __getattr__(self, name: str) -> Any:
        if name in MODULES.get(self.__name__, ()):
            raise NotModelled(f"{self.__name__}.{name}")
        raise AttributeError(f"'module' object has no attribute '{name}'")


def module(name: str, **contents: Any) -> ModuleType:
    """A module of the port with `contents`, each of which MicroPython must have too."""
    made = BuiltinModule(name)
    known = MODULES[name]
    for key, value in contents.items():
        if key not in known:
            raise AssertionError(f"MicroPython 1.23 has no {name}.{key}")
        setattr(made, key, value)
    return made
