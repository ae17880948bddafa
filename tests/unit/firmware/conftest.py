"""The pure rooms of the firmware, imported as they are; only `micropython.const` is lent."""

from __future__ import annotations

import sys
from types import ModuleType

if "micropython" not in sys.modules:
    lent = ModuleType("micropython")
    lent.const = lambda value: value  # type: ignore[attr-defined]
    sys.modules["micropython"] = lent
