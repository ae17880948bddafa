"""The board: the only module that uses pins, `machine` and the clock (except main.py, which checks
for maintenance before this module is loaded).

May import binascii, machine, micropython.const, select, sys, time and cryo's drivers, on_demand;
loads infrared on demand. Controls: H-04 (does not drive the valve's pins: only valve.py does), H-11
(watchdog, and the state that it preserves for the next start), H-12 (the link is read byte by byte
and never blocks), H-14 (a stuck I2C bus is freed).

Pins: docs/hardware.md.
"""

import binascii
import select
import sys
import time

import machine
from machine import ADC, I2C, PWM, SPI, Pin
from micropython import const

from cryo import on_demand
from cryo.drivers import Max31856, Ssd1306

_GATE = const(2)
_SUPPLY = const(3)
_SDA = const(4)
_SCL = const(5)
_ESTOP = const(6)
_TRIGGER = const(7)
_UP = const(8)
_DOWN = const(9)
_SELECT = const(10)
_ARM = const(11)
_BUZZER = const(12)
_GREEN = const(13)
_YELLOW = const(14)
_RED = const(15)
_MISO = const(16)
_CS = const(17)
_SCK = const(18)
_MOSI = const(19)
_COIL = const(26)
_PRESSURE = const(27)
_LEVEL = const(28)
_VSYS = const(29)

TICK_MS = const(10)
_WATCHDOG_MS = const(2000)

# Offsets of the watchdog's scratch registers 0...2, which survive its reset (not a loss of power)
_DOING = const(0x0C)
_NUMBER = const(0x10)
# Number of consecutive failed starts. main.py counts them, and gives up. H-11
_STARTS = const(0x14)
_MARK = const(0x2C520000)
_LASTED_FEEDS = const(200)  # one a tick: a start that runs for 2 s is a good one

# What the program was doing, stored in scratch 0
NOTHING = const(0)
RUNNING = const(1)
FREEZING = const(2)
MAINTENANCE = const(3)
CRASHED = const(4)
PURGING = const(5)

_POWER_ON = const(1)
WATCHDOG_RESET = const(3)

_FAST_HZ = const(400000)  # I2C0: screen and clock
_CLOCKS = const(9)
_HALF_US = const(5)
_I2C_TIMEOUT_US = const(8000)  # a page takes 3 ms; the default of 50 ms would stall the loop


# Buffer control of endpoint 2 IN, which carries MicroPython's CDC data (shared/tinyusb), in the USB
# controller's memory: one half word for each of its two buffers (RP2040 datasheet, 4.1.2.5).
_USB_IN = const(0x50100090)
_USB_PENDING = const(0x0400)  # the buffer waits for the host


class Port:
    """The USB serial port, non-blocking."""

    def __init__(self):
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._byte = bytearray(1)
        self._reader = select.poll()
        self._reader.register(sys.stdin, select.POLLIN)
        self._writer = select.poll()
        self._writer.register(sys.stdout, select.POLLOUT)

    def read_byte(self):
        """The next byte, or -1 if none is available."""
        for _ in self._reader.ipoll(0):
            self._in.readinto(self._byte)
            return self._byte[0]
        return -1

    def can_write(self):
        """Whether at least one byte can be written without blocking."""
        for _ in self._writer.ipoll(0):
            return True
        return False

    def drained(self):
        """Whether as much as the transmit FIFO holds can be written without blocking.

        POLLOUT promises one byte only. But it runs the USB stack, which passes what is in the FIFO
        to the endpoint: if that waits for no host afterwards, the FIFO is empty. H-12
        """
        if not self.can_write():
            return False
        if machine.mem16[_USB_IN] & _USB_PENDING:
            return False
        return not machine.mem16[_USB_IN + 2] & _USB_PENDING

    def write(self, data):
        """Write bytes; does not block if `drained` and they fit the FIFO, else for up to 0.5 s."""
        self._out.write(data)

    def write_byte(self, byte):
        """Write one byte; does not block if `can_write`."""
        self._byte[0] = byte
        self._out.write(self._byte)


def _bus(hz=_FAST_HZ):
    """I2C0 at a given speed. MicroPython returns the same object, so this does not allocate."""
    return I2C(0, scl=Pin(_SCL), sda=Pin(_SDA), freq=hz, timeout=_I2C_TIMEOUT_US)


def free_bus():
    """Clock out a part that was cut off in the middle of a read and holds SDA low; set up I2C0.

    Nine clocks end any byte and its acknowledge, a stop condition any transfer. H-14
    """
    sda = Pin(_SDA, Pin.IN, Pin.PULL_UP)
    scl = Pin(_SCL, Pin.IN, Pin.PULL_UP)
    for _ in range(_CLOCKS):
        if sda.value():
            break
        _pull_low(scl)
    _pull_low(sda)  # released with SCL high: a stop condition
    return _bus()


def _pull_low(line):
    """An open-drain pulse of 5 us."""
    line.init(Pin.OUT, value=0)
    time.sleep_us(_HALF_US)
    line.init(Pin.IN, Pin.PULL_UP)
    time.sleep_us(_HALF_US)


class Board:
    """Everything connected to the Pico, by the names of docs/hardware.md.

    `row`: what this board differs in, from cryo/boards.json (docs/hardware.md).
    """

    def __init__(self, row):
        watchdog = int(row["watchdog"], 16)
        # Added up once: these addresses do not fit MicroPython's small integers
        self._doing_at = watchdog + _DOING
        self._number_at = watchdog + _NUMBER
        self._starts_at = watchdog + _STARTS
        if row["vsys_pin"] >= 0:
            Pin(row["vsys_pin"], Pin.OUT, value=1)
        pull = Pin.PULL_DOWN if row["pull_down"] else None
        up = Pin.PULL_UP
        self.gate_pin = Pin(_GATE)
        self.supply_pin = Pin(_SUPPLY)
        self.estop_pin = Pin(_ESTOP, Pin.IN, pull)
        self._trigger = Pin(_TRIGGER, Pin.IN, up)
        self._up = Pin(_UP, Pin.IN, up)
        self._down = Pin(_DOWN, Pin.IN, up)
        self._select = Pin(_SELECT, Pin.IN, up)
        self._arm = Pin(_ARM, Pin.IN, up)
        self.green = Pin(_GREEN, Pin.OUT, value=0)
        self.yellow = Pin(_YELLOW, Pin.OUT, value=0)
        self.red = Pin(_RED, Pin.OUT, value=0)
        self.buzzer = PWM(Pin(_BUZZER))
        self.buzzer.duty_u16(0)
        self._coil = ADC(_COIL)
        self._pressure = ADC(_PRESSURE)
        self._level = ADC(_LEVEL)
        self._vsys = ADC(_VSYS)
        self._scratch = -1
        self._watchdog = None
        self._feeds_left = _LASTED_FEEDS
        self.serial = binascii.hexlify(machine.unique_id())
        self.skin = None  # the infrared thermometer, once it is known to be fitted
        self.micropython = "%d.%d.%d" % sys.implementation[1][:3]
        # Bound here to save a look-up through `time` in each tick
        self.ticks_ms = time.ticks_ms
        self.ticks_us = time.ticks_us
        self.sleep_ms = time.sleep_ms

    def start(self):
        """Start the buses and the devices on them."""
        self.i2c = free_bus()
        self.screen = Ssd1306(self.i2c, free_bus)
        spi = SPI(
            0,
            baudrate=1000000,
            polarity=0,
            phase=1,
            sck=Pin(_SCK),
            mosi=Pin(_MOSI),
            miso=Pin(_MISO),
        )
        self.thermocouple = Max31856(spi, Pin(_CS, Pin.OUT, value=1))
        self.thermocouple.start()
        self.port = Port()

    def fit_skin(self):
        """Load the driver of the infrared thermometer, if it is not. Most devices have none."""
        if self.skin is None:
            infrared = on_demand.load("infrared")
            self.skin = infrared.Mlx90614(infrared.SlowBus(_bus, time.sleep_us))

    # -- inputs ---------------------------------------------------------------------------

    def read_buttons(self):
        """Raw mask of closed contacts, bits as in buttons.py."""
        mask = 0
        if not self._trigger.value():
            mask = 1
        if not self._up.value():
            mask |= 2
        if not self._down.value():
            mask |= 4
        if not self._select.value():
            mask |= 8
        if not self._arm.value():
            mask |= 16
        return mask

    def estop_closed(self):
        """True while the E-stop loop is closed (healthy)."""
        return self.estop_pin.value() == 1

    def coil(self):
        """Coil current, 16-bit count."""
        return self._coil.read_u16()

    def pressure(self):
        """Dewar pressure, 16-bit count."""
        return self._pressure.read_u16()

    def level(self):
        """Dewar level, 16-bit count."""
        return self._level.read_u16()

    def vsys(self):
        """VSYS / 3, 16-bit count."""
        return self._vsys.read_u16()

    # -- watchdog and resets ----------------------------------------------------------------

    def start_watchdog(self):
        """From here on `feed` must be called at least every 2 s."""
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)

    def feed(self):
        """Feed the watchdog."""
        self._watchdog.feed()
        if self._feeds_left:
            self._feeds_left -= 1
            if not self._feeds_left:
                machine.mem32[self._starts_at] = 0

    def reset_cause(self):
        """POWER_ON or WATCHDOG_RESET (also after `reset`)."""
        return machine.reset_cause()

    def reset(self):
        """Restart the processor: both valve pins float to their pull-downs."""
        machine.reset()

    def left_behind(self):
        """(what the program was doing, a number), as stored before a watchdog reset."""
        word = machine.mem32[self._doing_at]
        if word & ~0xFFFF != _MARK:
            return NOTHING, 0
        return word & 0xFFFF, machine.mem32[self._number_at]

    def leave_behind(self, doing, number):
        """Store what the program is doing, to survive a watchdog reset. Does not allocate."""
        if doing != self._scratch:
            machine.mem32[self._doing_at] = _MARK | doing
            self._scratch = doing
        machine.mem32[self._number_at] = number
