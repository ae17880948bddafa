"""Journal records: 64 bytes to named fields, and the hash chain.

May import the standard library only. Restates docs/protocol.md ("Journal records"): what is
compared with the firmware must not come from it. host_tools/records.py is another reading of the
same page, on purpose.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import NamedTuple

RECORD_BYTES = 64
_CHAIN_BYTES = 16
_LAYOUT = struct.Struct("<IHBBII8i16s")

BOOT, SETTING, TIME_SET, ARMED, DISARMED, FREEZE_BEGIN, FREEZE_END, FREEZE_LOST = range(1, 9)
FAULT, FAULT_CLEARED, MAINTENANCE, OVERRUN, ICE_FIELD = range(9, 14)
PRECHILL_BEGIN, PRECHILL_END, PLAN, SCREENING, THAW, TREATMENT_END, OBSERVATION = range(14, 21)
ESTIMATE, TABLE, PRECHILL_LOST, RELEASED, OPERATOR, CHECKLIST, CAUTION, WITNESS = range(21, 29)
BOARD_CHECK = 29
REFUSED = 30

# The kinds' names as `describe` gives them, and the names of their arguments. An argument is named
# as `describe` names it, with its unit where that is not a plain number.
KINDS: dict[int, tuple[str, tuple[str, ...]]] = {
    BOOT: (
        "boot",
        (
            "reset_cause", "firmware", "settings_generation", "settings_outcome", "free_records",
            "clock", "image", "image_more",
        ),
    ),
    SETTING: ("setting", ("setting", "old", "new", "by", "operator")),
    TIME_SET: ("time_set", ("old_s", "new_s")),
    ARMED: (
        "armed",
        (
            "applicator", "depth_um", "dose_ms", "planned_us", "table_version", "nozzle_c_x100",
            "settings_generation", "patient_ref",
        ),
    ),
    DISARMED: ("disarmed", ("treatment", "reason")),
    FREEZE_BEGIN: (
        "freeze_begin",
        (
            "treatment", "cycle", "dose_ms", "planned_us", "nozzle_c_x100", "pressure_mbar",
            "level_permille", "supply_mv",
        ),
    ),
    FREEZE_END: (
        "freeze_end",
        (
            "treatment", "cycle", "cause", "dose_ms", "planned_us", "delivered_us",
            "nozzle_min_c_x100", "pressure_min_mbar",
        ),
    ),
    FREEZE_LOST: (
        "freeze_lost",
        (
            "treatment", "cycle", "dose_ms", "planned_us", "delivered_least_us",
            "delivered_most_us", "reset_cause",
        ),
    ),
    FAULT: ("fault", ("fault", "detail", "state_before")),
    FAULT_CLEARED: ("fault_cleared", ("fault",)),
    MAINTENANCE: ("maintenance", ()),
    BOARD_CHECK: ("board_check", ("what", "outcome", "on_ms", "coil_most_ma")),
    REFUSED: ("refused", ("what", "why", "timed_out", "operator")),
    OVERRUN: ("overrun", ("ticks", "worst_us")),
    ICE_FIELD: ("ice_field", ("treatment", "cycle", "elapsed_ms")),
    PRECHILL_BEGIN: (
        "prechill_begin",
        (
            "treatment", "cycle", "planned_us", "nozzle_c_x100", "pressure_mbar", "level_permille",
            "supply_mv",
        ),
    ),
    PRECHILL_END: (
        "prechill_end",
        (
            "treatment", "cycle", "cause", "planned_us", "delivered_us", "nozzle_c_x100",
            "nozzle_min_c_x100", "pressure_min_mbar",
        ),
    ),
    PLAN: (
        "plan",
        (
            "treatment", "profile", "target", "margin_um", "plan_depth_um", "spread_um", "cycles",
            "purge",
        ),
    ),
    SCREENING: (
        "screening",
        ("present", "overridden", "outcome", "patient_ref", "list", "own", "operator"),
    ),
    THAW: ("thaw", ("treatment", "cycle", "thawed_ms", "by", "skin_c_x100")),
    TREATMENT_END: (
        "treatment_end",
        (
            "treatment", "why", "cycles", "complete", "delivered_ms", "nozzle_min_c_x100",
            "interruptions", "patient_ref",
        ),
    ),
    OBSERVATION: ("observation", ("treatment", "outcome", "after_s", "answers")),
    ESTIMATE: (
        "estimate",
        (
            "treatment", "cycle", "depth_um", "spread_um", "liquid_ms", "skin_fall_ms",
            "planned_um", "note",
        ),
    ),
    TABLE: (
        "table",
        (
            "applicator", "by", "h_w_m2k", "run", "date_s", "depth_10s_um", "depth_30s_um", "crc",
        ),
    ),
    PRECHILL_LOST: (
        "prechill_lost",
        (
            "treatment", "cycle", "planned_us", "delivered_least_us", "delivered_most_us",
            "reset_cause", "begin",
        ),
    ),
    RELEASED: ("released", ("through", "chain", "oldest", "free_records")),
    WITNESS: (
        "witness",
        (
            "treatment", "cycle", "doubt", "elapsed_ms", "skin_c_x100", "skin_min_c_x100",
            "fall_permille", "liquid_ms",
        ),
    ),
    CAUTION: (
        "caution",
        ("caution", "answer", "applicator", "value", "limit", "patient_ref", "operator"),
    ),
    CHECKLIST: ("checklist", ("by", "count", "avoid", "crc", "old_crc")),
    OPERATOR: ("operator", ("operator", "role", "how", "of", "of_role")),
}  # fmt: skip


class BrokenChain(ValueError):
    """The records are not what the device has written, or not in the order in which it did."""


class Record(NamedTuple):
    """A journal record. Its arguments are attributes, too, by the names of its kind (`KINDS`)."""

    seq: int
    boot: int
    kind: int
    state: int
    uptime_ms: int
    utc_s: int
    args: tuple[int, ...]

    @property
    def name(self) -> str:
        """The kind's name; its number when there is no such kind."""
        return KINDS[self.kind][0] if self.kind in KINDS else str(self.kind)

    @property
    def fields(self) -> dict[str, int]:
        """The arguments by name."""
        return dict(zip(KINDS.get(self.kind, ("", ()))[1], self.args, strict=False))

    def field(self, name: str) -> int:
        """One argument. AttributeError, naming the kind's fields, when it has no such field."""
        names = KINDS.get(self.kind, ("", ()))[1]
        if name not in names:
            raise AttributeError(f"a record {self.name} has no {name}, but {', '.join(names)}")
        return self.args[names.index(name)]

    def values(self, *names: str) -> tuple[int, ...]:
        """Several arguments, in this order. AttributeError as `field`."""
        return tuple(self.field(name) for name in names)

    def __getattr__(self, name: str) -> int:
        return self.field(name)


def decode(raw: bytes) -> Record:
    """The record in 64 bytes."""
    seq, boot, kind, state, uptime_ms, utc_s, *args, _chain = _LAYOUT.unpack(raw)
    return Record(seq, boot, kind, state, uptime_ms, utc_s, tuple(args))


def chain_start(serial: str) -> bytes:
    """The chain value before record 1."""
    return hashlib.sha256(b"cryodose-journal-1" + serial.encode()).digest()[:_CHAIN_BYTES]


def chain_after(chain: bytes, raw: bytes) -> bytes:
    """The chain value that a record must carry which follows `chain`."""
    return hashlib.sha256(chain + raw[:-_CHAIN_BYTES]).digest()[:_CHAIN_BYTES]


def decode_chain(
    raws: Iterable[bytes], serial: str, *, first: int = 1, anchor: bytes | None = None
) -> list[Record]:
    """All records from `first` on. BrokenChain unless numbers and chain are whole.

    `anchor`: the chain value before `first`, where older records were deleted.
    """
    chain = chain_start(serial) if anchor is None else anchor
    records: list[Record] = []
    for number, raw in enumerate(raws, first):
        chain = chain_after(chain, raw)
        record = decode(raw)
        if record.seq != number or raw[-_CHAIN_BYTES:] != chain:
            raise BrokenChain(f"what stands as record {number} is not record {number}")
        records.append(record)
    return records


def newest(raws: Iterable[bytes], kind: int) -> Record | None:
    """The last record of a kind."""
    found = [record for record in map(decode, raws) if record.kind == kind]
    return found[-1] if found else None
