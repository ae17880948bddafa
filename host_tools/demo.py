"""`cryo demo`: the simulated treatment. The only module here that imports from `hw_sim`."""

from pathlib import Path

from host_tools.errors import LocalError


def run(out_dir: Path, *, json: bool) -> int:
    """Run the demonstration; its picture and trace land in `out_dir`. Returns the exit code.

    Raises LocalError when the simulator is not installed.
    """
    try:
        from hw_sim.demo import main
    except ImportError as error:
        raise LocalError(
            f"the demonstration needs the simulator, which cannot be loaded: {error}",
            "run it from a checkout of Cryodose: `make run` sets everything up",
        ) from None
    return main(out_dir, json)
