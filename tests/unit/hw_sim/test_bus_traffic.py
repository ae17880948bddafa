"""The buses' lines: at the chip's bit rates, and readable by sigrok's own decoders."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from hw_sim.bench import FastBench, SimulatedBench
from hw_sim.world.bus_traffic import (
    IDLE,
    BusLevel,
    I2cMessage,
    SpiBytes,
    UsbPacket,
    line_changes,
)
from hw_sim.world.trace import Trace

SIGROK = pytest.mark.skipif(
    shutil.which("sigrok-cli") is None,
    reason="sigrok-cli is not installed. On Debian or Ubuntu: apt install sigrok-cli",
)
I2C_BIT_NS = 2504  # what the SDK makes of 400 kHz
SPI_BIT_NS = 1008  # and of 1 MHz
UTC_S = 1_790_000_123  # 21.09.2026 14:15:23
STATUS = b'{"op":"status","id":7}\n'


def started(bench: SimulatedBench, ms: float) -> Trace:
    """A board that is switched on and asked for its status."""
    bench.wiring.rtc.set_utc(UTC_S)
    bench.power_on()
    bench.run_for(ms)
    bench.host_write(STATUS)
    bench.run_for(60)
    trace: Trace = bench.trace  # pyright: ignore[reportAttributeAccessIssue]
    return trace


@pytest.fixture(scope="module")
def trace() -> Trace:
    return started(FastBench(trace=True, skin_sensor=True), 500)


def i2c(trace: Trace) -> list[I2cMessage]:
    return [event for event in trace.traffic if isinstance(event, I2cMessage)]


def rises(trace: Trace, line: str, from_ns: int, to_ns: int) -> list[int]:
    changes = line_changes(trace.traffic)
    return [t for t, name, level in changes if name == line and level and from_ns <= t < to_ns]


def test_the_clocks_run_at_what_the_chip_had_set(trace: Trace) -> None:
    message = max(i2c(trace), key=lambda message: len(message.data))
    assert len(message.data) == 129  # a page of the screen
    clocks = rises(trace, "SCL", message.t_ns, message.t_ns + (11 + 9 * 129) * I2C_BIT_NS)
    assert len(clocks) == 9 * 130 + 1  # each byte with its acknowledge, and the stop
    assert {b - a for a, b in pairwise(clocks)} == {I2C_BIT_NS}
    sent = next(event for event in trace.traffic if isinstance(event, SpiBytes))
    clocks = rises(trace, "SCK", sent.t_ns, sent.t_ns + 8 * len(sent.mosi) * SPI_BIT_NS)
    assert len(clocks) == 8 * len(sent.mosi)
    assert {b - a for a, b in pairwise(clocks)} == {SPI_BIT_NS}


def test_a_bus_rests_between_its_transfers(trace: Trace) -> None:
    levels = dict(IDLE)
    for _, line, level in line_changes(trace.traffic):
        assert levels[line] != level
        levels[line] = level
    assert levels | {"MOSI": 0, "MISO": 0} == IDLE


def test_a_missing_part_a_refused_byte_and_a_stuck_bus_are_seen() -> None:
    nobody = I2cMessage(0, 1000, 0x3C, False, b"", 0)
    assert [level for _, line, level in line_changes([nobody]) if line == "SDA"][-3:] == [1, 0, 1]
    bench = FastBench(trace=True)
    bench.mishap("screen_missing")
    refused = [m for m in i2c(started(bench, 100)) if m.address == 0x3C]
    assert refused
    assert {message.acknowledged for message in refused} == {0}
    stuck = FastBench(trace=True)
    stuck.power_on()
    stuck.run_for(500)
    stuck.wiring.hold_sda(4)
    stuck.press("up")
    stuck.run_for(500)
    assert stuck.trace is not None
    held = [e for e in stuck.trace.traffic if isinstance(e, BusLevel) and e.line == "SDA"]
    assert [event.level for event in held] == [0, 1]
    assert len(rises(stuck.trace, "SCL", held[0].t_ns, held[1].t_ns)) >= 3  # it was clocked free


def test_nobody_who_watches_costs_nothing() -> None:
    bench = FastBench()
    bench.power_on()
    bench.run_for(100)
    assert bench.wiring.bus_taps == []
    assert bench.usb.taps is bench.wiring.bus_taps


def test_a_window_of_the_file_begins_with_the_levels_there(trace: Trace, tmp_path: Path) -> None:
    from vcd.reader import TokenKind, tokenize

    message = i2c(trace)[0]
    at_ms = (message.t_ns + 12 * I2C_BIT_NS) / 1e6
    path = tmp_path / "window.vcd"
    trace.write_bus_vcd(path, at_ms, at_ms + 1)
    names: dict[str, str] = {}
    first: dict[str, str] = {}
    last = 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.VAR:
                names[token.var.id_code] = token.var.reference
            elif token.kind is TokenKind.CHANGE_SCALAR:
                first.setdefault(names[token.scalar_change.id_code], token.scalar_change.value)
            elif token.kind is TokenKind.CHANGE_TIME:
                last = token.time_change
    assert last == 10_000  # 1 ms, in steps of 100 ns
    assert first["POWER"] == "1"
    assert first["CS"] == "1"
    assert first["SCL"] == "0"
    with pytest.raises(ValueError, match="nothing from"):
        trace.write_bus_vcd(path, 5, 5)


# -- sigrok ----------------------------------------------------------------------------------------


def decoded(path: Path, decoder: str, wanted: str) -> list[str]:
    """What sigrok's decoder says of the file, a line each."""
    done = subprocess.run(
        ["sigrok-cli", "-i", str(path), "-I", "vcd", "-P", decoder, "-A", wanted],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [line.split(": ", 1)[1] for line in done.stdout.splitlines()]


def i2c_as_sigrok_says(messages: list[I2cMessage]) -> list[str]:
    words: list[str] = []
    for message in messages:
        way = "read" if message.reading else "write"
        words.append(f"Address {way}: {message.address:02X}")
        words += [f"Data {way}: {byte:02X}" for byte in message.data]
    return words


def check_with_sigrok(trace: Trace, path: Path) -> None:
    lines = "i2c:scl=SCL:sda=SDA"
    data = decoded(path, lines, "i2c=address-read:address-write:data-read:data-write")
    assert [word for word in data if ":" in word] == i2c_as_sigrok_says(i2c(trace))
    assert decoded(path, lines, "i2c=start").count("Start") + decoded(
        path, lines, "i2c=repeat-start"
    ).count("Start repeat") == len(i2c(trace))
    assert decoded(path, lines, "i2c=warnings") == []
    clock = decoded(path, f"{lines},ds1307", "ds1307=read-date-time")
    # The chip's day of the week is a number that has no meaning of its own.
    assert re.fullmatch(r"Read date/time: \w+, 21\.09\.2026 14:15:2[34]", clock[-1])
    spi = "spi:clk=SCK:mosi=MOSI:miso=MISO:cs=CS:cpol=0:cpha=1"
    sent = b"".join(event.mosi for event in trace.traffic if isinstance(event, SpiBytes))
    got = b"".join(event.miso for event in trace.traffic if isinstance(event, SpiBytes))
    assert len(sent) >= 6
    assert [int(word, 16) for word in decoded(path, spi, "spi=mosi-data")] == list(sent)
    assert [int(word, 16) for word in decoded(path, spi, "spi=miso-data")] == list(got)
    # The words between two edges of CS are one transfer: the chip's two registers at the start.
    assert decoded(path, spi, "spi=mosi-transfer")[:2] == ["80 11 07", "80 91 07"]
    usb = "uart:rx=USB_TO_HOST:tx=USB_TO_DEVICE:baudrate=2500000:format=ascii"
    for to_host, side in ((True, "rx"), (False, "tx")):
        passed = b"".join(
            e.data for e in trace.traffic if isinstance(e, UsbPacket) and e.to_host == to_host
        )
        said = "".join(decoded(path, usb, f"uart={side}-data"))
        plain = re.sub(r"\[([0-9A-F]{2})\]", lambda code: chr(int(code[1], 16)), said)
        assert plain.encode() == passed
        assert (b'"ev":"boot"' if to_host else STATUS) in passed


@SIGROK
@pytest.mark.slow
def test_sigrok_reads_the_buses_of_the_fast_bench(trace: Trace, tmp_path: Path) -> None:
    trace.write_bus_vcd(tmp_path / "buses.vcd")
    check_with_sigrok(trace, tmp_path / "buses.vcd")


@SIGROK
@pytest.mark.emulated
def test_sigrok_reads_the_buses_of_the_emulated_board(tmp_path: Path) -> None:
    from hw_sim.emulator import EmulatedBench

    trace = started(EmulatedBench(trace=True), 1750)
    trace.write_bus_vcd(tmp_path / "buses.vcd", 1270)
    check_with_sigrok(trace, tmp_path / "buses.vcd")
