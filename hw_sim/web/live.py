"""The web socket between a page and the bench, for everything that needs low latency.

Small frames: the screen's pixels, lamps and tone immediately, readings ten times a second. When a
page is closed, all buttons that it held are released.

May import the standard library, Starlette, `hw_sim.dose`, and its own package except `page`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from hw_sim.dose.applicators import by_number
from hw_sim.web import glass
from hw_sim.web.engine import FASTEST, SLOWEST, Engine, Runner
from hw_sim.web.scenario import BUTTONS
from hw_sim.web.tissue_view import COLUMNS, ROWS, Skin, SkinWatch
from hw_sim.web.training import Trainer
from hw_sim.web.view import View

FRAME_S = 0.012
"""Minimum interval between two transmissions of the screen."""

BRIEF_S = 0.003
"""Minimum interval after other transmissions; short, so that a lamp does not delay the screen."""

PLANT_S = 0.1
READ_S = 0.5
"""Minimum interval between two readings of the screen as text; one takes some 8 ms."""

HANDS = ("hold", "release", "estop_open", "estop_close", "aim_away", "aim_at_skin")
"""The operator's actions that a page may send over the web socket."""

PACE = ("speed", "pause", "continue")
"""What a page may ask of the bench's time."""


class Live:
    """All pages that show one bench."""

    def __init__(self, runner: Runner, engine: Engine, skin: SkinWatch) -> None:
        self.runner = runner
        self.engine = engine
        self.skin = skin
        self.trainer: Trainer | None = None
        """The current or last exercise; all pages share it, as they share the bench."""
        self.name = secrets.token_hex(8)
        """Differs in each process: a page that reconnects learns that the bench is another one."""
        self._named: tuple[int, int | None] = (-1, None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bells: set[asyncio.Event] = set()
        engine.on_change = self.ring

    def ring(self) -> None:
        """Wake all senders after a change. May be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    async def serve(self, socket: WebSocket) -> None:
        """Serve one page until it is closed. Pages of another origin are rejected."""
        origin = socket.headers.get("origin", "")
        if origin and origin.split("://", 1)[-1] != socket.headers.get("host", ""):
            await socket.close(1008)
            return
        await socket.accept()
        self._loop = asyncio.get_running_loop()
        bell = asyncio.Event()
        self._bells.add(bell)
        senders = [
            asyncio.create_task(self._send(socket, bell)),
            asyncio.create_task(self._read_out(socket)),
        ]
        held: set[str] = set()
        try:
            while True:
                self._take(await socket.receive_text(), held)
        except WebSocketDisconnect:
            pass
        finally:
            self._bells.discard(bell)
            for sender in senders:
                sender.cancel()
            for name in held:  # release the buttons of a closed page
                self.runner.post(lambda engine, name=name: engine.act("release", name))

    def _take(self, text: str, held: set[str]) -> None:
        try:
            do, what = json.loads(text)
        except ValueError:
            return
        if do in PACE:
            self._pace(do, what)
            return
        if do not in HANDS or (what in BUTTONS) != (do in ("hold", "release")):
            return
        if do == "hold":
            held.add(what)
        elif do == "release":
            held.discard(what)
        self.runner.post(lambda engine: engine.act(do, what))

    def _pace(self, do: str, what: Any) -> None:
        if do != "speed":
            self.runner.post(lambda engine: engine.set_paused(do == "pause"))
            return
        try:
            speed = min(FASTEST, max(SLOWEST, float(what)))
        except (TypeError, ValueError):
            return
        self.runner.post(lambda engine: engine.set_speed(speed))

    def logic(self, request: Request) -> Response:
        """The logic view's window as JSON, or (`as`) as a file. 400 with the reason in words."""
        asked = request.query_params
        record = self.engine.logic
        try:
            from_ms, to_ms = float(asked["from"]), float(asked["to"])
            if not 0 <= from_ms < to_ms < 1e12:
                raise ValueError(f"there is nothing from {from_ms} to {to_ms} ms")
            match asked.get("as", ""):
                case "vcd":
                    return PlainTextResponse(record.vcd(from_ms, to_ms))
                case "csv":
                    return PlainTextResponse(record.csv(from_ms, to_ms))
                case _:
                    return JSONResponse(record.window(from_ms, to_ms, int(asked["columns"])))
        except (KeyError, ValueError) as error:
            return PlainTextResponse(str(error), status_code=400)

    def _plant(self, view: View) -> dict[str, Any]:
        trainer = self.trainer
        return _plant(view) | {"exercise": trainer is not None and trainer.result is None}

    def device_applicator(self, view: View, lines: tuple[str, ...]) -> int | None:
        """Number of the applicator that the device was last seen to be set to, since it is new.

        Read from the `lines` of the view's screen, in states in which they name what is set.
        """
        session, number = self._named
        if view.session != session:
            number = None
        if view.state in NAMING and (seen := glass.applicator(lines)) is not None:
            number = seen
        self._named = view.session, number
        return number

    async def _read_out(self, socket: WebSocket) -> None:
        """Send the screen's text, and whether what is fitted is what the device is set to."""
        sent: dict[str, Any] = {}
        try:
            while True:
                view = self.engine.view
                lines = await asyncio.to_thread(glass.read, view.pixels)
                fitted, device = self.skin.applicator, self.device_applicator(view, lines)
                now = {
                    "lines": lines,
                    "fitted": by_number(fitted).name,
                    "device": "" if device is None else by_number(device).name,
                    "differs": device is not None and device != fitted,
                }
                if now != sent:
                    sent = now
                    await socket.send_text(json.dumps({"glass": now}))
                await asyncio.sleep(READ_S)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page was closed during a transmission

    async def _send(self, socket: WebSocket, bell: asyncio.Event) -> None:
        session, pixels, brightness, front, event, taken, field = -1, b"", -1.0, {}, 0, 0, 0
        plant_s = -1.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                bell.clear()
                view = self.engine.view
                if view.session != session:
                    session, pixels, front, taken = view.session, b"", {}, 0
                    event = field = 0
                    await socket.send_text(json.dumps({"session": session, "bench": self.name}))
                drawn = view.pixels != pixels or view.brightness != brightness
                if drawn:
                    pixels, brightness = view.pixels, view.brightness
                    head = bytes((1, round(255 * brightness), 0, 0))
                    await socket.send_bytes(head + pixels)
                now_front = _front(view)
                changed = {k: v for k, v in now_front.items() if front.get(k, ...) != v}
                if changed:
                    front = now_front
                    await socket.send_text(json.dumps({"front": changed}))
                news = [e for e in list(self.engine.events) if e.number > event]
                if news:
                    event = news[-1].number
                    rows = [(e.number, round(e.t_ms, 1), e.kind, e.words) for e in news]
                    await socket.send_text(json.dumps({"log": rows}))
                now_s = loop.time()
                if now_s - plant_s >= PLANT_S:
                    plant_s = now_s
                    await socket.send_text(json.dumps({"plant": self._plant(view)}))
                    history = self.engine.history
                    if history.taken != taken:
                        first, floats = history.since(taken)
                        taken = history.taken
                        await socket.send_bytes(struct.pack("<BxxxI", 2, first) + floats)
                    skin = self.skin.now
                    if skin.number != field:
                        field = skin.number
                        await socket.send_text(json.dumps({"skin": _skin(skin)}))
                        await socket.send_bytes(b"\3\0\0\0" + skin.field)
                await asyncio.sleep(FRAME_S if drawn else BRIEF_S)
                await bell.wait()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page was closed during a transmission


def _front(view: View) -> dict[str, Any]:
    return {
        "state": view.state,
        "powered": view.powered,
        "held": sorted(view.held),
        "estop_open": view.estop_open,
        "aimed_away": view.aimed_away,
        "lamps": [round(each, 3) for each in view.lamps],
        "tone_hz": view.tone_hz,
        "volume": round(view.volume, 3),
        "error": view.error,
        "replaying": view.replaying,
        "host": view.host,
    }


NAMING = ("READY", "ARMED", "PRECHILL", "DONE")
"""States in which an applicator on the screen is the one that is set."""


def _plant(view: View) -> dict[str, Any]:
    p = view.plant
    return {
        "t_ms": round(view.t_ms),
        "speed": view.speed,
        "requested": view.requested,
        "reached": round(view.reached, 2),
        "paused": view.paused,
        "nozzle_c": round(p.nozzle_c, 2),
        "dewar_mbar": round(p.dewar_mbar, 1),
        "level_permille": round(p.level_permille, 2),
        "coil_ma": round(p.coil_ma, 1),
        "flow_g_s": round(p.flow_g_s, 3),
        "gate": p.gate,
        "supply": p.supply,
        "valve_open": p.valve_open,
        "liquid": p.liquid,
        "openings": view.openings,
        "closings": view.closings,
        "opened_ms": round(view.opened_ms, 3),
    }


def _skin(skin: Skin) -> dict[str, Any]:
    return {
        "columns": COLUMNS,
        "rows": ROWS,
        "mm": round(skin.mm, 4),
        "t_s": round(skin.t_s, 2),
        "spot_mm": skin.spot_mm,
        "surface_c": round(skin.surface_c, 1),
        "ice_mm": round(skin.ice_mm, 2),
        "wide_mm": round(skin.wide_mm, 2),
        "m25_mm": round(skin.m25_mm, 2),
        "deepest_mm": round(skin.deepest_mm, 2),
    }
