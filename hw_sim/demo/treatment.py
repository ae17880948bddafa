"""One treatment by a simulated operator, with all that there was to see and to measure.

The demonstration tells it in the terminal and `picture` draws it. May import the standard library
and the rest of `hw_sim`; the tissue model (NumPy) only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_sim.bench import FastBench
from hw_sim.bench.journal_records import ARMED, newest
from hw_sim.bench.operator import BenchOperator, Timing, until_drawn
from hw_sim.world.trace import Trace

if TYPE_CHECKING:
    from hw_sim.world.plant.tissue import TissueResult

NS_PER_S = 1_000_000_000
SAMPLE_NS = 5_000_000  # fine enough to see the coil's peak of 20 ms
DEPTH_MM = 2.5
"""What the operator sets: two presses from the device's default of 2.3 mm."""

SPOT_RADIUS_MM = 2.5
H_W_M2K = 3000.0
"""The applicator that is fitted at first start, "Spray C 5 mm", as the tissue sees it. Source: the
project's table of computed depths, from which that applicator's calibration was taken."""

QUESTIONS = 5
"""Pages of the checklist, each answered by one press."""

FRAME_MS = 250
"""Purge and freeze are run in steps of this."""

CELL_MM = 0.25
"""The picture draws depths at every so many mm, which is coarser than the tissue model's cells."""

SHOW_THAW_S = 5.0
"""How long everything is followed after the freeze, for the picture."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The front of the device at one moment of the treatment."""

    t_ns: int
    title: str
    words: str
    """What the operator does, or what happens."""
    pixels: bytes
    """128 × 64, one byte a dot, row by row."""
    lights: tuple[str, ...]
    """The lamps that are on: green, yellow, red."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tissue model says of a treatment. Depths in mm below the surface, on the axis."""

    tissue: TissueResult
    ideal: TissueResult
    """The same opening, had liquid come from its first instant: a line that was cold already."""
    asked_mm: float
    gas_s: float
    """How long the open valve gave gas before it gave liquid."""

    @property
    def short_mm(self) -> float:
        """By how much −25 °C stayed above the depth that was asked for; 0 when it did not."""
        return max(0.0, self.asked_mm - self.tissue.deepest_m25_mm)


class Session:
    """A bench, an operator, and a notebook.

    `moments()` runs the treatment and yields what can be looked at, in order; afterwards the other
    attributes are complete. `on_frame`, if given, is called every `FRAME_MS` while TRIGGER
    is held.
    """

    def __init__(self, bench: FastBench | None = None) -> None:
        self.bench = FastBench() if bench is None else bench
        self.operator = BenchOperator(self.bench, Timing(rest_ms=450.0), aims=True)
        self.trace = Trace(self.bench.wiring, sample_ns=SAMPLE_NS)
        self.seen: list[Moment] = []
        self.on_frame: Callable[[], None] | None = None
        self._purges = 0
        self.ended_ns = 0
        """When the operator was done; the bench may go on, to be read out."""

    @property
    def valve_ns(self) -> tuple[int, int]:
        """When GATE rose and fell for the freeze. RuntimeError if there was not just one."""
        intervals = self.bench.valve_intervals()[self._purges :]
        if len(intervals) != 1:
            raise RuntimeError(f"GATE was high {len(intervals)} times in a treatment of one freeze")
        return intervals[0]

    @property
    def purge_ns(self) -> tuple[int, int]:
        """When GATE rose and fell to purge the line. RuntimeError before it did."""
        if not self._purges:
            raise RuntimeError("the line has not been purged")
        return self.bench.valve_intervals()[0]

    @property
    def measured_us(self) -> float:
        """How long GATE was high."""
        opened_ns, closed_ns = self.valve_ns
        return (closed_ns - opened_ns) / 1000

    def planned_us(self) -> int:
        """How long GATE was to be high, as the device has written it down when it was armed.

        Asks over the link, so the bench's time goes on a little. RuntimeError if there is no such
        record.
        """
        record = newest(self.bench.log(most=8), ARMED)
        if record is None:
            raise RuntimeError("the device has not recorded that it was armed")
        return record.planned_us

    def moments(self) -> Iterator[Moment]:
        """The treatment: power on, 2.5 mm, arm, purge, freeze to the end, thaw for some seconds."""
        bench = self.bench
        bench.power_on()
        bench.run_for(250)
        yield self._look("Switched on", "The device tests itself.")
        bench.run_for(1250)
        yield self._look("Ready", "Spray nozzle C; the depth set last, and the time it takes.")
        bench.press("up")
        bench.run_for(250)
        bench.press("up")
        bench.run_for(550)
        yield self._look("UP, UP", "2.5 mm: the time follows from the applicator's table.")
        bench.run_for(400)
        self.operator.hold("arm", 1150)
        yield self._look(
            "ARM held 1 s", "Every interlock permits; the plan is fixed. First, the checklist."
        )
        for _ in range(QUESTIONS):
            bench.run_for(700)
            bench.press("select")
        bench.run_for(300)
        yield self._look("SELECT, page by page", "None of these applies. But the line is warm.")
        bench.run_for(300)
        self.operator.aim(at_skin=False)
        bench.hold("trigger")
        self._play(3000)
        yield self._look("TRIGGER held, away", "The line is purged until liquid comes (10 s).")
        self._until_closed(8000)
        self._purges = 1
        bench.run_for(400)
        bench.release("trigger")
        bench.run_for(600)
        self.operator.aim(at_skin=True)
        yield self._look("TRIGGER let go", "Armed, the nozzle at liquid temperature.")
        bench.run_for(400)
        bench.hold("trigger")
        self._play(4200)
        yield self._look("TRIGGER held again", "Freezing. Seconds left, readable at arm's length.")
        self._play(6000)
        yield self._look("Still held", "The last five seconds are also heard.")
        done = self._until_closed(5000)
        bench.run_for(400)
        bench.release("trigger")
        bench.run_for(300)
        yield self._look(
            "Complete" if done else "Not complete", "The hardware timer has closed the valve."
        )
        bench.run_for(SHOW_THAW_S * 1000 - 700)
        self.ended_ns = bench.clock.now_ns

    def outcome(self) -> Outcome:
        """What the tissue received. RuntimeError when no liquid reached it at all."""
        from hw_sim.world.plant.tissue import treat

        wet, lifted = self.wet_ns, self.lifted_ns
        tissue, ideal = (
            treat(
                spans,
                spot_radius_mm=SPOT_RADIUS_MM,
                h_w_m2k=H_W_M2K,
                follow_s=SHOW_THAW_S + 0.5,  # beyond the edge of the picture
            )
            for spans in (wet, lifted)
        )
        return Outcome(tissue, ideal, DEPTH_MM, max(0, wet[0][0] - lifted[0][0]) / NS_PER_S)

    @property
    def lifted_ns(self) -> list[tuple[int, int]]:
        """When the armature was lifted in the freeze; the purge is not of it."""
        return self._of_freeze(self.bench.plant.open_intervals_ns)

    @property
    def wet_ns(self) -> list[tuple[int, int]]:
        """When mostly liquid left the nozzle in the freeze. RuntimeError when none did."""
        found = self._of_freeze(self.bench.plant.liquid_intervals_ns)
        if not found:
            raise RuntimeError("no liquid reached the tissue")
        return found

    def _of_freeze(self, intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
        begun_ns = self.valve_ns[0] if self.bench.valve_intervals() else 0
        return [(begin, end) for begin, end in intervals if end > begun_ns]

    # -- the notebook -------------------------------------------------------------------------

    def _play(self, ms: int) -> None:
        left_ms = ms
        while left_ms > 0:
            step_ms = min(FRAME_MS, left_ms)
            self.bench.run_for(step_ms)
            left_ms -= step_ms
            if self.on_frame is not None:
                self.on_frame()

    def _until_closed(self, timeout_ms: int) -> bool:
        waited_ms = 0
        before = len(self.bench.valve_intervals())
        while len(self.bench.valve_intervals()) == before:
            if waited_ms >= timeout_ms:
                return False
            self._play(FRAME_MS)
            waited_ms += FRAME_MS
        return True

    def _look(self, title: str, words: str) -> Moment:
        until_drawn(self.bench)
        moment = Moment(self.bench.clock.now_ns, title, words, self.pixels(), self.lights())
        self.seen.append(moment)
        return moment

    def pixels(self) -> bytes:
        """The screen now."""
        return self.bench.wiring.screen.pixels()

    def lights(self) -> tuple[str, ...]:
        """The lamps that are on now."""
        return tuple(name for name, led in self.bench.wiring.leds.items() if led.on)
