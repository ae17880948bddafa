"""Which serial port is the device? May import pyserial's port list and `errors`.

A Raspberry Pi Pico with MicroPython is known by its USB identity. Other boards with the same
chip and MicroPython have the same one, so more than one candidate is an error, never a guess.

A port's name is the operating system's: `/dev/ttyACM0`, or a link such as
`/dev/serial/by-id/usb-MicroPython_...`, on Linux; `COM5` on Windows; `/dev/cu.usbmodem1101` on
macOS.
"""

import os
import re
import sys
from dataclasses import dataclass

from host_tools.errors import PortError

USB_VID = 0x2E8A
USB_PID = 0x0005
"""Raspberry Pi's vendor id, and MicroPython's product id on the RP2040 (official build)."""

_WINDOWS_NAME = re.compile(r"(?:\\\\\.\\)?(com\d+):?", re.IGNORECASE)


@dataclass(frozen=True)
class PortInfo:
    """A serial port of this computer."""

    device: str
    about: str
    usb_id: str
    """`2e8a:0005`, or empty when it is not on USB."""
    usb_serial: str
    candidate: bool
    """True when the USB identity is the device's."""


def list_ports() -> list[PortInfo]:
    """All serial ports of this computer, candidates first."""
    from serial.tools.list_ports import comports

    listed: list[PortInfo] = []
    for port in comports():
        usb = port.vid is not None and port.pid is not None
        listed.append(
            PortInfo(
                port.device,
                _about(port.manufacturer, port.product or port.description),
                f"{port.vid:04x}:{port.pid:04x}" if usb else "",
                port.serial_number or "",
                (port.vid, port.pid) == (USB_VID, USB_PID),
            )
        )
    return sorted(listed, key=lambda info: (not info.candidate, _in_order(info.device)))


def find_port() -> str:
    """The one port that can be the device's. Raises PortError: none, or more than one."""
    candidates = [info for info in list_ports() if info.candidate]
    if len(candidates) == 1:
        return candidates[0].device
    if candidates:
        raise PortError(
            f"{len(candidates)} ports could be the device",
            "say which: --port PORT, or the variable CRYO_PORT",
            _choice(candidates),
        )
    raise PortError(
        "no device found on USB",
        "plug the device in (with a cable for data, not only for charging) and switch it on, or"
        " name the port with --port. Without a device: --port sim://",
    )


def port_with(usb_serial: str) -> str:
    """The port of the USB device with this serial number, whatever it is called at present.

    Capital letters count as small ones: Windows reports them otherwise than Linux. Raises
    PortError when there is none; its candidates are the devices that there are.
    """
    listed = list_ports()
    for info in listed:
        if info.usb_serial.lower() == usb_serial.lower():
            return info.device
    raise PortError(
        f"no device with USB serial number {usb_serial} is connected",
        "plug it in, and switch it on; `cryo ports` lists what there is",
        _choice([info for info in listed if info.candidate]),
    )


def usb_serial_of(port: str) -> str:
    """The USB serial number of the device at a port; empty where there is none."""
    if "://" in port:
        return ""
    there = (info for info in list_ports() if same_port(info.device, port))
    return next((info.usb_serial for info in there if info.usb_serial), "")


def usual_name(port: str, platform: str = sys.platform) -> str:
    """A port's name as pyserial and the port list have it; URLs stay as they are.

    Windows: `com5`, `COM5:` and `\\\\.\\COM12` are COM5, COM5, COM12 (pyserial adds the prefix that
    COM10 and above need). macOS: `/dev/tty.usbmodem1101` waits, on opening, for a modem's carrier
    that never comes; `/dev/cu.usbmodem1101` is the same port without that.
    """
    if "://" in port:
        return port
    if platform == "win32":
        name = _WINDOWS_NAME.fullmatch(port.strip())
        return name[1].upper() if name else port
    if platform == "darwin" and port.startswith("/dev/tty."):
        return "/dev/cu." + port.removeprefix("/dev/tty.")
    return port


def same_port(one: str, other: str) -> bool:
    """Whether two names are the same port: links are followed."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _choice(listed: list[PortInfo]) -> list[tuple[str, str]]:
    return [
        (info.device, f"{info.about}, serial {info.usb_serial or 'unknown'}") for info in listed
    ]


def _in_order(name: str) -> tuple[str, int]:
    """COM9 before COM10."""
    parts = re.fullmatch(r"(.*?)(\d*)", name)
    assert parts is not None
    return parts[1], int(parts[2] or 0)


def _about(maker: str | None, product: str | None) -> str:
    words = [word for word in (maker, product) if word and word != "n/a"]
    return " ".join(words) or "serial port"
