"""`os` and `open` of one boot, on littlefs in the simulated flash.

May import: littlefs, hw_sim.image.flash and its own package. Source: extmod/vfs_lfsx.c,
vfs_lfsx_file.c of MicroPython 1.23. Flash operations take their time in virtual time, after the
call that caused them; a power cut among them ends the firmware there.

Not modelled: mounting, `dupterm`, times of files (all are 2021-01-01), `os.sync` beyond nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from littlefs import lfs

from hw_sim.fakes.builtin_module import module
from hw_sim.fakes.chip import Boot
from hw_sim.fakes.errors import NotModelled
from hw_sim.image.flash import BLOCK_BYTES, BLOCK_COUNT, Filesystem, os_error

_FOLDER, _FILE = 0x4000, 0x8000
_TIME_S = 1609459200


class Uname(NamedTuple):
    sysname: str
    nodename: str
    release: str
    version: str
    machine: str


class Files:
    """The file system as a program on the board sees it."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._cwd = "/"
        self._random = random.Random(boot.chip.boots)

    @property
    def _fs(self) -> Filesystem:
        filesystem = self._boot.filesystem
        assert filesystem is not None
        return filesystem

    def call(self, fn: Any, *args: Any) -> Any:
        """One littlefs call, its error as OSError, its time paid."""
        boot = self._boot
        try:
            return self._fs.call(fn, *args)
        finally:
            if boot.chip.flash.busy_ns or boot.chip.flash.power_lost:
                boot.pay_flash()

    def path(self, path: str) -> str:
        if not isinstance(path, str):
            raise TypeError("can't convert to str implicitly")
        return path if path.startswith("/") else self._cwd.rstrip("/") + "/" + path

    # -- os

    def listdir(self, path: str = "") -> list[str]:
        return [entry[0] for entry in self.ilistdir(path)]

    def ilistdir(self, path: str = "") -> Iterator[tuple[str, int, int, int]]:
        entries = self._fs.entries(self.path(path) or "/")
        return iter([(n, _FOLDER if d else _FILE, 0, 0 if d else size) for n, d, size in entries])

    def stat(self, path: str) -> tuple[int, ...]:
        path = self.path(path)
        if path.rstrip("/") == "":
            return (_FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        found = self.call(lfs.stat, path)
        mode = _FOLDER if found.type == 2 else _FILE
        size = 0 if found.type == 2 else found.size
        return (mode, 0, 0, 0, 0, 0, size, _TIME_S, _TIME_S, _TIME_S)

    def statvfs(self, path: str) -> tuple[int, ...]:
        free = self._fs.free_blocks()
        return (BLOCK_BYTES, BLOCK_BYTES, BLOCK_COUNT, free, free, 0, 0, 0, 0, 255)

    def remove(self, path: str) -> None:
        """Removes empty folders too, as littlefs does."""
        self.call(lfs.remove, self.path(path))

    def rename(self, old: str, new: str) -> None:
        self.call(lfs.rename, self.path(old), self.path(new))

    def mkdir(self, path: str) -> None:
        self.call(lfs.mkdir, self.path(path))

    def chdir(self, path: str) -> None:
        full = self.path(path)
        if self.stat(full)[0] != _FOLDER:
            raise os_error(2)
        self._cwd = full

    def urandom(self, n: int) -> bytes:
        return self._random.randbytes(n)

    def module(self) -> ModuleType:
        return module(
            "os",
            listdir=self.listdir,
            ilistdir=self.ilistdir,
            stat=self.stat,
            statvfs=self.statvfs,
            remove=self.remove,
            unlink=self.remove,
            rmdir=self.remove,
            rename=self.rename,
            mkdir=self.mkdir,
            chdir=self.chdir,
            getcwd=lambda: self._cwd,
            sync=lambda: None,
            urandom=self.urandom,
            uname=lambda: Uname(
                "rp2", "rp2", "1.23.0", "v1.23.0 on 2024-06-02 (GNU 13.2.0 MinSizeRel)",
                self._boot.chip.board,
            ),
        )  # fmt: skip

    # -- open

    def open(self, file: str, mode: str = "r", **options: Any) -> File:
        if options:
            raise NotModelled(f"open(..., {', '.join(options)})")
        flags = 0
        text = True
        for char in mode:
            new = 0
            if char == "r":
                new = 1
            elif char == "w":
                new = 2 | 0x100 | 0x400
            elif char == "x":
                new = 2 | 0x100 | 0x200
            elif char == "a":
                new = 2 | 0x100 | 0x800
            elif char == "+":
                flags |= 3
            elif char == "b":
                text = False
            elif char == "t":
                text = True
            if new:
                if flags:
                    raise ValueError("bad mode")
                flags = new
        handle = self.call(lfs.file_open, self.path(file), lfs.LFSFileFlag(flags or 1))
        self._fs.handles.add(handle)
        return File(self, handle, text)

    def close(self, handle: Any) -> None:
        self._fs.handles.discard(handle)
        self.call(lfs.file_close, handle)

    def forget(self, handle: Any) -> None:
        """A program has dropped an open file: MicroPython's collector closes it."""
        if type(self._boot) is Boot:  # after a loss of power nothing does
            with suppress(OSError):
                self.close(handle)


class File:
    """An open file. Reading and writing a closed one is an OSError, as there."""

    __slots__ = ("_files", "_handle", "_text")

    def __init__(self, files: Files, handle: Any, text: bool) -> None:
        self._files = files
        self._handle = handle
        self._text = text

    def _call(self, fn: Any, *args: Any) -> Any:
        if self._handle is None:
            raise ValueError("I/O operation on closed file")
        return self._files.call(fn, self._handle, *args)

    def read(self, n: int = -1) -> Any:
        if n is None or n < 0:
            n = self._call(lfs.file_size) - self._call(lfs.file_tell)
        data = bytes(self._call(lfs.file_read, max(n, 0)))
        return data.decode() if self._text else data

    def readinto(self, buf: Any) -> int:
        data = bytes(self._call(lfs.file_read, len(buf)))
        buf[: len(data)] = data
        return len(data)

    def readline(self, n: int = -1) -> Any:
        data = b""
        while len(data) != n:
            byte = bytes(self._call(lfs.file_read, 1))
            data += byte
            if byte in (b"", b"\n"):
                break
        return data.decode() if self._text else data

    def __iter__(self) -> Iterator[Any]:
        while line := self.readline():
            yield line

    def write(self, data: Any) -> int:
        if isinstance(data, str):
            if not self._text:
                raise TypeError("object with buffer protocol required")
            data = data.encode()
        return self._call(lfs.file_write, bytes(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        self._call(lfs.file_seek, offset, whence)
        return self._call(lfs.file_tell)

    def tell(self) -> int:
        return self._call(lfs.file_tell)

    def flush(self) -> None:
        self._call(lfs.file_sync)

    def close(self) -> None:
        handle = self._handle
        if handle is not None:
            self._handle = None
            self._files.close(handle)

    def __del__(self) -> None:
        if self._handle is not None:
            self._files.forget(self._handle)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
