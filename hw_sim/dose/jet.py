"""What a real jet does to the skin, for the second truth: boiling, rim, wandering, sputter.

The first model has one coefficient h under a spot with a sharp rim. Here h follows the surface's
own temperature, as boiling has it (`Boiling`), the jet fades beyond the spot (`rim_mm`), and over
time its distance wanders and its strength sputters (`Touch` rows from `touches`).

May import NumPy. Nothing here has been measured for this project.

Boiling, sources: limit of wetting by the liquid's spinodal, 27/32 of nitrogen's critical 126.2 K =
106.5 K, raised by the contact temperature's rule (Baumeister and Simon 1973) to -158 C on frozen
skin and -148 C on dry keratin; jets and frost raise it further, here up to -90 C. Film boiling of
nitrogen in a pool 100-200 W/m2K, in a jet 300-2000 (assumed; sprays of other boiling liquids about
1000, Aguilar et al. 2001). Critical flux of nitrogen 100-200 kW/m2 at 10-15 K above boiling: behind
it 3000 W/m2K and more, where the tissue, no longer the boiling, limits the flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw_sim.world.plant.nitrogen import BOILING_C

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Boiling:
    """h over the surface's temperature, W/m2K.

    Above `film_above_c` the vapour's film keeps liquid away: `film_w_m2k`. Below `wets_below_c`
    liquid wets the surface: `wet_w_m2k`. In between, transition boiling: ln h is linear.
    """

    film_w_m2k: float
    wet_w_m2k: float
    film_above_c: float = -120.0
    wets_below_c: float = -170.0

    def h(self, surface_c: Floats) -> tuple[Floats, Floats]:
        """(h, dh/dT) at each surface temperature."""
        span = self.film_above_c - self.wets_below_c
        part = np.clip((self.film_above_c - surface_c) / span, 0.0, 1.0)
        ln = math.log(self.wet_w_m2k / self.film_w_m2k)
        h: Floats = self.film_w_m2k * np.exp(ln * part)
        moving = (part > 0.0) & (part < 1.0)
        return h, np.where(moving, -h * ln / span, 0.0)


def steady(h_w_m2k: float) -> Boiling:
    """The first model's: one coefficient at any temperature (also a probe's contact)."""
    return Boiling(h_w_m2k, h_w_m2k)


@dataclass(frozen=True, slots=True)
class Jet:
    """A jet (or a probe) as it stands on the skin; `rim_mm` as in the first model (0: sharp)."""

    boiling: Boiling
    spot_radius_mm: float
    rim_mm: float = 0.0
    fluid_c: float = BOILING_C

    def profile(self, r_mm: Floats, spread: float = 1.0) -> Floats:
        """The part of h at each radius; `spread`: how much wider than nominal the jet is now."""
        beyond = np.maximum(0.0, r_mm - self.spot_radius_mm * spread)
        if self.rim_mm <= 0.0:
            return np.where(beyond > 0.0, 0.0, 1.0)
        part: Floats = np.exp(-((beyond / (self.rim_mm * spread)) ** 2))
        return np.where(part < 1e-3, 0.0, part)


@dataclass(frozen=True, slots=True)
class Touch:
    """From `time_s` on: strength (part of the nominal h; 0: still air), and the jet's spread."""

    time_s: float
    strength: float
    spread: float = 1.0
    fluid_c: float | None = None
    """None: the jet's own."""


def touches(
    seconds: float, *, distance_mm: float, offset_mm: float = 0.0, wander_mm: float = 0.0,
    duty: float = 1.0, strength: float = 1.0, exponent: float = 0.5, seed: int = 0,
    every_s: float = 0.25,
) -> list[Touch]:  # fmt: skip
    """A jet of `seconds`, held at `distance_mm` + `offset_mm`, wandering by `wander_mm`.

    Wander: one standard deviation, correlated over 2 s, as a hand. A jet widens with its distance;
    the same mass on more skin: flux with the distance's power of -2, h with the flux's `exponent`
    (0.26 to 0.73: hw_sim/world/plant/line.py). `duty`: part of the time in which liquid arrives,
    in bursts shorter than `every_s`; its share differs from window to window (binomial of ten).
    The last row closes the jet.
    """
    rng = np.random.default_rng(seed)
    rows: list[Touch] = []
    keep = math.exp(-every_s / 2.0)
    away = rng.normal() * wander_mm
    for k in range(max(1, math.ceil(seconds / every_s - 1e-9))):
        distance = max(0.3 * distance_mm, distance_mm + offset_mm + away)
        spread = distance / distance_mm if distance_mm > 0.0 else 1.0
        share = float(rng.binomial(10, duty)) / 10.0 if duty < 1.0 else 1.0
        # Bursts are never absent for a whole window: some liquid is left on the skin.
        rows.append(
            Touch(k * every_s, strength * max(0.1, share) * spread ** (-2.0 * exponent), spread)
        )
        away = keep * away + math.sqrt(1.0 - keep * keep) * wander_mm * float(rng.normal())
    rows.append(Touch(seconds, 0.0))
    return rows


def even(seconds: float, strength: float = 1.0) -> Sequence[Touch]:
    """The first model's jet: at once, unchanged, for `seconds`."""
    return [Touch(0.0, strength), Touch(seconds, 0.0)]
