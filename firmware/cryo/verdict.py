"""The verdict on a freeze: what its estimate says of the lesion, recorded and told.

Works on an App. May import micropython.const and cryo's dose, journal, schema, shot, sounder,
transitions. Controls: H-02 (warns if a completed freeze did not reach the lesion's base), H-28 (or
went beyond the safe depth of the site), H-30 (says that the base may not be reached where the
spread of the estimate allows it), H-27 (no depth is recorded that the surface has not borne out).
In memory from arming until READY only, with the estimate.
"""

from micropython import const

from cryo import dose, journal, schema, shot, sounder, transitions

# Shortfall of the estimate that triggers a warning: half of the shortfall that must not occur
# without one, since the estimate is not exact.
_SHORT_UM = const(150)
# Shortfall that must not occur without a warning: the estimate's lower bound must not allow it
_SHORTFALL_UM = const(300)

# Notes in the record of an estimate
_NOTE_NONE = const(0)
_NOTE_SHORT = const(1)
_NOTE_BY_DEPTH = const(2)
_NOTE_DEEP = const(8)
_NOTE_UNSURE = const(9)
_NOTE_DOUBT = const(2)  # plus witness.py's number
_UNKNOWN = const(-1)  # um, in the record


class Verdict:
    """Of the last freeze: `begin` with it, `record` after it, then read.

    `short`: 1 = by the estimate, it did not reach the lesion's base; 2 = it has, but not by the
    lower bound of the estimate's spread. `deep`: it reached beyond the safe depth of the site.
    """

    def __init__(self):
        self.begin()

    def begin(self):
        """A freeze begins: nothing is known of it."""
        self.short = 0
        self.deep = False

    def doubt(self, app, now_ms, witness, liquid_ms):
        """The surface does what no sprayed skin does: record it and warn at once. H-27

        With the valve open: allocates nothing.
        """
        app.journal.add(
            journal.WITNESS, transitions.FREEZING, app.clock.uptime_ms,
            app.summary.seq, app.summary.cycle, witness.doubt, witness.at_ms,
            witness.skin_c_x100, witness.lowest_c_x100, witness.fall_permille, liquid_ms,
        )  # fmt: skip
        app.lights.show(sounder.ARMED_LIGHTS)
        app.sounder.play(sounder.DOUBT, now_ms, sounder.DOUBT_EVERY_MS)

    def record(self, app, estimate, doubt):
        """A freeze has ended: record the estimate, and warn. `doubt`: as witness.py has it."""
        values = app.settings.values
        one_shot = app.shot
        short_um = values[schema.DEPTH_UM] - estimate.depth_um
        self.short = 0
        low_um = dose.low_um(estimate.depth_um, estimate.spread_um)
        if one_shot.complete() and not doubt:
            if short_um > _SHORT_UM:
                self.short = 1
            elif values[schema.DEPTH_UM] - low_um > _SHORTFALL_UM:
                self.short = 2
        safe_um = values[schema.SAFE_DEPTH_UM]
        self.deep = safe_um > 0 and estimate.depth_um > safe_um and not doubt
        note = _NOTE_NONE
        if doubt:
            note = _NOTE_DOUBT + doubt  # H-27: no depth, however well the nozzle was cold
        elif self.deep:
            note = _NOTE_DEEP
        elif self.short:
            note = _NOTE_SHORT if self.short == 1 else _NOTE_UNSURE
        elif one_shot.cause == shot.BY_DEPTH:
            note = _NOTE_BY_DEPTH
        app.record(
            journal.ESTIMATE,
            app.summary.seq,
            app.summary.cycle,
            _UNKNOWN if doubt else estimate.depth_um,
            _UNKNOWN if doubt else estimate.spread_um,
            estimate.effective_ms,
            estimate.skin_ms,
            values[schema.DEPTH_UM] + values[schema.MARGIN_UM],
            note,
        )
        if doubt:
            app.link.event({"ev": "doubt", "doubt": doubt})
        if self.deep:
            deep_um = estimate.depth_um
            app.link.event({"ev": "deep", "estimate_um": deep_um, "safe_depth_um": safe_um})
        if self.short == 1:
            app.link.event({"ev": "short", "estimate_um": estimate.depth_um, "short_um": short_um})
        elif self.short:
            app.link.event({"ev": "unsure", "estimate_um": estimate.depth_um, "low_um": low_um})
