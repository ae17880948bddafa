"""What the measurements have in common: an applicator made ready, and a host gone mad.

May import the standard library and the fast bench. The device is asked what it is (`describe`);
no constant of the firmware is known here.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from hw_sim.bench import FastBench
from hw_sim.image.flash import SimFlash

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
_RECORD = struct.Struct("<IHBBII8i16s")  # docs/protocol.md, "Journal records"
_FLOOD_EVERY_NS = 2 * NS_PER_MS
_FLOOD_AHEAD_BYTES = 1024  # twice the device's receive buffer
_FIRST_FLOOD_ID = 500_000_000
_LINE_OF_1_MB = 1 << 20


class NotAsExpected(RuntimeError):
    """The device did something else than the measurement needs; nothing was measured."""


def line(message: dict[str, Any]) -> bytes:
    """A line of the link."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"%s*%08x\n" % (body, zlib.crc32(body))


class Flood:
    """A host that never stops writing: valid requests, noise, huge lines, broken CRCs.

    Its own virtual time brings the next bytes, so that the device's receive buffer is always
    full. Replies are taken away as fast as they come. Everything comes from `seed`.
    """

    def __init__(self, bench: FastBench, seed: int) -> None:
        self._bench = bench
        self._random = random.Random(seed)
        self._pieces: Iterator[bytes] = iter(())
        self._on = False
        self._huge_in = 12
        self.requests = 0
        self.bytes = 0

    def start(self) -> None:
        """Begin."""
        self._on = True
        self._feed()

    def stop(self) -> None:
        """End, and wait until the device has taken in what was under way."""
        self._on = False
        bench = self._bench
        bench.host_write(b"\n")
        if not bench.run_until(lambda: not bench.usb.host_waiting, 5_000, 10):
            raise NotAsExpected("the device does not read what the host has written")
        bench.run_for(50)
        bench.events()

    def _feed(self) -> None:
        if not self._on:
            return
        bench = self._bench
        while bench.usb.connected and bench.usb.host_waiting < _FLOOD_AHEAD_BYTES:
            piece = next(self._pieces, None)
            if piece is None:
                self._pieces = self._next()
                continue
            self.bytes += len(piece)
            bench.host_write(piece)
        bench.events()
        bench.clock.call_after(_FLOOD_EVERY_NS, self._feed)

    def _next(self) -> Iterator[bytes]:
        draw = self._random
        self._huge_in -= 1
        if self._huge_in == 0:
            self._huge_in = 40
            size = draw.choice((513, 2049, 9_000, _LINE_OF_1_MB))
            return _huge(size, draw.randint(32, 126))
        kind = draw.randrange(8)
        if kind == 0:
            return iter((draw.randbytes(draw.randint(1, 200)),))
        if kind == 1:
            return iter((b'{"id":1,"op":"status"}*00000000\n',))
        self.requests += 1
        request: dict[str, Any] = {"id": _FIRST_FLOOD_ID + self.requests}
        request |= draw.choice(
            (
                {"op": "status"},
                {"op": "status"},
                {"op": "hello"},
                {"op": "get", "key": "depth_um"},
                {"op": "describe", "part": "faults", "from": 0},
                {"op": "log", "from": 1, "max": 18},
                {"op": "time"},
                {"op": "set", "key": "depth_um", "value": 1},
                {"op": "nothing of the kind"},
            )
        )
        return iter((line(request),))


def _huge(size: int, byte: int) -> Iterator[bytes]:
    for _ in range(size // 512):
        yield bytes((byte,)) * 512
    yield b"\n"


class Scene:
    """One applicator on the fast bench, with the times of its valve's edges.

    `edges`: (ns, signal, level) of VALVE_GATE, VALVE_SUPPLY, COIL and VALVE (the armature).
    """

    def __init__(self, image: bytes | None = None, *, seed: int = 1) -> None:
        self.bench = FastBench(flash=SimFlash(image), seed=seed)
        self.random = random.Random(seed)
        self.edges: list[tuple[int, str, float]] = []
        self.bench.wiring.watch(self._edge)
        self._armed_kind = self._planned_at = self._dose_at = -1

    def _edge(self, t_ns: int, signal: str, value: float) -> None:
        if signal in ("VALVE_GATE", "VALVE_SUPPLY", "COIL", "VALVE"):
            self.edges.append((t_ns, signal, value))

    # -- the device

    def ok(self, op: str, **arguments: Any) -> dict[str, Any]:
        """A request's reply. NotAsExpected when the device refuses."""
        reply = self.bench.ask(op, **arguments)
        if "ok" not in reply:
            raise NotAsExpected(f"{op} {arguments}: {reply.get('err')}")
        return reply["ok"]

    def state(self) -> str:
        """Its state, by its own word."""
        return self.ok("status")["state"]

    def expect(self, state: str, timeout_ms: float = 5_000) -> None:
        """Wait for a state."""
        bench = self.bench
        end_ns = bench.clock.now_ns + round(timeout_ms * NS_PER_MS)
        while (now := self.state()) != state:
            if bench.clock.now_ns > end_ns:
                raise NotAsExpected(f"the device is in {now}, not in {state}")
            bench.run_for(50)

    def switch_on(self) -> None:
        """From no power to READY."""
        self.bench.power_on()
        self.bench.run_for(200)
        self.expect("READY")
        for key in ("prechill", "screening"):  # each measurement is of one opening of the valve
            if self.ok("get", key=key)["value"]:
                self.change(key, 0)

    def hold(self, button: str, ms: float) -> None:
        """Hold a button, let it go, and wait for it to come to rest."""
        self.bench.hold(button)
        self.bench.run_for(ms)
        self.bench.release(button)
        self.bench.run_for(60)

    def change(self, key: str, value: int) -> None:
        """Change a setting over the link, and confirm it on the device where it asks for that."""
        if not self.ok("set", key=key, value=value)["applied"]:
            self.bench.run_for(50)
            self.hold("select", 1_200)
        if (now := self.ok("get", key=key)["value"]) != value:
            raise NotAsExpected(f"{key} is {now} after setting it to {value}")

    def choose(self, applicator: int, dose_ms: int) -> int:
        """Set an applicator, and the depth whose dose comes nearest; the dose, ms."""
        rows = self.ok("describe", part="applicators")["rows"]
        row = next(row for row in rows if row[0] == applicator)
        low_um, high_um = int(row[2]), int(row[3])
        self.change("applicator", applicator)
        while low_um < high_um:
            middle_um = (low_um + high_um) // 2
            if self._dose_at_depth(middle_um) < dose_ms:
                low_um = middle_um + 1
            else:
                high_um = middle_um
        return self._dose_at_depth(low_um)

    def _dose_at_depth(self, depth_um: int) -> int:
        self.change("depth_um", depth_um)
        return int(self.ok("status")["dose_ms"])

    def fill(self) -> None:
        """Fill the dewar, so that many freezes can follow each other."""
        self.bench.plant.fill(self.bench.clock.now_ns, 850.0)

    # -- a freeze

    def arm(self) -> None:
        """From READY (or DONE) to ARMED."""
        self.hold("arm", 1_200)

    def open_valve(self) -> int:
        """Hold TRIGGER until the gate is high; when it rose, ns."""
        bench = self.bench
        # A random moment against the tick, which is 10 ms long.
        bench.run_for(100 + self.random.random() * 20)
        before = len(self.edges)
        bench.hold("trigger")
        if not bench.run_until(lambda: self.edge("VALVE_GATE", 1, before) is not None, 500):
            raise NotAsExpected("TRIGGER did not open the valve")
        opened_ns = self.edge("VALVE_GATE", 1, before)
        assert opened_ns is not None
        return opened_ns

    def edge(self, signal: str, level: int, since: int) -> int | None:
        """When `signal` first went to `level`, among the edges from index `since` on."""
        for t_ns, name, value in self.edges[since:]:
            if name == signal and value == level:
                return t_ns
        return None

    def wait_edge(self, signal: str, level: int, since: int, timeout_ms: float) -> int:
        """As `edge`, letting time pass. NotAsExpected when it does not come."""
        self.bench.run_until(lambda: self.edge(signal, level, since) is not None, timeout_ms)
        found = self.edge(signal, level, since)
        if found is None:
            raise NotAsExpected(f"{signal} did not go to {level} within {timeout_ms:g} ms")
        return found

    def armed_record(self) -> tuple[int, int]:
        """Of the newest `armed` record of the journal: the dose in ms, the planned time in us."""
        if self._armed_kind < 0:
            for number, name, fields in self.ok("describe", part="records")["rows"]:
                if name == "armed":
                    names = [field[0] for field in fields]
                    self._armed_kind = number
                    self._dose_at, self._planned_at = (
                        names.index("dose"),
                        names.index("planned_gate"),
                    )
        head = self.ok("hello")["log_head"]
        for text in reversed(self.ok("log", **{"from": max(1, head - 17), "max": 18})["records"]):
            fields = _RECORD.unpack(base64.b64decode(text))
            if fields[2] == self._armed_kind:
                return fields[6 + self._dose_at], fields[6 + self._planned_at]
        raise NotAsExpected("the journal has no record of an arming")

    def put_away(self) -> bytes:
        """Switch off; what is in its flash."""
        self.bench.cut_power()
        return self.bench.flash.image()


def prepared(applicator: int, dose_ms: int) -> bytes:
    """The flash of an applicator that has been set to a dose (the nearest one, at most 20 ms off).

    NotAsExpected when its table has none.
    """
    scene = Scene()
    scene.switch_on()
    found_ms = scene.choose(applicator, dose_ms)
    if abs(found_ms - dose_ms) > 20:
        raise NotAsExpected(f"applicator {applicator} has no dose of {dose_ms} ms")
    return scene.put_away()
