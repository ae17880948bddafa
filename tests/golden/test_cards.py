"""Every screen in every language, against the recorded ones: H-09.

Each language has a sheet (PNG) of its cards, and a text file with the hash of each card's pixels. A
card that differs fails with the path of a picture: recorded and drawn, side by side. To record them
again after a change, and look at the difference in git:

    make screens
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from tests.golden.cards import LANGUAGES, Card, canvas, cards, dots, draw, screens, text, view_of

FOLDER = Path(__file__).parent / "cards"
ACROSS, SCALE, GAP = 6, 2, 12
OFF, ON, AROUND = (9, 13, 19), (170, 222, 255), (70, 78, 88)

Rows = list[list[int]]

each_language = pytest.mark.parametrize("code", LANGUAGES)


def sheet(pictures: list[Rows]) -> Image.Image:
    """All of a language's screens in one picture, in the order of the cards."""
    wide, high = 128 * SCALE + GAP, 64 * SCALE + GAP
    rows = -(-len(pictures) // ACROSS)
    image = Image.new("RGB", (ACROSS * wide + GAP, rows * high + GAP), AROUND)
    for i, picture in enumerate(pictures):
        display = Image.new("RGB", (128, 64))
        display.putdata([ON if dot else OFF for row in picture for dot in row])
        image.paste(display.resize((128 * SCALE, 64 * SCALE), Image.Resampling.NEAREST), place(i))
    return image


def place(number: int) -> tuple[int, int]:
    """Position of a card's upper left corner on the sheet."""
    wide, high = 128 * SCALE + GAP, 64 * SCALE + GAP
    return GAP + number % ACROSS * wide, GAP + number // ACROSS * high


def display_on(sheet: Image.Image, number: int) -> Image.Image:
    """One card of a sheet, in the sheet's scale."""
    x, y = place(number)
    return sheet.crop((x, y, x + 128 * SCALE, y + 64 * SCALE))


def pixels_on(sheet: Image.Image, number: int) -> Rows:
    """The pixels of a card on a sheet, by row."""
    small = display_on(sheet, number).resize((128, 64), Image.Resampling.NEAREST)
    return [[int(small.getpixel((x, y)) == ON) for x in range(128)] for y in range(64)]


def digest(rows: Rows) -> str:
    """SHA-256 of the pixels, one byte each, row by row."""
    return hashlib.sha256(bytes(dot for row in rows for dot in row)).hexdigest()


def recorded(code: str) -> dict[str, str]:
    """The hash of each card, by name, in the order of the sheet."""
    lines = (FOLDER / f"{code}.txt").read_text("utf-8").splitlines()
    return {name: hashed for hashed, _, name in (line.partition("  ") for line in lines)}


def recorded_sheet(code: str) -> Image.Image:
    with Image.open(FOLDER / f"{code}.png") as image:
        return image.convert("RGB")


def compared(before: Image.Image | None, rows: Rows, path: Path) -> Path:
    """Save a picture of a card: left as recorded, if it was, and right as drawn now."""
    after = display_on(sheet([rows]), 0)
    picture = Image.new("RGB", (2 * after.width + 3 * GAP, after.height + 2 * GAP), AROUND)
    if before is not None:
        picture.paste(before, (GAP, GAP))
    picture.paste(after, (after.width + 2 * GAP, GAP))
    picture.save(path)
    return path


@pytest.mark.hazard("H-09")
@each_language
def test_every_screen_is_as_recorded(code: str, record: bool, tmp_path: Path) -> None:
    drawn = {card.name: dots(draw(card, code)) for card in cards()}
    hashes = {name: digest(rows) for name, rows in drawn.items()}
    if record:
        FOLDER.mkdir(exist_ok=True)
        lines = "".join(f"{hashed}  {name}\n" for name, hashed in hashes.items())
        (FOLDER / f"{code}.txt").write_text(lines, encoding="utf-8")
        flat = sheet(list(drawn.values())).quantize(4, dither=Image.Dither.NONE)
        flat.save(FOLDER / f"{code}.png", format="PNG", optimize=True)
        return
    before = recorded(code)
    order = list(before)
    changed: dict[str, str] = {}
    for name, rows in drawn.items():
        if hashes[name] != before.get(name):
            old = display_on(recorded_sheet(code), order.index(name)) if name in before else None
            path = tmp_path / f"{code}-{list(drawn).index(name)}.png"
            changed[name] = str(compared(old, rows, path))
    assert not changed, "recorded on the left, drawn now on the right"
    assert list(hashes) == order, "cards in another order, or missing"


@pytest.mark.slow
@each_language
def test_the_hashes_are_of_what_the_sheet_shows(code: str) -> None:
    shown = recorded_sheet(code)
    before = recorded(code)
    pictures = [pixels_on(shown, number) for number in range(len(before))]
    assert dict(zip(before, map(digest, pictures), strict=True)) == before
    assert sheet(pictures).tobytes() == shown.tobytes(), "pixels outside the cards"


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
def test_an_update_gives_the_same_picture_as_a_full_redraw(code: str, card: Card) -> None:
    """An updated screen has no remains of its earlier values."""
    display = draw(card, code)
    assert bytes(display.buffer[0::129]) == b"\x40" * 8 + bytes(display.buffer[-1:])
    again = canvas.Canvas()
    again.clear()
    view = view_of(card)
    enter, update = screens.SCREENS[card.screen]
    cache = [-1] * 6
    other = {
        "remaining_ms": view.planned_ms, "estimate_um": min(view.estimate_um, 0), "timeout_s": 60,
        "nozzle_c_x100": -19999, "purge_ms": 9999, "thaw_ms": 0,
        "ice_ms": min(view.ice_ms, 0), "item": (view.item + 1) % 3, "page": 9,
    }  # fmt: skip
    values = {name: getattr(view, name) for name in other}
    for name, value in other.items():
        setattr(view, name, value)
    enter(again, view)
    for _ in range(12):
        update(again, view, cache)
    for name, value in values.items():
        setattr(view, name, value)
    for _ in range(12):
        update(again, view, cache)
    assert text(dots(again)) == text(dots(display))
