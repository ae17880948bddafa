"""Open time of the valve and its closing latencies, at the pins, in virtual time.

May import the standard library, the fast bench and its fake chip's PIO (to observe the top-ups of
the dead-man). The edges come from the PIO interpreter, which tests verify against pioemu, cycle by
cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

from hw_sim.benchmarks.scenes import NS_PER_MS, NS_PER_US, Scene, flood, prepared
from hw_sim.fakes.pio import Runner
from hw_sim.figure_table import Figure, below

DOSES_MS = (10_000, 17_300, 30_000)
# (applicator, opening lag us, closing lag us, crystal trim ppm)
VALVES = (
    (1, 12_000, 25_000, 0),  # as delivered
    (2, 0, 0, 0),
    (3, 9_000, 40_001, 37),
    (4, 12_345, 25_678, -250),
)
_LIMIT_US = 5.0
_SUPPLY_SM = 1  # state machine of the dead-man, docs/architecture.md

_NOTE = (
    "At the pin, on the fast bench: its PIO interpreter is proved against PyPI's "
    "rp2040-pio-emulator, cycle by cycle (tests/property). Computing takes no virtual time there; "
    "the emulated bench measures the same under a real interpreter's load. The link is flooded "
    "and the screen refreshing all the time. Planned: by the journal's `armed` record."
)


@dataclass(frozen=True)
class Opening:
    """One complete freeze."""

    dose_ms: int
    planned_us: int
    """Planned gate time, from the `armed` record of the journal."""
    gate_ns: int
    """High time of the gate at the pin."""
    armature_ns: int
    """Open time of the armature in the plant: liquid can flow."""
    open_lag_us: int
    close_lag_us: int
    trim_ppm: int
    screen_updates: int
    flood_bytes: int

    @property
    def off_us(self) -> float:
        """Measured minus planned gate time."""
        return self.gate_ns / NS_PER_US - self.planned_us

    @property
    def dose_off_us(self) -> float:
        """Time of flow, calculated with the configured lags, minus the dose.

        The trim is removed, because the virtual crystal is exact for any trim.
        """
        gate_us = self.gate_ns / NS_PER_US / (1 + self.trim_ppm / 1e6)
        return gate_us - self.open_lag_us + self.close_lag_us - self.dose_ms * 1000


def openings(
    valve: tuple[int, int, int, int], doses_ms: Sequence[int], repeats: int, seed: int
) -> list[Opening]:
    """Complete freezes with the link flooded from before arming until after the end."""
    applicator, open_lag_us, close_lag_us, trim_ppm = valve
    scene = Scene(seed=seed)
    bench = scene.bench
    scene.switch_on()
    scene.change("valve_open_lag_us", open_lag_us)
    scene.change("valve_close_lag_us", close_lag_us)
    scene.change("crystal_trim_ppm", trim_ppm)
    out: list[Opening] = []
    for dose_ms in doses_ms:
        scene.choose(applicator, dose_ms)
        for _ in range(repeats):
            scene.fill()
            host, _ = flood(bench, seed + len(out))
            host.start()
            scene.arm()
            screen_before, flood_before = bench.wiring.screen.updates, host.bytes
            before = len(scene.edges)
            opened_ns = scene.open_valve()
            closed_ns = scene.wait_edge("VALVE_GATE", 0, before, dose_ms + 500)
            screen_after, flood_after = bench.wiring.screen.updates, host.bytes
            bench.run_for(200)
            bench.release("trigger")
            host.stop()
            scene.until("DONE")
            recorded_ms, planned_us = scene.armed_record()
            flowing = [t for t, name, _ in scene.edges[before:] if name == "VALVE"]
            out.append(
                Opening(
                    recorded_ms,
                    planned_us,
                    closed_ns - opened_ns,
                    flowing[1] - flowing[0],
                    open_lag_us,
                    close_lag_us,
                    trim_ppm,
                    screen_after - screen_before,
                    flood_after - flood_before,
                )
            )
            bench.press("select")
            scene.until("READY")
    return out


def open_time_figures(repeats: int = 2) -> list[Figure]:
    """Figures of measured against planned open time for each dose."""
    freezes = [
        one
        for number, valve in enumerate(VALVES)
        for one in openings(valve, DOSES_MS, repeats, seed=100 * (number + 1))
    ]
    figures: list[Figure] = []
    for dose_ms in DOSES_MS:
        these = [one for one in freezes if abs(one.dose_ms - dose_ms) <= 20]
        doses = sorted({one.dose_ms for one in these})
        shown = (
            f"{doses[0] / 1000:g}"
            if len(doses) == 1
            else f"{doses[0] / 1000:g}…{doses[-1] / 1000:g}"
        )
        figures.append(
            below(
                f"valve open {shown} s, measured less planned",
                max(abs(one.off_us) for one in these),
                _LIMIT_US,
                "µs",
                f"worst of {len(these)}",
                _NOTE,
                digits=3,
            )
        )
    seconds = sum(one.gate_ns for one in freezes) / 1e9
    figures.append(
        below(
            "  by the valve's lags and trim, against the dose",
            max(abs(one.dose_off_us) for one in freezes),
            _LIMIT_US,
            "µs",
            f"worst of {len(freezes)}",
            f"{len(VALVES)} valves: lags 0…40 ms, trim −250…+37 ppm, one applicator each. "
            f"Meanwhile {sum(one.flood_bytes for one in freezes) / seconds:.0f} bytes/s taken from "
            "the host (requests, noise, lines of up to 1 MB, wrong CRCs; more is always waiting) "
            f"and {sum(one.screen_updates for one in freezes) / seconds:.1f} screen pages/s.",
            digits=3,
        )
    )
    as_delivered = [one for one in freezes if one.open_lag_us == 12_000]
    off_ms = max((one.armature_ns / 1e6 - one.dose_ms for one in as_delivered), key=abs)
    figures.append(
        Figure(
            "  simulated armature open, less the dose",
            "–",
            f"{off_ms:+.2f} ms",
            f"worst of {len(as_delivered)}",
            None,
            "Valve as delivered. A cold valve closes later than the lag that is set: only "
            "calibration narrows this.",
            off_ms,
            "ms",
        )
    )
    return figures


# -- closing early --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Struck:
    """Result of an E-stop during a freeze."""

    latency_ns: int
    """From the opening of the contact to gate low."""
    faults: tuple[int, ...]
    """The faults that the device then reported, including the E-stop."""


def estops(image: bytes, count: int, seed: int) -> list[Struck]:
    """E-stops at random moments of a freeze of 30 s.

    A third each with the link idle, the link flooded, and the processor hung.
    """
    scene = Scene(image, seed=seed)
    scene.switch_on()
    out: list[Struck] = []
    for number in range(count):
        bench = scene.bench
        scene.fill()
        host = flood(bench, seed + number)[0] if number % 3 == 1 else None
        if host is not None:
            host.start()
        scene.arm()
        scene.open_valve()
        bench.run_for(scene.random.random() * 29_500)
        if number % 3 == 2:
            bench.hang(40)
            bench.run_for(12 + scene.random.random() * 20)
        before = len(scene.edges)
        struck_ns = bench.clock.now_ns
        bench.estop_open()
        latency_ns = scene.wait_edge("VALVE_GATE", 0, before, 200) - struck_ns
        bench.run_for(200)
        if host is not None:
            host.stop()
        result = Struck(latency_ns, tuple(scene.ok("status")["faults"]))
        out.append(result)
        bench.release("trigger")
        bench.estop_close()
        bench.run_for(100)
        if len(result.faults) == 1:
            scene.hold("select", 2_300)
            scene.until("READY")
        else:
            scene = Scene(image, seed=seed + 1_000 + number)
            scene.switch_on()
    return out


def release_latencies_ns(image: bytes, count: int, seed: int) -> list[int]:
    """From the first opening of the bouncing trigger to gate low; every second one flooded."""
    scene = Scene(image, seed=seed)
    bench = scene.bench
    scene.switch_on()
    out: list[int] = []
    for number in range(count):
        scene.fill()
        host = flood(bench, seed + number)[0] if number % 2 else None
        if host is not None:
            host.start()
        scene.arm()
        scene.open_valve()
        bench.run_for(50 + scene.random.random() * 4_950)
        before = len(scene.edges)
        released_ns = bench.clock.now_ns
        bench.release("trigger")
        out.append(scene.wait_edge("VALVE_GATE", 0, before, 200) - released_ns)
        bench.run_for(200)
        if host is not None:
            host.stop()
        scene.until("DONE")
        bench.press("select")
        scene.until("READY")
    return out


@dataclass(frozen=True)
class Stopped:
    """Result of a stopped main loop during a freeze."""

    since_top_up_ns: int
    since_hang_ns: int


def dead_man_latencies(image: bytes, count: int, seed: int) -> list[Stopped]:
    """Times to supply low after a random hang of the processor, of 0.3 s or until the watchdog."""
    out: list[Stopped] = []
    top_ups: list[int] = []
    original = Runner.put

    def put(runner: Runner, value: int) -> bool:
        if runner is runner.block.runners[_SUPPLY_SM] and value:
            top_ups.append(runner.block.clock.now_ns)
        return original(runner, value)

    with patch.object(Runner, "put", put):
        for number in range(count):
            scene = Scene(image, seed=seed + number)
            bench = scene.bench
            scene.switch_on()
            scene.arm()
            scene.open_valve()
            bench.run_for(100 + scene.random.random() * 2_000)
            before = len(scene.edges)
            hung_ns = bench.clock.now_ns
            bench.hang(300 if number % 2 else 5_000)
            low_ns = scene.wait_edge("VALVE_SUPPLY", 0, before, 500)
            last_ns = max(t_ns for t_ns in top_ups if t_ns <= low_ns)
            top_ups.clear()
            out.append(Stopped(low_ns - last_ns, low_ns - hung_ns))
    return out


def closing_figures(strikes: int = 75, releases: int = 60, hangs: int = 15) -> list[Figure]:
    """Figures of the closing latencies of E-stop, trigger and dead-man."""
    image = prepared(1, 30_000)
    struck = estops(image, strikes, seed=11)
    release = release_latencies_ns(image, releases, seed=12)
    stopped = dead_man_latencies(image, hangs, seed=13)
    needless = [one.faults for one in struck if len(one.faults) != 1]
    return [
        below(
            "E-stop contact open to gate low",
            max(one.latency_ns for one in struck) / NS_PER_US,
            5.0,
            "µs",
            f"worst of {strikes}",
            "Random moments of a 30 s freeze; a third each with the link idle, the link flooded, "
            "the processor hung. 1 µs of it is the fall of the pin's level.",
            digits=3,
        ),
        Figure(
            "  E-stops after which the device has another fault too",
            "0",
            str(len(needless)),
            f"of {strikes}",
            not needless,
            f"Faults then: {sorted(set(needless))}." if needless else "",
            len(needless),
        ),
        below(
            "trigger's first opening to gate low",
            max(release) / NS_PER_MS,
            20.0,
            "ms",
            f"worst of {releases}",
            "Random phases against the 10 ms tick, contact bouncing 0.1…5 ms, "
            "every second one with the link flooded.",
            digits=2,
        ),
        below(
            "loop stopped: last top-up to supply low",
            max(one.since_top_up_ns for one in stopped) / NS_PER_MS,
            100.0,
            "ms",
            f"worst of {hangs}",
            "Processor hung for 0.3 s or until the watchdog strikes. From the moment of the "
            f"hang: {max(one.since_hang_ns for one in stopped) / NS_PER_MS:.2f} ms at worst.",
            digits=2,
        ),
    ]
