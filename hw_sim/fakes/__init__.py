"""The fake chip of the fast bench: MicroPython 1.23 on a Pico, under CPython, in virtual time.

May import: hw_sim's clock, wiring, flash, greenlet and littlefs. Start with `chip.py` (lives,
resets, pins, time) and `loader.py` (how the firmware gets its modules). Each module says what it
does not model.
"""
