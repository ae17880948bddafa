"""The screening checklist before a treatment: contraindications and cautions, as data.

Pure; may import micropython.const and cryo's schema. Controls: H-19 (a patient is treated in spite
of a contraindication), H-18 (answers belong to one patient, for an hour at most).

The list is the clinical brief's. It gives 'avoid' for diabetic neuropathy and 'caution' for
chemotherapy; for the others it only says that a physician decides. Their kind is assumed here:
'avoid' where cold or the wound itself is the danger, 'caution' for the rest.
"""

from micropython import const

from cryo import schema

LIST_VERSION = const(1)

AVOID = const(1)  # stops the treatment
_CAUTION = const(2)  # needs the physician's override: SELECT held 2 s

# number (never reused; bit number - 1 in the record), kind. Names and sources: metadata.py
ITEMS = (
    (1, AVOID),  # diabetic neuropathy
    (2, AVOID),  # severe circulatory or peripheral vascular disease
    (3, _CAUTION),  # uncontrolled diabetes
    (4, AVOID),  # cold allergy
    (5, _CAUTION),  # arrhythmia
    (6, _CAUTION),  # pacemaker
    (7, _CAUTION),  # pregnancy
    (8, _CAUTION),  # severe anaemia
    (9, _CAUTION),  # immunocompromise
    (10, _CAUTION),  # anticoagulants within two weeks
    (11, _CAUTION),  # drugs that act on coagulation or the nervous system
    (12, _CAUTION),  # vasoconstrictors or antihypertensives
    (13, AVOID),  # open wound or infection at the site
    (14, _CAUTION),  # chemotherapy
)

# Columns of ITEMS
NUMBER = const(0)
KIND = const(1)

_VALID_MS = const(3600000)  # for the same patient, since this power-on

A_PAGE = const(3)
PAGES = const(5)


def on_page(page):
    """Number of items on page 0...PAGES - 1."""
    left = len(ITEMS) - page * A_PAGE
    return left if left < A_PAGE else A_PAGE


cleared_ref = 0  # patient cleared by the last complete checklist; 0 = none
cleared_ms = 0  # uptime


def clear(patient_ref, uptime_ms):
    """A complete checklist has cleared this patient (0: no patient is cleared)."""
    global cleared_ref, cleared_ms
    cleared_ref = patient_ref
    cleared_ms = uptime_ms


def due(values, uptime_ms):
    """Whether the checklist must be answered before this patient is treated. H-19, H-18"""
    patient_ref = values[schema.PATIENT_REF]
    if not values[schema.SCREENING]:
        return False
    if not patient_ref or patient_ref != cleared_ref:
        return True
    return uptime_ms - cleared_ms > _VALID_MS
