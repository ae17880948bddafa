"""For all tests: the same examples on every run, and what may be missing on this computer.

A test marked `emulated` needs the official MicroPython image; a test that asks for `chromium`
needs that browser. Without it the test is skipped, and the last lines of the run say which tests
were not run, why, and how to get it.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from hw_sim.image import micropython

LONGEST = (
    "scenarios/test_page.py",
    "scenarios/test_update.py",
    "scenarios/test_real_interpreter.py",
)

# The same examples every time (a failure can be repeated, and a run does not depend on luck).
# To search further: HYPOTHESIS_PROFILE=search make test
hypothesis.settings.register_profile("default", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@cache
def image_problem() -> str:
    """Why the image cannot be used, or an empty string."""
    try:
        micropython.find_image()
    except (micropython.ImageMissing, micropython.ImageWrong) as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="session")
def micropython_image() -> Path:
    """Path of the official MicroPython image; skips the test where it is missing."""
    if image_problem():
        pytest.skip(image_problem())
    return micropython.find_image()


CHROMIUM_VARIABLE = "CRYODOSE_CHROMIUM"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_CHROMIUM = "no Chromium on this computer"


@cache
def find_chromium() -> str:
    """The browser's path, or an empty string. The variable counts more than what is installed."""
    named = os.environ.get(CHROMIUM_VARIABLE)
    if named:
        return named if os.access(named, os.X_OK) else ""
    return next((path for name in _CHROMIUM_NAMES if (path := shutil.which(name))), "")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; skips the test where there is none."""
    path = find_chromium()
    if not path:
        pytest.skip(NO_CHROMIUM)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of two workers begins with one of the longest tests (xdist deals out two halves).

    Tests on the emulated chip are skipped where the image is missing.
    """
    longest = [item for item in items if any(name in item.nodeid for name in LONGEST)]
    others = [item for item in items if item not in longest]
    room = len(items) // 2 - len(longest[0::2])
    items[:] = [*longest[0::2], *others[:room], *longest[1::2], *others[room:]]
    if not image_problem():
        return
    skip = pytest.mark.skip(reason=image_problem())
    for item in items:
        if item.get_closest_marker("emulated"):
            item.add_marker(skip)


def _missed(terminalreporter: pytest.TerminalReporter, problem: str, title: str) -> bool:
    """List the tests that were skipped for this reason. Whether there were any."""
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
    """Say plainly what was not run for want of something, and how to run it."""
    write = terminalreporter.write_line
    if _missed(terminalreporter, NO_CHROMIUM, "the page in a real browser"):
        named = os.environ.get(CHROMIUM_VARIABLE)
        if named:
            write(f"Why: {CHROMIUM_VARIABLE} names {named}, which cannot be run.")
        else:
            write("Why: there is no Chromium (or Chrome) on this computer's path.")
        write("To run them, on Debian or Ubuntu:  sudo apt install chromium && make test")
        write(f"or name one that you have:  {CHROMIUM_VARIABLE}=/path/to/it make test")
    if not _missed(terminalreporter, image_problem(), "the proof on real MicroPython"):
        return
    place = os.environ.get(micropython.IMAGE_VARIABLE) or str(micropython.cached_image())
    write("Why: the official MicroPython image is not there, or is another one.")
    write("To run them:  make micropython test     (downloads it, and checks its hash)")
    write("or, by hand:")
    write(f"  mkdir -p '{Path(place).parent}' && curl -fL -o '{place}' {micropython.IMAGE_URL}")
    write(f"or name a copy that you have:  {micropython.IMAGE_VARIABLE}=/path/to/it make test")


def pytest_sessionfinish() -> None:
    """Close the firmware's file of texts, if a test has had its rooms draw or speak."""
    texts = sys.modules.get("cryo.texts")
    if texts is not None and texts._now.file:
        texts._now.file.close()
