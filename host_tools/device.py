"""A device, asked in Python: one method a request of docs/protocol.md.

May import `link`, `description`, `records`, `errors` and the standard library. Replies are
checked for the form that the protocol gives them; another one is a ProtocolError.
"""

import base64
import binascii
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from host_tools.description import PARTS, Description, Setting, Table
from host_tools.errors import NotConfirmed, ProtocolError, Refused
from host_tools.link import Answer, Link, Message, Pipeline
from host_tools.records import CHAIN_BYTES, RECORD_BYTES, Record, decode

T = TypeVar("T")

PROTOCOL_VERSION = 1
PAGE_RECORDS = 20
"""Most records in a reply: 20 of 64 bytes are 1760 characters of base64, a line has 2048."""

CHUNK_PATIENCE_S = 0.5
"""Silence after which a stream of records has ended, seconds. Flash takes 0.1 s at most."""

CONFIRM_POLL_S = 2.0
REPEAT = "repeat the command and follow what the device's screen asks"
"""How often a change that waits for confirmation is looked at, should its event be lost."""

SET_WITHIN_S = 0.5
"""A setting of the clock that took longer is repeated, so that its record can be trusted to 1 s."""

_SET_TRIES = 4

WINDOW = 4
"""Concurrent requests. Four of them fit the device's receive buffer of 512 bytes."""


@dataclass(frozen=True)
class Hello:
    """Who the device is."""

    serial: str
    fw: str
    protocol: int
    micropython: str
    boot: int
    """How many times it has started."""
    state: str
    log_head: int
    """Sequence number of the newest record, 0 when there is none."""


@dataclass(frozen=True)
class Value:
    """A setting's value, and the one that waits for confirmation on the device, if any."""

    key: str
    value: int
    pending: int | None


@dataclass(frozen=True)
class SetReply:
    """Result of a `set`: applied immediately, or to be confirmed on the device."""

    key: str
    value: int
    applied: bool
    confirm: str
    expires_s: float


@dataclass(frozen=True)
class LogPage:
    """A run of records, as one reply brings it."""

    first: int
    """Oldest record that the device still has."""
    head: int
    """Newest record."""
    next: int
    anchor: bytes
    """Chain value before the first requested record."""
    records: tuple[Record, ...]


@dataclass
class LogStream:
    """The records that follow a reply to `log_block`."""

    link: Link
    number: int
    """Of the request."""
    start: int
    count: int
    """Records that the device sends, from `start` on."""
    first: int
    """Oldest record that the device still has."""
    head: int
    """Newest record."""
    anchor: bytes
    """Chain value before `start`."""

    def chunks(self) -> Iterator[tuple[int, tuple[Record, ...]]]:
        """(first sequence number, records) of each chunk that arrives whole.

        Damaged and lost chunks are missing. Ends with the last record, when the device stops
        sending, and when it has restarted.
        """
        link = self.link
        boots = link.boots
        last = self.start + self.count - 1 if self.count else 0
        quiet_since_s = link.now_s
        while last and link.boots == boots:
            message = link.receive()
            if message is None or message.get("chunk") != self.number:
                if link.now_s - quiet_since_s > CHUNK_PATIENCE_S:
                    return
                continue
            quiet_since_s = link.now_s
            seq, raws = int(message["seq"]), cast(bytes, message.get("records", b""))
            places = range(0, len(raws), RECORD_BYTES)
            if raws:
                yield seq, tuple(decode(raws[at : at + RECORD_BYTES]) for at in places)
            if seq + len(places) > last:
                return


@dataclass(frozen=True)
class Release:
    """Reply to `log_release`."""

    released: int
    """Newest record that the device knows to be stored."""
    first: int
    """Oldest record that it still has."""
    left: int
    """Treatments that its journal has room for."""


@dataclass(frozen=True)
class DeviceTime:
    """The device's clock: seconds since 1970-01-01 UTC (0 = not set), and who set it."""

    utc_s: int
    source: str


class Device:
    """The device at the other end of `link`."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def hello(self) -> Hello:
        """Who is there. Raises ProtocolError when it is not a Cryodose that we understand."""
        return parse_hello(self.link.request("hello"))

    def describe(self, part: str) -> Table:
        """One part of the device's description, all its pages."""
        columns: tuple[str, ...] = ()
        rows: list[tuple[Any, ...]] = []
        start: int | None = 0
        while start is not None:
            reply = self.link.request("describe", part=part, **{"from": start})
            columns = tuple(str(name) for name in _take_list(reply, "columns"))
            page = _take_list(reply, "rows")
            for row in page:
                if not isinstance(row, list):
                    raise ProtocolError(f"describe {part}: a row that is no list")
                rows.append(tuple(cast(list[Any], row)))
            following = reply.get("next")
            if following is not None and (not isinstance(following, int) or following <= start):
                raise ProtocolError(f"describe {part}: next is {following!r} after {start}")
            start = following
        return Table(part, columns, tuple(rows))

    def description(self) -> Description:
        """The complete description."""
        return Description(self.describe(part) for part in PARTS)

    def settings(self) -> Description:
        """The description of the settings alone."""
        return Description([self.describe("settings")])

    def get(self, key: str) -> Value:
        """A setting's value. Raises Refused (`unknown_key`)."""
        return _value(self.link.request("get", key=key))

    def get_all(self, settings: tuple[Setting, ...]) -> list[Value]:
        """The values of all `settings`, in their order, several requests at a time."""
        pipeline = Pipeline(self.link)
        waiting = list(reversed(settings))
        keys: dict[int, str] = {}
        found: dict[str, Value] = {}
        while waiting or len(pipeline):
            while waiting and len(pipeline) < WINDOW:
                key = waiting.pop().key
                keys[pipeline.add("get", key=key)] = key
            answer = pipeline.wait()
            found[keys.pop(answer.number)] = _value(_granted(answer))
        return [found[row.key] for row in settings]

    def set(self, key: str, value: int) -> SetReply:
        """Ask for a change. Raises Refused (`range` with its limits, `state`, `busy`, …)."""
        resent = self.link.counts.resent
        try:
            reply = self.link.request("set", key=key, value=value)
        except Refused as refusal:
            # When our request had to be sent twice, `busy` may speak of our own first copy.
            if refusal.code != "busy" or self.link.counts.resent == resent:
                raise
            if self.get(key).pending != value:
                raise
            return SetReply(key, value, False, refusal.text, 0.0)
        applied = _take(reply, "applied", bool)
        return SetReply(
            _take(reply, "key", str),
            _take(reply, "value", int),
            applied,
            "" if applied else _take(reply, "confirm", str),
            0.0 if applied else float(_take(reply, "expires_s", (int, float))),
        )

    def wait_confirmed(
        self, asked: SetReply, on_tick: Callable[[float], None] | None = None
    ) -> None:
        """Wait until a change has been confirmed on the device.

        `on_tick` is called now and then with the seconds left. Events may be lost, so the
        setting is also read every two seconds. Raises NotConfirmed (rejected, or timed out).
        """

        def outcome(event: Message) -> bool | None:
            if event.get("ev") != "setting" or event.get("key") != asked.key:
                return None
            return event.get("applied") is True and event.get("value") == asked.value

        def look() -> bool | None:
            now = self.get(asked.key)
            return now.value == asked.value if now.pending is None else None

        self.wait_decision(
            outcome, look, asked.expires_s or 60.0, f"{asked.key} is unchanged",
            hint=REPEAT, on_tick=on_tick,
        )  # fmt: skip

    def wait_decision(
        self,
        outcome: Callable[[Message], bool | None],
        look: Callable[[], bool | None],
        expires_s: float,
        what: str,
        *,
        rejected: str = "rejected on the device",
        hint: str = "",
        on_tick: Callable[[float], None] | None = None,
    ) -> None:
        """Wait until the operator at the device has confirmed a change.

        `outcome`: whether an event reports it as applied; None = another event. Events may be lost,
        so `look` is asked every two seconds, too: whether the device has it; None = it waits still.
        `expires_s`: when the device gives up. `what`: what is so if it is not confirmed; `hint`:
        what to do when nobody did. Raises NotConfirmed (rejected, or timed out).
        """
        link = self.link
        start_s = link.now_s
        while True:
            event = link.wait_event(lambda ev: outcome(ev) is not None, CONFIRM_POLL_S)
            waited_s = link.now_s - start_s
            applied: bool | None = None
            why = ""
            if event is not None:
                why = str(event.get("why", ""))
                applied = outcome(event)
            else:
                with contextlib.suppress(Refused):  # busy: look again
                    applied = look()
            if applied:
                return
            if applied is False or waited_s > expires_s + 3.0:
                break
            if on_tick is not None:
                on_tick(max(0.0, expires_s - waited_s))
        if why == "storage":
            raise NotConfirmed(
                f"{what}: the device could not write its flash",
                "rejected",
                "call service: a device that cannot write cannot record either",
            )
        # Without the event only the time distinguishes the two.
        late = why == "timed_out" or (not why and waited_s >= expires_s - 0.5)
        raise NotConfirmed(
            f"{what}: " + ("nobody confirmed it in time" if late else rejected),
            "timed_out" if late else "rejected",
            hint if late else "",
        )

    def status(self) -> Message:
        """The device's state and readings; only a few of them while the valve is open."""
        reply = self.link.request("status")
        _take(reply, "state", str)
        return reply

    def log_block(self, start: int, most: int) -> "LogStream":
        """Begin a stream of up to `most` records from sequence number `start` on.

        Raises Refused: `unknown_op` (older firmware), `state` (not in READY or FAULT), `range`.
        """
        pipeline = Pipeline(self.link)
        number = pipeline.add("log_block", **{"from": start, "max": most})
        self.link.expect_chunks(number)
        reply = _granted(pipeline.wait())
        return LogStream(
            self.link, number, start, _take(reply, "count", int), _take(reply, "first", int),
            _take(reply, "head", int), _bytes(reply.get("anchor"), CHAIN_BYTES, "the anchor"),
        )  # fmt: skip

    def log(self, start: int, most: int = PAGE_RECORDS) -> LogPage:
        """Up to `most` records from sequence number `start` on."""
        return log_page(self.link.request("log", **{"from": start, "max": most}), start)

    def log_release(self, seq: int, chain: bytes) -> Release:
        """Tell the device that all records up to `seq` are stored; it may delete them then.

        `chain` is the chain value of record `seq`. Raises Refused (`chain`, `state`, `storage`;
        `unknown_op` from older firmware). Repeating it is harmless.
        """
        text = base64.b64encode(chain).decode("ascii")
        reply = self.link.request("log_release", seq=seq, chain=text)
        return Release(
            _take(reply, "released", int), _take(reply, "first", int), _take(reply, "left", int)
        )

    def time(self) -> DeviceTime:
        """The device's clock."""
        return _time(self.link.request("time"))

    def set_time(self, utc_s: int) -> DeviceTime:
        """Set the device's clock to `utc_s` seconds since 1970-01-01 UTC."""
        return _time(self.link.request("time", utc_s=utc_s))

    def synchronise(self) -> DeviceTime:
        """Set the device's clock to this computer's, to 0.5 s before or 1 s after.

        A setting that took longer than `SET_WITHIN_S` (its request was sent again) is repeated;
        the last try counts, however long it took.
        """
        tries = _SET_TRIES
        while True:
            begun_s = self.link.now_s
            reply = self.set_time(round(time.time()))
            tries -= 1
            if self.link.now_s - begun_s <= SET_WITHIN_S or not tries:
                return reply

    def maintenance(self, on_request: Callable[[str], None] = lambda _: None) -> None:
        """End the application, once the operator has held SELECT at the device.

        `on_request` is called with what the operator has to do. Afterwards, when the E-stop is
        struck, the port is MicroPython's REPL. Raises NotConfirmed (rejected, or timed out).
        """
        reply = self.link.request("maintenance")
        on_request(_take(reply, "text", str))
        if "applied" not in reply:
            return  # firmware 0.2.0 asks nobody
        self.wait_decision(
            lambda ev: ev.get("applied") is True if ev.get("ev") == "maintenance" else None,
            lambda: None,
            float(_take(reply, "expires_s", (int, float))),
            "the application goes on",
            hint="repeat the command, and hold SELECT on the device",
        )


def parse_hello(reply: Message) -> Hello:
    """The reply to `hello`. Raises ProtocolError when it is not a Cryodose that we understand."""
    if reply.get("device") != "cryodose":
        raise ProtocolError(
            f"what answers is not a Cryodose but {reply.get('device')!r}", "is it the right port?"
        )
    hello = Hello(
        _take(reply, "serial", str),
        _take(reply, "fw", str),
        _take(reply, "protocol", int),
        _take(reply, "micropython", str),
        _take(reply, "boot", int),
        _take(reply, "state", str),
        _take(reply, "log_head", int),
    )
    if hello.protocol != PROTOCOL_VERSION:
        raise ProtocolError(
            f"the device speaks version {hello.protocol} of the protocol, "
            f"this program version {PROTOCOL_VERSION}",
            "update the older of the two",
        )
    return hello


def log_page(reply: Message, start: int) -> LogPage:
    """The reply to `log`, decoded; `start` is the requested sequence number."""
    records = tuple(
        decode(_bytes(text, RECORD_BYTES, "a record")) for text in _take_list(reply, "records")
    )
    page = LogPage(
        _take(reply, "first", int),
        _take(reply, "head", int),
        _take(reply, "next", int),
        _bytes(reply.get("anchor"), CHAIN_BYTES, "the anchor"),
        records,
    )
    if page.next != start + len(records):
        raise ProtocolError(f"log: {len(records)} records from {start} on, but next is {page.next}")
    return page


def _granted(answer: Answer) -> Message:
    if answer.refusal is not None:
        raise answer.refusal
    return cast(Message, answer.ok)


def _value(reply: Message) -> Value:
    pending = reply.get("pending")
    return Value(
        _take(reply, "key", str),
        _take(reply, "value", int),
        pending if isinstance(pending, int) else None,
    )


def _time(reply: Message) -> DeviceTime:
    return DeviceTime(_take(reply, "utc_s", int), _take(reply, "source", str))


def _take(reply: Message, key: str, kind: type[T] | tuple[type[Any], ...]) -> T:
    value = reply.get(key)
    wrong_bool = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or wrong_bool:
        raise ProtocolError(f"the device's reply lacks a proper '{key}' (it has {value!r})")
    return cast(T, value)


def _take_list(reply: Message, key: str) -> list[Any]:
    return cast(list[Any], _take(reply, key, list))  # pyright: ignore[reportUnknownArgumentType]


def _bytes(text: object, length: int, what: str) -> bytes:
    try:
        data = base64.b64decode(cast(str, text), validate=True)
    except (binascii.Error, TypeError, ValueError):
        data = b""
    if len(data) != length:
        raise ProtocolError(f"log: {what} is not {length} bytes of base64")
    return data
