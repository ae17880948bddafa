"""Timing of each sound and light pattern; the alarms by IEC 60601-1-8. H-09, H-14"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from cryo import faults, sounder

TICK_MS = 10


class Pulse(NamedTuple):
    """One tone of the sounder."""

    begin_ms: int
    ms: int
    hz: int


class Ear:
    """A PWM pin that records its tone."""

    def __init__(self) -> None:
        self.hz = 0
        self.duty = 0

    def freq(self, hz: int) -> None:
        self.hz = hz

    def duty_u16(self, duty: int) -> None:
        assert 0 <= duty <= 32768
        self.duty = duty

    def heard(self) -> int:
        return self.hz if self.duty else 0


def listen(
    tune: tuple[tuple[int, int], ...], ms: int, every_ms: int = 0, start_ms: int = 0
) -> list[Pulse]:
    """Play a tune for `ms` in ticks of 10 ms; returns its tones with their times."""
    ear = Ear()
    player = sounder.Sounder(ear)
    pulses: list[Pulse] = []
    since_ms, before = 0, 0
    player.play(tune, start_ms & 0x3FFFFFFF, every_ms)
    for t_ms in range(0, ms + TICK_MS, TICK_MS):
        if t_ms:
            player.step((start_ms + t_ms) & 0x3FFFFFFF)
        now = ear.heard()
        if now != before:
            if before:
                pulses.append(Pulse(since_ms, t_ms - since_ms, before))
            since_ms, before = t_ms, now
    return pulses


def bursts(pulses: list[Pulse], apart_ms: int = 1000) -> list[list[Pulse]]:
    """Pulses split at long silences."""
    groups = [[pulses[0]]]
    for one, other in pairwise(pulses):
        if other.begin_ms - one.begin_ms - one.ms >= apart_ms:
            groups.append([])
        groups[-1].append(other)
    return groups


# CLINICAL, "Standards": pulses, their length in ms, and the interval until they repeat.
@pytest.mark.hazard("H-09")
@pytest.mark.parametrize(
    ("priority", "count", "shortest_ms", "longest_ms", "soonest_ms", "latest_ms"),
    [
        (faults.HIGH, 10, 75, 200, 2_500, 15_000),
        (faults.MEDIUM, 3, 125, 250, 2_500, 30_000),
        (faults.LOW, 2, 125, 250, 15_000, 0),
    ],
    ids=["high", "medium", "low"],
)
@pytest.mark.parametrize("start_ms", [0, 2**30 - 4_000], ids=["", "clock wraps"])
def test_an_alarm_sounds_as_the_standard_requires(
    priority: int,
    count: int,
    shortest_ms: int,
    longest_ms: int,
    soonest_ms: int,
    latest_ms: int,
    start_ms: int,
) -> None:
    tune, every_ms = sounder.ALARMS[priority]
    heard = bursts(listen(tune, 50_000, every_ms, start_ms))
    for burst in heard:
        assert len(burst) == count
        assert all(shortest_ms <= pulse.ms <= longest_ms for pulse in burst)
        assert len({pulse.hz for pulse in burst}) == 1
        assert 150 <= burst[0].hz <= 1000
    if not latest_ms:
        assert len(heard) == 1, "sounds once"
    for one, other in pairwise(heard):
        assert soonest_ms <= other[0].begin_ms - one[-1].begin_ms - one[-1].ms <= latest_ms
        assert other[0].begin_ms - one[0].begin_ms == every_ms


@pytest.mark.hazard("H-09")
def test_a_high_priority_alarm_has_its_rhythm() -> None:
    """Three and two pulses, repeated, with a longer silence between."""
    tune, _ = sounder.ALARMS[faults.HIGH]
    begins = [pulse.begin_ms for pulse in listen(tune, 6_000)]
    gaps = [other - one for one, other in pairwise(begins)]
    longer = [i for i, gap in enumerate(gaps) if gap > 1.5 * min(gaps)]
    assert longer == [2, 4, 7]


INFORMATION = {
    name: getattr(sounder, name)
    for name in dir(sounder)
    if name.isupper()
    and isinstance(getattr(sounder, name), tuple)
    and name not in ("ALARMS", "ALARM_LIGHTS", "DARK")
    and not name.startswith(("ALARM", "_"))
    and not name.endswith("LIGHTS")
}


def test_every_tune_is_known_here() -> None:
    assert {
        "ARMED", "CLICK", "COMPLETE", "COUNT", "ENDED_EARLY", "OBSERVED", "PURGE", "REFUSED",
        "START",
    } <= set(INFORMATION)  # fmt: skip


@pytest.mark.hazard("H-09")
@pytest.mark.parametrize("name", INFORMATION)
def test_what_is_no_alarm_lasts_as_long_as_it_says(name: str) -> None:
    """It ends, and does not sound like an alarm, which is a burst of one tone."""
    tune = INFORMATION[name]
    heard = listen(tune, 5_000)
    at_ms = 0
    expected: list[Pulse] = []
    for hz, ms in tune:
        if hz:
            expected.append(Pulse(at_ms, ms, hz))
        at_ms += ms
    assert len(heard) == len(expected)
    for pulse, target in zip(heard, expected, strict=True):
        assert pulse.hz == target.hz
        assert 0 <= pulse.ms - target.ms < TICK_MS
        # Each preceding part is rounded to a tick.
        assert 0 <= pulse.begin_ms - target.begin_ms < TICK_MS * len(tune)
    if len(heard) > 1 and name != "REFUSED":
        assert len({pulse.hz for pulse in heard}) > 1
    assert at_ms <= 1_000


@pytest.mark.hazard("H-09")
def test_the_end_of_a_freeze_rises_and_an_early_end_falls() -> None:
    end = [hz for hz, _ in sounder.COMPLETE]
    early = [hz for hz, _ in sounder.ENDED_EARLY]
    assert end == sorted(end)
    assert early == sorted(early, reverse=True)


def test_volume_is_three_steps_of_loudness() -> None:
    loudness = []
    for step in (1, 2, 3):
        ear = Ear()
        player = sounder.Sounder(ear)
        player.volume(step)
        player.play(sounder.START, 0)
        loudness.append(ear.duty)
    assert 0 < loudness[0] < loudness[1] < loudness[2] <= 32768


def test_a_new_sound_replaces_the_old_one_and_stop_is_silence() -> None:
    ear = Ear()
    player = sounder.Sounder(ear)
    player.play(sounder.ALARM_HIGH, 0, 10_000)
    player.step(50)
    player.play(sounder.CLICK, 60)
    assert ear.heard() == sounder.CLICK[0][0]
    player.stop()
    for t_ms in range(70, 30_000, TICK_MS):
        player.step(t_ms)
        assert not ear.heard()


class Lamp:
    """A pin with an LED."""

    def __init__(self) -> None:
        self.level = 0

    def value(self, level: int) -> None:
        self.level = level


def flashes(pattern: tuple[int, int, int, int], ms: int = 20_000) -> dict[str, list[int]]:
    """Times in ms at which each LED changes, stepped every 100 ms as in the application."""
    lamps = {name: Lamp() for name in ("green", "yellow", "red")}
    lights = sounder.Lights(*lamps.values())
    lights.show(pattern)
    changes: dict[str, list[int]] = {name: [] for name in lamps}
    before = {name: lamp.level for name, lamp in lamps.items()}
    for name, level in before.items():
        if level:
            changes[name].append(0)
    for t_ms in range(0, ms, 100):
        lights.step(t_ms)
        for name, lamp in lamps.items():
            if lamp.level != before[name]:
                before[name] = lamp.level
                changes[name].append(t_ms)
    return changes


@pytest.mark.hazard("H-09")
@pytest.mark.parametrize(
    ("priority", "colour", "slowest_hz", "fastest_hz"),
    [
        (faults.HIGH, "red", 1.4, 2.8),
        (faults.MEDIUM, "yellow", 0.4, 0.8),
        (faults.LOW, "yellow", 0, 0),
    ],
    ids=["high", "medium", "low"],
)
def test_an_alarm_flashes_as_the_standard_requires(
    priority: int, colour: str, slowest_hz: float, fastest_hz: float
) -> None:
    changes = flashes(sounder.ALARM_LIGHTS[priority])
    for name, times in changes.items():
        if name != colour:
            assert not times, "no other LED is lit"
    if not fastest_hz:
        assert changes[colour] == [0], "steady"
        return
    hz = (len(changes[colour]) - 1) / 2 / ((changes[colour][-1] - changes[colour][0]) / 1000)
    assert slowest_hz <= hz <= fastest_hz


@pytest.mark.hazard("H-09")
def test_no_alarm_has_green() -> None:
    usual = [sounder.READY_LIGHTS, sounder.PRECHILL_LIGHTS, sounder.ARMED_LIGHTS]
    assert all(pattern[0] for pattern in usual)
    assert not any(pattern[0] for pattern in sounder.ALARM_LIGHTS)
    patterns = [*usual, *sounder.ALARM_LIGHTS, sounder.DARK]
    assert len(set(patterns)) == len(patterns), "each pattern is unique"
