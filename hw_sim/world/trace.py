"""Every signal of a run with its time, and as a VCD file: the same bytes for the same run.

May import: the standard library and hw_sim.world.{bus_traffic,clock,wiring}; lazily pyvcd. The
picture of a treatment is made from it in `hw_sim.artwork.__main__`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from hw_sim.world.bus_traffic import IDLE, BusLevel, Traffic, end_ns, line_changes
from hw_sim.world.clock import NS_PER_MS
from hw_sim.world.wiring import Wiring

SAMPLE_NS = 50_000_000
TICK_NS = 100
"""Time step of a VCD with the buses' lines. PulseView holds each step in memory."""
_QUEUED_NS = 100_000_000  # USB bytes may be drawn so much behind their time

# Signals of `Wiring.watch` that a VCD stores as wires, with their level before the first change.
WIRES = {
    "POWER": 0, "VALVE_GATE": 0, "VALVE_SUPPLY": 0, "COIL": 0, "VALVE": 0, "ESTOP": 1,
    "TRIGGER": 1, "UP": 1, "DOWN": 1, "SELECT": 1, "ARM": 1,
    "LED_GREEN": 0, "LED_YELLOW": 0, "LED_RED": 0,
}  # fmt: skip
_ANALOG = ("NOZZLE_C", "DEWAR_MBAR", "LEVEL_PERMILLE", "COIL_MA", "FLOW_G_S")

Change = tuple[int, str, float]
"""Time in ns, signal, value, as `Wiring.watch` reports it."""


def intervals(changes: Iterable[Change], signal: str, now_ns: int) -> list[tuple[int, int]]:
    """(from, to) in ns of every time a signal was not 0; the last may be cut off by `now_ns`."""
    out: list[tuple[int, int]] = []
    since: int | None = None
    for t_ns, name, value in changes:
        if name != signal:
            continue
        if value and since is None:
            since = t_ns
        elif not value and since is not None:
            out.append((since, t_ns))
            since = None
    if since is not None:
        out.append((since, now_ns))
    return out


def write_logic_vcd(
    file: TextIO, changes: Iterable[Change], traffic: Iterable[Traffic], from_ns: int, to_ns: int
) -> None:
    """The digital signals and the buses' lines from `from_ns` to `to_ns`, for a logic analyser.

    All are wires of one bit, which PulseView and sigrok's decoders take: I2C (SDA, SCL), SPI in
    mode 1 (SCK, MOSI, MISO, CS low), and USB as two serial lines (`USB_BIT_NS`). The file begins
    at 0 in steps of 100 ns. The benches move whole transfers: the edges are drawn from these, at
    the rate that the chip had set. ValueError: nothing between the two times.
    """
    from vcd import VCDWriter

    if from_ns >= to_ns:
        raise ValueError(f"there is nothing from {from_ns} ns to {to_ns} ns")
    lines: list[tuple[int, str, float]] = [
        change for change in changes if change[1] in WIRES and change[0] < to_ns
    ]
    drawn = line_changes(
        event
        for event in traffic
        if event.t_ns < to_ns
        and (isinstance(event, BusLevel) or end_ns(event) + _QUEUED_NS > from_ns)
    )
    lines += [change for change in drawn if change[0] < to_ns]
    lines.sort(key=lambda change: change[0])
    first = bisect_left(lines, from_ns, key=lambda change: change[0])
    levels = WIRES | IDLE
    for _, name, value in lines[:first]:
        levels[name] = int(value > 0)
    writer = VCDWriter(
        file,
        timescale="100 ns",
        date="",
        comment=f"virtual time, from {from_ns / NS_PER_MS:.6f} ms",
        version="Cryodose",
    )
    wires = {
        name: writer.register_var("board", name, "wire", size=1, init=level)
        for name, level in levels.items()
    }
    for t_ns, name, value in lines[first:]:
        writer.change(wires[name], (t_ns - from_ns) // TICK_NS, int(value > 0))
    writer.close((to_ns - from_ns) // TICK_NS)


class Trace:
    """Collects every change of the wiring, the plant's state every 50 ms.

    `buses`: also what passes over I2C, SPI and the USB port. `changes`: (t_ns, signal, value).
    `traffic`: what has passed. `samples`: t_ns and the values of NOZZLE_C, DEWAR_MBAR,
    LEVEL_PERMILLE, COIL_MA, FLOW_G_S.
    """

    def __init__(self, wiring: Wiring, *, sample_ns: int = SAMPLE_NS, buses: bool = False) -> None:
        self.wiring = wiring
        self.clock = wiring.clock
        self.changes: list[Change] = []
        self.traffic: list[Traffic] = []
        self.samples: list[tuple[int, float, float, float, float, float]] = []
        self._sample_ns = sample_ns
        wiring.watch(self._take)
        if buses:
            wiring.bus_taps.append(self.traffic.append)
        self._sample()

    def _take(self, t_ns: int, signal: str, value: float) -> None:
        self.changes.append((t_ns, signal, value))

    def _sample(self) -> None:
        now_ns = self.clock.now_ns
        plant = self.wiring.plant
        plant.advance(now_ns)
        self.samples.append(
            (now_ns, plant.nozzle_c, plant.dewar_mbar, plant.dewar_permille, plant.coil_ma,
             plant.flow_g_s)
        )  # fmt: skip
        self.clock.call_after(self._sample_ns, self._sample)

    # -- looking back

    def intervals(self, signal: str) -> list[tuple[int, int]]:
        """(from, to) in ns of every time a signal was not 0; the last may be cut off by now."""
        return intervals(self.changes, signal, self.clock.now_ns)

    # -- VCD

    def write_bus_vcd(self, path: Path, from_ms: float = 0.0, to_ms: float | None = None) -> None:
        """As `write_logic_vcd`: this part of the run. Needs `buses`."""
        to_ns = self.clock.now_ns if to_ms is None else round(to_ms * NS_PER_MS)
        with path.open("w", encoding="ascii", newline="\n") as file:
            write_logic_vcd(file, self.changes, self.traffic, round(from_ms * NS_PER_MS), to_ns)

    def write_vcd(self, path: Path) -> None:
        """A VCD file for GTKWave or PulseView. Levels as at the pins; plant values as reals."""
        from vcd import VCDWriter

        with path.open("w", encoding="ascii", newline="\n") as file:
            writer = VCDWriter(
                file, timescale="1 ns", date="", comment="virtual time", version="Cryodose"
            )
            wires = {
                name: writer.register_var("board", name, "wire", size=1, init=level)
                for name, level in WIRES.items()
            }
            buzzer = writer.register_var("board", "BUZZER_HZ", "integer", size=16, init=0)
            reals: list[Any] = [
                writer.register_var("plant", name, "real", init=float(self.samples[0][i + 1]))
                for i, name in enumerate(_ANALOG)
            ]
            last: list[float] = [float(v) for v in self.samples[0][1:]]
            for t_ns, name, value in self._merged():
                if name == "":
                    for i, number in enumerate(self.samples[int(value)][1:]):
                        rounded = round(number, 3)
                        if rounded != last[i]:
                            last[i] = rounded
                            writer.change(reals[i], t_ns, rounded)
                elif name == "BUZZER":
                    writer.change(buzzer, t_ns, int(value))
                elif name in wires:
                    writer.change(wires[name], t_ns, 1 if value else 0)
            writer.close(self.clock.now_ns)

    def _merged(self) -> Iterable[Change]:
        """Changes and samples ("" and the sample's index) in the order of their times."""
        samples = [(sample[0], "", float(i)) for i, sample in enumerate(self.samples)]
        return sorted([*self.changes, *samples], key=lambda change: change[0])
