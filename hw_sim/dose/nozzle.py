"""Weights of a second of freezing by nozzle temperature and dewar pressure.

`python -m hw_sim.dose.nozzle` prints the constants of firmware/cryo/estimate.py and their accuracy.
Runs the plant and the tissue model together, and uses three of their properties:

- After an idle time the line delivers gas first. The nozzle's temperature gives the weight of such
  a second (`counts`): weights fitted so that the applicator's curve, read at the weighted time,
  gives the depth that the tissue model reaches with this line. For sprays the temperature is a
  measure of the jet; a probe's tip is itself the cooling surface.
- With cold liquid a spray's coefficient scales with a power of the dewar's pressure. The power is
  larger for a finer nozzle, since the heat that the line takes up boils a larger part of a smaller
  flow (`by_pressure_permille`).
- For the same reason a fine nozzle loses more to gas after the same idle time. `rewarmed_c` is the
  temperature above which the line must be purged again.

May import NumPy, SciPy, the plant, the tissue model and `hw_sim.dose.applicators`. The weights take
three minutes, the rest a second.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import scipy.optimize as _optimize
from numpy.typing import NDArray

from hw_sim.dose.applicators import APPLICATORS, PROBE, SPRAY, Applicator
from hw_sim.world.plant import Plant, PlantParams
from hw_sim.world.plant.chill import COLD_C, FALL_K, RISE_K, lost_after_s, mean_h
from hw_sim.world.plant.dewar import DewarParams
from hw_sim.world.plant.line import LineParams
from hw_sim.world.plant.spray import exposure
from hw_sim.world.plant.tissue import Exposure, expose

Floats = NDArray[np.float64]

_solve = cast(Any, _optimize).lsq_linear
_S = 1_000_000_000
_SLICE_NS = 100_000_000

NOMINAL_MBAR = 550.0
"""Pressure behind the open valve at which the relative coefficient is 1."""
PRESSURES_MBAR = (350.0, 450.0, 550.0, 650.0, 750.0, 850.0)
LOSS_S = 2.0
"""Acceptable loss to gas at the start of a freeze, in seconds of full spray at nominal pressure.
It sets the temperature above which the line is purged again, within the limits below."""
WARMEST_C = -120.0
COLDEST_C = -160.0
"""The lower limit leaves the operator more than two seconds from the end of a purge."""

NODES_C = (-190.0, -186.0, -183.0, -176.0, -165.0, -145.0, -120.0, -90.0, -60.0, 20.0)
AT_S = (10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.5, 25.0)
STAND_S = (0.5, 7.0)
"""From the end of the purge to the freeze: the operator releases the button, and aims."""
LINE_C = (-120.0, 20.0)
"""Initial temperature of a line that has not been purged."""
MBAR = (350.0, 850.0)
PURGED, UNPURGED = 14, 5
"""Number of freezes of each applicator in the fit."""
_LONGEST_PURGE_S = 25.0
"""One long purge of the plant without firmware, equivalent to several purges of 10 s."""
FINENESS = 0.7
SKIN_C = 33.0
SEED = 20261125
ROUND_PERMILLE = 5


def plant_of(applicator: Applicator, mbar: float, line_c: float) -> Plant:
    """A flask regulated to `mbar` gauge, and this applicator's line at `line_c` °C."""
    return Plant(
        PlantParams(
            dewar=DewarParams(regulated_mbar=mbar),
            line=LineParams(orifice_mm=applicator.line_bore_mm, start_c=line_c),
        )
    )


# -- pressure, and when to purge again ------------------------------------------------------------


def _steady(applicator: Applicator, mbar: float) -> tuple[float, float]:
    """(mbar, relative_h) of a cold line, averaged over the last 5 of 20 s."""
    plant = plant_of(applicator, mbar, -185.0)
    plant.energise(0, True)
    gauge: list[float] = []
    for k in range(1, 201):
        plant.advance(k * _SLICE_NS)
        if k > 150:
            gauge.append(plant.dewar_mbar)
    spans = plant.jet_between(15 * _S, 20 * _S)
    h = sum((one.end_ns - one.begin_ns) * one.relative_h for one in spans) / (5 * _S)
    return sum(gauge) / len(gauge), h


def by_pressure_permille(applicator: Applicator) -> int:
    """Exponent of the steady coefficient over the pressure, in permille; 0 for a probe."""
    if applicator.kind == PROBE:
        return 0
    points = [_steady(applicator, mbar) for mbar in PRESSURES_MBAR]
    x = np.log([mbar / NOMINAL_MBAR for mbar, _ in points])
    y = np.log([h for _, h in points])
    return 10 * round(float(np.polyfit(x, y, 1)[0]) * 100.0)


def lost_s(applicator: Applicator, stand_s: float) -> tuple[float, float]:
    """(nozzle in °C, seconds of full spray lost) after a cold line was idle for `stand_s`."""
    plant = plant_of(applicator, NOMINAL_MBAR, -190.0)
    return lost_after_s(plant, stand_s, chill_s=8, again_s=20, full_ns=2 * _S)


def rewarmed_c(applicator: Applicator) -> int:
    """Nozzle temperature above which the next freeze would lose more than `LOSS_S`, to 5 °C."""
    least, most = 0.1, 15.0
    for _ in range(12):
        middle = 0.5 * (least + most)
        if lost_s(applicator, middle)[1] > LOSS_S:
            most = middle
        else:
            least = middle
    limit_c = 5 * round(lost_s(applicator, least)[0] / 5.0)
    return round(min(WARMEST_C, max(COLDEST_C, limit_c)))


# -- weight of a second ---------------------------------------------------------------------------


class Freeze(NamedTuple):
    """One freeze of 25 s: the nozzle as the device reads it every 0.1 s, and the depths reached."""

    nozzle_c: list[float]
    depths_mm: list[float]
    """Depth of −25 °C at `AT_S`, with the nominal coefficient for the steady jet."""
    purged: bool


def freeze(applicator: Applicator, random_: random.Random, purged: bool) -> Freeze:
    """A freeze at a random pressure: random idle time after a purge, or a random unpurged line."""
    mbar = random_.uniform(*MBAR)
    if purged:
        plant = plant_of(applicator, mbar, -150.0)
        begin_ns = _purge(plant) + round(random_.uniform(*STAND_S) * _S)
    else:
        plant = plant_of(applicator, mbar, random_.uniform(*LINE_C))
        begin_ns = _SLICE_NS
    plant.advance(begin_ns)
    plant.energise(begin_ns, True)
    count = round(AT_S[-1] * 10)
    tip_c: list[float] = []
    for k in range(count + 1):
        plant.advance(begin_ns + k * _SLICE_NS)
        tip_c.append(plant.nozzle_c)
    end_ns = begin_ns + count * _SLICE_NS
    h = applicator.h_w_m2k
    if applicator.kind == SPRAY:
        spans = plant.jet_between(begin_ns, end_ns)
        steady = mean_h(plant.jet_between(end_ns - 5 * _S, end_ns))
        exposed = exposure(spans, h / steady, zero_ns=begin_ns)
    else:
        exposed = Exposure([k / 10 for k in range(count)], [h] * count, tip_c[:count])
    result = expose(
        exposed,
        until_s=AT_S[-1],
        spot_radius_mm=applicator.spot_radius_mm,
        skin_c=SKIN_C,
        fineness=FINENESS,
        sample_s=0.1,
    )
    # A conversion takes 0.1 s, so the device's reading is one slice old.
    nozzle_c = [tip_c[0], *tip_c[: count - 1]]
    return Freeze(nozzle_c, [result.at(result.depth_m25_mm, t_s) for t_s in AT_S], purged)


def _purge(plant: Plant) -> int:
    """Purge as the device does, until the nozzle is cold and steady. Returns the time in ns."""
    plant.energise(0, True)
    readings: list[float] = []
    good = 0
    while good < 3 and len(readings) < _LONGEST_PURGE_S * 10:
        plant.advance((len(readings) + 1) * _SLICE_NS)
        readings.append(plant.nozzle_c)
        steady = len(readings) > 5 and -FALL_K < readings[-1] - readings[-6] < RISE_K
        if steady and readings[-1] < COLD_C:
            good += 1
        else:
            good = 0
    end_ns = len(readings) * _SLICE_NS
    plant.energise(end_ns, False)
    return end_ns


def curve(applicator: Applicator) -> tuple[Floats, Floats]:
    """(time in s, depth of −25 °C in mm) with the full coefficient, or a cold tip, from 0 s."""
    result = expose(
        Exposure((0.0,), (applicator.h_w_m2k,), (applicator.fluid_c,)),
        until_s=AT_S[-1] + 1.0,
        spot_radius_mm=applicator.spot_radius_mm,
        skin_c=SKIN_C,
        fineness=FINENESS,
        sample_s=0.1,
    )
    times: Floats = np.arange(0.0, AT_S[-1] + 1.0, 0.25)
    depths: Floats = np.array([result.at(result.depth_m25_mm, float(t_s)) for t_s in times])
    return times, np.maximum.accumulate(depths)


def _parts(nozzle_c: Sequence[float]) -> Floats:
    """For each slice, its linear interpolation weights on `NODES_C`."""
    out = np.zeros((len(nozzle_c), len(NODES_C)))
    for i, c in enumerate(nozzle_c):
        c = min(max(c, NODES_C[0]), NODES_C[-1])
        j = 1
        while NODES_C[j] < c:
            j += 1
        part = (c - NODES_C[j - 1]) / (NODES_C[j] - NODES_C[j - 1])
        out[i, j - 1] = 1.0 - part
        out[i, j] = part
    return out


def seconds(one: Freeze) -> Floats:
    """For each of `AT_S`, the seconds spent at each of `NODES_C`."""
    passed = np.cumsum(_parts(one.nozzle_c), axis=0) * 0.1
    return np.array([passed[round(t_s * 10) - 1] for t_s in AT_S])


def _needed_s(times: Floats, depths: Floats, depth: float) -> float:
    """Time at which the curve reaches `depth`; for depth 0, half the time to the first depth."""
    if depth <= 0.0:
        return 0.5 * float(times[np.argmax(depths > 0.0)])
    return float(np.interp(depth, depths, times))


def counts(freezes: dict[Applicator, list[Freeze]]) -> list[int]:
    """Weight of a second at each of `NODES_C` in permille: 1000 first, never ascending.

    Least squares of the relative error of the time that the curve needs for the depth reached. A
    purged freeze has three times the weight, because it is the normal case. The last value is at
    most a twentieth, near the vapour's share in the plant: otherwise a nozzle that responds slowly
    to the first liquid would give warm gas a weight.
    """
    left: list[Floats] = []
    right: list[float] = []
    for applicator, group in freezes.items():
        times, depths = curve(applicator)
        for one in group:
            weight = 3.0 if one.purged else 1.0
            for t_s, spent, depth in zip(AT_S, seconds(one), one.depths_mm, strict=True):
                need_s = _needed_s(times, depths, depth)
                left.append(spent * (weight / t_s))
                right.append(need_s * weight / t_s)
    a = np.array(left)
    # Weight = 1 less the sum of the steps before it, each at least 0: it never ascends.
    nodes = len(NODES_C)
    falls = -np.tril(np.ones((nodes, nodes - 1)), -1)
    steps = _solve(a @ falls, np.array(right) - a.sum(axis=1), bounds=(0.0, 1.0)).x
    raw: Floats = 1.0 + falls @ steps
    permille = [
        max(30, ROUND_PERMILLE * round(1000.0 * float(part) / ROUND_PERMILLE)) for part in raw
    ]
    return [*permille[:-1], min(permille[-1], 50)]


def errors(applicator: Applicator, freezes: list[Freeze], permille: Sequence[int]) -> list[float]:
    """Relative error of the depth read from the curve at the weighted time against the model's.

    Depths below the curve's at 2 s are left out.
    """
    times, depths = curve(applicator)
    weights: Floats = np.array(permille, dtype=np.float64) / 1000.0
    out: list[float] = []
    for one in freezes:
        for spent, depth in zip(seconds(one), one.depths_mm, strict=True):
            if depth > float(np.interp(2.0, times, depths)):
                counted_s = float(spent @ weights)
                out.append(float(np.interp(counted_s, times, depths)) / depth - 1.0)
    return out


def drawn(kind: int, purged: int = PURGED, unpurged: int = UNPURGED) -> dict[Applicator, Any]:
    """The freezes for the fit, for each applicator of this kind."""
    out: dict[Applicator, Any] = {}
    for applicator in APPLICATORS:
        if applicator.kind == kind:
            rng = random.Random(f"{SEED}/{applicator.number}")
            out[applicator] = [freeze(applicator, rng, True) for _ in range(purged)]
            out[applicator] += [freeze(applicator, rng, False) for _ in range(unpurged)]
    return out


def main() -> None:
    """Print the constants and their accuracy."""
    for applicator in APPLICATORS:
        loss = ", ".join(f"{lost_s(applicator, s)[1]:.1f} s after {s:g} s" for s in (2, 4, 8))
        print(
            f"{applicator.name}: coefficient scales with pressure to the power "
            f"{by_pressure_permille(applicator) / 1000:.2f}; purge again above "
            f"{rewarmed_c(applicator)} °C (lost to gas: {loss})"
        )
    for kind, name in ((SPRAY, "sprays"), (PROBE, "probes")):
        freezes = drawn(kind)
        permille = counts(freezes)
        print(f"{name}: weight of a second at {NODES_C} °C, permille:\n  {tuple(permille)}")
        for applicator, group in freezes.items():
            for purged in (True, False):
                parts = errors(applicator, [f for f in group if f.purged == purged], permille)
                size = [100.0 * abs(error) for error in parts]
                print(
                    f"  {applicator.name}, {'purged' if purged else 'not purged'}: bias "
                    f"{100 * math.fsum(parts) / len(parts):+.2f} %, 95 % within "
                    f"{float(np.quantile(size, 0.95)):.1f} %"
                )


if __name__ == "__main__":
    main()
