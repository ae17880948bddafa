"""`json` as MicroPython has it, where that differs from CPython's.

May import: the standard library. Source: extmod/modjson.c, py/objstr.c of MicroPython 1.23.
`dumps` leaves letters beyond ASCII as they are. `loads` takes commas and colons for white space,
does not ask whether brackets fit, and knows no NaN and no Infinity.
"""

from __future__ import annotations

import json
from typing import Any, cast

_SPACE = " \t\n\r,:"
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def dumps(obj: Any, *, separators: tuple[str, str] | None = None) -> str:
    """The object as text. TypeError for what has no JSON form (MicroPython would write its repr,
    which no reader takes)."""
    return json.dumps(
        obj, separators=separators or (", ", ": "), ensure_ascii=False, allow_nan=False
    )


def loads(text: Any) -> Any:
    """The object in a str or bytes. ValueError as MicroPython."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        text = bytes(cast(bytes, text)).decode()  # UnicodeError is a ValueError, there as here
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return _lenient(text)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _fail() -> ValueError:
    return ValueError("syntax error in JSON")


def _lenient(s: str) -> Any:
    """MicroPython's own way through a text that is not JSON."""
    none = object()
    stack: list[Any] = []
    top: Any = none
    in_list = False
    key: Any = none
    at = 0
    end = len(s)
    while at < end:
        char = s[at]
        at += 1
        if char in _SPACE:
            continue
        enter = False
        value: Any = None
        if char in "[{":
            value = cast(Any, [] if char == "[" else {})
            enter = True
        elif char in "]}":
            if top is none:
                raise _fail()
            if not stack:
                break
            top = stack.pop()
            in_list = type(top) is list
            continue
        else:
            value, at = _scalar(s, at - 1)
        if top is none:
            top = value
            in_list = char == "["
            if not enter:
                break
            continue
        if in_list:
            top.append(value)
        elif key is none:
            key = value
            if enter:
                raise _fail()
        else:
            top[key] = value
            key = none
        if enter:
            stack.append(top)
            top = value
            in_list = char == "["
    if s[at:].strip() or top is none or stack:
        raise _fail()
    return top


def _scalar(s: str, at: int) -> tuple[Any, int]:
    """The word, text or number that begins at `at`, and where it ends."""
    for word, value in (("null", None), ("true", True), ("false", False)):
        if s.startswith(word, at):
            return value, at + len(word)
    char = s[at]
    if char == '"':
        return _string(s, at + 1)
    if char != "-" and not char.isdigit():
        raise _fail()
    start, end = at, len(s)
    at += 1
    while at < end and (s[at] in ".eE+-" or s[at].isdigit()):
        at += 1
    number = s[start:at]
    return float(number) if any(c in ".eE" for c in number) else int(number), at


def _string(s: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    end = len(s)
    while at < end and s[at] != '"':
        char = s[at]
        if char == "\\":
            at += 1
            if at >= end:
                raise _fail()
            char = s[at]
            if char == "u":
                try:
                    char = chr(int(s[at + 1 : at + 5], 16))
                except ValueError:
                    raise _fail() from None
                at += 4
            else:
                char = _ESCAPES.get(char, char)
        out.append(char)
        at += 1
    if at >= end:
        raise _fail()
    return "".join(out), at + 1
