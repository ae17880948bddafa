"""Configuration of all tests: deterministic examples, optional dependencies, order of the tests.

A test marked `emulated` needs the official MicroPython image; a test that uses the fixture
`chromium` needs that browser. Without it the test is skipped, and the summary lists the tests that
were not run, the reason, and how to run them.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from hw_sim.image import micropython
from tests.rules import hazard_matrix

LONGEST = (
    "scenarios/test_real_interpreter.py",
    "scenarios/test_update.py",
    "scenarios/test_panel_time.py",
    "scenarios/test_link_alone.py",
)
SLOW = ("model", "proofs", "unit/emulator")
"""Folders below tests/ that derive physics again, prove, or try the emulator itself: all `slow`."""
LEFT = {
    "nightly": "make test-nightly",
    "slow": "make test-slow",
    "browser": "make test-slow",
    "emulated": "make test-slow",
}
"""Marks that `make test` excludes, and the command that runs them."""
left_out: Counter[str] = Counter()

# The same examples in every run, so that failures are reproducible.
# To search further: HYPOTHESIS_PROFILE=search make test
hypothesis.settings.register_profile("default", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# No test signs with a key of the person who runs it.
os.environ["CRYO_KEYS"] = str(Path(__file__).with_name("no-keys"))


@cache
def image_problem(name: str = "") -> str:
    """Why a MicroPython image (default: the one in use) is not usable, or an empty string."""
    try:
        micropython.find_image(name)
    except (micropython.ImageMissing, micropython.ImageWrong) as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="session")
def micropython_image() -> Path:
    """Path of the official MicroPython image; skips the test if it is missing."""
    if image_problem():
        pytest.skip(image_problem())
    return micropython.find_image()


@pytest.fixture(scope="session", params=micropython.IMAGES)
def any_micropython(request: pytest.FixtureRequest) -> Path:
    """Path of each supported MicroPython image in turn; skips the test if that one is missing."""
    if image_problem(request.param):
        pytest.skip(image_problem(request.param))
    return micropython.find_image(request.param)


CHROMIUM_VARIABLE = "CRYODOSE_CHROMIUM"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_CHROMIUM = "no Chromium on this computer"


@cache
def find_chromium() -> str:
    """The browser's path, or an empty string. The variable has priority over an installed one."""
    named = os.environ.get(CHROMIUM_VARIABLE)
    if named:
        return named if os.access(named, os.X_OK) else ""
    return next((path for name in _CHROMIUM_NAMES if (path := shutil.which(name))), "")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; skips the test if there is none."""
    path = find_chromium()
    if not path:
        pytest.skip(NO_CHROMIUM)
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hazard", help="only the tests that prove a control of this hazard: H-05")


def pytest_configure(config: pytest.Config) -> None:
    number = config.getoption("--hazard")
    if number is not None and number not in hazard_matrix.hazards():
        raise pytest.UsageError(f"no hazard {number}; there are:\n{hazard_matrix.listed()}")


def proves(item: pytest.Item, number: str) -> bool:
    return any(number in mark.args for mark in item.iter_markers("hazard"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the folders of `SLOW`; order the tests.

    The first worker begins with the page, the second with the longest others.

    xdist distributes equal parts, and an idle worker steals from the end of another's part. All
    tests of the page run in one worker, since each worker with one starts a server and a browser.

    Tests on the emulated chip are skipped if the image is missing.
    """
    for item in items:
        if item.nodeid.startswith(tuple(f"tests/{folder}/" for folder in SLOW)):
            item.add_marker(pytest.mark.slow)
    number = config.getoption("--hazard")
    if number is not None:
        config.hook.pytest_deselected(items=[one for one in items if not proves(one, number)])
        items[:] = [item for item in items if proves(item, number)]
    page = [item for item in items if item.get_closest_marker("browser")]
    longest = [item for item in items if any(name in item.nodeid for name in LONGEST)]
    first = {*page, *longest}
    others = [item for item in items if item not in first]
    workers = getattr(config, "workerinput", {}).get("workercount", 2)
    share = max(len(items) // workers - len(page), 0)
    items[:] = [*page, *others[:share], *longest, *others[share:]]
    if not image_problem():
        return
    skip = pytest.mark.skip(reason=image_problem())
    for item in items:
        if item.get_closest_marker("emulated"):
            item.add_marker(skip)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the tests excluded by their mark, not those deselected by name."""
    for item in items:
        expression = item.config.getoption("-m") or ""
        for mark in LEFT:
            if f"not {mark}" in expression and item.get_closest_marker(mark):
                left_out[mark] += 1
                break


def pytest_collection_finish() -> None:
    """Freeze all objects so far: CPython's collector would traverse them in every test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the count of one worker: each worker of xdist has collected all tests."""
    left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}) if not left_out else {})


def _missed(terminalreporter: pytest.TerminalReporter, problem: str, title: str) -> bool:
    """List the tests that were skipped for this reason. Returns whether there were any."""
    missed = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", [])
        if problem and isinstance(report.longrepr, tuple) and problem in report.longrepr[2]
    ]
    if missed:
        terminalreporter.section(f"not run: {title}", sep="-", yellow=True)
        for nodeid in missed:
            terminalreporter.write_line(f"  {nodeid}")
    return bool(missed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that were not run, with the reason and how to run them."""
    write = terminalreporter.write_line
    for mark, number in left_out.items():
        write(f"not run: {number} tests marked {mark}; to run them: {LEFT[mark]}")
    if _missed(terminalreporter, NO_CHROMIUM, "the page in a real browser"):
        named = os.environ.get(CHROMIUM_VARIABLE)
        if named:
            write(f"Reason: {CHROMIUM_VARIABLE} is {named}, which is not executable.")
        else:
            write("Reason: no Chromium (or Chrome) on the path.")
        write("To run them, on Debian or Ubuntu:  sudo apt install chromium && make test-slow")
        write(f"or give its path:  {CHROMIUM_VARIABLE}=/path/to/chromium make test-slow")
    problems = {image_problem(): micropython.IMAGE_NAME}
    problems |= {image_problem(name): name for name in micropython.IMAGES}
    problems.pop("", None)
    missing = [
        name for problem, name in problems.items()
        if _missed(terminalreporter, problem, f"the tests on MicroPython {name}")
    ]  # fmt: skip
    if not missing:
        return
    write("Reason: the official MicroPython image is missing, or its hash is wrong.")
    write("To run them:  make micropython test-slow     (downloads them and checks their hashes)")
    write("or, by hand:")
    for name in missing:
        place = micropython.cached_image(name)
        url = micropython.DOWNLOADS + name
        write(f"  mkdir -p '{place.parent}' && curl -fL -o '{place}' {url}")
    write(f"or give its path:  {micropython.IMAGE_VARIABLE}=/path/to/image make test-slow")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close the firmware's text file if a test has opened it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(left_out)
    texts = sys.modules.get("cryo.texts")
    if texts is not None and texts._now.file:
        texts._now.file.close()
