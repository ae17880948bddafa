"""`sim://`: a device behind a serial port, in virtual time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial

from hw_sim.bench.link_client import encode

if "hw_sim" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append("hw_sim")


@contextmanager
def opened(url: str, timeout: float = 0.5) -> Iterator[Any]:
    port = serial.serial_for_url(url, timeout=timeout, write_timeout=2.0)
    try:
        yield port
    finally:
        port.close()


def line(**message: Any) -> bytes:
    return encode(message)


def reply(port: Any, number: int) -> dict[str, Any]:
    for _ in range(40):
        text = port.readline()
        if text:
            message = json.loads(text.rpartition(b"*")[0])
            if message.get("id") == number:
                return message
    raise AssertionError("no reply")


def test_a_time_out_is_virtual() -> None:
    with opened("sim://", timeout=30.0) as port:
        port.reset_input_buffer()
        begin = time.perf_counter()
        assert port.read(1) == b""  # nothing comes by itself
        assert time.perf_counter() - begin < 5.0
        assert port.bench.now_ms >= 31_000


def test_requests_and_what_the_flash_keeps(tmp_path: Path) -> None:
    url = f"sim://?flash={tmp_path / 'flash.img'}"
    with opened(url) as port:
        port.write(line(id=1, op="hello"))
        assert reply(port, 1)["ok"]["boot"] == 1
        port.write(line(id=2, op="set", key="volume", value=3))
        assert reply(port, 2)["ok"]["applied"]
    with opened(url) as port:
        port.write(line(id=1, op="hello"))
        assert reply(port, 1)["ok"]["boot"] == 2
        port.write(line(id=2, op="get", key="volume"))
        assert reply(port, 2)["ok"]["value"] == 3


@pytest.mark.parametrize(
    ("operator", "applied"), [("confirm", True), ("reject", False), ("none", False)]
)
def test_the_operator(operator: str, applied: bool) -> None:
    with opened(f"sim://?operator={operator}", timeout=2.0) as port:
        port.reset_input_buffer()
        port.write(line(id=1, op="set", key="depth_um", value=2500))
        assert reply(port, 1)["ok"]["applied"] is False
        told = [json.loads(text.rpartition(b"*")[0]) for _ in range(3) if (text := port.readline())]
        assert [t["applied"] for t in told if t.get("ev") == "setting"] == (
            [] if operator == "none" else [applied]
        )


def test_a_reset_makes_the_port_vanish() -> None:
    with opened("sim://", timeout=10.0) as port:
        port.write(line(id=1, op="maintenance"))
        with pytest.raises(serial.SerialException, match="disconnected"):
            port.read(100_000)


@pytest.mark.parametrize(
    "url", ["sim://host", "sim://?sped=5", "sim://?operator=maybe", "sim://?seed=x"]
)
def test_a_wrong_url_says_so(url: str) -> None:
    with pytest.raises(serial.SerialException, match="sim://"):
        serial.serial_for_url(url)


def test_a_device_that_fails_is_a_serial_error(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from machine import Pin\nPin(6).value()\n")
    with pytest.raises(serial.SerialException, match="never set up"):
        serial.serial_for_url(f"sim://?firmware={tmp_path}")
