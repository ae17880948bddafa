"""Framing of the link's lines: `<JSON>*<CRC-32, 8 hex digits>\\n`.

Pure; imports nothing, because the host uses this file too.
Controls: H-12 (a damaged or overlong line is dropped and counted, never partly used).

The device checks the CRC byte by byte as a line arrives, in two 16-bit halves: MicroPython's
small integers have 31 bits, and a 32-bit CRC would allocate, which is not allowed during a freeze.
"""

MAX_REQUEST = 512  # bytes to the device, newline included
MAX_LINE = 2048  # bytes from the device, newline included
TAIL = 9  # "*" and eight hex digits

NOTHING = 0  # LineIn.feed: the line is not complete
LINE = 1  # a valid line is in the buffer
DROPPED = 2  # a line ended that was not valid

_STAR = 42
_NEWLINE = 10
_HEX = b"0123456789abcdef"

# CRC-32 (reflected, polynomial 0xEDB88320) of the sixteen nibbles, high and low halves.
_NIBBLE_HI = (
    0x0000, 0x1DB7, 0x3B6E, 0x26D9, 0x76DC, 0x6B6B, 0x4DB2, 0x5005,
    0xEDB8, 0xF00F, 0xD6D6, 0xCB61, 0x9B64, 0x86D3, 0xA00A, 0xBDBD,
)  # fmt: skip
_NIBBLE_LO = (
    0x0000, 0x1064, 0x20C8, 0x30AC, 0x4190, 0x51F4, 0x6158, 0x713C,
    0x8320, 0x9344, 0xA3E8, 0xB38C, 0xC2B0, 0xD2D4, 0xE278, 0xF21C,
)  # fmt: skip


class Crc32:
    """CRC-32 as two 16-bit halves, without allocation."""

    def __init__(self):
        self.hi = 0xFFFF
        self.lo = 0xFFFF

    def reset(self):
        """Start a new CRC."""
        self.hi = 0xFFFF
        self.lo = 0xFFFF

    def update(self, byte):
        """Add one byte, a nibble at a time: a table of all bytes would take 1 kB of the heap."""
        lo = self.lo
        hi = self.hi
        index = (lo ^ byte) & 15
        lo = ((lo >> 4) | ((hi & 15) << 12)) ^ _NIBBLE_LO[index]
        hi = (hi >> 4) ^ _NIBBLE_HI[index]
        index = (lo ^ (byte >> 4)) & 15
        self.lo = ((lo >> 4) | ((hi & 15) << 12)) ^ _NIBBLE_LO[index]
        self.hi = (hi >> 4) ^ _NIBBLE_HI[index]


def hex_value(digit):
    """Value of an ASCII hex digit (a byte), or -1."""
    if 48 <= digit <= 57:
        return digit - 48
    if 97 <= digit <= 102:
        return digit - 87
    if 65 <= digit <= 70:
        return digit - 55
    return -1


class LineIn:
    """Collects the bytes of one line in a preallocated buffer.

    After `feed` returned LINE, `buffer[:length]` is the JSON text, until the next `feed`.
    """

    def __init__(self):
        self.buffer = bytearray(MAX_REQUEST)
        self.length = 0
        self.dropped = 0
        self._count = 0
        self._too_long = False
        self._crc = Crc32()

    def feed(self, byte):
        """Take one byte; return NOTHING, LINE or DROPPED."""
        if byte != _NEWLINE:
            count = self._count
            if count >= MAX_REQUEST - 1:
                self._too_long = True
                return NOTHING
            self.buffer[count] = byte
            if count >= TAIL:
                self._crc.update(self.buffer[count - TAIL])
            self._count = count + 1
            return NOTHING
        count = self._count
        valid = not self._too_long and count > TAIL and self._matches(count)
        self._count = 0
        self._too_long = False
        self._crc.reset()
        if valid:
            self.length = count - TAIL
            return LINE
        self.length = 0
        self.dropped += 1
        return DROPPED

    def _matches(self, count):
        buffer = self.buffer
        if buffer[count - TAIL] != _STAR:
            return False
        hi = self._crc.hi ^ 0xFFFF
        lo = self._crc.lo ^ 0xFFFF
        for i in range(4):
            shift = 12 - 4 * i
            if hex_value(buffer[count - 8 + i]) != (hi >> shift) & 15:
                return False
            if hex_value(buffer[count - 4 + i]) != (lo >> shift) & 15:
                return False
        return True


def close_line(buffer, length, crc):
    """Append tail and newline to `length` bytes of JSON in `buffer`; return the new length.

    Does not allocate: used for the short replies during a freeze. `crc` is a Crc32 over those
    bytes; `buffer` must have 10 more bytes.
    """
    hi = crc.hi ^ 0xFFFF
    lo = crc.lo ^ 0xFFFF
    buffer[length] = _STAR
    for i in range(4):
        shift = 12 - 4 * i
        buffer[length + 1 + i] = _HEX[(hi >> shift) & 15]
        buffer[length + 5 + i] = _HEX[(lo >> shift) & 15]
    buffer[length + 9] = _NEWLINE
    return length + 10


def encode(payload, crc):
    """A complete line from JSON bytes and their CRC-32 (an integer computed by the caller)."""
    return payload + b"*%08x\n" % crc
