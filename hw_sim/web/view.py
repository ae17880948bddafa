"""Display state of a bench, current and over time. Independent of threads and of the browser.

May import the standard library and `hw_sim.world.wiring`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from hw_sim.world.wiring import Wiring

SAMPLES = 3000
"""Ten minutes of the bench's time, one sample every 200 ms."""

COLUMNS = ("t_s", "nozzle_c", "dewar_mbar", "level_permille", "coil_ma", "flow_g_s", "valve")
"""Columns of a sample. Bits of `valve`: 1 GATE, 2 SUPPLY, 4 valve open, 8 liquid."""

SCREEN_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of the plant. Temperatures in °C, gauge pressure in mbar."""

    nozzle_c: float = 0.0
    dewar_mbar: float = 0.0
    level_permille: float = 0.0
    coil_ma: float = 0.0
    flow_g_s: float = 0.0
    gate: bool = False
    supply: bool = False
    valve_open: bool = False
    liquid: bool = False
    """The output of the nozzle is mostly liquid."""


@dataclass(frozen=True, slots=True)
class View:
    """Immutable display state; replaced on every change."""

    session: int = 0
    """Number of the device; incremented for each new one."""
    t_ms: float = 0.0
    speed: float = 1.0
    requested: float = 1.0
    """The active target speed: `speed`, limited to real time while the operator acts."""
    reached: float = 0.0
    """Measured speed: seconds of the bench's time in the last second."""
    paused: bool = False
    powered: bool = False
    state: str = "OFF"
    """The state that the device last reported over the link; OFF without power."""
    held: frozenset[str] = frozenset()
    estop_open: bool = False
    aimed_away: bool = False
    """The nozzle points away from the skin."""
    mishaps: frozenset[str] = frozenset()
    pixels: bytes = bytes(SCREEN_BYTES)
    """The screen's pixels, page by page as in its memory: bit 0 of a byte is the upper pixel."""
    brightness: float = 0.0
    """Brightness of the screen, 0 (dark) to 1."""
    lamps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Green, yellow, red, 0…1."""
    tone_hz: int = 0
    volume: float = 0.0
    """Volume of the tone, 0…1, from the duty of the sounder's drive."""
    plant: Readings = Readings()
    openings: int = 0
    closings: int = 0
    opened_ms: float = 0.0
    """High time of the gate in the last or current opening."""
    steps: int = 0
    """Number of steps in the recording."""
    recording_full: bool = False
    """The recording has ended because it is full."""
    replaying: bool = False
    replayed_ms: float = 0.0
    """End of the replay."""
    host: str = ""
    """Name of the attached host; empty if none."""
    error: str = ""
    """Why the device no longer runs."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the log of the page shows."""

    number: int
    t_ms: float
    kind: str
    """state, fault, device (its other events), hand, mishap (an injected fault), bench"""
    words: str


class History:
    """Ring buffer of the last `SAMPLES` samples."""

    def __init__(self) -> None:
        self.width = len(COLUMNS)
        self._ring = array("f", bytes(4 * self.width * SAMPLES))
        self.taken = 0
        """Total number of samples; the number of the next one."""

    def add(self, row: tuple[float, ...]) -> None:
        at = self.taken % SAMPLES * self.width
        self._ring[at : at + self.width] = array("f", row)
        self.taken += 1

    def since(self, number: int) -> tuple[int, bytes]:
        """The stored samples from `number` on: number of the first one, and their floats."""
        first = max(number, self.taken - SAMPLES, 0)
        if first >= self.taken:
            return self.taken, b""
        a, b = first % SAMPLES, self.taken % SAMPLES
        ring, width = self._ring, self.width
        if a < b:
            return first, ring[a * width : b * width].tobytes()
        return first, ring[a * width :].tobytes() + ring[: b * width].tobytes()


def dots(wiring: Wiring) -> bytes:
    """The visible pixels of the screen, page by page: one bit each, bit 0 on top."""
    screen = wiring.screen
    if not screen.lit:
        return bytes(SCREEN_BYTES)
    upright = screen.segment_remap and screen.com_reversed
    if (
        upright
        and not (screen.inverted or screen.all_on or screen.start_line or screen.offset)
        and screen.multiplex == 64
    ):
        return bytes(screen.ram)
    pixels = screen.pixels()
    out = bytearray(SCREEN_BYTES)
    for y in range(64):
        base, bit = (y >> 3) * 128, 1 << (y & 7)
        for x in range(128):
            if pixels[y * 128 + x]:
                out[base + x] |= bit
    return bytes(out)
