"""The transition table: H-04, H-15, H-03, by every path through it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryo import metadata, transitions
from hypothesis import given, strategies as st

EVENTS = range(1, len(metadata.EVENTS))
NUMBERS = json.loads((Path(__file__).parents[2] / "rules" / "numbers.json").read_text("utf-8"))
NAMES = [name for _number, name in sorted((int(n), s) for n, s in NUMBERS["states"].items())]
STATES = range(len(NAMES))


def next_state(state: int, event: int) -> int:
    """The state after `event`, or the same state if the table has no transition."""
    way = transitions.way(state, event)
    return state if way is None else way[0]


def test_no_state_has_two_transitions_for_one_event() -> None:
    rows = [row[:2] for row in transitions.TRANSITIONS]
    assert len(set(rows)) == len(rows)


@pytest.mark.hazard("H-03")
def test_a_fault_wins_from_anywhere() -> None:
    """H-03."""
    for state in STATES:
        assert next_state(state, transitions.FAULTED) == transitions.FAULT


@pytest.mark.hazard("H-04")
def test_only_the_trigger_in_armed_freezes() -> None:
    """H-04."""
    for state in STATES:
        for event in EVENTS:
            reached = next_state(state, event)
            if reached == transitions.FREEZING and state != transitions.FREEZING:
                assert (state, event) == (transitions.ARMED, transitions.TRIGGER_PRESSED)


ARM_HELD = (transitions.ARM_HELD, transitions.MUST_CHILL, transitions.MUST_ASK)


@given(st.lists(st.sampled_from(STATES), max_size=60))
def test_the_machine_remembers_where_it_came_from_and_when(states: list[int]) -> None:
    machine = transitions.Machine(0)
    for now, state in enumerate(states):
        before = machine.state
        machine.enter(state, now)
        assert (machine.state, machine.was, machine.since_ms) == (state, before, now)


@pytest.mark.hazard("H-15")
def test_every_freeze_has_its_own_arming() -> None:
    """H-15: every path from one freeze to the next includes an ARM that is held.

    Breadth-first search over (state, whether ARM was held since the last freeze).
    """
    visited = set()
    new = {(transitions.BOOT, False)}
    while new:
        visited |= new
        reached = set()
        for state, held in new:
            for event in EVENTS:
                following = next_state(state, event)
                if following == state:
                    continue
                if following == transitions.FREEZING:
                    assert held, f"from {NAMES[state]} by {metadata.EVENTS[event]}"
                    reached.add((following, False))
                else:
                    at_rest = state in (transitions.READY, transitions.THAWING)
                    reached.add((following, held or (at_rest and event in ARM_HELD)))
        new = reached - visited
    assert (transitions.FREEZING, False) in visited


@pytest.mark.hazard("H-04", "H-21")
def test_where_each_state_leads() -> None:
    """H-04, H-21: the complete list of transitions."""
    ways = {
        (NAMES[row[0]], NAMES[row[2]])
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
