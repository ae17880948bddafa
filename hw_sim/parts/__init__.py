"""Electronic parts at pin and byte level.

Each part knows its data sheet and a clock, some know the plant; none knows which pin it hangs on
(that is `hw_sim.wiring`). May import the standard library, `hw_sim.clock` and `hw_sim.plant`.
"""
