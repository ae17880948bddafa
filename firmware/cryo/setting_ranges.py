"""Whether a value is within its setting's range. Loaded by setting_changes.py, then unloaded.

May import cryo's dose, languages, on_demand, profiles, schema; loads operators_store on demand.
Controls: H-06 (a depth must be within the applicator's table), H-13 (a refusal gives the range),
H-25 (operators are required only when there is a physician).
"""

from cryo import dose, languages, on_demand, profiles, schema


def out_of_range(values, index, value):
    """(min, max, unit, why) if a value is out of its setting's range, otherwise None.

    A depth must also be within the fitted applicator's table. H-06
    """
    row = schema.SETTINGS[index]
    low = row[schema.MIN]
    high = row[schema.MAX]
    unit = row[schema.UNIT]
    name = row[schema.KEY]
    if index == schema.DEPTH_UM:
        low = profiles.low_um(values)
        high = profiles.high_um(values)
        name = "depth_um with applicator %d" % values[schema.APPLICATOR]
    elif index == schema.LANGUAGE:
        high = len(languages.CODES)
    elif index == schema.OPERATORS_REQUIRED and value == high:
        with on_demand.loaded("operators_store") as operators_store:
            if not operators_store.Store().physicians():
                return 0, 0, unit, "operators_required is 0 until a physician is stored"
    if low <= value <= high:
        return None
    why = "%s takes %d...%d %s" % (name, low, high, unit)
    if index == schema.DEPTH_UM:
        other = dose.reaching(value + values[schema.MARGIN_UM], values[schema.TARGET])
        if other > 0:
            why += "; applicator %d reaches it" % other
    return low, high, unit, why
