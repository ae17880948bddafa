"""`python -m hw_sim.benchmarks.emulated [--write FILE] [--phases N] [--jobs N] [--only WORD …]`

Measures everything on the emulated board in two processes, and prints the page or writes it to FILE
(complete runs only). Takes some 4 minutes on two idle cores. Exit code: 0 all limits met, 1 a limit
missed, 2 wrong command line or missing image.
May import the rest of this package and the standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hw_sim import figure_table
from hw_sim.bench import FIRMWARE
from hw_sim.benchmarks.__main__ import machine
from hw_sim.benchmarks.emulated import closing, device, freezing, page
from hw_sim.benchmarks.emulated.page import Measured
from hw_sim.image import micropython

GROUPS = ("cost", "series", "freezing", "closing", "device")
_DOSES_MS = (10_000, 30_000)
_TREATMENTS = 200
_WEIGH_AT = (1, 20, 50, 100, 150, 200)
_COMPLETE_AT = (10, 190)


@dataclass(frozen=True)
class Job:
    """One measurement for a worker process."""

    group: str
    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


def jobs(phases: int, firmware: Path, treatments: int = _TREATMENTS) -> list[Job]:
    """All jobs except `cost`, which runs alone; the longest first."""
    weigh_at = tuple(n for n in _WEIGH_AT if n < treatments) + (treatments,)
    work = [
        Job("series", f"{treatments} treatments", device.series,
            (treatments, weigh_at, _COMPLETE_AT, _log, firmware)),
    ]  # fmt: skip
    for dose_ms in reversed(_DOSES_MS):
        work.append(
            Job("freezing", f"whole firmware, {dose_ms // 1000} s", freezing.time_treatment,
                (dose_ms == _DOSES_MS[-1], phases, freezing.LAST_MS, firmware))
        )  # fmt: skip
        for design in freezing.DESIGNS:
            work.append(
                Job("freezing", f"{design}, {dose_ms // 1000} s", freezing.time_design,
                    (design, dose_ms, True, phases, freezing.LAST_MS, firmware))
            )  # fmt: skip
    for design in freezing.DESIGNS:
        work.append(
            Job("freezing", f"{design}, 10 s, no load", freezing.time_unloaded,
                (design, _DOSES_MS[0], max(3, phases // 2), firmware))
        )  # fmt: skip
    work.append(Job("cost", "profile", device.profiled, (8, firmware)))
    for doing in closing.DOINGS:
        work.append(Job("closing", doing, closing.latencies, (doing, phases, firmware)))
    work.append(Job("closing", "whole firmware", closing.firmware_latencies, (phases, firmware)))
    for unused in device.LAYOUTS:
        work.append(
            Job("device", f"longest tick, {unused} unused globals", device.freezing_ticks,
                (3_000, firmware, unused))
        )  # fmt: skip
    work.append(Job("device", "start", device.start, (firmware,)))
    work.append(Job("device", "capacity", device.capacity, (64_000, firmware)))
    return work


def take(measured: Measured, job: Job, result: Any) -> None:
    """Store a job's result by its type."""
    if isinstance(result, freezing.Timing):
        measured.timings.append(result)
    elif isinstance(result, device.Series):
        measured.series = result
    elif isinstance(result, device.Start):
        measured.start = result
    elif isinstance(result, device.Ticks):
        measured.ticks.append(result)
    elif isinstance(result, device.Cost):
        measured.cost = result
    elif isinstance(result, float):
        measured.capacity = result
    elif job.name == "profile":
        measured.profile = result
    else:
        measured.latencies.extend(result)


def _log(text: str) -> None:
    print(f"          {text}", file=sys.stderr, flush=True)


def _timed(job: Job) -> tuple[Any, float]:
    began_s = time.perf_counter()
    return job.work(*job.arguments), time.perf_counter() - began_s


def _summary(result: Any) -> str:
    if isinstance(result, freezing.Timing):
        return f"{page.amount(result.least_us, True)} … {page.amount(result.most_us, True)}"
    return ""


def measure(work: Sequence[Job], processes: int, cost_first: Path | None) -> Measured:
    """Run all jobs, `processes` at a time. A failed job gives a missed row."""
    measured = Measured()
    began_s = time.perf_counter()
    if cost_first is not None:
        _log("running time of one treatment alone")
        measured.cost = device.cost(cost_first)
        _log(f"{measured.cost.wall_s:.0f} s")
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures: dict[Future[tuple[Any, float]], Job] = {
            pool.submit(_timed, job): job for job in work
        }
        for number, future in enumerate(as_completed(futures), 1):
            job = futures[future]
            outcome = ""
            try:
                result, took_s = future.result()
                take(measured, job, result)
                outcome = f"{took_s:4.0f} s  {_summary(result)}"
            except Exception as error:
                measured.failures.append((f"{job.group}: {job.name}", str(error)))
                outcome = f"FAILED: {error}"
            print(
                f"{time.perf_counter() - began_s:5.0f} s  {number:2}/{len(work)}  "
                f"{job.group}: {job.name}  {outcome}",
                file=sys.stderr,
                flush=True,
            )
    return measured


def version_of(firmware: Path) -> str:
    """Identifies the firmware: the first twelve digits of SHA-256 over file names and contents."""
    digest = hashlib.sha256()
    for path in sorted(firmware.rglob("*.py")):
        digest.update(path.relative_to(firmware).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m hw_sim.benchmarks.emulated", description=__doc__
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="output file of the page")
    parser.add_argument("--phases", type=int, default=20, help="phases per measurement (20)")
    parser.add_argument("--jobs", type=int, default=2, help="number of parallel processes (2)")
    parser.add_argument("--treatments", type=int, default=_TREATMENTS, help="in the series (200)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="measure only these groups")
    parser.add_argument("--firmware", type=Path, default=FIRMWARE, help="another firmware folder")
    args = parser.parse_args(argv)
    if args.write and (args.only or args.phases < 10 or args.treatments < _TREATMENTS):
        parser.error("--write needs a complete run: all groups, 10 phases or more, 200 treatments")
    try:
        micropython.find_image()
    except (micropython.ImageMissing, micropython.ImageWrong) as error:
        print(f"{error}\nTo download it: make micropython", file=sys.stderr)
        return 2
    where = machine()
    groups = args.only or GROUPS
    work = [job for job in jobs(args.phases, args.firmware, args.treatments) if job.group in groups]
    began_s = time.perf_counter()
    measured = measure(work, args.jobs, args.firmware if "cost" in groups else None)
    text = page.markdown(
        measured,
        f"Measured on {datetime.now(UTC).date()} in {(time.perf_counter() - began_s) / 60:.0f} "
        f"minutes, {args.jobs} processes at a time, on {where}. Firmware "
        f"{version_of(args.firmware)} (SHA-256 of its files), "
        f"MicroPython {micropython.IMAGE_NAME}.",
    )
    missed = figure_table.missed(page.figures(measured))
    if args.write:
        args.write.write_text(text, encoding="utf-8")
        for one in missed:
            print(f"MISSED: {one.what}: {one.measured}, limit {one.asked}. {one.note}")
        print(f"{args.write} written; {len(missed)} limits missed", file=sys.stderr)
    else:
        print(text, end="")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
