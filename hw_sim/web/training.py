"""Exercises on the virtual bench, and their scores.

What there is to do stands in exercises.toml; this reads it, looks on while somebody works, lets
happen what the exercise says (a mishap, or words for the trainee), and judges by what was seen: the
states that the device told, the gate's edges, what hands did, and one reply of `status`. All times
are the device's own, so that the score does not depend on how fast the computer is.

May import the standard library, `engine`, `scenario` of its own package, and
`hw_sim.world.fault_injection`. The tissue model only where an exercise asks about ice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_sim.bench.link_client import encode
from hw_sim.web.engine import Engine, Watcher
from hw_sim.web.scenario import Step

EXERCISES = Path(__file__).with_name("exercises.toml")
NS_PER_S = 1_000_000_000
STATUS_ID = 1_073_741_000
"""Of the one request that is asked when the device is armed."""

_MOST_POINTS = 100
_MARK_FOLLOW_S = 0.05


class ExerciseError(ValueError):
    """An exercise is not written as it must be; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What happens `wait_s` after a state was first reached: words, or a mishap, or both."""

    after: str
    wait_s: float
    say: str = ""
    do: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is judged: the name of a rule (`RULES`), points, words, and the rest."""

    rule: str
    points: int
    words: str
    given: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exercise:
    """`ends`: states to be reached one after the other ("!X": left); `settle_s` later, over."""

    key: str
    title: str
    goal: str
    limit_s: float
    ends: tuple[str, ...]
    checks: tuple[Check, ...]
    cues: tuple[Cue, ...] = ()
    settle_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """What a check came to. `said` tells what was seen."""

    words: str
    points: int
    most: int
    said: str


@dataclass(frozen=True, slots=True)
class Result:
    """The score of a finished exercise."""

    key: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> int:
        """0…100."""
        return sum(mark.points for mark in self.marks)

    @property
    def verdict(self) -> str:
        """One word or two."""
        for least, words in ((90, "excellent"), (75, "good"), (50, "fair")):
            if self.points >= least:
                return words
        return "try again"


@dataclass(slots=True)
class Seen:
    """What an exercise is judged by. Times in ns of the bench."""

    began_ns: int = 0
    ended_ns: int = 0
    states: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    faults: list[int] = field(default_factory=list[int])
    gate: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    """(opened, closed, state in which it opened); closed 0: still open."""
    steps: list[Step] = field(default_factory=list[Step])
    status: dict[str, Any] = field(default_factory=dict[str, Any])
    cue_ns: int | None = None
    """When the first cue came."""
    jet: list[Any] = field(default_factory=list[Any])
    """What reached the skin during the freeze (hw_sim.world.plant.JetSpan)."""

    def first(self, state: str) -> int | None:
        """When the device first told `state`."""
        return next((t for t, name in self.states if name == state), None)

    def freezes(self) -> list[tuple[int, int]]:
        """Openings in FREEZING; in ARMED the gate rises at the edge of it."""
        return [
            (a, b or self.ended_ns) for a, b, state in self.gate if state in ("ARMED", "FREEZING")
        ]

    def away_at(self, t_ns: int) -> bool:
        """The nozzle pointed away at that time."""
        away = False
        for step in self.steps:
            if step.at_ns > t_ns:
                break
            if step.do in ("aim_away", "aim_at_skin"):
                away = step.do == "aim_away"
        return away


Judged = tuple[float, str]
"""Which part of the points, 0…1, and what was seen."""


def _by_time(took_s: float, given: dict[str, Any]) -> float:
    full_s, zero_s = float(given["full_s"]), float(given["zero_s"])
    return min(1.0, max(0.0, (zero_s - took_s) / (zero_s - full_s)))


def _reach(seen: Seen, given: dict[str, Any]) -> Judged:
    at_ns = seen.first(given["state"])
    if at_ns is None:
        return 0.0, "not reached"
    took_s = (at_ns - seen.began_ns) / NS_PER_S
    return _by_time(took_s, given), f"after {took_s:.0f} s"


def _back(seen: Seen, given: dict[str, Any]) -> Judged:
    if not seen.faults:
        return 0.0, "there was no alarm"
    from_ns = seen.faults[0]
    at_ns = next((t for t, s in seen.states if s == given["state"] and t > from_ns), None)
    if at_ns is None:
        return 0.0, "not reached"
    took_s = (at_ns - from_ns) / NS_PER_S
    return _by_time(took_s, given), f"after {took_s:.0f} s"


def _setting(seen: Seen, given: dict[str, Any]) -> Judged:
    value = seen.status.get(given["key"])
    if value is None:
        return 0.0, "it was never armed" if seen.first(
            "ARMED"
        ) is None else "the device was not heard"
    return float(value == given["value"]), f"it was {value / 1000:.1f} mm"


def _never(seen: Seen, given: dict[str, Any]) -> Judged:
    done = any(step.do == given["do"] for step in seen.steps)
    return float(not done), "it was not" if done else "it was"


def _no_freeze(seen: Seen, given: dict[str, Any]) -> Judged:
    froze = bool(seen.freezes())
    return float(not froze and seen.first("ARMED") is not None), (
        "the valve was opened" if froze else "nothing"
    )


def _aimed_away(seen: Seen, given: dict[str, Any]) -> Judged:
    purges = [(a, b) for a, b, state in seen.gate if state == "PRECHILL"]
    if not purges:
        if seen.first("ARMED") is None:
            return 0.0, "the line was not cooled"
        return 1.0, "the line was cold already"
    good = sum(seen.away_at(a) and seen.away_at(b or seen.ended_ns) for a, b in purges)
    return good / len(purges), "yes" if good == len(purges) else "it pointed at the skin"


def _at_skin(seen: Seen, given: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    if not freezes:
        return 0.0, "nothing was frozen"
    good = not any(seen.away_at(a) or seen.away_at(b) for a, b in freezes)
    return float(good), "yes" if good else "it pointed away"


def _delivered(seen: Seen, given: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    dose_ms = seen.status.get("dose_ms")
    if not freezes or not dose_ms:
        return 0.0, "nothing was frozen"
    got_ms = (freezes[0][1] - freezes[0][0]) / 1e6
    part = min(1.0, got_ms / dose_ms)
    if part > 0.99:
        part = 1.0  # the gate leads the dose by the valve's own lags
    return part, f"{got_ms / 1000:.1f} of {dose_ms / 1000:.1f} s"


def _react(seen: Seen, given: dict[str, Any]) -> Judged:
    since = given.get("since", "cue")
    if since == "cue":
        from_ns = seen.cue_ns
    elif since == "fault":
        from_ns = seen.faults[0] if seen.faults else None
    else:
        freezes = seen.freezes()
        from_ns = freezes[0][1] if freezes else None
    if from_ns is None:
        return 0.0, "it did not come to that"
    what = given.get("what", "")
    early_ns = from_ns
    if since == "fault" and given["do"] == "release":
        early_ns = 0  # whoever let go before the alarm was heard is not late
    hits = [s for s in seen.steps if s.do == given["do"] and s.what == what and s.at_ns >= early_ns]
    if not hits:
        return 0.0, "not done"
    took_s = max(0.0, (hits[-1 if early_ns == 0 else 0].at_ns - from_ns) / NS_PER_S)
    return _by_time(took_s, given), f"after {took_s:.2f} s"


def _mark(seen: Seen, given: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    if not freezes:
        return 0.0, "nothing was frozen"
    begin_ns, end_ns = freezes[0]
    presses = [
        s.at_ns for s in seen.steps
        if s.do == "hold" and s.what == "select" and begin_ns <= s.at_ns <= end_ns
    ]  # fmt: skip
    wanted_ns = ice_reaches_ns(seen, float(given["across_mm"]))
    if wanted_ns is None:
        return 0.0, "the ice did not get that wide"
    if not presses:
        return 0.0, "SELECT was not pressed"
    off_s = (presses[0] - wanted_ns) / NS_PER_S
    words = f"{abs(off_s):.1f} s too {'late' if off_s > 0 else 'early'}"
    return _by_time(abs(off_s), given), words


def ice_reaches_ns(seen: Seen, across_mm: float) -> int | None:
    """When the ice on the skin was that wide, by the model that the page shows; None: never."""
    from hw_sim.web.tissue_view import Site

    if not seen.jet:
        return None
    site = Site.under(1, seen.jet[0].begin_ns * 1e-9)
    t_s = site.t_s
    end_s = seen.jet[-1].end_ns * 1e-9
    while t_s < end_s:
        t_s = min(end_s, t_s + _MARK_FOLLOW_S)
        site.go([s for s in seen.jet if s.end_ns * 1e-9 > site.t_s], t_s)
        if site.wide_mm >= across_mm:
            return round(t_s * NS_PER_S)
    return None


RULES: dict[str, Callable[[Seen, dict[str, Any]], Judged]] = {
    "reach": _reach,
    "back": _back,
    "setting": _setting,
    "never": _never,
    "no_freeze": _no_freeze,
    "aimed_away": _aimed_away,
    "at_skin": _at_skin,
    "delivered": _delivered,
    "react": _react,
    "mark": _mark,
}


def judge(exercise: Exercise, seen: Seen) -> Result:
    """The score."""
    marks: list[Mark] = []
    for check in exercise.checks:
        part, said = RULES[check.rule](seen, check.given)
        marks.append(Mark(check.words, round(part * check.points), check.points, said))
    return Result(exercise.key, tuple(marks))


def load(path: Path = EXERCISES) -> list[Exercise]:
    """The exercises in a file. ExerciseError: one is not as it must be."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if table.get("version") != 1:
        raise ExerciseError("version = 1 is missing")
    found: list[Exercise] = []
    for row in table.get("exercise", []):
        try:
            found.append(_exercise(row))
        except (KeyError, TypeError, ValueError) as error:
            raise ExerciseError(f"exercise {row.get('key', '?')}: {error!r}") from None
    if len({exercise.key for exercise in found}) != len(found):
        raise ExerciseError("two exercises have the same key")
    return found


def _exercise(row: dict[str, Any]) -> Exercise:
    checks: list[Check] = []
    for check in row["checks"]:
        given = {k: v for k, v in check.items() if k not in ("is", "points", "words")}
        if check["is"] not in RULES:
            raise ExerciseError(f"no rule is called '{check['is']}'")
        if "full_s" in given and not given["full_s"] < given["zero_s"]:
            raise ExerciseError("full_s must be below zero_s")
        if "do" in given:
            Step(0, given["do"], given.get("what", ""))  # is there such a thing?
        checks.append(Check(check["is"], int(check["points"]), str(check["words"]), given))
    if sum(check.points for check in checks) != _MOST_POINTS:
        raise ExerciseError("the points do not add up to 100")
    cues = tuple(Cue(**cue) for cue in row.get("cues", []))
    for cue in cues:
        if cue.do:
            Step(0, cue.do, cue.what)
    return Exercise(
        str(row["key"]),
        str(row["title"]),
        str(row["goal"]),
        float(row["limit_s"]),
        tuple(row["ends"]),
        tuple(checks),
        cues,
        float(row.get("settle_s", 0.5)),
    )


class Trainer(Watcher):
    """One exercise under way. `begin` takes a new device; `result` is there when it is over."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.seen = Seen()
        self.said: list[str] = []
        """What the cues have said to the trainee."""
        self.result: Result | None = None
        self._waiting = list(exercise.cues)
        self._to_come = list(exercise.ends)
        self._over_ns: int | None = None
        self._asked = False
        self._running = False

    def begin(self, engine: Engine) -> None:
        """Take a new device, switch it on, and look on from here."""
        engine.fresh()
        engine.set_paused(False)
        engine.act("power_on")
        self.seen.began_ns = engine.now_ns
        self._running = True
        engine.watcher = self

    def stop(self, engine: Engine) -> None:
        """Give up: no score."""
        self._running = False
        if engine.watcher is self:
            engine.watcher = None

    def told(self, engine: Engine, t_ns: int, message: dict[str, Any]) -> None:
        """See `Watcher`."""
        if message.get("id") == STATUS_ID and "dose_ms" in message.get("ok", ()):
            self.seen.status = message["ok"]
        elif message.get("ev") == "fault" and message.get("active"):
            self.seen.faults.append(t_ns)
        elif message.get("ev") == "state":
            self._state(t_ns, str(message["state"]))

    def _state(self, t_ns: int, state: str) -> None:
        self.seen.states.append((t_ns, state))
        while self._to_come:
            wanted = self._to_come[0]
            if not (state != wanted[1:] if wanted.startswith("!") else state == wanted):
                return
            del self._to_come[0]
            if self._to_come and not self._to_come[0].startswith("!"):
                return  # the next one is another state
        if self._over_ns is None:
            self._over_ns = t_ns + round(self.exercise.settle_s * NS_PER_S)

    def changed(self, engine: Engine, t_ns: int, signal: str, value: float) -> None:
        """See `Watcher`."""
        if signal != "VALVE_GATE":
            return
        gate = self.seen.gate
        if value:
            gate.append((t_ns, 0, self.seen.states[-1][1] if self.seen.states else ""))
        elif gate and not gate[-1][1]:
            gate[-1] = (gate[-1][0], t_ns, gate[-1][2])

    def done(self, engine: Engine, step: Step) -> None:
        """See `Watcher`."""
        self.seen.steps.append(step)

    def turned(self, engine: Engine) -> None:
        """See `Watcher`."""
        if not self._running:
            return
        now_ns = engine.now_ns
        seen = self.seen
        if not self._asked and seen.first("ARMED") is not None and engine.attached is None:
            self._asked = True
            engine.send(encode({"id": STATUS_ID, "op": "status"}))
        for cue in list(self._waiting):
            at_ns = seen.first(cue.after)
            if at_ns is not None and now_ns >= at_ns + round(cue.wait_s * NS_PER_S):
                self._waiting.remove(cue)
                self._happen(engine, cue)
        over = self._over_ns is not None and now_ns >= self._over_ns
        if over or now_ns - seen.began_ns >= self.exercise.limit_s * NS_PER_S:
            self._finish(engine)

    def _happen(self, engine: Engine, cue: Cue) -> None:
        if self.seen.cue_ns is None:
            self.seen.cue_ns = engine.now_ns
        if cue.do:
            engine.act(cue.do, cue.what)
        if cue.say:
            self.said.append(cue.say)
            engine.say("bench", cue.say)

    def _finish(self, engine: Engine) -> None:
        seen = self.seen
        self._running = False
        seen.ended_ns = engine.now_ns
        freezes = seen.freezes()
        if freezes:
            plant = engine.bench.plant
            plant.advance(engine.now_ns)
            seen.jet = plant.jet_between(freezes[0][0], min(engine.now_ns, freezes[0][1]))
        engine.watcher = None
        self.result = judge(self.exercise, seen)
        engine.say("bench", f"{self.exercise.title}: {self.result.points} of 100 points")
