"""`sim://` for pyserial: a fast bench behind a serial port.

May import: the standard library, pyserial and `hw_sim.bench`. pyserial finds this module once
`serial.protocol_handler_packages` has `"hw_sim"` in it. Everything happens in virtual time: it
moves while a program reads or writes, and a time-out is one of virtual time too.

    sim://[?flash=FILE&operator=confirm|reject|none&seed=N&firmware=FOLDER&boot_ms=N]

`flash`: the board's flash is kept in that file, so that settings and journal outlive the program.
`operator`: the operator at the device, who on request holds SELECT (`confirm`, the default),
presses UP (`reject`), or is not there (`none`). `boot_ms`: how long the device has been on when
the port opens (default 1000). Not modelled: baud rate and control lines, which USB CDC ignores;
two programs on one port.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from serial.serialutil import (
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
)

from hw_sim.bench import FastBench
from hw_sim.fakes.errors import BenchError
from hw_sim.image.flash import SimFlash

NS_PER_S = 1_000_000_000
STEP_NS = 1_000_000
REACTION_NS = 400_000_000
HOLD_NS = 1_300_000_000
_OPTIONS = {"flash", "operator", "seed", "firmware", "boot_ms"}
_ASKS = b'"applied":false'
_READ_S = re.compile(rb'"read_s":(\d+)')


class Serial(SerialBase):
    """A serial port with a simulated device on it. `bench` is the device, for its caller."""

    bench: FastBench

    def open(self) -> None:
        """Make a device and switch it on. SerialException: the URL or the firmware is wrong."""
        if self.is_open:
            raise SerialException("Port is already open.")
        options = _options(str(self.portstr))
        self._flash_file = Path(options["flash"]) if "flash" in options else None
        self._operator = options.get("operator", "confirm")
        if self._operator not in ("confirm", "reject", "none"):
            raise SerialException("sim://: operator is confirm, reject or none")
        firmware = Path(options["firmware"]) if "firmware" in options else None
        try:
            seed = int(options.get("seed", "1"))
            boot_ms = int(options.get("boot_ms", "1000"))
            flash = SimFlash.load(self._flash_file) if self._flash_file else None
        except ValueError as error:
            raise SerialException(f"sim://: {error}") from None
        self.bench = FastBench(firmware, flash=flash, seed=seed, calibrated=False)
        self._buffer = bytearray()
        self._tail = b""
        self.bench.power_on()
        self.is_open = True
        try:
            self._run(boot_ms * STEP_NS)
        except SerialException:
            self.is_open = False
            raise
        self._resets = self.bench.usb.resets

    def close(self) -> None:
        """Switch the device off; its flash is saved if the URL named a file."""
        if not self.is_open:
            return
        self.is_open = False
        self.bench.cut_power()
        if self._flash_file is not None:
            self.bench.flash.save(self._flash_file)

    def _reconfigure_port(self) -> None:
        """Nothing of it matters to USB CDC."""

    # -- time

    def _run(self, ns: int) -> None:
        bench = self.bench
        try:
            bench.chip.run_to(bench.clock.now_ns + ns)
        except BenchError as error:
            raise SerialException(f"the simulated device has failed: {error}") from error
        data = bench.usb.host_read()
        if data:
            self._buffer += data
            if self._operator != "none":
                self._watch(data)

    def _check(self) -> None:
        if not self.is_open:
            raise PortNotOpenError()
        if self.bench.usb.resets != self._resets:
            raise SerialException("the device has disconnected (it was reset)")

    def _watch(self, data: bytes) -> None:
        """The operator: sees on the screen that the device asks, and answers."""
        seen = self._tail + data
        at = seen.find(_ASKS)
        if at >= 0:
            self._tail = seen
            if b"\n" not in seen[at:]:
                return  # the reply has not come whole
            self._tail = b""
            shown = _READ_S.search(seen)  # the device shows several pages before it takes SELECT
            read_ns = int(shown[1]) * NS_PER_S if shown else 0
            name = "select" if self._operator == "confirm" else "up"
            button = self.bench.wiring.buttons[name]
            self.bench.clock.call_after(read_ns + REACTION_NS, button.press)
            self.bench.clock.call_after(read_ns + REACTION_NS + HOLD_NS, button.release)
        else:
            self._tail = seen[-len(_ASKS) :]

    def _wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Let virtual time pass until `done`. False: the time-out was first."""
        clock = self.bench.clock
        end_ns = None if timeout_s is None else clock.now_ns + round(timeout_s * NS_PER_S)
        while not done():
            self._check()
            left_ns = STEP_NS if end_ns is None else min(STEP_NS, end_ns - clock.now_ns)
            if left_ns <= 0:
                return False
            self._run(left_ns)
        return True

    # -- pyserial's interface

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        self._check()
        return len(self._buffer)

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes; fewer when the time-out, in virtual time, is over."""
        self._check()
        buffer = self._buffer
        self._wait(lambda: len(buffer) >= size, self.timeout)
        data = bytes(buffer[:size])
        del buffer[:size]
        return data

    def write(self, b: Any, /) -> int:
        """Send bytes. SerialTimeoutException: the device has not taken them in time."""
        self._check()
        data = bytes(b)
        usb = self.bench.usb
        usb.host_write(data)
        if not self._wait(lambda: usb.host_waiting == 0, self.write_timeout):
            raise SerialTimeoutException("Write timeout")
        return len(data)

    def flush(self) -> None:
        """Everything written has been taken by the device already."""

    def reset_input_buffer(self) -> None:
        """Forget what has come and was not read."""
        self._check()
        self._buffer.clear()

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""

    def cancel_read(self) -> None:
        """A read does not block: its time is virtual."""

    def _update_dtr_state(self) -> None: ...
    def _update_rts_state(self) -> None: ...
    def _update_break_state(self) -> None: ...


def _options(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.scheme != "sim" or parts.netloc or parts.path:
        raise SerialException(f"{url}: expected sim://[?option=value&...]")
    options: dict[str, str] = {}
    for name, values in parse_qs(parts.query, keep_blank_values=True).items():
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise SerialException(f"sim://: no option {name} (there are: {known})")
        options[name] = values[-1]
    return options
