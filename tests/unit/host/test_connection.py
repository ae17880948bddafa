"""The library: ten lines to the records, and a port that goes away and comes back."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import cryodose
from host_tools import connection
from host_tools.connection import Connection, SteadyTransport, connect
from host_tools.device import Device
from host_tools.errors import (
    IntegrityError,
    LinkTimeout,
    PortError,
    PortLost,
    ProtocolError,
    Refused,
)
from host_tools.link import Link
from host_tools.transport import Transport
from tests.rules.source import ROOT
from tests.unit.host.fake_device import (
    FakeDevice,
    MemoryTransport,
    PseudoTerminal,
    SocketServer,
    journal,
)

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    # pyserial waits 0.3 s on closing a socket:// port; not here.
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)
    monkeypatch.setattr(connection, "_PAUSE_S", 0.001)
    monkeypatch.delenv("CRYO_PORT", raising=False)


def steady(
    open_port: Callable[[str], Transport],
    *,
    is_same: Callable[[Transport], bool] = lambda _: True,
    patience_s: float = 5.0,
) -> Connection:
    transport = SteadyTransport(lambda: "memory://", is_same, patience_s, open_port=open_port)
    link = Link(transport, first_id=1)
    return Connection(transport, link, Device(link).hello())


def losing(fake: FakeDevice, *after: int | None) -> Callable[[str], Transport]:
    """Ports to `fake`, each of which goes away after so many bytes."""
    limits = iter(after)

    def open_port(_: str) -> Transport:
        port = MemoryTransport(fake)
        port.gone_after = next(limits, None)
        return port

    return open_port


# -- records --------------------------------------------------------------------------------------


def test_the_records_come_verified_and_explained(server: SocketServer, fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 95)
    with connect(server.url) as device:
        found = list(device.records())
        assert [record.raw for record in found] == fake.journal
        assert [record.seq for record in device.records(90)] == [90, 91, 92, 93, 94, 95]
        assert device.explain(found[0])["seq"] == 1
        assert device.serial == fake.serial
        assert device.status()["state"] == fake.state


def test_a_journal_that_begins_later(server: SocketServer, fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 60)[20:]
    fake.first = 21
    with connect(server.url) as device:
        assert [record.seq for record in device.records()] == list(range(21, 61))
        with pytest.raises(Refused):
            next(device.records(1))


def test_a_broken_chain_ends_it(server: SocketServer, fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 60)
    fake.journal[30] = fake.journal[30][:20] + b"\1\2\3\4" + fake.journal[30][24:]
    with connect(server.url) as device, pytest.raises(IntegrityError, match="record 31"):
        list(device.records())


def test_an_empty_journal(server: SocketServer) -> None:
    with connect(server.url) as device:
        assert list(device.records()) == []


# -- a port that goes away ------------------------------------------------------------------------


def test_a_port_lost_three_times_loses_and_doubles_nothing(fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 300)
    with steady(losing(fake, 5_000, 4_000, 3_000, None)) as device:
        assert [record.raw for record in device.records()] == fake.journal
        assert device.reopened == 3


def test_a_pull_goes_on_when_the_port_is_back(fake: FakeDevice, tmp_path: Path) -> None:
    fake.journal = journal(fake.serial, 1000)
    with steady(losing(fake, 20_000, 15_000, 10_000, None)) as device:
        result = device.pull(tmp_path / "records.sqlite")
        assert (result.new, device.reopened) == (1000, 3)


def test_a_port_lost_at_any_byte(fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 3)
    for at in range(200, 700, 7):
        with steady(losing(fake, at, None)) as device:
            assert [record.raw for record in device.records()] == fake.journal, at


def test_a_port_that_stays_away_is_an_error_after_its_time(fake: FakeDevice) -> None:
    ports = losing(fake, 2_000)

    def open_port(url: str) -> Transport:
        if opened:
            raise PortError("there is no port 'memory://'")
        opened.append(url)
        return ports(url)

    opened: list[str] = []
    fake.journal = journal(fake.serial, 300)
    began_s = time.monotonic()
    with (
        steady(open_port, patience_s=0.05) as device,
        pytest.raises(PortLost, match="not come back within 0.05 s"),
    ):
        list(device.records())
    assert time.monotonic() - began_s < 2


def test_without_patience_it_is_an_error_at_once(fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 300)
    with (
        steady(losing(fake, 2_000, None), patience_s=0) as device,
        pytest.raises(PortLost, match="gone away$"),
    ):
        list(device.records())


def test_another_device_on_the_port_is_not_taken_for_the_first(fake: FakeDevice) -> None:
    fake.journal = journal(fake.serial, 300)
    with (
        steady(losing(fake, 2_000, None), is_same=lambda _: False) as device,
        pytest.raises(ProtocolError, match="another device"),
    ):
        list(device.records())


def usb_port(device: str, serial: str) -> Any:
    return SimpleNamespace(
        device=device, vid=0x2E8A, pid=0x0005, serial_number=serial, manufacturer="MicroPython",
        product="Board in FS mode", description="n/a",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("by_serial", [True, False])
def test_plugged_in_again_under_another_name(
    fake: FakeDevice, monkeypatch: pytest.MonkeyPatch, by_serial: bool
) -> None:
    """It is found by its USB serial number; the port that has its old name is another device."""
    ports: list[Any] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    first = PseudoTerminal(fake)
    ports.append(usb_port(first.url, "E6614C311B8A2337"))
    names = {"usb_serial": "e6614c311b8a2337"} if by_serial else {"port": first.url}
    with connect(**names) as device:
        assert device.port == first.url
        second, other = PseudoTerminal(fake), PseudoTerminal(FakeDevice("ANOTHER"))
        first.close()
        ports[:] = [
            usb_port(other.url, "E6614C311B000000"), usb_port(second.url, "E6614C311B8A2337"),
        ]  # fmt: skip
        assert device.hello().serial == fake.serial
        assert (device.port, device.reopened) == (second.url, 1)
    second.close()
    other.close()


def test_a_socket_that_is_another_device_afterwards(fake: FakeDevice) -> None:
    server = SocketServer(fake)
    with connect(server.url, reconnect_s=5) as device:
        fake.serial = "E6610000"
        server.drop()
        with pytest.raises(ProtocolError, match="another device"):
            device.status()
    server.close()


def test_a_reset_of_the_simulated_device(tmp_path: Path) -> None:
    """A hang, which the watchdog ends: the device leaves USB, and comes back with its flash."""
    url = f"sim://?flash={tmp_path / 'flash.bin'}"
    with connect(url) as device:
        before = device.hello()
        port: Any = device.link.transport
        port._port._port.bench.hang(10_000)
        after = device.hello()
        assert device.reopened == 1
        assert after.serial == before.serial
        assert after.boot > before.boot
        assert [record.seq for record in device.records()][: before.log_head + 1]


# -- times and arguments --------------------------------------------------------------------------


def test_a_silent_device_ends_in_time(server: SocketServer, fake: FakeDevice) -> None:
    fake.silent = True
    began_s = time.monotonic()
    with pytest.raises(LinkTimeout):
        connect(server.url, timeout_s=0.05, tries=2)
    assert time.monotonic() - began_s < 1


@pytest.mark.parametrize(
    "wrong",
    [{"timeout_s": 0}, {"tries": 0}, {"reconnect_s": -1}, {"port": "x", "usb_serial": "y"}],
)
def test_arguments_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must|not both"):
        connect(**wrong)


def test_the_variable_names_the_port(
    server: SocketServer, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYO_PORT", server.url)
    with connect() as device:
        assert device.serial == fake.serial


def test_several_devices_at_once(tmp_path: Path) -> None:
    fakes = [FakeDevice(f"E661000{i}") for i in range(3)]
    for index, fake in enumerate(fakes):
        fake.journal = journal(fake.serial, 100 + index)
    servers = [SocketServer(fake) for fake in fakes]

    def pull(url: str) -> tuple[str, int]:
        with connect(url) as device:
            return device.serial, device.pull(tmp_path / "records.sqlite").new

    with ThreadPoolExecutor(3) as pool:
        results = dict(pool.map(pull, [server.url for server in servers]))
    for server in servers:
        server.close()
    assert results == {"E6610000": 100, "E6610001": 101, "E6610002": 102}


# -- the package ----------------------------------------------------------------------------------


def test_the_interface_is_what_is_listed() -> None:
    for name in cryodose.__all__:
        assert getattr(cryodose, name) is not None
        assert name in dir(cryodose)
    assert cryodose.connect is connect
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cryodose.nonsense  # pyright: ignore


def test_importing_it_loads_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import cryodose; print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in (
        "{'cryodose'}",
        "{'cryodose', '__future__'}",
        "{'__future__', 'cryodose'}",
    )


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("records.py", ["sim://"], "'kind': 'boot'"),
        ("watch.py", ["sim://", "--count", "3"], "sim:// READY"),
        ("settings_table.py", ["sim://"], "depth_um,2300,um,500,10000"),
        ("change_a_setting.py", ["depth_um", "2500", "sim://"], "depth_um is 2500"),
        ("several_devices.py", ["{tmp}/x.sqlite", "sim://", "sim://nonsense"], "verified"),
    ],
)
def test_an_example(
    name: str,
    arguments: list[str],
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [argument.format(tmp=tmp_path) for argument in arguments]
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert wanted in capsys.readouterr().out


def test_every_example_is_run() -> None:
    marks = getattr(test_an_example, "pytestmark")  # noqa: B009
    assert {path.name for path in EXAMPLES.glob("*.py")} == {row[0] for row in marks[0].args[1]}
