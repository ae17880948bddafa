"""The cryogenic solenoid valve: coil current and armature. Imports the standard library only.

Electrically the coil is regulated from outside the microcontroller ("peak and hold"): 1200 mA for
the first 20 ms, then 350 mA (docs/hardware.md). Mechanically the armature follows with a lag;
cryogenic solenoids open in 5–30 ms and close in 10–50 ms, and more slowly when cold.
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


class Valve:
    """State at the time of the last call; `pending_ns` says when the armature will move next."""

    __slots__ = (
        "_coil_from_ma",
        "_magnetised",
        "_magnetised_ns",
        "_params",
        "coil_open",
        "energised",
        "is_open",
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
        blocked = self.stuck_closed if magnetised else self.stuck_open
        if magnetised == self.is_open or blocked:
            self.pending_ns = NEVER_NS
        elif self.pending_ns == NEVER_NS:
            self.pending_ns = t_ns + self._lag_ns(magnetised, body_c)

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
        return round((warm + (cold - warm) * coldness) * self.slow_factor * 1e6)

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
