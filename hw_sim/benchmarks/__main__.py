"""`python -m hw_sim.benchmarks [--json | --markdown] [--only WORD …]`: measure, and show the table.

Exit code: 0 all limits met, 1 a limit missed, 2 wrong command line. Takes a minute.
May import the rest of this package and the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hw_sim import figure_table
from hw_sim.bench import NotAsExpected
from hw_sim.benchmarks import computer, storage, valve
from hw_sim.figure_table import Figure

_GROUPS: dict[str, Callable[[], list[Figure]]] = {
    "valve": valve.open_time_figures,
    "closing": valve.closing_figures,
    "speed": computer.speed_figures,
    "help": lambda: [computer.help_figure()],
    "pull": computer.pull_figures,
    "store": storage.store_figures,
}
_ON_DEMAND: dict[str, Callable[[], list[Figure]]] = {"processes": storage.two_processes}
"""Measured only when named: five minutes."""

_TESTS = Figure(
    "`make test`",
    "≤ 90 s, two cores",
    "not run here",
    "",
    None,
    "Measure it with `time make test`, after `make setup`.",
)
_HEAD = """\
# Figures

What the project promises and what it reaches, as `make bench` measures it. Written by
`python -m hw_sim.benchmarks --markdown`; do not edit.

Measured on {date}, {machine}.

"""


def machine() -> str:
    """Description of this computer."""
    cores = os.cpu_count() or 1
    return (
        f"{cores} shared {'cores' if cores > 1 else 'core'} ({platform.system()}, "
        f"{platform.machine()}), Python {platform.python_version()}{_load()}"
    )


def _load() -> str:
    """Load average of the computer; empty if the system does not provide it."""
    try:
        return f", load average {os.getloadavg()[0]:.1f} before it began"
    except (AttributeError, OSError):
        return ""


def measure(groups: Sequence[str]) -> list[Figure]:
    """The rows of these groups. A failed measurement gives a missed row."""
    out: list[Figure] = []
    for name in groups:
        started_s = time.perf_counter()
        try:
            out += (_GROUPS | _ON_DEMAND)[name]()
        except NotAsExpected as error:
            out.append(figure_table.failed(name, "", str(error)))
        print(f"{name}: {time.perf_counter() - started_s:.0f} s", file=sys.stderr)
    return [*out, _TESTS]


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.benchmarks", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print docs/figures.md")
    parser.add_argument(
        "--only", nargs="+", choices=[*_GROUPS, *_ON_DEMAND], help="measure only these groups"
    )
    args = parser.parse_args(argv)
    where = machine()
    figures = measure(args.only or list(_GROUPS))
    missed = figure_table.missed(figures)
    if args.json:
        data = {"machine": where, "met": not missed, "figures": figure_table.as_dicts(figures)}
        print(json.dumps(data, indent=1, ensure_ascii=False))
    elif args.markdown:
        print(_HEAD.format(date=datetime.now(UTC).date(), machine=where), end="")
        print(figure_table.markdown(figures), end="")
    else:
        figure_table.show(figures, f"Cryodose, measured on {where}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
