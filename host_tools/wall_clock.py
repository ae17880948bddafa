"""When a record was written by the world's clock: bounds, from the recorded synchronisations.

Pure; imports the standard library. A `time_set` record says what the host's clock was at an uptime
of the device, and what the device's clock was until then (docs/protocol.md). Two clocks carry that
to other moments: the processor's crystal within one start, and the clock chip from one start to
another, as long as it kept its power. What follows is an interval that has the true time within it
if host and crystals were as good as said here. Nothing recorded is changed by it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

UPTIME_PPM = 100
"""Crystal of a Raspberry Pi Pico: ±30 ppm at 25 °C, as much again over temperature, and ageing, by
its maker's data sheet (ABM8-272-T3); rounded up. Not measured here."""

CHIP_PPM = 10
"""Clock chip DS3231: ±3.5 ppm from -40 to 85 °C and ±5 ppm of ageing in ten years, by its data
sheet; rounded up. Not measured here."""

SET_EARLY_MS, SET_LATE_MS = 500, 1000
"""A synchronisation: `cryo time --set` rounds to a second, and repeats it when setting took longer
than 0.5 s. So it was from 0.5 s before to 1 s after what the record says."""

_CHIP_EARLY_MS, _CHIP_LATE_MS = 1000, 2000
"""What the clock chip was, from what the device made of it: read in whole seconds at the start, and
counted on in whole seconds of uptime."""

SYNCHRONISED, DISPUTED = "synchronised", "synchronisations disagree"
BY_DEVICE, NOT_BEFORE, UNKNOWN = "device", "not before", "unknown"
"""How a time is known: bounds from synchronisations; bounds that have all of what contradicts each
other; the device's clock alone, whose error is not known; only what it follows and, perhaps, what
follows it; not at all."""

NOTES = {
    DISPUTED: " (the computers that set the clock disagree)",
    BY_DEVICE: " (by the device's clock, which was never compared)",
}
"""What a reader has to know beside such a time."""

CHIP_LOST = 3
"""`clock` of a `boot` record: the clock chip has lost its power since it was set."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the device: its start, uptime, and clock (0: not set)."""

    boot: int
    uptime_ms: int
    utc_s: int


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """The host set the clock: what it was until then (0: not set), and what is true."""

    seq: int
    boot: int
    uptime_ms: int
    old_s: int
    new_s: int


@dataclass(frozen=True, slots=True)
class WallClock:
    """Bounds in ms since 1970 UTC; None: not known on this side."""

    how: str
    earliest_ms: int | None = None
    latest_ms: int | None = None

    @property
    def centre_s(self) -> int:
        """Middle of the bounds, rounded to a second; both have to be known."""
        assert self.earliest_ms is not None
        assert self.latest_ms is not None
        return (self.earliest_ms + self.latest_ms + 1000) // 2000


@dataclass
class Synchronisations:
    """What a pass over the records has to remember. All of it can be written as JSON."""

    last: dict[str, int] | None = None
    first_break: int = 0
    last_break: int = 0
    """Records since `last` before which the clock chip's time does not reach: it has lost its
    power there, or records are missing, and the clock may have been set in them."""

    def broken(self, seq: int) -> None:
        """From this record on the clock chip's time is another one than before."""
        self.first_break = self.first_break or seq
        self.last_break = seq

    def set_at(self, seq: int, boot: int, uptime_ms: int, old_s: int, new_s: int) -> None:
        """The clock was set; what was before counts for what was before only."""
        self.last = asdict(Synchronisation(seq, boot, uptime_ms, old_s, new_s))
        self.first_break = self.last_break = 0

    @property
    def before(self) -> Synchronisation | None:
        """The newest synchronisation."""
        return None if self.last is None else Synchronisation(**self.last)

    def bound(
        self, seq: int, moment: Moment, after: Synchronisation | None = None, *, whole: bool = True
    ) -> WallClock:
        """When record `seq`, which follows the newest synchronisation, was written.

        `after`: the next one. Not `whole`: records around it are missing, so the clock chip proves
        nothing.
        """
        before = self.before
        found: list[tuple[int, int]] = []
        if before is not None:
            if before.boot == moment.boot:
                found.append(_within(moment, before))
            elif whole and moment.utc_s and not 0 < self.first_break <= seq:
                found.append(_chip_since(moment, before))
        if after is not None:
            if after.boot == moment.boot:
                found.append(_within(moment, after))
            elif whole and moment.utc_s and after.old_s and self.last_break <= seq:
                found.append(_chip_until(moment, after))
        if found:
            return _together(found)
        if moment.utc_s:
            return WallClock(BY_DEVICE)
        earliest_ms = None if before is None else before.new_s * 1000 - SET_EARLY_MS
        latest_ms = None
        if after is not None:  # that start began after this one had ended
            latest_ms = after.new_s * 1000 + SET_LATE_MS - after.uptime_ms
            latest_ms += _ppm(after.uptime_ms, UPTIME_PPM)
        return WallClock(UNKNOWN if before is None else NOT_BEFORE, earliest_ms, latest_ms)


def _ppm(ms: int, ppm: int) -> int:
    return -(-abs(ms) * ppm // 1_000_000)


def _within(moment: Moment, sync: Synchronisation) -> tuple[int, int]:
    """Both in one start: the uptime between counts."""
    apart_ms = moment.uptime_ms - sync.uptime_ms
    at_ms, drift_ms = sync.new_s * 1000 + apart_ms, _ppm(apart_ms, UPTIME_PPM)
    return at_ms - SET_EARLY_MS - drift_ms, at_ms + SET_LATE_MS + drift_ms


def _chip_since(moment: Moment, sync: Synchronisation) -> tuple[int, int]:
    """The clock chip was set in an earlier start, and has run since."""
    drift_ms = _ppm((moment.utc_s - sync.new_s) * 1000, CHIP_PPM)
    drift_ms += _ppm(moment.uptime_ms, UPTIME_PPM)
    at_ms = moment.utc_s * 1000
    return (
        at_ms - SET_EARLY_MS - _CHIP_EARLY_MS - drift_ms,
        at_ms + SET_LATE_MS + _CHIP_LATE_MS + drift_ms,
    )


def _chip_until(moment: Moment, sync: Synchronisation) -> tuple[int, int]:
    """The clock chip ran until a later start, where it was found to be wrong by `new - old`."""
    drift_ms = _ppm((sync.old_s - moment.utc_s) * 1000, CHIP_PPM)
    drift_ms += _ppm(moment.uptime_ms, UPTIME_PPM) + _ppm(sync.uptime_ms, UPTIME_PPM)
    at_ms = (moment.utc_s + sync.new_s - sync.old_s) * 1000
    reading_ms = _CHIP_EARLY_MS + _CHIP_LATE_MS  # read twice
    return at_ms - SET_EARLY_MS - reading_ms - drift_ms, at_ms + SET_LATE_MS + reading_ms + drift_ms


def _together(found: list[tuple[int, int]]) -> WallClock:
    """What all agree on; if they do not, all that any of them allows."""
    earliest_ms, latest_ms = max(low for low, _ in found), min(high for _, high in found)
    if earliest_ms <= latest_ms:
        return WallClock(SYNCHRONISED, earliest_ms, latest_ms)
    return WallClock(DISPUTED, min(low for low, _ in found), max(high for _, high in found))


# -- in words -------------------------------------------------------------------------------------


def iso(utc_s: int | None) -> str:
    """ISO 8601 with offset, to the second; empty for 0 and None: not known."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat() if utc_s else ""


def plain(utc_s: int) -> str:
    """`2026-01-05 09:14:05`, UTC."""
    return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%d %H:%M:%S}"


def _minute_after(utc_s: int) -> str:
    return plain(-(-utc_s // 60) * 60)[:16]


def span(seconds: int) -> str:
    """`2 s`, `5 min`, `3 h`, `2 d`: rounded up, so that it still has all within it."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{-(-seconds // size)} {unit}"
    return f"{-(-seconds // 86_400)} d"


def uncertainty_s(when_s: int, how: str, bounds_s: Iterable[int | None]) -> int | None:
    """Half the width of the bounds about `when_s`, seconds; None where one is not known."""
    known = [bound for bound in bounds_s if bound is not None]
    if how not in (SYNCHRONISED, DISPUTED) or len(known) < 2:
        return None
    return max(abs(bound - when_s) for bound in known)


def words(when_s: int, how: str, earliest_s: int | None, latest_s: int | None) -> str:
    """`2026-01-05 09:14:05 ± 2 s`, UTC, or how much less is known."""
    off_s = uncertainty_s(when_s, how, (earliest_s, latest_s))
    if off_s is not None:
        return f"{plain(when_s)} ± {span(off_s)}"
    if how == BY_DEVICE:
        return f"{plain(when_s)} ± ?"
    if how == NOT_BEFORE:
        after = plain(when_s)[:16]
        return f"after {after}" + (f", before {_minute_after(latest_s)}" if latest_s else "")
    return f"unknown, before {_minute_after(latest_s)}" if latest_s else "unknown"


def floor_s(ms: int | None) -> int | None:
    """A lower bound in whole seconds."""
    return None if ms is None else ms // 1000


def ceil_s(ms: int | None) -> int | None:
    """An upper bound in whole seconds."""
    return None if ms is None else -(-ms // 1000)


def as_dict(when_s: int, how: str, earliest_s: int | None, latest_s: int | None) -> dict[str, Any]:
    """The time in JSON and in exports."""
    return {
        "time": iso(when_s) or None,
        "time_known_by": how,
        "time_uncertainty_s": uncertainty_s(when_s, how, (earliest_s, latest_s)),
        "time_earliest": iso(earliest_s) or None,
        "time_latest": iso(latest_s) or None,
    }
