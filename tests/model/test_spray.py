"""Exposure of the skin from the plant's jet history: the heat and the times are preserved."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hw_sim.world.plant import Plant
from hw_sim.world.plant.jet import JetSpan
from hw_sim.world.plant.line import Line, LineParams
from hw_sim.world.plant.nitrogen import BOILING_C
from hw_sim.world.plant.spray import exposure
from hw_sim.world.plant.tissue import Exposure, expose

MS = 1_000_000
S = 1000 * MS


def heat(exposed: Exposure, until_s: float, surface_c: float) -> float:
    """∫ h·(surface − fluid) dt up to `until_s`, for a constant surface temperature."""
    rows = exposed.rows()
    ends = [*[row[0] for row in rows[1:]], until_s]
    return sum(h * (surface_c - c) * (end - t) for (t, h, c), end in zip(rows, ends, strict=True))


spans_of = st.lists(
    st.tuples(
        st.integers(1, 60).map(lambda n: n * 20 * MS),
        st.one_of(st.just(0.0), st.floats(0.01, 1.2)),
        st.floats(BOILING_C, 20.0),
    ),
    min_size=1,
    max_size=40,
)


@given(spans_of)
def test_the_same_heat_flows(pieces: list[tuple[int, float, float]]) -> None:
    spans: list[JetSpan] = []
    at_ns = 0
    for length_ns, h, c in pieces:
        spans.append(JetSpan(at_ns, at_ns + length_ns, h, c))
        at_ns += length_ns
    exposed = exposure(spans, 3000.0)
    for surface_c in (30.0, -100.0):
        exact = sum(
            (s.end_ns - s.begin_ns) * 1e-9 * s.relative_h * 3000.0 * (surface_c - s.fluid_c)
            for s in spans
        )
        # Neighbours within 1 % of h and 1 K are one row.
        flowed = heat(exposed, at_ns * 1e-9, surface_c)
        assert flowed == pytest.approx(exact, rel=0.03, abs=1000.0)


def test_the_jet_s_beginning_and_end_stay_where_they_are() -> None:
    spans = [
        JetSpan(0, 130 * MS, 0.0, BOILING_C),
        JetSpan(130 * MS, 150 * MS, 0.5, -100.0),
        JetSpan(150 * MS, 1010 * MS, 1.0, BOILING_C),
        JetSpan(1010 * MS, 2 * S, 0.0, BOILING_C),
    ]
    rows = exposure(spans, 1000.0).rows()
    assert rows[0][:2] == (0.0, 0.0)
    assert rows[1][0] == pytest.approx(0.13)
    assert rows[-1][0] == pytest.approx(1.01)
    assert rows[-1][1] == 0.0


def test_the_history_before_the_beginning_is_excluded() -> None:
    spans = [JetSpan(0, 5 * S, 1.0, BOILING_C), JetSpan(5 * S, 9 * S, 0.5, BOILING_C)]
    rows = exposure(spans, 1000.0, zero_ns=4 * S).rows()
    assert rows == [(0.0, 1000.0, BOILING_C), (1.0, 500.0, BOILING_C)]
    with pytest.raises(ValueError, match="nothing"):
        exposure(spans, 1000.0, zero_ns=9 * S)


def test_a_warm_line_freezes_less_deep_than_a_cold_one() -> None:
    """The complete chain: plant, history, exposure, tissue."""
    depths: list[float] = []
    for wall_c in (-185.0, 20.0):
        plant = Plant()
        plant.advance(S)
        plant.set_line(S, wall_c=wall_c, tip_c=wall_c)
        plant.energise(S, True)
        plant.advance(13 * S)
        spans = plant.jet_between(S, 13 * S)
        depths.append(expose(exposure(spans, 3000.0, zero_ns=S), until_s=12.0).deepest_m25_mm)
    assert depths[0] > depths[1] + 0.5


@pytest.mark.parametrize("orifice_mm", [0.56, 0.79, 1.02])
@pytest.mark.parametrize("wall_j_k", [1.2, 12.0, 30.0])
def test_a_heavy_line_cools_later_but_gives_the_same_jet(
    wall_j_k: float, orifice_mm: float
) -> None:
    """12 J/K and more (30 g of steel) once ended in a TypeError: the nominal jet was complex."""
    light = Line(LineParams(orifice_mm=orifice_mm))
    heavy = Line(LineParams(orifice_mm=orifice_mm, wall_j_k=wall_j_k))
    for line in (light, heavy):
        for _ in range(200):
            line.step_open(0.01, 550.0, True)
    assert heavy.wall_c >= light.wall_c
    for line in (light, heavy):
        for _ in range(12_000):
            line.step_open(0.05, 550.0, True)
    assert heavy.relative_h == pytest.approx(light.relative_h, rel=0.01)
    assert light.relative_h == pytest.approx(1.0, abs=0.05)
