"""The page in headless Chromium, operated through its visible elements.

Skipped without Chromium; the last lines of the test run report this and how to install it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from hw_sim.artwork.page_operator import WATCH_PRESSES, PageOperator
from hw_sim.web.scenario import load

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
pytestmark = pytest.mark.browser
START_S = 60.0
LATENCY_MS = 100.0
WIDTH = 1440  # px


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now: other runs of these tests may be going on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def serve(web: int, tcp: int) -> tuple[subprocess.Popen[str], str]:
    """Start `cryo panel` on these ports. Returns the process and the page's address."""
    # NiceGUI behaves differently when it detects pytest.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    process = subprocess.Popen(
        [sys.executable, "-m", "host_tools", "panel", "--no-browser", "--web", str(web),
         "--tcp", str(tcp)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while line := process.stdout.readline():  # it says why not, and ends, if it cannot
        if match := re.search(r"http://\S+", line):
            return process, match.group()
    process.kill()
    process.communicate(timeout=20)
    raise AssertionError("the page was not served")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of the page on the fast bench."""
    process, address = serve(*free_ports(2))
    yield address
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """The page at a window size; collects its errors and its foreign requests."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._on_request)
        self.page.goto(address)
        self.page.wait_for_function("window.cryoBench?.front?.state")
        if self.state != "READY":  # left in another state by the previous test
            self.new_device()

    def new_device(self) -> None:
        session = self.page.evaluate("cryoBench.session")
        self.page.get_by_role("button", name="Session").click()
        self.page.get_by_role("button", name="New device").click()
        self.page.wait_for_function(
            "before => cryoBench.session > before && cryoBench.front.state === 'READY'", arg=session
        )
        self.page.get_by_role("button", name="Close").click()

    def check(self) -> None:
        assert self.complaints == []
        assert self.foreign == [], "everything comes from this computer"

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.address, self.address.replace("http", "ws"), "data:")):
            self.foreign.append(request.url)

    @property
    def state(self) -> str:
        return str(self.page.evaluate("cryoBench.front.state"))

    def tenfold(self) -> None:
        """Ten times as fast: 1 ×, 10 ×, 100 ×."""
        label = self.page.locator(".pace-label")
        before = label.inner_text()
        self.page.locator(".pace input").press("PageUp")
        self.page.wait_for_function(
            "before => document.querySelector('.pace-label').textContent != before", arg=before
        )
        self.page.evaluate("document.activeElement.blur()")


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Shared: its cache halves the time in which a page is loaded."""
    context = browser.new_context(viewport={"width": WIDTH, "height": 900})
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, address: str) -> Iterator[Visit]:
    visit = Visit(context, address)
    yield visit
    visit.page.close()
    visit.check()


def test_a_press_is_seen_within_100_ms(visit: Visit) -> None:
    """From the mouse event to the redrawn canvas, in the browser."""
    page = visit.page
    page.evaluate(WATCH_PRESSES)
    visit.new_device()
    page.wait_for_timeout(600)
    for name in ("UP", "DOWN", "UP", "DOWN", "UP", "DOWN"):
        before = page.evaluate("took.length")
        page.locator(f"[data-key={name.lower()}]").hover()
        page.mouse.down()
        page.wait_for_function("before => took.length > before", arg=before)
        page.mouse.up()
        page.wait_for_timeout(200)
    took = page.evaluate("took")
    print(f"press to pixel, ms: {[round(ms) for ms in took]}, median {median(took):.0f}")
    # Check the fastest, so that load on the computer does not fail the test.
    assert min(took) <= LATENCY_MS, took


def test_the_first_press_does_not_wait_for_the_sound(visit: Visit) -> None:
    """A browser needs some 60 ms to start sound, and requires a gesture first."""
    page = visit.page
    page.evaluate(
        """() => {
          window.order = [];
          const Real = window.AudioContext;
          window.AudioContext = class extends Real {
            constructor() { super(); window.order.push("sound"); }
          };
          const real = cryoBench.do;
          cryoBench.do = (...what) => { window.order.push(what[0]); real.apply(cryoBench, what); };
        }"""
    )
    before = page.evaluate("cryoBench.pixels.join()")
    page.locator("[data-key=up]").hover()
    page.mouse.down()
    page.wait_for_function("before => cryoBench.pixels.join() !== before", arg=before)
    page.wait_for_function("order.includes('sound')")
    page.mouse.up()
    assert page.evaluate("order[0]") == "hold"


def test_what_was_clicked_does_not_keep_the_keys(visit: Visit) -> None:
    """After a switch in the drawer Space is TRIGGER, and Escape is the E-stop everywhere."""
    page = visit.page
    page.get_by_role("button", name="Faults").click()
    switch = page.get_by_role("switch", name="The level probe's wire is broken")
    switch.click()
    page.wait_for_function("cryoBench.log.some(row => row[3] === 'level probe broken')")
    page.keyboard.down(" ")
    page.wait_for_function("cryoBench.front.held.includes('trigger')")
    page.keyboard.up(" ")
    page.wait_for_function("!cryoBench.front.held.length")
    assert switch.get_attribute("aria-checked") == "true"
    switch.focus()
    page.keyboard.press(" ")  # focused with Tab, Space toggles the switch
    page.wait_for_function("cryoBench.log.some(row => row[3] === 'level probe broken: repaired')")
    assert page.evaluate("cryoBench.front.held") == []
    page.keyboard.press("Escape")
    page.wait_for_function("cryoBench.front.estop_open")
    page.keyboard.press("r")
    page.wait_for_function("!cryoBench.front.estop_open")


def test_the_nozzle_is_pointed_by_keys_as_in_any_group(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("radio", name="at the skin").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("cryoBench.front.aimed_away")
    assert page.get_by_role("radio", name="pointed away").get_attribute("aria-checked") == "true"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("!cryoBench.front.aimed_away")
    assert page.evaluate("cryoBench.front.held") == []


def test_a_finger_holds_a_button_and_two_fingers_two(browser: Browser, address: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(address)
    page.wait_for_function("window.cryoBench?.front?.state")
    session = context.new_cdp_session(page)

    def touch(*names: str) -> None:
        points: list[dict[str, float]] = []
        for number, name in enumerate(names):
            box = page.locator(f"[data-key={name.lower()}]").bounding_box()
            assert box is not None
            points.append({"x": box["x"] + 20, "y": box["y"] + 20, "id": number})
        kind = "touchStart" if points else "touchEnd"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("UP")
    page.wait_for_function("cryoBench.front.held.join() === 'up'")
    page.wait_for_timeout(900)  # longer than a browser's long press
    assert page.evaluate("cryoBench.front.held.join()") == "up"
    touch("UP", "DOWN")
    page.wait_for_function("cryoBench.front.held.join() === 'down,up'")
    touch()
    page.wait_for_function("!cryoBench.front.held.length")
    assert not page.locator(".hint").is_visible()  # the key hints: a telephone has no keys
    context.close()


def test_a_recording_is_saved_and_played_again_and_again(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.new_device()
    page.keyboard.press("ArrowUp", delay=90)
    page.get_by_role("button", name="Session").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the recording").click()
    path = tmp_path / "session.toml"
    download.value.save_as(path)
    assert [step.do for step in load(path).steps] == ["power_on", "hold", "release"]
    for _ in range(2):
        session = page.evaluate("cryoBench.session")
        page.locator("input[type=file]").set_input_files(path)
        page.wait_for_function("before => cryoBench.session > before", arg=session)
        page.wait_for_function("cryoBench.log.some(row => row[3].startsWith('Replay'))")
        page.wait_for_function("!cryoBench.front.replaying")


def test_the_logic_view_by_keyboard_and_with_nothing_for_axe(visit: Visit, tmp_path: Path) -> None:
    """It opens from the drawer, shows a press, goes back in time, and saves what is shown."""
    page = visit.page
    visit.new_device()
    page.get_by_role("button", name="Session").click()
    page.get_by_role("button", name="Logic view", exact=True).press("Enter")
    view = page.locator("cryo-logic")
    page.wait_for_function("document.activeElement.closest('cryo-logic')")
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("ArrowUp", delay=120)
    transfers = view.get_by_role("list", name="Transfers and levels in the time shown")
    transfers.get_by_text("UP 1", exact=True).first.wait_for()
    transfers.get_by_text("thermocouple says").first.wait_for()
    transfers.get_by_text('device → host: {"ev":"state"').first.wait_for()
    status = view.get_by_role("status")
    assert status.inner_text() == "Live: the last 10.00 s"
    view.get_by_role("button", name="Zoom in").press("Enter")
    assert view.get_by_role("button", name="Live").get_attribute("aria-pressed") == "true"
    view.get_by_role("button", name="Earlier").press("Enter")
    page.wait_for_function("!document.querySelector('cryo-logic .note').innerText.includes('Live')")
    shown = status.inner_text()
    page.wait_for_timeout(400)
    assert status.inner_text() == shown  # it stands still
    for kind, beginning in (("csv", "t_ms,row,value"), ("vcd", "$comment")):
        with page.expect_download() as download:
            view.get_by_role("button", name=f"Save {kind.upper()}").press("Enter")
        path = tmp_path / f"saved.{kind}"
        download.value.save_as(path)
        assert path.read_text().startswith(beginning)
    page.evaluate(AXE_SCRIPT)
    for dark in ("false", "true"):
        page.evaluate(f"Quasar.Dark.set({dark})")
        page.wait_for_timeout(300)
        assert complaints_of_axe(page, "cryo-logic", {}) == []
    page.evaluate("Quasar.Dark.set(false)")
    for width in (320, 740):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": WIDTH, "height": 900})
    view.get_by_role("button", name="Close logic view").press("Enter")
    assert view.is_hidden()


def test_the_dewar_is_filled_by_a_button(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Faults").click()
    page.get_by_role("switch", name="The dewar holds 80").click()
    page.wait_for_function("cryoBench.plant.level_permille < 100")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Fill the dewar").click()
    page.wait_for_function("cryoBench.plant.level_permille > 800")


def test_light_or_dark_and_sound_are_remembered(browser: Browser, address: str) -> None:
    page = browser.new_page(color_scheme="light")
    page.set_default_timeout(20_000)
    for look in ("!", ""):
        page.goto(address)
        page.wait_for_function("window.cryoBench?.front?.state")
        page.wait_for_function(f"{look}document.body.classList.contains('body--dark')")
        if look:
            page.get_by_role("button", name="Light or dark").click()
            page.wait_for_function("document.body.classList.contains('body--dark')")
            page.get_by_role("button", name="Sound").click()
    sound = page.get_by_role("button", name="Sound")
    assert sound.get_attribute("aria-pressed") == "false"
    page.close()


COUNTING = """
import gc, signal, sys
from hw_sim.web import start
from hw_sim.web.page import Page

def count(*_):
    gc.collect()
    print("pages", sum(type(each) is Page for each in gc.get_objects()), flush=True)

def say(web, _port):
    print(web, flush=True)

signal.signal(signal.SIGUSR1, count)
web_port, tcp_port = map(int, sys.argv[1:])
start.main(show=False, web_port=web_port, tcp_port=tcp_port, started=say)
"""


@pytest.mark.slow
def test_a_page_that_was_left_is_forgotten(browser: Browser) -> None:
    """Each leaked 0.6 MB: the route of its upload, which is never dropped, referenced it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    with subprocess.Popen(
        [sys.executable, "-c", COUNTING, *map(str, free_ports(2))],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            for _ in range(3):
                page = browser.new_page()
                page.goto(address)
                page.wait_for_function("window.cryoBench?.front?.state")
                page.close()
            left = 3
            until_s = time.monotonic() + START_S
            while left and time.monotonic() < until_s:
                time.sleep(1.0)
                process.send_signal(signal.SIGUSR1)
                left = int(process.stdout.readline().split()[1])
            assert left == 0
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_a_page_that_closes_releases_its_buttons(context: BrowserContext, visit: Visit) -> None:
    other = Visit(context, visit.address)
    other.page.keyboard.down("ArrowUp")
    visit.page.wait_for_function("cryoBench.front.held.includes('up')")
    other.page.close()
    visit.page.wait_for_function("!cryoBench.front.held.includes('up')")


def test_the_estop_latches_and_escape_strikes_it(visit: Visit) -> None:
    page = visit.page
    stop = page.get_by_role("button", name="Emergency stop")
    page.keyboard.press("Escape")
    page.wait_for_function("cryoBench.front.state === 'FAULT'")
    assert stop.get_attribute("aria-pressed") == "true"
    stop.click()
    page.wait_for_function("cryoBench.front.estop_open === false")
    page.keyboard.down("Enter")
    page.wait_for_function("cryoBench.front.state === 'READY'")
    page.keyboard.up("Enter")


def test_a_mishap_is_made_and_mended_in_the_drawer(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Faults").click()
    page.get_by_role("switch", name="No liquid is left in the dewar").click()
    page.wait_for_function("cryoBench.plant.level_permille < 1")
    page.get_by_role("button", name="Repair all").click()
    page.wait_for_function("cryoBench.plant.level_permille > 800")


def test_it_fits(visit: Visit) -> None:
    for width, height in (
        (320, 640), (360, 740), (740, 360), (640, 400), (768, 1024), (1240, 900), (1280, 720),
        (1440, 900), (1920, 1080),
    ):  # fmt: skip
        visit.page.set_viewport_size({"width": width, "height": height})
        visit.page.wait_for_timeout(50)
        check_layout(visit.page, width)
        if height < 1080:
            check_reach(visit.page, width, height)


def check_reach(page: Page, width: int, height: int) -> None:
    """TRIGGER and E-stop are on the screen, and nothing is before them, however it is scrolled."""
    for down in (0.0, 0.5, 1.0):
        hidden = page.evaluate(
            """down => {
              scrollTo(0, down * document.documentElement.scrollHeight);
              return [".key.trigger", ".mushroom"].filter((part) => {
                const it = document.querySelector(part), box = it.getBoundingClientRect();
                const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                return box.top < 0 || box.bottom > innerHeight || !it.contains(at);
              });
            }""",
            down,
        )
        assert hidden == [], (width, height, down)
    page.evaluate("scrollTo(0, 0)")


def check_layout(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("UP", "DOWN", "SELECT", "ARM", "TRIGGER"):
        box = page.locator(f"[data-key={name.lower()}]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 40
        assert box["width"] >= 40
    screen = page.locator("cryo-front canvas").bounding_box()
    assert screen is not None
    assert screen["width"] >= 240
    for reached, requested in ((0.13, 1), (1, 1)):  # the longest texts of the clock
        clock = page.evaluate(
            """([reached, requested]) => {
              const bar = document.querySelector(".bar"), before = bar.clientHeight;
              Object.assign(cryoBench.plant, { t_ms: 36e6, speed: 100, requested, reached });
              cryoBench.tell("plant");
              return [document.querySelector("cryo-clock").textContent,
                      document.documentElement.scrollWidth, bar.clientHeight - before];
            }""",
            [reached, requested],
        )
        assert ("0.13 × · all this computer can do" in clock[0]) == (reached < 1)
        assert ("while you work" in clock[0]) == (reached == 1)
        assert clock[1] <= width
        assert clock[2] == 0  # the layout does not shift
    page.get_by_role("button", name="Faults").click()
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Close").click()


# -- for everybody ---------------------------------------------------------------------------------

AXE_OPTIONS = {
    "resultTypes": ["violations"],
    # Experimental, and therefore off: a name that lacks what is to be read on the button.
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}


EVERYTHING = {"include": [["html"]]}
DRAWER = {"include": [[".side"]]}
LIVE = {"include": [[".bar"], ["cryo-front"], ["cryo-dock"], ["cryo-log"], ["cryo-fitted"]]}
"""What another state of the device changes; looking at everything takes axe twice as long."""


def complaints_of_axe(page: Page, where: object, options: dict[str, object]) -> list[str]:
    response = page.evaluate("([where, options]) => axe.run(where, options)", [where, options])
    return [
        f"{each['id']}: {node['target']} {node['html'][:160]}"
        for each in response["violations"]
        for node in each["nodes"]
    ]


def test_a_treatment_from_the_first_button_to_the_record_with_nothing_for_axe(
    visit: Visit,
) -> None:
    """axe looks in each state of the device, light and dark, and in each part of the drawer."""
    page = visit.page
    page.evaluate(AXE_SCRIPT)
    page.evaluate("document.head.append(Object.assign(document.createElement('style'),"
                  "{textContent: '* { transition: none !important }'}))")  # fmt: skip
    operator = PageOperator(page, mouse=("arm",))
    seen: dict[str, list[str]] = {}

    def look(what: str = "", where: object = LIVE) -> None:
        state = what or visit.state
        seen[f"{state}, light"] = complaints_of_axe(page, where, AXE_OPTIONS)
        page.evaluate("Quasar.Dark.set(true)")  # which changes nothing but the colours
        seen[f"{state}, dark"] = complaints_of_axe(page, where, {"runOnly": ["color-contrast"]})
        page.evaluate("Quasar.Dark.set(false)")

    look(where=EVERYTHING)
    for tab in ("Faults", "Session", "Training", "Host"):
        page.get_by_role("button", name=tab, exact=True).click()
        page.locator(".side .q-tab--active", has_text=tab).wait_for()
        page.wait_for_timeout(300)  # the drawer slides
        look(tab, DRAWER)
    page.get_by_role("button", name="Close").click()
    operator.press("select", 3)
    operator.press("up")  # two cycles
    operator.request_arming()
    look()
    operator.arm()
    look()
    operator.open_valve()
    look()
    visit.tenfold()
    operator.until("THAWING", "DONE", "FAULT")
    operator.let_go("trigger")
    look()
    operator.press("arm")
    operator.hold("select", 1300)  # no second cycle
    operator.until("DONE")
    look()
    page.wait_for_function("cryoBench.skin.deepest_mm > 1")  # the skin has frozen
    page.get_by_role("button", name="Host", exact=True).click()
    page.get_by_role("button", name="Read the journal").click()
    page.wait_for_selector(".records")
    journal = page.locator(".records").inner_text()
    assert "freeze end" in journal
    assert "complete" in journal
    assert "hash chain verified" in page.locator(".side").inner_text()
    look("the record", DRAWER)
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("Escape")
    page.wait_for_function("cryoBench.front.state === 'FAULT'")
    look()
    states = ("READY", "SCREENING", "ARMED", "FREEZING", "THAWING", "DONE", "FAULT")
    assert {f"{state}, {how}" for state in states for how in ("light", "dark")} <= set(seen)
    assert {state: each for state, each in seen.items() if each} == {}


def test_a_screen_reader_gets_the_text_of_the_screen(visit: Visit) -> None:
    page = visit.page
    visit.new_device()
    glass = page.locator("#glass-text")
    page.wait_for_function("cryoBench.glass.lines.join().includes('Spray C 5mm')")
    assert "2.3" in str(glass.text_content())
    assert page.locator("cryo-front canvas").get_attribute("aria-describedby") == "glass-text"
    page.keyboard.press("Escape")
    alarm = page.locator("[role=alert][data-says=alarm]")
    page.wait_for_function(
        "document.querySelector('[data-says=alarm]').textContent.includes('EMERGENCY STOP')"
    )
    assert "Turn it back" in str(alarm.text_content())


def test_a_device_set_to_another_applicator_than_the_fitted_one_is_marked(
    context: BrowserContext, visit: Visit
) -> None:
    page = visit.page
    mark = page.locator("cryo-fitted")
    visit.new_device()
    page.wait_for_function("cryoBench.glass.device === 'Spray C  5 mm'")
    page.get_by_role("combobox", name="fitted").click()
    page.get_by_role("option", name="Spray A 20 mm").click()
    try:
        page.wait_for_function("document.querySelector('cryo-fitted.differs')")
        assert "set to Spray C" in mark.inner_text()
        page.wait_for_function("cryoBench.skin.spot_mm === 10")
        other = Visit(context, visit.address)  # said "Spray C", and drew 20 mm
        other.page.wait_for_function("document.querySelector('cryo-fitted.differs')")
        shown = other.page.locator(".fitted")
        assert "Spray A 20 mm" in shown.inner_text()
        other.page.close()
        page.bring_to_front()
        page.locator(".fitted input").evaluate("field => field.focus()")  # as its list does, late
        operator = PageOperator(page)
        operator.press("select")  # the field of the applicator
        operator.press("up")
        page.wait_for_function("cryoBench.glass.device === 'Spray B 10 mm'")
        operator.press("up")
        page.wait_for_function("!document.querySelector('cryo-fitted.differs')")
        assert "as fitted" in mark.inner_text()
    finally:
        page.get_by_role("combobox", name="fitted").click()
        page.get_by_role("option", name="Spray C 5 mm").click()


def test_an_exercise_locks_the_speed(visit: Visit) -> None:
    """At 10 × a freeze of 10.7 s flew by, and scored 20."""
    page = visit.page
    visit.tenfold()
    page.get_by_role("button", name="Training").click()
    page.get_by_role("button", name="Begin: Hold steady").click()
    page.wait_for_function("cryoBench.plant.exercise && cryoBench.plant.speed === 1")
    assert page.locator(".pace input").is_disabled()
    page.evaluate("cryoBench.do('speed', 10)")
    page.wait_for_function("cryoBench.log.some(row => row[3].includes('runs at 1 ×'))")
    assert page.evaluate("cryoBench.plant.speed") == 1
    page.get_by_role("button", name="Give up").click()
    page.wait_for_function("!document.querySelector('.pace input').disabled")


# -- a bench that is gone --------------------------------------------------------------------------

STALE_MS = 1000.0
SILENCE = """() => new Promise((done) => {
  const began = performance.now();
  const look = () => document.body.classList.contains("stale")
    ? done(performance.now() - began) : setTimeout(look, 10);
  look();
})"""


def test_a_bench_that_hangs_or_is_killed_in_a_freeze_is_not_shown_as_live(
    browser: Browser,
) -> None:
    """An open valve, the spray and "10" stayed on the page, at full colour."""
    ports = free_ports(2)
    process, address = serve(*ports)
    page = browser.new_page()
    page.set_default_timeout(20_000)
    try:
        page.goto(address)
        page.wait_for_function("window.cryoBench?.front?.state === 'READY'")
        operator = PageOperator(page)
        operator.arm()
        operator.open_valve()
        page.wait_for_function("cryoBench.plant.valve_open")
        process.send_signal(signal.SIGSTOP)
        took_ms = page.evaluate(SILENCE)
        assert took_ms <= STALE_MS, took_ms
        trouble = page.get_by_role("alert").filter(has_text="does not answer")
        assert "not live" in trouble.inner_text()
        lightest = page.evaluate(
            """() => {
              const it = document.querySelector("cryo-front canvas");
              const dots = it.getContext("2d").getImageData(0, 0, it.width, it.height).data;
              return dots.reduce((most, each, i) => i % 4 ? most : Math.max(most, each), 0);
            }"""
        )
        assert lightest < 80, "the text of the screen is dimmed, not lit"
        assert page.locator("#jet").get_attribute("opacity") == "0"
        assert page.locator("#line").get_attribute("opacity") == "0"
        assert page.locator("[data-r=flow_g_s]").inner_text() == "–"
        assert page.locator(".chip").inner_text() == "NO CONNECTION"
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).filter") != "none"
        # A press that would be taken later, when nobody expects it, is not sent at all.
        sent = page.evaluate(
            """() => { const sent = [], real = cryoBench.socket.send;
              cryoBench.socket.send = (words) => sent.push(words);
              for (const act of ["hold", "release"]) cryoBench.do(act, "trigger");
              cryoBench.do("estop_open");
              cryoBench.socket.send = real; return sent; }"""
        )
        assert [each.split('"')[1] for each in sent] == ["release", "estop_open"]
        operator.let_go("trigger")
        process.send_signal(signal.SIGCONT)
        page.wait_for_function("!document.body.classList.contains('stale')")
        page.wait_for_function("!cryoBench.plant.valve_open")
        process.kill()
        process.communicate(timeout=20)
        took_ms = page.evaluate(SILENCE)
        assert took_ms <= STALE_MS, took_ms
        page.get_by_role("alert").filter(has_text="No connection to the bench").wait_for()
        process, _ = serve(*ports)
        # The page connects again by itself, in growing steps; the server takes its time too.
        page.get_by_role("alert").filter(has_text="This is a new device").wait_for(timeout=60_000)
        page.wait_for_function("cryoBench.front.state === 'READY'")
        # The page's socket may be back before the page itself is loaded again.
        page.reload()
        page.get_by_role("alert").filter(has_text="This is a new device").wait_for()
    finally:
        page.close()
        process.kill()
        process.communicate(timeout=20)
