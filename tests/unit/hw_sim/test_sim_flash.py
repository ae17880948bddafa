"""Simulated flash: NOR rules, power cuts between and within operations, failures, capacity."""

from __future__ import annotations

from pathlib import Path

import pytest
from littlefs import LittleFS, lfs
from littlefs.context import UserContext

from hw_sim.image.flash import DISK_VERSION, GEOMETRY, Filesystem, SimFlash
from hw_sim.image.micropython import read_filesystem
from tests.unit.hw_sim.chip_programs import bench_with


def test_programming_only_clears_bits() -> None:
    flash = SimFlash()
    assert flash.blank
    assert flash.prog(None, 1, 0, b"\xf0\x0f") == 0
    assert flash.prog(None, 1, 0, b"\x3c\x3c") == 0
    assert flash.read(None, 1, 0, 3) == b"\x30\x0c\xff"
    assert flash.erase(None, 1) == 0
    assert flash.read(None, 1, 0, 2) == b"\xff\xff"
    assert (flash.programs, flash.erases) == (2, 1)
    assert flash.busy_ns == 2 * 700_000 + 45_000_000


def test_a_cut_tears_the_operation_that_is_under_way() -> None:
    flash = SimFlash()
    flash.cut_after(1, torn_bytes=3)
    assert flash.prog(None, 0, 0, b"first") == 0
    assert flash.prog(None, 0, 256, b"second") != 0
    assert flash.power_lost
    assert flash.prog(None, 0, 512, b"third") != 0
    assert bytes(flash.read(None, 0, 256, 6)) == b"sec\xff\xff\xff"
    assert bytes(flash.read(None, 0, 512, 2)) == b"\xff\xff"
    flash.power_on()
    assert flash.prog(None, 0, 512, b"third") == 0
    flash.cut_after(0, torn_bytes=100)
    assert flash.erase(None, 0) != 0
    assert bytes(flash.read(None, 0, 0, 1)) == b"\xff"
    assert bytes(flash.read(None, 0, 512, 5)) == b"third"


def test_images_mount_with_plain_littlefs_and_back(tmp_path: Path) -> None:
    flash = SimFlash()
    Filesystem(flash).write_file("/deep/er/file.bin", bytes(5000))
    path = tmp_path / "flash.img"
    flash.save(path)
    other = LittleFS(
        context=UserContext(buffer=bytearray(path.read_bytes())),
        disk_version=DISK_VERSION,
        **GEOMETRY,
    )
    with other.open("/deep/er/file.bin", "rb") as file:
        assert file.read() == bytes(5000)
    again = Filesystem(SimFlash.load(path))
    assert not again.formatted
    assert list(again.files()) == [("/deep/er/file.bin", 5000)]
    with pytest.raises(ValueError, match="bytes, not"):
        SimFlash(b"short")


def test_an_image_is_read_whatever_its_folders_block_holds() -> None:
    """A file smaller than the cache lies in its folder's block; near that block's end, too."""
    flash = SimFlash()
    system = Filesystem(flash)
    for n in range(60):
        data = bytes([n]) * 310  # as long as the settings are
        system.write_file("/new", data)
        name = "/" + "ab"[n % 2]
        system.call(lfs.rename, "/new", name)
        assert read_filesystem(bytes(flash.buffer))[name.strip("/")] == data


WRITER = """
import os, time
try:
    n = int(open("n").read())
except OSError:
    n = 0
for i in range(n + 1, n + 9):
    with open("n.new", "w") as f:
        f.write(str(i))
    os.rename("n.new", "n")
    with open("log", "ab") as f:
        f.write(bytes((i & 255,)) * 64)
while True:
    time.sleep_ms(100)
"""


def test_files_survive_a_cut_at_any_operation(tmp_path: Path) -> None:
    """Write-and-rename is the old or the new; an append is there whole or not at all."""
    whole = bench_with(tmp_path, WRITER)
    whole.power_on()
    before = whole.flash.programs + whole.flash.erases
    whole.run_for(4000)
    operations = whole.flash.programs + whole.flash.erases - before
    assert operations > 30
    for cut in range(0, operations, 2):
        bench = bench_with(tmp_path, WRITER)
        bench.flash.cut_after(cut, torn_bytes=(cut * 37) % 257 if cut % 3 else None)
        bench.power_on()
        bench.run_for(4000)
        assert not bench.chip.powered, "the cut took the board's power"
        filesystem = Filesystem(SimFlash(bench.flash.image()))
        assert not filesystem.formatted
        names = {name for name, _ in filesystem.files()}
        count = int(filesystem.read_file("/n")) if "/n" in names else 0
        log = filesystem.read_file("/log") if "/log" in names else b""
        assert len(log) % 64 == 0
        assert len(log) // 64 in (count, count - 1)
        assert log == b"".join(bytes((i & 255,)) * 64 for i in range(1, len(log) // 64 + 1))


def test_a_failing_flash_is_an_error_to_the_firmware(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import time
        time.sleep_ms(20)
        try:
            with open("x", "wb") as f:
                f.write(bytes(4000))
            print("written")
        except OSError as error:
            print(error.errno)
        """,
    )
    bench.flash.fail_after(0)
    bench.power_on()
    bench.run_for(3000)
    assert bench.host_read().split(b"\r\n")[0] in (b"5", b"28")
    bench.flash.mend()
    bench.cut_power()
    bench.power_on()
    bench.run_for(3000)
    assert bench.host_read().startswith(b"written")


def test_a_full_flash_is_enospc(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import os, time
        time.sleep_ms(20)
        free = os.statvfs("/")[3]
        try:
            with open("x", "wb") as f:
                for _ in range(free + 2):
                    f.write(bytes(4096))
        except OSError as error:
            print(error.errno, free > 300)
        """,
    )
    bench.power_on()
    bench.run_for(60_000)
    assert bench.host_read().startswith(b"28 True")
