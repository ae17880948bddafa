"""Benches: what a scenario can do to an applicator, and the fast one.

`FastBench` here and `hw_sim.emulator.EmulatedBench` offer the same interface, `Bench`.
"""

from hw_sim.bench.fast import FastBench
from hw_sim.bench.link_client import LinkClient, LinkTimeout, NotAsExpected, Refused
from hw_sim.bench.protocol import (
    FIRMWARE,
    NS_PER_MS,
    Bench,
    CapabilityMissing,
    Screen,
    SimulatedBench,
)
from hw_sim.world.fault_injection import MISHAPS
from hw_sim.world.wiring import GATE

__all__ = [
    "FIRMWARE",
    "GATE",
    "MISHAPS",
    "NS_PER_MS",
    "Bench",
    "CapabilityMissing",
    "FastBench",
    "LinkClient",
    "LinkTimeout",
    "NotAsExpected",
    "Refused",
    "Screen",
    "SimulatedBench",
]
