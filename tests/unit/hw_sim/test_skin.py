"""The quick skin against the 2-D tissue model, and along the plant's own jet."""

import math

import numpy as np
import pytest

from hw_sim.world.plant import Jet, Plant, PlantParams, SkinParams
from hw_sim.world.plant.line import LineParams
from hw_sim.world.plant.nitrogen import BOILING_C
from hw_sim.world.plant.skin import Skin
from hw_sim.world.plant.tissue import Exposure, Floats, Tissue, expose

MS = 1_000_000
S = 1_000_000_000
FAR_NS = 10**15


def both(
    spot_mm: float,
    h: float,
    freeze_s: float,
    *,
    skin_c: float = 32.0,
    perfusion: float = 0.002,
    until_s: float,
    every_s: float = 0.05,
) -> tuple[Floats, Floats, Floats]:
    """Times, the quick skin's surface and the 2-D model's, for liquid from 0 to `freeze_s`."""
    starts = [0, round(freeze_s * S)]
    jets = [Jet(1.0, BOILING_C), Jet(0.0, BOILING_C)]
    params = SkinParams(
        h_w_m2k=h, spot_radius_mm=spot_mm, start_c=skin_c, perfusion_per_s=perfusion
    )
    quick = Skin(params, starts, jets, 0)
    time_s = np.arange(0.0, until_s, every_s)
    quick_c = np.array([quick.at(round(t * S), FAR_NS) for t in time_s])
    result = expose(
        Exposure([0.0, freeze_s], [h, 0.0], [BOILING_C, 22.0]),
        until_s=until_s,
        spot_radius_mm=spot_mm,
        sample_s=every_s,
        skin_c=skin_c,
        tissue=Tissue(perfusion_per_s=perfusion),
    )
    return time_s, quick_c, np.interp(time_s, result.time_s, result.surface_c)


def falls_to(time_s: Floats, c: Floats, level_c: float) -> float:
    i = int(np.flatnonzero(c <= level_c)[0])
    return float(np.interp(level_c, [c[i], c[i - 1]], [time_s[i], time_s[i - 1]]))


def back_at(time_s: Floats, c: Floats, freeze_s: float, level_c: float) -> float:
    return float(time_s[np.flatnonzero((time_s > freeze_s) & (c > level_c))[0]]) - freeze_s


@pytest.mark.parametrize(
    ("spot_mm", "h", "skin_c", "perfusion"),
    [
        (2.5, 1000.0, 32.0, 0.002),
        (5.0, 1500.0, 36.0, 0.003),
        (5.0, 1000.0, 28.0, 0.001),
        (10.0, 2000.0, 32.0, 0.002),
    ],
)
def test_it_falls_like_the_tissue_model(
    spot_mm: float, h: float, skin_c: float, perfusion: float
) -> None:
    time_s, quick_c, full_c = both(spot_mm, h, 6.0, skin_c=skin_c, perfusion=perfusion, until_s=6.0)
    for level_c in (-40.0, -65.0, -70.0):
        full_s = falls_to(time_s, full_c, level_c)
        assert falls_to(time_s, quick_c, level_c) == pytest.approx(full_s, rel=0.06, abs=0.03)
    assert float(quick_c[-1]) == pytest.approx(float(full_c[-1]), abs=4.0)


@pytest.mark.parametrize(
    ("spot_mm", "h", "freeze_s"), [(2.5, 3000.0, 10.0), (5.0, 1000.0, 5.0), (5.0, 3000.0, 5.0)]
)
def test_it_thaws_like_the_tissue_model(spot_mm: float, h: float, freeze_s: float) -> None:
    time_s, quick_c, full_c = both(spot_mm, h, freeze_s, until_s=freeze_s + 115.0, every_s=0.5)
    full_s = back_at(time_s, full_c, freeze_s, 0.0)
    assert back_at(time_s, quick_c, freeze_s, 0.0) == pytest.approx(full_s, rel=0.14)
    # Erdmann 2023: porcine skin, LN2 for 5 s, back at 0 °C after 70 s, at skin temperature after
    # 5 min. Neither spot nor coefficient are known; ours bracket it.
    if freeze_s == 5.0:
        assert 45.0 < full_s < 110.0


def test_until_the_first_jet_nothing_changes() -> None:
    plant = Plant(PlantParams(skin=SkinParams(start_c=30.0)))
    assert plant.skin_c == 30.0
    plant.advance(600 * S)
    assert plant.skin_c == 30.0
    assert plant.skin.start_c == 30.0


def test_living_skin_starts_in_equilibrium_with_the_air() -> None:
    assert Plant().skin_c == pytest.approx(34.86, abs=0.02)
    colder = Plant(PlantParams(skin=SkinParams(perfusion_per_s=0.001)))
    assert 30.0 < colder.skin_c < Plant().skin_c
    with pytest.raises(ValueError, match="spot radius"):
        Plant(PlantParams(skin=SkinParams(spot_radius_mm=0.0)))


def treated(look_ms: int, *, start_c: float = -190.0) -> list[float]:
    """The skin at 1, 2, 3 … 40 s of a 10 s freeze that begins at 1 s, looked at so often."""
    plant = Plant(PlantParams(line=LineParams(start_c=start_c), skin=SkinParams(h_w_m2k=2000.0)))
    seen: list[float] = []
    for t_ns in range(look_ms * MS, 40 * S + 1, look_ms * MS):
        if t_ns in (S, 11 * S):
            plant.energise(t_ns, t_ns == S)
        plant.advance(t_ns)
        c = plant.skin_c
        if t_ns % S == 0:
            seen.append(c)
    return seen


def test_the_plants_jet_freezes_it_and_it_thaws() -> None:
    c = treated(100)
    assert c[0] > 34.0
    assert c[3] < -70.0
    assert c[10] == min(c)
    assert -140.0 < c[10] < -100.0
    assert c[16] > c[12] > c[10] + 40.0


def test_how_often_one_looks_does_not_matter() -> None:
    assert treated(20) == pytest.approx(treated(500), abs=0.3)


def test_gas_from_a_warm_line_only_chills_it() -> None:
    warm, cold = treated(100, start_c=25.0), treated(100)
    assert 0.0 < warm[3] < warm[0]
    assert warm[9] > cold[9] + 5.0


def test_pointed_away_it_stays_warm_and_a_new_skin_is_a_new_one() -> None:
    plant = Plant(PlantParams(line=LineParams(start_c=-190.0)))
    plant.point(0, at_skin=False)
    plant.energise(0, True)
    plant.advance(5 * S)
    assert plant.skin_c > 34.0
    plant.point(5 * S, at_skin=True)
    plant.advance(10 * S)
    assert plant.skin_c < -70.0
    plant.new_skin(10 * S, SkinParams(start_c=31.0))
    assert plant.skin_c == 31.0
    plant.advance(11 * S)
    assert plant.skin_c < 0.0


def test_a_second_freeze_begins_where_the_first_left_off() -> None:
    starts = [0, 5 * S, 30 * S, 31 * S]
    jets = [Jet(h, BOILING_C) for h in (1.0, 0.0, 1.0, 0.0)]
    skin = Skin(SkinParams(), starts, jets, 0)
    before = skin.at(30 * S, FAR_NS)
    assert skin.at(30 * S + 500 * MS, FAR_NS) < before - 30.0
    assert skin.at(31 * S, FAR_NS) < -70.0
    assert not math.isnan(skin.at(3600 * S, FAR_NS))
    assert skin.at(3600 * S, FAR_NS) == pytest.approx(34.9, abs=1.1)
