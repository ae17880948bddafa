"""The jet that reaches the skin: what the plant says of it, and what the skin takes up.

Imports the standard library only.
"""

from __future__ import annotations

from typing import NamedTuple


class Jet(NamedTuple):
    """What cools: `relative_h`, the coefficient in parts of the applicator's nominal one (0 =
    nothing comes, 1 = cold and steady liquid at 550 mbar), towards `fluid_c` in °C.

    The surface takes up relative_h · h_nominal · (surface − fluid_c) W/m².
    """

    relative_h: float
    fluid_c: float


class JetSpan(NamedTuple):
    """The jet on the skin from `begin_ns` to `end_ns`: constant to 1 % of h and 1 K."""

    begin_ns: int
    end_ns: int
    relative_h: float
    fluid_c: float
