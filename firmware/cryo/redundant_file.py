"""A/B redundant storage: load the newer valid file; save over the other one.

May import binascii, os, struct, micropython.const. Controls: H-07 (a slot that fails its checks is
not used; a save never touches the slot in use, so a power cut at any byte leaves one good slot).

A slot: magic, format version, number of entries, generation, then the entries, all of one size,
then the CRC-32 of all preceding bytes.
"""

import binascii
import os
import struct

from micropython import const

LOADED = const(0)
EMPTY = const(1)  # neither slot exists
ONE_SLOT_BAD = const(2)  # the other one is in use
LOST = const(3)  # both bad

_FORMAT = const(1)
_HEAD = "<4sHHI"
_HEAD_SIZE = const(12)


def _read(path):
    """A file's bytes; None if it does not exist."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


class Slots:
    """The A/B pair, base class of settings and calibration. `generation` counts the saves."""

    def __init__(self, name, magic, entry_size):
        self.generation = 0
        self.slot = 0  # the slot in use
        self.outcome = EMPTY  # of the last load
        self._magic = magic
        self.entry_size = entry_size
        self._paths = (name + "_a.bin", name + "_b.bin")
        self._new = name + ".new"

    def load_newest(self, decode):
        """Content of the newer valid slot, decoded, or None; sets `outcome`.

        `decode(entries, count)` takes the entries' bytes and returns None if they are invalid.
        """
        present = 0
        valid = 0
        newest = None
        for slot in (0, 1):
            data = _read(self._paths[slot])
            if data is None:
                continue
            present += 1
            count, generation = self._checked(data)
            content = None if count < 0 else decode(data[_HEAD_SIZE:-4], count)
            if content is None:
                continue
            valid += 1
            if valid == 1 or generation > self.generation:
                self.generation = generation
                self.slot = slot
                newest = content
        if not present:
            self.outcome = EMPTY
        elif not valid:
            self.outcome = LOST
        else:
            self.outcome = LOADED if valid == present else ONE_SLOT_BAD
        return newest

    def _checked(self, data):
        """(count, generation) of a slot's bytes; a count of -1 if the slot is invalid."""
        if len(data) < _HEAD_SIZE + 4:
            return -1, 0
        body = data[:-4]
        if struct.unpack("<I", data[-4:])[0] != binascii.crc32(body):
            return -1, 0
        magic, form, count, generation = struct.unpack(_HEAD, body[:_HEAD_SIZE])
        if magic != self._magic or form != _FORMAT:
            return -1, 0
        if len(body) != _HEAD_SIZE + count * self.entry_size:
            return -1, 0
        return count, generation

    def entries(self):
        """The entries' bytes of the slot in use, from flash; None: it cannot be read."""
        if not self.generation:
            return b""
        data = _read(self._paths[self.slot])
        if data is None or self._checked(data)[0] < 0:
            return None
        return data[_HEAD_SIZE:-4]

    def save_entries(self, entries, count):
        """Replace the slot that is not in use, atomically. False: the write failed."""
        generation = self.generation + 1
        slot = 1 - self.slot
        data = struct.pack(_HEAD, self._magic, _FORMAT, count, generation) + entries
        data += struct.pack("<I", binascii.crc32(data))
        try:
            with open(self._new, "wb") as file:
                file.write(data)
            if _read(self._new) != data:
                return False
            os.rename(self._new, self._paths[slot])
        except OSError:
            return False
        self.slot = slot
        self.generation = generation
        return True
