"""Power cut at every byte of every write, on the fast bench. H-07, H-08, H-11, H-15

One story writes settings, the records of a purge and two freezes, and a release with its anchor.
Its programs and erases are recorded; each is then done up to a byte, the device restarted with that
flash, and checked as in power_cuts.py: nothing that was committed is missing, nothing else is
there, an unfinished opening is reported with true bounds, and no switch of the valve rises. The
gate takes a varying byte of each write; `make test-nightly` every byte of each program, and every
128th of each erase.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from hw_sim.bench import FastBench
from hw_sim.image import micropython
from hw_sim.image.flash import BLOCK_BYTES, BLOCK_COUNT, SimFlash
from tests.scenarios.conftest import US, arm, freezing, ready, treat, until
from tests.scenarios.power_cuts import Cut, committed, openings, verify


@dataclass(frozen=True)
class Write:
    """One program (`data`) or erase, and the openings of the gate before it, in us."""

    at: int
    data: bytes | None
    opened_us: tuple[float, ...]

    @property
    def length(self) -> int:
        return BLOCK_BYTES if self.data is None else len(self.data)

    def done(self, image: bytes, count: int) -> bytes:
        """The flash after `count` bytes of it."""
        old = image[self.at : self.at + count]
        data = b"\xff" * count if self.data is None else self.data[:count]
        new = data if self.data is None else bytes(a & b for a, b in zip(old, data, strict=True))
        return image[: self.at] + new + image[self.at + count :]


class RecordingFlash(SimFlash):
    """Keeps what is written."""

    def __init__(self, image: bytes) -> None:
        super().__init__(image)
        self.writes: list[Write] = []
        self.opened_us: Callable[[], tuple[float, ...]] = tuple

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        self.writes.append(Write(block * BLOCK_BYTES + off, bytes(data), self.opened_us()))
        return super().prog(cfg, block, off, data)

    def erase(self, cfg: Any, block: int) -> int:
        self.writes.append(Write(block * BLOCK_BYTES, None, self.opened_us()))
        return super().erase(cfg, block)


@cache
def story() -> tuple[bytes, list[Write]]:
    """The flash before, and all writes."""
    new = FastBench(calibrated=False)
    ready(new, whole=True)
    new.cut_power()
    # (The restarts need the sources: the fast bench reads no .mpy files.)
    image = new.flash.image()
    flash = RecordingFlash(image)
    bench = FastBench(flash=flash)
    flash.opened_us = lambda: tuple((b - a) / US for a, b in bench.valve_intervals())
    ready(bench)
    bench.ask("set", key="volume", value=3)
    bench.press("up")
    bench.run_for(2_500)
    treat(bench)  # a purge and a freeze
    bench.run_for(300)
    bench.press("select")
    until(bench, "READY")
    raw = bench.log()[-1]
    head = int.from_bytes(raw[:4], "little")
    chain = base64.b64encode(raw[48:]).decode()
    assert bench.ask("log_release", timeout_ms=5000, seq=head, chain=chain)["ok"]
    bench.ask("set", key="volume", value=1)
    arm(bench)
    freezing(bench, 400)
    bench.release("trigger")
    until(bench, "DONE")
    bench.run_for(500)
    return image, flash.writes


def cuts(places: Callable[[int, Write], Iterable[int]]) -> tuple[int, int, int]:
    """Make the cuts; number of them, of different flashes among them, and of lost freezes."""
    image, writes = story()
    made, lost = 0, 0
    seen: set[bytes] = set()
    before = committed(image)
    for number, write in enumerate(writes):
        whole = write.done(image, write.length)
        after = committed(whole)
        for count in places(number, write):
            torn = write.done(image, count)
            made += 1
            digest = hashlib.sha256(torn).digest()
            if digest in seen:
                continue
            seen.add(digest)
            state = committed(torn)
            begun = openings(state)
            opened = write.opened_us
            true_us = opened[begun - 1] if 0 < begun <= len(opened) else 0.0
            kind = "erase" if write.data is None else "program"
            name = f"{kind} {number} of {len(writes)}, {count} bytes of {write.length}"
            bench = FastBench(flash=SimFlash(torn))
            try:
                report = verify(bench, Cut(name, torn, before, after, true_us))
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error
            lost += "bounds_us" in report
        image, before = whole, after
    return made, len(seen), lost


@pytest.mark.slow
@pytest.mark.hazard("H-07", "H-08", "H-11", "H-15")
def test_a_cut_within_each_write_loses_nothing() -> None:
    """H-07, H-08, H-11, H-15: a varying byte of each program and erase."""
    made, flashes, lost = cuts(lambda n, w: [(37 + 61 * n) % (w.length - 2) + 1])
    assert made >= 60
    assert flashes >= 20
    assert lost >= 1


@pytest.mark.nightly
@pytest.mark.hazard("H-07", "H-08", "H-11", "H-15")
def test_a_cut_at_every_byte_of_every_write_loses_nothing() -> None:
    """H-07, H-08, H-11, H-15: exhaustively for programs; erases at every 128th byte."""
    made, flashes, lost = cuts(lambda _n, w: range(0, w.length + 1, 128 if w.data is None else 1))
    print(f"\n{made} cuts, {flashes} different flashes, {lost} in an opening that had begun")
    assert made >= 10_000


def test_the_story_writes_what_a_device_writes() -> None:
    """Otherwise the cuts would miss a file."""
    image, writes = story()
    before = micropython.read_filesystem(image)
    for write in writes:
        image = write.done(image, write.length)
    assert len(image) == BLOCK_BYTES * BLOCK_COUNT
    after = micropython.read_filesystem(image)
    changed = {name for name in after if after[name] != before.get(name)}
    assert {"settings_a.bin", "settings_b.bin", "journal/00000001"} <= changed
    assert any(name.startswith("released_") for name in changed)
