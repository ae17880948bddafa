"""The emulated board for measurements: with the designs on it, or with the whole firmware.

May import the standard library, `hw_sim.emulator` and what that is made of. A board that has been
booted once is copied with its process (`branch`): each copy goes on from the same moment, and what
it does is lost with it.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hw_sim.bench import FIRMWARE, NS_PER_MS
from hw_sim.benchmarks.scenes import NotAsExpected
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
    """`work()`, done in a copy of this process that ends with it. NotAsExpected if it fails there.

    The result must be something that pickle takes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads (a test runner's); the copy uses none of them.
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
        """When `signal` first went to `level` after `after_ns`."""
        for t_ns, name, value in self.seen:
            if name == signal and value == level and t_ns > after_ns:
                return t_ns
        return None

    def wait(self, signal: str, level: int, timeout_ms: float, after_ns: int = -1) -> int:
        """As `first`, letting time pass. NotAsExpected when it does not come."""
        self._bench.run_until(lambda: self.first(signal, level, after_ns) is not None, timeout_ms)
        found = self.first(signal, level, after_ns)
        if found is None:
            raise NotAsExpected(f"{signal} did not go to {level} within {timeout_ms:g} ms")
        return found


class Station:
    """A board that runs `designs/station.py`, with the firmware's valve.py beside it."""

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
        self.bytes_a_step, self.bytes_free = int(words[1]), int(words[2])

    # -- the port

    def order(self, text: str) -> None:
        """Send an order."""
        self.bench.host_write(text.encode() + b"\n")

    def received(self) -> list[bytes]:
        """All lines so far."""
        *whole, self._part = (self._part + self.bench.host_read()).split(b"\n")
        self.lines += [line.rstrip(b"\r") for line in whole]
        return self.lines

    def line(self, start: bytes, timeout_ms: float) -> bytes:
        """Wait for a line that begins with `start`. NotAsExpected when none comes."""

        def there() -> bool:
            return any(line.startswith(start) for line in self.received())

        if not self.bench.run_until(there, timeout_ms):
            raise NotAsExpected(f"no {start!r}, but {self.lines[-3:]}")
        return next(line for line in self.lines if line.startswith(start))

    def ask(self, rows: int) -> None:
        """One request to the load; `rows` sets how much it has to do and to send."""
        self.asked += 1
        self.bench.host_write(b'{"id":%d,"rows":%d}\n' % (self.asked, rows))

    def keep_asking(self) -> None:
        """A request every 40 ms from now on, of 0 to 3 rows in turn."""
        self.ask(self.asked % 4)
        self.bench.clock.call_after(_ASK_EVERY_NS, self.keep_asking)


class Device:
    """A board that runs the whole firmware, and hands that know the three buttons.

    All that is known here of the way from READY to an open gate is in `arm` and `open_valve`.
    """

    def __init__(
        self,
        firmware: Path = FIRMWARE,
        *,
        seed: int = 1,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        on_board = {**micropython.firmware_files(firmware, mpy=True), **(files or {})}
        self.bench = EmulatedBench(files=on_board, seed=seed)
        self.edges = Edges(self.bench)
        self._flooding = False
        self._flood_id = 500_000_000
        self._flood_at = 0
        self.flood_bytes = 0

    # -- asking

    def ok(self, op: str, **arguments: Any) -> dict[str, Any]:
        """A request's reply. NotAsExpected when the device refuses."""
        reply = self.bench.ask(op, timeout_ms=10_000, **arguments)
        if "ok" not in reply:
            raise NotAsExpected(f"{op} {arguments}: {reply.get('err')}")
        return reply["ok"]

    def state(self) -> str:
        """The state that the device last told."""
        told = [event["state"] for event in self.bench.events() if event["ev"] == "state"]
        return told[-1] if told else ""

    def until(self, state: str, timeout_ms: float) -> None:
        """Wait until the device tells a state. NotAsExpected when it does not."""
        if not self.bench.run_until(lambda: self.state() == state, timeout_ms, 2):
            raise NotAsExpected(f"in {self.state()!r}, not in {state}: {self.bench.events()[-3:]}")

    # -- hands

    def switch_on(self) -> float:
        """From no power to READY; how long that took, ms."""
        began_ms = self.bench.now_ms
        self.bench.power_on()
        self.until("READY", 6_000)
        return self.bench.now_ms - began_ms

    def hold(self, button: str, ms: float) -> None:
        """Hold a button for a time, let it go, and wait for it to come to rest."""
        self.bench.hold(button)
        self.bench.run_for(ms)
        self.bench.release(button)
        self.bench.run_for(60)

    def change(self, key: str, value: int) -> bool:
        """Change a setting, confirmed at the device where it asks. False: no such setting."""
        reply = self.bench.ask("set", timeout_ms=10_000, key=key, value=value)
        if "ok" not in reply:
            if reply["err"]["code"] == "unknown_key":
                return False
            raise NotAsExpected(f"{key} = {value}: {reply['err']}")
        if not reply["ok"]["applied"]:
            self.bench.run_for(50)
            self.hold("select", 1_300)
        if self.ok("get", key=key)["value"] != value:
            raise NotAsExpected(f"{key} was not set to {value}")
        return True

    def choose(self, longest: bool) -> None:
        """The shortest or the longest dose (10 s, 30 s) that the applicator fitted can give.

        The device is asked for more depth than it takes, and says in its refusal what it takes.
        """
        reply = self.bench.ask("set", timeout_ms=10_000, key="depth_um", value=20_000)
        self.change("depth_um", int(reply["err"]["max" if longest else "min"]))

    def fill(self) -> None:
        """Fill the dewar."""
        self.bench.plant.fill(self.bench.clock.now_ns, 850.0)

    def arm(self) -> None:
        """From READY to ARMED, whatever the firmware asks for between."""
        bench = self.bench
        bench.hold("arm")
        if not bench.run_until(lambda: self.state() not in ("", "READY"), 3_000, 2):
            raise NotAsExpected("ARM held for 3 s, and the device stays in READY")
        bench.release("arm")
        bench.run_for(60)
        self._answer_and_purge()

    def _answer_and_purge(self) -> None:
        for _ in range(20):
            state = self.state()
            if state == "ARMED":
                return
            if state == "SCREENING":
                self.bench.press("select")
            elif state == "PRECHILL":
                opened_ns = self._pull("PRECHILL")
                if opened_ns is None:
                    break
                self.edges.wait("VALVE_GATE", 0, 12_000, opened_ns)
                self.bench.run_for(300)  # a hand lets go when it is told to
                self.bench.release("trigger")
                self.bench.run_for(200)
            else:
                break
        raise NotAsExpected(f"ARM leads to {self.state()!r}")

    def _pull(self, state: str) -> int | None:
        """Hold TRIGGER until the gate is high; when it rose, ns. None: the state was left."""
        pressed_ns = self.bench.clock.now_ns
        self.bench.hold("trigger")

        def done() -> bool:
            opened = self.edges.first("VALVE_GATE", 1, pressed_ns) is not None
            return opened or self.state() not in (state, "FREEZING")

        if not self.bench.run_until(done, 2_000):
            raise NotAsExpected(f"TRIGGER held for 2 s in {state}, and the gate stays low")
        return self.edges.first("VALVE_GATE", 1, pressed_ns)

    def open_valve(self) -> int:
        """Hold TRIGGER until the gate is high; when it rose, ns. Purges anew if it is asked to."""
        for _ in range(5):
            opened_ns = self._pull("ARMED")
            if opened_ns is not None:
                return opened_ns
            self.bench.release("trigger")
            self.bench.run_for(200)
            self._answer_and_purge()
        raise NotAsExpected("the line is purged again and again")

    def finish(self) -> None:
        """From DONE to READY, when its records are written: a short press meanwhile is not seen."""
        self.bench.run_for(300)
        self.bench.press("select")
        self.until("READY", 3_000)

    # -- a host that never stops writing

    def flood(self) -> None:
        """Requests and noise from now on: the device's buffer is kept full."""
        self._flooding = True
        self._feed()

    def stop_flood(self) -> None:
        """End it, and let the device take in what is under way."""
        self._flooding = False
        bench = self.bench
        bench.host_write(b"\n")
        if not bench.run_until(lambda: not bench.usb.unsent, 30_000, 10):
            raise NotAsExpected("the device does not read what the host has written")
        bench.run_for(200)

    def write_ahead(self, data: bytes) -> None:
        """Let the host send something else, besides the flood."""
        self.flood_bytes += len(data)
        self.bench.host_write(data)

    def _feed(self) -> None:
        if not self._flooding:
            return
        bench = self.bench
        if bench.usb.attached:
            while bench.usb.unsent < 256:
                self.write_ahead(self._next())
        bench.clock.call_after(2 * NS_PER_MS, self._feed)

    def _next(self) -> bytes:
        self._flood_at += 1
        kind = self._flood_at % 8
        if kind == 3:
            return bytes((self._flood_at * 37 + i * 11) % 256 for i in range(90))
        if kind == 6:
            return b'{"id":1,"op":"status"}*00000000\n'
        self._flood_id += 1
        ops: tuple[dict[str, Any], ...] = (
            {"op": "status"},
            {"op": "hello"},
            {"op": "log", "from": 1, "max": 18},
            {"op": "status"},
            {"op": "set", "key": "depth_um", "value": 1},
        )
        body = json.dumps(
            {"id": self._flood_id, **ops[self._flood_at % len(ops)]}, separators=(",", ":")
        ).encode()
        return b"%s*%08x\n" % (body, zlib.crc32(body))


__all__ = ["ESTOP", "GATE", "SUPPLY", "Device", "Edges", "Station", "branch"]
