"""Observation period (30 min) after a treatment, and expiry of the patient's number.

Works on an App. May import micropython.const and cryo's buttons, journal, schema, setting_changes,
sounder. Controls: H-18 (a patient's number expires after the visit), H-09 (the reminder at the end
of the observation sounds until the operator has acknowledged it).
"""

from micropython import const

from cryo import buttons, journal, schema, setting_changes, sounder

_FORGET_MS = const(3600000)  # since the number was chosen or last used

# Outcomes, as in the record
_SEEN = const(1)
_NEXT = const(2)


class Observation:
    """The observation of the newest treatment. Created once."""

    def __init__(self):
        self.treatment_seq = 0  # 0 = none
        self.over = False  # the time is over and not yet acknowledged
        self._from_ms = 0  # uptime
        self._reminded_ms = 0  # uptime
        self._patient_ms = 0  # uptime at which the patient's number was last chosen or used

    def chosen(self, uptime_ms):
        """The patient's number has been chosen or used: restart its expiry."""
        self._patient_ms = uptime_ms

    def begin(self, app):
        """A freeze has delivered liquid: restart the observation."""
        seq = app.summary.seq
        uptime_ms = app.clock.uptime_ms
        if self.treatment_seq and self.treatment_seq != seq:
            self._record(app, _NEXT)
        self.treatment_seq = seq if app.settings.values[schema.OBSERVE_S] else 0
        self._from_ms = uptime_ms
        self._patient_ms = uptime_ms
        self.over = False

    def left_ms(self, app):
        """Remaining time, ms; -1 = no observation."""
        if not self.treatment_seq:
            return -1
        observe_ms = app.settings.values[schema.OBSERVE_S] * 1000
        left = observe_ms - (app.clock.uptime_ms - self._from_ms)
        return left if left > 0 else 0

    def watch(self, app):
        """READY, ten times a second: remind the operator, and expire the patient's number."""
        uptime_ms = app.clock.uptime_ms
        if self.treatment_seq and not self.left_ms(app):
            if not self.over:
                self.over = True
                app.display.redraw()
            elif uptime_ms - self._reminded_ms < sounder.REMIND_EVERY_MS:
                return
            self._reminded_ms = uptime_ms
            app.sounder.play(sounder.OBSERVED, app.clock.now_ms)
        elif app.settings.values[schema.PATIENT_REF]:
            if uptime_ms - self._patient_ms > _FORGET_MS:
                setting_changes.change(app, schema.PATIENT_REF, 0)
                app.display.redraw()

    def reminding(self, app, keys):
        """Whether the reminder takes the buttons: SELECT or ARM held acknowledges it."""
        if not self.over:
            return False
        if keys.clicked & buttons.SELECT or keys.held & buttons.ARM:
            self._record(app, _SEEN)
            self.treatment_seq = 0
            self.over = False
            app.sounder.stop()
            app.display.redraw()
        return not keys.held & buttons.ARM

    def _record(self, app, outcome):
        observed_s = (app.clock.uptime_ms - self._from_ms) // 1000
        app.record(journal.OBSERVATION, self.treatment_seq, outcome, observed_s)
