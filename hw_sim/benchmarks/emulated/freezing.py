"""Open time of the gate: four designs under the same load, and a complete treatment.

May import the standard library and the rest of this package. A freeze is run once up to its last
second. There the board is copied, and in each copy the load continues in another phase: the host
requests a different amount of work, so that screen, link and collector have a different timing at
the end of the freeze. Earlier events cannot move the end, because every design uses a clock that
runs from the opening of the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from hw_sim.bench import FIRMWARE, NotAsExpected
from hw_sim.bench.journal_records import ARMED, newest
from hw_sim.benchmarks.emulated.board import NS_PER_US, Device, Station, branch

DESIGNS = {
    "sleep_loop": "`time.sleep_ms` in the loop",
    "polling": "`time.ticks_us`, polled",
    "soft_timer": "`machine.Timer`, soft callback",
    "pio": "ours: `valve.py` on a PIO state machine",
}
WHOLE = "ours: the whole firmware, a whole treatment"
LAST_MS = 1_000


@dataclass(frozen=True)
class Timing:
    """Result for one design, dose and load."""

    design: str
    dose_ms: int
    loaded: bool
    planned_us: int
    off_ns: tuple[int, ...]
    """Measured minus planned, one for each phase."""
    steps: int
    """Number of screen pages sent during the freeze: a measure of the load."""
    answers: int

    @property
    def least_us(self) -> float:
        """The earliest closing, us."""
        return min(self.off_ns) / NS_PER_US

    @property
    def median_us(self) -> float:
        """The median closing, us."""
        return median(self.off_ns) / NS_PER_US

    @property
    def most_us(self) -> float:
        """The latest closing, us."""
        return max(self.off_ns) / NS_PER_US

    @property
    def spread_us(self) -> float:
        """Latest minus earliest closing, us."""
        return self.most_us - self.least_us

    @property
    def worst_us(self) -> float:
        """The largest deviation in either direction, us."""
        return max(abs(self.least_us), abs(self.most_us))


def time_design(
    design: str,
    dose_ms: int,
    loaded: bool,
    phases: int,
    last_ms: float = LAST_MS,
    firmware: Path = FIRMWARE,
) -> Timing:
    """Measure one design's freeze, with `phases` copies of its last `last_ms`."""
    return freeze_on(Station(firmware), design, dose_ms, loaded, phases, last_ms)


def freeze_on(
    station: Station, design: str, dose_ms: int, loaded: bool, phases: int, last_ms: float
) -> Timing:
    """As `time_design`, on a started board; the board cannot be reused."""
    bench, edges = station.bench, station.edges
    station.order(f"freeze {design} {dose_ms} {'load' if loaded else 'idle'}")
    opened_ns = edges.wait("VALVE_GATE", 1, 2_000)
    pages = bench.wiring.screen.updates
    if loaded:
        station.keep_asking()
    bench.run_for(dose_ms - last_ms - (bench.clock.now_ns - opened_ns) / 1e6)

    def end(phase: int) -> tuple[int, int, int]:
        # Without load there is nothing to shift; only the start of the freeze matters.
        for number in range(phase if loaded else 0):
            station.ask(number % 7)
        closed_ns = edges.wait("VALVE_GATE", 0, last_ms + 500, opened_ns)
        answers = sum(line.startswith(b"{") for line in station.received())
        return closed_ns, bench.wiring.screen.updates - pages, answers

    ends = [branch(partial(end, phase)) for phase in range(phases)]
    off_ns = tuple(closed_ns - opened_ns - dose_ms * 1_000_000 for closed_ns, _, _ in ends)
    return Timing(design, dose_ms, loaded, dose_ms * 1000, off_ns, ends[0][1], ends[0][2])


def time_unloaded(design: str, dose_ms: int, phases: int, firmware: Path = FIRMWARE) -> Timing:
    """Measure one design's freeze without load, started at `phases` different moments.

    The moments differ by 0.137 ms each, which a clock that counts milliseconds cannot resolve.
    """
    station = Station(firmware)

    def complete(phase: int) -> int:
        bench, edges = station.bench, station.edges
        bench.run_for(5 + phase * 0.137)
        station.order(f"freeze {design} {dose_ms} idle")
        opened_ns = edges.wait("VALVE_GATE", 1, 2_000)
        return edges.wait("VALVE_GATE", 0, dose_ms + 500, opened_ns) - opened_ns

    lengths = [branch(partial(complete, phase)) for phase in range(phases)]
    off_ns = tuple(length - dose_ms * 1_000_000 for length in lengths)
    return Timing(design, dose_ms, False, dose_ms * 1000, off_ns, 0, 0)


def planned(device: Device) -> tuple[int, int]:
    """(dose in ms, planned gate time in us) from the newest `armed` record of the journal."""
    record = newest(device.bench.log(), ARMED)
    if record is None:
        raise NotAsExpected("the journal has no record of an arming")
    return record.dose_ms, record.planned_us


def time_treatment(
    longest: bool, phases: int, last_ms: float = LAST_MS, firmware: Path = FIRMWARE
) -> Timing:
    """Measure a treatment by the complete firmware, the link flooded from before the trigger on."""
    device = Device(firmware)
    bench, edges = device.bench, device.edges
    device.switch_on()
    device.choose(longest)
    device.arm()
    dose_ms, planned_us = planned(device)
    device.flood.start()
    bench.run_for(100)
    opened_ns = device.open_valve()
    pages = bench.wiring.screen.updates
    bench.run_for(planned_us / 1000 - last_ms - (bench.clock.now_ns - opened_ns) / 1e6)

    def end(phase: int) -> tuple[int, int]:
        if phase:
            device.flood.write(b"~" * (phase * 7 - 1) + b"\n")
        bench.run_for(phase * 0.9)
        closed_ns = edges.wait("VALVE_GATE", 0, last_ms + 500, opened_ns)
        return closed_ns, bench.wiring.screen.updates - pages

    ends = [branch(partial(end, phase)) for phase in range(phases)]
    off_ns = tuple(closed_ns - opened_ns - planned_us * 1000 for closed_ns, _ in ends)
    return Timing("firmware", dose_ms, True, planned_us, off_ns, ends[0][1], device.flood.bytes)
