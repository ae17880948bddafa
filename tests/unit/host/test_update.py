"""Updating a device: what is refused, the order of the steps, and every way to break it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from host_tools import prompt, release as releases, update
from host_tools.cli import main
from host_tools.errors import IntegrityError, LinkError, LinkTimeout, LocalError, Refused
from host_tools.prompt import Inventory
from hw_sim.image import release as built
from tests.unit.host.fake_device import FakeDevice, SocketServer


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    # pyserial waits 0.3 s on closing a socket:// port; not here.
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class FakeBoard:
    """Files at the prompt. Dies before step number `dies_at`; `corrupts` a file as it is copied."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.folders = {name.rpartition("/")[0] for name in files}
        self.dies_at = -1
        self.corrupts = ""
        self.platform, self.mpy, self.free_bytes = "rp2", 6, 1_000_000
        self.steps: list[str] = []

    def _step(self, text: str) -> None:
        if len(self.steps) == self.dies_at:
            raise LinkError("the cable was pulled")
        self.steps.append(text)

    def inventory(self) -> Inventory:
        self._step("inventory")
        hashes = {
            name: sha(data)
            for name, data in self.files.items()
            if name.endswith((".py", ".mpy", ".new", ".bin")) or name == "manifest.json"
        }
        return Inventory(hashes, self.platform, self.mpy, self.free_bytes, "e6614c31")

    def make_folders(self, paths: Sequence[str]) -> None:
        self._step("make_folders")
        self.folders.update(paths)

    def remove(self, paths: Sequence[str]) -> None:
        self._step("remove")
        for path in paths:
            del self.files[path]

    def copy(self, source: Path, path: str) -> None:
        assert path.rpartition("/")[0] in self.folders | {""}
        try:
            self._step(f"copy {path}")
        except LinkError:
            self.files[path] = source.read_bytes()[: source.stat().st_size // 2]
            raise
        self.files[path] = source.read_bytes() + b"!" * (path == self.corrupts)

    def rename(self, old: str, new: str) -> Inventory:
        self._step("rename")
        self.files[new] = self.files.pop(old)
        return self.inventory()


DATA = {"journal/1": b"records", "settings.a": b"settings", "crash.txt": b"words"}
STALE = {"boot.py": b"x", "cryo/gone.mpy": b"x", "cryo/dose.py": b"x", "lib/json.py": b"x"}


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "image"
    built.build(folder)
    return folder


@pytest.fixture
def release(image_folder: Path) -> releases.Release:
    return releases.load(image_folder)


def shipped(release: releases.Release) -> dict[str, bytes]:
    return {name: (release.folder / name).read_bytes() for name in release.hashes}


def old_board(release: releases.Release) -> FakeBoard:
    older = {name: data + b"old" for name, data in shipped(release).items()}
    older["cryo/fonts.mpy"] = shipped(release)["cryo/fonts.mpy"]
    return FakeBoard(older | DATA | STALE)


def silent(_: str) -> None:
    pass


# -- the image ----------------------------------------------------------------------------------


def test_two_builds_are_equal_and_say_what_they_are(image_folder: Path, tmp_path: Path) -> None:
    files = built.build(tmp_path / "again")
    assert files == built.build(tmp_path / "again")  # over an earlier one
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) | {"manifest.json"} == set(files)
    assert {Path(name).suffix for name in files} == {".py", ".mpy", ".json", ".bin"}
    assert [name for name in files if name.endswith(".py")] == ["main.py"]
    for name, row in manifest["files"].items():
        assert row == {"bytes": len(files[name]), "sha256": sha(files[name])}


def test_a_folder_with_something_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError):
        built.build(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("harm", ["changed", "missing", "no manifest", "not json", "outside"])
def test_a_damaged_image_is_refused(image_folder: Path, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "image"
    shutil.copytree(image_folder, folder)
    manifest = folder / "manifest.json"
    if harm == "changed":
        (folder / "cryo" / "app.mpy").write_bytes(b"M\x06")
    elif harm == "missing":
        (folder / "cryo" / "app.mpy").unlink()
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "not json":
        manifest.write_text("{")
    else:
        manifest.write_text(manifest.read_text().replace("cryo/app.mpy", "../app.mpy"))
    with pytest.raises(LocalError):
        releases.load(folder)


# -- on the board -------------------------------------------------------------------------------


def test_the_board_has_exactly_the_image_and_its_data_after(release: releases.Release) -> None:
    board = old_board(release)
    change = update.install(board, release, silent)
    assert board.files == shipped(release) | DATA
    assert sorted(change.removed) == sorted(STALE)
    assert change.kept == 1
    assert len(change.copied) == len(release.hashes) - 1
    copies = [step for step in board.steps if step.startswith("copy")]
    assert copies[-1] == "copy main.new"
    assert board.steps[-3:] == ["inventory", "rename", "inventory"]


def test_a_board_that_is_up_to_date_is_not_written(release: releases.Release) -> None:
    board = FakeBoard(shipped(release) | DATA)
    change = update.install(board, release, silent)
    assert board.steps == ["inventory"]
    assert not change.copied
    assert change.kept == len(release.hashes)


def test_an_empty_board_is_filled(release: releases.Release) -> None:
    board = FakeBoard({})
    update.install(board, release, silent)
    assert board.files == shipped(release)


def test_broken_off_anywhere_it_never_starts_a_mixture(release: releases.Release) -> None:
    """Without main.py MicroPython gives its prompt. With it, everything is whole. And it heals."""
    whole = old_board(release)
    update.install(whole, release, silent)
    before = old_board(release).files
    for step in range(len(whole.steps)):
        board = old_board(release)
        board.dies_at = step
        with pytest.raises(LinkError):
            update.install(board, release, silent)
        untouched = board.files == before
        finished = board.files == shipped(release) | DATA
        assert "main.py" not in board.files or untouched or finished, step
        assert DATA.items() <= board.files.items()
        board.dies_at = -1
        update.install(board, release, silent)
        assert board.files == shipped(release) | DATA


@pytest.mark.parametrize("path", ["cryo/app.mpy", "main.new", "manifest.json"])
def test_what_reads_back_differently_is_not_started(release: releases.Release, path: str) -> None:
    board = old_board(release)
    board.corrupts = path
    with pytest.raises(IntegrityError, match=path):
        update.install(board, release, silent)
    assert "main.py" not in board.files


def test_an_image_that_does_not_fit_the_board_changes_nothing(release: releases.Release) -> None:
    for attribute, value in (("platform", "esp32"), ("mpy", 5), ("free_bytes", 20_000)):
        board = FakeBoard(DATA)
        setattr(board, attribute, value)
        with pytest.raises(LocalError):
            update.install(board, release, silent)
        assert board.steps == ["inventory"]


# -- into maintenance and out of it -------------------------------------------------------------


def never() -> bool:
    return False


@pytest.mark.parametrize("state", ["ARMED", "FREEZING", "FAULT", "DONE"])
def test_only_a_device_in_ready_is_updated(
    server: SocketServer, fake: FakeDevice, image_folder: Path, state: str
) -> None:
    fake.state = state
    assert main(["--port", server.url, "update", str(image_folder)]) == 1
    assert not [request for request in fake.heard if request["op"] == "maintenance"]


def test_a_silent_port_is_asked_for_its_prompt(server: SocketServer, fake: FakeDevice) -> None:
    fake.silent = True
    assert update.leave_application(server.url, 0.05, lambda: True, silent) is None
    with pytest.raises(LinkTimeout):
        update.leave_application(server.url, 0.05, never, silent)


def test_the_simulated_device_and_a_wrong_folder(
    image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--port", "sim://", "update", str(image_folder)]) == 2
    assert main(["--port", "sim://", "update", str(tmp_path)]) == 7
    assert "make image" in capsys.readouterr().err


def test_without_mpremote_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(LocalError, match="mpremote"):
        prompt.Prompt("/dev/null", 1.0)


def test_another_firmware_after_the_restart_is_an_error(
    server: SocketServer, fake: FakeDevice, release: releases.Release
) -> None:
    hello = update.wait_for_application(server.url, release, fake.serial, 0.5)
    assert hello.fw == release.version
    with pytest.raises(LinkError, match="expected"):
        update.wait_for_application(server.url, release, "0000", 0.5)


def test_refusal_says_how_to_go_on(server: SocketServer, fake: FakeDevice) -> None:
    fake.state = "FAULT"
    with pytest.raises(Refused) as caught:
        update.leave_application(server.url, 0.5, never, silent)
    assert "UP and DOWN" in caught.value.hint
