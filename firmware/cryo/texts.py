"""The panel's texts in the active language, by number.

May import gc, sys, micropython.const, cryo's languages; loads one of cryo's lang_* at a time.
Controls: H-09 (every text states a condition or an action, in the operator's language).

A language is data: its texts in a few packed tables (lang_*.py). The rarely used texts (faults,
settings, operators, screening) and the glyphs of non-ASCII characters stay in flash (lang_*.bin):
the 12 kB of Chinese would take too much heap. All are generated. Nothing here depends on a
language. A text is built on each call: not to be used while the valve is open.
"""

import gc
import sys

from micropython import const

from cryo import languages

# Text numbers: positions in the language's first table, which is generated from these names.
HOLD_ARM = const(0)
HOLD_TRIGGER = const(1)
ARMED = const(2)
COMPLETE = const(3)
ENDED_EARLY = const(4)
SELECT_OK = const(5)
SELF_TEST = const(6)
CHANGE_DEPTH = const(7)
CANNOT_ARM = const(8)
HOLD_SELECT_OK = const(9)
NO_DOSE = const(10)
DEPTH_MUST_BE = const(11)
TO = const(12)
NEEDS = const(13)
OVER_30_S = const(14)
WITH_LAGS = const(15)
NONE_APPLIES = const(16)
THIS_APPLIES = const(17)
CAUTION = const(18)
PHYSICIAN = const(19)
HOLD_SELECT_2S = const(20)
DO_NOT_TREAT = const(21)
ASK_PHYSICIAN = const(22)
SELECT_BACK = const(23)
POINT_AWAY = const(24)
TRIGGER_HELD = const(25)
KEEP_HOLDING = const(26)
LET_GO = const(27)
THAWING = const(28)
WAIT = const(29)
SELECT_THAWED = const(30)
THAWED = const(31)
HOLD_ARM_NEXT = const(32)
ARM_BACK = const(33)
OBSERVED = const(34)
CYCLES = const(35)
PATIENT = const(36)
NO_PATIENT = const(37)
OF = const(38)
PRESS_PEDAL = const(39)
OFF = const(40)
ON = const(41)
HOLD = const(42)
PRESS = const(43)
PEDAL_PRESSED = const(44)
PEDAL_STOPS = const(45)
APPLICATOR_REACHES = const(46)
LET_PEDAL_GO = const(47)
TOO_SHALLOW = const(48)
LANGUAGE = const(49)
LANGUAGE_NAME = const(50)
INFORMATION = const(51)
TABLE = const(52)
LOG_FREE = const(53)
NEW_TABLE = const(54)
SHIPPED_TABLE = const(55)
NO_CALIBRATION = const(56)
CLOSING = const(57)
NOT_CLOSED = const(58)
REWARMED = const(59)
ARM_TO_PURGE = const(60)
END_QUESTION = const(61)
HOLD_TO_END = const(62)
CYCLES_DONE = const(63)
NO_MORE = const(64)
PULL_LOG = const(65)
UNCALIBRATED = const(66)
UNCALIBRATED_SHORT = const(67)
NOT_ON_SKIN = const(68)
DEPTH_UNKNOWN = const(69)
TOO_DEEP = const(70)
MAYBE_SHALLOW = const(71)
CLOCK_NOT_SET = const(72)

# Tables of a language
_WORDS = const(0)
_FAULTS = const(1)
_PROFILES = const(2)
_ITEMS = const(3)
_APPLICATORS = const(4)
_PROMPTS = const(5)
_OPERATORS = const(6)
_SETTINGS = const(7)

_FAULT_PARTS = const(4)
_PROMPT_PARTS = const(2)
_GLYPH_BYTES = const(32)


_glyph = bytearray(_GLYPH_BYTES)
_font = (16, 2, "", _glyph)  # as in `fonts`; of one character


class _Language:
    """The active language."""

    def __init__(self):
        self.number = 0
        self.tables = (b"",) * (_SETTINGS + 1)  # a number: where the table begins in the file
        self.codes = b""  # characters with a glyph, ascending, two bytes each, low byte first
        self.file = None  # their glyphs in the same order, two pages of 16 columns each; tables

    def load(self, number):
        """Load a language. ImportError, OSError or MemoryError if that fails."""
        name = "cryo.lang_" + languages.CODES[number - 1]
        __import__(name)
        module = sys.modules[name]
        self.number = number
        self.tables = module.TABLES
        self.codes = module.CODES
        path = module.__file__
        self.file = open(path[: path.rfind(".")] + ".bin", "rb")

    def unload(self):
        """Unload the language and free its memory."""
        name = "lang_" + languages.CODES[self.number - 1]
        if self.file:
            self.file.close()
        self.__init__()
        sys.modules.pop("cryo." + name)
        delattr(sys.modules["cryo"], name)
        gc.collect()


_now = _Language()


def use(number):
    """Activate language `number` (1 = the first) and free the previous one. False: it cannot be
    loaded; the previous one, or English, is active. Not to be called while the valve is open."""
    if number == _now.number:
        return True
    if not 1 <= number <= len(languages.CODES):
        return False
    before = _now.number
    if before:
        _now.unload()
    try:
        _now.load(number)
    except (ImportError, OSError, MemoryError):
        if _now.number:
            _now.unload()
        _now.load(before or 1)
        return False
    gc.collect()  # loading leaves as much garbage as the texts take
    return True


def _text(table, n):
    """Text `n` of a table: offsets of two bytes each (low byte first), then the texts."""
    if not _now.number:
        use(1)
    packed = _now.tables[table]
    if n < 0:
        return ""
    if isinstance(packed, int):
        return _in_flash(packed, 2 * n)
    at = 2 * n
    if at + 4 > _two(packed, 0):
        return ""
    return str(packed[_two(packed, at) : _two(packed, at + 2)], "utf-8")


def _two(packed, at):
    """A number of two bytes, low byte first."""
    return packed[at] | packed[at + 1] << 8


def _in_flash(table, at):
    """A text of a table in the file; empty if it cannot be read."""
    file = _now.file
    try:
        file.seek(table)
        if at + 4 > _two(file.read(2), 0):
            return ""
        file.seek(table + at)
        ends = file.read(4)
        begin = _two(ends, 0)
        file.seek(table + begin)
        return str(file.read(_two(ends, 2) - begin), "utf-8")
    except (OSError, IndexError):
        return ""


def say(number):
    """One of the texts above."""
    return _text(_WORDS, number)


def fault(number, part):
    """A text of a fault: part 0 its name, 1 the cause, 2 and 3 the action (3 may be empty)."""
    return _text(_FAULTS, (number - 1) * _FAULT_PARTS + part)


def profile(number):
    """The name of a treatment profile."""
    return _text(_PROFILES, number)


def item(number):
    """An item of the screening, or a line of several items."""
    return _text(_ITEMS, number)


def prompt(number, part):
    """A line (0, 1) of a prompt of the screening or of the observation."""
    return _text(_PROMPTS, number * _PROMPT_PARTS + part)


def applicator(number):
    """The name of an applicator."""
    return _text(_APPLICATORS, number)


def operator(number):
    """A text about operators: of the sign-in, of a role."""
    return _text(_OPERATORS, number)


def setting(number):
    """The name of a setting, by its permanent number."""
    return _text(_SETTINGS, number)


def position_of(code):
    """Position of a character among those with a glyph, or -1."""
    codes = _now.codes
    low = 0
    high = len(codes) // 2
    while low < high:
        middle = (low + high) // 2
        candidate = codes[2 * middle] | codes[2 * middle + 1] << 8
        if candidate == code:
            return middle
        if candidate < code:
            low = middle + 1
        else:
            high = middle
    return -1


def font_of(code):
    """A font of this one character, read from flash; None if it has no glyph. Valid until the
    next call."""
    position = position_of(code)
    file = _now.file
    if position < 0 or not file:
        return None
    try:
        file.seek(position * _GLYPH_BYTES)
        file.readinto(_glyph)
    except OSError:
        return None
    return _font
