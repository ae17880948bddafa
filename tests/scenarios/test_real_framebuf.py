"""The fast bench's `framebuf` draws the same as the real interpreter's, byte for byte.

A pseudo-random drawing is made by MicroPython's own binary on the emulated chip and by
`hw_sim.fakes.framebuf`; after each step both print a checksum of the complete buffer, including the
bytes between the rows.
"""

from __future__ import annotations

import binascii
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench
from hw_sim.fakes.framebuf import MHLSB, MHMSB, MVLSB, FrameBuffer

pytestmark = pytest.mark.emulated

# width, height, stride: the panel's own first (canvas.py), then sizes with incomplete bytes.
SHAPES = ((128, 64, 129), (21, 19, 24), (33, 7, 40))
FORMATS = (MVLSB, MHLSB, MHMSB)
STEPS = 25  # of each shape in each format

PROGRAM = """
import binascii, framebuf, time
time.sleep_ms(100)
fb = buffer = small = colours = None
for line in open("drawing"):
    name, *rest = line.split()
    a = [int(word) for word in rest]
    if name == "new":
        buffer = bytearray(a[4])
        fb = framebuf.FrameBuffer(buffer, a[0], a[1], a[2], a[3])
        small = framebuf.FrameBuffer(bytearray(range(32)), 11, 13, a[2], 16)
        colours = framebuf.FrameBuffer(bytearray(b"\\x01"), 2, 1, framebuf.MONO_HMSB)
    elif name == "blit":
        fb.blit(small, *a)
    elif name == "blit_colours":
        fb.blit(small, a[0], a[1], a[2], colours)
    elif name == "pixel?":
        print(fb.pixel(*a), end=" ")
    else:
        getattr(fb, name)(*a)
    print(binascii.crc32(buffer))
print("drawn")
"""


def drawing() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The steps: function and arguments."""
    chance = random.Random(20_26)

    def at() -> int:
        return chance.randint(-40, 150)

    def size() -> int:
        return chance.randint(-3, 140)

    def colour() -> int:
        return chance.choice((0, 1, 1, 1, 2, 255, -1))

    for width, height, stride in SHAPES:
        for fmt in FORMATS:
            wide = (stride + 7) & ~7
            yield "new", (width, height, fmt, stride, wide * ((height + 7) // 8) * 8)
            for _ in range(STEPS):
                key = chance.choice((-1, 0, 1))
                steps: list[tuple[str, tuple[int, ...]]] = [
                    ("pixel", (at(), at(), colour())),
                    ("pixel?", (at() // 8, at() // 8)),
                    ("fill_rect", (at(), at(), size(), size(), colour())),
                    ("rect", (at(), at(), size(), size(), colour())),
                    ("rect", (at(), at(), size(), size(), colour(), 1)),
                    ("hline", (at(), at(), size(), colour())),
                    ("vline", (at(), at(), size(), colour())),
                    ("line", (at(), at(), at(), at(), colour())),
                    ("scroll", (chance.randint(-5, 5), chance.randint(-5, 5))),
                    ("blit", (at() // 3, at() // 3, key)),
                    ("blit_colours", (at() // 3, at() // 3, key)),
                ]
                yield chance.choice(steps)
            yield "fill", (colour(),)


def fast() -> list[str]:
    """Output of the fast bench's framebuf."""
    lines: list[str] = []
    buffer = bytearray()
    fb = small = colours = None
    for name, a in drawing():
        pixel = ""
        if name == "new":
            buffer = bytearray(a[4])
            fb = FrameBuffer(buffer, a[0], a[1], a[2], a[3])
            small = FrameBuffer(bytearray(range(32)), 11, 13, a[2], 16)
            colours = FrameBuffer(bytearray(b"\x01"), 2, 1, MHMSB)
        elif name == "blit":
            assert fb
            fb.blit(small, *a)
        elif name == "blit_colours":
            assert fb
            fb.blit(small, a[0], a[1], a[2], colours)
        elif name == "pixel?":
            assert fb
            pixel = f"{fb.pixel(*a)} "
        else:
            getattr(fb, name)(*a)
        lines.append(f"{pixel}{binascii.crc32(buffer)}")
    return lines


def test_framebuf_is_the_real_one(micropython_image: Path) -> None:
    lines = "".join(f"{name} {' '.join(map(str, a))}\n" for name, a in drawing())
    files = {"main.py": PROGRAM.encode(), "drawing": lines.encode()}
    bench = EmulatedBench(files=files, image=micropython_image)
    bench.power_on()
    output = bytearray()

    def done() -> bool:
        output.extend(bench.host_read())
        return b"drawn" in output or b"Error" in output

    assert bench.run_until(done, 30_000), bytes(output[-300:])
    real = output.decode().replace("\r", "").split("\n")
    steps = list(drawing())
    for step, expected, actual in zip(steps, fast(), real, strict=False):
        assert actual == expected, step
    assert real[len(steps)] == "drawn", real[len(steps) :]
