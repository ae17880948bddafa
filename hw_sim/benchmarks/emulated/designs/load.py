"""The processor's work besides timing during a treatment; the same for every design.

One `step` in each pass of the loop: read and answer the link (JSON), take and store a reading
(which allocates, so that the collector must run from time to time), redraw and send a page of the
screen (3 ms on the bus). Every eighth step collects garbage, as MicroPython's documentation
recommends for predictable timing. It holds as much memory as an application of this size. Runs on
MicroPython: may import framebuf, gc, json, machine, select, sys.
"""

import gc
import json
import select
import sys

import framebuf
from machine import ADC, I2C, Pin

_SCREEN = 0x3C
_START = (
    b"\x00\xae\x20\x00\x40\xa1\xa8\x3f\xc8\xd3\x00\xda\x12"
    b"\xd5\x80\xd9\xf1\xdb\x30\x81\xcf\xa4\xa6\x8d\x14"
)
_LIGHT = b"\x00\xaf"
_PAGES = 8
_COLUMNS = 128
_HELD_OBJECTS = 1100
_REMEMBERED = 16
_BYTES_A_STEP = 64


class Idle:
    """No load."""

    steps = 0

    def step(self):
        pass


class Load:
    """Link, memory and screen."""

    def __init__(self):
        self.steps = 0
        self.replies = 0
        self._in = sys.stdin.buffer
        self._out = sys.stdout
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._byte = bytearray(1)
        self._line = bytearray(256)
        self._length = 0
        self._adc = ADC(27)
        self._i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400_000, timeout=8000)
        self._picture = bytearray(_PAGES * _COLUMNS)
        self._canvas = framebuf.FrameBuffer(self._picture, _COLUMNS, 8 * _PAGES, framebuf.MONO_VLSB)
        self._page = bytearray(1 + _COLUMNS)
        self._page[0] = 0x40
        self._windows = [
            bytes((0x00, 0x21, 0, _COLUMNS - 1, 0x22, page, _PAGES - 1)) for page in range(_PAGES)
        ]
        self._i2c.writeto(_SCREEN, _START)
        self._i2c.writeto(_SCREEN, _LIGHT)
        # Memory of an application of this size: tables, modules, objects.
        self._held = [(i, [i, i + 1, i + 2], f"word {i}") for i in range(_HELD_OBJECTS)]
        self._readings = {}

    def step(self):
        """One pass of the loop."""
        self._serve()
        self._remember()
        self._show()
        self.steps += 1

    def _serve(self):
        for _ in range(_BYTES_A_STEP):
            for _ in self._poll.ipoll(0):
                break
            else:
                return
            self._in.readinto(self._byte)
            if self._byte[0] != 10:
                if self._length < len(self._line):
                    self._line[self._length] = self._byte[0]
                    self._length += 1
                continue
            request = json.loads(bytes(self._line[: self._length]))
            self._length = 0
            reply = {"id": request["id"], "steps": self.steps, "pressure": self._adc.read_u16()}
            # The longer answer to one request shifts the timing of everything that follows.
            reply["rows"] = [(row, f"row {row}") for row in range(request["rows"])]
            self._out.write(json.dumps(reply) + "\n")
            self.replies += 1
            return

    def _remember(self):
        count = self._adc.read_u16()
        reading = {"step": self.steps, "count": count, "mbar": count * 2500 / 65535}
        self._readings[self.steps % _REMEMBERED] = (reading, json.dumps(reading), bytearray(800))

    def _show(self):
        page = self.steps % _PAGES
        if page == 0:
            gc.collect()
            canvas = self._canvas
            canvas.fill(0)
            canvas.text("FREEZING", 0, 0, 1)
            canvas.text(f"{self.steps / 50:8.1f} s", 0, 24, 1)
            canvas.text(f"{self._adc.read_u16():8d}", 0, 48, 1)
            canvas.rect(0, 56, self.steps % _COLUMNS, 8, 1, True)
        self._page[1:] = self._picture[page * _COLUMNS : (page + 1) * _COLUMNS]
        self._i2c.writeto(_SCREEN, self._windows[page])
        self._i2c.writeto(_SCREEN, self._page)

    def weigh(self, steps=_PAGES - 1):
        """(bytes allocated per step, bytes free after a collection), without the link."""
        gc.collect()
        free = gc.mem_free()
        gc.disable()
        for _ in range(steps):  # all of the eight pages except the first, which would collect
            self.steps += 1
            self._remember()
            self._show()
        spent = free - gc.mem_free()
        gc.enable()
        gc.collect()
        return spent // steps, gc.mem_free()
