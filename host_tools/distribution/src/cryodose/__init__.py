"""Cryodose: the host side of a hand-held liquid nitrogen applicator, in Python.

    from cryodose import connect

    with connect() as device:
        print(device.serial, device.identity.fw)
        for record in device.records():
            print(device.explain(record))

`connect("sim://")` is the simulated device (extra `sim`). What is listed in `__all__` is the
interface; it is loaded when it is first used, so that the command `cryo` starts quickly.
docs/cryo.md, "In Python", tells more, and docs/examples has programs to begin with.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from host_tools.connection import Connection, connect
    from host_tools.description import Description, Setting
    from host_tools.device import DeviceTime, Hello, LogPage, SetReply, Value
    from host_tools.errors import (
        CryoError,
        IntegrityError,
        LinkError,
        LinkTimeout,
        LocalError,
        NotConfirmed,
        PortError,
        PortLost,
        ProtocolError,
        Refused,
    )
    from host_tools.ports import PortInfo, list_ports
    from host_tools.records import Record

    __version__: str

__all__ = [
    "Connection",
    "CryoError",
    "Description",
    "DeviceTime",
    "Hello",
    "IntegrityError",
    "LinkError",
    "LinkTimeout",
    "LocalError",
    "LogPage",
    "NotConfirmed",
    "PortError",
    "PortInfo",
    "PortLost",
    "ProtocolError",
    "Record",
    "Refused",
    "SetReply",
    "Setting",
    "Value",
    "connect",
    "list_ports",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("cryodose")
    if name in __all__:
        from host_tools import connection, description, device, errors, ports, records

        for module in (connection, description, device, errors, ports, records):
            if name in vars(module):
                globals()[name] = vars(module)[name]
                return globals()[name]
    raise AttributeError(f"module 'cryodose' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
