"""Running times on this computer: the fast bench, the `cryo` command, a log pull.

May import the standard library and the fast bench. The host tools are run as a program, as by a
user; the stored records are checked again here, according to docs/protocol.md.
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

# Runs once on the board in place of main.py, and writes through the firmware's journal.
_FILLER = """\
import binascii
import machine
from cryo import journal, journal_recovery

log = journal.Journal(binascii.hexlify(machine.unique_id()))
journal_recovery.recover(log)
uptime_ms = 1000
while log.head < {head}:
    for i in range(4):
        uptime_ms += 25000
        seq = log.add(journal.ARMED, 2, uptime_ms, 1, 2500, 12858, 12845000, 1, 2200, 1, 0)
        log.add(journal.FREEZE_BEGIN, 5, uptime_ms + 900, seq, 1, 12858, 12845000, 2200, 600)
        log.add(journal.FREEZE_END, 6, uptime_ms + 13800, seq, 1, 1, 12858, 12845000, 12845000)
        log.add(journal.SETTING, 2, uptime_ms + 20000, 1, 2500, 2300 + uptime_ms % 900, 1)
    log.flush()
"""


def scripts() -> Path:
    """Folder of the commands of this environment."""
    return Path(sys.executable).parent


# -- the fast bench -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One complete treatment."""

    virtual_s: float
    wall_s: float
    processor_s: float
    records: int


def twenty_seconds() -> tuple[bytes, int]:
    """Flash of an applicator set 0.5 mm below a 20 s dose, and the UP presses to reach it.

    The depth is then set with the buttons, as by an operator.
    """
    scene = Scene()
    scene.switch_on()
    scene.choose(1, 20_000)
    depth_um = int(scene.ok("get", key="depth_um")["value"])
    presses = 5
    scene.change("depth_um", depth_um - presses * 100)
    return scene.put_away(), presses


def whole_treatment(image: bytes, presses: int) -> Run:
    """Power-on, depth, arming, 20 s freeze, done, journal; the host requests `status` every 0.5 s.

    Screen, plant and link are simulated as usual.
    """
    started_s, processor_s = time.perf_counter(), time.process_time()
    bench = FastBench(flash=SimFlash(image))
    requests = 0

    def run(ms: float) -> None:
        nonlocal requests
        end_ns = bench.clock.now_ns + round(ms * NS_PER_MS)
        while bench.clock.now_ns < end_ns:
            bench.run_for(min(_STATUS_EVERY_MS, (end_ns - bench.clock.now_ns) / NS_PER_MS))
            requests += 1
            bench.host_write(encode({"id": 1_000_000 + requests, "op": "status"}))
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
    """Figures of the fast bench's speed relative to real time."""
    image, presses = twenty_seconds()
    treatments = [whole_treatment(image, presses) for _ in range(runs)]
    speeds = [run.virtual_s / run.wall_s for run in treatments]
    speed, alone = median(speeds), median(run.virtual_s / run.processor_s for run in treatments)
    took_s = median(cold_start_s() for _ in range(3))
    return [
        Figure(
            "fast bench, a whole treatment",
            "≥ 300 × real time",
            f"{speed:.0f} ×",
            f"median of {runs}",
            speed >= 300,
            f"{treatments[0].virtual_s:.1f} s of virtual time: power-on, depth by the buttons, "
            f"arming, 20 s freeze, done, {treatments[0].records} records read, with plant, screen "
            "and link; the "
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
    """Wall time from import to READY in a new process, with all modules compiled."""
    code = (
        "import time; t = time.perf_counter()\n"
        "from hw_sim.bench import FastBench\n"
        "b = FastBench(); b.power_on(); b.run_for(600)\n"
        "assert b.ask('status')['ok']['state'] == 'READY'\n"
        "print(time.perf_counter() - t)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(process.stdout)


# -- the command ----------------------------------------------------------------------------------


def _seconds(command: list[str]) -> float:
    started_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started_s


def help_pairs(pairs: int) -> list[tuple[float, float]]:
    """Seconds of `cryo --help` and of `mpremote --help`, alternating. FileNotFoundError."""
    ours, theirs = ([str(scripts() / name), "--help"] for name in ("cryo", "mpremote"))
    for command in (ours, theirs):
        _seconds(command)  # write the bytecode, fill the file cache
    out: list[tuple[float, float]] = []
    for pair in range(pairs):
        # Alternate the order, so that caches do not favour one of them.
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
    """The flash of an applicator whose journal has `head` to `head` + 16 records.

    The device starts once as delivered; then the firmware's journal.py fills the journal on the
    board, and the firmware is flashed again.
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
    """Result of `cryo log pull`."""

    wall_s: float
    """Running time of the command."""
    stored: int
    """Number of records in the SQLite file, in order from 1 and with an intact chain."""
    received: int
    """Number of records received over the link."""
    resent: int
    """Number of repeated requests."""
    requests: int


def pull(image: bytes) -> Pulled:
    """Pull a device's journal with the `cryo` command over `sim://` into SQLite.

    NotAsExpected if the command fails, or if the stored records are wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        flash, store = Path(folder) / "flash.bin", Path(folder) / "store.sqlite"
        SimFlash(image).save(flash)
        command = [
            str(scripts() / "cryo"), "log", "pull", "--json",
            "--port", f"sim://?flash={flash}", "--store", str(store),
        ]  # fmt: skip
        started_s = time.perf_counter()
        process = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"CRYO_PORT": ""}
        )
        wall_s = time.perf_counter() - started_s
        if process.returncode:
            output = process.stdout or process.stderr
            raise NotAsExpected(f"cryo log pull: {output.strip()[:200]}")
        result: dict[str, Any] = json.loads(process.stdout)
        with closing(sqlite3.connect(store)) as db:
            rows = db.execute("SELECT serial, seq, raw FROM records ORDER BY seq").fetchall()
    if [seq for _serial, seq, _raw in rows] != list(range(1, len(rows) + 1)):
        raise NotAsExpected("the stored records are not in order from record 1")
    try:
        decode_chain((raw for _serial, _seq, raw in rows), rows[0][0] if rows else "")
    except BrokenChain as error:
        raise NotAsExpected(f"stored: {error}") from None
    return Pulled(wall_s, len(rows), result["received"], result["resent"], result["requests"])


def pull_figures() -> list[Figure]:
    """Figures of one pull of at least 10 000 records."""
    what = f"{_FULL_JOURNAL} records pulled, verified and stored"
    try:
        image = full_journal(_FULL_JOURNAL)
        pulled = pull(image)
    except NotAsExpected as error:
        return [
            failed(what, "≤ 10 s", str(error)),
            failed("  records duplicated or re-sent", "≤ 1 %", str(error)),
        ]
    surplus = max(0, pulled.received - pulled.stored) + pulled.resent
    return [
        below(
            what,
            pulled.wall_s if pulled.stored >= _FULL_JOURNAL else float("inf"),
            10.0,
            "s",
            "one pull",
            f"`cryo log pull` over sim://, the whole command: {pulled.stored} records in "
            f"{pulled.requests} requests. The chain in the SQLite file was checked again here.",
        ),
        below(
            "  records duplicated or re-sent",
            100 * surplus / pulled.stored,
            1.0,
            "%",
            f"{pulled.stored} records",
            f"Received {pulled.received}, needed {pulled.stored}; "
            f"requests sent again: {pulled.resent}.",
            digits=2,
        ),
    ]
