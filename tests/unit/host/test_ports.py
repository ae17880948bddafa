"""Finding the port, and opening it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
from serial.rfc2217 import PortManager

from host_tools.device import Device
from host_tools.errors import PortError, PortLost
from host_tools.link import Link
from host_tools.ports import find_port, list_ports, port_with, same_port, usual_name
from host_tools.pull import pull
from host_tools.store import Store
from host_tools.transport import open_transport
from tests.unit.host.fake_device import (
    FakeDevice,
    PseudoTerminal,
    SocketServer,
    journal,
    serial_port,
)


def port(device: str, vid: int | None, pid: int | None, number: str | None = None) -> object:
    return SimpleNamespace(
        device=device, vid=vid, pid=pid, serial_number=number,
        manufacturer="MicroPython" if vid else None, product="Board in FS mode" if vid else None,
        description="n/a",
    )  # fmt: skip


PICO = port("/dev/ttyACM0", 0x2E8A, 0x0005, "E6614C311B8A2337")
OTHER_PICO = port("/dev/ttyACM1", 0x2E8A, 0x0005, "E6614C311B000000")
MODEM = port("/dev/ttyUSB0", 0x0403, 0x6001, "FT1")
BUILT_IN = port("/dev/ttyS0", None, None)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    ports: list[object] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    return ports


def test_the_one_with_the_usb_identity_is_taken(found: list[object]) -> None:
    found += [BUILT_IN, MODEM, PICO]
    assert find_port() == "/dev/ttyACM0"
    first = list_ports()[0]
    assert (first.device, first.usb_id, first.candidate) == ("/dev/ttyACM0", "2e8a:0005", True)


def test_two_are_an_error_that_lists_both(found: list[object]) -> None:
    found += [OTHER_PICO, PICO]
    with pytest.raises(PortError) as caught:
        find_port()
    assert [name for name, _ in caught.value.candidates] == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert "E6614C311B8A2337" in caught.value.candidates[0][1]
    assert caught.value.exit_code == 3


def test_none_says_what_to_do(found: list[object]) -> None:
    found += [BUILT_IN, MODEM]
    with pytest.raises(PortError, match="no device found") as caught:
        find_port()
    assert "plug the device in" in caught.value.hint


def test_the_names_of_windows_and_macos_are_found_too(found: list[object]) -> None:
    """Windows reports a serial number in other letters, and counts to COM10 and on."""
    found += [port("COM10", 0x2E8A, 0x0005, "e6614c311b8a2337"), port("COM9", 0x2E8A, 0x0005, "A")]
    assert [info.device for info in list_ports()] == ["COM9", "COM10"]
    assert port_with("E6614C311B8A2337") == "COM10"
    found[:] = [
        port("/dev/cu.usbmodem1101", 0x2E8A, 0x0005, "B"),
        port("/dev/cu.Bluetooth", None, None),
    ]
    assert find_port() == "/dev/cu.usbmodem1101"
    with pytest.raises(PortError, match="no device with USB serial number A") as caught:
        port_with("A")
    assert [name for name, _ in caught.value.candidates] == ["/dev/cu.usbmodem1101"]


@pytest.mark.parametrize(
    ("platform", "given", "usual"),
    [
        ("win32", "com5", "COM5"),
        ("win32", "COM5:", "COM5"),
        ("win32", r"\\.\COM12", "COM12"),
        ("win32", " COM3 ", "COM3"),
        ("win32", "socket://10.0.0.1:80", "socket://10.0.0.1:80"),
        ("win32", "COMMON", "COMMON"),
        ("darwin", "/dev/tty.usbmodem1101", "/dev/cu.usbmodem1101"),
        ("darwin", "/dev/cu.usbmodem1101", "/dev/cu.usbmodem1101"),
        ("linux", "/dev/ttyACM0", "/dev/ttyACM0"),
        ("linux", "/dev/serial/by-id/usb-x", "/dev/serial/by-id/usb-x"),
    ],
)
def test_a_name_as_people_write_it(platform: str, given: str, usual: str) -> None:
    assert usual_name(given, platform) == usual


def test_a_link_is_the_port_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/ttyACM0")
    assert same_port(str(tmp_path / "by-id"), "/dev/ttyACM0")
    assert not same_port(str(tmp_path / "by-id"), "/dev/ttyACM1")


@pytest.mark.parametrize(("platform", "hint"), [("linux", "cryo udev"), ("darwin", "account")])
def test_a_port_without_permission(
    monkeypatch: pytest.MonkeyPatch, platform: str, hint: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("serial.serial_for_url", refuse)
    monkeypatch.setattr("sys.platform", platform)
    with pytest.raises(PortError, match="no permission to open /dev/ttyACM0") as caught:
        open_transport("/dev/ttyACM0")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/dev/no-such-port", "there is no port '/dev/no-such-port'"),
        ("nonsense://x", "there is no nonsense:// kind of port"),
        ("socket://127.0.0.1:1", "cannot open"),
        ("socket://127.0.0.1", "cannot open"),
        ("", "there is no port ''"),
        ("/dev/null", "cannot open"),
    ],
)
def test_a_port_that_cannot_be_opened_is_explained(url: str, text: str) -> None:
    with pytest.raises(PortError, match=text):
        open_transport(url)


def test_over_a_pseudo_terminal(fake: FakeDevice, terminal: PseudoTerminal) -> None:
    link = Link(open_transport(terminal.url))
    assert Device(link).hello().serial == fake.serial
    link.close()


def test_a_second_program_is_refused_with_the_reason(
    fake: FakeDevice, terminal: PseudoTerminal
) -> None:
    other = serial_port(terminal.url)
    try:
        with pytest.raises(PortError, match="another program has .* open"):
            open_transport(terminal.url)
    finally:
        other.close()
    open_transport(terminal.url).close()


def test_a_terminal_that_vanishes(fake: FakeDevice, terminal: PseudoTerminal) -> None:
    link = Link(open_transport(terminal.url))
    device = Device(link)
    device.hello()
    terminal.close()
    with pytest.raises(PortLost, match="has gone away"):
        device.hello()
    link.close()


def test_over_a_socket_in_bulk(fake: FakeDevice, server: SocketServer, store: Store) -> None:
    fake.journal = journal(fake.serial, 2000)
    link = Link(open_transport(server.url))
    result = pull(Device(link), store)
    link.close()
    assert (result.new, result.repeated) == (2000, 0)


def test_a_socket_cut_in_a_pull_keeps_what_came(
    fake: FakeDevice, server: SocketServer, store: Store
) -> None:
    fake.journal = journal(fake.serial, 2000)

    def cut(request: dict[str, object]) -> bytes:
        if request["op"] == "log" and int(str(request["from"])) > 1500:
            server.drop()
        return b""

    fake.before = cut
    fake.unknown = {"log_block"}  # page by page: a block comes as a whole before the cut
    link = Link(open_transport(server.url))
    with pytest.raises(PortLost, match="has gone away") as caught:
        pull(Device(link), store)
    link.close()
    kept = store.last_seq(fake.serial)
    assert 1000 < kept <= 1600
    assert f"{kept} new records" in caught.value.hint


@pytest.fixture
def rfc2217(fake: FakeDevice) -> Iterator[str]:
    """The device behind pyserial's own RFC 2217 server side."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, serial.serial_for_url("loop://", timeout=0) as line:
            manager = PortManager(line, SimpleNamespace(write=peer.sendall))
            while data := peer.recv(65536):
                heard = b"".join(manager.filter(data))
                reply = fake.feed(heard)
                if reply:
                    peer.sendall(b"".join(manager.escape(reply)))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(5)
    listener.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5
def test_over_rfc_2217(fake: FakeDevice, rfc2217: str, store: Store) -> None:
    fake.journal = journal(fake.serial, 60)
    link = Link(open_transport(rfc2217))
    assert pull(Device(link), store).new == 60
    link.close()
