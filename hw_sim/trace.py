"""Every signal of a run, with its time."""

from __future__ import annotations

from hw_sim.wiring import Wiring


class Trace:
    """Changes of the wiring's signals as (t_ns, signal, value)."""

    def __init__(self, wiring: Wiring) -> None:
        self.changes: list[tuple[int, str, float]] = []
        wiring.watch(self._take)

    def _take(self, t_ns: int, signal: str, value: float) -> None:
        self.changes.append((t_ns, signal, value))
