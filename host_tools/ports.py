"""Which serial port is the device? May import pyserial's port list and `errors`.

A Raspberry Pi Pico with MicroPython is known by its USB identity. Other boards with the same
chip and MicroPython have the same one, so more than one candidate is an error, never a guess.
"""

from dataclasses import dataclass

from host_tools.errors import PortError

USB_VID = 0x2E8A
USB_PID = 0x0005
"""Raspberry Pi's vendor id, and MicroPython's product id on the RP2040 (official build)."""


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

    found: list[PortInfo] = []
    for port in comports():
        usb = port.vid is not None and port.pid is not None
        found.append(
            PortInfo(
                port.device,
                _about(port.manufacturer, port.product or port.description),
                f"{port.vid:04x}:{port.pid:04x}" if usb else "",
                port.serial_number or "",
                (port.vid, port.pid) == (USB_VID, USB_PID),
            )
        )
    return sorted(found, key=lambda info: (not info.candidate, info.device))


def find_port() -> str:
    """The one port that can be the device's. Raises PortError: none, or more than one."""
    candidates = [info for info in list_ports() if info.candidate]
    if len(candidates) == 1:
        return candidates[0].device
    if candidates:
        raise PortError(
            f"{len(candidates)} ports could be the device",
            "say which: --port PORT, or the variable CRYO_PORT",
            [
                (info.device, f"{info.about}, serial {info.usb_serial or 'unknown'}")
                for info in candidates
            ],
        )
    raise PortError(
        "no device found on USB",
        "plug the device in (with a cable for data, not only for charging) and switch it on, or"
        " name the port with --port. Without a device: --port sim://",
    )


def _about(maker: str | None, product: str | None) -> str:
    words = [word for word in (maker, product) if word and word != "n/a"]
    return " ".join(words) or "serial port"
