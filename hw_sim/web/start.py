"""Puts bench, engine, port and page together.

May import the standard library and `hw_sim`; the page (NiceGUI) only when it is to be served.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_sim.bench import FastBench, SimulatedBench
from hw_sim.web.engine import Engine, Runner
from hw_sim.web.port import HOST
from hw_sim.web.scenario import Scenario, ScenarioError, load

TRIED = 20
"""How many ports are tried, from the wanted one on."""


class Unusable(Exception):
    """Something is missing on this computer, or not what it should be. `hint`: what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def maker(kind: str) -> Callable[[int, bool], SimulatedBench]:
    """What makes a bench of a kind ("fast" or "emulated") from a seed and whether there
    is a skin sensor. Unusable: it cannot."""
    if kind == "fast":
        return lambda seed, skin_sensor: FastBench(seed=seed, skin_sensor=skin_sensor)
    from hw_sim.image import micropython

    try:
        micropython.find_image()
    except (micropython.ImageMissing, micropython.ImageWrong) as problem:
        raise Unusable(str(problem), "`make micropython` gets it") from None
    try:
        from hw_sim.emulator import EmulatedBench
    except ImportError as error:
        raise Unusable(f"the emulator cannot be loaded: {error}", "`make setup`") from None
    return lambda seed, skin_sensor: EmulatedBench(seed=seed, skin_sensor=skin_sensor)


def free_port(wanted: int) -> int:
    """`wanted`, or the next TCP port that is free on 127.0.0.1. Unusable: none of them is."""
    for number in range(wanted, wanted + TRIED):
        try:
            socket.create_server((HOST, number)).close()
        except OSError:
            continue
        except OverflowError:
            break
        return number
    raise Unusable(f"no port from {wanted} on is free", "name another one")


def main(
    kind: str = "fast",
    *,
    web_port: int = 8080,
    tcp_port: int = 8090,
    skin_sensor: bool = False,
    replay: Path | None = None,
    show: bool = True,
    fetch: Any = None,
    started: Callable[[str, str], None] = lambda _page, _port: None,
) -> None:
    """Serve the page on this computer until Ctrl-C. Unusable: see there."""
    make = maker(kind)
    scenario: Scenario | None = None
    if replay is not None:
        try:
            scenario = load(replay)
        except (ScenarioError, OSError) as error:
            raise Unusable(f"{replay}: {error}") from None
    web = free_port(web_port)
    tcp = free_port(tcp_port if tcp_port != web else tcp_port + 1)

    def engine() -> Engine:
        made = Engine(make, skin_sensor=skin_sensor)
        if scenario is None:
            made.act("power_on")
        else:
            made.replay(scenario)
        return made

    from hw_sim.web.page import serve

    serve(
        Runner(engine),
        kind=kind,
        http_port=web,
        tcp_port=tcp,
        show=show,
        fetch=fetch,
        started=started,
    )
