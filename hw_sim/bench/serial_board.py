"""A real board on a serial port as a bench: what can be asked of it over its link alone.

May import the standard library, pyserial and `hw_sim.bench`. There is no simulated operator, supply
or sensor, and time is the wall clock's. Anything else that a scenario requests raises
CapabilityMissing, and the scenario is skipped (tests/scenarios/conftest.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn

import serial

from hw_sim.bench import NS_PER_MS, CapabilityMissing, LinkClient, LinkTimeout

_SLICE_S = 0.02


class WallClock:
    """Time since the bench was created: monotonic only; callbacks cannot be scheduled on it."""

    def __init__(self) -> None:
        self._t0_ns = time.monotonic_ns()

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the bench was made."""
        return time.monotonic_ns() - self._t0_ns


class BoardBench(LinkClient):
    """The device at `url`: a device path, or any URL of pyserial's.

    `patience` multiplies every time-out, for a device slower than real time. serial.SerialException
    if the port cannot be opened; LinkTimeout if no Cryodose in READY answers there.
    """

    capabilities: frozenset[str] = frozenset()

    def __init__(self, url: str, *, patience: float = 1.0) -> None:
        super().__init__()
        self.url = url
        self.patience = patience
        self.clock = WallClock()
        package = __name__.removesuffix(".bench.serial_board")  # it has sim:// for pyserial
        if url.startswith("sim://") and package not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(package)
        self._port: Any = serial.serial_for_url(url, timeout=_SLICE_S)
        self._greet()

    def _greet(self) -> None:
        """End a line that another host has begun, and wait for READY."""
        self.host_write(b"\n")

        def is_ready() -> bool:
            try:
                return self.ask("hello", timeout_ms=1000)["ok"]["state"] == "READY"
            except LinkTimeout:
                return False

        if not self.run_until(is_ready, 10_000, step_ms=100):
            raise LinkTimeout(f"no device in READY answers on {self.url}")

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def host_write(self, data: bytes) -> None:
        """Send bytes."""
        self._port.write(data)

    def host_read(self) -> bytes:
        """What has come; waits up to 20 ms for a first byte."""
        data: bytes = self._port.read(1)
        return data + self._port.read(self._port.in_waiting) if data else b""

    def run_for(self, ms: float) -> None:
        """Wait, and keep what the device says meanwhile."""
        end_ns = self.clock.now_ns + round(ms * NS_PER_MS)
        while self.clock.now_ns < end_ns:
            self._receive()

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Wait until `condition()`. False when the time (on the wall) ran out."""
        end_ns = self.clock.now_ns + round(timeout_ms * self.patience * NS_PER_MS)
        while not condition():
            if self.clock.now_ns >= end_ns:
                return False
            self._receive()
        return True

    def __getattr__(self, name: str) -> NoReturn:
        raise CapabilityMissing(f"a board alone has no {name}")
