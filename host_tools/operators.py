"""`cryo operators`: the operators that the device knows, and changes of them.

Imported only when the command is run; imports `errors`, the standard library, and rich in a
function. No PIN is sent or received: the new operator enters it at the device.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, cast

from host_tools.errors import ProtocolError, UsageError

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message

ROLES = ("physician", "nurse", "technician")
"""Roles 1, 2, 3 of the protocol."""


def role_name(number: int) -> str:
    """A role in words."""
    return ROLES[number - 1] if 1 <= number <= len(ROLES) else str(number)


def stored(device: Device) -> tuple[Message, dict[int, int]]:
    """The reply to `operators`, and the role of each operator by number."""
    reply = device.link.request("operators")
    rows = reply.get("operators")
    if not isinstance(rows, list):
        raise ProtocolError("the device's reply lacks a proper 'operators'")
    roles: dict[int, int] = {}
    for row in cast("list[Any]", rows):
        if not (isinstance(row, list) and len(cast("list[Any]", row)) == 2):
            raise ProtocolError(f"the device lists an operator as {row!r}")
        number, role = cast("list[Any]", row)
        if not isinstance(number, int) or not isinstance(role, int):
            raise ProtocolError(f"the device lists an operator as {row!r}")
        roles[number] = role
    return reply, roles


def show(device: Device) -> dict[str, Any]:
    """All operators, who is signed in, and whether they are required."""
    reply, roles = stored(device)
    rows = [{"number": number, "role": role_name(role)} for number, role in sorted(roles.items())]
    signed_in = reply.get("signed_in")
    return {"required": reply.get("required") == 1, "signed_in": signed_in, "operators": rows}


def change(args: Namespace, device: Device) -> dict[str, Any]:
    """Add or remove an operator, or ask for a new PIN, and wait for the device."""
    fields: dict[str, Any] = {"do": args.do, "number": args.number}
    if args.do == "add":
        fields["role"] = ROLES.index(args.role) + 1
    generation = _generation(device)
    reply = device.link.request("operators", **fields)
    if reply.get("applied") is not True:
        if not args.json:
            print(f"now {reply.get('confirm')}", file=sys.stderr)
            if args.do != "remove":
                print("then enter the new PIN there, twice", file=sys.stderr)
        wait(device, args.number, generation, float(reply.get("expires_s", 60.0)))
    return {"do": args.do, "number": args.number, "outcome": "done"}


def _generation(device: Device) -> int:
    generation = stored(device)[0].get("generation")
    return generation if isinstance(generation, int) else 0


def wait(device: Device, number: int, generation: int, expires_s: float) -> None:
    """Wait until a change has been made at the device. Raises NotConfirmed.

    `generation`: of the stored operators before the request. Events may be lost, so the operators
    are also looked at every two seconds: a change that waits no longer was made if they were saved.
    """

    def look() -> bool | None:
        reply, _ = stored(device)
        if reply.get("waiting") == number:
            return None
        return reply.get("generation") != generation

    device.wait_decision(
        lambda ev: (
            ev.get("applied") is True
            if ev.get("ev") == "operator" and ev.get("number") == number
            else None
        ),
        look, expires_s, "nothing is changed", rejected="given up on the device",
    )  # fmt: skip


def run(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo operators list|add|remove|pin`."""
    if args.do == "list":
        data = show(device)
        if not args.json:
            for row in data["operators"]:
                mark = "  signed in" if row["number"] == data["signed_in"] else ""
                print(f"{row['number']:3}  {row['role']}{mark}")
            if not data["operators"]:
                print("no operators are stored")
            print("required to arm" if data["required"] else "not required to arm")
        return data
    if not 1 <= args.number <= 20:
        raise UsageError(f"no operator {args.number}", "the numbers are 1 to 20")
    data = change(args, device)
    if not args.json:
        done = {"add": "is stored", "remove": "is removed", "pin": "has a new PIN"}[args.do]
        print(f"operator {args.number} {done}")
    return data
