"""`cryo panel`: the simulated device in the browser. Imports from `hw_sim`, as `demo` does.

The simulator serves the page; the journal is fetched here, by the same code as `cryo log pull`
uses with a device.
"""

import os
import sys
from pathlib import Path

from host_tools.demo import fetch
from host_tools.errors import LocalError
from host_tools.extras import needs, require


def run(
    bench: str,
    *,
    web_port: int,
    tcp_port: int,
    skin_sensor: bool = False,
    replay: Path | None = None,
    show: bool = True,
) -> int:
    """Serve the page on this computer until Ctrl-C. Returns the exit code.

    `bench`: "fast" or "emulated". `web_port`, `tcp_port`: the page's and the device's TCP ports
    on 127.0.0.1; the next free one is taken when one is in use. `skin_sensor`: the infrared sensor
    is fitted. Raises LocalError when the
    simulator, MicroPython's image or the session to replay is missing or unusable.
    """
    require("web", "the page", "nicegui")
    if bench == "emulated":
        require("emulated", "the emulated board", "rp2040py", "numba")
    with needs("web", "the page"):
        from hw_sim.web.start import Unusable, main

    def started(page: str, device: str) -> None:
        print(f"the device's front: {page}")
        print(f"host tools:         cryo --port {device} status --watch")
        print("Ctrl-C ends it.", flush=True)

    try:
        main(
            bench,
            web_port=web_port,
            tcp_port=tcp_port,
            skin_sensor=skin_sensor,
            replay=replay,
            show=show and _has_browser(),
            fetch=fetch,
            started=started,
        )
    except Unusable as error:
        raise LocalError(str(error), error.hint) from None
    except KeyboardInterrupt:
        print()
    return 0


def _has_browser() -> bool:
    # Without a display a browser of the terminal would be opened, over what is printed there.
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
