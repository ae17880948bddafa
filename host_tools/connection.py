"""A device in Python: found, opened, asked, and found again when its port went away.

    with connect() as device:
        for record in device.records():
            print(device.explain(record))

May import `device`, `link`, `ports`, `records`, `transport`, `errors` and the standard library
(`pull`, with SQLite, when it is used). Every wait has an end: opening takes at most 5 s, a reply
`tries` x `timeout_s`, a port that went away `reconnect_s`. A `Connection` is for one thread;
several devices take one each, in as many threads as wanted (docs/cryo.md, "In Python").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from host_tools.description import PARTS, Description
from host_tools.device import PAGE_RECORDS, Device, Hello
from host_tools.errors import LinkTimeout, PortError, PortLost, ProtocolError
from host_tools.link import TIMEOUT_S, TRIES, Link
from host_tools.ports import find_port, port_with, usb_serial_of, usual_name
from host_tools.records import Record, as_dict, genesis, verify_chain
from host_tools.transport import Transport, open_transport

if TYPE_CHECKING:
    from pathlib import Path

    from host_tools.pull import PullResult

RECONNECT_S = 30.0
"""How long a port that went away is waited for, seconds: time to plug it in again."""

_PAUSE_S = 0.2


class SteadyTransport:
    """A `Transport` that opens its port again when it goes away: unplugged, reset, renamed.

    `find` gives the port's present name, or raises PortError while it is not there; `is_same` says
    whether the device on a reopened port is the one that was there before. What was under way
    is lost; the link above sends it again, which is harmless (docs/protocol.md).
    """

    def __init__(
        self,
        find: Callable[[], str],
        is_same: Callable[[Transport], bool],
        patience_s: float = RECONNECT_S,
        *,
        open_port: Callable[[str], Transport] = open_transport,
    ) -> None:
        self._find = find
        self._is_same = is_same
        self._patience_s = patience_s
        self._open_port = open_port
        self._closed = False
        self._port = open_port(find())
        self.url = self._port.url
        """The port's present name."""
        self.slice_s = self._port.slice_s
        self.reopened = 0
        """How often the port was opened again."""

    def read_some(self) -> bytes:
        """See `Transport`. Nothing, when the port had to be opened again."""
        try:
            return self._port.read_some()
        except PortLost as lost:
            self._reopen(lost)
            return b""

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        try:
            self._port.write(data)
        except PortLost as lost:
            self._reopen(lost)
            self._port.write(data)

    def close(self) -> None:
        """See `Transport`."""
        self._closed = True
        self._port.close()

    def _reopen(self, lost: PortLost) -> None:
        self._port.close()
        end_s = time.monotonic() + self._patience_s
        while not self._closed and time.monotonic() < end_s:
            port: Transport | None = None
            try:
                port = self._open_port(self._find())
                if not self._is_same(port):
                    port.close()
                    raise ProtocolError(
                        f"another device answers on {port.url} than before the port went away",
                        "connect to it again, or plug the first one in again",
                    )
            except (PortError, PortLost, LinkTimeout):  # not there yet, or it still starts
                if port is not None:
                    port.close()
                time.sleep(_PAUSE_S)
                continue
            self._port = port
            self.url = port.url
            self.reopened += 1
            return
        if self._closed or not self._patience_s:
            raise lost
        raise PortLost(
            f"{lost.text}; it has not come back within {self._patience_s:g} s", lost.hint
        ) from None


class Connection(Device):
    """An open device: every request of `Device`, its records, and its description.

    A context manager; `close` switches nothing off, it releases the port. Errors are those of
    `errors`, each with what to do in `hint`. When the port goes away, the next request waits until
    it is there again; a change that waits for confirmation goes on waiting too.
    """

    def __init__(self, transport: Transport, link: Link, identity: Hello) -> None:
        super().__init__(link)
        self._transport = transport
        self._description: Description | None = None
        self.identity = identity
        """Who the device was when it was opened; `hello()` asks again."""

    @property
    def serial(self) -> str:
        """The device's serial number: its processor's, in hexadecimal."""
        return self.identity.serial

    @property
    def port(self) -> str:
        """The port's present name; another one, perhaps, after it was plugged in again."""
        return self._transport.url

    @property
    def reopened(self) -> int:
        """How often the port has been opened again since `connect`."""
        return getattr(self._transport, "reopened", 0)

    def records(self, start: int | None = None) -> Iterator[Record]:
        """The journal's records from number `start` on (default: the oldest that there is).

        Each is yielded when its hash chain is verified: from the very first record on, or from the
        chain value that the device states for the oldest one that it still has. Ends at the newest
        record at the time of the last request. Raises IntegrityError when the chain breaks, Refused
        (`range`: no such record; `busy`: the valve is open).
        """
        first = 1 if start is None else start
        chain: bytes | None = None
        if start is None:
            first = self.log(self.hello().log_head + 1, 1).first
        while True:
            page = self.log(first, PAGE_RECORDS)
            if chain is None:
                chain = genesis(self.serial) if first == 1 else page.anchor
            chain = verify_chain(page.records, chain, first)
            yield from page.records
            first = page.next
            if first > page.head or not page.records:
                return

    def describe_all(self) -> Description:
        """What the device says about its settings, records, faults ...; asked once, then kept."""
        if self._description is None:
            self._description = Description(self.describe(part) for part in PARTS)
        return self._description

    def explain(self, record: Record) -> dict[str, object]:
        """A record with names, units and meanings, as `cryo log show --json` gives it."""
        return as_dict(record, self.describe_all())

    def pull(
        self, store: Path | str, progress: Callable[[int, int], None] | None = None
    ) -> PullResult:
        """Fetch, verify and keep all records that `store` (a SQLite file, or a URL) lacks.

        As `cryo log pull --no-release` does: nothing is released on the device. `progress` is
        called with (records done, records in all).
        """
        from host_tools.pull import pull
        from host_tools.store import Store

        with Store(store) as open_store:
            return pull(self, open_store, progress=progress)

    def close(self) -> None:
        """Release the port; idempotent."""
        self.link.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    port: str | None = None,
    *,
    usb_serial: str | None = None,
    timeout_s: float = TIMEOUT_S,
    tries: int = TRIES,
    reconnect_s: float = RECONNECT_S,
) -> Connection:
    """Open a device, and ask who it is.

    `port`: a device path or pyserial URL (`COM5`, `/dev/ttyACM0`, `socket://HOST:PORT`, `sim://`).
    Left out: the one on USB with the serial number `usb_serial`; else the variable CRYO_PORT; else
    the one device on USB. `timeout_s`: how long one try waits for a reply, more than 0; `tries`:
    how often a request is sent, 1 or more. `reconnect_s`: how long a port that goes away later is
    waited for; 0: not at all. A port on USB is found again by its USB serial number, whatever its
    name is then; any other port under the same name.

    Raises PortError (no port, more than one, in use), LinkTimeout (no answer), ProtocolError (not a
    Cryodose), ValueError (an argument out of its range).
    """
    if timeout_s <= 0 or tries < 1 or reconnect_s < 0:
        raise ValueError("timeout_s must be more than 0, tries at least 1, reconnect_s at least 0")
    if port is not None and usb_serial is not None:
        raise ValueError("give port or usb_serial, not both")
    find = _finder(port, usb_serial)
    opened: list[Hello] = []

    def is_same(candidate: Transport) -> bool:
        hello = Device(Link(candidate, timeout_s=timeout_s, tries=2)).hello()
        return hello.serial == opened[0].serial

    transport = SteadyTransport(find, is_same, reconnect_s)
    # The simulator is deterministic, and stays so only if what it is sent is.
    first_id = 1 if transport.url.lower().startswith("sim://") else None
    link = Link(transport, timeout_s=timeout_s, tries=tries, first_id=first_id)
    try:
        opened.append(Device(link).hello())
    except BaseException:
        link.close()
        raise
    return Connection(transport, link, opened[0])


def _finder(port: str | None, usb_serial: str | None) -> Callable[[], str]:
    """A function that gives the port's present name."""
    if usb_serial is None:
        name = usual_name(port or os.environ.get("CRYO_PORT") or find_port())
        usb_serial = usb_serial_of(name)
        if not usb_serial:
            return lambda: name
    wanted = usb_serial
    return lambda: port_with(wanted)
