"""The logic view's record: every signal, bus transfer and line of the link of this device.

Bounded: of each row the newest `KEPT` changes. Written on the engine's thread, read on any. What is
read is reduced to the columns of a picture, so that its size does not follow the time shown.

May import the standard library and `hw_sim.world`.
"""

from __future__ import annotations

import io
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from hw_sim.world.bus_traffic import BusLevel, I2cMessage, SpiBytes, Traffic, UsbPacket, end_ns
from hw_sim.world.clock import NS_PER_MS
from hw_sim.world.trace import WIRES, write_logic_vcd
from hw_sim.world.wiring import RTC_ADDRESS, SCREEN_ADDRESS, SKIN_ADDRESS

KEPT = 20_000
"""Changes, or transfers, of one row; when there are more, the older half goes."""

MOST_COLUMNS = 2000
MOST_VCD_BYTES = 40_000
"""Bytes on the buses in a saved VCD; one takes some 250 characters of it."""

BUSES = ("I2C", "SPI", "LINK_OUT", "LINK_IN")
ROWS = (*WIRES, *BUSES)

_LONGEST_LINE = 4096
_PARTS = {SCREEN_ADDRESS: "screen", RTC_ADDRESS: "clock chip", SKIN_ADDRESS: "infrared sensor"}
_BUSY = 2


class TooMuch(ValueError):
    """More was asked than is given at once; the text says what to do."""


class _Track:
    """Values of one row with their times, in ns."""

    def __init__(self, before: Any) -> None:
        self.before = before  # before the first that is kept
        self.times: list[int] = []
        self.values: list[Any] = []

    def add(self, t_ns: int, value: Any) -> bool:
        """True: the older half was dropped."""
        if self.times and t_ns < self.times[-1]:
            t_ns = self.times[-1]
        self.times.append(t_ns)
        self.values.append(value)
        if len(self.times) <= KEPT:
            return False
        self.before = self.values[KEPT // 2 - 1]
        del self.times[: KEPT // 2], self.values[: KEPT // 2]
        return True

    def level(self, at: int) -> Any:
        return self.values[at - 1] if at else self.before

    def span(self, from_ns: int, to_ns: int) -> tuple[int, int]:
        return bisect_left(self.times, from_ns), bisect_right(self.times, to_ns)


class LogicRecord:
    """What has passed since the device is new, as far as it is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wires = {name: _Track(level) for name, level in WIRES.items()}
        self._buses: dict[str, _Track] = {name: _Track(None) for name in BUSES}
        self._raw = _Track(None)
        self._raw_ns = 0  # the lines of the buses can be drawn from here on
        self._first_ns = 0
        self._selected = False  # SPI: CS has fallen, and nothing was sent yet
        self._lines: dict[bool, tuple[int, bytearray]] = {}

    # -- writing

    def changed(self, t_ns: int, signal: str, value: float) -> None:
        """A signal of `Wiring.watch`."""
        track = self._wires.get(signal)
        if track is not None:
            with self._lock:
                self._add(track, t_ns, int(value > 0))

    def _add(self, track: _Track, t_ns: int, value: Any) -> None:
        if track.add(t_ns, value):
            self._first_ns = max(self._first_ns, track.times[0])

    def passed(self, event: Traffic) -> None:
        """Something of `Wiring.bus_taps`."""
        with self._lock:
            if self._raw.add(event.t_ns, event):
                self._raw_ns = self._raw.times[0]
            if isinstance(event, I2cMessage):
                self._add(self._buses["I2C"], event.t_ns, (end_ns(event), event))
            elif isinstance(event, SpiBytes):
                self._spi(event)
            elif isinstance(event, UsbPacket):
                self._usb(event)
            elif event.line == "CS":
                self._selected = event.level == 0

    def _spi(self, event: SpiBytes) -> None:
        track = self._buses["SPI"]
        if self._selected or not track.values:
            self._selected = False
            self._add(track, event.t_ns, (end_ns(event), event))
            return
        # The emulated chip sends single bytes: those between two edges of CS are one transfer.
        before: SpiBytes = track.values[-1][1]
        mosi, miso = before.mosi + event.mosi, before.miso + event.miso
        track.values[-1] = (end_ns(event), before._replace(mosi=mosi, miso=miso))

    def _usb(self, event: UsbPacket) -> None:
        t_ns, line = self._lines.pop(event.to_host, (event.t_ns, bytearray()))
        for byte in event.data:
            if byte == 10 or len(line) >= _LONGEST_LINE:
                row = "LINK_OUT" if event.to_host else "LINK_IN"
                words = line.decode("utf-8", "backslashreplace").rstrip("\r")
                self._add(self._buses[row], t_ns, (end_ns(event), words))
                t_ns, line = event.t_ns, bytearray()
            if byte != 10:
                line.append(byte)
        if line:
            self._lines[event.to_host] = t_ns, line

    # -- reading

    def window(self, from_ms: float, to_ms: float, columns: int) -> dict[str, Any]:
        """What a picture `columns` wide shows of this time.

        `wires`: of each its level at the beginning, and its changes (ms, level); level 2: several
        changes within one column. `buses`: of each the transfers (from ms, to ms, words); without
        words: several within one column. `first_ms`: nothing before it is kept. ValueError.
        """
        if not from_ms < to_ms or not 1 <= columns <= MOST_COLUMNS:
            raise ValueError(f"nothing to show from {from_ms} to {to_ms} ms in {columns} columns")
        from_ns, to_ns = round(from_ms * NS_PER_MS), round(to_ms * NS_PER_MS)
        step_ns = max(1, (to_ns - from_ns) // columns)
        with self._lock:
            wires = {
                name: self._levels(track, from_ns, to_ns, step_ns)
                for name, track in self._wires.items()
            }
            buses = {
                name: self._transfers(track, from_ns, to_ns, step_ns)
                for name, track in self._buses.items()
            }
            return {"first_ms": self._first_ns / NS_PER_MS, "wires": wires, "buses": buses}

    @staticmethod
    def _columns(
        track: _Track, from_ns: int, to_ns: int, step_ns: int, tell: Callable[[int, int, int], None]
    ) -> int:
        """Call `tell(first, end, end of the column)` for each column in which something is."""
        first, end = track.span(from_ns, to_ns)
        at = first
        while at < end:
            column_ns = from_ns + ((track.times[at] - from_ns) // step_ns + 1) * step_ns
            after = max(at + 1, bisect_left(track.times, column_ns, at, end))
            tell(at, after, column_ns)
            at = after
        return first

    def _levels(self, track: _Track, from_ns: int, to_ns: int, step_ns: int) -> list[Any]:
        changes: list[tuple[float, int]] = []

        def tell(at: int, after: int, column_ns: int) -> None:
            if after - at > 1:
                changes.append((track.times[at] / NS_PER_MS, _BUSY))
                changes.append((column_ns / NS_PER_MS, track.values[after - 1]))
            else:
                changes.append((track.times[at] / NS_PER_MS, track.values[at]))

        first = self._columns(track, from_ns, to_ns, step_ns, tell)
        return [track.level(first), changes]

    def _transfers(self, track: _Track, from_ns: int, to_ns: int, step_ns: int) -> list[Any]:
        shown: list[tuple[float, float, str]] = []

        def tell(at: int, after: int, _column_ns: int) -> None:
            ended_ns, what = track.values[after - 1]
            words = in_words(what) if after - at == 1 else ""
            shown.append((track.times[at] / NS_PER_MS, ended_ns / NS_PER_MS, words))

        first, _ = track.span(from_ns, to_ns)
        if first and track.values[first - 1][0] > from_ns:
            tell(first - 1, first, 0)  # it had begun before
        self._columns(track, from_ns, to_ns, step_ns, tell)
        return shown

    # -- saving

    def vcd(self, from_ms: float, to_ms: float) -> str:
        """This time as a VCD with the buses' lines (`write_logic_vcd`). TooMuch; ValueError."""
        from_ns, to_ns = round(from_ms * NS_PER_MS), round(to_ms * NS_PER_MS)
        with self._lock:
            if from_ns < self._raw_ns:
                since_ms = self._raw_ns / NS_PER_MS
                raise TooMuch(f"The buses' lines are kept from {since_ms:.0f} ms on. Save a CSV.")
            changes = [
                (t_ns, name, value)
                for name, track in self._wires.items()
                for t_ns, value in [(0, track.before), *zip(track.times, track.values, strict=True)]
            ]
            first, end = self._raw.span(from_ns, to_ns)
            # The last edges of CS before it, and what is still under way.
            traffic: list[Traffic] = self._raw.values[max(0, first - 50) : end]
        length = sum(
            len(e.mosi) if isinstance(e, SpiBytes) else len(e.data)
            for e in traffic
            if not isinstance(e, BusLevel)
        )
        if length > MOST_VCD_BYTES:
            raise TooMuch(
                f"{length} bytes passed over the buses in this time; a VCD takes "
                f"{MOST_VCD_BYTES} at most. Zoom in, or save a CSV."
            )
        file = io.StringIO()
        write_logic_vcd(file, changes, traffic, from_ns, to_ns)
        return file.getvalue()

    def csv(self, from_ms: float, to_ms: float) -> str:
        """This time as a table: ms, row, level or words; ValueError if it is empty."""
        if not from_ms < to_ms:
            raise ValueError(f"there is nothing from {from_ms} to {to_ms} ms")
        import csv

        from_ns, to_ns = round(from_ms * NS_PER_MS), round(to_ms * NS_PER_MS)
        lines: list[tuple[int, str, str]] = []
        with self._lock:
            for name, track in self._wires.items():
                first, end = track.span(from_ns, to_ns)
                lines.append((from_ns, name, str(track.level(first))))
                lines += [(track.times[i], name, str(track.values[i])) for i in range(first, end)]
            for name, track in self._buses.items():
                first, end = track.span(from_ns, to_ns)
                lines += [
                    (track.times[i], name, in_words(track.values[i][1])) for i in range(first, end)
                ]
        lines.sort(key=lambda line: line[0])
        file = io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("t_ms", "row", "value"))
        table.writerows((f"{t_ns / NS_PER_MS:.6f}", row, words) for t_ns, row, words in lines)
        return file.getvalue()


# -- in words -------------------------------------------------------------------------------------


def in_words(what: I2cMessage | SpiBytes | str) -> str:
    """A transfer, or a line of the link, for people."""
    if isinstance(what, I2cMessage):
        return _i2c_words(what)
    if isinstance(what, SpiBytes):
        return _spi_words(what)
    return what


def _hex(data: bytes, most: int = 16) -> str:
    return data[:most].hex(" ").upper() + (f" … ({len(data)} bytes)" if len(data) > most else "")


def _i2c_words(message: I2cMessage) -> str:
    part = _PARTS.get(message.address, f"0x{message.address:02X}")
    data = message.data
    if not message.acknowledged:
        return f"{part}: no answer"
    if message.reading:
        if message.address == RTC_ADDRESS and len(data) == 7:
            day, month, year = data[4], data[5] & 0x1F, data[6]
            clock = ":".join(f"{byte & 0x7F:02X}" for byte in data[2::-1])
            return f"{part} says 20{year:02X}-{month:02X}-{day:02X} {clock}"
        return f"{part} says {_hex(data)}"
    refused = ", refused" if message.acknowledged <= len(data) else ""
    if message.address == SCREEN_ADDRESS and data[:1] == b"\x40":
        return f"{part}: picture, {len(data) - 1} bytes{refused}"
    if message.address == SCREEN_ADDRESS:
        return f"{part}: commands {_hex(data[1:])}{refused}"
    return f"{part}: register {_hex(data)}{refused}"


def _spi_words(event: SpiBytes) -> str:
    first, answer = event.mosi[0], event.miso[1:]
    if first & 0x80:
        return f"thermocouple: register {first & 0x7F:02X} = {_hex(event.mosi[1:])}"
    words = f"thermocouple: register {first:02X} says {_hex(answer)}"
    if first <= 0x0C and first + len(answer) > 0x0E:
        # MAX31856, table 6: 19 bits from the top of 0x0C, 1/128 °C each.
        raw = int.from_bytes(answer[0x0C - first : 0x0F - first], "big", signed=True) >> 5
        words = f"thermocouple says {raw / 128:.1f} °C; registers {_hex(answer)}"
    return words
