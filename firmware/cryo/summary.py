"""What has been delivered of the treatment that runs, and the record that closes it.

Works on an App. May import micropython.const and cryo's journal, schema. Controls: H-08 (what a
treatment came to is a record of its own), H-02 (a cycle counts when it was complete, and only
then).
"""

from micropython import const

from cryo import journal, schema

# Why a treatment ended, as its record says
COMPLETE = const(1)
ENDED_EARLY = const(2)
STOPPED = const(3)
FAULT = const(4)
TIMED_OUT = const(5)


class Tally:
    """What has been delivered of the treatment that runs. Made once."""

    def __init__(self):
        self.begun = False  # a freeze has been begun, and the treatment is not closed
        self.complete = 0  # cycles
        self.interruptions = 0
        self.delivered_ms = 0
        self.nozzle_min_c_x100 = 0

    def reset(self):
        """A new treatment has been armed."""
        self.begun = False
        self.complete = 0
        self.interruptions = 0
        self.delivered_ms = 0
        self.nozzle_min_c_x100 = 0

    def add(self, one_shot, delivered_ms):
        """A freeze has ended, in whatever way; `delivered_ms` of flow."""
        self.begun = True
        if one_shot.complete() and not one_shot.fault:
            self.complete += 1
        else:
            self.interruptions += 1
        if delivered_ms:
            self.delivered_ms += delivered_ms
            if one_shot.nozzle_min_c_x100 < self.nozzle_min_c_x100:
                self.nozzle_min_c_x100 = one_shot.nozzle_min_c_x100


def close(app, why):
    """Record what the treatment came to, once, if there was a freeze. H-08"""
    told = app.tally
    if not told.begun:
        return
    told.begun = False
    app.record(
        journal.TREATMENT_END,
        app.treatment_seq,
        why,
        app.cycles,
        told.complete,
        told.delivered_ms,
        told.nozzle_min_c_x100,
        told.interruptions,
        app.settings.values[schema.PATIENT_REF],
    )
