"""Each board of cryo/boards.json on the fast bench, and boards that are not in it: H-11."""

from __future__ import annotations

import pytest

from hw_sim.bench import FastBench
from tests.scenarios.conftest import (
    COMPLETE,
    FREEZE_END,
    FREEZE_LOST,
    arm,
    freezing,
    last,
    ready,
    treat,
    until,
)

PICO = "Raspberry Pi Pico with RP2040"
PICO_W = "Raspberry Pi Pico W with RP2040"
PICO_2 = "Raspberry Pi Pico 2 with RP2350"
ESTOP = 6


@pytest.fixture(params=[PICO, PICO_W, PICO_2])
def device(request: pytest.FixtureRequest) -> FastBench:
    return FastBench(board=request.param)


def test_a_treatment(device: FastBench) -> None:
    treat(ready(device))
    assert last(device, FREEZE_END).cause == COMPLETE
    assert device.ask("status")["ok"]["supply_mv"] == pytest.approx(4850, abs=40)


@pytest.mark.hazard("H-11")
def test_a_reset_by_the_watchdog_is_recorded(device: FastBench) -> None:
    """H-11: what the program was doing survives in this chip's registers."""
    ready(device)
    arm(device)
    freezing(device, 3000)
    device.hang(5000)
    until(device, "FAULT", 20000)
    assert last(device, FREEZE_LOST).reset_cause == 3


@pytest.mark.hazard("H-03")
def test_the_estop_loop_reads_open_without_the_chips_pull_down(device: FastBench) -> None:
    """H-03: the external pull-down decides. The RP2350's own can hold an open input at 2.2 V."""
    ready(device)
    boot = device.chip.boot
    assert boot is not None
    boot.pulls[ESTOP] = 0
    if device.chip.board == PICO_2:
        assert boot.floating(ESTOP) is False
    device.estop_open()
    until(device, "FAULT", 1000)


@pytest.mark.hazard("H-11")
@pytest.mark.parametrize(
    ("board", "words"),
    [
        ("Raspberry Pi Pico 3 with RP9999", "does not know the board"),
        ("Someone's Board with RP2040", "does not know the board"),
    ],
)
def test_an_unknown_board_is_refused_with_words(board: str, words: str) -> None:
    """H-11: no register is written, no pin of the valve is driven, and the prompt says why."""
    bench = FastBench(board=board, crashes_raise=False)
    bench.power_on()
    bench.run_for(3000)
    text = bench.host_read().decode()
    assert words in text
    assert PICO_2 in text
    assert "Strike the E-stop" in text
    assert bench.wiring.driven(2) is None
    assert bench.wiring.driven(3) is None
    assert bench.valve_intervals() == []
