"""What safety rests on, measured on the SPICE netlist over the tolerances, each with its limit.

A trial takes one board (a `Draw`) and returns figures in SI units. A claim names one figure, the
limit it must keep and where that limit comes from; its margin is how many times the worst board
keeps it. Imports the standard library, `parts` and `circuits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hw_sim.electrical.circuits import Draw, netlist, run

Figures = dict[str, float]

VIL = 0.8  # V; 74AHCT1G08 and RP2040: everything below is low
COIL_OFF_A = 0.030  # firmware/cryo/interlocks.py, COIL_OFF_MA
COIL_ON_A = 0.150  # COIL_ON_MA
LOOK_S = 0.060  # firmware/cryo/shot.py: the coil is looked at 60 ms after opening and after closing
TICK_S = 0.010  # firmware/cryo/board.py, TICK_MS
ADC_OHM = 100e3  # RP2040's data sheet: input impedance at least
ADC_NOISE_V = 3.3 / 2**8.7 / 12**0.5  # RP2040's data sheet: 8.7 effective bits; 2.3 mV rms
_RATING = {"Q1": 60.0, "Q2": 60.0, "Q3": 100.0, "D5": 60.0}  # V, data sheets


@dataclass(frozen=True, slots=True)
class Claim:
    """`figure` of `trial` stays below `limit` (or above it); `text` says so in words, `why` where
    the limit comes from. `scale` and `unit` are for showing."""

    figure: str
    trial: str
    text: str
    limit: float
    why: str
    unit: str = "V"
    scale: float = 1.0
    above: bool = False
    hazards: str = ""

    def worst(self, values: list[float]) -> float:
        """The value of the worst board."""
        return min(values) if self.above else max(values)

    def margin(self, values: list[float]) -> float:
        """How many times the worst board keeps the limit; 1 just keeps it."""
        worst = self.worst(values)
        # Below a billionth of the limit only the solver's noise is left.
        return worst / self.limit if self.above else self.limit / max(worst, self.limit * 1e-9)


def _supplies(draw: Draw, *, v24: str = "v24s") -> list[str]:
    s = draw.spread
    return [f"V24 {v24} 0 {s['v24']}", f"V5 v5 0 {s['v5']}", f"V3 v3v3 0 {s['v3']}"]


def _pins(gate: str, supply: str) -> list[str]:
    return [f"VG valve_gate 0 {gate}", f"VP valve_supply 0 {supply}", "VRUN run 0 3.3"]


def reset(draw: Draw) -> Figures:
    """The processor resets: its pins let go after 1 us, with the leakage into the pin."""
    s = draw.spread
    figures: Figures = {}
    for name, ref, net in (("supply", "R8", "valve_supply"), ("gate", "R11", "valve_gate")):
        stimuli = [
            f"VH high 0 {s['v3']}",
            f"SD high {net} on 0 drive",
            ".model drive SW(VT=0.5 VH=0.1 RON=40 ROFF=1e12)",
            "VON on 0 PULSE(1 0 1u 1n 1n 1 2)",
            f"IL 0 {net} {s['leak_ua']}u",
            f"CP {net} 0 {s['pin_pf']}p",
            ".tran 2n 6u 0 2n",
            f".meas tran rest FIND v({net}) AT=5.9u",
            f".meas tran low WHEN v({net})={VIL} FALL=1",
        ]
        got = run(netlist(draw, stimuli, [ref]), ["rest", "low"])
        figures[f"{name}_v"] = got["rest"]
        figures[f"{name}_s"] = got["low"] - 1e-6
    return figures


_CONTACT = [
    "SC v24f v24s nc 0 contact",
    ".model contact SW(VT=0.5 VH=0.1 RON=0.05 ROFF=1e9)",
    "VNC nc 0 PULSE(1 0 1m 10n 10n 1 2)",
]


def estop(draw: Draw) -> Figures:
    """The E-stop's contact opens after 1 ms while both pins stay high (nothing else acts), at the
    peak and in hold; and how soon the pin reads low, with Q1 off (nothing helps to discharge)."""
    figures: Figures = {}
    bus = f"CBUS v24s 0 {draw.spread['bus_pf']}p"
    for name, amps, timer, end_ms in (("peak", 1.2, 0.0, 24), ("hold", 0.35, 5.0, 16)):
        stimuli = [
            *_supplies(draw, v24="v24f"),
            *_pins("3.3", "3.3"),
            *_CONTACT,
            bus,
            f".tran 10u {end_ms}m 0 10u uic",
            f".meas tran gone WHEN i(LLCOIL)={COIL_OFF_A} FALL=LAST TD=1m",
        ]
        deck = netlist(draw, stimuli, start={"LCOIL": amps, "C5": timer})
        figures[f"{name}_s"] = run(deck, ["gone"])["gone"] - 1e-3
    stimuli = [
        *_supplies(draw, v24="v24f"),
        *_pins("0", "0"),
        *_CONTACT,
        bus,
        f"IL 0 e_stop {draw.spread['leak_ua']}u",
        f"CP e_stop 0 {draw.spread['pin_pf']}p",
        ".tran 20n 1.03m 0.98m 20n",
        f".meas tran low WHEN v(e_stop)={VIL} FALL=1",
        ".meas tran rest FIND v(e_stop) AT=1.02m",
        ".meas tran high FIND v(e_stop) AT=0.99m",
    ]
    got = run(netlist(draw, stimuli), ["low", "rest", "high"])
    return {
        **figures,
        "pin_s": got["low"] - 1e-3,
        "pin_low_v": got["rest"],
        "pin_high_v": got["high"],
    }


def shorts(draw: Draw) -> Figures:
    """One switch is shorted (10 milliohm) and the other is off: what flows in the coil."""
    figures: Figures = {}
    for name, short, gate, supply in (
        ("q1", "v24s sw", "0", "3.3"),
        ("q3", "cn 0", "3.3", "0"),
    ):
        stimuli = [
            *_supplies(draw),
            *_pins(gate, supply),
            f"RSHORT {short} 10m",
            ".tran 20u 8m 0 20u",
            ".meas tran most MAX i(LLCOIL) from=2m to=8m",
        ]
        figures[f"{name}_a"] = run(netlist(draw, stimuli), ["most"])["most"]
    return figures


def flyback(draw: Draw) -> Figures:
    """The gate falls at the peak of the current: highest voltages in parts of each rating, and when
    the current is gone (the supply still on, as in a normal end)."""
    stimuli = [
        *_supplies(draw),
        *_pins("PULSE(3.3 0 1m 20n 20n 1 2)", "3.3"),
        ".tran 2u 8m 0 2u uic",
        ".meas tran cn MAX v(cn) from=0.9m to=8m",
        ".meas tran hd MAX v(hd)",
        ".meas tran sw MAX v(sw)",
        "BQ1 q1 0 V = v(v24s)-v(sw)",
        ".meas tran q1 MAX v(q1) from=0.1m to=8m",
        f".meas tran gone WHEN i(LLCOIL)={COIL_OFF_A} FALL=LAST TD=1m",
    ]
    deck = netlist(draw, stimuli, start={"LCOIL": 1.2, "C5": 0.0})
    got = run(deck, ["cn", "hd", "sw", "q1", "gone"])
    return {
        "q3_v": got["cn"],
        "q2_v": got["hd"],
        "q1_v": got["q1"],
        "d5_v": got["sw"],
        "gone_s": got["gone"] - 1e-3,
    }


def brownout(draw: Draw) -> Figures:
    """3.3 V and 5 V ramp to nothing and back in 20 ms each during a freeze; the 24 V stay. Twice:
    the pins follow the supply all the way (as if the reset never reached the processor), and the
    gate's second input follows it (as if the supervisor reached only the processor). How far both
    switches are driven at once, in parts of their thresholds; 1 would be both on."""
    s = draw.spread
    trip = 2.93 * draw.factor["U2"]
    healthy = f"(0.5+0.5*tanh(200*(v(v3v3)-{trip})))*(time<20m ? 1 : 0)"
    figures: Figures = {}
    for name in ("pins", "gate"):
        # The supervisor lets go 200 ms after the return, which is after this trial.
        held = "v(v3v3)" if name == "pins" else f"v(v3v3)*{healthy}"
        run_pin = f"v(v3v3)*{healthy}" if name == "pins" else "v(v3v3)"
        stimuli = [
            f"V24 v24s 0 {s['v24']}",
            f"V5 v5 0 PWL(0 {s['v5']} 2m {s['v5']} 22m 0 24m 0 44m {s['v5']})",
            f"V3 v3v3 0 PWL(0 {s['v3']} 2m {s['v3']} 22m 0 24m 0 44m {s['v3']})",
            f"BRUN run 0 V = {run_pin}",
            f"BG gx 0 V = {held}",
            f"BP px 0 V = {held}",
            "RG gx valve_gate 40",
            "RP px valve_supply 40",
            # From 0.1 ms after the supervisor has acted.
            f"BBOTH both 0 V = (v(v3v3)<{trip}-0.03 || time>20m ? 1 : 0)"
            f"*min(v(lg)/{s['vth_q3']},(v(v24s)-v(hg))/{s['vth_q1']})",
            ".tran 20u 44m 0 20u uic",
            ".meas tran both MAX v(both) from=2m to=44m",
            ".meas tran late MAX i(LLCOIL) from=9m to=44m",
        ]
        deck = netlist(draw, stimuli, start={"LCOIL": 0.35, "C5": 5.0})
        got = run(deck, ["both", "late"])
        figures[f"{name}_both"] = got["both"]
        figures[f"{name}_late_a"] = got["late"]
    return figures


def opening_deck(draw: Draw) -> str:
    """40 ms of GATE, from 1 ms on, then SUPPLY alone: the deck of the picture."""
    pins = _pins("PULSE(0 3.3 1m 50n 50n 40m 1)", "3.3")
    return netlist(draw, [*_supplies(draw), *pins, ".tran 20u 55m 0 20u"])


def estop_deck(draw: Draw) -> str:
    """The E-stop opens at 41 ms of an opening at 1 ms, and nothing else acts."""
    pins = _pins("PULSE(0 3.3 1m 50n 50n 1 2)", "3.3")
    contact = [*_CONTACT[:2], "VNC nc 0 PULSE(1 0 41m 10n 10n 1 2)", "CBUS v24s 0 300p"]
    supplies = _supplies(draw, v24="v24f")
    return netlist(draw, [*supplies, *pins, *contact, ".tran 20u 55m 0 20u"])


def course(draw: Draw) -> Figures:
    """A whole opening of 40 ms: rise, peak, hold, and what the ADC's pin shows in hold, with the
    ADC's load, 4 sigma of its noise, and the edges of the regulator coupled in by 5 pF."""
    stimuli = [
        *_supplies(draw),
        *_pins("PULSE(0 3.3 1m 50n 50n 40m 1)", "3.3"),
        f"RADC coil 0 {ADC_OHM}",
        "CX sw coil 5p",
        ".tran 10u 48m 0 10u",
        ".meas tran peak MAX i(LLCOIL)",
        ".meas tran hold AVG i(LLCOIL) from=32m to=40m",
        ".meas tran least MIN v(coil) from=32m to=40m",
        ".meas tran rise WHEN i(LLCOIL)=1.0 RISE=1",
        ".meas tran fall WHEN i(LLCOIL)=0.9 FALL=LAST TD=10m",
        ".meas tran on WHEN v(coil)=0.15 RISE=1",
        ".meas tran rest FIND v(coil) AT=0.9m",
    ]
    names = ("peak", "hold", "least", "rise", "fall", "on", "rest")
    got = run(netlist(draw, stimuli), names)
    noise = 4 * ADC_NOISE_V
    return {
        "peak_a": got["peak"],
        "hold_a": got["hold"],
        "rise_s": got["rise"] - 1e-3,
        "peak_s": got["fall"] - 1e-3,
        "seen_s": got["on"] - 1e-3,
        "hold_reading_a": got["least"] - noise,
        "rest_a": got["rest"],
        "noise_at_rest": noise / (COIL_OFF_A - got["rest"]),
    }


def filters(draw: Draw) -> Figures:
    """The ADC's filters: how long a step takes to be read to 0.1 %, the error that source
    impedance and the ADC's load make at 900 mbar, and the bus's rise time with 70 pF."""
    stimuli = [
        "VS isense 0 PULSE(0 1 0 1n 1n 1 2)",
        f"RADC coil 0 {ADC_OHM}",
        ".tran 2u 3m 0 2u",
        ".meas tran final FIND v(coil) AT=2.9m",
        ".meas tran settled WHEN v(coil)=0.989 RISE=1",
    ]
    settled = run(netlist(draw, stimuli, ["R13", "C3"]), ["settled", "final"])
    tau = draw.value("R13") * draw.value("C3")
    sensor_v = (330 + 1.32 * 900) / 1000 / 0.66
    offset_v = 0.0045 * draw.spread["offset_uv"] / 25  # MCP6002: 4.5 mV at most
    reference = 1 + 0.01 * draw.spread["comparator_mv"] / 5  # the Pico's 3.3 V, and its filter
    stimuli = [
        f"VS prs 0 {sensor_v}",
        f"EB prb 0 VALUE = {{v(prd)+{offset_v}}}",
        f"RADC pressure 0 {ADC_OHM}",
        ".tran 20u 3m 0 20u",
        ".meas tran pin FIND v(pressure) AT=2.9m",
    ]
    pin = run(netlist(draw, stimuli, "R23 R24 R26 C6".split()), ["pin"])["pin"] * reference
    stimuli = [
        f"V3 v3v3 0 {draw.spread['v3']}",
        "SL sda 0 on 0 low",
        ".model low SW(VT=0.5 VH=0.1 RON=50 ROFF=1e9)",
        "VON on 0 PULSE(1 0 1u 1n 1n 1 2)",
        "CB sda 0 70p",
        ".tran 2n 3u 0 2n",
        f".meas tran a WHEN v(sda)={0.3 * draw.spread['v3']} RISE=1",
        f".meas tran b WHEN v(sda)={0.7 * draw.spread['v3']} RISE=1",
    ]
    bus = run(netlist(draw, stimuli, ["R28"]), ["a", "b"])
    return {
        "settled_s": max(settled["settled"], 7 * tau),
        "pressure_mbar": abs((pin * 1000 - 330) / 1.32 - 900),
        "bus_s": bus["b"] - bus["a"],
    }


TRIALS: dict[str, Callable[[Draw], Figures]] = {
    "reset": reset,
    "estop": estop,
    "shorts": shorts,
    "flyback": flyback,
    "brownout": brownout,
    "filters": filters,
    "course": course,
}
_VIL = "all below 0.8 V is low (74AHCT1G08, RP2040)"
_OFF = "below 30 mA the coil is off (`interlocks.py`)"
CLAIMS: tuple[Claim, ...] = (
    Claim("supply_v", "reset", "SUPPLY rests low in reset", VIL, _VIL, hazards="H-04, H-11"),
    Claim("gate_v", "reset", "GATE rests low in reset", VIL, _VIL, hazards="H-04, H-11"),
    Claim("supply_s", "reset", "SUPPLY is low after a reset", 5e-6,
          "as soon as the dose timer would", "µs", 1e6, hazards="H-11"),
    Claim("gate_s", "reset", "GATE is low after a reset", 5e-6,
          "as soon as the dose timer would", "µs", 1e6, hazards="H-01, H-11"),
    Claim("peak_s", "estop", "E-stop alone, at the peak: current gone", LOOK_S,
          "the program looks 60 ms after closing", "ms", 1e3, hazards="H-03"),
    Claim("hold_s", "estop", "E-stop alone, in hold: current gone", 0.025,
          "the armature itself takes 25 ms", "ms", 1e3, hazards="H-03"),
    Claim("pin_s", "estop", "the pin reads the open loop", 10e-6,
          "hardware.md: within 10 µs", "µs", 1e6, hazards="H-03"),
    Claim("pin_low_v", "estop", "the open loop rests low", VIL, _VIL, hazards="H-03"),
    Claim("q1_a", "shorts", "Q1 shorted, GATE low: current", COIL_OFF_A, _OFF, "mA", 1e3,
          hazards="H-05"),
    Claim("q3_a", "shorts", "Q3 shorted, SUPPLY low: current", COIL_OFF_A, _OFF, "mA", 1e3,
          hazards="H-05"),
    Claim("q3_v", "flyback", "fly-back at Q3", _RATING["Q3"], "rating of Q3", hazards="H-05"),
    Claim("q1_v", "flyback", "fly-back at Q1", _RATING["Q1"], "rating of Q1", hazards="H-05"),
    Claim("q2_v", "flyback", "voltage at Q2", _RATING["Q2"], "rating of Q2", hazards="H-05"),
    Claim("d5_v", "flyback", "reverse voltage at D5", _RATING["D5"], "rating of D5"),
    Claim("gone_s", "flyback", "gate low at the peak: current gone", LOOK_S,
          "the program looks 60 ms after closing", "ms", 1e3, hazards="H-01, H-05"),
    Claim("pins_both", "brownout", "brown-out, processor not reset: both switches driven", 1.0,
          "1 = both at their thresholds", "", hazards="H-11"),
    Claim("gate_both", "brownout", "brown-out, U3 not told: both switches driven", 1.0,
          "1 = both at their thresholds", "", hazards="H-11"),
    Claim("pins_late_a", "brownout", "brown-out, processor not reset: current below 2.2 V",
          COIL_OFF_A, _OFF, "mA", 1e3, hazards="H-11"),
    Claim("gate_late_a", "brownout", "brown-out, U3 not told: current below 2.2 V",
          COIL_OFF_A, _OFF, "mA", 1e3, hazards="H-11"),
    Claim("seen_s", "course", "coil current seen after opening", LOOK_S,
          "the program looks 60 ms after opening", "ms", 1e3, hazards="H-02"),
    Claim("hold_reading_a", "course", "lowest reading in hold", COIL_ON_A,
          "from 150 mA on the coil has current", "mA", 1e3, above=True, hazards="H-02"),
    Claim("rest_a", "course", "offset of the reading at rest", COIL_OFF_A, _OFF, "mA", 1e3,
          hazards="H-05"),
    Claim("noise_at_rest", "course", "4 σ of noise, in parts of what the offset leaves", 1.0,
          _OFF, "", hazards="H-05"),
    Claim("settled_s", "filters", "a step is read to 0.1 %", TICK_S, "one tick of the program",
          "ms", 1e3, hazards="H-10"),
    Claim("pressure_mbar", "filters", "error of the pressure at 900 mbar", 100.0,
          "between the limits to arm and to freeze lie 100 mbar or more", "mbar", hazards="H-10"),
    Claim("bus_s", "filters", "rise time of the I2C bus, 70 pF", 300e-9, "400 kHz: 300 ns", "ns",
          1e9, hazards="H-14"),
)  # fmt: skip


def measure(draw: Draw, names: list[str] | None = None) -> Figures:
    """All figures of one board, or those of the trials `names`, as "trial.figure"."""
    return {
        f"{name}.{figure}": value
        for name in names or TRIALS
        for figure, value in TRIALS[name](draw).items()
    }
