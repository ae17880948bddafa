"""Who may be treated: the patient whom a complete checklist has cleared, and those it has stopped.

Pure; may import micropython.const and cryo's schema. Controls: H-19 (a patient is treated in spite
of a contraindication: a stop holds until a physician lifts it), H-18 (answers belong to one
patient, for an hour at most), H-23 (a stop is lifted by a hold of 3 s).

The list itself is in screening_items.py, the questions in questions.py; both are loaded on demand.
Nothing here outlasts power-off.
"""

from micropython import const

from cryo import schema

_VALID_MS = const(3600000)  # of a clearance and of a stop: as long as a patient's number
_LIFT_MS = const(3000)
_STOPS_MOST = const(4)  # the oldest one is dropped

# Columns of a stop
_REF = const(0)
_SINCE_MS = const(1)  # uptime
STOP_ITEM = const(2)  # number of the item that stopped the treatment
STOP_TEXT = const(3)  # its text, if it is one of the practice's own; else ""

cleared_ref = 0  # patient cleared by the last complete checklist; 0 = none
cleared_ms = 0  # uptime
stops = []  # newest last


def clear(patient_ref, uptime_ms):
    """A complete checklist has cleared this patient (0: no patient is cleared)."""
    global cleared_ref, cleared_ms
    cleared_ref = patient_ref
    cleared_ms = uptime_ms


def due(values, uptime_ms):
    """Whether the checklist must be answered before this patient is treated. H-19, H-18"""
    patient_ref = values[schema.PATIENT_REF]
    if stop_of(patient_ref, uptime_ms):
        return True
    if not values[schema.SCREENING]:
        return False
    if not patient_ref or patient_ref != cleared_ref:
        return True
    return uptime_ms - cleared_ms > _VALID_MS


def stop(patient_ref, uptime_ms, number, text):
    """A contraindication has stopped this patient's treatment; nobody is cleared. H-19"""
    clear(0, uptime_ms)
    stops.append((patient_ref, uptime_ms, number, text))
    if len(stops) > _STOPS_MOST:
        stops.pop(0)


def stop_of(patient_ref, uptime_ms):
    """The newest stop that holds for this number, or None. Without a number (0) every stop holds,
    since the patient may be any. H-19"""
    found = None
    for row in stops:
        if uptime_ms - row[_SINCE_MS] <= _VALID_MS and patient_ref in (0, row[_REF]):
            found = row
    return found


def stopped_min(row, uptime_ms):
    """Time since a stop, in whole minutes."""
    return (uptime_ms - row[_SINCE_MS]) // 60000


def may_lift(held_ms):
    """Whether a stop may be lifted now: SELECT has been held for 3 s at the device. H-23"""
    return held_ms >= _LIFT_MS


def lift(row):
    """A physician has lifted a stop: a new checklist is permitted."""
    stops.remove(row)
