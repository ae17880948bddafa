"""The device's screen read back as text, on a real panel of the fast bench."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hw_sim.bench import FastBench
from hw_sim.bench.operator import BenchOperator
from hw_sim.dose.applicators import APPLICATORS
from hw_sim.web import glass
from hw_sim.web.view import SCREEN_BYTES, dots


class Reader:
    """A bench in READY, and what its screen says."""

    def __init__(self) -> None:
        self.bench = FastBench(seed=1, calibrated=False)
        self.bench.power_on()
        self.operator = BenchOperator(self.bench)
        self.operator.until("READY")
        self.bench.run_for(300)

    def lines(self) -> tuple[str, ...]:
        return glass.read(dots(self.bench.wiring))

    def until(self, condition: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
        """What it says once the condition holds: it alternates some lines, 2 s each."""
        assert self.bench.run_until(lambda: condition(self.lines()), 5_000, 50), self.lines()
        return self.lines()


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_ready_with_its_large_digits_signs_and_units(reader: Reader) -> None:
    lines = reader.until(lambda lines: "hold ARM" in lines[0])
    assert lines == ("LN2 32× 11s hold ARM", "2.3 mm 10.7 s", "Spray C 5mm")
    lines = reader.until(lambda lines: "-25C" in lines[0])
    assert lines[0] == "-25C 0.2-2.6mm"


def test_text_that_is_dark_on_light(reader: Reader) -> None:
    reader.until(lambda lines: lines[0] == "NOT CALIBRATED")


def test_a_fault_with_what_to_do(reader: Reader) -> None:
    reader.bench.estop_open()
    lines = reader.until(lambda lines: lines[0] == "EMERGENCY STOP")
    assert lines[1:] == ("E-stop pressed", "Turn it back,", "hold SELECT 2 s")


@pytest.mark.parametrize("language", [1, 2], ids=["en", "zh"])
def test_every_applicator_is_known_by_its_name_in_each_language(
    reader: Reader, language: int
) -> None:
    """The name on the screen is the device's own setting, as `status` says it over the link."""
    reader.operator.ok("set", key="language", value=language)
    reader.operator.press("select")
    for number in range(1, len(APPLICATORS) + 1):
        reader.until(lambda lines: glass.applicator(lines) is not None)
        reader.bench.run_for(200)
        assert glass.applicator(reader.lines()) == number
        assert reader.operator.ok("status")["applicator"] == number
        reader.operator.press("up")


def test_a_dark_screen_says_nothing() -> None:
    assert glass.read(bytes(SCREEN_BYTES)) == ()
    assert glass.applicator(()) is None


def test_a_depth_is_not_taken_for_a_probe() -> None:
    assert glass.applicator(("2.3 mm", "Common wart")) is None
