"""The host's end of the link in a simulation: requests out, replies and events in.

May import the standard library only. Written by docs/protocol.md and by nothing of the firmware.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any


class LinkTimeout(TimeoutError):
    """The device did not answer in time."""


class LinkClient:
    """The host's end of the link, on whatever bench.

    A bench adds bytes out and in (`host_write`, `host_read`), and how to wait (`run_until`).
    """

    def __init__(self) -> None:
        self.noise: list[bytes] = []  # lines from the device that are not of the protocol
        self._events: list[dict[str, Any]] = []
        self._replies: dict[int, dict[str, Any]] = {}
        self._line = bytearray()
        self._id = 0

    def _receive(self) -> None:
        data = self.host_read()
        if not data:
            return
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            line = bytes(self._line[:end])
            del self._line[: end + 1]
            body, star, crc = line.rpartition(b"*")
            if not star or crc != b"%08x" % zlib.crc32(body):
                self.noise.append(line)
                continue
            message: dict[str, Any] = json.loads(body)
            if "ev" in message:
                self._events.append(message)
            else:
                self._replies[message["id"]] = message

    def ask(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]:
        """Send one request; its whole reply. LinkTimeout when none comes in virtual time."""
        self._id += 1
        request = {"id": self._id, "op": op, **arguments}
        body = json.dumps(request, separators=(",", ":")).encode()
        self.host_write(b"%s*%08x\n" % (body, zlib.crc32(body)))

        def answered() -> bool:
            self._receive()
            return self._id in self._replies

        if not self.run_until(answered, timeout_ms):
            raise LinkTimeout(f"no reply to {op} within {timeout_ms} ms")
        return self._replies.pop(self._id)

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        self._receive()
        return list(self._events)

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device; what it does not take yet waits at the host."""
        raise NotImplementedError

    def host_read(self) -> bytes:
        """Bytes from the device that nobody has read, `ask` and `events` included."""
        raise NotImplementedError

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Run until `condition()`, looked at every `step_ms`. False when the time ran out."""
        raise NotImplementedError
