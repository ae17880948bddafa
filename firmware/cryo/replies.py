"""Replies to requests on the link, and the type check of their values.

Imports nothing. Controls: H-13 (a refusal gives the reason and the permitted range).
"""


def ok(**fields):
    """An `ok` reply."""
    return {"ok": fields}


def refusal(code, text):
    """An `err` reply."""
    return {"err": {"code": code, "text": text}}


def out_of(low, high, unit, text):
    """The refusal of a value outside low...high."""
    return {"err": {"code": "range", "text": text, "min": low, "max": high, "unit": unit}}


def is_integer(value):
    """Whether a value of a request is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)
