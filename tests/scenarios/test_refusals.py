"""What the device refuses is recorded, and a host alone cannot fill the journal with it. H-25"""

from __future__ import annotations

import pytest

from hw_sim.bench import Bench, FastBench
from hw_sim.bench.journal_records import REFUSED
from tests.scenarios.conftest import ready, records

REQUESTS: dict[int, tuple[str, dict[str, object]]] = {
    1: ("table_remove", {"applicator": 1}),
    2: ("checklist_write", {"items": [{"kind": "avoid", "text": "Keloid before"}]}),
    3: ("operators", {"do": "add", "number": 3, "role": 1}),
    4: ("maintenance", {}),
    5: ("doctor", {"do": "begin"}),
}


def refused(bench: Bench) -> list[tuple[int, ...]]:
    return [one.args[:4] for one in records(bench) if one.kind == REFUSED]


@pytest.mark.hazard("H-25")
@pytest.mark.parametrize("what", REQUESTS)
def test_a_change_that_is_rejected_at_the_device_is_recorded(what: int) -> None:
    """H-25: each kind of change that a host can request; a setting has a record of its own."""
    bench = FastBench()
    ready(bench)
    op, arguments = REQUESTS[what]
    assert "ok" in bench.ask(op, **arguments)
    bench.run_for(300)
    assert refused(bench) == []
    bench.press("up")
    bench.run_for(300)
    assert refused(bench) == [(what, 1, 0, 0)]


@pytest.mark.slow
@pytest.mark.hazard("H-25")
def test_a_host_alone_cannot_fill_the_journal_with_refusals() -> None:
    """H-25: of those that nobody answers the 1st, 2nd, 4th and 8th is recorded."""
    bench = FastBench()
    ready(bench)
    for _ in range(9):
        assert "ok" in bench.ask("maintenance")
        bench.run_for(61_000)
    assert refused(bench) == [(4, 2, count, 0) for count in (1, 2, 4, 8)]
    assert "ok" in bench.ask("maintenance")
    bench.press("down")  # somebody is there: recorded each time
    bench.run_for(300)
    assert refused(bench)[-1] == (4, 1, 9, 0)
