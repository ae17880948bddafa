"""Training exercises on the virtual bench, and their scores.

exercises.toml defines the exercises. This module reads it, observes the trainee, triggers the cues
(an injected fault, or a message to the trainee), and scores the observations: the states reported
by the device, the gate's edges, the trainee's actions, and one reply to `status`. All times are the
device's, so the score does not depend on the computer's speed.

May import the standard library, `engine`, `scenario` of its own package, and
`hw_sim.world.fault_injection`. The tissue model only if an exercise evaluates the ice.
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
"""Id of the `status` request that is sent once the device is armed."""

_MOST_POINTS = 100
CAP_POINTS = 40
"""The most points of an exercise with a safety error, however good the rest was."""

_MARK_FOLLOW_S = 0.05


class ExerciseError(ValueError):
    """An exercise is not valid; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A message, an injected fault, or both, `wait_s` after a state was first reached."""

    after: str
    wait_s: float
    say: str = ""
    do: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion: the name of a rule (`RULES`), points, a description, and rule options."""

    rule: str
    points: int
    words: str
    given: dict[str, Any]
    safety: bool = False
    """Without any of its points, the exercise has a safety error."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """Ends `settle_s` after the states in `ends` were reached in this order ("!X": X was left)."""

    key: str
    title: str
    goal: str
    limit_s: float
    ends: tuple[str, ...]
    checks: tuple[Check, ...]
    cues: tuple[Cue, ...] = ()
    settle_s: float = 0.5
    fitted: int = 1
    """Number of the applicator that is fitted on the page when the exercise begins."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Result of a check. `said` describes the observation."""

    words: str
    points: int
    most: int
    said: str


@dataclass(frozen=True, slots=True)
class Result:
    """The score of a finished exercise."""

    key: str
    marks: tuple[Mark, ...]
    errors: tuple[str, ...] = ()
    """Safety errors, in words. Any of them caps the score at `CAP_POINTS`."""

    @property
    def points(self) -> int:
        """Total points, 0…100; with a safety error 0…`CAP_POINTS`."""
        points = sum(mark.points for mark in self.marks)
        return min(points, CAP_POINTS) if self.errors else points

    @property
    def verdict(self) -> str:
        """The grade in words."""
        if self.errors:
            return "not safe"
        for least, words in ((90, "excellent"), (75, "good"), (50, "fair")):
            if self.points >= least:
                return words
        return "try again"


@dataclass(slots=True)
class Seen:
    """Observations for the score of an exercise. Times in ns of the bench."""

    began_ns: int = 0
    ended_ns: int = 0
    states: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    faults: list[int] = field(default_factory=list[int])
    gate: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    """(opened, closed, state in which it opened); closed 0: still open."""
    steps: list[Step] = field(default_factory=list[Step])
    status: dict[str, Any] = field(default_factory=dict[str, Any])
    cue_ns: int | None = None
    """Time of the first cue."""
    completed: bool = False
    """All of the exercise's states were reached, before its limit."""
    jet: list[Any] = field(default_factory=list[Any])
    """The jet during the freeze (hw_sim.world.plant.JetSpan)."""

    def first(self, state: str) -> int | None:
        """Time at which the device first reported `state`."""
        return next((t for t, name in self.states if name == state), None)

    def freezes(self) -> list[tuple[int, int]]:
        """Openings of the valve in FREEZING; the gate may rise while the state is still ARMED."""
        return [
            (a, b or self.ended_ns) for a, b, state in self.gate if state in ("ARMED", "FREEZING")
        ]

    def away_at(self, t_ns: int) -> bool:
        """Whether the nozzle pointed away at that time."""
        away = False
        for step in self.steps:
            if step.at_ns > t_ns:
                break
            if step.do in ("aim_away", "aim_at_skin"):
                away = step.do == "aim_away"
        return away

    def estop_open_at(self, t_ns: int) -> bool:
        """Whether the E-stop was struck, and not yet turned back, at that time."""
        struck = [s.do for s in self.steps if s.do.startswith("estop") and s.at_ns <= t_ns]
        return struck[-1:] == ["estop_open"]

    def at_skin(self, a_ns: int, b_ns: int) -> bool:
        """Whether the nozzle pointed at the skin at any moment from `a_ns` to `b_ns`."""
        turned = any(s.do == "aim_at_skin" and a_ns <= s.at_ns < b_ns for s in self.steps)
        return turned or not self.away_at(a_ns)

    def purges(self) -> list[tuple[int, int]]:
        """Openings of the valve in PRECHILL."""
        return [(a, b or self.ended_ns) for a, b, state in self.gate if state == "PRECHILL"]


Judged = tuple[float | None, str]
"""Part of the points, 0…1, and a description of the observation. None: what is to be judged did not
come about, which gives no points and is no safety error."""


def _by_time(took_s: float, options: dict[str, Any]) -> float:
    full_s, zero_s = float(options["full_s"]), float(options["zero_s"])
    return min(1.0, max(0.0, (zero_s - took_s) / (zero_s - full_s)))


def _reach(seen: Seen, options: dict[str, Any]) -> Judged:
    at_ns = seen.first(options["state"])
    if at_ns is None:
        return 0.0, "not reached"
    took_s = (at_ns - seen.began_ns) / NS_PER_S
    return _by_time(took_s, options), f"after {took_s:.0f} s"


def _back(seen: Seen, options: dict[str, Any]) -> Judged:
    if not seen.faults:
        return 0.0, "there was no alarm"
    from_ns = seen.faults[0]
    at_ns = next((t for t, s in seen.states if s == options["state"] and t > from_ns), None)
    if at_ns is None:
        return 0.0, "not reached"
    took_s = (at_ns - from_ns) / NS_PER_S
    return _by_time(took_s, options), f"after {took_s:.0f} s"


def _setting(seen: Seen, options: dict[str, Any]) -> Judged:
    value = seen.status.get(options["key"])
    if value is None:
        return None, "never armed" if seen.first("ARMED") is None else "no reply from the device"
    if options["key"].endswith("_um"):
        return float(value == options["value"]), f"it was {value / 1000:.1f} mm"
    return float(value == options["value"]), f"it was {value}"


def _not_reached(seen: Seen, options: dict[str, Any]) -> Judged:
    """The state was never reached, though the one in `after` was."""
    if seen.first(options["after"]) is None:
        return None, f"{options['after']} was not reached"
    reached = seen.first(options["state"]) is not None
    return float(not reached), f"the device was {options['state']}" if reached else "it was not"


def _ended(seen: Seen, options: dict[str, Any]) -> Judged:
    return float(seen.completed), "yes" if seen.completed else "not in time"


def _froze(seen: Seen, options: dict[str, Any]) -> Judged:
    times, least = len(seen.freezes()), int(options["times"])
    return min(1.0, times / least), f"{times} of {least}"


def _purged(seen: Seen, options: dict[str, Any]) -> Judged:
    times, least = len(seen.purges()), int(options["times"])
    return float(times >= least), f"{times} {'purge' if times == 1 else 'purges'}"


def _no_freeze(seen: Seen, options: dict[str, Any]) -> Judged:
    if seen.freezes():
        return 0.0, "the valve was opened"
    return (None if seen.first("ARMED") is None else 1.0), "the valve stayed closed"


def _aimed_away(seen: Seen, options: dict[str, Any]) -> Judged:
    purges = seen.purges()
    if not purges:
        if seen.first("ARMED") is None:
            return 0.0, "the line was not cooled"
        return 1.0, "the line was cold already"
    good = sum(not seen.at_skin(a, b) for a, b in purges)
    return good / len(purges), "yes" if good == len(purges) else "it pointed at the skin"


def _at_skin(seen: Seen, options: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    if not freezes:
        return 0.0, "nothing was frozen"
    good = not any(seen.away_at(a) or seen.away_at(b) for a, b in freezes)
    return float(good), "yes" if good else "it pointed away"


def _delivered(seen: Seen, options: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    dose_ms = seen.status.get("dose_ms")
    if not freezes or not dose_ms:
        return 0.0, "nothing was frozen"
    got_ms = (freezes[0][1] - freezes[0][0]) / 1e6
    part = min(1.0, got_ms / dose_ms)
    if part > 0.99:
        part = 1.0  # the gate leads the dose by the valve's own lags
    return part, f"{got_ms / 1000:.1f} of {dose_ms / 1000:.1f} s"


def _since_ns(seen: Seen, since: str) -> int | None:
    """When the situation began to which the trainee reacts."""
    if since == "cue":
        return seen.cue_ns
    if since == "fault":
        return seen.faults[0] if seen.faults else None
    freezes = seen.freezes()
    return freezes[0][1] if freezes else None


def _react(seen: Seen, options: dict[str, Any]) -> Judged:
    since, do, what = options.get("since", "cue"), options["do"], options.get("what", "")
    from_ns = _since_ns(seen, since)
    if from_ns is None:
        return None, "the situation did not occur"
    done = [s.at_ns for s in seen.steps if s.do == do and s.what == what]
    if since == "fault" and do == "release":
        times = done[-1:]  # a release before the alarm is in time
    else:
        times = [at_ns for at_ns in done if at_ns >= from_ns][:1]
    if do in ("release", "hold"):
        # The card says: if in doubt, press E-STOP. It is never the wrong answer to an event.
        times += [s.at_ns for s in seen.steps if s.do == "estop_open" and s.at_ns >= from_ns][:1]
    elif do == "estop_open" and seen.estop_open_at(from_ns):
        times = [from_ns]  # it was struck before, and is still pressed
    if not times:
        return 0.0, "not done"
    took_s = max(0.0, (min(times) - from_ns) / NS_PER_S)
    return _by_time(took_s, options), f"after {took_s:.2f} s"


def _mark(seen: Seen, options: dict[str, Any]) -> Judged:
    freezes = seen.freezes()
    if not freezes:
        return 0.0, "nothing was frozen"
    begin_ns, end_ns = freezes[0]
    presses = [
        s.at_ns for s in seen.steps
        if s.do == "hold" and s.what == "select" and begin_ns <= s.at_ns <= end_ns
    ]  # fmt: skip
    target_ns = ice_reaches_ns(seen, float(options["across_mm"]))
    if target_ns is None:
        return 0.0, "the ice did not get that wide"
    if not presses:
        return 0.0, "SELECT was not pressed"
    off_s = (presses[0] - target_ns) / NS_PER_S
    words = f"{abs(off_s):.1f} s too {'late' if off_s > 0 else 'early'}"
    return _by_time(abs(off_s), options), words


def ice_reaches_ns(seen: Seen, across_mm: float) -> int | None:
    """Time at which the ice was that wide, by the page's tissue model; None: never."""
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
    "not_reached": _not_reached,
    "ended": _ended,
    "froze": _froze,
    "purged": _purged,
    "no_freeze": _no_freeze,
    "aimed_away": _aimed_away,
    "at_skin": _at_skin,
    "delivered": _delivered,
    "react": _react,
    "mark": _mark,
}


def judge(exercise: Exercise, seen: Seen) -> Result:
    """The score of an exercise."""
    marks: list[Mark] = []
    errors: list[str] = []
    if any(seen.at_skin(a, b) for a, b in seen.purges()):
        errors.append("The patient's skin was sprayed during a purge.")
    for check in exercise.checks:
        part, observation = RULES[check.rule](seen, check.given)
        points = round((part or 0.0) * check.points)
        marks.append(Mark(check.words, points, check.points, observation))
        if check.safety and part is not None and part <= 0.0:
            errors.append(f"Not so: {check.words} ({observation}).")
    return Result(exercise.key, tuple(marks), tuple(errors))


def load(path: Path = EXERCISES) -> list[Exercise]:
    """The exercises in a file. ExerciseError if one is not valid."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if table.get("version") != 1:
        raise ExerciseError("version = 1 is missing")
    exercises: list[Exercise] = []
    for row in table.get("exercise", []):
        try:
            exercises.append(_exercise(row))
        except (KeyError, TypeError, ValueError) as error:
            raise ExerciseError(f"exercise {row.get('key', '?')}: {error!r}") from None
    if len({exercise.key for exercise in exercises}) != len(exercises):
        raise ExerciseError("two exercises have the same key")
    return exercises


def _exercise(row: dict[str, Any]) -> Exercise:
    checks: list[Check] = []
    for check in row["checks"]:
        own = ("is", "points", "words", "safety")
        options = {k: v for k, v in check.items() if k not in own}
        if check["is"] not in RULES:
            raise ExerciseError(f"unknown rule '{check['is']}'")
        if "full_s" in options and not options["full_s"] < options["zero_s"]:
            raise ExerciseError("full_s must be below zero_s")
        if "do" in options:
            Step(0, options["do"], options.get("what", ""))  # raises if the action is unknown
        safety = check.get("safety") is True
        checks.append(
            Check(check["is"], int(check["points"]), str(check["words"]), options, safety)
        )
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
        int(row.get("fitted", 1)),
    )


class Trainer(Watcher):
    """One running exercise. `begin` takes a new device; `result` is set at the end."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.seen = Seen()
        self.said: list[str] = []
        """Messages of the cues to the trainee."""
        self.result: Result | None = None
        self._waiting = list(exercise.cues)
        self._remaining = list(exercise.ends)
        self._over_ns: int | None = None
        self._status_requested = False
        self._running = False

    real_time = True

    def begin(self, engine: Engine) -> None:
        """Take a new device, switch it on, and start observing, at real time."""
        engine.fresh()
        engine.set_speed(1.0)
        engine.set_paused(False)
        engine.act("power_on")
        self.seen.began_ns = engine.now_ns
        self._running = True
        engine.watcher = self

    def stop(self, engine: Engine) -> None:
        """Abort without a score."""
        self._running = False
        if engine.watcher is self:
            engine.watcher = None

    def reported(self, engine: Engine, t_ns: int, message: dict[str, Any]) -> None:
        """See `Watcher`."""
        if message.get("id") == STATUS_ID and "dose_ms" in message.get("ok", ()):
            self.seen.status = message["ok"]
        elif message.get("ev") == "fault" and message.get("active"):
            self.seen.faults.append(t_ns)
        elif message.get("ev") == "state":
            self._state(t_ns, str(message["state"]))

    def _state(self, t_ns: int, state: str) -> None:
        self.seen.states.append((t_ns, state))
        while self._remaining:
            target = self._remaining[0]
            if not (state != target[1:] if target.startswith("!") else state == target):
                return
            del self._remaining[0]
            if self._remaining and not self._remaining[0].startswith("!"):
                return  # the next target needs another state
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
        armed = seen.first("ARMED") is not None
        if not self._status_requested and armed and engine.attached is None:
            self._status_requested = True
            engine.send(encode({"id": STATUS_ID, "op": "status"}))
        for cue in list(self._waiting):
            at_ns = seen.first(cue.after)
            if at_ns is not None and now_ns >= at_ns + round(cue.wait_s * NS_PER_S):
                self._waiting.remove(cue)
                self._trigger(engine, cue)
        over = self._over_ns is not None and now_ns >= self._over_ns
        if over or now_ns - seen.began_ns >= self.exercise.limit_s * NS_PER_S:
            seen.completed = over
            self._finish(engine)

    def _trigger(self, engine: Engine, cue: Cue) -> None:
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
        for error in self.result.errors:
            engine.say("fault", f"Safety error: {error}")
        engine.say("bench", f"{self.exercise.title}: {self.result.points} of 100 points")
