"""Calibrated tables in flash: each takes a shipped one's place. An A/B pair of files.

May import micropython.const and cryo's dose, on_demand, redundant_file; loads calibration_table on
demand. Controls: H-06 (a table that does not check out is not used), H-07 (it makes its file
invalid: the other one counts).

What a table is: calibration_table.py. Its first column is the applicator's number.
"""

from micropython import const

from cryo import dose, on_demand, redundant_file

_OF = const(0)  # column of a table: its applicator's number
_SIZE = const(90)  # bytes of a table in flash, as in calibration_table.py


def _decode(entries, count):
    """The tables of a file's entries, or None when one of them is refused."""
    with on_demand.loaded("calibration_table") as calibration_table:
        return calibration_table.decode(entries, count)


class Calibration(redundant_file.Slots):
    """`tables`: those in force, at most one for each applicator."""

    def __init__(self):
        super().__init__("tables", b"CRYT", _SIZE)
        self.tables = []

    def load(self):
        """Read both slots, take the newer valid one, put its tables in force. The outcome."""
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
        """Save a table that `refuse` passes, and put it in force. False: the flash refused."""
        return self._replace(table[_OF], table)

    def remove(self, number):
        """Forget an applicator's table: the shipped one is in force. False: the flash refused."""
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
    """What is staged, and what waits for confirmation."""

    def __init__(self):
        self.stored = Calibration()
        self.pending = None  # a whole table, or (number,): remove
        self.confirm_key = ""
        self.confirm_text = ""
        self._staged = [0, None, None]  # applicator, curve of target 1, of target 2

    def stage(self, number, target, depths):
        """Keep a curve until the table is offered."""
        staged = self._staged
        if staged[_OF] != number:
            staged[_OF] = number
            staged[1] = staged[2] = None
        staged[target] = tuple(depths)

    def staged(self, number):
        """(curve, curve) when both of an applicator have come, else None."""
        staged = self._staged
        if staged[_OF] != number or staged[1] is None or staged[2] is None:
            return None
        return staged[1], staged[2]
