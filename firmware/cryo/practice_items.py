"""The practice's own items of the checklist, stored in an A/B pair of files. Loaded on demand.

May import binascii, struct, micropython.const and cryo's redundant_file. Controls: H-19 (an item
that fails its checks is not used, and a lost file is reported), H-07 (a power cut leaves one good
file).

An item is (kind, text): kind 1 avoid, 2 caution; text of 1 to 16 printable ASCII characters. Its
number in a record is 25 + its position.
"""

import binascii
import struct

from micropython import const

from cryo import redundant_file

FIRST = const(25)
MOST = const(4)
TEXT_MOST = const(16)
KINDS = ("avoid", "caution")

_ITEM = "<B16s"
_SIZE = const(17)


def refuse(items):
    """Why these items are not permitted, with the allowed range; empty if they are."""
    if len(items) > MOST:
        return "0 to %d items" % MOST
    for i in range(len(items)):
        kind, text = items[i]
        if not 1 <= kind <= len(KINDS):
            return "kind takes avoid or caution"
        if not 1 <= len(text) <= TEXT_MOST:
            return "text takes 1 to %d characters" % TEXT_MOST
        for byte in text.encode():
            if not 32 <= byte <= 126:
                return "text takes printable ASCII characters only"
        if text.strip() != text:
            return "text begins or ends with a space"
        for k in range(i):
            if items[k][1] == text:
                return "two items have the same text"
    return ""


def _encode(items):
    entries = b""
    for kind, text in items:
        entries += struct.pack(_ITEM, kind, text.encode())
    return entries


def _decode(entries, count):
    """The items of a slot's entries, or None if one of them is invalid."""
    items = []
    for k in range(count):
        kind, text = struct.unpack(_ITEM, entries[k * _SIZE : (k + 1) * _SIZE])
        try:
            items.append((kind, text.rstrip(b"\x00").decode()))
        except UnicodeError:
            return None
    return None if refuse(items) else items


def crc(items):
    """CRC-32 of the items as stored in flash; 0 if there are none."""
    return binascii.crc32(_encode(items)) if items else 0


class PracticeItems(redundant_file.Slots):
    """`items`: the stored ones. Read from flash when it is made."""

    def __init__(self):
        super().__init__("checklist", b"CRYI", _SIZE)
        self.items = self.load_newest(_decode) or []

    def lost(self):
        """Whether both files are bad: the items are not known."""
        return self.outcome == redundant_file.LOST

    def store(self, items):
        """Replace all items, and a damaged copy too. False: the write failed."""
        entries = _encode(items)
        if not self.save_entries(entries, len(items)):
            return False
        if self.outcome in (redundant_file.ONE_SLOT_BAD, redundant_file.LOST):
            self.save_entries(entries, len(items))
        return True
