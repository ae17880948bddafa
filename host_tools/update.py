"""Installs a firmware image on a device: it is complete, or it does not run at all.

Nothing is touched before board, flash and .mpy version are known to fit. Then the new files are
copied beside the old ones, into the folder `update`, and their hashes read back: until here the old
application starts, whatever breaks off. Then the switch, by renames on the board: main.py goes
first, so that a device that loses power from here on starts into MicroPython's prompt, with both of
the valve's switches low, and never imports a mixture; the files take their places; all hashes are
read back; and only then main.py gets its name, in one step of the file system.

Without room for both, the files are replaced one by one with main.py removed first, if that was
asked for (`in_place`). A repeated update goes on where the last one broke off.

May import `device`, `link`, `ports`, `prompt`, `release`, `transport`, `errors` and the standard
library. The journal and the settings are never touched.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from host_tools.device import Device, Hello
from host_tools.errors import (
    CryoError,
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
STAGE = "update"
"""Folder of the new files until they are verified."""
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
    def rename(self, pairs: Sequence[tuple[str, str]]) -> Inventory: ...


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


@dataclass
class Plan:
    """What is to be done to a board, and where the new files are."""

    release: Release
    change: Change
    there: dict[str, str]
    """The code on the board, without what waits in the folder `update`."""
    copies: list[str]
    stale: list[str]
    in_place: bool
    idle: bool = False
    """Nothing to do."""


def install(board: Board, release: Release, say: Say, *, in_place: bool = False) -> Change:
    """Make the code on the board exactly `release`; it is at the prompt, before and after.

    Files that are equal stay. Raises as `prepare` and `switch` do.
    """
    return switch(board, prepare(board, release, say, in_place=in_place), say)


def prepare(board: Board, release: Release, say: Say, *, in_place: bool = False) -> Plan:
    """Check that `release` fits, and copy what is new beside the old; whatever is raised here,
    the old firmware is as it was.

    `in_place`: without room for both, plan to replace the files one by one instead (on a
    board without an application this is done unasked). Raises LocalError when the image does not
    fit this board, IntegrityError when it reads back something else than was written.
    """
    before = board.inventory()
    check_fits(before, release)
    plan, waiting, left = _plan(before, release)
    if left:
        board.remove([f"{STAGE}/{name}" for name in left])
    if plan.idle:
        return plan
    copies = [name for name in plan.copies if name not in waiting]
    free_bytes = before.free_bytes + _BLOCK_BYTES * len(left)
    need = _BLOCK_BYTES * blocks_beside(release, copies)
    if need <= free_bytes:
        _copy_beside(board, plan, copies, say)
        return plan
    _check_room(before, release, plan.copies)
    if MAIN in plan.there and not in_place:
        raise LocalError(
            f"there is no room to keep the old firmware until the new one is verified: "
            f"{need // 1000} kB are needed, {free_bytes // 1000} kB are free",
            "pull the journal (`cryo log pull`); or repeat with --in-place, which replaces "
            "file by file: if it breaks off, the device has no application until repeated",
        )
    plan.in_place = True
    return plan


def _plan(before: Inventory, release: Release) -> tuple[Plan, list[str], list[str]]:
    """The plan; what waits verified in the folder `update`; and what is left there of no use."""
    wanted, prefix = release.hashes, STAGE + "/"
    staged = {n.removeprefix(prefix): h for n, h in before.hashes.items() if n.startswith(prefix)}
    there = {name: h for name, h in before.hashes.items() if not name.startswith(prefix)}
    copies = [name for name, digest in wanted.items() if there.get(name) != digest]
    stale = [name for name in there if name not in wanted]
    change = Change(before.serial, kept=len(wanted) - len(copies))
    plan = Plan(release, change, there, copies, stale, in_place=False)
    plan.idle = not copies and not stale
    waiting = [name for name, h in staged.items() if not plan.idle and wanted.get(name) == h]
    return plan, waiting, [name for name in staged if name not in waiting]


def _copy_beside(board: Board, plan: Plan, copies: Sequence[str], say: Say) -> None:
    """Copy files into the folder `update`, and verify all that the plan wants there."""
    prefix, wanted = STAGE + "/", plan.release.hashes
    board.make_folders(_folders([prefix + name for name in copies]))
    for name in sorted(copies):
        say(f"copying {name}")
        board.copy(plan.release.folder / name, prefix + name)
    say("verifying")
    there = board.inventory().hashes
    bad = sorted(name for name in plan.copies if there.get(prefix + name) != wanted[name])
    if bad:
        with contextlib.suppress(CryoError):
            board.remove([prefix + name for name in bad if prefix + name in there])
        raise _differs(bad)


def switch(board: Board, plan: Plan, say: Say) -> Change:
    """Put the new files into their places, as `prepare` has planned it.

    Raises IntegrityError when the board reads back something else: it has no main.py then.
    """
    change = plan.change
    if plan.idle:
        return change
    change.removed = [name for name in plan.stale if name != NEW_MAIN]
    change.copied = sorted(plan.copies)
    if plan.in_place:
        _replace(board, plan, say)
        return change
    say("switching")
    waiting = f"{STAGE}/{MAIN}"
    # From here on the device starts into the prompt, until the very last step.
    if MAIN in plan.there:
        if MAIN in plan.copies:
            board.remove([MAIN])
        else:
            board.rename([(MAIN, waiting)])
    if plan.stale:
        board.remove(plan.stale)
    folders = set(_folders(plan.copies)) - set(_folders(list(plan.there)))
    if folders:
        board.make_folders(sorted(folders))
    moves = [(f"{STAGE}/{name}", name) for name in sorted(plan.copies) if name != MAIN]
    wanted = dict(plan.release.hashes)
    main = wanted.pop(MAIN)
    _compare(board.rename(moves), wanted | {waiting: main})
    _compare(board.rename([(waiting, MAIN)]), wanted | {MAIN: main})
    return change


def _replace(board: Board, plan: Plan, say: Say) -> None:
    """Replace the files one by one, main.py removed first and written last."""
    wanted, change = plan.release.hashes, plan.change
    if MAIN not in plan.copies:
        plan.copies.append(MAIN)
        change.kept -= 1
        change.copied = sorted(plan.copies)
    first = [MAIN] if MAIN in plan.there else []
    if first or plan.stale:
        board.remove([*first, *plan.stale])
    folders = set(_folders(plan.copies)) - set(_folders(list(plan.there)))
    if folders:
        board.make_folders(sorted(folders))
    for name in sorted(plan.copies, key=lambda name: (name == MAIN, name)):
        say(f"copying {name}")
        board.copy(plan.release.folder / name, NEW_MAIN if name == MAIN else name)
    say("verifying")
    written = {name if name != MAIN else NEW_MAIN: digest for name, digest in wanted.items()}
    _compare(board.inventory(), written)
    _compare(board.rename([(NEW_MAIN, MAIN)]), wanted)


def _folders(names: Sequence[str]) -> list[str]:
    """The folders of these files, each after the one that it lies in."""
    folders: set[str] = set()
    for name in names:
        parts = name.split("/")[:-1]
        folders.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    return sorted(folders)


_OFFICIAL = (
    "pull the journal (`cryo log pull`), then put the official MicroPython 1.23 or newer for the "
    "Raspberry Pi Pico on the board (README.md), and repeat the update"
)
_OTHER_BOARDS = {
    "Pico W": "a Pico W's radio uses pins and flash that the device needs",
    "Pico2": "the processor of a Pico 2 is another one, and there is no firmware for it",
}


def check_fits(board: Inventory, release: Release) -> None:
    """LocalError, in words that say what to do, unless the image can run on this board."""
    if (board.platform, board.machine) != (release.platform, release.board):
        why = next((words for name, words in _OTHER_BOARDS.items() if name in board.machine), "")
        raise LocalError(
            f"the image is for a {release.board}, the board is a {board.machine} "
            f"({board.platform})" + (f"; {why}" if why else ""),
            "the device is built with a Raspberry Pi Pico (docs/hardware.md). If this is one, it "
            "has the MicroPython of another board: " + _OFFICIAL,
        )
    sub = board.mpy_sub if release.mpy_sub is None else release.mpy_sub
    if (board.mpy, board.mpy_sub, board.arch) != (release.mpy, sub, release.arch):
        raise LocalError(
            f"this MicroPython loads .mpy files of version {board.mpy}.{board.mpy_sub} for "
            f"{board.arch}, the image's are {release.mpy}.{sub} for {release.arch}",
            _OFFICIAL,
        )
    if board.total_bytes != release.filesystem_bytes:
        raise LocalError(
            f"this MicroPython keeps {board.total_bytes // 1024} kB of the flash for files, the "
            f"firmware needs the Pico's {release.filesystem_bytes // 1024} kB",
            _OFFICIAL + ". With another layout the files on the board cannot be read any more",
        )


def blocks_beside(release: Release, names: Sequence[str]) -> int:
    """Blocks of 4 kB that these files take at most in the folder `update`.

    Whole blocks for each file; a folder's table is two, and two more for each 24 names; 4 blocks
    are for the renames.
    """
    blocks = sum((release.folder / name).stat().st_size // _BLOCK_BYTES + 1 for name in names)
    return blocks + 2 * (len(names) // 24 + 2) + 4


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
    names = found.hashes.keys() | expected.keys()
    raise _differs(sorted(n for n in names if found.hashes.get(n) != expected.get(n)))


def _differs(names: Sequence[str]) -> IntegrityError:
    return IntegrityError(
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
