"""The RP2040's programmable I/O: an assembler for `asm_pio` and an exact interpreter.

May import: the standard library and hw_sim.chip.errors. Source: RP2040 data sheet, chapter 3.

The interpreter executes PIO words one state-machine cycle at a time, except that it recognises a
pass through a loop that only copies and counts down registers while its inputs stay the same; the
state after any number of such passes is then computed at once, exactly. A 30 s count at 1 MHz
costs microseconds.

Not modelled: the two flip-flops of the input synchroniser (16 ns), the sharing of one pin by two
state machines in the same cycle (the higher number wins on the chip), `OUT EXEC`, `MOV EXEC`,
autopush and autopull, OUT_STICKY and inline OUT enable, DMA. The words that need those raise `NotModelled`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from hw_sim.chip.errors import ChipMisuse, NotModelled

SYS_CLOCK_HZ = 125_000_000
NS_PER_SYS_CYCLE = 8
_M = 0xFFFFFFFF

# Layout of the list that `asm_pio` makes of a function, as in MicroPython 1.23.
PROG_DATA, PROG_OFFSET_PIO0, PROG_OFFSET_PIO1, PROG_EXECCTRL, PROG_SHIFTCTRL = 0, 1, 2, 3, 4
PROG_OUT_PINS, PROG_SET_PINS, PROG_SIDESET_PINS, PROG_FIELDS = 5, 6, 7, 8


class PIOASMError(Exception):
    """A PIO program that cannot be assembled (the name MicroPython gives it)."""


# ---------------------------------------------------------------------------------------------
# Assembler
# ---------------------------------------------------------------------------------------------

_WAIT_GPIO, _WAIT_PIN, _WAIT_IRQ = 0, 1, 2
_REG = {"pins": 0, "x": 1, "y": 2, "null": 3, "pindirs": 4, "pc": 5, "isr": 6, "osr": 7}


class Assembler:
    """Collects the words of one PIO program; the function is run twice, as labels need.

    Raises PIOASMError for whatever MicroPython would refuse, and also for what it would silently
    pack into the wrong bits (a `set` of more than 31, an interrupt above 7, more than 32 words).
    """

    def __init__(
        self,
        *,
        out_init: int | Sequence[int] | None = None,
        set_init: int | Sequence[int] | None = None,
        sideset_init: int | Sequence[int] | None = None,
        in_shiftdir: int = 0,
        out_shiftdir: int = 0,
        autopush: bool = False,
        autopull: bool = False,
        push_thresh: int = 32,
        pull_thresh: int = 32,
        fifo_join: int = 0,
    ) -> None:
        for name, thresh in (("push_thresh", push_thresh), ("pull_thresh", pull_thresh)):
            if not 1 <= thresh <= 32:
                raise PIOASMError(f"{name} must be 1 to 32, not {thresh}")
        if fifo_join not in (0, 1, 2):
            raise PIOASMError(f"fifo_join must be a PIO.JOIN_ constant, not {fifo_join}")
        shiftctrl = (
            fifo_join << 30
            | (pull_thresh & 31) << 25
            | (push_thresh & 31) << 20
            | (1 if out_shiftdir else 0) << 19
            | (1 if in_shiftdir else 0) << 18
            | bool(autopull) << 17
            | bool(autopush) << 16
        )
        self.words = array("H")
        self.program: list[Any] = [
            self.words, -1, -1, 0, shiftctrl, out_init, set_init, sideset_init,
        ]  # fmt: skip
        self._labels: dict[str, int] = {}
        self._pass = 0
        self._count = 0
        self._sides = 0
        self._side_bits = _pins_count(sideset_init)
        self._side_optional = False
        self._delay_max = 31
        self._wrap_target = 0
        self._wrap: int | None = None

    def assemble(self, body: Callable[[], object]) -> list[Any]:
        """Run `body` twice with this assembler's names in force and return the program."""
        body()
        if not 1 <= self._count <= 32:
            raise PIOASMError(f"a program has 1 to 32 instructions, not {self._count}")
        if self._side_bits:
            self._side_optional = self._sides != self._count
            self._side_bits += self._side_optional
            if self._side_bits > 5:
                raise PIOASMError("more side-set bits than the instruction word has")
            self._delay_max = 31 >> self._side_bits
        wrap = self._count - 1 if self._wrap is None else self._wrap
        self.program[PROG_EXECCTRL] = (
            wrap << 12 | self._wrap_target << 7 | self._side_optional << 30
        )
        self._pass, self._count, self._sides = 1, 0, 0
        body()
        return self.program

    def assemble_one(self, body: Callable[[], object], side_bits: int, optional: bool) -> int:
        """One instruction, for `exec`: `side_bits` includes the enable bit."""
        self._side_bits, self._side_optional = side_bits, optional
        self._delay_max = 31 >> side_bits
        self._pass = 1
        body()
        if len(self.words) != 1:
            raise PIOASMError("expecting exactly 1 instruction")
        return self.words[0]

    # -- directives

    def wrap_target(self) -> None:
        self._wrap_target = self._count

    def wrap(self) -> None:
        if not self._count:
            raise PIOASMError("wrap() before the first instruction")
        self._wrap = self._count - 1

    def label(self, label: str) -> None:
        if self._pass == 0:
            if label in self._labels:
                raise PIOASMError(f"duplicate label {label}")
            self._labels[label] = self._count

    # -- modifiers

    def delay(self, delay: int) -> Assembler:
        if self._pass:
            if not 0 <= delay <= self._delay_max:
                raise PIOASMError("delay too large")
            self.words[-1] |= delay << 8
        return self

    __getitem__ = delay

    def side(self, value: int) -> Assembler:
        self._sides += 1
        if self._pass:
            if not self._side_bits:
                raise PIOASMError("no sideset")
            value_bits = self._side_bits - self._side_optional
            if not 0 <= value < 1 << value_bits:
                raise PIOASMError("sideset too large")
            self.words[-1] |= self._side_optional << 12 | value << (13 - self._side_bits)
        return self

    # -- instructions

    def word(self, instr: int, label: str | None = None) -> Assembler:
        self._count += 1
        if self._pass:
            if label is not None:
                if label not in self._labels:
                    raise PIOASMError(f"unknown label {label}")
                instr |= self._labels[label]
            self.words.append(instr)
        return self

    def nop(self) -> Assembler:
        return self.word(0xA042)

    def jmp(self, cond: int | str, label: str | None = None) -> Assembler:
        if label is None:
            if not isinstance(cond, str):
                raise PIOASMError("jmp needs a label")
            return self.word(0x0000, cond)
        if not isinstance(cond, int) or not 1 <= cond <= 7:
            raise PIOASMError(f"jmp on an unknown condition {cond!r}")
        return self.word(cond << 5, label)

    def wait(self, polarity: int, src: Any, index: int) -> Assembler:
        if src == 6:  # the word `pin`, as a condition of jmp, is 6
            source = _WAIT_PIN
        elif src == 0:
            source = _WAIT_GPIO
        elif callable(src):  # the instruction `irq` itself
            source = _WAIT_IRQ
        else:
            raise PIOASMError("wait needs gpio, pin or irq")
        if polarity not in (0, 1):
            raise PIOASMError("wait polarity must be 0 or 1")
        top = 0x17 if source == _WAIT_IRQ else 31
        if not 0 <= index <= top or (source == _WAIT_IRQ and index & 8):
            raise PIOASMError(f"wait index {index} out of range")
        return self.word(0x2000 | polarity << 7 | source << 5 | index)

    def in_(self, src: int, data: int) -> Assembler:
        if src not in (0, 1, 2, 3, 6, 7):
            raise PIOASMError("in_ from an impossible source")
        return self.word(0x4000 | src << 5 | _bit_count(data))

    def out(self, dest: int, data: int) -> Assembler:
        if not 0 <= dest <= 8:
            raise PIOASMError("out to an impossible destination")
        return self.word(0x6000 | (7 if dest == 8 else _out_dest(dest)) << 5 | _bit_count(data))

    def push(self, value: int = 0, value2: int = 0) -> Assembler:
        return self.word(0x8000 | _fifo_flags(value, value2))

    def pull(self, value: int = 0, value2: int = 0) -> Assembler:
        return self.word(0x8080 | _fifo_flags(value, value2))

    def mov(self, dest: int, src: int) -> Assembler:
        if dest not in (0, 1, 2, 5, 6, 7, 8):
            raise PIOASMError("mov to an impossible destination")
        if not 0 <= src <= 0x17 or (src & 7) == 4 or (src & 0x18) == 0x18:
            raise PIOASMError("mov from an impossible source")
        return self.word(0xA000 | (4 if dest == 8 else dest) << 5 | src)

    def irq(self, mod: int, index: int | None = None) -> Assembler:
        if index is None:
            mod, index = 0, mod
        if not 0 <= index <= 0x17 or index & 8:
            raise PIOASMError(f"irq {index} out of range")
        return self.word(0xC000 | (mod & 0x60) | index)

    def set(self, dest: int, data: int) -> Assembler:
        if dest not in (0, 1, 2, 4):
            raise PIOASMError("set to an impossible destination")
        if not 0 <= data <= 31:
            raise PIOASMError(f"set of {data}: only 0 to 31 fit in the word")
        return self.word(0xE000 | dest << 5 | data)

    def names(self) -> dict[str, Any]:
        """The names that are in force inside an `asm_pio` function."""
        out: dict[str, Any] = dict(_CONSTANTS)
        for name in _DIRECTIVES + _INSTRUCTIONS:
            out[name] = getattr(self, name)
        return out


def _pins_count(init: int | Sequence[int] | None) -> int:
    if init is None:
        return 0
    return 1 if isinstance(init, int) else len(init)


def _bit_count(data: int) -> int:
    if not 0 < data <= 32:
        raise PIOASMError(f"invalid bit count {data}")
    return data & 31


def _out_dest(dest: int) -> int:
    if dest == 7:
        raise PIOASMError("out to an impossible destination")
    return dest


def _fifo_flags(value: int, value2: int) -> int:
    value |= value2
    if not value & 1:
        value |= 0x20  # both block unless told not to
    return value & 0x60


def _invert(x: int) -> int:
    return x | 0x08


def _reverse(x: int) -> int:
    return x | 0x10


_CONSTANTS: dict[str, Any] = {
    **_REG,
    "gpio": 0,
    "status": 5,
    "exec": 8,
    "invert": _invert,
    "reverse": _reverse,
    "not_x": 1,
    "x_dec": 2,
    "not_y": 3,
    "y_dec": 4,
    "x_not_y": 5,
    "pin": 6,
    "not_osre": 7,
    "noblock": 0x01,
    "block": 0x21,
    "iffull": 0x40,
    "ifempty": 0x40,
    "clear": 0x40,
    "rel": _reverse,
}
_DIRECTIVES = ("wrap_target", "wrap", "label")
_INSTRUCTIONS = (
    "word", "nop", "jmp", "wait", "in_", "out", "push", "pull", "mov", "irq", "set",
)  # fmt: skip


def asm_pio(
    function: Callable[[], object], constants: dict[str, Any] | None = None, **options: Any
) -> list[Any]:
    """Assemble `function`, which sees the PIO names and `constants`, and no others.

    `constants` are the module's `const()` names: MicroPython's compiler has put their values in
    place before `asm_pio` hides everything else.
    """
    asm = Assembler(**options)
    assert isinstance(function, FunctionType)
    names = {"__builtins__": {}, **(constants or {}), **asm.names()}
    return asm.assemble(FunctionType(function.__code__, names, function.__name__))


def asm_pio_encode(instr: str, side_bits: int, side_optional: bool = False) -> int:
    """The word of one instruction given as text. `jmp` is not available, as in MicroPython."""
    asm = Assembler()
    names: dict[str, Any] = {"__builtins__": {}, **asm.names()}
    for directive in ("jmp", "wrap", "wrap_target", "label"):
        names.pop(directive)
    code = compile(instr, "<pio>", "exec")

    def body() -> None:
        exec(code, names)

    return asm.assemble_one(body, side_bits, side_optional)


# ---------------------------------------------------------------------------------------------
# One state machine
# ---------------------------------------------------------------------------------------------

NEVER = 1 << 62  # a cycle that does not come
_BUDGET = 5_000  # instructions without anything visible, before a forecast gives up

# Kinds of instruction after decoding.
_JMP, _WAIT, _IN, _OUT, _PUSH, _PULL, _MOV, _IRQ, _SET = range(9)


@dataclass(frozen=True)
class Config:
    """The registers of one state machine that the firmware fixes before it runs.

    `divider` is in 1/256 of a system clock cycle. Pins are GPIO numbers.
    """

    divider: int = 256
    wrap_target: int = 0
    wrap_top: int = 31
    side_count: int = 0  # including the enable bit
    side_optional: bool = False
    side_to_dirs: bool = False
    side_base: int = 0
    set_base: int = 0
    set_count: int = 5
    out_base: int = 0
    out_count: int = 0
    in_base: int = 0
    jmp_pin: int = 0
    in_right: bool = True
    out_right: bool = True
    push_thresh: int = 32
    pull_thresh: int = 32
    tx_depth: int = 4
    rx_depth: int = 4


_Word = tuple[int, int, int, int, int]  # kind, a, b, delay, side (-1: none)


class Machine:
    """The state of one state machine, and how it moves on.

    `cycle` counts ticks of its own divided clock: it is the number of the next tick. Pins are
    never written here: `run` stops at the tick that changes one, with the change in `out`.
    """

    __slots__ = (
        "block", "config", "cycle", "delay", "dir_mask", "dir_value", "fifo_cycle", "irq_set",
        "isr", "isr_n", "latched", "loops", "misses", "osr", "osr_n", "out_mask", "out_value", "pc", "quick", "rx", "stalled", "tx",
        "waiting_irq", "x", "y",
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
        self.loops: dict[int, _Loop] = {}
        self.misses: dict[int, int] = {}
        self.quick: list[_Act | None] | None = None  # what most words do, without decoding

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
        other.quick = self.quick
        return other

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
        words = block.decoded(config.side_count, config.side_optional)
        quick = self.quick
        if quick is None:
            quick = self.quick = [_quick(pc, word, config) for pc, word in enumerate(words)]
        loops = self.loops
        misses = self.misses
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
                    word = block.decode(self.latched, config.side_count, config.side_optional)
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
                if loop is not None and loop.usable(self):
                    loop.skip(self, limit)
                else:
                    # Tracing in vain costs more than a pass: only the first time and every 16th.
                    missed = misses.get(self.pc, 0)
                    misses[self.pc] = missed + 1
                    if not missed & 15:
                        loop = _Loop.trace(self, words)
                        if loop is not None:
                            loops[self.pc] = loop
                            loop.skip(self, limit)
            budget -= 1
            if not budget:
                return False
        return False

    def settle(self) -> None:
        """Try a latched (stalled) instruction again without a tick: the machine is disabled."""
        if self.latched is not None:
            config = self.config
            self._step(self.block.decode(self.latched, config.side_count, config.side_optional))

    def execute(self, instr: int) -> None:
        """Execute one word at once, as a write to the INSTR register does."""
        config = self.config
        self.latched = instr
        self.stalled = False
        self.waiting_irq = False
        self._step(self.block.decode(instr, config.side_count, config.side_optional))

    # -- one instruction

    def _step(self, word: _Word) -> None:
        """Execute `word`. Sets `stalled` if it has to be tried again."""
        kind, a, b, delay, side = word
        config = self.config
        if side >= 0:
            self._side(side, config)
        jumped = False
        if kind == _JMP:
            if a == 0:
                taken = True
            elif a == 6:
                taken = self.block.levels[config.jmp_pin] != 0
            elif a == 2:
                taken = self.x != 0
                self.x = (self.x - 1) & _M
            elif a == 1:
                taken = self.x == 0
            elif a == 3:
                taken = self.y == 0
            elif a == 4:
                taken = self.y != 0
                self.y = (self.y - 1) & _M
            elif a == 5:
                taken = self.x != self.y
            else:
                taken = self.osr_n < config.pull_thresh
            if taken:
                self.pc = b
                jumped = True
        elif kind == _SET:
            self._write(a, b, config.set_base, config.set_count)
        elif kind == _MOV:
            jumped = self._mov(a, b, config)
        elif kind == _PULL:
            if not self._pull(a, b):
                self.stalled = True
                return
        elif kind == _PUSH:
            if not self._push(a, b):
                self.stalled = True
                return
        elif kind == _WAIT:
            if not self._wait(a, b, config):
                self.stalled = True
                return
        elif kind == _IN:
            self._in(a, b, config)
        elif kind == _OUT:
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

    def _side(self, value: int, config: Config) -> None:
        bits = config.side_count - config.side_optional
        if config.side_to_dirs:
            self._show_dirs(config.side_base, bits, value)
        else:
            self._show_pins(config.side_base, bits, value)

    def _show_pins(self, base: int, count: int, value: int) -> None:
        mask = _rotate((1 << count) - 1, base)
        bits = _rotate(value & ((1 << count) - 1), base)
        if (self.block.out & mask) != bits or self.out_mask & mask:
            self.out_mask |= mask
            self.out_value = (self.out_value & ~mask) | bits

    def _show_dirs(self, base: int, count: int, value: int) -> None:
        mask = _rotate((1 << count) - 1, base)
        bits = _rotate(value & ((1 << count) - 1), base)
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
        return (value >> base | value << (32 - base)) & _M

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
            value ^= _M
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
        if source == _WAIT_IRQ:
            flag = self.block.irq_number(self, index)
            if (self.block.irq_flags >> flag & 1) != polarity:
                return False
            if polarity:
                self.block.irq_flags &= ~(1 << flag)
            return True
        gp = index if source == _WAIT_GPIO else (config.in_base + index) & 31
        return self.block.levels[gp] == polarity

    def _in(self, src: int, count: int, config: Config) -> None:
        data = self._source(src, config) & ((1 << count) - 1)
        if config.in_right:
            self.isr = (self.isr >> count | data << (32 - count)) & _M
        else:
            self.isr = (self.isr << count | data) & _M
        self.isr_n = min(32, self.isr_n + count)

    def _out(self, dest: int, count: int, config: Config) -> bool:
        mask = (1 << count) - 1
        if config.out_right:
            data = self.osr & mask
            self.osr >>= count
        else:
            data = self.osr >> (32 - count) & mask
            self.osr = self.osr << count & _M
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


def _quick(pc: int, word: _Word, config: Config) -> _Act | None:
    """A function that does what `word` at `pc` does, for words that never stall and never show.

    It is `_step` for the commonest cases, and is proved together with it. None for the others.
    """
    kind, a, b, delay, side = word
    if side >= 0 or delay:
        return None
    after = config.wrap_target if pc == config.wrap_top else (pc + 1) & 31
    if kind == _JMP:
        return _quick_jump(a, b, after, config)
    if kind == _SET and a == 1:

        def set_x(m: Machine) -> None:
            m.x = b
            m.pc = after

        return set_x
    if kind == _MOV and a == 1 and b == 7:

        def mov_x_osr(m: Machine) -> None:
            m.x = m.osr
            m.pc = after

        return mov_x_osr
    if kind == _PULL and not a and not b:

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
                m.x = _M
                m.pc = after

        return x_dec
    if condition == 6:
        gp = config.jmp_pin

        def pin(m: Machine) -> None:
            m.pc = target if m.block.levels[gp] else after

        return pin
    return None


def _rotate(value: int, by: int) -> int:
    by &= 31
    return (value << by | value >> (32 - by)) & _M


# ---------------------------------------------------------------------------------------------
# Loops
# ---------------------------------------------------------------------------------------------

# A register's value as a function of what the registers held at the head of the loop: one of
# them plus a constant, or a constant alone.
_Form = tuple[str, int]  # ("x" | "y" | "isr" | "osr" | "", constant)


class _Loop:
    """One way round a loop, as far as it only copies, counts down and tests.

    Every such pass is an affine map of the registers with every factor 0 or 1. As long as each
    test comes out as it did (`usable`, and the count in `skip`), n passes are the map n times,
    which is a multiplication.
    """

    __slots__ = (
        "cycles", "dirs", "dx", "dy", "empty_tx", "isr_n", "maps", "osr_n", "out", "pins", "slopes",
        "tests",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cycles = 0
        self.maps: dict[str, _Form] = {"x": ("x", 0), "y": ("y", 0)}
        self.tests: list[tuple[_Form, _Form, bool]] = []  # form, minus form, nonzero
        self.pins: list[tuple[int, int]] = []
        self.empty_tx = False
        self.out: list[tuple[int, int]] = []
        self.dirs: list[tuple[int, int]] = []
        self.osr_n = 0
        self.isr_n = 0
        self.dx = self.dy = 0  # what one pass adds to X and Y
        self.slopes: list[int] = []  # and to what each test looks at

    @staticmethod
    def trace(machine: Machine, words: Sequence[_Word]) -> _Loop | None:
        """Follow one pass from where `machine` is, without moving it. None: not such a loop."""
        loop = _Loop()
        config = machine.config
        block = machine.block
        head = pc = machine.pc
        forms: dict[str, _Form] = {
            "x": ("x", 0), "y": ("y", 0), "isr": ("isr", 0), "osr": ("osr", 0),
        }  # fmt: skip
        start = {"x": machine.x, "y": machine.y, "isr": machine.isr, "osr": machine.osr, "": 0}
        loop.osr_n, loop.isr_n = machine.osr_n, machine.isr_n
        osr_n, isr_n = machine.osr_n, machine.isr_n

        def value(form: _Form) -> int:
            return (start[form[0]] + form[1]) & _M

        for _ in range(64):
            kind, a, b, delay, side = words[pc]
            loop.cycles += 1 + delay
            if side >= 0:
                bits = config.side_count - config.side_optional
                if not loop.holds(block, config.side_to_dirs, config.side_base, bits, side):
                    return None
            jumped = False
            if kind == _JMP:
                if a == 0:
                    taken = True
                elif a == 6:
                    level = block.levels[config.jmp_pin]
                    loop.pins.append((config.jmp_pin, level))
                    taken = level != 0
                elif a == 7:
                    taken = osr_n < config.pull_thresh
                elif a == 5:
                    x, y = forms["x"], forms["y"]
                    taken = value(x) != value(y)
                    loop.tests.append((x, y, taken))
                else:
                    name = "x" if a < 3 else "y"
                    form = forms[name]
                    nonzero = value(form) != 0
                    loop.tests.append((form, ("", 0), nonzero))
                    taken = not nonzero
                    if a in (2, 4):
                        taken = nonzero
                        forms[name] = (form[0], (form[1] - 1) & _M)
                if taken:
                    pc = b
                    jumped = True
            elif kind == _SET and a in (1, 2):
                forms["x" if a == 1 else "y"] = ("", b)
            elif kind == _SET:
                if not loop.holds(block, a == 4, config.set_base, config.set_count, b):
                    return None
            elif kind == _MOV and not b & 0x18 and b in (1, 2, 3, 6, 7) and a in (1, 2, 6, 7):
                form = ("", 0) if b == 3 else forms[("", "x", "y", "", "", "", "isr", "osr")[b]]
                forms[("", "x", "y", "", "", "", "isr", "osr")[a]] = form
                if a == 6:
                    isr_n = 0
                elif a == 7:
                    osr_n = 0
            elif kind == _PULL and not a and not b and not machine.tx:
                loop.empty_tx = True
                forms["osr"] = forms["x"]
                osr_n = 0
            elif kind == _WAIT and a & 3 != _WAIT_IRQ:
                gp = b if a & 3 == _WAIT_GPIO else (config.in_base + b) & 31
                if block.levels[gp] != a >> 2:
                    return None
                loop.pins.append((gp, a >> 2))
            else:
                return None
            if not jumped:
                pc = config.wrap_target if pc == config.wrap_top else (pc + 1) & 31
            if pc == head:
                break
        else:
            return None
        if (osr_n, isr_n) != (loop.osr_n, loop.isr_n):
            return None
        for name in ("x", "y"):
            source, _offset = forms[name]
            if source != name and not (source == "" and value(forms[name]) == start[name]):
                return None
        for name in ("isr", "osr"):
            source, offset = forms[name]
            if source == name and offset:
                return None
            if source in ("isr", "osr") and source != name:
                return None
        for form, other, _nonzero in loop.tests:
            if form[0] in ("isr", "osr") or other[0] in ("isr", "osr"):
                return None
        loop.maps = forms
        loop.dx, loop.dy = loop._slope(("x", 0)), loop._slope(("y", 0))
        loop.slopes = [loop._slope(a) - loop._slope(b) for a, b, _nonzero in loop.tests]
        return loop

    def holds(self, block: Block, dirs: bool, base: int, count: int, value: int) -> bool:
        """Does a write of pins in the loop change nothing? Note it, for `usable`."""
        mask = _rotate((1 << count) - 1, base)
        bits = _rotate(value & ((1 << count) - 1), base)
        (self.dirs if dirs else self.out).append((mask, bits))
        return (block.dirs if dirs else block.out) & mask == bits

    def usable(self, machine: Machine) -> bool:
        """Would a pass from here go the same way?"""
        if machine.osr_n != self.osr_n or machine.isr_n != self.isr_n:
            return False
        if self.empty_tx and machine.tx:
            return False
        block = machine.block
        levels = block.levels
        for gp, level in self.pins:
            if levels[gp] != level:
                return False
        for mask, bits in self.out:
            if block.out & mask != bits:
                return False
        for mask, bits in self.dirs:
            if block.dirs & mask != bits:
                return False
        maps = self.maps
        if maps["x"][0] == "" and machine.x != maps["x"][1]:
            return False
        if maps["y"][0] == "" and machine.y != maps["y"][1]:
            return False
        for form, other, nonzero in self.tests:
            if (self._at(machine, form) != self._at(machine, other)) != nonzero:
                return False
        return True

    @staticmethod
    def _at(machine: Machine, form: _Form) -> int:
        name, offset = form
        if name == "x":
            return (machine.x + offset) & _M
        if name == "y":
            return (machine.y + offset) & _M
        return offset

    def _slope(self, form: _Form) -> int:
        """What one pass adds to a form's value, between -2^31 and 2^31."""
        name = form[0]
        if not name:
            return 0
        source, offset = self.maps[name]
        if not source:
            return 0
        return offset - (1 << 32) if offset >> 31 else offset

    def skip(self, machine: Machine, limit: int) -> None:
        """Do as many whole passes as end by `limit` and go this way. `usable` must hold."""
        passes = (limit - machine.cycle) // self.cycles
        for (form, other, nonzero), slope in zip(self.tests, self.slopes, strict=True):
            if not slope:
                continue
            if not nonzero:
                passes = min(passes, 1)
                continue
            gap = (self._at(machine, form) - self._at(machine, other)) & _M
            if slope > 0:
                gap = (1 << 32) - gap
            passes = min(passes, -(-gap // abs(slope)))
        if passes <= 0:
            return
        maps = self.maps
        x, y = machine.x, machine.y
        dx, dy = self.dx, self.dy
        # What ISR and OSR were last copied from, is X or Y as it stood at the last pass's head.
        last = {
            "x": (x + (passes - 1) * dx) & _M,
            "y": (y + (passes - 1) * dy) & _M,
            "": 0,
        }
        source, offset = maps["osr"]
        if source != "osr":
            machine.osr = (last[source] + offset) & _M
        source, offset = maps["isr"]
        if source != "isr":
            machine.isr = (last[source] + offset) & _M
        machine.x = (x + passes * dx) & _M
        machine.y = (y + passes * dy) & _M
        machine.cycle += passes * self.cycles


# ---------------------------------------------------------------------------------------------
# One PIO block, in nanoseconds
# ---------------------------------------------------------------------------------------------


class Block:
    """One PIO block: 32 words of program, four state machines, eight flags.

    `levels` is the list of the pads' levels by GPIO number, kept by the chip; whoever changes it
    of a pin in `watched` calls `input_changes()` before and `replan()` after. `show(mask, now_ns)` is called when the
    latch of a pin in `mask` has changed; `flag(n)` when an interrupt flag has been raised.
    """

    def __init__(
        self,
        clock: Any,
        levels: list[int],
        show: Callable[[int], None],
        flag: Callable[[int], None],
    ) -> None:
        self.clock = clock
        self.levels = levels
        self.show = show
        self.flag = flag
        self.memory: list[int] = [0] * 32
        self.used = 0
        self.out = 0
        self.dirs = 0
        self.irq_flags = 0
        self.runners = [Runner(self, i) for i in range(4)]
        self._decoded: dict[tuple[int, bool], list[_Word]] = {}
        self.watched = 0  # the pins whose level any machine looks at, as a mask

    # -- program memory

    def add_program(self, words: Iterable[int]) -> int:
        """Place a program as the SDK does, highest free place first. OSError ENOMEM if full."""
        code = list(words)
        for offset in range(32 - len(code), -1, -1):
            mask = ((1 << len(code)) - 1) << offset
            if not self.used & mask:
                self.used |= mask
                for i, word in enumerate(code):
                    if word >> 13 == 0:
                        word += offset  # a jump's target is where it lands in memory
                    self.memory[offset + i] = word
                self._decoded.clear()
                for runner in self.runners:
                    runner.machine.loops.clear()
                    runner.machine.quick = None
                return offset
        raise OSError(12)

    def remove_program(self, offset: int, length: int) -> None:
        self.used &= ~(((1 << length) - 1) << offset)

    def decoded(self, side_count: int, side_optional: bool) -> list[_Word]:
        key = (side_count, side_optional)
        words = self._decoded.get(key)
        if words is None:
            words = [self.decode(word, side_count, side_optional) for word in self.memory]
            self._decoded[key] = words
        return words

    @staticmethod
    def decode(word: int, side_count: int, side_optional: bool) -> _Word:
        field = word >> 8 & 31
        delay = field & (31 >> side_count)
        side = -1
        if side_count:
            side = field >> (5 - side_count)
            if side_optional:
                enable = 1 << (side_count - 1)
                side = side & (enable - 1) if side & enable else -1
        op, a, b = word >> 13, word >> 5 & 7, word & 31
        if op == 0:
            return (_JMP, a, b, delay, side)
        if op == 1:
            return (_WAIT, (word >> 7 & 1) << 2 | (word >> 5 & 3), b, delay, side)
        if op == 2:
            return (_IN, a, b or 32, delay, side)
        if op == 3:
            return (_OUT, a, b or 32, delay, side)
        if op == 4:
            kind = _PULL if word & 0x80 else _PUSH
            return (kind, word >> 6 & 1, word >> 5 & 1, delay, side)
        if op == 5:
            return (_MOV, a, b, delay, side)
        if op == 6:
            return (_IRQ, a & 3, b, delay, side)
        return (_SET, a, b, delay, side)

    def irq_number(self, machine: Machine, index: int) -> int:
        if index & 0x10:
            for number, runner in enumerate(self.runners):
                if runner.machine is machine or runner.forecast is machine:
                    return (index & 4) | (index + number) & 3
        return index & 7

    def watch(self) -> None:
        """Work out which pins matter: a machine has been configured, or given an instruction."""
        mask = 0
        for word in self.memory:
            op = word >> 13
            if op == 0 and word >> 5 & 7 == 6:
                for runner in self.runners:
                    mask |= 1 << runner.machine.config.jmp_pin
            elif op == 1 or (op == 2 and not word >> 5 & 7) or (op == 5 and not word & 7):
                mask = _M
        if any(runner.machine.latched is not None for runner in self.runners):
            mask = _M
        self.watched = mask

    # -- time

    def input_changes(self) -> None:
        """Bring every machine up to now, before a level changes."""
        for runner in self.runners:
            if runner.enabled:
                runner.sync()

    def replan(self) -> None:
        """A level or a flag has changed: look again for what comes next."""
        for runner in self.runners:
            if runner.enabled or runner.machine.latched is not None:
                runner.plan()

    def apply(self, machine: Machine) -> None:
        """Make visible what `machine` has just done."""
        changed = 0
        if machine.out_mask:
            new = (self.out & ~machine.out_mask) | machine.out_value
            changed |= new ^ self.out
            self.out = new
            machine.out_mask = machine.out_value = 0
        if machine.dir_mask:
            new = (self.dirs & ~machine.dir_mask) | machine.dir_value
            changed |= new ^ self.dirs
            self.dirs = new
            machine.dir_mask = machine.dir_value = 0
        flag = machine.irq_set
        machine.irq_set = -1
        if changed:
            self.show(changed)
        if flag >= 0:
            self.flag(flag)

    def stop(self) -> None:
        """Reset: everything off, latches cleared, memory as good as lost."""
        for runner in self.runners:
            runner.reset()
        self.out = self.dirs = self.irq_flags = self.used = 0
        self.memory = [0] * 32
        self.watched = 0
        self._decoded.clear()


class Runner:
    """A state machine in the chip's time.

    Its ticks are at `origin_ns` + n × divider. `plan` looks ahead for the next tick that shows
    outside and asks the clock to be called then; whoever changes an input calls `sync` first.
    """

    __slots__ = (
        "block", "enabled", "forecast", "index", "machine", "origin_ns", "quiet_ns", "timer",
    )  # fmt: skip

    def __init__(self, block: Block, index: int) -> None:
        self.block = block
        self.index = index
        self.machine = Machine(block, Config())
        self.forecast: Machine | None = None
        self.enabled = False
        self.origin_ns = 0
        self.quiet_ns = 0  # up to then nothing happens to the FIFOs, as planned
        self.timer: Any = None

    def tick_ns(self, n: int) -> int:
        """When tick `n` is. The fractional divider drops no time: the n-th tick is at ⌊n·div⌋."""
        return self.origin_ns + NS_PER_SYS_CYCLE * (n * self.machine.config.divider >> 8)

    def first_tick(self, t_ns: int) -> int:
        """The number of the first tick at or after `t_ns`."""
        sys_cycles = -(-(t_ns - self.origin_ns) // NS_PER_SYS_CYCLE)
        return max(0, -(-(sys_cycles << 8) // self.machine.config.divider))

    # -- control

    def init(self, config: Config, pc: int) -> None:
        """As pio_sm_init: disabled, FIFOs empty, restarted, divider restarted, at `pc`."""
        self.cancel()
        machine = self.machine
        machine.config = config
        machine.loops.clear()
        machine.misses.clear()
        machine.quick = None
        self.enabled = False
        self.origin_ns = self.block.clock.now_ns
        machine.cycle = 0
        machine.tx.clear()
        machine.rx.clear()
        machine.restart()
        machine.pc = pc
        self.block.watch()

    def reset(self) -> None:
        self.cancel()
        self.enabled = False
        self.machine = Machine(self.block, Config())

    def enable(self, on: bool) -> None:
        if on == self.enabled:
            return
        if on:
            self.machine.cycle = self.first_tick(self.block.clock.now_ns + 1)
            self.enabled = True
            self.plan()
        else:
            self.sync()
            self.cancel()
            self.enabled = False

    def restart(self, pc: int) -> None:
        self.sync()
        self.machine.restart()
        self.machine.pc = pc
        self.plan()

    def execute(self, instr: int) -> None:
        self.sync()
        self.machine.execute(instr)
        if self.machine.latched is not None:
            self.block.watch()
        self.block.apply(self.machine)
        self.plan()

    def put(self, value: int) -> bool:
        """False: the FIFO is full."""
        self.sync()
        machine = self.machine
        if len(machine.tx) >= machine.config.tx_depth:
            return False
        machine.tx.append(value & _M)
        self.plan()
        return True

    def get(self) -> int | None:
        """None: the FIFO is empty."""
        self.sync()
        machine = self.machine
        if not machine.rx:
            return None
        value = machine.rx.popleft()
        self.plan()
        return value

    def rx_level(self) -> int:
        if self.block.clock.now_ns > self.quiet_ns:
            self.sync()
        return len(self.machine.rx)

    def tx_level(self) -> int:
        if self.block.clock.now_ns > self.quiet_ns:
            self.sync()
        return len(self.machine.tx)

    # -- time

    def sync(self) -> None:
        """Execute every tick before now. None of them shows: the plan would have called."""
        if not self.enabled:
            return
        limit = self.first_tick(self.block.clock.now_ns)
        machine = self.machine
        while machine.cycle < limit:
            if machine.run(limit):
                self.block.apply(machine)

    def plan(self) -> None:
        """Find the next tick that shows, and have the clock call for it."""
        self.cancel()
        if not self.enabled:
            if self.machine.latched is not None:
                self.machine.settle()
                self.block.apply(self.machine)
            return
        ahead = self.machine.copy()
        self.forecast = ahead
        flags = self.block.irq_flags
        shows = ahead.run(NEVER)
        self.block.irq_flags = flags  # the forecast must leave no trace
        self.forecast = None
        seen = ahead.cycle
        if shows:
            self._call_at_tick(seen - 1)
        elif seen < NEVER:
            self._call_at_tick(seen)  # the forecast's budget ran out: look again there
        self.quiet_ns = self.tick_ns(min(seen - 1, ahead.fifo_cycle))

    def _call_at_tick(self, n: int) -> None:
        clock = self.block.clock
        self.timer = clock.call_at(max(self.tick_ns(n), clock.now_ns), self._due)

    def _due(self) -> None:
        self.timer = None
        limit = self.first_tick(self.block.clock.now_ns) + 1
        machine = self.machine
        while machine.cycle < limit:
            if machine.run(limit):
                self.block.apply(machine)
        self.plan()

    def cancel(self) -> None:
        self.quiet_ns = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def divider(freq_hz: int) -> int:
    """Clock divider in 1/256 for a state machine's frequency, as MicroPython computes it.

    -1 means the system clock, 0 the slowest. ValueError if out of range.
    """
    if freq_hz < 0:
        return 256
    if freq_hz == 0:
        return 65536 * 256
    div = SYS_CLOCK_HZ * 256 // freq_hz
    if not 256 <= div <= 65536 * 256:
        raise ValueError("freq out of range")
    return div


def config_of(
    program: list[Any],
    offset: int,
    freq_hz: int,
    *,
    in_base: int | None,
    out_base: int | None,
    set_base: int | None,
    jmp_pin: int | None,
    sideset_base: int | None,
    in_shiftdir: int | None = None,
    out_shiftdir: int | None = None,
    push_thresh: int | None = None,
    pull_thresh: int | None = None,
) -> Config:
    """The configuration `StateMachine.init` makes of a program and its arguments.

    Raises ChipMisuse when the program writes pins for which no base was given: on the chip those
    writes would land on GP0 and following, or nowhere.
    """
    execctrl, shiftctrl = program[PROG_EXECCTRL], program[PROG_SHIFTCTRL]
    optional = bool(execctrl >> 30 & 1)
    side_count = 0
    if sideset_base is not None:
        side_count = _pins_count(program[PROG_SIDESET_PINS]) + optional
    for what, field, base in (
        ("out", PROG_OUT_PINS, out_base),
        ("set", PROG_SET_PINS, set_base),
        ("sideset", PROG_SIDESET_PINS, sideset_base),
    ):
        if program[field] is not None and base is None:
            raise ChipMisuse(f"the PIO program has {what}_init but no {what}_base was given")
        if program[field] is None and base is not None:
            raise ChipMisuse(f"{what}_base was given but the PIO program has no {what}_init")
    if jmp_pin is None and any(w >> 13 == 0 and w >> 5 & 7 == 6 for w in program[PROG_DATA]):
        raise ChipMisuse("the PIO program jumps on a pin but no jmp_pin was given")
    if shiftctrl >> 16 & 3:
        raise NotModelled("autopush and autopull")
    join = shiftctrl >> 30 & 3

    def choose(given: int | None, lsb: int, bits: int) -> int:
        return given if given is not None else shiftctrl >> lsb & bits

    return Config(
        divider=divider(freq_hz),
        wrap_target=(execctrl >> 7 & 31) + offset,
        wrap_top=(execctrl >> 12 & 31) + offset,
        side_count=side_count,
        side_optional=optional,
        side_base=sideset_base or 0,
        set_base=set_base or 0,
        set_count=_pins_count(program[PROG_SET_PINS]) if set_base is not None else 5,
        out_base=out_base or 0,
        out_count=_pins_count(program[PROG_OUT_PINS]) if out_base is not None else 0,
        in_base=in_base or 0,
        jmp_pin=jmp_pin or 0,
        in_right=bool(choose(in_shiftdir, 18, 1)),
        out_right=bool(choose(out_shiftdir, 19, 1)),
        push_thresh=choose(push_thresh, 20, 31) & 31 or 32,
        pull_thresh=choose(pull_thresh, 25, 31) & 31 or 32,
        tx_depth=(4, 8, 0, 4)[join],
        rx_depth=(4, 0, 8, 4)[join],
    )
