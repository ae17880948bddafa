"""The host's end of the link in a simulation: requests out, replies and events in.

May import the standard library only. Written by docs/protocol.md and by nothing of the firmware.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

PAGE_RECORDS = 18
"""The most records that the device puts into one reply."""

_CHUNK_MARK = b"\x02"
_CHUNK_HEAD = struct.Struct("<BBII")  # mark, number of records, request, first record
_RECORD_BYTES = 64


class LinkTimeout(TimeoutError):
    """The device did not answer in time."""


class NotAsExpected(RuntimeError):
    """The device did something else than was needed of it."""


class Refused(NotAsExpected):
    """The device answered a request with an error."""

    def __init__(self, op: str, arguments: dict[str, Any], error: dict[str, Any]) -> None:
        super().__init__(f"{op} {arguments}: {error}")
        self.code = str(error.get("code", ""))
        self.error = error


def encode(message: dict[str, Any]) -> bytes:
    """A line of the link."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"%s*%08x\n" % (body, zlib.crc32(body))


def decode(line: bytes) -> dict[str, Any] | None:
    """The message of a line (without its end); None if it is not of the protocol."""
    body, star, crc = line.rpartition(b"*")
    if not star or crc != b"%08x" % zlib.crc32(body):
        return None
    return json.loads(body)


class LineReader:
    """Bytes to messages. What is not of the protocol is dropped and collected in `noise`.

    A binary chunk of `log_block` becomes a message too: `chunk` (the request's id), `seq`,
    `records` (bytes).
    """

    def __init__(self, longest: int = 0) -> None:
        self.noise: list[bytes] = []
        self._part = bytearray()
        self._longest = longest  # an unfinished line that is longer is dropped; 0: none is

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take in what has come; the messages that are complete."""
        part = self._part
        part += data
        while part:
            if part.startswith(_CHUNK_MARK):
                chunk = self._chunk()
                if chunk is None:
                    return
                if chunk:
                    yield chunk
                continue
            end = part.find(b"\n")
            if end < 0:
                break
            line = bytes(part[:end])
            del part[: end + 1]
            message = decode(line)
            if message is None:
                self.noise.append(line)
            else:
                yield message
        if self._longest and len(part) > self._longest:
            part.clear()

    def _chunk(self) -> dict[str, Any] | None:
        """The chunk at the beginning; None when it is incomplete, {} when it is damaged."""
        part = self._part
        if len(part) < _CHUNK_HEAD.size:
            return None
        _, count, number, seq = _CHUNK_HEAD.unpack_from(part)
        end = _CHUNK_HEAD.size + count * _RECORD_BYTES
        if len(part) < end + 4:
            return None
        if struct.unpack_from("<I", part, end) != (zlib.crc32(part[:end]),):
            self.noise.append(bytes(part[:1]))
            del part[:1]
            return {}
        records = bytes(part[_CHUNK_HEAD.size : end])
        del part[: end + 4]
        return {"chunk": number, "seq": seq, "records": records}

    def clear(self) -> None:
        """Forget an unfinished line."""
        self._part.clear()


class LinkClient:
    """The host's end of the link, on whatever bench.

    A bench adds bytes out and in (`host_write`, `host_read`), and how to wait (`run_until`).
    """

    def __init__(self) -> None:
        self._line = LineReader()
        self._events: list[dict[str, Any]] = []
        self._replies: dict[int, dict[str, Any]] = {}
        self._chunks: list[dict[str, Any]] = []
        self._id = 0

    @property
    def noise(self) -> list[bytes]:
        """Lines from the device that are not of the protocol."""
        return self._line.noise

    def _receive(self) -> None:
        data = self.host_read()
        if not data:
            return
        for message in self._line.feed(data):
            if "ev" in message:
                self._events.append(message)
            elif "chunk" in message:
                self._chunks.append(message)
            else:
                self._replies[message["id"]] = message

    def ask(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]:
        """Send one request; its whole reply. LinkTimeout when none comes in virtual time."""
        self._id += 1
        self.host_write(encode({"id": self._id, "op": op, **arguments}))

        def answered() -> bool:
            self._receive()
            return self._id in self._replies

        if not self.run_until(answered, timeout_ms):
            raise LinkTimeout(f"no reply to {op} within {timeout_ms} ms")
        return self._replies.pop(self._id)

    def ok(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]:
        """As `ask`, but only what stands under `ok`. Refused when the device answers `err`."""
        reply = self.ask(op, timeout_ms=timeout_ms, **arguments)
        if "ok" not in reply:
            raise Refused(op, arguments, reply.get("err", {}))
        return reply["ok"]

    def describe(self, part: str) -> list[list[Any]]:
        """All rows of a part of the device's description."""
        rows: list[list[Any]] = []
        following: int | None = 0
        while following is not None:
            page = self.ok("describe", part=part, **{"from": following})
            rows += page["rows"]
            following = page["next"]
        return rows

    def log_pages(
        self, first: int = 1, *, most: int = PAGE_RECORDS, timeout_ms: float = 2000
    ) -> Iterator[dict[str, Any]]:
        """The log from record `first`, or from the oldest one that the device still has, to its
        present head, a reply at a time."""
        head = self.ok("hello")["log_head"]
        following = first
        while following <= head:
            try:
                page = self.ok("log", timeout_ms=timeout_ms, **{"from": following, "max": most})
            except Refused as refused:
                oldest = refused.error.get("min", 0)
                if refused.code != "range" or oldest <= following:
                    raise
                following = oldest
                continue
            yield page
            if page["next"] <= following:
                raise NotAsExpected(f"the log has no record {following}, but {head} is its head")
            following = page["next"]

    def log(
        self, first: int = 1, *, most: int = PAGE_RECORDS, timeout_ms: float = 2000
    ) -> list[bytes]:
        """The records of the log from `first` on, 64 bytes each, unchecked."""
        pages = self.log_pages(first, most=most, timeout_ms=timeout_ms)
        return [raw for page in pages for raw in records_of(page)]

    def log_block(
        self, first: int = 1, *, most: int = 1 << 20, timeout_ms: float = 5000
    ) -> list[bytes]:
        """The records from `first` on as `log` gives them, by one request and in binary chunks.

        LinkTimeout when not all that the reply promises have come in virtual time.
        """
        self._chunks.clear()
        promised = self.ok("log_block", **{"from": first, "max": most})["count"]

        def complete() -> bool:
            self._receive()
            come = sum(len(chunk["records"]) for chunk in self._chunks)
            return come >= promised * _RECORD_BYTES

        if not self.run_until(complete, timeout_ms):
            raise LinkTimeout(f"not all of {promised} records within {timeout_ms} ms")
        data = b"".join(chunk["records"] for chunk in self._chunks)
        return [data[at : at + _RECORD_BYTES] for at in range(0, len(data), _RECORD_BYTES)]

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        self._receive()
        return list(self._events)

    def forget_events(self) -> None:
        """Drop all events but the newest state, for a bench that runs for hours."""
        states = [event for event in self.events() if event["ev"] == "state"]
        self._events[:] = states[-1:]
        self._line.noise.clear()

    def states(self) -> list[str]:
        """All states that the device has reported, in order."""
        return [event["state"] for event in self.events() if event["ev"] == "state"]

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device; what it does not take yet waits at the host."""
        raise NotImplementedError

    def host_read(self) -> bytes:
        """Unread bytes from the device, those of `ask` and `events` included."""
        raise NotImplementedError

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Run until `condition()`, looked at every `step_ms`. False when the time ran out."""
        raise NotImplementedError


def records_of(page: dict[str, Any]) -> list[bytes]:
    """The records in a reply to `log`."""
    return [base64.b64decode(text) for text in page["records"]]
