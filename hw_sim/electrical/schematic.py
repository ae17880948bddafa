"""Draws docs/schematic-*.svg from the table of parts: three sheets, each part once.

Values and numbers come from the table; only the places are here. May import the standard library,
schemdraw (lazily), and of this package `parts`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from hw_sim.electrical.parts import PARTS

_TWO_POLES = {
    "resistor": "ResistorIEC",
    "shunt": "ResistorIEC",
    "capacitor": "Capacitor",
    "coil": "Inductor",
    "fuse": "FuseIEC",
    "Schottky diode": "Schottky",
    "TVS diode": "Zener",
    "Zener diode": "Zener",
    "LED": "LED",
    "button": "Button",
    "sounder": "Speaker",
    "double Schottky diode": "Schottky",
}
SMALL = 9.5
INK, SOFT = "#16202b", "#2b6a93"


class Sheet:
    """A drawing, and which parts it shows. Coordinates are schemdraw's units."""

    def __init__(self, backend: str) -> None:
        schemdraw: Any = import_module("schemdraw")
        schemdraw.use(backend)
        self.elements: Any = import_module("schemdraw.elements")
        self.logic: Any = import_module("schemdraw.logic")
        if backend == "svg":
            schemdraw.svgconfig.text = "text"
        self.drawing: Any = schemdraw.Drawing(show=False)
        self.drawing.config(fontsize=SMALL, lw=1.1, color=INK, font="DejaVu Sans", bgcolor="white")
        self.refs: list[str] = []

    def caption(self, ref: str) -> str:
        """Reference and value; the part now counts as drawn."""
        self.refs.append(ref)
        part = PARTS[ref]
        return f"{ref}\n{part.shown}"

    def add(self, element: Any) -> Any:
        """Put an element on the sheet and return it."""
        self.drawing.add(element)
        return element

    def part(
        self, ref: str, a: tuple[float, float], b: tuple[float, float], side: str = ""
    ) -> None:
        """A two-pole part from its first pin (or anode) to its second (or cathode); its words stand
        above it, or at its right, unless `side` says "below" or "left"."""
        what = "resistor" if ref == "RCOIL" else PARTS[ref].what
        self.add(getattr(self.elements, _TWO_POLES[what])().endpoints(a, b))
        x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        if a[0] == b[0]:
            at, halign = ((x - 0.55, y), "right") if side == "left" else ((x + 0.45, y), "left")
        else:
            away = 1.05 if what in ("LED", "button") else 0.75
            at, halign = (x, y - away if side == "below" else y + away), "center"
        self.words(self.caption(ref), at, halign)

    def words(self, text: str, at: tuple[float, float], halign: str = "left", **more: Any) -> None:
        """Words on the sheet."""
        options = {"fontsize": SMALL, "halign": halign, "valign": "center", "loc": "center", **more}
        self.add(self.elements.Label().right().at(at).label(text, **options))

    def wire(self, *points: tuple[float, float]) -> None:
        """A line through all points."""
        for a, b in zip(points, points[1:], strict=False):
            self.add(self.elements.Line().endpoints(a, b))

    def dot(self, *points: tuple[float, float]) -> None:
        """Junctions."""
        for point in points:
            self.add(self.elements.Dot(radius=0.06).at(point))

    def ground(self, *points: tuple[float, float]) -> None:
        """Ground below each point."""
        for point in points:
            self.add(self.elements.Ground().right().at(point))

    def rail(self, net: str, point: tuple[float, float]) -> None:
        """A supply above the point."""
        self.add(self.elements.Vdd().right().at(point).color(SOFT))
        x, y = point
        self.words(net, (x, y + 0.65), "center", color=SOFT)

    def tag(self, net: str, point: tuple[float, float], left: bool = False) -> None:
        """A net's name beside the end of a wire: its other end is where the same name stands."""
        number = next((gp for gp, name in PARTS["A1"].nets.items() if name == net), "")
        text = f"{net} · {number}" if number.startswith("GP") else net
        text = {"GND": "0 V", "V3V3": "3.3 V", "V5": "5 V"}.get(text, text)
        x, y = point
        at = (x - 0.12 if left else x + 0.12, y)
        self.words(text, at, "right" if left else "left", color=SOFT)

    def box(
        self, ref: str, corner: tuple[float, float], width: float, left: str, right: str = ""
    ) -> dict[str, tuple[float, float]]:
        """An IC or connector as a box with its pins, top down, at 0.8 a pin; each pin's net is
        written at its end, unless the pin is marked with "!". Returns the pins' ends."""
        x, y = corner
        lefts, rights = left.split(), right.split()
        height = 0.8 * max(len(lefts), len(rights)) + 0.5
        self.add(self.elements.Rect(corner1=(0, 0), corner2=(width, -height)).right().at((x, y)))
        self.words(self.caption(ref).replace("\n", "  "), (x, y + 0.32))
        nets = PARTS[ref].nets
        ends: dict[str, tuple[float, float]] = {}
        for names, at, out in ((lefts, x, -0.7), (rights, x + width, 0.7)):
            for i, marked in enumerate(names):
                name = marked.rstrip("!")
                level = y - 0.65 - 0.8 * i
                ends[name] = (at + out, level)
                self.wire((at, level), ends[name])
                halign = "left" if out < 0 else "right"
                self.words(name, (at - out * 0.2, level), halign, fontsize=SMALL - 1.5)
                if not marked.endswith("!"):
                    self.tag(nets[name], ends[name], out < 0)
        return ends

    def gate(
        self, ref: str, out: tuple[float, float]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """An AND gate with its output at `out`; returns its two inputs."""
        self.add(self.logic.And(inputs=2).right().anchor("out").at(out))
        x, y = out
        self.words(self.caption(ref).replace("\n", "  "), (x - 1.85, y + 0.85))
        return (x - 1.85, y + 0.25), (x - 1.85, y - 0.25)

    def amplifier(self, ref: str, out: tuple[float, float], plus_above: bool) -> Any:
        """A triangle with its output at `out`; returns the ends of + and -. A part of two has its
        caption at the first only."""
        element = self.elements.Opamp(leads=False).right()
        if plus_above:
            element = element.flip()
        self.add(element.anchor("out").at(out))
        x, y = out
        words = ref + "b" if ref in self.refs else self.caption(ref)
        self.words(words, (x - 1.0, y + 1.15))
        above, below = (x - 2.165, y + 0.625), (x - 2.165, y - 0.625)
        return (above, below) if plus_above else (below, above)

    def mosfet(self, ref: str, drain: tuple[float, float]) -> Any:
        """A MOSFET with its gate to the left; the source of N is below, of P above its drain.
        Returns the ends of gate and source."""
        p_channel = PARTS[ref].what.startswith("P")
        kind = self.elements.PFet if p_channel else self.elements.NFet
        self.add(kind().right().reverse().anchor("drain").at(drain))
        x, y = drain
        up = 1 if p_channel else -1
        self.words(self.caption(ref), (x + 0.3, y + 0.75 * up))
        return (x - 1.37, y + 0.75 * up), (x, y + 1.5 * up)


def driver(backend: str = "svg") -> Sheet:
    """Sheet 1: from the 24 V to the coil and back, and how the current is measured."""
    s = Sheet(backend)
    bus = 19.0
    s.words("1  Coil driver", (-1.5, 21.2), fontsize=15)
    _estop(s, bus)
    _high_side(s, bus)
    # shunt and coil
    s.wire((19, 15.5), (19, 14.4))
    s.part("R12", (19, 14.4), (19, 12.0))
    s.part("D5", (16.4, 12.2), (16.4, 14.4), "left")
    s.ground((16.4, 12.2))
    s.wire((16.4, 14.4), (22.2, 14.4), (22.2, 13.825), (22.8, 13.825))
    s.wire((19, 12.0), (22.2, 12.0), (22.2, 12.575), (22.8, 12.575))
    s.wire((19, 12.0), (19, 11.2))
    s.part("RCOIL", (19, 11.2), (19, 9.2))
    s.part("LCOIL", (19, 9.2), (19, 7.0))
    frame = s.elements.Rect(corner1=(0, 0), corner2=(3.4, -4.4)).right().at((17.6, 11.3))
    s.add(frame.linestyle("--").color(SOFT))
    s.words(s.caption("J3"), (17.4, 9.1), "right")
    s.wire((19, 7.0), (19, 6.2))
    _low_side(s)
    s.dot((19, 6.4), (19, 14.4), (19, 12.0))
    # current
    s.amplifier("U5", (24.965, 13.2), plus_above=True)
    s.wire((24.965, 13.2), (25.6, 13.2), (25.6, 12.0))
    s.tag("ISENSE", (25.6, 12.0))
    s.part("R13", (25.6, 13.2), (28.4, 13.2))
    s.part("C3", (28.4, 13.2), (28.4, 11.0))
    s.ground((28.4, 11.0))
    s.dot((25.6, 13.2), (28.4, 13.2))
    s.wire((28.4, 13.2), (29.0, 13.2))
    s.tag("COIL", (29.0, 13.2))
    s.words("1.000 mV per mA, while it free-wheels too", (23.2, 15.4))
    s.words("U3, U4 at 5 V; U5 at 3.3 V", (0.6, 1.6), color=SOFT)
    return s


def _estop(s: Sheet, bus: float) -> None:
    s.tag("V24F", (1.0, bus), left=True)
    s.wire((1.0, bus), (2.6, bus))
    s.add(s.elements.Button(nc=True).endpoints((2.6, bus), (5.2, bus)))
    s.words(s.caption("J2").replace("\n", "  ") + ", latching, normally closed", (1.6, bus + 0.9))
    s.wire((5.2, bus), (19, bus), (19, 17.0))
    s.words("V24S: behind the contact nothing stores energy", (8.4, bus + 0.4))
    s.part("R2", (7, bus), (7, 16.2))
    s.part("R3", (7, 16.2), (7, 13.6))
    s.part("R4", (7, 16.2), (3.9, 16.2))
    s.wire((3.9, 16.2), (1.0, 16.2))
    s.tag("E-STOP", (1.0, 16.2), left=True)
    s.part("C2", (4.4, 16.2), (4.4, 13.6))
    s.part("D3", (2.4, 13.6), (2.4, 16.2), "left")
    s.add(s.elements.Schottky().endpoints((2.4, 16.2), (2.4, 17.9)))
    s.rail("3.3 V", (2.4, 17.9))
    s.ground((7, 13.6), (4.4, 13.6), (2.4, 13.6))
    s.dot((7, bus), (7, 16.2), (4.4, 16.2), (2.4, 16.2))


def _high_side(s: Sheet, bus: float) -> None:
    gate, _ = s.mosfet("Q1", (19, 15.5))
    level = gate[1]
    s.wire(gate, (12.5, level))
    s.part("R5", (13.6, level), (13.6, bus))
    s.part("D4", (16.0, level), (16.0, bus))
    s.dot((13.6, bus), (16.0, bus), (13.6, level), (16.0, level))
    s.part("R6", (12.5, level), (12.5, 12.2))
    gate, source = s.mosfet("Q2", (12.5, 12.2))
    s.ground(source)
    level = gate[1]
    s.wire((7.6, level), gate)
    s.part("R7", (9.9, level), (9.9, level - 2.4))
    s.ground((9.9, level - 2.4))
    one, two = s.gate("U4", (7.6, level))
    s.tag("HL", (8.3, level + 0.35))
    s.wire(one, (1.0, one[1]))
    s.tag("VALVE_SUPPLY", (1.0, one[1]), left=True)
    s.part("R8", (2.4, one[1]), (2.4, one[1] - 2.4), "left")
    s.ground((2.4, one[1] - 2.4))
    s.dot((9.9, level), (2.4, one[1]))
    s.wire(two, (4.6, two[1]))
    s.tag("CHOP", (4.6, two[1]), left=True)


def _low_side(s: Sheet) -> None:
    gate, source = s.mosfet("Q3", (19, 6.2))
    s.ground(source)
    s.wire((19, 6.4), (22.4, 6.4), (22.4, 6.2))
    s.part("D6", (22.4, 4.2), (22.4, 6.2))
    s.ground((22.4, 4.2))
    level = gate[1]
    s.wire((14.4, level), gate)
    s.part("R10", (15.6, level), (15.6, level - 2.4))
    s.ground((15.6, level - 2.4))
    s.part("R9", (11.6, level), (14.4, level))
    s.wire((7.6, level), (11.6, level))
    s.wire((10.2, level), (10.2, level - 1.2))
    s.tag("LO", (10.2, level - 1.2))
    one, two = s.gate("U3", (7.6, level))
    s.wire(one, (1.0, one[1]))
    s.tag("VALVE_GATE", (1.0, one[1]), left=True)
    s.part("R11", (2.4, one[1]), (2.4, one[1] - 2.4), "left")
    s.ground((2.4, one[1] - 2.4))
    s.dot((15.6, level), (10.2, level), (2.4, one[1]))
    s.wire(two, (4.6, two[1]))
    s.tag("RUN", (4.6, two[1]), left=True)


def supply(backend: str = "svg") -> Sheet:
    """Sheet 2: the supplies, their supervision, and the regulator of the coil's current."""
    s = Sheet(backend)
    s.words("2  Supply and supervision", (-1.5, 19.4), fontsize=15)
    top = 16.0
    s.box("J1", (-1.0, top + 0.65), 1.6, "", "1! 2!")
    s.part("F1", (1.3, top), (4.0, top))
    s.wire((1.3, top - 0.8), (1.3, top - 1.2))
    s.ground((1.3, top - 1.2))
    s.part("D1", (4.4, top - 2.6), (4.4, top), "left")
    s.part("C1", (6.4, top), (6.4, top - 2.6))
    s.ground((4.4, top - 2.6), (6.4, top - 2.6))
    s.wire((4.0, top), (9.6, top))
    s.dot((4.4, top), (6.4, top), (8.6, top))
    s.wire((8.6, top), (8.6, top + 0.9))
    s.tag("V24F", (8.6, top + 0.9))
    s.box("U1", (10.3, top + 0.65), 3.0, "VIN! GND", "VOUT!")
    s.part("D2", (15.2, top), (18.0, top))
    s.wire((14.0, top), (15.2, top))
    s.wire((14.6, top), (14.6, top + 0.9))
    s.tag("V5", (14.6, top + 0.9))
    s.dot((14.6, top))
    s.wire((18.0, top), (18.6, top))
    s.tag("VSYS", (18.6, top))
    for ref, x, net in (("C9", 15.4, "5 V"), ("C10", 18.2, "5 V"), ("C11", 21.4, "3.3 V")):
        s.rail(net, (x, 13.6))
        s.part(ref, (x, 13.6), (x, 11.6))
        s.ground((x, 11.6))
    ends = s.box("U2", (23.0, top + 0.65), 3.0, "VDD GND", "RESET!")
    x, y = ends["RESET"]
    s.wire((x, y), (x + 2.4, y))
    s.part("R1", (x + 1.0, y), (x + 1.0, y + 2.2))
    s.rail("3.3 V", (x + 1.0, y + 2.2))
    s.dot((x + 1.0, y))
    s.tag("RUN", (x + 2.4, y))
    _regulator(s)
    return s


def _regulator(s: Sheet) -> None:
    s.words("Regulator of the coil's current: hold 350 mA, for the first 20 ms 1200 mA",
            (-1.5, 11.2), fontsize=15)  # fmt: skip
    # timer
    s.tag("LO", (0.6, 6.0), left=True)
    s.wire((0.6, 6.0), (1.2, 6.0))
    s.part("R20", (1.2, 6.0), (4.0, 6.0))
    s.wire((1.2, 6.0), (1.2, 7.9))
    s.part("D7", (4.0, 7.9), (1.2, 7.9))
    s.wire((4.0, 7.9), (4.0, 6.0))
    s.part("C5", (4.0, 6.0), (4.0, 3.6))
    s.ground((4.0, 3.6))
    plus, minus = s.amplifier("U6", (10.0, 6.625), plus_above=True)
    s.wire((4.0, 6.0), minus)
    s.part("R21", (5.9, 7.25), (5.9, 9.4))
    s.rail("5 V", (5.9, 9.4))
    s.wire((5.9, 7.25), plus)
    s.part("R22", (5.9, 5.2), (5.9, 2.9))
    s.wire((5.9, 7.25), (5.9, 5.2))
    s.ground((5.9, 2.9))
    s.words("PEAK: high\nfor 20 ms", (10.2, 5.7), color=SOFT)
    s.words("U6 at 5 V", (6.6, 1.6), color=SOFT)
    # limits
    s.part("R16", (11.2, 6.625), (14.4, 6.625))
    s.wire((10.0, 6.625), (11.2, 6.625))
    s.part("R14", (14.4, 6.625), (14.4, 9.0))
    s.rail("3.3 V", (14.4, 9.0))
    s.part("R15", (14.4, 6.625), (14.4, 4.2))
    s.ground((14.4, 4.2))
    s.part("R17", (15.6, 6.625), (18.4, 6.625))
    s.wire((14.4, 6.625), (15.6, 6.625))
    s.wire((18.4, 6.625), (20.4, 6.625))
    plus, minus = s.amplifier("U6", (22.565, 6.0), plus_above=True)
    s.wire((18.9, 6.625), (18.9, 8.9))
    s.part("R18", (18.9, 8.9), (24.2, 8.9))
    s.wire((24.2, 8.9), (24.2, 6.0))
    s.wire((22.565, 6.0), (25.0, 6.0))
    s.tag("CHOP", (25.0, 6.0))
    s.part("R19", (15.8, 2.8), (18.4, 2.8))
    s.tag("ISENSE", (15.8, 2.8), left=True)
    s.wire((18.4, 2.8), (19.2, 2.8), (19.2, minus[1]), minus)
    s.part("C4", (19.2, 2.8), (19.2, 0.8))
    s.ground((19.2, 0.8))
    s.dot((1.2, 6.0), (4.0, 6.0), (5.9, 7.25), (14.4, 6.625), (18.9, 6.625), (24.2, 6.0),
          (19.2, 2.8))  # fmt: skip


def panel(backend: str = "svg") -> Sheet:
    """Sheet 3: the processor's board, the sensors and the panel."""
    s = Sheet(backend)
    s.words("3  Processor, sensors, panel", (-1.5, 21.4), fontsize=15)
    nets = PARTS["A1"].nets
    pins = [name for name in nets if name.startswith("GP")]
    half = (len(pins) + 1) // 2
    s.box("A1", (3.4, 19.6), 4.2, " ".join([*pins[:half], "RUN"]),
          " ".join([*pins[half:], "VSYS", "3V3", "GND"]))  # fmt: skip
    _analog(s)
    s.box("J6", (15.6, 8.2), 1.6, "", "1! 2!")
    s.wire((17.9, 7.55), (21.3, 7.55))
    s.wire((17.9, 6.75), (21.3, 6.75))
    s.box("U8", (22.0, 8.2), 3.4, "T+! T-! AVDD DVDD GND", "SDO SDI SCK CS")
    s.wire((19.6, 7.55), (19.6, 5.6))
    s.wire((20.4, 6.75), (20.4, 5.6))
    s.wire((19.6, 5.6), (19.6, 4.6))
    s.part("C8", (19.6, 4.6), (20.4, 4.6), "below")
    s.wire((20.4, 5.6), (20.4, 4.6))
    s.dot((19.6, 7.55), (20.4, 6.75))
    s.words("U7 at 3.3 V", (19.0, 9.6), color=SOFT)
    _bus(s)
    _keys(s)
    return s


def _analog(s: Sheet) -> None:
    for ref, y, net in (("J4", 18.4, "PRESSURE"), ("J5", 12.8, "LEVEL")):
        s.box(ref, (13.6, y + 1.45), 1.6, "", "1 2! 3")
        first = ref == "J4"
        if first:
            s.part("R23", (15.9, y), (18.2, y))
        else:
            s.wire((15.9, y), (18.2, y))
        s.part("R24" if first else "R25", (18.2, y), (18.2, y - 2.2))
        s.ground((18.2, y - 2.2))
        s.dot((18.2, y))
        out = (22.6, y - 0.625)
        plus, minus = s.amplifier("U7", out, plus_above=True)
        s.wire((18.2, y), plus)
        back, under = minus[0] - 0.4, y - 2.1
        s.wire(minus, (back, minus[1]), (back, under), (out[0] + 0.5, under))
        s.wire((out[0] + 0.5, under), (out[0] + 0.5, out[1]), out)
        resistor, capacitor = ("R26", "C6") if first else ("R27", "C7")
        s.part(resistor, (23.6, out[1]), (26.4, out[1]))
        s.wire((23.1, out[1]), (23.6, out[1]))
        s.part(capacitor, (26.4, out[1]), (26.4, out[1] - 2.2))
        s.ground((26.4, out[1] - 2.2))
        s.wire((26.4, out[1]), (27.0, out[1]))
        s.tag(net, (27.0, out[1]))
        s.dot((26.4, out[1]), (23.1, out[1]))


def _bus(s: Sheet) -> None:
    s.box("J7", (3.4, 6.8), 1.9, "1 2 3 4")
    s.box("U9", (8.4, 6.8), 1.9, "VCC SDA SCL GND")
    s.box("U10", (13.4, 4.4), 2.2, "VDD SDA SCL GND")
    for ref, x, net in (("R28", 4.2, "SDA"), ("R29", 7.4, "SCL")):
        s.part(ref, (x, -0.4), (x, 1.6))
        s.rail("3.3 V", (x, 1.6))
        s.wire((x, -0.4), (x, -1.0))
        s.tag(net, (x, -1.0))


def _keys(s: Sheet) -> None:
    s.box("D8", (3.4, -3.4), 3.0, "1 2 3 GND", "4 5")
    for i, net in enumerate(("TRIGGER", "UP", "DOWN", "SELECT", "ARM"), 1):
        y = -1.4 - 1.7 * (i - 1)
        s.part(f"S{i}", (14.4, y), (16.8, y))
        s.tag(net, (14.4, y), left=True)
        s.wire((16.8, y), (17.6, y))
        s.dot((17.6, y))
    s.wire((17.6, -1.4), (17.6, -8.6))
    s.ground((17.6, -8.6))
    for i, net in enumerate(("LED_GREEN", "LED_YELLOW", "LED_RED")):
        y = 1.4 - 1.9 * i
        s.tag(net, (23.6, y), left=True)
        s.part(f"R{31 + i}", (23.6, y), (25.8, y))
        s.part(f"LED{i + 1}", (25.8, y), (28.0, y))
        s.wire((28.0, y), (28.6, y))
        s.dot((28.6, y))
    s.wire((28.6, 1.4), (28.6, -2.6))
    s.ground((28.6, -2.6))
    s.tag("BUZZER", (21.6, -7.0), left=True)
    s.part("R30", (21.6, -7.0), (23.8, -7.0))
    gate, source = s.mosfet("Q4", (25.6, -6.25))
    s.wire((23.8, -7.0), gate)
    s.ground(source)
    s.wire((25.6, -6.25), (25.6, -5.9), (27.6, -5.9))
    s.part("D9", (25.6, -5.9), (25.6, -4.0), "left")
    s.add(s.elements.RBox().endpoints((27.6, -5.9), (27.6, -4.0)))
    s.words(s.caption("LS1"), (28.1, -4.95))
    s.wire((25.6, -4.0), (27.6, -4.0))
    s.rail("5 V", (26.6, -4.0))
    s.dot((25.6, -5.9), (26.6, -4.0))


SHEETS = {"driver": driver, "supply": supply, "panel": panel}


def draw(folder: Path) -> list[str]:
    """Write the sheets as schematic-*.svg into `folder`; returns the references that they show."""
    refs: list[str] = []
    for name, sheet in SHEETS.items():
        made = sheet()
        made.drawing.save(str(folder / f"schematic-{name}.svg"))
        refs += made.refs
    return refs
