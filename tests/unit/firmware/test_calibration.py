"""Calibrated tables: invalid ones are refused (H-06), damaged or cut-off files too (H-07)."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryo import calibration, calibration_store, calibration_table, dose, redundant_file
from hypothesis import given, strategies as st

AUTHOR = "A. Technician"
RUN, UTC_S = 17, 1_795_000_000
TEN_S = dose.TIMES_MS.index(dose.MIN_MS)
SHIPPED = tuple(dose.rows())
SLOTS = ("tables_a.bin", "tables_b.bin")


def back_to_shipped() -> None:
    """As after a start, before the stored tables are read."""
    for row in SHIPPED:
        dose.use(row, dose.TABLE_VERSION)


@pytest.fixture(autouse=True)
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty flash; the shipped tables are active before and after."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    back_to_shipped()


def table(number: int = 1, part: float = 1.1, **change: Any) -> tuple[Any, ...]:
    """A table with `part` of the shipped one's depths."""
    row = next(row for row in SHIPPED if row[dose.NUMBER] == number)
    curves = [tuple(round(um * part) for um in row[column]) for column in (8, 9)]
    rest = {
        "h": 3300, "spread": 60, "skin": row[dose.SKIN_MS], "model": 2, "run": RUN,
        "utc_s": UTC_S, "author": AUTHOR, "um": curves[0], "cold": curves[1],
    } | change  # fmt: skip
    return (number, *rest.values())


@pytest.mark.parametrize("number", [row[dose.NUMBER] for row in SHIPPED])
@pytest.mark.parametrize("part", [0.8, 1.0, 1.25])
def test_a_table_like_the_shipped_one_is_taken(number: int, part: float) -> None:
    assert calibration_table.refuse(table(number, part)) == ""


@pytest.mark.hazard("H-06")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"h": 50}, "h_w_m2k takes 100...20000"),
        ({"spread": 400}, "spread_permille takes 5...300"),
        ({"skin": -1}, "skin_ms takes"),
        ({"run": 0}, "run takes 1...999999"),
        ({"utc_s": 0}, "utc_s takes"),
        ({"author": ""}, "author takes 1...16"),
        ({"author": "a" * 17}, "author takes 1...16"),
        ({"author": "Zoë"}, "ASCII"),
        ({"um": (0,) * 14}, "not monotone"),
        ({"um": (0, 1)}, "a curve has 14"),
    ],
)
def test_what_does_not_check_out_is_refused_with_the_reason(
    change: dict[str, Any], why: str
) -> None:
    assert why in calibration_table.refuse(table(**change))


def with_point(i: int, um: int) -> tuple[int, ...]:
    depths = list(table(2, 1.0)[8])
    depths[i] = um
    return tuple(depths)


@pytest.mark.hazard("H-06")
def test_a_curve_that_no_ice_has_is_refused() -> None:
    shipped = table(2, 1.0)[8]
    assert "not monotone" in calibration_table.refuse_curve(2, 1, with_point(11, shipped[10]))
    assert "not monotone" in calibration_table.refuse_curve(2, 1, with_point(3, shipped[2] - 1))
    assert "bends upwards" in calibration_table.refuse_curve(2, 1, with_point(10, shipped[9] + 30))
    assert "go from 0" in calibration_table.refuse_curve(2, 1, with_point(0, 1))
    assert "go from 0" in calibration_table.refuse_curve(2, 1, with_point(13, 12001))
    straight = tuple(ms // 6 for ms in dose.TIMES_MS)
    assert "after 30 s is 3001 permille" in calibration_table.refuse_curve(2, 1, straight)
    assert "target" in calibration_table.refuse_curve(2, 3, shipped)
    assert "no such" in calibration_table.refuse_curve(99, 1, shipped)


@pytest.mark.hazard("H-06")
@pytest.mark.parametrize("part", [0.45, 1.85])
def test_a_table_too_far_from_the_shipped_one_is_refused(part: float) -> None:
    assert "permille of the shipped table" in calibration_table.refuse(table(3, part))


@pytest.mark.hazard("H-06")
def test_a_colder_isotherm_is_never_deeper() -> None:
    good = table(1)
    assert "colder isotherm" in calibration_table.refuse(table(1, um=good[9], cold=good[8]))


@pytest.mark.hazard("H-06")
@given(st.lists(st.integers(0, 65535), min_size=14, max_size=14), st.sampled_from([1, 2]))
def test_what_is_taken_gives_valid_doses(depths: list[int], target: int) -> None:
    """H-06: every accepted curve is strictly monotone within 10 to 30 s."""
    depths = sorted([0, *depths[1:]])
    if calibration_table.refuse_curve(1, target, depths):
        return
    assert depths[TEN_S:] == sorted(set(depths[TEN_S:]))


@pytest.mark.hazard("H-06")
@given(st.lists(st.integers(-60, 60), min_size=14, max_size=14), st.integers(70, 140))
def test_a_noisy_table_is_refused_or_usable(noise: list[int], percent: int) -> None:
    depths = [
        max(0, um * percent // 100 + (n if i else 0))
        for i, (um, n) in enumerate(zip(table(2, 1.0)[8], noise, strict=True))
    ]
    if calibration_table.refuse_curve(2, 1, depths):
        return
    last = 0
    for um in range(depths[TEN_S], depths[-1] + 1, 7):
        row = (*dose.row_of(2)[:8], tuple(depths), *dose.row_of(2)[9:])
        dose.use(row, 1001)
        ms = dose.dose_ms(2, um)
        assert dose.MIN_MS <= ms <= dose.MAX_MS
        assert ms >= last
        last = ms


def test_a_table_comes_back_as_it_was_and_is_in_force(flash: Path) -> None:
    first = calibration.Calibration()
    assert first.load() == redundant_file.EMPTY
    assert calibration_store.store(first, table(1))
    assert calibration_store.store(first, table(3, 0.9))
    assert calibration_store.store(first, table(1, 1.2, run=18))
    back_to_shipped()
    second = calibration.Calibration()
    assert second.load() == redundant_file.LOADED
    assert second.generation == 3
    assert calibration_store.read(second, 1)[0] == table(1, 1.2, run=18)
    assert calibration_store.read(second, 3)[0] == table(3, 0.9)
    assert calibration_store.read(second, 2)[0] is None
    assert dose.version_of(1) == 1018
    shipped = SHIPPED[1][dose.PROVENANCE]
    calibrated = "calibrated 2026-11-18, run %d, model 2, " + AUTHOR
    assert calibration_store.provenances(second)[:3] == [calibrated % 18, shipped, calibrated % 17]
    assert dose.row_of(1)[dose.NAME] == SHIPPED[0][dose.NAME]
    assert dose.max_um(1) == table(1, 1.2)[8][-1]
    assert calibration_store.remove(second, 1)
    assert dose.version_of(1) == dose.TABLE_VERSION
    third = calibration.Calibration()
    third.load()
    assert calibration_store.read(third, 1)[0] is None


@pytest.mark.hazard("H-07")
def test_one_damaged_slot_leaves_the_other_and_two_leave_the_shipped_tables(flash: Path) -> None:
    """H-07: any single bit, in either slot."""
    tables = calibration.Calibration()
    calibration_store.store(tables, table(1))
    calibration_store.store(tables, table(1, 1.2))
    good = {name: (flash / name).read_bytes() for name in SLOTS}
    draw = random.Random(1)
    for name in SLOTS:
        for _ in range(60):
            damaged = bytearray(good[name])
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            (flash / name).write_bytes(damaged)
            again = calibration.Calibration()
            assert again.load() == redundant_file.ONE_SLOT_BAD
            assert calibration_store.read(again, 1)[0] == (
                table(1) if name == "tables_a.bin" else table(1, 1.2)
            )
        (flash / name).write_bytes(good[name])
    for name in SLOTS:
        (flash / name).write_bytes(good[name][:-1])
    back_to_shipped()
    again = calibration.Calibration()
    assert again.load() == redundant_file.LOST
    assert dose.version_of(1) == dose.TABLE_VERSION


@pytest.mark.hazard("H-07")
@pytest.mark.parametrize("cut", ["write", "rename"])
def test_a_save_that_breaks_off_changes_nothing(
    flash: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    tables = calibration.Calibration()
    calibration_store.store(tables, table(1))
    before = {path.name: path.read_bytes() for path in flash.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28)

    if cut == "write":
        monkeypatch.setattr("builtins.open", fail)
    else:
        monkeypatch.setattr(os, "rename", fail)
    assert not calibration_store.store(tables, table(1, 1.2))
    assert not calibration_store.remove(tables, 1)
    monkeypatch.undo()
    os.chdir(flash)
    assert calibration_store.read(tables, 1)[0] == table(1)
    assert dose.max_um(1) == table(1)[8][-1]
    assert {n: (flash / n).read_bytes() for n in before} == before
    again = calibration.Calibration()
    assert again.load() == redundant_file.LOADED
    assert calibration_store.read(again, 1)[0] == table(1)


def test_a_slot_of_another_format_is_not_read(flash: Path) -> None:
    tables = calibration.Calibration()
    calibration_store.store(tables, table(1))
    (name,) = [path.name for path in flash.iterdir()]
    (flash / name).write_bytes(b"")
    assert calibration.Calibration().load() == redundant_file.LOST
    (flash / name).write_bytes(b"CRYO" + bytes(12))
    assert calibration.Calibration().load() == redundant_file.LOST


@pytest.mark.hazard("H-07")
def test_a_file_that_cannot_be_read_now_is_not_written_over(flash: Path) -> None:
    """The tables are in force from the start on; a save from what is left would lose the others."""
    tables = calibration.Calibration()
    assert calibration_store.store(tables, table(1))
    assert calibration_store.store(tables, table(3, 0.9))
    in_force = dose.row_of(1), dose.row_of(3)
    in_use = flash / SLOTS[tables.slot]
    in_use.write_bytes(in_use.read_bytes()[:-1])
    before = {path.name: path.read_bytes() for path in flash.iterdir()}
    assert not calibration_store.store(tables, table(2))
    assert not calibration_store.remove(tables, 1)
    assert {path.name: path.read_bytes() for path in flash.iterdir()} == before
    assert (dose.row_of(1), dose.row_of(3)) == in_force
    assert calibration_store.read(tables, 1)[0] is None
    assert calibration_store.provenances(tables)[0] == "calibrated; its file cannot be read"


def test_no_table_and_no_replaced_row_stays_in_memory(flash: Path) -> None:
    """H-12: of each applicator the row in force alone; what is on demand is unloaded."""
    stored = calibration.Calibration()
    for row in SHIPPED:
        assert calibration_store.store(stored, table(row[dose.NUMBER]))
    back_to_shipped()
    again = calibration.Calibration()
    assert again.load() == redundant_file.LOADED
    assert all(dose.calibrated(row[dose.NUMBER]) for row in SHIPPED)
    assert vars(again).keys() == vars(redundant_file.Slots("", b"", 1)).keys()
    assert not hasattr(dose, "applicators")
    for name in ("applicators", "calibration_table"):
        assert "cryo." + name not in sys.modules
