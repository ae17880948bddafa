"""What has passed over the board's buses, and the levels of their lines, bit by bit.

A bench tells `Wiring.bus_taps` of whole transfers; `line_changes` draws their lines when somebody
wants to see them, at the rate at which the chip clocked them. Times are ns of the bench.

May import: the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

USB_BIT_NS = 400
"""How the bytes of the USB port are drawn: as those of a serial line, 8N1 at 2.5 Mbaud. It is as
fast as the device sends (220 kB/s); the packets of 12 Mbit/s themselves are not simulated."""
_USB_BITS = 10
_SHORTEST_NS = 100
"""The fast bench's program takes no time, also not from one transfer to the next: CS rises and
falls at one instant. It is drawn so long, so that a decoder sees it."""

I2C_IDLE = {"SDA": 1, "SCL": 1}
SPI_IDLE = {"SCK": 0, "MOSI": 0, "MISO": 0, "CS": 1}
USB_IDLE = {"USB_TO_HOST": 1, "USB_TO_DEVICE": 1}
IDLE = I2C_IDLE | SPI_IDLE | USB_IDLE
"""The lines, with their level while nothing passes."""


class I2cMessage(NamedTuple):
    """From a start (or repeated start) to the next, or to the stop.

    `acknowledged` counts the address and the bytes that the part took: 0 = nobody answered.
    `data` ends with the byte that was not taken. `stop` False: a repeated start follows.
    `bytes_ns`: when each byte of `data` began; empty: one directly after the other.
    """

    t_ns: int
    bit_ns: int
    address: int
    reading: bool
    data: bytes
    acknowledged: int
    stop: bool = True
    bytes_ns: tuple[int, ...] = ()


class SpiBytes(NamedTuple):
    """Bytes clocked one directly after the other, in mode 1, most significant bit first."""

    t_ns: int
    bit_ns: int
    mosi: bytes
    miso: bytes


class UsbPacket(NamedTuple):
    """Bytes of the USB serial port that passed together."""

    t_ns: int
    to_host: bool
    data: bytes


class BusLevel(NamedTuple):
    """A line that somebody holds, outside any transfer: CS; SCL and SDA of a bus that is freed."""

    t_ns: int
    line: str
    level: int


Traffic = I2cMessage | SpiBytes | UsbPacket | BusLevel

LineChange = tuple[int, str, int]
"""Time in ns, line, level."""


def end_ns(event: Traffic) -> int:
    """When it was over on its lines."""
    if isinstance(event, I2cMessage):
        if event.bytes_ns:
            return event.bytes_ns[-1] + 10 * event.bit_ns
        return event.t_ns + (11 + 9 * len(event.data)) * event.bit_ns
    if isinstance(event, SpiBytes):
        return event.t_ns + 8 * event.bit_ns * len(event.mosi)
    if isinstance(event, UsbPacket):
        return event.t_ns + _USB_BITS * USB_BIT_NS * len(event.data)
    return event.t_ns


def line_changes(traffic: Iterable[Traffic]) -> list[LineChange]:
    """Every change of the lines of `IDLE` by this traffic, in the order of their times."""
    drawn: list[LineChange] = []
    held: list[BusLevel] = []
    held_ns: dict[str, int] = {}
    i2c_free_ns = 0
    usb_free_ns = {True: 0, False: 0}
    for event in sorted(traffic, key=lambda event: event.t_ns):
        if isinstance(event, I2cMessage):
            changes = list(_i2c(event, max(event.t_ns, i2c_free_ns)))
            i2c_free_ns = changes[-1][0] + event.bit_ns // 4
            drawn += changes
        elif isinstance(event, SpiBytes):
            drawn += _spi(event)
        elif isinstance(event, UsbPacket):
            start_ns = max(event.t_ns, usb_free_ns[event.to_host])
            line = "USB_TO_HOST" if event.to_host else "USB_TO_DEVICE"
            drawn += _serial(start_ns, line, event.data)
            usb_free_ns[event.to_host] = start_ns + _USB_BITS * USB_BIT_NS * len(event.data)
        else:
            at_ns = max(event.t_ns, held_ns.get(event.line, 0) + _SHORTEST_NS)
            held_ns[event.line] = at_ns
            held.append(event._replace(t_ns=at_ns))
    return list(_wired(sorted([*drawn, *held], key=lambda change: change[0])))


def _wired(changes: Iterable[LineChange | BusLevel]) -> Iterator[LineChange]:
    """SCL and SDA are low while anyone pulls them down; what changes nothing is left out."""
    by_bus, by_other, now = dict(IDLE), dict(IDLE), dict(IDLE)
    for change in changes:
        t_ns, line, level = change
        (by_other if isinstance(change, BusLevel) else by_bus)[line] = level
        if line in I2C_IDLE:
            level = by_bus[line] & by_other[line]
        if now[line] != level:
            now[line] = level
            yield t_ns, line, level


def _i2c(message: I2cMessage, t_ns: int) -> Iterator[LineChange]:
    bit_ns = message.bit_ns
    # Start: a bit's time, in which SDA falls while SCL is high. Both rise first, if it is repeated.
    yield t_ns, "SDA", 1
    yield t_ns + bit_ns // 4, "SCL", 1
    yield t_ns + bit_ns // 2, "SDA", 0
    t_ns += bit_ns
    taken = message.acknowledged
    yield from _i2c_byte(t_ns, bit_ns, message.address << 1 | message.reading, taken > 0)
    t_ns += 9 * bit_ns
    last = len(message.data) - 1
    for i, byte in enumerate(message.data):
        if message.bytes_ns:
            t_ns = max(t_ns, message.bytes_ns[i])
        # The reader acknowledges all but the last byte.
        good = i < last if message.reading else i + 1 < taken
        yield from _i2c_byte(t_ns, bit_ns, byte, good)
        t_ns += 9 * bit_ns
    yield t_ns, "SCL", 0
    yield t_ns + bit_ns // 8, "SDA", 0 if message.stop else 1
    if message.stop:
        yield t_ns + bit_ns // 2, "SCL", 1
        yield t_ns + 3 * bit_ns // 4, "SDA", 1


def _i2c_byte(t_ns: int, bit_ns: int, byte: int, acknowledged: bool) -> Iterator[LineChange]:
    bits = byte << 1 | (not acknowledged)
    for i in range(8, -1, -1):
        yield t_ns, "SCL", 0
        yield t_ns + bit_ns // 8, "SDA", bits >> i & 1
        yield t_ns + bit_ns // 2, "SCL", 1
        t_ns += bit_ns
    yield t_ns, "SCL", 0  # until the next byte, however late it comes


def _spi(event: SpiBytes) -> Iterator[LineChange]:
    """Mode 1: both sides put a bit out as SCK rises, and take it as it falls."""
    t_ns, bit_ns = event.t_ns, event.bit_ns
    for mosi, miso in zip(event.mosi, event.miso, strict=True):
        for i in range(7, -1, -1):
            yield t_ns + bit_ns // 4, "SCK", 1
            yield t_ns + bit_ns // 4, "MOSI", mosi >> i & 1
            yield t_ns + bit_ns // 4, "MISO", miso >> i & 1
            yield t_ns + 3 * bit_ns // 4, "SCK", 0
            t_ns += bit_ns


def _serial(t_ns: int, line: str, data: bytes) -> Iterator[LineChange]:
    for byte in data:
        bits = 1 << 9 | byte << 1  # start bit, least significant first, stop bit
        for i in range(_USB_BITS):
            yield t_ns + i * USB_BIT_NS, line, bits >> i & 1
        t_ns += _USB_BITS * USB_BIT_NS
