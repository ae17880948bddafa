"""The state diagram agrees with the firmware's transition table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryo import metadata, transitions
from PIL import Image

from hw_sim.artwork import state_diagram as states
from hw_sim.bench import FIRMWARE

SOURCE = FIRMWARE / "cryo"

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


def test_every_state_has_its_place() -> None:
    assert set(states.read_machine(SOURCE).used()) <= set(states.PLACES)
    assert len(set(states.PLACES.values())) == len(states.PLACES)


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
