"""What is asked before a treatment: contraindications and cautions, as data.

Pure; may import micropython.const. Controls: H-19 (a patient is treated in spite of a
contraindication).

The list is the clinical brief's. It says 'avoid' of diabetic neuropathy and 'caution' of
chemotherapy; of the others it says only that a physician decides. How those are sorted here is
assumed: 'avoid' where cold or the wound itself is the danger, 'caution' elsewhere.
"""

from micropython import const

LIST_VERSION = const(1)

AVOID = const(1)  # stops the treatment
CAUTION = const(2)  # goes on only if the physician says so: SELECT held 2 s

KINDS = ("", "avoid", "caution")

_STATED = "as the brief says"
_ASSUMED = "in the brief's list; how grave is assumed"

# number (never reused; bit number - 1 in the record), what, kind, source
ITEMS = (
    (1, "diabetic neuropathy", AVOID, _STATED),
    (2, "severe circulatory or peripheral vascular disease", AVOID, _ASSUMED),
    (3, "uncontrolled diabetes", CAUTION, _ASSUMED),
    (4, "cold allergy", AVOID, _ASSUMED),
    (5, "arrhythmia", CAUTION, _ASSUMED),
    (6, "pacemaker", CAUTION, _ASSUMED),
    (7, "pregnancy", CAUTION, _ASSUMED),
    (8, "severe anaemia", CAUTION, _ASSUMED),
    (9, "immunocompromise", CAUTION, _ASSUMED),
    (10, "anticoagulants within two weeks", CAUTION, _ASSUMED),
    (11, "drugs that act on coagulation or the nervous system", CAUTION, _ASSUMED),
    (12, "vasoconstrictors or antihypertensives", CAUTION, _ASSUMED),
    (13, "open wound or infection at the site", AVOID, _ASSUMED),
    (14, "chemotherapy", CAUTION, _STATED),
)

A_PAGE = const(3)
PAGES = const(5)


def on_page(page):
    """How many items page 0...PAGES - 1 has."""
    left = len(ITEMS) - page * A_PAGE
    return left if left < A_PAGE else A_PAGE
