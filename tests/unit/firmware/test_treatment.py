"""The treatment machine: H-04, H-15, H-03, by every path through its table."""

from __future__ import annotations

from cryo import treatment
from hypothesis import given, strategies as st

EVENTS = range(1, len(treatment.EVENTS))
STATES = range(len(treatment.STATES))


def test_no_state_has_two_ways_for_one_event() -> None:
    rows = [(state, event) for state, event, _ in treatment.TRANSITIONS]
    assert len(set(rows)) == len(rows)


def test_a_fault_wins_from_anywhere() -> None:
    """H-03."""
    for state in STATES:
        assert treatment.next_state(state, treatment.FAULTED) == treatment.FAULT


def test_only_the_trigger_in_armed_freezes() -> None:
    """H-04."""
    for state in STATES:
        for event in EVENTS:
            reached = treatment.next_state(state, event)
            if reached == treatment.FREEZING and state != treatment.FREEZING:
                assert (state, event) == (treatment.ARMED, treatment.TRIGGER_PRESSED)


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_every_freeze_has_its_own_arming(events: list[int]) -> None:
    """H-15: whatever happens, ARM was held since the last freeze."""
    machine = treatment.Treatment(0)
    armed = False
    for now, event in enumerate(events):
        before = machine.state
        changed = machine.handle(event, now)
        assert changed == (machine.state != before)
        if changed:
            assert machine.was == before
            assert machine.since_ms == now
        if event == treatment.ARM_HELD and machine.state == treatment.ARMED:
            armed = True
        if before != treatment.FREEZING and machine.state == treatment.FREEZING:
            assert armed
            armed = False


def test_every_state_in_use_can_be_left() -> None:
    used = {row[2] for row in treatment.TRANSITIONS} | {treatment.BOOT}
    for state in used:
        assert any(row[0] == state for row in treatment.TRANSITIONS)
