"""What each fault of the catalogue must lead to: the rules of the fault matrix.

Written from docs/hazards.md (its controls, its bounds and its residual risks), not from a run. May
import the standard library only. Faults are named as the link names them (docs/protocol.md).
"""

from __future__ import annotations

from dataclasses import dataclass

SCREEN, SKIN = "NO SCREEN", "SKIN SENSOR"
NOZZLE, PRESSURE_LOST, LEVEL_LOST = "NOZZLE SENSOR", "PRESSURE SENSOR", "LEVEL SENSOR"
PRESSURE, EMPTY, POWER = "DEWAR PRESSURE", "DEWAR EMPTY", "LOW POWER"
NOT_OPENED, SWITCH, STUCK_OPEN = "VALVE NOT OPENED", "VALVE SWITCH BAD", "VALVE STUCK OPEN"
NO_COLD, NO_LIQUID = "NO COLD", "NO LIQUID"
ESTOP, BUTTON, RECORD = "EMERGENCY STOP", "BUTTON STUCK", "CANNOT RECORD"
CUT_SHORT = "FREEZE CUT SHORT"
DRY = (NO_COLD, NO_LIQUID)

ANY = -1.0


@dataclass(frozen=True)
class Rule:
    """What one fault must and may lead to.

    `rest`: the first cause, where the fault shows at rest, within `rest_ms`. `flow`: the first
    cause where it ends a freeze or a purge, with the gate low within `flow_ms` of the fault (ANY:
    no bound but the planned end, which always holds). `after`: latched once the valve is closed,
    within `after_ms` of the gate's fall. `may`: also permitted as a first cause, where the physics
    decides. `treats`: an operator who goes on gets a freeze (True), gets none (False), or either
    (None). `why`: the hazard, or the residual risk, from which this follows.
    """

    why: str
    rest: tuple[str, ...] = ()
    rest_ms: float = 0.0
    flow: tuple[str, ...] = ()
    flow_ms: float = ANY
    after: tuple[str, ...] = ()
    after_ms: float = 0.0
    may: tuple[str, ...] = ()
    treats: bool | None = None
    restarts: bool = False
    complete_only: bool = False
    """`after` is found only after a complete freeze: after others SUPPLY is off as well (H-05)."""


def _sensor(name: str, rest_ms: float, why: str = "H-10: latched within its bound") -> Rule:
    return Rule(why, (name,), rest_ms, (name,), 2_000.0, treats=False)


def _tolerated(why: str) -> Rule:
    """Nothing is latched, and the treatment goes on."""
    return Rule(why, treats=True)


_DRY_MS = 6_500.0  # H-02: from the fifth second of a freeze on, and 0.5 s without interruption
_SLOW_DEWAR = (PRESSURE, EMPTY)
_NO_ALARM = "H-10: one disturbed sample has no effect; no false alarm"
_NOT_SENSED = "H-10, residual risk: wrong but plausible"

RULES: dict[str, Rule] = {
    # Nozzle thermocouple. H-10: 2 s at rest, 2 s in a freeze
    # The MAX31856 looks for an open wire every 1.3 s; until then it gives the room's temperature
    # (docs/detection.md), so a freeze may be ended before that, for want of cold.
    "thermocouple_open": Rule(
        "H-10: latched within its bound; H-02: or no cold, until the chip has looked",
        (NOZZLE,), 2_000.0, (NOZZLE, NO_COLD), 2_000.0, treats=False,
    ),
    "thermocouple_short": _sensor(NOZZLE, 2_000.0),
    "thermocouple_chip_missing": _sensor(NOZZLE, 2_000.0),
    "thermocouple_ones": _sensor(NOZZLE, 2_000.0),
    "thermocouple_wires_touching": Rule(
        "H-02: a nozzle that does not get, or stay, cold", flow=DRY, treats=None, may=DRY
    ),
    "thermocouple_loose": Rule(
        "H-02: a nozzle that does not get, or stay, cold", flow=DRY, treats=None, may=DRY
    ),
    "thermocouple_off": _tolerated("H-02: 3 K are within the limits"),
    "thermocouple_noise": Rule(
        "H-10: fails safe: no proof of cold or of closing",
        flow=DRY, may=(*DRY, STUCK_OPEN), after=(), treats=None,
    ),
    # Infrared sensor, fitted. It ends no freeze: the operator sees the skin (H-27)
    **{
        name: Rule("H-10: a fitted sensor must answer", (SKIN,), 3_000.0, after=(SKIN,),
                   after_ms=3_500.0, treats=False)
        for name in (
            "skin_sensor_missing", "skin_sensor_error", "skin_sensor_wrong_code",
            "skin_sensor_ones",
        )
    },
    "skin_sensor_dirty": _tolerated("H-27, residual risk: a doubt is said, the time ends it"),
    "jet_misses": _tolerated("H-27: a doubt is said, the time ends it"),
    "skin_insulated": _tolerated("H-27: a doubt is said, the time ends it"),
    # Dewar. H-10: 4 s for the level
    "dewar_empty": Rule("H-10: arming is inhibited", flow=_SLOW_DEWAR, flow_ms=4_000.0,
                        treats=False),
    "dewar_low": Rule("H-10: arming is inhibited; a freeze has wider limits", treats=False),
    "dewar_runs_out": Rule("H-10: arming is inhibited", flow=_SLOW_DEWAR, flow_ms=4_000.0,
                           treats=False),
    "dewar_vacuum_lost": Rule("H-10: as the pressure leaves its range", flow=(PRESSURE,),
                              may=(PRESSURE,)),
    "relief_leaks": Rule("H-10: as the pressure leaves its range", flow=(PRESSURE,),
                         may=(PRESSURE, *DRY)),
    "pressure_low": Rule("H-10: as the pressure leaves its range", flow=(PRESSURE,),
                         may=(PRESSURE, *DRY)),
    "pressure_high": Rule("H-10: as the pressure leaves its range", flow=(PRESSURE,),
                          may=(PRESSURE,)),
    "regulator_stuck": Rule("H-10: as the pressure leaves its range", flow=(PRESSURE,),
                            may=(PRESSURE,)),
    "level_probe_broken": _sensor(LEVEL_LOST, 1_000.0),
    "level_probe_shorted": _sensor(LEVEL_LOST, 1_000.0),
    "pressure_probe_broken": _sensor(PRESSURE_LOST, 1_000.0),
    "pressure_probe_shorted": _sensor(PRESSURE_LOST, 1_000.0),
    # Interference
    **{
        f"{line}_{what}": _tolerated(_NOT_SENSED if what == "offset" else _NO_ALARM)
        for line in ("coil_sensor", "pressure_probe", "level_probe", "vsys_divider")
        for what in ("offset", "noise", "spikes")
    },
    # Coil and valve. H-02: the coil's current is looked for 60 ms after opening, 0.5 s without
    # interruption; H-05: current at rest within 1 s, a valve that does not close within 4.5 s
    "coil_open": Rule("H-02: no coil current", flow=(NOT_OPENED,), flow_ms=1_000.0, treats=None),
    "coil_sensor_dead": Rule("H-02: no coil current", flow=(NOT_OPENED,), flow_ms=1_000.0),
    "coil_sensor_high": Rule("H-05: current at rest", (SWITCH,), 1_000.0, after=(SWITCH,),
                             after_ms=1_000.0, treats=False),
    "gate_switch_shorted": Rule("H-05: tried before and after each shot", flow=(SWITCH,),
                                after=(SWITCH,), after_ms=1_000.0, may=(SWITCH,), treats=False,
                                complete_only=True),
    "supply_switch_shorted": _tolerated("H-05, H-17, residual risk: the gate alone closes"),
    "valve_stuck_open": Rule("H-05: the nozzle does not warm", after=(STUCK_OPEN,),
                             after_ms=4_700.0, may=(STUCK_OPEN,)),
    "valve_leaks": Rule("H-05, residual risk: found two minutes after the closing",
                        may=(STUCK_OPEN, *DRY)),
    "valve_weeps": Rule("H-05, residual risk: found two minutes after the closing",
                        may=(STUCK_OPEN, *DRY)),
    "valve_stuck_closed": Rule("H-02: no cold, though the coil takes its current", flow=DRY,
                               may=DRY),
    "valve_slow": _tolerated("H-01, residual risk: its lag is not measured"),
    "valve_icing": Rule("H-02, H-05: slow, then locked, open or closed", flow=DRY,
                        may=(STUCK_OPEN, *DRY)),
    # Line and nozzle
    "line_warm": Rule("H-02: gas for long", flow=DRY, may=DRY),
    "nozzle_spits": Rule("H-10: seen by the operator", flow=DRY, may=DRY),
    "nozzle_blocked": Rule("H-02: no cold from the fifth second on", flow=DRY, flow_ms=_DRY_MS,
                           may=DRY, treats=None),
    # Board
    "screen_missing": Rule("H-14: inhibits arming, does not end a freeze", (SCREEN,), 3_000.0,
                           after=(SCREEN,), after_ms=3_000.0, treats=False),
    "screen_refuses": Rule("H-14: inhibits arming, does not end a freeze", (SCREEN,), 3_000.0,
                           after=(SCREEN,), after_ms=3_000.0, treats=False),
    # The bus is not set up again while the valve is open, so a reading of the skin may be lost.
    "i2c_held": Rule("H-14: nine clocks free it", may=(SKIN,)),
    "bus_stuck_low": Rule("H-14: inhibits arming, does not end a freeze", (SCREEN, SKIN), 3_000.0,
                          after=(SCREEN, SKIN), after_ms=3_500.0, treats=False),
    "screen_dark": _tolerated("H-14, residual risk: cannot be sensed"),
    "rtc_missing": _tolerated("H-20: the chip is optional"),
    "rtc_ones": _tolerated("H-20: what it says is not believed"),
    "flash_slow": _tolerated("H-08, H-11: a slow write restarts nothing"),
    "flash_worn": Rule("H-08: no opening without its record", may=(RECORD,), after=(RECORD,),
                       after_ms=3_000.0, treats=False),
    "brown_out": Rule("H-11: both switches fall, and nothing resumes", flow_ms=450.0,
                      may=(CUT_SHORT, POWER, BUTTON), restarts=True),
    "esd_reset": Rule("H-11: both switches fall, and nothing resumes", flow_ms=10.0,
                      may=(CUT_SHORT, BUTTON), restarts=True),
    "supply_sag": Rule("H-10, H-11: an interlock", flow=(POWER,), flow_ms=2_000.0, treats=False),
    # E-stop. H-03: within 3 cycles, here with the pin's own fall
    "estop_wire_broken": Rule("H-03: a broken wire is a stop", (ESTOP,), 30.0, (ESTOP,), 0.01,
                              treats=False),
    "estop_plug_half_in": Rule("H-03: the first open instant ends a freeze", flow=(ESTOP,),
                               flow_ms=1_000.0, may=(ESTOP,)),
    # Buttons. H-04: SELECT and ARM 6 s, UP and DOWN 10 s, TRIGGER 10 s in READY
    "trigger_dead": Rule("H-01: an open contact closes the valve", flow_ms=30.0, treats=False),
    "trigger_chatters": Rule("H-01, H-04: the first open sample closes the valve", flow_ms=60.0,
                             may=(BUTTON, *DRY)),
    "trigger_stuck": Rule("H-04: held too long", may=(BUTTON, *DRY)),
    **{
        f"{key}_{how}": Rule("H-04: held too long, or chattering", may=(BUTTON,))
        for key in ("up", "down", "select", "arm")
        for how in ("stuck", "chatters")
    },
    "up_dead": _tolerated("H-04: a key that does nothing"),
    "down_dead": _tolerated("H-04: a key that does nothing"),
    "select_dead": Rule("H-04: a key that does nothing"),
    "arm_dead": Rule("H-04: a key that does nothing"),
}  # fmt: skip
