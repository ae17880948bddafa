"""The faults by name, as docs/protocol.md numbers them: never reused, so they are restated here."""

from __future__ import annotations

from enum import IntEnum


class Fault(IntEnum):
    """A fault's number in `status`, in `ev: fault` and in the journal."""

    ESTOP = 1
    SETTINGS_LOST = 2
    JOURNAL_FULL = 3
    JOURNAL_FAILED = 4
    JOURNAL_DAMAGED = 5
    NOZZLE_SENSOR = 6
    PRESSURE_SENSOR = 7
    LEVEL_SENSOR = 8
    PRESSURE = 9
    LEVEL_LOW = 10
    COIL_OPEN = 11
    COIL_SHORTED = 12
    VALVE_STUCK_OPEN = 13
    SUPPLY_LOW = 14
    WATCHDOG = 15
    FREEZE_LOST = 16
    DOSE_TIMER = 17
    DEAD_MAN = 18
    BUTTON_STUCK = 19
    SCREEN = 20
    INTERNAL = 21
    NO_COLD = 22
    NO_LIQUID = 23
    SKIN_SENSOR = 24
    TABLES_LOST = 25
    OPERATORS_LOST = 26
