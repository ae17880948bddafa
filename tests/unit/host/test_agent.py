"""`cryo agent`: several devices, unplugged and plugged in again, a store that is away, its end; and
what it tells others. Nothing is lost, nothing is doubled (H-08)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from host_tools import agent as agents, agent_reports as reports, documents
from host_tools.agent import AWAY, OK, STORE, Agent, Seen, Wanted
from host_tools.cli import main
from host_tools.errors import LocalError, UsageError
from host_tools.store import Store
from tests.rules.source import ROOT
from tests.unit.host.fake_device import FakeDevice, PseudoTerminal, SocketServer, journal
from tests.unit.host.servers import Mosquitto
from tests.unit.host.test_connection import usb_port


class Watched:
    """An agent in a thread, and the last that it said of each device."""

    def __init__(self, path: Path, ports: list[str], **options: Any) -> None:
        self.seen: dict[str, Seen] = {}
        self.hows: list[str] = []
        self.agent = Agent(Wanted(path, ports, 0.03, timeout_s=0.3, **options), [self._tell])
        self._thread = threading.Thread(target=self.agent.run, daemon=True)
        self._thread.start()

    def _tell(self, seen: Seen) -> None:
        self.seen = self.seen | {seen.key: seen}  # another thread reads it
        self.hows.append(seen.how)

    def until(self, happened: Callable[[], bool]) -> None:
        until_s = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < until_s, self.seen
            assert self._thread.is_alive()
            time.sleep(0.01)

    def end(self) -> None:
        self.agent.end()
        self._thread.join(15)
        assert not self._thread.is_alive()


@contextmanager
def watched(path: Path, *ports: str, **options: Any) -> Iterator[Watched]:
    made = Watched(path, list(ports), **options)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)
    monkeypatch.setattr(agents, "SCAN_S", 0.03)
    monkeypatch.setenv("CRYO_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv("CRYO_PORT", raising=False)


def stored(path: Path, serial: str) -> list[bytes]:
    with Store(path) as store:
        assert store.verify(serial).good
        return [record.raw for record in store.records(serial)]


@pytest.mark.slow
def test_two_devices_a_lost_line_and_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.sqlite"
    fakes = [FakeDevice("AAAA"), FakeDevice("BBBB")]
    journals = {fake.serial: journal(fake.serial, 600) for fake in fakes}
    servers = [SocketServer(fake) for fake in fakes]
    away = threading.Event()

    def store_at(place: Path) -> Store:
        if away.is_set():
            raise LocalError("the record store cannot be used: the server is away")
        return Store(place)

    def cutting(fake: FakeDevice, server: SocketServer) -> None:
        """The line is cut in the middle of three pulls."""
        before, cuts = fake.before, [180, 330, 480]

        def cut(request: dict[str, object]) -> bytes:
            if cuts and request.get("op") == "log" and int(str(request["from"])) > cuts[0]:
                cuts.pop(0)
                threading.Thread(target=server.drop).start()
                time.sleep(0.05)
            return before(request)

        fake.before = cut

    monkeypatch.setattr(agents, "Store", store_at)
    for fake, server in zip(fakes, servers, strict=True):
        fake.unknown = {"log_block"}  # page by page
        fake.journal = journals[fake.serial][:100]
        cutting(fake, server)
    with watched(path, *(server.url for server in servers)) as agent:
        agent.until(lambda: sorted(seen.stored for seen in agent.seen.values()) == [100, 100])
        for head in range(150, 601, 50):
            for fake in fakes:
                fake.journal = journals[fake.serial][:head]
            if head == 300:
                away.set()
                agent.until(lambda: {seen.how for seen in agent.seen.values()} == {STORE})
                away.clear()
            time.sleep(0.02)
        agent.until(lambda: [seen.stored for seen in agent.seen.values()] == [600, 600])
        agent.until(lambda: {seen.how for seen in agent.seen.values()} == {OK})
        assert all(seen.new == 600 for seen in agent.seen.values())
        assert AWAY in agent.hows
    for fake in fakes:
        assert stored(path, fake.serial) == journals[fake.serial]
    for server in servers:
        server.close()


@pytest.mark.slow
def test_devices_are_found_on_usb_as_they_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is there, one is plugged in; the first one comes back under another name."""
    path = tmp_path / "records.sqlite"
    attached: list[Any] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: list(attached))
    first, other = FakeDevice("AAAA"), FakeDevice("BBBB")
    first.journal, other.journal = journal("AAAA", 40), journal("BBBB", 30)
    plug = PseudoTerminal(first)
    attached.append(usb_port(plug.url, "E1"))
    with watched(path) as agent:
        agent.until(lambda: "E1" in agent.seen and agent.seen["E1"].stored == 40)
        socket = PseudoTerminal(other)
        attached.append(usb_port(socket.url, "E2"))
        agent.until(lambda: "E2" in agent.seen and agent.seen["E2"].stored == 30)
        del attached[0]
        plug.close()
        agent.until(lambda: agent.seen["E1"].how == AWAY)
        first.journal = journal("AAAA", 70)
        plug = PseudoTerminal(first)
        attached.append(usb_port(plug.url, "E1"))
        agent.until(lambda: agent.seen["E1"].stored == 70)
        assert (agent.seen["E1"].serial, agent.seen["E1"].new) == ("AAAA", 70)
        agent.until(lambda: agent.seen["E2"].how == OK)
    assert stored(path, "AAAA") == journal("AAAA", 70)
    plug.close()
    socket.close()


@pytest.mark.slow
def test_a_contradiction_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, server: SocketServer, fake: FakeDevice
) -> None:
    path = tmp_path / "records.sqlite"
    fake.journal = journal(fake.serial, 50)
    strange = FakeDevice(fake.serial)  # the same serial number, another past
    strange.journal = journal(fake.serial, 80, salt=1)
    other = SocketServer(strange)
    with watched(path, server.url) as agent:
        agent.until(lambda: server.url in agent.seen and agent.seen[server.url].stored == 50)
    with watched(path, server.url, other.url) as agent:
        agent.until(lambda: len(agent.seen) == 2)
        assert agent.seen[other.url].how == agents.CONTRADICTION
        agent.until(lambda: agent.seen[server.url].visits >= 3)
    assert stored(path, fake.serial) == fake.journal
    other.close()


@pytest.mark.parametrize("release", [True, False])
def test_what_is_stored_is_released_once(
    tmp_path: Path, server: SocketServer, fake: FakeDevice, release: bool
) -> None:
    fake.journal = journal(fake.serial, 50)
    asked: list[object] = []
    before = fake.before

    def note(request: dict[str, object]) -> bytes:
        if request["op"] == "log_release":
            asked.append(request["seq"])
        return before(request)

    fake.before = note
    with watched(tmp_path / "records.sqlite", server.url, release=release) as agent:
        agent.until(lambda: server.url in agent.seen and agent.seen[server.url].visits >= 4)
    assert asked == ([50] if release else [])


def test_it_ends_in_the_middle_of_a_pull(
    tmp_path: Path, server: SocketServer, fake: FakeDevice
) -> None:
    """Whole batches are stored, and the next one goes on behind them."""
    path = tmp_path / "records.sqlite"
    fake.unknown = {"log_block"}
    fake.journal = journal(fake.serial, 3000)
    before, reached = fake.before, threading.Event()

    def slow(request: dict[str, object]) -> bytes:
        if request.get("op") == "log" and int(str(request["from"])) > 700:
            reached.set()
            time.sleep(0.02)
        return before(request)

    fake.before = slow
    agent = Watched(path, [server.url])
    assert reached.wait(20)
    agent.end()
    count = len(stored(path, fake.serial))
    assert 500 <= count < 3000
    fake.before = before
    with watched(path, server.url) as again:
        again.until(lambda: server.url in again.seen and again.seen[server.url].stored == 3000)
        assert again.seen[server.url].new == 3000 - count
    assert stored(path, fake.serial) == fake.journal


def test_the_command_serves_the_simulated_device_until_sigterm(tmp_path: Path) -> None:
    path = tmp_path / "simulated.sqlite"
    command = [
        sys.executable, "-m", "host_tools", "--json", "agent", "sim://", "--every", "0.1",
        "--store", str(path),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"CRYO_KEYS": str(tmp_path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert (told["how"], told["missing"]) == (OK, 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.communicate()
    assert len(stored(path, told["serial"])) >= told["stored"] > 0


# -- what it tells others -----------------------------------------------------------------------

GOOD = Seen("E1", "AAAA", OK, "", "/dev/ttyACM0", 50, 50, 50, 3, 1, 1_800_000_000)


def test_metrics_on_a_port_and_in_a_file(tmp_path: Path) -> None:
    textfile = tmp_path / "cryodose.prom"
    metrics = reports.Metrics("0", str(textfile))
    try:
        metrics.report(GOOD)
        metrics.report(Seen("E2", how=STORE, why="away", visits=1, failures=1))
        port = metrics.port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        metrics.close()
    assert text == textfile.read_text()
    for line in (
        'cryodose_up{device="AAAA"} 1.0', 'cryodose_up{device="E2"} 0.0',
        'cryodose_store_up{device="E2"} 0.0', 'cryodose_stored_head{device="AAAA"} 50.0',
        'cryodose_failed_visits{device="AAAA"} 1.0',
    ):  # fmt: skip
        assert line in text
    with pytest.raises(UsageError, match="is no port"):
        reports.Metrics("here", None)


@pytest.mark.slow
def test_states_at_a_broker_that_goes_away_and_comes_back() -> None:
    from paho.mqtt import client as mqtt

    broker = Mosquitto()
    heard: list[tuple[str, str]] = []
    reader = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    reader.reconnect_delay_set(1, 1)
    reader.on_connect = lambda client, *_: client.subscribe("cryodose/#", 1)  # pyright: ignore[reportUnknownLambdaType, reportUnknownMemberType]
    reader.on_message = lambda *call: heard.append((call[2].topic, call[2].payload.decode()))  # pyright: ignore[reportUnknownLambdaType, reportUnknownMemberType]
    sender = reports.Mqtt(f"mqtt://127.0.0.1:{broker.port}")

    def until(wanted: tuple[str, str]) -> None:
        until_s = time.monotonic() + 20
        while not any(topic == wanted[0] and wanted[1] in text for topic, text in heard):
            assert time.monotonic() < until_s, heard
            time.sleep(0.01)

    try:
        reader.connect("127.0.0.1", broker.port)
        reader.loop_start()
        until(("cryodose/agent", "online"))
        sender.report(GOOD)
        until(("cryodose/AAAA/state", '"stored": 50'))
        count = len(heard)
        sender.report(GOOD)  # nothing is new
        broker.stop()
        sender.report(Seen("E1", "AAAA", AWAY, "unplugged", head=50, stored=50, new=50))
        assert not [text for topic, text in heard[count:] if topic.endswith("state")]
        heard.clear()
        broker.start()  # it has forgotten all
        until(("cryodose/AAAA/state", '"why": "unplugged"'))
        sender.close()
        until(("cryodose/agent", "offline"))
    finally:
        reader.disconnect()
        reader.loop_stop()
        sender.close()
        broker.close()


@pytest.mark.parametrize("url", ["http://host", "mqtt://", "broker"])
def test_what_is_no_broker_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="is no broker"):
        reports.Mqtt(url)


def test_a_line_for_what_is_new_only(capsys: pytest.CaptureFixture[str]) -> None:
    report = reports.lines(False)
    for seen in (GOOD, GOOD, Seen("E1", "AAAA", AWAY, "no port", new=50), GOOD):
        report(seen)
    assert capsys.readouterr().err.splitlines() == [
        "AAAA: 50 new records, newest #50", "AAAA: away: no port",
        "AAAA: 0 new records, newest #50",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("prometheus_client", lambda: reports.Metrics("0", None)),
        ("paho.mqtt", lambda: reports.Mqtt("mqtt://localhost")),
    ],
)
def test_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, make: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LocalError, match="needs the extra 'fleet'"):
        make()


def test_the_unit_names_this_very_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "--unit"]) == 0
    assert "\nExecStart=/" in capsys.readouterr().out
    text = documents.unit("/opt/cryodose/bin/cryo")
    assert "ExecStart=/opt/cryodose/bin/cryo agent\n" in text
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        path = tmp_path / "cryodose-agent.service"
        path.write_text(documents.unit(sys.executable))
        done = subprocess.run([analyze, "verify", path], capture_output=True, text=True)
        assert "cryodose-agent" not in done.stderr, done.stderr
