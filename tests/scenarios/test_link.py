"""The link: H-12, it cannot disturb a treatment; H-13, dose changes are confirmed at the device."""

from __future__ import annotations

import json
import random
import zlib
from typing import Any

import pytest

from hw_sim.bench import Bench
from hw_sim.bench.link_client import LineReader
from hw_sim.world.wiring import GATE
from tests.scenarios.conftest import (
    COMPLETE,
    FREEZE_END,
    SEGMENT,
    SETTING,
    TIME_SET,
    US,
    arm,
    freezing,
    gate_us,
    journal_files,
    last,
    ready,
    records,
    state,
    treat,
    until,
)


def line(request: object) -> bytes:
    # Not the bench's `encode`: here the protocol itself is tested.
    body = json.dumps(request, separators=(",", ":")).encode()
    return b"%s*%08x\n" % (body, zlib.crc32(body))


def refused(bench: Bench, op: str, **arguments: Any) -> dict[str, Any]:
    reply = bench.ask(op, **arguments)
    assert "err" in reply, reply
    assert reply["err"]["text"]
    return reply["err"]


def test_who_is_there(bench: Bench) -> None:
    ready(bench)
    hello = bench.ask("hello")["ok"]
    assert hello["device"] == "cryodose"
    assert hello["protocol"] == 1
    assert hello["state"] == "READY"
    assert hello["boot"] == 1


PARTS = {
    "settings": 8,
    "commands": 3,
    "faults": 6,
    "records": 3,
    "states": 2,
    "errors": 2,
    "applicators": 5,
}


@pytest.mark.parametrize("part", PARTS)
def test_the_device_describes_itself(bench: Bench, part: str) -> None:
    ready(bench)
    rows: list[list[Any]] = []
    following: int | None = 0
    while following is not None:
        page = bench.ask("describe", part=part, **{"from": following})["ok"]
        assert len(page["columns"]) == PARTS[part]
        rows += page["rows"]
        following = page["next"]
    assert rows
    for row in rows:
        assert len(row) == PARTS[part]
    assert len({json.dumps(row[0]) for row in rows}) == len(rows)


def test_every_setting_can_be_read(bench: Bench) -> None:
    ready(bench)
    rows = bench.ask("describe", part="settings")["ok"]["rows"]
    assert len(rows) >= 10
    for _, key, _, low, high, default, _, _ in rows:
        value = bench.ask("get", key=key)["ok"]["value"]
        assert value == default
        assert low <= value <= high


@pytest.mark.parametrize(
    ("op", "arguments", "code"),
    [
        ("fly", {}, "unknown_op"),
        ("open", {}, "unknown_op"),
        (7, {}, "bad_request"),
        ("get", {}, "bad_request"),
        ("get", {"key": 5}, "bad_request"),
        ("get", {"key": "nonsense"}, "unknown_key"),
        ("set", {"key": "nonsense", "value": 1}, "unknown_key"),
        ("set", {"key": "depth_um", "value": "2.5"}, "type"),
        ("set", {"key": "depth_um", "value": 2.5}, "type"),
        ("set", {"key": "depth_um", "value": True}, "type"),
        ("set", {"key": "depth_um"}, "type"),
        ("set", {"key": "depth_um", "value": 2200}, "range"),
        ("set", {"key": "depth_um", "value": 10**30}, "range"),
        ("set", {"key": "volume", "value": 0}, "range"),
        ("log", {}, "bad_request"),
        ("log", {"from": 0}, "bad_request"),
        ("log", {"from": 999}, "range"),
        ("log", {"from": 1, "max": "all"}, "bad_request"),
        ("log_block", {}, "bad_request"),
        ("log_block", {"from": 1, "max": 0}, "bad_request"),
        ("log_block", {"from": 999}, "range"),
        ("time", {"utc_s": "now"}, "type"),
        ("time", {"utc_s": 1}, "range"),
        ("describe", {"part": "everything"}, "bad_request"),
        ("describe", {}, "bad_request"),
        ("describe", {"part": "faults", "from": -1}, "bad_request"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(
    bench: Bench, op: Any, arguments: dict[str, Any], code: str
) -> None:
    ready(bench)
    error = refused(bench, op, **arguments)
    assert error["code"] == code
    if code == "range":
        assert error["min"] < error["max"]
        assert error["unit"]
        assert str(error["min"]) in error["text"] or "years" in error["text"]


@pytest.mark.hazard("H-06")
def test_a_depth_out_of_reach_names_the_applicator_that_reaches_it(bench: Bench) -> None:
    """H-06."""
    ready(bench)
    rows = {row[0]: row for row in bench.ask("describe", part="applicators")["ok"]["rows"]}
    error = refused(bench, "set", key="depth_um", value=5000)
    assert (error["min"], error["max"]) == tuple(rows[1][2:4])
    reaching = next(number for number, row in rows.items() if row[2] <= 5000 <= row[3])
    assert f"applicator {reaching}" in error["text"]


@pytest.mark.hazard("H-12")
@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"*00000000\n",
        b'{"id":1,"op":"status"}\n',
        b'{"id":1,"op":"status"}*00000000\n',
        line({"id": 1, "op": "status"})[:-4] + b"\n",
        line([1, 2]),
        line("status"),
        line({"op": "status"}),
        line({"id": -1, "op": "status"}),
        line({"id": 2**31, "op": "status"}),
        line({"id": "one", "op": "status"}),
        line({"id": 1.5, "op": "status"}),
        b"{]*%08x\n" % zlib.crc32(b"{]"),
        b"\xff\xfe*%08x\n" % zlib.crc32(b"\xff\xfe"),
        bytes(random.Random(1).randbytes(3000)).replace(b"\n", b"") + b"\n",
    ],
)
def test_what_is_no_valid_line_is_dropped_and_counted(bench: Bench, garbage: bytes) -> None:
    """H-12."""
    ready(bench)
    bench.host_write(garbage)
    bench.run_for(200)
    assert bench.ask("status")["ok"]["dropped_lines"] == 1


@pytest.mark.slow
@pytest.mark.hazard("H-12")
def test_a_line_of_a_megabyte_harms_nothing(bench: Bench) -> None:
    """H-12."""
    ready(bench)
    bench.host_write(b"x" * 1_000_000 + b"\n")
    assert bench.ask("status", timeout_ms=120000)["ok"]["dropped_lines"] == 1


def test_a_repeated_request_is_harmless(bench: Bench) -> None:
    ready(bench)
    request = line({"id": 77, "op": "set", "key": "volume", "value": 3})
    for _ in range(5):
        bench.host_write(request)
        bench.run_for(300)
    changes = [r for r in records(bench) if r.kind == SETTING]
    assert [r.values("old", "new", "by") for r in changes] == [(2, 3, 2)]


@pytest.mark.hazard("H-12")
def test_two_hosts_at_once_get_their_replies_or_a_counted_drop(bench: Bench) -> None:
    """H-12: interleaved lines are dropped, and none is misinterpreted."""
    ready(bench)
    a, b = line({"id": 1, "op": "status"}), line({"id": 2, "op": "hello"})
    bench.host_write(a[:9] + b[:14] + a[9:] + b[14:])
    bench.run_for(300)
    assert bench.ask("status")["ok"]["dropped_lines"] == 2


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.hazard("H-13")
def test_a_dose_setting_waits_for_the_operator(bench: Bench) -> None:
    """H-13."""
    ready(bench)
    reply = bench.ask("set", key="depth_um", value=3000)["ok"]
    assert reply["applied"] is False
    assert "SELECT" in reply["confirm"]
    assert bench.ask("get", key="depth_um")["ok"] == {
        "key": "depth_um",
        "value": 2300,
        "pending": 3000,
    }
    bench.press("select", 1200)
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 3000
    event = next(e for e in bench.events() if e["ev"] == "setting")
    assert event["applied"] is True
    assert event["why"] == "confirmed"
    assert [
        r.values("setting", "old", "new", "by") for r in records(bench) if r.kind == SETTING
    ] == [(1, 2300, 3000, 3)]


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("how", ["up", "arm", "trigger", "time", "estop"])
def test_a_change_that_is_not_confirmed_does_not_happen(bench: Bench, how: str) -> None:
    """H-13."""
    ready(bench)
    bench.ask("set", key="valve_close_lag_us", value=90000)
    if how == "time":
        bench.run_for(61000)
    elif how == "estop":
        bench.estop_open()
        bench.run_for(100)
    else:
        bench.press(how)
    assert bench.ask("get", key="valve_close_lag_us")["ok"] == {
        "key": "valve_close_lag_us",
        "value": 25000,
        "pending": None,
    }
    (event,) = [e for e in bench.events() if e["ev"] == "setting"]
    assert event["applied"] is False
    assert event["why"] == ("timed_out" if how == "time" else "rejected")
    assert [r.by for r in records(bench) if r.kind == SETTING] == [4]


@pytest.mark.hazard("H-13")
def test_no_arming_while_a_change_waits(bench: Bench) -> None:
    """H-13."""
    ready(bench)
    bench.ask("set", key="depth_um", value=3000)
    bench.press("arm", 1500)
    assert state(bench) == "READY"
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 2300


def test_one_change_at_a_time(bench: Bench) -> None:
    ready(bench)
    bench.ask("set", key="depth_um", value=3000)
    assert refused(bench, "set", key="applicator", value=2)["code"] == "busy"
    assert bench.ask("set", key="depth_um", value=3000)["ok"]["applied"] is False


@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("where", ["armed", "done", "fault"])
def test_settings_and_clock_change_in_ready_only(bench: Bench, where: str) -> None:
    """H-13: parameters are frozen at arming."""
    ready(bench)
    if where == "fault":
        bench.estop_open()
        bench.run_for(100)
    elif where == "armed":
        arm(bench)
    else:
        treat(bench)
    for op, arguments in (
        ("set", {"key": "volume", "value": 1}),
        ("time", {"utc_s": 1800000000}),
        ("maintenance", {}),
    ):
        error = refused(bench, op, **arguments)
        assert error["code"] == "state"
        assert "READY" in error["text"]


@pytest.mark.hazard("H-07")
def test_settings_survive_a_power_cut(bench: Bench) -> None:
    """H-07."""
    ready(bench)
    bench.ask("set", key="volume", value=3)
    bench.press("up")
    bench.run_for(3000)
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    assert bench.ask("get", key="volume")["ok"]["value"] == 3
    assert bench.ask("get", key="depth_um")["ok"]["value"] == 2400


@pytest.mark.hazard("H-20")
def test_the_clock_is_set_recorded_and_reported(bench: Bench) -> None:
    """H-20."""
    ready(bench)
    assert bench.ask("time")["ok"] == {"utc_s": 0, "source": "lost"}
    assert bench.ask("time", utc_s=1_800_000_000)["ok"]["utc_s"] == 1_800_000_000
    bench.run_for(5000)
    assert bench.ask("time")["ok"]["source"] == "host"
    assert 1_800_000_004 <= bench.ask("time")["ok"]["utc_s"] <= 1_800_000_006
    change = next(r for r in records(bench) if r.kind == TIME_SET)
    assert change.values("old_s", "new_s") == (0, 1_800_000_000)
    treat(bench)
    end = last(bench, FREEZE_END)
    assert 1_800_000_010 <= end.utc_s <= 1_800_000_030


# -- while it freezes -----------------------------------------------------------------------------


@pytest.mark.hazard("H-01", "H-12")
def test_a_freeze_under_flood_is_as_exact_as_one_without(bench: Bench) -> None:
    """H-12, H-01: valid requests, noise and huge lines continuously."""
    ready(bench)
    planned = gate_us(bench)
    arm(bench)
    freezing(bench)
    noise = random.Random(7)
    while not bench.valve_intervals():
        kind = noise.randrange(4)
        if kind == 0:
            bench.host_write(line({"id": 10**6 + noise.randrange(1000), "op": "status"}) * 5)
        elif kind == 1:
            bench.host_write(line({"id": 10**6, "op": "set", "key": "depth_um", "value": 3000}))
        elif kind == 2:
            bench.host_write(noise.randbytes(300))
        else:
            bench.host_write(b"y" * 2000)
        bench.run_for(97)
        bench.events()
    ((opened, closed),) = bench.valve_intervals()
    assert abs(closed - opened - planned * US) <= 5 * US
    bench.host_write(b"\n")
    until(bench, "DONE")
    bench.ask("hello", timeout_ms=60_000)  # after all that the host had written
    bench.host_read()
    end = next(r for r in records(bench) if r.kind == FREEZE_END)
    assert end.cause == COMPLETE
    assert bench.ask("get", key="depth_um")["ok"] == {
        "key": "depth_um",
        "value": 2300,
        "pending": None,
    }


@pytest.mark.hazard("H-12")
def test_status_and_nothing_else_is_answered_while_the_valve_is_open(bench: Bench) -> None:
    """H-12."""
    ready(bench)
    arm(bench)
    freezing(bench, 2000)
    status = bench.ask("status")["ok"]
    assert status["state"] == "FREEZING"
    assert status["valve"] == "open"
    assert 7000 < status["remaining_ms"] < 9500
    assert 1900 < status["elapsed_ms"] < 2200
    for op in (
        "hello",
        "get",
        "set",
        "log",
        "log_block",
        "time",
        "maintenance",
        "describe",
        "open",
    ):
        assert refused(bench, op)["code"] == "busy"
    until(bench, "DONE", 20000)


def with_journal(bench: Bench, count: int) -> Bench:
    """A device in READY whose journal has `count` records and those of this start."""
    ready(bench)
    serial = bench.ask("hello")["ok"]["serial"]
    bench.cut_power()
    bench.run_for(100)
    bench.write_files(journal_files(serial, count))
    bench.power_on()
    return ready(bench)


@pytest.mark.hazard("H-08")
def test_a_stream_of_chunks_brings_the_records_of_the_log(bench: Bench) -> None:
    """H-08: over the end of a segment (255 records), from any record on, and up to any."""
    with_journal(bench, 2 * SEGMENT + 3)
    journal = bench.log()
    assert bench.log_block() == journal
    assert bench.log_block(7, most=40) == journal[6:46]
    assert bench.log_block(len(journal) + 1) == []
    assert refused(bench, "log_block", **{"from": len(journal) + 2})["max"] == len(journal) + 1


@pytest.mark.hazard("H-12")
def test_a_request_is_answered_between_two_chunks(bench: Bench) -> None:
    """H-12. What is recorded meanwhile is not part of the stream."""
    with_journal(bench, 300)
    journal = bench.log()
    bench.host_write(line({"id": 7000, "op": "log_block", "from": 1, "max": 9999}))
    bench.host_write(line({"id": 7001, "op": "set", "key": "volume", "value": 3}))
    bench.host_write(line({"id": 7002, "op": "status"}))
    received: list[dict[str, Any]] = []
    reader = LineReader()

    def complete() -> bool:
        received.extend(reader.feed(bench.host_read()))
        return sum(len(m.get("records", b"")) for m in received) >= 64 * len(journal)

    assert bench.run_until(complete, 3000)
    kinds = [message.get("id", "chunk") for message in received if "ev" not in message]
    assert kinds[0] == 7000
    assert kinds.index(7002) < len(kinds) - 1, "the stream had ended before the request"
    assert b"".join(m["records"] for m in received if "chunk" in m) == b"".join(journal)
    assert {m["chunk"] for m in received if "chunk" in m} == {7000}
    assert not reader.noise


@pytest.mark.hazard("H-12")
def test_a_stream_ends_when_ready_is_left(bench: Bench) -> None:
    """H-12: a host that does not read leaves no stream behind that a freeze would have to send."""
    with_journal(bench, 300)
    bench.usb.reading = False
    bench.host_write(line({"id": 7000, "op": "log_block", "from": 1, "max": 9999}))
    bench.run_for(300)
    bench.hold("arm")
    bench.run_for(1500)
    bench.release("arm")
    bench.usb.reading = True
    bench.run_for(500)
    reader = LineReader()
    messages = list(reader.feed(bench.host_read()))
    assert sum("chunk" in message for message in messages) <= 1
    assert refused(bench, "log_block", **{"from": 1})["code"] == "state"


@pytest.mark.hazard("H-12")
def test_a_host_that_does_not_read_delays_no_freeze(bench: Bench) -> None:
    """H-12: the USB buffer fills up, and the loop continues."""
    ready(bench)
    planned = gate_us(bench)
    arm(bench)
    freezing(bench)
    for _ in range(90):
        bench.host_write(line({"id": 999, "op": "status"}))
        bench.run_for(100)
    bench.run_until(lambda: bool(bench.valve_intervals()), 5000)
    ((opened, closed),) = bench.valve_intervals()
    assert abs(closed - opened - planned * US) <= 5 * US
    until(bench, "DONE")
    bench.run_for(1000)
    assert bench.ask("status", timeout_ms=5000)["ok"]["faults"] == []


@pytest.mark.hazard("H-12")
def test_ctrl_c_is_a_byte_like_any_other(bench: Bench) -> None:
    """H-12."""
    ready(bench)
    planned = gate_us(bench)
    bench.host_write(b"\x03\x03\x04\x03")
    bench.run_for(500)
    arm(bench)
    freezing(bench, 500)
    bench.host_write(b"\x03" * 20)
    bench.run_until(lambda: bool(bench.valve_intervals()), 20000)
    ((opened, closed),) = bench.valve_intervals()
    assert closed - opened == planned * US


# -- maintenance ----------------------------------------------------------------------------------


def test_up_and_down_at_power_on_give_the_repl(bench: Bench) -> None:
    bench.hold("up")
    bench.hold("down")
    bench.estop_open()
    bench.power_on()
    bench.run_for(1000)
    assert b"maintenance" in bench.host_read()
    assert bench.wiring.driven(GATE) in (0, None)
    assert bench.wiring.driven(3) in (0, None)


def test_maintenance_over_the_link_ends_the_application(bench: Bench) -> None:
    ready(bench)
    reply = bench.ask("maintenance")["ok"]
    assert "REPL" in reply["text"]
    assert reply["applied"] is False
    bench.press("select", 1200)
    bench.run_for(2000)
    assert b"maintenance" in bench.host_read()
    assert not bench.wiring.driven(GATE)
    # A power cycle starts the application again.
    bench.cut_power()
    bench.run_for(100)
    ready(bench)
    assert [r.kind for r in records(bench)] == [1, 11, 1]
