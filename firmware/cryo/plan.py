"""The plan of a treatment, decided at arming and not changed until READY.

Pure; may import cryo's dose, profiles, schema. Controls: H-01 (the gate's count includes the lags
of the valve; the depth-controlled mode has its upper bound in the hardware timer), H-06.
"""

from cryo import dose, profiles, schema


def _gate_us(time_ms, values):
    return dose.gate_us(
        time_ms,
        values[schema.OPEN_LAG_US],
        values[schema.CLOSE_LAG_US],
        values[schema.TRIM_PPM],
    )


dose_ms = 0
planned_us = 0
most_ms = 0  # planned time of flow: the dose, or the upper bound of the depth-controlled mode
least_ms = 0  # since the gate opened: the depth-controlled mode ends no freeze earlier
dose_gate_ms = 0  # since the gate opened: the planned time, where the depth is in doubt
target_um = 0  # the estimated depth that ends the freeze; 0 = ended by time
table_version = 0
cycles = 1


def make(values, time_ms):
    """Make the plan from the active settings and their dose (ms, more than 0)."""
    global dose_ms, planned_us, most_ms, least_ms, dose_gate_ms, target_um, table_version, cycles
    by_depth = values[schema.DEPTH_MODE]
    dose_ms = time_ms
    most_ms = dose.most_ms(time_ms) if by_depth else time_ms
    planned_us = _gate_us(most_ms, values)
    dose_gate_ms = _gate_us(time_ms, values) // 1000
    least_ms = (_gate_us(dose.least_ms(time_ms), values) + 999) // 1000
    target_um = profiles.plan_um(values) if by_depth else 0
    table_version = dose.version_of(values[schema.APPLICATOR])
    cycles = values[schema.CYCLES]


def flow_ms(delivered_us):
    """Time of flow, ms, for a gate that was high for `delivered_us`: corrected for the lags."""
    lag_us = most_ms * 1000 - planned_us
    return max(0, delivered_us + lag_us) // 1000 if delivered_us else 0
