"""Fixtures of the host tests: a fake device and the ports to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.device import Device
from host_tools.link import Link
from host_tools.store import Store
from tests.unit.host.fake_device import FakeDevice, MemoryTransport, PseudoTerminal, SocketServer


@pytest.fixture
def fake() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def transport(fake: FakeDevice) -> MemoryTransport:
    return MemoryTransport(fake)


@pytest.fixture
def link(transport: MemoryTransport) -> Link:
    return Link(transport, first_id=1)


@pytest.fixture
def device(link: Link) -> Device:
    return Device(link)


@pytest.fixture
def server(fake: FakeDevice) -> Iterator[SocketServer]:
    server = SocketServer(fake)
    yield server
    server.close()


@pytest.fixture
def terminal(fake: FakeDevice) -> Iterator[PseudoTerminal]:
    terminal = PseudoTerminal(fake)
    yield terminal
    terminal.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "folder" / "records.sqlite") as store:
        yield store


@pytest.fixture
def store_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "records.sqlite"
    monkeypatch.setenv("CRYO_STORE", str(path))
    return path
