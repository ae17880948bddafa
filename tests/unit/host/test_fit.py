"""Fits of a calibration: they find the parameters of the data and their uncertainty, or refuse."""

from __future__ import annotations

import csv
import math
import random
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host_tools import calibrate, fit
from host_tools.calibrate.depth import author_of
from host_tools.errors import UsageError
from host_tools.fit import ICE, M25, Point, PoorData

SPRAY, PROBE = 1, 2
TIMES = (6.0, 8.0, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0)


def gel_points(
    h: float, *, spot_mm: float = 5.0, gel_c: float = 20.0, noise_mm: float = 0.0, seed: int = 1,
    times: tuple[float, ...] = TIMES, of: str = ICE,
) -> list[Point]:  # fmt: skip
    draw = random.Random(seed)
    depths = fit.gel_depth_mm(spot_mm, gel_c, of)(h, np.array(times))
    return [
        Point(t, float(depth) + draw.gauss(0.0, noise_mm), of)
        for t, depth in zip(times, depths, strict=True)
    ]


# -- the coefficient ------------------------------------------------------------------------------


@pytest.mark.parametrize("spot_mm", [1.5, 2.5, 3.0, 5.0, 10.0])
@pytest.mark.parametrize("h", [1200.0, 3000.0, 5000.0])
def test_the_fit_finds_the_coefficient(spot_mm: float, h: float) -> None:
    found = fit.fit_h(gel_points(h, spot_mm=spot_mm), spot_mm=spot_mm, kind=SPRAY)
    assert found.h_w_m2k.value == pytest.approx(h, rel=0.01)
    assert found.r2 > 0.999
    assert len(found.residuals_mm) == len(TIMES)


def test_thermocouples_and_ice_are_fitted_together() -> None:
    points = gel_points(2400.0, times=(8.0, 15.0, 25.0)) + gel_points(
        2400.0, times=(8.0, 15.0, 25.0), of=M25
    )
    assert fit.fit_h(points, spot_mm=5.0, kind=SPRAY).h_w_m2k.value == pytest.approx(2400, rel=0.01)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """95 of 100 intervals; of 80, between 70 and 80 with all but certainty."""
    held = refused = 0
    for seed in range(80):
        try:
            found = fit.fit_h(gel_points(3000.0, noise_mm=0.08, seed=seed), spot_mm=5.0, kind=SPRAY)
        except PoorData:
            refused += 1
            continue
        held += found.h_w_m2k.low <= 3000.0 <= found.h_w_m2k.high
    assert refused <= 12
    assert held / (80 - refused) >= 0.87


def test_warmer_gel_is_distinguished_from_a_weaker_spray() -> None:
    points = gel_points(3000.0, gel_c=24.0)
    right = fit.fit_h(points, spot_mm=5.0, kind=SPRAY, gel_c=24.0)
    wrong = fit.fit_h(points, spot_mm=5.0, kind=SPRAY, gel_c=16.0)
    assert right.h_w_m2k.value == pytest.approx(3000, rel=0.01)
    assert wrong.h_w_m2k.value < 0.95 * right.h_w_m2k.value


@pytest.mark.parametrize(
    ("points", "why"),
    [
        (gel_points(3000.0)[:4], "too few"),
        (gel_points(3000.0, times=(10.0, 11.0, 12.0, 13.0, 14.0)), "last 10 to 14 s"),
        ([*gel_points(3000.0), Point(45.0, 5.0)], "a freeze of 45 s"),
        ([*gel_points(3000.0), Point(20.0, 25.0)], "a depth of 25 mm"),
        ([*gel_points(3000.0), Point(29.0, 2.0)], "not monotone"),
        ([Point(t, 3.6 + 0.03 * t) for t in TIMES], "do not lie on a curve"),
        (gel_points(500.0), "a spray has 800 to 9000"),
        (gel_points(9500.0), "a spray has 800 to 9000"),
        (gel_points(3000.0, noise_mm=0.45, seed=3), ""),
    ],
)
def test_poor_data_are_refused_with_the_reason(points: list[Point], why: str) -> None:
    with pytest.raises(PoorData) as caught:
        fit.fit_h(points, spot_mm=5.0, kind=SPRAY)
    assert why in caught.value.text
    assert caught.value.exit_code == 7


def test_what_the_curves_do_not_cover_is_refused() -> None:
    with pytest.raises(PoorData, match="no model curves"):
        fit.fit_h(gel_points(3000.0), spot_mm=4.0, kind=SPRAY)
    with pytest.raises(PoorData, match="gel of 37"):
        fit.fit_h(gel_points(3000.0), spot_mm=5.0, kind=SPRAY, gel_c=37.0)


def table(h: float, applicator: int, spot_mm: float, kind: int) -> fit.NewTable:
    found = fit.fit_h(gel_points(h, spot_mm=spot_mm, noise_mm=0.03), spot_mm=spot_mm, kind=kind)
    return fit.table_of(found, applicator=applicator, spot_mm=spot_mm, kind=kind)


def test_a_table_rises_with_the_coefficient_and_narrows_the_spread() -> None:
    weak, strong = (table(h, 2, 5.0, SPRAY) for h in (2000.0, 4500.0))
    assert all(a <= b for a, b in zip(weak.um, strong.um, strict=True))
    assert weak.um[-1] < strong.um[-1]
    assert weak.um_cold[-1] < weak.um[-1]
    assert strong.skin_ms < weak.skin_ms
    assert weak.skin_ms / strong.skin_ms == pytest.approx((4500 / 2000) ** 2, rel=0.1)
    assert 5 <= strong.spread_permille < 68, "less than as shipped, with the coefficient not known"
    assert table(1000.0, 7, 3.0, PROBE).skin_ms == 0


# -- files ----------------------------------------------------------------------------------------


def write(path: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(header.split(","))
        out.writerows(rows)
    return path


def test_a_thermocouple_log_gives_when_each_wire_was_passed(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = []
    for k in range(301):
        t = k / 10
        rows.append((t, 20 - 4 * t, 20 - 2.5 * t, 20 - 1.9 * t))
    points = calibrate.read_points(write(tmp_path / "log.csv", "time_s,1.0mm,2.0mm,3.0mm", rows))
    found = {(p.depth_mm, p.of): p.time_s for p in points}
    assert found[1.0, ICE] == pytest.approx(20.5 / 4, abs=0.01)
    assert found[2.0, M25] == pytest.approx(18.0, abs=0.01)
    assert len(found) == 6


@pytest.mark.parametrize(
    ("header", "rows", "why"),
    [
        ("time_s,other", [(1, 2)], "neither depth_mm nor a thermocouple"),
        ("seconds,depth_mm", [(1, 2)], "no column time_s"),
        ("time_s,depth_mm", [(1, "x")], "'x' is not a number"),
        ("time_s,depth_mm", [(1, 2, 3)], "3 fields"),
        ("time_s,depth_mm", [], "no rows"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, header: str, rows: list[tuple[object, ...]], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        calibrate.read_points(write(tmp_path / "data.csv", header, rows))


def test_measurements_are_read_as_they_were_written(tmp_path: Path) -> None:
    points = [Point(10.0, 3.1), Point(20.5, 4.25)]
    calibrate.write_points(tmp_path / "data.csv", points)
    assert calibrate.read_points(tmp_path / "data.csv") == points


# -- lags -----------------------------------------------------------------------------------------


def log_of(
    opens_ms: float,
    closes_ms: float,
    *,
    shots: int = 6,
    jitter_ms: float = 0.3,
    step_ms: float = 0.5,
) -> tuple[list[float], list[float], list[float]]:
    draw = random.Random(2)
    edges: list[tuple[float, float, float, float]] = []
    for k in range(shots):
        on, off = 1.0 + 3 * k, 2.0 + 3 * k
        edges.append(
            (on, off, on + (opens_ms + draw.gauss(0, jitter_ms)) / 1e3,
             off + (closes_ms + draw.gauss(0, jitter_ms)) / 1e3)
        )  # fmt: skip
    times, gate, flow = [], [], []
    for k in range(round((1 + 3 * shots) * 1000 / step_ms)):
        t = k * step_ms / 1000
        times.append(t)
        gate.append(3.3 if any(on <= t < off for on, off, _, _ in edges) else 0.0)
        ramp = max(
            (min(1.0, max(0.0, (t - a) / 2e-3 + 0.5)) * min(1.0, max(0.0, (b - t) / 2e-3 + 0.5))
             for _, _, a, b in edges),
            default=0.0,
        )  # fmt: skip
        flow.append(400 * ramp + draw.gauss(0, 2))
    return times, gate, flow


def test_lags_come_out_of_a_log() -> None:
    found = fit.fit_lags(*log_of(13.0, 31.0))
    assert found.open_us.value == pytest.approx(13_000, abs=600)
    assert found.close_us is not None
    assert found.close_us.value == pytest.approx(31_000, abs=600)
    assert found.shots == 6


@pytest.mark.parametrize(
    ("opens_ms", "off_the_rule", "why"),
    [
        (13.0, {"shots": 3}, "3 openings"),
        (13.0, {"step_ms": 5.0}, "a row every 5.0 ms"),
        (13.0, {"jitter_ms": 9.0}, "not sure enough"),
        (140.0, {}, "opening lag of 140"),
    ],
)
def test_a_log_that_cannot_tell_the_lags_is_refused(
    opens_ms: float, off_the_rule: dict[str, Any], why: str
) -> None:
    with pytest.raises(PoorData, match=why):
        fit.fit_lags(*log_of(opens_ms, 31.0, **off_the_rule))


def test_a_log_of_two_rows_is_refused() -> None:
    with pytest.raises(PoorData, match="fewer than 20"):
        fit.fit_lags([0.0, 1.0], [0.0, 1.0], [0.0, 1.0])


def test_weighed_shots_tell_the_difference_of_the_lags() -> None:
    draw = random.Random(4)
    gate = [0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0] * 2
    mass = [3.0 * (t + 0.013) + draw.gauss(0, 0.005) for t in gate]
    found = fit.fit_weighed(gate, mass)
    assert found.close_us is None
    assert found.open_us.value == pytest.approx(-13_000, abs=4000)
    assert found.open_us.low < -13_000 < found.open_us.high
    with pytest.raises(PoorData, match="does not go with time"):
        fit.fit_weighed(gate, [draw.uniform(0, 5) for _ in gate])
    with pytest.raises(PoorData, match="not sure enough"):
        fit.fit_weighed(gate, [m + draw.gauss(0, 0.2) for m in mass])
    with pytest.raises(PoorData, match="no shots"):
        fit.fit_weighed([], [])


# -- clock ----------------------------------------------------------------------------------------


def clock_samples(ppm: float, minutes: float, trip_ms: float = 4.0) -> list[tuple[float, ...]]:
    draw = random.Random(5)
    found: list[tuple[float, ...]] = []
    for k in range(round(minutes * 60 / 0.2)):
        asked = 1000 + 0.2 * k
        trip = trip_ms / 1e3 * (1 + draw.random()) * (5 if draw.random() < 0.1 else 1)
        there = asked + trip * draw.random()
        uptime_ms = math.floor((5000 + (there - 1000) * (1 + ppm / 1e6) * 1000) / 10) * 10
        found.append((asked, asked + trip, float(uptime_ms)))
    return found


@pytest.mark.parametrize("ppm", [-43.0, 0.0, 120.0])
def test_the_crystal_s_error_lies_within_its_interval(ppm: float) -> None:
    found = fit.fit_clock(clock_samples(ppm, 10))  # pyright: ignore[reportArgumentType]
    assert found.ppm.value == pytest.approx(ppm, abs=4)
    assert found.ppm.low - 2 <= ppm <= found.ppm.high + 2
    assert found.ppm.high - found.ppm.low < 10


def test_a_clock_that_cannot_be_measured_is_refused() -> None:
    with pytest.raises(PoorData, match="too few"):
        fit.fit_clock(clock_samples(10, 0.2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(PoorData, match="not sure enough"):
        fit.fit_clock(clock_samples(10, 0.7, 40))  # pyright: ignore[reportArgumentType]
    with pytest.raises(PoorData, match="no crystal"):
        fit.fit_clock(clock_samples(900, 10))  # pyright: ignore[reportArgumentType]
    restarted = [
        (a, b, up - (6000.0 if k > 900 else 0.0) - (100000.0 if k > 1500 else 0.0))
        for k, (a, b, up) in enumerate(clock_samples(10, 10))
    ]
    with pytest.raises(PoorData, match="restarted"):
        fit.fit_clock(restarted)


def test_a_name_that_the_device_cannot_keep_is_refused() -> None:
    with pytest.raises(UsageError, match="author"):
        author_of(Namespace(author="Zoë"))
