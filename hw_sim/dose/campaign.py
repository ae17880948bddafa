"""The command `make campaign`: runs the trials, and writes docs/campaign.md and docs/campaign.png.

`python -m hw_sim.dose.campaign`; the same `--seed` gives the same outcomes. May import the standard
library, `hw_sim.figure_table`, and its sibling modules `trials` and `campaign_page`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hw_sim.dose import campaign_page, outcome_file
from hw_sim.dose.trials import COUNT, LINES, ROOT, SEED, STOPWATCHES, STRATEGIES, kept, key, run
from hw_sim.figure_table import missed


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.campaign", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="+", choices=[*STRATEGIES, *STOPWATCHES])
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel processes")
    parser.add_argument("--lines", type=Path, default=LINES, help="file of outcomes")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "docs", help="output folder of the page"
    )
    args = parser.parse_args(argv)
    if args.count < 1 or args.jobs < 1:
        parser.error("--count and --jobs must be at least 1")
    strategies = args.only or [*STRATEGIES, *STOPWATCHES]
    args.lines.parent.mkdir(parents=True, exist_ok=True)
    outcomes = kept(args.lines, args.seed) if args.resume else []
    began_s = time.perf_counter()
    with args.lines.open("w", encoding="utf-8") as lines:
        kept_lines = (json.dumps(asdict(one)) for one in outcomes)
        outcome_file.begin(lines, key(args.seed), args.seed, kept_lines)
        batches = run(args.seed, args.count, strategies, tuple(outcomes), args.jobs)
        for number, batch in enumerate(batches):
            outcomes += batch
            lines.writelines(json.dumps(asdict(one)) + "\n" for one in batch)
            lines.flush()
            if number % 20 == 19:
                elapsed_s = time.perf_counter() - began_s
                print(f"{number + 1} treatments: {elapsed_s:.0f} s", file=sys.stderr)
    outcomes = sorted((o for o in outcomes if o.number < args.count), key=lambda one: one.number)
    text, table = campaign_page.page(outcomes, args.seed, args.count)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "campaign.md").write_text(text, encoding="utf-8")
    campaign_page.plot(outcomes, args.folder / "campaign.png")
    for row in table:
        print(f"{row.what}: {row.measured}" + ("" if row.met is not False else "  MISSED"))
    return 1 if missed(table) else 0


if __name__ == "__main__":
    sys.exit(main())
