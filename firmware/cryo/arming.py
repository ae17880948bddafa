"""Arming: the plan, the arming checks, and the record of the plan.

Works on an App. May import gc and cryo's checklist, dose, faults, interlocks, journal, on_demand,
operators, plan, profiles, refusal, schema, setting_changes, sounder, texts, transitions; loads on
demand arming_refusal, cautions, estimate, witness, verdict. Controls: H-06, H-10 (arming is refused
with the reading and its limit), H-02 (a nozzle that is not cold leads to PRECHILL), H-18 (the
patient's number), H-01 (a gate time over the ceiling is refused), H-25 (who is not signed in does
not arm), H-26 (an applicator that is not calibrated is confirmed once after each start), H-28 (a
plan that may reach too deep, at each arming).

The live estimate and its witness are in memory from arming until READY only.
"""

import gc

from cryo import (
    checklist,
    dose,
    faults,
    interlocks,
    journal,
    on_demand,
    operators,
    plan,
    profiles,
    refusal,
    schema,
    setting_changes,
    sounder,
    texts,
    transitions,
)

cautions = 0  # of the plan: cautions.py
estimate = None  # the live estimate and its witness, from arming until READY
witness = None
verdict = None  # on the last freeze: as long in memory
_confirmed = {}  # applicator: cautions confirmed since the start
confirmed_now = 0  # and those of this arming


def arm(app):
    """ARM was held in READY: make the plan. Returns the next event, or 0 if arming is refused."""
    global cautions, confirmed_now
    values = app.settings.values
    if operators.lacks(app, operators.ANYONE):
        return 0  # the sign-in follows. H-25
    setting_changes.save(app)
    planned_ms = profiles.dose_ms(values)
    if planned_ms < 0:
        _refuse(app, refusal.NO_DOSE)
        return 0
    plan.make(values, planned_ms)
    if not app.valve.allowed(plan.planned_us):
        _refuse(app, refusal.TOO_LONG)
        return 0
    app.summary.reset()
    if not permitted(app):
        return 0
    app.clock.exclude()
    with on_demand.loaded("cautions") as module:
        cautions = module.of_plan(app)
    confirmed_now = 0
    if to_confirm(values[schema.APPLICATOR]) or checklist.due(values, app.clock.uptime_ms):
        return transitions.MUST_ASK
    return go_on(app, transitions.ARM_HELD)


def to_confirm(applicator):
    """The cautions of the plan that the operator has not confirmed yet. H-26, H-28"""
    return cautions & ~(_confirmed.get(applicator, 0) | confirmed_now)


def confirm(applicator, mask, until_next_start):
    """The operator has confirmed the cautions of `mask` for this arming, and those of
    `until_next_start` for this applicator until the device is switched off. H-26, H-28"""
    global confirmed_now
    confirmed_now |= mask
    _confirmed[applicator] = _confirmed.get(applicator, 0) | until_next_start


def release():
    """READY: estimate and witness leave the memory."""
    global estimate, witness, verdict
    if estimate:
        estimate = witness = verdict = None
        on_demand.unload("verdict")
        on_demand.unload("witness")
        on_demand.unload("estimate")


def go_on(app, event):
    """All preconditions are met: `event` leads to ARMED, unless the line must be chilled first."""
    global estimate, witness, verdict
    app.clock.exclude()
    if not estimate:
        estimate = on_demand.load("estimate").Estimate()
        witness = on_demand.load("witness").Witness()
        verdict = on_demand.load("verdict").Verdict()
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
        _refuse(app, cause)
        return False
    level = app.sensors.level_permille.value
    if profiles.shots_left(values, level, plan.dose_ms) < plan.cycles - app.summary.cycle + 1:
        # Not enough nitrogen for all the freezes of the plan. H-10, H-02
        _refuse(app, refusal.NOT_ENOUGH)
        return False
    if app.free_records() < journal.ROOM_TO_ARM:
        app.faults.latch(faults.JOURNAL_FULL, True)
        return False
    return True


def range_text(values):
    """The depths that the fitted applicator can treat, for the screen."""
    low = profiles.low_step_um(values) // 100
    high = profiles.high_step_um(values) // 100
    return "%d.%d %s %d.%d mm" % (
        low // 10, low % 10, texts.say(texts.TO), high // 10, high % 10,
    )  # fmt: skip


def _refuse(app, cause):
    """Show why arming is refused: a fault's number, or one of `refusal`'s. H-10"""
    app.clock.exclude()
    with on_demand.loaded("arming_refusal") as arming_refusal:
        refusal.begin(app.clock.now_ms, arming_refusal.lines(app, cause))
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
    number = operators.session[operators.NUMBER]
    if number:
        role = operators.session[operators.ROLE]
        app.record(journal.OPERATOR, number, role, journal.OPERATOR_ARMED, summary.seq)
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
