"""`framebuf` against a plain picture, pixel by pixel."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from hw_sim.fakes.errors import NotModelled
from hw_sim.fakes.framebuf import MHLSB, MHMSB, MVLSB, FrameBuffer

Picture = dict[tuple[int, int], int]
WIDTH, HEIGHT, STRIDE = 21, 19, 24
FORMATS = (MVLSB, MHLSB, MHMSB)


def make(fmt: int, width: int = WIDTH, height: int = HEIGHT, stride: int = STRIDE) -> FrameBuffer:
    return FrameBuffer(bytearray(stride * ((height + 7) // 8) * 8), width, height, fmt, stride)


def seen(fb: FrameBuffer, width: int = WIDTH, height: int = HEIGHT) -> list[int]:
    return [fb.pixel(x, y) or 0 for y in range(height) for x in range(width)]


def plain(picture: Picture, width: int = WIDTH, height: int = HEIGHT) -> list[int]:
    return [picture.get((x, y), 0) for y in range(height) for x in range(width)]


place = st.integers(-30, 40)
size = st.integers(-3, 40)
colour = st.integers(0, 1)
drawings = st.lists(
    st.one_of(
        st.tuples(st.just("pixel"), place, place, colour),
        st.tuples(st.just("fill_rect"), place, place, size, size, colour),
        st.tuples(st.just("rect"), place, place, st.integers(1, 40), st.integers(1, 40), colour),
        st.tuples(st.just("hline"), place, place, size, colour),
        st.tuples(st.just("vline"), place, place, size, colour),
        st.tuples(st.just("fill"), colour),
    ),
    max_size=12,
)


def paint(picture: Picture, name: str, *a: int) -> None:
    if name == "fill":
        box = (0, 0, WIDTH, HEIGHT, a[0])
    elif name == "pixel":
        box = (a[0], a[1], 1, 1, a[2])
    elif name == "hline":
        box = (a[0], a[1], a[2], 1, a[3])
    elif name == "vline":
        box = (a[0], a[1], 1, a[2], a[3])
    else:
        box = (a[0], a[1], a[2], a[3], a[4])
    x, y, w, h, c = box
    for py in range(y, y + h):
        for px in range(x, x + w):
            edge = px in (x, x + w - 1) or py in (y, y + h - 1)
            if 0 <= px < WIDTH and 0 <= py < HEIGHT and (name != "rect" or edge):
                picture[px, py] = c


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(drawings, st.sampled_from(FORMATS))
def test_shapes(commands: list[tuple[object, ...]], fmt: int) -> None:
    fb = make(fmt)
    picture: Picture = {}
    for name, *arguments in commands:
        getattr(fb, str(name))(*arguments)
        paint(picture, str(name), *arguments)  # pyright: ignore[reportArgumentType]
    assert seen(fb) == plain(picture)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=72, max_size=72),
    st.sampled_from(FORMATS),
    st.sampled_from(FORMATS),
    place,
    place,
    st.sampled_from([-1, 0, 1]),
    st.one_of(st.none(), st.tuples(colour, colour)),
)
def test_blit(
    glyph: bytes,
    background: bytes,
    to: int,
    source: int,
    x: int,
    y: int,
    key: int,
    palette: tuple[int, int] | None,
) -> None:
    target = FrameBuffer(bytearray(background), WIDTH, HEIGHT, to, STRIDE)
    small = FrameBuffer(bytearray(glyph), 11, 13, source, 16)
    before = seen(target)
    colours = None
    if palette is not None:
        colours = make(MVLSB, 2, 1, 2)
        colours.pixel(0, 0, palette[0])
        colours.pixel(1, 0, palette[1])
    expected: Picture = {(i % WIDTH, i // WIDTH): c for i, c in enumerate(before)}
    for py in range(13):
        for px in range(11):
            c = small.pixel(px, py) or 0
            if palette is not None:
                c = palette[c]
            if c != key and 0 <= x + px < WIDTH and 0 <= y + py < HEIGHT:
                expected[x + px, y + py] = c
    target.blit(small, x, y, key, colours)
    assert seen(target) == plain(expected)


def test_nothing_is_written_outside_the_picture() -> None:
    raw = bytearray(b"\xa5" * 8 * 129)
    view = memoryview(raw)
    fb = FrameBuffer(view[1:], 128, 64, MVLSB, 129)
    fb.fill(0)
    fb.fill_rect(-5, -5, 300, 300, 1)
    fb.line(0, 0, 127, 63, 0)
    assert all(raw[129 * page] == 0xA5 for page in range(8))
    assert fb.pixel(0, 0) == 0
    assert fb.pixel(2, 0) == 1
    assert fb.pixel(127, 63) == 0
    assert fb.pixel(-1, 0) is None


def test_lines_and_scrolling() -> None:
    fb = make(MVLSB)
    fb.line(2, 3, 12, 3, 1)
    fb.line(2, 3, 2, 10, 1)
    fb.line(2, 3, 9, 10, 1)
    assert sum(seen(fb)) == 11 + 7 + 7
    fb.scroll(1, 2)
    assert fb.pixel(3, 5) == 1
    assert fb.pixel(13, 5) == 1


def test_impossible_sizes_and_unknown_formats() -> None:
    with pytest.raises(ValueError, match="^$"):
        FrameBuffer(bytearray(1023), 128, 64, MVLSB)
    with pytest.raises(ValueError, match="invalid format"):
        FrameBuffer(bytearray(1024), 128, 64, 9)
    with pytest.raises(TypeError):
        FrameBuffer(b"x" * 1024, 128, 64, MVLSB)
    with pytest.raises(NotModelled):
        FrameBuffer(bytearray(20000), 128, 64, 1)
    with pytest.raises(NotModelled):
        make(MVLSB).text("a", 0, 0)
