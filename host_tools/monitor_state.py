"""What `cryo monitor` knows of a device: status, faults, the newest records, whether it answers.

May import `description`, `device`, `errors` and the standard library. It only asks (`status`,
`describe`, `log`): nothing it sends changes the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from host_tools.description import PARTS, Description, Table
from host_tools.errors import LinkError, PortError, Refused

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message
    from host_tools.records import Record

ASKS = frozenset({"hello", "status", "describe", "log"})
"""All requests that a monitor sends; `hello` when its port is opened."""

RECORDS = 6
"""Newest records that are shown."""


@dataclass
class Monitor:
    """What is known of a device. `look` updates it; a device that is away is no error."""

    device: Device
    serial: str
    port: Callable[[], str]
    status: Message | None = None
    """The last status; kept, with its age, while the device is away."""
    seen_s: float = 0.0
    """When the last status came, on the link's clock."""
    lost: str = ""
    """Why the device does not answer at present; empty: it does."""
    records: list[Record] = field(default_factory=list["Record"])
    returns: int = 0
    """How often the device came back after it was away."""
    _tables: dict[str, Table] = field(default_factory=dict[str, Table])
    _boots: int = 0

    def look(self) -> None:
        """Ask once."""
        link = self.device.link
        try:
            if self.lost:
                self._tables.clear()  # it may come back with another firmware
            self.status = self.device.status()
            self.seen_s = link.now_s
            if self.lost:
                self.lost, self.returns = "", self.returns + 1
            if link.boots != self._boots:
                self._boots = link.boots
                self._tables.clear()
            self._learn()
        except Refused:
            pass  # the valve is open: only the status is given
        except (LinkError, PortError) as error:
            self.lost = error.text

    def _learn(self) -> None:
        """What the device says about itself, once; and the newest records, when there are more."""
        assert self.status is not None
        if self.status.get("valve") == "open":
            return
        for part in PARTS:
            if part not in self._tables:
                self._tables[part] = self.device.describe(part)
        head = self.status.get("log_head")
        newest = self.records[-1].seq if self.records else 0
        if isinstance(head, int) and head > 0 and head != newest:
            first = self.device.log(head + 1, 1).first
            page = self.device.log(max(first, head - RECORDS + 1), RECORDS)
            self.records = list(page.records)

    @property
    def description(self) -> Description:
        """What the device has said about itself so far."""
        return Description(self._tables.values())

    @property
    def age_s(self) -> float:
        """How old the last status is, seconds."""
        return max(0.0, self.device.link.now_s - self.seen_s)

    def fault_rows(self) -> list[tuple[Any, ...]]:
        """The rows of `describe` for the active faults, as far as they are known."""
        numbers: list[int] = (self.status or {}).get("faults") or []
        table = self._tables.get("faults")
        return [row for row in table.rows if row[0] in numbers] if table else []

    def named(self) -> dict[str, Any]:
        """The status with the applicator's name instead of its number, where it is known."""
        status = dict(self.status or {})
        number = status.get("applicator")
        if isinstance(number, int):
            status["applicator"] = self.description.name("applicators", number) or number
        return status

    def rest(self, seconds: float) -> None:
        """Wait until the next look; an event of the device ends it, and so does a lost port."""
        if self.lost:
            return  # the next look waits for the port
        try:
            self.device.link.wait_event(lambda _: True, seconds)
        except (LinkError, PortError) as error:
            self.lost = error.text

    def as_dict(self) -> dict[str, Any]:
        """One line of `--json`."""
        return {
            "serial": self.serial, "port": self.port(), "connected": not self.lost,
            "why": self.lost or None, "age_s": round(self.age_s, 1), "returns": self.returns,
            "status": self.status,
        }  # fmt: skip
