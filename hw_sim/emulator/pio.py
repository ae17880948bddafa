"""PIO that runs while the processor sleeps, to the cycle, and does not step through its counts.

rp2040py advances a PIO block by one instruction per processor instruction, and hardly at all
while the processor waits for an interrupt. Here each block is driven by a clock alarm at its next
due cycle instead, and is brought up to the present before every register access and before every
change of an input. May import the standard library, `rp2040py` and `hw_sim.emulator.clock`.

Fast-forward: a state machine that goes round in a loop whose only effect is that X counts down
(and OSR follows X, as `pull(noblock)` with an empty FIFO makes it) does the same in every pass
until X runs out, a word arrives or its input pin changes. Whole passes are then skipped in one
step, exactly: with `fast_forward=False` every instruction is stepped, and the tests compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rp2040py.peripherals.pio import RPPIO, StateMachine

from hw_sim.emulator.clock import CYCLE_NS, EmulatedClock

_NATIVE = RPPIO.__module__.startswith("rp2040py.native")
_NEVER_FP = 1 << 62
_ENDLESS = 1 << 62
_CONFIG_END = 0x128  # INSTR_MEM and the machines' registers lie below the interrupt registers
_INSTR_MEM0 = 0x048
_CTRL = 0x000
_FDEBUG_TXSTALL = 1 << 24
_IN_PINS = 30

_JMP, _PULL_PUSH, _MOV = 0b000, 0b100, 0b101
_ALWAYS, _NOT_X, _X_DEC, _PIN = 0b000, 0b001, 0b010, 0b110
_MOV_X, _MOV_Y, _MOV_OSR = 0b001, 0b010, 0b111


@dataclass(frozen=True, slots=True)
class Loop:
    """One pass of a loop that only counts X down. Times in PIO cycles of that machine."""

    cycles: int
    step: int  # X falls by this much a pass
    reserve: int  # a pass takes the same way while X > reserve
    osr_offset: int | None  # OSR after a pass = X at its beginning + this; None: OSR is kept
    clears_osr_count: bool
    stalls: bool  # a pull(noblock) found the FIFO empty


def find_loop(
    instructions: list[int], machine: StateMachine, pin: bool, fifo_empty: bool
) -> Loop | None:
    """The loop in which `machine` stands at its present instruction, if it is such a loop.

    Walks one pass with X as an unknown that is large enough: every test of X then has one outcome.
    """
    side_set = (machine.pin_ctrl >> 29) & 7
    if side_set or machine.exec_valid or machine.waiting:
        return None
    wrap_top, wrap_bottom = machine.wrap_top, machine.wrap_bottom
    start = pc = machine.pc
    one = _Pass(pin, fifo_empty)
    for _ in range(32):
        word = instructions[pc]
        taken = one.execute(word)
        if taken is None:
            return None
        if taken:
            pc = word & 0x1F
        else:
            pc = wrap_bottom if pc == wrap_top else (pc + 1) & 0x1F
        if pc == start:
            return one.loop()
    return None


class _Pass:
    """One pass of a loop, followed on paper: X and OSR as offsets from X at its beginning."""

    def __init__(self, pin: bool, fifo_empty: bool) -> None:
        self._pin = pin
        self._fifo_empty = fifo_empty
        self._cycles = 0
        self._delta = 0  # X = X at the beginning + delta
        self._least = 0  # the lowest offset at which X is tested, as a reserve that must remain
        self._tested = False
        self._osr: int | None = None  # offset of OSR from X at the beginning; None: not touched
        self._clears = False
        self._stalls = False

    def execute(self, word: int) -> bool | None:
        """Note what an instruction does. Whether it jumps; None: it is none of such a loop."""
        operation, argument = word >> 13, word & 0xFF
        self._cycles += 1 + ((word >> 8) & 0x1F)
        if operation == _JMP:
            return self._jump(argument >> 5)
        if operation == _PULL_PUSH:
            # pull, not blocking, not "if empty", and nothing in the FIFO: OSR takes X.
            if argument != 0x80 or not self._fifo_empty:
                return None
            self._osr, self._clears, self._stalls = self._delta, True, True
            return False
        return False if operation == _MOV and self._move(argument) else None

    def _jump(self, condition: int) -> bool | None:
        if condition == _ALWAYS:
            return True
        if condition == _PIN:
            return self._pin
        if condition not in (_NOT_X, _X_DEC):
            return None
        self._tested, self._least = True, min(self._least, self._delta)
        if condition == _NOT_X:
            return False
        self._delta -= 1
        return True

    def _move(self, argument: int) -> bool:
        """False: a move that is none of such a loop."""
        source, op, destination = argument & 7, (argument >> 3) & 3, argument >> 5
        if op:
            return False
        if destination == _MOV_X and source == _MOV_OSR and self._osr is not None:
            self._delta = self._osr
        elif destination == _MOV_OSR and source == _MOV_X:
            self._osr, self._clears = self._delta, True
        else:
            return destination == source and destination in (_MOV_X, _MOV_Y)
        return True

    def loop(self) -> Loop | None:
        """The whole pass; None when X does not fall."""
        if self._delta > 0:
            return None
        # X, when a pass begins, must exceed `reserve`: then it is not zero at any test.
        reserve = -self._least if self._tested else -1
        return Loop(self._cycles, -self._delta, reserve, self._osr, self._clears, self._stalls)


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
                        passes = self._passes(loop, machine.x)
                        if passes == _ENDLESS:
                            continue
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

    @staticmethod
    def _passes(loop: Loop, x: int) -> int:
        """How many whole passes are all alike from here."""
        if x <= loop.reserve:
            return 0
        if loop.step == 0:
            return _ENDLESS
        return (x - loop.reserve - 1) // loop.step + 1

    def _skip(self, machine: StateMachine, now_fp: int) -> bool:
        """Skip the whole passes that are over by `now_fp`; False if there is none."""
        loop = self._loop(machine)
        if loop is None:
            return False
        pass_fp = loop.cycles * machine.div_fp
        # The last instruction of a pass is due before the next pass begins, so a pass whose
        # successor is due by now is wholly over.
        n = min(self._passes(loop, machine.x), (now_fp - machine.next_due_fp) // pass_fp)
        if n <= 0:
            return False
        x = machine.x
        if loop.osr_offset is not None:
            machine.output_shift_reg = (x - loop.step * (n - 1) + loop.osr_offset) & 0xFFFFFFFF
        if loop.clears_osr_count:
            machine.output_shift_count = 0
        if loop.stalls:
            self.tx_stall |= _FDEBUG_TXSTALL << machine.index
            self.fdebug |= self.tx_stall
        machine.x = x - loop.step * n
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
