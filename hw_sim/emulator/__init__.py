"""The same board on an emulated RP2040 that runs the official MicroPython image.

`EmulatedBench` has the interface of the fast bench; underneath are the processor, PIO, USB, I2C,
SPI, ADC, PWM, watchdog and flash of PyPI's `rp2040py`, wired to the same `hw_sim.world.wiring`.
Single thread, emulated time only: two runs are identical to the byte. May import the standard
library, `rp2040py` (pinned: some of what is worked around here has private names, and each has a
canary test in tests/scenarios/test_emulator_canaries.py) and the rest of `hw_sim` except
`hw_sim.fakes`.

Good for: PIO and the valve, aborts, watchdog, boot, link, file system, power cuts. Not for:
absolute speed of the processor, electrical behaviour, the second core, bit-banged I2C.
"""

from hw_sim.emulator.bench import EmulatedBench

__all__ = ["EmulatedBench"]
