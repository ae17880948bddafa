"""What an I2C part looks like to a bus. Imports the standard library only.

A bus works either byte by byte (`start`, `write_byte`, `read_byte`, `stop`: the emulated chip) or
a whole message at a time (`write`, `read`: the fake chip). Both run on the same state.
"""

from __future__ import annotations

from typing import Protocol


class I2cPart(Protocol):
    """A part that answers at one address. `present` False: nobody acknowledges the address."""

    present: bool

    def start(self) -> None: ...

    def write_byte(self, byte: int) -> bool: ...

    def read_byte(self) -> int: ...

    def stop(self) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> int: ...

    def read(self, n: int) -> bytes: ...


class I2cBase:
    """Whole messages made of single bytes, for parts where speed does not matter."""

    def __init__(self) -> None:
        self.present = True

    def start(self) -> None:
        """A (repeated) start condition addressed to this part."""

    def write_byte(self, byte: int) -> bool:
        """One byte to the part; True = acknowledged."""
        raise NotImplementedError

    def read_byte(self) -> int:
        """One byte from the part."""
        raise NotImplementedError

    def stop(self) -> None:
        """The stop condition."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """A whole write message; the number of bytes acknowledged."""
        self.start()
        count = 0
        for byte in data:
            if not self.write_byte(byte):
                break
            count += 1
        self.stop()
        return count

    def read(self, n: int) -> bytes:
        """A whole read message of `n` bytes."""
        self.start()
        data = bytes(self.read_byte() for _ in range(n))
        self.stop()
        return data
