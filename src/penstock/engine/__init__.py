"""The engine: it plans, reads, writes, counts, and goes on after whatever interrupts it."""
