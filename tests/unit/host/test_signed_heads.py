"""Keys, signed heads, and what they prove of a store that was written again (H-08)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from host_tools import extras
from host_tools.cli import main
from host_tools.errors import IntegrityError, LocalError
from host_tools.journal_signing import check, sign_head
from host_tools.keys import Keyring, key_id, public_of
from host_tools.records import decode, genesis
from host_tools.store import Store
from tests.unit.host.fake_device import FakeDevice, SocketServer, journal
from tests.unit.host.test_store import put

SERIAL = "E6614C31"


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "keys"))
    ring = Keyring()
    ring.new()
    return ring


def fill(store: Store, count: int, *, start: int = 1, salt: int = 0, serial: str = SERIAL) -> None:
    raws = journal(serial, start + count - 1, salt=salt)
    before = genesis(serial) if start == 1 else decode(raws[start - 2]).chain
    put(store, serial)
    store.append(serial, [decode(raw) for raw in raws[start - 1 :]], before)


def overwrite(store: Store, raws: Sequence[bytes], serial: str = SERIAL) -> None:
    """As a person with the file and SQLite would: all records of a device are these."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        for trigger in ("records_stay", "records_remain"):
            db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        db.execute("DELETE FROM records WHERE serial = ?", (serial,))
        db.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?)",
            [(serial, int.from_bytes(raw[:4], "little"), raw, raw[48:]) for raw in raws],
        )


def signed_store(store: Store, ring: Keyring, *counts: int) -> None:
    """A store that was signed at each of these records."""
    for count in counts:
        fill(store, count)
        assert sign_head(store, SERIAL, ring).new


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, dict[str, Any]]:
    code = main(["--json", *map(str, argv)])
    return code, json.loads(capsys.readouterr().out)


# -- keys -----------------------------------------------------------------------------------------


def test_a_key_is_for_its_owner_and_is_never_replaced(ring: Keyring) -> None:
    (key,) = ring.keys()
    assert key.private_file is not None
    assert key.private_file.stat().st_mode & 0o777 == 0o600
    assert ring.folder.stat().st_mode & 0o777 == 0o700
    before = key.private_file.read_bytes()
    second = ring.new()
    assert key.private_file.read_bytes() == before
    assert [item.id for item in ring.keys()] == [key.id, second.id]
    assert ring.signer() == second
    key.private_file.chmod(0o640)
    assert second.private_file is not None
    second.private_file.unlink()  # retired: what it signed stays provable
    with pytest.raises(LocalError, match="others can read the private key"):
        ring.sign(ring.signer() or second, b"x")


def test_a_file_that_exists_is_not_overwritten(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (b"private", b"p" * 32)
    monkeypatch.setattr("host_tools.keys.new_pair", lambda: pair)
    there = ring.folder / f"0002-{key_id(pair[1])}.key"
    there.write_bytes(b"mine")
    with pytest.raises(LocalError, match="exists already"):
        ring.new()
    assert there.read_bytes() == b"mine"


def test_an_exchanged_key_ends_all_trust(ring: Keyring, tmp_path: Path) -> None:
    other = Keyring(tmp_path / "thief")
    other.new()
    (mine,), (theirs,) = ring.folder.glob("*.pub"), other.folder.glob("*.pub")
    mine.write_bytes(theirs.read_bytes())
    with pytest.raises(LocalError, match="which is not its name"):
        ring.keys()


def test_keys_are_those_that_openssl_knows(ring: Keyring, tmp_path: Path) -> None:
    (key,) = ring.keys()
    statement, signature = tmp_path / "statement", tmp_path / "signature"
    statement.write_bytes(b"said")
    signature.write_bytes(ring.sign(key, b"said"))
    words = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-rawin",
        "-inkey",
        str(next(ring.folder.glob("*.pub"))),
    ]
    words += ["-in", str(statement), "-sigfile", str(signature)]
    try:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert "Verified Successfully" in done.stdout, done.stderr


def test_the_command_makes_shows_exports_and_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "mine"))
    assert run(capsys, "keys", "list")[1]["keys"] == []
    assert main(["keys", "export"]) == 2
    assert "`cryo keys new` makes one" in capsys.readouterr().err
    code, made = run(capsys, "keys", "new")
    assert code == 0
    public = tmp_path / "practice.pub"
    assert run(capsys, "keys", "export", "-o", public)[1]["id"] == made["made"]
    assert key_id(public_of(public.read_text(), "it")) == made["made"]
    assert main(["keys", "export", "-o", str(public)]) == 7  # never replaced
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "theirs"))
    capsys.readouterr()
    assert run(capsys, "keys", "trust", public)[1]["new"] is True
    code, told = run(capsys, "keys", "trust", public)
    assert (code, told["new"]) == (0, False)
    (key,) = told["keys"]
    assert (key["private"], key["signs"]) == (False, False)
    private = next((tmp_path / "mine").glob("*.key"))
    assert main(["keys", "trust", str(private)]) == 7
    assert "a private key stays where it is" in capsys.readouterr().err


def test_without_the_library_the_error_names_the_extra(
    ring: Keyring, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_store(store, ring, 10)
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    monkeypatch.setitem(
        __import__("sys").modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None
    )
    with pytest.raises(LocalError, match="needs the extra 'sign'") as caught:
        ring.new()
    assert caught.value.hint == extras.how_to_add("sign")
    checked = check(store, SERIAL, ring)
    assert checked.good
    assert checked.coverage.covered == []
    assert "extra 'sign'" in checked.coverage.notes[0]
    fill(store, 5, start=11)
    assert "extra 'sign'" in sign_head(store, SERIAL, ring).why_not  # and no error of the pull


# -- heads ----------------------------------------------------------------------------------------


def test_what_is_signed_is_covered_and_the_rest_is_said(store: Store, ring: Keyring) -> None:
    signed_store(store, ring, 10, 20)
    fill(store, 7, start=21)
    checked = check(store, SERIAL, ring)
    assert checked.good
    assert checked.coverage.covered == [(1, 20)]
    assert checked.coverage.uncovered == [(21, 27)]
    assert checked.coverage.heads == 2
    assert checked.coverage.newest is not None
    assert checked.coverage.newest.seq == 20
    again = sign_head(store, SERIAL, ring)
    assert again.new
    assert not sign_head(store, SERIAL, ring).new  # nothing is signed twice
    assert len(store.heads(SERIAL)) == 3


def test_a_head_covers_no_record_before_a_gap(store: Store, ring: Keyring) -> None:
    fill(store, 10)
    fill(store, 10, start=21)
    assert sign_head(store, SERIAL, ring).new
    coverage = check(store, SERIAL, ring).coverage
    assert (coverage.covered, coverage.uncovered) == ([(21, 30)], [(1, 10)])


def test_a_new_key_goes_on_where_the_old_one_ended(store: Store, ring: Keyring) -> None:
    signed_store(store, ring, 10)
    ring.new()
    fill(store, 20)
    assert sign_head(store, SERIAL, ring).new
    assert check(store, SERIAL, ring).coverage.heads == 2


@pytest.mark.hazard("H-08")
@pytest.mark.parametrize("from_record", [1, 7, 10])
def test_a_chain_written_again_is_found_and_named(
    store: Store, ring: Keyring, from_record: int
) -> None:
    """Whoever holds device and file computes every hash again, and is found all the same."""
    signed_store(store, ring, 5, 10)
    raws = journal(SERIAL, 20)
    chain = genesis(SERIAL) if from_record == 1 else decode(raws[from_record - 2]).chain
    overwrite(store, raws[: from_record - 1] + rewritten(raws[from_record - 1 :], chain))
    assert store.verify(SERIAL, heads=()).count == 20
    checked = check(store, SERIAL, ring)
    assert not checked.good
    assert not [
        text for text in checked.problems if "does not continue" in text
    ]  # no hash is wrong
    first = {1: "records 1…5", 7: "records 6…10", 10: "records 6…10"}[from_record]
    assert checked.problems[0].startswith(f"{first} were written again")
    assert "signed (head #" in checked.problems[0]
    covered = {1: [], 7: [(1, 5)], 10: [(1, 5)]}[from_record]
    assert checked.coverage.covered == covered
    with pytest.raises(IntegrityError, match="written again"):
        sign_head(store, SERIAL, ring)


def rewritten(raws: Sequence[bytes], chain: bytes) -> list[bytes]:
    """The first of these records altered, and all hashes computed again."""
    from host_tools.records import next_chain

    told: list[bytes] = []
    for place, raw in enumerate(raws):
        body = bytearray(raw[:48])
        if not place:
            body[20] ^= 4
        chain = next_chain(chain, bytes(body))
        told.append(bytes(body) + chain)
    return told


@pytest.mark.hazard("H-08")
def test_records_removed_at_the_end_are_found(store: Store, ring: Keyring) -> None:
    signed_store(store, ring, 10)
    overwrite(store, journal(SERIAL, 8))
    checked = check(store, SERIAL, ring)
    assert checked.problems[0].startswith("record 10 is signed (head #10")
    assert checked.problems[0].endswith("and is gone")


def test_a_head_signed_by_a_stranger_proves_nothing(
    store: Store, ring: Keyring, tmp_path: Path
) -> None:
    """Who rewrites the store can sign it, too; but not as the practice."""
    thief = Keyring(tmp_path / "thief")
    stranger = thief.new()
    fill(store, 10)
    assert sign_head(store, SERIAL, thief).new
    checked = check(store, SERIAL, ring)
    assert checked.coverage.covered == []
    assert checked.coverage.uncovered == [(1, 10)]
    assert stranger.id in checked.coverage.notes[0]


@pytest.mark.parametrize("column", ["signed_s", "chain", "signature", "serial"])
def test_an_altered_head_is_found(store: Store, ring: Keyring, column: str) -> None:
    signed_store(store, ring, 10)
    values = {"signed_s": 1, "chain": b"c" * 16, "signature": b"s" * 64, "serial": "X"}
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            db.execute("UPDATE heads SET signed_s = 1")
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            db.execute("DELETE FROM heads")
        db.execute("DROP TRIGGER heads_stay")
        db.execute(f"UPDATE heads SET {column} = ?", (values[column],))
    checked = check(store, SERIAL, ring)
    assert checked.coverage.uncovered == [(1, 10)]
    assert checked.good == (column == "serial")  # moved away: then it is only not covered
    if column == "serial":
        fill(store, 10, serial="X")
        assert not check(store, "X", ring).good


# -- the commands ---------------------------------------------------------------------------------


def test_a_pull_signs_and_verify_proves(
    server: SocketServer, fake: FakeDevice, store_path: Path, ring: Keyring,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fake.journal = journal(fake.serial, 30)
    code, told = run(capsys, "--port", server.url, "log", "pull")
    assert code == 0
    assert told["signed"]["seq"] == 30
    signer = ring.signer()
    assert signer is not None
    assert told["signed"]["key_id"] == signer.id
    fake.journal = journal(fake.serial, 34)
    assert main(["--port", server.url, "log", "pull"]) == 0
    assert f"signed up to #34 by key {signer.id}" in capsys.readouterr().out
    code, told = run(capsys, "log", "verify")
    (device,) = told["devices"]
    assert (code, device["signed"]["covered"]) == (0, [[1, 34]])
    assert main(["log", "verify"]) == 0
    assert "not rewritten since signed: #1…34" in capsys.readouterr().out.replace("\n", " ")


def test_without_a_key_a_pull_says_so(
    server: SocketServer, fake: FakeDevice, store_path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "none"))
    fake.journal = journal(fake.serial, 3)
    assert main(["--port", server.url, "log", "pull"]) == 0
    assert "not signed: this computer has no key: `cryo keys new`" in capsys.readouterr().out
    assert main(["log", "verify"]) == 0
    assert "no signed head covers #1…3" in capsys.readouterr().out


@pytest.mark.hazard("H-08")
def test_heads_kept_elsewhere_find_a_device_that_tells_another_story(
    server: SocketServer, fake: FakeDevice, store_path: Path, ring: Keyring, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The thief has the device and the store; the practice has its key and a file of heads."""
    fake.journal = journal(fake.serial, 12)
    assert run(capsys, "--port", server.url, "log", "pull")[0] == 0
    heads = tmp_path / "heads.jsonl"
    assert run(capsys, "log", "heads", "-o", heads) == (0, {"heads": 1, "file": str(heads)})
    fake.journal = rewritten(journal(fake.serial, 15), genesis(fake.serial))
    monkeypatch.setenv("CRYO_STORE", str(tmp_path / "new.sqlite"))
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "none"))
    assert run(capsys, "--port", server.url, "log", "pull")[0] == 0
    monkeypatch.setenv("CRYO_KEYS", str(ring.folder))
    assert run(capsys, "log", "verify")[0] == 0  # the chain is sound, and nothing is covered
    assert main(["log", "verify", "--heads", str(heads)]) == 5
    assert "records 1…12 were written again" in capsys.readouterr().out
    heads.write_text(heads.read_text() + '{"seq": 1}\n')
    assert main(["log", "verify", "--heads", str(heads)]) == 7
    assert "line 2 of" in capsys.readouterr().err


def test_heads_travel_with_backup_and_restore(
    store_path: Path, ring: Keyring, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(store_path) as store:
        signed_store(store, ring, 10, 20)
    backup, new = tmp_path / "backup.sqlite", tmp_path / "new.sqlite"
    assert run(capsys, "store", "backup", backup)[0] == 0
    assert run(capsys, "store", "restore", backup, "--store", new)[0] == 0
    code, told = run(capsys, "log", "verify", "--store", new)
    assert (code, told["devices"][0]["signed"]["heads"]) == (0, 2)


def test_a_folder_that_cannot_be_used_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "file" / "keys"))
    assert main(["keys", "new"]) == 7
    assert "cannot be used" in capsys.readouterr().err
