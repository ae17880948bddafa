"""What a board would not survive, or not show, is an error on the fast bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.fakes import framebuf, machine, rp2
from hw_sim.fakes.errors import (
    BenchError,
    ChipMisuse,
    FirmwareCrashed,
    NotModelled,
    Spinning,
)
from hw_sim.fakes.modules import Poll, Sha256, Stream
from hw_sim.fakes.names import CLASSES, MODULES
from tests.unit.hw_sim.chip_programs import bench_with, printed


@pytest.mark.parametrize(
    "program",
    [
        "from machine import Pin; Pin(6).value()",  # never set up
        "from machine import Pin; Pin(13, Pin.IN).value()",  # floats
        "from machine import Pin; Pin(6, Pin.IN, Pin.PULL_UP).value(1)",  # no output
        "from machine import Pin; Pin(13, Pin.IN, value=1)",
        "from machine import Pin; Pin(13, value=1)",
        "from machine import Pin; Pin(7, Pin.OUT, value=1)",  # the trigger drives that pin
        "from machine import Pin, ADC; ADC(26); Pin(26).value()",
        "from machine import ADC; ADC(1).read_u16()",  # channel 1 was given no pin
        "from machine import PWM, Pin; PWM(Pin(2), freq=1000, duty_u16=9)",  # the valve
        "from machine import PWM, Pin; PWM(Pin(12), freq=1000, duty_u16=70000)",
        "from machine import PWM, Pin\nPWM(Pin(12), freq=1000, duty_u16=9)\nPWM(Pin(13), freq=500)",
        "from machine import I2C; I2C(0, freq=400000).writeto(0x100, b'a')",
        "from machine import SPI; SPI(0, baudrate=1000000, polarity=0, phase=0)",  # wrong mode
        "from machine import SPI; SPI(0, baudrate=8000000, polarity=0, phase=1)",
        "from machine import WDT; WDT(timeout=0)",
        "import machine; machine.mem32[0x4005801C] = 1",  # where the boot ROM looks
        "import time; time.ticks_diff(5, 2 ** 30)",
        "import struct; struct.pack('<B', 256)",  # the board cuts it to 0
        "import micropython; micropython.heap_unlock()",
        "import sys; sys.stdin.read()",
        "import rp2; rp2.StateMachine(0).put(1)",  # no program
        "'x'.ljust(3)",
        "(5).bit_length()",
    ],
)
def test_misuse(tmp_path: Path, program: str) -> None:
    bench = bench_with(tmp_path, program)
    bench.power_on()
    with pytest.raises(ChipMisuse):
        bench.run_for(100)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("from machine import Pin; Pin(30)", "ValueError"),
        ("from machine import Pin; Pin('X')", "ValueError"),
        ("from machine import Pin; Pin(5).colour", "AttributeError"),
        ("from machine import Pin; Pin(6, Pin.IN, Pin.PULL_UP, 1)", "TypeError"),
        ("from machine import Pin; Pin(6, Pin.IN, up=1)", "TypeError"),
        ("from machine import ADC; ADC(25)", "ValueError"),
        ("from machine import I2C; I2C(0, sda=5, scl=4)", "ValueError"),
        ("from machine import I2C; I2C(2)", "ValueError"),
        ("from machine import I2C; I2C(0).writeto(0x11, b'a')", "OSError"),  # nobody there
        ("from machine import SPI; SPI(0, polarity=0, phase=1, sck=17)", "ValueError"),
        ("from machine import WDT; WDT(timeout=8389)", "ValueError"),
        ("from machine import WDT; WDT(1)", "ValueError"),
        ("import machine; machine.mem32[0x4005800D]", "ValueError"),
        ("import machine; machine.Gpio", "AttributeError"),
        ("import time; time.perf_counter()", "AttributeError"),
        ("import time; time.ticks_add(0, 2 ** 29)", "OverflowError"),
        ("import typing", "ImportError"),
        ("import pathlib", "ImportError"),
        ("open('nothing')", "OSError"),
        ("import os; os.remove('nothing')", "OSError"),
        ("import hashlib; h = hashlib.sha256(); h.digest(); h.digest()", "ValueError"),
        ("import struct; struct.unpack('<I', b'abc')", "ValueError"),
        ("import json; json.loads('NaN')", "ValueError"),
        ("input_ = breakpoint", "NameError"),
        ("vars()", "NameError"),
    ],
)
def test_what_micropython_itself_refuses(tmp_path: Path, program: str, error: str) -> None:
    bench = bench_with(tmp_path, program)
    bench.power_on()
    with pytest.raises(FirmwareCrashed, match=f"ended by {error}"):
        bench.run_for(100)
    assert bench.chip.at_prompt


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio",
        "import machine; machine.Timer",
        "import machine; machine.soft_reset()",
        "from machine import Pin; Pin(5, Pin.OPEN_DRAIN)",
        "import machine; machine.mem32[0x40000000]",
        "import rp2; rp2.DMA",
        "input()",
    ],
)
def test_what_the_fake_does_not_know_it_says(tmp_path: Path, program: str) -> None:
    bench = bench_with(tmp_path, program)
    bench.power_on()
    with pytest.raises(NotModelled):
        bench.run_for(100)


def test_no_except_of_the_firmware_hides_a_misuse(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        from machine import Pin
        try:
            Pin(6).value()
        except Exception:
            pass
        """,
    )
    bench.power_on()
    with pytest.raises(ChipMisuse):
        bench.run_for(100)


def test_a_fault_of_a_simulated_part_is_not_the_firmwares(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import time
        try:
            time.sleep_ms(100)
        except Exception:
            pass
        """,
    )

    def broken_part() -> None:
        raise RuntimeError("broken part")

    bench.clock.call_at(50_000_000, broken_part)
    bench.power_on()
    with pytest.raises(BenchError, match="broken part"):
        bench.run_for(200)


def test_waiting_by_reading_the_clock_is_caught(tmp_path: Path) -> None:
    bench = bench_with(
        tmp_path,
        """
        import time
        end = time.ticks_add(time.ticks_ms(), 5)
        while time.ticks_diff(end, time.ticks_ms()) > 0:
            pass
        """,
    )
    bench.power_on()
    with pytest.raises(Spinning):
        bench.run_for(100)


def test_private_names_of_another_module_are_refused(tmp_path: Path) -> None:
    files = {"other.py": "from micropython import const\n_X = const(5)\nY = const(6)\n"}
    for program in ("import other\nother._X", "from other import _X"):
        bench = bench_with(tmp_path, program, files=files)
        bench.power_on()
        with pytest.raises(ChipMisuse):
            bench.run_for(100)
    assert printed(tmp_path, "import other\nprint(other.Y)", files=files) == "6\n"


def test_only_constants_are_known_inside_a_pio_program(tmp_path: Path) -> None:
    program = """
        import rp2
        from micropython import const
        {assign}
        @rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
        def p():
            set(pins, LEVEL)
        print(list(p[0]))
        """
    assert printed(tmp_path, program.format(assign="LEVEL = const(1)")) == "[57345]\n"
    with pytest.raises(FirmwareCrashed, match="NameError"):
        printed(tmp_path, program.format(assign="LEVEL = 1"))


@pytest.mark.parametrize(
    ("fake", "name"),
    [
        (machine.Pin, "machine.Pin"),
        (machine.ADC, "machine.ADC"),
        (machine.I2C, "machine.I2C"),
        (machine.SPI, "machine.SPI"),
        (machine.PWM, "machine.PWM"),
        (machine.WDT, "machine.WDT"),
        (rp2.PIO, "rp2.PIO"),
        (rp2.StateMachine, "rp2.StateMachine"),
        (framebuf.FrameBuffer, "framebuf.FrameBuffer"),
    ],
)
def test_the_fakes_have_no_name_that_micropython_lacks(fake: type, name: str) -> None:
    public = {n for n in dir(fake) if not n.startswith("_")}
    assert public <= CLASSES[name]


def test_the_serial_ports_classes_have_no_name_that_micropython_lacks() -> None:
    assert {n for n in dir(Poll) if not n.startswith("_")} <= {
        "register", "unregister", "modify", "poll", "ipoll",
    }  # fmt: skip
    assert {n for n in dir(Sha256) if not n.startswith("_")} == {"digest", "update"}
    assert {n for n in dir(Stream) if not n.startswith("_")} <= {
        "buffer", "close", "read", "readinto", "readline", "readlines", "write",
    }  # fmt: skip


def test_builtins_are_micropythons(tmp_path: Path) -> None:
    missing = [
        n for n in ("breakpoint", "vars", "ascii", "format", "aiter") if n in MODULES["builtins"]
    ]
    assert not missing
    assert printed(tmp_path, "print(__name__, sorted([3, 1]), isinstance(1, int))") == (
        "__main__ [1, 3] True\n"
    )
