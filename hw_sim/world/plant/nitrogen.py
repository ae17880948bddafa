"""Properties of nitrogen that the plant uses. Imports the standard library only.

Source, where no other is named: NIST Chemistry WebBook (SRD 69), nitrogen on the saturation line
at 101.3 kPa; CLINICAL facts of the project state the same 807 kg/m³, 199 kJ/kg and −195.8 °C.
"""

from math import log

BOILING_C = -195.8
ZERO_C_K = 273.15
LIQUID_KG_M3 = 807.0
LATENT_J_G = 199.0
GAS_CP_J_GK = 1.04  # ideal diatomic gas, 7/2 R/M
GAS_J_KGK = 296.8  # specific gas constant R/M, M = 28.013 g/mol
ATMOSPHERE_MBAR = 1013.25
LIQUID_CP_J_GK = 2.04  # saturated liquid at 77 K


def boiling_k(mbar: float) -> float:
    """Boiling point at `mbar` gauge, after Clausius and Clapeyron: 0.3 K high at 1 bar gauge."""
    at_one_k = BOILING_C + ZERO_C_K
    ratio = log((mbar + ATMOSPHERE_MBAR) / ATMOSPHERE_MBAR)
    return 1.0 / (1.0 / at_one_k - GAS_J_KGK / (1000.0 * LATENT_J_G) * ratio)


def flash_fraction(mbar: float) -> float:
    """Vapour by mass after saturated liquid at `mbar` gauge is let down to the room's pressure."""
    return LIQUID_CP_J_GK * (boiling_k(mbar) - boiling_k(0.0)) / LATENT_J_G
