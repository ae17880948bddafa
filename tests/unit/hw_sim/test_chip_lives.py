"""Power, resets, watchdog, scratch registers, waiting, interrupts, the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.fakes.chip import BOOT_NS
from hw_sim.fakes.errors import FirmwareCrashed
from hw_sim.image.flash import SimFlash
from hw_sim.world.wiring import GATE
from tests.unit.hw_sim.chip_programs import bench_with, printed

MS = 1_000_000
HEARTBEAT = """
import machine, time
from machine import Pin, WDT
led = Pin(13, Pin.OUT, value=1)
"""


def test_the_watchdog_resets_when_it_is_not_fed(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        HEARTBEAT
        + """
if machine.reset_cause() == 3:
    print("again", machine.mem32[0x4005800C], machine.mem32[0x40058008])
    led.off()
else:
    machine.mem32[0x4005800C] = 77
    w = WDT(timeout=100)
    for _ in range(20):
        time.sleep_ms(50)
        w.feed()
while True:
    time.sleep_ms(1000)
""",
    )
    edges: list[tuple[int, float]] = []
    bench.wiring.watch(lambda t, s, v: edges.append((t, v)) if s == "LED_GREEN" else None)
    bench.power_on()
    bench.run_for(1500)
    fed_until = BOOT_NS + 20 * 50 * MS
    # On, floats at the reset 100 ms after the last feeding, and is off after that.
    assert edges == [(BOOT_NS, 1), (fed_until + 100 * MS, 0), (fed_until + 100 * MS + BOOT_NS, 1),
                     (fed_until + 100 * MS + BOOT_NS, 0)]  # fmt: skip
    assert bench.chip.boots == 2
    bench.cut_power()
    bench.power_on()
    bench.run_for(50)
    assert bench.chip.scratch[0] == 77  # written again: a loss of power had cleared it


def test_power_loss_clears_the_scratch_registers_and_a_reset_does_not(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import machine, time
        n = machine.mem32[0x40058010]
        machine.mem32[0x40058010] = n + 1
        time.sleep_ms(30)
        if n == 0:
            machine.reset()
        print(n, machine.reset_cause(), machine.mem32[0x40058008])
        """,
    )
    bench.power_on()
    bench.run_for(200)
    assert b"1 3 2\r\n" in bench.host_read()
    assert bench.chip.at_prompt
    bench.cut_power()
    assert not bench.chip.at_prompt
    bench.power_on()
    bench.run_for(200)
    assert b"1 3 2\r\n" in bench.host_read()
    assert bench.chip.boots == 4


def test_power_loss_in_the_midst_of_everything(tmp_path: Path) -> None:
    """The firmware's own `except` and `finally` do not run when its power is gone."""
    bench = bench_with(
        tmp_path,
        """
        import time
        from machine import Pin
        led = Pin(15, Pin.OUT, value=0)
        try:
            while True:
                time.sleep_ms(7)
        finally:
            led.on()
        """,
    )
    bench.power_on()
    bench.run_for(50)
    bench.clock.call_after(5 * MS, bench.cut_power)  # from inside the firmware's own wait
    bench.run_for(50)
    assert not bench.chip.powered
    assert not bench.chip.running
    assert bench.wiring.leds["red"].brightness == 0
    bench.power_on()
    bench.run_for(50)
    assert bench.chip.running
    bench.cut_power()
    assert bench.wiring.leds["red"].brightness == 0


def test_a_hung_processor_does_not_feed(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        HEARTBEAT
        + """
w = WDT(timeout=100)
while True:
    w.feed()
    time.sleep_ms(10)
""",
    )
    bench.power_on()
    bench.run_for(500)
    assert bench.chip.boots == 1
    bench.hang(60)
    bench.run_for(500)
    assert bench.chip.boots == 1
    bench.hang(500)
    bench.run_for(400)
    assert bench.chip.boots == 2


def test_ctrl_c_interrupts_only_where_it_may(tmp_path: Path) -> None:
    program = """
        import micropython, time
        {line}
        try:
            while True:
                time.sleep_ms(5)
        except KeyboardInterrupt:
            print("interrupted")
        """
    for line, expected in (("pass", True), ("micropython.kbd_intr(-1)", False)):
        bench = bench_with(tmp_path, program.format(line=line))
        bench.power_on()
        bench.run_for(50)
        bench.host_write(b"\x03")
        bench.usb.readable()  # as the USB interrupt would
        bench.run_for(50)
        assert (b"interrupted" in bench.host_read()) is expected


def test_an_uncaught_error_is_reported_on_the_port_and_to_the_bench(tmp_path: Path) -> None:
    program = "import time\ntime.sleep_ms(20)\ndef f():\n    return 1 // 0\nf()\n"
    bench = bench_with(tmp_path, program)
    bench.power_on()
    with pytest.raises(FirmwareCrashed, match="ZeroDivisionError") as caught:
        bench.run_for(100)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    text = bench.host_read().decode()
    assert "line 4, in f\r\n" in text
    assert "ZeroDivisionError" in text
    assert ">>> " in text


def test_scheduled_calls_and_pin_interrupts_run_when_the_firmware_waits(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import micropython, time
        from machine import Pin
        time.sleep_ms(20)
        seen = []
        def pressed(pin):
            seen.append(time.ticks_ms())
        Pin(7, Pin.IN, Pin.PULL_UP).irq(pressed, Pin.IRQ_FALLING)
        micropython.schedule(print, "scheduled")
        time.sleep_ms(100)
        print(len(seen) > 0)
        """,
    )
    bench.power_on()
    bench.run_for(60)
    bench.hold("trigger")
    bench.run_for(100)
    assert bench.host_read().startswith(b"scheduled\r\nTrue\r\n")


def test_time_does_not_depend_on_how_the_bench_steps(tmp_path: Path) -> None:
    program = """
        import time
        from machine import Pin
        led = Pin(13, Pin.OUT, value=0)
        for i in range(40):
            time.sleep_us(1370)
            led.toggle()
        """
    runs: list[list[int]] = []
    for step_ms in (0.01, 0.7, 13.0, 200.0):
        bench = bench_with(tmp_path, program)
        edges: list[int] = []
        bench.wiring.watch(lambda t, s, v, e=edges: e.append(t) if s == "LED_GREEN" else None)
        bench.power_on()
        while bench.now_ms < 100:
            bench.run_for(step_ms)
        runs.append(edges)
    assert len(runs[0]) == 40
    assert all(run == runs[0] for run in runs)


def test_buses_and_flash_take_their_time(tmp_path: Path) -> None:
    text = printed(
        tmp_path,
        """
        import time, machine
        from machine import I2C, SPI, Pin
        def took(name, fn):
            start = time.ticks_us()
            fn()
            print(name, time.ticks_us() - start)
        i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400000)
        spi = SPI(0, baudrate=1000000, polarity=0, phase=1, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
        took("page", lambda: i2c.writeto(0x3C, b"\\x40" + bytes(128)))
        took("registers", lambda: spi.write(bytes(17)))
        def save():
            with open("x", "wb") as f:
                f.write(bytes(1000))
        took("file", save)
        """,
        ms=2000,
    )
    times = dict(line.split() for line in text.splitlines())
    assert 2900 <= int(times["page"]) <= 2960
    assert 136 <= int(times["registers"]) <= 138
    # At least one block erased, and the pages of data and of the directory programmed.
    assert 45_000 + 4 * 700 <= int(times["file"]) <= 250_000


def test_the_board_floats_while_it_starts(tmp_path: Path) -> None:
    bench = bench_with(tmp_path, "from machine import Pin\nPin(13, Pin.OUT, value=1)\n")
    bench.power_on()
    bench.run_for(5)
    assert all(bench.wiring.driven(gp) is None for gp in range(30))
    bench.run_for(20)
    assert bench.wiring.driven(13) == 1
    assert bench.wiring.driven(GATE) is None


def test_a_blank_flash_is_formatted_as_boot_py_does(tmp_path: Path) -> None:
    flash = SimFlash()
    bench = bench_with(tmp_path, "x = 1\n", flash=flash)
    assert not flash.blank
    flash.buffer[:] = b"\xff" * len(flash.buffer)
    bench.power_on()
    bench.run_for(500)
    assert bench.chip.at_prompt  # no main.py any more
    assert bench.files() == {}


def test_an_import_reads_the_flash_as_it_is_now(tmp_path: Path) -> None:
    """Files that were read before are known by the flash's content, not by their names."""
    main = """
    def look():
        try:
            import part
        except ImportError:
            return "none"
        return part.WORD
    print(look(), end=" ")
    with open("part.py", "w") as file:
        file.write("WORD = 'mine'")
    print(look(), end=" ")
    """
    assert printed(tmp_path, main).split() == ["none", "mine"]
    again = printed(tmp_path, main, files={"part.py": "WORD = 'theirs'"})
    assert again.split() == ["theirs", "theirs"]  # a module is imported once a boot
    assert printed(tmp_path, main, files={"part.py": "WORD = 'other'"}).split()[0] == "other"
