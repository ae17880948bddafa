"""`cryo monitor` on a fake device, in virtual time: what it shows, sends and survives."""

import io
import json
from argparse import Namespace
from typing import Any

import pytest
from rich.console import Console

from host_tools import monitor as monitors
from host_tools.cli import main
from host_tools.connection import SteadyTransport
from host_tools.device import Device
from host_tools.errors import PortError, PortLost
from host_tools.link import Link
from host_tools.monitor import TRIES
from host_tools.monitor_state import ASKS, Monitor
from host_tools.render_monitor import dashboard
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, frame, journal


class Plug:
    """A cable that can be pulled: what is opened through it goes away, and comes back."""

    def __init__(self, fake: FakeDevice) -> None:
        self.fake = fake
        self.name = "/dev/ttyACM0"
        self.inserted = True
        self.opened: list[MemoryTransport] = []

    def find(self) -> str:
        if not self.inserted:
            raise PortError("no device with USB serial number 7 is connected")
        return self.name

    def open(self, url: str) -> MemoryTransport:
        port = MemoryTransport(self.fake, url)
        self.opened.append(port)
        return port

    def pull(self) -> None:
        self.inserted = False
        for port in self.opened:
            port.gone_after = 0

    def insert(self, name: str) -> None:
        self.inserted, self.name = True, name


@pytest.fixture
def plug(fake: FakeDevice) -> Plug:
    fake.journal = journal(fake.serial, 20)
    return Plug(fake)


@pytest.fixture
def monitor(plug: Plug) -> Monitor:
    steady = SteadyTransport(plug.find, lambda _: True, 0.01, open_port=plug.open)
    device = Device(Link(steady, first_id=1, tries=TRIES))
    return Monitor(device, plug.fake.serial, lambda: steady.url)


def shown(monitor: Monitor) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(dashboard(monitor))
    return capture.get()


def test_state_readings_faults_and_records(monitor: Monitor) -> None:
    monitor.look()
    text = shown(monitor)
    assert "Cryodose E6614C31  /dev/ttyACM0" in text
    assert "READY for 12 min 14 s" in text
    assert "612 mbar" in text
    assert "DEWAR PRESSURE: Left its limits. Check the dewar, then go" in text
    assert "    20  2024-06-02" in text
    assert "    15  " in text
    assert "    14  " not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_countdown_of_a_freeze(monitor: Monitor, fake: FakeDevice) -> None:
    """While the valve is open the device answers only a short status; the records stay."""
    monitor.look()
    fake.state = "FREEZING"
    monitor.look()
    text = shown(monitor)
    assert "FREEZING: 7.3 s left" in text
    assert "-189.5 °C" in text
    assert "    20  " in text
    assert not monitor.lost


def test_opened_during_a_freeze_it_learns_the_rest_later(
    monitor: Monitor, fake: FakeDevice
) -> None:
    fake.state = "FREEZING"
    monitor.look()
    assert "7.3 s left" in shown(monitor)
    assert monitor.records == []
    fake.state = "READY"
    monitor.look()
    assert monitor.records[-1].seq == 20
    assert "DEWAR PRESSURE" in shown(monitor)


def test_new_records_appear(monitor: Monitor, fake: FakeDevice) -> None:
    monitor.look()
    asked = len(fake.heard)
    monitor.look()
    assert [request["op"] for request in fake.heard[asked:]] == ["status"]
    fake.journal = journal(fake.serial, 23)
    monitor.look()
    assert [record.seq for record in monitor.records] == [18, 19, 20, 21, 22, 23]


def test_it_survives_unplugging(monitor: Monitor, plug: Plug) -> None:
    """Found again under another name, with a firmware that may be another one."""
    monitor.look()
    plug.pull()
    monitor.look()
    text = shown(monitor)
    assert "NOT CONNECTED: the port memory:// has gone away" in text
    assert "612 mbar" in text
    assert "s old" in text
    monitor.rest(0.5)
    monitor.look()
    assert monitor.lost
    plug.insert("/dev/ttyACM3")
    monitor.look()
    text = shown(monitor)
    assert "NOT CONNECTED" not in text
    assert "/dev/ttyACM3  (came back 1 x)" in text
    assert monitor.as_dict()["connected"] is True


def test_a_device_that_is_silent_is_not_shown_as_it_was(monitor: Monitor, fake: FakeDevice) -> None:
    monitor.look()
    fake.silent = True
    monitor.look()
    fake.idle(10.0)
    text = shown(monitor)
    assert "NOT CONNECTED: no answer" in text
    assert "what follows is " in text
    fake.silent = False
    monitor.look()
    assert not monitor.lost


def test_an_event_ends_the_rest(monitor: Monitor, fake: FakeDevice) -> None:
    """A fault is shown when it comes, not at the next look."""
    monitor.look()
    link = monitor.device.link
    event = frame({"ev": "fault", "fault": 9, "name": "DEWAR PRESSURE", "active": True})
    fake._later.append((fake.now_s + 0.2, lambda: event))  # pyright: ignore[reportPrivateUsage]
    begun_s = link.now_s
    monitor.rest(60.0)
    assert link.now_s - begun_s < 1.0


@pytest.mark.hazard("H-13")
def test_it_sends_nothing_that_changes_the_device(
    monitor: Monitor, fake: FakeDevice, plug: Plug
) -> None:
    """H-13: whatever happens, it only asks."""
    for state in ("READY", "FREEZING", "FAULT", "READY"):
        fake.state = state
        monitor.look()
        monitor.rest(0.1)
    plug.pull()
    monitor.look()
    plug.insert("COM7")
    monitor.look()
    assert {request["op"] for request in fake.heard} <= ASKS
    assert not any(request.get("utc_s") for request in fake.heard)


def test_on_the_simulated_device(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    args = Namespace(port="sim://", every=0.5, count=3, json=True)
    assert monitors.run(args, 1.5, pauses.append) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"]["state"] for line in lines] == ["READY"] * 3
    assert lines[0]["connected"] is True
    assert len(pauses) == 2
    assert main(["--port", "sim://", "monitor", "--count", "1"]) == 0
    out = capsys.readouterr().out
    assert "Cryodose e661640843275b2c  sim://" in out
    assert "boot" in out
    assert main(["--port", "sim://", "monitor", "--every", "0"]) == 2


def test_ctrl_c_is_its_end(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    args = Namespace(port="sim://", every=0.5, count=0, json=True)
    assert monitors.run(args, 1.5, interrupt) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_port_that_is_lost_while_it_rests(monitor: Monitor, plug: Plug) -> None:
    monitor.look()
    plug.pull()
    monitor.rest(1.0)
    assert monitor.lost
    with pytest.raises(PortLost):
        monitor.device.status()
