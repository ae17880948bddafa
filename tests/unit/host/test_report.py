"""The page of a treatment and of a session: everything on it, nothing from outside."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from host_tools import report_plots
from host_tools.cli import main
from host_tools.description import Description
from host_tools.report import article
from host_tools.store import Store
from host_tools.story import story as story_of
from hw_sim.bench.journal_maker import FIRST_DAY_S, JournalMaker
from tests.unit.host.test_practice import SERIAL, known, put, story

__all__ = ["known", "story"]  # fixtures

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects text and addresses."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def make(tmp_path: Path, *argv: str, code: int = 0) -> tuple[Page, str]:
    path = tmp_path / "report.html"
    assert main(["report", *argv, "-o", str(path)]) == code
    source = path.read_text(encoding="utf-8")
    return Page(source), source


def test_the_page_says_it_all(story: int, tmp_path: Path) -> None:
    page, source = make(tmp_path, str(story))
    for words in (
        f"Treatment {story}", SERIAL, "operator 3, physician", "plantar wart", "20.0 s; 1 of 2",
        "DEWAR PRESSURE", "short of the lesion", "diabetic neuropathy", "(overridden)",
        "stop lifted by a physician", "15.0 of 15.0 s", "5.0 of 15.0 s", "lesion 2.5 mm",
        "plan 2.7 mm", "2.10 ± 0.22", "ice field", "skin: not stable", "Verified.", "Signature",
        "treatment_end",
    ):  # fmt: skip
        assert words in page.text, words
    drawings = re.findall(r"<svg.*?</svg>", source, re.DOTALL)
    assert len(drawings) == 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # well-formed


def test_nothing_comes_from_outside(story: int, tmp_path: Path) -> None:
    page, source = make(tmp_path, str(story))
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "srcset", "data", "action"}
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert not re.search(r"https?:|//|@import|url\(", source)
    assert "default-src 'none'" in source


def test_every_text_is_escaped(story: int, store_path: Path, known: Description) -> None:
    """Names come from the device: none of them becomes a part of the page."""
    evil = "<script>alert('x')</script>&\"<b>"
    with Store(store_path) as store:
        treatment = store.treatment(SERIAL, story)
        assert treatment is not None
        data = story_of(store, SERIAL, treatment, known)

    def poisoned(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: poisoned(item, str(name)) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list):
            return [poisoned(item, key) for item in value]  # pyright: ignore[reportUnknownVariableType]
        keep = key in ("kind", "time", "boot", "unit")
        return evil if isinstance(value, str) and not keep else value

    told = poisoned(data)
    assert isinstance(told, dict)
    page = Page(article(treatment, told))  # pyright: ignore[reportUnknownArgumentType]
    assert "script" not in page.tags
    assert page.text.count("<script>") > 20


def test_a_session_has_its_treatments_and_no_others(
    store_path: Path, known: Description, tmp_path: Path
) -> None:
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    numbers: list[int] = []
    for reference, later_s in ((5, 60), (5, 600), (6, 60), (5, 3600), (5, 9 * 3600), (0, 60)):
        journal.pass_s(later_s)
        numbers.append(journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, reference))
    put(store_path, known, journal)
    page, source = make(tmp_path, str(numbers[1]), "--session")
    assert source.count("<h1>Treatment") == 3
    for number in (numbers[0], numbers[1], numbers[3]):
        assert f"Treatment {number}" in page.text
    assert "3 treatments" in page.text
    assert main(["report", str(numbers[5]), "--session"]) == 2  # no reference


def test_a_report_of_altered_records_says_so(story: int, store_path: Path, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store_path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_stay")
        (raw,) = db.execute("SELECT raw FROM records WHERE seq = ?", (story,)).fetchone()
        db.execute(
            "UPDATE records SET raw = ? WHERE seq = ?", (raw[:24] + b"\x01" + raw[25:], story)
        )
    page, _ = make(tmp_path, str(story), code=5)
    assert "NOT VERIFIED" in page.text


def test_a_freeze_that_was_lost_is_drawn_with_its_bounds(
    store_path: Path, known: Description, tmp_path: Path
) -> None:
    journal = JournalMaker(SERIAL, utc_s=FIRST_DAY_S)
    journal.add("boot", 1, 200, 1, 0, 11_000, 1)
    seq = journal.add("armed", 1, 2500, 15_000, 14_987_000, 4, -18_500, 2, 0)
    journal.add("plan", seq, 1, 1, 0, 2500, 225, 1, 1)
    journal.add("freeze_begin", seq, 1, 15_000, 14_987_000, -18_600, 590, 840, 4850)
    journal.start()
    journal.add("boot", 1, 200, 1, 0, 11_000, 0)
    journal.add("freeze_lost", seq, 1, 15_000, 14_987_000, 0, 14_987_000, 1)
    put(store_path, known, journal)
    page, _ = make(tmp_path, str(seq))
    assert "power lost" in page.text
    assert "0.0 to 15.0 of 15.0 s" in page.text
    assert "at most" in page.text


@pytest.mark.parametrize("freezes", [[]])
def test_nothing_to_draw_is_no_drawing(freezes: list[dict[str, object]]) -> None:
    assert report_plots.course([], freezes) == ""
    assert report_plots.times(freezes) == ""
    assert report_plots.depths(freezes, 2500, 2500) == ""
