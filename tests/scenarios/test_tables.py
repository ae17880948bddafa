"""Calibrated tables, from the host to activation: H-06, H-13."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.bench.journal_records import ARMED, TABLE, Record
from hw_sim.image.flash import Filesystem
from tests.scenarios.conftest import arm, faults, ready, records, state, switch_on, until
from tests.scenarios.fault_numbers import Fault

CALIBRATED = 1000
NUMBERS = {
    "h_w_m2k": 3300, "spread_permille": 60, "skin_ms": 260, "model": 2, "run": 17,
    "utc_s": 1_795_000_000, "author": "A. Technician",
}  # fmt: skip


def shipped(bench: Bench, applicator: int = 1) -> dict[str, Any]:
    return bench.ask("table_read", applicator=applicator)["ok"]


def stage(bench: Bench, part: float = 1.1, applicator: int = 1) -> list[list[int]]:
    """Send both curves, scaled by `part` from the active ones; returns them."""
    now = shipped(bench, applicator)
    curves = [[round(um * part) for um in now[key]] for key in ("um", "um_cold")]
    for target, um in enumerate(curves, 1):
        reply = bench.ask("table_curve", applicator=applicator, target=target, um=um)
        assert reply["ok"]["staged"] is True
    return curves


def offer(bench: Bench, applicator: int = 1, **change: Any) -> dict[str, Any]:
    return bench.ask("table_write", applicator=applicator, **NUMBERS | change)


def tables(bench: Bench) -> list[Record]:
    return [record for record in records(bench) if record.kind == TABLE]


def change_of(record: Record) -> tuple[int, ...]:
    return record.values("applicator", "by", "h_w_m2k", "run")


@pytest.mark.as_shipped
def test_a_table_is_in_force_after_confirmation_and_over_a_loss_of_power(bench: Bench) -> None:
    ready(bench)
    before = shipped(bench)
    assert before["source"] == "shipped"
    curves = stage(bench)
    reply = offer(bench)["ok"]
    assert reply["applied"] is False
    assert "SELECT" in reply["confirm"]
    assert offer(bench)["ok"] == reply, "idempotent"
    assert shipped(bench) == before, "not active yet"
    bench.press("select", 1200)
    now = shipped(bench)
    assert now["source"] == "calibrated"
    assert now["um"], now["um_cold"] == curves
    assert {key: now[key] for key in NUMBERS} == NUMBERS
    assert now["version"] == CALIBRATED + 17
    event = next(e for e in bench.events() if e["ev"] == "table")
    assert (event["applicator"], event["applied"], event["why"]) == (1, True, "confirmed")
    (record,) = tables(bench)
    assert change_of(record) == (1, 3, 3300, 17)
    depths_um = curves[0][7], curves[0][-1]
    assert record.values("date_s", "depth_10s_um", "depth_30s_um") == (1_795_000_000, *depths_um)
    row = next(r for r in bench.ask("describe", part="applicators")["ok"]["rows"] if r[0] == 1)
    assert row[2:4] == [curves[0][7], curves[0][-1]]
    assert "run 17" in row[4]
    assert offer(bench)["ok"]["applied"] is True, "the same table again needs no confirmation"
    if "power" in bench.capabilities:
        bench.cut_power()
        switch_on(bench, "READY")
        assert shipped(bench) == now


@pytest.mark.as_shipped
def test_a_dose_is_that_of_the_table_and_arming_records_which(bench: Bench) -> None:
    ready(bench)
    bench.ask("set", key="depth_um", value=2700)
    bench.press("select", 1200)
    before = bench.ask("status")["ok"]["dose_ms"]
    stage(bench)
    offer(bench)
    bench.press("select", 1200)
    after = bench.ask("status")["ok"]["dose_ms"]
    assert 10_000 <= after < before
    arm(bench)
    armed = next(record for record in records(bench) if record.kind == ARMED)
    assert armed.dose_ms == after
    assert armed.table_version == CALIBRATED + 17


@pytest.mark.as_shipped
@pytest.mark.hazard("H-13")
@pytest.mark.parametrize("how", ["rejected", "timed_out", "fault"])
def test_without_the_operator_s_word_nothing_changes(bench: Bench, how: str) -> None:
    """H-13."""
    ready(bench)
    before = shipped(bench)
    stage(bench)
    offer(bench)
    if how == "rejected":
        bench.press("down")
    elif how == "timed_out":
        bench.run_for(61_000)
    else:
        bench.estop_open()
        bench.run_for(100)
        bench.estop_close()
        bench.press("select", 2300)
    until(bench, "READY")
    assert shipped(bench) == before
    (record,) = tables(bench)
    assert change_of(record) == (1, 4, 3300, 17)
    event = next(e for e in bench.events() if e["ev"] == "table")
    assert event["why"] == ("timed_out" if how == "timed_out" else "rejected")


@pytest.mark.as_shipped
def test_a_table_is_removed_with_confirmation_too(bench: Bench) -> None:
    ready(bench)
    before = shipped(bench)
    assert bench.ask("table_remove", applicator=1)["ok"]["applied"] is True, "nothing to remove"
    stage(bench)
    offer(bench)
    bench.press("select", 1200)
    assert bench.ask("table_remove", applicator=1)["ok"]["applied"] is False
    assert shipped(bench)["source"] == "calibrated"
    bench.press("select", 1200)
    assert shipped(bench) == before
    assert [change_of(record) for record in tables(bench)] == [(1, 3, 3300, 17), (1, 3, 0, 0)]


@pytest.mark.as_shipped
@pytest.mark.hazard("H-06")
def test_what_is_refused_is_refused_with_the_reason(bench: Bench) -> None:
    """H-06: before confirmation is requested."""
    ready(bench)
    ask = bench.ask
    good = shipped(bench)["um"]

    def error(op: str, **arguments: Any) -> tuple[str, str]:
        error_body = ask(op, **arguments)["err"]
        return error_body["code"], error_body["text"]

    assert error("table_read", applicator=99)[0] == "range"
    assert error("table_read")[0] == "type"
    code, text = error("table_curve", applicator=1, target=1, um=good[:-1] + [good[-2]])
    assert (code, "not monotone" in text) == ("range", True)
    assert error("table_curve", applicator=1, target=1, um=[2 * um for um in good])[0] == "range"
    assert error("table_curve", applicator=1, target=1, um=good[:13])[0] == "range"
    assert error("table_curve", applicator=1, target=1, um="x")[0] == "bad_request"
    assert error("table_curve", applicator=1, target=1, um=[None] * 14)[0] == "type"
    assert error("table_write", applicator=1, **NUMBERS)[0] == "bad_request"
    stage(bench)
    assert error("table_write", applicator=2, **NUMBERS)[0] == "bad_request"
    assert "author" in error("table_write", applicator=1, **NUMBERS | {"author": "x" * 17})[1]
    assert error("table_write", applicator=1, **NUMBERS | {"run": "x"})[0] == "type"
    assert error("table_write", applicator=1, **NUMBERS | {"author": 3})[0] == "bad_request"
    assert tables(bench) == []


@pytest.mark.as_shipped
def test_one_change_at_a_time_waits_for_the_operator(bench: Bench) -> None:
    ready(bench)
    stage(bench)
    offer(bench)
    assert bench.ask("set", key="depth_um", value=2600)["err"]["code"] == "busy"
    assert offer(bench, run=18)["err"]["code"] == "busy"
    bench.press("down")
    bench.ask("set", key="depth_um", value=2600)
    assert offer(bench)["err"]["code"] == "busy"


@pytest.mark.as_shipped
def test_in_ready_only(bench: Bench) -> None:
    ready(bench)
    arm(bench)
    for op in ("table_curve", "table_write", "table_remove"):
        assert bench.ask(op, applicator=1)["err"]["code"] == "state"
    assert shipped(bench)["source"] == "shipped"


@pytest.mark.hazard("H-06", "H-07")
def test_two_damaged_slots_are_a_fault_and_the_shipped_tables_are_active() -> None:
    """H-06, H-07: no treatment uses a table that was not confirmed."""
    bench = FastBench(calibrated=False)
    ready(bench)
    before = shipped(bench)
    stage(bench)
    offer(bench)
    bench.press("select", 1200)
    bench.cut_power()
    filesystem = Filesystem(bench.flash)
    for name in ("/tables_a.bin", "/tables_b.bin"):
        filesystem.write_file(name, b"CRYT" + zlib.crc32(b"").to_bytes(4, "little") * 5)
    again = FastBench(flash=bench.flash)
    switch_on(again, "FAULT")
    assert faults(again) == [Fault.TABLES_LOST]
    again.press("select")
    assert state(again) == "READY"
    assert shipped(again) == before
