"""`close` and `ended` of the firmware's own Valve, at any moment of a count, at any pace.

With numbers, exhaustively, for small counts; and for all counts: from every state that the proved
invariants allow, along every path that the code and the machine can take together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import z3

from tests.proofs import induction, semantics
from tests.proofs.closing import Board, Explorer, Number, valve_over
from tests.proofs.induction import GATE_PLACES, LESS, PUSHES, TAKEN, Ghosts
from tests.proofs.semantics import State

COMPLETE = induction.IN_30
LONGEST = 14_999_999  # the count of the ceiling of 30 s
SLACK = 5  # cycles by which the record may be short, beyond the time between two accesses


class Paces:
    """The cycles between accesses, and those that lay between the last two that matter."""

    def __init__(self, pace: Callable[[], int]) -> None:
        self._pace = pace
        self.taken: list[int] = []

    def __call__(self) -> int:
        self.taken.append(self._pace())
        return self.taken[-1]


def close_at(n: int, cycles: int, paces: Paces, opens: frozenset[int]) -> tuple[Board, Any]:
    """Put a count, close `cycles` later, and ask whether it has ended, as the shot does."""
    program = semantics.firmware("_gate_program")
    board = Board(program, State(program.start), lambda: 0, opens)
    valve = valve_over(board)
    assert valve.open_for(2 * n + 2)
    board.run(cycles)
    board.pace = paces
    valve.close()
    assert not board.state.pin
    assert valve.ended()
    return board, valve


def check_record(board: Board, valve: Any, paces: Paces, n: int) -> None:
    """What is recorded is what was high, or less by what passed while the remainder was read."""
    recorded = valve.delivered_us()
    # `set x, 0` follows `mov y, x` by one access; without them the program's own report counts.
    words = [word for _place, word in board.injected]
    between = 0
    if induction.SET_X_0 in words:
        between = max(paces.taken) + SLACK
    assert 0 <= board.high - recorded <= between, (n, board.high, recorded, paces.taken)
    assert not valve.complete() or board.high == recorded == 2 * n + 2
    assert board.rises <= 1
    assert all(
        place not in (TAKEN, LESS) for place, word in board.injected if word == induction.SET_X_0
    )
    high = board.high
    board.run(40)
    assert valve.ended()
    assert (board.high, valve.delivered_us()) == (high, recorded), "it does not change any more"
    assert board.program.at(board.state.pc) == 0


@pytest.mark.hazard("H-01", "H-02")
@pytest.mark.parametrize("pace", [1, 2, 3, 5, 8])
def test_close_at_every_cycle_of_every_small_count(pace: int) -> None:
    """H-01, H-02. From the cycle of the put to after the report."""
    for n in (1, 2, 3, 6):
        for cycles in range(2 * n + 16):
            paces = Paces(lambda: pace)
            board, valve = close_at(n, cycles, paces, frozenset())
            check_record(board, valve, paces, n)


@pytest.mark.hazard("H-01", "H-02", "H-03")
def test_close_while_the_loop_opens() -> None:
    """H-03. Both at once, at random paces: what ends it first is what is recorded."""
    chance = random.Random(6)
    for _ in range(700):
        n = chance.randint(1, 20)
        opens = chance.randrange(2 * n + 30)
        closed_again = opens + chance.choice((1, 2, 3, 9, 500))
        least = chance.randint(1, 6)
        paces = Paces(lambda least=least: chance.randint(least, 9))
        board, valve = close_at(
            n, chance.randrange(2 * n + 16), paces, frozenset(range(opens, closed_again))
        )
        check_record(board, valve, paces, n)


@pytest.mark.hazard("H-01", "H-02", "H-03")
def test_close_at_every_cycle_with_the_loop_opening_at_every_cycle() -> None:
    """H-03. Exhaustively, for counts up to 4."""
    for n in (1, 2, 3, 4):
        for pace in (1, 2, 4, 7):
            for cycles in range(2 * n + 14):
                for opens in range(2 * n + 30):
                    paces = Paces(lambda pace=pace: pace)
                    board, valve = close_at(n, cycles, paces, frozenset(range(opens, opens + 300)))
                    check_record(board, valve, paces, n)


def ended_without_closing(n: int, opens: int) -> tuple[Board, Any]:
    program = semantics.firmware("_gate_program")
    board = Board(program, State(program.start), lambda: 1, frozenset(range(opens, opens + 300)))
    valve = valve_over(board)
    assert valve.open_for(2 * n + 2)
    for _ in range(60):
        if valve.ended():
            break
    return board, valve


@pytest.mark.hazard("H-02", "H-03")
def test_what_the_loop_leaves_is_recorded_to_the_microsecond() -> None:
    """H-02, H-03. Without `close`: the timer alone, or the loop at any cycle."""
    for n in (1, 2, 5, 9):
        for opens in range(2 * n + 12):
            board, valve = ended_without_closing(n, opens)
            assert valve.delivered_us() == board.high
            assert valve.complete() == (board.high == 2 * n + 2)


class AnyCount:
    """`close` and `ended`, from one place of the program, for every count at once."""

    def __init__(self, place: int, level: int, pace: int) -> None:
        self.place, self.level, self.pace = place, level, pace
        self.explorer = Explorer()
        self.proved = 0

    def run(self) -> None:
        """One path: what the shot does when the trigger is let go."""
        program = semantics.firmware("_gate_program")
        n, ghosts = induction.bits("N"), Ghosts(induction.bits("N"))
        isr: Any = induction.bits("isr") if self.place == PUSHES else 0
        start = induction.unknown(
            program.start + self.place, level=self.level, isr=isr,
            isr_n=30 if self.place == PUSHES else 0,
        )  # fmt: skip
        explorer = self.explorer
        explorer.assumed += [z3.UGE(n, 1), z3.ULE(n, LONGEST)]
        explorer.assumed.append(induction.gate_invariant(self.place, start, ghosts))
        board = Board(program, start, lambda: self.pace, any_loop=True)
        board.choose = lambda ways: ways[explorer.pick([condition for condition, _ in ways])][1]
        valve = valve_over(board)
        valve._count = Number(induction.wide(n), explorer)
        gate = valve._gate
        get = gate.get
        gate.get = lambda: Number(induction.wide(get()), explorer)
        valve.close()
        assert not board.state.pin
        assert valve.ended()
        assert program.at(board.state.pc) == 0, "it waits for a new word"
        assert not board.state.rx
        assert board.rises <= 1
        recorded = valve.delivered_us()
        assert isinstance(recorded, Number)
        short = ghosts.h + board.high - recorded.value
        ledger = induction.Ledger()
        most = self.pace + SLACK
        ledger.prove("the record", explorer.assumed, z3.And(short >= 0, short <= most))
        if valve.complete():
            two_n = 2 * induction.wide(n) + 2
            ledger.prove("complete", explorer.assumed, ghosts.h + board.high == two_n)
        assert not ledger.refuted
        self.proved += ledger.proved


def paths_of_every_place(pace: int) -> int:
    paths = 0
    for place in range(1, GATE_PLACES):
        for level in induction.gate_levels(place):
            one = AnyCount(place, level, pace)
            paths += one.explorer.runs(one.run)
            assert one.proved
    return paths


@pytest.mark.hazard("H-01", "H-02", "H-03")
@pytest.mark.parametrize(
    "pace",
    # Accesses are 4.8 us apart at least (test_pace.py): 4 and 5 cycles in the gate.
    [4, 5, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 2, 3, 6, 7, 8, 9, 12, 16))],
)
def test_close_of_any_count_at_any_moment(pace: int) -> None:
    """H-01, H-02, H-03. All counts, all states, all histories of the loop; cycles an access."""
    assert paths_of_every_place(pace) > 30


def test_fewer_polls_than_the_report_takes_would_record_a_wrong_time() -> None:
    """Why `close` polls: the program reports up to 6 cycles after `set x, 0`, by 5 polls of one."""
    program = semantics.firmware("_gate_program")

    def wrong(polls: int) -> int:
        errors = 0
        for cycles in range(8, 24):
            board = Board(program, State(program.start), lambda: 0)
            valve = valve_over(board, _REPORT_WAITS=polls)
            valve.open_for(82)
            board.run(cycles)
            board.pace = lambda: 1
            valve.close()
            valve.ended()
            board.run(40)
            valve.ended()
            errors += not 0 <= board.high - valve.delivered_us() <= 1 + SLACK
        return errors

    assert [polls for polls in range(2, 12) if wrong(polls)] == [2, 3, 4]
