"""While the valve is open nothing is allocated: the heap is locked, on MicroPython's own binary.

H-01, H-12: the garbage collector has no reason to run during a freeze, also not because of traffic
on the link. The application is unchanged; only `main.py` is replaced, which locks the heap around
each tick with the valve open.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FIRMWARE, calibrated, subclass
from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython
from tests.scenarios.conftest import (
    ICE_FIELD,
    WITNESS,
    cold_line,
    freezing,
    preset,
    purge,
    records,
    switch_on,
    until,
)

pytestmark = pytest.mark.emulated

LOCKED = b"""
import micropython

OPEN = 2

def measured(App):
    class Locked(App):
        ticks = 0
        failures = 0

        def tick(self, now_ms):
            if self.shot.phase != OPEN:
                App.tick(self, now_ms)
                if self.ticks:
                    print("locked", self.ticks, "failed", self.failures)
                    self.ticks = 0
                return
            self.ticks += 1
            micropython.heap_lock()
            try:
                App.tick(self, now_ms)
            except MemoryError:
                self.failures += 1
            micropython.heap_unlock()

    return Locked
"""


@pytest.mark.hazard("H-01")
def test_a_tick_with_the_valve_open_allocates_nothing(micropython_image: Path) -> None:
    files = dict(micropython.firmware_files(FIRMWARE, mpy=True))
    files |= subclass.files(FIRMWARE, LOCKED) | calibrated.tables()
    bench = EmulatedBench(files=files, image=micropython_image, skin_sensor=True)
    preset(bench, {18: 0, 29: 1})  # no checklist; the skin sensor is fitted
    switch_on(bench, "READY")
    bench.hold("arm")
    until(bench, "PRECHILL")
    bench.release("arm")
    bench.run_for(60)
    cold_line(bench)  # so that the purge takes little more than a second
    purge(bench)
    bench.mishap("jet_misses")  # so that the warning is drawn and recorded too
    freezing(bench, 300)
    assert bench.ask("status")["ok"]["state"] == "FREEZING"
    assert bench.ask("get", key="volume")["err"]["code"] == "busy"
    bench.press("select")  # marks the ice field
    bench.host_write(b"noise" * 30 + b"\n")
    bench.run_for(2200)
    bench.release("trigger")
    until(bench, "DONE")
    assert [r.kind for r in records(bench)].count(WITNESS) == 1
    assert [r.kind for r in records(bench)].count(ICE_FIELD) == 1
    locked = [line.split() for line in bench.noise if line.startswith(b"locked")]
    assert len(locked) == 2  # the purge, and the freeze
    for words in locked:
        assert int(words[1]) > 80  # a purge takes ten ticks more or less, by when it is sampled
        assert int(words[3]) == 0
