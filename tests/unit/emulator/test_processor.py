"""The compiled processor against rp2040py's, instruction by instruction, and against arithmetic."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hypothesis import given, strategies as st
from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.rp2040 import RP2040

from hw_sim.emulator import processor
from hw_sim.emulator.processor import Processor

FLASH, RAM, SIO = 0x10000000, 0x20000000, 0xD0000000
AT = RAM + 0x4000
"""Where the instructions lie; the words around each register's address are random."""
EDGES = (0, 1, 2, 3, 31, 32, 33, 0xFF, 0x100, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF)


class _Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def _chip() -> Any:
    chip = RP2040(SimulationClock())
    chip.logger = _Silent()
    chip.on_break = lambda code: None
    chip.clock.create_alarm(lambda: None).schedule(1e15)
    return chip


def _state(chip: Any) -> tuple[Any, ...]:
    core = chip.core
    return (
        list(core.registers), core.apsr, core.pm, core.ipsr, core.waiting, core.event_registered,
        core.cycles,
    )  # fmt: skip


class Pair:
    """Two chips with the same memory: one steps with rp2040py, one with what is compiled."""

    def __init__(self) -> None:
        self.plain, self.ours = _chip(), _chip()
        self.processor = Processor(self.ours)
        draw = random.Random(1)
        words = draw.randbytes(0x8000)
        for chip in (self.plain, self.ours):
            chip.sram[:0x8000] = words
            chip.flash[:0x8000] = words
            chip.bootrom[:] = memoryview(words[:0x4000]).cast("I")

    def put(self, registers: list[int], apsr: int, masked: bool, halves: list[int]) -> None:
        for chip in (self.plain, self.ours):
            for k, half in enumerate(halves):
                chip.sram[AT - RAM + 2 * k : AT - RAM + 2 * k + 2] = half.to_bytes(2, "little")
            for k, value in enumerate(registers):
                chip.core.registers[k] = value
            chip.core.registers[15] = AT
            chip.core.apsr = apsr
            chip.core.pm = masked
            chip.core.waiting = chip.core.interrupts_updated = False
            chip.core.pending_svcall = chip.core.event_registered = False

    def step(self) -> bool:
        """One instruction on each. Whether it was one of those that are compiled."""
        self.plain.core.execute_instruction()
        state = self.processor.state
        core = self.ours.core
        before = _state(self.ours)
        state[processor.BUDGET] = 1
        state[processor.FLAGS], state[processor.MASKED] = core.apsr, core.pm
        state[processor.EXCEPTION], state[processor.DUE], state[processor.EVENT] = core.ipsr, 0, 0
        assert self.processor._run is not None
        why = self.processor._run()
        if not state[processor.USED]:
            assert why == processor._FOREIGN
            assert _state(self.ours) == before
            core.execute_instruction()
            return False
        core.apsr, core.pm = state[processor.FLAGS], state[processor.MASKED]
        core.cycles += state[processor.USED]
        if state[processor.EVENT]:
            core.event_registered = True
        return True

    def same(self) -> bool:
        return _state(self.plain) == _state(self.ours) and bytes(self.plain.sram[:0x8000]) == bytes(
            self.ours.sram[:0x8000]
        )


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


def _departs(op: int, registers: list[int], carry: int) -> bool:
    """Where rp2040py departs from the manual: see the module's docstring, and the tests below."""
    x, w = registers[op & 7], registers[op >> 3 & 7]
    kind = op >> 6
    if kind == 0b0100000101:  # ADCS
        return x in (0x7FFFFFFF, 0xFFFFFFFF)
    if kind == 0b0100000110:  # SBCS
        return w in (0x7FFFFFFF, 0xFFFFFFFF)
    if kind == 0b0100000010:  # LSLS by more than there is
        return w & 0xFF > 32
    if kind in (0b0100000011, 0b0100000100, 0b0100000111):  # LSRS, ASRS, RORS by nothing
        return w & 0xFF == 0
    if op >> 11 == 0b11000:  # STM with its base in the list
        return bool(op >> (op >> 8 & 7) & 1)
    if op == 0x47F0:  # BLX LR
        return True
    return op >> 8 == 0b01000111 and (registers + [AT])[min(op >> 3 & 15, 15)] >> 28 == 0xF


def _address(draw: random.Random) -> int:
    base = draw.choice((RAM, RAM, RAM, FLASH, 0))
    return base + draw.randrange(0x100, 0x3000) & ~draw.choice((0, 3, 3, 3))


def _registers(draw: random.Random) -> list[int]:
    def one() -> int:
        kind = draw.random()
        if kind < 0.4:
            return _address(draw)
        if kind < 0.7:
            return draw.choice(EDGES)
        return draw.getrandbits(32)

    registers = [one() for _ in range(15)]
    registers[13] = RAM + draw.randrange(0x100, 0x3000) & ~3
    return registers


@pytest.mark.parametrize("part", range(8))
def test_each_instruction_does_what_rp2040py_does(pair: Pair, part: int) -> None:
    """An eighth of all 16-bit encodings in each part, several times with other registers."""
    draw = random.Random(part)
    ours = seen = 0
    for op in range(part << 13, part + 1 << 13):
        if op >> 11 == 0b11101 or op >> 12 == 0b1111:
            continue  # 32 bits: below
        for _ in range(2):
            registers, apsr = _registers(draw), draw.getrandbits(4) << 28
            if _departs(op, registers, apsr >> 29 & 1):
                continue
            pair.put(registers, apsr, draw.random() < 0.5, [op, draw.getrandbits(16)])
            seen += 1
            ours += pair.step()
            assert pair.same(), (hex(op), [hex(r) for r in registers], hex(apsr))
    assert seen > 3_000
    assert ours > seen * 0.3


def test_32_bit_instructions_do_what_rp2040py_does(pair: Pair) -> None:
    draw = random.Random(9)
    special = [
        *((0xF3BF, 0x8F40 + n) for n in range(0x30)),
        *((0xF3EF, 0x8010 + (d << 8)) for d in range(13)),
        *((0xF3EF, 0x8005 + (d << 8)) for d in range(13)),
        *((0xF380 + n, 0x8810) for n in range(13)),
        (0xF7FF, 0xFFFE), (0xF000, 0xF800), (0xF400, 0xD000), (0xF3FF, 0xFFFF),
    ]  # fmt: skip
    branches = [
        (0xF000 | draw.getrandbits(11), 0xD000 | draw.getrandbits(12) | draw.getrandbits(1) << 13)
        for _ in range(2_000)
    ]
    ours = 0
    for halves in special + branches:
        pair.put(_registers(draw), draw.getrandbits(4) << 28, draw.random() < 0.5, list(halves))
        ours += pair.step()
        assert pair.same(), [hex(half) for half in halves]
    assert ours > 1_900


def _one(pair: Pair, op: int, registers: dict[int, int], apsr: int = 0) -> list[int]:
    pair.put([registers.get(k, 0) for k in range(15)], apsr, False, [op])
    pair.step()
    return list(pair.ours.core.registers)


@given(x=st.integers(0, 2**32 - 1), w=st.integers(0, 2**32 - 1), carry=st.integers(0, 1))
def test_adcs_and_sbcs_are_sums(x: int, w: int, carry: int) -> None:
    pair = _shared()

    def signed(value: int) -> int:
        return (value ^ 0x80000000) - 0x80000000

    for op, total, whole in (
        (0x4148, x + w + carry, signed(x) + signed(w) + carry),  # ADCS r0, r1
        (0x4188, x - w - 1 + carry, signed(x) - signed(w) - 1 + carry),  # SBCS r0, r1
    ):
        result = _one(pair, op, {0: x, 1: w}, carry << 29)[0]
        assert result == total & 0xFFFFFFFF
        apsr = pair.ours.core.apsr
        assert apsr >> 31 == result >> 31
        assert (apsr >> 30 & 1) == (result == 0)
        assert (apsr >> 29 & 1) == (total > 0xFFFFFFFF if op == 0x4148 else total >= 0)
        assert (apsr >> 28 & 1) == (signed(result) != whole)


_PAIRS: list[Pair] = []


def _shared() -> Pair:
    if not _PAIRS:
        _PAIRS.append(Pair())
    return _PAIRS[0]


def test_a_shift_to_the_left_by_more_than_there_is_clears_the_carry(pair: Pair) -> None:
    assert _one(pair, 0x4088, {0: 0xFFFFFFFF, 1: 33}, 1 << 29)[0] == 0  # LSLS r0, r1
    assert pair.ours.core.apsr == 1 << 30


@pytest.mark.parametrize("op", [0x40C8, 0x4108, 0x41C8])  # LSRS, ASRS, RORS r0, r1
@pytest.mark.parametrize("carry", [0, 1])
def test_a_shift_by_nothing_leaves_the_carry(pair: Pair, op: int, carry: int) -> None:
    assert _one(pair, op, {0: 0x80000001}, carry << 29)[0] == 0x80000001
    assert pair.ours.core.apsr >> 29 & 1 == carry


def test_a_call_through_lr_goes_where_it_pointed(pair: Pair) -> None:
    registers = _one(pair, 0x47F0, {14: RAM + 0x101})  # BLX LR
    assert registers[15] == RAM + 0x100
    assert registers[14] == AT + 3


def test_stm_writes_its_base_back(pair: Pair) -> None:
    registers = _one(pair, 0xC003, {0: RAM + 0x200, 1: 7})  # STM r0!, {r0, r1}
    assert registers[0] == RAM + 0x208
    assert pair.ours.sram[0x200:0x208] == (RAM + 0x200).to_bytes(4, "little") + b"\7\0\0\0"
    pair.plain.sram[0x200:0x208] = pair.ours.sram[0x200:0x208]


@given(
    x=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(EDGES)),
    w=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(EDGES)),
    signed=st.booleans(),
)
def test_the_divider_divides(x: int, w: int, signed: bool) -> None:
    """Compiled and not: towards zero, and by zero as data sheet 2.3.1.5 says."""
    pair = _shared()
    base = SIO + (0x68 if signed else 0x60)
    quotient, remainder = processor.divide(x, w, signed)
    if w:
        a, b = ((n ^ 0x80000000) - 0x80000000 if signed else n for n in (x, w))
        assert quotient == int(abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1) & 0xFFFFFFFF
        assert (quotient * b + ((remainder ^ 0x80000000) - 0x80000000)) & 0xFFFFFFFF == x
    else:
        assert remainder == x
        assert quotient == (1 if signed and x >> 31 else 0xFFFFFFFF)
    registers = {0: base, 1: x, 2: w, 3: SIO + 0x70}
    for op in (0x6001, 0x6042, 0x6818, 0x6859):  # STR r1, [r0]; STR r2, [r0, 4]; LDR r0, r1 [r3]
        out = _one(pair, op, registers)
    assert _one(pair, 0x6818, registers)[0] == quotient
    assert out[1] == remainder


@given(passed_ns=st.integers(0, 2**53).map(float), zero_ns=st.integers(0, 2**40).map(float))
def test_the_timer_counts_microseconds(passed_ns: float, zero_ns: float) -> None:
    """TIMERAWH and TIMERAWL, in the midst of a stretch, are what rp2040py's timer tells then."""
    chip = _chip()
    made = Processor(chip)
    chip.clock.tick(zero_ns)
    chip.timer.reset()
    chip.clock.create_alarm(lambda: None).schedule(1e18)
    chip.clock.tick(passed_ns)
    code = [0xBF00, 0x6801, 0x6842, 0xBF30]  # NOP; LDR r1, [r0]; LDR r2, [r0, 4]; WFI
    for k, half in enumerate(code):
        chip.sram[AT - RAM + 2 * k : AT - RAM + 2 * k + 2] = half.to_bytes(2, "little")
    core = chip.core
    core.registers[0], core.registers[13], core.registers[15] = 0x40054024, RAM + 0x800, AT
    core.interrupts_updated = False
    began_ns = chip.clock.nanos
    assert not made._stretch()
    assert core.cycles == 9
    high = int((began_ns + 8 - zero_ns) / 1000) >> 32
    low = int((began_ns + 8 + 32 - zero_ns) / 1000) & 0xFFFFFFFF
    assert (core.registers[1], core.registers[2]) == (high & 0xFFFFFFFF, low)


def test_a_spin_lock_is_taken_once(pair: Pair) -> None:
    registers = {0: SIO + 0x110, 1: 5}
    assert _one(pair, 0x6802, registers)[2] == 1 << 4  # LDR r2, [r0]
    assert _one(pair, 0x6802, registers)[2] == 0
    _one(pair, 0x6001, registers)  # STR r1, [r0]
    assert _one(pair, 0x6802, registers)[2] == 1 << 4
    _one(pair, 0x6001, registers)


@pytest.mark.parametrize(
    "halves",
    [[0xB662], [0xF380, 0x8810]],  # CPSIE; MSR PRIMASK, r0
)
@pytest.mark.parametrize("waits", [False, True])
def test_lifting_the_mask_lets_a_waiting_interrupt_in(halves: list[int], waits: bool) -> None:
    """And ends the stretch there: not one instruction more is executed before its handler."""
    chip = _chip()
    made = Processor(chip)
    core = chip.core
    vectors = RAM + 0x1000
    core.vtor = vectors
    chip.sram[0x1000:0x2000] = (RAM + 0x3001).to_bytes(4, "little") * 0x400
    code = [0x2101, *halves, 0x2201, 0xE7FE]  # MOVS r1, 1; lift; MOVS r2, 1; B .
    for k, half in enumerate(code):
        chip.sram[AT - RAM + 2 * k : AT - RAM + 2 * k + 2] = half.to_bytes(2, "little")
    chip.sram[0x3000:0x3002] = (0xE7FE).to_bytes(2, "little")
    core.registers[13], core.registers[15], core.pm = RAM + 0x800, AT, True
    core.enabled_interrupts = 1
    if waits:
        chip.set_interrupt(0, True)

    class Until:
        stopped = False

    def stop() -> None:
        Until.stopped = True

    chip.clock.create_alarm(stop).schedule(400)
    made.run(Until)
    assert core.registers[1] == 1
    assert core.registers[2] == (0 if waits else 1)
    assert core.registers[15] == (RAM + 0x3000 if waits else AT + 2 * len(code) - 2)
    assert core.ipsr == (16 if waits else 0)
