"""The complete firmware on the emulated board: start, memory, longest tick, log pull, and cost.

May import the standard library and the rest of this package. For measurements inside the device,
`main.py` is changed to create a subclass of the application that reads clock and heap, and does
nothing else.
"""

from __future__ import annotations

import cProfile
import pstats
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_sim.bench import FIRMWARE, NotAsExpected, subclass
from hw_sim.benchmarks.emulated.board import Device, Station
from hw_sim.image import release

SHORT_MS = 300
SETTLED_MS = 300
"""Time from READY until its screen has been sent and the garbage collection is done."""
_MAX_FREE = re.compile(rb"max free sz: (\d+)")
_BLOCK_BYTES = 16
LAYOUTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Numbers of unused globals in main.py: each shifts what the heap holds and where."""

# Copied to the board next to the application.
_MEASURED = b"""
import gc
import micropython

def measured(App):
    class Measured(App):
        ticks = 0
        longest_us = 0

        def tick(self, now_ms):
            if not self.shot.phase:
                App.tick(self, now_ms)
                return
            ticks_us = self.board.ticks_us
            begin_us = ticks_us()
            App.tick(self, now_ms)
            spent_us = (ticks_us() - begin_us) & 0x3FFFFFFF
            if not self.shot.phase:
                return
            self.ticks += 1
            if spent_us > self.longest_us:
                self.longest_us = spent_us

        def _handle(self, request):
            if request["op"] != "weigh":
                return App._handle(self, request)
            gc.collect()
            free = gc.mem_free()
            micropython.mem_info()
            return {"ok": {"free": free, "ticks": self.ticks, "longest_us": self.longest_us}}

    return Measured
"""


def measuring(firmware: Path, unused_globals: int = 0) -> dict[str, bytes]:
    """Changed files of a board that measures itself (hw_sim.bench.subclass)."""
    return subclass.files(firmware, _MEASURED, unused_globals=unused_globals)


# -- start ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """Start of the unchanged firmware, from power-on to READY."""

    ready_ms: float
    heap_free: int
    """Free heap by `status` after the settling time in READY; uncollected garbage is not free."""


def start(firmware: Path = FIRMWARE) -> Start:
    """Measure the start of a board as it ships, its manifest included, with a new file system."""
    device = Device(firmware, files=release.shipped_files(firmware))
    ready_ms = device.switch_on()
    device.bench.run_for(SETTLED_MS)
    return Start(ready_ms, int(device.ok("status")["heap_free"]))


# -- memory and ticks -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighed:
    """The heap after a number of treatments and a garbage collection."""

    treatments: int
    free: int
    largest: int
    """Largest free block, bytes."""


@dataclass(frozen=True)
class Pulled:
    """Result of a pull of the journal over the emulated USB port."""

    records: int
    seconds: float
    """Emulated time from the request to the last chunk."""


@dataclass(frozen=True)
class Series:
    """Result of many treatments on one board without a restart."""

    weighed: tuple[Weighed, ...]
    complete: int
    """Number of complete treatments; the others ended with the trigger's release."""
    seconds: float
    pulled: Pulled
    faults: tuple[int, ...]


def _weigh(device: Device, treatments: int) -> Weighed:
    free = int(device.ok("weigh")["free"])
    device.bench.run_for(20)
    device.bench.events()
    blocks = [int(match[1]) for line in device.bench.noise if (match := _MAX_FREE.search(line))]
    return Weighed(treatments, free, blocks[-1] * _BLOCK_BYTES)


def series(
    treatments: int,
    weigh_at: tuple[int, ...],
    complete_at: tuple[int, ...] = (),
    tell: Callable[[str], None] = lambda _: None,
    firmware: Path = FIRMWARE,
) -> Series:
    """Run `treatments`; all except those in `complete_at` (numbers from 1) end after 0.3 s."""
    device = Device(firmware, files=measuring(firmware))
    bench = device.bench
    device.switch_on()
    device.change("screening", 0)  # its pages would double the running time
    began_ms = bench.now_ms
    weighed: list[Weighed] = []
    for number in range(1, treatments + 1):
        device.arm()
        device.open_valve()
        if number in complete_at:
            device.until("DONE", timeout_ms=35_000)
        else:
            bench.run_for(SHORT_MS)
        bench.release("trigger")
        device.until("DONE", timeout_ms=6_000)
        device.finish()
        if number in weigh_at:
            weighed.append(_weigh(device, number))
            tell(f"after {number} treatments {weighed[-1].free} B free")
        if number % 10 == 0:
            device.fill()
    seconds = (bench.now_ms - began_ms) / 1000
    faults = tuple(device.ok("status")["faults"])
    complete = sum(number <= treatments for number in complete_at)
    return Series(tuple(weighed), complete, seconds, pull(device), faults)


def pull(device: Device) -> Pulled:
    """Pull all records by `log_block`, as the host's `log pull` does."""
    bench = device.bench
    bench.run_for(50)
    began_ns = bench.clock.now_ns
    records = len(bench.log_block())
    return Pulled(records, (bench.clock.now_ns - began_ns) / 1e9)


@dataclass(frozen=True)
class Ticks:
    """Ticks of a shot, from the supply's rise until the valve is proved closed.

    The tick after that is excluded: it writes the record, which takes 45 ms in flash.
    """

    count: int
    longest_us: int
    flood_bytes: int
    unused_globals: int = 0


def freezing_ticks(
    freeze_ms: int = 3_000, firmware: Path = FIRMWARE, unused_globals: int = 0
) -> Ticks:
    """The longest tick of a freeze with the link flooded, SELECT pressed halfway."""
    device = Device(firmware, files=measuring(firmware, unused_globals))
    bench = device.bench
    device.switch_on()
    device.arm()
    device.flood.start()
    bench.run_for(50)
    device.open_valve()
    bench.run_for(freeze_ms / 2)
    bench.press("select")
    bench.run_for(freeze_ms / 2)
    bench.release("trigger")
    device.until("DONE", timeout_ms=6_000)
    device.stop_flood()
    reply = device.ok("weigh")
    return Ticks(int(reply["ticks"]), int(reply["longest_us"]), device.flood.bytes, unused_globals)


# -- the link -------------------------------------------------------------------------------------


def capacity(bytes_sent: int = 64_000, firmware: Path = FIRMWARE) -> float:
    """Bytes per second that MicroPython sends over the emulated port without other work."""
    station = Station(firmware)
    bench = station.bench
    bench.host_read()
    station.order(f"capacity {bytes_sent}")
    received = bytearray()

    def started() -> bool:
        received.extend(bench.host_read())
        return bool(received)

    def complete() -> bool:
        started()
        return len(received) >= bytes_sent

    if not bench.run_until(started, 1_000, 0.1):
        raise NotAsExpected("nothing was sent")
    began_ns, before = bench.clock.now_ns, len(received)
    if not bench.run_until(complete, 20_000, 0.5):
        raise NotAsExpected(f"{len(received)} of {bytes_sent} bytes were sent")
    return (len(received) - before) / ((bench.clock.now_ns - began_ns) / 1e9)


# -- cost of the emulation ------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Running time of a complete treatment of 10 s on this computer."""

    emulated_s: float
    wall_s: float
    processor_s: float
    cycles: int
    """Cycles of the emulated processor without sleep."""
    dose_ms: int
    armed_wall_s: float
    """Part of `wall_s` until the device was armed: start and purge."""


def _treatment(firmware: Path) -> tuple[float, int, int, float]:
    """(emulated s, cycles without sleep, dose in ms, `time.perf_counter` at arming)."""
    device = Device(firmware)
    bench = device.bench
    device.switch_on()
    bench.press("up")
    bench.press("down")
    dose_ms = int(device.ok("status")["dose_ms"])
    device.arm()
    armed_s = time.perf_counter()
    device.open_valve()
    device.until("DONE", timeout_ms=35_000)
    bench.release("trigger")
    bench.run_for(100)
    device.finish()
    head = int(device.ok("hello")["log_head"])
    device.ok("log", **{"from": 1, "max": head})
    return bench.now_ms / 1000, int(bench.chip.rp2040.core.cycles), dose_ms, armed_s


def cost(firmware: Path = FIRMWARE) -> Cost:
    """Measure power-on, UP and DOWN, arming, a complete freeze, READY, and reading the records."""
    began_s, processor_s = time.perf_counter(), time.process_time()
    emulated_s, cycles, dose_ms, armed_s = _treatment(firmware)
    return Cost(
        emulated_s,
        time.perf_counter() - began_s,
        time.process_time() - processor_s,
        cycles,
        dose_ms,
        armed_s - began_s,
    )


def profiled(top: int = 8, firmware: Path = FIRMWARE) -> tuple[tuple[str, float, int], ...]:
    """Profile the same treatment: functions by their own time, without callees."""
    profile = cProfile.Profile()
    profile.runcall(_treatment, firmware)
    stats: Any = pstats.Stats(profile)
    total = float(stats.total_tt)
    rows: list[tuple[str, float, int]] = []
    for (path, _line, name), (_, calls, own_s, _, _) in stats.stats.items():
        place = Path(path)
        where = "" if path == "~" else f"{place.parent.name}/{place.name}: "
        rows.append((where + name.strip("<>"), own_s / total, int(calls)))
    rows.sort(key=lambda row: -row[1])
    return tuple(rows[:top])
