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

A_PAGE = const(3)
PAGES = const(5)


def on_page(page):
    """How many items page 0...PAGES - 1 has."""
    left = len(ITEMS) - page * A_PAGE
    return left if left < A_PAGE else A_PAGE
