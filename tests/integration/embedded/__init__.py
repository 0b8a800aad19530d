"""The embedded server, with real PostgreSQL processes."""
