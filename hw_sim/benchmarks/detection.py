"""`python -m hw_sim.benchmarks.detection [--quick]`: detection times and false alarms.

How long each monitored signal takes to latch its fault, and how often interference latches one on a
healthy device. The whole firmware runs on the fast bench; nothing is measured on hardware. Writes
docs/detection.md. Takes two minutes. May import the rest of this package, `hw_sim.world` and the
standard library.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hw_sim.bench import FastBench, NotAsExpected
from hw_sim.benchmarks.scenes import NS_PER_MS, Scene, prepared
from hw_sim.world.wiring import ADC_COIL, ADC_LEVEL, ADC_PRESSURE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "detection.md"
APPLICATOR, DOSE_MS = 1, 15_000
PHASES = 20
READY_H = 1.0
FREEZES = 60
_SUPPLY_MAX_MV = 3300.0

Disturbance = Callable[[int, float], float]


# -- interference ---------------------------------------------------------------------------------


def quiet(draw: random.Random) -> Disturbance | None:
    """The converter's own noise only: 1 LSB (0.8 mV)."""
    del draw
    return None


def noise_and_offset(draw: random.Random) -> Disturbance:
    """5 LSB of noise (4 mV) and an offset of 15 mV, away from the sensor's value."""
    return lambda _channel, mv: mv + 15.0 + draw.gauss(0.0, 4.0)


def spikes(draw: random.Random) -> Disturbance:
    """One sample in 100 at either end of the range (EMI)."""
    return lambda _channel, mv: (
        draw.choice((0.0, _SUPPLY_MAX_MV)) if draw.random() < 0.01 else mv
    )  # fmt: skip


def dropouts(draw: random.Random) -> Disturbance:
    """One sample in 100 at 0 mV (a contact that opens for an instant)."""
    return lambda _channel, mv: 0.0 if draw.random() < 0.01 else mv


def everything(draw: random.Random) -> Disturbance:
    """Noise, offset and spikes together."""
    parts = noise_and_offset(draw), spikes(draw)
    return lambda channel, mv: parts[1](channel, parts[0](channel, mv))


INTERFERENCE: dict[str, Callable[[random.Random], Disturbance | None]] = {
    "1 LSB of noise": quiet,
    "5 LSB of noise, 15 mV offset": noise_and_offset,
    "1 % of the samples at 0 or 3.3 V": spikes,
    "1 % of the samples at 0 V": dropouts,
    "noise, offset and 1 % spikes": everything,
}


# -- faults ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One fault of one signal: how it is made, and within what time it must be latched."""

    signal: str
    fault: str
    make: Callable[[FastBench], None]
    freezing: bool
    limit_ms: float
    """From the hazard that the fault controls (docs/hazards.md)."""
    limit_from: str


def _holds(channel: int, mv: float) -> Callable[[FastBench], None]:
    def make(bench: FastBench) -> None:
        bench.wiring.stuck_mv[channel] = mv

    return make


def _mishap(name: str) -> Callable[[FastBench], None]:
    return lambda bench: bench.mishap(name)


def _supply(mv: float) -> Callable[[FastBench], None]:
    def make(bench: FastBench) -> None:
        bench.wiring.vsys_mv = mv

    return make


_PRESSURE_MV = 330.0 + 1.32 * 150.0  # 150 mbar: below every limit
_EMPTY_MV = 500.0 + 2.0 * 20.0

CASES = (
    Case("coil current, valve closed", "VALVE SWITCH BAD", _holds(ADC_COIL, 350.0), False,
         1_000.0, "H-05"),
    Case("dewar pressure, wire open", "PRESSURE SENSOR", _holds(ADC_PRESSURE, 0.0), False,
         1_000.0, "H-10"),
    Case("level, wire open", "LEVEL SENSOR", _holds(ADC_LEVEL, 0.0), False, 1_000.0, "H-10"),
    Case("nozzle thermocouple, wire open", "NOZZLE SENSOR", _mishap("thermocouple_open"), False,
         2_000.0, "H-10"),
    Case("coil current, valve open: lost", "VALVE NOT OPENED", _holds(ADC_COIL, 100.0), True,
         1_000.0, "H-02"),
    Case("dewar pressure, freezing: too low", "DEWAR PRESSURE", _holds(ADC_PRESSURE, _PRESSURE_MV),
         True, 2_000.0, "H-02"),
    Case("dewar pressure, freezing: wire open", "PRESSURE SENSOR", _holds(ADC_PRESSURE, 0.0), True,
         1_000.0, "H-10"),
    Case("level, freezing: empty", "DEWAR EMPTY", _holds(ADC_LEVEL, _EMPTY_MV), True,
         4_000.0, "H-02"),
    Case("supply, freezing: 4.0 V", "LOW POWER", _supply(4_000.0), True, 2_000.0, "H-14"),
    Case("nozzle thermocouple, freezing: wire open", "NOZZLE SENSOR", _mishap("thermocouple_open"),
         True, 2_000.0, "H-10"),
)  # fmt: skip


@dataclass(frozen=True)
class Detected:
    """Times from the fault's beginning to its latch, ms; freezing: to the gate's fall."""

    case: Case
    quiet_ms: tuple[float, ...]
    disturbed_ms: tuple[float, ...]


def scene(flash: bytes, seed: int, disturbance: Disturbance | None) -> Scene:
    """A device in READY, settled, with this interference."""
    made = Scene(flash, seed=seed)
    made.switch_on()
    made.wait(500)
    made.bench.wiring.disturbance = disturbance
    return made


def faults_of(made: Scene) -> list[str]:
    """Names of all faults that the device has reported."""
    return [
        str(event["name"])
        for event in made.bench.events()
        if event["ev"] == "fault" and event.get("active", True)
    ]


def detection_ms(flash: bytes, case: Case, seed: int, disturbance: Disturbance | None) -> float:
    """Time to detect one fault, ms. NotAsExpected when it is not detected, or as another one."""
    made = scene(flash, seed, disturbance)
    bench = made.bench
    since = len(made.edges)
    if case.freezing:
        made.arm()
        made.until("ARMED")
        made.wait(1_600)
        made.open_valve()
        made.wait(6_000)
    made.wait(made.random.random() * 100.0)
    began_ns = bench.clock.now_ns
    case.make(bench)
    bench.run_until(lambda: case.fault in faults_of(made), 3 * case.limit_ms + 6_000, 5)
    if case.fault not in faults_of(made):
        raise NotAsExpected(f"{case.signal}: {faults_of(made)} instead of {case.fault}")
    if not case.freezing:
        return (bench.clock.now_ns - began_ns) / NS_PER_MS
    falls = [
        t_ns for t_ns, name, value in made.edges[since:]
        if name == "VALVE_GATE" and value == 0 and t_ns > began_ns
    ]  # fmt: skip
    if not falls:
        raise NotAsExpected(f"{case.signal}: the gate did not fall")
    return (falls[0] - began_ns) / NS_PER_MS


def detected(flash: bytes, case: Case, phases: int) -> Detected:
    """Detection times over phases of the tick, with and without interference."""

    def times(kind: Callable[[random.Random], Disturbance | None]) -> tuple[float, ...]:
        return tuple(
            detection_ms(flash, case, seed, kind(random.Random(seed)))
            for seed in range(1, phases + 1)
        )

    return Detected(case, times(quiet), times(everything))


# -- false alarms ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarms:
    """False alarms of a healthy device with one kind of interference."""

    kind: str
    ready_h: float
    ready: tuple[str, ...]
    freezes: int
    freezing: tuple[str, ...]


def alarms(flash: bytes, kind: str, ready_h: float, freezes: int, seed: int = 7) -> Alarms:
    """Count false alarms: in READY for `ready_h` hours, and in freezes, each on a new device."""
    draw = random.Random(seed)
    ready: list[str] = []
    left_ms = ready_h * 3_600_000.0
    while left_ms > 0:
        made = scene(flash, draw.randrange(1, 1000), INTERFERENCE[kind](draw))
        spell_ms = min(left_ms, 600_000.0)
        made.bench.run_for(spell_ms)
        ready += faults_of(made)
        left_ms -= spell_ms
    freezing: list[str] = []
    for _ in range(freezes):
        made = scene(flash, draw.randrange(1, 1000), None)
        made.arm()
        made.until("ARMED")
        made.wait(1_600)
        made.open_valve()
        made.bench.wiring.disturbance = INTERFERENCE[kind](draw)
        made.wait(DOSE_MS + 5_000)
        freezing += faults_of(made)
    return Alarms(kind, ready_h, tuple(ready), freezes, tuple(freezing))


# -- the page -------------------------------------------------------------------------------------

_HEAD = """\
# Detection times and false alarms

How long each monitored signal takes to latch its fault, and how often interference latches one on a
healthy device. Written by `python -m hw_sim.benchmarks.detection` on {date}; do not edit.
**Everything is simulated: the firmware runs on the fast bench. Nothing was measured on hardware.**

A fault is latched by more than one reading, always:

| signal | sampled | readings that latch | hysteresis |
|---|---|---|---|
| each analog channel | 10 Hz; the coil's in a freeze 100 Hz | the median of three counts; three outside the electrical range make it invalid | three inside make it valid |
| coil current, valve closed | 10 Hz, from 50 ms after closing | 5 above 30 mA (hold current: 350 mA) | latched until power-off |
| against a freeze (all) | each tick | 0.5 s without interruption | limits of arming above those of freezing: 300/200 mbar, 10/5 %, 4.3/4.2 V (defaults) |
| nozzle thermocouple | 10 Hz | 3 readings with a fault bit, or without an answer | 3 good ones |
| nozzle after closing | 10 Hz | 11 of 16 comparisons over half a second | warning at 3 s, latch at 4.5 s |
| E-stop | hardware, and each tick | none: the contact itself breaks the coil's supply | SELECT held 2 s |

## Detection

Over {phases} phases of the tick; disturbed: {everything}. In a freeze the
time ends when the gate is low. The MAX31856 looks for an open wire only every 16th conversion, some
1.3 s: most of the thermocouple's time is the part's. A valve that stays open after its closing:
`tests/model/test_closing.py` ({closing}).

| signal | fault | asked | quiet: median, worst | disturbed: median, worst | |
|---|---|---|---|---|---|
"""  # noqa: E501
_ALARMS = """
## False alarms of a healthy device

Interference on all four analog channels at once.

| interference | READY | faults | freezes of {dose:.0f} s | faults |
|---|---|---|---|---|
"""
_END = """
Two disturbed samples within three pass the median: one in 3 000 at 1 % of the samples. The 0.5 s
against a freeze and the five readings at rest are there for those. Interference that lasts longer
than the detection time latches a fault, as it should.
"""


def page(rows: Sequence[Detected], counts: Sequence[Alarms], phases: int) -> str:
    """The page in Markdown."""

    def cell(times: Sequence[float]) -> str:
        return f"{statistics.median(times):.0f} ms, {max(times):.0f} ms"

    out = [
        _HEAD.format(
            date=datetime.now(UTC).date(),
            phases=phases,
            everything="noise, offset and spikes of the last row below",
            closing="0 false alarms and 0 misses in 4 000 closings",
        )
    ]
    for row in rows:
        case = row.case
        worst = max(row.quiet_ms + row.disturbed_ms)
        out.append(
            f"| {case.signal} | {case.fault} | ≤ {case.limit_ms:.0f} ms ({case.limit_from}) "
            f"| {cell(row.quiet_ms)} | {cell(row.disturbed_ms)} "
            f"| {'met' if worst <= case.limit_ms else 'MISSED'} |\n"
        )
    out.append(_ALARMS.format(dose=DOSE_MS / 1000))

    def listed(names: Sequence[str]) -> str:
        return f"{len(names)} ({', '.join(sorted(set(names)))})" if names else "0"

    out += [
        f"| {one.kind} | {one.ready_h:g} h | {listed(one.ready)} | {one.freezes} "
        f"| {listed(one.freezing)} |\n"
        for one in counts
    ]
    return "".join(out) + _END


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Exit code 1: a limit missed."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.benchmarks.detection")
    parser.add_argument("--quick", action="store_true", help="few phases, print only")
    quick = parser.parse_args(argv).quick
    phases, ready_h, freezes = (2, 0.05, 2) if quick else (PHASES, READY_H, FREEZES)
    flash = prepared(APPLICATOR, DOSE_MS)
    rows: list[Detected] = []
    for case in CASES:
        rows.append(detected(flash, case, phases))
        print(f"{case.signal}: {max(rows[-1].quiet_ms):.0f} ms", file=sys.stderr)
    counts = [alarms(flash, kind, ready_h, freezes) for kind in INTERFERENCE]
    text = page(rows, counts, phases)
    if quick:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return int("MISSED" in text)


if __name__ == "__main__":
    sys.exit(main())
