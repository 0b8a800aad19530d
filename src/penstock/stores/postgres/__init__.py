"""PostgreSQL: table, positions, leases and dead letters in one transaction."""
