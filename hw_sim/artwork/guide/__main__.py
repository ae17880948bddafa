"""`python -m hw_sim.artwork.guide FOLDER` writes the guide and the card, in both languages.

May import the standard library and `pages` of its package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hw_sim.artwork.guide.pages import pages


def main(arguments: Sequence[str]) -> int:
    """Write the pages; returns the exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m hw_sim.artwork.guide FOLDER", file=sys.stderr)
        return 2
    for name, text in pages().items():
        (Path(arguments[0]) / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
