"""Completion, manual page, udev rule; and what `cryo --help` may load."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host_tools import documents, ports
from host_tools.cli import main, make_parser
from host_tools.errors import LocalError


def commands(parser: object = None, before: str = "cryo") -> list[str]:
    """All commands, as they are typed."""
    names: list[str] = []
    for below in documents._parsers_below(parser or make_parser()):
        names += commands(below, below.prog) or [below.prog]
    return names


def test_the_manual_page_has_every_command_and_is_clean_roff() -> None:
    page = documents.manual(make_parser())
    assert len(commands()) >= 20
    for command in commands():
        assert f"\n.SS {command}\n" in page
    for part in ("SYNOPSIS", "OPTIONS", "EXIT CODES", "EXAMPLES"):
        assert f"\n.SH {part}\n" in page
    assert "log pull && cryo log export" in page.replace("\\-", "-")
    groff = shutil.which("groff")
    if groff:
        done = subprocess.run(
            [groff, "-man", "-ww", "-z", "-k"],
            input=page,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""


def test_text_that_looks_like_a_request_is_text() -> None:
    assert documents._roff(".TH x\n'b -a\\") == "\\&.TH x\n\\&'b \\-a\\e"


@pytest.mark.parametrize("shell", documents.SHELLS)
def test_a_completion_script_knows_every_command(shell: str) -> None:
    script = documents.completion(shell, make_parser())
    for command in commands():
        assert command.split()[-1] in script
    if shell != "tcsh" and (program := shutil.which(shell)):
        done = subprocess.run(
            [program, "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this computer")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [("cryo log e", "export"), ("cryo completion z", "zsh"), ("cryo upd", "update")],
)
def test_bash_completes(words: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "cryo.bash").write_text(documents.completion("bash", make_parser()))
    *_, before, last = words.split()
    ask = (
        f"source {tmp_path}/cryo.bash; COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1};"
        f"_shtab_cryo cryo {last} {before}; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [wanted]


def test_without_its_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(LocalError, match="shtab is not installed"):
        documents.completion("bash", make_parser())
    assert documents.manual(make_parser())


def test_the_udev_rule_is_for_the_device() -> None:
    lines = [x for x in documents.udev_rule().splitlines() if x and not x.startswith("#")]
    assert len(lines) == 1, "a rule cannot go over two lines"
    rule = dict(part.split("=", 1) for part in lines[0].replace("+=", "=").split(", "))
    assert rule["ATTRS{idVendor}"] == f'="{ports.USB_VID:04x}"'
    assert rule["ATTRS{idProduct}"] == f'="{ports.USB_PID:04x}"'
    assert (rule["TAG"], rule["SYMLINK"]) == ('"uaccess"', '"cryodose-$attr{serial}"')


@pytest.mark.slow
def test_the_commands_print_them(capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (["completion", "zsh"], documents.completion("zsh", make_parser())),
        (["man"], documents.manual(make_parser())),
        (["udev"], documents.udev_rule()),
    ):
        assert main(words) == 0
        assert capsys.readouterr().out == text
    assert main(["--json", "udev"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == documents.udev_rule()


def test_they_are_written_for_the_wheel(tmp_path: Path) -> None:
    documents.write(str(tmp_path / "share"), make_parser())
    names = {path.name for path in (tmp_path / "share").iterdir()}
    assert names == {"completion.bash", "completion.zsh", "completion.tcsh", "cryo.1"}


def test_the_brief_parser_gives_the_same_help() -> None:
    assert make_parser(brief=True).format_help() == make_parser().format_help()


def test_help_loads_the_parser_and_nothing_else() -> None:
    """Measured: a third of the processor time of `mpremote --help` (docs/cryo.md)."""
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['cryo', '--help']\n"
        "from cryodose.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print(*(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "exit codes:" in done.stdout
    own = {"cryodose", "cryodose.__main__", "host_tools", "host_tools.cli"}
    loaded = set(done.stderr.split()) - own
    assert not {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names}
    assert not loaded & {
        "json", "typing", "dataclasses", "inspect", "importlib.metadata", "subprocess", "sqlite3",
        "asyncio", "pathlib", "socket", "logging", "datetime", "ctypes", "shutil", "bz2",
    }  # fmt: skip
