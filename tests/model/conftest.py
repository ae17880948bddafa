"""Imports the firmware's tables and estimate unchanged, with a stub of `micropython`."""

from __future__ import annotations

import sys
from types import ModuleType

stub = sys.modules.setdefault("micropython", ModuleType("micropython"))
stub.const = lambda value: value  # type: ignore[attr-defined]
stub.native = lambda function: function  # type: ignore[attr-defined]
