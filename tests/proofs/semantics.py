"""One cycle of a PIO state machine, on numbers or on z3's bit vectors: what the proofs rest on.

Source: RP2040 data sheet, chapter 3. `step` takes a state whose program counter, delay, pin and
FIFO lengths are known; X, Y, ISR, OSR and the words in the FIFOs may be unknown (z3). It returns
every way on, each with the condition under which it is taken. On numbers one way is taken.

Held against `pioemu` and against the fast bench's own machine in test_semantics.py, by every word
that a proof meets. Not modelled: the input synchroniser (16 ns), autopush and autopull, IRQ flags
that anyone else raises (they are low), side-set (both programs have none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import z3

from hw_sim.bench import FastBench
from hw_sim.fakes.pio import Block
from hw_sim.pio_loops import (
    IN,
    IRQ,
    JMP,
    MASK32,
    MOV,
    OUT,
    PULL,
    PUSH,
    SET,
    WAIT,
    WAIT_IRQ,
    WAIT_PIN,
    Config,
    decode,
)
from hw_sim.world.clock import Clock

GATE, SUPPLY, ESTOP = 2, 3, 6
DEPTH = 4  # of each FIFO

Value = Any  # int, or a z3 bit vector of 32 bits
Condition = Any  # bool, or a z3 Boolean


class Unmodelled(Exception):
    """A word that needs what is not modelled with unknown registers."""


@dataclass(frozen=True)
class State:
    """A state machine between two cycles. Registers may be unknown; the rest is known."""

    pc: int
    x: Value = 0
    y: Value = 0
    isr: Value = 0
    osr: Value = 0
    isr_n: int = 0
    osr_n: int = 32
    delay: int = 0
    level: int = 0  # latch of the one pin that the machine sets
    driven: int = 1  # its direction
    tx: tuple[Value, ...] = ()
    rx: tuple[Value, ...] = ()
    latched: int | None = None  # the word of a MOV EXEC or OUT EXEC

    @property
    def pin(self) -> int:
        """Level that the outside sees: an input floats to its pull-down."""
        return self.level & self.driven


@dataclass(frozen=True)
class Program:
    """The words of one block's memory, and one machine's configuration."""

    memory: tuple[int, ...]
    config: Config
    start: int
    length: int

    def at(self, pc: int) -> int:
        """A program counter, relative to the program's first word."""
        return pc - self.start


def _is_unknown(value: Value) -> bool:
    return isinstance(value, z3.BitVecRef)


def _right(value: Value, by: int) -> Value:
    if by >= 32:
        return z3.BitVecVal(0, 32) if _is_unknown(value) else 0
    return z3.LShR(value, by) if _is_unknown(value) else value >> by


def _left(value: Value, by: int) -> Value:
    if by >= 32:
        return z3.BitVecVal(0, 32) if _is_unknown(value) else 0
    return value << by if _is_unknown(value) else (value << by) & MASK32


def _reversed(value: Value) -> Value:
    if _is_unknown(value):
        return z3.Concat(*[z3.Extract(i, i, value) for i in range(32)])
    return int(f"{value:032b}"[::-1], 2)


def _minus_one(value: Value) -> Value:
    return value - 1 if _is_unknown(value) else (value - 1) & MASK32


def _known(value: Value) -> int:
    if _is_unknown(value):
        raise Unmodelled("an unknown register decides what is executed")
    return value


def _levels(state: State, config: Config, estop: int) -> int:
    """The pads, bit by GPIO number: E-stop loop and the machine's own pin; the others are low."""
    return estop << ESTOP | state.pin << config.set_base


def _source(number: int, state: State, config: Config, estop: int) -> Value:
    pads = _levels(state, config, estop)
    base = config.in_base
    return {
        0: (pads >> base | pads << (32 - base)) & MASK32,
        1: state.x,
        2: state.y,
        3: 0,
        5: 0,  # STATUS: its level is 0, below which no FIFO is
        6: state.isr,
        7: state.osr,
    }.get(number, 0)


def _set_pins(state: State, config: Config, value: int, count: int, base: int) -> State:
    """Write `count` pins from `base`: only the machine's own pin matters."""
    bit = (config.set_base - base) & 31
    return replace(state, level=value >> bit & 1) if bit < count else state


def _after(state: State, config: Config, delay: int, target: int | None = None) -> State:
    """The next instruction: a jump's target, or the next word. A latched word moves no counter."""
    if target is not None:
        pc = target
    elif state.latched is not None:
        pc = state.pc
    else:
        pc = config.wrap_target if state.pc == config.wrap_top else (state.pc + 1) & 31
    return replace(state, pc=pc, delay=delay, latched=None)


def step(program: Program, state: State, estop: int) -> list[tuple[Condition, State]]:
    """One cycle with the E-stop loop at this level: every way on, and its condition."""
    if state.delay:
        return [(True, replace(state, delay=state.delay - 1))]
    word = program.memory[state.pc] if state.latched is None else state.latched
    return execute(program.config, state, word, estop)


def inject(program: Program, state: State, word: int, estop: int) -> list[tuple[Condition, State]]:
    """A word written to the machine's INSTR register, between two cycles.

    It ends a delay, and what the machine waits for: the waiting instruction itself stays the next.
    """
    ways = execute(program.config, replace(state, latched=word, delay=0), word, estop)
    return [(condition, replace(after, delay=0)) for condition, after in ways]


def execute(config: Config, state: State, word: int, estop: int) -> list[tuple[Condition, State]]:
    """Execute one word: every way on, and its condition."""
    kind, a, b, delay, _side = decode(word, 0, False)
    if kind == JMP:
        return _jump(config, state, a, b, delay, estop)
    simple = _SIMPLE[kind](config, state, a, b, estop)
    if simple is None:
        return [(True, state)]  # it waits
    after, target = simple
    if after.latched is not None and after.latched is not state.latched:
        # MOV EXEC and OUT EXEC: their own delay is ignored; the word is executed next.
        stepped = _after(replace(after, latched=state.latched), config, 0, target)
        return [(True, replace(stepped, latched=after.latched))]
    return [(True, _after(after, config, delay, target))]


def _jump(
    config: Config, state: State, condition: int, target: int, delay: int, estop: int
) -> list[tuple[Condition, State]]:
    x, y = state.x, state.y
    taken: Condition = {
        0: True,
        1: x == 0,
        2: x != 0,
        3: y == 0,
        4: y != 0,
        5: x != y,
        6: bool(_levels(state, config, estop) >> config.jmp_pin & 1),
        7: state.osr_n < config.pull_thresh,
    }[condition]
    if condition == 2:
        state = replace(state, x=_minus_one(x))
    elif condition == 4:
        state = replace(state, y=_minus_one(y))
    jumped = _after(state, config, delay, target)
    onward = _after(state, config, delay)
    if isinstance(taken, bool):
        return [(True, jumped if taken else onward)]
    return [(taken, jumped), (z3.Not(taken), onward)]


Way = tuple[State, int | None] | None


def _wait(config: Config, state: State, a: int, index: int, estop: int) -> Way:
    polarity, source = a >> 2, a & 3
    if source == WAIT_IRQ:
        return None if polarity else (state, None)  # no flag is ever high
    if source > WAIT_IRQ:
        return None  # reserved
    gp = (config.in_base + index) & 31 if source == WAIT_PIN else index
    return (state, None) if _levels(state, config, estop) >> gp & 1 == polarity else None


def _in(config: Config, state: State, source: int, count: int, estop: int) -> Way:
    data = _source(source, state, config, estop) & ((1 << count) - 1)
    if config.in_right:
        isr = _right(state.isr, count) | _left(data, 32 - count)
    else:
        isr = _left(state.isr, count) | data
    return replace(state, isr=isr, isr_n=min(32, state.isr_n + count)), None


def _out(config: Config, state: State, dest: int, count: int, estop: int) -> Way:
    if config.out_right:
        data, osr = state.osr & ((1 << count) - 1), _right(state.osr, count)
    else:
        data, osr = _right(state.osr, 32 - count), _left(state.osr, count)
    state = replace(state, osr=osr, osr_n=min(32, state.osr_n + count))
    if dest == 6:
        return replace(state, isr=data, isr_n=count), None
    if dest == 7:
        return replace(state, latched=_known(data) & 0xFFFF), None
    return _to(config, state, dest, data)


def _to(config: Config, state: State, dest: int, data: Value) -> Way:
    """Destinations that OUT and MOV share; pins by the OUT mapping, which has none here."""
    if dest == 0 and config.out_count:
        return _set_pins(state, config, _known(data), config.out_count, config.out_base), None
    if dest == 1:
        return replace(state, x=data), None
    if dest == 2:
        return replace(state, y=data), None
    if dest == 5:
        return state, _known(data) & 31
    return state, None


def _push(config: Config, state: State, if_full: int, block: int, estop: int) -> Way:
    if if_full and state.isr_n < config.push_thresh:
        return state, None
    if len(state.rx) >= DEPTH:
        if block:
            return None
        return replace(state, isr=0, isr_n=0), None
    return replace(state, rx=(*state.rx, state.isr), isr=0, isr_n=0), None


def _pull(config: Config, state: State, if_empty: int, block: int, estop: int) -> Way:
    if if_empty and state.osr_n < config.pull_thresh:
        return state, None
    if state.tx:
        return replace(state, osr=state.tx[0], tx=state.tx[1:], osr_n=0), None
    if block:
        return None
    return replace(state, osr=state.x, osr_n=0), None


def _mov(config: Config, state: State, dest: int, b: int, estop: int) -> Way:
    value = _source(b & 7, state, config, estop)
    if b >> 3 == 1:
        value = value ^ MASK32
    elif b >> 3 == 2:
        value = _reversed(value)
    if dest == 4:
        return replace(state, latched=_known(value) & 0xFFFF), None
    if dest == 6:
        return replace(state, isr=value, isr_n=0), None
    if dest == 7:
        return replace(state, osr=value, osr_n=0), None
    return _to(config, state, dest, value)


def _irq(config: Config, state: State, mode: int, index: int, estop: int) -> Way:
    if mode == 1:
        raise Unmodelled("a flag that is waited for: nobody clears it")
    return state, None  # raising or clearing a flag shows on no pin


def _set(config: Config, state: State, dest: int, value: int, estop: int) -> Way:
    if dest == 0:
        return _set_pins(state, config, value, config.set_count, config.set_base), None
    if dest == 1:
        return replace(state, x=value), None
    if dest == 2:
        return replace(state, y=value), None
    if dest == 4 and config.set_count:
        return replace(state, driven=value & 1), None
    return state, None


_SIMPLE: dict[int, Callable[[Config, State, int, int, int], Way]] = {
    WAIT: _wait, IN: _in, OUT: _out, PUSH: _push, PULL: _pull, MOV: _mov, IRQ: _irq, SET: _set,
}  # fmt: skip


def step_known(program: Program, state: State, estop: int) -> State:
    """One cycle on numbers."""
    ((_condition, after),) = step(program, state, estop)
    return after


# -- the firmware's words -------------------------------------------------------------------------


@cache
def _booted() -> tuple[Block, Any]:
    bench = FastBench()
    bench.power_on()
    bench.run_for(300)
    boot = bench.chip.boot
    assert boot is not None
    return boot.pio[0], boot.loader.modules["cryo.valve"]


def assembled(name: str) -> tuple[int, ...]:
    """The words of a program of firmware/cryo/valve.py, as its decorator assembles them."""
    return tuple(getattr(_booted()[1], name)[0])


def constants() -> dict[str, int]:
    """The constants of firmware/cryo/valve.py: what `close` injects, and the words of SUPPLY."""
    module = _booted()[1]
    return {name: value for name, value in vars(module).items() if isinstance(value, int)}


def firmware(name: str) -> Program:
    """A program where the firmware has placed it, among all words of the block's memory."""
    block = _booted()[0]
    machine = block.runners[{"_gate_program": 0, "_supply_program": 1}[name]].machine
    words = assembled(name)
    start = machine.config.wrap_target
    return Program(tuple(block.memory), machine.config, start, len(words))


def changed(name: str, index: int, word: int) -> Program:
    """The same with one word changed before it is placed, as the SDK relocates it."""
    original = firmware(name)
    words = {n: list(assembled(n)) for n in ("_gate_program", "_supply_program")}
    words[name][index] = word & 0xFFFF
    block = Block(Clock(), [0] * 30, lambda _mask: None, lambda _flag: None)
    starts = {n: block.add_program(words[n]) for n in words}
    assert starts[name] == original.start
    return replace(original, memory=tuple(w & 0xFFFF for w in block.memory))
