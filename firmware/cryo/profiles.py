"""Treatment profiles, and the plan that follows from the settings in force.

Pure; may import micropython.const and cryo's dose, schema. Controls: H-06 (one place says what
depth is aimed at and which doses are possible), H-02 (the margin below the lesion is part of it).

A profile brings depth, margin and cycles; they are taken over when it is chosen, and can be changed
afterwards. The practice's own figures are settings (rows `..._depth_um`, `..._margin_um`,
`..._cycles` of schema.py); names and sources stand in metadata.py. No source gives the depth of
a lesion by its name: depths and margins are assumed, and a physician has to set them.
"""

from micropython import const

from cryo import dose, schema

_CUSTOM = const(1)

_PURGE_MS = const(8000)  # a warm line at 600 mbar, computed

_TAKEN = (schema.DEPTH_UM, schema.MARGIN_UM, schema.CYCLES)  # in the order of a profile's rows


def figure(values, profile, which):
    """Depth (0), margin (1) or cycles (2) of a profile: (index of the setting in force, value).

    What is custom has none of its own: the value in force.
    """
    index = _TAKEN[which]
    if profile == _CUSTOM:
        return index, values[index]
    return index, values[schema.PROFILES + 3 * (profile - 2) + which]


def plan_um(values):
    """Depth that the target isotherm is to reach, um: the lesion's and the margin below it."""
    return values[schema.DEPTH_UM] + values[schema.MARGIN_UM]


def dose_ms(values):
    """Freeze time in ms for the settings in force; dose.NONE when there is no valid one."""
    return dose.dose_ms(values[schema.APPLICATOR], plan_um(values), values[schema.TARGET])


def low_um(values):
    """Shallowest lesion depth that the applicator in force can treat, um."""
    low = dose.min_um(values[schema.APPLICATOR], values[schema.TARGET]) - values[schema.MARGIN_UM]
    first = schema.SETTINGS[schema.DEPTH_UM][schema.MIN]
    return low if low > first else first


def high_um(values):
    """Deepest lesion depth that the applicator in force can treat, um."""
    return dose.max_um(values[schema.APPLICATOR], values[schema.TARGET]) - values[schema.MARGIN_UM]


def low_step_um(values):
    """The shallowest one that the buttons can set: rounded inwards, as the other end is."""
    return -(-low_um(values) // schema.DEPTH_STEP_UM) * schema.DEPTH_STEP_UM


def high_step_um(values):
    """The deepest one that the buttons can set."""
    return high_um(values) // schema.DEPTH_STEP_UM * schema.DEPTH_STEP_UM


def shots_left(values, level_permille, time_ms):
    """How many freezes of `time_ms`, each with its purge, the dewar still holds; rounded down.

    By the level and the use that is set: an estimate. What is below the lowest level counts not.
    """
    if values[schema.PRECHILL]:
        time_ms += _PURGE_MS
    left = level_permille - values[schema.RUN_LEVEL_MIN]
    return left * 60000 // (values[schema.USE_PERMILLE] * time_ms) if left > 0 else 0
