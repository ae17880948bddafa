"""The board's flash as far as the file system uses it, and littlefs on it.

May import: the standard library, `littlefs` and `hw_sim.world.parts.flash_health`. 352 blocks of
4096 bytes, as MicroPython 1.23 lays them out on a Pico (`docs/hardware.md`), so an image of one
mounts on the other.

`SimFlash` is NOR flash: erasing sets bits, programming only clears them. It can lose power
between any two operations or during one, and it can fail. Erase and program times are
the typical ones of the Pico's W25Q16JV (45 ms a block, 0.7 ms a page); they are added up in
`busy_ns` for the chip to let them pass; those of a part that is `health.slow` are the data sheet's
longest. `erased` counts the erases of each block. Not modelled: bits that wear out, read
disturbance, erase suspend.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from littlefs import LittleFSError, lfs
from littlefs.context import UserContext

from hw_sim.world.parts.flash_health import FlashHealth

BLOCK_BYTES = 4096
BLOCK_COUNT = 352
PAGE_BYTES = 256
ERASE_NS = 45_000_000
PROGRAM_PAGE_NS = 700_000
# The longest that the W25Q16JV's data sheet allows: t_SE 400 ms, t_PP 3 ms.
WORST_ERASE_NS = 400_000_000
WORST_PROGRAM_PAGE_NS = 3_000_000
# As MicroPython 1.23 configures it (ports/rp2/modules/_boot.py, extmod/vfs_lfsx.c: the cache is
# four programs). A file smaller than the cache may be in its folder's block, so a reader of
# an image with another cache cannot read all of it.
GEOMETRY: dict[str, Any] = {
    "block_size": BLOCK_BYTES,
    "block_count": BLOCK_COUNT,
    "read_size": 32,
    "prog_size": PAGE_BYTES,
    "cache_size": 4 * PAGE_BYTES,
    "lookahead_size": 32,
    "block_cycles": 100,
}
DISK_VERSION = 0x00020000  # littlefs 2.0: a later one would not be mounted there
_BOARD_VERSION = 0x00020001  # what MicroPython's littlefs makes of it with its first write

_EIO = -5
logging.getLogger("littlefs").addHandler(logging.NullHandler())


class SimFlash(UserContext):
    """352 × 4096 bytes of NOR flash, with faults to order.

    `programs` and `erases` count operations since the flash was made. `power_lost` is true from
    a `cut_after` that has struck until `power_on`; meanwhile nothing is written any more.
    `broken` makes every program and erase fail.
    """

    def __init__(self, image: bytes | None = None, health: FlashHealth | None = None) -> None:
        size = BLOCK_BYTES * BLOCK_COUNT
        if image is not None and len(image) != size:
            raise ValueError(f"a flash image has {size} bytes, not {len(image)}")
        super().__init__(buffer=bytearray(b"\xff" * size if image is None else image))
        self.programs = 0
        self.erases = 0
        self.busy_ns = 0
        self.erased: Counter[int] = Counter()
        self.health = FlashHealth() if health is None else health
        self.broken = False
        self.power_lost = False
        self._cut_in: int | None = None
        self._torn_bytes: int | None = None
        self._fail_in: int | None = None

    # -- what a person does to it

    @property
    def blank(self) -> bool:
        """Nothing has ever been written."""
        buffer = self.buffer
        # By blocks: what has been formatted is known by its first.
        return all(
            buffer.count(0xFF, at, at + BLOCK_BYTES) == BLOCK_BYTES
            for at in range(0, len(buffer), BLOCK_BYTES)
        )

    @property
    def operations(self) -> int:
        """Programs and erases since the flash was made: the same as before, the same content."""
        return self.programs + self.erases

    def image(self) -> bytes:
        """The content, for `SimFlash(image)`."""
        return bytes(self.buffer)

    def become(self, other: SimFlash) -> None:
        """Take the content of another and its counts of operations, not its faults."""
        self.buffer[:] = other.buffer
        self.programs = other.programs
        self.erases = other.erases
        self.erased = other.erased.copy()

    def save(self, path: Path) -> None:
        """Write the content to a file."""
        path.write_bytes(self.buffer)

    @classmethod
    def load(cls, path: Path) -> SimFlash:
        """The flash from a file of `save`; a new one if there is none. ValueError: wrong size."""
        return cls(path.read_bytes()) if path.exists() else cls()

    def cut_after(self, operations: int, *, torn_bytes: int | None = None) -> None:
        """Lose power after this number of further programs and erases (0: before the next one).

        With `torn_bytes` the operation after those is begun: a program writes, or an erase clears,
        this number of bytes (0…4096); the rest stays as it was.
        """
        if operations < 0:
            raise ValueError("operations must be 0 or more")
        self._cut_in = operations
        self._torn_bytes = torn_bytes

    def fail_after(self, operations: int) -> None:
        """From that program or erase on, every one fails with EIO (until `mend`)."""
        self._fail_in = operations

    def mend(self) -> None:
        """No more failures, no power cut to come."""
        self.broken = False
        self._fail_in = None
        self._cut_in = None
        self._torn_bytes = None

    def power_on(self) -> None:
        """The supply is back."""
        self.power_lost = False
        self.busy_ns = 0

    # -- what littlefs does to it

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        start = block * BLOCK_BYTES + off
        return self.buffer[start : start + size]

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        refused, torn = self._begin()
        if refused:
            if torn is None:
                return _EIO
            data = bytes(data[:torn])
        self.programs += 1
        start = block * BLOCK_BYTES + off
        end = start + len(data)
        buffer = self.buffer
        old = buffer[start:end]
        if old.count(0xFF) == len(old):
            buffer[start:end] = data
        else:
            buffer[start:end] = bytes(a & b for a, b in zip(old, data, strict=True))
        page_ns = WORST_PROGRAM_PAGE_NS if self.health.slow else PROGRAM_PAGE_NS
        self.busy_ns += page_ns * (-(-len(data) // PAGE_BYTES))
        return _EIO if refused else 0

    def erase(self, cfg: Any, block: int) -> int:
        refused, torn = self._begin()
        size = BLOCK_BYTES
        if refused:
            if torn is None:
                return _EIO
            size = min(torn, size)
        self.erases += 1
        start = block * BLOCK_BYTES
        self.buffer[start : start + size] = b"\xff" * size
        self.busy_ns += WORST_ERASE_NS if self.health.slow else ERASE_NS
        self.erased[block] += 1
        return _EIO if refused else 0

    def sync(self, cfg: Any) -> int:
        return _EIO if self.power_lost else 0

    def _begin(self) -> tuple[bool, int | None]:
        """Whether the operation is refused, and if so how many bytes of it are torn off."""
        if self.power_lost:
            return True, None
        if self._cut_in is not None:
            if self._cut_in == 0:
                torn = self._torn_bytes
                self._cut_in = self._torn_bytes = None
                self.power_lost = True
                return True, torn
            self._cut_in -= 1
        if self._fail_in is not None:
            if self._fail_in == 0:
                self._fail_in = None
                self.broken = True
            else:
                self._fail_in -= 1
        return self.broken or self.health.worn, None


class Filesystem:
    """littlefs on a `SimFlash`, with the parameters of MicroPython's `_boot.py`.

    Mounts, or formats what cannot be mounted, as `_boot.py` does. Every method raises OSError with
    MicroPython's error number. `LittleFSError` never leaves this class. Not modelled: the
    modification time that MicroPython keeps as an attribute of each file.
    """

    def __init__(self, flash: SimFlash) -> None:
        self.flash = flash
        self._config = self._layout(DISK_VERSION)
        self.fs = lfs.LFSFilesystem()
        # littlefs keeps a list of open files. A handle that was freed before it was closed would
        # leave a dangling pointer there, so every handle lives until it is closed.
        self.handles: set[Any] = set()
        self.formatted = False
        try:
            lfs.mount(self.fs, self._config)
        except LittleFSError:
            self._mount_what_a_board_has_written()

    def _layout(self, disk_version: int) -> Any:
        return lfs.LFSConfig(context=self.flash, disk_version=disk_version, **GEOMETRY)

    def _mount_what_a_board_has_written(self) -> None:
        config = self._layout(_BOARD_VERSION)
        try:
            lfs.mount(self.fs, config)
        except LittleFSError:
            self.formatted = True
            self.call(lfs.format, self._config)
            self.call(lfs.mount, self._config)
        else:
            self._config = config

    def call(self, fn: Any, *args: Any) -> Any:
        """Run one littlefs function, with its error as an OSError."""
        try:
            return fn(self.fs, *args)
        except LittleFSError as error:
            raise os_error(-error.code) from None

    def read_file(self, path: str) -> bytes:
        """A whole file. OSError ENOENT if there is none."""
        handle = self.call(lfs.file_open, path, "r")
        try:
            return bytes(self.call(lfs.file_read, handle, self.call(lfs.file_size, handle)))
        finally:
            self.call(lfs.file_close, handle)

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """`write_file` for each, by path from the root."""
        for name, data in sorted(files.items()):
            self.write_file("/" + name, data)

    def write_file(self, path: str, data: bytes) -> None:
        """Create or replace a file, making the folders above it."""
        folder = ""
        for part in path.strip("/").split("/")[:-1]:
            folder += "/" + part
            try:
                self.call(lfs.mkdir, folder)
            except OSError as error:
                if error.args[0] != 17:
                    raise
        handle = self.call(lfs.file_open, path, "w")
        try:
            self.call(lfs.file_write, handle, data)
        finally:
            self.call(lfs.file_close, handle)

    def entries(self, path: str) -> list[tuple[str, bool, int]]:
        """(name, is a folder, size) of everything in a folder."""
        handle = self.call(lfs.dir_open, path)
        out: list[tuple[str, bool, int]] = []
        while (entry := self.call(lfs.dir_read, handle)) is not None:
            if entry.name not in (".", ".."):
                out.append((entry.name, entry.type == 2, entry.size))
        self.call(lfs.dir_close, handle)
        return out

    def files(self, path: str = "") -> Iterator[tuple[str, int]]:
        """(path, size) of every file below a folder, sorted."""
        for name, is_folder, size in sorted(self.entries(path or "/")):
            if is_folder:
                yield from self.files(f"{path}/{name}")
            else:
                yield f"{path}/{name}", size

    def free_blocks(self) -> int:
        """Blocks that are not in use."""
        return BLOCK_COUNT - self.call(lfs.fs_size)


_NAMES = {
    2: "ENOENT", 5: "EIO", 9: "EBADF", 12: "ENOMEM", 17: "EEXIST", 20: "ENOTDIR", 21: "EISDIR",
    22: "EINVAL", 27: "EFBIG", 28: "ENOSPC", 36: "ENAMETOOLONG", 39: "ENOTEMPTY", 84: "EILSEQ",
    19: "ENODEV", 110: "ETIMEDOUT", 1: "EPERM", 11: "EAGAIN",
}  # fmt: skip


def os_error(number: int) -> OSError:
    """OSError as MicroPython raises it: `args` and `errno` are the number, and it is no subclass
    (CPython would make a FileNotFoundError of two arguments)."""
    error = OSError(number)
    error.errno = number
    error.strerror = _NAMES.get(number, str(number))
    return error
