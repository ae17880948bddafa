"""`cryo calibrate clock`: the crystal's trim, from the device's uptime by this computer's clock.

May import `table`, `fit`, `device` and the standard library.
"""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from host_tools import fit as fits
from host_tools.calibrate.table import (
    say,
    set_value,
)
from host_tools.errors import UsageError

if TYPE_CHECKING:
    from host_tools.device import Device


def clock(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate clock`: the device's uptime against this computer's clock."""
    if args.minutes <= 0:
        raise UsageError("--minutes must be more than 0")
    say(args, f"reading the device's clock for {args.minutes:g} min; leave it alone meanwhile")
    samples: list[tuple[float, float, float]] = []
    end_s = time.monotonic() + args.minutes * 60
    while time.monotonic() < end_s or len(samples) < 2:
        asked_s = time.monotonic()
        uptime = device.status().get("uptime_ms")
        answered_s = time.monotonic()
        if not isinstance(uptime, int):
            raise UsageError("the device is in use", "leave it in READY")
        samples.append((asked_s, answered_s, float(uptime)))
        time.sleep(args.every)
    found = fits.fit_clock(samples)
    trim = round(found.ppm.value)
    trips = statistics.median(b - a for a, b, _ in samples) * 1000
    say(
        args,
        f"the board's clock runs {found.ppm.value:+.1f} ppm fast (95 %: {found.ppm.low:+.1f} to "
        f"{found.ppm.high:+.1f}); {found.samples} readings, {trips:.1f} ms each",
    )
    data = asdict(found) | {"crystal_trim_ppm": trim}
    if args.dry_run:
        return data | {"outcome": "not written"}
    set_value(args, device, "crystal_trim_ppm", trim)
    return data | {"outcome": "confirmed"}
