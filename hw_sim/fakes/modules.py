"""The smaller modules of one boot: micropython, time, gc, sys, select, json, binascii, hashlib,
struct, array, errno, io, os, and the builtins.

May import: the standard library, hw_sim.image.flash and its own package. Sources: extmod/, py/ and
shared/ of MicroPython 1.23; where a behaviour differs from CPython's it was checked on the real
interpreter.

Not modelled: collections, math, random, re, asyncio, _thread and others that the firmware has no
use for (NotModelled on import); `os` beyond files; memory figures (constants); `micropython.native`
code.
"""

from __future__ import annotations

import array as py_array
import binascii as py_binascii
import builtins
import hashlib as py_hashlib
import io as py_io
import struct as py_struct
import time as py_time
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from hw_sim.fakes import framebuf, jsonmp, machine, rp2
from hw_sim.fakes.builtin_module import Imports, module
from hw_sim.fakes.chip import Boot
from hw_sim.fakes.errors import ChipMisuse, NotModelled
from hw_sim.fakes.files import Files
from hw_sim.fakes.names import MODULES
from hw_sim.image.flash import os_error

_MASK = (1 << 30) - 1
_HALF = 1 << 29
_EPOCH_2021_S = 1609459200  # what the RTC starts from without a battery
HEAP_FREE, HEAP_USED = 190_000, 43_000


class Port:
    """Everything of the port that one boot's programs see: `modules` by name, and `builtins`."""

    def __init__(self, boot: Boot, loader: Imports) -> None:
        port_machine = machine.build(boot)
        self.files = Files(boot)
        self.stdio = _Stdio(boot)
        made = [
            port_machine,
            rp2.build(boot, loader, port_machine.__dict__["_pin_of"]),
            _micropython(boot),
            _time(boot),
            _gc(),
            _sys(boot, loader, self.stdio),
            _select(boot),
            module(
                "json", loads=jsonmp.loads, dumps=jsonmp.dumps, load=_json_load, dump=_json_dump
            ),
            _binascii(),
            module("hashlib", sha256=Sha256),
            _struct(),
            module("array", array=py_array.array),
            _errno(),
            module("io", BytesIO=py_io.BytesIO, StringIO=py_io.StringIO, open=self.files.open),
            self.files.module(),
            framebuf.build(),
        ]
        self.modules: dict[str, ModuleType] = {m.__name__: m for m in made}
        for name in _ALSO_WITH_U:
            self.modules["u" + name] = self.modules[name]

    def builtins(self) -> dict[str, Any]:
        """The builtins of MicroPython, and no others."""
        made: dict[str, Any] = {}
        for name in MODULES["builtins"]:
            if name in ("print", "open", "__repl_print__", "__import__"):
                continue
            if name in ("input", "help", "execfile", "ViperTypeError"):
                made[name] = _not_modelled(name)
            elif hasattr(builtins, name):
                made[name] = getattr(builtins, name)
        out = self.stdio.out

        def write_line(*values: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
            (out if file is None else file).write(sep.join(str(v) for v in values) + end)

        made["print"] = write_line
        made["open"] = self.files.open
        # CPython's own statements look these up too.
        made["__name__"] = "builtins"
        for name in ("True", "False", "None", "NameError", "__debug__"):
            made[name] = getattr(builtins, name)
        return made


_ALSO_WITH_U = (
    "os", "time", "struct", "json", "binascii", "hashlib", "select", "sys", "io", "array", "errno",
)  # fmt: skip


def _not_modelled(name: str) -> Callable[..., Any]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise NotModelled(name)

    return refuse


# ---------------------------------------------------------------------------------------------


def _micropython(boot: Boot) -> ModuleType:
    locked = [0]

    def const(x: Any) -> Any:
        return x

    def nothing(_x: Any = None) -> None:
        return None

    def heap_lock() -> int:
        locked[0] += 1
        return locked[0]

    def heap_unlock() -> int:
        if not locked[0]:
            raise ChipMisuse("heap_unlock() without heap_lock()")
        locked[0] -= 1
        return locked[0]

    def kbd_intr(chr: int) -> None:
        boot.usb.interrupt_char = chr

    def schedule(fn: Callable[[Any], object], arg: Any) -> None:
        boot.schedule(fn, arg)

    def opt_level(level: int | None = None) -> int | None:
        return 0 if level is None else None

    made = module(
        "micropython",
        const=const,
        heap_lock=heap_lock,
        heap_unlock=heap_unlock,
        kbd_intr=kbd_intr,
        schedule=schedule,
        opt_level=opt_level,
        alloc_emergency_exception_buf=nothing,
        mem_info=nothing,
        stack_use=lambda: 500,
    )
    # Decorators that the compiler knows; they are not in the module's own table.
    made.__dict__["native"] = const
    made.__dict__["viper"] = _not_modelled("micropython.viper")
    made.__dict__["asm_thumb"] = _not_modelled("micropython.asm_thumb")
    return made


def _time(boot: Boot) -> ModuleType:
    clock = boot.clock
    t0_ns = boot.t0_ns
    from_ns = boot.ticks_from_ns

    def ticks_ms() -> int:
        boot.spins = spins = boot.spins + 1
        if spins > 20_000:
            boot.spin()
        return (clock.now_ns - from_ns) // 1_000_000 & _MASK

    def ticks_us() -> int:
        boot.spins = spins = boot.spins + 1
        if spins > 20_000:
            boot.spin()
        return (clock.now_ns - from_ns) // 1_000 & _MASK

    def ticks_add(ticks: int, delta: int) -> int:
        if not -_HALF < delta < _HALF:
            raise OverflowError("ticks interval overflow")
        return (ticks + delta) & _MASK

    def ticks_diff(end: int, start: int) -> int:
        if not (0 <= end <= _MASK and 0 <= start <= _MASK):
            raise ChipMisuse(f"ticks_diff({end}, {start}): these are no ticks")
        return ((end - start + _HALF) & _MASK) - _HALF

    def sleep_ms(ms: int) -> None:
        if not isinstance(ms, int):
            raise TypeError("can't convert to int")
        boot.wait_until(clock.now_ns + ms * 1_000_000 if ms > 0 else clock.now_ns)

    def sleep_us(us: int) -> None:
        if not isinstance(us, int):
            raise TypeError("can't convert to int")
        boot.wait_until(clock.now_ns + us * 1_000 if us > 0 else clock.now_ns)

    def sleep(seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        boot.wait_until(clock.now_ns + int(seconds * 1e9))

    def time_ns() -> int:
        boot.spin()
        return _EPOCH_2021_S * 1_000_000_000 + clock.now_ns - t0_ns

    def gmtime(seconds: int | None = None) -> tuple[int, ...]:
        if seconds is None:
            seconds = time_ns() // 1_000_000_000
        return tuple(py_time.gmtime(seconds))[:8]

    def mktime(parts: Iterable[int]) -> int:
        from calendar import timegm

        return timegm(tuple(parts)[:6])

    return module(
        "time",
        ticks_ms=ticks_ms,
        ticks_us=ticks_us,
        ticks_cpu=ticks_us,
        ticks_add=ticks_add,
        ticks_diff=ticks_diff,
        sleep_ms=sleep_ms,
        sleep_us=sleep_us,
        sleep=sleep,
        time=lambda: time_ns() // 1_000_000_000,
        time_ns=time_ns,
        gmtime=gmtime,
        localtime=gmtime,
        mktime=mktime,
    )


def _gc() -> ModuleType:
    on = [True]

    def switch(value: bool) -> Callable[[], None]:
        def set_it() -> None:
            on[0] = value

        return set_it

    def threshold(amount: int | None = None) -> int | None:
        return -1 if amount is None else None

    return module(
        "gc",
        collect=lambda: None,
        mem_free=lambda: HEAP_FREE,
        mem_alloc=lambda: HEAP_USED,
        threshold=threshold,
        enable=switch(True),
        disable=switch(False),
        isenabled=lambda: on[0],
    )


# -- sys and select ---------------------------------------------------------------------------


class _Implementation(tuple[Any, ...]):
    """A tuple with names, one of which CPython's named tuples would refuse.

    Without `_mpy`, as in a MicroPython that takes no compiled files: the loader takes sources only.
    """

    name = property(lambda self: self[0])
    version = property(lambda self: self[1])
    _machine = property(lambda self: self[2])


class Stream:
    """sys.stdin, sys.stdout or sys.stderr (text), or the bytes below them (`buffer`).

    Reading waits for every requested byte, as MicroPython's does.
    """

    def __init__(self, boot: Boot, fd: int, text: bool) -> None:
        self._boot = boot
        self._fd = fd
        self._text = text
        if text:
            self.buffer = Stream(boot, fd, False)

    def _chunk(self, n: int) -> bytes:
        if self._fd != 0:
            raise os_error(1)
        boot = self._boot
        usb = boot.usb
        data = usb.read(n)
        while len(data) < n:
            boot.wait_until(boot.clock.now_ns + 100_000)
            data += usb.read(n - len(data))
        if boot.interrupt_pending:
            boot.pending()
        return data

    def read(self, n: int = -1) -> Any:
        if n is None or n < 0:
            raise ChipMisuse("sys.stdin.read() without a count never returns")
        data = self._chunk(n)
        return data.replace(b"\r", b"\n").decode() if self._text else data

    def readinto(self, buf: Any, n: int | None = None) -> int:
        count = len(buf) if n is None else min(n, len(buf))
        buf[:count] = self._chunk(count)
        return count

    def readline(self, n: int = -1) -> Any:
        data = b""
        while len(data) != n:
            byte = self._chunk(1)
            data += b"\n" if self._text and byte == b"\r" else byte
            if data.endswith(b"\n"):
                break
        return data.decode() if self._text else data

    def write(self, data: Any) -> int:
        if self._fd == 0 and self._text:
            raise os_error(1)
        boot = self._boot
        raw = data.encode() if isinstance(data, str) else bytes(data)
        if self._text:
            boot.usb.write(raw.replace(b"\n", b"\r\n"), boot.wait_until)
            return len(data)
        return boot.usb.write(raw, boot.wait_until)

    def close(self) -> None:
        """Nothing to do."""


class _Stdio:
    def __init__(self, boot: Boot) -> None:
        self.stdin = Stream(boot, 0, True)
        self.out = Stream(boot, 1, True)
        self.err = Stream(boot, 2, True)


def _sys(boot: Boot, loader: Imports, stdio: _Stdio) -> ModuleType:
    def print_exception(exc: BaseException, file: Any = None) -> None:
        (stdio.out if file is None else file).write(loader.traceback(exc))

    def leave(value: Any = None) -> None:
        raise SystemExit(value)

    machine_name = boot.chip.board
    return module(
        "sys",
        stdin=stdio.stdin,
        stdout=stdio.out,
        stderr=stdio.err,
        print_exception=print_exception,
        exit=leave,
        implementation=_Implementation(("micropython", (1, 23, 0, ""), machine_name)),
        version="3.4.0; MicroPython v1.23.0 on 2024-06-02",
        version_info=(3, 4, 0),
        platform="rp2",
        byteorder="little",
        maxsize=2147483647,
        modules=loader.modules,
        path=["", ".frozen", "/lib"],
        argv=[],
    )


POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16


class Poll:
    """select.poll over the serial port, the only stream that can be polled here."""

    __slots__ = ("_answers", "_boot", "_masks", "_streams", "_usb")

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._usb = boot.usb
        self._streams: dict[int, tuple[Any, int]] = {}
        # All streams are the one port: the requested events, and the answer to each.
        self._masks = 0
        self._answers: dict[int, tuple[tuple[Any, int], ...]] = {0: ()}

    def register(self, obj: Any, eventmask: int = POLLIN | POLLOUT) -> None:
        if not isinstance(obj, Stream):
            raise os_error(22)
        self._streams[id(obj)] = (obj, eventmask)
        self._sum_up()

    def unregister(self, obj: Any) -> None:
        self._streams.pop(id(obj), None)
        self._sum_up()

    def modify(self, obj: Any, eventmask: int) -> None:
        if id(obj) not in self._streams:
            raise os_error(2)
        self._streams[id(obj)] = (obj, eventmask)
        self._sum_up()

    def _sum_up(self) -> None:
        streams = self._streams.values()
        self._masks = 0
        for _obj, mask in streams:
            self._masks |= mask
        self._answers = {
            events: tuple((obj, mask & events) for obj, mask in streams if mask & events)
            for events in (0, POLLIN, POLLOUT, POLLIN | POLLOUT)
        }

    def _ready(self) -> tuple[tuple[Any, int], ...]:
        masks, usb = self._masks, self._usb
        events = 0
        if masks & POLLIN and usb.readable():
            events = POLLIN
        if masks & POLLOUT and usb.writable():
            events |= POLLOUT
        if self._boot.interrupt_pending:
            self._boot.pending()
        return self._answers[events]

    def poll(self, timeout: int = -1) -> list[tuple[Any, int]]:
        ready = self._ready()
        if ready or timeout == 0:
            return list(ready)
        boot = self._boot
        end_ns = None if timeout < 0 else boot.clock.now_ns + timeout * 1_000_000
        while not ready:
            now_ns = boot.clock.now_ns
            if end_ns is not None and now_ns >= end_ns:
                break
            step_ns = now_ns + 1_000_000
            boot.wait_until(step_ns if end_ns is None else min(step_ns, end_ns))
            ready = self._ready()
        return list(ready)

    def ipoll(self, timeout: int = -1, flags: int = 0) -> Iterator[tuple[Any, int]]:
        return iter(self._ready() if timeout == 0 else self.poll(timeout))


def _select(boot: Boot) -> ModuleType:
    return module(
        "select",
        poll=lambda: Poll(boot),
        POLLIN=POLLIN,
        POLLOUT=POLLOUT,
        POLLERR=POLLERR,
        POLLHUP=POLLHUP,
    )


# -- data -------------------------------------------------------------------------------------


def _json_load(stream: Any) -> Any:
    return jsonmp.loads(stream.read())


def _json_dump(obj: Any, stream: Any, *, separators: tuple[str, str] | None = None) -> None:
    stream.write(jsonmp.dumps(obj, separators=separators))


def _binascii() -> ModuleType:
    def hexlify(data: Any, sep: Any = None) -> bytes:
        return py_binascii.hexlify(data, sep) if sep else py_binascii.hexlify(data)

    def crc32(data: Any, value: int = 0) -> int:
        return py_binascii.crc32(data, value)

    def b2a_base64(data: Any, *, newline: bool = True) -> bytes:
        return py_binascii.b2a_base64(data, newline=newline)

    def a2b_base64(data: Any) -> bytes:
        try:
            return py_binascii.a2b_base64(data)
        except py_binascii.Error:
            raise ValueError("incorrect padding") from None

    def unhexlify(data: Any) -> bytes:
        try:
            return py_binascii.unhexlify(data)
        except py_binascii.Error as error:
            raise ValueError(str(error)) from None

    return module(
        "binascii",
        hexlify=hexlify,
        unhexlify=unhexlify,
        crc32=crc32,
        b2a_base64=b2a_base64,
        a2b_base64=a2b_base64,
    )


class Sha256:
    """hashlib.sha256: after `digest` it is final."""

    __slots__ = ("_hash",)

    def __init__(self, data: Any = b"") -> None:
        self._hash: Any = py_hashlib.sha256(data)

    def update(self, data: Any) -> None:
        if self._hash is None:
            raise ValueError("hash is final")
        self._hash.update(data)

    def digest(self) -> bytes:
        if self._hash is None:
            raise ValueError("hash is final")
        digest: bytes = self._hash.digest()
        self._hash = None
        return digest


def _struct() -> ModuleType:
    error = py_struct.error

    def refuse(problem: Exception) -> Exception:
        words = str(problem)
        if "range" in words or "format requires" in words or "too large" in words:
            # MicroPython cuts off the upper bits and says nothing.
            raise ChipMisuse(f"struct: {words}") from problem
        return ValueError(words)

    def pack(fmt: str, *values: Any) -> bytes:
        try:
            return py_struct.pack(fmt, *values)
        except error as problem:
            raise refuse(problem) from None

    def pack_into(fmt: str, buffer: Any, offset: int, *values: Any) -> None:
        try:
            py_struct.pack_into(fmt, buffer, offset, *values)
        except error as problem:
            raise refuse(problem) from None

    def unpack_from(fmt: str, data: Any, offset: int = 0) -> tuple[Any, ...]:
        try:
            return py_struct.unpack_from(fmt, data, offset)
        except error:
            raise ValueError("buffer too small") from None

    def unpack(fmt: str, data: Any) -> tuple[Any, ...]:
        return unpack_from(fmt, data)

    return module(
        "struct",
        pack=pack,
        pack_into=pack_into,
        unpack=unpack,
        unpack_from=unpack_from,
        calcsize=py_struct.calcsize,
    )


def _errno() -> ModuleType:
    values = {
        "EPERM": 1, "ENOENT": 2, "EIO": 5, "EBADF": 9, "EAGAIN": 11, "ENOMEM": 12, "EACCES": 13,
        "EEXIST": 17, "ENODEV": 19, "EISDIR": 21, "EINVAL": 22, "EOPNOTSUPP": 95,
        "EADDRINUSE": 98, "ECONNABORTED": 103, "ECONNRESET": 104, "ENOBUFS": 105, "ENOTCONN": 107,
        "ETIMEDOUT": 110, "ECONNREFUSED": 111, "EHOSTUNREACH": 113, "EALREADY": 114,
        "EINPROGRESS": 115,
    }  # fmt: skip
    return module("errno", errorcode={v: k for k, v in values.items()}, **values)
