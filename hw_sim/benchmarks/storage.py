"""Running times of the host's store at a million records, and two processes that pull into it.

May import the standard library, `scenes`, `figure_table`. The host tools run as programs of their
own. The stored records are made, not pulled from a board: whole treatments with their chain.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from hw_sim.benchmarks.scenes import NotAsExpected
from hw_sim.figure_table import Figure, below, failed

MILLION = 1_000_000
_SERIALS = ("e661640843270001", "e661640843270002")

# Run with the host tools in a process of its own: the simulator imports nothing of theirs.
# `fill FILE N SERIAL` stores N made records; `pull FILE SECONDS SERIAL` pulls a device that answers
# docs/protocol.md from a made journal again and again, two treatments later each time.
_HOST = """\
import base64, json, sys, time
from pathlib import Path
from host_tools.device import Device
from host_tools.errors import CryoError
from host_tools.link import Link
from host_tools.pull import pull
from host_tools.records import decode, genesis
from host_tools.store import Store
from host_tools.transport import open_transport
from hw_sim.bench.journal_maker import Practice
from hw_sim.bench.link_client import encode

link = Link(open_transport("sim://"), first_id=1)
DESCRIPTION = Device(link).description()
link.close()


def fill(path, records, serial):
    practice = Practice(serial, 1)
    while practice.journal.head < records:
        practice.treat(500)
    raws = practice.journal.raws
    with Store(path) as store:
        store.put_device(
            serial, fw="1", micropython="1", boot=1, head=len(raws), description=DESCRIPTION
        )
        anchor = genesis(serial)
        for start in range(0, len(raws), 10_000):
            batch = [decode(raw) for raw in raws[start : start + 10_000]]
            store.append(serial, batch, anchor)
            anchor = batch[-1].chain
    return len(raws)


class Answers:
    url, slice_s, out = "memory://", 0.05, b""

    def __init__(self, serial, raws):
        self.serial, self.raws = serial, raws

    def read_some(self):
        data, self.out = self.out, b""
        return data

    def write(self, data):
        for line in data.split(b"\\n"):
            if line:
                request = json.loads(line.rpartition(b"*")[0])
                self.out += encode({"id": request["id"]} | self.answer(request))

    def close(self):
        pass

    def answer(self, request):
        head, start = len(self.raws), request.get("from", 0)
        if request["op"] == "hello":
            return {"ok": {
                "device": "cryodose", "serial": self.serial, "fw": "1", "protocol": 1,
                "micropython": "1", "boot": 1, "state": "READY", "log_head": head,
            }}
        if request["op"] == "describe":
            table = DESCRIPTION.tables[request["part"]]
            more = start + 8 if start + 8 < len(table.rows) else None
            return {"ok": {
                "part": table.part, "columns": table.columns, "next": more,
                "rows": table.rows[start : start + 8],
            }}
        if request["op"] != "log":
            return {"err": {"code": "unknown_op", "text": "no such request"}}
        raws = self.raws[start - 1 : start - 1 + min(18, request["max"])]
        anchor = self.raws[start - 2][48:] if start > 1 else genesis(self.serial)
        return {"ok": {
            "first": 1, "head": head, "next": start + len(raws),
            "anchor": base64.b64encode(anchor).decode(),
            "records": [base64.b64encode(raw).decode() for raw in raws],
        }}


def again_and_again(path, seconds, serial):
    practice = Practice(serial, sum(serial.encode()))
    errors, pulls, longest_s = [], 0, 0.0
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        practice.treat(2)
        started_s = time.monotonic()
        try:
            with Store(path) as store:
                link = Link(Answers(serial, practice.journal.raws), first_id=1)
                pull(Device(link), store, batch_records=20)
        except CryoError as error:
            errors.append(error.text)
        longest_s = max(longest_s, time.monotonic() - started_s)
        pulls += 1
    raws = [raw.hex() for raw in practice.journal.raws]
    return {"raws": raws, "errors": errors, "pulls": pulls, "longest_s": longest_s}


what, path, number, serial = sys.argv[1:]
done = (fill if what == "fill" else again_and_again)(Path(path), float(number), serial)
print(json.dumps(done))
"""


def fill(path: Path, records: int = MILLION) -> int:
    """Write a store of at least this many records of one device. Returns how many."""
    command = [sys.executable, "-c", _HOST, "fill", str(path), str(records), _SERIALS[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAsExpected(f"filling the store: {done.stderr[-300:]}")
    return int(done.stdout)


def run(*argv: str) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of one `cryo` command in a process of its own.

    Processor time, since other work on the computer would count in the wall's; what waits for
    the disk is not in it (the file is in the system's cache after it has been written).
    """
    code = (
        "import sys, time\n"
        "from host_tools.cli import main\n"
        "started = time.process_time()\n"
        "code = main(sys.argv[1:])\n"
        "took = time.process_time() - started\n"
        "status = open('/proc/self/status').read()\n"  # ru_maxrss would count the parent's, too
        "peak = status.split('VmHWM:')[1].split()[0]\n"
        "print(f'{code} {took} {peak}', file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True,
        env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    try:
        exit_code, took_s, peak_kb = process.stderr.strip().splitlines()[-1].split()
    except (IndexError, ValueError):
        raise NotAsExpected(f"cryo {' '.join(argv)}: {process.stderr[-200:]}") from None
    if exit_code != "0":
        raise NotAsExpected(f"cryo {' '.join(argv)} ended with {exit_code}")
    return float(took_s), float(peak_kb) / 1024


def store_figures(records: int = MILLION) -> list[Figure]:
    """Listing, filtering, verifying, exporting and rebuilding, each as the command is run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.sqlite"
        count = fill(path, records)
        with closing(sqlite3.connect(path)) as db:
            made = db.execute("SELECT count(*) FROM treatments").fetchone()[0]
        store, out = ("--store", str(path)), Path(folder) / "out.csv"
        over = f"{count} records"
        listed = median(run("treatments", *store)[0] for _ in range(5))
        filtered = median(run("treatments", "--reference", "42", *store)[0] for _ in range(5))
        verified, verify_mb = run("log", "verify", *store)
        exported, export_mb = run("log", "export", "-o", str(out), *store)
        treated, treated_mb = run("log", "export", "--treatments", "-o", str(out), *store)
        rebuilt, _ = run("store", "rebuild", *store)
        size_mb = path.stat().st_size / 1e6
    return [
        below(
            "list of the last 50 treatments", listed, 0.2, "s", over,
            f"`cryo treatments`, median of 5, imports of rich included; {made} treatments in a "
            f"file of {size_mb:.0f} MB.",
            digits=2,
        ),
        below("treatments of one reference", filtered, 0.5, "s", over, digits=2),
        _at_least("records verified", count / verified, 200_000, over, f"{verify_mb:.0f} MB."),
        _at_least("records exported to CSV", count / exported, 100_000, over, ""),
        below("  memory of that", export_mb, 100, "MB", over, "Peak resident size.", digits=0),
        Figure(
            "treatments exported to CSV", "–", f"{made / treated:.0f} 1/s", over, None,
            f"{treated_mb:.0f} MB.", made / treated, "1/s",
        ),
        Figure(
            "records to treatments again (`cryo store rebuild`)", "–",
            f"{count / rebuilt:.0f} 1/s", over, None, "", count / rebuilt, "1/s",
        ),
    ]  # fmt: skip


def _at_least(what: str, value: float, limit: float, over: str, note: str) -> Figure:
    return Figure(
        what, f"≥ {limit:.0f} 1/s", f"{value:.0f} 1/s", over, value >= limit, note, value, "1/s"
    )


# -- two processes --------------------------------------------------------------------------------


@contextmanager
def _pullers(path: Path, seconds: float) -> Generator[list[subprocess.Popen[str]]]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _HOST, "pull", str(path), str(seconds), serial],
            stdout=subprocess.PIPE,
            text=True,
        )
        for serial in _SERIALS
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def two_processes(seconds: float = 300.0) -> list[Figure]:
    """Two processes that pull two devices into one file, while a third one lists treatments."""
    what = f"two processes pulling into one file for {seconds:.0f} s"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.sqlite"
        reads = 0
        with _pullers(path, seconds) as processes:
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                time.sleep(0.5)
                if path.exists():
                    run("treatments", "--store", str(path))
                    reads += 1
            told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
        with closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT serial, raw FROM records ORDER BY serial, seq").fetchall()
        try:
            run("log", "verify", "--store", str(path))
        except NotAsExpected as error:
            return [failed(what, "0 lost, doubled or refused", str(error))]
    expected = [raw for one in told for raw in one["raws"]]
    stored = [raw.hex() for _serial, raw in rows]
    # A pull that was cut off at the end of the time may have left newer records to the next one.
    wrong = sum(one != other for one, other in zip(stored, expected, strict=False))
    wrong += abs(len(stored) - len(expected))
    errors = [text for one in told for text in one["errors"]]
    pulls = sum(one["pulls"] for one in told)
    longest_s = max(one["longest_s"] for one in told)
    return [
        Figure(
            what, "0 lost, doubled or refused", f"{wrong} rows, {len(errors)} errors",
            f"{pulls} pulls", not wrong and not errors,
            f"{len(stored)} records in transactions of 20; {reads} lists of treatments by a third "
            f"process meanwhile; the longest pull took {longest_s:.2f} s. "
            + ("; ".join(sorted(set(errors))[:3])),
            float(wrong + len(errors)), "",
        )
    ]  # fmt: skip
