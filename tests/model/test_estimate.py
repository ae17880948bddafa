"""What a second counts in the live estimate comes out of the models of line and tissue again."""

from __future__ import annotations

import random

import pytest
from cryo import estimate

from hw_sim.dose import nozzle
from hw_sim.dose.applicators import PROBE, SPRAY, by_number


def test_a_probe_s_seconds_are_counted_as_the_model_has_them() -> None:
    """Three stands after a purge: within 1 % of the depth in the model. The slow test has all."""
    one = by_number(6)
    draws = random.Random(4)
    freezes = [nozzle.freeze(one, draws, True) for _ in range(3)]
    assert max(max(freeze.nozzle_c) for freeze in freezes) > -165.0, "one of them had rewarmed"
    nodes = tuple(round(c * 100) for c in nozzle.NODES_C)
    assert nodes == estimate._NOZZLE_C  # pyright: ignore[reportPrivateUsage]
    counts = estimate._PROBE_WEIGHTS  # pyright: ignore[reportPrivateUsage]
    assert max(abs(error) for error in nozzle.errors(one, freezes, counts)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [(SPRAY, "_WEIGHTS"), (PROBE, "_PROBE_WEIGHTS")])
def test_the_counts_are_what_the_command_prints_and_come_near(kind: int, name: str) -> None:
    """To the rounding; and a purged freeze's depth within 2 % of the model's in 95 of 100."""
    freezes = nozzle.drawn(kind)
    shipped = getattr(estimate, name)
    assert nozzle.counts(freezes) == pytest.approx(shipped, abs=nozzle.ROUND_PERMILLE)
    for applicator, some in freezes.items():
        off = nozzle.errors(applicator, [one for one in some if one.purged], shipped)
        assert sum(abs(error) <= 0.02 for error in off) >= 0.95 * len(off)
