"""Summary of the present treatment: its number, cycle, delivered time, and its closing record.

Works on an App. May import micropython.const and cryo's journal, plan, schema. Controls: H-08 (each
treatment ends with its own record), H-02 (only complete cycles are counted).
"""

from micropython import const

from cryo import journal, plan, schema

# Reason for the end of a treatment, as in its record
COMPLETE = const(1)
ENDED_EARLY = const(2)
STOPPED = const(3)
FAULT = const(4)
TIMED_OUT = const(5)


class Summary:
    """Delivered part of the present treatment. Created once."""

    def __init__(self):
        self.seq = 0  # of the ARMED record, by which others refer to the treatment; 0 = none yet
        self.cycle = 0  # the present one, from 1
        self.begun = False  # a freeze has begun and the treatment is not closed
        self.complete = 0  # complete cycles
        self.interruptions = 0
        self.delivered_ms = 0
        self.last_ms = 0  # delivered by the last freeze
        self.last_complete = False
        self.nozzle_min_c_x100 = 0
        self.to_show = False  # the fault screen also shows what was delivered

    def reset(self):
        """A new treatment is being armed."""
        self.seq = 0
        self.cycle = 1
        self.begun = False
        self.complete = 0
        self.interruptions = 0
        self.delivered_ms = 0
        self.nozzle_min_c_x100 = 0

    def number(self, seq):
        """Set the sequence number of the treatment's ARMED record."""
        self.seq = seq

    def shown(self):
        """The delivered time has been shown: later faults do not concern the last freeze."""
        self.to_show = False

    def turn(self, by):
        """Go on to the next cycle (+1), or back if it is not permitted (-1)."""
        self.cycle += by

    def add(self, one_shot, delivered_ms):
        """Add a freeze that has ended, complete or not, with `delivered_ms` of flow."""
        self.begun = True
        self.to_show = True
        self.last_ms = delivered_ms
        self.last_complete = one_shot.complete()
        if self.last_complete and not one_shot.fault:
            self.complete += 1
        else:
            self.interruptions += 1
        if delivered_ms:
            self.delivered_ms += delivered_ms
            if one_shot.nozzle_min_c_x100 < self.nozzle_min_c_x100:
                self.nozzle_min_c_x100 = one_shot.nozzle_min_c_x100


def close(app, why):
    """Record the end of the treatment, once, if there was a freeze. H-08"""
    summary = app.summary
    if not summary.begun:
        return
    summary.begun = False
    app.record(
        journal.TREATMENT_END,
        summary.seq,
        why,
        plan.cycles,
        summary.complete,
        summary.delivered_ms,
        summary.nozzle_min_c_x100,
        summary.interruptions,
        app.settings.values[schema.PATIENT_REF],
    )
