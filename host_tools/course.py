"""The course of a patient by the practice's number: sessions, what has to wait, and outcomes.

Pure; imports the standard library, `treatments` and `errors`. Intervals and published figures are
data: course.toml, with their sources. Only treatments that delivered something count. Times are
UTC; a treatment whose time is not known is counted nowhere, and said.
"""

import math
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from host_tools.errors import LocalError
from host_tools.treatments import Treatment
from host_tools.wall_clock import NOT_BEFORE, UNKNOWN

RULES = Path(__file__).with_name("course.toml")
RESULTS = ("clear", "smaller", "same", "recurred")
HARMS = ("pigment", "scar", "blister")
SESSION_GAP_S = 8 * 3600
"""Treatments of one reference that follow each other within this time are one session."""

_DAY_S = 86_400
_Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""

Own = tuple[str, Treatment]
"""Serial of the device, and a treatment of it."""


@dataclass(frozen=True)
class Rules:
    """What course.toml says."""

    session_days_min: int
    session_days_max: int
    course_weeks_min: int
    course_weeks_max: int
    sessions_max: int
    new_course_weeks: int
    waits: tuple[tuple[str, int], ...]
    """Name and hours of what has to wait after a treatment."""
    published: tuple[dict[str, Any], ...]


def rules(path: Path = RULES) -> Rules:
    """The rules in a file. Raises LocalError: it is not there, or has not the form."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        plan = data["plan"]
        found = Rules(
            **{key: int(plan[key]) for key in _PLAN_KEYS},
            waits=tuple((str(one["name"]), int(one["hours"])) for one in data.get("wait", [])),
            published=tuple(dict(one) for one in data.get("published", [])),
        )
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise LocalError(
            f"{path} is no file of rules: {error}", f"the form is that of {RULES}"
        ) from None
    if not 0 < found.session_days_min <= found.session_days_max:
        raise LocalError(f"{path}: session_days_min and session_days_max contradict each other")
    return found


_PLAN_KEYS = (
    "session_days_min", "session_days_max", "course_weeks_min", "course_weeks_max",
    "sessions_max", "new_course_weeks",
)  # fmt: skip


# -- sessions -------------------------------------------------------------------------------------


@dataclass
class Session:
    """The treatments of one visit."""

    start_s: int
    end_s: int
    treatments: list[Own]


def has_time(treatment: Treatment) -> bool:
    """Whether it is known when it was."""
    return treatment.when_how not in (UNKNOWN, NOT_BEFORE)


def delivered(treatments: Iterable[Own]) -> list[Own]:
    """Those that froze something, or may have."""
    return [own for own in treatments if own[1].most_ms > 0]


def sessions(treatments: Iterable[Own]) -> list[Session]:
    """Visits, in order, of the treatments of one reference whose time is known."""
    found: list[Session] = []
    timed = [own for own in delivered(treatments) if has_time(own[1])]
    for own in sorted(timed, key=lambda own: own[1].when_s):
        when_s = own[1].when_s
        if found and when_s - found[-1].end_s <= SESSION_GAP_S:
            found[-1].treatments.append(own)
            found[-1].end_s = when_s
        else:
            found.append(Session(when_s, when_s, [own]))
    return found


def courses(visits: Sequence[Session], rule: Rules) -> list[list[Session]]:
    """Visits in courses: a long pause begins a new one."""
    found: list[list[Session]] = []
    for visit in visits:
        pause_s = visit.start_s - found[-1][-1].end_s if found else 0
        if not found or pause_s > rule.new_course_weeks * 7 * _DAY_S:
            found.append([])
        found[-1].append(visit)
    return found


def _day(utc_s: float) -> str:
    return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%d}"


def warnings(course: Sequence[Session], rule: Rules, next_s: int | None = None) -> list[str]:
    """What a physician should look at: too early, too many, too long. `next_s`: one is planned."""
    found: list[str] = []
    starts = [visit.start_s for visit in course]
    if next_s is not None:
        starts.append(next_s)
    for number, (before_s, after_s) in enumerate(zip(starts, starts[1:], strict=False), 2):
        days = (after_s - before_s) / _DAY_S
        what = f"session {number} on {_day(after_s)}"
        if days < rule.session_days_min:
            found.append(
                f"{what} is too early: {days:.1f} days after the one before, at least "
                f"{rule.session_days_min} (over-treatment damages tissue)"
            )
        elif days > rule.session_days_max:
            found.append(
                f"{what} is late: {days:.1f} days after the one before, at most "
                f"{rule.session_days_max}"
            )
    if len(starts) > rule.sessions_max:
        found.append(
            f"too many sessions: {len(starts)} in this course, at most {rule.sessions_max}"
        )
    weeks = (starts[-1] - starts[0]) / 7 / _DAY_S if starts else 0
    if weeks > rule.course_weeks_max:
        found.append(f"the course lasts {weeks:.1f} weeks, at most {rule.course_weeks_max}")
    return found


def window(course: Sequence[Session], rule: Rules) -> tuple[int, int]:
    """Earliest and latest time of the next session, seconds since 1970."""
    last_s = course[-1].start_s
    return last_s + rule.session_days_min * _DAY_S, last_s + rule.session_days_max * _DAY_S


def earliest(after_s: int, rule: Rules) -> dict[str, int]:
    """From when what has to wait is possible, after a treatment at this time."""
    return {name: after_s + hours * 3600 for name, hours in rule.waits}


# -- outcomes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What was seen at a lesion on a day. A later entry for the same day replaces an earlier."""

    reference: int
    lesion: str
    day: str
    """ISO date."""
    result: str
    pigment: bool = False
    scar: bool = False
    blister: bool = False
    note: str = ""
    by: str = ""
    entered_s: int = 0


@dataclass
class Lesion:
    """A lesion: the visits in which it was treated, and what came of it."""

    reference: int
    name: str
    visits: list[Session]
    outcomes: list[tuple[int, Outcome]] = field(default_factory=list[tuple[int, Outcome]])
    """Number of sessions before the outcome's day, and the outcome; in order."""

    def after(self, count: int) -> bool | None:
        """Whether it was clear after so many sessions; None: it was not seen then.

        A lesion that was clear earlier, and has not recurred since, stays so: it needs no more.
        """
        known = [(number, one) for number, one in self.outcomes if number <= count]
        if not known:
            return None
        number, last = known[-1]
        clear = last.result == "clear"
        return clear if clear or number == count else None

    @property
    def last(self) -> Outcome | None:
        """What was seen last, after a session."""
        return self.outcomes[-1][1] if self.outcomes else None


def lesion(reference: int, name: str, own: Iterable[Own], outcomes: Iterable[Outcome]) -> Lesion:
    """A lesion out of its treatments, and of its outcomes in the order of their entry.

    An outcome counts the sessions before its day: a lesion is looked at before it is treated.
    """
    made = Lesion(reference, name, sessions(own))
    newest: dict[str, Outcome] = {}
    for outcome in outcomes:
        newest[outcome.day] = outcome
    for day, outcome in sorted(newest.items()):
        start_s = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        count = sum(visit.start_s < start_s for visit in made.visits)
        if count:
            made.outcomes.append((count, outcome))
    return made


def wilson(hits: int, total: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a share, 0 to 1. None of nothing.

    Source: E. B. Wilson, J Am Stat Assoc 1927;22:209.
    """
    if not total:
        return None
    share = hits / total
    z2 = _Z95 * _Z95
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = (
        _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    )
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits: int, total: int) -> dict[str, Any]:
    """A share with its interval, in percent."""
    bounds = wilson(hits, total)
    percent = None if bounds is None else [round(100 * bound, 1) for bound in bounds]
    return {
        "hits": hits,
        "lesions": total,
        "percent": round(100 * hits / total, 1) if total else None,
        "interval_95": percent,
    }


def summary(
    lesions: Sequence[Lesion],
    rule: Rules,
    *,
    profile: Callable[[Own], str],
    applicator: Callable[[Own], str],
) -> dict[str, Any]:
    """Clearance after one, two and three sessions, by what was used, and harms."""
    after: list[dict[str, Any]] = []
    for count in (1, 2, 3):
        seen = [state for one in lesions if (state := one.after(count)) is not None]
        published = [one for one in rule.published if one["sessions"] == count]
        after.append({"sessions": count} | share(sum(seen), len(seen)) | {"published": published})
    known = [one for one in lesions if one.outcomes]
    return {
        "lesions": len(lesions),
        "seen": len(known),
        "after": after,
        "published_course": [one for one in rule.published if not one["sessions"]],
        "by_profile": _groups(known, lambda one: profile(one.visits[0].treatments[0])),
        "by_applicator": _groups(known, lambda one: applicator(one.visits[0].treatments[0])),
        "by_depth": _groups(known, _depth),
        "harms": {
            harm: share(
                sum(any(getattr(out, harm) for _, out in one.outcomes) for one in known),
                len(known),
            )
            for harm in HARMS
        },
    }


def _groups(lesions: Sequence[Lesion], key: Callable[[Lesion], str]) -> list[dict[str, Any]]:
    """Clear at the last look, by a property."""
    groups: dict[str, list[Lesion]] = {}
    for one in lesions:
        groups.setdefault(key(one), []).append(one)
    return [
        {"group": name}
        | share(sum(one.last is not None and one.last.result == "clear" for one in ones), len(ones))
        for name, ones in sorted(groups.items())
    ]


def _depth(one: Lesion) -> str:
    """The deepest estimate of all its freezes, in whole millimetres."""
    depths = [
        own[1].estimate_um
        for visit in one.visits
        for own in visit.treatments
        if own[1].estimate_um is not None
    ]
    if not depths:
        return "no estimate"
    low = max(depths) // 1000
    return f"{low} to {low + 1} mm"


def day_of(text: str) -> str:
    """An ISO date. Raises ValueError."""
    return date.fromisoformat(text).isoformat()


def end_of(day: str) -> int:
    """The end of a day, UTC, in seconds since 1970."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return int((start + timedelta(days=1)).timestamp())
