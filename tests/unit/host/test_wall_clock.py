"""The world's clock at a treatment, from recorded synchronisations; a device in a world that is
known decides whether the bounds hold (H-20)."""

import random
from pathlib import Path

import pytest

from host_tools import wall_clock
from host_tools.description import Description
from host_tools.device import Device
from host_tools.records import decode, genesis
from host_tools.store import Store
from host_tools.story import clock_error, row, when
from host_tools.treatments import Treatment, project
from host_tools.wall_clock import BY_DEVICE, DISPUTED, NOT_BEFORE, SYNCHRONISED, UNKNOWN
from hw_sim.bench.journal_maker import FIRST_DAY_S, JournalMaker
from tests.unit.host.fake_device import FakeDevice
from tests.unit.host.test_treatments import SERIAL, known as known, put, tables

DAY_S = 86_400
HOST, CHIP, NO_CLOCK, LOST = 1, 2, 0, 3


class World:
    """A device whose clock and crystal are wrong by as much as is said, and the true time."""

    def __init__(self, *, chip: bool = True, crystal_ppm: float = 60, chip_ppm: float = 4) -> None:
        self.true_s = float(FIRST_DAY_S)
        self.journal = JournalMaker(SERIAL)
        self.journal.boot = 0
        self.truth: dict[int, float] = {}
        self._crystal, self._chip_rate = 1 + crystal_ppm / 1e6, 1 + chip_ppm / 1e6
        self._chip = chip
        self._chip_s: float | None = None  # what the chip shows now
        self.off(0)

    def _elapse(self, seconds: float) -> None:
        self.true_s += seconds
        if self._chip_s is not None:
            self._chip_s += seconds * self._chip_rate

    def on(self, seconds: float) -> None:
        """The device is on for this long."""
        self._elapse(seconds)
        self.journal.uptime_ms += round(seconds * 1000 * self._crystal)

    def off(self, seconds: float, *, lost: bool = False) -> None:
        """It is switched off for this long, then starts; `lost`: the chip's battery was out."""
        self._elapse(seconds)
        if lost:
            self._chip_s = None
        known = self._chip and self._chip_s is not None
        self.journal.start(utc_s=int(self._chip_s or 0) if known else 0)
        clock = CHIP if known else LOST if self._chip else NO_CLOCK
        self.journal.add("boot", 1, 200, 1, 0, 11_000, clock)

    def set(self, host_off_s: float = 0.0) -> None:
        """The host sets the clock; its own is this wrong."""
        told_s = round(self.true_s + host_off_s)
        self.journal.set_clock(told_s)
        self._chip_s = float(told_s) if self._chip else None

    def wrong(self, seconds: float) -> None:
        """The chip's time is wrong by this much, as nothing in the journal says."""
        self._chip_s = self.true_s + seconds

    def treat(self) -> int:
        seq = self.journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 7)
        self.truth[seq] = self.true_s
        self.on(60)
        self.journal.add("disarmed", seq, 1)
        return seq

    def found(self, known: Description) -> dict[int, Treatment]:
        return project([decode(raw) for raw in self.journal.raws], known).treatments


def holds(item: Treatment, true_s: float, most_s: int) -> None:
    """The bounds have the truth within them, and are as narrow as that."""
    assert item.when_how == SYNCHRONISED
    assert item.earliest_s is not None
    assert item.latest_s is not None
    assert item.earliest_s <= true_s <= item.latest_s
    assert (item.latest_s - item.earliest_s) / 2 <= most_s


@pytest.mark.hazard("H-20")
def test_a_clock_that_was_wrong_is_corrected_for_what_came_before(known: Description) -> None:
    """H-20: 7 min slow for two days, with nights between; then the host sets it."""
    world = World()
    world.wrong(-425)
    world.off(600)
    first = world.treat()
    world.off(DAY_S)
    second = world.treat()
    world.on(30)
    world.set()
    third = world.treat()
    world.off(DAY_S)
    fourth = world.treat()
    found = world.found(known)
    for seq, most_s in ((first, 7), (second, 3), (third, 2), (fourth, 4)):
        holds(found[seq], world.truth[seq], most_s)
    assert found[first].utc_s == pytest.approx(world.truth[first] - 425, abs=2)  # as recorded
    assert clock_error(found[first]).endswith(", 8 min slow")
    assert clock_error(found[third]) == clock_error(found[fourth]) == ""


@pytest.mark.hazard("H-20")
def test_a_lost_clock_says_what_it_was_after_and_before(known: Description) -> None:
    """H-20: nothing is carried across a clock chip that has lost its power."""
    world = World()
    never = world.treat()  # nothing was ever set, and the chip is empty
    world.set()
    first = world.treat()
    world.off(DAY_S, lost=True)
    lost = world.treat()
    world.off(DAY_S)
    still = world.treat()
    found = world.found(known)
    assert (found[lost].when_how, found[lost].latest_s) == (NOT_BEFORE, None)
    world.off(DAY_S)
    world.on(100)
    world.set()
    found = world.found(known)
    holds(found[never], world.truth[never], 2)  # the same start: the uptime tells
    holds(found[first], world.truth[first], 2)
    for seq in (lost, still):
        item = found[seq]
        assert item.when_how == NOT_BEFORE
        assert item.earliest_s is not None
        assert item.latest_s is not None
        assert item.earliest_s <= world.truth[seq] <= item.latest_s <= world.true_s - 98
    assert when(found[lost]) == "after 2026-01-05 08:02, before 2026-01-08 08:05"


def test_never_set_is_unknown_and_never_compared_is_said(known: Description) -> None:
    world = World(chip=False)
    seq = world.treat()
    found = world.found(known)[seq]
    assert (found.when_s, found.when_how, when(found)) == (0, UNKNOWN, "unknown")
    world = World()
    world.wrong(0)
    world.off(60)
    seq = world.treat()
    found = world.found(known)[seq]
    assert found.when_how == BY_DEVICE
    assert when(found) == "2026-01-05 08:01:00 ± ?"
    assert row(SERIAL, found, known)["time_uncertainty_s"] is None


def test_without_a_chip_a_start_is_known_by_its_own_setting_alone(known: Description) -> None:
    world = World(chip=False)
    first = world.treat()
    world.on(5000)
    world.set()
    world.off(3600)
    second = world.treat()
    world.off(3600)
    world.set()
    found = world.found(known)
    holds(found[first], world.truth[first], 2)
    assert when(found[first]) == "2026-01-05 08:00:00 ± 2 s"
    assert found[second].when_how == NOT_BEFORE
    assert found[second].latest_s is not None
    assert world.truth[second] <= found[second].latest_s


def test_computers_that_disagree_widen_it(known: Description) -> None:
    """One of the two was an hour wrong; which, the journal cannot say."""
    world = World()
    world.set(3600)
    seq = world.treat()
    world.off(DAY_S)
    world.set()
    found = world.found(known)[seq]
    assert found.when_how == DISPUTED
    assert found.earliest_s is not None
    assert found.latest_s is not None
    assert found.earliest_s <= world.truth[seq] <= found.latest_s
    assert when(found).endswith(" ± 31 min")
    told = row(SERIAL, found, known)
    assert 1799 <= told["time_uncertainty_s"] <= 1810


def test_what_is_missing_is_not_bridged(known: Description) -> None:
    """The clock may have been set in records that are not stored."""
    world = World()
    world.set()
    gap = world.journal.add("time_set", 1, 2)
    world.wrong(500)
    world.off(60)
    seq = world.treat()
    records = [decode(raw) for raw in world.journal.raws]
    without = project([item for item in records if item.seq != gap], known).treatments[seq]
    assert without.when_how == BY_DEVICE


@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_in_any_world(tmp_path: Path, known: Description, seed: int) -> None:
    """Clocks as wrong as allowed, set and lost at random; and the store's rows are the same."""
    dice = random.Random(seed)
    world = World(
        chip=seed % 3 != 0, crystal_ppm=dice.uniform(-99, 99), chip_ppm=dice.uniform(-9.9, 9.9)
    )
    for _ in range(60):
        what = dice.random()
        if what < 0.25:
            world.set(dice.uniform(-0.4, 0.4))
        elif what < 0.5:
            world.off(dice.uniform(1, 20 * DAY_S), lost=dice.random() < 0.2)
        elif what < 0.6:
            world.on(dice.uniform(0, DAY_S))
        else:
            world.treat()
            world.on(dice.uniform(0, 2000))
    records = [decode(raw) for raw in world.journal.raws]
    found = project(records, known).treatments
    assert found
    for seq, item in found.items():
        assert item.when_how != DISPUTED
        assert (item.earliest_s or 0) <= world.truth[seq] <= (item.latest_s or 1 << 40)
        assert item.utc_s == records[seq - 1].utc_s  # what was recorded stays
    with Store(tmp_path / "records.sqlite") as store:
        put(store, known)
        anchor = genesis(SERIAL)
        while records:
            size = dice.randrange(1, 30)
            store.append(SERIAL, records[:size], anchor)
            anchor, records = records[min(size, len(records)) - 1].chain, records[size:]
        grown = tables(store)
        stored = {seq: store.treatment(SERIAL, seq) for seq in found}
        assert stored == found
        store.catch_up(again=True)
        assert tables(store) == grown


def test_words() -> None:
    assert [wall_clock.span(s) for s in (0, 2, 119, 121, 7199, 7201, 200_000)] == [
        "0 s", "2 s", "119 s", "3 min", "120 min", "3 h", "3 d",
    ]  # fmt: skip


def test_a_setting_that_took_long_is_repeated(
    device: Device, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is then true to a second, as the bounds take it for granted."""
    slow = [3.0, 0.8, 0.1]
    told: list[int] = []
    set_time = device.set_time
    monkeypatch.setattr("host_tools.device.time.time", lambda: 1_800_000_000.4 + len(told))

    def late(utc_s: int) -> object:
        told.append(utc_s)
        device.link.wait_event(lambda _: False, slow.pop(0))
        return set_time(utc_s)

    monkeypatch.setattr(device, "set_time", late)
    assert device.synchronise().utc_s == told[-1] == 1_800_000_002
    assert len(told) == 3
