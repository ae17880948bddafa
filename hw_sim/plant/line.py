"""From the valve to the skin: line, orifice and nozzle tip.

Imports the standard library and `nitrogen`. Two thermal lumps. The line's wall boils the liquid
that passes; the vapour decides the density at the orifice and so the flow (homogeneous two-phase
flow, Bernoulli with a discharge coefficient): a warm line lets through gas only, then sputters,
then gives liquid. The tip, where the thermocouple sits, follows the fluid that wets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi, sqrt

from hw_sim.plant.nitrogen import (
    ATMOSPHERE_MBAR,
    BOILING_C,
    GAS_CP_J_GK,
    GAS_J_KGK,
    LATENT_J_G,
    LIQUID_KG_M3,
    ZERO_C_K,
)


@dataclass(frozen=True, slots=True)
class LineParams:
    """Nozzle: Brymill size B, 0.79 mm. The flash fraction is that of saturated liquid let down
    from 1.6 to 1.0 bar (4.3 K × 2.04 J/gK ÷ 199 J/g). Heat capacity and heat transfer are
    assumed, and chosen for a warm line to give liquid after 2–10 s, as the trade reports."""

    ambient_c: float = 22.0
    orifice_mm: float = 0.79
    discharge: float = 0.6  # sharp-edged orifice
    flash_fraction: float = 0.044
    wall_j_k: float = 1.2  # about 3 g of stainless steel
    film_w_k: float = 0.40  # wall to fluid in film boiling
    nucleate_w_k: float = 1.60  # and when the wall is wetted
    leidenfrost_k: float = 30.0  # wall superheat at which the wall begins to be wetted
    wall_ambient_s: float = 45.0  # rewarming time constants
    tip_ambient_s: float = 25.0
    tip_wet_s: float = 0.58  # cooling of the tip by liquid …
    tip_gas_s: float = 3.3  # … and by gas
    quality_s: float = 0.1  # how fast the vapour fraction follows
    liquid_below: float = 0.30  # vapour fraction by mass below which the jet counts as liquid


class Line:
    """`wall_c`, `tip_c` (°C), `flow_g_s` (g/s), `quality` (vapour by mass, 0…1) at the tip."""

    __slots__ = (
        "_k_flow",
        "_params",
        "flow_g_s",
        "open_area",
        "quality",
        "tip_c",
        "wall_c",
    )

    def __init__(self, params: LineParams) -> None:
        self._params = params
        self.wall_c = params.ambient_c
        self.tip_c = params.ambient_c
        self.flow_g_s = 0.0
        self.quality = 1.0
        self.open_area = 1.0  # of the orifice, 0…1; less when blocked
        area_m2 = pi / 4.0 * (params.orifice_mm * 1e-3) ** 2
        # g/s for √(Pa · kg/m³)
        self._k_flow = params.discharge * area_m2 * sqrt(2.0) * 1000.0

    def step_closed(self, dt_s: float) -> None:
        """Go on by `dt_s` with the valve closed: both lumps rewarm."""
        p = self._params
        self.flow_g_s = 0.0
        self.quality = 1.0
        ambient = p.ambient_c
        self.wall_c = ambient + (self.wall_c - ambient) * exp(-dt_s / p.wall_ambient_s)
        self.tip_c = ambient + (self.tip_c - ambient) * exp(-dt_s / p.tip_ambient_s)

    def step_open(self, dt_s: float, mbar: float, liquid: bool) -> None:
        """Go on by `dt_s` with the valve open, `mbar` gauge behind it, liquid or gas fed."""
        p = self._params
        wall_c = self.wall_c
        over_k = wall_c - BOILING_C
        if over_k < 0.0:
            over_k = 0.0
        quality = self.quality
        gas_kg_m3 = (mbar + ATMOSPHERE_MBAR) * 100.0 / (GAS_J_KGK * (wall_c + ZERO_C_K))
        density = 1.0 / (quality / gas_kg_m3 + (1.0 - quality) / LIQUID_KG_M3)
        flow = self._k_flow * self.open_area * sqrt(mbar * 100.0 * density)
        self.flow_g_s = flow
        latent = LATENT_J_G if liquid else 0.0
        wet = over_k / p.leidenfrost_k
        w_k = p.film_w_k + (p.nucleate_w_k - p.film_w_k) / (1.0 + wet * wet)
        heat_w = w_k * over_k
        most_w = flow * (latent + GAS_CP_J_GK * over_k)
        if heat_w > most_w:
            heat_w = most_w
        fluid_c = BOILING_C
        target = 1.0
        if flow > 0.0:
            boiled = heat_w / flow
            if boiled < latent:
                target = p.flash_fraction + boiled / latent
                if target > 1.0:
                    target = 1.0
            else:
                fluid_c += (boiled - latent) / GAS_CP_J_GK
        self.quality = target + (quality - target) * exp(-dt_s / p.quality_s)
        ambient = p.ambient_c
        self.wall_c = (
            wall_c - heat_w * dt_s / p.wall_j_k + (ambient - wall_c) * dt_s / p.wall_ambient_s
        )
        # The less it flows, the less the tip feels of it; 0.03 g/s is half-way.
        k_fluid = (1.0 / p.tip_gas_s) * quality + (1.0 / p.tip_wet_s) * (1.0 - quality)
        k_fluid *= flow / (flow + 0.03)
        k_ambient = 1.0 / p.tip_ambient_s
        k = k_fluid + k_ambient
        end_c = (k_fluid * fluid_c + k_ambient * ambient) / k
        self.tip_c = end_c + (self.tip_c - end_c) * exp(-k * dt_s)
