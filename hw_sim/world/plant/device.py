"""The whole applicator as physics: dewar → valve → line → nozzle → the skin's surface.

Imports the standard library and its sibling modules. Integration runs on a fixed grid of 20 ms,
split only where the armature moves or something is changed from outside, so the result depends on
what happened and not on who looked how often. Between two grid points temperatures, pressure and
level keep their value; coil current and valve position are exact to the nanosecond.

What reaches the skin is kept as a history (`Plant.jet_history`), so that a tissue model can go
through a treatment afterwards. The skin of this plant (`hw_sim.world.plant.skin`) does the same,
and only on demand: a skin that no sensor reads costs nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp

from hw_sim.world.plant.dewar import Dewar, DewarParams
from hw_sim.world.plant.jet import Jet, JetSpan
from hw_sim.world.plant.line import Line, LineParams
from hw_sim.world.plant.nitrogen import BOILING_C
from hw_sim.world.plant.skin import Skin, SkinParams
from hw_sim.world.plant.valve import NEVER_NS, Valve, ValveParams

STEP_NS = 20_000_000
_LONG_STEPS = 50  # with the valve closed and no reader, 1 s at a time (all closed forms)
_LONG_NS = STEP_NS * _LONG_STEPS
# The history takes a new entry when the jet has changed by this much.
_NEW_H = 0.01
_NEW_C = 1.0


_NOTHING = Jet(0.0, BOILING_C)


@dataclass(frozen=True, slots=True)
class PlantParams:
    """All figures of the plant; each part's docstring names their sources."""

    dewar: DewarParams = field(default_factory=DewarParams)
    valve: ValveParams = field(default_factory=ValveParams)
    line: LineParams = field(default_factory=LineParams)
    skin: SkinParams = field(default_factory=SkinParams)
    valve_flow_c: float = -150.0  # where the valve's body tends while nitrogen flows (assumed)
    valve_cool_s: float = 60.0  # with this time constant
    valve_warm_s: float = 180.0


class Plant:
    """Ask it forward in time only: `advance(t)` first, then read.

    `due_ns` is the next time at which anything can differ; a caller in a hurry may skip
    `advance` before it.
    """

    __slots__ = (
        "_at_ns",
        "_grid_ns",
        "_jet_c",
        "_jet_from_ns",
        "_jet_h",
        "_jets",
        "_open_edges_ns",
        "_params",
        "_refrosted",
        "_skin",
        "_wet_edges_ns",
        "at_skin",
        "beside",
        "dewar",
        "due_ns",
        "line",
        "now_ns",
        "on_freed",
        "valve",
        "valve_c",
    )

    def __init__(self, params: PlantParams | None = None) -> None:
        self._params = PlantParams() if params is None else params
        self.dewar = Dewar(self._params.dewar)
        self.valve = Valve(self._params.valve)
        self.line = Line(self._params.line)
        self.valve_c = self._params.line.ambient_c
        self.at_skin = True
        self.beside = False  # the jet misses the spot that the sensor looks at
        self._refrosted = False
        # Called when melting ice lets the armature go, or ice takes hold of it.
        self.on_freed: Callable[[], None] | None = None
        self.now_ns = 0
        self._at_ns = 0  # how far the slow state has been integrated
        self._grid_ns = STEP_NS
        self.due_ns = STEP_NS
        # What the armature and the jet really did: each change, beginning with "open" or "wet".
        self._open_edges_ns: list[int] = []
        self._wet_edges_ns: list[int] = []
        # What reached the skin: each entry holds until the next one begins.
        self._jet_h = 0.0
        self._jet_c = BOILING_C
        self._jet_from_ns: list[int] = [0]
        self._jets: list[Jet] = [_NOTHING]
        self._skin = Skin(self._params.skin, self._jet_from_ns, self._jets, 0)

    # -- time ---------------------------------------------------------------------------------

    def advance(self, t_ns: int) -> None:
        """Bring the plant up to `t_ns`. Going back is a ValueError."""
        if t_ns >= self.due_ns:
            self._run(t_ns)
        elif t_ns < self.now_ns:
            raise ValueError(f"advance({t_ns}): the plant is already at {self.now_ns}")
        self.now_ns = t_ns

    def _run(self, t_ns: int) -> None:
        valve = self.valve
        while self.due_ns <= t_ns:
            due = self.due_ns
            if (
                not valve.is_open
                and not valve.leak
                and valve.pending_ns == NEVER_NS
                and due == self._grid_ns
                and t_ns - due >= _LONG_NS
            ):
                due += _LONG_NS - STEP_NS
                self._grid_ns = due
            self._step((due - self._at_ns) * 1e-9)
            self._at_ns = due
            if due == self._grid_ns:
                self._grid_ns = due + STEP_NS
            if due == valve.pending_ns:
                valve.move()
                self._open_edges_ns.append(due)
            if self._refrosted:
                self._refrosted = False
                valve.aim(due, self.valve_c)
                if self.on_freed is not None:
                    self.on_freed()
            self._note_jet(due)
            pending = valve.pending_ns
            self.due_ns = pending if pending < self._grid_ns else self._grid_ns

    def _step(self, dt_s: float) -> None:
        p = self._params
        line = self.line
        dewar = self.dewar
        share = 1.0 if self.valve.is_open else self.valve.leak
        if share:
            line.step_open(dt_s, dewar.mbar, dewar.liquid_g > 0.0, share)
            dewar.step(dt_s, line.flow_g_s)
            if self.at_skin and not self.beside:
                h = line.relative_h
                change = h - self._jet_h
                if change > _NEW_H or change < -_NEW_H:
                    self._note_h(h, line.jet_c)
                else:
                    c = line.jet_c
                    if abs(c - self._jet_c) > _NEW_C:
                        self._note_h(h, c)
            elif self._jet_h:
                self._note_h(0.0, BOILING_C)
        else:
            line.step_closed(dt_s)
            dewar.step(dt_s, 0.0)
            if self._jet_h:
                self._note_h(0.0, BOILING_C)
        if line.flow_g_s > 0.0:
            self.valve_c += (p.valve_flow_c - self.valve_c) * dt_s / p.valve_cool_s
        else:
            ambient = p.line.ambient_c
            self.valve_c = ambient + (self.valve_c - ambient) * exp(-dt_s / p.valve_warm_s)
        valve = self.valve
        if (valve.moisture or valve.ice) and valve.frost(dt_s, self.valve_c):
            self._refrosted = True

    def _note_h(self, relative_h: float, fluid_c: float) -> None:
        """The step that began at `_at_ns` has this jet on the skin."""
        self._jet_h = relative_h
        self._jet_c = fluid_c
        self._jet_from_ns.append(self._at_ns)
        self._jets.append(Jet(relative_h, fluid_c))

    def _note_jet(self, t_ns: int) -> None:
        wet = self.valve.is_open and self.jet_is_liquid
        if wet != bool(len(self._wet_edges_ns) & 1):
            self._wet_edges_ns.append(t_ns)

    def _settle(self, t_ns: int) -> None:
        """Integrate exactly to `t_ns`, because something is about to change."""
        self.advance(t_ns)
        if t_ns > self._at_ns:
            self._step((t_ns - self._at_ns) * 1e-9)
            self._at_ns = t_ns

    def _changed(self, t_ns: int) -> None:
        self.valve.aim(t_ns, self.valve_c)
        pending = self.valve.pending_ns
        self.due_ns = pending if pending < self._grid_ns else self._grid_ns

    # -- what is done to it -------------------------------------------------------------------

    def energise(self, t_ns: int, on: bool) -> None:
        """The coil gets (or loses) its supply at `t_ns`."""
        if on != self.valve.energised:
            self._settle(t_ns)
            self.valve.energised = on
            self._changed(t_ns)

    def fill(self, t_ns: int, permille: float) -> None:
        """Set the dewar's level at `t_ns`, 0…1000 ‰. ValueError outside."""
        self._settle(t_ns)
        self.dewar.fill(permille)

    def set_dewar(
        self,
        t_ns: int,
        *,
        vent_leak_per_s: float | None = None,
        regulator_stuck: bool | None = None,
        relief_stuck: bool | None = None,
        relief_leaks: bool | None = None,
        boil_off_factor: float | None = None,
    ) -> None:
        """Break or mend the dewar at `t_ns`; what is not given stays.

        `vent_leak_per_s` (≥ 0): the lid lets this part of the gauge pressure out each second.
        `regulator_stuck`: the pressure builder does not shut off. `relief_stuck`: the relief valve
        stays shut. `relief_leaks`: it does not seat. `boil_off_factor` (≥ 1): how much faster than
        a sound flask it boils off.
        """
        self._settle(t_ns)
        dewar = self.dewar
        if vent_leak_per_s is not None:
            if vent_leak_per_s < 0.0:
                raise ValueError(f"vent_leak_per_s {vent_leak_per_s} must not be below 0")
            dewar.vent_leak_per_s = vent_leak_per_s
        if regulator_stuck is not None:
            dewar.regulator_stuck = regulator_stuck
        if relief_stuck is not None:
            dewar.relief_stuck = relief_stuck
        if relief_leaks is not None:
            dewar.relief_leaks = relief_leaks
        if boil_off_factor is not None:
            if boil_off_factor < 1.0:
                raise ValueError(f"boil_off_factor {boil_off_factor} must not be below 1")
            dewar.boil_off_factor = boil_off_factor

    def set_valve(
        self,
        t_ns: int,
        *,
        stuck_open: bool | None = None,
        stuck_closed: bool | None = None,
        coil_open: bool | None = None,
        slow_factor: float | None = None,
        moisture: float | None = None,
        ice: float | None = None,
        leak: float | None = None,
    ) -> None:
        """Break or mend the valve at `t_ns`; what is not given stays.

        `stuck_open`: once open, it does not close. `stuck_closed`: it does not open.
        `coil_open`: the coil's wire is broken. `slow_factor`: multiplies both lags (> 0).
        `moisture` (0…1): how moist the air is that gets to the closed valve; it freezes there.
        `ice` (≥ 0): the ice there now; 1 holds the armature where it is. `leak` (0…1): the part of
        its open area that the closed valve leaves.
        """
        self._settle(t_ns)
        valve = self.valve
        if stuck_open is not None:
            valve.stuck_open = stuck_open
        if stuck_closed is not None:
            valve.stuck_closed = stuck_closed
        if coil_open is not None:
            valve.coil_open = coil_open
        if slow_factor is not None:
            if slow_factor <= 0.0:
                raise ValueError(f"slow_factor {slow_factor} must be above 0")
            valve.slow_factor = slow_factor
        if moisture is not None:
            if not 0.0 <= moisture <= 1.0:
                raise ValueError(f"moisture {moisture} is not within 0…1")
            valve.moisture = moisture
        if ice is not None:
            if ice < 0.0:
                raise ValueError(f"ice {ice} must not be below 0")
            valve.ice = ice
        if leak is not None:
            if not 0.0 <= leak <= 1.0:
                raise ValueError(f"leak {leak} is not within 0…1")
            valve.leak = leak
        self._changed(t_ns)

    def block_nozzle(self, t_ns: int, open_area: float) -> None:
        """From `t_ns` leave 0…1 of the orifice's area open. ValueError outside."""
        if not 0.0 <= open_area <= 1.0:
            raise ValueError(f"open_area {open_area} is not within 0…1")
        self._settle(t_ns)
        self.line.open_area = open_area

    def set_line(
        self,
        t_ns: int,
        *,
        wall_c: float | None = None,
        tip_c: float | None = None,
        around_c: float | None = None,
        spitting: float | None = None,
    ) -> None:
        """Change line and nozzle at `t_ns`; what is not given stays.

        `wall_c`, `tip_c`: their temperatures now. `around_c`: the air around them from now on.
        `spitting` (0…1): how much it sputters even with liquid.
        """
        self._settle(t_ns)
        line = self.line
        for c in (wall_c, tip_c, around_c):
            if c is not None and not BOILING_C <= c <= 200.0:
                raise ValueError(f"{c} °C is not within {BOILING_C}…200")
        if wall_c is not None:
            line.wall_c = wall_c
        if tip_c is not None:
            line.tip_c = tip_c
        if around_c is not None:
            line.around_c = around_c
        if spitting is not None:
            if not 0.0 <= spitting <= 1.0:
                raise ValueError(f"spitting {spitting} is not within 0…1")
            line.spitting = spitting

    def new_skin(self, t_ns: int, skin: SkinParams) -> None:
        """From `t_ns` on this skin, still untouched, is in front of the nozzle."""
        self._settle(t_ns)
        self._skin = Skin(skin, self._jet_from_ns, self._jets, t_ns)

    def point(self, t_ns: int, at_skin: bool) -> None:
        """From `t_ns` on the nozzle points at the skin (as at the beginning), or away from it."""
        self._settle(t_ns)
        self.at_skin = at_skin

    def miss(self, t_ns: int, beside: bool) -> None:
        """From `t_ns` on the jet hits beside the spot that the nozzle points at, or hits it again.

        The infrared sensor goes on looking at the spot."""
        self._settle(t_ns)
        self.beside = beside

    def insulate(self, t_ns: int, m2k_w: float) -> None:
        """From `t_ns` on a dry layer of this resistance, m²K/W (≥ 0), lies on the skin."""
        if m2k_w < 0.0:
            raise ValueError(f"{m2k_w} m²K/W must not be below 0")
        self._settle(t_ns)
        self._skin.at(t_ns, self._at_ns)
        self._skin.insulation_m2k_w = m2k_w

    # -- readings, at the time last advanced to -----------------------------------------------

    @property
    def coil_ma(self) -> float:
        return self.valve.coil_ma(self.now_ns)

    @property
    def coil_energised(self) -> bool:
        """The coil's supply is on (whether or not its wire is whole)."""
        return self.valve.energised

    @property
    def valve_open(self) -> bool:
        """The armature has lifted: nitrogen can pass."""
        return self.valve.is_open

    @property
    def open_intervals_ns(self) -> list[tuple[int, int]]:
        """When the armature was lifted: (begin, end); one that still runs ends now."""
        return self._intervals(self._open_edges_ns)

    @property
    def liquid_intervals_ns(self) -> list[tuple[int, int]]:
        """When mostly liquid left the nozzle: (begin, end), to one grid step at the beginning."""
        return self._intervals(self._wet_edges_ns)

    def _intervals(self, edges_ns: list[int]) -> list[tuple[int, int]]:
        whole = [*edges_ns, self.now_ns] if len(edges_ns) & 1 else edges_ns
        return list(zip(whole[::2], whole[1::2], strict=True))

    @property
    def valve_moves_ns(self) -> int | None:
        """When the armature will next move, or None."""
        pending = self.valve.pending_ns
        return None if pending == NEVER_NS else pending

    @property
    def dewar_mbar(self) -> float:
        """Gauge pressure."""
        return self.dewar.mbar

    @property
    def dewar_permille(self) -> float:
        return self.dewar.permille

    @property
    def nozzle_c(self) -> float:
        """At the tip, where the thermocouple sits."""
        return self.line.tip_c

    def skin_c_at(self, t_ns: int) -> float:
        """The skin's surface in the middle of the spot at `t_ns`, °C; forward in time only.

        A quick 1-D model (`hw_sim.world.plant.skin`, with its deviation from the tissue model),
        which is computed only as far as it is requested.
        """
        return self._skin.at(t_ns, self._at_ns)

    @property
    def skin_c(self) -> float:
        """The same, at the time last advanced to."""
        return self._skin.at(self.now_ns, self._at_ns)

    @property
    def skin_start_c(self) -> float:
        """The same before any spray, and beyond the reach of the cold."""
        return self._skin.start_c

    @property
    def skin(self) -> SkinParams:
        """Whose skin it is."""
        return self._skin.params

    @property
    def line_c(self) -> float:
        """The line's wall."""
        return self.line.wall_c

    @property
    def flow_g_s(self) -> float:
        return self.line.flow_g_s

    @property
    def jet(self) -> Jet:
        """What leaves the nozzle, wherever it points."""
        line = self.line
        return Jet(line.relative_h, line.jet_c) if line.flow_g_s > 0.0 else _NOTHING

    def jet_between(self, begin_ns: int, end_ns: int) -> list[JetSpan]:
        """What reached the skin from `begin_ns` to `end_ns`, without gaps; relative_h 0 = nothing.

        Known up to the last grid point (20 ms) before now; beyond, as it was there. A freeze of
        20 s gives some tens to two hundred spans. ValueError when the end is before the beginning,
        or the beginning before `known_from_ns`.
        """
        if end_ns < begin_ns:
            raise ValueError(f"the end {end_ns} is before the beginning {begin_ns}")
        starts = self._jet_from_ns
        if begin_ns < starts[0]:
            raise ValueError(f"what was at {begin_ns} has been forgotten, up to {starts[0]}")
        i = max(0, bisect_right(starts, begin_ns) - 1)
        out: list[JetSpan] = []
        while begin_ns < end_ns:
            until_ns = starts[i + 1] if i + 1 < len(starts) else end_ns
            until_ns = min(until_ns, end_ns)
            if until_ns > begin_ns:
                out.append(JetSpan(begin_ns, until_ns, *self._jets[i]))
                begin_ns = until_ns
            i += 1
        return out

    @property
    def known_from_ns(self) -> int:
        """From when on it is known what reached the skin: 0, until something was forgotten."""
        return self._jet_from_ns[0]

    def forget(self, before_ns: int) -> None:
        """Drop the history before `before_ns`, as far as it is no longer needed here.

        For runs of hours: the history otherwise grows with each opening.
        The skin is taken up to that time first, so that it is the same as without forgetting.
        """
        before_ns = min(before_ns, self._at_ns)
        starts = self._jet_from_ns
        if before_ns <= starts[0]:
            return
        gone = min(bisect_right(starts, before_ns) - 1, self._skin.done_with(before_ns))
        if gone > 0:
            del starts[:gone], self._jets[:gone]
            self._skin.forget(gone)
        for edges in (self._open_edges_ns, self._wet_edges_ns):
            del edges[: bisect_right(edges, before_ns) & ~1]  # pairs: it opened, and closed

    @property
    def jet_history(self) -> tuple[Sequence[int], Sequence[Jet]]:
        """What reached the skin: when each entry began, in ns, and what it was until the next.

        Not to be changed; grows while the plant goes on, until `forget`.
        """
        return self._jet_from_ns, self._jets

    @property
    def jet_is_liquid(self) -> bool:
        """What leaves the nozzle is mostly liquid."""
        line = self.line
        return line.flow_g_s > 0.0 and line.quality < self._params.line.liquid_below

    @property
    def ambient_c(self) -> float:
        return self._params.line.ambient_c
