"""The plan of a treatment: what was decided at arming. Written once, read-only until READY.

Pure; may import cryo's dose, profiles, schema. Controls: H-01 (the gate's count carries the valve's
lags; the depth-controlled mode has its upper bound in the hardware timer), H-06.
"""

from cryo import dose, profiles, schema


def _gate_us(time_ms, values):
    return dose.gate_us(
        time_ms,
        values[schema.OPEN_LAG_US],
        values[schema.CLOSE_LAG_US],
        values[schema.TRIM_PPM],
    )


class Plan:
    """Made once; `make` writes every field."""

    def __init__(self):
        self.dose_ms = 0
        self.planned_us = 0
        self.most_ms = 0  # of flow that the gate is planned for: the dose, or the mode's bound
        self.least_ms = 0  # since the gate opened: the depth-controlled mode ends no freeze before
        self.target_um = 0  # the estimated depth that ends the freeze; 0 = its time does
        self.table_version = 0
        self.cycles = 1

    def make(self, values, dose_ms):
        """Decide everything from the settings in force and their dose (ms, more than 0)."""
        by_depth = values[schema.DEPTH_MODE]
        self.dose_ms = dose_ms
        self.most_ms = dose.most_ms(dose_ms) if by_depth else dose_ms
        self.planned_us = _gate_us(self.most_ms, values)
        self.least_ms = (_gate_us(dose.least_ms(dose_ms), values) + 999) // 1000
        self.target_um = profiles.plan_um(values) if by_depth else 0
        self.table_version = dose.version_of(values[schema.APPLICATOR])
        self.cycles = values[schema.CYCLES]

    def flow_ms(self, delivered_us):
        """Time of flow, ms, for a gate that was high for `delivered_us`: the lags taken out."""
        lag_us = self.most_ms * 1000 - self.planned_us
        return max(0, delivered_us + lag_us) // 1000 if delivered_us else 0
