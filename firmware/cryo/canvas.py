"""The frame buffer: 128 x 64 pixels in pages of eight rows, sent page by page.

May import binascii, framebuf, micropython, micropython.const and cryo's fonts, texts. Controls:
H-09.

The buffer stores each page behind the control byte that the SSD1306 requires before pixel data, so
a page is sent without a copy; `framebuf` takes the odd width as its stride. Text is aligned to page
boundaries (y = 8 x page) and is copied one byte a column. `dirty` has a bit for each page that
changed since it was sent.
"""

import binascii

import framebuf
import micropython
from micropython import const

from cryo import fonts, texts

_WIDTH = const(128)
PAGES = const(8)
_STRIDE = const(129)

# Columns of a font
_FONT_WIDTH = const(0)
_FONT_PAGES = const(1)
_FONT_GLYPHS = const(3)

_ALL = const(0xFF)
_SMALL = const(0x3FFFFFFF)  # the largest integer that MicroPython stores without allocating


@micropython.native
def _copy(buffer, to, glyphs, index, width, pages, invert):
    """Copy a glyph's bytes into the buffer: the one loop that needs native code."""
    at = index * width * pages
    while pages:
        pages -= 1
        for i in range(width):
            buffer[to + i] = glyphs[at + i] ^ invert
        at += width
        to += _STRIDE


class Canvas:
    """Draws into the frame buffer. Only `text` allocates."""

    def __init__(self):
        # One byte more than the pages need: framebuf requires a full stride for the last page too.
        self.buffer = bytearray(_STRIDE * PAGES + 1)
        for page in range(PAGES):
            self.buffer[_STRIDE * page] = 0x40
        self._kept = [0] * PAGES  # a checksum of each page: copies of the pages would take 1 kB
        view = memoryview(self.buffer)
        self.page = tuple(view[_STRIDE * p : _STRIDE * (p + 1)] for p in range(PAGES))
        self.pixels = framebuf.FrameBuffer(view[1:], _WIDTH, 8 * PAGES, framebuf.MONO_VLSB, _STRIDE)
        self.dirty = _ALL

    def clear(self):
        """Clear all pixels."""
        self.pixels.fill(0)
        self.dirty = _ALL

    def clear_line(self, page, width):
        """Clear a line of text, from the left edge up to column `width`."""
        self.pixels.fill_rect(0, page * 8, width, 16, 0)
        self.touch(page, 2)

    def touch(self, page, pages):
        """Mark pages as changed."""
        self.dirty |= ((1 << pages) - 1) << page

    def keep(self):
        """Store the checksum of each page, for `changed`."""
        for page in range(PAGES):
            self._kept[page] = binascii.crc32(self.page[page]) & _SMALL

    def changed(self):
        """A bit for each page that has changed since `keep`.

        One change in 2**30 is missed; each page is sent again within 5 s anyway.
        """
        mask = 0
        for page in range(PAGES):
            if binascii.crc32(self.page[page]) & _SMALL != self._kept[page]:
                mask |= 1 << page
        return mask

    def glyph(self, font, index, x, page, invert=0):
        """Copy one glyph; `invert` is 0 or 0xFF."""
        width = font[_FONT_WIDTH]
        pages = font[_FONT_PAGES]
        _copy(self.buffer, page * _STRIDE + 1 + x, font[_FONT_GLYPHS], index, width, pages, invert)
        self.touch(page, pages)

    def text(self, font, x, page, string, invert=0):
        """Draw from x on; return x behind the text. Cut at the right edge. Non-ASCII characters are
        drawn with the active language's glyphs, 16 wide; those without a glyph are left dark."""
        code = 0
        following = 0
        # Loop over UTF-8 bytes, not characters: MicroPython interns each character of a loop over
        # a string and never frees it.
        for byte in string.encode():
            if following:
                code = code << 6 | byte & 0x3F
                following -= 1
            elif byte < 0x80:
                code = byte
            else:
                following = 1 if byte < 0xE0 else 2
                code = byte & 0x3F >> following
            if following:
                continue
            if code < 127:
                if x + font[_FONT_WIDTH] > _WIDTH:
                    break
                self.glyph(font, code - 32, x, page, invert)
                x += font[_FONT_WIDTH]
                continue
            if x + 16 > _WIDTH:
                break
            wide = texts.font_of(code)
            if wide:
                self.glyph(wide, 0, x, page, invert)
            x += 16
        return x

    def width(self, string):
        """Width of a line of fonts.TEXT in pixels."""
        width = 0
        for byte in string.encode():
            if byte < 127:
                width += 8
            elif byte >= 0xC0:  # the first byte of a wide one
                width += 16
        return width

    def centred(self, font, page, string, invert=0):
        """Draw a line centred."""
        width = self.width(string) * font[_FONT_WIDTH] // 8
        self.text(font, (_WIDTH - width) // 2 if width < _WIDTH else 0, page, string, invert)

    def title(self, string, invert=0xFF):
        """The top line, light on dark or (by default) dark on light."""
        self.pixels.fill_rect(0, 0, _WIDTH, 16, 1 if invert else 0)
        self.touch(0, 2)
        self.centred(fonts.TEXT, 0, string, invert)

    def number(self, font, x, page, value, digits, fill=-1):
        """Draw `value` right-aligned in `digits` places; leading places get glyph `fill`
        (-1: dark). Only glyphs 0...9 of a digit font (NUMBER, HUGE)."""
        place = digits
        while place:
            place -= 1
            self.place(
                font,
                x + place * font[_FONT_WIDTH],
                page,
                value % 10 if value or place == digits - 1 else fill,
            )
            value //= 10

    def place(self, font, x, page, index):
        """One glyph of a digit font; index -1 clears its place."""
        if index >= 0:
            self.glyph(font, index, x, page)
        else:
            self.pixels.fill_rect(x, page * 8, font[_FONT_WIDTH], font[_FONT_PAGES] * 8, 0)
            self.touch(page, font[_FONT_PAGES])

    def bar_frame(self, x, page, width):
        """The frame of a horizontal bar, 12 rows high in two pages."""
        self.pixels.rect(x, page * 8 + 2, width, 12, 1)
        self.touch(page, 2)

    def bar_fill(self, x, page, begin, end):
        """Fill the bar at `x` from column `begin` to `end` of its inside."""
        self.pixels.fill_rect(x + 2 + begin, page * 8 + 4, end - begin, 8, 1)
        self.touch(page, 2)
