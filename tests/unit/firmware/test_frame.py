"""Framing of the link's lines: H-12, a damaged line is dropped, never partly used."""

from __future__ import annotations

import zlib

import pytest
from cryo import frame
from hypothesis import given, strategies as st

from host_tools.link import split_line

REQUEST = b'{"id":1,"op":"get","key":"depth_um"}'


def line_of(payload: bytes) -> bytes:
    return frame.encode(payload, zlib.crc32(payload))


def feed(receiver: frame.LineIn, data: bytes) -> list[bytes]:
    lines = []
    for byte in data:
        if receiver.feed(byte) == frame.LINE:
            lines.append(bytes(receiver.buffer[: receiver.length]))
    return lines


@given(st.binary(min_size=0, max_size=400))
def test_the_crc_in_halves_is_the_crc_of_zlib(data: bytes) -> None:
    crc = frame.Crc32()
    for byte in data:
        crc.update(byte)
    assert ((crc.hi ^ 0xFFFF) << 16 | crc.lo ^ 0xFFFF) == zlib.crc32(data)


@given(st.binary(min_size=1, max_size=frame.MAX_REQUEST - 10).filter(lambda b: b"\n" not in b))
def test_every_line_arrives_as_it_was_sent(payload: bytes) -> None:
    receiver = frame.LineIn()
    assert feed(receiver, line_of(payload)) == [payload]
    assert receiver.dropped == 0
    assert split_line(line_of(payload)[:-1]) == (payload, zlib.crc32(payload))


@pytest.mark.hazard("H-12")
@given(st.integers(0, len(line_of(REQUEST)) - 2), st.integers(1, 255))
def test_one_changed_byte_is_noticed(at: int, change: int) -> None:
    """H-12. Only the case of a hex digit of the CRC may change (it has the same value)."""
    line = bytearray(line_of(REQUEST))
    line[at] ^= change
    receiver = frame.LineIn()
    lines = feed(receiver, bytes(line) + line_of(b"{}"))
    same = bytes(line).lower() == line_of(REQUEST) and at >= len(REQUEST)
    assert lines == ([REQUEST, b"{}"] if same else [b"{}"])


@pytest.mark.hazard("H-12")
@given(st.binary(max_size=3000))
def test_noise_is_dropped_and_the_next_line_understood(noise: bytes) -> None:
    receiver = frame.LineIn()
    feed(receiver, noise + b"\n")
    assert feed(receiver, line_of(REQUEST)) == [REQUEST]


@pytest.mark.hazard("H-12")
def test_a_line_of_a_megabyte_is_one_dropped_line() -> None:
    receiver = frame.LineIn()
    assert feed(receiver, b"x" * 1_000_000 + b"\n" + line_of(REQUEST)) == [REQUEST]
    assert receiver.dropped == 1
    assert len(receiver.buffer) == frame.MAX_REQUEST


@pytest.mark.hazard("H-12")
@given(st.integers(0, len(line_of(REQUEST)) - 2))
def test_a_truncated_line_is_dropped(length: int) -> None:
    receiver = frame.LineIn()
    assert feed(receiver, line_of(REQUEST)[:length] + b"\n") == []
    assert receiver.dropped == 1


@given(st.binary(max_size=500))
def test_the_tail_made_without_allocation_is_the_same(payload: bytes) -> None:
    buffer = bytearray(600)
    buffer[: len(payload)] = payload
    crc = frame.Crc32()
    for byte in payload:
        crc.update(byte)
    end = frame.close_line(buffer, len(payload), crc)
    assert bytes(buffer[:end]) == line_of(payload)
