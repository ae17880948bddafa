"""Plots of a treatment report, as SVG text: valve and nozzle over time, times, depths.

Pure; imports the standard library only. The journal has readings at the beginnings and ends of
purges and freezes, not a curve: so there are points, and no line is drawn between them that was
not measured. Every text is escaped.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH = 680
_LEFT, _RIGHT = 74, 14
_INK, _QUIET, _GRID = "#1b2733", "#5b6b7a", "#d5dde4"
_FREEZE, _PURGE, _THAW, _LOST = "#1f5fa8", "#9db8d2", "#f0dfc0", "#b3261e"


def _text(x: float, y: float, words: object, *, anchor: str = "start", style: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(str(words))}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, ink: str = _GRID, extra: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}"{extra}/>'


def _rect(x: float, y: float, width: float, height: float, fill: str, extra: str = "") -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.8):.1f}" height="{height:.1f}" '
        f'fill="{fill}"{extra}/>'
    )


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f'<g font-size="11" fill="{_INK}">{"".join(parts)}</g></svg>'
    )


def _step(span: float, most: int = 8) -> float:
    """A round distance between marks, so that there are at most `most` of them."""
    for step in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600):
        if span / step <= most:
            return step
    return span / most


class _Axis:
    """Values to places along one direction."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start, self.end = low, start, end
        self.high = high if high != low else low + 1

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def marks(self, most: int = 8) -> list[float]:
        """Round values from `low` to `high`."""
        step = _step(self.high - self.low, most)
        first = -(-self.low // step) * step
        return [first + step * i for i in range(int((self.high - first) / step + 1e-6) + 1)]


def _value(entry: dict[str, Any], name: str) -> int | None:
    found = entry["fields"].get(name)
    return int(found["value"]) if found else None


class _Spans:
    """Openings of the valve, thaws and readings of the nozzle, in seconds from the first opening.

    Of one start of the device only: the uptime begins again with the next.
    """

    def __init__(
        self, records: Sequence[dict[str, Any]], freezes: Sequence[dict[str, Any]]
    ) -> None:
        self.opened: list[tuple[float, float, str, str]] = []
        """Begin, end, kind (prechill, freeze, lost) and label."""
        self.nozzle: list[tuple[float, float, str]] = []
        self.thaws: list[tuple[float, float]] = []
        self._freezes = {freeze["begin_seq"]: freeze for freeze in freezes}
        begins = [one for one in records if one["kind"] in ("prechill_begin", "freeze_begin")]
        if begins:
            here = [one for one in records if one["boot"] == begins[-1]["boot"]]
            zero_ms = next(one["uptime_ms"] for one in here if one in begins)
            begun_s = 0.0
            for one in here:
                at_s = (one["uptime_ms"] - zero_ms) / 1000
                if one in begins:
                    begun_s = at_s
                    self._begin(one, at_s)
                elif one["kind"] in ("prechill_end", "freeze_end"):
                    self._end(one, begun_s)
                elif one["kind"] == "thaw":
                    self.thaws.append((at_s - (_value(one, "thawed") or 0) / 1000, at_s))
        ends = [end for _, end, *_ in self.opened] + [end for _, end in self.thaws]
        self.end_s = max([1.0, *ends])

    def _begin(self, entry: dict[str, Any], at_s: float) -> None:
        c_x100 = _value(entry, "nozzle")
        if c_x100 is not None:
            self.nozzle.append((at_s, c_x100 / 100, "at the beginning"))
        freeze = self._freezes.get(entry["seq"])
        if freeze is not None and freeze["delivered_us"] is None:
            most_s = (freeze["most_us"] or freeze["planned_us"] or 0) / 1e6
            self.opened.append((at_s, at_s + most_s, "lost", f"cycle {freeze['cycle']}"))

    def _end(self, entry: dict[str, Any], begun_s: float) -> None:
        kind = entry["kind"].removesuffix("_end")
        end_s = begun_s + (_value(entry, "delivered_gate") or 0) / 1e6
        name = "purge" if kind == "prechill" else f"cycle {_value(entry, 'cycle')}"
        self.opened.append((begun_s, end_s, kind, name))
        c_x100 = _value(entry, "nozzle_min")
        if c_x100 is not None and end_s > begun_s:
            self.nozzle.append((end_s, c_x100 / 100, "lowest while open"))


def course(records: Sequence[dict[str, Any]], freezes: Sequence[dict[str, Any]]) -> str:
    """Valve and nozzle over time. Empty when nothing was opened."""
    found = _Spans(records, freezes)
    if not found.opened:
        return ""
    x = _Axis(0, found.end_s * 1.02, _LEFT, WIDTH - _RIGHT)
    coldest = min((c for _, c, _ in found.nozzle), default=-196.0)
    y = _Axis(30, min(-200.0, coldest), 66, 166)
    parts = [_text(0, 42, "Valve open"), _text(0, 76, "Nozzle, °C")]
    for mark in x.marks():
        parts += [
            _line(x(mark), 22, x(mark), 166),
            _text(x(mark), 180, f"{mark:g}", anchor="middle", style=f' fill="{_QUIET}"'),
        ]
    for celsius in (0, -50, -100, -150, -196):
        parts += [
            _line(_LEFT, y(celsius), WIDTH - _RIGHT, y(celsius)),
            _text(_LEFT - 6, y(celsius) + 4, celsius, anchor="end", style=f' fill="{_QUIET}"'),
        ]
    for start, end in found.thaws:
        parts.append(_rect(x(start), 26, x(end) - x(start), 24, _THAW))
        if x(end) - x(start) > 60:
            parts.append(_text((x(start) + x(end)) / 2, 42, "thaw", anchor="middle"))
    for start, end, kind, name in found.opened:
        width = x(end) - x(start)
        if kind == "lost":
            dash = f' stroke="{_LOST}" stroke-dasharray="4 3"'
            parts.append(_rect(x(start), 26, width, 24, "none", dash))
        else:
            parts.append(_rect(x(start), 26, width, 24, _PURGE if kind == "prechill" else _FREEZE))
        label = f"{name} {end - start:.1f} s" + (" at most" if kind == "lost" else "")
        place = min(max((x(start) + x(end)) / 2, _LEFT + 34), WIDTH - _RIGHT - 40)
        if kind != "prechill" or width > 40:
            parts.append(_text(place, 18, label if width > 70 else name, anchor="middle"))
    for at_s, celsius, what in found.nozzle:
        fill = _FREEZE if what.startswith("lowest") else "white"
        parts.append(
            f'<circle cx="{x(at_s):.1f}" cy="{y(celsius):.1f}" r="3.5" fill="{fill}" '
            f'stroke="{_FREEZE}"/>'
        )
    words = (
        "seconds from the first opening; light: purge, dark: freeze; nozzle: ○ when it opens, "
        "● lowest while open"
    )
    parts.append(_text(_LEFT, 196, words, style=f' fill="{_QUIET}"'))
    return _svg(202, "Valve and nozzle over time", parts)


def times(freezes: Sequence[dict[str, Any]]) -> str:
    """Planned and delivered time of flow of each freeze."""
    if not freezes:
        return ""
    most_s = max(
        max((f["dose_ms"] or 0), f["delivered_ms"], (f["most_us"] or 0) / 1000) / 1000
        for f in freezes
    )
    x = _Axis(0, max(most_s, 1) * 1.25, _LEFT, WIDTH - _RIGHT)
    bottom = 8 + 34 * len(freezes)
    parts: list[str] = []
    for mark in x.marks():
        parts += [
            _line(x(mark), 4, x(mark), bottom),
            _text(x(mark), bottom + 14, f"{mark:g}", anchor="middle", style=f' fill="{_QUIET}"'),
        ]
    for place, freeze in enumerate(freezes):
        top = 8 + 34 * place
        planned_s, given_s = (freeze["dose_ms"] or 0) / 1000, freeze["delivered_ms"] / 1000
        outline = f' stroke="{_INK}" stroke-dasharray="3 2"'
        parts.append(_text(0, top + 16, f"Cycle {freeze['cycle']}"))
        if freeze["delivered_us"] is not None:
            parts.append(_rect(x(0), top + 5, x(given_s) - x(0), 14, _FREEZE))
            words = f"{given_s:.1f} of {planned_s:.1f} s"
        else:
            least, most = ((freeze[key] or 0) / 1e6 for key in ("least_us", "most_us"))
            lost = f' stroke="{_LOST}" stroke-dasharray="4 3"'
            parts.append(_rect(x(least), top + 5, x(most) - x(least), 14, "none", lost))
            words = f"{least:.1f} to {most:.1f} of {planned_s:.1f} s"
        parts.append(_rect(x(0), top + 1, x(planned_s) - x(0), 22, "none", outline))
        end = max(x(planned_s), x(given_s), x((freeze["most_us"] or 0) / 1e6))
        parts.append(_text(end + 6, top + 16, words))
    words = "seconds of flow; dashed: planned, filled: delivered"
    parts.append(_text(_LEFT, bottom + 30, words, style=f' fill="{_QUIET}"'))
    return _svg(bottom + 36, "Planned and delivered time", parts)


def depths(freezes: Sequence[dict[str, Any]], depth_um: int | None, plan_um: int | None) -> str:
    """Estimated depth of each freeze, with its spread, beside lesion and plan."""
    known = [freeze for freeze in freezes if freeze["estimate_um"] is not None]
    if not known:
        return ""
    deepest = max(
        [(f["estimate_um"] + (f["estimate_spread_um"] or 0)) / 1000 for f in known]
        + [(depth_um or 0) / 1000, (plan_um or 0) / 1000]
    )
    y = _Axis(0, deepest * 1.1, 12, 118)
    parts: list[str] = [_text(0, 16, "mm", style=f' fill="{_QUIET}"')]
    for mark in y.marks(6):
        parts += [
            _line(_LEFT, y(mark), WIDTH - _RIGHT, y(mark)),
            _text(_LEFT - 6, y(mark) + 4, f"{mark:g}", anchor="end", style=f' fill="{_QUIET}"'),
        ]
    lines = [(depth_um, "lesion", _INK), (plan_um, "plan", _FREEZE)]
    if depth_um == plan_um:
        lines = [(plan_um, "lesion and plan", _FREEZE)]
    for um, name, ink in lines:
        if um:
            level = y(um / 1000)
            parts.append(_line(_LEFT, level, WIDTH - _RIGHT, level, ink, ' stroke-dasharray="6 3"'))
            words = f"{name} {um / 1000:g} mm"
            above = name != "plan"
            parts.append(_text(WIDTH - _RIGHT, level + (-4 if above else 13), words, anchor="end"))
    pitch = min(90.0, (WIDTH - _LEFT - _RIGHT - 130) / len(known))
    for place, freeze in enumerate(known):
        left = _LEFT + 20 + pitch * place
        estimate, spread = (
            (freeze[key] or 0) / 1000 for key in ("estimate_um", "estimate_spread_um")
        )
        middle = left + 13
        parts.append(_rect(left, y(0), 26, y(estimate) - y(0), _PURGE))
        parts.append(
            _line(middle, y(max(estimate - spread, 0)), middle, y(estimate + spread), _INK)
        )
        for end in (max(estimate - spread, 0), estimate + spread):
            parts.append(_line(middle - 5, y(end), middle + 5, y(end), _INK))
        words = f"{estimate:.2f} ± {spread:.2f}"
        parts.append(_text(middle, 134, f"cycle {freeze['cycle']}", anchor="middle"))
        parts.append(_text(middle, 148, words, anchor="middle", style=f' fill="{_QUIET}"'))
    return _svg(153, "Estimated depth", parts)
