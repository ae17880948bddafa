"""The shipped tables against the simulator's data. tests/model computes them again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryo import applicators as shipped

from hw_sim.dose import tables
from hw_sim.dose.applicators import APPLICATORS, SPRAY

ROWS = {row[0]: row for row in shipped.APPLICATORS}


def test_the_figures_that_are_not_computed_agree() -> None:
    assert shipped.VERSION == tables.VERSION
    assert shipped.TIMES_MS == tables.TIMES_MS
    assert [row[0] for row in shipped.APPLICATORS] == [one.number for one in APPLICATORS]
    for one in APPLICATORS:
        row = ROWS[one.number]
        assert row[1] == one.name
        assert len(one.name) <= 15
        assert row[2:6] == (
            one.kind,
            round(one.spot_radius_mm * 1000),
            one.distance_mm,
            round(one.h_w_m2k),
        )
        for word in (tables.MODEL, tables.DATE, tables.CALIBRATION, tables.AUTHOR):
            assert word in row[10]


def test_a_wrong_figure_in_the_firmware_would_be_detected() -> None:
    """A row that differs makes `source` write a different file."""
    text = Path(shipped.__file__).read_text(encoding="utf-8")
    rows = [
        tables.Row(one, *row[6:10], row[11] // 100, row[12], tuple(row[13:]))
        for one in APPLICATORS
        for row in [ROWS[one.number]]
    ]
    assert tables.source(rows) == text
    first = rows[0]
    deeper = tuple(um + tables.ROUND_UM for um in first.benign_um)
    wrong = replace(first, benign_um=deeper)
    assert tables.source([wrong, *rows[1:]]) != text


def test_the_default_plan_stays_within_ten_to_thirty_seconds() -> None:
    """Applicator 1, 2.3 mm of lesion, with no margin and with up to 0.8 mm."""
    benign = dict(zip(shipped.TIMES_MS, ROWS[1][8], strict=True))
    assert ROWS[1][2] == SPRAY
    assert benign[10000] <= 2300
    assert benign[30000] >= 3100
