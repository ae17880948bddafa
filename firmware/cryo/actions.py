"""Transition actions: the records and sounds named in the fourth column of TRANSITIONS.

Works on an App, before the state is left. May import cryo's arming, faults, journal, plan, sounder,
state_freezing, summary, transitions. Controls: H-08 (no freeze without the record of its beginning;
each treatment ends with its own record), H-09 (each transition has a sound), H-02 (a freeze that
fell short has a different sound).
"""

from cryo import arming, faults, journal, plan, sounder, state_freezing, summary, transitions


def _quiet(app, now_ms):
    pass


def _report_faults(app, now_ms):
    """Record and announce the newly latched faults; close a treatment in progress."""
    state = app.machine.state
    latched = app.faults
    number = latched.take_fresh()
    while number:
        app.record(journal.FAULT, number, app.sensors.nozzle.fault, state)
        app.link.event(
            {"ev": "fault", "fault": number, "name": faults.row_of(number)[faults.NAME],
             "active": True}
        )  # fmt: skip
        number = latched.take_fresh()
    if state == transitions.ARMED or state == transitions.PRECHILL:
        app.record(journal.DISARMED, app.summary.seq, journal.DISARM_FAULT)
    summary.close(app, summary.FAULT)


def _arm(app, now_ms):
    arming.record_plan(app)
    app.sounder.play(sounder.ARMED, now_ms)


def _disarm(app, why, reason):
    summary.close(app, why)
    app.record(journal.DISARMED, app.summary.seq, reason)


def _disarm_by_button(app, now_ms):
    _disarm(app, summary.STOPPED, journal.DISARM_BUTTON)


def _disarm_by_time(app, now_ms):
    _disarm(app, summary.TIMED_OUT, journal.DISARM_TIME)


def _rewarmed(app, now_ms):
    app.sounder.play(sounder.REFUSED, now_ms)


def _freeze(app, now_ms):
    """Record the beginning of a freeze; the freeze itself follows in the next tick. H-08"""
    sensors = app.sensors
    app.record(
        journal.FREEZE_BEGIN,
        app.summary.seq,
        app.summary.cycle,
        plan.dose_ms,
        plan.planned_us,
        sensors.nozzle.c_x100,
        sensors.pressure_mbar.value,
        sensors.level_permille.value,
        sensors.vsys_mv(),
    )


def _freeze_ended(app, now_ms, tune):
    if state_freezing.doubt:
        tune = sounder.DOUBT  # H-27
    elif arming.verdict.short == 1 or arming.verdict.deep:
        tune = sounder.ALARM_LOW
    app.sounder.play(tune, now_ms)


def _next_cycle(app, now_ms):
    _freeze_ended(app, now_ms, sounder.COMPLETE)


def _end(app, now_ms):
    complete = app.summary.last_complete
    summary.close(app, summary.COMPLETE if complete else summary.ENDED_EARLY)
    _freeze_ended(app, now_ms, sounder.COMPLETE if complete else sounder.ENDED_EARLY)


def _stop(app, now_ms):
    summary.close(app, summary.STOPPED)
    app.sounder.play(sounder.ENDED_EARLY, now_ms)


# In the order of the numbers in transitions.py
_ACTIONS = (
    _quiet,
    _report_faults,
    _arm,
    _disarm_by_button,
    _disarm_by_time,
    _rewarmed,
    _freeze,
    _next_cycle,
    _end,
    _stop,
)


def run(app, number, now_ms):
    """Perform a transition's action."""
    _ACTIONS[number](app, now_ms)
