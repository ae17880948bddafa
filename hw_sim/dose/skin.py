"""Depth correction from the skin's cooling rate in the first second, for the live estimate.

`python -m hw_sim.dose.skin` prints the constants of firmware/cryo/estimate.py and their accuracy.
It uses two properties of the tissue model:

- While a spray cools a wide spot, its surface follows one law: the time to a temperature is a fixed
  part of the time to -65 C, for every coefficient and tissue (`shape`).
- After a given time the depth of -25 C scales with a power of the time to -65 C. The exponent
  depends on the spot and a little on the time (`exponents`); it is fitted over random coefficients
  and tissues.

May import NumPy and `hw_sim.dose.tables`. Takes about two minutes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw_sim.dose.applicators import APPLICATORS, SPRAY, Applicator
from hw_sim.dose.tables import SKIN_C, SKIN_SEEN_C, freeze
from hw_sim.world.plant.tissue import SKIN, Tissue

Floats = NDArray[np.float64]

SHAPE_C = (0.0, -10.0, -20.0, -30.0, -40.0, -50.0, -60.0, -65.0, -70.0)
AT_S = (10.0, 15.0, 20.0, 30.0)
H_SIGMA = 0.20
"""Deviation of this spray on this skin from its calibration: one standard deviation of ln h."""
DRAWS = 40
SEED = 20261122


def shape(h_factor: float = 1.0, skin_c: float = SKIN_C, tissue: Tissue = SKIN) -> list[float]:
    """Time to each of `SHAPE_C` as a part of the time to -65 C, under the widest spray."""
    widest = max((a for a in APPLICATORS if a.kind == SPRAY), key=lambda a: a.spot_radius_mm)
    result = freeze(
        widest,
        1.2 / h_factor**2,
        h_factor=h_factor,
        skin_c=skin_c,
        tissue=tissue,
        fineness=2.0,
        sample_s=0.005 / h_factor**2,
    )
    last_s = result.surface_reached_s(SKIN_SEEN_C)
    return [result.surface_reached_s(c) / last_s for c in SHAPE_C]


class Draw:
    """One random skin under one random spray; uniform over the ranges of `tables.VARIED`."""

    def __init__(self, random: np.random.Generator) -> None:
        low, high = SKIN.frozen_k_w_mk
        frozen = random.uniform(0.8, 1.2)
        self.h_factor = math.exp(random.normal(0.0, H_SIGMA))
        self.skin_c = random.uniform(30.0, 36.0)
        self.tissue = replace(
            SKIN,
            warm_k_w_mk=random.uniform(0.37, 0.5),
            frozen_k_w_mk=(low * frozen, high * frozen),
            latent_j_kg=random.uniform(190e3, 250e3),
            perfusion_per_s=random.uniform(0.001, 0.003),
        )

    def run(self, applicator: Applicator) -> tuple[float, list[float]]:
        """Time to -65 C in s, and the depth of -25 C in mm at `AT_S`."""
        return _run(applicator, self.h_factor, self.skin_c, self.tissue)


def _run(
    applicator: Applicator, h_factor: float, skin_c: float, tissue: Tissue
) -> tuple[float, list[float]]:
    early, complete = (
        freeze(
            applicator, until_s, h_factor=h_factor, skin_c=skin_c, tissue=tissue, sample_s=sample_s
        )
        for until_s, sample_s in ((2.0, 0.01), (AT_S[-1], 1.0))
    )
    depths = [complete.at(complete.depth_m25_mm, t_s) for t_s in AT_S]
    return early.surface_reached_s(SKIN_SEEN_C), depths


def exponents(applicator: Applicator, draws: int = DRAWS) -> list[tuple[float, float, float]]:
    """For each of `AT_S`: the exponent, and the depth's scatter (95th percentile of the relative
    error) without and with the correction by the time to -65 C."""
    random = np.random.default_rng(SEED)
    nominal_s, nominal = _run(applicator, 1.0, SKIN_C, SKIN)
    runs = [Draw(random).run(applicator) for _ in range(draws)]
    x: Floats = np.log([nominal_s / cooled_s for cooled_s, _ in runs])
    rows: list[tuple[float, float, float]] = []
    for k in range(len(AT_S)):
        y: Floats = np.log([depths[k] / nominal[k] for _, depths in runs])
        exponent = float(x @ y / (x @ x))
        before = float(np.quantile(np.abs(np.expm1(y)), 0.95))
        after = float(np.quantile(np.abs(np.expm1(y - exponent * x)), 0.95))
        rows.append((exponent, before, after))
    return rows


def main() -> None:
    """Print the constants and their accuracy."""
    print("shape: time to", SHAPE_C, "as a part of the time to", SKIN_SEEN_C)
    for h in (1.0, 0.5, 1.6):
        print(f"  h x {h}:", [round(part, 3) for part in shape(h)])
    for skin_c in (30.0, 36.0):
        print(f"  skin {skin_c}:", [round(part, 3) for part in shape(1.0, skin_c)])
    soft = replace(SKIN, warm_k_w_mk=0.37, latent_j_kg=190e3)
    print("  other tissue:", [round(part, 3) for part in shape(1.0, SKIN_C, soft)])
    for applicator in APPLICATORS:
        if applicator.kind == SPRAY:
            print(f"{applicator.name}, spot {applicator.spot_radius_mm} mm")
            for t_s, (exponent, before, after) in zip(AT_S, exponents(applicator), strict=True):
                print(
                    f"  {t_s:4.0f} s: exponent {exponent:.3f}, 95 % within "
                    f"{before:.1%} uncorrected, {after:.1%} corrected"
                )


if __name__ == "__main__":
    main()
