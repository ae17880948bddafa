"""The names of the benches on which checks from outside rely: both benches have all of them."""

from __future__ import annotations

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FastBench
from hw_sim.emulator import EmulatedBench

NAMES = (
    "power_on cut_power run_for run_until hold release press estop_open estop_close mishap mend "
    "hang ask events host_write host_read valve_intervals write_files files now_ms settle_ms"
).split()


@pytest.mark.parametrize("bench", [FastBench, EmulatedBench])
@pytest.mark.parametrize("name", NAMES)
def test_a_bench_has_each_name(bench: type, name: str) -> None:
    assert hasattr(bench, name)


def test_a_bench_shows_wiring_plant_and_clock() -> None:
    bench = FastBench()
    assert callable(bench.wiring.driven)
    assert callable(bench.wiring.watch)
    assert callable(bench.wiring.level)
    assert len(bench.wiring.stuck_mv) == 4
    assert bench.plant.flow_g_s >= 0
    assert bench.plant.dewar.mbar > 0
    assert isinstance(bench.clock.now_ns, int)
