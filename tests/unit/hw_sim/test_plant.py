"""The plant against the figures that hardware and trade give for it."""

import random

import pytest

from hw_sim.plant import Plant

MS = 1_000_000
S = 1_000_000_000


def cold_plant(seconds: int = 15) -> tuple[Plant, int]:
    """A plant that has sprayed long enough to give liquid, and is spraying; and its time."""
    plant = Plant()
    plant.energise(0, True)
    plant.advance(seconds * S)
    return plant, seconds * S


# -- valve ------------------------------------------------------------------------------------


def test_a_warm_valve_opens_after_12_ms_and_closes_after_25() -> None:
    plant = Plant()
    plant.energise(5 * MS + 1, True)
    plant.advance(17 * MS)
    assert not plant.valve_open
    plant.advance(17 * MS + 1)
    assert plant.valve_open
    plant.energise(100 * MS, False)
    plant.advance(200 * MS)
    [(begin_ns, end_ns)] = plant.open_intervals_ns
    assert begin_ns == 17 * MS + 1
    assert end_ns == pytest.approx(125 * MS, abs=0.1 * MS)


def test_a_cold_valve_is_slower() -> None:
    plant, now_ns = cold_plant(30)
    plant.energise(now_ns, False)
    moves_ns = plant.valve_moves_ns
    assert moves_ns is not None
    assert 25.5 * MS < moves_ns - now_ns <= 30 * MS


def test_a_pulse_shorter_than_the_lag_does_not_lift_the_armature() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.energise(11 * MS, False)
    plant.advance(S)
    assert plant.open_intervals_ns == []


def test_a_gap_shorter_than_the_lag_does_not_drop_it() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.energise(500 * MS, False)
    plant.energise(520 * MS, True)
    plant.advance(S)
    assert plant.open_intervals_ns == [(12 * MS, S)]


@pytest.mark.parametrize(
    ("after_ms", "ma"), [(0.0, 0.0), (10.0, 1200.0), (19.9, 1200.0), (40.0, 350.0), (900.0, 350.0)]
)
def test_the_coil_draws_peak_then_hold(after_ms: float, ma: float) -> None:
    plant = Plant()
    plant.energise(S, True)
    plant.advance(S + round(after_ms * MS))
    assert plant.coil_ma == pytest.approx(ma, abs=3.0)


def test_the_coil_current_dies_within_milliseconds() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.energise(S, False)
    plant.advance(S)
    assert plant.coil_ma == pytest.approx(350.0, abs=1.0)
    plant.advance(S + 5 * MS)
    assert plant.coil_ma < 30.0
    plant.advance(S + 30 * MS)
    assert plant.coil_ma == 0.0


def test_a_jammed_valve_stays_as_it_is_until_it_is_freed() -> None:
    plant = Plant()
    plant.set_valve(0, stuck_open=True)
    plant.energise(0, True)
    plant.energise(S, False)
    plant.advance(5 * S)
    assert plant.valve_open
    assert plant.coil_ma == 0.0
    plant.set_valve(5 * S, stuck_open=False)
    plant.advance(6 * S)
    assert not plant.valve_open
    plant.set_valve(6 * S, stuck_closed=True)
    plant.energise(6 * S, True)
    plant.advance(7 * S)
    assert not plant.valve_open
    assert plant.coil_ma == pytest.approx(350.0)


def test_a_broken_coil_takes_no_current_and_opens_nothing() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.advance(S)
    plant.set_valve(S, coil_open=True)
    plant.advance(S)
    assert plant.coil_ma == 0.0
    plant.advance(2 * S)
    assert not plant.valve_open


# -- line and nozzle --------------------------------------------------------------------------


def test_a_warm_line_gives_liquid_after_2_to_10_s() -> None:
    plant, _ = cold_plant()
    [(begin_ns, _end)] = plant.liquid_intervals_ns
    assert 2 * S < begin_ns < 10 * S


def test_a_line_still_cold_gives_liquid_at_once() -> None:
    plant, now_ns = cold_plant()
    plant.energise(now_ns, False)
    plant.energise(now_ns + 5 * S, True)
    plant.advance(now_ns + 10 * S)
    assert plant.liquid_intervals_ns[-1][0] - (now_ns + 5 * S) < 2 * S


def test_the_nozzle_settles_near_minus_190_and_rewarms_within_tens_of_seconds() -> None:
    plant, now_ns = cold_plant()
    assert -195.8 < plant.nozzle_c < -187.0
    assert 0.3 < plant.flow_g_s < 1.5
    plant.energise(now_ns, False)
    plant.advance(now_ns + 10 * S)
    assert plant.nozzle_c > -160.0
    plant.advance(now_ns + 60 * S)
    assert -40.0 < plant.nozzle_c < 15.0
    assert plant.flow_g_s == 0.0


def test_a_stuck_open_valve_stays_cold() -> None:
    plant, now_ns = cold_plant()
    plant.set_valve(now_ns, stuck_open=True)
    plant.energise(now_ns, False)
    plant.advance(now_ns + 20 * S)
    assert plant.nozzle_c < -187.0


def test_a_blocked_nozzle_hardly_flows_and_does_not_cool() -> None:
    plant = Plant()
    plant.block_nozzle(0, 0.02)
    plant.energise(0, True)
    plant.advance(10 * S)
    assert plant.flow_g_s < 0.02
    assert plant.nozzle_c > -50.0
    assert plant.dewar_permille > 849.0


# -- dewar ------------------------------------------------------------------------------------


def test_pressure_drops_while_flowing_and_is_regulated_back() -> None:
    plant = Plant()
    plant.advance(S)
    assert plant.dewar_mbar == pytest.approx(600.0)
    plant.energise(S, True)
    plant.advance(21 * S)
    assert 500.0 < plant.dewar_mbar < 580.0
    plant.energise(21 * S, False)
    plant.advance(81 * S)
    assert plant.dewar_mbar == pytest.approx(600.0, abs=2.0)


def test_one_filling_lasts_for_some_forty_treatments() -> None:
    plant = Plant()
    now_ns = 0
    shots = 0
    while plant.dewar_permille > 0.0:
        plant.energise(now_ns, True)
        plant.energise(now_ns + 20 * S, False)
        now_ns += 60 * S
        plant.advance(now_ns)
        shots += 1
        assert shots < 100
    assert 30 <= shots <= 60


def test_what_leaves_the_nozzle_is_missing_in_the_dewar() -> None:
    plant = Plant()
    before_g = plant.dewar.liquid_g
    plant.energise(0, True)
    sprayed_g = 0.0
    for i in range(1, 1001):
        plant.advance(i * 20 * MS)
        sprayed_g += plant.flow_g_s * 0.020
    boiled_g = 20.0 * 0.0093
    assert before_g - plant.dewar.liquid_g == pytest.approx(sprayed_g + boiled_g, rel=0.01)


def test_an_empty_dewar_loses_its_pressure_at_the_next_shot() -> None:
    plant = Plant()
    plant.fill(0, 0.0)
    plant.energise(0, True)
    plant.advance(30 * S)
    assert plant.dewar_mbar < 100.0
    assert plant.nozzle_c > -185.0
    assert plant.liquid_intervals_ns == []


def test_the_relief_valve_holds_a_runaway_builder_and_without_it_pressure_climbs() -> None:
    plant = Plant()
    plant.set_dewar(0, regulator_stuck=True)
    plant.advance(60 * S)
    assert 1000.0 < plant.dewar_mbar < 1100.0
    plant.set_dewar(60 * S, relief_stuck=True)
    plant.advance(120 * S)
    assert plant.dewar_mbar > 1400.0


def test_a_leaking_lid_does_not_hold_pressure() -> None:
    plant = Plant()
    plant.set_dewar(0, vent_leak_per_s=0.5)
    plant.advance(20 * S)
    assert plant.dewar_mbar < 200.0


# -- integration ------------------------------------------------------------------------------


def scenario(look_ns: list[int]) -> tuple[float, ...]:
    plant = Plant()
    changes = [(1_234_567_891, True), (9 * S + 7, False), (12 * S + 5, True), (13 * S, False)]
    for t_ns in look_ns:
        while changes and changes[0][0] <= t_ns:
            at_ns, on = changes.pop(0)
            plant.energise(at_ns, on)
        plant.advance(t_ns)
    intervals = [float(t) for pair in plant.open_intervals_ns for t in pair]
    return (
        plant.nozzle_c,
        plant.line_c,
        plant.dewar_mbar,
        plant.dewar_permille,
        plant.valve_c,
        *intervals,
    )


def test_the_result_does_not_depend_on_how_often_one_looks() -> None:
    end_ns = 20 * S
    random_looks = random.Random(3)
    often = sorted(random_looks.randrange(end_ns) for _ in range(5000))
    tenths = [i * S // 10 for i in range(1, 200)]
    # Bit for bit, as long as nobody stays away for more than a second.
    assert scenario([*often, end_ns]) == scenario([*tenths, end_ns])


def test_long_absence_changes_hardly_anything() -> None:
    end_ns = 100 * S
    seldom = scenario([end_ns])
    often = scenario([i * S // 100 for i in range(1, 10_001)])
    assert seldom == pytest.approx(often, rel=1e-4, abs=0.02)


def test_a_day_passes_quickly_and_in_one_call() -> None:
    plant = Plant()
    plant.advance(86_400 * S)
    # 0.0093 g/s over a day is 803 g: more than the 686 g that were in it.
    assert plant.dewar_permille == 0.0


def test_bad_arguments_are_refused() -> None:
    plant = Plant()
    plant.advance(100)
    with pytest.raises(ValueError, match="already at 100"):
        plant.advance(99)
    with pytest.raises(ValueError, match="0…1000"):
        plant.fill(100, 1001.0)
    with pytest.raises(ValueError, match="0…1"):
        plant.block_nozzle(100, 1.5)
    with pytest.raises(ValueError, match="above 0"):
        plant.set_valve(100, slow_factor=0.0)
    with pytest.raises(ValueError, match="below 0"):
        plant.set_dewar(100, vent_leak_per_s=-1.0)
