"""What the skin receives: an axisymmetric Pennes bioheat model with freezing.

Enthalpy form on a cylinder (r, z), finite volumes, explicit steps. Conductivity enters through its
integral θ(T) = ∫ k dT (Kirchhoff), so that heat flows along differences of θ and only one table,
enthalpy → θ, is looked up a step. Blood warms unfrozen tissue only. The spray is a heat transfer
coefficient h towards liquid nitrogen on a round spot; the rest of the surface, and the spot while
nothing is sprayed, has still air. May import NumPy and the standard library.

It shows how a treatment compares with another one; it is no dose: h and the spot of a real
applicator have to be measured.

Properties (`SKIN`) lie in the ranges that the project's clinical notes give as common knowledge:
unfrozen k 0.45 W/mK (0.37–0.5), ρ 1060 kg/m³ (1050–1100), c 3450 J/kgK (3300–3600); frozen k from
1.5 at −10 °C to 3.0 at −150 °C and c from 2000 at −8 °C to 1000 at −196 °C, straight lines; latent
heat 220 kJ/kg (190–250) spread evenly over −0.6…−8 °C; perfusion 0.002 /s (0.001–0.003). They are
the middles of those ranges, and not fitted to anything.

Deviation from the project's own table (five applicators; 10, 20, 30 s), as measured and asserted in
tests/unit/hw_sim/test_tissue.py: the −25 °C depth differs by at most 0.32 mm (3.18 instead of
3.5 mm: 2.5 mm spot, 3000 W/m²K, 30 s), relatively at most 10 % (small spots, 30 s; this model is
the shallower one there), and for spots of 5 and 10 mm by at most 0.13 mm; the ice depth by at most
0.20 mm. Against Neumann's exact solution for a half-space with a held surface the front's position
after 20 s is within 2 % (0.25 mm cells). Halving the cells moves the depths by less than 0.05 mm.
Known shortfall: ice spreads sideways beyond the spot's rim by 0.45 (5 mm spot) to 0.6 (2.5 mm) of
its depth, where clinicians see about the whole depth (Torre): the real jet has no sharp rim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hw_sim.plant.nitrogen import BOILING_C

Floats = NDArray[np.float64]

_TABLE_LOW_C = -200.0
_TABLE_HIGH_C = 60.0
_TABLE_STEP_C = 0.25
_SAFETY = 0.8  # part of the explicit scheme's stable step
# The stable step shrinks as tissue freezes, so it is taken for a colder state than the present one:
# in 20 ms at 3000 W/m²K a surface cell of 0.25 mm cools by about 15 K.
_LONGEST_STEP_S = 0.02
_LOOK_AHEAD_C = 15.0


@dataclass(frozen=True, slots=True)
class Tissue:
    """Thermal properties; straight lines between the two points given. See the module."""

    density_kg_m3: float = 1060.0
    warm_k_w_mk: float = 0.45
    warm_c_j_kgk: float = 3450.0
    frozen_k_w_mk: tuple[float, float] = (1.5, 3.0)
    frozen_k_at_c: tuple[float, float] = (-10.0, -150.0)
    frozen_c_j_kgk: tuple[float, float] = (2000.0, 1000.0)
    frozen_c_at_c: tuple[float, float] = (-8.0, -196.0)
    freezing_begins_c: float = -0.6
    freezing_ends_c: float = -8.0
    latent_j_kg: float = 220e3
    perfusion_per_s: float = 0.002
    blood_c: float = 37.0
    blood_j_m3k: float = 1060.0 * 3770.0


SKIN = Tissue()


@dataclass(frozen=True, slots=True)
class TissueResult:
    """Series over time, counted from the first opening, and what they come to.

    Depths are on the axis, in mm below the surface; 0 = none. "Ice" is where freezing has begun.
    """

    time_s: Floats
    surface_c: Floats
    depth_m25_mm: Floats
    ice_depth_mm: Floats
    ice_radius_mm: Floats
    spot_radius_mm: float
    h_w_m2k: float

    @property
    def deepest_m25_mm(self) -> float:
        """Greatest depth that reached −25 °C."""
        return float(self.depth_m25_mm.max())

    @property
    def deepest_ice_mm(self) -> float:
        """Greatest depth that ice reached."""
        return float(self.ice_depth_mm.max())

    @property
    def widest_ice_mm(self) -> float:
        """Greatest radius of the ice on the surface."""
        return float(self.ice_radius_mm.max())

    @property
    def coldest_surface_c(self) -> float:
        """Lowest temperature of the surface, in the middle of the spot."""
        return float(self.surface_c.min())

    def at(self, series: Floats, t_s: float) -> float:
        """The value of one of the series at `t_s`, interpolated."""
        return float(np.interp(t_s, self.time_s, series))


class _Curves:
    """Tables over temperature: enthalpy (J/m³), θ (W/m), conductivity, and θ over enthalpy."""

    def __init__(self, tissue: Tissue) -> None:
        t = tissue
        edges = np.arange(_TABLE_LOW_C, _TABLE_HIGH_C + _TABLE_STEP_C / 2, _TABLE_STEP_C)
        # The ends of the freezing range are points of the table, so that no latent heat is lost.
        extra = np.array([t.freezing_begins_c, t.freezing_ends_c])
        self.c: Floats = np.unique(np.concatenate([edges, extra]))
        middle = 0.5 * (self.c[1:] + self.c[:-1])
        width = np.diff(self.c)
        frozen_k = _line(middle, t.frozen_k_at_c, t.frozen_k_w_mk)
        frozen_c = _line(middle, t.frozen_c_at_c, t.frozen_c_j_kgk)
        span = t.freezing_begins_c - t.freezing_ends_c
        ice = np.clip((t.freezing_begins_c - middle) / span, 0.0, 1.0)
        k = t.warm_k_w_mk + ice * (frozen_k - t.warm_k_w_mk)
        heat = t.warm_c_j_kgk + ice * (frozen_c - t.warm_c_j_kgk)
        mushy = (middle < t.freezing_begins_c) & (middle > t.freezing_ends_c)
        heat = t.density_kg_m3 * (heat + np.where(mushy, t.latent_j_kg / span, 0.0))
        self.enthalpy: Floats = np.concatenate([[0.0], np.cumsum(heat * width)])
        self.theta: Floats = np.concatenate([[0.0], np.cumsum(k * width)])
        self.k_at: Floats = np.interp(self.c, middle, k)
        # The steepest dθ/dH among all temperatures at or above each one: it limits the step.
        slope = k / heat
        steepest = np.maximum.accumulate(slope[::-1])[::-1]
        self.steepest: Floats = np.concatenate([steepest, steepest[-1:]])


def _line(x: Floats, at: tuple[float, float], value: tuple[float, float]) -> Floats:
    return np.interp(x, at[::-1], value[::-1])


def _faces(fine: float, fine_to: float, end: float, growth: float = 1.25) -> Floats:
    """Cell faces in m: even up to `fine_to`, then wider and wider to `end`."""
    n = max(1, round(fine_to / fine))
    faces = list(np.linspace(0.0, fine_to, n + 1))
    width = fine_to / n
    while faces[-1] < end:
        width *= growth
        faces.append(faces[-1] + width)
    return np.array(faces)


class _Block:
    """The grid, its geometry and its enthalpy. Rows go down, columns outward."""

    def __init__(self, tissue: Tissue, spot_m: float, fine_z_m: float, deep_m: float) -> None:
        self.curves = _Curves(tissue)
        self.z = _faces(fine_z_m, 0.28 * deep_m, deep_m)
        self.dz: Floats = np.diff(self.z)
        self.z_mid: Floats = 0.5 * (self.z[1:] + self.z[:-1])
        if math.isinf(spot_m):
            self.r: Floats = np.array([0.0, 1.0])  # one column: a half-space
            in_spot = 1
        else:
            in_spot = max(10, round(spot_m / 0.5e-3))
            fine = spot_m / in_spot
            spread = math.ceil(6e-3 / fine) * fine
            self.r = _faces(fine, spot_m + spread, spot_m + 0.025)
        self.in_spot = in_spot
        self.r_mid: Floats = 0.5 * (self.r[1:] + self.r[:-1])
        ring = np.diff(self.r**2)  # area ÷ π
        # dH/dt of a cell = Σ factor · (θ of the neighbour − θ), factors in 1/m².
        gap_z = np.diff(self.z_mid)[:, None]
        self.up = 1.0 / (self.dz[1:, None] * gap_z)
        self.down = 1.0 / (self.dz[:-1, None] * gap_z)
        gap_r = np.diff(self.r_mid)[None, :]
        face_r = 2.0 * self.r[1:-1][None, :]
        self.inward = face_r / (ring[1:][None, :] * gap_r)
        self.outward = face_r / (ring[:-1][None, :] * gap_r)
        factors = np.zeros((len(self.dz), len(self.r_mid)))
        factors[1:] += self.up
        factors[:-1] += self.down
        factors[:, 1:] += self.inward
        factors[:, :-1] += self.outward
        self.factors = factors

    def stiffest(self, h_w_m2k: float) -> float:
        """The largest sum of a cell's factors in 1/m²; the surface's own counted in its share."""
        half = self.dz[0] / 2.0
        share = h_w_m2k / (h_w_m2k + float(self.curves.k_at.min()) / half)
        top = float(self.factors[0].max()) + share / (half * self.dz[0])
        return max(float(self.factors.max()), top)


def treat(
    intervals_ns: Sequence[tuple[int, int]],
    *,
    spot_radius_mm: float = 5.0,
    h_w_m2k: float = 3000.0,
    fluid_c: float = BOILING_C,
    follow_s: float = 10.0,
    sample_s: float = 0.1,
    ambient_c: float = 22.0,
    still_air_w_m2k: float = 10.0,
    start_c: float | None = None,
    fine_z_mm: float = 0.25,
    deep_mm: float = 25.0,
    tissue: Tissue = SKIN,
) -> TissueResult:
    """Spray the skin in each interval (begin, end) in ns and follow it `follow_s` beyond the last.

    Intervals must be in order and not overlap; none at all is a ValueError. `spot_radius_mm` > 0,
    or infinite for a half-space. `h_w_m2k` > 0 towards `fluid_c`. `start_c`: an even starting
    temperature; None: the steady state of living skin in the room's air. `deep_mm`: thickness of
    the block, insulated below. A freeze of 13 s and 10 s of thaw cost about
    0.15 s of computing.
    """
    if not intervals_ns:
        raise ValueError("no interval to treat")
    last_ns = intervals_ns[0][0]
    for begin_ns, end_ns in intervals_ns:
        if begin_ns < last_ns or end_ns < begin_ns:
            raise ValueError(f"interval ({begin_ns}, {end_ns}) is not in order")
        last_ns = end_ns
    if not spot_radius_mm > 0.0 or not h_w_m2k > 0.0 or not sample_s > 0.0:
        raise ValueError("spot radius, h and sampling time must be above 0")
    zero_ns = intervals_ns[0][0]
    switches = [((b - zero_ns) * 1e-9, (e - zero_ns) * 1e-9) for b, e in intervals_ns]
    block = _Block(tissue, spot_radius_mm * 1e-3, fine_z_mm * 1e-3, deep_mm * 1e-3)
    run = _Run(block, tissue, ambient_c, still_air_w_m2k, start_c)
    run.sample(0.0, False, h_w_m2k, fluid_c)
    for begin_s, end_s in switches:
        run.go(begin_s, False, h_w_m2k, fluid_c, sample_s)
        run.go(end_s, True, h_w_m2k, fluid_c, sample_s)
    run.go(run.now_s + follow_s, False, h_w_m2k, fluid_c, sample_s)
    columns = [np.array(column) for column in zip(*run.rows, strict=True)]
    return TissueResult(*columns, spot_radius_mm=spot_radius_mm, h_w_m2k=h_w_m2k)


class _Run:
    """One treatment under way."""

    def __init__(
        self, block: _Block, tissue: Tissue, ambient_c: float, air: float, start_c: float | None
    ) -> None:
        self.block = block
        self.tissue = tissue
        self.ambient_c = ambient_c
        self.air = air
        self.now_s = 0.0
        self.rows: list[tuple[float, float, float, float, float]] = []
        perfusion = tissue.perfusion_per_s * tissue.blood_j_m3k  # W/m³K
        if start_c is None and perfusion > 0.0:
            # Steady Pennes in one dimension: 37 °C − A·exp(−z/L).
            length = math.sqrt(tissue.warm_k_w_mk / perfusion)
            drop = air * (tissue.blood_c - ambient_c) / (tissue.warm_k_w_mk / length + air)
            profile = tissue.blood_c - drop * np.exp(-block.z_mid / length)
        else:
            profile = np.full_like(block.z_mid, tissue.blood_c if start_c is None else start_c)
        curves = block.curves
        self.enthalpy: Floats = np.repeat(
            np.interp(profile, curves.c, curves.enthalpy)[:, None], len(block.r_mid), axis=1
        )
        # Above freezing temperature is linear in enthalpy, and so is the blood's heat.
        warm = tissue.density_kg_m3 * tissue.warm_c_j_kgk
        self.blood_rate = perfusion / warm
        self.blood_enthalpy = float(np.interp(tissue.blood_c, curves.c, curves.enthalpy))
        self.thawed = float(np.interp(tissue.freezing_begins_c, curves.c, curves.enthalpy))

    def go(self, to_s: float, spraying: bool, h: float, fluid_c: float, sample_s: float) -> None:
        """On to `to_s`, noting the state every `sample_s` and at the end."""
        while self.now_s < to_s - 1e-9:
            next_s = min(to_s, (math.floor(self.now_s / sample_s + 1e-6) + 1) * sample_s)
            self._integrate(next_s, spraying, h, fluid_c)
            self.sample(next_s, spraying, h, fluid_c)

    def _surface(self, spraying: bool, h: float, fluid_c: float) -> tuple[Floats, Floats]:
        n = len(self.block.r_mid)
        coefficient = np.full(n, self.air)
        outside_c = np.full(n, self.ambient_c)
        if spraying:
            coefficient[: self.block.in_spot] = h
            outside_c[: self.block.in_spot] = fluid_c
        return coefficient, outside_c

    def _integrate(self, to_s: float, spraying: bool, h: float, fluid_c: float) -> None:
        block = self.block
        curves = block.curves
        table_h, table_theta, table_c = curves.enthalpy, curves.theta, curves.c
        table_k, steepest = curves.k_at, curves.steepest
        coefficient, outside_c = self._surface(spraying, h, fluid_c)
        half_m = block.dz[0] / 2.0
        top_m = block.dz[0]
        limit = _SAFETY / block.stiffest(max(h, self.air) if spraying else self.air)
        up, down, inward, outward = block.up, block.down, block.inward, block.outward
        enthalpy = self.enthalpy
        top: Floats = enthalpy[0]  # a view: it goes along
        flow = np.empty_like(enthalpy)
        warm_mask = np.empty(enthalpy.shape, dtype=bool)
        perfused = self.blood_rate > 0.0
        now_s = self.now_s
        while now_s < to_s - 1e-12:
            coldest_c = float(np.interp(float(np.min(enthalpy)), table_h, table_c)) - _LOOK_AHEAD_C
            step_s = limit / float(steepest[max(0, int(np.searchsorted(table_c, coldest_c)) - 1)])
            step_s = min(step_s, _LONGEST_STEP_S)
            left_s = to_s - now_s
            if step_s < left_s:
                step_s = left_s / math.ceil(left_s / step_s)
            else:
                step_s = left_s
            theta = np.interp(enthalpy, table_h, table_theta)
            np.multiply(enthalpy, -self.blood_rate, out=flow)
            if perfused:
                flow += self.blood_rate * self.blood_enthalpy
                np.greater(enthalpy, self.thawed, out=warm_mask)
                flow *= warm_mask
            difference = theta[1:] - theta[:-1]
            flow[:-1] += down * difference
            flow[1:] -= up * difference
            if theta.shape[1] > 1:
                difference = theta[:, 1:] - theta[:, :-1]
                flow[:, :-1] += outward * difference
                flow[:, 1:] -= inward * difference
            top_c = np.interp(top, table_h, table_c)
            conductance = np.interp(top_c, table_c, table_k) / half_m
            through = coefficient * conductance / (coefficient + conductance)
            flow[0] += through * (outside_c - top_c) / top_m
            flow *= step_s
            enthalpy += flow
            now_s += step_s
        self.now_s = to_s

    def sample(self, t_s: float, spraying: bool, h: float, fluid_c: float) -> None:
        """Note depths and surface temperature at `t_s`."""
        block = self.block
        curves = block.curves
        axis: Floats = self.enthalpy[:, 0]
        top: Floats = self.enthalpy[0]
        axis_c = np.interp(axis, curves.enthalpy, curves.c)
        top_c = np.interp(top, curves.enthalpy, curves.c)
        coefficient, outside_c = self._surface(spraying, h, fluid_c)
        conductance = np.interp(top_c, curves.c, curves.k_at) / (block.dz[0] / 2.0)
        surface_c = (coefficient * outside_c + conductance * top_c) / (coefficient + conductance)
        z = np.concatenate([[0.0], block.z_mid])
        down_c = np.concatenate([surface_c[:1], axis_c])
        begins_c = self.tissue.freezing_begins_c
        self.rows.append(
            (
                t_s,
                float(surface_c[0]),
                _deepest(z, down_c, -25.0) * 1e3,
                _deepest(z, down_c, begins_c) * 1e3,
                _deepest(np.concatenate([[0.0], block.r_mid]), _with_axis(surface_c), begins_c)
                * 1e3,
            )
        )


def _with_axis(surface_c: Floats) -> Floats:
    return np.concatenate([surface_c[:1], surface_c])


def _deepest(z: Floats, c: Floats, isotherm_c: float) -> float:
    """The greatest distance at which it is as cold as `isotherm_c`; 0 = nowhere."""
    cold = np.flatnonzero(c <= isotherm_c)
    if len(cold) == 0:
        return 0.0
    i = int(cast(int, cold[-1]))
    if i == len(c) - 1:
        return float(z[i])
    part = (isotherm_c - c[i]) / (c[i + 1] - c[i])
    return float(z[i] + part * (z[i + 1] - z[i]))
