"""The benches on which the scenarios run, and common steps of scenarios.

`pytest --bench fast` (default) or `--bench emulated`: the same scenario files on both. `--bench
/dev/ttyACM0` (or any pyserial URL): a real board, of which only the link is used
(test_link_alone.py). A scenario that needs a capability the bench lacks is skipped and listed.
`--ticks-wrap MS`: on the fast bench `ticks_ms` wraps so long after each start (`make test-wrap`).
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping
from typing import Any, cast

import pytest

from hw_sim.bench import Bench, CapabilityMissing, FastBench, SimulatedBench, calibrated
from hw_sim.bench.journal_maker import JournalMaker
from hw_sim.bench.journal_records import (  # noqa: F401 (the scenarios take the kinds from here)
    ARMED,
    BOOT,
    CAUTION,
    CHECKLIST,
    DISARMED,
    ESTIMATE,
    FAULT,
    FAULT_CLEARED,
    FREEZE_BEGIN,
    FREEZE_END,
    FREEZE_LOST,
    ICE_FIELD,
    MAINTENANCE,
    OBSERVATION,
    OPERATOR,
    OVERRUN,
    PLAN,
    PRECHILL_BEGIN,
    PRECHILL_END,
    PRECHILL_LOST,
    RELEASED as LOG_RELEASED,
    SCREENING,
    SETTING,
    TABLE,
    THAW,
    TIME_SET,
    TREATMENT_END,
    WITNESS,
    BrokenChain,
    Record,
    chain_start,
    decode_chain,
)  # fmt: skip
from hw_sim.bench.link_client import records_of
from hw_sim.bench.operator import BenchOperator, Timing
from hw_sim.bench.serial_board import BoardBench
from tests.scenarios.fault_numbers import Fault

US = 1_000
MS = 1_000_000
SIMULATED = ("fast", "emulated")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench", default="fast", help="fast, emulated, or a port")
    parser.addoption(
        "--patience",
        type=float,
        default=1.0,
        help="a board alone: factor slower than real time",
    )
    parser.addoption(
        "--ticks-wrap", type=int, help="fast bench: ms from each start until ticks_ms wraps"
    )


def pytest_configure(config: pytest.Config) -> None:
    kind = config.getoption("--bench")
    if kind not in SIMULATED and not any(mark in kind for mark in ("/", "COM")):
        raise pytest.UsageError(f"--bench {kind}: neither {' nor '.join(SIMULATED)} nor a port")
    FastBench.wraps = config.getoption("--ticks-wrap")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With another bench than the default, select only the tests that use the `bench` fixture."""
    if config.getoption("--bench") == "fast":
        return
    scenarios = [item for item in items if "bench" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in scenarios])
    items[:] = scenarios


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    del item
    return (yield from skipped_where_impossible())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    del item
    return (yield from skipped_where_impossible())


def skipped_where_impossible() -> Generator[None, None, None]:
    """Skip on a missing capability of the bench, which is no failure of the firmware."""
    try:
        return (yield)
    except CapabilityMissing as error:
        pytest.skip(str(error))


def make_bench(kind: str, **options: Any) -> Bench:
    """A bench of this kind, switched off."""
    if kind == "fast":
        return FastBench(**options)
    from hw_sim.emulator import EmulatedBench

    return EmulatedBench(**options)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """A bench of the requested kind, switched off."""
    kind = request.config.getoption("--bench")
    if kind == "emulated":
        request.getfixturevalue("micropython_image")
    options = {"calibrated": False} if request.node.get_closest_marker("as_shipped") else {}
    bench: Any = make_bench(kind, **options) if kind in SIMULATED else board(request, kind)
    for mark in request.node.iter_markers("needs"):
        missing = set(mark.args) - bench.capabilities
        if missing:
            pytest.skip(f"the {kind} bench has no {', '.join(sorted(missing))}")
    return bench


def board(request: pytest.FixtureRequest, url: str) -> BoardBench:
    """A board that is already on; its port is closed after the test."""
    bench = BoardBench(url, patience=request.config.getoption("--patience"))
    request.addfinalizer(bench.close)
    return bench


COMPLETE, RELEASED, ESTOP, FAULTED, CANCELLED, COLD = range(1, 7)

# Settings by number that `ready` presets on a new device, to keep scenarios about other things
# short (docs/protocol.md, "Settings on flash").
SHORT = {17: 0, 18: 0}  # prechill, screening


def records(bench: Bench) -> list[Record]:
    """The complete journal over the link, from the oldest record that the device still has, its
    chain verified."""
    serial = bench.ask("hello")["ok"]["serial"]
    chain = anchor = chain_start(serial)
    first = 1
    raws: list[bytes] = []
    for page in bench.log_pages(timeout_ms=10000):
        if not raws and page["first"] > 1:
            first = page["first"]
            chain = anchor = base64.b64decode(page["anchor"])
        assert base64.b64decode(page["anchor"]) == chain
        raws += records_of(page)
        chain = raws[-1][48:]
    try:
        return decode_chain(raws, serial, first=first, anchor=anchor)
    except BrokenChain as error:
        raise AssertionError(str(error)) from error


def state(bench: Bench) -> str:
    """The state in the device's `status`."""
    return bench.ask("status")["ok"]["state"]


def faults(bench: Bench) -> list[Fault]:
    """The faults in the device's `status`."""
    return [Fault(number) for number in bench.ask("status")["ok"]["faults"]]


def until(bench: Bench, target: str, timeout_ms: float = 5000, since: int = 0) -> None:
    """Run until the last state reported is `target`; events before index `since` are ignored."""

    def reached() -> bool:
        states = [event for event in bench.events()[since:] if event["ev"] == "state"]
        return bool(states) and states[-1]["state"] == target

    assert bench.run_until(reached, timeout_ms), f"not in {target}: {bench.events()[-4:]}"


def switch_on(bench: Bench, target: str) -> None:
    """Switch on and wait for a state."""
    since = len(bench.events())
    bench.power_on()
    until(bench, target, since=since)


def preset(
    bench: Bench,
    settings: Mapping[int, int],
    more: Mapping[str, bytes] = {},
) -> None:
    """Write settings (by number) and `more` files to the flash of a bench, as if set up before."""
    bench.write_files({**calibrated.settings(settings), **more})


def connected(bench: Bench) -> Bench:
    """A bench that is on and in READY, for scenarios that use only the link, on any bench."""
    return bench if isinstance(bench, BoardBench) else ready(bench)


SEGMENT = 255
"""Records of a file of the journal, by docs/protocol.md."""


def journal_of(serial: str, count: int) -> list[bytes]:
    """The bytes of a journal of `count` records."""
    maker = JournalMaker(serial)
    for _ in range(count):
        maker.pass_s(0.001)
        maker.add("setting", 4, 1, 2, 1)
    return maker.raws


def journal_files(serial: str, count: int) -> dict[str, bytes]:
    """The files of that journal."""
    raws = journal_of(serial, count)
    return {
        f"journal/{first + 1:08d}": b"".join(raws[first : first + SEGMENT])
        for first in range(0, count, SEGMENT)
    }


def ready(bench: Bench, *, whole: bool = False) -> Bench:
    """Switch on and wait for READY.

    A device that is switched on for the first time gets the settings of `SHORT`, unless the
    scenario needs the `whole` treatment as shipped.
    """
    if not whole and bench.clock.now_ns == 0:
        names = bench.files().keys()
        if not any(name.startswith(("settings_", "journal")) for name in names):
            preset(bench, SHORT)
    switch_on(bench, "READY")
    return bench


def operator(bench: Bench) -> BenchOperator[SimulatedBench]:
    """An operator who presses as soon as the device has reported."""
    timing = Timing(rest_ms=bench.settle_ms, let_go_ms=150, purged_ms=None)
    return BenchOperator(cast(SimulatedBench, bench), timing)


def told(bench: Bench) -> str:
    """The state that the device reported last."""
    return operator(bench).state


def arm(bench: Bench) -> None:
    """Go from READY to ARMED with all steps that the device requests; no button is held then."""
    operator(bench).arm()


def purge(bench: Bench) -> None:
    """Hold TRIGGER in PRECHILL until the purge has ended, and release it."""
    operator(bench).purge()


def freezing(bench: Bench, ms: float = 0) -> None:
    """Hold TRIGGER until the gate opens, and for `ms` longer."""
    assert operator(bench).pull_trigger() is not None, "the gate did not open"
    bench.run_for(ms)


def treat(bench: Bench, leads_to: str = "DONE") -> None:
    """Arm, freeze to the end, release TRIGGER."""
    operator(bench).treat(leads_to)


def cold_line(bench: Bench) -> None:
    """Set line and nozzle to the temperature of liquid nitrogen, as after a long freeze."""
    bench.plant.line.wall_c = bench.plant.line.tip_c = -195.0


def planned_us(bench: Bench) -> int:
    """Planned high time of GATE in the newest treatment, from its `armed` record."""
    return last(bench, ARMED).planned_us


def gate_us(bench: Bench) -> int:
    """High time of GATE for the dose shown in READY, with the valve as shipped."""
    return bench.ask("status")["ok"]["dose_ms"] * 1000 + 12_000 - 25_000


def last(bench: Bench, kind: int) -> Record:
    """The newest record of a kind."""
    return [record for record in records(bench) if record.kind == kind][-1]
