"""The flask: liquid, pressure over it, pressure builder and relief valve.

Imports the standard library and `nitrogen`. The gas over the liquid expands as liquid leaves
(isothermal, ideal gas); a pressure-building coil with a regulator brings the pressure back with
one time constant, and a mechanical relief valve opens above its own pressure. What the builder
evaporates (about 0.1 g for 100 mbar) is left out of the liquid's balance. The ordinary boil-off is
what the economiser carries away; only a surplus of it (a lost vacuum) raises the pressure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from hw_sim.world.plant.nitrogen import ATMOSPHERE_MBAR, LIQUID_KG_M3

_LIQUID_G_ML = LIQUID_KG_M3 / 1000.0


@dataclass(frozen=True, slots=True)
class DewarParams:
    """A hand-held flask of the 1 L class. Working pressure from docs/hardware.md (300…900 mbar);
    the remaining figures are this simulator's own, plausible for such a flask."""

    capacity_ml: float = 1000.0
    head_ml: float = 50.0  # gas space left when full
    start_permille: float = 850.0
    start_mbar: float | None = None  # gauge; None: as regulated
    regulated_mbar: float = 600.0
    unregulated_mbar: float = 1500.0  # where the builder ends if it does not shut off
    build_s: float = 8.0  # time constant of the pressure builder
    vent_s: float = 20.0  # and of the economiser that lets surplus out
    relief_mbar: float = 1000.0
    relief_s: float = 1.0
    relief_leak_s: float = 6.0  # a relief valve that does not seat lets the pressure out like this
    boil_off_g_s: float = 0.0093  # static holding time about a day
    gas_g_ml: float = 0.0064  # nitrogen gas at 85 K and 1.6 bar, ideal


class Dewar:
    """`mbar` gauge, `liquid_g`, `permille` of the capacity."""

    __slots__ = (
        "_params",
        "boil_off_factor",
        "liquid_g",
        "mbar",
        "permille",
        "regulator_stuck",
        "relief_leaks",
        "relief_stuck",
        "vent_leak_per_s",
    )

    def __init__(self, params: DewarParams) -> None:
        self._params = params
        start_mbar = params.start_mbar
        if start_mbar is not None and start_mbar < 0.0:
            raise ValueError(f"start_mbar {start_mbar} must not be below 0")
        self.mbar = params.regulated_mbar if start_mbar is None else start_mbar
        self.liquid_g = 0.0
        self.permille = 0.0
        self.fill(params.start_permille)
        self.vent_leak_per_s = 0.0
        self.regulator_stuck = False
        self.relief_stuck = False
        self.relief_leaks = False  # it does not seat: open at any pressure, through a small gap
        self.boil_off_factor = 1.0

    def fill(self, permille: float) -> None:
        """Set the level, 0…1000 ‰ of the capacity. ValueError outside."""
        if not 0.0 <= permille <= 1000.0:
            raise ValueError(f"dewar level {permille} ‰ is not within 0…1000")
        self.permille = float(permille)
        self.liquid_g = permille / 1000.0 * self._params.capacity_ml * _LIQUID_G_ML

    def step(self, dt_s: float, flow_g_s: float) -> None:
        """Go on by `dt_s` with `flow_g_s` leaving through the valve."""
        p = self._params
        liquid_g = self.liquid_g
        mbar = self.mbar
        gas_ml = p.capacity_ml + p.head_ml - liquid_g / _LIQUID_G_ML
        # The sum of rates k·(target − p) is one rate towards one target: exact over the step.
        if liquid_g > 0.0:
            if self.regulator_stuck:
                target = p.unregulated_mbar
                rate = 1.0 / p.build_s
            else:
                target = p.regulated_mbar
                rate = 1.0 / (p.build_s if mbar < target else p.vent_s)
            pull = rate * target
            out_ml_s = flow_g_s / _LIQUID_G_ML
            boil_g_s = p.boil_off_g_s
            if self.boil_off_factor != 1.0:
                surplus_g_s = (self.boil_off_factor - 1.0) * boil_g_s
                boil_g_s += surplus_g_s
                pull += (mbar + ATMOSPHERE_MBAR) * surplus_g_s / (p.gas_g_ml * gas_ml)
            liquid_g -= (flow_g_s + boil_g_s) * dt_s
            if liquid_g < 0.0:
                liquid_g = 0.0
            self.liquid_g = liquid_g
            self.permille = liquid_g / _LIQUID_G_ML * 1000.0 / p.capacity_ml
        else:
            rate = pull = 0.0
            out_ml_s = flow_g_s / p.gas_g_ml
        pull -= (mbar + ATMOSPHERE_MBAR) * out_ml_s / gas_ml
        rate += self.vent_leak_per_s
        if self.relief_leaks:
            rate += 1.0 / p.relief_leak_s
        if mbar > p.relief_mbar and not self.relief_stuck:
            rate += 1.0 / p.relief_s
            pull += p.relief_mbar / p.relief_s
        if rate > 0.0:
            end = pull / rate
            mbar = end + (mbar - end) * exp(-rate * dt_s)
        else:
            mbar += pull * dt_s
        self.mbar = mbar if mbar > 0.0 else 0.0
