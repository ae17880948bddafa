"""The control program explored over its own modules: every move from every state, all invariants.

The quick run goes from each state of ten treatments through every move; `make test-nightly` goes on
from what that reaches, with one broken part and with two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.exploration.explorer import Explorer, Found
from tests.exploration.treatments import CASES

ANY = -1


@cache
def quick(case: str) -> Found:
    settings, treatment = CASES[case]
    return Explorer(0, settings).explore(12, treatment=treatment)


@pytest.mark.hazard("H-01", "H-02", "H-03", "H-04", "H-05", "H-08", "H-11", "H-15")
@pytest.mark.parametrize("case", CASES)
def test_no_invariant_is_violated_around_a_treatment(case: str) -> None:
    """All of the invariants of `Explorer`, after each tick of every move."""
    found = quick(case)
    assert not found.violations
    assert found.moves > 60
    assert found.ticks > 4_000


def test_every_row_of_the_table_is_performed() -> None:
    """All transitions, and no other; every state."""
    transitions = Explorer(0, {}).transitions
    performed = {row for case in CASES for row in quick(case).rows}
    for begin, event, end, _action in transitions.TRANSITIONS:
        assert any(begin in (ANY, row[0]) and row[1:] == (event, end) for row in performed), (
            f"{begin} on {event} to {end}"
        )
    states = {state for case in CASES for state in quick(case).states}
    assert states == set(range(transitions.SELF_TEST, transitions.FAULT + 1))


@pytest.mark.slow
@pytest.mark.hazard("H-05", "H-10", "H-14")
def test_no_invariant_is_violated_with_one_broken_part() -> None:
    settings, treatment = CASES["purge and freeze"]
    found = Explorer(1, settings).explore(8, treatment=treatment)
    assert not found.violations
    assert len(found.faults) >= 7


@pytest.mark.hazard("H-11")
def test_a_late_loop_before_the_gate_opens_is_not_taken_for_a_broken_timer() -> None:
    """H-11. The supply has fallen because the loop was late: SELECT clears that, no power cycle."""
    explorer = Explorer(0, CASES["two cycles, no purge"][0])
    explorer.ticks(60)
    for move in ("hold ARM", "press TRIGGER"):
        dict(explorer.moves(0))[move]()
    assert explorer.app.shot.phase not in (explorer.shot.IDLE, explorer.shot.OPEN)
    dict(explorer.moves(0))["80 ms late"]()
    faults = explorer.faults
    assert explorer.app.faults.latched == 1 << (faults.DEAD_MAN - 1)
    assert not explorer.board.ghost.openings
    assert not explorer.found.violations


@pytest.mark.nightly
@pytest.mark.hazard("H-01", "H-02", "H-03", "H-04", "H-05", "H-08", "H-11", "H-15")
@pytest.mark.parametrize("case", CASES)
def test_no_invariant_is_violated_with_each_broken_part(case: str) -> None:
    settings, treatment = CASES[case]
    found = Explorer(1, settings).explore(60, shuffle=1, treatment=treatment)
    assert not found.violations
    assert found.moves > 500


@pytest.mark.nightly
@pytest.mark.hazard("H-01", "H-02", "H-03", "H-04", "H-05", "H-08", "H-11", "H-15")
@pytest.mark.parametrize("case", CASES)
def test_no_invariant_is_violated_with_two_broken_parts(case: str) -> None:
    settings, treatment = CASES[case]
    found = Explorer(2, settings).explore(2_000, shuffle=1, treatment=treatment)
    assert not found.violations


def _trigger_ignored(d: Any) -> None:
    d.cryo("demand")._trigger = lambda _app, _raw: 1


def _never_in_doubt(d: Any) -> None:
    monitors = d.cryo("monitors")
    closed = monitors.closed
    monitors.closed = lambda now_ms, _flowed=1: closed(now_ms, 0)


def _arms_by_a_press(d: Any) -> None:
    ready, arming = d.cryo("state_ready"), d.cryo("arming")
    step = ready.step

    def pressed(app: Any, now_ms: int) -> int:
        return arming.arm(app) if app.buttons.pressed & 16 else step(app, now_ms)

    states = d.cryo("states")
    rows = [list(row) for row in states.STATES]
    rows[d.cryo("transitions").READY][5] = pressed
    states.STATES = tuple(tuple(row) for row in rows)


def _fault_forgets(d: Any) -> None:
    d.app.faults.clear = lambda _rule: d.app.faults.__dict__.update(latched=0, first=0) or 1


def _no_end_record(d: Any) -> None:
    freezing, journal = d.cryo("state_freezing"), d.cryo("journal")
    record = d.app.record

    def recorded(kind: int, *arguments: int) -> int:
        return 1 if kind == journal.FREEZE_END else record(kind, *arguments)

    assert freezing
    d.app.record = recorded


def _complete_although_let_go(d: Any) -> None:
    d.app.shot.complete = lambda: True


def _opens_without_waiting_for_flash(d: Any) -> None:
    d.app.flush = lambda: None
    d.app.journal.waiting = lambda: 0


@pytest.mark.parametrize(
    ("change", "case", "violates"),
    [
        (_trigger_ignored, "two cycles, no purge", "let go"),
        (_never_in_doubt, "let go", "proved closed"),
        (_arms_by_a_press, "two cycles, no purge", "ARM held"),
        (_fault_forgets, "a fault", "FAULT is left"),
        (_no_end_record, "two cycles, no purge", "END"),
        (_complete_although_let_go, "let go", "COMPLETE"),
        (_opens_without_waiting_for_flash, "two cycles, no purge", "record"),
    ],
)
def test_a_changed_program_is_found(
    change: Callable[[Any], None], case: str, violates: str
) -> None:
    """Each invariant can be violated: by a program that lacks the control."""
    settings, treatment = CASES[case]
    explorer = Explorer(0, settings)
    change(explorer.device)
    found = explorer.explore(12, treatment=treatment)
    assert any(violates in what for what, _path in found.violations), found.violations
