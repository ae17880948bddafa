"""One treatment by a simulated operator, with its screens, trace and results.

`report` prints it in the terminal and `picture` draws it. May import the standard library and the
rest of `hw_sim`; the tissue model (NumPy) only when an outcome is requested.
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
SAMPLE_NS = 5_000_000  # fine enough for the coil's peak of 20 ms
DEPTH_MM = 2.5
"""The depth that the operator sets: two presses from the device's default of 2.3 mm."""

SPOT_RADIUS_MM = 2.5
H_W_M2K = 3000.0
"""Spot and coefficient of the default applicator, "Spray C 5 mm". Source: the project's table of
computed depths, from which that applicator's calibration was taken."""

QUESTIONS = 6
"""Number of checklist pages, each answered by one press."""

FRAME_MS = 250
"""Step of the simulation during purge and freeze."""

CELL_MM = 0.25
"""Depth step of the picture's curves, coarser than the tissue model's cells."""

SHOW_THAW_S = 5.0
"""Time after the freeze that is shown in the picture."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The front of the device at one moment of the treatment."""

    t_ns: int
    title: str
    words: str
    """The operator's action, or the event."""
    pixels: bytes
    """128 × 64, one byte per pixel, row by row."""
    lights: tuple[str, ...]
    """The lamps that are on: green, yellow, red."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The tissue model's result. Depths in mm below the surface, on the axis."""

    tissue: TissueResult
    ideal: TissueResult
    """The same valve opening with a line that was cold already: liquid from the start."""
    asked_mm: float
    """The requested depth."""
    gas_s: float
    """Time for which the open valve delivered gas before liquid."""

    @property
    def short_mm(self) -> float:
        """Distance from the −25 °C depth to the requested depth; 0 if it was reached."""
        return max(0.0, self.asked_mm - self.tissue.deepest_m25_mm)


class Session:
    """Runs one scripted treatment and records screens and traces.

    `moments()` runs the treatment and yields its screens in order; afterwards the other attributes
    are complete. `on_frame`, if set, is called every `FRAME_MS` while TRIGGER is held.
    """

    def __init__(self, bench: FastBench | None = None) -> None:
        self.bench = FastBench(calibrated=False) if bench is None else bench
        self.operator = BenchOperator(self.bench, Timing(rest_ms=450.0), aims=True)
        self.trace = Trace(self.bench.wiring, sample_ns=SAMPLE_NS)
        self.seen: list[Moment] = []
        self.on_frame: Callable[[], None] | None = None
        self._purges = 0
        self.ended_ns = 0
        """End of the treatment; the bench may run on while its journal is read."""

    @property
    def valve_ns(self) -> tuple[int, int]:
        """Edges of GATE for the freeze. RuntimeError unless there was exactly one freeze."""
        intervals = self.bench.valve_intervals()[self._purges :]
        if len(intervals) != 1:
            raise RuntimeError(f"GATE was high {len(intervals)} times in a treatment of one freeze")
        return intervals[0]

    @property
    def purge_ns(self) -> tuple[int, int]:
        """Edges of GATE for the purge. RuntimeError if there has been none."""
        if not self._purges:
            raise RuntimeError("the line has not been purged")
        return self.bench.valve_intervals()[0]

    @property
    def measured_us(self) -> float:
        """Measured high time of GATE."""
        opened_ns, closed_ns = self.valve_ns
        return (closed_ns - opened_ns) / 1000

    def planned_us(self) -> int:
        """Planned high time of GATE, from the device's record of arming.

        Reads over the link, so the bench's time advances a little. RuntimeError if there is no such
        record.
        """
        record = newest(self.bench.log(most=8), ARMED)
        if record is None:
            raise RuntimeError("the device has not recorded that it was armed")
        return record.planned_us

    def moments(self) -> Iterator[Moment]:
        """Run the treatment: power on, 2.5 mm, arm, purge, complete freeze, 5 s of thaw."""
        bench = self.bench
        bench.power_on()
        bench.run_for(250)
        yield self._look("Switched on", "Self-test.")
        bench.run_for(1250)
        yield self._look("Ready", "Spray nozzle C; the last depth set, and its freeze time.")
        bench.press("up")
        bench.run_for(250)
        bench.press("up")
        bench.run_for(550)
        yield self._look("UP, UP", "2.5 mm: the time follows from the applicator's table.")
        bench.run_for(400)
        self.operator.hold("arm", 1150)
        yield self._look(
            "ARM held 1 s", "The table was computed, not calibrated here: asked once, recorded."
        )
        bench.run_for(300)
        self.operator.hold("select", 2300)
        yield self._look(
            "SELECT held 2 s", "All interlocks permit; the plan is fixed. First, the checklist."
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
        yield self._look("TRIGGER held, away", "The line is purged until liquid arrives (10 s).")
        self._until_closed(8000)
        self._purges = 1
        bench.run_for(400)
        bench.release("trigger")
        bench.run_for(1500)  # until the valve is proved closed
        self.operator.aim(at_skin=True)
        yield self._look("TRIGGER released", "Armed, the nozzle at liquid temperature.")
        bench.run_for(400)
        bench.hold("trigger")
        self._play(4200)
        yield self._look("TRIGGER held again", "Freezing. Seconds left, readable at arm's length.")
        self._play(6000)
        yield self._look("Still held", "The sounder counts the last five seconds.")
        done = self._until_closed(5000)
        bench.run_for(400)
        bench.release("trigger")
        bench.run_for(1500)
        yield self._look(
            "Complete" if done else "Not complete",
            "The hardware timer has closed the valve; the nozzle warms, so it is closed.",
        )
        bench.run_for(SHOW_THAW_S * 1000 - 1900)
        self.ended_ns = bench.clock.now_ns

    def outcome(self) -> Outcome:
        """The tissue model's result. RuntimeError if no liquid reached the tissue."""
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
        """Intervals in which the armature was lifted in the freeze, without the purge."""
        return self._of_freeze(self.bench.plant.open_intervals_ns)

    @property
    def wet_ns(self) -> list[tuple[int, int]]:
        """Intervals of mostly liquid at the nozzle in the freeze. RuntimeError if there is none."""
        intervals = self._of_freeze(self.bench.plant.liquid_intervals_ns)
        if not intervals:
            raise RuntimeError("no liquid reached the tissue")
        return intervals

    def _of_freeze(self, intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
        start_ns = self.valve_ns[0] if self.bench.valve_intervals() else 0
        return [(begin, end) for begin, end in intervals if end > start_ns]

    # -- running and recording ----------------------------------------------------------------

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
