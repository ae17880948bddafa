"""The file of calibrated tables: read and changed. Loaded on demand.

May import micropython.const and cryo's dose, on_demand; loads calibration_table on demand.
Controls: H-07 (a file that cannot be read is not written over: the other tables would be lost).

`stored` is the pair of files (calibration.Calibration); calibration_table.py defines an entry.
"""

from micropython import const

from cryo import dose, on_demand

_OF = const(0)  # column of a table: its applicator's number
_SIZE = const(90)  # bytes of a table in flash, as in calibration_table.py


def _place(entries, number):
    """Offset of an applicator's entry; behind the last if there is none."""
    at = 0
    while at < len(entries) and entries[at] | entries[at + 1] << 8 != number:
        at += _SIZE
    return at


def read(stored, number):
    """(the calibrated table of an applicator or None, where its depths in force come from)."""
    provenance = dose.row_of(number)[dose.PROVENANCE]
    if provenance:
        return None, provenance
    with on_demand.loaded("calibration_table") as calibration_table:
        return _read(calibration_table, stored.entries() or b"", number)


def provenances(stored):
    """Where the depths in force come from, a text for each of `dose.rows()`."""
    texts = [row[dose.PROVENANCE] for row in dose.rows()]
    if "" in texts:
        entries = stored.entries() or b""
        with on_demand.loaded("calibration_table") as calibration_table:
            for i in range(len(texts)):
                if not texts[i]:
                    number = dose.rows()[i][dose.NUMBER]
                    texts[i] = _read(calibration_table, entries, number)[1]
    return texts


def _read(calibration_table, entries, number):
    at = _place(entries, number)
    if at == len(entries):
        return None, "calibrated; its file cannot be read"
    table = calibration_table.table_of(entries[at : at + _SIZE])
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
    at = _place(entries, number)
    entries = entries[:at] + entries[at + _SIZE :]
    with on_demand.loaded("calibration_table") as calibration_table:
        if table is not None:
            entries += calibration_table.encode(table)
        if not stored.save_entries(entries, len(entries) // _SIZE):
            return False
        if table is None:
            calibration_table.use_shipped(number)
        else:
            calibration_table.use(table)
    return True
