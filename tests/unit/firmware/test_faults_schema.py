"""Tables of faults and settings: H-09, every fault says what to do; H-15, faults stay latched."""

from __future__ import annotations

import pytest
from cryo import fault_texts, faults, metadata, schema
from hypothesis import given, strategies as st

numbers = st.sampled_from([row[0] for row in faults.FAULTS])


@pytest.mark.hazard("H-09")
@pytest.mark.parametrize("row", faults.FAULTS, ids=lambda row: row[1])
def test_every_fault_has_a_name_a_rule_and_words(row: tuple) -> None:
    """H-09. For the panel's texts see test_words.py."""
    number, name, priority, clears = row
    assert faults.row_of(number) is row
    assert priority in (faults.LOW, faults.MEDIUM, faults.HIGH)
    assert clears in (faults.ACK, faults.ESTOP_RULE, faults.POWER)
    assert 0 < len(name) <= 16
    assert [all(row) for row in fault_texts.FAULT_TEXTS if row[0] == number] == [True]


@pytest.mark.parametrize("row", schema.SETTINGS, ids=lambda row: row[1])
def test_every_setting_has_a_default_in_its_range(row: tuple) -> None:
    number, key, unit, low, high, default, who = row
    assert low <= default <= high
    assert schema.index_of(key) == schema.index_of_number(number)
    assert who in (schema.HOST, schema.DEVICE)
    assert unit
    if key.endswith("_um"):
        assert unit == "um", "or nobody can type mm, and the device shows um"
    assert [bool(text) for of, text in metadata.HELPS if of == number] == [True]


@given(st.lists(st.tuples(numbers, st.booleans()), max_size=10))
def test_the_first_cause_is_shown_and_none_is_lost(causes: list[tuple[int, bool]]) -> None:
    latched = faults.FaultSet()
    for number, present in causes:
        latched.latch(number, present)
    if causes:
        assert latched.first == causes[0][0]
    reported = set()
    while number := latched.take_fresh():
        reported.add(number)
    assert reported == {number for number, _ in causes}


@pytest.mark.hazard("H-15")
@given(st.lists(st.tuples(numbers, st.booleans()), max_size=10), st.sampled_from([0, 1, 2]))
def test_a_fault_clears_by_its_own_rule_and_only_when_its_cause_is_gone(
    causes: list[tuple[int, bool]], rule: int
) -> None:
    """H-15."""
    latched = faults.FaultSet()
    for number, present in causes:
        latched.latch(number, present)
    mask = latched.clear(rule)
    remaining = {number for number, present in causes if present}
    for number, _ in causes:
        cleared = bool(mask & (1 << (number - 1)))
        assert cleared == (faults.row_of(number)[3] == rule and number not in remaining)
    assert bool(latched.first) == bool(latched.latched)
