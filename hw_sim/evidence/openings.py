"""What the wires saw against what the journal says: each opening and its two records.

May import `hw_sim.bench.journal_records` and the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw_sim.bench.journal_records import (
    FREEZE_BEGIN,
    FREEZE_END,
    FREEZE_LOST,
    PRECHILL_BEGIN,
    PRECHILL_END,
    PRECHILL_LOST,
    Record,
)

# What a record may differ by from the pin. docs/proofs.md: never longer than the gate was high,
# shorter by the cycles between two accesses and 5 more. That is for accesses 1 cycle apart and
# more (on the board: 4.8 us); those of the fast bench take no time, so a freeze that the program
# ends is recorded up to one count (2 us) longer there.
SHORTER_US, LONGER_US = 60.0, 2.0
_COMPLETE = 1
_BEGINS, _ENDS = (FREEZE_BEGIN, PRECHILL_BEGIN), (FREEZE_END, PRECHILL_END)
_LOST = (FREEZE_LOST, PRECHILL_LOST)

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening: its records, when the gate was high (ns), and by how much the record differs."""

    begin: Record
    end: Record
    gate: Interval

    @property
    def true_us(self) -> float:
        """How long the gate was high."""
        return (self.gate[1] - self.gate[0]) / 1_000

    def wrong(self) -> list[str]:
        """What does not agree; empty if the journal is true."""
        end, true_us = self.end, self.true_us
        wrong: list[str] = []
        if true_us > end.planned_us + 1:
            wrong.append(f"record {end.seq}: high for {true_us:.0f} us, planned {end.planned_us}")
        if end.kind in _LOST:
            if not end.delivered_least_us - 1 <= true_us <= end.delivered_most_us + 1:
                wrong.append(
                    f"record {end.seq}: {end.delivered_least_us} to {end.delivered_most_us} us, "
                    f"the gate {true_us:.0f}"
                )
        elif not -LONGER_US <= true_us - end.delivered_us <= SHORTER_US:
            wrong.append(f"record {end.seq}: {end.delivered_us} us, the gate {true_us:.0f}")
        if end.kind == FREEZE_END and end.cause == _COMPLETE and true_us < end.planned_us - 3:
            wrong.append(f"record {end.seq}: complete after {true_us:.0f} us of {end.planned_us}")
        return wrong


def paired(records: Sequence[Record], gates: Sequence[Interval]) -> tuple[list[Opening], list[str]]:
    """The openings in order, and what has no partner: an opening or a record."""
    waiting = list(gates)
    openings: list[Opening] = []
    wrong: list[str] = []
    begin: Record | None = None
    for record in records:
        if record.kind in _BEGINS:
            begin = record
        elif record.kind in _ENDS or record.kind in _LOST:
            if begin is None:
                wrong.append(f"record {record.seq} ends what has not begun")
            elif record.kind in _ENDS and not record.delivered_us:
                pass  # it ended before the gate rose
            elif waiting:
                openings.append(Opening(begin, record, waiting.pop(0)))
            elif record.kind in _ENDS or record.delivered_least_us:
                wrong.append(f"record {record.seq}: the gate did not rise")
            begin = None
    return openings, wrong + [f"the gate rose at {a} ns, without a record" for a, _ in waiting]
