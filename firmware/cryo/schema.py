"""The settings table: one row for each setting, and the index constants of the rows.

Pure; may import micropython.const. Controls: H-13 (a dose or a limit changes only after
confirmation on the device), H-07 (every value has a range).

Numbers are stored in flash and recorded in the journal; they are never reused. Code addresses a
value by its row's position (`settings.values[DEPTH_UM]`); rows are only appended.
"""

from micropython import const

DEPTH_UM = const(0)
APPLICATOR = const(1)
ARM_TIMEOUT_S = const(2)
VOLUME = const(3)
CONTRAST = const(4)
OPEN_LAG_US = const(5)
CLOSE_LAG_US = const(6)
TRIM_PPM = const(7)
ARM_PRESSURE_MIN = const(8)
ARM_PRESSURE_MAX = const(9)
RUN_PRESSURE_MIN = const(10)
RUN_PRESSURE_MAX = const(11)
ARM_LEVEL_MIN = const(12)
RUN_LEVEL_MIN = const(13)
ARM_SUPPLY_MIN = const(14)
RUN_SUPPLY_MIN = const(15)
PRECHILL = const(16)
PROFILE = const(17)
MARGIN_UM = const(18)
CYCLES = const(19)
TARGET = const(20)
THAW_MIN_S = const(21)
LANGUAGE = const(22)
PROFILES = const(23)  # from here three rows for each profile from 2 on: depth, margin, cycles
SCREENING = const(41)
TRIGGER_MODE = const(42)
PATIENT_REF = const(43)
PATIENT_LAST = const(44)
USE_PERMILLE = const(45)
OBSERVE_S = const(46)

HOLD = const(1)  # TRIGGER_MODE
PRESS = const(2)  # H-22
DEPTH_MODE = const(47)
SKIN_SENSOR = const(48)
OPERATORS_REQUIRED = const(49)  # H-25
OPERATOR_IDLE_S = const(50)
SAFE_DEPTH_UM = const(51)  # H-28
MAINS = const(52)

HOST = const(0)  # the host may set it without confirmation
DEVICE = const(1)  # takes effect after confirmation on the device

DEPTH_STEP_UM = const(100)

# Columns of SETTINGS
NUMBER = const(0)
KEY = const(1)
UNIT = const(2)
MIN = const(3)
MAX = const(4)
DEFAULT = const(5)
BY = const(6)  # who may change it

# Their help texts are in metadata.py
SETTINGS = (
    (1, "depth_um", "um", 500, 10000, 2300, DEVICE),
    (2, "applicator", "number", 1, 7, 1, DEVICE),
    (3, "arm_timeout_s", "s", 10, 300, 60, HOST),
    (4, "volume", "step", 1, 3, 2, HOST),
    (5, "contrast", "step", 16, 255, 207, HOST),
    (6, "valve_open_lag_us", "us", 0, 100000, 12000, DEVICE),
    (7, "valve_close_lag_us", "us", 0, 200000, 25000, DEVICE),
    (8, "crystal_trim_ppm", "ppm", -500, 500, 0, DEVICE),
    (9, "arm_pressure_min_mbar", "mbar", 100, 800, 300, DEVICE),
    (10, "arm_pressure_max_mbar", "mbar", 500, 1500, 900, DEVICE),
    (11, "freeze_pressure_min_mbar", "mbar", 50, 800, 200, DEVICE),
    (12, "freeze_pressure_max_mbar", "mbar", 500, 1800, 1100, DEVICE),
    (13, "arm_level_min_permille", "permille", 20, 900, 100, DEVICE),
    (14, "freeze_level_min_permille", "permille", 0, 500, 50, DEVICE),
    (15, "arm_supply_min_mv", "mV", 4000, 5000, 4300, DEVICE),
    (16, "freeze_supply_min_mv", "mV", 3800, 5000, 4200, DEVICE),
    (17, "prechill", "on/off", 0, 1, 1, DEVICE),
    (20, "profile", "number", 1, 7, 1, DEVICE),
    (21, "margin_um", "um", 0, 3000, 0, DEVICE),
    (22, "cycles", "count", 1, 2, 1, DEVICE),
    (23, "target", "1=-25 degC 2=-50 degC", 1, 2, 1, DEVICE),
    (24, "thaw_min_s", "s", 0, 900, 60, DEVICE),
    (27, "language", "number", 1, 9, 1, HOST),
    (41, "common_wart_depth_um", "um", 500, 10000, 2000, DEVICE),
    (42, "common_wart_margin_um", "um", 0, 3000, 500, DEVICE),
    (43, "common_wart_cycles", "count", 1, 2, 1, DEVICE),
    (44, "plantar_wart_depth_um", "um", 500, 10000, 2500, DEVICE),
    (45, "plantar_wart_margin_um", "um", 0, 3000, 500, DEVICE),
    (46, "plantar_wart_cycles", "count", 1, 2, 2, DEVICE),
    (47, "ak_thin_depth_um", "um", 500, 10000, 1200, DEVICE),
    (48, "ak_thin_margin_um", "um", 0, 3000, 500, DEVICE),
    (49, "ak_thin_cycles", "count", 1, 2, 1, DEVICE),
    (50, "ak_thick_depth_um", "um", 500, 10000, 1800, DEVICE),
    (51, "ak_thick_margin_um", "um", 0, 3000, 500, DEVICE),
    (52, "ak_thick_cycles", "count", 1, 2, 1, DEVICE),
    (53, "seborrhoeic_depth_um", "um", 500, 10000, 1500, DEVICE),
    (54, "seborrhoeic_margin_um", "um", 0, 3000, 500, DEVICE),
    (55, "seborrhoeic_cycles", "count", 1, 2, 1, DEVICE),
    (56, "skin_tag_depth_um", "um", 500, 10000, 2000, DEVICE),
    (57, "skin_tag_margin_um", "um", 0, 3000, 500, DEVICE),
    (58, "skin_tag_cycles", "count", 1, 2, 1, DEVICE),
    (18, "screening", "on/off", 0, 1, 1, DEVICE),
    (19, "trigger_mode", "1=hold 2=press", 1, 2, 1, DEVICE),
    (25, "patient_ref", "number, 0=none", 0, 999999, 0, HOST),
    (26, "patient_last", "number, 0=none", 0, 999999, 0, DEVICE),
    (30, "use_permille_per_min", "permille", 1, 900, 80, DEVICE),
    (31, "observe_s", "s", 0, 14400, 1800, DEVICE),
    (28, "depth_mode", "on/off", 0, 1, 0, DEVICE),
    (29, "skin_sensor", "on/off", 0, 1, 0, DEVICE),
    (37, "operators_required", "on/off", 0, 1, 0, DEVICE),
    (38, "operator_idle_s", "s", 60, 14400, 900, DEVICE),
    (39, "safe_depth_um", "um", 0, 12000, 0, DEVICE),
    (40, "mains", "1=50 Hz 2=60 Hz", 1, 2, 1, HOST),
)  # type: tuple


def index_of(key):
    """Position of a setting's row, or -1."""
    for i in range(len(SETTINGS)):
        if SETTINGS[i][KEY] == key:
            return i
    return -1


def index_of_number(number):
    """Position of the row with this permanent number, or -1."""
    for i in range(len(SETTINGS)):
        if SETTINGS[i][NUMBER] == number:
            return i
    return -1


def in_range(index, value):
    """Whether a value is within a setting's range."""
    row = SETTINGS[index]
    return row[MIN] <= value <= row[MAX]
