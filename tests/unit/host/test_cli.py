"""The `cryo` command as its user meets it: output, exit codes, JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host_tools.cli import main
from tests.unit.host.fake_device import FakeDevice, SocketServer, journal

HEAVY = ("serial", "sqlite3", "rich", "json", "platformdirs", "hw_sim", "dataclasses", "cryo")


@pytest.fixture(autouse=True)
def _no_port_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYO_PORT", raising=False)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)


class Cryo:
    """Runs the command against the fake device."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = main(["--port", self._url, *arguments])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str, code: int = 0) -> Any:
        assert self(*arguments, "--json") == code
        assert self.err == ""
        return json.loads(self.out)


@pytest.fixture
def cryo(
    server: SocketServer,
    capsys: pytest.CaptureFixture[str],
    store_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cryo:
    # pyserial waits 0.3 s on closing a socket:// port; not here.
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)
    return Cryo(server.url, capsys)


# -- start-up -----------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    """What `cryo --help` imports decides how long it takes."""
    code = (
        "import sys; from host_tools.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert "HEAVY []" in done.stderr


def test_help_documents_every_exit_code_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for number in range(8):
        assert f"\n  {number}  " in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["set", "depth_um"], ["log"], ["--json"]])
def test_a_wrong_command_line_is_exit_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


# -- ports --------------------------------------------------------------------------------------


def test_no_port_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 3
    assert "no device found" in capsys.readouterr().err
    assert main(["info", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "port"


def test_ports(cryo: Cryo) -> None:
    assert cryo("ports") == 0
    assert "No serial ports" in cryo.out
    assert cryo.json("ports") == {"ports": []}


def test_the_environment_names_the_port(
    server: SocketServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRYO_PORT", server.url)
    assert main(["info"]) == 0
    assert "E6614C31" in capsys.readouterr().out


def test_silence_is_exit_4(fake: FakeDevice, cryo: Cryo) -> None:
    fake.silent = True
    assert cryo("--timeout", "0.06", "info") == 4
    assert "no answer" in cryo.err
    assert cryo("--timeout", "0", "info") == 2


# -- info, get, status, time --------------------------------------------------------------------


def test_info(cryo: Cryo) -> None:
    assert cryo("info") == 0
    assert "Cryodose E6614C31" in cryo.out
    assert "READY" in cryo.out
    assert cryo.json("info")["serial"] == "E6614C31"


def test_info_of_every_part(cryo: Cryo) -> None:
    for part in ("settings", "commands", "faults", "records", "states", "errors", "applicators"):
        assert cryo("info", part) == 0
    assert cryo.json("info", "faults")["rows"][0]["name"] == "DEWAR PRESSURE"
    assert cryo("info", "secrets") == 2


def test_get_lists_all_with_ranges(cryo: Cryo) -> None:
    assert cryo("get") == 0
    assert "0.5…6 mm" in cryo.out
    assert "spray B" in cryo.out
    rows = cryo.json("get")["settings"]
    assert len(rows) == 7
    assert rows[0] == {
        "number": 1, "key": "depth_um", "unit": "um", "min": 500, "max": 6000, "default": 2300,
        "who": "device", "help": "lesion depth", "value": 2300, "pending": None,
    }  # fmt: skip


def test_get_one(cryo: Cryo) -> None:
    assert cryo("get", "depth_um") == 0
    assert "2.3 mm" in cryo.out
    assert cryo("get", "dept") == 1
    assert "did you mean depth_um" in cryo.err


def test_status(fake: FakeDevice, cryo: Cryo) -> None:
    assert cryo("status") == 0
    assert "612 mbar" in cryo.out
    assert "DEWAR PRESSURE: Left its limits. Check the dewar, then go" in cryo.out
    assert max(len(line) for line in cryo.out.splitlines()) <= 80
    assert cryo.json("status")["pressure_mbar"] == 612
    fake.state = "FREEZING"
    assert cryo("status") == 0
    assert "7.3 s" in cryo.out
    assert "-189.5 °C" in cryo.out
    assert cryo("get") == 1
    assert "freeze is running" in cryo.err


def test_time(fake: FakeDevice, cryo: Cryo) -> None:
    assert cryo("time") == 0
    assert "not set" in cryo.out
    assert cryo("time", "--set", "2024-06-02T11:00:00+02:00") == 0
    assert fake.utc_s == 1717318800
    assert "2024-06-02 09:00:00 UTC" in cryo.out
    assert cryo.json("time")["time"] == "2024-06-02T09:00:00+00:00"
    assert cryo("time", "--set", "2024-06-02T11:00:00") == 2  # which time zone?
    assert cryo("time", "--set", "teatime") == 2


# -- set ----------------------------------------------------------------------------------------


def test_set_at_once(fake: FakeDevice, cryo: Cryo) -> None:
    assert cryo("set", "loudness", "3") == 0
    assert "2 → 3" in cryo.out
    assert "✓ loudness is 3, applied" in cryo.out
    assert fake.values["loudness"] == 3


def test_set_with_a_unit_and_by_name(fake: FakeDevice, cryo: Cryo) -> None:
    assert cryo.json("set", "arm_timeout_s", "2min")["value"] == 120
    fake.pending = ("applicator", 2)
    assert cryo("set", "applicator", "Spray C", "--no-wait") == 6
    assert fake.heard[-1]["value"] == 2


def test_set_out_of_range_shows_the_range(cryo: Cryo) -> None:
    assert cryo("set", "depth_um", "9mm") == 1
    assert "allowed: 0.5…6 mm" in cryo.err
    error = cryo.json("set", "depth_um", "9mm", code=1)["error"]
    assert (error["code"], error["min"], error["max"], error["unit"]) == ("range", 500, 6000, "um")


def test_operators_are_listed(cryo: Cryo) -> None:
    assert cryo("operators", "list") == 0
    assert "  3  physician  signed in" in cryo.out
    assert "  5  nurse\n" in cryo.out
    data = cryo.json("operators", "list")
    assert data["required"] is True
    assert data["operators"][1] == {"number": 5, "role": "nurse"}


@pytest.mark.parametrize(
    ("operator", "code", "words"),
    [
        ("confirm", 0, "operator 7 is stored"),
        ("gone", 0, "operator 7 is stored"),
        ("reject", 6, "given up on the device"),
    ],
)
def test_an_operator_is_added(
    fake: FakeDevice, cryo: Cryo, monkeypatch: pytest.MonkeyPatch, operator: str, code: int,
    words: str,
) -> None:  # fmt: skip
    """The host sends number and role, and no PIN. The event may be lost."""
    fake.operator = operator
    monkeypatch.setattr("host_tools.device.CONFIRM_POLL_S", 0.1)
    fake.before = lambda request: fake.idle(5.0) if "do" not in request else b""
    assert cryo("operators", "add", "7", "technician") == code
    assert words in cryo.out + cryo.err
    asked = next(request for request in fake.heard if request.get("do") == "add")
    assert asked == {"id": asked["id"], "op": "operators", "do": "add", "number": 7, "role": 3}
    assert fake.operators == {3: 1, 5: 2} | ({7: 3} if code == 0 else {})


@pytest.mark.slow
def test_an_operator_is_removed_once(fake: FakeDevice, cryo: Cryo) -> None:
    fake.before = lambda request: fake.idle(5.0) if "do" not in request else b""
    assert cryo.json("operators", "remove", "5")["outcome"] == "done"
    assert fake.operators == {3: 1}
    assert cryo("operators", "remove", "5") == 0


@pytest.mark.parametrize(
    "arguments", [["add", "3"], ["add", "21", "nurse"], ["add", "3", "surgeon"], ["pin", "x"], []]
)
def test_operators_with_a_wrong_command_line(
    fake: FakeDevice, cryo: Cryo, arguments: list[str]
) -> None:
    try:
        code = cryo("operators", *arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert not any(request.get("do") for request in fake.heard)


@pytest.mark.parametrize("value", ["2.5", "2.5V", "soon", "2.3456mm"])
def test_set_to_nonsense_is_exit_2_and_changes_nothing(
    fake: FakeDevice, cryo: Cryo, value: str
) -> None:
    assert cryo("set", "depth_um", value) == 2
    assert not any(request["op"] == "set" for request in fake.heard)


@pytest.mark.parametrize(
    ("operator", "code", "words"),
    [
        ("confirm", 0, "✓ depth_um is 2.5 mm, confirmed on the device"),
        ("reject", 6, "rejected on the device"),
    ],
)
def test_set_waits_for_the_operator(
    fake: FakeDevice,
    cryo: Cryo,
    monkeypatch: pytest.MonkeyPatch,
    operator: str,
    code: int,
    words: str,
) -> None:
    fake.operator = operator
    monkeypatch.setattr("host_tools.device.CONFIRM_POLL_S", 0.1)
    # A socket has no virtual time: the operator decides when the device is asked the next time.
    fake.before = lambda request: fake.idle(5.0) if request["op"] == "get" else b""
    assert cryo("set", "depth_um", "2.5mm") == code
    assert "To confirm: hold SELECT" in cryo.out
    assert words in cryo.out + cryo.err
    assert fake.values["depth_um"] == (2500 if code == 0 else 2300)


# -- journal ------------------------------------------------------------------------------------


def test_the_journal_from_pull_to_export(fake: FakeDevice, cryo: Cryo, tmp_path: Path) -> None:
    fake.journal = journal(fake.serial, 100)
    assert cryo("log", "pull") == 0
    assert "100 new records (#1…100), chain verified" in cryo.out
    result = cryo.json("log", "pull")
    assert (result["new"], result["repeated"], result["verified"]) == (0, 0, True)
    assert cryo("log", "pull", "--all") == 0
    assert "100 records compared, equal to those stored" in cryo.out

    fake.silent = True  # from here on nothing needs the device
    assert cryo("log", "show") == 0
    assert "planned 17.3 s" in cryo.out
    assert max(len(line) for line in cryo.out.splitlines()) <= 80
    assert len(cryo.json("log", "show", "--all")["records"]) == 100
    assert [row["seq"] for row in cryo.json("log", "show", "-n", "2")["records"]] == [99, 100]
    shots = cryo.json("log", "show", "--kind", "shot", "--from", "10", "--to", "20")["records"]
    assert [row["seq"] for row in shots] == [10, 13, 16, 19]
    assert cryo("log", "show", "--kind", "nonsense") == 2
    assert cryo("log", "verify") == 0
    assert "chain unbroken" in cryo.out

    file = tmp_path / "journal.csv"
    assert cryo("log", "export", "-o", str(file)) == 0
    assert file.read_bytes().count(b"\r\n") == 101
    assert cryo("log", "export", "--format", "jsonl", "-o", str(file)) == 0
    assert len(file.read_bytes().splitlines()) == 100
    assert list(tmp_path.glob("*.part")) == []
    assert cryo("log", "export", "-o", str(tmp_path / "no" / "such" / "folder.csv")) == 7


def test_nothing_stored_is_exit_7(cryo: Cryo) -> None:
    assert cryo("log", "show") == 7
    assert "nothing stored yet" in cryo.err


def test_a_broken_chain_is_exit_5(fake: FakeDevice, cryo: Cryo) -> None:
    fake.journal = journal(fake.serial, 50)
    fake.journal[30] = fake.journal[30][:30] + b"!" + fake.journal[30][31:]
    assert cryo("log", "pull") == 5
    assert "record 31 does not continue the chain" in cryo.err
    assert "--keep-broken" in cryo.err
    assert cryo("log", "pull", "--keep-broken") == 5
    assert "#31" in cryo.out
    assert cryo("log", "verify") == 5
    assert cryo.json("log", "verify", code=5)["good"] is False


def test_several_devices_must_be_distinguished(fake: FakeDevice, cryo: Cryo) -> None:
    for serial in ("E6614C31", "OTHER"):
        fake.serial, fake.journal = serial, journal(serial, 5)
        assert cryo("log", "pull") == 0
    assert cryo("log", "show") == 2
    assert "E6614C31, OTHER" in cryo.err
    assert cryo("log", "show", "--serial", "OTHER") == 0
    assert cryo("log", "show", "--serial", "NONE") == 2


def test_options_may_stand_before_or_behind(server: SocketServer, cryo: Cryo) -> None:
    assert main(["info", "--port", server.url]) == 0
    assert main(["--json", "--port", server.url, "log", "--json", "pull"]) == 0


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, with nothing but what it needs."""
    path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "host_tools", *arguments],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
        timeout=30,
    )


def test_an_export_to_a_pipe_is_nothing_but_records(fake: FakeDevice, cryo: Cryo) -> None:
    fake.journal = journal(fake.serial, 5)
    assert cryo("log", "pull") == 0
    done = run("log", "export")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\r\n") == 6
    assert done.stdout.count(b"\n") == 6
    assert cryo("log", "export", "--json") == 2


def test_output_on_a_pipe_that_is_closed_is_no_error(fake: FakeDevice, cryo: Cryo) -> None:
    fake.journal = journal(fake.serial, 5000)
    assert cryo("log", "pull") == 0
    command = f"{sys.executable} -m host_tools log export | head -n 1"
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b"")
