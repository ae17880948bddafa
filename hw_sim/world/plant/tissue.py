"""What the skin receives: an axisymmetric Pennes bioheat model with freezing.

Enthalpy form on a cylinder (r, z), finite volumes. Conductivity enters through its integral
θ(T) = ∫ k dT (Kirchhoff), so that heat flows along differences of θ and only one table, enthalpy →
θ, is looked up. Each step is implicit and factored by direction: tridiagonal solves along r, then
along z (LAPACK gtsv, all lines of the grid in one call), with dθ/dH taken as the secant over the
change that the last step foretells. What crosses a face leaves one cell and enters the next, so
heat is conserved whatever the step. Steps are 1 ms after a change at the surface and grow to 40 ms
(250 ms in the thaw), no cell changing by more than 16 MJ/m³ in one. Blood warms unfrozen tissue
only; there is none in ice. May import NumPy, SciPy and the standard library.

What touches the skin is a heat transfer coefficient h towards a body or fluid at a temperature, on
a round spot, both free to change with time (`Exposure`): a spray of liquid nitrogen, cold gas that
comes first, or a cold probe (h is then the contact's conductance, the temperature the probe's
own). The rest of the surface, and the spot while nothing touches it, has still air.

It is no measurement: h and the spot of a real applicator have to be measured.

Properties (`SKIN`) lie in the ranges that the project's clinical notes give as common knowledge:
unfrozen k 0.45 W/mK (0.37–0.5), ρ 1060 kg/m³ (1050–1100), c 3450 J/kgK (3300–3600); frozen k from
1.5 at −10 °C to 3.0 at −150 °C and c from 2000 at −8 °C to 1000 at −196 °C, straight lines; latent
heat 220 kJ/kg (190–250) spread evenly over −0.6…−8 °C; perfusion 0.002 /s (0.001–0.003). They are
the middles of those ranges, and not fitted to anything.

How far it can be trusted is measured by `make validate` and reported in docs/validation.md: against
Neumann's exact solution, against a finer grid, by its balance of heat, against an earlier
computation of the project, and against what has been published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.linalg.lapack as _lapack_module  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from hw_sim.world.plant.nitrogen import BOILING_C

Floats = NDArray[np.float64]

_gtsv = cast(Any, _lapack_module).dgtsv  # solves a tridiagonal system

_TABLE_LOW_C = -200.0
_TABLE_HIGH_C = 60.0
_TABLE_STEP_C = 0.25

_FIRST_STEP_S = 1e-3
_NEXT_STEP_S = 5e-3  # after a lesser change of what touches the skin
_LONGEST_STEP_S = 0.04
_LONGEST_THAW_STEP_S = 0.25
_GROWTH = 1.3
_QUICK_THAW_S = 10.0  # after this time of thaw …
_SLOWER = 10  # … the state is noted this many times less often
_LARGEST_CHANGE_J_M3 = 16e6  # about 4 K in water, 7 K in cold ice, 7 % of the latent heat
_SMALL_J_M3 = 1e3  # below it the secant is lost in rounding, and the table's own slope is taken

# The production grid, mm: cells at the surface, their growth, the widest in the frozen depth.
_FINE_Z_MM = 0.05
_GROWTH_Z = 1.05
_WIDEST_Z_MM = 0.2
_FINE_TO_MM = 7.0
_FINE_R_MM = 0.35
_LEAST_IN_SPOT = 5
_GROWTH_R = 1.1  # both ways from the rim, outwards as far as ice goes:
_SPREAD_MM = 6.0
_COARSE_GROWTH = 1.25


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
class Exposure:
    """What touches the spot, over time: each row holds from its time to the next row's.

    `time_s` ascending, the first not before 0; before it, and wherever h is 0, the spot has still
    air. `h_w_m2k` ≥ 0 towards `fluid_c`: of a spray, or the contact's conductance to a probe.
    """

    time_s: Sequence[float] | Floats
    h_w_m2k: Sequence[float] | Floats
    fluid_c: Sequence[float] | Floats

    def rows(self) -> list[tuple[float, float, float]]:
        """(time, h, temperature); ValueError for what cannot be."""
        rows = [
            (float(t), float(h), float(c))
            for t, h, c in zip(self.time_s, self.h_w_m2k, self.fluid_c, strict=True)
        ]
        if not rows:
            raise ValueError("an exposure of no rows")
        if any(b[0] < a[0] for a, b in zip(rows, rows[1:], strict=False)) or rows[0][0] < 0.0:
            raise ValueError("an exposure's times must ascend from 0 on")
        if any(h < 0.0 for _, h, _ in rows):
            raise ValueError("h must not be below 0")
        return rows


@dataclass(frozen=True, slots=True)
class Balance:
    """Heat in J (of a half-space: in J/m² ÷ π): what came in and what was stored; cold is below 0.

    `surface_j` is added up from h and the surface's temperature, not from the solver's own flows.
    """

    surface_j: float
    blood_j: float
    stored_j: float

    @property
    def open_part(self) -> float:
        """What does not add up, as a part of the heat that crossed the surface."""
        return abs(self.stored_j - self.surface_j - self.blood_j) / max(1e-12, abs(self.surface_j))


@dataclass(frozen=True, slots=True)
class Section:
    """Half a vertical section: temperatures at cell middles, a row for each radius, columns down.

    The first row is next to the axis, the first column next to the surface.
    """

    r_mm: Floats
    z_mm: Floats
    celsius: Floats


@dataclass(frozen=True, slots=True)
class TissueResult:
    """Series over time, counted from the first opening, and what they come to.

    Depths are on the axis, in mm below the surface; 0 = none. "Ice" is where freezing has begun;
    `solid_mm` adds up the frozen part of each cell down the axis, which for tissue that freezes at
    one temperature is the front's position, finer than the cells.
    """

    time_s: Floats
    surface_c: Floats
    depth_m25_mm: Floats
    depth_m50_mm: Floats
    ice_depth_mm: Floats
    ice_radius_mm: Floats
    solid_mm: Floats
    spot_radius_mm: float
    h_w_m2k: float
    balance: Balance
    section: Section
    """At the end."""

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

    def surface_reached_s(self, surface_c: float) -> float:
        """When the surface's middle first was at `surface_c` or below; infinite: never."""
        cold = np.flatnonzero(self.surface_c <= surface_c)
        if len(cold) == 0:
            return math.inf
        i = int(cast(int, cold[0]))
        if i == 0:
            return float(self.time_s[0])
        a, b = float(self.surface_c[i - 1]), float(self.surface_c[i])
        part = (a - surface_c) / (a - b)
        return float(self.time_s[i - 1] + part * (self.time_s[i] - self.time_s[i - 1]))


class _Curves:
    """Tables over temperature: enthalpy (J/m³), θ (W/m), conductivity; and dθ/dH."""

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
        self.slope: Floats = np.append(k / heat, k[-1] / heat[-1])  # of the segment that begins


def _line(x: Floats, at: tuple[float, float], value: tuple[float, float]) -> Floats:
    return np.interp(x, at[::-1], value[::-1])


def _grow(
    start: float, width: float, growth: float, widest: float, fine_to: float, end: float
) -> Floats:
    """Faces beyond `start`: slowly wider up to `fine_to`, then quickly to `end`."""
    faces = [start]
    while faces[-1] < end:
        faces.append(faces[-1] + width)
        fine = faces[-1] < fine_to
        width = min(width * growth, widest) if fine else width * _COARSE_GROWTH
    return np.array(faces)


class _Block:
    """The grid and its geometry. Rows go outward, columns down."""

    def __init__(self, spot_m: float, deep_m: float, fineness: float, rim_m: float) -> None:
        mm = 1e-3 / fineness
        self.fineness = fineness
        growth = 1.0 + (_GROWTH_Z - 1.0) / fineness
        fine_to = _FINE_TO_MM * 1e-3
        self.z = _grow(0.0, _FINE_Z_MM * mm, growth, _WIDEST_Z_MM * mm, fine_to, deep_m)
        self.dz: Floats = np.diff(self.z)
        self.z_mid: Floats = 0.5 * (self.z[1:] + self.z[:-1])
        if math.isinf(spot_m):
            self.r: Floats = np.array([0.0, 1.0])  # one column: a half-space
        else:
            # Finest at the rim, wider towards the axis and outwards.
            growth = 1.0 + (_GROWTH_R - 1.0) / fineness
            width = min(_FINE_R_MM * mm, spot_m / _LEAST_IN_SPOT)
            inside = _grow(0.0, width, growth, math.inf, spot_m, spot_m)
            inside *= spot_m / inside[-1]
            width = float(inside[1])
            spread = spot_m + rim_m + _SPREAD_MM * 1e-3
            outside = _grow(spot_m, width, growth, math.inf, spread, spot_m + 0.025)
            self.r = np.concatenate([spot_m - inside[:0:-1], outside])
            self.r[0] = 0.0
        self.r_mid: Floats = 0.5 * (self.r[1:] + self.r[:-1])
        self.ring: Floats = np.diff(self.r**2)  # area ÷ π
        beyond = np.maximum(0.0, self.r_mid - spot_m)
        # How much of h a ring gets: all of it in the spot, falling off over `rim_m` beyond it.
        self.share: Floats = (
            np.exp(-((beyond / rim_m) ** 2)) if rim_m > 0.0 else np.where(beyond > 0.0, 0.0, 1.0)
        )
        self.share[self.share < 1e-3] = 0.0
        # dH/dt of a cell = Σ factor · (θ of the neighbour − θ), factors in 1/m²; 0 at the edges.
        nz, nr = len(self.dz), len(self.r_mid)
        self.shape = (nr, nz)
        gap_z = np.diff(self.z_mid)
        self.up = np.zeros(nz)
        self.down = np.zeros(nz)
        self.up[1:] = 1.0 / (self.dz[1:] * gap_z)
        self.down[:-1] = 1.0 / (self.dz[:-1] * gap_z)
        self.inward = np.zeros(nr)
        self.outward = np.zeros(nr)
        gap_r = np.diff(self.r_mid)
        face_r = 2.0 * self.r[1:-1]
        self.inward[1:] = face_r / (self.ring[1:] * gap_r)
        self.outward[:-1] = face_r / (self.ring[:-1] * gap_r)


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
    skin_c: float | None = None,
    rim_mm: float = 0.0,
    fineness: float = 1.0,
    deep_mm: float = 25.0,
    tissue: Tissue = SKIN,
) -> TissueResult:
    """Spray the skin in each interval (begin, end) in ns and follow it `follow_s` beyond the last.

    Intervals must be in order and not overlap; none at all is a ValueError. `h_w_m2k` > 0 towards
    `fluid_c`, at once and for the whole interval. The rest as for `expose`.
    """
    if not intervals_ns:
        raise ValueError("no interval to treat")
    last_ns = intervals_ns[0][0]
    for begin_ns, end_ns in intervals_ns:
        if begin_ns < last_ns or end_ns < begin_ns:
            raise ValueError(f"interval ({begin_ns}, {end_ns}) is not in order")
        last_ns = end_ns
    if not h_w_m2k > 0.0:
        raise ValueError("h must be above 0")
    zero_ns = intervals_ns[0][0]
    rows: list[tuple[float, float, float]] = []
    for begin_ns, end_ns in intervals_ns:
        rows.append(((begin_ns - zero_ns) * 1e-9, h_w_m2k, fluid_c))
        rows.append(((end_ns - zero_ns) * 1e-9, 0.0, ambient_c))
    time_s, h, c = zip(*rows, strict=True)
    return expose(
        Exposure(time_s, h, c),
        until_s=rows[-1][0] + follow_s,
        spot_radius_mm=spot_radius_mm,
        sample_s=sample_s,
        ambient_c=ambient_c,
        still_air_w_m2k=still_air_w_m2k,
        start_c=start_c,
        skin_c=skin_c,
        rim_mm=rim_mm,
        fineness=fineness,
        deep_mm=deep_mm,
        tissue=tissue,
    )


def expose(
    exposure: Exposure,
    *,
    until_s: float,
    spot_radius_mm: float = 5.0,
    sample_s: float = 0.1,
    ambient_c: float = 22.0,
    still_air_w_m2k: float = 10.0,
    start_c: float | None = None,
    skin_c: float | None = None,
    rim_mm: float = 0.0,
    fineness: float = 1.0,
    deep_mm: float = 25.0,
    tissue: Tissue = SKIN,
) -> TissueResult:
    """Follow the skin from 0 to `until_s` under an exposure.

    `spot_radius_mm` > 0, or infinite for a half-space; `rim_mm` ≥ 0: beyond the spot h falls off as
    a Gaussian of this width (0: a sharp rim). `sample_s` > 0 between two values of the result,
    ten times that after 10 s of thaw.
    `start_c`: an even starting temperature; otherwise living skin, whose surface is at `skin_c`, or
    (None) in balance with the room's air. `deep_mm`: thickness of the block, insulated below.
    `fineness` divides every cell (2: half as wide, both ways); below 1 steps
    grow longer, too. A freeze of 30 s and 120 s of thaw
    cost about half a second of computing (docs/validation.md). ValueError for what cannot be.
    """
    if not spot_radius_mm > 0.0 or not sample_s > 0.0 or not fineness > 0.0 or rim_mm < 0.0:
        raise ValueError("spot radius, sampling time and fineness must be above 0, rim at least 0")
    rows = exposure.rows()
    block = _Block(spot_radius_mm * 1e-3, deep_mm * 1e-3, fineness, rim_mm * 1e-3)
    run = _Run(block, tissue, ambient_c, still_air_w_m2k, start_c, skin_c)
    run.touch(0.0, ambient_c)
    run.sample()
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        begin_s = min(row[0], until_s)
        run.go(begin_s, sample_s)
        run.touch(row[1], row[2])
        run.go(until_s if after is None else min(after[0], until_s), sample_s)
    columns = [np.array(column) for column in zip(*run.rows, strict=True)]
    return TissueResult(
        *columns,
        spot_radius_mm=spot_radius_mm,
        h_w_m2k=max(h for _, h, _ in rows),
        balance=run.balance(),
        section=run.section(),
    )


class _Run:
    """One treatment under way."""

    def __init__(
        self,
        block: _Block,
        tissue: Tissue,
        ambient_c: float,
        air: float,
        start_c: float | None,
        skin_c: float | None,
    ) -> None:
        self.block = block
        self.tissue = tissue
        self.ambient_c = ambient_c
        self.air = air
        self.now_s = 0.0
        self.rows: list[tuple[float, ...]] = []
        perfusion = tissue.perfusion_per_s * tissue.blood_j_m3k  # W/m³K
        if start_c is None and perfusion > 0.0:
            # Steady Pennes in one dimension: 37 °C − A·exp(−z/L).
            length = math.sqrt(tissue.warm_k_w_mk / perfusion)
            drop = air * (tissue.blood_c - ambient_c) / (tissue.warm_k_w_mk / length + air)
            if skin_c is not None:
                drop = tissue.blood_c - skin_c
            profile = tissue.blood_c - drop * np.exp(-block.z_mid / length)
        else:
            even = skin_c if start_c is None else start_c
            profile = np.full_like(block.z_mid, tissue.blood_c if even is None else even)
        curves = self.curves = _Curves(tissue)
        nr, nz = block.shape
        self.enthalpy: Floats = np.tile(np.interp(profile, curves.c, curves.enthalpy), (nr, 1))
        self.theta: Floats = np.interp(self.enthalpy, curves.enthalpy, curves.theta)
        self.top_c: Floats = np.interp(self.enthalpy[:, 0], curves.enthalpy, curves.c)
        # Above freezing temperature is linear in enthalpy, and so is the blood's heat.
        self.blood_rate = perfusion / (tissue.density_kg_m3 * tissue.warm_c_j_kgk)
        self.blood_enthalpy = float(np.interp(tissue.blood_c, curves.c, curves.enthalpy))
        self.thawed = float(np.interp(tissue.freezing_begins_c, curves.c, curves.enthalpy))
        self.frozen = float(np.interp(tissue.freezing_ends_c, curves.c, curves.enthalpy))
        self._along_z = (np.tile(block.up, nr), np.tile(block.down, nr))
        self._along_r = (np.tile(block.inward, nz), np.tile(block.outward, nz))
        self._volume = block.ring[:, None] * block.dz[None, :]
        self._first_j = float((self.enthalpy * self._volume).sum())
        self._surface_j = 0.0
        self._blood_j = 0.0
        self._step_s = _FIRST_STEP_S
        self._change: Floats = np.zeros(block.shape)
        self._touching = (-1.0, 0.0)
        # On coarser cells, longer steps too.
        coarse = max(1.0, 1.0 / block.fineness)
        self._most_j_m3 = _LARGEST_CHANGE_J_M3 * coarse * coarse
        self._longest_s = _LONGEST_STEP_S * coarse
        self.surface_c: Floats = self.top_c.copy()
        self._h: Floats = np.zeros(nr)
        self._outside_c: Floats = np.zeros(nr)

    def touch(self, h: float, fluid_c: float) -> None:
        """From now on the spot has this coefficient towards this temperature; 0: still air."""
        before_h, before_c = self._touching
        if (h, fluid_c) == self._touching:
            return
        if abs(h - before_h) > 0.5 * max(h, before_h) or abs(fluid_c - before_c) > 50.0:
            self._step_s = _FIRST_STEP_S
        elif abs(h - before_h) > 0.05 * before_h or abs(fluid_c - before_c) > 10.0:
            self._step_s = min(self._step_s, _NEXT_STEP_S)
        self._touching = (h, fluid_c)
        jet = self.block.share * h
        wet = jet > self.air
        self._h = np.where(wet, jet, self.air)
        self._outside_c = np.where(wet, fluid_c, self.ambient_c)
        self._settle_surface()

    def go(self, to_s: float, sample_s: float) -> None:
        """On to `to_s`, noting the state as `sample_s` asks, and at the end."""
        from_s = self.now_s
        while self.now_s < to_s - 1e-9:
            if self._touching[0] == 0.0 and self.now_s - from_s >= _QUICK_THAW_S:
                every_s = _SLOWER * sample_s
            else:
                every_s = sample_s
            next_s = min(to_s, (math.floor(self.now_s / every_s + 1e-6) + 1) * every_s)
            self._integrate(next_s)
            self.sample()

    def _conductance(self) -> Floats:
        """W/m²K from the surface to the middle of the first cells: the mean over the half cell."""
        curves = self.curves
        gap_c = self.surface_c - self.top_c
        near = np.abs(gap_c) < 0.05
        gap_c[near] = 1.0
        mean = (np.interp(self.surface_c, curves.c, curves.theta) - self.theta[:, 0]) / gap_c
        mean[near] = np.interp(self.top_c[near], curves.c, curves.k_at)
        return mean / (0.5 * self.block.dz[0])

    def _settle_surface(self) -> Floats:
        """The surface's temperature from both sides; returns the conductance below it."""
        below = self._conductance()
        self.surface_c = (self._h * self._outside_c + below * self.top_c) / (self._h + below)
        return below

    def _integrate(self, to_s: float) -> None:
        longest_s = self._longest_s if self._touching[0] > 0.0 else _LONGEST_THAW_STEP_S
        while self.now_s < to_s - 1e-9:
            step_s = min(self._step_s, longest_s)
            left_s = to_s - self.now_s
            cut = step_s >= left_s - 1e-9
            if cut:
                step_s = left_s
            elif step_s > 0.5 * left_s:
                step_s = 0.5 * left_s
            largest = self._step(step_s)
            fit_s = step_s * min(_GROWTH, max(0.4, self._most_j_m3 / max(1.0, largest)))
            # A step cut short by a sample says nothing against the longer one it was cut from.
            self._step_s = min(longest_s, max(fit_s, self._step_s) if cut else fit_s)
            self.now_s += step_s
        self.now_s = to_s

    def _step(self, step_s: float) -> float:
        """One implicit step; returns the largest change of enthalpy in a cell."""
        block, curves = self.block, self.curves
        enthalpy, theta = self.enthalpy, self.theta
        nr, nz = block.shape
        top_m = float(block.dz[0])
        below = self._settle_surface()
        through = self._h * below / (self._h + below)
        surface_w = self._h * (self._outside_c - self.surface_c)
        # What flows now.
        flow = np.zeros_like(enthalpy)
        difference = np.diff(theta, axis=1)
        flow[:, :-1] += block.down[:-1] * difference
        flow[:, 1:] -= block.up[1:] * difference
        if nr > 1:
            difference = np.diff(theta, axis=0)
            flow[:-1] += block.outward[:-1, None] * difference
            flow[1:] -= block.inward[1:, None] * difference
        if self.blood_rate > 0.0:
            blood = self.blood_rate * (self.blood_enthalpy - enthalpy) * (enthalpy > self.thawed)
            flow += blood
            self._blood_j += step_s * float((blood * self._volume).sum())
        flow[:, 0] += through * (self._outside_c - self.top_c) / top_m
        flow *= step_s
        # dθ/dH over the change to be expected.
        small = np.abs(self._change) < _SMALL_J_M3
        ahead = np.interp(enthalpy + self._change, curves.enthalpy, curves.theta)
        slope = (ahead - theta) / np.where(small, 1.0, self._change)
        if small.any():
            at = np.searchsorted(curves.enthalpy, enthalpy[small], side="right") - 1
            slope[small] = curves.slope[np.clip(at, 0, len(curves.slope) - 1)]
        if nr > 1:
            inward, outward = self._along_r
            turned = slope.T.ravel()
            solved = _gtsv(
                (-step_s * inward[1:]) * turned[:-1],
                1.0 + (step_s * (inward + outward)) * turned,
                (-step_s * outward[:-1]) * turned[1:],
                flow.T.ravel(),
                overwrite_dl=1, overwrite_d=1, overwrite_du=1, overwrite_b=1,
            )[3]  # fmt: skip
            flow = np.ascontiguousarray(solved.reshape(nz, nr).T)
        up, down = self._along_z
        flat = slope.ravel()
        diagonal = 1.0 + (step_s * (up + down)) * flat
        top_k = np.interp(self.top_c, curves.c, curves.k_at)
        diagonal[::nz] += (step_s / top_m) * through * slope[:, 0] / top_k
        change: Floats = _gtsv(
            (-step_s * up[1:]) * flat[:-1],
            diagonal,
            (-step_s * down[:-1]) * flat[1:],
            flow.ravel(),
            overwrite_dl=1, overwrite_d=1, overwrite_du=1, overwrite_b=1,
        )[3].reshape(nr, nz)  # fmt: skip
        enthalpy += change
        self.theta = np.interp(enthalpy, curves.enthalpy, curves.theta)
        self.top_c = np.interp(enthalpy[:, 0], curves.enthalpy, curves.c)
        self._settle_surface()
        surface_w += self._h * (self._outside_c - self.surface_c)
        self._surface_j += 0.5 * step_s * float((surface_w * block.ring).sum())
        self._change = change
        return float(np.abs(change).max())

    def balance(self) -> Balance:
        """Heat so far."""
        stored_j = float((self.enthalpy * self._volume).sum()) - self._first_j
        return Balance(math.pi * self._surface_j, math.pi * self._blood_j, math.pi * stored_j)

    def section(self) -> Section:
        """Temperatures now."""
        celsius = np.interp(self.enthalpy, self.curves.enthalpy, self.curves.c)
        return Section(self.block.r_mid * 1e3, self.block.z_mid * 1e3, celsius)

    def sample(self) -> None:
        """Note depths and surface temperature."""
        block, curves = self.block, self.curves
        axis: Floats = self.enthalpy[0]
        solid = np.clip((self.thawed - axis) / (self.thawed - self.frozen), 0.0, 1.0)
        axis_c = np.interp(axis, curves.enthalpy, curves.c)
        z = np.concatenate([[0.0], block.z_mid])
        down_c = np.concatenate([self.surface_c[:1], axis_c])
        begins_c = self.tissue.freezing_begins_c
        r = np.concatenate([[0.0], block.r_mid])
        along_c = np.concatenate([self.surface_c[:1], self.surface_c])
        self.rows.append(
            (
                self.now_s,
                float(self.surface_c[0]),
                _deepest(z, down_c, -25.0) * 1e3,
                _deepest(z, down_c, -50.0) * 1e3,
                _deepest(z, down_c, begins_c) * 1e3,
                _deepest(r, along_c, begins_c) * 1e3,
                float((solid * block.dz).sum()) * 1e3,
            )
        )


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
