"""Screenshot and measurements of the page in a browser, for the documentation.

    python -m hw_sim.artwork.web_page docs/panel.png       take the screenshot
    python -m hw_sim.artwork.web_page --measure [SECONDS] [OPTIONS of cryo panel]
                                                        press to pixel, and memory over SECONDS

Needs Chromium and Playwright (of the group `test`). The measurements depend on the computer and its
load. May import the standard library, Playwright, and of hw_sim only `page_operator`, so that it
uses the page like a user.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from hw_sim.artwork.page_operator import WATCH_PRESSES, PageOperator

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PRESSES = 40
"""Number of presses per round; the first round includes the page's first press."""

ROUNDS = 3
LIMIT_MS = 100.0
_START_S = 90.0

STILL = """() => new Promise((still) => {
  let waiting = setTimeout(still, 150);
  cryoBench.addEventListener("pixels", () => {
    clearTimeout(waiting); waiting = setTimeout(still, 150);
  });
})"""
"""Waits until the screen is complete; its pages arrive one after the other."""


@contextmanager
def served(*options: str) -> Generator[tuple[str, int]]:
    """Serve the page in a separate process: its address and process id."""
    command = [sys.executable, "-m", "host_tools", "panel", "--no-browser", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        until_s = time.monotonic() + _START_S
        match = None
        while match is None and time.monotonic() < until_s and process.poll() is None:
            match = re.search(r"http://\S+", process.stdout.readline())
        if match is None:
            process.kill()
            raise SystemExit("the page was not served")
        try:
            yield match.group(), process.pid
        finally:
            process.terminate()
            process.communicate(timeout=20)


@contextmanager
def opened(address: str, width: int = 1440, height: int = 790) -> Generator[Any]:
    """Open the page in headless Chromium, with the device in READY."""
    from playwright.sync_api import sync_playwright

    path = next((p for n in ("chromium", "chromium-browser") if (p := shutil.which(n))), None)
    if path is None:
        raise SystemExit("Chromium is not installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        page.wait_for_function("window.cryoBench?.front?.state === 'READY'", timeout=300_000)
        yield page
        browser.close()


def photograph(path: Path) -> None:
    """Take a screenshot of the page during a freeze."""
    with served("--web", "8980", "--tcp", "8990") as (address, _pid), opened(address) as page:
        operator = PageOperator(page, aims=True)
        operator.arm()
        operator.open_valve()
        page.wait_for_function("cryoBench.skin.m25_mm > 1.6")
        page.evaluate(STILL)
        page.screenshot(path=str(path))
        page.keyboard.up(" ")


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    match = re.search(r"VmRSS:\s+(\d+)", status)
    return int(match.group(1)) / 1024 if match else 0.0


def load() -> str:
    """The computer's load averages."""
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def press(page: Any, name: str) -> float:
    """Press once with the mouse; the page stores the time in `took`. Returns the bench's speed."""
    page.get_by_role("button", name=name + " button").hover()
    before = page.evaluate("took.length")
    page.mouse.down()
    page.wait_for_function("before => took.length > before", arg=before, timeout=120_000)
    page.mouse.up()
    # Wait until the button is released and has been processed, however slow the bench is.
    page.wait_for_function("!cryoBench.front.held.length", timeout=120_000)
    page.wait_for_function(
        "t => cryoBench.plant.t_ms > t + 150",
        arg=page.evaluate("cryoBench.plant.t_ms"),
        timeout=120_000,
    )
    return float(page.evaluate("cryoBench.plant.reached"))


def spread(took: list[float]) -> str:
    """A distribution as text."""
    row = sorted(took)
    return (
        f"median {median(row):.0f}, 90 % {row[int(0.9 * len(row))]:.0f}, longest {row[-1]:.0f} ms; "
        f"{sum(each > LIMIT_MS for each in row)} of {len(row)} over {LIMIT_MS:.0f}"
    )


def press_to_pixel(page: Any) -> None:
    """Measure the time from the mouse event to the frame that shows it, in several rounds."""
    page.evaluate(WATCH_PRESSES)
    page.wait_for_timeout(1000)
    all_rounds: list[float] = []
    for number in range(1, ROUNDS + 1):
        page.evaluate("took.length = 0")
        before = load()
        reached = [press(page, ("UP", "DOWN")[i % 2]) for i in range(PRESSES)]
        took = page.evaluate("took")
        all_rounds += took
        print(
            f"press to pixel {number}: {spread(took)}; bench at {median(reached):.2f} x, "
            f"load {before}, then {load()}",
            flush=True,
        )
    print(f"press to pixel: {spread(all_rounds)} (limit: all within {LIMIT_MS:.0f})")


def treat(page: Any) -> None:
    """One treatment from READY to READY."""
    operator = PageOperator(page, aims=True)
    operator.treat()
    operator.back_to_ready()
    if page.evaluate("cryoBench.plant.level_permille") < 300:
        page.get_by_role("button", name="Fill the dewar").click()
        page.evaluate("document.activeElement.blur()")


def memory(page: Any, pid: int, seconds: float) -> None:
    """Measure the memory of server and page during consecutive treatments at 10 x.

    No faster: the line stays cold for some seconds, in which TRIGGER must be pressed.
    """
    slider = page.locator(".pace .q-slider__track-container")
    slider.press("PageUp")
    page.evaluate("document.activeElement.blur()")
    session = page.context.new_cdp_session(page)
    began_s = next_s = time.monotonic()
    treatments = 0
    while time.monotonic() - began_s < seconds:
        if time.monotonic() >= next_s:
            session.send("HeapProfiler.collectGarbage")
            heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
            counts = session.send("Memory.getDOMCounters")
            print(
                f"{time.monotonic() - began_s:6.0f} s  device's time "
                f"{page.evaluate('cryoBench.plant.t_ms') / 60e3:6.1f} min  "
                f"treatments {treatments:3d}  server {rss_mb(pid):6.1f} MB  "
                f"page: heap {heap:5.1f} MB, {counts['nodes']} nodes, "
                f"{counts['jsEventListeners']} listeners",
                flush=True,
            )
            next_s += max(20.0, seconds / 30)
        treat(page)
        treatments += 1


def measure(seconds: float, *options: str) -> None:
    """Measure press to pixel in real time, then memory for `seconds` if above 0."""
    with (
        served("--web", "8980", "--tcp", "8990", *options) as (address, pid),
        opened(address) as page,
    ):
        press_to_pixel(page)
        if seconds > 0:
            memory(page, pid, seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        rest = sys.argv[2:]
        measure(float(rest[0]) if rest else 120.0, *rest[1:])
    else:
        photograph(Path(sys.argv[1]))
