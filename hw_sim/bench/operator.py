"""What an operator does at the device, on any simulated bench.

May import the standard library and `protocol`.
"""

from __future__ import annotations

from hw_sim.bench.protocol import SimulatedBench

_LOOK_MS = 5.0
_WHOLE_AFTER_MS = 50.0
_WHOLE_MOST_MS = 3000.0


def until_drawn(bench: SimulatedBench) -> None:
    """Wait until the display shows all that was drawn. RuntimeError if it never does.

    The device sends a screen page by page, the next page within 40 ms: when nothing has changed
    for longer than that, nothing is left to send.
    """
    screen = bench.screen()
    quiet_ms, before = 0.0, screen.ram()
    for _ in range(round(_WHOLE_MOST_MS / _LOOK_MS)):
        if quiet_ms > _WHOLE_AFTER_MS:
            return
        bench.run_for(_LOOK_MS)
        now = screen.ram()
        quiet_ms = quiet_ms + _LOOK_MS if now == before else 0.0
        before = now
    raise RuntimeError("the display is never complete")
