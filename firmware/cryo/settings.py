"""Settings in two slots, each with CRC, version and generation; rejects, never clamps.

May import binascii, struct, array, os, micropython.const, cryo.schema. Controls: H-07 (a slot
that does not check out is not used; a save never touches the slot in use), H-13 (a change
that matters waits for confirmation on the device).

A slot: magic, format version, number of entries, generation, then (number u16, value i32) for
each setting, then the CRC-32 of all before. Numbers are permanent (schema.py): a slot written
by an older or newer firmware is read entry by entry; what is missing takes its default, what
is out of its range makes the slot invalid.
"""

import binascii
import os
import struct

from cryo import schema

_MAGIC = b"CRYO"
_FORMAT = 1
_HEAD = "<4sHHI"
_HEAD_SIZE = 12
_ENTRY = "<Hi"
_ENTRY_SIZE = 6
_SLOTS = ("settings_a.bin", "settings_b.bin")

LOADED = 0
FIRST_START = 1  # neither slot exists
ONE_SLOT_BAD = 2  # the other one is in use
LOST = 3  # both bad: defaults

CONFIRM_S = 60


def _encode(values, generation):
    body = struct.pack(_HEAD, _MAGIC, _FORMAT, len(values), generation)
    for i in range(len(values)):
        body += struct.pack(_ENTRY, schema.SETTINGS[i][0], values[i])
    return body + struct.pack("<I", binascii.crc32(body))


def _decode(data):
    """(generation, values) of a slot's bytes, or None when anything is wrong with it."""
    if len(data) < _HEAD_SIZE + 4:
        return None
    body = data[:-4]
    if struct.unpack("<I", data[-4:])[0] != binascii.crc32(body):
        return None
    magic, form, count, generation = struct.unpack(_HEAD, body[:_HEAD_SIZE])
    if magic != _MAGIC or form != _FORMAT or len(body) != _HEAD_SIZE + count * _ENTRY_SIZE:
        return None
    values = [row[5] for row in schema.SETTINGS]
    for k in range(count):
        at = _HEAD_SIZE + k * _ENTRY_SIZE
        number, value = struct.unpack(_ENTRY, body[at : at + _ENTRY_SIZE])
        index = schema.index_of_number(number)
        if index < 0:
            continue  # written by a newer firmware
        if not schema.in_range(index, value):
            return None
        values[index] = value
    return generation, values


def _read(path):
    """A slot's bytes; None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


class Settings:
    """`values[schema.KEY]` are the settings in force."""

    def __init__(self):
        self.values = [row[5] for row in schema.SETTINGS]
        self.generation = 0
        self.slot = 0  # the slot in use
        self.outcome = FIRST_START
        self.pending = -1  # index of the setting that waits for confirmation, or -1
        self.pending_value = 0

    def load(self):
        """Read both slots; take the newer valid one. Returns the outcome."""
        found = 0
        valid = 0
        for slot in (0, 1):
            data = _read(_SLOTS[slot])
            if data is None:
                continue
            found += 1
            decoded = _decode(data)
            if decoded is None:
                continue
            valid += 1
            if valid == 1 or decoded[0] > self.generation:
                self.generation, self.values = decoded
                self.slot = slot
        if not found:
            self.outcome = FIRST_START
        elif not valid:
            self.outcome = LOST
        elif valid < found:
            self.outcome = ONE_SLOT_BAD
        else:
            self.outcome = LOADED
        return self.outcome

    def store(self, index, value):
        """Change one setting and save it. False: the flash refused, and nothing changed.

        The value must be in range (`schema.in_range`). The slot in use stays as it is; the
        other one is replaced as a whole, so a cut at any byte leaves one good slot.
        """
        values = list(self.values)
        values[index] = value
        if not self._write(values, self.generation + 1):
            return False
        self.values[index] = value
        return True

    def save(self):
        """Write the settings in force to the other slot. False: the flash refused."""
        return self._write(self.values, self.generation + 1)

    def _write(self, values, generation):
        slot = 1 - self.slot
        data = _encode(values, generation)
        try:
            with open("settings.new", "wb") as file:
                file.write(data)
            if _read("settings.new") != data:
                return False
            os.rename("settings.new", _SLOTS[slot])
        except OSError:
            return False
        self.slot = slot
        self.generation = generation
        return True
