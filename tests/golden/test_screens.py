"""Every screen, pixel by pixel, against the recorded ones: H-09.

To record them anew after a change, and look at the difference in git:

    make test ARGS="tests/golden --record"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hw_sim.bench import FastBench
from tests.bench.conftest import arm, freezing, hold_for, ready, treat, until

SCREENS = Path(__file__).parent / "screens"


def boot(bench: FastBench) -> None:
    bench.power_on()
    bench.run_for(200)


def ready_depth(bench: FastBench) -> None:
    ready(bench)
    bench.run_for(300)


def ready_applicator(bench: FastBench) -> None:
    ready(bench)
    bench.press("select")
    bench.run_for(300)


def ready_no_dose(bench: FastBench) -> None:
    """The depth set for one applicator lies outside the next one's table. H-06"""
    ready_applicator(bench)
    bench.press("up")
    bench.run_for(300)


def ready_low_pressure(bench: FastBench) -> None:
    ready(bench)
    bench.mishap("pressure_low")
    bench.run_for(4000)


def refused(bench: FastBench) -> None:
    ready_low_pressure(bench)
    hold_for(bench, "arm", 1200)
    bench.run_for(200)


def armed(bench: FastBench) -> None:
    ready(bench)
    arm(bench)
    bench.run_for(3000)


def freezing_12s(bench: FastBench) -> None:
    ready(bench)
    for _ in range(7):
        bench.press("up")
    arm(bench)
    freezing(bench, 7600)


def freezing_last(bench: FastBench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 9500)


def done(bench: FastBench) -> None:
    ready(bench)
    treat(bench)
    bench.run_for(300)


def ended_early(bench: FastBench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 4000)
    bench.release("trigger")
    until(bench, "DONE")
    bench.run_for(300)


def estop(bench: FastBench) -> None:
    ready(bench)
    arm(bench)
    freezing(bench, 4000)
    bench.estop_open()
    bench.run_for(500)


def estop_delivered(bench: FastBench) -> None:
    """The fault's words and what was delivered take turns every 2 s."""
    estop(bench)
    bench.run_for(2000)


def sensor_fault(bench: FastBench) -> None:
    ready(bench)
    bench.mishap("thermocouple_open")
    bench.run_for(3000)


def confirm(bench: FastBench) -> None:
    ready(bench)
    bench.ask("set", key="valve_close_lag_us", value=31000)
    bench.run_for(300)


ALL: list[Callable[[FastBench], None]] = [
    boot,
    ready_depth,
    ready_applicator,
    ready_no_dose,
    ready_low_pressure,
    refused,
    armed,
    freezing_12s,
    freezing_last,
    done,
    ended_early,
    estop,
    estop_delivered,
    sensor_fault,
    confirm,
]


@pytest.mark.parametrize("scene", ALL, ids=lambda scene: scene.__name__)
def test_a_screen_is_as_recorded(scene: Callable[[FastBench], None], record: bool) -> None:
    bench = FastBench(noise_lsb=0)
    scene(bench)
    seen = "\n".join(row.rstrip() for row in bench.screen().text().splitlines()) + "\n"
    path = SCREENS / f"{scene.__name__}.txt"
    if record:
        path.parent.mkdir(exist_ok=True)
        path.write_text(seen, encoding="utf-8")
        return
    assert path.exists(), f"{path.name} was never recorded"
    assert seen == path.read_text(encoding="utf-8"), f"{path.name} differs:\n{seen}"


def test_no_recorded_screen_is_an_orphan() -> None:
    assert {path.stem for path in SCREENS.glob("*.txt")} == {scene.__name__ for scene in ALL}
