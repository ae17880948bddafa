"""After a treatment: 30 min of observation beside READY, and whose the next treatment is.

Works on an App. May import micropython.const and cryo's buttons, journal, schema, sounder,
presenter. Controls: H-18 (a patient's number does not outlive the visit), H-09 (the end of the
observation is heard until somebody has answered).
"""

from micropython import const

from cryo import buttons, journal, presenter, schema, sounder

_FORGET_MS = const(3600000)  # since the number was chosen or last used

# Outcomes, as the record says
_SEEN = const(1)
_NEXT = const(2)


class Observation:
    """Of one treatment at a time: the newest. Made once."""

    def __init__(self):
        self.treatment_seq = 0  # 0 = none
        self.from_ms = 0  # uptime
        self.over = False  # the time is over, and nobody has answered yet
        self.reminded_ms = 0  # uptime
        self.patient_ms = 0  # uptime at which the patient's number was last chosen or used


def begin(app):
    """A freeze has delivered something: the observation begins anew."""
    seen = app.observation
    if seen.treatment_seq and seen.treatment_seq != app.treatment_seq:
        _record(app, _NEXT)
    seen.treatment_seq = app.treatment_seq if app.settings.values[schema.OBSERVE_S] else 0
    seen.from_ms = app.uptime_ms
    seen.patient_ms = app.uptime_ms
    seen.over = False


def left_ms(app):
    """What is left of it, ms; -1 = there is none."""
    seen = app.observation
    if not seen.treatment_seq:
        return -1
    left = app.settings.values[schema.OBSERVE_S] * 1000 - (app.uptime_ms - seen.from_ms)
    return left if left > 0 else 0


def step(app, now_ms):
    """READY, ten times a second."""
    seen = app.observation
    if seen.treatment_seq and not left_ms(app):
        if not seen.over:
            seen.over = True
            presenter.show_state(app)
        elif app.uptime_ms - seen.reminded_ms < sounder.REMIND_EVERY_MS:
            return
        seen.reminded_ms = app.uptime_ms
        app.sounder.play(sounder.OBSERVED, now_ms)
    elif app.settings.values[schema.PATIENT_REF]:
        if app.uptime_ms - seen.patient_ms > _FORGET_MS:
            app.change(schema.PATIENT_REF, 0, now_ms)
            presenter.show_state(app)


def reminding(app, keys):
    """Whether the end of an observation is on the screen; SELECT answers it, and ARM held."""
    seen = app.observation
    if not seen.over:
        return False
    if keys.clicked & buttons.SELECT or keys.held & buttons.ARM:
        _record(app, _SEEN)
        seen.treatment_seq = 0
        seen.over = False
        app.sounder.stop()
        presenter.show_state(app)
    return not keys.held & buttons.ARM


def _record(app, outcome):
    seen = app.observation
    app.record(
        journal.OBSERVATION, seen.treatment_seq, outcome, (app.uptime_ms - seen.from_ms) // 1000
    )
