"""A treatment with the names behind its numbers: a row of a list, and the whole story.

Pure; imports the standard library, `treatments`, `records`, `description`, `wall_clock` and
`store`'s verdict.
Numbers stay the device's integers, with the unit in the key; `units` shows them to a person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from host_tools import wall_clock
from host_tools.description import Description
from host_tools.journal_signing import Checked, check
from host_tools.keys import Keyring
from host_tools.records import Record, as_dict
from host_tools.store import Store
from host_tools.treatments import Cycle, Treatment

OWN_ITEMS_FROM = 25
"""Number of the practice's own first item of the checklist (docs/protocol.md)."""


def when(treatment: Treatment) -> str:
    """The time in a person's words, UTC, and how far it is known."""
    return wall_clock.words(*_time(treatment))


def to_the_minute(treatment: Treatment) -> str:
    """As `when`, in a narrow list: a time that is known to a minute without more words."""
    off_s = wall_clock.uncertainty_s(
        treatment.when_s, treatment.when_how, (treatment.earliest_s, treatment.latest_s)
    )
    minute = wall_clock.plain(treatment.when_s)[:16]
    if off_s is None:
        return minute if treatment.when_how == wall_clock.BY_DEVICE else when(treatment)
    return minute if off_s < 60 else f"{minute} ±{wall_clock.span(off_s)}"


def clock_error(treatment: Treatment) -> str:
    """How wrong the device's own clock was, in words; empty where it was right, or not set."""
    if not treatment.utc_s or treatment.earliest_s is None or treatment.latest_s is None:
        return ""
    if treatment.earliest_s <= treatment.utc_s <= treatment.latest_s:
        return ""
    off_s = treatment.utc_s - treatment.when_s
    return (
        f"{wall_clock.plain(treatment.utc_s)}, "
        f"{wall_clock.span(abs(off_s))} {'fast' if off_s > 0 else 'slow'}"
    )


def _time(treatment: Treatment) -> tuple[int, str, int | None, int | None]:
    return treatment.when_s, treatment.when_how, treatment.earliest_s, treatment.latest_s


def row(serial: str, treatment: Treatment, description: Description) -> dict[str, Any]:
    """One treatment as `cryo treatments --json` gives it: everything but its records."""
    profile, applicator = treatment.profile, treatment.applicator
    return {
        "number": treatment.seq,
        "device": serial,
        **wall_clock.as_dict(*_time(treatment)),
        "recorded_utc_s": treatment.utc_s,
        "boot": treatment.boot,
        "uptime_ms": treatment.uptime_ms,
        "reference": treatment.reference or None,
        "operator": treatment.operator or None,
        "role": treatment.role or None,
        "profile": None if profile is None else description.name("profiles", profile) or profile,
        "applicator": (
            None
            if applicator is None
            else description.name("applicators", applicator) or applicator
        ),
        "table_version": treatment.table_version,
        "depth_um": treatment.depth_um,
        "margin_um": treatment.margin_um,
        "target": treatment.target or None,
        "plan_um": treatment.plan_um,
        "spread_um": treatment.spread_um,
        "cycles": treatment.cycles,
        "complete": treatment.complete,
        "dose_ms": treatment.dose_ms,
        "planned_ms": treatment.planned_ms,
        "delivered_ms": treatment.delivered_ms,
        "delivered_at_most_ms": treatment.most_ms,
        "estimate_um": treatment.estimate_um,
        "nozzle_min_c_x100": treatment.nozzle_min_c_x100,
        "interruptions": treatment.interruptions,
        "result": treatment.result,
        "disarmed": treatment.reason or None,
        "checklist": treatment.checklist or None,
        "present": items(treatment.present, description),
        "overridden": items(treatment.overridden, description),
        "overridden_by": treatment.override_by or None,
        "observation": treatment.observation or None,
        "alerts": treatment.alerts(description),
        "complete_record": not treatment.partial,
    }


def items(mask: int, description: Description) -> list[str]:
    """Names of the checklist's items whose bits are set; the practice's own by their place."""
    table = description.tables.get("items")
    names = {int(item[0]): str(item[1]) for item in table.rows} if table else {}
    found: list[str] = []
    for number in range(1, 33):
        if mask >> (number - 1) & 1:
            own = number - OWN_ITEMS_FROM + 1
            default = f"the practice's own item {own}" if own > 0 else f"item {number}"
            found.append(names.get(number, default))
    return found


def story(
    store: Store, serial: str, treatment: Treatment, description: Description
) -> dict[str, Any]:
    """All that the journal says about a treatment, and whether its records verify."""
    records = store.some_records(serial, treatment.records)
    checked = check(store, serial, Keyring())
    cycles = store.cycles(serial, treatment.seq)
    told = [as_dict(record, description) for record in records]
    return row(serial, treatment, description) | {
        "screenings": [
            _screening(record, entry, description)
            for record, entry in _of_kind("screening", records, told)
        ],
        "purges": _purges(records, told),
        "freezes": [_freeze(cycle) for cycle in cycles],
        "faults": list(_faults(records, told, description)),
        "observations": [
            _plain(entry) | {"answers": _answers(entry)}
            for _, entry in _of_kind("observation", records, told)
        ],
        "verification": verification(checked, treatment),
        "records": told,
    }


def verification(checked: Checked, treatment: Treatment) -> dict[str, Any]:
    """What a check of all records of the device says for this treatment."""
    first = min(treatment.records, default=treatment.seq)
    last = max(treatment.records, default=treatment.seq)
    verdict, coverage = checked.verdict, checked.coverage
    covered = any(low <= first and last <= high for low, high in coverage.covered)
    return {
        "good": checked.good and not treatment.partial,
        "chain_good": checked.good,
        "records_checked": verdict.count,
        "first": verdict.first,
        "last": verdict.last,
        "treatment_first": first,
        "treatment_last": last,
        "treatment_complete": not treatment.partial,
        "anchored": [seq for seq in verdict.anchored if seq <= last],
        "problems": list(checked.problems),
        "signed": covered,
        "signed_head": coverage.newest.as_dict() if covered and coverage.newest else None,
        "signed_about": coverage.newest.about if covered and coverage.newest else "",
    }


def _of_kind(
    kind: str, records: Sequence[Record], told: Sequence[dict[str, Any]]
) -> Iterable[tuple[Record, dict[str, Any]]]:
    return (
        (record, entry)
        for record, entry in zip(records, told, strict=True)
        if entry["kind"] == kind
    )


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """A record's fields: the name behind a number where there is one, else the number."""
    fields: dict[str, dict[str, Any]] = entry["fields"]
    plain = {name: value.get("name", value["value"]) for name, value in fields.items()}
    return {
        "seq": entry["seq"], "time": entry["time"], "boot": entry["boot"],
        "uptime_ms": entry["uptime_ms"],
    } | plain  # fmt: skip


def _value(entry: dict[str, Any], name: str) -> int:
    found = entry["fields"].get(name)
    return int(found["value"]) if found else 0


def _screening(record: Record, entry: dict[str, Any], description: Description) -> dict[str, Any]:
    return _plain(entry) | {
        "present": items(_value(entry, "present"), description),
        "overridden": items(_value(entry, "overridden"), description),
        "operator": _value(entry, "operator") or None,
    }


def _purges(records: Sequence[Record], told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each purge once: its beginning joined with its end, or with the bounds of a lost one."""
    purges: list[dict[str, Any]] = []
    for entry in told:
        if entry["kind"] == "prechill_begin":
            purges.append({"begin": _plain(entry), "end": None, "lost": None})
        elif entry["kind"] in ("prechill_end", "prechill_lost"):
            key = "end" if entry["kind"] == "prechill_end" else "lost"
            if not purges or purges[-1]["end"] or purges[-1]["lost"]:
                purges.append({"begin": None, "end": None, "lost": None})
            purges[-1][key] = _plain(entry)
    return purges


def _freeze(cycle: Cycle) -> dict[str, Any]:
    return asdict(cycle) | {"delivered_ms": cycle.delivered_ms}


def _faults(
    records: Sequence[Record], told: Sequence[dict[str, Any]], description: Description
) -> Iterable[dict[str, Any]]:
    table = description.tables.get("faults")
    known = {item[0]: item for item in table.rows} if table else {}
    for _, entry in _of_kind("fault", records, told):
        number = _value(entry, "fault")
        fault = known.get(number)
        yield _plain(entry) | {
            "text": str(fault[4]) if fault else "",
            "action": str(fault[5]).replace("|", " ") if fault else "",
        }


def _answers(entry: dict[str, Any]) -> list[str]:
    """`blood pressure: stable`, from the field's own list of bits (stable: 1=… 2=… 4=…)."""
    found = entry["fields"].get("answers")
    if not found:
        return []
    value = int(found["value"])
    words: list[str] = []
    for bit, name in enumerate(("blood pressure", "pulse", "skin")):
        if value >> bit & 1:
            words.append(f"{name}: stable")
        elif value >> bit & 16:
            words.append(f"{name}: not stable")
    return words
