"""The state diagram agrees with the firmware's transition table."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from cryo import metadata, transitions
from PIL import Image

from hw_sim import plotting
from hw_sim.artwork import state_diagram as states
from hw_sim.bench import FIRMWARE

SOURCE = FIRMWARE / "cryo"
Box = tuple[float, float, float, float]

NUMBERS = json.loads((Path(__file__).parents[2] / "rules" / "numbers.json").read_text("utf-8"))


def test_the_diagram_has_exactly_the_transitions_of_the_table() -> None:
    machine = states.read_machine(SOURCE)
    assert set(machine.states) == set(NUMBERS["states"].values())
    names = machine.states
    expected = {
        (names[begin], metadata.EVENTS[event], names[end])
        for begin, event, end, _action in transitions.TRANSITIONS
        if begin != transitions.ANY
    }
    drawn = {(way.begin, event, way.end) for way in machine.ways for event in way.events}
    assert drawn == expected
    assert len(machine.ways) == len({(way.begin, way.end) for way in machine.ways})
    assert machine.faulted == metadata.EVENTS[transitions.FAULTED]


def test_every_state_has_its_place_and_every_way_its_route() -> None:
    machine = states.read_machine(SOURCE)
    assert set(machine.used()) | set(states.QUESTIONS) == set(states.PLACES)
    assert len(set(states.PLACES.values())) == len(states.PLACES)
    assert {(way.begin, way.end) for way in machine.ways} == set(states.ROUTES)


def boxes() -> dict[str, Box]:
    """Left, top, right and bottom of each text and screen of the picture, from its upper left."""
    machine = states.read_machine(SOURCE)
    with plotting.load().rc_context(plotting.STYLE):
        figure, texts = states.picture(machine, dict.fromkeys(states.PLACES, bytes(8192)))
        extents = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    found = {
        f"{number} {text.get_text()}": (e.x0, states.HEIGHT - e.y1, e.x1, states.HEIGHT - e.y0)
        for number, (text, e) in enumerate(zip(texts, extents, strict=True))
    }
    for name, (x, y) in states.PLACES.items():
        found[f"screen {name}"] = (x - 135, y - 71, x + 135, y + 71)  # with its bezel
    return found


def parts(way: states.Way, thick: float) -> list[Box]:
    """The straight parts of an arrow as boxes, `thick` to each side; none is oblique."""
    corners = states.points(way)
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners)), way
    return [
        (
            min(a[0], b[0]) - thick, min(a[1], b[1]) - thick,
            max(a[0], b[0]) + thick, max(a[1], b[1]) + thick,
        )
        for a, b in pairwise(corners)
    ]  # fmt: skip


def apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_no_arrow_runs_through_a_label_a_screen_or_another_arrow() -> None:
    around = boxes()
    ways = states.read_machine(SOURCE).ways
    for way in ways:
        for part in parts(way, 3.0):
            for what, box in around.items():
                assert apart(part, box), f"{way.begin} to {way.end} runs through {what}"
    for one, other in combinations(ways, 2):
        for part in parts(one, 5.0):
            for beside in parts(other, 5.0):
                assert apart(part, beside), f"{one} meets {other}"


def test_no_text_covers_another_or_leaves_the_picture() -> None:
    around = boxes()
    for what, (left, top, right, bottom) in around.items():
        assert 0 <= left < right <= states.WIDTH, what
        assert 0 <= top < bottom <= states.HEIGHT, what
    for (one, a), (other, b) in combinations(around.items(), 2):
        assert apart(a, b), f"{one} covers {other}"


def test_the_letters_survive_a_column_of_900_pixels() -> None:
    """At least 12 pixels high then, as a page's small print."""
    machine = states.read_machine(SOURCE)
    _, texts = states.picture(machine, dict.fromkeys(states.PLACES, bytes(8192)))
    for text in texts:
        assert text.get_fontsize() * plotting.DPI / 72 * 900 / states.WIDTH >= 12


def test_the_picture_is_the_same_each_time_and_needs_every_screen(tmp_path: Path) -> None:
    machine = states.Machine(
        ("READY", "ARMED"),
        (states.Way("READY", "ARMED", ("on",)), states.Way("ARMED", "READY", ("off",))),
        "fault",
    )
    screens = {"READY": bytes(8192), "ARMED": bytes(8192)}
    for name in ("a.png", "b.png"):
        states.draw(tmp_path / name, machine, screens)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1500
    with pytest.raises(KeyError):
        states.draw(tmp_path / "c.png", machine, {"READY": bytes(8192)})
