"""The coil's driver as a SPICE netlist made from the table of parts, and ngspice in batch mode.

Passive parts are taken with their drawn values. Semiconductors are models with the data sheet's
threshold, resistance, breakdown and capacitance; logic, comparators and the amplifier are functions
of their inputs with a delay. Not modelled: temperature inside a part, wires, the armature (the
coil's inductance stays), the switching supply. Imports the standard library and `parts`.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hw_sim.electrical.parts import PARTS, Part

MISSING = "ngspice is not installed. On Debian or Ubuntu: apt install ngspice"

# The driver from the fuse to the ADC's pin; what stands for the supplies and the pins is the trial.
DRIVER = (
    "R2 R3 R4 C2 Q1 R5 R6 D4 Q2 U4 R7 R8 Q3 U3 R9 R10 R11 R12 RCOIL LCOIL D5 D6 U5 R13 C3 "
    "U6 R14 R15 R16 R17 R18 R19 C4 R20 C5 D7 R21 R22"
).split()  # fmt: skip

# Spread of the semiconductors: lowest and highest of the data sheet. V, V, V, V, ohm.
SPREAD: dict[str, tuple[float, float]] = {
    "vth_q1": (1.0, 3.0),
    "vth_q2": (1.1, 2.1),
    "vth_q3": (1.0, 2.5),
    "vbr": (31.1, 34.4),  # SMBJ28A at 1 mA
    "logic": (0.8, 2.0),  # 74AHCT: VIL and VIH, the threshold lies between
    "v24": (22.8, 25.2),
    "v5": (4.9, 5.1),
    "v3": (3.2, 3.4),
    "leak_ua": (1.0, 120.0),  # RP2040: 1 uA; RP2350-E9: 120 uA
    "pin_pf": (10.0, 60.0),  # pin, gate and wire
    "bus_pf": (150.0, 400.0),  # Q1 and the E-stop's cable (2 m)
    "offset_uv": (-25.0, 25.0),  # INA240, and 20 times that at its output
    "comparator_mv": (-5.0, 5.0),  # TLV3202
}  # fmt: skip
_MODELS = """
.model dsch D(IS=1e-6 N=1.05 RS=0.05 CJO=150p)
.model dsmall D(IS=2e-7 N=1.05 RS=2 CJO=10p)
.model dbody D(IS=1e-12 RS=0.05 CJO=60p)
.model dz15 D(IS=1e-14 BV=15 IBV=5m RS=5 CJO=80p)
"""


class NgspiceMissing(RuntimeError):
    """ngspice is not installed; the message says how to get it."""


class NgspiceFailed(RuntimeError):
    """ngspice ended without the figures that were asked for; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One board out of the tolerances: a factor for each part, a value for each key of SPREAD."""

    factor: dict[str, float]
    spread: dict[str, float]

    def value(self, ref: str) -> float:
        """The part's value on this board, in its unit."""
        return PARTS[ref].value * self.factor[ref]


def draws(count: int, seed: int = 1) -> list[Draw]:
    """The nominal board, then `count - 1` others: by turns with each value at one end of its
    tolerance, and uniform within it. The same for the same seed."""
    chance = random.Random(seed)

    def pick(low: float, high: float, at_the_end: bool) -> float:
        return chance.choice((low, high)) if at_the_end else chance.uniform(low, high)

    middle = {key: (low + high) / 2 for key, (low, high) in SPREAD.items()}
    boards = [Draw(dict.fromkeys(PARTS, 1.0), middle)]
    for number in range(1, count):
        end = number % 2 == 1
        factor = {ref: 1 + p.tolerance * pick(-1, 1, end) for ref, p in PARTS.items()}
        spread = {key: pick(low, high, end) for key, (low, high) in SPREAD.items()}
        boards.append(Draw(factor, spread))
    return boards


def node(net: str) -> str:
    """The net's name in SPICE; ground is 0."""
    return "0" if net == "GND" else re.sub(r"\W", "_", net).lower()


def _pins(part: Part, *names: str) -> str:
    return " ".join(node(part.nets[name]) for name in names)


def _switch(part: Part, draw: Draw) -> list[str]:
    """A MOSFET: square law by threshold and on-resistance, its capacitances and body diode."""
    vth, slope, gate_pf = {
        "Q1": (-draw.spread["vth_q1"], 0.36, 210),  # 0.345 ohm at 10 V; Ciss 210 pF
        "Q2": (draw.spread["vth_q2"], 0.35, 35),
        "Q3": (draw.spread["vth_q3"], 1.6, 290),  # 0.235 ohm at 4.5 V; Ciss 290 pF
    }[part.ref]
    kind = "PMOS" if part.ref == "Q1" else "NMOS"
    gate, drain, source = (node(part.nets[pin]) for pin in "GDS")
    anode, cathode = (drain, source) if part.ref == "Q1" else (source, drain)
    ref = part.ref
    return [
        f"M{ref} {drain} {gate} {source} {source} m{ref} W=100u L=100u",
        f".model m{ref} {kind}(LEVEL=1 VTO={vth} KP={slope})",
        f"C{ref}GS {gate} {source} {gate_pf}p",
        f"C{ref}GD {gate} {drain} {gate_pf / 10}p",
        f"D{ref}B {anode} {cathode} dbody",
    ]


def _function(part: Part, draw: Draw) -> list[str]:
    """Logic, comparators and the amplifier: a function of the inputs, then a delay."""
    pin = {name: f"v({node(net)})" if net != "GND" else "0" for name, net in part.nets.items()}
    ref = part.ref
    if part.number.startswith("SN74AHCT"):
        level = draw.spread["logic"]
        # Without its supply it drives nothing above its supply; below 1 V the pull-down wins.
        both = "*".join(f"(0.5+0.5*tanh(20*({pin[name]}-{level})))" for name in "AB")
        out = node(part.nets["Y"])
        return [
            f"B{ref} {out}_x 0 V = {pin['VCC']}*{both}",
            f"R{ref}Y {out}_x {out} 50",
            f"C{ref}Y {out} 0 30p",
        ]
    if ref == "U6":
        lines: list[str] = []
        offset = draw.spread["comparator_mv"] * 1e-3
        for half in "12":
            plus, minus = pin[f"{half}+"], pin[f"{half}-"]
            name = node(part.nets[f"{half}OUT"])
            lines += [
                f"B{ref}_{half} {name}_x 0 V = {pin['VCC']}*"
                f"(0.5+0.5*tanh(3000*({plus}-{minus}+{offset})))",
                f"R{ref}_{half} {name}_x {name} 50",
                f"C{ref}_{half} {name} 0 1n",
            ]
        return lines
    # The amplifier reaches neither ground (10 mV) nor its supply (0.2 V); 400 kHz.
    gain = part.value * draw.factor[ref]
    signal = f"{gain}*({pin['IN+']}-{pin['IN-']}+{draw.spread['offset_uv']}*1e-6)"
    out = node(part.nets["OUT"])
    return [
        f"B{ref} {out}_x 0 V = min(max({signal},0.01),{pin['VS']}-0.2)",
        f"R{ref} {out}_x {out} 40",
        f"C{ref} {out} 0 10n",
    ]


def lines_of(part: Part, draw: Draw) -> list[str]:
    """The SPICE elements of one part on this board."""
    ref = part.ref
    if part.what in ("resistor", "shunt") or ref == "RCOIL":
        return [f"R{ref} {_pins(part, '1', '2')} {draw.value(ref):.6g}"]
    if part.what == "capacitor":
        return [f"C{ref} {_pins(part, '1', '2')} {draw.value(ref):.6g}"]
    if ref == "LCOIL":
        return [f"L{ref} {_pins(part, '1', '2')} {draw.value(ref):.6g}"]
    if part.what == "TVS diode":
        model = f"dtvs{ref}"
        breakdown = f"D(IS=1e-12 BV={draw.spread['vbr']} IBV=1m RS=0.8 CJO=400p)"
        return [f"D{ref} {_pins(part, 'A', 'K')} {model}", f".model {model} {breakdown}"]
    if part.what == "Zener diode":
        return [f"D{ref} {_pins(part, 'A', 'K')} dz15"]
    if part.what == "Schottky diode":
        model = "dsmall" if part.number == "BAT54" else "dsch"
        return [f"D{ref} {_pins(part, 'A', 'K')} {model}"]
    if "MOSFET" in part.what:
        return _switch(part, draw)
    return _function(part, draw)


def netlist(
    draw: Draw,
    stimuli: Iterable[str],
    refs: Iterable[str] = DRIVER,
    start: dict[str, float] | None = None,
) -> str:
    """A whole deck: the parts `refs` on this board, and the trial's `stimuli`. `start`: what a
    capacitor (V) or the coil (A) begins with; the trial then says `uic`."""
    lines = ["* Cryodose, made from hw_sim/electrical/parts.py", _MODELS]
    for ref in refs:
        first, *more = lines_of(PARTS[ref], draw)
        if start and ref in start:
            first += f" IC={start[ref]:g}"
        lines += [first, *more]
    lines += [*stimuli, ".options reltol=2e-3 abstol=1e-8 vntol=1e-5 method=gear", ".end"]
    return "\n".join(lines)


def fingerprint() -> str:
    """Changes with any value, tolerance or net of the table, and any spread."""
    rows = [(p.ref, p.value, p.tolerance, sorted(p.nets.items())) for p in PARTS.values()]
    return f"{zlib.crc32(repr((rows, sorted(SPREAD.items()))).encode()):08x}"


def available() -> bool:
    """Whether ngspice is installed."""
    return shutil.which("ngspice") is not None


_FIGURE = re.compile(r"^(\w+)\s+=\s+(\S+)", re.MULTILINE)


def _ngspice(deck: str, folder: str) -> subprocess.CompletedProcess[str]:
    if not available():
        raise NgspiceMissing(MISSING)
    path = Path(folder) / "deck.cir"
    path.write_text(deck, encoding="utf-8")
    return subprocess.run(
        ["ngspice", "-b", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
    )


def waveform(deck: str, what: str) -> tuple[list[float], list[float]]:
    """Run a deck and return times (s) and values of `what`, in SI units; both have one length."""
    control = f".control\nrun\nwrdata wave.txt {what}\n.endc\n.end"
    with tempfile.TemporaryDirectory() as folder:
        _ngspice(deck.removesuffix(".end") + control, folder)
        text = (Path(folder) / "wave.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines()]
    return [float(row[0]) for row in rows], [float(row[1]) for row in rows]


def run(deck: str, want: Iterable[str]) -> dict[str, float]:
    """Run a deck and return its measurements, in SI units. A measurement named `want` that ngspice
    could not take is an NgspiceFailed; no ngspice is an NgspiceMissing."""
    with tempfile.TemporaryDirectory() as folder:
        done = _ngspice(deck, folder)
    figures: dict[str, float] = {}
    for name, value in _FIGURE.findall(done.stdout):
        try:
            figures[name] = float(value)
        except ValueError:
            continue  # "failed", or a line that is no measurement
    lacking = set(want) - set(figures)
    if lacking:
        raise NgspiceFailed(f"no {sorted(lacking)}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return figures
