"""The semantics of the proofs against `pioemu`, an emulator that others wrote, word by word.

Every word that a proof meets: those of both programs, those that `close` injects, and each of
these with one bit changed; from random registers, FIFOs and levels. What pioemu does not know (MOV
with reversal, EXEC) or does otherwise than the data sheet is held against the fast bench's machine,
as is every other word too.
"""

# No postponed annotations here: pioemu reads the type of its callback's argument.

import random
from collections import deque
from dataclasses import replace
from functools import cache

import pytest
import z3
from pioemu import ShiftRegister, State as Theirs, emulate

from hw_sim.fakes.errors import NotModelled
from hw_sim.fakes.pio_machine import Machine
from hw_sim.pio_loops import IN, JMP, MASK32, MOV, Word, decode
from tests.proofs import semantics
from tests.proofs.semantics import ESTOP, Program, State, Unmodelled

NAMES = ("_gate_program", "_supply_program")
INJECTED = ("_MOV_Y_X", "_SET_X_0", "_IN_Y_30", "_PUSH_NOBLOCK", "_SET_PINS_0")
PER_WORD = 12
INTERESTING = (0, 1, 2, 2000, 2001, MASK32 - 1, MASK32)


def words(name: str) -> set[int]:
    """The words that proofs of this program meet, as they are placed in memory."""
    program = semantics.firmware(name)
    originals = list(program.memory[program.start : program.start + program.length])
    constants = semantics.constants()
    originals += [constants[one] for one in (*INJECTED, "_PULL_BLOCK", "_MOV_Y_OSR")]
    return {word ^ bit for word in originals for bit in (0, *(1 << n for n in range(16)))}


def number(chance: random.Random) -> int:
    return chance.choice(INTERESTING) if chance.random() < 0.6 else chance.getrandbits(32)


def random_state(chance: random.Random, pc: int) -> State:
    fifo = [number(chance) for _ in range(8)]
    return State(
        pc=pc, x=number(chance), y=number(chance), isr=number(chance), osr=number(chance),
        isr_n=chance.choice((0, 5, 31, 32)), osr_n=chance.choice((0, 7, 31, 32)),
        level=chance.getrandbits(1), tx=tuple(fifo[: chance.choice((0, 0, 1, 2, 4))]),
        rx=tuple(fifo[: chance.choice((0, 1, 3, 4))]),
    )  # fmt: skip


def with_word(program: Program, pc: int, word: int) -> Program:
    memory = (*program.memory[:pc], word, *program.memory[pc + 1 :])
    return replace(program, memory=memory)


def after_one_instruction(program: Program, state: State, estop: int) -> State:
    """Our state after the word and its delay, as pioemu counts."""
    state = semantics.step_known(program, state, estop)
    while state.delay:
        state = semantics.step_known(program, state, estop)
    return state


def theirs_after(program: Program, state: State, estop: int) -> State | None:
    """The state after the same, by pioemu; None: it does not know the word."""
    config = program.config
    pin = config.set_base

    def source(_state: Theirs) -> int:
        return estop << ESTOP

    before = Theirs(
        program_counter=state.pc, pin_directions=state.driven << pin, pin_values=state.pin << pin,
        transmit_fifo=deque(state.tx), receive_fifo=deque(state.rx),
        input_shift_register=ShiftRegister(state.isr, state.isr_n),
        output_shift_register=ShiftRegister(state.osr, state.osr_n),
        x_register=state.x, y_register=state.y,
    )  # fmt: skip
    steps = emulate(
        list(program.memory), stop_when=lambda _op, _s: False, initial_state=before,
        input_source=source, set_base=pin, set_count=config.set_count, jmp_pin=config.jmp_pin,
        out_count=config.out_count, shift_isr_right=config.in_right,
        shift_osr_right=config.out_right, wrap_target=config.wrap_target, wrap_top=config.wrap_top,
    )  # fmt: skip
    try:
        after = next(steps, None)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return None
    if after is None:
        return None
    one = after[1]
    driven = one.pin_directions >> pin & 1
    return State(
        pc=one.program_counter & 31, x=one.x_register, y=one.y_register,
        isr=one.input_shift_register.contents, osr=one.output_shift_register.contents,
        isr_n=one.input_shift_register.counter, osr_n=one.output_shift_register.counter,
        level=one.pin_values >> pin & 1, driven=driven,
        tx=tuple(one.transmit_fifo), rx=tuple(one.receive_fifo),
    )  # fmt: skip


class Around:
    """What the fast bench's machine sees of its block: one machine, alone."""

    def __init__(self, program: Program, state: State, estop: int) -> None:
        pin = program.config.set_base
        self.program = program
        self.levels = [0] * 32
        self.levels[ESTOP] = estop
        self.levels[pin] = state.pin
        self.out = state.level << pin
        self.dirs = state.driven << pin
        self.irq_flags = 0

    def decoded(self, side_count: int, side_optional: bool) -> list[Word]:
        return [decode(word, side_count, side_optional) for word in self.program.memory]

    def irq_number(self, _machine: Machine, index: int) -> int:
        return index & 7


def ours_on_the_bench(
    program: Program, state: State, estop: int, injected: int | None = None
) -> State | None:
    """The state after one word by `hw_sim.fakes.pio_machine`; None: not modelled there."""
    config = program.config
    around = Around(program, state, estop)
    machine = Machine(around, config)
    machine.pc, machine.x, machine.y = state.pc, state.x, state.y
    machine.isr, machine.osr = state.isr, state.osr
    machine.isr_n, machine.osr_n = state.isr_n, state.osr_n
    machine.tx, machine.rx = deque(state.tx), deque(state.rx)
    try:
        if injected is None:
            machine._step(decode(program.memory[state.pc], 0, False))
        else:
            machine.execute(injected)
    except NotModelled:
        return None
    pin = config.set_base
    out = around.out & ~machine.out_mask | machine.out_value
    dirs = around.dirs & ~machine.dir_mask | machine.dir_value
    return State(
        pc=machine.pc, x=machine.x, y=machine.y, isr=machine.isr, osr=machine.osr,
        isr_n=machine.isr_n, osr_n=machine.osr_n, level=out >> pin & 1, driven=dirs >> pin & 1,
        tx=tuple(machine.tx), rx=tuple(machine.rx),
    )  # fmt: skip


def pioemu_differs(word: int) -> bool:
    """Words that pioemu takes otherwise than the data sheet, or does not know. Looked at singly."""
    kind, a, b, _delay, _side = decode(word, 0, False)
    if kind == MOV:
        # Reversal, STATUS as a source, PC and EXEC as destinations; operation 3 is reserved. Pins:
        # neither program has any for OUT, and pioemu writes them all the same.
        return b >> 3 >= 2 or b & 7 in (4, 5) or a in (0, 3, 4, 5)
    if word >> 13 == 4:
        return bool(word & 0x40)  # IFEMPTY and IFFULL: it looks at another counter
    if word >> 13 == 7:
        return a >= 3  # reserved destinations, and the pin's direction
    if kind == IN:
        return a in (0, 4, 5)  # pins: of several, and reserved sources
    return word >> 13 in (1, 3, 6)


@cache
def compared(name: str) -> tuple[int, int, set[int]]:
    """Steps compared with pioemu, with the bench's machine, and the words pioemu was asked for."""
    program = semantics.firmware(name)
    chance = random.Random(name)
    with_theirs = with_bench = 0
    asked: set[int] = set()
    for word in sorted(words(name)):
        for _ in range(PER_WORD):
            pc = program.start + chance.randrange(program.length)
            placed = with_word(program, pc, word)
            state, estop = random_state(chance, pc), chance.getrandbits(1)
            try:
                ours = after_one_instruction(placed, state, estop)
            except Unmodelled:
                continue
            if ours.latched is not None:
                continue  # EXEC: two words at once; in test_exec below
            if not pioemu_differs(word):
                theirs = theirs_after(placed, state, estop)
                assert theirs is not None, f"pioemu does not know {word:#06x}"
                assert replace(ours, level=ours.pin) == replace(theirs, level=theirs.pin), (
                    f"{word:#06x} from {state}"
                )
                with_theirs += 1
                asked.add(word)
            bench = ours_on_the_bench(placed, state, estop)
            if bench is not None:
                assert ours == bench, f"{word:#06x} from {state}"
                with_bench += 1
    return with_theirs, with_bench, asked


@pytest.mark.parametrize("name", NAMES)
def test_every_word_does_what_two_other_machines_do(name: str) -> None:
    program = semantics.firmware(name)
    with_theirs, with_bench, asked = compared(name)
    placed = program.memory[program.start : program.start + program.length]
    constants = semantics.constants()
    assert {*placed, *(constants[one] for one in INJECTED)} <= asked, "pioemu knows all of these"
    assert with_theirs > 1_500
    assert with_bench > 2_000


@pytest.mark.parametrize("name", NAMES)
def test_an_injected_word_does_what_the_bench_does(name: str) -> None:
    program = semantics.firmware(name)
    chance = random.Random(1)
    for one in INJECTED:
        word = semantics.constants()[one]
        for index in range(program.length):
            for _ in range(6):
                state = random_state(chance, program.start + index)
                ((_condition, ours),) = semantics.inject(program, state, word, 1)
                assert ours == ours_on_the_bench(program, state, 1, word)


def test_unknown_registers_do_what_numbers_do() -> None:
    """The step on z3's values, with numbers put in afterwards, is the step on numbers."""
    chance = random.Random(2)
    x, y, isr, osr = (z3.BitVec(name, 32) for name in ("x", "y", "isr", "osr"))
    steps = 0
    for name in NAMES:
        program = semantics.firmware(name)
        for word in sorted(words(name)):
            pc = program.start + chance.randrange(program.length)
            placed = with_word(program, pc, word)
            state, estop = random_state(chance, pc), chance.getrandbits(1)
            unknown = replace(state, x=x, y=y, isr=isr, osr=osr)
            try:
                ways = semantics.step(placed, unknown, estop)
            except Unmodelled:
                assert decode(word, 0, False)[0] != JMP
                continue
            known = semantics.step_known(placed, state, estop)
            put_in = [
                (variable, z3.BitVecVal(value, 32))
                for variable, value in ((x, state.x), (y, state.y), (isr, state.isr),
                                        (osr, state.osr))
            ]  # fmt: skip

            def value_of(what: semantics.Value, put_in: list = put_in) -> int:  # type: ignore[type-arg]
                if not z3.is_expr(what):
                    return what
                return z3.simplify(z3.substitute(what, *put_in)).as_long()

            taken = [
                after
                for condition, after in ways
                if condition is True or z3.is_true(z3.simplify(z3.substitute(condition, *put_in)))
            ]
            (after,) = taken
            ours = replace(
                after, x=value_of(after.x), y=value_of(after.y), isr=value_of(after.isr),
                osr=value_of(after.osr), tx=tuple(value_of(v) for v in after.tx),
                rx=tuple(value_of(v) for v in after.rx),
            )  # fmt: skip
            assert ours == known, f"{word:#06x} from {state}"
            steps += 1
    assert steps > 300


def test_whole_runs_of_both_programs_agree_with_pioemu() -> None:
    """Random runs of many words: cycle by cycle, the same pin, registers and FIFOs."""
    chance = random.Random(3)
    for name in NAMES:
        program = semantics.firmware(name)
        for _ in range(40):
            tx = tuple(chance.choice((1, 2, 5, 2000, 2001, 0)) for _ in range(chance.randrange(4)))
            state = State(program.start, x=number(chance), y=2001, tx=tx)
            healthy = chance.random() < 0.7
            for _ in range(120):
                if chance.random() < 0.05:
                    healthy = not healthy
                after = after_one_instruction(program, state, healthy)
                assert theirs_after(program, state, healthy) == after
                state = after
