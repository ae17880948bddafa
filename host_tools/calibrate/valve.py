"""`cryo calibrate valve`: the valve's lags, from weighed or timed shots.

May import `table`, `fit` and the standard library.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_tools import fit as fits
from host_tools.calibrate.depth import read_columns
from host_tools.calibrate.table import (
    say,
    set_value,
)
from host_tools.errors import NotConfirmed, UsageError

if TYPE_CHECKING:
    from host_tools.device import Device


def valve(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate valve DATA`: lags from a log of gate and flow, or from weighed shots."""
    path = Path(args.data)
    columns = read_columns(path)
    flow = next((columns[name] for name in ("flow", "pressure") if name in columns), None)
    if "gate" in columns and "time_s" in columns and flow is not None:
        found = fits.fit_lags(columns["time_s"], columns["gate"], flow)
    elif "gate_s" in columns and "mass_g" in columns:
        found = fits.fit_weighed(columns["gate_s"], columns["mass_g"])
    else:
        raise UsageError(
            f"{path} has neither time_s, gate and flow, nor gate_s and mass_g",
            "see docs/calibration.md",
        )
    now_open = device.get("valve_open_lag_us").value
    if found.close_us is None:
        # Only the difference is known; the dose depends on nothing else.
        open_us, close_us = now_open, now_open - round(found.open_us.value)
        if close_us < 0:
            open_us, close_us = open_us - close_us, 0
    else:
        open_us, close_us = round(found.open_us.value), round(found.close_us.value)
    data = asdict(found) | {"valve_open_lag_us": open_us, "valve_close_lag_us": close_us}
    for name, lag in (("opening", found.open_us), ("closing", found.close_us)):
        if lag is not None:
            what = name if found.close_us is not None else "opening less closing"
            say(
                args,
                f"{what} lag: {lag.value / 1000:.2f} ms (95 %: {lag.low / 1000:.2f} to "
                f"{lag.high / 1000:.2f}), {found.shots} shots",
            )
    if args.dry_run:
        return data | {"outcome": "not written"}
    set_value(args, device, "valve_open_lag_us", open_us)
    try:
        set_value(args, device, "valve_close_lag_us", close_us)
    except NotConfirmed as error:
        if open_us == now_open:
            raise
        # One of two lags moves every dose: it must not stay so unnoticed.
        raise NotConfirmed(
            error.text,
            error.outcome,
            f"valve_open_lag_us is {open_us} now: repeat it, or set it back to {now_open}",
        ) from None
    return data | {"outcome": "confirmed"}
