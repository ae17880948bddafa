"""Cutting the power of an emulated board at any write to its flash, and looking what is left.

The emulated board runs one story. At each program and erase that its littlefs makes, and at
moments of a freeze, a copy of the process (hw_sim.emulator.copies) loses power with nothing, a
part or all but one byte of that write done. The copy is then switched on again: the emulated board
itself, or its flash on the fast bench, which has the same littlefs layout and is quick. Nothing
that had been committed may be missing, and a freeze that was interrupted must be told.

May import the standard library, hw_sim and what scenarios say often (conftest.py).
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable
from typing import Any

from hw_sim.bench import Bench, FastBench, LinkTimeout
from hw_sim.bench.operator import NotReached
from hw_sim.emulator import EmulatedBench
from hw_sim.emulator.chip import FlashWrite
from hw_sim.emulator.copies import Copies
from hw_sim.image import micropython
from hw_sim.image.flash import SimFlash
from tests.scenarios.conftest import (
    BOOT,
    FREEZE_BEGIN,
    FREEZE_END,
    FREEZE_LOST,
    PRECHILL_BEGIN,
    PRECHILL_END,
    RESET,
    US,
    Record,
    faults,
    records,
)
from tests.scenarios.fault_numbers import Fault

# Those that change here, by number, with their defaults (docs/protocol.md)
SETTINGS = {1: ("depth_um", 2300), 4: ("volume", 2)}
DAMAGE = {Fault.SETTINGS_LOST, Fault.JOURNAL_FAILED, Fault.JOURNAL_DAMAGED}


@dataclasses.dataclass
class Committed:
    """What a flash image holds, read by littlefs and by docs/protocol.md, not by the firmware."""

    journal: list[Record]
    settings: dict[int, int]  # by number; what is not there has its default


def committed(image: bytes) -> Committed:
    files = micropython.read_filesystem(image)
    journal = b"".join(data for name, data in sorted(files.items()) if name.startswith("journal/"))
    assert len(journal) % 64 == 0
    book: list[Record] = []
    for at in range(0, len(journal), 64):
        fields = struct.unpack("<IHBBII8i", journal[at : at + 48])
        book.append(Record(*fields[:6], fields[6:]))
    newest, settings = -1, {}
    for name in ("settings_a.bin", "settings_b.bin"):
        data = files.get(name)
        if data is None:
            continue
        body, crc = data[:-4], int.from_bytes(data[-4:], "little")
        assert zlib.crc32(body) == crc, f"{name} is torn"
        magic, _format, count, generation = struct.unpack_from("<4sHHI", body)
        assert magic == b"CRYO"
        if generation > newest:
            newest = generation
            settings = dict(struct.iter_unpack("<Hi", body[12 : 12 + 6 * count]))
    return Committed(book, settings)


def openings(state: Committed) -> int:
    """How many freezes and purges have begun."""
    return sum(record.kind in (FREEZE_BEGIN, PRECHILL_BEGIN) for record in state.journal)


def unfinished(book: list[Record]) -> Record | None:
    """The beginning of a freeze or a purge that has no end."""
    begin = None
    for record in book:
        if record.kind in (FREEZE_BEGIN, PRECHILL_BEGIN):
            begin = record
        elif record.kind in (FREEZE_END, PRECHILL_END):
            begin = None
    return begin


@dataclasses.dataclass
class Cut:
    """One power cut: the image that it left, and what was known when it came."""

    name: str
    image: bytes
    before: Committed  # what was surely committed
    after: Committed  # and what a write that was all but done may have added
    true_us: float  # how long the gate was open in the last freeze or purge that began


def rises(bench: Bench) -> list[str]:
    """From now on: every rise of one of the valve's switches."""
    seen: list[str] = []
    bench.wiring.watch(
        lambda _t, signal, value: (
            seen.append(signal) if value and signal in ("VALVE_GATE", "VALVE_SUPPLY") else None
        )
    )
    return seen


def verify(bench: Bench, cut: Cut) -> dict[str, Any]:
    """Switch on, and look whether anything is lost. `bench` has the image, and is off."""
    raised = rises(bench)
    since = len(bench.events())
    bench.power_on()
    until_started(bench, since)
    book = records(bench)  # the chain from the first record on
    old, possible = cut.before.journal, cut.after.journal
    assert book[: len(old)] == old, "a committed record is missing"
    boot = max(i for i, record in enumerate(book) if record.kind == BOOT)
    assert book[:boot] in (old, possible), "what lies before this start was never written"
    assert Fault.JOURNAL_FULL not in faults(bench), "the journal is not full"
    assert not DAMAGE & set(faults(bench)), "settings or journal are told to be damaged"

    for number, (key, default) in SETTINGS.items():
        values = [state.settings.get(number, default) for state in (cut.before, cut.after)]
        assert bench.ask("get", key=key)["ok"]["value"] in values

    begin = unfinished(book[:boot])
    lost = [record for record in book[boot:] if record.kind == FREEZE_LOST]
    purges = [record for record in book[boot:] if record.kind == PRECHILL_END]
    told: dict[str, Any] = {"true_us": cut.true_us}
    if begin is not None and begin.kind == PRECHILL_BEGIN:
        assert len(purges) == 1
        assert purges[0].cause == RESET
        assert cut.true_us <= purges[0].delivered_us
        told["purged_at_most_us"] = purges[0].delivered_us
    else:
        assert not purges
    if begin is not None and begin.kind == FREEZE_BEGIN:
        assert len(lost) == 1
        assert (lost[0].treatment, lost[0].cycle) == (begin.treatment, begin.cycle)
        told["bounds_us"] = [lost[0].delivered_least_us, lost[0].delivered_most_us]
        assert lost[0].delivered_least_us <= cut.true_us <= lost[0].delivered_most_us
        assert lost[0].planned_us == begin.planned_us
        assert Fault.FREEZE_LOST in faults(bench)
    else:
        assert not lost
        assert Fault.FREEZE_LOST not in faults(bench)
    bench.run_for(500)
    assert raised == [], "a switch of the valve rose by itself"
    return told


def until_started(bench: Bench, since: int) -> None:
    def there() -> bool:
        return any(
            event["ev"] == "state" and event["state"] in ("READY", "FAULT")
            for event in bench.events()[since:]
        )

    assert bench.run_until(there, 6000), f"it does not start: {bench.events()[since:]}"


class PowerLost(Exception):
    """The story ends here."""


class Cutter:
    """Makes a copy for each cut, which loses its power there, is switched on again and examined.

    `parts(number, write)`: where to cut that write, in bytes that are done. `on_board(name)`:
    whether that cut is restarted on the emulated board, and not on the fast bench.
    """

    def __init__(
        self,
        bench: EmulatedBench,
        parts: Callable[[int, FlashWrite], list[int]],
        on_board: Callable[[str], bool],
        on_result: Callable[[str, Any], None] | None = None,
    ) -> None:
        self.bench = bench
        self.parts = parts
        self.on_board = on_board
        self.copies = Copies(on_result=on_result)
        self.writes = 0
        self.cut: Cut | None = None
        self._begun = 0  # freezes and purges whose beginning is committed
        self._mark = 0  # gate intervals before the last of them
        self._last_mark = 0
        bench.watch_flash(self._look)

    def run(self, story: Callable[[], None]) -> dict[str, dict[str, Any]]:
        """Run `story`; by the name of each cut, what was told after it. CopyFailed: by one."""

        def cut_short() -> object:
            try:
                story()
            except (AssertionError, LinkTimeout, NotReached, PowerLost):
                if self.cut is None:
                    raise  # not for want of power
            return None if self.cut is None else self._examine(self.cut)

        return self.copies.run(cut_short)

    def during_freeze(self, name: str) -> None:
        """A cut at this moment, not at a write."""
        state = self._committed()
        if self.copies.split(name):
            self.bench.watch_flash(None)
            self.bench.cut_power()
            # Only now is the gate low, and its open time known.
            self.cut = Cut(name, self.bench.flash, state, state, self._delivered_us())
            raise PowerLost

    def _look(self, write: FlashWrite) -> int | None:
        number, self.writes = self.writes, self.writes + 1
        done = self.parts(number, write)
        before = self._committed()
        for part in done:
            kind = "erase" if write.data is None else "program"
            name = f"{kind} {number} at {part}"
            if not self.copies.split(name):
                continue
            image = self.bench.flash_after(write, part)
            after = committed(self.bench.flash_after(write, write.length))
            # If it is this write that commits the beginning, the gate has not opened for it yet.
            begins = openings(committed(image)) > self._begun
            true_us = 0.0 if begins else self._delivered_us()
            self.cut = Cut(name, image, before, after, true_us)
            self.bench.watch_flash(None)
            return part
        return None

    def _examine(self, cut: Cut) -> dict[str, Any]:
        assert self.bench.flash == cut.image
        if not self.on_board(cut.name):
            # The sources come beside the .mpy files, which the fast bench does not read.
            return verify(FastBench(flash=SimFlash(cut.image), reflash=True), cut)
        self.bench.run_for(200)
        if sum(cut.name.encode()) % 2:  # in every other copy a finger stays where it was
            for name in ("trigger", "arm", "up"):
                self.bench.release(name)
        return verify(self.bench, cut)

    def _committed(self) -> Committed:
        found = committed(self.bench.flash)
        begun = openings(found)
        if begun != self._begun:
            # Committed by the write that was looked at last, and the gate opens only after it.
            self._begun, self._mark = begun, self._last_mark
        self._last_mark = len(self.bench.valve_intervals())
        return found

    def _delivered_us(self) -> float:
        return sum(b - a for a, b in self.bench.valve_intervals()[self._mark :]) / US


def part_by_part(number: int, write: FlashWrite) -> list[int]:
    """A place in the midst, one half, or the last byte but one: another for each write."""
    middle = (37 + 61 * number) % (write.length - 2) + 1
    return [(middle, write.length // 2, write.length - 1)[number % 3]]


def summary(results: dict[str, dict[str, Any]]) -> str:
    """What was cut, for the test's output."""
    lost = [told for told in results.values() if "bounds_us" in told]
    times = sorted(told["true_us"] for told in lost) or [0]
    return (
        f"{len(results)} cuts, {len(lost)} of them in a freeze that had begun, its gate open for "
        f"{times[0]:.0f} to {times[-1]:.0f} us"
    )
