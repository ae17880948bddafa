"""The bench as a whole: two runs are the same to the byte; so is the trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.bench import FastBench


def treatment(seed: int) -> FastBench:
    bench = FastBench(seed=seed, trace=True)
    bench.power_on()
    assert bench.run_until(lambda: any(e.get("state") == "READY" for e in bench.events()), 5000)
    bench.press("up")
    bench.hold("arm")
    bench.run_for(1200)
    bench.release("arm")
    bench.run_for(200)
    for _ in range(6):
        bench.press("select")  # the checklist
    bench.hold("trigger")
    bench.run_for(3000)
    bench.release("trigger")
    bench.run_for(1000)
    return bench


def test_the_same_scenario_gives_the_same_trace(tmp_path: Path) -> None:
    files: list[bytes] = []
    flashes: list[bytes] = []
    for i in range(2):
        bench = treatment(7)
        trace = bench.trace
        assert trace is not None
        trace.write_vcd(tmp_path / f"{i}.vcd")
        files.append((tmp_path / f"{i}.vcd").read_bytes())
        flashes.append(bench.flash.image())
    assert files[0] == files[1]
    assert flashes[0] == flashes[1]
    other = treatment(8)
    assert other.trace is not None
    other.trace.write_vcd(tmp_path / "other.vcd")
    assert (tmp_path / "other.vcd").read_bytes() != files[0]  # other bounce, other noise


def test_a_trace_can_be_read_back(tmp_path: Path) -> None:
    from vcd.reader import TokenKind, tokenize

    bench = treatment(1)
    trace = bench.trace
    assert trace is not None
    path = tmp_path / "t.vcd"
    trace.write_vcd(path)
    ids: dict[str, str] = {}
    edges: list[tuple[int, str]] = []
    now = 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.VAR:
                ids[token.var.id_code] = token.var.reference
            elif token.kind is TokenKind.CHANGE_TIME:
                now = token.time_change
            elif token.kind is TokenKind.CHANGE_SCALAR:
                change = token.scalar_change
                if ids[change.id_code] == "VALVE_GATE":
                    edges.append((now, change.value))
    (opened, closed), *rest = bench.valve_intervals()
    assert not rest
    assert edges == [(0, "0"), (opened, "1"), (closed, "0")]
    assert trace.intervals("VALVE_GATE") == [(opened, closed)]


def test_two_benches_do_not_know_each_other() -> None:
    one, two = FastBench(seed=1), FastBench(seed=1)
    one.power_on()
    one.run_for(500)
    two.power_on()
    for _ in range(20):
        one.run_for(37)
        two.run_for(41)
    assert one.ask("status")["ok"]["state"] == two.ask("status")["ok"]["state"] == "READY"
    one.press("up")
    assert one.ask("status")["ok"]["depth_um"] != two.ask("status")["ok"]["depth_um"]


def test_unknown_buttons_and_mishaps_are_errors() -> None:
    bench = FastBench()
    with pytest.raises(KeyError):
        bench.hold("fire")
    with pytest.raises(KeyError):
        bench.mishap("meteorite")
