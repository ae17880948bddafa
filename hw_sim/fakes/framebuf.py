"""`framebuf` for the three monochrome formats.

May import: its own package. Source: extmod/modframebuf.c of MicroPython 1.23, whose clipping and
colour rules are followed to the pixel. A row or a column of pixels is worked on as bytes, since
one Python step a pixel would be far too slow.

Not modelled: RGB565, GS2_HMSB, GS4_HMSB, GS8, `text` (its font is MicroPython's), `ellipse`,
`poly`, palettes that are not monochrome.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

from hw_sim.fakes.builtin_module import module
from hw_sim.fakes.errors import NotModelled

MVLSB, RGB565, GS4_HMSB, MHLSB, MHMSB, GS2_HMSB, GS8 = 0, 1, 2, 3, 4, 5, 6


@lru_cache(maxsize=512)
def _painter(mask: int, c: bool) -> bytes:
    """A translation table that sets or clears the bits of `mask` in a byte."""
    return bytes(b | mask if c else b & ~mask & 0xFF for b in range(256))


@lru_cache(maxsize=4096)
def _columns(data: bytes, width: int, height: int, stride: int, fmt: int) -> tuple[int, ...]:
    """A picture as one integer a column, bit y = pixel (x, y)."""
    out: list[int] = []
    for x in range(width):
        column = 0
        if fmt == MVLSB:
            for page in range((height + 7) // 8):
                column |= data[page * stride + x] << (8 * page)
            column &= (1 << height) - 1
        else:
            shift = x & 7 if fmt == MHMSB else 7 - (x & 7)
            for y in range(height):
                column |= (data[(x + y * stride) >> 3] >> shift & 1) << y
        out.append(column)
    return tuple(out)


class FrameBuffer:
    """A picture in the caller's buffer. ValueError as MicroPython for impossible sizes."""

    __slots__ = ("_buf", "_fmt", "_h", "_stride", "_w")

    def __init__(
        self, buffer: Any, width: int, height: int, format: int, stride: int | None = None
    ) -> None:
        if stride is None:
            stride = width
        if not (1 <= width <= 0xFFFF and 1 <= height <= 0xFFFF and width <= stride <= 0xFFFF):
            raise ValueError("")
        if format in (RGB565, GS4_HMSB, GS2_HMSB, GS8):
            raise NotModelled("framebuf in colours or greys")
        if format not in (MVLSB, MHLSB, MHMSB):
            raise ValueError("invalid format")
        view = memoryview(buffer)
        if view.readonly:
            raise TypeError("object with buffer protocol required")
        view = view.cast("B")
        rows, wide, strides = height, width, height - 1
        if format == MVLSB:
            rows = (height + 7) & ~7
            strides = rows - 8
        else:
            stride = (stride + 7) & ~7
            wide = (width + 7) & ~7
        if (strides * stride + (rows - strides) * wide) // 8 > len(view):
            raise ValueError("")
        self._buf = view
        self._w = width
        self._h = height
        self._fmt = format
        self._stride = stride

    # -- pixels

    def pixel(self, x: int, y: int, c: int | None = None) -> int | None:
        if not (0 <= x < self._w and 0 <= y < self._h):
            return None
        if self._fmt == MVLSB:
            index, shift = (y >> 3) * self._stride + x, y & 7
        else:
            index = (x + y * self._stride) >> 3
            shift = x & 7 if self._fmt == MHMSB else 7 - (x & 7)
        if c is None:
            return self._buf[index] >> shift & 1
        if c:
            self._buf[index] |= 1 << shift
        else:
            self._buf[index] &= ~(1 << shift) & 0xFF
        return None

    def fill(self, c: int) -> None:
        self._rect(0, 0, self._w, self._h, c)

    def fill_rect(self, x: int, y: int, w: int, h: int, c: int) -> None:
        self._rect(x, y, w, h, c)

    def hline(self, x: int, y: int, w: int, c: int) -> None:
        self._rect(x, y, w, 1, c)

    def vline(self, x: int, y: int, h: int, c: int) -> None:
        self._rect(x, y, 1, h, c)

    def rect(self, x: int, y: int, w: int, h: int, c: int, f: Any = False) -> None:
        if f:
            self._rect(x, y, w, h, c)
            return
        self._rect(x, y, w, 1, c)
        self._rect(x, y + h - 1, w, 1, c)
        self._rect(x, y, 1, h, c)
        self._rect(x + w - 1, y, 1, h, c)

    def _rect(self, x: int, y: int, w: int, h: int, c: int) -> None:
        if w < 1 or h < 1 or x + w <= 0 or y + h <= 0 or y >= self._h or x >= self._w:
            return
        xend, yend = min(self._w, x + w), min(self._h, y + h)
        x, y = max(x, 0), max(y, 0)
        buf, stride = self._buf, self._stride
        if self._fmt != MVLSB:
            for row in range(y, yend):
                for column in range(x, xend):
                    self.pixel(column, row, c)
            return
        for page in range(y >> 3, (yend + 7) >> 3):
            low, high = max(y - 8 * page, 0), min(yend - 8 * page, 8)
            mask = ((1 << high) - 1) & ~((1 << low) - 1) & 0xFF
            at = page * stride + x
            end = page * stride + xend
            if mask == 0xFF:
                buf[at:end] = (b"\xff" if c else b"\x00") * (end - at)
            else:
                buf[at:end] = bytes(buf[at:end]).translate(_painter(mask, bool(c)))

    def line(self, x1: int, y1: int, x2: int, y2: int, c: int) -> None:
        dx, sx = (x2 - x1, 1) if x2 > x1 else (x1 - x2, -1)
        dy, sy = (y2 - y1, 1) if y2 > y1 else (y1 - y2, -1)
        steep = dy > dx
        if steep:
            x1, y1, dx, dy, sx, sy = y1, x1, dy, dx, sy, sx
        e = 2 * dy - dx
        for _ in range(dx):
            if steep:
                self.pixel(y1, x1, c)
            else:
                self.pixel(x1, y1, c)
            while e >= 0:
                y1 += sy
                e -= 2 * dx
                if not dx:
                    break
            x1 += sx
            e += 2 * dy
        self.pixel(x2, y2, c)

    # -- whole pictures

    def blit(self, fbuf: Any, x: int, y: int, key: int = -1, palette: Any = None) -> None:
        if not isinstance(fbuf, FrameBuffer):
            raise TypeError("")
        w, h = fbuf._w, fbuf._h
        if x >= self._w or y >= self._h or -x >= w or -y >= h:
            return
        colours = (0, 1)
        if palette is not None:
            colours = (palette.pixel(0, 0), palette.pixel(1, 0))
        x1, y1 = max(0, -x), max(0, -y)
        x0, y0 = max(0, x), max(0, y)
        xend, yend = min(self._w, x + w), min(self._h, y + h)
        rows = (1 << (yend - y0)) - 1
        source = _columns(bytes(fbuf._buf), w, h, fbuf._stride, fbuf._fmt)
        ones = rows if colours[1] else 0
        zeros = rows if colours[0] else 0
        for column in range(x0, xend):
            bits = source[column - x0 + x1] >> y1 & rows
            value = (bits & ones) | (~bits & rows & zeros)
            mask = rows
            if key == 0:
                mask = value
            elif key == 1:
                mask = rows & ~value
            self._column(column, y0, mask, value)

    def _column(self, x: int, y: int, mask: int, value: int) -> None:
        """Set the pixels of column `x` from row `y` down where `mask` has a bit."""
        if self._fmt == MVLSB:
            buf, stride = self._buf, self._stride
            mask <<= y & 7
            value = (value << (y & 7)) & mask
            at = (y >> 3) * stride + x
            while mask:
                byte = mask & 0xFF
                if byte:
                    buf[at] = (buf[at] & ~byte) | (value & 0xFF)
                mask >>= 8
                value >>= 8
                at += stride
            return
        while mask:
            if mask & 1:
                self.pixel(x, y, value & 1)
            mask >>= 1
            value >>= 1
            y += 1

    def scroll(self, xstep: int, ystep: int) -> None:
        w, h = self._w, self._h
        xs = range(w + xstep) if xstep < 0 else range(w - 1, xstep - 1, -1)
        ys = range(h + ystep) if ystep < 0 else range(h - 1, ystep - 1, -1)
        for y in ys:
            for x in xs:
                self.pixel(x, y, self.pixel(x - xstep, y - ystep))

    def text(self, *_args: Any) -> None:
        raise NotModelled("framebuf text")

    def ellipse(self, *_args: Any) -> None:
        raise NotModelled("framebuf ellipse")

    def poly(self, *_args: Any) -> None:
        raise NotModelled("framebuf poly")


def build() -> ModuleType:
    """`framebuf`."""
    return module(
        "framebuf",
        FrameBuffer=FrameBuffer,
        MONO_VLSB=MVLSB,
        MVLSB=MVLSB,
        MONO_HLSB=MHLSB,
        MONO_HMSB=MHMSB,
        RGB565=RGB565,
        GS2_HMSB=GS2_HMSB,
        GS4_HMSB=GS4_HMSB,
        GS8=GS8,
    )
