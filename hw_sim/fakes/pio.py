"""The RP2040's two PIO blocks, in nanoseconds.

May import: hw_sim.world.clock (types), hw_sim.pio_loops and its own package. Source: RP2040 data
sheet, chapter 3; the SDK's pio.c for where programs are placed; rp2_pio.c of MicroPython 1.23 for
the configuration.

A `Block` has four `Runner`s, each a state machine of `pio_machine` with its divided clock. A
runner looks ahead for the next tick that shows outside and has the clock call it then. Not
modelled: two state machines that write one pin in the same cycle (the higher number wins on the
chip); a program that is removed while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hw_sim.fakes.errors import ChipMisuse, NotModelled
from hw_sim.fakes.pio_machine import NEVER, Machine, Registers
from hw_sim.fakes.pioasm import (
    PROG_DATA,
    PROG_EXECCTRL,
    PROG_OUT_PINS,
    PROG_SET_PINS,
    PROG_SHIFTCTRL,
    PROG_SIDESET_PINS,
    pins_count,
)
from hw_sim.image.flash import os_error
from hw_sim.pio_loops import MASK32, Config, Word, decode
from hw_sim.world.clock import ClockLike, TimerLike

SYS_CLOCK_HZ = 125_000_000
NS_PER_SYS_CYCLE = 8


_SEEN_MOST = 1_000  # outlooks kept
_AFTER_MOST = 32  # and of each, its results of that many different waits


@dataclass(slots=True)
class _After:
    """What some cycles make of a machine whose FIFO of received words they leave alone."""

    taken: int  # words of the transmit FIFO
    registers: Registers


@dataclass(slots=True)
class _Outlook:
    """What a state of a machine leads to as long as no input changes. In cycles from it."""

    shown: int  # the tick that shows outside
    quiet: int  # up to there neither that nor a FIFO is touched
    after: dict[int, _After]


class Block:
    """One PIO block: 32 words of program, four state machines, eight flags.

    `levels` is the list of the pads' levels by GPIO number, owned by the chip; a caller that
    changes it for a pin in `watched` calls `input_changes()` before and `replan()` after.
    `show(mask)` is called when the latch of a pin in `mask` has changed; `flag(n)` when an
    interrupt flag has been raised.
    """

    def __init__(
        self,
        clock: ClockLike,
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
        self._decoded: dict[tuple[int, bool], list[Word]] = {}
        self.watched = 0  # the pins whose level any machine looks at, as a mask
        self.inputs: tuple[int, ...] = ()  # their levels
        self.foreseeable = True  # what a machine does follows from its state and from `inputs`

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
                    runner.machine.words = None
                return offset
        raise os_error(12)

    def remove_program(self, offset: int, length: int) -> None:
        self.used &= ~(((1 << length) - 1) << offset)

    def decoded(self, side_count: int, side_optional: bool) -> list[Word]:
        key = (side_count, side_optional)
        words = self._decoded.get(key)
        if words is None:
            words = [decode(word, side_count, side_optional) for word in self.memory]
            self._decoded[key] = words
        return words

    def irq_number(self, machine: Machine, index: int) -> int:
        if index & 0x10:
            for number, runner in enumerate(self.runners):
                if runner.machine is machine or runner.forecast is machine:
                    return (index & 4) | (index + number) & 3
        return index & 7

    def watch(self) -> None:
        """Work out which pins matter: a machine has been configured, or given an instruction."""
        mask = 0
        self.foreseeable = not any(word >> 13 == 6 for word in self.memory)  # flags
        for word in self.memory:
            op = word >> 13
            if op == 0 and word >> 5 & 7 == 6:
                for runner in self.runners:
                    mask |= 1 << runner.machine.config.jmp_pin
            elif op == 1 or (op == 2 and not word >> 5 & 7) or (op == 5 and not word & 7):
                mask = MASK32
                self.foreseeable = False
        if any(runner.machine.latched is not None for runner in self.runners):
            mask = MASK32
            self.foreseeable = False
        self.watched = mask
        self._look()
        for runner in self.runners:
            runner.forget()

    def _look(self) -> None:
        levels, mask = self.levels, self.watched
        self.inputs = tuple([level for gp, level in enumerate(levels) if mask >> gp & 1])

    # -- time

    def input_changes(self) -> None:
        """Bring every machine up to now, before a level changes."""
        for runner in self.runners:
            if runner.enabled:
                runner.sync()

    def replan(self) -> None:
        """A level or a flag has changed: look again for what comes next."""
        self._look()
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
        self.inputs = ()
        self._decoded.clear()


class Runner:
    """A state machine in the chip's time.

    Its ticks are at `origin_ns` + n × divider. `plan` looks ahead for the next tick that shows
    outside and schedules a call then; a caller that changes an input calls `sync` first.
    """

    __slots__ = (
        "_outlook", "_outlook_cycle", "block", "enabled", "forecast", "index", "machine",
        "_synced_ns", "origin_ns", "quiet_ns", "seen", "timer",
    )  # fmt: skip

    def __init__(self, block: Block, index: int) -> None:
        self.block = block
        self.index = index
        self.machine = Machine(block, Config())
        self.forecast: Machine | None = None
        self.enabled = False
        self.origin_ns = 0
        self.quiet_ns = 0  # up to then nothing happens to the FIFOs, as planned
        self.timer: TimerLike | None = None
        # What was found before, by the state it began with. A loop that is topped up every 10 ms
        # meets the same few states again and again: of 2000 top-ups all but 30 are known.
        self.seen: dict[tuple[Any, ...], _Outlook] = {}
        self._outlook: _Outlook | None = None  # of the state in which the machine was planned
        self._outlook_cycle = 0
        self._synced_ns = -1  # every tick before that has been executed

    def tick_ns(self, n: int) -> int:
        """When tick `n` is. The fractional divider drops no time: the n-th tick is at ⌊n·div⌋."""
        return self.origin_ns + NS_PER_SYS_CYCLE * (n * self.machine.config.divider >> 8)

    def first_tick(self, t_ns: int) -> int:
        """The number of the first tick at or after `t_ns`."""
        sys_cycles = -(-(t_ns - self.origin_ns) // NS_PER_SYS_CYCLE)
        tick = -(-(sys_cycles << 8) // self.machine.config.divider)
        return tick if tick > 0 else 0

    # -- control

    def init(self, config: Config, pc: int) -> None:
        """As pio_sm_init: disabled, FIFOs empty, restarted, divider restarted, at `pc`."""
        self.cancel()
        machine = self.machine
        machine.config = config
        machine.loops.clear()
        machine.misses.clear()
        machine.words = None
        self.enabled = False
        self._synced_ns = -1
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
        self.forget()
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
        machine.tx.append(value & MASK32)
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
        now_ns = self.block.clock.now_ns
        if self.enabled and now_ns != self._synced_ns:
            limit = self.first_tick(now_ns)
            cycles = limit - self.machine.cycle
            if cycles > 0:
                self._pass(limit, cycles)
            self._synced_ns = now_ns

    def _pass(self, limit: int, cycles: int) -> None:
        """Execute this number of ticks, up to `limit`, or apply their known result."""
        machine, outlook = self.machine, self._outlook
        if outlook is None or machine.cycle != self._outlook_cycle:
            self._run(limit)
            return
        after = outlook.after.get(cycles)
        if after is None:
            words, received = len(machine.tx), len(machine.rx)
            quiet = not self._run(limit) and len(machine.rx) == received
            if quiet and len(outlook.after) < _AFTER_MOST:
                taken = words - len(machine.tx)
                outlook.after[cycles] = _After(taken, machine.registers())
            return
        for _ in range(after.taken):
            machine.tx.popleft()
        machine.resume(limit, after.registers)

    def _run(self, limit: int) -> bool:
        """Execute every tick below `limit`. True: some of it has shown."""
        machine = self.machine
        shown = False
        while machine.cycle < limit:
            if machine.run(limit):
                self.block.apply(machine)
                shown = True
        return shown

    def plan(self) -> None:
        """Find the next tick that shows, and have the clock call for it."""
        self.cancel()
        machine, block = self.machine, self.block
        if not self.enabled:
            if machine.latched is not None:
                machine.settle()
                block.apply(machine)
            return
        outlook, key = None, None
        if block.foreseeable and not block.irq_flags:
            key = (machine.registers(), block.out, block.dirs, block.inputs, len(machine.rx),
                   *machine.tx)  # fmt: skip
            outlook = self.seen.get(key)
        if outlook is None:
            outlook = self._forecast()
            if outlook is None:
                return
            if key is not None:
                if len(self.seen) >= _SEEN_MOST:
                    self.seen.clear()
                self.seen[key] = outlook
        start = machine.cycle
        if key is not None:
            self._outlook, self._outlook_cycle = outlook, start
        self._call_at_tick(start + outlook.shown)
        self.quiet_ns = self.tick_ns(start + outlook.quiet)

    def _forecast(self) -> _Outlook | None:
        """Let a copy of the machine run. None: nothing shows, as far as it was followed."""
        block, start = self.block, self.machine.cycle
        self.forecast = ahead = self.machine.copy()
        flags = block.irq_flags
        shows = ahead.run(NEVER)
        block.irq_flags = flags  # the forecast must leave no trace
        self.forecast = None
        seen = ahead.cycle
        if shows:
            return _Outlook(seen - 1 - start, min(seen - 1, ahead.fifo_cycle) - start, {})
        if seen < NEVER:
            self._call_at_tick(seen)  # the forecast's budget ran out: look again there
        self.quiet_ns = self.tick_ns(min(seen - 1, ahead.fifo_cycle))
        return None

    def _call_at_tick(self, n: int) -> None:
        clock = self.block.clock
        t_ns, now_ns = self.tick_ns(n), clock.now_ns
        self.timer = clock.call_at(t_ns if t_ns > now_ns else now_ns, self._due)

    def _due(self) -> None:
        self.timer = None
        self._run(self.first_tick(self.block.clock.now_ns) + 1)
        self.plan()

    def forget(self) -> None:
        """What was foreseen may no longer be what happens."""
        self.seen.clear()
        self._outlook = None

    def cancel(self) -> None:
        self.quiet_ns = 0
        self._outlook = None
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


def _check_bases(
    program: list[Any], out_base: int | None, set_base: int | None, sideset_base: int | None
) -> None:
    for what, field, base in (
        ("out", PROG_OUT_PINS, out_base),
        ("set", PROG_SET_PINS, set_base),
        ("sideset", PROG_SIDESET_PINS, sideset_base),
    ):
        if program[field] is not None and base is None:
            raise ChipMisuse(f"the PIO program has {what}_init but no {what}_base was given")
        if program[field] is None and base is not None:
            raise ChipMisuse(f"{what}_base was given but the PIO program has no {what}_init")


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
    execctrl: int = program[PROG_EXECCTRL]
    shiftctrl: int = program[PROG_SHIFTCTRL]
    optional = bool(execctrl >> 30 & 1)
    side_count = 0
    if sideset_base is not None:
        side_count = pins_count(program[PROG_SIDESET_PINS]) + optional
    _check_bases(program, out_base, set_base, sideset_base)
    if jmp_pin is None and any(w >> 13 == 0 and w >> 5 & 7 == 6 for w in program[PROG_DATA]):
        raise ChipMisuse("the PIO program jumps on a pin but no jmp_pin was given")
    if shiftctrl >> 16 & 3:
        raise NotModelled("autopush and autopull")
    join: int = shiftctrl >> 30 & 3

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
        set_count=pins_count(program[PROG_SET_PINS]) if set_base is not None else 5,
        out_base=out_base or 0,
        out_count=pins_count(program[PROG_OUT_PINS]) if out_base is not None else 0,
        in_base=in_base or 0,
        jmp_pin=jmp_pin or 0,
        in_right=bool(choose(in_shiftdir, 18, 1)),
        out_right=bool(choose(out_shiftdir, 19, 1)),
        push_thresh=choose(push_thresh, 20, 31) & 31 or 32,
        pull_thresh=choose(pull_thresh, 25, 31) & 31 or 32,
        tx_depth=(4, 8, 0, 4)[join],
        rx_depth=(4, 0, 8, 4)[join],
    )
