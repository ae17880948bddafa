"""For all tests: the same examples on every run, and the official MicroPython image if it is here.

A test marked `emulated` needs the image. Without it the test is skipped, and the last lines of
the run say which tests were not run, why, and how to get it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from hw_sim import image

LONGEST = ("bench/test_real_interpreter.py", "bench/test_no_allocation.py")

# The same examples every time (a failure can be repeated, and a run does not depend on luck).
# To search further: HYPOTHESIS_PROFILE=search make test
hypothesis.settings.register_profile("default", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@cache
def image_problem() -> str:
    """Why the image cannot be used, or an empty string."""
    try:
        image.find_image()
    except (image.ImageMissing, image.ImageWrong) as problem:
        return str(problem)
    return ""


@pytest.fixture(scope="session")
def micropython_image() -> Path:
    """Path of the official MicroPython image; skips the test where it is missing."""
    if image_problem():
        pytest.skip(image_problem())
    return image.find_image()


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was not run for want of the image, and how to run it."""
    problem = image_problem()
    if not problem:
        return
    missed = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and problem in report.longrepr[2]
    ]
    if not missed:
        return
    write = terminalreporter.write_line
    terminalreporter.section("not run: the proof on real MicroPython", sep="-", yellow=True)
    for nodeid in missed:
        write(f"  {nodeid}")
    place = os.environ.get(image.IMAGE_VARIABLE) or str(image.cached_image())
    write("Why: the official MicroPython image is not there, or is another one.")
    write("To run them:  make micropython test     (downloads it, and checks its hash)")
    write("or, by hand:")
    write(f"  mkdir -p '{Path(place).parent}' && curl -fL -o '{place}' {image.IMAGE_URL}")
    write(f"or name a copy that you have:  {image.IMAGE_VARIABLE}=/path/to/it make test")
