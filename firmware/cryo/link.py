"""The serial link: receives at most one request a tick, sends replies and events.

May import binascii, json, micropython.const and cryo's frame. Controls: H-12 (work a tick is
bounded; nothing on the link can open the valve, delay the loop while it is open, or allocate then).

While the valve is open the link uses a separate short path: a fixed reply to `status` and `busy` to
all other requests, written into a preallocated buffer and sent byte by byte while the USB stack has
room, since a blocked write would stall the loop. A tick then does one step (receive, compose, add
to the CRC, or send), none of which takes longer than 4 ms.
"""

import binascii
import json

from micropython import const

from cryo import frame

_BYTES_A_TICK = const(160)
_BYTES_A_TICK_OPEN = const(24)
_SEARCH_OPEN = const(96)  # bytes of a request that are searched for id and op
_SEALED_OPEN = const(48)  # bytes of a reply added to its CRC in a tick
_CHUNK = const(256)  # MicroPython's transmit FIFO (CFG_TUD_CDC_TX_BUFSIZE)
_LOOKS = const(20)  # at the port a tick, 1 ms: a host that reads takes a chunk in that time
_STALL_MS = const(40)  # a write that takes this long has blocked
_MAX_ID = const(0x3FFFFFFF)
_TICKS_MASK = const(0x3FFFFFFF)

_ID_KEY = b'"id":'
_STATUS_OP = b'"op":"status"'
_ID_HEAD = b'{"id":'
_OK_FREEZING = b',"ok":{"state":"FREEZING","remaining_ms":'
_OK_PRECHILL = b',"ok":{"state":"PRECHILL","remaining_ms":'
_ELAPSED = b',"elapsed_ms":'
_NOZZLE = b',"nozzle_c_x100":'
_VALVE = b',"valve":"open"}}'
_BUSY = b',"err":{"code":"busy","text":"the valve is open; ask again when it has closed"}}'


def _find(buffer, length, word):
    """First index of `word` in `buffer[:length]`, or -1. Does not allocate."""
    size = len(word)
    first = word[0]
    for at in range(length - size + 1):
        if buffer[at] == first:
            for i in range(size):
                if buffer[at + i] != word[i]:
                    break
            else:
                return at
    return -1


class Link:
    """The line protocol over a port (`board.port`)."""

    def __init__(self, port, handle):
        self._port = port
        self._handle = handle  # handle(request: dict) -> reply dict
        self._in = frame.LineIn()
        self._crc = frame.Crc32()
        self._out = bytearray(frame.MAX_LINE + 512)  # a reply, and events behind it
        self._view = memoryview(self._out)
        self._out_at = 0
        self._out_end = 0
        self._unsealed = 0  # length of a short reply that has no CRC yet, or 0
        self._sealed = 0  # bytes of it already in the CRC
        self._waiting = False  # an unanswered request is in the line buffer
        self._chunk = _CHUNK
        self.source = None  # of the running stream, or None

    def dropped(self):
        """Number of invalid lines dropped."""
        return self._in.dropped

    def idle(self):
        """Whether the transmit queue is empty."""
        return self._out_end == 0 and not self._unsealed and not self.source

    # -- valve closed ---------------------------------------------------------------------

    def step(self, ticks_ms, only_send):
        """One tick with the valve closed: send queued bytes, then take one request.

        `only_send`: take no request, since this tick is long already.
        """
        if self._unsealed:
            self._seal(self._unsealed)
        self.send(ticks_ms)
        if only_send:
            return
        if self._receive(_BYTES_A_TICK) and not self._out_end:
            self._waiting = False
            self._answer()
            self.send(ticks_ms)
        self.refill()

    def stream(self, source):
        """Send what `source.fill(buffer)` writes, a chunk at a time, until it returns 0."""
        self.source = source

    def refill(self):
        """Take the next chunk of a stream once the one before has been sent. True if there is one.

        A request is answered first: the queue is empty when its reply is queued.
        """
        if not self.source or self._out_end or self._waiting:
            return False
        self._out_end = self.source.fill(self._out)
        if not self._out_end:
            self.source = None
        return self._out_end > 0

    def _receive(self, budget):
        """Read bytes until a line is complete. True when one is in the line buffer."""
        if self._waiting:
            return True
        port = self._port
        line = self._in
        while budget:
            byte = port.read_byte()
            if byte < 0:
                return False
            budget -= 1
            if line.feed(byte) == frame.LINE:
                self._waiting = True
                return True
        return False

    def _answer(self):
        line = self._in
        try:
            request = json.loads(bytes(line.buffer[: line.length]))
        except ValueError:
            request = None
        request_id = request.get("id") if isinstance(request, dict) else None
        if (
            not isinstance(request_id, int)
            or isinstance(request_id, bool)
            or not 0 <= request_id <= _MAX_ID
        ):
            line.dropped += 1  # no valid id to answer to
            return
        reply = self._handle(request)
        reply["id"] = request_id
        self._put(reply)

    def event(self, event):
        """Queue an event (a dict with `ev`); it is lost if the queue is full."""
        self._put(event)

    def _put(self, message):
        payload = json.dumps(message, separators=(",", ":")).encode()
        data = frame.encode(payload, binascii.crc32(payload))
        if self._unsealed:
            self._seal(self._unsealed)
        end = self._out_end + len(data)
        if len(data) > frame.MAX_LINE or end > len(self._out):
            return
        self._out[self._out_end : end] = data
        self._out_end = end

    def send(self, ticks_ms):
        """Send queued bytes as far as the host takes them. Waits for it 1 ms at most."""
        port = self._port
        looks = _LOOKS
        while self._out_at < self._out_end and looks:
            looks -= 1
            if not (port.drained() if self._chunk > 1 else port.can_write()):
                continue
            size = min(self._chunk, self._out_end - self._out_at)
            before_ms = ticks_ms()
            port.write(self._view[self._out_at : self._out_at + size])
            self._out_at += size
            if (ticks_ms() - before_ms) & _TICKS_MASK >= _STALL_MS:
                # H-12: this board's USB differs from what `drained` assumes. One byte never blocks.
                self._chunk = 1
        if self._out_at >= self._out_end:
            self._out_at = 0
            self._out_end = 0

    # -- valve open: no allocation ----------------------------------------------------------

    def step_open(self, purging, remaining_ms, elapsed_ms, nozzle_c_x100):
        """One tick with the valve open: one step of work. Bounded; does not allocate."""
        if self._out_end:
            self._trickle()
        elif self._unsealed:
            self._seal(_SEALED_OPEN)
        elif not self._waiting:
            self._receive(_BYTES_A_TICK_OPEN)
        else:
            self._waiting = False
            self._short_reply(purging, remaining_ms, elapsed_ms, nozzle_c_x100)

    def _trickle(self):
        port = self._port
        out = self._out
        at = self._out_at
        end = self._out_end
        budget = _BYTES_A_TICK_OPEN
        while budget and at < end and port.can_write():
            port.write_byte(out[at])
            at += 1
            budget -= 1
        if at >= end:
            at = 0
            self._out_end = 0
        self._out_at = at

    def _short_reply(self, purging, remaining_ms, elapsed_ms, nozzle_c_x100):
        line = self._in
        length = min(line.length, _SEARCH_OPEN)
        at = _find(line.buffer, length, _ID_KEY)
        request_id = -1
        if at >= 0:
            at += len(_ID_KEY)
            while at < length and 48 <= line.buffer[at] <= 57 and request_id <= _MAX_ID // 10:
                request_id = (request_id if request_id > 0 else 0) * 10 + line.buffer[at] - 48
                at += 1
        if request_id < 0 or request_id > _MAX_ID:
            line.dropped += 1
            return
        end = self._copy(_ID_HEAD, 0)
        end = self._digits(request_id, end)
        if _find(line.buffer, length, _STATUS_OP) >= 0:
            end = self._copy(_OK_PRECHILL if purging else _OK_FREEZING, end)
            end = self._digits(remaining_ms, end)
            end = self._copy(_ELAPSED, end)
            end = self._digits(elapsed_ms, end)
            end = self._copy(_NOZZLE, end)
            end = self._digits(nozzle_c_x100, end)
            end = self._copy(_VALVE, end)
        else:
            end = self._copy(_BUSY, end)
        self._out_at = 0
        self._unsealed = end
        self._sealed = 0
        self._crc.reset()

    def _seal(self, most):
        """Add up to `most` bytes of a short reply to its CRC; after the last it can be sent."""
        out = self._out
        crc = self._crc
        at = self._sealed
        end = min(at + most, self._unsealed)
        while at < end:
            crc.update(out[at])
            at += 1
        self._sealed = at
        if at == self._unsealed:
            self._out_end = frame.close_line(out, at, crc)
            self._unsealed = 0

    def _copy(self, word, at):
        out = self._out
        for byte in word:
            out[at] = byte
            at += 1
        return at

    def _digits(self, value, at):
        out = self._out
        if value < 0:
            out[at] = 45
            at += 1
            value = -value
        size = 1
        rest = value // 10
        while rest:
            size += 1
            rest //= 10
        last = at + size
        while size:
            size -= 1
            out[at + size] = 48 + value % 10
            value //= 10
        return last
