"""A complete treatment on the real interpreter, MicroPython's own binary.

The unchanged firmware, compiled as for a release, on the official MicroPython image, on an emulated
RP2040 that is wired to the same parts and plant as the fast bench: power-on, depth set with the
buttons, armed, a freeze of 10 s with the gate's edges timed to the nanosecond, and the record read
over the link. Copies of the board lose power at 20 moments and are examined (power_cuts.py). Needs
the image; without it the last lines of the test run report how to get it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython
from tests.scenarios.conftest import (
    ARMED,
    BOOT,
    COMPLETE,
    FREEZE_BEGIN,
    FREEZE_END,
    US,
    arm,
    faults,
    freezing,
    ready,
    records,
    until,
)
from tests.scenarios.power_cuts import Cutter, part_by_part, summary

pytestmark = pytest.mark.emulated
AT_1_S, AT_5_S = "freeze at 1 s", "freeze at 5 s"


@pytest.mark.hazard("H-01", "H-02", "H-07", "H-08", "H-11", "H-15")
def test_a_treatment_on_real_micropython(any_micropython: Path) -> None:
    """H-01, H-02, H-08: the gate is open for the planned time within 5 us, and that is recorded.

    H-08, H-07, H-11, H-15: and a power cut at any moment loses nothing that was committed.
    """
    bench = EmulatedBench(image=any_micropython)
    # One copy is restarted on real MicroPython; the others' flash is booted on the fast bench.
    cutter = Cutter(bench, part_by_part, lambda name: name == AT_1_S)
    results = cutter.run(lambda: treatment(bench, cutter))
    print(f"\n{cutter.writes} writes: {summary(results)}")
    assert len(results) >= 20
    for name, low_us in ((AT_1_S, 1_000_000), (AT_5_S, 5_000_000)):
        report = results[name]
        assert low_us <= report["true_us"] <= low_us + 500_000
        assert report["bounds_us"][0] <= report["true_us"] <= report["bounds_us"][1]


def treatment(bench: EmulatedBench, cutter: Cutter) -> None:
    ready(bench)
    assert bench.now_ms <= 3_000
    hello = bench.ask("hello")["ok"]
    assert hello["device"] == "cryodose"
    assert hello["micropython"] in micropython.VERSIONS
    before = bench.ask("status")["ok"]

    # Depth by the buttons: up and back, checked on the link and on the screen.
    picture = bench.screen().ram()
    for button in ("up", "up", "down"):
        bench.press(button)
    bench.run_for(60)
    assert bench.ask("status")["ok"]["depth_um"] == before["depth_um"] + 100
    assert bench.screen().ram() != picture
    bench.press("down")
    bench.ask("set", key="volume", value=3)
    assert bench.valve_intervals() == []

    arm(bench)
    freezing(bench, ms=1_000)
    cutter.during_freeze(AT_1_S)
    bench.run_for(3_000)
    short = bench.ask("status")["ok"]
    assert (short["state"], short["valve"]) == ("FREEZING", "open")
    assert bench.plant.valve_open
    bench.run_for(1_000)
    cutter.during_freeze(AT_5_S)
    until(bench, "DONE", 8_000)
    bench.release("trigger")
    bench.run_for(100)
    assert not bench.plant.valve_open

    journal = records(bench)
    by_kind = {record.kind: record for record in journal}
    steps = [record.kind for record in journal if record.kind in (ARMED, FREEZE_BEGIN, FREEZE_END)]
    assert steps == [ARMED, FREEZE_BEGIN, FREEZE_END]
    assert journal[0].kind == BOOT
    ((opened_ns, closed_ns),) = bench.valve_intervals()
    dose_ms, planned_us = by_kind[FREEZE_BEGIN].values("dose_ms", "planned_us")
    cause, delivered_us, coldest_c_x100 = by_kind[FREEZE_END].values(
        "cause", "delivered_us", "nozzle_min_c_x100"
    )
    assert dose_ms == before["dose_ms"] >= 10_000
    # The count compensates the valve's own lags, so it is not the dose itself.
    assert abs(planned_us - dose_ms * 1000) <= 50_000
    assert abs(closed_ns - opened_ns - planned_us * US) <= 5 * US
    assert abs(closed_ns - opened_ns - delivered_us * US) <= 5 * US
    assert cause == COMPLETE
    assert coldest_c_x100 < -15_000
    assert faults(bench) == []
    assert bench.chip.resets == 0
    assert bench.noise == []
