"""The infrared thermometer: SMBus with packet error code, validity, and an absent part. H-10"""

from __future__ import annotations

import pytest
from cryo import infrared, sensors
from hypothesis import given, strategies as st

ADDRESS, OBJECT = 0x5A, 0x07


def crc8(data: bytes) -> int:
    """SMBus packet error code, bit by bit (SMBus 2.0, 5.4: x^8 + x^2 + x + 1)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ 0x107) if crc & 0x80 else crc << 1
    return crc


class Bus:
    """One part behind an I2C bus."""

    def __init__(self, word: int = 0) -> None:
        self.word = word
        self.present = True
        self.flip = 0
        self.reads = 0

    def readfrom_mem_into(self, address: int, register: int, data: bytearray) -> None:
        self.reads += 1
        assert (address, register) == (ADDRESS, OBJECT)
        if not self.present:
            raise OSError(5)
        low, high = self.word & 0xFF, self.word >> 8
        pec = crc8(bytes((ADDRESS << 1, OBJECT, ADDRESS << 1 | 1, low, high)))
        raw = (low | high << 8 | pec << 16) ^ self.flip
        data[:] = raw.to_bytes(3, "little")


@pytest.fixture
def bus() -> Bus:
    return Bus(word_of(33.0))


def word_of(c: float) -> int:
    return round((c + 273.15) / 0.02)


def test_the_checksum_is_that_of_the_data_sheet() -> None:
    """MLX90614's data sheet, reading RAM 0x07: B4 07 B5 D2 3A gives PEC 0x30."""
    crc = 0
    for byte in (0xB4, 0x07, 0xB5, 0xD2, 0x3A):
        crc = infrared.crc8(crc, byte)
    assert crc == 0x30


@given(st.binary(min_size=1, max_size=8))
def test_the_checksum_is_that_of_smbus(data: bytes) -> None:
    crc = 0
    for byte in data:
        crc = infrared.crc8(crc, byte)
    assert crc == crc8(data)


def test_three_good_readings_make_it_valid(bus: Bus) -> None:
    part, skin = infrared.Mlx90614(bus), sensors.Skin()
    part.start()
    for n in range(1, 4):
        part.read_into(skin)
        assert skin.valid is (n == 3)
    assert skin.c_x100 == pytest.approx(3300, abs=1)


@given(st.integers(0, 0x7FFF))
def test_every_word_is_its_temperature_or_the_part_s_end(word: int) -> None:
    skin = sensors.Skin()
    skin.step(word)
    assert skin.c_x100 == max(-7001, word * 2 - 27315)


@given(st.integers(0, 0x7FFF), st.integers(0, 16), st.integers(1, 255))
def test_a_burst_of_up_to_eight_wrong_bits_is_never_taken(word: int, at: int, bits: int) -> None:
    """A checksum of eight bits detects every such burst."""
    bus = Bus(word)
    part, skin = infrared.Mlx90614(bus), sensors.Skin()
    part.start()
    part.read_into(skin)
    before = skin.c_x100
    bus.flip = bits << at & 0xFFFFFF
    part.read_into(skin)
    assert skin.c_x100 == before
    assert not skin.valid


def test_the_error_flag_is_no_temperature(bus: Bus) -> None:
    part, skin = infrared.Mlx90614(bus), sensors.Skin()
    part.start()
    for _ in range(3):
        part.read_into(skin)
    bus.word |= 0x8000
    for n in range(1, 4):
        part.read_into(skin)
        assert skin.valid is (n < 3)
    assert skin.c_x100 == pytest.approx(3300, abs=1)


def test_an_absent_part_is_not_read_until_it_is_started_again(bus: Bus) -> None:
    """An exception allocates, and a freeze must not allocate."""
    bus.present = False
    part, skin = infrared.Mlx90614(bus), sensors.Skin()
    for _ in range(5):
        part.read_into(skin)
    assert bus.reads == 0
    part.start()
    for _ in range(10):
        part.read_into(skin)
    assert bus.reads == 3
    assert not part.answers()
    assert not skin.valid
    bus.present = True
    part.start()
    for _ in range(3):
        part.read_into(skin)
    assert part.answers()
    assert skin.valid


def test_a_part_that_falls_silent_is_no_longer_valid(bus: Bus) -> None:
    part, skin = infrared.Mlx90614(bus), sensors.Skin()
    part.start()
    for _ in range(3):
        part.read_into(skin)
    bus.present = False
    for n in range(1, 4):
        part.read_into(skin)
        assert skin.valid is (n < 3)
