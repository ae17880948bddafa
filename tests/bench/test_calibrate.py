"""`cryo calibrate` and `cryo plan` from the command line to the device's flash, over sim://."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host_tools import calibrate, fit
from host_tools.cli import main
from hw_sim.bench import FastBench
from tests.bench.conftest import ARMED, hold_for, preset, records, switch_on, treat
from tests.bench.test_host import attach

APPLICATOR, SPOT_MM, H = 2, 5.0, 3800.0


class Cryo:
    """The command against a simulated device whose flash is kept."""

    def __init__(self, flash: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._flash = flash
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str, operator: str = "confirm") -> int:
        url = f"sim://?flash={self._flash}&operator={operator}"
        code = main(["--port", url, *arguments])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str, code: int = 0, operator: str = "confirm") -> Any:
        assert self(*arguments, "--json", operator=operator) == code
        return json.loads(self.out)


@pytest.fixture
def cryo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cryo:
    return Cryo(tmp_path / "flash.bin", capsys)


def gel_data(path: Path, h: float = H, count: int = 8) -> str:
    times = np.linspace(8.0, 30.0, count)
    depths = fit.gel_depth_mm(SPOT_MM, 20.0, fit.ICE)(h, times)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("time_s", "depth_mm"))
        out.writerows(
            (f"{t:.2f}", f"{d + 0.03 * (-1) ** k:.2f}")
            for k, (t, d) in enumerate(zip(times, depths, strict=True))
        )
    return str(path)


def test_depths_in_gel_become_the_table_in_force(cryo: Cryo, tmp_path: Path) -> None:
    """H-13: fit, offered, confirmed at the device, in force after the next start too."""
    before = cryo.json("plan", "3.5mm", "--applicator", "2")
    plot = tmp_path / "fit.png"
    data = cryo.json(
        "calibrate", "depth", "spray b 10 mm", gel_data(tmp_path / "gel.csv"),
        "--author", "A. Technician", "--run", "17", "--plot", str(plot),
    )  # fmt: skip
    assert data["outcome"] == "confirmed"
    assert data["h_w_m2k"]["value"] == pytest.approx(H, rel=0.05)
    assert data["h_w_m2k"]["low"] < H < data["h_w_m2k"]["high"]
    assert plot.read_bytes()[:4] == b"\x89PNG"
    after = cryo.json("plan", "3.5mm", "--applicator", "2")
    assert 10_000 <= after["dose_ms"] < before["dose_ms"], "a stronger spray: a shorter freeze"
    assert after["spread_um"] < before["spread_um"]
    assert "run 17" in after["provenance"]
    assert "A. Technician" in after["provenance"]
    tables = cryo.json("calibrate", "show")["tables"]
    assert [t["source"] for t in tables] == ["shipped", "calibrated"] + ["shipped"] * 5
    assert tuple(tables[1]["um"]) == tuple(data["table"]["um"])
    assert cryo.json("calibrate", "remove", "2")["source"] == "shipped"
    assert cryo.json("plan", "3.5mm", "--applicator", "2") == before


def test_a_person_sees_the_fit(cryo: Cryo, tmp_path: Path) -> None:
    assert cryo("calibrate", "depth", "2", gel_data(tmp_path / "gel.csv"), "--dry-run") == 0
    assert "W/m²K" in cryo.out
    assert "residual" in cryo.out
    assert cryo("calibrate", "show") == 0
    assert cryo.out.count("calibration none") == 7 or "calibrated" not in cryo.out


@pytest.mark.parametrize(("operator", "why"), [("reject", "rejected"), ("none", "in time")])
def test_without_confirmation_nothing_changes(
    cryo: Cryo, tmp_path: Path, operator: str, why: str
) -> None:
    """H-13."""
    path = gel_data(tmp_path / "gel.csv")
    error = cryo.json("calibrate", "depth", "2", path, code=6, operator=operator)["error"]
    assert why in error["text"]
    assert all(t["source"] == "shipped" for t in cryo.json("calibrate", "show")["tables"])


def test_poor_data_never_reach_the_device(cryo: Cryo, tmp_path: Path) -> None:
    """H-06."""
    path = gel_data(tmp_path / "gel.csv", count=4)
    error = cryo.json("calibrate", "depth", "2", path, code=7)["error"]
    assert error["kind"] == "poor_data"
    assert "too few" in error["text"]
    assert cryo("calibrate", "depth", "9", path) == 2
    assert "no applicator" in cryo.err


def test_the_guide_takes_the_seconds_from_the_device_s_record(
    cryo: Cryo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody froze in between, so there is nothing to measure: said, and refused."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\nfit\n"))
    code = cryo("calibrate", "depth", "2", "--out", str(tmp_path / "kept.csv"))
    assert code == 7
    assert "no new freeze" in cryo.err
    assert "too few" in cryo.err
    assert (tmp_path / "kept.csv").exists()


def test_weighed_shots_set_the_lags(cryo: Cryo, tmp_path: Path) -> None:
    path = tmp_path / "shots.csv"
    gate = [0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0] * 2
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("gate_s", "mass_g"))
        out.writerows(
            (t, f"{3.0 * (t + 0.018) + 0.004 * (-1) ** k:.4f}") for k, t in enumerate(gate)
        )
    data = cryo.json("calibrate", "valve", str(path))
    assert data["outcome"] == "confirmed"
    difference_us = data["valve_close_lag_us"] - data["valve_open_lag_us"]
    assert difference_us == pytest.approx(18_000, abs=4000)
    for key in ("valve_open_lag_us", "valve_close_lag_us"):
        assert cryo.json("get", key)["value"] == data[key]


def test_a_plan_out_of_reach_names_who_reaches_it(cryo: Cryo) -> None:
    """H-06."""
    reply = cryo.json("plan", "5mm", "--applicator", "1")
    assert reply["dose_ms"] is None
    assert reply["reaching"] == 3
    assert cryo("plan", "5mm", "--applicator", "1") == 0
    assert "Spray A 20 mm reaches it" in cryo.out
    assert cryo("plan", "2.5mm", "--margin", "0.2mm", "--target", "1") == 0
    assert "2.70 mm" in cryo.out
    assert "±" in cryo.out
    assert cryo("plan", "99mm") == 1


def test_the_guide_leads_through_freezes_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The technician freezes when asked and types what the gel showed; the rest is the record's."""
    bench = FastBench()
    preset(bench, {18: 0, 2: APPLICATOR, 1: 2900})  # no checklist; spray B
    switch_on(bench, "READY")
    device = attach(bench)
    depths = iter((2900, 3200, 3500, 3900, 4300, 4600))
    measured: list[float] = []

    def technician(words: str) -> str:
        if "Depth of the ice" in words:
            seconds = float(words.split(" s of flow")[0])
            measured.append(seconds)
            model = fit.gel_depth_mm(SPOT_MM, 20.0, fit.ICE)
            return f"{float(model(H, np.array([seconds]))[0]):.1f} mm"
        depth_um = next(depths, None)
        if depth_um is None:
            return "fit"
        if depth_um != device.get("depth_um").value:
            device.set("depth_um", depth_um)
            hold_for(bench, "select", 1200)
        treat(bench)
        bench.press("select")
        return ""

    monkeypatch.setattr(calibrate, "_ask", technician)
    args = Namespace(
        json=True, applicator="2", data=None, gel_c=20.0, author="A. Technician", run_number=21,
        plot=None, out=str(tmp_path / "kept.csv"), dry_run=True,
    )  # fmt: skip
    data = calibrate.depth(args, device)
    assert data["h_w_m2k"]["value"] == pytest.approx(H, rel=0.05)
    assert len(measured) == 6
    doses_s = [r.args[2] / 1000 for r in records(bench) if r.kind == ARMED]
    assert measured == pytest.approx(doses_s, abs=0.02), "flow, not the gate's time"
    assert len(calibrate.read_points(tmp_path / "kept.csv")) == 6
