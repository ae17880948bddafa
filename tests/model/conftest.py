"""The firmware's tables and the estimate are imported as they are: `micropython` is lent."""

from __future__ import annotations

import sys
from types import ModuleType

lent = sys.modules.setdefault("micropython", ModuleType("micropython"))
lent.const = lambda value: value  # type: ignore[attr-defined]
lent.native = lambda function: function  # type: ignore[attr-defined]
