"""Thermal properties of the second truth's layers, each with its source and range.

A layer is described by its composition: water, of which a part never freezes, and solids. What it
does on cooling follows from that. Ice forms as the unfrozen brine concentrates: of the water that
can freeze, the part T_f/T is still liquid at T (Schwartzberg 1976, J. Food Sci. 41:152), from
-0.6 C (Weast; blood's freezing point -0.56 C) down to -21.1 C, where what is left freezes with its
salt (eutectic of NaCl and water). The heat released then is the latent heat of ice at that
temperature.

May import NumPy and `hw_sim.world.plant.tissue` (for tissue as the first model describes it).
Nothing here has been measured for this project; `RANGES` names the sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hw_sim.world.plant.tissue import Tissue

Floats = NDArray[np.float64]

TABLE_LOW_C = -200.0
TABLE_STEP_C = 0.1
TABLE_C: Floats = np.round(np.arange(TABLE_LOW_C, 60.0 + TABLE_STEP_C / 2, TABLE_STEP_C), 1)
"""Temperatures of every table of properties, C."""
_MIDDLE_C: Floats = 0.5 * (TABLE_C[1:] + TABLE_C[:-1])

BLOOD_C = 37.0
BLOOD_J_M3K = 1060.0 * 3770.0
FREEZES_C = -0.6
EUTECTIC_C = -21.1
_EUTECTIC_WIDTH_C = 1.0
WATER_C_J_KGK = 4180.0


def ice_c_j_kgk(celsius: Floats) -> Floats:
    """Heat capacity of ice, J/kgK, T in C (Fukusako 1990, Int. J. Thermophys. 11:353)."""
    return 2114.0 + 7.79 * celsius


def ice_k_w_mk(celsius: Floats) -> Floats:
    """Conductivity of ice, W/mK: 1.16 (1.91 - 8.66e-3 T + 2.97e-5 T^2) (Fukusako 1990)."""
    return 1.16 * (1.91 - 8.66e-3 * celsius + 2.97e-5 * celsius * celsius)


def latent_j_kg(celsius: Floats) -> Floats:
    """Latent heat of ice formed at T, J/kg: 333.5e3 less what water and ice differ in capacity."""
    return 333.5e3 + (WATER_C_J_KGK - 2114.0) * celsius - 0.5 * 7.79 * celsius * celsius


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Tables over `TABLE_C`: enthalpy in J/m3 and the integral of conductivity in W/m.

    `super_enthalpy`, `super_theta`: the same while it is supercooled, with no ice. Both tables of
    enthalpy agree above `begins_c`, so heat is conserved when the ice comes. `perfusion_w_m3k`:
    what the blood brings for each kelvin below `BLOOD_C`.
    """

    enthalpy: Floats
    theta: Floats
    super_enthalpy: Floats
    super_theta: Floats
    perfusion_w_m3k: float
    begins_c: float = FREEZES_C
    freezable: bool = True


def _integral(slope: Floats, zero_at: Floats | None = None) -> Floats:
    total: Floats = np.concatenate([[0.0], np.cumsum(slope * TABLE_STEP_C)])
    if zero_at is not None:  # equal to the other table at the warm end
        total += zero_at[-1] - total[-1]
    return total


def _material(
    heat_j_m3k: Floats, k: Floats, warm_heat: Floats, warm_k: Floats, perfusion_w_m3k: float,
    begins_c: float, freezable: bool,
) -> Material:  # fmt: skip
    enthalpy = _integral(heat_j_m3k)
    theta = _integral(k)
    return Material(
        enthalpy,
        theta,
        _integral(warm_heat, enthalpy),
        _integral(warm_k, theta),
        perfusion_w_m3k,
        begins_c,
        freezable,
    )


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer by composition; `thick_mm` may be infinite for the deepest.

    `water` and `bound` are parts of the mass: all water, and that which never freezes. `frozen_k`
    is the conductivity at -20 C; colder it grows as that of ice does, to the power of the ice's
    part of the volume. Heat capacity of the solids falls with the absolute temperature.
    """

    name: str
    thick_mm: float
    density_kg_m3: float
    water: float
    bound: float
    solid_c_j_kgk: float
    warm_k_w_mk: float
    frozen_k_w_mk: float
    perfusion_per_s: float = 0.0

    @property
    def freezable(self) -> float:
        """The part of the mass that turns into ice."""
        return max(0.0, self.water - self.bound)

    def material(self) -> Material:
        """Its tables."""
        c = _MIDDLE_C
        frozen = _frozen_part(c)
        ice = self.freezable * frozen
        edges = self.freezable * _frozen_part(TABLE_C)
        formed = -np.diff(edges) / TABLE_STEP_C  # a part of the mass for each kelvin of cooling
        kelvin = (c + 273.15) / 310.15
        solid = (1.0 - self.water) * self.solid_c_j_kgk * kelvin
        # Water that never freezes loses its mobility: below the eutectic it counts as ice.
        liquid = self.water - ice
        glassy = c < EUTECTIC_C
        cold_water = np.where(glassy, ice_c_j_kgk(c), WATER_C_J_KGK)
        heat = solid + liquid * cold_water + ice * ice_c_j_kgk(c) + formed * latent_j_kg(c)
        warm_heat = solid + self.water * WATER_C_J_KGK
        volume = self.density_kg_m3 * self.freezable / 917.0
        colder = ice_k_w_mk(np.minimum(c, 0.0)) / ice_k_w_mk(np.full_like(c, -20.0))
        frozen_k = self.frozen_k_w_mk * colder ** min(1.0, volume)
        # Dry matter has no ice to tell when it is frozen: it changes over the same range.
        k = self.warm_k_w_mk + frozen * (frozen_k - self.warm_k_w_mk)
        return _material(
            heat * self.density_kg_m3,
            k,
            warm_heat * self.density_kg_m3,
            np.full_like(c, self.warm_k_w_mk),
            self.perfusion_per_s * BLOOD_J_M3K,
            FREEZES_C,
            self.freezable > 0.0,
        )


def _frozen_part(celsius: Floats) -> Floats:
    """The part of the freezable water that is ice."""
    cold = np.minimum(celsius, FREEZES_C)
    brine = 1.0 - FREEZES_C / cold
    last = np.clip((EUTECTIC_C - cold) / _EUTECTIC_WIDTH_C, 0.0, 1.0)
    return brine + (1.0 - brine) * last


def as_first_model(tissue: Tissue) -> Material:
    """The first model's tissue in these tables, to hold one solver against the other."""
    t = tissue
    c = _MIDDLE_C
    span = t.freezing_begins_c - t.freezing_ends_c
    # Exact on each interval of the table, also where the freezing range ends within one.
    edge_ice = np.clip((t.freezing_begins_c - TABLE_C) / span, 0.0, 1.0)
    ice = 0.5 * (edge_ice[1:] + edge_ice[:-1])
    frozen_k = np.interp(c, t.frozen_k_at_c[::-1], t.frozen_k_w_mk[::-1])
    frozen_c = np.interp(c, t.frozen_c_at_c[::-1], t.frozen_c_j_kgk[::-1])
    formed = -np.diff(edge_ice) / TABLE_STEP_C
    heat = t.warm_c_j_kgk + ice * (frozen_c - t.warm_c_j_kgk) + formed * t.latent_j_kg
    k = t.warm_k_w_mk + ice * (frozen_k - t.warm_k_w_mk)
    return _material(
        heat * t.density_kg_m3,
        k,
        np.full_like(c, t.warm_c_j_kgk * t.density_kg_m3),
        np.full_like(c, t.warm_k_w_mk),
        t.perfusion_per_s * t.blood_j_m3k,
        t.freezing_begins_c,
        True,
    )


# -- what is known of each layer ------------------------------------------------------------------


class Range(NamedTuple):
    """What one property may be: uniformly between `low` and `high`."""

    what: str
    low: float
    high: float
    unit: str
    source: str


_K_SKIN = "Okabe et al. 2017 (PMC5459687): epidermis 0.21, dermis 0.29-0.37, fat 0.16-0.23"
RANGES = (
    Range("keratin: conductivity, dry", 0.18, 0.24, "W/mK",
          "epidermis with its horn 0.21 (PMC5459687); horn and hair 0.2, assumed ± 15 %"),
    Range("keratin: frozen conductivity, dry", 0.28, 0.45, "W/mK",
          "assumed: 1.5 to 2 times, no ice forms in it"),
    Range("keratin: conductivity, moist", 0.25, 0.35, "W/mK",
          "between dry horn and epidermis soaked with water (0.21 and 0.42), by water"),
    Range("keratin: frozen conductivity, moist", 0.55, 1.0, "W/mK",
          "assumed: half of dermis's, by its ice"),
    Range("keratin: water, dry to moist", 0.20, 0.55, "of mass",
          "stratum corneum 10-30 % in air, up to 70 % soaked (Caspers et al. 2001, JID 116:434)"),
    Range("keratin: water that never freezes", 0.20, 0.25, "of mass",
          "0.3-0.34 g per g of dry corneum (Hansen and Yellin 1972; Imokawa et al. 1991)"),
    Range("epidermis: thickness", 0.06, 0.12, "mm", "anatomy; palms and soles as keratin"),
    Range("epidermis: conductivity", 0.21, 0.42, "W/mK", _K_SKIN + "; by its water 0.42"),
    Range("dermis: conductivity", 0.29, 0.45, "W/mK", _K_SKIN + "; the first model's 0.45"),
    Range("dermis: frozen conductivity at -20 C", 1.0, 1.7, "W/mK",
          "frozen meat of 65-75 % water 1.1-1.6 (ASHRAE Handbook Refrigeration, ch. 19)"),
    Range("dermis: water", 0.60, 0.70, "of mass", "Duck 1990, Physical Properties of Tissue"),
    Range("dermis: water that never freezes", 0.08, 0.12, "of mass",
          "0.3-0.4 g per g of protein (Riedel 1957; Pham 1987)"),
    Range("dermis: perfusion", 0.0005, 0.003, "/s", "resting skin 3-18 ml/min per 100 ml"),
    Range("fat: begins at", 1.0, 5.0, "mm", "thickness of dermis by site 1-4 mm, back up to 5"),
    Range("fat: conductivity", 0.16, 0.23, "W/mK", _K_SKIN),
    Range("fat: frozen conductivity", 0.20, 0.35, "W/mK", "assumed: by its water, 10-20 %"),
    Range("fat: water", 0.10, 0.20, "of mass", "Duck 1990"),
    Range("fat: perfusion", 0.0002, 0.0006, "/s", "resting fat 1-4 ml/min per 100 g"),
    Range("scar: water", 0.52, 0.60, "of mass", "assumed: denser collagen than dermis"),
    Range("scar: perfusion", 0.0002, 0.001, "/s", "assumed: mature scar has few vessels"),
    Range("skin: temperature", 30.0, 36.0, "C", "as for the first model"),
    Range("supercooling: ice at", -14.0, -1.0, "C",
          "human skin supercools by 1-14 K before it freezes (Keatinge and Cannon 1960, "
          "Lancet 275:11; Wilson et al. 1976)"),
)  # fmt: skip
"""Sources from handbooks are quoted as commonly cited; the papers were not re-read for this."""


def of_range(what: str) -> Range:
    """The range of this name; KeyError if there is none."""
    for one in RANGES:
        if one.what == what:
            return one
    raise KeyError(what)


def middle(what: str) -> float:
    """The middle of a range."""
    one = of_range(what)
    return 0.5 * (one.low + one.high)


def between(what: str, part: float) -> float:
    """A value in the range: `part` 0…1."""
    one = of_range(what)
    return one.low + part * (one.high - one.low)


def keratin(thick_mm: float, moist: float = 0.5, part: float = 0.5) -> Layer:
    """Stratum corneum or a wart's horn; `moist` 0 (dry)…1 (soaked), `part` within the ranges."""
    dry = between("keratin: conductivity, dry", part)
    soaked = between("keratin: conductivity, moist", part)
    dry_frozen = between("keratin: frozen conductivity, dry", part)
    frozen = between("keratin: frozen conductivity, moist", part)
    return Layer(
        "keratin",
        thick_mm,
        1250.0 - 100.0 * moist,
        between("keratin: water, dry to moist", moist),
        between("keratin: water that never freezes", part),
        1500.0,
        dry + moist * (soaked - dry),
        dry_frozen * (frozen / dry_frozen) ** moist,
    )


def epidermis(part: float = 0.5, thick_mm: float | None = None) -> Layer:
    """The living epidermis: no vessels."""
    k = between("epidermis: conductivity", part)
    thick = middle("epidermis: thickness") if thick_mm is None else thick_mm
    frozen = middle("dermis: frozen conductivity at -20 C")
    return Layer("epidermis", thick, 1100.0, 0.68, 0.10, 1500.0, k, frozen)


def dermis(
    thick_mm: float = math.inf,
    k_part: float = 0.5,
    frozen_part: float = 0.5,
    water_part: float = 0.5,
    blood_part: float = 0.5,
    name: str = "dermis",
) -> Layer:
    """Dermis, or scar if `name` says so; parts 0…1 of each range."""
    scar = name == "scar"
    return Layer(
        name,
        thick_mm,
        1110.0,
        between("scar: water" if scar else "dermis: water", water_part),
        between("dermis: water that never freezes", water_part),
        1500.0,
        between("dermis: conductivity", k_part),
        between("dermis: frozen conductivity at -20 C", frozen_part),
        between("scar: perfusion" if scar else "dermis: perfusion", blood_part),
    )


def fat(part: float = 0.5) -> Layer:
    """Fat below the skin. The heat of its own setting is left out (it sets above -20 C, slowly)."""
    return Layer(
        "fat",
        math.inf,
        940.0,
        between("fat: water", part),
        0.02,
        2000.0,
        between("fat: conductivity", part),
        between("fat: frozen conductivity", part),
        between("fat: perfusion", part),
    )


def gel() -> Layer:
    """A phantom of 1-2 % agar in water (docs/calibration.md): water's own values."""
    return Layer("gel", math.inf, 1000.0, 0.985, 0.005, 1500.0, 0.58, 2.3)


def skin(
    *, keratin_mm: float = 0.0, moist: float = 0.5, fat_from_mm: float = 3.0
) -> Sequence[Layer]:
    """Skin of middle properties: what the tests and the examples use."""
    horn = [keratin(keratin_mm, moist)] if keratin_mm > 0.0 else []
    return (*horn, epidermis(), dermis(fat_from_mm - middle("epidermis: thickness")), fat())
