"""The treatment machine: one table of transitions.

Pure; may import micropython.const. Controls: H-04 (only the listed ways lead to FREEZING),
H-15 (nothing leads back into FREEZING but a new arming), H-03 (a fault wins from anywhere),
H-02 (a nozzle that is not cold leads to PRECHILL, not to ARMED).

The machine says which state is true now. It touches no hardware and reads no clock: `App`
hands events in and acts on the state. Numbers of states are recorded and never reused.
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

STATES = (
    "BOOT",
    "SELF_TEST",
    "READY",
    "SCREENING",
    "PRECHILL",
    "ARMED",
    "FREEZING",
    "THAWING",
    "DONE",
    "FAULT",
)

# Events
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
MUST_CHILL = const(11)  # on the way to ARMED, or in it: the nozzle is not at liquid temperature
COLD = const(12)  # the purge has ended with the nozzle at liquid temperature
CYCLE_ENDED = const(13)  # a freeze was complete, and the plan holds another
STOPPED = const(14)  # between two cycles, by the operator; or by a contraindication
MUST_ASK = const(15)  # ARM held 1 s: the checklist comes first
ANSWERED = const(16)  # the checklist leads on

EVENTS = (
    "",
    "started",
    "self-test passed",
    "ARM held 1 s",
    "ARM pressed",
    "TRIGGER held",
    "shot ended",
    "timed out",
    "SELECT",
    "fault",
    "faults cleared",
    "nozzle not cold",
    "nozzle cold",
    "freeze complete, cycles left",
    "stopped",
    "ARM held 1 s, screening due",
    "screening answered",
)

ANY = const(-1)

# (state, event, next state)
TRANSITIONS = (
    (ANY, FAULTED, FAULT),
    (BOOT, STARTED, SELF_TEST),
    (SELF_TEST, PASSED, READY),
    (READY, ARM_HELD, ARMED),
    (READY, MUST_CHILL, PRECHILL),
    (READY, MUST_ASK, SCREENING),
    (SCREENING, ANSWERED, ARMED),
    (SCREENING, MUST_CHILL, PRECHILL),
    (SCREENING, ARM_PRESSED, READY),
    (SCREENING, TIMED_OUT, READY),
    (SCREENING, STOPPED, READY),
    (PRECHILL, COLD, ARMED),
    (PRECHILL, ARM_PRESSED, READY),
    (PRECHILL, TIMED_OUT, READY),
    (ARMED, MUST_CHILL, PRECHILL),
    (ARMED, ARM_PRESSED, READY),
    (ARMED, TIMED_OUT, READY),
    (ARMED, TRIGGER_PRESSED, FREEZING),
    (FREEZING, SHOT_ENDED, DONE),
    (FREEZING, CYCLE_ENDED, THAWING),
    (THAWING, ARM_HELD, ARMED),
    (THAWING, MUST_CHILL, PRECHILL),
    (THAWING, STOPPED, DONE),
    (DONE, ACKNOWLEDGED, READY),
    (DONE, ARM_PRESSED, READY),
    (FAULT, CLEARED, READY),
)


def next_state(state, event):
    """The state after `event`, or the same state when the table has no such row."""
    for row in TRANSITIONS:
        if row[1] == event and (row[0] == state or row[0] == ANY):
            return row[2]
    return state


class Treatment:
    """Holds the state, the one before it, and when it was entered."""

    def __init__(self, now_ms):
        self.state = BOOT
        self.was = BOOT
        self.since_ms = now_ms

    def handle(self, event, now_ms):
        """Take an event; return True when the state changed."""
        state = next_state(self.state, event)
        if state == self.state:
            return False
        self.was = self.state
        self.state = state
        self.since_ms = now_ms
        return True

    def begin_anew(self, now_ms):
        """The state stays; its time is counted from now."""
        self.since_ms = now_ms
