"""What takes the time of this computer: the fast bench, the `cryo` command, a log pull.

May import the standard library and the fast bench. The host's side is started as a program, as a
user does; what it has stored is checked here anew, by docs/protocol.md.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hw_sim.bench import FIRMWARE, FastBench
from hw_sim.bench.journal_records import BrokenChain, decode_chain
from hw_sim.bench.link_client import encode
from hw_sim.benchmarks.scenes import NS_PER_MS, NotAsExpected, Scene
from hw_sim.figure_table import Figure, below, failed
from hw_sim.image.flash import SimFlash

_STATUS_EVERY_MS = 500
_FULL_JOURNAL = 10_000

# Runs on the board in place of main.py, once, and writes through the firmware's own journal.
_FILLER = """\
import binascii
import machine
from cryo import journal, journal_recovery

book = journal.Journal(binascii.hexlify(machine.unique_id()))
journal_recovery.recover(book)
uptime_ms = 1000
while book.head < {head}:
    for i in range(4):
        uptime_ms += 25000
        seq = book.add(journal.ARMED, 2, uptime_ms, 1, 2500, 12858, 12845000, 1, 2200, 1, 0)
        book.add(journal.FREEZE_BEGIN, 5, uptime_ms + 900, seq, 1, 12858, 12845000, 2200, 600)
        book.add(journal.FREEZE_END, 6, uptime_ms + 13800, seq, 1, 1, 12858, 12845000, 12845000)
        book.add(journal.SETTING, 2, uptime_ms + 20000, 1, 2500, 2300 + uptime_ms % 900, 1)
    book.flush()
"""


def scripts() -> Path:
    """Where the commands of this environment are."""
    return Path(sys.executable).parent


# -- the fast bench -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A whole treatment."""

    virtual_s: float
    wall_s: float
    processor_s: float
    records: int


def twenty_seconds() -> tuple[bytes, int]:
    """The flash of an applicator half a millimetre short of a 20 s dose, and how often to press UP.

    So the depth is chosen with the buttons, as an operator does.
    """
    scene = Scene()
    scene.switch_on()
    scene.choose(1, 20_000)
    depth_um = int(scene.ok("get", key="depth_um")["value"])
    presses = 5
    scene.change("depth_um", depth_um - presses * 100)
    return scene.put_away(), presses


def whole_treatment(image: bytes, presses: int) -> Run:
    """Power-on, depth, arming, 20 s freeze, done, journal; the host asks `status` twice a second.

    Screen, plant and link are what they always are on the bench.
    """
    started_s, processor_s = time.perf_counter(), time.process_time()
    bench = FastBench(flash=SimFlash(image))
    asked = 0

    def run(ms: float) -> None:
        nonlocal asked
        end_ns = bench.clock.now_ns + round(ms * NS_PER_MS)
        while bench.clock.now_ns < end_ns:
            bench.run_for(min(_STATUS_EVERY_MS, (end_ns - bench.clock.now_ns) / NS_PER_MS))
            asked += 1
            bench.host_write(encode({"id": 1_000_000 + asked, "op": "status"}))
            bench.events()

    bench.power_on()
    run(2_000)
    for _ in range(presses):
        bench.press("up")
    run(500)
    bench.hold("arm")
    run(1_200)
    bench.release("arm")
    run(500)
    bench.hold("trigger")
    run(20_500)
    bench.release("trigger")
    run(500)
    bench.press("select")
    records = len(bench.log())
    wall_s, processor_s = time.perf_counter() - started_s, time.process_time() - processor_s
    intervals = bench.valve_intervals()
    if len(intervals) != 1 or not 19e9 < intervals[0][1] - intervals[0][0] < 21e9:
        raise NotAsExpected(f"the valve was open {intervals}")
    return Run(bench.clock.now_ns / 1e9, wall_s, processor_s, records)


def speed_figures(runs: int = 15) -> list[Figure]:
    """How much faster than real time the fast bench is."""
    image, presses = twenty_seconds()
    done = [whole_treatment(image, presses) for _ in range(runs)]
    speeds = [run.virtual_s / run.wall_s for run in done]
    speed, alone = median(speeds), median(run.virtual_s / run.processor_s for run in done)
    took_s = median(cold_start_s() for _ in range(3))
    return [
        Figure(
            "fast bench, a whole treatment",
            "≥ 300 × real time",
            f"{speed:.0f} ×",
            f"median of {runs}",
            speed >= 300,
            f"{done[0].virtual_s:.1f} s of virtual time: power-on, depth by the buttons, arming, "
            f"20 s freeze, done, {done[0].records} records read, with plant, screen and link; the "
            "host asks `status` twice a second. Wall time of a warm process, "
            f"{min(speeds):.0f}…{max(speeds):.0f} ×; what else the computer does slows it.",
            speed,
            "× real time",
        ),
        Figure(
            "  the same, by the processor time it takes",
            "–",
            f"{alone:.0f} ×",
            f"median of {runs}",
            None,
            "",
            alone,
            "× real time",
        ),
        Figure(
            "  first bench of a process, from import to READY",
            "–",
            f"{took_s:.2f} s",
            "median of 3",
            None,
            "",
            took_s,
            "s",
        ),
    ]


def cold_start_s() -> float:
    """Wall time of a bench from nothing to READY in a new process, modules and files compiled."""
    code = (
        "import time; t = time.perf_counter()\n"
        "from hw_sim.bench import FastBench\n"
        "b = FastBench(); b.power_on(); b.run_for(600)\n"
        "assert b.ask('status')['ok']['state'] == 'READY'\n"
        "print(time.perf_counter() - t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


# -- the command ----------------------------------------------------------------------------------


def _seconds(command: list[str]) -> float:
    started_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started_s


def help_pairs(pairs: int) -> list[tuple[float, float]]:
    """Seconds of `cryo --help` and of `mpremote --help`, by turns. FileNotFoundError: not here."""
    ours, theirs = ([str(scripts() / name), "--help"] for name in ("cryo", "mpremote"))
    for command in (ours, theirs):
        _seconds(command)  # bytecode written, files in the cache
    out: list[tuple[float, float]] = []
    for pair in range(pairs):
        # Who goes first changes, so that neither always finds the caches of the other.
        if pair % 2:
            second, first = _seconds(theirs), _seconds(ours)
        else:
            first, second = _seconds(ours), _seconds(theirs)
        out.append((first, second))
    return out


def help_figure(pairs: int = 21) -> Figure:
    """`cryo --help` against `mpremote --help`."""
    what = "`cryo --help` by `mpremote --help`"
    try:
        times = help_pairs(pairs)
    except FileNotFoundError as error:
        return failed(what, "≤ 1 ×", f"{error.filename} is not installed")
    return below(
        what,
        median(ours / theirs for ours, theirs in times),
        1.0,
        "×",
        f"median of {pairs} pairs",
        f"Medians: {median(ours for ours, _ in times) * 1000:.0f} ms and "
        f"{median(theirs for _, theirs in times) * 1000:.0f} ms.",
        digits=2,
    )


# -- the journal ----------------------------------------------------------------------------------


def full_journal(head: int) -> bytes:
    """The flash of an applicator whose journal has at least `head` records, up to 16 more.

    It starts once as it is delivered; then the firmware's own journal.py fills it on the board,
    and the firmware is flashed again.
    """
    scene = Scene()
    scene.switch_on()
    flash = SimFlash(scene.put_away())
    with tempfile.TemporaryDirectory() as folder:
        board = Path(folder)
        (board / "cryo").mkdir()
        for name in ("cryo/__init__.py", "cryo/journal.py", "cryo/journal_recovery.py"):
            (board / name).write_bytes((FIRMWARE / name).read_bytes())
        (board / "main.py").write_text(_FILLER.format(head=head))
        bench = FastBench(board, flash=flash, reflash=True)
        bench.power_on()
        if not bench.run_until(lambda: bench.chip.at_prompt, 3_600_000, 1_000):
            raise NotAsExpected("the journal was not filled within an hour")
    return FastBench(flash=SimFlash(flash.image()), reflash=True).flash.image()


@dataclass(frozen=True)
class Pulled:
    """A journal fetched by `cryo log pull`."""

    wall_s: float
    """From the command's start to its end."""
    stored: int
    """Records found in the SQLite file, in order from 1 and with an unbroken chain."""
    received: int
    """Records that came over the line."""
    resent: int
    """Requests sent again."""
    requests: int


def pull(image: bytes) -> Pulled:
    """Fetch a device's journal with the `cryo` command over `sim://`, into SQLite.

    NotAsExpected when the command fails, or has not stored what it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        flash, store = Path(folder) / "flash.bin", Path(folder) / "store.sqlite"
        SimFlash(image).save(flash)
        command = [
            str(scripts() / "cryo"), "log", "pull", "--json",
            "--port", f"sim://?flash={flash}", "--store", str(store),
        ]  # fmt: skip
        started_s = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"CRYO_PORT": ""}
        )
        wall_s = time.perf_counter() - started_s
        if done.returncode:
            raise NotAsExpected(f"cryo log pull: {(done.stdout or done.stderr).strip()[:200]}")
        result: dict[str, Any] = json.loads(done.stdout)
        with closing(sqlite3.connect(store)) as db:
            rows = db.execute("SELECT serial, seq, raw FROM records ORDER BY seq").fetchall()
    if [seq for _serial, seq, _raw in rows] != list(range(1, len(rows) + 1)):
        raise NotAsExpected("what is stored is not in order from record 1")
    try:
        decode_chain((raw for _serial, _seq, raw in rows), rows[0][0] if rows else "")
    except BrokenChain as error:
        raise NotAsExpected(f"stored: {error}") from None
    return Pulled(wall_s, len(rows), result["received"], result["resent"], result["requests"])


def pull_figures() -> list[Figure]:
    """10 000 records and a few more, in one pull."""
    what = f"{_FULL_JOURNAL} records pulled, verified and stored"
    try:
        image = full_journal(_FULL_JOURNAL)
        done = pull(image)
    except NotAsExpected as error:
        return [
            failed(what, "≤ 10 s", str(error)),
            failed("  records duplicated or re-sent", "≤ 1 %", str(error)),
        ]
    again = max(0, done.received - done.stored) + done.resent
    return [
        below(
            what,
            done.wall_s if done.stored >= _FULL_JOURNAL else float("inf"),
            10.0,
            "s",
            "one pull",
            f"`cryo log pull` over sim://, the whole command: {done.stored} records in "
            f"{done.requests} requests. The chain in the SQLite file was checked again here.",
        ),
        below(
            "  records duplicated or re-sent",
            100 * again / done.stored,
            1.0,
            "%",
            f"{done.stored} records",
            f"Received {done.received}, needed {done.stored}; requests sent again: {done.resent}.",
            digits=2,
        ),
    ]
