"""PIO that runs while the processor sleeps, to the cycle, and does not step through its counts.

rp2040py advances a PIO block by one instruction per processor instruction, and hardly at all
while the processor waits for an interrupt. Here each block is driven by a clock alarm at its next
due cycle instead, and is brought up to the present before every register access and before every
change of an input. May import the standard library, `rp2040py`, `hw_sim.emulator.clock` and
`hw_sim.pio_loops`.

Fast-forward: a state machine that goes round in a loop whose only effect is that X and Y count
down (and OSR follows them, as `pull(noblock)` with an empty FIFO makes it) does the same in every
pass until one runs out, a word arrives or its input pin changes. Whole passes are then skipped in
one step, exactly: with `fast_forward=False` every instruction is stepped, and the tests compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rp2040py.peripherals.pio import RPPIO, StateMachine

from hw_sim.emulator.clock import CYCLE_NS, EmulatedClock
from hw_sim.pio_loops import (
    JMP,
    KEPT,
    MASK32,
    MOV,
    PULL,
    Config,
    Loop,
    Standing,
    copied,
    decode,
    follow,
)

_NATIVE = RPPIO.__module__.startswith("rp2040py.native")
_NEVER_FP = 1 << 62
_ENDLESS = 1 << 62
_CONFIG_END = 0x128  # INSTR_MEM and the machines' registers lie below the interrupt registers
_INSTR_MEM0 = 0x048
_CTRL = 0x000
_FDEBUG_TXSTALL = 1 << 24
_IN_PINS = 30

# A machine may be skipped through loops of these; their pass depends on one pin, the FIFO's being
# empty, X and Y.
_SKIPPED = frozenset((JMP, PULL, MOV))
# X and Y as unknowns that are large enough: every test of them then has one outcome.
_LARGE_X, _LARGE_Y = 1 << 31, 1 << 30


def find_loop(
    instructions: Sequence[int], machine: StateMachine, pin: bool, fifo_empty: bool
) -> Loop | None:
    """The loop in which `machine` stands at its present instruction, if it is such a loop.

    It holds wherever the machine comes to this instruction again with the same pin and FIFO, so it
    must not depend on anything else that `Loop.passes` does not ask for.
    """
    side_set = (machine.pin_ctrl >> 29) & 7
    if side_set or machine.exec_valid or machine.waiting:
        return None
    jmp_pin: int = machine.jmp_pin
    levels = [0] * 32
    levels[jmp_pin] = int(pin)
    config = Config(wrap_target=machine.wrap_bottom, wrap_top=machine.wrap_top, jmp_pin=jmp_pin)
    standing = Standing(
        config, machine.pc, _LARGE_X, _LARGE_Y, 0, 0, 0, 0, fifo_empty, levels, 0, 0
    )
    loop = follow(standing, lambda pc: decode(instructions[pc], 0, False), _SKIPPED)
    if loop is None or loop.constant or loop.tests_osr_n or loop.clears_isr_n:
        return None
    return loop


class ClockedPio(RPPIO):
    """A PIO block driven by the clock. Replaces rp2040py's own in the chip that it is made for."""

    def __new__(
        cls, rp2040: Any, name: str, first_irq: int, index: int, clock: EmulatedClock
    ) -> ClockedPio:
        new: Any = RPPIO.__new__
        # A compiled class takes its arguments here, a Python one in __init__.
        return new(cls, rp2040, name, first_irq, index) if _NATIVE else new(cls)

    def __init__(
        self, rp2040: Any, name: str, first_irq: int, index: int, clock: EmulatedClock
    ) -> None:
        if not _NATIVE:
            super().__init__(rp2040, name, first_irq, index)
        self._clock = clock
        self._alarm = clock.core.create_alarm(self._due)
        self._armed_cycle: int | None = None
        self._loops: dict[tuple[int, int, bool, bool], Loop | None] = {}
        self._catching_up = False
        self.fast_forward = True
        self.steps = 0  # instructions really stepped, for tests and profiles

    # -- registers ----------------------------------------------------------------------------

    def read_uint32(self, offset: int) -> int:
        """A register as it is now."""
        self.catch_up()
        value = super().read_uint32(offset)
        self.rearm()
        return value

    def write_uint32(self, offset: int, value: int) -> None:
        """Write a register now; an instruction executed by it shows on the pins at once."""
        self.catch_up()
        super().write_uint32(offset, value)
        if offset == _CTRL or _INSTR_MEM0 <= offset < _CONFIG_END:
            self._loops.clear()
        self.check_changed_pins()
        self.rearm()

    def reset(self) -> None:
        """Power-on state; nothing is due any more."""
        super().reset()
        self._loops.clear()
        self._disarm()

    # -- time ---------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Execute everything that is due up to and at the present cycle."""
        now_fp = self._clock.now_cycle << 8
        machines: list[StateMachine] = self.machines
        self._catching_up = True
        while True:
            machine = None
            due_fp = now_fp + 1
            for candidate in machines:
                if candidate.enabled and not candidate.waiting and candidate.next_due_fp < due_fp:
                    machine = candidate
                    due_fp = candidate.next_due_fp
            if machine is None:
                break
            if self.fast_forward and self._skip(machine, now_fp):
                continue
            # A fractional divider's step happens in the first whole cycle at or after its time.
            self.cycle_fp = -(-due_fp >> 8) << 8
            machine.step()
            self.steps += 1
            self.check_changed_pins()
        self.cycle_fp = now_fp
        self._catching_up = False

    def rearm(self) -> None:
        """Set the alarm for the next cycle in which something may happen."""
        next_fp = _NEVER_FP
        for machine in self.machines:
            if machine.enabled and not machine.waiting:
                due_fp = machine.next_due_fp
                if self.fast_forward:
                    loop = self._loop(machine)
                    if loop is not None:
                        passes = loop.passes(machine.x, machine.y, _ENDLESS)
                        if passes == _ENDLESS:
                            continue
                        if passes > 0:
                            due_fp += passes * loop.cycles * machine.div_fp
                if due_fp < next_fp:
                    next_fp = due_fp
        if next_fp == _NEVER_FP:
            self._disarm()
            return
        cycle = -(-next_fp >> 8)
        if cycle != self._armed_cycle:
            self._armed_cycle = cycle
            self._alarm.schedule(max(0.0, cycle * CYCLE_NS - self._clock.core.nanos))

    def _disarm(self) -> None:
        self._armed_cycle = None
        self._alarm.cancel()

    def _due(self) -> None:
        self._armed_cycle = None
        self.catch_up()
        self.rearm()

    def notify_due(self, due_fp: int) -> None:
        """A machine woke up outside a register access (a wait for a pin)."""
        super().notify_due(due_fp)
        if not self._catching_up:
            self.rearm()

    # -- fast-forward -------------------------------------------------------------------------

    def _loop(self, machine: StateMachine) -> Loop | None:
        jmp_pin: int = machine.jmp_pin
        pin = False
        if jmp_pin < _IN_PINS:
            gpio = self.rp2040.gpio[jmp_pin]
            if gpio.output_enable:
                return None  # the chip itself may change it: step
            pin = bool(gpio.input_value)
        key = (machine.index, machine.pc, pin, bool(machine.tx_fifo.empty))
        try:
            return self._loops[key]
        except KeyError:
            loop = find_loop(self.instructions, machine, pin, key[3])
            self._loops[key] = loop
            return loop

    def _skip(self, machine: StateMachine, now_fp: int) -> bool:
        """Skip the whole passes that are over by `now_fp`; False if there is none."""
        loop = self._loop(machine)
        if loop is None:
            return False
        pass_fp = loop.cycles * machine.div_fp
        # The last instruction of a pass is due before the next pass begins, so a pass whose
        # successor is due by now is wholly over.
        over = (now_fp - machine.next_due_fp) // pass_fp
        if over <= 0:
            return False
        x, y = machine.x, machine.y
        n = loop.passes(x, y, over)
        if n <= 0:
            return False
        # What OSR was last copied from is X or Y as it stood at the last pass's head.
        x += (n - 1) * loop.dx
        y += (n - 1) * loop.dy
        source, offset = loop.osr
        if source != KEPT:
            machine.output_shift_reg = (copied(source, x, y) + offset) & MASK32
        if loop.clears_osr_n:
            machine.output_shift_count = 0
        if loop.empty_tx:
            self.tx_stall |= _FDEBUG_TXSTALL << machine.index
            self.fdebug |= self.tx_stall
        machine.x = (x + loop.dx) & MASK32
        machine.y = (y + loop.dy) & MASK32
        machine.cycles += n * loop.cycles
        machine.next_due_fp += n * pass_fp
        return True


def around_each_write(
    peripheral: Any, before: Callable[[], None], after: Callable[[], None]
) -> None:
    """Call `before()` and `after()` around every register write of `peripheral`.

    For the pad and pin control registers: a pull or an override that changes what a state machine
    reads must find it at the present, and changes when it is due.
    """
    write = peripheral.write_uint32_atomic

    def surrounded(offset: int, value: int, atomic_type: int) -> None:
        before()
        write(offset, value, atomic_type)
        after()

    peripheral.write_uint32_atomic = surrounded
