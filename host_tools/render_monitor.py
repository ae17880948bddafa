"""The dashboard of `cryo monitor`. May import rich, `monitor_state` and `render`."""

from rich.console import Group, RenderableType
from rich.text import Text

from host_tools import render
from host_tools.monitor_state import Monitor

_QUIET, _NAME, _ASKS = "dim", "cyan", "bold yellow"


def dashboard(monitor: Monitor) -> RenderableType:
    """Who, whether it answers, the countdown, state and readings, faults, the newest records."""
    parts: list[RenderableType] = [_head(monitor)]
    if monitor.status is not None:
        parts += _countdown(monitor)
        parts.append(render.status_panel(monitor.named(), monitor.fault_rows()))
    description = monitor.description
    for record in monitor.records:
        line = render.record_line(record, description)
        line.truncate(80, overflow="ellipsis")
        parts.append(line)
    parts.append(Text("Ctrl-C ends it; nothing is changed on the device", _QUIET))
    return Group(*parts)


def _head(monitor: Monitor) -> Text:
    head = Text.assemble(("Cryodose ", "bold"), (monitor.serial, _NAME), f"  {monitor.port()}")
    if monitor.lost:
        head.append(f"\nNOT CONNECTED: {monitor.lost}", _ASKS)
        head.append(f"\nwaiting for it; what follows is {monitor.age_s:.0f} s old", _ASKS)
    elif monitor.returns:
        head.append(f"  (came back {monitor.returns} x)", _QUIET)
    return head


def _countdown(monitor: Monitor) -> list[RenderableType]:
    """The seconds that are left, large enough to be seen; nothing when nothing runs."""
    status = monitor.status or {}
    left_ms = status.get("remaining_ms")
    if not isinstance(left_ms, int) or not left_ms or monitor.lost:
        return []
    state = str(status.get("state", ""))
    return [Text(f"{state}: {left_ms / 1000:.1f} s left", "bold reverse")]
