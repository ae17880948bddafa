"""The measurements of `make bench` with one sample each: they test the method, not the computer.

Limits that depend on the computer's speed are not checked here; those in virtual time are.
"""

from __future__ import annotations

import json

import pytest

from hw_sim import figure_table
from hw_sim.benchmarks import computer, valve
from hw_sim.benchmarks.__main__ import main
from hw_sim.benchmarks.scenes import Scene, flood, prepared

LIMIT_NS = 5_000


@pytest.fixture(scope="module")
def image() -> bytes:
    """The flash of an applicator set to 30 s."""
    return prepared(1, 30_000)


@pytest.mark.hazard("H-01", "H-12")
def test_open_time_is_the_planned_one_with_the_link_flooded() -> None:
    """H-01, H-12: lags and trim set, 17.3 s, a host that writes continuously."""
    (one,) = valve.openings(valve.VALVES[2], (17_300,), 1, seed=3)
    assert abs(one.dose_ms - 17_300) <= 20
    assert one.planned_us != one.dose_ms * 1000, "lags and trim are in the plan"
    assert abs(one.off_us) <= 5
    assert abs(one.dose_off_us) <= 5
    assert one.flood_bytes > 10_000
    assert one.screen_updates > 17


@pytest.mark.slow
@pytest.mark.hazard("H-01", "H-03", "H-11")
def test_closing_early(image: bytes) -> None:
    """H-03, H-01, H-11: E-stop idle, flooded and hung; trigger; dead-man."""
    for one in valve.estops(image, 3, seed=1):
        assert 0 < one.latency_ns <= LIMIT_NS
        assert 1 in one.faults
    for latency_ns in valve.release_latencies_ns(image, 2, seed=1):
        assert 0 < latency_ns <= 20_000_000
    for stopped in valve.dead_man_latencies(image, 2, seed=1):
        assert stopped.since_hang_ns <= stopped.since_top_up_ns <= 100_000_000


@pytest.mark.hazard("H-12")
def test_a_flood_on_the_link_delays_no_tick() -> None:
    """H-12: lines of every kind arrive; invalid lines are counted; the device stays ready."""
    scene = Scene()
    scene.switch_on()
    host, pieces = flood(scene.bench, 5)
    host.start()
    scene.bench.run_for(2_000)
    host.stop()
    status = scene.ok("status")
    assert status["state"] == "READY"
    assert pieces.requests > 20
    assert host.bytes > 5_000
    assert status["dropped_lines"] > 2


def test_a_whole_treatment_is_timed() -> None:
    run = computer.whole_treatment(*computer.twenty_seconds())
    assert 24 < run.virtual_s < 40
    assert 0 < run.wall_s
    assert run.records > 3


@pytest.mark.hazard("H-08")
def test_a_journal_written_by_the_firmware_is_pulled_whole() -> None:
    """H-08: a hundred records through `cryo log pull`; the stored records are verified again."""
    done = computer.pull(computer.full_journal(100))
    assert 100 <= done.stored < 120
    assert done.received == done.stored
    assert done.resent == 0


def test_a_missed_limit_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = figure_table.below("E-stop", 6.0, 5.0, "µs", "worst of 1", "a note")
    good = figure_table.below("trigger", 5.0, 5.0, "µs", "worst of 1", "a note")
    assert late.met is False
    assert good.met is True
    rows = [good]
    monkeypatch.setattr("hw_sim.benchmarks.__main__._GROUPS", {"closing": lambda: list(rows)})
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["met"] is True
    rows.append(late)
    assert main(["--markdown"]) == 1
    text = capsys.readouterr().out
    assert "| E-stop (1) | ≤ 5 µs | 6.0 µs | worst of 1 | MISSED |" in text
    assert text.count("a note") == 1
    assert main([]) == 1
    assert "MISSED" in capsys.readouterr().out
