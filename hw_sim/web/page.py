"""The page in NiceGUI: its layout, and the drawer with the tools.

The device's display and the buttons use a separate web socket (`live`), because a press must be
visible within 100 ms; the elements in static/panel.js draw them. Fault injection, sessions,
training and the journal are ordinary NiceGUI. Everything is served from this computer, and to this
computer only.

May import the standard library, NiceGUI, and `hw_sim`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakMethod

from nicegui import app, events, run, ui

from hw_sim.dose.applicators import APPLICATORS
from hw_sim.web.engine import EMPTIED, Engine, Runner
from hw_sim.web.live import Live
from hw_sim.web.port import Cable, Port
from hw_sim.web.scenario import LONGEST_TEXT, ScenarioError, parse
from hw_sim.web.tissue_view import SkinWatch
from hw_sim.web.training import CAP_POINTS, Exercise, Result, Trainer, load as load_exercises
from hw_sim.web.view import View
from hw_sim.world.fault_injection import MISHAPS

STATIC = Path(__file__).with_name("static")
Fetch = Callable[[Cable, Path], "Fetched"]


class Fetched(Protocol):
    """The journal as pulled by the host library (hw_sim.demo.report)."""

    @property
    def serial(self) -> str: ...
    @property
    def verified(self) -> bool: ...
    @property
    def records(self) -> Sequence[Mapping[str, Any]]: ...


# -- the page -------------------------------------------------------------------------------------

_GROUPS = (
    ("Dewar", ("dewar", "pressure", "regulator", "relief", "level")),
    ("Valve, coil and line", ("coil", "valve", "gate", "supply_switch", "nozzle", "line")),
    ("Sensors at the nozzle", ("thermocouple", "infrared", "mlx", "skin", "ir_")),
    ("Buttons", ("trigger", "up_", "down_", "select", "arm_")),
)


def _group(name: str) -> str:
    for title, beginnings in _GROUPS:
        if name.startswith(beginnings):
            return title
    return "Board and wiring"


class Page:
    """One browser's page."""

    def __init__(self, live: Live, port: Port, fetch: Fetch | None, kind: str) -> None:
        self.kind = kind
        self.live = live
        self.runner = live.runner
        self.engine = live.engine
        self.port = port
        self.fetch = fetch
        self._quiet = False
        self._lesson_shown: object = ()
        self.exercises = load_exercises()

    def build(self) -> None:
        """Create all elements of the page."""
        ui.colors(primary="#0f6aa8", secondary="#5b666e", accent="#0e9ab0", negative="#c2342b")
        ui.add_head_html(
            '<script>document.documentElement.lang = "en"</script>'
            '<link rel="stylesheet" href="/bench/static/panel.css">'
        )
        ui.add_body_html('<script type="module" src="/bench/static/panel.js"></script>')
        ui.add_body_html('<script type="module" src="/bench/static/logic.js"></script>')
        with (
            ui.right_drawer(value=False, bordered=False)
            .classes("side")
            .props("width=380 behavior=default breakpoint=860 aria-label=Tools") as self.drawer
        ):
            self._tools()
        with ui.header().classes("bar"):
            what = "fully simulated"
            if self.kind == "emulated":
                what = "on the emulated board"
            ui.html(f"<h1>Cryodose<small>virtual bench · {what}</small></h1>").classes("brand")
            ui.element("cryo-clock")
            ui.space()
            ui.element("cryo-pace").classes("pace")
            with ui.row().classes("items-center gap-1 no-wrap"):
                self.power = ui.button("Power", icon="power_settings_new", on_click=self._power)
                self.power.props("flat dense no-caps padding='6px 10px'")
                sound = self._icon("volume_up", "Sound", "cryoSound()")
                sound.classes("sounding")
                self._icon("contrast", "Light or dark", "cryoTheme()")
                for icon, words, tab in (
                    ("bolt", "Faults", "mishaps"),
                    ("movie", "Session", "session"),
                    ("school", "Training", "training"),
                    ("receipt_long", "Host", "host"),
                ):
                    tool = ui.button(words, icon=icon)
                    tool.on_click(lambda _, tab=tab: self._open(tab))
                    tool.props(f"flat dense no-caps color=secondary aria-label={words}")
                    tool.props("padding='6px 8px'").classes("tool")
        ui.element("cryo-trouble").props("role=alert")
        self.banner = ui.element("div")
        with ui.element("div").classes("room"), ui.element("div").classes("bench"):
            with ui.element("div").classes("column"):
                ui.element("cryo-front")
            with ui.element("div").classes("column"):
                with self._card("Inside", "cryo-plant"):
                    fill = ui.button("Fill the dewar", on_click=self._fill).classes("corner")
                    fill.props("flat dense no-caps padding='2px 8px'")
                self._card("Over time", "cryo-plot")
            with ui.element("div").classes("column"):
                with self._card("The skin, simulated", "cryo-skin"):
                    self._place()
                self._card("Events", "cryo-log")
        ui.element("cryo-logic").props("hidden")
        ui.element("cryo-dock").props('role=group aria-label="Trigger and emergency stop"')
        self._shown: View | None = None
        ui.timer(0.25, self._refresh)

    def _card(self, title: str, element: str) -> ui.element:
        with ui.element("section").classes("card").props(f'aria-label="{title}"') as card:
            ui.html(f"<h2>{title}</h2>")
            ui.element(element)
        return card

    def _fill(self) -> None:
        """Fill the dewar (empty after about 60 treatments), and repair faults that emptied it."""
        emptied = [name for name in EMPTIED if name in self.engine.view.mishaps]
        for name in emptied or EMPTIED[:1]:
            self.runner.post(lambda engine, name=name: engine.act("mend", name))

    def _place(self) -> None:
        """Selection of the applicator and of the site on the skin."""
        with ui.row().classes("tools"):
            self.fitted = (
                ui.select(
                    {a.number: a.name for a in APPLICATORS},
                    value=self.live.skin.applicator,
                    label="fitted",
                    on_change=self._fit,
                )
                .props("dense outlined options-dense")
                .classes("fitted")
            )
            ui.button("Another place", on_click=lambda: self.live.skin.another()).props(
                "flat dense no-caps padding='4px 8px'"
            )
        ui.element("cryo-fitted").props("role=status")
        ui.html(
            '<p class="note">A model on a coarse grid, computed while you treat; no dose is '
            "derived from it. It has not been validated against measurements on tissue.</p>"
        )

    def _fit(self, change: events.ValueChangeEventArguments[Any]) -> None:
        if not self._quiet:
            self.live.skin.another(change.value)

    def _icon(self, icon: str, words: str, act: Callable[[], Any] | str) -> ui.button:
        """An icon button; a string in `act` is JavaScript, for choices stored in the browser."""
        button = ui.button(icon=icon)
        if isinstance(act, str):
            button.on("click", js_handler=f"() => {act}")
        else:
            button.on_click(act)
        button.props(f'flat round dense color=secondary aria-label="{words}"')
        button.tooltip(words)
        return button

    # -- the bar

    def _power(self) -> None:
        do = "cut_power" if self.engine.view.powered else "power_on"
        self.runner.post(lambda engine: engine.act(do))

    def _open(self, tab: str) -> None:
        if self.drawer.value and self.tabs.value == tab:
            self.drawer.value = False
            return
        self.tabs.value = tab
        self.drawer.value = True

    # -- the drawer

    def _tools(self) -> None:
        with ui.row().classes("w-full no-wrap items-center"):
            with ui.tabs().props("dense no-caps inline-label") as self.tabs:
                first = ui.tab("mishaps", "Faults")
                ui.tab("session", "Session")
                ui.tab("training", "Training")
                ui.tab("host", "Host")
            ui.space()
            self._icon("close", "Close", lambda: self.drawer.set_value(False))
        with ui.tab_panels(self.tabs, value=first, animated=False).classes("w-full"):
            with ui.tab_panel("mishaps"):
                self._mishaps()
            with ui.tab_panel("session"):
                self._session()
            with ui.tab_panel("training"):
                self._training()
            with ui.tab_panel("host"):
                self._host()

    def _mishaps(self) -> None:
        ui.html(
            '<p class="note">Inject a fault and observe the device. '
            "Every fault can be repaired.</p>"
        )
        ui.button("Repair all", icon="healing", on_click=self._mend).props("flat dense no-caps")
        self.switches: dict[str, ui.switch] = {}
        titles = [title for title, _ in _GROUPS] + ["Board and wiring"]
        for title in titles:
            ui.html(f"<h3>{title}</h3>")
            for name, mishap in MISHAPS.items():
                if _group(name) == title:
                    words = mishap.words[:1].upper() + mishap.words[1:]
                    switch = ui.switch(words, on_change=lambda e, name=name: self._break(name, e))
                    self.switches[name] = switch.classes("mishap").props("dense")

    def _break(self, name: str, change: events.ValueChangeEventArguments[Any]) -> None:
        if self._quiet:
            return
        do = "mishap" if change.value else "mend"
        self.runner.post(lambda engine: engine.act(do, name))

    def _mend(self) -> None:
        for name in sorted(self.engine.view.mishaps):
            self.runner.post(lambda engine, name=name: engine.act("mend", name))

    def _session(self) -> None:
        ui.html(
            '<p class="note">All actions on the device are recorded with their times, '
            "from its first power-on. The file is text; the same file gives the same "
            "treatment and the same record, in the browser and in the tests.</p>"
        )
        self.session_words = ui.label().classes("note")
        self.about = ui.input("Description (optional)").classes("w-full").props("dense")
        ui.button("Save the recording", icon="download", on_click=self._save).props("no-caps")
        ui.html("<h3>Replay a recording</h3>")
        # FastAPI never drops an upload's route: a weak reference lets a closed page be freed.
        upload = WeakMethod(self._upload)

        async def uploaded(event: events.UploadEventArguments) -> None:
            take = upload()
            if take is not None:
                await take(event)

        choose = ui.button("Choose a recording (.toml)", icon="upload_file")
        choose.props("outline no-caps")
        self.upload = ui.upload(
            auto_upload=True, max_files=1, max_file_size=LONGEST_TEXT,
            on_upload=uploaded,
            on_rejected=lambda: ui.notify("Not a .toml, or larger than 8 MB", type="negative"),
        ).props("accept=.toml")  # fmt: skip
        # In the browser: a file dialogue needs the click itself.
        choose.on("click", js_handler=f"() => getElement({self.upload.id}).$refs.qRef.pickFiles()")
        ui.html("<h3>Signals and buses</h3>")
        ui.html(
            '<p class="note">Every signal, transfer and line of the link since this device is '
            "new, below the device.</p>"
        )
        logic = ui.button("Logic view", icon="timeline").props("outline no-caps")
        logic.on("click", js_handler="() => cryoLogic()")
        ui.html("<h3>New device</h3>")
        ui.html(
            '<p class="note">Empty memory, a full dewar, a warm line, no faults, and the firmware '
            "as its files are now: after an edit, this loads it.</p>"
        )
        ui.button("New device", icon="restart_alt", on_click=self._fresh).props("outline no-caps")

    async def _save(self) -> None:
        about = str(self.about.value or "")
        scenario: Any = await run.io_bound(self.runner.ask, lambda engine: engine.recording(about))
        ui.download.content(scenario.text(), "session.toml", "application/toml")

    async def _upload(self, upload: events.UploadEventArguments) -> None:
        try:
            self.upload.reset()  # otherwise a second upload is rejected
            scenario = parse(await upload.file.text())
        except (ScenarioError, UnicodeDecodeError) as error:
            ui.notify(f"Not a recording: {error}", type="negative", multi_line=True)
            return
        self._give_up()
        self.runner.post(lambda engine: engine.replay(scenario))

    def _fresh(self) -> None:
        def fresh(engine: Engine) -> None:
            engine.fresh()
            engine.set_speed(1.0)
            engine.act("power_on")

        self._give_up()
        self.runner.post(fresh)

    def _training(self) -> None:
        ui.html(
            '<p class="note">Each exercise starts with a new device and is scored by the '
            "device's time. The current recording is lost: save it first.</p>"
        )
        self.lesson = ui.column().classes("w-full")
        ui.html("<h3>Exercises</h3>")
        with ui.column().classes("w-full gap-2"):
            for exercise in self.exercises:
                with ui.column().classes("exercise"):
                    ui.html(f"<b>{escape(exercise.title)}</b>")
                    ui.html(f'<p class="note">{escape(exercise.goal)}</p>')
                    ui.button(
                        "Begin", on_click=lambda _, exercise=exercise: self._begin(exercise)
                    ).props(
                        f'outline dense no-caps padding="2px 14px" '
                        f'aria-label="Begin: {escape(exercise.title)}"'
                    )

    def _begin(self, exercise: Exercise) -> None:
        trainer = self.live.trainer = Trainer(exercise)
        self.live.skin.another(exercise.fitted)
        self.runner.post(trainer.begin)

    def _give_up(self) -> None:
        trainer, self.live.trainer = self.live.trainer, None
        if trainer is not None:
            self.runner.post(trainer.stop)

    def _lesson(self) -> None:
        """Show the running exercise, or its score."""
        trainer = self.live.trainer
        shown = (trainer, trainer and trainer.result, trainer and len(trainer.said))
        if shown == self._lesson_shown:
            return
        self._lesson_shown = shown
        self.lesson.clear()
        self.banner.clear()
        if trainer is None:
            return
        result = trainer.result
        with self.lesson, ui.column().classes("exercise"):
            ui.html(f"<b>{escape(trainer.exercise.title)}</b>")
            if result is None:
                self._under_way(trainer)
            else:
                self._score(result)
            with ui.row():
                again = lambda: self._begin(trainer.exercise)  # noqa: E731
                ui.button("Again", on_click=again).props("outline dense no-caps padding='2px 14px'")
                ui.button("Close" if result else "Give up", on_click=self._give_up).props(
                    "flat dense no-caps padding='2px 14px'"
                )
        # On a narrow page the drawer covers the device, so repeat the text above the device.
        with self.banner, ui.element("div").classes("task").props("role=status"):
            if result is None:
                words = trainer.said[-1] if trainer.said else trainer.exercise.goal
                ui.html(
                    f"<b>{escape(trainer.exercise.title)}</b> {escape(words)}",
                ).classes("cue" if trainer.said else "")
            else:
                ui.html(
                    f"<b>{escape(trainer.exercise.title)}</b> "
                    f"{result.points} of 100 points: {result.verdict}"
                )
                ui.button("How it was scored", on_click=lambda: self._open("training")).props(
                    "flat dense no-caps padding='0 8px'"
                )

    def _under_way(self, trainer: Trainer) -> None:
        ui.html(f'<p class="note">{escape(trainer.exercise.goal)}</p>')
        for words in trainer.said:
            ui.html(f'<p class="cue">{escape(words)}</p>')
        for check in trainer.exercise.checks:
            ui.html(
                f"<span>○</span><span>{escape(check.words)}</span><span>{check.points}</span>"
            ).classes("check")

    def _score(self, result: Result) -> None:
        ui.html(f'<span class="score">{result.points} / 100</span> {result.verdict}').props(
            "role=status"
        )
        for error in result.errors:
            ui.html(f'<p class="cue"><b>Safety error.</b> {escape(error)}</p>')
        if result.errors:
            ui.html(f'<p class="note">With a safety error, at most {CAP_POINTS} points.</p>')
        for mark in result.marks:
            sign = "●" if mark.points == mark.most else "◐" if mark.points else "○"
            ui.html(
                f"<span>{sign}</span><span>{escape(mark.words)}<br>"
                f'<span class="note">{escape(mark.said)}</span></span>'
                f"<span>{mark.points} / {mark.most}</span>"
            ).classes("check")

    def _host(self) -> None:
        ui.html(
            '<p class="note">The host tools can connect to this device while it runs, '
            "as over its USB cable:</p>"
        )
        ui.label(f"cryo --port {self.port.url} status --watch").classes("command")
        ui.html(
            '<p class="note">One program at a time. Changes that need confirmation are '
            "confirmed by holding SELECT here.</p>"
        )
        self.host_words = ui.label().classes("note")
        ui.html("<h3>The device's journal</h3>")
        if self.fetch is None:
            ui.html('<p class="note">To read it here, start with <code>cryo panel</code>.</p>')
            return
        self.read = ui.button("Read the journal", icon="download", on_click=self._read)
        self.read.props("no-caps")
        self.journal = ui.html("", sanitize=False).classes("w-full")

    async def _read(self) -> None:
        self.read.disable()
        try:
            fetched = await run.io_bound(self._pull)
        except Exception as error:
            ui.notify(f"Reading failed: {error}", type="negative", multi_line=True)
            return
        finally:
            self.read.enable()
        if fetched is not None:
            self.journal.content = _records(fetched)

    def _pull(self) -> Fetched:
        assert self.fetch is not None
        cable = Cable(self.runner)
        try:
            with tempfile.TemporaryDirectory() as folder:
                return self.fetch(cable, Path(folder) / "journal.sqlite")
        finally:
            cable.close()

    # -- periodic update

    def _refresh(self) -> None:
        view = self.engine.view
        old = self._shown
        self._shown = view
        self._quiet = True
        try:
            if self.fitted.value != self.live.skin.applicator:
                self.fitted.value = self.live.skin.applicator  # chosen on another page
            if old is None or view.powered != old.powered:
                self.power.props(
                    f"color={'primary' if view.powered else 'secondary'} "
                    f"aria-pressed={'true' if view.powered else 'false'}"
                )
                self.power.text = "On" if view.powered else "Off"
                self.power.props(f'aria-label="Power: {self.power.text}"')
            if old is None or view.mishaps != old.mishaps:
                for name, switch in self.switches.items():
                    switch.value = name in view.mishaps
            words = _session_words(view)
            if words != self.session_words.text:
                self.session_words.text = words
            if old is None or view.host != old.host:
                self.host_words.text = (
                    f"Connected: {view.host}" if view.host else "No host connected"
                )
            self._lesson()
        finally:
            self._quiet = False


def _session_words(view: View) -> str:
    words = f"{view.steps} {'step' if view.steps == 1 else 'steps'} recorded"
    if view.recording_full:
        words += "; the recording is full and has ended (a new device starts another)"
    if view.replaying:
        words += f"; a replay is running, to {view.replayed_ms / 1000:.1f} s"
    return words


def _records(fetched: Fetched) -> str:
    rows: list[str] = []
    for record in reversed(fetched.records):
        fields = ", ".join(
            f"{name.replace('_', ' ')} {entry.get('name', entry['value'])}"
            + (f" {entry['unit']}" if entry.get("unit") and "name" not in entry else "")
            for name, entry in record["fields"].items()
        )
        kind = str(record["kind"]).replace("_", " ")
        rows.append(
            f"<tr><td>{record['seq']}</td><td><b>{escape(kind)}</b>"
            f'<br><span class="note">{escape(fields)}</span></td></tr>'
        )
    chain = "hash chain verified" if fetched.verified else "HASH CHAIN BROKEN"
    return (
        f'<p class="note">{len(fetched.records)} records of {escape(fetched.serial)}; {chain}.</p>'
        f'<table class="records">{"".join(rows)}</table>'
    )


# -- serving --------------------------------------------------------------------------------------


def serve(
    runner: Runner,
    *,
    kind: str = "fast",
    http_port: int = 8080,
    tcp_port: int = 0,
    show: bool = True,
    fetch: Fetch | None = None,
    started: Callable[[str, str], None] = lambda _page, _port: None,
) -> None:
    """Serve the page on this computer until Ctrl-C. OSError if a port is in use."""
    # Exclude the libraries from garbage collection: a full collection took 40 to 190 ms and delayed
    # a press by that time. Freeze before the bench exists, because benches are replaced.
    gc.collect()
    gc.freeze()
    engine = runner.start()
    skin = SkinWatch(runner)
    live = Live(runner, engine, skin)
    skin.on_change = live.ring
    port = Port(runner, tcp_port)

    app.add_static_files("/bench/static", STATIC)
    app.add_api_websocket_route("/bench/ws", live.serve)
    app.add_route("/bench/logic", live.logic)

    # Light or dark as the computer is set; static/panel.js stores another choice.
    @ui.page("/", title="Cryodose: virtual bench", dark=None, response_timeout=10)
    def page() -> None:
        Page(live, port, fetch, kind).build()

    def stop() -> None:
        port.close()
        skin.stop()
        runner.stop()

    app.on_shutdown(stop)

    async def announce() -> None:
        # NiceGUI's start-up handlers run before the port is open.
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", http_port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            started(f"http://127.0.0.1:{http_port}", port.url)
            return

    app.on_startup(announce)
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    ui.run(
        host="127.0.0.1",
        port=http_port,
        title="Cryodose: virtual bench",
        favicon="❄️",
        reload=False,
        show=show,
        show_welcome_message=False,
        tailwind=False,
        binding_refresh_interval=None,
    )
