"""Updating a device: what is refused, the order of the steps, and every way to break it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from host_tools import prompt, release as releases, sign_image, update
from host_tools.cli import main
from host_tools.errors import IntegrityError, LinkError, LinkTimeout, LocalError, Refused
from host_tools.keys import new_pair, pem_of
from host_tools.prompt import Inventory
from hw_sim.image import release as built
from hw_sim.image.flash import Filesystem, SimFlash
from hw_sim.image.micropython import build_filesystem
from tests.rules.source import ROOT
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
        self.platform, self.machine = "rp2", "Raspberry Pi Pico with RP2040"
        self.mpy, self.mpy_sub, self.arch = 6, 3, "armv6m"
        self.free_bytes, self.total_bytes = 1_000_000, 1408 * 1024
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
            if name.endswith((".py", ".mpy", "manifest.json", "main.new"))
            or name.startswith(("cryo/", "update/"))
        }
        return Inventory(
            hashes, self.platform, self.machine, self.mpy, self.mpy_sub, self.arch,
            self.free_bytes, self.total_bytes, "e6614c31",
        )  # fmt: skip

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

    def rename(self, pairs: Sequence[tuple[str, str]]) -> Inventory:
        for old, new in pairs:
            self._step(f"rename {new}")
            assert new.rpartition("/")[0] in self.folders | {""}
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


@pytest.mark.slow
def test_two_builds_are_equal_and_say_what_they_are(image_folder: Path, tmp_path: Path) -> None:
    files = built.build(tmp_path / "again")
    assert files == built.build(tmp_path / "again")  # over an earlier one
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) | {"manifest.json"} == set(files)
    assert {Path(name).suffix for name in files} == {".py", ".mpy", ".json", ".bin"}
    assert [name for name in files if name.endswith(".py")] == ["main.py"]
    for name, row in manifest["files"].items():
        assert row == {"bytes": len(files[name]), "sha256": sha(files[name])}


@pytest.mark.slow
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
    assert board.steps[-3:] == ["inventory", "rename main.py", "inventory"]


def test_the_old_files_stay_until_the_new_ones_verify(release: releases.Release) -> None:
    """All is copied and read back before the first old file goes, and main.py goes first."""
    board = old_board(release)
    before = dict(board.files)
    plan = update.prepare(board, release, silent)
    assert before.items() <= board.files.items()
    assert all(step.startswith(("inventory", "make", "copy update/")) for step in board.steps)
    assert board.steps[-1] == "inventory"
    board.steps.clear()
    update.switch(board, plan, silent)
    assert board.steps[0] == "remove"
    assert "main.py" not in [step.removeprefix("rename ") for step in board.steps[:-2]]


def test_a_main_that_is_equal_goes_too_while_the_others_change(release: releases.Release) -> None:
    board = FakeBoard(shipped(release) | DATA | {"cryo/app.mpy": b"old"})
    change = update.install(board, release, silent)
    assert board.files == shipped(release) | DATA
    assert change.copied == ["cryo/app.mpy"]
    assert board.steps.index("rename update/main.py") < board.steps.index("rename cryo/app.mpy")


def test_what_waits_verified_is_not_copied_again(release: releases.Release) -> None:
    """After a copy that broke off; of another version it is removed."""
    board = old_board(release)
    name = "update/cryo/app.mpy"
    board.files |= {name: shipped(release)["cryo/app.mpy"], "update/cryo/dose.mpy": b"other"}
    board.folders.add("update/cryo")
    update.install(board, release, silent)
    assert f"copy {name}" not in board.steps
    assert "copy update/cryo/dose.mpy" in board.steps
    assert board.files == shipped(release) | DATA
    board.files["update/cryo/app.mpy"] = b"of a version that is not wanted any more"
    assert not update.install(board, release, silent).copied
    assert board.files == shipped(release) | DATA


@pytest.mark.parametrize("count", [1, 20, 100])
def test_the_room_is_reckoned_as_littlefs_takes_it(release: releases.Release, count: int) -> None:
    """Never less than it takes, renames included, and not much more."""
    files = dict(list(shipped(release).items())[:count])

    def free_blocks(*more: dict[str, bytes]) -> int:
        image = build_filesystem(shipped(release) | {k: v for one in more for k, v in one.items()})
        return Filesystem(SimFlash(image)).free_blocks()

    taken = free_blocks() - free_blocks({f"update/{name}": data for name, data in files.items()})
    reckoned = update.blocks_beside(release, list(files))
    assert taken + 4 <= reckoned <= taken + 12 + count // 8


def test_without_room_for_both_it_says_so_before_it_begins(release: releases.Release) -> None:
    board = old_board(release)
    before = dict(board.files)
    board.free_bytes = 260_000  # each file fits beside the one that it replaces, not all of them
    with pytest.raises(LocalError, match="no room to keep the old firmware") as caught:
        update.install(board, release, silent)
    assert "--in-place" in caught.value.hint
    assert "cryo log pull" in caught.value.hint
    assert (board.steps, board.files) == (["inventory"], before)

    update.install(board, release, silent, in_place=True)
    assert board.files == shipped(release) | DATA
    copies = [step for step in board.steps if step.startswith("copy")]
    assert copies[-1] == "copy main.new"
    assert not [step for step in copies if "update/" in step]


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


@pytest.mark.slow
@pytest.mark.hazard("H-11")
@pytest.mark.parametrize("in_place", [False, True])
def test_broken_off_anywhere_it_never_starts_a_mixture(
    release: releases.Release, in_place: bool
) -> None:
    """H-11: without main.py MicroPython gives its prompt. With it, all is whole. And it heals."""

    def old() -> FakeBoard:
        board = old_board(release)
        if in_place:
            board.free_bytes = 260_000
        return board

    def code(board: FakeBoard) -> dict[str, bytes]:
        return {n: data for n, data in board.files.items() if not n.startswith("update/")}

    whole = old()
    update.install(whole, release, silent, in_place=in_place)
    before = old().files
    starts_old = 0
    for step in range(len(whole.steps)):
        board = old()
        board.dies_at = step
        with pytest.raises(LinkError):
            update.install(board, release, silent, in_place=in_place)
        untouched = code(board) == before
        finished = board.files == shipped(release) | DATA
        starts_old += untouched
        assert "main.py" not in board.files or untouched or finished, step
        assert DATA.items() <= board.files.items()
        board.dies_at = -1
        # Once main.py is gone it needs no flag: there is nothing left to keep.
        update.install(board, release, silent, in_place=in_place and untouched)
        assert board.files == shipped(release) | DATA
    # Beside the old ones, the copying is most of the work, and leaves the old application.
    assert starts_old == 2 if in_place else starts_old > len(release.hashes)


@pytest.mark.parametrize("path", ["cryo/app.mpy", "main.py", "manifest.json"])
def test_what_reads_back_differently_leaves_the_old_firmware(
    release: releases.Release, path: str
) -> None:
    board = old_board(release)
    before = dict(board.files)
    board.corrupts = f"update/{path}"
    with pytest.raises(IntegrityError, match=path):
        update.install(board, release, silent)
    assert before.items() <= board.files.items()
    assert f"update/{path}" not in board.files


@pytest.mark.parametrize("path", ["cryo/app.mpy", "main.new", "manifest.json"])
def test_what_reads_back_differently_is_not_started(release: releases.Release, path: str) -> None:
    board = old_board(release)
    board.free_bytes = 260_000
    board.corrupts = path
    with pytest.raises(IntegrityError, match=path):
        update.install(board, release, silent, in_place=True)
    assert "main.py" not in board.files


PICO_W, PICO_2 = "Raspberry Pi Pico W with RP2040", "Raspberry Pi Pico2 with RP2350"


@pytest.mark.hazard("H-11")
@pytest.mark.parametrize(
    ("attribute", "value", "text", "hint"),
    [
        ("platform", "esp32", "the board is a .* [(]esp32[)]", "MicroPython of another board"),
        ("machine", PICO_W, "radio uses pins", "built with a Raspberry Pi Pico"),
        ("machine", PICO_2, "processor of a Pico 2", "built with a Raspberry Pi Pico"),
        ("mpy", 5, "version 5.3 for armv6m, the image's are 6.3", "official MicroPython 1.23"),
        ("mpy_sub", 2, "version 6.2 for armv6m, the image's are 6.3", "official MicroPython"),
        ("arch", "armv7m", "6.3 for armv7m", "official MicroPython"),
        ("total_bytes", 848 * 1024, "keeps 848 kB .* needs the Pico's 1408 kB", "cannot be read"),
        ("free_bytes", 20_000, "20 kB free", "pull it"),
    ],
)
def test_an_image_that_does_not_fit_the_board_changes_nothing(
    release: releases.Release, attribute: str, value: object, text: str, hint: str
) -> None:
    """H-11: refused before anything is removed, with what to do."""
    board = old_board(release)
    setattr(board, attribute, value)
    with pytest.raises(LocalError, match=text) as caught:
        update.install(board, release, silent, in_place=True)
    assert hint in caught.value.hint
    assert board.steps == ["inventory"]


def test_an_image_of_an_earlier_release_states_less(image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    shutil.copytree(image_folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("board", "mpy_sub", "filesystem_bytes"):
        del manifest[name]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    update.check_fits(old_board(releases.load(image_folder)).inventory(), releases.load(folder))


def test_what_the_board_says_is_understood() -> None:
    text = "file 00ff cryo/app.mpy\r\nboard rp2 4870 397312 1441792 e6614c31 " + PICO_W + "\r\n"
    found = prompt.parse_inventory(text)
    assert found == Inventory(
        {"cryo/app.mpy": "00ff"}, "rp2", PICO_W, 6, 3, "armv6m", 397312, 1441792, "e6614c31"
    )
    with pytest.raises(LinkError):
        prompt.parse_inventory("Traceback")


# -- into maintenance and out of it -------------------------------------------------------------


def never() -> bool:
    return False


@pytest.mark.parametrize("state", ["ARMED", "FREEZING", "FAULT", "DONE"])
def test_only_a_device_in_ready_is_updated(
    server: SocketServer, fake: FakeDevice, image_folder: Path, state: str
) -> None:
    fake.state = state
    assert main(["--port", server.url, "update", "--unsigned", str(image_folder)]) == 1
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


# -- signed ---------------------------------------------------------------------------------------


@pytest.fixture
def signed(image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A copy of the image, and a release key (private, PEM) whose public half this command has."""
    folder = tmp_path / "signed"
    shutil.copytree(image_folder, folder)
    private, public = new_pair()
    keys = tmp_path / "release_keys.pem"
    keys.write_text("A text.\n" + pem_of(new_pair()[1]) + pem_of(public))
    monkeypatch.setattr(releases, "KEYS", keys)
    monkeypatch.setenv("CRYODOSE_RELEASE_KEY", private.decode())
    return folder, private.decode()


def why_not(folder: Path) -> str:
    return releases.not_signed_because(releases.load(folder))


def test_a_release_is_signed_and_what_is_altered_is_not(signed: tuple[Path, str]) -> None:
    folder, _ = signed
    assert why_not(folder) == "it is not signed"
    assert sign_image.main([str(folder)]) == 0
    assert why_not(folder) == ""
    signature = (folder / releases.SIGNATURE).read_text()
    assert releases.SIGNATURE not in releases.load(folder).hashes  # it stays on the host
    for text in ("", "00" * 64, signature[:-3], "x", signature[2:] + signature[:2]):
        (folder / releases.SIGNATURE).write_text(text)
        assert why_not(folder)
    (folder / releases.SIGNATURE).write_text(signature)
    # Another file, and a manifest that fits it.
    main_py = folder / "main.py"
    old, data = main_py.read_bytes(), main_py.read_bytes() + b"# more\n"
    main_py.write_bytes(data)
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(
        manifest.replace(sha(old), sha(data)).replace(
            f'"bytes": {len(old)}', f'"bytes": {len(data)}'
        )
    )
    assert "the manifest was altered" in why_not(folder)


def test_an_image_that_is_not_signed_is_refused_before_the_device_is_asked(
    server: SocketServer, fake: FakeDevice, signed: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, _ = signed
    fake.state = "FAULT"
    update_ = ["--port", server.url, "update", str(folder)]
    assert main(update_) == 5
    told = " ".join(capsys.readouterr().err.split())
    assert "is not a signed release of Cryodose: it is not signed" in told
    assert "--unsigned, and confirm it at the device" in told
    assert fake.heard == []
    assert main([*update_, "--unsigned"]) == 1  # by the device, which is in FAULT
    assert "NOT a signed release (it is not signed)" in capsys.readouterr().err
    assert sign_image.main([str(folder)]) == 0
    assert main(update_) == 1
    assert "NOT a signed" not in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert main(update_) == 7
    assert "needs the extra 'sign'" in capsys.readouterr().err


def test_a_key_that_nobody_can_check_with_signs_nothing(
    signed: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = signed
    monkeypatch.setenv("CRYODOSE_RELEASE_KEY", new_pair()[0].decode())
    assert sign_image.main([str(folder)]) == 1
    assert "is not in release_keys.pem" in capsys.readouterr().err
    monkeypatch.setenv("CRYODOSE_RELEASE_KEY", "no key")
    assert sign_image.main([str(folder)]) == 1
    assert not (folder / releases.SIGNATURE).exists()
    monkeypatch.delenv("CRYODOSE_RELEASE_KEY")
    assert sign_image.main([str(folder)]) == 0
    assert "NOT SIGNED: CRYODOSE_RELEASE_KEY is not set" in capsys.readouterr().out


def test_the_keys_that_this_command_has_are_keys() -> None:
    assert all(len(key) == 32 for key in releases.release_keys())


def test_the_workflow_hands_the_secret_to_the_build() -> None:
    workflow = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert "CRYODOSE_RELEASE_KEY: ${{ secrets.CRYODOSE_RELEASE_KEY }}" in workflow
    assert "-m host_tools.sign_image build/image" in (ROOT / "Makefile").read_text("utf-8")


def test_the_image_s_number_follows_from_its_files(release: releases.Release) -> None:
    files = {name: data for name, data in shipped(release).items() if name != "manifest.json"}
    lines = "".join(f"{name}\n{sha(data)}\n" for name, data in sorted(files.items()))
    assert release.image == sha(lines.encode())[:14]
    assert release.manifest.splitlines()[2] == f' "image": "{release.image}",'.encode()
