"""Shared parts of the measurements: an applicator made ready, and a host that floods the link.

May import the standard library and the fast bench. The device's properties are read with
`describe`; no constant of the firmware is repeated here.
"""

from __future__ import annotations

import random

from hw_sim.bench import FastBench, NotAsExpected
from hw_sim.bench.flood import DrawnPieces, Flood
from hw_sim.bench.journal_records import ARMED, newest
from hw_sim.bench.link_client import PAGE_RECORDS, records_of
from hw_sim.bench.operator import BenchOperator, Timing
from hw_sim.image.flash import SimFlash

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
_FLOOD_AHEAD_BYTES = 1024  # twice the device's receive buffer


def flood(bench: FastBench, seed: int) -> tuple[Flood, DrawnPieces]:
    """A flood of valid requests, noise, huge lines and wrong CRCs, generated from `seed`.

    Replies are read as fast as they arrive. Also returns the generator, which counts the requests.
    """
    pieces = DrawnPieces(seed)
    return Flood(bench, pieces, ahead_bytes=_FLOOD_AHEAD_BYTES, reads=True), pieces


_TIMING = Timing(arm_ms=1_200.0, look_ms=50.0)


class Scene(BenchOperator[FastBench]):
    """One applicator on the fast bench, with the times of its valve's edges.

    Checklist and purge are switched off, and a new device is calibrated, so arming needs no further
    steps. `edges`: (ns, signal,
    level) of VALVE_GATE, VALVE_SUPPLY, COIL and VALVE (the armature).
    """

    def __init__(self, image: bytes | None = None, *, seed: int = 1) -> None:
        bench = FastBench(flash=SimFlash(image), seed=seed)
        super().__init__(bench, _TIMING, polls=True)
        self.random = random.Random(seed)
        self.edges: list[tuple[int, str, float]] = []
        self.bench.wiring.watch(self._edge)

    def _edge(self, t_ns: int, signal: str, value: float) -> None:
        if signal in ("VALVE_GATE", "VALVE_SUPPLY", "COIL", "VALVE"):
            self.edges.append((t_ns, signal, value))

    # -- the device

    def switch_on(self) -> None:
        """Power on and wait for READY."""
        self.bench.power_on()
        self.bench.run_for(200)
        self.until("READY")
        for key in ("prechill", "screening"):  # each measurement needs a single valve opening
            if self.ok("get", key=key)["value"]:
                self.change(key, 0)

    def choose(self, applicator: int, dose_ms: int) -> int:
        """Set an applicator, and the depth with the nearest dose. Returns the dose in ms."""
        rows = self.ok("describe", part="applicators")["rows"]
        row = next(row for row in rows if row[0] == applicator)
        low_um, high_um = int(row[2]), int(row[3])
        self.change("applicator", applicator)
        while low_um < high_um:
            middle_um = (low_um + high_um) // 2
            if self._dose_at_depth(middle_um) < dose_ms:
                low_um = middle_um + 1
            else:
                high_um = middle_um
        return self._dose_at_depth(low_um)

    def _dose_at_depth(self, depth_um: int) -> int:
        self.change("depth_um", depth_um)
        return int(self.ok("status")["dose_ms"])

    # -- a freeze

    def arm(self) -> None:
        """Go from READY (or DONE) to ARMED."""
        self.request_arming()

    def open_valve(self) -> int:
        """Hold TRIGGER until the gate is high. Returns the time of the edge in ns."""
        # A random phase relative to the tick of 10 ms.
        self.wait(100 + self.random.random() * 20)
        return super().open_valve()

    def edge(self, signal: str, level: int, since: int) -> int | None:
        """Time of the first edge of `signal` to `level`, from index `since` on."""
        for t_ns, name, value in self.edges[since:]:
            if name == signal and value == level:
                return t_ns
        return None

    def wait_edge(self, signal: str, level: int, since: int, timeout_ms: float) -> int:
        """As `edge`, running the bench until the edge. NotAsExpected on time-out."""
        self.bench.run_until(lambda: self.edge(signal, level, since) is not None, timeout_ms)
        t_ns = self.edge(signal, level, since)
        if t_ns is None:
            raise NotAsExpected(f"{signal} did not go to {level} within {timeout_ms:g} ms")
        return t_ns

    def armed_record(self) -> tuple[int, int]:
        """Dose in ms and planned time in us from the newest `armed` record of the journal."""
        head = self.ok("hello")["log_head"]
        first = max(1, head - PAGE_RECORDS + 1)
        page = self.ok("log", **{"from": first, "max": PAGE_RECORDS})
        record = newest(records_of(page), ARMED)
        if record is None:
            raise NotAsExpected("the journal has no record of an arming")
        return record.dose_ms, record.planned_us

    def put_away(self) -> bytes:
        """Switch off. Returns the content of the flash."""
        self.bench.cut_power()
        return self.bench.flash.image()


def prepared(applicator: int, dose_ms: int) -> bytes:
    """The flash of an applicator set to the nearest dose, at most 20 ms off.

    NotAsExpected if its table has no such dose.
    """
    scene = Scene()
    scene.switch_on()
    nearest_ms = scene.choose(applicator, dose_ms)
    if abs(nearest_ms - dose_ms) > 20:
        raise NotAsExpected(f"applicator {applicator} has no dose of {dose_ms} ms")
    return scene.put_away()


__all__ = ["NS_PER_MS", "NS_PER_US", "NotAsExpected", "Scene", "flood", "prepared"]
