"""Every part of the applicator's electronics: value, tolerance, nets, part number, reason, source.

The only table of them. The SPICE netlists, the drawing, the bill of materials and the test of the
pins come from it. Values are in ohm, farad, henry and volt; tolerances are parts of the value. A
part number is a part that fits, not one that has been built in: nothing of this has been built.
Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NONE: dict[str, str] = {}
# Sources. SHEET: the part's data sheet was read for this table. CHECK: the figure is the data
# sheet's as it is commonly known, and the sheet was not at hand: read it before building.
SHEET, CHECK = "data sheet", "data sheet, to be checked"


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `nets` maps its pins to nets; two-pole parts have "1" and "2", diodes "A" and "K",
    transistors "G", "D", "S". `value` is what SPICE takes, `shown` what the drawing and the list
    say; `source` is where value and tolerance come from."""

    ref: str
    what: str
    shown: str
    nets: dict[str, str] = field(default_factory=lambda: dict(NONE))
    value: float = 0.0
    tolerance: float = 0.0
    number: str = ""
    why: str = ""
    source: str = "chosen here"


def _r(
    ref: str, shown: str, ohm: float, a: str, b: str, why: str, number: str = "0603, 1 %, 0.1 W"
) -> Part:
    return Part(ref, "resistor", shown, {"1": a, "2": b}, ohm, 0.01, number, why)


def _c(
    ref: str,
    shown: str,
    farad: float,
    a: str,
    b: str,
    why: str,
    number: str = "0603, X7R, 50 V",
    tolerance: float = 0.2,
) -> Part:
    return Part(ref, "capacitor", shown, {"1": a, "2": b}, farad, tolerance, number, why)


def _d(ref: str, what: str, number: str, a: str, k: str, why: str, source: str) -> Part:
    return Part(ref, what, number, {"A": a, "K": k}, number=number, why=why, source=source)


# GP number of the Pico -> net. docs/hardware.md names the pins; a test holds the two together.
PICO_PINS: dict[str, str] = {
    "GP2": "VALVE_GATE", "GP3": "VALVE_SUPPLY", "GP4": "SDA", "GP5": "SCL", "GP6": "E-STOP",
    "GP7": "TRIGGER", "GP8": "UP", "GP9": "DOWN", "GP10": "SELECT", "GP11": "ARM",
    "GP12": "BUZZER", "GP13": "LED_GREEN", "GP14": "LED_YELLOW", "GP15": "LED_RED",
    "GP16": "MISO", "GP17": "CS", "GP18": "SCK", "GP19": "MOSI",
    "GP26": "COIL", "GP27": "PRESSURE", "GP28": "LEVEL",
}  # fmt: skip

_SUPPLY = (
    Part("J1", "connector", "24 V in", {"1": "V24IN", "2": "GND"}, 24.0, 0.05,
         "2.1 mm DC socket; medical supply 24 V, 1.5 A (Mean Well GSM36E24)",
         "a supply with medical insulation; reversed, D1 conducts and F1 blows", CHECK),
    Part("F1", "fuse", "0.5 A T", {"1": "V24IN", "2": "V24F"}, 0.4, 0.3,
         "5 × 20 mm, 500 mA, time-lag",
         "the coil takes 0.5 A on average for 20 ms, then 0.06 A; a coil without regulation (3 A) "
         "blows it"),
    _d("D1", "TVS diode", "SMBJ28A", "GND", "V24F", "surge and reversed supply", CHECK),
    Part("C1", "capacitor", "100 µF", {"1": "V24F", "2": "GND"}, 100e-6, 0.2,
         "electrolytic, 50 V, 105 °C",
         "takes the driver's ripple. Before the E-stop contact: behind it, it would go on feeding "
         "the coil"),
    Part("U1", "DC/DC module", "5 V", {"VIN": "V24F", "GND": "GND", "VOUT": "V5"}, 5.0, 0.02,
         "Traco TSR 1-2450", "6.5–36 V in, 5 V, 1 A; no design of a switching supply",
         CHECK),
    _d("D2", "Schottky diode", "SS14", "V5", "VSYS",
       "USB and the supply feed VSYS without feeding each other", "Pico's data sheet"),
    Part("C9", "capacitor", "10 µF", {"1": "V5", "2": "GND"}, 10e-6, 0.2, "0805, X7R, 16 V",
         "output of U1"),
    Part("C10", "capacitor", "3 × 100 nF", {"1": "V5", "2": "GND"}, 300e-9, 0.2, "0603, X7R, 50 V",
         "one at each of U3, U4, U6"),
    Part("C11", "capacitor", "7 × 100 nF", {"1": "V3V3", "2": "GND"}, 700e-9, 0.2,
         "0603, X7R, 50 V", "one at each of U2, U5, U7, U9, U10, two at U8"),
    Part("U2", "supervisor", "TLV803S", {"VDD": "V3V3", "GND": "GND", "RESET": "RUN"}, 2.93, 0.025,
         "TLV803SDBZR",
         "below 2.93 V it pulls RUN low (the pins float) and, by U3, the gate; it lets go 200 ms "
         "after the supply's return. The RP2040's own detector acts at 0.86 V of its core",
         CHECK),
    _r("R1", "10 k", 10e3, "V3V3", "RUN", "pull-up of the open-drain output"),
)  # fmt: skip

_DRIVER = (
    Part("J2", "connector", "E-stop", {"1": "V24F", "2": "V24S"}, number="latching mushroom button "
         "with positively driven NC contact, IEC 60947-5-5 (e.g. Eaton M22-PV + M22-K01)",
         why="the contact carries the coil's supply: no electronics between it and the coil"),
    _r("R2", "2.2 k 0.5 W", 2200.0, "V24S", "ESENSE",
       "divider to 3.1 V, and 9.5 mA through the contact so that it stays clean",
       "1210, 1 %, 0.5 W"),
    _r("R3", "330", 330.0, "ESENSE", "GND",
       "the loop's external pull-down: 330 Ω hold the pin low whatever leaks (RP2350-E9)"),
    _r("R4", "1 k", 1000.0, "ESENSE", "E-STOP", "limits the current into the pin"),
    _c("C2", "100 pF", 100e-12, "E-STOP", "GND",
       "ESD; small, because the dose timer's abort waits for it", "0603, C0G, 50 V", 0.05),
    Part("D3", "double Schottky diode", "BAT54S", {"A": "GND", "K": "V3V3", "COM": "E-STOP"},
         number="BAT54S", why="clamps the pin when the supply is high", source=CHECK),
    Part("Q1", "P-channel MOSFET", "Si2309CDS", {"G": "HG", "D": "SW", "S": "V24S"},
         number="Si2309CDS-T1-GE3", why="SUPPLY: the high-side switch, and the one that regulates. "
         "60 V, 0.345 Ω at 10 V, threshold 1…3 V", source=SHEET),
    _r("R5", "2.2 k", 2200.0, "V24S", "HG", "holds Q1 off; off in 5 µs", "0805, 1 %, 0.125 W"),
    _r("R6", "2.2 k", 2200.0, "HG", "HD", "with R5: 12 V at Q1's gate", "0805, 1 %, 0.125 W"),
    _d("D4", "Zener diode", "BZT52C15", "HG", "V24S", "Q1's gate stays below 20 V", CHECK),
    Part("Q2", "N-channel MOSFET", "2N7002BK", {"G": "HL", "D": "HD", "S": "GND"},
         number="2N7002BK", why="level shifter to Q1's gate. 60 V, threshold 1.1…2.1 V",
         source=CHECK),
    Part("U4", "AND gate", "74AHCT1G08",
         {"A": "VALVE_SUPPLY", "B": "CHOP", "Y": "HL", "VCC": "V5", "GND": "GND"},
         number="SN74AHCT1G08DBVR", why="SUPPLY and the regulator; 3.3 V in, 5 V out. Low below "
         "0.8 V, high above 2.0 V", source=SHEET),
    _r("R7", "10 k", 10e3, "HL", "GND", "Q2 stays off when U4 has no supply"),
    _r("R8", "2.2 k", 2200.0, "VALVE_SUPPLY", "GND",
       "pull-down of SUPPLY. With 4.7 k the 0.12 mA of RP2350-E9 make 0.57 V, 1.4 below the gate's "
       "0.8 V; with 2.2 k 0.27 V"),
    Part("Q3", "N-channel MOSFET", "IRLML0100", {"G": "LG", "D": "CN", "S": "GND"},
         number="IRLML0100TRPbF", why="GATE: the low-side switch, the one that ends a freeze. "
         "100 V, 0.235 Ω at 4.5 V, threshold 1…2.5 V", source=SHEET),
    Part("U3", "AND gate", "74AHCT1G08",
         {"A": "VALVE_GATE", "B": "RUN", "Y": "LO", "VCC": "V5", "GND": "GND"},
         number="SN74AHCT1G08DBVR", why="GATE, only while the supervisor is content; 3.3 V in, 5 V "
         "out", source=SHEET),
    _r("R9", "100", 100.0, "LO", "LG", "damps the gate"),
    _r("R10", "10 k", 10e3, "LG", "GND", "Q3 stays off when U3 has no supply"),
    _r("R11", "2.2 k", 2200.0, "VALVE_GATE", "GND", "pull-down of GATE; why 2.2 k: R8"),
    Part("R12", "shunt", "50 mΩ", {"1": "SW", "2": "CP"}, 0.05, 0.01,
         "1206, 1 %, 0.5 W, 50 ppm/K", "with U5's gain of 20: 1.000 mV per mA"),
    Part("J3", "connector", "valve coil", {"1": "CP", "2": "CN"},
         number="M8, 3-pole, with the valve: cryogenic solenoid, 12 V class, 8 Ω, 24 mH",
         why="the coil's values are assumed and to be measured on the real one"),
    Part("RCOIL", "coil", "8 Ω", {"1": "CP", "2": "CM"}, 8.0, 0.2, why="in the valve",
         source="assumed; copper changes by 20 % over 50 K"),
    Part("LCOIL", "coil", "24 mH", {"1": "CM", "2": "CN"}, 24e-3, 0.3, why="in the valve",
         source="assumed; with 24 V it gives the 1.5 ms that the bench assumes"),
    _d("D5", "Schottky diode", "SS26", "GND", "SW",
       "the coil's current goes on by it while Q1 is off: in each cycle of the regulator, and when "
       "the E-stop opens", CHECK),
    _d("D6", "TVS diode", "SMBJ28A", "GND", "CN",
       "the fly-back path when Q3 opens: 31.1–34.4 V, so it takes nothing at 25.2 V and ends the "
       "current in 1 ms", CHECK),
    Part("U5", "current sense amplifier", "INA240A1",
         {"IN+": "SW", "IN-": "CP", "OUT": "ISENSE", "VS": "V3V3", "GND": "GND"},
         20.0, 0.002, "INA240A1PWR", "gain 20, −4…80 V common mode, made for a node that is "
         "switched; REF1 and REF2 to ground. Measures the coil's current while it free-wheels too",
         CHECK),
    _r("R13", "1 k", 1000.0, "ISENSE", "COIL", "ADC filter, 0.1 ms"),
    _c("C3", "100 nF", 100e-9, "COIL", "GND", "ADC filter; 100 000 times the sampling capacitor"),
)  # fmt: skip

_REGULATOR = (
    Part("U6", "double comparator", "TLV3202",
         {"1+": "CMP", "1-": "CSF", "1OUT": "CHOP", "2+": "HALF", "2-": "TIM", "2OUT": "PEAK",
          "VCC": "V5", "GND": "GND"},
         number="TLV3202AIDR", why="regulates the coil's current between two limits (4 kHz), and "
         "times the peak", source=CHECK),
    _r("R14", "9.76 k", 9760.0, "V3V3", "REF", "hold 350 mA, from 3.3 V alone"),
    _r("R15", "1.37 k", 1370.0, "REF", "GND", "hold and peak"),
    _r("R16", "5.76 k", 5760.0, "PEAK", "REF", "raises the limit to 1200 mA during the peak"),
    _r("R17", "1 k", 1000.0, "REF", "CMP", "hysteresis"),
    _r("R18", "301 k", 301e3, "CMP", "CHOP", "hysteresis: 33 mA between the limits"),
    _r("R19", "100", 100.0, "ISENSE", "CSF", "spikes"),
    _c("C4", "1 nF", 1e-9, "CSF", "GND", "spikes", "0603, C0G, 50 V", 0.05),
    _r("R20", "287 k", 287e3, "LO", "TIM", "20 ms with C5. From U3's output: from the pin, C5 "
       "would hold GATE high after a reset"),
    _c("C5", "100 nF", 100e-9, "TIM", "GND", "20 ms with R20", "1206, C0G, 50 V", 0.05),
    _d("D7", "Schottky diode", "BAT54", "TIM", "LO", "the next opening has its whole peak",
       CHECK),
    _r("R21", "100 k", 100e3, "V5", "HALF", "half of the supply, as R20 charges from it"),
    _r("R22", "100 k", 100e3, "HALF", "GND", "half of the supply"),
)  # fmt: skip

_SENSORS = (
    Part("J4", "connector", "pressure", {"1": "V5", "2": "PRS", "3": "GND"},
         number="0–2 bar gauge, 0.5–4.5 V, 5 V supply (e.g. Honeywell PX3 class)",
         why="0.66 times 0.5…4.5 V is the curve of hardware.md: 330…2970 mV"),
    _r("R23", "5.11 k", 5110.0, "PRS", "PRD", "5 V to 3.3 V; +0.3 % of 0.66", "0603, 0.1 %"),
    _r("R24", "10 k", 10e3, "PRD", "GND", "5 V to 3.3 V; an open wire reads 0 mV: broken",
       "0603, 0.1 %"),
    Part("J5", "connector", "level", {"1": "V5", "2": "LVS", "3": "GND"},
         number="capacitive probe with 0.5–2.5 V output", why="curve of hardware.md"),
    _r("R25", "100 k", 100e3, "LVS", "GND", "an open wire reads 0 mV: broken"),
    Part("U7", "double amplifier", "MCP6002",
         {"1+": "PRD", "1-": "PRB", "1OUT": "PRB", "2+": "LVS", "2-": "LVB", "2OUT": "LVB",
          "VCC": "V3V3", "GND": "GND"},
         number="MCP6002-I/SN", why="follower: the ADC's input (100 kΩ at least) would pull the "
         "divider down by 3 %", source=CHECK),
    _r("R26", "1 k", 1000.0, "PRB", "PRESSURE", "ADC filter, 0.1 ms"),
    _c("C6", "100 nF", 100e-9, "PRESSURE", "GND", "ADC filter"),
    _r("R27", "1 k", 1000.0, "LVB", "LEVEL", "ADC filter, 0.1 ms"),
    _c("C7", "100 nF", 100e-9, "LEVEL", "GND", "ADC filter"),
    Part("U8", "thermocouple converter", "MAX31856",
         {"T+": "TC+", "T-": "TC-", "SDO": "MISO", "SDI": "MOSI", "SCK": "SCK", "CS": "CS",
          "AVDD": "V3V3", "DVDD": "V3V3", "GND": "GND"},
         number="MAX31856MUD+", why="type T. Its 50/60 Hz filter is a bit of CR0 and is to be that "
         "of the country: 60 Hz in Taiwan", source=CHECK),
    Part("J6", "connector", "type T", {"1": "TC+", "2": "TC-"},
         number="miniature thermocouple socket, type T", why="copper and constantan up to U8"),
    _c("C8", "100 nF", 100e-9, "TC+", "TC-", "as the data sheet asks: noise on the thermocouple"),
)  # fmt: skip

_PANEL = (
    Part("J7", "connector", "display", {"1": "V3V3", "2": "SDA", "3": "SCL", "4": "GND"},
         number="2.42 inch OLED, 128×64, SSD1309, I2C", why="the least that is read at 60 cm"),
    Part("U9", "clock", "DS3231", {"VCC": "V3V3", "SDA": "SDA", "SCL": "SCL", "GND": "GND"},
         number="DS3231SN#", why="optional; CR2032 at VBAT", source=CHECK),
    Part("U10", "infrared thermometer", "MLX90614",
         {"VDD": "V3V3", "SDA": "SDA", "SCL": "SCL", "GND": "GND"},
         number="MLX90614ESF-BCI", why="optional; B: the 3 V variant (A wants 5 V and would pull "
         "the bus up to it), I: 5° field of view", source=SHEET),
    _r("R28", "2.2 k", 2200.0, "V3V3", "SDA",
       "400 kHz with up to 70 pF: four parts and 20 cm of wire"),
    _r("R29", "2.2 k", 2200.0, "V3V3", "SCL",
       "400 kHz with up to 70 pF: four parts and 20 cm of wire"),
    *(
        Part(f"S{i}", "button", net.lower(), {"1": net, "2": "GND"},
             number="sealed, IP67, normally open", why="to ground; pull-up inside the processor")
        for i, net in enumerate(("TRIGGER", "UP", "DOWN", "SELECT", "ARM"), 1)
    ),
    Part("D8", "ESD protection", "5 × 5 V",
         {"1": "TRIGGER", "2": "UP", "3": "DOWN", "4": "SELECT", "5": "ARM", "GND": "GND"},
         number="SP0505BAHTG", why="what a hand touches", source=CHECK),
    _r("R30", "100", 100.0, "BUZZER", "BZG", "damps the gate"),
    Part("Q4", "N-channel MOSFET", "2N7002BK", {"G": "BZG", "D": "BZ", "S": "GND"},
         number="2N7002BK", why="the sounder takes more than a pin gives", source=CHECK),
    Part("LS1", "sounder", "passive", {"1": "V5", "2": "BZ"}, number="electromagnetic, 5 V, 85 dB",
         why="H-09: heard, not only seen"),
    _d("D9", "Schottky diode", "BAT54", "BZ", "V5", "fly-back of the sounder", CHECK),
    *(
        _r(f"R{31 + i}", "330", 330.0, net, f"{net}_A", "4 mA")
        for i, net in enumerate(("LED_GREEN", "LED_YELLOW", "LED_RED"))
    ),
    *(
        _d(f"LED{i}", "LED", net[4:].lower(), f"{net}_A", "GND", "5 mm, diffused", "–")
        for i, net in enumerate(("LED_GREEN", "LED_YELLOW", "LED_RED"), 1)
    ),
)  # fmt: skip

_BOARD = (
    Part("A1", "microcontroller board", "Raspberry Pi Pico",
         {**PICO_PINS, "RUN": "RUN", "VSYS": "VSYS", "3V3": "V3V3", "GND": "GND"},
         number="SC0915", why="RP2040; GP29 measures VSYS ÷ 3 on the board", source=CHECK),
)  # fmt: skip

SECTIONS: dict[str, tuple[Part, ...]] = {
    "Board": _BOARD,
    "Supply": _SUPPLY,
    "Coil driver": _DRIVER,
    "Regulator of the coil's current": _REGULATOR,
    "Sensors": _SENSORS,
    "Panel": _PANEL,
}
PARTS: dict[str, Part] = {part.ref: part for parts in SECTIONS.values() for part in parts}
