"""Buttons: H-04, a bouncing or stuck button does nothing; H-01, a release acts immediately."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from cryo import buttons
from hypothesis import given, strategies as st

WRAP = 1 << 30


class Bench:
    """Steps the buttons every 10 ms and collects their events."""

    def __init__(self, start_ms: int = 0) -> None:
        self.keys = buttons.Buttons()
        self.now_ms = start_ms
        self.events: dict[str, list[int]] = {}

    def run(self, masks: Iterable[int]) -> None:
        for raw in masks:
            self.keys.step(raw, self.now_ms % WRAP)
            for name in ("pressed", "released", "clicked", "held", "held_long", "repeat"):
                if getattr(self.keys, name):
                    self.events.setdefault(name, []).append(getattr(self.keys, name))
            self.now_ms += 10


def test_a_press_is_one_press_and_a_click() -> None:
    bench = Bench()
    bench.run([0] * 3 + [buttons.SELECT] * 8 + [0] * 5)
    assert bench.events == {
        "pressed": [buttons.SELECT],
        "repeat": [buttons.SELECT],
        "released": [buttons.SELECT],
        "clicked": [buttons.SELECT],
    }


@pytest.mark.hazard("H-04")
@given(st.lists(st.sampled_from([0, buttons.ARM]), max_size=60))
def test_what_bounces_at_every_sample_never_presses(noise: list[int]) -> None:
    bench = Bench()
    broken = []
    for raw in noise:  # never two equal samples in a row other than 'open'
        broken += [raw, 0]
    bench.run(broken)
    assert "pressed" not in bench.events


def test_a_hold_is_reported_once_and_is_no_click() -> None:
    bench = Bench()
    bench.run([buttons.ARM] * 260 + [0] * 5)
    assert bench.events["held"] == [buttons.ARM]
    assert bench.events["held_long"] == [buttons.ARM]
    assert "clicked" not in bench.events


def test_a_hold_is_reported_after_one_second_also_where_the_clock_wraps() -> None:
    bench = Bench(WRAP - 505)
    bench.run([buttons.SELECT] * 101)
    assert "held" not in bench.events
    bench.run([buttons.SELECT])
    assert bench.events["held"] == [buttons.SELECT]


def test_up_repeats_when_it_is_held() -> None:
    bench = Bench()
    bench.run([buttons.UP] * 2)
    assert bench.events["repeat"] == [buttons.UP]
    bench.run([buttons.UP] * 49)
    assert len(bench.events["repeat"]) == 1
    bench.run([buttons.UP] * 50)
    assert len(bench.events["repeat"]) == 6  # 0.5, 0.62, 0.74, 0.86, 0.98 s


@pytest.mark.hazard("H-04")
def test_a_spent_press_has_no_further_effect() -> None:
    """H-04: one long press does not run through two screens."""
    bench = Bench()
    bench.run([buttons.ARM] * 10)
    bench.keys.spend()
    bench.run([buttons.ARM] * 300 + [0] * 5)
    assert "held" not in bench.events
    assert "clicked" not in bench.events
    bench.run([buttons.ARM] * 110)
    assert bench.events["held"] == [buttons.ARM]


@pytest.mark.hazard("H-01")
@given(st.lists(st.integers(0, 31), max_size=200))
def test_a_level_needs_two_equal_samples(samples: list[int]) -> None:
    keys = buttons.Buttons()
    last = 0
    down = 0
    for i, raw in enumerate(samples):
        keys.step(raw, i * 10)
        for bit in (1, 2, 4, 8, 16):
            if raw & bit == last & bit:
                down = down & ~bit | raw & bit
        assert keys.down == down
        assert keys.pressed & ~keys.down == 0
        last = raw
