"""`cryo config`: settings as a file, checked as a whole and applied as a whole (H-13)."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from host_tools.cli import main
from host_tools.config_file import MEASURED, OF_PATIENT, File, check, read_file, written
from host_tools.config_import import Import, NotImported, values_of
from host_tools.description import Description
from host_tools.device import Device
from host_tools.errors import LinkError, NotConfirmed, Refused
from tests.unit.host.fake_device import SETTINGS, TABLES, FakeDevice, MemoryTransport, SocketServer

BEFORE = {row[1]: row[5] for row in SETTINGS}


@pytest.fixture
def known(device: Device) -> Description:
    return Description([device.describe(part) for part in ("settings", "applicators")])


@pytest.fixture
def task(device: Device, known: Description) -> Import:
    said: list[str] = []
    task = Import(device, known, values_of(device, known), say=said.append)
    task.said = said  # pyright: ignore[reportAttributeAccessIssue]
    return task


def file(settings: dict[str, object], serial: str | None = None) -> File:
    return File("practice.toml", serial, settings)


def sent(fake: FakeDevice) -> list[tuple[str, int]]:
    return [(one["key"], one["value"]) for one in fake.heard if one["op"] == "set"]


# -- the file -------------------------------------------------------------------------------------


def test_a_written_file_has_every_setting_and_reads_back(
    device: Device, known: Description, tmp_path: Path
) -> None:
    path = tmp_path / "all.toml"
    path.write_text(written(device.hello(), known, BEFORE), "utf-8")
    wanted, problems = check(read_file(path), known, "E6614C31")
    assert (wanted, problems) == (BEFORE, [])
    text = path.read_text("utf-8")
    assert "# lesion depth\n# 0.5…6 mm (500…6000 µm); default 2.3 mm (*)\ndepth_um = 2300" in text
    assert "applicator = 1  # spray B" in text
    assert "arm_timeout_s = 60  # s" in text


def test_a_device_s_words_cannot_end_a_comment(device: Device, known: Description) -> None:
    """A help text is the device's: it must not become a line of the file."""
    rows = [[*SETTINGS[3][:7], 'of the\nsounder"\nloudness = 9']]
    hostile = Description([type(known.tables["settings"])("settings", (), tuple(map(tuple, rows)))])
    text = written(device.hello(), hostile, {"loudness": 2})
    assert tomllib.loads(text)["settings"] == {"loudness": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no settings"), ("depth_um = 1", "outside of"), ("settings = 1", "no settings"),
        ("[settings", "no TOML"), ("serial = 1\n[settings]\nx = 1", "serial is a text"),
        ("[settings]\nx = 1\nx = 2", "no TOML"),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_explained(
    server: SocketServer, fake: FakeDevice, tmp_path: Path, capsys: Any, text: str, words: str
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    assert main(["--port", server.url, "config", "import", str(path)]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert words in shown
    assert "[settings]" in shown
    assert sent(fake) == []


def test_all_that_is_wrong_is_listed_at_once(known: Description) -> None:
    wanted, problems = check(
        file(
            {
                "depth_um": "9mm", "dept_um": 1, "applicator": "Spray X", "loudness": 2.5,
                "arm_timeout_s": True, "trim_ppm": "3kg", "supply_min_mv": "4.5V",
            }
        ),
        known,
        "E6614C31",
    )  # fmt: skip
    assert wanted == {"supply_min_mv": 4500}
    why = {problem.key: problem.why for problem in problems}
    assert why["depth_um"] == "9 mm is outside of the range; allowed: 0.5…6 mm (500…6000 µm)"
    assert why["dept_um"] == "the device has no such setting; is depth_um meant?"
    assert "spray B, spray C" in why["applicator"]
    assert "2.5 is neither an integer" in why["loudness"]
    assert "true is neither" in why["arm_timeout_s"]
    assert "'kg' is no unit" in why["trim_ppm"]
    limits = problems[0].as_dict()
    assert (limits["min"], limits["max"], limits["unit"]) == (500, 6000, "um")


def test_names_and_units_are_taken(known: Description) -> None:
    wanted, problems = check(
        file({"applicator": "spray c", "depth_um": "2.5 mm", "arm_timeout_s": "2min"}), known, "X"
    )
    assert (wanted, problems) == ({"applicator": 2, "depth_um": 2500, "arm_timeout_s": 120}, [])


def described(*keys: str) -> Description:
    from host_tools.description import Table

    rows = tuple((n, key, "us", 0, 100, 0, "device", "") for n, key in enumerate(keys, 1))
    return Description([Table("settings", (), rows)])


def test_another_device_s_measurements_are_refused() -> None:
    """A valve's lags are true of one valve: taken from another, every dose would be wrong."""
    known = described(*MEASURED, "volume")
    settings: dict[str, object] = dict.fromkeys((*MEASURED, "volume"), 5)
    wanted, problems = check(file(settings, "A"), known, "B")
    assert wanted == {"volume": 5}
    assert [problem.key for problem in problems] == list(MEASURED)
    assert "measured on A" in problems[0].why
    assert check(file(settings, "B"), known, "B") == (dict.fromkeys(settings, 5), [])


def test_who_is_treated_is_in_no_file(device: Device) -> None:
    known = described(*OF_PATIENT, "volume")
    text = written(device.hello(), known, dict.fromkeys((*OF_PATIENT, "volume"), 7))
    assert tomllib.loads(text)["settings"] == {"volume": 7}
    _, problems = check(file({"patient_ref": 3}), known, "B")
    assert "who is treated" in problems[0].why


# -- applied as a whole ---------------------------------------------------------------------------


@pytest.mark.hazard("H-13")
def test_what_is_confirmed_comes_first_and_choices_before_that(
    task: Import, fake: FakeDevice
) -> None:
    """H-13: a rejection finds as little as possible changed."""
    changes = task.apply({"arm_timeout_s": 120, "depth_um": 2500, "applicator": 2, "loudness": 2})
    assert sent(fake) == [("applicator", 2), ("depth_um", 2500), ("arm_timeout_s", 120)]
    assert {change.row.key: change.outcome for change in changes} == {
        "applicator": "confirmed", "depth_um": "confirmed", "arm_timeout_s": "applied",
    }  # fmt: skip
    assert fake.values == BEFORE | {"applicator": 2, "depth_um": 2500, "arm_timeout_s": 120}


class Picky(FakeDevice):
    """Its operator answers each question as listed; some values depend on others."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[str] = []
        self.chooses = False
        self.limit = False
        self.full = ""

    def _decide(self) -> bytes:
        assert self.pending is not None
        key, _ = self.pending
        self.operator = self.answers.pop(0) if self.answers else "confirm"
        event = super()._decide()
        if self.chooses and key == "applicator":  # a choice that brings a depth with it
            self.values["depth_um"] = 1000 * self.values["applicator"]
        return event

    def _set(self, request: dict[str, Any]) -> dict[str, Any]:
        from tests.unit.host.fake_device import _No  # pyright: ignore[reportPrivateUsage]

        key, value = request["key"], request["value"]
        if key == self.full and value != BEFORE[key]:
            raise _No("storage", "the device could not save the setting")
        if self.limit and key == "trim_ppm" and value > self.values["open_lag_us"]:
            raise _No("range", "trim_ppm takes less", min=-500, max=0, unit="ppm")
        return super()._set(request)


@pytest.fixture
def picky() -> Picky:
    return Picky()


@pytest.fixture
def picky_task(picky: Picky) -> Import:
    from host_tools.link import Link

    device = Device(Link(MemoryTransport(picky), first_id=1))
    known = Description([device.describe(part) for part in ("settings", "applicators")])
    return Import(device, known, values_of(device, known))


def outcomes(error: NotImported) -> dict[str, str]:
    return {change.row.key: change.outcome for change in error.changes}


@pytest.mark.hazard("H-13")
def test_a_rejected_change_sets_the_others_back(picky: Picky, picky_task: Import) -> None:
    """H-13: also what is set back is confirmed, and that is said."""
    said: list[str] = []
    picky_task.say = said.append
    picky.answers = ["confirm", "reject", "confirm"]
    with pytest.raises(NotImported, match="set back as they were: applicator") as caught:
        picky_task.apply({"applicator": 2, "depth_um": 2500, "loudness": 3})
    assert picky.values == BEFORE
    assert isinstance(caught.value.cause, NotConfirmed)
    assert (caught.value.exit_code, caught.value.kind) == (6, "not_confirmed")
    assert outcomes(caught.value) == {
        "applicator": "set back", "depth_um": "rejected", "loudness": "not sent",
    }  # fmt: skip
    assert said == ["setting 1 back as before; 1 of them to be confirmed at the device again"]
    assert caught.value.as_dict()["as_before"] is True


def test_a_refusal_sets_back_what_nobody_confirms(picky: Picky, picky_task: Import) -> None:
    picky.full = "loudness"
    with pytest.raises(NotImported, match="set back as they were: arm_timeout_s") as caught:
        picky_task.apply({"arm_timeout_s": 120, "loudness": 3})
    assert picky.values == BEFORE
    assert caught.value.exit_code == 1
    assert outcomes(caught.value) == {"arm_timeout_s": "set back", "loudness": "refused"}


@pytest.mark.hazard("H-13")
def test_what_could_not_be_set_back_is_said(picky: Picky, picky_task: Import) -> None:
    """H-13: the operator rejects the return too; nothing is claimed that is not so."""
    picky.answers = ["confirm", "reject", "reject"]
    with pytest.raises(NotImported, match="NOT set back: applicator") as caught:
        picky_task.apply({"applicator": 2, "depth_um": 2500})
    assert picky.values == BEFORE | {"applicator": 2}
    assert [(change.row.key, change.old, change.new) for change in caught.value.left] == [
        ("applicator", 1, 2)
    ]
    assert caught.value.candidates == [("applicator", "is 2, was 1")]
    assert caught.value.as_dict()["as_before"] is False


def test_what_a_choice_brings_with_it_is_mended(picky: Picky, picky_task: Import) -> None:
    """Choosing sets other settings too: in the end all is as in the file, or as before."""
    picky.chooses = True
    changes = picky_task.apply({"applicator": 2, "depth_um": 2300})
    assert picky.values == BEFORE | {"applicator": 2}
    assert {change.row.key: change.outcome for change in changes} == {
        "applicator": "confirmed", "depth_um": "confirmed",
    }  # fmt: skip
    picky.values = dict(BEFORE)
    picky.full = "loudness"
    with pytest.raises(NotImported):
        picky_task.apply({"applicator": 2, "loudness": 3})
    assert picky.values == BEFORE


def test_a_range_that_depends_on_a_later_setting(picky: Picky, picky_task: Import) -> None:
    """It is sent again when the others are in force; what nothing makes possible is undone."""
    picky.limit = True
    picky.values["open_lag_us"] = picky_task.before["open_lag_us"] = 0
    picky_task.apply({"trim_ppm": 100, "open_lag_us": 300})
    assert (picky.values["trim_ppm"], picky.values["open_lag_us"]) == (100, 300)
    before = dict(picky.values)
    again = Import(picky_task.device, picky_task.description, dict(before))
    with pytest.raises(NotImported, match="trim_ppm takes less") as caught:
        again.apply({"trim_ppm": 490, "loudness": 3, "open_lag_us": 400})
    assert picky.values == before
    assert isinstance(caught.value.cause, Refused)
    assert caught.value.detail["max"] == 0


def test_a_port_that_goes_away_leaves_no_false_claim(picky: Picky, picky_task: Import) -> None:

    def cut(request: dict[str, Any]) -> bytes:
        if request.get("key") == "loudness" and request["op"] == "set":
            picky.silent, picky.mangle = True, lambda _: b""  # done, and the reply is lost
        return b""

    picky.before = cut
    with pytest.raises(NotImported, match="NOT set back: arm_timeout_s, loudness") as caught:
        picky_task.apply({"arm_timeout_s": 120, "loudness": 3})
    assert isinstance(caught.value.cause, LinkError)
    assert caught.value.exit_code == 4
    assert outcomes(caught.value)["loudness"] == "waiting"


# -- the command ----------------------------------------------------------------------------------


def test_the_command_on_a_fake_device(
    server: SocketServer, fake: FakeDevice, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)
    monkeypatch.setattr("host_tools.device.CONFIRM_POLL_S", 0.1)
    fake.before = lambda request: fake.idle(5.0) if request["op"] == "get" else b""
    path = tmp_path / "a.toml"

    def cryo(*words: str) -> tuple[int, str, str]:
        code = main(["--port", server.url, "config", *words])
        return code, *capsys.readouterr()

    code, out, _ = cryo("export", "-o", str(path))
    assert (code, "7 settings of E6614C31" in out) == (0, True)
    assert "The device has what the file says" in cryo("diff", str(path))[1]
    path.write_text(path.read_text("utf-8").replace("depth_um = 2300", "depth_um = 2500"), "utf-8")
    code, out, _ = cryo("diff", str(path))
    assert "An import would change 1 setting, 1 of them to be confirmed at the device" in out
    assert sent(fake) == []
    code, out, _ = cryo("import", str(path))
    assert code == 0
    assert "(1/1) depth_um 2.5 mm" in out
    assert "To confirm: hold SELECT" in out
    assert "✓ depth_um is 2.5 mm: confirmed at the device" in out
    path.write_text("[settings]\ndepth_um = 99\nloud = 1\n", "utf-8")
    fake.heard.clear()
    code, _, err = cryo("import", str(path))
    err = " ".join(err.split())
    assert code == 1
    assert "2 things are wrong" in err
    assert "allowed: 0.5…6 mm" in err
    assert "is loudness meant?" in err
    assert sent(fake) == []
    assert cryo("diff", str(tmp_path / "none"))[0] == 7
    assert cryo("export", "--json")[0] == 2
    assert TABLES["settings"][1] is SETTINGS


class Cryo:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.flash, self._capsys = folder / "flash.bin", capsys

    def __call__(self, *words: str, options: str = "", code: int = 0) -> Any:
        url = f"sim://?flash={self.flash}{options}"
        assert main(["--json", "--port", url, *words]) == code
        out, err = self._capsys.readouterr()
        assert err == ""
        return json.loads(out)


@pytest.mark.slow
@pytest.mark.hazard("H-13")
def test_the_command_on_the_firmware(tmp_path: Path, capsys: Any) -> None:
    """H-13: real settings, confirmed and rejected; a profile brings its depth with it."""
    cryo = Cryo(tmp_path, capsys)
    path = tmp_path / "practice.toml"
    assert cryo("config", "export", "-o", str(path))["settings"] > 40
    assert cryo("config", "diff", str(path))["equal"] is True
    text = path.read_text("utf-8")
    for old, new in (
        ("\nprofile = 1", "\nprofile = 3"), ("\ndepth_um = 2300", '\ndepth_um = "2.4mm"'),
        ("\nvolume = 2", "\nvolume = 3"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    rejected = cryo("config", "import", str(path), options="&operator=reject", code=6)["error"]
    assert (rejected["outcome"], rejected["as_before"]) == ("rejected", True)
    done = cryo("config", "import", str(path))
    assert {one["key"]: one["outcome"] for one in done["changes"]}["volume"] == "applied"
    assert {one["key"]: one["new"] for one in done["changes"]}["depth_um"] == 2400
    assert cryo("config", "import", str(path))["outcome"] == "unchanged"
    path.write_text("[settings]\nprofile = 'common wart'\n", "utf-8")
    done = cryo("config", "import", str(path))
    brought = {one["key"]: (one["old"], one["new"]) for one in done["brought"]}
    assert brought == {"depth_um": (2400, 2000), "margin_um": (0, 500)}
    path.write_text("[settings]\napplicator = 5\ndepth_um = '9.9mm'\nvolume = 2\n", "utf-8")
    refused = cryo("config", "import", str(path), code=1)["error"]
    assert (refused["code"], refused["as_before"]) == ("range", True)
    assert {one["key"]: one["outcome"] for one in refused["changes"]} == {
        "applicator": "set back", "depth_um": "refused", "volume": "set back",
    }  # fmt: skip
