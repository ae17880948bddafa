"""The theorems about GATE and SUPPLY, proved by induction over single cycles with z3.

For each place where a program may stand there is an invariant. It is shown that the invariants hold
where a word is taken, and that each cycle leads from a state in which they hold to one in which
they hold, for every value of the registers and either level of the E-stop loop. What the theorems
claim is read off the invariants. Nothing is unrolled: a count of 2^32 - 1 costs as much as of 1.

Ghosts, which the machine does not have: N, the word that was taken; H, the cycles in which the
pin has been high since; T, the cycles since, with the one that took it; A, the consecutive cycles,
up to now, that the loop has been open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import z3

from tests.proofs.semantics import Program, State, Unmodelled, Value, inject, step

WIDE = 40  # bits of a ghost: 3 * 2^32 fits
Formula = Any


def bits(name: str) -> Value:
    """An unknown register."""
    return z3.BitVec(name, 32)


def wide(value: Value) -> Value:
    """A register or number as a ghost is."""
    if isinstance(value, int):
        return z3.BitVecVal(value, WIDE)
    return z3.ZeroExt(WIDE - 32, value)


@dataclass(frozen=True)
class Ghosts:
    """What is counted beside the machine."""

    n: Value
    h: Value = field(default_factory=lambda: z3.BitVec("H", WIDE))
    t: Value = field(default_factory=lambda: z3.BitVec("T", WIDE))
    a: Value = field(default_factory=lambda: z3.BitVec("A", 8))

    def after(self, state: State, estop: int) -> Ghosts:
        """One cycle later: `state` is the machine's after it."""
        open_for = z3.If(self.a == 255, self.a, self.a + 1)
        return Ghosts(
            self.n,
            self.h + 1 if state.pin else self.h,
            self.t + 1,
            z3.BitVecVal(0, 8) if estop else open_for,
        )


@dataclass
class Ledger:
    """Obligations that were discharged, and those that were not."""

    proved: int = 0
    refuted: list[str] = field(default_factory=list)

    def prove(self, what: str, assumed: list[Formula], claim: Formula) -> None:
        """`claim` holds wherever all that is assumed does; a counterexample is kept."""
        if claim is True:
            self.proved += 1
            return
        solver = z3.Solver()
        solver.add(*assumed, z3.Not(claim) if claim is not False else True)
        answer = solver.check()
        if answer == z3.unsat:
            self.proved += 1
        else:
            model = solver.model() if answer == z3.sat else "undecided"
            self.refuted.append(f"{what}: {model}")

    def holds(self, what: str, fact: bool) -> None:
        """A claim about what is known without z3."""
        if fact:
            self.proved += 1
        else:
            self.refuted.append(what)


def possible(assumed: list[Formula]) -> bool:
    """Whether any state is left: an invariant that nothing satisfies would prove everything."""
    solver = z3.Solver()
    solver.add(*assumed)
    return solver.check() == z3.sat


def unknown(pc: int, **known: Any) -> State:
    """A state with nothing known of the registers."""
    fields: dict[str, Any] = {
        "x": bits("x"), "y": bits("y"), "isr": bits("isr"), "osr": bits("osr"),
        "isr_n": 0, "osr_n": 0,
    }  # fmt: skip
    return State(pc, **(fields | known))


# -- GATE -----------------------------------------------------------------------------------------

# Places of the gate program: its words, from the first on.
(
    WAITS, TAKEN, LESS, CHECK, RESTORES, REFUSED, RISE, WATCH, LOW, REPORT, PUSHES, COUNT, ENDED,
) = range(13)  # fmt: skip
GATE_PLACES = 13
IN_30 = (1 << 30) - 1  # a report's bits: -1 in them is a complete count


def gate_levels(place: int) -> tuple[int, ...]:
    """Levels that the pin may have at a place."""
    return (1,) if place in (WATCH, COUNT, ENDED, LOW) else (0,)


def _outcome(g: Ghosts, x: Value, later: int) -> Formula:
    """The three ways in which a word ends, `later` cycles after the gate is low: X tells them."""
    n = g.n
    two_n, gone = 2 * wide(n), 2 * (wide(n) - wide(x))
    return z3.Or(
        z3.And(x == n, g.h == 0, g.t == 5 + later),  # the loop was open: it never rose
        z3.And(z3.ULT(x, n), g.h == gone, g.t == gone + 4 + later),  # the loop has opened
        z3.And(x == -1, g.h == two_n + 2, g.t == two_n + 6 + later),  # complete
    )


def gate_invariant(place: int, s: State, g: Ghosts) -> Formula:
    """What holds of registers and ghosts at each place but WAITS."""
    n, x = g.n, s.x
    two_n, gone = 2 * wide(n), 2 * (wide(n) - wide(x))
    less = x == n - 1
    return {
        TAKEN: lambda: z3.And(s.osr == n, g.h == 0, g.t == 1),
        LESS: lambda: z3.And(x == n, s.osr == n, g.h == 0, g.t == 2),
        CHECK: lambda: z3.And(less, s.osr == n, g.h == 0, g.t == 3),
        RESTORES: lambda: z3.And(s.osr == n, g.h == 0, g.t == 4, z3.UGE(g.a, 1)),
        REFUSED: lambda: z3.And(x == n, g.h == 0, g.t == 5),
        RISE: lambda: z3.And(less, g.h == 0, g.t == 4, g.a == 0),
        WATCH: lambda: z3.And(z3.ULT(x, n), g.h == gone - 1, g.t == gone + 3, z3.ULE(g.a, 1)),
        COUNT: lambda: z3.And(z3.ULT(x, n), g.h == gone, g.t == gone + 4, g.a == 0),
        ENDED: lambda: z3.And(x == -1, g.h == two_n + 1, g.t == two_n + 5, z3.ULE(g.a, 1)),
        LOW: lambda: z3.And(
            z3.ULE(g.a, 2), z3.Or(
                z3.And(z3.ULT(x, n), g.h == gone, g.t == gone + 4, z3.UGE(g.a, 1)),
                z3.And(x == -1, g.h == two_n + 2, g.t == two_n + 6),
            ),
        ),
        REPORT: lambda: _outcome(g, x, 1),
        PUSHES: lambda: z3.And(s.isr == x & IN_30, _outcome(g, x, 2)),
    }[place]()  # fmt: skip


def reported(n: Value, word: Value, g: Ghosts) -> Formula:
    """What a report means, and in which cycle after the taking it is there. The theorem.

    For counts below 2^30 - 1 (the firmware's end at 15 000 000); it has 30 bits.
    """
    two_n, gone = 2 * wide(n), 2 * (wide(n) - wide(word))
    return z3.Implies(
        z3.ULT(n, IN_30),
        z3.And(
            z3.Or(z3.ULE(word, n), word == IN_30),
            z3.Implies(word == n, z3.And(g.h == 0, g.t == 8)),
            z3.Implies(z3.ULT(word, n), z3.And(g.h == gone, g.t == gone + 7)),
            z3.Implies(word == IN_30, z3.And(g.h == two_n + 2, g.t == two_n + 9)),
        ),
    )


def _gate_cycles(program: Program, ledger: Ledger) -> Iterator[None]:
    """Each cycle from each place, with either level of the loop; yields now and then."""
    n = bits("N")
    for place in range(1, GATE_PLACES):
        for level in gate_levels(place):
            before, ghosts = _at_place(program, place, level), Ghosts(n)
            holds = [n != 0, gate_invariant(place, before, ghosts)]
            ledger.holds(f"place {place} is reached by some state", possible(holds))
            for estop in (0, 1):
                what = f"from place {place} with the loop {'closed' if estop else 'open'}"
                for condition, after in step(program, before, estop):
                    _gate_way(program, ledger, what, [*holds, condition], (after, ghosts, estop))
            yield


def _at_place(program: Program, place: int, level: int) -> State:
    """A state at a place. ISR is 0 until the report is in it."""
    if place == PUSHES:
        return unknown(program.start + place, level=level, isr_n=30)
    return unknown(program.start + place, level=level, isr=0)


def _gate_way(
    program: Program,
    ledger: Ledger,
    what: str,
    assumed: list[Formula],
    way: tuple[State, Ghosts, int],
) -> None:
    """One way on from a place: it leads to a place, and the invariant holds there."""
    after, ghosts, estop = way
    if not possible(assumed):
        return
    place = program.at(after.pc)
    g = ghosts.after(after, estop)
    known = 0 <= place < GATE_PLACES and not after.delay and after.driven
    ledger.holds(f"{what}: to a known place", bool(known))
    if not known:
        return
    ledger.holds(f"{what}: its level at place {place}", after.level in gate_levels(place))
    if after.level:
        ledger.prove(f"{what}: low after three cycles with an open loop", assumed, z3.ULE(g.a, 2))
    clear = isinstance(after.isr, int) and not after.isr and not after.isr_n
    ledger.holds(f"{what}: ISR is 0", clear or place == PUSHES)
    if place == WAITS:
        pushed = len(after.rx) == 1
        ledger.holds(f"{what}: back to waiting with one report", pushed)
        if pushed:
            ledger.prove(f"{what}: the report", assumed, reported(g.n, after.rx[0], g))
        return
    ledger.holds(f"{what}: no report on the way", not after.rx)
    ledger.prove(f"{what}: invariant of place {place}", assumed, gate_invariant(place, after, g))


def _gate_waits(program: Program, ledger: Ledger) -> None:
    """Waiting, the machine takes a word, and without one does nothing, whatever the loop does."""
    n = bits("N")
    for estop in (0, 1):
        for osr_n in (0, 32):  # after a report, and after power-on
            idle = unknown(program.start, isr=0, osr_n=osr_n)
            ((_, after),) = step(program, idle, estop)
            ledger.holds("nothing happens without a word", after == idle)
            ((_, after),) = step(program, replace(idle, tx=(n,)), estop)
            taken = program.at(after.pc) == TAKEN and not (after.level or after.delay or after.tx)
            ledger.holds("a word is taken", taken and after.driven == 1)
            if taken:
                g = Ghosts(n, z3.BitVecVal(0, WIDE), z3.BitVecVal(1, WIDE))
                ledger.prove("where it is taken", [n != 0], gate_invariant(TAKEN, after, g))


def gate(program: Program) -> Iterator[Ledger]:
    """Prove the theorems about GATE for these words. Yields the ledger as it fills."""
    ledger = Ledger()
    try:
        _gate_waits(program, ledger)
        yield ledger
        for _ in _gate_cycles(program, ledger):
            yield ledger
        _full_reports(program, ledger)
    except Unmodelled as problem:
        ledger.refuted.append(str(problem))
    yield ledger


def _full_reports(program: Program, ledger: Ledger) -> None:
    """With a full FIFO of reports the machine does not stop: it is back to waiting all the same."""
    full = tuple(bits(f"r{i}") for i in range(4))
    before = unknown(program.start + PUSHES, rx=full)
    for _condition, after in step(program, before, 1):
        ledger.holds("no stop at a full FIFO", program.at(after.pc) == WAITS and after.rx == full)


# How far each place is from WAITS at most, in cycles: every cycle brings it nearer.
def gate_distance(place: int, s: State) -> Value:
    """An upper bound, in cycles, of the way back to WAITS: 0 there."""
    x, osr = wide(s.x), wide(s.osr)
    return {
        WAITS: lambda: wide(0), PUSHES: lambda: wide(1), REPORT: lambda: wide(2),
        LOW: lambda: wide(3), ENDED: lambda: wide(4), COUNT: lambda: 2 * x + 5,
        WATCH: lambda: 2 * x + 6, RISE: lambda: 2 * x + 7, CHECK: lambda: 2 * x + 8,
        REFUSED: lambda: wide(3), RESTORES: lambda: wide(4),
        LESS: lambda: 2 * (x - 1) + 9, TAKEN: lambda: 2 * (osr - 1) + 10,
    }[place]()  # fmt: skip


SET_X_0 = 0xE020


def not_zero(place: int, s: State) -> list[Formula]:
    """A count is 1 at least: the word, and X as it is taken over."""
    return {TAKEN: [s.osr != 0], LESS: [s.x != 0]}.get(place, [])


def gate_disturbed(program: Program, injected: list[int]) -> Ledger:
    """With any of these words injected, any number of them, in any order, at any cycle.

    Nothing is known of the registers. The pin may also be low where a count holds it high.
    """
    ledger = Ledger()
    for place in range(GATE_PLACES):
        for level in {0, *gate_levels(place)}:
            before = unknown(program.start + place, level=level)
            far = gate_distance(place, before)
            for word in injected:
                for _condition, after in inject(program, before, word, 1):
                    what = f"{word:#06x} at place {place}"
                    ledger.holds(f"{what}: the counter stays", after.pc == before.pc)
                    ledger.holds(f"{what}: no rise", after.level <= before.level)
                    ledger.holds(f"{what}: nothing else is driven", after.driven == 1)
                    if (place, word) == (LESS, SET_X_0):
                        continue  # X becomes -1: `close` does not do it (test_close.py)
                    nearer = z3.ULE(gate_distance(place, after), far)
                    ledger.prove(
                        f"{what}: no further from waiting", not_zero(place, before), nearer
                    )
            for estop in (0, 1):
                _disturbed_cycle(program, ledger, (place, before, estop))
    return ledger


def _disturbed_cycle(program: Program, ledger: Ledger, at: tuple[int, State, int]) -> None:
    place, before, estop = at
    for condition, after in step(program, before, estop):
        if condition is not True and not possible([condition]):
            continue
        to = program.at(after.pc)
        what = f"place {place} to {to}"
        rises = after.level > before.level
        ledger.holds(f"{what}: rises at RISE only", not rises or place == RISE)
        ledger.holds(f"{what}: to RISE from a closed loop", to != RISE or bool(estop))
        ledger.holds(f"{what}: to RISE from CHECK only", to != RISE or place == CHECK)
        ledger.holds(f"{what}: to CHECK from LESS only", to != CHECK or place == LESS)
        ledger.holds(f"{what}: to LESS from TAKEN only", to != LESS or place == TAKEN)
        ledger.holds(f"{what}: to TAKEN by a word only", to != TAKEN or place == WAITS)
        ledger.holds(f"{what}: low there", after.level in {0, *gate_levels(to)})
        if place != WAITS:
            nearer = z3.ULT(gate_distance(to, after), gate_distance(place, before))
            known = [condition, *not_zero(place, before)]
            ledger.prove(f"{what}: nearer to waiting", known, nearer)


# -- SUPPLY ---------------------------------------------------------------------------------------

OFF, PARKED, GIVEN, KNOWN, RAISES, ALIVE, HELD, DOWN = range(8)
SUPPLY_PLACES = 8
LATER = 4  # cycles by which the word that raises begins later than a top-up


def supply_invariant(place: int, s: State, g: Ghosts, raised: bool) -> Formula:
    """What holds at each place. N: the word that was taken last; T: the cycles since."""
    n, x, t = g.n, s.x, g.t
    begun = LATER if raised else 0
    three = 3 * (wide(n) - wide(x))
    if place == OFF:
        return z3.BoolVal(True) if not s.level else t == 3 * wide(n) + 3 + begun
    return {
        PARKED: lambda: z3.BoolVal(True),
        GIVEN: lambda: z3.And(s.osr == n, t == 1),
        KNOWN: lambda: z3.And(x == n, t == 2),
        RAISES: lambda: z3.And(x == n, n == s.y, t == 3),
        ALIVE: lambda: z3.And(z3.ULE(x, n), t == three + begun),
        HELD: lambda: z3.And(
            z3.ULE(s.osr, n), t == 3 * (wide(n) - wide(s.osr)) + begun + 1
        ),
        DOWN: lambda: z3.And(z3.ULE(x, n), t == three + begun + 2),
    }[place]()  # fmt: skip


def supply_levels(place: int) -> tuple[int, ...]:
    """Levels that the pin may have at a place."""
    if place == OFF:
        return (0, 1)
    return (1,) if place in (ALIVE, HELD, DOWN) else (0,)


def supply(program: Program, raises: int) -> Iterator[Ledger]:
    """Prove the theorems about SUPPLY. `raises`: the word that Y holds. Yields as it fills."""
    ledger = Ledger()
    try:
        for place in range(SUPPLY_PLACES):
            for level in supply_levels(place):
                for raised in (False, True):
                    _supply_place(program, ledger, raises, (place, level, raised))
                yield ledger
    except Unmodelled as problem:
        ledger.refuted.append(str(problem))
    yield ledger


def _supply_place(program: Program, ledger: Ledger, raises: int, at: tuple[int, int, bool]) -> None:
    place, level, raised = at
    before = unknown(program.start + place, level=level, y=z3.BitVecVal(raises, 32))
    ghosts, new = Ghosts(bits("N")), bits("W")
    holds = [supply_invariant(place, before, ghosts, raised)]
    if raised and level:
        holds.append(ghosts.n == raises)
    ledger.holds(f"place {place} is reached", possible(holds) or (place, raised) == (ALIVE, False))
    for estop in (0, 1):
        for tx in ((), (new,)):
            for condition, after in step(program, replace(before, tx=tx), estop):
                taken = bool(tx) and not after.tx
                assumed = [*holds, condition]
                if not possible(assumed):
                    continue
                # A word that is taken begins the count again; it is a top-up, or it raises.
                g = ghosts.after(after, estop)
                if taken:
                    g = replace(g, n=new, t=z3.BitVecVal(1, WIDE))
                _supply_way(program, ledger, (raises, *at), assumed, (after, g, taken))


def _supply_way(
    program: Program,
    ledger: Ledger,
    at: tuple[int, int, int, bool],
    assumed: list[Formula],
    way: tuple[State, Ghosts, bool],
) -> None:
    raises, place, level, raised = at
    after, g, taken = way
    to = program.at(after.pc)
    what = f"supply, place {place} to {to}"
    known = 0 <= to < SUPPLY_PLACES and not after.delay and after.driven and not after.rx
    ledger.holds(f"{what}: a known place", bool(known))
    if not known:
        return
    ledger.holds(f"{what}: its level", after.level in supply_levels(to))
    ledger.holds(f"{what}: a word is taken there only", taken <= (place in (PARKED, ALIVE)))
    ledger.prove(f"{what}: Y stays", assumed, after.y == z3.BitVecVal(raises, 32))
    if after.level > level:
        ledger.holds(f"{what}: rises at RAISES only", place == RAISES)
        ledger.prove(f"{what}: on one word only", assumed, g.n == raises)
    if after.level < level:
        # The cycle in which it falls, counted from the one that took the last word.
        last = 3 * wide(g.n) + 4 + (LATER if raised else 0)
        ledger.prove(f"{what}: falls in that cycle", assumed, g.t == last)
    # From RAISES on it is the word that raised; a top-up taken in ALIVE is not.
    now = (raised and not taken) or place == RAISES
    claim = supply_invariant(to, after, g, now)
    if now and after.level:
        claim = z3.And(claim, g.n == raises)
    ledger.prove(f"{what}: invariant", assumed, claim)


def whole(ledgers: Iterator[Ledger], stop: Callable[[Ledger], bool] = lambda _: False) -> Ledger:
    """The ledger when all is done, or as soon as `stop` says so."""
    ledger = Ledger()
    for ledger in ledgers:
        if stop(ledger):
            break
    return ledger


def fails(ledger: Ledger) -> bool:
    """Whether an obligation has already been refuted."""
    return bool(ledger.refuted)
