"""What drivers of other people write and read, in order, replayed against the simulated parts.

Facts only: bytes on the bus, as the sources have them at the commits named here. No code of theirs
is here, and nothing is fetched.

- SSD1306: micropython/micropython-lib 2fcfb294, ssd1306.py
- MAX31856: adafruit/Adafruit_CircuitPython_MAX31856 05a2d39f, adafruit_max31856.py
- MLX90614: mcauser/micropython-mlx90614 104e5977, mlx90614.py
- DS3231: adafruit/Adafruit_CircuitPython_DS3231 0308d3c6, adafruit_ds3231.py
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from hw_sim.world.clock import Clock
from hw_sim.world.parts.ds3231 import Ds3231
from hw_sim.world.parts.max31856 import Max31856
from hw_sim.world.parts.mlx90614 import Mlx90614
from hw_sim.world.parts.ssd1306 import HORIZONTAL, Ssd1306
from hw_sim.world.plant import Plant

MS = 1_000_000

# Each byte is a message of its own behind the control byte 0x80; then the memory behind 0x40.
SSD1306_INIT = bytes.fromhex(
    "ae 20 00 40 a1 a8 3f c8 d3 00 da 12 d5 80 d9 f1 db 30 81 ff a4 a6 ad 30 8d 14 af"
)
SSD1306_SHOW = bytes.fromhex("21 00 7f 22 00 07")


def test_micropythons_display_driver_shows_its_buffer() -> None:
    part = Ssd1306()
    part.power(True)
    for byte in SSD1306_INIT + SSD1306_SHOW:
        assert part.write(bytes((0x80, byte))) == 2
    picture = bytes(column * 7 & 0xFF for column in range(1024))
    part.write(b"\x40" + picture)
    assert part.unknown_commands == 0
    assert part.lit
    assert (part.mode, part.contrast, part.multiplex) == (HORIZONTAL, 0xFF, 64)
    assert bytes(part.ram) == picture
    part.write(b"\x80\xa7")
    assert part.inverted
    part.write(b"\x80\xae")
    assert not part.lit


# -- MAX31856: transfers while CS is low: what is sent, and how many bytes are then read


def spi(part: Max31856, sent: bytes, count: int = 0) -> bytes:
    part.select()
    part.transfer_bulk(sent)
    answer = part.transfer_bulk(bytes(count)) if count else b""
    part.deselect()
    return answer


def test_adafruits_thermocouple_driver_waits_for_its_one_shot() -> None:
    """It looks at 1SHOT until that is clear, and reads the temperature then."""
    clock = Clock()
    plant = Plant()
    part = Max31856(clock, plant)
    part.power(True)
    spi(part, b"\x82\x00")  # MASK: every fault
    spi(part, b"\x80\x10")  # CR0: open-circuit detection
    (cr1,) = spi(part, b"\x01", 1)
    assert cr1 == 0x03
    spi(part, bytes((0x81, cr1 & 0xF0 | 0x07)))  # type T
    (cr0,) = spi(part, b"\x00", 1)
    spi(part, bytes((0x80, cr0 & ~0x80 | 0x40)))
    waited_ms = 0
    while spi(part, b"\x00", 1)[0] & 0x40:
        clock.advance_to(clock.now_ns + 10 * MS)
        waited_ms += 10
        assert waited_ms < 500
    assert 140 <= waited_ms <= 200, "its own words: approximately 160 ms"
    hot = struct.unpack(">i", spi(part, b"\x0c", 3) + b"\0")[0] >> 8
    cold = struct.unpack(">h", spi(part, b"\x0a", 2))[0]
    assert abs(hot / 4096 - plant.nozzle_c) < 0.05
    assert abs(cold / 256 - plant.ambient_c) < 0.05
    assert spi(part, b"\x0f", 1) == b"\0"


# -- MLX90614: a command without a stop, then two bytes of three


def test_a_public_infrared_driver_reads_its_words() -> None:
    clock = Clock()
    plant = Plant()
    part = Mlx90614(clock, plant)
    part.power(True)
    clock.advance_to(400 * MS)

    def read(register: int) -> int:
        assert part.write(bytes((register,)), False) == 1
        return struct.unpack("<H", part.read(2))[0]

    assert not read(0x25) & 1 << 6, "a single zone"
    assert abs(read(0x06) * 0.02 - 273.15 - plant.ambient_c) < 0.05
    assert -70 < read(0x07) * 0.02 - 273.15 < 60


# -- DS3231: a register's address without a stop, then a read; or address and data


def test_adafruits_clock_driver_sets_and_reads() -> None:
    clock = Clock()
    part = Ds3231(clock)

    def read(register: int, count: int) -> bytes:
        part.write(bytes((register,)), False)
        return part.read(count)

    assert read(0x0F, 1)[0] & 0x80, "lost_power of a new part"
    # 2026-11-28 05:20:00, a Saturday
    part.write(bytes((0x00, 0x00, 0x20, 0x05, 0x06, 0x28, 0x11, 0x26)))
    part.write(bytes((0x0E, read(0x0E, 1)[0] & 0x7F)))
    part.write(bytes((0x0F, read(0x0F, 1)[0] & 0x7F)))
    clock.advance_to(61_000 * MS)
    assert read(0x00, 7) == bytes((0x01, 0x21, 0x05, 0x06, 0x28, 0x11, 0x26))
    assert not read(0x0F, 1)[0] & 0x80
    assert part.utc_s == int(datetime(2026, 11, 28, 5, 21, 1, tzinfo=UTC).timestamp())
