"""`python -m hw_sim.dose [--check]`: write firmware/cryo/applicators.py, or check it.

Exit code: 0 written, or up to date; 1 it differs from the model. Takes about a minute. May import
the rest of this package and the standard library.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hw_sim.dose import tables

TARGET = Path(__file__).resolve().parents[2] / "firmware" / "cryo" / "applicators.py"


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    args = parser.parse_args(argv)
    text = tables.source(tables.all_rows())
    if args.check:
        same = TARGET.read_text(encoding="utf-8") == text
        print(f"{TARGET} " + ("is up to date" if same else "differs from the model's output"))
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"written: {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
