"""`make electrical`: measure the circuit over the tolerances and write its pages and drawings."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hw_sim.electrical import page, picture, schematic, trials
from hw_sim.electrical.circuits import NgspiceMissing, draws


def main() -> int:
    """Write docs/electrical.md and docs/bom.md. 1: ngspice is missing, or a margin is."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.electrical", description=__doc__)
    parser.add_argument("--boards", type=int, default=60, help="boards within the tolerances")
    parser.add_argument("--jobs", type=int, default=2, help="ngspice at a time (2)")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the pages go")
    parser.add_argument("--no-simulation", action="store_true", help="only what needs no ngspice")
    args = parser.parse_args()
    (args.docs / "bom.md").write_text(page.bill(), encoding="utf-8")
    schematic.draw(args.docs)
    if args.no_simulation:
        return 0
    try:
        with ThreadPoolExecutor(args.jobs) as pool:
            rows = list(pool.map(trials.measure, draws(args.boards)))
    except NgspiceMissing as error:
        print(error, file=sys.stderr)
        return 1
    (args.docs / "electrical.md").write_text(page.electrical(rows), encoding="utf-8")
    picture.draw(args.docs / "electrical.png")
    short = [
        claim.text
        for claim in trials.CLAIMS
        if claim.margin([row[f"{claim.trial}.{claim.figure}"] for row in rows]) < page.NEEDED
    ]
    for text in short:
        print(f"margin below {page.NEEDED:g}: {text}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
