"""Release of journal records that the host has stored, and deletion of what is released: H-08."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hw_sim.bench import FastBench
from hw_sim.bench.journal_records import decode_chain
from hw_sim.bench.link_client import encode
from hw_sim.image.flash import Filesystem, SimFlash
from tests.scenarios.conftest import (
    BOOT,
    LOG_RELEASED,
    SEGMENT,
    Record,
    arm,
    faults,
    freezing,
    journal_files,
    journal_of,
    ready,
    records,
    state,
    switch_on,
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault

ROOM_SHORT, ROOM_ENOUGH = 1024, 1536
RESERVE_BLOCKS = 12


def used(count: int, free_records: int | None = None) -> FastBench:
    """A device, off, with `count` records, and (roughly, a multiple of 64) so much room."""
    bench = FastBench()
    ready(bench)
    serial = bench.ask("hello")["ok"]["serial"]
    bench.cut_power()
    bench.run_for(100)
    bench.write_files(journal_files(serial, count))
    filesystem = Filesystem(bench.flash)
    if free_records is not None:
        blocks = filesystem.free_blocks() - RESERVE_BLOCKS - free_records // 64
        filesystem.write_file("/holiday.jpg", b"\x55" * (4080 * blocks))
    return bench


def pulled(bench: FastBench) -> list[bytes]:
    """All records that the device has, as a host that stores them gets them."""
    return bench.log()


def release(bench: FastBench, raw: bytes, **changed: Any) -> dict[str, Any]:
    """Release through the record `raw`."""
    seq = int.from_bytes(raw[:4], "little")
    request = {"seq": seq, "chain": base64.b64encode(raw[48:]).decode(), **changed}
    return bench.ask("log_release", timeout_ms=5000, **request)


def segments(bench: FastBench) -> list[int]:
    """The first numbers of the segments in flash."""
    return sorted(int(n[8:]) for n in bench.files() if n.startswith("journal/"))


@pytest.mark.hazard("H-08")
def test_a_release_is_recorded_and_deletes_nothing_while_there_is_room() -> None:
    """H-08."""
    bench = used(600)
    ready(bench)
    raws = pulled(bench)
    answer = release(bench, raws[-1])
    assert answer["ok"]["released"] == len(raws)
    assert answer["ok"]["first"] == 1
    bench.run_for(2000)
    assert segments(bench) == [1, 256, 511]
    (record,) = (r for r in records(bench) if r.kind == LOG_RELEASED)
    assert record.through == len(raws)
    assert record.chain == int.from_bytes(raws[-1][48:52], "little", signed=True)
    assert bench.ask("status")["ok"]["log_released"] == len(raws)
    # Repeated, it changes nothing; nor does the release of nothing but that record.
    head = bench.ask("hello")["ok"]["log_head"]
    assert release(bench, raws[-1])["ok"]["released"] == len(raws)
    assert release(bench, pulled(bench)[-1])["ok"]["released"] == len(raws)
    assert bench.ask("hello")["ok"]["log_head"] == head
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    assert bench.ask("status")["ok"]["log_released"] == len(raws)


@pytest.mark.hazard("H-08")
def test_what_is_not_proved_is_not_released() -> None:
    """H-08: a clear refusal, and nothing changes."""
    bench = used(300)
    ready(bench)
    raws = pulled(bench)
    for changed, code in (
        ({"chain": base64.b64encode(bytes(16)).decode()}, "chain"),
        ({"chain": base64.b64encode(raws[-2][48:]).decode()}, "chain"),
        ({"chain": base64.b64encode(raws[-1][48:60]).decode()}, "bad_request"),
        ({"chain": "!"}, "bad_request"),
        ({"chain": 7}, "bad_request"),
        ({"seq": "7"}, "type"),
        ({"seq": 0}, "range"),
        ({"seq": len(raws) + 1}, "range"),
    ):
        error = release(bench, raws[-1], **changed)["err"]
        assert error["code"] == code, changed
    assert release(bench, raws[-1], seq=len(raws) + 1)["err"]["max"] == len(raws)
    assert bench.ask("status")["ok"]["log_released"] == 0
    assert len(pulled(bench)) == len(raws)


@pytest.mark.hazard("H-08")
def test_a_release_waits_until_the_treatment_is_over() -> None:
    """H-08."""
    bench = used(300)
    ready(bench)
    raws = pulled(bench)
    arm(bench)
    error = release(bench, raws[-1])["err"]
    assert error["code"] == "state"
    assert "ARMED" in error["text"]
    freezing(bench, 500)
    assert release(bench, raws[-1])["err"]["code"] == "busy"


@pytest.mark.hazard("H-08")
def test_released_segments_make_room_and_the_chain_goes_on() -> None:
    """H-08: only what is released, the oldest first, until there is room enough."""
    bench = used(5 * SEGMENT, ROOM_SHORT - 128)
    ready(bench)
    store = pulled(bench)
    bench.run_for(2000)
    assert len(segments(bench)) == 6  # not released: nothing is deleted, however short the room
    release(bench, store[3 * SEGMENT + 20])  # three segments, and part of the fourth
    bench.run_for(3000)
    assert segments(bench)[0] == 3 * SEGMENT + 1
    treat(bench)
    journal = records(bench)  # verified from the anchor on
    assert journal[0].seq == 3 * SEGMENT + 1
    page = next(bench.log_pages(3 * SEGMENT + 1))
    assert base64.b64decode(page["anchor"]) == store[3 * SEGMENT - 1][48:]
    whole = store[: 3 * SEGMENT] + pulled(bench)
    serial = bench.ask("hello")["ok"]["serial"]
    assert [r.seq for r in decode_chain(whole, serial)] == list(range(1, len(whole) + 1))
    assert bench.ask("log", **{"from": 1})["err"]["min"] == 3 * SEGMENT + 1
    bench.press("select")
    until(bench, "READY")
    # The last record deleted can be named again: a host with nothing new repeats its release.
    assert "ok" in release(bench, store[3 * SEGMENT - 1])
    assert release(bench, store[3 * SEGMENT - 2])["err"]["code"] == "range"
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    assert records(bench)[: len(journal)] == journal
    assert faults(bench) == []


@pytest.mark.hazard("H-08")
def test_deletion_stops_when_there_is_room_enough() -> None:
    """H-08: hysteresis."""
    bench = used(8 * SEGMENT, ROOM_SHORT - 128)
    ready(bench)
    store = pulled(bench)
    release(bench, store[-1])
    bench.run_for(5000)
    left = [r for r in records(bench) if r.kind == BOOT]
    assert left
    assert 1 < len(segments(bench)) < 9
    assert segments(bench)[0] == 3 * SEGMENT + 1  # 896 + 3 x 256 = 1664 is the first above 1536


@pytest.mark.hazard("H-08")
def test_a_full_journal_is_emptied_by_the_host() -> None:
    """H-08: pulled and released, the device works on, without a technician."""
    bench = used(3 * SEGMENT, 0)
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.JOURNAL_FULL]
    store = pulled(bench)
    assert "ok" in release(bench, store[-1])
    bench.press("select")
    until(bench, "READY")
    bench.run_for(2000)
    treat(bench)
    assert records(bench)[0].seq > SEGMENT


@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("slots", [("a",), ("b",), ("a", "b")])
def test_a_damaged_anchor(slots: tuple[str, ...]) -> None:
    """H-08: either file alone is enough; without both it is reported, and nothing is deleted."""
    bench = used(4 * SEGMENT, ROOM_SHORT - 128)
    ready(bench)
    release(bench, pulled(bench)[-1])
    bench.run_for(3000)
    kept = segments(bench)
    assert kept[0] > 1
    bench.cut_power()
    bench.run_for(100)
    filesystem = Filesystem(bench.flash)
    for slot in slots:
        data = bytearray(filesystem.read_file(f"/released_{slot}.bin"))
        data[30] ^= 4
        filesystem.write_file(f"/released_{slot}.bin", bytes(data))
    if len(slots) == 1:
        ready(bench)
        assert records(bench)[0].seq == kept[0]
        return
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.JOURNAL_DAMAGED]
    assert segments(bench)[: len(kept)] == kept
    with pytest.raises(AssertionError):
        records(bench)


@pytest.mark.hazard("H-08")
def test_an_anchor_of_an_erased_journal_deletes_nothing() -> None:
    """H-08: after the journal was emptied by hand, another one has the same numbers."""
    bench = used(3 * SEGMENT, ROOM_SHORT - 128)
    ready(bench)
    release(bench, pulled(bench)[-1])
    bench.run_for(3000)
    first = segments(bench)[0]
    anchor = {n: d for n, d in bench.files().items() if n.startswith("released_")}
    assert first > 1
    assert len(anchor) == 2
    other = used(4 * SEGMENT, ROOM_SHORT - 128)
    filesystem = Filesystem(other.flash)
    raws = [bytearray(raw) for raw in journal_of("another", 4 * SEGMENT)]
    for at in range(0, len(raws), SEGMENT):
        filesystem.write_file(f"/journal/{at + 1:08d}", b"".join(raws[at : at + SEGMENT]))
    for name, data in anchor.items():
        filesystem.write_file("/" + name, data)
    ready(other)
    other.run_for(2000)
    assert segments(other)[:4] == [1, 256, 511, 766]
    assert other.ask("status")["ok"]["log_released"] == 0


@pytest.mark.hazard("H-08")
@pytest.mark.parametrize(("free", "told"), [(1500, True), (1700, False)])
def test_ready_tells_when_the_journal_fills(free: int, told: bool) -> None:
    """H-08: long before it is full, for some seconds, and without blocking anything."""
    bench = used(10, free)
    ready(bench)
    bench.run_for(1000)
    first = bench.screen().text()
    bench.run_for(7000)
    later = bench.screen().text()
    assert (first != later) == told
    assert (bench.ask("status")["ok"]["log_left"] < 100) == told
    # The notice comes again with the next entry, and arming goes on under it.
    treat(bench)
    bench.press("select")
    until(bench, "READY")
    arm(bench)


# -- power cuts -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short() -> bytes:
    """A flash whose room is short, with three full segments and the records of a start."""
    bench = used(3 * SEGMENT, ROOM_SHORT - 128)
    ready(bench)
    bench.run_for(500)
    bench.cut_power()
    return bench.flash.image()


def _release_and_delete(bench: FastBench, raw: bytes) -> None:
    chain = base64.b64encode(raw[48:]).decode()
    seq = int.from_bytes(raw[:4], "little")
    bench.host_write(encode({"id": 1, "op": "log_release", "seq": seq, "chain": chain}))
    bench.run_for(2500)


def _operations(image: bytes) -> int:
    bench = FastBench(flash=SimFlash(image))
    ready(bench)
    raw = pulled(bench)[-1]
    bench.run_for(500)
    before = bench.flash.programs + bench.flash.erases
    _release_and_delete(bench, raw)
    assert segments(bench)[0] == 3 * SEGMENT + 1  # three deletions
    return bench.flash.programs + bench.flash.erases - before


@pytest.mark.slow
@pytest.mark.hazard("H-08")
@pytest.mark.parametrize(
    "torn_bytes", [None, *(pytest.param(n, marks=pytest.mark.nightly) for n in (0, 30))]
)
def test_power_cut_at_every_step_of_release_and_deletion(
    short: bytes, torn_bytes: int | None
) -> None:
    """H-08: the journal recovers without damage, and nothing is gone that was not released."""
    operations = _operations(short)
    assert operations > 20
    seen: set[int] = set()
    for cut in range(operations):
        bench = FastBench(flash=SimFlash(short))
        ready(bench)
        store = pulled(bench)
        bench.run_for(500)
        serial = bench.ask("hello")["ok"]["serial"]
        bench.flash.cut_after(cut, torn_bytes=torn_bytes)
        _release_and_delete(bench, store[-1])
        bench.cut_power()
        seen.add(segments(bench)[0])
        bench.flash.power_on()
        bench.run_for(100)
        since = len(bench.events())
        bench.power_on()
        until(bench, "READY", since=since)
        assert faults(bench) == [], f"cut {cut}"
        bench.run_for(2500)  # what was released goes on being deleted
        kept = pulled(bench)
        first = int.from_bytes(kept[0][:4], "little")
        assert first == segments(bench)[0]
        whole: list[Record] = decode_chain(store[: first - 1] + kept, serial)
        assert [r.kind for r in whole[: len(store)]] == [
            r.kind for r in decode_chain(store, serial)
        ]
        if first > 1:  # deleted only behind its record
            assert any(r.kind == LOG_RELEASED and r.through == len(store) for r in whole)
        records(bench)  # the device's own anchor proves the oldest record
        # A second attempt goes on where the first one ended.
        assert "ok" in release(bench, kept[-1])
        bench.run_for(2500)
        assert segments(bench)[0] == (3 * SEGMENT + 1 if first == 1 else first)
        assert state(bench) == "READY"
    assert {1, 256, 511} <= seen
