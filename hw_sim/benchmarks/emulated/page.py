"""Generator of docs/figures-emulated.md from the measurements. Pure: measures nothing.

May import the standard library and the result types of the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hw_sim import figure_table
from hw_sim.benchmarks.emulated import closing, device, freezing
from hw_sim.benchmarks.emulated.closing import Latency
from hw_sim.benchmarks.emulated.freezing import Timing
from hw_sim.figure_table import Figure

LIMIT_US = 5.0
LOAD_US = 1.0
READY_MS = 3_000.0
HEAP_BYTES = 90 * 1024
STRAY_BYTES = 128
"""MicroPython's collector takes any word on the stack for a pointer: some blocks stay."""
TICK_US = 10_000.0
WALL_S = 60.0
PULL_RECORDS_S = 3_000
_PULL_LONG = 500  # records; below that loading the code takes most of the time
_FILE_RECORDS = 255  # of the firmware's journal
_US_IN_MS = 1000.0
_CLOCK_HZ = 125e6


@dataclass
class Measured:
    """All results of one run; missing ones were not measured."""

    timings: list[Timing] = field(default_factory=list[Timing])
    latencies: list[Latency] = field(default_factory=list[Latency])
    start: device.Start | None = None
    ticks: list[device.Ticks] = field(default_factory=list[device.Ticks])
    series: device.Series | None = None
    capacity: float | None = None
    cost: device.Cost | None = None
    profile: Sequence[tuple[str, float, int]] = ()
    failures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(measurement, reason)."""


def _spread(ticks: Sequence[device.Ticks]) -> str:
    """The longest tick of each heap layout."""
    by_layout = sorted(ticks, key=lambda one: one.unused_globals)
    return ", ".join(f"{one.unused_globals}: {one.longest_us / 1000:.2f} ms" for one in by_layout)


def amount(us: float, sign: bool = False) -> str:
    """A time in µs or ms, whichever is more readable."""
    plus = "+" if sign and us > 0 else ""
    if abs(us) < _US_IN_MS:
        return f"{plus}{us:.1f} µs".replace("-", "−")
    return f"{plus}{us / _US_IN_MS:.2f} ms".replace("-", "−")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


# -- the bars -------------------------------------------------------------------------------------


def figures(m: Measured) -> list[Figure]:
    """All figures with their acceptance limits."""
    return [
        *_freeze_bars(m),
        *_stop_bars(m),
        *_device_bars(m),
        *(figure_table.failed(what, "", why) for what, why in m.failures),
    ]


def _freeze_bars(m: Measured) -> list[Figure]:
    out: list[Figure] = []
    for timing in m.timings:
        if not timing.loaded or timing.design not in ("pio", "firmware"):
            continue
        whose = "whole firmware" if timing.design == "firmware" else "valve.py"
        out.append(
            figure_table.below(
                f"gate open {timing.dose_ms / 1000:g} s under load, {whose}: off the plan",
                timing.worst_us,
                LIMIT_US,
                "µs",
                f"worst of {len(timing.off_ns)} phases",
                digits=3,
            )
        )
    free = [t for t in m.timings if t.design == "pio" and not t.loaded]
    loaded = [t for t in m.timings if t.design == "pio" and t.loaded]
    if free and loaded:
        all_ns = [ns for t in (*free, *loaded) for ns in t.off_ns]
        out.append(
            figure_table.below(
                "  the same with the load and without: apart",
                (max(all_ns) - min(all_ns)) / 1000,
                LOAD_US,
                "µs",
                f"{len(all_ns)} freezes",
                digits=3,
            )
        )
    return out


def _stop_bars(m: Measured) -> list[Figure]:
    out: list[Figure] = []
    ours = [
        one for one in m.latencies if one.closer in ("pio", "firmware") and one.source == "estop"
    ]
    if ours:
        worst = [one.worst_us for one in ours]
        out.append(
            figure_table.below(
                "E-stop contact open to gate low, whatever the processor does",
                float("inf") if None in worst else max(us for us in worst if us is not None),
                LIMIT_US,
                "µs",
                f"worst of {sum(len(one.ns) for one in ours)}",
                "Interrupts off, collecting, hung, under load, asleep: the table below. "
                "1 µs of it is the fall of the pin's level.",
                digits=3,
            )
        )
    return out


def _device_bars(m: Measured) -> list[Figure]:
    out: list[Figure] = []
    if m.start:
        out.append(
            figure_table.below(
                "power-on to READY",
                m.start.ready_ms / 1000,
                READY_MS / 1000,
                "s",
                "one start",
                digits=2,
            )
        )
        out.append(
            Figure(
                "heap free in READY",
                "≥ 90 kB",
                f"{m.start.heap_free / 1024:.1f} kB",
                "one start",
                m.start.heap_free >= HEAP_BYTES,
                "0.3 s after READY, when the device has collected once; what has come since counts "
                "as used.",
                m.start.heap_free / 1024,
                "kB",
            )
        )
    if m.series and len(m.series.weighed) >= 2:
        weighed = {one.treatments: one for one in m.series.weighed}
        first, last = weighed[20 if 20 in weighed else min(weighed)], weighed[max(weighed)]
        short = last.treatments - m.series.complete
        index = _journal_index(m.series.pulled.records)
        listed = ""
        if first.free - last.free > STRAY_BYTES:
            listed = (
                f" The {first.free - last.free} B are the journal's list of its files, which grows "
                f"by doubling: 4 B for each {_FILE_RECORDS} records, {index} B more at "
                f"{m.series.pulled.records} records than at none; no treatment keeps anything."
            )
        out.append(
            Figure(
                f"heap free after {last.treatments} treatments, as after {first.treatments}",
                f"equal (± {STRAY_BYTES} B), but for the journal's list of files",
                f"{last.free} B, {first.free} B",
                "one board, no restart",
                -STRAY_BYTES <= first.free - last.free <= STRAY_BYTES + index,
                f"Run on one board without a restart: {short} treatments ended by the trigger's "
                f"release after {device.SHORT_MS / 1000:g} s of flow, and "
                f"{m.series.complete} to the end of a dose; each armed (the line purged "
                "when it is warm, the checklist switched off), frozen, recorded in flash and "
                f"acknowledged by the buttons. {m.series.seconds:.0f} s emulated. Collected "
                f"before it is weighed; the largest free pieces: the table below.{listed}",
                last.free,
                "B",
            )
        )
        out.append(
            Figure(
                "  faults meanwhile",
                "0",
                str(len(m.series.faults)),
                "",
                not m.series.faults,
                f"Faults: {m.series.faults}." if m.series.faults else "",
                len(m.series.faults),
            )
        )
    if m.ticks:
        out.append(
            figure_table.below(
                "longest tick in FREEZING",
                max(one.longest_us for one in m.ticks) / 1000,
                TICK_US / 1000,
                "ms",
                f"of {sum(one.count for one in m.ticks)} in {len(m.ticks)} freezes",
                "Link flooded, SELECT pressed; from the supply's rise until the valve is proved "
                "closed. The tick after that writes the record, and flash takes its time. One "
                "freeze for each heap layout: MicroPython searches the heap for a call's frame, "
                "so unused globals in main.py change the length of a tick. Longest tick by their "
                f"number: {_spread(m.ticks)}.",
                digits=2,
            )
        )
    if m.series:
        pulled = m.series.pulled
        speed = pulled.records / pulled.seconds
        share = ""
        if m.capacity:
            rate = speed * 64
            share = (
                f"{rate / 1000:.0f} kB/s of records, {rate / m.capacity:.0%} of the "
                f"{m.capacity / 1000:.0f} kB/s that MicroPython sends when it does nothing else "
                "(measured in this run). The emulated port itself takes bytes as fast "
                "as the program writes them, so the share tells how much of the time the device "
                "computes. "
            )
        out.append(
            Figure(
                "log pull over USB CDC",
                f"≥ {PULL_RECORDS_S} records/s",
                f"{speed:.0f} records/s",
                f"{pulled.records} records",
                speed >= PULL_RECORDS_S if pulled.records >= _PULL_LONG else None,
                f"{share}One `log_block`; {pulled.seconds:.2f} s emulated, loading included.",
                speed,
                "records/s",
            )
        )
    if m.cost:
        out.append(
            figure_table.below(
                f"a whole treatment of {m.cost.dose_ms / 1000:.3g} s, time of this computer",
                m.cost.wall_s,
                WALL_S,
                "s",
                "one, alone",
                f"From power-on to the records read: {m.cost.emulated_s:.1f} s emulated. Start and "
                f"purge took {m.cost.armed_wall_s:.1f} s of it, freeze and records "
                f"{m.cost.wall_s - m.cost.armed_wall_s:.1f} s. What else the computer does slows "
                "it.",
            )
        )
        out.append(
            Figure(
                "  the same, by the processor time that it takes",
                "–",
                f"{m.cost.processor_s:.1f} s",
                "",
                None,
                "",
                m.cost.processor_s,
                "s",
            )
        )
    return out


def _journal_index(records: int) -> int:
    """Growth in bytes of the list of the journal's files since its first entry."""
    places = 4  # what MicroPython's list begins with
    while places < records / _FILE_RECORDS:
        places *= 2
    return 4 * (places - 4)


# -- the tables -----------------------------------------------------------------------------------


def _timing_table(m: Measured) -> str:
    rows: list[list[str]] = []
    names = {**freezing.DESIGNS, "firmware": freezing.WHOLE}
    order = list(names)
    for timing in sorted(
        m.timings, key=lambda t: (not t.loaded, round(t.dose_ms, -3), order.index(t.design))
    ):
        name = names[timing.design]
        rows.append(
            [
                f"**{name}**" if timing.design in ("pio", "firmware") else name,
                "load" if timing.loaded else "none",
                f"{timing.dose_ms / 1000:g} s",
                amount(timing.least_us, True),
                amount(timing.median_us, True),
                amount(timing.most_us, True),
                amount(timing.spread_us),
                str(len(timing.off_ns)),
            ]
        )
    return table(
        ("design", "load", "dose", "earliest", "median", "latest", "spread", "phases"), rows, 2
    )


def _latency_cell(one: Latency | None) -> str:
    if one is None:
        return "–"
    if not one.closed:
        return "never"
    worst, middle = one.worst_us, one.median_us
    if worst is None or middle is None:
        return f"{len(one.closed)} of {len(one.ns)} in {closing.LIMIT_MS:g} ms"
    text = f"{amount(middle)} / {amount(worst)}"
    return text + (" (supply)" if one.what == "supply" else "")


def _latency_table(m: Measured, source: str) -> str:
    found = {(one.closer, one.doing): one for one in m.latencies if one.source == source}
    closers = [name for name in closing.CLOSERS if any(c == name for c, _ in found)]
    rows: list[list[str]] = []
    for doing, words in closing.DOINGS.items():
        if doing in closing.FIRMWARE_DOINGS and closing.FIRMWARE_DOINGS[doing] not in words:
            words += f" (firmware: {closing.FIRMWARE_DOINGS[doing]})"
        rows.append([words, *(_latency_cell(found.get((name, doing))) for name in closers)])
    return table(("the processor is", *(closing.CLOSERS[name] for name in closers)), rows)


def _cost_text(m: Measured) -> str:
    if not m.cost:
        return ""
    busy_s = m.cost.cycles / _CLOCK_HZ
    text = (
        f"{m.cost.emulated_s:.1f} s emulated took {m.cost.wall_s:.1f} s, "
        f"{m.cost.processor_s:.1f} s of them on this computer's processor. The emulated processor "
        f"was awake for {busy_s:.2f} s of its time ({busy_s / m.cost.emulated_s:.0%}); sleep and "
        "PIO loops are leapt over. So a second awake costs "
        f"{m.cost.processor_s / busy_s:.1f} s here: one core of this computer emulates "
        f"{m.cost.cycles / m.cost.processor_s / 1e6:.1f} million cycles a second.\n\n"
    )
    if m.profile:
        rows = [[f"`{what}`", f"{share:.1%}", f"{calls}"] for what, share, calls in m.profile]
        text += "The same treatment under cProfile (own time, without what is called):\n\n"
        text += table(("where", "share", "calls"), rows)
        text += (
            "\n`_stretch` is the interpreter in machine code ([processor.py]"
            "(../hw_sim/emulator/processor.py)), which Python's profiler cannot look into, and its "
            "entrance; `run` steps single instructions with rp2040py, those that reach a register "
            "of the chip. The rest is Python: bus, PIO, parts, plant.\n"
        )
    return text


_HEAD = """\
# Figures on the emulated board

Four ways to time a freeze, and the whole firmware, on one and the same board: the official
MicroPython image on an emulated RP2040, with the parts and the plant of every bench. Written by
`make bench-emulated`; do not edit. Everything here is emulated: pins, PIO, interrupts, buses, USB
and flash take their time as on the chip, the processor's own speed is only as good as
rp2040py's count of cycles. No valve was moved.

{where}

## What is asked

"""


def markdown(m: Measured, where: str) -> str:
    """The text of the page. `where`: a sentence on date, computer and files."""
    parts = [_HEAD.format(where=where), figure_table.markdown(figures(m))]
    if m.timings:
        loaded = next((t for t in m.timings if t.loaded and t.design != "firmware"), None)
        parts.append("\n## How long the gate is open\n\nMeasured at the pin, less the plan.\n\n")
        parts.append(_timing_table(m))
        parts.append(
            "\nThe load is the same code for the four designs "
            "([load.py](../hw_sim/benchmarks/emulated/designs/load.py)): each pass of the loop "
            "reads and answers the link (a request every 40 ms, JSON), takes and remembers a "
            "reading, allocates, redraws and sends a page of the screen; every eighth collects. "
        )
        if loaded is not None:
            parts.append(
                f"In {loaded.dose_ms / 1000:g} s: {loaded.steps} screen transfers, "
                f"{loaded.answers} answers. "
            )
        parts.append(
            "The whole firmware has its own screen, link and record to look after; its host "
            "never stops writing requests and noise. Each rival is written as well as its idea "
            "allows (a deadline, not counted passes; the gate first of all), and none leaves its "
            "work undone near the end. How the phases come about: each freeze was run once up to "
            f"its last {freezing.LAST_MS / 1000:g} s, and from there once for every phase, with "
            "the load shifted by another number of requests; without load, whole freezes begun at "
            "other moments. MicroPython 1.23 has no hard callback for a timer on this chip. The "
            "polling loop sleeps between its steps while more than 20 ms are left.\n"
        )
    if m.latencies:
        parts.append(
            "\n## How soon the gate closes\n\nFrom the contact's first opening to the gate low; "
            "median / worst.\n\n**E-stop**\n\n"
        )
        parts.append(_latency_table(m, "estop"))
        parts.append("\n**Trigger let go**\n\n")
        parts.append(_latency_table(m, "trigger"))
        phases = max(len(one.ns) for one in m.latencies)
        parts.append(
            f"\nUp to {phases} moments each ([closing.py]"
            "(../hw_sim/benchmarks/emulated/designs/closing.py)); `never`: the gate was still high "
            f"{closing.LIMIT_MS:g} ms later, and nothing would have closed it but a watchdog. Our "
            "trigger is looked at once a tick of 10 ms, by intent: a contact that is let go ends a "
            "freeze within 20 ms, and no spike on its wire does within a microsecond. With the "
            "processor hung nobody looks at it: the dead-man drops SUPPLY, the second switch. "
            "That `valve.py` alone has no trigger, and that the firmware cannot be told to collect "
            "or to switch interrupts off, leaves cells empty.\n"
        )
    if m.series and m.series.weighed:
        parts.append("\n## Memory over many treatments\n\n")
        rows = [[str(w.treatments), f"{w.free}", f"{w.largest}"] for w in m.series.weighed]
        parts.append(table(("treatments", "free, B", "largest piece, B"), rows, 0))
    cost = _cost_text(m)
    if cost:
        parts.append("\n## Where the time of this computer goes\n\n" + cost)
    return "".join(parts)
