"""Four ways to time a freeze, and to close the gate: programs for the board, not for the host.

They are copied to the emulated board as the package `designs` and run on MicroPython there:

    load        the processor's other work: link, allocation and collection, screen
    sleep_loop  freeze timed by `time.sleep_ms` in the loop
    polling     freeze timed by `time.ticks_us`, polled in the loop
    soft_timer  freeze timed by `machine.Timer`, its callback closes the gate
    pio         freeze timed by this project's own valve.py
    closing     gate open until an E-stop or a trigger closes it: Pin.irq, or valve.py
    station     takes commands from the host and runs one of these

The three alternatives are implemented as well as their principle allows: deadlines instead of
counted passes, no allocation, the gate closed first when the time is up. All four use the same
loop: a step of the load, then at most 10 ms of waiting.
"""
