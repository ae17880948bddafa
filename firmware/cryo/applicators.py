"""Applicators and the depths that each reaches: data.

Written by `make tables`; do not edit. Pure; may import micropython.const.
Controls: H-06, by the limits of its curves; H-30, by the columns of the second truth.

Computed for liquid (or the cold probe) from the first millisecond, on skin of 33 C; not measured
on anything. Depths in um of the -25 C isotherm ("benign") and of the -50 C isotherm ("all cells")
at TIMES_MS. Spread: one standard deviation of the depth, for what coefficient, spot and tissue may
differ in that model. The two columns after the provenance come from the model of the line; those
after them from another truth, over which the device's statements are held (H-30). Sources and
figures: docs/validation.md, docs/dose.md, docs/dose-second-truth.md.
"""

from micropython import const

VERSION = const(5)
SPRAY = const(1)
PROBE = const(2)

TIMES_MS = (0, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12500, 15000, 17500, 20000, 25000, 30000)

_FROM = "Pennes-enthalpy model 2, 2026-11-22, calibration none: model, The Cryodose authors"

# number (never reused), name (15 characters at most), kind, spot radius um, distance mm, h W/m2K,
# spread permille, ms until the skin's surface is at -65 C (0: no infrared sensor can see it),
# um of -25 C and um of -50 C at TIMES_MS, provenance, nozzle above which the line is purged again
# 0.01 C, power of the dewar's pressure with which the coefficient goes permille; of the curve's
# depth, permille: the depth to be expected, its standard deviation, the least standard deviation of
# a calibrated row, the depth to be expected when the surface reads -20 C after 1 s (0: no sensor
# sees it) and its standard deviation
APPLICATORS = (
    (
        1, "Spray C  5 mm", 1, 2500, 15, 3000, 90, 320,
        (0, 591, 988, 1273, 1493, 1820, 2059, 2247, 2438, 2596, 2730, 2847, 3044, 3207),
        (0, 407, 739, 969, 1139, 1381, 1551, 1681, 1808, 1911, 1996, 2069, 2189, 2285),
        _FROM,
        -14000, 410,
        605, 256, 300, 571, 181,
    ),  # fmt: skip
    (
        2, "Spray B 10 mm", 1, 5000, 15, 3000, 68, 320,
        (0, 592, 1013, 1352, 1642, 2124, 2515, 2842, 3187, 3479, 3734, 3959, 4342, 4662),
        (0, 409, 773, 1066, 1317, 1728, 2055, 2322, 2599, 2830, 3026, 3197, 3483, 3715),
        _FROM,
        -12000, 280,
        604, 243, 295, 552, 197,
    ),  # fmt: skip
    (
        3, "Spray A 20 mm", 1, 10000, 20, 3000, 69, 320,
        (0, 592, 1013, 1354, 1648, 2153, 2591, 2976, 3403, 3794, 4145, 4470, 5049, 5557),
        (0, 409, 773, 1069, 1327, 1769, 2149, 2486, 2861, 3197, 3502, 3781, 4274, 4700),
        _FROM,
        -12000, 220,
        524, 214, 225, 498, 178,
    ),  # fmt: skip
    (
        4, "Probe   5 mm", 2, 2500, 0, 1000, 160, 0,
        (0, 111, 372, 589, 768, 1037, 1236, 1390, 1544, 1670, 1774, 1864, 2013, 2134),
        (0, 0, 31, 200, 334, 528, 662, 763, 859, 935, 997, 1049, 1133, 1199),
        _FROM,
        -14000, 0,
        964, 208, 184, 0, 0,
    ),  # fmt: skip
    (
        5, "Spray D  3 mm", 1, 1500, 10, 3000, 118, 320,
        (0, 566, 870, 1059, 1195, 1389, 1527, 1635, 1743, 1831, 1906, 1970, 2078, 2166),
        (0, 375, 603, 735, 825, 948, 1032, 1095, 1155, 1204, 1244, 1278, 1333, 1378),
        _FROM,
        -16000, 650,
        716, 300, 411, 714, 218,
    ),  # fmt: skip
    (
        6, "Probe 3 mm", 2, 1500, 0, 1000, 218, 0,
        (0, 109, 332, 483, 587, 735, 835, 911, 985, 1044, 1093, 1134, 1203, 1256),
        (0, 0, 0, 92, 159, 248, 305, 346, 385, 416, 441, 461, 494, 519),
        _FROM,
        -14000, 0,
        1056, 206, 178, 0, 0,
    ),  # fmt: skip
    (
        7, "Probe 6 mm", 2, 3000, 0, 1000, 146, 0,
        (0, 111, 376, 603, 798, 1111, 1350, 1540, 1731, 1889, 2021, 2136, 2326, 2480),
        (0, 0, 34, 216, 370, 607, 779, 910, 1039, 1141, 1224, 1295, 1409, 1499),
        _FROM,
        -14000, 0,
        970, 189, 174, 0, 0,
    ),  # fmt: skip
)
