"""Lines, requests, replies and events over a transport, by docs/protocol.md.

May import the frame code shared with the firmware, `records`, `errors` and the standard library.

All waiting is counted on the link's own clock: real time, but a read that came back empty counts
for the time of one slice. So a simulated device, whose time runs much faster than
the wall's, gets exactly the patience that a real one does.
"""

import json
import os
import re
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from cryo import frame

from host_tools.errors import LinkTimeout, ProtocolError, Refused
from host_tools.records import RECORD_BYTES
from host_tools.transport import Transport

Message = dict[str, Any]

TIMEOUT_S = 1.5
"""How long one try waits for its reply, seconds."""

TRIES = 4
"""How often a request is sent before the link gives up."""

NOISY_TRIES = 16
"""How often, when damaged lines came in place of the reply. With 3 damaged bytes in 10 000 nearly
half of the longest replies are lost: 4 tries fail once in 25 requests, 16 once in 400 000."""

NOISY_TIMEOUT_S = 0.3
"""How long a try waits after a damaged line, seconds: the device answers within 0.1 s."""

_ID_LIMIT = 1 << 30

_CHUNK = struct.Struct("<BBII")
"""Head of a binary chunk of `log_block`: mark, number of records, request, first record."""
_CHUNK_MARK = 2
_CHUNK_RECORDS = 31
_CRC = struct.Struct("<I")
CHUNK_STALLED_S = 0.25
"""Silence in the midst of a chunk after which the rest of it is taken as lost, seconds."""
_STREAMS = 8
"""Requests whose chunks are recognised: one that was replaced may still be under way."""

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
    bad_lines: int
    """Damaged lines on the link when it was sent."""
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
        self._streams: deque[int] = deque(maxlen=_STREAMS)
        self._heads: re.Pattern[bytes] | None = None
        self._received_s = 0.0
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
            if self._chunk_begun() and self.now_s - self._received_s > CHUNK_STALLED_S:
                # Its end was lost: what has come behind it must not wait for more bytes.
                self.counts.bad_lines += 1
                del self._buffer[:1]
                self._take_all()
            return
        self._received_s = self.now_s
        self._buffer += data
        self._take_all()

    def _take_all(self) -> None:
        buffer = self._buffer
        while buffer and (self._take_chunk() or self._take_line()):
            pass
        if len(buffer) > frame.MAX_LINE:
            # No such line can be valid any more: drop it now instead of collecting it.
            if not self._skipping:
                self.counts.bad_lines += 1
            self._skipping = True
            buffer.clear()

    def expect_chunks(self, number: int) -> None:
        """Recognise the binary chunks of request `number`, a `log_block`.

        Each arrives as a message {"chunk": number, "seq": int, "records": bytes}; a damaged one,
        whose head is readable, without `records`.
        """
        self._streams.append(number)
        ids = b"|".join(re.escape(_CRC.pack(number)) for number in self._streams)
        counts = b"\\x01-\\x%02x" % _CHUNK_RECORDS
        self._heads = re.compile(b"\\x%02x[%s](?:%s)" % (_CHUNK_MARK, counts, ids), re.DOTALL)

    def _chunk_begun(self) -> bool:
        return self._heads is not None and self._heads.match(self._buffer) is not None

    def _take_chunk(self) -> bool:
        """Take a chunk that stands at the beginning of the buffer. True if there was one."""
        buffer = self._buffer
        if self._skipping or not self._chunk_begun() or len(buffer) < _CHUNK.size:
            return False
        _, count, number, seq = _CHUNK.unpack_from(buffer)
        end = _CHUNK.size + count * RECORD_BYTES
        if len(buffer) < end + _CRC.size:
            return False
        message: Message = {"chunk": number, "seq": seq}
        if zlib.crc32(buffer[:end]) == _CRC.unpack_from(buffer, end)[0]:
            message["records"] = bytes(buffer[_CHUNK.size : end])
        else:
            self.counts.bad_lines += 1
        self._inbox.append(message)
        del buffer[: end + _CRC.size]
        return True

    def _take_line(self) -> bool:
        """Take the line at the beginning of the buffer, or what stands before the next chunk."""
        buffer = self._buffer
        end = buffer.find(b"\n")
        head = self._heads.search(buffer) if self._heads is not None else None
        if head is not None and (end < 0 or head.start() < end):
            if not head.start():
                return False  # an incomplete chunk
            line = bytes(buffer[: head.start()])
            del buffer[: head.start()]
        elif end >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
        else:
            return False
        if self._skipping:
            self._skipping = False  # the end of a line that was too long: dropped already
        else:
            self._take(line)
        return True

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
        self._open[number] = _Open(number, line, link.now_s, link.counts.bad_lines)
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
            noisy = link.counts.bad_lines > item.bad_lines
            patience_s = min(link.timeout_s, NOISY_TIMEOUT_S) if noisy else link.timeout_s
            if now_s - max(item.since_s, self._progress_s) < patience_s:
                continue
            if item.tries >= (max(link.tries, NOISY_TRIES) if noisy else link.tries):
                raise LinkTimeout(*link.silence())
            # An empty line first: half a line may lie in the device's buffer, and would corrupt
            # this one as well.
            link.transport.write(b"\n")
            self._resend(item)

    def _resend(self, item: _Open) -> None:
        link = self._link
        if item.tries >= max(
            link.tries * 2, NOISY_TRIES
        ):  # lost again and again, though others come through
            raise LinkTimeout(*link.silence())
        item.tries += 1
        item.since_s = link.now_s
        item.bad_lines = link.counts.bad_lines
        link.counts.resent += 1
        link.transport.write(item.line)
        self._open[item.number] = self._open.pop(item.number)  # to the end of the order
