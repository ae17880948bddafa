"""`cryo calibrate` and `cryo plan`: what is measured goes in, tables and trims go to the device.

Imported only when one of these commands is run; imports `fit`, `device`, rich and the standard
library, matplotlib when a plot is asked for. Nothing is in force on the device before somebody
there has confirmed it (H-13); a fit that the data cannot carry is refused with the reason.
"""

from __future__ import annotations

import csv
import getpass
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from host_tools import fit as fits
from host_tools.errors import LocalError, NotConfirmed, ProtocolError, Refused, UsageError
from host_tools.fit import Point

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message

CONFIRM_POLL_S = 2.0
_TIMES_TO_FREEZE = "10, 12, 15, 20, 25 and 30 s"


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


def _ints(reply: Message, key: str) -> tuple[int, ...]:
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
            _ints(reply, "times_ms"),
            _ints(reply, "um"),
            _ints(reply, "um_cold"),
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
    expires_s = float(reply.get("expires_s", 60.0))
    link = device.link
    start_s = link.now_s

    def outcome(event: Message) -> bool:
        return event.get("ev") == "table" and event.get("applicator") == applicator

    while link.now_s - start_s < expires_s + 3.0:
        event = link.wait_event(outcome, CONFIRM_POLL_S)
        if event is None:
            try:
                if done():
                    return
            except Refused:
                pass  # busy: look again
            continue
        if event.get("applied") is True:
            return
        why = str(event.get("why", ""))
        if why == "storage":
            raise NotConfirmed("the device could not write its flash", "rejected", "call service")
        late = why == "timed_out"
        raise NotConfirmed(
            "the table is unchanged: "
            + ("nobody confirmed it in time" if late else "rejected on the device"),
            "timed_out" if late else "rejected",
        )
    raise NotConfirmed("the table is unchanged: nobody confirmed it in time", "timed_out")


# -- files ----------------------------------------------------------------------------------------


def _columns(path: Path) -> dict[str, list[float]]:
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
    columns = _columns(path)
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


# -- commands -------------------------------------------------------------------------------------


def _say(args: Namespace, text: str) -> None:
    if not args.json:
        print(text, file=sys.stderr)


def _author(args: Namespace) -> str:
    author = str(args.author or getpass.getuser())
    if not author.isascii() or not 1 <= len(author) <= 16:
        raise UsageError(f"author '{author}'", "1 to 16 ASCII characters: --author NAME")
    return author


def _find_applicator(device: Device, given: str) -> int:
    rows = device.describe("applicators").rows
    for row in rows:
        if given == str(row[0]) or "".join(given.lower().split()) == "".join(
            str(row[1]).lower().split()
        ):
            return int(row[0])
    names = ", ".join(f"{row[0]} ({' '.join(str(row[1]).split())})" for row in rows)
    raise UsageError(f"no applicator '{given}'", f"there are: {names}")


def depth(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate depth APPLICATOR [DATA]`: fit the coefficient, offer the table."""
    applicator = _find_applicator(device, args.applicator)
    author = _author(args)
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
        _say(args, f"drawn: {args.plot}")
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
        _say(args, f"now {reply.get('confirm', 'confirm it on the device')}")
    wait_table(
        device,
        applicator,
        reply,
        lambda: read_table(device, applicator).um == new.um,
    )
    if read_table(device, applicator).um != new.um:
        raise ProtocolError("the device confirmed the table and has another one in force")
    _say(args, f"{now.name}: the table is in force (run {run}, {author})")
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


def _set(args: Namespace, device: Device, key: str, value: int) -> None:
    _say(args, f"{key}: {device.get(key).value} → {value}")
    reply = device.set(key, value)
    if not reply.applied:
        _say(args, f"now {reply.confirm}")
        device.wait_confirmed(reply)


def valve(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate valve DATA`: lags from a log of gate and flow, or from weighed shots."""
    path = Path(args.data)
    columns = _columns(path)
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
            _say(
                args,
                f"{what} lag: {lag.value / 1000:.2f} ms (95 %: {lag.low / 1000:.2f} to "
                f"{lag.high / 1000:.2f}), {found.shots} shots",
            )
    if args.dry_run:
        return data | {"outcome": "not written"}
    _set(args, device, "valve_open_lag_us", open_us)
    try:
        _set(args, device, "valve_close_lag_us", close_us)
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


def clock(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate clock`: the device's uptime against this computer's clock."""
    if args.minutes <= 0:
        raise UsageError("--minutes must be more than 0")
    _say(args, f"reading the device's clock for {args.minutes:g} min; leave it alone meanwhile")
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
    _say(
        args,
        f"the board's clock runs {found.ppm.value:+.1f} ppm fast (95 %: {found.ppm.low:+.1f} to "
        f"{found.ppm.high:+.1f}); {found.samples} readings, {trips:.1f} ms each",
    )
    data = asdict(found) | {"crystal_trim_ppm": trim}
    if args.dry_run:
        return data | {"outcome": "not written"}
    _set(args, device, "crystal_trim_ppm", trim)
    return data | {"outcome": "confirmed"}


def remove(args: Namespace, device: Device) -> dict[str, Any]:
    """`cryo calibrate remove APPLICATOR`: back to the shipped table."""
    applicator = _find_applicator(device, args.applicator)
    reply = device.link.request("table_remove", applicator=applicator)
    if reply.get("applied") is not True:
        _say(args, f"now {reply.get('confirm', 'confirm it on the device')}")
    wait_table(
        device, applicator, reply, lambda: read_table(device, applicator).source == "shipped"
    )
    now = read_table(device, applicator)
    _say(args, f"{now.name}: {now.provenance}")
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
        asked["applicator"] = _find_applicator(device, args.applicator)
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
            f"freeze [bold]{reply['dose_ms'] / 1000:.1f} s[/]; the depth is within "
            f"±{reply['spread_um'] / 1000:.2f} mm in two of three freezes, by computation"
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
