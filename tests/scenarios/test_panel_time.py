"""Latency from press to screen, longest tick with the valve open, and free memory, measured on
MicroPython's own binary on the emulated chip.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FIRMWARE, subclass
from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython
from tests.scenarios.conftest import arm, freezing, ready, until

pytestmark = pytest.mark.emulated

SEEN_MS = 50
TICK_US = 10_000
HEAP_FREE = 90_000

# The unchanged application, with a stop-watch around each tick and a reading of the heap.
WATCHED = b"""
import gc, time
from cryo import languages, states, texts

OPEN = 2

def measured(App):
    class Watched(App):
        worst_us = 0
        ticks = 0
        seen = -1

        def tick(self, now_ms):
            opened = self.shot.phase == OPEN
            begin_us = time.ticks_us()
            App.tick(self, now_ms)
            if opened:
                self.ticks += 1
                self.worst_us = max(self.worst_us, time.ticks_diff(time.ticks_us(), begin_us))
            elif self.ticks:
                print("open", self.ticks, self.worst_us)
                self.ticks = self.worst_us = 0
            state = self.machine.state
            if state != self.seen and self.link.idle():
                self.seen = state
                if states.name(state) == "READY":
                    for number in range(len(languages.CODES), 0, -1):
                        texts.use(number)
                        gc.collect()
                        print("heap", gc.mem_free())

    return Watched
"""


def glass(bench: EmulatedBench, name: str) -> bytes:
    """The screen's memory; for the ice field only its seconds (the rest changes anyway)."""
    ram = bench.screen().ram()
    return b"".join(ram[128 * page + 80 : 128 * page + 112] for page in (4, 5)) if name else ram


def seen_after_ms(
    bench: EmulatedBench, button: str, place: str = "", *, released: bool = False
) -> float:
    """Time from a contact's closing until the display has changed.

    `released`: from its opening instead, because a short press of SELECT is recognised on release.
    """
    before = glass(bench, place)
    bench.hold(button)
    if released:
        bench.run_for(80)
        bench.release(button)
    begin_ms = bench.now_ms
    assert bench.run_until(lambda: glass(bench, place) != before, 500, 0.5), "no change"
    passed_ms = bench.now_ms - begin_ms
    bench.release(button)
    bench.run_for(100)
    return passed_ms


@pytest.mark.hazard("H-09", "H-11")
def test_a_press_is_seen_and_no_tick_is_long(micropython_image: Path) -> None:
    """H-09, H-11: 50 ms from the press to the display; 10 ms per tick while the valve is open."""
    files = dict(micropython.firmware_files(FIRMWARE, mpy=True))
    files |= subclass.files(FIRMWARE, WATCHED)
    bench = EmulatedBench(files=files, image=micropython_image)
    ready(bench, whole=True)
    bench.run_for(500)
    latencies: dict[str, float] = {}
    for language in (1, 2):
        bench.ask("set", key="language", value=language)
        bench.run_for(500)
        for name in ("up", "down", "select"):
            key = f"{name}, language {language}"
            latencies[key] = seen_after_ms(bench, name, released=name == "select")
        for _ in range(4):
            bench.press("select")  # back to the depth
        bench.hold("select")
        bench.run_for(1_200)
        bench.release("select")
        bench.run_for(200)
        for name in ("down", "up", "select", *["down"] * 4, "select", "arm", "arm"):
            key = f"menu, {name}, language {language}"
            passed_ms = seen_after_ms(bench, name, released=name == "select")
            latencies[key] = max(passed_ms, latencies.get(key, 0.0))
    for op, part in (("describe", "settings"), ("describe", "items"), ("plan", "")):
        bench.ask(op, **({"part": part} if part else {}))

    arm(bench)
    freezing(bench, 1_200)
    latencies["ice field"] = seen_after_ms(bench, "select", "ice field")
    bench.run_for(3_000)
    bench.release("trigger")
    until(bench, "DONE")
    bench.run_for(500)
    bench.press("select")
    until(bench, "READY")
    bench.run_for(2_000)
    bench.events()  # reads all output
    lines = [line.split() for line in bench.noise]
    print(latencies, lines)
    worst = [int(words[2]) for words in lines if words[0] == b"open"]
    heap = [int(words[1]) for words in lines if words[0] == b"heap"]
    assert max(latencies.values()) <= SEEN_MS, latencies
    assert len(worst) >= 2, "the purge, and the freeze"
    assert max(worst) <= TICK_US, worst
    assert len(heap) >= 4, "in each language, at the beginning and at the end"
    assert min(heap) >= HEAP_FREE, heap
