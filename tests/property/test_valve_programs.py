"""The firmware's two PIO programs, as assembled, on an independent emulator.

`pioemu` (PyPI rp2040-pio-emulator) steps the words cycle by cycle; the fast bench's own PIO is not
used. H-01, H-03, H-11, H-15.
"""

# No postponed annotations here: pioemu reads the type of its callback's argument.

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pioemu import State, emulate

from hw_sim.bench import FastBench

GATE, SUPPLY, ESTOP = 2, 3, 6
HEALTHY = 1 << ESTOP
TOP_UP, RAISE = 2000, 2001
COMPLETE = (1 << 30) - 1  # the report of a count that ran to its end


@cache
def firmware_words(name: str) -> tuple[tuple[int, ...], int]:
    """A program of firmware/cryo/valve.py as its decorator assembles it, and its last word."""
    bench = FastBench()
    bench.power_on()
    bench.run_for(300)
    boot = bench.chip.boot
    assert boot is not None
    program: list[Any] = getattr(boot.loader.modules["cryo.valve"], name)
    return tuple(program[0]), program[3] >> 12 & 31


class Run:
    """Runs one program from its first word and records the level of its pin after each cycle."""

    def __init__(self, name: str, pin: int, y: int = 0) -> None:
        words, wrap_top = firmware_words(name)
        self.pin = pin
        self.estop_opens = 1 << 62  # cycle from which the loop is open
        self.levels: list[int] = []
        self.state = State(pin_directions=1 << pin, pin_values=HEALTHY, y_register=y)
        # Jumps are stored relative to the program's first word, which is at 0 here.
        self._steps = emulate(
            list(words),
            stop_when=lambda _op, _state: False,
            initial_state=self.state,
            input_source=self._inputs,
            set_base=pin,
            set_count=1,
            jmp_pin=ESTOP,
            shift_isr_right=False,  # as MicroPython sets it
            wrap_target=0,
            wrap_top=wrap_top,
        )
        self._fifo = self.state.transmit_fifo

    def _inputs(self, state: State) -> int:
        return 0 if state.clock >= self.estop_opens else HEALTHY

    def put(self, word: int) -> None:
        self._fifo.append(word)

    def step(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            _, self.state = next(self._steps)
            # pioemu copies the FIFO when a word is taken from it
            self._fifo = self.state.transmit_fifo
            self.levels.append(self.state.pin_values >> self.pin & 1)

    @property
    def high(self) -> int:
        return sum(self.levels)

    @property
    def reported(self) -> list[int]:
        return list(self.state.receive_fifo)


@pytest.mark.hazard("H-01")
@pytest.mark.parametrize("count", [1, 2, 3, 7, 60, 5000])
def test_the_gate_is_high_for_two_cycles_a_count_and_two(count: int) -> None:
    """H-01. For every count: tests/proofs."""
    run = Run("_gate_program", GATE)
    run.step(10)
    run.put(count)
    run.step(2 * count + 30)
    assert run.high == 2 * count + 2
    assert run.reported == [COMPLETE]
    assert run.levels[-1] == 0


@pytest.mark.slow
@pytest.mark.hazard("H-03")
@settings(max_examples=150)
@given(st.integers(1, 200), st.integers(0, 450))
def test_the_estop_ends_the_count_within_three_cycles(count: int, opens: int) -> None:
    """H-03, and the delivered time can be computed from the reported count."""
    run = Run("_gate_program", GATE)
    run.put(count)
    run.estop_opens = opens
    run.step(opens + 2 * count + 40)
    assert sum(run.levels[opens + 2 :]) == 0, "low in the third cycle"
    (left,) = run.reported
    assert run.high == (2 * count + 2 if left == COMPLETE else 2 * (count - left))


@pytest.mark.hazard("H-03")
def test_the_gate_never_rises_with_the_loop_open() -> None:
    """H-03."""
    run = Run("_gate_program", GATE)
    run.estop_opens = 0
    run.put(50)
    run.step(200)
    assert run.high == 0
    assert run.reported == [50]


@pytest.mark.hazard("H-11")
def test_the_supply_falls_sixty_milliseconds_after_the_last_top_up() -> None:
    """H-11. 100 kHz: 10 us a cycle."""
    run = Run("_supply_program", SUPPLY, y=RAISE)
    run.put(RAISE)
    run.step(500)
    assert run.levels[-1] == 1
    for _ in range(5):
        run.put(TOP_UP)
        run.step(1000)
        assert run.levels[-1000:] == [1] * 1000
    last = len(run.levels) - 1000
    run.step(8000)
    fell = run.levels.index(0, last)
    assert 6000 <= fell - last <= 6006
    assert sum(run.levels[fell:]) == 0


@pytest.mark.hazard("H-15")
@given(st.lists(st.integers(0, RAISE - 1) | st.integers(RAISE + 1, 2**32 - 1), max_size=4))
def test_only_the_one_word_raises_the_supply(words: list[int]) -> None:
    """H-15: a late top-up, or any other word, leaves it low."""
    run = Run("_supply_program", SUPPLY, y=RAISE)
    for word in words:
        run.put(word)
        run.step(50)
    assert run.high == 0


def test_zero_drops_the_supply_immediately() -> None:
    run = Run("_supply_program", SUPPLY, y=RAISE)
    run.put(RAISE)
    run.step(300)
    run.put(0)
    run.step(10)
    assert run.levels[-1] == 0
    run.put(TOP_UP)
    run.step(100)
    assert run.levels[-1] == 0
