"""The optional battery-backed clock: H-20, the time is kept, or known to be lost."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench, FastBench
from tests.scenarios.conftest import ready, records


@pytest.mark.hazard("H-20")
@pytest.mark.parametrize(
    "utc_s",
    [
        1_704_067_200,  # 2024-01-01 00:00:00
        1_709_164_799,  # 2024-02-28 23:59:59
        1_709_251_200,  # 2024-03-01, after a leap day
        1_798_761_599,  # 2026-12-31 23:59:59
        1_800_000_000,
        4_102_444_000,  # the last day of 2099
    ],
)
def test_the_time_survives_a_power_cut(utc_s: int) -> None:
    """H-20."""
    bench = FastBench()
    ready(bench)
    bench.ask("time", utc_s=utc_s)
    bench.cut_power()
    bench.run_for(10_000)
    ready(bench)
    time = bench.ask("time")["ok"]
    assert time["source"] == "rtc"
    assert 9 <= time["utc_s"] - utc_s <= 13
    boot = [r for r in records(bench) if r.kind == 1][-1]
    assert boot.clock == 2
    assert boot.utc_s >= utc_s + 9


@pytest.mark.hazard("H-20")
@pytest.mark.needs("mishaps")
def test_without_the_chip_the_time_is_not_known(bench: Bench) -> None:
    """H-20."""
    bench.mishap("rtc_missing")
    ready(bench)
    assert bench.ask("time")["ok"] == {"utc_s": 0, "source": "none"}
