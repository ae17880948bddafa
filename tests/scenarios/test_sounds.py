"""Sounds and lamps through a treatment. H-09, H-14"""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import arm, cold_line, freezing, ready, until

CLICK_HZ, COUNT_HZ, START_HZ = 2400, 1600, 2000


class Ear:
    """Listens every 5 ms while a bench runs: times and frequencies of tones."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.begun: list[tuple[float, int]] = []
        self._before = 0

    def listen(self, ms: float) -> None:
        end_ms = self.bench.now_ms + ms
        while self.bench.now_ms < end_ms:
            hz = self.bench.wiring.buzzer.sounding_hz
            if hz != self._before and hz:
                self.begun.append((self.bench.now_ms, hz))
            self._before = hz
            self.bench.run_for(5)

    def tones(self, hz: int) -> list[float]:
        """Start times of the tones of this frequency, ms."""
        return [ms for ms, heard in self.begun if heard == hz]


def lit(bench: Bench) -> set[str]:
    return {name for name, led in bench.wiring.leds.items() if led.on}


@pytest.mark.hazard("H-09")
def test_a_freeze_sounds_at_its_start_near_its_end_and_at_its_end(bench: Bench) -> None:
    ready(bench)
    assert lit(bench) == {"green"}
    ear = Ear(bench)
    bench.press("up")
    ear.listen(200)
    bench.press("down")
    ear.listen(200)
    cold_line(bench)  # otherwise the estimate reports a short freeze with an alarm
    arm(bench)
    bench.hold("trigger")
    ear.listen(1_000)
    assert lit(bench) == {"green", "yellow"}
    assert len(ear.tones(START_HZ)) == 1
    ear.begun.clear()
    closed_ms = 0.0
    while bench.wiring.driven(GATE) == 1:
        ear.listen(5)
        closed_ms = bench.now_ms
    counted = [(closed_ms - ms) / 1000 for ms in ear.tones(COUNT_HZ)]
    assert len(counted) == 5, "each of the last five seconds"
    for heard_s, second in zip(counted, (5, 4, 3, 2, 1), strict=True):
        assert abs(heard_s - second) <= 0.12
    ear.begun.clear()
    ear.listen(1_200)
    assert not ear.begun, "nothing is announced before the valve is proved closed"
    ear.listen(2_300)
    assert [hz for _, hz in ear.begun] == [1047, 1319, 1568], "rising: complete"
    bench.release("trigger")


@pytest.mark.hazard("H-09")
def test_an_emergency_stop_is_an_alarm_until_it_is_cleared(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 1_000)
    bench.estop_open()
    ear = Ear(bench)
    ear.listen(9_000)
    assert len(ear.begun) == 10, "ten pulses"
    assert lit(bench) <= {"red"}
    ear.listen(9_000)
    assert len(ear.begun) == 20, "and again"
    bench.release("trigger")
    bench.estop_close()
    bench.hold("select")
    bench.run_for(2_200)
    bench.release("select")
    until(bench, "READY")
    ear.begun.clear()
    bench.run_for(100)
    ear.listen(11_000)
    assert ear.begun == []
    assert lit(bench) == {"green"}
