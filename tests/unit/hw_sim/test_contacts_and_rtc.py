"""Buttons that bounce, the E-stop loop, and the real-time clock."""

import pytest

from hw_sim.world.clock import Clock
from hw_sim.world.parts.contacts import Button, EStop
from hw_sim.world.parts.ds3231 import Ds3231

MS = 1_000_000
S = 1_000_000_000


def presses(seed: int, name: str = "up") -> list[tuple[int, int | None]]:
    clock = Clock()
    button = Button(clock, name, seed=seed)
    seen: list[tuple[int, int | None]] = []
    button.on_level = lambda level: seen.append((clock.now_ns, level))
    for i in range(20):
        clock.advance_to(i * 100 * MS)
        button.press()
        clock.advance_to(i * 100 * MS + 50 * MS)
        button.release()
    clock.advance_to(3 * S)
    return seen


def test_bounce_is_the_same_for_a_seed_and_differs_between_seeds_and_buttons() -> None:
    assert presses(1) == presses(1)
    assert presses(1) != presses(2)
    assert presses(1) != presses(1, "down")


def test_a_press_makes_contact_at_once_bounces_within_5_ms_and_settles() -> None:
    seen = presses(7)
    assert len(seen) > 2 * 20 * 2  # it does bounce
    for i in range(20):
        begin = i * 100 * MS
        down = [(t - begin, level) for t, level in seen if begin <= t < begin + 50 * MS]
        up = [
            (t - begin - 50 * MS, level)
            for t, level in seen
            if begin + 50 * MS <= t < begin + 100 * MS
        ]
        assert down[0] == (0, 0)
        assert down[-1][1] == 0
        assert up[0] == (0, None)
        assert up[-1][1] is None
        assert max(t for t, _ in down + up) <= 5 * MS
        levels = [level for _, level in down + up]
        assert all(a != b for a, b in zip(levels, levels[1:], strict=False))


def test_a_release_within_the_bounce_ends_released() -> None:
    clock = Clock()
    button = Button(clock, "arm", seed=4)
    button.press()
    button.press()
    clock.advance_to(20_000)
    button.release()
    clock.advance_to(S)
    assert button.level is None


def test_a_stuck_button_ignores_the_finger_until_it_is_freed() -> None:
    clock = Clock()
    button = Button(clock, "trigger")
    button.stick(closed=True)
    assert button.level == 0
    button.press()
    button.release()
    clock.advance_to(S)
    assert button.level == 0
    button.unstick()
    assert button.level is None
    button.stick(closed=False)
    button.press()
    clock.advance_to(2 * S)
    assert button.level is None
    button.unstick()
    assert button.level == 0


def test_the_estop_cuts_at_once_and_its_pin_falls_within_two_microseconds() -> None:
    clock = Clock()
    estop = EStop(clock)
    seen: list[tuple[int, int | None]] = []
    estop.on_level = lambda level: seen.append((clock.now_ns, level))
    contacts: list[int] = []
    estop.on_contact = lambda: contacts.append(clock.now_ns)
    clock.advance_to(S)
    estop.open()
    estop.open()
    assert not estop.closed
    clock.advance_to(2 * S)
    assert contacts == [S]
    assert seen == [(S + 1450, None)]  # no bounce
    estop.close()
    clock.advance_to(3 * S)
    assert estop.closed
    assert estop.level == 1
    assert max(contacts) <= 2 * S + 5 * MS


def test_some_closings_bounce() -> None:
    clock = Clock()
    estop = EStop(clock)
    count = 0

    def changed() -> None:
        nonlocal count
        count += 1

    estop.on_contact = changed
    for i in range(1, 21):
        estop.open()
        clock.advance_to(i * S)
        estop.close()
        clock.advance_to(i * S + S // 2)
        assert estop.closed
    assert count > 60


def test_a_broken_wire_is_an_open_loop_whatever_the_button_does() -> None:
    clock = Clock()
    estop = EStop(clock)
    estop.break_wire(True)
    clock.advance_to(S)
    assert not estop.closed
    assert estop.level is None
    estop.open()
    estop.close()
    clock.advance_to(2 * S)
    assert not estop.closed
    estop.break_wire(False)
    assert estop.closed


# -- real-time clock --------------------------------------------------------------------------


def test_a_new_clock_says_that_it_stopped_and_keeps_what_it_is_given() -> None:
    clock = Clock()
    rtc = Ds3231(clock)
    rtc.write(b"\x0f")
    assert rtc.read(1)[0] & 0x80
    rtc.write(bytes([0x00, 0x58, 0x59, 0x23, 0x04, 0x28, 0x02, 0x24]))  # 2024-02-28 23:59:58
    rtc.write(b"\x0f\x00")
    clock.advance_to(3 * S + 5)
    rtc.write(b"\x00")
    assert rtc.read(7) == bytes([0x01, 0x00, 0x00, 0x05, 0x29, 0x02, 0x24])  # a leap day
    rtc.write(b"\x0f")
    assert not rtc.read(1)[0] & 0x80
    assert rtc.utc_s == 1_709_164_801


def test_twelve_hour_form() -> None:
    clock = Clock()
    rtc = Ds3231(clock)
    rtc.write(bytes([0x00, 0x00, 0x30, 0x40 | 0x20 | 0x11, 0x01, 0x01, 0x01, 0x25]))  # 11:30 pm
    clock.advance_to(3600 * S)
    rtc.write(b"\x02")
    assert rtc.read(1) == bytes([0x40 | 0x12])  # 12:30 am


def test_temperature_set_utc_and_loss_of_battery() -> None:
    rtc = Ds3231(Clock(), ambient_c=21.75)
    rtc.set_utc(1_700_000_000)
    assert rtc.utc_s == 1_700_000_000
    rtc.write(b"\x11")
    assert rtc.read(2) == bytes([21, 0xC0])
    rtc.battery_out()
    assert rtc.utc_s == 946_684_800
    rtc.write(b"\x0f")
    assert rtc.read(1)[0] & 0x80


def test_a_date_that_does_not_exist_is_an_error() -> None:
    rtc = Ds3231(Clock())
    with pytest.raises(ValueError, match="day"):
        rtc.write(bytes([0x00, 0x00, 0x00, 0x00, 0x01, 0x31, 0x02, 0x24]))
