"""Properties of nitrogen that the plant uses. Imports nothing.

Source, where no other is named: NIST Chemistry WebBook (SRD 69), nitrogen on the saturation line
at 101.3 kPa; CLINICAL facts of the project state the same 807 kg/m³, 199 kJ/kg and −195.8 °C.
"""

BOILING_C = -195.8
ZERO_C_K = 273.15
LIQUID_KG_M3 = 807.0
LATENT_J_G = 199.0
GAS_CP_J_GK = 1.04  # ideal diatomic gas, 7/2 R/M
GAS_J_KGK = 296.8  # specific gas constant R/M, M = 28.013 g/mol
ATMOSPHERE_MBAR = 1013.25
