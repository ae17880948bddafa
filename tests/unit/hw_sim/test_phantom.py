"""phantom.json, the reference data of calibrations, matches the tissue model."""

from __future__ import annotations

import json

import pytest

from hw_sim.dose import phantom
from hw_sim.dose.applicators import APPLICATORS
from hw_sim.dose.tables import TIMES_MS, VERSION
from hw_sim.world.plant.tissue import SKIN

DATA = json.loads(phantom.TARGET.read_text(encoding="utf-8"))
TOLERANCE_UM = 20  # two steps of rounding: another processor's last bit


def test_it_covers_every_applicator_and_names_its_model() -> None:
    assert DATA["version"] == VERSION
    assert DATA["times_ms"] == list(TIMES_MS)
    assert DATA["h_w_m2k"] == list(phantom.H_W_M2K)
    assert set(DATA["rest_permille"]) == {str(a.number) for a in APPLICATORS}
    assert {float(key) for key in DATA["spots"]} == {a.spot_radius_mm for a in APPLICATORS}


@pytest.mark.slow
def test_a_curve_of_gel_and_one_of_skin_come_out_again() -> None:
    at = phantom.H_W_M2K.index(2400)
    gel = phantom._freeze(5.0, 2400.0, 20.0, None, phantom.GEL, 30.0, 0.5)  # pyright: ignore[reportPrivateUsage]
    skin = phantom._freeze(5.0, 2400.0, None, 33.0, SKIN, 30.0, 0.5)  # pyright: ignore[reportPrivateUsage]
    of_gel = DATA["spots"]["5"]["gel"]["20"][at]
    of_skin = DATA["spots"]["5"]["skin"][at]
    for i, ms in enumerate(TIMES_MS):
        t_s = ms / 1000
        for stored_um, series, result in (
            (of_gel["ice_um"], gel.ice_depth_mm, gel),
            (of_gel["m25_um"], gel.depth_m25_mm, gel),
            (of_skin["um"], skin.depth_m25_mm, skin),
            (of_skin["um_cold"], skin.depth_m50_mm, skin),
        ):
            assert stored_um[i] == pytest.approx(1000 * result.at(series, t_s), abs=TOLERANCE_UM)


def test_curves_rise_with_time_and_coefficient_and_fall_with_warmer_gel() -> None:
    for spot in DATA["spots"].values():
        for rows in (*spot["gel"].values(), spot["skin"]):
            for key in set(rows[0]) - {"skin_ms"}:
                curves = [row[key] for row in rows]
                assert all(curve == sorted(curve) for curve in curves)
                ends = [curve[-1] for curve in curves]
                assert ends == sorted(ends)
        cold, warm = (spot["gel"][key][5]["ice_um"][-1] for key in ("15", "25"))
        assert warm < cold
