"""The treatment machine: H-04, H-15, H-03, by every path through its table."""

from __future__ import annotations

from cryo import transitions
from hypothesis import given, strategies as st

EVENTS = range(1, len(transitions.EVENTS))
STATES = range(len(transitions.STATES))


def test_no_state_has_two_ways_for_one_event() -> None:
    rows = [(state, event) for state, event, _ in transitions.TRANSITIONS]
    assert len(set(rows)) == len(rows)


def test_a_fault_wins_from_anywhere() -> None:
    """H-03."""
    for state in STATES:
        assert transitions.next_state(state, transitions.FAULTED) == transitions.FAULT


def test_only_the_trigger_in_armed_freezes() -> None:
    """H-04."""
    for state in STATES:
        for event in EVENTS:
            reached = transitions.next_state(state, event)
            if reached == transitions.FREEZING and state != transitions.FREEZING:
                assert (state, event) == (transitions.ARMED, transitions.TRIGGER_PRESSED)


ARM_HELD = (transitions.ARM_HELD, transitions.MUST_CHILL, transitions.MUST_ASK)


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_the_machine_does_what_the_table_says(events: list[int]) -> None:
    machine = transitions.Treatment(0)
    for now, event in enumerate(events):
        before = machine.state
        changed = machine.handle(event, now)
        assert changed == (machine.state != before)
        assert machine.state == transitions.next_state(before, event)
        if changed:
            assert machine.was == before
            assert machine.since_ms == now


def test_every_freeze_has_its_own_arming() -> None:
    """H-15: every way from one freeze to the next passes an ARM that is held.

    All states, with whether ARM was held since the last freeze; as long as new ones turn up.
    """
    seen = set()
    new = {(transitions.BOOT, False)}
    while new:
        seen |= new
        reached = set()
        for state, held in new:
            for event in EVENTS:
                following = transitions.next_state(state, event)
                if following == state:
                    continue
                if following == transitions.FREEZING:
                    assert held, f"from {transitions.STATES[state]} by {transitions.EVENTS[event]}"
                    reached.add((following, False))
                else:
                    at_rest = state in (transitions.READY, transitions.THAWING)
                    reached.add((following, held or (at_rest and event in ARM_HELD)))
        new = reached - seen
    assert (transitions.FREEZING, False) in seen


def test_where_each_state_leads() -> None:
    """H-04, H-21: the ways on, one by one."""
    ways = {
        (transitions.STATES[row[0]], transitions.STATES[row[2]])
        for row in transitions.TRANSITIONS
        if row[0] != transitions.ANY
    }
    assert ways == {
        ("BOOT", "SELF_TEST"), ("SELF_TEST", "READY"),
        ("READY", "SCREENING"), ("READY", "PRECHILL"), ("READY", "ARMED"),
        ("SCREENING", "PRECHILL"), ("SCREENING", "ARMED"), ("SCREENING", "READY"),
        ("PRECHILL", "ARMED"), ("PRECHILL", "READY"),
        ("ARMED", "PRECHILL"), ("ARMED", "READY"), ("ARMED", "FREEZING"),
        ("FREEZING", "THAWING"), ("FREEZING", "DONE"),
        ("THAWING", "PRECHILL"), ("THAWING", "ARMED"), ("THAWING", "DONE"),
        ("DONE", "READY"), ("FAULT", "READY"),
    }  # fmt: skip


def test_every_state_in_use_can_be_left() -> None:
    used = {row[2] for row in transitions.TRANSITIONS} | {transitions.BOOT}
    for state in used:
        assert any(row[0] == state for row in transitions.TRANSITIONS)
