"""The firmware's own `Valve` over the semantics of the proofs: its methods between PIO cycles.

`valve.py` is loaded as it is, with an `rp2` whose machines are stepped by `semantics`. Each access
of the processor to a state machine takes a number of cycles, which the caller chooses: what happens
in `close` and `ended` at any moment of a count, at any speed of the processor, can so be gone
through. GATE only; SUPPLY takes words and does nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from types import CodeType, ModuleType
from typing import Any

import z3

from hw_sim.fakes import pioasm
from tests.proofs import induction, semantics
from tests.proofs.semantics import Program, State
from tests.rules.source import CRYO


@dataclass
class Board:
    """One GATE machine, the E-stop loop, and the time that accesses take."""

    program: Program
    state: State
    pace: Callable[[], int]  # cycles until the next access of the processor
    opens: frozenset[int] = frozenset()  # cycles in which the loop is open
    cycle: int = 0
    high: int = 0  # cycles the gate has been high
    rises: int = 0
    injected: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    any_loop: bool = False  # the loop may be open or closed in each cycle
    choose: Callable[[list[tuple[Any, State]]], State] = lambda ways: ways[0][1]

    def run(self, cycles: int) -> None:
        """Let the machine run."""
        for _ in range(cycles):
            before = self.state.pin
            ways = semantics.step(self.program, self.state, self.cycle not in self.opens)
            if self.any_loop:
                other = semantics.step(self.program, self.state, self.cycle in self.opens)
                ways = ways if ways == other else [*ways, *other]
            self.state = self.choose(ways)
            self.cycle += 1
            self.high += self.state.pin
            self.rises += self.state.pin > before

    def access(self) -> None:
        """The processor needs some cycles until it touches the machine."""
        self.run(self.pace())


class Gate:
    """`rp2.StateMachine` number 0."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def active(self, _on: int) -> None:
        """It runs from the start."""

    def put(self, word: Any) -> None:
        self.board.access()
        self.board.state = replace(self.board.state, tx=(*self.board.state.tx, word))

    def get(self) -> Any:
        self.board.access()
        state = self.board.state
        assert state.rx, "get would wait for ever"
        self.board.state = replace(state, rx=state.rx[1:])
        return state.rx[0]

    def rx_fifo(self) -> int:
        self.board.access()
        return len(self.board.state.rx)

    def tx_fifo(self) -> int:
        self.board.access()
        return len(self.board.state.tx)

    def exec(self, word: int) -> None:
        board = self.board
        board.access()
        estop = board.cycle not in board.opens
        board.injected.append((board.program.at(board.state.pc), word))
        board.state = board.choose(semantics.inject(board.program, board.state, word, estop))


class Supply:
    """`rp2.StateMachine` number 1: takes every word at once."""

    def put(self, _word: int) -> None:
        pass

    def exec(self, _word: int) -> None:
        pass

    def active(self, _on: int) -> None:
        pass

    def tx_fifo(self) -> int:
        return 0


class Pin:
    """A pin of the board that is read."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def value(self) -> int:
        self.board.access()
        return self.board.state.pin


@cache
def _code() -> CodeType:
    return compile((CRYO / "valve.py").read_text(encoding="utf-8"), "valve.py", "exec")


def valve_over(board: Board, **constants: int) -> Any:
    """The firmware's Valve over this board. `constants`: values of its module, changed."""
    rp2 = ModuleType("rp2")
    micropython = ModuleType("micropython")
    machines: list[Any] = [Gate(board), Supply()]
    rp2.__dict__.update(
        StateMachine=lambda number, *_args, **_kw: machines[number],
        PIO=type("PIO", (), {"OUT_LOW": 2}),
        asm_pio=lambda **options: lambda fn: pioasm.asm_pio(fn, {}, **options),
    )
    micropython.__dict__["const"] = lambda value: value
    modules = {"rp2": rp2, "micropython": micropython}

    def load(name: str, *_args: Any) -> ModuleType:
        return modules[name]

    module = ModuleType("valve")
    real = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
    module.__dict__["__builtins__"] = {**real, "__import__": load}
    exec(_code(), module.__dict__)
    for name, value in constants.items():
        assert name in module.__dict__
        module.__dict__[name] = value
    return module.__dict__["Valve"](Pin(board), Pin(board), Pin(board))


# -- unknown counts: every path that the firmware's own code can take ------------------------------


class Explorer:
    """Runs a function once for each feasible series of decisions on unknown values."""

    def __init__(self) -> None:
        self.assumed: list[Any] = []
        self._script: list[int] = []
        self._at = 0
        self._open: list[list[int]] = []

    def pick(self, options: list[Any]) -> int:
        """One of several conditions, each of which that can hold is followed in its own run."""
        if len(options) == 1:
            return 0
        if self._at < len(self._script):
            choice = self._script[self._at]
        else:
            possible = [
                number
                for number, condition in enumerate(options)
                if induction.possible([*self.assumed, condition])
            ]
            assert possible
            choice = possible[0]
            self._open += [[*self._script, other] for other in possible[1:]]
            self._script.append(choice)
        self._at += 1
        self.assumed.append(options[choice])
        return choice

    def runs(self, start: Callable[[], None]) -> int:
        """Call `start` for every path. Returns how many there were."""
        self._open, count = [[]], 0
        while self._open:
            self._script, self._at, self.assumed = self._open.pop(), 0, []
            start()
            count += 1
        return count


@dataclass(frozen=True)
class Number:
    """An unknown integer in the firmware's own code: a bit vector of 40 bits, signed."""

    value: Any
    explorer: Explorer

    def _other(self, other: Any) -> Any:
        if isinstance(other, Number):
            return other.value
        return z3.BitVecVal(other, induction.WIDE)

    def _is(self, condition: Any) -> bool:
        return self.explorer.pick([condition, z3.Not(condition)]) == 0

    def __bool__(self) -> bool:
        return self._is(self.value != 0)

    def __eq__(self, other: object) -> bool:
        return self._is(self.value == self._other(other))

    def __hash__(self) -> int:
        return id(self)

    def __lt__(self, other: Any) -> bool:
        return self._is(self.value < self._other(other))

    def __le__(self, other: Any) -> bool:
        return self._is(self.value <= self._other(other))

    def __gt__(self, other: Any) -> bool:
        return self._is(self.value > self._other(other))

    def __sub__(self, other: Any) -> Number:
        return Number(self.value - self._other(other), self.explorer)

    def __rmul__(self, other: int) -> Number:
        return Number(other * self.value, self.explorer)
