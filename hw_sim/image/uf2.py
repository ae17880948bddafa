"""One UF2 file with MicroPython and the firmware: a new board is ready after one copy.

`python -m hw_sim.image.uf2 TARGET` writes it. May import the standard library and hw_sim.image's
flash, micropython and release. UF2: https://github.com/microsoft/uf2.

For a new board only: it replaces the file system, and the journal and settings in it. An existing
device is updated by `cryo update`, which keeps both.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from hw_sim.image import micropython, release
from hw_sim.image.flash import BLOCK_BYTES

FS_OFFSET = 0xA0000
"""Where MicroPython keeps its file system on a Pico: 1408 kB up to the end of 2 MB."""
_FLASH_START = 0x10000000
_PAYLOAD = 256
_BLOCK = struct.Struct("<8I476sI")
_MAGIC = (0x0A324655, 0x9E5D5157)
_MAGIC_END = 0x0AB16F30
_FAMILY_PRESENT = 0x00002000
_RP2040 = 0xE48BFF56


def combined(interpreter: bytes, filesystem: bytes) -> bytes:
    """UF2 of the blocks of `interpreter` (a UF2 file) and of a littlefs image.

    Of the file system each 4 kB block that holds something is written whole, since the boot ROM
    erases in such blocks. ImageWrong if `interpreter` is no UF2 file, ValueError if it reaches
    into the file system.
    """
    pages: dict[int, bytes] = {}
    for offset, payload in micropython.uf2_blocks(interpreter):
        if offset + len(payload) > FS_OFFSET:
            raise ValueError(f"MicroPython's block at {offset:#x} is in the file system")
        pages[offset] = payload.ljust(_PAYLOAD, b"\xff")
    for at in range(0, len(filesystem), BLOCK_BYTES):
        block = filesystem[at : at + BLOCK_BYTES]
        if block.strip(b"\xff"):
            for page in range(0, BLOCK_BYTES, _PAYLOAD):
                pages[FS_OFFSET + at + page] = block[page : page + _PAYLOAD]
    return b"".join(
        _BLOCK.pack(
            *_MAGIC, _FAMILY_PRESENT, _FLASH_START + offset, _PAYLOAD, number, len(pages),
            _RP2040, pages[offset], _MAGIC_END,
        )
        for number, offset in enumerate(sorted(pages))
    )  # fmt: skip


def main(argv: list[str]) -> int:
    """The command: exit code 0, or 1 with the reason."""
    if len(argv) != 1:
        print("usage: python -m hw_sim.image.uf2 TARGET.uf2", file=sys.stderr)
        return 2
    target = Path(argv[0])
    try:
        interpreter = micropython.find_image().read_bytes()
        files = release.shipped_files()
    except (micropython.ImageMissing, micropython.ImageWrong, RuntimeError) as error:
        print(f"no UF2: {error}\nTo get MicroPython's image: make micropython", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(combined(interpreter, micropython.build_filesystem(files)))
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB, {micropython.IMAGE_NAME} and Cryodose")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
