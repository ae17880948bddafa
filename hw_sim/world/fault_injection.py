"""Faults to inject, by name.

Each is something that breaks in the real world, with words for a person, and the way to mend it.
Imports the standard library and `hw_sim.world.wiring`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from hw_sim.world.wiring import (
    ADC_COIL,
    ADC_LEVEL,
    ADC_PRESSURE,
    ADC_VSYS,
    Wiring,
)

_BYTE_CLOCKS = 9

_EMPTY_PERMILLE = 0.0
_FULL_PERMILLE = 850.0
_LOW_VSYS_MV = 4000.0
_HEALTHY_VSYS_MV = 4850.0


@dataclass(frozen=True, slots=True)
class Mishap:
    """`apply` injects the fault, `undo` removes it; both are idempotent."""

    name: str
    words: str
    apply: Callable[[Wiring], None]
    undo: Callable[[Wiring], None]


MISHAPS: dict[str, Mishap] = {}


def _add(
    name: str, words: str, apply: Callable[[Wiring], None], undo: Callable[[Wiring], None]
) -> None:
    MISHAPS[name] = Mishap(name, words, apply, undo)


def _attribute(name: str, words: str, part: str, attribute: str, broken: bool) -> None:
    """A fault that is one flag of one part: `broken`, or its opposite."""

    def put(wiring: Wiring, value: bool) -> None:
        setattr(getattr(wiring, part), attribute, value)

    _add(name, words, lambda w: put(w, broken), lambda w: put(w, not broken))


def _analog(name: str, words: str, channel: int, mv: float) -> None:
    """A fault that holds an analog pin at one voltage."""

    def put(wiring: Wiring, value: float | None) -> None:
        wiring.stuck_mv[channel] = value

    _add(name, words, lambda w: put(w, mv), lambda w: put(w, None))


def _interference(
    name: str, words: str, channel: int, make: Callable[[random.Random], Callable[[float], float]]
) -> None:
    """Something that changes what an analog pin shows; `make` gets a generator of its own."""

    def apply(wiring: Wiring) -> None:
        if name not in wiring.interference:
            wiring.interference[name] = (channel, make(random.Random(name)))

    def undo(wiring: Wiring) -> None:
        wiring.interference.pop(name, None)

    _add(name, words, apply, undo)


def _button(name: str, words: str, button: str, closed: bool) -> None:
    _add(
        name,
        words,
        lambda w: w.buttons[button].stick(closed),
        lambda w: w.buttons[button].unstick(),
    )


# -- nozzle thermocouple ----------------------------------------------------------------------
_attribute(
    "thermocouple_open",
    "the thermocouple's wire is broken",
    "thermocouple",
    "open_circuit",
    True,
)
_attribute(
    "thermocouple_short",
    "the thermocouple touches the supply: its input is out of range",
    "thermocouple",
    "out_of_range",
    True,
)
_attribute(
    "thermocouple_wires_touching",
    "the thermocouple's wires touch at the plug: it reads room temperature, with no fault bit",
    "thermocouple",
    "wires_touching",
    True,
)
_attribute(
    "thermocouple_chip_missing",
    "the MAX31856 does not answer: every byte reads 0",
    "thermocouple",
    "present",
    False,
)

_attribute(
    "thermocouple_loose",
    "the thermocouple's bead has come off the nozzle: it feels half of the cold",
    "thermocouple",
    "loose",
    True,
)


def _gain_error(part: float) -> Callable[[Wiring], None]:
    def put(wiring: Wiring) -> None:
        wiring.thermocouple.gain_error = part

    return put


_add(
    "thermocouple_off",
    "the thermocouple is of the poorest class: it reads 3 °C too warm at −190 °C",
    _gain_error(-0.015),
    _gain_error(0.0),
)

_attribute(
    "thermocouple_ones",
    "MISO touches the supply: every byte of the thermocouple's chip reads 0xFF",
    "thermocouple",
    "ones",
    True,
)


def _thermocouple_noise(k: float) -> Callable[[Wiring], None]:
    def put(wiring: Wiring) -> None:
        wiring.thermocouple.noise_c = k

    return put


_add(
    "thermocouple_noise",
    "interference on the thermocouple's wires: its readings scatter by 3 K",
    _thermocouple_noise(3.0),
    _thermocouple_noise(0.0),
)

# -- infrared sensor at the skin (where it is fitted) -----------------------------------------
_attribute(
    "skin_sensor_missing",
    "the infrared sensor does not answer",
    "skin_sensor",
    "present",
    False,
)


def _dirt(part: float) -> Callable[[Wiring], None]:
    def put(wiring: Wiring) -> None:
        wiring.skin_sensor.dirt = part

    return put


_add(
    "skin_sensor_dirty",
    "frost and dirt cover half of the infrared sensor's window: it reads too near to the room",
    _dirt(0.5),
    _dirt(0.0),
)
_attribute(
    "skin_sensor_error",
    "the infrared sensor sets its error flag with every reading",
    "skin_sensor",
    "flags",
    True,
)

_attribute(
    "skin_sensor_wrong_code",
    "the packet error code of the infrared sensor does not fit what it sends",
    "skin_sensor",
    "wrong_code",
    True,
)
_attribute(
    "skin_sensor_ones",
    "the infrared sensor reads 0xFFFF, and so does its code",
    "skin_sensor",
    "ones",
    True,
)

# -- skin -------------------------------------------------------------------------------------
_add(
    "jet_misses",
    "the jet goes past the skin, or hits beside the spot: the infrared sensor sees warm skin",
    lambda w: w.plant.miss(w.clock.now_ns, True),
    lambda w: w.plant.miss(w.clock.now_ns, False),
)
# 0.8 mm at 0.3 W/mK. Dry keratin has 0.21 W/mK warm (PMC5459687: epidermis), frozen 0.3 to 0.45
# (assumed).
_KERATIN_M2K_W = 0.8e-3 / 0.3
_add(
    "skin_insulated",
    "dry keratin of 0.8 mm covers the lesion: its surface falls at once, the skin below does not",
    lambda w: w.plant.insulate(w.clock.now_ns, _KERATIN_M2K_W),
    lambda w: w.plant.insulate(w.clock.now_ns, 0.0),
)

# -- dewar ------------------------------------------------------------------------------------
_add(
    "dewar_empty",
    "no liquid is left in the dewar",
    lambda w: w.plant.fill(w.clock.now_ns, _EMPTY_PERMILLE),
    lambda w: w.plant.fill(w.clock.now_ns, _FULL_PERMILLE),
)
_add(
    "dewar_low",
    "the dewar holds 80 ‰: too little to begin a treatment",
    lambda w: w.plant.fill(w.clock.now_ns, 80.0),
    lambda w: w.plant.fill(w.clock.now_ns, _FULL_PERMILLE),
)
_add(
    "dewar_runs_out",
    "the dewar holds liquid for ten seconds more, whatever the level probe showed before",
    lambda w: w.plant.fill(w.clock.now_ns, 11.0),
    lambda w: w.plant.fill(w.clock.now_ns, _FULL_PERMILLE),
)
_add(
    "dewar_vacuum_lost",
    "the flask has lost its vacuum: it boils off thirty times as fast and blows its relief valve",
    lambda w: w.plant.set_dewar(w.clock.now_ns, boil_off_factor=30.0),
    lambda w: w.plant.set_dewar(w.clock.now_ns, boil_off_factor=1.0),
)
_add(
    "relief_leaks",
    "the relief valve does not seat: the dewar works at half of its pressure",
    lambda w: w.plant.set_dewar(w.clock.now_ns, relief_leaks=True),
    lambda w: w.plant.set_dewar(w.clock.now_ns, relief_leaks=False),
)
_add(
    "pressure_low",
    "the lid leaks: the dewar does not hold its pressure",
    lambda w: w.plant.set_dewar(w.clock.now_ns, vent_leak_per_s=0.5),
    lambda w: w.plant.set_dewar(w.clock.now_ns, vent_leak_per_s=0.0),
)
_add(
    "pressure_high",
    "the pressure builder does not shut off and the relief valve is iced up",
    lambda w: w.plant.set_dewar(w.clock.now_ns, regulator_stuck=True, relief_stuck=True),
    lambda w: w.plant.set_dewar(w.clock.now_ns, regulator_stuck=False, relief_stuck=False),
)
_add(
    "regulator_stuck",
    "the pressure builder does not shut off; the relief valve holds",
    lambda w: w.plant.set_dewar(w.clock.now_ns, regulator_stuck=True),
    lambda w: w.plant.set_dewar(w.clock.now_ns, regulator_stuck=False),
)
_analog("level_probe_broken", "the level probe's wire is broken", ADC_LEVEL, 0.0)
_analog("level_probe_shorted", "the level probe touches the supply", ADC_LEVEL, 3300.0)
_analog("pressure_probe_broken", "the pressure sensor's wire is broken", ADC_PRESSURE, 0.0)
_analog("pressure_probe_shorted", "the pressure sensor touches the supply", ADC_PRESSURE, 3300.0)


# -- interference and offsets on the analog lines ---------------------------------------------
def _offset(mv: float) -> Callable[[random.Random], Callable[[float], float]]:
    return lambda _draw: lambda at_mv: at_mv + mv


def _noise_of(mv: float) -> Callable[[random.Random], Callable[[float], float]]:
    return lambda draw: lambda at_mv: at_mv + draw.gauss(0.0, mv)


def _spikes(draw: random.Random) -> Callable[[float], float]:
    return lambda mv: draw.choice((0.0, 3300.0)) if draw.random() < 0.02 else mv


# Offset and noise, in mV at the pin: 20 mA and 10 mA of the coil, 100 and 20 mbar, 50 and 10 per
# mille of the level, 0.3 and 0.06 V of the supply.
for _name, _channel, _what, _off_mv, _noisy_mv in (
    ("coil_sensor", ADC_COIL, "the coil current's amplifier", 20.0, 10.0),
    ("pressure_probe", ADC_PRESSURE, "the pressure sensor", 132.0, 26.0),
    ("level_probe", ADC_LEVEL, "the level probe", 100.0, 20.0),
    ("vsys_divider", ADC_VSYS, "the supply's divider", 100.0, 20.0),
):
    _interference(
        f"{_name}_offset", f"{_what} has an offset of {_off_mv:g} mV", _channel, _offset(_off_mv)
    )
    _interference(
        f"{_name}_noise", f"{_what} has {_noisy_mv:g} mV of noise", _channel, _noise_of(_noisy_mv)
    )
    _interference(
        f"{_name}_spikes",
        f"interference on the line of {_what}: every 50th reading is at one end of its range",
        _channel,
        _spikes,
    )

# -- coil and valve ---------------------------------------------------------------------------


def _valve(
    name: str, words: str, apply: Callable[[Wiring], None], undo: Callable[[Wiring], None]
) -> None:
    def then_tell(fn: Callable[[Wiring], None]) -> Callable[[Wiring], None]:
        def act(wiring: Wiring) -> None:
            fn(wiring)
            wiring.valve_changed()

        return act

    _add(name, words, then_tell(apply), then_tell(undo))


_valve(
    "coil_open",
    "the coil's wire is broken: no current, the valve does not open",
    lambda w: w.plant.set_valve(w.clock.now_ns, coil_open=True),
    lambda w: w.plant.set_valve(w.clock.now_ns, coil_open=False),
)
_analog("coil_sensor_dead", "the coil current's amplifier gives 0 V", ADC_COIL, 0.0)
_analog("coil_sensor_high", "the coil current's amplifier is stuck at its supply", ADC_COIL, 3300.0)
_add(
    "gate_switch_shorted",
    "the low-side switch has failed shorted: SUPPLY alone energises the coil",
    lambda w: w.short_switches(gate=True),
    lambda w: w.short_switches(gate=False),
)
_add(
    "supply_switch_shorted",
    "the high-side switch has failed shorted: GATE alone energises the coil",
    lambda w: w.short_switches(supply=True),
    lambda w: w.short_switches(supply=False),
)
_valve(
    "valve_stuck_open",
    "ice holds the armature: once open, the valve does not close",
    lambda w: w.plant.set_valve(w.clock.now_ns, stuck_open=True),
    lambda w: w.plant.set_valve(w.clock.now_ns, stuck_open=False),
)
_valve(
    "valve_leaks",
    "dirt on the seat: the closed valve passes a tenth",
    lambda w: w.plant.set_valve(w.clock.now_ns, leak=0.1),
    lambda w: w.plant.set_valve(w.clock.now_ns, leak=0.0),
)
_valve(
    "valve_weeps",
    "the seat is worn: the closed valve passes a fiftieth",
    lambda w: w.plant.set_valve(w.clock.now_ns, leak=0.02),
    lambda w: w.plant.set_valve(w.clock.now_ns, leak=0.0),
)
_valve(
    "valve_stuck_closed",
    "ice holds the armature: the valve does not open, though the coil takes its current",
    lambda w: w.plant.set_valve(w.clock.now_ns, stuck_closed=True),
    lambda w: w.plant.set_valve(w.clock.now_ns, stuck_closed=False),
)
_valve(
    "valve_slow",
    "the armature is stiff: it moves three times as late",
    lambda w: w.plant.set_valve(w.clock.now_ns, slow_factor=3.0),
    lambda w: w.plant.set_valve(w.clock.now_ns, slow_factor=1.0),
)
_valve(
    "valve_icing",
    "moist air has frosted the valve: it is slow, and locks after further cold use",
    lambda w: w.plant.set_valve(w.clock.now_ns, moisture=1.0, ice=0.6),
    lambda w: w.plant.set_valve(w.clock.now_ns, moisture=0.0, ice=0.0),
)


def _cool_line(wiring: Wiring) -> None:
    """To the room's temperature, if it is warmer."""
    plant = wiring.plant
    room_c = plant.ambient_c
    plant.set_line(
        wiring.clock.now_ns,
        wall_c=min(room_c, plant.line_c),
        tip_c=min(room_c, plant.nozzle_c),
        around_c=room_c,
    )


_add(
    "line_warm",
    "line and nozzle were warmed to 45 °C (heat gun, sun) and stay in warm air: gas comes for long",
    lambda w: w.plant.set_line(w.clock.now_ns, wall_c=45.0, tip_c=45.0, around_c=45.0),
    _cool_line,
)
_add(
    "nozzle_spits",
    "the nozzle is worn or frosted: it sputters with liquid too",
    lambda w: w.plant.set_line(w.clock.now_ns, spitting=1.0),
    lambda w: w.plant.set_line(w.clock.now_ns, spitting=0.0),
)
_add(
    "nozzle_blocked",
    "ice blocks the nozzle: hardly anything flows",
    lambda w: w.plant.block_nozzle(w.clock.now_ns, 0.02),
    lambda w: w.plant.block_nozzle(w.clock.now_ns, 1.0),
)

# -- board ------------------------------------------------------------------------------------
_attribute("screen_missing", "the screen does not answer", "screen", "present", False)
_attribute(
    "screen_dark", "the screen acknowledges and shows nothing: its panel is dead", "screen", "dark",
    True,
)  # fmt: skip
_attribute(
    "screen_refuses", "the screen acknowledges its address, and no byte after it", "screen",
    "refuses", True,
)  # fmt: skip
_add(
    "i2c_held",
    "a part on the I2C bus was cut off in the middle of a read, and holds SDA low",
    lambda w: w.hold_sda(_BYTE_CLOCKS),
    lambda w: w.hold_sda(0),
)
_attribute("rtc_missing", "the real-time clock does not answer", "rtc", "present", False)


_attribute("rtc_ones", "the real-time clock reads 0xFF in every byte", "rtc", "ones", True)


def _bus_stuck(stuck: bool) -> Callable[[Wiring], None]:
    def put(wiring: Wiring) -> None:
        wiring.bus_stuck = stuck

    return put


_add(
    "bus_stuck_low",
    "a part holds the I2C bus low: nothing on it answers, and each transfer times out",
    _bus_stuck(True),
    _bus_stuck(False),
)
_attribute(
    "flash_slow",
    "the flash is worn and hot: an erase takes 400 ms, a page 3 ms, the longest of its data sheet",
    "flash",
    "slow",
    True,
)
_attribute(
    "flash_worn", "the flash is worn out: every write and erase fails", "flash", "worn", True
)
_add(
    "brown_out",
    "the supply falls within 0.4 s, is gone for 0.2 s, and returns within 0.2 s",
    lambda w: w.brown_out(400.0, 200.0, 200.0),
    lambda w: w.end_brown_out(),
)
_add(
    "esd_reset",
    "a static discharge resets the processor",
    lambda w: w.brown_out(0.0, 1.0, 0.0),
    lambda w: w.end_brown_out(),
)


def _vsys(mv: float) -> Callable[[Wiring], None]:
    def put(wiring: Wiring) -> None:
        wiring.vsys_mv = mv

    return put


_add(
    "supply_sag",
    "the board's supply has sagged to 4.0 V",
    _vsys(_LOW_VSYS_MV),
    _vsys(_HEALTHY_VSYS_MV),
)
_add(
    "estop_wire_broken",
    "the wire of the emergency stop's loop is broken",
    lambda w: w.estop.break_wire(True),
    lambda w: w.estop.break_wire(False),
)
_add(
    "estop_plug_half_in",
    "the plug of the emergency stop is half in: the loop opens for an instant, again and again",
    lambda w: w.estop.loosen(True),
    lambda w: w.estop.loosen(False),
)
for _name in ("trigger", "up", "down", "select", "arm"):
    _button(f"{_name}_stuck", f"the {_name.upper()} button stays pressed", _name, True)
    _button(f"{_name}_dead", f"the {_name.upper()} button no longer makes contact", _name, False)
    _add(
        f"{_name}_chatters",
        f"the {_name.upper()} button's contact opens and closes by itself",
        lambda w, of=_name: w.buttons[of].chatter(),
        lambda w, of=_name: w.buttons[of].unstick(),
    )
