"""Journals as a device writes them, without the device: whole practices, at random but repeatable.

May import the standard library and `journal_records`. For what is stored on the host side: its
tables, files and speed. What the firmware itself writes is tested with the firmware.

`Practice.days` treats patients and notes beside each treatment what its records say, in the words
that a reader would use (`Truth`), so that another reading of the records can be compared.
"""

from __future__ import annotations

import hashlib
import random
import struct
from dataclasses import dataclass, field

from hw_sim.bench.journal_records import KINDS, chain_start

_HEAD = struct.Struct("<IHBBII8i")
_NUMBERS = {name: number for number, (name, _) in KINDS.items()}
_READY, _FREEZING = 2, 6
NO_SKIN = 100_000
FIRST_DAY_S = 1_767_600_000
"""2026-01-05, 08:00 UTC."""

RESULTS = ("", "complete", "freeze ended early", "stopped", "fault", "timed out")
"""Words for `why` of a `treatment_end`."""


@dataclass
class Truth:
    """What was done in a treatment."""

    seq: int
    reference: int
    operator: int
    result: str
    delivered_ms: int
    most_ms: int
    complete: int
    cycles: int
    faults: list[int]
    overridden: int
    records: list[int] = field(default_factory=list[int])


class JournalMaker:
    """Writes records with their chain. `raws` are they."""

    def __init__(self, serial: str, *, utc_s: int = 0, boot: int = 1) -> None:
        self.serial = serial
        self.raws: list[bytes] = []
        self.boot = boot
        self.uptime_ms = 20
        self.utc_s = utc_s
        """The clock when the device started; 0: not set."""
        self._chain = chain_start(serial)

    @property
    def head(self) -> int:
        """Number of the newest record."""
        return len(self.raws)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.uptime_ms += round(seconds * 1000)

    def start(self, *, utc_s: int = 0) -> None:
        """The device starts again; its clock is set if it has one that runs on."""
        self.boot += 1
        self.uptime_ms = 20
        self.utc_s = utc_s

    def set_clock(self, utc_s: int) -> int:
        """The host sets the clock to this time."""
        now_s = self.now_s
        self.utc_s = utc_s - self.uptime_ms // 1000
        return self.add("time_set", now_s, utc_s)

    @property
    def now_s(self) -> int:
        """The device's time as it goes into a record."""
        return self.utc_s + self.uptime_ms // 1000 if self.utc_s else 0

    def add(self, kind: str, *arguments: int, state: int = _READY) -> int:
        """Write a record and return its number."""
        padded = arguments + (0,) * (8 - len(arguments))
        seq = self.head + 1
        body = _HEAD.pack(
            seq, self.boot, _NUMBERS[kind], state, self.uptime_ms, self.now_s, *padded
        )
        self._chain = hashlib.sha256(self._chain + body).digest()[:16]
        self.raws.append(body + self._chain)
        return seq


class Practice:
    """A device in use. `clock`: it keeps time; else it is set now and then, or never."""

    def __init__(self, serial: str, seed: int, *, clock: bool = True) -> None:
        self.journal = JournalMaker(serial, utc_s=FIRST_DAY_S if clock else 0)
        self.truths: list[Truth] = []
        self._random = random.Random(seed)
        self._clock = clock
        self._day = 0
        self._asked: list[int] = []
        self._cleared: tuple[int, int, int] | None = None  # reference, record, overridden
        self._watched = 0
        self._boot(1)

    def treat(self, count: int, *, troubles: bool = True) -> None:
        """Treat this many times; without `troubles`, all is complete and nothing fails."""
        for _ in range(count):
            dice = self._random
            journal = self.journal
            if troubles and dice.random() < 0.1:
                self._night()
            if troubles and not self._clock and dice.random() < 0.15:
                journal.set_clock(FIRST_DAY_S + self._day * 86_400 + journal.uptime_ms // 1000)
            if troubles and dice.random() < 0.2:
                journal.add("setting", 4, 2, 3, 1, 0)
            journal.pass_s(dice.uniform(30, 900))
            self._treatment(troubles)

    # -- the day ------------------------------------------------------------------------------

    def _boot(self, cause: int) -> None:
        self.journal.add("boot", cause, 200, 1, 0, 11_000, 1 if self.journal.utc_s else 0)
        self._cleared = None
        self._watched = 0

    def _night(self) -> None:
        now_s = self.journal.now_s
        self._day = max(self._day, (now_s - FIRST_DAY_S) // 86_400) + 1
        utc_s = FIRST_DAY_S + self._day * 86_400 if self._clock else 0
        self.journal.start(utc_s=utc_s)
        self._boot(1)

    def _cut(self, watchdog: bool) -> int:
        """The power is lost, or the watchdog strikes; the device starts again."""
        utc_s = self.journal.now_s + 60 if self._clock else 0
        self.journal.start(utc_s=utc_s)
        cause = 3 if watchdog else 1
        self._boot(cause)
        return cause

    # -- a treatment ----------------------------------------------------------------------------

    def _treatment(self, troubles: bool) -> None:
        dice, journal = self._random, self.journal
        reference = dice.choice((0, dice.randrange(1, 400)))
        operator = dice.choice((0, dice.randrange(1, 21)))
        before, overridden = self._checklist(reference, operator, troubles)
        cycles = dice.choice((1, 1, 2, 3))
        dose_ms = dice.randrange(10_000, 30_000)
        planned_us = dose_ms * 1000 - 13_000
        purges = self._purge(0, 1, troubles)
        seq = journal.add(
            "armed", dice.randrange(1, 4), 2500, dose_ms, planned_us, 4, -18_500, 2, reference
        )
        truth = Truth(
            seq, reference, operator, "under way", 0, 0, 0, cycles, [], overridden,
            sorted([*before, *purges, seq]),
        )  # fmt: skip
        self.truths.append(truth)
        if operator:
            truth.records.append(journal.add("operator", operator, 1, 6, seq))
        truth.records.append(
            journal.add("plan", seq, dice.randrange(1, 8), 1, 0, 2500, 225, cycles, 1)
        )
        if troubles and dice.random() < 0.12:
            self._disarm(truth)
            return
        for cycle in range(1, cycles + 1):
            why = self._freeze(truth, cycle, dose_ms, planned_us, troubles)
            if why:
                break
        else:
            why = 1
        if why < 0:
            return
        journal.pass_s(1.5)
        if why == 4:
            number = dice.randrange(1, 30)
            truth.records.append(journal.add("fault", number, 0, _FREEZING))
            truth.faults.append(number)
        truth.result = RESULTS[why]
        truth.records.append(
            journal.add(
                "treatment_end", seq, why, cycles, truth.complete, truth.delivered_ms, -19_000,
                int(why != 1), reference,
            )
        )  # fmt: skip
        truth.most_ms = truth.delivered_ms
        if why == 4:
            truth.records.append(journal.add("fault_cleared", truth.faults[-1]))
        if not troubles or dice.random() < 0.7:
            journal.pass_s(1800)
            truth.records.append(journal.add("observation", seq, 1, 1800, 7))

    def _checklist(self, reference: int, operator: int, troubles: bool) -> tuple[list[int], int]:
        """Records of the checklist, and the items that were overridden."""
        dice, journal = self._random, self.journal
        if self._cleared and reference and self._cleared[0] == reference:
            return [self._cleared[1]], self._cleared[2]
        before: list[int] = []
        journal.pass_s(10)
        if troubles and reference and dice.random() < 0.1:
            before.append(journal.add("screening", 1, 0, 3, reference, 2, 0, operator))
            before.append(journal.add("screening", 1, 1, 6, reference, 2, 0, operator))
        if troubles and dice.random() < 0.05:  # somebody else, who is not treated
            journal.add("screening", 2, 0, 3, 1000 + dice.randrange(50), 2, 0, operator)
        overridden = 0b1000 if troubles and dice.random() < 0.2 else 0
        outcome = 2 if overridden else 1
        seq = journal.add("screening", overridden, overridden, outcome, reference, 2, 0, operator)
        self._cleared = (reference, seq, overridden)
        return [*before, seq], overridden

    def _purge(self, treatment: int, cycle: int, troubles: bool) -> list[int]:
        dice, journal = self._random, self.journal
        journal.pass_s(1)
        records = [
            journal.add("prechill_begin", treatment, cycle, 10_000_000, 2200, 600, 850, 4850)
        ]
        if troubles and not treatment and dice.random() < 0.05:
            cause = self._cut(watchdog=dice.random() < 0.5)
            begin = records[-1]
            records.append(
                journal.add("prechill_lost", 0, cycle, 10_000_000, 0, 10_000_000, cause, begin)
            )
            return [*records, *self._purge(treatment, cycle, False)]
        journal.pass_s(7.7)
        records.append(
            journal.add(
                "prechill_end", treatment, cycle, 6, 10_000_000, 7_700_000, -18_700, -18_700, 584
            )
        )
        return records

    def _disarm(self, truth: Truth) -> None:
        dice, journal = self._random, self.journal
        truth.result = "not frozen"
        if dice.random() < 0.3:  # the power goes before anything is frozen
            self._cut(watchdog=False)
            return
        journal.pass_s(60)
        reason = dice.choice((1, 2, 3))
        if reason == 3:
            number = dice.randrange(1, 30)
            truth.records.append(journal.add("fault", number, 0, 5))
            truth.faults.append(number)
        truth.records.append(journal.add("disarmed", truth.seq, reason))

    def _freeze(
        self, truth: Truth, cycle: int, dose_ms: int, planned_us: int, troubles: bool
    ) -> int:
        """One freeze; returns `why` the treatment ends with it, 0 = it goes on, -1 = power lost."""
        dice, journal = self._random, self.journal
        if cycle > 1:
            truth.records += self._purge(truth.seq, cycle, troubles)
        journal.pass_s(2)
        truth.records.append(
            journal.add(
                "freeze_begin", truth.seq, cycle, dose_ms, planned_us, -18_600, 590, 840, 4850
            )
        )
        if troubles and dice.random() < 0.06:
            least_us = dice.randrange(0, planned_us)
            watchdog = dice.random() < 0.5
            cause = self._cut(watchdog)
            most_us = min(planned_us, least_us + 80_000) if watchdog else planned_us
            least_us = least_us if watchdog else 0
            truth.records.append(
                journal.add(
                    "freeze_lost", truth.seq, cycle, dose_ms, planned_us, least_us, most_us, cause
                )
            )
            truth.records.append(journal.add("fault", 12, 0, 0))
            truth.faults.append(12)
            truth.result = "reset" if watchdog else "power lost"
            truth.most_ms = truth.delivered_ms + most_us // 1000
            truth.delivered_ms += least_us // 1000
            return -1
        if dice.random() < 0.3:
            journal.pass_s(3)
            truth.records.append(journal.add("ice_field", truth.seq, cycle, 3000))
        cause = dice.choice((1, 1, 1, 1, 8, 2, 4)) if troubles else 1
        delivered_us = planned_us if cause in (1, 8) else dice.randrange(1_000_000, planned_us)
        journal.pass_s(delivered_us / 1e6)
        truth.records.append(
            journal.add(
                "freeze_end", truth.seq, cycle, cause, dose_ms, planned_us, delivered_us, -19_000,
                550,
            )
        )  # fmt: skip
        truth.delivered_ms += (delivered_us + dose_ms * 1000 - planned_us) // 1000
        truth.records.append(
            journal.add("estimate", truth.seq, cycle, 2450, 220, 12_000, 0, 2500, 0)
        )
        if cause in (2, 4):
            return 2 if cause == 2 else 4
        truth.complete += 1
        if cycle < truth.cycles:
            journal.pass_s(90)
            truth.records.append(journal.add("thaw", truth.seq, cycle, 90_000, 1, NO_SKIN))
        return 0
