"""Benchmarks of the project's performance claims: `python -m hw_sim.benchmarks`, `make bench`.

    scenes      shared parts of the measurements: an applicator made ready, a flooded link
    valve       open time of the valve, and closing latencies
    computer    running times on this computer: the bench, the `cryo` command, a log pull
    emulated    measurements on the emulated board

May import the standard library, rich, and the rest of `hw_sim` except the emulator. Host tools are
run as programs, as by a user, never imported.
"""
