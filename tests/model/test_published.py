"""Published measurements: what is shipped is what is computed, and the page holds it."""

from __future__ import annotations

import math

import pytest

from hw_sim.dose import published, validate

DATA = published.shipped()


def test_the_page_holds_the_fit() -> None:
    text = (validate.DOCS / "validation.md").read_text(encoding="utf-8")
    assert published.section(DATA) in text


def test_the_fit_lies_between_its_sets_and_its_prior() -> None:
    around = [one["h_w_m2k"] for one in DATA["sets"].values()]
    around.append(DATA["prior"]["h_w_m2k"])
    assert min(around) <= DATA["common"]["h_w_m2k"] <= max(around)
    assert 0.1 < DATA["common"]["sigma_ln"] < DATA["prior"]["sigma_ln"]
    for one in DATA["nozzles"].values():
        # More for another device and nozzle than for the sets' own.
        assert one["sigma_ln"] > DATA["common"]["sigma_ln"]
        away = math.log(published.SHIPPED / one["h_w_m2k"]) / one["sigma_ln"]
        assert one["shipped_above_by_sigmas"] == pytest.approx(away, abs=0.15)


@pytest.mark.parametrize("h", [pytest.param(700.0, marks=pytest.mark.nightly), 2800.0])
def test_the_published_set_ups_come_out_again(h: float) -> None:
    computed = DATA["computed"][f"{h:g}"]
    surface_c, thawed_s = published.erdmann(h, 8.0)
    assert surface_c == pytest.approx(computed["erdmann"]["8 mm"][0], abs=1.0)
    assert thawed_s == pytest.approx(computed["erdmann"]["8 mm"][1], rel=0.02)
    depths = published.ribeiro(h, 10.0)[-25.0]
    assert depths == pytest.approx(computed["ribeiro_mm_at_-25"], rel=0.02)


def test_the_shipped_coefficient_does_not_fit_the_published_cold() -> None:
    """Erdmann's -60 C at 5 s: 2800 W/m2K is far colder at any spot, 700 is near."""
    cold = [published.erdmann(2800.0, r)[0] for r in published.ERDMANN_RADII]
    assert max(cold) < -100.0
    assert published.erdmann(700.0, 8.0)[0] == pytest.approx(-60.0, abs=15.0)
