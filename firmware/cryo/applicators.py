"""Applicators and the depths that each reaches: data.

Pure; may import micropython.const. Controls: H-06, by the limits of its curves.

Depths in um of the -25 C isotherm ("benign") and of the -50 C isotherm ("all cells") at TIMES_MS,
for liquid from the first millisecond. Computed, in a provisional run; not measured on anything.
From 10 s on, the -25 C depths of applicators 1-4 are those of the table of version 1 (10, 20 and
30 s, straight lines between).
"""
# fmt: off

from micropython import const

VERSION = const(2)
SPRAY = const(1)
PROBE = const(2)

TIMES_MS = (0, 1000, 2000, 3000, 4000, 6000, 8000, 10000, 12500, 15000, 17500, 20000, 25000, 30000)

_FIRST = "Pennes-enthalpy model 1, computed; not measured"
_FROM = "Pennes-enthalpy model 1, computed, provisional; not measured"

# number (never reused), name (15 characters at most), kind, spot radius um, distance mm, h W/m2K,
# spread permille, ms until the skin's surface is at -65 C (0: no infrared sensor can see it),
# um of -25 C and um of -50 C at TIMES_MS, provenance
APPLICATORS = (
    (
        1, "Spray C  5 mm", 1, 2500, 15, 3000, 90, 321,
        (0, 584, 973, 1302, 1508, 1849, 2111, 2300, 2475, 2650, 2825, 3000, 3250, 3500),
        (0, 393, 714, 958, 1122, 1366, 1538, 1667, 1793, 1895, 1981, 2054, 2173, 2269),
        _FIRST,
    ),
    (
        2, "Spray B 10 mm", 1, 5000, 15, 3000, 90, 321,
        (0, 563, 951, 1305, 1625, 2071, 2486, 2800, 3075, 3350, 3625, 3900, 4300, 4700),
        (0, 395, 738, 1043, 1305, 1696, 2033, 2296, 2575, 2808, 3005, 3176, 3460, 3692),
        _FIRST,
    ),
    (
        3, "Spray A 20 mm", 1, 10000, 20, 3000, 90, 321,
        (0, 557, 941, 1293, 1614, 2107, 2527, 2900, 3275, 3650, 4025, 4400, 4950, 5500),
        (0, 395, 738, 1045, 1315, 1743, 2134, 2469, 2835, 3170, 3476, 3759, 4250, 4678),
        _FIRST,
    ),
    (
        4, "Probe   5 mm", 2, 2500, 0, 1000, 90, 0,
        (0, 111, 420, 645, 830, 1130, 1333, 1500, 1625, 1750, 1875, 2000, 2200, 2400),
        (0, 0, 49, 229, 362, 558, 695, 797, 895, 974, 1038, 1090, 1178, 1246),
        _FIRST,
    ),
    (
        5, "Spray D  3 mm", 1, 1500, 10, 3000, 90, 321,
        (0, 551, 866, 1043, 1183, 1368, 1508, 1619, 1726, 1815, 1886, 1953, 2060, 2147),
        (0, 367, 596, 725, 817, 936, 1021, 1083, 1144, 1194, 1233, 1267, 1322, 1367),
        _FROM,
    ),
    (
        6, "Probe 3 mm", 2, 1500, 0, 1000, 90, 0,
        (0, 104, 335, 492, 591, 750, 850, 929, 1006, 1066, 1114, 1159, 1229, 1282),
        (0, 0, 0, 105, 178, 269, 328, 372, 413, 444, 469, 490, 524, 552),
        _FROM,
    ),
    (
        7, "Probe 6 mm", 2, 3000, 0, 1000, 90, 0,
        (0, 105, 399, 620, 807, 1130, 1378, 1571, 1760, 1920, 2056, 2173, 2364, 2520),
        (0, 0, 53, 246, 397, 640, 811, 949, 1079, 1184, 1269, 1342, 1459, 1552),
        _FROM,
    ),
)
