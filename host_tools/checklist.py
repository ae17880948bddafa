"""`cryo checklist`: the practice's own items of the screening, shown, written and cleared.

May import `device`, `errors` and the standard library. Nothing is active before the operator has
read every item on the device and confirmed (H-13); the device checks the items itself (H-19).
"""

from __future__ import annotations

import sys
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from host_tools.errors import LocalError, ProtocolError, UsageError

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message

EXAMPLE = 'like this: [[item]], then text = "Keloid before", kind = "caution"'


def read_file(path: Path) -> list[dict[str, str]]:
    """The items of a TOML file: `[[item]]` tables of `text` and `kind` (avoid, caution).

    Raises LocalError (no such file) and UsageError (another form). The limits are the device's.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", EXAMPLE) from None
    rows = data.get("item")
    if data.keys() != {"item"} or not isinstance(rows, list):
        raise UsageError(f"{path} has no items, or something else beside them", EXAMPLE)
    items: list[dict[str, str]] = []
    for row in cast("list[object]", rows):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: an item is a table", EXAMPLE)
        fields = cast("dict[str, object]", row)
        if fields.keys() != {"text", "kind"} or not all(
            isinstance(value, str) for value in fields.values()
        ):
            raise UsageError(f"{path}: an item has text and kind, both strings", EXAMPLE)
        items.append({key: str(fields[key]) for key in ("kind", "text")})
    return items


def stored(device: Device) -> Message:
    """The device's reply to `checklist_read`, with a proper list of items."""
    reply = device.link.request("checklist_read")
    if not isinstance(reply.get("items"), list):
        raise ProtocolError("the device's reply lacks a proper 'items'")
    return reply


def run(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo checklist show|set FILE|clear`. Returns what `--json` prints."""
    if args.what == "show":
        reply = stored(device)
        _show(args, reply)
        return {key: reply.get(key) for key in ("items", "outcome", "crc", "pending")}
    items = read_file(Path(args.file)) if args.what == "set" else []
    reply = device.link.request("checklist_write", items=items)
    outcome = "applied"
    if reply.get("applied") is not True:
        if not args.json:
            how = reply.get("confirm", "confirm it on the device")
            print(f"read every item on the device, then {how}", file=sys.stderr)
        _wait(device, items, float(reply.get("expires_s", 60.0)))
        outcome = "confirmed"
    now = stored(device)
    _show(args, now)
    return {"items": now["items"], "crc": now.get("crc"), "outcome": outcome}


def _show(args: Namespace, reply: Message) -> None:
    if args.json:
        return
    items = cast("list[dict[str, str]]", reply["items"])
    for number, item in enumerate(items, 25):
        print(f"{number}  {item['kind']:8} {item['text']}")
    outcome = reply.get("outcome")
    if outcome == "lost":
        print("The practice's own items are lost. Write them again with `cryo checklist set`.")
    elif outcome == "one copy bad":
        print("One of the two copies is damaged; the other one is in use. Write them again.")
    elif not items:
        print("no own items")
    if reply.get("pending") is not None:
        print("A change waits for confirmation on the device.")


def _wait(device: Device, items: list[dict[str, str]], expires_s: float) -> None:
    """Wait until the items are confirmed. Raises NotConfirmed."""
    from host_tools.device import REPEAT

    def look() -> bool | None:
        reply = stored(device)
        if reply.get("pending") is not None:
            return None
        return reply["items"] == items and reply.get("outcome") != "lost"

    device.wait_decision(
        lambda ev: ev.get("applied") is True if ev.get("ev") == "checklist" else None,
        look, expires_s, "the checklist is unchanged", hint=REPEAT,
    )  # fmt: skip
