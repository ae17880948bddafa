"""The theorems about GATE and SUPPLY (docs/proofs.md), for the words as the firmware has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.proofs import induction, semantics
from tests.proofs.induction import CHECK, COUNT, GATE_PLACES, LESS, RISE, WATCH
from tests.proofs.semantics import State

INJECTED = ("_MOV_Y_X", "_SET_X_0", "_IN_Y_30", "_PUSH_NOBLOCK", "_SET_PINS_0")


def test_the_firmware_has_these_words_alone() -> None:
    """Both programs fit their block, and nothing of one is in the other's place."""
    gate, supply = semantics.firmware("_gate_program"), semantics.firmware("_supply_program")
    assert gate.memory == supply.memory
    assert (gate.length, supply.length) == (GATE_PLACES, induction.SUPPLY_PLACES)
    places = [
        *range(gate.start, gate.start + gate.length),
        *range(supply.start, supply.start + supply.length),
    ]
    assert len(set(places)) == len(places)
    assert (gate.config.set_count, gate.config.set_base) == (1, semantics.GATE)
    assert (supply.config.set_count, supply.config.set_base) == (1, semantics.SUPPLY)
    assert gate.config.jmp_pin == semantics.ESTOP
    assert (gate.config.out_count, supply.config.out_count) == (0, 0)
    # 1 MHz and 100 kHz of the 125 MHz, in 1/256.
    assert (gate.config.divider, supply.config.divider) == (125 * 256, 1250 * 256)


@pytest.mark.hazard("H-01", "H-03")
def test_gate_is_high_for_2n_plus_2_cycles_or_low_in_the_third_cycle() -> None:
    """H-01, H-03. Every count, every history of the loop; and what is reported is what was."""
    ledger = induction.whole(induction.gate(semantics.firmware("_gate_program")))
    assert not ledger.refuted
    assert ledger.proved >= 160


@pytest.mark.hazard("H-01", "H-04")
def test_nothing_that_close_injects_raises_the_gate() -> None:
    """H-01, H-04. In any order, at any cycle; one rise a word; always back to waiting."""
    constants = semantics.constants()
    ledger = induction.gate_disturbed(
        semantics.firmware("_gate_program"), [constants[name] for name in INJECTED]
    )
    assert not ledger.refuted
    assert ledger.proved >= 600


@pytest.mark.hazard("H-11", "H-15")
def test_supply_rises_on_one_word_and_falls_an_exact_time_after_the_last() -> None:
    """H-11, H-15. W + 1 passes of three cycles after a word W, and one more cycle."""
    raises = semantics.constants()["_RAISE"]
    ledger = induction.whole(induction.supply(semantics.firmware("_supply_program"), raises))
    assert not ledger.refuted
    assert ledger.proved >= 450


def test_the_bound_of_three_cycles_is_reached_and_two_would_be_wrong() -> None:
    """The bound is no looser than it need be, in the first pass and in a later one."""
    program = semantics.firmware("_gate_program")
    slowest: dict[int, int] = {}
    for opens in range(40):
        state, open_cycles = State(program.start, tx=(8,)), 0
        for cycle in range(40):
            state = semantics.step_known(program, state, cycle < opens)
            open_cycles += cycle >= opens
            if state.pin and open_cycles:
                slowest[opens] = open_cycles + 1  # low one cycle later
    assert slowest[4] == 3  # it opens as the gate rises: between check and rise
    assert max(slowest.values()) == 3
    assert sum(1 for cycles in slowest.values() if cycles == 3) >= 8


@pytest.mark.hazard("H-01")
def test_set_x_0_ends_a_count_in_four_cycles() -> None:
    """What `close` leans on: at each place where the gate is high, whatever X and the loop."""
    program = semantics.firmware("_gate_program")
    for place in range(GATE_PLACES):
        if 1 not in induction.gate_levels(place):
            continue
        before = induction.unknown(program.start + place, level=1)
        ((_, now),) = semantics.inject(program, before, induction.SET_X_0, 1)
        states = [now]
        for _cycle in range(4):
            states = [
                after
                for one in states
                for estop in (0, 1)
                for condition, after in semantics.step(program, one, estop)
                if condition is True or induction.possible([condition])
            ]
        assert all(not one.pin for one in states)


def test_a_proof_can_fail() -> None:
    """Each claim is refuted for words that it does not hold for."""
    program = semantics.firmware("_gate_program")

    def refuted(place: int, word: int) -> list[str]:
        memory = list(program.memory)
        memory[program.start + place] = word
        ledgers = induction.gate(replace(program, memory=tuple(memory)))
        return induction.whole(ledgers, stop=induction.fails).refuted

    nop = 0xA042
    old_entry = program.memory[program.start + RISE] | 1 << 8  # the rise, and a cycle's delay
    assert any("known place" in what for what in refuted(RISE, old_entry))
    assert any("invariant" in what for what in refuted(WATCH, program.start + COUNT))
    assert any("invariant" in what for what in refuted(LESS, nop))
    assert any("place" in what for what in refuted(CHECK, program.start + RISE))
    assert any("report" in what or "invariant" in what for what in refuted(COUNT, nop))
    rises = induction.gate_disturbed(program, [0xE001]).refuted  # set pins, 1
    assert {what for what in rises if "no rise" in what} == {
        f"0xe001 at place {place}: no rise" for place in range(GATE_PLACES)
    }
