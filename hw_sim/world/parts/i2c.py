"""What an I2C part looks like to a bus. Imports the standard library only.

A bus works either byte by byte (`start`, `write_byte`, `read_byte`, `stop`: the emulated chip) or
a whole message at a time (`write`, `read`: the fake chip). Both run on the same state.
"""

from __future__ import annotations

from typing import Protocol


class I2cPart(Protocol):
    """A part that answers at one address. `present` False: the address is not acknowledged.

    `fastest_hz`: the clock that its data sheet allows.
    """

    present: bool
    fastest_hz: int

    def start(self) -> None: ...

    def restart(self) -> None: ...

    def write_byte(self, byte: int) -> bool: ...

    def read_byte(self) -> int: ...

    def stop(self) -> None: ...

    def write(self, data: bytes | bytearray | memoryview, stop: bool = True) -> int: ...

    def read(self, n: int) -> bytes: ...


class I2cBase:
    """Whole messages made of single bytes, for parts where speed does not matter."""

    fastest_hz = 400_000

    def __init__(self) -> None:
        self.present = True
        self._held = False  # a whole message ended without a stop condition

    def start(self) -> None:
        """A start condition addressed to this part."""

    def restart(self) -> None:
        """A repeated start addressed to it: for most parts the same as a stop and a start."""
        self.stop()
        self.start()

    def write_byte(self, byte: int) -> bool:
        """One byte to the part; True = acknowledged."""
        raise NotImplementedError

    def read_byte(self) -> int:
        """One byte from the part."""
        raise NotImplementedError

    def stop(self) -> None:
        """The stop condition."""

    def _begin(self) -> None:
        if self._held:
            self._held = False
            self.restart()
        else:
            self.start()

    def write(self, data: bytes | bytearray | memoryview, stop: bool = True) -> int:
        """A whole write message; the number of bytes acknowledged.

        Without `stop` the bus is held, and the next message begins with a repeated start.
        """
        self._begin()
        count = 0
        for byte in data:
            if not self.write_byte(byte):
                break
            count += 1
        self._held = not stop and count == len(data)
        if not self._held:
            self.stop()
        return count

    def read(self, n: int) -> bytes:
        """A whole read message of `n` bytes."""
        self._begin()
        data = bytes(self.read_byte() for _ in range(n))
        self.stop()
        return data
