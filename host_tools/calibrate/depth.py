"""`cryo calibrate depth`: depths measured in gel become an applicator's table.

May import `table`, `fit`, `device`, rich and the standard library, matplotlib when a plot is asked
for.
"""

from __future__ import annotations

import csv
import getpass
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from host_tools import fit as fits
from host_tools.calibrate.table import (
    Table,
    find_applicator,
    read_table,
    say,
    wait_table,
    write_table,
)
from host_tools.errors import LocalError, ProtocolError, UsageError
from host_tools.fit import Point

if TYPE_CHECKING:
    from host_tools.device import Device

_TIMES_TO_FREEZE = "10, 12, 15, 20, 25 and 30 s"


def read_columns(path: Path) -> dict[str, list[float]]:
    """A CSV file's columns by their headings. Raises LocalError, UsageError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror}") from None
    if len(rows) < 2:
        raise UsageError(f"{path} has no rows under its headings")
    names = [name.strip() for name in rows[0]]
    columns: dict[str, list[float]] = {name: [] for name in names}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise UsageError(f"{path}: row {number} has {len(row)} fields instead of {len(names)}")
        for name, field in zip(names, row, strict=True):
            try:
                columns[name].append(float(field))
            except ValueError:
                raise UsageError(f"{path}: row {number}: '{field}' is not a number") from None
    return columns


def read_points(path: Path) -> list[Point]:
    """Depths over time from a file: measured ones, or a thermocouple log.

    Measured: columns `time_s` (liquid) and `depth_mm` (of the visible ice). Log: `time_s` from the
    beginning of the liquid, and one column a thermocouple, named by its depth, such as `2.0mm`, in
    °C: when it passes -25 °C that isotherm is at its depth, and so with the ice at -0.5 °C.
    """
    columns = read_columns(path)
    times = columns.get("time_s")
    if times is None:
        raise UsageError(f"{path} has no column time_s", "see docs/calibration.md")
    if "depth_mm" in columns:
        return [Point(t, mm) for t, mm in zip(times, columns["depth_mm"], strict=True)]
    points: list[Point] = []
    wires = 0
    for name, values in columns.items():
        digits = name.lower().removesuffix("mm").strip()
        if name == "time_s" or digits == name.lower().strip():
            continue
        try:
            depth_mm = float(digits)
        except ValueError:
            continue
        wires += 1
        for of, at_c in ((fits.ICE, -0.5), (fits.M25, -25.0)):
            for i in range(1, len(times)):
                if values[i - 1] > at_c >= values[i]:
                    part = (values[i - 1] - at_c) / (values[i - 1] - values[i])
                    passed_s = times[i - 1] + part * (times[i] - times[i - 1])
                    points.append(Point(passed_s, depth_mm, of))
                    break
    if not wires:
        raise UsageError(
            f"{path} has neither depth_mm nor a thermocouple's column such as 2.0mm",
            "see docs/calibration.md",
        )
    usable = [point for point in points if fits.FIRST_S <= point.time_s <= fits.LAST_S]
    if len(usable) < fits.LEAST_POINTS:
        raise fits.PoorData(
            f"{wires} thermocouples passed 0 or -25 °C {len(usable)} times between "
            f"{fits.FIRST_S:g} and {fits.LAST_S:g} s",
            f"at least {fits.LEAST_POINTS} are needed: more wires, or a longer freeze",
        )
    return usable


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Measured depths to a file that `read_points` reads. Raises LocalError."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(("time_s", "depth_mm"))
            out.writerows((f"{p.time_s:.3f}", f"{p.depth_mm:g}") for p in points)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from None


def author_of(args: Namespace) -> str:
    author = str(args.author or getpass.getuser())
    if not author.isascii() or not 1 <= len(author) <= 16:
        raise UsageError(f"author '{author}'", "1 to 16 ASCII characters: --author NAME")
    return author


def depth(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate depth APPLICATOR [DATA]`: fit the coefficient, offer the table."""
    applicator = find_applicator(device, args.applicator)
    author = author_of(args)
    now = read_table(device, applicator)
    if args.data is None:
        points = guide(args, device, now)
    else:
        points = read_points(Path(args.data))
    spot_mm = now.spot_um / 1000
    found = fits.fit_h(points, spot_mm=spot_mm, kind=now.kind, gel_c=args.gel_c)
    new = fits.table_of(found, applicator=applicator, spot_mm=spot_mm, kind=now.kind)
    if not args.json:
        _show_fit(now, found, new, args.gel_c)
    if args.plot:
        plot_fit(Path(args.plot), now, found, args.gel_c)
        say(args, f"drawn: {args.plot}")
    today = datetime.now(UTC)
    run = args.run_number or int(f"{today:%y%m%d}")
    data: dict[str, Any] = {
        "applicator": applicator,
        "name": now.name,
        "h_w_m2k": asdict(found.h_w_m2k),
        "r2": found.r2,
        "rms_mm": found.rms_mm,
        "residuals_mm": found.residuals_mm,
        "run": run,
        "author": author,
        "table": asdict(new),
    }
    if args.dry_run:
        return data | {"outcome": "not written"}
    reply = write_table(
        device, applicator, new, run=run, author=author, utc_s=round(today.timestamp())
    )
    if reply.get("applied") is not True:
        say(args, f"now {reply.get('confirm', 'confirm it on the device')}")
    wait_table(
        device,
        applicator,
        reply,
        lambda: read_table(device, applicator).um == new.um,
    )
    if read_table(device, applicator).um != new.um:
        raise ProtocolError("the device confirmed the table and has another one in force")
    say(args, f"{now.name}: the table is in force (run {run}, {author})")
    return data | {"outcome": "confirmed"}


def guide(args: Namespace, device: Device, now: Table) -> list[Point]:
    """Lead a technician through test freezes; seconds come from the device's own record."""
    print(
        f"Calibration of {now.name}: at least {fits.LEAST_POINTS} freezes into fresh gel of "
        f"{args.gel_c:g} °C,\nof about {_TIMES_TO_FREEZE} (set the depth that gives these "
        "seconds). After each, cut the gel\nthrough the middle and measure how deep the ice "
        "reaches.",
        file=sys.stderr,
    )
    lags_us = device.get("valve_close_lag_us").value - device.get("valve_open_lag_us").value
    kinds = {str(row[1]): row for row in device.describe("records").rows}
    end = kinds["freeze_end"]
    names = [str(field[0]) for field in end[2]]
    head = device.hello().log_head
    points: list[Point] = []
    while True:
        answer = _ask(f"freeze {len(points) + 1}: Enter when it has ended, or 'fit': ")
        if answer.lower() in ("fit", "q", "quit", "done"):
            break
        delivered_us = 0
        start = head + 1
        newest = device.hello().log_head
        while start <= newest:
            page = device.log(start)
            for record in page.records:
                if record.kind == int(end[0]):
                    delivered_us = record.arguments[names.index("delivered_gate")]
            start = page.next
        head = newest
        if not delivered_us:
            print("the device has no new freeze in its record", file=sys.stderr)
            continue
        time_s = (delivered_us + lags_us) / 1e6
        answer = _ask(f"  {time_s:.2f} s of flow. Depth of the ice in mm (Enter: leave it out): ")
        if not answer:
            continue
        try:
            points.append(Point(time_s, float(answer.lower().removesuffix("mm"))))
        except ValueError:
            print(f"'{answer}' is not a number: left out", file=sys.stderr)
    path = Path(args.out)
    write_points(path, points)
    print(f"the measurements are in {path}", file=sys.stderr)
    return points


def _ask(words: str) -> str:
    print(words, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else "fit"


def _show_fit(now: Table, found: fits.HFit, new: fits.NewTable, gel_c: float) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    h = found.h_w_m2k
    console.print(
        f"[bold]{now.name}[/]: {h.value:.0f} W/m²K  (95 %: {h.low:.0f} to {h.high:.0f}, "
        f"±{h.half:.0%}); R² {found.r2:.3f}, residuals {found.rms_mm:.2f} mm rms; gel {gel_c:g} °C"
    )
    table = RichTable("time", "of", "measured", "model", "residual")
    for point, residual in zip(found.points, found.residuals_mm, strict=True):
        table.add_row(
            f"{point.time_s:.1f} s",
            "ice" if point.of == fits.ICE else "−25 °C",
            f"{point.depth_mm:.2f} mm",
            f"{point.depth_mm - residual:.2f} mm",
            f"{residual:+.2f} mm",
        )
    console.print(table)
    table = RichTable("seconds", "in force, −25 °C", "new, −25 °C")
    for ms, old_um, new_um in zip(now.times_ms, now.um, new.um, strict=True):
        if ms >= 10000:
            table.add_row(f"{ms / 1000:g}", f"{old_um / 1000:.2f} mm", f"{new_um / 1000:.2f} mm")
    console.print(table)
    console.print(
        f"spread of the depth: {now.spread_permille / 10:g} % in force, "
        f"{new.spread_permille / 10:g} % new (one standard deviation, computed)"
    )


def plot_fit(path: Path, now: Table, found: fits.HFit, gel_c: float) -> None:
    """Points, curve and interval to a PNG. Raises LocalError."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes: Any = figure.subplots()
    times = np.linspace(1.0, 30.0, 120)
    h = found.h_w_m2k
    for of, name, colour in ((fits.ICE, "ice", "tab:blue"), (fits.M25, "−25 °C", "tab:purple")):
        points = [point for point in found.points if point.of == of]
        if not points:
            continue
        model = fits.gel_depth_mm(now.spot_um / 1000, gel_c, of)
        axes.plot(times, model(h.value, times), color=colour, label=f"{name}, model")
        axes.fill_between(
            times, model(h.low, times), model(h.high, times), color=colour, alpha=0.2,
            label=f"{name}, 95 % of the coefficient",
        )  # fmt: skip
        axes.plot(
            [p.time_s for p in points], [p.depth_mm for p in points], "o", color=colour,
            label=f"{name}, measured",
        )  # fmt: skip
    axes.set_xlabel("liquid, s")
    axes.set_ylabel("depth in gel, mm")
    axes.set_title(f"{now.name}: {h.value:.0f} W/m²K ({h.low:.0f}…{h.high:.0f}), R² {found.r2:.3f}")
    axes.legend()
    axes.grid(alpha=0.3)
    try:
        cast(Any, figure).savefig(path, dpi=120)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from None
