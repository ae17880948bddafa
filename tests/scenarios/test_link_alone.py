"""Tests that use only the device's port: for each bench, and for a real board.

`pytest tests/scenarios --bench /dev/ttyACM0` runs everything here; tests that need an operator, a
power cut or an injected fault are skipped and listed. Nothing here assumes a new device; a changed
setting is restored (which leaves two records in its journal).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hw_sim.bench import Bench
from hw_sim.image import micropython
from tests.scenarios.conftest import SETTING, connected, records

ROOT = Path(__file__).resolve().parents[2]
ALL = 10  # number of tests in this file that use a device


def described(bench: Bench, part: str) -> list[dict[str, Any]]:
    """A part of the device's description, all pages, rows by column."""
    rows: list[dict[str, Any]] = []
    following: int | None = 0
    while following is not None:
        page = bench.ask("describe", part=part, **{"from": following})["ok"]
        rows += [dict(zip(page["columns"], row, strict=True)) for row in page["rows"]]
        following = page["next"]
    return rows


def test_who_it_is(bench: Bench) -> None:
    hello = connected(bench).ask("hello")["ok"]
    assert hello["device"] == "cryodose"
    assert hello["protocol"] == 1
    assert re.fullmatch("[0-9a-f]{16}", hello["serial"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", hello["fw"])
    assert hello["micropython"] in micropython.VERSIONS
    assert hello["boot"] >= 1


@pytest.mark.hazard("H-04")
def test_it_is_ready_and_closed(bench: Bench) -> None:
    """H-04."""
    status = connected(bench).ask("status")["ok"]
    assert (status["state"], status["valve"]) == ("READY", "closed")
    assert status["faults"] == []


@pytest.mark.parametrize("part", ["commands", "faults", "records", "states", "errors"])
def test_it_describes_itself(bench: Bench, part: str) -> None:
    rows = described(connected(bench), part)
    assert rows
    first = next(iter(rows[0]))
    assert len({row[first] for row in rows}) == len(rows)


def test_every_setting_is_in_its_range(bench: Bench) -> None:
    """H-07."""
    rows = described(connected(bench), "settings")
    assert len(rows) >= 16
    for row in rows:
        value = bench.ask("get", key=row["key"])["ok"]["value"]
        assert row["min"] <= value <= row["max"], row["key"]


@pytest.mark.hazard("H-12", "H-13")
def test_what_is_wrong_is_refused(bench: Bench) -> None:
    """H-12, H-13: no request opens the valve."""
    connected(bench)
    refusals: list[tuple[str, dict[str, Any], str]] = [
        ("open", {}, "unknown_op"),
        ("get", {"key": "nonsense"}, "unknown_key"),
        ("set", {"key": "volume", "value": "loud"}, "type"),
        ("set", {"key": "volume", "value": 99}, "range"),
        ("set", {"key": "depth_um", "value": 10**9}, "range"),
        ("log", {"from": 0}, "bad_request"),
        ("log", {"from": 2**30}, "range"),
        ("time", {"utc_s": 1}, "range"),
        ("describe", {"part": "everything"}, "bad_request"),
    ]
    for op, arguments, code in refusals:
        reply = bench.ask(op, **arguments)
        assert reply["err"]["code"] == code, (op, arguments, reply)
    dropped = bench.ask("status")["ok"]["dropped_lines"]
    bench.host_write(b'{"id":1,"op":"hello"}*00000000\n')
    bench.run_for(200)
    assert bench.ask("status")["ok"]["dropped_lines"] == dropped + 1


@pytest.mark.hazard("H-08")
def test_a_change_is_kept_recorded_and_taken_back(bench: Bench) -> None:
    """H-08: the complete journal is read, its chain verified from the first record."""
    connected(bench)
    old = bench.ask("get", key="volume")["ok"]["value"]
    new = 1 if old != 1 else 2
    before = records(bench)
    try:
        assert bench.ask("set", key="volume", value=new)["ok"]["applied"]
        assert bench.ask("get", key="volume")["ok"]["value"] == new
    finally:
        bench.ask("set", key="volume", value=old)
    bench.run_for(100)
    journal = records(bench)
    assert journal[: len(before)] == before
    change, back = journal[len(before) :]
    assert (change.kind, back.kind) == (SETTING, SETTING)
    assert change.values("old", "new", "by") == (old, new, 2)
    assert back.values("old", "new", "by") == (new, old, 2)


# -- the bench of a board alone, on a substitute ------------------------------------------------


def run_on(port: str, *what: str, patience: float = 1.0) -> subprocess.Popen[str]:
    """Run these tests on a port, in a separate process."""
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.Popen(
        [sys.executable, *words, "--bench", port, "--patience", str(patience), *what],
        cwd=ROOT,
        env={**os.environ, "PYTEST_XDIST_WORKER": "", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


HERE = "tests/scenarios/test_link_alone.py"


@pytest.mark.slow
def test_the_link_module_alone_on_the_fast_bench() -> None:
    """Over pyserial, with a scenario that it cannot do: skipped with the reason."""
    more = "tests/scenarios/test_treatment.py::test_the_ice_field_is_marked"
    with run_on("sim://", HERE, more) as done:
        output, _ = done.communicate(timeout=120)
    assert done.returncode == 0, output
    assert f"{ALL} passed, 1 skipped" in output
    assert "a board alone has no power_on" in output


@pytest.mark.emulated
def test_the_link_module_alone_on_the_emulated_board(micropython_image: Path) -> None:
    """The same over a pseudo-terminal to real MicroPython."""
    pytest.importorskip("rp2040py")
    from hw_sim.emulator import EmulatedBench
    from tests.scenarios.test_update import cable_to

    bench = EmulatedBench(image=micropython_image)
    connected(bench)
    with (
        cable_to(bench) as cable,
        run_on(cable.port, HERE, patience=20) as running,
    ):
        end_s = time.monotonic() + 600
        while running.poll() is None and time.monotonic() < end_s:
            cable.carry()
        running.kill()
        output = running.stdout.read() if running.stdout else ""
    assert running.returncode == 0, output
    assert f"{ALL} passed" in output
    assert bench.valve_intervals() == []
    assert bench.chip.resets == 0
