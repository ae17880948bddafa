"""The supported applicators as data, with the sources and assumptions of their figures.

May import `hw_sim.world.plant.nitrogen`. Nothing here has been measured: coefficient and spot of a
real applicator come from its calibration (docs/calibration.md).

Sources. Nozzle bores: Brymill's sizes A-D, 1.02, 0.79, 0.56 and 0.41 mm, as dealers state them.
Distance 1-2 cm, at a right angle: clinical practice. Coefficient of the sprays, 3000 W/m2K: the
value of the project's first table of depths, which gives 3 to 4.5 mm at -25 C in 20 s; a training
page of the British Society for Dermatological Surgery calls 3-4 mm "readily achieved" (bsds.org.uk,
Cryosurgery). Published coefficients of sprays of boiling liquids range from 1000 (film boiling) to
35 000 W/m2K (R134a, 0.7 mm nozzle, wetting: Aguilar et al., IEEE J. Sel. Top. Quantum Electron. 7
(2001) 1013), so a factor of two either way is possible. Spots: assumed, the wetted disc; the real
jet has no sharp rim. Probes: frosted contact of metal on skin, 1000 W/m2K, assumed; the tip at
-190 C, where the simulated line's tip settles while liquid flows (hw_sim/world/plant/line.py; the
project's first table had -195.8 C). A probe's line is throttled like nozzle C (assumed).
"""

from __future__ import annotations

from dataclasses import dataclass

from hw_sim.world.plant.nitrogen import BOILING_C

SPRAY = 1
PROBE = 2
TIP_C = -190.0
PROBE_BORE_MM = 0.56


@dataclass(frozen=True, slots=True)
class Applicator:
    """One applicator. `number` is never reused; `name` has at most 15 characters."""

    number: int
    name: str
    kind: int
    bore_mm: float
    """The nozzle's bore; 0 for a probe."""
    spot_radius_mm: float
    distance_mm: int
    h_w_m2k: float
    """Coefficient of the spray, or conductance of the probe's contact, towards `fluid_c`."""
    fluid_c: float = BOILING_C
    """Temperature of the liquid, or of the probe's tip."""

    @property
    def line_bore_mm(self) -> float:
        """Bore of the line's restriction: the nozzle, or for a probe an orifice like nozzle C."""
        return self.bore_mm or PROBE_BORE_MM


APPLICATORS = (
    Applicator(1, "Spray C  5 mm", SPRAY, 0.56, 2.5, 15, 3000.0),
    Applicator(2, "Spray B 10 mm", SPRAY, 0.79, 5.0, 15, 3000.0),
    Applicator(3, "Spray A 20 mm", SPRAY, 1.02, 10.0, 20, 3000.0),
    Applicator(4, "Probe   5 mm", PROBE, 0.0, 2.5, 0, 1000.0, TIP_C),
    Applicator(5, "Spray D  3 mm", SPRAY, 0.41, 1.5, 10, 3000.0),
    Applicator(6, "Probe 3 mm", PROBE, 0.0, 1.5, 0, 1000.0, TIP_C),
    Applicator(7, "Probe 6 mm", PROBE, 0.0, 3.0, 0, 1000.0, TIP_C),
)


def by_number(number: int) -> Applicator:
    """The applicator with this number; KeyError if there is none."""
    for applicator in APPLICATORS:
        if applicator.number == number:
            return applicator
    raise KeyError(number)
