"""Our PIO interpreter against PyPI's `rp2040-pio-emulator`, cycle by cycle, and our assembler
against `adafruit_pioasm`, word by word.

Two programs of the kind that close a valve are run with random counts, abort times and top-ups:
every pin change must fall in the same cycle. A third test does the same with random programs.
"""

# pyright: basic

from __future__ import annotations

from collections import deque
from typing import Any

import adafruit_pioasm
import pytest
from hypothesis import example, given, settings, strategies as st
from pioemu import ShiftRegister, State, emulate

from hw_sim.fakes import pio, pioasm
from hw_sim.pio_loops import KEPT, MASK32, Config, Standing, copied, decode, follow
from hw_sim.world.clock import Clock

GATE = 2
ESTOP = 6


def gate_program() -> None:
    wrap_target()
    pull(block)
    mov(x, osr)
    jmp(pin, "open")
    jmp("report")
    label("open")
    set(pins, 1)
    label("count")
    jmp(x_dec, "watch")
    set(pins, 0)
    set(x, 0)
    jmp("report")
    label("watch")
    jmp(pin, "count")
    set(pins, 0)
    label("report")
    mov(isr, x)
    push(noblock)
    wrap()


GATE_TEXT = """
.program gate
.wrap_target
    pull block
    mov x, osr
    jmp pin opened
    jmp report
opened:
    set pins, 1
count:
    jmp x-- watch
    set pins, 0
    set x, 0
    jmp report
watch:
    jmp pin count
    set pins, 0
report:
    mov isr, x
    push noblock
.wrap
"""


def supply_program() -> None:
    wrap_target()
    set(pins, 0)
    label("off")
    pull(block)
    mov(x, osr)
    jmp(not_x, "off")
    set(pins, 1)
    label("alive")
    pull(noblock)
    mov(x, osr)
    jmp(x_dec, "alive")
    wrap()


SUPPLY_TEXT = """
.program supply
.wrap_target
    set pins, 0
off:
    pull block
    mov x, osr
    jmp !x off
    set pins, 1
alive:
    pull noblock
    mov x, osr
    jmp x-- alive
.wrap
"""

MANY_TEXT = """
.program many
.side_set 1 opt
start:
    wait 1 gpio 6 side 1 [2]
    wait 0 pin 3
    wait 1 irq 4 rel
    in pins, 5
    in null, 32
    out y, 7 side 0
    out pindirs, 1
    push iffull block
    push noblock
    pull ifempty noblock
    pull block [7]
.wrap_target
    mov x, !y
    mov isr, ::osr
    mov pins, null
    mov pc, x
    nop side 1 [3]
    irq 3
    irq wait 1 rel
    irq clear 2
    set pindirs, 1
    set y, 31
    jmp !x start
    jmp y-- start
    jmp !y start
    jmp x!=y start
    jmp !osre start
    jmp start
.wrap
"""


def many_program() -> None:
    label("start")
    wait(1, gpio, 6).side(1)[2]
    wait(0, pin, 3)
    wait(1, irq, rel(4))
    in_(pins, 5)
    in_(null, 32)
    out(y, 7).side(0)
    out(pindirs, 1)
    push(iffull, block)
    push(noblock)
    pull(ifempty, noblock)
    pull(block)[7]
    wrap_target()
    mov(x, invert(y))
    mov(isr, reverse(osr))
    mov(pins, null)
    mov(pc, x)
    nop().side(1)[3]
    irq(3)
    irq(block, rel(1))
    irq(clear, 2)
    set(pindirs, 1)
    set(y, 31)
    jmp(not_x, "start")
    jmp(y_dec, "start")
    jmp(not_y, "start")
    jmp(x_not_y, "start")
    jmp(not_osre, "start")
    jmp("start")
    wrap()


def test_assembler_makes_the_words_of_adafruit_pioasm() -> None:
    for ours, text, options in (
        (gate_program, GATE_TEXT, {}),
        (supply_program, SUPPLY_TEXT, {}),
        (many_program, MANY_TEXT, {"sideset_init": 2}),
    ):
        theirs = adafruit_pioasm.Program(text)
        program = pioasm.asm_pio(ours, **options)
        assert list(program[pioasm.PROG_DATA]) == list(theirs.assembled)
        execctrl = program[pioasm.PROG_EXECCTRL]
        wrap_target, wrap = execctrl >> 7 & 31, execctrl >> 12 & 31
        kwargs = theirs.pio_kwargs
        assert wrap_target == kwargs.get("wrap_target", 0)
        assert wrap == kwargs.get("wrap", len(theirs.assembled) - 1)


class Ours:
    """One program on our block, at one tick a system clock cycle × 256/256."""

    def __init__(self, program: list[Any], **bases: int) -> None:
        self.clock = Clock()
        self.levels = [0] * 30
        self.edges: list[tuple[int, int]] = []
        self.block = pio.Block(self.clock, self.levels, self._show, lambda _n: None)
        self.runner = self.block.runners[0]
        offset = self.block.add_program(program[pioasm.PROG_DATA])
        config: dict[str, Any] = {
            "in_base": None, "out_base": None, "set_base": None, "jmp_pin": None,
            "sideset_base": None,
        }  # fmt: skip
        config.update(bases)
        self.runner.init(pio.config_of(program, offset, -1, **config), offset)
        self.runner.enable(True)

    def _show(self, _mask: int) -> None:
        self.edges.append((self.clock.now_ns // 8, self.block.out))

    def at(self, cycle: int, fn: Any) -> None:
        # Just after the tick before: what happens "at cycle n" is seen by tick n.
        self.clock.call_at(cycle * 8 - 4, fn)

    def level(self, gp: int, level: int) -> None:
        self.block.input_changes()
        self.levels[gp] = level
        self.block.replan()


def theirs(
    words: list[int],
    cycles: int,
    puts: list[tuple[int, int]],
    pin_at: Any,
    wrap_top: int,
) -> tuple[list[tuple[int, int]], State]:
    """Pin changes as (cycle, pin values) and the state at the end, from pioemu."""
    pending = deque(sorted(puts))
    tx: deque[int] = deque()
    edges: list[tuple[int, int]] = []

    def source(state: State) -> int:
        return pin_at(state.clock)

    source.__annotations__["state"] = State  # pioemu looks at the annotation itself
    state = State(pin_directions=1 << GATE, transmit_fifo=tx)
    last = 0
    current = state
    steps = emulate(
        words,
        stop_when=lambda _op, _s: False,
        initial_state=state,
        input_source=source,
        set_base=GATE,
        set_count=1,
        jmp_pin=ESTOP,
        wrap_top=wrap_top,
    )
    while current.clock < cycles:
        while pending and pending[0][0] <= current.clock:
            # The state that was yielded last is the one the next step begins with.
            current.transmit_fifo.append(pending.popleft()[1])
        at = current.clock
        current = next(steps)[1]
        now = current.pin_values & (1 << GATE)
        if now != last:
            edges.append((at, now))
            last = now
    return edges, current


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-03")
@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 90), min_size=1, max_size=3),
    spacing=st.integers(1, 120),
    opened=st.one_of(st.none(), st.integers(1, 260)),
    closed_again=st.integers(1, 60),
)
def test_dose_timer_cycle_by_cycle(
    counts: list[int], spacing: int, opened: int | None, closed_again: int
) -> None:
    end = 700
    puts = [(3 + i * spacing, n) for i, n in enumerate(counts)]

    def pin_at(clock: int) -> int:
        bad = opened is not None and opened <= clock < opened + closed_again
        return 0 if bad else 1 << ESTOP

    program = pioasm.asm_pio(gate_program, set_init=2)
    bench = Ours(program, set_base=GATE, jmp_pin=ESTOP)
    bench.levels[ESTOP] = 1
    # Enabled at cycle 0, the first tick of ours is number 1; pioemu begins at 0.
    for cycle, value in puts:
        bench.at(cycle + 1, lambda value=value: bench.runner.put(value))
    if opened is not None:
        bench.at(opened + 1, lambda: bench.level(ESTOP, 0))
        bench.at(opened + closed_again + 1, lambda: bench.level(ESTOP, 1))
    bench.clock.advance_to((end + 1) * 8 - 4)
    edges, state = theirs(
        list(program[pioasm.PROG_DATA]), end, puts, pin_at, wrap_top=len(program[0]) - 1
    )
    assert [(c - 1, v & (1 << GATE)) for c, v in bench.edges] == edges
    got = []
    while (word := bench.runner.get()) is not None:
        got.append(word)
    assert got == list(state.receive_fifo)


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-11")
@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(1, 40),
    top_ups=st.lists(st.tuples(st.integers(1, 150), st.integers(0, 60)), max_size=6),
)
def test_dead_man_cycle_by_cycle(first: int, top_ups: list[tuple[int, int]]) -> None:
    end = 900
    puts = [(5, first)]
    for gap, count in top_ups:
        puts.append((puts[-1][0] + gap, count))
    program = pioasm.asm_pio(supply_program, set_init=2)
    bench = Ours(program, set_base=GATE)
    for cycle, value in puts:
        bench.at(cycle + 1, lambda value=value: bench.runner.put(value))
    bench.clock.advance_to((end + 1) * 8 - 4)
    edges, _ = theirs(
        list(program[pioasm.PROG_DATA]), end, puts, lambda _c: 0, wrap_top=len(program[0]) - 1
    )
    assert [(c - 1, v & (1 << GATE)) for c, v in bench.edges] == edges


_INSTRUCTIONS = st.one_of(
    st.builds(lambda c, t, d: c << 5 | t | d << 8, st.sampled_from([0, 1, 2, 3, 4, 5, 6]),
              st.integers(0, 7), st.integers(0, 2)),
    st.builds(lambda d, v, w: 0xE000 | d << 5 | v | w << 8, st.sampled_from([0, 1, 2]),
              st.integers(0, 12), st.integers(0, 2)),
    st.builds(lambda d, s, o: 0xA000 | d << 5 | o << 3 | s, st.sampled_from([1, 2, 6, 7]),
              st.sampled_from([1, 2, 3, 6, 7]), st.sampled_from([0, 0, 1])),
    st.sampled_from([0x8080, 0x80A0]),
    st.builds(lambda p, g: 0x2000 | p << 7 | g, st.integers(0, 1), st.just(ESTOP)),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(_INSTRUCTIONS, min_size=8, max_size=8),
    puts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 50)), max_size=4),
    flips=st.lists(st.integers(1, 400), max_size=4, unique=True),
)
def test_random_programs_cycle_by_cycle(
    words: list[int], puts: list[tuple[int, int]], flips: list[int]
) -> None:
    end = 500

    def pin_at(clock: int) -> int:
        return (sum(1 for f in flips if f <= clock) & 1) << ESTOP

    program = [words, -1, -1, 7 << 12, 0x000C0000, None, 2, None]
    bench = Ours(program, set_base=GATE, jmp_pin=ESTOP)
    offset = 32 - 8
    for cycle, value in sorted(puts):
        bench.at(cycle + 1, lambda value=value: bench.runner.put(value))
    for cycle in flips:
        bench.at(cycle + 1, lambda cycle=cycle: bench.level(ESTOP, pin_at(cycle) >> ESTOP))
    bench.clock.advance_to((end + 1) * 8 - 4)
    edges, state = theirs(words, end, sorted(puts), pin_at, wrap_top=7)
    assert offset == bench.runner.machine.config.wrap_target
    assert [(c - 1, v & (1 << GATE)) for c, v in bench.edges] == edges
    bench.runner.sync()
    ours = bench.runner.machine
    assert (ours.x, ours.y, ours.osr, ours.isr, ours.pc - offset) == (
        state.x_register,
        state.y_register,
        state.output_shift_register.contents,
        state.input_shift_register.contents,
        state.program_counter,
    )


def test_thirty_seconds_at_one_megahertz_take_no_time_to_compute() -> None:
    program = pioasm.asm_pio(gate_program, set_init=2)
    bench = Ours(program, set_base=GATE, jmp_pin=ESTOP)
    bench.levels[ESTOP] = 1
    bench.runner.put(3_750_000_000 // 2)
    for n in range(3000):  # a call each 10 ms must not disturb the count
        bench.clock.advance_to((n + 1) * 10_000_000)
        bench.runner.rx_level()
    bench.clock.advance_to(31_000_000_000)
    (rise, high), (fall, low) = bench.edges
    assert (high, low) == (1 << GATE, 0)
    assert fall - rise == 2 * (3_750_000_000 // 2) + 2


def test_what_was_foreseen_with_the_pin_low_is_not_taken_for_it_high() -> None:
    """Registers, PC and inputs are the same at both times; only the pin's latch is not."""

    def body() -> None:
        set(pins, 1)[3]
        nop()[3]
        set(pins, 0)[7]

    set_pins_0, nop_word = 0xE000, 0xA042
    bench = Ours(pioasm.asm_pio(body, set_init=2), set_base=GATE)
    bench.at(7, lambda: bench.runner.execute(set_pins_0))  # in the middle of the high half
    bench.at(21, lambda: bench.runner.execute(nop_word))  # there again, a pass later
    bench.clock.advance_to(40 * 8)
    high = 1 << GATE
    rises, falls = ([c for c, v in bench.edges if v == level] for level in (high, 0))
    assert rises == [1, 15, 29]
    assert falls == [6, 21, 37]


def test_bit_reversal_which_pioemu_does_not_know() -> None:
    def body() -> None:
        pull(block)
        mov(isr, reverse(osr))
        push(block)

    bench = Ours(pioasm.asm_pio(body))
    bench.runner.put(0x00000013)
    bench.clock.advance_to(100)
    assert bench.runner.get() == 0xC8000000


_JUMPS = {"x--": 0x0040, "y--": 0x0080, "pin": 0x00C0, "x!=y": 0x00A0}
_PLACES = st.sampled_from([1, 2, 6, 7])
_LOOP_BODY = st.lists(
    st.one_of(
        st.builds(lambda d, s: 0xA000 | d << 5 | s, _PLACES, _PLACES),
        st.builds(lambda d, v: 0xE000 | d << 5 | v, st.sampled_from([1, 2]), st.integers(0, 3)),
        st.builds(lambda d: 0xA042 | d << 8, st.integers(0, 3)),
        st.sampled_from([0x8080, "x--", "y--", "pin", "x!=y"]),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    body=_LOOP_BODY,
    closing=st.sampled_from([0x0040, 0x0080, 0x00A0, 0x0000, 0x00C0]),
    x=st.integers(0, 70),
    y=st.integers(0, 31),
    end=st.integers(10, 300),
    opened=st.integers(1, 300),
)
@example(body=["y--"], closing=0x00A0, x=5, y=31, end=200, opened=300)
@example(body=["x--"], closing=0x00A0, x=60, y=7, end=300, opened=300)
@example(body=[0x8080, 0xA027], closing=0x0040, x=50, y=0, end=140, opened=300)
def test_loops_leave_the_same_registers(
    body: list[int | str], closing: int, x: int, y: int, end: int, opened: int
) -> None:
    """A loop with a body of copies and counts, compared during the loop and after its end."""
    head = 3
    words = [0x80A0, 0xA027, 0xE040 | y]  # pull; x = what was pulled; y
    for word in body:
        # A conditional jump in the body goes to the next instruction, whether taken or not.
        words.append(_JUMPS[word] | (len(words) + 1) if isinstance(word, str) else word)
    words += [closing | head, 0xE001]
    words.append(len(words))  # stays there

    def pin_at(clock: int) -> int:
        return 0 if clock >= opened else 1 << ESTOP

    program = [words, -1, -1, (len(words) - 1) << 12, 0x000C0000, None, 2, None]
    bench = Ours(program, set_base=GATE, jmp_pin=ESTOP)
    bench.levels[ESTOP] = 1
    offset = 32 - len(words)
    bench.at(2, lambda: bench.runner.put(x))
    bench.at(opened + 1, lambda: bench.level(ESTOP, 0))
    bench.clock.advance_to((end + 1) * 8 - 4)
    edges, state = theirs(words, end, [(1, x)], pin_at, wrap_top=len(words) - 1)
    bench.runner.sync()
    ours = bench.runner.machine
    assert (ours.x, ours.y, ours.osr, ours.isr, ours.pc - offset) == (
        state.x_register,
        state.y_register,
        state.output_shift_register.contents,
        state.input_shift_register.contents,
        state.program_counter,
    )
    assert [(c - 1, v & (1 << GATE)) for c, v in bench.edges] == edges


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    body=_LOOP_BODY,
    closing=st.sampled_from([0x0040, 0x0080, 0x00A0, 0x0000, 0x00C0]),
    x=st.one_of(st.integers(0, 40), st.integers(MASK32 - 3, MASK32)),
    y=st.one_of(st.integers(0, 40), st.integers(MASK32 - 3, MASK32)),
    osr=st.integers(0, 3),
    healthy=st.booleans(),
)
@example(body=[0x8080, 0xA027], closing=0x0040, x=2000, y=0, osr=0, healthy=True)
@example(body=["x--", "x--"], closing=0x0040, x=9, y=0, osr=0, healthy=True)
@example(body=["y--"], closing=0x00A0, x=5, y=31, osr=0, healthy=True)
def test_passes_of_a_loop_are_its_map_so_many_times(
    body: list[int | str], closing: int, x: int, y: int, osr: int, healthy: bool
) -> None:
    """What both machines lean on (`hw_sim.pio_loops`), by itself: pioemu steps every pass."""
    words: list[int] = []
    for word in body:
        words.append(_JUMPS[word] | (len(words) + 1) if isinstance(word, str) else word)
    words.append(closing)
    config = Config(wrap_top=len(words) - 1, jmp_pin=ESTOP)
    levels = [int(healthy) if gp == ESTOP else 0 for gp in range(32)]
    standing = Standing(config, 0, x, y, 0, osr, 0, 0, True, levels, 0, 0)
    loop = follow(standing, lambda pc: decode(words[pc], 0, False))
    if loop is None:
        return
    passes = loop.passes(x, y, 60)
    assert passes > 0, "the pass that was followed is one"
    assert loop.passes(x, y, 7) == min(passes, 7)

    def source(_state: State) -> int:
        return healthy << ESTOP

    source.__annotations__["_state"] = State
    state = State(x_register=x, y_register=y, output_shift_register=ShiftRegister(osr, 0))
    steps = emulate(
        words, stop_when=lambda _op, _s: False, initial_state=state, input_source=source,
        jmp_pin=ESTOP, wrap_top=len(words) - 1,
    )  # fmt: skip
    while state.clock < passes * loop.cycles:
        state = next(steps)[1]
    assert (state.clock, state.program_counter) == (passes * loop.cycles, 0)
    x_before, y_before = x + (passes - 1) * loop.dx, y + (passes - 1) * loop.dy
    assert state.x_register == (x_before + loop.dx) & MASK32
    assert state.y_register == (y_before + loop.dy) & MASK32
    for (register, offset), before, contents in (
        (loop.osr, osr, state.output_shift_register.contents),
        (loop.isr, 0, state.input_shift_register.contents),
    ):
        value = before if register == KEPT else copied(register, x_before, y_before) + offset
        assert contents == value & MASK32
