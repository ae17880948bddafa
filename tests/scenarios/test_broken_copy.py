"""H-11: badly copied firmware leads to MicroPython's prompt, not to a dead device.

On MicroPython's own binary, because only it shows the effect of a truncated .mpy: some raise an
error, with others the import never returns. The valve's two switches never rise.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FIRMWARE, FastBench
from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython, release
from tests.scenarios.conftest import faults, switch_on
from tests.scenarios.test_update import prompt_comes

LOAD_MS = 5000  # time limit of main.py for the import
MODULES = sorted(
    path.relative_to(FIRMWARE).with_suffix(".mpy").as_posix()
    for path in (FIRMWARE / "cryo").glob("*.py")
)
REPRESENTATIVE = [
    f"cryo/{name}.mpy" for name in ("__init__", "board", "drivers", "app", "valve", "journal")
]

EACH_FILE = [
    pytest.param(name, marks=[] if name in (*REPRESENTATIVE, "main.py") else pytest.mark.nightly)
    for name in (*MODULES, "main.py")
]
"""The other files take the same path through main.py; they are tested at night."""


class Dead(EmulatedBench):
    """An emulated board that records every rise of the valve's switches."""

    def __init__(self, micropython_image: Path, files: Mapping[str, bytes]) -> None:
        super().__init__(files=files, image=micropython_image)
        self.rises: list[str] = []
        self.said = bytearray()
        self.wiring.watch(self._note)
        self.estop_open()  # otherwise there is no prompt: test_maintenance.py

    def _note(self, _t_ns: int, signal: str, value: float) -> None:
        if value and signal in ("VALVE_GATE", "VALVE_SUPPLY"):
            self.rises.append(signal)

    def run_listening(self, ms: float) -> None:
        self.run_for(ms)
        self.said += self.host_read()


def shortened(files: dict[str, bytes], name: str, part: float = 0.5) -> dict[str, bytes]:
    return files | {name: files[name][: int(len(files[name]) * part)]}


@pytest.mark.hazard("H-11")
@pytest.mark.emulated
@pytest.mark.parametrize("name", EACH_FILE)
def test_a_short_file_is_named_and_not_started(micropython_image: Path, name: str) -> None:
    """A copy of the image with one truncated file: the manifest's lengths show it."""
    part = 0.5
    files = release.shipped_files()
    if name == "main.py":
        # Half a file is a syntax error; a file without its last line is the difficult case.
        part = 1 - (len(b"    app.run()\n") - 0.5) / len(files[name])
    files = shortened(files, name, part)
    bench = Dead(micropython_image, files)
    bench.power_on()
    bench.run_listening(1500)
    assert f"{name} has {len(files[name])} bytes, not ".encode() in bench.said
    assert prompt_comes(bench)
    assert bench.chip.resets == 0
    assert bench.rises == []


@pytest.mark.hazard("H-11")
@pytest.mark.emulated
@pytest.mark.parametrize("name", ["cryo/board.mpy", "cryo/drivers.mpy"])
def test_up_and_down_come_before_every_import(micropython_image: Path, name: str) -> None:
    """Also without a manifest: these two modules used to be read before the buttons."""
    files = shortened(micropython.firmware_files(FIRMWARE, mpy=True), name)
    bench = Dead(micropython_image, files)
    bench.hold("up")
    bench.hold("down")
    bench.run_for(50)
    bench.power_on()
    assert prompt_comes(bench)
    assert bench.rises == []


@pytest.mark.hazard("H-11")
@pytest.mark.emulated
@pytest.mark.parametrize("beside", [False, True], ids=["sources", "beside"])
def test_a_copy_of_the_sources_says_why_it_does_not_start(
    micropython_image: Path, beside: bool
) -> None:
    """At once, not after two strikes of the watchdog; also one source beside a whole image."""
    files = micropython.firmware_files(FIRMWARE)
    if beside:
        files = release.shipped_files() | {"cryo/doctor.py": files["cryo/doctor.py"]}
    bench = Dead(micropython_image, files)
    bench.power_on()
    bench.run_listening(2500)
    assert b".py is source code" in bench.said
    assert b"cryo update" in bench.said
    assert prompt_comes(bench)
    assert bench.chip.resets == 0
    assert bench.rises == []


@pytest.mark.hazard("H-11")
@pytest.mark.emulated
@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_an_import_that_fails_or_hangs_ends_at_the_prompt(
    micropython_image: Path, name: str
) -> None:
    """Without manifest and buttons: ended by the error itself, or by the watchdog, twice."""
    bench = Dead(micropython_image, shortened(micropython.firmware_files(FIRMWARE, mpy=True), name))
    bench.power_on()
    for _ in range(2):
        bench.run_listening(1500)
        if b">>> " in bench.said:
            break
        # It hangs. Skip the remaining watchdog time without the endless loop, which would take the
        # emulator seconds each time.
        resets = bench.chip.resets
        bench.hang(LOAD_MS)
        bench.run_until(lambda before=resets: bench.chip.resets > before, LOAD_MS)
        assert bench.chip.resets == resets + 1
        bench.said.clear()
    else:
        bench.run_listening(500)
        assert b"It has failed to start." in bench.said
    resets = bench.chip.resets
    assert prompt_comes(bench)
    bench.run_for(2 * LOAD_MS)  # the watchdog is not running
    assert bench.chip.resets == resets
    assert prompt_comes(bench)
    assert bench.rises == []
    print(f"{name}: {resets} resets")


def firmware_with(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """The firmware with one change."""
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware)
    path = firmware / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return firmware


@pytest.mark.hazard("H-11")
def test_an_import_error_is_reported_at_the_prompt(tmp_path: Path) -> None:
    firmware = firmware_with(
        tmp_path, "cryo/shot.py", "from cryo import faults", "from cryo import gone, faults"
    )
    bench = FastBench(firmware, crashes_raise=False)
    bench.estop_open()  # for the prompt
    bench.power_on()
    bench.run_for(500)
    assert bench.chip.at_prompt
    assert b"ImportError" in bench.host_read()
    bench.run_for(3 * LOAD_MS)
    assert bench.chip.boots == 1


@pytest.mark.hazard("H-11")
def test_a_program_that_fails_at_each_start_is_not_started_for_ever(tmp_path: Path) -> None:
    """Modules of different versions: they load, but the first tick fails at each start."""
    tick = '        """One tick."""\n'
    firmware = firmware_with(tmp_path, "cryo/app.py", tick, tick + "        self.gone(now_ms)\n")
    bench = FastBench(firmware)
    bench.estop_open()  # for the prompt
    bench.power_on()
    bench.run_for(3000)
    assert bench.chip.at_prompt
    assert b"It has failed to start." in bench.host_read()
    assert bench.chip.boots == 3
    assert b"gone" in bench.files()["crash.txt"]
    assert bench.valve_intervals() == []
    bench.cut_power()  # a repaired copy gets another try
    bench.estop_close()
    bench.run_for(100)
    bench.write_files({"cryo/app.py": (FIRMWARE / "cryo" / "app.py").read_bytes()})
    switch_on(bench, "READY")
    assert faults(bench) == []


@pytest.mark.hazard("H-11")
def test_a_program_that_fails_once_in_a_while_goes_on(tmp_path: Path) -> None:
    """Each start ran for a while: the third error is not taken for a broken copy."""
    tick = '        """One tick."""\n'
    late = "        if self.clock.uptime_ms > 2500:\n            self.gone(now_ms)\n"
    firmware = firmware_with(tmp_path, "cryo/app.py", tick, tick + late)
    bench = FastBench(firmware)
    bench.power_on()
    bench.run_for(20_000)
    assert bench.chip.boots > 4
    assert not bench.chip.at_prompt
