"""Every screen of the panel in every language, drawn by the firmware's own modules from a view.

No bench is needed: `screens` is pure drawing. conftest.py provides a stub of `framebuf`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cryo import canvas, faults, languages, screening_items, screens, texts, view as fields

LANGUAGES = {code: number + 1 for number, code in enumerate(languages.CODES)}
CALLS = 12  # of a screen's update: FREEZING draws one piece a call


@dataclass(frozen=True)
class Card:
    """A screen and the values of its view. A value may be a function, called in the language."""

    name: str
    screen: int
    says: dict[str, Any] = field(default_factory=dict)


def _refused() -> dict[str, Any]:
    lines = [texts.fault(faults.PRESSURE, 0), "146 mbar", texts.say(texts.NEEDS) + " 300-900"]
    return {"title": texts.say(texts.CANNOT_ARM), "lines": lines}


def _fault(number: int) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "title": texts.fault(number, 0),
        "lines": [texts.fault(number, part) for part in (1, 2, 3)],
    }


def _items(*numbers: int) -> Callable[[], dict[str, Any]]:
    words = len(numbers)
    return lambda: {
        "item_words": [texts.item(number) for number in numbers] + [""] * (3 - words),
        "items": words,
    }


def _question(title: int, *lines: int | str | tuple[int, int]) -> Callable[[], dict[str, Any]]:
    """A title and lines: numbers of words, prompts and their parts, or texts."""

    def said(line: int | str | tuple[int, int]) -> str:
        if isinstance(line, tuple):
            return texts.prompt(*line)
        return texts.say(line) if isinstance(line, int) else line

    return lambda: {"title": said(title), "lines": [said(line) for line in lines]}


def _maintenance() -> dict[str, Any]:
    return {"confirm_key": texts.prompt(21, 0), "confirm_new": texts.prompt(21, 1)}


def _board_check() -> dict[str, Any]:
    lines = [texts.prompt(24, 1), texts.prompt(25, 0), texts.prompt(25, 1)]
    return {"title": texts.prompt(24, 0), "lines": lines}


def _switch_test(part: int) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "title": texts.prompt(26, part),
        "lines": [texts.prompt(27, 0), texts.prompt(27, 1), ""],
    }


def _confirm_check() -> dict[str, Any]:
    return {"confirm_key": texts.prompt(28, 0), "confirm_new": texts.prompt(28, 1)}


def _own_item() -> dict[str, Any]:
    name = f"{texts.prompt(16, 0)} 2/4\n{texts.prompt(17, 1)}"
    return {"confirm_key": name, "confirm_new": "Under 12 years"}


def _confirm() -> dict[str, Any]:
    values = {"confirm_old": "200", "confirm_new": "250", "confirm_unit": " mbar"}
    return {"confirm_key": texts.setting(11), **values}


def _confirm_short() -> dict[str, Any]:
    old, new = texts.applicator(1), texts.applicator(2)
    return {"confirm_key": texts.setting(2), "confirm_old": old, "confirm_new": new}


def _confirm_wide() -> dict[str, Any]:
    values = {"confirm_old": "1000", "confirm_new": "1100", "confirm_unit": " mbar"}
    return {"confirm_key": texts.setting(12), **values}


def _confirm_table() -> dict[str, Any]:
    name = texts.say(texts.NEW_TABLE) + "\n" + texts.applicator(2)
    return {"confirm_key": name, "confirm_new": "1.6-3.2 mm #12"}


def _menu() -> dict[str, Any]:
    names = [texts.setting(4), texts.say(texts.LANGUAGE), texts.say(texts.PATIENT)]
    values = ["2/3", texts.say(texts.LANGUAGE_NAME), "#99999"]
    return {"item_words": names, "item_values": values, "items": 3}


def _sign_in(title: int, first: int, last: str, more: str = " 12") -> Callable[[], dict[str, Any]]:
    def says() -> dict[str, Any]:
        who = texts.operator(2) + more
        return {"title": texts.operator(title) if title else who,
                "lines": [texts.operator(first) if title == 0 else who,
                          "*****" if title == 0 else texts.operator(first), last or
                          texts.say(texts.SELECT_OK)]}  # fmt: skip

    return says


def _confirm_operator() -> dict[str, Any]:
    return {"confirm_key": texts.operator(16), "confirm_new": "12 " + texts.operator(5)}


def _information() -> dict[str, Any]:
    lines = [texts.say(texts.TABLE) + " 1000999", texts.say(texts.LOG_FREE) + " 100 %"]
    return {"title": "Cryodose 1.2.3", "lines": ["e661640843275b2c", *lines]}


def cards() -> Iterator[Card]:
    """All cards; their names are those of the recorded files."""
    yield Card("boot", screens.BOOT)
    yield Card("ready", screens.READY)
    yield Card(
        "ready, deep",
        screens.READY,
        {"depth_um": 10400, "margin_um": 1000, "dose_ms": 29500, "shots_left": 2, "spread_um": 990},
    )
    yield Card("ready, margin", screens.READY, {"margin_um": 1500, "spread_um": 901})
    yield Card(
        "ready, two cycles, observing", screens.READY, {"cycles": 2, "observe_ms": 1_700_000}
    )
    yield Card("ready, nitrogen not known", screens.READY, {"shots_left": -1})
    yield Card(
        "ready, cannot", screens.READY, {"": lambda: {"hint": texts.fault(faults.PRESSURE, 0)}}
    )
    yield Card(
        "ready, no dose", screens.READY,
        {"dose_ms": -1, "": lambda: {"hint": texts.say(texts.CHANGE_DEPTH)}},
    )  # fmt: skip
    yield Card("ready, not calibrated", screens.READY, {"notice": fields.NOT_CALIBRATED})
    yield Card("ready, pull the log", screens.READY, {"notice": 99})
    yield Card("ready: applicator", screens.READY, {"field": fields.FIELD_APPLICATOR})
    yield Card("ready: profile", screens.READY, {"field": fields.FIELD_PROFILE})
    yield Card("ready: cycles", screens.READY, {"field": fields.FIELD_CYCLES, "cycles": 2})
    yield Card(
        "ready: patient", screens.READY, {"field": fields.FIELD_PATIENT, "patient_ref": 9999}
    )
    yield Card("ready: no patient", screens.READY, {"field": fields.FIELD_PATIENT})
    shown = [text for text, _ in screening_items.LINES]
    for page in range(6):
        rows = _items(*shown[3 * page : 3 * page + 3])
        says: dict[str, Any] = {"page": page + 1, "pages": 6, "": rows}
        yield Card(f"screening {page + 1}", screens.SCREENING, says)
    yield Card(
        "screening, one applies", screens.SCREENING, {"item": 1, "pages": 6, "": _items(1, 2, 3)}
    )
    for text, numbers in screening_items.LINES:
        if len(numbers) > 1:
            which = {"pages": 0, "": _items(*numbers)}
            yield Card(f"screening, which {text}", screens.SCREENING, which)
    caution = _question(texts.CAUTION, texts.PHYSICIAN, texts.HOLD_SELECT_2S)
    yield Card(
        "override", screens.REFUSED,
        {"": lambda: {**caution(), "lines": [texts.item(10), *caution()["lines"]]}},
    )  # fmt: skip
    stop = _question(texts.DO_NOT_TREAT, texts.ASK_PHYSICIAN, texts.SELECT_BACK)
    yield Card(
        "stopped", screens.REFUSED,
        {"": lambda: {**stop(), "lines": [texts.item(2), *stop()["lines"]]}},
    )  # fmt: skip
    held = _question(texts.DO_NOT_TREAT, texts.PHYSICIAN, (18, 1))
    yield Card(
        "stopped before", screens.REFUSED,
        {"": lambda: {**held(), "lines": [texts.prompt(18, 0) % 59, *held()["lines"]]}},
    )  # fmt: skip
    for prompt in range(1, 11):
        yield Card(
            f"adjust {prompt}", screens.REFUSED,
            {"": lambda prompt=prompt: {
                "title": texts.prompt(19, 0),
                "lines": [
                    texts.prompt(prompt, 0), texts.prompt(prompt, 1), texts.say(texts.SELECT_OK)
                ],
            }},
        )  # fmt: skip
    yield Card(
        "own items lost", screens.REFUSED,
        {"": lambda: {
            "title": texts.prompt(16, 0),
            "lines": [texts.prompt(15, 0), texts.prompt(15, 1), texts.say(texts.SELECT_OK)],
        }},
    )  # fmt: skip
    yield Card("prechill", screens.PRECHILL)
    yield Card("prechill, second cycle", screens.PRECHILL, {"cycles": 2, "nozzle_c_x100": -4120})
    cold = {"cold": True, "pressed": True, "nozzle_c_x100": -19120}
    yield Card("prechill, let go", screens.PRECHILL, cold)
    yield Card("purging", screens.PURGING, {"purge_ms": 7400, "nozzle_c_x100": -12120})
    pedal = {"pedal": True}
    yield Card("prechill, pedal", screens.PRECHILL, pedal)
    yield Card("prechill, pedal down", screens.PRECHILL, {**pedal, **cold})
    yield Card("prechill, pedal let go", screens.PRECHILL, {**pedal, **cold, "pressed": False})
    yield Card(
        "purging, pedal", screens.PURGING,
        {**pedal, "purge_ms": 2300, "nozzle_c_x100": 520, "cycles": 2},
    )  # fmt: skip
    yield Card("prechill, rewarmed", screens.PRECHILL, {"rewarmed": True, "nozzle_c_x100": -13800})
    yield Card(
        "armed, closing", screens.ARMED, {"": lambda: {"closing_text": texts.say(texts.CLOSING)}}
    )
    yield Card(
        "freezing, closing", screens.REFUSED,
        {"": lambda: {"title": texts.say(texts.CLOSING), "lines": ["10.7 of 10.7 s", "", ""]}},
    )  # fmt: skip
    yield Card(
        "freezing, still flowing", screens.REFUSED,
        {"": lambda: {
            "title": texts.say(texts.NOT_CLOSED),
            "lines": ["10.7 of 10.7 s", texts.say(texts.POINT_AWAY), ""],
        }},
    )  # fmt: skip
    yield Card(
        "thawing, end?", screens.REFUSED,
        {"": lambda: {
            "title": texts.say(texts.END_QUESTION),
            "lines": [
                texts.say(texts.CYCLES_DONE) % (1, 2),
                texts.say(texts.HOLD_TO_END),
                texts.say(texts.ARM_BACK),
            ],
        }},
    )  # fmt: skip
    yield Card("done, one of two", screens.DONE, {"complete": True, "cycle": 1, "cycles": 2})
    yield Card("screening, one overridden", screens.SCREENING, {"marked": 2, "": _items(5, 6, 7)})
    yield Card("armed", screens.ARMED)
    yield Card(
        "armed, not calibrated", screens.ARMED, {"calibrated": False, "timeout_s": 58, "cycles": 2}
    )
    yield Card(
        "caution, not calibrated", screens.REFUSED,
        {"": lambda: {
            "title": texts.say(texts.UNCALIBRATED),
            "lines": [
                texts.applicator(3), texts.say(texts.HOLD_SELECT_2S), texts.say(texts.ARM_BACK)
            ],
        }},
    )  # fmt: skip
    yield Card("armed, second of three", screens.ARMED, {"cycle": 2, "cycles": 3, "timeout_s": 300})
    yield Card(
        "armed, patient, pedal", screens.ARMED,
        {**pedal, "cycle": 1, "cycles": 2, "timeout_s": 300, "patient_ref": 999999,
         "margin_um": 500},
    )  # fmt: skip
    yield Card("freezing", screens.FREEZING, {"remaining_ms": 7350})
    yield Card(
        "freezing, ice field", screens.FREEZING,
        {"planned_ms": 20000, "remaining_ms": 12900, "estimate_um": 1940, "ice_ms": 3100},
    )  # fmt: skip
    yield Card(
        "freezing, by depth", screens.FREEZING,
        {"planned_ms": 30000, "remaining_ms": 700, "estimate_um": 2390, "target_um": 2500,
         "ice_ms": 21900},
    )  # fmt: skip
    for doubt in (1, 2):
        yield Card(
            f"freezing, doubt {doubt}", screens.FREEZING,
            {"remaining_ms": 4350, "doubt": doubt, "estimate_um": 1500, "witnessed": True,
             "": lambda: {"lines": [texts.prompt(22 + k // 2, k % 2) for k in range(4)]}},
        )  # fmt: skip
        yield Card(f"done, doubt {doubt}", screens.DONE, {"doubt": doubt})
    thawing = {"cycles": 2, "thaw_min_ms": 60000}
    yield Card("thawing", screens.THAWING, {**thawing, "thaw_ms": 25000})
    skin = {"skin_valid": True, "skin_c_x100": -1230}
    yield Card("thawing, skin seen", screens.THAWING, {**thawing, **skin, "thaw_ms": 5000})
    yield Card("thawing, may end", screens.THAWING, {**thawing, "thaw_ms": 85000})
    yield Card("thawed", screens.THAWING, {**thawing, "thaw_ms": 185000, "thawed": True})
    yield Card("done", screens.DONE)
    yield Card("done, two cycles", screens.DONE, {"cycle": 2, "cycles": 2, "interruptions": 1})
    yield Card("done, early", screens.DONE, {"complete": False, "delivered_ms": 4399})
    yield Card("done, too shallow", screens.DONE, {"short": True})
    yield Card("done, too deep", screens.DONE, {"deep": True})
    yield Card("refused", screens.REFUSED, {"": _refused})
    yield Card("confirm", screens.CONFIRM, {"": _confirm})
    yield Card("confirm, one line", screens.CONFIRM, {"": _confirm_short})
    yield Card("confirm, wide", screens.CONFIRM, {"": _confirm_wide})
    yield Card("confirm, table", screens.CONFIRM, {"": _confirm_table})
    yield Card("confirm, own item", screens.CONFIRM, {"": _own_item})
    yield Card("confirm, maintenance", screens.CONFIRM, {"": _maintenance})
    yield Card("confirm, board check", screens.CONFIRM, {"": _confirm_check})
    yield Card("board check", screens.INFORMATION, {"": _board_check})
    yield Card("board check, gate", screens.INFORMATION, {"": _switch_test(0)})
    yield Card("board check, supply", screens.INFORMATION, {"": _switch_test(1)})
    for prompt in (11, 12, 13):
        yield Card(
            f"observe {prompt - 10}", screens.REFUSED,
            {"": _question(texts.OBSERVED, (prompt, 0), (prompt, 1), (20, 0))},
        )  # fmt: skip
    yield Card(
        "observe, not stable", screens.REFUSED,
        {"": lambda: {
            "title": texts.prompt(19, 1),
            "lines": [texts.prompt(14, 0), texts.prompt(14, 1), texts.say(texts.SELECT_OK)],
        }},
    )  # fmt: skip
    yield Card("confirm, operator", screens.CONFIRM, {"": _confirm_operator})
    yield Card("ready, signed in", screens.READY, {"operator": 3})
    yield Card("ready, signed in, many", screens.READY, {"operator": 12, "shots_left": 12})
    yield Card("sign in", screens.INFORMATION, {"": _sign_in(1, 4, "")})
    yield Card("sign in, physician", screens.INFORMATION, {"": _sign_in(12, 3, "")})
    yield Card("sign in, PIN", screens.INFORMATION, {"": _sign_in(0, 6, "")})
    yield Card("sign in, wrong", screens.INFORMATION, {"": _sign_in(0, 7, "640 s")})
    yield Card("sign in, new PIN", screens.INFORMATION, {"": _sign_in(0, 8, "")})
    for line in range(3):
        yield Card(f"menu {line + 1}", screens.MENU, {"item": line, "": _menu})
    yield Card("information", screens.INFORMATION, {"": _information})
    for row in faults.FAULTS:
        yield Card(f"fault {row[0]}, {row[1]}", screens.FAULT, {"": _fault(row[0])})


def view_of(card: Card) -> fields.View:
    """The view of a card, in the active language."""
    view = fields.View()
    values = {
        "version": "1.2.3",
        "depth_um": 2300,
        "spread_um": 224,
        "dose_ms": 10000,
        "planned_ms": 10000,
        "remaining_ms": 10000,
        "delivered_ms": 10000,
        "complete": True,
        "nozzle_c_x100": 2150,
        "nozzle_min_c_x100": -19230,
        "timeout_s": 57,
        "shots_left": 9,
        "pages": 5,
        "applicator": texts.applicator(1),
        "profile_name": texts.profile(6),
        "range_text": f"1.0 {texts.say(texts.TO)} 2.1 mm",
        **card.says,
    }
    for key, value in values.items():
        for name, own in (value() if callable(value) else {key: value}).items():
            assert hasattr(view, name), name
            setattr(view, name, own)
    return view


def draw(card: Card, code: str) -> canvas.Canvas:
    """Draw a card in a language."""
    assert texts.use(LANGUAGES[code])
    view = view_of(card)
    display = canvas.Canvas()
    display.clear()
    enter, update = screens.SCREENS[card.screen]
    enter(display, view)
    cache = [-1] * 6
    for _ in range(CALLS):
        update(display, view, cache)
    return display


def dots(display: canvas.Canvas) -> list[list[int]]:
    """The pixels, by row."""
    return [[display.page[y // 8][1 + x] >> (y % 8) & 1 for x in range(128)] for y in range(64)]


def text(rows: list[list[int]]) -> str:
    """Pixels as text, two rows a line."""
    lines = [
        "".join(" ▀▄█"[a + 2 * b] for a, b in zip(rows[y], rows[y + 1], strict=True)).rstrip()
        for y in range(0, 64, 2)
    ]
    return "\n".join(lines) + "\n"
