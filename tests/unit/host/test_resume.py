"""A pull across a port that vanishes: each record once, in the end (H-08)."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools import ports, resume
from host_tools.cli import main
from host_tools.device import Device
from host_tools.errors import LinkTimeout, PortError, PortLost
from host_tools.link import Link
from host_tools.ports import PortInfo
from host_tools.resume import FRUITLESS_MOST, Reach, pull_on
from host_tools.store import Store
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, SocketServer, journal


class Plug:
    """A device that is unplugged after a number of bytes, and comes back after some time."""

    def __init__(self, fake: FakeDevice, after: list[int | None], away: int = 3) -> None:
        self.fake, self.after, self.away = fake, after, away
        self.now_s = 0.0
        self.said: list[str] = []
        self.opened: list[str] = []
        self._missing = 0

    def open_at(self, url: str) -> Device:
        self.opened.append(url)
        if self._missing:
            self._missing -= 1
            raise PortError(f"there is no port '{url}'")
        self._missing = self.away
        transport = MemoryTransport(self.fake, url)
        transport.gone_after = self.after.pop(0) if self.after else None
        return Device(Link(transport, timeout_s=0.5, first_id=1))

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def reach(self, url: str = "/dev/ttyACM0") -> Reach:
        return Reach(
            url, self.open_at, self.said.append, now_s=lambda: self.now_s, sleep=self.sleep
        )


@pytest.fixture(autouse=True)
def _no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "list_ports", list)


def test_three_losses_and_each_record_once(fake: FakeDevice, store: Store) -> None:
    fake.journal = journal(fake.serial, 3000)
    plug = Plug(fake, [50_000, 50_000, 50_000, None])
    seen: list[tuple[int, int]] = []
    result = pull_on(plug.reach(), store, progress=lambda *done: seen.append(done))
    assert [record.raw for record in store.records(fake.serial)] == fake.journal
    assert (result.new, result.stored_before, result.head) == (3000, 0, 3000)
    assert store.verify(fake.serial).good
    assert [text.split(";")[0] for text in plug.said[::2]] == [
        "the port memory:// has gone away"
    ] * 3
    assert plug.said[1] == "it is back on /dev/ttyACM0; going on"
    assert seen


def test_a_port_that_stays_away_ends_it(fake: FakeDevice, store: Store) -> None:
    fake.journal = journal(fake.serial, 1000)
    plug = Plug(fake, [60_000], away=1_000_000)
    with pytest.raises(PortLost) as caught:
        pull_on(plug.reach(), store)
    assert "did not come back within 30 s (there is no port" in caught.value.hint
    assert 30 <= plug.now_s < 32
    assert 0 < store.last_seq(fake.serial) < 1000


def test_a_port_that_vanishes_each_time_ends_it(fake: FakeDevice, store: Store) -> None:
    fake.journal = journal(fake.serial, 1000)
    plug = Plug(fake, [50] * 100, away=0)
    with pytest.raises(PortLost):
        pull_on(plug.reach(), store)
    assert len(plug.opened) == FRUITLESS_MOST


def test_a_device_that_never_answers_is_an_error_at_once(fake: FakeDevice, store: Store) -> None:
    fake.silent = True
    plug = Plug(fake, [None])
    with pytest.raises(LinkTimeout):
        pull_on(plug.reach(), store)
    assert not plug.said


def test_another_name_for_the_same_usb_serial_number(
    fake: FakeDevice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reset the system may call the port ttyACM1, and another device ttyACM0."""
    there = [PortInfo("/dev/ttyACM0", "Pico", "2e8a:0005", "E66A", True)]
    monkeypatch.setattr(ports, "list_ports", lambda: there)
    fake.journal = journal(fake.serial, 1000)
    plug = Plug(fake, [60_000, None], away=0)
    reached = plug.reach()
    there[:] = [
        PortInfo("/dev/ttyACM0", "Pico", "2e8a:0005", "OTHER", True),
        PortInfo("/dev/ttyACM1", "Pico", "2e8a:0005", "E66A", True),
    ]
    pull_on(reached, store)
    assert plug.opened == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert plug.said[1] == "it is back on /dev/ttyACM1 (USB serial E66A); going on"
    assert store.last_seq(fake.serial) == 1000


@pytest.mark.parametrize("command", ["pull", "follow"])
def test_the_command_goes_on_over_a_real_port(
    fake: FakeDevice,
    server: SocketServer,
    store_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """The connection is cut twice in the middle."""
    monkeypatch.setattr("serial.urlhandler.protocol_socket.time.sleep", lambda _: None)
    monkeypatch.setattr(resume, "_PAUSE_S", 0.01)
    fake.unknown = {"log_block"}  # page by page, as older firmware does
    fake.journal = journal(fake.serial, 2500)
    cuts = [700, 1900]
    original: Callable[[dict[str, object]], bytes] = fake.before

    def before(request: dict[str, object]) -> bytes:
        if cuts and request.get("op") == "log" and int(str(request["from"])) > cuts[0]:
            cuts.pop(0)
            threading.Thread(target=server.drop).start()
            time.sleep(0.05)
        return original(request)

    fake.before = before
    argv = ["--port", server.url, "--json", "log", command]
    if command == "pull":
        assert main(argv) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["new"] == 2500
    else:
        calls: list[float] = []

        def stop(_self: object, _matches: object, seconds: float) -> None:
            calls.append(seconds)
            if seconds == 0.125:  # between two pulls
                raise KeyboardInterrupt

        monkeypatch.setattr(Link, "wait_event", stop)
        assert main([*argv, "--every", "0.125", "-n", "30"]) == 130
        out, err = capsys.readouterr()
        assert [json.loads(line)["seq"] for line in out.splitlines()] == list(range(2471, 2501))
    assert err.count("going on") == 2
    with Store(store_path) as store:
        assert [record.raw for record in store.records(fake.serial)] == fake.journal
