"""Calibrated tables at the start, and the curves of a new one. Each replaces the shipped table.

May import micropython.const and cryo's on_demand, redundant_file; loads calibration_table on
demand, unloads applicators. Controls: H-06 (a table that fails its checks is not used), H-07 (it
makes its file invalid: the other file is used), H-12 (no table is in memory beside the row made
from it: with seven applicators calibrated they would take 2.7 kB).

calibration_table.py defines a table, calibration_store.py reads and changes the file.
"""

from micropython import const

from cryo import on_demand, redundant_file

_OF = const(0)  # of the staged curves: their applicator's number
_SIZE = const(90)  # bytes of a table in flash, as in calibration_table.py


def _decode(entries, count):
    """The tables of a file's entries, or None if one of them is invalid."""
    return on_demand.load("calibration_table").decode(entries, count)


class Calibration(redundant_file.Slots):
    """The stored tables, at most one for each applicator. In memory are only the rows in force."""

    def __init__(self):
        super().__init__("tables", b"CRYT", _SIZE)

    def load(self):
        """At the start, with the shipped rows in force: read both slots and activate the tables of
        the newer valid one. Returns the outcome."""
        tables = self.load_newest(_decode)
        if tables:
            calibration_table = on_demand.load("calibration_table")
            for table in tables:
                calibration_table.use(table)
        on_demand.unload("calibration_table")
        on_demand.unload("applicators")  # which dose.py has loaded
        return self.outcome


class Tables:
    """The stored tables, and the staged curves."""

    def __init__(self):
        self.stored = Calibration()
        self._staged = [0, None, None]  # applicator, curve of target 1, of target 2

    def stage(self, number, target, depths):
        """Stage a curve until the table is requested."""
        staged = self._staged
        if staged[_OF] != number:
            staged[_OF] = number
            staged[1] = staged[2] = None
        staged[target] = tuple(depths)

    def staged(self, number):
        """(curve, curve) if both curves of an applicator are staged, otherwise None."""
        staged = self._staged
        if staged[_OF] != number or staged[1] is None or staged[2] is None:
            return None
        return staged[1], staged[2]
