"""Benchmarks under real MicroPython on the emulated board: `python -m hw_sim.benchmarks.emulated`.

One run on the emulated RP2040 compares four designs under the same load; `make bench-emulated`
writes docs/figures-emulated.md.

    designs     programs for the board: the load, three alternatives, ours (MicroPython)
    board       a board with the designs, or with the complete firmware; copies of either
    freezing    open time of the gate
    closing     closing latencies of the gate
    device      start, memory, longest tick, log pull, and the cost of the emulation
    page        the generated page

May import the standard library, `hw_sim.emulator`, and the shared parts of the other benchmarks.
"""
