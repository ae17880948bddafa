"""Writes docs/electrical.md (what the simulated circuit keeps, with its margins) and docs/bom.md.

Imports the standard library, and of this package `circuits`, `parts` and `trials`.
"""

from __future__ import annotations

from hw_sim.electrical.circuits import SPREAD, fingerprint
from hw_sim.electrical.parts import SECTIONS, Part
from hw_sim.electrical.trials import CLAIMS, Claim, Figures

NEEDED = 2.0
_SPREAD_WORDS = {
    "vth_q1": "threshold of Q1, V",
    "vth_q2": "threshold of Q2, V",
    "vth_q3": "threshold of Q3, V",
    "vbr": "breakdown of D6, V",
    "logic": "threshold of U3 and U4, V",
    "v24": "supply of the coil, V",
    "v5": "5 V, V",
    "v3": "3.3 V, V",
    "leak_ua": "leakage into a pin, µA (RP2040 … RP2350-E9)",
    "pin_pf": "capacitance of a pin and its wire, pF",
    "bus_pf": "capacitance of the E-stop's cable and Q1, pF",
    "offset_uv": "offset of U5's input, µV",
    "comparator_mv": "offset of U6, mV",
}
_HEAD = """# The circuit, simulated

Written by `make electrical`; do not edit. Parts {fingerprint}.

What safety rests on, outside the program, as ngspice finds it: {boards} boards within the
tolerances of [bom.md](bom.md) (fixed seed; the nominal one, then by turns one with each value at
one end of its tolerance and one within). **All of this is simulated. No board has been built, and
the valve's coil is assumed** (8 Ω ± 20 %, 24 mH ± 30 %, 1.2 A to open, 0.35 A to hold); measure
it on the real valve.

The margin is how many times the worst board keeps its limit; {needed:g} is asked for.

| claim | nominal | worst | limit | margin | hazard | where the limit comes from |
|---|---|---|---|---|---|---|
"""
_FOOT = """
Other figures of the course of one opening, which have no limit:

| figure | nominal | lowest | highest |
|---|---|---|---|
"""
_OTHERS = (
    ("course.peak_a", "peak of the current, mA", 1e3),
    ("course.hold_a", "hold, mA", 1e3),
    ("course.rise_s", "rise to 1 A, ms", 1e3),
    ("course.peak_s", "length of the peak, ms", 1e3),
    ("estop.pin_high_v", "E-stop pin with the loop closed, V (2.0 V is high)", 1.0),
)
_WORDS = """
![coil current](electrical.png)

## What the simulation changed

- **Pull-downs of GATE and SUPPLY are 2.2 kΩ.** With 4.7 kΩ the 0.12 mA of RP2350-E9 make 0.57 V
  at the pin: 1.4 times below the gate's 0.8 V, and 2 is asked for.
- **The E-stop's pin has its own pull-down of 330 Ω**, so neither the processor's internal one nor
  its leakage matters. It reads the open loop within some 2 µs, not 1 µs: hardware.md says 10 µs.
- **No capacitor behind the E-stop's contact.** One of 100 µF there would go on feeding the coil.
- **The peak's timer is fed by U3's output, not by the pin**: from the pin, C5 would hold GATE
  high for 0.3 ms after a reset.
- **The pressure's divider has a follower behind it**: the ADC's 100 kΩ would pull it down by 3 %.

## What it does not prove

- The E-stop contact alone, with both switches stuck on, ends the current within the time of the
  table; the armature then needs its own 25 to 30 ms. The dose timer ends it sooner: it opens Q3,
  and D6 takes the coil's voltage up.
- After one switch has shorted, the other alone closes. If Q1 shorts, the current is no longer
  regulated while GATE is high (3 A); F1 blows. Of the two only Q3 is tried in each shot
  ([H-05](hazards.md)).
- Logic below 1.5 V of supply is undefined in its data sheet; in the model it is proportional to
  its supply, and R7 and R10 pull down. The supervisor is valid from 1 V on.
- A closed loop gives 2.9 V or more at the pin, and high is 2.0 V: 1.4 times. Less would read as a
  stop, which is the safe side.
- Figures of data sheets that [bom.md](bom.md) marks *to be checked* were written down without the
  sheet at hand.
- Conducted and radiated interference, temperature inside the parts, the layout, and what a broken
  part other than a shorted switch does. Noise of the ADC is the data sheet's 8.7 effective bits.

## Spread of what is no part's tolerance

| quantity | lowest | highest |
|---|---|---|
"""

_BILL = """# Bill of materials

Written by `make electrical`; do not edit. The drawing: [schematic.md](schematic.md); what was
simulated: [electrical.md](electrical.md). **Nothing of this has been built**: each number is a part
whose data sheet fits, and an equal one will do. RCOIL and LCOIL are the valve's. Where the source
says *to be checked*, the sheet was not at hand when the figure was written down: read it before you
build.
"""


def _number(value: float) -> str:
    if abs(value) < 1e-3:
        return "0.00" if value == 0 or abs(value) < 5e-3 else f"{value:.2g}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _claim_row(claim: Claim, rows: list[Figures]) -> str:
    values = [row[f"{claim.trial}.{claim.figure}"] for row in rows]
    margin = claim.margin(values)
    shown = [
        f"{_number(value * claim.scale)} {claim.unit}".strip()
        for value in (values[0], claim.worst(values), claim.limit)
    ]
    times = "> 100" if margin > 100 else f"{margin:.1f}"
    sign = "≥" if claim.above else "<"
    return (
        f"| {claim.text} | {shown[0]} | {shown[1]} | {sign} {shown[2]} | {times} "
        f"| {claim.hazards or '–'} | {claim.why} |"
    )


def electrical(rows: list[Figures]) -> str:
    """The page, from the figures of each board; the first board is the nominal one."""
    text = _HEAD.format(fingerprint=fingerprint(), boards=len(rows), needed=NEEDED)
    text += "\n".join(_claim_row(claim, rows) for claim in CLAIMS) + "\n" + _FOOT
    for key, words, scale in _OTHERS:
        values = [row[key] * scale for row in rows]
        low, high = _number(min(values)), _number(max(values))
        text += f"| {words} | {_number(values[0])} | {low} | {high} |\n"
    text += _WORDS
    for key, (low, high) in SPREAD.items():
        text += f"| {_SPREAD_WORDS[key]} | {low:g} | {high:g} |\n"
    return text


def _value(part: Part) -> str:
    if not part.tolerance:
        return part.shown
    return f"{part.shown} ± {part.tolerance * 100:g} %"


def bill() -> str:
    """The bill of materials, one table a section, from the table of parts."""
    text = _BILL
    for title, parts in SECTIONS.items():
        text += f"\n## {title}\n\n| part | what | value | number | why | source |\n"
        text += "|---|---|---|---|---|---|\n"
        for part in parts:
            number = part.number or "–"
            text += (
                f"| {part.ref} | {part.what} | {_value(part)} | {number} | {part.why} "
                f"| {part.source} |\n"
            )
    return text
