"""Power cuts of an emulated board at any write to its flash, and checks of the result.

The emulated board runs one story. At each program and erase operation of its littlefs, and at
moments of a freeze, a copy of the process (hw_sim.bench.copies) loses power with nothing, a part
or all but one byte of that write done. The copy is then restarted: the emulated board itself, or
its flash on the fast bench, which has the same littlefs layout and is faster. No committed data may
be missing, and an interrupted freeze must be reported.

May import the standard library, hw_sim and common steps of scenarios (conftest.py).
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable
from typing import Any

from hw_sim.bench import Bench, FastBench, LinkTimeout
from hw_sim.bench.copies import Copies
from hw_sim.bench.operator import NotReached
from hw_sim.emulator import EmulatedBench
from hw_sim.emulator.chip import FlashWrite
from hw_sim.image import micropython
from hw_sim.image.flash import SimFlash
from tests.scenarios.conftest import (
    BOOT,
    FREEZE_BEGIN,
    FREEZE_END,
    FREEZE_LOST,
    PRECHILL_BEGIN,
    PRECHILL_END,
    PRECHILL_LOST,
    US,
    Record,
    faults,
    records,
)
from tests.scenarios.fault_numbers import Fault

# The settings that change here, by number, with their defaults (docs/protocol.md)
SETTINGS = {1: ("depth_um", 2300), 4: ("volume", 2)}
DAMAGE = {Fault.SETTINGS_LOST, Fault.JOURNAL_FAILED, Fault.JOURNAL_DAMAGED}


@dataclasses.dataclass
class Committed:
    """Data in a flash image, read according to docs/protocol.md without the firmware."""

    journal: list[Record]
    settings: dict[int, int]  # by number; missing ones have their defaults


def committed(image: bytes) -> Committed:
    files = micropython.read_filesystem(image)
    raw = b"".join(data for name, data in sorted(files.items()) if name.startswith("journal/"))
    assert len(raw) % 64 == 0
    journal: list[Record] = []
    for at in range(0, len(raw), 64):
        fields = struct.unpack("<IHBBII8i", raw[at : at + 48])
        journal.append(Record(*fields[:6], fields[6:]))
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
    return Committed(journal, settings)


def openings(state: Committed) -> int:
    """Number of freezes and purges that have begun."""
    return sum(record.kind in (FREEZE_BEGIN, PRECHILL_BEGIN) for record in state.journal)


def unfinished(journal: list[Record]) -> Record | None:
    """The record of the beginning of a freeze or a purge without an end."""
    begin = None
    for record in journal:
        if record.kind in (FREEZE_BEGIN, PRECHILL_BEGIN):
            begin = record
        elif record.kind in (FREEZE_END, FREEZE_LOST, PRECHILL_END, PRECHILL_LOST):
            begin = None
    return begin


@dataclasses.dataclass
class Cut:
    """One power cut: the flash image after it, and the reference data."""

    name: str
    image: bytes
    before: Committed  # certainly committed
    after: Committed  # with the data of a write that was almost complete
    true_us: float  # open time of the gate in the last freeze or purge that began


def rises(bench: Bench) -> list[str]:
    """Every rise of one of the valve's switches from now on."""
    signals: list[str] = []
    bench.wiring.watch(
        lambda _t, signal, value: (
            signals.append(signal) if value and signal in ("VALVE_GATE", "VALVE_SUPPLY") else None
        )
    )
    return signals


def verify(bench: Bench, cut: Cut) -> dict[str, Any]:
    """Switch on, and check that nothing is lost. `bench` has the image, and is off."""
    raised = rises(bench)
    since = len(bench.events())
    bench.power_on()
    until_started(bench, since)
    journal = records(bench)  # verifies the chain from the first record
    old, possible = cut.before.journal, cut.after.journal
    assert journal[: len(old)] == old, "a committed record is missing"
    boot = max(i for i, record in enumerate(journal) if record.kind == BOOT)
    assert journal[:boot] in (old, possible), "records before this start were never written"
    assert Fault.JOURNAL_FULL not in faults(bench), "the journal is not full"
    assert not DAMAGE & set(faults(bench)), "settings or journal are reported as damaged"

    for number, (key, default) in SETTINGS.items():
        values = [state.settings.get(number, default) for state in (cut.before, cut.after)]
        assert bench.ask("get", key=key)["ok"]["value"] in values

    begin = unfinished(journal[:boot])
    lost = [record for record in journal[boot:] if record.kind == FREEZE_LOST]
    purges = [record for record in journal[boot:] if record.kind == PRECHILL_LOST]
    report: dict[str, Any] = {"true_us": cut.true_us}
    if begin is not None and begin.kind == PRECHILL_BEGIN:
        assert len(purges) == 1
        assert purges[0].begin == begin.seq
        assert purges[0].delivered_least_us <= cut.true_us <= purges[0].delivered_most_us
        report["purged_us"] = [purges[0].delivered_least_us, purges[0].delivered_most_us]
    else:
        assert not purges
    if begin is not None and begin.kind == FREEZE_BEGIN:
        assert len(lost) == 1
        assert (lost[0].treatment, lost[0].cycle) == (begin.treatment, begin.cycle)
        report["bounds_us"] = [lost[0].delivered_least_us, lost[0].delivered_most_us]
        assert lost[0].delivered_least_us <= cut.true_us <= lost[0].delivered_most_us
        assert lost[0].planned_us == begin.planned_us
        assert Fault.FREEZE_LOST in faults(bench)
    else:
        assert not lost
        assert Fault.FREEZE_LOST not in faults(bench)
    bench.run_for(500)
    assert raised == [], "a switch of the valve rose without a command"
    return report


def until_started(bench: Bench, since: int) -> None:
    def started() -> bool:
        return any(
            event["ev"] == "state" and event["state"] in ("READY", "FAULT")
            for event in bench.events()[since:]
        )

    assert bench.run_until(started, 6000), f"it does not start: {bench.events()[since:]}"


class PowerLost(Exception):
    """Ends the story in a copy that has lost power."""


class Cutter:
    """Makes a copy for each cut, which loses power there, is restarted and checked.

    `parts(number, write)`: the cuts of a write, as numbers of bytes done. `on_board(name)`: whether
    to restart that cut on the emulated board instead of the fast bench.
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
        self._begun = 0  # number of freezes and purges whose beginning is committed
        self._mark = 0  # number of gate intervals before the last of them
        self._last_mark = 0
        bench.watch_flash(self._look)

    def run(self, story: Callable[[], None]) -> dict[str, dict[str, Any]]:
        """Run `story`. Returns the report after each cut by name; CopyFailed if a copy failed."""

        def cut_short() -> object:
            try:
                story()
            except (AssertionError, LinkTimeout, NotReached, PowerLost):
                if self.cut is None:
                    raise  # not caused by a power cut
            return None if self.cut is None else self._examine(self.cut)

        return self.copies.run(cut_short)

    def during_freeze(self, name: str) -> None:
        """Cut the power at this moment, independent of writes."""
        state = self._committed()
        if self.copies.split(name):
            self.bench.watch_flash(None)
            self.bench.cut_power()
            # The gate is low only now, so its open time is known.
            self.cut = Cut(name, self.bench.flash, state, state, self._delivered_us())
            raise PowerLost

    def _look(self, write: FlashWrite) -> int | None:
        number, self.writes = self.writes, self.writes + 1
        parts = self.parts(number, write)
        before = self._committed()
        for part in parts:
            kind = "erase" if write.data is None else "program"
            name = f"{kind} {number} at {part}"
            if not self.copies.split(name):
                continue
            image = self.bench.flash_after(write, part)
            after = committed(self.bench.flash_after(write, write.length))
            # If this write commits the beginning, the gate has not opened yet.
            begins = openings(committed(image)) > self._begun
            true_us = 0.0 if begins else self._delivered_us()
            self.cut = Cut(name, image, before, after, true_us)
            self.bench.watch_flash(None)
            return part
        return None

    def _examine(self, cut: Cut) -> dict[str, Any]:
        assert self.bench.flash == cut.image
        if not self.on_board(cut.name):
            # Add the sources, because the fast bench does not read .mpy files.
            return verify(FastBench(flash=SimFlash(cut.image), reflash=True), cut)
        self.bench.run_for(200)
        if sum(cut.name.encode()) % 2:  # in the other copies the buttons stay as they are
            for name in ("trigger", "arm", "up"):
                self.bench.release(name)
        return verify(self.bench, cut)

    def _committed(self) -> Committed:
        state = committed(self.bench.flash)
        begun = openings(state)
        if begun != self._begun:
            # Committed by the previous write; the gate opens only after it.
            self._begun, self._mark = begun, self._last_mark
        self._last_mark = len(self.bench.valve_intervals())
        return state

    def _delivered_us(self) -> float:
        return sum(b - a for a, b in self.bench.valve_intervals()[self._mark :]) / US


def part_by_part(number: int, write: FlashWrite) -> list[int]:
    """Cut at a varying place, at one half, or before the last byte, in turn."""
    middle = (37 + 61 * number) % (write.length - 2) + 1
    return [(middle, write.length // 2, write.length - 1)[number % 3]]


def summary(results: dict[str, dict[str, Any]]) -> str:
    """Summary of the cuts for the test's output."""
    lost = [report for report in results.values() if "bounds_us" in report]
    times = sorted(report["true_us"] for report in lost) or [0]
    return (
        f"{len(results)} cuts, {len(lost)} of them in a freeze that had begun, its gate open for "
        f"{times[0]:.0f} to {times[-1]:.0f} us"
    )
