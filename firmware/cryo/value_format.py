"""Format a setting's value in display units: 2.5 mm, 12 %, off, the applicator's name.
Loaded by presenter.py to show a host-requested change, then unloaded.

Pure; may import micropython.const and cryo's dose, schema, texts. Controls: H-13 (the operator can
read the change that is to be confirmed).
"""

from micropython import const

from cryo import dose, schema, texts

_MM = const(1000)  # um
_PERCENT = const(10)  # permille
_MS = const(1000)  # us


def said(index, value):
    """(value, unit) of a setting, as texts; the unit may be empty."""
    unit = schema.SETTINGS[index][schema.UNIT]
    if index == schema.APPLICATOR:
        return texts.applicator(value), ""
    if index == schema.PROFILE:
        return texts.profile(value), ""
    if index == schema.TRIGGER_MODE:
        return texts.say(texts.HOLD if value == schema.HOLD else texts.PRESS), ""
    if index == schema.TARGET:
        return "%d" % (dose.TARGETS[value - 1][dose.C_X100] // 100), " C"
    if unit == "on/off":
        return texts.say(texts.ON if value else texts.OFF), ""
    if unit == "um":
        return _decimal(value, _MM), " mm"
    if unit == "us":
        return _decimal(value, _MS), " ms"
    if unit == "permille":
        return _decimal(value, _PERCENT), " %"
    if unit == "count" or unit == "step" or "number" in unit:
        return "%d" % value, ""
    return "%d" % value, " " + unit


def _decimal(value, parts):
    """Format value/parts (10 or 1000) as a decimal: no trailing zeros, but one decimal at least."""
    text = "%d.%03d" % (value // parts, value % parts * (1000 // parts))
    while text.endswith("0") and not text.endswith(".0"):
        text = text[:-1]
    return text
