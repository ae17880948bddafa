"""Loops of PIO programs: what one pass makes of the registers, and how many passes are alike.

May import the standard library only. Both PIO machines ask here, the one of the fast bench
(`hw_sim.fakes.pio_machine`) and the one of the emulated chip (`hw_sim.emulator.pio`): where a
machine stands, `follow` walks one pass on paper. Each of them then does many passes at once, with
its own registers and its own time. Source: RP2040 data sheet, chapter 3.

A loop that is understood only copies, counts down and tests. Its pass is an affine map of the
registers with every factor 0 or 1, so n passes are the map n times, which is a multiplication, as
long as every test comes out as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

MASK32 = 0xFFFFFFFF

# Kinds of instruction after decoding.
JMP, WAIT, IN, OUT, PUSH, PULL, MOV, IRQ, SET = range(9)
ALL_KINDS = frozenset(range(9))
# Sources of a WAIT.
WAIT_GPIO, WAIT_PIN, WAIT_IRQ = 0, 1, 2

Word = tuple[int, int, int, int, int]  # kind, a, b, delay, side (-1: none)

# A register's value as a function of what the registers held at the head of the loop: one of
# them plus a constant, or a constant alone.
Form = tuple[str, int]  # ("x" | "y" | "isr" | "osr" | "", constant)
# Registers by number, in a form that has been put together for computing.
CONSTANT, X, Y, KEPT = range(4)
_REGISTER = {"": CONSTANT, "x": X, "y": Y, "isr": KEPT, "osr": KEPT}

_LONGEST = 64  # instructions of a pass
_ONWARD, _OTHER = -1, -2  # what follows an instruction: the next one; nothing that is understood
_MOVED = {1: "x", 2: "y", 3: "", 6: "isr", 7: "osr"}  # sources and destinations of MOV, by number


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


def decode(word: int, side_count: int, side_optional: bool) -> Word:
    """An instruction in its parts."""
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
        return (JMP, a, b, delay, side)
    if op == 1:
        return (WAIT, (word >> 7 & 1) << 2 | (word >> 5 & 3), b, delay, side)
    if op == 2:
        return (IN, a, b or 32, delay, side)
    if op == 3:
        return (OUT, a, b or 32, delay, side)
    if op == 4:
        kind = PULL if word & 0x80 else PUSH
        return (kind, word >> 6 & 1, word >> 5 & 1, delay, side)
    if op == 5:
        return (MOV, a, b, delay, side)
    if op == 6:
        return (IRQ, a & 3, b, delay, side)
    return (SET, a, b, delay, side)


def rotate(value: int, by: int) -> int:
    by &= 31
    return (value << by | value >> (32 - by)) & MASK32


def copied(source: int, x: int, y: int) -> int:
    """What a register was copied from, when X and Y are these: a loop's `osr` or `isr`."""
    if source == X:
        return x
    return y if source == Y else 0


@dataclass(slots=True)
class Standing:
    """Where a machine stands: all that a pass from there depends on."""

    config: Config
    pc: int
    x: int
    y: int
    isr: int
    osr: int
    isr_n: int
    osr_n: int
    tx_empty: bool
    levels: Sequence[int]  # of the pads, by GPIO number
    out: int  # the latches of the pins, as a mask
    dirs: int


def follow(
    standing: Standing, fetch: Callable[[int], Word], kinds: Container[int] = ALL_KINDS
) -> Loop | None:
    """The loop that begins where a machine stands. None: it is none that is understood.

    `fetch`: the instruction at an address. `kinds`: the instructions that may be in it. The way
    through a pass is the one that the registers' values give; for X as an unknown that is large
    enough, give a large X.
    """
    one = _Pass(standing)
    config = standing.config
    head = pc = standing.pc
    for _ in range(_LONGEST):
        word = fetch(pc)
        target = one.execute(word) if word[0] in kinds else _OTHER
        if target == _OTHER:
            return None
        if target != _ONWARD:
            pc = target
        else:
            pc = config.wrap_target if pc == config.wrap_top else (pc + 1) & 31
        if pc == head:
            return one.finish() if one.repeats() else None
    return None


class Loop:
    """One way round a loop, as an affine map of the registers, and what it takes for granted."""

    __slots__ = (
        "clears_isr_n", "clears_osr_n", "constant", "cycles", "dirs", "dx", "dy", "empty_tx",
        "isr", "isr_n", "keeps_counts", "osr", "osr_n", "out", "pins", "tests", "tests_osr_n",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cycles = 0
        # What a pass makes of the registers: what it adds to X and Y; the register that OSR and
        # ISR were last copied from, as it stood at the pass's head, and what is added to it.
        self.dx = self.dy = 0
        self.osr: tuple[int, int] = (KEPT, 0)
        self.isr: tuple[int, int] = (KEPT, 0)
        self.clears_osr_n = self.clears_isr_n = False  # it was written: its shift count is 0
        self.keeps_counts = True  # both shift counts are at the end what they were
        # As long as all of this is so, the next pass goes the same way.
        self.osr_n = self.isr_n = 0
        self.tests_osr_n = False  # the way depends on it
        self.empty_tx = False  # a PULL has found nothing
        self.pins: list[tuple[int, int]] = []  # GPIO, level
        self.out: list[tuple[int, int]] = []  # mask and bits of the latches, which a write keeps
        self.dirs: list[tuple[int, int]] = []
        self.constant: list[tuple[bool, int]] = []  # X (True) or Y, and the value it keeps
        # Registers of the two forms of a test, the constant between them, whether they differ,
        # and what a pass adds to the difference.
        self.tests: list[tuple[int, int, int, bool, int]] = []

    def passes(self, x: int, y: int, most: int) -> int:
        """How many passes go this way, up to `most`; -1: not even the first, by X and Y."""
        passes = most
        for first, second, offset, differ, slope in self.tests:
            if first == X:
                offset += x
            elif first == Y:
                offset += y
            if second == X:
                offset -= x
            elif second == Y:
                offset -= y
            gap = offset & MASK32
            if (gap != 0) != differ:
                return -1
            if not slope:
                continue
            if not differ:
                until = 1
            elif slope < 0:
                until = -(gap // slope)
            else:
                until = -((gap - (1 << 32)) // slope)
            if until < passes:
                passes = until
        return passes


class _Pass:
    """One pass of a loop, followed on paper: the registers as forms of what they were."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._loop = loop = Loop()
        loop.osr_n, loop.isr_n = self._osr_n, self._isr_n = standing.osr_n, standing.isr_n
        self._forms: dict[str, Form] = {
            "x": ("x", 0), "y": ("y", 0), "isr": ("isr", 0), "osr": ("osr", 0),
        }  # fmt: skip
        self._start = {
            "x": standing.x, "y": standing.y, "isr": standing.isr, "osr": standing.osr, "": 0,
        }  # fmt: skip
        self._tests: list[tuple[Form, Form, bool]] = []  # form, minus form, they differ

    def _value(self, form: Form) -> int:
        """What a form comes to in this pass."""
        return (self._start[form[0]] + form[1]) & MASK32

    def execute(self, word: Word) -> int:
        """Note what an instruction does; where it jumps to, `_ONWARD`, or `_OTHER`."""
        kind, a, b, delay, side = word
        loop, config = self._loop, self._standing.config
        loop.cycles += 1 + delay
        if side >= 0:
            bits = config.side_count - config.side_optional
            if not self._holds(config.side_to_dirs, config.side_base, bits, side):
                return _OTHER
        if kind == JMP:
            return b if self._jumps(a) else _ONWARD
        if kind == SET:
            if a in (1, 2):
                self._forms[_MOVED[a]] = ("", b)
                return _ONWARD
            held = self._holds(a == 4, config.set_base, config.set_count, b)
            return _ONWARD if held else _OTHER
        if kind == MOV:
            return self._move(a, b)
        if kind == PULL and not a and not b and self._standing.tx_empty:
            loop.empty_tx = loop.clears_osr_n = True
            self._forms["osr"] = self._forms["x"]
            self._osr_n = 0
            return _ONWARD
        if kind == WAIT and a & 3 != WAIT_IRQ:
            gp = b if a & 3 == WAIT_GPIO else (config.in_base + b) & 31
            loop.pins.append((gp, a >> 2))
            return _ONWARD if self._standing.levels[gp] == a >> 2 else _OTHER
        return _OTHER

    def _holds(self, dirs: bool, base: int, count: int, value: int) -> bool:
        """Does a write of pins in the loop change nothing?"""
        mask = rotate((1 << count) - 1, base)
        bits = rotate(value & ((1 << count) - 1), base)
        standing = self._standing
        (self._loop.dirs if dirs else self._loop.out).append((mask, bits))
        return (standing.dirs if dirs else standing.out) & mask == bits

    def _jumps(self, condition: int) -> bool:
        loop, config = self._loop, self._standing.config
        if condition == 0:
            return True
        if condition == 6:
            level = self._standing.levels[config.jmp_pin]
            loop.pins.append((config.jmp_pin, level))
            return level != 0
        if condition == 7:
            loop.tests_osr_n = True
            return self._osr_n < config.pull_thresh
        if condition == 5:
            x, y = self._forms["x"], self._forms["y"]
            differ = self._value(x) != self._value(y)
            self._tests.append((x, y, differ))
            return differ
        name = "x" if condition < 3 else "y"
        form = self._forms[name]
        nonzero = self._value(form) != 0
        self._tests.append((form, ("", 0), nonzero))
        if condition in (2, 4):
            self._forms[name] = (form[0], (form[1] - 1) & MASK32)
            return nonzero
        return not nonzero

    def _move(self, to: int, source: int) -> int:
        if source not in _MOVED or to not in _MOVED or to == 3:
            return _OTHER
        self._forms[_MOVED[to]] = self._forms[_MOVED[source]] if source != 3 else ("", 0)
        if to == 6:
            self._isr_n = 0
            self._loop.clears_isr_n = True
        elif to == 7:
            self._osr_n = 0
            self._loop.clears_osr_n = True
        return _ONWARD

    def repeats(self) -> bool:
        """Whether the next pass is this one again, with X and Y further on."""
        forms = self._forms
        for name in ("x", "y"):
            source, _offset = forms[name]
            kept = source == "" and self._value(forms[name]) == self._start[name]
            if source != name and not kept:
                return False
        for name in ("isr", "osr"):
            source, offset = forms[name]
            if source == name and offset:
                return False
            if source in ("isr", "osr") and source != name:
                return False
        return not any(
            form[0] in ("isr", "osr") or other[0] in ("isr", "osr")
            for form, other, _ in self._tests
        )

    def finish(self) -> Loop:
        """The loop, in the form in which many passes are computed."""
        loop, forms = self._loop, self._forms
        steps: dict[str, int] = {"": 0}
        for name in ("x", "y"):
            source, offset = forms[name]
            step = offset if source else 0
            steps[name] = step - (1 << 32) if step >> 31 else step
            if not source:
                loop.constant.append((name == "x", offset))
        loop.dx, loop.dy = steps["x"], steps["y"]
        loop.tests = [
            (_REGISTER[a[0]], _REGISTER[b[0]], a[1] - b[1], differ, steps[a[0]] - steps[b[0]])
            for a, b, differ in self._tests
        ]
        loop.osr = (_REGISTER[forms["osr"][0]], forms["osr"][1])
        loop.isr = (_REGISTER[forms["isr"][0]], forms["isr"][1])
        loop.keeps_counts = (self._osr_n, self._isr_n) == (loop.osr_n, loop.isr_n)
        return loop
