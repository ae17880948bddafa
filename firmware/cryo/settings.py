"""Settings as an A/B pair (redundant_file.py): CRC, version and generation; rejects, never clamps.

May import struct, cryo's schema, redundant_file. Controls: H-07 (a slot with a value out of its
range is not used).

An entry: (number u16, value i32) of a setting. Numbers are permanent (schema.py): a slot written by
an older or newer firmware is read entry by entry; a missing setting takes its default, and a value
out of its range makes the slot invalid.
"""

import struct

from cryo import redundant_file, schema

_ENTRY = "<Hi"
_ENTRY_SIZE = 6


def _encode(values):
    entries = b""
    for i in range(len(values)):
        entries += struct.pack(_ENTRY, schema.SETTINGS[i][schema.NUMBER], values[i])
    return entries


def _decode(entries, count):
    """The values of a slot's entries, or None if one is out of its range."""
    values = [row[schema.DEFAULT] for row in schema.SETTINGS]
    for k in range(count):
        at = k * _ENTRY_SIZE
        number, value = struct.unpack(_ENTRY, entries[at : at + _ENTRY_SIZE])
        index = schema.index_of_number(number)
        if index < 0:
            continue  # written by a newer firmware
        if not schema.in_range(index, value):
            return None
        values[index] = value
    return values


class Settings(redundant_file.Slots):
    """The active settings: `values`, indexed by the constants of schema.py."""

    def __init__(self):
        super().__init__("settings", b"CRYO", _ENTRY_SIZE)
        self.values = [row[schema.DEFAULT] for row in schema.SETTINGS]

    def load(self):
        """Load the newer valid slot, otherwise the defaults. Returns the outcome."""
        values = self.load_newest(_decode)
        if values is not None:
            self.values = values
        return self.outcome

    def store(self, index, value):
        """Change one setting and save it. False: the write failed, and nothing changed.

        The value must be in range (`schema.in_range`).
        """
        values = list(self.values)
        values[index] = value
        if not self.save_entries(_encode(values), len(values)):
            return False
        self.values[index] = value
        return True

    def save(self):
        """Write the active settings to the other slot. False: the write failed."""
        return self.save_entries(_encode(self.values), len(self.values))
