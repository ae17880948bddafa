"""Applicators and the depths that each reaches: data.

Written by `make tables`; do not edit. Pure; may import micropython.const.
Controls: H-06, by the limits of its curves.

Computed for liquid (or the cold probe) from the first millisecond, on skin of 33 C; not measured
on anything. Depths in um of the -25 C isotherm ("benign") and of the -50 C isotherm ("all cells")
at TIMES_MS. Spread: one standard deviation of the depth, for what coefficient, spot and tissue may
differ. Sources and figures: docs/validation.md, docs/dose.md.
"""

from micropython import const

VERSION = const(3)
SPRAY = const(1)
PROBE = const(2)

TIMES_MS = (0, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12500, 15000, 17500, 20000, 25000, 30000)

_FROM = "Pennes-enthalpy model 2, 2026-11-22, calibration none: model, The Cryodose authors"

# number (never reused), name (15 characters at most), kind, spot radius um, distance mm, h W/m2K,
# spread permille, ms until the skin's surface is at -65 C (0: no infrared sensor can see it),
# um of -25 C and um of -50 C at TIMES_MS, provenance
APPLICATORS = (
    (
        1, "Spray C  5 mm", 1, 2500, 15, 3000, 90, 320,
        (0, 590, 990, 1270, 1490, 1820, 2060, 2250, 2440, 2600, 2730, 2850, 3040, 3210),
        (0, 410, 740, 970, 1140, 1380, 1550, 1680, 1810, 1910, 2000, 2070, 2190, 2290),
        _FROM,
    ),  # fmt: skip
    (
        2, "Spray B 10 mm", 1, 5000, 15, 3000, 69, 320,
        (0, 590, 1010, 1350, 1640, 2120, 2520, 2840, 3180, 3480, 3740, 3960, 4340, 4660),
        (0, 410, 770, 1070, 1320, 1730, 2050, 2320, 2600, 2830, 3030, 3200, 3480, 3720),
        _FROM,
    ),  # fmt: skip
    (
        3, "Spray A 20 mm", 1, 10000, 20, 3000, 68, 320,
        (0, 590, 1010, 1350, 1650, 2160, 2590, 2970, 3400, 3790, 4140, 4470, 5050, 5560),
        (0, 410, 770, 1070, 1330, 1770, 2150, 2490, 2860, 3200, 3500, 3780, 4280, 4700),
        _FROM,
    ),  # fmt: skip
    (
        4, "Probe   5 mm", 2, 2500, 0, 1000, 157, 0,
        (0, 130, 400, 620, 800, 1070, 1270, 1430, 1590, 1710, 1820, 1910, 2070, 2190),
        (0, 0, 60, 230, 370, 570, 710, 810, 910, 990, 1050, 1100, 1190, 1260),
        _FROM,
    ),  # fmt: skip
    (
        5, "Spray D  3 mm", 1, 1500, 10, 3000, 117, 320,
        (0, 570, 870, 1060, 1190, 1390, 1530, 1630, 1740, 1830, 1910, 1970, 2080, 2170),
        (0, 380, 600, 740, 830, 950, 1030, 1090, 1160, 1200, 1240, 1280, 1330, 1380),
        _FROM,
    ),  # fmt: skip
    (
        6, "Probe 3 mm", 2, 1500, 0, 1000, 212, 0,
        (0, 120, 350, 500, 610, 760, 860, 940, 1020, 1080, 1130, 1170, 1240, 1300),
        (0, 0, 20, 120, 190, 280, 340, 380, 420, 450, 480, 500, 530, 560),
        _FROM,
    ),  # fmt: skip
    (
        7, "Probe 6 mm", 2, 3000, 0, 1000, 144, 0,
        (0, 130, 400, 630, 830, 1150, 1390, 1590, 1780, 1940, 2070, 2190, 2380, 2540),
        (0, 0, 60, 250, 410, 650, 830, 960, 1090, 1200, 1280, 1360, 1470, 1570),
        _FROM,
    ),  # fmt: skip
)
