"""Explores the control program: every move from every state that is reached, and its invariants.

A state is what the firmware's own modules and the abstract board hold; two that agree in what
decides (`Explorer.key`: states, latches, phases, buttons, verdicts, and times as below or over
their limits) count as one. A move is something that a hand, a part or time does; the firmware then
runs its own ticks until it has reacted. After each tick every invariant is checked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.exploration.abstract_board import (
    ARM,
    BREAKS,
    DEAD_MAN_US,
    DOWN,
    SELECT,
    TICK_US,
    TRIGGER,
    Device,
)

HELD_US = 1_000_000
REACT = 4  # ticks in which a press has been debounced and acted upon
Kept = list[tuple[Any, Any]]


@dataclass
class Node:
    """A state that was reached, and how."""

    kept: Kept
    path: tuple[str, ...]
    breaks: int  # that have been made on the way


@dataclass
class Found:
    """What an exploration has seen."""

    nodes: int = 0
    moves: int = 0
    ticks: int = 0
    rows: Counter[tuple[int, int, int]] = field(default_factory=Counter[tuple[int, int, int]])
    states: Counter[int] = field(default_factory=Counter[int])
    faults: Counter[int] = field(default_factory=Counter[int])
    first_paths: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    violations: list[tuple[str, tuple[str, ...]]] = field(
        default_factory=list[tuple[str, tuple[str, ...]]]
    )
    exhausted: bool = False  # nothing is left to explore


class Explorer:
    """Breadth first from READY, with at most `breaks` broken parts on a path."""

    def __init__(self, breaks: int, settings: dict[str, int]) -> None:
        self.device = device = Device(**settings)
        self.app, self.board = device.app, device.board
        self.breaks = breaks
        self.found = Found()
        self.transitions = device.cryo("transitions")
        self.faults = device.cryo("faults")
        self.shot = device.cryo("shot")
        self.monitors = device.cryo("monitors")
        self.demand = device.cryo("demand")
        self.journal = device.cryo("journal")
        self.screens = device.cryo("screens")
        self.interlocks = device.cryo("interlocks")
        self.schema = device.cryo("schema")
        self._path: tuple[str, ...] = ()
        self._watch_events()
        self.app._go(self.transitions.STARTED)

    # -- ticks and what must hold after each -------------------------------------------------------

    def _watch_events(self) -> None:
        app, found = self.app, self.found
        perform = app._go
        way = self.transitions.way

        def go(event: int) -> None:
            before = app.machine.state
            step = way(before, event)
            perform(event)
            if step is not None:
                found.rows[before, event, step[0]] += 1
                self._moved(before, app.machine.state, event)

        app._go = go

    def ticks(self, count: int, us: int = TICK_US) -> None:
        """So many ticks of the firmware, each `us` after the one before."""
        for _ in range(count):
            self.board.advance(us)
            self.app.tick(self.board.ticks_ms())
            self.found.ticks += 1
            self._check()
            self.board.ghost.silent_us = self.board.ghost.flow_silent_us = 0

    def violated(self, what: str) -> None:
        """An invariant does not hold."""
        if len(self.found.violations) < 20:
            self.found.violations.append((what, self._path))

    def _require(self, what: str, holds: object) -> None:
        if not holds:
            self.violated(what)

    def _check(self) -> None:
        app, board, ghost, t = self.app, self.board, self.board.ghost, self.transitions
        state = app.machine.state
        high = board.gate.high
        flow_states = (t.FREEZING, t.PRECHILL)
        if high:
            self._require("the gate is high in FREEZING and PRECHILL only", state in flow_states)
            self._require("the gate is high with the shot open", app.shot.phase == self.shot.OPEN)
            self._require("the gate is high with a latched fault", not app.faults.latched)
            self._require("the gate is high with an open loop", board.loop_closed)
            if app.settings.values[self.schema.TRIGGER_MODE] == self.schema.HOLD:
                self._require("a tick ends open with the trigger let go", board.raw & TRIGGER)
            self._require("no opening without its record in flash", ghost.open_record)
        limit = ghost.planned_us
        if ghost.timer_failed:
            limit += 70_000 + 2 * TICK_US  # the second clock: 50 ms and a tick
        self._require("flow beyond the plan", ghost.high_us <= limit)
        self._require("flow of a silent program", ghost.silent_us <= 2 * TICK_US
                      or ghost.flow_silent_us <= DEAD_MAN_US + TICK_US)  # fmt: skip
        if ghost.open_record and not self.demand.kind and not app.journal.waiting():
            self._require("an END record after each closing", state in flow_states)
        if board.raw & ARM:
            if ghost.arm_since_us < 0:
                ghost.arm_since_us = board.now_us
        else:
            ghost.arm_since_us = -1
        if not board.raw & TRIGGER:
            ghost.trigger_released = True
        if ghost.violations:
            self.violated(ghost.violations.pop())
        self._check_screen(state)

    def _check_screen(self, state: int) -> None:
        board, ghost, t = self.board, self.board.ghost, self.transitions
        if self.app.display.request:
            return  # drawn in the next tick
        if ghost.shown == self.screens.READY:
            self._require("READY is shown in READY only", state == t.READY)
            self._require("READY is shown with flow", not board.flows or "stuck" in board.broken)
        if ghost.shown == self.screens.DONE and self.app.display.view.complete:
            cause, delivered = ghost.ended
            whole = delivered == ghost.planned_us or cause == self.shot.BY_DEPTH
            self._require("COMPLETE is shown for a shorter delivery", whole)
            self._require("COMPLETE is shown with flow", not board.gate.high)

    def _moved(self, before: int, after: int, event: int) -> None:
        """A transition has been performed."""
        app, board, ghost, t = self.app, self.board, self.board.ghost, self.transitions
        self.found.states[after] += 1
        if after == before:
            return
        if after in (t.READY, t.DONE, t.THAWING):
            ghost.armed = False
        if before in (t.READY, t.THAWING) and after in (t.ARMED, t.PRECHILL, t.SCREENING):
            held = ghost.arm_since_us >= 0
            held = held and board.now_us - ghost.arm_since_us >= HELD_US - 2 * TICK_US
            self._require("armed without ARM held", held)
            ghost.armed = True
        if after in (t.ARMED, t.PRECHILL):
            ghost.trigger_released = not board.raw & TRIGGER
        if after == t.FREEZING:
            self._require("FREEZING from ARMED", before == t.ARMED)
            self._require("FREEZING without arming", ghost.armed)
            pulled = board.raw & TRIGGER or app.buttons.down & TRIGGER
            self._require("FREEZING without TRIGGER", pulled)
            self._require("FREEZING with a trigger that was never released",
                          ghost.trigger_released)  # fmt: skip
            self._require("FREEZING before the valve is proved closed", self._proved_closed())
            ghost.armed = False
            ghost.flow_us = 0
        if before in (t.FREEZING, t.PRECHILL):
            self._require("flow at the end of a state", not board.gate.high)
        if after == t.DONE or (before == t.FREEZING and after == t.THAWING):
            self._require("a result before the valve is proved closed", self._proved_closed())
        if before == t.FAULT:
            self._left_fault()

    def _proved_closed(self) -> bool:
        """The nozzle has warmed since the last flow: by the watch itself, not by its flag."""
        return not self.board.ghost.flow_us or not self.monitors.closing.state

    def _left_fault(self) -> None:
        board, app = self.board, self.app
        self._require("FAULT is left with a fault", not app.faults.latched)
        self._require("FAULT is left with an open loop", board.loop_closed)
        self._require("FAULT is left in doubt of the valve", self._proved_closed())
        self._require("FAULT is left with a broken sensor", not self.interlocks.broken(app.sensors))
        self._require("FAULT is left with a dead screen", not app.display.failed)

    # -- moves ---------------------------------------------------------------------------------

    def moves(self, node_breaks: int) -> Iterator[tuple[str, Callable[[], None]]]:
        """What can happen in the present state, by name."""
        board = self.board
        for name, bit in (("TRIGGER", TRIGGER), ("ARM", ARM), ("SELECT", SELECT)):
            others = board.raw & ~bit
            if board.raw & bit:
                yield f"release {name}", lambda bit=bit: self._press(board.raw & ~bit)
            elif not others & ~TRIGGER:
                yield f"press {name}", lambda bit=bit: self._press(board.raw | bit)
        if not board.raw:
            yield "click SELECT", lambda: self._click(SELECT, REACT)
            yield "click DOWN", lambda: self._click(DOWN, REACT)
            yield "click ARM", lambda: self._click(ARM, REACT)
            yield "hold SELECT", lambda: self._click(SELECT, 220)
            yield "hold ARM", lambda: self._click(ARM, 110)
        if board.loop_closed:
            yield "strike the E-stop", lambda: self._strike(False)
        else:
            yield "turn the E-stop back", lambda: self._strike(True)
        if self.demand.kind:
            yield "one tick", lambda: self.ticks(1)
            yield "80 ms late", lambda: self._late(80_000)
            yield "300 ms late", lambda: self._late(300_000)
            yield "wait 110 ms", lambda: self.ticks(11)
            yield "wait for the end", self._until_ended
        else:
            yield "wait 1.1 s", lambda: self.ticks(110)
            yield "wait 2.5 s", lambda: self.ticks(250)
            yield "a minute passes", lambda: self._passes(61_000_000)
            yield "four minutes pass", lambda: self._passes(241_000_000)
        for part in sorted(board.broken):
            yield f"mend {part}", lambda part=part: self._break(board.broken - {part})
        if node_breaks < self.breaks:
            for part in BREAKS:
                if part not in board.broken:
                    yield f"break {part}", lambda part=part: self._break(board.broken | {part})

    def _press(self, raw: int) -> None:
        self.board.raw = raw
        self.ticks(REACT)

    def _click(self, button: int, ticks: int) -> None:
        self.board.raw = button
        self.ticks(ticks)
        self.board.raw = 0
        self.ticks(REACT)

    def _strike(self, closed: bool) -> None:
        self.board.strike(closed)
        self.ticks(REACT)

    def _late(self, us: int) -> None:
        self.ticks(1, us)
        self.ticks(REACT)

    def _until_ended(self) -> None:
        """To the end of the shot, however it ends; 3 s are longer than any here."""
        for _ in range(300):
            self.ticks(1)
            if not self.demand.kind:
                break

    def _passes(self, us: int) -> None:
        """A long time at once: the valve is closed, so nothing but time-outs is in it.

        Its ticks are left out, but not what the nozzle's sensor has read in the last of them.
        """
        self.board.advance(us - TICK_US)
        self.board.thermocouple.read_into(self.app.sensors.nozzle)
        self.board.ghost.silent_us = 0
        self.ticks(21)

    def _break(self, broken: frozenset[str]) -> None:
        self.board.broken = broken
        self.ticks(70)  # three readings of each sensor, and the 50 ticks that a shot waits

    # -- states --------------------------------------------------------------------------------

    def key(self) -> tuple[Any, ...]:
        """What decides about what happens next: two states with the same key count as one."""
        app, board, d = self.app, self.board, self.device.cryo
        freezing, prechill, ready = d("state_freezing"), d("state_prechill"), d("state_ready")
        verdict = d("arming").verdict
        thawing, fault, armed = d("state_thawing"), d("state_fault"), d("state_armed")
        one_shot, keys, latched = app.shot, app.buttons, app.faults
        closing = self.monitors.closing
        since_ms = app.clock.since(self.monitors.closed_ms)
        return (
            app.machine.state, app.machine.was, self.demand.kind, self.demand.running,
            self.demand.let_go, one_shot.phase, one_shot.purging, latched.latched, latched.present,
            closing.state, closing._proved, self.monitors.doubt,
            self.monitors.settled, since_ms < 1500, keys.down, keys._spent, keys._reached,
            keys._reached_long, keys.stuck != 0, freezing.leads_to, verdict and verdict.short,
            prechill.cold, prechill.rewarmed, armed.waits, thawing.thawed, thawing.asking,
            fault.held, fault.pressed, bool(ready.menu), bool(d("refusal").lines),
            app.summary.begun, app.summary.cycle,
            app.summary.last_complete, app.observation.over, self._question(),
            bool(d("confirm").waiting()), board.raw, board.loop_closed,
            board.broken, bool(board.gate.high), bool(board.supply.value()),
            self.interlocks.broken(app.sensors), app.sensors.nozzle.c_x100 < -17500,
            app.sensors.nozzle.c_x100 < -15000, app.sensors.nozzle.c_x100 < -5000,
            one_shot.elapsed_ms > 300 if one_shot.phase == self.shot.OPEN else 0,
            app.display.failed, app.journal.waiting() > 0,
        )  # fmt: skip

    def _question(self) -> tuple[Any, ...]:
        """Which question is shown in SCREENING."""
        asks = self.device.cryo("state_screening").questions
        names = ("_shows", "_page", "_chosen")
        return (type(asks).__name__, *(getattr(asks, name, 0) for name in names))

    def explore(self, most_nodes: int, shuffle: int = 0, treatment: tuple[str, ...] = ()) -> Found:
        """All moves from each state that is reached, until nothing is new or `most_nodes`.

        `treatment`: moves that are made first; every state on their way is a beginning.
        """
        chance = random.Random(shuffle)
        self.ticks(60)
        found = self.found
        seen: set[Any] = set()
        # From each kind of state in turn, so that a bounded run reaches all kinds.
        waiting: dict[Any, list[Node]] = {}
        expanded: Counter[Any] = Counter()
        self._path = ()
        for name in ("", *treatment):
            if name:
                self._path = (*self._path, name)
                dict(self.moves(0))[name]()
                found.moves += 1
            if (self.key(), 0) not in seen:
                seen.add((self.key(), 0))
                reached = Node(self.device.keep(), self._path, 0)
                waiting.setdefault(self._kind(), []).append(reached)
        while waiting and found.nodes < most_nodes and not found.violations:
            kind = min(waiting, key=lambda one: expanded[one])
            expanded[kind] += 1
            nodes = waiting[kind]
            node = nodes.pop(chance.randrange(len(nodes)) if shuffle else 0)
            if not nodes:
                del waiting[kind]
            found.nodes += 1
            self.device.put_back(node.kept)
            for name in [name for name, _ in self.moves(node.breaks)]:
                self.device.put_back(node.kept)
                self._path = (*node.path, name)
                dict(self.moves(node.breaks))[name]()
                found.moves += 1
                self._count_faults()
                breaks = node.breaks + name.startswith("break ")
                key = (self.key(), breaks)
                if key not in seen:
                    seen.add(key)
                    reached = Node(self.device.keep(), self._path, breaks)
                    waiting.setdefault(self._kind(), []).append(reached)
        found.exhausted = not waiting
        return found

    def _kind(self) -> tuple[Any, ...]:
        app = self.app
        return (
            app.machine.state, self.demand.kind, app.shot.phase,
            app.faults.latched if app.machine.state == self.transitions.FAULT else 0,
            bool(self.board.broken), self.board.raw, self.board.loop_closed,
            self.device.cryo("state_prechill").cold, self.device.cryo("state_freezing").leads_to,
        )  # fmt: skip

    def _count_faults(self) -> None:
        for number, _name, _priority, _rule in self.faults.FAULTS:
            if self.app.faults.latched >> (number - 1) & 1:
                self.found.faults[number] += 1
                self.found.first_paths.setdefault(number, self._path)
