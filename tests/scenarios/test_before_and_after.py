"""Before a treatment: checklist, patient, nitrogen, pedal. After it: the observation."""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    ARMED,
    COLD,
    FREEZE_END,
    MS,
    OBSERVATION,
    PRECHILL_END,
    RELEASED,
    SCREENING,
    SHORT,
    TREATMENT_END,
    arm,
    cold_line,
    faults,
    last,
    preset,
    ready,
    records,
    state,
    switch_on,
    told,
    treat,
    until,
)
from tests.scenarios.fault_numbers import Fault

PRECHILL, ASK, TRIGGER_MODE, USE, OBSERVE_S = 17, 18, 19, 30, 31  # permanent numbers of settings
PAGES, A_PAGE = 5, 3
STATED = {1: "avoid", 14: "caution"}  # as in the clinical brief


def asked(bench: Bench) -> None:
    """Go to SCREENING on a device that does not purge."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"


def applies(bench: Bench, number: int) -> None:
    """Answer the preceding pages, go to the line of an item, and mark it as applicable."""
    for _ in range((number - 1) // A_PAGE):
        bench.press("select")
    for _ in range((number - 1) % A_PAGE + 1):
        bench.press("down")
    bench.press("select")


def items(bench: Bench) -> dict[int, str]:
    """Avoid or caution, by number."""
    return {row[0]: row[2] for row in bench.ask("describe", part="items")["ok"]["rows"]}


# -- the checklist --------------------------------------------------------------------------------


def test_from_ready_to_armed_in_at_most_eight_presses(bench: Bench) -> None:
    """As shipped, with defaults, including holds and the purge."""
    ready(bench, whole=True)
    presses = 0

    def press(name: str, ms: float) -> None:
        nonlocal presses
        presses += 1
        bench.press(name, ms)

    press("arm", 1200)
    while told(bench) == "SCREENING":
        press("select", 80)
    press("trigger", 10_000)
    assert told(bench) == "ARMED"
    assert presses <= 8
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (0, 0, 1)


@pytest.mark.hazard("H-19")
def test_every_item_of_the_brief_is_asked_for(bench: Bench) -> None:
    """H-19."""
    asked(bench)
    kinds = items(bench)
    assert len(kinds) == 14
    assert {n: kinds[n] for n in STATED} == STATED
    screens = set()
    for _ in range(PAGES):
        screens.add(bench.screen().text())
        assert told(bench) == "SCREENING"
        bench.press("select")
    assert len(screens) == PAGES
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-19", "H-23")
@pytest.mark.parametrize("number", range(1, 15))
def test_what_applies_stops_or_waits_for_the_physician(bench: Bench, number: int) -> None:
    """H-19, H-23: 'avoid' ends it; 'caution' needs a hold of 2 s to continue; both are recorded."""
    asked(bench)
    kind = items(bench)[number]
    applies(bench, number)
    assert told(bench) == "SCREENING"
    bench.press("select", 1800)  # too short to override
    if kind == "avoid":
        bench.press("select", 2300)
        bench.press("select")
        assert told(bench) == "READY"
        assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
            1 << (number - 1),
            0,
            3,
        )
        bench.press("trigger", 500)
        assert all(r.kind != ARMED for r in records(bench))
        return
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "SCREENING"
    bench.press("select", 2300)
    assert told(bench) == "SCREENING"
    for _ in range(PAGES - (number - 1) // A_PAGE):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
        1 << (number - 1),
        1 << (number - 1),
        2,
    )


@pytest.mark.hazard("H-23")
def test_each_caution_needs_its_own_override(bench: Bench) -> None:
    """H-23: one long hold does not answer two screens."""
    asked(bench)
    applies(bench, 5)
    bench.hold("select")
    bench.run_for(5000)
    bench.release("select")
    bench.run_for(60)
    bench.press("down")
    bench.press("down")
    bench.press("down")  # item 6
    bench.press("select")
    bench.press("select")
    assert told(bench) == "SCREENING"
    bench.press("select", 2300)
    for _ in range(PAGES - 1):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (
        0b110000,
        0b110000,
        2,
    )


def test_a_line_chosen_by_mistake_can_be_left(bench: Bench) -> None:
    asked(bench)
    applies(bench, 3)
    bench.press("up")
    for _ in range(PAGES):
        bench.press("select")
    assert told(bench) == "ARMED"
    assert last(bench, SCREENING).values("present", "overridden", "outcome") == (0, 0, 1)


@pytest.mark.hazard("H-03", "H-04", "H-19")
@pytest.mark.parametrize(
    ("how", "outcome"), [("arm", 4), ("time", 5), ("estop", 4), ("trigger", 0)]
)
def test_leaving_the_checklist_is_recorded_and_clears_nobody(
    bench: Bench, how: str, outcome: int
) -> None:
    """H-19, H-04, H-03."""
    asked(bench)
    bench.press("select")
    if how == "arm":
        bench.press("arm")
    elif how == "time":
        bench.run_for(181_000)
    elif how == "estop":
        bench.estop_open()
        bench.run_for(100)
        assert faults(bench) == [Fault.ESTOP]
    else:
        bench.press("trigger", 1000)
        assert told(bench) == "SCREENING"
        assert bench.valve_intervals() == []
        return
    assert told(bench) == ("FAULT" if how == "estop" else "READY")
    assert last(bench, SCREENING).outcome == outcome
    assert bench.valve_intervals() == []


@pytest.mark.hazard("H-10")
@pytest.mark.needs("mishaps")
def test_what_changed_meanwhile_still_forbids(bench: Bench) -> None:
    """H-10: the dewar has lost its pressure while the pages were answered."""
    asked(bench)
    bench.mishap("pressure_low")
    bench.run_for(4000)
    for _ in range(PAGES):
        bench.press("select")
    bench.run_for(100)
    assert told(bench) == "SCREENING"
    assert all(r.kind != ARMED for r in records(bench))


def choose_patient(bench: Bench) -> int:
    """Select the next free patient number on the panel."""
    for _ in range(4):
        bench.press("select")
    bench.press("up")
    for _ in range(1):
        bench.press("select")
    return bench.ask("get", key="patient_ref")["ok"]["value"]


@pytest.mark.hazard("H-18", "H-19")
def test_the_same_patient_is_asked_once_in_an_hour(bench: Bench) -> None:
    """H-19, H-18: another patient, no number, or a new power-on requires the checklist again."""
    preset(bench, {PRECHILL: 0})
    switch_on(bench, "READY")
    assert choose_patient(bench) == 1
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"
    for _ in range(PAGES):
        bench.press("select")
    bench.press("arm")
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    bench.press("arm")
    bench.run_for(200)
    bench.ask("set", key="patient_ref", value=2)
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"
    bench.press("arm")
    bench.run_for(200)
    bench.ask("set", key="patient_ref", value=1)
    bench.run_for(200)
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"  # an abandoned checklist clears no patient


@pytest.mark.hazard("H-19")
def test_nobodys_number_is_asked_every_time(bench: Bench) -> None:
    """H-19."""
    asked(bench)
    for _ in range(PAGES):
        bench.press("select")
    bench.press("arm")
    bench.press("arm", 1200)
    assert told(bench) == "SCREENING"


# -- the patient ----------------------------------------------------------------------------------


@pytest.mark.hazard("H-18")
def test_a_treatment_carries_its_patient(bench: Bench) -> None:
    """H-18: selected on the device and recorded; the next free number follows the highest used."""
    ready(bench)
    assert choose_patient(bench) == 1
    treat(bench)
    assert last(bench, ARMED).patient_ref == last(bench, TREATMENT_END).patient_ref == 1
    bench.press("select")
    bench.ask("set", key="patient_ref", value=4711)
    arm(bench)
    bench.press("arm")
    bench.ask("set", key="patient_ref", value=0)
    bench.run_for(100)
    assert choose_patient(bench) == 4712


@pytest.mark.hazard("H-18")
def test_a_patient_is_forgotten(bench: Bench) -> None:
    """H-18: by power-off, and after an hour without a treatment."""
    ready(bench)
    bench.ask("set", key="patient_ref", value=12)
    bench.run_for(59 * 60_000)
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 12
    bench.run_for(2 * 60_000)
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 0
    bench.ask("set", key="patient_ref", value=13)
    bench.cut_power()
    bench.run_for(100)
    switch_on(bench, "READY")
    assert bench.ask("get", key="patient_ref")["ok"]["value"] == 0


@pytest.mark.hazard("H-18")
def test_the_host_names_the_patient_in_ready_only(bench: Bench) -> None:
    """H-18."""
    ready(bench)
    arm(bench)
    assert bench.ask("set", key="patient_ref", value=5)["err"]["code"] == "state"


# -- nitrogen -------------------------------------------------------------------------------------


@pytest.mark.hazard("H-02", "H-10")
@pytest.mark.needs("plant")
def test_what_the_dewar_cannot_hold_is_not_begun(bench: Bench) -> None:
    """H-10, H-02: by level and use it would not last; refused, showing level and need."""
    preset(bench, {**SHORT, USE: 400})  # 10.5 s use 70 permille
    switch_on(bench, "READY")
    bench.plant.fill(bench.clock.now_ns, 115.0)  # enough to arm by the limit of 100
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "READY"
    assert all(r.kind != ARMED for r in records(bench))
    bench.plant.fill(bench.clock.now_ns, 140.0)
    bench.run_for(4000)
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"


@pytest.mark.hazard("H-10")
@pytest.mark.needs("plant")
def test_the_use_that_is_shipped_is_not_below_the_use_of_the_plant(bench: Bench) -> None:
    """H-10: otherwise 'enough for three' would be wrong."""
    ready(bench)
    cold_line(bench)
    before = bench.plant.dewar_permille
    treat(bench)
    opened, closed = bench.valve_intervals()[-1]
    used = (before - bench.plant.dewar_permille) / ((closed - opened) / 60e9)
    assert used < bench.ask("get", key="use_permille_per_min")["ok"]["value"] < 2 * used


# -- the pedal ------------------------------------------------------------------------------------


def pedal(bench: Bench, **more: int) -> None:
    """READY, with a pedal that is pressed and released."""
    preset(bench, {**SHORT, TRIGGER_MODE: 2, **{int(k[1:]): v for k, v in more.items()}})
    switch_on(bench, "READY")


@pytest.mark.hazard("H-01", "H-22")
def test_a_pedal_starts_and_the_countdown_ends(bench: Bench) -> None:
    """H-22, H-01: to the planned end without holding the pedal."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    until(bench, "DONE", 40000)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened == last(bench, ARMED).planned_us * 1000
    bench.run_for(3000)
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-01", "H-15", "H-22")
@pytest.mark.parametrize("after_ms", [0, 41, 3007])
def test_a_second_press_ends_the_freeze_at_once(bench: Bench, after_ms: int) -> None:
    """H-22, H-01, H-15."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(500 + after_ms)
    bench.hold("trigger")
    pressed_ns = bench.clock.now_ns
    until(bench, "DONE")
    ((_opened, closed),) = bench.valve_intervals()
    assert closed - pressed_ns <= 20 * MS
    assert last(bench, FREEZE_END).cause == RELEASED
    bench.release("trigger")
    bench.run_for(3000)
    bench.press("trigger")
    bench.run_for(1000)
    assert len(bench.valve_intervals()) == 1


@pytest.mark.hazard("H-22")
def test_a_pedal_kept_down_ends_only_when_pressed_again(bench: Bench) -> None:
    """H-22: releasing it does not end a freeze in this mode; the next press does."""
    pedal(bench)
    arm(bench)
    bench.hold("trigger")
    bench.run_for(3000)
    bench.release("trigger")
    bench.run_for(1000)
    assert told(bench) == "FREEZING"
    bench.press("trigger")
    assert bench.wiring.driven(GATE) == 0
    until(bench, "DONE")


@pytest.mark.hazard("H-03", "H-22")
def test_the_estop_ends_a_pedals_freeze(bench: Bench) -> None:
    """H-03, H-22: within 5 us, as always."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(1503)
    bench.estop_open()
    struck_ns = bench.clock.now_ns
    bench.run_for(300)
    ((_opened, closed),) = bench.valve_intervals()
    assert closed - struck_ns <= 5_000
    assert faults(bench) == [Fault.ESTOP]


@pytest.mark.hazard("H-11", "H-22")
@pytest.mark.needs("hang")
def test_a_stopped_loop_ends_a_pedals_freeze(bench: Bench) -> None:
    """H-11, H-22."""
    pedal(bench)
    arm(bench)
    bench.press("trigger", 300)
    bench.run_for(1500)
    bench.hang(200)
    bench.run_for(1000)
    assert faults(bench) == [Fault.DEAD_MAN]


@pytest.mark.hazard("H-21", "H-22")
@pytest.mark.needs("plant")
def test_a_pedal_purges_and_a_press_as_it_ends_does_not_freeze(bench: Bench) -> None:
    """H-22, H-21: the press was meant to end the purge."""
    pedal(bench, _17=1)
    bench.press("arm", 1200)
    assert told(bench) == "PRECHILL"
    cold_line(bench)
    bench.press("trigger", 200)
    assert bench.run_until(lambda: len(bench.valve_intervals()) == 1, 12000)
    bench.run_for(100)
    bench.press("trigger", 200)
    until(bench, "ARMED")
    assert last(bench, PRECHILL_END).cause == COLD
    assert len(bench.valve_intervals()) == 1
    bench.run_for(2000)
    bench.press("trigger", 200)
    bench.run_for(500)
    assert told(bench) == "FREEZING"


@pytest.mark.hazard("H-13", "H-22")
def test_the_pedals_mode_needs_a_hand_at_the_device(bench: Bench) -> None:
    """H-13, H-22."""
    ready(bench)
    assert not bench.ask("set", key="trigger_mode", value=2)["ok"]["applied"]
    assert bench.ask("get", key="trigger_mode")["ok"]["value"] == 1


# -- the observation ------------------------------------------------------------------------------


def observed(bench: Bench) -> None:
    """A treatment, at the start of its observation of 30 min."""
    preset(bench, SHORT)
    switch_on(bench, "READY")
    treat(bench)
    bench.press("select")


def sounds(bench: Bench) -> list[int]:
    """Times at which the sounder starts from now on, ns."""
    starts: list[int] = []
    bench.wiring.watch(
        lambda t, signal, value: starts.append(t) if signal == "BUZZER" and value else None
    )
    return starts


@pytest.mark.hazard("H-09")
def test_the_end_of_the_observation_sounds_until_it_is_acknowledged(bench: Bench) -> None:
    """H-09: and it is recorded."""
    observed(bench)
    bench.run_for(2000)  # the melody of the end
    starts = sounds(bench)
    before = bench.screen().text()
    bench.run_for(29 * 60_000)
    assert starts == []
    bench.run_for(2 * 60_000)
    assert starts
    assert bench.screen().text() != before
    count = len(starts)
    bench.run_for(61_000)
    assert len(starts) > count  # again, every minute
    bench.press("select")
    count = len(starts)
    bench.run_for(120_000)
    assert len(starts) == count
    observation = last(bench, OBSERVATION)
    assert observation.values("treatment", "outcome") == (last(bench, ARMED).seq, 1)
    assert 30 * 60 <= observation.after_s <= 33 * 60
    assert state(bench) == "READY"


def test_the_next_treatment_begins_its_own_observation(bench: Bench) -> None:
    observed(bench)
    first = last(bench, ARMED).seq
    bench.run_for(10 * 60_000)
    treat(bench)
    assert last(bench, OBSERVATION).values("treatment", "outcome") == (first, 2)
    assert 600 <= last(bench, OBSERVATION).after_s <= 630
    bench.press("select")
    bench.run_for(29 * 60_000)
    assert [r.kind for r in records(bench)].count(OBSERVATION) == 1
    bench.run_for(2 * 60_000)
    bench.press("select")
    assert last(bench, OBSERVATION).values("treatment", "outcome") == (last(bench, ARMED).seq, 1)


def test_a_reminder_does_not_block_the_next_treatment(bench: Bench) -> None:
    """Holding ARM also acknowledges it."""
    observed(bench)
    bench.run_for(31 * 60_000)
    bench.press("arm", 1200)
    assert told(bench) == "ARMED"
    assert last(bench, OBSERVATION).outcome == 1


def test_nothing_delivered_is_not_observed(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    bench.hold("trigger")
    until(bench, "FREEZING")
    bench.release("trigger")
    until(bench, "DONE")
    bench.press("select")
    bench.run_for(31 * 60_000)
    assert all(r.kind != OBSERVATION for r in records(bench))
