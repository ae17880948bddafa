"""Live estimate of the depth of the target isotherm while the valve is open.

Pure; may import micropython.const, cryo.dose. Controls: H-02 (detects a freeze that cools less than
its duration suggests). In the depth-controlled mode it may end a freeze early, never late (H-01:
the hardware timer is set to the upper bound from the start), H-30 (its centre and its spread are
those that other skins and jets than the tables' leave).

Integer arithmetic; does not allocate after construction. It combines two methods:

Effective time. The applicator's curve assumes liquid from the first millisecond. Each 0.1 s is
weighted by the nozzle temperature: fully at liquid temperature, one twentieth with warm gas; for a
probe by its tip temperature, since the tip does the cooling. A spray's heat transfer coefficient
scales with a power of the dewar pressure (dose.BY_PRESSURE), larger for a finer nozzle.

Skin cooling. If fitted, an infrared sensor sees the skin of a sprayed spot fall to -70 C. The ratio
of the time this takes to the applicator's nominal time gives the coefficient of this spray on this
skin, and from it the deviation of the depth from the curve. All surfaces cool along the same curve,
so every reading on the way down is used; the weight is reduced for the sensor's uncertain delay.

With a shipped table the spray is not known, and that ratio says little: a horny skin cools quickly
and freezes less deep. There the moment at which the surface reads -20 C gives the expected part of
the curve's depth, by a law fitted over other skins and jets (dose.FALL).

All constants are computed with the models of tissue and line (docs/dose.md gives the method and the
commands); none has been measured.
"""

from micropython import const

from cryo import dose

_SLICE_MS = const(100)
_NOMINAL_MBAR = const(550)  # of the shipped curves' sprays
_MOST_MBAR = const(1000)  # the dewar's relief valve
_SKIN_LAG_MS = const(220)  # from the gate to the reading: jet build-up and sensor response
_SKIN_DOUBT_MS = const(40)  # uncertainty of that lag
_SKIN_PRIOR = const(160)  # permille: variance of ln of the time to -65 C
_SKIN_LOW = const(-6900)  # 0.01 C; the sensor's range ends at -70 C
_SKIN_HIGH = const(-1000)
_SKIN_SPOT_UM = const(2300)  # sensor spot radius 2 mm: it would see the rim of a smaller spot
_SKIN_WARM = const(1500)  # unfrozen skin at the beginning
_NOMINAL_SKIN_MS = const(320)
_SKIN_WATCHED_MS = const(4000)

# Nozzle, 0.01 C -> weight of the time, permille
_NOZZLE_C = (-19000, -18600, -18300, -17600, -16500, -14500, -12000, -9000, -6000, 2000)
_PROBE_WEIGHTS = (1000, 955, 955, 955, 885, 770, 610, 465, 205, 30)  # of a probe, by its tip
_WEIGHTS = (1000, 970, 790, 790, 635, 365, 120, 115, 115, 50)

# Skin, 0.01 C -> time to reach it, permille of the time to -65 C
_FALL_C = (-7000, -6500, -6000, -5000, -4000, -3000, -2000, -1000)
_FALL = (1178, 1000, 844, 593, 409, 260, 157, 67)

# Spot radius, um -> exponent of the depth over that time, permille, after 10 s and after 30 s (for
# the finest spot from the coefficient alone, which has the largest effect on its depth)
_SPOT_UM = (1500, 2500, 5000, 10000)
_EXPONENT_10 = (165, 125, 110, 95)
_EXPONENT_30 = (160, 115, 80, 65)

# By the law of the fall: -20 C, and the part of the depth that is lost for each e-fold of time
_FALLEN = const(-2000)  # 0.01 C
_FALL_LOSS = const(200)  # permille of the curve's depth
_FALL_MS = (100, 200, 350, 600, 1000, 1800, 3200, 5600, 10000)
_FALL_LN = (-2303, -1609, -1050, -511, 0, 588, 1163, 1723, 2303)  # 1000 ln of it in s
_LEAST_LIKELY = const(50)  # permille

_RATIO = (250, 354, 500, 707, 1000, 1414, 2000, 2828, 4000)  # permille
_LN = (-1386, -1040, -693, -347, 0, 347, 693, 1040, 1386)  # 1000 ln of it


def between(xs, ys, x):
    """Linear interpolation with ascending `xs`; beyond the ends, the end's value."""
    last = len(xs) - 1
    if x <= xs[0]:
        return ys[0]
    if x >= xs[last]:
        return ys[last]
    i = 1
    while xs[i] < x:
        i += 1
    return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) // (xs[i] - xs[i - 1])


def ln_permille(ratio):
    """1000 ln(ratio / 1000), with an error of 18 at most; ratio limited to 250...4000."""
    return between(_RATIO, _LN, ratio)


def _power(exponent, ln):
    """1000 exp(exponent ln) for small arguments: exponent in permille, ln in 1000 ln."""
    x = exponent * ln // 1000
    return 1000 + x + x * x // 2000


class Estimate:
    """The estimate of one freeze: `begin` once, `step` each tick with the valve open, then read.

    `depth_um`: estimated depth of the target's isotherm. `spread_um`: one standard deviation of
    it. `fall_ms`: effective time at which the surface read -20 C, 0 = not yet. `effective_ms`:
    effective time of liquid. `skin_ms`: time to -65 C derived from the skin's cooling, 0 = unknown.
    """

    def __init__(self):
        self.depth_um = 0
        self.spread_um = 0
        self.effective_ms = 0
        self.skin_ms = 0
        self._curve = dose.rows()[0][dose.CURVE]
        self._spread = 0
        self._nominal_ms = 0
        self._by_pressure = 0  # 0: a probe
        self._early = 0
        self._late = 0
        self._elapsed_ms = 0
        self._slice_ms = 0
        self._counted = 0  # effective time in us
        self._pressure = 0  # sum of mbar ms
        self._skin_mbar = _NOMINAL_MBAR
        self._skin_last = 0
        self._skin_t = 0  # sums over the skin readings: time, and permille of the time to -65 C
        self._skin_part = 0
        self._skin_over = False
        self._skin_warm = False
        self._trust = 0
        self._likely = 1000
        self._fall = 0
        self._fall_spread = 0
        self.fall_ms = 0

    def begin(self, row, target):
        """Start a freeze with the applicator of this row (`dose.row_of`) and this target."""
        self.depth_um = 0
        self.spread_um = 0
        self.effective_ms = 0
        self.skin_ms = 0
        self._elapsed_ms = 0
        self._slice_ms = 0
        self._counted = 0
        self._pressure = 0
        self._skin_mbar = _NOMINAL_MBAR
        self._skin_last = 0
        self._skin_t = 0
        self._skin_part = 0
        self._skin_over = row[dose.SKIN_MS] == 0 or row[dose.SPOT_UM] < _SKIN_SPOT_UM
        self._skin_warm = False
        self._trust = 0
        self._curve = dose.curve(row, target)
        self._spread = row[dose.WIDE]
        self._likely = row[dose.LIKELY]
        self._fall = row[dose.FALL]
        self._fall_spread = row[dose.FALL_WIDE]
        self.fall_ms = 0
        self._nominal_ms = row[dose.SKIN_MS]
        self._by_pressure = row[dose.BY_PRESSURE]
        self._early = between(_SPOT_UM, _EXPONENT_10, row[dose.SPOT_UM])
        self._late = between(_SPOT_UM, _EXPONENT_30, row[dose.SPOT_UM])
        if self._by_pressure:
            # A weaker spray's depth depends more on its coefficient: with the cube root of the
            # nominal time.
            more = _power(333, ln_permille(self._nominal_ms * 1000 // _NOMINAL_SKIN_MS))
            self._early = self._early * more // 1000
            self._late = self._late * more // 1000

    def step(self, dt_ms, nozzle_c_x100, pressure_mbar, skin_c_x100, skin_valid):
        """Add `dt_ms` with the valve open and the newest readings. Takes a few hundred us."""
        self._elapsed_ms += dt_ms
        self._slice_ms += dt_ms
        if skin_valid and skin_c_x100 > _SKIN_WARM:
            self._skin_warm = True
        elif skin_valid and not self.fall_ms and self._skin_warm and skin_c_x100 <= _FALLEN:
            self.fall_ms = self._counted // 1000 + self._slice_ms
        if skin_valid and not self._skin_over:
            if skin_c_x100 != self._skin_last:
                self._skin_last = skin_c_x100
                self._add_skin(skin_c_x100, nozzle_c_x100)
        if self._slice_ms < _SLICE_MS:
            return
        dt_ms = self._slice_ms
        self._slice_ms = 0
        weight = _WEIGHTS if self._by_pressure else _PROBE_WEIGHTS
        weight = between(_NOZZLE_C, weight, nozzle_c_x100)
        self._counted += dt_ms * weight
        self._pressure += dt_ms * (pressure_mbar if pressure_mbar > 0 else 0)
        self.effective_ms = self._counted // 1000
        self._update()

    def _add_skin(self, skin_c_x100, nozzle_c_x100):
        """Add a new skin reading and update the time to -65 C."""
        if skin_c_x100 <= _SKIN_WARM and not self._skin_warm or skin_c_x100 < _SKIN_LOW:
            # End of the sensor's range, or cold from the beginning (a second freeze): stop timing.
            self._skin_over = True
            return
        weight = between(_NOZZLE_C, _WEIGHTS, nozzle_c_x100)
        t_ms = (self._counted + self._slice_ms * weight) // 1000
        lost_ms = self._elapsed_ms - t_ms
        t_ms -= _SKIN_LAG_MS
        if skin_c_x100 > _SKIN_HIGH or t_ms < 20 or t_ms > _SKIN_WATCHED_MS:
            return
        self._skin_t += t_ms
        self._skin_part += between(_FALL_C, _FALL, skin_c_x100)
        self.skin_ms = self._skin_t * 1000 // self._skin_part
        if self.skin_ms < 20:
            self.skin_ms = 20
        # A slow jet delays the cooling: half of the lost time counts as uncertainty. It is relative
        # to the nominal time if that is shorter, since a late jet makes the cooling appear longer.
        least_ms = self.skin_ms if self.skin_ms < self._nominal_ms else self._nominal_ms
        doubt = (_SKIN_DOUBT_MS + (lost_ms >> 1)) * 1000 // least_ms
        if doubt > 2000:
            doubt = 2000
        self._trust = _SKIN_PRIOR * 1000 // (_SKIN_PRIOR + doubt * doubt // 1000)
        if self._elapsed_ms > self._slice_ms:
            self._skin_mbar = self._pressure // (self._elapsed_ms - self._slice_ms)

    def _update(self):
        """Update depth and spread."""
        spread = self._spread
        likely = self._likely
        factor = 1000
        if self._by_pressure:
            # ln of the time to -65 C, which scales with the coefficient squared.
            by_pressure = self._by_pressure
            mbar = self._pressure // self._elapsed_ms
            if mbar > _MOST_MBAR:
                mbar = _MOST_MBAR
            now = ln_permille(mbar * 1000 // _NOMINAL_MBAR) * by_pressure // 500
            if self._fall:
                ln = now
                if self._skin_warm:
                    likely = self._falls()
                    spread = self._fall_spread
            elif self.skin_ms:
                ln = ln_permille(self._nominal_ms * 1000 // self.skin_ms)
                ln = ln * self._trust // 1000
                # The skin already includes the pressure of its own time, by its weight: correct for
                # the rest of that, and in full for any change since.
                mbar = self._skin_mbar
                if mbar > _MOST_MBAR:
                    mbar = _MOST_MBAR
                before = ln_permille(mbar * 1000 // _NOMINAL_MBAR) * by_pressure // 500
                ln += now - before * self._trust // 1000
            else:
                ln = now
            past_ms = self.effective_ms - dose.MIN_MS
            if past_ms < 0:
                past_ms = 0
            exponent = self._early + (self._late - self._early) * past_ms // (
                dose.MAX_MS - dose.MIN_MS
            )
            factor = _power(exponent, ln)
        curve_um = dose.depth_at(self._curve, self.effective_ms) * factor // 1000
        self.depth_um = curve_um * likely // 1000
        self.spread_um = curve_um * spread // 1000

    def _falls(self):
        """The part of the curve's depth, permille, that the fall lets expect; until -20 C is read
        it goes down with the time."""
        ms = self.fall_ms if self.fall_ms else self.effective_ms
        likely = self._fall - _FALL_LOSS * between(_FALL_MS, _FALL_LN, ms) // 1000
        return likely if likely > _LEAST_LIKELY else _LEAST_LIKELY

    def reached(self, target_um):
        """Whether the estimate has reached a depth."""
        return self.depth_um >= target_um
