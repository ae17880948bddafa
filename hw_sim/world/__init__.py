"""The world around the processor: clock, wiring, parts, plant, fault injection and traces."""
