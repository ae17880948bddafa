"""State diagram of the treatment: each state with its screen, and all transitions.

The transitions are read from the firmware's tables (`TRANSITIONS` in transitions.py, `STATES` in
states.py), so the picture always agrees with the device. May import the standard library,
matplotlib and NumPy (lazily), and `hw_sim.plotting`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hw_sim import plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Column and row of each state.
PLACES = {
    "BOOT": (0, 0),
    "SELF_TEST": (1, 0),
    "READY": (2, 0),
    "DONE": (3, 0),
    "FAULT": (0, 1),
    "SCREENING": (1, 1),
    "THAWING": (3, 1),
    "PRECHILL": (1, 2),
    "ARMED": (2, 2),
    "FREEZING": (3, 2),
}
# Arrows that would cross another state are curved: offset in pixels to the left.
BOWS = {("FREEZING", "DONE"): -206.0}
# Position of a label along its arrow, if not in the middle.
ALONG = {
    ("THAWING", "PRECHILL"): 0.3,
}
_DOT = 2
_WIDE, _HIGH = 128 * _DOT, 64 * _DOT
_PITCH_X, _PITCH_Y = 470, 300
_EDGE = 44
_NAME = 34  # above a screen
_ASIDE = 150  # right of the last column, for the curved arrow
_APART = 13.0  # half the distance of two arrows between the same states
_CLEAR = 15.0  # between a screen's edge and an arrow's end
_BACK = ("ARM pressed", "timed out")


@dataclass(frozen=True, slots=True)
class Way:
    """A transition from a state to another, with its events."""

    begin: str
    end: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """The table of transitions with names. `faulted`: the event that leads to FAULT anywhere."""

    states: tuple[str, ...]
    ways: tuple[Way, ...]
    faulted: str

    def used(self) -> list[str]:
        """The states with at least one transition."""
        connected = {state for way in self.ways for state in (way.begin, way.end)}
        return [state for state in self.states if state in connected]


def _constants(tree: ast.Module) -> dict[str, int]:
    """The numbers that a module defines with `const`."""
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value.args[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args
    }


def _rows(tree: ast.Module, name: str) -> list[list[ast.expr]]:
    """The rows of a table of tuples. ValueError if there is no table of that name."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            assert isinstance(node.value, ast.Tuple)
            return [row.elts for row in node.value.elts if isinstance(row, ast.Tuple)]
    raise ValueError(f"no table {name}")


def read_machine(cryo: Path) -> Machine:
    """The state machine of the firmware in folder `cryo`. ValueError if a table is missing."""
    transitions = ast.parse((cryo / "transitions.py").read_text(encoding="utf-8"))
    numbers = _constants(transitions)
    names = {
        ast.unparse(row[0]).removeprefix("transitions."): str(ast.literal_eval(row[1]))
        for row in _rows(ast.parse((cryo / "states.py").read_text(encoding="utf-8")), "STATES")
    }
    events = next(
        ast.literal_eval(node.value)
        for node in ast.parse((cryo / "metadata.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EVENTS"
    )
    transition_events: dict[tuple[str, str], list[str]] = {}
    faulted = ""
    for row in _rows(transitions, "TRANSITIONS"):
        begin, event, end = (ast.unparse(cell) for cell in row[:3])
        if begin == "ANY":
            faulted = events[numbers[event]]
        else:
            pair = names[begin], names[end]
            transition_events.setdefault(pair, []).append(events[numbers[event]])
    ways = tuple(Way(begin, end, tuple(by)) for (begin, end), by in transition_events.items())
    return Machine(tuple(names.values()), ways, faulted)


Point = tuple[float, float]


def _centre(state: str, rows: int) -> Point:
    column, row = PLACES[state]
    x = _EDGE + _WIDE / 2 + column * _PITCH_X
    y = _EDGE + 36 + _HIGH / 2 + (rows - 1 - row) * _PITCH_Y
    return x, y


def _leave(centre: Point, begin: Point, toward: Point) -> Point:
    """Point at which the line from `begin`, inside a screen, leaves the screen's margin."""
    dx, dy = toward[0] - begin[0], toward[1] - begin[1]
    half_x = _WIDE / 2 + _CLEAR
    half_y = _HIGH / 2 + _CLEAR + (_NAME - _CLEAR / 2 if dy > 0 else 0.0)
    # The nearer of the two sides in the line's direction.
    far = [
        (half - (at - middle) * (1 if d > 0 else -1)) / abs(d)
        for d, half, at, middle in (
            (dx, half_x, begin[0], centre[0]),
            (dy, half_y, begin[1], centre[1]),
        )
        if abs(d) > 1e-6
    ]
    return begin[0] + dx * min(far), begin[1] + dy * min(far)


def draw(path: Path, machine: Machine, screens: Mapping[str, bytes]) -> None:
    """Draw the state machine to a PNG file; `screens`: pixels of each state's screen.

    KeyError for a state without a place or a screen.
    """
    columns = 1 + max(column for column, _ in PLACES.values())
    rows = 1 + max(row for _, row in PLACES.values())
    width = 2 * _EDGE + (columns - 1) * _PITCH_X + _WIDE + _ASIDE
    height = 2 * _EDGE + (rows - 1) * _PITCH_Y + _HIGH + _NAME + 36
    with plotting.load().rc_context(plotting.STYLE):
        figure = plotting.figure(width, height)
        pairs = {(way.begin, way.end) for way in machine.ways}
        for way in machine.ways:
            _arrow(figure, way, (way.end, way.begin) in pairs, rows)
        for state in machine.used():
            x, y = _centre(state, rows)
            left, top = round(x - _WIDE / 2), round(y - _HIGH / 2)
            plotting.screen(figure, screens[state], left, top, _DOT)
            figure.text(
                (x - _WIDE / 2 - 2) / width, (y + _HIGH / 2 + 14) / height,
                state.replace("_", "-"), fontsize=14.5, fontweight="bold", color=plotting.INK,
            )  # fmt: skip
        x, y = _centre("FAULT", rows)
        figure.text(
            x / width, (y - _HIGH / 2 - 22) / height, f"from any state: {machine.faulted}",
            fontsize=12.5, color=plotting.RED, ha="center", va="top",
        )  # fmt: skip
        plotting.save(figure, path)


def _arrow(figure: Figure, way: Way, both: bool, rows: int) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    width, height = (size * plotting.DPI for size in figure.get_size_inches())
    begin, end = _centre(way.begin, rows), _centre(way.end, rows)
    centres = begin, end
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    length = (dx * dx + dy * dy) ** 0.5
    left = (-dy / length, dx / length)
    aside = -_APART if both else 0.0
    begin = begin[0] + left[0] * aside, begin[1] + left[1] * aside
    end = end[0] + left[0] * aside, end[1] + left[1] * aside
    bow = BOWS.get((way.begin, way.end), 0.0)
    middle = (begin[0] + end[0]) / 2 + left[0] * bow, (begin[1] + end[1]) / 2 + left[1] * bow
    start = _leave(centres[0], begin, middle)
    stop = _leave(centres[1], end, middle)
    # Stagger the labels of two parallel arrows.
    along = ALONG.get((way.begin, way.end), 0.5 if not both or abs(dy) < 1.0 else 0.34)
    if bow:
        control = 2 * middle[0] - (start[0] + stop[0]) / 2, 2 * middle[1] - (start[1] + stop[1]) / 2
        points, codes = [start, control, stop], [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]
        label = middle
    else:
        points, codes = [start, stop], [Curve.MOVETO, Curve.LINETO]
        label = (
            start[0] + (stop[0] - start[0]) * along,
            start[1] + (stop[1] - start[1]) * along,
        )
    scaled = Curve([(x / width, y / height) for x, y in points], codes)
    back = all(event in _BACK for event in way.events)
    colour = plotting.FAINT if back else plotting.BLUE
    figure.add_artist(
        FancyArrowPatch(
            path=scaled,
            transform=figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=17,
            color=colour,
            lw=1.8 if back else 2.6,
            shrinkA=0,
            shrinkB=0,
            zorder=1,
        )  # fmt: skip
    )
    figure.text(
        label[0] / width, label[1] / height, "\n".join(way.events), fontsize=11.5,
        color=plotting.SOFT if back else plotting.INK, ha="center", va="center", linespacing=1.15,
        bbox={"facecolor": plotting.PAPER, "edgecolor": "none", "pad": 2.5}, zorder=4,
    )  # fmt: skip
