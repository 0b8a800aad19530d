"""The extraction wing into a real PostgreSQL."""
