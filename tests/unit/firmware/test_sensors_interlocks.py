"""Sensors and interlocks: H-10, a broken sensor is detected; H-05, H-02, limits inhibit."""

from __future__ import annotations

import pytest
from cryo import faults, interlocks, schema
from cryo.sensors import Channel, Nozzle, Sensors
from hypothesis import given, strategies as st

DEFAULTS = [row[5] for row in schema.SETTINGS]


def count_of(mv: float) -> int:
    return round(mv * 65535 / 3300)


def good() -> Sensors:
    """Sensors that have settled on a healthy device."""
    sensors = Sensors()
    for _ in range(60):
        sensors.coil_ma.step(0)
        sensors.pressure_mbar.step(count_of(330 + 1.32 * 600))
        sensors.level_permille.step(count_of(500 + 2.0 * 800))
        sensors.supply_mv.step(count_of(4850 / 3))
        sensors.nozzle.step(20 << 7, 0)
    return sensors


def test_the_curves_are_those_of_the_hardware_page() -> None:
    sensors = good()
    assert abs(sensors.pressure_mbar.value - 600) <= 2
    assert abs(sensors.level_permille.value - 800) <= 2
    assert abs(sensors.vsys_mv() - 4850) <= 6
    assert sensors.nozzle.c_x100 == 2000


@given(st.integers(-0x40000, 0x3FFFF))
def test_the_nozzle_word_is_two_complement(word: int) -> None:
    nozzle = Nozzle()
    nozzle.step(word & 0x7FFFF, 0)
    assert nozzle.c_x100 == word * 100 // 128


@pytest.mark.hazard("H-10")
def test_three_bad_samples_break_and_three_good_ones_heal() -> None:
    """H-10."""
    channel = Channel(330, 132, 150, 3150, 2)
    samples = [count_of(1000)] * 3 + [0] * 2
    for sample in samples:
        channel.step(sample)
    assert channel.valid
    held = channel.value
    channel.step(0)
    assert not channel.valid
    assert channel.value == held
    for _ in range(2):
        channel.step(count_of(1200))
        assert not channel.valid
    channel.step(count_of(1200))
    assert channel.valid
    assert channel.value == (1200 - 330) * 100 // 132


@pytest.mark.hazard("H-10")
def test_a_silent_thermocouple_chip_is_no_temperature() -> None:
    """H-10."""
    nozzle = Nozzle()
    for _ in range(5):
        nozzle.step(0, Nozzle.SILENT)
    assert not nozzle.valid
    assert nozzle.fault == Nozzle.SILENT


def test_a_healthy_device_may_arm_and_freeze() -> None:
    sensors = good()
    assert interlocks.against_arming(sensors, DEFAULTS) == 0
    assert interlocks.against_freezing(sensors, DEFAULTS) == 0
    assert not interlocks.coil_current(sensors)


def _breaking(name: str, value: int) -> Sensors:
    sensors = good()
    if name == "nozzle":
        for _ in range(3):
            sensors.nozzle.step(0, value)
    else:
        for _ in range(60):
            getattr(sensors, name).step(count_of(value))
    return sensors


@pytest.mark.hazard("H-05", "H-10")
@pytest.mark.parametrize(
    ("name", "mv", "arming", "freezing"),
    [
        ("nozzle", 1, faults.NOZZLE_SENSOR, faults.NOZZLE_SENSOR),
        ("pressure_mbar", 0, faults.PRESSURE_SENSOR, faults.PRESSURE_SENSOR),
        ("pressure_mbar", 3300, faults.PRESSURE_SENSOR, faults.PRESSURE_SENSOR),
        ("level_permille", 0, faults.LEVEL_SENSOR, faults.LEVEL_SENSOR),
        ("pressure_mbar", 330 + 1.32 * 290, faults.PRESSURE, 0),
        ("pressure_mbar", 330 + 1.32 * 190, faults.PRESSURE, faults.PRESSURE),
        ("pressure_mbar", 330 + 1.32 * 950, faults.PRESSURE, 0),
        ("pressure_mbar", 330 + 1.32 * 1150, faults.PRESSURE, faults.PRESSURE),
        ("level_permille", 500 + 2 * 90, faults.LEVEL_LOW, 0),
        ("level_permille", 500 + 2 * 40, faults.LEVEL_LOW, faults.LEVEL_LOW),
        ("supply_mv", 4250 / 3, faults.SUPPLY_LOW, 0),
        ("supply_mv", 4100 / 3, faults.SUPPLY_LOW, faults.SUPPLY_LOW),
        ("coil_ma", 100, faults.COIL_SHORTED, 0),
    ],
)
def test_what_is_out_of_limits_forbids(name: str, mv: int, arming: int, freezing: int) -> None:
    """H-10, H-05."""
    sensors = _breaking(name, mv)
    assert interlocks.against_arming(sensors, DEFAULTS) == arming
    assert interlocks.against_freezing(sensors, DEFAULTS) == freezing
