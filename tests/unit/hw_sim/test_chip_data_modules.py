"""json, binascii, struct, os and the rest answer as the real interpreter did when it was asked.

The expected values were printed by MicroPython 1.23.0's RPI_PICO image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw_sim.fakes import jsonmp
from tests.unit.hw_sim.chip_programs import bench_with, printed

# Expression: what the real interpreter printed (an exception: its name and arguments).
REAL = {
    "json.dumps({'a': [1, 2.5, None, True]})": '{"a": [1, 2.5, null, true]}',
    "json.dumps('é\"\\n')": '"é\\"\\n"',
    "json.dumps({'a': 1, 'b': [1]}, separators=(',', ':'))": '{"a":1,"b":[1]}',
    "json.loads('{\"a\":1} x')": "ValueError",
    "json.loads('{\"a\":}')": "{}",
    "json.loads('')": "ValueError",
    "json.loads(b'[1,2')": "[1, 2]",
    "json.loads('1e3')": "1000.0",
    "json.loads('-5')": "-5",
    "json.loads('NaN')": "ValueError",
    "binascii.crc32(b'abc')": "891568578",
    "binascii.crc32(b'abc', 5)": "871334697",
    "binascii.b2a_base64(b'abc')": "b'YWJj\\n'",
    "binascii.b2a_base64(b'abc', newline=False)": "b'YWJj'",
    "binascii.a2b_base64('YW')": "ValueError",
    "binascii.hexlify(b'ab', ':')": "b'61:62'",
    "hashlib.sha256(b'x').digest()[:4]": "b'-q\\x16B'",
    "struct.calcsize('<IHBB8i16s')": "56",
    "gc.threshold()": "-1",
    "os.rename('/nope', '/y')": "OSError 2",
    "os.mkdir('/d')": "None",
    "os.mkdir('/d') ": "OSError 17",
    "os.rename('/main.py', '/d')": "OSError 21",
    "os.rmdir('/d')": "None",
    "os.rmdir('/d') ": "OSError 2",
    "open('/d/z', 'w')": "OSError 2",
    "os.stat('/nope')": "OSError 2",
    "os.statvfs('/')[:3]": "(4096, 4096, 352)",
    "os.uname()[:3]": "('rp2', 'rp2', '1.23.0')",
    "select.POLLIN": "1",
    "time.gmtime(0)": "(1970, 1, 1, 0, 0, 0, 3, 1)",
    "time.time()": "1609459200",
    "time.ticks_diff(0, 2**29)": "-536870912",
    "time.ticks_add(0, 2**29-1)": "536870911",
    "machine.reset_cause()": "1",
    "machine.freq()": "125000000",
    "sys.implementation[1]": "(1, 23, 0, '')",
    "sys.implementation.name": "micropython",
    "sys.platform": "rp2",
    "rp2.asm_pio_encode('set(pins, 1)', 0)": "57345",
    "rp2.asm_pio_encode('nop() [3]', 0)": "41794",
    "rp2.asm_pio_encode('pull(noblock)', 0, False)": "32896",
    "machine.ADC(5)": "ValueError",
    "rp2.StateMachine(8)": "ValueError",
    "rp2.StateMachine(0).active()": "False",
    "rp2.StateMachine(0).rx_fifo()": "0",
    "list(p[0])": "[32928, 40999, 57345, 197, 6, 67, 57344, 41153, 32800, 49152]",
    "p[1:]": "[-1, -1, 36864, 0, None, 2, None]",
    "rp2.StateMachine(0, p, freq=1907, set_base=2, jmp_pin=6)": "ValueError",
    "rp2.StateMachine(0, p, freq=1908, set_base=2, jmp_pin=6)": "StateMachine(0)",
    "machine.PWM(machine.Pin(12), freq=1000, duty_u16=32768).freq()": "1000",
}

PROGRAM = """
import json, binascii, hashlib, struct, gc, os, select, time, machine, sys, rp2
@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def p():
    pull(block)
    mov(x, osr)
    set(pins, 1)
    label("l")
    jmp(pin, "k")
    jmp("e")
    label("k")
    jmp(x_dec, "l")
    label("e")
    set(pins, 0)
    mov(isr, x)
    push(block)
    irq(0)
for expression in EXPRESSIONS:
    try:
        answer = eval(expression.strip())
    except OSError as error:
        answer = "OSError %d" % error.errno
    except Exception as error:
        answer = type(error).__name__
    print(answer)
    time.sleep_ms(1)
"""


def test_answers_are_the_real_interpreters(tmp_path: Path) -> None:
    program = f"EXPRESSIONS = {list(REAL)!r}\n" + PROGRAM
    lines = printed(tmp_path, program, ms=1500).splitlines()
    assert dict(zip(REAL, lines, strict=True)) == REAL


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a" 1 "b":[1 2]}', {"a": 1, "b": [1, 2]}),  # commas and colons are white space
        ('{"a":[1}]', {"a": [1]}),  # brackets are not compared
        ("[1,,2]", [1, 2]),
        ('"\\u0041"', "A"),
        (b'{"id":1,"op":"hello"}', {"id": 1, "op": "hello"}),
    ],
)
def test_json_is_as_lenient_as_micropythons(text: Any, value: Any) -> None:
    assert jsonmp.loads(text) == value


@pytest.mark.parametrize("text", ["", "}", "[1] 2", '"a', "{[1]:2}", "Infinity", "x", "nul"])
def test_json_refuses_what_micropython_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="syntax error in JSON"):
        jsonmp.loads(text)


def test_json_takes_the_end_of_the_text_for_a_bracket() -> None:
    assert jsonmp.loads("[") == []


def test_files(tmp_path: Path) -> None:
    text = printed(
        tmp_path,
        """
        import os
        with open("a.bin", "wb") as f:
            print(f.write(b"hello"), f.tell())
        with open("a.bin", "ab") as f:
            f.write(b" world")
        with open("a.bin", "r+b") as f:
            f.seek(6)
            f.write(b"W")
            print(f.seek(0, 2))
        print(open("a.bin", "rb").read(), os.stat("a.bin")[6])
        with open("b.txt", "w") as f:
            f.write("one\\ntwo\\n")
        print([line for line in open("b.txt")], open("b.txt").readline())
        os.rename("b.txt", "a.bin")
        print(sorted(os.listdir()), [e[:2] for e in os.ilistdir("/")][0])
        f = open("a.bin")
        f.close()
        try:
            f.read()
        except (OSError, ValueError):
            print("closed")
        buf = bytearray(3)
        print(open("a.bin", "rb").readinto(buf), buf)
        """,
        ms=2000,
    )
    assert text.splitlines() == [
        "5 5",
        "11",
        "b'hello World' 11",
        "['one\\n', 'two\\n'] one",
        "",
        "['a.bin', 'main.py'] ('a.bin', 32768)",
        "closed",
        "3 bytearray(b'one')",
    ]


def test_the_firmware_leaves_nothing_in_cpythons_modules(tmp_path: Path) -> None:
    import sys

    before = set(sys.modules)
    files = {"pack/__init__.py": "A = 1\n", "pack/inner.py": "from pack import A\nB = A + 1\n"}
    program = "import pack.inner\nfrom pack import inner as i\nprint(pack.A, i.B)"
    one = bench_with(tmp_path, "import time; time.sleep_ms(20)\n" + program, files=files)
    one.power_on()
    one.run_for(100)
    assert one.host_read().startswith(b"1 2\r\n")
    assert not {name for name in set(sys.modules) - before if name.startswith("pack")}
    assert "machine" not in sys.modules
