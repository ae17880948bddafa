"""Settings: one row each, and the numbers by which the firmware reads them.

Pure; may import micropython.const. Controls: H-13 (a dose or a limit changes only after
confirmation on the device), H-07 (every value has a range).

Numbers are stored in flash and recorded in the journal; they are never reused. The position
in the tuple is how code finds a value (`settings.values[DEPTH_UM]`); rows are only appended.
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

HOST = const(0)  # the host may set it at once
DEVICE = const(1)  # takes effect after confirmation on the device

WHO = ("host", "device")

DEPTH_STEP_UM = const(100)

# number, key, unit, min, max, default, who, help
SETTINGS = (
    (1, "depth_um", "um", 500, 10000, 2300, DEVICE, "lesion depth; the applicator's table narrows it"),
    (2, "applicator", "number", 1, 7, 1, DEVICE, "fitted applicator, see describe applicators"),
    (3, "arm_timeout_s", "s", 10, 300, 60, HOST, "armed without a freeze for so long: back to READY"),
    (4, "volume", "step", 1, 3, 2, HOST, "loudness of the sounder"),
    (5, "contrast", "step", 16, 255, 207, HOST, "brightness of the screen"),
    (6, "valve_open_lag_us", "us", 0, 100000, 12000, DEVICE, "from gate high to flow, measured on this valve"),
    (7, "valve_close_lag_us", "us", 0, 200000, 25000, DEVICE, "from gate low to no flow, measured on this valve"),
    (8, "crystal_trim_ppm", "ppm", -500, 500, 0, DEVICE, "how much this board's clock runs fast"),
    (9, "arm_pressure_min_mbar", "mbar", 100, 800, 300, DEVICE, "dewar gauge pressure needed to arm"),
    (10, "arm_pressure_max_mbar", "mbar", 500, 1500, 900, DEVICE, "dewar gauge pressure allowed to arm"),
    (11, "freeze_pressure_min_mbar", "mbar", 50, 800, 200, DEVICE, "a freeze ends below this"),
    (12, "freeze_pressure_max_mbar", "mbar", 500, 1800, 1100, DEVICE, "a freeze ends above this"),
    (13, "arm_level_min_permille", "permille", 20, 900, 100, DEVICE, "LN2 needed to arm"),
    (14, "freeze_level_min_permille", "permille", 0, 500, 50, DEVICE, "a freeze ends below this"),
    (15, "arm_supply_min_mv", "mV", 4000, 5000, 4300, DEVICE, "board supply needed to arm"),
    (16, "freeze_supply_min_mv", "mV", 3800, 5000, 4200, DEVICE, "a freeze ends below this"),
    (17, "prechill", "on/off", 0, 1, 1, DEVICE, "a warm line is purged before arming"),
)


def index_of(key):
    """Position of a setting's row, or -1."""
    for i in range(len(SETTINGS)):
        if SETTINGS[i][1] == key:
            return i
    return -1


def index_of_number(number):
    """Position of the row with this permanent number, or -1."""
    for i in range(len(SETTINGS)):
        if SETTINGS[i][0] == number:
            return i
    return -1


def in_range(index, value):
    """Whether a value lies in a setting's range."""
    row = SETTINGS[index]
    return row[3] <= value <= row[4]
