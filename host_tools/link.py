"""Lines, requests, replies and events over a transport, by docs/protocol.md.

May import the frame code shared with the firmware, `errors` and the standard library.

All waiting is counted on the link's own clock: real time, but a read that came back empty counts
for the time of one slice. So a simulated device, whose time runs much faster than
the wall's, gets exactly the patience that a real one does.
"""

import json
import os
import re
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from cryo import frame

from host_tools.errors import LinkTimeout, ProtocolError, Refused
from host_tools.transport import Transport

Message = dict[str, Any]

TIMEOUT_S = 1.5
"""How long one try waits for its reply, seconds."""

TRIES = 4
"""How often a request is sent before the link gives up."""

_ID_LIMIT = 1 << 30

_HEX = re.compile(rb"[0-9A-Fa-f]{8}")
# The frame code runs on MicroPython too, which knows no annotations of this kind.
_encode = cast(Callable[[bytes, int], bytes], frame.encode)  # pyright: ignore[reportUnknownMemberType]


def split_line(line: bytes) -> tuple[bytes, int] | None:
    """(payload, crc) of a line without its newline, or None when it has not that form."""
    payload, star, digits = line[: -frame.TAIL], line[-frame.TAIL : -8], line[-8:]
    if not payload or star != b"*" or not _HEX.fullmatch(digits):
        return None
    return payload, int(digits, 16)


@dataclass
class LinkCounts:
    """What went by on the line, counted since the link was opened."""

    requests: int = 0
    resent: int = 0
    replies: int = 0
    events: int = 0
    stray: int = 0
    """Valid lines without a waiting request: late or repeated replies, unknown ids."""
    bad_lines: int = 0
    """Lines with a wrong CRC, truncated, too long, or not lines of this protocol at all."""


@dataclass
class _Open:
    """A request that waits for its reply."""

    number: int
    line: bytes
    since_s: float
    tries: int = 1


@dataclass
class Answer:
    """One reply: `ok` when the device did it, else `refusal`."""

    number: int
    ok: Message | None
    refusal: Refused | None


@dataclass
class Link:
    """One host's conversation with one device.

    `first_id` is the id of the first request; by default a random one, so that a late reply to
    an earlier session is never taken for ours.
    """

    transport: Transport
    timeout_s: float = TIMEOUT_S
    tries: int = TRIES
    first_id: int | None = None
    on_event: Callable[[Message], None] | None = None
    counts: LinkCounts = field(default_factory=LinkCounts)

    def __post_init__(self) -> None:
        first = self.first_id
        if first is None:
            first = int.from_bytes(os.urandom(4), "little")
        self._next_id = first % _ID_LIMIT
        self._buffer = bytearray()
        self._skipping = False
        self._inbox: deque[Message] = deque()
        self._foreign: deque[str] = deque(maxlen=12)
        self._started = time.monotonic()
        self._idle_s = 0.0
        self.boots = 0

    @property
    def now_s(self) -> float:
        """The link's clock, seconds since it was opened (see the module's docstring)."""
        return time.monotonic() - self._started + self._idle_s

    def close(self) -> None:
        """Close the port."""
        self.transport.close()

    def request(self, op: str, /, **arguments: object) -> Message:
        """Send one request, again if need be, and return the `ok` of its reply.

        Raises Refused (the device said no), LinkTimeout, PortLost, ProtocolError.
        """
        pipeline = Pipeline(self)
        pipeline.add(op, **arguments)
        answer = pipeline.wait()
        if answer.refusal is not None:
            raise answer.refusal
        return cast(Message, answer.ok)

    def wait_event(self, matches: Callable[[Message], bool], timeout_s: float) -> Message | None:
        """The next event for which `matches` is true, or None after `timeout_s` seconds."""
        end_s = self.now_s + timeout_s
        while self.now_s < end_s:
            message = self.receive()
            if message is not None and "ev" in message and matches(message):
                return message
        return None

    # -- lines ------------------------------------------------------------------------------

    def send(self, payload: Message) -> bytes:
        """Frame `payload`, write it, and return the line. Raises ValueError when too long."""
        text = json.dumps(payload, separators=(",", ":")).encode("ascii")
        line = _encode(text, zlib.crc32(text))
        if len(line) > frame.MAX_REQUEST:
            raise ValueError(f"a request of {len(line)} bytes; {frame.MAX_REQUEST} is the limit")
        self.transport.write(line)
        return line

    def receive(self) -> Message | None:
        """The next valid message, reply or event, or None when one slice brought none."""
        if not self._inbox:
            self._fill()
        if not self._inbox:
            return None
        message = self._inbox.popleft()
        if "ev" in message:
            self.counts.events += 1
            if message["ev"] == "boot":
                self.boots += 1
            if self.on_event is not None:
                self.on_event(message)
        return message

    def _fill(self) -> None:
        before = time.monotonic()
        data = self.transport.read_some()
        if not data:
            self._idle_s += max(0.0, self.transport.slice_s - (time.monotonic() - before))
            return
        buffer = self._buffer
        buffer += data
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            if self._skipping:
                self._skipping = False  # the end of a line that was too long: dropped already
            else:
                self._take(line)
        if len(buffer) > frame.MAX_LINE:
            # No such line can be valid any more: drop it now instead of collecting it.
            if not self._skipping:
                self.counts.bad_lines += 1
            self._skipping = True
            buffer.clear()

    def _take(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if not line:
            return
        parts = split_line(line) if len(line) < frame.MAX_LINE else None
        message: object = None
        if parts is not None and zlib.crc32(parts[0]) == parts[1]:
            try:
                message = json.loads(parts[0])
            except ValueError:
                message = None
        if not isinstance(message, dict):
            self.counts.bad_lines += 1
            self._foreign.append(line[:200].decode("ascii", "replace"))
            return
        message = cast(Message, message)
        if "op" in message:
            # Our own request came back: something echoes (MicroPython's prompt does).
            self._foreign.append(line[:200].decode("ascii", "replace"))
            self.counts.stray += 1
            return
        self._inbox.append(message)

    def silence(self) -> tuple[str, str]:
        """Why the device may be silent, judged by what else came over the line: text and hint."""
        # MicroPython's prompt ends without a newline, so it may still lie in the buffer.
        seen = [*self._foreign, self._buffer[-200:].decode("ascii", "replace")]
        if any(">>>" in text for text in seen):
            return (
                f"MicroPython's prompt answers on {self.transport.url}, not the application",
                "the device is in maintenance: reset it, or switch it off and on",
            )
        if any("Traceback" in text for text in seen):
            last = next((text for text in reversed(seen) if text.strip()), "")
            return (
                f"the application on {self.transport.url} has stopped with an error: {last}",
                "switch the device off and on; if it happens again, flash the firmware again",
            )
        if self.counts.bad_lines:
            return (
                f"{self.counts.bad_lines} lines came from {self.transport.url}, "
                "but no valid answer",
                "is it the right port (`cryo ports`), and does the device run Cryodose?",
            )
        return (
            f"no answer from {self.transport.url}",
            "is the device on, and is it the right port? `cryo ports` lists the ports there are",
        )

    def take_id(self) -> int:
        """A fresh request id, 0…1 073 741 823."""
        number = self._next_id
        self._next_id = (number + 1) % _ID_LIMIT
        return number


class Pipeline:
    """Several concurrent requests; lost ones are sent again.

    The device answers in the order in which it was asked. So when a later request is answered
    first, the earlier ones are lost, and are sent again immediately instead of after a time-out.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: dict[int, _Open] = {}
        self._boots = link.boots
        self._progress_s = link.now_s

    def __len__(self) -> int:
        """How many requests wait for their reply."""
        return len(self._open)

    def add(self, op: str, /, **arguments: object) -> int:
        """Send a request and return its id."""
        link = self._link
        number = link.take_id()
        line = link.send({"id": number, "op": op} | arguments)
        link.counts.requests += 1
        self._open[number] = _Open(number, line, link.now_s)
        return number

    def wait(self) -> Answer:
        """The next reply to any request under way.

        Raises LinkTimeout when a request stays without reply after all tries, PortLost when
        the port goes away, ProtocolError when the reply has neither `ok` nor `err`.
        """
        link = self._link
        while True:
            message = link.receive()
            if message is None:
                self._resend_late()
            elif "ev" in message:
                if link.boots != self._boots:
                    # The device has just started: whatever was under way is forgotten there.
                    self._boots = link.boots
                    for item in list(self._open.values()):
                        self._resend(item)
            else:
                answer = self._match(message)
                if answer is not None:
                    return answer

    def _match(self, message: Message) -> Answer | None:
        link = self._link
        number = message.get("id")
        if not isinstance(number, int) or number not in self._open:
            link.counts.stray += 1
            return None
        lost: list[_Open] = []
        for item in self._open.values():
            if item.number == number:
                break
            lost.append(item)
        del self._open[number]
        link.counts.replies += 1
        self._progress_s = link.now_s
        for item in lost:
            self._resend(item)
        ok, err = message.get("ok"), message.get("err")
        if isinstance(ok, dict):
            return Answer(number, cast(Message, ok), None)
        if isinstance(err, dict):
            err = cast(Message, err)
            detail = {key: err[key] for key in ("min", "max", "unit") if key in err}
            refusal = Refused(str(err.get("code", "?")), str(err.get("text", "")), detail)
            return Answer(number, None, refusal)
        raise ProtocolError(f"a reply with neither ok nor err: {json.dumps(message)[:120]}")

    def _resend_late(self) -> None:
        link = self._link
        now_s = link.now_s
        for item in list(self._open.values()):
            if now_s - max(item.since_s, self._progress_s) < link.timeout_s:
                continue
            if item.tries >= link.tries:
                raise LinkTimeout(*link.silence())
            # An empty line first: half a line may lie in the device's buffer, and would corrupt
            # this one as well.
            link.transport.write(b"\n")
            self._resend(item)

    def _resend(self, item: _Open) -> None:
        link = self._link
        if item.tries >= link.tries * 2:  # lost again and again, though others come through
            raise LinkTimeout(*link.silence())
        item.tries += 1
        item.since_s = link.now_s
        link.counts.resent += 1
        link.transport.write(item.line)
        self._open[item.number] = self._open.pop(item.number)  # to the end of the order
