"""The fake `machine` module of one boot.

May import: its own package and hw_sim.world.bus_traffic. Source: ports/rp2 of
MicroPython 1.23 (machine_pin.c, machine_adc.c, machine_i2c.c, machine_spi.c, machine_pwm.c,
machine_wdt.c, modmachine.c) and the RP2040 data sheet. Signatures, defaults and errors are
MicroPython's; on top of them, ChipMisuse for what the chip would do silently and wrongly.

I2C and SPI bytes take the time they take on the wire. Not modelled: Pin.irq(hard=True) latency,
OPEN_DRAIN and ALT modes, SPI with LSB first or other than 8 bits, PWM in steps of its counter, the
classes Timer, RTC, UART, SoftI2C, SoftSPI, Signal, I2S, USBDevice, sleep modes, clock changes.
"""

# Everything that MicroPython's classes do not have begins with an underscore, so that a program
# cannot lean on it; inside this package it is used all the same.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from types import ModuleType
from typing import Any

from hw_sim.fakes import chip as core
from hw_sim.fakes.builtin_module import module
from hw_sim.fakes.chip import Boot, check
from hw_sim.fakes.errors import ChipMisuse, NotModelled
from hw_sim.image.flash import os_error
from hw_sim.world.bus_traffic import I2cMessage, SpiBytes

_NO = object()
_SYS_HZ = 125_000_000
_EIO, _ETIMEDOUT = 5, 110
_SCRATCH, _CLEAR = 0x0C, 0x3000  # offsets in the watchdog's registers (data sheet 2.1.2, 4.7.6)
_WATCHDOG_ENABLE = 1 << 30
_USB_IN = 0x50100090  # buffer control of endpoint 2 IN
_USB_AVAILABLE = 0x0400  # the buffer waits for the host
_LOOK_NS = 50_000  # what a look at it takes in MicroPython, measured on the emulated chip
_TIMER_RAW_H, _TIMER_RAW_L = 0x40054024, 0x40054028


def build(boot: Boot) -> ModuleType:
    """`machine`, bound to one boot."""
    pins: dict[int, Pin] = {}

    def pin_of(what: Any) -> Pin:
        """The pin that MicroPython finds for a number, a name or a Pin. ValueError: none."""
        if type(what) is BoundPin:
            return what
        gp: int | None = None
        if isinstance(what, str):
            if what == "LED":
                gp = 25
            elif what.startswith("GPIO") and what[4:].isdigit():
                gp = int(what[4:])
            elif what.startswith("GP") and what[2:].isdigit():
                gp = int(what[2:])
            if gp is None or gp >= core.PINS:
                raise ValueError(f'unknown named pin "{what}"')
        elif isinstance(what, int):
            gp = int(what)
        if gp is None or not 0 <= gp < core.PINS:
            raise ValueError("invalid pin")
        pin = pins.get(gp)
        if pin is None:
            pin = pins[gp] = object.__new__(BoundPin)
            pin._setup(boot, gp)
        return pin

    class BoundPin(Pin):
        __slots__ = ()

        def __new__(cls, id: Any, *args: Any, **kwargs: Any) -> Any:
            pin = pin_of(id)
            if args or kwargs:
                pin.init(*args, **kwargs)
            return pin

        def __init__(self, *_args: Any, **_kwargs: Any) -> None:
            pass

    BoundPin.__name__ = BoundPin.__qualname__ = "Pin"
    adc_on: set[int] = set()
    slices = [_Slice() for _ in range(8)]
    pwms: dict[int, PWM] = {}
    i2cs: dict[int, I2C] = {}
    spis: dict[int, SPI] = {}

    def make_adc(id: Any) -> ADC:
        if isinstance(id, int) and not isinstance(id, bool) and 0 <= id < 5:
            if id == 4:
                raise NotModelled("the temperature sensor, ADC(4)")
            channel = id
            check(channel in adc_on, f"ADC({channel}): GP{26 + channel} was not made analog")
        else:
            gp = pin_of(id)._gp
            if not 26 <= gp < 30:
                raise ValueError("invalid channel")
            channel = gp - 26
            adc_on.add(channel)
            boot.pulls[gp] = core.PULL_NONE
            boot.select(gp, core.ADC)
        return ADC(boot, channel)

    def make_pwm(pin: Any, *args: Any, **kwargs: Any) -> PWM:
        gp = pin_of(pin)._gp
        slot = gp & 15
        other = pwms.get(slot)
        check(
            other is None or other._gp == gp,
            f"GP{gp} and GP{other._gp if other else 0} share one PWM channel",
        )
        pwm = pwms.get(slot)
        if pwm is None:
            pwm = pwms[slot] = PWM(boot, gp, slices[slot >> 1])
        pwm._restart(*args, **kwargs)
        return pwm

    def make_i2c(
        id: int,
        freq: int = 400000,
        *,
        scl: Any = None,
        sda: Any = None,
        timeout: int = 50000,
    ) -> I2C:
        if id not in (0, 1):
            raise ValueError(f"I2C({id}) doesn't exist")
        scl_gp = (9, 7)[id] if scl is None and id not in i2cs else None
        sda_gp = (8, 6)[id] if sda is None and id not in i2cs else None
        if id == 0 and id not in i2cs:
            scl_gp, sda_gp = (5 if scl is None else None), (4 if sda is None else None)
        if scl is not None:
            scl_gp = pin_of(scl)._gp
            if not (scl_gp & 1 and scl_gp >> 1 & 1 == id):
                raise ValueError("bad SCL pin")
        if sda is not None:
            sda_gp = pin_of(sda)._gp
            if not (not sda_gp & 1 and sda_gp >> 1 & 1 == id):
                raise ValueError("bad SDA pin")
        bus = i2cs.get(id)
        if bus is None:
            bus = i2cs[id] = I2C(boot, id)
        bus._setup(freq, scl_gp, sda_gp, timeout)
        return bus

    def make_spi(
        id: int,
        baudrate: int = 1000000,
        *,
        polarity: int = 0,
        phase: int = 0,
        bits: int = 8,
        firstbit: int = 1,
        sck: Any = None,
        mosi: Any = None,
        miso: Any = None,
    ) -> SPI:
        if id not in (0, 1):
            raise ValueError(f"SPI({id}) doesn't exist")
        chosen: list[int] = []
        defaults = ((18, 19, 16), (10, 11, 8))[id]
        for name, low, given, default in zip(
            ("SCK", "MOSI", "MISO"), (2, 3, 0), (sck, mosi, miso), defaults, strict=True
        ):
            gp = default if given is None else pin_of(given)._gp
            if gp & 3 != low or gp >> 3 & 1 != id:
                raise ValueError(f"bad {name} pin")
            chosen.append(gp)
        bus = spis.get(id)
        if bus is None:
            bus = spis[id] = SPI(boot, id)
        bus._setup(baudrate, polarity, phase, bits, firstbit)
        for gp in chosen:
            boot.select(gp, core.SPI)
        return bus

    def make_wdt(id: int = 0, timeout: int = 5000) -> WDT:
        if id != 0:
            raise ValueError(f"WDT({id}) doesn't exist")
        if timeout > 8388 or timeout < 0:
            raise ValueError("timeout exceeds 8388")
        check(timeout > 0, "WDT(timeout=0) resets at once")
        boot.start_watchdog(timeout * 1_000_000)
        return WDT(boot)

    chip = boot.chip

    def reset() -> None:
        boot.chip.reset(core.REASON_FORCE)

    def freq(*args: Any) -> int:
        if args:
            raise NotModelled("machine.freq(hz)")
        return _SYS_HZ

    def idle() -> None:
        """Waits for an interrupt, 1 ms at most: the tick of the USB frame comes as often."""
        now_ns = boot.clock.now_ns
        boot.wait_until(now_ns + 1_000_000 - now_ns % 1_000_000)

    def disable_irq() -> int:
        return 0

    def enable_irq(state: int = 0) -> None:
        return None

    made = module(
        "machine",
        Pin=BoundPin,
        ADC=_constructor("ADC", make_adc, CORE_TEMP=4),
        I2C=_constructor("I2C", make_i2c),
        SPI=_constructor("SPI", make_spi, MSB=1, LSB=0),
        PWM=_constructor("PWM", make_pwm),
        WDT=_constructor("WDT", make_wdt),
        unique_id=lambda: chip.unique_id,
        reset=reset,
        reset_cause=lambda: core.WATCHDOG_RESET if chip.reason else core.POWER_ON_RESET,
        freq=freq,
        idle=idle,
        disable_irq=disable_irq,
        enable_irq=enable_irq,
        mem16=Mem16(boot),
        mem32=Mem32(boot),
        PWRON_RESET=core.POWER_ON_RESET,
        WDT_RESET=core.WATCHDOG_RESET,
    )
    made.__dict__["_pin_of"] = pin_of
    return made


def _constructor(name: str, make: Any, **constants: Any) -> Any:
    """A callable that looks like the class: `name(...)`, with its constants."""

    class Constructor:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return make(*args, **kwargs)

        def __repr__(self) -> str:
            return f"<class '{name}'>"

    made = Constructor()
    for key, value in constants.items():
        setattr(made, key, value)
    return made


class Pin:
    """One GPIO. `value()` is the level at the pad, whatever drives it."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    ALT = 3
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 8
    IRQ_FALLING = 4

    __slots__ = ("_boot", "_function", "_levels", "_pulls", "_gp")

    def _setup(self, boot: Boot, gp: int) -> None:
        """For the fake itself; hidden from programs by `BoundPin`."""
        self._boot = boot
        self._gp = gp
        self._levels = boot.levels
        self._function = boot.function
        self._pulls = boot.pulls

    def init(self, mode: Any = None, pull: Any = None, *, value: Any = None, alt: int = 5) -> None:
        boot, gp = self._boot, self._gp
        if mode is not None:
            if mode == 0:
                boot.enabled[gp] = False
            elif mode == 1:
                if value is not None:
                    boot.out[gp] = 1 if value else 0
                boot.enabled[gp] = True
            elif mode in (2, 3):
                raise NotModelled("Pin.OPEN_DRAIN and Pin.ALT")
            else:
                raise ValueError(f"invalid pin af: {alt}")
            check(mode == 1 or value is None, f"GP{gp}: a value for a pin that is no output")
        else:
            check(value is None, f"GP{gp}: value without a mode does nothing")
        if pull is None:
            pull = 0
        check(pull in (0, 1, 2, 3), f"GP{gp}: pull {pull!r}")
        boot.pulls[gp] = pull
        if mode is not None:
            boot.select(gp, core.SIO)
        else:
            boot.pad(gp)

    def value(self, x: Any = _NO) -> Any:
        if x is _NO:
            gp = self._gp
            if not self._pulls[gp] or not self._function[gp]:
                self._check_read()
            return self._levels[gp]
        self._write(1 if x else 0)
        return None

    __call__ = value

    def _check_read(self) -> None:
        boot, gp = self._boot, self._gp
        check(boot.function[gp] != core.NULL, f"GP{gp} is read but was never set up")
        check(boot.function[gp] != core.ADC, f"GP{gp} is analog")
        if boot.function[gp] == core.SIO:
            check(not boot.floating(gp), f"GP{gp} is read while nothing drives or pulls it")

    def _write(self, level: int) -> None:
        boot, gp = self._boot, self._gp
        if not (boot.function[gp] == core.SIO and boot.enabled[gp]):
            raise ChipMisuse(f"GP{gp} is written but is not an output")
        boot.put(gp, level)

    def on(self) -> None:
        self._write(1)

    high = on

    def off(self) -> None:
        self._write(0)

    low = off

    def toggle(self) -> None:
        self._write(1 - self._boot.out[self._gp])

    def irq(self, handler: Any = None, trigger: int = 12, hard: bool = False) -> None:
        boot, gp = self._boot, self._gp
        check(boot.function[gp] == core.SIO, f"GP{gp}: irq on a pin that is not set up")
        if handler is None:
            boot.edge_handlers.pop(gp, None)
        else:
            boot.edge_handlers[gp] = (trigger, lambda: boot.schedule(handler, self))

    def __repr__(self) -> str:
        boot, gp = self._boot, self._gp
        mode = "OUT" if boot.enabled[gp] else "IN"
        if boot.function[gp] != core.SIO:
            mode = "ALT"
        pull = ("", ", pull=PULL_UP", ", pull=PULL_DOWN", ", pull=PULL_UP|PULL_DOWN")
        return f"Pin(GPIO{gp}, mode={mode}{pull[boot.pulls[gp]]})"


class ADC:
    """One channel. The conversion's 2 µs take no virtual time."""

    __slots__ = ("_channel", "_counts")

    def __init__(self, boot: Boot, channel: int) -> None:
        self._channel = channel
        self._counts = boot.wiring.adc_counts

    def read_u16(self) -> int:
        raw = self._counts(self._channel)
        return raw << 4 | raw >> 8

    def __repr__(self) -> str:
        return f"<ADC channel={self._channel}>"


class _Slice:
    """What the two channels of a PWM slice share."""

    def __init__(self) -> None:
        self.freq_hz = 0
        self.channels: list[PWM] = []


class PWM:
    """One PWM channel; the two of a slice have one frequency."""

    __slots__ = ("_boot", "_duty", "_slice", "_stopped", "_gp")

    def __init__(self, boot: Boot, gp: int, shared: _Slice) -> None:
        self._boot = boot
        self._gp = gp
        self._slice = shared
        self._duty: int | None = None
        self._stopped = False
        shared.channels.append(self)

    def _restart(self, *args: Any, **kwargs: Any) -> None:
        self._duty = None
        self._boot.pulls[self._gp] = core.PULL_NONE
        self._boot.select(self._gp, core.PWM)
        if args or kwargs:
            self.init(*args, **kwargs)

    def init(
        self, freq: int = -1, *, duty_u16: int = -1, duty_ns: int = -1, invert: int = -1
    ) -> None:
        if duty_ns != -1 or invert not in (-1, 0):
            raise NotModelled("PWM duty_ns and invert")
        if freq != -1:
            self.freq(freq)
        if duty_u16 != -1:
            self.duty_u16(duty_u16)

    def deinit(self) -> None:
        self._duty = None
        self._show()

    def freq(self, value: Any = _NO) -> Any:
        if value is _NO:
            return self._slice.freq_hz
        check(isinstance(value, int) and value > 0, f"PWM frequency {value!r}")
        if value > _SYS_HZ:
            raise ValueError("freq too large")
        if value < 8:
            raise ValueError("freq too small")
        shared = self._slice
        if shared.freq_hz and shared.freq_hz != value:
            for other in shared.channels:
                check(
                    other is self or not other._duty,
                    f"GP{self._gp} changes the frequency of GP{other._gp}, which shares its slice",
                )
        shared.freq_hz = value
        for channel in shared.channels:
            channel._show()
        return None

    def duty_u16(self, value: Any = _NO) -> Any:
        if value is _NO:
            return self._duty or 0 if self._slice.freq_hz else 0
        check(isinstance(value, int) and 0 <= value <= 65535, f"PWM duty_u16 {value!r}")
        if value != self._duty:
            self._duty = value
            self._show()
        return None

    def duty_ns(self, *_args: Any) -> Any:
        raise NotModelled("PWM.duty_ns")

    def _show(self) -> None:
        boot = self._boot
        if boot.function[self._gp] != core.PWM:
            return
        freq_hz = self._slice.freq_hz
        duty = self._duty or 0
        try:
            boot.wiring.pwm(self._gp, freq_hz if duty else 0, duty if freq_hz else 0)
        except RuntimeError as error:
            raise ChipMisuse(str(error)) from error


class I2C:
    """One hardware I2C bus. A byte and its acknowledge take nine bits of time."""

    __slots__ = ("_bit_ns", "_boot", "_bus", "_timeout_ns")

    def __init__(self, boot: Boot, bus: int) -> None:
        self._boot = boot
        self._bus = bus
        self._bit_ns = 0
        self._timeout_ns = 0

    def _setup(self, freq: int, scl: int | None, sda: int | None, timeout: int) -> None:
        check(isinstance(freq, int) and 1000 <= freq <= 1_000_000, f"I2C frequency {freq!r}")
        # What the SDK makes of it with the 125 MHz clock: 400 kHz becomes 399 361 Hz.
        self._bit_ns = (_SYS_HZ + freq // 2) // freq * 8
        self._timeout_ns = timeout * 1000
        boot = self._boot
        for gp in (scl, sda):
            if gp is not None:
                boot.pulls[gp] = core.PULL_UP
                boot.select(gp, core.I2C)

    def _part(self, address: int, reading: bool) -> Any:
        if not isinstance(address, int) or not 8 <= address < 0x78:
            raise ChipMisuse(f"I2C address {address!r}")
        boot = self._boot
        if boot.wiring.i2c_stuck(self._bus):  # the block waits for an idle bus
            boot.wait_until(boot.clock.now_ns + self._timeout_ns)
            raise os_error(_ETIMEDOUT)
        part = boot.wiring.i2c(self._bus, address)
        if part is None:
            self._tell(boot.clock.now_ns, address, reading, b"", 0)
            boot.wait_until(boot.clock.now_ns + 11 * self._bit_ns)
            raise os_error(_EIO)
        hz = 1_000_000_000 // self._bit_ns
        if hz > part.fastest_hz:
            raise ChipMisuse(f"{address:#x} takes {part.fastest_hz} Hz at most, not {hz}")
        return part

    def _tell(
        self,
        t_ns: int,
        address: int,
        reading: bool,
        data: bytes,
        acknowledged: int,
        stop: bool = True,
    ) -> None:
        wiring = self._boot.wiring
        if wiring.bus_taps and self._bus == 0:
            wiring.passed(
                I2cMessage(t_ns, self._bit_ns, address, reading, data, acknowledged, stop)
            )

    def _pay(self, count: int) -> None:
        """The time of an address and `count` bytes, with start and stop."""
        boot = self._boot
        ns = (11 + 9 * count) * self._bit_ns
        if ns > self._timeout_ns:
            boot.wait_until(boot.clock.now_ns + self._timeout_ns)
            raise os_error(_ETIMEDOUT)
        boot.wait_until(boot.clock.now_ns + ns)

    def writeto(self, addr: int, buf: Any, stop: bool = True) -> int:
        part = self._part(addr, False)
        began_ns = self._boot.clock.now_ns
        self._pay(len(buf))
        count = part.write(buf, stop)
        held = not stop and count == len(buf)
        self._tell(began_ns, addr, False, bytes(buf[: count + 1]), 1 + count, not held)
        self._boot.wiring.i2c_ended(self._bus, 1e9 / self._bit_ns)
        if count < len(buf):
            raise os_error(_EIO)
        return count

    def writevto(self, addr: int, vector: Any, stop: bool = True) -> int:
        return self.writeto(addr, b"".join(bytes(part) for part in vector), stop)

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        part = self._part(addr, True)
        began_ns = self._boot.clock.now_ns
        self._pay(nbytes)
        data = bytes(part.read(nbytes))
        self._tell(began_ns, addr, True, data, 1 + nbytes)
        self._boot.wiring.i2c_ended(self._bus, 1e9 / self._bit_ns)
        return data

    def readfrom_into(self, addr: int, buf: Any, stop: bool = True) -> None:
        buf[:] = self.readfrom(addr, len(buf), stop)

    def writeto_mem(self, addr: int, memaddr: int, buf: Any, *, addrsize: int = 8) -> None:
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"), False)
        return self.readfrom(addr, nbytes)

    def readfrom_mem_into(self, addr: int, memaddr: int, buf: Any, *, addrsize: int = 8) -> None:
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf), addrsize=addrsize)

    def scan(self) -> list[int]:
        found: list[int] = []
        boot = self._boot
        for address in range(8, 0x78):
            part = boot.wiring.i2c(self._bus, address)
            self._tell(boot.clock.now_ns, address, True, b"", int(part is not None))
            boot.wait_until(boot.clock.now_ns + 11 * self._bit_ns)
            if part is not None:
                found.append(address)
        return found


class SPI:
    """One hardware SPI bus. A byte takes eight bits of time."""

    __slots__ = ("_boot", "_bus", "_byte_ns", "_phase")

    def __init__(self, boot: Boot, bus: int) -> None:
        self._boot = boot
        self._bus = bus
        self._byte_ns = 0
        self._phase = 0

    def _setup(self, baudrate: int, polarity: int, phase: int, bits: int, firstbit: int) -> None:
        check(isinstance(baudrate, int) and 1000 <= baudrate <= 62_500_000, f"baudrate {baudrate}")
        check(baudrate <= 5_000_000, "the MAX31856 takes 5 MHz at most")
        # docs/hardware.md: mode 1. In another mode every bit is taken at the wrong edge.
        check(polarity == 0 and phase == 1, "the MAX31856 needs polarity 0, phase 1")
        if firstbit != 1:
            raise NotImplementedError("LSB")
        if bits != 8:
            raise NotModelled("SPI with other than 8 bits")
        self._byte_ns = 8_000_000_000 // _spi_baud(baudrate)

    def init(self, **changes: Any) -> None:
        raise NotModelled("SPI.init")

    def deinit(self) -> None:
        """Nothing to do."""

    def _transfer(self, data: Any) -> bytes:
        boot = self._boot
        part = boot.wiring.spi(self._bus)
        received = b"\xff" * len(data) if part is None else part.transfer_bulk(data)
        if boot.wiring.bus_taps and self._bus == 0:
            boot.wiring.passed(
                SpiBytes(boot.clock.now_ns, self._byte_ns // 8, bytes(data), bytes(received))
            )
        boot.wait_until(boot.clock.now_ns + len(data) * self._byte_ns)
        return received

    def write(self, buf: Any) -> None:
        self._transfer(buf)

    def read(self, nbytes: int, write: int = 0) -> bytes:
        return self._transfer(bytes((write,)) * nbytes)

    def readinto(self, buf: Any, write: int = 0) -> None:
        buf[:] = self._transfer(bytes((write,)) * len(buf))

    def write_readinto(self, write_buf: Any, read_buf: Any) -> None:
        if len(write_buf) != len(read_buf):
            raise ValueError("buffers must be the same length")
        read_buf[:] = self._transfer(write_buf)


def _spi_baud(target_hz: int) -> int:
    """The rate that the SDK reaches by its two dividers: 992 063 Hz for 1 MHz."""
    prescale = next((p for p in range(2, 255, 2) if (p + 2) * 256 * target_hz > _SYS_HZ), 254)
    post = 256
    while post > 1 and _SYS_HZ // (prescale * (post - 1)) <= target_hz:
        post -= 1
    return _SYS_HZ // (prescale * post)


class WDT:
    """The watchdog: once started it cannot be stopped."""

    __slots__ = ("_boot",)

    def __init__(self, boot: Boot) -> None:
        self._boot = boot

    def feed(self) -> None:
        boot = self._boot
        boot.watchdog_due_ns = boot.clock.now_ns + boot.watchdog_ns


class Mem16:
    """The buffer control of the USB endpoint that carries the serial port's data to the host."""

    __slots__ = ("_boot",)

    def __init__(self, boot: Boot) -> None:
        self._boot = boot

    def __getitem__(self, address: int) -> int:
        boot = self._boot
        if address == _USB_IN + 2:
            return 0  # its second buffer is not used here
        if address != _USB_IN:
            raise NotModelled(f"machine.mem16[0x{address:08x}]")
        if boot.usb.idle():
            return 0
        boot.wait_until(boot.clock.now_ns + _LOOK_NS)
        return _USB_AVAILABLE


class Mem32:
    """The few registers that a firmware has reason to touch: the watchdog's and the timer's."""

    __slots__ = ("_boot", "_watchdog")

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._watchdog = boot.chip.watchdog_at

    @staticmethod
    def _aligned(address: int) -> None:
        if address & 3:
            raise ValueError(f"address {address:08x} is not aligned to 4 bytes")

    def __getitem__(self, address: int) -> int:
        self._aligned(address)
        boot = self._boot
        index = (address - self._watchdog - _SCRATCH) >> 2
        if 0 <= index < 8:
            return boot.chip.scratch[index]
        if address == self._watchdog + 8:
            return boot.chip.reason
        if address in (_TIMER_RAW_H, _TIMER_RAW_L):
            us = (boot.clock.now_ns - boot.ticks_from_ns) // 1000
            boot.spin()
            return us & 0xFFFFFFFF if address == _TIMER_RAW_L else us >> 32
        raise NotModelled(f"machine.mem32[0x{address:08x}]")

    def __setitem__(self, address: int, value: int) -> None:
        if address & 3:
            self._aligned(address)
        if address == self._watchdog + _CLEAR and value == _WATCHDOG_ENABLE:
            self._boot.stop_watchdog()
            return
        index = (address - self._watchdog - _SCRATCH) >> 2
        if not 0 <= index < 8:
            raise NotModelled(f"writing machine.mem32[0x{address:08x}]")
        if index == 4:
            raise ChipMisuse("scratch 4 directs the boot ROM: it is not for programs")
        self._boot.chip.scratch[index] = value & 0xFFFFFFFF
