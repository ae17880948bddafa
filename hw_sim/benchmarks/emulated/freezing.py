"""How long the gate is open: four designs under the same load, and a whole treatment.

May import the standard library and the rest of this package. A freeze is run once up to its last
second; there the board is copied, and in every copy the load goes on in another phase: the host
asks for a different amount of work, so that screen, link and collector fall differently on the
end of the freeze. What happens earlier cannot move the end: every design goes by a clock that has
been running since the gate opened.
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
    """One design, one dose, one load."""

    design: str
    dose_ms: int
    loaded: bool
    planned_us: int
    off_ns: tuple[int, ...]
    """Measured less planned, one for each phase."""
    steps: int
    """Screen pages sent meanwhile: a measure of the load."""
    answers: int

    @property
    def least_us(self) -> float:
        """The earliest closing, us."""
        return min(self.off_ns) / NS_PER_US

    @property
    def median_us(self) -> float:
        """us."""
        return median(self.off_ns) / NS_PER_US

    @property
    def most_us(self) -> float:
        """The latest closing, us."""
        return max(self.off_ns) / NS_PER_US

    @property
    def spread_us(self) -> float:
        """Latest less earliest, us."""
        return self.most_us - self.least_us

    @property
    def worst_us(self) -> float:
        """The largest deviation to either side, us."""
        return max(abs(self.least_us), abs(self.most_us))


def time_design(
    design: str,
    dose_ms: int,
    loaded: bool,
    phases: int,
    last_ms: float = LAST_MS,
    firmware: Path = FIRMWARE,
) -> Timing:
    """One design's freeze, `phases` times from its last `last_ms` on."""
    return freeze_on(Station(firmware), design, dose_ms, loaded, phases, last_ms)


def freeze_on(
    station: Station, design: str, dose_ms: int, loaded: bool, phases: int, last_ms: float
) -> Timing:
    """`time_design` on a board that has been started; it is used up."""
    bench, edges = station.bench, station.edges
    station.order(f"freeze {design} {dose_ms} {'load' if loaded else 'idle'}")
    opened_ns = edges.wait("VALVE_GATE", 1, 2_000)
    pages = bench.wiring.screen.updates
    if loaded:
        station.keep_asking()
    bench.run_for(dose_ms - last_ms - (bench.clock.now_ns - opened_ns) / 1e6)

    def end(phase: int) -> tuple[int, int, int]:
        # Without a load nothing can be shifted but by what the freeze's beginning was.
        for number in range(phase if loaded else 0):
            station.ask(number % 7)
        closed_ns = edges.wait("VALVE_GATE", 0, last_ms + 500, opened_ns)
        answers = sum(line.startswith(b"{") for line in station.received())
        return closed_ns, bench.wiring.screen.updates - pages, answers

    ends = [branch(partial(end, phase)) for phase in range(phases)]
    off_ns = tuple(closed_ns - opened_ns - dose_ms * 1_000_000 for closed_ns, _, _ in ends)
    return Timing(design, dose_ms, loaded, dose_ms * 1000, off_ns, ends[0][1], ends[0][2])


def time_unloaded(design: str, dose_ms: int, phases: int, firmware: Path = FIRMWARE) -> Timing:
    """One design's freeze with nothing else to do; begun at `phases` different moments.

    The moments differ by a bit more than a tenth of a millisecond each, which is what a clock that
    counts milliseconds cannot see.
    """
    station = Station(firmware)

    def whole(phase: int) -> int:
        bench, edges = station.bench, station.edges
        bench.run_for(5 + phase * 0.137)
        station.order(f"freeze {design} {dose_ms} idle")
        opened_ns = edges.wait("VALVE_GATE", 1, 2_000)
        return edges.wait("VALVE_GATE", 0, dose_ms + 500, opened_ns) - opened_ns

    lengths = [branch(partial(whole, phase)) for phase in range(phases)]
    off_ns = tuple(length - dose_ms * 1_000_000 for length in lengths)
    return Timing(design, dose_ms, False, dose_ms * 1000, off_ns, 0, 0)


def planned(device: Device) -> tuple[int, int]:
    """(dose in ms, planned gate time in us) of the newest `armed` record of the journal."""
    record = newest(device.bench.log(), ARMED)
    if record is None:
        raise NotAsExpected("the journal has no record of an arming")
    return record.dose_ms, record.planned_us


def time_treatment(
    longest: bool, phases: int, last_ms: float = LAST_MS, firmware: Path = FIRMWARE
) -> Timing:
    """A treatment by the whole firmware, the link flooded from before the trigger on."""
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
