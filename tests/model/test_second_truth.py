"""The population of the second truth, its treatments, their page, and the table made from them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hw_sim.dose import layered_campaign, layered_trials, population, witness
from hw_sim.dose.applicators import APPLICATORS, SPRAY, by_number
from hw_sim.dose.layered_trials import End, Outcome
from hw_sim.dose.population import draw

TABLE: dict[str, Any] = json.loads(witness.TABLE.read_text(encoding="utf-8"))


def outcome(number: int, error: float, stated: float = 0.1, *, warned: bool = False) -> Outcome:
    reached = 2.5 * (1.0 + error)
    one = draw(1, number)
    end = End(15.0, reached, warned)
    return Outcome(
        number=number,
        applicator=one.applicator,
        keratin=one.keratin,
        keratin_mm=one.keratin_mm,
        film_w_m2k=one.film_w_m2k,
        rim_mm=one.rim_mm,
        fat_from_mm=one.fat_from_mm,
        lesion_mm=2.0,
        plan_mm=2.5,
        ends=dict.fromkeys(layered_trials.STRATEGIES, end),
        at_end_mm={"seconds": reached, "depth mode": reached},
        estimate_mm={"seconds": (2.5, 2.5 * stated), "depth mode": (2.5, 2.5 * stated)},
        fall_s=[0.1] * len(layered_trials.FALL_C),
        read_s=[0.3] * len(layered_trials.FALL_C),
        thaw_s=[5.0 + reached, 15.0 + reached, None],
        thaw_read_s=[5.0 + reached, 15.0 + reached, None],
        ice_mm=4.0,
        lesion_radius_mm=2.0,
        base_radius_mm=1.0,
    )


def figure(outcomes: list[Outcome], what: str) -> layered_campaign.Figure:
    return next(f for f in layered_campaign.figures(outcomes) if f.what.startswith(what))


def test_a_treatment_is_the_same_whenever_it_is_drawn() -> None:
    assert draw(3, 5) == draw(3, 5)
    assert draw(3, 5) != draw(4, 5)
    drawn = [draw(3, number) for number in range(210)]
    kinds = {(one.applicator, one.keratin) for one in drawn}
    assert len(kinds) == len(APPLICATORS) * len(population.KERATIN)
    for one in drawn:
        low, high = next((a, b) for name, a, b in population.KERATIN if name == one.keratin)
        assert low <= one.keratin_mm <= high
        jet = one.jet
        assert (jet.rim_mm > 0.0) == one.spray
        assert jet.boiling.film_w_m2k <= jet.boiling.wet_w_m2k
        assert len(one.stack.materials) == 3 + (one.keratin_mm > 0.0)


def test_shortfalls_are_silent_until_something_is_said() -> None:
    short = [outcome(number, -0.5) for number in range(21)]
    assert figure(short, "silent shortfalls: device, seconds").met is False
    told = [outcome(number, -0.5, warned=True) for number in range(21)]
    assert figure(told, "silent shortfalls: device, seconds").met
    close = [outcome(number, 0.05) for number in range(21)]
    assert figure(close, "silent shortfalls: device, seconds").met
    assert figure(close, "reached against plan: device, seconds").met
    assert figure(short, "reached against plan: device, seconds").met is False


def test_coverage_counts_the_truth_within_what_is_stated() -> None:
    outcomes = [outcome(number, 0.2, 0.1 if number % 2 else 0.3) for number in range(20)]
    assert layered_campaign.coverage(outcomes, "seconds", 1.0) == pytest.approx(0.5)
    assert layered_campaign.coverage(outcomes, "seconds", 2.0) == pytest.approx(1.0)


def test_the_floor_of_right_tables_keeps_what_differs_within_a_class() -> None:
    same = [outcome(number, -0.4) for number in range(63)]
    assert max(map(abs, layered_campaign.told_errors(same))) < 1e-9
    differing = [outcome(number, -0.4 + 0.2 * (number // 21)) for number in range(63)]
    assert max(map(abs, layered_campaign.told_errors(differing))) > 0.2


def test_the_page_and_the_lines_hold_every_outcome(tmp_path: Path) -> None:
    outcomes = [outcome(number, 0.01 * (number % 30) - 0.3) for number in range(84)]
    text = layered_campaign.page(outcomes, 1, TABLE)
    assert "84 random treatments" in text
    for applicator in APPLICATORS:
        assert " ".join(applicator.name.split()) in text
    for one in outcomes:
        assert layered_trials.of_line(layered_trials.line_of(one)) == one
    path = tmp_path / "lines.jsonl"
    first = json.dumps({"key": layered_campaign.key(1), "seed": 1})
    lines = [first, *map(layered_trials.line_of, outcomes), '{"number": 3, "app']
    path.write_text("\n".join(lines), encoding="utf-8")
    assert layered_campaign.kept(path, 1) == outcomes
    assert layered_campaign.kept(path, 2) == []


def test_a_thaw_that_tells_the_depth_is_found() -> None:
    outcomes = [outcome(number, 0.01 * (number % 37) - 0.3) for number in range(84)]
    made = witness.thaw_table(outcomes)
    assert set(made) == {"-20", "-5"}  # 0 C was never reached
    assert made["-20"]["sigma"] < 0.2 * made["-20"]["sigma_without"]


def test_the_shipped_table_is_complete_and_in_order() -> None:
    assert TABLE["what"] == witness.WHAT
    assert TABLE["celsius"] == list(layered_trials.FALL_C)
    assert set(TABLE["fall"]) == {str(a.number) for a in APPLICATORS if a.kind == SPRAY}
    for row in TABLE["fall"].values():
        assert row["count"] >= 80
        for key in ("skin_s", "read_s"):
            columns = [row[key][f"{q:g}"] for q in witness.QUANTILES]
            numbers = [[math.inf if v is None else v for v in c] for c in columns]
            for lower, upper in zip(numbers, numbers[1:], strict=False):
                assert all(a <= b for a, b in zip(lower, upper, strict=True))
            for one in numbers:  # colder is later
                assert one == sorted(one)
        assert row["never"] == sorted(row["never"])
    for row in TABLE["thaw"].values():
        assert row["sigma"] < row["sigma_without"]
        assert set(row["a"]) == {str(a.number) for a in APPLICATORS}


def test_new_draws_lie_within_the_shipped_table() -> None:
    """Draws of another seed: each falls between least and most, or nearly."""
    columns = TABLE["celsius"]
    at = columns.index(-5.0)
    outside: list[str] = []
    for number in range(24):
        one = draw(987_654, number, witness.SPRAYS)
        fall = witness.fall_of(one)
        row = TABLE["fall"][str(one.applicator)]["read_s"]
        value, least, most = fall["read_s"][at], row["0"][at], row["1"][at]
        if value is None or not least - 0.11 <= value <= most + 0.5:
            outside.append(f"{by_number(one.applicator).name}: {value}, not {least}...{most}")
    assert len(outside) <= 1, outside


def test_a_whole_treatment_is_the_same_again() -> None:
    one = draw(layered_trials.SEED, 4)
    first, second = layered_trials.treat_one(one), layered_trials.treat_one(one)
    assert first == second
    assert 10.0 <= first.ends["seconds"].seconds <= 30.0
    assert first.ends["all-knowing"].reached_mm >= 0.9 * min(
        first.plan_mm, max(end.reached_mm for end in first.ends.values())
    )
