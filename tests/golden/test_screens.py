"""The screens of complete treatments, pixel by pixel, in each language: H-09, H-06.

`hw_sim.artwork.screen_tour` runs them on the fast bench; the pictures of the documentation are from
it too. To record them again after a change, and look at the difference in git:

    make screens
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.artwork import screen_tour as sights
from tests.golden.cards import LANGUAGES, canvas, dots, fields, screens

SCREENS = Path(__file__).parent / "screens"


@pytest.mark.hazard("H-06", "H-09")
@pytest.mark.parametrize("part", sights.PARTS, ids=lambda part: part.__name__)
@pytest.mark.parametrize("code", LANGUAGES)
def test_the_screens_are_as_recorded(code: str, part: sights.Part, record: bool) -> None:
    path = SCREENS / f"{code}-{part.__name__}.txt"
    drawn = {sight.name: sight.text for sight in part(LANGUAGES[code])}
    if record:
        path.parent.mkdir(exist_ok=True)
        text = "".join(f"=== {name}\n{screen}" for name, screen in drawn.items())
        path.write_text(text, encoding="utf-8")
        return
    parts = path.read_text(encoding="utf-8").split("=== ")[1:]
    recorded = dict(part.partition("\n")[::2] for part in parts)
    for name, screen in drawn.items():
        assert screen == recorded.get(name), f"{code}: {name} differs:\n{screen}"
    assert drawn.keys() == recorded.keys()


def test_no_recorded_file_is_unused() -> None:
    expected = {f"{code}-{part.__name__}" for code in LANGUAGES for part in sights.PARTS}
    assert {path.stem for path in SCREENS.glob("*.txt")} == expected


@pytest.mark.hazard("H-09")
def test_no_picture_is_caught_half_sent() -> None:
    """The temperature falls by a degree in 60 ms, and the display is sent page by page. H-09"""
    complete = set()
    view = fields.View()
    enter, update = screens.SCREENS[screens.PURGING]
    for degrees in range(-200, 41):
        display = canvas.Canvas()
        display.clear()
        view.nozzle_c_x100 = 100 * degrees
        enter(display, view)
        seconds_then_degrees = [-1] * 6
        update(display, view, seconds_then_degrees)
        update(display, view, seconds_then_degrees)
        complete.add(number(b"".join(bytes(row) for row in dots(display))))
    walk = sights.Walk(cold=False)
    walk.hold("arm", 1200)
    while walk.state == "SCREENING":
        walk.press("select")
    walk.bench.hold("trigger")
    walk.bench.run_for(700)
    pictures = []
    for phase in range(12):
        walk.bench.run_for(83 + 7 * phase)
        pictures.append(number(walk.see("", "", "").pixels))
    assert len(set(pictures)) > 8, "the temperature falls"
    assert set(pictures) <= complete


def number(pixels: bytes) -> bytes:
    """The area of the large number, of 128 x 64 pixels."""
    return b"".join(pixels[128 * y : 128 * y + 64] for y in range(16, 48))
