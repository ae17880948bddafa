"""`cryo demo`: its report is correct, and its files are reproducible."""

from __future__ import annotations

import io
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from host_tools import demo as host_demo
from hw_sim.artwork import __main__ as artwork
from hw_sim.demo import braille, picture, report
from hw_sim.demo.treatment import DEPTH_MM, Session

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shown:
    """One run of the demonstration: its exit code, what it printed and where it wrote."""

    code: int
    text: str
    folder: Path


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The text report, written to a pipe."""
    return _run(tmp_path_factory.mktemp("printed"), as_json=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The report as JSON."""
    return _run(tmp_path_factory.mktemp("data"), as_json=True)


def _run(folder: Path, *, as_json: bool) -> Shown:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setenv("COLUMNS", "80")
        # The host's console keeps the standard output of its first import.
        patch.setattr("host_tools.render._out", Console(file=out, width=80, markup=False))
        code = host_demo.run(folder / "deep" / "er", json=as_json)
    return Shown(code, out.getvalue(), folder / "deep" / "er")


@pytest.mark.slow
def test_it_says_what_happened(printed: Shown) -> None:
    assert printed.code == 0
    planned, measured, recorded = (
        re.search(rf"{word} +([\d ]+) µs", printed.text)
        for word in ("planned", "measured", "recorded")
    )
    assert planned
    assert measured
    assert recorded
    assert planned[1] == measured[1] == recorded[1]
    assert 10_000_000 < int(planned[1].replace(" ", "")) < 30_000_000
    assert "0 µs off the plan" in printed.text
    assert re.search(r"2\.[45]\d mm +2.5 mm requested", printed.text)
    assert re.search(r"purged, away from the patient, for\s+[5-9]\.\d s", printed.text)
    assert "model, not a measurement" in printed.text
    assert "Hash chain verified" in printed.text
    assert "freeze_end" in printed.text
    for name in ("treatment.png", "treatment.vcd", "records.sqlite"):
        assert (printed.folder / name).stat().st_size > 1000


@pytest.mark.slow
def test_it_is_plain_and_fits_80_columns_on_a_pipe(printed: Shown) -> None:
    assert "\x1b" not in printed.text
    paths = str(printed.folder)
    longest = max(
        (line.rstrip() for line in printed.text.splitlines() if paths[:20] not in line), key=len
    )
    assert len(longest) <= 80, longest


@pytest.mark.slow
def test_it_shows_the_screen_at_each_step(printed: Shown, data: Shown) -> None:
    screens = json.loads(data.text)["screens"]
    assert [screen["title"] for screen in screens] == [
        "Switched on", "Ready", "UP, UP", "ARM held 1 s", "SELECT held 2 s",
        "SELECT, page by page", "TRIGGER held, away", "TRIGGER released", "TRIGGER held again",
        "Still held", "Complete",
    ]  # fmt: skip
    assert len({tuple(screen["braille"]) for screen in screens}) == len(screens)
    for screen in screens:
        for line in screen["braille"]:
            assert f"│{line}│" in printed.text


@pytest.mark.slow
def test_json_carries_the_same_figures(data: Shown) -> None:
    assert data.code == 0
    output = json.loads(data.text)
    valve, tissue, record = output["valve"], output["tissue"], output["record"]
    assert valve["complete"]
    assert abs(valve["measured_us"] - valve["planned_us"]) <= 5
    assert valve["off_us"] == valve["measured_us"] - valve["planned_us"]
    assert valve["planned_us"] == valve["dose_ms"] * 1000 + 12_000 - 25_000
    assert tissue["asked_mm"] == DEPTH_MM
    assert tissue["short_mm"] == pytest.approx(DEPTH_MM - tissue["minus_25_c_mm"], abs=0.002)
    assert tissue["gas_before_liquid_s"] < 0.5
    assert tissue["minus_25_c_mm"] > tissue["minus_25_c_mm_had_the_line_been_cold"] - 0.05
    assert tissue["minus_25_c_mm"] < tissue["ice_mm"]
    assert -196 < tissue["coldest_surface_c"] < -25
    assert record["verified"]
    kinds = [row["kind"] for row in record["records"]]
    assert kinds == [
        "boot", "setting", "caution", "screening", "prechill_begin", "prechill_end", "armed",
        "plan", "freeze_begin", "freeze_end", "estimate", "treatment_end",
    ]  # fmt: skip
    with sqlite3.connect(output["files"]["records"]) as store:
        assert store.execute("SELECT count(*) FROM records").fetchone() == (len(kinds),)
    store.close()


@pytest.mark.slow
def test_the_same_run_leaves_the_same_files(printed: Shown, data: Shown) -> None:
    for name in ("treatment.png", "treatment.vcd"):
        assert (printed.folder / name).read_bytes() == (data.folder / name).read_bytes(), name


@dataclass(frozen=True)
class Forged:
    """A pulled journal with a falsified plan or verification."""

    true: host_demo.Fetched
    off_us: int
    verified: bool

    @property
    def serial(self) -> str:
        return self.true.serial

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        records = [dict(record) for record in self.true.records]
        for record in records:
            if record["kind"] == "freeze_end":
                fields = dict(record["fields"])
                value = fields["planned_gate"]["value"] + self.off_us
                fields["planned_gate"] = {"value": value, "unit": "us"}
                record["fields"] = fields
        return records

    def show(self) -> None:
        raise AssertionError("no table is printed in JSON mode")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("off_us", "verified", "code"), [(5, True, 0), (6, True, 4), (-6, True, 4), (0, False, 4)]
)
def test_it_fails_when_the_valve_or_the_record_is_wrong(
    off_us: int,
    verified: bool,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_picture(*_: Any, **__: Any) -> None: ...

    def forge(port: report.BenchPort, path: Path) -> Forged:
        return Forged(host_demo.fetch(port, path), off_us, verified)

    monkeypatch.setattr(picture, "treatment", no_picture)
    assert report.main(tmp_path, True, forge) == code
    assert json.loads(capsys.readouterr().out)["record"]["verified"] is verified


@pytest.mark.slow
def test_on_a_terminal_the_freeze_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_picture(*_: Any, **__: Any) -> None: ...

    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("host_tools.render._out", Console(file=out, width=80, markup=False))
    monkeypatch.setattr(picture, "treatment", no_picture)
    monkeypatch.setattr(report.time, "sleep", lambda _: None)
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("COLUMNS", "80"), ("LINES", "40"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert report.main(tmp_path, False, host_demo.fetch) == 0
    text = out.getvalue().partition("The valve, at the GATE pin")[0]
    assert text.count("jet: ") > 40
    assert "\x1b[" in text
    nozzle = [float(c) for c in re.findall(r"nozzle +(-?[\d.]+) °C", text.replace("−", "-"))]
    assert nozzle[0] > 0 > -185 > nozzle[-1]
    # The animation is removed, the cursor is restored, and the ten screens are in order.
    assert text.rindex("\x1b[?25h") > text.rindex("jet: ")
    assert text.rindex("10  ") > text.rindex("9  ")


def test_the_plan_read_from_the_journal_is_what_the_gate_did() -> None:
    session = Session()
    for _ in session.moments():
        pass
    assert session.measured_us == pytest.approx(session.planned_us(), abs=5)
    assert session.trace.intervals("VALVE_GATE") == [session.purge_ns, session.valve_ns]
    peak = max(sample[4] for sample in session.trace.samples)
    assert peak == pytest.approx(1200, rel=0.02)  # the samples resolve the peak


def test_a_session_without_a_freeze_says_so() -> None:
    session = Session()
    with pytest.raises(RuntimeError, match="0 times"):
        _ = session.valve_ns
    with pytest.raises(RuntimeError, match="no liquid"):
        session.outcome()


# -- the screen in characters ---------------------------------------------------------------------


def _dots(*lit: tuple[int, int]) -> bytes:
    pixels = bytearray(128 * 64)
    for x, y in lit:
        pixels[y * 128 + x] = 1
    return bytes(pixels)


@pytest.mark.parametrize(
    ("x", "y", "character"),
    [(0, 0, "⠁"), (0, 1, "⠂"), (0, 2, "⠄"), (0, 3, "⡀"), (1, 0, "⠈"), (1, 1, "⠐"), (1, 2, "⠠"),
     (1, 3, "⢀")],
)  # fmt: skip
def test_each_dot_has_its_place(x: int, y: int, character: str) -> None:
    lines = braille.screen_lines(_dots((x, y), (126 + x, 60 + y)))
    assert len(lines) == 16
    assert {len(line) for line in lines} == {64}
    assert lines[0] == character + "⠀" * 63
    assert lines[15] == "⠀" * 63 + character


def test_without_braille_the_screen_is_ascii() -> None:
    lines = braille.screen_lines(bytes([1]) * (128 * 32) + bytes(128 * 32), braille=False)
    assert lines[:8] == ["@" * 64] * 8
    assert lines[8:] == [" " * 64] * 8


def test_a_screen_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="8191 dots"):
        braille.screen_lines(bytes(8191))


@pytest.mark.parametrize(
    ("columns", "blocks"), [(20, 1), (80, 1), (133, 1), (134, 2), (201, 2), (202, 3), (900, 3)]
)
def test_as_many_abreast_as_fit(columns: int, blocks: int) -> None:
    assert braille.abreast(columns, 3, 66) == blocks


@pytest.mark.parametrize(
    ("encoding", "able"),
    [("utf-8", True), ("ascii", False), ("cp1252", False), (None, False), ("no-such", False)],
)
def test_what_a_stream_can_show(encoding: str | None, able: bool) -> None:
    assert braille.can_show(encoding, "⣿─") is able


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_sheet_shows_every_kind_of_screen(tmp_path: Path) -> None:
    sights = artwork.sights()
    assert len({sight.pixels for sight in sights}) == len(sights) >= 25
    assert all(any(sight.pixels) for sight in sights)
    artwork.screens(tmp_path / "screens.png", sights)
    assert (tmp_path / "screens.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "least"), [("treatment.png", 1500), ("states.png", 1500), ("screens.png", 1200)]
)
def test_the_documents_pictures_are_small_enough_for_a_readme(name: str, least: int) -> None:
    from PIL import Image

    path = ROOT / "docs" / name
    assert path.stat().st_size <= 300_000
    with Image.open(path) as image:
        assert image.width >= least


def test_the_command_requires_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert artwork.main([]) == 2
    assert artwork.main([str(tmp_path / "none")]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(host_demo.LocalError, match="cannot write to"):
        host_demo.run(tmp_path / "file" / "out", json=True)
