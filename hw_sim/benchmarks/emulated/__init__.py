"""What is promised of real MicroPython, measured: `python -m hw_sim.benchmarks.emulated`.

One run on the emulated RP2040, four designs side by side under one load; `make bench-emulated`
writes docs/figures-emulated.md.

    designs     what runs on the board: the load, three rivals, ours (MicroPython, not Python)
    board       a board with the designs on it, or with the whole firmware; copies of either
    freezing    how long the gate is open
    closing     how soon it closes
    device      start, memory, longest tick, log, and what the emulation costs
    page        the page that is written

May import the standard library, `hw_sim.emulator`, and of the other figures what is common.
"""
