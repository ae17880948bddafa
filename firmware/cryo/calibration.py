"""Calibrated tables, stored in an A/B pair of files. Each replaces the shipped table.

May import micropython.const and cryo's dose, on_demand, redundant_file; loads calibration_table on
demand. Controls: H-06 (a table that fails its checks is not used), H-07 (it makes its file
invalid: the other file is used).

calibration_table.py defines a table. Its first column is the applicator's number.
"""

from micropython import const

from cryo import dose, on_demand, redundant_file

_OF = const(0)  # column of a table: its applicator's number
_SIZE = const(90)  # bytes of a table in flash, as in calibration_table.py


def _decode(entries, count):
    """The tables of a file's entries, or None if one of them is invalid."""
    with on_demand.loaded("calibration_table") as calibration_table:
        return calibration_table.decode(entries, count)


class Calibration(redundant_file.Slots):
    """`tables`: the active tables, at most one for each applicator."""

    def __init__(self):
        super().__init__("tables", b"CRYT", _SIZE)
        self.tables = []

    def load(self):
        """Read both slots and activate the tables of the newer valid one. Returns the outcome."""
        self.tables = self.load_newest(_decode) or []
        self._use()
        return self.outcome

    def of(self, number):
        """The calibrated table of an applicator, or None."""
        for table in self.tables:
            if table[_OF] == number:
                return table
        return None

    def store(self, table):
        """Save and activate a table that `refuse` accepts. False: the write failed."""
        return self._replace(table[_OF], table)

    def remove(self, number):
        """Return an applicator to its shipped table. False: the write failed."""
        return self._replace(number, None)

    def _replace(self, number, table):
        tables = []
        for other in self.tables:
            if other[_OF] != number:
                tables.append(other)
        if table is not None:
            tables.append(table)
        with on_demand.loaded("calibration_table") as calibration_table:
            entries = calibration_table.encode(tables)
        if not self.save_entries(entries, len(tables)):
            return False
        self.tables = tables
        self._use()
        return True

    def _use(self):
        for row in dose.APPLICATORS:
            dose.use(row[dose.NUMBER], None, 0)
        if self.tables:
            with on_demand.loaded("calibration_table") as calibration_table:
                for table in self.tables:
                    calibration_table.use(table)


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
