"""The flash of a device whose applicators were calibrated: the shipped depths, as if measured here.

May import the standard library, `hw_sim.image.firmware_tables` and `protocol`. For scenarios about
other things than calibration: a device with shipped tables asks for a caution at the first arming
(docs/protocol.md, `caution`). The layout of the file is that of the firmware's
`cryo/calibration_table.py`; the depths are read from its data, `cryo/applicators.py`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import cache

from hw_sim.bench.protocol import FIRMWARE
from hw_sim.image.firmware_tables import table

RUN = 1
_UTC_S = 1_795_000_000
_TABLE, _HEAD = struct.Struct("<HHHHHII16s28H"), struct.Struct("<4sHHI")
_NUMBER, _H, _SPREAD, _SKIN_MS, _CURVE = 0, 5, 6, 7, 8


@cache
def tables() -> dict[str, bytes]:
    """The file of calibrated tables, one for each applicator, by name."""
    rows = table(FIRMWARE / "cryo", "applicators", "APPLICATORS")
    data = _HEAD.pack(b"CRYT", 1, len(rows), 1)
    for row in rows:
        data += _TABLE.pack(
            row[_NUMBER], row[_H], row[_SPREAD], row[_SKIN_MS], 2, RUN, _UTC_S, b"bench",
            *row[_CURVE], *row[_CURVE + 1],
        )  # fmt: skip
    return {"tables_a.bin": data + struct.pack("<I", zlib.crc32(data))}


_SLOT_HEAD, _SLOT_ENTRY = struct.Struct("<4sHHI"), struct.Struct("<Hi")


def settings(values: Mapping[int, int]) -> dict[str, bytes]:
    """The file of settings (by number, docs/protocol.md) that were set before, by its name."""
    data = _SLOT_HEAD.pack(b"CRYO", 1, len(values), 1)
    data += b"".join(_SLOT_ENTRY.pack(number, value) for number, value in values.items())
    return {"settings_a.bin": data + struct.pack("<I", zlib.crc32(data))}
