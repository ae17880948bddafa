"""Computes the shipped tables again with the models of tissue and line: they must be identical."""

from __future__ import annotations

import pytest
from cryo import applicators as shipped

from hw_sim.dose import __main__ as command, nozzle, tables
from hw_sim.dose.applicators import APPLICATORS, PROBE, SPRAY, by_number

ROWS = {row[0]: row for row in shipped.APPLICATORS}


def test_the_probe_s_first_seconds_are_derived_again() -> None:
    """One curve up to 6 s; the slow test computes everything."""
    benign, all_cells = tables.curves(by_number(6), 6000)
    row = ROWS[6]
    assert tuple(benign) == row[8][: len(benign)]
    assert tuple(all_cells) == row[9][: len(all_cells)]
    assert benign[-1] > 500


def test_the_spray_s_time_to_65_below_is_derived_again() -> None:
    assert tables.skin_ms(by_number(1)) == ROWS[1][7]
    assert all((row[7] == 0) == (row[2] == PROBE) for row in ROWS.values())


@pytest.mark.hazard("H-02")
def test_the_line_s_figures_are_derived_again() -> None:
    """H-02: a fine nozzle must be purged again sooner, and depends more on the pressure."""
    for number in (2, 5, 6):
        one = by_number(number)
        assert ROWS[number][11] == 100 * nozzle.rewarmed_c(one)
        assert ROWS[number][12] == nozzle.by_pressure_permille(one)
    sprays = sorted((one for one in APPLICATORS if one.kind == SPRAY), key=lambda a: -a.bore_mm)
    rows = [ROWS[one.number] for one in sprays]
    assert [row[11] for row in rows] == sorted((row[11] for row in rows), reverse=True)
    assert [row[12] for row in rows] == sorted(row[12] for row in rows)
    assert len({row[12] for row in rows}) == len(rows)


@pytest.mark.hazard("H-02")
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_nozzle_that_needs_no_new_purge_loses_two_seconds_at_most(number: int) -> None:
    """H-02: of full spray, at nominal pressure. Spray D loses more: see the next test."""
    one = by_number(number)
    stand_s = 0.0
    while nozzle.lost_s(one, stand_s + 0.5)[0] <= ROWS[number][11] / 100:
        stand_s += 0.5
    assert stand_s >= 5.0, "time to aim"
    assert nozzle.lost_s(one, stand_s)[1] <= nozzle.LOSS_S + 0.3


def test_spray_d_leaves_the_operator_time_to_aim() -> None:
    """2 s from the end of a purge at -175 C at the warmest; the docs give the possible loss."""
    limit_c = ROWS[5][11] / 100
    assert limit_c == nozzle.COLDEST_C
    stand_s = 2.0
    while nozzle.lost_s(by_number(5), stand_s)[0] <= limit_c:
        stand_s += 0.2
    assert 3.0 < stand_s < 4.5, "from -188 C"
    assert nozzle.lost_s(by_number(5), stand_s)[1] < 3.2


@pytest.mark.nightly
def test_all_tables_are_derived_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0, capsys.readouterr().out
