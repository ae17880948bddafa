"""The file of calibrated tables: read and changed. Loaded on demand.

May import micropython.const and cryo's dose, on_demand; loads calibration_table on demand.
Controls: H-07 (a file that cannot be read is not written over: the other tables would be lost).

`stored` is the pair of files (calibration.Calibration); calibration_table.py defines an entry.
"""

from micropython import const

from cryo import dose, on_demand

_OF = const(0)  # column of a table: its applicator's number


def _place(entries, number, size):
    """Offset of an applicator's entry of `size` bytes; behind the last if there is none."""
    at = 0
    while at < len(entries) and entries[at] | entries[at + 1] << 8 != number:
        at += size
    return at


def read(stored, number):
    """(the calibrated table of an applicator or None, where its depths in force come from)."""
    provenance = dose.row_of(number)[dose.PROVENANCE]
    if provenance:
        return None, provenance
    with on_demand.loaded("calibration_table") as calibration_table:
        return _read(calibration_table, stored, stored.entries() or b"", number)


def provenances(stored):
    """Where the depths in force come from, a text for each of `dose.rows()`."""
    texts = [row[dose.PROVENANCE] for row in dose.rows()]
    if "" in texts:
        entries = stored.entries() or b""
        with on_demand.loaded("calibration_table") as calibration_table:
            for i in range(len(texts)):
                if not texts[i]:
                    number = dose.rows()[i][dose.NUMBER]
                    texts[i] = _read(calibration_table, stored, entries, number)[1]
    return texts


def _read(calibration_table, stored, entries, number):
    size = stored.entry_size
    at = _place(entries, number, size)
    if at == len(entries):
        return None, "calibrated; its file cannot be read"
    table = calibration_table.table_of(entries[at : at + size])
    return table, calibration_table.provenance(table)


def store(stored, table):
    """Save and activate a table that `refuse` accepts. False: the file was not read or written."""
    return _replace(stored, table[_OF], table)


def remove(stored, number):
    """Return an applicator to its shipped table. False: the file was not read or written."""
    return _replace(stored, number, None)


def _replace(stored, number, table):
    entries = stored.entries()
    if entries is None:
        return False  # H-07
    size = stored.entry_size
    at = _place(entries, number, size)
    entries = entries[:at] + entries[at + size :]
    with on_demand.loaded("calibration_table") as calibration_table:
        if table is not None:
            entries += calibration_table.encode(table)
        if not stored.save_entries(entries, len(entries) // size):
            return False
        if table is None:
            calibration_table.use_shipped(number)
        else:
            calibration_table.use(table)
    return True
