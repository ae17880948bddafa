"""Creates bench, engine, port and page, and serves the page.

May import the standard library and `hw_sim`; the page (NiceGUI) only when it is served.
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
"""Number of consecutive ports that are tried."""


class Unusable(Exception):
    """A prerequisite on this computer is missing or wrong. `hint`: the remedy."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def maker(kind: str) -> Callable[[int, bool], SimulatedBench]:
    """Factory of a kind of bench ("fast" or "emulated"), called with seed and skin sensor. Its
    applicators are not calibrated, as shipped.

    Unusable if a prerequisite of the emulated bench is missing.
    """
    if kind == "fast":
        return lambda seed, skin_sensor: FastBench(
            seed=seed, skin_sensor=skin_sensor, calibrated=False
        )
    from hw_sim.image import micropython

    try:
        micropython.find_image()
    except (micropython.ImageMissing, micropython.ImageWrong) as error:
        raise Unusable(str(error), "in a checkout, `make micropython` downloads it") from None
    try:
        from hw_sim.emulator import EmulatedBench
    except ImportError as error:
        raise Unusable(f"the emulator cannot be loaded: {error}", "`make setup`") from None
    return lambda seed, skin_sensor: EmulatedBench(
        seed=seed, skin_sensor=skin_sensor, calibrated=False
    )


def free_port(first: int) -> int:
    """The first free TCP port on 127.0.0.1 from `first` on. Unusable: none of `TRIED` is free."""
    for number in range(first, first + TRIED):
        try:
            socket.create_server((HOST, number)).close()
        except OSError:
            continue
        except OverflowError:
            break
        return number
    raise Unusable(f"no free port from {first} on", "specify another one")


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
    """Serve the page on this computer until Ctrl-C. Raises `Unusable`."""
    make = maker(kind)
    scenario: Scenario | None = None
    if replay is not None:
        try:
            scenario = load(replay)
        except (ScenarioError, OSError) as error:
            raise Unusable(f"{replay}: {error}") from None
    web = free_port(web_port)
    tcp = free_port(tcp_port if tcp_port != web else tcp_port + 1)

    def make_engine() -> Engine:
        engine = Engine(make, skin_sensor=skin_sensor)
        if scenario is None:
            engine.act("power_on")
        else:
            engine.replay(scenario)
        return engine

    from hw_sim.web.page import serve

    serve(
        Runner(make_engine),
        kind=kind,
        http_port=web,
        tcp_port=tcp,
        show=show,
        fetch=fetch,
        started=started,
    )
