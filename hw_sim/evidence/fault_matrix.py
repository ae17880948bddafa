"""`python -m hw_sim.evidence.fault_matrix` (`make fault-matrix`): every fault in every state.

Each fault of the catalogue is made at the beginning, the middle and the end of every state, alone
and in drawn pairs, and mended again. What follows is held against the rules of `expected`, which
come from docs/hazards.md. Writes docs/fault-matrix.md. The unchanged firmware runs on the fast
bench: one course through all states, and a copy of the process for each fault at each moment.

May import `hw_sim.bench`, `hw_sim.web` (it reads the screen), `hw_sim.world` and the standard
library. POSIX only.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hw_sim.bench import MISHAPS, NS_PER_MS, FastBench, calibrated
from hw_sim.bench.copies import Copies, CopyFailed
from hw_sim.bench.journal_records import FAULT, FREEZE_END, PRECHILL_END, Record, decode
from hw_sim.evidence.expected import ANY, DRY, ESTOP, RULES, Rule
from hw_sim.evidence.openings import paired
from hw_sim.web.glass import read
from hw_sim.web.view import dots
from hw_sim.world.trace import Change, intervals

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fault-matrix.md"
TABLE = PAGE.with_suffix(".csv")
_SETTINGS = {22: 2, 29: 1}  # cycles, skin_sensor: so that THAWING is reached, and the sensor read
_BUTTONS = ("trigger", "up", "down", "select", "arm")

_POLL_MS = 10.0
_REST_MS = 3_600.0
_AFTER_MS = 6_000.0
_PULL_MS = 4_000.0
"""How long TRIGGER is held for an opening: a slow flash takes its time for the record."""
_STOPS = {1: "complete", 2: "let go", 3: "E-stop", 4: "fault", 5: "cancelled", 6: "cold",
          8: "by depth", 9: "by time"}  # fmt: skip
_COIL_ALONE_MS = 100.0
"""How long a shorted gate switch may energise the coil by SUPPLY alone: each test of H-05, 60 ms
after the gate's fall, 20 ms before its rise, and two ticks."""

NOT_JUDGED = "not judged"
_PERMITTED = {
    *(("PRECHILL", moment) for moment in ("begin", "middle", "end")),
    *(("ARMED", moment) for moment in ("begin", "middle", "end")),
    ("READY", "end"),
    ("THAWING", "end"),
}
"""Moments at which arming has been, or is just being, permitted."""
REST, FLOW, CLOSING = "rest", "flow", "closing"


class Parted(Exception):
    """Ends the course in a copy: it goes its own way from here."""


@dataclass
class Outcome:
    """What one fault (or two) led to, at one moment of one state."""

    state: str
    moment: str
    faults: tuple[str, ...]
    first: str = ""
    latched: list[str] = field(default_factory=list[str])
    latch_ms: float = -1.0
    """From the fault to its first latch at rest; from the gate's fall, after a flow."""
    closed_ms: float = -1.0
    """From the fault to the gate's fall, if it was high or rose; -1: it never did."""
    treated: str = ""
    shown: str = ""
    signals: str = ""
    recorded: str = ""
    mended: str = ""
    wrong: list[str] = field(default_factory=list[str])


class Wires:
    """When the gate and the coil were on, and what was lit and heard."""

    def __init__(self, bench: FastBench) -> None:
        self.edges: list[Change] = []
        bench.wiring.watch(self._take)

    def _take(self, t_ns: int, signal: str, value: float) -> None:
        self.edges.append((t_ns, signal, value))

    def intervals(self, signal: str, end_ns: int) -> list[tuple[int, int]]:
        """When a signal was on; up to `end_ns` if it still is."""
        return intervals(self.edges, signal, end_ns)

    def signals(self, since_ns: int) -> str:
        """Lamps that were lit and whether a tone was heard since then."""
        on = {name for t_ns, name, value in self.edges if t_ns >= since_ns and value}
        lamps = [c for c in ("red", "yellow", "green") if f"LED_{c.upper()}" in on]
        return "+".join([*lamps, *(["sound"] if "BUZZER" in on else [])]) or "dark"


class Device:
    """The applicator of the course, and the operator's hands."""

    def __init__(self, seed: int = 1) -> None:
        self.bench = bench = FastBench(seed=seed, skin_sensor=True)
        bench.write_files(calibrated.settings(_SETTINGS))
        self.wires = Wires(bench)
        self.freeze_ms = 0.0

    @property
    def state(self) -> str:
        """The state that the device reported last."""
        states = self.bench.states()
        return states[-1] if states else ""

    @property
    def gate(self) -> bool:
        """GATE is high."""
        return bool(self.bench.wiring.driven(2))

    def wait(self, ms: float) -> None:
        self.bench.run_for(ms)

    def until(self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 5.0) -> bool:
        return self.bench.run_until(condition, timeout_ms, step_ms)

    def reach(self, *states: str, timeout_ms: float = 20_000) -> None:
        """Wait for a state of the course. AssertionError if it does not come."""
        assert self.until(lambda: self.state in states, timeout_ms), f"{states}: {self.state}"

    def hold(self, button: str, ms: float) -> None:
        self.bench.hold(button)
        self.wait(ms)
        self.bench.release(button)
        self.wait(80)

    def release_all(self) -> None:
        for button in _BUTTONS:
            self.bench.release(button)

    def faults(self, since: int) -> list[str]:
        """Faults that were reported since an event, in their order."""
        events = self.bench.events()[since:]
        return [str(e["name"]) for e in events if e["ev"] == "fault" and e["active"]]


# -- the course -----------------------------------------------------------------------------------

At = Callable[[str, str, str], None]


def course(device: Device, at: At) -> None:
    """Through all states; `at` is called at each moment with state, moment and kind."""
    d = device
    d.bench.power_on()
    d.reach("SELF_TEST", timeout_ms=2_000)
    for moment, ms in (("begin", 10), ("middle", 120), ("end", 130)):
        d.wait(ms)
        at("SELF_TEST", moment, REST)
    d.reach("READY")
    _three(d, at, "READY", 3_000, lambda: d.bench.hold("arm"), 900)
    d.reach("SCREENING")
    d.bench.release("arm")
    d.wait(20)
    at("SCREENING", "begin", REST)
    for page in range(12):
        if page in (3, 5):
            at("SCREENING", "middle" if page == 3 else "end", REST)
        d.hold("select", 80)
        if d.state != "SCREENING":
            break
    d.reach("PRECHILL")
    d.wait(20)
    at("PRECHILL", "begin", REST)
    _purge(d, at)
    _freeze(d, at, "THAWING", last=False)
    d.wait(20)
    at("THAWING", "begin", REST)
    d.wait(61_000)
    at("THAWING", "middle", REST)
    d.hold("select", 80)
    d.bench.hold("arm")
    d.wait(900)
    at("THAWING", "end", REST)
    d.reach("PRECHILL", "ARMED")
    d.bench.release("arm")
    d.wait(100)
    if d.state == "PRECHILL":
        _purge(d, _passed_by)
    _freeze(d, at, "DONE", last=True)
    _three(d, at, "DONE", 2_000, lambda: d.bench.hold("select"), 40)
    d.bench.release("select")
    d.reach("READY")
    d.bench.estop_open()
    d.reach("FAULT")
    d.bench.estop_close()
    _three(d, at, "FAULT", 3_000, lambda: d.bench.hold("select"), 1_900)


def _passed_by(_state: str, _moment: str, _kind: str) -> None:
    """A moment at which nothing is broken: the same as one before."""


def _three(d: Device, at: At, state: str, ms: float, act: Callable[[], None], held: float) -> None:
    """A state without flow: 20 ms old, `ms` older, and just before an act leads out of it."""
    d.wait(20)
    at(state, "begin", REST)
    d.wait(ms)
    at(state, "middle", REST)
    act()
    d.wait(held)
    at(state, "end", REST)


def _purge(d: Device, at: At) -> None:
    d.bench.hold("trigger")
    assert d.until(lambda: d.gate, 1_000, 1.0)
    d.wait(1_500)
    at("PRECHILL", "middle", FLOW)
    assert d.until(lambda: not d.gate, 12_000)
    d.wait(10)
    at("PRECHILL", "end", CLOSING)
    d.wait(200)
    d.bench.release("trigger")
    d.reach("ARMED", timeout_ms=6_000)


def _freeze(d: Device, at: At, leads_to: str, *, last: bool) -> None:
    d.wait(20)
    if not last:
        at("ARMED", "begin", REST)
    d.wait(2_000)
    if not last:
        at("ARMED", "middle", REST)
    d.bench.hold("trigger")
    d.wait(6)
    if not last:
        at("ARMED", "end", FLOW)
    assert d.until(lambda: d.gate, 1_000, 1.0)
    if last:
        at("FREEZING", "begin", FLOW)
        d.wait(d.freeze_ms / 2)
        at("FREEZING", "middle", FLOW)
        d.wait(d.freeze_ms / 2 - 100)
        at("FREEZING", "end", FLOW)
    assert d.until(lambda: not d.gate, 40_000, 1.0)
    rose_ns, fell_ns = d.wires.intervals("VALVE_GATE", 0)[-1]
    d.freeze_ms = (fell_ns - rose_ns) / NS_PER_MS  # the next one has the same plan
    d.wait(10)
    if last:
        at("FREEZING", "closing", CLOSING)
    d.reach(leads_to)
    d.bench.release("trigger")


# -- one fault ------------------------------------------------------------------------------------


class Trial:
    """A copy of the device in which something breaks."""

    def __init__(self, device: Device, state: str, moment: str, kind: str, names: Sequence[str]):
        self.d = device
        self.kind = kind
        self.out = Outcome(state, moment, tuple(names))
        self.rules = [RULES[name] for name in names]
        self.since = len(device.bench.events())
        self.begun_ns = device.bench.clock.now_ns
        self.boots = device.bench.chip.boots
        self.fell_ns: int | None = None

    def run(self) -> dict[str, Any]:
        """Break, go on, mend; the outcome with what was wrong."""
        bench = self.d.bench
        for name in self.out.faults:
            bench.mishap(name)
        if self.kind == REST:
            self._rest()
        else:
            self._flow()
        self._look()
        if self.kind == REST and not self.out.latched:
            self._go_on()
            self._look()
        self._judge()
        self._mend()
        self._truth()
        return asdict(self.out)

    # -- going on

    def _rest(self) -> None:
        d = self.d
        d.until(lambda: bool(d.faults(self.since)), 400, _POLL_MS)
        self._latched(self.begun_ns)
        d.release_all()
        if not self.out.latched:
            d.until(lambda: bool(d.faults(self.since)), _REST_MS - 400, _POLL_MS)
            self._latched(self.begun_ns)
        d.wait(300)

    def _flow(self) -> None:
        """TRIGGER is held to the end; then the valve has to be proved closed."""
        d = self.d
        if self.kind == FLOW:
            d.until(lambda: d.gate, 300, 1.0)
            d.until(lambda: not d.gate, 32_000, 1.0)
        fell = [t for t, name, value in d.wires.edges if name == "VALVE_GATE" and not value]
        self.fell_ns = fell[-1] if fell else d.bench.clock.now_ns
        since_ns = max(self.fell_ns, self.begun_ns)
        d.until(lambda: bool(d.faults(self.since)), _AFTER_MS, _POLL_MS)
        self._latched(since_ns)
        d.wait(300)
        d.release_all()
        d.wait(500)

    def _latched(self, since_ns: int) -> None:
        if self.out.latch_ms < 0 and self.d.faults(self.since):
            self.out.latch_ms = (self.d.bench.clock.now_ns - since_ns) / NS_PER_MS

    def _go_on(self) -> None:
        """An operator who has noticed nothing treats: the fault must show, or do no harm."""
        d, bench = self.d, self.d.bench
        before = bench.closings
        for _ in range(30):
            if d.faults(self.since):
                break
            match d.state:
                case "READY":
                    if bench.closings > before and self.out.treated:
                        break
                    d.hold("arm", 1_300)
                    if d.state == "READY":
                        self.out.treated = "refused"
                        break
                case "SCREENING":
                    d.hold("select", 80)
                case "PRECHILL" | "ARMED":
                    if not self._pull():
                        break
                case "THAWING" if self.out.treated:
                    break
                case "THAWING":
                    d.wait(61_000)
                    d.hold("select", 80)
                    d.hold("arm", 1_300)
                case "DONE":
                    if self.out.treated:
                        break
                    d.hold("select", 80)
                case "FAULT":
                    d.hold("select", 2_300)
                case _:
                    d.wait(500)
            d.wait(100)
        self._latched(self.begun_ns)

    def _pull(self) -> bool:
        """Hold TRIGGER for one opening. False: nothing opened."""
        d, bench = self.d, self.d.bench
        was, before = d.state, bench.closings
        bench.hold("trigger")
        d.until(lambda: d.gate or d.state not in (was, "FREEZING"), _PULL_MS, 2.0)
        most_ms = 32_000 if d.gate else 1
        opened = d.until(lambda: bench.closings > before and not d.gate, most_ms, 2.0)
        d.wait(300)
        bench.release("trigger")
        d.until(lambda: d.state not in (was, "FREEZING"), 6_000, 20.0)
        if opened and was == "ARMED":
            self.out.treated = "treated"
        return opened or d.state != was

    # -- looking

    def _look(self) -> None:
        d, bench = self.d, self.d.bench
        self.out.latched = list(dict.fromkeys(d.faults(self.since)))
        self.out.first = self.out.latched[0] if self.out.latched else ""
        lines = [line for line in read(dots(bench.wiring)) if line.strip()]
        self.out.shown = " / ".join(lines[:2]) or "(dark)"
        self.out.signals = d.wires.signals(bench.clock.now_ns - 2_500 * NS_PER_MS)
        gates = d.wires.intervals("VALVE_GATE", bench.clock.now_ns)
        later = [gate for gate in gates if gate[1] > self.begun_ns]
        if later and self.kind != REST:
            began_ns = max(self.begun_ns, later[0][0])
            self.out.closed_ms = (later[0][1] - began_ns) / NS_PER_MS

    # -- judging

    def _judge(self) -> None:
        wrong = self.out.wrong
        if len(self.rules) == 1:
            (self._at_rest if self.kind == REST else self._in_flow)(self.rules[0], wrong)
        else:
            self._of_two(wrong)
        self._always(wrong)

    def _permitted(self, rule: Rule) -> set[str]:
        """First causes that a rule permits at this moment."""
        names = {*rule.rest, *rule.may}
        if self.kind != REST or self.out.treated or self.d.bench.closings:
            names |= {*rule.flow, *rule.after}
        return names

    def _at_rest(self, rule: Rule, wrong: list[str]) -> None:
        out = self.out
        test_ms = 3_000.0 if out.state == "SELF_TEST" else 0.0
        # In the state FAULT of the course the E-stop is latched already, and is not latched again.
        kept = out.state == "FAULT" and ESTOP in rule.rest and self.d.state == "FAULT"
        if rule.rest and not kept:
            if out.first not in rule.rest:
                wrong.append(f"{out.first or 'no fault'} instead of {' or '.join(rule.rest)}")
            elif out.latch_ms > max(rule.rest_ms, test_ms) + _POLL_MS:
                wrong.append(f"latched after {out.latch_ms:.0f} ms, bound {rule.rest_ms:.0f}")
        elif out.first and out.first not in self._permitted(rule):
            wrong.append(f"{out.first}, which is not expected")
        if rule.treats is False:
            self._not_opened(rule, wrong)
        if rule.treats and out.treated != "treated":
            wrong.append(f"no treatment: {out.treated or self.d.state}")

    def _not_opened(self, rule: Rule, wrong: list[str]) -> None:
        """No opening; from PRECHILL and ARMED, where arming was permitted before, a short one."""
        gates = self.d.wires.intervals("VALVE_GATE", self.d.bench.clock.now_ns)
        for rose_ns, fell_ns in gates:
            open_ms = (fell_ns - rose_ns) / NS_PER_MS
            # ARM is held at the end of READY and THAWING: it may be permitted before the reading.
            armed = (self.out.state, self.out.moment) in _PERMITTED
            if rose_ns < self.begun_ns or armed and not rule.rest and rule.flow_ms == ANY:
                continue
            if not armed or rule.rest or open_ms > rule.flow_ms + 1.0:
                wrong.append(f"the valve was open for {open_ms:.0f} ms in spite of it")

    def _in_flow(self, rule: Rule, wrong: list[str]) -> None:
        out = self.out
        flows = self.kind == FLOW and out.closed_ms >= 0
        # A purge without cold ends by its time, 10 s (H-21).
        bounded = rule.flow_ms != ANY and not (rule.flow == DRY and out.state == "PRECHILL")
        if flows and bounded and out.closed_ms > rule.flow_ms + 1.0:
            wrong.append(f"closed after {out.closed_ms:.1f} ms, bound {rule.flow_ms:g}")
        if out.first and out.first not in self._permitted(rule):
            wrong.append(f"{out.first}, which is not expected")
        due = out.state != "PRECHILL" or not rule.complete_only
        if rule.after and due and not (flows and out.first in rule.flow):
            if out.first not in {*rule.after, *rule.rest}:
                wrong.append(f"{out.first or 'no fault'} instead of {' or '.join(rule.after)}")
            elif out.latch_ms > rule.after_ms + _POLL_MS:
                wrong.append(f"latched after {out.latch_ms:.0f} ms, bound {rule.after_ms:.0f}")

    def _of_two(self, wrong: list[str]) -> None:
        """Two faults: the first cause is one of theirs, the shorter bound holds in a flow."""
        out = self.out
        names = set[str]().union(*(self._permitted(rule) for rule in self.rules))
        if out.first and out.first not in names:
            wrong.append(f"{out.first}, which is not expected")
        bounds = [rule.flow_ms for rule in self.rules if rule.flow_ms != ANY]
        if self.kind == FLOW and bounds and out.closed_ms > min(bounds) + 1.0:
            wrong.append(f"closed after {out.closed_ms:.1f} ms, bound {min(bounds):g}")

    def _always(self, wrong: list[str]) -> None:
        """Whatever broke: no unasked restart, no coil current but with both switches on."""
        d = self.d
        if d.bench.chip.boots != self.boots and not any(rule.restarts for rule in self.rules):
            wrong.append("it restarted")
        now_ns = d.bench.clock.now_ns
        gates = d.wires.intervals("VALVE_GATE", now_ns)
        allowed_ns = _COIL_ALONE_MS * NS_PER_MS if "gate_switch_shorted" in self.out.faults else 0
        for on_ns, off_ns in d.wires.intervals("COIL", now_ns):
            high = sum(max(0, min(off_ns, b) - max(on_ns, a)) for a, b in gates)
            if off_ns - on_ns - high > allowed_ns:
                wrong.append(f"the coil was on for {(off_ns - on_ns - high) / NS_PER_MS:.1f} ms")

    # -- mending

    def _mend(self) -> None:
        """Mended and acknowledged, it is READY again; some faults need the supply switched."""
        d, bench = self.d, self.d.bench
        for name in self.out.faults:
            bench.mend(name)
        bench.estop_close()
        d.release_all()
        d.wait(1_500)
        if self._ready():
            self.out.mended = "SELECT" if self.out.latched else "-"
            return
        bench.cut_power()
        d.wait(500)
        bench.power_on()
        d.wait(3_000)
        if self._ready():
            self.out.mended = "power"
        else:
            self.out.mended = "no"
            self.out.wrong.append(f"not mended: {d.state}, {d.faults(self.since)[-1:]}")

    def _ready(self) -> bool:
        d = self.d
        for _ in range(12):
            match d.state:
                case "READY":
                    return True
                case "FAULT":
                    d.hold("select", 2_300)
                    d.hold("select", 80)
                    d.wait(400)
                case "THAWING":
                    d.hold("arm", 80)
                    d.hold("select", 1_300)
                case "DONE":
                    d.hold("select", 80)
                case _:
                    d.hold("arm", 80)
            d.wait(300)
        return d.state == "READY"

    def _truth(self) -> None:
        """The whole journal against the wires."""
        d, bench = self.d, self.d.bench
        raws = bench.log(timeout_ms=10_000)
        records = [decode(raw) for raw in raws]
        openings, unpaired = paired(records, d.wires.intervals("VALVE_GATE", bench.clock.now_ns))
        wrong = [*unpaired, *(what for one in openings for what in one.wrong())]
        if "flash_worn" in self.out.faults and "CANNOT RECORD" in self.out.latched:
            wrong = []  # it says that it cannot record, and opens no more
        self.out.wrong += wrong
        self.out.recorded = _recorded(records, self.begun_ns)


def _recorded(records: Sequence[Record], begun_ns: int) -> str:
    """The records of faults and ends since then, in words."""
    del begun_ns
    words: list[str] = []
    for record in records[-16:]:
        if record.kind == FAULT:
            words.append(f"fault {record.args[0]}")
        elif record.kind in (FREEZE_END, PRECHILL_END):
            cause = _STOPS.get(record.cause, str(record.cause))
            words.append(
                f"{record.name.replace('_', ' ')}: {cause} {record.delivered_us / 1e3:.0f} ms"
            )
        elif record.name.endswith("_lost"):
            words.append(record.name.replace("_", " "))
    return "; ".join(words[-3:]) or "-"


# -- the whole ------------------------------------------------------------------------------------

Choose = Callable[[str, str], Iterable[tuple[str, ...]]]


def run(
    choose: Choose, jobs: int = 1, on_result: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """All trials that `choose(state, moment)` names, in the order of the course."""
    device = Device()
    trial: list[Trial] = []
    results: list[Outcome] = []

    def took(name: str, answer: Any) -> None:
        if "result" in answer:
            result: dict[str, Any] = answer["result"]
            result["faults"] = tuple(result["faults"])
            results.append(Outcome(**result))
        else:
            state, moment, names = name.split()
            last = str(answer["error"]).strip().splitlines()[-1]
            one = Outcome(state, moment, tuple(names.split("+")), wrong=[last])
            if "flash_worn" in names and last == "it died":
                # littlefs on the host asserts after a failed write; the board's has no asserts.
                one.wrong, one.treated = [], NOT_JUDGED
            results.append(one)
        if on_result is not None:
            on_result(results[-1])

    copies = Copies(jobs, took)

    def at(state: str, moment: str, kind: str) -> None:
        for names in choose(state, moment):
            if copies.split(f"{state} {moment} {'+'.join(names)}"):
                trial.append(Trial(device, state, moment, kind, names))
                raise Parted

    def story() -> Any:
        try:
            course(device, at)
        except Parted:
            return trial[0].run()
        return None

    with suppress(CopyFailed):  # each failure is an outcome
        copies.run(story)
    return results


def everything(_state: str, _moment: str) -> list[tuple[str, ...]]:
    """Every fault of the catalogue, alone."""
    return [(name,) for name in MISHAPS]


def drawn_pairs(count: int, seed: int = 1) -> Choose:
    """At each moment, `count` pairs."""
    draw = random.Random(seed)
    pairs = list(itertools.combinations(MISHAPS, 2))
    return lambda _state, _moment: draw.sample(pairs, count)


def named(names: Sequence[str]) -> Choose:
    """These faults at each moment, alone."""
    return lambda _state, _moment: [(name,) for name in names]


def both(*choices: Choose) -> Choose:
    """One after the other."""
    return lambda state, moment: [names for choose in choices for names in choose(state, moment)]


# -- table and page --------------------------------------------------------------------------------

COLUMNS = (
    "state", "moment", "faults", "first cause", "all causes", "latched ms", "closed ms",
    "going on", "shown", "signals", "recorded", "mended by", "wrong",
)  # fmt: skip


def row(one: Outcome) -> list[str]:
    """One trial as a row of the table; times in ms, from the fault (latched: in a flow, from the
    gate's fall)."""
    return [
        one.state, one.moment, " + ".join(one.faults), one.first, ", ".join(one.latched),
        f"{one.latch_ms:.0f}" if one.latch_ms >= 0 else "",
        f"{one.closed_ms:.2f}" if one.closed_ms >= 0 else "",
        one.treated, one.shown, one.signals, one.recorded, one.mended, "; ".join(one.wrong),
    ]  # fmt: skip


_HEAD = """\
# Fault matrix

Every fault that the bench can make ({faults}), at the beginning, the middle and the end of every state
({moments} moments), and {pairs} drawn pairs: made, then mended. Written by `make fault-matrix`; do not
edit. **Everything is simulated: the unchanged firmware runs on the fast bench.**

After the fault TRIGGER or ARM is held on as it was; where nothing is flowing the device is left alone
for 3.6 s, and then an operator who has noticed nothing goes on to a treatment. In a flow TRIGGER is held to
the end, and the closing is watched for 6 s. Then the fault is mended and acknowledged.

What must come of it is written in `hw_sim/evidence/expected.py`, from [hazards.md](hazards.md) and not from
a run: the first cause, the bounds, whether a treatment may follow. Whatever breaks:
- the gate is never high for longer than planned, and the coil never energised but by both switches (with
  a shorted gate switch: 100 ms by SUPPLY alone, while it is being found);
- each opening has its two true records, each record its opening;
- the device restarts for nothing but a loss of its supply;
- mended and acknowledged it is READY (after a power cycle, where the fault requires one).

| trials | alone | in pairs | not judged | not as expected |
|---:|---:|---:|---:|---:|
| {trials} | {alone} | {paired} | {unjudged} | {bad} |

Not judged: after a failed write littlefs on the host ends the process by an assertion that the board's build
does not have.
{wrong}
**The whole table**, a row a trial: [fault-matrix.csv](fault-matrix.csv). It holds the first cause, all causes,
the time to the latch (in a flow: from the gate's fall), the time to the gate's fall, what the screen shows (read
from its pixels), lamps and sound, the last records, and what mends it. `make test-slow` makes some again and
compares them; `make test-nightly` all.

## By fault

Worst times over all moments. *Closed*: the gate was high when it broke, or rose by the trigger that was held;
where no bound is given the planned end is the bound.

| fault | rule | first cause (trials) | latched at rest | bound | closed in a flow | bound | shown | mended by |
|---|---|---|---:|---:|---:|---:|---|---|
"""  # noqa: E501


def _worst(times: Iterable[float], form: str) -> str:
    most = max(times, default=-1.0)
    return form.format(most) if most >= 0 else "–"


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    rule = RULES[name]
    causes = Counter(one.first or "none" for one in outcomes)
    shown = Counter(one.shown.partition(" / ")[0] for one in outcomes if one.first)
    mended = Counter(one.mended for one in outcomes if one.mended not in ("", "-"))
    rest = [one.latch_ms for one in outcomes if one.closed_ms < 0 and one.latch_ms >= 0]
    flow = [one.closed_ms for one in outcomes]
    cells = [
        MISHAPS[name].words,
        rule.why,
        ", ".join(f"{cause} {count}" for cause, count in causes.most_common()),
        _worst(rest, "{:.0f} ms") if rule.rest else "–",
        f"{rule.rest_ms:.0f} ms" if rule.rest else "–",
        _worst(flow, "{:.2f} ms"),
        f"{rule.flow_ms:g} ms" if rule.flow_ms != ANY else "–",
        shown.most_common(1)[0][0] if shown else "–",
        ", ".join(sorted(mended)) or "–",
    ]
    return "| " + " | ".join(cells) + " |\n"


def page(outcomes: Sequence[Outcome]) -> str:
    """docs/fault-matrix.md."""
    alone = [one for one in outcomes if len(one.faults) == 1]
    bad = [one for one in outcomes if one.wrong]
    listed = "".join(
        f"- {one.state}, {one.moment}: {' + '.join(one.faults)}: {'; '.join(one.wrong)}\n"
        for one in bad
    )
    head = _HEAD.format(
        faults=len({one.faults for one in alone}),
        moments=len({(one.state, one.moment) for one in outcomes}),
        pairs=len(outcomes) - len(alone),
        trials=len(outcomes),
        alone=len(alone),
        paired=len(outcomes) - len(alone),
        unjudged=sum(one.treated == NOT_JUDGED for one in outcomes),
        bad=len(bad),
        wrong=f"\nNot as expected:\n{listed}" if bad else "",
    )
    return head + "".join(
        _line(name, [one for one in alone if one.faults == (name,)]) for name in MISHAPS
    )


def write(outcomes: Sequence[Outcome]) -> None:
    """The page and the table."""
    PAGE.write_text(page(outcomes), encoding="utf-8")
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row(one) for one in outcomes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 1: something is not as the rules have it."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.evidence.fault_matrix")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--pairs", type=int, default=8, help="drawn pairs at each moment")
    parser.add_argument("--only", nargs="*", help="these faults, at each moment; writes nothing")
    chosen = parser.parse_args(arguments)
    began_s = time.monotonic()
    pairs = drawn_pairs(chosen.pairs)
    choose = named(chosen.only) if chosen.only else both(everything, pairs)

    def said(one: Outcome) -> None:
        if one.wrong or chosen.only:
            print(one.state, one.moment, "+".join(one.faults), one.first, f"{one.latch_ms:.0f}",
                  f"{one.closed_ms:.1f}", one.treated, one.mended, one.wrong, file=sys.stderr,
                  flush=True)  # fmt: skip

    outcomes = run(choose, chosen.jobs, said)
    if not chosen.only:
        write(outcomes)
    bad = sum(bool(one.wrong) for one in outcomes)
    print(f"{len(outcomes)} trials, {bad} not as expected, {time.monotonic() - began_s:.0f} s",
          file=sys.stderr)  # fmt: skip
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
