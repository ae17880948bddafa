"""The cryogenic solenoid valve: coil current and armature. Imports the standard library only.

Electrically the coil is regulated from outside the microcontroller ("peak and hold"): 1200 mA for
the first 20 ms, then 350 mA (docs/hardware.md). Mechanically the armature follows with a lag;
cryogenic solenoids open in 5–30 ms and close in 10–50 ms, and more slowly when cold. Ice at the
armature makes it slower still, and enough of it holds the armature where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

NEVER_NS = 1 << 62
_SETTLED = 12.0  # time constants after which an exponential is over (6e-6 of it left)


@dataclass(frozen=True, slots=True)
class ValveParams:
    """Figures of the valve. Source: docs/hardware.md for the currents; the lags lie in the range
    that the trade states (see the module), and are this simulator's own choice in it."""

    open_lag_warm_ms: float = 12.0
    open_lag_cold_ms: float = 14.0
    close_lag_warm_ms: float = 25.0
    close_lag_cold_ms: float = 30.0
    warm_c: float = 20.0
    cold_c: float = -190.0
    peak_ma: float = 1200.0
    peak_ms: float = 20.0
    hold_ma: float = 350.0
    rise_ms: float = 1.5  # L/R of a 12 V coil driven from a boosted supply (assumed)
    fall_ms: float = 1.5  # with the usual Zener clamp (assumed)
    # Ice, in parts of what locks the armature. Moist air creeps in while the valve is closed and
    # its body below 0 °C, and melts above. No source gives figures; these lock a valve in the
    # fourth of 20 s freezes in a row, a minute apart, with nothing done against the moisture.
    ice_build_s: float = 130.0  # fully moist air, at least 20 °C below zero
    ice_melt_s: float = 90.0  # a locking amount, at 20 °C above zero
    ice_slows: float = 3.0  # how much a locking amount adds to the lags, as a factor
    ice_most: float = 1.5


class Valve:
    """State at the time of the last call; `pending_ns` says when the armature will move next."""

    __slots__ = (
        "_coil_from_ma",
        "_magnetised",
        "_magnetised_ns",
        "_params",
        "coil_open",
        "energised",
        "ice",
        "is_open",
        "leak",
        "moisture",
        "pending_ns",
        "slow_factor",
        "stuck_closed",
        "stuck_open",
    )

    def __init__(self, params: ValveParams) -> None:
        self._params = params
        self.energised = False
        self.is_open = False
        self.pending_ns = NEVER_NS
        self.coil_open = False
        self.stuck_open = False
        self.stuck_closed = False
        self.slow_factor = 1.0
        self.leak = 0.0  # of its open area, 0…1: what a closed valve still passes
        self.ice = 0.0  # 1 locks the armature
        self.moisture = 0.0  # of the air that gets in: 0 dry (a purged, capped nozzle) … 1
        self._magnetised = False
        self._magnetised_ns = -NEVER_NS
        self._coil_from_ma = 0.0

    def aim(self, t_ns: int, body_c: float) -> None:
        """Something changed (supply, broken wire, jam) at `t_ns`: settle what follows from it.

        `body_c` is the valve's own temperature, which slows it.
        """
        magnetised = self.energised and not self.coil_open
        if magnetised != self._magnetised:
            self._coil_from_ma = 0.0 if self.coil_open else self.coil_ma(t_ns)
            self._magnetised = magnetised
            self._magnetised_ns = t_ns
            self.pending_ns = NEVER_NS  # a movement that had not happened yet is called off
        blocked = self.iced or (self.stuck_closed if magnetised else self.stuck_open)
        if magnetised == self.is_open or blocked:
            self.pending_ns = NEVER_NS
        elif self.pending_ns == NEVER_NS:
            self.pending_ns = t_ns + self._lag_ns(magnetised, body_c)

    @property
    def iced(self) -> bool:
        """Ice holds the armature."""
        return self.ice >= 1.0

    def frost(self, dt_s: float, body_c: float) -> bool:
        """Let ice grow or melt for `dt_s`. True: the armature was freed or locked by it."""
        p = self._params
        before = self.ice
        coldness = min(1.0, -body_c / 20.0)
        if coldness < 0.0:
            self.ice = max(0.0, before + coldness * dt_s / p.ice_melt_s)
        elif not self.is_open:
            grown = before + self.moisture * coldness * dt_s / p.ice_build_s
            self.ice = min(max(before, p.ice_most), grown)
        return (before >= 1.0) != (self.ice >= 1.0)

    def move(self) -> None:
        """The armature arrives. Called by the plant at `pending_ns`."""
        self.is_open = self._magnetised
        self.pending_ns = NEVER_NS

    def _lag_ns(self, opening: bool, body_c: float) -> int:
        p = self._params
        if opening:
            warm, cold = p.open_lag_warm_ms, p.open_lag_cold_ms
        else:
            warm, cold = p.close_lag_warm_ms, p.close_lag_cold_ms
        coldness = min(1.0, max(0.0, (p.warm_c - body_c) / (p.warm_c - p.cold_c)))
        factor = self.slow_factor * (1.0 + p.ice_slows * self.ice)
        return round((warm + (cold - warm) * coldness) * factor * 1e6)

    def coil_ma(self, t_ns: int) -> float:
        """Coil current in mA at `t_ns`, which is not before the last change. 0…peak."""
        p = self._params
        ms = (t_ns - self._magnetised_ns) * 1e-6
        if not self._magnetised:
            start = self._coil_from_ma
            if start == 0.0 or ms > _SETTLED * p.fall_ms:
                return 0.0
            return start * exp(-ms / p.fall_ms)
        if ms < p.peak_ms:
            return p.peak_ma + (self._coil_from_ma - p.peak_ma) * exp(-ms / p.rise_ms)
        ms -= p.peak_ms
        if ms > _SETTLED * p.fall_ms:
            return p.hold_ma
        top = p.peak_ma + (self._coil_from_ma - p.peak_ma) * exp(-p.peak_ms / p.rise_ms)
        return p.hold_ma + (top - p.hold_ma) * exp(-ms / p.fall_ms)
