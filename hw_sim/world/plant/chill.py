"""How long a line must be purged: `python -m hw_sim.world.plant.chill` prints the tables.

Runs the plant alone, from a line at some temperature, and reads the nozzle as the device does:
every 100 ms. "Cold" is what docs/hardware.md calls liquid temperature and steady. Imports the
standard library and its sibling modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw_sim.world.plant.device import Plant, PlantParams
from hw_sim.world.plant.dewar import DewarParams
from hw_sim.world.plant.jet import JetSpan
from hw_sim.world.plant.line import LineParams

_STEP_NS = 100_000_000
_S = 1_000_000_000

COLD_C = -175.0
FALL_K = 5.0  # less than this in half a second …
RISE_K = 1.5  # … and no more than this upwards
_WINDOW = 5
_IN_A_ROW = 3
BOUND_S = 10.0

LINES_C = (-190.0, -150.0, -100.0, -50.0, 0.0, 25.0, 35.0)
PRESSURES_MBAR = (300.0, 350.0, 400.0, 600.0, 900.0)
WAITS_S = (2.0, 5.0, 8.0, 10.0, 20.0, 90.0)


@dataclass(frozen=True, slots=True)
class ChillDown:
    """A purge of 15 s. Times in s from the coil on; None: not within 15 s.

    `at_bound_c`: the nozzle at 10 s. `lost_s`: what a freeze that follows `cold_s` (or the bound)
    at once misses in its first 5 s, as seconds of the full spray.
    """

    liquid_s: float | None
    cold_s: float | None
    at_bound_c: float
    lost_s: float


def chill_down(
    line_c: float, mbar: float, *, open_area: float = 1.0, permille: float = 850.0
) -> ChillDown:
    """Purge a line at `line_c` °C with a flask regulated to `mbar` gauge."""
    plant = Plant(
        PlantParams(
            dewar=DewarParams(regulated_mbar=mbar, start_permille=permille),
            line=LineParams(start_c=line_c),
        )
    )
    plant.block_nozzle(0, open_area)
    plant.energise(0, True)
    c = [plant.nozzle_c]
    cold: int | None = None
    good = 0
    for i in range(1, 151):
        plant.advance(i * _STEP_NS)
        c.append(plant.nozzle_c)
        if i >= _WINDOW and cold is None:
            change_k = c[i] - c[i - _WINDOW]
            good = good + 1 if c[i] < COLD_C and -FALL_K < change_k < RISE_K else 0
            if good == _IN_A_ROW:
                cold = i
    wet = plant.liquid_intervals_ns
    bound = round(BOUND_S * _S)
    from_ns = bound if cold is None else min(bound, cold * _STEP_NS)
    return ChillDown(
        liquid_s=wet[0][0] / _S if wet else None,
        cold_s=None if cold is None else cold * _STEP_NS / _S,
        at_bound_c=c[bound // _STEP_NS],
        lost_s=_lost_s(plant, from_ns, 5 * _S),
    )


def mean_h(spans: Sequence[JetSpan]) -> float:
    """The mean of the jet's relative coefficient over its spans."""
    whole = sum(span.end_ns - span.begin_ns for span in spans)
    return sum((span.end_ns - span.begin_ns) * span.relative_h for span in spans) / whole


def _lost_s(plant: Plant, from_ns: int, for_ns: int, full_ns: int = 1) -> float:
    """Seconds of full spray missing from `from_ns` on, against the jet of the last `full_ns`."""
    full = mean_h(plant.jet_between(from_ns + for_ns - full_ns, from_ns + for_ns))
    if full <= 0.0:
        return for_ns / _S
    spans = plant.jet_between(from_ns, from_ns + for_ns)
    return sum((s.end_ns - s.begin_ns) / _S * (1.0 - s.relative_h / full) for s in spans)


def lost_after_s(
    plant: Plant, wait_s: float, *, chill_s: int = 14, again_s: int = 10, full_ns: int = 1
) -> tuple[float, float]:
    """(nozzle in °C, seconds of full spray lost) when a cold line has stood closed for `wait_s`.

    The valve of a new `plant` is opened for `chill_s`, and after the wait for `again_s`, of which
    the last `full_ns` are the full spray.
    """
    plant.energise(0, True)
    plant.energise(chill_s * _S, False)
    again_ns = chill_s * _S + round(wait_s * _S)
    plant.advance(again_ns)
    nozzle_c = plant.nozzle_c
    plant.energise(again_ns, True)
    plant.advance(again_ns + again_s * _S)
    return nozzle_c, _lost_s(plant, again_ns, again_s * _S, full_ns)


def _plant(mbar: float) -> Plant:
    return Plant(PlantParams(dewar=DewarParams(regulated_mbar=mbar)))


def tables() -> str:
    """Both tables of docs/hardware.md, as Markdown."""
    rows = ["| purge from a line at | " + " | ".join(f"{c:+.0f} °C" for c in LINES_C) + " |"]
    rows.append("|---" * (len(LINES_C) + 1) + "|")
    for mbar in PRESSURES_MBAR:
        cells = [_cell(chill_down(c, mbar)) for c in LINES_C]
        rows.append(f"| {mbar:.0f} mbar | " + " | ".join(cells) + " |")
    rows.append("")
    rows.append("| closed for | nozzle | " + " | ".join(f"{m:.0f} mbar" for m in (300, 600, 900)))
    rows[-1] += " |"
    rows.append("|---" * 5 + "|")
    for wait_s in WAITS_S:
        lost = [lost_after_s(_plant(mbar), wait_s) for mbar in (300.0, 600.0, 900.0)]
        cells = [f"{s:.1f} s" for _, s in lost]
        rows.append(f"| {wait_s:.0f} s | {lost[1][0]:.0f} °C | " + " | ".join(cells) + " |")
    return "\n".join(rows).replace("-", "−").replace("−−−", "---") + "\n"


def _cell(run: ChillDown) -> str:
    if run.cold_s is not None and run.cold_s <= BOUND_S:
        return f"{run.cold_s:.1f} s"
    return f"{run.at_bound_c:.0f} °C at 10 s"


if __name__ == "__main__":
    print(tables(), end="")
