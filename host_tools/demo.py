"""`cryo demo`: the simulated treatment. The only module here that imports from `hw_sim`.

The simulator takes nothing from the host tools, so the pulling of the record, by the same code as
`cryo log pull`, is handed to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.errors import LocalError
from host_tools.transport import Transport


@dataclass(frozen=True)
class Fetched:
    """The journal as it was pulled and stored."""

    serial: str
    verified: bool
    """Checked anew from the stored bytes."""
    records: Sequence[Mapping[str, Any]]
    """As `cryo log show --json` gives them."""
    show: Callable[[], None]
    """Prints them as `cryo log show` does."""


def run(out_dir: Path, *, json: bool) -> int:
    """Run the demonstration; picture, trace and records land in `out_dir`. Returns the exit code.

    Raises LocalError when the simulator is not installed, or `out_dir` cannot be written.
    """
    try:
        from hw_sim.demo import main
    except ImportError as error:
        raise LocalError(
            f"the demonstration needs the simulator, which cannot be loaded: {error}",
            "run it from a checkout of Cryodose: `make run` sets everything up",
        ) from None
    try:
        return main(out_dir, json, _fetch)
    except OSError as error:
        raise LocalError(
            f"cannot write to {out_dir}: {error.strerror or error}",
            "name another folder with --out",
        ) from None


def _fetch(port: Transport, path: Path) -> Fetched:
    """Pull the whole journal from `port` into a store in the file `path`, and verify it there."""
    from host_tools import render
    from host_tools.device import Device
    from host_tools.link import Link
    from host_tools.pull import pull
    from host_tools.records import as_dict
    from host_tools.store import Store

    with Store(path) as store:
        pulled = pull(Device(Link(port)), store)
        serial = pulled.serial
        description = store.description(serial)
        records = list(store.records(serial))
        verdict = store.verify(serial)
    return Fetched(
        serial=serial,
        verified=verdict.good and not verdict.gaps and verdict.last == pulled.head,
        records=[as_dict(record, description) for record in records],
        show=lambda: render.records(serial, records, description, pulled.head),
    )
