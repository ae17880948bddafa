"""Proof mutants: each word of both programs changed, and refuted, or shown to be the same.

A change is refuted by a run whose pin, reports or taken words differ in a cycle from what the
theorems fix (`specification`). What no run refutes is the same step from every state, or passes all
theorems.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.proofs import induction, semantics, specification
from tests.proofs.semantics import Program, Unmodelled

NAMES = ("_gate_program", "_supply_program")


def same_step(program: Program, other: Program, pc: int) -> bool:
    """Whether both do the same at this place, from every state of registers, FIFOs and pins."""
    for level in (0, 1):
        for tx in ((), (induction.bits("W"),)):
            for full in (0, semantics.DEPTH):
                rx = tuple(induction.bits(f"r{i}") for i in range(full))
                for counts in ((0, 0), (30, 32), (32, 0)):
                    state = replace(
                        induction.unknown(pc, level=level), tx=tx, rx=rx,
                        isr_n=counts[0], osr_n=counts[1],
                    )  # fmt: skip
                    for estop in (0, 1):
                        try:
                            ours = semantics.step(program, state, estop)
                            if ours != semantics.step(other, state, estop):
                                return False
                        except Unmodelled:
                            return False
    return True


def verdict(name: str, index: int, word: int) -> str:
    """`refuted`, `same` (as a step) or `proved` (by the theorems); or empty: it survives."""
    program, mutant = semantics.firmware(name), semantics.changed(name, index, word)
    pc = program.start + index
    # A jump's target is relocated: other words of the block may have been changed by the carry.
    if mutant.memory[pc] == program.memory[pc] or same_step(program, mutant, pc):
        return "same"
    if specification.difference(name, mutant):
        return "refuted"
    return "proved" if specification.proved(name, mutant) else ""


@pytest.mark.parametrize("name", NAMES)
def test_the_specification_is_what_the_words_do(name: str) -> None:
    assert specification.difference(name, semantics.firmware(name)) == ""
    assert len(specification.scenarios(name)) > 80


@pytest.mark.parametrize("name", NAMES)
def test_every_bit_of_every_word_matters_or_is_reserved(name: str) -> None:
    verdicts: Counter[str] = Counter()
    survivors = []
    for index, word in enumerate(semantics.assembled(name)):
        for bit in range(16):
            one = verdict(name, index, word ^ 1 << bit)
            verdicts[one] += 1
            if not one:
                survivors.append((index, bit))
    assert not survivors
    assert verdicts["refuted"] >= {"_gate_program": 185, "_supply_program": 105}[name]
    assert verdicts["same"] == 18  # bits that PULL and PUSH ignore, and pins that SET has not


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_every_other_word_without_delay_is_refuted_or_the_same(name: str) -> None:
    """All 2047 others at each place; each delay on those that are the same; 3000 with a delay."""
    chance = random.Random(name)
    survivors = []
    delays = [0, *(n << 8 for n in range(1, 32))]
    for index, original in enumerate(semantics.assembled(name)):
        for operation in range(8):
            for operand in range(256):
                word = operation << 13 | operand
                one = verdict(name, index, word)
                tried = delays[1:] if one == "same" else []
                if not one and word != original:
                    survivors.append((index, word))
                if chance.random() < 0.07:
                    tried = [*tried, chance.choice(delays[1:])]
                survivors += [
                    (index, word | delay)
                    for delay in tried
                    if verdict(name, index, word | delay) not in ("refuted", "proved")
                ]
    assert not survivors
