"""What is asked before a treatment: contraindications and cautions, as data.

Pure; may import micropython.const and cryo's schema. Controls: H-19 (a patient is treated in spite
of a contraindication), H-18 (answers belong to one patient, for an hour at most).

The list is the clinical brief's. It says 'avoid' of diabetic neuropathy and 'caution' of
chemotherapy; of the others it says only that a physician decides. How those are sorted here is
assumed: 'avoid' where cold or the wound itself is the danger, 'caution' elsewhere.
"""

from micropython import const

from cryo import schema

LIST_VERSION = const(1)

AVOID = const(1)  # stops the treatment
CAUTION = const(2)  # goes on only if the physician says so: SELECT held 2 s

# number (never reused; bit number - 1 in the record), kind. Names and sources: metadata.py
ITEMS = (
    (1, AVOID),  # diabetic neuropathy
    (2, AVOID),  # severe circulatory or peripheral vascular disease
    (3, CAUTION),  # uncontrolled diabetes
    (4, AVOID),  # cold allergy
    (5, CAUTION),  # arrhythmia
    (6, CAUTION),  # pacemaker
    (7, CAUTION),  # pregnancy
    (8, CAUTION),  # severe anaemia
    (9, CAUTION),  # immunocompromise
    (10, CAUTION),  # anticoagulants within two weeks
    (11, CAUTION),  # drugs that act on coagulation or the nervous system
    (12, CAUTION),  # vasoconstrictors or antihypertensives
    (13, AVOID),  # open wound or infection at the site
    (14, CAUTION),  # chemotherapy
)

# Columns of ITEMS
ITEM = const(0)
KIND = const(1)

_VALID_MS = const(3600000)  # for the same patient, since this power-on

A_PAGE = const(3)
PAGES = const(5)


def on_page(page):
    """How many items page 0...PAGES - 1 has."""
    left = len(ITEMS) - page * A_PAGE
    return left if left < A_PAGE else A_PAGE


class Answers:
    """Whom the last complete checklist cleared. Made once."""

    def __init__(self):
        self.patient_ref = 0  # 0 = nobody
        self._at_ms = 0  # uptime

    def cleared(self, patient_ref, uptime_ms):
        """A complete checklist has cleared this patient (0 = nobody, and whoever it was before)."""
        self.patient_ref = patient_ref
        self._at_ms = uptime_ms

    def holds(self, patient_ref, uptime_ms):
        """Whether this patient has been cleared, and not too long ago. H-18"""
        if not patient_ref or patient_ref != self.patient_ref:
            return False
        return uptime_ms - self._at_ms <= _VALID_MS


def due(answers, values, uptime_ms):
    """Whether the checklist has to be answered before this patient is treated. H-19"""
    if not values[schema.SCREENING]:
        return False
    return not answers.holds(values[schema.PATIENT_REF], uptime_ms)
