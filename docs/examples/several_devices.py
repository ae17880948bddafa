"""The journals of all devices into one file: `python several_devices.py FILE.sqlite [PORT ...]`.

Without PORT: every device on USB. Each has its own connection in its own thread; the store takes
several writers.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryodose import CryoError, connect, list_ports


def pull(port: str) -> str:
    """One device's new records into the store; what came of it."""
    try:
        with connect(port) as device:
            result = device.pull(store)
            return f"{port}: {result.serial}, {result.new} new records, verified"
    except CryoError as error:
        return f"{port}: {error.text} -> {error.hint}"


store = Path(sys.argv[1])
ports = sys.argv[2:] or [port.device for port in list_ports() if port.candidate]
with ThreadPoolExecutor(max_workers=len(ports) or 1) as pool:
    for line in pool.map(pull, ports):
        print(line)
