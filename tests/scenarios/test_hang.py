"""A processor hang during a freeze: H-11, H-01, H-15, timed at the valve's two pins.

The program no longer runs: the dead-man drops SUPPLY, the dose timer may continue counting at GATE,
and the watchdog resets the chip. On both benches; a hang is a stopped processor, like an endless
loop with interrupts off.
"""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench
from tests.scenarios.conftest import (
    BOOT,
    FREEZE_END,
    FREEZE_LOST,
    MS,
    US,
    arm,
    faults,
    freezing,
    ready,
    records,
    until,
)

WATCHDOG_RESET = 3  # reset_cause in a record
WATCHDOG, LOST = 15, 16


@pytest.mark.hazard("H-01", "H-11", "H-15")
@pytest.mark.needs("hang", "edges")
@pytest.mark.parametrize("after_ms", [703.3, 4444.4])
def test_a_hang_while_freezing(bench: Bench, after_ms: float) -> None:
    """Closed within 100 ms, reset after 2 s, then a fault that shows the delivered time."""
    falls: dict[str, list[int]] = {"VALVE_GATE": [], "VALVE_SUPPLY": []}
    rises: list[str] = []

    def note(t_ns: int, signal: str, value: float) -> None:
        if signal in falls:
            if value:
                rises.append(signal)
            else:
                falls[signal].append(t_ns)

    ready(bench)
    arm(bench)
    bench.wiring.watch(note)
    freezing(bench, after_ms)
    stopped_ns = bench.clock.now_ns
    assert rises == ["VALVE_SUPPLY", "VALVE_GATE"]
    since = len(bench.events())
    bench.hang(60_000)
    bench.run_for(1500)
    bench.release("trigger")
    until(bench, "FAULT", 10_000, since=since)

    dead_man_ms = (falls["VALVE_SUPPLY"][0] - stopped_ns) / MS
    reset_ms = (falls["VALVE_GATE"][0] - stopped_ns) / MS  # the reset releases the pin
    opened_ns = bench.valve_intervals()[-1][0]
    delivered_us = (falls["VALVE_SUPPLY"][0] - opened_ns) / US
    assert 0 < dead_man_ms <= 100
    assert 1900 <= reset_ms <= 2100
    assert faults(bench) == [WATCHDOG, LOST]
    journal = records(bench)
    boot = [record for record in journal if record.kind == BOOT][-1]
    assert boot.reset_cause == WATCHDOG_RESET
    (lost,) = [record for record in journal if record.kind == FREEZE_LOST]
    assert not any(record.kind == FREEZE_END for record in journal)
    least_us, most_us, cause = lost.values("delivered_least_us", "delivered_most_us", "reset_cause")
    assert cause == WATCHDOG_RESET
    assert least_us <= delivered_us <= most_us
    assert most_us - least_us <= 80_000
    print(
        f"\ndead-man {dead_man_ms:.2f} ms, reset {reset_ms:.1f} ms after the hang; delivered "
        f"{delivered_us:.0f} us, recorded as {least_us} to {most_us} us"
    )
    bench.run_for(500)
    assert len(rises) == 2, "a switch rose again without a command"
    bench.press("select")
    until(bench, "READY")
