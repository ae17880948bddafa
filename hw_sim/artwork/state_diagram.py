"""State diagram of the treatment: each state with its screen, and all transitions.

The transitions are read from the firmware's tables (`TRANSITIONS` in transitions.py, `STATES` in
states.py), so the picture always agrees with the device. READY's two questions (an observation that
is over, a change that a host asks for) are drawn beside it. Fonts are for a column of 900 pixels.

May import the standard library, matplotlib and NumPy (lazily), `hw_sim.plotting` and
`hw_sim.image.firmware_tables`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hw_sim import plotting
from hw_sim.image.firmware_tables import tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text


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
    numbers = tables(cryo, "transitions")
    names = {
        ast.unparse(row[0]).removeprefix("transitions."): str(ast.literal_eval(row[1]))
        for row in _rows(ast.parse((cryo / "states.py").read_text(encoding="utf-8")), "STATES")
    }
    events = tables(cryo, "metadata")["EVENTS"]
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

# -- places and routes, in pixels from the upper left corner ---------------------------------------

WIDTH, HEIGHT = 2038, 1250
_DOT = 2
_WIDE, _HIGH = 128 * _DOT, 64 * _DOT
_NAME = 36  # above a screen
_CLEAR = 15.0  # between a screen's edge and an arrow's end
_ROWS = (158, 458, 758, 1058)
_BOTTOM = 1175  # of the way back from DONE

# Centre of each state's screen; READY's questions among them.
PLACES: dict[str, Point] = {
    "BOOT": (172, _ROWS[0]),
    "SELF_TEST": (640, _ROWS[0]),
    "CONFIRM": (970, _ROWS[0]),
    "OBSERVE": (1300, _ROWS[0]),
    "FAULT": (172, _ROWS[1]),
    "READY": (640, _ROWS[1]),
    "ARMED": (1300, _ROWS[1]),
    "SCREENING": (640, _ROWS[2]),
    "FREEZING": (1866, _ROWS[2]),
    "PRECHILL": (640, _ROWS[3]),
    "THAWING": (1450, _ROWS[3]),
    "DONE": (1866, _ROWS[3]),
}
QUESTIONS = ("CONFIRM", "OBSERVE")
"""Screens of READY that ask: no states."""


class Port(NamedTuple):
    """Where an arrow begins or ends: side of a screen, pixels right of or below its middle."""

    side: str
    aside: float = 0.0


class Route(NamedTuple):
    """An arrow's way. `through`: corners. `label`: its middle, or its edge if `align` says so."""

    begin: Port
    end: Port
    through: tuple[Point, ...] = ()
    label: Point = (0.0, 0.0)
    align: str = "center"


_LEFT, _RIGHT, _UP, _DOWN = (Port(side) for side in ("left", "right", "top", "bottom"))
ROUTES: dict[tuple[str, str], Route] = {
    ("BOOT", "SELF_TEST"): Route(_RIGHT, _LEFT, (), (406, 134)),
    ("SELF_TEST", "READY"): Route(_DOWN, _UP, (), (626, 288), "right"),
    ("FAULT", "READY"): Route(Port("right", -40), Port("left", -40), (), (400, 376)),
    ("READY", "SCREENING"): Route(Port("bottom", 14), Port("top", 14), (), (672, 588), "left"),
    ("SCREENING", "READY"): Route(Port("top", -30), Port("bottom", -30)),
    ("READY", "PRECHILL"): Route(
        Port("left", 46), Port("left", -14), ((449, 504), (449, 1044)), (462, 884), "left"
    ),
    ("PRECHILL", "READY"): Route(
        Port("left", 18), Port("left", 20), ((408, 1076), (408, 478))
    ),
    ("READY", "ARMED"): Route(Port("right", -16), Port("left", -16), (), (970, 420)),
    ("ARMED", "READY"): Route(Port("left", 16), Port("right", 16)),
    ("SCREENING", "PRECHILL"): Route(_DOWN, _UP, (), (654, 884), "left"),
    ("SCREENING", "ARMED"): Route(_RIGHT, Port("bottom", -105), ((1195, 758),), (980, 738)),
    ("PRECHILL", "ARMED"): Route(
        Port("right", -40), Port("bottom", -70), ((1230, 1018),), (980, 998)
    ),
    ("ARMED", "PRECHILL"): Route(
        Port("bottom", -35), Port("right", -6), ((1265, 1052),), (1278, 700), "left"
    ),
    ("THAWING", "PRECHILL"): Route(Port("left", 36), Port("right", 36), (), (1090, 1118)),
    ("THAWING", "ARMED"): Route(Port("top", -44), Port("bottom", 106), (), (1420, 610), "left"),
    ("ARMED", "FREEZING"): Route(_RIGHT, _UP, ((1866, 458),), (1650, 438)),
    ("FREEZING", "THAWING"): Route(
        _LEFT, Port("top", 60), ((1510, 758),), (1620, 700)
    ),
    ("FREEZING", "DONE"): Route(_DOWN, _UP, (), (1852, 884), "right"),
    ("THAWING", "DONE"): Route(_RIGHT, _LEFT, (), (1658, 1034)),
    ("DONE", "READY"): Route(
        _DOWN, Port("left", -10), ((1866, _BOTTOM), (340, _BOTTOM), (340, 448)), (1150, 1200)
    ),
}  # fmt: skip
# Back to READY by one of these: grey, and said once for all.
_BACK = frozenset({"ARM pressed", "timed out", "stopped"})
_BACK_NOTE = "grey: back to READY by\nARM pressed, timed out,\nor stopped (checklist)"
_QUESTIONS_NOTE = "dashed: questions in READY, of a\nhost, after an observation"
_LINES = {
    "ARM held 1 s, screening due": "ARM held 1 s,\nscreening due",
    "freeze complete, cycles left": "freeze\ncomplete,\ncycles left",
    "faults cleared": "faults\ncleared",
}
_NOT_COLD = "nozzle not cold"


def port(state: str, where: Port) -> Point:
    """The point at a side of a state's screen; above it, the name is kept free."""
    x, y = PLACES[state]
    dx, dy = _WIDE / 2 + _CLEAR, _HIGH / 2 + _CLEAR
    return {
        "left": (x - dx, y + where.aside),
        "right": (x + dx, y + where.aside),
        "top": (x + where.aside, y - dy - _NAME),
        "bottom": (x + where.aside, y + dy),
    }[where.side]


def points(way: Way) -> tuple[Point, ...]:
    """The corners of a way's arrow. KeyError for a way without a route."""
    route = ROUTES[way.begin, way.end]
    return port(way.begin, route.begin), *route.through, port(way.end, route.end)


def goes_back(way: Way) -> bool:
    """Whether a way only leaves what was begun."""
    return way.end == "READY" and way.begin != "DONE" and _BACK.issuperset(way.events)


def label(way: Way) -> str:
    """What stands at a way's arrow; nothing at those that go back."""
    if goes_back(way):
        return ""
    upright = way.begin in ("SCREENING", "READY", "ARMED")
    lines = [
        event.replace(_NOT_COLD, "nozzle\nnot cold") if upright else event for event in way.events
    ]
    return (" or " if way.begin == "DONE" else "\n").join(_LINES.get(e, e) for e in lines)


def picture(machine: Machine, screens: Mapping[str, bytes]) -> tuple[Figure, list[Text]]:
    """The figure and its texts. KeyError for a state without a place or a screen."""
    figure = plotting.figure(WIDTH, HEIGHT)
    used = machine.used()
    questions = [name for name in QUESTIONS if name in screens]
    for way in machine.ways:
        _arrow(figure, points(way), back=goes_back(way))
    texts: list[Text] = []
    for name in (*used, *questions):
        x, y = PLACES[name]
        left, low = round(x - _WIDE / 2), round(HEIGHT - y - _HIGH / 2)
        plotting.screen(figure, screens[name], left, low, _DOT)
        texts.append(
            _say(figure, (left - 2, y - _HIGH / 2 - 27), name.replace("_", "-"), "left", bold=True)
        )
    for name in questions:
        side, end = (Port("left", 40), Port("right", -52))
        _line(figure, (port(name, side), port("READY", end)))
    for way in machine.ways:
        if words := label(way):
            route = ROUTES[way.begin, way.end]
            texts.append(_say(figure, route.label, words, route.align))
    x, y = PLACES["FAULT"]
    below = (x, y + _HIGH / 2 + 32)
    texts.append(_say(figure, below, f"from any state: {machine.faulted}", colour=plotting.RED))
    texts.append(_say(figure, (800, 884), _BACK_NOTE, "left", colour=plotting.SOFT))
    if questions:
        at = (1450, _ROWS[0])
        texts.append(_say(figure, at, _QUESTIONS_NOTE, "left", colour=plotting.SOFT))
    return figure, texts


def draw(path: Path, machine: Machine, screens: Mapping[str, bytes]) -> None:
    """Draw the state machine to a PNG file; `screens`: pixels of each state's screen.

    KeyError for a state without a place or a screen.
    """
    with plotting.load().rc_context(plotting.STYLE):
        plotting.save(picture(machine, screens)[0], path)


def _say(
    figure: Figure, at: Point, words: str, align: str = "center", *, colour: str = plotting.INK,
    bold: bool = False,
) -> Text:  # fmt: skip
    return figure.text(
        at[0] / WIDTH, 1 - at[1] / HEIGHT, words, ha=align, va="center", color=colour,
        fontsize=21.5 if bold else 20, fontweight="bold" if bold else "normal", linespacing=1.1,
    )  # fmt: skip


def _line(figure: Figure, corners: Sequence[Point]) -> None:
    from matplotlib.lines import Line2D

    figure.add_artist(
        Line2D(
            [x / WIDTH for x, _ in corners],
            [1 - y / HEIGHT for _, y in corners],
            color=plotting.FAINT,
            lw=2.4,
            linestyle=(0, (4, 3)),
            transform=figure.transFigure,
        )  # fmt: skip
    )


def _arrow(figure: Figure, corners: Sequence[Point], *, back: bool) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    codes = [Curve.MOVETO, *[Curve.LINETO] * (len(corners) - 1)]
    figure.add_artist(
        FancyArrowPatch(
            path=Curve([(x / WIDTH, 1 - y / HEIGHT) for x, y in corners], codes),
            transform=figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=24,
            color=plotting.FAINT if back else plotting.BLUE,
            lw=2.6 if back else 3.4,
            joinstyle="round",
            shrinkA=0,
            shrinkB=0,
            zorder=1,
        )  # fmt: skip
    )
