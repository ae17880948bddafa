"""`cryo course`, `lesion`, `outcome`, `outcomes`, `aftercare`: the course of a patient.

Imported only when one of them is run; imports the library. Patients are the practice's numbers;
names are not kept.
"""

from __future__ import annotations

import getpass
import time
import tomllib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools import course as courses
from host_tools.course import Lesion, Outcome, Own, Rules, Session
from host_tools.errors import LocalError, UsageError
from host_tools.projection import Wanted
from host_tools.story import row, when
from host_tools.wall_clock import iso

if TYPE_CHECKING:
    from host_tools.store import Store

TEXTS = Path(__file__).with_name("aftercare.toml")
_DEFAULT_LESION = "1"


def _rules(args: Namespace) -> Rules:
    return courses.rules(Path(args.rules)) if args.rules else courses.rules()


def _day(utc_s: float) -> str:
    return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%d}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _checked_day(text: str) -> str:
    try:
        return courses.day_of(text)
    except ValueError:
        raise UsageError(f"'{text}' is no date", "like this: 2026-01-31") from None


def _own(store: Store, reference: int) -> list[Own]:
    """The treatments of a reference. Raises UsageError when there are none."""
    found = store.treatments(Wanted(reference=reference)) if reference > 0 else []
    if not found:
        raise UsageError(
            f"no treatment of reference {reference} is stored", "`cryo treatments` lists them"
        )
    return found


def _lesions(store: Store, reference: int | None = None) -> list[Lesion]:
    """All lesions that have treatments or outcomes.

    One without treatments of its own was in all of the reference's: so a patient with one lesion
    needs none to be named.
    """
    outcomes: dict[tuple[int, str], list[Outcome]] = {}
    for outcome in store.outcomes(reference):
        outcomes.setdefault((outcome.reference, outcome.lesion), []).append(outcome)
    assigned = {
        key: treatments
        for key, treatments in store.lesions().items()
        if reference is None or key[0] == reference
    }
    made: list[Lesion] = []
    for key in sorted(assigned.keys() | outcomes.keys()):
        own = store.treatments(Wanted(reference=key[0]))
        if key in assigned:
            numbers = set(assigned[key])
            own = [one for one in own if (one[0], one[1].seq) in numbers]
        made.append(courses.lesion(*key, own, outcomes.get(key, [])))
    return made


# -- course ---------------------------------------------------------------------------------------


def course(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo course REF [--on DATE]`."""
    rule = _rules(args)
    own = courses.delivered(_own(store, args.reference))
    visits = courses.sessions(own)
    untimed = [one[1].seq for one in own if not courses.has_time(one[1])]
    planned_s = None
    if args.on is not None:
        planned_s = courses.end_of(_checked_day(args.on)) - 43_200  # noon
    parts = courses.courses(visits, rule)
    present: Sequence[Session] = parts[-1] if parts else []
    found = courses.warnings(present, rule, planned_s) if present else []
    if untimed:
        numbers = ", ".join(map(str, untimed))
        found.append(f"the time of treatment {numbers} is not known: not counted")
    data: dict[str, Any] = {
        "reference": args.reference,
        "courses": len(parts),
        "sessions": [_session(visit) for visit in present],
        "warnings": found,
        "next": None,
        "earliest": {},
        "lesions": [_lesion(one) for one in _lesions(store, args.reference)],
    }
    if present:
        first_s, last_s = courses.window(present, rule)
        data["next"] = {"from": _day(first_s), "to": _day(last_s)}
        data["course_until"] = _day(present[0].start_s + rule.course_weeks_max * 7 * 86_400)
        waits = courses.earliest(present[-1].end_s, rule)
        data["earliest"] = {name: iso(at_s) for name, at_s in waits.items()}
    if not args.json:
        _show_course(data, args.on)
    return data


def _session(visit: Session) -> dict[str, Any]:
    return {
        "date": _day(visit.start_s),
        "treatments": [{"device": serial, "number": item.seq} for serial, item in visit.treatments],
        "delivered_ms": sum(item.delivered_ms for _, item in visit.treatments),
    }


def _lesion(one: Lesion) -> dict[str, Any]:
    return {
        "lesion": one.name,
        "sessions": len(one.visits),
        "outcomes": [
            {"after_sessions": count} | asdict(outcome) for count, outcome in one.outcomes
        ],
    }


def _show_course(data: dict[str, Any], on: str | None) -> None:
    sessions = _count(len(data["sessions"]), "session")
    print(f"Reference {data['reference']}: {sessions} in the present course")
    for number, visit in enumerate(data["sessions"], 1):
        numbers = ", ".join(str(one["number"]) for one in visit["treatments"])
        print(f"  {number}. {visit['date']}  treatment {numbers}")
    if data["next"]:
        window = data["next"]
        print(
            f"Next session: {window['from']} to {window['to']}; the course until "
            f"{data['course_until']}"
        )
        print("Earliest, after the last treatment (UTC):")
        for name, at in data["earliest"].items():
            print(f"  {name:<20} {at[:16].replace('T', ' ')}")
    for one in data["lesions"]:
        print(f"Lesion {one['lesion']}: {_count(one['sessions'], 'session')}")
        for outcome in one["outcomes"]:
            harms = [harm for harm in courses.HARMS if outcome[harm]]
            told = f"  {outcome['day']}  {outcome['result']}" + "".join(f", {h}" for h in harms)
            print(f"{told} (after {outcome['after_sessions']})")
    for text in data["warnings"]:
        print(f"! {text}")
    if not data["warnings"]:
        print("no warning" + (f" for a session on {on}" if on else ""))


# -- lesions and outcomes -------------------------------------------------------------------------


def lesion(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo lesion REF NAME N...`: these treatments were of this lesion."""
    own = {
        (serial, item.seq): item
        for serial, item in _own(store, args.reference)
        if args.serial in (None, serial)
    }
    chosen: list[tuple[str, int]] = []
    for number in args.number:
        matches = [key for key in own if key[1] == number]
        if len(matches) != 1:
            several = "several devices have" if matches else "there is no"
            raise UsageError(
                f"{several} treatment {number} of reference {args.reference}",
                "say which with --serial"
                if matches
                else "its treatments: " + ", ".join(str(key[1]) for key in own),
            )
        chosen.append(matches[0])
    name = _name(args.name)
    added = store.assign(args.reference, name, chosen, int(time.time()))
    if not args.json:
        print(f"lesion {name} of reference {args.reference}: {_count(added, 'treatment')} added")
    return {"reference": args.reference, "lesion": name, "added": added}


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise UsageError(f"'{text}' is no name of a lesion", "1 to 40 printable characters")
    return name


def outcome(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo outcome REF RESULT`: what was seen at a lesion."""
    own = _own(store, args.reference)
    names = sorted({one.name for one in _lesions(store, args.reference)})
    if args.lesion is not None:
        name = _name(args.lesion)
        if names and name not in names and not args.new:
            raise UsageError(
                f"reference {args.reference} has no lesion '{name}'",
                f"there are: {', '.join(names)}; `cryo lesion` or --new adds one",
            )
    elif len(names) > 1:
        raise UsageError(
            f"reference {args.reference} has {len(names)} lesions",
            f"say which with --lesion: {', '.join(names)}",
        )
    else:
        name = names[0] if names else _DEFAULT_LESION
    day = _checked_day(args.on) if args.on else _day(time.time())
    if day > _day(time.time()):
        raise UsageError(f"{day} has not come yet", "an outcome is what was seen")
    made = Outcome(
        args.reference, name, day, args.result, args.pigment, args.scar, args.blister,
        args.note or "", args.by or getpass.getuser(), int(time.time()),
    )  # fmt: skip
    assigned = store.lesions().get((args.reference, name))
    mine = [one for one in own if not assigned or (one[0], one[1].seq) in set(assigned)]
    counted = courses.lesion(args.reference, name, mine, [made]).outcomes
    if not counted:
        raise UsageError(
            f"lesion {name} of reference {args.reference} was not treated before {day}",
            "an outcome counts the sessions before its day; name the day with --on",
        )
    store.add_outcome(made)
    if not args.json:
        sessions = _count(counted[0][0], "session")
        print(f"lesion {name} of reference {made.reference}: {made.result} after {sessions}")
    return asdict(made) | {"after_sessions": counted[0][0]}


def outcomes(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo outcomes`: clearance with its intervals, beside what was published."""
    rule = _rules(args)

    def told(own: Own, key: str) -> str:
        serial, item = own
        return str(row(serial, item, store.description(serial))[key] or "unknown")

    data = courses.summary(
        [one for one in _lesions(store) if one.visits],
        rule,
        profile=lambda own: told(own, "profile"),
        applicator=lambda own: told(own, "applicator"),
    )
    if not args.json:
        _show_outcomes(data)
    return data


def _share(one: dict[str, Any]) -> str:
    if one["percent"] is None:
        return "no lesion seen"
    low, high = one["interval_95"]
    return f"{one['percent']:.0f} % ({low:.0f} to {high:.0f}); {one['hits']} of {one['lesions']}"


def _published(one: dict[str, Any]) -> str:
    low, high = one["low"], one["high"]
    return f"{low} %" if low == high else f"{low} to {high} %"


def _show_outcomes(data: dict[str, Any]) -> None:
    print(f"{data['seen']} of {data['lesions']} lesions have an outcome; 95 % intervals (Wilson)")
    for one in data["after"]:
        sessions = f"{one['sessions']} session{' ' if one['sessions'] == 1 else 's'}"
        print(f"  clear after {sessions}  {_share(one)}")
        for figure in one["published"]:
            print(f"      published: {_published(figure)} ({figure['source']})")
    for figure in data["published_course"]:
        print(f"  a whole course, published: {_published(figure)} ({figure['source']})")
    for title, key in (
        ("profile", "by_profile"),
        ("applicator", "by_applicator"),
        ("estimated depth", "by_depth"),
    ):
        if data[key]:
            print(f"Clear at the last look, by {title}:")
        for one in data[key]:
            print(f"  {one['group']:<24} {_share(one)}")
    print("Seen at any time:")
    for harm, one in data["harms"].items():
        print(f"  {harm:<24} {_share(one)}")


# -- the patient's sheet --------------------------------------------------------------------------

_SHEET_STYLE = """
@page { margin: 15mm; }
@media print { body { margin: 0; max-width: none; padding: 0; } }
body { font: 12pt/1.45 system-ui, "Noto Sans CJK TC", "Noto Sans TC", "PingFang TC",
  "Microsoft JhengHei", "Liberation Sans", Arial, sans-serif; color: #1b2733; max-width: 170mm;
  margin: 10mm auto; padding: 0 4mm; }
h1 { font-size: 20pt; margin: 0 0 3mm; } h2 { font-size: 13pt; margin: 5mm 0 1mm; color: #1f5fa8; }
ul { margin: 0; padding-left: 6mm; } .call { border-top: 1px solid #1b2733; margin-top: 10mm;
  padding-top: 2mm; } .line { border-bottom: 1px solid #1b2733; height: 10mm; }
section { break-inside: avoid; }
"""


def texts(path: Path, language: str) -> dict[str, Any]:
    """The sheet's texts in a language. Raises LocalError, UsageError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LocalError(f"cannot read {path}: {error}") from None
    if language not in data:
        raise UsageError(f"no sheet in '{language}'", f"there are: {', '.join(data)}")
    return data[language]


def sheet(text: dict[str, Any], places: dict[str, str]) -> str:
    """The body of the page. Raises LocalError for a place in braces that is not known."""

    def filled(line: str) -> str:
        for name, value in places.items():
            line = line.replace("{" + name + "}", value)
        if "{" in line:
            raise LocalError(
                f"the sheet has an unknown place: {line}", f"there are: {', '.join(places)}"
            )
        return escape(line)

    parts = [
        f"<h1>{escape(text['title'])}</h1>",
        f"<p>{escape(text['date'])}: {escape(places['date'])}"
        + (
            f" · {escape(text['reference'])}: {escape(places['reference'])}"
            * bool(places["reference"])
        )
        + "</p>",
    ]
    for section in text["section"]:
        lines = "".join(f"<li>{filled(line)}</li>" for line in section["lines"])
        parts.append(f"<section><h2>{escape(section['heading'])}</h2><ul>{lines}</ul></section>")
    parts.append(f"<h2>{filled(text['next'])}</h2>")
    parts.append(f'<div class="call">{escape(text["contact"])}<div class="line"></div></div>')
    return "\n".join(parts)


def _local(utc_s: int, form: str) -> str:
    return datetime.fromtimestamp(utc_s, UTC).astimezone().strftime(form)


def aftercare(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo aftercare N`: the sheet for the patient of a treatment."""
    from host_tools.practice import find
    from host_tools.report import page, write

    rule = _rules(args)
    text = texts(Path(args.texts) if args.texts else TEXTS, args.language)
    serial, item = find(args, store)
    if not courses.has_time(item):
        raise UsageError(
            f"the time of treatment {item.seq} is not known ({when(item)})",
            "set the device's clock with `cryo time --set` before the next one",
        )
    visit = [Session(item.when_s, item.when_s, [(serial, item)])]
    first_s, last_s = courses.window(visit, rule)
    # The patient reads the practice's own time, that of this computer; and a date for what has to
    # wait for a day or more.
    earliest = {
        name: _local(at_s, "%Y-%m-%d" if hours >= 24 else "%H:%M")
        for (name, at_s), (_, hours) in zip(
            courses.earliest(item.when_s, rule).items(), rule.waits, strict=True
        )
    }
    places = {
        "date": _local(item.when_s, "%Y-%m-%d"),
        "reference": str(item.reference or ""),
        "from": _local(first_s, "%Y-%m-%d"),
        "to": _local(last_s, "%Y-%m-%d"),
    } | {f"earliest.{name}": value for name, value in earliest.items()}
    language = "zh-Hant" if args.language == "zh" else args.language
    path = Path(args.output or f"aftercare-{item.seq}-{args.language}.html")
    body = sheet(text, places)
    write(path, page(str(text["title"]), body, language=language, style=_SHEET_STYLE))
    if not args.json:
        print(f"written to {path}")
    return {"file": str(path), "treatment": item.seq, "language": args.language}
