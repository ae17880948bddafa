"""An assembler for `rp2.asm_pio`.

May import: the standard library. Source: ports/rp2/modules/rp2.py of MicroPython 1.23, and the
RP2040 data sheet, section 3.4, for the words. Proved against PyPI's `adafruit_pioasm`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

# Layout of the list that `asm_pio` makes of a function, as in MicroPython 1.23.
PROG_DATA, PROG_OFFSET_PIO0, PROG_OFFSET_PIO1, PROG_EXECCTRL, PROG_SHIFTCTRL = 0, 1, 2, 3, 4
PROG_OUT_PINS, PROG_SET_PINS, PROG_SIDESET_PINS, PROG_FIELDS = 5, 6, 7, 8


class PIOASMError(Exception):
    """A PIO program that cannot be assembled (the name MicroPython gives it)."""


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
        self._side_bits = pins_count(sideset_init)
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


def pins_count(init: int | Sequence[int] | None) -> int:
    """How many pins an `…_init` argument names."""
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
        value |= 0x20  # both block by default
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
    names: dict[str, Any] = {"__builtins__": {}, **(constants or {}), **asm.names()}
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
