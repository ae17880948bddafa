"""What there is to see of a bench, at one moment and over time. Knows no thread and no browser.

May import the standard library and `hw_sim.world.wiring`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from hw_sim.world.wiring import Wiring

SAMPLES = 3000
"""Ten minutes of the bench's time, at one every 200 ms."""

COLUMNS = ("t_s", "nozzle_c", "dewar_mbar", "level_permille", "coil_ma", "flow_g_s", "valve")
"""Of a sample. `valve` is bits: 1 GATE, 2 SUPPLY, 4 the valve is open, 8 what comes is liquid."""

GLASS_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Readings:
    """The plant, at one moment. Temperatures in °C, pressure in mbar over the room's."""

    nozzle_c: float = 0.0
    dewar_mbar: float = 0.0
    level_permille: float = 0.0
    coil_ma: float = 0.0
    flow_g_s: float = 0.0
    gate: bool = False
    supply: bool = False
    valve_open: bool = False
    liquid: bool = False
    """What leaves the nozzle is mostly liquid."""


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see; never changed, always replaced."""

    session: int = 0
    """Counts the devices: another one, another number."""
    t_ms: float = 0.0
    speed: float = 1.0
    wanted: float = 1.0
    """The speed that holds now: `speed`, or life's while somebody works at more than that."""
    reached: float = 0.0
    """How many seconds of the bench's time really passed in the last second."""
    paused: bool = False
    powered: bool = False
    state: str = "OFF"
    """What the device last told over the link; OFF without power."""
    held: frozenset[str] = frozenset()
    estop_open: bool = False
    aimed_away: bool = False
    """The nozzle points away from the skin."""
    mishaps: frozenset[str] = frozenset()
    glass: bytes = bytes(GLASS_BYTES)
    """The screen's dots, page by page as in its memory: bit 0 of a byte is the upper dot."""
    brightness: float = 0.0
    """Of the screen, 0 (dark) to 1."""
    lamps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Green, yellow, red, 0…1."""
    tone_hz: int = 0
    volume: float = 0.0
    """Of the tone, 0…1, after the duty of the sounder's drive."""
    plant: Readings = Readings()
    openings: int = 0
    opened_ms: float = 0.0
    """How long the gate was high, the last time (or until now)."""
    steps: int = 0
    """So many are in the recording."""
    recording_full: bool = False
    """Nothing more is recorded."""
    replaying: bool = False
    replayed_ms: float = 0.0
    """Where the replay ends."""
    host: str = ""
    """Who has the port; empty: nobody."""
    error: str = ""
    """Why the device no longer runs."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the log of the page shows."""

    number: int
    t_ms: float
    kind: str
    """state, fault, device (other things it told), hand, mishap, bench"""
    words: str


class History:
    """The last `SAMPLES` readings, in one block of memory that never grows."""

    def __init__(self) -> None:
        self.width = len(COLUMNS)
        self._ring = array("f", bytes(4 * self.width * SAMPLES))
        self.taken = 0
        """How many have been taken in all; the next one's number."""

    def add(self, row: tuple[float, ...]) -> None:
        at = self.taken % SAMPLES * self.width
        self._ring[at : at + self.width] = array("f", row)
        self.taken += 1

    def since(self, number: int) -> tuple[int, bytes]:
        """All from `number` on that are still here: the first one's number, and their floats."""
        first = max(number, self.taken - SAMPLES, 0)
        if first >= self.taken:
            return self.taken, b""
        a, b = first % SAMPLES, self.taken % SAMPLES
        ring, width = self._ring, self.width
        if a < b:
            return first, ring[a * width : b * width].tobytes()
        return first, ring[a * width :].tobytes() + ring[: b * width].tobytes()


def dots(wiring: Wiring) -> bytes:
    """What the eye sees of the screen, page by page: one bit a dot, bit 0 on top."""
    screen = wiring.screen
    if not screen.lit:
        return bytes(GLASS_BYTES)
    upright = screen.segment_remap and screen.com_reversed
    if (
        upright
        and not (screen.inverted or screen.all_on or screen.start_line or screen.offset)
        and screen.multiplex == 64
    ):
        return bytes(screen.ram)
    seen = screen.pixels()
    out = bytearray(GLASS_BYTES)
    for y in range(64):
        base, bit = (y >> 3) * 128, 1 << (y & 7)
        for x in range(128):
            if seen[y * 128 + x]:
                out[base + x] |= bit
    return bytes(out)
