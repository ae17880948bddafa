"""The fake RP2040: power, resets, pins, time, and the greenlet in which the firmware runs.

May import: greenlet, hw_sim.world.clock, hw_sim.world.wiring (types), hw_sim.image.flash and its
own package.

A `Chip` lasts as long as the board. A `Boot` is one run of it, from a reset to the next: its
memory, its modules, the firmware's stack. The firmware runs until it waits; waiting moves the
clock. Computing takes no virtual time, waiting and the buses do.

Not modelled: the second core, DMA, interrupts within a statement (handlers run when the
firmware waits), the time that code takes, brown-out. Pads: drive strength, slew, Schmitt trigger.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from greenlet import getcurrent, greenlet

from hw_sim.fakes.builtin_module import Imports
from hw_sim.fakes.errors import (
    BenchError,
    ChipMisuse,
    FirmwareCrashed,
    KilledByReset,
    NotModelled,
    Spinning,
)
from hw_sim.fakes.pio import Block
from hw_sim.fakes.usb import UsbCdc
from hw_sim.image.flash import Filesystem, SimFlash
from hw_sim.world.clock import Clock
from hw_sim.world.wiring import Wiring, WiringError

PINS = 30
POWER_ON_RESET, WATCHDOG_RESET = 1, 3
REASON_TIMER, REASON_FORCE = 1, 2
# From power to the first line of main.py: boot ROM, clocks, heap, mounting of the file system.
BOOT_NS = 10_000_000
TICKS_WRAP_MS = 1 << 30  # where `ticks_ms` begins again: after 12.4 days
SPIN_LIMIT = 20_000  # readings of the time without any wait in between

NULL, SIO, PIO0, PIO1, PWM, I2C, SPI, ADC = range(8)
PULL_NONE, PULL_UP, PULL_DOWN = 0, 1, 2
PICO = "Raspberry Pi Pico with RP2040"
"""What `os.uname().machine` says on a Pico."""
WATCHDOGS = {"RP2040": 0x40058000, "RP2350": 0x400D8000}
"""Address of the watchdog's registers (RP2040 data sheet 4.7.6, RP2350 12.9.7)."""
BANNER = (
    b"MicroPython v1.23.0 on 2024-06-02; Raspberry Pi Pico with RP2040\r\n"
    b'Type "help()" for more information.\r\n>>> '
)

_LIMIT, _RESET, _ENDED, _RAISED = range(4)


class Chip:
    """The processor on its board.

    `run_to` lets virtual time pass up to a moment and returns. It raises what the firmware did
    wrong (`BenchError`). `boots` counts starts; `at_prompt` is true when main.py has ended. `load`
    makes the import system of one boot (`loader.Loader`). `wraps_after_ms`: how long after each
    start `ticks_ms` wraps; None: as on the chip, after 12.4 days.
    """

    def __init__(
        self,
        clock: Clock,
        wiring: Wiring,
        flash: SimFlash,
        *,
        load: Callable[[Boot], Imports],
        unique_id: bytes = bytes.fromhex("e661640843275b2c"),
        sources: dict[str, str] | None = None,
        crashes_raise: bool = True,
        board: str = PICO,
        wraps_after_ms: int | None = None,
    ) -> None:
        if wraps_after_ms is not None and not 0 < wraps_after_ms <= TICKS_WRAP_MS:
            raise ValueError(f"wraps_after_ms {wraps_after_ms} is not within 1…{TICKS_WRAP_MS}")
        if len(unique_id) != 8:
            raise ValueError("a unique id has 8 bytes")
        self.board = board
        # What the tick counters begin with at each start, so that they wrap when a test wants it.
        self.ticks_ahead_ns = (
            0 if wraps_after_ms is None else (TICKS_WRAP_MS - wraps_after_ms) * 1_000_000
        )
        self.watchdog_at = WATCHDOGS.get(board.rpartition(" ")[2], 0)
        self.clock = clock
        self.wiring = wiring
        self.flash = flash
        self.usb = UsbCdc(clock)
        self.unique_id = unique_id
        self.sources = sources or {}
        self.load = load
        self.crashes_raise = crashes_raise
        self.crash: BaseException | None = None
        self.boots = 0
        self.powered = False
        self.boot: Boot | None = None
        self.limit_ns = 0
        self.scratch = [0] * 8
        self.reason = 0
        self._boot_at_ns: int | None = None
        self._firmware: greenlet | None = None
        self._host: greenlet = getcurrent()
        wiring.listen(self._input)

    # -- supply and reset

    @property
    def at_prompt(self) -> bool:
        """Powered, and main.py has ended: MicroPython shows its prompt."""
        return self.boot is not None and self.boot.ended

    @property
    def running(self) -> bool:
        """The firmware is between its first and its last line."""
        return self._firmware is not None

    def power_on(self) -> None:
        """Supply the board. Nothing of what RAM and scratch registers held is left."""
        if self.powered:
            return
        self.powered = True
        self.scratch = [0] * 8
        self.reason = 0
        self.flash.power_on()
        self.wiring.power(True)
        self._boot_at_ns = self.clock.now_ns + BOOT_NS

    def power_off(self) -> None:
        """Take the supply away, at once, wherever the firmware is."""
        if not self.powered:
            return
        self.powered = False
        self._boot_at_ns = None
        self._end_of_life()
        self.wiring.power(False)
        self._leave()

    def reset(self, reason: int) -> None:
        """Watchdog reset: by its timer (REASON_TIMER) or by program (REASON_FORCE)."""
        self.reason = reason
        self._boot_at_ns = self.clock.now_ns + BOOT_NS
        self._end_of_life()
        self._leave()

    def _end_of_life(self) -> None:
        boot = self.boot
        self.boot = None
        self.usb.unplug()
        if boot is not None:
            boot.end()

    def _leave(self) -> None:
        """Forget the firmware's stack; if this runs on it, it ends here."""
        firmware = self._firmware
        if firmware is None:
            return
        if getcurrent() is firmware:
            self._host.switch(_RESET)
            raise KilledByReset  # the host has come back to unwind this stack
        self._kill(firmware)

    def _kill(self, firmware: greenlet) -> None:
        """Unwind a dead firmware's stack, so that its memory is freed."""
        self._firmware = None
        if not firmware.dead:
            firmware.parent = getcurrent()
            with suppress(KilledByReset, Exception):
                firmware.throw(KilledByReset)

    # -- running

    def run_to(self, t_ns: int) -> None:
        """Let time pass until `t_ns`."""
        clock = self.clock
        self._host = getcurrent()
        self.limit_ns = t_ns
        while True:
            firmware = self._firmware
            if firmware is None:
                due = self._boot_at_ns
                if due is None or due > t_ns:
                    clock.advance_to(max(t_ns, clock.now_ns))
                    due = self._boot_at_ns
                    if due is None or due > clock.now_ns:
                        return
                clock.advance_to(max(due, clock.now_ns))
                if self._boot_at_ns is not None and self._boot_at_ns <= clock.now_ns:
                    self._start()
                continue
            if clock.now_ns >= t_ns and not self._fresh:
                return
            self._fresh = False
            outcome = firmware.switch()
            if outcome == _LIMIT:
                if clock.now_ns >= t_ns:
                    return
            elif outcome == _RESET:
                self._kill(firmware)
            else:
                self._firmware = None
                if outcome == _RAISED:
                    boot = self.boot
                    error = boot.error if boot is not None else None
                    if error is not None:
                        self._raise(error)

    _fresh = False

    def _raise(self, error: BaseException) -> None:
        if isinstance(error, BenchError):
            raise error
        self.crash = error
        if self.crashes_raise:
            where = f"the firmware ended by {type(error).__name__}: {error}"
            raise FirmwareCrashed(where) from error

    def _start(self) -> None:
        self._boot_at_ns = None
        self.boots += 1
        boot = Boot(self)
        self.boot = boot
        self.usb.plug()
        self._firmware = greenlet(boot.run)
        self._fresh = True

    def give_way(self) -> None:
        """In the firmware: the moment up to which the host wants to run has come."""
        self._host.switch(_LIMIT)

    def ended(self, raised: bool) -> int:
        """What the firmware's greenlet returns to the host at its end."""
        return _RAISED if raised else _ENDED

    # -- inputs

    def _input(self, gp: int, level: int | None) -> None:
        boot = self.boot
        if boot is not None:
            boot.input(gp, level)


class Boot:
    """One run of the chip. The fakes refer to it, and every effect of theirs goes through it:
    when the run ends, it turns into something that only raises `KilledByReset`."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.clock = chip.clock
        self.wiring = chip.wiring
        self.usb = chip.usb
        self.t0_ns = chip.clock.now_ns
        self.ticks_from_ns = self.t0_ns - chip.ticks_ahead_ns
        self.spins = 0
        self.ended = False
        self.error: BaseException | None = None
        self.error_text = ""
        self.hang_until_ns = 0
        self.interrupt_pending = False
        self.scheduled: list[tuple[Callable[[Any], object], Any]] = []
        self.levels = [0] * PINS
        self.external: list[int | None] = [self.wiring.level(gp) for gp in range(PINS)]
        self.pulls = [PULL_DOWN] * PINS  # the pads' state after a reset
        self.function = [NULL] * PINS
        self.out = [0] * PINS
        self.enabled = [False] * PINS
        self.driven: list[int | None] = [None] * PINS
        self.edge_handlers: dict[int, tuple[int, Callable[[], None]]] = {}
        self.pio = [
            Block(self.clock, self.levels, self._shown_by(i), self._flag_of(i)) for i in (0, 1)
        ]
        self.pio_flag: list[Callable[[int], None] | None] = [None, None]
        self.watchdog_ns = 0
        self.watchdog_due_ns = 0
        self._watchdog_timer: Any = None
        self.timers: list[Any] = []
        self.filesystem: Filesystem | None = None
        self.usb.on_interrupt = self.interrupt
        for gp in range(PINS):
            self.levels[gp] = self._resolve(gp)

    # -- the run

    def run(self) -> int:
        """The greenlet's body: main.py, then the prompt."""
        raised = False
        try:
            self.filesystem = Filesystem(self.chip.flash)
            self.pay_flash()
            self.loader = self.chip.load(self)
            try:
                self.loader.run_main()
            except SystemExit:
                raise NotModelled("soft reset") from None
            except Exception as error:
                self.error = error
                raised = True
                text = self.loader.traceback(error).replace("\n", "\r\n")
                self.usb.write(text.encode(), self.wait_until)
            self.ended = True
            self.usb.interrupt_char = 3
            self.usb.write(BANNER, self.wait_until)
        except KilledByReset:
            return _ENDED
        except BaseException as error:
            self.error = error
            raised = True
        return self.chip.ended(raised)

    def end(self) -> None:
        """The hardware part of a reset: PIO stopped, watchdog off, every pin floats."""
        for block in self.pio:
            block.stop()
        if self._watchdog_timer is not None:
            self._watchdog_timer.cancel()
        for timer in self.timers:
            timer.cancel()
        self.usb.on_interrupt = None
        wiring, driven = self.wiring, self.driven
        for gp in range(PINS):
            if self.function[gp] == PWM:
                wiring.pwm(gp, 0, 0)
            if driven[gp] is not None:
                driven[gp] = None
                wiring.drive(gp, None)
        self.__class__ = _DeadBoot  # pyright: ignore[reportAttributeAccessIssue]

    # -- time

    def wait_until(self, t_ns: int) -> None:
        """Let time pass; returns at `t_ns`, or raises KeyboardInterrupt."""
        chip = self.chip
        clock = self.clock
        self.spins = 0
        try:
            while t_ns >= chip.limit_ns:
                clock.advance_to(chip.limit_ns)
                chip.give_way()
            if t_ns > clock.now_ns:
                clock.advance_to(t_ns)
        except Exception as error:  # of a simulated part: nothing the firmware may catch
            raise BenchError(f"{type(error).__name__}: {error}") from error
        if self.hang_until_ns:
            self._hang()
        if self.scheduled or self.interrupt_pending:
            self.pending()

    def _hang(self) -> None:
        until_ns = self.hang_until_ns
        self.hang_until_ns = 0
        self.wait_until(until_ns)

    def pending(self) -> None:
        """What the interpreter looks after between two bytecodes."""
        while self.scheduled:
            fn, argument = self.scheduled.pop(0)
            fn(argument)
        if self.interrupt_pending:
            self.interrupt_pending = False
            raise KeyboardInterrupt

    def spin(self) -> None:
        """The time was read; too often without a wait, and virtual time would stand still."""
        self.spins += 1
        if self.spins > SPIN_LIMIT:
            raise Spinning(
                f"the time was read {SPIN_LIMIT} times in a row without any wait: virtual time "
                "does not move by computing"
            )

    def interrupt(self) -> None:
        """0x03 came in while it means Ctrl-C."""
        self.interrupt_pending = True

    def schedule(self, fn: Callable[[Any], object], argument: Any) -> None:
        """As micropython.schedule. RuntimeError when eight wait already."""
        if len(self.scheduled) >= 8:
            raise RuntimeError("schedule queue full")
        self.scheduled.append((fn, argument))

    def pay_flash(self) -> None:
        """Let the time pass that flash operations took, or die of the power cut among them."""
        flash = self.chip.flash
        if flash.power_lost:
            self.chip.power_off()
        busy_ns = flash.busy_ns
        if busy_ns:
            flash.busy_ns = 0
            self.wait_until(self.clock.now_ns + busy_ns)

    # -- watchdog

    def start_watchdog(self, timeout_ns: int) -> None:
        self.watchdog_ns = timeout_ns
        self.chip.scratch[4] = 0x6AB73121  # the SDK's mark: not a reboot into something else
        self.feed()
        if self._watchdog_timer is not None:
            self._watchdog_timer.cancel()
        self._watchdog_timer = self.clock.call_at(self.watchdog_due_ns, self._watchdog)

    def stop_watchdog(self) -> None:
        if self._watchdog_timer is not None:
            self._watchdog_timer.cancel()
            self._watchdog_timer = None

    def feed(self) -> None:
        self.watchdog_due_ns = self.clock.now_ns + self.watchdog_ns

    def _watchdog(self) -> None:
        if self.clock.now_ns < self.watchdog_due_ns:
            self._watchdog_timer = self.clock.call_at(self.watchdog_due_ns, self._watchdog)
            return
        self.chip.reset(REASON_TIMER)

    # -- pins

    def input(self, gp: int, level: int | None) -> None:
        """An outside part has changed what it puts on a pin."""
        self.external[gp] = level
        if self.driven[gp] is None:
            self._level(gp)

    def _resolve(self, gp: int) -> int:
        driven = self.driven[gp]
        if driven is not None:
            return driven
        external = self.external[gp]
        if external is not None:
            return external
        return 1 if self.pulls[gp] & PULL_UP and not self.pulls[gp] & PULL_DOWN else 0

    def floating(self, gp: int) -> bool:
        """Nothing at all decides the pin's level."""
        return not self.pulls[gp] and self.external[gp] is None and self.driven[gp] is None

    def _level(self, gp: int) -> None:
        new = self._resolve(gp)
        if new == self.levels[gp]:
            return
        watching = [block for block in self.pio if block.watched >> gp & 1]
        for block in watching:
            block.input_changes()
        self.levels[gp] = new
        for block in watching:
            block.replan()
        handler = self.edge_handlers.get(gp)
        if handler is not None and handler[0] & (8 if new else 4):
            handler[1]()

    def pad(self, gp: int) -> None:
        """Work out what the chip puts on a pin, and put it there."""
        function = self.function[gp]
        level: int | None = None
        if function == SIO:
            if self.enabled[gp]:
                level = self.out[gp]
        elif function in (PIO0, PIO1):
            block = self.pio[function - PIO0]
            if block.dirs >> gp & 1:
                level = block.out >> gp & 1
        if level != self.driven[gp]:
            self.driven[gp] = level
            try:
                self.wiring.drive(gp, level)
            except WiringError as error:
                raise ChipMisuse(str(error)) from error
        self._level(gp)

    def select(self, gp: int, function: int) -> None:
        """Connect a pin to a peripheral."""
        if self.function[gp] == PWM and function != PWM:
            self.wiring.pwm(gp, 0, 0)
        self.function[gp] = function
        self.pad(gp)

    def put(self, gp: int, level: int) -> None:
        """SIO output latch."""
        if self.out[gp] != level:
            self.out[gp] = level
            self.pad(gp)

    def _shown_by(self, index: int) -> Callable[[int], None]:
        function = PIO0 + index

        def show(mask: int) -> None:
            gp = 0
            while mask:
                if mask & 1 and gp < PINS and self.function[gp] == function:
                    self.pad(gp)
                mask >>= 1
                gp += 1

        return show

    def _flag_of(self, index: int) -> Callable[[int], None]:
        def flag(number: int) -> None:
            fn = self.pio_flag[index]
            if fn is not None:
                fn(number)

        return flag


class _DeadBoot(Boot):
    """A `Boot` whose run is over: the firmware that still holds it can do nothing more."""

    def __getattribute__(self, name: str) -> Any:
        raise KilledByReset


def check(condition: bool, words: str) -> None:
    """ChipMisuse with `words` unless `condition`."""
    if not condition:
        raise ChipMisuse(words)
