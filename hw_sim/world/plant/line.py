"""From the valve to the skin: line, orifice and nozzle tip.

Imports the standard library and `nitrogen`. Two thermal lumps. The line's wall boils the liquid
that passes; the vapour decides the density at the orifice and so the flow (homogeneous two-phase
flow, Bernoulli with a discharge coefficient): a warm line lets through gas only, then sputters,
then gives liquid. The tip, where the thermocouple sits, follows the fluid that wets it.

While it sputters, liquid leaves in slugs: the vapour fraction at the nozzle swings about its mean,
at 3.1 and 7.3 Hz, the same in every run. What the skin feels of it is `relative_h`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi, sin, sqrt

from hw_sim.world.plant.nitrogen import (
    ATMOSPHERE_MBAR,
    BOILING_C,
    GAS_CP_J_GK,
    GAS_J_KGK,
    LATENT_J_G,
    LIQUID_KG_M3,
    ZERO_C_K,
    flash_fraction,
)

_TURN = 2.0 * pi


@dataclass(frozen=True, slots=True)
class LineParams:
    """Nozzle: Brymill size B, 0.79 mm. Heat capacity and heat transfer are assumed, and chosen for
    a warm line to give liquid after 2–10 s, as the trade reports.

    `h_exponent`: the jet's coefficient scales with the liquid's mass flow to this power. Assumed to
    be 0.5, between film-boiling water sprays (flux to the 0.26; Klinzing, Rozzi and Mudawar 1992)
    and wetting ones (9 to 24 kW/m²K over 2.6 to 9.9 kg/m²s, which is 0.73; Karwa, Kale and
    Subbarao, Exp. Therm. Fluid Sci. 32 (2007) 571). No measurement with LN2 on skin is known to
    us. `gas_h`: what the same mass flow of vapour gives, in parts of the liquid's (assumed).
    """

    ambient_c: float = 22.0
    start_c: float | None = None  # line and tip at the beginning; None: as the room
    orifice_mm: float = 0.79
    discharge: float = 0.6  # sharp-edged orifice
    wall_j_k: float = 1.2  # about 3 g of stainless steel
    film_w_k: float = 0.40  # wall to fluid in film boiling
    nucleate_w_k: float = 1.60  # and when the wall is wetted
    leidenfrost_k: float = 30.0  # wall superheat at which the wall begins to be wetted
    wall_ambient_w_k: float = 1.2 / 45.0  # wall to room: 45 s for 1.2 J/K, longer for more steel
    tip_ambient_s: float = 25.0  # rewarming time constant
    tip_wet_s: float = 0.58  # cooling of the tip by liquid …
    tip_gas_s: float = 3.3  # … and by gas
    quality_s: float = 0.1  # how fast the vapour fraction follows
    liquid_below: float = 0.30  # vapour fraction by mass below which the jet counts as liquid
    spit_above: float = 0.15  # mean vapour fraction above which it sputters
    spit: float = 0.85  # and how far it swings, in parts of what is possible
    h_exponent: float = 0.5
    gas_h: float = 0.06
    # Behind the valve, where relative_h is 1 with a cold line: what a flask that is regulated to
    # 600 mbar has while it sprays.
    nominal_mbar: float = 550.0


class Line:
    """`wall_c`, `tip_c` (°C), `flow_g_s` (g/s), `quality` (vapour by mass, 0…1) at the tip.

    `quality` is the mean over the slugs, `jet_quality` what leaves the nozzle at this moment, and
    `fluid_c` (°C) the vapour's temperature there. Fault injection: `open_area`, `spitting`,
    `around_c`.
    """

    __slots__ = (
        "_flash_mbar",
        "_flashed",
        "_k_flow",
        "_params",
        "_per_h",
        "_slug_s",
        "_wall_ambient_s",
        "around_c",
        "flow_g_s",
        "fluid_c",
        "jet_quality",
        "open_area",
        "quality",
        "spitting",
        "tip_c",
        "wall_c",
    )

    def __init__(self, params: LineParams) -> None:
        self._params = params
        self._wall_ambient_s = params.wall_j_k / params.wall_ambient_w_k
        start_c = params.ambient_c if params.start_c is None else params.start_c
        self.wall_c = start_c
        self.tip_c = start_c
        self.around_c = params.ambient_c  # the air around line and tip
        self.flow_g_s = 0.0
        self.quality = 1.0
        self.jet_quality = 1.0
        self.fluid_c = params.ambient_c
        self.spitting = 0.0  # 0…1: sputters with liquid too (a worn or iced nozzle)
        self._slug_s = 0.0
        self._flash_mbar = -1.0  # for which _flashed was computed
        self._flashed = 0.0
        self.open_area = 1.0  # of the orifice, 0…1; less when blocked
        area_m2 = pi / 4.0 * (params.orifice_mm * 1e-3) ** 2
        # g/s for √(Pa · kg/m³)
        self._k_flow = params.discharge * area_m2 * sqrt(2.0) * 1000.0
        self._per_h = 1.0
        self._per_h = 1.0 / self._nominal_h()

    def _nominal_h(self) -> float:
        """What `relative_h` would be at the nominal state: cold, steady, a room of 22 °C."""
        p = self._params
        over_k = (22.0 - BOILING_C) * p.wall_ambient_w_k / p.nucleate_w_k
        quality = 0.1
        flow = 0.0
        for _ in range(20):
            flow = self._flow(p.nominal_mbar, quality, BOILING_C + over_k)
            heat_w = p.nucleate_w_k * over_k
            quality = min(1.0, flash_fraction(p.nominal_mbar) + heat_w / (flow * LATENT_J_G))
        return self._h(flow, quality)

    def _flow(self, mbar: float, quality: float, wall_c: float) -> float:
        gas_kg_m3 = (mbar + ATMOSPHERE_MBAR) * 100.0 / (GAS_J_KGK * (wall_c + ZERO_C_K))
        density = 1.0 / (quality / gas_kg_m3 + (1.0 - quality) / LIQUID_KG_M3)
        return self._k_flow * sqrt(mbar * 100.0 * density)

    def _h(self, flow_g_s: float, quality: float) -> float:
        p = self._params
        n = p.h_exponent
        liquid = (flow_g_s * (1.0 - quality)) ** n
        return (liquid + p.gas_h * (flow_g_s * quality) ** n) * self._per_h

    @property
    def relative_h(self) -> float:
        """The jet's coefficient of heat transfer in parts of the applicator's nominal one."""
        flow_g_s = self.flow_g_s
        return self._h(flow_g_s, self.jet_quality) if flow_g_s > 0.0 else 0.0

    @property
    def jet_c(self) -> float:
        """The temperature that goes with `relative_h`: liquid's and vapour's by their shares."""
        p = self._params
        gas_k = self.fluid_c - BOILING_C
        if self.flow_g_s <= 0.0 or gas_k <= 0.0:
            return BOILING_C
        n = p.h_exponent
        gas = p.gas_h * self.jet_quality**n
        return BOILING_C + gas_k * gas / (gas + (1.0 - self.jet_quality) ** n)

    def step_closed(self, dt_s: float) -> None:
        """Go on by `dt_s` with the valve closed: both lumps rewarm."""
        p = self._params
        self.flow_g_s = 0.0
        self.quality = self.jet_quality = 1.0
        ambient = self.around_c
        self.wall_c = ambient + (self.wall_c - ambient) * exp(-dt_s / self._wall_ambient_s)
        self.tip_c = ambient + (self.tip_c - ambient) * exp(-dt_s / p.tip_ambient_s)

    def step_open(self, dt_s: float, mbar: float, liquid: bool, share: float = 1.0) -> None:
        """Go on by `dt_s` with `share` (0…1) of the valve open, `mbar` gauge behind it, liquid or
        gas fed.
        """
        p = self._params
        wall_c = self.wall_c
        over_k = wall_c - BOILING_C
        if over_k < 0.0:
            over_k = 0.0
        quality = self.quality
        gas_kg_m3 = (mbar + ATMOSPHERE_MBAR) * 100.0 / (GAS_J_KGK * (wall_c + ZERO_C_K))
        density = 1.0 / (quality / gas_kg_m3 + (1.0 - quality) / LIQUID_KG_M3)
        flow = self._k_flow * self.open_area * share * sqrt(mbar * 100.0 * density)
        self.flow_g_s = flow
        latent = LATENT_J_G if liquid else 0.0
        if not -1.0 < mbar - self._flash_mbar < 1.0:  # a millibar is 0.0001 of it
            self._flash_mbar = mbar
            self._flashed = flash_fraction(mbar)
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
                target = self._flashed + boiled / latent
                if target > 1.0:
                    target = 1.0
            else:
                fluid_c += (boiled - latent) / GAS_CP_J_GK
        mean = self.quality = target + (quality - target) * exp(-dt_s / p.quality_s)
        if mean > p.spit_above or self.spitting > 0.0:
            quality = self._slug(dt_s, mean)
        else:
            quality = mean
        self.jet_quality = quality
        self.fluid_c = fluid_c
        ambient = self.around_c
        self.wall_c = (
            wall_c - heat_w * dt_s / p.wall_j_k + (ambient - wall_c) * dt_s / self._wall_ambient_s
        )
        # The less it flows, the less the tip feels of it; 0.03 g/s is half-way.
        k_fluid = (1.0 / p.tip_gas_s) * quality + (1.0 / p.tip_wet_s) * (1.0 - quality)
        k_fluid *= flow / (flow + 0.03)
        k_ambient = 1.0 / p.tip_ambient_s
        k = k_fluid + k_ambient
        end_c = (k_fluid * fluid_c + k_ambient * ambient) / k
        self.tip_c = end_c + (self.tip_c - end_c) * exp(-k * dt_s)

    def _slug(self, dt_s: float, mean: float) -> float:
        """The vapour fraction at this moment, for its mean: it swings while both are there."""
        p = self._params
        most = mean - p.spit_above
        if most > 1.0 - mean:
            most = 1.0 - mean
        swing = p.spit * most if most > 0.0 else 0.0
        t = self._slug_s = (self._slug_s + dt_s) % 1000.0
        wave = sin(_TURN * 3.1 * t) + 0.6 * sin(_TURN * 7.3 * t)
        wave = 1.0 if wave > 1.0 else (-1.0 if wave < -1.0 else wave)
        quality = mean + swing * wave
        if self.spitting > 0.0:
            quality += self.spitting * (1.0 - quality) * 0.5 * (1.0 + wave)
        return quality
