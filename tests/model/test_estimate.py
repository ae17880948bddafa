"""Computes the time weights of the live estimate again with the models of line and tissue."""

from __future__ import annotations

import random

import pytest
from cryo import estimate

from hw_sim.dose import nozzle
from hw_sim.dose.applicators import PROBE, SPRAY, by_number


def test_a_probe_s_weights_agree_with_the_model() -> None:
    """Three pauses after a purge: within 1 % of the model's depth. The slow test has all cases."""
    one = by_number(6)
    draws = random.Random(4)
    freezes = [nozzle.freeze(one, draws, True) for _ in range(3)]
    assert max(max(freeze.nozzle_c) for freeze in freezes) > -165.0, "one of them had rewarmed"
    nodes = tuple(round(c * 100) for c in nozzle.NODES_C)
    assert nodes == estimate._NOZZLE_C  # pyright: ignore[reportPrivateUsage]
    weights = estimate._PROBE_WEIGHTS  # pyright: ignore[reportPrivateUsage]
    assert max(abs(error) for error in nozzle.errors(one, freezes, weights)) < 0.01


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "name"), [(SPRAY, "_WEIGHTS"), (PROBE, "_PROBE_WEIGHTS")])
def test_the_weights_are_those_of_the_command_and_accurate(kind: int, name: str) -> None:
    """Equal to the rounding; the depth of 95 % of the purged freezes is within 2 % of the model."""
    freezes = nozzle.drawn(kind)
    shipped = getattr(estimate, name)
    assert nozzle.counts(freezes) == pytest.approx(shipped, abs=nozzle.ROUND_PERMILLE)
    for applicator, some in freezes.items():
        off = nozzle.errors(applicator, [one for one in some if one.purged], shipped)
        assert sum(abs(error) <= 0.02 for error in off) >= 0.95 * len(off)
