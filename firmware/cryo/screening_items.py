"""The items of the screening: contraindications and cautions, as data. Loaded on demand.

Pure; may import micropython.const. Controls: H-19 (a patient is treated in spite of a
contraindication).

Items 1 to 14 are the clinical brief's, 15 to 22 are added from guidelines. The brief gives 'avoid'
for diabetic neuropathy and 'caution' for chemotherapy; of the others it only says that a physician
decides. Their kind, and what is to be adjusted after an override, are assumed here: 'avoid' where
cold, the wound itself or an unknown lesion is the danger, 'caution' for the rest. Names and
sources: metadata.py.
"""

from micropython import const

LIST_VERSION = const(2)

_AVOID = const(1)  # stops the treatment
_CAUTION = const(2)  # needs the physician's override: SELECT held 2 s

# What to adjust after an override: numbers of texts.prompt; 0 = nothing
_NOTHING = const(0)
_HEALS_SLOWLY = const(1)
_PULSE = const(2)
_INFECTION = const(3)
_BLEEDS = const(4)
_BLEEDS_NUMB = const(5)
_SHORTER_BP = const(6)
_PIGMENT = const(7)
_NERVE = const(8)
_DIGIT = const(9)
_EYE = const(10)

# kind, prompt; by number - 1. A number is never reused; it is bit number - 1 in the record.
ITEMS = (
    (_AVOID, _NOTHING),  # 1 diabetic neuropathy
    (_AVOID, _NOTHING),  # 2 severe circulatory or peripheral vascular disease
    (_CAUTION, _HEALS_SLOWLY),  # 3 uncontrolled diabetes
    (_AVOID, _NOTHING),  # 4 cold allergy
    (_CAUTION, _PULSE),  # 5 arrhythmia
    (_CAUTION, _PULSE),  # 6 pacemaker
    (_CAUTION, _NOTHING),  # 7 pregnancy
    (_CAUTION, _HEALS_SLOWLY),  # 8 severe anaemia
    (_CAUTION, _INFECTION),  # 9 immunocompromise
    (_CAUTION, _BLEEDS),  # 10 anticoagulants within two weeks
    (_CAUTION, _BLEEDS_NUMB),  # 11 drugs that act on coagulation or the nervous system
    (_CAUTION, _SHORTER_BP),  # 12 vasoconstrictors or antihypertensives
    (_AVOID, _NOTHING),  # 13 open wound or infection at the site
    (_CAUTION, _HEALS_SLOWLY),  # 14 chemotherapy
    (_AVOID, _NOTHING),  # 15 diagnosis not certain, pigmented lesion
    (_AVOID, _NOTHING),  # 16 Raynaud's disease
    (_AVOID, _NOTHING),  # 17 cryoglobulinaemia
    (_CAUTION, _PIGMENT),  # 18 dark skin
    (_CAUTION, _NERVE),  # 19 over a superficial nerve
    (_CAUTION, _DIGIT),  # 20 finger or toe
    (_CAUTION, _EYE),  # 21 eyelid
    (_CAUTION, _HEALS_SLOWLY),  # 22 lower leg
)

# The lines of the pages, three a page: number of the text (texts.item), items. A line with several
# items opens a page that asks which. Six pages: READY to ARMED in eight presses.
LINES = (
    (15, (15,)), (33, (1, 3)), (2, (2,)),
    (4, (4,)), (34, (16, 17)), (13, (13,)),
    (5, (5,)), (6, (6,)), (7, (7,)),
    (8, (8,)), (9, (9,)), (14, (14,)),
    (10, (10,)), (11, (11,)), (12, (12,)),
    (18, (18,)), (35, (19, 20)), (36, (21, 22)),
)  # fmt: skip
