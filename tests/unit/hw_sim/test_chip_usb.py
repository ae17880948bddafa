"""The serial port: order, back-pressure, time-outs, a host that is not there."""

from __future__ import annotations

from pathlib import Path

from hw_sim.fakes.usb import FIFO_BYTES, RING_BYTES, UsbCdc
from hw_sim.world.clock import Clock
from tests.unit.hw_sim.chip_programs import bench_with

MS = 1_000_000


def port() -> tuple[Clock, UsbCdc]:
    clock = Clock()
    usb = UsbCdc(clock)
    usb.plug()
    clock.advance_to(20 * MS)
    usb.interrupt_char = -1
    return clock, usb


def test_bytes_arrive_in_order_at_the_speed_of_the_bus() -> None:
    clock, usb = port()
    data = bytes(i & 0xFF for i in range(4000))
    usb.host_write(data)
    got = usb.read(1000)
    assert got == data[:64]  # the rest is still on its way
    while len(got) < len(data):
        clock.advance_to(clock.now_ns + MS)
        got += usb.read(300)
    assert got == data
    assert clock.now_ns >= 20 * MS + 4000 // 64 * 64_000


def test_what_the_ring_does_not_hold_waits_at_the_host() -> None:
    clock, usb = port()
    usb.host_write(bytes(2000))
    for _ in range(20):
        clock.advance_to(clock.now_ns + MS)
        assert usb.readable()
    assert usb.host_waiting == 2000 - RING_BYTES
    assert len(usb.read(10_000)) == RING_BYTES


def test_the_interrupt_character_never_reaches_the_program() -> None:
    clock, usb = port()
    usb.interrupt_char = 3
    interrupts: list[int] = []
    usb.on_interrupt = lambda: interrupts.append(clock.now_ns)
    usb.host_write(b"ab\x03cd")
    assert usb.read(10) == b"abcd"
    assert len(interrupts) == 1


def test_a_write_waits_for_a_slow_host_and_no_longer_than_half_a_second() -> None:
    clock, usb = port()
    assert usb.write(bytes(200), clock.advance_to) == 200
    assert usb.write(bytes(5000), clock.advance_to) == 5000
    took_ms = (clock.now_ns - 20 * MS) / MS
    assert 20 < took_ms < 26  # 5200 bytes at 220 kB/s, less what lies in the FIFO
    usb.host_read()
    usb.reading = False
    clock.advance_to(clock.now_ns + 10 * MS)
    start_ns = clock.now_ns
    assert usb.write(bytes(1000), clock.advance_to) == FIFO_BYTES
    assert clock.now_ns - start_ns == 500 * MS
    assert not usb.writable()
    assert usb.dropped_bytes == 1000 - FIFO_BYTES
    usb.reading = True
    assert len(usb.host_read()) == FIFO_BYTES


def test_without_a_host_everything_is_lost_at_once() -> None:
    clock, usb = port()
    usb.opened = False
    before_ns = clock.now_ns
    assert usb.write(b"hello", clock.advance_to) == 0
    assert clock.now_ns == before_ns
    assert not usb.writable()


def test_a_reset_is_seen_as_the_port_going_away(tmp_path: Path) -> None:
    bench = bench_with(tmp_path, "import machine, time\ntime.sleep_ms(30)\nmachine.reset()\n")
    bench.power_on()
    bench.run_for(35)
    bench.host_write(b"lost")
    bench.run_for(20)
    assert bench.usb.resets == 1
    assert bench.usb.host_waiting == 0


def test_reading_waits_for_every_byte_that_was_asked_for(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import select, sys, time
        poll = select.poll()
        poll.register(sys.stdin, select.POLLIN)
        buf = bytearray(4)
        time.sleep_ms(20)
        print(poll.poll(0), [e for _, e in poll.poll(100)])
        print(sys.stdin.buffer.readinto(buf), buf)
        print(sys.stdin.readline())
        sys.stdout.buffer.write(b"raw\\n")
        """,
    )
    bench.power_on()
    bench.run_for(80)
    bench.host_write(b"ab")
    bench.run_for(50)
    bench.host_write(b"cdline\r")
    bench.run_for(50)
    out = bench.host_read()
    assert out.startswith(
        b"[] [1]\r\n4 bytearray(b'abcd')\r\nline\n\r\n".replace(b"line\n", b"line\r\n")
    )
    assert b"raw\nMicroPython" in out
