"""SSD1306 OLED controller, 128 × 64, on I2C; and the SSD1309 of most 2.42 inch modules.

Source: Solomon Systech SSD1306 data sheet rev. 1.1 (2008): command tables 9-1 to 9-4, control byte
8.1.5.2, addressing modes 10.1.3, reset state 8.5. Scrolling (0x26…0x2F, 0xA3) is parsed and its
state kept, but the picture does not move. Reading (status byte) gives the display-off bit. SSD1309
(data sheet rev. 1.1, 2011; its command table is written down from memory, *to be checked*): no
charge pump, its panel has a supply of its own; a command lock (0xFD), after which it takes no
command but the unlocking one. A byte 0x8D is no command there: it is dropped, and the byte after it
is a command of its own. Imports the standard library; Pillow only inside `to_image`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH = 128
HEIGHT = 64
PAGES = HEIGHT // 8
_SIZE = WIDTH * PAGES

HORIZONTAL, VERTICAL, PAGE = 0, 1, 2
_LOCK = 0xFD  # of the SSD1309

# Commands with arguments, and how many (data sheet table 9-1). 0xAD (internal current reference)
# is of the later SSD1306B, and MicroPython's own driver sends it.
_ARGUMENTS = {
    0x20: 1, 0x21: 2, 0x22: 2, 0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5, 0x81: 1, 0x8D: 1, 0xA3: 2,
    0xA8: 1, 0xAD: 1, 0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1,
}  # fmt: skip


class Ssd1306UnknownCommand(ValueError):
    """A byte that the data sheet does not list was sent as a command."""


class Ssd1306:
    """The controller and its OLED.

    `ram` is the graphic memory in page order: byte (page · 128 + column), bit 0 on top.
    `strict`: an unknown command raises `Ssd1306UnknownCommand` (else it counts in
    `unknown_commands`). Fault injection: `present` False; `dark` (it acknowledges and shows
    nothing: its panel is dead); `refuses` (it acknowledges its address and no byte after it).
    `updates` counts write messages that carried picture data; `on_change` is
    called after each of them and after each command message.
    """

    fastest_hz = 400_000

    def __init__(self, *, strict: bool = True, seed: int = 1, controller: str = "ssd1306") -> None:
        if controller not in ("ssd1306", "ssd1309"):
            raise ValueError(f"controller {controller!r}: ssd1306 or ssd1309")
        self.present = True
        self.dark = False
        self.refuses = False
        self.pump = controller == "ssd1306"
        """It has a charge pump, without which its panel is dark."""
        self.strict = strict
        self.ram = bytearray(_SIZE)
        self.updates = 0
        self.unknown_commands = 0
        self.on_change: Callable[[], None] | None = None
        self._random = random.Random(seed)
        self._control: int | None = None
        self._expect_control = True
        self._got_data = False
        self._got_command = False
        self._reset()

    def _reset(self) -> None:
        """Registers after reset, data sheet 8.5 and the tables' (RESET) values."""
        self.on = False
        self.contrast = 0x7F
        self.inverted = False
        self.all_on = False
        self.charge_pump = False
        self.mode = PAGE
        self.column_start, self.column_end = 0, WIDTH - 1
        self.page_start, self.page_end = 0, PAGES - 1
        self.column = 0
        self.page = 0
        self.start_line = 0
        self.multiplex = HEIGHT
        self.offset = 0
        self.segment_remap = False
        self.com_reversed = False
        self.com_pins = 0x12
        self.scrolling = False
        self.locked = False
        self._command = 0
        self._arguments: list[int] = []
        self._missing = 0

    def power(self, on: bool) -> None:
        """Supply lost or returned. Registers are reset; the memory comes back as noise."""
        self._reset()
        if on:
            self.ram[:] = self._random.randbytes(_SIZE)
        self._changed()

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    # -- bus ----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview, stop: bool = True) -> int:
        """A whole write message, control byte first. All bytes are acknowledged.

        It ends with the message, with or without a stop condition.
        """
        if self.refuses:
            return 0
        n = len(data)
        # The one message that matters for speed: control byte 0x40 and a run of picture data that
        # stays within its page.
        if n > 1 and data[0] == 0x40 and self.mode != VERTICAL:
            column = self.column
            end = column + n - 1
            limit = self.column_end + 1 if self.mode == HORIZONTAL else WIDTH
            if end <= limit:
                at = self.page * WIDTH + column
                self.ram[at : at + n - 1] = data[1:]
                if end < limit:
                    self.column = end
                elif self.mode == HORIZONTAL:
                    self.column = self.column_start
                    page = self.page
                    self.page = self.page_start if page == self.page_end else (page + 1) % PAGES
                else:
                    self.column = 0
                self.updates += 1
                if self.on_change is not None:
                    self.on_change()
                return n
        if n > 1 and data[0] == 0x00:  # nothing but commands
            for byte in data[1:]:
                self._take(byte)
            self._got_command = True
        else:
            self.start()
            for byte in data:
                self.write_byte(byte)
        self.stop()
        return n

    def read(self, n: int) -> bytes:
        """Status bytes: bit 6 set = display off."""
        return bytes([0x00 if self.on else 0x40]) * n

    def restart(self) -> None:
        """A repeated start: as a stop and a start."""
        self.stop()
        self.start()

    def start(self) -> None:
        """A start condition: a control byte comes next."""
        self._expect_control = True
        self._control = None

    def write_byte(self, byte: int) -> bool:
        """One byte; acknowledged unless it `refuses`."""
        if self.refuses:
            return False
        if self._expect_control:
            if byte & 0x3F:
                self._unknown(byte, "control byte")
            self._control = byte
            self._expect_control = False
            return True
        control = self._control or 0
        if control & 0x40:
            self._put(byte)
            self._got_data = True
        else:
            self._take(byte)
            self._got_command = True
        if control & 0x80:  # Co: only one byte follows, then another control byte
            self._expect_control = True
        return True

    def read_byte(self) -> int:
        """The status byte."""
        return 0x00 if self.on else 0x40

    def stop(self) -> None:
        """The stop condition."""
        if self._got_data:
            self.updates += 1
        if self._got_data or self._got_command:
            self._got_data = self._got_command = False
            self._changed()
        self._expect_control = True

    # -- picture data -------------------------------------------------------------------------

    def _put(self, byte: int) -> None:
        self.ram[self.page * WIDTH + self.column] = byte
        if self.mode == PAGE:
            self.column = (self.column + 1) % WIDTH
        elif self.mode == HORIZONTAL:
            if self._step_column():
                self._step_page()
        elif self._step_page():
            self._step_column()

    def _step_column(self) -> bool:
        if self.column == self.column_end:
            self.column = self.column_start
            return True
        self.column = (self.column + 1) % WIDTH
        return False

    def _step_page(self) -> bool:
        if self.page == self.page_end:
            self.page = self.page_start
            return True
        self.page = (self.page + 1) % PAGES
        return False

    # -- commands -----------------------------------------------------------------------------

    def _unknown(self, byte: int, what: str = "command") -> None:
        self.unknown_commands += 1
        if self.strict:
            raise Ssd1306UnknownCommand(f"SSD1306 has no {what} 0x{byte:02X}")

    def _take(self, byte: int) -> None:
        if self._missing:
            self._arguments.append(byte)
            self._missing -= 1
            if not self._missing:
                self._run(self._command, self._arguments)
            return
        arguments = _ARGUMENTS.get(byte, 0)
        if not self.pump:
            if byte == 0x8D:
                return  # no command of this controller
            arguments = 1 if byte == _LOCK else arguments
        if arguments:
            self._command = byte
            self._arguments = []
            self._missing = arguments
        else:
            self._run(byte, [])

    def _run(self, command: int, a: list[int]) -> None:
        """One command: those that carry their value in themselves, or by arguments."""
        if self.locked and command != _LOCK:
            return
        match command:
            case _ if command == _LOCK and not self.pump:
                self.locked = bool(a[0] & 0x04)
            case _ if command <= 0x0F:
                self.column = (self.column & 0x70) | command
            case _ if command <= 0x1F:
                self.column = (self.column & 0x0F) | (command & 0x07) << 4
            case _ if 0x40 <= command <= 0x7F:
                self.start_line = command & 0x3F
            case _ if 0xB0 <= command <= 0xB7:
                self.page = command & 7
            case _ if 0xC0 <= command <= 0xCF and not command & 7:
                self.com_reversed = bool(command & 8)
            case _:
                self._run_single(command, a)

    def _run_single(self, command: int, a: list[int]) -> None:
        match command:
            case 0x20:
                if a[0] & 3 == 3:
                    self._unknown(a[0], "addressing mode")
                else:
                    self.mode = a[0] & 3
            case 0x21:
                self.column_start, self.column_end = a[0] & 0x7F, a[1] & 0x7F
                self.column = self.column_start
            case 0x22:
                self.page_start, self.page_end = a[0] & 7, a[1] & 7
                self.page = self.page_start
            case 0x26 | 0x27 | 0x29 | 0x2A | 0xA3:
                pass
            case 0x2E:
                self.scrolling = False
            case 0x2F:
                self.scrolling = True
            case 0x81:
                self.contrast = a[0]
            case 0x8D:
                self.charge_pump = bool(a[0] & 0x04)
            case 0xA0 | 0xA1:
                self.segment_remap = bool(command & 1)
            case 0xA4 | 0xA5:
                self.all_on = bool(command & 1)
            case 0xA6 | 0xA7:
                self.inverted = bool(command & 1)
            case 0xA8:
                if a[0] & 0x3F < 15:
                    self._unknown(a[0], "multiplex ratio")
                else:
                    self.multiplex = (a[0] & 0x3F) + 1
            case 0xAD | 0xD5 | 0xD9 | 0xDB | 0xE3:
                pass
            case 0xAE | 0xAF:
                self.on = bool(command & 1)
            case 0xD3:
                self.offset = a[0] & 0x3F
            case 0xDA:
                self.com_pins = a[0]
            case _:
                self._unknown(command)

    # -- what the eye sees --------------------------------------------------------------------

    @property
    def lit(self) -> bool:
        """The OLED shows something: display on, and the charge pump that drives it."""
        powered = self.charge_pump or not self.pump
        return self.present and self.on and powered and not self.dark

    def pixels(self) -> bytes:
        """What the eye sees: 128 × 64 bytes, row by row from the top left, 1 = lit.

        The module is mounted as they are sold: upright with segment remap (0xA1) and reversed COM
        scan (0xC8). Anything else shows it mirrored, as the OLED would.
        """
        if not self.lit:
            return bytes(WIDTH * HEIGHT)
        out = bytearray(WIDTH * HEIGHT)
        ram = self.ram
        flip = 1 if self.inverted else 0
        for row in range(self.multiplex):
            y = (row + self.start_line + self.offset) % HEIGHT
            glass_y = row if self.com_reversed else self.multiplex - 1 - row
            base = (y >> 3) * WIDTH
            bit = y & 7
            at = glass_y * WIDTH
            if self.all_on:
                out[at : at + WIDTH] = bytes([1 ^ flip]) * WIDTH
                continue
            line = bytes([ram[base + x] >> bit & 1 ^ flip for x in range(WIDTH)])
            out[at : at + WIDTH] = line if self.segment_remap else line[::-1]
        return bytes(out)

    def to_text(self) -> str:
        """The picture in Unicode half blocks: 32 lines of 128 characters."""
        dots = self.pixels()
        blocks = " ▀▄█"
        lines: list[str] = []
        for y in range(0, HEIGHT, 2):
            top = dots[y * WIDTH : (y + 1) * WIDTH]
            bottom = dots[(y + 1) * WIDTH : (y + 2) * WIDTH]
            lines.append("".join(blocks[t + 2 * b] for t, b in zip(top, bottom, strict=True)))
        return "\n".join(lines)

    def to_image(
        self,
        scale: int = 4,
        lit: tuple[int, int, int] = (170, 222, 255),
        dark: tuple[int, int, int] = (8, 12, 18),
    ) -> Image:
        """The picture as a Pillow image (RGB), each dot `scale` × `scale`."""
        from PIL import Image as pillow

        grey = pillow.frombytes("L", (WIDTH, HEIGHT), self.pixels())
        grey = grey.resize((WIDTH * scale, HEIGHT * scale), pillow.Resampling.NEAREST)
        bands = [grey.point([d, v] + [v] * 254) for v, d in zip(lit, dark, strict=True)]
        return pillow.merge("RGB", bands)
