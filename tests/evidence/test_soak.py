"""The soak: its checks on two treatments, and that they can fail. `make soak` runs the month."""

from __future__ import annotations

import pytest

from hw_sim.evidence import soak
from hw_sim.evidence.openings import paired


@pytest.fixture(scope="module")
def month() -> tuple[soak.Soak, soak.Day]:
    one = soak.Soak(seed=3)
    day = soak.Day(1)
    one.switch_on()
    one.operator.ok("time", utc_s=1_795_000_000)
    one.utc_s = 1_795_000_000 - one.bench.clock.now_ns // 1_000_000_000
    one.operator.fill()
    one.treat(day)
    one.treat(day)
    return one, day


@pytest.mark.hazard("H-08", "H-11")
def test_wires_and_journal_agree_over_treatments(
    month: tuple[soak.Soak, soak.Day],
) -> None:
    """H-08: and an opening that is not recorded, or otherwise, is reported."""
    one, day = month
    gates = one.bench.valve_intervals()
    one.pull(day)
    one.look(day)
    assert not day.wrong
    assert day.openings == len(gates) >= 2
    assert day.records > 10
    assert day.objects > 1_000
    records = soak_records(one)
    rose, fell = gates[-1]
    longer = [*gates[:-1], (rose, fell + 200_000)]
    assert [what for made in paired(records, longer)[0] for what in made.wrong()]
    assert "without a record" in paired(records, [*gates, (fell + 10**9, fell + 2 * 10**9)])[1][0]
    assert "did not rise" in paired(records, gates[:-1])[1][0]
    assert not paired(records, gates)[1]


def soak_records(one: soak.Soak) -> list[soak.Record]:
    return [soak.decode(raw) for raw in one.bench.log()]


def test_the_page_says_what_was_wrong(month: tuple[soak.Soak, soak.Day]) -> None:
    _one, day = month
    bad = soak.Day(2, objects=day.objects + 10_000, wrong=["a late tick"])
    first = soak.Day(1, objects=100)
    text = soak.page(
        soak.Month([first, bad, soak.Day(3, objects=20_000)], 1.0, 8.64e7, 8.64e7, 5, 2),
        12,
        always_on=False,
    )
    assert "day 2: a late tick" in text
    assert "| days; of them on | 3; 1.0 |" in text
