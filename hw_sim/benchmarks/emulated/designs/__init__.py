"""Four ways to time a freeze, and what closes the gate: programs for the board, not for the host.

They land on the emulated board as the package `designs` and run on MicroPython there:

    load        what the processor does meanwhile: link, allocation and collection, screen
    sleep_loop  freeze timed by `time.sleep_ms` in the loop
    polling     freeze timed by `time.ticks_us`, polled in the loop
    soft_timer  freeze timed by `machine.Timer`, its callback closes the gate
    pio         freeze timed by this project's own valve.py
    closing     the gate held open until an E-stop or a trigger closes it: Pin.irq, or valve.py
    station     takes orders from the host and runs one of these

The three rivals are written as well as their idea allows: deadlines instead of counted passes,
no allocation of their own, the gate closed first of all when the time is up. All four share one
loop's rhythm: a step of the load, then at most 10 ms of waiting.
"""
