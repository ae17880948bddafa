"""A host gone mad: it never stops writing.

May import the standard library, `protocol` and `link_client`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from hw_sim.bench.link_client import PAGE_RECORDS, NotAsExpected, encode
from hw_sim.bench.protocol import SimulatedBench

_FIRST_FLOOD_ID = 500_000_000
_FEED_EVERY_NS = 2_000_000
_LINE_OF_1_MB = 1 << 20


class Flood:
    """A host that never stops writing: the device's receive buffer is always full.

    Its own virtual time brings the next of `pieces` as soon as fewer than `ahead_bytes` wait at
    the host. `reads`: it also takes replies away as fast as they come.
    """

    def __init__(
        self, bench: SimulatedBench, pieces: Iterator[bytes], *, ahead_bytes: int, reads: bool
    ) -> None:
        self._bench = bench
        self._pieces = pieces
        self._ahead_bytes = ahead_bytes
        self._reads = reads
        self._on = False
        self.bytes = 0

    def start(self) -> None:
        """Begin."""
        self._on = True
        self._feed()

    def stop(self, timeout_ms: float = 5_000, settle_ms: float = 50) -> None:
        """End, and wait until the device has taken in what was under way."""
        self._on = False
        bench = self._bench
        bench.host_write(b"\n")
        if not bench.run_until(lambda: not bench.host_unsent, timeout_ms, 10):
            raise NotAsExpected("the device does not read what the host has written")
        bench.run_for(settle_ms)
        if self._reads:
            bench.events()

    def write(self, data: bytes) -> None:
        """Send something else, besides."""
        self.bytes += len(data)
        self._bench.host_write(data)

    def _feed(self) -> None:
        if not self._on:
            return
        bench = self._bench
        while bench.host_connected and bench.host_unsent < self._ahead_bytes:
            self.write(next(self._pieces))
        if self._reads:
            bench.events()
        bench.clock.call_after(_FEED_EVERY_NS, self._feed)


_STATUS: dict[str, Any] = {"op": "status"}
_HELLO: dict[str, Any] = {"op": "hello"}
_LOG: dict[str, Any] = {"op": "log", "from": 1, "max": PAGE_RECORDS}
_OUT_OF_RANGE: dict[str, Any] = {"op": "set", "key": "depth_um", "value": 1}
_DRAWN = (
    _STATUS,
    _STATUS,
    _HELLO,
    {"op": "get", "key": "depth_um"},
    {"op": "describe", "part": "faults", "from": 0},
    _LOG,
    {"op": "time"},
    _OUT_OF_RANGE,
    {"op": "nothing of the kind"},
)
_IN_TURN = (_STATUS, _HELLO, _LOG, _STATUS, _OUT_OF_RANGE)
_BAD_CRC = b'{"id":1,"op":"status"}*00000000\n'


class DrawnPieces(Iterator[bytes]):
    """Valid requests, noise, lines of up to 1 MB, broken CRCs, all drawn from `seed`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._rest: Iterator[bytes] = iter(())
        self._huge_in = 12
        self.requests = 0

    def __next__(self) -> bytes:
        while True:
            for piece in self._rest:
                return piece
            self._rest = iter(self._draw())

    def _draw(self) -> Iterable[bytes]:
        draw = self._random
        self._huge_in -= 1
        if self._huge_in == 0:
            self._huge_in = 40
            size = draw.choice((513, 2049, 9_000, _LINE_OF_1_MB))
            return _huge(size, draw.randint(32, 126))
        kind = draw.randrange(8)
        if kind == 0:
            return (draw.randbytes(draw.randint(1, 200)),)
        if kind == 1:
            return (_BAD_CRC,)
        self.requests += 1
        return (encode({"id": _FIRST_FLOOD_ID + self.requests, **draw.choice(_DRAWN)}),)


def _huge(size: int, byte: int) -> Iterator[bytes]:
    for _ in range(size // 512):
        yield bytes((byte,)) * 512
    yield b"\n"


def pieces_in_turn() -> Iterator[bytes]:
    """Valid requests, noise and broken CRCs, always the same."""
    requests, at = 0, 0
    while True:
        at += 1
        kind = at % 8
        if kind == 3:
            yield bytes((at * 37 + i * 11) % 256 for i in range(90))
        elif kind == 6:
            yield _BAD_CRC
        else:
            requests += 1
            yield encode({"id": _FIRST_FLOOD_ID + requests, **_IN_TURN[at % len(_IN_TURN)]})
