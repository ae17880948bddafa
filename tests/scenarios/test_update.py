"""`cryo update` with the real mpremote, on real MicroPython on the emulated board.

The command runs as a separate program; bytes are carried between its pseudo-terminal and the
board's USB port. Nothing here depends on how the update is done.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython, release

pytestmark = pytest.mark.emulated

STEP_MS = 2.0
WALL_S = 240.0


class Cable:
    """A USB cable between the emulated board and a pseudo-terminal."""

    def __init__(self, bench: EmulatedBench) -> None:
        self.bench = bench
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._to_host = b""
        self.sent = bytearray()  # all bytes sent to the board

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)

    def carry(self) -> None:
        """Carry the waiting bytes in both directions, and run the board a little."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._master, 4096)
            self.sent += data
            self.bench.host_write(data)
        self.bench.run_for(STEP_MS)
        said = self.bench.host_read()
        if b"hold SELECT for 1 s, then" in said:
            self.bench.hold("select")
        if b'"ev":"maintenance"' in said:
            self.bench.release("select")
        if b"Strike the E-stop" in said:
            self.bench.estop_open()
        self._to_host += said
        if self._to_host:
            with contextlib.suppress(BlockingIOError):
                self._to_host = self._to_host[os.write(self._master, self._to_host) :]

    def run(
        self, folder: Path, until: Callable[[str], bool] = lambda _: False
    ) -> tuple[int | None, str, str]:
        """`cryo update` to its end, or until a condition on its progress (then it is killed)."""
        command = [sys.executable, "-m", "host_tools", "--port", self.port, "--timeout", "2.5"]
        errors = folder.parent / "stderr.txt"
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                [*command, "update", "--unsigned", str(folder)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            end_s = time.monotonic() + WALL_S
            began_s, began_ms = time.monotonic(), self.bench.now_ms
            while process.poll() is None and time.monotonic() < end_s:
                if self.bench.now_ms - began_ms > 1000 * (time.monotonic() - began_s):
                    time.sleep(0.002)  # the board must not run faster than real time
                self.carry()
                if until(errors.read_text()):
                    break
            ended = process.poll()
            if ended is None:
                os.killpg(process.pid, 9)
            assert process.stdout is not None
            return ended, process.stdout.read(), errors.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    release.build(tmp_path / "image")
    return tmp_path / "image"


@contextlib.contextmanager
def cable_to(bench: EmulatedBench) -> Iterator[Cable]:
    cable = Cable(bench)
    try:
        yield cable
    finally:
        cable.close()


def prompt_comes(bench: EmulatedBench) -> bool:
    """Whether MicroPython's prompt appears after power-on, and computes."""
    if not bench.run_until(lambda: bench.usb.attached, 500):
        return False
    bench.run_for(100)
    bench.host_read()
    bench.host_write(b"print(6 * 7)\r")
    output = bytearray()

    def computed() -> bool:
        output.extend(bench.host_read())
        return b"\r\n42\r\n>>> " in output

    return bench.run_until(computed, 500)


def code_on(bench: EmulatedBench) -> dict[str, bytes]:
    return {
        name: data
        for name, data in bench.files().items()
        if name.endswith((".py", ".mpy")) or name == release.MANIFEST or name.startswith("cryo/")
    }


def test_update_interrupted_then_repeated(micropython_image: Path, folder: Path) -> None:
    """An older device is updated; the first try is killed while it copies, and power fails."""
    shipped = release.shipped_files()
    source = (release.FIRMWARE / "cryo" / "sounder.py").read_bytes()
    older = shipped | {
        "cryo/sounder.mpy": micropython.compiled(source + b"\nOLD = 1\n", "cryo/sounder.py"),
        "cryo/gone.mpy": micropython.compiled(b"raise RuntimeError\n", "cryo/gone.py"),
        "manifest.json": b"{}\n",
        "kept.txt": b"data, not code",
    }
    bench = EmulatedBench(files=older, image=micropython_image)
    bench.power_on()
    assert bench.run_until(
        lambda: any(event.get("state") == "READY" for event in bench.events()), 5000, step_ms=10
    )
    with cable_to(bench) as cable:

        def halfway(progress: str) -> bool:
            _, match, part = cable.sent.partition(b"'update/cryo/sounder.mpy','wb'")
            return bool(match) and part.count(b"w(b") >= 3

        ended, _, errors = cable.run(folder, halfway)
        assert ended is None, errors
        bench.cut_power()
        waiting = bench.files()["update/cryo/sounder.mpy"]
        assert waiting != shipped["cryo/sounder.mpy"], "half of it"
        kept = {name: data for name, data in older.items() if name != "kept.txt"}
        assert kept.items() <= code_on(bench).items()
        bench.estop_close()
        bench.power_on()
        since = len(bench.events())
        assert bench.run_until(
            lambda: any(event.get("state") == "READY" for event in bench.events()[since:]),
            5000,
            step_ms=10,
        ), "the old application starts"

        ended, printed, errors = cable.run(folder)
        assert ended == 0, errors
    assert f"firmware {json.loads(shipped['manifest.json'])['version']}" in printed
    assert "FAULT" in printed, "the E-stop is still struck"
    assert "Turn the E-stop back" in printed
    assert code_on(bench) == shipped
    files: dict[str, Any] = bench.files()
    assert files["kept.txt"] == b"data, not code"
    assert any(name.startswith("journal/") for name in files)
    assert bench.valve_intervals() == []
