"""The fault matrix: a pinned slice of docs/fault-matrix.csv made again; each night, all of it.

The rules are in hw_sim/evidence/expected.py. A change of the firmware's answer to a fault fails
here until the table has been written again (`make fault-matrix`) and looked at.
"""

from __future__ import annotations

import csv
from functools import cache

import pytest

from hw_sim.bench import MISHAPS
from hw_sim.evidence import fault_matrix
from hw_sim.evidence.expected import RULES
from hw_sim.evidence.fault_matrix import COLUMNS, TABLE, Outcome, row
from tests.scenarios.fault_numbers import Fault

# At these moments: one of each kind of fault.
SLICE = {
    ("READY", "middle"): ("thermocouple_open", "coil_sensor_high", "screen_refuses", "dewar_empty"),
    ("ARMED", "middle"): ("estop_wire_broken", "gate_switch_shorted"),
    ("PRECHILL", "middle"): ("brown_out", "supply_sag"),
    ("FREEZING", "middle"): (
        "pressure_probe_broken", "coil_open", "estop_plug_half_in", "trigger_chatters",
        "thermocouple_ones", "bus_stuck_low",
    ),
    ("FREEZING", "closing"): ("valve_stuck_open",),
    ("FAULT", "end"): ("skin_sensor_wrong_code",),
}  # fmt: skip


# Times follow from doses and phases, and are judged by the rules' bounds; the answers are pinned.
PINNED = [
    COLUMNS.index(name) for name in ("first cause", "all causes", "going on", "mended by", "wrong")
]


@cache
def table() -> dict[tuple[str, ...], list[str]]:
    """The rows of docs/fault-matrix.csv by state, moment and faults."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS
    return {tuple(one[:3]): one for one in rows}


def of_slice(state: str, moment: str) -> list[tuple[str, ...]]:
    return [(name,) for name in SLICE.get((state, moment), ())]


def compared(outcomes: list[Outcome]) -> None:
    wrong = {(one.state, one.moment, one.faults): one.wrong for one in outcomes if one.wrong}
    assert not wrong
    for one in outcomes:
        made = row(one)
        kept = table()[tuple(made[:3])]
        assert [made[i] for i in PINNED] == [kept[i] for i in PINNED], (
            "looked at it? then: make fault-matrix"
        )


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-02", "H-03", "H-05", "H-10", "H-11", "H-14")
def test_a_slice_of_the_matrix_is_as_the_rules_and_the_table_have_it() -> None:
    """Sixteen faults: first cause, times, screen, records, and how each is mended."""
    outcomes = fault_matrix.run(of_slice)
    assert len(outcomes) == sum(len(names) for names in SLICE.values())
    compared(outcomes)


@pytest.mark.nightly
@pytest.mark.hazard("H-01", "H-02", "H-03", "H-04", "H-05", "H-08", "H-10", "H-11", "H-14")
def test_the_whole_matrix_is_as_the_rules_and_the_table_have_it() -> None:
    outcomes = fault_matrix.run(fault_matrix.everything, jobs=2)
    assert len(outcomes) == len(MISHAPS) * len({one[:2] for one in table()})
    compared(outcomes)


def test_the_table_has_every_fault_at_every_moment_and_nothing_unexpected() -> None:
    alone = [one for one in table() if " + " not in one[2]]
    moments = {one[:2] for one in table()}
    assert len(alone) == len(MISHAPS) * len(moments)
    assert {state for state, _ in moments} == {
        "SELF_TEST", "READY", "SCREENING", "PRECHILL", "ARMED", "FREEZING", "THAWING", "DONE",
        "FAULT",
    }  # fmt: skip
    assert not [one for one in table().values() if one[COLUMNS.index("wrong")]]


def test_there_is_a_rule_for_each_fault_and_it_names_what_the_device_can_latch() -> None:
    assert RULES.keys() == MISHAPS.keys()
    names = {fault.name.replace("_", " ") for fault in Fault}
    assert len(names) == 26
    for name, rule in RULES.items():
        assert rule.why.startswith("H-"), name
        assert bool(rule.rest) == bool(rule.rest_ms), name
        assert bool(rule.after) == bool(rule.after_ms), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changed", "complaint"),
    [
        ("thermocouple_open", {"rest": ("LEVEL SENSOR",)}, "instead of"),
        ("thermocouple_open", {"rest_ms": 10.0}, "bound 10"),
        ("coil_sensor_offset", {"treats": False}, "in spite of it"),
        ("pressure_probe_broken", {"flow_ms": 1.0, "rest": ()}, "bound 1"),
        ("pressure_probe_broken", {"flow": (), "rest": ()}, "not expected"),
    ],
)
def test_a_rule_that_does_not_hold_is_reported(
    monkeypatch: pytest.MonkeyPatch, name: str, changed: dict[str, object], complaint: str
) -> None:
    """The rules can fail: each kind of them."""
    import dataclasses

    monkeypatch.setitem(RULES, name, dataclasses.replace(RULES[name], **changed))  # type: ignore[arg-type]
    at = ("FREEZING", "begin") if "flow" in "".join(changed) else ("READY", "begin")
    [one] = fault_matrix.run(lambda *moment: [(name,)] if moment == at else [])
    assert any(complaint in what for what in one.wrong), one
