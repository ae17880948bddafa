"""A small device that speaks docs/protocol.md, and ports to reach it through.

It replaces the link's far end only: no firmware, no hardware. What it says about itself differs
on purpose from the real device's settings and kinds, because host_tools must not know those.
"""

import base64
import contextlib
import hashlib
import json
import os
import socket
import struct
import termios
import threading
import tty
import zlib
from collections.abc import Callable
from typing import Any

import serial

SETTINGS = [
    [1, "depth_um", "um", 500, 6000, 2300, "device", "lesion depth"],
    [2, "applicator", "number", 1, 2, 1, "device", "fitted applicator"],
    [3, "arm_timeout_s", "s", 10, 300, 60, "host", "armed without a freeze: time-out"],
    [4, "loudness", "step", 1, 3, 2, "host", "of the sounder"],
    [5, "trim_ppm", "ppm", -500, 500, 0, "device", "how fast the clock runs"],
    [6, "open_lag_us", "us", 0, 100000, 12000, "device", "from gate high to flow"],
    [7, "supply_min_mv", "mV", 4000, 5000, 4300, "device", "board supply needed"],
]
KINDS = [
    [1, "boot", [["cause", ""]]],
    [2, "shot", [["planned_ms", "ms"], ["min_c_x100", "c_x100"], ["applicator", "number"]]],
    [3, "trouble", [["fault", "number"]]],
    [4, "changed", [["setting", "number"], ["old", "setting's unit"], ["new", "setting's unit"]]],
]
TABLES: dict[str, tuple[list[str], list[list[Any]]]] = {
    "settings": (["number", "key", "unit", "min", "max", "default", "who", "help"], SETTINGS),
    "commands": (["op", "allowed", "help"], [["hello", "always", "who is there"]]),
    "faults": (
        ["number", "name", "priority", "clears", "text", "action"],
        [[9, "DEWAR PRESSURE", "medium", "select", "Left its limits", "Check the dewar,|then go"]],
    ),
    "records": (["number", "name", "fields"], KINDS),
    "states": (["number", "name"], [[0, "BOOT"], [2, "READY"], [6, "FREEZING"]]),
    "errors": (["code", "help"], [["busy", "a freeze is running"]]),
    "items": (["number", "name", "kind", "source"], [[1, "diabetic neuropathy", "avoid", "note"]]),
    "profiles": (
        ["number", "name", "depth_um", "margin_um", "cycles", "source"],
        [[1, "custom", None, None, None, "as set on the device"]],
    ),
    "applicators": (
        ["number", "name", "min_um", "max_um", "provenance"],
        [[1, "spray B", 1500, 3000, "model"], [2, "spray C", 1200, 2400, "model"]],
    ),
}


CHUNK = 31  # records


def frame(message: dict[str, Any]) -> bytes:
    text = json.dumps(message, separators=(",", ":")).encode()
    return text + b"*%08x\n" % zlib.crc32(text)


def journal(serial_number: str, count: int, *, start: int = 1, salt: int = 0) -> list[bytes]:
    """`count` records that chain properly from `start` = 1 on."""
    chain = hashlib.sha256(b"cryodose-journal-1" + serial_number.encode()).digest()[:16]
    found: list[bytes] = []
    for seq in range(1, start + count):
        kind = seq % 3 + 1
        arguments = {1: (seq,), 2: (17300 + salt, -19012, 2), 3: (9,)}[kind]
        utc_s = 0 if seq < 4 else 1_717_318_800 + seq
        head = struct.pack("<IHBBII", seq, 1 + seq // 10, kind, 2, seq * 1000, utc_s)
        body = head + struct.pack("<8i", *arguments, *([0] * (8 - len(arguments))))
        chain = hashlib.sha256(chain + body).digest()[:16]
        if seq >= start:
            found.append(body + chain)
    return found


class FakeDevice:
    """Takes bytes, gives bytes. Attributes may be set by a test at any time."""

    def __init__(self, serial_number: str = "E6614C31", records: int = 0) -> None:
        self.serial = serial_number
        self.journal = journal(serial_number, records)
        self.first = 1
        self.released = 0
        self.unknown: set[str] = set()
        """Requests that this firmware is too old for."""
        self.page = 20
        self.values = {row[1]: row[5] for row in SETTINGS}
        self.pending: tuple[str, int] | None = None
        self.operators = {3: 1, 5: 2}
        self.waiting = 0
        self.generation = 1
        self.operator = "confirm"  # or "reject", "sleep", "gone" (the event gets lost)
        self.state = "READY"
        self.utc_s = 0
        self.silent = False
        self.heard: list[dict[str, Any]] = []
        self.mangle: Callable[[bytes], bytes] = lambda line: line
        """What the line does to each reply on its way."""
        self.before: Callable[[dict[str, Any]], bytes] = lambda request: b""
        """What comes unasked before the reply to `request`."""
        self._buffer = b""
        self._chunks: list[bytes] = []
        self._later: list[tuple[float, Callable[[], bytes]]] = []
        self.now_s = 0.0

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        out = b""
        for line in lines:
            text, _, crc = line.rpartition(b"*")
            if not text or crc != b"%08x" % zlib.crc32(text):
                continue
            request = json.loads(text)
            self.heard.append(request)
            if self.silent:
                continue
            out += self.before(request)
            out += self.mangle(frame({"id": request["id"]} | self._answer(request)))
            while self._chunks:
                out += self.mangle(self._chunks.pop(0))
        return out

    def idle(self, seconds: float) -> bytes:
        """Let time pass; what the device says of itself meanwhile."""
        self.now_s += seconds
        due = [fn for at, fn in self._later if at <= self.now_s]
        self._later = [(at, fn) for at, fn in self._later if at > self.now_s]
        return b"".join(fn() for fn in due)

    def boot_event(self) -> bytes:
        self._buffer = b""
        return frame({"ev": "boot", "fw": "0.2.0", "boot": 8, "state": "BOOT"})

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            handler = getattr(self, "_" + request["op"], None)
            if handler is None or request["op"] in self.unknown:
                raise _No("unknown_op", "no such request")
            return {"ok": handler(request)}
        except _No as no:
            return {"err": no.err}

    def _closed(self) -> None:
        if self.state == "FREEZING":
            raise _No("busy", "a freeze is running")

    def _hello(self, _: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        return {
            "device": "cryodose", "serial": self.serial, "fw": "0.2.0", "protocol": 1,
            "micropython": "1.23.0", "boot": 7, "state": self.state,
            "log_head": self._head,
        }  # fmt: skip

    @property
    def _head(self) -> int:
        return self.first + len(self.journal) - 1

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        columns, rows = TABLES[request["part"]]
        start = request.get("from", 0)
        following = start + 3 if start + 3 < len(rows) else None
        return {
            "part": request["part"], "columns": columns, "rows": rows[start : start + 3],
            "next": following,
        }  # fmt: skip

    def _get(self, request: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        key = request["key"]
        if key not in self.values:
            raise _No("unknown_key", f"no setting {key}")
        pending = self.pending[1] if self.pending and self.pending[0] == key else None
        return {"key": key, "value": self.values[key], "pending": pending}

    def _set(self, request: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        key, value = request["key"], request["value"]
        row = next(row for row in SETTINGS if row[1] == key)
        if not row[3] <= value <= row[4]:
            limits = {"min": row[3], "max": row[4], "unit": row[2]}
            raise _No("range", f"{key} must be {row[3]} to {row[4]}", **limits)
        if self.pending not in (None, (key, value)):
            raise _No("busy", "another change waits for confirmation")
        if row[6] == "host":
            self.values[key] = value
            return {"key": key, "value": value, "applied": True}
        if self.pending is None:
            self.pending = (key, value)
            after_s = 30.0 if self.operator == "sleep" else 4.0
            self._later.append((self.now_s + after_s, self._decide))
        return {
            "key": key, "value": value, "applied": False,
            "confirm": "hold SELECT", "expires_s": 30,
        }  # fmt: skip

    def _decide(self) -> bytes:
        assert self.pending is not None
        key, value = self.pending
        self.pending = None
        applied = self.operator in ("confirm", "gone")
        if applied:
            self.values[key] = value
        if self.operator == "gone":
            return b""
        return frame({"ev": "setting", "key": key, "value": value, "applied": applied})

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.state == "FREEZING":
            return {
                "state": self.state, "remaining_ms": 7300, "elapsed_ms": 10000,
                "nozzle_c_x100": -18950, "valve": "open",
            }  # fmt: skip
        return {
            "state": self.state, "state_ms": 734_000, "depth_um": 2300, "applicator": "spray B",
            "dose_ms": 17300, "remaining_ms": 0, "nozzle_c_x100": None, "pressure_mbar": 612,
            "level_permille": 874, "supply_mv": 5012, "coil_ma": 0, "estop": "closed",
            "valve": "closed", "faults": [9], "log_head": self._head, "uptime_ms": 8_000_000,
            "overruns": 0, "worst_tick_us": 4200, "dropped_lines": 3, "heap_free": 123_456,
        }  # fmt: skip

    def _log_block(self, request: dict[str, Any]) -> dict[str, Any]:
        reply = self._log(request)
        start = request["from"]
        found = self.journal[start - self.first :][: request["max"]]
        for at in range(0, len(found), CHUNK):
            raws = found[at : at + CHUNK]
            head = struct.pack("<BBII", 2, len(raws), request["id"], start + at)
            chunk = head + b"".join(raws)
            self._chunks.append(chunk + struct.pack("<I", zlib.crc32(chunk)))
        return {
            "first": self.first, "head": self._head, "count": len(found),
            "anchor": reply["anchor"],
        }  # fmt: skip

    def _log(self, request: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        start = request["from"]
        if not self.first <= start <= self._head + 1:
            limits = {"min": self.first, "max": self._head + 1, "unit": "sequence number"}
            raise _No("range", f"from takes {self.first}...{self._head + 1}", **limits)
        index = start - self.first
        count = min(request.get("max", 8), self.page)
        found = self.journal[index : index + count]
        if index == 0:
            anchor = (
                hashlib.sha256(b"cryodose-journal-1" + self.serial.encode()).digest()[:16]
                if self.first == 1
                else journal(self.serial, self.first - 1)[-1][48:]
            )
        else:
            anchor = self.journal[index - 1][48:]
        return {
            "first": self.first, "head": self._head, "next": start + len(found),
            "anchor": base64.b64encode(anchor).decode(),
            "records": [base64.b64encode(raw).decode() for raw in found],
        }  # fmt: skip

    def _log_release(self, request: dict[str, Any]) -> dict[str, Any]:
        self._closed()
        if self.state != "READY":
            raise _No("state", f"log_release is allowed in READY only; now {self.state}")
        seq = request["seq"]
        if base64.b64decode(request["chain"]) != self.journal[seq - self.first][48:]:
            raise _No("chain", f"record {seq} has another chain value here")
        self.released = max(self.released, seq)
        return {"released": self.released, "first": self.first, "head": self._head, "left": 1800}

    def _time(self, request: dict[str, Any]) -> dict[str, Any]:
        if "utc_s" in request:
            self.utc_s = request["utc_s"]
        return {"utc_s": self.utc_s, "source": "host" if self.utc_s else "none"}

    def _operators(self, request: dict[str, Any]) -> dict[str, Any]:
        do = request.get("do", "list")
        if do == "list":
            rows = [[number, role] for number, role in self.operators.items()]
            return {
                "required": 1, "signed_in": 3, "waiting": self.waiting,
                "generation": self.generation, "operators": rows,
            }  # fmt: skip
        number = request["number"]
        if do == "remove" and number not in self.operators:
            return {"do": do, "number": number, "applied": True}

        def decide() -> bytes:
            applied = self.operator in ("confirm", "gone")
            self.waiting = 0
            self.generation += applied
            if applied and do == "add":
                self.operators[number] = request["role"]
            elif applied and do == "remove":
                del self.operators[number]
            if self.operator == "gone":
                return b""
            why = {"confirm": "confirmed", "sleep": "timed_out"}.get(self.operator, "rejected")
            return frame(
                {"ev": "operator", "do": do, "number": number, "applied": applied, "why": why}
            )

        self.waiting = number
        self._later.append((self.now_s + 4.0, decide))
        return {
            "do": do, "number": number, "applied": False, "confirm": "hold SELECT", "expires_s": 9,
        }  # fmt: skip

    def _maintenance(self, _: dict[str, Any]) -> dict[str, Any]:
        event = {"ev": "maintenance", "applied": True, "why": "confirmed"}
        self._later.append((self.now_s + 1.0, lambda: frame(event)))
        return {
            "text": "hold SELECT, then strike the E-stop", "applied": False,
            "confirm": "hold SELECT", "expires_s": 9,
        }  # fmt: skip


class _No(Exception):
    def __init__(self, code: str, text: str, **detail: Any) -> None:
        super().__init__(text)
        self.err = {"code": code, "text": text} | detail


class MemoryTransport:
    """A transport without an operating system under it, in the device's own time."""

    def __init__(self, device: FakeDevice, url: str = "memory://") -> None:
        self.url = url
        self.slice_s = 0.05
        self.device = device
        self.waiting = b""
        self.gone_after: int | None = None
        """The port goes away once this many bytes have been read."""
        self.chunk = 4096
        self.read = 0

    def read_some(self) -> bytes:
        from host_tools.errors import PortLost

        if self.gone_after is not None and self.read >= self.gone_after:
            raise PortLost("the port memory:// has gone away")
        if not self.waiting:
            self.waiting = self.device.idle(self.slice_s)
            if not self.waiting:
                return b""
        data, self.waiting = self.waiting[: self.chunk], self.waiting[self.chunk :]
        self.read += len(data)
        return data

    def write(self, data: bytes) -> None:
        self.waiting += self.device.feed(data)

    def close(self) -> None:
        pass


class SocketServer:
    """The device behind a TCP port on this computer, for socket:// URLs."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self._peer: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self._peer, _ = self._server.accept()
            except OSError:
                return
            with self._peer, contextlib.suppress(OSError):
                while data := self._peer.recv(65536):
                    self._peer.sendall(self._device.feed(data))

    def drop(self) -> None:
        """Cut the connection, as a pulled plug does."""
        if self._peer is not None:
            with contextlib.suppress(OSError):  # the host may have closed it just now
                self._peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread up
        self._thread.join(5)
        self._server.close()


class PseudoTerminal:
    """The device behind a pseudo-terminal: a real serial port as far as the host can tell."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave, termios.TCSANOW)
        self.url = os.ttyname(self._slave)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
                reply = self._device.feed(data)
                while reply:
                    reply = reply[os.write(self._master, reply) :]
            except OSError:
                return

    def close(self) -> None:
        for descriptor in (self._slave, self._master):
            if descriptor >= 0:
                os.close(descriptor)
        self._slave = self._master = -1


def serial_port(url: str) -> serial.SerialBase:
    """Open `url` as another program would."""
    return serial.serial_for_url(url, exclusive=True, timeout=0)
