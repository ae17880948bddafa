"""Takes commands from the host, one per line, and runs a design. May import the rest, machine, sys.

freeze <design> <dose_ms> <load|idle>     answers `end` when the gate is low
closing <soft|hard|pio> <estop|trigger> <doing>    opens the gate and never answers
capacity <bytes>                          sends this number of bytes as fast as possible
"""

import gc
import sys

import micropython
from cryo.valve import Valve
from designs import closing, pio, polling, sleep_loop, soft_timer
from designs.load import Idle, Load
from machine import Pin

DESIGNS = {
    "sleep_loop": sleep_loop,
    "polling": polling,
    "soft_timer": soft_timer,
    "pio": pio,
}
_CHUNK = bytes(64)


def _valve():
    return Valve(Pin(2), Pin(3), Pin(6, Pin.IN, Pin.PULL_DOWN))


def _gate():
    Pin(3, Pin.OUT, value=1)
    return Pin(2, Pin.OUT, value=0)


def _freeze(design, dose_ms, load):
    DESIGNS[design].freeze(_valve() if design == "pio" else _gate(), int(dose_ms), load)
    print("end")


def _closing(design, source, doing, load):
    estop = Pin(6, Pin.IN, Pin.PULL_DOWN)
    trigger = Pin(7, Pin.IN, Pin.PULL_UP)
    if design == "pio":
        valve = _valve()
        valve.raise_supply()
        valve.open_for(closing.CEILING_MS * 1000)
    else:
        gate = _gate()
        if source == "estop":
            closing.Irq(gate, estop, Pin.IRQ_FALLING, design == "hard")
        else:
            closing.Irq(gate, trigger, Pin.IRQ_RISING, design == "hard")
        gate.on()
    closing.DOINGS[doing](load)


def _capacity(count):
    write = sys.stdout.buffer.write
    for _ in range(int(count) // len(_CHUNK)):
        write(_CHUNK)


def serve():
    """Run commands until power-off."""
    micropython.kbd_intr(-1)
    load = Load()
    print("load", *load.weigh())
    while True:
        words = sys.stdin.readline().split()
        gc.collect()
        if words[0] == "freeze":
            _freeze(words[1], words[2], load if words[3] == "load" else Idle())
        elif words[0] == "closing":
            _closing(words[1], words[2], words[3], load)
        elif words[0] == "capacity":
            _capacity(words[1])
