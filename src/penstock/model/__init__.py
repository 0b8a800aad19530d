"""What flows through the engine: positions, intervals, counts, errors, units. Pure and light."""
