"""Where the journal in flash begins, and how far the host has stored it. Loaded on demand.

May import struct and cryo's redundant_file. Controls: H-08 (A/B files: a power cut at any byte
leaves a valid one; both hold the newest values before anything is deleted on their word).
"""

import struct

from cryo import redundant_file

_ENTRY = "<I16sI16s"
_ENTRY_SIZE = 40


def _decode(entries, count):
    return struct.unpack(_ENTRY, entries) if count == 1 else None


class Anchor(redundant_file.Slots):
    """`first`: the oldest record in flash; `before`: the chain value before it (16 bytes).

    `released`: the newest record that the host has stored, 0 = none; `chain`: its chain value.
    """

    def __init__(self):
        super().__init__("released", b"CRYJ", _ENTRY_SIZE)
        values = self.load_newest(_decode)
        self.first, self.before, self.released, self.chain = values or (1, b"", 0, b"")

    def keep(self, first, before, released, chain):
        """Write both slots, one after the other. False: a write failed."""
        self.first = first
        self.before = before
        self.released = released
        self.chain = chain
        entry = struct.pack(_ENTRY, first, before, released, chain)
        return self.save_entries(entry, 1) and self.save_entries(entry, 1)
