"""PostgreSQL, the real one."""
