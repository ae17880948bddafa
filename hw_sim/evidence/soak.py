"""`python -m hw_sim.evidence.soak [--days N]` (`make soak`): a month of a practice.

Treatments on working days, a host that pulls and releases the log, faults that are made and mended,
two losses of power; switched off for the night, or never (`--always-on`). After each day what the
wires saw is held against the journal, and what may not grow is counted. Writes docs/soak.md.
Virtual time; everything is simulated. May import `hw_sim.bench` and the standard library.
"""

from __future__ import annotations

import argparse
import base64
import gc
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hw_sim.bench import NS_PER_MS, FastBench, NotAsExpected
from hw_sim.bench.journal_records import (
    FREEZE_END,
    PRECHILL_END,
    Record,
    chain_after,
    chain_start,
    decode,
)
from hw_sim.bench.operator import BenchOperator, NotReached, Timing
from hw_sim.evidence.openings import SHORTER_US, paired

PAGE = Path(__file__).resolve().parents[2] / "docs" / "soak.md"
DAYS, TREATMENTS = 30, 12
_S, _MIN, _H = 1_000.0, 60_000.0, 3_600_000.0
_DAY_MS = 24 * _H
_OPENS_MS, _CLOSES_MS = 8 * _H, 18 * _H
_CUTS = (11, 25)
"""Days with a loss of power in a freeze."""
_LEFT_ON = (5, 6, 7)
"""Days after which nobody switches it off: the first weekend."""
_WRAPS_MS = 3 * 3_600_000
"""`ticks_ms` wraps so long after each start: within the working hours of each day."""
_UTC_S = 1_795_000_000

_BEGINS_MS = 400.0  # from the record of a beginning to the gate's rise, at the most
_DRIFT_MS = 10.5  # uptime against the bench's own clock, between two looks: a tick
_UTC_OFF_S = 2.5  # whole seconds from the clock chip, and whole seconds in a reply
_WAITS_MS = 31 * _MIN  # the end of an observation
_OBJECTS_MORE = 400  # Python objects in READY at midnight, against the second day's

# Faults that are mended and acknowledged; those that only a power cycle clears would end the run.
MADE = (
    "pressure_probe_broken", "level_probe_shorted", "thermocouple_open", "pressure_low",
    "dewar_empty", "supply_sag", "coil_open", "nozzle_blocked", "valve_stuck_closed",
)  # fmt: skip
_ENDINGS = ("to the end",) * 13 + ("released",) * 3 + ("E-stop",) * 2 + ("a fault",) * 2


@dataclass
class Day:
    """What one day has shown; every list of `wrong` must be empty."""

    number: int
    openings: int = 0
    gate_s: float = 0.0
    records: int = 0
    worst_shorter_us: float = 0.0
    drift_ms: float = 0.0
    objects: int = 0
    heads: int = 0
    first: int = 0
    endings: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


class Soak:
    """One applicator, its operator, its host and what the wires saw."""

    def __init__(
        self, *, seed: int = 1, treatments: int = TREATMENTS, always_on: bool = False
    ) -> None:
        self.random = random.Random(seed)
        self.treatments = treatments
        self.always_on = always_on
        self.on_ms = 0.0
        self.longest_ms = 0.0
        self.bench = bench = FastBench(seed=seed, wraps_after_ms=None if always_on else _WRAPS_MS)
        self.operator = BenchOperator(
            bench, Timing(rest_ms=60, let_go_ms=150, purged_ms=None, look_ms=10), polls=True
        )
        self.serial = bench.chip.unique_id.hex()
        self.chain = chain_start(self.serial)
        self.head = 0
        self.on_ns = 0
        self.is_on = False
        self.behind_ms = 0.0  # of uptime, at the first look since the last start
        self.utc_s = 0

    # -- the practice --------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Power on, and READY; a freeze that was cut short is acknowledged."""
        bench = self.bench
        bench.power_on()
        self.on_ns = bench.clock.now_ns + 10 * NS_PER_MS  # when the chip begins
        self.is_on = True
        bench.run_for(3_000)
        self.to_ready()
        self.behind_ms = self._behind_ms()

    def switch_off(self) -> None:
        """The supply goes."""
        on_ms = (self.bench.clock.now_ns - self.on_ns) / NS_PER_MS
        self.on_ms += on_ms
        self.longest_ms = max(self.longest_ms, on_ms)
        self.is_on = False
        self.bench.cut_power()

    def _behind_ms(self) -> float:
        """By how much uptime is behind the bench's clock, ms: what the start takes before it."""
        uptime_ms = self.operator.ok("status")["uptime_ms"]
        return (self.bench.clock.now_ns - self.on_ns) / NS_PER_MS - uptime_ms

    def to_ready(self) -> None:
        """By the buttons, from any state. NotReached when it does not work."""
        operator = self.operator
        for button in ("trigger", "arm", "select"):
            operator.let_go(button)
        self.bench.estop_close()
        for _ in range(40):
            match operator.state:
                case "READY":
                    return
                case "FAULT":
                    operator.hold("select", 2_300)
                    operator.press("select")
                case "THAWING":
                    operator.press("arm")
                    operator.hold("select", 1_200)
                case "DONE":
                    operator.press("select")
                case _:
                    operator.press("arm")
            operator.wait(500)
        raise NotReached("READY", [operator.state])

    def treat(self, day: Day) -> None:
        """One treatment, with one of several ends."""
        bench, operator, draw = self.bench, self.operator, self.random
        rows = operator.ok("describe", part="applicators")["rows"]
        row = draw.choice(rows)
        operator.change("applicator", int(row[0]))
        operator.change("depth_um", draw.randrange(int(row[2]), int(row[3]) + 1))
        ending = draw.choice(_ENDINGS)
        day.endings[ending] += 1
        operator.arm()
        operator.open_valve()
        name = draw.choice(MADE)
        if ending != "to the end":
            operator.wait(draw.uniform(200, 9_000))
        if ending == "E-stop":
            bench.estop_open()
        elif ending == "a fault":
            bench.mishap(name)
            operator.wait_until(lambda: operator.state != "FREEZING", 32_000, 250)
            bench.mend(name)
        if ending == "to the end":
            operator.until("DONE", "THAWING", "FAULT", timeout_ms=40_000)
        bench.release("trigger")
        operator.wait(6_000)
        self.to_ready()

    def answer(self) -> None:
        """The questions at the end of an observation."""
        self.operator.wait(_WAITS_MS)
        self.operator.press("select", 3)
        self.to_ready()

    def cut(self, day: Day) -> None:
        """A loss of power within a freeze, and back after a minute."""
        self.operator.arm()
        self.operator.open_valve()
        self.operator.wait(self.random.uniform(500, 8_000))
        self.switch_off()
        self.bench.release("trigger")
        self.bench.run_for(_MIN)
        day.endings["power lost"] += 1
        self.switch_on()

    def day(self, number: int) -> Day:
        """One day from midnight to midnight, and all its checks."""
        day = Day(number)
        bench, operator = self.bench, self.operator
        begin_ns = bench.clock.now_ns

        def until(ms: float) -> None:
            wait_ms = ms - (bench.clock.now_ns - begin_ns) / NS_PER_MS
            if wait_ms > 0:
                bench.run_for(wait_ms)

        works = number % 7 not in (6, 0)
        if number == 1 or works and not self.is_on:
            until(_OPENS_MS - 10 * _MIN)
            self.switch_on()
        if number == 1:
            operator.ok("time", utc_s=_UTC_S)
            self.utc_s = _UTC_S - bench.clock.now_ns // 1_000_000_000
        if works:
            moments = sorted(
                self.random.uniform(_OPENS_MS, _CLOSES_MS) for _ in range(self.treatments)
            )
            until(_OPENS_MS)
            operator.fill()
            for moment in moments:
                until(moment)
                self.treat(day)
                if self.random.random() < 0.3:
                    self.answer()
        if number in _CUTS:
            self.cut(day)
        until(_CLOSES_MS)
        if self.is_on:
            self.answer()
            self.pull(day)
            self.look(day)
        if self.is_on and not self.always_on and number not in _LEFT_ON:
            self.switch_off()
        until(_DAY_MS)
        return day

    # -- the checks ----------------------------------------------------------------------------

    def pull(self, day: Day) -> None:
        """Take all new records, hold them against the wires, and release them."""
        raws: list[bytes] = []
        for page in self.bench.log_pages(self.head + 1, timeout_ms=10_000):
            raws += [base64.b64decode(text) for text in page["records"]]
        records: list[Record] = []
        for raw in raws:
            self.chain = chain_after(self.chain, raw)
            record = decode(raw)
            if raw[48:] != self.chain or record.seq != self.head + 1:
                day.wrong.append(f"the chain breaks at record {self.head + 1}")
                return
            self.head = record.seq
            records.append(record)
        day.records = len(records)
        self._compare(day, records)
        if raws:
            chain = base64.b64encode(raws[-1][48:]).decode()
            self.operator.ok("log_release", seq=self.head, chain=chain)

    def _compare(self, day: Day, records: Sequence[Record]) -> None:
        """Each opening of the gate has its two records, and each record its opening."""
        openings, wrong = paired(records, self.bench.valve_intervals())
        day.wrong += wrong
        for one in openings:
            day.openings += 1
            day.gate_s += one.true_us / 1e6
            day.wrong += one.wrong()
            if one.end.kind in (FREEZE_END, PRECHILL_END):
                shorter_us = one.true_us - one.end.delivered_us
                day.worst_shorter_us = max(day.worst_shorter_us, abs(shorter_us))
                begun_ms = (one.gate[0] - self.on_ns) / NS_PER_MS - one.begin.uptime_ms
                if not 0 <= begun_ms <= _BEGINS_MS and one.gate[0] > self.on_ns:
                    day.wrong.append(f"record {one.begin.seq}: {begun_ms:.0f} ms before the gate")

    def look(self, day: Day) -> None:
        """In the evening, in READY: the clocks, the faults, what may not grow."""
        bench, operator = self.bench, self.operator
        status = operator.ok("status")
        if status["state"] != "READY" or status["faults"]:
            day.wrong.append(f"in the evening: {status['state']}, faults {status['faults']}")
        if status["overruns"]:
            day.wrong.append(f"{status['overruns']} late ticks")
        day.drift_ms = self._behind_ms() - self.behind_ms
        if abs(day.drift_ms) > _DRIFT_MS:
            day.wrong.append(f"uptime has drifted by {day.drift_ms:.1f} ms")
        utc_s = operator.ok("time")["utc_s"]
        if abs(utc_s - self.utc_s - bench.clock.now_ns / 1e9) > _UTC_OFF_S:
            day.wrong.append(f"the clock is off: {utc_s}")
        day.heads = status["log_head"]
        day.first = operator.ok("log", **{"from": self.head, "max": 1})["first"]
        bench.host_read()
        bench.forget_events()
        bench.forget(bench.clock.now_ns)
        gc.collect()
        day.objects = len(gc.get_objects())


@dataclass
class Month:
    """All days, and what the whole took."""

    days: list[Day]
    spent_s: float
    on_ms: float
    longest_on_ms: float
    erases: int
    most_erased: int

    @property
    def wrong(self) -> list[str]:
        """Everything that was not as it must be."""
        wrong = [f"day {day.number}: {what}" for day in self.days for what in day.wrong]
        objects = [day.objects for day in self.days[1:] if day.objects]
        if objects and max(objects) - objects[0] > _OBJECTS_MORE:
            wrong.append(f"Python objects grow: {objects}")
        return wrong


def run(
    days: int, *, seed: int = 1, treatments: int = TREATMENTS, always_on: bool = False
) -> Month:
    """The soak. NotAsExpected when the device does not do what the operator asks for."""
    begun_s = time.process_time()
    soak = Soak(seed=seed, treatments=treatments, always_on=always_on)
    done: list[Day] = []
    for number in range(1, days + 1):
        day = soak.day(number)
        done.append(day)
        print(
            f"day {number}: {day.openings} openings, {day.records} records, "
            f"{day.objects} objects, {time.process_time() - begun_s:.0f} s; {day.wrong or 'good'}",
            file=sys.stderr,
            flush=True,
        )
    if soak.is_on:
        soak.switch_off()
    flash = soak.bench.flash
    spent_s = time.process_time() - begun_s
    most = max(flash.erased.values())
    return Month(done, spent_s, soak.on_ms, soak.longest_ms, flash.erases, most)


_SWITCHED = (
    "Switched off at 18:30 and on at 7:50, but for the first weekend, when it is forgotten; "
    "`ticks_ms`, which wraps after 12.4 days on the chip, is made to wrap 3 h after each start."
)
_ALWAYS = "It is never switched off; the longest time without a restart is {:.1f} days."

_HEAD = """\
# Soak

A month of a practice in virtual time. Written by `make soak`; do not edit.
**Everything is simulated: the unchanged firmware runs on the fast bench. Nothing was measured on
hardware, and the memory is CPython's: MicroPython's heap over long runs is not shown here.**

{treatments} treatments on each working day at random times, with any applicator and depth, purges
and checklist as shipped. Of twenty treatments 13 run to their end, 3 are let go, 2 struck by the
E-stop, 2 ended by one of {made} faults, which is then mended and acknowledged. The host pulls,
verifies and releases the log each evening. On the days {cuts} power is lost within a freeze.
{nights}

Each evening it is checked that
- each opening of the gate has its two records and each record its opening, in order: never longer
  than planned, never recorded longer than it was, shorter by {shorter:.0f} µs at the most (after a
  loss of power: within the recorded bounds), the beginning recorded before the gate rose;
- the chain of all records since the first one is whole;
- in READY there is no fault and no late tick, uptime has kept pace with the bench's clock to a
  tick, UTC to the second of the clock chip and that of the reading;
- the bench (firmware and simulated parts) holds no more than {more} Python objects more than on the
  second day.

| | |
|---|---|
| days; of them on | {days}; {on:.1f} |
| openings of the valve | {openings} |
| gate high | {gate:.0f} s |
| records | {records} |
| treatments by their end | {endings} |
| records shorter than the gate was high, most | {worst:.0f} µs |
| uptime against the bench's clock, most in a day | {drift:.1f} ms |
| Python objects: second day, last day | {second}, {last} |
| oldest record that the device still has, of | {first} of {head} |
| erases of the flash; of its most erased block | {erases}; {most} |
| violations | {wrong} |
| processor time | {spent:.0f} s |

The flash's data sheet allows 100 000 erases of a block (W25Q16JV): at this rate the most erased one
lasts {years:.0f} years.

| day | openings | gate high, s | records | objects | uptime off, ms |
|---:|---:|---:|---:|---:|---:|
"""


def page(month: Month, treatments: int, *, always_on: bool) -> str:
    """docs/soak.md."""
    days = month.days
    seen = [day for day in days if day.objects]
    endings = sum((day.endings for day in days), Counter[str]())
    a_year = month.most_erased / len(days) * 365
    head = _HEAD.format(
        treatments=treatments,
        made=len(MADE),
        cuts=" and ".join(str(cut) for cut in _CUTS),
        nights=_ALWAYS.format(month.longest_on_ms / _DAY_MS) if always_on else _SWITCHED,
        on=month.on_ms / _DAY_MS,
        shorter=SHORTER_US,
        more=_OBJECTS_MORE,
        days=len(days),
        openings=sum(day.openings for day in days),
        gate=sum(day.gate_s for day in days),
        records=sum(day.records for day in days),
        endings=", ".join(f"{name} {count}" for name, count in sorted(endings.items())),
        worst=max(day.worst_shorter_us for day in days),
        drift=max(abs(day.drift_ms) for day in days),
        second=(seen[1:] or seen)[0].objects,
        last=seen[-1].objects,
        first=seen[-1].first,
        head=seen[-1].heads,
        erases=month.erases,
        most=month.most_erased,
        wrong="; ".join(month.wrong) or "0",
        spent=month.spent_s,
        years=100_000 / max(a_year, 1e-9),
    )
    rows = [
        f"| {day.number} | {day.openings} | {day.gate_s:.1f} | {day.records} | {day.objects} "
        f"| {day.drift_ms:.1f} |\n"
        for day in days
    ]
    return head + "".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 1: something was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.evidence.soak")
    parser.add_argument("--days", type=int, default=DAYS, help=f"default {DAYS}")
    parser.add_argument("--treatments", type=int, default=TREATMENTS, help="on a working day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--always-on", action="store_true", help="nobody switches it off at night")
    chosen = parser.parse_args(arguments)
    try:
        month = run(
            chosen.days,
            seed=chosen.seed,
            treatments=chosen.treatments,
            always_on=chosen.always_on,
        )
    except NotAsExpected as error:
        print(f"the soak ends: {error}", file=sys.stderr)
        return 1
    text = page(month, chosen.treatments, always_on=chosen.always_on)
    if chosen.days >= DAYS:
        PAGE.write_text(text, encoding="utf-8")
        print(f"written: {PAGE.name}", file=sys.stderr)
    else:
        print(text)
    return int(bool(month.wrong))


if __name__ == "__main__":
    sys.exit(main())
