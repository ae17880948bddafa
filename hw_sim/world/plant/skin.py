"""The skin's surface in the middle of the spot, quickly: what the infrared sensor looks at.

May import the standard library and `jet`. The same physics and properties as
`hw_sim.world.plant.tissue` (Pennes, enthalpy, θ = ∫ k dT), on 24 cells in one dimension. What a
disc's axis feels of its rim is put in by two terms: the cells widen with depth like the flux tube
on the axis of a disc of one temperature, A(z) = 1 + (z/b)² with b near the spot's radius R; and
while nothing is sprayed, heat comes in from the sides as s·(θ_blood − θ)/R² W/m³. b/R and s are
fitted to the 2-D model. Steps are implicit, conserve heat, begin with the jet, and last 10…100 ms
in it and up to 2 s long after it.

It shows the firmware a surface that falls and thaws, in real time; depths come from the 2-D model
only. Deviation from that model over spots of 2.5, 5 and 10 mm radius, 1000 and 3000 W/m²K, 5 and
20 s, as measured: time to −70 °C at most 5 % longer; surface at the end of the freeze within 7 K
(1000 W/m²K, 2.5 mm, 20 s; else 4 K); back at 0 °C within 14 %, at 10 °C
within 15 % of the 2-D model's time; in the end 1 K warmer than before the spray.
tests/unit/hw_sim/test_skin.py asserts it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, sqrt

from hw_sim.world.plant.jet import Jet

# Properties: those of hw_sim.world.plant.tissue, where their sources stand.
_DENSITY = 1060.0
_WARM_K, _WARM_C = 0.45, 3450.0
_FROZEN_K, _FROZEN_K_AT = (1.5, 3.0), (-10.0, -150.0)
_FROZEN_C, _FROZEN_C_AT = (2000.0, 1000.0), (-8.0, -196.0)
_BEGINS_C, _ENDS_C = -0.6, -8.0
_LATENT = 220e3
_BLOOD_C, _BLOOD_J_M3K = 37.0, 1060.0 * 3770.0

_CONE = 0.9  # b over R
_SIDE = 0.45
_CELLS = 24
_FIRST_M = 0.05e-3
_GROWTH = 1.2
_SMALL = 1e3  # J/m³; below it the secant is lost in rounding
_LOW_C, _HIGH_C = -200.0, 60.0
_PER_C = 20
_TABLE = 4096

_MS = 1_000_000
# (until this long after the jet began or ended, in steps of): ns
_SPRAY_STEPS = (
    (200 * _MS, 10 * _MS),
    (1000 * _MS, 25 * _MS),
    (5000 * _MS, 50 * _MS),
    (1 << 62, 100 * _MS),
)
_THAW_STEPS = (
    (2000 * _MS, 50 * _MS),
    (30_000 * _MS, 200 * _MS),
    (300_000 * _MS, 500 * _MS),
    (1 << 62, 2000 * _MS),
)


@dataclass(frozen=True, slots=True)
class SkinParams:
    """Whose skin, and which applicator. `h_w_m2k`: nominal, what the jet's relative_h multiplies.

    `start_c`: the surface before the spray; None: in balance with the room's air.
    """

    h_w_m2k: float = 3000.0
    spot_radius_mm: float = 5.0
    start_c: float | None = None
    perfusion_per_s: float = 0.002
    ambient_c: float = 22.0
    still_air_w_m2k: float = 10.0


def _ramp(c: float, at: tuple[float, float], value: tuple[float, float]) -> float:
    part = (c - at[0]) / (at[1] - at[0])
    part = 0.0 if part < 0.0 else (1.0 if part > 1.0 else part)
    return value[0] + part * (value[1] - value[0])


class _Curves:
    """Over enthalpy in equal steps: temperature and θ = ∫ k dT. Over temperature: k and θ."""

    def __init__(self) -> None:
        n = round((_HIGH_C - _LOW_C) * _PER_C)
        step_c = 1.0 / _PER_C
        h_at, theta_at = [0.0], [0.0]
        self.k_at: list[float] = []
        span = _BEGINS_C - _ENDS_C
        for i in range(n):
            c = _LOW_C + (i + 0.5) * step_c
            ice = (_BEGINS_C - c) / span
            ice = 0.0 if ice < 0.0 else (1.0 if ice > 1.0 else ice)
            heat = _WARM_C + ice * (_ramp(c, _FROZEN_C_AT, _FROZEN_C) - _WARM_C)
            if 0.0 < ice < 1.0:
                heat += _LATENT / span
            k = _WARM_K + ice * (_ramp(c, _FROZEN_K_AT, _FROZEN_K) - _WARM_K)
            h_at.append(h_at[-1] + _DENSITY * heat * step_c)
            theta_at.append(theta_at[-1] + k * step_c)
            self.k_at.append(k)
        self.h_at = h_at
        self.theta_at = theta_at
        self.per = _TABLE / h_at[-1]
        self.c: list[float] = []
        self.theta: list[float] = []
        for i in range(_TABLE + 1):
            h = i / self.per
            j = min(n - 1, max(0, bisect_right(h_at, h) - 1))
            part = (h - h_at[j]) / (h_at[j + 1] - h_at[j])
            self.c.append(_LOW_C + (j + part) * step_c)
            self.theta.append(theta_at[j] + part * (theta_at[j + 1] - theta_at[j]))
        self.thawed = self.enthalpy(_BEGINS_C)
        self.blood = self.enthalpy(_BLOOD_C)
        self.blood_theta = theta_at[round((_BLOOD_C - _LOW_C) * _PER_C)]

    def enthalpy(self, c: float) -> float:
        """J/m³ at `c` °C."""
        x = (c - _LOW_C) * _PER_C
        i = int(x)
        return self.h_at[i] + (x - i) * (self.h_at[i + 1] - self.h_at[i])


_curves = lru_cache(maxsize=1)(_Curves)


class Skin:
    """Goes along the history of a jet (`Plant.jet_history`), forward in time only.

    `insulation_m2k_w` (fault injection): a dry layer on it, thickness over conductivity, taken as
    quasi-steady: it stores no heat, so that its surface falls at once, as far as it falls.
    """

    def __init__(
        self, params: SkinParams, starts_ns: Sequence[int], jets: Sequence[Jet], at_ns: int
    ) -> None:
        p = self.params = params
        if not p.spot_radius_mm > 0.0 or p.h_w_m2k < 0.0 or p.perfusion_per_s < 0.0:
            raise ValueError("spot radius must be above 0, h and perfusion not below")
        self._starts = starts_ns
        self._jets = jets
        self._at_ns = at_ns
        self._i = max(0, bisect_right(starts_ns, at_ns) - 1)
        self._spraying = False
        self._touched = False  # before the first jet everything stays as it is
        self._changed_ns: int = at_ns
        self._rate = 0.0  # K/s of the surface, in the thaw
        self._geometry()
        perfusion = p.perfusion_per_s * _BLOOD_J_M3K
        self._blood_rate = perfusion / (_DENSITY * _WARM_C)
        start_c = p.start_c
        length = sqrt(_WARM_K / perfusion) if perfusion > 0.0 else inf
        if start_c is None:
            slope = _WARM_K / length
            air = p.still_air_w_m2k
            start_c = _BLOOD_C - air * (_BLOOD_C - p.ambient_c) / (slope + air)
        self.start_c = self.surface_c = start_c
        drop = _BLOOD_C - start_c
        profile = [_BLOOD_C - drop * exp(-z / length) for z in self._middle]
        self._h = [_curves().enthalpy(c) for c in profile]
        self._theta = [0.0] * _CELLS
        self._own = [0.0] * _CELLS  # dθ/dH
        self._change = [0.0] * _CELLS
        self._top_c = start_c
        self.insulation_m2k_w = 0.0  # of a dry layer on it, without heat of its own
        self._under_c = start_c  # under that layer
        self._look_up()

    def _geometry(self) -> None:
        spot_m = self.params.spot_radius_mm * 1e-3
        b = _CONE * spot_m
        self._side = _SIDE / (spot_m * spot_m)
        face, width = 0.0, _FIRST_M
        self._half = _FIRST_M / 2.0
        self._middle: list[float] = []
        self._volume: list[float] = []
        self._face: list[float] = []  # between a cell and the one below: area over distance
        for i in range(_CELLS):
            end = face + width
            self._middle.append(face + width / 2.0)
            self._volume.append(width + (end**3 - face**3) / (3.0 * b * b))
            area = 1.0 + (end / b) ** 2
            if i < _CELLS - 1:
                self._face.append(area / (0.5 * width * (1.0 + _GROWTH)))
            face, width = end, width * _GROWTH

    def at(self, t_ns: int, known_ns: int) -> float:
        """Surface temperature in °C at `t_ns`; the history is complete up to `known_ns`."""
        to_ns = min(t_ns, known_ns)
        while self._step(to_ns):
            pass
        if self._rate == 0.0:
            return self.surface_c
        return self.surface_c + self._rate * (t_ns - self._at_ns) * 1e-9

    def done_with(self, before_ns: int) -> int:
        """Go on to `before_ns`; how many entries of the history are not needed any more."""
        self.at(before_ns, before_ns)
        return self._i

    def forget(self, entries: int) -> None:
        """The history has lost this number of first entries (at most `done_with`)."""
        self._i -= entries

    def _step(self, to_ns: int) -> bool:
        """One step, not beyond `to_ns`; False: there is no room for it yet."""
        at_ns = self._at_ns
        starts, jets = self._starts, self._jets
        i, n = self._i, len(starts)
        while i + 1 < n and starts[i + 1] <= at_ns:
            i += 1
        self._i = i
        spraying = jets[i].relative_h > 0.0
        if spraying:
            self._touched = True
        elif not self._touched:
            return self._first_jet(to_ns)
        if spraying != self._spraying:
            self._spraying = spraying
            self._changed_ns = at_ns
        since_ns = at_ns - self._changed_ns
        steps = _SPRAY_STEPS if spraying else _THAW_STEPS
        end_ns = at_ns + next(step_ns for until_ns, step_ns in steps if since_ns < until_ns)
        # Up to a beginning or an end of the jet, whose mean over the step is taken.
        h_ns = hc_ns = 0.0
        j, from_ns = i, at_ns
        while True:
            jet = jets[j]
            if (jet.relative_h > 0.0) != spraying:
                end_ns = from_ns
                break
            next_ns = starts[j + 1] if j + 1 < n else end_ns
            upto_ns = end_ns if next_ns > end_ns or j + 1 >= n else next_ns
            h_ns += jet.relative_h * (upto_ns - from_ns)
            hc_ns += jet.relative_h * jet.fluid_c * (upto_ns - from_ns)
            from_ns = upto_ns
            if upto_ns >= end_ns:
                break
            j += 1
        if end_ns > to_ns:
            return False
        dt_ns = end_ns - at_ns
        self._at_ns = end_ns
        p = self.params
        h = p.h_w_m2k * h_ns / dt_ns
        before_c = self.surface_c
        if h > p.still_air_w_m2k:
            self._integrate(dt_ns * 1e-9, h, hc_ns / h_ns)
        else:
            self._integrate(dt_ns * 1e-9, p.still_air_w_m2k, p.ambient_c)
        if spraying or since_ns < _THAW_STEPS[0][0]:
            self._rate = 0.0
        else:
            self._rate = (self.surface_c - before_c) / (dt_ns * 1e-9)
        return True

    def _first_jet(self, to_ns: int) -> bool:
        """Nothing has come yet: on to the first jet, or to `to_ns`. False: there is no jet yet."""
        starts, jets = self._starts, self._jets
        i, n = self._i, len(starts)
        while i + 1 < n and jets[i].relative_h <= 0.0:
            i += 1
        self._i = i
        if jets[i].relative_h <= 0.0 or starts[i] > to_ns:
            if jets[i].relative_h > 0.0:
                self._i = i - 1
            self._at_ns = max(self._at_ns, to_ns)
            return False
        self._touched = True
        self._at_ns = self._changed_ns = max(self._at_ns, starts[i])
        return True

    def _through(self, h: float, outside_c: float) -> float:
        """W/m²K from outside to the first cell, with the surface's temperature on the way."""
        curves = _curves()
        top_c = self._top_c
        bare_h = h
        h = h / (1.0 + h * self.insulation_m2k_w)
        gap_c = self._under_c - top_c
        if -0.05 < gap_c < 0.05:
            k = curves.k_at[int((top_c - _LOW_C) * _PER_C)]
        else:
            x = (self._under_c - _LOW_C) * _PER_C
            i = int(x)
            theta = curves.theta_at[i] + (x - i) * (curves.theta_at[i + 1] - curves.theta_at[i])
            k = (theta - self._theta[0]) / gap_c
        below = k / self._half
        self._under_c = (h * outside_c + below * top_c) / (h + below)
        self.surface_c = outside_c + (self._under_c - outside_c) * (h / bare_h if bare_h else 1.0)
        return h * below / (h + below)

    def _integrate(self, dt_s: float, h: float, outside_c: float) -> None:
        curves = _curves()
        per, table = curves.per, curves.theta
        enthalpy, theta, volume, own = self._h, self._theta, self._volume, self._own
        self._through(h, outside_c)
        through = self._through(h, outside_c)
        # dθ/dH of each cell: the secant over the change that the last step foretells.
        slope: list[float] = []
        for value, change, now, tangent in zip(enthalpy, self._change, theta, own, strict=True):
            if -_SMALL < change < _SMALL:
                slope.append(tangent)
            else:
                x = (value + change) * per
                x = 0.0 if x < 0.0 else (_TABLE - 1.0 if x >= _TABLE else x)
                i = int(x)
                low = table[i]
                slope.append((low + (x - i) * (table[i + 1] - low) - now) / change)
        # For the changes d of enthalpy, by Thomas:
        # (V + dt·ΣG·slope)·d − dt·G·slope·d of the neighbours = dt·(what flows now).
        ratio: list[float] = []
        part: list[float] = []
        thawed_h, blood_h, blood_s = curves.thawed, curves.blood, self._blood_rate * dt_s
        flow_in = dt_s * through * (outside_c - self._top_c)
        side = 0.0 if self._spraying else dt_s * self._side
        around = curves.blood_theta
        k_top = curves.k_at[int((self._top_c - _LOW_C) * _PER_C)]
        above = dt_s * through / k_top
        left = before_ratio = before = 0.0
        last = _CELLS - 1
        for i, face in enumerate(self._face):
            below = dt_s * face
            flow_out = below * (theta[i] - theta[i + 1])
            own_slope = slope[i]
            aside = side * volume[i]
            diagonal = volume[i] + (above + below + aside) * own_slope
            heat = flow_in - flow_out + aside * (around - theta[i])
            if enthalpy[i] > thawed_h:
                heat += volume[i] * blood_s * (blood_h - enthalpy[i])
            scale = 1.0 / (diagonal - left * before_ratio)
            before_ratio = below * slope[i + 1] * scale
            before = (heat + left * before) * scale
            ratio.append(before_ratio)
            part.append(before)
            left = below * own_slope
            above = below
            flow_in = flow_out
        heat = flow_in  # the last cell is too deep for the sides to matter
        if enthalpy[last] > thawed_h:
            heat += volume[last] * blood_s * (blood_h - enthalpy[last])
        diagonal = volume[last] + above * slope[last]
        change = (heat + left * before) / (diagonal - left * before_ratio)
        changes = self._change
        changes[last] = change
        enthalpy[last] += change
        for i in range(last - 1, -1, -1):
            change = part[i] + ratio[i] * change
            changes[i] = change
            enthalpy[i] += change
        self._look_up()
        self._through(h, outside_c)

    def _look_up(self) -> None:
        """θ and dθ/dH of each cell from its enthalpy, and the first one's temperature."""
        curves = _curves()
        per, table = curves.per, curves.theta
        theta, own = self._theta, self._own
        for n, value in enumerate(self._h):
            x = value * per
            i = int(x)
            low = table[i]
            step = table[i + 1] - low
            theta[n] = low + (x - i) * step
            own[n] = step * per
        x = self._h[0] * per
        i = int(x)
        low = curves.c[i]
        self._top_c = low + (x - i) * (curves.c[i + 1] - low)
