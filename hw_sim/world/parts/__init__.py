"""Electronic parts at pin and byte level.

Each part knows its data sheet and a clock, some know the plant; none knows which pin it hangs on
(that is `hw_sim.world.wiring`). May import the standard library, `hw_sim.world.clock` and
`hw_sim.world.plant`.
"""
