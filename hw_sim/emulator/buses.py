"""I2C0, SPI0, ADC and PWM of the emulated chip, wired to the parts.

May import the standard library, `rp2040py`, `hw_sim.world` and `hw_sim.emulator.clock`. A
byte on a bus takes its time: the processor stands still for it (`EmulatedClock.stall`) instead of
polling, so interrupts are taken up to one byte's time later than on the board.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rp2040py.peripherals.i2c import R_TX_EMPTY, I2CMode

from hw_sim.emulator.clock import EmulatedClock
from hw_sim.world.bus_traffic import I2cMessage, SpiBytes
from hw_sim.world.parts.i2c import I2cPart
from hw_sim.world.wiring import I2C_BUS, SPI_BUS, Wiring, WiringError

_STUCK_NS = 8_000_000
_I2C_BITS = 9  # a byte and its acknowledge
_NS_PER_CYCLE = 8  # of the system clock, which times the bus
_PWM_FUNCTION = 4
_CSR_ENABLE = 1
_SYSTEM_HZ = 125_000_000

Fail = Callable[[BaseException], None]


class _Message:
    """A message that is under way and that somebody watches."""

    def __init__(self, t_ns: int, address: int, reading: bool) -> None:
        self.t_ns = t_ns
        self.address = address
        self.reading = reading
        self.acknowledged = 0
        self.data = bytearray()
        self.bytes_ns: list[int] = []

    def add(self, t_ns: int, byte: int, acknowledged: bool) -> None:
        self.bytes_ns.append(t_ns)
        self.data.append(byte)
        self.acknowledged += acknowledged


class I2cBus:
    """One I2C block. A part that is absent does not acknowledge its address."""

    def __init__(self, block: Any, number: int, wiring: Wiring, clock: EmulatedClock) -> None:
        self._block = block
        self._number = number
        self._wiring = wiring
        self._clock = clock
        self._part: I2cPart | None = None
        self._message: _Message | None = None
        block.on_connect = self._connect
        block.on_write_byte = self._write
        block.on_read_byte = self._read
        block.on_stop = self._stop

    def _bit_ns(self) -> int:
        cycles: int = self._block.scl_low_period + self._block.scl_high_period
        return max(1, cycles) * _NS_PER_CYCLE

    def _connect(self, address: int, mode: I2CMode) -> None:
        bit_ns = self._bit_ns()
        if self._message is not None:
            self._tell(stop=False)
        # The block does not say when the start condition came: a bit before the address.
        message = _Message(self._clock.now_ns - bit_ns, address, mode is I2CMode.READ)
        self._clock.stall(_I2C_BITS * bit_ns)
        stuck = self._wiring.i2c_stuck(self._number)
        if stuck:
            # The real block waits for an idle bus until the driver's time-out; this one reports
            # no acknowledge after about as long.
            self._clock.stall(_STUCK_NS)
        before = self._part
        part = None if stuck else self._wiring.i2c(self._number, address)
        if self._wiring.bus_taps and self._number == I2C_BUS and not stuck:
            self._message = message
            message.acknowledged = int(part is not None)
        self._part = part
        if before is not None and before is not part:
            before.stop()
        if part is None:
            self._tell()
            self._block.complete_connect(False)
            # rp2040py flushes the FIFO on a NAK but does not say that it is empty, which is what
            # the driver waits for: without this it sees a time-out instead of a missing part.
            self._block._set_interrupts(R_TX_EMPTY)
            return
        if 1_000_000_000 // bit_ns > part.fastest_hz:
            raise WiringError(f"{address:#x} takes {part.fastest_hz} Hz at most on its bus")
        if before is part:
            part.restart()
        else:
            part.start()
        self._block.complete_connect(True)

    def _write(self, byte: int) -> None:
        began_ns = self._clock.now_ns
        self._clock.stall(_I2C_BITS * self._bit_ns())
        acknowledged = self._part is not None and self._part.write_byte(byte)
        if self._message is not None:
            self._message.add(began_ns, byte, acknowledged)
            if not acknowledged:
                self._tell()
        self._block.complete_write(acknowledged)
        if not acknowledged:
            self._block._set_interrupts(R_TX_EMPTY)

    def _read(self, _acknowledge: bool) -> None:
        began_ns = self._clock.now_ns
        self._clock.stall(_I2C_BITS * self._bit_ns())
        byte = self._part.read_byte() if self._part is not None else 0xFF
        if self._message is not None:
            self._message.add(began_ns, byte, True)
        self._block.complete_read(byte)

    def _tell(self, *, stop: bool = True) -> None:
        message, self._message = self._message, None
        if message is not None:
            self._wiring.passed(
                I2cMessage(
                    message.t_ns,
                    self._bit_ns(),
                    message.address,
                    message.reading,
                    bytes(message.data),
                    message.acknowledged,
                    stop,
                    tuple(message.bytes_ns),
                )
            )

    def _stop(self) -> None:
        self._tell()
        if self._part is not None:
            self._part.stop()
            self._part = None
            self._wiring.i2c_ended(self._number, 1e9 / self._bit_ns())
        self._block.complete_stop()


class SpiBus:
    """One SPI block. The part is selected by its own pin (`Wiring.drive`)."""

    def __init__(self, block: Any, number: int, wiring: Wiring, clock: EmulatedClock) -> None:
        self._block = block
        self._number = number
        self._wiring = wiring
        self._clock = clock
        block.on_transmit = self._transmit

    def _transmit(self, value: int) -> None:
        hz = self._block.clock_frequency or _SYSTEM_HZ
        word_ns = int(self._block.data_bits * 1e9 / hz)
        done = partial(self._complete, self._clock.now_ns, word_ns, value)
        if self._clock.in_alarm:  # DMA: the processor goes on meanwhile
            self._clock.call_after(word_ns, self._clock.within_alarm(done))
            return
        self._clock.stall(word_ns)
        done()

    def _complete(self, began_ns: int, word_ns: int, value: int) -> None:
        part = self._wiring.spi(self._number)
        received = 0xFF if part is None else part.transfer(value)
        if self._wiring.bus_taps and self._number == SPI_BUS:
            mosi, miso = bytes((value & 0xFF,)), bytes((received & 0xFF,))
            self._wiring.passed(SpiBytes(began_ns, word_ns // 8, mosi, miso))
        self._block.complete_transmit(received)


class Adc:
    """The converter's four outside channels."""

    def __init__(self, block: Any, wiring: Wiring, fail: Fail) -> None:
        self._block = block
        self._wiring = wiring
        self._fail = fail
        self._convert = block.on_adc_read
        block.on_adc_read = self._read

    def _read(self, channel: int) -> None:
        if channel < 4:
            try:
                self._block.channel_values[channel] = self._wiring.adc_counts(channel)
            except Exception as error:
                self._fail(error)
        self._convert(channel)


class Pwm:
    """Frequency and duty of every PWM pin, from the registers.

    rp2040py would make each single edge of a 4 kHz tone; no part needs them, so its counters are
    kept from running and the wiring gets frequency and duty when they change.
    """

    def __init__(self, chip: Any, wiring: Wiring, fail: Fail) -> None:
        self._chip = chip
        self._wiring = wiring
        self._fail = fail
        self._told: dict[int, tuple[int, int]] = {}
        for channel in chip.pwm.channels:
            for alarm in (channel.alarm_a, channel.alarm_b, channel.alarm_bottom):
                alarm.enable = False
        for peripheral in (chip.pwm, chip.peripherals[0x40014]):
            self._after_each_write(peripheral)

    def _after_each_write(self, peripheral: Any) -> None:
        write = peripheral.write_uint32_atomic

        def written(offset: int, value: int, atomic_type: int) -> None:
            write(offset, value, atomic_type)
            self._look()

        peripheral.write_uint32_atomic = written

    def _look(self) -> None:
        try:
            for gp in range(30):
                if self._chip.gpio[gp].ctrl & 0x1F == _PWM_FUNCTION:
                    tone = self._tone(gp)
                    if self._told.get(gp) != tone:
                        self._told[gp] = tone
                        self._wiring.pwm(gp, *tone)
                elif self._told.pop(gp, (0, 0)) != (0, 0):
                    self._wiring.pwm(gp, 0, 0)
        except Exception as error:
            self._fail(error)

    def _tone(self, gp: int) -> tuple[int, int]:
        channel = self._chip.pwm.channels[(gp >> 1) & 7]
        if not channel.csr & _CSR_ENABLE:
            return 0, 0
        compare = (channel.cc >> (16 * (gp & 1))) & 0xFFFF
        period = channel.top + 1
        divider = (channel.div or 0x1000) / 16
        hz = round(_SYSTEM_HZ / (divider * period))
        return hz, min(65535, compare * 65535 // period)

    def reset(self) -> None:
        """The chip was reset: every tone ends."""
        for gp in [gp for gp, tone in self._told.items() if tone != (0, 0)]:
            self._wiring.pwm(gp, 0, 0)
        self._told.clear()
