"""Fetching a journal: pipelined, verified record by record, stored batch by batch.

May import `device`, `link`, `store`, `records`, `errors`. A pull can be broken off at any
moment: what was verified until then is stored, and the next pull goes on behind it.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from host_tools.device import PAGE_RECORDS, WINDOW, Device, Hello, LogPage, log_page, parse_hello
from host_tools.errors import CryoError, IntegrityError, LinkTimeout, ProtocolError, Refused
from host_tools.link import NOISY_TRIES, Message, Pipeline
from host_tools.records import Record, verify_chain
from host_tools.store import Store

T = TypeVar("T")

BATCH_RECORDS = 500
"""Records in one transaction of the store."""

BUSY_PATIENCE_S = 90.0
"""How long a pull waits for a treatment to end, seconds (a freeze takes 30 s at most)."""

_BUSY_PAUSE_S = 0.5
_ERASED_HINT = "its journal was erased, or another device uses this serial number"


@dataclass
class PullResult:
    """What a pull brought."""

    serial: str
    stored_before: int
    """Newest record stored before the pull, 0 for none."""
    head: int = 0
    """Newest record of the device."""
    new: int = 0
    known: int = 0
    """Records fetched again and found equal to those stored."""
    received: int = 0
    """Records that came over the line, repeated ones included."""
    requests: int = 0
    resent: int = 0
    broken: list[int] = field(default_factory=list[int])
    """Records that do not continue the chain, stored nevertheless (`keep_broken`)."""
    gap: tuple[int, int] | None = None
    """Records, first and last, that the device no longer has and that were never pulled."""
    released: int | None = None
    """Newest record that the device may delete, once its room is short; None: not released."""
    not_released: str = ""
    """Why not."""
    left: int | None = None
    """Treatments that the device's journal has room for, when released."""
    seconds: float = 0.0

    @property
    def repeated(self) -> int:
        """Records that came over the line more than once."""
        return self.received - self.new - self.known


class _Pages:
    """Records per request: as many as fit into a reply of the device.

    It may put in fewer now and then (where one of its files ends). The same largest number
    twice, although more was requested, is the limit.
    """

    def __init__(self, limit: int) -> None:
        self.size = limit
        self._limit = limit
        self._most = 0

    def learn(self, asked: int, got: int) -> None:
        """Take the size of one reply into account."""
        if got < asked and got == self._most:
            self._limit = got
        self._most = max(self._most, got)
        if got < asked:
            self.size = min(self._limit, max(1, self._most))
        elif asked == self.size:
            self.size = min(self._limit, 2 * asked)


@dataclass(frozen=True)
class _Run:
    """Consecutive records that have come."""

    records: tuple[Record, ...]
    anchor: bytes | None = None
    """Chain value before the first, where the device states it."""


@dataclass
class _Plan:
    """Which records are needed, requested, and received but not yet in order."""

    expected: int
    target: int
    pages: "_Pages"
    asked: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    ahead: dict[int, _Run] = field(default_factory=dict[int, _Run])
    again: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    next_ask: int = 0


def pull(
    device: Device,
    store: Store,
    *,
    whole: bool = False,
    keep_broken: bool = False,
    release: bool = False,
    progress: Callable[[int, int], None] | None = None,
    page_records: int = PAGE_RECORDS,
    window: int = WINDOW,
    batch_records: int = BATCH_RECORDS,
    into: PullResult | None = None,
) -> PullResult:
    """Fetch all records that are not stored yet (`whole`: all of them, to compare).

    `keep_broken` goes on behind records that do not continue the chain, and stores them: one
    damaged spot in the device's flash must not bar the way to all that came after it. `release`
    tells the device what is stored, so that it may make room (`_release`). `progress`
    is called with (records done, records in all). `into` takes the result as it grows, so that it
    is known after an error as well. Raises IntegrityError when the chain breaks or
    device and store disagree; link errors as they come.
    """
    started = time.monotonic()
    hello = when_free(device, device.hello)
    last = store.last_seq(hello.serial)
    result = PullResult("", 0) if into is None else into
    result.serial, result.stored_before, result.head = hello.serial, last, hello.log_head
    counts = device.link.counts
    requests, resent = counts.requests, counts.resent
    try:
        _Puller(device, store, hello, result, progress, window, batch_records, keep_broken).run(
            1 if whole else last + 1, page_records
        )
        if release:
            _release(device, store, result)
    except CryoError as error:
        if result.new:
            error.hint = (
                f"{result.new} new records are verified and stored; "
                f"`cryo log pull` goes on behind them. {error.hint}"
            ).strip()
        raise
    finally:
        result.requests = counts.requests - requests
        result.resent = counts.resent - resent
        result.seconds = time.monotonic() - started
    return result


def _release(device: Device, store: Store, result: PullResult) -> None:
    """Release what is stored, if every stored record verifies from the bytes in the file.

    A device that refuses (a treatment has begun, older firmware) keeps its records, and the next
    pull releases them; but one that has another chain value is an IntegrityError.
    """
    last = store.last_seq(result.serial)
    if not last:
        return
    if result.broken or not store.verify(result.serial).good:
        result.not_released = "stored records do not verify"
        return
    chain = store.chain_before(result.serial, last + 1)
    if chain is None:
        return
    try:
        reply = when_free(device, lambda: device.log_release(last, chain))
    except Refused as refusal:
        if refusal.code == "chain":
            raise IntegrityError(
                f"record {last} of {result.serial} has another chain value on the device"
            ) from refusal
        result.not_released = refusal.text
        return
    result.released, result.left = reply.released, reply.left


class _Puller:
    def __init__(
        self,
        device: Device,
        store: Store,
        hello: Hello,
        result: PullResult,
        progress: Callable[[int, int], None] | None,
        window: int,
        batch_records: int,
        keep_broken: bool,
    ) -> None:
        self._device = device
        self._store = store
        self._hello = hello
        self._result = result
        self._progress = progress
        self._window = window
        self._batch_records = batch_records
        self._keep_broken = keep_broken
        self._batch: list[Record] = []
        self._batch_anchor = b""
        self._chain = b""

    def run(self, start: int, page_records: int) -> None:
        result, store, serial = self._result, self._store, self._hello.serial
        description = when_free(self._device, self._device.description)
        store.put_device(
            serial,
            fw=self._hello.fw,
            micropython=self._hello.micropython,
            boot=self._hello.boot,
            head=self._hello.log_head,
            description=description,
        )
        # The first page is requested alone: it shows where the journal begins and ends, whether
        # it continues what is stored, and how many records the device puts into a reply.
        page, start = self._first_page(start, page_records)
        if result.stored_before > page.head:
            raise IntegrityError(
                f"{result.stored_before} records of {serial} are stored, "
                f"but the device's journal ends at {page.head}",
                _ERASED_HINT,
            )
        result.head = page.head
        if start > result.stored_before + 1:
            result.gap = (result.stored_before + 1, start - 1)
        known = store.chain_before(serial, start)
        if known is not None and known != page.anchor:
            raise IntegrityError(
                f"the device's journal does not continue what is stored of {serial} "
                f"(before record {start})",
                "nothing was written. The device's journal or the store was altered",
            )
        self._chain = self._batch_anchor = page.anchor
        plan = _Plan(start, page.head, _Pages(page_records), next_ask=start)
        self._take(plan, start, page_records, page)
        try:
            if not self._stream(plan):
                self._fetch(plan)
        finally:
            # Also when the port has vanished: what is verified so far is worth keeping.
            self._flush()

    def _stream(self, plan: _Plan) -> bool:
        """Fetch all that is needed in binary chunks.

        False when the device cannot do that: its firmware is older, or it is in the midst of a
        treatment, where it answers page by page only.
        """
        device, link = self._device, self._device.link
        failures = 0
        while plan.expected <= plan.target:
            boots, received = link.boots, self._result.received
            most = min(plan.ahead, default=plan.target + 1) - plan.expected
            try:
                stream = when_free(device, partial(device.log_block, plan.expected, most))
            except Refused as refusal:
                if refusal.code not in ("unknown_op", "state"):
                    raise
                plan.ahead.clear()
                plan.next_ask = plan.expected
                return False
            if stream.anchor != self._chain:
                raise IntegrityError(f"the chain before record {plan.expected} is not what it was")
            for seq, records in stream.chunks():
                self._result.received += len(records)
                if seq < plan.expected:
                    continue  # the request was sent again, and its stream has begun again
                # What comes behind a lost chunk is kept: only the gap is asked for again.
                plan.ahead[seq] = _Run(records)
                self._accept_ahead(plan)
            if link.boots != boots:
                self._same_device(link.request("hello"))
            if plan.expected <= plan.target:
                link.counts.resent += 1
            failures = 0 if self._result.received > received else failures + 1
            if failures > NOISY_TRIES:
                raise LinkTimeout(*link.silence())
        return True

    def _accept_ahead(self, plan: _Plan) -> None:
        while (run := plan.ahead.pop(plan.expected, None)) is not None:
            self._accept(plan, run)

    def _fetch(self, plan: _Plan) -> None:
        link = self._device.link
        pipeline = Pipeline(link)
        boots = link.boots
        busy_until_s: float | None = None
        busy: Refused | None = None
        while plan.expected <= plan.target:
            if busy and not len(pipeline):
                # All that was under way has been refused. A freeze takes its time: wait.
                if busy_until_s is None:
                    busy_until_s = link.now_s + BUSY_PATIENCE_S
                if link.now_s > busy_until_s:
                    raise busy
                link.wait_event(lambda _: False, _BUSY_PAUSE_S)
                busy = None
            while (
                busy is None
                and len(pipeline) < self._window
                and (asking := self._next(plan)) is not None
            ):
                start, most = asking
                plan.asked[pipeline.add("log", **{"from": start, "max": most})] = asking
            answer = pipeline.wait()
            if link.boots != boots:
                # It has restarted meanwhile. Is it still the same device?
                boots = link.boots
                pipeline.add("hello")
            if answer.number not in plan.asked:
                if answer.refusal is not None:
                    raise answer.refusal
                self._same_device(answer.ok)
                continue
            start, most = plan.asked.pop(answer.number)
            if answer.refusal is not None:
                if answer.refusal.code != "busy":
                    raise answer.refusal
                plan.again.append((start, most))
                busy = answer.refusal
                continue
            busy_until_s = None
            self._take(plan, start, most, log_page(answer.ok or {}, start))

    def _next(self, plan: _Plan) -> tuple[int, int] | None:
        if plan.again:
            plan.again.sort(reverse=True)
            return plan.again.pop()
        if plan.next_ask > plan.target:
            return None
        asking = (plan.next_ask, min(plan.pages.size, plan.target - plan.next_ask + 1))
        plan.next_ask += asking[1]
        return asking

    def _take(self, plan: _Plan, start: int, most: int, page: LogPage) -> None:
        got = len(page.records)
        self._result.received += got
        plan.pages.learn(most, got)
        last = min(start + most - 1, plan.target)
        if start + got <= last:
            if not got:
                raise ProtocolError(
                    f"the device gave nothing from record {start} on, "
                    f"though its journal goes to {page.head}"
                )
            if start < plan.next_ask:  # otherwise the first page: nothing is requested behind it
                plan.again.append((start + got, last - start - got + 1))
        plan.next_ask = max(plan.next_ask, start + got)
        plan.ahead[start] = _Run(page.records, page.anchor)
        self._accept_ahead(plan)

    def _accept(self, plan: _Plan, run: _Run) -> None:
        if run.anchor is not None and run.anchor != self._chain:
            raise IntegrityError(f"the chain before record {plan.expected} is not what it was")
        # A record whose number is damaged goes by its place; `verify_chain` looks at the bytes.
        places = enumerate(run.records, plan.expected)
        records = [item if item.seq == seq else replace(item, seq=seq) for seq, item in places]
        try:
            broken = self._result.broken if self._keep_broken else None
            self._chain = verify_chain(records, self._chain, plan.expected, broken=broken)
        except IntegrityError as error:
            # What stands before the break is good, and worth keeping.
            good = list(records)
            while good and (good := good[:-1]):
                with contextlib.suppress(IntegrityError):
                    verify_chain(good, self._chain, plan.expected)
                    break
            self._batch.extend(good)
            error.hint = "`cryo log pull --keep-broken` fetches the rest, and notes the break"
            raise
        plan.expected += len(records)
        self._batch.extend(records)
        if len(self._batch) >= self._batch_records:
            self._flush()
        if self._progress is not None:
            done = plan.expected - 1 - self._result.stored_before
            self._progress(max(0, done), max(0, plan.target - self._result.stored_before))

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            new = self._store.append(
                self._hello.serial, batch, self._batch_anchor, keep_broken=self._keep_broken
            )
            self._result.new += new
            self._result.known += len(batch) - new
            self._batch_anchor = batch[-1].chain

    def _same_device(self, reply: Message | None) -> None:
        hello = parse_hello(reply or {})
        if hello.serial != self._hello.serial:
            raise IntegrityError(
                f"{hello.serial} answers now, where {self._hello.serial} did before"
            )

    def _first_page(self, start: int, page_records: int) -> tuple[LogPage, int]:
        """The page from `start` on, or from where the device's journal begins, and its start."""
        try:
            return when_free(self._device, lambda: self._device.log(start, page_records)), start
        except Refused as refusal:
            low, high = refusal.detail.get("min"), refusal.detail.get("max")
            if refusal.code != "range" or not isinstance(low, int) or not isinstance(high, int):
                raise
        if start > high:
            raise IntegrityError(
                f"{start - 1} records of {self._hello.serial} are stored, "
                f"but the device's journal ends at {high - 1}",
                _ERASED_HINT,
            )
        return when_free(self._device, lambda: self._device.log(low, page_records)), low


def when_free(device: Device, ask: Callable[[], T]) -> T:
    """What `ask` returns, once no freeze is running. Raises Refused when none seems to end."""
    link = device.link
    until_s = link.now_s + BUSY_PATIENCE_S
    while True:
        try:
            return ask()
        except Refused as refusal:
            if refusal.code != "busy" or link.now_s > until_s:
                raise
        link.wait_event(lambda _: False, _BUSY_PAUSE_S)
