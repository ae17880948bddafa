"""Draws the documentation's pictures: a treatment, the states, and all screens.

`python -m hw_sim.artwork FOLDER` writes treatment.png, states.png, screens.png (English),
screens-zh.png (Chinese), and each screen as a file in screens/ and screens/zh/. The output is
reproducible byte by byte. May import the standard library, Pillow (lazily), `hw_sim.bench`,
`hw_sim.demo`, `hw_sim.plotting` and its own package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from hw_sim.artwork import state_diagram
from hw_sim.artwork.screen_tour import Sight, sights
from hw_sim.bench import FIRMWARE
from hw_sim.demo.picture import treatment
from hw_sim.demo.treatment import Session
from hw_sim.plotting import (
    INK,
    SOFT,
    STYLE,
    figure as figure_of,
    load,
    save,
    screen,
    snapshot,
)

# -- all screens ----------------------------------------------------------------------------------


def screens(path: Path, shown: Sequence[Sight]) -> None:
    """Draw screens with their titles into one PNG file, 1244 pixels wide."""
    across, dot, gap, edge = 4, 2, 40, 50
    wide, high = 128 * dot, 64 * dot + 114
    rows = -(-len(shown) // across)
    width = 2 * edge + across * wide + (across - 1) * gap
    height = 2 * edge + rows * high - 16
    with load().rc_context(STYLE):
        figure = figure_of(width, height)
        for i, sight in enumerate(shown):
            x = edge + i % across * (wide + gap)
            under = height - edge - i // across * high - 64 * dot
            screen(figure, sight.pixels, x, under, dot)
            figure.text(
                x / width, (under - 18) / height, sight.title, fontsize=14, fontweight="bold",
                color=INK, va="top",
            )  # fmt: skip
            figure.text(
                x / width,
                (under - 44) / height,
                fill(sight.words, 30),
                fontsize=12.5,
                color=SOFT,
                va="top",
                linespacing=1.15,
            )
        save(figure, path)


_QUESTIONS = [name.lower() for name in state_diagram.QUESTIONS]


def machine(path: Path, shown: Sequence[Sight]) -> None:
    """Draw the states with their screens and all transitions to a PNG file."""
    pixels = {sight.state: sight.pixels for sight in shown if sight.state}
    pixels["BOOT"] = pixels["SELF_TEST"]  # the same screen
    pixels |= {sight.name.upper(): sight.pixels for sight in shown if sight.name in _QUESTIONS}
    state_diagram.draw(path, state_diagram.read_machine(FIRMWARE / "cryo"), pixels)


def main(arguments: Sequence[str]) -> int:
    """`python -m hw_sim.artwork FOLDER`: the pictures of the documentation."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m hw_sim.artwork FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    session = Session()
    for _ in session.moments():
        pass
    outcome = session.outcome()
    treatment(folder / "treatment.png", session, outcome, planned_us=session.planned_us())
    english, chinese = sights(1), sights(2)
    screens(folder / "screens.png", english)
    screens(folder / "screens-zh.png", chinese)
    for alone, shown in ((folder / "screens", english), (folder / "screens" / "zh", chinese)):
        alone.mkdir(exist_ok=True)
        for sight in shown:
            snapshot(sight.pixels, alone / f"{sight.name}.png")
    machine(folder / "states.png", english)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
