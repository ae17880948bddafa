"""Fits of a calibration: coefficient, valve lag, crystal. Numbers in, numbers and refusals out.

Imports the standard library and `errors`; NumPy and SciPy when a fit is made. The model's curves
come from phantom.json, which `python -m hw_sim.dose.phantom` computes: they are not measurements.

Every fit is one of least squares with an interval of 95 % (Student's t over the residuals), and
refuses data that cannot carry it, with the reason: a bad table is worse than the shipped one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from host_tools.errors import CryoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ICE, M25 = "ice", "m25"
"""What a depth was measured of: the visible ice (0 C), or the -25 C isotherm (thermocouples)."""

LEAST_POINTS = 5
LEAST_SPAN = 2.0
"""The longest freeze over the shortest one: less does not separate coefficient and error."""
FIRST_S, LAST_S = 2.0, 30.0
LEAST_R2 = 0.90
WIDEST = 0.25
"""Half the interval over the value, at most."""
FALLS_MM = 0.25
"""A longer freeze that is shallower by more than this is a mistake, not scatter."""
RANGES = {1: (800.0, 9000.0), 2: (350.0, 5000.0)}
"""W/m²K by kind (1 spray, 2 probe): outside, the data are of something else. The model's grid is
300…9600; sprays of boiling liquids are published from 1000 on (film boiling)."""
SPRAY_TO_SPRAY = 0.05
"""What one spray differs from the next of the same nozzle, one standard deviation (assumed)."""

LAG_OPEN_US = (0, 100_000)
LAG_CLOSE_US = (0, 200_000)
LEAST_SHOTS = 5
WIDEST_LAG_US = 5_000.0
TRIM_PPM = (-500, 500)
WIDEST_PPM = 5.0


class PoorData(CryoError):
    """The data cannot carry a calibration, and why (exit code 7)."""

    exit_code = 7
    kind = "poor_data"


@dataclass(frozen=True)
class Point:
    """One measured depth: after `time_s` of liquid, `depth_mm` of ICE or M25."""

    time_s: float
    depth_mm: float
    of: str = ICE


@dataclass(frozen=True)
class Interval:
    """A value with its interval of 95 %."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval over the value."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else float("inf")


@dataclass(frozen=True)
class HFit:
    """A coefficient in W/m²K, and how the points lie about its curve."""

    h_w_m2k: Interval
    r2: float
    residuals_mm: tuple[float, ...]
    points: tuple[Point, ...]

    @property
    def rms_mm(self) -> float:
        """Root mean square of the residuals."""
        return (sum(r * r for r in self.residuals_mm) / len(self.residuals_mm)) ** 0.5


@lru_cache(maxsize=1)
def phantom() -> dict[str, Any]:
    """phantom.json."""
    path = Path(__file__).with_name("phantom.json")
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def spots_mm() -> list[float]:
    """Spot radii for which there are curves."""
    return [float(key) for key in phantom()["spots"]]


def gel_range_c() -> tuple[float, float]:
    """Temperatures of the gel for which there are curves."""
    keys = [float(key) for key in next(iter(phantom()["spots"].values()))["gel"]]
    return min(keys), max(keys)


def _t95(freedom: int) -> float:
    """Student's t for an interval of 95 %."""
    import scipy.stats as stats_module  # pyright: ignore[reportMissingTypeStubs]

    return float(cast(Any, stats_module).t.ppf(0.975, freedom))


def _spot(spot_mm: float) -> dict[str, Any]:
    found = phantom()["spots"].get(f"{spot_mm:g}")
    if found is None:
        raise PoorData(
            f"there are no model curves for a spot of {spot_mm:g} mm radius",
            "computed are: " + ", ".join(f"{mm:g} mm" for mm in spots_mm()),
        )
    return cast("dict[str, Any]", found)


def gel_depth_mm(spot_mm: float, gel_c: float, of: str) -> Callable[[float, Floats], Floats]:
    """The model's depth in gel: a function of h (W/m²K) and times (s), mm."""
    import numpy as np

    low, high = gel_range_c()
    if not low <= gel_c <= high:
        raise PoorData(f"gel of {gel_c:g} °C", f"the model's curves are for {low:g} to {high:g} °C")
    by_c = _spot(spot_mm)["gel"]
    temperatures = sorted(float(key) for key in by_c)
    stack: Floats = np.array(
        [[row[of + "_um"] for row in by_c[f"{c:g}"]] for c in temperatures], dtype=float
    )
    at = float(np.interp(gel_c, temperatures, range(len(temperatures))))
    below = min(int(at), len(temperatures) - 2)
    table = (stack[below] + (at - below) * (stack[below + 1] - stack[below])) / 1000.0
    ln_h: Floats = np.log(np.array(phantom()["h_w_m2k"], dtype=float))
    times_s = np.array(phantom()["times_ms"]) / 1000.0

    def depth_mm(h_w_m2k: float, time_s: Floats) -> Floats:
        # Linear in ln h between the grid's coefficients, and in the root of time.
        at = float(np.log(h_w_m2k))
        curve: Floats = np.array([cast(float, np.interp(at, ln_h, column)) for column in table.T])
        return np.interp(np.sqrt(time_s), np.sqrt(times_s), curve)

    return depth_mm


def _check_points(points: Sequence[Point]) -> None:
    if len(points) < LEAST_POINTS:
        raise PoorData(
            f"{len(points)} points are too few", f"at least {LEAST_POINTS} freezes are needed"
        )
    for point in points:
        if not FIRST_S <= point.time_s <= LAST_S:
            raise PoorData(
                f"a freeze of {point.time_s:g} s",
                f"between {FIRST_S:g} and {LAST_S:g} s are usable",
            )
        if not 0.0 < point.depth_mm < 15.0:
            raise PoorData(f"a depth of {point.depth_mm:g} mm after {point.time_s:g} s")
    times = [point.time_s for point in points]
    if max(times) < LEAST_SPAN * min(times):
        raise PoorData(
            f"all freezes last {min(times):g} to {max(times):g} s",
            f"the longest must be at least {LEAST_SPAN:g} times the shortest",
        )
    for of in (ICE, M25):
        ordered = sorted((p for p in points if p.of == of), key=lambda p: p.time_s)
        for earlier, later in zip(ordered, ordered[1:], strict=False):
            if later.depth_mm < earlier.depth_mm - FALLS_MM and later.time_s > earlier.time_s:
                raise PoorData(
                    f"not monotone: {later.depth_mm:g} mm after {later.time_s:g} s, but "
                    f"{earlier.depth_mm:g} mm after {earlier.time_s:g} s",
                    "one of the two was measured wrongly, or the gel was not fresh: repeat it",
                )


def fit_h(points: Sequence[Point], *, spot_mm: float, kind: int, gel_c: float = 20.0) -> HFit:
    """The coefficient from depths in gel. Raises PoorData with the reason.

    `spot_mm`: the applicator's spot radius; `kind`: 1 spray, 2 probe; `gel_c`: the gel's
    temperature before the freeze.
    """
    import numpy as np
    import scipy.optimize as optimize_module  # pyright: ignore[reportMissingTypeStubs]

    least_squares = cast(Any, optimize_module).least_squares

    _check_points(points)
    kinds = [of for of in (ICE, M25) if any(point.of == of for point in points)]
    times = {of: np.array([p.time_s for p in points if p.of == of]) for of in kinds}
    depths = {of: np.array([p.depth_mm for p in points if p.of == of]) for of in kinds}
    models = {of: gel_depth_mm(spot_mm, gel_c, of) for of in kinds}

    def residuals(x: Floats) -> Floats:
        h = float(np.exp(x[0]))
        return np.concatenate([depths[of] - models[of](h, times[of]) for of in kinds])

    grid = np.log(phantom()["h_w_m2k"])
    best: Any = least_squares(
        residuals, [float(grid.mean())], bounds=([grid[0]], [grid[-1]]), diff_step=1e-3
    )
    left: Floats = residuals(best.x)
    measured = np.concatenate([depths[of] for of in kinds])
    total = float(((measured - measured.mean()) ** 2).sum())
    r2 = 1.0 - float((left**2).sum()) / total if total > 0.0 else 0.0
    h = float(np.exp(best.x[0]))
    slope = float((np.asarray(best.jac)[:, 0] ** 2).sum())
    freedom = len(measured) - 1
    sigma = float(np.sqrt((left**2).sum() / freedom / slope)) if slope > 0.0 else float("inf")
    reach = _t95(freedom) * sigma
    interval = Interval(h, h * float(np.exp(-reach)), h * float(np.exp(min(reach, 20.0))))
    ordered = [point for of in kinds for point in points if point.of == of]
    fit = HFit(interval, r2, tuple(float(r) for r in left), tuple(ordered))
    _check_fit(fit, kind)
    return fit


def _check_fit(fit: HFit, kind: int) -> None:
    """PoorData unless coefficient, residuals and interval are what a good calibration has."""
    interval = fit.h_w_m2k
    h, r2 = interval.value, fit.r2
    low, high = RANGES[kind]
    if not low <= h <= high:
        raise PoorData(
            f"the fit gives {h:.0f} W/m²K, and a {'spray' if kind == 1 else 'probe'} has "
            f"{low:.0f} to {high:.0f}",
            "is it the right applicator, at its distance, and the gel's temperature as stated?",
        )
    if r2 < LEAST_R2:
        raise PoorData(
            f"the points do not lie on a curve of the model (R² {r2:.2f}, at least {LEAST_R2:.2f}; "
            f"residuals {fit.rms_mm:.2f} mm)",
            "measure again; each freeze into fresh gel, by one operator, from one distance",
        )
    if interval.half > WIDEST:
        raise PoorData(
            f"the interval is too wide: {interval.low:.0f} to {interval.high:.0f} W/m²K "
            f"(±{interval.half:.0%}, at most ±{WIDEST:.0%})",
            "more freezes make it narrower",
        )


@dataclass(frozen=True)
class NewTable:
    """What is written to the device: curves in um at the device's times, and their provenance."""

    um: tuple[int, ...]
    um_cold: tuple[int, ...]
    h_w_m2k: int
    spread_permille: int
    skin_ms: int


def table_of(fit: HFit, *, applicator: int, spot_mm: float, kind: int) -> NewTable:
    """The applicator's table by the model, at the coefficient that was fitted.

    The spread is the shipped one with its doubt about the coefficient replaced by the fit's own,
    and by what one spray differs from the next.
    """
    import numpy as np

    data = phantom()
    rows = _spot(spot_mm)["skin"]
    ln_h: Floats = np.log(np.array(data["h_w_m2k"], dtype=float))
    at = float(np.log(fit.h_w_m2k.value))

    def curve(key: str, where: float = at) -> Floats:
        columns: Floats = np.array([row[key] for row in rows], dtype=float).T
        return np.array([cast(float, np.interp(where, ln_h, column)) for column in columns])

    at_20_s = list(data["times_ms"]).index(20000)
    step = 0.1
    ratio = curve("um", at + step)[at_20_s] / curve("um", at - step)[at_20_s]
    sensitivity = float(np.log(ratio)) / (2 * step)
    sigma = float(np.log(fit.h_w_m2k.high / fit.h_w_m2k.low)) / 2 / 1.96
    of_h = sensitivity * float(np.hypot(sigma, SPRAY_TO_SPRAY))
    rest = data["rest_permille"][str(applicator)] / 1000.0
    skin_ms = 0.0
    if kind == 1:
        seen = np.array([row["skin_ms"] for row in rows], dtype=float)
        known = seen > 0  # the time is proportional to 1/h²: a straight line in the logarithms
        skin_ms = float(np.exp(np.interp(at, ln_h[known], np.log(seen[known]))))
    return NewTable(
        tuple(round(um) for um in curve("um")),
        tuple(round(um) for um in curve("um_cold")),
        round(fit.h_w_m2k.value),
        max(5, min(300, round(1000 * float(np.hypot(of_h, rest))))),
        min(10000, round(skin_ms)),
    )


# -- the valve's lags -----------------------------------------------------------------------------


@dataclass(frozen=True)
class LagFit:
    """The valve's lags in us; `close_us` None where only their difference was measured."""

    open_us: Interval
    close_us: Interval | None
    shots: int
    scatter_us: float
    how: str


def _mean(values: Sequence[float]) -> Interval:
    import numpy as np

    mean = float(np.mean(values))
    sigma = float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = _t95(len(values) - 1) * sigma
    return Interval(mean, mean - reach, mean + reach)


def fit_lags(time_s: Sequence[float], gate: Sequence[float], flow: Sequence[float]) -> LagFit:
    """Lags from a log of gate level and flow (or line pressure, any unit), finely sampled.

    Each edge of the gate to the flow's half-way crossing. Raises PoorData.
    """
    import numpy as np

    t, g, f = (np.asarray(values, dtype=float) for values in (time_s, gate, flow))
    if len(t) < 20 or np.any(np.diff(t) <= 0):
        raise PoorData("the log's times do not ascend, or it has fewer than 20 rows")
    step_us = float(np.median(np.diff(t))) * 1e6
    if step_us > 2000:
        raise PoorData(
            f"the log has a row every {step_us / 1000:.1f} ms", "lags need one every 2 ms or less"
        )
    half_gate = (float(g.min()) + float(g.max())) / 2
    low, high = float(np.quantile(f, 0.05)), float(np.quantile(f, 0.95))
    if high - low <= 0:
        raise PoorData("the flow never changes")
    half = (low + high) / 2
    on = g > half_gate
    flowing = f > half
    edges = np.flatnonzero(on[1:] != on[:-1]) + 1
    lags: dict[bool, list[float]] = {True: [], False: []}
    for number, i in enumerate(edges):
        to = edges[number + 1] if number + 1 < len(edges) else len(t)
        opening = bool(on[i])
        after = np.flatnonzero(flowing[i:to] == opening)
        if len(after) == 0 or after[0] == 0:
            continue
        k = int(i + after[0])
        part = (half - f[k - 1]) / (f[k] - f[k - 1])
        lags[opening].append(float((t[k - 1] + part * (t[k] - t[k - 1]) - t[i]) * 1e6))
    for opening, name in ((True, "openings"), (False, "closings")):
        if len(lags[opening]) < LEAST_SHOTS:
            raise PoorData(
                f"{len(lags[opening])} {name} with flow in the log",
                f"at least {LEAST_SHOTS} are needed",
            )
    opened, closed = _mean(lags[True]), _mean(lags[False])
    _check_lag("opening", opened, LAG_OPEN_US)
    _check_lag("closing", closed, LAG_CLOSE_US)
    scatter = max(float(np.std(lags[True], ddof=1)), float(np.std(lags[False], ddof=1)))
    return LagFit(opened, closed, len(lags[True]), scatter, "log of gate and flow")


def _check_lag(name: str, lag: Interval, limits: tuple[int, int]) -> None:
    if not limits[0] <= lag.value <= limits[1]:
        raise PoorData(f"an {name} lag of {lag.value / 1000:.1f} ms is not possible")
    if lag.high - lag.low > 2 * WIDEST_LAG_US:
        raise PoorData(
            f"the {name} lag is not sure enough: {lag.low / 1000:.1f} to {lag.high / 1000:.1f} ms",
            "more shots, and a cold valve throughout",
        )


def fit_weighed(gate_s: Sequence[float], mass_g: Sequence[float]) -> LagFit:
    """From what shots of several lengths weigh: mass = flow · (gate − (opening − closing lag)).

    Only the difference of the lags is measured: `open_us` holds it. Raises PoorData.
    """
    import numpy as np

    x, y = np.asarray(gate_s, dtype=float), np.asarray(mass_g, dtype=float)
    if len(x) < LEAST_SHOTS or float(x.max()) < LEAST_SPAN * float(x.min()):
        raise PoorData(
            f"{len(x)} shots of {x.min():g} to {x.max():g} s" if len(x) else "no shots",
            f"at least {LEAST_SHOTS}, the longest {LEAST_SPAN:g} times the shortest",
        )
    matrix = np.stack([x, np.ones_like(x)], axis=1)
    (rate, offset), *_ = np.linalg.lstsq(matrix, y, rcond=None)
    left = y - matrix @ np.array([rate, offset])
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((left**2).sum()) / total if total > 0 else 0.0
    if rate <= 0 or r2 < 0.98:
        raise PoorData(
            f"mass does not go with time (R² {r2:.3f}, at least 0.98)",
            "prechill the line, keep the pressure steady, weigh to 0.01 g",
        )
    zero = float(-offset / rate)
    freedom = len(x) - 2
    covariance = np.linalg.inv(matrix.T @ matrix) * float((left**2).sum()) / freedom
    gradient = np.array([offset / rate**2, -1.0 / rate])
    sigma = float(np.sqrt(gradient @ covariance @ gradient))
    reach = _t95(freedom) * sigma
    lag = Interval(zero * 1e6, (zero - reach) * 1e6, (zero + reach) * 1e6)
    if not -LAG_CLOSE_US[1] <= lag.value <= LAG_OPEN_US[1]:
        raise PoorData(f"lags that differ by {lag.value / 1000:.0f} ms are not possible")
    if reach * 1e6 > 4 * WIDEST_LAG_US:
        raise PoorData(
            f"the lags' difference is not sure enough: {lag.low / 1000:.0f} to "
            f"{lag.high / 1000:.0f} ms",
            "more and shorter shots, weighed to 0.01 g; or a log of gate and flow",
        )
    return LagFit(lag, None, len(x), float(np.std(left, ddof=2) / rate * 1e6), "weighed shots")


# -- the crystal ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClockFit:
    """How much the board's clock runs fast, ppm."""

    ppm: Interval
    minutes: float
    samples: int
    worst_round_trip_ms: float


def fit_clock(samples: Sequence[tuple[float, float, float]]) -> ClockFit:
    """From (host s when asked, host s when answered, device's uptime in ms). Raises PoorData.

    Of each ten samples the one with the shortest round trip is used; the device read its clock
    somewhere within it.
    """
    import numpy as np

    best: list[tuple[float, float, float]] = []
    for at in range(0, len(samples), 10):
        best.append(min(samples[at : at + 10], key=lambda s: s[1] - s[0]))
    if len(best) < 10:
        raise PoorData(f"{len(samples)} readings are too few", "let it run for some minutes")
    host = np.array([(asked + answered) / 2 for asked, answered, _ in best])
    device = np.array([uptime / 1000 for _, _, uptime in best])
    if np.any(np.diff(device) <= 0):
        raise PoorData("the device was restarted meanwhile", "repeat it")
    x = host - host.mean()
    y = (device - device.mean()) - x  # what it is ahead
    slope = float((x * y).sum() / (x * x).sum())
    left = y - y.mean() - slope * x
    freedom = len(best) - 2
    sigma = float(np.sqrt((left**2).sum() / freedom / (x * x).sum()))
    reach = _t95(freedom) * sigma
    ppm = Interval(slope * 1e6, (slope - reach) * 1e6, (slope + reach) * 1e6)
    worst_ms = max(answered - asked for asked, answered, _ in best) * 1000
    if reach * 1e6 > WIDEST_PPM:
        raise PoorData(
            f"not sure enough: {ppm.low:+.1f} to {ppm.high:+.1f} ppm after "
            f"{(host[-1] - host[0]) / 60:.1f} min",
            "let it run longer (--minutes), on a computer with little else to do",
        )
    if not TRIM_PPM[0] <= ppm.value <= TRIM_PPM[1]:
        raise PoorData(
            f"{ppm.value:+.0f} ppm is no crystal",
            "is this computer's clock kept by NTP, and was it not set meanwhile?",
        )
    return ClockFit(ppm, float(host[-1] - host[0]) / 60, len(samples), worst_ms)
