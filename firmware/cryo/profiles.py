"""Treatment profiles, and the depth and dose that follow from the active settings.

Pure; may import micropython.const and cryo's dose, schema. Controls: H-06 (one place defines the
planned depth and the possible doses), H-02 (the planned depth includes the margin).

A profile sets depth, margin and cycles when it is chosen; they can be changed afterwards. The
practice's own figures are settings (rows `..._depth_um`, `..._margin_um`, `..._cycles` of
schema.py); names and sources are in metadata.py. No source gives the depth of a lesion by its name:
depths and margins are assumed, and a physician must set them.
"""

from micropython import const

from cryo import dose, schema

_CUSTOM = const(1)

_PURGE_MS = const(8000)  # a warm line at 600 mbar, computed

_TAKEN = (schema.DEPTH_UM, schema.MARGIN_UM, schema.CYCLES)  # in the order of a profile's rows


def figure(values, profile, which):
    """Depth (0), margin (1) or cycles (2) of a profile: (index of the active setting, value).

    The custom profile has no values of its own: it gives the active ones.
    """
    index = _TAKEN[which]
    if profile == _CUSTOM:
        return index, values[index]
    return index, values[schema.PROFILES + 3 * (profile - 2) + which]


def plan_um(values):
    """Depth that the target isotherm must reach, um: the lesion depth plus the margin."""
    return values[schema.DEPTH_UM] + values[schema.MARGIN_UM]


def dose_ms(values):
    """Freeze time in ms for the active settings; dose.NONE when there is no valid one."""
    return dose.dose_ms(values[schema.APPLICATOR], plan_um(values), values[schema.TARGET])


def low_um(values):
    """Shallowest lesion depth that the fitted applicator can treat, um."""
    low = dose.min_um(values[schema.APPLICATOR], values[schema.TARGET]) - values[schema.MARGIN_UM]
    first = schema.SETTINGS[schema.DEPTH_UM][schema.MIN]
    return low if low > first else first


def high_um(values):
    """Deepest lesion depth that the fitted applicator can treat, um."""
    return dose.max_um(values[schema.APPLICATOR], values[schema.TARGET]) - values[schema.MARGIN_UM]


def low_step_um(values):
    """The shallowest lesion depth that the buttons can set, rounded up to a step."""
    return -(-low_um(values) // schema.DEPTH_STEP_UM) * schema.DEPTH_STEP_UM


def high_step_um(values):
    """The deepest lesion depth that the buttons can set, rounded down to a step."""
    return high_um(values) // schema.DEPTH_STEP_UM * schema.DEPTH_STEP_UM


def shots_left(values, level_permille, time_ms):
    """Number of freezes of `time_ms`, each with its purge, left in the dewar; rounded down.

    An estimate from the level above its lower limit and the consumption in the settings.
    """
    if values[schema.PRECHILL]:
        time_ms += _PURGE_MS
    left = level_permille - values[schema.RUN_LEVEL_MIN]
    return left * 60000 // (values[schema.USE_PERMILLE] * time_ms) if left > 0 else 0
