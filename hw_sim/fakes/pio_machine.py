"""One PIO state machine, exactly.

May import: the standard library, hw_sim.fakes.errors and hw_sim.pio_loops. Source: RP2040 data
sheet, chapter 3.

The interpreter executes PIO words one state-machine cycle at a time, except that it recognises a
pass through a loop that only copies and counts down registers while its inputs stay the same; the
state after any number of such passes is then computed at once, exactly. A 30 s count at 1 MHz
costs microseconds.

Not modelled: the two flip-flops of the input synchroniser (16 ns), `OUT EXEC`, `MOV EXEC`,
autopush and autopull, OUT_STICKY and inline OUT enable, DMA. What needs them raises `NotModelled`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from hw_sim.fakes.errors import NotModelled
from hw_sim.pio_loops import (
    IN,
    JMP,
    KEPT,
    MASK32,
    MOV,
    OUT,
    PULL,
    PUSH,
    SET,
    WAIT,
    WAIT_GPIO,
    WAIT_IRQ,
    Config,
    Loop,
    Standing,
    Word,
    copied,
    decode,
    follow,
    rotate,
)


class Block(Protocol):
    """What a state machine sees of the PIO block that it belongs to (`pio.Block`)."""

    levels: list[int]
    out: int
    dirs: int
    irq_flags: int

    def decoded(self, side_count: int, side_optional: bool) -> list[Word]: ...
    def irq_number(self, machine: Machine, index: int) -> int: ...


NEVER = 1 << 62  # a cycle that does not come
_BUDGET = 5_000  # instructions without anything visible, before a forecast gives up

# PC, X, Y, ISR, OSR, both shift counts, delay, stalled, latched, waiting for a flag.
Registers = tuple[int, int, int, int, int, int, int, int, bool, int | None, bool]


class Machine:
    """The state of one state machine, and how it moves on.

    `cycle` counts ticks of its divided clock: it is the number of the next tick. Pins are
    never written here: `run` stops at the tick that changes one, with the change in `out`.
    """

    __slots__ = (
        "block", "config", "cycle", "delay", "dir_mask", "dir_value", "fifo_cycle", "irq_set",
        "isr", "isr_n", "latched", "loops", "misses", "osr", "osr_n", "out_mask", "out_value",
        "pc", "quick", "rx", "stalled", "tx", "waiting_irq", "words", "x", "y",
    )  # fmt: skip

    def __init__(self, block: Block, config: Config) -> None:
        self.block = block
        self.config = config
        self.cycle = 0
        self.pc = 0
        self.x = self.y = self.isr = self.osr = 0
        self.isr_n = 0
        self.osr_n = 32
        self.delay = 0
        self.tx: deque[int] = deque()
        self.rx: deque[int] = deque()
        self.latched: int | None = None
        self.waiting_irq = False
        self.stalled = False
        self.out_mask = self.out_value = 0
        self.dir_mask = self.dir_value = 0
        self.irq_set = -1
        self.fifo_cycle = NEVER  # the tick that first took from or gave to a FIFO
        self.loops: dict[int, Loop] = {}
        self.misses: dict[int, int] = {}
        self.words: list[Word] | None = None  # the program memory, decoded for this machine
        self.quick: list[_Act | None] = []  # what most words do, without decoding

    def copy(self) -> Machine:
        other: Machine = Machine.__new__(Machine)
        other.block = self.block
        other.config = self.config
        other.cycle = self.cycle
        other.pc = self.pc
        other.x = self.x
        other.y = self.y
        other.isr = self.isr
        other.osr = self.osr
        other.isr_n = self.isr_n
        other.osr_n = self.osr_n
        other.delay = self.delay
        other.tx = self.tx.copy()
        other.rx = self.rx.copy()
        other.latched = self.latched
        other.waiting_irq = self.waiting_irq
        other.stalled = self.stalled
        other.out_mask = other.out_value = other.dir_mask = other.dir_value = 0
        other.irq_set = -1
        other.fifo_cycle = NEVER
        other.loops = self.loops
        other.misses = self.misses
        other.words = self.words
        other.quick = self.quick
        return other

    def registers(self) -> Registers:
        """Everything but the FIFOs and the time."""
        return (
            self.pc, self.x, self.y, self.isr, self.osr, self.isr_n, self.osr_n, self.delay,
            self.stalled, self.latched, self.waiting_irq,
        )  # fmt: skip

    def resume(self, cycle: int, registers: Registers) -> None:
        """Be at `cycle` with these registers."""
        self.cycle = cycle
        (
            self.pc, self.x, self.y, self.isr, self.osr, self.isr_n, self.osr_n, self.delay,
            self.stalled, self.latched, self.waiting_irq,
        ) = registers  # fmt: skip

    def restart(self) -> None:
        """SM_RESTART: shift counters, ISR, delay and stalls are cleared; X, Y, OSR, PC stay."""
        self.isr = 0
        self.isr_n = 0
        self.osr_n = 32
        self.delay = 0
        self.latched = None
        self.waiting_irq = False
        self.stalled = False

    # -- running

    def run(self, limit: int) -> bool:
        """Execute ticks below `limit`, up to the first that shows outside. True: it showed.

        What showed is in out_mask/out_value, dir_mask/dir_value and irq_set (a flag's number, or
        -1), for the caller to apply. False: `cycle` is `limit`, and nothing showed.
        """
        config = self.config
        block = self.block
        words = self.words
        if words is None:
            words = self.words = block.decoded(config.side_count, config.side_optional)
            self.quick = [_quick(pc, word, config) for pc, word in enumerate(words)]
        quick = self.quick
        loops = self.loops
        budget = _BUDGET
        while self.cycle < limit:
            if self.delay:
                step = min(self.delay, limit - self.cycle)
                self.delay -= step
                self.cycle += step
                continue
            before = self.pc
            act = quick[before]
            if act is not None and self.latched is None:
                act(self)
                self.cycle += 1
            else:
                if self.latched is None:
                    word = words[before]
                else:
                    word = decode(self.latched, config.side_count, config.side_optional)
                self._step(word)
                if self.stalled:
                    if self.out_mask or self.dir_mask or self.irq_set >= 0:
                        self.cycle += 1
                        return True
                    self.cycle = limit  # nothing in here can end the stall
                    return False
                self.cycle += 1
                if self.out_mask or self.dir_mask or self.irq_set >= 0:
                    return True
            if self.pc <= before:
                loop = loops.get(self.pc)
                if loop is None or not self._leap(loop, limit):
                    self._find_loop(words, limit)
            budget -= 1
            if not budget:
                return False
        return False

    def _find_loop(self, words: Sequence[Word], limit: int) -> None:
        """At the head of what may be a loop: trace it, and leap."""
        # Tracing in vain costs more than a pass: only the first time and every 16th.
        missed = self.misses.get(self.pc, 0)
        self.misses[self.pc] = missed + 1
        if missed & 15:
            return
        block = self.block
        standing = Standing(
            self.config, self.pc, self.x, self.y, self.isr, self.osr, self.isr_n, self.osr_n,
            not self.tx, block.levels, block.out, block.dirs,
        )  # fmt: skip
        loop = follow(standing, words.__getitem__)
        if loop is not None and loop.keeps_counts:
            self.loops[self.pc] = loop
            self._leap(loop, limit)

    def _leap(self, loop: Loop, limit: int) -> bool:
        """Do as many whole passes as end by `limit` and go this way.

        False: not even the first pass from here would.
        """
        if not self._stands(loop):
            return False
        x, y = self.x, self.y
        passes = loop.passes(x, y, (limit - self.cycle) // loop.cycles)
        if passes > 0:
            # What OSR and ISR were last copied from is X or Y as it stood at the last pass's head.
            before = passes - 1
            x_before, y_before = x + before * loop.dx, y + before * loop.dy
            source, offset = loop.osr
            if source != KEPT:
                self.osr = (copied(source, x_before, y_before) + offset) & MASK32
            source, offset = loop.isr
            if source != KEPT:
                self.isr = (copied(source, x_before, y_before) + offset) & MASK32
            self.x = (x_before + loop.dx) & MASK32
            self.y = (y_before + loop.dy) & MASK32
            self.cycle += passes * loop.cycles
        return passes >= 0

    def _stands(self, loop: Loop) -> bool:
        """All that a pass takes for granted, but for the tests of X and Y, is as it was."""
        if self.osr_n != loop.osr_n or self.isr_n != loop.isr_n:
            return False
        if loop.empty_tx and self.tx:
            return False
        block = self.block
        if loop.pins:
            levels = block.levels
            for gp, level in loop.pins:
                if levels[gp] != level:
                    return False
        for mask, bits in loop.out:
            if block.out & mask != bits:
                return False
        for mask, bits in loop.dirs:
            if block.dirs & mask != bits:
                return False
        for is_x, value in loop.constant:
            if (self.x if is_x else self.y) != value:
                return False
        return True

    def settle(self) -> None:
        """Try a latched (stalled) instruction again without a tick: the machine is disabled."""
        if self.latched is not None:
            config = self.config
            self._step(decode(self.latched, config.side_count, config.side_optional))

    def execute(self, instr: int) -> None:
        """Execute one word at once, as a write to the INSTR register does."""
        config = self.config
        self.latched = instr
        self.stalled = False
        self.waiting_irq = False
        self._step(decode(instr, config.side_count, config.side_optional))

    # -- one instruction

    def _step(self, word: Word) -> None:
        """Execute `word`. Sets `stalled` if it has to be tried again."""
        kind, a, b, delay, side = word
        config = self.config
        if side >= 0:
            self._side(side, config)
        jumped = False
        if kind == JMP:
            if self._jumps(a, config):
                self.pc = b
                jumped = True
        elif kind == SET:
            self._write(a, b, config.set_base, config.set_count)
        elif kind == MOV:
            jumped = self._mov(a, b, config)
        elif kind == PULL:
            if not self._pull(a, b):
                self.stalled = True
                return
        elif kind == PUSH:
            if not self._push(a, b):
                self.stalled = True
                return
        elif kind == WAIT:
            if not self._wait(a, b, config):
                self.stalled = True
                return
        elif kind == IN:
            self._in(a, b, config)
        elif kind == OUT:
            jumped = self._out(a, b, config)
        elif not self._irq(a, b):
            self.stalled = True
            return
        self.stalled = False
        self.delay = delay
        if self.latched is not None:
            self.latched = None
            return  # the program counter moves only by a jump
        if not jumped:
            self.pc = config.wrap_target if self.pc == config.wrap_top else (self.pc + 1) & 31

    def _jumps(self, condition: int, config: Config) -> bool:
        """Whether a JMP is taken; it may count X or Y down."""
        if condition == 0:
            return True
        if condition == 6:
            return self.block.levels[config.jmp_pin] != 0
        if condition == 2:
            nonzero = self.x != 0
            self.x = (self.x - 1) & MASK32
            return nonzero
        if condition == 4:
            nonzero = self.y != 0
            self.y = (self.y - 1) & MASK32
            return nonzero
        if condition == 1:
            return self.x == 0
        if condition == 3:
            return self.y == 0
        if condition == 5:
            return self.x != self.y
        return self.osr_n < config.pull_thresh

    def _side(self, value: int, config: Config) -> None:
        bits = config.side_count - config.side_optional
        if config.side_to_dirs:
            self._show_dirs(config.side_base, bits, value)
        else:
            self._show_pins(config.side_base, bits, value)

    def _show_pins(self, base: int, count: int, value: int) -> None:
        mask = rotate((1 << count) - 1, base)
        bits = rotate(value & ((1 << count) - 1), base)
        if (self.block.out & mask) != bits or self.out_mask & mask:
            self.out_mask |= mask
            self.out_value = (self.out_value & ~mask) | bits

    def _show_dirs(self, base: int, count: int, value: int) -> None:
        mask = rotate((1 << count) - 1, base)
        bits = rotate(value & ((1 << count) - 1), base)
        if (self.block.dirs & mask) != bits or self.dir_mask & mask:
            self.dir_mask |= mask
            self.dir_value = (self.dir_value & ~mask) | bits

    def _write(self, dest: int, value: int, base: int, count: int) -> None:
        if dest == 0:
            self._show_pins(base, count, value)
        elif dest == 1:
            self.x = value
        elif dest == 2:
            self.y = value
        elif dest == 4:
            self._show_dirs(base, count, value)

    def _pins_in(self, base: int) -> int:
        value = 0
        for gp, level in enumerate(self.block.levels):
            if level:
                value |= 1 << gp
        return (value >> base | value << (32 - base)) & MASK32

    def _source(self, src: int, config: Config) -> int:
        if src == 1:
            return self.x
        if src == 2:
            return self.y
        if src == 6:
            return self.isr
        if src == 7:
            return self.osr
        if src == 3:
            return 0
        if src == 0:
            return self._pins_in(config.in_base)
        return 0  # STATUS: MicroPython leaves its level at 0, below which no FIFO is

    def _mov(self, dest: int, b: int, config: Config) -> bool:
        value = self._source(b & 7, config)
        if b & 0x08:
            value ^= MASK32
        elif b & 0x10:
            value = int(f"{value:032b}"[::-1], 2)
        if dest == 1:
            self.x = value
        elif dest == 2:
            self.y = value
        elif dest == 6:
            self.isr = value
            self.isr_n = 0
        elif dest == 7:
            self.osr = value
            self.osr_n = 0
        elif dest == 0:
            self._show_pins(config.out_base, config.out_count, value)
        elif dest == 5:
            self.pc = value & 31
            return True
        else:
            raise NotModelled("mov(exec, ...)")
        return False

    def _pull(self, if_empty: int, block: int) -> bool:
        config = self.config
        if if_empty and self.osr_n < config.pull_thresh:
            return True
        if self.tx:
            self.osr = self.tx.popleft()
            if self.fifo_cycle == NEVER:
                self.fifo_cycle = self.cycle
        elif block:
            return False
        else:
            self.osr = self.x
        self.osr_n = 0
        return True

    def _push(self, if_full: int, block: int) -> bool:
        config = self.config
        if if_full and self.isr_n < config.push_thresh:
            return True
        if len(self.rx) >= config.rx_depth:
            if block:
                return False
        else:
            self.rx.append(self.isr)
            if self.fifo_cycle == NEVER:
                self.fifo_cycle = self.cycle
        self.isr = 0
        self.isr_n = 0
        return True

    def _wait(self, a: int, index: int, config: Config) -> bool:
        polarity, source = a >> 2, a & 3
        if source == WAIT_IRQ:
            flag = self.block.irq_number(self, index)
            if (self.block.irq_flags >> flag & 1) != polarity:
                return False
            if polarity:
                self.block.irq_flags &= ~(1 << flag)
            return True
        gp = index if source == WAIT_GPIO else (config.in_base + index) & 31
        return self.block.levels[gp] == polarity

    def _in(self, src: int, count: int, config: Config) -> None:
        data = self._source(src, config) & ((1 << count) - 1)
        if config.in_right:
            self.isr = (self.isr >> count | data << (32 - count)) & MASK32
        else:
            self.isr = (self.isr << count | data) & MASK32
        self.isr_n = min(32, self.isr_n + count)

    def _out(self, dest: int, count: int, config: Config) -> bool:
        mask = (1 << count) - 1
        if config.out_right:
            data = self.osr & mask
            self.osr >>= count
        else:
            data = self.osr >> (32 - count) & mask
            self.osr = self.osr << count & MASK32
        self.osr_n = min(32, self.osr_n + count)
        if dest == 5:
            self.pc = data & 31
            return True
        if dest == 6:
            self.isr = data
            self.isr_n = count
        elif dest == 7:
            raise NotModelled("out(exec, ...)")
        elif dest != 3:
            self._write(dest, data, config.out_base, config.out_count)
        return False

    def _irq(self, a: int, index: int) -> bool:
        flag = self.block.irq_number(self, index)
        if a & 2:
            self.block.irq_flags &= ~(1 << flag)
            return True
        if not self.waiting_irq:
            self.block.irq_flags |= 1 << flag
            self.irq_set = flag
            if a & 1:
                self.waiting_irq = True
                return False
            return True
        if self.block.irq_flags >> flag & 1:
            return False
        self.waiting_irq = False
        return True


_Act = Callable[[Machine], None]


def _quick(pc: int, word: Word, config: Config) -> _Act | None:
    """A function that does what `word` at `pc` does, for words that never stall and never show.

    It is `_step` for the commonest cases, and is proved together with it. None for the others.
    """
    kind, a, b, delay, side = word
    if side >= 0 or delay:
        return None
    after = config.wrap_target if pc == config.wrap_top else (pc + 1) & 31
    if kind == JMP:
        return _quick_jump(a, b, after, config)
    if kind == SET and a == 1:

        def set_x(m: Machine) -> None:
            m.x = b
            m.pc = after

        return set_x
    if kind == MOV and a == 1 and b == 7:

        def mov_x_osr(m: Machine) -> None:
            m.x = m.osr
            m.pc = after

        return mov_x_osr
    if kind == PULL and not a and not b:

        def pull_noblock(m: Machine) -> None:
            if m.tx:
                m.osr = m.tx.popleft()
                if m.fifo_cycle == NEVER:
                    m.fifo_cycle = m.cycle
            else:
                m.osr = m.x
            m.osr_n = 0
            m.pc = after

        return pull_noblock
    return None


def _quick_jump(condition: int, target: int, after: int, config: Config) -> _Act | None:
    if condition == 0:

        def always(m: Machine) -> None:
            m.pc = target

        return always
    if condition == 1:

        def not_x(m: Machine) -> None:
            m.pc = after if m.x else target

        return not_x
    if condition == 2:

        def x_dec(m: Machine) -> None:
            if m.x:
                m.x -= 1
                m.pc = target
            else:
                m.x = MASK32
                m.pc = after

        return x_dec
    if condition == 6:
        gp = config.jmp_pin

        def pin(m: Machine) -> None:
            m.pc = target if m.block.levels[gp] else after

        return pin
    return None
