"""`cryo monitor`: state, readings, faults, countdown and the newest records, until Ctrl-C.

May import `monitor_state`, and in functions `connection`, `render` and `render_monitor`. A port
that goes away is waited for, however long, and found again as `connect` does.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from host_tools.monitor_state import Monitor

PATIENCE_S = 0.3
"""How long one look waits for a port that went away, seconds: the dashboard must go on."""

TRIES = 2
"""How often a request is sent: once more, since one is lost when the port is opened again."""


def run(args: Namespace, timeout_s: float, pause: Callable[[float], None] = time.sleep) -> int:
    """`cryo monitor [--every S] [--count N]`. Ctrl-C is its proper end: exit code 0.

    `pause` fills up the time of a simulated device, whose seconds are short.
    """
    from host_tools.connection import connect

    with connect(args.port, timeout_s=timeout_s, tries=TRIES, reconnect_s=PATIENCE_S) as device:
        monitor = Monitor(device, device.serial, lambda: device.port)
        try:
            _watch(monitor, args, pause)
        except KeyboardInterrupt:
            pass
    return 0


def _watch(monitor: Monitor, args: Namespace, pause: Callable[[float], None]) -> None:
    def show(update: Callable[[Any], None], view: Callable[[], Any]) -> None:
        looks = 0
        while not args.count or looks < args.count:
            begun_s = time.monotonic()
            monitor.look()
            update(view())
            looks += 1
            if looks == args.count:
                return
            monitor.rest(args.every)
            if monitor.port().lower().startswith("sim://"):
                pause(max(0.0, args.every - (time.monotonic() - begun_s)))

    if args.json:
        show(
            lambda text: print(text, flush=True),
            lambda: json.dumps(monitor.as_dict(), ensure_ascii=False),
        )
        return
    from host_tools import render, render_monitor

    with render.live() as update:
        show(update, lambda: render_monitor.dashboard(monitor))
