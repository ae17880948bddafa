"""A board at MicroPython's prompt: what is on it, and what is put there, by mpremote.

mpremote runs as a separate program (its library part has no stable interface), once for several
steps where it can. May import `errors`, `transport` and the standard library.
"""

import binascii
import importlib.util
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from host_tools.errors import LinkError, LinkTimeout, LocalError, PortError, PortLost
from host_tools.transport import open_transport

_INVENTORY = """
import binascii, hashlib, machine, os, sys
def look(folder):
    for entry in os.ilistdir(folder or "/"):
        path = folder + "/" + entry[0]
        if entry[1] & 0x4000:
            look(path)
        else:
            code = path.endswith(".py") or path.endswith(".mpy")
            code = code or path.startswith("/cryo/") or path.startswith("/update/")
            if code or path.count("/") == 1 and path in ("/manifest.json", "/main.new"):
                digest = hashlib.sha256()
                with open(path, "rb") as file:
                    while True:
                        n = file.readinto(buffer)
                        if not n:
                            break
                        digest.update(memoryview(buffer)[:n])
                print("file", binascii.hexlify(digest.digest()).decode(), path[1:])
buffer = bytearray(1024)
look("")
room = os.statvfs("/")
print("board", sys.platform, sys.implementation._mpy, room[0] * room[3], room[1] * room[2],
      binascii.hexlify(machine.unique_id()).decode(), os.uname().machine)
"""

# A folder that is not empty, or not there, stays as it is.
_TIDY = """
for folder in ("update/cryo", "update"):
    try:
        os.rmdir(folder)
    except OSError:
        pass
"""
_ARCHES = (
    "no native code", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp",
    "armv7emdp", "xtensa", "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip
"""MicroPython's numbers of native code: tools/mpy-tool.py."""


@dataclass(frozen=True)
class Inventory:
    """What is on the board: its code, not its data (journal and settings are not looked at)."""

    hashes: dict[str, str]
    """SHA-256 (hex) by path: every .py and .mpy, what lies in cryo/ and update/, manifest.json,
    main.new."""
    platform: str
    machine: str
    """MicroPython's name of the board and its processor: `Raspberry Pi Pico with RP2040`."""
    mpy: int
    """Version of the .mpy format that this MicroPython loads."""
    mpy_sub: int
    """The version's second number, which counts for files with native code."""
    arch: str
    """The native code that it loads, such as `armv6m`."""
    free_bytes: int
    total_bytes: int
    """Size of the file system."""
    serial: str


class Prompt:
    """The board at `url` (device path or pyserial URL). The port is open only inside a call.

    `timeout_s`: how long one mpremote may take altogether, seconds.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        if importlib.util.find_spec("mpremote") is None:
            raise LocalError("mpremote is not installed", "pip install mpremote")
        self.url = url
        self.timeout_s = timeout_s

    def wait(self, timeout_s: float, slice_s: float = 1.0) -> None:
        """Wait until the prompt answers; the port may go away and come back meanwhile.

        Looks at least once, and waits `slice_s` for each answer. LinkTimeout after `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                if self.answers(slice_s):
                    return
            except (PortError, PortLost, LinkTimeout):
                time.sleep(0.2)  # it restarts
            if time.monotonic() >= end_s:
                raise LinkTimeout(
                    f"MicroPython's prompt does not answer on {self.url}",
                    "strike the E-stop at the device, and keep it struck; or switch the device "
                    "off, hold UP and DOWN, switch it on, strike the E-stop; then repeat",
                )

    def answers(self, slice_s: float) -> bool:
        """Whether the prompt answers within `slice_s` seconds. The application ignores it."""
        port = open_transport(self.url)
        try:
            # End what an interrupted mpremote left (raw paste, raw mode). To the application
            # these are two bytes that are not a line.
            port.write(b"\r\x03\x02")
            end_s = time.monotonic() + slice_s
            seen = b""
            while time.monotonic() < end_s:
                seen += port.read_some()
                if seen.endswith(b">>> "):
                    return True
            return False
        finally:
            port.close()

    def inventory(self) -> Inventory:
        """What is on the board."""
        return parse_inventory(self._mpremote(["exec", _INVENTORY]))

    def make_folders(self, paths: Sequence[str]) -> None:
        """Make folders that may exist already."""
        code = f"import os\nfor path in {list(paths)!r}:\n    try:\n        os.mkdir(path)\n"
        self._mpremote(["exec", code + "    except OSError:\n        pass\n"])

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files, in this order, and the folders in update/ that are empty then."""
        code = f"import os\nfor path in {list(paths)!r}:\n    os.remove(path)\n"
        self._mpremote(["exec", code + _TIDY])

    def copy(self, source: Path, path: str) -> None:
        """Copy one file to the board."""
        self._mpremote(["fs", "cp", "-f", str(source), f":{path}"])

    def rename(self, pairs: Sequence[tuple[str, str]]) -> Inventory:
        """Rename files (old, new), in this order; each one is atomic in littlefs, and replaces.

        Removes the folders in update/ that are empty then. Returns the inventory afterwards.
        """
        code = f"import os\nfor old, new in {list(pairs)!r}:\n    os.rename(old, new)\n"
        return parse_inventory(self._mpremote(["exec", f"{code}{_TIDY}os.sync()\n{_INVENTORY}"]))

    def reset(self) -> None:
        """Restart the board, as its watchdog would."""
        self._mpremote(["reset"])

    def _mpremote(self, words: Sequence[str]) -> str:
        command = [sys.executable, "-m", "mpremote", "connect", self.url, "resume", *words]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LinkTimeout(
                f"mpremote {words[0]} did not end within {self.timeout_s:g} s", _AGAIN
            ) from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
            raise LinkError(f"mpremote {words[0]} failed: {lines[-1]}", _AGAIN)
        return done.stdout


_AGAIN = "repeat `cryo update`: the device stays at MicroPython's prompt until it is complete"


def parse_inventory(text: str) -> Inventory:
    """What the board printed. Raises LinkError when it is something else."""
    hashes: dict[str, str] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "file":
            digest, _, path = rest.partition(" ")
            hashes[path] = digest
        elif word == "board":
            platform, mpy, free, total, serial, board = rest.split(maxsplit=5)
            binascii.unhexlify(serial)
            number = int(mpy)
            arch = number >> 10
            return Inventory(
                hashes,
                platform,
                board,
                number & 0xFF,
                number >> 8 & 3,
                _ARCHES[arch] if arch < len(_ARCHES) else f"processor {arch}",
                int(free),
                int(total),
                serial,
            )
    raise LinkError("the board did not say what is on it", _AGAIN)
