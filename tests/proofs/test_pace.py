"""How long the accesses of `close` take on the emulated board: what test_close.py assumes.

Real MicroPython runs `valve.py` alone; every access to PIO block 0 is noted with its cycle.
"""

from __future__ import annotations

from typing import Any

import pytest

from hw_sim.emulator import pio
from hw_sim.emulator.bench import EmulatedBench
from tests.rules.source import CRYO

FLEVEL, TXF0, SM0_INSTR = 0x00C, 0x010, 0x0D8
CYCLE = 125  # of the processor, in one of GATE's
MAIN = b"""
import time
from machine import Pin
from cryo.valve import Valve
valve = Valve(Pin(2), Pin(3), Pin(6, Pin.IN, Pin.PULL_UP))
for wait_ms in (0, 0, 5, 5):
    valve.raise_supply()
    time.sleep_ms(1)
    valve.open_for(2000000)
    if wait_ms:
        time.sleep_ms(wait_ms)
    valve.close()
    print(valve.ended(), valve.delivered_us())
    time.sleep_ms(2)
print("done")
while True:
    time.sleep_ms(100)
"""


@pytest.mark.emulated
@pytest.mark.hazard("H-01", "H-02")
def test_the_paces_on_real_micropython(monkeypatch: pytest.MonkeyPatch) -> None:
    """H-01, H-02. An access takes 4 cycles and more; the report is there at the first poll."""
    accesses: list[tuple[int, int, int]] = []  # processor's cycle, register, word
    write, read = pio.ClockedPio.write_uint32, pio.ClockedPio.read_uint32

    def written(self: Any, offset: int, value: int) -> None:
        accesses.append((self._clock.now_cycle, offset, value))
        write(self, offset, value)

    def reads(self: Any, offset: int) -> int:
        accesses.append((self._clock.now_cycle, offset, 0))
        return read(self, offset)

    monkeypatch.setattr(pio.ClockedPio, "write_uint32", written)
    monkeypatch.setattr(pio.ClockedPio, "read_uint32", reads)
    bench = EmulatedBench(
        files={
            "main.py": MAIN,
            "cryo/__init__.py": b"",
            "cryo/valve.py": (CRYO / "valve.py").read_bytes(),
        }
    )
    try:
        bench.power_on()
        bench.run_for(2_500)
        assert b"done" in bench.host_read()
    finally:
        bench.cut_power()
    words = {0xA041: "mov y, x", 0xE020: "set x, 0", 0x405E: "in y, 30"}
    named = [
        (cycle, words.get(word, "put" if offset == TXF0 else "poll"))
        for cycle, offset, word in accesses
        if offset in (FLEVEL, TXF0) or (offset == SM0_INSTR and word in words)
    ]
    closes = 0
    for at, (cycle, name) in enumerate(named):
        if name != "mov y, x":
            continue
        closes += 1
        (then, set_x), (polled, poll), (_, next_one) = named[at + 1 : at + 4]
        assert (set_x, poll, next_one) == ("set x, 0", "poll", "in y, 30"), "one poll is enough"
        assert then - cycle >= 4 * CYCLE
        assert polled - then >= 6 * CYCLE, "the program has reported by then"
        put = max(c for c, one in named[:at] if one == "put")
        assert cycle - put >= 40 * CYCLE
    assert closes == 4
