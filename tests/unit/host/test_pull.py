"""Pulling a journal: all of it, once, and nothing unverified (H-08)."""

import random
import sqlite3
from pathlib import Path

import pytest

from host_tools.device import Device
from host_tools.errors import IntegrityError, LinkTimeout, PortLost, Refused
from host_tools.link import Link
from host_tools.pull import pull
from host_tools.store import Store
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, frame, journal


@pytest.fixture(params=["chunks", "pages"])
def fake(request: pytest.FixtureRequest) -> FakeDevice:
    """A device with `log_block`, and one with older firmware that knows `log` only."""
    device = FakeDevice()
    if request.param == "pages":
        device.unknown.add("log_block")
    return device


def stored(store: Store, fake: FakeDevice) -> list[bytes]:
    return [record.raw for record in store.records(fake.serial)]


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 479, 1003])
@pytest.mark.parametrize("page", [20, 13, 1])
def test_everything_arrives_once(
    fake: FakeDevice, device: Device, store: Store, count: int, page: int
) -> None:
    fake.journal = journal(fake.serial, count)
    fake.page = page
    result = pull(device, store, batch_records=100)
    assert stored(store, fake) == fake.journal
    assert (result.new, result.received, result.repeated, result.resent) == (count, count, 0, 0)
    assert store.verify(fake.serial).good


def test_pages_of_changing_size(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 700)
    sizes = iter([3, 20, 7, 20, 20, 1, 12] * 200)
    original = fake._log  # pyright: ignore[reportPrivateUsage]

    def changing(request: dict[str, object]) -> dict[str, object]:
        fake.page = next(sizes)
        return original(request)

    fake._log = changing  # type: ignore[method-assign]
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert result.repeated == 0


def test_a_second_pull_fetches_only_what_is_new(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 130)
    pull(device, store)
    result = pull(device, store)
    assert (result.new, result.received) == (0, 0)
    fake.journal = journal(fake.serial, 155)
    result = pull(device, store)
    assert (result.new, result.received, result.stored_before) == (25, 25, 130)
    assert stored(store, fake) == fake.journal


def test_a_whole_pull_compares(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 130)
    pull(device, store)
    result = pull(device, store, whole=True)
    assert (result.new, result.known, result.received, result.repeated) == (0, 130, 130, 0)


def test_progress_goes_from_nothing_to_all(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 130)
    seen: list[tuple[int, int]] = []
    pull(device, store, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (130, 130)
    assert seen == sorted(seen)


def test_a_noisy_line_costs_time_not_records(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 1000)
    count = 0

    def noisy(line: bytes) -> bytes:
        nonlocal count
        count += 1
        if count % 7 == 0:
            return line[:100] + b"?" + line[101:]
        if count % 11 == 0:
            return line[: len(line) // 2]
        return line

    fake.mangle = noisy
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert result.resent > 0
    assert store.verify(fake.serial).good


def test_rare_losses_stay_below_one_percent_repeated(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 4000)
    count = 0

    def noisy(line: bytes) -> bytes:
        nonlocal count
        count += 1
        return b"" if count % 50 == 0 else line

    fake.mangle = noisy
    result = pull(device, store)
    assert result.new == 4000
    assert result.resent >= 2
    assert result.repeated <= 40


@pytest.mark.parametrize("seed", range(6))
def test_damage_at_any_byte_loses_nothing(
    fake: FakeDevice, device: Device, store: Store, seed: int
) -> None:
    """Three bytes in 10 000 changed, inserted or lost: the same records, each once."""
    fake.journal = journal(fake.serial, 1000)
    chance = random.Random(seed)

    def damaged(line: bytes) -> bytes:
        out = bytearray()
        for byte in line:
            if chance.random() < 1e-4:
                continue
            out.append(byte ^ (1 << chance.randrange(8)) if chance.random() < 1e-4 else byte)
            if chance.random() < 1e-4:
                out.append(chance.randrange(256))
        return bytes(out)

    fake.mangle = damaged
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert result.new == 1000
    assert result.resent > 0


def test_a_restart_in_between(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 500)
    events = {12: fake.boot_event()}
    count = 0

    def reboot(line: bytes) -> bytes:
        nonlocal count
        count += 1
        return events.pop(count, line)

    fake.mangle = reboot
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert device.link.boots == 1
    assert result.repeated <= 80
    assert fake.heard[-1]["op"] in ("log", "log_block", "hello")


def test_another_device_after_a_restart(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 500)
    count = 0

    def swap(line: bytes) -> bytes:
        nonlocal count
        count += 1
        if count == 16:
            fake.serial = "OTHER"
            return fake.boot_event()
        return line

    fake.mangle = swap
    with pytest.raises(IntegrityError, match="OTHER answers now"):
        pull(device, store)


@pytest.mark.hazard("H-08")
def test_a_port_that_vanishes_keeps_what_was_verified(
    fake: FakeDevice, transport: MemoryTransport, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 1000)
    transport.gone_after = 60_000
    with pytest.raises(PortLost) as caught:
        pull(device, store, batch_records=200)
    kept = len(stored(store, fake))
    assert 300 < kept < 1000
    assert f"{kept} new records are verified and stored" in caught.value.hint
    assert store.verify(fake.serial).good
    again = Device(Link(MemoryTransport(fake), first_id=9))
    result = pull(again, store)
    assert result.new == 1000 - kept
    assert result.received == result.new
    assert stored(store, fake) == fake.journal


def test_a_device_that_falls_silent_keeps_what_was_verified(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 1000)

    count = 0

    def silent_later(line: bytes) -> bytes:
        nonlocal count
        count += 1
        return line if count < 40 else b""

    fake.mangle = silent_later
    with pytest.raises(LinkTimeout):
        pull(device, store)
    assert 300 <= len(stored(store, fake)) <= 900
    assert store.verify(fake.serial).good


def test_a_freeze_in_between_is_waited_for(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 500)
    seen = 0

    def freeze(request: dict[str, object]) -> bytes:
        nonlocal seen
        seen += 1
        if seen == 15:
            fake.state = "FREEZING"
        if fake.state == "FREEZING" and fake.now_s > 10:
            fake.state = "READY"
        return b""

    fake.before = freeze
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert result.repeated == 0


def test_a_freeze_that_never_ends_is_an_error(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 5)
    fake.state = "FREEZING"
    with pytest.raises(Refused) as caught:
        pull(device, store)
    assert caught.value.code == "busy"
    assert fake.now_s > 80


@pytest.mark.hazard("H-08")
def test_a_record_changed_in_the_device_stops_there(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 100)
    fake.journal[60] = fake.journal[60][:20] + b"\x01" + fake.journal[60][21:]
    with pytest.raises(IntegrityError, match="record 61"):
        pull(device, store)
    assert stored(store, fake) == fake.journal[:60]


@pytest.mark.hazard("H-08")
def test_a_damaged_spot_can_be_passed_and_stays_on_record(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 100)
    for index, offset in ((60, 20), (70, 0)):  # an argument; the sequence number itself
        raw = bytearray(fake.journal[index])
        raw[offset] ^= 0x40
        fake.journal[index] = bytes(raw)
    result = pull(device, store, keep_broken=True)
    assert (result.new, result.broken) == (100, [61, 71])
    assert stored(store, fake) == fake.journal
    assert [record.seq for record in store.records(fake.serial)] == list(range(1, 101))
    assert len(store.verify(fake.serial).problems) == 2
    assert pull(device, store).new == 0  # the way is free again


def test_the_devices_limit_is_learnt(fake: FakeDevice, device: Device, store: Store) -> None:
    """18 records a reply, fewer at the end of each file of 255: few requests are split."""
    fake.journal = journal(fake.serial, 3000)
    fake.page = 18
    original = fake._log  # pyright: ignore[reportPrivateUsage]

    def by_files(request: dict[str, int]) -> dict[str, object]:
        left = 255 - (request["from"] - 1) % 255
        return original(request | {"max": min(request["max"], left)})

    fake._log = by_files  # type: ignore[method-assign]
    result = pull(device, store)
    assert stored(store, fake) == fake.journal
    assert result.repeated == 0
    assert result.requests < 1.25 * 3000 / 18


def test_a_journal_that_was_restarted_is_refused(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 100)
    pull(device, store)
    fake.journal = journal(fake.serial, 40)
    with pytest.raises(IntegrityError, match="ends at 40"):
        pull(device, store)
    fake.journal = journal(fake.serial, 140, salt=1)
    with pytest.raises(IntegrityError, match="does not continue what is stored"):
        pull(device, store)
    with pytest.raises(IntegrityError):
        pull(device, store, whole=True)
    assert stored(store, fake) == journal(fake.serial, 100)


@pytest.mark.hazard("H-08")
def test_a_foreign_chain_from_the_first_record_on_is_refused(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal("SOMEBODY", 10)
    with pytest.raises(IntegrityError):
        pull(device, store)
    assert stored(store, fake) == []


@pytest.mark.hazard("H-08")
def test_records_that_are_gone_are_a_stated_gap(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    whole = journal(fake.serial, 200)
    fake.journal = whole[:50]
    pull(device, store)
    fake.first, fake.journal = 81, whole[80:]
    result = pull(device, store)
    assert result.gap == (51, 80)
    assert result.new == 120
    assert store.verify(fake.serial).gaps == ((51, 80),)
    assert store.verify(fake.serial).good
    assert pull(device, store, whole=True).known == 120


def test_unasked_lines_do_not_confuse(fake: FakeDevice, device: Device, store: Store) -> None:
    fake.journal = journal(fake.serial, 300)
    fake.before = lambda _: frame({"ev": "state", "state": "READY", "was": "DONE"}) + b"text\n"
    assert pull(device, store).new == 300


@pytest.mark.hazard("H-08")
def test_what_is_stored_and_verified_is_released(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 120)
    assert pull(device, store).released is None  # only when asked to
    assert fake.released == 0
    result = pull(device, store, release=True)
    assert (result.released, result.left, result.not_released) == (120, 1800, "")
    assert fake.released == 120
    assert pull(device, store, release=True).released == 120


@pytest.mark.hazard("H-08")
def test_a_store_that_does_not_verify_releases_nothing(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 120)
    pull(device, store)
    with sqlite3.connect(store.path) as db:
        db.execute("DROP TRIGGER records_stay")
        raw = bytes(48) + fake.journal[6][48:]
        db.execute("UPDATE records SET raw = ? WHERE seq = 7", (raw,))
    result = pull(device, store, release=True)
    assert result.not_released == "stored records do not verify"
    assert fake.released == 0


@pytest.mark.hazard("H-08")
def test_a_device_that_cannot_release_keeps_its_records(
    fake: FakeDevice, device: Device, store: Store
) -> None:
    fake.journal = journal(fake.serial, 30)
    fake.state = "ARMED"
    result = pull(device, store, release=True)
    assert result.new == 30
    assert "ARMED" in result.not_released
    fake.state, fake.unknown = "READY", {"log_release"}
    assert pull(device, store, release=True).not_released == "no such request"
    assert fake.released == 0


@pytest.mark.hazard("H-08")
def test_a_journal_that_begins_at_an_anchor(
    fake: FakeDevice, device: Device, store: Store, tmp_path: Path
) -> None:
    """The store that has the older records goes on; a new one states where it begins."""
    whole = journal(fake.serial, 200)
    fake.journal = whole[:120]
    pull(device, store, release=True)
    fake.first, fake.journal = 81, whole[80:]
    result = pull(device, store, release=True)
    assert (result.gap, result.new, result.released) == (None, 80, 200)
    verdict = store.verify(fake.serial)
    assert verdict.good
    assert (verdict.first, verdict.last, verdict.gaps, verdict.anchored) == (1, 200, (), ())
    with Store(tmp_path / "another.sqlite") as another:
        result = pull(device, another, release=True)
        assert (result.gap, result.new) == ((1, 80), 120)
        verdict = another.verify(fake.serial)
        assert verdict.good
        assert (verdict.gaps, verdict.anchored) == (((1, 80),), (81,))
