"""Every screen in every language, against the recorded ones, as text and as a picture: H-09.

To record them anew after a change, and look at the difference in git:

    make test ARGS="tests/golden --record"
"""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.golden.cards import LANGUAGES, Card, canvas, cards, dots, draw, screens, text, view_of

FOLDER = Path(__file__).parent / "cards"
ACROSS, SCALE, GAP = 6, 2, 12
OFF, ON, AROUND = (9, 13, 19), (170, 222, 255), (70, 78, 88)

each_language = pytest.mark.parametrize("code", LANGUAGES)


def sheet(pictures: list[list[list[int]]]) -> Image.Image:
    """All of a language's screens in one picture, in the order of the cards."""
    wide, high = 128 * SCALE + GAP, 64 * SCALE + GAP
    rows = -(-len(pictures) // ACROSS)
    made = Image.new("RGB", (ACROSS * wide + GAP, rows * high + GAP), AROUND)
    for i, picture in enumerate(pictures):
        display = Image.new("RGB", (128, 64))
        display.putdata([ON if dot else OFF for row in picture for dot in row])
        at = GAP + i % ACROSS * wide, GAP + i // ACROSS * high
        made.paste(display.resize((128 * SCALE, 64 * SCALE), Image.Resampling.NEAREST), at)
    return made


@each_language
def test_every_screen_is_as_recorded(code: str, record: bool) -> None:
    drawn = {card.name: dots(draw(card, code)) for card in cards()}
    written = "".join(f"=== {name}\n{text(rows)}" for name, rows in drawn.items())
    picture = sheet(list(drawn.values()))
    book, image = FOLDER / f"{code}.txt", FOLDER / f"{code}.png"
    if record:
        FOLDER.mkdir(exist_ok=True)
        book.write_text(written, encoding="utf-8")
        flat = picture.quantize(4, dither=Image.Dither.NONE)
        flat.save(image, format="PNG", optimize=True)
        return
    parts = book.read_text("utf-8").split("=== ")[1:]
    before = dict(part.partition("\n")[::2] for part in parts)
    for name, rows in drawn.items():
        assert text(rows) == before.get(name, ""), f"{code}: {name}"
    assert book.read_text("utf-8") == written
    with Image.open(image) as recorded:
        assert recorded.convert("RGB").tobytes() == picture.tobytes()


def test_every_kind_of_screen_has_a_card() -> None:
    shown = {card.screen for card in cards()}
    assert shown == set(range(len(screens.SCREENS)))


UPDATED = [
    card
    for card in cards()
    if card.screen
    in (
        screens.ARMED,
        screens.FREEZING,
        screens.PRECHILL,
        screens.PURGING,
        screens.THAWING,
        screens.MENU,
    )
]


@each_language
@pytest.mark.parametrize("card", UPDATED, ids=lambda card: card.name)
def test_what_is_updated_is_what_would_be_drawn_anew(code: str, card: Card) -> None:
    """A screen that is brought up to date leaves no remains of what it showed before."""
    display = draw(card, code)
    assert bytes(display.buffer[0::129]) == b"\x40" * 8 + bytes(display.buffer[-1:])
    again = canvas.Canvas()
    again.clear()
    view = view_of(card)
    enter, update = screens.SCREENS[card.screen]
    seen = [-1] * 6
    other = {
        "remaining_ms": view.planned_ms, "estimate_um": min(view.estimate_um, 0), "timeout_s": 60,
        "nozzle_c_x100": -19999, "purge_ms": 9999, "thaw_ms": 0,
        "ice_ms": min(view.ice_ms, 0), "item": (view.item + 1) % 3, "page": 9,
    }  # fmt: skip
    wanted = {name: getattr(view, name) for name in other}
    for name, value in other.items():
        setattr(view, name, value)
    enter(again, view)
    for _ in range(12):
        update(again, view, seen)
    for name, value in wanted.items():
        setattr(view, name, value)
    for _ in range(12):
        update(again, view, seen)
    assert text(dots(again)) == text(dots(display))
