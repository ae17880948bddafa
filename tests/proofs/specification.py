"""What the two programs shall do, cycle by cycle, without any instruction; and words changed.

The theorems of `induction` fix the pin, the reports and the taking of words to the cycle. Here the
same is written as a function of what comes in, so that a program with one word changed can be
refuted by one short run. What no run refutes must pass the proofs themselves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from tests.proofs import induction, semantics
from tests.proofs.semantics import Program, State, Unmodelled

COMPLETE = (1 << 30) - 1  # X is -1; a report has 30 bits
RAISES = 5  # SUPPLY is run with a smaller word than the firmware's, to be quick
Cycle = tuple[int, int, int]  # the pin after it, words waiting, reports so far


@dataclass(frozen=True)
class Scenario:
    """What comes in. `words`: (cycle before which it is put, word); `opens`: cycles open."""

    words: tuple[tuple[int, int], ...]
    cycles: int
    opens: frozenset[int] = frozenset()
    garbage: int = 0  # in X, Y (GATE) and ISR (SUPPLY) at the start

    def waiting(self, cycle: int) -> list[int]:
        """Words that are put before this cycle."""
        return [word for at, word in self.words if at == cycle]


def gate_expected(s: Scenario) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Pin after each cycle; reports as (cycle, word); cycles in which words are taken."""
    levels, reports, takes = [0] * (s.cycles + 1000), list[tuple[int, int]](), list[int]()
    free = 0
    for at, n in s.words:
        c = max(free, at)
        takes.append(c)
        if c + 3 in s.opens:
            reports.append((c + 7, n))
            free = c + 8
            continue
        cut = next((j for j in range(n) if c + 5 + 2 * j in s.opens), None)
        left = COMPLETE if cut is None else n - 1 - cut
        falls = c + 6 + 2 * (n if cut is None else cut)
        for cycle in range(c + 4, falls):
            levels[cycle] = 1
        reports.append((falls + 2, left))
        free = falls + 3
    return levels[: s.cycles], reports, takes


def supply_expected(s: Scenario) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """The same of SUPPLY, which reports nothing."""
    levels, takes = [0] * (s.cycles + 100), list[int]()
    queue: list[int] = []
    place, x, cycle = 1, 0, 1  # parked from cycle 1 on
    queue += s.waiting(0)
    while cycle < s.cycles:
        queue += s.waiting(cycle)
        if place == 1:  # parked
            if queue:
                takes.append(cycle)
                word = queue.pop(0)
                for later in (cycle + 1, cycle + 2, cycle + 3):
                    queue += s.waiting(later)
                place, x = (2, word) if word == RAISES else (1, 0)
                if place == 2:
                    levels[cycle + 3] = 1
                cycle += 3
            cycle += 1
            continue
        if queue:
            takes.append(cycle)
            x = queue.pop(0)
        queue += s.waiting(cycle + 1) + s.waiting(cycle + 2)
        levels[cycle : cycle + 3] = [1, 1, 1]
        cycle += 3
        if x:
            x -= 1
            continue
        place = 1
        queue += s.waiting(cycle)
        cycle += 1  # low after it
    return levels[: s.cycles], [], takes


@cache
def expected(name: str, s: Scenario) -> list[Cycle]:
    """The pin after each cycle, the words then waiting, and the number of reports."""
    levels, reports, takes = {"_gate_program": gate_expected, "_supply_program": supply_expected}[
        name
    ](s)
    rows: list[Cycle] = []
    for cycle in range(s.cycles):
        put = sum(1 for at, _ in s.words if at <= cycle)
        taken = sum(1 for at in takes if at <= cycle)
        rows.append((levels[cycle], put - taken, sum(1 for at, _ in reports if at <= cycle)))
    return rows


def run(name: str, program: Program, s: Scenario) -> str:
    """Run the words. The first difference from what is expected, or an empty string."""
    gate = name == "_gate_program"
    rows = expected(name, s)
    reports = [word for _, word in gate_expected(s)[1]] if gate else []
    y = s.garbage if gate else RAISES
    state = State(program.start, x=s.garbage, y=y, isr=0 if gate else s.garbage)
    pushed = 0
    full = s.garbage == 1  # the reports are not read: the FIFO fills
    for cycle in range(s.cycles):
        words = s.waiting(cycle)
        if words:
            state = replace(state, tx=(*state.tx, *words))
        before = len(state.rx)
        try:
            state = semantics.step_known(program, state, cycle not in s.opens)
        except Unmodelled:
            return f"cycle {cycle}: it waits for a flag that nobody clears"
        if len(state.rx) > before:
            if pushed >= len(reports) or state.rx[-1] != reports[pushed]:
                return f"cycle {cycle}: it reports {state.rx[-1]}"
            pushed += 1
            if not full:
                state = replace(state, rx=())
        level, waiting, made = rows[cycle]
        if state.pin != level:
            return f"cycle {cycle}: the pin is {state.pin}"
        if len(state.tx) != waiting:
            return f"cycle {cycle}: {len(state.tx)} words wait, not {waiting}"
        if pushed != (min(made, semantics.DEPTH) if full else made):
            return f"cycle {cycle}: {pushed} reports, not {made}"
    return ""


def _gate_scenarios() -> Iterator[Scenario]:
    everywhere = ((0, 2), (0, 1), (40, 3))
    yield Scenario(everywhere, 90, garbage=9)
    yield Scenario(everywhere, 90, garbage=(1 << 32) - 1)  # as `close` may leave Y
    yield Scenario(((1, 4), (3, 2)), 60, frozenset({4}))
    yield Scenario(everywhere, 80, frozenset({7, 24, 51}))
    yield Scenario(((3, 1),) * 6, 120, garbage=1)
    for n in (1, 2, 3):
        for at in range(2 * n + 14):
            yield Scenario(((2, n), (50, 1)), 66, frozenset({at}), garbage=7)
            yield Scenario(((2, n), (50, 2)), 66, frozenset(range(at, 49)), garbage=3)
    chance = random.Random(4)
    for _ in range(20):
        words = tuple(sorted((chance.randrange(60), chance.randint(1, 6)) for _ in range(3)))
        opens = frozenset(c for c in range(100) if chance.random() < 0.05)
        yield Scenario(words, 100, opens, chance.getrandbits(32))


def _supply_scenarios() -> Iterator[Scenario]:
    yield Scenario(((2, 4), (9, RAISES), (20, 4), (60, 3)), 100, garbage=RAISES)
    yield Scenario(((0, 0), (0, RAISES), (0, 0), (13, 1 << 31)), 40, garbage=6)
    yield Scenario(((2, RAISES), (2, 2), (2, 0), (14, RAISES)), 60, frozenset(range(60)))
    for at in range(8, 40):
        yield Scenario(((2, RAISES), (at, 4)), 80, garbage=0)
        yield Scenario(((2, RAISES), (at, 0), (at + 7, 4)), 80, garbage=1)
    chance = random.Random(5)
    for _ in range(20):
        words = tuple(
            sorted((chance.randrange(60), chance.choice((0, 1, 4, 5, 5, 6))) for _ in range(4))
        )
        opens = frozenset(c for c in range(120) if chance.random() < 0.3)
        yield Scenario(words, 120, opens, chance.getrandbits(32))


@cache
def scenarios(name: str) -> tuple[Scenario, ...]:
    """The runs that refute changed words, the most telling ones first."""
    return tuple({"_gate_program": _gate_scenarios, "_supply_program": _supply_scenarios}[name]())


def difference(name: str, program: Program) -> str:
    """What refutes these words, or an empty string."""
    for scenario in scenarios(name):
        found = run(name, program, scenario)
        if found:
            return found
    return ""


def proved(name: str, program: Program) -> bool:
    """Whether the words pass all theorems: then they are equivalent in all that can be seen."""
    raises = semantics.constants()["_RAISE"]
    if name == "_gate_program":
        ledgers = induction.gate(program)
    else:
        ledgers = induction.supply(program, raises)
    ledger = induction.whole(ledgers, stop=induction.fails)
    return not ledger.refuted
