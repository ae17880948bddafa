"""What the project promises, measured: `python -m hw_sim.benchmarks`, `make bench`.

    figure      one row of the table, and how it is shown
    scenes      what the measurements have in common: an applicator made ready, a flooded link
    valve       how long the valve is open; how soon it closes
    computer    what takes the time of this computer: the bench, the `cryo` command, a log pull

May import the standard library, rich, and the rest of `hw_sim` except the emulator. Host tools are
started as programs, as a user starts them, never imported.
"""
