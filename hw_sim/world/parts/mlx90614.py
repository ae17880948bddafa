"""MLX90614 infrared thermometer on SMBus, looking at the spot beside the nozzle.

Source: Melexis data sheet 3901090614 rev. 008 (2013): SMBus protocol and timing (8.4), memories
(8.3), resolution 0.02 K, object range −70…+380 °C, sensor range −40…+85 °C; application note
390119061402 for the error flag (bit 15) and the range of the object's word, 0x27AD (−70.01 °C) to
0x7FFF. Modelled: read word with packet error code, from RAM (raw data read 0) and EEPROM; the
repeated start, without which it answers 0xFF; every other command is not acknowledged, so that the
EEPROM is read only; the bus's limit of 100 kHz (`fastest_hz`); a new value every 0.1 s through a
filter of the first order; nothing valid for 0.25 s after power-on. What it sees: emitted and
reflected radiation by the fourth power of temperature, over a field that the cooled spot may not
fill, with the emissivity in the EEPROM corrected for. Not modelled: sleep, PWM, the
second zone, address 0x00, noise. How much mist of the spray a sensor at the nozzle sees is not
known to us: none unless requested (`mist`).

Assumed: below its range it gives the lowest word; the data sheet does not say whether it also sets
the error flag (`flags_below`). The settling time of 0.65 s to 99 % is that of the factory's filter
(FIR 1024, no IIR). Imports the standard library, `hw_sim.world.clock`, `hw_sim.world.parts.i2c` and
`hw_sim.world.plant`.
"""

from __future__ import annotations

from math import exp, log

from hw_sim.world.clock import ClockLike
from hw_sim.world.parts.i2c import I2cBase
from hw_sim.world.plant import Plant
from hw_sim.world.plant.nitrogen import BOILING_C

ADDRESS = 0x5A
T_AMBIENT, T_OBJECT = 0x06, 0x07
E_EMISSIVITY, E_CONFIG, E_ADDRESS = 0x24, 0x25, 0x2E
LOWEST, HIGHEST = 0x27AD, 0x7FFF
ERROR_FLAG = 0x8000

_TIMEOUT_H_NS = 45_000
_PERIOD_NS = 100_000_000
_VALID_NS = 250_000_000
_CATCH_UP = 20  # periods after which what was before no longer matters
_SETTLE_S = 0.65
_KEEP = exp(-_PERIOD_NS * 1e-9 * log(100.0) / _SETTLE_S)
_ZERO_K = 273.15
_MISTY_H = 0.3  # of the nominal coefficient: mostly liquid
_SKIN_EMISSIVITY = 0.98  # Steketee, Phys. Med. Biol. 18 (1973) 686: 0.98 ± 0.01, wet or frosted too


class Mlx90614(I2cBase):
    """Attached at 0x5A. `emissivity` is what was written into its EEPROM when it was built in.

    `field_mm`: the radius that it sees (5° version, 2–3 cm away). Beyond the spot is skin that is
    not cooled. `mist`, 0…1: the part of that field which the spray hides while liquid comes; it is
    as cold as the liquid. Fault injection: `present` False; `dirt` 0…1, the part of its window that
    shows its own temperature instead of the skin; `flags_below`, `flags` (it reports an error with
    every value), `wrong_code` (its packet error code does not fit the word), `ones` (every byte
    reads 0xFF).
    """

    fastest_hz = 100_000
    timeout_h_ns = _TIMEOUT_H_NS
    """Data sheet 8.4.7: SCL high for so long resets its communication."""

    def __init__(
        self,
        clock: ClockLike,
        plant: Plant,
        *,
        emissivity: float = _SKIN_EMISSIVITY,
        field_mm: float = 2.0,
    ) -> None:
        super().__init__()
        if not 0.1 <= emissivity <= 1.0 or field_mm <= 0.0:
            raise ValueError(f"emissivity {emissivity} (0.1…1) or field {field_mm} mm (> 0)")
        self._clock = clock
        self._plant = plant
        self.dirt = 0.0
        self.flags_below = False
        self.flags = False
        self.wrong_code = False
        self.ones = False
        self.field_mm = field_mm
        self.mist = 0.0
        word = round(65535 * emissivity)
        self._emissivity = word / 65535
        self._eeprom = {E_EMISSIVITY: word, E_CONFIG: 0x9FB4, E_ADDRESS: 0xBE00 | ADDRESS}
        self._command: int | None = None
        self._answer: list[int] = []
        self._reading = False
        self._power_ns = clock.now_ns
        self._next_ns = clock.now_ns + _PERIOD_NS
        self._object_c: float | None = None

    def power(self, on: bool) -> None:
        """Supply lost or returned."""
        self._power_ns = self._clock.now_ns
        self._next_ns = self._power_ns + _PERIOD_NS
        self._object_c = None
        self.stop()

    # -- what it sees -------------------------------------------------------------------------

    def _seen_c(self, t_ns: int) -> float:
        """Object temperature that the linearisation comes to, without filter and limits."""
        plant = self._plant
        room_4 = (plant.ambient_c + _ZERO_K) ** 4
        if plant.at_skin:
            skin = plant.skin
            spot_4 = (plant.skin_c_at(t_ns) + _ZERO_K) ** 4
            part = min(1.0, (skin.spot_radius_mm / self.field_mm) ** 2)
            if part < 1.0:
                spot_4 = part * spot_4 + (1.0 - part) * (plant.skin_start_c + _ZERO_K) ** 4
            # Skin emits 98 % and reflects the room for the rest.
            from_4 = _SKIN_EMISSIVITY * spot_4 + (1.0 - _SKIN_EMISSIVITY) * room_4
            if self.mist > 0.0 and plant.jet_between(t_ns, t_ns + 1)[0].relative_h > _MISTY_H:
                from_4 += self.mist * ((BOILING_C + _ZERO_K) ** 4 - from_4)
        else:
            from_4 = room_4
        from_4 += self.dirt * (room_4 - from_4)
        emissivity = self._emissivity
        object_4 = (from_4 - (1.0 - emissivity) * room_4) / emissivity
        return max(1.0, object_4) ** 0.25 - _ZERO_K if object_4 > 0.0 else -_ZERO_K

    def _catch_up(self) -> None:
        """Take every value that was due up to now."""
        now_ns = self._clock.now_ns
        plant = self._plant
        plant.advance(now_ns)
        behind = (now_ns - self._next_ns) // _PERIOD_NS - _CATCH_UP
        if behind > 0:
            self._next_ns += behind * _PERIOD_NS
            self._object_c = None
        while self._next_ns <= now_ns:
            seen_c = self._seen_c(self._next_ns)
            was_c = self._object_c
            self._object_c = seen_c if was_c is None else seen_c + (was_c - seen_c) * _KEEP
            self._next_ns += _PERIOD_NS

    def _word(self, command: int) -> int:
        """What a read of this address gives now."""
        if command & 0x20:
            return self._eeprom.get(command, 0)
        if self._clock.now_ns - self._power_ns < _VALID_NS:
            return 0
        if command == T_AMBIENT:
            return round((self._plant.ambient_c + _ZERO_K) * 50.0)
        if command != T_OBJECT:
            return 0
        self._catch_up()
        assert self._object_c is not None
        word = round((self._object_c + _ZERO_K) * 50.0)
        if self.flags or (word < LOWEST and self.flags_below):
            return ERROR_FLAG | max(0, min(HIGHEST, word))
        return max(LOWEST, min(HIGHEST, word))

    # -- bus ----------------------------------------------------------------------------------

    def start(self) -> None:
        """A start: the next byte is a command, unless the part is read."""
        self._command = None
        self._reading = False

    def restart(self) -> None:
        """A repeated start after a command: a read follows."""
        self._reading = False

    def write_byte(self, byte: int) -> bool:
        """The command: a word of RAM (0x00…0x1F) or EEPROM (0x20…0x3F). Else not acknowledged."""
        if self._command is not None or byte > 0x3F:
            return False
        self._command = byte
        return True

    def read_byte(self) -> int:
        """Low byte, high byte, packet error code, then 0xFF."""
        if not self._reading:
            self._reading = True
            self._answer = self._message()
        return self._answer.pop(0) if self._answer else 0xFF

    def _message(self) -> list[int]:
        command, self._command = self._command, None
        if command is None:
            return []
        word = self._word(command)
        if self.ones:
            return []
        low, high = word & 0xFF, word >> 8
        code = packet_error_code((ADDRESS << 1, command, ADDRESS << 1 | 1, low, high))
        return [low, high, code ^ 0x55 if self.wrong_code else code]

    def stop(self) -> None:
        """The stop condition: a command that was not followed by a read is forgotten."""
        self._command = None
        self._reading = False
        self._answer = []


def packet_error_code(data: tuple[int, ...] | bytes) -> int:
    """SMBus: CRC-8, polynomial x⁸ + x² + x + 1, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return crc
