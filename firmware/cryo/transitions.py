"""States, events, and the transition table.

Pure; may import micropython.const. Controls: H-04 (only the listed transitions lead to FREEZING),
H-15 (only a new arming leads back to FREEZING), H-03 (a fault wins in any state), H-02 (a nozzle
that is not cold leads to PRECHILL, not to ARMED).

The machine holds the present state. It touches no hardware and reads no clock: a state's step
returns an event, and `App` alone performs the transition. The fourth column names the transition's
action, which is in actions.py. Numbers of states are recorded and never reused.
"""

from micropython import const

BOOT = const(0)
SELF_TEST = const(1)
READY = const(2)
SCREENING = const(3)
PRECHILL = const(4)
ARMED = const(5)
FREEZING = const(6)
THAWING = const(7)
DONE = const(8)
FAULT = const(9)

# Events; 0 = none
STARTED = const(1)  # the board is set up
PASSED = const(2)  # the self-test passed
ARM_HELD = const(3)  # ARM held 1 s, and every interlock permits
ARM_PRESSED = const(4)
TRIGGER_PRESSED = const(5)
SHOT_ENDED = const(6)  # complete, released or cancelled: the valve is proved closed
TIMED_OUT = const(7)
ACKNOWLEDGED = const(8)
FAULTED = const(9)
CLEARED = const(10)  # every fault is gone and acknowledged
MUST_CHILL = const(11)  # when arming or in ARMED: the nozzle is not at liquid temperature
COLD = const(12)  # the purge has ended with the nozzle at liquid temperature
CYCLE_ENDED = const(13)  # a freeze was complete, and the plan has another
STOPPED = const(14)  # between two cycles, by the operator; or by a contraindication
MUST_ASK = const(15)  # ARM held 1 s: the checklist comes first
ANSWERED = const(16)  # the checklist permits the treatment

# Transition actions: numbers of actions.run
_QUIET = const(0)
_REPORT_FAULTS = const(1)
_ARM = const(2)  # the plan's record, once a treatment
_DISARM_BUTTON = const(3)
_DISARM_TIME = const(4)
_REWARMED = const(5)
_FREEZE = const(6)  # the record of the beginning of a freeze
_NEXT_CYCLE = const(7)
_END = const(8)  # the treatment's own record, after its last freeze
_STOP = const(9)  # the same, between two cycles

ANY = const(-1)

# state, event, next state, action
TRANSITIONS = (
    (ANY, FAULTED, FAULT, _REPORT_FAULTS),
    (BOOT, STARTED, SELF_TEST, _QUIET),
    (SELF_TEST, PASSED, READY, _QUIET),
    (READY, ARM_HELD, ARMED, _ARM),
    (READY, MUST_CHILL, PRECHILL, _QUIET),
    (READY, MUST_ASK, SCREENING, _QUIET),
    (SCREENING, ANSWERED, ARMED, _ARM),
    (SCREENING, MUST_CHILL, PRECHILL, _QUIET),
    (SCREENING, ARM_PRESSED, READY, _QUIET),
    (SCREENING, TIMED_OUT, READY, _QUIET),
    (SCREENING, STOPPED, READY, _QUIET),
    (PRECHILL, COLD, ARMED, _ARM),
    (PRECHILL, ARM_PRESSED, READY, _DISARM_BUTTON),
    (PRECHILL, TIMED_OUT, READY, _DISARM_TIME),
    (ARMED, MUST_CHILL, PRECHILL, _REWARMED),
    (ARMED, ARM_PRESSED, READY, _DISARM_BUTTON),
    (ARMED, TIMED_OUT, READY, _DISARM_TIME),
    (ARMED, TRIGGER_PRESSED, FREEZING, _FREEZE),
    (FREEZING, SHOT_ENDED, DONE, _END),
    (FREEZING, CYCLE_ENDED, THAWING, _NEXT_CYCLE),
    (THAWING, ARM_HELD, ARMED, _ARM),
    (THAWING, MUST_CHILL, PRECHILL, _QUIET),
    (THAWING, STOPPED, DONE, _STOP),
    (DONE, ACKNOWLEDGED, READY, _QUIET),
    (DONE, ARM_PRESSED, READY, _QUIET),
    (FAULT, CLEARED, READY, _QUIET),
)


def way(state, event):
    """(next state, action) of the transition from `state` on `event`, or None."""
    for begin, by, end, action in TRANSITIONS:
        if by == event and (begin == state or begin == ANY):
            return end, action
    return None


class Machine:
    """The present state, the previous one, and the time of entry."""

    def __init__(self, now_ms):
        self.state = BOOT
        self.was = BOOT
        self.since_ms = now_ms

    def enter(self, state, now_ms):
        """Enter a state; its time starts now."""
        self.was = self.state
        self.state = state
        self.since_ms = now_ms

    def restart_timer(self, now_ms):
        """Restart the time of the present state."""
        self.since_ms = now_ms
