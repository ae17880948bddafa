"""The emulated bench: unchanged firmware on real MicroPython, same wiring, parts and plant.

May import the standard library and the rest of `hw_sim`; of the fast bench only what is common
to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hw_sim.bench import FIRMWARE, NS_PER_MS, SimulatedBench, calibrated as commissioned
from hw_sim.emulator.buses import Adc, I2cBus, Pwm, SpiBus
from hw_sim.emulator.chip import FS_OFFSET, PINS, UNIQUE_ID, Chip, FlashWatcher, FlashWrite
from hw_sim.emulator.usb import UsbHost
from hw_sim.image import micropython
from hw_sim.image.flash import BLOCK_BYTES, BLOCK_COUNT, Filesystem, SimFlash
from hw_sim.world.plant import Plant, PlantParams
from hw_sim.world.trace import Trace
from hw_sim.world.wiring import GATE, SUPPLY, Wiring

FS_BYTES = BLOCK_COUNT * BLOCK_BYTES
# Soldered to ground through a resistor (docs/hardware.md), so low when not driven.
_PULLED_DOWN = (GATE, SUPPLY)


class EmulatedBench(SimulatedBench):
    """An applicator whose processor runs MicroPython's own binary.

    `firmware_dir`: a folder as it lands on the board (main.py, cryo/…); default: the project's.
    `files`: what the board has instead, by path. `flash`: a file system image to start with
    instead of a fresh one. `mpy`: compile packages first, as a released board has them (compiling
    on the board takes the emulator half a minute). `trace`: collect every signal. `skin_sensor`:
    the optional infrared thermometer is fitted. `calibrated`: with neither `files` nor `flash`,
    also tables as if each applicator had been calibrated on this device, as on the fast bench.
    ImageMissing (hw_sim.image.micropython) if there is no MicroPython image.
    """

    settle_ms: float = 150  # real interpreter and flash: two records come before a new state
    capabilities = frozenset(
        {
            "edges",
            "hang",
            "mishaps",
            "plant",
            "power",
            "real_micropython",
            "screen",
            "time",
            "trace",
        }
    )

    def __init__(
        self,
        firmware_dir: Path | None = None,
        *,
        files: Mapping[str, bytes] | None = None,
        flash: bytes | None = None,
        seed: int = 1,
        mpy: bool = True,
        plant: PlantParams | None = None,
        noise_lsb: float = 1.0,
        trace: bool = False,
        fast_forward: bool = True,
        image: Path | None = None,
        unique_id: bytes = UNIQUE_ID,
        skin_sensor: bool = False,
        calibrated: bool = True,
    ) -> None:
        self.chip = Chip(fast_forward=fast_forward, unique_id=unique_id)
        self.clock = self.chip.clock
        self.plant = Plant(plant)
        self.wiring = Wiring(
            self.clock, self.plant, seed=seed, noise_lsb=noise_lsb, skin_sensor=skin_sensor
        )
        self.wiring.power(False)
        uf2 = (micropython.find_image() if image is None else image).read_bytes()
        for offset, payload in micropython.uf2_blocks(uf2):
            self.chip.load_flash(offset, payload)
        if flash is None:
            if files is None:
                files = micropython.firmware_files(firmware_dir or FIRMWARE, mpy=mpy)
                files |= commissioned.tables() if calibrated else {}
            flash = micropython.build_filesystem(dict(files))
        self.flash = flash
        self.usb = UsbHost(self.chip.rp2040.usb_ctrl)
        self.usb.connect(self.wiring)
        self.trace: Trace | None = Trace(self.wiring, buses=True) if trace else None
        super().__init__(self.wiring, self.chip.run_to)
        self._connect()

    def _connect(self) -> None:
        chip, rp2040 = self.chip, self.chip.rp2040
        self._buses = (
            *(I2cBus(rp2040.i2c[n], n, self.wiring, chip.clock) for n in (0, 1)),
            *(SpiBus(rp2040.spi[n], n, self.wiring, chip.clock) for n in (0, 1)),
        )
        self._adc = Adc(rp2040.adc, self.wiring, chip.fail)
        self._pwm = Pwm(rp2040, self.wiring, chip.fail)
        chip.on_reset = self._pwm.reset
        chip.on_power_lost = self.cut_power
        chip.listen_pins(self._pin)
        self.wiring.listen(self._input)
        for gp in range(PINS):
            self._input(gp, self.wiring.level(gp))
        for gp in _PULLED_DOWN:
            chip.put(gp, 0)

    def _input(self, gp: int, level: int | None) -> None:
        if gp not in _PULLED_DOWN:
            self.chip.put(gp, level)

    def _pin(self, gp: int, level: int | None) -> None:
        self.wiring.drive(gp, level)

    # -- supply and time ----------------------------------------------------------------------

    @property
    def flash(self) -> bytes:
        """The file system's part of the flash, as it is now."""
        return self.chip.read_flash(FS_OFFSET, FS_BYTES)

    @flash.setter
    def flash(self, image: bytes) -> None:
        if len(image) != FS_BYTES:
            raise ValueError(f"a file system image has {FS_BYTES} bytes, not {len(image)}")
        self.chip.load_flash(FS_OFFSET, image)

    def watch_flash(self, fn: FlashWatcher | None) -> None:
        """Call `fn(write)` before each program and erase of the flash; None ends that.

        It returns None to let it happen; or a number: this many bytes are written, and then the
        supply is gone, as `cut_power` takes it.
        """
        self.chip.on_flash_write = fn

    def flash_after(self, write: FlashWrite, done_bytes: int) -> bytes:
        """The file system's part of the flash if `write` broke off after this many bytes."""
        image = bytearray(self.flash)
        write.apply(image, done_bytes, FS_OFFSET)
        return bytes(image)

    def files(self) -> dict[str, bytes]:
        """All files on the board. littlefs.LittleFSError when it would not mount."""
        return micropython.read_filesystem(self.flash)

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Put files on the board's flash, as a programmer would, in no virtual time.

        While the board runs, its file system still knows the old ones: cut the power first.
        """
        flash = SimFlash(self.flash)
        Filesystem(flash).write_files(files)
        self.flash = flash.image()

    def power_on(self) -> None:
        """Supply on; the chip begins to boot. Idempotent."""
        self.wiring.power(True)
        self.chip.power_on()

    def cut_power(self) -> None:
        """Supply gone, at once. Only the flash (and the clock chip's battery) remain."""
        self.chip.power_off()
        self.wiring.power(False)
        self._pwm.reset()
        self._line.clear()

    def hang(self, ms: float) -> None:
        """Stop the processor for `ms`, as an endless loop with interrupts off would.

        PIO, buses' time and the watchdog go on; a reset ends it.
        """
        self.chip.hang_until_ns = self.clock.now_ns + round(ms * NS_PER_MS)

    # -- link ---------------------------------------------------------------------------------

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device; what it does not take yet waits at the host."""
        self.usb.write(data)

    def host_read(self) -> bytes:
        """Unread bytes from the device, those of `ask` and `events` included."""
        return self.usb.read()

    @property
    def host_connected(self) -> bool:
        """The device has been enumerated."""
        return self.usb.attached

    @property
    def host_unsent(self) -> int:
        """Bytes that were written and that the device has not taken yet."""
        return self.usb.unsent
