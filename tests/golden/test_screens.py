"""The screens of real courses of a treatment, pixel by pixel, in each language: H-09, H-06.

They are brought about on the fast bench by `hw_sim.sights`, which the documentation's pictures
are made of. To record them anew after a change, and look at the difference in git:

    make test ARGS="tests/golden --record"
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim import sights
from tests.golden.cards import LANGUAGES

SCREENS = Path(__file__).parent / "screens"


@pytest.mark.parametrize("part", sights.PARTS, ids=lambda part: part.__name__)
@pytest.mark.parametrize("code", LANGUAGES)
def test_the_screens_are_as_recorded(code: str, part: sights.Part, record: bool) -> None:
    path = SCREENS / f"{code}-{part.__name__}.txt"
    seen = {sight.name: sight.text for sight in part(LANGUAGES[code])}
    if record:
        path.parent.mkdir(exist_ok=True)
        text = "".join(f"=== {name}\n{screen}" for name, screen in seen.items())
        path.write_text(text, encoding="utf-8")
        return
    parts = path.read_text(encoding="utf-8").split("=== ")[1:]
    recorded = dict(part.partition("\n")[::2] for part in parts)
    for name, screen in seen.items():
        assert screen == recorded.get(name), f"{code}: {name} differs:\n{screen}"
    assert seen.keys() == recorded.keys()


def test_no_recorded_screen_is_an_orphan() -> None:
    wanted = {f"{code}-{part.__name__}" for code in LANGUAGES for part in sights.PARTS}
    assert {path.stem for path in SCREENS.glob("*.txt")} == wanted
