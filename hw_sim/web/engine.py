"""Paces a bench by the computer's clock and applies actions from a queue.

A bench belongs to the thread that created it. `Engine` is everything except the thread: `turn`
advances the bench's time, applies pending steps and updates `view`. `Runner` is the thread. Tests
call `turn` with their own clock, so nothing here depends on the computer's speed. Independent of
the browser.

May import the standard library, `logic`, `scenario` and `view` of its own package, and
`hw_sim.bench`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hw_sim.bench import SimulatedBench
from hw_sim.bench.link_client import LineReader
from hw_sim.fakes.errors import BenchError
from hw_sim.web.logic import LogicRecord
from hw_sim.web.scenario import NS_PER_MS, Recorder, Scenario, ScenarioError, Step, sending
from hw_sim.web.view import SCREEN_BYTES, Event, History, Readings, View, dots
from hw_sim.world.wiring import GATE, SUPPLY, Wiring

SLOWEST, FASTEST = 0.1, 100.0
TURN_S = 0.004
"""Interval at which the bench's time is advanced, if it keeps up."""

BEHIND_S = 0.1
"""Limit for the lag behind the clock; a longer lag is dropped, because the bench is too slow."""

GENTLE_S = 1.5
"""After a button, the valve or the device's state has changed, time runs at most at real time for
this long, so that presses keep their duration and the operator can react at 100 ×."""

PIECE_S = 0.008
"""Target duration of one piece of simulation; actions are applied between pieces."""

SHORTEST_PRESS_NS = 60 * NS_PER_MS
"""Minimum time for which a contact stays closed, and then open; a mouse click can be shorter."""

_MOST_LATE = 5
"""Maximum number of queued changes of one button: three clicks in a row."""

EMPTIED = ("dewar_empty", "dewar_low", "dewar_runs_out")
"""Injected faults whose repair fills the dewar, also after a long session has emptied it."""

READINGS_S = 0.1
SAMPLE_NS = 200 * NS_PER_MS
KEPT_NS = 30 * 60 * 1000 * NS_PER_MS
"""Retention of the valve's history; the page needs no more (an exercise lasts 5 min, the skin
recovers within 10 min)."""

_FORGET_NS = 10_000 * NS_PER_MS
_KEPT_EVENTS = 200
_LONGEST_LINE = 4096
_SHORTEST_PRINTED, _LONGEST_PRINTED = 8, 200

Posted = Callable[["Engine"], None]


class Seat:
    """The host's end of the device's port. Only one host can be attached, as with a cable."""

    def __init__(
        self, name: str, received: Callable[[bytes], None], lost: Callable[[], None]
    ) -> None:
        self.name = name
        self.received = received
        """Called on the engine's thread with data from the device. Must not block."""
        self.lost = lost
        """Called when the port vanishes: the device was reset, lost power, or was replaced."""


class Watcher:
    """Observer of the engine (training). All methods are called on the engine's thread."""

    real_time = False
    """While it observes, the bench runs at 1 × only."""

    def reported(self, engine: Engine, t_ns: int, message: dict[str, Any]) -> None:
        """The device has sent a message over the link."""

    def changed(self, engine: Engine, t_ns: int, signal: str, value: float) -> None:
        """A signal of the wiring has changed (hw_sim.world.wiring.Wiring.watch). Must not act."""

    def done(self, engine: Engine, step: Step) -> None:
        """A step was applied to the bench."""

    def turned(self, engine: Engine) -> None:
        """Time has advanced. May act."""


def in_words(message: dict[str, Any]) -> str:
    """An event of the link, other than of states and faults, as a line of the log."""
    kind = str(message["ev"])
    if kind == "setting":
        key = str(message.get("key")).replace("_", " ")
        if message.get("applied"):
            return f"Setting {key}: {message.get('value')}, confirmed"
        return f"Setting {key}: {message.get('value')} not taken, {message.get('why')}"
    if kind == "caution":
        answers = ("shown, to be confirmed", "confirmed", "left", "timed out")
        return f"Caution {message.get('caution')}: {answers[int(message.get('answer', 0))]}"
    words = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in message.items() if k != "ev")
    return f"{kind[:1].upper()}{kind[1:]}: {words}"


class Engine:
    """Runs one bench at a time at the selected speed.

    `make_bench(seed, skin_sensor)` creates a device that is switched off. `view`, `events`,
    `history` and `logic` may be read from any thread; all else belongs to the thread that calls
    `turn`.
    """

    def __init__(
        self,
        make_bench: Callable[[int, bool], SimulatedBench],
        *,
        seed: int = 1,
        skin_sensor: bool = False,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make_bench
        self.seed = seed
        self.skin_sensor = skin_sensor
        self._clock = clock
        self.view = View(speed=speed)
        self.events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self.history = History()
        self.watcher: Watcher | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called on the engine's thread when `view` has changed. Must not block."""
        self._session = 0
        self._event_number = 0
        self.bench: Any = None
        self.fresh(seed)

    # -- the device ---------------------------------------------------------------------------

    def fresh(self, seed: int | None = None) -> None:
        """Replace the device by a new one, switched off, with empty memory."""
        self._leave()
        self.watcher = None
        if seed is not None:
            self.seed = seed
        self.bench = self._make(self.seed, self.skin_sensor)
        self._session += 1
        wiring: Wiring = self.bench.wiring
        wiring.watch(self._signal)
        self.logic = LogicRecord()
        wiring.watch(self.logic.changed)
        wiring.bus_taps.append(self.logic.passed)
        wiring.screen.on_change = self._screen_changed
        self.recorder = Recorder()
        self.firmware = ""
        self.history = History()
        self.events.clear()
        self._mishaps: set[str] = set()
        self._held: set[str] = set()
        self._moved: dict[str, int] = {}  # time of each button's last press or release
        self._late: deque[Step] = deque()  # queued presses and releases, by time
        self._estop_open = False
        self._aimed_away = False
        self._powered = False
        self._state = "OFF"
        self._error = ""
        self._script: deque[Step] = deque()
        self._script_end_ns = 0
        self._line = LineReader(_LONGEST_LINE)
        self._pixels = bytes(SCREEN_BYTES)
        self._screen_changed_since = True
        self._openings = 0
        self._closings = 0
        self._opened_ns: int | None = None
        self._opened_ms = 0.0
        self._sample_ns = 0
        self._forgot_ns = 0
        self._piece_ns = NS_PER_MS
        self._port_life: object = None
        self._gentle_until_s = 0.0
        self._shown_s = -1e9
        self._changed = True
        self._pace(self._clock())
        self._rate: deque[tuple[float, int]] = deque([(self._clock(), 0)], maxlen=64)
        self._look(self._clock())

    def _leave(self) -> None:
        if self.bench is None:
            return
        self.leave_seat()
        with suppress(BenchError):
            self.bench.cut_power()  # unwinds the firmware's stack
        self.bench.wiring.unwatch(self._signal)
        self.bench.wiring.unwatch(self.logic.changed)
        self.bench.wiring.bus_taps.clear()
        self.bench.wiring.screen.on_change = None
        self.bench = None

    def close(self) -> None:
        """Switch the device off and release it. The engine must not be used afterwards."""
        self._leave()

    @property
    def now_ns(self) -> int:
        """The bench's time."""
        return self.bench.clock.now_ns

    # -- actions ------------------------------------------------------------------------------

    def act(self, do: str, what: str = "") -> None:
        """Apply an operator's action now; this ends a replay. ScenarioError: unknown action."""
        step = Step(self.now_ns, do, what)
        if self._script:
            self._script.clear()
            self._say("bench", "Replay stopped by an action of the operator.")
        if do in ("hold", "release"):
            self._finger(step)
        else:
            self._apply(step)

    def _finger(self, step: Step) -> None:
        """Press or release a button, with a minimum time in each position.

        On a bench slower than real time a click would end before the device has sampled it, so
        early changes are queued. Clicks beyond `_MOST_LATE` queued changes are dropped.
        """
        name, down = step.what, step.do == "hold"
        waiting = [late for late in self._late if late.what == name]
        last_down = waiting[-1].do == "hold" if waiting else name in self._held
        if down == last_down or (down and len(waiting) >= _MOST_LATE):
            return
        before_ns = waiting[-1].at_ns if waiting else self._moved.get(name, -SHORTEST_PRESS_NS)
        earliest_ns = before_ns + SHORTEST_PRESS_NS
        if self.now_ns >= earliest_ns:
            self._apply(step)
        else:
            self._late.append(Step(earliest_ns, step.do, name))
            self._late = deque(sorted(self._late, key=lambda late: late.at_ns))

    def send(self, data: bytes) -> None:
        """Bytes from the host to the device."""
        if data and not self._error:
            self._apply(sending(self.now_ns, data))

    def _apply(self, step: Step) -> None:
        if self._error:
            return
        step.apply(self.bench)
        self.recorder.add(step)
        self._changed = True
        what = step.what
        match step.do:
            case "hold":
                self._held.add(what)
                self._moved[what] = step.at_ns
                self._gentle_until_s = self._clock() + GENTLE_S
            case "release":
                self._held.discard(what)
                self._moved[what] = step.at_ns
                self._gentle_until_s = self._clock() + GENTLE_S
            case "estop_open":
                self._estop_open = True
                self._say("hand", "E-stop pressed")
            case "estop_close":
                self._estop_open = False
                self._say("hand", "E-stop released")
            case "aim_away" | "aim_at_skin":
                self._aimed_away = step.do == "aim_away"
                self._say("hand", "Nozzle " + step.do.replace("_", " ").removeprefix("aim "))
            case "mishap":
                self._mishaps.add(what)
                self._say("mishap", what.replace("_", " "))
            case "mend":
                if what in EMPTIED and what not in self._mishaps:
                    self._say("hand", "Dewar filled")
                else:
                    self._say("mishap", what.replace("_", " ") + ": repaired")
                self._mishaps.discard(what)
            case "power_on":
                self._powered = True
                self._say("hand", "Power on")
            case "cut_power":
                self._powered = False
                self._state = "OFF"
                self._line.clear()
                self._say("hand", "Power cut")
            case _:
                pass
        if self.watcher is not None:
            self.watcher.done(self, step)

    def set_speed(self, speed: float) -> None:
        """Set the bench's time per real time. ValueError outside 0.1…100, or, during an exercise,
        other than 1: reactions are scored in the device's time."""
        if not SLOWEST <= speed <= FASTEST:
            raise ValueError(f"speed {speed} is not within {SLOWEST}…{FASTEST}")
        if self.watcher is not None and self.watcher.real_time and speed != 1.0:
            raise ValueError("An exercise runs at 1 ×: end it to change the speed.")
        self.view = replace(self.view, speed=speed)
        self._changed = True
        self._pace(self._clock())

    def set_paused(self, paused: bool) -> None:
        """Pause or continue the bench's time."""
        self.view = replace(self.view, paused=paused)
        self._changed = True
        self._pace(self._clock())

    def recording(self, about: str = "") -> Scenario:
        """All actions on this device as a scenario that ends now."""
        return self.recorder.scenario(
            self.now_ns,
            seed=self.seed,
            about=about,
            firmware=self.firmware,
            skin_sensor=self.skin_sensor,
        )

    def replay(self, scenario: Scenario) -> None:
        """Replay a scenario on a new device at the selected speed."""
        self.skin_sensor = scenario.skin_sensor
        self.fresh(scenario.seed)
        self._script.extend(scenario.steps)
        self._script_end_ns = scenario.end_ns
        self._say("bench", "Replay: " + (scenario.about or f"{len(scenario.steps)} steps"))

    # -- the port -----------------------------------------------------------------------------

    _seat: Seat | None = None

    @property
    def attached(self) -> Seat | None:
        """The attached host, if any."""
        return self._seat

    def take_seat(self, seat: Seat) -> bool:
        """Attach a host; False if another one is attached."""
        if self._seat is not None:
            return False
        self._seat = seat
        self._port_life = self._life()
        self._changed = True
        return True

    def leave_seat(self, seat: Seat | None = None) -> None:
        """Detach `seat` if it is attached; without an argument detach and notify any host."""
        current = self._seat
        if current is None or (seat is not None and seat is not current):
            return
        self._seat = None
        self._changed = True
        if seat is None:
            current.lost()

    def _life(self) -> object:
        """A value that changes when the port vanishes and returns."""
        usb = self.bench.usb
        return getattr(usb, "resets", None), self.bench is not None and self._powered

    def _listen(self) -> None:
        data: bytes = self.bench.host_read()
        if self._seat is not None and self._life() != self._port_life:
            self.leave_seat()
        if not data:
            return
        if self._seat is not None:
            self._seat.received(data)
        for message in self._line.feed(data):
            if "ev" in message:
                self._event(message)
            elif self.watcher is not None:
                self.watcher.reported(self, self.now_ns, message)
        for line in self._line.noise:
            self._printed(line)
        self._line.noise.clear()

    def _printed(self, line: bytes) -> None:
        """What MicroPython or the recovery prints stands in the log, unless a host reads it."""
        words = line.decode("ascii", "replace").strip()
        if self._seat is None and len(words) >= _SHORTEST_PRINTED and words.isprintable():
            self._say("device", f"Prints: {words[:_LONGEST_PRINTED]}")
            self._changed = True

    def _event(self, message: dict[str, Any]) -> None:
        kind = message["ev"]
        if kind == "state":
            self._state = str(message.get("state", ""))
            self._gentle_until_s = self._clock() + GENTLE_S
            self._say("state", self._state)
        elif kind == "boot":
            self.firmware = str(message.get("fw", ""))
            self._state = str(message.get("state", "BOOT"))
            self._say("state", f"Started: firmware {self.firmware}, boot {message.get('boot')}")
        elif kind == "fault":
            name = str(message.get("name", message.get("fault")))
            if message.get("active"):
                self._say("fault", name)
            else:
                self._say("device", f"{name}: cleared")
        else:
            self._say("device", in_words(message))
        self._changed = True
        if self.watcher is not None:
            self.watcher.reported(self, self.now_ns, message)

    # -- the view -----------------------------------------------------------------------------

    def say(self, kind: str, words: str) -> None:
        """Add an entry to the log."""
        self._say(kind, words)
        self._changed = True

    def _say(self, kind: str, words: str) -> None:
        self._event_number += 1
        self.events.append(Event(self._event_number, self.now_ns / NS_PER_MS, kind, words))

    def _screen_changed(self) -> None:
        self._screen_changed_since = True

    def _signal(self, t_ns: int, signal: str, value: float) -> None:
        self._changed = True
        if signal == "VALVE_GATE":
            self._gentle_until_s = self._clock() + GENTLE_S
            if value:
                self._opened_ns = t_ns
                self._openings += 1
            elif self._opened_ns is not None:
                self._opened_ms = (t_ns - self._opened_ns) / NS_PER_MS
                self._opened_ns = None
                self._closings += 1
        if self.watcher is not None:
            self.watcher.changed(self, t_ns, signal, value)

    def _sample(self) -> None:
        plant = self.bench.plant
        plant.advance(self.now_ns)
        wiring = self.bench.wiring
        valve = (
            (wiring.driven(GATE) == 1)
            + 2 * (wiring.driven(SUPPLY) == 1)
            + 4 * plant.valve_open
            + 8 * plant.jet_is_liquid
        )
        self.history.add(
            (self.now_ns * 1e-9, plant.nozzle_c, plant.dewar_mbar, plant.dewar_permille,
             plant.coil_ma, plant.flow_g_s, valve)
        )  # fmt: skip
        if self.now_ns - self._forgot_ns >= KEPT_NS + _FORGET_NS:
            self._forgot_ns = self.now_ns - KEPT_NS
            self.bench.forget(self._forgot_ns)

    def _readings(self) -> Readings:
        plant = self.bench.plant
        plant.advance(self.now_ns)
        wiring = self.bench.wiring
        return Readings(
            plant.nozzle_c, plant.dewar_mbar, plant.dewar_permille, plant.coil_ma,
            plant.flow_g_s, wiring.driven(GATE) == 1, wiring.driven(SUPPLY) == 1,
            plant.valve_open, plant.jet_is_liquid,
        )  # fmt: skip

    def _look(self, now_s: float) -> None:
        """Update `view`: immediately after a change, the readings every `READINGS_S`."""
        due = now_s - self._shown_s >= READINGS_S
        wiring: Wiring = self.bench.wiring
        if self._screen_changed_since:
            self._screen_changed_since = False
            pixels = dots(wiring)
            if pixels != self._pixels:
                self._pixels = pixels
                self._changed = True
        if not self._changed and not due:
            return
        self._changed = False
        old = self.view
        plant = old.plant
        reached = old.reached
        if due:
            self._shown_s = now_s
            plant = self._readings()
            self._rate.append((now_s, self.now_ns))
            while len(self._rate) > 2 and now_s - self._rate[0][0] > 1.0:
                self._rate.popleft()
            since_s, since_ns = self._rate[0]
            if now_s > since_s:
                reached = (self.now_ns - since_ns) * 1e-9 / (now_s - since_s)
        screen = wiring.screen
        buzzer = wiring.buzzer
        opened_ms = self._opened_ms
        if self._opened_ns is not None:
            opened_ms = (self.now_ns - self._opened_ns) / NS_PER_MS
        self.view = View(
            session=self._session,
            t_ms=self.now_ns / NS_PER_MS,
            speed=old.speed,
            requested=self._speed(now_s),
            reached=reached,
            paused=old.paused,
            powered=self._powered,
            state=self._state,
            held=frozenset(self._held),
            estop_open=self._estop_open,
            aimed_away=self._aimed_away,
            mishaps=frozenset(self._mishaps),
            pixels=self._pixels,
            brightness=(0.35 + 0.65 * screen.contrast / 255.0) if screen.lit else 0.0,
            lamps=(
                wiring.leds["green"].brightness,
                wiring.leds["yellow"].brightness,
                wiring.leds["red"].brightness,
            ),
            tone_hz=buzzer.sounding_hz,
            # A square wave's first harmonic: loudest at half duty.
            volume=min(1.0, 2.0 * min(buzzer.duty_u16, 65535 - buzzer.duty_u16) / 65535.0),
            plant=plant,
            openings=self._openings,
            closings=self._closings,
            opened_ms=opened_ms,
            steps=len(self.recorder),
            recording_full=self.recorder.full,
            replaying=bool(self._script) or self.now_ns < self._script_end_ns,
            replayed_ms=self._script_end_ns / NS_PER_MS,
            host=self._seat.name if self._seat is not None else "",
            error=self._error,
        )
        self.on_change()

    # -- pace ---------------------------------------------------------------------------------

    def _pace(self, now_s: float) -> None:
        self._from_s = now_s
        self._from_ns = self.now_ns

    def _speed(self, now_s: float) -> float:
        speed = self.view.speed
        return min(speed, 1.0) if now_s < self._gentle_until_s else speed

    def turn(self) -> float:
        """Advance the bench's time to the clock. Returns the seconds until the next turn."""
        now_s = self._clock()
        if self.view.paused or self._error:
            self._pace(now_s)
            self._look(now_s)
            return READINGS_S
        speed = self._speed(now_s)
        passed_ns = int((now_s - self._from_s) * speed * 1e9)
        # Whole ms, so that the next action has a whole-ms time.
        target_ns = (self._from_ns + passed_ns) // NS_PER_MS * NS_PER_MS
        if speed != self.view.speed or now_s - self._from_s > 1.0:
            self._pace_from(now_s, target_ns)
        try:
            self._go(target_ns, now_s)
        except BenchError as error:
            self._error = str(error)
            self._say("bench", f"Simulated device stopped: {error}")
            self._changed = True
        if self.watcher is not None:
            self.watcher.turned(self)
        after_s = self._clock()
        self._look(after_s)
        return max(0.0, now_s + TURN_S - after_s)

    def _pace_from(self, now_s: float, target_ns: int) -> None:
        self._from_s, self._from_ns = now_s, max(target_ns, self.now_ns)

    def _go(self, target_ns: int, now_s: float) -> None:
        bench = self.bench
        while self.now_ns < target_ns:
            to_ns = min(target_ns, self._sample_ns, self.now_ns + self._piece_ns)
            for waiting in (self._script, self._late):
                if waiting and waiting[0].at_ns < to_ns:
                    to_ns = waiting[0].at_ns
            if to_ns > self.now_ns:
                began_s = self._clock()
                bench.run_for((to_ns - self.now_ns) / NS_PER_MS)
                took_s = self._clock() - began_s
                if took_s > PIECE_S:
                    self._piece_ns = max(NS_PER_MS, self._piece_ns // 2)
                elif took_s < PIECE_S / 4:
                    self._piece_ns = min(SAMPLE_NS, 2 * self._piece_ns)
                self._listen()
            for waiting in (self._script, self._late):
                while waiting and waiting[0].at_ns <= self.now_ns:
                    self._apply(replace(waiting.popleft(), at_ns=self.now_ns))
            if self.now_ns >= self._sample_ns:
                self._sample()
                self._sample_ns = (self.now_ns // SAMPLE_NS + 1) * SAMPLE_NS
            behind_s = self._clock() - now_s
            if behind_s > BEHIND_S / 4 and self.now_ns < target_ns:
                # Too slow for this speed: drop the lag and continue from here.
                self._pace_from(self._clock(), self.now_ns)
                return


class Runner:
    """The thread of an engine. Other threads access the engine through `post` and `ask`."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._posted: queue.SimpleQueue[Posted | None] = queue.SimpleQueue()
        self._started = threading.Event()
        self._engine: Engine | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bench", daemon=True)

    def start(self) -> Engine:
        """Create the engine on its thread. Re-raises an exception of its creation."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        assert self._engine is not None
        return self._engine

    def stop(self) -> None:
        """End the thread. Idempotent."""
        self._posted.put(None)
        self._thread.join(timeout=10.0)

    def post(self, fn: Posted) -> None:
        """Call `fn(engine)` on the engine's thread as soon as time is up to date.

        On a bench that does not keep up: after the current piece of simulation.
        """
        self._posted.put(fn)

    def ask(self, fn: Callable[[Engine], Any], timeout_s: float = 10.0) -> Any:
        """As `post`, and return the result. Re-raises exceptions of `fn`; TimeoutError."""
        answered = threading.Event()
        box: list[Any] = []

        def run(engine: Engine) -> None:
            try:
                box.append((True, fn(engine)))
            except Exception as error:
                box.append((False, error))
            answered.set()

        self.post(run)
        if not answered.wait(timeout_s):
            raise TimeoutError("the bench does not answer")
        good, value = box[0]
        if not good:
            raise value
        return value

    def _run(self) -> None:
        try:
            engine = self._engine = self._make()
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._started.set()
        while True:
            wait_s = engine.turn()
            try:
                # Wait even with no time left, so that other threads can run.
                fn = self._posted.get(timeout=max(wait_s, 0.0005))
            except queue.Empty:
                continue
            if wait_s > 0.0:
                engine.turn()  # if it is behind, the action goes first
            while fn is not None:
                try:
                    fn(engine)
                except (ScenarioError, ValueError, KeyError) as error:
                    engine.say("bench", str(error))
                try:
                    fn = self._posted.get_nowait()
                except queue.Empty:
                    break
            else:
                engine.close()
                return
