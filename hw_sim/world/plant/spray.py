"""What the jet is to the skin: from the plant's history to the tissue model's exposure.

The plant says what left the nozzle towards the skin: the coefficient in parts of the applicator's
nominal one, and the temperature that goes with it, gas, spit and liquid alike
(`Plant.jet_between`). The tissue model wants W/m²K over time. Nothing else couples the two. May
import NumPy (with the tissue model) and its sibling modules.
"""

from __future__ import annotations

from collections.abc import Iterable

from hw_sim.world.plant.jet import JetSpan
from hw_sim.world.plant.nitrogen import BOILING_C
from hw_sim.world.plant.tissue import Exposure

WINDOW_S = 0.1
"""Sputter quicker than this is averaged: it reaches 0.1 mm into the skin, and no isotherm."""
_SAME_H = 0.01
_SAME_C = 1.0


def exposure(
    spans: Iterable[JetSpan],
    h_w_m2k: float,
    *,
    zero_ns: int = 0,
    window_s: float = WINDOW_S,
) -> Exposure:
    """What a spot of nominal coefficient `h_w_m2k` (W/m²K) feels, in seconds from `zero_ns` on.

    `spans` without gaps and in order; spans shorter than `window_s` are put together so that the
    same heat flows: h by its mean over time, the temperature by its mean over h. What was before
    `zero_ns` is left out. ValueError when there is nothing from `zero_ns` on.
    """
    rows: list[tuple[float, float, float]] = []
    begin_s = end_s = 0.0
    h_s = hc_s = 0.0  # ∫ h dt and ∫ h·c dt since begin_s

    def close() -> None:
        nonlocal h_s, hc_s, begin_s
        if end_s > begin_s:
            h = h_s / (end_s - begin_s)
            c = hc_s / h_s if h_s > 0.0 else BOILING_C
            if not rows or abs(rows[-1][1] - h) > _SAME_H * h or abs(rows[-1][2] - c) > _SAME_C:
                rows.append((begin_s, h, c))
        begin_s = end_s
        h_s = hc_s = 0.0

    for span in spans:
        from_s = max(0.0, (span.begin_ns - zero_ns) * 1e-9)
        to_s = (span.end_ns - zero_ns) * 1e-9
        if to_s <= from_s:
            continue
        h = span.relative_h * h_w_m2k
        # A beginning and an end of the jet stay where they are.
        if (h == 0.0) != (h_s == 0.0) or to_s - from_s >= window_s:
            close()
        end_s = to_s
        h_s += h * (to_s - from_s)
        hc_s += h * span.fluid_c * (to_s - from_s)
        if end_s - begin_s >= window_s - 1e-9:
            close()
    close()
    if not rows:
        raise ValueError("nothing to expose the skin to")
    time_s, h_rows, c_rows = zip(*rows, strict=True)
    return Exposure(time_s, h_rows, c_rows)
