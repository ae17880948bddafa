"""Every signal of a run with its time, and as a VCD file: the same bytes for the same run.

May import: the standard library and hw_sim.world.wiring; lazily pyvcd. The picture of a treatment
is made from it in `hw_sim.artwork.__main__`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hw_sim.world.wiring import Wiring

SAMPLE_NS = 50_000_000

# Signals of `Wiring.watch`, with their level before the first change and how a VCD stores them.
_WIRES = {
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


class Trace:
    """Collects every change of the wiring, the plant's state every 50 ms.

    `changes`: (t_ns, signal, value). `samples`: t_ns and the values of NOZZLE_C, DEWAR_MBAR,
    LEVEL_PERMILLE, COIL_MA, FLOW_G_S.
    """

    def __init__(self, wiring: Wiring, *, sample_ns: int = SAMPLE_NS) -> None:
        self.wiring = wiring
        self.clock = wiring.clock
        self.changes: list[Change] = []
        self.samples: list[tuple[int, float, float, float, float, float]] = []
        self._sample_ns = sample_ns
        wiring.watch(self._take)
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

    def write_vcd(self, path: Path) -> None:
        """A VCD file for GTKWave or PulseView. Levels as at the pins; plant values as reals."""
        from vcd import VCDWriter

        with path.open("w", encoding="ascii", newline="\n") as file:
            writer = VCDWriter(
                file, timescale="1 ns", date="", comment="virtual time", version="Cryodose"
            )
            wires = {
                name: writer.register_var("board", name, "wire", size=1, init=level)
                for name, level in _WIRES.items()
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
