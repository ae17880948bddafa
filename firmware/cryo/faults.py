"""Faults: number, name, priority and clearing rule; and the set of latched faults.

Pure; may import micropython.const. Controls: H-09 (every fault says what to do), H-15 (a fault
stays latched until the operator has acknowledged it).

Numbers are recorded in the journal and never reused.
"""

from micropython import const

ESTOP = const(1)
SETTINGS_LOST = const(2)
JOURNAL_FULL = const(3)
JOURNAL_FAILED = const(4)
JOURNAL_DAMAGED = const(5)
NOZZLE_SENSOR = const(6)
PRESSURE_SENSOR = const(7)
LEVEL_SENSOR = const(8)
PRESSURE = const(9)
LEVEL_LOW = const(10)
COIL_OPEN = const(11)
COIL_SHORTED = const(12)
VALVE_STUCK_OPEN = const(13)
SUPPLY_LOW = const(14)
WATCHDOG = const(15)
FREEZE_LOST = const(16)
DOSE_TIMER = const(17)
DEAD_MAN = const(18)
BUTTON_STUCK = const(19)
SCREEN = const(20)
INTERNAL = const(21)
NO_COLD = const(22)
NO_LIQUID = const(23)
SKIN_SENSOR = const(24)
TABLES_LOST = const(25)
OPERATORS_LOST = const(26)

HIGH = const(2)
MEDIUM = const(1)
LOW = const(0)

ACK = const(0)  # SELECT, once the cause is gone
ESTOP_RULE = const(1)  # loop closed, then SELECT held 2 s
POWER = const(2)  # only by switching off and on

# Columns of FAULTS
NUMBER = const(0)
NAME = const(1)
_PRIORITY = const(2)

# number, name (16 characters at most), priority, clearing rule. The panel's texts are in each
# language's data; the link's are in metadata.py.
FAULTS = (
    (ESTOP, "EMERGENCY STOP", HIGH, ESTOP_RULE),
    (SETTINGS_LOST, "SETTINGS LOST", MEDIUM, ACK),
    (JOURNAL_FULL, "JOURNAL FULL", MEDIUM, ACK),
    (JOURNAL_FAILED, "CANNOT RECORD", HIGH, POWER),
    (JOURNAL_DAMAGED, "JOURNAL DAMAGED", MEDIUM, ACK),
    (NOZZLE_SENSOR, "NOZZLE SENSOR", MEDIUM, ACK),
    (PRESSURE_SENSOR, "PRESSURE SENSOR", MEDIUM, ACK),
    (LEVEL_SENSOR, "LEVEL SENSOR", MEDIUM, ACK),
    (PRESSURE, "DEWAR PRESSURE", MEDIUM, ACK),
    (LEVEL_LOW, "DEWAR EMPTY", MEDIUM, ACK),
    (COIL_OPEN, "VALVE NOT OPENED", HIGH, ACK),
    (COIL_SHORTED, "VALVE SWITCH BAD", HIGH, POWER),
    (VALVE_STUCK_OPEN, "VALVE STUCK OPEN", HIGH, POWER),
    (SUPPLY_LOW, "LOW POWER", MEDIUM, ACK),
    (WATCHDOG, "RESTARTED", HIGH, ACK),
    (FREEZE_LOST, "FREEZE CUT SHORT", HIGH, ACK),
    (DOSE_TIMER, "DOSE TIMER", HIGH, POWER),
    (DEAD_MAN, "LOOP TOO SLOW", HIGH, ACK),
    (BUTTON_STUCK, "BUTTON STUCK", LOW, ACK),
    (SCREEN, "NO SCREEN", MEDIUM, POWER),
    (INTERNAL, "PROGRAM ERROR", HIGH, ACK),
    (NO_COLD, "NO COLD", HIGH, ACK),
    (NO_LIQUID, "NO LIQUID", MEDIUM, ACK),
    (SKIN_SENSOR, "SKIN SENSOR", MEDIUM, ACK),
    (TABLES_LOST, "CALIBRATION LOST", MEDIUM, ACK),
    (OPERATORS_LOST, "OPERATORS LOST", MEDIUM, ACK),
)


# Shown before all others, in this order: an E-stop that was struck because nitrogen does not stop
# must not hide that it does not stop. H-05, H-09
_BY_DANGER = (VALVE_STUCK_OPEN, COIL_SHORTED, DOSE_TIMER, ESTOP)


def priority(number):
    """LOW, MEDIUM or HIGH."""
    return FAULTS[number - 1][_PRIORITY]


def row_of(number):
    """The row of a fault number."""
    return FAULTS[number - 1]


class FaultSet:
    """The latched faults. `first` was latched first; `shown` is the most dangerous one."""

    def __init__(self):
        self.latched = 0  # bit n-1 = fault n
        self.present = 0  # its condition still holds
        self.first = 0
        self.fresh = 0  # latched since the last `take_fresh`

    def latch(self, number, present):
        """Latch a fault; `present`: its condition still holds (and must end before it clears)."""
        bit = 1 << (number - 1)
        if present:
            self.present |= bit
        if self.latched & bit:
            return
        self.latched |= bit
        self.fresh |= bit
        if not self.first:
            self.first = number

    def shown(self):
        """The fault to show: what still flows or may flow, before what came first. 0 if none."""
        for number in _BY_DANGER:
            if self.latched & (1 << (number - 1)):
                return number
        return self.first

    def set_present(self, number, present):
        """Set whether the condition of a fault still holds. Latches nothing."""
        bit = 1 << (number - 1)
        if present:
            self.present |= bit
        else:
            self.present &= ~bit

    def take_fresh(self):
        """Number of a fault not yet reported, or 0."""
        if not self.fresh:
            return 0
        for number, _, _, _ in FAULTS:
            bit = 1 << (number - 1)
            if self.fresh & bit:
                self.fresh &= ~bit
                return number
        return 0

    def clear(self, rule):
        """Clear the faults of clearing rule `rule` whose condition has ended; return their mask."""
        mask = 0
        for number, _, _, clears in FAULTS:
            bit = 1 << (number - 1)
            if self.latched & bit and not self.present & bit and clears == rule:
                mask |= bit
        self.latched &= ~mask
        self.fresh &= ~mask
        self.first = 0
        for number, _, _, _ in FAULTS:
            if self.latched & (1 << (number - 1)):
                self.first = number
                break
        return mask
