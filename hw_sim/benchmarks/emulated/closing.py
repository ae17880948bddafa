"""Closing latencies of the gate after an E-stop or a release of the trigger.

May import the standard library and the rest of this package. The board is copied while the gate
is open and the processor busy; each copy opens the contact at another moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from hw_sim.bench import FIRMWARE
from hw_sim.benchmarks.emulated.board import NS_PER_US, Device, Edges, Station, branch
from hw_sim.emulator import EmulatedBench

CLOSERS = {
    "soft": "soft `Pin.irq`",
    "hard": "hard `Pin.irq`",
    "pio": "ours: `valve.py`",
    "firmware": "ours: the whole firmware",
}
DOINGS = {
    "rest": "asleep",
    "work": "the load",
    "collect": "collecting",
    "deaf": "interrupts off for 40 ms at a time",
    "hang": "hung, interrupts off",
}
# The complete firmware has no test commands: its host floods it, or the processor is stopped.
FIRMWARE_DOINGS = {"rest": "link idle", "work": "link flooded", "hang": "hung"}
LIMIT_MS = 150.0
_PHASE_MS = 3.370211  # no multiple of any period, not even of the PIO program's 2 us


@dataclass(frozen=True)
class Latency:
    """Closing latencies for one closer, one contact and one activity of the processor."""

    closer: str
    source: str
    doing: str
    ns: tuple[int | None, ...]
    """From the contact's first opening to gate low; None: not within `LIMIT_MS`."""
    what: str = "gate"
    """The switch that opened: the gate, or (by the dead-man) the supply."""

    @property
    def closed(self) -> list[int]:
        """Latencies of the moments that led to a closing, ns."""
        return [one for one in self.ns if one is not None]

    @property
    def worst_us(self) -> float | None:
        """Worst latency, us; None if one did not close."""
        closed = self.closed
        return max(closed) / NS_PER_US if len(closed) == len(self.ns) else None

    @property
    def median_us(self) -> float | None:
        """Median latency, us; None if most did not close."""
        if 2 * len(self.closed) <= len(self.ns):
            return None
        far = 10**15
        return median(far if one is None else one for one in self.ns) / NS_PER_US


def _strike(
    bench: EmulatedBench, edges: Edges, source: str, signal: str, limit_ms: float
) -> int | None:
    """Open a contact now. Returns the time until `signal` is low in ns, or None."""
    struck_ns = bench.clock.now_ns
    if source == "estop":
        bench.estop_open()
    else:
        bench.release("trigger")
    bench.run_until(lambda: edges.first(signal, 0, struck_ns) is not None, limit_ms)
    closed_ns = edges.first(signal, 0, struck_ns)
    return None if closed_ns is None else closed_ns - struck_ns


def _latency(station: Station, closer: str, source: str, doing: str, phases: int) -> Latency:
    bench, edges = station.bench, station.edges
    if source == "trigger":
        bench.hold("trigger")
        bench.run_for(20)
    station.order(f"closing {closer} {source} {doing}")
    edges.wait("VALVE_GATE", 1, 2_000)
    if doing == "work":
        station.keep_asking()
    bench.run_for(60)

    def strike(phase: int) -> int | None:
        bench.run_for(phase * _PHASE_MS)
        return _strike(bench, edges, source, "VALVE_GATE", LIMIT_MS)

    latencies_ns = tuple(branch(partial(strike, phase)) for phase in range(phases))
    return Latency(closer, source, doing, latencies_ns)


def latencies(
    doing: str, phases: int, firmware: Path = FIRMWARE, closers: Sequence[str] = tuple(CLOSERS)
) -> list[Latency]:
    """Open the contacts at `phases` moments while the processor is at `doing`, for each closer.

    If the processor is hung and the closer depends on it, only two moments are used: emulating an
    endless loop takes 20 s per second.
    """
    station = Station(firmware)
    out: list[Latency] = []
    for closer in closers:
        for source in ("estop", "trigger"):
            if closer == "firmware" or (closer, source) == ("pio", "trigger"):
                continue
            count = min(2, phases) if doing == "hang" and closer != "pio" else phases
            arguments = (station, closer, source, doing, count)
            out.append(branch(partial(_latency, *arguments)))
    return out


def firmware_latencies(phases: int, firmware: Path = FIRMWARE) -> list[Latency]:
    """The same with the complete firmware in a freeze: E-stop and trigger.

    "hang" stops the processor; the trigger is then not read, and the dead-man drops SUPPLY.
    """
    device = Device(firmware)
    device.switch_on()
    device.arm()
    return [
        one
        for doing in FIRMWARE_DOINGS
        for one in branch(partial(_firmware_latencies, device, doing, phases))
    ]


def _firmware_latencies(device: Device, doing: str, phases: int) -> list[Latency]:
    bench, edges = device.bench, device.edges
    if doing == "work":
        device.flood.start()
    device.open_valve()
    bench.run_for(250)

    def strike(source: str, signal: str, phase: int) -> int | None:
        bench.run_for(phase * _PHASE_MS)
        if doing == "hang":
            bench.hang(400)
            bench.run_for(5)
        return _strike(bench, edges, source, signal, LIMIT_MS)

    out: list[Latency] = []
    for source in ("estop", "trigger"):
        signal = "VALVE_SUPPLY" if doing == "hang" and source == "trigger" else "VALVE_GATE"
        latencies_ns = tuple(
            branch(partial(strike, source, signal, phase)) for phase in range(phases)
        )
        what = "supply" if signal == "VALVE_SUPPLY" else "gate"
        out.append(Latency("firmware", source, doing, latencies_ns, what))
    return out
