"""Tampering with stored records: found, named, and said by each command that shows them (H-08)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from host_tools.cli import main
from host_tools.description import Description
from host_tools.device import Device
from host_tools.journal_signing import check, sign_head
from host_tools.keys import Keyring
from host_tools.link import Link
from host_tools.records import decode, genesis, next_chain
from host_tools.store import Store
from host_tools.transport import open_transport
from hw_sim.bench.journal_maker import Practice
from tests.unit.host.fake_device import journal
from tests.unit.host.test_signed_heads import fill, overwrite, rewritten
from tests.unit.host.test_store import put

SERIAL = "E6614C31"
SMALL = 8
"""Records of the small journal; the last one is signed."""

Raws = list[bytes]


class Bench:
    """A store with a small signed journal, whose records can be replaced and put back."""

    def __init__(self, folder: Path, count: int) -> None:
        self.ring = Keyring(folder / "keys")
        self.ring.new()
        self.raws = journal(SERIAL, count)
        self.store = Store(folder / "records.sqlite")
        fill(self.store, count)
        assert sign_head(self.store, SERIAL, self.ring).new
        overwrite(self.store, self.raws)
        self.db = sqlite3.connect(self.store.path, isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")

    def problems(self, altered: Sequence[tuple[int, bytes]]) -> tuple[str, ...]:
        """What a check finds once these rows (number, bytes) are stored instead."""
        for seq, raw in altered:
            self._put(seq, raw)
        try:
            return check(self.store, SERIAL, self.ring).problems
        finally:
            for seq, _ in altered:
                self._put(seq, self.raws[seq - 1])

    def _put(self, seq: int, raw: bytes) -> None:
        self.db.execute(
            "UPDATE records SET raw = ?, chain = ? WHERE serial = ? AND seq = ?",
            (raw, raw[48:], SERIAL, seq),
        )

    def close(self) -> None:
        self.db.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(tmp_path, getattr(request, "param", SMALL))
    assert bench.problems([]) == ()
    yield bench
    bench.close()


def altered_at(raws: Raws, offset: int, flip: int) -> tuple[int, bytes]:
    """The number and the bytes of the record in which the byte at `offset` of the journal lies."""
    place, within = divmod(offset, 64)
    raw = bytearray(raws[place])
    raw[within] ^= flip
    return place + 1, bytes(raw)


@pytest.mark.hazard("H-08")
def test_each_byte_that_changes_is_found_and_named(bench: Bench) -> None:
    for offset in range(64 * SMALL):
        seq, raw = altered_at(bench.raws, offset, 1 << offset % 8)
        problems = bench.problems([(seq, raw)])
        assert problems, offset
        # The record itself, or, where its chain value was changed, that or the one behind it.
        assert any(f"{seq} " in text or f"{seq + 1} " in text for text in problems), problems


@pytest.mark.nightly
@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("bench", [40], indirect=True)
def test_each_bit_that_changes_is_found(bench: Bench) -> None:
    for offset in range(64 * 40):
        for bit in range(8):
            assert bench.problems([altered_at(bench.raws, offset, 1 << bit)]), (offset, bit)


def deleted(raws: Raws, place: int) -> Raws:
    return raws[:place] + raws[place + 1 :]


def swapped(raws: Raws, place: int) -> Raws:
    """Two neighbours change places, each with the number of its new place or with its own."""
    told = list(raws)
    told[place], told[place + 1] = told[place + 1], told[place]
    return told


def renumbered(raws: Raws, place: int) -> Raws:
    """One removed, and those behind it moved up, with all their hashes computed again."""
    chain = genesis(SERIAL)
    told: Raws = []
    for number, raw in enumerate(deleted(raws, place), 1):
        body = number.to_bytes(4, "little") + raw[4:48]
        chain = next_chain(chain, body)
        told.append(body + chain)
    return told


def again(raws: Raws, place: int) -> Raws:
    """From this place on written again."""
    before = decode(raws[place - 1]).chain if place else genesis(SERIAL)
    return raws[:place] + rewritten(raws[place:], before)


KINDS: dict[str, Callable[[Raws, int], Raws]] = {
    "deleted": deleted,
    "truncated": lambda raws, place: raws[:place],
    "renumbered": renumbered,
    "rewritten": again,
    "of another device": lambda raws, place: journal("OTHER", len(raws)),
}


@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("kind", KINDS)
def test_a_journal_that_was_changed_as_a_whole_is_found(bench: Bench, kind: str) -> None:
    for place in range(SMALL):
        overwrite(bench.store, KINDS[kind](bench.raws, place))
        assert check(bench.store, SERIAL, bench.ring).problems, (kind, place)
    overwrite(bench.store, bench.raws)


@pytest.mark.hazard("H-08")
def test_neighbours_that_changed_places_are_found(bench: Bench) -> None:
    for place in range(SMALL - 1):
        told = swapped(bench.raws, place)
        pair = [(seq, told[seq - 1]) for seq in (place + 1, place + 2)]
        problems = bench.problems(pair)
        assert any(f"record {place + 2} stands where {place + 1} should" in p for p in problems)


@pytest.mark.slow
@pytest.mark.hazard("H-08")
@settings(max_examples=30)
@given(
    places=st.lists(st.integers(0, 19), min_size=1, max_size=4, unique=True),
    content=st.binary(min_size=48 - 4, max_size=48 - 4),
    signed_at=st.integers(1, 20),
)
def test_whatever_is_written_into_a_signed_journal_is_found(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], content: bytes, signed_at: int
) -> None:
    """By somebody who computes all hashes: found if, and only if, it lies before a signed head."""
    folder = tmp_path_factory.mktemp("any")
    ring = Keyring(folder / "keys")
    ring.new()
    raws = journal(SERIAL, 20)
    with Store(folder / "records.sqlite") as store:
        fill(store, signed_at)
        assert sign_head(store, SERIAL, ring).new
        fill(store, 20)
        chain = genesis(SERIAL)
        told: Raws = []
        for place, raw in enumerate(raws):
            body = raw[:4] + (content if place in places else raw[4:48])
            chain = next_chain(chain, body)
            told.append(body + chain)
        overwrite(store, told)
        checked = check(store, SERIAL, ring)
        differs = [n for n in places if raws[n][4:48] != content]
        assert (not checked.good) == (min(differs, default=20) < signed_at)
        # What could have been written again unnoticed is what is said to be uncovered.
        uncovered = {n for a, b in checked.coverage.uncovered for n in range(a, b + 1)}
        if checked.good:
            assert {n + 1 for n in differs} <= uncovered


# -- said by each command -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> Iterator[Description]:
    link = Link(open_transport("sim://"), first_id=1)
    yield Device(link).description()
    link.close()


@pytest.fixture
def practice(store_path: Path, known: Description, tmp_path: Path,
             monkeypatch: pytest.MonkeyPatch) -> Practice:  # fmt: skip
    """A practice whose journal is stored and signed."""
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    Keyring().new()
    practice = Practice(SERIAL, 7)
    practice.treat(12)
    raws = practice.journal.raws
    with Store(store_path) as store:
        put(store, SERIAL)
        store.put_device(SERIAL, fw="1", micropython="1", boot=1, head=len(raws), description=known)
        store.append(SERIAL, [decode(raw) for raw in raws], genesis(SERIAL))
        assert sign_head(store, SERIAL, Keyring()).new
        store.catch_up()
    return practice


def commands(practice: Practice, number: int, reference: int) -> dict[str, list[str]]:
    return {
        "treatments": ["treatments", "--all"],
        "treatment": ["treatment", str(number)],
        "fhir": ["treatment", str(number), "--fhir", "-o", "bundle.json"],
        "report": ["report", str(number)],
        "course": ["course", str(reference)],
        "outcomes": ["outcomes"],
        "aftercare": ["aftercare", str(number)],
        "log show": ["log", "show", "--all"],
        "log export": ["log", "export", "-o", "records.csv"],
        "log export --treatments": ["log", "export", "--treatments", "-o", "treatments.csv"],
        "log verify": ["log", "verify"],
        "store backup": ["store", "backup", "backup.sqlite"],
    }


@pytest.mark.slow
@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("kind", ["untouched", "a byte", "rewritten"])
def test_each_command_that_shows_such_records_says_so(
    practice: Practice, store_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    raws = list(practice.journal.raws)
    truth = next(one for one in practice.truths if one.reference)
    place = truth.seq - 1
    if kind == "a byte":
        raws[place] = raws[place][:20] + bytes([raws[place][20] ^ 4]) + raws[place][21:]
    elif kind == "rewritten":
        raws[place:] = rewritten(raws[place:], decode(raws[place - 1]).chain)
    with Store(store_path) as store:
        overwrite(store, raws)
    words = {"a byte": "does not continue the chain", "rewritten": "written again"}
    for name, argv in commands(practice, truth.seq, truth.reference).items():
        code = main(["--json", *argv])
        told = capsys.readouterr()
        if kind == "untouched":
            assert code == 0, (name, told)
            continue
        assert code == 5, name
        if name not in ("report", "fhir", "store backup"):
            assert words[kind] in told.out, name
        if name == "store backup":
            Path("backup.sqlite").unlink()
        assert main(argv) == 5, name
        told = capsys.readouterr()
        out = told.out + told.err
        assert any(w in out for w in ("NOT VERIFY", "problem", "not verify", "written to")), name
    if kind == "untouched":
        assert Path("records.csv.heads.jsonl").exists()
        return
    page = Path(f"treatment-{truth.seq}.html").read_text()
    assert "NOT VERIFIED" in page
    assert words[kind] in page
    bundle = json.loads(Path("bundle.json").read_text())
    provenance = next(e["resource"] for e in bundle["entry"]
                      if e["resource"]["resourceType"] == "Provenance")  # fmt: skip
    assert words[kind] in provenance["text"]["div"]
    assert [item["valueBoolean"] for item in provenance["extension"]] == [False, False]
    assert main(["store", "restore", "backup.sqlite", "--store", "new.sqlite"]) == 5
    assert "do not verify; nothing was restored" in capsys.readouterr().err.replace("\n     ", "")


def test_a_list_that_shows_other_treatments_is_not_concerned(
    practice: Practice, store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is shown is looked at: the list stays quick. `log verify` looks at all."""
    raws = list(practice.journal.raws)
    raws[1] = raws[1][:20] + bytes([raws[1][20] ^ 4]) + raws[1][21:]
    with Store(store_path) as store:
        overwrite(store, raws)
    assert main(["treatments", "-n", "1"]) == 0
    assert main(["log", "verify"]) == 5


@pytest.mark.hazard("H-08")
def test_tables_that_are_not_as_the_records_say_are_named(
    practice: Practice, store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = practice.truths[3].seq
    with closing(sqlite3.connect(store_path, isolation_level=None)) as db:
        db.execute("UPDATE treatments SET result = 'complete', delivered_ms = 1 WHERE seq = ?",
                   (number,))  # fmt: skip
    assert main(["store", "rebuild"]) == 5
    assert f"NOT AS THEIR RECORDS SAY, and are now: {number} of {SERIAL}" in capsys.readouterr().out
    assert main(["store", "rebuild"]) == 0
