"""Thermocouple voltages, types T and K, after ITS-90. Imports nothing.

Source: NIST Standard Reference Database 60 (ITS-90 thermocouple reference functions), range
−270…400 °C (T) and −270…1372 °C (K); millivolts, reference junction at 0 °C.
"""

from __future__ import annotations

from math import exp

_T_BELOW = (
    0.0, 0.387481063640e-1, 0.441944343470e-4, 0.118443231050e-6, 0.200329735540e-7,
    0.901380195590e-9, 0.226511565930e-10, 0.360711542050e-12, 0.384939398830e-14,
    0.282135219250e-16, 0.142515947790e-18, 0.487686622860e-21, 0.107955392700e-23,
    0.139450270620e-26, 0.797951539270e-30,
)  # fmt: skip
_T_ABOVE = (
    0.0, 0.387481063640e-1, 0.332922278800e-4, 0.206182434040e-6, -0.218822568460e-8,
    0.109968809280e-10, -0.308157587720e-13, 0.454791352900e-16, -0.275129016730e-19,
)  # fmt: skip
_K_BELOW = (
    0.0, 0.394501280250e-1, 0.236223735980e-4, -0.328589067840e-6, -0.499048287770e-8,
    -0.675090591730e-10, -0.574103274280e-12, -0.310888728940e-14, -0.104516093650e-16,
    -0.198892668780e-19, -0.163226974860e-22,
)  # fmt: skip
_K_ABOVE = (
    -0.176004136860e-1, 0.389212049750e-1, 0.185587700320e-4, -0.994575928740e-7,
    0.318409457190e-9, -0.560728448890e-12, 0.560750590590e-15, -0.320207200030e-18,
    0.971511471520e-22, -0.121047212750e-25,
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for c in reversed(coefficients):
        value = value * x + c
    return value


def type_t_mv(c: float) -> float:
    """Voltage of type T at `c` °C, −270…400."""
    return _polynomial(_T_BELOW if c < 0.0 else _T_ABOVE, c)


def type_k_mv(c: float) -> float:
    """Voltage of type K at `c` °C, −270…1372."""
    if c < 0.0:
        return _polynomial(_K_BELOW, c)
    return _polynomial(_K_ABOVE, c) + 0.1185976 * exp(-0.1183432e-3 * (c - 126.9686) ** 2)


def type_k_c(mv: float) -> float:
    """Temperature at which type K gives `mv`; bisection to 1e-6 °C, clipped to −270…1372."""
    low, high = -270.0, 1372.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if type_k_mv(middle) < mv:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
