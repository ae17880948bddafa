"""The second truth: layered skin under a boiling jet, by another method than the first model.

The first model (hw_sim/world/plant/tissue.py) steps cell by cell in factored directions, with one
tissue and one coefficient. This one has layers (`properties`) and jets (`jet`), and another
numerical method, so that an error of one is not an error of the other:

- Nodes down the axis lie on the surface and on every border of layers; a node holds the enthalpy of
  the halves of the layers around it. The surface's temperature is an unknown, not extrapolated.
- All nodes are solved together: a Rosenbrock method of second order (ROS2, Verwer et al. 1999;
  L-stable), its Jacobian by the tables' own slopes, one banded LU (LAPACK gbtrf) a step. The step
  follows the difference from the embedded first-order solution.
- What leaves a node enters its neighbour: heat is conserved to rounding; the bound on the step
  decides the accuracy alone.

Beyond the first model it has supercooling (no ice anywhere until some place is at `ice_at_c`; then
what is supercooled freezes at once, and warms to its balance with the heat unchanged), and vessels
that stay closed where it has been frozen (`vessels_close`).

May import NumPy, SciPy and its sibling modules `properties` and `jet`. No measurement: see
docs/dose-second-truth.md.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.linalg as _linalg_module  # pyright: ignore[reportMissingTypeStubs]
import scipy.linalg.lapack as _lapack_module  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from hw_sim.dose.jet import Jet, Touch
from hw_sim.dose.properties import (
    BLOOD_C,
    TABLE_C,
    TABLE_STEP_C,
    Layer,
    Material,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_lapack = cast(Any, _lapack_module)
_solve_banded = cast(Any, _linalg_module).solve_banded

_GAMMA = 1.0 - 1.0 / math.sqrt(2.0)
_FIRST_STEP_S = 2e-4
_LONGEST_STEP_S = 0.5
_TOLERANCE_J_M3 = 2e6
"""Bound on a step's error estimate in any node: 1 % of the latent heat of skin's water."""
_SAFETY = 0.8
_SMALL_J_M3 = 1e3  # below it the secant is lost in rounding
_CLASS = 1e11  # J/m3, above any enthalpy: it keeps the tables of the rows apart in one search

# The grid, mm: the first element, growth, the widest in the depth that freezes, and beyond it.
_FIRST_MM = 0.05
_GROWTH = 1.07
_WIDEST_MM = 0.22
_FINE_TO_MM = 7.0
_DEEP_MM = 25.0
_DEEP_GROWTH = 1.35
_RIM_MM = 0.3
_LEAST_IN_SPOT = 6
_RIM_GROWTH = 1.18
_SPREAD_MM = 5.0
_FAR_MM = 25.0
_QUADRATURE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Layers from the surface down, as tables. The last goes to the bottom of the block."""

    thick_mm: tuple[float, ...]
    materials: tuple[Material, ...]


def stack(layers: Sequence[Layer]) -> Stack:
    """The tables of these layers; ValueError for none, or a thickness of 0 or less."""
    if not layers or any(not layer.thick_mm > 0.0 for layer in layers):
        raise ValueError("a stack needs layers, each with a thickness above 0 mm")
    return Stack(
        tuple(layer.thick_mm for layer in layers), tuple(layer.material() for layer in layers)
    )


@dataclass(frozen=True, slots=True)
class History:
    """What happened at every step; times in s, depths (on the axis) and radii in mm, 0 = none.

    `seen_c`: mean of the surface within the infrared sensor's field. `top_mm`: what of the surface
    is keratin; depths are counted from the surface, through it.
    """

    time_s: Floats
    surface_c: Floats
    seen_c: Floats
    depth_m25_mm: Floats
    depth_m50_mm: Floats
    ice_depth_mm: Floats
    ice_radius_mm: Floats
    surface_j: float
    blood_j: float
    stored_j: float
    steps: int

    @property
    def deepest_m25_mm(self) -> float:
        """Greatest depth that reached -25 C."""
        return float(self.depth_m25_mm.max())

    def at(self, series: Floats, t_s: float) -> float:
        """The value of one of the series at `t_s`, interpolated."""
        return float(np.interp(t_s, self.time_s, series))

    def fell_s(self, series: Floats, celsius: float) -> float:
        """When a series first was at `celsius` or below; infinite: never."""
        cold = np.flatnonzero(series <= celsius)
        if len(cold) == 0:
            return math.inf
        i = int(cast(int, cold[0]))
        if i == 0:
            return float(self.time_s[0])
        return _crossing(self.time_s, series, i - 1, celsius)

    def rose_s(self, series: Floats, celsius: float) -> float:
        """When a series was below `celsius` for the last time; infinite: it still is, or never."""
        cold = np.flatnonzero(series < celsius)
        if len(cold) == 0 or int(cast(int, cold[-1])) == len(series) - 1:
            return math.inf
        return _crossing(self.time_s, series, int(cast(int, cold[-1])), celsius)

    @property
    def open_part(self) -> float:
        """Heat that does not add up, as a part of what crossed the surface."""
        off = abs(self.stored_j - self.surface_j - self.blood_j)
        return off / max(1e-12, abs(self.surface_j))


def _crossing(t: Floats, series: Floats, i: int, celsius: float) -> float:
    a, b = float(series[i]), float(series[i + 1])
    part = 0.0 if a == b else (a - celsius) / (a - b)
    return float(t[i] + part * (t[i + 1] - t[i]))


def _elements(thick_mm: Sequence[float], fineness: float, deep_mm: float) -> tuple[Floats, Ints]:
    """Widths of the elements in m, and the layer of each; borders of layers are nodes."""
    widths: list[float] = []
    layer_of: list[int] = []
    z = 0.0
    width = _FIRST_MM / fineness
    growth = 1.0 + (_GROWTH - 1.0) / fineness
    deep_growth = 1.0 + (_DEEP_GROWTH - 1.0) / fineness
    for number, thick in enumerate(thick_mm):
        end = deep_mm if number == len(thick_mm) - 1 else min(deep_mm, z + thick)
        mine: list[float] = []
        while z + sum(mine) < end - 1e-9:
            mine.append(width)
            if z + sum(mine) < _FINE_TO_MM:
                width = min(width * growth, _WIDEST_MM / fineness)
            else:
                width *= deep_growth
        if mine:
            scale = (end - z) / sum(mine)  # the last one would overshoot: all a little thinner
            widths += [one * scale for one in mine]
            layer_of += [number] * len(mine)
        z = end
    return np.array(widths) * 1e-3, np.array(layer_of, dtype=np.int64)


def _rings(spot_mm: float, fineness: float) -> Floats:
    """Faces in m: finest at the rim, wider inwards and outwards. Infinite: one column of 1 m2/π."""
    if math.isinf(spot_mm):
        return np.array([0.0, 1.0])
    growth = 1.0 + (_RIM_GROWTH - 1.0) / fineness
    first = min(_RIM_MM, spot_mm / _LEAST_IN_SPOT) / fineness
    inside = [spot_mm]
    width = first
    while inside[-1] > 0.0:
        inside.append(inside[-1] - width)
        width *= growth
    scaled = [spot_mm - (spot_mm - r) * spot_mm / (spot_mm - inside[-1]) for r in inside]
    outside = [spot_mm]
    width = first
    while outside[-1] < spot_mm + _FAR_MM:
        outside.append(outside[-1] + width)
        near = outside[-1] < spot_mm + _SPREAD_MM
        width *= growth if near else 1.0 + (1.6 - 1.0) / fineness
    faces = np.array([*reversed(scaled), *outside[1:]]) * 1e-3
    faces[0] = 0.0
    return faces


class Run:
    """One treatment under way: `go` on, `touch` again, `copy` to try what follows."""

    def __init__(
        self,
        layers: Stack,
        jet: Jet,
        *,
        skin_c: float | None = 33.0,
        start_c: float | None = None,
        ambient_c: float = 22.0,
        still_air_w_m2k: float = 10.0,
        ice_at_c: float = math.inf,
        vessels_close: bool = True,
        field_mm: float = 2.0,
        fineness: float = 1.0,
        deep_mm: float = _DEEP_MM,
        tolerance_j_m3: float = _TOLERANCE_J_M3,
    ) -> None:
        """Skin at rest. `skin_c`: its surface then (None: in balance with the room's air);
        `start_c`: an even temperature instead. `ice_at_c`: where ice first comes (infinite: no
        supercooling). `field_mm`: radius that the infrared sensor sees."""
        self.jet = jet
        self.ambient_c = ambient_c
        self.air = still_air_w_m2k
        self.ice_at_c = ice_at_c
        self.vessels_close = vessels_close
        self.tolerance_j_m3 = tolerance_j_m3
        self.now_s: float = 0.0
        self.dz, element_layer = _elements(layers.thick_mm, fineness, deep_mm)
        self.z: Floats = np.concatenate([[0.0], np.cumsum(self.dz)])
        self.faces = _rings(jet.spot_radius_mm, fineness)
        self.r: Floats = 0.5 * (self.faces[1:] + self.faces[:-1])
        self.ring: Floats = np.diff(self.faces**2)  # area ÷ π
        nz, nr = len(self.z), len(self.r)
        self.shape = (nz, nr)
        self._tables(layers, element_layer)
        self._geometry()
        # The infrared sensor's field: the part of each ring within it.
        inner = np.minimum(self.faces, field_mm * 1e-3)
        field = np.diff(inner**2)
        self._field: Floats = field / field.sum() if field.sum() > 0.0 else self.ring
        profile = self._at_rest(layers, element_layer, skin_c, start_c)
        self._super = math.isfinite(ice_at_c)
        self._class_of: Ints = np.repeat(self._row_class, nr)
        self.h: Floats = np.repeat(
            [self._of_class(c, t) for c, t in zip(self._row_class, profile, strict=True)], nr
        )
        self._rate: Floats = np.zeros(nz * nr)
        self.frozen_once = np.zeros(nz * nr, dtype=bool)
        self._first_j = float((self.h * self.volume).sum())
        self._surface_j = self._blood_j = 0.0
        self._step_s: float = _FIRST_STEP_S
        self.steps = 0
        self._rows: list[tuple[float, ...]] = []
        self.touch(0.0)
        self._now = self._look_up(self.h)
        self._note()

    # -- set-up

    def _tables(self, layers: Stack, element_layer: Ints) -> None:
        """Tables of each material, and enthalpy of each row: the halves of the elements around."""
        nz = len(self.z)
        above = np.concatenate([element_layer[:1], element_layer])
        below = np.concatenate([element_layer, element_layer[-1:]])
        self._above, self._below = above, below
        half_above = np.concatenate([[0.0], 0.5 * self.dz])
        half_below = np.concatenate([0.5 * self.dz, [0.0]])
        self._half = (half_above, half_below)
        self._row_m: Floats = half_above + half_below
        self._theta = np.array([m.theta for m in layers.materials])
        self._super_theta = np.array([m.super_theta for m in layers.materials])
        kinds: dict[tuple[int, int, float], int] = {}
        row_class = np.zeros(nz, dtype=np.int64)
        real: list[Floats] = []
        supercooled: list[Floats] = []
        for j in range(nz):
            part = float(half_above[j] / self._row_m[j])
            a, b = int(above[j]), int(below[j])
            key = (a, b, 0.0 if a == b else part)
            if key not in kinds:
                kinds[key] = len(kinds)
                ma, mb = layers.materials[a], layers.materials[b]
                real.append(part * ma.enthalpy + (1.0 - part) * mb.enthalpy)
                supercooled.append(part * ma.super_enthalpy + (1.0 - part) * mb.super_enthalpy)
            row_class[j] = kinds[key]
        self._row_class: Ints = row_class
        offset = np.arange(len(kinds))[:, None] * _CLASS
        self._enthalpy: Floats = np.array(real)
        self._super_enthalpy: Floats = np.array(supercooled)
        self._search = (self._enthalpy + offset).ravel()
        self._super_search = (self._super_enthalpy + offset).ravel()
        perfusion = [m.perfusion_w_m3k for m in layers.materials]
        blood = half_above * np.take(perfusion, above) + half_below * np.take(perfusion, below)
        self._blood_row: Floats = blood  # W/m2K of each row
        freezes = np.array([m.freezable for m in layers.materials])
        self._freezable = np.repeat(freezes[above] | freezes[below], self.shape[1])
        self._begins_c = min(m.begins_c for m in layers.materials)

    def _geometry(self) -> None:
        nr = self.shape[1]
        self.volume: Floats = (self._row_m[:, None] * self.ring[None, :]).ravel()
        self._blood_w_k: Floats = (self._blood_row[:, None] * self.ring[None, :]).ravel()
        self._down: Floats = self.ring[None, :] / self.dz[:, None]  # (nz - 1, nr)
        gap = np.diff(self.r)
        self._out: Floats = 2.0 * self.faces[1:-1] / gap if nr > 1 else np.zeros(0)

    def _of_class(self, number: int, celsius: float) -> float:
        table: Floats = (self._super_enthalpy if self._super else self._enthalpy)[number]
        return float(np.interp(celsius, TABLE_C, table))

    def _at_rest(
        self, layers: Stack, element_layer: Ints, skin_c: float | None, start_c: float | None
    ) -> Floats:
        """Temperatures down the axis before the treatment: steady conduction and blood."""
        if start_c is not None or float(self._blood_row.max()) <= 0.0:
            even = skin_c if start_c is None else start_c
            return np.full(len(self.z), BLOOD_C if even is None else even, dtype=np.float64)
        warm_k = np.array(
            [float(np.interp(33.0, TABLE_C, _slope(m.theta))) for m in layers.materials],
            dtype=np.float64,
        )
        g = warm_k[element_layer] / self.dz
        diagonal = self._blood_row.copy()
        right = self._blood_row * BLOOD_C
        diagonal[:-1] += g
        diagonal[1:] += g
        upper = np.concatenate([[0.0], -g])
        lower = np.concatenate([-g, [0.0]])
        if skin_c is None:
            diagonal[0] += self.air
            right[0] += self.air * self.ambient_c
        else:
            diagonal[0], upper[1], right[0] = 1.0, 0.0, skin_c
        return _solve_banded((1, 1), np.array([upper, diagonal, lower]), right)

    # -- the jet

    def touch(self, strength: float, spread: float = 1.0, fluid_c: float | None = None) -> None:
        """From now on this part of the jet's h; 0: still air."""
        self._fluid_c = self.jet.fluid_c if fluid_c is None else fluid_c
        if math.isinf(self.jet.spot_radius_mm):
            self._share: Floats = np.full(1, strength)
        else:
            low, high = self.faces[:-1], self.faces[1:]
            steps = (np.arange(_QUADRATURE) + 0.5) / _QUADRATURE
            # Even in area within each ring.
            at = np.sqrt(low[:, None] ** 2 + steps * (high**2 - low**2)[:, None])
            self._share = self.jet.profile(at * 1e3, spread).mean(axis=1) * strength
        self._step_s = min(self._step_s, _FIRST_STEP_S if strength == 0.0 else 1e-2)

    def _at_surface(self, surface_c: Floats) -> tuple[Floats, Floats]:
        """W/m2 into the skin in each ring, and its derivative by the surface's temperature."""
        h, slope = self.jet.boiling.h(surface_c)
        h = h * self._share
        wet = h > self.air
        away = self._fluid_c - surface_c
        flow = np.where(wet, h * away, self.air * (self.ambient_c - surface_c))
        return flow, np.where(wet, slope * self._share * away - h, -self.air)

    # -- one step

    def _look_up(self, h: Floats) -> tuple[Floats, Floats, Ints]:
        """Temperature of each node, its slope over enthalpy, and the place in the tables."""
        search = self._super_search if self._super else self._search
        table = self._super_enthalpy if self._super else self._enthalpy
        n = len(TABLE_C)
        at = np.searchsorted(search, h + self._class_of * _CLASS, side="right") - 1
        at = np.clip(at - self._class_of * n, 0, n - 2)
        low = table[self._class_of, at]
        slope = TABLE_STEP_C / (table[self._class_of, at + 1] - low)
        return TABLE_C[at] + (h - low) * slope, slope, at

    def _flows(
        self, celsius: Floats, at: Ints
    ) -> tuple[Floats, tuple[Floats, Floats, Floats], Floats]:
        """W/π into each node; (k above, k below, k along) of each node; d(surface)/dT."""
        nz, nr = self.shape
        theta = self._super_theta if self._super else self._theta
        t = celsius.reshape(nz, nr)
        i = at.reshape(nz, nr)
        rest = t - TABLE_C[i]
        a, b = self._above[:, None], self._below[:, None]
        base_a, base_b = theta[a, i], theta[b, i]
        k_a = (theta[a, i + 1] - base_a) / TABLE_STEP_C
        k_b = (theta[b, i + 1] - base_b) / TABLE_STEP_C
        theta_a = base_a + k_a * rest
        theta_b = base_b + k_b * rest
        flow = np.zeros((nz, nr))
        down = self._down * (theta_b[:-1] - theta_a[1:])
        flow[:-1] -= down
        flow[1:] += down
        half_above, half_below = self._half
        k_r = half_above[:, None] * k_a + half_below[:, None] * k_b
        if nr > 1:
            along = half_above[:, None] * theta_a + half_below[:, None] * theta_b
            out = self._out * (along[:, :-1] - along[:, 1:])
            flow[:, :-1] -= out
            flow[:, 1:] += out
        surface, slope = self._at_surface(t[0])
        self._surface_w = float((surface * self.ring).sum())
        flow[0] += surface * self.ring
        flat = flow.ravel()
        warm = celsius > self._begins_c
        if self.vessels_close:
            warm &= ~self.frozen_once
        blood = np.where(warm, self._blood_w_k, 0.0)
        heat = blood * (BLOOD_C - celsius)
        self._blood_w = float(heat.sum())
        self._blood_k = blood
        return flat + heat, (k_a, k_b, k_r), slope

    def _matrix(
        self, k: tuple[Floats, Floats, Floats], surface: Floats, slope: Floats, step_s: float
    ) -> Floats:
        """1 - γ·dt·J in LAPACK's band storage, columns over enthalpy."""
        nz, nr = self.shape
        n = nz * nr
        k_a, k_b, k_r = k
        s = slope.reshape(nz, nr)
        diagonal = np.zeros((nz, nr))
        below = self._down * k_b[:-1]  # by the upper node's own enthalpy
        above = self._down * k_a[1:]
        diagonal[:-1] -= below
        diagonal[1:] -= above
        diagonal[0] += surface * self.ring
        if nr > 1:
            diagonal[:, :-1] -= self._out * k_r[:, :-1]
            diagonal[:, 1:] -= self._out * k_r[:, 1:]
        diagonal -= self._blood_k.reshape(nz, nr)
        factor = -_GAMMA * step_s / self.volume.reshape(nz, nr)
        bands = np.zeros((3 * nr + 1, n))
        middle = 2 * nr
        bands[middle] = (1.0 + factor * diagonal * s).ravel()
        bands[middle - nr, nr:] = (factor[:-1] * above * s[1:]).ravel()
        bands[middle + nr, : n - nr] = (factor[1:] * below * s[:-1]).ravel()
        if nr > 1:
            out = np.zeros((nz, nr))
            out[:, 1:] = factor[:, :-1] * (self._out * k_r[:, 1:]) * s[:, 1:]
            bands[middle - 1] += out.ravel()
            inward = np.zeros((nz, nr))
            inward[:, :-1] = factor[:, 1:] * (self._out * k_r[:, :-1]) * s[:, :-1]
            bands[middle + 1] += inward.ravel()
        return bands

    def _try(self, step_s: float) -> tuple[Floats, float, float, float]:
        """(change, error estimate, heat through the surface, heat of the blood) of one step."""
        nr = self.shape[1]
        celsius, slope, at = self._now
        flow, k, surface = self._flows(celsius, at)
        # The slope over the change that is coming, by the last step's rate: a node on its way out
        # of the freezing range is stiff before it is there (ROS2 keeps its order with any matrix).
        coming = self._rate * step_s
        moves = np.abs(coming) > _SMALL_J_M3
        ahead = self._look_up(self.h + coming)[0]
        slope = np.where(moves, (ahead - celsius) / np.where(moves, coming, 1.0), slope)
        w1, b1 = self._surface_w, self._blood_w
        lu, pivot, info = _lapack.dgbtrf(
            self._matrix(k, surface, slope, step_s), nr, nr, overwrite_ab=1
        )
        if info != 0:
            return self.h, math.inf, 0.0, 0.0
        k1, _ = _lapack.dgbtrs(lu, nr, nr, flow / self.volume, pivot)
        ahead, _, at = self._look_up(self.h + step_s * k1)
        # Blood keeps to where it flowed when the step began.
        flow, _, _ = self._flows(ahead, at)
        w2, b2 = self._surface_w, self._blood_w
        k2, _ = _lapack.dgbtrs(lu, nr, nr, flow / self.volume - 2.0 * k1, pivot)
        change = step_s * (1.5 * k1 + 0.5 * k2)
        error = 0.5 * step_s * float(np.abs(k1 + k2).max())
        return change, error, 0.5 * step_s * (w1 + w2), 0.5 * step_s * (b1 + b2)

    def go(self, to_s: float) -> None:
        """On to `to_s`, noting every step."""
        while self.now_s < to_s - 1e-9:
            step_s = min(self._step_s, _LONGEST_STEP_S)
            left_s = to_s - self.now_s
            cut = step_s >= left_s
            step_s = left_s if cut else (0.5 * left_s if 2.0 * step_s > left_s else step_s)
            change, error, surface_j, blood_j = self._try(step_s)
            factor = _SAFETY * math.sqrt(self.tolerance_j_m3 / max(1.0, error))
            if error > self.tolerance_j_m3 and step_s > 1e-6:
                self._step_s = step_s * max(0.2, factor)
                continue
            self.h = self.h + change
            self._rate = change / step_s
            self._surface_j += surface_j
            self._blood_j += blood_j
            self.now_s = to_s if cut else self.now_s + step_s
            wish = step_s * min(2.0, max(0.3, factor))
            self._step_s = max(wish, self._step_s) if cut else wish
            self.steps += 1
            self._after()
            self._note()

    def _after(self) -> None:
        """Where ice begins, and where vessels close."""
        self._now = self._look_up(self.h)
        if self._super and bool((self._now[0][self._freezable] <= self.ice_at_c).any()):
            self._super = False
            self._step_s = _FIRST_STEP_S
            self._now = self._look_up(self.h)
        if not self._super:
            self.frozen_once |= self._now[0] < self._begins_c

    def copy(self) -> Run:
        """A second treatment from the state of this one."""
        twin = copy.copy(self)
        twin.h = self.h.copy()
        twin.frozen_once = self.frozen_once.copy()
        twin._rows = list(self._rows)
        return twin

    # -- what is seen

    @property
    def celsius(self) -> Floats:
        """Temperatures now: (nodes down, rings outward)."""
        return self._now[0].reshape(self.shape)

    def radius_at(self, depth_mm: float, celsius: float = -25.0) -> float:
        """Radius in mm of this isotherm at a depth; 0 = not there."""
        t = self.celsius
        row = np.array([np.interp(depth_mm * 1e-3, self.z, t[:, i]) for i in range(len(self.r))])
        return _deepest(self.r, row, celsius) * 1e3

    def _note(self) -> None:
        t = self.celsius
        axis = t[:, 0]
        seen_c = float((t[0] * self._field).sum() / self._field.sum())
        ice_c = -math.inf if self._super else self._begins_c
        r = np.concatenate([[0.0], self.r])
        top = np.concatenate([t[0, :1], t[0]])
        self._rows.append(
            (
                self.now_s,
                float(t[0, 0]),
                seen_c,
                _deepest(self.z, axis, -25.0) * 1e3,
                _deepest(self.z, axis, -50.0) * 1e3,
                _deepest(self.z, axis, ice_c) * 1e3,
                _deepest(r, top, ice_c) * 1e3,
            )
        )

    def history(self) -> History:
        """What happened until now."""
        columns = [np.array(column) for column in zip(*self._rows, strict=True)]
        stored = float((self.h * self.volume).sum()) - self._first_j
        return History(
            *columns,
            surface_j=math.pi * self._surface_j,
            blood_j=math.pi * self._blood_j,
            stored_j=math.pi * stored,
            steps=self.steps,
        )


def treat(
    layers: Stack, jet: Jet, rows: Sequence[Touch], until_s: float, **options: Any
) -> History:
    """A whole treatment; `options` as for `Run`."""
    run = Run(layers, jet, **options)
    play(run, rows, until_s)
    return run.history()


def play(run: Run, rows: Sequence[Touch], until_s: float) -> None:
    """Go on to `until_s` under these touches; those before the run's time are past."""
    for row in rows:
        if row.time_s >= until_s:
            break
        if row.time_s < run.now_s - 1e-9:
            continue
        run.go(row.time_s)
        run.touch(row.strength, row.spread, row.fluid_c)
    run.go(until_s)


def _slope(theta: Floats) -> Floats:
    return np.gradient(theta, TABLE_STEP_C)


def _deepest(z: Floats, c: Floats, isotherm_c: float) -> float:
    """The greatest distance at which it is as cold as `isotherm_c`; 0 = nowhere."""
    cold = np.flatnonzero(c <= isotherm_c)
    if len(cold) == 0:
        return 0.0
    i = int(cast(int, cold[-1]))
    if i == len(c) - 1:
        return float(z[i])
    return float(z[i] + (isotherm_c - c[i]) / (c[i + 1] - c[i]) * (z[i + 1] - z[i]))
