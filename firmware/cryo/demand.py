"""What a state asks of the valve, and the one place that drives the shot.

Works on an App. May import micropython.const and cryo's buttons, faults, schema, shot, sounder.
Controls: H-01 (the raw trigger contact ends it at the first open sample), H-08 (no opening without
the record of its beginning in flash), H-22 (a pedal that is pressed, let go, and pressed again).

A state first records that an opening begins (`awaited`), and one tick later, with the record in
flash, demands it. From then on the shot is stepped here once a tick until it is proved closed.
Nothing here allocates.
"""

from micropython import const

from cryo import buttons, faults, schema, shot, sounder

# Demand.kind
NONE = const(0)
AWAITED = const(1)  # the record of its beginning is on its way to flash
FREEZE = const(2)
PURGE = const(3)


class Demand:
    """Made once; written by the methods below only."""

    def __init__(self):
        self.kind = NONE
        self.running = False  # the shot has been started
        self._planned_us = 0
        self._chilled = False
        self._let_go = False  # press-press: the pedal has been let go since it started

    def awaited(self):
        """An opening has been recorded, and is demanded in the next tick."""
        self.kind = AWAITED
        self.running = False
        self._let_go = False

    def freeze(self, planned_us, chilled):
        """Open for `planned_us`; `chilled`: the nozzle is cold, so it must stay so."""
        self.kind = FREEZE
        self._planned_us = planned_us
        self._chilled = chilled

    def purge(self):
        """Open until the nozzle is cold, for shot.PURGE_US at most."""
        self.kind = PURGE
        self._planned_us = shot.PURGE_US

    def drive(self, app, now_ms, raw, estop_closed):
        """One tick of what is demanded. True when the shot has ended, the valve proved closed.

        `raw`: this tick's undebounced button mask.
        """
        kind = self.kind
        if kind < FREEZE:
            return False
        trigger = self._trigger(app, raw)
        one_shot = app.shot
        if self.running:
            ended = one_shot.step(now_ms, trigger, estop_closed, app.sensors, app.settings.values)
        else:
            ended = self._start(app, now_ms, trigger and estop_closed)
        if ended:
            self.kind = NONE
            self.running = False
            app.monitors.closed(now_ms)
        return ended

    def _start(self, app, now_ms, permitted):
        """The record is in flash, or nothing opens. True when it was cancelled. H-08"""
        one_shot = app.shot
        if app.journal.waiting():
            app.faults.latch(faults.JOURNAL_FAILED, False)
        if app.faults.latched or not permitted:
            one_shot.cancel(self._planned_us, shot.CANCELLED)
            return True
        self.running = True
        if self.kind == PURGE:
            one_shot.purge(now_ms)
        else:
            one_shot.begin(self._planned_us, now_ms, self._chilled)
        app.sounder.play(sounder.START, now_ms)
        return False

    def _trigger(self, app, raw):
        """Whether the operator demands flow.

        The raw contact, so that one open sample ends it (H-01); with a pedal pressed and let go,
        the first closed sample after it was let go (H-22).
        """
        pulled = raw & buttons.TRIGGER
        if app.settings.values[schema.TRIGGER_MODE] == schema.HOLD:
            return pulled
        if self._let_go:
            return not pulled
        self._let_go = not app.buttons.down & buttons.TRIGGER
        return True
