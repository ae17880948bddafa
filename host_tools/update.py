"""Installs a firmware image on a device: it is complete, or it does not run at all.

The order makes it safe. main.py is removed first: from here until the end a device that loses
power starts into MicroPython's prompt, with both of the valve's switches low, and a half-copied
.mpy (on which MicroPython can hang) is never imported. Then the other files; then all hashes are
read back; and only then main.py gets its name again, in one step of the file system.

May import `device`, `link`, `ports`, `prompt`, `release`, `transport`, `errors` and the standard
library. The journal and the settings are never touched.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from host_tools.device import Device, Hello
from host_tools.errors import (
    IntegrityError,
    LinkTimeout,
    LocalError,
    PortError,
    PortLost,
    ProtocolError,
    Refused,
)
from host_tools.link import TRIES, Link
from host_tools.prompt import Inventory
from host_tools.release import MAIN, Release
from host_tools.transport import open_transport

NEW_MAIN = "main.new"
_BLOCK_BYTES = 4096
_STARTING = ("BOOT", "SELF_TEST")

Say = Callable[[str], None]
T = TypeVar("T")


class Board(Protocol):
    """What `install` needs of `prompt.Prompt`."""

    def inventory(self) -> Inventory: ...
    def make_folders(self, paths: Sequence[str]) -> None: ...
    def remove(self, paths: Sequence[str]) -> None: ...
    def copy(self, source: Path, path: str) -> None: ...
    def rename(self, old: str, new: str) -> Inventory: ...


@dataclass
class Change:
    """What was done to the board."""

    serial: str
    copied: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    kept: int = 0


def leave_application(
    url: str, timeout_s: float, prompt_answers: Callable[[], bool], say: Callable[[str], None]
) -> Hello | None:
    """Bring the device into maintenance; who it was, or None when it is at the prompt already.

    `say` is called with what the operator has to do at the device: SELECT held confirms it.

    Raises Refused unless it is READY with the valve closed; LinkTimeout when nothing answers.
    """
    try:
        hello = _ask(url, timeout_s, 1, Device.hello)
    except LinkTimeout:
        # The prompt echoes a request and says nothing: it has to be asked in its own way.
        if prompt_answers():
            return None
        hello = _ask(url, timeout_s, TRIES, Device.hello)
    _ask(url, timeout_s, TRIES, lambda device: _end(device, say))
    return hello


def _end(device: Device, say: Callable[[str], None]) -> None:
    status = device.status()
    if status["state"] != "READY" or status.get("valve") != "closed":
        refusal = Refused(
            "state",
            f"no update now: the device is in {status['state']}, "
            f"its valve is {status.get('valve', 'unknown')}",
        )
        refusal.hint = (
            "bring it to READY; or switch it off, hold UP and DOWN, switch it on, and repeat"
        )
        raise refusal
    device.maintenance(say)  # refused by the device itself too, unless READY


def _ask(url: str, timeout_s: float, tries: int, question: Callable[[Device], T]) -> T:
    link = Link(open_transport(url), timeout_s=timeout_s, tries=tries)
    try:
        return question(Device(link))
    finally:
        link.close()


def install(board: Board, release: Release, say: Say) -> Change:
    """Make the code on the board exactly `release`; it is at the prompt, before and after.

    Files that are equal stay. Raises IntegrityError when the board reads back something else,
    LocalError when the image does not fit this board.
    """
    before = board.inventory()
    _check_fits(before, release)
    expected = release.hashes
    change = Change(before.serial)
    copies = [name for name, digest in expected.items() if before.hashes.get(name) != digest]
    stale = [name for name in before.hashes if name not in expected]
    change.kept = len(expected) - len(copies)
    if not copies and not stale:
        return change
    if MAIN not in copies:
        copies.append(MAIN)
        change.kept -= 1
    _check_room(before, release, copies)
    # From here on the device starts into the prompt, until the very last step.
    first = [MAIN] if MAIN in before.hashes else []
    change.removed = [name for name in stale if name != NEW_MAIN]
    board.remove([*first, *stale])
    there = {name.rpartition("/")[0] for name in before.hashes}
    folders = {name.rpartition("/")[0] for name in expected} - there - {""}
    if folders:
        board.make_folders(sorted(folders))
    for name in sorted(copies, key=lambda name: (name == MAIN, name)):
        say(f"copying {name}")
        board.copy(release.folder / name, NEW_MAIN if name == MAIN else name)
        change.copied.append(name)
    say("verifying")
    written = {name if name != MAIN else NEW_MAIN: digest for name, digest in expected.items()}
    _compare(board.inventory(), written)
    _compare(board.rename(NEW_MAIN, MAIN), expected)
    return change


def _check_fits(board: Inventory, release: Release) -> None:
    if (board.platform, board.mpy) != (release.platform, release.mpy):
        raise LocalError(
            f"the image is for {release.platform} with .mpy version {release.mpy}, "
            f"the board is {board.platform} with version {board.mpy}",
            "put the MicroPython on the board that README.md names",
        )


def _check_room(board: Inventory, release: Release, copies: list[str]) -> None:
    """LocalError unless the files to be copied fit beside those that they replace."""
    need = sum(_on_flash((release.folder / name).stat().st_size) for name in copies)
    if need > board.free_bytes + _on_flash(0) * sum(name in board.hashes for name in copies):
        raise LocalError(
            f"the board has {board.free_bytes // 1000} kB free, {need // 1000} kB are needed",
            "the journal fills its flash: pull it (`cryo log pull`) and ask for service",
        )


def _on_flash(size: int) -> int:
    """Bytes that a file takes at most: whole blocks, one more for its folder's entry."""
    return (size // _BLOCK_BYTES + 2) * _BLOCK_BYTES


def _compare(found: Inventory, expected: dict[str, str]) -> None:
    if found.hashes == expected:
        return
    names = sorted(
        name
        for name in found.hashes.keys() | expected.keys()
        if found.hashes.get(name) != expected.get(name)
    )
    raise IntegrityError(
        f"the board read back something else than was written: {', '.join(names)}",
        "repeat `cryo update`; if it happens again, the flash is worn: call service",
    )


def wait_for_application(url: str, release: Release, serial: str, timeout_s: float) -> Hello:
    """The restarted application's `hello`, which must be this release on this board.

    Waits up to 20 x `timeout_s` for it to start and to end its self-test, however that ends: the
    state tells. Raises LinkTimeout when it does not answer, ProtocolError when it is another.
    """
    end_s = time.monotonic() + 20 * timeout_s
    while True:
        try:
            hello = _ask(url, timeout_s, 1, Device.hello)
            if hello.state not in _STARTING or time.monotonic() >= end_s:
                break
        except (PortError, PortLost, LinkTimeout):
            if time.monotonic() >= end_s:
                raise
        time.sleep(0.2)
    if hello.serial.lower() != serial.lower() or hello.fw != release.version:
        raise ProtocolError(
            f"{hello.serial} answers with firmware {hello.fw}; "
            f"{serial} with {release.version} was expected",
            "is more than one device connected? Name the port with --port",
        )
    return hello
