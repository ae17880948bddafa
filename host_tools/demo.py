"""`cryo demo`: the simulated treatment. The only module here that imports from `hw_sim`.

The simulator shows the treatment; the record is fetched here, by the same code as `cryo log pull`
uses with a device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.description import Description
from host_tools.device import Device
from host_tools.errors import LocalError
from host_tools.extras import needs
from host_tools.link import Link
from host_tools.pull import pull
from host_tools.records import Record, as_dict
from host_tools.store import Store
from host_tools.transport import Transport


@dataclass(frozen=True)
class Fetched:
    """What a pull brought, for the demonstration to show."""

    serial: str
    verified: bool
    """The hash chain is intact, verified from the stored bytes."""
    stored: Sequence[Record]
    description: Description

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """The records as `cryo log show --json` gives them."""
        return [as_dict(record, self.description) for record in self.stored]

    def show(self) -> None:
        """Print the records as `cryo log show` does."""
        from host_tools import render

        last = self.stored[-1].seq if self.stored else 0
        render.records(self.serial, self.stored, self.description, last)


def fetch(port: Transport, store_path: Path) -> Fetched:
    """Pull the journal of the device on `port` into a store, and read it back from there."""
    device = Device(Link(port, first_id=1))
    with Store(store_path) as store:
        result = pull(device, store)
        return Fetched(
            result.serial,
            store.verify(result.serial).good and not result.broken,
            list(store.records(result.serial)),
            store.description(result.serial),
        )


def run(out_dir: Path, *, json: bool) -> int:
    """Run the demonstration; its picture and trace land in `out_dir`. Returns the exit code.

    Raises LocalError when the extra is not installed, or `out_dir` cannot be written.
    """
    with needs("sim", "the demonstration"):
        from hw_sim.demo.report import main
    try:
        return main(out_dir, json, fetch)
    except OSError as error:
        raise LocalError(f"cannot write to {out_dir}: {error.strerror or error}") from None
