"""The plant against the figures that hardware and trade give for it."""

import random
from pathlib import Path

import pytest

from hw_sim.world.plant import Jet, JetSpan, Plant, PlantParams
from hw_sim.world.plant.chill import COLD_C, chill_down, tables
from hw_sim.world.plant.dewar import DewarParams
from hw_sim.world.plant.line import LineParams
from hw_sim.world.plant.nitrogen import boiling_k, flash_fraction
from hw_sim.world.plant.valve import ValveParams

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


@pytest.mark.parametrize(("mbar", "kelvin"), [(0, 77.36), (987, 83.63)])
def test_the_boiling_point_rises_with_the_pressure(mbar: float, kelvin: float) -> None:
    # NIST: 77.36 K at 1.013 bar, 83.63 K at 2.0 bar.
    assert boiling_k(mbar) == pytest.approx(kelvin, abs=0.35)


def test_the_share_that_flashes_grows_with_the_pressure() -> None:
    assert flash_fraction(0.0) == 0.0
    assert flash_fraction(600.0) == pytest.approx(0.045, abs=0.002)
    assert flash_fraction(300.0) < flash_fraction(600.0) < flash_fraction(900.0)


def test_line_and_pressure_begin_as_chosen() -> None:
    chosen = PlantParams(line=LineParams(start_c=-150.0), dewar=DewarParams(start_mbar=420.0))
    plant = Plant(chosen)
    assert plant.line_c == plant.nozzle_c == -150.0
    assert plant.dewar_mbar == 420.0
    plant.advance(120 * S)
    assert plant.line_c > 0.0
    assert plant.dewar_mbar == pytest.approx(600.0, abs=1.0)
    with pytest.raises(ValueError, match="start_mbar"):
        Plant(PlantParams(dewar=DewarParams(start_mbar=-1.0)))


def liquid_after_s(start_c: float, mbar: float) -> float:
    plant = Plant(
        PlantParams(line=LineParams(start_c=start_c), dewar=DewarParams(regulated_mbar=mbar))
    )
    plant.energise(0, True)
    plant.advance(15 * S)
    return plant.liquid_intervals_ns[0][0] / S


def test_a_colder_line_and_a_higher_pressure_give_liquid_sooner() -> None:
    times = [liquid_after_s(c, 600.0) for c in (25.0, -50.0, -100.0, -150.0, -190.0)]
    assert times == sorted(times, reverse=True)
    assert times[-1] < 0.5
    times = [liquid_after_s(25.0, mbar) for mbar in (300.0, 400.0, 600.0, 900.0)]
    assert times == sorted(times, reverse=True)
    assert times[0] < 10.0


# -- jet --------------------------------------------------------------------------------------


def test_the_jet_is_gas_then_sputters_then_is_liquid() -> None:
    plant = Plant()
    plant.energise(0, True)
    h: list[float] = []
    for i in range(1, 751):
        plant.advance(i * 20 * MS)
        h.append(plant.jet.relative_h)
    gas, end = h[:150], h[-100:]
    assert 0.0 < max(gas[1:]) < 0.06
    assert plant.jet.fluid_c == -195.8
    # The mean of a treatment at 600 mbar is the nominal coefficient.
    assert sum(end) / 100 == pytest.approx(1.0, abs=0.03)
    assert max(end) - min(end) < 0.02  # liquid: it does not sputter any more

    def swing(series: list[float]) -> float:
        """The mean change from one 20 ms to the next."""
        return sum(abs(b - a) for a, b in zip(series, series[1:], strict=False)) / len(series)

    assert swing(h[220:300]) > 0.02 > 10.0 * swing(end)


def test_gas_from_a_warm_line_is_warm() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.advance(S)
    h, c = plant.jet
    assert h < 0.05
    assert -150.0 < c < 22.0


def steady_h(mbar: float, **line: float) -> float:
    plant = Plant(
        PlantParams(line=LineParams(start_c=-190.0, **line), dewar=DewarParams(regulated_mbar=mbar))
    )
    plant.energise(0, True)
    plant.advance(5 * S)
    return plant.jet.relative_h


def test_the_jet_cools_more_with_more_pressure_by_the_exponent_given() -> None:
    at = [steady_h(mbar) for mbar in (300.0, 600.0, 900.0)]
    assert at == sorted(at)
    assert at[1] == pytest.approx(1.0, abs=0.05)
    assert 0.7 < at[0] < 0.9
    assert 1.05 < at[2] < 1.25
    flat, steep = steady_h(300.0, h_exponent=0.26), steady_h(300.0, h_exponent=0.73)
    assert steep < at[0] < flat


def test_what_reached_the_skin_is_kept() -> None:
    plant = Plant()
    plant.energise(S, True)
    plant.energise(13 * S, False)
    plant.advance(20 * S)
    [(begin_ns, end_ns)] = plant.open_intervals_ns
    spans = plant.jet_between(0, 20 * S)
    assert spans[0] == JetSpan(0, begin_ns, 0.0, -195.8)
    assert spans[-1] == JetSpan(end_ns, 20 * S, 0.0, -195.8)
    assert all(a.end_ns == b.begin_ns for a, b in zip(spans, spans[1:], strict=False))
    assert all(s.relative_h > 0.0 for s in spans[1:-1])
    assert len(spans) < 250
    inside = plant.jet_between(12 * S, 12 * S + 1)
    assert len(inside) == 1
    assert inside[0].relative_h == pytest.approx(1.0, abs=0.05)
    with pytest.raises(ValueError, match="before the beginning"):
        plant.jet_between(2, 1)
    starts, jets = plant.jet_history
    assert (starts[0], jets[0]) == (0, Jet(0.0, -195.8))
    assert len(starts) == len(jets)


@pytest.mark.slow
def test_a_plant_without_its_history_continues_the_same() -> None:
    """Bounded over hours: what is dropped has no effect on what follows, the skin included."""
    plants = Plant(), Plant()
    for i in range(40):
        for plant in plants:
            plant.energise((60 * i + 1) * S, True)
            plant.energise((60 * i + 9) * S, False)
            plant.advance((60 * i + 59) * S)
        plants[1].forget((60 * i - 200) * S)
    kept, forgot = plants
    assert forgot.skin_c == kept.skin_c
    since_ns = forgot.known_from_ns
    assert 2100 * S < since_ns <= 2140 * S
    assert forgot.jet_between(since_ns, 2399 * S) == kept.jet_between(since_ns, 2399 * S)
    with pytest.raises(ValueError, match="forgotten"):
        forgot.jet_between(since_ns - 1, 2399 * S)
    assert forgot.open_intervals_ns == kept.open_intervals_ns[-len(forgot.open_intervals_ns) :]
    assert len(forgot.open_intervals_ns) == len(forgot.liquid_intervals_ns) == 4
    assert len(forgot.jet_history[0]) == len(forgot.jet_history[1]) < len(kept.jet_history[0]) / 5


def test_forgetting_in_the_middle_of_a_freeze_keeps_the_freeze() -> None:
    plant = Plant()
    plant.energise(S, True)
    plant.advance(9 * S)
    plant.forget(5 * S)
    plant.energise(10 * S, False)
    plant.advance(20 * S)
    [(begin_ns, end_ns)] = plant.open_intervals_ns
    assert S < begin_ns < 2 * S
    assert end_ns > 10 * S
    assert plant.jet_between(5 * S, 5 * S + 1)[0].relative_h > 0.0


def test_the_history_is_as_exact_as_it_says() -> None:
    plant = Plant()
    plant.energise(0, True)
    seen: list[tuple[int, Jet]] = []
    for i in range(1, 501):
        plant.advance(i * 20 * MS)
        seen.append((i * 20 * MS, plant.jet))
    for t_ns, jet in seen:
        [kept] = plant.jet_between(t_ns - 1, t_ns)
        assert kept.relative_h == pytest.approx(jet.relative_h, abs=0.0101)
        assert kept.fluid_c == pytest.approx(jet.fluid_c, abs=1.01)


def test_pointed_away_nothing_reaches_the_skin() -> None:
    plant, now_ns = cold_plant()
    plant.point(now_ns, at_skin=False)
    plant.advance(now_ns + 2 * S)
    assert plant.jet.relative_h > 0.9
    plant.point(now_ns + 2 * S, at_skin=True)
    plant.advance(now_ns + 4 * S)
    h = [span.relative_h for span in plant.jet_between(now_ns, now_ns + 4 * S)]
    assert h[0] == 0.0
    assert h[-1] > 0.9
    assert plant.jet_between(now_ns, now_ns + 4 * S)[0].end_ns == now_ns + 2 * S


def test_a_worn_nozzle_sputters_with_liquid_and_cools_less() -> None:
    plant, now_ns = cold_plant()
    sound = plant.jet.relative_h
    plant.set_line(now_ns, spitting=1.0)
    h: list[float] = []
    for i in range(1, 101):
        plant.advance(now_ns + i * 20 * MS)
        h.append(plant.jet.relative_h)
    assert sum(h) / 100 < 0.85 * sound
    assert max(h) - min(h) > 0.3


def test_a_line_that_was_warmed_gives_gas_again() -> None:
    plant, now_ns = cold_plant()
    plant.energise(now_ns, False)
    plant.set_line(now_ns + S, wall_c=45.0, tip_c=40.0, around_c=45.0)
    assert plant.nozzle_c == 40.0
    plant.energise(now_ns + S, True)
    plant.advance(now_ns + 4 * S)
    assert not plant.jet_is_liquid


# -- ice at the valve -------------------------------------------------------------------------


def freezes(moisture: float, shots: int) -> tuple[Plant, list[float]]:
    """20 s of every minute; how long after the coil lost its current each shot ended, ms."""
    plant = Plant()
    plant.set_valve(0, moisture=moisture)
    late_ms: list[float] = []
    for i in range(shots):
        off_ns = i * 60 * S + 20 * S
        plant.energise(i * 60 * S, True)
        plant.energise(off_ns, False)
        plant.advance((i + 1) * 60 * S)
        late_ms.append((plant.open_intervals_ns[-1][1] - off_ns) / MS)
    return plant, late_ms


def test_moist_use_builds_ice_that_slows_the_valve_and_then_locks_it() -> None:
    dry, dry_ms = freezes(0.0, 4)
    assert dry.valve.ice == 0.0
    assert max(dry_ms) < 30.0
    moist, moist_ms = freezes(1.0, 3)
    assert 0.0 < moist.valve.ice < 1.0
    assert moist_ms == sorted(moist_ms)
    assert moist_ms[2] > 1.5 * dry_ms[2]
    locked, _ = freezes(1.0, 3)
    now_ns = 260 * S
    locked.advance(now_ns)
    assert locked.valve.iced
    locked.energise(now_ns, True)
    locked.advance(now_ns + 5 * S)
    assert not locked.valve_open
    assert locked.coil_ma == pytest.approx(350.0)


def test_a_valve_that_ice_locked_open_keeps_itself_cold() -> None:
    plant = Plant()
    plant.energise(0, True)
    plant.advance(S)
    plant.set_valve(S, ice=1.05)
    plant.energise(S, False)
    plant.advance(2 * S)
    assert plant.valve_open  # locked open: the coil has no say
    plant.advance(60 * S)
    assert plant.valve_open  # what flows keeps the body below zero
    plant.set_valve(60 * S, ice=0.5)
    plant.advance(61 * S)
    assert not plant.valve_open


def test_ice_that_melts_in_a_warm_valve_lets_the_armature_go() -> None:
    plant = Plant()
    plant.set_valve(0, ice=1.05, moisture=0.0)
    plant.energise(0, True)
    freed: list[int] = []
    plant.on_freed = lambda: freed.append(1)
    plant.advance(2 * S)
    assert not plant.valve_open
    assert not freed
    plant.advance(30 * S)
    assert freed == [1]
    [(begin_ns, _)] = plant.open_intervals_ns
    warm = ValveParams()
    assert begin_ns > 3 * S
    assert (begin_ns % (20 * MS)) / MS == pytest.approx(
        warm.open_lag_warm_ms * (1.0 + warm.ice_slows) % 20.0, abs=0.6
    )


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


def test_a_relief_valve_that_does_not_seat_lets_the_pressure_down() -> None:
    plant = Plant()
    plant.set_dewar(0, relief_leaks=True)
    plant.advance(60 * S)
    assert 200.0 < plant.dewar_mbar < 300.0  # the pressure builder works against it
    plant.set_dewar(60 * S, relief_leaks=False)
    plant.advance(120 * S)
    assert plant.dewar_mbar == pytest.approx(600.0, abs=2.0)


def test_a_flask_that_lost_its_vacuum_blows_its_relief_valve_and_empties() -> None:
    plant = Plant()
    plant.set_dewar(0, boil_off_factor=30.0)
    plant.advance(120 * S)
    assert 1000.0 < plant.dewar_mbar < 1600.0
    assert plant.dewar_permille == pytest.approx(850.0 - 120 * 0.279 / 0.807, abs=1.0)


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
    with pytest.raises(ValueError, match="below 1"):
        plant.set_dewar(100, boil_off_factor=0.5)
    with pytest.raises(ValueError, match="moisture"):
        plant.set_valve(100, moisture=2.0)
    with pytest.raises(ValueError, match="ice"):
        plant.set_valve(100, ice=-0.1)
    with pytest.raises(ValueError, match="-200"):
        plant.set_line(100, wall_c=-200.0)
    with pytest.raises(ValueError, match="spitting"):
        plant.set_line(100, spitting=1.5)


# -- purging the line -------------------------------------------------------------------------


def test_the_tables_of_the_page_are_those_of_the_plant() -> None:
    page = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text(encoding="utf-8")
    for table in tables().split("\n\n"):
        assert table.strip() in page


@pytest.mark.parametrize("mbar", [300.0, 600.0, 900.0])
@pytest.mark.parametrize("line_c", [-190.0, -100.0, 25.0])
def test_ten_seconds_of_purge_suffice(line_c: float, mbar: float) -> None:
    run = chill_down(line_c, mbar)
    assert run.at_bound_c < COLD_C
    assert run.lost_s < 0.2


@pytest.mark.parametrize(
    ("line_c", "open_area", "permille"),
    [(25.0, 0.35, 850.0), (25.0, 0.02, 850.0), (25.0, 1.0, 0.0), (-190.0, 1.0, 0.0)],
)
def test_no_liquid_is_not_taken_for_cold(line_c: float, open_area: float, permille: float) -> None:
    run = chill_down(line_c, 600.0, open_area=open_area, permille=permille)
    assert run.liquid_s is None
    assert run.cold_s is None
    assert run.at_bound_c > COLD_C
