"""USB CDC: the serial port of the board, with the host's end of it.

May import: hw_sim.world.{clock,bus_traffic} and hw_sim.fakes.errors. Source:
ports/rp2/mphalport.c and shared/runtime/sys_stdio_mphal.c of MicroPython 1.23, TinyUSB's CDC class.

The device side has a receive ring of 512 bytes (511 of them usable) and a transmit FIFO of 256.
What does not fit the ring waits at the host. A write waits for space in steps of up to 64 bytes,
500 ms at most, and drops the rest. With no host attached a write is lost at once.

Rates are those measured on the emulated chip: 220 kB/s to the host; to the device one packet of
64 bytes every 64 µs. Not modelled: single packets on the wire, suspend, line coding, DTR bootloader
tricks; what the device has written is at the host immediately, only the FIFO empties in time.
"""

from __future__ import annotations

from collections.abc import Callable

from hw_sim.world.bus_traffic import Traffic, UsbPacket
from hw_sim.world.clock import Clock

RING_BYTES = 511
FIFO_BYTES = 256
PACKET_BYTES = 64
OUT_PACKET_NS = 64_000
NS_PER_BYTE_IN = 4_545  # 220 kB/s
TX_TIMEOUT_NS = 500_000_000
ENUMERATION_NS = 15_000_000

_FULL_NS = (FIFO_BYTES - 1) * NS_PER_BYTE_IN  # of sending; with more than that there is no space

CTRL_C = 3
_NEVER_NS = 1 << 62


class UsbCdc:
    """One serial port. The upper half is the host's, the lower half the chip's.

    `opened`: a program on the host has the port open. `reading`: that program (or the host's
    driver) takes what comes; false lets the device's FIFO fill up. `resets` counts how often the
    port has vanished because the device was reset or lost its power.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.opened = True
        self.reading = True
        self.resets = 0
        self.received = bytearray()  # at the host
        self.dropped_bytes = 0
        self._waiting = bytearray()  # at the host, for the device
        self._next_packet_ns = 0
        self._ring = bytearray()
        self._held = bytearray()  # in the device's FIFO, when the host does not read
        self._drained_ns = 0  # when the FIFO will be empty, when the host reads
        self._enumerated_ns = _NEVER_NS  # when the host has seen it; never: the chip is off
        self.interrupt_char = -1
        self.on_interrupt: Callable[[], None] | None = None
        self.taps: list[Callable[[Traffic], None]] = []  # the wiring's `bus_taps`

    # -- the host

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device. They wait here until it takes them; lost when it is off."""
        if self._enumerated_ns == _NEVER_NS:
            return
        if not self._waiting:
            self._next_packet_ns = max(self._next_packet_ns, self.clock.now_ns)
        self._waiting += data

    def host_read(self) -> bytes:
        """Everything that has come from the device."""
        if self.reading and self._held:
            self.received += self._held
            self._held.clear()
        data = bytes(self.received)
        self.received.clear()
        return data

    @property
    def host_waiting(self) -> int:
        """Bytes that the device has not taken yet."""
        return len(self._waiting)

    # -- the chip

    def plug(self) -> None:
        """The chip has started: the host sees it after the enumeration."""
        self._enumerated_ns = self.clock.now_ns + ENUMERATION_NS
        self.interrupt_char = CTRL_C

    def unplug(self) -> None:
        """The chip is in reset or without power: whatever was under way is lost."""
        if self._enumerated_ns != _NEVER_NS:
            self.resets += 1
        self._enumerated_ns = _NEVER_NS
        self._waiting.clear()
        self._ring.clear()
        self._held.clear()
        self._drained_ns = 0

    @property
    def connected(self) -> bool:
        """The device is enumerated and a host has the port open."""
        return self.opened and self.clock.now_ns >= self._enumerated_ns

    def readable(self) -> bool:
        """There is a byte to read."""
        if self._waiting:
            self._take()
        return bool(self._ring)

    def _take(self) -> None:
        now_ns = self.clock.now_ns
        ring, waiting = self._ring, self._waiting
        while waiting and self._next_packet_ns <= now_ns and self.connected:
            space = RING_BYTES - len(ring)
            if space <= 0:
                return
            n = min(space, PACKET_BYTES, len(waiting))
            packet = waiting[:n]
            del waiting[:n]
            if self.taps:
                self._passed(self._next_packet_ns, False, packet)
            self._next_packet_ns += OUT_PACKET_NS
            if self.interrupt_char >= 0 and self.interrupt_char in packet:
                for byte in packet:
                    if byte != self.interrupt_char:
                        ring.append(byte)
                    elif self.on_interrupt is not None:
                        self.on_interrupt()
            else:
                ring += packet
        # A packet is sent when there is space for it, not all that waited together.
        if self._next_packet_ns < now_ns - OUT_PACKET_NS:
            self._next_packet_ns = now_ns

    def read(self, n: int) -> bytes:
        """Up to `n` bytes that are there."""
        if self._waiting:
            self._take()
        ring = self._ring
        data = bytes(ring[:n])
        del ring[:n]
        return data

    def space(self) -> int:
        """Free bytes in the transmit FIFO."""
        if not self.reading:
            return FIFO_BYTES - len(self._held)
        if self._held:
            self.received += self._held
            self._held.clear()
        left_ns = self._drained_ns - self.clock.now_ns
        if left_ns <= 0:
            return FIFO_BYTES
        return FIFO_BYTES - -(-left_ns // NS_PER_BYTE_IN)

    def idle(self) -> bool:
        """Nothing in the transmit FIFO or the endpoint waits for the host."""
        return self.space() == FIFO_BYTES

    def writable(self) -> bool:
        """POLLOUT: a host is connected, and there is space."""
        now_ns = self.clock.now_ns
        if not self.opened or now_ns < self._enumerated_ns:
            return False
        if self.reading and not self._held:
            return self._drained_ns - now_ns <= _FULL_NS
        return self.space() > 0

    def write(self, data: bytes, wait_until: Callable[[int], None]) -> int:
        """Write, waiting in virtual time for space; the number of bytes taken."""
        length = len(data)
        if not self.connected:
            self.dropped_bytes += length
            return 0
        at = 0
        while at < length:
            n = length - at
            if n > PACKET_BYTES:
                n = PACKET_BYTES
            if self.space() < n and not self._space_for(n, wait_until):
                self.dropped_bytes += length - at
                return at
            chunk = data[at : at + n]
            if self.taps:
                self._passed(max(self.clock.now_ns, self._drained_ns), True, chunk)
            if self.reading:
                self.received += chunk
                from_ns = self.clock.now_ns
                if from_ns < self._drained_ns:
                    from_ns = self._drained_ns
                self._drained_ns = from_ns + n * NS_PER_BYTE_IN
            else:
                self._held += chunk
            at += n
        return at

    def _passed(self, t_ns: int, to_host: bool, data: bytes | bytearray) -> None:
        packet = UsbPacket(t_ns, to_host, bytes(data))
        for fn in self.taps:
            fn(packet)

    def _space_for(self, n: int, wait_until: Callable[[int], None]) -> bool:
        """Wait for space for `n` bytes. False: there was none for too long."""
        give_up_ns = self.clock.now_ns + TX_TIMEOUT_NS
        while (space := self.space()) < n:
            now_ns = self.clock.now_ns
            if now_ns >= give_up_ns:
                return False
            wait_ns = (n - space) * NS_PER_BYTE_IN if self.reading else 1_000_000
            wait_until(min(now_ns + wait_ns, give_up_ns))
        return True
