"""A byte stream to the device over any pyserial URL.

May import pyserial, `errors`, `extras` and `ports`; for sim:// its handler in `hw_sim`.

Everything that pyserial and the operating system may raise becomes a `PortError` (on opening) or
a `PortLost` (later), in words that say what to do.
"""

import contextlib
import errno
import sys
from collections.abc import Generator
from typing import Protocol, cast

import serial

from host_tools.errors import LinkTimeout, PortError, PortLost
from host_tools.extras import needs
from host_tools.ports import usual_name

SLICE_S = 0.05
"""Longest time one `read_some` waits, seconds."""

_WRITE_TIMEOUT_S = 5.0


class Transport(Protocol):
    """What the link needs of a port."""

    url: str
    slice_s: float

    def read_some(self) -> bytes:
        """Wait at most `slice_s` for a first byte, then return all that is there.

        Returns b"" if nothing came. Raises PortLost.
        """
        ...

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises PortLost, or LinkTimeout when the device does not read."""
        ...

    def close(self) -> None:
        """Close the port; idempotent."""
        ...


class SerialTransport:
    """A `Transport` on an open pyserial port."""

    def __init__(self, port: serial.SerialBase, url: str, slice_s: float = SLICE_S) -> None:
        self.url = url
        self.slice_s = slice_s
        self._port = port
        # pyserial's socket:// reports at most one waiting byte, which would mean one system call
        # a byte. Its time-out can be changed at no cost, though; that of rfc2217:// cannot (it
        # negotiates all port settings again), so the two need different ways to read in bulk.
        self._bulk = url.lower().startswith("socket://")

    def read_some(self) -> bytes:
        """See `Transport`."""
        with self._guard():
            data = self._port.read(1)
            if not data:
                return b""
            if self._bulk:
                self._port.timeout = 0
                try:
                    return data + self._port.read(65536)
                finally:
                    self._port.timeout = self.slice_s
            # SerialBase promises no in_waiting, yet every port of pyserial's has it.
            waiting = cast(int, getattr(self._port, "in_waiting", 0))
            return data + self._port.read(waiting) if waiting else data

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        with self._guard():
            self._port.write(data)

    def close(self) -> None:
        """See `Transport`."""
        # pyserial forgets to close a socket that the other side has shut down already.
        socket = getattr(self._port, "_socket", None)
        with contextlib.suppress(Exception):
            self._port.close()
        if socket is not None:
            socket.close()

    @contextlib.contextmanager
    def _guard(self) -> Generator[None]:
        try:
            yield
        except serial.SerialTimeoutException:
            raise LinkTimeout(
                f"the device on {self.url} does not take what is sent to it",
                "unplug it, plug it in again, and repeat the command",
            ) from None
        except (OSError, TypeError, AttributeError) as error:
            # SerialException is an OSError; the other two are what pyserial raises on some
            # platforms when another thread or the system has closed the descriptor.
            raise PortLost(
                f"the port {self.url} has gone away ({_words(error)})",
                "check the cable and the device's power, then repeat the command",
            ) from None


def open_transport(url: str, *, slice_s: float = SLICE_S) -> SerialTransport:
    """Open `url` (a device path or any pyserial URL, `sim://` included) for exclusive use.

    Raises PortError: it does not exist, is not permitted, is in use, or the URL is not known.
    """
    url = usual_name(url)
    scheme = url.split("://", 1)[0].lower() if "://" in url else ""
    if scheme == "sim":
        _register_simulator()
    port: serial.SerialBase | None = None
    try:
        port = serial.serial_for_url(
            url,
            do_not_open=True,
            timeout=slice_s,
            exclusive=True,
            # rfc2217:// has no write time-out and says so by an exception.
            write_timeout=None if scheme == "rfc2217" else _WRITE_TIMEOUT_S,
        )
        port.open()
    except (OSError, ValueError, ImportError, NotImplementedError) as error:
        raise _open_error(url, scheme, error) from None
    return SerialTransport(port, url, slice_s)


def _register_simulator() -> None:
    """Tell pyserial where the handler of sim:// is. LocalError when a library of it is missing."""
    with needs("sim", "the simulated device"):
        from hw_sim import protocol_sim
    package = str(protocol_sim.__package__)  # in the wheel it has another name
    if package not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(package)


def _open_error(url: str, scheme: str, error: Exception) -> PortError:
    words = _words(error)
    lower = words.lower()
    number = getattr(error, "errno", None)
    if "not known" in lower and isinstance(error, ValueError):
        return PortError(
            f"{url}: there is no {scheme}:// kind of port",
            "a port is a device path, or a URL such as socket://HOST:PORT or rfc2217://HOST:PORT",
        )
    if (
        "exclusively lock" in lower
        or number in (errno.EBUSY, errno.EAGAIN)
        or "access is denied" in lower
    ):
        return PortError(
            f"another program has {url} open",
            "close it (a terminal, mpremote, another cryo) and repeat the command",
        )
    if number == errno.EACCES or "permission denied" in lower:
        return PortError(
            f"no permission to open {url}",
            "on Linux once: `cryo udev | sudo tee /etc/udev/rules.d/60-cryodose.rules`, then plug "
            "it in again; or sudo usermod -aG dialout $USER, then log out and in again"
            if sys.platform.startswith("linux")
            else "is it in use, or does the account lack the right to use serial ports?",
        )
    if number == errno.ENOENT or "no such file" in lower or "cannot find the file" in lower:
        return PortError(f"there is no port '{url}'", "`cryo ports` lists the ports there are")
    return PortError(f"cannot open {url}: {words}", "`cryo ports` lists the ports there are")


def _words(error: Exception) -> str:
    """The error's own words, without the Python wrapping that pyserial puts around them."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip()
