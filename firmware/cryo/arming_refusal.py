"""Why arming is refused, in up to three lines. Loaded by arming.py when it refuses, then unloaded.

Works on an App. May import cryo's arming, dose, faults, plan, profiles, refusal, schema, texts.
Controls: H-06, H-10 (a refusal gives the reading and its limit, or the range of the depth).
"""

from cryo import arming, dose, faults, plan, profiles, refusal, schema, texts


def lines(app, cause):
    """What inhibits arming, the reading, and what is needed; empty lines at the end."""
    values = app.settings.values
    needs = texts.say(texts.NEEDS) + " "
    what = texts.say(texts.NO_DOSE) if cause <= 0 else texts.fault(cause, 0)
    sensors = app.sensors
    if cause == refusal.NO_DOSE:
        # The depth is out of this applicator's reach: show one that reaches it, or the range. H-06
        other = dose.reaching(profiles.plan_um(values), values[schema.TARGET])
        if other > 0:
            return [what, texts.say(texts.APPLICATOR_REACHES), texts.applicator(other)]
        return [what, texts.say(texts.DEPTH_MUST_BE), arming.range_text(values)]
    if cause == refusal.TOO_LONG:
        return [what, texts.say(texts.OVER_30_S), texts.say(texts.WITH_LAGS)]
    if cause == refusal.NOT_ENOUGH:
        what = texts.fault(faults.LEVEL_LOW, 0)
        reading = "%d %%" % (sensors.level_permille.value // 10)
        needs += "%d x %d s" % (plan.cycles, (plan.dose_ms + 999) // 1000)
    elif cause == faults.PRESSURE:
        reading = "%d mbar" % sensors.pressure_mbar.value
        needs += "%d-%d" % (values[schema.ARM_PRESSURE_MIN], values[schema.ARM_PRESSURE_MAX])
    elif cause == faults.LEVEL_LOW:
        reading = "%d %%" % (sensors.level_permille.value // 10)
        needs += "%d %%" % (values[schema.ARM_LEVEL_MIN] // 10)
    elif cause == faults.SUPPLY_LOW:
        reading = "%d mV" % sensors.vsys_mv()
        needs += "%d mV" % values[schema.ARM_SUPPLY_MIN]
    else:
        return [what, texts.fault(cause, 1), ""]
    return [what, reading, needs]
