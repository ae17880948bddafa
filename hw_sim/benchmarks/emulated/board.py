"""The emulated board for measurements, with the designs or with the complete firmware.

May import the standard library, `hw_sim.emulator` and its dependencies. A booted board is copied by
forking the process (`branch`): each copy continues from the same moment, and its changes are
discarded.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hw_sim.bench import FIRMWARE, NS_PER_MS, NotAsExpected, Refused
from hw_sim.bench.flood import Flood, pieces_in_turn
from hw_sim.bench.operator import BenchOperator, Timing
from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython
from hw_sim.world.wiring import ESTOP, GATE, SUPPLY

DESIGNS = Path(__file__).parent / "designs"
NS_PER_US = 1_000
_ASK_EVERY_NS = 40 * NS_PER_MS
_MAIN = b"from designs import station\n\nstation.serve()\n"
_FROM_FIRMWARE = ("cryo/__init__.py", "cryo/valve.py")

T = TypeVar("T")


def branch(work: Callable[[], T]) -> T:
    """Return `work()`, executed in a forked copy of this process. NotAsExpected if it fails there.

    The result must be picklable.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns if there are threads (of a test runner); the copy does not use them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                answer: tuple[bool, Any] = (True, work())
            except BaseException as error:
                answer = (False, f"{type(error).__name__}: {error}")
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise NotAsExpected("a copy of the board ended without an answer")
    done, result = pickle.loads(data)
    if not done:
        raise NotAsExpected(result)
    return result


class Edges:
    """The times of the valve's two switches and of the E-stop contact and trigger, ns."""

    def __init__(self, bench: EmulatedBench) -> None:
        self.seen: list[tuple[int, str, int]] = []
        self._bench = bench
        bench.wiring.watch(self._take)

    def _take(self, t_ns: int, signal: str, value: float) -> None:
        if signal in ("VALVE_GATE", "VALVE_SUPPLY", "COIL"):
            self.seen.append((t_ns, signal, int(value)))

    def first(self, signal: str, level: int, after_ns: int = -1) -> int | None:
        """Time of the first edge of `signal` to `level` after `after_ns`."""
        for t_ns, name, value in self.seen:
            if name == signal and value == level and t_ns > after_ns:
                return t_ns
        return None

    def wait(self, signal: str, level: int, timeout_ms: float, after_ns: int = -1) -> int:
        """As `first`, running the bench until the edge. NotAsExpected on time-out."""
        self._bench.run_until(lambda: self.first(signal, level, after_ns) is not None, timeout_ms)
        t_ns = self.first(signal, level, after_ns)
        if t_ns is None:
            raise NotAsExpected(f"{signal} did not go to {level} within {timeout_ms:g} ms")
        return t_ns


class Station:
    """A board that runs `designs/station.py` with the firmware's valve.py."""

    def __init__(self, firmware: Path = FIRMWARE, seed: int = 1) -> None:
        files = {"main.py": _MAIN}
        sources = {f"designs/{path.name}": path for path in sorted(DESIGNS.glob("*.py"))}
        sources |= {name: firmware / name for name in _FROM_FIRMWARE}
        for name, path in sources.items():
            files[name.removesuffix(".py") + ".mpy"] = micropython.compiled(path.read_bytes(), name)
        self.bench = EmulatedBench(files=files, seed=seed)
        self.edges = Edges(self.bench)
        self.asked = 0
        self.lines: list[bytes] = []
        self._part = b""
        self.bench.power_on()
        words = self.line(b"load", 5_000).split()
        self.bytes_free = int(words[2])

    # -- the port

    def order(self, text: str) -> None:
        """Send a command to the station."""
        self.bench.host_write(text.encode() + b"\n")

    def received(self) -> list[bytes]:
        """All lines received so far."""
        *complete, self._part = (self._part + self.bench.host_read()).split(b"\n")
        self.lines += [line.rstrip(b"\r") for line in complete]
        return self.lines

    def line(self, start: bytes, timeout_ms: float) -> bytes:
        """Wait for a line that begins with `start`. NotAsExpected on time-out."""

        def there() -> bool:
            return any(line.startswith(start) for line in self.received())

        if not self.bench.run_until(there, timeout_ms):
            raise NotAsExpected(f"no {start!r}, but {self.lines[-3:]}")
        return next(line for line in self.lines if line.startswith(start))

    def ask(self, rows: int) -> None:
        """Send one request to the load; `rows` sets its amount of work and output."""
        self.asked += 1
        self.bench.host_write(b'{"id":%d,"rows":%d}\n' % (self.asked, rows))

    def keep_asking(self) -> None:
        """Send a request every 40 ms from now on, with 0 to 3 rows in turn."""
        self.ask(self.asked % 4)
        self.bench.clock.call_after(_ASK_EVERY_NS, self.keep_asking)


_TIMING = Timing(rest_ms=60.0, confirm_ms=1_300.0, purged_ms=200.0, look_ms=2.0)
_FLOOD_AHEAD_BYTES = 256


class Device(BenchOperator[EmulatedBench]):
    """A board that runs the complete firmware, and its operator."""

    def __init__(
        self,
        firmware: Path = FIRMWARE,
        *,
        seed: int = 1,
        files: Mapping[str, bytes] | None = None,
        image: Path | None = None,
    ) -> None:
        on_board = {**micropython.firmware_files(firmware, mpy=True), **(files or {})}
        bench = EmulatedBench(files=on_board, seed=seed, image=image)
        super().__init__(bench, _TIMING, answer_ms=10_000)
        self.edges = Edges(self.bench)
        self.flood = Flood(
            self.bench, pieces_in_turn(), ahead_bytes=_FLOOD_AHEAD_BYTES, reads=False
        )

    def switch_on(self) -> float:
        """Power on and wait for READY. Returns the time in ms."""
        began_ms = self.bench.now_ms
        self.bench.power_on()
        self.until("READY", timeout_ms=6_000)
        return self.bench.now_ms - began_ms

    def choose(self, longest: bool) -> None:
        """Set the shortest or the longest dose (10 s, 30 s) of the fitted applicator.

        A depth out of range is requested first; the refusal contains the limits.
        """
        try:
            self.ok("set", key="depth_um", value=20_000)
        except Refused as refused:
            self.change("depth_um", int(refused.error["max" if longest else "min"]))

    def press(self, button: str, times: int = 1) -> None:
        """Press a button."""
        for _ in range(times):
            self.bench.press(button)

    def finish(self) -> None:
        """Go from DONE to READY, once the records are written: before, a short press is missed."""
        self.wait(300)
        super().finish()

    def stop_flood(self) -> None:
        """End the flood, and let the device process the buffered data."""
        self.flood.stop(30_000, settle_ms=200)


__all__ = ["ESTOP", "GATE", "SUPPLY", "Device", "Edges", "Station", "branch"]
