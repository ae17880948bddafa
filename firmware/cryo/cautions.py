"""The cautions of a plan: what the operator must confirm before the device is armed with it.

Loaded by arming.py when ARM was held, and by state_screening.py while one is asked; then unloaded.
Works on an App. May import micropython.const and cryo's arming, buttons, checklist, dose, journal,
operators, plan, profiles, schema, screens, sounder, texts, transitions. Controls: H-26 (an
applicator that was not calibrated on this device is asked for once after each start, and the record
holds the answer), H-28 (a plan whose spread reaches beyond the safe depth of the site is asked for
at each arming), H-23 (no answer by a slip: SELECT is held for 2 s).

A caution changes no dose. ARM leads back; so does the time-out of SCREENING.
"""

from micropython import const

from cryo import (
    arming,
    buttons,
    checklist,
    dose,
    journal,
    operators,
    plan,
    profiles,
    schema,
    screens,
    sounder,
    texts,
    transitions,
)

# Numbers of the cautions, as in the record; bit n - 1 of a mask
_UNCALIBRATED = const(1)
_TOO_DEEP = const(2)

_MOST = const(2)
_SESSION = const(1)  # mask of those that are confirmed until the next start

_SIGMAS = const(2)  # of the plan's spread: 97.7 % of normally scattered freezes are less deep

# Answers, as in the record
_CONFIRMED = const(1)
_LEFT = const(2)
_TIMED_OUT = const(3)


def of_plan(app):
    """The cautions of the plan, one bit each."""
    values = app.settings.values
    mask = 0
    if not dose.calibrated(values[schema.APPLICATOR]):
        mask |= 1 << _UNCALIBRATED - 1
    safe_um = values[schema.SAFE_DEPTH_UM]
    if safe_um and _deepest_um(values) > safe_um:
        mask |= 1 << _TOO_DEEP - 1
    return mask


def _deepest_um(values):
    """The depth that the plan stays above in 97.7 % of freezes, by its stated spread. H-28

    Not less than the plan itself: where the curve is right, that is reached.
    """
    plan_um = profiles.plan_um(values)
    applicator = values[schema.APPLICATOR]
    deepest_um = dose.likely_um(applicator, plan_um) + _SIGMAS * dose.spread_um(applicator, plan_um)
    return deepest_um if deepest_um > plan_um else plan_um


class Questions:
    """The cautions that must be confirmed, one after another, each with SELECT held for 2 s."""

    def __init__(self, app):
        self._number = 0  # the one shown
        self._next(app)

    def step(self, app, now_ms, keys):
        """One tick. Returns an event, or 0; MUST_ASK: all are confirmed, the checklist is next."""
        if keys.clicked & buttons.SELECT:
            app.sounder.play(sounder.REFUSED, now_ms)
        if not keys.held_long & buttons.SELECT:
            return 0
        self._record(app, _CONFIRMED)
        bit = 1 << self._number - 1
        arming.confirm(app.settings.values[schema.APPLICATOR], bit, bit & _SESSION)
        app.sounder.play(sounder.ARMED, now_ms)
        app.buttons.spend()  # H-23: one hold answers one question
        app.machine.restart_timer(now_ms)
        app.display.redraw()
        self._next(app)
        if self._number:
            return 0
        if checklist.due(app.settings.values, app.clock.uptime_ms):
            return transitions.MUST_ASK
        return arming.go_on(app, transitions.ANSWERED) if arming.permitted(app) else 0

    def leave(self, app, event):
        """If one is still shown: record how it was left."""
        if self._number:
            self._record(app, _TIMED_OUT if event == transitions.TIMED_OUT else _LEFT)

    def _next(self, app):
        """Show the first caution that is not confirmed yet; 0: there is none."""
        left = arming.to_confirm(app.settings.values[schema.APPLICATOR])
        self._number = 0
        for number in range(1, _MOST + 1):
            if left & 1 << number - 1:
                self._number = number
                break
        if self._number:
            app.link.event({"ev": "caution", "caution": self._number, "answer": 0})

    def _record(self, app, answer):
        values = app.settings.values
        app.record(
            journal.CAUTION, self._number, answer, values[schema.APPLICATOR],
            _deepest_um(values) if self._number == _TOO_DEEP else plan.table_version,
            values[schema.SAFE_DEPTH_UM] if self._number == _TOO_DEEP else 0,
            values[schema.PATIENT_REF], operators.session[operators.NUMBER],
        )  # fmt: skip
        app.link.event({"ev": "caution", "caution": self._number, "answer": answer})

    def show(self, app):
        """Fill the view and show it."""
        view = app.display.view
        values = app.settings.values
        if self._number == _TOO_DEEP:
            view.title = texts.say(texts.TOO_DEEP)
            # Rounded up and down: never more harmless than it is
            reach = -(-_deepest_um(values) // 100)
            safe = values[schema.SAFE_DEPTH_UM] // 100
            what = "%d.%d > %d.%d mm" % (reach // 10, reach % 10, safe // 10, safe % 10)
        else:
            view.title = texts.say(texts.UNCALIBRATED)
            what = texts.applicator(values[schema.APPLICATOR])
        view.lines = [what, texts.say(texts.HOLD_SELECT_2S), texts.say(texts.ARM_BACK)]
        app.display.show(screens.REFUSED)
