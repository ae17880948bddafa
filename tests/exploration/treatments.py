"""The settings with which the control program is explored, and a treatment from which it begins."""

from __future__ import annotations

_PURGE = ("press TRIGGER", "wait for the end", "release TRIGGER", "wait 2.5 s")
_FREEZE = ("press TRIGGER", "wait for the end", "wait 2.5 s", "release TRIGGER")
_PEDAL = ("press TRIGGER", "release TRIGGER", "wait for the end", "wait 2.5 s")
_THAWED = ("a minute passes", "click SELECT", "hold ARM")
_ASKED = ("click SELECT",) * 12

# Name: settings by their names in schema.py, and the moves of a treatment.
CASES: dict[str, tuple[dict[str, int], tuple[str, ...]]] = {
    "purge and freeze": ({}, ("hold ARM", *_PURGE, *_FREEZE, "click SELECT")),
    "pedal, two cycles": (
        {"TRIGGER_MODE": 2, "CYCLES": 2},
        ("hold ARM", *_PEDAL, *_PEDAL, *_THAWED, *_PEDAL, *_PEDAL),
    ),
    "two cycles, no purge": (
        {"PRECHILL": 0, "CYCLES": 2},
        ("hold ARM", *_FREEZE, *_THAWED, *_FREEZE),
    ),
    "stopped between two cycles": (
        {"PRECHILL": 0, "CYCLES": 2},
        ("hold ARM", *_FREEZE, "click ARM", "hold SELECT", "click ARM"),
    ),
    "asked before a purge": ({"SCREENING": 1}, ("hold ARM", *_ASKED)),
    "asked, no purge": ({"SCREENING": 1, "PRECHILL": 0}, ("hold ARM", *_ASKED)),
    "let go": (  # fmt: skip
        {"PRECHILL": 0},
        (
            "hold ARM",
            "press TRIGGER",
            "wait 110 ms",
            "release TRIGGER",
            "wait for the end",
            "wait 2.5 s",
            "click ARM",
        ),
    ),
    "a fault": ({}, ("strike the E-stop", "turn the E-stop back", "hold SELECT")),
    "not calibrated": (
        {"confirmed": False, "PRECHILL": 0},
        ("hold ARM", "click SELECT", "hold SELECT", *_FREEZE),
    ),
    "a contraindication": (
        {"SCREENING": 1},
        ("hold ARM", "click DOWN", "click SELECT", "click SELECT", "click SELECT", "hold SELECT"),
    ),
}
