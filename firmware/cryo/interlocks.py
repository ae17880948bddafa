"""Readings -> permit, or a fault.

Pure; may import micropython.const and cryo's faults, schema. Controls: H-10, H-05, H-02, H-14.

Three questions, each answered with 0 (nothing against it) or the number of the fault that
speaks against it. The first cause in the order below wins.
"""

from micropython import const

from cryo import faults, schema

COIL_OFF_MA = const(30)  # docs/hardware.md: below this the coil is off
_COIL_SETTLED_MS = const(50)  # by then the current of an opened valve has decayed
COIL_ON_MA = const(150)  # docs/hardware.md: hold current is 350 mA
# A closed nozzle rewarms: computed, it is above -125 C 10 s after a 30 s freeze, while one that
# goes on spraying stays at -190 C. To be measured on a real line.
_STUCK_C_X100 = const(-15000)
STUCK_AFTER_MS = const(15000)


# A warm line gives gas first, for 2...10 s; by then the nozzle of a valve that opened is far
# colder than this. What stays warmer treats nobody: stuck closed, blocked, or an empty dewar.
_WARM_C_X100 = const(-5000)
COLD_AFTER_MS = const(12000)


# A purge has done its work when the nozzle is colder than this and keeps its temperature. Computed
# with the model of the line, 300...900 mbar, from 35 C to -190 C: less than 0.2 s of liquid is
# missing then. To be measured on a real line.
_LIQUID_C_X100 = const(-17500)
_FALL_C_X100 = const(500)  # over 0.5 s
_RISE_C_X100 = const(150)  # a line that is still cold, without liquid, warms by 2 K and more


def liquid(c_x100):
    """Whether a nozzle out of which something flows is at liquid temperature."""
    return c_x100 < _LIQUID_C_X100


def steady(c_x100, before_c_x100):
    """Whether a nozzle keeps its temperature: now, and half a second before."""
    return -_FALL_C_X100 < c_x100 - before_c_x100 < _RISE_C_X100


def rewarmed(sensors, c_x100):
    """Whether a freeze that began now would lose too much to gas: a nozzle above `c_x100`. H-02

    That is the applicator's (dose.REWARMED): a fine nozzle passes little gas, and so takes longer
    to give liquid after the same stand.
    """
    return sensors.nozzle.c_x100 > c_x100


# A freeze that begins with a cold nozzle keeps it below -170 C from its third second on (computed,
# 300...900 mbar). What is warmer after five has lost its liquid: a blocked nozzle, an empty dewar.
_DRY_C_X100 = const(-15000)
DRY_AFTER_MS = const(5000)


def dry(c_x100):
    """Whether a nozzle that was cold at the beginning of a freeze sprays no more."""
    return c_x100 > _DRY_C_X100


def warm(c_x100):
    """Whether a nozzle is too warm to have given liquid (0.01 degrees Celsius)."""
    return c_x100 > _WARM_C_X100


def broken(sensors):
    """A part that must work in every state does not: fault number, or 0."""
    if not sensors.nozzle.valid:
        return faults.NOZZLE_SENSOR
    if not sensors.pressure_mbar.valid:
        return faults.PRESSURE_SENSOR
    if not sensors.level_permille.valid:
        return faults.LEVEL_SENSOR
    return 0


def closed_but(sensors, closed_ms):
    """With both switches off for `closed_ms`: does the valve disagree? Fault number, or 0."""
    if closed_ms >= _COIL_SETTLED_MS and sensors.coil_ma.value >= COIL_OFF_MA:
        return faults.COIL_SHORTED  # H-05
    if closed_ms >= STUCK_AFTER_MS and sensors.nozzle.c_x100 < _STUCK_C_X100:
        return faults.VALVE_STUCK_OPEN  # H-05: ice or contraction holds it; software only tells
    return 0


def _outside(sensors, values, pressure_min, pressure_max, level_min, supply_min):
    """What is broken or outside the limits that these settings give: fault number, or 0."""
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
    """What forbids arming now: fault number, or 0. `values` are the settings."""
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
    """What ends a running freeze: fault number, or 0."""
    return _outside(
        sensors,
        values,
        schema.RUN_PRESSURE_MIN,
        schema.RUN_PRESSURE_MAX,
        schema.RUN_LEVEL_MIN,
        schema.RUN_SUPPLY_MIN,
    )
