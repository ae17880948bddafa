"""Arming: the plan, the arming checks, and the record of the plan.

Works on an App. May import gc and cryo's checklist, dose, faults, interlocks, journal, plan,
profiles, refusal, schema, setting_changes, sounder, texts, transitions. Controls: H-06, H-10
(arming is refused with the reading and its limit), H-02 (a nozzle that is not cold leads to
PRECHILL), H-18 (the patient's number), H-01 (a gate time over the ceiling is refused).
"""

import gc

from cryo import (
    checklist,
    dose,
    faults,
    interlocks,
    journal,
    plan,
    profiles,
    refusal,
    schema,
    setting_changes,
    sounder,
    texts,
    transitions,
)


def arm(app):
    """ARM was held in READY: make the plan. Returns the next event, or 0 if arming is refused."""
    values = app.settings.values
    setting_changes.save(app)
    planned_ms = profiles.dose_ms(values)
    if planned_ms < 0:
        _refuse_depth(app, values)
        return 0
    plan.make(values, planned_ms)
    if not app.valve.allowed(plan.planned_us):
        _refuse(
            app, texts.say(texts.NO_DOSE), texts.say(texts.OVER_30_S), texts.say(texts.WITH_LAGS)
        )
        return 0
    app.summary.reset()
    if not permitted(app):
        return 0
    if checklist.due(values, app.clock.uptime_ms):
        return transitions.MUST_ASK
    return go_on(app, transitions.ARM_HELD)


def go_on(app, event):
    """All preconditions are met: `event` leads to ARMED, unless the line must be chilled first."""
    gc.collect()
    return transitions.MUST_CHILL if must_purge(app) else event


def rewarmed(app):
    """Whether the line has warmed: a freeze begun now would deliver too much gas. H-02"""
    row = dose.row_of(app.settings.values[schema.APPLICATOR])
    return interlocks.rewarmed(app.sensors, row[dose.REWARMED])


def below_rewarmed_x100(app):
    """How far the nozzle is below the temperature at which the line must be purged, 0.01 K."""
    row = dose.row_of(app.settings.values[schema.APPLICATOR])
    return row[dose.REWARMED] - app.sensors.nozzle.c_x100


def must_purge(app):
    """Whether the line must be purged before a freeze. H-02"""
    return app.settings.values[schema.PRECHILL] and rewarmed(app)


def permitted(app):
    """Whether readings and journal permit a freeze; if not, the screen shows why. H-10"""
    values = app.settings.values
    cause = interlocks.against_arming(app.sensors, values)
    if cause:
        _refuse_for(app, cause, values)
        return False
    level = app.sensors.level_permille.value
    if profiles.shots_left(values, level, plan.dose_ms) < plan.cycles - app.summary.cycle + 1:
        # Not enough nitrogen for all the freezes of the plan. H-10, H-02
        _refuse(
            app, texts.fault(faults.LEVEL_LOW, 0), "%d %%" % (level // 10),
            texts.say(texts.NEEDS) + " %d x %d s" % (plan.cycles, (plan.dose_ms + 999) // 1000),
        )  # fmt: skip
        return False
    if app.free_records() < journal.ROOM_TO_ARM:
        app.faults.latch(faults.JOURNAL_FULL, True)
        return False
    return True


def _refuse_for(app, cause, values):
    """Show which reading inhibits arming, its value and its limit."""
    sensors = app.sensors
    if cause == faults.PRESSURE:
        reading = "%d mbar" % sensors.pressure_mbar.value
        needs = "%d-%d" % (values[schema.ARM_PRESSURE_MIN], values[schema.ARM_PRESSURE_MAX])
    elif cause == faults.LEVEL_LOW:
        reading = "%d %%" % (sensors.level_permille.value // 10)
        needs = "%d %%" % (values[schema.ARM_LEVEL_MIN] // 10)
    elif cause == faults.SUPPLY_LOW:
        reading = "%d mV" % sensors.vsys_mv()
        needs = "%d mV" % values[schema.ARM_SUPPLY_MIN]
    else:
        _refuse(app, texts.fault(cause, 0), texts.fault(cause, 1))
        return
    _refuse(app, texts.fault(cause, 0), reading, texts.say(texts.NEEDS) + " " + needs)


def _refuse_depth(app, values):
    """The depth is out of this applicator's reach: show one that reaches it, or the range. H-06"""
    other = dose.reaching(profiles.plan_um(values), values[schema.TARGET])
    what = texts.say(texts.NO_DOSE)
    if other > 0:
        _refuse(app, what, texts.say(texts.APPLICATOR_REACHES), texts.applicator(other))
    else:
        _refuse(app, what, texts.say(texts.DEPTH_MUST_BE), range_text(values))


def range_text(values):
    """The depths that the fitted applicator can treat, for the screen."""
    low = profiles.low_step_um(values) // 100
    high = profiles.high_step_um(values) // 100
    return "%d.%d %s %d.%d mm" % (
        low // 10, low % 10, texts.say(texts.TO), high // 10, high % 10,
    )  # fmt: skip


def _refuse(app, what, why, needs=""):
    """Show the refusal in up to three lines."""
    refusal.begin(app.clock.now_ms, [what, why, needs])
    app.sounder.play(sounder.REFUSED, app.clock.now_ms)
    app.buttons.spend()
    app.display.redraw()


def record_plan(app):
    """Write the treatment's ARMED and PLAN records, once, on its first transition to ARMED."""
    summary = app.summary
    if summary.seq:
        return
    values = app.settings.values
    summary.number(
        app.record(
            journal.ARMED,
            values[schema.APPLICATOR],
            values[schema.DEPTH_UM],
            plan.dose_ms,
            plan.planned_us,
            plan.table_version,
            app.sensors.nozzle.c_x100,
            app.settings.generation,
            values[schema.PATIENT_REF],
        )
    )
    app.observation.chosen(app.clock.uptime_ms)
    _use_number(app, values)
    plan_um = profiles.plan_um(values)
    app.record(
        journal.PLAN,
        summary.seq,
        values[schema.PROFILE],
        values[schema.TARGET],
        values[schema.MARGIN_UM],
        plan_um,
        dose.spread_um(values[schema.APPLICATOR], plan_um),
        plan.cycles,
        values[schema.PRECHILL],
    )


def _use_number(app, values):
    """Remember the highest patient number used: the next free one follows it. H-18"""
    if values[schema.PATIENT_REF] > values[schema.PATIENT_LAST]:
        values[schema.PATIENT_LAST] = values[schema.PATIENT_REF]
        setting_changes.save_settings(app)
