"""The logic view's record: what a window shows, in words and in files, and that it is bounded."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from starlette.requests import Request

from hw_sim.bench import FastBench
from hw_sim.bench.link_client import encode
from hw_sim.web import logic
from hw_sim.web.engine import Engine
from hw_sim.web.live import Live
from hw_sim.web.logic import BUSES, KEPT, ROWS, LogicRecord, TooMuch, in_words
from hw_sim.world.bus_traffic import BusLevel, I2cMessage, SpiBytes, UsbPacket
from hw_sim.world.trace import WIRES


@pytest.fixture(scope="module")
def record() -> LogicRecord:
    """A device that was switched on, asked, and its UP pressed at 1 s."""
    bench = FastBench(skin_sensor=True)
    record = LogicRecord()
    bench.wiring.watch(record.changed)
    bench.wiring.bus_taps.append(record.passed)
    bench.wiring.rtc.set_utc(1_790_000_123)
    bench.power_on()
    bench.run_for(1000)
    bench.press("up")
    bench.host_write(encode({"op": "status", "id": 7}))
    bench.run_for(100)
    return record


def words(window: dict[str, Any], row: str) -> list[str]:
    return [said for _, _, said in window["buses"][row] if said]


def test_a_window_shows_signals_transfers_and_the_link(record: LogicRecord) -> None:
    window = record.window(900, 1300, 1000)
    assert set(window["wires"]) == set(WIRES)
    assert set(window["buses"]) == set(BUSES)
    assert window["wires"]["POWER"] == [1, []]
    level, changes = window["wires"]["UP"]
    assert level == 1
    assert changes[0][0] == pytest.approx(1000, abs=0.1)
    assert changes[-1][1] == 1  # it was let go
    (asked,) = words(window, "LINK_IN")
    assert asked.startswith('{"op":"status"')
    assert any('"id":7' in line for line in words(window, "LINK_OUT"))
    assert any("22.0 °C" in said for said in words(window, "SPI"))
    assert any(said == "screen: picture, 128 bytes" for said in words(window, "I2C"))
    assert "I2C,clock chip says 2026-09-21 14:15:23\n" in record.csv(0, 500)


def test_what_falls_into_one_column_is_one_mark(record: LogicRecord) -> None:
    window = record.window(0, 1300, 10)
    for _, changes in window["wires"].values():
        assert len(changes) <= 20
    for transfers in window["buses"].values():
        assert len(transfers) <= 10
    _, changes = record.window(0, 2000, 2)["wires"]["UP"]
    assert [level for _, level in changes] == [2, 1]  # pressed and let go, and at rest again


def test_a_transfer_that_began_before_the_window_is_shown(record: LogicRecord) -> None:
    transfers = record.window(0, 500, 2000)["buses"]["I2C"]
    from_ms, to_ms, said = max((t for t in transfers if t[2]), key=lambda t: t[1] - t[0])
    inside = record.window((from_ms + to_ms) / 2, to_ms, 100)
    assert inside["buses"]["I2C"][0] == (from_ms, to_ms, said)


def test_the_files_hold_what_is_shown(record: LogicRecord) -> None:
    rows = list(csv.reader(io.StringIO(record.csv(900, 1300))))
    assert rows[0] == ["t_ms", "row", "value"]
    assert {row[1] for row in rows[1:]} <= set(ROWS)
    presses = [row for row in rows if row[1] == "UP"]
    assert presses[0] == ["900.000000", "UP", "1"]
    assert presses[1][2] == "0"
    text = record.vcd(900, 1300)
    assert "$timescale 100 ns $end" in text
    assert " SDA " in text
    for bad in (record.vcd, record.csv):
        with pytest.raises(ValueError, match="nothing"):
            bad(5, 5)


def test_too_much_for_a_file_is_refused_with_what_to_do(
    record: LogicRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic, "MOST_VCD_BYTES", 100)
    with pytest.raises(TooMuch, match="Zoom in, or save a CSV"):
        record.vcd(0, 1300)


def test_the_newest_are_kept_and_it_is_said_since_when() -> None:
    record = LogicRecord()
    for i in range(3 * KEPT):
        record.changed(1000 * i, "VALVE_GATE", i % 2)
        record.passed(SpiBytes(1000 * i, 10, b"\x0f", b"\x00"))
        record.passed(BusLevel(1000 * i, "CS", 0))
    end_ms = 3 * KEPT / 1000
    window = record.window(0, end_ms, 100)
    assert end_ms / 2 < window["first_ms"] < end_ms
    level, changes = window["wires"]["VALVE_GATE"]
    assert level in (0, 1)
    assert changes[0][0] >= end_ms - KEPT / 1000
    assert len(window["buses"]["SPI"]) <= 100
    with pytest.raises(TooMuch, match="kept from"):
        record.vcd(0, end_ms)


def test_single_bytes_between_two_edges_of_cs_are_one_transfer() -> None:
    record = LogicRecord()
    for t_ns, low in ((0, True), (100_000, False), (200_000, True)):
        record.passed(BusLevel(t_ns, "CS", 0 if low else 1))
        if low:
            for i, byte in enumerate(b"\x80\x91"):
                record.passed(SpiBytes(t_ns + 1000 + 10_000 * i, 1000, bytes((byte,)), b"\0"))
    window = record.window(0, 1, 1000)
    assert words(window, "SPI") == ["thermocouple: register 00 = 91"] * 2


def test_lines_of_the_link_are_put_together_and_bounded() -> None:
    record = LogicRecord()
    record.passed(UsbPacket(0, True, b'{"ev":'))
    record.passed(UsbPacket(1_000_000, True, b'"x"}\r\nnext'))
    record.passed(UsbPacket(2_000_000, False, b"\xff\n"))
    window = record.window(0, 10, 1000)
    assert words(window, "LINK_OUT") == ['{"ev":"x"}']
    assert words(window, "LINK_IN") == ["\\xff"]
    record.passed(UsbPacket(3_000_000, True, b"z" * 10_000))
    assert max(map(len, words(record.window(0, 10, 2000), "LINK_OUT"))) <= 4096


def test_refusals_are_said() -> None:
    assert in_words(I2cMessage(0, 1, 0x3C, False, b"", 0)) == "screen: no answer"
    assert in_words(I2cMessage(0, 1, 0x3C, False, b"\x00", 1)).endswith(", refused")


def test_the_page_asks_and_gets_the_reason_when_refused() -> None:
    engine = Engine(lambda seed, _sensor: FastBench(seed=seed))
    live = Live(None, engine, None)  # pyright: ignore[reportArgumentType]

    def ask(query: str) -> tuple[int, str]:
        scope = {"type": "http", "query_string": query.encode(), "headers": []}
        answer = live.logic(Request(scope))
        return answer.status_code, bytes(answer.body).decode()

    code, body = ask("from=0&to=100&columns=10")
    assert code == 200
    assert json.loads(body)["wires"]["POWER"][0] == 0
    for bad in (
        "",
        "from=0&to=0&columns=10",
        "from=nan&to=1&columns=1",
        "from=0&to=1&columns=9999",
    ):
        assert ask(bad)[0] == 400, bad
    first = engine.logic
    engine.fresh()
    assert engine.logic is not first
    engine.close()
