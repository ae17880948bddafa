"""An applicator's table and a setting on the device: read, offered, confirmed there.

May import `errors` and the standard library.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from host_tools import fit as fits
from host_tools.errors import ProtocolError, UsageError

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message


@dataclass(frozen=True)
class Table:
    """An applicator's table as the device has it in force."""

    applicator: int
    name: str
    source: str
    provenance: str
    spot_um: int
    kind: int
    h_w_m2k: int
    spread_permille: int
    times_ms: tuple[int, ...]
    um: tuple[int, ...]
    um_cold: tuple[int, ...]


def ints(reply: Message, key: str) -> tuple[int, ...]:
    found = cast("list[object] | None", reply.get(key))
    if not isinstance(found, list):
        raise ProtocolError(f"the device's reply lacks a proper '{key}'")
    numbers = tuple(value for value in found if isinstance(value, int))
    if len(numbers) != len(found):
        raise ProtocolError(f"the device's reply lacks a proper '{key}'")
    return numbers


def read_table(device: Device, applicator: int) -> Table:
    """The table in force. Raises Refused (no such applicator)."""
    reply = device.link.request("table_read", applicator=applicator)
    try:
        return Table(
            applicator,
            str(reply["name"]),
            str(reply["source"]),
            str(reply["provenance"]),
            int(reply["spot_um"]),
            2 if str(reply["name"]).startswith("Probe") else 1,
            int(reply["h_w_m2k"]),
            int(reply["spread_permille"]),
            ints(reply, "times_ms"),
            ints(reply, "um"),
            ints(reply, "um_cold"),
        )
    except (KeyError, TypeError, ValueError):
        raise ProtocolError("the device's table is of an unknown form") from None


def write_table(
    device: Device, applicator: int, new: fits.NewTable, *, run: int, author: str, utc_s: int
) -> Message:
    """Stage both curves and offer the table; the reply says whether it waits for confirmation."""
    for target, um in ((1, new.um), (2, new.um_cold)):
        device.link.request("table_curve", applicator=applicator, target=target, um=list(um))
    return device.link.request(
        "table_write",
        applicator=applicator,
        h_w_m2k=new.h_w_m2k,
        spread_permille=new.spread_permille,
        skin_ms=new.skin_ms,
        model=int(fits.phantom()["version"]),
        run=run,
        utc_s=utc_s,
        author=author,
    )


def wait_table(device: Device, applicator: int, reply: Message, done: Callable[[], bool]) -> None:
    """Wait until the offered change has been confirmed on the device.

    `done` looks at the device whether it is in force: events may be lost. Raises NotConfirmed.
    """
    if reply.get("applied") is True:
        return
    device.wait_decision(
        lambda ev: (
            ev.get("applied") is True
            if ev.get("ev") == "table" and ev.get("applicator") == applicator
            else None
        ),
        lambda: True if done() else None,
        float(reply.get("expires_s", 60.0)),
        "the table is unchanged",
    )


def find_applicator(device: Device, given: str) -> int:
    rows = device.describe("applicators").rows
    for row in rows:
        if given == str(row[0]) or "".join(given.lower().split()) == "".join(
            str(row[1]).lower().split()
        ):
            return int(row[0])
    names = ", ".join(f"{row[0]} ({' '.join(str(row[1]).split())})" for row in rows)
    raise UsageError(f"no applicator '{given}'", f"there are: {names}")


def say(args: Namespace, text: str) -> None:
    if not args.json:
        print(text, file=sys.stderr)


def set_value(args: Namespace, device: Device, key: str, value: int) -> None:
    say(args, f"{key}: {device.get(key).value} → {value}")
    reply = device.set(key, value)
    if not reply.applied:
        say(args, f"now {reply.confirm}")
        device.wait_confirmed(reply)
