"""A pull that goes on when the port vanishes: it waits for the device, and opens its port again.

May import `pull`, `ports`, `device`, `store`, `errors` and the standard library.

What was verified is in the store, so a pull that goes on begins behind it. The port is found by
its name, or, when the system gives it another one after a reset, by its USB serial number.
"""

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import replace

from host_tools.device import Device
from host_tools.errors import CryoError, LinkTimeout, PortError, PortLost
from host_tools.ports import port_with, usb_serial_of
from host_tools.pull import PullResult, pull
from host_tools.store import Store

PATIENCE_S = 30.0
"""How long a vanished port is waited for, seconds. A reset takes some 3 s."""

FRUITLESS_MOST = 3
"""Losses one after the other, without a new record between, that end a pull."""

_PAUSE_S = 0.5

Say = Callable[[str], None]


class Reach:
    """How a device is reached: its address, and its USB serial number if it has one.

    `open_at` opens an address. `device` is open at any time but while it is waited for.
    """

    def __init__(
        self,
        url: str,
        open_at: Callable[[str], Device],
        say: Say = lambda text: None,
        *,
        patience_s: float = PATIENCE_S,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._open_at, self._say = open_at, say
        self._patience_s, self._now_s, self._sleep = patience_s, now_s, sleep
        self._usb_serial = usb_serial_of(url)
        self.device = open_at(url)

    def close(self) -> None:
        """Close the port."""
        self.device.link.close()

    def again(self, lost: CryoError) -> None:
        """Wait until the device can be reached, and open its port again.

        Raises `lost`, with what was tried, when it does not come back in time.
        """
        self.close()
        self._say(f"{lost.text}; waiting up to {self._patience_s:.0f} s for it")
        until_s = self._now_s() + self._patience_s
        while True:
            self._sleep(_PAUSE_S)
            try:
                url = port_with(self._usb_serial) if self._usb_serial else self.url
                self.device = self._open_at(url)
            except PortError as error:
                if self._now_s() > until_s:
                    lost.hint = (
                        f"it did not come back within {self._patience_s:.0f} s ({error.text}). "
                        f"{lost.hint}"
                    )
                    raise lost from None
            else:
                where = url if url == self.url else f"{url} (USB serial {self._usb_serial})"
                self._say(f"it is back on {where}; going on")
                self.url = url
                return


@contextlib.contextmanager
def reach(url: str, open_at: Callable[[str], Device], say: Say) -> Generator[Reach]:
    """A device that is closed at the end."""
    reached = Reach(url, open_at, say)
    try:
        yield reached
    finally:
        reached.close()


def pull_on(
    reached: Reach,
    store: Store,
    *,
    whole: bool = False,
    keep_broken: bool = False,
    release: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PullResult:
    """As `pull`, going on across lost ports and silences; the result is that of all parts.

    A device that does not answer at all is an error at once. Raises what `pull` raises, after
    `FRUITLESS_MOST` losses without a new record between them.
    """
    total: PullResult | None = None
    fruitless = 0
    while True:
        part = PullResult("", 0)
        try:
            pull(
                reached.device,
                store,
                whole=whole,
                keep_broken=keep_broken,
                release=release,
                progress=progress,
                into=part,
            )
            return _joined(total, part)
        except (PortLost, LinkTimeout) as error:
            fruitless = 0 if part.new or (whole and part.known) else fruitless + 1
            silent = isinstance(error, LinkTimeout) and total is None and not part.received
            if silent or fruitless >= FRUITLESS_MOST:
                raise
            if part.serial:
                total = _joined(total, part)
            reached.again(error)


def _joined(total: PullResult | None, part: PullResult) -> PullResult:
    """The result of two parts of one pull."""
    if total is None:
        return part
    return replace(
        part,
        stored_before=total.stored_before,
        new=total.new + part.new,
        known=total.known + part.known,
        received=total.received + part.received,
        requests=total.requests + part.requests,
        resent=total.resent + part.resent,
        broken=total.broken + part.broken,
        gap=total.gap or part.gap,
        seconds=total.seconds + part.seconds,
    )
