"""`cryo calibrate` and `cryo plan` from the command line to the device's flash, over sim://."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from bisect import bisect_right
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from host_tools import calibrate, fit
from host_tools.cli import main
from host_tools.device import Device
from host_tools.errors import NotConfirmed, UsageError
from host_tools.link import Link
from hw_sim.bench import FastBench
from tests.scenarios.conftest import (
    ARMED,
    arm,
    cold_line,
    freezing,
    preset,
    ready,
    records,
    switch_on,
    treat,
    until,
)
from tests.scenarios.test_host import BenchTransport, attach

APPLICATOR, SPOT_MM, H = 2, 5.0, 3800.0


class Cryo:
    """The command against a simulated device with persistent flash."""

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


@pytest.mark.slow
@pytest.mark.hazard("H-13")
def test_depths_in_gel_become_the_table_in_force(cryo: Cryo, tmp_path: Path) -> None:
    """H-13: fitted, offered, confirmed at the device, and active after the next start too."""
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
    assert before["likely_um"] < 0.7 * before["plan_um"], "of an unknown spray"
    assert after["likely_um"] == after["plan_um"], "of a calibrated one"
    assert after["spread_um"] / after["likely_um"] < before["spread_um"] / before["likely_um"]
    assert after["low_um"] > before["low_um"]
    assert "run 17" in after["provenance"]
    assert "A. Technician" in after["provenance"]
    tables = cryo.json("calibrate", "show")["tables"]
    assert [t["source"] for t in tables] == ["shipped", "calibrated"] + ["shipped"] * 5
    assert tuple(tables[1]["um"]) == tuple(data["table"]["um"])
    assert cryo.json("calibrate", "remove", "2")["source"] == "shipped"
    assert cryo.json("plan", "3.5mm", "--applicator", "2") == before


@pytest.mark.slow
def test_a_person_sees_the_fit(cryo: Cryo, tmp_path: Path) -> None:
    assert cryo("calibrate", "depth", "2", gel_data(tmp_path / "gel.csv"), "--dry-run") == 0
    assert "W/m²K" in cryo.out
    assert "residual" in cryo.out
    assert cryo("calibrate", "show") == 0
    assert cryo.out.count("calibration none") == 7 or "calibrated" not in cryo.out


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize(("operator", "why"), [("reject", "rejected"), ("none", "in time")])
def test_without_confirmation_nothing_changes(
    cryo: Cryo, tmp_path: Path, operator: str, why: str
) -> None:
    """H-13."""
    path = gel_data(tmp_path / "gel.csv")
    error = cryo.json("calibrate", "depth", "2", path, code=6, operator=operator)["error"]
    assert why in error["text"]
    assert all(t["source"] == "shipped" for t in cryo.json("calibrate", "show")["tables"])


@pytest.mark.hazard("H-06")
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
    """There was no freeze in between, so nothing to measure: reported, and refused."""
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


@pytest.mark.hazard("H-06")
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


@pytest.mark.slow
def test_the_guide_leads_through_freezes_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The technician freezes on request and enters the gel's depths; the records give the rest."""
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
            bench.press("select", 1200)
        treat(bench)
        bench.press("select")
        return ""

    monkeypatch.setattr(import_module("host_tools.calibrate.depth"), "_ask", technician)
    args = Namespace(
        json=True, applicator="2", data=None, gel_c=20.0, author="A. Technician", run_number=21,
        plot=None, out=str(tmp_path / "kept.csv"), dry_run=True,
    )  # fmt: skip
    data = calibrate.depth(args, device)
    assert data["h_w_m2k"]["value"] == pytest.approx(H, rel=0.05)
    assert len(measured) == 6
    doses_s = [r.dose_ms / 1000 for r in records(bench) if r.kind == ARMED]
    assert measured == pytest.approx(doses_s, abs=0.02), "flow, not the gate's time"
    assert len(calibrate.read_points(tmp_path / "kept.csv")) == 6


# -- lags from a log of gate and flow -------------------------------------------------------------


def shots(bench: FastBench, count: int) -> None:
    """Short freezes of a cold valve, each released after a different time."""
    bench.plant.valve_c = -190.0
    for k in range(count):
        cold_line(bench)
        arm(bench)
        freezing(bench, 700 + 37 * k)
        bench.release("trigger")
        until(bench, "DONE")
        bench.run_for(500)  # the trigger has stopped bouncing
        bench.press("select")
        until(bench, "READY")
        bench.run_for(500)


def inside(edges_ns: Sequence[tuple[int, int]], t_ns: int) -> bool:
    at = bisect_right([begin for begin, _ in edges_ns], t_ns) - 1
    return at >= 0 and t_ns < edges_ns[at][1]


STEP_MS = 0.5
"""Step and resolution of the logger."""


def logged(bench: FastBench, path: Path, step_ms: float = STEP_MS, last: int | None = None) -> str:
    """The last shots as recorded by a logger at the gate and in the line."""
    gate = bench.valve_intervals()[-last if last else 0 :]
    lifted = bench.plant.open_intervals_ns
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("time_s", "gate", "pressure"))
        t_ns = gate[0][0] - 50_000_000
        while t_ns < gate[-1][1] + 100_000_000:
            flow = 400 + 200 * inside(lifted, t_ns)
            out.writerow((f"{t_ns / 1e9:.6f}", 3.3 * inside(gate, t_ns), flow))
            t_ns += round(step_ms * 1e6)
    return str(path)


def true_lags_us(bench: FastBench) -> tuple[float, float]:
    """Lags of the simulated valve after its gate, opening and closing: medians of all shots."""
    pairs = list(zip(bench.valve_intervals(), bench.plant.open_intervals_ns, strict=True))
    return (
        median(lift[0] - gate[0] for gate, lift in pairs) / 1000,
        median(lift[1] - gate[1] for gate, lift in pairs) / 1000,
    )


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-02")
def test_a_log_of_shots_sets_both_lags_and_the_dose_comes_out(cryo: Cryo, tmp_path: Path) -> None:
    """H-01, H-02: a cold valve is slower than as shipped; with its lags set, flow is as planned."""
    bench = FastBench()
    preset(bench, {18: 0, 17: 0, 2: APPLICATOR, 1: 2900})
    switch_on(bench, "READY")
    shots(bench, 6)
    path = logged(bench, tmp_path / "shots.csv")
    error = cryo.json("calibrate", "valve", path, code=6, operator="reject")["error"]
    assert "rejected" in error["text"]
    assert cryo.json("get", "valve_open_lag_us")["value"] == 12_000
    data = cryo.json("calibrate", "valve", path)
    assert data["outcome"] == "confirmed"
    assert data["shots"] == 6
    opened, closed = true_lags_us(bench)
    assert opened > 13_000, "not 12 ms, as shipped"
    assert closed > 28_000, "not 25 ms, as shipped"
    assert data["valve_open_lag_us"] == pytest.approx(opened, abs=STEP_MS * 1000)
    assert data["valve_close_lag_us"] == pytest.approx(closed, abs=STEP_MS * 1000)
    lags = {key: data[key] for key in ("valve_open_lag_us", "valve_close_lag_us")}
    for key, value in lags.items():
        assert cryo.json("get", key)["value"] == value, "still there after the next start"

    off_us = []
    for open_us, close_us in ((12_000, 25_000), tuple(lags.values())):
        bench = FastBench()
        preset(bench, {18: 0, 17: 0, 2: APPLICATOR, 1: 2900, 6: open_us, 7: close_us})
        switch_on(bench, "READY")
        assert bench.ask("get", key="valve_open_lag_us")["ok"]["value"] == open_us
        bench.plant.valve_c = -190.0
        cold_line(bench)
        dose_ms = bench.ask("status")["ok"]["dose_ms"]
        treat(bench)
        begin, end = bench.plant.open_intervals_ns[-1]
        off_us.append((end - begin) / 1000 - 1000 * dose_ms)
    assert off_us[0] > 1500, "as shipped, this cold valve gives more than planned"
    assert abs(off_us[1]) < 1000


@pytest.mark.slow
@pytest.mark.hazard("H-13")
@pytest.mark.parametrize(
    ("step_ms", "last", "why"),
    [(5.0, 6, "a row every 5.0 ms"), (0.5, 3, "3 openings"), (0.5, 0, "columns")],
)
def test_a_log_that_cannot_tell_the_lags_changes_nothing(
    cryo: Cryo, tmp_path: Path, step_ms: float, last: int, why: str
) -> None:
    """H-13: refused with the reason before the device requests confirmation."""
    bench = FastBench()
    preset(bench, {18: 0, 17: 0, 2: APPLICATOR, 1: 2900})
    switch_on(bench, "READY")
    shots(bench, 6)
    path = tmp_path / "shots.csv"
    text = Path(logged(bench, path, step_ms, last)).read_text()
    if not last:
        path.write_text(text.replace("gate", "voltage", 1))
        assert cryo("calibrate", "valve", str(path)) == 2
        assert "neither time_s, gate and flow" in cryo.err
    else:
        error = cryo.json("calibrate", "valve", str(path), code=7)["error"]
        assert why in error["text"]
    assert cryo.json("get", "valve_open_lag_us")["value"] == 12_000
    assert cryo.json("get", "valve_close_lag_us")["value"] == 25_000


class Operated(BenchTransport):
    """The same port, with an operator at the device who gives these answers; True confirms."""

    def __init__(self, bench: FastBench, answers: Sequence[bool]) -> None:
        super().__init__(bench)
        self.answers = list(answers)
        self._clock, self._buttons = bench.clock, bench.wiring.buttons

    def read_some(self) -> bytes:
        data = super().read_some()
        if b'"applied":false' in data and self.answers:
            button = self._buttons["select" if self.answers.pop(0) else "up"]
            self._clock.call_after(400_000_000, button.press)
            self._clock.call_after(1_700_000_000, button.release)
        return data


def operated(bench: FastBench, *answers: bool) -> tuple[Device, Operated]:
    bench.events()
    bench.host_read()
    port = Operated(bench, answers)
    return Device(Link(port, first_id=1000)), port


@pytest.mark.slow
@pytest.mark.hazard("H-13")
def test_one_lag_without_the_other_is_said(tmp_path: Path) -> None:
    """H-13: opening lag confirmed, closing lag rejected: reports active values and next steps."""
    bench = FastBench()
    preset(bench, {18: 0, 17: 0, 2: APPLICATOR, 1: 2900})
    switch_on(bench, "READY")
    shots(bench, 5)
    args = Namespace(json=True, data=logged(bench, tmp_path / "shots.csv"), dry_run=False)
    device, port = operated(bench, True, False)
    with pytest.raises(NotConfirmed) as caught:
        calibrate.valve(args, device)
    assert not port.answers
    now = device.get("valve_open_lag_us").value
    assert now == pytest.approx(14_000, abs=500)
    assert device.get("valve_close_lag_us").value == 25_000
    assert f"valve_open_lag_us is {now} now" in caught.value.hint
    assert "back to 12000" in caught.value.hint


# -- the clock ------------------------------------------------------------------------------------


class HostTime:
    """This computer's clock next to a device in virtual time whose clock runs `ppm` fast."""

    def __init__(self, bench: FastBench, ppm: float) -> None:
        self._bench = bench
        self._rate = 1.0 / (1.0 + ppm / 1e6)
        self.slept = 0

    def monotonic(self) -> float:
        return self._bench.clock.now_ns / 1e9 * self._rate

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self._bench.run_for(seconds * 1000.0 / self._rate)


CLOCK = Namespace(json=True, minutes=8.0, every=0.37, dry_run=False)


def host(bench: FastBench, ppm: float, monkeypatch: pytest.MonkeyPatch) -> HostTime:
    """The clock of `calibrate` from now on."""
    clock = HostTime(bench, ppm)
    monkeypatch.setattr(import_module("host_tools.calibrate.clock"), "time", clock)
    return clock


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-02")
@pytest.mark.parametrize("ppm", [-37.0, 84.0])
def test_the_clock_s_trim_is_measured_confirmed_and_in_the_next_dose(
    ppm: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-01, H-02: 8 min of readings, confirmed at the device; every later count is longer."""
    bench = FastBench()
    ready(bench)
    device, port = operated(bench, True)
    time = host(bench, ppm, monkeypatch)
    data = calibrate.clock(CLOCK, device)
    assert data["outcome"] == "confirmed"
    assert not port.answers, "asked at the device"
    assert data["samples"] > 800
    assert time.slept == data["samples"]
    assert data["crystal_trim_ppm"] == pytest.approx(ppm, abs=3)
    assert data["ppm"]["low"] - 1 <= ppm <= data["ppm"]["high"] + 1
    trim = device.get("crystal_trim_ppm").value
    assert trim == data["crystal_trim_ppm"]
    dose_us = 1000 * bench.ask("status")["ok"]["dose_ms"]
    arm(bench)
    (armed,) = (record for record in records(bench) if record.kind == ARMED)
    gate_us = dose_us + 12_000 - 25_000
    assert armed.planned_us == pytest.approx(gate_us * (1 + trim / 1e6), abs=2)
    assert armed.planned_us != gate_us


@pytest.mark.slow
@pytest.mark.hazard("H-13")
def test_a_trim_that_nobody_confirms_is_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """H-13."""
    bench = FastBench()
    ready(bench)
    device, _ = operated(bench, False)
    host(bench, 60.0, monkeypatch)
    with pytest.raises(NotConfirmed, match="rejected"):
        calibrate.clock(CLOCK, device)
    assert device.get("crystal_trim_ppm").value == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ppm", "minutes", "why"),
    [(20.0, 0.5, "too few"), (900.0, 8.0, "is no crystal"), (20.0, 1.2, "not sure enough")],
)
def test_a_clock_that_cannot_be_measured_changes_nothing(
    ppm: float, minutes: float, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = FastBench()
    ready(bench)
    device, port = operated(bench, True)
    host(bench, ppm, monkeypatch)
    args = Namespace(**vars(CLOCK) | {"minutes": minutes})
    with pytest.raises(fit.PoorData, match=why):
        calibrate.clock(args, device)
    assert port.answers, "nothing was asked of the device"
    assert device.get("crystal_trim_ppm").value == 0


@pytest.mark.slow
def test_a_restart_in_between_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = FastBench()
    ready(bench)
    device = attach(bench)
    time = host(bench, 20.0, monkeypatch)
    plain = time.sleep

    def sleep(seconds: float) -> None:
        plain(seconds)
        if time.slept == 400:
            bench.cut_power()
            bench.run_for(200)
            bench.power_on()
            bench.run_for(2000)
            bench.host_read()

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(fit.PoorData, match="restarted"):
        calibrate.clock(CLOCK, device)
    assert device.get("crystal_trim_ppm").value == 0


def test_a_device_in_use_has_no_time_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it freezes the device reports only what matters then, without its clock."""
    bench = FastBench()
    ready(bench)
    arm(bench)
    freezing(bench, 300)
    device = attach(bench)
    host(bench, 20.0, monkeypatch)
    with pytest.raises(UsageError, match="in use"):
        calibrate.clock(CLOCK, device)
    bench.release("trigger")


def test_the_command_refuses_some_seconds_of_it(cryo: Cryo) -> None:
    error = cryo.json("calibrate", "clock", "--minutes", "0.01", code=7)["error"]
    assert error["kind"] == "poor_data"
    assert "too few" in error["text"]
    assert cryo("calibrate", "clock", "--minutes", "0") == 2
    assert cryo.json("get", "crystal_trim_ppm")["value"] == 0
