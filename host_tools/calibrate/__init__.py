"""`cryo calibrate` and `cryo plan`: what is measured goes in, tables and trims go to the device.

Imported only when one of these commands is run; imports `fit`, `device`, rich and the standard
library, matplotlib for a requested plot. Nothing is active on the device before the operator
there has confirmed it (H-13); a fit that the data cannot carry is refused with the reason.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from host_tools.calibrate.clock import clock
from host_tools.calibrate.depth import depth, read_points, write_points
from host_tools.calibrate.table import find_applicator, read_table, say, wait_table
from host_tools.calibrate.valve import valve

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message

__all__ = ["clock", "depth", "plan", "read_points", "remove", "show", "valve", "write_points"]


def remove(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate remove APPLICATOR`: back to the shipped table."""
    applicator = find_applicator(device, args.applicator)
    reply = device.link.request("table_remove", applicator=applicator)
    if reply.get("applied") is not True:
        say(args, f"now {reply.get('confirm', 'confirm it on the device')}")
    wait_table(
        device, applicator, reply, lambda: read_table(device, applicator).source == "shipped"
    )
    now = read_table(device, applicator)
    say(args, f"{now.name}: {now.provenance}")
    return {"applicator": applicator, "outcome": "confirmed", "source": now.source}


def show(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate show`: every applicator's table, its origin and its spread."""
    tables = [read_table(device, int(row[0])) for row in device.describe("applicators").rows]
    if not args.json:
        from rich.console import Console
        from rich.table import Table as RichTable

        out = RichTable("", "applicator", "10 s", "30 s", "W/m²K", "spread", "origin")
        ten = tables[0].times_ms.index(10000)
        for one in tables:
            out.add_row(
                str(one.applicator), one.name, f"{one.um[ten] / 1000:.2f} mm",
                f"{one.um[-1] / 1000:.2f} mm", str(one.h_w_m2k),
                f"{one.spread_permille / 10:g} %", one.provenance,
            )  # fmt: skip
        Console(highlight=False).print(out)
    return {"tables": [asdict(one) for one in tables]}


def plan(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo plan`: seconds, spread and reach for a depth; what is left out is as set."""
    from host_tools import units

    asked: dict[str, int] = {}
    if args.applicator is not None:
        asked["applicator"] = find_applicator(device, args.applicator)
    if args.depth is not None:
        asked["depth_um"] = units.parse(args.depth, "um")
    if args.margin is not None:
        asked["margin_um"] = units.parse(args.margin, "um")
    if args.target is not None:
        asked["target"] = args.target
    reply = device.link.request("plan", **asked)
    if not args.json:
        _show_plan(reply)
    return dict(reply)


def _show_plan(reply: Message) -> None:
    from rich.console import Console

    console = Console(highlight=False)

    def mm(key: str) -> str:
        return f"{reply[key] / 1000:.2f} mm"

    name = " ".join(str(reply["name"]).split())
    console.print(
        f"[bold]{name}[/], {reply['isotherm_c_x100'] / 100:g} °C at {mm('plan_um')} "
        f"(lesion {mm('depth_um')}, margin {mm('margin_um')})"
    )
    if reply["dose_ms"] is not None:
        console.print(
            f"freeze [bold]{reply['dose_ms'] / 1000:.1f} s[/]; to be expected: {mm('likely_um')}, "
            f"±{reply['spread_um'] / 1000:.2f} mm in two of three freezes, "
            f"{mm('low_um')} to {mm('high_um')} in 19 of 20, by computation"
        )
    else:
        console.print(f"no dose: this applicator reaches {mm('min_um')} to {mm('max_um')}")
        other = reply["reaching_name"]
        console.print(
            f"→ {' '.join(str(other).split())} reaches it"
            if other
            else "→ no applicator reaches it"
        )
    console.print(f"[dim]{reply['provenance']}[/]")
