"""Benches: what a scenario can do to an applicator, and the fast one.

`Bench` is what every bench offers, so that the same scenarios run on each. `FastBench` runs the
unchanged firmware, from main.py on, under CPython in virtual time, on the fake chip of
`hw_sim.chip`. Two runs of the same scenario are identical to the byte.

May import: the standard library and the rest of `hw_sim` except the emulator.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hw_sim.chip.chip import Chip
from hw_sim.clock import Clock, ClockLike
from hw_sim.flash import Filesystem, SimFlash
from hw_sim.mishaps import MISHAPS
from hw_sim.parts.ssd1306 import Ssd1306
from hw_sim.plant import Plant, PlantParams
from hw_sim.trace import Trace
from hw_sim.wiring import GATE, Wiring

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
NS_PER_MS = 1_000_000
_POLL_NS = 1_000_000


class LinkTimeout(TimeoutError):
    """The device did not answer in time."""


class CapabilityMissing(AttributeError):
    """This bench cannot do what was asked of it; the text says what."""


class Bench(Protocol):
    """What a scenario may ask of any bench. What one cannot do is missing from `capabilities`.

    Capabilities: "edges" (nanosecond stamps of pin changes), "mishaps", "plant", "power" (it can
    be cut), "screen", "time" (virtual: waiting costs nothing), "real_micropython", "trace",
    "hang" (the processor can be stopped). A board alone (hw_sim.board) has none of these: only its
    link.
    """

    capabilities: frozenset[str]
    clock: ClockLike
    wiring: Wiring
    plant: Plant
    settle_ms: float

    def power_on(self) -> None: ...
    def cut_power(self) -> None: ...
    def run_for(self, ms: float) -> None: ...
    def run_until(self, condition: Callable[[], bool], timeout_ms: float) -> bool: ...
    def hold(self, name: str) -> None: ...
    def release(self, name: str) -> None: ...
    def press(self, name: str, ms: float = 80) -> None: ...
    def estop_open(self) -> None: ...
    def estop_close(self) -> None: ...
    def mishap(self, name: str) -> None: ...
    def mend(self, name: str) -> None: ...
    def host_write(self, data: bytes) -> None: ...
    def host_read(self) -> bytes: ...
    def ask(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]: ...
    def events(self) -> list[dict[str, Any]]: ...
    def valve_intervals(self) -> list[tuple[int, int]]: ...


class Screen:
    """The screen as it is at this moment."""

    def __init__(self, part: Ssd1306) -> None:
        self._part = part

    def text(self) -> str:
        """The pixels as text, two rows a line."""
        return self._part.to_text()

    def image(self, scale: int = 4) -> Any:
        """A PIL image."""
        return self._part.to_image(scale)

    def ram(self) -> bytes:
        """The screen chip's memory, page by page."""
        return bytes(self._part.ram)


class Talk:
    """The host's end of the link, on whatever bench.

    A bench adds bytes out and in (`host_write`, `host_read`), and how to wait (`run_until`).
    """

    def __init__(self) -> None:
        self.noise: list[bytes] = []  # lines from the device that are not of the protocol
        self._events: list[dict[str, Any]] = []
        self._replies: dict[int, dict[str, Any]] = {}
        self._line = bytearray()
        self._id = 0

    def _receive(self) -> None:
        data = self.host_read()
        if not data:
            return
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            line = bytes(self._line[:end])
            del self._line[: end + 1]
            body, star, crc = line.rpartition(b"*")
            if not star or crc != b"%08x" % zlib.crc32(body):
                self.noise.append(line)
                continue
            message: dict[str, Any] = json.loads(body)
            if "ev" in message:
                self._events.append(message)
            else:
                self._replies[message["id"]] = message

    def ask(self, op: str, *, timeout_ms: float = 2000, **arguments: Any) -> dict[str, Any]:
        """Send one request; its whole reply. LinkTimeout when none comes in virtual time."""
        self._id += 1
        request = {"id": self._id, "op": op, **arguments}
        body = json.dumps(request, separators=(",", ":")).encode()
        self.host_write(b"%s*%08x\n" % (body, zlib.crc32(body)))

        def answered() -> bool:
            self._receive()
            return self._id in self._replies

        if not self.run_until(answered, timeout_ms):
            raise LinkTimeout(f"no reply to {op} within {timeout_ms} ms")
        return self._replies.pop(self._id)

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        self._receive()
        return list(self._events)

    def host_write(self, data: bytes) -> None:
        """Send bytes to the device; what it does not take yet waits at the host."""
        raise NotImplementedError

    def host_read(self) -> bytes:
        """Bytes from the device that nobody has read, `ask` and `events` included."""
        raise NotImplementedError

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Run until `condition()`, looked at every `step_ms`. False when the time ran out."""
        raise NotImplementedError


class Hands(Talk):
    """What both simulated benches do alike: hands on the device, and what there is to see.

    A bench adds the processor (`run_to`: run it up to a time in ns), and bytes out and in.
    """

    clock: ClockLike
    wiring: Wiring
    settle_ms: float = 60
    """From a button's release until what it brought about has been told."""

    def __init__(self, wiring: Wiring, run_to: Callable[[int], None]) -> None:
        super().__init__()
        self._run_to = run_to
        self._intervals: list[tuple[int, int]] = []
        self._opened_ns: int | None = None
        wiring.watch(self._gate)

    # -- time

    @property
    def now_ms(self) -> float:
        """Virtual time since the bench was made."""
        return self.clock.now_ns / NS_PER_MS

    def run_for(self, ms: float) -> None:
        """Let `ms` of virtual time pass. BenchError: the firmware did something impossible."""
        self._run_to(self.clock.now_ns + round(ms * NS_PER_MS))

    def run_until(
        self, condition: Callable[[], bool], timeout_ms: float, step_ms: float = 1.0
    ) -> bool:
        """Run until `condition()`, looked at every `step_ms`. False when the time ran out."""
        end_ns = self.clock.now_ns + round(timeout_ms * NS_PER_MS)
        step_ns = round(step_ms * NS_PER_MS)
        while not condition():
            now_ns = self.clock.now_ns
            if now_ns >= end_ns:
                return False
            self._run_to(min(now_ns + step_ns, end_ns))
        return True

    # -- hands

    def hold(self, name: str) -> None:
        """Put a finger on button `name` (trigger, up, down, select, arm)."""
        self.wiring.buttons[name].press()

    def release(self, name: str) -> None:
        """Take it off."""
        self.wiring.buttons[name].release()

    def press(self, name: str, ms: float = 80) -> None:
        """Press button `name` for `ms`, release it, and wait for it to come to rest."""
        self.hold(name)
        self.run_for(ms)
        self.release(name)
        self.run_for(self.settle_ms)

    def estop_open(self) -> None:
        """Strike the E-stop."""
        self.wiring.estop.open()

    def estop_close(self) -> None:
        """Pull it out again."""
        self.wiring.estop.close()

    def mishap(self, name: str) -> None:
        """Break something (hw_sim.mishaps). KeyError if there is no such mishap."""
        MISHAPS[name].apply(self.wiring)

    def mend(self, name: str) -> None:
        """Mend it."""
        MISHAPS[name].undo(self.wiring)

    # -- what there is to see

    def screen(self) -> Screen:
        """The screen now."""
        return Screen(self.wiring.screen)

    def valve_intervals(self) -> list[tuple[int, int]]:
        """(opened, closed) of VALVE_GATE, ns, closed ones only."""
        return list(self._intervals)

    def forget(self, before_ns: int) -> None:
        """Let go of the openings before that time, and of what they did to the skin (`Plant`).

        For a bench that runs for hours.
        """
        self.wiring.plant.forget(before_ns)
        intervals = self._intervals
        while intervals and intervals[0][1] <= before_ns:
            del intervals[0]

    def _gate(self, t_ns: int, signal: str, value: float) -> None:
        if signal != "VALVE_GATE":
            return
        if value:
            self._opened_ns = t_ns
        elif self._opened_ns is not None:
            self._intervals.append((self._opened_ns, t_ns))
            self._opened_ns = None


class FastBench(Hands):
    """An applicator whose processor is simulated: quick and exact in time, not in machine code.

    `firmware_dir`: a folder as it lands on the board (main.py, cryo/…); default: the project's.
    It is written to `flash` when that is blank, or when `reflash` is true. `seed` moves the
    bounce of the buttons and the noise of the sensors. `trace`: collect every signal.
    `crashes_raise`: an uncaught exception of the firmware comes out of `run_for`. `skin_sensor`:
    the optional infrared thermometer is fitted.
    """

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
    ) -> None:
        self.firmware_dir = FIRMWARE if firmware_dir is None else firmware_dir
        self.clock = Clock()
        self.plant = Plant(plant) if plant is not None else Plant()
        self.wiring = Wiring(
            self.clock, self.plant, seed=seed, noise_lsb=noise_lsb, skin_sensor=skin_sensor
        )
        self.wiring.power(False)
        self.flash = SimFlash() if flash is None else flash
        sources = {
            path.relative_to(self.firmware_dir).as_posix(): path
            for path in sorted(self.firmware_dir.rglob("*"))
            if path.suffix in (".py", ".bin")
        }
        if reflash or self.flash.blank:
            self.write_files({name: path.read_bytes() for name, path in sources.items()})
        self.chip = Chip(
            self.clock,
            self.wiring,
            self.flash,
            sources=sources,
            crashes_raise=crashes_raise,
            unique_id=unique_id,
        )
        self.usb = self.chip.usb
        self.trace: Trace | None = Trace(self.wiring) if trace else None
        super().__init__(self.wiring, self.chip.run_to)

    # -- supply and time ----------------------------------------------------------------------

    def power_on(self) -> None:
        """Supply on; the chip begins to boot. Harmless when it is on."""
        self.chip.power_on()

    def cut_power(self) -> None:
        """Supply gone, at once. Only the flash (and the clock chip's battery) remain."""
        self.chip.power_off()
        self._line.clear()

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
        filesystem = Filesystem(self.flash)
        for name, content in sorted(files.items()):
            filesystem.write_file("/" + name, content)
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
        """Bytes from the device that nobody has read, `ask` and `events` included."""
        return self.usb.host_read()


__all__ = ["FIRMWARE", "GATE", "Bench", "CapabilityMissing", "FastBench", "LinkTimeout", "Screen"]
