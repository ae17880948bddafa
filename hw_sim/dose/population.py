"""Random treatments of the second truth: what the device may meet and does not know.

`draw(seed, number)` is independent of the others. The ranges of tissue stand in `properties`; those
of jet and hand here. May import NumPy and its sibling modules.

Assumed, with the reason: keratin in three classes of equal share, as an operator can tell them
(`KERATIN`); the film's coefficient evenly in its logarithm over `FILM`, from strong film boiling
to nearly none; coefficient of wetted skin and of a probe's contact around the tables' own, with
`H_SIGMA`; the rim evenly to 2 mm; distance held to 3 mm, with a hand that wanders by up to 1 mm;
liquid in 60 to 100 % of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw_sim.dose import properties
from hw_sim.dose.applicators import APPLICATORS, SPRAY, Applicator, by_number
from hw_sim.dose.jet import Boiling, Jet, Touch, steady, touches
from hw_sim.dose.layered import Stack, stack

KERATIN = (("none", 0.0, 0.0), ("thin", 0.1, 0.5), ("thick", 0.5, 1.5))
"""Class, and the horn's thickness in mm."""
FILM = (300.0, 2000.0)
"""W/m2K above the film's end: the audit's 'strong' 300-600, 'mild' 660 and more."""
FILM_ENDS_C = (-140.0, -90.0)
TRANSITION_K = 40.0
H_SIGMA = 0.25
"""One standard deviation of ln h: as the shipped tables state it (no applicator is calibrated)."""
RIM_MM = (0.0, 2.0)
OFFSET_MM = 3.0
WANDER_MM = (0.3, 1.0)
DUTY = (0.6, 1.0)
MBAR = (350.0, 850.0)
NOMINAL_MBAR = 550.0
SCAR_PART = 0.1
ONSET_S = 0.1
"""From the gate to the jet on the skin (valve and tube), the line being cold."""
WINDOW_S = 0.5


@dataclass(frozen=True, slots=True)
class Draw:
    """One random treatment. All that is random is here; mm, C, W/m2K, mbar; parts are 0…1."""

    number: int
    seed: int
    applicator: int
    range_part: float
    """The plan's place in the applicator's range of depths."""
    diameter_part: float
    """Diameter of the lesion over that of the spot."""
    keratin: str
    keratin_mm: float
    moist: float
    scar: bool
    fat_from_mm: float
    parts: tuple[float, ...]
    """Places in the ranges: keratin, epidermis, dermis's k, frozen k, water, blood; fat."""
    skin_c: float
    ice_at_c: float
    film_w_m2k: float
    film_ends_c: float
    h_factor: float
    rim_mm: float
    offset_mm: float
    wander_mm: float
    duty: float
    mbar: float

    @property
    def spray(self) -> bool:
        return by_number(self.applicator).kind == SPRAY

    @property
    def stack(self) -> Stack:
        """This skin."""
        p = self.parts
        top = properties.epidermis(p[1])
        horn = [properties.keratin(self.keratin_mm, self.moist, p[0])] if self.keratin_mm else []
        name = "scar" if self.scar else "dermis"
        under = properties.dermis(
            self.fat_from_mm - top.thick_mm, p[2], p[3], p[4], p[5], name=name
        )
        return stack([*horn, top, under, properties.fat(p[6])])

    @property
    def jet(self) -> Jet:
        """This jet, or this probe's contact."""
        a = by_number(self.applicator)
        h = a.h_w_m2k * self.h_factor
        if a.kind != SPRAY:
            return Jet(steady(h), a.spot_radius_mm, 0.0, a.fluid_c)
        film = min(h, self.film_w_m2k)
        boiling = Boiling(film, h, self.film_ends_c, self.film_ends_c - TRANSITION_K)
        return Jet(boiling, a.spot_radius_mm, self.rim_mm)

    def touches(self, seconds: float, by_pressure: float) -> Sequence[Touch]:
        """The valve open from 0 to `seconds`; `by_pressure`: power of the dewar's pressure."""
        a = by_number(self.applicator)
        if a.kind != SPRAY:
            rows = [Touch(0.0, 1.0), Touch(seconds - ONSET_S, 0.0)]
        else:
            rows = touches(
                seconds - ONSET_S,
                distance_mm=float(a.distance_mm),
                offset_mm=self.offset_mm,
                wander_mm=self.wander_mm,
                duty=self.duty,
                strength=(self.mbar / NOMINAL_MBAR) ** by_pressure,
                seed=self.seed * 100_003 + self.number,
                every_s=WINDOW_S,
            )
        return [Touch(row.time_s + ONSET_S, row.strength, row.spread, row.fluid_c) for row in rows]


def draw(seed: int, number: int, applicators: Sequence[Applicator] = APPLICATORS) -> Draw:
    """The `number`th treatment of this seed. Applicators and keratin classes come in turn."""
    rng = np.random.default_rng([seed, number])

    def even(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    keratin, low_mm, high_mm = KERATIN[number % len(KERATIN)]
    ice = properties.of_range("supercooling: ice at")
    fat = properties.of_range("fat: begins at")
    return Draw(
        number=number,
        seed=seed,
        applicator=applicators[(number // len(KERATIN)) % len(applicators)].number,
        range_part=even(0.0, 1.0),
        diameter_part=even(0.5, 0.9),
        keratin=keratin,
        keratin_mm=even(low_mm, high_mm),
        moist=even(0.0, 1.0),
        scar=bool(rng.random() < SCAR_PART),
        fat_from_mm=even(fat.low, fat.high),
        parts=tuple(even(0.0, 1.0) for _ in range(7)),
        skin_c=even(30.0, 36.0),
        ice_at_c=even(ice.low, ice.high),
        film_w_m2k=math.exp(even(math.log(FILM[0]), math.log(FILM[1]))),
        film_ends_c=even(*FILM_ENDS_C),
        h_factor=math.exp(float(rng.normal(0.0, H_SIGMA))),
        rim_mm=even(*RIM_MM),
        offset_mm=even(-OFFSET_MM, OFFSET_MM),
        wander_mm=even(*WANDER_MM),
        duty=even(*DUTY),
        mbar=even(*MBAR),
    )
