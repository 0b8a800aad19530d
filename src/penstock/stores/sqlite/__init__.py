"""SQLite: a file with tables, positions, leases and dead letters in one transaction."""
