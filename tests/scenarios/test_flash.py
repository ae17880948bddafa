"""Data in flash: H-07, corrupt settings are not used; H-08, no record is lost or torn.

Power is cut at moments distributed over all flash operations of a treatment.
"""

from __future__ import annotations

import pytest
from littlefs import lfs

from hw_sim.bench import FastBench
from hw_sim.bench.link_client import encode
from hw_sim.image.flash import Filesystem, SimFlash
from tests.scenarios.conftest import (
    ARMED,
    BOOT,
    FREEZE_BEGIN,
    FREEZE_END,
    FREEZE_LOST,
    Record,
    arm,
    faults,
    freezing,
    ready,
    records,
    state,
    switch_on,
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault

SLOTS = ("/settings_a.bin", "/settings_b.bin")


@pytest.fixture(scope="module")
def used() -> bytes:
    """A flash with a treatment and two changed settings on it."""
    bench = FastBench()
    ready(bench)
    bench.ask("set", key="volume", value=3)
    bench.ask("set", key="volume", value=1)
    treat(bench)
    bench.cut_power()
    return bench.flash.image()


def corrupted(image: bytes, *paths: str, at: int = 20) -> SimFlash:
    """The flash with one flipped bit in each file, as from a worn cell."""
    flash = SimFlash(image)
    filesystem = Filesystem(flash)
    for path in paths:
        data = bytearray(filesystem.read_file(path))
        data[at] ^= 0x10
        filesystem.write_file(path, bytes(data))
    return flash


@pytest.mark.hazard("H-07")
@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("at", [0, 5, 9, 21, 60])
def test_one_corrupt_slot_leaves_the_other(used: bytes, slot: str, at: int) -> None:
    """H-07."""
    bench = FastBench(flash=corrupted(used, slot, at=at))
    ready(bench)
    assert bench.ask("get", key="volume")["ok"]["value"] in (1, 3)
    boot = [r for r in records(bench) if r.kind == BOOT][-1]
    assert boot.settings_outcome == 2  # one slot bad, which is recorded


@pytest.mark.hazard("H-07")
def test_two_corrupt_slots_are_a_fault_with_defaults(used: bytes) -> None:
    """H-07: never silently."""
    bench = FastBench(flash=corrupted(used, *SLOTS))
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.SETTINGS_LOST]
    assert bench.ask("get", key="volume")["ok"]["value"] == 2
    bench.press("arm", 1500)
    assert state(bench) == "FAULT"
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "FAULT")  # a power cycle is no acknowledgement
    assert faults(bench) == [Fault.SETTINGS_LOST]
    bench.press("select")
    until(bench, "READY")
    bench.cut_power()
    bench.run_for(100)
    ready(bench)  # acknowledged and saved: not reported again


@pytest.mark.hazard("H-07")
def test_lost_settings_files_on_a_used_device_are_a_fault(used: bytes) -> None:
    """H-07: only a device that has never recorded anything may start with defaults silently."""
    flash = SimFlash(used)
    filesystem = Filesystem(flash)
    for slot in SLOTS:
        filesystem.call(lfs.remove, slot)
    bench = FastBench(flash=flash)
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.SETTINGS_LOST]


@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("at", [3, 50, 64 * 2 + 30])
def test_an_altered_record_is_reported_and_kept(used: bytes, at: int) -> None:
    """H-08: the chain shows it; nothing is deleted."""
    bench = FastBench(flash=corrupted(used, "/journal/00000001", at=at))
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.JOURNAL_DAMAGED]
    with pytest.raises(AssertionError):
        records(bench)
    bench.press("select")
    until(bench, "READY")
    bench.cut_power()
    bench.run_for(100)
    ready(bench)  # reported once: new records go to their own segment
    segment = bench.files()["journal/00000001"]
    assert segment == Filesystem(corrupted(used, "/journal/00000001", at=at)).read_file(
        "/journal/00000001"
    )


@pytest.mark.hazard("H-08")
def test_a_torn_tail_is_kept_and_the_journal_goes_on(used: bytes) -> None:
    """H-08."""
    flash = SimFlash(used)
    filesystem = Filesystem(flash)
    segment = filesystem.read_file("/journal/00000001")
    filesystem.write_file("/journal/00000001", segment + b"\x01" * 17)
    bench = FastBench(flash=flash)
    switch_on(bench, "FAULT")
    assert faults(bench) == [Fault.JOURNAL_DAMAGED]
    bench.press("select")
    treat(bench)
    journal = records(bench)
    assert [r.seq for r in journal] == list(range(1, len(journal) + 1))
    assert bench.files()["journal/00000001"] == segment + b"\x01" * 17


@pytest.mark.hazard("H-08")
def test_a_failing_flash_forbids_the_next_treatment_and_keeps_the_record() -> None:
    """H-08: nothing is lost silently."""
    bench = FastBench()
    ready(bench)
    arm(bench)
    freezing(bench, 1000)
    bench.flash.broken = True
    bench.release("trigger")
    until(bench, "FAULT", 5000)
    assert faults(bench) == [Fault.JOURNAL_FAILED]
    bench.press("select", 3000)
    assert state(bench) == "FAULT"
    # When the flash works again, the records in memory are written.
    bench.flash.mend()
    bench.run_for(3000)
    end = [r for r in records(bench) if r.kind == FREEZE_END]
    assert len(end) == 1
    assert 990_000 < end[0].delivered_us < 1_030_000


@pytest.mark.hazard("H-08")
def test_a_flash_that_fails_before_the_freeze_prevents_it() -> None:
    """H-08: without a record of its beginning there is no freeze."""
    bench = FastBench()
    ready(bench)
    arm(bench)
    bench.flash.broken = True
    bench.hold("trigger")
    until(bench, "FAULT", 5000)
    assert bench.valve_intervals() == []
    assert faults(bench) == [Fault.JOURNAL_FAILED]


@pytest.mark.hazard("H-08")
def test_a_full_flash_forbids_arming() -> None:
    """H-08."""
    bench = FastBench()
    filesystem = Filesystem(bench.flash)
    free = filesystem.free_blocks()
    filesystem.write_file("/holiday.jpg", b"\x55" * (4086 * (free - 12)))
    switch_on(bench, "FAULT")
    assert Fault.JOURNAL_FULL in faults(bench)
    bench.press("select")
    assert state(bench) == "FAULT"


def test_segments_follow_each_other() -> None:
    """More records than a segment holds: numbers and chain continue, also after a restart."""
    bench = FastBench()
    ready(bench)
    for i in range(300):
        assert bench.ask("set", key="volume", value=1 + i % 3 if i % 3 != 1 else 2)["ok"]
    before = records(bench)
    assert len(before) >= 256
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    again = records(bench)
    assert again[: len(before)] == before
    assert sorted(name for name in bench.files() if name.startswith("journal/")) == [
        "journal/00000001",
        "journal/00000256",
    ]


# -- power cuts -----------------------------------------------------------------------------------


def operations_of_a_treatment() -> int:
    bench = FastBench()
    ready(bench)
    before = bench.flash.programs + bench.flash.erases
    _a_treatment(bench)
    return bench.flash.programs + bench.flash.erases - before


def _a_treatment(bench: FastBench) -> None:
    """A setting over the link, a depth by the buttons, a short freeze. Stops at the power cut."""
    bench.host_write(encode({"id": 1, "op": "set", "key": "volume", "value": 3}))
    bench.run_for(300)
    bench.press("up")
    bench.run_for(2500)
    bench.hold("arm")
    bench.run_for(1400)
    bench.release("arm")
    bench.run_for(300)
    bench.hold("trigger")
    bench.run_for(1200)
    bench.release("trigger")
    bench.run_for(600)


OPERATIONS = operations_of_a_treatment()


@pytest.mark.hazard("H-07", "H-08", "H-15")
@pytest.mark.parametrize("torn_bytes", [None, 0, 100])
@pytest.mark.parametrize("part", range(8))
def test_power_cut_at_any_flash_operation(part: int, torn_bytes: int | None) -> None:
    """H-08, H-07, H-15: committed data is present, the chain verifies, the valve stays closed."""
    for cut in range(part, OPERATIONS, 8):
        bench = FastBench(noise_lsb=0)
        ready(bench)
        acknowledged: list[Record] = records(bench)
        bench.flash.cut_after(cut, torn_bytes=torn_bytes)
        _a_treatment(bench)
        bench.cut_power()
        opened = len(bench.valve_intervals())
        bench.flash.power_on()
        bench.run_for(100)
        since = len(bench.events())
        bench.power_on()
        assert bench.run_until(
            lambda b=bench, s=since: any(
                e["ev"] == "state" and e["state"] in ("READY", "FAULT") for e in b.events()[s:]
            ),
            5000,
        ), f"cut {cut}: did not start"
        journal = records(bench)
        assert journal[: len(acknowledged)] == acknowledged
        assert bench.ask("get", key="volume")["ok"]["value"] in (2, 3)
        assert bench.ask("get", key="depth_um")["ok"]["value"] in (2300, 2400)
        kinds = [r.kind for r in journal]
        if FREEZE_BEGIN in kinds and FREEZE_END not in kinds:
            assert FREEZE_LOST in kinds
            assert faults(bench) == [Fault.FREEZE_LOST]
        else:
            assert faults(bench) == []
        if opened:
            assert FREEZE_BEGIN in kinds
            assert ARMED in kinds
        bench.run_for(500)
        assert len(bench.valve_intervals()) == opened
