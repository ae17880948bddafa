"""Interlocks: checks of the readings, each with a fault as its result.

Pure; may import micropython.const and cryo's faults, schema. Controls: H-10, H-05, H-02, H-14.

The checks return 0 (permitted) or the number of the fault that inhibits. The first cause in the
order below wins.
"""

from micropython import const

from cryo import faults, schema

COIL_OFF_MA = const(30)  # docs/hardware.md: below this the coil is off
COIL_SETTLED_MS = const(50)  # by then the current of an opened valve has decayed
COIL_ON_MA = const(150)  # docs/hardware.md: hold current is 350 mA


# A warm line gives gas for the first 2...10 s; after that the nozzle of an open valve is far colder
# than this. A warmer nozzle gives no treatment: valve stuck closed, line blocked, or dewar empty.
_WARM_C_X100 = const(-5000)
COLD_AFTER_MS = const(12000)


# A purge is complete when the nozzle is colder than this and its temperature is steady. Computed
# with the model of the line, 300...900 mbar, from 35 C to -190 C: a freeze then loses less than
# 0.2 s of liquid. To be measured on a real line.
_LIQUID_C_X100 = const(-17500)
_FALL_C_X100 = const(500)  # over 0.5 s
_RISE_C_X100 = const(150)  # a cold line without liquid warms by 2 K and more


def liquid(c_x100):
    """Whether a nozzle with flow is at liquid temperature."""
    return c_x100 < _LIQUID_C_X100


def steady(c_x100, before_c_x100):
    """Whether a nozzle's temperature is steady: now, and half a second before."""
    return -_FALL_C_X100 < c_x100 - before_c_x100 < _RISE_C_X100


def rewarmed(sensors, c_x100):
    """Whether the nozzle is above `c_x100`, so that a freeze begun now loses too much to gas. H-02

    The limit depends on the applicator (dose.REWARMED): a fine nozzle passes little gas, and so
    takes longer to give liquid after the same pause.
    """
    return sensors.nozzle.c_x100 > c_x100


# A freeze begun with a cold nozzle stays below -170 C from its third second on (computed,
# 300...900 mbar). A nozzle above this limit after 5 s has no liquid: blocked, or dewar empty.
_DRY_C_X100 = const(-15000)
DRY_AFTER_MS = const(5000)


def dry(c_x100):
    """Whether a nozzle that was cold at the beginning of a freeze no longer gives liquid."""
    return c_x100 > _DRY_C_X100


# Two minutes after its closing a nozzle at -190 C is above 3 C, in a room of 10 C and with a line
# that warms 1.4 times as slowly as the model's. A leak of more than 0.5 g a minute holds
# it below -10 C, with each applicator (computed; tests/model/test_closing.py).
_LEAK_C_X100 = const(-1000)


def leaking(c_x100):
    """Whether a nozzle is, two minutes after closing, so cold that nitrogen flows. H-05"""
    return c_x100 < _LEAK_C_X100


def warm(c_x100):
    """Whether a nozzle is too warm to have given liquid (0.01 degrees Celsius)."""
    return c_x100 > _WARM_C_X100


def broken(sensors):
    """Check the sensors that must work in every state: fault number, or 0."""
    if not sensors.nozzle.valid:
        return faults.NOZZLE_SENSOR
    if not sensors.pressure_mbar.valid:
        return faults.PRESSURE_SENSOR
    if not sensors.level_permille.valid:
        return faults.LEVEL_SENSOR
    return 0


def coil_current(sensors):
    """Whether current flows in the coil. H-05"""
    return sensors.coil_ma.value >= COIL_OFF_MA


def _outside(sensors, values, pressure_min, pressure_max, level_min, supply_min):
    """Check sensors, pressure, level and supply against these settings: fault number, or 0."""
    cause = broken(sensors)
    if cause:
        return cause
    pressure = sensors.pressure_mbar.value
    if pressure < values[pressure_min] or pressure > values[pressure_max]:
        return faults.PRESSURE
    if sensors.level_permille.value < values[level_min]:
        return faults.LEVEL_LOW
    if sensors.vsys_mv() < values[supply_min]:
        return faults.SUPPLY_LOW
    return 0


def against_arming(sensors, values):
    """The fault that inhibits arming now, or 0. `values` are the settings."""
    cause = _outside(
        sensors,
        values,
        schema.ARM_PRESSURE_MIN,
        schema.ARM_PRESSURE_MAX,
        schema.ARM_LEVEL_MIN,
        schema.ARM_SUPPLY_MIN,
    )
    if not cause and sensors.coil_ma.value >= COIL_OFF_MA:
        return faults.COIL_SHORTED
    return cause


def against_freezing(sensors, values):
    """The fault that must end a running freeze, or 0."""
    return _outside(
        sensors,
        values,
        schema.RUN_PRESSURE_MIN,
        schema.RUN_PRESSURE_MAX,
        schema.RUN_LEVEL_MIN,
        schema.RUN_SUPPLY_MIN,
    )
