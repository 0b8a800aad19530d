"""Where live data waits: a durable log, what reads it as a source, and a queue with leases on top."""
