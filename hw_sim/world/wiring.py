"""The board: which pin goes to which part, and the sensors' curves.

Restates docs/hardware.md on its own and takes nothing from the firmware, so that a pin or a curve
that is wrong on one side fails a test instead of agreeing with itself. A chip, fake or emulated,
drives its outputs in and reads its inputs here. Imports the standard library and the parts, the
plant, `bus_traffic` and the clock's types.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache, partial

from hw_sim.world.bus_traffic import BusLevel, Traffic
from hw_sim.world.clock import NS_PER_MS, ClockLike, TimerLike
from hw_sim.world.parts.contacts import Button, EStop
from hw_sim.world.parts.ds3231 import Ds3231
from hw_sim.world.parts.flash_health import FlashHealth
from hw_sim.world.parts.i2c import I2cPart
from hw_sim.world.parts.indicators import Buzzer, Led
from hw_sim.world.parts.max31856 import Max31856
from hw_sim.world.parts.mlx90614 import Mlx90614
from hw_sim.world.parts.ssd1306 import Ssd1306
from hw_sim.world.plant import Plant

GATE, SUPPLY = 2, 3
SDA, SCL = 4, 5
ESTOP = 6
BUTTON_PINS = {"trigger": 7, "up": 8, "down": 9, "select": 10, "arm": 11}
BUZZER = 12
LED_PINS = {"green": 13, "yellow": 14, "red": 15}
THERMOCOUPLE_CS = 17
ADC_COIL, ADC_PRESSURE, ADC_LEVEL, ADC_VSYS = 0, 1, 2, 3
I2C_BUS = 0
SCREEN_ADDRESS, SKIN_ADDRESS, RTC_ADDRESS = 0x3C, 0x5A, 0x68
SPI_BUS = 0

_COUNTS_PER_MV = 4096.0 / 3300.0
# The Pico's converter (RT6150) gives 3.3 V down to this VSYS (Pico data sheet); below, the
# supervisor resets the processor.
_RESET_VSYS_MV = 1800.0
_HEALTHY_VSYS_MV = 4850.0  # from USB, behind the Pico's Schottky diode
_RAMP_STEP_NS = 5 * NS_PER_MS
_NOISE_LENGTH = 1024  # a power of two
_NOT_OUTPUTS = frozenset([ESTOP, *BUTTON_PINS.values(), 26, 27, 28, 29])
_PWM_PINS = frozenset([BUZZER, *LED_PINS.values()])
_PINS = 30
_BUS_LINES = {SCL: "SCL", THERMOCOUPLE_CS: "CS"}
"""Lines of the buses that the program moves itself: to select, and to free a bus."""
_LONG_AGO_NS = 1_000_000_000
FOR_EVER = 1 << 30
"""Clocks after which a short circuit lets SDA go."""

InputListener = Callable[[int, int | None], None]
Tap = Callable[[int, str, float], None]
BusTap = Callable[[Traffic], None]


class WiringError(RuntimeError):
    """The chip did something to a pin that would damage or misuse what hangs on it."""


@lru_cache(maxsize=16)
def _noise(seed: int, lsb: float) -> tuple[float, ...]:
    """The noise of the analog readings, in counts; half a count more, for rounding."""
    draw = random.Random(seed)
    return tuple(
        0.5 + max(-4.0, min(4.0, draw.gauss(0.0, 1.0))) * lsb for _ in range(_NOISE_LENGTH)
    )


class Wiring:
    """All parts, soldered to their pins.

    `noise_lsb` is the standard deviation of the analog readings in counts of the 12-bit converter;
    the noise comes from `seed` and is the same in every run. `skin_sensor`: the optional infrared
    thermometer is fitted.
    """

    def __init__(
        self,
        clock: ClockLike,
        plant: Plant,
        *,
        seed: int = 1,
        noise_lsb: float = 1.0,
        skin_sensor: bool = False,
    ) -> None:
        self.clock = clock
        self.plant = plant
        self.screen = Ssd1306(seed=seed)
        self.thermocouple = Max31856(clock, plant)
        self.rtc = Ds3231(clock, ambient_c=plant.ambient_c)
        self.skin_sensor = Mlx90614(clock, plant)
        self.skin_sensor_fitted = skin_sensor
        self.buttons = {name: Button(clock, name, seed=seed) for name in BUTTON_PINS}
        self.estop = EStop(clock, seed=seed)
        self.buzzer = Buzzer()
        self.leds = {name: Led(name) for name in LED_PINS}
        self.powered = True
        self.vsys_mv = _HEALTHY_VSYS_MV
        self.vsys_pin: int | None = None  # Pico W: VSYS/3 is on GP29 while this pin is high only
        # Set by fault injection: a voltage that the analog pin shows whatever the plant does, and
        # switches that no longer switch.
        self.stuck_mv: list[float | None] = [None, None, None, None]
        # Interference on the analog lines: (channel, mV at the sensor) to mV at the pin.
        self.disturbance: Callable[[int, float], float] | None = None
        # The same by name, each of one channel: what fault injection adds and takes away.
        self.interference: dict[str, tuple[int, Callable[[float], float]]] = {}
        self.flash = FlashHealth()
        self.on_supply: Callable[[bool], None] | None = None
        self._supply_timers: list[TimerLike] = []
        self._sda_held_clocks = 0  # a part holds SDA low until it has got so many clocks
        self._fast_end_ns = -_LONG_AGO_NS  # of the last message that was too fast for the MLX90614
        self._gate_shorted = False
        self._supply_shorted = False
        self._listeners: list[InputListener] = []
        self._taps: list[Tap] = []
        self.bus_taps: list[BusTap] = []
        """Told of each transfer on I2C, SPI and the USB port, once it is over, and of CS."""
        self._out: list[int | None] = [None] * _PINS
        self._energised = False
        self._was_open = False
        self._noise = _noise(seed, noise_lsb)
        self._noise_at = 0
        for name, pin in BUTTON_PINS.items():
            self.buttons[name].on_level = partial(self._input_changed, pin, name.upper())
        self.estop.on_level = partial(self._input_changed, ESTOP, "ESTOP")
        self.estop.on_contact = self._feed_coil
        plant.on_freed = self._ice_has_moved

    # -- inputs of the chip -------------------------------------------------------------------

    def level(self, gp: int) -> int | None:
        """The level that an outside part puts on pin `gp`; None: nothing does, the pull decides."""
        if gp == ESTOP:
            return 1 if self.estop.level else 0  # open: by the external pull-down
        for name, pin in BUTTON_PINS.items():
            if pin == gp:
                return self.buttons[name].level
        if not 0 <= gp < _PINS:
            raise WiringError(f"there is no pin GP{gp}")
        return 0 if gp == SDA and self._sda_held_clocks else None

    def listen(self, fn: InputListener) -> None:
        """Call `fn(gp, level)` on each change of an input pin."""
        self._listeners.append(fn)

    def _input_changed(self, gp: int, signal: str, level: int | None) -> None:
        if gp == ESTOP and level is None:
            level = 0  # by the external pull-down
        if self._taps:
            self._tell(signal, 1 if level is None else level)  # an open button: by its pull-up
        for fn in list(self._listeners):
            fn(gp, level)

    def adc_counts(self, channel: int) -> int:
        """12-bit count of ADC channel 0…3 now. Brings the plant up to the clock's time."""
        now_ns = self.clock.now_ns
        plant = self.plant
        if now_ns >= plant.due_ns:
            plant.advance(now_ns)
        mv = self.stuck_mv[channel]
        if mv is None:
            if channel == 0:
                mv = plant.valve.coil_ma(now_ns)
            elif channel == 1:
                mv = 330.0 + 1.32 * plant.dewar.mbar
            elif channel == 2:
                mv = 500.0 + 2.0 * plant.dewar.permille
            elif self.vsys_pin is None or self._out[self.vsys_pin]:
                mv = self.vsys_mv / 3.0
            else:
                mv = 0.0
        if self.disturbance is not None:
            mv = self.disturbance(channel, mv)
        if self.interference:
            for of, change in self.interference.values():
                if of == channel:
                    mv = change(mv)
        at = self._noise_at
        self._noise_at = (at + 1) & (_NOISE_LENGTH - 1)
        count = int(mv * _COUNTS_PER_MV + self._noise[at])
        return count if 0 <= count <= 4095 else (0 if count < 0 else 4095)

    def analog_mv(self, channel: int) -> float:
        """The voltage at ADC channel 0…3 without noise, in mV. For looking at."""
        self.plant.advance(self.clock.now_ns)
        stuck = self.stuck_mv[channel]
        if stuck is not None:
            return stuck
        return (
            self.plant.coil_ma,
            330.0 + 1.32 * self.plant.dewar_mbar,
            500.0 + 2.0 * self.plant.dewar_permille,
            self.vsys_mv / 3.0,
        )[channel]

    # -- outputs of the chip ------------------------------------------------------------------

    def drive(self, gp: int, level: int | None) -> None:
        """The chip puts 0 or 1 on pin `gp`, or lets it float (None; external pulls decide).

        Driving a pin that another part drives, or that does not exist, is a WiringError.
        """
        if not 0 <= gp < _PINS:
            raise WiringError(f"there is no pin GP{gp}")
        if level == self._out[gp]:
            return
        if level is not None and gp in _NOT_OUTPUTS:
            raise WiringError(f"GP{gp} is driven by the chip, but it is an input of the board")
        if gp in _BUS_LINES:
            self._bus_line(gp, level)
        self._out[gp] = level
        if gp == GATE or gp == SUPPLY:
            if self._taps:
                self._tell("VALVE_GATE" if gp == GATE else "VALVE_SUPPLY", level or 0)
            self._feed_coil()
        elif gp == THERMOCOUPLE_CS:
            if level == 0:
                self.thermocouple.select()
            else:
                self.thermocouple.deselect()
        elif gp in _PWM_PINS:
            if gp == BUZZER:
                self._sound(0, 0)  # a steady level makes no tone
            else:
                self._light(gp, float(level or 0))

    def _bus_line(self, gp: int, level: int | None) -> None:
        """The program itself moves a line of a bus; this is before it has moved."""
        if self.bus_taps:
            self.passed(BusLevel(self.clock.now_ns, _BUS_LINES[gp], 1 if level is None else level))
        if gp == SCL and self._out[gp] == 0 and self._sda_held_clocks:
            self.hold_sda(self._sda_held_clocks - 1)

    def driven(self, gp: int) -> int | None:
        """What the chip last put on pin `gp`."""
        return self._out[gp]

    def pwm(self, gp: int, freq_hz: int, duty_u16: int) -> None:
        """The chip runs a PWM on pin `gp`, duty 0…65535; 0 = low. Only sounder and LEDs may."""
        if gp not in _PWM_PINS:
            raise WiringError(f"PWM on GP{gp}, where neither the sounder nor an LED is")
        if not 0 <= duty_u16 <= 65535:
            raise WiringError(f"PWM duty {duty_u16} is not within 0…65535")
        self._out[gp] = None
        if gp == BUZZER:
            self._sound(freq_hz, duty_u16)
        else:
            self._light(gp, duty_u16 / 65535.0)

    def _sound(self, freq_hz: int, duty_u16: int) -> None:
        before = self.buzzer.sounding_hz
        self.buzzer.freq_hz = freq_hz
        self.buzzer.duty_u16 = duty_u16
        if self._taps and self.buzzer.sounding_hz != before:
            self._tell("BUZZER", self.buzzer.sounding_hz)

    def _light(self, gp: int, brightness: float) -> None:
        for name, pin in LED_PINS.items():
            if pin == gp and self.leds[name].brightness != brightness:
                self.leds[name].brightness = brightness
                if self._taps:
                    self._tell(f"LED_{name.upper()}", brightness)

    # -- buses --------------------------------------------------------------------------------

    def i2c(self, bus: int, address: int) -> I2cPart | None:
        """The part that acknowledges `address` on I2C `bus`, or None.

        The MLX90614 hears the messages to the others, which are too fast for it, and is deaf until
        the bus has been idle for its Timeout H.
        """
        if bus != I2C_BUS:
            return None
        if address == SKIN_ADDRESS:
            idle_ns = self.clock.now_ns - self._fast_end_ns
            if idle_ns < self.skin_sensor.timeout_h_ns:
                return None
        if address == SCREEN_ADDRESS and self.screen.present:
            return self.screen
        if address == RTC_ADDRESS and self.rtc.present:
            return self.rtc
        if address == SKIN_ADDRESS and self.skin_sensor_fitted and self.skin_sensor.present:
            return self.skin_sensor
        return None

    def i2c_ended(self, bus: int, hz: float) -> None:
        """A message at `hz` has ended."""
        if bus == I2C_BUS and hz > self.skin_sensor.fastest_hz:
            self._fast_end_ns = self.clock.now_ns

    def hold_sda(self, clocks: int) -> None:
        """A part holds SDA low until it has got `clocks` clocks (0: none does), as one does that
        was cut off in the middle of a read. FOR_EVER: a short circuit."""
        before, self._sda_held_clocks = self._sda_held_clocks, clocks
        if bool(before) != bool(clocks):
            if self.bus_taps:
                self.passed(BusLevel(self.clock.now_ns, "SDA", int(not clocks)))
            for fn in list(self._listeners):
                fn(SDA, self.level(SDA))

    @property
    def bus_stuck(self) -> bool:
        """SDA of the I2C bus is held low. Set: by a short circuit, which no clocks end."""
        return self._sda_held_clocks > 0

    @bus_stuck.setter
    def bus_stuck(self, stuck: bool) -> None:
        self.hold_sda(FOR_EVER if stuck else 0)

    def i2c_stuck(self, bus: int) -> bool:
        """SDA is held low: no message can begin."""
        return bus == I2C_BUS and self.bus_stuck

    def spi(self, bus: int) -> Max31856 | None:
        """The part on SPI `bus`, or None. It is selected by driving GP17 low."""
        return self.thermocouple if bus == SPI_BUS else None

    def passed(self, event: Traffic) -> None:
        """Tell `bus_taps` of it. A bus asks first whether there are any, to lose no time."""
        for fn in self.bus_taps:
            fn(event)

    # -- the coil -----------------------------------------------------------------------------

    def short_switches(self, *, gate: bool | None = None, supply: bool | None = None) -> None:
        """A switch transistor of the coil fails shorted (True) or is replaced (False)."""
        if gate is not None:
            self._gate_shorted = gate
        if supply is not None:
            self._supply_shorted = supply
        self._feed_coil()

    def _feed_coil(self) -> None:
        """GATE and SUPPLY in series with the E-stop contact."""
        on = (
            self.powered
            and (self._out[GATE] == 1 or self._gate_shorted)
            and (self._out[SUPPLY] == 1 or self._supply_shorted)
            and self.estop.closed
        )
        if on != self._energised:
            self._energised = on
            self.plant.energise(self.clock.now_ns, on)
            if self._taps:
                self._tell("COIL", int(on))
            self.valve_changed()

    def valve_changed(self) -> None:
        """Schedule the notification of the armature's movement at the time it happens."""
        moves_ns = self.plant.valve_moves_ns
        if moves_ns is not None:
            self.clock.call_at(moves_ns, self._valve_moved)

    def _ice_has_moved(self) -> None:
        """Ice freed or caught the armature, which the plant may report late."""
        moves_ns = self.plant.valve_moves_ns
        if moves_ns is not None:
            self.clock.call_at(max(moves_ns, self.clock.now_ns), self._valve_moved)

    def _valve_moved(self) -> None:
        self.plant.advance(self.clock.now_ns)
        is_open = self.plant.valve_open
        if is_open != self._was_open:
            self._was_open = is_open
            if self._taps:
                self._tell("VALVE", int(is_open))

    # -- brown-out ----------------------------------------------------------------------------

    def brown_out(self, fall_ms: float, low_ms: float, rise_ms: float) -> None:
        """VSYS falls to nothing, stays there, and returns; the board loses its supply meanwhile.

        The processor follows by `on_supply` (the bench's); a bench without it only sees VSYS.
        """
        if self._supply_timers:
            return
        now_ns = self.clock.now_ns
        down, up = round(fall_ms * NS_PER_MS), round(rise_ms * NS_PER_MS)
        back_ns = down + round(low_ms * NS_PER_MS)
        for at_ns in range(0, down + 1, _RAMP_STEP_NS):
            self._ramp(now_ns + at_ns, _HEALTHY_VSYS_MV * (1.0 - at_ns / max(down, 1)))
        self._ramp(now_ns + down, 0.0)
        for at_ns in range(0, up + 1, _RAMP_STEP_NS):
            self._ramp(now_ns + back_ns + at_ns, _HEALTHY_VSYS_MV * at_ns / max(up, 1))
        self._ramp(now_ns + back_ns + up, _HEALTHY_VSYS_MV)

    def _ramp(self, t_ns: int, mv: float) -> None:
        self._supply_timers.append(self.clock.call_at(t_ns, partial(self._vsys, mv)))

    def _vsys(self, mv: float) -> None:
        before, self.vsys_mv = self.vsys_mv, mv
        lives = mv >= _RESET_VSYS_MV
        if lives != (before >= _RESET_VSYS_MV) and self.on_supply is not None:
            self.on_supply(lives)

    def end_brown_out(self) -> None:
        """The supply is healthy again, at once, whatever was to come."""
        for timer in self._supply_timers:
            timer.cancel()
        self._supply_timers.clear()
        self._vsys(_HEALTHY_VSYS_MV)

    # -- supply, taps -------------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """The board's supply goes or returns. Without it every output floats and parts reset."""
        if on == self.powered:
            return
        self.powered = on
        for gp in range(_PINS):
            if self._out[gp] is not None:
                self.drive(gp, None)
        self._sound(0, 0)
        for pin in LED_PINS.values():
            self._light(pin, 0.0)
        self.screen.power(on)
        self.thermocouple.power(on)
        self.skin_sensor.power(on)
        self._feed_coil()
        if self._taps:
            self._tell("POWER", int(on))

    def watch(self, fn: Tap) -> None:
        """Trace: call `fn(t_ns, signal, value)` on each change.

        Signals: VALVE_GATE, VALVE_SUPPLY, COIL (it has its supply), VALVE (the armature), ESTOP
        and TRIGGER, UP, DOWN, SELECT, ARM (level at the pin: a pressed button is 0, a healthy loop
        1), LED_GREEN, LED_YELLOW, LED_RED (0…1), BUZZER (Hz, 0 = silent), POWER.
        """
        self._taps.append(fn)

    def unwatch(self, fn: Tap) -> None:
        """No longer call `fn`."""
        self._taps.remove(fn)

    def _tell(self, signal: str, value: int | float) -> None:
        now_ns = self.clock.now_ns
        for fn in self._taps:
            fn(now_ns, signal, value)
