"""`cryo agent`: a service that pulls from every attached device into the store, until it is ended.

May import `connection`, `ports`, `pull`, `store`, `journal_signing`, `keys`, `errors` and the
standard library.

A thread a device. A visit opens the port, pulls, releases and closes the port again, so that others
may use the device between two visits. What goes wrong ends a visit, never the service: a pull keeps
what it has verified, and the next visit goes on behind it; a device keeps its records until they
are stored. So nothing has to be remembered here, and a service that is killed loses nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from host_tools.connection import Connection, connect
from host_tools.errors import CryoError, IntegrityError, LinkError, LocalError, PortError
from host_tools.journal_signing import sign_head
from host_tools.keys import Keyring
from host_tools.ports import list_ports, port_with
from host_tools.pull import PullResult, pull
from host_tools.store import Store

SCAN_S = 2.0
"""How often the ports are looked at for a device that was plugged in, seconds."""

PAUSE_S = 300.0
"""Shortest pause after a device and the store contradicted each other, seconds."""

END_S = 10.0
"""How long a visit may take to end when the service is to end, seconds."""

OK, AWAY, STORE, CONTRADICTION, REFUSED = "ok", "away", "store", "contradiction", "refused"
"""How the last visit ended: well; no port or no answer; the store could not be used; device and
store contradict each other; the device refused."""


@dataclass(frozen=True)
class Seen:
    """What is known of a device; a new one after each visit."""

    key: str
    """Its USB serial number, or the port that was named."""
    serial: str = ""
    """Its own, once it has answered."""
    how: str = AWAY
    why: str = ""
    """What went wrong in the last visit, in words."""
    port: str = ""
    head: int = 0
    """Newest record of the device."""
    stored: int = 0
    """Newest record stored."""
    new: int = 0
    """Records that this service has stored."""
    visits: int = 0
    failures: int = 0
    """Visits that failed."""
    good_s: int = 0
    """When a visit last ended well, seconds since 1970 UTC; 0: never."""


class _Ended(Exception):
    """The service is to end."""


@dataclass(frozen=True)
class Wanted:
    """What the service is to do."""

    place: Path | str
    """The store."""
    ports: Sequence[str] = ()
    """Ports of devices; none: every device that is on USB at any time."""
    every_s: float = 30.0
    release: bool = True
    timeout_s: float = 1.5


class Agent:
    """The service. Each of `tell` is called after each visit, by one thread at a time."""

    def __init__(self, wanted: Wanted, tell: Sequence[Callable[[Seen], None]]) -> None:
        self.wanted = wanted
        self._tell = tell
        self._ending = threading.Event()
        self._one = threading.Lock()
        self._visitors: dict[str, _Visitor] = {}
        self._broken: list[BaseException] = []

    def end(self) -> None:
        """Let `run` return soon; may be called by a signal's handler."""
        self._ending.set()

    def run(self) -> None:
        """Serve until `end`. An error of the program itself ends it: systemd starts it again."""
        named = self.wanted.ports
        while not self._ending.is_set() and not self._broken:
            keys = named or [
                info.usb_serial for info in list_ports() if info.candidate and info.usb_serial
            ]
            for key in keys:
                self._attend(key, usb=not named)
            for key, visitor in self._visitors.items():
                visitor.there = key in keys
            self._ending.wait(SCAN_S)
        self.end()
        until_s = time.monotonic() + END_S
        for visitor in self._visitors.values():
            visitor.wake.set()
        for visitor in self._visitors.values():
            visitor.join(max(0.0, until_s - time.monotonic()))
        if self._broken:
            raise self._broken[0]

    def _attend(self, key: str, *, usb: bool) -> None:
        visitor = self._visitors.get(key)
        if visitor is None:
            visitor = self._visitors[key] = _Visitor(self, key, usb)
            visitor.start()
        elif not visitor.there:
            visitor.wake.set()  # it has been plugged in again

    # -- for the visitors ---------------------------------------------------------------------

    @property
    def ending(self) -> bool:
        """Whether the service is to end."""
        return self._ending.is_set()

    def seen(self, seen: Seen) -> None:
        """A visit is over."""
        with self._one:
            for report in self._tell:
                report(seen)

    def broken(self, error: BaseException) -> None:
        """A visitor met an error that is none of ours."""
        self._broken.append(error)


class _Visitor(threading.Thread):
    """Visits one device again and again."""

    def __init__(self, agent: Agent, key: str, usb: bool) -> None:
        super().__init__(name=f"device {key}", daemon=True)
        self._agent, self._key, self._usb = agent, key, usb
        self._seen = Seen(key)
        self._released = 0
        self._open: Connection | None = None
        self.wake = threading.Event()
        self.there = True

    def run(self) -> None:
        """Until the service is to end."""
        try:
            while not self._agent.ending:
                how = self._visit()
                every_s = self._agent.wanted.every_s
                # A contradiction does not go away by itself: it is not looked at as often.
                self.wake.wait(max(every_s, PAUSE_S) if how == CONTRADICTION else every_s)
                self.wake.clear()
        except _Ended:
            pass
        except BaseException as error:  # noqa: BLE001
            self._agent.broken(error)
        finally:
            self._close()

    def _visit(self) -> str:
        """One visit; how it ended."""
        seen = replace(self._seen, visits=self._seen.visits + 1)
        part = PullResult("", 0)
        try:
            device = self._device()
            seen = replace(seen, port=device.port, serial=device.serial)
            with Store(self._agent.wanted.place) as store:
                try:
                    self._pull(device, store, part)
                finally:
                    seen = replace(seen, new=seen.new + part.new, head=part.head or seen.head)
                seen = replace(seen, stored=store.last_seq(device.serial))
            seen = replace(seen, how=OK, why="", good_s=int(time.time()))
        except CryoError as error:
            self._close()
            seen = replace(seen, how=_how(error), why=error.text, failures=seen.failures + 1)
        if self._open is not None and not self._open.port.lower().startswith("sim://"):
            self._close()
        self._seen = seen
        self._agent.seen(seen)
        return seen.how

    def _device(self) -> Connection:
        """The device, opened; a simulated one ends when it is closed, and so stays open."""
        if self._open is None:
            port = port_with(self._key) if self._usb else self._key
            self._open = connect(port, timeout_s=self._agent.wanted.timeout_s, reconnect_s=0)
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _pull(self, device: Connection, store: Store, part: PullResult) -> None:
        def go_on(*_: int) -> None:
            if self._agent.ending:
                raise _Ended

        pull(device, store, progress=go_on, into=part)
        go_on()
        last = store.last_seq(part.serial)
        if part.new:
            sign_head(store, part.serial, Keyring())
        if self._agent.wanted.release and last > self._released:
            if pull(device, store, release=True).released is not None:
                self._released = last


def _how(error: CryoError) -> str:
    if isinstance(error, IntegrityError):
        return CONTRADICTION
    if isinstance(error, LocalError):
        return STORE
    return AWAY if isinstance(error, (LinkError, PortError)) else REFUSED
