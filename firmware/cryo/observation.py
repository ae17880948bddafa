"""Observation period (30 min) after a treatment, and expiry of the patient's number.

Works on an App. May import micropython.const and cryo's buttons, journal, schema, setting_changes,
sounder. Controls: H-18 (a patient's number expires after the visit), H-09 (the reminder at the end
of the observation sounds until the operator has answered for blood pressure, pulse and skin; what
is not stable keeps the observation open).
"""

from micropython import const

from cryo import buttons, journal, schema, setting_changes, sounder

_FORGET_MS = const(3600000)  # since the number was chosen or last used
_AGAIN_MS = const(300000)  # what was not stable is asked for again
ASKED = const(3)  # blood pressure, pulse, skin

# Outcomes, as in the record
_SEEN = const(1)
_NEXT = const(2)
_NOT_STABLE = const(3)


class Observation:
    """The observation of the newest treatment. Created once."""

    def __init__(self):
        self.treatment_seq = 0  # 0 = none
        self.over = False  # the time is over, and the questions are shown
        self.question = 0  # the one shown; ASKED = the advice to call the physician
        self._answers = 0  # bits 0...2 stable, bits 4...6 not stable
        self._from_ms = 0  # uptime
        self._due_ms = 0  # uptime of the questions
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
        observe_s = app.settings.values[schema.OBSERVE_S]
        self.treatment_seq = seq if observe_s else 0
        self._from_ms = uptime_ms
        self._due_ms = uptime_ms + observe_s * 1000
        self._patient_ms = uptime_ms
        self._ask_later()

    def _ask_later(self):
        self.over = False
        self.question = 0
        self._answers = 0

    def left_ms(self, app):
        """Remaining time, ms; -1 = no observation."""
        if not self.treatment_seq:
            return -1
        return max(self._due_ms - app.clock.uptime_ms, 0)

    def watch(self, app):
        """READY, ten times a second: remind the operator, and expire the patient's number."""
        uptime_ms = app.clock.uptime_ms
        if self.treatment_seq and uptime_ms >= self._due_ms:
            if not self.over or uptime_ms - self._reminded_ms >= sounder.REMIND_EVERY_MS:
                if not self.over:
                    self.over = True
                    app.display.redraw()
                self._reminded_ms = uptime_ms
                app.sounder.play(sounder.OBSERVED, app.clock.now_ms)
        if app.settings.values[schema.PATIENT_REF]:
            if uptime_ms - self._patient_ms > _FORGET_MS:
                setting_changes.change(app, schema.PATIENT_REF, 0)
                app.display.redraw()

    def reminding(self, app, keys):
        """Whether the questions take the buttons. ARM held goes on to the next treatment, whose
        first freeze ends this observation."""
        if not self.over:
            return False
        if keys.clicked & buttons.SELECT:
            self._answer(app, 1)
        elif self.question < ASKED and keys.pressed & (buttons.UP | buttons.DOWN):
            self._answer(app, 16)
        return not keys.held & buttons.ARM

    def _answer(self, app, bit):
        """SELECT: stable (bit 1), or the advice was read; UP, DOWN: not stable (bit 16). H-09"""
        app.sounder.play(sounder.CLICK, app.clock.now_ms)
        app.buttons.spend()
        app.display.redraw()
        if self.question == ASKED:
            self._ask_later()
            return
        self._answers |= bit << self.question
        self.question += 1
        if self.question < ASKED:
            return
        if self._answers >= 16:
            self._record(app, _NOT_STABLE)
            self._due_ms = app.clock.uptime_ms + _AGAIN_MS
            return
        self._record(app, _SEEN)
        self.treatment_seq = 0
        self._ask_later()

    def _record(self, app, outcome):
        observed_s = (app.clock.uptime_ms - self._from_ms) // 1000
        app.record(journal.OBSERVATION, self.treatment_seq, outcome, observed_s, self._answers)
