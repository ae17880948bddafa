"""Draws docs/electrical.png: the coil's current over an opening, and how it ends.

May import the standard library, matplotlib by `hw_sim.plotting`, and of this package `circuits` and
`trials`.
"""

from __future__ import annotations

from pathlib import Path

from hw_sim import plotting
from hw_sim.electrical.circuits import draws, waveform
from hw_sim.electrical.trials import estop_deck, opening_deck


def draw(path: Path) -> None:
    """Write the picture of the nominal board as PNG. Needs ngspice."""
    board = draws(1)[0]
    curves = (
        ("the dose timer opens Q3", plotting.BLUE, opening_deck(board)),
        ("the E-stop contact alone", plotting.RED, estop_deck(board)),
    )
    with plotting.load().rc_context(plotting.STYLE):
        made = plotting.figure(1000, 420)
        wide, near = made.subplots(1, 2, width_ratios=(3, 2))
        for words, colour, deck in curves:
            times, amps = waveform(deck, "i(LLCOIL)")
            ms = [t * 1e3 - 1 for t in times]
            ma = [a * 1e3 for a in amps]
            wide.plot(ms, ma, color=colour, linewidth=1.3)
            near.plot(ms, ma, color=colour, linewidth=1.8, label=words)
        wide.set_xlabel("ms since GATE rose")
        wide.set_ylabel("coil current, mA")
        near.set_xlim(38, 48)
        near.set_ylim(0, 420)
        near.axhline(30, color=plotting.INK, linewidth=0.8, linestyle="--")
        near.text(47.9, 34, "30 mA: off", ha="right", va="bottom", color=plotting.SOFT, size=11)
        near.set_xlabel("the end, ms")
        near.legend(frameon=False, fontsize=11, loc="upper right")
        made.tight_layout()
        plotting.save(made, path)
