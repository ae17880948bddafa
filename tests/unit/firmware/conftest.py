"""Imports the firmware's modules unchanged, with a stub of `micropython.const`, and of the garbage
collector: CPython's would traverse all objects of the tests, which takes seconds."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

if "micropython" not in sys.modules:
    stub = ModuleType("micropython")
    stub.const = lambda value: value  # type: ignore[attr-defined]
    sys.modules["micropython"] = stub

from cryo import on_demand, texts

for module in (texts, on_demand):
    module.gc = SimpleNamespace(collect=lambda: None)  # type: ignore[attr-defined]
