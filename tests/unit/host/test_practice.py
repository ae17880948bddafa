"""`cryo treatments` and `cryo treatment`: as a practice reads them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from host_tools.cli import main
from host_tools.description import Description
from host_tools.device import Device
from host_tools.link import Link
from host_tools.records import decode, genesis
from host_tools.store import Store
from host_tools.transport import open_transport
from hw_sim.bench.journal_maker import FIRST_DAY_S, JournalMaker, Practice

SERIAL = "e661640843275b2c"
OTHER = "e661640843270000"


@pytest.fixture(scope="module")
def known() -> Iterator[Description]:
    """What the firmware says about itself."""
    link = Link(open_transport("sim://"), first_id=1)
    yield Device(link).description()
    link.close()


def put(path: Path, known: Description, journal: JournalMaker) -> None:
    with Store(path) as store:
        store.put_device(
            journal.serial, fw="0.2.0", micropython="1", boot=1, head=0, description=known
        )
        records = [decode(raw) for raw in journal.raws]
        store.append(journal.serial, records, genesis(journal.serial))


@pytest.fixture
def practice(store_path: Path, known: Description) -> Practice:
    practice = Practice(SERIAL, 7)
    practice.treat(60)
    put(store_path, known, practice.journal)
    return practice


@pytest.fixture
def story(store_path: Path, known: Description) -> int:
    """A treatment with all there is to say."""
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    journal.add("screening", 1, 0, 3, 78, 2, 0, 5)
    journal.pass_s(20)
    journal.add("screening", 1, 1, 6, 78, 2, 0, 3)
    journal.pass_s(40)
    journal.add("screening", 1 | 1 << 24, 1 | 1 << 24, 2, 78, 2, 0, 3)
    journal.add("prechill_begin", 0, 1, 10_000_000, 2200, 600, 850, 4850)
    journal.pass_s(8)
    journal.add("prechill_end", 0, 1, 6, 10_000_000, 7_700_000, -18_700, -18_700, 584)
    journal.pass_s(2)
    seq = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 78)
    journal.pass_s(3)
    journal.add("operator", 3, 1, 6, seq)
    journal.add("plan", seq, 3, 1, 200, 2700, 225, 2, 1)
    journal.add("freeze_begin", seq, 1, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.pass_s(15)
    journal.add("freeze_end", seq, 1, 1, 15_000, 14_987_000, 14_987_000, -19_000, 550, state=6)
    journal.add("estimate", seq, 1, 2100, 220, 12_000, 0, 2700, 1)
    journal.pass_s(90)
    journal.add("thaw", seq, 1, 90_000, 1, 100_000)
    journal.add("freeze_begin", seq, 2, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.pass_s(3.1)
    journal.add("ice_field", seq, 2, 3100)
    journal.pass_s(1.9)
    journal.add("freeze_end", seq, 2, 4, 15_000, 14_987_000, 4_987_000, -19_100, 550, state=6)
    journal.add("fault", 9, 0, 6)
    journal.add("treatment_end", seq, 4, 2, 1, 20_000, -19_100, 1, 78)
    journal.pass_s(1800)
    journal.add("observation", seq, 3, 1800, 1 | 2 | 64)
    put(store_path, known, journal)
    return seq


def as_json(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main([*argv, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_a_row_each(practice: Practice, capsys: pytest.CaptureFixture[str]) -> None:
    rows = as_json(capsys, "treatments", "--all")["treatments"]
    assert [row["number"] for row in rows] == [truth.seq for truth in practice.truths]
    assert [row["result"] for row in rows] == [truth.result for truth in practice.truths]
    assert {row["device"] for row in rows} == {SERIAL}
    assert all(isinstance(row["applicator"], str) for row in rows)
    newest = as_json(capsys, "treatments", "-n", "3")["treatments"]
    assert newest == rows[-3:]


@pytest.mark.slow
def test_filters_of_the_command_line(
    practice: Practice, capsys: pytest.CaptureFixture[str]
) -> None:
    def numbers(*argv: str) -> list[int]:
        data = as_json(capsys, "treatments", "--all", *argv)
        return [row["number"] for row in data["treatments"]]

    truths = practice.truths
    reference = next(truth.reference for truth in truths if truth.reference)
    assert numbers("--reference", str(reference)) == [
        truth.seq for truth in truths if truth.reference == reference
    ]
    assert numbers("--operator", "0") == [truth.seq for truth in truths if not truth.operator]
    assert numbers("--result", "fault") == [t.seq for t in truths if t.result == "fault"]
    first_day = numbers("--until", "2026-01-05")
    assert first_day == [truth.seq for truth in truths][: len(first_day)]
    assert 0 < len(first_day) < 60
    later = numbers("--since", "2026-01-06")
    assert first_day + later == [truth.seq for truth in truths]
    assert numbers("--since", "2026-01-06T00:00:00+00:00") == later


def test_what_cannot_be_filtered_is_refused(
    practice: Practice, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, words in (
        (("treatments", "--since", "yesterday"), "'yesterday' is no date"),
        (("treatments", "--since", "2026-01-06T10:00"), "in which time zone"),
        (("treatments", "--serial", "nobody"), "no records of nobody are stored"),
        (("treatments", "-n", "0"), "-n must be at least 1"),
        (("treatment", "1"), "no treatment 1 is stored"),
    ):
        assert main(list(argv)) == 2
        assert words in capsys.readouterr().err


def test_the_list_fits_80_columns(practice: Practice, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["treatments"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "50 of 60 treatments" in out
    words = " ".join(out.split())
    for truth in practice.truths[-50:]:
        assert f" {truth.seq} " in f" {words}"
    assert {"power lost", "complete"} <= {truth.result for truth in practice.truths[-50:]}
    assert "power lost" in words  # wrapped, not cut off
    assert "overridden" in words


def test_two_devices_may_have_a_treatment_of_one_number(
    story: int, store_path: Path, known: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    other = JournalMaker(OTHER, utc_s=FIRST_DAY_S)
    while other.head < story - 1:
        other.add("boot", 1, 200, 1, 0, 11_000, 1)
    assert other.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 5) == story
    put(store_path, known, other)
    assert main(["treatment", str(story)]) == 2
    assert f"--serial: {OTHER}, {SERIAL}" in capsys.readouterr().err
    assert as_json(capsys, "treatment", str(story), "--serial", OTHER)["reference"] == 5


def test_the_whole_story(story: int, capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, "treatment", str(story))
    assert (data["reference"], data["operator"], data["role"]) == (78, 3, "physician")
    assert (data["profile"], data["result"]) == ("plantar wart", "fault")
    assert [entry["outcome"] for entry in data["screenings"]] == [
        "stopped", "stop lifted by a physician", "overridden by a physician",
    ]  # fmt: skip
    assert [entry["operator"] for entry in data["screenings"]] == [5, 3, 3]
    assert data["screenings"][2]["overridden"] == [
        "diabetic neuropathy", "the practice's own item 1",
    ]  # fmt: skip
    assert data["purges"][0]["end"]["cause"] == "cold"
    assert [freeze["delivered_ms"] for freeze in data["freezes"]] == [15_000, 5_000]
    assert data["freezes"][1]["ice_field_ms"] == 3100
    assert data["faults"][0]["action"]
    assert data["observations"][0]["answers"] == [
        "blood pressure: stable", "pulse: stable", "skin: not stable",
    ]  # fmt: skip
    assert data["alerts"][1:] == [
        "checklist overridden", "short of the lesion", "not stable after",
    ]  # fmt: skip
    assert data["verification"]["good"]
    assert len(data["records"]) == 18

    assert main(["treatment", str(story)]) == 0
    out = capsys.readouterr().out
    for words in (
        "diabetic neuropathy – overridden by a physician", "operator 3, physician",
        "cycle 1  complete: 15.0 of 15.0 s", "ice field marked at 3.1 s",
        "skin: not stable", "chain of 19 records (#1…19) verified",
    ):  # fmt: skip
        assert words in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_changed_record_shows(
    story: int, store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(store_path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_stay")
        (raw,) = db.execute("SELECT raw FROM records WHERE seq = ?", (story,)).fetchone()
        raw = raw[:24] + b"\x01" + raw[25:]
        db.execute("UPDATE records SET raw = ? WHERE seq = ?", (raw, story))
    data = as_json(capsys, "treatment", str(story), code=5)
    assert not data["verification"]["good"]
    assert main(["treatment", str(story)]) == 5
    assert "does not continue the chain" in capsys.readouterr().out


def test_a_depth_that_the_skin_did_not_bear_out_is_unknown(
    store_path: Path, known: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    """A jet that missed the skin, in the depth-controlled mode: no depth, and a reason. H-27"""
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    seq = journal.add("armed", 2, 3500, 15_206, 18_995_000, 1001, -18_500, 2, 78)
    journal.add("plan", seq, 1, 1, 0, 3500, 238, 1, 1)
    journal.add("freeze_begin", seq, 1, 15_206, 18_995_000, -18_600, 590, 840, 4850)
    journal.add("witness", seq, 1, 1, 1_680, 3_485, 3_485, 0, 1_395, state=6)
    journal.add("freeze_end", seq, 1, 9, 15_206, 18_995_000, 15_190_000, -19_000, 550, state=6)
    journal.add("estimate", seq, 1, -1, -1, 14_990, 0, 3500, 3)
    journal.add("treatment_end", seq, 1, 1, 1, 15_203, -19_000, 0, 78)
    put(store_path, known, journal)
    (row,) = as_json(capsys, "treatments", "--all")["treatments"]
    assert row["estimate_um"] is None
    assert main(["treatment", str(seq)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "depth unknown: no fall of the skin" in shown
    assert "the depth was in doubt" in shown
    assert "3.5" in shown
    assert "estimate -- (" in shown


def test_a_freeze_beyond_the_safe_depth_is_an_alert(
    store_path: Path, known: Description, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said once, however many cycles went beyond it. H-28"""
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    seq = journal.add("armed", 2, 2500, 15_206, 18_995_000, 1001, -18_500, 2, 78)
    for cycle in (1, 2):
        journal.add("freeze_begin", seq, cycle, 15_206, 18_995_000, -18_600, 590, 840, 4850)
        journal.add("freeze_end", seq, cycle, 1, 15_206, 18_995_000, 15_190_000, -19_000, 550)
        journal.add("estimate", seq, cycle, 3300, 240, 14_990, 0, 2500, 8)
    journal.add("treatment_end", seq, 1, 2, 2, 30_406, -19_000, 0, 78)
    put(store_path, known, journal)
    data = as_json(capsys, "treatment", str(seq))
    assert data["alerts"] == ["deeper than the safe depth of the site"]
    assert [freeze["estimate_um"] for freeze in data["freezes"]] == [3300, 3300]
