"""The course of a patient: intervals, outcomes, the sheet, against figures worked out by hand."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from host_tools import course
from host_tools.cli import main
from host_tools.course import Lesion, Outcome, Own, Session, rules
from host_tools.description import Description
from host_tools.errors import LocalError
from host_tools.patient import TEXTS, sheet, texts
from host_tools.store import Store
from host_tools.treatments import Treatment
from host_tools.wall_clock import BY_DEVICE, UNKNOWN
from hw_sim.bench.journal_maker import JournalMaker
from tests.unit.host.test_practice import SERIAL, known, put

__all__ = ["known"]  # a fixture

DAY_S = 86_400
START_S = int(datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp())
RULES = rules()


def own(day: float, *, delivered_ms: int = 15_000, how: str = BY_DEVICE, um: int = 2500) -> Own:
    when_s = START_S + round(day * DAY_S)
    made = Treatment(int(day * 100) + 1, 1, 0, when_s, when_s, how, most_ms=delivered_ms)
    return SERIAL, replace(made, delivered_ms=delivered_ms, estimate_um=um)


def visits(*days: float) -> list[Session]:
    return course.sessions([own(day) for day in days])


def day(number: float) -> str:
    return f"{datetime.fromtimestamp(START_S + number * DAY_S, UTC):%Y-%m-%d}"


# -- sessions and intervals -----------------------------------------------------------------------


def test_the_rules_are_those_of_the_brief() -> None:
    assert (RULES.session_days_min, RULES.session_days_max) == (7, 14)
    assert (RULES.course_weeks_min, RULES.course_weeks_max) == (4, 6)
    assert dict(RULES.waits) == {
        "physiotherapy": 4, "exfoliation or peel": 7 * 24, "laser": 14 * 24,
        "micro-needling": 14 * 24,
    }  # fmt: skip
    assert [(one["sessions"], one["low"], one["high"]) for one in RULES.published] == [
        (1, 60, 70), (3, 85, 85), (0, 39, 64),
    ]  # fmt: skip


def test_treatments_of_a_visit_are_one_session() -> None:
    found = visits(0, 0.01, 0.2, 7)
    assert [len(visit.treatments) for visit in found] == [3, 1]


def test_what_froze_nothing_or_has_no_time_does_not_count() -> None:
    assert not course.sessions([own(0, delivered_ms=0), own(1, how=UNKNOWN)])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 7, 14), []),
        ((0, 14, 28), []),
        ((0, 6.9), ["too early"]),
        ((0, 15), ["is late"]),
        ((0, 7, 14, 21, 28, 35), []),
        ((0, 7, 14, 21, 28, 35, 42), ["too many"]),
        ((0, 13, 26, 39, 52), ["lasts 7.4 weeks"]),
    ],
)
def test_warnings(days: tuple[float, ...], expected: list[str]) -> None:
    found = course.warnings(visits(*days), RULES)
    assert len(found) == len(expected)
    for text, words in zip(found, expected, strict=True):
        assert words in text


def test_a_planned_session_is_judged_as_well() -> None:
    assert "too early" in course.warnings(visits(0), RULES, START_S + 3 * DAY_S)[0]
    assert not course.warnings(visits(0), RULES, START_S + 7 * DAY_S)


def test_a_long_pause_begins_a_new_course() -> None:
    assert [len(one) for one in course.courses(visits(0, 7, 64, 71), RULES)] == [2, 2]
    assert [len(one) for one in course.courses(visits(0, 7, 62), RULES)] == [3]


def test_what_has_to_wait() -> None:
    found = course.earliest(START_S, RULES)
    assert found["physiotherapy"] == START_S + 4 * 3600
    assert found["laser"] == START_S + 14 * DAY_S
    assert course.window(visits(0), RULES) == (START_S + 7 * DAY_S, START_S + 14 * DAY_S)


def test_a_file_of_other_rules_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    with pytest.raises(LocalError, match="cannot read"):
        rules(path)
    path.write_text("[plan]\nsession_days_min = 7\n")
    with pytest.raises(LocalError, match="is no file of rules"):
        rules(path)
    path.write_text(course.RULES.read_text().replace("days_min = 7", "days_min = 70"))
    with pytest.raises(LocalError, match="contradict"):
        rules(path)


# -- outcomes -------------------------------------------------------------------------------------


def seen(lesion_days: tuple[float, ...], *told: tuple[float, str]) -> Lesion:
    outcomes = [Outcome(7, "1", day(at), result) for at, result in told]
    return course.lesion(7, "1", [own(at) for at in lesion_days], outcomes)


def test_an_outcome_counts_the_sessions_before_its_day() -> None:
    one = seen((0, 7, 14), (7, "smaller"), (14, "clear"), (0, "same"))
    assert [(count, out.result) for count, out in one.outcomes] == [(1, "smaller"), (2, "clear")]
    assert (one.after(1), one.after(2), one.after(3)) == (False, True, True)


def test_a_lesion_that_was_not_seen_is_not_guessed() -> None:
    one = seen((0, 7), (14, "same"))
    assert (one.after(1), one.after(2), one.after(3)) == (None, False, None)


def test_what_recurred_is_not_clear() -> None:
    assert seen((0,), (7, "clear"), (60, "recurred")).after(1) is False


def test_a_later_entry_for_the_same_day_replaces_an_earlier() -> None:
    one = seen((0,), (7, "same"), (7, "clear"))
    assert one.after(1) is True
    assert len(one.outcomes) == 1


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe, Stat Med 1998;17:857, table I, method 3
        (15, 148, 0.0624, 0.1605),  # the same
        (0, 20, 0.0, 0.1611),  # the same
        (1, 29, 0.0061, 0.1718),  # the same
    ],
)
def test_wilson_is_what_was_published(hits: int, total: int, low: float, high: float) -> None:
    found = course.wilson(hits, total)
    assert found is not None
    assert found == pytest.approx((low, high), abs=6e-5)
    assert course.wilson(0, 0) is None


def test_summary() -> None:
    lesions = [
        seen((0,), (7, "clear")),
        seen((0, 7), (7, "smaller"), (14, "clear")),
        seen((0, 7, 14), (7, "same"), (14, "smaller"), (21, "same")),
        seen((0,)),
    ]
    data = course.summary(lesions, RULES, profile=lambda own: "wart", applicator=lambda own: "C")
    assert [(one["hits"], one["lesions"]) for one in data["after"]] == [(1, 3), (2, 3), (2, 3)]
    assert data["after"][0]["published"][0]["low"] == 60
    assert (data["lesions"], data["seen"]) == (4, 3)
    assert data["by_depth"] == [{"group": "2 to 3 mm"} | course.share(2, 3)]
    assert data["harms"]["scar"]["hits"] == 0


# -- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def numbers(store_path: Path, known: Description) -> list[int]:
    """Two patients: 7 with sessions on days 0, 7 and 10, 8 with one whose time is not known."""
    journal = JournalMaker(SERIAL, utc_s=START_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    found: list[int] = []
    for at in (0, 7, 10):
        journal.start(utc_s=START_S + at * DAY_S)
        journal.add("boot", 1, 200, 1, 0, 11_000, 1)
        found.append(freeze(journal, 7))
    journal.start()
    journal.add("boot", 1, 200, 1, 0, 11_000, 0)
    found.append(freeze(journal, 8))
    put(store_path, known, journal)
    return found


def freeze(journal: JournalMaker, reference: int) -> int:
    seq = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, reference)
    journal.add("plan", seq, 3, 1, 0, 2500, 225, 1, 1)
    journal.add("freeze_begin", seq, 1, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.add("freeze_end", seq, 1, 1, 15_000, 14_987_000, 14_987_000, -19_000, 550)
    journal.add("estimate", seq, 1, 2450, 220, 12_000, 0, 2500, 0)
    journal.add("treatment_end", seq, 1, 1, 1, 15_000, -19_000, 0, reference)
    return seq


def as_json(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_course_of_a_patient(numbers: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, "course", 7)
    assert [one["date"] for one in data["sessions"]] == [day(0), day(7), day(10)]
    assert data["next"] == {"from": day(17), "to": day(24)}
    assert len(data["warnings"]) == 1
    assert "too early: 3.0 days" in data["warnings"][0]
    assert data["earliest"]["laser"].startswith(day(24))
    assert len(as_json(capsys, "course", 7, "--on", day(12))["warnings"]) == 2
    assert "not known" in as_json(capsys, "course", 8)["warnings"][0]
    assert main(["course", "99"]) == 2
    assert main(["course", "7"]) == 0
    assert "! session 3" in capsys.readouterr().out


def test_outcomes_are_entered_and_summed(
    numbers: list[int], store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_json(capsys, "lesion", 7, "left thumb", numbers[0], numbers[1])["added"] == 2
    told = as_json(capsys, "outcome", 7, "smaller", "--on", day(7), "--blister", "--by", "Dr A")
    assert (told["lesion"], told["after_sessions"]) == ("left thumb", 1)
    assert as_json(capsys, "outcome", 7, "clear", "--on", day(30))["after_sessions"] == 2
    data = as_json(capsys, "outcomes")
    assert [(one["hits"], one["lesions"]) for one in data["after"]] == [(0, 1), (1, 1), (1, 1)]
    assert data["by_profile"][0]["group"] == "plantar wart"
    assert data["harms"]["blister"]["hits"] == 1
    assert main(["outcomes"]) == 0
    out = capsys.readouterr().out
    assert "published: 60 to 70 % (the clinical brief)" in out
    assert "100 % (21 to 100); 1 of 1" in out
    with closing(sqlite3.connect(store_path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute("DELETE FROM outcomes")


def test_what_cannot_be_an_outcome_is_refused(
    numbers: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    as_json(capsys, "lesion", 7, "a", numbers[0])
    as_json(capsys, "lesion", 7, "b", numbers[1])
    for argv, words in (
        (("outcome", 7, "clear"), "has 2 lesions"),
        (("outcome", 7, "clear", "--lesion", "c"), "has no lesion 'c'"),
        (("outcome", 7, "clear", "--lesion", "a", "--on", day(0)), "was not treated before"),
        (("outcome", 7, "clear", "--lesion", "a", "--on", "2999-01-01"), "has not come yet"),
        (("outcome", 7, "clear", "--lesion", "a", "--on", "today"), "is no date"),
        (("lesion", 7, "a", 999), "there is no treatment 999"),
        (("lesion", 7, " ", numbers[0]), "is no name of a lesion"),
    ):
        assert main([*map(str, argv)]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_a_backup_has_lesions_and_outcomes(
    numbers: list[int], store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_json(capsys, "lesion", 7, "a", numbers[0])
    as_json(capsys, "outcome", 7, "clear", "--on", day(30), "--note", "no trace")
    copy, new = tmp_path / "copy.sqlite", tmp_path / "new.sqlite"
    as_json(capsys, "store", "backup", copy)
    for expected in (1, 0):
        told = as_json(capsys, "store", "restore", copy, "--store", new)
        assert told["outcomes"] == expected
    with Store(store_path) as old, Store(new) as restored:
        assert restored.outcomes() == old.outcomes()
        assert restored.lesions() == old.lesions()


# -- the sheet ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("physiotherapy: at least 4 hours (from 21:00)", f"laser: 2 weeks (from {day(14)})",
                f"between {day(7)} and {day(14)}", "Your number: 7")),
        ("zh", ("物理治療", f"雷射：間隔 2 週（{day(14)} 起）", 'lang="zh-Hant"')),
    ],
)  # fmt: skip
def test_the_sheet_of_a_treatment(
    numbers: list[int],
    tmp_path: Path,
    language: str,
    words: tuple[str, ...],
    store_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the practice's own time: 09:00 UTC is 17:00 in Taipei."""
    monkeypatch.setenv("TZ", "Asia/Taipei")
    time.tzset()
    path = tmp_path / "sheet.html"
    argv = ["aftercare", str(numbers[0]), "--language", language, "-o", str(path)]
    try:
        assert main([*argv, "--store", str(store_path)]) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    source = path.read_text(encoding="utf-8")
    for text in words:
        assert text in source
    assert "{" not in source.split("</style>")[1]
    assert "http" not in source.replace("http-equiv", "")


def test_a_sheet_without_a_date_is_refused(
    numbers: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aftercare", str(numbers[3])]) == 2
    assert "is not known" in capsys.readouterr().err
    assert main(["aftercare", str(numbers[0]), "--language", "xx"]) == 2
    assert "there are: en, zh" in capsys.readouterr().err


def test_both_languages_say_the_same() -> None:
    """Number of sections and lines, and which dates stand where."""

    def shape(language: str) -> list[list[list[str]]]:
        found = texts(TEXTS, language)["section"]
        return [
            [[part.split("}")[0] for part in line.split("{")[1:]] for line in section["lines"]]
            for section in found
        ]

    assert shape("en") == shape("zh")


def test_an_unknown_place_in_a_sheet_is_refused() -> None:
    text = texts(TEXTS, "en") | {"next": "in {weeks} weeks"}
    places = {"date": "d", "reference": "", "from": "f", "to": "t"} | {
        f"earliest.{name}": "x" for name, _ in RULES.waits
    }
    with pytest.raises(LocalError, match="unknown place"):
        sheet(text, places)
