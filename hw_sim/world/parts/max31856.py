"""MAX31856 thermocouple-to-digital converter on SPI, with a type T element at the nozzle.

Source: Maxim data sheet rev. 0 (2015): register map table 6, CR0/CR1/MASK/SR bit tables, conversion
times. Modelled: automatic and one-shot conversion, averaging, filter choice, cold junction with
offset or written by hand, comparator and interrupt fault modes, open-circuit detection (only if
CR0 enables it, and then once every 16 conversions), type T and type K linearisation (a chip set
to K reads a type T element wrongly, as it would). Not modelled: DRDY and FAULT pins (not wired),
the other types and the voltage modes (they raise), the comparator's 2 °C hysteresis, the nonlinear
error. Imports the standard library, `hw_sim.world.clock`, `hw_sim.world.plant`.
"""

from __future__ import annotations

import random

from hw_sim.world.clock import ClockLike, TimerLike
from hw_sim.world.parts.thermocouple import type_k_c, type_k_mv, type_t_mv
from hw_sim.world.plant import Plant

CR0, CR1, MASK, CJHF, CJLF = 0x00, 0x01, 0x02, 0x03, 0x04
LTHFTH, LTHFTL, LTLFTH, LTLFTL = 0x05, 0x06, 0x07, 0x08
CJTO, CJTH, CJTL, LTCBH, LTCBM, LTCBL, SR = 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F

_RESET = bytes(
    [
        0x00,
        0x03,
        0xFF,
        0x7F,
        0xC0,
        0x7F,
        0xFF,
        0x80,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
    ]
)

AUTO, ONE_SHOT = 0x80, 0x40
FAULT_OPEN, FAULT_OVUV, FAULT_TC_LOW, FAULT_TC_HIGH = 0x01, 0x02, 0x04, 0x08
FAULT_CJ_LOW, FAULT_CJ_HIGH, FAULT_TC_RANGE, FAULT_CJ_RANGE = 0x10, 0x20, 0x40, 0x80

_FILTER_50_HZ = 0x01
TYPE_K, TYPE_T = 0x03, 0x07
# Typical conversion times in ns, [50 Hz filter?]: automatic, one shot, and each further averaged
# sample (the latter differs between the two modes).
_AUTO_NS = (82_000_000, 98_000_000)
_ONE_SHOT_NS = (143_000_000, 169_000_000)
_AUTO_SAMPLE_NS = (16_667_000, 20_000_000)
_ONE_SHOT_SAMPLE_NS = (33_333_000, 40_000_000)
_OPEN_TEST_NS = 15_000_000  # open-circuit test, worst case with the cold junction enabled


class Max31856:
    """`select()`, bytes, `deselect()`; the first byte is the address (bit 7 = write).

    Fault injection: `open_circuit`, `out_of_range` (input pulled beyond the supplies: OVUV),
    `wires_touching` (0 mV: reads the cold junction, no fault bit), `loose` (the bead has come off
    the nozzle: it feels half of the cold), `gain_error` (of the element's voltage, as a part of it:
    class 3 of IEC 60584 allows 0.015), `present` False (MISO is left to the microcontroller's
    pull-down: every byte reads 0x00), `ones` (MISO touches the supply: every byte reads 0xFF),
    `noise_c` (interference on the element's wires, standard deviation in K).
    """

    def __init__(self, clock: ClockLike, plant: Plant) -> None:
        self._clock = clock
        self._plant = plant
        self.present = True
        self.open_circuit = False
        self.out_of_range = False
        self.wires_touching = False
        self.loose = False
        self.gain_error = 0.0
        self.ones = False
        self.noise_c = 0.0
        self._draw = random.Random(1)
        self.conversions = 0
        self._registers = bytearray(_RESET)
        self._timer: TimerLike | None = None
        self._since_mode = 0
        self._open_seen = False
        self._selected = False
        self._address: int | None = None
        self._writing = False

    @property
    def registers(self) -> bytes:
        """All 16 registers, for looking at."""
        return bytes(self._registers)

    @property
    def selected(self) -> bool:
        """Chip select is low."""
        return self._selected

    def power(self, on: bool) -> None:
        """Supply lost or returned: registers at their reset values, no conversion running."""
        self._cancel()
        self._registers[:] = _RESET
        self._since_mode = 0
        self._open_seen = False
        self._selected = False

    # -- bus ----------------------------------------------------------------------------------

    def select(self) -> None:
        """CS goes low: an address byte comes next."""
        self._selected = True
        self._address = None

    def deselect(self) -> None:
        """CS goes high."""
        self._selected = False

    def transfer(self, byte: int) -> int:
        """One byte each way. Not selected or not there: 0x00."""
        if not self._selected or not self.present:
            return 0
        if self.ones:
            return 0xFF
        address = self._address
        if address is None:
            self._address = byte & 0x0F
            self._writing = bool(byte & 0x80)
            return 0
        # In a burst the address increments and wraps (data sheet, multiple-byte transfer).
        self._address = (address + 1) & 0x0F
        if self._writing:
            self._write(address, byte)
            return 0
        return self._registers[address]

    def transfer_bulk(self, data: bytes | bytearray | memoryview) -> bytes:
        """Many bytes each way."""
        if self._selected and self.present and not self.ones and self._address is None and data:
            first = data[0]
            last = (first & 0x0F) + len(data) - 1
            if not first & 0x80 and last <= 16:
                self._address = last & 0x0F
                self._writing = False
                return b"\0" + self._registers[first & 0x0F : last]
        return bytes([self.transfer(byte) for byte in data])

    def _write(self, address: int, byte: int) -> None:
        registers = self._registers
        if address in (CJTH, CJTL):
            if not registers[CR0] & 0x08:
                return  # only with the internal cold-junction sensor switched off
            registers[address] = byte & 0xFC if address == CJTL else byte
        elif address >= LTCBH:
            return  # read only
        elif address == CR0:
            self._write_cr0(byte)
        else:
            if address == CR1 and (byte & 0x0F) not in (TYPE_K, TYPE_T):
                raise NotImplementedError(f"thermocouple type {byte & 0x0F} is not modelled")
            registers[address] = byte & (0x3F if address == MASK else 0xFF)

    def _write_cr0(self, byte: int) -> None:
        old = self._registers[CR0]
        # FAULTCLR clears itself; it acts in interrupt mode only.
        if byte & 0x02 and byte & 0x04:
            self._registers[SR] = 0
        if old & AUTO and (old ^ byte) & _FILTER_50_HZ:
            # Data sheet, CR0 bit 0: to be changed in the "normally off" mode only. What the chip
            # does else is not said: here it keeps its filter.
            byte ^= _FILTER_50_HZ
        one_shot = bool(byte & ONE_SHOT) and not byte & AUTO
        # 1SHOT stays set until the conversion has ended: drivers wait for that.
        self._registers[CR0] = byte & ~(0x02 if one_shot else ONE_SHOT | 0x02) & 0xFF
        started = bool(byte & AUTO) and (not old & AUTO or bool((old ^ byte) & 0x31))
        if not byte & AUTO:
            self._cancel()
        if started or one_shot:
            self._cancel()
            self._since_mode = 0
            self._next(one_shot)

    # -- conversion ---------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self, one_shot: bool) -> None:
        cr0 = self._registers[CR0]
        hz50 = cr0 & 1
        samples = (1, 2, 4, 8, 16, 16, 16, 16)[self._registers[CR1] >> 4 & 7]
        if one_shot:
            wait_ns = _ONE_SHOT_NS[hz50] + (samples - 1) * _ONE_SHOT_SAMPLE_NS[hz50]
        else:
            wait_ns = _AUTO_NS[hz50] + (samples - 1) * _AUTO_SAMPLE_NS[hz50]
        if self._tests_open():
            wait_ns += _OPEN_TEST_NS
        self._timer = self._clock.call_after(wait_ns, self._converted)

    def _tests_open(self) -> bool:
        return bool(self._registers[CR0] & 0x30) and self._since_mode % 16 == 0

    def _converted(self) -> None:
        self._timer = None
        registers = self._registers
        registers[CR0] &= ~ONE_SHOT & 0xFF
        plant = self._plant
        plant.advance(self._clock.now_ns)
        if not registers[CR0] & 0x08:
            offset_c = _signed(registers[CJTO], 8) / 16.0
            self._store_cold_junction(plant.ambient_c + offset_c)
        cold_c = _signed(registers[CJTH] << 8 | registers[CJTL], 16) / 256.0
        if self._tests_open():
            self._open_seen = self.open_circuit
        elif not registers[CR0] & 0x30:
            self._open_seen = False
        self._since_mode += 1
        faults = FAULT_OPEN if self._open_seen else 0
        if self.out_of_range and not self.open_circuit:
            # The input is beyond the supplies; the chip stops converting and keeps its last value.
            faults |= FAULT_OVUV
            hot_c = _signed24(registers) / 4096.0
        else:
            hot_c = self._linearised_c(plant.nozzle_c, cold_c)
            if self.noise_c:
                hot_c += self._draw.gauss(0.0, self.noise_c)
            value = round(hot_c * 128.0)
            value = max(-(1 << 18), min((1 << 18) - 1, value)) << 5 & 0xFFFFFF
            registers[LTCBH] = value >> 16
            registers[LTCBM] = value >> 8 & 0xFF
            registers[LTCBL] = value & 0xFF
        faults |= self._limits(hot_c, cold_c)
        if registers[CR0] & 0x04:
            faults |= registers[SR]  # interrupt mode: kept until FAULTCLR
        registers[SR] = faults
        self.conversions += 1
        if registers[CR0] & AUTO:
            self._next(one_shot=False)

    def _linearised_c(self, nozzle_c: float, cold_c: float) -> float:
        if self.open_circuit or self.wires_touching:
            return cold_c  # 0 mV at the input
        ambient_c = self._plant.ambient_c
        if self.loose:
            nozzle_c = 0.5 * (nozzle_c + ambient_c)
        nozzle_c += self.gain_error * (nozzle_c - ambient_c)
        kind = self._registers[CR1] & 0x0F
        if kind == TYPE_T:
            return nozzle_c + (cold_c - ambient_c)  # ideal linearisation of the matching element
        mv = type_t_mv(nozzle_c) - type_t_mv(ambient_c)
        return type_k_c(mv + type_k_mv(cold_c))

    def _limits(self, hot_c: float, cold_c: float) -> int:
        registers = self._registers
        faults = 0
        if hot_c > _signed(registers[LTHFTH] << 8 | registers[LTHFTL], 16) / 16.0:
            faults |= FAULT_TC_HIGH
        if hot_c < _signed(registers[LTLFTH] << 8 | registers[LTLFTL], 16) / 16.0:
            faults |= FAULT_TC_LOW
        if cold_c > _signed(registers[CJHF], 8):
            faults |= FAULT_CJ_HIGH
        if cold_c < _signed(registers[CJLF], 8):
            faults |= FAULT_CJ_LOW
        low_c, high_c = (-200.0, 400.0) if registers[CR1] & 0x0F == TYPE_T else (-200.0, 1372.0)
        if not low_c <= hot_c <= high_c:
            faults |= FAULT_TC_RANGE
        if not -55.0 <= cold_c <= 125.0:
            faults |= FAULT_CJ_RANGE
        return faults

    def _store_cold_junction(self, c: float) -> None:
        raw = round(c * 64.0) << 2 & 0xFFFF
        self._registers[CJTH] = raw >> 8
        self._registers[CJTL] = raw & 0xFC


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value & 1 << (bits - 1) else value


def _signed24(registers: bytearray) -> int:
    return _signed(registers[LTCBH] << 16 | registers[LTCBM] << 8 | registers[LTCBL], 24)
