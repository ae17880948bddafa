"""The benches on which the scenarios run, and what a scenario says often.

`pytest --bench fast` (default) or `--bench emulated`: the same scenario files on either. `--bench
/dev/ttyACM0` (or any URL of pyserial's): a board alone, of which only its link can be asked
(test_link_alone.py). A scenario that needs what a bench cannot do is skipped there, and listed.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Generator, Iterator, Mapping
from typing import Any, cast

import pytest

from hw_sim.bench import Bench, CapabilityMissing, FastBench, SimulatedBench
from hw_sim.bench.journal_records import (  # noqa: F401 (the scenarios take the kinds from here)
    ARMED,
    BOOT,
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
    OVERRUN,
    PLAN,
    PRECHILL_BEGIN,
    PRECHILL_END,
    SCREENING,
    SETTING,
    TABLE,
    THAW,
    TIME_SET,
    TREATMENT_END,
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
        "--patience", type=float, default=1.0, help="a board alone: how much slower than life it is"
    )


def pytest_configure(config: pytest.Config) -> None:
    kind = config.getoption("--bench")
    if kind not in SIMULATED and not any(mark in kind for mark in ("/", "COM")):
        raise pytest.UsageError(f"--bench {kind}: neither {' nor '.join(SIMULATED)} nor a port")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Another bench than the usual one: of the tests only those that have a bench to choose."""
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
    """What a bench cannot do is no failure of the firmware."""
    try:
        return (yield)
    except CapabilityMissing as lacking:
        pytest.skip(str(lacking))


def make_bench(kind: str, **options: Any) -> Bench:
    """A bench of a kind, switched off."""
    if kind == "fast":
        return FastBench(**options)
    from hw_sim.emulator import EmulatedBench

    return EmulatedBench(**options)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """A bench, switched off, on the kind that was asked for."""
    kind = request.config.getoption("--bench")
    if kind == "emulated":
        request.getfixturevalue("micropython_image")
    made: Any = make_bench(kind) if kind in SIMULATED else board(request, kind)
    for mark in request.node.iter_markers("needs"):
        missing = set(mark.args) - made.capabilities
        if missing:
            pytest.skip(f"the {kind} bench has no {', '.join(sorted(missing))}")
    return made


def board(request: pytest.FixtureRequest, url: str) -> BoardBench:
    """A board that is on already; its port is given back after the test."""
    made = BoardBench(url, patience=request.config.getoption("--patience"))
    request.addfinalizer(made.close)
    return made


COMPLETE, RELEASED, ESTOP, FAULTED, CANCELLED, COLD, RESET = range(1, 8)

# What `ready` sets on a device that has never been switched on, so that a scenario about
# something else is short: settings by their number (docs/protocol.md, "Settings on flash").
SHORT = {17: 0, 18: 0}  # prechill, screening
_SLOT_HEAD, _SLOT_ENTRY = struct.Struct("<4sHHI"), struct.Struct("<Hi")


def records(bench: Bench) -> list[Record]:
    """The whole journal over the link, its chain verified."""
    serial = bench.ask("hello")["ok"]["serial"]
    chain = chain_start(serial)
    raws: list[bytes] = []
    for page in bench.log_pages(timeout_ms=10000):
        assert base64.b64decode(page["anchor"]) == chain
        raws += records_of(page)
        chain = raws[-1][48:]
    try:
        return decode_chain(raws, serial)
    except BrokenChain as error:
        raise AssertionError(str(error)) from error


def state(bench: Bench) -> str:
    """The state that the device tells."""
    return bench.ask("status")["ok"]["state"]


def faults(bench: Bench) -> list[Fault]:
    """The faults that the device reports."""
    return [Fault(number) for number in bench.ask("status")["ok"]["faults"]]


def until(bench: Bench, wanted: str, timeout_ms: float = 5000, since: int = 0) -> None:
    """Run until the last state that the device told is `wanted`; events before `since` are old."""

    def there() -> bool:
        seen = [event for event in bench.events()[since:] if event["ev"] == "state"]
        return bool(seen) and seen[-1]["state"] == wanted

    assert bench.run_until(there, timeout_ms), f"not in {wanted}: {bench.events()[-4:]}"


def switch_on(bench: Bench, wanted: str) -> None:
    """Switch on and wait for the state that this start leads to."""
    since = len(bench.events())
    bench.power_on()
    until(bench, wanted, since=since)


def preset(bench: Bench, settings: Mapping[int, int]) -> None:
    """Put settings (by number) on a board's flash, as a device that was set up before has them."""
    body = _SLOT_HEAD.pack(b"CRYO", 1, len(settings), 1)
    body += b"".join(_SLOT_ENTRY.pack(number, value) for number, value in settings.items())
    files = {"settings_a.bin": body + struct.pack("<I", zlib.crc32(body))}
    if isinstance(bench, FastBench):
        bench.write_files(files)
        return
    from hw_sim.emulator import EmulatedBench
    from hw_sim.image import micropython

    assert isinstance(bench, EmulatedBench)
    bench.flash = micropython.build_filesystem({**bench.files(), **files})


def connected(bench: Bench) -> Bench:
    """A bench that is on and in READY, for scenarios that ask the link alone, on any bench."""
    return bench if isinstance(bench, BoardBench) else ready(bench)


def ready(bench: Bench, *, whole: bool = False) -> Bench:
    """Switch on and wait for READY.

    A device that is switched on for the first time gets the settings of `SHORT`, unless the
    scenario wants the `whole` treatment, as shipped.
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
    """From READY to ARMED by all that the device asks for on the way; nothing is held then."""
    operator(bench).arm()


def purge(bench: Bench) -> None:
    """Hold TRIGGER in PRECHILL until the purge has ended, and let go."""
    operator(bench).purge()


def freezing(bench: Bench, ms: float = 0) -> None:
    """Hold TRIGGER until the gate opens, and for `ms` longer."""
    assert operator(bench).pull_trigger() is not None, "the gate did not open"
    bench.run_for(ms)


def treat(bench: Bench, leads_to: str = "DONE") -> None:
    """Arm, freeze to the end, let go."""
    operator(bench).treat(leads_to)


def cold_line(bench: Bench) -> None:
    """A line and a nozzle at the temperature of liquid nitrogen, as after a long freeze."""
    bench.plant.line.wall_c = bench.plant.line.tip_c = -195.0


def planned_us(bench: Bench) -> int:
    """How long GATE was to be high in the newest treatment, by its `armed` record."""
    return last(bench, ARMED).planned_us


def gate_us(bench: Bench) -> int:
    """How long GATE will be high for the dose that READY shows, with the valve as shipped."""
    return bench.ask("status")["ok"]["dose_ms"] * 1000 + 12_000 - 25_000


def last(bench: Bench, kind: int) -> Record:
    """The newest record of a kind."""
    return [record for record in records(bench) if record.kind == kind][-1]
