"""The firmware's rooms, imported as they are. Lent are `micropython.const`, and a collector that
does nothing: CPython's goes through all that the tests have loaded, for seconds."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

if "micropython" not in sys.modules:
    lent = ModuleType("micropython")
    lent.const = lambda value: value  # type: ignore[attr-defined]
    sys.modules["micropython"] = lent

from cryo import on_demand, texts

for module in (texts, on_demand):
    module.gc = SimpleNamespace(collect=lambda: None)  # type: ignore[attr-defined]
