"""The fast bench: the unchanged firmware, from main.py on, under CPython in virtual time.

The processor is the fake chip of `hw_sim.fakes`. Two runs of the same scenario are identical to
the byte.

May import the standard library, `hw_sim.world`, `hw_sim.fakes`, `hw_sim.image.flash`, `calibrated`
and `protocol`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from hw_sim.bench import calibrated as commissioned
from hw_sim.bench.protocol import FIRMWARE, NS_PER_MS, SimulatedBench
from hw_sim.fakes.chip import PICO, Chip
from hw_sim.fakes.loader import Loader
from hw_sim.image import micropython
from hw_sim.image.flash import Filesystem, SimFlash
from hw_sim.world.clock import Clock
from hw_sim.world.plant import Plant, PlantParams
from hw_sim.world.trace import Trace
from hw_sim.world.wiring import Wiring


def _board_files(folder: Path) -> dict[str, str]:
    """Files of the board: name there, and path on the host."""
    root = os.path.join(folder, "")
    return {
        path.removeprefix(root).replace(os.sep, "/"): path
        for where, _folders, names in os.walk(root)
        for path in (os.path.join(where, name) for name in names)
        if path.endswith((".py", *micropython.DATA_SUFFIXES))
    }


def _installed(sources: Mapping[str, str], calibrated: bool) -> SimFlash:
    """A new flash with these files (name there, path on the host), and calibrated tables."""
    flash = SimFlash()
    content = {name: Path(path).read_bytes() for name, path in sources.items()}
    Filesystem(flash).write_files({**(commissioned.tables() if calibrated else {}), **content})
    return flash


@lru_cache(maxsize=4)
def _installed_before(
    files: tuple[tuple[str, str], ...], _changed: tuple[tuple[int, int], ...], calibrated: bool
) -> SimFlash:
    """`_installed`, kept: littlefs takes 40 ms to write the firmware, a copy 1 ms.

    `_changed`: time (ns) and size of each file.
    """
    return _installed(dict(files), calibrated)


def _changed(sources: Mapping[str, str]) -> tuple[tuple[int, int], ...]:
    status = [os.stat(path) for path in sources.values()]
    return tuple((entry.st_mtime_ns, entry.st_size) for entry in status)


class FastBench(SimulatedBench):
    """An applicator whose processor is simulated: quick and exact in time, not in machine code.

    `firmware_dir`: a folder as it lands on the board (main.py, cryo/…); default: the project's.
    It is written to `flash` when that is blank, or when `reflash` is true. `seed` moves the
    bounce of the buttons and the noise of the sensors. `calibrated`: on a blank flash, also tables
    as if each applicator had been calibrated on this device, as a technician leaves it; otherwise,
    as shipped, arming asks about them first (H-26). `trace`: collect every signal.
    `crashes_raise`: an uncaught exception of the firmware comes out of `run_for`. `skin_sensor`:
    the optional infrared thermometer is fitted. `board`: what `os.uname().machine` says; the last
    word is the chip, which decides where the watchdog's registers are. `wraps_after_ms`: how long
    after each start `ticks_ms` wraps (on the chip: 2^30 ms, 12.4 days); None: `wraps`, which a run
    of all scenarios across the wrap sets.
    """

    wraps: int | None = None
    """`wraps_after_ms` of every bench that is not given its own."""

    capabilities = frozenset(
        {"edges", "hang", "mishaps", "plant", "power", "screen", "time", "trace"}
    )

    def __init__(
        self,
        firmware_dir: Path | None = None,
        *,
        flash: SimFlash | None = None,
        seed: int = 1,
        plant: PlantParams | None = None,
        noise_lsb: float = 1.0,
        trace: bool = False,
        reflash: bool = False,
        crashes_raise: bool = True,
        unique_id: bytes = bytes.fromhex("e661640843275b2c"),
        skin_sensor: bool = False,
        board: str = PICO,
        wraps_after_ms: int | None = None,
        calibrated: bool = True,
    ) -> None:
        self.firmware_dir = FIRMWARE if firmware_dir is None else firmware_dir
        self.clock = Clock()
        self.plant = Plant(plant) if plant is not None else Plant()
        self.wiring = Wiring(
            self.clock, self.plant, seed=seed, noise_lsb=noise_lsb, skin_sensor=skin_sensor
        )
        if "Pico W" in board:
            self.wiring.vsys_pin = 25  # Pico W data sheet 2.1
        self.wiring.power(False)
        sources = _board_files(self.firmware_dir)
        self.flash = SimFlash() if flash is None else flash
        self.flash.health = self.wiring.flash
        if self.flash.blank:
            # Another folder is a test's, whose files may change twice within the clock's 4 ms.
            self.flash.become(
                _installed_before(tuple(sources.items()), _changed(sources), calibrated)
                if firmware_dir is None
                else _installed(sources, calibrated)
            )
        elif reflash:
            self.write_files({name: Path(path).read_bytes() for name, path in sources.items()})
        self.chip = Chip(
            self.clock,
            self.wiring,
            self.flash,
            load=Loader,
            sources=sources,
            crashes_raise=crashes_raise,
            unique_id=unique_id,
            board=board,
            wraps_after_ms=self.wraps if wraps_after_ms is None else wraps_after_ms,
        )
        self.usb = self.chip.usb
        self.usb.taps = self.wiring.bus_taps
        self.wiring.on_supply = self._supply
        self.trace: Trace | None = Trace(self.wiring, buses=True) if trace else None
        super().__init__(self.wiring, self.chip.run_to)

    # -- supply and time ----------------------------------------------------------------------

    def power_on(self) -> None:
        """Supply on; the chip begins to boot. Idempotent."""
        self.chip.power_on()

    def cut_power(self) -> None:
        """Supply gone, at once. Only the flash (and the clock chip's battery) remain."""
        self.chip.power_off()
        self._line.clear()

    def _supply(self, on: bool) -> None:
        """The board's supply goes or returns by itself, as in a brown-out."""
        if on:
            self.power_on()
        else:
            self.cut_power()

    def hang(self, ms: float) -> None:
        """Stop the processor for `ms` the next time the firmware waits, as a runaway loop would.

        PIO and watchdog go on.
        """
        boot = self.chip.boot
        if boot is not None:
            boot.hang_until_ns = self.clock.now_ns + round(ms * NS_PER_MS)

    # -- files --------------------------------------------------------------------------------

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Put files on the board's flash, as a programmer would, in no virtual time."""
        Filesystem(self.flash).write_files(files)
        self.flash.busy_ns = 0

    def files(self) -> dict[str, bytes]:
        """All files on the board."""
        filesystem = Filesystem(SimFlash(self.flash.image()))
        return {
            path.lstrip("/"): filesystem.read_file(path) for path, _size in list(filesystem.files())
        }

    # -- link

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device; what it does not take yet waits at the host."""
        self.usb.host_write(data)

    def host_read(self) -> bytes:
        """Unread bytes from the device, those of `ask` and `events` included."""
        return self.usb.host_read()

    @property
    def host_connected(self) -> bool:
        """The device has been enumerated."""
        return self.usb.connected

    @property
    def host_unsent(self) -> int:
        """Bytes that were written and that the device has not taken yet."""
        return self.usb.host_waiting
