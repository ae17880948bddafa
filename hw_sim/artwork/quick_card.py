"""The quick card: a treatment on one page, illustrated with the device's screens.

May import the standard library, matplotlib (lazily), and `plotting` and `artwork.screen_tour` of
hw_sim.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hw_sim import plotting
from hw_sim.artwork.screen_tour import Sight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 1240, 1754  # A4 at 150 dots per inch
_EDGE = 70
_DOT = 2

# Screen, instruction and notes of each step.
STEPS = (
    ("ready", "Choose", (
        "UP, DOWN: depth, with its uncertainty (\u00b1). SELECT: next.",
        "Top: treatments left in the dewar. SELECT held 1 s: menu.",
    )),
    ("screening", "Hold ARM 1 s, and answer", (
        "None of these: SELECT. One applies: DOWN to it, SELECT.",
        "\u201cAvoid\u201d stops; caution: physician, 2 s. Lift a stop: 3 s.",
    )),
    ("prechill", "Point away, hold TRIGGER", (
        "Only if the line is warm. Ends automatically when liquid",
        "arrives (10 s at most). Then release TRIGGER.",
    )),
    ("armed", "Aim, hold TRIGGER", (
        "At 90\u00b0, at the distance of the applicator.",
        "ARM goes back. After 60 s it goes back automatically.",
    )),
    ("freezing", "Hold still until it ends", (
        "SELECT when ice fills lesion and margin: second clock.",
        "Releasing TRIGGER ends it; no resume. A pedal: press again.",
    )),
    ("thawing", "Thaw fully between cycles", (
        "SELECT when it is soft again, then hold ARM.",
        "Nothing continues automatically.",
    )),
    ("done", "Read, SELECT", (
        "Delivered and planned time; coldest temperature.",
        "After 30 min: BP, pulse, skin. SELECT = stable, UP = not.",
    )),
)  # fmt: skip


def card(path: Path, shown: Sequence[Sight]) -> None:
    """Draw the card to a PNG file, without the steps whose screen is not in `shown`."""
    by_name = {sight.name: sight for sight in shown}
    steps = [step for step in STEPS if step[0] in by_name]
    with plotting.load().rc_context(plotting.STYLE):
        figure = plotting.figure(WIDTH, HEIGHT)
        _text(figure, _EDGE, 1666, "Cryodose", size=38, weight="bold")
        _text(figure, _EDGE, 1618, "One treatment, step by step", size=19, colour=plotting.SOFT)
        _stop(figure)
        pitch = 196
        for i, (name, head, lines) in enumerate(steps):
            y = 1440 - i * pitch
            plotting.screen(figure, by_name[name].pixels, _EDGE + 70, y, _DOT)
            _text(figure, _EDGE + 12, y + 74, str(i + 1), size=34, weight="bold",
                  colour=plotting.BLUE)  # fmt: skip
            x = _EDGE + 70 + 256 + 44
            _text(figure, x, y + 92, head, size=22, weight="bold")
            for row, line in enumerate(lines):
                _text(figure, x, y + 50 - row * 34, line, size=16.5, colour=plotting.SOFT)
        _foot(figure)
        plotting.save(figure, path)


def _text(
    figure: Figure, x: float, y: float, words: str, *, size: float, weight: str = "normal",
    colour: str = plotting.INK,
) -> None:  # fmt: skip
    figure.text(x / WIDTH, y / HEIGHT, words, fontsize=size, fontweight=weight, color=colour)


def _stop(figure: Figure) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y, wide, high = 620, 1612, WIDTH - _EDGE - 620, 104
    figure.patches.append(
        FancyBboxPatch(
            (x / WIDTH, y / HEIGHT),
            wide / WIDTH,
            high / HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.012",
            mutation_aspect=WIDTH / HEIGHT,
            transform=figure.transFigure,
            facecolor=plotting.RED,
            edgecolor="none",
        )  # fmt: skip
    )
    _text(figure, x + 24, y + 58, "If in doubt: press E-STOP", size=22, weight="bold",
          colour="white")  # fmt: skip
    _text(figure, x + 24, y + 24, "or release TRIGGER; a pedal: press it.", size=16.5,
          colour="white")  # fmt: skip


def _foot(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    y = 152
    line = Line2D(
        [_EDGE / WIDTH, 1 - _EDGE / WIDTH], [y / HEIGHT] * 2, color=plotting.FAINT, lw=1.5,
        transform=figure.transFigure,
    )  # fmt: skip
    figure.add_artist(line)
    columns = (
        (
            "Before",
            "Site clean, no cosmetics.",
            "Ventilate: N\u2082 displaces oxygen.",
            "Gloves, goggles.",
        ),
        (
            "Lights",
            "Green: ready; blinking: armed.",
            "Green + yellow: nitrogen flows.",
            "Yellow or red alone: a fault.",
        ),
        (
            "After a fault",
            "The screen says what to do.",
            "Nothing restarts automatically.",
            "Check the patient first.",
        ),
    )
    for i, (head, *lines) in enumerate(columns):
        x = _EDGE + i * 375
        _text(figure, x, y - 38, head, size=17, weight="bold")
        for row, words in enumerate(lines):
            _text(figure, x, y - 68 - 27 * row, words, size=13.5, colour=plotting.SOFT)
