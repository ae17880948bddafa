"""The ticks wrap (2**30 ms, 12.4 days after power-on) within a treatment. H-01, H-08, H-11

`make test-wrap` runs every scenario across the wrap, each night; here one treatment is, at a few
moments of it.
"""

from __future__ import annotations

import pytest

from hw_sim.bench import FastBench
from tests.scenarios.conftest import (
    FREEZE_END,
    MS,
    US,
    arm,
    faults,
    last,
    ready,
    records,
    state,
    treat,
)

WRAP_MS = 1 << 30


def history(wraps_after_ms: int | None) -> tuple[list[object], list[tuple[int, int]]]:
    """A purge and a freeze: all records, and when the gate was high."""
    bench = FastBench(wraps_after_ms=wraps_after_ms)
    ready(bench, whole=True)
    treat(bench)
    assert not faults(bench)
    return [record[2:4] + record[6:] for record in records(bench)], bench.valve_intervals()


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-08", "H-11")
def test_a_treatment_across_the_wrap_is_the_same(request: pytest.FixtureRequest) -> None:
    """H-01, H-08: start, checklist, purge, freeze and end, each with the wrap in it."""
    if request.config.getoption("--ticks-wrap"):
        pytest.skip("it chooses its own")
    same = history(None)
    for wraps_after_ms in (5, 700, 3_000, 9_000, 15_000, 25_000):
        assert history(wraps_after_ms) == same, wraps_after_ms


@pytest.mark.slow
@pytest.mark.hazard("H-01")
def test_the_time_outs_are_the_same_across_the_wrap() -> None:
    """H-01: ARMED times out after a minute, the release ends a freeze within two ticks."""
    bench = FastBench(wraps_after_ms=30_000)
    ready(bench)
    arm(bench)
    armed_ms = bench.now_ms
    assert bench.run_until(lambda: state(bench) == "READY", 70_000, 20)
    assert 59_000 < bench.now_ms - armed_ms < 61_500
    bench = FastBench(wraps_after_ms=6_000)
    ready(bench)
    arm(bench)
    bench.hold("trigger")
    assert bench.run_until(lambda: bench.opened_ns is not None, 1_000)
    bench.run_for(5_990 - bench.now_ms)
    let_go_ns = bench.clock.now_ns
    bench.release("trigger")
    bench.run_for(300)
    [(rose, fell)] = bench.valve_intervals()
    assert fell - let_go_ns < 25 * MS
    assert abs(last(bench, FREEZE_END).delivered_us - (fell - rose) / US) < 3


def test_the_bench_wraps_when_it_is_asked_to() -> None:
    bench = FastBench(wraps_after_ms=1_000)
    bench.power_on()
    bench.run_for(900)
    boot = bench.chip.boot
    assert boot is not None
    ticks_ms = boot.loader.modules["time"].ticks_ms
    assert WRAP_MS - 200 < ticks_ms() < WRAP_MS
    bench.run_for(200)
    assert ticks_ms() < 200
    with pytest.raises(ValueError, match="wraps_after_ms 0"):
        FastBench(wraps_after_ms=0)
