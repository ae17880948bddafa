"""The fake `rp2` module of one boot: `asm_pio`, `PIO`, `StateMachine`.

May import: its own package. Source: ports/rp2/modules/rp2.py and rp2_pio.c of MicroPython 1.23.
Two PIO blocks, state machines 0 to 7. The work is done in pioasm, pio and pio_machine.

Not modelled: DMA, Flash, bootsel_button, interrupts with hard=True (they run when the firmware
waits, like soft ones).
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from hw_sim.fakes import chip as core, pio, pioasm
from hw_sim.fakes.builtin_module import Imports, module
from hw_sim.fakes.chip import Boot
from hw_sim.fakes.errors import ChipMisuse, NotModelled
from hw_sim.fakes.pioasm import PIOASMError


def build(boot: Boot, loader: Imports, pin_of: Any) -> ModuleType:
    """`rp2`, bound to one boot."""
    machines: dict[int, StateMachine] = {}
    blocks = [PIO(boot, index) for index in (0, 1)]
    handlers: dict[tuple[int, int], Any] = {}

    def state_machine(number: Any) -> StateMachine:
        if not isinstance(number, int) or not 0 <= number < 8:
            raise ValueError("invalid StateMachine")
        made = machines.get(number)
        if made is None:
            made = machines[number] = StateMachine(boot, number, pin_of, handlers)
        return made

    def make_machine(id: int, *args: Any, **kwargs: Any) -> StateMachine:
        made = state_machine(id)
        if args or kwargs:
            made.init(*args, **kwargs)
        return made

    def make_pio(id: int) -> PIO:
        if not isinstance(id, int) or not 0 <= id < 2:
            raise ValueError("invalid PIO")
        return blocks[id]

    def asm_pio(**options: Any) -> Any:
        def decorate(function: FunctionType) -> list[Any]:
            names = loader.constants.get(function.__globals__.get("__name__", ""), frozenset())
            constants = {n: function.__globals__[n] for n in names if n in function.__globals__}
            return pioasm.asm_pio(function, constants, **options)

        return decorate

    def flag_raised(block: int) -> Any:
        def raised(flag: int) -> None:
            handler = handlers.get((block, flag)) if flag < 4 else None
            if handler is not None:
                boot.pio[block].irq_flags &= ~(1 << flag)  # acknowledged by the port's handler
                boot.schedule(handler, state_machine(block * 4 + flag))

        return raised

    boot.pio_flag = [flag_raised(0), flag_raised(1)]
    pio_class = _Constructor(make_pio)
    for name, value in _PIO_CONSTANTS.items():
        setattr(pio_class, name, value)
        setattr(PIO, name, value)
    return module(
        "rp2",
        asm_pio=asm_pio,
        asm_pio_encode=pioasm.asm_pio_encode,
        PIO=pio_class,
        StateMachine=_Constructor(make_machine),
        PIOASMError=PIOASMError,
        PIOASMEmit=pioasm.Assembler,
    )


_PIO_CONSTANTS = {
    "IN_LOW": 0, "IN_HIGH": 1, "OUT_LOW": 2, "OUT_HIGH": 3,
    "SHIFT_LEFT": 0, "SHIFT_RIGHT": 1,
    "JOIN_NONE": 0, "JOIN_TX": 1, "JOIN_RX": 2,
    "IRQ_SM0": 0x100, "IRQ_SM1": 0x200, "IRQ_SM2": 0x400, "IRQ_SM3": 0x800,
}  # fmt: skip


class _Constructor:
    """A callable that carries class constants."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._make(*args, **kwargs)


class PIO:
    """One PIO block."""

    def __init__(self, boot: Boot, index: int) -> None:
        self._boot = boot
        self._index = index

    def __repr__(self) -> str:
        return f"PIO({self._index})"

    def add_program(self, prog: list[Any]) -> None:
        offset = self._boot.pio[self._index].add_program(prog[pioasm.PROG_DATA])
        prog[pioasm.PROG_OFFSET_PIO0 + self._index] = offset

    def remove_program(self, prog: list[Any] | None = None) -> None:
        block = self._boot.pio[self._index]
        if prog is None:
            block.remove_program(0, 32)
            return
        offset = prog[pioasm.PROG_OFFSET_PIO0 + self._index]
        if offset < 0:
            raise ValueError("prog not in instruction memory")
        prog[pioasm.PROG_OFFSET_PIO0 + self._index] = -1
        block.remove_program(offset, len(prog[pioasm.PROG_DATA]))

    def state_machine(self, id: int, *args: Any, **kwargs: Any) -> Any:
        raise NotModelled("PIO.state_machine")

    def irq(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotModelled("PIO.irq")


class StateMachine:
    """One of the eight state machines."""

    __slots__ = ("_block", "_boot", "_handlers", "_index", "_initial_pc", "_number", "_pin_of",
                 "_program", "_runner")  # fmt: skip

    def __init__(self, boot: Boot, number: int, pin_of: Any, handlers: dict[Any, Any]) -> None:
        self._boot = boot
        self._number = number
        self._pin_of = pin_of
        self._handlers = handlers
        self._index = number >> 2
        self._block = boot.pio[self._index]
        self._runner = self._block.runners[number & 3]
        self._initial_pc = 0
        self._program: list[Any] | None = None

    def __repr__(self) -> str:
        return f"StateMachine({self._number})"

    def init(
        self,
        prog: list[Any],
        freq: int = -1,
        *,
        in_base: Any = None,
        out_base: Any = None,
        set_base: Any = None,
        jmp_pin: Any = None,
        sideset_base: Any = None,
        in_shiftdir: int | None = None,
        out_shiftdir: int | None = None,
        push_thresh: int | None = None,
        pull_thresh: int | None = None,
    ) -> None:
        boot, block = self._boot, self._block

        def gp(what: Any) -> int | None:
            return None if what is None else self._pin_of(what)._gp

        field = pioasm.PROG_OFFSET_PIO0 + self._index
        if prog[field] < 0:
            prog[field] = block.add_program(prog[pioasm.PROG_DATA])
        offset = prog[field]
        config = pio.config_of(
            prog, offset, freq,
            in_base=gp(in_base), out_base=gp(out_base), set_base=gp(set_base),
            jmp_pin=gp(jmp_pin), sideset_base=gp(sideset_base),
            in_shiftdir=in_shiftdir, out_shiftdir=out_shiftdir,
            push_thresh=push_thresh, pull_thresh=pull_thresh,
        )  # fmt: skip
        self._initial_pc = offset
        self._program = prog
        self._runner.init(config, offset)
        for pins, base in (
            (prog[pioasm.PROG_OUT_PINS], gp(out_base)),
            (prog[pioasm.PROG_SET_PINS], gp(set_base)),
            (prog[pioasm.PROG_SIDESET_PINS], gp(sideset_base)),
        ):
            if pins is None or base is None:
                continue
            for i, value in enumerate((pins,) if isinstance(pins, int) else pins):
                bit = 1 << (base + i)
                block.out = block.out | bit if value & 1 else block.out & ~bit
                block.dirs = block.dirs | bit if value & 2 else block.dirs & ~bit
                boot.select(base + i, core.PIO0 + self._index)

    def _ready(self) -> None:
        if self._program is None:
            raise ChipMisuse(f"{self!r} has no program")
        _ = self._boot.levels  # ends a firmware whose run is over

    def active(self, value: Any = None) -> bool:
        if value is not None:
            self._ready()
            self._runner.enable(bool(value))
        return self._runner.enabled

    def restart(self) -> None:
        self._ready()
        self._runner.restart(self._initial_pc)

    def exec(self, instr: Any) -> None:
        self._ready()
        config = self._runner.machine.config
        if not isinstance(instr, int):
            instr = pioasm.asm_pio_encode(instr, config.side_count, config.side_optional)
        if not 0 <= instr <= 0xFFFF:
            raise ChipMisuse(f"{self!r}.exec of {instr:#x}, which is no 16-bit word")
        self._runner.execute(instr)

    def put(self, value: Any, shift: int = 0) -> None:
        self._ready()
        runner = self._runner
        for word in (value,) if isinstance(value, int) else list(value):
            if not -0x80000000 <= word <= 0xFFFFFFFF:
                raise ChipMisuse(f"{self!r}.put({word}): it takes 32 bits")
            while not runner.put(word << shift & 0xFFFFFFFF):
                self._wait()

    def get(self, buf: Any = None, shift: int = 0) -> Any:
        self._ready()
        if buf is not None:
            raise NotModelled("StateMachine.get(buf)")
        while (word := self._runner.get()) is None:
            self._wait()
        return word >> shift

    def _wait(self) -> None:
        """The port spins here for as long as it takes."""
        self._boot.wait_until(self._boot.clock.now_ns + 10_000)

    def rx_fifo(self) -> int:
        _ = self._boot.levels
        return self._runner.rx_level()

    def tx_fifo(self) -> int:
        _ = self._boot.levels
        return self._runner.tx_level()

    def irq(self, handler: Any = None, trigger: int = 1, hard: bool = False) -> None:
        key = (self._index, self._number & 3)
        if handler is None:
            self._handlers.pop(key, None)
        else:
            self._handlers[key] = handler
