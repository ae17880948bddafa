"""Detection times and false alarms under interference, shortened from docs/detection.md. H-10"""

from __future__ import annotations

import random

import pytest

from hw_sim.benchmarks import detection


@pytest.fixture(scope="module")
def flash() -> bytes:
    return detection.prepared(detection.APPLICATOR, detection.DOSE_MS)


@pytest.mark.hazard("H-05", "H-10")
@pytest.mark.parametrize("case", detection.CASES, ids=lambda case: case.signal)
def test_each_fault_is_latched_in_time_with_and_without_interference(
    flash: bytes, case: detection.Case
) -> None:
    """H-05, H-10: noise, offset and spikes neither hide a fault nor delay it beyond its bound."""
    draw = random.Random(1)
    for disturbance in (None, detection.everything(draw)):
        assert 0 < detection.detection_ms(flash, case, 1, disturbance) <= case.limit_ms


@pytest.mark.hazard("H-10")
@pytest.mark.parametrize("kind", detection.INTERFERENCE)
def test_interference_latches_nothing(flash: bytes, kind: str) -> None:
    """H-10: no false alarm in three minutes of READY and two freezes."""
    alarms = detection.alarms(flash, kind, 0.05, 2)
    assert alarms.ready == ()
    assert alarms.freezing == ()


def test_interference_that_lasts_is_a_fault(flash: bytes) -> None:
    """The disturbances reach the firmware: half of the samples disturbed latch a fault."""
    draw = random.Random(2)
    scene = detection.scene(
        flash, 1, lambda _channel, mv: draw.choice((0.0, mv))
    )  # fmt: skip
    scene.wait(5_000)
    assert detection.faults_of(scene)


def test_the_page_reports_a_missed_limit() -> None:
    case = detection.CASES[0]
    late = detection.Detected(case, (case.limit_ms + 1,), (1.0,))
    good = detection.Detected(case, (case.limit_ms,), (1.0,))
    assert "MISSED" in detection.page([late], [], 1)
    assert "MISSED" not in detection.page([good], [], 1)
