"""SSD1306 against its data sheet."""

import pytest

from hw_sim.world.parts.ssd1306 import Ssd1306, Ssd1306UnknownCommand

# Initialisation of a 128 × 64 module, data sheet application note figure 2, horizontal addressing.
INIT = bytes(
    [0xAE, 0x20, 0x00, 0x40, 0xA1, 0xA8, 0x3F, 0xC8, 0xD3, 0x00, 0xDA, 0x12, 0xD5, 0x80,
     0xD9, 0xF1, 0xDB, 0x30, 0x81, 0xFF, 0xA4, 0xA6, 0x8D, 0x14, 0xAF]
)  # fmt: skip


def ready() -> Ssd1306:
    screen = Ssd1306()
    screen.write(b"\x00" + INIT)
    return screen


def lit(screen: Ssd1306) -> set[tuple[int, int]]:
    return {(i % 128, i // 128) for i, on in enumerate(screen.pixels()) if on}


def test_commands_one_by_one_or_in_a_row_come_to_the_same() -> None:
    a, b = ready(), Ssd1306()
    for byte in INIT:
        b.write(bytes([0x80, byte]))
    for screen in (a, b):
        assert (screen.mode, screen.on, screen.contrast, screen.charge_pump) == (0, True, 255, True)
        assert screen.segment_remap
        assert screen.com_reversed
        assert screen.lit


def test_a_full_picture_in_one_message() -> None:
    screen = ready()
    picture = bytes(i * 7 & 0xFF for i in range(1024))
    assert screen.write(b"\x40" + picture) == 1025
    assert screen.ram == picture
    assert screen.updates == 1
    for y in (0, 9, 63):
        for x in (0, 77, 127):
            bit = picture[y // 8 * 128 + x] >> (y % 8) & 1
            assert screen.pixels()[y * 128 + x] == bit


def test_pages_of_128_bytes_and_bytes_one_by_one_fill_the_same_memory() -> None:
    fast, slow = ready(), ready()
    for page in range(10):  # beyond the last page: it wraps
        data = bytes((page * 31 + i) & 0xFF for i in range(128))
        fast.write(b"\x40" + data)
        slow.start()
        for byte in b"\x40" + data:
            assert slow.write_byte(byte)
        slow.stop()
    assert fast.ram == slow.ram
    assert (fast.column, fast.page) == (slow.column, slow.page)
    assert fast.updates == slow.updates == 10


@pytest.mark.parametrize("length", [1, 3, 5, 40, 128, 200])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_windows_wrap_alike_in_bulk_and_byte_by_byte(mode: int, length: int) -> None:
    fast, slow = ready(), ready()
    for screen in (fast, slow):
        screen.write(bytes([0x00, 0x20, mode, 0x21, 10, 14, 0x22, 2, 3]))
    for n in range(4):
        data = bytes((n * 50 + i + 1) & 0xFF for i in range(length))
        fast.write(b"\x40" + data)
        slow.start()
        for byte in b"\x40" + data:
            slow.write_byte(byte)
        slow.stop()
        assert fast.ram == slow.ram
        assert (fast.column, fast.page) == (slow.column, slow.page)


def test_horizontal_mode_stays_in_its_window() -> None:
    screen = ready()
    screen.write(bytes([0x00, 0x21, 10, 14, 0x22, 2, 3]))
    screen.write(b"\x40" + bytes(range(1, 11)))
    assert screen.ram[2 * 128 + 10 : 2 * 128 + 15] == bytes([1, 2, 3, 4, 5])
    assert screen.ram[3 * 128 + 10 : 3 * 128 + 15] == bytes([6, 7, 8, 9, 10])
    assert sum(1 for byte in screen.ram if byte) == 10
    assert (screen.column, screen.page) == (10, 2)


def test_vertical_mode_goes_down_first() -> None:
    screen = ready()
    screen.write(bytes([0x00, 0x20, 0x01, 0x21, 5, 6, 0x22, 0, 7]))
    screen.write(b"\x40" + bytes(range(1, 10)))
    assert [screen.ram[page * 128 + 5] for page in range(8)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert screen.ram[6] == 9


def test_page_mode_sets_page_and_column_and_does_not_leave_the_page() -> None:
    screen = ready()
    screen.write(bytes([0x00, 0x20, 0x02, 0xB3, 0x0E, 0x17]))  # page 3, column 0x7E
    screen.write(b"\x40" + b"\x11\x22\x33")
    assert screen.ram[3 * 128 + 126 : 4 * 128] == b"\x11\x22"
    assert screen.ram[3 * 128] == 0x33


@pytest.mark.parametrize(
    ("commands", "seen"),
    [
        (b"", (0, 0)),
        (b"\xa0", (127, 0)),  # segments not remapped: mirrored
        (b"\xc0", (0, 63)),  # COM scan not reversed: upside down
        (b"\x41", (0, 63)),  # start line 1: the first line is shown last
        (b"\xd3\x01", (0, 63)),  # and so does the offset
    ],
)
def test_where_the_first_pixel_is_seen(commands: bytes, seen: tuple[int, int]) -> None:
    screen = ready()
    screen.write(b"\x40\x01" + bytes(1023))
    if commands:
        screen.write(b"\x00" + commands)
    assert lit(screen) == {seen}


def test_inverse_all_on_off_and_no_charge_pump() -> None:
    screen = ready()
    screen.write(b"\x40" + bytes(1024))
    screen.write(b"\x00\xa7")
    assert len(lit(screen)) == 128 * 64
    screen.write(b"\x00\xa6\xa5")
    assert len(lit(screen)) == 128 * 64
    screen.write(b"\x00\xae")
    assert screen.read(2) == b"\x40\x40"
    assert not lit(screen)
    screen.write(b"\x00\xaf\x8d\x10")
    assert screen.read_byte() == 0
    assert not lit(screen)


def test_without_supply_it_is_dark_and_its_memory_comes_back_as_noise() -> None:
    screen = ready()
    screen.write(b"\x40" + b"\xff" * 1024)
    screen.power(False)
    assert not lit(screen)
    screen.power(True)
    assert not screen.on
    assert len(set(screen.ram)) > 100


@pytest.mark.parametrize("command", [b"\x00\xbf", b"\x00\x20\x03", b"\x00\xa8\x05", b"\x3f\x00"])
def test_what_the_data_sheet_does_not_list_is_refused_or_counted(command: bytes) -> None:
    with pytest.raises(Ssd1306UnknownCommand):
        ready().write(command)
    lenient = Ssd1306(strict=False)
    lenient.write(command)
    assert lenient.unknown_commands == 1


def test_every_message_reports_a_change() -> None:
    screen = Ssd1306()
    seen: list[int] = []
    screen.on_change = lambda: seen.append(screen.updates)
    screen.write(b"\x00" + INIT)
    screen.write(b"\x40" + bytes(128))
    screen.write(b"\x40" + bytes(1024))
    assert seen == [0, 1, 2]


def test_text_and_image_show_the_same_pixels() -> None:
    screen = ready()
    screen.write(b"\x40\x03\x02" + bytes(1022))  # top left: two dots, and one dot lower right
    lines = screen.to_text().splitlines()
    assert len(lines) == 32
    assert lines[0][:3] == "█▄ "
    image = screen.to_image(scale=2)
    assert image.size == (256, 128)
    assert image.getpixel((0, 0)) == (170, 222, 255)
    assert image.getpixel((2, 0)) == (8, 12, 18)
    assert image.getpixel((3, 3)) == (170, 222, 255)
