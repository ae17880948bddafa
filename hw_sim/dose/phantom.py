"""Reference data of `cryo calibrate`: depths in a gel phantom and in skin, over the coefficient.

`python -m hw_sim.dose.phantom [--check]` writes host_tools/phantom.json, or compares it (exit code
1 if it differs). For each spot of the applicators and each coefficient of a grid: the depth of the
visible ice and of -25 C in gel at three temperatures, and the curves of -25 and -50 C in skin, all
at the times of the tables. The host interpolates in ln h; it imports nothing of this package.

The gel can be made in any laboratory: 1.5 % agar in water. Its properties are water's and ice's
(CRC Handbook, 97th ed.: water at 20 C 0.598 W/mK, 4184 J/kgK, 998 kg/m3; ice 2.2 W/mK at -10 C, 3.9
at -130 C, 2030 J/kgK at -10 C, 1000 at -190 C; 334 kJ/kg), less the 1.5 % of agar, which freezes
within a degree. The gel suppresses convection; nothing perfuses it.

May import NumPy, the tissue model and its sibling modules. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hw_sim.dose.applicators import APPLICATORS
from hw_sim.dose.tables import MODEL, SKIN_C, SKIN_SEEN_C, TIMES_MS, VERSION, sensitivity
from hw_sim.world.plant.nitrogen import BOILING_C
from hw_sim.world.plant.tissue import SKIN, Exposure, Tissue, TissueResult, expose

TARGET = Path(__file__).resolve().parents[2] / "host_tools" / "phantom.json"

GEL = Tissue(
    density_kg_m3=1000.0,
    warm_k_w_mk=0.59,
    warm_c_j_kgk=4150.0,
    frozen_k_w_mk=(2.2, 4.1),
    frozen_k_at_c=(-10.0, -150.0),
    frozen_c_j_kgk=(2030.0, 980.0),
    frozen_c_at_c=(-10.0, -196.0),
    freezing_begins_c=-0.1,
    freezing_ends_c=-1.0,
    latent_j_kg=329e3,
    perfusion_per_s=0.0,
    blood_j_m3k=0.0,
)
GEL_C = (15.0, 20.0, 25.0)
H_W_M2K = tuple(round(300.0 * 2.0 ** (k / 2)) for k in range(11))  # 300 ... 9600
ROUND_UM = 10


def _rounded(result: TissueResult, series: Any) -> list[int]:
    return [round(result.at(series, ms / 1000.0) * 1000.0 / ROUND_UM) * ROUND_UM for ms in TIMES_MS]


def _freeze(spot_mm: float, h: float, start_c: float | None, skin_c: float | None, tissue: Tissue,
            until_s: float, sample_s: float) -> TissueResult:  # fmt: skip
    return expose(
        Exposure((0.0,), (h,), (BOILING_C,)),
        until_s=until_s,
        spot_radius_mm=spot_mm,
        start_c=start_c,
        skin_c=skin_c,
        tissue=tissue,
        sample_s=sample_s,
    )


def of_spot(spot_mm: float) -> dict[str, Any]:
    """Everything about one spot radius."""
    gel: dict[str, list[dict[str, list[int]]]] = {}
    until_s = TIMES_MS[-1] / 1000.0
    for gel_c in GEL_C:
        rows: list[dict[str, list[int]]] = []
        for h in H_W_M2K:
            result = _freeze(spot_mm, h, gel_c, None, GEL, until_s, 0.5)
            rows.append(
                {
                    "ice_um": _rounded(result, result.ice_depth_mm),
                    "m25_um": _rounded(result, result.depth_m25_mm),
                }
            )
        gel[f"{gel_c:g}"] = rows
    skin: list[dict[str, Any]] = []
    for h in H_W_M2K:
        result = _freeze(spot_mm, h, None, SKIN_C, SKIN, until_s, 0.5)
        early = _freeze(spot_mm, h, None, SKIN_C, SKIN, min(30.0, 6e6 / h**2 + 0.1), 0.01)
        skin_s = early.surface_reached_s(SKIN_SEEN_C)
        skin.append(
            {
                "um": _rounded(result, result.depth_m25_mm),
                "um_cold": _rounded(result, result.depth_m50_mm),
                "skin_ms": 0 if math.isinf(skin_s) else round(skin_s * 100.0) * 10,
            }
        )
    return {"gel": gel, "skin": skin}


def everything() -> dict[str, Any]:
    """The content of the file."""
    spots = sorted({applicator.spot_radius_mm for applicator in APPLICATORS})
    rest: dict[str, int] = {}
    for applicator in APPLICATORS:
        parts = sensitivity(applicator)[1:]  # without the coefficient: calibration measures it
        rest[str(applicator.number)] = round(1000 * math.sqrt(sum(part * part for part in parts)))
    return {
        "what": "depths over the coefficient, computed; written by python -m hw_sim.dose.phantom",
        "model": MODEL,
        "version": VERSION,
        "times_ms": TIMES_MS,
        "h_w_m2k": H_W_M2K,
        "rest_permille": rest,
        "spots": {f"{spot_mm:g}": of_spot(spot_mm) for spot_mm in spots},
    }


def text() -> str:
    """The file's text, with one curve per line."""
    indented = json.dumps(everything(), indent=1)
    lines: list[str] = []
    flat = False
    for line in indented.splitlines():
        stripped = line.strip()
        if flat:
            lines[-1] += stripped if lines[-1].endswith("[") else " " + stripped
            flat = not stripped.startswith("]")
            continue
        lines.append(line)
        flat = stripped.endswith("[") and not stripped.startswith(
            ('"skin"', '"15"', '"20"', '"25"')
        )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hw_sim.dose.phantom", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file, write nothing")
    args = parser.parse_args(argv)
    content = text()
    if args.check:
        same = TARGET.read_text(encoding="utf-8") == content
        print(f"{TARGET} " + ("is up to date" if same else "differs from the model's output"))
        return 0 if same else 1
    TARGET.write_text(content, encoding="utf-8")
    print(f"written: {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
