"""Live section through the skin under the nozzle.

Runs the tissue model (`hw_sim.world.plant.tissue`) with the plant's jet, on a coarser grid than for
the dose tables. It has its own thread and the bench does not wait for it, so at high speeds the
picture lags behind and carries its own time. It is an illustration; no dose is derived from it.

May import NumPy, the standard library, `engine` of its own package, and `plant` and `dose` of
hw_sim.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw_sim.dose.applicators import APPLICATORS, Applicator, by_number
from hw_sim.web.engine import Engine, Runner
from hw_sim.world.plant.spray import exposure
from hw_sim.world.plant.tissue import (
    SKIN,
    Floats,
    _Block,  # pyright: ignore[reportPrivateUsage]
    _Run,  # pyright: ignore[reportPrivateUsage]
)

COLUMNS, ROWS = 36, 28
"""Cells of the picture: radially from the axis, and downwards."""

NARROWEST_MM = 0.25
_FINENESS = 0.5
_DEEP_MM = 25.0
_LOOK_S = 0.1
_CHUNK_S = 1.0
"""The bench's time that is computed at most between two updates of the picture."""

_WARM_C = 30.0
_QUIET_S = 600.0
"""Skin that has not been touched for this time is assumed to have recovered."""


@dataclass(frozen=True, slots=True)
class Skin:
    """The picture at one moment. Depths in mm below the surface, on the axis."""

    number: int
    """Incremented for each picture."""
    t_s: float
    applicator: int
    spot_mm: float
    mm: float
    """Width of a cell of `field`."""
    surface_c: float
    ice_mm: float
    wide_mm: float
    """Diameter of the ice on the surface."""
    m25_mm: float
    deepest_mm: float
    """The greatest depth that has reached −25 °C at this site."""
    field: bytes
    """`ROWS` × `COLUMNS` temperatures in tenths of °C, int16, row by row from the surface."""


class Site:
    """One place on the skin, under one applicator."""

    def __init__(self, applicator: Applicator, at_s: float) -> None:
        self.applicator = applicator
        block = _Block(applicator.spot_radius_mm * 1e-3, _DEEP_MM * 1e-3, _FINENESS, 0.0)
        self._run = _Run(block, SKIN, 22.0, 10.0, None, None)
        self._run.touch(0.0, 22.0)
        self._run.sample()
        self._zero_s = at_s
        self.deepest_mm = 0.0
        self._touched_s = -1e9
        self.mm = max(NARROWEST_MM, (applicator.spot_radius_mm + 6.0) / COLUMNS)

    @classmethod
    def under(cls, number: int, at_s: float = 0.0) -> Site:
        """A site under the applicator of this number. KeyError: unknown number."""
        return cls(by_number(number), at_s)

    @property
    def t_s(self) -> float:
        """The bench's time up to which the skin has been computed."""
        return self._zero_s + self._run.now_s

    @property
    def wide_mm(self) -> float:
        """Diameter of the ice on the surface, now."""
        return 2.0 * self._run.rows[-1][5]

    @property
    def calm(self) -> bool:
        """Whether the skin is warm or untouched for `_QUIET_S`, so that it need not be computed."""
        cold = float(self._run.surface_c.min()) < _WARM_C
        touched = self.t_s - self._touched_s < _QUIET_S
        return not cold or not touched

    def rest(self, to_s: float) -> None:
        """Advance the time without computing."""
        self._zero_s += to_s - self.t_s

    def go(self, spans: list[Any], to_s: float) -> None:
        """Compute the skin under the jet's `spans`, up to `to_s` of the bench's time."""
        run = self._run
        zero_ns = round(self.t_s * 1e9)
        began_s = run.now_s
        end_s = to_s - self._zero_s
        exposed = exposure(spans, self.applicator.h_w_m2k, zero_ns=zero_ns)
        for after_s, h, fluid_c in exposed.rows():
            self._advance(min(began_s + after_s, end_s))
            run.touch(h, fluid_c)
            if h > 0.0:
                self._touched_s = self.t_s
        self._advance(end_s)

    def _advance(self, to_s: float) -> None:
        run = self._run
        if to_s > run.now_s + 1e-9:
            run.go(to_s, 1e9)
            self.deepest_mm = max(self.deepest_mm, run.rows[-1][2])
            del run.rows[:-1]

    def skin(self, number: int) -> Skin:
        """The picture now."""
        run, block = self._run, self._run.block
        celsius = np.interp(run.enthalpy, run.curves.enthalpy, run.curves.c)
        # The surface is a separate row, because the centres of the first cells are below it.
        celsius = np.concatenate([run.surface_c[:, None], celsius], axis=1)
        z_mm = np.concatenate([[0.0], block.z_mid * 1e3])
        r_mm = block.r_mid * 1e3
        grid_r = (np.arange(COLUMNS) + 0.5) * self.mm
        grid_z = (np.arange(ROWS) + 0.5) * self.mm
        along: list[Floats] = [np.interp(grid_z, z_mm, row) for row in celsius]
        across: list[Floats] = [np.interp(grid_r, r_mm, row) for row in np.stack(along).T]
        field = np.stack(across)
        _t, surface_c, m25_mm, _m50, ice_mm, *_ = run.rows[-1]
        return Skin(
            number,
            self.t_s,
            self.applicator.number,
            self.applicator.spot_radius_mm,
            self.mm,
            surface_c,
            ice_mm,
            self.wide_mm,
            m25_mm,
            self.deepest_mm,
            (field * 10.0).round().astype("<i2").tobytes(),
        )


class SkinWatch:
    """Follows the skin of the runner's bench until `stop`; any thread may read `now`."""

    def __init__(self, runner: Runner) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._runner = runner
        self._stop = threading.Event()
        self._applicator: Applicator = APPLICATORS[0]
        self._fresh = True
        self._number = 1
        self._session = -1
        self._site = Site(self._applicator, 0.0)
        self.now: Skin = self._site.skin(self._number)
        self._thread = threading.Thread(target=self._watch, name="skin", daemon=True)
        self._thread.start()

    def another(self, applicator: int | None = None) -> None:
        """Move to untouched skin, optionally with another applicator. KeyError: unknown number."""
        if applicator is not None:
            self._applicator = by_number(applicator)
        self._fresh = True

    @property
    def applicator(self) -> int:
        """Number of the applicator that is fitted."""
        return self._applicator.number

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                began_s = time.monotonic()
                self._look()
                # Use at most half of one processor.
                self._stop.wait(min(1.0, time.monotonic() - began_s))
            except TimeoutError:
                continue  # the bench is busy, or has stopped

    def _look(self) -> None:
        site = self._site

        def ask(engine: Engine) -> tuple[int, float, list[Any]]:
            now_ns = engine.now_ns
            session = engine.view.session
            if session != self._session or self._fresh:
                return session, now_ns * 1e-9, []
            from_ns = round(site.t_s * 1e9)
            if from_ns < engine.bench.plant.known_from_ns:
                self._fresh = True  # too far behind the history: restart with warm skin
                return session, now_ns * 1e-9, []
            to_ns = min(now_ns, from_ns + round(_CHUNK_S * 1e9)) if not site.calm else now_ns
            if to_ns <= from_ns:
                return session, site.t_s, []
            return session, to_ns * 1e-9, engine.bench.plant.jet_between(from_ns, to_ns)

        session, to_s, spans = self._runner.ask(ask)
        if session != self._session or self._fresh:
            self._session = session
            self._fresh = False
            self._site = Site(self._applicator, to_s)
            self._show()
            return
        if to_s <= site.t_s:
            return
        if site.calm:
            begins = next((span.begin_ns for span in spans if span.relative_h > 0.0), None)
            if begins is None:
                site.rest(to_s)
                return
            site.rest(max(site.t_s, begins * 1e-9))
            to_s = min(to_s, site.t_s + _CHUNK_S)
        if to_s > site.t_s:
            site.go(spans, to_s)
            self._show()

    def _show(self) -> None:
        self._number += 1
        self.now = self._site.skin(self._number)
        self.on_change()
